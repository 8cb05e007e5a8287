/* QUIC in memory: a client and a server of one process, and a clock that the test moves. */
#ifndef QUIC_H
#define QUIC_H

#include "check.h"

/* A connection, and what it was told. */
typedef struct {
    pith_quic *quic;
    pith_quic_event closed;
    unsigned seen; /* a bit for each kind of event */
    uint64_t stopped;
} side;

static pith_quic_endpoint *ends[2]; /* the client's, the server's */
static pith_quic_client_config *clients;
static pith_quic_server_config *servers;
static pith_time now;
static uint8_t buffer[20000];
static pith_quic_incoming *asking;
static pith_address where[2];

static inline pith_address address(uint8_t last)
{
    pith_address a;
    memset(&a, 0, sizeof a);
    a.family = PITH_ADDRESS_IPV4;
    a.port = (uint16_t)(4000 + last);
    a.ip[0] = 192;
    a.ip[2] = 2;
    a.ip[3] = last;
    return a;
}

/* Where a connection stands. */
static inline pith_quic_status standing_of(pith_quic *quic)
{
    pith_quic_status status;
    PITH_INIT(status);
    IS(pith_quic_get_status(quic, &status), PITH_OK);
    return status;
}

/* One datagram from one end to the other; its answer goes back. */
static inline void carry_one(int to, const uint8_t *bytes, size_t len, uint8_t ecn)
{
    uint8_t reply[PITH_QUIC_DATAGRAM];
    pith_quic_routed routed;
    PITH_INIT(routed);
    IS(pith_quic_endpoint_receive(ends[to], &where[!to], &where[to], ecn, bytes, len, reply,
                                  sizeof reply, &routed, &now),
       PITH_OK);
    if (routed.kind == PITH_ROUTED_CONNECTION)
        IS(pith_quic_receive(((side *)routed.user)->quic, &now), PITH_OK);
    else if (routed.kind == PITH_ROUTED_INCOMING)
        asking = routed.incoming;
    else if (routed.kind == PITH_ROUTED_REPLY)
        carry_one(!to, reply, routed.reply_len, 0);
}

static inline void events(side *one)
{
    pith_quic_event event;
    PITH_INIT(event);
    while (pith_quic_next_event(one->quic, &event) == PITH_OK) {
        one->seen |= 1u << event.kind;
        if (event.kind == PITH_EVENT_CLOSED)
            one->closed = event;
        if (event.kind == PITH_EVENT_STOPPED)
            one->stopped = event.code;
    }
    CHECK(event.kind == 0);
}

/* What one side has to send goes to the other's endpoint. */
static inline size_t flush(side *one, int to)
{
    pith_quic_batch batch;
    size_t at, all = 0;
    PITH_INIT(batch);
    while (pith_quic_transmit(one->quic, buffer, sizeof buffer, &batch, &now) == PITH_OK) {
        CHECK(batch.len > 0 && batch.segment > 0 && batch.ecn < 4);
        CHECK(memcmp(&batch.remote, &where[to], sizeof batch.remote) == 0);
        for (at = 0; at < batch.len; at += batch.segment) {
            size_t len = batch.len - at < batch.segment ? batch.len - at : batch.segment;
            /* A copy, so that nothing of the batch is used afterwards. */
            uint8_t datagram[PITH_QUIC_DATAGRAM * 2];
            CHECK(len <= sizeof datagram);
            memcpy(datagram, buffer + at, len);
            carry_one(to, datagram, len, batch.ecn);
        }
        all += batch.len;
    }
    CHECK(batch.len == 0);
    return all;
}

static inline void pass(uint64_t ms)
{
    now.monotonic_us += ms * 1000;
    now.unix_us += ms * 1000;
}

/* Goes on until neither has anything to send for a while. */
static inline void run(side *c, side *s)
{
    int quiet = 0;
    while (quiet < 5) {
        size_t all = c->quic ? flush(c, 1) : 0;
        if (s->quic)
            all += flush(s, 0);
        quiet = all == 0 ? quiet + 1 : 0;
        pass(10);
        if (c->quic)
            IS(pith_quic_on_deadline(c->quic, &now), PITH_OK);
        if (s->quic)
            IS(pith_quic_on_deadline(s->quic, &now), PITH_OK);
    }
    if (c->quic)
        events(c);
    if (s->quic)
        events(s);
}

static inline void begin(side *c)
{
    memset(c, 0, sizeof *c);
    IS(pith_quic_connect(&c->quic, ends[0], clients, "server.example", &where[1], NULL, c, &now,
                         why, sizeof why),
       PITH_OK);
}

static inline void accept_one(side *s)
{
    memset(s, 0, sizeof *s);
    CHECK(asking != NULL);
    IS(pith_quic_accept(&s->quic, asking, servers, s, &now, why, sizeof why), PITH_OK);
    pith_quic_incoming_free(asking);
    asking = NULL;
}

static inline void connected(side *c, side *s)
{
    begin(c);
    flush(c, 1);
    accept_one(s);
    run(c, s);
    CHECK(c->seen & 1u << PITH_EVENT_CONNECTED && c->seen & 1u << PITH_EVENT_CONFIRMED);
    CHECK(s->seen & 1u << PITH_EVENT_CONNECTED);
}

static inline void over(side *c, side *s)
{
    IS(pith_quic_close(c->quic, 7, (const uint8_t *)"bye", 3, &now), PITH_OK);
    run(c, s);
    CHECK(c->closed.kind == PITH_EVENT_CLOSED && c->closed.status == PITH_MISUSE);
    CHECK(s->closed.kind == PITH_EVENT_CLOSED && s->closed.status == PITH_RESET);
    CHECK(s->closed.code == 7 && standing_of(s->quic).code == 7);
    pith_quic_free(c->quic);
    pith_quic_free(s->quic);
}

/* A client's and a server's endpoint, for tests that are not about those. */
static inline void make_ends(void)
{
    pith_quic_endpoint_options o;
    PITH_INIT(o);
    o.serves = 1;
    IS(pith_quic_endpoint_new(&ends[0], NULL, &now, why, sizeof why), PITH_OK);
    IS(pith_quic_endpoint_new(&ends[1], &o, &now, why, sizeof why), PITH_OK);
    where[0] = address(1);
    where[1] = address(2);
}

static inline void free_ends(void)
{
    pith_quic_endpoint_free(ends[0]);
    pith_quic_endpoint_free(ends[1]);
}

static const pith_bytes hq[1] = { { (const uint8_t *)"hq", 2 } };

/* QUIC's configurations, of those of TLS, which are freed. */
static inline void quic_configs(pith_client_config *c, pith_server_config *s)
{
    IS(pith_quic_client_config_new(&clients, c, NULL, why, sizeof why), PITH_OK);
    IS(pith_quic_server_config_new(&servers, s, NULL, why, sizeof why), PITH_OK);
    pith_client_config_free(c);
    pith_server_config_free(s);
}

static inline void free_configs(void)
{
    pith_quic_client_config_free(clients);
    pith_quic_server_config_free(servers);
}

/* The question that an event has told of, and the beginning of its answer. */
static inline pith_answer asked(side *one, int32_t kind, pith_question *q)
{
    events(one);
    CHECK(one->seen & 1u << PITH_EVENT_QUESTION);
    one->seen = 0;
    events(one);
    CHECK(one->seen == 0); /* told once */
    PITH_INIT(*q);
    IS(pith_quic_question(one->quic, q), PITH_OK);
    if (q->kind != kind) {
        fprintf(stderr, "the question is %d\n", (int)q->kind);
        exit(1);
    }
    return answer_to(q);
}

#endif
