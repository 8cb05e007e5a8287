/* pith.h: libpith, TLS 1.3, QUIC and key encapsulation, post-quantum by default. Made from the crate pith-ffi: do not edit.
 *
 * Objects are opaque. What a function makes (pith_..._new, pith_tls_client, pith_tls_server, pith_kem_keygen) is the caller's, who frees it once by the function of
 * its type; freeing NULL does nothing. Bytes and strings that are given are read during the call and never kept. Those that come
 * out are either written to the caller's buffer or lent by the object, for as long as the function says.
 *
 * Functions return int32_t: 0 (PITH_OK), a positive number (not an error, but something is wanted first) or a negative one (an error). Functions that make
 * an object take a buffer for the reason of a failure, which may be NULL; objects that can fail later keep the text of their last error. errno
 * says nothing of them, and there is nothing to set up or to tear down.
 *
 * NULL with length 0 is an empty slice. Buffers that are written to do not overlap with others of the same call. Structs begin with their size: set
 * them up by PITH_INIT, so that a program goes on working with a newer library.
 *
 * Configurations and what they are made of never change: any number of threads may use them at once. A connection or a key belongs to one thread at a time, and may
 * move. Functions that take a pointer to const may be called while others of that kind are, not beside one that takes it without const.
 */

#ifndef PITH_H
#define PITH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Sets a struct with a size to zero, and its size. */
#define PITH_INIT(s) (memset(&(s), 0, sizeof(s)), (s).size = sizeof(s))


/**
 * Clients are not asked who they are.
 */
#define PITH_CLIENT_AUTH_NONE 0

/**
 * Clients are asked, and one that shows nothing is served too.
 */
#define PITH_CLIENT_AUTH_OPTIONAL 1

/**
 * Clients are asked, and one that shows nothing is refused.
 */
#define PITH_CLIENT_AUTH_REQUIRED 2

/**
 * Tickets are sealed under random keys that replace themselves.
 */
#define PITH_TICKETS_ROTATING 0

/**
 * Tickets are sealed under keys that follow from a secret, which a fleet of servers shares, and the time.
 */
#define PITH_TICKETS_FLEET 1

/**
 * No ticket is issued or accepted.
 */
#define PITH_TICKETS_NONE 2

/**
 * The program keeps sessions: it is asked to keep each (PITH_QUESTION_KEEP_SESSION), and to find it (PITH_QUESTION_FIND_SESSION).
 */
#define PITH_TICKETS_ASKED 3

/**
 * Initial packets.
 */
#define PITH_LEVEL_INITIAL 0

/**
 * 0-RTT packets.
 */
#define PITH_LEVEL_EARLY 1

/**
 * Handshake packets.
 */
#define PITH_LEVEL_HANDSHAKE 2

/**
 * 1-RTT packets.
 */
#define PITH_LEVEL_APPLICATION 3

/**
 * Send `data`, handshake bytes, in CRYPTO frames of `level`, behind those of before.
 */
#define PITH_OUTPUT_SEND 1

/**
 * The secret of a direction and a level, of `secret_len` bytes, for the suite in `suite`: pith_packet_keys_new makes keys of it.
 */
#define PITH_OUTPUT_SECRET 2

/**
 * `data` are the peer's transport parameters. They are authentic from PITH_OUTPUT_COMPLETE on.
 */
#define PITH_OUTPUT_PARAMETERS 3

/**
 * A server has to say its transport parameters: pith_engine_answer_parameters. If its client's ticket remembers some, they are `data`.
 */
#define PITH_OUTPUT_ASK_PARAMETERS 4

/**
 * A client may send early data, under the transport parameters in `data`, which pith_engine_remember was given on the earlier connection.
 */
#define PITH_OUTPUT_OFFER_EARLY_DATA 5

/**
 * The server's decision on early data is in `is_accepted`. What was rejected it has not seen.
 */
#define PITH_OUTPUT_EARLY_DATA 6

/**
 * The handshake is complete: the peer is who it has to be.
 */
#define PITH_OUTPUT_COMPLETE 7

/**
 * Bytes of the longest secret.
 */
#define PITH_SECRET_MAX 48

/**
 * It worked.
 */
#define PITH_OK 0

/**
 * Not an error: bytes of the peer are wanted first.
 */
#define PITH_WANT_INPUT 1

/**
 * Not an error: bytes wait to go to the peer, and have to go first (pith_tls_transmit, or a socket that can be written).
 */
#define PITH_WANT_OUTPUT 2

/**
 * Not an error: a question waits for its answer (pith_tls_question, pith_quic_question).
 */
#define PITH_WANT_ANSWER 3

/**
 * Not an error: plaintext waits, and has to be read first (pith_tls_read).
 */
#define PITH_WANT_READ 4

/**
 * Not an error: early data waits, and has to be read first (pith_tls_read_early).
 */
#define PITH_WANT_READ_EARLY 5

/**
 * Not an error: the peer has closed its direction in due form, so nothing more comes.
 */
#define PITH_END 6

/**
 * Not an error: there is nothing of what was asked for.
 */
#define PITH_NONE 7

/**
 * A pointer is NULL that must not be.
 */
#define PITH_NULL -1

/**
 * An argument has a value that it cannot have.
 */
#define PITH_ARGUMENT -2

/**
 * The buffer of the caller is too small. Nothing was written to it; the needed length is, where there is a place for it.
 */
#define PITH_TOO_SMALL -3

/**
 * The call is not possible now, whatever the peer does. The object goes on.
 */
#define PITH_MISUSE -4

/**
 * The configuration cannot be used: a file that does not parse, a key of another certificate, something that the policy does not allow.
 */
#define PITH_CONFIG -5

/**
 * The peer broke the protocol.
 */
#define PITH_PEER -6

/**
 * The peer's certificate or key is not accepted.
 */
#define PITH_CERTIFICATE -7

/**
 * The peer ended the connection with an alert.
 */
#define PITH_ALERT -8

/**
 * The transport ended before the peer had closed its direction: what was received may be cut short.
 */
#define PITH_TRUNCATED -9

/**
 * Something failed on this side: the random generator, a signature, memory.
 */
#define PITH_LOCAL -10

/**
 * A bug in libpith. The object can only be freed.
 */
#define PITH_PANIC -11

/**
 * A system call on the descriptor failed; the text says how.
 */
#define PITH_IO -12

/**
 * Stored bytes were sealed under another key, altered, or made by another version: go on without them.
 */
#define PITH_NOT_AUTHENTIC -13

/**
 * The peer's program gave the stream or the connection up, with a code of its own (pith_quic_status.code).
 */
#define PITH_RESET -14

/**
 * Nothing came of the peer for too long.
 */
#define PITH_TIMEOUT -15

/**
 * Nobody could tell whose datagrams are whose: the endpoint has a connection without connection ids to this address (pith_quic_options.empty_ids). Use another endpoint.
 */
#define PITH_AMBIGUOUS -16

/**
 * The number of this interface. It grows when something is added; the name of the shared library changes when something is taken away.
 */
#define PITH_ABI_VERSION 1

/**
 * X25519MLKEM768: ML-KEM-768 with X25519.
 */
#define PITH_GROUP_X25519MLKEM768 4588

/**
 * SecP256r1MLKEM768: P-256 with ML-KEM-768.
 */
#define PITH_GROUP_SECP256R1MLKEM768 4587

/**
 * SecP384r1MLKEM1024: P-384 with ML-KEM-1024.
 */
#define PITH_GROUP_SECP384R1MLKEM1024 4589

/**
 * X25519, which a quantum computer breaks.
 */
#define PITH_GROUP_X25519 29

/**
 * P-256, which a quantum computer breaks.
 */
#define PITH_GROUP_SECP256R1 23

/**
 * P-384, which a quantum computer breaks.
 */
#define PITH_GROUP_SECP384R1 24

/**
 * P-521, which a quantum computer breaks.
 */
#define PITH_GROUP_SECP521R1 25

/**
 * ML-KEM-512 alone.
 */
#define PITH_GROUP_MLKEM512 512

/**
 * ML-KEM-768 alone.
 */
#define PITH_GROUP_MLKEM768 513

/**
 * ML-KEM-1024 alone.
 */
#define PITH_GROUP_MLKEM1024 514

/**
 * TLS_AES_128_GCM_SHA256.
 */
#define PITH_SUITE_AES_128_GCM_SHA256 4865

/**
 * TLS_AES_256_GCM_SHA384.
 */
#define PITH_SUITE_AES_256_GCM_SHA384 4866

/**
 * TLS_CHACHA20_POLY1305_SHA256.
 */
#define PITH_SUITE_CHACHA20_POLY1305_SHA256 4867

/**
 * Bytes of a public key of ML-KEM-512.
 */
#define PITH_MLKEM512_PUBLIC 800

/**
 * Bytes of a ciphertext of ML-KEM-512.
 */
#define PITH_MLKEM512_CIPHERTEXT 768

/**
 * Bytes of a secret of ML-KEM-512.
 */
#define PITH_MLKEM512_SECRET 32

/**
 * Bytes of a public key of ML-KEM-768.
 */
#define PITH_MLKEM768_PUBLIC 1184

/**
 * Bytes of a ciphertext of ML-KEM-768.
 */
#define PITH_MLKEM768_CIPHERTEXT 1088

/**
 * Bytes of a secret of ML-KEM-768.
 */
#define PITH_MLKEM768_SECRET 32

/**
 * Bytes of a public key of ML-KEM-1024.
 */
#define PITH_MLKEM1024_PUBLIC 1568

/**
 * Bytes of a ciphertext of ML-KEM-1024.
 */
#define PITH_MLKEM1024_CIPHERTEXT 1568

/**
 * Bytes of a secret of ML-KEM-1024.
 */
#define PITH_MLKEM1024_SECRET 32

/**
 * Bytes of a public key of X25519MLKEM768.
 */
#define PITH_X25519MLKEM768_PUBLIC 1216

/**
 * Bytes of a ciphertext of X25519MLKEM768.
 */
#define PITH_X25519MLKEM768_CIPHERTEXT 1120

/**
 * Bytes of a secret of X25519MLKEM768.
 */
#define PITH_X25519MLKEM768_SECRET 64

/**
 * Bytes of a public key of SecP256r1MLKEM768.
 */
#define PITH_SECP256R1MLKEM768_PUBLIC 1249

/**
 * Bytes of a ciphertext of SecP256r1MLKEM768.
 */
#define PITH_SECP256R1MLKEM768_CIPHERTEXT 1153

/**
 * Bytes of a secret of SecP256r1MLKEM768.
 */
#define PITH_SECP256R1MLKEM768_SECRET 64

/**
 * Bytes of a public key of SecP384r1MLKEM1024.
 */
#define PITH_SECP384R1MLKEM1024_PUBLIC 1665

/**
 * Bytes of a ciphertext of SecP384r1MLKEM1024.
 */
#define PITH_SECP384R1MLKEM1024_CIPHERTEXT 1665

/**
 * Bytes of a secret of SecP384r1MLKEM1024.
 */
#define PITH_SECP384R1MLKEM1024_SECRET 80

/**
 * QUIC version 1 (RFC 9000).
 */
#define PITH_QUIC_V1 1

/**
 * QUIC version 2 (RFC 9369).
 */
#define PITH_QUIC_V2 1798521807

/**
 * Bytes by which a sealed payload is longer.
 */
#define PITH_PACKET_TAG 16

/**
 * Bytes of a sample for header protection.
 */
#define PITH_PACKET_SAMPLE 16

/**
 * Bytes of a mask for header protection.
 */
#define PITH_PACKET_MASK 5

/**
 * A server: which configuration serves this client? See `server_name`, `items` (application protocols), `groups`, `signature_schemes`, `suites` and
 * `client_hello`; the answer is in `config`.
 */
#define PITH_QUESTION_CONFIG 1

/**
 * Is the peer acceptable, whose certificates or key are trusted already? See `items` (the chain, the leaf first) or `raw_key`, `server_name` and `ocsp_response`; the answer
 * is in `yes`, with `bytes` or `reason`.
 */
#define PITH_QUESTION_VERIFY 2

/**
 * A key is elsewhere: see `scheme` and `message`; the answer is in `bytes`.
 */
#define PITH_QUESTION_SIGN 3

/**
 * A server: did early data of this hello come before, to any server? See `hello` and `window_ms`; the answer is in `yes`.
 */
#define PITH_QUESTION_EARLY_DATA 4

/**
 * A server: which of the pre-shared keys that the client offers are known? See `items` (their identities); the answer is in `psks`.
 */
#define PITH_QUESTION_PSK 5

/**
 * A server whose program keeps sessions: keep this one. Set `session_key`, and see `session`; the answer is in `bytes`.
 */
#define PITH_QUESTION_KEEP_SESSION 6

/**
 * A server whose program keeps sessions: which does the client want to resume? See `items` (identities); the answer is in `bytes`, `session_key` and `place`.
 */
#define PITH_QUESTION_FIND_SESSION 7

/**
 * A question that this version of the header does not know. The connection can only be freed.
 */
#define PITH_QUESTION_UNKNOWN 99

/**
 * No address.
 */
#define PITH_ADDRESS_NONE 0

/**
 * An address of IPv4, in the first four bytes of `ip`.
 */
#define PITH_ADDRESS_IPV4 4

