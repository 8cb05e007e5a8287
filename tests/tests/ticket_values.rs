//! What tickets say on the wire: how long they live, what is random about them, and how many come (RFC 9846 section 4.7.1,
//! RFC 9149).
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use pith_tests::engine::{Duo, Outcome, Role};
use pith_tests::pair::{NAME, credential, trust};
use pith_tests::pki::{Identity, Kind, Pki};
use pith_tls::{ClientAuth, ClientConfig, ServerConfig, SessionStore, Tickets, limits};

const NEW_SESSION_TICKET: u8 = 4;

/// The fields of a NewSessionTicket.
struct Ticket {
    lifetime: u32,
    age_add: u32,
    nonce: Vec<u8>,
    ticket: Vec<u8>,
}

impl Ticket {
    fn read(message: &[u8]) -> Self {
        let number = |at: usize| u32::from_be_bytes(message[at..at + 4].try_into().unwrap());
        let nonce_end = 13 + usize::from(message[12]);
        let length = [message[nonce_end], message[nonce_end + 1]];
        let ticket = &message[nonce_end + 2..];
        Self {
            lifetime: number(4),
            age_add: number(8),
            nonce: message[13..nonce_end].to_vec(),
            ticket: ticket[..usize::from(u16::from_be_bytes(length))].to_vec(),
        }
    }
}

/// The tickets of one connection, which takes place.
fn tickets(client: &Arc<ClientConfig>, server: &Arc<ServerConfig>) -> Vec<Ticket> {
    let mut seen = Vec::new();
    let outcome = Duo::records(client, server).run_with(|flight| {
        let from_server = flight.from == Role::Server;
        let messages = flight.pieces.iter().map(|piece| &piece.bytes);
        let tickets = messages.filter(|bytes| from_server && bytes[0] == NEW_SESSION_TICKET);
        seen.extend(tickets.map(|bytes| Ticket::read(bytes)));
        flight.pieces
    });
    assert_eq!(outcome, Outcome::Complete);
    seen
}

fn client(pki: &Pki, store: &SessionStore) -> Arc<ClientConfig> {
    let config = ClientConfig::new(trust(pki)).sessions(store.clone());
    config.build().unwrap()
}

fn server(pki: &Pki, tickets: Tickets) -> Arc<ServerConfig> {
    let config = ServerConfig::new(credential(&pki.leaf(NAME))).tickets(tickets);
    config.build().unwrap()
}

/// T03, T04: nothing about a ticket comes twice, whether it is of one connection, of the next, or of one that resumes.
#[test]
fn what_is_random_about_a_ticket_never_comes_again() {
    let pki = Pki::new();
    let fleet = Tickets::fleet(b"32 bytes or more, from a safe place").unwrap();
    for tickets_of in [Tickets::rotating(), fleet] {
        let (store, server) = (SessionStore::new(), server(&pki, tickets_of));
        let client = client(&pki, &store);
        let (mut age_adds, mut bytes) = (BTreeSet::new(), BTreeSet::new());
        let mut count = 0;
        for _ in 0..20 {
            let mut nonces = BTreeSet::new();
            for ticket in tickets(&client, &server) {
                count += 1;
                assert!(nonces.insert(ticket.nonce), "a nonce came twice");
                assert!(bytes.insert(ticket.ticket[8..40].to_vec()), "or a ticket");
                assert!(ticket.ticket.len() <= limits::TICKET);
                age_adds.insert(ticket.age_add);
            }
        }
        assert_eq!(count, 4 + 19, "4 for a name, then one for each resumption");
        // Two of so few numbers of 32 bits are equal once in 17 million runs.
        assert_eq!(age_adds.len(), count);
    }
}

#[test]
fn a_client_is_sent_as_many_tickets_as_its_store_holds() {
    let pki = Pki::new();
    for (holds, want) in [(0, 0), (1, 1), (4, 4), (8, 8), (9, 8), (255, 8)] {
        let store = SessionStore::bounded(holds, 1000);
        let sent = tickets(&client(&pki, &store), &server(&pki, Tickets::rotating()));
        assert_eq!(sent.len(), want, "a store for {holds}");
        assert_eq!(store.len(), want, "a store for {holds}");
    }
    let store = SessionStore::new();
    let sent = tickets(&client(&pki, &store), &server(&pki, Tickets::none()));
    assert!(sent.is_empty() && store.is_empty(), "none are issued");
}

/// rfc9846#4.7.1-5
#[test]
fn a_ticket_says_how_long_it_lives() {
    let (second, week) = (Duration::from_secs(1), limits::TICKET_LIFETIME);
    let pki = Pki::new();
    let fixed = |lifetime| Tickets::rotating().lifetime(lifetime).unwrap();
    for (name, tickets_of, want) in [
        ("by default", Tickets::rotating(), 86_400),
        ("shortest", fixed(second), 1),
        ("longest", fixed(week), 604_800),
    ] {
        let sent = tickets(
            &client(&pki, &SessionStore::new()),
            &server(&pki, tickets_of),
        );
        assert_eq!(sent.len(), 4, "{name}");
        let lifetimes = sent.iter().map(|ticket| ticket.lifetime);
        assert!(lifetimes.clone().all(|lifetime| lifetime == want), "{name}");
    }
}

/// A client that proved itself by a chain is known by its ticket as long as the chain is good.
#[test]
fn a_ticket_lives_no_longer_than_the_chain_of_its_client() {
    let pki = Pki::new();
    let until = |day| {
        pki.leaf_with(Kind::P256, &["client.test"], |params| {
            params.not_after = rcgen::date_time_ymd(2027, 1, day);
        })
    };
    let lifetime = |own: &Identity, tickets_of: Tickets| {
        let client = ClientConfig::new(trust(&pki))
            .sessions(SessionStore::new())
            .credential(credential(own))
            .build()
            .unwrap();
        let server = ServerConfig::new(credential(&pki.leaf(NAME)))
            .client_auth(ClientAuth::Required(trust(&pki)))
            .tickets(tickets_of)
            .build()
            .unwrap();
        tickets(&client, &server)[0].lifetime
    };
    let midnight = 57_600; // from 08:00
    let day = Tickets::rotating;
    let week = || day().lifetime(limits::TICKET_LIFETIME).unwrap();
    for (name, last, tickets_of, want) in [
        ("tomorrow", 16, day(), midnight),
        ("the day after", 17, day(), 86_400),
        ("two days of a week", 18, week(), midnight + 2 * 86_400),
    ] {
        assert_eq!(lifetime(&until(last), tickets_of), want, "{name}");
    }
}
