/* Questions of QUIC connections: which configuration, is this chain acceptable, sign this, which key. Signatures come of whoever started the test. */
#include "quic.h"

static pith_question q;
static pith_answer a;
static pith_server_config *chosen;

/* A server that is asked for all: its configuration, the one chosen with a key elsewhere, and what it thinks of its client. */
static void set_up(void)
{
    static const uint16_t scheme = 0x0403;
    pith_client_options co;
    pith_server_options so;
    pith_identity_options io;
    pith_server_config *first;
    pith_identity *ours = identity("client.pem", "client.key"), *theirs;
    pith_trust *trust = roots();
    const pith_identity *our_list[1], *their_list[1];
    our_list[0] = ours;
    PITH_INIT(io);
    io.chain_pem = file("chain.pem");
    io.schemes = &scheme;
    io.scheme_count = 1;
    IS(pith_identity_new(&theirs, &io, why, sizeof why), PITH_OK);
    their_list[0] = theirs;
    PITH_INIT(so);
    so.alpn = hq;
    so.alpn_count = 1;
    so.ask_config = 1;
    first = server_config(&so);
    PITH_INIT(so);
    so.alpn = hq;
    so.alpn_count = 1;
    so.identities = their_list;
    so.identity_count = 1;
    so.client_auth = PITH_CLIENT_AUTH_REQUIRED;
    so.client_trust = trust;
    so.ask_verify = 1;
    IS(pith_server_config_new(&chosen, &so, why, sizeof why), PITH_OK);
    PITH_INIT(co);
    co.alpn = hq;
    co.alpn_count = 1;
    co.identities = our_list;
    co.identity_count = 1;
    co.ask_verify = 1;
    quic_configs(client_config(&co), first);
    pith_identity_free(ours);
    pith_identity_free(theirs);
    pith_trust_free(trust);
}

/* A client's hello is there, and the server's first question open. */
static void hello(side *c, side *s)
{
    begin(c);
    IS(pith_quic_question(c->quic, &q), PITH_NONE);
    flush(c, 1);
    accept_one(s);
    a = asked(s, PITH_QUESTION_CONFIG, &q);
}

/* What ends both sides: here by this status and alert, there by that alert. */
static void failed(side *one, side *other, int32_t status, side *c, side *s)
{
    int alert = standing_of(one->quic).alert_sent;
    CHECK(alert > 0);
    IS(pith_quic_answer(one->quic, &a, &now), status); /* answers come too late now */
    IS(pith_quic_question(one->quic, &q), PITH_NONE);
    run(c, s);
    CHECK(one->closed.kind == PITH_EVENT_CLOSED && one->closed.status == status);
    CHECK(other->closed.status == PITH_ALERT);
    CHECK(standing_of(other->quic).alert_received == alert);
    pith_quic_free(c->quic);
    pith_quic_free(s->quic);
}

static void sign(side *s)
{
    static uint8_t signature[128];
    a = asked(s, PITH_QUESTION_SIGN, &q);
    CHECK(q.scheme == 0x0403 && q.message.len > 64);
    a.bytes = bytes_of(signature, sign_elsewhere(q.message, signature, sizeof signature));
    IS(pith_quic_answer(s->quic, &a, &now), PITH_OK);
}

static void all_of_them(void)
{
    side c, s;
    pith_info info;
    hello(&c, &s);
    CHECK(q.server_name.len == 14 && memcmp(q.server_name.data, "server.example", 14) == 0);
    CHECK(q.item_count == 1 && q.items[0].len == 2 && memcmp(q.items[0].data, "hq", 2) == 0);
    CHECK(q.group_count > 0 && q.suite_count > 0 && q.client_hello.len > 1200);
    q.size = 1;
    IS(pith_quic_question(s.quic, &q), PITH_ARGUMENT);
    IS(pith_quic_question(s.quic, NULL), PITH_NULL);
    IS(pith_quic_question(NULL, &q), PITH_NULL);
    /* Nothing but the right answer changes anything. */
    a.number++;
    IS(pith_quic_answer(s.quic, &a, &now), PITH_MISUSE);
    CHECK(strstr(pith_quic_error(s.quic), "number") != NULL);
    a.number--;
    a.kind = PITH_QUESTION_VERIFY;
    IS(pith_quic_answer(s.quic, &a, &now), PITH_MISUSE);
    a.kind = PITH_QUESTION_CONFIG;
    a.config = chosen;
    a.size = 1;
    IS(pith_quic_answer(s.quic, &a, &now), PITH_ARGUMENT);
    a.size = sizeof a;
    IS(pith_quic_answer(s.quic, NULL, &now), PITH_NULL);
    IS(pith_quic_answer(s.quic, &a, NULL), PITH_NULL);
    IS(pith_quic_answer(NULL, &a, &now), PITH_NULL);
    IS(pith_quic_answer(c.quic, &a, &now), PITH_MISUSE);
    IS(pith_quic_answer(s.quic, &a, &now), PITH_OK);
    IS(pith_quic_answer(s.quic, &a, &now), PITH_MISUSE);
    sign(&s);
    run(&c, &s);
    c.seen |= 1u << PITH_EVENT_QUESTION; /* run() has heard of it */
    a = asked(&c, PITH_QUESTION_VERIFY, &q);
    CHECK(q.item_count == 2 && q.items[0].data[0] == 0x30 && q.server_name.len == 14);
    a.yes = 1;
    IS(pith_quic_answer(c.quic, &a, &now), PITH_OK);
    run(&c, &s);
    s.seen |= 1u << PITH_EVENT_QUESTION;
    a = asked(&s, PITH_QUESTION_VERIFY, &q);
    CHECK(q.item_count == 2 && q.server_name.len == 0);
    a.yes = 1;
    a.bytes = text("account 7");
    IS(pith_quic_answer(s.quic, &a, &now), PITH_OK);
    run(&c, &s);
    CHECK(s.seen & 1u << PITH_EVENT_CONNECTED && c.seen & 1u << PITH_EVENT_CONFIRMED);
    PITH_INIT(info);
    IS(pith_quic_info(s.quic, &info), PITH_OK);
    CHECK(info.peer_identity.len == 9 && memcmp(info.peer_identity.data, "account 7", 9) == 0);
    IS(pith_quic_answer(s.quic, &a, &now), PITH_MISUSE);
    over(&c, &s);
}

