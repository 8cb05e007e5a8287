/* Two connections in memory: a handshake in pieces, data both ways, and every function of a connection called well and wrongly. */
#include "check.h"

static pith_client_config *clients;
static pith_server_config *servers;

static void exchange(pith_tls *from, pith_tls *to, const void *data, size_t len)
{
    static uint8_t sealed[400000], got[400000];
    size_t n, at = 0, waiting = 0, read = 0, taken, written = 0;
    while (written < len) {
        int32_t status = pith_tls_write(from, (const uint8_t *)data + written, len - written, &n);
        CHECK(status == PITH_OK || (status == PITH_WANT_OUTPUT && n == 0));
        written += n;
        do {
            IS(pith_tls_transmit(from, sealed + waiting, sizeof sealed - waiting, &n), PITH_OK);
            waiting += n;
        } while (n > 0);
    }
    while (at < waiting) {
        int32_t status = pith_tls_receive(to, sealed + at, waiting - at, &taken, NULL);
        CHECK(status == PITH_OK || status == PITH_WANT_READ);
        CHECK(taken > 0 || status == PITH_WANT_READ);
        at += taken;
        /* In small bites, so that a record is read in parts. */
        while ((status = pith_tls_read(to, got + read, 1000, &n)) == PITH_OK)
            read += n;
        CHECK(status == PITH_WANT_INPUT && n == 0);
    }
    CHECK(read == len && memcmp(got, data, len) == 0);
}

static void in_pieces(size_t piece)
{
    pith_tls *c = client(clients, NULL), *s = server(servers);
    int turn;
    for (turn = 0; turn < 3; turn++) {
        CHECK(carry(c, s, piece, NULL) >= 0);
        CHECK(carry(s, c, piece, NULL) >= 0);
    }
    CHECK(standing(c).receiving == PITH_OPEN && standing(s).sending == PITH_OPEN);
    exchange(c, s, "hello", 5);
    exchange(s, c, "world", 5);
    pith_tls_free(c);
    pith_tls_free(s);
}

