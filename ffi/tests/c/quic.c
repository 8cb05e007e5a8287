/* QUIC in memory: every function with what is good and what is not. */
#include "quic.h"

static uint8_t big[300000], got[sizeof big];

static void configurations(void)
{
    pith_client_options co;
    pith_server_options so;
    pith_client_config *tls;
    pith_server_config *server_tls;
    pith_quic_options o;
    pith_quic_client_config *c;
    pith_quic_server_config *s;
    static const pith_bytes protocols[1] = { { (const uint8_t *)"hq", 2 } };
    PITH_INIT(co);
    co.alpn = protocols;
    co.alpn_count = 1;
    tls = client_config(&co);
    PITH_INIT(so);
    so.alpn = protocols;
    so.alpn_count = 1;
    server_tls = server_config(&so);
    PITH_INIT(o);
    IS(pith_quic_client_config_new(NULL, tls, &o, why, sizeof why), PITH_NULL);
    IS(pith_quic_client_config_new(&c, NULL, &o, why, sizeof why), PITH_NULL);
    CHECK(c == NULL && strstr(why, "NULL") != NULL);
    IS(pith_quic_server_config_new(&s, NULL, &o, NULL, 0), PITH_NULL);
    IS(pith_quic_server_config_new(NULL, server_tls, &o, NULL, 0), PITH_NULL);
    o.congestion = 9;
    IS(pith_quic_client_config_new(&c, tls, &o, why, sizeof why), PITH_ARGUMENT);
    o.congestion = PITH_CONGESTION_NEW_RENO;
    o.streams_bidi = (uint64_t)1 << 61;
    IS(pith_quic_server_config_new(&s, server_tls, &o, why, sizeof why), PITH_CONFIG);
    CHECK(strstr(why, "streams") != NULL);
    o.streams_bidi = 0;
    o.size = 1;
    IS(pith_quic_server_config_new(&s, server_tls, &o, why, sizeof why), PITH_ARGUMENT);
    PITH_INIT(o);
    o.idle_timeout_ms = PITH_QUIC_NO;
    o.keep_alive_ms = 5000;
    o.handshake_timeout_ms = 9000;
    o.initial_rtt_ms = 50;
    o.stream_window = 4096;
    o.connection_window = 10000;
    o.congestion = PITH_CONGESTION_NEW_RENO;
    o.no_ecn = 1;
    o.no_migration = 1;
    IS(pith_quic_server_config_new(&s, server_tls, &o, why, sizeof why), PITH_OK);
    pith_quic_server_config_free(s);
    IS(pith_quic_client_config_new(&c, tls, NULL, why, sizeof why), PITH_OK);
    pith_quic_client_config_free(c);
    pith_quic_client_config_free(NULL);
    pith_quic_server_config_free(NULL);
    PITH_INIT(o);
    o.datagrams = 1200;
    o.idle_timeout_ms = 20000;
    IS(pith_quic_client_config_new(&clients, tls, &o, why, sizeof why), PITH_OK);
    o.streams_uni = 2;
    o.streams_bidi = PITH_QUIC_NO;
    IS(pith_quic_server_config_new(&servers, server_tls, &o, why, sizeof why), PITH_OK);
    pith_quic_server_config_free(servers);
    o.streams_bidi = 0;
    IS(pith_quic_server_config_new(&servers, server_tls, &o, why, sizeof why), PITH_OK);
    /* QUIC's configurations keep what they need. */
    pith_client_config_free(tls);
    pith_server_config_free(server_tls);
}

