/* Coming back: tickets, sessions that are saved, early data and its copies, sessions that the program of a server keeps, pre-shared keys. */
#include "check.h"

static const uint8_t key[32] = { 1, 2, 3 }, other_key[32] = { 9 };

static int resumed(pith_tls *tls)
{
    pith_info info;
    PITH_INIT(info);
    IS(pith_tls_info(tls, &info), PITH_OK);
    return info.resumed;
}

static void end(pith_tls *one, pith_tls *other)
{
    pith_tls_free(one);
    pith_tls_free(other);
}

static void saved(void)
{
    static uint8_t file_bytes[65536];
    size_t len, needed;
    pith_sessions_options o;
    pith_sessions *sessions, *restored;
    pith_client_options co;
    pith_server_options so;
    pith_client_config *clients;
    pith_server_config *servers;
    pith_tls *c, *s;
    pith_time now = at(0);
    PITH_INIT(o);
    o.per_name = 2;
    o.total = 8;
    IS(pith_sessions_new(&sessions, &o, why, sizeof why), PITH_OK);
    IS(pith_sessions_new(&restored, NULL, NULL, 0), PITH_OK);
    IS(pith_sessions_new(NULL, NULL, NULL, 0), PITH_NULL);
    CHECK(pith_sessions_count(sessions) == 0 && pith_sessions_count(NULL) == 0);
    IS(pith_sessions_save(sessions, key, NULL, 0, &len), PITH_OK);
    CHECK(len == 0);
    PITH_INIT(co);
    PITH_INIT(so);
    co.sessions = sessions;
    clients = client_config(&co);
    servers = server_config(&so);
    c = client(clients, &now);
    s = server(servers);
    shake(c, s, &now);
    CHECK(!resumed(c) && pith_sessions_count(sessions) == 2);
    IS(pith_tls_remember(c, file_bytes, 1025), PITH_MISUSE);
    end(c, s);
    c = client(clients, &now);
    s = server(servers);
    shake(c, s, &now);
    CHECK(resumed(c) && resumed(s));
    end(c, s);

    needed = pith_sessions_count(sessions);
    IS(pith_sessions_save(sessions, key, file_bytes, 10, &len), PITH_TOO_SMALL);
    CHECK(len > 10 && pith_sessions_count(sessions) == needed);
    IS(pith_sessions_save(sessions, key, NULL, 10, &len), PITH_NULL);
    IS(pith_sessions_save(sessions, NULL, file_bytes, sizeof file_bytes, &len), PITH_NULL);
    IS(pith_sessions_save(NULL, key, file_bytes, sizeof file_bytes, &len), PITH_NULL);
    IS(pith_sessions_save(sessions, key, file_bytes, sizeof file_bytes, NULL), PITH_NULL);
    CHECK(pith_sessions_count(sessions) == needed);
    IS(pith_sessions_save(sessions, key, file_bytes, sizeof file_bytes, &len), PITH_OK);
    CHECK(len > 0 && pith_sessions_count(sessions) == 0);
    IS(pith_sessions_load(restored, other_key, file_bytes, len), PITH_NOT_AUTHENTIC);
    IS(pith_sessions_load(restored, key, file_bytes, len - 1), PITH_NOT_AUTHENTIC);
    IS(pith_sessions_load(restored, key, NULL, 0), PITH_OK);
    IS(pith_sessions_load(restored, key, NULL, 5), PITH_NULL);
    IS(pith_sessions_load(restored, NULL, file_bytes, len), PITH_NULL);
    IS(pith_sessions_load(NULL, key, file_bytes, len), PITH_NULL);
    IS(pith_sessions_load(sessions, key, file_bytes, len), PITH_OK);
    CHECK(pith_sessions_count(sessions) == needed);
    c = client(clients, &now);
    s = server(servers);
    shake(c, s, &now);
    CHECK(resumed(c));
    end(c, s);
    pith_client_config_free(clients);
    pith_server_config_free(servers);
    pith_sessions_free(sessions);
    pith_sessions_free(restored);
    pith_sessions_free(NULL);
}

