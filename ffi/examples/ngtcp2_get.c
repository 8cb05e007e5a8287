/* Gets a file over QUIC by ngtcp2, with the TLS and the packet protection of libpith: ngtcp2_get HOST PORT /PATH CA.pem
 * It shows how a QUIC stack of other make uses pith_engine_ and pith_packet_. The protocol is HTTP/0.9 on a stream (hq-interop), as `pith server --quic --hq --root DIR`
 * speaks it. For ngtcp2 0.12, as Debian 12 has it: cc ngtcp2_get.c $(pkg-config --cflags --libs pith libngtcp2)
 *
 * ngtcp2 wants to make nonces of an IV and packet numbers. libpith does that itself, so ngtcp2 is given an IV of zeros, and what it takes for a nonce is the number. */
#include "net.h"
#include <ngtcp2/ngtcp2.h>
#include <poll.h>
#include <time.h>

typedef struct {
    ngtcp2_conn *conn;
    pith_engine *engine;
    pith_client_config *tls;
    const char *host;
    /* The newest application keys, of which the next come. */
    pith_packet_keys *read, *write;
    int64_t stream;
    int ended, crypto_set;
} state;

static const uint8_t no_iv[12];
static char retry; /* stands for the key of Retry packets, which anybody knows */

static ngtcp2_tstamp now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (ngtcp2_tstamp)t.tv_sec * NGTCP2_SECONDS + (ngtcp2_tstamp)t.tv_nsec;
}

static void fill_random(uint8_t *out, size_t len)
{
    FILE *random = fopen("/dev/urandom", "rb");
    if (random == NULL || fread(out, 1, len, random) != len)
        exit(2);
    fclose(random);
}

/* Keys as ngtcp2 keeps them: it frees each by itself, so that header protection has its own. */
static ngtcp2_crypto_aead_ctx packet_keys(pith_packet_keys *keys)
{
    ngtcp2_crypto_aead_ctx ctx;
    ctx.native_handle = keys;
    return ctx;
}

static ngtcp2_crypto_cipher_ctx header_keys(pith_packet_keys *keys)
{
    ngtcp2_crypto_cipher_ctx ctx;
    ctx.native_handle = keys;
    return ctx;
}

static uint64_t number_of(const uint8_t *nonce, size_t len)
{
    uint64_t number = 0;
    size_t i;
    for (i = len - 8; i < len; i++)
        number = number << 8 | nonce[i];
    return number;
}

static int encrypt(uint8_t *dest, const ngtcp2_crypto_aead *aead, const ngtcp2_crypto_aead_ctx *ctx,
                   const uint8_t *text, size_t len, const uint8_t *nonce, size_t nonce_len,
                   const uint8_t *header, size_t header_len)
{
    int32_t status;
    (void)aead;
    if (ctx->native_handle == &retry) {
        status = pith_packet_retry_tag(PITH_QUIC_V1, header, header_len, dest);
    } else {
        memmove(dest, text, len);
        status = pith_packet_seal(ctx->native_handle, number_of(nonce, nonce_len), header,
                                  header_len, dest, len + PITH_PACKET_TAG);
    }
    return status == PITH_OK ? 0 : NGTCP2_ERR_CALLBACK_FAILURE;
}

static int decrypt(uint8_t *dest, const ngtcp2_crypto_aead *aead, const ngtcp2_crypto_aead_ctx *ctx,
                   const uint8_t *text, size_t len, const uint8_t *nonce, size_t nonce_len,
                   const uint8_t *header, size_t header_len)
{
    static uint8_t payload[65536];
    size_t opened;
    (void)aead;
    if (len > sizeof payload)
        return NGTCP2_ERR_DECRYPT;
    memcpy(payload, text, len);
    if (pith_packet_open(ctx->native_handle, number_of(nonce, nonce_len), header, header_len,
                         payload, len, &opened) != PITH_OK)
        return NGTCP2_ERR_DECRYPT;
    memcpy(dest, payload, opened);
    return 0;
}