/**
 * An address of IPv6.
 */
#define PITH_ADDRESS_IPV6 6

/**
 * Bytes that a buffer for datagrams to be sent has at least.
 */
#define PITH_QUIC_DATAGRAM 1200

/**
 * CUBIC (RFC 9438).
 */
#define PITH_CONGESTION_CUBIC 0

/**
 * NewReno (RFC 9002).
 */
#define PITH_CONGESTION_NEW_RENO 1

/**
 * Clients go to the preferred addresses of their servers, but to those of this host or its link only where the server is at such an address already.
 */
#define PITH_PREFERRED_CHECKED 0

/**
 * Clients go to none.
 */
#define PITH_PREFERRED_REFUSED 1

/**
 * Clients go to all.
 */
#define PITH_PREFERRED_ANY 2

/**
 * For times and counts where 0 stands for the default: none at all.
 */
#define PITH_QUIC_NO UINT64_MAX

/**
 * Clients have to show that they receive at their address while many handshakes are unfinished (`retry_from`).
 */
#define PITH_RETRY_UNDER_LOAD 0

/**
 * Clients always have to show it, but for those with a token of an earlier connection.
 */
#define PITH_RETRY_ALWAYS 1

/**
 * Nothing is to be done about the datagram.
 */
#define PITH_ROUTED_NOTHING 0

/**
 * It is kept for a connection: call pith_quic_receive with that.
 */
#define PITH_ROUTED_CONNECTION 1

/**
 * A client asks for a connection: pith_quic_accept, _refuse, _retry or, to ignore it, pith_quic_incoming_free.
 */
#define PITH_ROUTED_INCOMING 2

/**
 * The answer is in the reply buffer: send it to where the datagram came from.
 */
#define PITH_ROUTED_REPLY 3

/**
 * The handshake is complete: the peer is who it has to be.
 */
#define PITH_EVENT_CONNECTED 1

/**
 * Both sides know that the handshake is complete.
 */
#define PITH_EVENT_CONFIRMED 2

/**
 * The peer has opened streams (`is_uni` says which kind): call pith_quic_accept_stream until there is none, and read each at once.
 */
#define PITH_EVENT_OPENED 3

/**
 * The peer allows more streams (`is_uni` says which kind) after one was refused: open again.
 */
#define PITH_EVENT_AVAILABLE 4

/**
 * There is something new to read on `stream`: data, the end or a reset.
 */
#define PITH_EVENT_READABLE 5

/**
 * `stream`, which took less than it was given, takes more.
 */
#define PITH_EVENT_WRITABLE 6

/**
 * The peer does not want what is sent on `stream`, for the reason in `code`.
 */
#define PITH_EVENT_STOPPED 7

/**
 * Everything that was written to `stream` has arrived, and its end.
 */
#define PITH_EVENT_FINISHED 8

/**
 * There are datagrams for pith_quic_read_datagram.
 */
#define PITH_EVENT_DATAGRAM 9

/**
 * There are datagrams for pith_quic_read_early_datagram.
 */
#define PITH_EVENT_EARLY_DATAGRAM 10

/**
 * The server has accepted this client's early data.
 */
#define PITH_EVENT_EARLY_ACCEPTED 11

/**
 * The server has not seen this client's early data. All streams and datagrams so far are gone: open others, if it may be sent again.
 */
#define PITH_EVENT_EARLY_REJECTED 12

/**
 * The client is at `remote` now.
 */
#define PITH_EVENT_MOVED 13

/**
 * The connection is over, with `status` and, for PITH_RESET, `code`. Nothing comes after it. pith_quic_error has the text.
 */
#define PITH_EVENT_CLOSED 14

/**
 * The connection wants to know something: pith_quic_question, pith_quic_answer.
 */
#define PITH_EVENT_QUESTION 15

/**
 * This client has gone to `remote`, where its server would rather be (pith_quic_options.preferred_v4).
 */
#define PITH_EVENT_MIGRATED 16

/**
 * Nothing came from `remote`, where this client's server would rather be: the connection stays where it is.
 */
#define PITH_EVENT_MIGRATION_FAILED 17

/**
 * The handshake is not complete.
 */
#define PITH_HANDSHAKING 0

/**
 * A question waits for its answer (pith_tls_question).
 */
#define PITH_ASKING 1

/**
 * Application data may flow.
 */
#define PITH_OPEN 2

/**
 * The peer has closed its direction in due form.
 */
#define PITH_PEER_CLOSED 3

/**
 * This side has closed its direction.
 */
#define PITH_CLOSED 4

/**
 * The connection failed.
 */
#define PITH_FAILED 5

/**
 * No early data was offered.
 */
#define PITH_EARLY_NOT_OFFERED 0

/**
 * A client may send early data, and does not know yet whether it arrives.
 */
#define PITH_EARLY_OFFERED 1

/**
 * The server read it. A copy of it may have come before or after to another server.
 */
#define PITH_EARLY_ACCEPTED 2

/**
 * The server did not see it.
 */
#define PITH_EARLY_REJECTED 3

/**
 * Bytes of the largest record: a buffer of this length for pith_tls_transmit or a socket is never too small.
 */
#define PITH_RECORD_MAX 16645

/**
 * A client's configuration. It never changes, and any number of threads may use it at once. Connections keep what they need: free it whenever you
 * like.
 */
typedef struct pith_client_config pith_client_config;

/**
 * The TLS of a QUIC connection that some other library makes (RFC 9001 section 4). It sees no packets: bytes of CRYPTO frames enter in order, by level, and what is to be done comes out
 * one after the other by pith_engine_next. It belongs to one thread at a time.
 */
typedef struct pith_engine pith_engine;

/**
 * A certificate chain or a raw public key, and who signs for it. Made once, shared by threads and configurations; those keep what they need, so free
 * it whenever you like.
 */
typedef struct pith_identity pith_identity;

/**
 * The private key of one exchange. It decapsulates once and is wiped then. One thread at a time.
 */
typedef struct pith_kem_key pith_kem_key;

/**
 * What protects the packets that one side sends at one level: a key, its IV and the key of header protection. Use it for one direction: either to seal or to open. One thread at a time.
 */
typedef struct pith_packet_keys pith_packet_keys;

/**
 * A pre-shared key that both sides were given outside of TLS (RFC 9258). Shared by configurations; those keep what they need, so free it whenever
 * you like. The key is wiped then.
 */
typedef struct pith_psk pith_psk;

/**
 * A QUIC connection. It belongs to one thread at a time, which need not be that of its endpoint. After each call transmit until nothing is left, and ask for the deadline.
 */
typedef struct pith_quic pith_quic;

/**
 * How clients speak QUIC. Threads may share it. It keeps the tokens by which a server knows a client's address (NEW_TOKEN) in memory, for the
 * connections that follow.
 */
typedef struct pith_quic_client_config pith_quic_client_config;

/**
 * What a UDP socket serves: it says which connection a datagram is for, lets clients in, and answers for connections that are no more there. One thread at a
 * time uses it, and its connections may be used by others meanwhile.
 */
typedef struct pith_quic_endpoint pith_quic_endpoint;

/**
 * A client that asks for a connection. It is accepted, refused or sent a Retry once, on the thread of its endpoint. One that is freed before is ignored.
 */
typedef struct pith_quic_incoming pith_quic_incoming;

/**
 * How servers speak QUIC. Threads may share it.
 */
typedef struct pith_quic_server_config pith_quic_server_config;

/**
 * A server's configuration. It never changes, and any number of threads may use it at once. Connections keep what they need: free it whenever you
 * like.
 */
typedef struct pith_server_config pith_server_config;

/**
 * A client's sessions, to resume them. Shared by configurations and threads: all functions on it may be called at once. Configurations go on using
 * it when it is freed.
 */
typedef struct pith_sessions pith_sessions;

/**
 * Remembers which hellos brought early data, so that a copy of one is refused. Configurations that share tickets share one of these too. In its first 20
 * seconds it refuses all early data.
 */
typedef struct pith_strikes pith_strikes;

/**
 * How a server issues and accepts tickets. Give configurations that follow one another the same, so that clients go on resuming. Shared by threads.
 */
typedef struct pith_tickets pith_tickets;

/**
 * A TLS 1.3 connection over a byte stream that the caller owns: a socket, a pipe, memory. It belongs to one thread at a time; different connections of
 * one configuration are independent. After an error it can do two things: pith_tls_transmit, since the alert is to be sent, and pith_tls_free.
 */
typedef struct pith_tls pith_tls;

/**
 * What a peer must show to be believed. There is no way to believe everybody. Made once, shared by threads, copied into the configurations that
 * are made with it: free it whenever you like.
 */
typedef struct pith_trust pith_trust;

/**
 * Bytes that belong to somebody else. NULL with length 0 is an empty slice.
 */
typedef struct pith_bytes {
    /**
     * The first byte.
     */
    const uint8_t *data;
    /**
     * How many bytes.
     */
    size_t len;
} pith_bytes;

/**
 * Takes a line of a key log, NUL-terminated and without its end; it is wiped when the function returns. Called on the thread that uses the
 * connection, and by several at once if several use connections of one configuration. Must not call libpith with that connection.
 */
typedef void (*pith_key_log_fn)(void *user,
                                const char *line);

/**
 * What a client trusts and offers. All but `trust` may be 0 or NULL, which stands for the default.
 */
typedef struct pith_client_options {
    /**
     * sizeof(pith_client_options).
     */
    size_t size;
    /**
     * What a server must show to be believed.
     */
    const struct pith_trust *trust;
    /**
     * The name of a policy, such as "V2026_11_PQ_ONLY"; NULL for "V2026_11". The lists below can only narrow it.
     */
    const char *policy;
    /**
     * Codes of groups, most wanted first (PITH_GROUP_).
     */
    const uint16_t *groups;
    /**
     * How many groups.
     */
    size_t group_count;
    /**
     * Codes of the groups to send key shares of, among the groups. By default the first post-quantum and the first classical one.
     */
    const uint16_t *shares;
    /**
     * How many shares.
     */
    size_t share_count;
    /**
     * Codes of cipher suites, most wanted first (PITH_SUITE_).
     */
    const uint16_t *suites;
    /**
     * How many suites.
     */
    size_t suite_count;
    /**
     * Application protocols (ALPN), most wanted first, such as "h2".
     */
    const struct pith_bytes *alpn;
    /**
     * How many protocols.
     */
    size_t alpn_count;
    /**
     * What to show to servers that ask who the client is.
     */
    const struct pith_identity *const *identities;
    /**
     * How many identities.
     */
    size_t identity_count;
    /**
     * Pre-shared keys.
     */
    const struct pith_psk *const *psks;
    /**
     * How many pre-shared keys.
     */
    size_t psk_count;
    /**
     * Where sessions are kept to resume them; by default nowhere.
     */
    const struct pith_sessions *sessions;
    /**
     * A text that keeps this configuration's sessions apart from those of others in one store.
     */
    const char *session_scope;
    /**
     * Receives the secrets of connections, to decrypt what was recorded. For debugging.
     */
    pith_key_log_fn key_log;
    /**
     * What `key_log` is called with. It must be good on each thread, as long as the configuration or a connection of it is there.
     */
    void *key_log_user;
    /**
     * To whose multiple records are padded, up to 1024; 0 and 1 for no padding.
     */
    uint16_t record_padding;
    /**
     * The largest record to receive, from 64 to 16385; 0 for no limit but TLS's.
     */
    uint16_t record_size_limit;
    /**
     * Not 0: connections that resume may send early data (pith_tls_write_early).
     */
    uint8_t early_data;
    /**
     * Not 0: each chain that is trusted becomes a question, PITH_QUESTION_VERIFY, which can refuse it.
     */
    uint8_t ask_verify;
    /**
     * Not 0: connections keep the server's certificates (pith_info.peer_chain).
     */
    uint8_t keep_peer_chain;
    /**
     * Not 0: asks for an OCSP response, stapled to the certificate; libpith does not look into it.
     */
    uint8_t request_ocsp;
    /**
     * Not 0: sends reserved values, so that servers which choke on unknown ones are found early (RFC 8701).
     */
    uint8_t grease;
    /**
     * Not 0: certificates are never compressed.
     */
    uint8_t no_certificate_compression;
    /**
     * With pins: 1 takes a raw public key of the server, or else a certificate; 2 a raw public key alone.
     */
    uint8_t raw_keys;
    /**
     * Remembers at most so many chains of servers that were accepted, for up to an hour and no longer than certificates and revocation
     * lists are good, so that the next connection to the same one does without the signatures in them; at most 1024. 0 for none. That the server holds its
     * key is always checked, and PITH_QUESTION_VERIFY always asked.
     */
    size_t known_chains;
} pith_client_options;

/**
 * What to show. Either `chain_pem` or, for a raw public key (RFC 7250), none. Either `key_pem` or, for a key that is elsewhere, `schemes`.
 */
