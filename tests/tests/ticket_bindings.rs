//! A ticket is taken where a full handshake would have led to the same, and nowhere else: one change of a configuration at a
//! time between the first connection and the second (T01, T02). All pairs of changes stand beside the comparison in `tls`.
#![allow(clippy::unwrap_used)]

use pith_tests::engine::{Duo, Outcome};
use pith_tests::pair::{NAME, credential, trust};
use pith_tests::pki::Pki;
use pith_tls::policy::V2026_11_FIPS_ALGORITHMS;
use pith_tls::{
    CipherSuite, ClientAuth, ClientConfig, ClientConfigBuilder, Credential, Group, ServerConfig,
    ServerConfigBuilder, SessionStore, Tickets, Trust, key_pin,
};

/// What both connections have in common.
struct World {
    pki: Pki,
    other: Pki,
    own: Credential,
    another: Credential,
    store: SessionStore,
    tickets: Tickets,
}

const SECRET: &[u8] = b"a secret that all of the servers know";

impl World {
    fn new() -> Self {
        let (pki, other) = (Pki::new(), Pki::new());
        Self {
            own: credential(&pki.leaf("client.test")),
            another: credential(&pki.leaf("client.test")),
            store: SessionStore::new(),
            tickets: Tickets::fleet(SECRET).unwrap(),
            pki,
            other,
        }
    }

    /// Both roots, in this order.
    fn roots(&self, turned: bool) -> Trust {
        let mut roots = [self.pki.root(), self.other.root()];
        if turned {
            roots.reverse();
        }
        Trust::roots_from_der(&roots).unwrap()
    }

    /// With a certificate, so that it is a client to any server.
    fn client(&self) -> ClientConfigBuilder {
        self.client_with(trust(&self.pki), &self.own)
    }

    fn client_with(&self, trust: Trust, own: &Credential) -> ClientConfigBuilder {
        ClientConfig::new(trust)
            .sessions(self.store.clone())
            .credential(own.clone())
            .alpn(&[b"one", b"two"])
    }

    /// With a new certificate each time.
    fn server(&self) -> ServerConfigBuilder {
        ServerConfig::new(credential(&self.pki.leaf(NAME)))
            .tickets(self.tickets.clone())
            .alpn(&[b"one"])
    }
}

/// Whether the second connection resumes the first; both take place.
fn resumes(
    client: [ClientConfigBuilder; 2],
    server: [ServerConfigBuilder; 2],
    row: &str,
) -> [bool; 2] {
    let [first, second] = client.map(|config| config.build().unwrap());
    let [server, changed] = server.map(|config| config.build().unwrap());
    let run = |mut duo: Duo| {
        assert_eq!(duo.run(), Outcome::Complete, "{row}");
        let sides = [duo.client.summary, duo.server.summary];
        sides.map(|summary| summary.unwrap().resumed())
    };
    let before = run(Duo::records(&first, &server));
    assert_eq!(before, [false, false], "{row}: there is no session yet");
    run(Duo::records(&second, &changed))
}

