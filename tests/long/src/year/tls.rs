//! Tickets and sessions.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use pith_tests::heap::Counter;
use pith_tests::pair::{NAME, credential, name, trust};
use pith_tests::pki::{Identity, Kind, Pki};
use pith_tls::{
    ClientConfig, Now, ServerConfig, ServerName, Session, SessionStore, Tickets, limits,
};

use super::{DAY, Flat, HOUR};
use crate::join::{Clocks, Joined, after};

pub(super) fn run(days: u64, counter: &Counter) -> Result<String, String> {
    let mut year = Year::new();
    let mut flat = Flat::new(counter, SETTLED.min(days / 2));
    for hour in 0..days * 24 {
        year.hour(hour)?;
        if hour.is_multiple_of(24) {
            flat.note(hour / 24);
        }
    }
    let what = format!(
        "{} TLS handshakes, {} of them resumed as expected and {} not, {} tickets tried in their last second and {} in the one after",
        year.resumed + year.full,
        year.resumed,
        year.full,
        year.last_seconds,
        year.seconds_after
    );
    flat.result(&what, BOUND)
}

/// Servers, their clients, and what is to come of them.
struct Year {
    pki: Pki,
    leaf: Identity,
    /// One whose keys are random and replace themselves.
    alone: Arc<ServerConfig>,
    /// Two that share a secret, of which the second's clock is ahead.
    fleet: [Arc<ServerConfig>; 2],
    fleet_tickets: [Tickets; 2],
    /// Comes to the first each hour, and another to the fleet's in turn.
    guest: Guest,
    fleet_guest: Guest,
    /// Comes to one of many names each hour, with a store that is too small for them.
    wanderer: Arc<ClientConfig>,
    /// By the time at which they are tried.
    probes: BTreeMap<Duration, Vec<Probe>>,
    wire: Vec<u8>,
    resumed: u64,
    full: u64,
    last_seconds: u64,
    seconds_after: u64,
}

/// A client with one line of sessions.
struct Guest {
    config: Arc<ClientConfig>,
    /// When the line ends as the server that began it knows the time.
    until: Duration,
}

/// A ticket that is tried at the end of its life, by a client whose clock goes too slowly to know.
struct Probe {
    session: Session,
    at_fleet: bool,
    client_now: Now,
    resumes: bool,
}

impl Year {
    fn new() -> Self {
        let pki = Pki::new();
        let leaf = pki.leaf_with(Kind::P256, &[NAME, "*.hosts.example"], |_| ());
        let guest = || Guest {
            config: client(&pki, SessionStore::new()),
            until: Duration::ZERO,
        };
        let fleet_tickets = [(); 2].map(|()| Tickets::fleet(&secret(0)).unwrap());
        let of_fleet = |tickets: &Tickets| server(&leaf, tickets.clone());
        Self {
            alone: server(&leaf, Tickets::rotating()),
            fleet: [of_fleet(&fleet_tickets[0]), of_fleet(&fleet_tickets[1])],
            fleet_tickets,
            guest: guest(),
            fleet_guest: guest(),
            wanderer: client(&pki, SessionStore::bounded(4, NAMES / 2)),
            probes: BTreeMap::new(),
            wire: vec![0; 64 * 1024],
            resumed: 0,
            full: 0,
            last_seconds: 0,
            seconds_after: 0,
            pki,
            leaf,
        }
    }

    fn hour(&mut self, hour: u64) -> Result<(), String> {
        let passed = HOUR * u32::try_from(hour).unwrap();
        while let Some(entry) = self
            .probes
            .first_entry()
            .filter(|entry| *entry.key() <= passed)
        {
            let (at, probes) = entry.remove_entry();
            for probe in probes {
                self.try_out(at, probe)?;
            }
        }
        let mut forgotten = false;
        if hour > 0 && hour.is_multiple_of(RESTART) {
            // Its keys are gone with it.
            self.alone = server(&self.leaf, Tickets::rotating());
            forgotten = true;
        }
        let clocks = Clocks::both(after(passed));
        let alone = Arc::clone(&self.alone);
        let resumes = !forgotten && clocks.server.unix < self.guest.until;
        let config = Arc::clone(&self.guest.config);
        self.meet("alone", (&config, &alone), name(), clocks, resumes)?;
        if !resumes {
            self.guest.until = clocks.server.unix + limits::TICKET_LIFETIME;
        }

        let mut replaced = false;
        if hour > 0 && hour.is_multiple_of(REPLACE) {
            for tickets in &self.fleet_tickets {
                tickets.replace_secret(&secret(hour)).unwrap();
            }
            replaced = true;
        }
        let which = usize::from(hour % 2 == 1);
        let mut clocks = clocks;
        if which == 1 {
            clocks.server = after(passed + AHEAD);
        }
        let fleet = Arc::clone(&self.fleet[which]);
        let now = clocks.client.unix.max(clocks.server.unix);
        let resumes = !replaced && now < self.fleet_guest.until;
        let config = Arc::clone(&self.fleet_guest.config);
        self.meet("fleet", (&config, &fleet), name(), clocks, resumes)?;
        if !resumes {
            // The client reckons with its own clock, which is never ahead of the server's.
            self.fleet_guest.until = clocks.client.unix + limits::TICKET_LIFETIME;
        }

        let host = format!("host-{}.hosts.example", hour % NAMES as u64);
        let host = ServerName::try_from(host).unwrap();
        let clocks = Clocks::both(after(passed));
        let config = Arc::clone(&self.wanderer);
        self.meet("wanderer", (&config, &alone), host, clocks, false)?;

        // Not each day, so that each hour of a key's life has its turn.
        if hour.is_multiple_of(25) {
            self.plant(passed)?;
        }
        Ok(())
    }

