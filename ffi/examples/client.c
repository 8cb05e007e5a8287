/* A TLS client over its own socket: client HOST PORT CA.pem. cc client.c $(pkg-config --cflags --libs pith) */
#include "net.h"

int main(int argc, char **argv)
{
    static uint8_t pem[1 << 20], page[1 << 14];
    char why[256] = "usage: client HOST PORT CA.pem, where a server listens";
    pith_trust_options trusted;
    pith_client_options options;
    pith_trust *trust = NULL;
    pith_client_config *config = NULL;
    pith_tls *tls = NULL;
    size_t n;
    int status = PITH_IO, fd = argc == 4 ? connect_to(argv[1], argv[2]) : -1;

    PITH_INIT(trusted);
    PITH_INIT(options);
    if (fd >= 0) {
        trusted.roots_pem = read_file(argv[3], pem, sizeof pem);
        status = pith_trust_new(&trust, &trusted, why, sizeof why);
    }
    options.trust = trust;
    if (status == PITH_OK)
        status = pith_client_config_new(&config, &options, why, sizeof why);
    if (status == PITH_OK)
        status = pith_tls_client(&tls, config, argv[1], NULL, why, sizeof why);
    if (status == PITH_OK)
        status = pith_fd_handshake(tls, fd);
    if (status == PITH_OK)
        status = pith_fd_write(tls, fd, (const uint8_t *)"GET / HTTP/1.0\r\n\r\n", 18, &n);
    while (status == PITH_OK && (status = pith_fd_read(tls, fd, page, sizeof page, &n)) == PITH_OK)
        fwrite(page, 1, n, stdout);
    if (status != PITH_END) /* which is the end of the page: anything else may cut it short */
        fprintf(stderr, "%s\n", pith_tls_error(tls) ? pith_tls_error(tls) : why);
    pith_tls_free(tls);
    pith_client_config_free(config);
    pith_trust_free(trust);
    close(fd);
    return status == PITH_END ? 0 : 1;
}
