"""Checks traces against what the drafts (draft13) or qvis (v03) say of them: check.py SCHEMA FILE...

Each file is one trace as a JSON text sequence (RFC 7464). Every record is parsed, and every event is looked up in a table of
names, fields and values that was written from the drafts and not from the code that writes traces. What the table does not know is an
error, in either direction: `never: NAME` on the output names an event of the table that no trace had.
"""

import json
import re
import sys

LARGEST = 2**53 - 1


class Wrong(Exception):
    pass


def uint(value):
    if isinstance(value, str) and value.isascii() and value.isdigit():
        if int(value) <= LARGEST:
            raise Wrong("a small number as text")
        return
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= LARGEST:
        raise Wrong(f"no unsigned number: {value!r}")


def small(value):
    uint(value)
    if value > 65535:
        raise Wrong(f"more than 16 bits: {value}")


def ms(value):
    if not isinstance(value, (int, float)) or isinstance(value, bool) or value < 0:
        raise Wrong(f"no time: {value!r}")


def flag(value):
    if not isinstance(value, bool):
        raise Wrong(f"no bool: {value!r}")


def text(value):
    if not isinstance(value, str):
        raise Wrong(f"no text: {value!r}")


def pattern(regular):
    def check(value):
        text(value)
        if not re.fullmatch(regular, value):
            raise Wrong(f"not {regular}: {value!r}")

    return check


