//! Events as records: names and fields of both schemas.

use core::time::Duration;

use pith_tls::{Now, Role};

use super::json::Object;
use super::{Schema, data as fields, frames};
use crate::observe::{
    Congestion, CongestionCause, EcnState, Frames, KeyChange, Metrics, Packet, Party, Seen, State,
    Subject,
};
use crate::path::Route;
use crate::wire::{ConnectionId, PacketType};

/// The records of a trace since somebody took them, and what they follow from beside the next event.
#[derive(Debug)]
pub(super) struct Records {
    text: String,
    schema: Schema,
    role: Option<Role>,
    began: Duration,
    /// What was written last, since only changes are.
    state: &'static str,
    metrics: Option<Metrics>,
    congestion: Option<Congestion>,
    ecn: Option<EcnState>,
    mtu: Option<u16>,
}

/// What an event is called in each schema.
struct Name {
    v03: &'static str,
    draft: &'static str,
}

const fn name(v03: &'static str, draft: &'static str) -> Name {
    Name { v03, draft }
}

const STARTED: Name = name("connectivity:connection_started", "quic:connection_started");
const CLOSED: Name = name("connectivity:connection_closed", "quic:connection_closed");
const STATE: Name = name(
    "connectivity:connection_state_updated",
    "quic:connection_state_updated",
);
const PATH: Name = name("connectivity:path_assigned", "quic:tuple_assigned");
const VALIDATION: Name = name(
    "connectivity:migration_state_updated",
    "quic:migration_state_updated",
);
const MTU: Name = name("connectivity:mtu_updated", "quic:mtu_updated");
const VERSION: Name = name("transport:version_information", "quic:version_information");
const ALPN: Name = name("transport:alpn_information", "quic:alpn_information");
const PARAMETERS: Name = name("transport:parameters_set", "quic:parameters_set");
const RESTORED: Name = name("transport:parameters_restored", "quic:parameters_restored");
const SENT: Name = name("transport:packet_sent", "quic:packet_sent");
const RECEIVED: Name = name("transport:packet_received", "quic:packet_received");
const DROPPED: Name = name("transport:packet_dropped", "quic:packet_dropped");
const BUFFERED: Name = name("transport:packet_buffered", "quic:packet_buffered");
const KEY_UPDATED: Name = name("security:key_updated", "quic:key_updated");
const KEY_DISCARDED: Name = name("security:key_discarded", "quic:key_discarded");
const METRICS: Name = name("recovery:metrics_updated", "quic:recovery_metrics_updated");
const CONGESTION: Name = name(
    "recovery:congestion_state_updated",
    "quic:congestion_state_updated",
);
const ECN: Name = name("recovery:ecn_state_updated", "quic:ecn_state_updated");
const TIMER: Name = name("recovery:loss_timer_updated", "quic:timer_updated");
const LOST: Name = name("recovery:packet_lost", "quic:packet_lost");
const INFO: Name = name("loglevel:info", "loglevel:info");

