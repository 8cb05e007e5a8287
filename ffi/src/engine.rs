//! The handshake of TLS 1.3 alone, for QUIC stacks of other make: bytes of CRYPTO frames in and out, secrets out.

use core::ffi::c_char;
use core::mem::MaybeUninit;
use core::ptr;
use std::sync::Arc;

use bytes::Bytes;
use pith_tls::{
    Answer, Carrier, Direction, Error, Handshake, Level, Output, Question, ServerName, Summary,
    Topic,
};
use zeroize::Zeroize;

use crate::arguments::{Struct, Why, fill, list, pith_bytes, room, string};
use crate::config::{pith_client_config, pith_server_config};
use crate::error::{Failure, PITH_CONFIG, PITH_LOCAL, PITH_NONE, PITH_OK};
use crate::handle::{Guarded, Handle, create, enter, free};
use crate::packet::{PITH_QUIC_V1, PITH_QUIC_V2};
use crate::panic::contain_or;
use crate::time::{Clock, pith_time};
use crate::tls::{check_export, pith_info, told, too_early};

/// The TLS of a QUIC connection that some other library makes (RFC 9001 section 4). It sees no packets: bytes of CRYPTO frames enter in order, by level, and what is to be done comes out
/// one after the other by pith_engine_next. It belongs to one thread at a time.
pub struct pith_engine(Guarded<Engine>);

pub(crate) struct Engine {
    handshake: Handshake,
    clock: Clock,
    /// What the last output lends.
    lent: Bytes,
    question: Option<Question>,
    summary: Option<Arc<Summary>>,
    /// What pith_info lends.
    chain: Vec<pith_bytes>,
    alert: Option<u8>,
}

impl Handle for pith_engine {
    type Inner = Engine;
    fn guarded(&mut self) -> &mut Guarded<Engine> {
        &mut self.0
    }
}

/// Initial packets.
pub const PITH_LEVEL_INITIAL: u8 = 0;
/// 0-RTT packets.
pub const PITH_LEVEL_EARLY: u8 = 1;
/// Handshake packets.
pub const PITH_LEVEL_HANDSHAKE: u8 = 2;
/// 1-RTT packets.
pub const PITH_LEVEL_APPLICATION: u8 = 3;

/// Send `data`, handshake bytes, in CRYPTO frames of `level`, behind those of before.
pub const PITH_OUTPUT_SEND: i32 = 1;
/// The secret of a direction and a level, of `secret_len` bytes, for the suite in `suite`: pith_packet_keys_new makes keys of it.
pub const PITH_OUTPUT_SECRET: i32 = 2;
/// `data` are the peer's transport parameters. They are authentic from PITH_OUTPUT_COMPLETE on.
pub const PITH_OUTPUT_PARAMETERS: i32 = 3;
/// A server has to say its transport parameters: pith_engine_answer_parameters. If its client's ticket remembers some, they are `data`.
pub const PITH_OUTPUT_ASK_PARAMETERS: i32 = 4;
/// A client may send early data, under the transport parameters in `data`, which pith_engine_remember was given on the earlier connection.
pub const PITH_OUTPUT_OFFER_EARLY_DATA: i32 = 5;
/// The server's decision on early data is in `is_accepted`. What was rejected it has not seen.
pub const PITH_OUTPUT_EARLY_DATA: i32 = 6;
/// The handshake is complete: the peer is who it has to be.
pub const PITH_OUTPUT_COMPLETE: i32 = 7;

/// Bytes of the longest secret.
pub const PITH_SECRET_MAX: usize = 48;

/// Something to be done. Fields that `kind` does not speak of are 0.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct pith_engine_output {
    /// sizeof(pith_engine_output). Set it before the call.
    pub size: usize,
    /// One of PITH_OUTPUT_. Pass over those that you do not know.
    pub kind: i32,
    /// One of PITH_LEVEL_.
    pub level: u8,
    /// PITH_OUTPUT_SECRET: 1 for what this side sends, 0 for what it receives.
    pub is_write: u8,
    /// PITH_OUTPUT_EARLY_DATA: 1 if it was accepted.
    pub is_accepted: u8,
    /// PITH_OUTPUT_SECRET: the cipher suite, PITH_SUITE_.
    pub suite: u16,
    /// PITH_OUTPUT_SECRET: bytes of the secret.
    pub secret_len: usize,
    /// Lent by the engine until the next call of pith_engine_next.
    pub data: pith_bytes,
}

// SAFETY: integers and pointers.
unsafe impl Struct for pith_engine_output {}