static int hp_mask(uint8_t *dest, const ngtcp2_crypto_cipher *cipher,
                   const ngtcp2_crypto_cipher_ctx *ctx, const uint8_t *sample)
{
    (void)cipher;
    return pith_packet_header_mask(ctx->native_handle, sample, dest) == PITH_OK
               ? 0
               : NGTCP2_ERR_CALLBACK_FAILURE;
}

static void free_packet_keys(ngtcp2_conn *conn, ngtcp2_crypto_aead_ctx *ctx, void *user)
{
    (void)conn, (void)user;
    if (ctx->native_handle != &retry)
        pith_packet_keys_free(ctx->native_handle);
}

static void free_header_keys(ngtcp2_conn *conn, ngtcp2_crypto_cipher_ctx *ctx, void *user)
{
    (void)conn, (void)user;
    pith_packet_keys_free(ctx->native_handle);
}

/* What ngtcp2 has to know of suites: how much longer packets are, and how many may be sealed, or fail to open. */
static ngtcp2_crypto_ctx crypto_of(uint16_t suite)
{
    ngtcp2_crypto_ctx crypto;
    int chacha = suite == PITH_SUITE_CHACHA20_POLY1305_SHA256;
    memset(&crypto, 0, sizeof crypto);
    crypto.aead.max_overhead = PITH_PACKET_TAG;
    crypto.max_encryption = chacha ? (uint64_t)1 << 62 : (uint64_t)1 << 23;
    crypto.max_decryption_failure = chacha ? (uint64_t)1 << 36 : (uint64_t)1 << 52;
    return crypto;
}

static int initial_keys(ngtcp2_conn *conn, const ngtcp2_cid *id)
{
    pith_packet_keys *keys[4] = { NULL, NULL, NULL, NULL };
    ngtcp2_crypto_ctx crypto = crypto_of(PITH_SUITE_AES_128_GCM_SHA256);
    ngtcp2_crypto_aead_ctx rx, tx;
    ngtcp2_crypto_cipher_ctx rx_hp, tx_hp;
    int i;
    for (i = 0; i < 4; i++)
        if (pith_packet_keys_initial(&keys[i], PITH_QUIC_V1, id->data, id->datalen, i < 2) !=
            PITH_OK)
            return NGTCP2_ERR_CALLBACK_FAILURE;
    rx = packet_keys(keys[0]);
    rx_hp = header_keys(keys[1]);
    tx = packet_keys(keys[2]);
    tx_hp = header_keys(keys[3]);
    ngtcp2_conn_set_initial_crypto_ctx(conn, &crypto);
    return ngtcp2_conn_install_initial_key(conn, &rx, no_iv, &rx_hp, &tx, no_iv, &tx_hp,
                                           sizeof no_iv);
}

static int install(state *s, const pith_engine_output *out, const uint8_t *secret)
{
    pith_packet_keys *keys[3] = { NULL, NULL, NULL };
    ngtcp2_crypto_aead_ctx aead;
    ngtcp2_crypto_cipher_ctx hp;
    int i;
    for (i = 0; i < 3; i++)
        if (pith_packet_keys_new(&keys[i], PITH_QUIC_V1, out->suite, secret, out->secret_len) !=
            PITH_OK)
            return NGTCP2_ERR_CALLBACK_FAILURE;
    if (!s->crypto_set) {
        ngtcp2_crypto_ctx crypto = crypto_of(out->suite);
        ngtcp2_conn_set_crypto_ctx(s->conn, &crypto);
        s->crypto_set = 1;
    }
    aead = packet_keys(keys[0]);
    hp = header_keys(keys[1]);
    if (out->level == PITH_LEVEL_APPLICATION)
        *(out->is_write ? &s->write : &s->read) = keys[2];
    else
        pith_packet_keys_free(keys[2]);
    /* ngtcp2 hands application secrets back for the next update, where libpith goes by its keys. */
    if (out->level == PITH_LEVEL_HANDSHAKE)
        return out->is_write ? ngtcp2_conn_install_tx_handshake_key(s->conn, &aead, no_iv, 12, &hp)
                             : ngtcp2_conn_install_rx_handshake_key(s->conn, &aead, no_iv, 12, &hp);
    return out->is_write ? ngtcp2_conn_install_tx_key(s->conn, no_iv, 1, &aead, no_iv, 12, &hp)
                         : ngtcp2_conn_install_rx_key(s->conn, no_iv, 1, &aead, no_iv, 12, &hp);
}