typedef struct pith_identity_options {
    /**
     * sizeof(pith_identity_options).
     */
    size_t size;
    /**
     * The chain in PEM, the leaf first.
     */
    struct pith_bytes chain_pem;
    /**
     * The private key in PEM, not encrypted: PKCS#8, SEC 1 or PKCS#1. Wipe your copy when you like.
     */
    struct pith_bytes key_pem;
    /**
     * For a key that is elsewhere: the codes of the schemes that it can sign with (SignatureScheme in the registry), most wanted first. Each
     * signature is asked for as a question, PITH_QUESTION_SIGN.
     */
    const uint16_t *schemes;
    /**
     * How many schemes.
     */
    size_t scheme_count;
    /**
     * For a raw public key that is elsewhere: the SubjectPublicKeyInfo in DER.
     */
    struct pith_bytes public_key_der;
    /**
     * An OCSP response to staple to the leaf, in DER.
     */
    struct pith_bytes ocsp_response;
    /**
     * Not 0: shown only to peers that name a CA of its chain among those that they trust.
     */
    uint8_t must_match_issuer;
} pith_identity_options;

/**
 * A pre-shared key. Both sides give the same, but for `is_server`.
 */
typedef struct pith_psk_options {
    /**
     * sizeof(pith_psk_options).
     */
    size_t size;
    /**
     * Not 0: for servers. A key is for one role of this side.
     */
    uint8_t is_server;
    /**
     * Not 0: SHA-384 belongs to the key, and not SHA-256.
     */
    uint8_t sha384;
    /**
     * The name of the key, which anybody on the way can read.
     */
    struct pith_bytes identity;
    /**
     * At least 16 random bytes, which are no password.
     */
    struct pith_bytes key;
    /**
     * Who the client is, at most 255 bytes. Part of the context, as is the server's name, so that nobody can be made to talk to itself.
     */
    struct pith_bytes client_name;
    /**
     * Who the server is, at most 255 bytes.
     */
    struct pith_bytes server_name;
} pith_psk_options;

/**
 * What a server shows and accepts. All may be 0 or NULL, which stands for the default, but there is an identity or a pre-shared key.
 */
typedef struct pith_server_options {
    /**
     * sizeof(pith_server_options).
     */
    size_t size;
    /**
     * What to show. Each client gets the first that suits it best.
     */
    const struct pith_identity *const *identities;
    /**
     * How many identities.
     */
    size_t identity_count;
    /**
     * The name of a policy, such as "V2026_11_PQ_ONLY"; NULL for "V2026_11". The lists below can only narrow it.
     */
    const char *policy;
    /**
     * Codes of groups, most wanted first (PITH_GROUP_).
     */
    const uint16_t *groups;
    /**
     * How many groups.
     */
    size_t group_count;
    /**
     * Codes of cipher suites, most wanted first (PITH_SUITE_).
     */
    const uint16_t *suites;
    /**
     * How many suites.
     */
    size_t suite_count;
    /**
     * Application protocols (ALPN), most wanted first. A client that offers others is refused.
     */
    const struct pith_bytes *alpn;
    /**
     * How many protocols.
     */
    size_t alpn_count;
    /**
     * What a client must show to be believed, where clients are asked.
     */
    const struct pith_trust *client_trust;
    /**
     * Pre-shared keys.
     */
    const struct pith_psk *const *psks;
    /**
     * How many pre-shared keys.
     */
    size_t psk_count;
    /**
     * How tickets are made; NULL for random keys that replace themselves.
     */
    const struct pith_tickets *tickets;
    /**
     * A text that tickets are bound to, so that servers which share ticket keys do not take each other's.
     */
    const char *ticket_scope;
    /**
     * Remembers early data, so that a copy is refused. Needed for early data, unless `ask_early_data` is set.
     */
    const struct pith_strikes *strikes;
    /**
     * What the program settles with its clients before early data has a meaning, at most 1024 bytes. Early data is rejected where it is not the same
     * any more.
     */
    struct pith_bytes early_data_settings;
    /**
     * Receives the secrets of connections, to decrypt what was recorded. For debugging.
     */
    pith_key_log_fn key_log;
    /**
     * What `key_log` is called with. It must be good on each thread, as long as the configuration or a connection of it is there.
     */
    void *key_log_user;
    /**
     * Bytes of early data that are taken of a client; 0 for none.
     */
    uint32_t early_data;
    /**
     * To whose multiple records are padded, up to 1024; 0 and 1 for no padding.
     */
    uint16_t record_padding;
    /**
     * The largest record to receive, from 64 to 16385; 0 for no limit but TLS's.
     */
    uint16_t record_size_limit;
    /**
     * One of PITH_CLIENT_AUTH_.
     */
    uint8_t client_auth;
    /**
     * Not 0: whether early data is a copy is asked for each hello, PITH_QUESTION_EARLY_DATA, for a fleet that remembers in one place.
     */
    uint8_t ask_early_data;
    /**
     * Not 0: each connection asks for its configuration when the client's hello is there, PITH_QUESTION_CONFIG.
     */
    uint8_t ask_config;
    /**
     * Not 0: pre-shared keys that a client offers and this configuration does not have are asked for, PITH_QUESTION_PSK.
     */
    uint8_t ask_psks;
    /**
     * Not 0: each client's chain that is trusted becomes a question, PITH_QUESTION_VERIFY, which can refuse it.
     */
    uint8_t ask_verify;
    /**
     * Not 0: connections keep the client's certificates (pith_info.peer_chain).
     */
    uint8_t keep_peer_chain;
    /**
     * Not 0: certificates are never compressed.
     */
    uint8_t no_certificate_compression;
    /**
     * Remembers at most so many chains of clients that were accepted, for up to an hour and no longer than certificates and revocation
     * lists are good, so that the next connection of the same one does without the signatures in them; at most 1024. 0 for none. That the client holds its
     * key is always checked, and PITH_QUESTION_VERIFY always asked.
     */
    size_t known_chains;
} pith_server_options;

/**
 * How many sessions are kept, and how.
 */
typedef struct pith_sessions_options {
    /**
     * sizeof(pith_sessions_options).
     */
    size_t size;
    /**
     * Sessions of one server's name; 0 stands for 4. It is how many tickets servers are asked for.
     */
    uint8_t per_name;
    /**
     * Not 0: the last session of a name stays, so that many connections at once resume from it; an observer can then tell that they are of one
     * client.
     */
    uint8_t reuse_last_ticket;
    /**
     * Sessions in all; 0 stands for 1024. The oldest goes when there are more.
     */
    size_t total;
} pith_sessions_options;

/**
 * How tickets are made.
 */
typedef struct pith_tickets_options {
    /**
     * sizeof(pith_tickets_options).
     */
    size_t size;
    /**
     * One of PITH_TICKETS_.
     */
    uint8_t kind;
    /**
     * Not 0: `count` counts. Otherwise a client that does not say how many tickets it wants gets 2.
     */
    uint8_t has_count;
    /**
     * How many tickets a client gets that does not say how many it wants, at most 8.
     */
    uint8_t count;
    /**
     * Seconds for which a ticket may be used, at most 7 days; 0 stands for a day.
     */
    uint32_t lifetime_seconds;
    /**
     * The secret of a fleet, at least 32 random bytes. Whoever learns it can open every ticket that was ever sealed under it.
     */
    struct pith_bytes fleet_secret;
} pith_tickets_options;

/**
 * A time. Functions that need one take a pointer to it; NULL stands for the system's clocks, where the function says so. Do not mix the two
 * on one object.
 */
typedef struct pith_time {
    /**
     * Microseconds since any fixed moment; never goes back (CLOCK_MONOTONIC).
     */
    uint64_t monotonic_us;
    /**
     * Microseconds since 1970-01-01 00:00 UTC (CLOCK_REALTIME), for the dates of certificates and tickets.
     */
    uint64_t unix_us;
} pith_time;

/**
 * What to trust. Exactly one of `roots_pem`, `system_roots`, `pins` and `psk_only`. Nothing of it is kept.
 */
typedef struct pith_trust_options {
    /**
     * sizeof(pith_trust_options).
     */
    size_t size;
    /**
     * CA certificates in PEM, one after the other.
     */
    struct pith_bytes roots_pem;
    /**
     * Not 0: the CA certificates of this machine, or those of the file that SSL_CERT_FILE names.
     */
    uint8_t system_roots;
    /**
     * Not 0: no certificate and no public key at all, but the pre-shared keys of the configuration.
     */
    uint8_t psk_only;
    /**
     * Keys that are known in advance: of each the SHA-256 of its SubjectPublicKeyInfo in DER, 32 bytes, one after the other.
     */
    const uint8_t *pins;
    /**
     * How many pins.
     */
    size_t pin_count;
    /**
     * With roots: revocation lists in PEM. A certificate that they name, or leave in doubt, is refused.
     */
    struct pith_bytes crls_pem;
} pith_trust_options;

/**
 * Something to be done. Fields that `kind` does not speak of are 0.
 */
typedef struct pith_engine_output {
    /**
     * sizeof(pith_engine_output). Set it before the call.
     */
    size_t size;
    /**
     * One of PITH_OUTPUT_. Pass over those that you do not know.
     */
    int32_t kind;
    /**
     * One of PITH_LEVEL_.
     */
    uint8_t level;
    /**
     * PITH_OUTPUT_SECRET: 1 for what this side sends, 0 for what it receives.
     */
    uint8_t is_write;
    /**
     * PITH_OUTPUT_EARLY_DATA: 1 if it was accepted.
     */
    uint8_t is_accepted;
    /**
     * PITH_OUTPUT_SECRET: the cipher suite, PITH_SUITE_.
     */
    uint16_t suite;
    /**
     * PITH_OUTPUT_SECRET: bytes of the secret.
     */
    size_t secret_len;
    /**
     * Lent by the engine until the next call of pith_engine_next.
     */
    struct pith_bytes data;
} pith_engine_output;

/**
 * What was negotiated. Bytes are lent by the connection until it is freed.
 */
typedef struct pith_info {
    /**
     * sizeof(pith_info). Set it before the call.
     */
    size_t size;
    /**
     * The cipher suite, PITH_SUITE_.
     */
    uint16_t suite;
    /**
     * The group of the key exchange, PITH_GROUP_.
     */
    uint16_t group;
    /**
     * The code of the scheme of the server's signature; 0 where a pre-shared key stood for it.
     */
    uint16_t signature_scheme;
    /**
     * The code of the scheme of the client's signature; 0 where it showed nothing.
     */
    uint16_t client_signature_scheme;
    /**
     * What became of early data: PITH_EARLY_.
     */
    int32_t early_data;
    /**
     * 1 if what is recorded stays secret from a quantum computer.
     */
    uint8_t is_post_quantum;
    /**
     * 1 if it took a HelloRetryRequest.
     */
    uint8_t retried;
    /**
     * 1 if the connection resumes an earlier one.
     */
    uint8_t resumed;
    /**
     * 1 if `peer_key` is there.
     */
    uint8_t has_peer_key;
    /**
     * The pin of the peer's key: SHA-256 of its SubjectPublicKeyInfo. A resumed connection has it from the first of its line.
     */
    uint8_t peer_key[32];
    /**
     * The application protocol (ALPN); empty if none was negotiated.
     */
    struct pith_bytes alpn;
    /**
     * The DNS name that the client asked for; empty if it did not.
     */
    struct pith_bytes server_name;
    /**
     * The OCSP response that was stapled; nobody has looked into it.
     */
    struct pith_bytes ocsp_response;
    /**
     * The identity of the pre-shared key in use, if it is not a ticket's.
     */
    struct pith_bytes psk_identity;
    /**
     * What an answer to PITH_QUESTION_VERIFY said that the peer is known as.
     */
    struct pith_bytes peer_identity;
    /**
     * The raw public key that the peer showed, if the configuration keeps what peers show.
     */
    struct pith_bytes peer_raw_key;
    /**
     * The peer's certificates in DER, the leaf first, if the configuration keeps what peers show.
     */
    const struct pith_bytes *peer_chain;
    /**
     * How many certificates.
     */
    size_t peer_chain_count;
} pith_info;

/**
 * An address of UDP.
 */
typedef struct pith_address {
    /**
     * One of PITH_ADDRESS_.
     */
    uint16_t family;
    /**
     * The port, in the order of this machine (ntohs of what a socket says).
     */
    uint16_t port;
    /**
     * The scope of a link-local address of IPv6 (sin6_scope_id), else 0.
     */
    uint32_t scope;
    /**
     * The address, as it is on the wire.
     */
    uint8_t ip[16];
} pith_address;

/**
 * What both roles may choose. 0 stands for the default everywhere. Times are in milliseconds.
 */