/// Begins a client's handshake with the server of this name, a DNS name or an IP address in text. `version` is that of QUIC in which it begins, PITH_QUIC_V1 or PITH_QUIC_V2, and `parameters` are its transport parameters as they go into the
/// extension. The ClientHello is among the first outputs. `now` may be NULL for the system's time. `*out` is yours to free with pith_engine_free, and NULL if it fails.
///
/// Errors: PITH_ARGUMENT for a name or a version that is none, PITH_MISUSE for a configuration without application protocols, PITH_LOCAL.
///
/// # Safety
/// `server_name` ends in NUL, `parameters` is valid for its length, and there are `why_size` bytes at `why`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pith_engine_client(
    out: Option<&mut MaybeUninit<*mut pith_engine>>,
    config: Option<&pith_client_config>,
    server_name: *const c_char,
    version: u32,
    parameters: pith_bytes,
    now: Option<&pith_time>,
    why: *mut c_char,
    why_size: usize,
) -> i32 {
    // SAFETY: the caller's duty.
    let why = unsafe { Why::new(why, why_size) };
    create(out, why, || {
        let config = config.ok_or_else(|| Failure::null("the configuration"))?;
        // SAFETY: the caller's duty.
        let name = unsafe { string(server_name) }?;
        let name = name.ok_or_else(|| Failure::null("the server's name"))?;
        let name = ServerName::try_from(name)
            .map_err(|_| Failure::argument("this is no DNS name and no IP address"))?;
        // SAFETY: the caller's duty.
        let parameters = unsafe { parameters.get() }?;
        let carrier = Carrier::Quic {
            version: known(version)?,
            transport_parameters: Some(Bytes::copy_from_slice(parameters)),
        };
        let clock = Clock::new();
        let now = clock.now(now);
        let config = Arc::clone(&config.0);
        let handshake = Handshake::client(config, name.to_owned(), carrier, now)?;
        Ok(Engine::new(handshake, clock))
    })
}

/// Begins a server's handshake in a version of QUIC, PITH_QUIC_V1 or PITH_QUIC_V2, which waits for a ClientHello. It asks for the transport parameters once the client's are known. `*out` is yours to free with
/// pith_engine_free.
#[unsafe(no_mangle)]
pub extern "C" fn pith_engine_server(
    out: Option<&mut MaybeUninit<*mut pith_engine>>,
    config: Option<&pith_server_config>,
    version: u32,
) -> i32 {
    // SAFETY: nothing is written to NULL.
    let why = unsafe { Why::new(ptr::null_mut(), 0) };
    create(out, why, || {
        let config = config.ok_or_else(|| Failure::null("the configuration"))?;
        let carrier = Carrier::Quic {
            version: known(version)?,
            transport_parameters: None,
        };
        let handshake = Handshake::server(Arc::clone(&config.0), carrier);
        Ok(Engine::new(handshake, Clock::new()))
    })
}

fn known(version: u32) -> Result<u32, Failure> {
    match version {
        PITH_QUIC_V1 | PITH_QUIC_V2 => Ok(version),
        _ => Err(Failure::argument("the version is none of PITH_QUIC_V")),
    }
}

impl Engine {
    #[expect(
        clippy::new_ret_no_self,
        reason = "what is made is the handle, whose only content it is"
    )]
    fn new(handshake: Handshake, clock: Clock) -> pith_engine {
        pith_engine(Guarded::new(Self {
            handshake,
            clock,
            lent: Bytes::new(),
            question: None,
            summary: None,
            chain: Vec::new(),
            alert: None,
        }))
    }

    /// Notes the alert of an error.
    fn keep(&mut self, result: Result<(), Error>) -> Result<(), Failure> {
        result.map_err(|error| {
            if !matches!(error, Error::Misuse(_)) {
                self.alert = error.alert().map(|alert| alert.0);
            }
            error.into()
        })
    }
}

/// Frees an engine and wipes its secrets. NULL is allowed.
#[unsafe(no_mangle)]
pub extern "C" fn pith_engine_free(engine: Option<Box<pith_engine>>) {
    free(engine);
}

/// The text of the last error of a function with this engine, until the next; NULL if there was none.
#[unsafe(no_mangle)]
pub extern "C" fn pith_engine_error(engine: Option<&pith_engine>) -> *const c_char {
    contain_or(ptr::null(), || {
        engine.map_or(ptr::null(), |engine| engine.0.text())
    })
}

