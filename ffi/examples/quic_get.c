/* Gets a file over QUIC by its own UDP socket: quic_get HOST PORT /PATH CA.pem
 * The protocol is HTTP/0.9 on a stream (hq-interop), as `pith server --quic --hq --root DIR` speaks it. The file goes to the standard output.
 * cc quic_get.c $(pkg-config --cflags --libs pith) */
#include "net.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <time.h>

static int status_of(int32_t status, const char *text)
{
    if (status < 0)
        fprintf(stderr, "%s: %s\n", pith_status_name(status), text ? text : "no more is known");
    return status < 0;
}

static uint64_t micros(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static pith_time time_now(void)
{
    pith_time now;
    now.monotonic_us = micros(CLOCK_MONOTONIC);
    now.unix_us = micros(CLOCK_REALTIME);
    return now;
}

/* The peer's address as libpith has it. The socket is connected, so it is the same for all. */
static pith_address peer_of(int fd)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } from;
    socklen_t len = sizeof from;
    pith_address address;
    memset(&address, 0, sizeof address);
    memset(&from, 0, sizeof from);
    if (getpeername(fd, &from.any, &len) == 0 && from.any.sa_family == AF_INET) {
        address.family = PITH_ADDRESS_IPV4;
        address.port = ntohs(from.v4.sin_port);
        memcpy(address.ip, &from.v4.sin_addr, 4);
    } else if (from.any.sa_family == AF_INET6) {
        address.family = PITH_ADDRESS_IPV6;
        address.port = ntohs(from.v6.sin6_port);
        address.scope = from.v6.sin6_scope_id;
        memcpy(address.ip, &from.v6.sin6_addr, 16);
    }
    return address;
}

/* Sends all that is to be sent now. What the network loses, QUIC sends again. */
static void flush(pith_quic *quic, int fd)
{
    static uint8_t buffer[16 * PITH_QUIC_DATAGRAM];
    pith_quic_batch batch;
    pith_time now = time_now();
    PITH_INIT(batch);
    while (pith_quic_transmit(quic, buffer, sizeof buffer, &batch, &now) == PITH_OK) {
        size_t at;
        for (at = 0; at < batch.len; at += batch.segment) {
            size_t len = batch.len - at < batch.segment ? batch.len - at : batch.segment;
            if (send(fd, buffer + at, len, MSG_NOSIGNAL) < 0)
                perror("send");
        }
    }
}

/* Waits for a datagram, as long as nothing is due, and hands what there is to the connection. */
static void receive(pith_quic_endpoint *endpoint, pith_quic *quic, int fd, const pith_address *peer)
{
    static uint8_t bytes[65536], reply[PITH_QUIC_DATAGRAM];
    pith_quic_routed routed;
    uint64_t due;
    struct pollfd wait = { fd, POLLIN, 0 };
    int ms = -1;
    ssize_t len;
    pith_time now = time_now();
    PITH_INIT(routed);
    if (pith_quic_deadline(quic, &due) == PITH_OK) {
        uint64_t left = due > now.monotonic_us ? (due - now.monotonic_us + 999) / 1000 : 0;
        ms = left > 1000000 ? 1000000 : (int)left;
    }
    poll(&wait, 1, ms);
    now = time_now();
    while ((len = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT)) > 0)
        if (pith_quic_endpoint_receive(endpoint, peer, NULL, 0, bytes, (size_t)len, reply,
                                       sizeof reply, &routed, &now) == PITH_OK &&
            routed.kind == PITH_ROUTED_CONNECTION)
            pith_quic_receive(quic, &now);
    pith_quic_on_deadline(quic, &now);
}

