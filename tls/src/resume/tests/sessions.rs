//! A client's sessions: saved and restored, kept and taken.

use super::session::Side;
use super::*;
use crate::error::Error;

const OWNER: [u8; 32] = [9; 32];

fn key() -> SessionKey {
    SessionKey::new(&[1; 32])
}

fn client(session: Session) -> Box<ClientState> {
    match session.0 {
        Side::Client(state) => state,
        Side::Server(_) => panic!("a client's session came back as a server's"),
    }
}

fn session(name: &str, ticket: &[u8]) -> Session {
    let state = client_state(name, ticket, at(Duration::ZERO));
    Session(Side::Client(Box::new(state)))
}

fn take(store: &SessionStore, name: &str, now: Now) -> Option<Box<ClientState>> {
    store.take(&server_name(name), &OWNER, Rules::Records, now)
}

/// The tickets that are taken for a name, one after the other.
fn tickets(store: &SessionStore, name: &str) -> Vec<u8> {
    std::iter::from_fn(|| take(store, name, at(HOUR)))
        .map(|state| state.ticket[0])
        .collect()
}

#[test]
fn a_saved_session_is_what_it_was() {
    type Change = fn(&mut ClientState);
    let rows: [(&str, Change); 7] = [
        ("plain", |_| ()),
        ("SHA-384", |state| {
            state.suite = CipherSuite::Aes256GcmSha384;
            state.secret = Secret::new(&[5; 48]).unwrap();
        }),
        ("QUIC", |state| state.carrier = Rules::quic(1)),
        ("classical", |state| state.post_quantum = false),
        ("no protocol", |state| state.protocol = None),
        ("an address", |state| {
            state.server_name = server_name("2001:db8::1");
        }),
        ("a long ticket", |state| {
            state.ticket = vec![7; limits::SESSION_TICKET].into();
        }),
    ];
    for (name, change) in rows {
        let mut want = client_state("a.test", b"ticket", at(HOUR));
        change(&mut want);
        let mut put_in = client_state("a.test", b"ticket", at(HOUR));
        change(&mut put_in);
        let sealed = Session(Side::Client(Box::new(put_in))).seal(&key());
        let got = client(Session::open(&key(), &sealed.unwrap()).expect(name));
        assert!(got.secret.ct_eq(want.secret.expose()), "{name}");
        assert_eq!(got.suite, want.suite, "{name}");
        assert_eq!(got.ticket, want.ticket, "{name}");
        assert_eq!(got.age_add, want.age_add, "{name}");
        let times = |state: &ClientState| (state.received, state.lifetime, state.until);
        assert_eq!(times(&got), times(&want), "{name}");
        assert_eq!(got.server_name, want.server_name, "{name}");
        assert_eq!(got.owner, want.owner, "{name}");
        assert_eq!(got.carrier, want.carrier, "{name}");
        assert_eq!(got.post_quantum, want.post_quantum, "{name}");
        assert_eq!(got.peer, want.peer, "{name}");
        assert_eq!(got.protocol, want.protocol, "{name}");
        assert_eq!(got.max_early_data, want.max_early_data, "{name}");
        assert_eq!(got.application, want.application, "{name}");
        assert_eq!(got.carrier_data, want.carrier_data, "{name}");
    }
}

/// A server whose application keeps its tickets gets sessions too.
#[test]
fn a_servers_session_is_saved_like_a_clients() {
    let state = Box::new(server_state(at(HOUR)));
    let sealed = Session(Side::Server(state)).seal(&key()).unwrap();
    let opened = Session::open(&key(), &sealed).unwrap();
    assert_eq!(opened.application_data(), [1, 2, 3]);
    assert!(opened.is_current(at(HOUR)) && !opened.is_current(at(HOUR + DAY)));
    let store = SessionStore::new();
    let Side::Server(state) = &opened.0 else {
        panic!("a server's session came back as a client's");
    };
    assert_same("saved", state, &server_state(at(HOUR)));
    store.insert(opened);
    assert!(store.is_empty(), "a client has no use for it");
}