/// The alert by which the handshake failed: close the connection with the code 0x100 and this (RFC 9001 section 4.8). -1 if there is none.
#[unsafe(no_mangle)]
pub extern "C" fn pith_engine_alert(engine: Option<&pith_engine>) -> i32 {
    contain_or(-1, || {
        engine
            .and_then(|engine| engine.0.peek())
            .and_then(|engine| engine.alert)
            .map_or(-1, i32::from)
    })
}

/// Takes bytes of CRYPTO frames of a level, in order and without gaps. Ask for outputs afterwards, after an error too. `now` may be NULL for the system's time.
///
/// Returns PITH_OK, or a negative status: the handshake failed, and says the same from then on; pith_engine_alert has the alert.
///
/// # Safety
/// There are `len` bytes at `bytes`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pith_engine_read(
    engine: Option<&mut pith_engine>,
    level: u8,
    bytes: *const u8,
    len: usize,
    now: Option<&pith_time>,
) -> i32 {
    enter(engine, |engine| {
        // SAFETY: the caller's duty.
        let bytes = unsafe { list(bytes, len) }?;
        let level = match level {
            PITH_LEVEL_INITIAL => Level::Initial,
            PITH_LEVEL_HANDSHAKE => Level::Handshake,
            PITH_LEVEL_APPLICATION => Level::Application,
            _ => {
                return Err(Failure::argument(
                    "no handshake bytes come at this level, or it is none of PITH_LEVEL_",
                ));
            }
        };
        let now = engine.clock.now(now);
        let read = engine.handshake.read(level, bytes, now);
        engine.keep(read)?;
        Ok(PITH_OK)
    })
}

/// Takes the next thing that is to be done; they are in order, and each is to be done before the next. A secret is copied to `secret`, which has room for PITH_SECRET_MAX
/// bytes and is zero after all other outputs: wipe it when keys were made of it.
///
/// Returns PITH_OK, PITH_NONE if bytes of the peer or an answer are wanted, or PITH_CONFIG if the configuration asks the program something else than
/// transport parameters, which an engine cannot: the handshake is over then.
///
/// # Safety
/// `out` points to as many bytes as its size says, and there are PITH_SECRET_MAX bytes to write to at `secret`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pith_engine_next(
    engine: Option<&mut pith_engine>,
    out: *mut pith_engine_output,
    secret: *mut u8,
) -> i32 {
    enter(engine, |engine| {
        // SAFETY: the caller's duty.
        let room = unsafe { room(secret, PITH_SECRET_MAX) }?;
        room.zeroize();
        engine.lent = Bytes::new();
        // SAFETY: the caller's duty.
        unsafe { fill(out, nothing) }?;
        while let Some(output) = engine.handshake.next() {
            let Some(told) = done(engine, output, room)? else {
                continue;
            };
            // SAFETY: the caller's duty.
            unsafe { fill(out, |size| pith_engine_output { size, ..told }) }?;
            return Ok(PITH_OK);
        }
        Ok(PITH_NONE)
    })
}

fn nothing(size: usize) -> pith_engine_output {
    pith_engine_output {
        size,
        kind: 0,
        level: 0,
        is_write: 0,
        is_accepted: 0,
        suite: 0,
        secret_len: 0,
        data: pith_bytes::of(&[]),
    }
}

/// What C is told of an output; nothing of those that are none for QUIC.
fn done(
    engine: &mut Engine,
    output: Output,
    room: &mut [u8],
) -> Result<Option<pith_engine_output>, Failure> {
    let mut told = nothing(0);
    told.kind = match output {
        Output::Send { level, bytes } => {
            told.level = code(level);
            engine.lent = bytes;
            PITH_OUTPUT_SEND
        }
        Output::Keys {
            level,
            direction,
            secret,
        } => {
            told.level = code(level);
            told.is_write = (direction == Direction::Write).into();
            told.suite = secret.suite().code();
            told.secret_len = secret.expose().len();
            let to = room.get_mut(..told.secret_len);
            let to = to.ok_or_else(|| Failure::new(PITH_LOCAL, "a secret of unknown length"))?;
            to.copy_from_slice(secret.expose());
            PITH_OUTPUT_SECRET
        }
        Output::PeerTransportParameters(bytes) => {
            engine.lent = bytes;
            PITH_OUTPUT_PARAMETERS
        }
        Output::Ask(question) => {
            let Topic::TransportParameters { remembered } = &question.topic else {
                let error = Error::Misuse("a question that an engine cannot ask");
                engine.handshake.abandon(&error);
                return Err(Failure::new(
                    PITH_CONFIG,
                    "the configuration asks the program something, which an engine cannot yet: it is over",
                ));
            };
            engine.lent = remembered.clone().unwrap_or_default();
            engine.question = Some(question);
            PITH_OUTPUT_ASK_PARAMETERS
        }
        Output::OfferEarlyData { carrier, .. } => {
            engine.lent = carrier;
            PITH_OUTPUT_OFFER_EARLY_DATA
        }
        Output::EarlyData { accepted } => {
            told.is_accepted = accepted.is_some().into();
            PITH_OUTPUT_EARLY_DATA
        }
        Output::SkipEarlyData { .. } => PITH_OUTPUT_EARLY_DATA,
        Output::Complete(summary) => {
            engine.summary = Some(summary);
            PITH_OUTPUT_COMPLETE
        }
        _ => return Ok(None),
    };
    told.data = pith_bytes::of(&engine.lent);
    Ok(Some(told))
}

