//! Connections of `pith client` that only report themselves: one, or a series.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use pith_io::std::{Socket, Stream, Timeouts};
use pith_tls::{Error, Role, Summary};

use crate::client::Plan;
use crate::failure::{self, Failure};
use crate::flights::{Bytes, Counted};
use crate::negotiated::{self, Report};
use crate::sessions::Sessions;
use crate::{input, say};

/// What one connection came to.
#[derive(Default)]
struct Probe {
    /// What became of --early-data.
    early: Option<String>,
    /// Why a handshake that succeeded was a full one, with --resume.
    not_resumed: Option<&'static str>,
    summary: Option<Summary>,
    times: Vec<(&'static str, Duration)>,
    bytes: Bytes,
}

/// Connects again and again, and reports each connection as it ends. One that fails does not keep the next from being tried.
pub(crate) fn run(plan: &Plan<'_>, count: Option<u32>, json: bool) -> Result<(), Failure> {
    let total = count.unwrap_or(1);
    let width = total.to_string().len();
    let mut handshakes = Vec::new();
    let mut failed = 0_u32;
    for number in 1..=total {
        let mut probe = Probe::default();
        let error = probe.run(plan, number == 1).err();
        if let Some(why) = probe.not_resumed.filter(|_| number > 1) {
            say(format_args!(
                "pith: connection {number} did not resume: {why}"
            ));
        }
        let line = match (json, &error) {
            (true, _) => probe.json(plan.server, error.as_ref()),
            (false, None) => format!("{number:width$}  {}", probe.line()),
            (false, Some(_)) => format!("{number:width$}  failed"),
        };
        writeln!(io::stdout(), "{line}").map_err(|error| failure::output(&error))?;
        match error {
            Some(error) if count.is_none() => return Err(error),
            Some(error) => {
                failed = failed.saturating_add(1);
                say(format_args!("pith: connection {number}: {error}"));
            }
            None => handshakes.extend(probe.time("handshake")),
        }
    }
    handshakes.sort();
    let middle = handshakes.get(handshakes.len() / 2);
    if let ([first, .., last], Some(middle), false) = (handshakes.as_slice(), middle, json) {
        let [first, middle, last] = [first, middle, last].map(|time| negotiated::time(*time));
        let summary = format!("handshake: fastest {first}, median {middle}, slowest {last}");
        writeln!(io::stdout(), "{summary}").map_err(|error| failure::output(&error))?;
    }
    match failed {
        0 => Ok(()),
        _ => Err(Failure::connection(format!(
            "{failed} of {total} connections failed: each is named above"
        ))),
    }
}

impl Probe {
    fn run(&mut self, plan: &Plan<'_>, first: bool) -> Result<(), Failure> {
        let sessions = plan.sessions.as_ref();
        let had_ticket = sessions.map(Sessions::any);
        let start = Instant::now();
        let opened = input::dial(plan.server).and_then(|tcp| {
            self.times.push(("connect", start.elapsed()));
            plan.open(tcp)
        });
        if let Some(sessions) = sessions {
            sessions.begun(first);
            if first {
                sessions.save()?;
            }
        }
        let mut tls = opened?;
        let shaking = Instant::now();
        let shaken = plan.shake(&mut tls);
        self.bytes = tls.socket().bytes();
        let rest = shaken.map_err(|error| failure::handshake(plan.server, plan.name, &error))?;
        self.times.push(("handshake", shaking.elapsed()));
        self.summary = tls.summary().cloned();
        self.early = tls
            .summary()
            .and_then(|summary| plan.first_data(summary, rest));
        let resumed = self.summary.as_ref().is_some_and(Summary::resumed);
        self.not_resumed = had_ticket.filter(|_| !resumed).map(|had| match had {
            true => "the server did not take the ticket (its keys or its settings may have changed, or another server answered)",
            false => "the connection before got no ticket (the server may send none, or the connection failed)",
        });
        let ended = part(&mut tls, rest, self.early.is_some());
        self.bytes = tls.socket().bytes();
        self.times.push(("total", start.elapsed()));
        ended.map_err(|error| failure::transfer(plan.server, &error))
    }

    fn time(&self, name: &str) -> Option<Duration> {
        let mut times = self.times.iter().filter(|(this, _)| *this == name);
        times.next().map(|(_, time)| *time)
    }

    fn line(&self) -> String {
        let mut parts = Vec::new();
        if let Some(summary) = &self.summary {
            let retried = if summary.retried {
                " after a retry"
            } else {
                ""
            };
            parts.push(format!("{}{retried}", summary.group));
            parts.push(summary.suite.to_string());
            parts.push(negotiated::signature(summary));
        }
        if let Some(early) = &self.early {
            parts.push(format!("early data {early}"));
        }
        let time = self.time("handshake").unwrap_or_default();
        let Bytes { sent, received } = self.bytes;
        parts.push(format!("handshake {}", negotiated::time(time)));
        parts.push(format!("{sent} bytes sent, {received} received"));
        parts.join("  ")
    }

    fn json(&self, server: &str, error: Option<&Failure>) -> String {
        Report {
            role: Role::Client,
            peer: server,
            summary: self.summary.as_ref(),
            times: &self.times,
            bytes: self.bytes,
            error: error.map(ToString::to_string).as_deref(),
        }
        .json()
    }
}

/// Sends the rest, says goodbye, and waits for the server to do so: a server that refuses the client's certificate can say that only after the
/// client's handshake is done. A server that says nothing has nothing against it. One that `answers` is heard to its end, for as long
/// as a silent one.
fn part(tls: &mut Stream<Counted<TcpStream>>, rest: &[u8], answers: bool) -> io::Result<()> {
    let deadline = Instant::now().checked_add(PARTING);
    tls.socket_mut().set_timeouts(Timeouts {
        read: Some(PARTING),
        write: Some(PARTING),
    })?;
    let told = tls.write_all(rest).and_then(|()| tls.close());
    let mut buffer = [0; 4 << 10];
    loop {
        match tls.read(&mut buffer) {
            Ok(0) => return told,
            Ok(_) if answers && deadline.is_some_and(|deadline| Instant::now() < deadline) => {}
            Ok(_) => return told,
            Err(error) if matches!(failure::tls(&error), Some(Error::Truncated)) => return told,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                return told;
            }
            Err(error) => return Err(error),
        }
    }
}

/// Long enough for a busy server to look at a chain.
const PARTING: Duration = Duration::from_secs(5);
