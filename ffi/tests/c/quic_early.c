/* Early data over QUIC (0-RTT): sessions that were saved, data before the handshake is complete, and what the server decides of it. */
#include "quic.h"

static const uint8_t key[32] = { 7 };
static uint8_t saved[32768];
static size_t saved_len;
static pith_client_options co;
static pith_server_options so;
static pith_sessions *sessions;
static pith_strikes *strikes;

/* Configurations with an empty store of sessions, and a register that begins now. */
static void set_up(int ask)
{
    IS(pith_sessions_new(&sessions, NULL, NULL, 0), PITH_OK);
    IS(pith_strikes_new(&strikes, 0, &now), PITH_OK);
    PITH_INIT(co);
    co.alpn = hq;
    co.alpn_count = 1;
    co.sessions = sessions;
    co.early_data = 1;
    PITH_INIT(so);
    so.alpn = hq;
    so.alpn_count = 1;
    so.early_data = 10000;
    so.ask_early_data = ask != 0;
    so.strikes = ask ? NULL : strikes;
    quic_configs(client_config(&co), server_config(&so));
}

static void tear_down(void)
{
    free_configs();
    pith_sessions_free(sessions);
    pith_strikes_free(strikes);
}

/* A first connection, whose sessions go to another store by way of bytes. */
static void earlier_connection(void)
{
    side c, s;
    pith_sessions *first = sessions;
    size_t len;
    begin(&c);
    IS(standing_of(c.quic).early_data, PITH_EARLY_NOT_OFFERED);
    IS(pith_quic_remember(c.quic, (const uint8_t *)"terms", 5), PITH_MISUSE); /* too early */
    flush(&c, 1);
    accept_one(&s);
    flush(&s, 0);
    events(&c);
    CHECK(c.seen & 1u << PITH_EVENT_CONNECTED);
    IS(pith_quic_remember(c.quic, (const uint8_t *)"terms", 5), PITH_OK);
    run(&c, &s); /* the tickets come */
    over(&c, &s);
    CHECK(pith_sessions_count(sessions) > 0);
    IS(pith_sessions_save(sessions, key, saved, 10, &len), PITH_TOO_SMALL);
    IS(pith_sessions_save(sessions, key, saved, sizeof saved, &saved_len), PITH_OK);
    CHECK(saved_len == len && pith_sessions_count(sessions) == 0);
    IS(pith_sessions_new(&sessions, NULL, NULL, 0), PITH_OK);
    IS(pith_sessions_load(sessions, key, saved, saved_len), PITH_OK);
    pith_sessions_free(first);
    co.sessions = sessions;
    {
        pith_client_config *tls = client_config(&co);
        pith_quic_client_config_free(clients);
        IS(pith_quic_client_config_new(&clients, tls, NULL, why, sizeof why), PITH_OK);
        pith_client_config_free(tls);
    }
}

/* A client that resumes, and says something at once. */
static uint64_t say(side *c)
{
    uint64_t id;
    size_t n;
    begin(c);
    IS(standing_of(c->quic).early_data, PITH_EARLY_OFFERED);
    IS(pith_quic_open_stream(c->quic, 0, &id), PITH_OK);
    IS(pith_quic_write(c->quic, id, (const uint8_t *)"early", 5, &n), PITH_OK);
    CHECK(n == 5);
    IS(pith_quic_finish(c->quic, id), PITH_OK);
    return id;
}

static void resumed(side *c, side *s, int verdict)
{
    pith_info info;
    PITH_INIT(info);
    IS(pith_quic_info(c->quic, &info), PITH_OK);
    CHECK(info.resumed && info.early_data == verdict && info.is_post_quantum);
    IS(pith_quic_info(s->quic, &info), PITH_OK);
    CHECK(info.resumed && info.early_data == verdict);
    IS(standing_of(c->quic).early_data, verdict);
    IS(standing_of(s->quic).early_data, verdict);
    CHECK(c->seen & 1u << (verdict == PITH_EARLY_ACCEPTED ? PITH_EVENT_EARLY_ACCEPTED
                                                          : PITH_EVENT_EARLY_REJECTED));
}