/* Does what the engine says. */
static int drive(state *s)
{
    static const ngtcp2_crypto_level levels[] = { NGTCP2_CRYPTO_LEVEL_INITIAL,
                                                  NGTCP2_CRYPTO_LEVEL_EARLY,
                                                  NGTCP2_CRYPTO_LEVEL_HANDSHAKE,
                                                  NGTCP2_CRYPTO_LEVEL_APPLICATION };
    uint8_t secret[PITH_SECRET_MAX];
    pith_engine_output out;
    pith_info info;
    int done = 0;
    PITH_INIT(out);
    PITH_INIT(info);
    /* The last call, which gives none, leaves zeros where secrets were. */
    while (pith_engine_next(s->engine, &out, secret) == PITH_OK && done == 0) {
        if (out.kind == PITH_OUTPUT_SEND)
            done = ngtcp2_conn_submit_crypto_data(s->conn, levels[out.level], out.data.data,
                                                  out.data.len);
        else if (out.kind == PITH_OUTPUT_SECRET && out.level != PITH_LEVEL_EARLY)
            done = install(s, &out, secret);
        else if (out.kind == PITH_OUTPUT_PARAMETERS)
            done = ngtcp2_conn_decode_remote_transport_params(s->conn, out.data.data, out.data.len);
        else if (out.kind == PITH_OUTPUT_COMPLETE) {
            ngtcp2_conn_handshake_completed(s->conn);
            if (pith_engine_info(s->engine, &info) == PITH_OK)
                fprintf(stderr, "%s\n", pith_group_name(info.group));
        }
    }
    return done;
}

static int client_initial(ngtcp2_conn *conn, void *user)
{
    state *s = user;
    uint8_t parameters[512];
    char why[256] = "";
    pith_bytes encoded;
    ngtcp2_ssize len = ngtcp2_conn_encode_local_transport_params(conn, parameters, sizeof parameters);
    if (len < 0 || initial_keys(conn, ngtcp2_conn_get_dcid(conn)) != 0)
        return NGTCP2_ERR_CALLBACK_FAILURE;
    encoded.data = parameters;
    encoded.len = (size_t)len;
    if (pith_engine_client(&s->engine, s->tls, s->host, PITH_QUIC_V1, encoded, NULL, why,
                           sizeof why) != PITH_OK) {
        fprintf(stderr, "%s\n", why);
        return NGTCP2_ERR_CALLBACK_FAILURE;
    }
    return drive(s);
}

static int recv_crypto_data(ngtcp2_conn *conn, ngtcp2_crypto_level level, uint64_t offset,
                            const uint8_t *data, size_t len, void *user)
{
    state *s = user;
    uint8_t ours = level == NGTCP2_CRYPTO_LEVEL_INITIAL     ? PITH_LEVEL_INITIAL
                   : level == NGTCP2_CRYPTO_LEVEL_HANDSHAKE ? PITH_LEVEL_HANDSHAKE
                                                            : PITH_LEVEL_APPLICATION;
    int32_t status = pith_engine_read(s->engine, ours, data, len, NULL);
    int done = drive(s);
    (void)offset;
    if (status < 0) {
        fprintf(stderr, "%s\n", pith_engine_error(s->engine));
        if (pith_engine_alert(s->engine) >= 0)
            ngtcp2_conn_set_tls_alert(conn, (uint8_t)pith_engine_alert(s->engine));
        return NGTCP2_ERR_CRYPTO;
    }
    return done;
}

