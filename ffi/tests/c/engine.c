/* TLS for QUIC stacks of other make: two engines in memory, the keys of packets that follow, and what RFC 9001 says that keys give. */
#include "check.h"

typedef struct {
    pith_engine *engine;
    uint8_t secrets[4][2][PITH_SECRET_MAX]; /* by level and direction */
    size_t secret_len;
    uint16_t suite;
    unsigned seen;
    uint8_t parameters[100];
    size_t parameters_len;
} side;

static pith_client_config *clients;
static pith_server_config *servers;

static void begin(side *c, side *s, const char *name, const pith_time *now)
{
    memset(c, 0, sizeof *c);
    memset(s, 0, sizeof *s);
    IS(pith_engine_client(&c->engine, clients, name, PITH_QUIC_V1, text("of the client"), now, why, sizeof why),
       PITH_OK);
    IS(pith_engine_server(&s->engine, servers, PITH_QUIC_V1), PITH_OK);
}

/* Does what one engine says, for as long as it says something. */
static int32_t drive(side *one, side *other, const pith_time *now)
{
    pith_engine_output out;
    uint8_t secret[PITH_SECRET_MAX];
    int32_t status, read = PITH_OK;
    size_t i;
    PITH_INIT(out);
    while ((status = pith_engine_next(one->engine, &out, secret)) == PITH_OK) {
        one->seen |= 1u << out.kind;
        if (out.kind == PITH_OUTPUT_SECRET) {
            CHECK(out.level <= PITH_LEVEL_APPLICATION && out.secret_len <= PITH_SECRET_MAX);
            memcpy(one->secrets[out.level][out.is_write], secret, sizeof secret);
            one->secret_len = out.secret_len;
            one->suite = out.suite;
        } else {
            for (i = 0; i < sizeof secret; i++)
                CHECK(secret[i] == 0);
        }
        if (out.kind == PITH_OUTPUT_PARAMETERS) {
            CHECK(out.data.len < sizeof one->parameters);
            memcpy(one->parameters, out.data.data, out.data.len);
            one->parameters_len = out.data.len;
        }
        if (out.kind == PITH_OUTPUT_ASK_PARAMETERS) {
            IS(pith_engine_answer_parameters(one->engine, bytes_of(NULL, 3), bytes_of(NULL, 0), 0,
                                             now),
               PITH_NULL);
            IS(pith_engine_answer_parameters(one->engine, text("of the server"), bytes_of(NULL, 0),
                                             0, now),
               PITH_OK);
            IS(pith_engine_answer_parameters(one->engine, text("again"), bytes_of(NULL, 0), 0, now),
               PITH_MISUSE);
        }
        if (out.kind == PITH_OUTPUT_SEND && read == PITH_OK) {
            /* In two pieces, as frames cut them. */
            size_t half = out.data.len / 2;
            read = pith_engine_read(other->engine, out.level, out.data.data, half, now);
            if (read == PITH_OK)
                read = pith_engine_read(other->engine, out.level, out.data.data + half,
                                        out.data.len - half, now);
        }
    }
    IS(status, PITH_NONE);
    CHECK(out.kind == 0);
    return read;
}