fn code(level: Level) -> u8 {
    match level {
        Level::Initial => PITH_LEVEL_INITIAL,
        Level::EarlyData => PITH_LEVEL_EARLY,
        Level::Handshake => PITH_LEVEL_HANDSHAKE,
        Level::Application => PITH_LEVEL_APPLICATION,
    }
}

/// Says a server's transport parameters, after PITH_OUTPUT_ASK_PARAMETERS. `remember` is for its tickets, and `early_data` not 0 where early data may come under what the client's
/// ticket remembers. Ask for outputs afterwards.
///
/// Errors: PITH_MISUSE where they are not asked for; as pith_engine_read.
///
/// # Safety
/// `parameters` and `remember` are valid for their lengths.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pith_engine_answer_parameters(
    engine: Option<&mut pith_engine>,
    parameters: pith_bytes,
    remember: pith_bytes,
    early_data: u8,
    now: Option<&pith_time>,
) -> i32 {
    enter(engine, |engine| {
        // SAFETY: the caller's duty.
        let parameters = unsafe { parameters.get() }?;
        // SAFETY: the caller's duty.
        let remember = unsafe { remember.get() }?;
        let question = engine.question.take();
        let question =
            question.ok_or_else(|| Failure::misuse("nobody asks for transport parameters"))?;
        let answer = Answer::remembered_parameters(
            &question,
            Bytes::copy_from_slice(parameters),
            Bytes::copy_from_slice(remember),
            early_data != 0,
        );
        let now = engine.clock.now(now);
        let answered = engine.handshake.answer(answer, now);
        engine.keep(answered)?;
        Ok(PITH_OK)
    })
}

/// Remembers the server's transport parameters with a client's sessions that come from now on: PITH_OUTPUT_OFFER_EARLY_DATA brings them back.
///
/// Errors: PITH_MISUSE before the handshake is complete, or for more than 1024 bytes.
///
/// # Safety
/// There are `len` bytes at `bytes`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pith_engine_remember(
    engine: Option<&mut pith_engine>,
    bytes: *const u8,
    len: usize,
) -> i32 {
    enter(engine, |engine| {
        // SAFETY: the caller's duty.
        let bytes = unsafe { list(bytes, len) }?;
        let bytes = Bytes::copy_from_slice(bytes);
        engine.handshake.remember_carrier(bytes)?;
        Ok(PITH_OK)
    })
}

/// Says what was negotiated, as pith_tls_info does.
///
/// Errors: PITH_MISUSE before PITH_OUTPUT_COMPLETE, PITH_ARGUMENT if `info->size` is not set.
///
/// # Safety
/// `info` points to as many bytes as its size says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pith_engine_info(
    engine: Option<&mut pith_engine>,
    info: *mut pith_info,
) -> i32 {
    enter(engine, |engine| {
        let summary = engine.summary.as_ref().ok_or_else(too_early)?;
        // SAFETY: the caller's duty.
        unsafe { fill(info, |size| told(size, summary, &mut engine.chain)) }?;
        Ok(PITH_OK)
    })
}

/// Fills `out` with keying material for a label and a context, as pith_tls_export does.
///
/// # Safety
/// Pointers are valid for the lengths beside them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pith_engine_export(
    engine: Option<&mut pith_engine>,
    label: pith_bytes,
    context: pith_bytes,
    out: *mut u8,
    len: usize,
) -> i32 {
    enter(engine, |engine| {
        // SAFETY: the caller's duty.
        let label = unsafe { label.get() }?;
        // SAFETY: the caller's duty.
        let context = unsafe { context.get() }?;
        // SAFETY: the caller's duty.
        let out = unsafe { room(out, len) }?;
        check_export(label, out)?;
        engine.handshake.export(label, context, out)?;
        Ok(PITH_OK)
    })
}
