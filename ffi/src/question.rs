//! Questions of a connection, which a program answers when it can: nothing is asked by a callback. The same for TLS and QUIC.

use core::ffi::c_char;
use core::ptr;

use ::pith_tls::{
    Answer, CertificateError, ImportedIdentity, KeptSession, PeerText, Question, Reason, Session,
    Topic, Which,
};

use crate::arguments::{Struct, fill, object, options, pith_bytes, string};
use crate::config::{objects, pith_psk, pith_server_config, session_key};
use crate::error::{Failure, PITH_NOT_AUTHENTIC};

/// A server: which configuration serves this client? See `server_name`, `items` (application protocols), `groups`, `signature_schemes`, `suites` and
/// `client_hello`; the answer is in `config`.
pub const PITH_QUESTION_CONFIG: i32 = 1;
/// Is the peer acceptable, whose certificates or key are trusted already? See `items` (the chain, the leaf first) or `raw_key`, `server_name` and `ocsp_response`; the answer
/// is in `yes`, with `bytes` or `reason`.
pub const PITH_QUESTION_VERIFY: i32 = 2;
/// A key is elsewhere: see `scheme` and `message`; the answer is in `bytes`.
pub const PITH_QUESTION_SIGN: i32 = 3;
/// A server: did early data of this hello come before, to any server? See `hello` and `window_ms`; the answer is in `yes`.
pub const PITH_QUESTION_EARLY_DATA: i32 = 4;
/// A server: which of the pre-shared keys that the client offers are known? See `items` (their identities); the answer is in `psks`.
pub const PITH_QUESTION_PSK: i32 = 5;
/// A server whose program keeps sessions: keep this one. Set `session_key`, and see `session`; the answer is in `bytes`.
pub const PITH_QUESTION_KEEP_SESSION: i32 = 6;
/// A server whose program keeps sessions: which does the client want to resume? See `items` (identities); the answer is in `bytes`, `session_key` and `place`.
pub const PITH_QUESTION_FIND_SESSION: i32 = 7;
/// A question that this version of the header does not know. The connection can only be freed.
pub const PITH_QUESTION_UNKNOWN: i32 = 99;

/// A question. What is not about its kind is empty. All is lent by the connection until the answer, the next call that asks for its question, or the end of the connection
/// by an error or its being freed.
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
    /// PITH_QUESTION_KEEP_SESSION: 32 random bytes that are kept safe, under which `session` is to be sealed. Set it before the call, or leave it NULL.
    pub session_key: *const u8,
    /// The session, sealed; empty without a key.
    pub session: pith_bytes,
}

// SAFETY: integers and pointers.
unsafe impl Struct for pith_question {}

/// An answer. Fields that `kind` does not speak of are not looked at.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct pith_answer {
    /// sizeof(pith_answer).
    pub size: usize,
    /// What is answered, the `kind` of the question: one of PITH_QUESTION_.
    pub kind: i32,
    /// The number of the question.
    pub number: u32,
    /// PITH_QUESTION_VERIFY: not 0 accepts the peer. PITH_QUESTION_EARLY_DATA: not 0 if the hello is the first of its kind; 0 rejects early data, and goes on with
    /// the handshake.
    pub yes: u8,
    /// PITH_QUESTION_CONFIG: this configuration serves; NULL refuses the client.
    pub config: *const pith_server_config,
    /// PITH_QUESTION_VERIFY: what an accepted peer is known as from now on (pith_info.peer_identity), at most 512 bytes, or none.
    /// PITH_QUESTION_SIGN: the signature, in the encoding of its scheme; empty if there will be none, which ends the connection.
    /// PITH_QUESTION_KEEP_SESSION: the session is kept, and will be found by this identity, 1 to 2048 bytes that nobody can guess; empty if it is not kept, and the client gets no ticket for it.
    /// PITH_QUESTION_FIND_SESSION: the session as it was sealed, which must not be found again; empty if none is known, which leads to a full handshake. So does one that does not fit.
    pub bytes: pith_bytes,
    /// PITH_QUESTION_VERIFY: why the peer is refused, for this side's error; NULL if there is nothing to say.
    pub reason: *const c_char,
    /// PITH_QUESTION_PSK: keys that are known, made for a server. Those count that the client offers, and the first in its order is taken; none leads to certificates.
    pub psks: *const *const pith_psk,
    /// How many of them.
    pub psk_count: usize,
    /// PITH_QUESTION_FIND_SESSION: the 32 bytes under which the session is sealed.
    pub session_key: *const u8,
    /// PITH_QUESTION_FIND_SESSION: the place among the items of the identity that the session was kept by.
    pub place: usize,
}

// SAFETY: integers and pointers.
unsafe impl Struct for pith_answer {}

/// What an open question lends to the caller.
#[derive(Default)]
pub(crate) struct Lent {
    items: Vec<pith_bytes>,
    session: Vec<u8>,
}

/// Tells the caller of a question.
///
/// # Safety
/// Unless `out` is NULL, it points to as many bytes as its size says, and there are 32 bytes at its key, if it has one.
pub(crate) unsafe fn tell(
    question: &Question,
    lent: &mut Lent,
    out: *mut pith_question,
) -> Result<(), Failure> {
    // SAFETY: as for this function.
    let key = unsafe { options(out.cast_const()) }?.session_key;
    lent.items = items(&question.topic);
    lent.session = match &question.topic {
        Topic::KeepSession(session) if !key.is_null() => {
            // SAFETY: as for this function.
            let key = unsafe { session_key(key) }?;
            session.seal(&key)?
        }
        _ => Vec::new(),
    };
    // SAFETY: as for this function.
    unsafe {
        fill(out, |size| pith_question {
            session_key: key,
            ..told(size, question, lent)
        })
    }
}

