/* Sockets, for the examples: what has nothing to do with TLS, and the one loop that has. */
#include <netdb.h>
#include <pith.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

static inline pith_bytes read_file(const char *path, uint8_t *space, size_t size)
{
    FILE *file = fopen(path, "rb");
    pith_bytes bytes = { space, file ? fread(space, 1, size, file) : 0 };
    if (file)
        fclose(file);
    return bytes;
}

static inline int connect_by(const char *host, const char *port, int type)
{
    struct addrinfo hints, *list = NULL, *one;
    int fd = -1;
    memset(&hints, 0, sizeof hints);
    hints.ai_socktype = type;
    if (getaddrinfo(host, port, &hints, &list) != 0)
        return -1;
    for (one = list; one != NULL && fd < 0; one = one->ai_next) {
        fd = socket(one->ai_family, one->ai_socktype, one->ai_protocol);
        if (fd >= 0 && connect(fd, one->ai_addr, one->ai_addrlen) != 0) {
            close(fd);
            fd = -1;
        }
    }
    freeaddrinfo(list);
    return fd;
}

static inline int connect_to(const char *host, const char *port)
{
    return connect_by(host, port, SOCK_STREAM);
}

/* Sends all that waits. */
static inline int send_waiting(pith_tls *tls, int fd)
{
    uint8_t bytes[PITH_RECORD_MAX];
    size_t n, at;
    ssize_t sent;
    while (pith_tls_transmit(tls, bytes, sizeof bytes, &n) == PITH_OK && n > 0)
        for (at = 0; at < n; at += (size_t)sent)
            if ((sent = send(fd, bytes + at, n - at, MSG_NOSIGNAL)) <= 0)
                return PITH_IO;
    return PITH_OK;
}

/* Sends what waits, receives once and hands all of it over; plaintext is left to be read where some stops it. What is not taken is kept. */
static inline int pump(pith_tls *tls, int fd)
{
    static uint8_t bytes[PITH_RECORD_MAX];
    static size_t at, len;
    size_t taken;
    int status = send_waiting(tls, fd);
    if (status == PITH_OK && at == len) {
        ssize_t got = recv(fd, bytes, sizeof bytes, 0);
        at = 0;
        len = got > 0 ? (size_t)got : 0;
        if (len == 0)
            return pith_tls_eof(tls);
    }
    if (status == PITH_OK) {
        status = pith_tls_receive(tls, bytes + at, len - at, &taken, NULL);
        at += taken;
    }
    send_waiting(tls, fd); /* after an error, the alert */
    return status;
}
