/* TLS by libpith as a bufferevent of libevent 2.1: what is written to it goes sealed to another one, and what comes there is read here, opened. An adapter to
 * copy into a program: pith_bufferevent.c is all of it. */
#ifndef PITH_BUFFEREVENT_H
#define PITH_BUFFEREVENT_H

#include <event2/bufferevent.h>
#include <pith.h>

/* A bufferevent over `under`, such as a socket's, for a connection that has not begun. Both are taken over, and freed with it; NULL, and both are freed, for
 * want of memory. The handshake begins by itself, and reading is enabled for it. A bufferevent is for one connection and one thread.
 *
 * BEV_EVENT_CONNECTED comes when the handshake is complete, on both sides, and nothing is sent or read before. BEV_EVENT_EOF is the peer's close_notify, after which may still be written;
 * where the transport ends without, or with any error of TLS, BEV_EVENT_ERROR comes, and pith_tls_error(pith_bufferevent_tls(bev)) is the text. (If that is NULL, it is the
 * socket's error.) The output buffer holds what was not sent yet, as a socket's does, so the write callback means the same.
 *
 * Configurations that ask the program (PITH_QUESTION_), and early data, are not for it. */
struct bufferevent *pith_bufferevent_new(struct bufferevent *under, pith_tls *tls);

/* The connection, to be asked what was negotiated, or why it failed. */
pith_tls *pith_bufferevent_tls(struct bufferevent *bev);

/* Sends a close_notify behind all that was written: nothing can be written any more, and what the peer sends can still be read. Without it the peer cannot tell
 * an end from an interruption. */
void pith_bufferevent_close(struct bufferevent *bev);

#endif
