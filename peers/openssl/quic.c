/* OpenSSL as a peer of Pith's interop tests over QUIC. `peers/program/src/files.rs` says what it is told and what it says. */

#include <arpa/inet.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/quic.h>
#include <openssl/ssl.h>

enum { MOST_STREAMS = 4096, MOST_CONNECTIONS = 256, LIMIT = 60 };

static void fail(const char *format, ...)
{
    va_list arguments;
    unsigned long code = ERR_peek_error();

    va_start(arguments, format);
    printf("error ");
    vprintf(format, arguments);
    va_end(arguments);
    printf(": %s\n", code == 0 ? "no more is known" : ERR_error_string(code, NULL));
    exit(1);
}

/* Options: a name and a value, in turn. */

static int option_count;
static char **options;

static const char *option(const char *name)
{
    for (int at = 0; at + 1 < option_count; at += 2)
        if (strcmp(options[at] + 2, name) == 0)
            return options[at + 1];
    return NULL;
}

static const char *needed(const char *name)
{
    const char *value = option(name);

    if (value == NULL)
        fail("no --%s", name);
    return value;
}

static void only(const char *known)
{
    for (int at = 0; at < option_count; at += 2) {
        char name[64];

        if (strncmp(options[at], "--", 2) != 0 || at + 1 == option_count)
            fail("an option has two dashes, and a value");
        snprintf(name, sizeof(name), " %s ", options[at] + 2);
        if (strstr(known, name) == NULL)
            fail("no option %s", options[at]);
    }
}

/* One request on a stream. */

struct transfer {
    SSL *stream;
    SSL *connection;
    /* The request and then the file of a server; what a client has got. */
    unsigned char *bytes;
    size_t length, room, sent;
    int answering;
    const char *name;
};

static void append(struct transfer *transfer, const unsigned char *bytes, size_t count)
{
    if (transfer->length + count > transfer->room) {
        transfer->room = 2 * (transfer->length + count);
        transfer->bytes = realloc(transfer->bytes, transfer->room);
        if (transfer->bytes == NULL)
            fail("no memory");
    }
    memcpy(transfer->bytes + transfer->length, bytes, count);
    transfer->length += count;
}

static void end_transfer(struct transfer *transfer)
{
    SSL_free(transfer->stream);
    free(transfer->bytes);
    memset(transfer, 0, sizeof(*transfer));
}

/* Reads what there is. Returns whether that is all, and -1 if the stream or the connection has ended otherwise. */
static int read_more(struct transfer *transfer)
{
    unsigned char buffer[16384];
    size_t count;

    for (;;) {
        ERR_clear_error();
        if (SSL_read_ex(transfer->stream, buffer, sizeof(buffer), &count)) {
            append(transfer, buffer, count);
            continue;
        }
        switch (SSL_get_error(transfer->stream, 0)) {
        case SSL_ERROR_WANT_READ:
        case SSL_ERROR_WANT_WRITE:
            return 0;
        case SSL_ERROR_ZERO_RETURN:
            return 1;
        default:
            return -1;
        }
    }
}

/* What both roles have. */

static unsigned char alpn[256];
static unsigned int alpn_length;

static SSL_CTX *context(const SSL_METHOD *method)
{
    SSL_CTX *ctx = SSL_CTX_new(method);
    const char *name = option("alpn") ? option("alpn") : "hq-interop";

    if (ctx == NULL || strlen(name) > 255)
        fail("context");
    alpn[0] = (unsigned char)strlen(name);
    memcpy(alpn + 1, name, alpn[0]);
    alpn_length = alpn[0] + 1u;
    if (option("groups") != NULL && !SSL_CTX_set1_groups_list(ctx, option("groups")))
        fail("groups");
    if (option("suite") != NULL && !SSL_CTX_set_ciphersuites(ctx, option("suite")))
        fail("suite");
    return ctx;
}

/* With the number of its connection before each fact of a server's. */
static void tell(SSL *connection, const char *number)
{
    printf("%sgroup %s\n", number, SSL_get0_group_name(connection));
    printf("%ssuite %s\n", number, SSL_get_cipher_name(connection));
    printf("%sresumed %s\n", number, SSL_session_reused(connection) ? "true" : "false");
}

/* Changes keys, once that is possible: when the handshake is confirmed. Returns whether there is nothing more to do. */
static int update(SSL *connection, const char *number)
{
    if (option("update") == NULL)
        return 1;
    if (!SSL_key_update(connection, SSL_KEY_UPDATE_REQUESTED)) {
        ERR_clear_error();
        return 0;
    }
    printf("%supdated\n", number);
    return 1;
}