/* Hands a flight over, and reads the early data in it, if it is not rejected. How many bytes of that there were. */
static size_t give(pith_tls *to, const uint8_t *bytes, size_t len, const pith_time *now)
{
    size_t at = 0, taken, n, early = 0;
    uint8_t out[64];
    while (at < len) {
        int32_t status = pith_tls_receive(to, bytes + at, len - at, &taken, now);
        CHECK(status == PITH_OK && taken > 0);
        at += taken;
        status = pith_tls_read(to, out, sizeof out, &n);
        CHECK(n == 0 && (status == PITH_WANT_READ_EARLY || status == PITH_WANT_INPUT));
        if (status == PITH_WANT_READ_EARLY)
            CHECK(pith_tls_receive(to, bytes + at, len - at, &taken, now) == PITH_WANT_READ_EARLY);
        while (pith_tls_read_early(to, out + early, 3, &n) == PITH_OK)
            early += n;
    }
    CHECK(memcmp(out, "early", early) == 0);
    return early;
}

static void early(void)
{
    static uint8_t flight[32768];
    uint8_t ours[32], theirs[32];
    size_t len, n;
    int round;
    pith_sessions *sessions;
    pith_strikes *strikes;
    pith_client_options co;
    pith_server_options so;
    pith_client_config *clients;
    pith_server_config *servers;
    pith_tls *c, *s;
    pith_bytes lent;
    pith_time now = at(0), later = at(50);
    IS(pith_sessions_new(&sessions, NULL, NULL, 0), PITH_OK);
    IS(pith_strikes_new(&strikes, 0, &now), PITH_OK);
    PITH_INIT(co);
    PITH_INIT(so);
    co.sessions = sessions;
    co.early_data = 1;
    so.early_data = 100;
    so.strikes = strikes;
    so.early_data_settings = text("settings");
    clients = client_config(&co);
    servers = server_config(&so);
    c = client(clients, &now);
    s = server(servers);
    IS(pith_tls_write_early(c, (const uint8_t *)"early", 5, &n), PITH_MISUSE);
    shake(c, s, &now);
    IS(pith_tls_remember(c, NULL, 5), PITH_NULL);
    IS(pith_tls_remember(c, (const uint8_t *)"terms", 5), PITH_OK);
    IS(pith_tls_issue_tickets(s, 1, &now), PITH_OK);
    CHECK(carry(s, c, 2048, &now) == PITH_OK);
    end(c, s);

    c = client(clients, &later);
    IS(standing(c).early_data, PITH_EARLY_OFFERED);
    CHECK(standing(c).early_data_left == 100 && standing(c).sending == PITH_HANDSHAKING);
    lent = standing(c).remembered;
    CHECK(lent.len == 5 && memcmp(lent.data, "terms", 5) == 0);
    IS(pith_tls_write_early(c, (const uint8_t *)"early", 5, &n), PITH_OK);
    CHECK(n == 5 && standing(c).early_data_left == 95);
    IS(pith_tls_export_early(c, text("l"), text("c"), ours, 32), PITH_OK);
    IS(pith_tls_write_early(c, NULL, 5, &n), PITH_NULL);
    IS(pith_tls_write_early(c, flight, 5, NULL), PITH_NULL);
    IS(pith_tls_export_early(c, text("l"), text("c"), NULL, 32), PITH_NULL);
    IS(pith_tls_transmit(c, flight, sizeof flight, &len), PITH_OK);
    /* Once it is taken, and its copy is not. */
    for (round = 0; round < 2; round++) {
        s = server(servers);
        CHECK(give(s, flight, len, &later) == (round == 0 ? 5 : 0));
        if (round == 0) {
            IS(standing(s).early_data, PITH_EARLY_ACCEPTED);
            IS(pith_tls_export_early(s, text("l"), text("c"), theirs, 32), PITH_OK);
            CHECK(memcmp(ours, theirs, 32) == 0);
            shake(s, c, &later);
            IS(standing(c).early_data, PITH_EARLY_ACCEPTED);
        } else {
            IS(standing(s).early_data, PITH_EARLY_REJECTED);
        }
        pith_tls_free(s);
    }
    pith_tls_free(c);
    pith_client_config_free(clients);
    pith_server_config_free(servers);
    pith_sessions_free(sessions);
    pith_strikes_free(strikes);
}

static pith_answer asked(pith_tls *tls, int32_t kind, pith_question *q)
{
    PITH_INIT(*q);
    IS(pith_tls_question(tls, q), PITH_OK);
    if (q->kind != kind) {
        fprintf(stderr, "the question is %d\n", (int)q->kind);
        exit(1);
    }
    return answer_to(q);
}

