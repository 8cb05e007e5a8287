/* Questions in place of callbacks: which configuration, is this chain acceptable, sign this. The last is answered by whoever started the test. */
#include "check.h"

static pith_question q;
static pith_answer a;

static uint32_t asked(pith_tls *tls, int32_t kind)
{
    PITH_INIT(q);
    IS(pith_tls_question(tls, &q), PITH_OK);
    CHECK(q.kind == kind);
    a = answer_to(&q);
    return q.number;
}

/* All that `from` has to say, as far as `to` takes it; what it does not take is kept for the next call. */
static uint8_t flight[16384];
static size_t flight_len, flight_at;

static int32_t hand_over(pith_tls *from, pith_tls *to)
{
    size_t n;
    int32_t status;
    if (flight_at == flight_len) {
        IS(pith_tls_transmit(from, flight, sizeof flight, &flight_len), PITH_OK);
        flight_at = 0;
    }
    status = pith_tls_receive(to, flight + flight_at, flight_len - flight_at, &n, NULL);
    flight_at = status < 0 ? flight_len : flight_at + n;
    return status;
}

static void which_configuration(void)
{
    pith_client_options co;
    pith_server_options so;
    pith_client_config *clients;
    pith_server_config *first, *chosen;
    pith_bytes protocols[2];
    pith_info info;
    pith_tls *c, *s;
    size_t i, found = 0;
    uint32_t number;
    PITH_INIT(co);
    protocols[0] = text("one");
    protocols[1] = text("two");
    co.alpn = protocols;
    co.alpn_count = 2;
    clients = client_config(&co);
    PITH_INIT(so);
    so.ask_config = 1;
    first = server_config(&so);
    PITH_INIT(so);
    so.alpn = protocols + 1;
    so.alpn_count = 1;
    chosen = server_config(&so);

    c = client(clients, NULL);
    s = server(first);
    IS(hand_over(c, s), PITH_WANT_ANSWER);
    CHECK(standing(s).receiving == PITH_ASKING && standing(s).sending == PITH_ASKING);
    number = asked(s, PITH_QUESTION_CONFIG);
    CHECK(q.server_name.len == 14 && memcmp(q.server_name.data, "server.example", 14) == 0);
    CHECK(q.item_count == 2 && q.items[1].len == 3 && memcmp(q.items[1].data, "two", 3) == 0);
    for (i = 0; i < q.group_count; i++)
        found += q.groups[i] == PITH_GROUP_X25519MLKEM768;
    for (i = 0; i < q.suite_count; i++)
        found += q.suites[i] == PITH_SUITE_AES_128_GCM_SHA256;
    CHECK(found == 2 && q.signature_scheme_count > 5);
    CHECK(q.client_hello.len > 1200 && q.client_hello.data[0] == 1);
    CHECK(q.message.len == 0 && q.hello.data == NULL);
    q.size = 1;
    IS(pith_tls_question(s, &q), PITH_ARGUMENT);
    IS(pith_tls_question(s, NULL), PITH_NULL);
    IS(pith_tls_question(NULL, &q), PITH_NULL);

    /* Nothing but the right answer changes anything. */
    a.config = chosen;
    a.number = number + 1;
    IS(pith_tls_answer(s, &a, NULL), PITH_MISUSE);
    CHECK(strstr(pith_tls_error(s), "number") != NULL);
    a.number = number;
    for (a.kind = 0; a.kind < 100; a.kind++)
        if (a.kind != PITH_QUESTION_CONFIG)
            IS(pith_tls_answer(s, &a, NULL), PITH_MISUSE);
    CHECK(strstr(pith_tls_error(s), "kind") != NULL);
    a.kind = PITH_QUESTION_CONFIG;
    a.bytes.len = 5;
    IS(pith_tls_answer(s, &a, NULL), PITH_NULL);
    a.bytes.len = 0;
    a.size = 1;
    IS(pith_tls_answer(s, &a, NULL), PITH_ARGUMENT);
    a.size = sizeof a;
    IS(pith_tls_answer(s, NULL, NULL), PITH_NULL);
    IS(pith_tls_answer(NULL, &a, NULL), PITH_NULL);
    IS(pith_tls_answer(s, &a, NULL), PITH_OK);
    IS(pith_tls_answer(s, &a, NULL), PITH_MISUSE);
    IS(hand_over(c, s), PITH_OK);
    shake(s, c, NULL);
    PITH_INIT(info);
    IS(pith_tls_info(c, &info), PITH_OK);
    CHECK(info.alpn.len == 3 && memcmp(info.alpn.data, "two", 3) == 0);
    pith_tls_free(c);
    pith_tls_free(s);

    /* NULL refuses the client. */
    c = client(clients, NULL);
    s = server(first);
    IS(hand_over(c, s), PITH_WANT_ANSWER);
    asked(s, PITH_QUESTION_CONFIG);
    IS(pith_tls_answer(s, &a, NULL), PITH_LOCAL);
    CHECK(standing(s).alert_sent == 49);
    flight_at = flight_len;
    IS(hand_over(s, c), PITH_ALERT);
    CHECK(standing(c).alert_received == 49);
    a.config = chosen;
    IS(pith_tls_answer(s, &a, NULL), PITH_LOCAL);
    IS(pith_tls_question(s, &q), PITH_NONE);
    pith_tls_free(c);
    pith_tls_free(s);
    pith_client_config_free(clients);
    pith_server_config_free(first);
    pith_server_config_free(chosen);
}

