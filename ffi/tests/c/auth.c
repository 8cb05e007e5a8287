/* Who is who, and what is agreed on: raw public keys and pins, clients that must show something, groups that do not meet, small and padded records. */
#include "check.h"

static void pins_and_raw_keys(int raw)
{
    uint8_t pin[32];
    pith_identity_options io;
    pith_trust_options to;
    pith_client_options co;
    pith_server_options so;
    pith_identity *shown;
    const pith_identity *list[1];
    pith_trust *trust;
    pith_client_config *clients;
    pith_server_config *servers;
    pith_info info;
    pith_tls *c, *s;
    PITH_INIT(io);
    io.key_pem = file("other.key");
    if (!raw)
        io.chain_pem = file("other.pem"); /* signed by itself, for another name: a pin asks for neither */
    IS(pith_identity_new(&shown, &io, why, sizeof why), PITH_OK);
    IS(pith_identity_pin(shown, pin), PITH_OK);
    list[0] = shown;
    PITH_INIT(so);
    so.identities = list;
    so.identity_count = 1;
    IS(pith_server_config_new(&servers, &so, why, sizeof why), PITH_OK);
    PITH_INIT(to);
    to.pins = pin;
    to.pin_count = 1;
    IS(pith_trust_new(&trust, &to, why, sizeof why), PITH_OK);
    PITH_INIT(co);
    co.trust = trust;
    co.raw_keys = raw ? 2 : 0;
    co.keep_peer_chain = 1;
    IS(pith_client_config_new(&clients, &co, why, sizeof why), PITH_OK);
    c = client(clients, NULL);
    s = server(servers);
    shake(c, s, NULL);
    PITH_INIT(info);
    IS(pith_tls_info(c, &info), PITH_OK);
    CHECK(info.has_peer_key == 1 && memcmp(info.peer_key, pin, 32) == 0);
    CHECK((info.peer_raw_key.len > 0) == (raw != 0));
    CHECK(info.peer_chain_count == (raw ? 0 : 1));
    pith_tls_free(c);
    pith_tls_free(s);
    pith_client_config_free(clients);
    /* Another pin refuses it. */
    pith_trust_free(trust);
    pin[5] ^= 1;
    IS(pith_trust_new(&trust, &to, why, sizeof why), PITH_OK);
    co.trust = trust;
    IS(pith_client_config_new(&clients, &co, why, sizeof why), PITH_OK);
    c = client(clients, NULL);
    s = server(servers);
    IS(carry(c, s, 2048, NULL), PITH_OK);
    IS(carry(s, c, 2048, NULL), PITH_CERTIFICATE);
    pith_tls_free(c);
    pith_tls_free(s);
    pith_trust_free(trust);
    pith_client_config_free(clients);
    pith_server_config_free(servers);
    pith_identity_free(shown);
}

static void a_client_must_show_something(void)
{
    pith_trust *trust = roots();
    pith_client_options co;
    pith_server_options so;
    pith_client_config *clients;
    pith_server_config *servers;
    pith_tls *c, *s;
    PITH_INIT(co);
    PITH_INIT(so);
    so.client_auth = PITH_CLIENT_AUTH_REQUIRED;
    so.client_trust = trust;
    clients = client_config(&co);
    servers = server_config(&so);
    c = client(clients, NULL);
    s = server(servers);
    IS(carry(c, s, 2048, NULL), PITH_OK);
    IS(carry(s, c, 2048, NULL), PITH_OK);
    IS(carry(c, s, 2048, NULL), PITH_PEER);
    CHECK(standing(s).alert_sent == 116);
    IS(carry(s, c, 2048, NULL), PITH_ALERT);
    CHECK(standing(c).alert_received == 116 && strstr(pith_tls_error(c), "certificate") != NULL);
    pith_tls_free(c);
    pith_tls_free(s);
    pith_client_config_free(clients);
    pith_server_config_free(servers);
    pith_trust_free(trust);
}