static void refusals(void)
{
    side c, s;
    /* No configuration for this client. */
    hello(&c, &s);
    IS(pith_quic_answer(s.quic, &a, &now), PITH_LOCAL);
    failed(&s, &c, PITH_LOCAL, &c, &s);
    /* No signature. */
    hello(&c, &s);
    a.config = chosen;
    IS(pith_quic_answer(s.quic, &a, &now), PITH_OK);
    a = asked(&s, PITH_QUESTION_SIGN, &q);
    IS(pith_quic_answer(s.quic, &a, &now), PITH_LOCAL);
    failed(&s, &c, PITH_LOCAL, &c, &s);
    /* The client does not want this server. */
    hello(&c, &s);
    a.config = chosen;
    IS(pith_quic_answer(s.quic, &a, &now), PITH_OK);
    sign(&s);
    run(&c, &s);
    c.seen |= 1u << PITH_EVENT_QUESTION;
    a = asked(&c, PITH_QUESTION_VERIFY, &q);
    a.reason = "not today";
    IS(pith_quic_answer(c.quic, &a, &now), PITH_CERTIFICATE);
    CHECK(strstr(pith_quic_error(c.quic), "not today") != NULL);
    failed(&c, &s, PITH_CERTIFICATE, &c, &s);
    /* The connection goes while it asks. */
    hello(&c, &s);
    IS(pith_quic_close(s.quic, 5, NULL, 0, &now), PITH_OK);
    IS(pith_quic_answer(s.quic, &a, &now), PITH_MISUSE);
    run(&c, &s);
    CHECK(s.closed.kind == PITH_EVENT_CLOSED);
    pith_quic_free(c.quic);
    pith_quic_free(s.quic);
    hello(&c, &s);
    pith_quic_free(s.quic);
    pith_quic_free(c.quic);
}

static pith_psk *psk(int is_server)
{
    pith_psk_options o;
    pith_psk *made;
    PITH_INIT(o);
    o.is_server = is_server != 0;
    o.identity = text("device 7");
    o.key = text("thirty-two bytes, or even more than that");
    o.client_name = text("device 7");
    o.server_name = text("server.example");
    IS(pith_psk_new(&made, &o, why, sizeof why), PITH_OK);
    return made;
}

static void which_key(void)
{
    side c, s;
    pith_psk *ours = psk(0), *theirs = psk(1);
    const pith_psk *our_list[1], *their_list[1];
    pith_trust_options to;
    pith_trust *trust;
    pith_client_options co;
    pith_server_options so;
    pith_client_config *tls;
    pith_info info;
    our_list[0] = ours;
    their_list[0] = theirs;
    PITH_INIT(to);
    to.psk_only = 1;
    IS(pith_trust_new(&trust, &to, why, sizeof why), PITH_OK);
    PITH_INIT(co);
    co.trust = trust;
    co.alpn = hq;
    co.alpn_count = 1;
    co.psks = our_list;
    co.psk_count = 1;
    IS(pith_client_config_new(&tls, &co, why, sizeof why), PITH_OK);
    PITH_INIT(so);
    so.alpn = hq;
    so.alpn_count = 1;
    so.ask_psks = 1;
    quic_configs(tls, server_config(&so));
    begin(&c);
    flush(&c, 1);
    accept_one(&s);
    a = asked(&s, PITH_QUESTION_PSK, &q);
    CHECK(q.item_count == 2);
    a.psk_count = 1;
    IS(pith_quic_answer(s.quic, &a, &now), PITH_NULL);
    a.psks = their_list;
    IS(pith_quic_answer(s.quic, &a, &now), PITH_OK);
    run(&c, &s);
    PITH_INIT(info);
    IS(pith_quic_info(c.quic, &info), PITH_OK);
    CHECK(info.psk_identity.len == 8 && !info.resumed);
    over(&c, &s);
    pith_trust_free(trust);
    pith_psk_free(ours);
    pith_psk_free(theirs);
    free_configs();
}

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    folder = argv[1];
    unused();
    now = at(5);
    make_ends();
    set_up();
    all_of_them();
    refusals();
    pith_server_config_free(chosen);
    free_configs();
    which_key();
    free_ends();
    return 0;
}