static void no_streams_of_its_own(SSL *connection)
{
    if (!SSL_set_default_stream_mode(connection, SSL_DEFAULT_STREAM_MODE_NONE)
        || !SSL_set_incoming_stream_policy(connection, SSL_INCOMING_STREAM_POLICY_ACCEPT, 0))
        fail("streams");
}

/* This machine: the value of --host, if it is there. */
static int is_ipv6(void)
{
    const char *host = option("host") ? option("host") : "127.0.0.1";

    if (strcmp(host, "127.0.0.1") != 0 && strcmp(host, "::1") != 0)
        fail("--host");
    return strcmp(host, "::1") == 0;
}

static int udp_socket(void)
{
    struct sockaddr_in ipv4 = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    struct sockaddr_in6 ipv6 = { .sin6_family = AF_INET6, .sin6_addr = in6addr_loopback };
    const struct sockaddr *local = is_ipv6() ? (struct sockaddr *)&ipv6 : (struct sockaddr *)&ipv4;
    int fd = socket(local->sa_family, SOCK_DGRAM | SOCK_NONBLOCK, 0);

    if (fd < 0 || bind(fd, local, is_ipv6() ? sizeof(ipv6) : sizeof(ipv4)) != 0)
        fail("socket");
    return fd;
}

/* Waits until a datagram comes, or the time that the library asks for; a tenth of a second at the most. */
static void wait_for_news(SSL *ssl, int fd)
{
    struct pollfd news = { .fd = fd, .events = POLLIN };
    struct timeval time = { 0, 100000 };
    int is_infinite = 1, wait = 100;

    if (SSL_net_write_desired(ssl))
        news.events |= POLLOUT;
    if (SSL_get_event_timeout(ssl, &time, &is_infinite) && !is_infinite && time.tv_sec == 0 && time.tv_usec < 100000)
        wait = (int)((time.tv_usec + 999) / 1000);
    poll(&news, 1, wait);
}

/* The server. */

static struct transfer transfers[MOST_STREAMS];

static struct {
    SSL *connection;
    int told, updated;
    char number[16];
} clients[MOST_CONNECTIONS];