#[test]
fn a_server_takes_the_tickets_of_its_like_alone() {
    type Change = fn(&World, ServerConfigBuilder) -> ServerConfigBuilder;
    let same: Change = |_, config| config;
    // (name, what the first server is, what the second is, whether it resumes)
    let rows: [(&str, Change, Change, bool); 19] = [
        ("the same, with a new certificate", same, same, true),
        (
            "another process",
            same,
            |_, c| c.tickets(Tickets::fleet(SECRET).unwrap()),
            true,
        ),
        (
            "other ticket keys",
            same,
            |_, c| c.tickets(Tickets::rotating()),
            false,
        ),
        ("no tickets", same, |_, c| c.tickets(Tickets::none()), false),
        ("a scope", same, |_, c| c.ticket_scope("a"), false),
        (
            "the same scope",
            |_, c| c.ticket_scope("a"),
            |_, c| c.ticket_scope("a"),
            true,
        ),
        (
            "another scope",
            |_, c| c.ticket_scope("a"),
            |_, c| c.ticket_scope("b"),
            false,
        ),
        (
            "clients are asked",
            same,
            |w, c| c.client_auth(optional(w)),
            false,
        ),
        (
            "clients must show who they are",
            same,
            |w, c| c.client_auth(required(w)),
            false,
        ),
        (
            "clients need not any more",
            |w, c| c.client_auth(required(w)),
            |w, c| c.client_auth(optional(w)),
            false,
        ),
        (
            "clients are not asked any more",
            |w, c| c.client_auth(required(w)),
            same,
            false,
        ),
        (
            "the same clients",
            |w, c| c.client_auth(required(w)),
            |w, c| c.client_auth(required(w)),
            true,
        ),
        (
            "more clients",
            |w, c| c.client_auth(required(w)),
            |w, c| c.client_auth(ClientAuth::Required(w.roots(false))),
            false,
        ),
        (
            "the same clients in another order",
            |w, c| c.client_auth(ClientAuth::Required(w.roots(false))),
            |w, c| c.client_auth(ClientAuth::Required(w.roots(true))),
            true,
        ),
        (
            "another policy",
            same,
            |_, c| c.policy(&V2026_11_FIPS_ALGORITHMS),
            false,
        ),
        (
            "another hash",
            same,
            |_, c| c.suites(&[CipherSuite::Aes256GcmSha384]),
            false,
        ),
        (
            "another suite of the hash",
            same,
            |_, c| c.suites(&[CipherSuite::ChaCha20Poly1305Sha256]),
            true,
        ),
        ("classical", same, |_, c| c.groups(&[Group::X25519]), false),
        ("another protocol", same, |_, c| c.alpn(&[b"two"]), true),
    ];
    for (name, first, second, want) in rows {
        let world = World::new();
        let server = [
            first(&world, world.server()),
            second(&world, world.server()),
        ];
        let got = resumes([world.client(), world.client()], server, name);
        assert_eq!(got, [want, want], "{name}");
    }
    // Post-quantum after classical is no loss.
    let world = World::new();
    let server = [world.server().groups(&[Group::X25519]), world.server()];
    let got = resumes([world.client(), world.client()], server, "classical first");
    assert_eq!(got, [true, true], "classical first");
}

fn optional(world: &World) -> ClientAuth {
    ClientAuth::Optional(trust(&world.pki))
}

fn required(world: &World) -> ClientAuth {
    ClientAuth::Required(trust(&world.pki))
}

#[test]
fn a_client_offers_the_sessions_of_its_like_alone() {
    type Change = fn(&World) -> ClientConfigBuilder;
    let rows: [(&str, Change, bool); 9] = [
        ("the same", |w| w.client(), true),
        (
            "more roots",
            |w| w.client_with(w.roots(false), &w.own),
            false,
        ),
        (
            "another credential",
            |w| w.client_with(trust(&w.pki), &w.another),
            false,
        ),
        (
            "two credentials",
            |w| w.client().credential(w.another.clone()),
            false,
        ),
        (
            "another policy",
            |w| w.client().policy(&V2026_11_FIPS_ALGORITHMS),
            false,
        ),
        ("a scope", |w| w.client().session_scope("a verifier"), false),
        (
            "another store",
            |w| w.client().sessions(SessionStore::new()),
            false,
        ),
        ("classical", |w| w.client().groups(&[Group::X25519]), false),
        ("another protocol", |w| w.client().alpn(&[b"one"]), true),
    ];
    for (name, second, want) in rows {
        let world = World::new();
        let server = [world.server(), world.server()];
        let got = resumes([world.client(), second(&world)], server, name);
        assert_eq!(got, [want, want], "{name}");
    }
}

/// The key of a pinned server is what its sessions are kept under, with the others that are pinned.
#[test]
fn sessions_of_a_pinned_server_are_those_of_its_pins() {
    let world = World::new();
    let leaf = world.pki.leaf(NAME);
    let pin = key_pin(leaf.chain.first().unwrap()).unwrap();
    let pinned = |more: &[[u8; 32]]| {
        let pins = more.iter().copied().chain([pin]);
        world.client_with(Trust::pinned_keys(pins).unwrap(), &world.own)
    };
    for (name, first, second, want) in [
        ("the same pin", pinned(&[]), pinned(&[]), true),
        ("one more", pinned(&[]), pinned(&[[1; 32]]), false),
        ("roots", pinned(&[[2; 32]]), world.client(), false),
    ] {
        let server = || {
            let config = ServerConfig::new(credential(&leaf));
            config.tickets(world.tickets.clone()).alpn(&[b"one"])
        };
        let got = resumes([first, second], [server(), server()], name);
        assert_eq!(got, [want, want], "{name}");
        drop(world.store.drain());
    }
}