static void endpoints(void)
{
    pith_quic_endpoint_options o;
    pith_quic_endpoint_status status;
    pith_quic_routed routed;
    uint64_t due;
    uint8_t reply[PITH_QUIC_DATAGRAM], noise[50] = { 0x40 };
    pith_address none = address(1);
    pith_quic *quic;
    PITH_INIT(o);
    o.serves = 1;
    IS(pith_quic_endpoint_new(&ends[1], &o, NULL, why, sizeof why), PITH_NULL);
    CHECK(ends[1] == NULL && strstr(why, "time") != NULL);
    o.retry = 5;
    IS(pith_quic_endpoint_new(&ends[1], &o, &now, why, sizeof why), PITH_ARGUMENT);
    o.retry = 0;
    o.token_key = text("short");
    IS(pith_quic_endpoint_new(&ends[1], &o, &now, why, sizeof why), PITH_ARGUMENT);
    o.token_key = bytes_of(big, 32);
    o.reset_key = bytes_of(big, 32);
    o.half_open = 10;
    o.retry_from = 9;
    IS(pith_quic_endpoint_new(&ends[1], &o, &now, why, sizeof why), PITH_OK);
    IS(pith_quic_endpoint_new(&ends[0], NULL, &now, NULL, 0), PITH_OK);
    IS(pith_quic_endpoint_new(NULL, NULL, &now, NULL, 0), PITH_NULL);
    pith_quic_endpoint_free(NULL);
    CHECK(pith_quic_endpoint_error(ends[0]) == NULL && pith_quic_endpoint_error(NULL) == NULL);
    IS(pith_quic_endpoint_deadline(ends[0], &due), PITH_NONE);
    CHECK(due == UINT64_MAX);
    IS(pith_quic_endpoint_deadline(ends[0], NULL), PITH_NULL);
    IS(pith_quic_endpoint_deadline(NULL, &due), PITH_NULL);
    IS(pith_quic_endpoint_on_deadline(ends[0], NULL), PITH_NULL);
    IS(pith_quic_endpoint_on_deadline(NULL, &now), PITH_NULL);
    IS(pith_quic_endpoint_on_deadline(ends[0], &now), PITH_OK);
    /* What can be wrong with a datagram. */
    PITH_INIT(routed);
    where[0] = address(1);
    where[1] = address(2);
    IS(pith_quic_endpoint_receive(NULL, &where[0], NULL, 0, noise, 50, reply, sizeof reply, &routed,
                                  &now),
       PITH_NULL);
    IS(pith_quic_endpoint_receive(ends[1], NULL, NULL, 0, noise, 50, reply, sizeof reply, &routed,
                                  &now),
       PITH_NULL);
    IS(pith_quic_endpoint_receive(ends[1], &where[0], NULL, 4, noise, 50, reply, sizeof reply,
                                  &routed, &now),
       PITH_ARGUMENT);
    IS(pith_quic_endpoint_receive(ends[1], &where[0], NULL, 0, NULL, 50, reply, sizeof reply,
                                  &routed, &now),
       PITH_NULL);
    IS(pith_quic_endpoint_receive(ends[1], &where[0], NULL, 0, noise, 50, reply, 1199, &routed,
                                  &now),
       PITH_TOO_SMALL);
    CHECK(strstr(pith_quic_endpoint_error(ends[1]), "1200") != NULL);
    IS(pith_quic_endpoint_receive(ends[1], &where[0], NULL, 0, noise, 50, reply, sizeof reply, NULL,
                                  &now),
       PITH_NULL);
    IS(pith_quic_endpoint_receive(ends[1], &where[0], NULL, 0, noise, 50, reply, sizeof reply,
                                  &routed, NULL),
       PITH_NULL);
    IS(pith_quic_endpoint_receive(ends[1], &where[0], NULL, 0, noise, 50, NULL, sizeof reply, &routed,
                                  &now),
       PITH_NULL);
    none.family = PITH_ADDRESS_NONE;
    IS(pith_quic_endpoint_receive(ends[1], &none, NULL, 0, noise, 50, reply, sizeof reply, &routed,
                                  &now),
       PITH_ARGUMENT);
    none.family = 10;
    IS(pith_quic_endpoint_receive(ends[1], &where[0], &none, 0, noise, 50, reply, sizeof reply,
                                  &routed, &now),
       PITH_ARGUMENT);
    IS(pith_quic_endpoint_receive(ends[1], &where[0], NULL, 0, NULL, 0, reply, sizeof reply,
                                  &routed, &now),
       PITH_OK);
    CHECK(routed.kind == PITH_ROUTED_NOTHING && routed.user == NULL && routed.incoming == NULL);
    /* A packet to a connection that is not there is answered by a Stateless Reset. */
    IS(pith_quic_endpoint_receive(ends[1], &where[0], NULL, 0, noise, 50, reply, sizeof reply,
                                  &routed, &now),
       PITH_OK);
    CHECK(routed.kind == PITH_ROUTED_REPLY && routed.reply_len > 20 && routed.reply_len < 50);
    PITH_INIT(status);
    IS(pith_quic_endpoint_info(ends[1], &status, &now), PITH_OK);
    CHECK(status.resets == 1 && status.received == 2 && status.connections == 0);
    CHECK(!status.is_over && !status.is_overdue);
    IS(pith_quic_endpoint_info(ends[1], NULL, &now), PITH_NULL);
    IS(pith_quic_endpoint_info(ends[1], &status, NULL), PITH_NULL);
    IS(pith_quic_endpoint_info(NULL, &status, &now), PITH_NULL);
    /* And with a connection that is to be made. */
    IS(pith_quic_connect(&quic, ends[0], clients, "not a name", &where[1], NULL, NULL, &now, why,
                         sizeof why),
       PITH_ARGUMENT);
    CHECK(quic == NULL);
    IS(pith_quic_connect(&quic, ends[0], clients, NULL, &where[1], NULL, NULL, &now, NULL, 0),
       PITH_NULL);
    IS(pith_quic_connect(&quic, ends[0], NULL, "a.example", &where[1], NULL, NULL, &now, NULL, 0),
       PITH_NULL);
    IS(pith_quic_connect(&quic, NULL, clients, "a.example", &where[1], NULL, NULL, &now, NULL, 0),
       PITH_NULL);
    IS(pith_quic_connect(&quic, ends[0], clients, "a.example", NULL, NULL, NULL, &now, NULL, 0),
       PITH_NULL);
    IS(pith_quic_connect(&quic, ends[0], clients, "a.example", &where[1], NULL, NULL, NULL, NULL,
                         0),
       PITH_NULL);
    IS(pith_quic_connect(NULL, ends[0], clients, "a.example", &where[1], NULL, NULL, &now, NULL, 0),
       PITH_NULL);
}