static void handshake(void)
{
    side c, s;
    pith_time now = at(5);
    pith_engine_output out;
    pith_info info;
    uint8_t secret[PITH_SECRET_MAX], ours[20], theirs[20];
    int turn;
    pith_packet_keys *seals, *opens, *seals_next, *opens_next;
    uint8_t packet[100], mask[PITH_PACKET_MASK], other[PITH_PACKET_MASK];
    size_t n;
    begin(&c, &s, "server.example", &now);
    PITH_INIT(out);
    PITH_INIT(info);
    /* Too early, and not at all. */
    IS(pith_engine_info(c.engine, &info), PITH_MISUSE);
    IS(pith_engine_export(c.engine, text("a"), text("b"), ours, 20), PITH_MISUSE);
    IS(pith_engine_remember(c.engine, ours, 1), PITH_MISUSE);
    IS(pith_engine_answer_parameters(c.engine, text("x"), text("y"), 0, &now), PITH_MISUSE);
    IS(pith_engine_answer_parameters(NULL, text("x"), text("y"), 0, &now), PITH_NULL);
    IS(pith_engine_next(NULL, &out, secret), PITH_NULL);
    IS(pith_engine_next(c.engine, NULL, secret), PITH_NULL);
    IS(pith_engine_next(c.engine, &out, NULL), PITH_NULL);
    out.size = 0;
    IS(pith_engine_next(c.engine, &out, secret), PITH_ARGUMENT);
    IS(pith_engine_next(s.engine, &out, secret), PITH_ARGUMENT);
    PITH_INIT(out);
    IS(pith_engine_next(s.engine, &out, secret), PITH_NONE);
    IS(pith_engine_read(NULL, 0, secret, 5, &now), PITH_NULL);
    IS(pith_engine_read(c.engine, 0, NULL, 5, &now), PITH_NULL);
    IS(pith_engine_read(c.engine, PITH_LEVEL_EARLY, secret, 5, &now), PITH_ARGUMENT);
    IS(pith_engine_read(c.engine, 9, secret, 5, &now), PITH_ARGUMENT);
    CHECK(strstr(pith_engine_error(c.engine), "PITH_LEVEL_") != NULL);
    CHECK(pith_engine_alert(c.engine) == -1 && pith_engine_alert(NULL) == -1);
    CHECK(pith_engine_error(NULL) == NULL);

    for (turn = 0; turn < 3; turn++) {
        IS(drive(&c, &s, &now), PITH_OK);
        IS(drive(&s, &c, &now), PITH_OK);
    }
    CHECK(c.seen & 1u << PITH_OUTPUT_COMPLETE && s.seen & 1u << PITH_OUTPUT_COMPLETE);
    CHECK(c.parameters_len == 13 && memcmp(c.parameters, "of the server", 13) == 0);
    CHECK(s.parameters_len == 13 && memcmp(s.parameters, "of the client", 13) == 0);
    CHECK(c.secret_len >= 32 && c.suite == s.suite);
    CHECK(memcmp(c.secrets[2][0], s.secrets[2][1], 48) == 0);
    CHECK(memcmp(c.secrets[2][1], s.secrets[2][0], 48) == 0);
    CHECK(memcmp(c.secrets[3][0], s.secrets[3][1], 48) == 0);
    CHECK(memcmp(c.secrets[3][1], s.secrets[3][0], 48) == 0);
    CHECK(memcmp(c.secrets[3][1], c.secrets[3][0], 48) != 0);
    IS(pith_engine_info(c.engine, &info), PITH_OK);
    CHECK(info.suite == c.suite && info.alpn.len == 2);
    IS(pith_engine_info(c.engine, NULL), PITH_NULL);
    IS(pith_engine_info(NULL, &info), PITH_NULL);
    IS(pith_engine_export(NULL, text("a"), text("b"), ours, 20), PITH_NULL);
    IS(pith_engine_export(c.engine, text("a"), text("b"), NULL, 20), PITH_NULL);
    IS(pith_engine_remember(NULL, ours, 1), PITH_NULL);
    IS(pith_engine_export(c.engine, text("a"), text("b"), ours, 20), PITH_OK);
    IS(pith_engine_export(s.engine, text("a"), text("b"), theirs, 20), PITH_OK);
    CHECK(memcmp(ours, theirs, 20) == 0);
    IS(pith_engine_remember(c.engine, NULL, 1), PITH_NULL);
    IS(pith_engine_remember(c.engine, ours, 1), PITH_OK);

    /* A packet of the client, before and after an update of keys. */
    IS(pith_packet_keys_new(&seals, PITH_QUIC_V1, c.suite, c.secrets[3][1], c.secret_len), PITH_OK);
    IS(pith_packet_keys_new(&opens, PITH_QUIC_V1, s.suite, s.secrets[3][0], s.secret_len), PITH_OK);
    IS(pith_packet_keys_update(&seals_next, seals), PITH_OK);
    IS(pith_packet_keys_update(&opens_next, NULL), PITH_NULL);
    CHECK(opens_next == NULL);
    IS(pith_packet_keys_update(NULL, opens), PITH_NULL);
    IS(pith_packet_keys_update(&opens_next, opens), PITH_OK);
    memcpy(packet, "hello", 5);
    IS(pith_packet_seal(seals, 7, (const uint8_t *)"header", 6, packet, 21), PITH_OK);
    IS(pith_packet_open(opens_next, 7, (const uint8_t *)"header", 6, packet, 21, &n),
       PITH_NOT_AUTHENTIC);
    memcpy(packet, "hello", 5);
    IS(pith_packet_seal(seals, 7, (const uint8_t *)"header", 6, packet, 21), PITH_MISUSE);
    CHECK(memcmp(packet, "hello", 5) == 0);
    CHECK(strstr(pith_packet_keys_error(seals), "number") != NULL);
    IS(pith_packet_seal(seals, 8, (const uint8_t *)"header", 6, packet, 21), PITH_OK);
    CHECK(memcmp(packet, "hello", 5) != 0);
    IS(pith_packet_open(opens, 8, (const uint8_t *)"header", 6, packet, 21, &n), PITH_OK);
    CHECK(n == 5 && memcmp(packet, "hello", 5) == 0);
    IS(pith_packet_seal(seals_next, 9, NULL, 0, packet, 21), PITH_OK);
    IS(pith_packet_open(opens_next, 9, NULL, 0, packet, 21, &n), PITH_OK);
    CHECK(n == 5 && memcmp(packet, "hello", 5) == 0);
    memset(packet, 3, sizeof packet);
    IS(pith_packet_header_mask(seals, packet, mask), PITH_OK);
    IS(pith_packet_header_mask(opens_next, packet, other), PITH_OK);
    CHECK(memcmp(mask, other, sizeof mask) == 0); /* not updated */
    /* What can be wrong. */
    IS(pith_packet_seal(NULL, 9, NULL, 0, packet, 21), PITH_NULL);
    IS(pith_packet_seal(seals, 10, NULL, 1, packet, 21), PITH_NULL);
    IS(pith_packet_seal(seals, 10, NULL, 0, NULL, 21), PITH_NULL);
    IS(pith_packet_seal(seals, 10, NULL, 0, packet, 15), PITH_TOO_SMALL);
    IS(pith_packet_seal(seals, UINT64_MAX, NULL, 0, packet, 21), PITH_MISUSE);
    IS(pith_packet_open(NULL, 9, NULL, 0, packet, 21, &n), PITH_NULL);
    IS(pith_packet_open(opens, 9, NULL, 0, packet, 21, NULL), PITH_NULL);
    IS(pith_packet_open(opens, 9, NULL, 0, NULL, 21, &n), PITH_NULL);
    IS(pith_packet_open(opens, 9, NULL, 0, packet, 15, &n), PITH_NOT_AUTHENTIC);
    CHECK(n == 0);
    IS(pith_packet_header_mask(NULL, packet, mask), PITH_NULL);
    IS(pith_packet_header_mask(seals, NULL, mask), PITH_NULL);
    IS(pith_packet_header_mask(seals, packet, NULL), PITH_NULL);
    CHECK(pith_packet_keys_error(NULL) == NULL);
    pith_packet_keys_free(seals);
    pith_packet_keys_free(opens);
    pith_packet_keys_free(seals_next);
    pith_packet_keys_free(opens_next);
    pith_packet_keys_free(NULL);
    IS(pith_packet_keys_new(&seals, 5, c.suite, c.secrets[3][1], c.secret_len), PITH_ARGUMENT);
    CHECK(seals == NULL);
    IS(pith_packet_keys_new(&seals, PITH_QUIC_V1, 5, c.secrets[3][1], 32), PITH_ARGUMENT);
    IS(pith_packet_keys_new(&seals, PITH_QUIC_V1, c.suite, c.secrets[3][1], 31), PITH_ARGUMENT);
    IS(pith_packet_keys_new(&seals, PITH_QUIC_V1, c.suite, NULL, 32), PITH_NULL);
    IS(pith_packet_keys_new(NULL, PITH_QUIC_V1, c.suite, c.secrets[3][1], 32), PITH_NULL);
    pith_engine_free(c.engine);
    pith_engine_free(s.engine);
    pith_engine_free(NULL);
}