static void a_life(void)
{
    static uint8_t big[300000];
    uint8_t buffer[PITH_RECORD_MAX], ours[32], theirs[32];
    size_t n, taken, i;
    pith_info info;
    const pith_bytes *chain;
    pith_tls *c = client(clients, NULL), *s = server(servers);
    for (i = 0; i < sizeof big; i++)
        big[i] = (uint8_t)(i * 7 + i / 251);
    CHECK(standing(c).receiving == PITH_HANDSHAKING && standing(s).sending == PITH_HANDSHAKING);

    /* Too early for all of these, and none of them ends the connection. */
    IS(pith_tls_write(c, big, 5, &n), PITH_WANT_INPUT);
    IS(pith_tls_write_early(c, big, 5, &n), PITH_MISUSE);
    CHECK(strstr(pith_tls_error(c), "early data") != NULL);
    IS(pith_tls_read(c, buffer, sizeof buffer, &n), PITH_WANT_INPUT);
    IS(pith_tls_read_early(c, buffer, sizeof buffer, &n), PITH_WANT_INPUT);
    IS(pith_tls_read_early(c, NULL, sizeof buffer, &n), PITH_NULL);
    IS(pith_tls_read_early(c, buffer, sizeof buffer, NULL), PITH_NULL);
    IS(pith_tls_export(c, text("label"), bytes_of(NULL, 0), ours, 32), PITH_MISUSE);
    IS(pith_tls_export_early(c, text("label"), bytes_of(NULL, 0), ours, 32), PITH_MISUSE);
    IS(pith_tls_update_keys(c, 0), PITH_MISUSE);
    IS(pith_tls_issue_tickets(s, 1, NULL), PITH_MISUSE);
    IS(pith_tls_remember(c, ours, 1), PITH_MISUSE);
    CHECK(standing(c).remembered.data == NULL && standing(c).remembered.len == 0);
    PITH_INIT(info);
    IS(pith_tls_info(c, &info), PITH_MISUSE);
    IS(standing(c).early_data, PITH_EARLY_NOT_OFFERED);
    CHECK(standing(c).early_data_left == 0);

    shake(c, s, NULL);

    IS(pith_tls_info(c, &info), PITH_OK);
    CHECK(info.group == PITH_GROUP_X25519MLKEM768 && info.is_post_quantum == 1);
    CHECK(info.suite == PITH_SUITE_AES_128_GCM_SHA256 && info.retried == 0 && info.resumed == 0);
    CHECK(info.alpn.len == 5 && memcmp(info.alpn.data, "hello", 5) == 0);
    CHECK(info.has_peer_key == 1 && info.peer_chain_count == 2 && info.signature_scheme != 0);
    for (i = 0; i < info.peer_chain_count; i++)
        CHECK(info.peer_chain[i].len > 100 && info.peer_chain[i].data[0] == 0x30);
    chain = info.peer_chain;
    IS(pith_tls_info(c, &info), PITH_OK);
    CHECK(info.peer_chain == chain); /* lent until the connection is freed */
    PITH_INIT(info);
    IS(pith_tls_info(s, &info), PITH_OK);
    CHECK(info.server_name.len == 14 && memcmp(info.server_name.data, "server.example", 14) == 0);
    CHECK(info.has_peer_key == 0 && info.peer_chain_count == 0 && info.peer_chain == NULL);
    info.size = 0;
    IS(pith_tls_info(s, &info), PITH_ARGUMENT);
    IS(pith_tls_info(s, NULL), PITH_NULL);
    IS(pith_tls_question(s, NULL), PITH_NONE);

    exchange(c, s, big, sizeof big);
    exchange(s, c, big, sizeof big);
    exchange(c, s, big, 1);

    /* Without copies. */
    {
        static uint8_t out[70000];
        pith_opened opened;
        size_t at = 0, read = 0, len = pith_tls_sealed_len(c, 40000), written;
        CHECK(len > 40000 && len < sizeof out && pith_tls_sealed_len(NULL, 5) == 0);
        IS(pith_tls_seal(c, big, 40000, &taken, out, 100, &written), PITH_OK);
        CHECK(taken > 0 && taken < 100 && written <= 100);
        at = written;
        i = taken;
        IS(pith_tls_seal(c, big + i, 40000 - i, &taken, out + at, sizeof out - at, &written),
           PITH_OK);
        CHECK(taken == 40000 - i);
        len = at + written;
        at = 0;
        IS(pith_tls_open(s, out, 3, &opened, NULL), PITH_WANT_INPUT);
        CHECK(opened.consumed == 0 && opened.at_least == 2 && opened.data.len == 0);
        while (at < len) {
            IS(pith_tls_open(s, out + at, len - at, &opened, NULL), PITH_OK);
            CHECK(opened.is_early == 0 && opened.consumed > opened.data.len);
            CHECK(opened.data.data > out && opened.data.data < out + sizeof out);
            CHECK(memcmp(opened.data.data, big + read, opened.data.len) == 0);
            read += opened.data.len;
            at += opened.consumed;
        }
        CHECK(read == 40000);
        IS(pith_tls_open(s, NULL, 0, &opened, NULL), PITH_WANT_INPUT);
        IS(pith_tls_open(s, NULL, 5, &opened, NULL), PITH_NULL);
        IS(pith_tls_open(s, out, 5, NULL, NULL), PITH_NULL);
        IS(pith_tls_seal(c, big, 5, NULL, out, 100, &written), PITH_NULL);
        IS(pith_tls_seal(c, big, 5, &taken, out, 100, NULL), PITH_NULL);
        IS(pith_tls_seal(c, NULL, 5, &taken, out, 100, &written), PITH_NULL);
        IS(pith_tls_seal(c, big, 5, &taken, NULL, 100, &written), PITH_NULL);
        IS(pith_tls_seal(c, NULL, 0, &taken, NULL, 0, &written), PITH_OK);
        CHECK(taken == 0 && written == 0);
        /* Half a record in one way does not go on in the other. */
        IS(pith_tls_seal(c, big, 5, &taken, out, 100, &written), PITH_OK);
        IS(pith_tls_receive(s, out, 7, &taken, NULL), PITH_OK);
        IS(pith_tls_open(s, out + 7, written - 7, &opened, NULL), PITH_MISUSE);
        IS(pith_tls_receive(s, out + 7, written - 7, &taken, NULL), PITH_OK);
        IS(pith_tls_receive(s, out, 5, &taken, NULL), PITH_WANT_READ);
        CHECK(taken == 0);
        IS(pith_tls_read(s, NULL, 0, &n), PITH_OK);
        IS(pith_tls_read_early(s, buffer, 5, &n), PITH_WANT_READ);
        IS(pith_tls_read(s, buffer, 2, &n), PITH_OK);
        CHECK(n == 2);
        IS(pith_tls_read(s, buffer, sizeof buffer, &n), PITH_OK);
        CHECK(n == 3 && memcmp(buffer, big + 2, 3) == 0);
    }

    IS(pith_tls_export(c, text("EXPORTER-test"), text("context"), ours, 32), PITH_OK);
    IS(pith_tls_export(s, text("EXPORTER-test"), text("context"), theirs, 32), PITH_OK);
    CHECK(memcmp(ours, theirs, 32) == 0);
    IS(pith_tls_export(s, text("EXPORTER-test"), bytes_of(NULL, 0), theirs, 32), PITH_OK);
    CHECK(memcmp(ours, theirs, 32) != 0);
    IS(pith_tls_export(c, bytes_of(big, 250), bytes_of(NULL, 0), ours, 32), PITH_ARGUMENT);
    IS(pith_tls_export(c, bytes_of(big, 249), bytes_of(NULL, 0), ours, 32), PITH_MISUSE);
    IS(pith_tls_export(c, text("l"), bytes_of(NULL, 0), big, 8161), PITH_ARGUMENT);
    IS(pith_tls_export(c, bytes_of(NULL, 3), bytes_of(NULL, 0), ours, 32), PITH_NULL);
    IS(pith_tls_export(c, text("l"), bytes_of(NULL, 0), NULL, 32), PITH_NULL);
    IS(pith_tls_export(NULL, text("l"), bytes_of(NULL, 0), ours, 32), PITH_NULL);

    IS(pith_tls_update_keys(c, 1), PITH_OK);
    exchange(c, s, "new keys", 8);
    exchange(s, c, "both ways", 9);
    IS(pith_tls_issue_tickets(s, 2, NULL), PITH_OK);
    IS(pith_tls_issue_tickets(c, 2, NULL), PITH_MISUSE);
    CHECK(carry(s, c, 100, NULL) == PITH_OK);
    IS(pith_tls_remember(s, (const uint8_t *)"settings", 8), PITH_OK);
    IS(pith_tls_get_status(s, NULL), PITH_NULL);

    IS(pith_tls_receive(s, NULL, 0, &taken, NULL), PITH_OK);
    IS(pith_tls_receive(s, NULL, 9, &taken, NULL), PITH_NULL);
    IS(pith_tls_receive(s, big, 9, NULL, NULL), PITH_NULL);
    IS(pith_tls_write(c, NULL, 0, &n), PITH_OK);
    IS(pith_tls_write(c, NULL, 9, &n), PITH_NULL);
    IS(pith_tls_write(c, big, 9, NULL), PITH_NULL);
    IS(pith_tls_read(c, NULL, 9, &n), PITH_NULL);
    IS(pith_tls_read(c, buffer, 9, NULL), PITH_NULL);
    IS(pith_tls_transmit(c, NULL, 9, &n), PITH_NULL);
    IS(pith_tls_transmit(c, buffer, 9, NULL), PITH_NULL);
    IS(pith_tls_transmit(c, NULL, 0, &n), PITH_OK);

    /* One direction, then the other. */
    IS(pith_tls_close(c), PITH_OK);
    IS(pith_tls_close(c), PITH_OK);
    CHECK(standing(c).sending == PITH_CLOSED && standing(c).receiving == PITH_OPEN);
    IS(pith_tls_write(c, big, 5, &n), PITH_MISUSE);
    IS(pith_tls_update_keys(c, 0), PITH_MISUSE);
    IS(carry(c, s, 2048, NULL), PITH_END);
    CHECK(standing(s).receiving == PITH_PEER_CLOSED && standing(s).sending == PITH_OPEN);
    IS(pith_tls_read(s, buffer, sizeof buffer, &n), PITH_END);
    IS(pith_tls_receive(s, big, 10, &taken, NULL), PITH_END);
    CHECK(taken == 10);
    IS(pith_tls_eof(s), PITH_OK);
    exchange(s, c, "still here", 10);
    IS(pith_tls_eof(c), PITH_TRUNCATED);
    CHECK(standing(c).receiving == PITH_FAILED && strstr(pith_tls_error(c), "close_notify") != NULL);
    IS(pith_tls_read(c, buffer, sizeof buffer, &n), PITH_TRUNCATED);
    IS(pith_tls_write(c, big, 5, &n), PITH_TRUNCATED);
    IS(pith_tls_close(s), PITH_OK);
    pith_tls_free(c);
    pith_tls_free(s);
}

