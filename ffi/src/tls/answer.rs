//! Questions of a connection, which a program answers when it can: nothing is asked by a callback.

use core::ffi::c_char;
use core::mem::MaybeUninit;
use core::ptr;

use ::pith_tls::{
    Answer, CertificateError, ImportedIdentity, KeptSession, PeerText, Question, Reason, Session,
    Topic, Which,
};

use super::{Tls, pith_tls};
use crate::arguments::{Count, Struct, copy_whole, fill, list, pith_bytes, room, string};
use crate::config::{objects, pith_psk, pith_server_config, session_key};
use crate::error::{Failure, PITH_NONE, PITH_NOT_AUTHENTIC, PITH_OK};
use crate::handle::enter;
use crate::time::pith_time;

/// A server: which configuration serves this client? See `server_name`, `items` (application protocols), `groups`, `signature_schemes`, `suites` and
/// `client_hello`; answer by pith_tls_answer_config.
pub const PITH_QUESTION_CONFIG: i32 = 1;
/// Is the peer acceptable, whose certificates or key are trusted already? See `items` (the chain, the leaf first) or `raw_key`, `server_name` and `ocsp_response`; answer
/// by pith_tls_answer_verify.
pub const PITH_QUESTION_VERIFY: i32 = 2;
/// A key is elsewhere: see `scheme` and `message`; answer by pith_tls_answer_signature.
pub const PITH_QUESTION_SIGN: i32 = 3;
/// A server: did early data of this hello come before, to any server? See `hello` and `window_ms`; answer by pith_tls_answer_early_data.
pub const PITH_QUESTION_EARLY_DATA: i32 = 4;
/// A server: which of the pre-shared keys that the client offers are known? See `items` (their identities); answer by pith_tls_answer_psks.
pub const PITH_QUESTION_PSK: i32 = 5;
/// A server whose program keeps sessions: keep this one, which pith_tls_question_session gives; answer by pith_tls_answer_kept.
pub const PITH_QUESTION_KEEP_SESSION: i32 = 6;
/// A server whose program keeps sessions: which does the client want to resume? See `items` (identities); answer by pith_tls_answer_session.
pub const PITH_QUESTION_FIND_SESSION: i32 = 7;
/// A question that this version of the header does not know. The connection can only be freed.
pub const PITH_QUESTION_UNKNOWN: i32 = 99;

/// A question. What is not about its kind is empty. All is lent by the connection until the answer, the next pith_tls_question, or the end of the connection by an
/// error or pith_tls_free.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct pith_question {
    /// sizeof(pith_question). Set it before the call.
    pub size: usize,
    /// One of PITH_QUESTION_.
    pub kind: i32,
    /// The number of the question, which the answer gives back. A late answer to an earlier question changes nothing.
    pub number: u32,
    /// The DNS name that a client asks for, or the name that a server has to prove.
    pub server_name: pith_bytes,
    /// Protocols, certificates in DER, or identities.
    pub items: *const pith_bytes,
    /// How many items.
    pub item_count: usize,
    /// The groups that a client names, most wanted first.
    pub groups: *const u16,
    /// How many groups.
    pub group_count: usize,
    /// The signature schemes that a client takes, most wanted first.
    pub signature_schemes: *const u16,
    /// How many schemes.
    pub signature_scheme_count: usize,
    /// The cipher suites that a client offers, most wanted first.
    pub suites: *const u16,
    /// How many suites.
    pub suite_count: usize,
    /// The whole ClientHello.
    pub client_hello: pith_bytes,
    /// What to sign, not hashed.
    pub message: pith_bytes,
    /// How to sign: the code of a scheme.
    pub scheme: u16,
    /// The raw public key of a peer that shows one in place of certificates.
    pub raw_key: pith_bytes,
    /// The OCSP response that was stapled to the leaf; nobody has looked into it.
    pub ocsp_response: pith_bytes,
    /// 32 bytes that stand for a hello.
    pub hello: pith_bytes,
    /// Milliseconds for which a hello is to be remembered.
    pub window_ms: u64,
}

// SAFETY: integers and pointers.
unsafe impl Struct for pith_question {}