static void fleet_asked(void)
{
    size_t n;
    int round;
    pith_sessions *sessions;
    pith_client_options co;
    pith_server_options so;
    pith_client_config *clients;
    pith_server_config *servers;
    pith_question q;
    pith_answer a;
    pith_time now = at(0);
    IS(pith_sessions_new(&sessions, NULL, NULL, 0), PITH_OK);
    PITH_INIT(co);
    PITH_INIT(so);
    co.sessions = sessions;
    co.early_data = 1;
    so.early_data = 100;
    so.ask_early_data = 1;
    clients = client_config(&co);
    servers = server_config(&so);
    for (round = 0; round < 3; round++) {
        uint8_t flight[8192];
        size_t len;
        pith_tls *c = client(clients, &now), *s = server(servers);
        if (round > 0) {
            int first = round == 1;
            IS(pith_tls_write_early(c, (const uint8_t *)"early", 5, &n), PITH_OK);
            IS(pith_tls_transmit(c, flight, sizeof flight, &len), PITH_OK);
            IS(pith_tls_receive(s, flight, len, &n, &now), PITH_WANT_ANSWER);
            CHECK(n < len);
            a = asked(s, PITH_QUESTION_EARLY_DATA, &q);
            CHECK(q.hello.len == 32 && q.window_ms >= 20000);
            a.yes = first ? 1 : 0;
            IS(pith_tls_answer(s, &a, &now), PITH_OK);
            CHECK(give(s, flight + n, len - n, &now) == (first ? 5 : 0));
            IS(standing(s).early_data, first ? PITH_EARLY_ACCEPTED : PITH_EARLY_REJECTED);
        }
        shake(c, s, &now);
        CHECK(resumed(c) == (round > 0));
        end(c, s);
    }
    pith_client_config_free(clients);
    pith_server_config_free(servers);
    pith_sessions_free(sessions);
}

/* The program of the server keeps sessions, sealed, under names of its own. */
static void kept(void)
{
    static uint8_t store[4096];
    uint8_t bytes[8192];
    size_t stored = 0, n, len;
    pith_sessions *sessions;
    pith_sessions_options o;
    pith_tickets *tickets;
    pith_tickets_options to;
    pith_client_options co;
    pith_server_options so;
    pith_client_config *clients;
    pith_server_config *servers;
    pith_question q;
    pith_answer a;
    pith_tls *c, *s;
    pith_time now = at(0);
    PITH_INIT(o);
    o.per_name = 1;
    IS(pith_sessions_new(&sessions, &o, NULL, 0), PITH_OK);
    PITH_INIT(to);
    to.kind = PITH_TICKETS_ASKED;
    to.has_count = 1;
    to.count = 1;
    IS(pith_tickets_new(&tickets, &to, why, sizeof why), PITH_OK);
    PITH_INIT(co);
    PITH_INIT(so);
    co.sessions = sessions;
    so.tickets = tickets;
    clients = client_config(&co);
    servers = server_config(&so);

    c = client(clients, &now);
    s = server(servers);
    CHECK(carry(c, s, 2048, &now) == PITH_OK && carry(s, c, 2048, &now) == PITH_OK);
    IS(pith_tls_transmit(c, bytes, sizeof bytes, &len), PITH_OK);
    CHECK(pith_tls_receive(s, bytes, len, &n, &now) >= 0);
    a = asked(s, PITH_QUESTION_KEEP_SESSION, &q);
    CHECK(q.session.len == 0); /* without a key to seal it */
    q.session_key = key;
    IS(pith_tls_question(s, &q), PITH_OK);
    CHECK(q.session_key == key && q.session.len > 100 && q.session.len <= sizeof store);
    stored = q.session.len;
    memcpy(store, q.session.data, stored);
    a.bytes = bytes_of(NULL, 3);
    IS(pith_tls_answer(s, &a, &now), PITH_NULL);
    a.bytes = text("session 1");
    IS(pith_tls_answer(s, &a, &now), PITH_OK);
    CHECK(carry(s, c, 2048, &now) == PITH_OK && pith_sessions_count(sessions) == 1);
    end(c, s);

    c = client(clients, &now);
    s = server(servers);
    IS(pith_tls_transmit(c, bytes, sizeof bytes, &len), PITH_OK);
    IS(pith_tls_receive(s, bytes, len, &n, &now), PITH_WANT_ANSWER);
    a = asked(s, PITH_QUESTION_FIND_SESSION, &q);
    CHECK(q.item_count == 1 && q.items[0].len == 9);
    CHECK(memcmp(q.items[0].data, "session 1", 9) == 0);
    a.bytes = bytes_of(store, stored);
    IS(pith_tls_answer(s, &a, &now), PITH_NULL);
    a.session_key = other_key;
    IS(pith_tls_answer(s, &a, &now), PITH_NOT_AUTHENTIC);
    a.session_key = key;
    a.bytes.len--;
    IS(pith_tls_answer(s, &a, &now), PITH_NOT_AUTHENTIC);
    a.bytes.len++;
    IS(pith_tls_answer(s, &a, &now), PITH_OK);
    CHECK(carry(s, c, 2048, &now) == PITH_OK);
    IS(pith_tls_transmit(c, bytes, sizeof bytes, &len), PITH_OK);
    CHECK(pith_tls_receive(s, bytes, len, &n, &now) >= 0);
    CHECK(resumed(c) && resumed(s));
    a = asked(s, PITH_QUESTION_KEEP_SESSION, &q);
    IS(pith_tls_answer(s, &a, &now), PITH_OK);
    end(c, s);
    pith_client_config_free(clients);
    pith_server_config_free(servers);
    pith_tickets_free(tickets);
    pith_sessions_free(sessions);
}

