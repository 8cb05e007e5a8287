/* Two threads with connections of the same two configurations at once; the configurations and all that they were made of are freed while they run. And a key log, which is
 * called on both. */
#include "check.h"
#include <pthread.h>

enum { THREADS = 2, CONNECTIONS = 20 };

static struct {
    pthread_mutex_t lock;
    size_t lines, labels;
} log_of = { PTHREAD_MUTEX_INITIALIZER, 0, 0 };

static void key_log(void *user, const char *line)
{
    CHECK(user == (void *)&log_of);
    pthread_mutex_lock(&log_of.lock);
    log_of.lines++;
    log_of.labels += strncmp(line, "CLIENT_TRAFFIC_SECRET_0 ", 24) == 0;
    CHECK(strlen(line) > 100 && strchr(line, '\n') == NULL);
    pthread_mutex_unlock(&log_of.lock);
}

struct work {
    pith_client_config *clients;
    pith_server_config *servers;
};

static void *connections(void *argument)
{
    struct work *work = (struct work *)argument;
    int i;
    for (i = 0; i < CONNECTIONS; i++) {
        uint8_t bytes[64];
        size_t n;
        pith_tls *c = client(work->clients, NULL), *s = server(work->servers);
        /* The last connection outlives its configurations. */
        if (i == CONNECTIONS - 1) {
            pith_client_config_free(work->clients);
            pith_server_config_free(work->servers);
        }
        shake(c, s, NULL);
        IS(pith_tls_write(c, (const uint8_t *)"hello", 5, &n), PITH_OK);
        IS(carry(c, s, 100, NULL), PITH_OK);
        IS(pith_tls_read(s, bytes, sizeof bytes, &n), PITH_OK);
        CHECK(n == 5 && memcmp(bytes, "hello", 5) == 0);
        pith_tls_free(c);
        pith_tls_free(s);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    pith_client_options co;
    pith_server_options so;
    struct work work[THREADS];
    pthread_t threads[THREADS];
    pith_sessions *sessions;
    int i;
    CHECK(argc == 2);
    folder = argv[1];
    PITH_INIT(co);
    PITH_INIT(so);
    IS(pith_sessions_new(&sessions, NULL, NULL, 0), PITH_OK);
    co.sessions = sessions;
    co.key_log = key_log;
    co.key_log_user = &log_of;
    work[0].clients = client_config(&co);
    work[0].servers = server_config(&so);
    pith_sessions_free(sessions);
    for (i = 1; i < THREADS; i++) {
        IS(pith_client_config_clone(&work[i].clients, work[0].clients), PITH_OK);
        IS(pith_server_config_clone(&work[i].servers, work[0].servers), PITH_OK);
    }
    for (i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, connections, &work[i]) == 0);
    for (i = 0; i < THREADS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    CHECK(log_of.labels == THREADS * CONNECTIONS && log_of.lines > log_of.labels);
    return 0;
}