static void is_it_acceptable(int accept)
{
    pith_client_options co;
    pith_server_options so;
    pith_client_config *clients;
    pith_server_config *servers;
    pith_identity *shown = identity("client.pem", "client.key");
    pith_trust *trust = roots();
    const pith_identity *list[1];
    pith_info info;
    pith_tls *c, *s;
    int32_t status;
    list[0] = shown;
    PITH_INIT(co);
    co.ask_verify = 1;
    co.identities = list;
    co.identity_count = 1;
    clients = client_config(&co);
    PITH_INIT(so);
    so.client_auth = PITH_CLIENT_AUTH_REQUIRED;
    so.client_trust = trust;
    so.ask_verify = so.keep_peer_chain = 1;
    servers = server_config(&so);
    c = client(clients, NULL);
    s = server(servers);
    flight_at = flight_len = 0;
    IS(hand_over(c, s), PITH_OK);
    IS(hand_over(s, c), PITH_WANT_ANSWER);
    asked(c, PITH_QUESTION_VERIFY);
    CHECK(q.item_count == 2 && q.items[0].data[0] == 0x30 && q.raw_key.len == 0);
    CHECK(q.server_name.len == 14);
    a.reason = "\xff";
    IS(pith_tls_answer(c, &a, NULL), PITH_ARGUMENT);
    a.reason = "not today";
    a.yes = accept != 0;
    status = pith_tls_answer(c, &a, NULL);
    if (!accept) {
        CHECK(status == PITH_CERTIFICATE && strstr(pith_tls_error(c), "not today") != NULL);
        CHECK(standing(c).alert_sent > 0);
    } else {
        CHECK(status == PITH_OK);
        while (flight_at < flight_len)
            IS(hand_over(s, c), PITH_OK);
        IS(hand_over(c, s), PITH_WANT_ANSWER);
        asked(s, PITH_QUESTION_VERIFY);
        CHECK(q.server_name.len == 0 && q.item_count == 2);
        a.yes = 1;
        a.bytes = text("account 7");
        IS(pith_tls_answer(s, &a, NULL), PITH_OK);
        while (flight_at < flight_len)
            IS(hand_over(c, s), PITH_OK);
        PITH_INIT(info);
        IS(pith_tls_info(s, &info), PITH_OK);
        CHECK(info.peer_identity.len == 9 && memcmp(info.peer_identity.data, "account 7", 9) == 0);
        CHECK(info.client_signature_scheme != 0 && info.peer_chain_count == 2);
    }
    pith_tls_free(c);
    pith_tls_free(s);
    pith_client_config_free(clients);
    pith_server_config_free(servers);
    pith_trust_free(trust);
    pith_identity_free(shown);
}

static void a_key_elsewhere(int good)
{
    static const uint16_t scheme = 0x0403;
    uint8_t signature[128];
    size_t len;
    pith_identity_options io;
    pith_identity *shown;
    const pith_identity *list[1];
    pith_client_options co;
    pith_server_options so;
    pith_client_config *clients;
    pith_server_config *servers;
    pith_tls *c, *s;
    PITH_INIT(io);
    io.chain_pem = file("chain.pem");
    io.schemes = &scheme;
    io.scheme_count = 1;
    IS(pith_identity_new(&shown, &io, why, sizeof why), PITH_OK);
    list[0] = shown;
    PITH_INIT(so);
    so.identities = list;
    so.identity_count = 1;
    IS(pith_server_config_new(&servers, &so, why, sizeof why), PITH_OK);
    PITH_INIT(co);
    clients = client_config(&co);
    c = client(clients, NULL);
    s = server(servers);
    flight_at = flight_len = 0;
    IS(hand_over(c, s), PITH_WANT_ANSWER);
    asked(s, PITH_QUESTION_SIGN);
    CHECK(q.scheme == scheme && q.message.len > 64);
    if (good) {
        len = sign_elsewhere(q.message, signature, sizeof signature);
        a.bytes = bytes_of(signature, len);
        IS(pith_tls_answer(s, &a, NULL), PITH_OK);
        shake(s, c, NULL);
    } else {
        IS(pith_tls_answer(s, &a, NULL), PITH_LOCAL);
        CHECK(standing(s).receiving == PITH_FAILED && standing(s).alert_sent > 0);
    }
    pith_tls_free(c);
    pith_tls_free(s);
    pith_client_config_free(clients);
    pith_server_config_free(servers);
    pith_identity_free(shown);
}

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    folder = argv[1];
    which_configuration();
    is_it_acceptable(1);
    is_it_acceptable(0);
    a_key_elsewhere(0);
    a_key_elsewhere(1);
    return 0;
}
