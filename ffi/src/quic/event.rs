//! What happened on a connection.

use ::pith_quic::{ConnectionError, Dir, Event, StreamEvent};

use super::connection::{Quic, pith_quic};
use super::pith_address;
use crate::arguments::{Struct, fill};
use crate::error::{Failure, PITH_NONE, PITH_NULL, PITH_OK};
use crate::handle::Handle;

/// The handshake is complete: the peer is who it has to be.
pub const PITH_EVENT_CONNECTED: i32 = 1;
/// Both sides know that the handshake is complete.
pub const PITH_EVENT_CONFIRMED: i32 = 2;
/// The peer has opened streams (`is_uni` says which kind): call pith_quic_accept_stream until there is none, and read each at once.
pub const PITH_EVENT_OPENED: i32 = 3;
/// The peer allows more streams (`is_uni` says which kind) after one was refused: open again.
pub const PITH_EVENT_AVAILABLE: i32 = 4;
/// There is something new to read on `stream`: data, the end or a reset.
pub const PITH_EVENT_READABLE: i32 = 5;
/// `stream`, which took less than it was given, takes more.
pub const PITH_EVENT_WRITABLE: i32 = 6;
/// The peer does not want what is sent on `stream`, for the reason in `code`.
pub const PITH_EVENT_STOPPED: i32 = 7;
/// Everything that was written to `stream` has arrived, and its end.
pub const PITH_EVENT_FINISHED: i32 = 8;
/// There are datagrams for pith_quic_read_datagram.
pub const PITH_EVENT_DATAGRAM: i32 = 9;
/// There are datagrams for pith_quic_read_early_datagram.
pub const PITH_EVENT_EARLY_DATAGRAM: i32 = 10;
/// The server has accepted this client's early data.
pub const PITH_EVENT_EARLY_ACCEPTED: i32 = 11;
/// The server has not seen this client's early data. All streams and datagrams so far are gone: open others, if it may be sent again.
pub const PITH_EVENT_EARLY_REJECTED: i32 = 12;
/// The client is at `remote` now.
pub const PITH_EVENT_MOVED: i32 = 13;
/// The connection is over, with `status` and, for PITH_RESET, `code`. Nothing comes after it. pith_quic_error has the text.
pub const PITH_EVENT_CLOSED: i32 = 14;
/// The connection wants to know something: pith_quic_question, pith_quic_answer.
pub const PITH_EVENT_QUESTION: i32 = 15;
/// This client has gone to `remote`, where its server would rather be (pith_quic_options.preferred_v4).
pub const PITH_EVENT_MIGRATED: i32 = 16;
/// Nothing came from `remote`, where this client's server would rather be: the connection stays where it is.
pub const PITH_EVENT_MIGRATION_FAILED: i32 = 17;

/// Something that happened. Fields that `kind` does not speak of are 0.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct pith_quic_event {
    /// sizeof(pith_quic_event). Set it before the call.
    pub size: usize,
    /// One of PITH_EVENT_. Pass over those that you do not know.
    pub kind: i32,
    /// PITH_EVENT_CLOSED: a negative status; PITH_MISUSE where this side closed it.
    pub status: i32,
    /// The stream.
    pub stream: u64,
    /// A code of the peer's program.
    pub code: u64,
    /// PITH_EVENT_MOVED, PITH_EVENT_MIGRATED, PITH_EVENT_MIGRATION_FAILED: the peer's address.
    pub remote: pith_address,
    /// 1 for streams on which only one side sends.
    pub is_uni: u8,
}

// SAFETY: integers.
unsafe impl Struct for pith_quic_event {}