typedef struct pith_quic_options {
    /**
     * sizeof(pith_quic_options).
     */
    size_t size;
    /**
     * How long nothing may come before a connection is given up; 0 stands for 30 seconds, PITH_QUIC_NO for as long as the peer likes.
     */
    uint64_t idle_timeout_ms;
    /**
     * How long a handshake may take; 0 stands for 30 seconds.
     */
    uint64_t handshake_timeout_ms;
    /**
     * After how long a silence something is sent, so that nobody takes the connection for dead; 0 stands for never.
     */
    uint64_t keep_alive_ms;
    /**
     * What stands in for the round trip before the first is measured; 0 stands for 333.
     */
    uint64_t initial_rtt_ms;
    /**
     * How many bidirectional streams the peer may have open at once; 0 stands for 100, PITH_QUIC_NO for none.
     */
    uint64_t streams_bidi;
    /**
     * How many unidirectional streams the peer may have open at once; 0 stands for 100, PITH_QUIC_NO for none.
     */
    uint64_t streams_uni;
    /**
     * How many bytes of one stream the peer may send before they are read. 0 stands for a default that grows where the program reads fast.
     */
    uint64_t stream_window;
    /**
     * The same for all streams of a connection together.
     */
    uint64_t connection_window;
    /**
     * The largest DATAGRAM frame that is taken (RFC 9221), with the up to 3 bytes in front; 0 stands for none.
     */
    uint64_t datagrams;
    /**
     * One of PITH_CONGESTION_.
     */
    uint8_t congestion;
    /**
     * Not 0: nothing is marked for ECN. For programs that cannot set the mark of what they send.
     */
    uint8_t no_ecn;
    /**
     * Not 0: clients of a server are asked not to move to another address by themselves.
     */
    uint8_t no_migration;
    /**
     * How many bytes a datagram may have at most, from 1200 to 65527; 0 stands for 1452. What the path carries is found by trying, beginning with 1200.
     */
    uint64_t mtu;
    /**
     * Where a server asks clients with an IPv4 socket to go on once they are connected (RFC 9000 section 9.6); PITH_ADDRESS_NONE for nowhere. Give what
     * comes there to the same endpoint, with `local` saying so, and send from there what pith_quic_batch.local says.
     */
    struct pith_address preferred_v4;
    /**
     * The same for those with an IPv6 socket.
     */
    struct pith_address preferred_v6;
    /**
     * One of PITH_PREFERRED_: which preferred addresses of servers a client goes to. PITH_EVENT_MIGRATED tells that it has gone, PITH_EVENT_MIGRATION_FAILED that it stays.
     */
    uint8_t preferred_addresses;
    /**
     * Not 0: servers address a client by no connection id. That saves bytes, but its endpoint can have one such connection to an address alone (PITH_AMBIGUOUS).
     */
    uint8_t empty_ids;
} pith_quic_options;

/**
 * A question. What is not about its kind is empty. All is lent by the connection until the answer, the next call that asks for its question, or the end of the connection
 * by an error or its being freed.
 */
typedef struct pith_question {
    /**
     * sizeof(pith_question). Set it before the call.
     */
    size_t size;
    /**
     * One of PITH_QUESTION_.
     */
    int32_t kind;
    /**
     * The number of the question, which the answer gives back. A late answer to an earlier question changes nothing.
     */
    uint32_t number;
    /**
     * The DNS name that a client asks for, or the name that a server has to prove.
     */
    struct pith_bytes server_name;
    /**
     * Protocols, certificates in DER, or identities.
     */
    const struct pith_bytes *items;
    /**
     * How many items.
     */
    size_t item_count;
    /**
     * The groups that a client names, most wanted first.
     */
    const uint16_t *groups;
    /**
     * How many groups.
     */
    size_t group_count;
    /**
     * The signature schemes that a client takes, most wanted first.
     */
    const uint16_t *signature_schemes;
    /**
     * How many schemes.
     */
    size_t signature_scheme_count;
    /**
     * The cipher suites that a client offers, most wanted first.
     */
    const uint16_t *suites;
    /**
     * How many suites.
     */
    size_t suite_count;
    /**
     * The whole ClientHello.
     */
    struct pith_bytes client_hello;
    /**
     * What to sign, not hashed.
     */
    struct pith_bytes message;
    /**
     * How to sign: the code of a scheme.
     */
    uint16_t scheme;
    /**
     * The raw public key of a peer that shows one in place of certificates.
     */
    struct pith_bytes raw_key;
    /**
     * The OCSP response that was stapled to the leaf; nobody has looked into it.
     */
    struct pith_bytes ocsp_response;
    /**
     * 32 bytes that stand for a hello.
     */
    struct pith_bytes hello;
    /**
     * Milliseconds for which a hello is to be remembered.
     */
    uint64_t window_ms;
    /**
     * PITH_QUESTION_KEEP_SESSION: 32 random bytes that are kept safe, under which `session` is to be sealed. Set it before the call, or leave it NULL.
     */
    const uint8_t *session_key;
    /**
     * The session, sealed; empty without a key.
     */
    struct pith_bytes session;
} pith_question;

/**
 * An answer. Fields that `kind` does not speak of are not looked at.
 */
typedef struct pith_answer {
    /**
     * sizeof(pith_answer).
     */
    size_t size;
    /**
     * What is answered, the `kind` of the question: one of PITH_QUESTION_.
     */
    int32_t kind;
    /**
     * The number of the question.
     */
    uint32_t number;
    /**
     * PITH_QUESTION_VERIFY: not 0 accepts the peer. PITH_QUESTION_EARLY_DATA: not 0 if the hello is the first of its kind; 0 rejects early data, and goes on with
     * the handshake.
     */
    uint8_t yes;
    /**
     * PITH_QUESTION_CONFIG: this configuration serves; NULL refuses the client.
     */
    const struct pith_server_config *config;
    /**
     * PITH_QUESTION_VERIFY: what an accepted peer is known as from now on (pith_info.peer_identity), at most 512 bytes, or none.
     * PITH_QUESTION_SIGN: the signature, in the encoding of its scheme; empty if there will be none, which ends the connection.
     * PITH_QUESTION_KEEP_SESSION: the session is kept, and will be found by this identity, 1 to 2048 bytes that nobody can guess; empty if it is not kept, and the client gets no ticket for it.
     * PITH_QUESTION_FIND_SESSION: the session as it was sealed, which must not be found again; empty if none is known, which leads to a full handshake. So does one that does not fit.
     */
    struct pith_bytes bytes;
    /**
     * PITH_QUESTION_VERIFY: why the peer is refused, for this side's error; NULL if there is nothing to say.
     */
    const char *reason;
    /**
     * PITH_QUESTION_PSK: keys that are known, made for a server. Those count that the client offers, and the first in its order is taken; none leads to certificates.
     */
    const struct pith_psk *const *psks;
    /**
     * How many of them.
     */
    size_t psk_count;
    /**
     * PITH_QUESTION_FIND_SESSION: the 32 bytes under which the session is sealed.
     */
    const uint8_t *session_key;
    /**
     * PITH_QUESTION_FIND_SESSION: the place among the items of the identity that the session was kept by.
     */
    size_t place;
} pith_answer;

/**
 * Datagrams that lie one behind the other in a buffer.
 */
typedef struct pith_quic_batch {
    /**
     * sizeof(pith_quic_batch). Set it before the call.
     */
    size_t size;
    /**
     * Where they go.
     */
    struct pith_address remote;
    /**
     * The address to send from; PITH_ADDRESS_NONE for any. Its port is 0.
     */
    struct pith_address local;
    /**
     * Bytes of each datagram but the last, which may have fewer (UDP_SEGMENT).
     */
    size_t segment;
    /**
     * Bytes of all.
     */
    size_t len;
    /**
     * The two lowest bits of their traffic class.
     */
    uint8_t ecn;
} pith_quic_batch;

/**
 * What an endpoint does. 0 stands for the default everywhere.
 */
typedef struct pith_quic_endpoint_options {
    /**
     * sizeof(pith_quic_endpoint_options).
     */
    size_t size;
    /**
     * Not 0: clients are let in. An endpoint that serves can connect as well.
     */
    uint8_t serves;
    /**
     * One of PITH_RETRY_.
     */
    uint8_t retry;
    /**
     * Not 0: packets to unknown connections are not answered by a Stateless Reset.
     */
    uint8_t no_resets;
    /**
     * From how many unfinished handshakes on clients have to show their address; 0 stands for 64.
     */
    uint32_t retry_from;
    /**
     * How many handshakes may be unfinished; 0 stands for 1024.
     */
    uint32_t half_open;
    /**
     * The key of Stateless Resets, 32 bytes, so that a server that was started again can reset connections from before; empty for a random one.
     */
    struct pith_bytes reset_key;
    /**
     * The key of tokens, 32 bytes, which servers at one address share; empty for a random one.
     */
    struct pith_bytes token_key;
} pith_quic_endpoint_options;

/**
 * What becomes of a datagram.
 */
typedef struct pith_quic_routed {
    /**
     * sizeof(pith_quic_routed). Set it before the call.
     */
    size_t size;
    /**
     * One of PITH_ROUTED_.
     */
    int32_t kind;
    /**
     * PITH_ROUTED_CONNECTION: the pointer that was given when the connection was made.
     */
    void *user;
    /**
     * PITH_ROUTED_INCOMING: the client, yours to free with pith_quic_incoming_free, whatever is done with it before.
     */
    struct pith_quic_incoming *incoming;
    /**
     * PITH_ROUTED_REPLY: bytes of the answer.
     */
    size_t reply_len;
} pith_quic_routed;

/**
 * What an endpoint holds now, and has counted since it began.
 */
typedef struct pith_quic_endpoint_status {
    /**
     * sizeof(pith_quic_endpoint_status). Set it before the call.
     */
    size_t size;
    /**
     * Connections that are not over.
     */
    size_t connections;
    /**
     * Those of them that were let in and whose handshake is not complete.
     */
    size_t half_open;
    /**
     * Clients whose hello is on its way, or about which was not decided.
     */
    size_t attempts;
    /**
     * Datagrams that came.
     */
    uint64_t received;
    /**
     * Those of them that were for connections.
     */
    uint64_t routed;
    /**
     * Those that belong nowhere and were not answered.
     */
    uint64_t dropped;
    /**
     * Clients let in.
     */
    uint64_t accepted;
    /**
     * Clients refused.
     */
    uint64_t refused;
    /**
     * Retry packets sent.
     */
    uint64_t retries;
    /**
     * Stateless Resets sent.
     */
    uint64_t resets;
    /**
     * 1 if the deadline of pith_quic_endpoint_shutdown has come: connections that are still there are to be closed.
     */
    uint8_t is_overdue;
    /**
     * 1 if nothing is left after pith_quic_endpoint_shutdown.
     */
    uint8_t is_over;
} pith_quic_endpoint_status;

/**
 * Something that happened. Fields that `kind` does not speak of are 0.
 */
typedef struct pith_quic_event {
    /**
     * sizeof(pith_quic_event). Set it before the call.
     */
    size_t size;
    /**
     * One of PITH_EVENT_. Pass over those that you do not know.
     */
    int32_t kind;
    /**
     * PITH_EVENT_CLOSED: a negative status; PITH_MISUSE where this side closed it.
     */
    int32_t status;
    /**
     * The stream.
     */
    uint64_t stream;
    /**
     * A code of the peer's program.
     */
    uint64_t code;
    /**
     * PITH_EVENT_MOVED, PITH_EVENT_MIGRATED, PITH_EVENT_MIGRATION_FAILED: the peer's address.
     */
    struct pith_address remote;
    /**
     * 1 for streams on which only one side sends.
     */
    uint8_t is_uni;
} pith_quic_event;

/**
 * What is known of a client before it is let in. Nothing of it is authenticated. Bytes are lent by the client until it is accepted or freed.
 */
typedef struct pith_quic_incoming_info {
    /**
     * sizeof(pith_quic_incoming_info). Set it before the call.
     */
    size_t size;
    /**
     * Where the client is, if it is where it says.
     */
    struct pith_address remote;
    /**
     * 1 if it has shown that it receives there.
     */
    uint8_t is_validated;
    /**
     * The DNS name that it asks for; empty if it does not, or nobody can read its hello.
     */
    struct pith_bytes server_name;
    /**
     * Its ClientHello, with the header; empty if nobody can read it.
     */
    struct pith_bytes client_hello;
} pith_quic_incoming_info;

/**
 * What a connection has counted, and what is known of its path now. Bytes are those of UDP's payload; times are in microseconds.
 */
typedef struct pith_quic_stats {
    /**
     * sizeof(pith_quic_stats). Set it before the call.
     */
    size_t size;
    /**
     * The peer's address.
     */
    struct pith_address remote;
    /**
     * Datagrams that were sent.
     */
    uint64_t datagrams_sent;
    /**
     * Their bytes.
     */
    uint64_t bytes_sent;
    /**
     * Datagrams that came.
     */
    uint64_t datagrams_received;
    /**
     * Their bytes.
     */
    uint64_t bytes_received;
    /**
     * Packets that were sent.
     */
    uint64_t packets_sent;
    /**
     * Packets of the peer that opened.
     */
    uint64_t packets_received;
    /**
     * Packets that were taken for lost.
     */
    uint64_t packets_lost;
    /**
     * Packets that did not open.
     */
    uint64_t undecryptable;
    /**
     * Updates of the keys that this side sends with.
     */
    uint64_t key_updates;
    /**
     * Probe timeouts.
     */
    uint64_t probe_timeouts;
    /**
     * How often the window was made smaller.
     */
    uint64_t congestion_events;
    /**
     * The smoothed round trip.
     */
    uint64_t rtt_us;
    /**
     * The smallest round trip.
     */
    uint64_t min_rtt_us;
    /**
     * The congestion window in bytes.
     */
    uint64_t window;
    /**
     * Bytes in flight.
     */
    uint64_t in_flight;
    /**
     * Bytes of the largest datagram that is sent.
     */
    uint16_t mtu;
    /**
     * How often the path was found to carry shorter datagrams than before.
     */
    uint64_t black_holes;
} pith_quic_stats;

/**
 * Where a connection stands. Bytes are lent until the next call with the connection.
 */
