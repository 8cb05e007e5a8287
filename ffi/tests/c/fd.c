/* The descriptor helpers: over a pair of sockets that do not block, turn by turn; over one that blocks, by two threads; over what is no good. */
#include "check.h"
#include <fcntl.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

static pith_client_config *clients;
static pith_server_config *servers;
static uint8_t big[1 << 20];

static void pair(int fds[2], int blocks)
{
    int i;
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
    for (i = 0; i < 2 && !blocks; i++)
        CHECK(fcntl(fds[i], F_SETFL, O_NONBLOCK) == 0);
}

static void turn_by_turn(void)
{
    static uint8_t got[sizeof big];
    int fds[2];
    size_t n, written = 0, read = 0, waited = 0;
    int32_t one = PITH_WANT_INPUT, other = PITH_WANT_INPUT;
    pith_tls *c = client(clients, NULL), *s = server(servers);
    pair(fds, 0);
    IS(pith_fd_read(c, fds[0], got, 5, &n), PITH_WANT_INPUT);
    IS(pith_fd_write(c, fds[0], big, 5, &n), PITH_WANT_INPUT);
    while (one != PITH_OK || other != PITH_OK) {
        one = pith_fd_handshake(c, fds[0]);
        other = pith_fd_handshake(s, fds[1]);
        CHECK(one >= 0 && other >= 0);
    }
    while (read < sizeof big) {
        int32_t status = pith_fd_write(c, fds[0], big + written, sizeof big - written, &n);
        CHECK(status == PITH_OK || status == PITH_WANT_OUTPUT);
        waited += status == PITH_WANT_OUTPUT;
        written += n;
        while ((status = pith_fd_read(s, fds[1], got + read, sizeof got - read, &n)) == PITH_OK &&
               n > 0)
            read += n;
        CHECK(status == PITH_WANT_INPUT || read == sizeof big);
    }
    CHECK(waited > 0 && memcmp(got, big, sizeof big) == 0);
    IS(pith_fd_close(c, fds[0]), PITH_OK);
    IS(pith_fd_write(c, fds[0], big, 5, &n), PITH_MISUSE);
    IS(pith_fd_read(s, fds[1], got, 5, &n), PITH_END);
    IS(pith_fd_read(s, fds[1], got, 5, &n), PITH_END);
    /* The other direction is open still. */
    IS(pith_fd_write(s, fds[1], big, 5, &n), PITH_OK);
    IS(pith_fd_read(c, fds[0], got, 50, &n), PITH_OK);
    CHECK(n == 5);
    /* And is cut off. */
    close(fds[1]);
    IS(pith_fd_read(c, fds[0], got, 50, &n), PITH_TRUNCATED);
    IS(pith_fd_handshake(c, fds[0]), PITH_TRUNCATED);
    close(fds[0]);
    pith_tls_free(c);
    pith_tls_free(s);
}

static void *echo(void *fd)
{
    uint8_t bytes[1000];
    size_t n, taken;
    int32_t status;
    pith_tls *s = server(servers);
    IS(pith_fd_handshake(s, *(int *)fd), PITH_OK);
    while ((status = pith_fd_read(s, *(int *)fd, bytes, sizeof bytes, &n)) == PITH_OK) {
        IS(pith_fd_write(s, *(int *)fd, bytes, n, &taken), PITH_OK);
        CHECK(taken == n);
    }
    CHECK(status == PITH_END);
    IS(pith_fd_close(s, *(int *)fd), PITH_OK);
    pith_tls_free(s);
    return NULL;
}

static void blocking(void)
{
    uint8_t got[5000];
    int fds[2];
    size_t n, read = 0;
    pthread_t thread;
    pith_tls *c = client(clients, NULL);
    pair(fds, 1);
    CHECK(pthread_create(&thread, NULL, echo, fds + 1) == 0);
    IS(pith_fd_handshake(c, fds[0]), PITH_OK);
    IS(pith_fd_write(c, fds[0], big, sizeof got, &n), PITH_OK);
    CHECK(n == sizeof got);
    while (read < sizeof got) {
        IS(pith_fd_read(c, fds[0], got + read, sizeof got - read, &n), PITH_OK);
        read += n;
    }
    CHECK(memcmp(got, big, sizeof got) == 0);
    IS(pith_fd_close(c, fds[0]), PITH_OK);
    IS(pith_fd_read(c, fds[0], got, 5, &n), PITH_END);
    CHECK(pthread_join(thread, NULL) == 0);
    close(fds[0]);
    close(fds[1]);
    pith_tls_free(c);
}

static void no_good(void)
{
    uint8_t bytes[16] = { 0 };
    int fds[2];
    size_t n;
    pith_tls *c = client(clients, NULL), *s = server(servers);
    IS(pith_fd_handshake(c, -1), PITH_ARGUMENT);
    IS(pith_fd_handshake(NULL, 0), PITH_NULL);
    IS(pith_fd_read(NULL, 0, bytes, 5, &n), PITH_NULL);
    IS(pith_fd_write(NULL, 0, bytes, 5, &n), PITH_NULL);
    IS(pith_fd_close(NULL, 0), PITH_NULL);
    IS(pith_fd_close(c, -1), PITH_ARGUMENT);
    pair(fds, 0);
    IS(pith_fd_read(c, fds[0], NULL, 5, &n), PITH_NULL);
    IS(pith_fd_read(c, fds[0], bytes, 5, NULL), PITH_NULL);
    IS(pith_fd_write(c, fds[0], NULL, 5, &n), PITH_NULL);
    IS(pith_fd_write(c, fds[0], bytes, 5, NULL), PITH_NULL);
    /* The peer is gone: an error, and no SIGPIPE. */
    close(fds[1]);
    IS(pith_fd_handshake(c, fds[0]), PITH_IO);
    CHECK(strstr(pith_tls_error(c), "socket") != NULL);
    close(fds[0]);
    pith_tls_free(c);
    /* The peer speaks no TLS: it gets the alert, this side the error, time and again. */
    pair(fds, 0);
    CHECK(send(fds[0], "GET / HTTP/1.1\r\n", 16, 0) == 16);
    IS(pith_fd_handshake(s, fds[1]), PITH_PEER);
    IS(pith_fd_handshake(s, fds[1]), PITH_PEER);
    CHECK(recv(fds[0], bytes, sizeof bytes, 0) == 7 && bytes[0] == 21);
    close(fds[0]);
    close(fds[1]);
    pith_tls_free(s);
}

int main(int argc, char **argv)
{
    pith_client_options co;
    pith_server_options so;
    size_t i;
    CHECK(argc == 2);
    folder = argv[1];
    for (i = 0; i < sizeof big; i++)
        big[i] = (uint8_t)(i * 13 + i / 241);
    PITH_INIT(co);
    PITH_INIT(so);
    clients = client_config(&co);
    servers = server_config(&so);
    turn_by_turn();
    blocking();
    no_good();
    pith_client_config_free(clients);
    pith_server_config_free(servers);
    return 0;
}