hexadecimal = pattern("([0-9a-f]{2})*")
version = pattern("[0-9a-f]{8}")
ip = pattern("[0-9a-f.:]+")
date = pattern(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def one(*values):
    def check(value):
        if value not in values:
            raise Wrong(f"not one of {values}: {value!r}")

    return check


def either(*checks):
    def check(value):
        for other in checks:
            try:
                return other(value)
            except Wrong:
                pass
        raise Wrong(f"none of its kinds: {value!r}")

    return check


def many(check, least=0):
    def check_all(value):
        if not isinstance(value, list) or len(value) < least:
            raise Wrong(f"no list of at least {least}: {value!r}")
        for item in value:
            check(item)

    return check_all


def record(**fields):
    """An object with these fields; those whose name ends in _o may be missing."""
    known = {name.removesuffix("_o"): check for name, check in fields.items()}
    required = {name for name in fields if not name.endswith("_o")}

    def check(value):
        if not isinstance(value, dict):
            raise Wrong(f"no object: {value!r}")
        missing, strange = required - value.keys(), value.keys() - known.keys()
        if missing or strange:
            raise Wrong(f"missing {sorted(missing)}, unknown {sorted(strange)}: {value!r}")
        for name, item in value.items():
            try:
                known[name](item)
            except Wrong as wrong:
                raise Wrong(f"{name}: {wrong}") from None

    return check


def some(check):
    """At least one of the fields is there."""

    def check_some(value):
        check(value)
        if not value:
            raise Wrong("an empty object")

    return check_some


def ranges(value):
    many(many(uint, 1), 1)(value)
    before = None
    for ends in value:
        if len(ends) > 2 or ends[0] > ends[-1]:
            raise Wrong(f"no range: {ends}")
        if before is not None and ends[-1] >= before - 1:
            raise Wrong(f"ranges that touch: {value}")
        before = ends[0]


def frames(kinds):
    def check(value):
        many(lambda frame: None)(value)
        for frame in value:
            kind = frame.get("frame_type")
            if kind not in kinds:
                raise Wrong(f"frame type {kind!r}")
            kinds[kind](frame)

    return check


TRANSPORT_ERRORS = (
    "no_error internal_error connection_refused flow_control_error stream_limit_error stream_state_error final_size_error "
    "frame_encoding_error transport_parameter_error connection_id_limit_error protocol_violation invalid_token application_error "
    "crypto_buffer_exceeded key_update_error aead_limit_reached no_viable_path"
).split()
transport_error = either(one(*TRANSPORT_ERRORS), pattern("crypto_error_0x1[0-9a-f]{2}"))
stream_type = one("bidirectional", "unidirectional")
party = one("local", "remote")
packet_type = one("initial", "handshake", "0RTT", "1RTT")
space = one("initial", "handshake", "application_data")
raw = record(length_o=uint, payload_length_o=uint)
length = record(length=uint)
key_type = pattern("(client|server)_(initial|handshake|0rtt|1rtt)_secret")
state = one(
    "attempted", "handshake_started", "handshake_complete", "peer_validated", "early_write", "handshake_confirmed", "closing",
    "draining", "closed",
)
drop = one(
    "internal_error", "rejected", "unsupported", "invalid", "duplicate", "connection_unknown", "decryption_failure",
    "key_unavailable", "general",
)
ecn = one("testing", "unknown", "failed", "capable")
any_object = record(reason=text)


def frame_kinds(draft):
    """Frames, as the draft has them or as qvis does."""
    kind = lambda name, **fields: (name, record(frame_type=one(name), **fields))
    data = {"raw": length} if draft else {"length": uint}
    padding = {"raw": record(payload_length=uint)} if draft else {"length": uint}
    code = {"error": one("unknown"), "error_code": uint} if draft else {"error_code": uint}
    token = {"token": record(type=one("resumption", "retry"), raw=length)} if draft else {"length": uint}
    if draft:
        close = {"error": either(transport_error, one("unknown")), "error_code_o": uint}
    else:
        close = {"error_code": either(transport_error, uint), "raw_error_code": uint}
    return dict(
        [
            kind("padding", **padding),
            kind("ping"),
            kind("ack", ack_delay=ms, acked_ranges=ranges, ect0_o=uint, ect1_o=uint, ce_o=uint),
            kind("reset_stream", stream_id=uint, final_size=uint, **code),
            kind("stop_sending", stream_id=uint, **code),
            kind("crypto", offset=uint, **data),
            kind("new_token", **token),
            kind("stream", stream_id=uint, offset=uint, fin_o=flag, **data),
            kind("max_data", maximum=uint),
            kind("max_stream_data", stream_id=uint, maximum=uint),
            kind("max_streams", stream_type=stream_type, maximum=uint),
            kind("data_blocked", limit=uint),
            kind("stream_data_blocked", stream_id=uint, limit=uint),
            kind("streams_blocked", stream_type=stream_type, limit=uint),
            kind("new_connection_id", sequence_number=uint, retire_prior_to=uint, connection_id=hexadecimal),
            kind("retire_connection_id", sequence_number=uint),
            kind("path_challenge"),
            kind("path_response"),
            kind("connection_close", error_space=one("transport", "application"), trigger_frame_type_o=uint, **close),
            kind("handshake_done"),
            kind("datagram", **data),
        ]
    )


def packet(draft):
    return record(
        header=record(packet_type=packet_type, packet_number=uint, key_phase_o=uint),
        raw=length,
        frames=frames(frame_kinds(draft)),
    )


RESTORED = dict(
    disable_active_migration_o=flag,
    max_idle_timeout_o=uint,
    max_udp_payload_size_o=uint,
    active_connection_id_limit_o=uint,
    initial_max_data_o=uint,
    initial_max_stream_data_bidi_local_o=uint,
    initial_max_stream_data_bidi_remote_o=uint,
    initial_max_stream_data_uni_o=uint,
    initial_max_streams_bidi_o=uint,
    initial_max_streams_uni_o=uint,
    max_datagram_frame_size_o=uint,
)
PARAMETERS = dict(
    original_destination_connection_id_o=hexadecimal,
    initial_source_connection_id_o=hexadecimal,
    retry_source_connection_id_o=hexadecimal,
    ack_delay_exponent_o=uint,
    max_ack_delay_o=uint,
    grease_quic_bit_o=flag,
    **RESTORED,
)
VERSIONS = record(server_versions_o=many(version, 1), client_versions_o=many(version, 1), chosen_version_o=version)
STATES = record(old_o=state, new=state)
DROPPED = record(header_o=record(packet_type=packet_type), raw=length, trigger=drop, details_o=any_object)
BUFFERED = record(header=record(packet_type=packet_type), raw=length, trigger=one("keys_unavailable", "backpressure"))
METRICS = some(
    record(
        min_rtt_o=ms,
        smoothed_rtt_o=ms,
        latest_rtt_o=ms,
        rtt_variance_o=ms,
        pto_count_o=small,
        congestion_window_o=uint,
        bytes_in_flight_o=uint,
        ssthresh_o=uint,
    )
)
CONGESTION = record(old_o=text, new=text, trigger_o=text)
LOSS_TRIGGER = one("reordering_threshold", "time_threshold", "pto_expired")
LOST_HEADER = record(packet_type=packet_type, packet_number=uint)
ECN = record(old_o=ecn, new=ecn)
KEY_TRIGGER = one("tls", "remote_update", "local_update")
MTU = record(old_o=uint, new=uint, done_o=flag)
INFO = record(message=text)
TUPLE = record(ip_v4_o=ip, port_v4_o=small, ip_v6_o=ip, port_v6_o=small, connection_ids_o=many(hexadecimal, 1))

MIGRATION = one(
    "probing_started", "probing_abandoned", "probing_successful", "migration_started", "migration_abandoned", "migration_complete"
)

DRAFT13 = {
    "quic:connection_started": record(local=TUPLE, remote=TUPLE),
    "quic:connection_closed": record(
        initiator_o=party,
        connection_error_o=either(transport_error, one("unknown")),
        application_error_o=one("unknown"),
        error_code_o=uint,
        reason_o=text,
        trigger_o=one("idle_timeout", "application", "error", "version_mismatch", "stateless_reset", "aborted", "unspecified"),
    ),
    "quic:connection_state_updated": STATES,
    "quic:tuple_assigned": record(tuple_id=text, tuple_remote_o=TUPLE, tuple_local_o=TUPLE),
    "quic:migration_state_updated": record(old_o=MIGRATION, new=MIGRATION, tuple_id_o=text, tuple_remote_o=TUPLE, tuple_local_o=TUPLE),
    "quic:mtu_updated": MTU,
    "quic:version_information": VERSIONS,
    "quic:alpn_information": record(chosen_alpn=record(byte_value_o=hexadecimal, string_value_o=text)),
    "quic:parameters_set": record(initiator=party, **PARAMETERS),
    "quic:parameters_restored": some(record(**RESTORED)),
    "quic:packet_sent": packet(True),
    "quic:packet_received": packet(True),
    "quic:packet_dropped": DROPPED,
    "quic:packet_buffered": BUFFERED,
    "quic:key_updated": record(key_type=key_type, key_phase_o=uint, trigger_o=KEY_TRIGGER),
    "quic:key_discarded": record(key_type=key_type, key_phase_o=uint, trigger_o=KEY_TRIGGER),
    "quic:recovery_metrics_updated": METRICS,
    "quic:congestion_state_updated": CONGESTION,
    "quic:ecn_state_updated": ECN,
    "quic:timer_updated": record(
        timer_type=one("ack", "pto", "loss_timeout", "path_validation", "handshake_timeout", "idle_timeout"),
        packet_number_space_o=space,
        event_type=one("set", "expired", "cancelled"),
        delta_o=ms,
    ),
    "quic:packet_lost": record(header=LOST_HEADER, trigger=LOSS_TRIGGER),
    "loglevel:info": INFO,
}

V03 = {
    "connectivity:connection_started": record(
        ip_version=one("v4", "v6"),
        src_ip_o=ip,
        dst_ip=ip,
        protocol=one("QUIC"),
        src_port_o=small,
        dst_port=small,
        quic_version=version,
        src_cid=hexadecimal,
    ),
    "connectivity:connection_closed": record(
        owner_o=party,
        connection_code_o=either(transport_error, uint),
        application_code_o=uint,
        reason_o=text,
        trigger=one(
            "clean", "handshake_timeout", "idle_timeout", "error", "stateless_reset", "version_mismatch", "application", "unspecified"
        ),
    ),
    "connectivity:connection_state_updated": STATES,
    "connectivity:path_assigned": record(path_id=text, path_remote=TUPLE, path_local=TUPLE),
    "connectivity:migration_state_updated": record(old_o=MIGRATION, new=MIGRATION, path_remote=TUPLE, path_local=TUPLE),
    "connectivity:mtu_updated": MTU,
    "transport:version_information": VERSIONS,
    "transport:alpn_information": record(chosen_alpn=text),
    "transport:parameters_set": record(owner=party, **PARAMETERS),
    "transport:parameters_restored": some(record(**RESTORED)),
    "transport:packet_sent": packet(False),
    "transport:packet_received": packet(False),
    "transport:packet_dropped": DROPPED,
    "transport:packet_buffered": BUFFERED,
    "security:key_updated": record(key_type=key_type, generation_o=uint, trigger_o=KEY_TRIGGER),
    "security:key_discarded": record(key_type=key_type, generation_o=uint, trigger_o=KEY_TRIGGER),
    "recovery:metrics_updated": METRICS,
    "recovery:congestion_state_updated": CONGESTION,
    "recovery:ecn_state_updated": ECN,
    "recovery:loss_timer_updated": record(
        event_type=one("set", "expired", "cancelled"), packet_number_space_o=space, delta_o=ms
    ),
    "recovery:packet_lost": record(header=LOST_HEADER, raw=length, trigger=LOSS_TRIGGER),
    "loglevel:info": INFO,
}

VANTAGE = record(name_o=text, type=one("client", "server", "network", "unknown"))
HEADS = {
    "draft13": record(
        file_schema=one("urn:ietf:params:qlog:file:sequential"),
        serialization_format=one("application/qlog+json-seq"),
        title_o=text,
        trace=record(
            vantage_point=VANTAGE,
            common_fields=record(
                group_id_o=hexadecimal,
                time_format=one("relative_to_epoch"),
                reference_time=record(clock_type=one("monotonic"), epoch=one("unknown"), wall_clock_time_o=date),
            ),
            event_schemas=many(pattern("urn:ietf:params:qlog:events:.*"), 1),
        ),
    ),
    # What its loader asks for, and "relative" in its spelling.
    "v03": record(
        qlog_version=one("0.3"),
        qlog_format=one("JSON-SEQ"),
        title_o=text,
        trace=record(
            vantage_point=VANTAGE,
            common_fields=record(ODCID_o=hexadecimal, time_format=one("relative"), reference_time=ms),
        ),
    ),
}


def records(path):
    with open(path, encoding="utf-8", newline="") as file:
        content = file.read()
    if not content.startswith("\x1e"):
        raise Wrong("no record separator at the start")
    for number, part in enumerate(content.split("\x1e")[1:]):
        if not part.endswith("\n") or part.count("\n") != 1:
            raise Wrong(f"record {number} is no line: {part!r}")
        yield number, json.loads(part, object_pairs_hook=no_twins)


def no_twins(pairs):
    names = [name for name, _ in pairs]
    if len(set(names)) != len(names):
        raise Wrong(f"a name twice: {names}")
    return dict(pairs)


def check(schema, path, events, seen):
    """Returns how many events there are."""
    before, count, sent = 0, 0, {}
    for number, entry in records(path):
        if number == 0:
            HEADS[schema](entry)
            continue
        try:
            record(time=ms, name=text, data=lambda value: None)(entry)
            if entry["time"] < before:
                raise Wrong(f"time goes back from {before}")
            before = entry["time"]
            name = entry["name"]
            if name not in events:
                raise Wrong("unknown event")
            events[name](entry["data"])
            if name.endswith("packet_sent"):
                header = entry["data"]["header"]
                in_space = header["packet_type"].replace("0RTT", "1RTT")
                if header["packet_number"] <= sent.get(in_space, -1):
                    raise Wrong("packet numbers do not ascend")
                sent[in_space] = header["packet_number"]
        except Wrong as wrong:
            raise Wrong(f"record {number}, {entry.get('name')}: {wrong}") from None
        seen.add(name)
        count += 1
    return count


def main(schema, *paths):
    events = {"draft13": DRAFT13, "v03": V03}[schema]
    seen = set()
    for path in paths:
        try:
            print(f"{path}: {check(schema, path, events, seen)} events")
        except (Wrong, ValueError) as wrong:
            sys.exit(f"{path}: {wrong}")
    for name in sorted(events.keys() - seen):
        print(f"never: {name}")


if __name__ == "__main__":
    main(*sys.argv[1:])
