/* An HTTP client that is libevent's own (evhttp), over TLS by libpith: http_get HOST PORT /PATH CA.pem [FILE]
 * The answer goes to the standard output. With a file, that is sent by PUT.
 * cc http_get.c pith_bufferevent.c $(pkg-config --cflags --libs pith libevent) */
#include "net.h"
#include "pith_bufferevent.h"
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>

static struct event_base *base;
static int code;

static void on_chunk(struct evhttp_request *request, void *arg)
{
    struct evbuffer *body = evhttp_request_get_input_buffer(request);
    (void)arg;
    while (evbuffer_get_length(body) > 0) {
        size_t len = evbuffer_get_contiguous_space(body);
        fwrite(evbuffer_pullup(body, (ev_ssize_t)len), 1, len, stdout);
        evbuffer_drain(body, len);
    }
}

static void on_done(struct evhttp_request *request, void *arg)
{
    pith_tls *tls = pith_bufferevent_tls(arg);
    const char *error = pith_tls_error(tls);
    pith_info info;
    PITH_INIT(info);
    if (error == NULL && pith_tls_info(tls, &info) == PITH_OK)
        fprintf(stderr, "%s\n", pith_group_name(info.group));
    if (request != NULL)
        code = evhttp_request_get_response_code(request);
    if (error != NULL || code == 0)
        fprintf(stderr, "%s\n", error ? error : "no answer came");
    event_base_loopbreak(base);
}

static int fetch(pith_tls *tls, char **argv)
{
    struct bufferevent *under = bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE);
    struct bufferevent *bev = pith_bufferevent_new(under, tls);
    struct evhttp_connection *connection =
        evhttp_connection_base_bufferevent_new(base, NULL, bev, argv[1], (uint16_t)atoi(argv[2]));
    struct evhttp_request *request = evhttp_request_new(on_done, bev);
    struct evkeyvalq *headers = evhttp_request_get_output_headers(request);
    int file = argv[5] ? open(argv[5], O_RDONLY) : -1;
    struct stat about;

    evhttp_request_set_chunked_cb(request, on_chunk);
    evhttp_add_header(headers, "Host", argv[1]);
    evhttp_add_header(headers, "Connection", "close");
    if (file >= 0 && fstat(file, &about) == 0) /* the buffer closes it */
        evbuffer_add_file(evhttp_request_get_output_buffer(request), file, 0, about.st_size);
    if (evhttp_make_request(connection, request, argv[5] ? EVHTTP_REQ_PUT : EVHTTP_REQ_GET,
                            argv[3]) == 0)
        event_base_dispatch(base);
    evhttp_connection_free(connection);
    event_base_loop(base, EVLOOP_NONBLOCK); /* which frees what is below */
    return code >= 200 && code < 300 && fflush(stdout) == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    static uint8_t pem[1 << 20];
    char why[256] = "usage: http_get HOST PORT /PATH CA.pem [FILE]";
    pith_trust_options trusted;
    pith_client_options options;
    pith_trust *trust = NULL;
    pith_client_config *config = NULL;
    pith_tls *tls = NULL;
    int status = PITH_ARGUMENT, ended = 1;

    PITH_INIT(trusted);
    PITH_INIT(options);
    signal(SIGPIPE, SIG_IGN); /* libevent writes to sockets as to files */
    if ((argc == 5 || argc == 6) && (trusted.roots_pem = read_file(argv[4], pem, sizeof pem)).len > 0)
        status = pith_trust_new(&trust, &trusted, why, sizeof why);
    options.trust = trust;
    if (status == PITH_OK)
        status = pith_client_config_new(&config, &options, why, sizeof why);
    if (status == PITH_OK)
        status = pith_tls_client(&tls, config, argv[1], NULL, why, sizeof why);
    if (status != PITH_OK) {
        fprintf(stderr, "%s\n", why);
    } else if ((base = event_base_new()) != NULL) {
        ended = fetch(tls, argv);
        event_base_free(base);
    }
    pith_client_config_free(config);
    pith_trust_free(trust);
    return ended;
}