impl Records {
    /// With the record that heads a trace.
    pub(super) fn new(
        schema: Schema,
        role: Option<Role>,
        began: Now,
        original: Option<&ConnectionId>,
    ) -> Self {
        let mut records = Self {
            text: String::new(),
            schema,
            role,
            began: began.monotonic,
            state: "attempted",
            metrics: None,
            congestion: None,
            ecn: None,
            mtu: None,
        };
        records.record(|head| match schema {
            Schema::V03 => fields::head_v03(head, role, began, original),
            Schema::Draft13 => fields::head_draft(head, role, began, original),
        });
        records
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn clear(&mut self) {
        self.text.clear();
    }

    /// Adds the records of an event; one arm a kind.
    pub(super) fn event(&mut self, at: Duration, seen: &Seen<'_>) {
        let v03 = self.schema == Schema::V03;
        match seen {
            Seen::Started(subject) => self.started(at, subject),
            Seen::Parameters(of, parameters) => self.add(at, &PARAMETERS, |data| {
                data.text(if v03 { "owner" } else { "initiator" }, fields::party(*of));
                fields::parameters(parameters, data);
            }),
            Seen::Restored(parameters) => self.add(at, &RESTORED, |data| {
                fields::restored(parameters, data);
            }),
            Seen::Version(version) => self.add(at, &VERSION, |data| {
                data.text("chosen_version", format_args!("{version:08x}"));
            }),
            Seen::Protocol(name) => self.add(at, &ALPN, |data| fields::protocol(v03, name, data)),
            Seen::State(state) => self.state(at, *state),
            Seen::Sent(packet, frames) => self.packet(at, &SENT, packet, frames),
            Seen::Received(packet, frames) => self.packet(at, &RECEIVED, packet, frames),
            Seen::Held { packet, size } => self.add(at, &BUFFERED, |data| {
                fields::header(data, *packet, None);
                fields::raw(data, *size);
                data.text("trigger", "keys_unavailable");
            }),
            Seen::Dropped { packet, size, why } => self.add(at, &DROPPED, |data| {
                if let Some(packet) = packet {
                    fields::header(data, *packet, None);
                }
                fields::raw(data, *size);
                data.text("trigger", fields::trigger(*why));
                data.object("details", |details| details.text("reason", why));
            }),
            Seen::Lost(lost) => self.add(at, &LOST, |data| fields::lost(v03, lost, data)),
            Seen::Metrics(metrics) => self.metrics(at, metrics),
            Seen::Congestion { state, cause } => self.congestion(at, *state, *cause),
            Seen::Ecn(state) => {
                let old = self.ecn.replace(*state);
                self.add(at, &ECN, |data| {
                    if let Some(old) = old {
                        data.text("old", old);
                    }
                    data.text("new", state);
                });
            }
            Seen::Key { packet, of, change } => self.key(at, *packet, *of, *change),
            Seen::LossTimer(timer) => self.add(at, &TIMER, |data| fields::timer(v03, *timer, data)),
            Seen::Path(route) => self.add(at, &PATH, |data| fields::path(v03, route, data)),
            Seen::Validation { route, answered } => self.add(at, &VALIDATION, |data| {
                data.text(
                    "new",
                    match answered {
                        None => "probing_started",
                        Some(true) => "probing_successful",
                        Some(false) => "probing_abandoned",
                    },
                );
                fields::ends(v03, route, data);
            }),
            Seen::Mtu(bytes) => {
                let old = self.mtu.replace(*bytes);
                self.add(at, &MTU, |data| {
                    if let Some(old) = old {
                        data.number("old", old.into());
                    }
                    data.number("new", (*bytes).into());
                });
            }
            Seen::Closed(end) => self.add(at, &CLOSED, |data| fields::closed(v03, end, data)),
            Seen::EarlyData(_) | Seen::Admission { .. } => {
                self.add(at, &INFO, |data| data.text("message", seen))
            }
        }
    }

    fn started(&mut self, at: Duration, subject: &Subject) {
        let v03 = self.schema == Schema::V03;
        self.add(at, &STARTED, |data| {
            if v03 {
                fields::started_v03(subject, data);
            } else {
                let Route { local, remote } = subject.route;
                data.object("local", |side| {
                    fields::tuple(side, local.map(|own| own.ip()), None);
                    side.list("connection_ids", |ids| ids.text(fields::hex(&subject.own)));
                });
                data.object("remote", |side| {
                    fields::tuple(side, Some(remote.ip()), Some(remote.port()));
                });
            }
        });
        let role = match subject.role {
            Role::Client => "client_versions",
            Role::Server => "server_versions",
        };
        let version = format!("{:08x}", subject.version);
        self.add(at, &VERSION, |data| {
            data.list(role, |versions| versions.text(&version));
            data.text("chosen_version", &version);
        });
        self.add(at, &STATE, |data| data.text("new", "attempted"));
    }

    fn state(&mut self, at: Duration, state: State) {
        let new = match state {
            State::Complete => "handshake_complete",
            State::Confirmed => "handshake_confirmed",
            State::Closing => "closing",
            State::Draining => "draining",
            State::Over => "closed",
        };
        let old = core::mem::replace(&mut self.state, new);
        self.add(at, &STATE, |data| {
            data.text("old", old);
            data.text("new", new);
        });
    }

    fn packet(&mut self, at: Duration, name: &Name, packet: &Packet, frames: &Frames<'_>) {
        let schema = self.schema;
        self.add(at, name, |data| {
            data.object("header", |header| {
                header.text("packet_type", fields::packet_type(packet.packet));
                header.number("packet_number", packet.number);
                if packet.packet == PacketType::OneRtt {
                    header.number("key_phase", packet.generation);
                }
            });
            fields::raw(data, packet.size);
            data.list("frames", |list| frames::write(schema, frames, list));
        });
    }

    fn metrics(&mut self, at: Duration, now: &Metrics) {
        let before = self.metrics.replace(*now);
        self.add(at, &METRICS, |data| {
            let times: [(&str, fn(&Metrics) -> Duration); 4] = [
                ("smoothed_rtt", |of: &Metrics| of.smoothed_rtt),
                ("latest_rtt", |of: &Metrics| of.latest_rtt),
                ("min_rtt", |of: &Metrics| of.min_rtt),
                ("rtt_variance", |of: &Metrics| of.rtt_variation),
            ];
            for (name, value) in times {
                if before.as_ref().map(value) != Some(value(now)) {
                    data.time(name, value(now));
                }
            }
            let numbers: [(&str, fn(&Metrics) -> Option<u64>); 4] = [
                ("pto_count", |of: &Metrics| Some(of.probe_timeouts.into())),
                ("congestion_window", |of: &Metrics| Some(of.window)),
                ("bytes_in_flight", |of: &Metrics| Some(of.in_flight)),
                ("ssthresh", |of: &Metrics| of.threshold),
            ];
            for (name, value) in numbers {
                let changed = before.as_ref().map(value) != Some(value(now));
                if let Some(value) = value(now).filter(|_| changed) {
                    data.number(name, value);
                }
            }
        });
    }

    fn congestion(&mut self, at: Duration, state: Congestion, cause: Option<CongestionCause>) {
        let words = |state| match state {
            Congestion::SlowStart => "slow_start",
            Congestion::Recovery => "recovery",
            Congestion::Avoidance => "congestion_avoidance",
        };
        let old = self.congestion.replace(state);
        self.add(at, &CONGESTION, |data| {
            if let Some(old) = old {
                data.text("old", words(old));
            }
            data.text("new", words(state));
            if let Some(cause) = cause {
                let cause = match cause {
                    CongestionCause::Loss => "loss",
                    CongestionCause::Marks => "ecn",
                    CongestionCause::Persistent => "persistent_congestion",
                    CongestionCause::Spurious => "spurious_loss",
                };
                data.text("trigger", cause);
            }
        });
    }

    fn key(&mut self, at: Duration, packet: PacketType, of: Party, change: KeyChange) {
        let name = match change {
            KeyChange::Installed | KeyChange::Updated(..) => &KEY_UPDATED,
            KeyChange::Dropped | KeyChange::OldDropped(_) => &KEY_DISCARDED,
        };
        let client = (self.role == Some(Role::Client)) == (of == Party::Local);
        let phase = match self.schema {
            Schema::V03 => "generation",
            Schema::Draft13 => "key_phase",
        };
        self.add(at, name, |data| {
            let side = if client { "client" } else { "server" };
            let level = match packet {
                PacketType::Initial => "initial",
                PacketType::ZeroRtt => "0rtt",
                PacketType::Handshake => "handshake",
                PacketType::OneRtt => "1rtt",
            };
            data.text("key_type", format_args!("{side}_{level}_secret"));
            match change {
                KeyChange::Installed => data.text("trigger", "tls"),
                KeyChange::Updated(generation, by) => {
                    data.number(phase, generation);
                    data.text("trigger", format_args!("{}_update", fields::party(by)));
                }
                KeyChange::Dropped => {}
                KeyChange::OldDropped(generation) => data.number(phase, generation),
            }
        });
    }

    fn add(&mut self, at: Duration, name: &Name, fill: impl FnOnce(&mut Object<'_>)) {
        let time = at.saturating_sub(self.began);
        let name = match self.schema {
            Schema::V03 => name.v03,
            Schema::Draft13 => name.draft,
        };
        self.record(|record| {
            record.time("time", time);
            record.text("name", name);
            record.object("data", fill);
        });
    }

    fn record(&mut self, fill: impl FnOnce(&mut Object<'_>)) {
        self.text.push(SEPARATOR);
        Object::write(&mut self.text, fill);
        self.text.push('\n');
    }
}

/// Before each record (RFC 7464).
const SEPARATOR: char = '\u{1e}';