/* What came early is read before anybody has shown to be there. */
static void heard(side *s, uint64_t id)
{
    uint8_t bytes[16];
    uint64_t theirs;
    size_t n;
    IS(standing_of(s->quic).early_data, PITH_EARLY_ACCEPTED);
    IS(pith_quic_accept_stream(s->quic, 0, &theirs), PITH_OK);
    CHECK(theirs == id);
    IS(pith_quic_read(s->quic, id, bytes, sizeof bytes, &n), PITH_WANT_INPUT);
    IS(pith_quic_read_early(s->quic, id, bytes, 0, &n), PITH_ARGUMENT);
    IS(pith_quic_read_early(s->quic, id, NULL, 5, &n), PITH_NULL);
    IS(pith_quic_read_early(s->quic, id, bytes, 5, NULL), PITH_NULL);
    IS(pith_quic_read_early(NULL, id, bytes, 5, &n), PITH_NULL);
    IS(pith_quic_read_early(s->quic, id, bytes, 2, &n), PITH_OK);
    CHECK(n == 2);
    IS(pith_quic_read_early(s->quic, id, bytes + 2, 14, &n), PITH_END);
    CHECK(n == 3 && memcmp(bytes, "early", 5) == 0);
    IS(pith_quic_read_early(s->quic, id, bytes, 5, &n), PITH_MISUSE);
}

/* All datagrams of a client's first flight, kept to be sent twice. */
static uint8_t flight[16][PITH_QUIC_DATAGRAM * 2];
static size_t lens[16], flights;

static void record(side *c)
{
    pith_quic_batch batch;
    size_t at;
    flights = 0;
    PITH_INIT(batch);
    while (pith_quic_transmit(c->quic, buffer, sizeof buffer, &batch, &now) == PITH_OK)
        for (at = 0; at < batch.len; at += batch.segment) {
            CHECK(flights < 16);
            lens[flights] = batch.len - at < batch.segment ? batch.len - at : batch.segment;
            memcpy(flight[flights], buffer + at, lens[flights]);
            flights++;
        }
}

/* The server lets in whoever sent it. */
static void play(side *s)
{
    uint8_t copy[PITH_QUIC_DATAGRAM * 2];
    size_t i;
    memset(s, 0, sizeof *s);
    for (i = 0; i < flights; i++) {
        memcpy(copy, flight[i], lens[i]);
        carry_one(1, copy, lens[i], 0);
        if (asking != NULL && s->quic == NULL)
            accept_one(s);
    }
    CHECK(s->quic != NULL);
}

static void accepted_once(void)
{
    side c, s, copy;
    uint64_t id;
    pith_bytes lent;
    set_up(0);
    earlier_connection();
    pass(30000); /* the register is young no more */
    id = say(&c);
    lent = standing_of(c.quic).remembered;
    CHECK(lent.len == 5 && memcmp(lent.data, "terms", 5) == 0);
    record(&c);
    play(&s);
    heard(&s, id);
    /* The same bytes again, from elsewhere: the hello is known. */
    where[0] = address(3);
    play(&copy);
    IS(standing_of(copy.quic).early_data, PITH_EARLY_REJECTED);
    IS(pith_quic_accept_stream(copy.quic, 0, &id), PITH_NONE);
    pith_quic_free(copy.quic);
    where[0] = address(1);
    run(&c, &s);
    resumed(&c, &s, PITH_EARLY_ACCEPTED);
    CHECK(standing_of(c.quic).remembered.len == 0); /* nothing goes by it any more */
    CHECK(c.seen & 1u << PITH_EVENT_FINISHED);
    over(&c, &s);
    tear_down();
}