/// Says what the connection wants to know, if it waits for an answer.
///
/// Returns PITH_OK, PITH_NONE if it asks nothing, or PITH_ARGUMENT if `question->size` is not set.
///
/// # Safety
/// `question` points to as many bytes as its size says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pith_tls_question(
    tls: Option<&mut pith_tls>,
    question: *mut pith_question,
) -> i32 {
    enter(tls, |tls| {
        let Some(open) = tls.connection.question() else {
            return Ok(PITH_NONE);
        };
        tls.items = items(&open.topic);
        let items = &tls.items;
        // SAFETY: the caller's duty.
        unsafe { fill(question, |size| told(size, open, items)) }?;
        Ok(PITH_OK)
    })
}

/// Answers PITH_QUESTION_CONFIG: this configuration serves, or none for NULL, which refuses the client. `now` may be NULL for the system's time, here and in the
/// other answers. Transmit afterwards, and give what is left of the peer's bytes to pith_tls_receive, if only 0 of them.
///
/// Errors: PITH_MISUSE if no such question is open under this number, which changes nothing; otherwise as pith_tls_receive.
#[unsafe(no_mangle)]
pub extern "C" fn pith_tls_answer_config(
    tls: Option<&mut pith_tls>,
    number: u32,
    config: Option<&pith_server_config>,
    now: Option<&pith_time>,
) -> i32 {
    enter(tls, |tls| {
        answer(tls, number, now, |question| {
            let config = config.map(|config| config.0.clone());
            Ok(Answer::config(question, config))
        })
    })
}

/// Answers PITH_QUESTION_VERIFY: not 0 accepts the peer, known as the bytes of `known_as` from now on (pith_info.peer_identity, at most 512 bytes, or none); 0 refuses it, with a
/// text for this side's error, or NULL.
///
/// Errors: as pith_tls_answer_config; PITH_CERTIFICATE once the peer is refused.
///
/// # Safety
/// Pointers are valid for the lengths beside them, and `reason` ends in NUL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pith_tls_answer_verify(
    tls: Option<&mut pith_tls>,
    number: u32,
    accept: u8,
    known_as: pith_bytes,
    reason: *const c_char,
    now: Option<&pith_time>,
) -> i32 {
    enter(tls, |tls| {
        // SAFETY: the caller's duty.
        let known_as = unsafe { known_as.get() }?;
        // SAFETY: the caller's duty.
        let reason = unsafe { string(reason) }?;
        answer(tls, number, now, |question| {
            let refused = || {
                let text = PeerText::new(reason.unwrap_or("the program refused it"));
                CertificateError::new(Which::Leaf, Reason::Rejected(text))
            };
            Ok(match (accept, known_as) {
                (0, _) => Answer::verdict(question, Err(refused())),
                (_, []) => Answer::verdict(question, Ok(())),
                (_, known_as) => Answer::known(question, known_as.into()),
            })
        })
    })
}

/// Answers PITH_QUESTION_SIGN: the signature, in the encoding of its scheme. Length 0 says that there will be none, and ends the connection.
///
/// Errors: as pith_tls_answer_config.
///
/// # Safety
/// There are `len` bytes at `signature`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pith_tls_answer_signature(
    tls: Option<&mut pith_tls>,
    number: u32,
    signature: *const u8,
    len: usize,
    now: Option<&pith_time>,
) -> i32 {
    enter(tls, |tls| {
        // SAFETY: the caller's duty.
        let signature = unsafe { list(signature, len) }?;
        answer(tls, number, now, |question| {
            let signature = (!signature.is_empty()).then(|| signature.to_vec());
            Ok(Answer::signature(question, signature))
        })
    })
}

/// Answers PITH_QUESTION_EARLY_DATA: not 0 if the hello is the first of its kind. 0 rejects early data, and goes on with the handshake.
///
/// Errors: as pith_tls_answer_config.
#[unsafe(no_mangle)]
pub extern "C" fn pith_tls_answer_early_data(
    tls: Option<&mut pith_tls>,
    number: u32,
    is_first: u8,
    now: Option<&pith_time>,
) -> i32 {
    enter(tls, |tls| {
        answer(tls, number, now, |question| {
            Ok(Answer::early_data(question, is_first != 0))
        })
    })
}