#[test]
fn an_altered_session_does_not_open() {
    for server in [false, true] {
        let state = || match server {
            false => session("a.test", b"ticket"),
            true => Session(Side::Server(Box::new(server_state(at(HOUR))))),
        };
        let sealed = state().seal(&key()).unwrap();
        let refused = |bytes: &[u8]| Session::open(&key(), bytes).err();
        for place in 0..sealed.len() {
            let mut forged = sealed.clone();
            forged[place] ^= 1;
            let want = match place {
                0 => SessionError::Version,
                _ => SessionError::NotAuthentic,
            };
            assert_eq!(refused(&forged), Some(want), "byte {place}");
            let cut = refused(&sealed[..place]);
            assert_eq!(cut, Some(SessionError::NotAuthentic), "{place} bytes");
        }
        let longer = refused(&[&sealed[..], &[0]].concat());
        assert_eq!(longer, Some(SessionError::NotAuthentic), "a byte more");
        let other = Session::open(&SessionKey::new(&[2; 32]), &sealed).err();
        assert_eq!(other, Some(SessionError::NotAuthentic), "another key");
        let again = state().seal(&key()).unwrap();
        assert_ne!(sealed[2..26], again[2..26], "other random bytes");
        assert!(Session::open(&key(), &sealed).is_ok(), "as it was");
    }
}

/// A ticket and a saved session are sealed alike, and do not open as each other.
#[test]
fn what_is_authentic_and_not_a_session_does_not_open() {
    let secret = Secret::new(&[1; 32]).unwrap();
    let state = client_state("a.test", b"ticket", at(HOUR));
    let text = state.encode().unwrap();
    let open = |label: &str, side: u8, text: &[u8], psk: &Secret| {
        let sealed = seal::seal(&secret, label, &[2, side], text, psk).unwrap();
        Session::open(&key(), &sealed).err()
    };
    let short = Secret::new(&[7; 31]).unwrap();
    let long = Secret::new(&[7; 33]).unwrap();
    let psk = &state.secret;
    let rows = [
        ("a session", open("pith session", 0, &text, psk), None),
        (
            "as a ticket",
            open("pith ticket", 0, &text, psk),
            Some(SessionError::NotAuthentic),
        ),
        (
            "as a server's",
            open("pith session", 1, &text, psk),
            Some(SessionError::Version),
        ),
        (
            "as nobody's",
            open("pith session", 2, &text, psk),
            Some(SessionError::Version),
        ),
        (
            "a short secret",
            open("pith session", 0, &text, &short),
            Some(SessionError::Version),
        ),
        (
            "a long secret",
            open("pith session", 0, &text, &long),
            Some(SessionError::Version),
        ),
        (
            "without its last byte",
            open("pith session", 0, &text[..text.len() - 1], psk),
            Some(SessionError::Version),
        ),
    ];
    for (name, got, want) in rows {
        assert_eq!(got, want, "{name}");
    }
}

#[test]
fn an_application_remembers_a_kilobyte() {
    let mut session = session("a.test", b"ticket");
    // Two bytes are the carrier's.
    let most = limits::SESSION_DATA - 2;
    assert_eq!(session.application_data(), [1, 2, 3]);
    assert_eq!(session.set_application_data(&vec![6; most]), Ok(()));
    let refused = session.set_application_data(&vec![7; most + 1]);
    assert!(matches!(refused, Err(Error::Misuse(_))), "{refused:?}");
    assert_eq!(session.application_data(), vec![6; most], "as before");
    let saved = session.seal(&key()).unwrap();
    let session = Session::open(&key(), &saved).unwrap();
    assert_eq!(session.application_data(), vec![6; most]);
    let mut state = client(session);
    state.carrier_data = vec![0; 3].into();
    let refused = Session(Side::Client(state)).seal(&key());
    assert!(refused.is_err(), "past the limit");
}

/// rfc9846#4.3.11.1-1, rfc9846#4.7.1-6
#[test]
fn a_session_is_used_as_long_as_its_ticket_lives() {
    let (second, week) = (Duration::from_secs(1), limits::TICKET_LIFETIME);
    let long = 30 * DAY;
    // (name, lifetime, until, first moment at which it is of no use)
    for (name, lifetime, until, end) in [
        ("its lifetime", DAY, long, DAY),
        ("the end of its line", DAY, HOUR, HOUR),
        ("7 days, whatever the server says", long, long, week),
        ("a lifetime of zero", Duration::ZERO, long, Duration::ZERO),
    ] {
        let state = ClientState {
            lifetime,
            until: START + until,
            ..client_state("a.test", b"ticket", at(Duration::ZERO))
        };
        assert!(!state.is_current(at(end)), "{name}");
        assert!(
            end.is_zero() || state.is_current(at(end - second)),
            "{name}"
        );
        assert!(
            !state.is_current(earlier(second)),
            "{name}: a clock that went back"
        );
    }
}

