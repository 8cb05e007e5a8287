/* The adapter to libevent (ffi/examples/pith_bufferevent.c): two of them over a pair of sockets, in one loop. */
#include "check.h"
#include "../../examples/pith_bufferevent.h"
#include <event2/buffer.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct side {
    struct bufferevent *bev, *under;
    short events; /* all that it was told */
    size_t got, writable;
    char said[256]; /* by its error */
    int frees_on; /* the event at which it is freed; -1 stands for data */
    int holds;    /* it stops to read when something came */
} side;

static struct event_base *base;
static pith_client_config *clients;
static pith_server_config *servers;
static uint8_t big[3000000];

static void let_go(side *s)
{
    bufferevent_free(s->bev);
    s->bev = NULL;
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
    side *s = (side *)arg;
    CHECK(bev == s->bev);
    /* Nothing is told twice, and nothing after the end. */
    CHECK((s->events & what & ~(BEV_EVENT_READING | BEV_EVENT_WRITING)) == 0);
    CHECK(!(s->events & BEV_EVENT_ERROR));
    if (what == BEV_EVENT_CONNECTED)
        CHECK(standing(pith_bufferevent_tls(bev)).receiving == PITH_OPEN);
    s->events = (short)(s->events | what);
    if (what & BEV_EVENT_ERROR)
        snprintf(s->said, sizeof s->said, "%s", pith_tls_error(pith_bufferevent_tls(bev)));
    if (s->frees_on == what)
        let_go(s);
}

static void on_read(struct bufferevent *bev, void *arg)
{
    side *s = (side *)arg;
    struct evbuffer *in = bufferevent_get_input(bev);
    CHECK(s->events & BEV_EVENT_CONNECTED && !(s->events & (BEV_EVENT_EOF | BEV_EVENT_ERROR)));
    if (s->frees_on == -1) {
        let_go(s);
        return;
    }
    if (s->holds)
        bufferevent_disable(bev, EV_READ);
    while (!s->holds && evbuffer_get_length(in) > 0) {
        size_t len = evbuffer_get_contiguous_space(in);
        CHECK(s->got + len <= sizeof big);
        CHECK(memcmp(evbuffer_pullup(in, (ev_ssize_t)len), big + s->got, len) == 0);
        evbuffer_drain(in, len);
        s->got += len;
    }
}

static void on_write(struct bufferevent *bev, void *arg)
{
    side *s = (side *)arg;
    CHECK(evbuffer_get_length(bufferevent_get_output(bev)) == 0);
    CHECK(evbuffer_get_length(bufferevent_get_output(s->under)) == 0); /* it is sent */
    s->writable++;
}

static void begin(side *s, int fd, pith_tls *tls)
{
    memset(s, 0, sizeof *s);
    s->under = bufferevent_socket_new(base, fd, BEV_OPT_CLOSE_ON_FREE);
    s->bev = pith_bufferevent_new(s->under, tls);
    CHECK(s->bev != NULL && pith_bufferevent_tls(s->bev) == tls);
    bufferevent_setcb(s->bev, on_read, on_write, on_event, s);
    CHECK(bufferevent_get_enabled(s->bev) & EV_READ);
}

static void both(side *c, side *s, const pith_client_config *config)
{
    int fds[2];
    pith_tls *tls;
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
    CHECK(evutil_make_socket_nonblocking(fds[0]) == 0 && evutil_make_socket_nonblocking(fds[1]) == 0);
    IS(pith_tls_client(&tls, config, "server.example", NULL, why, sizeof why), PITH_OK);
    begin(c, fds[0], tls);
    IS(pith_tls_server(&tls, servers), PITH_OK);
    begin(s, fds[1], tls);
}

/* Goes on for much longer than it takes: all is in this process, so nothing has to be waited for. */
static void run(void)
{
    int turn;
    for (turn = 0; turn < 1500; turn++)
        event_base_loop(base, EVLOOP_NONBLOCK);
}

static void end(side *c, side *s)
{
    if (c->bev)
        let_go(c);
    if (s->bev)
        let_go(s);
    run();
}

static size_t waits(struct evbuffer *buffer)
{
    return evbuffer_get_length(buffer);
}

