//! What outlives a connection: a client's sessions, a server's tickets, and what it remembers of early data.

use core::ffi::c_char;
use core::mem::MaybeUninit;
use core::time::Duration;

use pith_tls::{Session, SessionKey, SessionStore, StrikeRegister, Tickets, limits};

use crate::arguments::{Count, Struct, Why, copy_whole, list, options, pith_bytes, room};
use crate::error::{Failure, PITH_CONFIG, PITH_NOT_AUTHENTIC, PITH_OK};
use crate::handle::{create, free};
use crate::panic::contain;
use crate::time::{Clock, pith_time};

/// A client's sessions, to resume them. Shared by configurations and threads: all functions on it may be called at once. Configurations go on using
/// it when it is freed.
pub struct pith_sessions(pub(crate) SessionStore);

/// How many sessions are kept, and how.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct pith_sessions_options {
    /// sizeof(pith_sessions_options).
    pub size: usize,
    /// Sessions of one server's name; 0 stands for 4. It is how many tickets servers are asked for.
    pub per_name: u8,
    /// Not 0: the last session of a name stays, so that many connections at once resume from it; an observer can then tell that they are of one
    /// client.
    pub reuse_last_ticket: u8,
    /// Sessions in all; 0 stands for 1024. The oldest goes when there are more.
    pub total: usize,
}

// SAFETY: integers.
unsafe impl Struct for pith_sessions_options {}

/// Makes a store of sessions, empty. `*out` is yours to free with pith_sessions_free. `given` may be NULL for the defaults.
///
/// Errors: as pith_trust_new.
///
/// # Safety
/// Pointers are valid for the lengths beside them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pith_sessions_new(
    out: Option<&mut MaybeUninit<*mut pith_sessions>>,
    given: *const pith_sessions_options,
    why: *mut c_char,
    why_size: usize,
) -> i32 {
    // SAFETY: the caller's duty.
    let why = unsafe { Why::new(why, why_size) };
    create(out, why, || {
        if given.is_null() {
            return Ok(pith_sessions(SessionStore::new()));
        }
        // SAFETY: the caller's duty.
        let given = unsafe { options(given) }?;
        let per_name = match given.per_name {
            0 => limits::SESSIONS_OF_A_NAME,
            some => some,
        };
        let total = match given.total {
            0 => limits::SESSIONS,
            some => some,
        };
        let store = SessionStore::bounded(per_name, total);
        Ok(pith_sessions(
            store.reuse_last_ticket(given.reuse_last_ticket != 0),
        ))
    })
}

/// How many sessions there are; 0 for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn pith_sessions_count(sessions: Option<&pith_sessions>) -> usize {
    crate::panic::contain_or(0, || sessions.map_or(0, |sessions| sessions.0.len()))
}

/// Takes all sessions out of the store, sealed under `key` (32 random bytes that are kept safe), such as to write them to a file. `*len` says how many bytes
/// they are. They hold secrets and belong to one store at a time: load what was saved once.
///
/// Errors: PITH_TOO_SMALL if there is no room for all of them, which then stay in the store: come again with `*len` bytes.
///
/// # Safety
/// There are 32 bytes at `key`, and `capacity` bytes to write to at `out`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pith_sessions_save(
    sessions: Option<&pith_sessions>,
    key: *const u8,
    out: *mut u8,
    capacity: usize,
    len: Option<&mut MaybeUninit<usize>>,
) -> i32 {
    status(|| {
        let mut len = Count::new(len)?;
        let sessions = sessions.ok_or_else(|| Failure::null("the store"))?;
        // SAFETY: the caller's duty.
        let key = unsafe { session_key(key) }?;
        // SAFETY: the caller's duty.
        let out = unsafe { room(out, capacity) }?;
        let sealed = sessions.0.drain().into_iter().map(|one| one.seal(&key));
        let sealed: Vec<Vec<u8>> = sealed.collect::<Result<_, _>>()?;
        let mut saved = Vec::new();
        for one in &sealed {
            let length = u32::try_from(one.len()).map_err(|_| too_long())?;
            saved.extend_from_slice(&length.to_be_bytes());
            saved.extend_from_slice(one);
        }
        let copied = copy_whole(&saved, out, &mut len);
        if copied.is_err() {
            let back = sealed
                .iter()
                .filter_map(|one| Session::open(&key, one).ok());
            back.for_each(|session| sessions.0.insert(session));
        }
        copied.map(|()| PITH_OK)
    })
}