#[test]
fn the_age_of_a_ticket_is_told_in_milliseconds_and_obfuscated() {
    let millis = Duration::from_millis;
    let week = limits::TICKET_LIFETIME;
    for (name, age_add, age, want) in [
        ("at once", 5, Duration::ZERO, 5),
        ("a moment", 5, Duration::from_micros(1_999), 6),
        ("a second and a bit", 0, millis(1_234), 1_234),
        ("past the end of u32", u32::MAX, millis(3), 2),
        ("a week", 0, week, 604_800_000),
    ] {
        let state = ClientState {
            age_add,
            ..client_state("a.test", b"ticket", at(Duration::ZERO))
        };
        assert_eq!(state.obfuscated_age(at(age)), want, "{name}");
    }
}

#[test]
fn a_session_is_taken_once_and_the_newest_first() {
    let store = SessionStore::new();
    assert!(take(&store, "a.test", at(HOUR)).is_none());
    for ticket in [1, 2, 3] {
        store.insert(session("a.test", &[ticket]));
    }
    store.insert(session("b.test", &[4]));
    assert_eq!(store.len(), 4);
    let shared = store.clone();
    assert_eq!(tickets(&shared, "a.test"), [3, 2, 1]);
    assert_eq!(store.len(), 1);
    assert_eq!(tickets(&store, "B.TEST"), [4], "names have no case");
    assert!(shared.is_empty());
}

#[test]
fn sessions_of_others_are_not_found() {
    let store = SessionStore::new();
    store.insert(session("a.test", &[1]));
    let name = server_name("a.test");
    let rows = [
        ("another name", server_name("b.test"), OWNER, Rules::Records),
        (
            "an address",
            server_name("192.0.2.1"),
            OWNER,
            Rules::Records,
        ),
        ("another owner", name.clone(), [8; 32], Rules::Records),
        ("another carrier", name.clone(), OWNER, Rules::quic(1)),
    ];
    for (what, name, owner, carrier) in rows {
        assert!(!store.holds(&name, &owner, carrier, at(HOUR)), "{what}");
        let found = store.take(&name, &owner, carrier, at(HOUR));
        assert!(found.is_none(), "{what}");
    }
    assert!(store.holds(&name, &OWNER, Rules::Records, at(HOUR)));
    assert_eq!(tickets(&store, "a.test"), [1]);
}

/// rfc9369#5-1
#[test]
fn sessions_of_one_version_of_quic_are_of_no_use_in_another() {
    let [one, two] = [1, 0x6b33_43cf].map(Rules::quic);
    let store = SessionStore::new();
    let name = server_name("a.test");
    for (ticket, carrier) in [(1, one), (2, two)] {
        let mut state = client_state("a.test", &[ticket], at(HOUR));
        state.carrier = carrier;
        let saved = Session(Side::Client(Box::new(state))).seal(&key()).unwrap();
        store.insert(Session::open(&key(), &saved).unwrap());
    }
    let take = |carrier| store.take(&name, &OWNER, carrier, at(HOUR));
    let holds = |carrier, time| store.holds(&name, &OWNER, carrier, at(time));
    assert_eq!(take(two).unwrap().ticket[..], [2]);
    assert!(take(two).is_none() && !holds(two, HOUR));
    assert!(holds(one, HOUR) && !holds(one, 9 * DAY));
    assert_eq!(take(one).unwrap().ticket[..], [1]);
}

#[test]
fn sessions_that_are_out_of_date_are_dropped_when_their_name_is_looked_up() {
    let store = SessionStore::new();
    let put = |ticket: u8, received: Duration| {
        let state = client_state("a.test", &[ticket], at(received));
        store.put(Box::new(state));
    };
    put(1, Duration::ZERO);
    put(2, 2 * HOUR);
    put(3, HOUR);
    let taken = take(&store, "a.test", at(DAY + HOUR)).unwrap();
    assert_eq!(taken.ticket[..], [2], "the only one that is current");
    assert!(store.is_empty());
    put(4, Duration::ZERO);
    assert!(take(&store, "a.test", at(DAY)).is_none());
    assert!(store.is_empty());
    put(5, HOUR);
    assert!(
        take(&store, "a.test", at(Duration::ZERO)).is_none(),
        "from the future"
    );
}