/* A side that does not read stops the other; what is written before the handshake, or while writing is disabled, goes too. */
static void back_pressure_and_half_closes(void)
{
    side c, s;
    both(&c, &s, clients);
    bufferevent_disable(c.bev, EV_WRITE);
    CHECK(bufferevent_write(c.bev, big, sizeof big) == 0);
    s.holds = 1;
    run();
    CHECK(c.events == BEV_EVENT_CONNECTED && s.events == BEV_EVENT_CONNECTED);
    CHECK(waits(bufferevent_get_input(s.bev)) > 0);
    CHECK(waits(bufferevent_get_input(s.bev)) < 100000);
    CHECK(waits(bufferevent_get_input(s.under)) == 0);
    CHECK(waits(bufferevent_get_output(c.bev)) > 2000000 && c.writable == 0);
    CHECK(waits(bufferevent_get_output(c.under)) < 150000);
    bufferevent_enable(c.bev, EV_WRITE);
    s.holds = 0;
    bufferevent_enable(s.bev, EV_READ);
    on_read(s.bev, &s);
    run();
    CHECK(s.got == sizeof big && waits(bufferevent_get_output(c.bev)) == 0 && c.writable > 0);

    /* The client has said all, and hears the answer. */
    s.got = 0;
    bufferevent_disable(c.bev, EV_WRITE); /* as evhttp does, until it has written */
    CHECK(bufferevent_write(c.bev, big, 1000) == 0);
    run();
    CHECK(s.got == 1000);
    pith_bufferevent_close(c.bev);
    pith_bufferevent_close(c.bev);
    run();
    CHECK(s.got == 1000 && s.events == (BEV_EVENT_CONNECTED | BEV_EVENT_READING | BEV_EVENT_EOF));
    CHECK(c.events == BEV_EVENT_CONNECTED);
    CHECK(bufferevent_write(s.bev, big, 500000) == 0);
    pith_bufferevent_close(s.bev); /* behind what is written */
    run();
    CHECK(c.got == 500000 && c.events == (BEV_EVENT_CONNECTED | BEV_EVENT_READING | BEV_EVENT_EOF));
    /* And the sockets end, of which nobody has to hear any more. */
    let_go(&s);
    run();
    CHECK(!(c.events & BEV_EVENT_ERROR) && pith_tls_error(pith_bufferevent_tls(c.bev)) == NULL);
    end(&c, &s);
}

/* A socket that is connecting still: that it is connected is not yet a connection. */
static void connecting(void)
{
    side c, s;
    pith_tls *tls;
    struct sockaddr_in here;
    socklen_t len = sizeof here;
    int fd = socket(AF_INET, SOCK_STREAM, 0), theirs;
    memset(&here, 0, sizeof here);
    here.sin_family = AF_INET;
    here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(bind(fd, (struct sockaddr *)&here, sizeof here) == 0 && listen(fd, 1) == 0);
    CHECK(getsockname(fd, (struct sockaddr *)&here, &len) == 0);
    IS(pith_tls_client(&tls, clients, "server.example", NULL, why, sizeof why), PITH_OK);
    begin(&c, -1, tls);
    CHECK(bufferevent_socket_connect(c.under, (struct sockaddr *)&here, sizeof here) == 0);
    run();
    CHECK(c.events == 0);
    CHECK((theirs = accept(fd, NULL, NULL)) >= 0 && evutil_make_socket_nonblocking(theirs) == 0);
    IS(pith_tls_server(&tls, servers), PITH_OK);
    begin(&s, theirs, tls);
    run();
    CHECK(c.events == BEV_EVENT_CONNECTED && s.events == BEV_EVENT_CONNECTED);
    close(fd);
    end(&c, &s);
}

static void closed_early(void)
{
    side c, s;
    both(&c, &s, clients);
    CHECK(bufferevent_write(c.bev, big, 10) == 0);
    pith_bufferevent_close(c.bev); /* before the handshake: it waits */
    run();
    CHECK(s.got == 10 && s.events & BEV_EVENT_EOF && c.events == BEV_EVENT_CONNECTED);
    CHECK(bufferevent_write(c.bev, big, 10) == 0); /* after the end */
    run();
    CHECK(c.events == (BEV_EVENT_CONNECTED | BEV_EVENT_WRITING | BEV_EVENT_ERROR));
    CHECK(pith_tls_error(pith_bufferevent_tls(c.bev)) != NULL);
    end(&c, &s);
}