/// Answers PITH_QUESTION_PSK: those of these keys, made for a server, count that the client offers; the first in its order is taken. None leads to certificates.
///
/// Errors: as pith_tls_answer_config.
///
/// # Safety
/// There are `count` pointers at `psks`, none of them NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pith_tls_answer_psks(
    tls: Option<&mut pith_tls>,
    number: u32,
    psks: *const *const pith_psk,
    count: usize,
    now: Option<&pith_time>,
) -> i32 {
    enter(tls, |tls| {
        // SAFETY: the caller's duty.
        let psks = unsafe { objects(psks, count) }?;
        let psks = psks.iter().map(|psk| psk.make());
        let psks = psks.collect::<Result<Vec<_>, _>>()?;
        answer(tls, number, now, |question| {
            let offered: &[Box<[u8]>] = match &question.topic {
                Topic::Psk { identities } => identities,
                _ => &[],
            };
            let offered = offered.iter();
            let offered = offered.filter_map(|identity| ImportedIdentity::parse(identity));
            let known = offered.flat_map(|identity| {
                let psks = psks.iter();
                psks.filter_map(move |psk| psk.import_for(&identity))
            });
            Ok(Answer::psks(question, known.collect()))
        })
    })
}

/// Gives the session of PITH_QUESTION_KEEP_SESSION, sealed under `key`, 32 random bytes. `*len` says how many bytes it is.
///
/// Errors: PITH_TOO_SMALL, and then nothing is written; PITH_MISUSE if no such question is open.
///
/// # Safety
/// There are 32 bytes at `key`, and `capacity` bytes to write to at `out`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pith_tls_question_session(
    tls: Option<&mut pith_tls>,
    key: *const u8,
    out: *mut u8,
    capacity: usize,
    len: Option<&mut MaybeUninit<usize>>,
) -> i32 {
    enter(tls, |tls| {
        let mut len = Count::new(len)?;
        // SAFETY: the caller's duty.
        let key = unsafe { session_key(key) }?;
        // SAFETY: the caller's duty.
        let out = unsafe { room(out, capacity) }?;
        let Some(Topic::KeepSession(session)) =
            tls.connection.question().map(|question| &question.topic)
        else {
            return Err(Failure::misuse("no session is to be kept now"));
        };
        copy_whole(&session.seal(&key)?, out, &mut len)?;
        Ok(PITH_OK)
    })
}

/// Answers PITH_QUESTION_KEEP_SESSION: the session is kept, and will be found by this identity, 1 to 2048 bytes that nobody can guess. Length 0 says that it is not kept,
/// and the client gets no ticket for it.
///
/// Errors: as pith_tls_answer_config.
///
/// # Safety
/// There are `len` bytes at `identity`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pith_tls_answer_kept(
    tls: Option<&mut pith_tls>,
    number: u32,
    identity: *const u8,
    len: usize,
    now: Option<&pith_time>,
) -> i32 {
    enter(tls, |tls| {
        // SAFETY: the caller's duty.
        let identity = unsafe { list(identity, len) }?;
        answer(tls, number, now, |question| {
            let identity = (!identity.is_empty()).then(|| identity.to_vec());
            Ok(Answer::kept(question, identity))
        })
    })
}

/// Answers PITH_QUESTION_FIND_SESSION: the session of the identity at `place` among the items, as pith_tls_question_session gave it under `key`. It must not be found
/// again. Length 0 says that none is known, and leads to a full handshake; so does a session that does not fit. `key` may be NULL then.
///
/// Errors: as pith_tls_answer_config; PITH_NOT_AUTHENTIC for a session that does not open under the key, and the question is still open.
///
/// # Safety
/// There are 32 bytes at `key`, and `len` bytes at `sealed`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pith_tls_answer_session(
    tls: Option<&mut pith_tls>,
    number: u32,
    place: usize,
    key: *const u8,
    sealed: *const u8,
    len: usize,
    now: Option<&pith_time>,
) -> i32 {
    enter(tls, |tls| {
        // SAFETY: the caller's duty.
        let sealed = unsafe { list(sealed, len) }?;
        answer(tls, number, now, |question| {
            if sealed.is_empty() {
                return Ok(Answer::session(question, None));
            }
            // SAFETY: the caller's duty.
            let key = unsafe { session_key(key) }?;
            let session = Session::open(&key, sealed).map_err(|_| {
                Failure::new(PITH_NOT_AUTHENTIC, "this is no session under this key")
            })?;
            let session = KeptSession::from(session);
            Ok(Answer::session(question, Some((place, session))))
        })
    })
}