/* 0: the client's only share is classical, and the server asks for the other. 1: nothing in common. 2: as it comes, with CNSA's suite. */
static void groups(int which)
{
    static const uint16_t both[] = { PITH_GROUP_X25519MLKEM768, PITH_GROUP_X25519 },
                          classical[] = { PITH_GROUP_X25519 },
                          aes256[] = { PITH_SUITE_AES_256_GCM_SHA384 };
    pith_client_options co;
    pith_server_options so;
    pith_client_config *clients;
    pith_server_config *servers;
    pith_info info;
    pith_tls *c, *s;
    PITH_INIT(co);
    PITH_INIT(so);
    if (which == 0) {
        co.groups = both;
        co.group_count = 2;
        co.shares = classical;
        co.share_count = 1;
    } else if (which == 1) {
        co.policy = "V2026_11_PQ_ONLY";
        so.groups = classical;
        so.group_count = 1;
    } else {
        so.suites = aes256;
        so.suite_count = 1;
        co.record_size_limit = 64;
        co.record_padding = so.record_padding = 32;
    }
    clients = client_config(&co);
    servers = server_config(&so);
    c = client(clients, NULL);
    s = server(servers);
    if (which == 1) {
        IS(carry(c, s, 2048, NULL), PITH_PEER);
        CHECK(standing(s).alert_sent == 40);
        IS(carry(s, c, 2048, NULL), PITH_ALERT);
    } else {
        uint8_t bytes[4000], sealed[20000];
        size_t n, taken, got = 0, at, len;
        shake(c, s, NULL);
        PITH_INIT(info);
        IS(pith_tls_info(c, &info), PITH_OK);
        CHECK(info.group == PITH_GROUP_X25519MLKEM768 && info.retried == (which == 0));
        CHECK(info.suite == (which == 0 ? PITH_SUITE_AES_128_GCM_SHA256 : aes256[0]));
        memset(bytes, 5, sizeof bytes);
        IS(pith_tls_write(s, bytes, sizeof bytes, &n), PITH_OK);
        CHECK(n == sizeof bytes);
        IS(pith_tls_transmit(s, sealed, sizeof sealed, &len), PITH_OK);
        /* Records of 64 bytes at the most cost more than one large. */
        CHECK(len < sizeof sealed && (len > 5000) == (which == 2));
        for (at = 0; at < len; at += taken) {
            CHECK(pith_tls_receive(c, sealed + at, len - at, &taken, NULL) >= 0 && taken > 0);
            while (pith_tls_read(c, bytes, sizeof bytes, &n) == PITH_OK)
                got += n;
        }
        CHECK(got == sizeof bytes);
    }
    pith_tls_free(c);
    pith_tls_free(s);
    pith_client_config_free(clients);
    pith_server_config_free(servers);
}

/* Writing goes on, and what waits stays bounded, whether the peer's side takes it in large pieces or small. */
static void a_slow_transport(void)
{
    static uint8_t data[50000], sealed[100000], out[1000];
    size_t n, written = 0, passed = 0, at = 0;
    int round;
    pith_client_options co;
    pith_server_options so;
    pith_client_config *clients;
    pith_server_config *servers;
    pith_tls *c, *s;
    PITH_INIT(co);
    PITH_INIT(so);
    clients = client_config(&co);
    servers = server_config(&so);
    c = client(clients, NULL);
    s = server(servers);
    shake(c, s, NULL);
    for (round = 0; round < 2000; round++) {
        size_t len, taken;
        int32_t status = pith_tls_write(c, data, sizeof data, &n);
        CHECK(status == PITH_OK || (status == PITH_WANT_OUTPUT && n == 0));
        written += n;
        CHECK(written - passed < 90000);
        CHECK(pith_tls_sealed_len(c, 0) < 90000);
        IS(pith_tls_transmit(c, sealed, 997, &len), PITH_OK);
        for (at = 0; at < len; at += taken) {
            CHECK(pith_tls_receive(s, sealed + at, len - at, &taken, NULL) >= 0);
            while (pith_tls_read(s, out, sizeof out, &n) == PITH_OK)
                passed += n;
        }
    }
    CHECK(passed > 1800000);
    while (pith_tls_write(c, data, sizeof data, &n) == PITH_OK)
        CHECK(n > 0 && n <= 65536);
    IS(pith_tls_write(c, data, sizeof data, &n), PITH_WANT_OUTPUT);
    CHECK(n == 0);
    pith_tls_free(c);
    pith_tls_free(s);
    pith_client_config_free(clients);
    pith_server_config_free(servers);
}

int main(int argc, char **argv)
{
    int which;
    CHECK(argc == 2);
    folder = argv[1];
    pins_and_raw_keys(0);
    pins_and_raw_keys(1);
    a_client_must_show_something();
    for (which = 0; which < 3; which++)
        groups(which);
    a_slow_transport();
    return 0;
}
