/* A TLS server that answers one client after the other: server PORT CHAIN.pem KEY.pem [COUNT]
 * It shows the descriptor helpers, which send and receive by themselves. cc server.c $(pkg-config --cflags --libs pith) */
#include <netinet/in.h>
#include <stdlib.h>

#include "net.h"

static int listen_on(int port)
{
    struct sockaddr_in here;
    int on = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
    memset(&here, 0, sizeof here);
    here.sin_family = AF_INET;
    here.sin_port = htons((uint16_t)port);
    here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    return bind(fd, (struct sockaddr *)&here, sizeof here) == 0 && listen(fd, 16) == 0 ? fd : -1;
}

int main(int argc, char **argv)
{
    static uint8_t chain[1 << 16], key[1 << 16];
    uint8_t request[1024];
    char why[256] = "usage: server PORT CHAIN.pem KEY.pem [COUNT]";
    pith_identity_options shown;
    pith_server_options options;
    pith_identity *identity = NULL;
    pith_server_config *config = NULL;
    const pith_identity *identities[1];
    size_t n;
    int port = argc >= 4 ? listen_on(atoi(argv[1])) : -1, count = argc == 5 ? atoi(argv[4]) : -1;

    PITH_INIT(shown);
    PITH_INIT(options);
    if (port >= 0) {
        shown.chain_pem = read_file(argv[2], chain, sizeof chain);
        shown.key_pem = read_file(argv[3], key, sizeof key);
        pith_identity_new(&identity, &shown, why, sizeof why);
    }
    identities[0] = identity;
    options.identities = identities;
    options.identity_count = 1;
    if (!identity || pith_server_config_new(&config, &options, why, sizeof why) != PITH_OK) {
        fprintf(stderr, "%s\n", why);
        return 1;
    }
    while (count-- != 0) { /* one bad client never stops it */
        pith_tls *tls;
        int fd = accept(port, NULL, NULL), status = pith_tls_server(&tls, config);
        if (status == PITH_OK)
            status = pith_fd_handshake(tls, fd);
        if (status == PITH_OK)
            status = pith_fd_read(tls, fd, request, sizeof request, &n);
        if (status == PITH_OK)
            status = pith_fd_write(tls, fd, (const uint8_t *)"HTTP/1.0 200 OK\r\n\r\nhello from libpith\n", 38, &n);
        if (status == PITH_OK)
            status = pith_fd_close(tls, fd);
        if (status < 0)
            fprintf(stderr, "%s\n", pith_tls_error(tls));
        pith_tls_free(tls);
        close(fd);
    }
    pith_server_config_free(config);
    pith_identity_free(identity);
    close(port);
    return 0;
}