static void not_believed(void)
{
    side c, s;
    pith_client_options o;
    pith_trust_options to;
    pith_trust *trust;
    pith_client_config *others;
    PITH_INIT(to);
    to.roots_pem = file("other.pem");
    IS(pith_trust_new(&trust, &to, why, sizeof why), PITH_OK);
    PITH_INIT(o);
    o.trust = trust;
    IS(pith_client_config_new(&others, &o, why, sizeof why), PITH_OK);
    both(&c, &s, others);
    CHECK(bufferevent_write(c.bev, big, 10) == 0);
    c.frees_on = BEV_EVENT_READING | BEV_EVENT_ERROR; /* the alert is sent all the same */
    run();
    CHECK(c.events == (BEV_EVENT_READING | BEV_EVENT_ERROR));
    CHECK(strstr(c.said, "no trusted root") != NULL);
    CHECK(c.bev == NULL && s.events == (BEV_EVENT_READING | BEV_EVENT_ERROR) && s.got == 0);
    CHECK(standing(pith_bufferevent_tls(s.bev)).alert_received == 48);
    CHECK(strstr(pith_tls_error(pith_bufferevent_tls(s.bev)), "unknown_ca") != NULL);
    end(&c, &s);
    pith_client_config_free(others);
    pith_trust_free(trust);
}

/* The transport ends or brings nonsense, before and after the handshake. */
static void abrupt(int shaken, int nonsense)
{
    side c, s;
    int fd;
    both(&c, &s, clients);
    if (shaken) {
        CHECK(bufferevent_write(s.bev, big, 5000) == 0);
        run();
        CHECK(c.got == 5000);
    }
    fd = bufferevent_getfd(s.under);
    if (nonsense)
        CHECK(send(fd, "HTTP/1.0 400 Bad Request\r\n\r\n", 28, 0) == 28);
    shutdown(fd, SHUT_WR);
    run();
    CHECK((c.events & ~BEV_EVENT_CONNECTED) == (BEV_EVENT_READING | BEV_EVENT_ERROR));
    CHECK(pith_tls_error(pith_bufferevent_tls(c.bev)) != NULL);
    if (nonsense)
        CHECK(standing(pith_bufferevent_tls(c.bev)).alert_sent > 0);
    else
        CHECK(standing(pith_bufferevent_tls(c.bev)).receiving == PITH_FAILED);
    end(&c, &s);
}

/* Callbacks may free what calls them. */
static void freed_inside(int event)
{
    side c, s;
    both(&c, &s, clients);
    c.frees_on = event;
    CHECK(bufferevent_write(s.bev, big, 100000) == 0);
    pith_bufferevent_close(s.bev);
    run();
    CHECK(c.bev == NULL);
    end(&c, &s);
}

static void never_begun(void)
{
    pith_tls *tls;
    IS(pith_tls_server(&tls, servers), PITH_OK);
    CHECK(pith_bufferevent_new(NULL, tls) == NULL);
    CHECK(pith_bufferevent_new(bufferevent_socket_new(base, -1, 0), NULL) == NULL);
    run();
}

int main(int argc, char **argv)
{
    pith_client_options co;
    pith_server_options so;
    size_t i;
    CHECK(argc == 2);
    folder = argv[1];
    unused();
    signal(SIGPIPE, SIG_IGN);
    for (i = 0; i < sizeof big; i++)
        big[i] = (uint8_t)(i * 7 + i / 251);
    base = event_base_new();
    PITH_INIT(co);
    PITH_INIT(so);
    clients = client_config(&co);
    servers = server_config(&so);
    back_pressure_and_half_closes();
    connecting();
    closed_early();
    not_believed();
    abrupt(0, 0);
    abrupt(0, 1);
    abrupt(1, 0);
    abrupt(1, 1);
    freed_inside(BEV_EVENT_CONNECTED);
    freed_inside(-1);
    freed_inside(BEV_EVENT_READING | BEV_EVENT_EOF);
    never_begun();
    pith_client_config_free(clients);
    pith_server_config_free(servers);
    event_base_free(base);
    return 0;
}