/// Puts what pith_sessions_save gave into the store. Sessions that are out of date are found out when they would be used.
///
/// Errors: PITH_NOT_AUTHENTIC if something in it was sealed under another key, altered, or made by another version; what comes before that is loaded.
///
/// # Safety
/// There are 32 bytes at `key`, and `len` bytes at `saved`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pith_sessions_load(
    sessions: Option<&pith_sessions>,
    key: *const u8,
    saved: *const u8,
    len: usize,
) -> i32 {
    status(|| {
        let sessions = sessions.ok_or_else(|| Failure::null("the store"))?;
        // SAFETY: the caller's duty.
        let key = unsafe { session_key(key) }?;
        // SAFETY: the caller's duty.
        let mut rest = unsafe { list(saved, len) }?;
        let bad = || Failure::new(PITH_NOT_AUTHENTIC, "these are not sessions under this key");
        while let Some((length, behind)) = rest.split_first_chunk() {
            let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| bad())?;
            let (one, behind) = behind.split_at_checked(length).ok_or_else(bad)?;
            sessions
                .0
                .insert(Session::open(&key, one).map_err(|_| bad())?);
            rest = behind;
        }
        match rest {
            [] => Ok(PITH_OK),
            _ => Err(bad()),
        }
    })
}

/// Frees a store. NULL is allowed.
#[unsafe(no_mangle)]
pub extern "C" fn pith_sessions_free(sessions: Option<Box<pith_sessions>>) {
    free(sessions);
}

/// A key of the caller, under which sessions are sealed.
///
/// # Safety
/// Unless `key` is NULL, there are 32 bytes at it.
pub(crate) unsafe fn session_key(key: *const u8) -> Result<SessionKey, Failure> {
    // SAFETY: as for this function.
    let bytes = unsafe { list(key, 32) }?;
    let key = bytes
        .first_chunk()
        .ok_or_else(|| Failure::argument("a key is not of 32 bytes"))?;
    Ok(SessionKey::new(key))
}

/// How a server issues and accepts tickets. Give configurations that follow one another the same, so that clients go on resuming. Shared by threads.
pub struct pith_tickets(pub(crate) Tickets);

/// Tickets are sealed under random keys that replace themselves.
pub const PITH_TICKETS_ROTATING: u8 = 0;
/// Tickets are sealed under keys that follow from a secret, which a fleet of servers shares, and the time.
pub const PITH_TICKETS_FLEET: u8 = 1;
/// No ticket is issued or accepted.
pub const PITH_TICKETS_NONE: u8 = 2;
/// The program keeps sessions: it is asked to keep each (PITH_QUESTION_KEEP_SESSION), and to find it (PITH_QUESTION_FIND_SESSION).
pub const PITH_TICKETS_ASKED: u8 = 3;

/// How tickets are made.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct pith_tickets_options {
    /// sizeof(pith_tickets_options).
    pub size: usize,
    /// One of PITH_TICKETS_.
    pub kind: u8,
    /// Not 0: `count` counts. Otherwise a client that does not say how many tickets it wants gets 2.
    pub has_count: u8,
    /// How many tickets a client gets that does not say how many it wants, at most 8.
    pub count: u8,
    /// Seconds for which a ticket may be used, at most 7 days; 0 stands for a day.
    pub lifetime_seconds: u32,
    /// The secret of a fleet, at least 32 random bytes. Whoever learns it can open every ticket that was ever sealed under it.
    pub fleet_secret: pith_bytes,
}

// SAFETY: integers and pointers.
unsafe impl Struct for pith_tickets_options {}