static void admission(void)
{
    side c, s;
    pith_quic_incoming_info info;
    pith_quic *quic;
    uint8_t reply[PITH_QUIC_DATAGRAM];
    size_t len;
    /* Refused. */
    begin(&c);
    flush(&c, 1);
    CHECK(asking != NULL);
    PITH_INIT(info);
    IS(pith_quic_incoming_get(asking, &info), PITH_OK);
    CHECK(info.server_name.len == 14 && memcmp(info.server_name.data, "server.example", 14) == 0);
    CHECK(info.client_hello.len > 1200 && info.client_hello.data[0] == 1 && !info.is_validated);
    CHECK(memcmp(&info.remote, &where[0], sizeof info.remote) == 0);
    IS(pith_quic_incoming_get(asking, NULL), PITH_NULL);
    IS(pith_quic_incoming_get(NULL, &info), PITH_NULL);
    IS(pith_quic_refuse(asking, reply, 1199, &len), PITH_TOO_SMALL);
    IS(pith_quic_refuse(asking, reply, sizeof reply, NULL), PITH_NULL);
    IS(pith_quic_refuse(NULL, reply, sizeof reply, &len), PITH_NULL);
    IS(pith_quic_refuse(asking, reply, sizeof reply, &len), PITH_OK);
    CHECK(len > 0);
    IS(pith_quic_refuse(asking, reply, sizeof reply, &len), PITH_MISUSE);
    CHECK(len == 0 && strstr(pith_quic_incoming_error(asking), "before") != NULL);
    IS(pith_quic_retry(asking, reply, sizeof reply, &len, &now), PITH_MISUSE);
    IS(pith_quic_incoming_get(asking, &info), PITH_MISUSE);
    IS(pith_quic_accept(&quic, asking, servers, NULL, &now, why, sizeof why), PITH_MISUSE);
    CHECK(quic == NULL && strstr(why, "before") != NULL);
    pith_quic_incoming_free(asking);
    asking = NULL;
    IS(pith_quic_refuse(NULL, reply, sizeof reply, &len), PITH_NULL);
    /* The refusal was not sent yet: it is made anew for the hello that comes again. */
    pass(2000);
    IS(pith_quic_on_deadline(c.quic, &now), PITH_OK);
    flush(&c, 1);
    CHECK(asking != NULL);
    IS(pith_quic_refuse(asking, reply, sizeof reply, &len), PITH_OK);
    pith_quic_incoming_free(asking);
    asking = NULL;
    carry_one(0, reply, len, 0);
    events(&c);
    CHECK(c.closed.status == PITH_RESET && c.closed.code == 2); /* CONNECTION_REFUSED */
    pith_quic_free(c.quic);

    /* Ignored, asked again, sent a Retry, and let in. */
    begin(&c);
    flush(&c, 1);
    CHECK(asking != NULL);
    pith_quic_incoming_free(asking);
    pith_quic_incoming_free(NULL);
    asking = NULL;
    pass(2000);
    IS(pith_quic_on_deadline(c.quic, &now), PITH_OK);
    flush(&c, 1);
    CHECK(asking != NULL);
    IS(pith_quic_retry(asking, reply, sizeof reply, &len, NULL), PITH_NULL);
    IS(pith_quic_retry(NULL, reply, sizeof reply, &len, &now), PITH_NULL);
    IS(pith_quic_retry(asking, NULL, sizeof reply, &len, &now), PITH_NULL);
    IS(pith_quic_retry(asking, reply, sizeof reply, NULL, &now), PITH_NULL);
    IS(pith_quic_refuse(asking, NULL, sizeof reply, &len), PITH_NULL);
    CHECK(pith_quic_incoming_error(asking) != NULL && pith_quic_incoming_error(NULL) == NULL);
    IS(pith_quic_retry(asking, reply, sizeof reply, &len, &now), PITH_OK);
    CHECK(len > 0);
    pith_quic_incoming_free(asking);
    asking = NULL;
    carry_one(0, reply, len, 0);
    flush(&c, 1);
    CHECK(asking != NULL);
    IS(pith_quic_incoming_get(asking, &info), PITH_OK);
    CHECK(info.is_validated);
    IS(pith_quic_retry(asking, reply, sizeof reply, &len, &now), PITH_MISUSE);
    IS(pith_quic_accept(&quic, asking, NULL, NULL, &now, why, sizeof why), PITH_NULL);
    IS(pith_quic_accept(&quic, asking, servers, NULL, NULL, why, sizeof why), PITH_NULL);
    IS(pith_quic_accept(&quic, NULL, servers, NULL, &now, why, sizeof why), PITH_NULL);
    IS(pith_quic_accept(NULL, asking, servers, NULL, &now, why, sizeof why), PITH_NULL);
    accept_one(&s);
    run(&c, &s);
    CHECK(c.seen & 1u << PITH_EVENT_CONFIRMED);
    over(&c, &s);
}