typedef struct pith_quic_status {
    /**
     * sizeof(pith_quic_status). Set it before the call.
     */
    size_t size;
    /**
     * 1 once the connection has nothing more to send or to wait for, and may be freed without the peer missing anything.
     */
    uint8_t is_over;
    /**
     * The alert of TLS with which this side closed the connection, such as 40 for handshake_failure; -1 if there is none.
     */
    int32_t alert_sent;
    /**
     * The alert of TLS with which the peer closed the connection; -1 if there is none.
     */
    int32_t alert_received;
    /**
     * What became of early data: one of PITH_EARLY_. A client in PITH_EARLY_OFFERED may open streams before the handshake is complete.
     */
    int32_t early_data;
    /**
     * The code that came with the last PITH_RESET, of a stream or of the connection.
     */
    uint64_t code;
    /**
     * What the peer said when it closed the connection: any bytes at all.
     */
    struct pith_bytes close_reason;
    /**
     * What was remembered with the session that this connection resumes (pith_quic_remember), while there is early data to send.
     */
    struct pith_bytes remembered;
    /**
     * How much would be lost if the connection closed now: bytes and ends of streams that have not arrived, and datagrams not sent.
     */
    uint64_t undelivered;
    /**
     * The most bytes that a datagram may have now; 0 if the peer takes none, or it is not known yet.
     */
    size_t largest_datagram;
} pith_quic_status;

/**
 * What pith_tls_open did.
 */
typedef struct pith_opened {
    /**
     * Bytes of the input that are done with, once `data` is.
     */
    size_t consumed;
    /**
     * With PITH_WANT_INPUT: bytes to get before it is worth calling again.
     */
    size_t at_least;
    /**
     * Application data, inside the input. Empty where the record brought none.
     */
    struct pith_bytes data;
    /**
     * Not 0: the data is early data, which may come again as a copy (pith_tls_read_early).
     */
    uint8_t is_early;
} pith_opened;

/**
 * Where a connection stands.
 */
typedef struct pith_tls_status {
    /**
     * sizeof(pith_tls_status). Set it before the call.
     */
    size_t size;
    /**
     * The direction from the peer: PITH_HANDSHAKING, PITH_ASKING, PITH_OPEN, PITH_PEER_CLOSED or PITH_FAILED.
     */
    int32_t receiving;
    /**
     * The direction to the peer: PITH_HANDSHAKING, PITH_ASKING, PITH_OPEN, PITH_CLOSED or PITH_FAILED. It may be open before the other, where a server has
     * accepted early data.
     */
    int32_t sending;
    /**
     * The alert that this side sends because the connection failed, such as 40 for handshake_failure; -1 if there is none.
     */
    int32_t alert_sent;
    /**
     * The alert by which the peer ended the connection; -1 if there is none.
     */
    int32_t alert_received;
    /**
     * What became of early data: one of PITH_EARLY_.
     */
    int32_t early_data;
    /**
     * How many bytes of early data a client may still send.
     */
    size_t early_data_left;
    /**
     * What was remembered with the session that this connection resumes (pith_tls_remember). Lent by the connection until it is freed.
     */
    struct pith_bytes remembered;
} pith_tls_status;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Makes a configuration. `*out` is yours to free with pith_client_config_free, and NULL if it fails.
 *
 * Errors: as pith_trust_new.
 *
 * Needs:
 * Pointers are valid for the lengths beside them.
 */
int32_t pith_client_config_new(struct pith_client_config **out,
                               const struct pith_client_options *given,
                               char *why,
                               size_t why_size);

/**
 * Another handle of the same configuration, to be freed by itself, so that owners need not wait for each other.
 */
int32_t pith_client_config_clone(struct pith_client_config **out,
                                 const struct pith_client_config *config);

/**
 * Frees a configuration. NULL is allowed. Connections that were made with it go on.
 */
void pith_client_config_free(struct pith_client_config *config);

/**
 * Makes an identity. `*out` is yours to free with pith_identity_free, and NULL if it fails.
 *
 * Errors: as pith_trust_new.
 *
 * Needs:
 * Pointers are valid for the lengths beside them.
 */
int32_t pith_identity_new(struct pith_identity **out,
                          const struct pith_identity_options *given,
                          char *why,
                          size_t why_size);

/**
 * Writes the pin of the identity's key to `pin`, 32 bytes: what the peer gives to pith_trust_options.pins.
 *
 * Needs:
 * There are 32 bytes at `pin`.
 */
int32_t pith_identity_pin(const struct pith_identity *identity,
                          uint8_t *pin);

/**
 * Frees an identity. NULL is allowed.
 */
void pith_identity_free(struct pith_identity *identity);

/**
 * Makes a pre-shared key. `*out` is yours to free with pith_psk_free, and NULL if it fails.
 *
 * Errors: as pith_trust_new.
 *
 * Needs:
 * Pointers are valid for the lengths beside them.
 */
int32_t pith_psk_new(struct pith_psk **out,
                     const struct pith_psk_options *given,
                     char *why,
                     size_t why_size);

/**
 * Frees a pre-shared key. NULL is allowed.
 */
void pith_psk_free(struct pith_psk *psk);

/**
 * Makes a configuration. `*out` is yours to free with pith_server_config_free, and NULL if it fails.
 *
 * Errors: as pith_trust_new.
 *
 * Needs:
 * Pointers are valid for the lengths beside them.
 */
int32_t pith_server_config_new(struct pith_server_config **out,
                               const struct pith_server_options *given,
                               char *why,
                               size_t why_size);

/**
 * Another handle of the same configuration, to be freed by itself, so that owners need not wait for each other.
 */
int32_t pith_server_config_clone(struct pith_server_config **out,
                                 const struct pith_server_config *config);

/**
 * Frees a configuration. NULL is allowed. Connections that were made with it go on.
 */
void pith_server_config_free(struct pith_server_config *config);

/**
 * Makes a store of sessions, empty. `*out` is yours to free with pith_sessions_free. `given` may be NULL for the defaults.
 *
 * Errors: as pith_trust_new.
 *
 * Needs:
 * Pointers are valid for the lengths beside them.
 */
int32_t pith_sessions_new(struct pith_sessions **out,
                          const struct pith_sessions_options *given,
                          char *why,
                          size_t why_size);

/**
 * How many sessions there are; 0 for NULL.
 */
size_t pith_sessions_count(const struct pith_sessions *sessions);

/**
 * Takes all sessions out of the store, sealed under `key` (32 random bytes that are kept safe), such as to write them to a file. `*len` says how many bytes
 * they are. They hold secrets and belong to one store at a time: load what was saved once.
 *
 * Errors: PITH_TOO_SMALL if there is no room for all of them, which then stay in the store: come again with `*len` bytes.
 *
 * Needs:
 * There are 32 bytes at `key`, and `capacity` bytes to write to at `out`.
 */
int32_t pith_sessions_save(const struct pith_sessions *sessions,
                           const uint8_t *key,
                           uint8_t *out,
                           size_t capacity,
                           size_t *len);

/**
 * Puts what pith_sessions_save gave into the store. Sessions that are out of date are found out when they would be used.
 *
 * Errors: PITH_NOT_AUTHENTIC if something in it was sealed under another key, altered, or made by another version; what comes before that is loaded.
 *
 * Needs:
 * There are 32 bytes at `key`, and `len` bytes at `saved`.
 */
int32_t pith_sessions_load(const struct pith_sessions *sessions,
                           const uint8_t *key,
                           const uint8_t *saved,
                           size_t len);

/**
 * Frees a store. NULL is allowed.
 */
void pith_sessions_free(struct pith_sessions *sessions);

/**
 * Makes tickets. `*out` is yours to free with pith_tickets_free, and NULL if it fails.
 *
 * Errors: as pith_trust_new.
 *
 * Needs:
 * Pointers are valid for the lengths beside them.
 */
int32_t pith_tickets_new(struct pith_tickets **out,
                         const struct pith_tickets_options *given,
                         char *why,
                         size_t why_size);

/**
 * Puts another secret in the place of a fleet's, for all configurations that have these tickets, while connections go on. Clients with tickets under
 * the old one fall back to full handshakes.
 *
 * Errors: PITH_CONFIG for a secret of fewer than 32 bytes, or tickets that are no fleet's.
 *
 * Needs:
 * There are `len` bytes at `secret`.
 */
int32_t pith_tickets_replace_secret(const struct pith_tickets *tickets,
                                    const uint8_t *secret,
                                    size_t len);

/**
 * Frees tickets. NULL is allowed.
 */
void pith_tickets_free(struct pith_tickets *tickets);

/**
 * Makes a register of hellos, which starts `now` (NULL: the system's time) and remembers up to `capacity` of them for each 20 seconds, 16 bytes each and some
 * overhead (0 stands for 65536). `*out` is yours to free with pith_strikes_free.
 */
int32_t pith_strikes_new(struct pith_strikes **out,
                         size_t capacity,
                         const struct pith_time *now);

/**
 * Frees a register. NULL is allowed.
 */
void pith_strikes_free(struct pith_strikes *strikes);

/**
 * Makes a trust. `*out` is yours to free with pith_trust_free, and NULL if it fails.
 *
 * Errors: PITH_CONFIG, with the reason in `why`: at most `why_size` bytes, cut to fit, always ending in NUL; `why` may be NULL. PITH_NULL and PITH_ARGUMENT.
 *
 * Needs:
 * Pointers are valid for the lengths beside them.
 */
int32_t pith_trust_new(struct pith_trust **out,
                       const struct pith_trust_options *given,
                       char *why,
                       size_t why_size);

/**
 * Frees a trust. NULL is allowed.
 */
void pith_trust_free(struct pith_trust *trust);

/**
 * Begins a client's handshake with the server of this name, a DNS name or an IP address in text. `version` is that of QUIC in which it begins, PITH_QUIC_V1 or PITH_QUIC_V2, and `parameters` are its transport parameters as they go into the
 * extension. The ClientHello is among the first outputs. `now` may be NULL for the system's time. `*out` is yours to free with pith_engine_free, and NULL if it fails.
 *
 * Errors: PITH_ARGUMENT for a name or a version that is none, PITH_MISUSE for a configuration without application protocols, PITH_LOCAL.
 *
 * Needs:
 * `server_name` ends in NUL, `parameters` is valid for its length, and there are `why_size` bytes at `why`.
 */
int32_t pith_engine_client(struct pith_engine **out,
                           const struct pith_client_config *config,
                           const char *server_name,
                           uint32_t version,
                           struct pith_bytes parameters,
                           const struct pith_time *now,
                           char *why,
                           size_t why_size);

/**
 * Begins a server's handshake in a version of QUIC, PITH_QUIC_V1 or PITH_QUIC_V2, which waits for a ClientHello. It asks for the transport parameters once the client's are known. `*out` is yours to free with
 * pith_engine_free.
 */
int32_t pith_engine_server(struct pith_engine **out,
                           const struct pith_server_config *config,
                           uint32_t version);

/**
 * Frees an engine and wipes its secrets. NULL is allowed.
 */
void pith_engine_free(struct pith_engine *engine);

/**
 * The text of the last error of a function with this engine, until the next; NULL if there was none.
 */
const char *pith_engine_error(const struct pith_engine *engine);

/**
 * The alert by which the handshake failed: close the connection with the code 0x100 and this (RFC 9001 section 4.8). -1 if there is none.
 */
int32_t pith_engine_alert(const struct pith_engine *engine);

/**
 * Takes bytes of CRYPTO frames of a level, in order and without gaps. Ask for outputs afterwards, after an error too. `now` may be NULL for the system's time.
 *
 * Returns PITH_OK, or a negative status: the handshake failed, and says the same from then on; pith_engine_alert has the alert.
 *
 * Needs:
 * There are `len` bytes at `bytes`.
 */
int32_t pith_engine_read(struct pith_engine *engine,
                         uint8_t level,
                         const uint8_t *bytes,
                         size_t len,
                         const struct pith_time *now);

/**
 * Takes the next thing that is to be done; they are in order, and each is to be done before the next. A secret is copied to `secret`, which has room for PITH_SECRET_MAX
 * bytes and is zero after all other outputs: wipe it when keys were made of it.
 *
 * Returns PITH_OK, PITH_NONE if bytes of the peer or an answer are wanted, or PITH_CONFIG if the configuration asks the program something else than
 * transport parameters, which an engine cannot: the handshake is over then.
 *
 * Needs:
 * `out` points to as many bytes as its size says, and there are PITH_SECRET_MAX bytes to write to at `secret`.
 */
int32_t pith_engine_next(struct pith_engine *engine,
                         struct pith_engine_output *out,
                         uint8_t *secret);

/**
 * Says a server's transport parameters, after PITH_OUTPUT_ASK_PARAMETERS. `remember` is for its tickets, and `early_data` not 0 where early data may come under what the client's
 * ticket remembers. Ask for outputs afterwards.
 *
 * Errors: PITH_MISUSE where they are not asked for; as pith_engine_read.
 *
 * Needs:
 * `parameters` and `remember` are valid for their lengths.
 */
int32_t pith_engine_answer_parameters(struct pith_engine *engine,
                                      struct pith_bytes parameters,
                                      struct pith_bytes remember,
                                      uint8_t early_data,
                                      const struct pith_time *now);