/// T06: whatever servers send, the store stays within its bounds, and its newest sessions stay.
#[test]
fn a_flood_of_tickets_stays_within_the_bounds() {
    for (per_name, total) in [(4, 1024), (1, 3), (3, 1), (2, 0), (0, 5)] {
        let row = format!("{per_name} of a name, {total} in all");
        let store = SessionStore::bounded(per_name, total);
        assert_eq!(store.per_name(), per_name);
        for round in 0..20_u32 {
            for name in 0..300 {
                let ticket = round.to_be_bytes();
                store.insert(session(&format!("{name}.test"), &ticket));
                assert!(store.len() <= total, "{row}");
            }
        }
        let of_a_name = usize::from(per_name);
        assert_eq!(store.len(), total.min(300 * of_a_name), "{row}");
        let last = |name: u32| -> Vec<u8> {
            std::iter::from_fn(|| take(&store, &format!("{name}.test"), at(HOUR)))
                .map(|state| state.ticket[3])
                .collect()
        };
        let newest: Vec<u8> = (0..per_name).map(|at| 19 - at).collect();
        let fit = total.div_ceil(300).min(of_a_name);
        assert_eq!(last(299), newest[..fit], "{row}: the newest");
    }
    let defaults = SessionStore::default();
    for ticket in 0..10 {
        defaults.insert(session("a.test", &[ticket]));
    }
    assert_eq!(tickets(&defaults, "a.test"), [9, 8, 7, 6]);
    for name in 0..=limits::SESSIONS {
        defaults.insert(session(&format!("{name}.test"), &[1]));
    }
    assert_eq!(defaults.len(), limits::SESSIONS);
    assert!(tickets(&defaults, "0.test").is_empty(), "the oldest went");
    assert_eq!(tickets(&defaults, "1.test"), [1]);
}

#[test]
fn a_ticket_past_the_limit_is_not_kept() {
    let store = SessionStore::new();
    store.insert(session("a.test", &vec![1; limits::SESSION_TICKET + 1]));
    assert!(store.is_empty());
    store.insert(session("a.test", &vec![1; limits::SESSION_TICKET]));
    assert_eq!(store.len(), 1);
}

#[test]
fn the_last_ticket_is_reused_on_request_and_never_for_early_data() {
    let store = SessionStore::new().reuse_last_ticket(true);
    for ticket in [1, 2] {
        store.insert(session("a.test", &[ticket]));
    }
    let take = |after| take(&store, "a.test", at(after));
    let told = |state: Box<ClientState>| (state.ticket[0], state.max_early_data);
    assert_eq!(take(HOUR).map(told), Some((2, 16_384)));
    assert_eq!(
        take(HOUR).map(told),
        Some((1, 16_384)),
        "for the first time"
    );
    for _ in 0..3 {
        let again = take(HOUR).unwrap();
        let first = client_state("a.test", &[1], at(Duration::ZERO));
        assert!(again.secret.ct_eq(first.secret.expose()));
        assert_eq!(told(again), (1, 0), "and again");
    }
    assert_eq!(store.len(), 1);
    store.insert(session("a.test", &[3]));
    assert_eq!(take(HOUR).map(told), Some((3, 16_384)), "a new one first");
    assert!(take(DAY).is_none(), "out of date");
    assert!(store.is_empty());
}

#[test]
fn all_sessions_are_taken_out_to_be_saved() {
    let store = SessionStore::new();
    for (name, ticket) in [("a.test", 1), ("b.test", 2), ("a.test", 3), ("c.test", 4)] {
        store.insert(session(name, &[ticket]));
    }
    let (mut saved, mut order) = (Vec::new(), Vec::new());
    for session in store.drain() {
        let state = client(session);
        order.push(state.ticket[0]);
        saved.push(Session(Side::Client(state)).seal(&key()).unwrap());
    }
    assert_eq!(order, [1, 2, 3, 4], "the oldest first");
    assert!(store.is_empty() && store.drain().is_empty());
    let restored = SessionStore::new();
    for sealed in &saved {
        restored.insert(Session::open(&key(), sealed).unwrap());
    }
    assert_eq!(tickets(&restored, "a.test"), [3, 1], "the newest first");
    assert_eq!(tickets(&restored, "b.test"), [2]);
    assert_eq!(restored.len(), 1);
}
