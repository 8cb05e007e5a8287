/* A TLS client that moves the bytes by itself, as any event loop would: client_buffers HOST PORT CA.pem
 * Sends a request and shows the answer. cc client_buffers.c $(pkg-config --cflags --libs pith) */
#include "net.h"

int main(int argc, char **argv)
{
    static uint8_t pem[1 << 20];
    uint8_t bytes[PITH_RECORD_MAX];
    char why[256] = "usage: client_buffers HOST PORT CA.pem";
    pith_trust_options trusted;
    pith_client_options options;
    pith_trust *trust = NULL;
    pith_client_config *config = NULL;
    pith_tls *tls = NULL;
    pith_info info;
    pith_tls_status stands;
    size_t n;
    int fd = -1, status = PITH_ARGUMENT;

    PITH_INIT(trusted);
    PITH_INIT(options);
    PITH_INIT(info);
    PITH_INIT(stands);
    if (argc == 4 && (trusted.roots_pem = read_file(argv[3], pem, sizeof pem)).len > 0)
        status = pith_trust_new(&trust, &trusted, why, sizeof why);
    options.trust = trust;
    if (status == PITH_OK)
        status = pith_client_config_new(&config, &options, why, sizeof why);
    if (status == PITH_OK)
        status = pith_tls_client(&tls, config, argv[1], NULL, why, sizeof why);
    if (status == PITH_OK && (fd = connect_to(argv[1], argv[2])) >= 0) {
        do
            status = pump(tls, fd);
        while (status >= 0 && pith_tls_get_status(tls, &stands) == PITH_OK &&
               stands.receiving == PITH_HANDSHAKING);
        if (pith_tls_info(tls, &info) == PITH_OK)
            fprintf(stderr, "%s\n", pith_group_name(info.group));
        if (status >= 0)
            status = pith_tls_write(tls, (const uint8_t *)"GET / HTTP/1.0\r\n\r\n", 18, &n);
        while (status >= 0) {
            while ((status = pith_tls_read(tls, bytes, sizeof bytes, &n)) == PITH_OK)
                fwrite(bytes, 1, n, stdout);
            if (status != PITH_WANT_INPUT)
                break;
            status = pump(tls, fd);
        }
        if (status == PITH_END && pith_tls_close(tls) == PITH_OK)
            send_waiting(tls, fd);
        close(fd);
    }
    if (status < 0)
        fprintf(stderr, "%s\n", pith_tls_error(tls) ? pith_tls_error(tls) : why);
    pith_tls_free(tls);
    pith_client_config_free(config);
    pith_trust_free(trust);
    return status == PITH_END ? 0 : 1;
}