fn answer(
    tls: &mut Tls,
    number: u32,
    now: Option<&pith_time>,
    make: impl FnOnce(&Question) -> Result<Answer, Failure>,
) -> Result<i32, Failure> {
    let now = tls.clock.now(now);
    if let Some(error) = tls.connection.error() {
        return Err(error.clone().into());
    }
    let question = tls.connection.question();
    let Some(question) = question.filter(|question| question.number() == number) else {
        return Err(Failure::misuse(
            "no question of this number is open: pith_tls_question gives the number",
        ));
    };
    let answer = make(question)?;
    tls.connection.answer(answer, now)?;
    tls.items = Vec::new();
    Ok(PITH_OK)
}

fn items(topic: &Topic) -> Vec<pith_bytes> {
    let lent = |items: &[Box<[u8]>]| items.iter().map(|item| pith_bytes::of(item)).collect();
    match topic {
        Topic::Config(offered) => {
            let protocols = offered.protocols.iter();
            protocols.map(|name| pith_bytes::of(name)).collect()
        }
        Topic::VerifyChain { chain, .. } => chain.iter().map(|one| pith_bytes::of(one)).collect(),
        Topic::FindSession { identities } | Topic::Psk { identities } => lent(identities),
        _ => Vec::new(),
    }
}

fn told(size: usize, question: &Question, items: &[pith_bytes]) -> pith_question {
    let none = pith_bytes::of(&[]);
    let mut told = pith_question {
        size,
        kind: PITH_QUESTION_UNKNOWN,
        number: question.number(),
        server_name: none,
        items: match items {
            [] => ptr::null(),
            items => items.as_ptr(),
        },
        item_count: items.len(),
        groups: ptr::null(),
        group_count: 0,
        signature_schemes: ptr::null(),
        signature_scheme_count: 0,
        suites: ptr::null(),
        suite_count: 0,
        client_hello: none,
        message: none,
        scheme: 0,
        raw_key: none,
        ocsp_response: none,
        hello: none,
        window_ms: 0,
    };
    match &question.topic {
        Topic::Config(offered) => {
            told.kind = PITH_QUESTION_CONFIG;
            let name = offered.server_name.as_deref().unwrap_or_default();
            told.server_name = pith_bytes::of(name.as_bytes());
            (told.groups, told.group_count) = codes(&offered.groups);
            (told.signature_schemes, told.signature_scheme_count) =
                codes(&offered.signature_schemes);
            (told.suites, told.suite_count) = codes(&offered.suites);
            told.client_hello = pith_bytes::of(&offered.raw);
        }
        Topic::VerifyChain {
            raw_key,
            name,
            ocsp_response,
            ..
        } => {
            told.kind = PITH_QUESTION_VERIFY;
            told.raw_key = pith_bytes::of(raw_key.as_ref().map_or(&[], AsRef::as_ref));
            told.ocsp_response = pith_bytes::of(ocsp_response.as_deref().unwrap_or_default());
            if let Some(::pith_tls::ServerName::DnsName(name)) = name {
                told.server_name = pith_bytes::of(name.as_ref().as_bytes());
            }
        }
        Topic::Sign { scheme, message } => {
            told.kind = PITH_QUESTION_SIGN;
            told.scheme = scheme.0;
            told.message = pith_bytes::of(message);
        }
        Topic::EarlyDataReplay { hello, window } => {
            told.kind = PITH_QUESTION_EARLY_DATA;
            told.hello = pith_bytes::of(hello);
            told.window_ms = u64::try_from(window.as_millis()).unwrap_or(u64::MAX);
        }
        Topic::Psk { .. } => told.kind = PITH_QUESTION_PSK,
        Topic::KeepSession(_) => told.kind = PITH_QUESTION_KEEP_SESSION,
        Topic::FindSession { .. } => told.kind = PITH_QUESTION_FIND_SESSION,
        _ => {}
    }
    told
}

fn codes(codes: &[u16]) -> (*const u16, usize) {
    match codes {
        [] => (ptr::null(), 0),
        codes => (codes.as_ptr(), codes.len()),
    }
}
