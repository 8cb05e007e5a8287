/* Everything a configuration is made of: well, with NULL, with nothing, and with what cannot work. */
#include "check.h"

/* A constructor that fails leaves NULL, and a text that says what to do. */
#define REFUSED(make, object, status, word)                                                        \
    do {                                                                                           \
        why[0] = 0;                                                                                \
        IS(make, status);                                                                          \
        CHECK((object) == NULL);                                                                   \
        if (strstr(why, word) == NULL) {                                                           \
            fprintf(stderr, "%s:%d: \"%s\" does not say %s\n", __FILE__, __LINE__, why, word);     \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

static void trusts(void)
{
    static const uint8_t pins[64] = { 1 };
    pith_trust_options o;
    pith_trust *trust;
    PITH_INIT(o);
    REFUSED(pith_trust_new(&trust, &o, why, sizeof why), trust, PITH_CONFIG, "exactly one");
    o.roots_pem = text("no PEM at all");
    REFUSED(pith_trust_new(&trust, &o, why, sizeof why), trust, PITH_CONFIG, "PEM");
    o.roots_pem = bytes_of(NULL, 7);
    REFUSED(pith_trust_new(&trust, &o, why, sizeof why), trust, PITH_NULL, "NULL");
    o.roots_pem = file("ca.pem");
    o.psk_only = 1;
    REFUSED(pith_trust_new(&trust, &o, why, sizeof why), trust, PITH_CONFIG, "exactly one");
    o.psk_only = 0;
    o.crls_pem = file("ca.pem");
    REFUSED(pith_trust_new(&trust, &o, why, sizeof why), trust, PITH_CONFIG, "revocation");
    o.crls_pem = file("crl.pem");
    IS(pith_trust_new(&trust, &o, why, sizeof why), PITH_OK);
    pith_trust_free(trust);
    PITH_INIT(o);
    o.pins = pins;
    o.pin_count = 2;
    IS(pith_trust_new(&trust, &o, NULL, 0), PITH_OK);
    pith_trust_free(trust);
    o.pins = NULL;
    REFUSED(pith_trust_new(&trust, &o, why, sizeof why), trust, PITH_NULL, "NULL");
    PITH_INIT(o);
    o.psk_only = 1;
    IS(pith_trust_new(&trust, &o, why, sizeof why), PITH_OK);
    pith_trust_free(trust);
    PITH_INIT(o);
    o.system_roots = 1; /* SSL_CERT_FILE names ca.pem here */
    IS(pith_trust_new(&trust, &o, why, sizeof why), PITH_OK);
    pith_trust_free(trust);
    REFUSED(pith_trust_new(&trust, NULL, why, sizeof why), trust, PITH_NULL, "NULL");
    o.size = 3;
    REFUSED(pith_trust_new(&trust, &o, why, sizeof why), trust, PITH_ARGUMENT, "PITH_INIT");
    IS(pith_trust_new(NULL, &o, why, sizeof why), PITH_NULL);
    pith_trust_free(NULL);
    /* The text is cut to its buffer. */
    PITH_INIT(o);
    memset(why, 'x', sizeof why);
    IS(pith_trust_new(&trust, &o, why, 8), PITH_CONFIG);
    CHECK(strcmp(why, "exactly") == 0 && why[8] == 'x');
}

static void a_newer_program(void)
{
    /* A struct of a program that was built against a newer header. */
    struct {
        pith_trust_options known;
        uint64_t unknown;
    } newer;
    pith_trust *trust;
    memset(&newer, 0, sizeof newer);
    newer.known.size = sizeof newer;
    newer.known.psk_only = 1;
    IS(pith_trust_new(&trust, &newer.known, why, sizeof why), PITH_OK);
    pith_trust_free(trust);
    newer.unknown = 1;
    REFUSED(pith_trust_new(&trust, &newer.known, why, sizeof why), trust, PITH_ARGUMENT,
            "does not know");
    /* And one that was built against an older, which ends before the pins. */
    newer.known.size = offsetof(pith_trust_options, pins);
    newer.known.pin_count = 77;
    IS(pith_trust_new(&trust, &newer.known, why, sizeof why), PITH_OK);
    pith_trust_free(trust);
}

static void identities(void)
{
    static const uint16_t p256 = 0x0403, ed25519 = 0x0807;
    uint8_t pin[32], other[32];
    pith_identity_options o;
    pith_identity *made;
    PITH_INIT(o);
    REFUSED(pith_identity_new(&made, &o, why, sizeof why), made, PITH_CONFIG, "key_pem");
    o.chain_pem = file("chain.pem");
    REFUSED(pith_identity_new(&made, &o, why, sizeof why), made, PITH_CONFIG, "key_pem");
    o.key_pem = file("client.key");
    REFUSED(pith_identity_new(&made, &o, why, sizeof why), made, PITH_CONFIG, "key");
    o.key_pem = file("key.pem");
    o.ocsp_response = text("whatever");
    o.must_match_issuer = 1;
    IS(pith_identity_new(&made, &o, why, sizeof why), PITH_OK);
    IS(pith_identity_pin(made, pin), PITH_OK);
    IS(pith_identity_pin(made, NULL), PITH_NULL);
    IS(pith_identity_pin(NULL, pin), PITH_NULL);
    pith_identity_free(made);
    /* The same key, raw, has the same pin. */
    PITH_INIT(o);
    o.key_pem = file("key.pem");
    IS(pith_identity_new(&made, &o, why, sizeof why), PITH_OK);
    IS(pith_identity_pin(made, other), PITH_OK);
    CHECK(memcmp(pin, other, 32) == 0);
    pith_identity_free(made);
    o.schemes = &p256;
    o.scheme_count = 1;
    REFUSED(pith_identity_new(&made, &o, why, sizeof why), made, PITH_CONFIG, "either");
    PITH_INIT(o);
    o.chain_pem = file("chain.pem");
    o.schemes = &ed25519;
    o.scheme_count = 1;
    REFUSED(pith_identity_new(&made, &o, why, sizeof why), made, PITH_CONFIG, "key");
    o.schemes = NULL;
    REFUSED(pith_identity_new(&made, &o, why, sizeof why), made, PITH_NULL, "NULL");
    o.schemes = &p256;
    IS(pith_identity_new(&made, &o, why, sizeof why), PITH_OK);
    pith_identity_free(made);
    o.chain_pem = text("no chain");
    REFUSED(pith_identity_new(&made, &o, why, sizeof why), made, PITH_CONFIG, "PEM");
    o.chain_pem = bytes_of(NULL, 0);
    o.public_key_der = text("no key");
    REFUSED(pith_identity_new(&made, &o, why, sizeof why), made, PITH_CONFIG, "key");
    IS(pith_identity_new(NULL, &o, why, sizeof why), PITH_NULL);
    REFUSED(pith_identity_new(&made, NULL, why, sizeof why), made, PITH_NULL, "NULL");
    pith_identity_free(NULL);
}

static void keys_and_tickets(void)
{
    uint8_t secret[32];
    size_t i;
    pith_time now = at(0);
    pith_psk_options po;
    pith_psk *psk;
    pith_tickets_options to;
    pith_tickets *tickets;
    pith_strikes *strikes;
    for (i = 0; i < sizeof secret; i++)
        secret[i] = (uint8_t)i;

    PITH_INIT(po);
    REFUSED(pith_psk_new(&psk, &po, why, sizeof why), psk, PITH_CONFIG, "identity");
    po.identity = text("device 7");
    po.key = bytes_of(secret, 15);
    REFUSED(pith_psk_new(&psk, &po, why, sizeof why), psk, PITH_CONFIG, "16 bytes");
    po.key = bytes_of(NULL, 16);
    REFUSED(pith_psk_new(&psk, &po, why, sizeof why), psk, PITH_NULL, "NULL");
    po.key = bytes_of(secret, 16);
    po.sha384 = 1;
    IS(pith_psk_new(&psk, &po, why, sizeof why), PITH_OK);
    pith_psk_free(psk);
    IS(pith_psk_new(NULL, &po, why, sizeof why), PITH_NULL);
    REFUSED(pith_psk_new(&psk, NULL, why, sizeof why), psk, PITH_NULL, "NULL");
    pith_psk_free(NULL);

    PITH_INIT(to);
    IS(pith_tickets_new(&tickets, &to, why, sizeof why), PITH_OK);
    IS(pith_tickets_replace_secret(tickets, secret, 32), PITH_CONFIG);
    pith_tickets_free(tickets);
    to.kind = 9;
    REFUSED(pith_tickets_new(&tickets, &to, why, sizeof why), tickets, PITH_CONFIG, "kind");
    to.kind = PITH_TICKETS_FLEET;
    REFUSED(pith_tickets_new(&tickets, &to, why, sizeof why), tickets, PITH_CONFIG, "32 bytes");
    to.fleet_secret = bytes_of(secret, 32);
    to.lifetime_seconds = 8 * 24 * 60 * 60;
    REFUSED(pith_tickets_new(&tickets, &to, why, sizeof why), tickets, PITH_CONFIG, "7 days");
    to.lifetime_seconds = 3600;
    to.has_count = 1;
    IS(pith_tickets_new(&tickets, &to, why, sizeof why), PITH_OK);
    IS(pith_tickets_replace_secret(tickets, secret, 31), PITH_CONFIG);
    IS(pith_tickets_replace_secret(tickets, NULL, 32), PITH_NULL);
    IS(pith_tickets_replace_secret(NULL, secret, 32), PITH_NULL);
    IS(pith_tickets_replace_secret(tickets, secret, 32), PITH_OK);
    pith_tickets_free(tickets);
    to.kind = PITH_TICKETS_NONE;
    REFUSED(pith_tickets_new(&tickets, &to, why, sizeof why), tickets, PITH_CONFIG, "fleet");
    IS(pith_tickets_new(NULL, &to, why, sizeof why), PITH_NULL);
    REFUSED(pith_tickets_new(&tickets, NULL, why, sizeof why), tickets, PITH_NULL, "NULL");
    pith_tickets_free(NULL);

    IS(pith_strikes_new(&strikes, 0, &now), PITH_OK);
    pith_strikes_free(strikes);
    IS(pith_strikes_new(&strikes, 5, NULL), PITH_OK);
    pith_strikes_free(strikes);
    IS(pith_strikes_new(NULL, 5, NULL), PITH_NULL);
    pith_strikes_free(NULL);
}

static void client_configs(void)
{
    static const uint16_t x25519[] = { PITH_GROUP_X25519 }, twice[] = { 0x11ec, 0x11ec },
                          unknown[] = { 0x1234 }, suites[] = { PITH_SUITE_AES_256_GCM_SHA384 };
    const pith_identity *none[1] = { NULL };
    pith_bytes protocols[2];
    pith_trust *trust = roots();
    pith_client_options o;
    pith_client_config *config, *again;
    PITH_INIT(o);
    REFUSED(pith_client_config_new(&config, &o, why, sizeof why), config, PITH_NULL, "trust");
    o.trust = trust;
    IS(pith_client_config_new(&config, &o, why, sizeof why), PITH_OK);
    IS(pith_client_config_clone(&again, config), PITH_OK);
    pith_client_config_free(config);
    pith_client_config_free(again);
    IS(pith_client_config_clone(&again, NULL), PITH_NULL);
    IS(pith_client_config_clone(NULL, NULL), PITH_NULL);
    o.policy = "V1999_01";
    REFUSED(pith_client_config_new(&config, &o, why, sizeof why), config, PITH_CONFIG, "V2026_11");
    o.policy = "V2026_11_PQ_ONLY";
    o.groups = x25519;
    o.group_count = 1;
    REFUSED(pith_client_config_new(&config, &o, why, sizeof why), config, PITH_CONFIG, "x25519");
    o.policy = NULL;
    o.suites = suites;
    o.suite_count = 1;
    IS(pith_client_config_new(&config, &o, why, sizeof why), PITH_OK);
    pith_client_config_free(config);
    o.groups = twice;
    o.group_count = 2;
    REFUSED(pith_client_config_new(&config, &o, why, sizeof why), config, PITH_CONFIG, "groups");
    o.groups = unknown;
    o.group_count = 1;
    REFUSED(pith_client_config_new(&config, &o, why, sizeof why), config, PITH_CONFIG, "0x1234");
    o.groups = NULL;
    REFUSED(pith_client_config_new(&config, &o, why, sizeof why), config, PITH_NULL, "NULL");
    o.group_count = 0;
    o.suites = unknown;
    REFUSED(pith_client_config_new(&config, &o, why, sizeof why), config, PITH_CONFIG, "0x1234");
    o.suites = NULL;
    o.suite_count = 0;
    o.shares = x25519;
    o.share_count = 1;
    IS(pith_client_config_new(&config, &o, why, sizeof why), PITH_OK);
    pith_client_config_free(config);
    o.share_count = 0;
    protocols[0] = text("h2");
    protocols[1] = text("");
    o.alpn = protocols;
    o.alpn_count = 2;
    REFUSED(pith_client_config_new(&config, &o, why, sizeof why), config, PITH_CONFIG, "protocol");
    o.alpn_count = 1;
    o.identities = none;
    o.identity_count = 1;
    REFUSED(pith_client_config_new(&config, &o, why, sizeof why), config, PITH_NULL, "list");
    o.identity_count = 0;
    o.raw_keys = 1;
    REFUSED(pith_client_config_new(&config, &o, why, sizeof why), config, PITH_CONFIG, "pin");
    o.raw_keys = 3;
    REFUSED(pith_client_config_new(&config, &o, why, sizeof why), config, PITH_CONFIG, "raw_keys");
    o.raw_keys = 0;
    o.record_padding = 2000;
    REFUSED(pith_client_config_new(&config, &o, why, sizeof why), config, PITH_CONFIG, "padding");
    o.record_padding = 64;
    o.record_size_limit = 63;
    REFUSED(pith_client_config_new(&config, &o, why, sizeof why), config, PITH_CONFIG, "limit");
    o.record_size_limit = 64;
    o.known_chains = 1025;
    REFUSED(pith_client_config_new(&config, &o, why, sizeof why), config, PITH_CONFIG, "1024");
    o.known_chains = 1024;
    o.grease = o.request_ocsp = o.no_certificate_compression = 1;
    IS(pith_client_config_new(&config, &o, why, sizeof why), PITH_OK);
    pith_client_config_free(config);
    o.session_scope = "\xff";
    REFUSED(pith_client_config_new(&config, &o, why, sizeof why), config, PITH_ARGUMENT, "UTF-8");
    IS(pith_client_config_new(NULL, &o, why, sizeof why), PITH_NULL);
    REFUSED(pith_client_config_new(&config, NULL, why, sizeof why), config, PITH_NULL, "NULL");
    pith_client_config_free(NULL);
    pith_trust_free(trust);
}

static void server_configs(void)
{
    const pith_identity *list[1];
    pith_identity *shown = identity("chain.pem", "key.pem");
    pith_trust *trust = roots();
    pith_strikes *strikes;
    pith_server_options o;
    pith_server_config *config, *again;
    IS(pith_strikes_new(&strikes, 0, NULL), PITH_OK);
    list[0] = shown;
    PITH_INIT(o);
    REFUSED(pith_server_config_new(&config, &o, why, sizeof why), config, PITH_CONFIG, "pre-shared");
    o.identities = list;
    o.identity_count = 1;
    o.client_auth = PITH_CLIENT_AUTH_REQUIRED;
    REFUSED(pith_server_config_new(&config, &o, why, sizeof why), config, PITH_CONFIG, "client_trust");
    o.client_trust = trust;
    IS(pith_server_config_new(&config, &o, why, sizeof why), PITH_OK);
    IS(pith_server_config_clone(NULL, config), PITH_NULL);
    IS(pith_server_config_clone(&again, config), PITH_OK);
    pith_server_config_free(config);
    pith_server_config_free(again);
    IS(pith_server_config_clone(&again, NULL), PITH_NULL);
    o.client_auth = PITH_CLIENT_AUTH_NONE;
    REFUSED(pith_server_config_new(&config, &o, why, sizeof why), config, PITH_CONFIG, "client_trust");
    o.client_auth = 7;
    REFUSED(pith_server_config_new(&config, &o, why, sizeof why), config, PITH_CONFIG, "client_auth");
    o.client_auth = PITH_CLIENT_AUTH_OPTIONAL;
    o.early_data = 100;
    REFUSED(pith_server_config_new(&config, &o, why, sizeof why), config, PITH_CONFIG, "strikes");
    o.strikes = strikes;
    o.ask_early_data = 1;
    REFUSED(pith_server_config_new(&config, &o, why, sizeof why), config, PITH_CONFIG, "strikes");
    o.ask_early_data = 0;
    o.known_chains = 1025;
    REFUSED(pith_server_config_new(&config, &o, why, sizeof why), config, PITH_CONFIG, "1024");
    o.known_chains = 1024;
    o.ticket_scope = "this";
    o.policy = "V2026_11_CNSA2";
    REFUSED(pith_server_config_new(&config, &o, why, sizeof why), config, PITH_CONFIG, "CNSA2");
    o.policy = "V2026_11_FIPS_ALGORITHMS";
    IS(pith_server_config_new(&config, &o, why, sizeof why), PITH_OK);
    pith_server_config_free(config);
    REFUSED(pith_server_config_new(&config, NULL, why, sizeof why), config, PITH_NULL, "NULL");
    IS(pith_server_config_new(NULL, &o, why, sizeof why), PITH_NULL);
    pith_server_config_free(NULL);
    pith_strikes_free(strikes);
    pith_trust_free(trust);
    pith_identity_free(shown);
}

static void names(void)
{
    CHECK(pith_abi_version() == PITH_ABI_VERSION);
    CHECK(strchr(pith_version(), '.') != NULL);
    CHECK(strcmp(pith_group_name(PITH_GROUP_X25519MLKEM768), "X25519MLKEM768") == 0);
    CHECK(pith_group_name(0) == NULL && pith_group_is_post_quantum(0) == 0);
    CHECK(pith_group_is_post_quantum(PITH_GROUP_X25519) == 0);
    CHECK(strcmp(pith_suite_name(0x1301), "TLS_AES_128_GCM_SHA256") == 0);
    CHECK(pith_suite_name(0xc02f) == NULL);
    CHECK(strcmp(pith_alert_name(0), "close_notify") == 0 && pith_alert_name(255) == NULL);
    CHECK(strcmp(pith_status_name(PITH_MISUSE), "PITH_MISUSE") == 0);
    CHECK(strcmp(pith_status_name(12345), "unknown") == 0);
}

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    folder = argv[1];
    trusts();
    a_newer_program();
    identities();
    keys_and_tickets();
    client_configs();
    server_configs();
    names();
    return 0;
}