static void streams(void)
{
    side c, s;
    uint64_t id, other, third, theirs;
    size_t n, written, read;
    int32_t status;
    begin(&c);
    /* Too early for everything. */
    IS(pith_quic_open_stream(c.quic, 0, &id), PITH_WANT_INPUT);
    CHECK(id == UINT64_MAX);
    IS(pith_quic_write(c.quic, 0, big, 5, &n), PITH_MISUSE);
    IS(pith_quic_read(c.quic, 0, got, 5, &n), PITH_MISUSE);
    IS(pith_quic_accept_stream(c.quic, 0, &id), PITH_NONE);
    flush(&c, 1);
    accept_one(&s);
    run(&c, &s);
    CHECK(c.seen & 1u << PITH_EVENT_AVAILABLE);

    IS(pith_quic_open_stream(c.quic, 0, &id), PITH_OK);
    CHECK(id == 0);
    IS(pith_quic_open_stream(c.quic, 0, NULL), PITH_NULL);
    IS(pith_quic_open_stream(NULL, 0, &id), PITH_NULL);
    id = 0;
    IS(pith_quic_read(c.quic, id, got, 5, &n), PITH_WANT_INPUT);
    IS(pith_quic_read(c.quic, id, got, 0, &n), PITH_ARGUMENT);
    IS(pith_quic_read(c.quic, id, NULL, 5, &n), PITH_NULL);
    IS(pith_quic_read(c.quic, id, got, 5, NULL), PITH_NULL);
    IS(pith_quic_read(NULL, id, got, 5, &n), PITH_NULL);
    IS(pith_quic_write(c.quic, id, NULL, 5, &n), PITH_NULL);
    IS(pith_quic_write(c.quic, id, big, 5, NULL), PITH_NULL);
    IS(pith_quic_write(NULL, id, big, 5, &n), PITH_NULL);
    IS(pith_quic_write(c.quic, UINT64_MAX, big, 5, &n), PITH_ARGUMENT);
    IS(pith_quic_write(c.quic, 444, big, 5, &n), PITH_MISUSE);
    IS(pith_quic_write(c.quic, id, NULL, 0, &n), PITH_OK);
    IS(pith_quic_set_urgency(c.quic, id, 1), PITH_OK);
    IS(pith_quic_set_urgency(c.quic, 444, 1), PITH_MISUSE);

    /* 300 KB there, with an end; what is read is what was written. */
    for (written = read = 0, status = PITH_OK; status != PITH_END;) {
        if (written < sizeof big) {
            status = pith_quic_write(c.quic, id, big + written, sizeof big - written, &n);
            CHECK(status == PITH_OK || status == PITH_WANT_OUTPUT);
            written += n;
            if (written == sizeof big)
                IS(pith_quic_finish(c.quic, id), PITH_OK);
        }
        run(&c, &s);
        if (read == 0) {
            CHECK(s.seen & 1u << PITH_EVENT_OPENED);
            IS(pith_quic_accept_stream(s.quic, 0, &theirs), PITH_OK);
            CHECK(theirs == id);
            IS(pith_quic_accept_stream(s.quic, 0, &other), PITH_NONE);
        }
        do {
            /* There is at least one byte more of room, so that the end has to be told. */
            size_t most = read < sizeof got ? sizeof got - read : 1;
            status = pith_quic_read(s.quic, id, read < sizeof got ? got + read : buffer,
                                    most < 777 ? most : 777, &n);
            CHECK(status == PITH_OK || status == PITH_WANT_INPUT || status == PITH_END);
            read += n;
        } while (status == PITH_OK);
    }
    CHECK(read == sizeof big && memcmp(got, big, read) == 0);
    IS(pith_quic_read(s.quic, id, got, 5, &n), PITH_MISUSE);
    IS(pith_quic_finish(c.quic, id), PITH_MISUSE);
    IS(pith_quic_write(c.quic, id, big, 5, &n), PITH_MISUSE);
    run(&c, &s);
    CHECK(c.seen & 1u << PITH_EVENT_FINISHED && c.seen & 1u << PITH_EVENT_WRITABLE);

    /* The server stops the client; the client resets. */
    IS(pith_quic_open_stream(c.quic, 1, &other), PITH_OK);
    CHECK(other == 2);
    IS(pith_quic_open_stream(c.quic, 1, &third), PITH_OK);
    IS(pith_quic_open_stream(c.quic, 1, &theirs), PITH_WANT_INPUT); /* two are allowed */
    IS(pith_quic_read(c.quic, other, got, 5, &n), PITH_MISUSE);
    IS(pith_quic_write(c.quic, other, big, 5, &n), PITH_OK);
    IS(pith_quic_write(c.quic, third, big, 5, &n), PITH_OK);
    run(&c, &s);
    IS(pith_quic_accept_stream(s.quic, 1, &theirs), PITH_OK);
    IS(pith_quic_accept_stream(s.quic, 1, &theirs), PITH_OK);
    IS(pith_quic_write(s.quic, other, big, 5, &n), PITH_MISUSE);
    IS(pith_quic_stop(s.quic, other, (uint64_t)1 << 62), PITH_ARGUMENT);
    IS(pith_quic_stop(s.quic, other, 33), PITH_OK);
    IS(pith_quic_stop(s.quic, other, 33), PITH_MISUSE);
    IS(pith_quic_reset(c.quic, third, 44), PITH_OK);
    IS(pith_quic_reset(c.quic, third, 44), PITH_MISUSE);
    run(&c, &s);
    CHECK(c.seen & 1u << PITH_EVENT_STOPPED && c.stopped == 33);
    IS(pith_quic_read(s.quic, third, got, 5, &n), PITH_RESET);
    CHECK(standing_of(s.quic).code == 44 && strstr(pith_quic_error(s.quic), "44") != NULL);
    IS(pith_quic_read(s.quic, third, got, 5, &n), PITH_MISUSE);
    IS(pith_quic_reset(NULL, 0, 0), PITH_NULL);
    IS(pith_quic_stop(NULL, 0, 0), PITH_NULL);
    IS(pith_quic_finish(NULL, 0), PITH_NULL);
    IS(pith_quic_set_urgency(NULL, 0, 0), PITH_NULL);
    IS(pith_quic_accept_stream(NULL, 0, &other), PITH_NULL);
    IS(pith_quic_accept_stream(s.quic, 0, NULL), PITH_NULL);
    over(&c, &s);
}