static int recv_retry(ngtcp2_conn *conn, const ngtcp2_pkt_hd *head, void *user)
{
    (void)user;
    return initial_keys(conn, &head->scid);
}

/* The next keys twice: ngtcp2 frees its own, and ours give those after them. */
static int next_keys(pith_packet_keys **ours, ngtcp2_crypto_aead_ctx *theirs)
{
    pith_packet_keys *one, *other;
    if (pith_packet_keys_update(&one, *ours) != PITH_OK)
        return NGTCP2_ERR_CALLBACK_FAILURE;
    if (pith_packet_keys_update(&other, *ours) != PITH_OK) {
        pith_packet_keys_free(one);
        return NGTCP2_ERR_CALLBACK_FAILURE;
    }
    pith_packet_keys_free(*ours);
    *ours = other;
    *theirs = packet_keys(one);
    return 0;
}

static int update_key(ngtcp2_conn *conn, uint8_t *rx_secret, uint8_t *tx_secret,
                      ngtcp2_crypto_aead_ctx *rx, uint8_t *rx_iv, ngtcp2_crypto_aead_ctx *tx,
                      uint8_t *tx_iv, const uint8_t *old_rx, const uint8_t *old_tx, size_t len,
                      void *user)
{
    state *s = user;
    (void)conn, (void)old_rx, (void)old_tx;
    memset(rx_secret, 0, len);
    memset(tx_secret, 0, len);
    memset(rx_iv, 0, sizeof no_iv);
    memset(tx_iv, 0, sizeof no_iv);
    if (next_keys(&s->read, rx) != 0)
        return NGTCP2_ERR_CALLBACK_FAILURE;
    return next_keys(&s->write, tx);
}

static void random_bytes(uint8_t *out, size_t len, const ngtcp2_rand_ctx *ctx)
{
    (void)ctx;
    fill_random(out, len);
}

static int new_connection_id(ngtcp2_conn *conn, ngtcp2_cid *id, uint8_t *token, size_t len,
                             void *user)
{
    (void)conn, (void)user;
    fill_random(id->data, len);
    id->datalen = len;
    fill_random(token, NGTCP2_STATELESS_RESET_TOKENLEN);
    return 0;
}

static int path_challenge(ngtcp2_conn *conn, uint8_t *data, void *user)
{
    (void)conn, (void)user;
    fill_random(data, NGTCP2_PATH_CHALLENGE_DATALEN);
    return 0;
}

static int version_negotiation(ngtcp2_conn *conn, uint32_t version, const ngtcp2_cid *id, void *user)
{
    (void)conn, (void)version, (void)id, (void)user;
    return NGTCP2_ERR_CALLBACK_FAILURE; /* there is version 1 alone */
}

static int recv_stream_data(ngtcp2_conn *conn, uint32_t flags, int64_t id, uint64_t offset,
                            const uint8_t *data, size_t len, void *user, void *stream_user)
{
    state *s = user;
    (void)offset, (void)stream_user;
    if (id != s->stream)
        return 0;
    fwrite(data, 1, len, stdout);
    ngtcp2_conn_extend_max_stream_offset(conn, id, len);
    ngtcp2_conn_extend_max_offset(conn, len);
    s->ended = (flags & NGTCP2_STREAM_DATA_FLAG_FIN) != 0;
    return 0;
}

static int stream_reset(ngtcp2_conn *conn, int64_t id, uint64_t final_size, uint64_t code, void *user,
                        void *stream_user)
{
    (void)conn, (void)id, (void)final_size, (void)user, (void)stream_user;
    fprintf(stderr, "the server has reset the stream: code %u\n", (unsigned)code);
    return NGTCP2_ERR_CALLBACK_FAILURE;
}