/**
 * Remembers the server's transport parameters with a client's sessions that come from now on: PITH_OUTPUT_OFFER_EARLY_DATA brings them back.
 *
 * Errors: PITH_MISUSE before the handshake is complete, or for more than 1024 bytes.
 *
 * Needs:
 * There are `len` bytes at `bytes`.
 */
int32_t pith_engine_remember(struct pith_engine *engine,
                             const uint8_t *bytes,
                             size_t len);

/**
 * Says what was negotiated, as pith_tls_info does.
 *
 * Errors: PITH_MISUSE before PITH_OUTPUT_COMPLETE, PITH_ARGUMENT if `info->size` is not set.
 *
 * Needs:
 * `info` points to as many bytes as its size says.
 */
int32_t pith_engine_info(struct pith_engine *engine,
                         struct pith_info *info);

/**
 * Fills `out` with keying material for a label and a context, as pith_tls_export does.
 *
 * Needs:
 * Pointers are valid for the lengths beside them.
 */
int32_t pith_engine_export(struct pith_engine *engine,
                           struct pith_bytes label,
                           struct pith_bytes context,
                           uint8_t *out,
                           size_t len);

/**
 * The name of a status, such as "PITH_MISUSE"; "unknown" for a number that is none. The string is never freed.
 */
const char *pith_status_name(int32_t status);

/**
 * Shakes hands over a socket. On a socket that does not block, come again when poll says what it wants. The descriptor is only used, never closed, and no SIGPIPE comes of it.
 *
 * Returns PITH_OK when application data may flow both ways, PITH_WANT_INPUT (wait until the socket can be read), PITH_WANT_OUTPUT (until it can be written), PITH_WANT_ANSWER (pith_tls_question),
 * or a negative status: PITH_IO if the socket fails, PITH_TRUNCATED if it ends. The alert for an error of TLS is sent, if the socket takes it.
 *
 * Needs:
 * `fd` is a socket that is open, and that nobody else closes while the call lasts.
 */
int32_t pith_fd_handshake(struct pith_tls *tls,
                          int32_t fd);

/**
 * Reads application data over a socket: at most `capacity` bytes, at least one unless there is none. Sends what the protocol has to say. Call it after pith_fd_handshake.
 *
 * Returns PITH_OK with `*got` bytes, PITH_END when the peer has closed in due form, PITH_WANT_INPUT, PITH_WANT_OUTPUT or PITH_WANT_ANSWER as pith_fd_handshake, or a negative status.
 *
 * Needs:
 * As pith_fd_handshake, and there are `capacity` bytes to write to at `out`.
 */
int32_t pith_fd_read(struct pith_tls *tls,
                     int32_t fd,
                     uint8_t *out,
                     size_t capacity,
                     size_t *got);

/**
 * Writes application data over a socket, and sets `*taken` to how many bytes of it were taken. They are all sent when this returns PITH_OK. On PITH_WANT_OUTPUT some may
 * wait still: come again with what is left when the socket can be written, if only with 0 bytes.
 *
 * Returns PITH_OK, PITH_WANT_OUTPUT, PITH_WANT_INPUT or PITH_WANT_ANSWER (the handshake is not complete), or a negative status.
 *
 * Needs:
 * As pith_fd_handshake, and there are `len` bytes at `bytes`.
 */
int32_t pith_fd_write(struct pith_tls *tls,
                      int32_t fd,
                      const uint8_t *bytes,
                      size_t len,
                      size_t *taken);

/**
 * Closes this side's direction in due form over a socket. The socket stays open, and what the peer sends can still be read.
 *
 * Returns PITH_OK when the close_notify is sent, PITH_WANT_OUTPUT, or a negative status.
 *
 * Needs:
 * As pith_fd_handshake.
 */
int32_t pith_fd_close(struct pith_tls *tls,
                      int32_t fd);

/**
 * PITH_ABI_VERSION of the library that runs, which may be newer than the header.
 */
uint32_t pith_abi_version(void);

/**
 * The version of the library that runs, such as "0.1.0". Never freed.
 */
const char *pith_version(void);

/**
 * The name of a group in the registry, such as "X25519MLKEM768"; NULL for one that libpith does not have. Never freed.
 */
const char *pith_group_name(uint16_t group);

/**
 * 1 if recorded traffic under this group stays secret from a quantum computer, 0 if not or if libpith does not have it.
 */
int32_t pith_group_is_post_quantum(uint16_t group);

/**
 * The name of a cipher suite in the registry, such as "TLS_AES_128_GCM_SHA256"; NULL for one that libpith does not have. Never freed.
 */
const char *pith_suite_name(uint16_t suite);

/**
 * The name of an alert in the RFC, such as "handshake_failure"; NULL for an unknown one. Never freed.
 */
const char *pith_alert_name(uint8_t alert);

/**
 * Makes a fresh key pair for `group`, one of PITH_GROUP_ with ML-KEM in it. The public key is written to `out`, which has room for exactly the PITH_..._PUBLIC
 * bytes of the group or more. `*key` is yours to free with pith_kem_free, and NULL if it fails.
 *
 * Errors: PITH_ARGUMENT for another group, PITH_TOO_SMALL, PITH_NULL, PITH_LOCAL.
 *
 * Needs:
 * There are `capacity` bytes to write to at `out`.
 */
int32_t pith_kem_keygen(struct pith_kem_key **key,
                        uint16_t group,
                        uint8_t *out,
                        size_t capacity);

/**
 * Makes a secret for whoever has the private key to `public_key`: writes a ciphertext, which goes there, to `ciphertext`, and the secret to `secret`. The
 * buffers have room for the bytes of the group's constants or more, and do not overlap. Wipe the secret when it is used.
 *
 * Errors: PITH_ARGUMENT for a group without ML-KEM, PITH_TOO_SMALL, PITH_PEER if the public key is not valid, PITH_LOCAL. Nothing is written then.
 *
 * Needs:
 * Pointers are valid for the lengths beside them.
 */
int32_t pith_kem_encapsulate(uint16_t group,
                             const uint8_t *public_key,
                             size_t public_key_len,
                             uint8_t *ciphertext,
                             size_t ciphertext_capacity,
                             uint8_t *secret,
                             size_t secret_capacity);

/**
 * Writes the secret that `ciphertext` holds to `secret`, and wipes the key: whatever comes of it, it decapsulates no more. A ciphertext of ML-KEM that was
 * altered gives another secret and no error.
 *
 * Errors: PITH_MISUSE the second time; PITH_TOO_SMALL or PITH_NULL, after which the key is still there; PITH_PEER for a ciphertext of another length, or
 * a part of it that is no point on its curve.
 *
 * Needs:
 * Pointers are valid for the lengths beside them.
 */
int32_t pith_kem_decapsulate(struct pith_kem_key *key,
                             const uint8_t *ciphertext,
                             size_t ciphertext_len,
                             uint8_t *secret,
                             size_t secret_capacity);

/**
 * Frees a key and wipes it. NULL is allowed.
 */
void pith_kem_free(struct pith_kem_key *key);

/**
 * Makes the keys of the Initial packets that the server (`of_server` not 0) or the client sends. `id` is the destination connection id of the client's first Initial packet, or after a Retry
 * the source of that. Anybody who sees the id has these keys. `*out` is yours to free with pith_packet_keys_free.
 *
 * Errors: PITH_ARGUMENT for another version, or an id of more than 20 bytes.
 *
 * Needs:
 * There are `len` bytes at `id`.
 */
int32_t pith_packet_keys_initial(struct pith_packet_keys **out,
                                 uint32_t version,
                                 const uint8_t *id,
                                 size_t len,
                                 uint8_t of_server);

/**
 * Makes keys of a secret of pith_engine_next, which is copied: wipe yours. `*out` is yours to free with pith_packet_keys_free.
 *
 * Errors: PITH_ARGUMENT for another version, a suite that is not there, or a secret of another length than the suite's hash.
 *
 * Needs:
 * There are `len` bytes at `secret`.
 */
int32_t pith_packet_keys_new(struct pith_packet_keys **out,
                             uint32_t version,
                             uint16_t suite,
                             const uint8_t *secret,
                             size_t len);

/**
 * Makes the keys that follow these in a key update (RFC 9001 section 6); header protection stays as it is. `keys` may be freed before or after.
 *
 * Needs:
 * Nothing but valid pointers.
 */
int32_t pith_packet_keys_update(struct pith_packet_keys **out,
                                const struct pith_packet_keys *keys);

/**
 * Frees keys and wipes them. NULL is allowed.
 */
void pith_packet_keys_free(struct pith_packet_keys *keys);

/**
 * The text of the last error of a function with these keys, until the next; NULL if there was none.
 */
const char *pith_packet_keys_error(const struct pith_packet_keys *keys);

/**
 * Seals a packet's payload in place: `len` is that of the plaintext and PITH_PACKET_TAG, the room for the tag behind it. `header` is the packet's header before it is
 * protected. Packet numbers go up: none is sealed twice.
 *
 * Errors: PITH_MISUSE for a number that is not above the last; PITH_LOCAL once the key has protected as many packets as it may: update the keys before. Nothing was
 * written then.
 *
 * Needs:
 * There are `header_len` bytes at `header`, and `len` to write to at `payload`.
 */
int32_t pith_packet_seal(struct pith_packet_keys *keys,
                         uint64_t number,
                         const uint8_t *header,
                         size_t header_len,
                         uint8_t *payload,
                         size_t len);

/**
 * Opens a packet's payload in place and sets `*opened` to the length of its plaintext. `header` is the packet's header without its protection. Count failures over all
 * keys of a connection: past 2^36 of ChaCha20-Poly1305 or 2^52 of AES-GCM it must end (RFC 9001 section 6.6).
 *
 * Errors: PITH_NOT_AUTHENTIC if it was not sealed like this, after which `payload` holds nothing of use.
 *
 * Needs:
 * There are `header_len` bytes at `header`, and `len` to write to at `payload`.
 */
int32_t pith_packet_open(struct pith_packet_keys *keys,
                         uint64_t number,
                         const uint8_t *header,
                         size_t header_len,
                         uint8_t *payload,
                         size_t len,
                         size_t *opened);

/**
 * Writes the mask that goes with a sample of the sealed payload, PITH_PACKET_SAMPLE bytes, to `mask`, which has room for PITH_PACKET_MASK (RFC 9001 section 5.4).
 *
 * Needs:
 * There are PITH_PACKET_SAMPLE bytes at `sample`, and PITH_PACKET_MASK to write to at `mask`.
 */
int32_t pith_packet_header_mask(struct pith_packet_keys *keys,
                                const uint8_t *sample,
                                uint8_t *mask);

/**
 * Writes the tag of a Retry packet to `tag`, PITH_PACKET_TAG bytes. `packet` is the pseudo-packet: the length and the bytes of the connection id that the client's first packet
 * was sent to, and the Retry packet without its tag (RFC 9001 section 5.8).
 *
 * Needs:
 * There are `len` bytes at `packet`, and PITH_PACKET_TAG to write to at `tag`.
 */
int32_t pith_packet_retry_tag(uint32_t version,
                              const uint8_t *packet,
                              size_t len,
                              uint8_t *tag);

/**
 * Makes a client's configuration of one of TLS, which has to name application protocols. `options` may be NULL for the defaults. `*out` is
 * yours to free with pith_quic_client_config_free; `tls` may be freed before.
 * Its connections know how to ask the program what the configuration of TLS has them ask (PITH_EVENT_QUESTION).
 *
 * Errors: PITH_CONFIG for a number that no connection can have, or an address that no host can have; the text is in `why`, as for pith_trust_new.
 *
 * Needs:
 * `options` points to as many bytes as its size says, and there are `why_size` bytes at `why`.
 */
int32_t pith_quic_client_config_new(struct pith_quic_client_config **out,
                                    const struct pith_client_config *tls,
                                    const struct pith_quic_options *options,
                                    char *why,
                                    size_t why_size);

/**
 * Frees a configuration; connections that were made by it go on. NULL is allowed.
 */
void pith_quic_client_config_free(struct pith_quic_client_config *config);

/**
 * Makes a server's configuration of one of TLS, as pith_quic_client_config_new does. `*out` is yours to free with pith_quic_server_config_free.
 *
 * Needs:
 * `options` points to as many bytes as its size says, and there are `why_size` bytes at `why`.
 */
int32_t pith_quic_server_config_new(struct pith_quic_server_config **out,
                                    const struct pith_server_config *tls,
                                    const struct pith_quic_options *options,
                                    char *why,
                                    size_t why_size);

/**
 * Frees a configuration; connections that were made by it go on. NULL is allowed.
 */
void pith_quic_server_config_free(struct pith_quic_server_config *config);

/**
 * Frees a connection and wipes its keys. Nothing is sent: close it, transmit, and wait for pith_quic_status.is_over if the peer is to hear of it. NULL
 * is allowed.
 */
void pith_quic_free(struct pith_quic *quic);

/**
 * The text of the last error of a function with this connection, until the next; NULL if there was none.
 */
const char *pith_quic_error(const struct pith_quic *quic);

/**
 * Takes what pith_quic_endpoint_receive keeps for this connection. Ask for events afterwards, and transmit.
 *
 * What the connection ends by is an event.
 */
int32_t pith_quic_receive(struct pith_quic *quic,
                          const struct pith_time *now);