static void failures(void)
{
    uint8_t buffer[PITH_RECORD_MAX];
    static const uint8_t http[] = "GET / HTTP/1.1\r\n\r\n";
    size_t n;
    pith_tls *c, *s = server(servers);
    CHECK(pith_tls_error(s) == NULL && standing(s).alert_sent == -1);
    IS(pith_tls_receive(s, http, sizeof http - 1, &n, NULL), PITH_PEER);
    CHECK(strstr(pith_tls_error(s), "HTTP") != NULL && standing(s).alert_sent == 10);
    CHECK(strcmp(pith_alert_name(10), "unexpected_message") == 0);
    IS(pith_tls_transmit(s, buffer, sizeof buffer, &n), PITH_OK);
    CHECK(n == 7 && buffer[0] == 21 && buffer[6] == 10);
    IS(pith_tls_transmit(s, buffer, sizeof buffer, &n), PITH_OK);
    CHECK(n == 0);
    IS(pith_tls_receive(s, http, sizeof http - 1, &n, NULL), PITH_PEER);
    IS(pith_tls_eof(s), PITH_PEER);
    pith_tls_free(s);

    /* The other side gets the alert. */
    IS(pith_tls_client(&c, clients, "other.example", NULL, why, sizeof why), PITH_OK);
    s = server(servers);
    CHECK(carry(c, s, 2048, NULL) == PITH_OK);
    IS(carry(s, c, 2048, NULL), PITH_CERTIFICATE);
    CHECK(strstr(pith_tls_error(c), "other.example") != NULL && standing(c).alert_sent == 42);
    CHECK(standing(c).alert_received == -1);
    IS(carry(c, s, 2048, NULL), PITH_ALERT);
    CHECK(standing(s).alert_received == 42 && standing(s).alert_sent == -1);
    pith_tls_free(c);
    pith_tls_free(s);

    IS(pith_tls_client(&c, clients, "not a name", NULL, why, sizeof why), PITH_ARGUMENT);
    CHECK(c == NULL && strstr(why, "DNS name") != NULL);
    IS(pith_tls_client(&c, clients, "\xff\xfe", NULL, why, sizeof why), PITH_ARGUMENT);
    IS(pith_tls_client(&c, clients, NULL, NULL, NULL, 0), PITH_NULL);
    IS(pith_tls_client(&c, NULL, "server.example", NULL, NULL, 0), PITH_NULL);
    IS(pith_tls_client(NULL, clients, "server.example", NULL, NULL, 0), PITH_NULL);
    IS(pith_tls_server(&s, NULL), PITH_NULL);
    IS(pith_tls_server(NULL, servers), PITH_NULL);
    CHECK(c == NULL && s == NULL);
}