static void failures(void)
{
    side c, s;
    pith_time now = at(5);
    pith_engine *engine;
    begin(&c, &s, "other.example", &now);
    IS(drive(&c, &s, &now), PITH_OK);
    IS(drive(&s, &c, &now), PITH_CERTIFICATE);
    CHECK(pith_engine_alert(c.engine) > 0);
    CHECK(pith_engine_error(c.engine) != NULL);
    IS(pith_engine_read(c.engine, 0, (const uint8_t *)"x", 1, &now), PITH_CERTIFICATE);
    pith_engine_free(c.engine);
    pith_engine_free(s.engine);
    IS(pith_engine_server(&engine, servers, PITH_QUIC_V1), PITH_OK);
    IS(pith_engine_read(engine, 0, (const uint8_t *)"\2\0\0\1x", 5, &now), PITH_PEER);
    CHECK(pith_engine_alert(engine) == 10); /* unexpected_message */
    pith_engine_free(engine);
    IS(pith_engine_server(&engine, NULL, PITH_QUIC_V1), PITH_NULL);
    IS(pith_engine_server(&engine, servers, 3), PITH_ARGUMENT);
    IS(pith_engine_client(&engine, clients, "a.example", 0, text("p"), NULL, why, sizeof why),
       PITH_ARGUMENT);
    IS(pith_engine_server(NULL, servers, PITH_QUIC_V1), PITH_NULL);
    IS(pith_engine_client(&engine, NULL, "a.example", PITH_QUIC_V1, text("p"), &now, why, sizeof why), PITH_NULL);
    IS(pith_engine_client(&engine, clients, NULL, PITH_QUIC_V1, text("p"), &now, why, sizeof why), PITH_NULL);
    IS(pith_engine_client(&engine, clients, "no name", PITH_QUIC_V1, text("p"), &now, why, sizeof why),
       PITH_ARGUMENT);
    IS(pith_engine_client(&engine, clients, "a.example", PITH_QUIC_V1, bytes_of(NULL, 2), &now, why, sizeof why),
       PITH_NULL);
    IS(pith_engine_client(NULL, clients, "a.example", PITH_QUIC_V1, text("p"), &now, why, sizeof why), PITH_NULL);
    CHECK(engine == NULL);
    IS(pith_engine_client(&engine, clients, "a.example", PITH_QUIC_V1, text("p"), NULL, why, sizeof why),
       PITH_OK);
    pith_engine_free(engine);
}