static void datagrams_and_the_rest(void)
{
    side c, s;
    size_t n;
    pith_info info;
    pith_quic_stats stats;
    pith_quic_batch batch;
    pith_quic_event event;
    pith_quic_status status;
    uint64_t due;
    uint8_t ours[32], theirs[32];
    begin(&c);
    PITH_INIT(info);
    IS(pith_quic_info(c.quic, &info), PITH_MISUSE);
    IS(pith_quic_export(c.quic, text("label"), text("x"), ours, 32), PITH_MISUSE);
    IS(pith_quic_send_datagram(c.quic, big, 5), PITH_MISUSE);
    CHECK(standing_of(c.quic).largest_datagram == 0);
    IS(pith_quic_deadline(c.quic, &due), PITH_OK);
    CHECK(due > now.monotonic_us);
    IS(pith_quic_deadline(c.quic, NULL), PITH_NULL);
    IS(pith_quic_deadline(NULL, &due), PITH_NULL);
    PITH_INIT(batch);
    IS(pith_quic_transmit(c.quic, buffer, 1199, &batch, &now), PITH_TOO_SMALL);
    IS(pith_quic_transmit(c.quic, NULL, 1200, &batch, &now), PITH_NULL);
    IS(pith_quic_transmit(c.quic, buffer, 1200, NULL, &now), PITH_NULL);
    IS(pith_quic_transmit(c.quic, buffer, 1200, &batch, NULL), PITH_NULL);
    IS(pith_quic_transmit(NULL, buffer, 1200, &batch, &now), PITH_NULL);
    IS(pith_quic_receive(c.quic, NULL), PITH_NULL);
    IS(pith_quic_receive(NULL, &now), PITH_NULL);
    IS(pith_quic_receive(c.quic, &now), PITH_OK);
    IS(pith_quic_on_deadline(c.quic, NULL), PITH_NULL);
    IS(pith_quic_on_deadline(NULL, &now), PITH_NULL);
    PITH_INIT(event);
    IS(pith_quic_next_event(c.quic, NULL), PITH_NULL);
    IS(pith_quic_next_event(NULL, &event), PITH_NULL);
    IS(pith_quic_next_event(c.quic, &event), PITH_NONE);
    pith_quic_free(c.quic);

    connected(&c, &s);
    IS(pith_quic_info(c.quic, &info), PITH_OK);
    CHECK(info.group == PITH_GROUP_X25519MLKEM768 && info.is_post_quantum == 1);
    CHECK(info.alpn.len == 2 && memcmp(info.alpn.data, "hq", 2) == 0);
    IS(pith_quic_info(c.quic, NULL), PITH_NULL);
    IS(pith_quic_info(NULL, &info), PITH_NULL);
    IS(pith_quic_export(NULL, text("label"), text("x"), ours, 32), PITH_NULL);
    IS(pith_quic_remember(NULL, big, 5), PITH_NULL);
    CHECK(info.peer_chain == NULL && info.peer_chain_count == 0);
    IS(pith_quic_export(c.quic, text("label"), text("x"), ours, 32), PITH_OK);
    IS(pith_quic_export(s.quic, text("label"), text("x"), theirs, 32), PITH_OK);
    CHECK(memcmp(ours, theirs, 32) == 0);
    IS(pith_quic_export(s.quic, text("label"), text("x"), NULL, 32), PITH_NULL);
    IS(pith_quic_export(s.quic, bytes_of(big, 250), text("x"), theirs, 32), PITH_ARGUMENT);
    IS(standing_of(c.quic).early_data, PITH_EARLY_NOT_OFFERED);
    IS(pith_quic_remember(c.quic, NULL, 5), PITH_NULL);
    IS(pith_quic_remember(c.quic, big, 5), PITH_OK);
    CHECK(standing_of(c.quic).remembered.len == 0);
    IS(pith_quic_get_status(c.quic, NULL), PITH_NULL);
    PITH_INIT(status);
    IS(pith_quic_get_status(NULL, &status), PITH_NULL);

    n = standing_of(c.quic).largest_datagram;
    CHECK(n > 1000 && n < 1200);
    IS(pith_quic_send_datagram(c.quic, big, n + 1), PITH_ARGUMENT);
    IS(pith_quic_send_datagram(c.quic, NULL, 1), PITH_NULL);
    IS(pith_quic_send_datagram(NULL, big, 1), PITH_NULL);
    IS(pith_quic_send_datagram(c.quic, big, n), PITH_OK);
    CHECK(standing_of(c.quic).undelivered > 0);
    IS(pith_quic_read_datagram(s.quic, got, sizeof got, &n), PITH_NONE);
    run(&c, &s);
    CHECK(s.seen & 1u << PITH_EVENT_DATAGRAM && standing_of(c.quic).undelivered == 0);
    IS(pith_quic_read_datagram(s.quic, got, 100, &n), PITH_TOO_SMALL);
    CHECK(n == standing_of(c.quic).largest_datagram);
    IS(pith_quic_read_datagram(s.quic, got, sizeof got, NULL), PITH_NULL);
    IS(pith_quic_read_datagram(s.quic, NULL, sizeof got, &n), PITH_NULL);
    IS(pith_quic_read_early_datagram(s.quic, NULL, sizeof got, &n), PITH_NULL);
    IS(pith_quic_read_early_datagram(s.quic, got, sizeof got, NULL), PITH_NULL);
    IS(pith_quic_read_early_datagram(NULL, got, sizeof got, &n), PITH_NULL);
    IS(pith_quic_read_datagram(s.quic, got, sizeof got, &n), PITH_OK);
    CHECK(n == standing_of(c.quic).largest_datagram && memcmp(got, big, n) == 0);
    IS(pith_quic_read_early_datagram(s.quic, got, sizeof got, &n), PITH_NONE);
    IS(pith_quic_read_datagram(NULL, got, sizeof got, &n), PITH_NULL);

    IS(pith_quic_update_keys(c.quic), PITH_OK);
    IS(pith_quic_update_keys(NULL), PITH_NULL);
    IS(pith_quic_ping(c.quic), PITH_OK);
    IS(pith_quic_ping(NULL), PITH_NULL);
    run(&c, &s);
    PITH_INIT(stats);
    IS(pith_quic_get_stats(c.quic, &stats), PITH_OK);
    CHECK(stats.key_updates == 1 && stats.packets_sent > 3 && stats.packets_lost == 0);
    CHECK(stats.datagrams_received > 3 && stats.bytes_sent > 2400 && stats.mtu >= 1200);
    CHECK(memcmp(&stats.remote, &where[1], sizeof stats.remote) == 0);
    IS(pith_quic_get_stats(c.quic, NULL), PITH_NULL);
    IS(pith_quic_get_stats(NULL, &stats), PITH_NULL);

    CHECK(standing_of(c.quic).is_over == 0 && pith_quic_error(NULL) == NULL);
    CHECK(standing_of(c.quic).alert_sent == -1 && standing_of(c.quic).alert_received == -1);
    CHECK(standing_of(s.quic).close_reason.len == 0 && standing_of(s.quic).code == 0);
    IS(pith_quic_close(c.quic, (uint64_t)1 << 62, NULL, 0, &now), PITH_ARGUMENT);
    IS(pith_quic_close(c.quic, 7, NULL, 5, &now), PITH_NULL);
    IS(pith_quic_close(c.quic, 7, NULL, 0, NULL), PITH_NULL);
    IS(pith_quic_close(NULL, 7, NULL, 0, &now), PITH_NULL);
    IS(pith_quic_close(c.quic, 7, (const uint8_t *)"enough", 6, &now), PITH_OK);
    IS(pith_quic_close(c.quic, 8, NULL, 0, &now), PITH_OK);
    run(&c, &s);
    /* After the end. */
    CHECK(s.closed.status == PITH_RESET && s.closed.code == 7);
    status = standing_of(s.quic);
    CHECK(status.close_reason.len == 6 && memcmp(status.close_reason.data, "enough", 6) == 0);
    IS(pith_quic_open_stream(s.quic, 0, &due), PITH_RESET);
    IS(pith_quic_open_stream(c.quic, 0, &due), PITH_MISUSE);
    IS(pith_quic_send_datagram(s.quic, big, 5), PITH_RESET);
    IS(pith_quic_update_keys(s.quic), PITH_RESET);
    IS(pith_quic_ping(s.quic), PITH_RESET);
    IS(pith_quic_write(s.quic, 0, big, 5, &n), PITH_RESET);
    pass(10000);
    IS(pith_quic_on_deadline(c.quic, &now), PITH_OK);
    IS(pith_quic_on_deadline(s.quic, &now), PITH_OK);
    CHECK(standing_of(c.quic).is_over == 1 && standing_of(s.quic).is_over == 1);
    pith_quic_free(c.quic);
    pith_quic_free(s.quic);
    pith_quic_free(NULL);
}