    /// A handshake, which resumes or not.
    fn meet(
        &mut self,
        who: &str,
        configs: (&Arc<ClientConfig>, &Arc<ServerConfig>),
        name: ServerName<'static>,
        clocks: Clocks,
        resumes: bool,
    ) -> Result<(), String> {
        let wire = &mut self.wire;
        let when = clocks.server.unix;
        let failed = |error| format!("{who} at {when:?}: {error}");
        let joined = Joined::connect(configs, name, clocks, wire).map_err(failed)?;
        if joined.resumed() != resumes {
            return Err(format!("{who} at {when:?}: resumed: {}", !resumes));
        }
        *(if resumes {
            &mut self.resumed
        } else {
            &mut self.full
        }) += 1;
        joined.close(clocks, wire).map_err(failed)
    }

    /// New clients get tickets, which are tried when they end.
    fn plant(&mut self, passed: Duration) -> Result<(), String> {
        let clocks = Clocks::both(after(passed));
        for at_fleet in [false, true] {
            let store = SessionStore::new();
            let config = client(&self.pki, store.clone());
            let server = Arc::clone(if at_fleet {
                &self.fleet[0]
            } else {
                &self.alone
            });
            self.meet("new", (&config, &server), name(), clocks, false)?;
            let (tell_late, until) = (after(passed + HOUR), passed + LIFETIME);
            for (session, at) in store.drain().into_iter().zip([until - SECOND, until]) {
                let probe = Probe {
                    session,
                    at_fleet,
                    client_now: tell_late,
                    resumes: at < until,
                };
                self.probes.entry(at).or_default().push(probe);
            }
        }
        Ok(())
    }

    fn try_out(&mut self, at: Duration, probe: Probe) -> Result<(), String> {
        let clocks = Clocks {
            client: probe.client_now,
            server: after(at),
        };
        let server = match probe.at_fleet {
            true => &self.fleet[0],
            false => &self.alone,
        };
        let server = Arc::clone(server);
        // Where it was sealed under what is gone since, it is good no more.
        let planted = (at + SECOND - LIFETIME).as_secs() / HOUR.as_secs();
        let ended = (at.as_secs() - 1) / HOUR.as_secs();
        let every = if probe.at_fleet { REPLACE } else { RESTART };
        let gone = planted / every != ended / every;
        let store = SessionStore::new();
        store.insert(probe.session);
        let config = client(&self.pki, store);
        let resumes = probe.resumes && !gone;
        self.meet("probe", (&config, &server), name(), clocks, resumes)?;
        match probe.resumes {
            true => self.last_seconds += u64::from(!gone),
            false => self.seconds_after += 1,
        }
        Ok(())
    }
}

fn client(pki: &Pki, store: SessionStore) -> Arc<ClientConfig> {
    let config = ClientConfig::new(trust(pki)).sessions(store);
    config.build().unwrap()
}

fn server(leaf: &Identity, tickets: Tickets) -> Arc<ServerConfig> {
    let config = ServerConfig::new(credential(leaf)).tickets(tickets);
    config.build().unwrap()
}

/// A fleet's secret from this hour on.
fn secret(hour: u64) -> Vec<u8> {
    [hour + 1, 2, 3, 4].map(u64::to_be_bytes).concat()
}

const SECOND: Duration = Duration::from_secs(1);

/// A ticket's, by default.
const LIFETIME: Duration = DAY;

/// By how much the clock of the fleet's second server is ahead.
const AHEAD: Duration = Duration::from_secs(600);

/// Hours after which the server that is alone begins anew.
const RESTART: u64 = 60 * 24;

/// Hours after which the fleet has another secret.
const REPLACE: u64 = 30 * 24;

/// How many names one client comes to in turn.
const NAMES: usize = 100;

/// Days after which all that is kept has its size.
const SETTLED: u64 = 30;

/// Bytes by which the heap may differ from one day to another.
const BOUND: i64 = 16 * 1024;
