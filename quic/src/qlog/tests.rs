//! Events that are rare, as they stand in a trace. Those of a whole connection are read by a checker in `tests/qlog.rs`.

use super::*;
use crate::error::Code;
use crate::observe::{
    Cause, Congestion, CongestionCause, Decision, DropReason, EcnState, End, Frames, KeyChange,
    LossTimer, Lost, Metrics, Packet, Party, State,
};

use crate::path::Route;
use crate::recovery::Ecn;
use crate::wire::{PacketType, Side, Space};

const BEGAN: Now = Now {
    monotonic: Duration::from_secs(5),
    unix: Duration::from_millis(1_800_000_000_250),
};

fn subject(role: Role) -> Subject {
    Subject {
        role,
        original: ConnectionId::new(&[0xab; 8]).unwrap(),
        own: ConnectionId::new(&[1, 2]).unwrap(),
        route: Route {
            local: Some(([192, 0, 2, 1], 0).into()),
            remote: ([192, 0, 2, 9], 443).into(),
        },
        version: 1,
        began: BEGAN,
    }
}

/// What a log of `role` adds for events that are a millisecond and a half after its start.
fn lines(schema: Schema, role: Role, events: &[Seen<'_>]) -> Vec<String> {
    let mut log = Qlog::new(schema, &subject(role), String::new());
    for seen in events {
        log.seen(BEGAN.monotonic + Duration::from_micros(1500), seen);
    }
    let text = log.into_inner();
    let records = text.split('\u{1e}').skip(2);
    records
        .map(|record| {
            let record = record.strip_suffix('\n').unwrap();
            let record = record.strip_prefix(r#"{"time":1.500,"name":""#).unwrap();
            record
                .replace(r#"","data":"#, " ")
                .strip_suffix('}')
                .unwrap()
                .into()
        })
        .collect()
}

#[test]
fn a_trace_begins_with_its_head() {
    let head = |schema| {
        let log = Qlog::new(schema, &subject(Role::Client), String::new());
        assert!(log.is_whole());
        log.into_inner()
    };
    assert_eq!(
        head(Schema::V03),
        concat!(
            "\u{1e}",
            r#"{"qlog_version":"0.3","qlog_format":"JSON-SEQ","title":"pith","trace":{"#,
            r#""vantage_point":{"name":"pith","type":"client"},"common_fields":{"ODCID":"abababababababab","#,
            r#""time_format":"relative","reference_time":1800000000250.000}}}"#,
            "\n"
        )
    );
    let draft = head(Schema::Draft13);
    assert!(draft.contains(r#""wall_clock_time":"2027-01-15T08:00:00.250Z""#));
    // Tools look for what the file is here.
    let format = draft.find("application/qlog+json-seq").unwrap();
    assert!(format < 200 && draft.find("file_schema").unwrap() < format);
}

#[test]
fn rare_events_have_the_names_and_values_of_both_schemas() {
    let end = |by, cause, reason| Seen::Closed(End { by, cause, reason });
    let lost = |space, by_time| {
        Seen::Lost(Lost {
            space,
            number: 7,
            size: 1200,
            by_time,
        })
    };
    let key = |packet, of, change| Seen::Key { packet, of, change };
    let transport = |code| Cause::Transport(code, None);
    let (here, there) = (Some(Party::Local), Some(Party::Remote));
    let rows: Vec<(Seen<'_>, &str, &str)> = vec![
        (
            lost(Space::Initial, true),
            r#"recovery:packet_lost {"header":{"packet_type":"initial","packet_number":7},"raw":{"length":1200},"trigger":"time_threshold"}"#,
            r#"quic:packet_lost {"header":{"packet_type":"initial","packet_number":7},"trigger":"time_threshold"}"#,
        ),
        (
            lost(Space::Application, false),
            r#"recovery:packet_lost {"header":{"packet_type":"1RTT","packet_number":7},"raw":{"length":1200},"trigger":"reordering_threshold"}"#,
            r#"quic:packet_lost {"header":{"packet_type":"1RTT","packet_number":7},"trigger":"reordering_threshold"}"#,
        ),
        (
            Seen::Held {
                packet: PacketType::OneRtt,
                size: 99,
            },
            r#"transport:packet_buffered {"header":{"packet_type":"1RTT"},"raw":{"length":99},"trigger":"keys_unavailable"}"#,
            r#"quic:packet_buffered {"header":{"packet_type":"1RTT"},"raw":{"length":99},"trigger":"keys_unavailable"}"#,
        ),
        (
            Seen::Dropped {
                packet: None,
                size: 3,
                why: DropReason::Malformed,
            },
            r#"transport:packet_dropped {"raw":{"length":3},"trigger":"invalid","details":{"reason":"malformed"}}"#,
            r#"quic:packet_dropped {"raw":{"length":3},"trigger":"invalid","details":{"reason":"malformed"}}"#,
        ),
        (
            key(PacketType::ZeroRtt, Party::Local, KeyChange::Installed),
            r#"security:key_updated {"key_type":"server_0rtt_secret","trigger":"tls"}"#,
            r#"quic:key_updated {"key_type":"server_0rtt_secret","trigger":"tls"}"#,
        ),
        (
            key(
                PacketType::OneRtt,
                Party::Remote,
                KeyChange::Updated(2, Party::Remote),
            ),
            r#"security:key_updated {"key_type":"client_1rtt_secret","generation":2,"trigger":"remote_update"}"#,
            r#"quic:key_updated {"key_type":"client_1rtt_secret","key_phase":2,"trigger":"remote_update"}"#,
        ),
        (
            key(PacketType::OneRtt, Party::Remote, KeyChange::OldDropped(1)),
            r#"security:key_discarded {"key_type":"client_1rtt_secret","generation":1}"#,
            r#"quic:key_discarded {"key_type":"client_1rtt_secret","key_phase":1}"#,
        ),
        (
            Seen::LossTimer(LossTimer::Expired(Some(Space::Handshake))),
            r#"recovery:loss_timer_updated {"event_type":"expired","packet_number_space":"handshake"}"#,
            r#"quic:timer_updated {"timer_type":"loss_timeout","event_type":"expired","packet_number_space":"handshake"}"#,
        ),
        (
            Seen::Protocol(b"a\"b"),
            r#"transport:alpn_information {"chosen_alpn":"a\"b"}"#,
            r#"quic:alpn_information {"chosen_alpn":{"string_value":"a\"b"}}"#,
        ),
        (
            Seen::Protocol(&[0xff, 1]),
            r#"transport:alpn_information {"chosen_alpn":"ff01"}"#,
            r#"quic:alpn_information {"chosen_alpn":{"byte_value":"ff01"}}"#,
        ),
        (
            end(there, transport(Code::FLOW_CONTROL_ERROR), ""),
            r#"connectivity:connection_closed {"owner":"remote","connection_code":"flow_control_error","trigger":"error"}"#,
            r#"quic:connection_closed {"initiator":"remote","connection_error":"flow_control_error","trigger":"error"}"#,
        ),
        (
            end(here, transport(Code(0x12f)), "no_application_protocol"),
            r#"connectivity:connection_closed {"owner":"local","connection_code":"crypto_error_0x12f","reason":"no_application_protocol","trigger":"error"}"#,
            r#"quic:connection_closed {"initiator":"local","connection_error":"crypto_error_0x12f","reason":"no_application_protocol","trigger":"error"}"#,
        ),
        (
            end(there, transport(Code(1 << 61)), ""),
            r#"connectivity:connection_closed {"owner":"remote","connection_code":"2305843009213693952","trigger":"error"}"#,
            r#"quic:connection_closed {"initiator":"remote","connection_error":"unknown","error_code":"2305843009213693952","trigger":"error"}"#,
        ),
        (
            end(there, transport(Code::NO_ERROR), ""),
            r#"connectivity:connection_closed {"owner":"remote","connection_code":"no_error","trigger":"unspecified"}"#,
            r#"quic:connection_closed {"initiator":"remote","connection_error":"no_error","trigger":"unspecified"}"#,
        ),
        (
            end(here, Cause::Application(9), ""),
            r#"connectivity:connection_closed {"owner":"local","application_code":9,"trigger":"application"}"#,
            r#"quic:connection_closed {"initiator":"local","application_error":"unknown","error_code":9,"trigger":"application"}"#,
        ),
        (
            end(None, Cause::IdleTimeout, ""),
            r#"connectivity:connection_closed {"trigger":"idle_timeout"}"#,
            r#"quic:connection_closed {"trigger":"idle_timeout"}"#,
        ),
        (
            end(None, Cause::HandshakeTimeout, ""),
            r#"connectivity:connection_closed {"trigger":"handshake_timeout"}"#,
            r#"quic:connection_closed {"trigger":"aborted"}"#,
        ),
        (
            end(there, Cause::Reset, ""),
            r#"connectivity:connection_closed {"owner":"remote","trigger":"stateless_reset"}"#,
            r#"quic:connection_closed {"initiator":"remote","trigger":"stateless_reset"}"#,
        ),
        (
            end(here, Cause::NoCommonVersion, ""),
            r#"connectivity:connection_closed {"owner":"local","trigger":"version_mismatch"}"#,
            r#"quic:connection_closed {"initiator":"local","trigger":"version_mismatch"}"#,
        ),
        (
            Seen::Validation {
                route: Route {
                    local: None,
                    remote: "[2001:db8::7]:443".parse().unwrap(),
                },
                answered: Some(false),
            },
            r#"connectivity:migration_state_updated {"new":"probing_abandoned","path_remote":{"ip_v6":"2001:db8::7","port_v6":443},"path_local":{}}"#,
            r#"quic:migration_state_updated {"new":"probing_abandoned","tuple_remote":{"ip_v6":"2001:db8::7","port_v6":443},"tuple_local":{}}"#,
        ),
        (
            Seen::Admission {
                remote: Some(([192, 0, 2, 1], 7).into()),
                decision: Decision::Retry,
            },
            r#"loglevel:info {"message":"192.0.2.1:7: Retry sent"}"#,
            r#"loglevel:info {"message":"192.0.2.1:7: Retry sent"}"#,
        ),
    ];
    for (seen, v03, draft) in rows {
        assert_eq!(lines(Schema::V03, Role::Server, &[seen]), [v03], "{seen:?}");
        assert_eq!(
            lines(Schema::Draft13, Role::Server, &[seen]),
            [draft],
            "{seen:?}"
        );
    }
}

#[test]
fn what_changes_has_its_old_value_and_what_does_not_is_left_out() {
    let metrics = |window, threshold| {
        Seen::Metrics(Metrics {
            smoothed_rtt: Duration::from_micros(12_345),
            latest_rtt: Duration::from_millis(10),
            min_rtt: Duration::from_millis(9),
            rtt_variation: Duration::ZERO,
            probe_timeouts: 1,
            window,
            in_flight: 0,
            threshold,
        })
    };
    let congestion = |state, cause| Seen::Congestion { state, cause };
    let events = [
        metrics(12_000, None),
        metrics(6_000, Some(6_000)),
        congestion(Congestion::SlowStart, None),
        congestion(Congestion::Recovery, Some(CongestionCause::Marks)),
        Seen::Ecn(EcnState::Testing),
        Seen::Ecn(EcnState::Capable),
        Seen::Mtu(1200),
        Seen::Mtu(1400),
        Seen::State(State::Complete),
        Seen::State(State::Draining),
    ];
    assert_eq!(
        lines(Schema::Draft13, Role::Client, &events),
        [
            r#"quic:recovery_metrics_updated {"smoothed_rtt":12.345,"latest_rtt":10.000,"min_rtt":9.000,"rtt_variance":0.000,"pto_count":1,"congestion_window":12000,"bytes_in_flight":0}"#,
            r#"quic:recovery_metrics_updated {"congestion_window":6000,"ssthresh":6000}"#,
            r#"quic:congestion_state_updated {"new":"slow_start"}"#,
            r#"quic:congestion_state_updated {"old":"slow_start","new":"recovery","trigger":"ecn"}"#,
            r#"quic:ecn_state_updated {"new":"testing"}"#,
            r#"quic:ecn_state_updated {"old":"testing","new":"capable"}"#,
            r#"quic:mtu_updated {"new":1200}"#,
            r#"quic:mtu_updated {"old":1200,"new":1400}"#,
            r#"quic:connection_state_updated {"old":"attempted","new":"handshake_complete"}"#,
            r#"quic:connection_state_updated {"old":"handshake_complete","new":"draining"}"#,
        ]
    );
}

#[test]
fn frames_are_objects_without_their_data() {
    let payload = b"\x00\x00\x01\x07\x04tokn\x0f\x04\x05\x02hi\x04\x08\x07\x09\x1c\x0a\x06\x03why";
    let packet = Packet {
        packet: PacketType::OneRtt,
        number: 3,
        size: 50,
        generation: 1,
        ecn: Ecn::NotEct,
    };
    let frames = Frames {
        payload,
        packet: PacketType::OneRtt,
        receiver: Side::Client,
        ack_delay_exponent: 3,
    };
    let seen = [Seen::Received(packet, frames)];
    let head = r#"packet_received {"header":{"packet_type":"1RTT","packet_number":3,"key_phase":1},"raw":{"length":50},"frames":["#;
    assert_eq!(
        lines(Schema::V03, Role::Client, &seen),
        [[
            "transport:",
            head,
            r#"{"frame_type":"padding","length":2},{"frame_type":"ping"},{"frame_type":"new_token","length":4},"#,
            r#"{"frame_type":"stream","stream_id":4,"offset":5,"fin":true,"length":2},"#,
            r#"{"frame_type":"reset_stream","stream_id":8,"final_size":9,"error_code":7},"#,
            r#"{"frame_type":"connection_close","error_space":"transport","trigger_frame_type":6,"error_code":"protocol_violation","raw_error_code":10}]}"#,
        ]
        .concat()]
    );
    assert_eq!(
        lines(Schema::Draft13, Role::Client, &seen),
        [[
            "quic:",
            head,
            r#"{"frame_type":"padding","raw":{"payload_length":2}},{"frame_type":"ping"},"#,
            r#"{"frame_type":"new_token","token":{"type":"resumption","raw":{"length":4}}},"#,
            r#"{"frame_type":"stream","stream_id":4,"offset":5,"fin":true,"raw":{"length":2}},"#,
            r#"{"frame_type":"reset_stream","stream_id":8,"final_size":9,"error":"unknown","error_code":7},"#,
            r#"{"frame_type":"connection_close","error_space":"transport","trigger_frame_type":6,"error":"protocol_violation"}]}"#,
        ]
        .concat()]
    );
}