/**
 * Says what the connection wants to know, as pith_tls_question does, after PITH_EVENT_QUESTION. Until the answer it goes on receiving and sending what needs none.
 *
 * Needs:
 * As pith_tls_question.
 */
int32_t pith_quic_question(struct pith_quic *quic,
                           struct pith_question *question);

/**
 * Answers the open question, as pith_tls_answer does. Ask for events afterwards, and transmit.
 *
 * Errors: as pith_tls_answer; or how the connection ended, of which there is an event.
 *
 * Needs:
 * As pith_tls_answer.
 */
int32_t pith_quic_answer(struct pith_quic *quic,
                         const struct pith_answer *answer,
                         const struct pith_time *now);

/**
 * Writes datagrams of one size that are to be sent now to `buffer`: as many as have room and the network can take, at least one. Send each, and call it again until nothing is left.
 * `capacity` is at least PITH_QUIC_DATAGRAM.
 *
 * Returns PITH_OK; PITH_NONE if there is nothing to send before the deadline, and `out->len` is 0; or PITH_TOO_SMALL.
 *
 * Needs:
 * There are `capacity` bytes to write to at `buffer`, and `out` points to as many as its size says.
 */
int32_t pith_quic_transmit(struct pith_quic *quic,
                           uint8_t *buffer,
                           size_t capacity,
                           struct pith_quic_batch *out,
                           const struct pith_time *now);

/**
 * Sets `*at_us` to when pith_quic_on_deadline is to be called, as pith_quic_endpoint_deadline does. Ask anew after every other call.
 */
int32_t pith_quic_deadline(struct pith_quic *quic,
                           uint64_t *at_us);

/**
 * Does what time has made due; transmit afterwards. Harmless at any time.
 */
int32_t pith_quic_on_deadline(struct pith_quic *quic,
                              const struct pith_time *now);

/**
 * Closes the connection with a code and a reason of the program, at once: what has not arrived never will (pith_quic_status.undelivered). Transmit
 * afterwards, and go on until pith_quic_status.is_over. Nothing if it is closed already.
 *
 * Needs:
 * There are `len` bytes at `reason`.
 */
int32_t pith_quic_close(struct pith_quic *quic,
                        uint64_t code,
                        const uint8_t *reason,
                        size_t len,
                        const struct pith_time *now);

/**
 * Asks the peer for a sign of life.
 */
int32_t pith_quic_ping(struct pith_quic *quic);

/**
 * Takes new keys for what this side sends, as soon as the handshake and the last update are done. It happens by itself before a key is used up.
 */
int32_t pith_quic_update_keys(struct pith_quic *quic);

/**
 * Sends a datagram, once: it may be lost. Where too many wait, the oldest is dropped.
 *
 * Errors: PITH_ARGUMENT for one over pith_quic_status.largest_datagram; PITH_MISUSE if the peer takes none, or it is not known yet; how the connection ended.
 *
 * Needs:
 * There are `len` bytes at `bytes`.
 */
int32_t pith_quic_send_datagram(struct pith_quic *quic,
                                const uint8_t *bytes,
                                size_t len);

/**
 * Writes the oldest datagram that came to `out`, and its length to `*len`.
 *
 * Returns PITH_OK; PITH_NONE if there is none; or PITH_TOO_SMALL: it waits, and `*len` says how long it is.
 *
 * Needs:
 * There are `capacity` bytes to write to at `out`.
 */
int32_t pith_quic_read_datagram(struct pith_quic *quic,
                                uint8_t *out,
                                size_t capacity,
                                size_t *len);

/**
 * As pith_quic_read_datagram, of datagrams that came as early data: a copy of it may have come before, or come later.
 *
 * Needs:
 * There are `capacity` bytes to write to at `out`.
 */
int32_t pith_quic_read_early_datagram(struct pith_quic *quic,
                                      uint8_t *out,
                                      size_t capacity,
                                      size_t *len);

/**
 * Makes an endpoint. `options` may be NULL for one that only connects. `*out` is yours to free with pith_quic_endpoint_free.
 *
 * Errors: PITH_ARGUMENT for a key of another length, PITH_LOCAL; the text is in `why`, as for pith_trust_new.
 *
 * Needs:
 * `options` points to as many bytes as its size says, and there are `why_size` bytes at `why`.
 */
int32_t pith_quic_endpoint_new(struct pith_quic_endpoint **out,
                               const struct pith_quic_endpoint_options *options,
                               const struct pith_time *now,
                               char *why,
                               size_t why_size);

/**
 * Frees an endpoint. Its connections and clients stay until they are freed too, but hear no more. NULL is allowed.
 */
void pith_quic_endpoint_free(struct pith_quic_endpoint *endpoint);

/**
 * The text of the last error of a function with this endpoint, until the next; NULL if there was none.
 */
const char *pith_quic_endpoint_error(const struct pith_quic_endpoint *endpoint);

/**
 * Takes a datagram that came from `remote`, and says what is to be done. `local` is the address of this side that it came to, and may be NULL
 * where that is not known; `ecn` the two lowest bits of the packet's traffic class, or 0. `reply` has room for an answer:
 * at least PITH_QUIC_DATAGRAM bytes.
 *
 * Errors: PITH_ARGUMENT, PITH_NULL, PITH_TOO_SMALL for the reply buffer; the datagram is lost then.
 *
 * Needs:
 * There are `len` bytes at `bytes`, `reply_size` to write to at `reply`, and `out` points to as many as its size says.
 */
int32_t pith_quic_endpoint_receive(struct pith_quic_endpoint *endpoint,
                                   const struct pith_address *remote,
                                   const struct pith_address *local,
                                   uint8_t ecn_bits,
                                   const uint8_t *bytes,
                                   size_t len,
                                   uint8_t *reply,
                                   size_t reply_size,
                                   struct pith_quic_routed *out,
                                   const struct pith_time *now);

/**
 * Sets `*at_us` to when pith_quic_endpoint_on_deadline is to be called, in the time of pith_time.monotonic_us. Ask anew after every other call.
 *
 * Returns PITH_OK, or PITH_NONE if there is nothing to wait for: `*at_us` is UINT64_MAX then.
 */
int32_t pith_quic_endpoint_deadline(struct pith_quic_endpoint *endpoint,
                                    uint64_t *at_us);

/**
 * Does what time has made due. Harmless at any time.
 */
int32_t pith_quic_endpoint_on_deadline(struct pith_quic_endpoint *endpoint,
                                       const struct pith_time *now);

/**
 * Lets no more clients in, and makes no more connections. Those that are there may finish until `deadline_us`, in the time of pith_time.monotonic_us:
 * pith_quic_endpoint_info says when it is time to close them, and when nothing is left.
 */
int32_t pith_quic_endpoint_shutdown(struct pith_quic_endpoint *endpoint,
                                    uint64_t deadline_us);

/**
 * Says what the endpoint holds and has counted.
 *
 * Needs:
 * `out` points to as many bytes as its size says.
 */
int32_t pith_quic_endpoint_info(struct pith_quic_endpoint *endpoint,
                                struct pith_quic_endpoint_status *out,
                                const struct pith_time *now);

/**
 * Begins a connection to the server of this name, a DNS name or an IP address in text, at `remote`. `local` is the address to send from, or NULL for any.
 * `user` comes back in pith_quic_routed. Transmit next. `*out` is yours to free with pith_quic_free, and NULL if it fails.
 *
 * Errors: PITH_ARGUMENT for a name or an address that is none, PITH_MISUSE without application protocols or after pith_quic_endpoint_shutdown, PITH_LOCAL;
 * PITH_AMBIGUOUS if it is to have no connection ids, and another of this endpoint's at `remote` has none.
 *
 * Needs:
 * `server_name` ends in NUL, and there are `why_size` bytes at `why`.
 */
int32_t pith_quic_connect(struct pith_quic **out,
                          struct pith_quic_endpoint *endpoint,
                          const struct pith_quic_client_config *config,
                          const char *server_name,
                          const struct pith_address *remote,
                          const struct pith_address *local,
                          void *user,
                          const struct pith_time *now,
                          char *why,
                          size_t why_size);

/**
 * Takes the next thing that happened. Call it until PITH_NONE, after pith_quic_receive and pith_quic_on_deadline.
 *
 * Returns PITH_OK, or PITH_NONE: `out->kind` is 0 then.
 *
 * Needs:
 * `out` points to as many bytes as its size says.
 */
int32_t pith_quic_next_event(struct pith_quic *quic,
                             struct pith_quic_event *out);

/**
 * Says what is known of a client.
 *
 * Errors: PITH_MISUSE after it was accepted, refused or sent a Retry.
 *
 * Needs:
 * `out` points to as many bytes as its size says.
 */
int32_t pith_quic_incoming_get(struct pith_quic_incoming *incoming,
                               struct pith_quic_incoming_info *out);

/**
 * The text of the last error of a function with this client, until the next; NULL if there was none.
 */
const char *pith_quic_incoming_error(const struct pith_quic_incoming *incoming);

/**
 * Frees a client; NULL is allowed. One that nothing was done with is ignored: if it sends its hello again, it is asked about again.
 */
void pith_quic_incoming_free(struct pith_quic_incoming *incoming);

/**
 * Lets a client in. `user` comes back in pith_quic_routed. Transmit next. `*out` is yours to free with pith_quic_free, and NULL if it fails.
 *
 * Errors: PITH_MISUSE if something was done with the client before, PITH_LOCAL.
 *
 * Needs:
 * There are `why_size` bytes at `why`.
 */
int32_t pith_quic_accept(struct pith_quic **out,
                         struct pith_quic_incoming *incoming,
                         const struct pith_quic_server_config *config,
                         void *user,
                         const struct pith_time *now,
                         char *why,
                         size_t why_size);

/**
 * Tells a client that it is not let in: send what is written to `reply`, `*written` bytes, to where it is. `reply` has room for PITH_QUIC_DATAGRAM bytes.
 *
 * Errors: PITH_TOO_SMALL; PITH_MISUSE if something was done with the client before.
 *
 * Needs:
 * There are `size` bytes to write to at `reply`.
 */
int32_t pith_quic_refuse(struct pith_quic_incoming *incoming,
                         uint8_t *reply,
                         size_t size,
                         size_t *written);

/**
 * Has a client show first that it receives at its address: send what is written to `reply`, as for pith_quic_refuse. It asks again then.
 *
 * Errors: as pith_quic_refuse; PITH_MISUSE too for a client that has followed a Retry, which may still be accepted.
 *
 * Needs:
 * There are `size` bytes to write to at `reply`.
 */
int32_t pith_quic_retry(struct pith_quic_incoming *incoming,
                        uint8_t *reply,
                        size_t size,
                        size_t *written,
                        const struct pith_time *now);

/**
 * Says what was negotiated, as pith_tls_info does.
 *
 * Errors: PITH_MISUSE before the handshake is complete, PITH_ARGUMENT if `info->size` is not set.
 *
 * Needs:
 * `info` points to as many bytes as its size says.
 */
int32_t pith_quic_info(struct pith_quic *quic,
                       struct pith_info *info);

/**
 * Fills `out` with keying material for a label and a context, as pith_tls_export does.
 *
 * Needs:
 * Pointers are valid for the lengths beside them.
 */
int32_t pith_quic_export(struct pith_quic *quic,
                         struct pith_bytes label,
                         struct pith_bytes context,
                         uint8_t *out,
                         size_t len);

/**
 * Remembers bytes with the sessions that come from now on, for early data under them, as pith_tls_remember does.
 *
 * Needs:
 * There are `len` bytes at `bytes`.
 */
int32_t pith_quic_remember(struct pith_quic *quic,
                           const uint8_t *bytes,
                           size_t len);

/**
 * Says what the connection has counted.
 *
 * Needs:
 * `out` points to as many bytes as its size says.
 */
int32_t pith_quic_get_stats(struct pith_quic *quic,
                            struct pith_quic_stats *out);

/**
 * Says where the connection stands. It may be asked at any time.
 *
 * Needs:
 * `out` points to as many bytes as its size says.
 */
int32_t pith_quic_get_status(struct pith_quic *quic,
                             struct pith_quic_status *out);

/**
 * Opens a stream, in both directions or with `is_uni` only to the peer, and sets `*stream` to its id. Before the handshake is complete that is for a client's early data.
 *
 * Returns PITH_OK; PITH_WANT_INPUT if the peer allows no more now, until PITH_EVENT_AVAILABLE; or how the connection ended.
 */
int32_t pith_quic_open_stream(struct pith_quic *quic,
                              uint8_t is_uni,
                              uint64_t *stream);

/**
 * Takes the next stream that the peer has opened, and sets `*stream` to its id. It may have data already, and there may be no event for that.
 *
 * Returns PITH_OK, or PITH_NONE.
 */
int32_t pith_quic_accept_stream(struct pith_quic *quic,
                                uint8_t is_uni,
                                uint64_t *stream);

/**
 * Copies what came on a stream to `out`, at most `capacity` bytes and at least 1, and sets `*got` to how many. Transmit afterwards: the peer may have waited for it.
 * Bytes that a client sent as early data are here once its handshake is complete.
 *
 * Returns PITH_OK; PITH_END with the last bytes of the stream, of which there may be none; PITH_WANT_INPUT if nothing is there now; PITH_RESET if the peer
 * gave the stream up, once (pith_quic_status.code says why); PITH_MISUSE for a stream that is not there, or no more; or how the connection ended.
 *
 * Needs:
 * There are `capacity` bytes to write to at `out`.
 */
