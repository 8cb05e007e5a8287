/* An HTTP server that is libevent's own (evhttp), over TLS by libpith: http_server PORT CHAIN.pem KEY.pem
 * It gives back what it is sent, and says hello to those who send nothing, until somebody asks for /stop.
 * cc http_server.c pith_bufferevent.c $(pkg-config --cflags --libs pith libevent) */
#include "net.h"
#include "pith_bufferevent.h"
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <signal.h>
#include <stdlib.h>

static struct event_base *base;

/* What evhttp reads and writes for a client that has come. */
static struct bufferevent *on_client(struct event_base *on, void *config)
{
    struct bufferevent *under = bufferevent_socket_new(on, -1, BEV_OPT_CLOSE_ON_FREE);
    pith_tls *tls;
    pith_tls_server(&tls, config);
    return pith_bufferevent_new(under, tls); /* evhttp sets the descriptor */
}

/* evhttp closes sockets without a word. */
static void on_end(struct evhttp_connection *connection, void *arg)
{
    (void)arg;
    pith_bufferevent_close(evhttp_connection_get_bufferevent(connection));
}

static void on_request(struct evhttp_request *request, void *arg)
{
    struct evbuffer *body = evhttp_request_get_input_buffer(request);
    (void)arg;
    evhttp_connection_set_closecb(evhttp_request_get_connection(request), on_end, NULL);
    if (evbuffer_get_length(body) == 0)
        evbuffer_add_printf(body, "hello from libpith\n");
    evhttp_send_reply(request, HTTP_OK, "OK", body);
    if (strcmp(evhttp_request_get_uri(request), "/stop") == 0) {
        struct timeval soon = { 0, 200000 };
        event_base_loopexit(base, &soon);
    }
}

int main(int argc, char **argv)
{
    static uint8_t chain[1 << 16], key[1 << 16];
    char why[256] = "usage: http_server PORT CHAIN.pem KEY.pem";
    pith_identity_options shown;
    pith_server_options options;
    pith_identity *identity = NULL;
    pith_server_config *config = NULL;
    const pith_identity *identities[1];
    struct evhttp *http = NULL;

    PITH_INIT(shown);
    PITH_INIT(options);
    signal(SIGPIPE, SIG_IGN); /* libevent writes to sockets as to files */
    if (argc == 4) {
        shown.chain_pem = read_file(argv[2], chain, sizeof chain);
        shown.key_pem = read_file(argv[3], key, sizeof key);
        pith_identity_new(&identity, &shown, why, sizeof why);
    }
    identities[0] = identity;
    options.identities = identities;
    options.identity_count = 1;
    if (identity == NULL || pith_server_config_new(&config, &options, why, sizeof why) != PITH_OK) {
        fprintf(stderr, "%s\n", why);
    } else if ((base = event_base_new()) != NULL && (http = evhttp_new(base)) != NULL) {
        evhttp_set_bevcb(http, on_client, config);
        evhttp_set_gencb(http, on_request, NULL);
        if (evhttp_bind_socket(http, "127.0.0.1", (uint16_t)atoi(argv[1])) == 0)
            event_base_dispatch(base);
        evhttp_free(http);
        event_base_loop(base, EVLOOP_NONBLOCK); /* which frees what is left of its clients */
    }
    if (base != NULL)
        event_base_free(base);
    pith_server_config_free(config);
    pith_identity_free(identity);
    return http == NULL;
}