static int begin(state *s, int fd, ngtcp2_path *path)
{
    static const ngtcp2_callbacks callbacks = {
        .client_initial = client_initial,
        .recv_crypto_data = recv_crypto_data,
        .encrypt = encrypt,
        .decrypt = decrypt,
        .hp_mask = hp_mask,
        .recv_stream_data = recv_stream_data,
        .stream_reset = stream_reset,
        .recv_retry = recv_retry,
        .rand = random_bytes,
        .get_new_connection_id = new_connection_id,
        .update_key = update_key,
        .delete_crypto_aead_ctx = free_packet_keys,
        .delete_crypto_cipher_ctx = free_header_keys,
        .get_path_challenge_data = path_challenge,
        .version_negotiation = version_negotiation,
    };
    static struct sockaddr_storage here, there;
    socklen_t here_len = sizeof here, there_len = sizeof there;
    ngtcp2_settings settings;
    ngtcp2_transport_params params;
    ngtcp2_cid dcid, scid;
    ngtcp2_crypto_ctx crypto = crypto_of(PITH_SUITE_AES_128_GCM_SHA256);
    ngtcp2_crypto_aead_ctx retry_ctx;
    if (getsockname(fd, (struct sockaddr *)&here, &here_len) != 0 ||
        getpeername(fd, (struct sockaddr *)&there, &there_len) != 0)
        return -1;
    memset(path, 0, sizeof *path);
    path->local.addr = (struct sockaddr *)&here;
    path->local.addrlen = here_len;
    path->remote.addr = (struct sockaddr *)&there;
    path->remote.addrlen = there_len;
    ngtcp2_settings_default(&settings);
    settings.initial_ts = now_ns();
    ngtcp2_transport_params_default(&params);
    params.initial_max_stream_data_bidi_local = 1 << 20;
    params.initial_max_data = 4 << 20;
    params.max_idle_timeout = 10 * NGTCP2_SECONDS;
    dcid.datalen = scid.datalen = 8;
    fill_random(dcid.data, 8);
    fill_random(scid.data, 8);
    if (ngtcp2_conn_client_new(&s->conn, &dcid, &scid, path, NGTCP2_PROTO_VER_V1, &callbacks,
                               &settings, &params, NULL, s) != 0)
        return -1;
    retry_ctx.native_handle = &retry;
    ngtcp2_conn_set_retry_aead(s->conn, &crypto.aead, &retry_ctx);
    return 0;
}

/* Writes packets for as long as there are some, with the request as soon as there is a stream. */
static int flush(state *s, int fd, const char *request, size_t len, size_t *sent)
{
    uint8_t packet[1500];
    ngtcp2_path_storage path;
    ngtcp2_pkt_info info;
    for (;;) {
        ngtcp2_vec vec;
        ngtcp2_ssize taken = -1, n;
        int asks = s->stream >= 0 && *sent <= len; /* the end counts as a byte */
        vec.base = (uint8_t *)request + (asks ? *sent : 0);
        vec.len = asks ? len - *sent : 0;
        ngtcp2_path_storage_zero(&path);
        n = ngtcp2_conn_writev_stream(s->conn, &path.path, &info, packet, sizeof packet, &taken,
                                      asks ? NGTCP2_WRITE_STREAM_FLAG_FIN : 0,
                                      asks ? s->stream : -1, &vec, asks, now_ns());
        if (n < 0)
            return (int)n;
        if (taken >= 0)
            *sent += (size_t)taken == vec.len ? vec.len + 1 : (size_t)taken;
        if (n == 0)
            return 0;
        if (send(fd, packet, (size_t)n, MSG_NOSIGNAL) < 0)
            perror("send");
    }
}

