/* See pith_bufferevent.h. libevent calls on_input when bytes came below, and on_output when some are to be written; on_read, on_write and on_event stand in front of what the
 * filter itself hears of the bufferevent below. */
#include "pith_bufferevent.h"
#include <event2/buffer.h>
#include <event2/event.h>
#include <stdlib.h>
#include <sys/socket.h>

typedef struct {
    pith_tls *tls;
    struct bufferevent *bev, *under;
    /* The filter's own callbacks below, and what they are called with. */
    bufferevent_data_cb read;
    bufferevent_event_cb event;
    void *filter;
    /* Bytes at the front of bev's output that are sealed and not sent: they stay until they are, since whoever is told that the output is empty may close the socket. */
    size_t sealed;
    int open, ended, failed, closing;
} conn;

/* Sealed bytes that may wait for the socket before more are sealed. */
#define WAITING 65536

/* What the connection has to say goes below. */
static void transmit(conn *c)
{
    struct evbuffer *out = bufferevent_get_output(c->under);
    struct evbuffer_iovec room;
    size_t n;
    do {
        if (evbuffer_reserve_space(out, PITH_RECORD_MAX, &room, 1) != 1)
            return;
        pith_tls_transmit(c->tls, room.iov_base, room.iov_len, &n);
        room.iov_len = n;
        evbuffer_commit_space(out, &room, 1);
    } while (n > 0);
}

/* As much of it as the socket takes at once: for the last words of a connection, which may be freed next. */
static void push(conn *c)
{
    struct evbuffer *out = bufferevent_get_output(c->under);
    ssize_t sent = send(bufferevent_getfd(c->under), evbuffer_pullup(out, -1),
                        evbuffer_get_length(out), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent > 0) {
        evbuffer_unfreeze(out, 1);
        evbuffer_drain(out, (size_t)sent);
        evbuffer_freeze(out, 1);
    }
}

/* Told when the callback that runs is done, and so behind data that came before. */
static void tell(conn *c, short what)
{
    bufferevent_trigger_event(c->bev, what, BEV_TRIG_DEFER_CALLBACKS);
}

static void fail(conn *c, short direction)
{
    if (c->failed)
        return;
    c->failed = 1;
    transmit(c);
    push(c); /* the alert */
    bufferevent_disable(c->bev, EV_READ | EV_WRITE);
    tell(c, direction | BEV_EVENT_ERROR);
}

/* Hands plaintext to the program. */
static int32_t take(conn *c, struct evbuffer *in)
{
    struct evbuffer_iovec room;
    int32_t status;
    size_t n;
    do {
        if (evbuffer_reserve_space(in, PITH_RECORD_MAX, &room, 1) != 1)
            return PITH_LOCAL;
        status = pith_tls_read(c->tls, room.iov_base, room.iov_len, &n);
        room.iov_len = n;
        evbuffer_commit_space(in, &room, 1);
    } while (status == PITH_OK);
    return status;
}

/* Has on_output called, where EV_WRITE is disabled too: libevent forgets what was written meanwhile when it is enabled (as evhttp does). */
static void seal(conn *c)
{
    bufferevent_flush(c->bev, EV_WRITE, BEV_FLUSH);
}

static void on_added(struct evbuffer *out, const struct evbuffer_cb_info *what, void *arg)
{
    (void)out;
    if (what->n_added > 0)
        seal(arg);
}

static void shaken(conn *c)
{
    pith_tls_status stands;
    PITH_INIT(stands);
    if (c->open || pith_tls_get_status(c->tls, &stands) != PITH_OK ||
        stands.receiving != PITH_OPEN || stands.sending != PITH_OPEN)
        return;
    c->open = 1;
    transmit(c);
    bufferevent_trigger_event(c->bev, BEV_EVENT_CONNECTED, 0);
    seal(c); /* what was written meanwhile */
}

/* All is taken, whatever the limit: libevent stops reading below where the program does not read, so that it is little; and it does not come back for a rest. */
static enum bufferevent_filter_result on_input(struct evbuffer *from, struct evbuffer *to,
                                               ev_ssize_t limit, enum bufferevent_flush_mode mode,
                                               void *arg)
{
    conn *c = arg;
    size_t before = evbuffer_get_length(to), taken;
    (void)limit, (void)mode;
    while (!c->failed && !c->ended && evbuffer_get_length(from) > 0) {
        size_t len = evbuffer_get_contiguous_space(from);
        int32_t status =
            pith_tls_receive(c->tls, evbuffer_pullup(from, (ev_ssize_t)len), len, &taken, NULL);
        evbuffer_drain(from, taken);
        shaken(c);
        if (status >= 0)
            status = take(c, to);
        if (status == PITH_END) {
            c->ended = 1;
            tell(c, BEV_EVENT_READING | BEV_EVENT_EOF);
        } else if (status != PITH_WANT_INPUT) {
            fail(c, BEV_EVENT_READING);
        }
    }
    transmit(c);
    return evbuffer_get_length(to) > before ? BEV_OK : BEV_NEED_MORE;
}