/// Makes tickets. `*out` is yours to free with pith_tickets_free, and NULL if it fails.
///
/// Errors: as pith_trust_new.
///
/// # Safety
/// Pointers are valid for the lengths beside them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pith_tickets_new(
    out: Option<&mut MaybeUninit<*mut pith_tickets>>,
    given: *const pith_tickets_options,
    why: *mut c_char,
    why_size: usize,
) -> i32 {
    // SAFETY: the caller's duty.
    let why = unsafe { Why::new(why, why_size) };
    create(out, why, || {
        // SAFETY: the caller's duty.
        let given = unsafe { options(given) }?;
        // SAFETY: the caller's duty.
        let secret = unsafe { given.fleet_secret.get() }?;
        let tickets = match (given.kind, secret) {
            (PITH_TICKETS_ROTATING, []) => Tickets::rotating(),
            (PITH_TICKETS_FLEET, secret) => Tickets::fleet(secret)?,
            (PITH_TICKETS_NONE, []) => Tickets::none(),
            (PITH_TICKETS_ASKED, []) => Tickets::asked(),
            _ => {
                return Err(Failure::new(
                    PITH_CONFIG,
                    "the kind of tickets is one of PITH_TICKETS_, and a fleet alone has a secret",
                ));
            }
        };
        let tickets = match given.has_count {
            0 => tickets,
            _ => tickets.count(given.count),
        };
        Ok(pith_tickets(match given.lifetime_seconds {
            0 => tickets,
            seconds => tickets.lifetime(Duration::from_secs(seconds.into()))?,
        }))
    })
}

/// Puts another secret in the place of a fleet's, for all configurations that have these tickets, while connections go on. Clients with tickets under
/// the old one fall back to full handshakes.
///
/// Errors: PITH_CONFIG for a secret of fewer than 32 bytes, or tickets that are no fleet's.
///
/// # Safety
/// There are `len` bytes at `secret`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pith_tickets_replace_secret(
    tickets: Option<&pith_tickets>,
    secret: *const u8,
    len: usize,
) -> i32 {
    status(|| {
        let tickets = tickets.ok_or_else(|| Failure::null("the tickets"))?;
        // SAFETY: the caller's duty.
        let secret = unsafe { list(secret, len) }?;
        tickets.0.replace_secret(secret)?;
        Ok(PITH_OK)
    })
}

/// Frees tickets. NULL is allowed.
#[unsafe(no_mangle)]
pub extern "C" fn pith_tickets_free(tickets: Option<Box<pith_tickets>>) {
    free(tickets);
}

/// Remembers which hellos brought early data, so that a copy of one is refused. Configurations that share tickets share one of these too. In its first 20
/// seconds it refuses all early data.
pub struct pith_strikes(pub(crate) StrikeRegister);

/// Makes a register of hellos, which starts `now` (NULL: the system's time) and remembers up to `capacity` of them for each 20 seconds, 16 bytes each and some
/// overhead (0 stands for 65536). `*out` is yours to free with pith_strikes_free.
#[unsafe(no_mangle)]
pub extern "C" fn pith_strikes_new(
    out: Option<&mut MaybeUninit<*mut pith_strikes>>,
    capacity: usize,
    now: Option<&pith_time>,
) -> i32 {
    // SAFETY: nothing is written to NULL.
    let why = unsafe { Why::new(core::ptr::null_mut(), 0) };
    create(out, why, || {
        let capacity = match capacity {
            0 => limits::STRIKES,
            some => some,
        };
        let now = Clock::new().now(now);
        Ok(pith_strikes(StrikeRegister::with_capacity(capacity, now)))
    })
}

/// Frees a register. NULL is allowed.
#[unsafe(no_mangle)]
pub extern "C" fn pith_strikes_free(strikes: Option<Box<pith_strikes>>) {
    free(strikes);
}

fn status(f: impl FnOnce() -> Result<i32, Failure>) -> i32 {
    contain(f).unwrap_or_else(|failure| failure.status)
}

fn too_long() -> Failure {
    Failure::argument("a session is too long to be saved")
}