static void null_everywhere(void)
{
    uint8_t buffer[32] = { 0 };
    size_t n;
    pith_tls_status status;
    IS(pith_tls_receive(NULL, buffer, 1, &n, NULL), PITH_NULL);
    IS(pith_tls_read(NULL, buffer, 1, &n), PITH_NULL);
    IS(pith_tls_read_early(NULL, buffer, 1, &n), PITH_NULL);
    IS(pith_tls_write(NULL, buffer, 1, &n), PITH_NULL);
    IS(pith_tls_write_early(NULL, buffer, 1, &n), PITH_NULL);
    IS(pith_tls_transmit(NULL, buffer, 1, &n), PITH_NULL);
    IS(pith_tls_open(NULL, buffer, 1, NULL, NULL), PITH_NULL);
    IS(pith_tls_seal(NULL, buffer, 1, &n, buffer, 0, &n), PITH_NULL);
    IS(pith_tls_eof(NULL), PITH_NULL);
    IS(pith_tls_close(NULL), PITH_NULL);
    IS(pith_tls_update_keys(NULL, 0), PITH_NULL);
    IS(pith_tls_issue_tickets(NULL, 1, NULL), PITH_NULL);
    IS(pith_tls_remember(NULL, buffer, 1), PITH_NULL);
    IS(pith_tls_export_early(NULL, text("l"), text("c"), buffer, 1), PITH_NULL);
    IS(pith_tls_info(NULL, NULL), PITH_NULL);
    PITH_INIT(status);
    IS(pith_tls_get_status(NULL, &status), PITH_NULL);
    CHECK(pith_tls_error(NULL) == NULL);
    pith_tls_free(NULL);
}

int main(int argc, char **argv)
{
    pith_client_options co;
    pith_server_options so;
    pith_bytes protocol = text("hello");
    size_t piece;
    CHECK(argc == 2);
    folder = argv[1];
    PITH_INIT(co);
    PITH_INIT(so);
    co.alpn = so.alpn = &protocol;
    co.alpn_count = so.alpn_count = 1;
    co.keep_peer_chain = 1;
    clients = client_config(&co);
    servers = server_config(&so);
    a_life();
    for (piece = 1; piece < 1500; piece = piece * 3 + 1)
        in_pieces(piece);
    failures();
    null_everywhere();
    pith_client_config_free(clients);
    pith_server_config_free(servers);
    return 0;
}