/// Takes the next thing that happened. Call it until PITH_NONE, after pith_quic_receive and pith_quic_on_deadline.
///
/// Returns PITH_OK, or PITH_NONE: `out->kind` is 0 then.
///
/// # Safety
/// `out` points to as many bytes as its size says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pith_quic_next_event(
    quic: Option<&mut pith_quic>,
    out: *mut pith_quic_event,
) -> i32 {
    let mut why = None;
    let Some(handle) = quic else {
        return PITH_NULL;
    };
    let status = handle.guarded().run(|quic| {
        // SAFETY: the caller's duty.
        unsafe { fill(out, none) }?;
        while let Some(event) = quic.connection.event() {
            if let Event::Closed(error) = &event {
                why = Some(error.to_string());
            }
            let Some(told) = told(quic, event) else {
                continue;
            };
            // SAFETY: the caller's duty.
            unsafe { fill(out, |size| pith_quic_event { size, ..told }) }?;
            return Ok(PITH_OK);
        }
        // One question is open at a time, and each is told once.
        let open = quic.connection.question().map(|question| question.number());
        if open.is_none() || open == quic.told || quic.connection.error().is_some() {
            return Ok(PITH_NONE);
        }
        quic.told = open;
        let kind = PITH_EVENT_QUESTION;
        // SAFETY: the caller's duty.
        unsafe { fill(out, |size| pith_quic_event { kind, ..none(size) }) }?;
        Ok(PITH_OK)
    });
    if let Some(why) = why {
        handle.guarded().leave(&why);
    }
    status
}

/// What C is told of an event; nothing of those that it has no use for.
fn told(quic: &mut Quic, event: Event) -> Option<pith_quic_event> {
    let mut told = none(0);
    told.kind = match event {
        Event::Connected(_) => PITH_EVENT_CONNECTED,
        Event::Confirmed => PITH_EVENT_CONFIRMED,
        Event::Stream(event) => of_stream(event, &mut told),
        Event::Datagram => PITH_EVENT_DATAGRAM,
        Event::EarlyDatagram => PITH_EVENT_EARLY_DATAGRAM,
        Event::EarlyDataAccepted => PITH_EVENT_EARLY_ACCEPTED,
        Event::EarlyDataRejected => {
            quic.early_datagram = None;
            PITH_EVENT_EARLY_REJECTED
        }
        Event::Moved(route) => {
            told.remote = pith_address::of(route.remote);
            PITH_EVENT_MOVED
        }
        Event::Migrated(route) => {
            told.remote = pith_address::of(route.remote);
            PITH_EVENT_MIGRATED
        }
        Event::MigrationFailed(route) => {
            told.remote = pith_address::of(route.remote);
            PITH_EVENT_MIGRATION_FAILED
        }
        Event::Closed(error) => {
            told.status = Failure::from(&error).status;
            told.code = match error {
                ConnectionError::ApplicationClosed { code, .. } => code,
                ConnectionError::PeerClosed { code, .. } => code.0,
                _ => 0,
            };
            quic.code = told.code;
            PITH_EVENT_CLOSED
        }
        // A client's configuration keeps tokens.
        _ => return None,
    };
    Some(told)
}

fn of_stream(event: StreamEvent, told: &mut pith_quic_event) -> i32 {
    let is_uni = |dir| u8::from(dir == Dir::Uni);
    let (id, kind) = match event {
        StreamEvent::Opened(dir) => {
            told.is_uni = is_uni(dir);
            return PITH_EVENT_OPENED;
        }
        StreamEvent::Available(dir) => {
            told.is_uni = is_uni(dir);
            return PITH_EVENT_AVAILABLE;
        }
        StreamEvent::Readable(id) => (id, PITH_EVENT_READABLE),
        StreamEvent::Writable(id) => (id, PITH_EVENT_WRITABLE),
        StreamEvent::Stopped(id, code) => {
            told.code = code.get();
            (id, PITH_EVENT_STOPPED)
        }
        StreamEvent::Finished(id) => (id, PITH_EVENT_FINISHED),
    };
    told.stream = id.get();
    told.is_uni = is_uni(id.dir());
    kind
}

fn none(size: usize) -> pith_quic_event {
    pith_quic_event {
        size,
        kind: 0,
        status: 0,
        stream: 0,
        code: 0,
        remote: pith_address::NONE,
        is_uni: 0,
    }
}
