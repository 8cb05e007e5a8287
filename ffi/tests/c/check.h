/* What the C tests share. A test is a program: it gets a folder with ca.pem, chain.pem, key.pem and more, and exits with 0. */
#ifndef CHECK_H
#define CHECK_H

#include "pith.h"
#include <stdio.h>
#include <stdlib.h>

#define CHECK(what)                                                                                \
    do {                                                                                           \
        if (!(what)) {                                                                             \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #what);                     \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

/* Both are evaluated once; the status that came is shown by name. */
#define IS(call, want)                                                                             \
    do {                                                                                           \
        int32_t is_got = (call);                                                                   \
        if (is_got != (want)) {                                                                    \
            fprintf(stderr, "%s:%d: %s gave %s (%d)\n", __FILE__, __LINE__, #call,                 \
                    pith_status_name(is_got), (int)is_got);                                        \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

static const char *folder;
static char why[256];

static inline pith_bytes bytes_of(const void *data, size_t len)
{
    pith_bytes bytes;
    bytes.data = (const uint8_t *)data;
    bytes.len = len;
    return bytes;
}

static inline pith_bytes text(const char *string)
{
    return bytes_of(string, strlen(string));
}

/* The contents of a file of the folder, which live as long as the program. */
static inline pith_bytes file(const char *name)
{
    static uint8_t contents[32][16384];
    static size_t files;
    char path[512];
    FILE *f;
    size_t len;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    f = fopen(path, "rb");
    CHECK(f != NULL && files < 32);
    len = fread(contents[files], 1, sizeof contents[files], f);
    fclose(f);
    return bytes_of(contents[files++], len);
}

static inline pith_trust *roots(void)
{
    pith_trust_options o;
    pith_trust *trust;
    PITH_INIT(o);
    o.roots_pem = file("ca.pem");
    IS(pith_trust_new(&trust, &o, why, sizeof why), PITH_OK);
    return trust;
}

static inline pith_identity *identity(const char *chain, const char *key)
{
    pith_identity_options o;
    pith_identity *made;
    PITH_INIT(o);
    o.chain_pem = file(chain);
    o.key_pem = file(key);
    IS(pith_identity_new(&made, &o, why, sizeof why), PITH_OK);
    return made;
}

static inline pith_client_config *client_config(pith_client_options *o)
{
    pith_client_config *config;
    pith_trust *trust = roots();
    o->trust = trust;
    if (pith_client_config_new(&config, o, why, sizeof why) != PITH_OK) {
        fprintf(stderr, "%s\n", why);
        exit(1);
    }
    pith_trust_free(trust);
    return config;
}

static inline pith_server_config *server_config(pith_server_options *o)
{
    pith_server_config *config;
    pith_identity *shown = identity("chain.pem", "key.pem");
    const pith_identity *list[1];
    list[0] = shown;
    o->identities = list;
    o->identity_count = 1;
    if (pith_server_config_new(&config, o, why, sizeof why) != PITH_OK) {
        fprintf(stderr, "%s\n", why);
        exit(1);
    }
    pith_identity_free(shown);
    return config;
}

/* The beginning of an answer to a question. */
static inline pith_answer answer_to(const pith_question *q)
{
    pith_answer a;
    PITH_INIT(a);
    a.kind = q->kind;
    a.number = q->number;
    return a;
}

/* Prints what is to be signed, and reads the signature, both in hexadecimal on a line. */
static inline size_t sign_elsewhere(pith_bytes message, uint8_t *signature, size_t room)
{
    char line[512];
    size_t i;
    unsigned byte;
    for (i = 0; i < message.len; i++)
        printf("%02x", message.data[i]);
    printf("\n");
    fflush(stdout);
    CHECK(fgets(line, sizeof line, stdin) != NULL);
    for (i = 0; i < room && sscanf(line + 2 * i, "%2x", &byte) == 1; i++)
        signature[i] = (uint8_t)byte;
    return i;
}

/* A fixed time, in 2027, to which a test adds what it likes. */
static inline pith_time at(uint64_t seconds)
{
    pith_time time;
    time.monotonic_us = seconds * 1000000;
    time.unix_us = (1800000000 + seconds) * 1000000;
    return time;
}

static inline pith_tls *client(const pith_client_config *config, const pith_time *now)
{
    pith_tls *tls;
    IS(pith_tls_client(&tls, config, "server.example", now, why, sizeof why), PITH_OK);
    return tls;
}

static inline pith_tls *server(const pith_server_config *config)
{
    pith_tls *tls;
    IS(pith_tls_server(&tls, config), PITH_OK);
    return tls;
}

/* Where a connection stands. */
static inline pith_tls_status standing(pith_tls *tls)
{
    pith_tls_status status;
    PITH_INIT(status);
    IS(pith_tls_get_status(tls, &status), PITH_OK);
    return status;
}

/* Carries what one side has to say to the other, in pieces of `piece` bytes, until it has no more or the other takes none. The last status. */
static inline int32_t carry(pith_tls *from, pith_tls *to, size_t piece, const pith_time *now)
{
    uint8_t buffer[2048];
    size_t len, taken, at;
    int32_t status = PITH_OK;
    if (piece > sizeof buffer)
        piece = sizeof buffer;
    for (;;) {
        IS(pith_tls_transmit(from, buffer, piece, &len), PITH_OK);
        if (len == 0)
            return status;
        for (at = 0; at < len; at += taken) {
            status = pith_tls_receive(to, buffer + at, len - at, &taken, now);
            if (status < 0)
                return status;
            if (taken == 0) {
                /* Plaintext or a question stops it; tests that come here carry little. */
                fprintf(stderr, "nothing taken: %s\n", pith_status_name(status));
                exit(1);
            }
        }
    }
}

/* Shakes hands, and carries what follows at once (tickets). */
static inline void shake(pith_tls *one, pith_tls *other, const pith_time *now)
{
    int turn;
    for (turn = 0; turn < 4; turn++) {
        int32_t status = carry(one, other, 2048, now);
        if (status < 0) {
            fprintf(stderr, "%s\n", pith_tls_error(other));
            exit(1);
        }
        status = carry(other, one, 2048, now);
        if (status < 0) {
            fprintf(stderr, "%s\n", pith_tls_error(one));
            exit(1);
        }
    }
    CHECK(standing(one).receiving == PITH_OPEN && standing(one).sending == PITH_OPEN);
    CHECK(standing(other).receiving == PITH_OPEN && standing(other).sending == PITH_OPEN);
}

static inline void unused(void)
{
    (void)file;
    (void)why;
}

#endif