/* Opens the stream, asks, and writes what comes. Positive while more is to come. */
static int32_t serve(pith_quic *quic, const char *path, uint64_t *stream)
{
    static uint8_t bytes[65536];
    pith_quic_event event;
    size_t n;
    int32_t status = PITH_WANT_INPUT;
    PITH_INIT(event);
    while (pith_quic_next_event(quic, &event) == PITH_OK) {
        if (event.kind == PITH_EVENT_CLOSED)
            return event.status;
        if (event.kind == PITH_EVENT_CONNECTED) {
            char request[1024];
            int len = snprintf(request, sizeof request, "GET %s\r\n", path);
            if (len < 0 || len >= (int)sizeof request)
                return PITH_ARGUMENT;
            if ((status = pith_quic_open_stream(quic, 0, stream)) != PITH_OK ||
                (status = pith_quic_write(quic, *stream, (uint8_t *)request, (size_t)len, &n)) !=
                    PITH_OK ||
                (status = pith_quic_finish(quic, *stream)) != PITH_OK)
                return status < 0 ? status : PITH_MISUSE;
        }
        if (event.kind == PITH_EVENT_READABLE && event.stream == *stream) {
            do {
                status = pith_quic_read(quic, *stream, bytes, sizeof bytes, &n);
                fwrite(bytes, 1, n, stdout);
            } while (status == PITH_OK);
            if (status != PITH_WANT_INPUT)
                return status;
        }
    }
    return PITH_WANT_INPUT;
}

int main(int argc, char **argv)
{
    static uint8_t pem[1 << 20];
    static const pith_bytes hq = { (const uint8_t *)"hq-interop", 10 };
    char why[256] = "usage: quic_get HOST PORT /PATH CA.pem";
    pith_trust_options trusted;
    pith_client_options options;
    pith_quic_options transport;
    pith_trust *trust = NULL;
    pith_client_config *tls = NULL;
    pith_quic_client_config *config = NULL;
    pith_quic_endpoint *endpoint = NULL;
    pith_quic *quic = NULL;
    pith_info info;
    pith_address peer;
    pith_time now = time_now();
    uint64_t stream = UINT64_MAX;
    int32_t status = PITH_ARGUMENT;
    int fd = -1;

    PITH_INIT(trusted);
    PITH_INIT(options);
    PITH_INIT(transport);
    PITH_INIT(info);
    options.alpn = &hq;
    options.alpn_count = 1;
    transport.no_ecn = 1; /* send() cannot set the mark */
    if (argc == 5 && (trusted.roots_pem = read_file(argv[4], pem, sizeof pem)).len > 0)
        status = pith_trust_new(&trust, &trusted, why, sizeof why);
    options.trust = trust;
    if (status == PITH_OK)
        status = pith_client_config_new(&tls, &options, why, sizeof why);
    if (status == PITH_OK)
        status = pith_quic_client_config_new(&config, tls, &transport, why, sizeof why);
    if (status == PITH_OK)
        status = pith_quic_endpoint_new(&endpoint, NULL, &now, why, sizeof why);
    if (status == PITH_OK && (fd = connect_by(argv[1], argv[2], SOCK_DGRAM)) < 0) {
        perror("no socket");
        status = PITH_IO;
    } else if (status == PITH_OK) {
        peer = peer_of(fd);
        status = pith_quic_connect(&quic, endpoint, config, argv[1], &peer, NULL, NULL, &now, why,
                                   sizeof why);
    }
    if (!status_of(status, why)) {
        do {
            flush(quic, fd);
            receive(endpoint, quic, fd, &peer);
            status = serve(quic, argv[3], &stream);
        } while (status > 0 && status != PITH_END);
        if (status == PITH_END && pith_quic_info(quic, &info) == PITH_OK)
            fprintf(stderr, "%s\n", pith_group_name(info.group));
        status_of(status, pith_quic_error(quic));
        now = time_now();
        pith_quic_close(quic, 0, NULL, 0, &now);
        flush(quic, fd); /* what it closes by, once: a lost one is made up for by the peer's timeout */
    }
    if (fd >= 0)
        close(fd);
    pith_quic_free(quic);
    pith_quic_endpoint_free(endpoint);
    pith_quic_client_config_free(config);
    pith_client_config_free(tls);
    pith_trust_free(trust);
    return status == PITH_END && fflush(stdout) == 0 ? 0 : 1;
}