int32_t pith_quic_read(struct pith_quic *quic,
                       uint64_t stream,
                       uint8_t *out,
                       size_t capacity,
                       size_t *got);

/**
 * As pith_quic_read, and gives a server early data at once. Whoever sent it may not be there, and a copy of it may come again: do nothing by it that must
 * not happen twice.
 *
 * Needs:
 * There are `capacity` bytes to write to at `out`.
 */
int32_t pith_quic_read_early(struct pith_quic *quic,
                             uint64_t stream,
                             uint8_t *out,
                             size_t capacity,
                             size_t *got);

/**
 * Takes bytes to send on a stream, and sets `*taken` to how many: less than `len` where the peer or this side's buffers take no more, until PITH_EVENT_WRITABLE. Transmit
 * afterwards.
 *
 * Returns PITH_OK; PITH_WANT_OUTPUT if nothing was taken; PITH_RESET if the peer does not want it (pith_quic_status.code says why); PITH_MISUSE for a stream that is
 * finished, reset or not there; or how the connection ended.
 *
 * Needs:
 * There are `len` bytes at `bytes`.
 */
int32_t pith_quic_write(struct pith_quic *quic,
                        uint64_t stream,
                        const uint8_t *bytes,
                        size_t len,
                        size_t *taken);

/**
 * Ends a stream behind what was written. Transmit afterwards; PITH_EVENT_FINISHED tells when all has arrived.
 *
 * Errors: PITH_RESET, PITH_MISUSE and others as pith_quic_write.
 */
int32_t pith_quic_finish(struct pith_quic *quic,
                         uint64_t stream);

/**
 * Gives up sending on a stream with a code for the peer: what has not arrived never will. Transmit afterwards.
 *
 * Errors: as pith_quic_finish; PITH_ARGUMENT for a code of 2^62 or more.
 */
int32_t pith_quic_reset(struct pith_quic *quic,
                        uint64_t stream,
                        uint64_t code);

/**
 * Gives up reading a stream, and asks the peer by a code to send no more. Transmit afterwards.
 *
 * Errors: PITH_MISUSE if there is nothing to stop; PITH_ARGUMENT for a code of 2^62 or more.
 */
int32_t pith_quic_stop(struct pith_quic *quic,
                       uint64_t stream,
                       uint64_t code);

/**
 * Says whose data goes first: streams of a lower urgency before those of a higher, and those of the same in turn. New streams have 3.
 *
 * Errors: as pith_quic_finish.
 */
int32_t pith_quic_set_urgency(struct pith_quic *quic,
                              uint64_t stream,
                              uint8_t urgency);

/**
 * Begins a client's connection with the server of this name: a DNS name, or an IP address in text. Its ClientHello waits to be transmitted. `now` may be NULL
 * for the system's time. `*out` is yours to free with pith_tls_free, and NULL if it fails.
 *
 * Errors: PITH_ARGUMENT for a name that is none, PITH_LOCAL; the text is in `why`, as for pith_trust_new.
 *
 * Needs:
 * `server_name` ends in NUL, and there are `why_size` bytes at `why`.
 */
int32_t pith_tls_client(struct pith_tls **out,
                        const struct pith_client_config *config,
                        const char *server_name,
                        const struct pith_time *now,
                        char *why,
                        size_t why_size);

/**
 * Begins a server's connection, which waits for a ClientHello. `*out` is yours to free with pith_tls_free.
 */
int32_t pith_tls_server(struct pith_tls **out,
                        const struct pith_server_config *config);

/**
 * Frees a connection and wipes its keys. Nothing is sent: see pith_tls_close. NULL is allowed.
 */
void pith_tls_free(struct pith_tls *tls);

/**
 * Gives the connection bytes that came from the peer, and sets `*taken` to how many of them it took: come again with the rest. It stops where there is
 * plaintext to read. Transmit what waits afterwards, whatever this returns. With length 0 it goes on with what it holds, as after an answer.
 *
 * Returns PITH_OK, PITH_WANT_READ or PITH_WANT_READ_EARLY (nothing was taken: read first), PITH_WANT_ANSWER (a question waits), PITH_END (the peer has closed;
 * what follows is passed over), or a negative status: the connection is over, and says the same from then on.
 *
 * Needs:
 * There are `len` bytes at `bytes`.
 */
int32_t pith_tls_receive(struct pith_tls *tls,
                         const uint8_t *bytes,
                         size_t len,
                         size_t *taken,
                         const struct pith_time *now);

/**
 * Tells that the transport has ended: no more bytes of the peer come.
 *
 * Errors: PITH_TRUNCATED if the peer had not closed in due form, so what was received may be cut short by somebody on the way.
 */
int32_t pith_tls_eof(struct pith_tls *tls);

/**
 * Copies application data of the peer to `out`, at most `capacity` bytes, and sets `*got` to how many.
 *
 * Returns PITH_OK, or if there is none now PITH_WANT_INPUT, PITH_WANT_ANSWER, PITH_WANT_READ_EARLY (early data comes first: pith_tls_read_early), PITH_END (the
 * peer has closed, and all was read), or a negative status.
 *
 * Needs:
 * There are `capacity` bytes to write to at `out`.
 */
int32_t pith_tls_read(struct pith_tls *tls,
                      uint8_t *out,
                      size_t capacity,
                      size_t *got);

/**
 * Copies early data of a client to `out`, as pith_tls_read does with other data. Whoever sent it may not be there, and a copy of it may come again: do nothing by it
 * that must not happen twice. Where other data waits it returns PITH_WANT_READ.
 *
 * Needs:
 * There are `capacity` bytes to write to at `out`.
 */
int32_t pith_tls_read_early(struct pith_tls *tls,
                            uint8_t *out,
                            size_t capacity,
                            size_t *got);

/**
 * Seals application data, to be transmitted, and sets `*taken` to how many bytes: less than `len` where more than 64 KiB would wait.
 *
 * Returns PITH_OK, PITH_WANT_OUTPUT (transmit first), PITH_WANT_INPUT or PITH_WANT_ANSWER (the handshake is not complete), or a negative status: PITH_MISUSE after
 * pith_tls_close.
 *
 * Needs:
 * There are `len` bytes at `bytes`.
 */
int32_t pith_tls_write(struct pith_tls *tls,
                       const uint8_t *bytes,
                       size_t len,
                       size_t *taken);

/**
 * Seals early data of a client that resumes, to be transmitted with its ClientHello, and sets `*taken` to how many bytes. It can be recorded and made to arrive
 * more than once; whether it arrived, pith_tls_status.early_data tells. What is rejected is never sent again by itself.
 *
 * Errors: PITH_MISUSE where the connection offers no early data, or no more.
 *
 * Needs:
 * There are `len` bytes at `bytes`.
 */
int32_t pith_tls_write_early(struct pith_tls *tls,
                             const uint8_t *bytes,
                             size_t len,
                             size_t *taken);

/**
 * Writes what waits for the peer to `out`, at most `capacity` bytes, and sets `*written` to how many: 0 when nothing waits. Call it until then. It works after an error
 * too, since the alert is to be sent.
 *
 * Returns PITH_OK; PITH_NULL, PITH_ARGUMENT or PITH_PANIC.
 *
 * Needs:
 * There are `capacity` bytes to write to at `out`.
 */
int32_t pith_tls_transmit(struct pith_tls *tls,
                          uint8_t *out,
                          size_t capacity,
                          size_t *written);

/**
 * Closes this side's direction in due form: a close_notify waits to be transmitted, and nothing can be written any more. What the peer sends can still be
 * read. Closing twice changes nothing.
 */
int32_t pith_tls_close(struct pith_tls *tls);

/**
 * The text of the last error of this connection, for people: what was expected, what came, what to do. NULL if there was none. It may hold names of the peer's
 * certificate, quoted and escaped. Good until the next call with the connection.
 */
const char *pith_tls_error(const struct pith_tls *tls);

/**
 * Fills `out` with keying material for a label and a context (RFC 9846 section 7.5): the same on both sides, and on no other connection.
 *
 * Errors: PITH_MISUSE before the handshake is complete, or for a label that is not ASCII; PITH_ARGUMENT for one that is empty or over 249 bytes, or for more than 8160 bytes.
 *
 * Needs:
 * Pointers are valid for the lengths beside them.
 */
int32_t pith_tls_export(struct pith_tls *tls,
                        struct pith_bytes label,
                        struct pith_bytes context,
                        uint8_t *out,
                        size_t len);

/**
 * As pith_tls_export, of the early exporter: for what is bound to early data.
 *
 * Errors: PITH_MISUSE where no early data is offered or accepted.
 *
 * Needs:
 * Pointers are valid for the lengths beside them.
 */
int32_t pith_tls_export_early(struct pith_tls *tls,
                              struct pith_bytes label,
                              struct pith_bytes context,
                              uint8_t *out,
                              size_t len);

/**
 * Takes new keys for what this side sends from now on and, if `request_peer` is not 0, asks the peer to do the same. It happens by itself before a key is used
 * up. Something waits to be transmitted then.
 *
 * Errors: PITH_MISUSE before the handshake is complete, or after pith_tls_close.
 */
int32_t pith_tls_update_keys(struct pith_tls *tls,
                             uint8_t request_peer);

/**
 * Sends the client so many more tickets, at most 8, if it can use any. `now` may be NULL for the system's time.
 *
 * Errors: PITH_MISUSE before the handshake is complete, after pith_tls_close, or for a client.
 */
int32_t pith_tls_issue_tickets(struct pith_tls *tls,
                               uint8_t count,
                               const struct pith_time *now);

/**
 * Remembers bytes with the sessions that come from now on, at most 1024, for early data under them.
 *
 * Errors: PITH_MISUSE before the handshake is complete, or for more bytes.
 *
 * Needs:
 * There are `len` bytes at `bytes`.
 */
int32_t pith_tls_remember(struct pith_tls *tls,
                          const uint8_t *bytes,
                          size_t len);

/**
 * Says what the connection wants to know, if it waits for an answer.
 *
 * Returns PITH_OK, PITH_NONE if it asks nothing, or PITH_ARGUMENT if `question->size` is not set.
 *
 * Needs:
 * `question` points to as many bytes as its size says, and its `session_key` is NULL or points to 32 bytes.
 */
int32_t pith_tls_question(struct pith_tls *tls,
                          struct pith_question *question);

/**
 * Answers the open question. `now` may be NULL for the system's time. Transmit afterwards, and give what is left of the peer's bytes to pith_tls_receive, if only 0 of
 * them.
 *
 * Errors: PITH_MISUSE if no such question is open, PITH_NULL, PITH_ARGUMENT, and PITH_NOT_AUTHENTIC for a session that does not open under its key: it is still open then. Otherwise as
 * pith_tls_receive, such as PITH_CERTIFICATE once the peer is refused.
 *
 * Needs:
 * `answer` points to as many bytes as its size says. Pointers in it are valid for the lengths beside them, and `reason` ends in NUL.
 */
int32_t pith_tls_answer(struct pith_tls *tls,
                        const struct pith_answer *answer,
                        const struct pith_time *now);

/**
 * Opens the first record of `bytes` in place. Call it again with what is behind `consumed`, and transmit what waits before you get more. Not to be mixed with
 * pith_tls_receive.
 *
 * Returns PITH_OK (a record was taken), PITH_WANT_INPUT (there is no whole record), PITH_WANT_ANSWER, PITH_END, or a negative status: the connection is over.
 *
 * Needs:
 * There are `len` bytes at `bytes`, to read and to write.
 */
int32_t pith_tls_open(struct pith_tls *tls,
                      uint8_t *bytes,
                      size_t len,
                      struct pith_opened *opened,
                      const struct pith_time *now);

/**
 * Seals `plaintext` into `out`, behind all that waits for the peer. Sets `*taken` to how many bytes of it are sealed, and `*written` to how many of `out` are to be
 * sent. With the room of pith_tls_sealed_len all is taken; with less, come again with the rest. The buffers do not overlap.
 *
 * Errors: PITH_MISUSE before the handshake is complete or after pith_tls_close; `*written` counts all the same.
 *
 * Needs:
 * Pointers are valid for the lengths beside them.
 */
int32_t pith_tls_seal(struct pith_tls *tls,
                      const uint8_t *plaintext,
                      size_t len,
                      size_t *taken,
                      uint8_t *out,
                      size_t capacity,
                      size_t *written);

/**
 * The most bytes that pith_tls_seal writes for so much plaintext, with all that waits now; 0 for NULL.
 */
size_t pith_tls_sealed_len(const struct pith_tls *tls,
                           size_t plaintext);

/**
 * Says where the connection stands. It may be asked at any time.
 *
 * Needs:
 * `out` points to as many bytes as its size says.
 */
int32_t pith_tls_get_status(struct pith_tls *tls,
                            struct pith_tls_status *out);

/**
 * Says what was negotiated.
 *
 * Errors: PITH_MISUSE before the handshake is complete, PITH_ARGUMENT if `info->size` is not set.
 *
 * Needs:
 * `info` points to as many bytes as its size says.
 */
int32_t pith_tls_info(struct pith_tls *tls,
                      struct pith_info *info);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* PITH_H */