static size_t hex(const char *digits, uint8_t *out)
{
    size_t i, len = strlen(digits) / 2;
    for (i = 0; i < len; i++) {
        unsigned byte;
        CHECK(sscanf(digits + 2 * i, "%2x", &byte) == 1);
        out[i] = (uint8_t)byte;
    }
    return len;
}

/* RFC 9001 appendix A. */
static void vectors(void)
{
    uint8_t id[8], sample[16], want[64], mask[PITH_PACKET_MASK], bytes[64], tag[PITH_PACKET_TAG];
    uint8_t header[4];
    pith_packet_keys *keys, *of_server;
    size_t len;
    hex("8394c8f03e515708", id);
    IS(pith_packet_keys_initial(&keys, PITH_QUIC_V1, id, 8, 0), PITH_OK);
    hex("d1b1c98dd7689fb8ec11d242b123dc9b", sample);
    hex("437b9aec36", want);
    IS(pith_packet_header_mask(keys, sample, mask), PITH_OK);
    CHECK(memcmp(mask, want, 5) == 0);
    IS(pith_packet_keys_initial(&of_server, PITH_QUIC_V1, id, 8, 1), PITH_OK);
    hex("2cd0991cd25b0aac406a5816b6394100", sample);
    hex("2ec0d8356a", want);
    IS(pith_packet_header_mask(of_server, sample, mask), PITH_OK);
    CHECK(memcmp(mask, want, 5) == 0);
    pith_packet_keys_free(keys);
    pith_packet_keys_free(of_server);
    IS(pith_packet_keys_initial(&keys, PITH_QUIC_V2, id, 8, 1), PITH_OK);
    IS(pith_packet_header_mask(keys, sample, mask), PITH_OK);
    CHECK(memcmp(mask, want, 5) != 0);
    pith_packet_keys_free(keys);
    IS(pith_packet_keys_initial(&keys, 0, id, 8, 0), PITH_ARGUMENT);
    IS(pith_packet_keys_initial(&keys, PITH_QUIC_V1, bytes, 21, 0), PITH_ARGUMENT);
    IS(pith_packet_keys_initial(&keys, PITH_QUIC_V1, NULL, 8, 0), PITH_NULL);
    IS(pith_packet_keys_initial(NULL, PITH_QUIC_V1, id, 8, 0), PITH_NULL);
    CHECK(keys == NULL);

    /* A.4: a Retry packet. */
    len = hex("088394c8f03e515708ff000000010008f067a5502a4262b5746f6b656e", bytes);
    hex("04a265ba2eff4d829058fb3f0f2496ba", want);
    IS(pith_packet_retry_tag(PITH_QUIC_V1, bytes, len, tag), PITH_OK);
    CHECK(memcmp(tag, want, 16) == 0);
    IS(pith_packet_retry_tag(2, bytes, len, tag), PITH_ARGUMENT);
    IS(pith_packet_retry_tag(PITH_QUIC_V1, NULL, len, tag), PITH_NULL);
    IS(pith_packet_retry_tag(PITH_QUIC_V1, bytes, len, NULL), PITH_NULL);

    /* A.5: ChaCha20-Poly1305. */
    hex("9ac312a7f877468ebe69422748ad00a15443f18203a07d6060f688f30f21632b", bytes);
    IS(pith_packet_keys_new(&keys, PITH_QUIC_V1, PITH_SUITE_CHACHA20_POLY1305_SHA256, bytes, 32),
       PITH_OK);
    hex("4200bff4", header);
    bytes[0] = 1;
    IS(pith_packet_seal(keys, 654360564, header, 4, bytes, 17), PITH_OK);
    hex("655e5cd55c41f69080575d7999c25a5bfb", want);
    CHECK(memcmp(bytes, want, 17) == 0);
    memcpy(sample, bytes + 1, 16);
    hex("aefefe7d03", want);
    IS(pith_packet_header_mask(keys, sample, mask), PITH_OK);
    CHECK(memcmp(mask, want, 5) == 0);
    pith_packet_keys_free(keys);
}

int main(int argc, char **argv)
{
    static const pith_bytes protocols[1] = { { (const uint8_t *)"hq", 2 } };
    pith_client_options co;
    pith_server_options so;
    CHECK(argc == 2);
    folder = argv[1];
    unused();
    PITH_INIT(co);
    PITH_INIT(so);
    co.alpn = so.alpn = protocols;
    co.alpn_count = so.alpn_count = 1;
    clients = client_config(&co);
    servers = server_config(&so);
    handshake();
    failures();
    vectors();
    pith_client_config_free(clients);
    pith_server_config_free(servers);
    return 0;
}