/* A server that was started anew takes nothing early for a while; its client says it again. */
static void rejected(void)
{
    side c, s;
    uint64_t id, theirs;
    uint8_t bytes[16];
    size_t n;
    set_up(0);
    earlier_connection();
    id = say(&c);
    flush(&c, 1);
    accept_one(&s);
    run(&c, &s);
    resumed(&c, &s, PITH_EARLY_REJECTED);
    IS(pith_quic_write(c.quic, id, bytes, 1, &n), PITH_MISUSE); /* that stream is gone */
    IS(pith_quic_accept_stream(s.quic, 0, &theirs), PITH_NONE);
    IS(pith_quic_open_stream(c.quic, 0, &id), PITH_OK);
    IS(pith_quic_write(c.quic, id, (const uint8_t *)"again", 5, &n), PITH_OK);
    run(&c, &s);
    IS(pith_quic_accept_stream(s.quic, 0, &theirs), PITH_OK);
    IS(pith_quic_read(s.quic, theirs, bytes, sizeof bytes, &n), PITH_OK);
    CHECK(n == 5 && memcmp(bytes, "again", 5) == 0);
    over(&c, &s);
    tear_down();
}

/* A fleet remembers in one place: the program is asked. */
static void asked_for(int first)
{
    side c, s;
    uint64_t id;
    pith_question q;
    pith_answer a;
    set_up(1);
    earlier_connection();
    id = say(&c);
    record(&c);
    play(&s);
    a = asked(&s, PITH_QUESTION_EARLY_DATA, &q);
    CHECK(q.hello.len == 32 && q.window_ms >= 20000);
    a.yes = first != 0;
    IS(pith_quic_answer(s.quic, &a, &now), PITH_OK);
    if (first)
        heard(&s, id);
    run(&c, &s);
    resumed(&c, &s, first ? PITH_EARLY_ACCEPTED : PITH_EARLY_REJECTED);
    over(&c, &s);
    tear_down();
}

/* The program of the server keeps sessions, and finds them. */
static void kept(void)
{
    static uint8_t store[4096];
    size_t stored = 0;
    side c, s;
    pith_tickets *tickets;
    pith_tickets_options to;
    pith_question q;
    pith_answer a;
    pith_info info;
    PITH_INIT(to);
    to.kind = PITH_TICKETS_ASKED;
    to.has_count = to.count = 1;
    IS(pith_tickets_new(&tickets, &to, why, sizeof why), PITH_OK);
    set_up(0);
    free_configs();
    so.tickets = tickets;
    quic_configs(client_config(&co), server_config(&so));

    begin(&c);
    flush(&c, 1);
    accept_one(&s);
    run(&c, &s);
    a = asked(&s, PITH_QUESTION_KEEP_SESSION, &q);
    CHECK(q.session.len == 0);
    q.session_key = key;
    IS(pith_quic_question(s.quic, &q), PITH_OK);
    CHECK(q.session.len > 100 && q.session.len <= sizeof store);
    stored = q.session.len;
    memcpy(store, q.session.data, stored);
    a.bytes = text("session 1");
    IS(pith_quic_answer(s.quic, &a, &now), PITH_OK);
    for (run(&c, &s); pith_quic_question(s.quic, &q) == PITH_OK; run(&c, &s)) {
        a = answer_to(&q);
        IS(pith_quic_answer(s.quic, &a, &now), PITH_OK); /* one is enough */
    }
    CHECK(pith_sessions_count(sessions) == 1);
    over(&c, &s);

    begin(&c);
    flush(&c, 1);
    accept_one(&s);
    a = asked(&s, PITH_QUESTION_FIND_SESSION, &q);
    CHECK(q.item_count == 1 && q.items[0].len == 9);
    CHECK(memcmp(q.items[0].data, "session 1", 9) == 0);
    a.bytes = bytes_of(store, stored);
    IS(pith_quic_answer(s.quic, &a, &now), PITH_NULL);
    a.session_key = key;
    a.bytes.len--;
    IS(pith_quic_answer(s.quic, &a, &now), PITH_NOT_AUTHENTIC);
    a.bytes.len++;
    IS(pith_quic_answer(s.quic, &a, &now), PITH_OK);
    run(&c, &s);
    PITH_INIT(info);
    IS(pith_quic_info(c.quic, &info), PITH_OK);
    CHECK(info.resumed);
    over(&c, &s);
    tear_down();
    pith_tickets_free(tickets);
}

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    folder = argv[1];
    unused();
    now = at(5);
    make_ends();
    accepted_once();
    rejected();
    asked_for(1);
    asked_for(0);
    kept();
    free_ends();
    return 0;
}