static pith_psk *psk(int is_server)
{
    pith_psk_options o;
    pith_psk *made;
    PITH_INIT(o);
    o.is_server = is_server != 0;
    o.identity = text("device 7");
    o.key = bytes_of(key, sizeof key);
    o.client_name = text("device 7");
    o.server_name = text("server.example");
    IS(pith_psk_new(&made, &o, why, sizeof why), PITH_OK);
    return made;
}

/* No certificates: keys that both sides have, held by the configuration or found when they are asked for. */
static void pre_shared(int ask)
{
    uint8_t bytes[8192];
    size_t n, len;
    pith_trust_options to;
    pith_trust *trust;
    pith_psk *ours = psk(0), *theirs = psk(1);
    const pith_psk *our_list[1], *their_list[1];
    pith_client_options co;
    pith_server_options so;
    pith_client_config *clients;
    pith_server_config *servers;
    pith_question q;
    pith_answer a;
    pith_info info;
    pith_tls *c, *s;
    our_list[0] = ours;
    their_list[0] = theirs;
    PITH_INIT(to);
    to.psk_only = 1;
    IS(pith_trust_new(&trust, &to, why, sizeof why), PITH_OK);
    PITH_INIT(co);
    PITH_INIT(so);
    co.trust = trust;
    co.psks = our_list;
    co.psk_count = 1;
    so.ask_psks = ask != 0;
    so.psks = their_list;
    so.psk_count = ask ? 0 : 1;
    IS(pith_client_config_new(&clients, &co, why, sizeof why), PITH_OK);
    IS(pith_server_config_new(&servers, &so, why, sizeof why), PITH_OK);
    c = client(clients, NULL);
    s = server(servers);
    if (ask) {
        IS(pith_tls_transmit(c, bytes, sizeof bytes, &len), PITH_OK);
        IS(pith_tls_receive(s, bytes, len, &n, NULL), PITH_WANT_ANSWER);
        a = asked(s, PITH_QUESTION_PSK, &q);
        CHECK(q.item_count == 2);
        a.psk_count = 1;
        IS(pith_tls_answer(s, &a, NULL), PITH_NULL);
        a.psks = their_list;
        IS(pith_tls_answer(s, &a, NULL), PITH_OK);
    }
    shake(c, s, NULL);
    PITH_INIT(info);
    IS(pith_tls_info(s, &info), PITH_OK);
    CHECK(info.psk_identity.len == 8 && memcmp(info.psk_identity.data, "device 7", 8) == 0);
    CHECK(!info.resumed && info.signature_scheme == 0);
    end(c, s);
    pith_client_config_free(clients);
    pith_server_config_free(servers);
    pith_trust_free(trust);
    pith_psk_free(ours);
    pith_psk_free(theirs);
}

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    folder = argv[1];
    saved();
    early();
    fleet_asked();
    kept();
    pre_shared(0);
    pre_shared(1);
    return 0;
}