static int choose_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_length, const unsigned char *in,
    unsigned int in_length, void *unused)
{
    (void)ssl;
    (void)unused;
    if (SSL_select_next_proto((unsigned char **)out, out_length, alpn, alpn_length, in, in_length) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    return SSL_TLSEXT_ERR_OK;
}

/* Puts the file in the place of the request for it. */
static void find_file(struct transfer *transfer)
{
    char path[4096];
    unsigned char buffer[16384];
    size_t count;
    FILE *file;

    append(transfer, (const unsigned char *)"", 1);
    transfer->bytes[strcspn((char *)transfer->bytes, "\r\n")] = 0;
    if (strncmp((char *)transfer->bytes, "GET /", 5) != 0 || strstr((char *)transfer->bytes, "..") != NULL)
        fail("not a request");
    snprintf(path, sizeof(path), "%s/%s", needed("root"), (char *)transfer->bytes + 5);
    if ((file = fopen(path, "rb")) == NULL)
        fail("no file %s", path);
    transfer->length = 0;
    while ((count = fread(buffer, 1, sizeof(buffer), file)) > 0)
        append(transfer, buffer, count);
    fclose(file);
    transfer->answering = 1;
}

static void answer(struct transfer *transfer)
{
    size_t count;
    int is_all;

    if (!transfer->answering) {
        is_all = read_more(transfer);
        if (is_all == 0)
            return;
        if (is_all < 0) {
            end_transfer(transfer);
            return;
        }
        find_file(transfer);
    }
    while (transfer->sent < transfer->length) {
        ERR_clear_error();
        if (!SSL_write_ex(transfer->stream, transfer->bytes + transfer->sent, transfer->length - transfer->sent, &count)) {
            int error = SSL_get_error(transfer->stream, 0);

            if (error != SSL_ERROR_WANT_WRITE && error != SSL_ERROR_WANT_READ)
                end_transfer(transfer);
            return;
        }
        transfer->sent += count;
    }
    if (!SSL_stream_conclude(transfer->stream, 0))
        printf("error concluding\n");
    /* What was written goes on its way without its handle. */
    end_transfer(transfer);
}

static void take_streams(SSL *connection)
{
    int at = 0;

    while (at < MOST_STREAMS) {
        if (transfers[at].stream == NULL) {
            SSL *stream = SSL_accept_stream(connection, SSL_ACCEPT_STREAM_NO_BLOCK);

            if (stream == NULL)
                return;
            SSL_set_mode(stream, SSL_MODE_ENABLE_PARTIAL_WRITE);
            transfers[at].stream = stream;
            transfers[at].connection = connection;
        }
        at++;
    }
}

static void attend(SSL *listener)
{
    SSL *connection;
    int count = 0;

    while ((connection = SSL_accept_connection(listener, SSL_ACCEPT_CONNECTION_NO_BLOCK)) != NULL) {
        while (count < MOST_CONNECTIONS && clients[count].number[0] != 0)
            count++;
        if (count == MOST_CONNECTIONS)
            fail("too many connections");
        snprintf(clients[count].number, sizeof(clients[count].number), "%d ", count);
        no_streams_of_its_own(connection);
        clients[count].connection = connection;
    }
    for (int at = 0; at < MOST_CONNECTIONS && clients[at].number[0] != 0; at++) {
        connection = clients[at].connection;
        if (connection == NULL)
            continue;
        if (!clients[at].told && SSL_is_init_finished(connection)) {
            clients[at].told = 1;
            tell(connection, clients[at].number);
        }
        if (clients[at].told && !clients[at].updated)
            clients[at].updated = update(connection, clients[at].number);
        take_streams(connection);
        if (SSL_get_shutdown(connection) != 0) {
            SSL_CONN_CLOSE_INFO info = { 0 };

            for (int number = 0; number < MOST_STREAMS; number++)
                if (transfers[number].connection == connection)
                    end_transfer(&transfers[number]);
            if (SSL_get_conn_close_info(connection, &info, sizeof(info)))
                printf("%sclosed %llu\n", clients[at].number, (unsigned long long)info.error_code);
            SSL_free(connection);
            clients[at].connection = NULL;
        }
    }
}

static void serve(void)
{
    struct sockaddr_in6 local;
    socklen_t length = sizeof(local);
    SSL_CTX *ctx = context(OSSL_QUIC_server_method());
    int fd = udp_socket();
    SSL *listener;

    if (!SSL_CTX_use_certificate_chain_file(ctx, needed("cert"))
        || !SSL_CTX_use_PrivateKey_file(ctx, needed("key"), SSL_FILETYPE_PEM))
        fail("certificate");
    SSL_CTX_set_alpn_select_cb(ctx, choose_alpn, NULL);
    listener = SSL_new_listener(ctx, option("retry") != NULL ? 0 : SSL_LISTENER_FLAG_NO_VALIDATE);
    if (listener == NULL || !SSL_set_fd(listener, fd) || !SSL_set_blocking_mode(listener, 0) || !SSL_listen(listener))
        fail("listener");
    if (getsockname(fd, (struct sockaddr *)&local, &length) != 0)
        fail("address");
    /* The port stands at the same place in an address of IPv4. */
    printf("ACCEPT %s:%d\n", is_ipv6() ? "[::1]" : "127.0.0.1", ntohs(local.sin6_port));
    for (;;) {
        SSL_handle_events(listener);
        attend(listener);
        for (int at = 0; at < MOST_STREAMS; at++)
            if (transfers[at].stream != NULL)
                answer(&transfers[at]);
        SSL_handle_events(listener);
        wait_for_news(listener, fd);
    }
}

/* The client. */

static void write_file(const char *folder, const char *name, const unsigned char *bytes, size_t length)
{
    char path[4096];
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    file = fopen(path, "wb");
    if (file == NULL || fwrite(bytes, 1, length, file) != length || fclose(file) != 0)
        fail("writing %s", path);
}

static SSL *client_connection(int fd)
{
    SSL_CTX *ctx = context(OSSL_QUIC_client_method());
    struct in_addr ipv4 = { htonl(INADDR_LOOPBACK) };
    uint16_t port = htons((uint16_t)atoi(needed("port")));
    BIO_ADDR *server = BIO_ADDR_new();
    const char *name = needed("name"), *file = option("session-in");
    SSL *ssl;

    if (!SSL_CTX_load_verify_file(ctx, needed("ca")))
        fail("root");
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    ssl = SSL_new(ctx);
    if (ssl == NULL || server == NULL
        || !(is_ipv6() ? BIO_ADDR_rawmake(server, AF_INET6, &in6addr_loopback, sizeof(in6addr_loopback), port)
                       : BIO_ADDR_rawmake(server, AF_INET, &ipv4, sizeof(ipv4), port))
        || !SSL_set_fd(ssl, fd) || !SSL_set1_initial_peer_addr(ssl, server) || !SSL_set_blocking_mode(ssl, 0)
        || SSL_set_alpn_protos(ssl, alpn, alpn_length) != 0 || !SSL_set_tlsext_host_name(ssl, name) || !SSL_set1_dnsname(ssl, name))
        fail("client");
    no_streams_of_its_own(ssl);
    if (file != NULL) {
        FILE *in = fopen(file, "rb");
        SSL_SESSION *session = in == NULL ? NULL : PEM_read_SSL_SESSION(in, NULL, NULL, NULL);

        if (session == NULL || !SSL_set_session(ssl, session))
            fail("session");
        SSL_SESSION_free(session);
        fclose(in);
    }
    BIO_ADDR_free(server);
    return ssl;
}

/* Asks for as many of the names as the server lets it. */
static void ask(SSL *ssl, char **names, size_t count, size_t *asked)
{
    while (*asked < count) {
        char request[4096];
        size_t sent, length;
        SSL *stream = SSL_new_stream(ssl, SSL_STREAM_FLAG_NO_BLOCK);

        if (stream == NULL)
            return;
        length = (size_t)snprintf(request, sizeof(request), "GET /%s\r\n", names[*asked]);
        if (!SSL_write_ex(stream, request, length, &sent) || sent != length || !SSL_stream_conclude(stream, 0))
            fail("request");
        transfers[*asked].stream = stream;
        transfers[*asked].name = names[*asked];
        ++*asked;
    }
}

static void fetch(void)
{
    int fd = udp_socket(), told = 0, updated = 0, closing = 0;
    SSL *ssl = client_connection(fd);
    char *names[MOST_STREAMS], *list = strdup(needed("get"));
    size_t count = 0, asked = 0, done = 0;
    time_t begun = time(NULL);
    const char *out = needed("out");

    for (char *name = strtok(list, " "); name != NULL; name = strtok(NULL, " ")) {
        if (count == MOST_STREAMS)
            fail("too many files");
        names[count++] = name;
    }
    for (;;) {
        if (!told) {
            int result = SSL_connect(ssl), error = SSL_get_error(ssl, result);

            if (result == 1) {
                told = 1;
                tell(ssl, "");
            } else if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) {
                fail("handshake, verified %s", X509_verify_cert_error_string(SSL_get_verify_result(ssl)));
            }
        }
        if (told && !updated)
            updated = update(ssl, "");
        if (told && !closing)
            ask(ssl, names, count, &asked);
        SSL_handle_events(ssl);
        for (size_t at = 0; at < asked; at++) {
            struct transfer *transfer = &transfers[at];

            if (transfer->stream == NULL)
                continue;
            switch (read_more(transfer)) {
            case 1:
                write_file(out, transfer->name, transfer->bytes, transfer->length);
                end_transfer(transfer);
                done++;
                break;
            case -1:
                fail("stream");
            }
        }
        if (done == count && updated && !closing) {
            SSL_SESSION *session = SSL_get1_session(ssl);

            if (option("session-out") == NULL) {
                closing = 1;
            } else if (session != NULL && SSL_SESSION_is_resumable(session)) {
                FILE *file = fopen(option("session-out"), "wb");

                if (file == NULL || !PEM_write_SSL_SESSION(file, session) || fclose(file) != 0)
                    fail("session");
                closing = 1;
            }
            SSL_SESSION_free(session);
        }
        if (closing && SSL_shutdown(ssl) != 0)
            break;
        if (time(NULL) - begun > LIMIT)
            fail("too slow");
        wait_for_news(ssl, fd);
    }
    printf("done\n");
}

int main(int count, char **arguments)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    option_count = count - 2;
    options = arguments + 2;
    if (count >= 2 && strcmp(arguments[1], "server") == 0) {
        only(" host cert key root alpn groups suite retry update ");
        serve();
    } else if (count >= 2 && strcmp(arguments[1], "client") == 0) {
        only(" host port ca name out get alpn groups suite session-in session-out update ");
        fetch();
    } else {
        fail("neither server nor client");
    }
    return 0;
}
