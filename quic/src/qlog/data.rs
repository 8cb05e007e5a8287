//! The data of events: what both schemas call it.

use core::fmt::{self, Display};
use core::net::IpAddr;
use core::time::Duration;

use pith_tls::{Now, Role};

use super::date::Date;
use super::json::Object;
use crate::error::Code;
use crate::observe::{Cause, DropReason, End, LossTimer, Lost, Parameters, Party, Subject};
use crate::path::Route;
use crate::wire::{ConnectionId, PacketType, Space};

pub(super) fn head_v03(
    head: &mut Object<'_>,
    role: Option<Role>,
    began: Now,
    id: Option<&ConnectionId>,
) {
    head.text("qlog_version", "0.3");
    head.text("qlog_format", "JSON-SEQ");
    head.text("title", TITLE);
    head.object("trace", |trace| {
        trace.object("vantage_point", |point| {
            point.text("name", TITLE);
            point.text("type", vantage(role));
        });
        trace.object("common_fields", |common| {
            if let Some(id) = id {
                common.text("ODCID", hex(id));
            }
            common.text("time_format", "relative");
            common.time("reference_time", began.unix);
        });
    });
}

pub(super) fn head_draft(
    head: &mut Object<'_>,
    role: Option<Role>,
    began: Now,
    id: Option<&ConnectionId>,
) {
    head.text("file_schema", "urn:ietf:params:qlog:file:sequential");
    head.text("serialization_format", "application/qlog+json-seq");
    head.text("title", TITLE);
    head.object("trace", |trace| {
        trace.object("vantage_point", |point| {
            point.text("name", TITLE);
            point.text("type", vantage(role));
        });
        trace.object("common_fields", |common| {
            if let Some(id) = id {
                common.text("group_id", hex(id));
            }
            common.text("time_format", "relative_to_epoch");
            common.object("reference_time", |reference| {
                reference.text("clock_type", "monotonic");
                reference.text("epoch", "unknown");
                reference.text("wall_clock_time", Date(began.unix));
            });
        });
        trace.list("event_schemas", |schemas| {
            schemas.text("urn:ietf:params:qlog:events:quic-13");
            schemas.text("urn:ietf:params:qlog:events:loglevel");
        });
    });
}

pub(super) fn started_v03(subject: &Subject, data: &mut Object<'_>) {
    let (source, target) = (subject.route.local, subject.route.remote);
    data.text("ip_version", if target.is_ipv6() { "v6" } else { "v4" });
    if let Some(source) = source {
        data.text("src_ip", source.ip());
    }
    data.text("dst_ip", target.ip());
    data.text("protocol", "QUIC");
    data.number("dst_port", target.port().into());
    data.text("quic_version", format_args!("{:08x}", subject.version));
    data.text("src_cid", hex(&subject.own));
}

pub(super) fn protocol(v03: bool, name: &[u8], data: &mut Object<'_>) {
    match core::str::from_utf8(name) {
        Ok(name) if v03 => data.text("chosen_alpn", name),
        Ok(name) => data.object("chosen_alpn", |alpn| alpn.text("string_value", name)),
        Err(_) if v03 => data.text("chosen_alpn", hex(name)),
        Err(_) => data.object("chosen_alpn", |alpn| alpn.text("byte_value", hex(name))),
    }
}

pub(super) fn parameters(of: &Parameters, data: &mut Object<'_>) {
    for (name, id) in [
        (
            "original_destination_connection_id",
            of.original_destination,
        ),
        ("initial_source_connection_id", of.initial_source),
        ("retry_source_connection_id", of.retry_source),
    ] {
        if let Some(id) = id {
            data.text(name, hex(&id));
        }
    }
    data.flag("grease_quic_bit", of.grease_quic_bit);
    data.number("ack_delay_exponent", of.ack_delay_exponent);
    data.number("max_ack_delay", millis(of.max_ack_delay));
    restored(of, data);
}