static int receive(state *s, int fd, const ngtcp2_path *path)
{
    static uint8_t bytes[65536];
    struct pollfd wait = { fd, POLLIN, 0 };
    ngtcp2_pkt_info info = { 0 };
    ngtcp2_tstamp due = ngtcp2_conn_get_expiry(s->conn), now = now_ns();
    ssize_t len;
    int done = 0;
    int ms = due <= now ? 0 : (due - now) / 1000000 > 1000 ? 1000 : (int)((due - now) / 1000000 + 1);
    poll(&wait, 1, ms);
    while (done == 0 && (len = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT)) > 0)
        done = ngtcp2_conn_read_pkt(s->conn, path, &info, bytes, (size_t)len, now_ns());
    if (done == 0 && ngtcp2_conn_get_expiry(s->conn) <= now_ns())
        done = ngtcp2_conn_handle_expiry(s->conn, now_ns());
    return done;
}

static void say_goodbye(state *s, int fd)
{
    uint8_t packet[1500];
    ngtcp2_path_storage path;
    ngtcp2_pkt_info info;
    ngtcp2_connection_close_error why;
    ngtcp2_ssize n;
    ngtcp2_connection_close_error_default(&why);
    if (pith_engine_alert(s->engine) >= 0)
        ngtcp2_connection_close_error_set_transport_error_tls_alert(
            &why, (uint8_t)pith_engine_alert(s->engine), NULL, 0);
    else
        ngtcp2_connection_close_error_set_application_error(&why, 0, NULL, 0);
    ngtcp2_path_storage_zero(&path);
    n = ngtcp2_conn_write_connection_close(s->conn, &path.path, &info, packet, sizeof packet, &why,
                                           now_ns());
    if (n > 0 && send(fd, packet, (size_t)n, MSG_NOSIGNAL) < 0)
        perror("send");
}

int main(int argc, char **argv)
{
    static uint8_t pem[1 << 20];
    static const pith_bytes hq = { (const uint8_t *)"hq-interop", 10 };
    char why[256] = "usage: ngtcp2_get HOST PORT /PATH CA.pem", request[1024];
    pith_trust_options trusted;
    pith_client_options options;
    pith_trust *trust = NULL;
    state s;
    ngtcp2_path path;
    size_t sent = 0;
    int status = PITH_ARGUMENT, fd = -1, len, done = -1;

    memset(&s, 0, sizeof s);
    s.stream = -1;
    PITH_INIT(trusted);
    PITH_INIT(options);
    options.alpn = &hq;
    options.alpn_count = 1;
    if (argc == 5 && (trusted.roots_pem = read_file(argv[4], pem, sizeof pem)).len > 0)
        status = pith_trust_new(&trust, &trusted, why, sizeof why);
    options.trust = trust;
    if (status == PITH_OK)
        status = pith_client_config_new(&s.tls, &options, why, sizeof why);
    if (status != PITH_OK) {
        fprintf(stderr, "%s\n", why);
    } else if ((fd = connect_by(argv[1], argv[2], SOCK_DGRAM)) < 0) {
        perror("no socket");
    } else {
        s.host = argv[1];
        len = snprintf(request, sizeof request, "GET %s\r\n", argv[3]);
        done = len > 0 && len < (int)sizeof request ? begin(&s, fd, &path) : -1;
        while (done == 0 && !s.ended) {
            if (s.stream < 0 && ngtcp2_conn_get_handshake_completed(s.conn))
                ngtcp2_conn_open_bidi_stream(s.conn, &s.stream, NULL);
            if ((done = flush(&s, fd, request, (size_t)len, &sent)) == 0)
                done = receive(&s, fd, &path);
        }
        if (done != 0)
            fprintf(stderr, "%s\n", s.conn ? ngtcp2_strerror(done) : "ngtcp2 does not begin");
        if (s.conn)
            say_goodbye(&s, fd);
    }
    ngtcp2_conn_del(s.conn);
    pith_packet_keys_free(s.read);
    pith_packet_keys_free(s.write);
    pith_engine_free(s.engine);
    pith_client_config_free(s.tls);
    pith_trust_free(trust);
    if (fd >= 0)
        close(fd);
    return done == 0 && fflush(stdout) == 0 ? 0 : 1;
}