/// Makes the core's answer of the caller's.
///
/// # Safety
/// Unless `given` is NULL, it points to as many bytes as its size says; pointers in it are NULL or valid for the lengths beside them, and `reason` ends in NUL.
pub(crate) unsafe fn answer(
    question: Option<&Question>,
    given: *const pith_answer,
) -> Result<Answer, Failure> {
    // SAFETY: as for this function.
    let given = unsafe { options(given) }?;
    let question = question.filter(|question| question.number() == given.number);
    let question = question.ok_or_else(|| {
        Failure::misuse("no question of this number is open: it is in pith_question.number")
    })?;
    if kind(&question.topic) != given.kind {
        return Err(Failure::misuse(
            "the open question is of another kind: it is in pith_question.kind",
        ));
    }
    // SAFETY: as for this function.
    let bytes = unsafe { given.bytes.get() }?;
    Ok(match &question.topic {
        Topic::Config(_) => {
            // SAFETY: as for this function.
            let config = unsafe { object(given.config) };
            Answer::config(question, config.map(|config| config.0.clone()))
        }
        Topic::VerifyChain { .. } => {
            // SAFETY: as for this function.
            let reason = unsafe { string(given.reason) }?;
            verdict(question, given.yes != 0, bytes, reason)
        }
        Topic::EarlyDataReplay { .. } => Answer::early_data(question, given.yes != 0),
        Topic::Psk { identities } => {
            // SAFETY: as for this function.
            let psks = unsafe { objects(given.psks, given.psk_count) }?;
            known(question, identities, &psks)?
        }
        Topic::KeepSession(_) => Answer::kept(question, some(bytes)),
        Topic::FindSession { .. } if bytes.is_empty() => Answer::session(question, None),
        Topic::FindSession { .. } => {
            // SAFETY: as for this function.
            let key = unsafe { session_key(given.session_key) }?;
            let session = Session::open(&key, bytes).map_err(|_| {
                Failure::new(PITH_NOT_AUTHENTIC, "this is no session under this key")
            })?;
            Answer::session(question, Some((given.place, KeptSession::from(session))))
        }
        // PITH_QUESTION_SIGN: to another question this is no answer.
        _ => Answer::signature(question, some(bytes)),
    })
}

fn verdict(question: &Question, yes: bool, known_as: &[u8], reason: Option<&str>) -> Answer {
    match (yes, known_as) {
        (true, []) => Answer::verdict(question, Ok(())),
        (true, known_as) => Answer::known(question, known_as.into()),
        (false, _) => {
            let text = PeerText::new(reason.unwrap_or("the program refused it"));
            let refused = CertificateError::new(Which::Leaf, Reason::Rejected(text));
            Answer::verdict(question, Err(refused))
        }
    }
}

fn known(
    question: &Question,
    offered: &[Box<[u8]>],
    psks: &[&pith_psk],
) -> Result<Answer, Failure> {
    let psks = psks.iter().map(|psk| psk.make());
    let psks = psks.collect::<Result<Vec<_>, _>>()?;
    let offered = offered.iter();
    let offered = offered.filter_map(|identity| ImportedIdentity::parse(identity));
    let known = offered.flat_map(|identity| {
        let psks = psks.iter();
        psks.filter_map(move |psk| psk.import_for(&identity))
    });
    Ok(Answer::psks(question, known.collect()))
}

fn some(bytes: &[u8]) -> Option<Vec<u8>> {
    (!bytes.is_empty()).then(|| bytes.to_vec())
}

fn kind(topic: &Topic) -> i32 {
    match topic {
        Topic::Config(_) => PITH_QUESTION_CONFIG,
        Topic::VerifyChain { .. } => PITH_QUESTION_VERIFY,
        Topic::Sign { .. } => PITH_QUESTION_SIGN,
        Topic::EarlyDataReplay { .. } => PITH_QUESTION_EARLY_DATA,
        Topic::Psk { .. } => PITH_QUESTION_PSK,
        Topic::KeepSession(_) => PITH_QUESTION_KEEP_SESSION,
        Topic::FindSession { .. } => PITH_QUESTION_FIND_SESSION,
        _ => PITH_QUESTION_UNKNOWN,
    }
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

fn told(size: usize, question: &Question, lent: &Lent) -> pith_question {
    let none = pith_bytes::of(&[]);
    let mut told = pith_question {
        size,
        kind: kind(&question.topic),
        number: question.number(),
        server_name: none,
        items: match lent.items.as_slice() {
            [] => ptr::null(),
            items => items.as_ptr(),
        },
        item_count: lent.items.len(),
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
        session_key: ptr::null(),
        session: pith_bytes::of(&lent.session),
    };
    match &question.topic {
        Topic::Config(offered) => {
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
            told.raw_key = pith_bytes::of(raw_key.as_ref().map_or(&[], AsRef::as_ref));
            told.ocsp_response = pith_bytes::of(ocsp_response.as_deref().unwrap_or_default());
            if let Some(::pith_tls::ServerName::DnsName(name)) = name {
                told.server_name = pith_bytes::of(name.as_ref().as_bytes());
            }
        }
        Topic::Sign { scheme, message } => {
            told.scheme = scheme.0;
            told.message = pith_bytes::of(message);
        }
        Topic::EarlyDataReplay { hello, window } => {
            told.hello = pith_bytes::of(hello);
            told.window_ms = u64::try_from(window.as_millis()).unwrap_or(u64::MAX);
        }
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