/// Those that are remembered for early data.
pub(super) fn restored(of: &Parameters, data: &mut Object<'_>) {
    data.flag("disable_active_migration", of.no_migration);
    for (name, value) in [
        ("max_idle_timeout", of.idle_timeout.map_or(0, millis)),
        ("max_udp_payload_size", of.udp_payload),
        ("active_connection_id_limit", of.active_ids),
        ("initial_max_data", of.data),
        (
            "initial_max_stream_data_bidi_local",
            of.stream_data_bidi_local,
        ),
        (
            "initial_max_stream_data_bidi_remote",
            of.stream_data_bidi_remote,
        ),
        ("initial_max_stream_data_uni", of.stream_data_uni),
        ("initial_max_streams_bidi", of.streams_bidi),
        ("initial_max_streams_uni", of.streams_uni),
        ("max_datagram_frame_size", of.datagram_frame),
    ] {
        data.number(name, value);
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

pub(super) fn lost(v03: bool, lost: &Lost, data: &mut Object<'_>) {
    let packet = match lost.space {
        Space::Initial => PacketType::Initial,
        Space::Handshake => PacketType::Handshake,
        Space::Application => PacketType::OneRtt,
    };
    header(data, packet, Some(lost.number));
    if v03 {
        raw(data, lost.size.into());
    }
    let trigger = if lost.by_time {
        "time_threshold"
    } else {
        "reordering_threshold"
    };
    data.text("trigger", trigger);
}

pub(super) fn timer(v03: bool, timer: LossTimer, data: &mut Object<'_>) {
    if !v03 {
        data.text("timer_type", "loss_timeout");
    }
    match timer {
        LossTimer::Set(after) => {
            data.text("event_type", "set");
            data.time("delta", after);
        }
        LossTimer::Expired(space) => {
            data.text("event_type", "expired");
            if let Some(space) = space {
                let space = match space {
                    Space::Initial => "initial",
                    Space::Handshake => "handshake",
                    Space::Application => "application_data",
                };
                data.text("packet_number_space", space);
            }
        }
        LossTimer::Cancelled => data.text("event_type", "cancelled"),
    }
}

/// The path in use has the name that events have which name none.
pub(super) fn path(v03: bool, route: &Route, data: &mut Object<'_>) {
    data.text(if v03 { "path_id" } else { "tuple_id" }, "");
    ends(v03, route, data);
}

/// The ends of a path.
pub(super) fn ends(v03: bool, route: &Route, data: &mut Object<'_>) {
    let [remote, local] = if v03 {
        ["path_remote", "path_local"]
    } else {
        ["tuple_remote", "tuple_local"]
    };
    let (ip, port) = (route.remote.ip(), route.remote.port());
    data.object(remote, |side| tuple(side, Some(ip), Some(port)));
    let own = route.local.map(|own| own.ip());
    data.object(local, |side| tuple(side, own, None));
}

pub(super) fn closed(v03: bool, end: &End, data: &mut Object<'_>) {
    if let Some(by) = end.by {
        data.text(if v03 { "owner" } else { "initiator" }, party(by));
    }
    match end.cause {
        Cause::Application(code) if v03 => data.number("application_code", code),
        Cause::Application(code) => {
            data.text("application_error", "unknown");
            data.number("error_code", code);
        }
        Cause::Transport(code, _) => match (transport_error(code), v03) {
            (Some(name), true) => data.text("connection_code", name),
            (Some(name), false) => data.text("connection_error", name),
            (None, true) => data.number("connection_code", code.0),
            (None, false) => {
                data.text("connection_error", "unknown");
                data.number("error_code", code.0);
            }
        },
        Cause::IdleTimeout | Cause::HandshakeTimeout | Cause::Reset | Cause::NoCommonVersion => {}
    }
    if !end.reason.is_empty() {
        data.text("reason", end.reason);
    }
    let trigger = match end.cause {
        Cause::Application(_) => "application",
        Cause::Transport(Code::NO_ERROR, _) => "unspecified",
        Cause::Transport(..) => "error",
        Cause::IdleTimeout => "idle_timeout",
        Cause::HandshakeTimeout if v03 => "handshake_timeout",
        Cause::HandshakeTimeout => "aborted",
        Cause::Reset => "stateless_reset",
        Cause::NoCommonVersion => "version_mismatch",
    };
    data.text("trigger", trigger);
}

/// The name of a transport error that the schemas know.
pub(super) fn transport_error(code: Code) -> Option<String> {
    if code == Code::VERSION_NEGOTIATION_ERROR {
        return None;
    }
    if code.alert().is_some() {
        return Some(format!("crypto_error_{:#x}", code.0));
    }
    code.name().map(str::to_ascii_lowercase)
}

pub(super) fn header(data: &mut Object<'_>, packet: PacketType, number: Option<u64>) {
    data.object("header", |header| {
        header.text("packet_type", packet_type(packet));
        if let Some(number) = number {
            header.number("packet_number", number);
        }
    });
}

pub(super) fn raw(data: &mut Object<'_>, size: usize) {
    let size = u64::try_from(size).unwrap_or(u64::MAX);
    data.object("raw", |raw| raw.number("length", size));
}

pub(super) fn tuple(side: &mut Object<'_>, ip: Option<IpAddr>, port: Option<u16>) {
    let (ip_name, port_name) = match ip {
        Some(IpAddr::V4(_)) => ("ip_v4", "port_v4"),
        Some(IpAddr::V6(_)) => ("ip_v6", "port_v6"),
        None => return,
    };
    if let Some(ip) = ip {
        side.text(ip_name, ip);
    }
    if let Some(port) = port {
        side.number(port_name, port.into());
    }
}

pub(super) fn packet_type(packet: PacketType) -> &'static str {
    match packet {
        PacketType::Initial => "initial",
        PacketType::ZeroRtt => "0RTT",
        PacketType::Handshake => "handshake",
        PacketType::OneRtt => "1RTT",
    }
}

pub(super) fn trigger(why: DropReason) -> &'static str {
    match why {
        DropReason::Path => "rejected",
        DropReason::Malformed => "invalid",
        DropReason::Foreign => "connection_unknown",
        DropReason::Duplicate => "duplicate",
        DropReason::NoKeys | DropReason::HeldEnough => "key_unavailable",
        DropReason::Forged => "decryption_failure",
        DropReason::Unexpected => "general",
    }
}

pub(super) fn party(party: Party) -> &'static str {
    match party {
        Party::Local => "local",
        Party::Remote => "remote",
    }
}

pub(super) fn vantage(role: Option<Role>) -> &'static str {
    match role {
        Some(Role::Client) => "client",
        Some(Role::Server) => "server",
        None => "unknown",
    }
}

/// Bytes as qlog writes them.
pub(super) fn hex(bytes: &[u8]) -> impl Display + use<> {
    let mut text = String::new();
    for byte in bytes {
        fmt::Write::write_fmt(&mut text, format_args!("{byte:02x}")).unwrap_or_default();
    }
    text
}

const TITLE: &str = "pith";