static enum bufferevent_filter_result on_output(struct evbuffer *from, struct evbuffer *to,
                                                ev_ssize_t limit, enum bufferevent_flush_mode mode,
                                                void *arg)
{
    conn *c = arg;
    size_t before = c->sealed, taken;
    (void)limit, (void)mode;
    while (c->open && !c->failed && evbuffer_get_length(to) < WAITING &&
           c->sealed < evbuffer_get_length(from)) {
        struct evbuffer_ptr at;
        struct evbuffer_iovec bytes;
        evbuffer_ptr_set(from, &at, c->sealed, EVBUFFER_PTR_SET);
        evbuffer_peek(from, -1, &at, &bytes, 1);
        if (pith_tls_write(c->tls, bytes.iov_base, bytes.iov_len, &taken) < 0)
            fail(c, BEV_EVENT_WRITING);
        c->sealed += taken;
        transmit(c);
    }
    if (c->closing && c->open && !c->failed && c->sealed == evbuffer_get_length(from)) {
        pith_tls_close(c->tls);
        transmit(c);
        push(c);
    }
    return c->sealed > before ? BEV_OK : BEV_NEED_MORE;
}

static void on_read(struct bufferevent *under, void *arg)
{
    conn *c = arg;
    struct bufferevent *bev = c->bev; /* which the program may free */
    bufferevent_incref(bev);
    c->read(under, c->filter);
    bufferevent_decref(bev);
}

/* All that was sealed is sent. */
static void on_write(struct bufferevent *under, void *arg)
{
    conn *c = arg;
    struct bufferevent *bev = c->bev;
    bufferevent_incref(bev);
    if (!c->open && !c->failed)
        bufferevent_enable(bev, EV_READ); /* who connects may have disabled it */
    if (c->sealed > 0 && evbuffer_get_length(bufferevent_get_output(under)) == 0) {
        evbuffer_drain(bufferevent_get_output(bev), c->sealed);
        c->sealed = 0;
        seal(c);
        bufferevent_trigger(bev, EV_WRITE, 0);
    }
    bufferevent_decref(bev);
}

static void on_event(struct bufferevent *under, short what, void *arg)
{
    conn *c = arg;
    if (what & BEV_EVENT_CONNECTED || c->failed)
        return; /* bytes flow, which is not yet a connection; or all is told */
    if (!(what & BEV_EVENT_EOF))
        c->event(under, what, c->filter);
    else if (!c->ended && pith_tls_eof(c->tls) < 0)
        fail(c, BEV_EVENT_READING);
}

static void free_conn(void *arg)
{
    conn *c = arg;
    pith_tls_free(c->tls);
    free(c);
}

struct bufferevent *pith_bufferevent_new(struct bufferevent *under, pith_tls *tls)
{
    conn *c = calloc(1, sizeof *c);
    if (c == NULL || under == NULL || tls == NULL)
        goto failed;
    c->tls = tls;
    c->under = under;
    c->bev = bufferevent_filter_new(under, on_input, on_output, BEV_OPT_CLOSE_ON_FREE, free_conn, c);
    if (c->bev == NULL)
        goto failed;
    bufferevent_getcb(under, &c->read, NULL, &c->event, &c->filter);
    bufferevent_setcb(under, on_read, on_write, on_event, c);
    evbuffer_add_cb(bufferevent_get_output(c->bev), on_added, c);
    bufferevent_enable(c->bev, EV_READ);
    transmit(c); /* a ClientHello */
    return c->bev;
failed:
    free(c);
    pith_tls_free(tls);
    if (under != NULL)
        bufferevent_free(under);
    return NULL;
}

static conn *conn_of(struct bufferevent *bev)
{
    void *c;
    bufferevent_getcb(bufferevent_get_underlying(bev), NULL, NULL, NULL, &c);
    return c;
}

pith_tls *pith_bufferevent_tls(struct bufferevent *bev)
{
    return conn_of(bev)->tls;
}

void pith_bufferevent_close(struct bufferevent *bev)
{
    conn_of(bev)->closing = 1;
    seal(conn_of(bev));
}