static void ends_of_connections(void)
{
    side c, s, none;
    pith_quic_endpoint_status status;
    memset(&none, 0, sizeof none);
    /* One side is gone without a word: silence, and in the end a timeout. */
    connected(&c, &s);
    pith_quic_free(s.quic);
    pass(30000);
    IS(pith_quic_on_deadline(c.quic, &now), PITH_OK);
    events(&c);
    CHECK(c.closed.status == PITH_TIMEOUT);
    CHECK(strstr(pith_quic_error(c.quic), "idle for too long") != NULL);
    pith_quic_free(c.quic);
    /* The same, and the client sends: the endpoint answers by a Stateless Reset. */
    connected(&c, &s);
    pith_quic_free(s.quic);
    IS(pith_quic_send_datagram(c.quic, big, 500), PITH_OK);
    run(&c, &none);
    CHECK(c.closed.status == PITH_TRUNCATED);
    pith_quic_free(c.quic);
    /* A server that the client does not believe. */
    memset(&c, 0, sizeof c);
    IS(pith_quic_connect(&c.quic, ends[0], clients, "other.example", &where[1], NULL, &c, &now, why,
                         sizeof why),
       PITH_OK);
    flush(&c, 1);
    accept_one(&s);
    run(&c, &s);
    CHECK(c.closed.status == PITH_CERTIFICATE && s.closed.status == PITH_ALERT);
    CHECK(strstr(pith_quic_error(c.quic), "other.example") != NULL);
    CHECK(standing_of(c.quic).alert_sent == standing_of(s.quic).alert_received);
    CHECK(standing_of(c.quic).alert_sent > 0 && standing_of(s.quic).alert_sent == -1);
    pith_quic_free(c.quic);
    pith_quic_free(s.quic);
    /* Endpoints that end: before a connection, and after. */
    connected(&c, &s);
    IS(pith_quic_endpoint_shutdown(NULL, 0), PITH_NULL);
    IS(pith_quic_endpoint_shutdown(ends[1], now.monotonic_us + 1000000), PITH_OK);
    PITH_INIT(status);
    IS(pith_quic_endpoint_info(ends[1], &status, &now), PITH_OK);
    CHECK(status.connections == 1 && !status.is_over && !status.is_overdue);
    pass(1001);
    IS(pith_quic_endpoint_info(ends[1], &status, &now), PITH_OK);
    CHECK(status.is_overdue && !status.is_over);
    pith_quic_endpoint_free(ends[0]);
    IS(pith_quic_close(s.quic, 0, NULL, 0, &now), PITH_OK);
    {
        pith_quic_batch batch;
        PITH_INIT(batch);
        IS(pith_quic_transmit(s.quic, buffer, sizeof buffer, &batch, &now), PITH_OK);
        /* Its endpoint is gone, and the client goes on by itself. */
        IS(pith_quic_ping(c.quic), PITH_OK);
        IS(pith_quic_transmit(c.quic, buffer, sizeof buffer, &batch, &now), PITH_OK);
    }
    pith_quic_free(s.quic);
    IS(pith_quic_endpoint_info(ends[1], &status, &now), PITH_OK);
    CHECK(status.is_over && status.connections == 0);
    pith_quic_endpoint_free(ends[1]);
    pith_quic_free(c.quic);
}

int main(int argc, char **argv)
{
    size_t i;
    CHECK(argc == 2);
    folder = argv[1];
    unused();
    now = at(5);
    for (i = 0; i < sizeof big; i++)
        big[i] = (uint8_t)(i * 7 + i / 251);
    configurations();
    endpoints();
    admission();
    streams();
    datagrams_and_the_rest();
    ends_of_connections();
    pith_quic_client_config_free(clients);
    pith_quic_server_config_free(servers);
    return 0;
}
