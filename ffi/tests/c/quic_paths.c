/* Where datagrams go and how long they are: preferred addresses, clients without connection ids, and paths that carry less. */
#include "quic.h"

static uint8_t bulk[100000];
static const size_t all_lengths = 65536;
/* What is longer vanishes, as does what goes to this address; the rest is counted there. */
static size_t longest;
static pith_address silent, counted;
static unsigned arrived;

static int same(const pith_address *a, const pith_address *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

/* What one side has to send goes where it says, and comes from where it says. */
static size_t send_all(side *one, int to)
{
    pith_quic_batch batch;
    pith_quic_routed routed;
    uint8_t reply[PITH_QUIC_DATAGRAM];
    size_t at, all = 0;
    PITH_INIT(batch);
    PITH_INIT(routed);
    while (pith_quic_transmit(one->quic, buffer, sizeof buffer, &batch, &now) == PITH_OK) {
        pith_address from = batch.local.family ? batch.local : where[!to];
        pith_address remote = batch.remote;
        for (at = 0; at < batch.len; at += batch.segment) {
            size_t len = batch.len - at < batch.segment ? batch.len - at : batch.segment;
            all += len;
            if (len > longest || same(&remote, &silent))
                continue;
            if (same(&remote, &counted))
                arrived++;
            IS(pith_quic_endpoint_receive(ends[to], &from, &remote, batch.ecn, buffer + at, len,
                                          reply, sizeof reply, &routed, &now),
               PITH_OK);
            if (routed.kind == PITH_ROUTED_CONNECTION)
                IS(pith_quic_receive(((side *)routed.user)->quic, &now), PITH_OK);
            else if (routed.kind == PITH_ROUTED_INCOMING)
                asking = routed.incoming;
        }
    }
    return all;
}

/* So much time goes by on both sides, and on the way between. */
static void spend(side *c, side *s, unsigned ms)
{
    unsigned at;
    for (at = 0; at < ms; at += 10) {
        send_all(c, 1);
        pass(5);
        send_all(s, 0);
        pass(5);
        IS(pith_quic_on_deadline(c->quic, &now), PITH_OK);
        IS(pith_quic_on_deadline(s->quic, &now), PITH_OK);
    }
}

static void meet(side *c, side *s)
{
    memset(&silent, 0, sizeof silent);
    memset(&counted, 0, sizeof counted);
    arrived = 0;
    longest = all_lengths;
    begin(c);
    send_all(c, 1);
    accept_one(s);
}

static void part(side *c, side *s)
{
    pith_quic_free(c->quic);
    pith_quic_free(s->quic);
}

/* The next event of this kind; others are passed over. */
static pith_quic_event told_of(side *one, int32_t kind)
{
    pith_quic_event event;
    PITH_INIT(event);
    while (pith_quic_next_event(one->quic, &event) == PITH_OK && event.kind != kind)
        continue;
    return event;
}

static pith_quic_stats stats_of(side *one)
{
    pith_quic_stats stats;
    PITH_INIT(stats);
    IS(pith_quic_get_stats(one->quic, &stats), PITH_OK);
    return stats;
}

/* Whether this side sends there. */
static int is_at(side *one, const pith_address *address)
{
    pith_quic_stats stats = stats_of(one);
    return same(&stats.remote, address);
}

static pith_client_config *client_tls;
static pith_server_config *server_tls;

static void configure(const pith_quic_options *client, const pith_quic_options *server)
{
    free_configs();
    IS(pith_quic_client_config_new(&clients, client_tls, client, why, sizeof why), PITH_OK);
    IS(pith_quic_server_config_new(&servers, server_tls, server, why, sizeof why), PITH_OK);
}

/* What a client's and a server's options give. */
static void refused(const pith_quic_options *o, int32_t client, int32_t server, const char *word)
{
    pith_quic_client_config *c;
    pith_quic_server_config *s;
    IS(pith_quic_server_config_new(&s, server_tls, o, why, sizeof why), server);
    if (server != PITH_OK)
        CHECK(s == NULL && strstr(why, word) != NULL);
    IS(pith_quic_client_config_new(&c, client_tls, o, why, sizeof why), client);
    if (client != PITH_OK)
        CHECK(c == NULL && strstr(why, word) != NULL);
    pith_quic_server_config_free(s);
    pith_quic_client_config_free(c);
}

static void options_that_cannot_be(void)
{
    pith_quic_options o;
    PITH_INIT(o);
    o.mtu = 1199;
    refused(&o, PITH_CONFIG, PITH_CONFIG, "mtu");
    o.mtu = 65528;
    refused(&o, PITH_CONFIG, PITH_CONFIG, "mtu");
    o.mtu = ((uint64_t)1 << 32) + 1300;
    refused(&o, PITH_CONFIG, PITH_CONFIG, "mtu");
    o.mtu = 65527;
    refused(&o, PITH_OK, PITH_OK, "");
    o.mtu = 1200;
    refused(&o, PITH_OK, PITH_OK, "");
    PITH_INIT(o);
    o.preferred_v4 = address(3);
    o.preferred_v4.port = 0;
    refused(&o, PITH_OK, PITH_CONFIG, "address");
    o.preferred_v4 = address(3);
    o.preferred_v4.family = PITH_ADDRESS_IPV6;
    refused(&o, PITH_OK, PITH_ARGUMENT, "preferred_v4");
    PITH_INIT(o);
    o.preferred_v6 = address(3);
    refused(&o, PITH_OK, PITH_ARGUMENT, "preferred_v6");
    o.preferred_v6.family = 9;
    refused(&o, PITH_OK, PITH_ARGUMENT, "family");
    PITH_INIT(o);
    o.preferred_addresses = 3;
    refused(&o, PITH_ARGUMENT, PITH_OK, "preferred_addresses");
    /* A program that was built before there were such options. */
    memset(&o, 0xff, sizeof o);
    memset(&o, 0, offsetof(pith_quic_options, mtu));
    o.size = offsetof(pith_quic_options, mtu);
    refused(&o, PITH_OK, PITH_OK, "");
}

static void a_server_that_would_rather_be_elsewhere(void)
{
    static const uint8_t policies[3] = { PITH_PREFERRED_CHECKED, PITH_PREFERRED_ANY,
                                         PITH_PREFERRED_REFUSED };
    pith_address elsewhere = address(3), near = address(4);
    pith_quic_options client, server;
    pith_quic_event event;
    pith_quic_batch batch;
    side c, s;
    int i, is_near, goes;
    near.ip[0] = 127;
    near.ip[2] = 0;
    for (i = 0; i < 6; i++) {
        is_near = i >= 3;
        PITH_INIT(client);
        PITH_INIT(server);
        client.preferred_addresses = policies[i % 3];
        server.preferred_v4 = is_near ? near : elsewhere;
        server.preferred_v6 = address(5);
        server.preferred_v6.family = PITH_ADDRESS_IPV6;
        /* The preferred address is open to clients all the same. */
        server.no_migration = 1;
        configure(&client, &server);
        meet(&c, &s);
        counted = server.preferred_v4;
        spend(&c, &s, 1000);
        goes = policies[i % 3] == PITH_PREFERRED_ANY
               || (policies[i % 3] == PITH_PREFERRED_CHECKED && !is_near);
        event = told_of(&c, PITH_EVENT_MIGRATED);
        CHECK((event.kind == PITH_EVENT_MIGRATED) == goes && (arrived > 0) == goes);
        if (goes) {
            CHECK(same(&event.remote, &counted) && is_at(&c, &counted));
            CHECK(told_of(&c, PITH_EVENT_MIGRATED).kind == 0);
            /* The server sends from there. */
            IS(pith_quic_ping(s.quic), PITH_OK);
            PITH_INIT(batch);
            IS(pith_quic_transmit(s.quic, buffer, sizeof buffer, &batch, &now), PITH_OK);
            CHECK(same(&batch.local, &counted) && same(&batch.remote, &where[0]));
        } else {
            CHECK(is_at(&c, &where[1]));
        }
        part(&c, &s);
    }
    /* Nobody answers there: the connection stays where it is. */
    PITH_INIT(server);
    server.preferred_v4 = elsewhere;
    configure(NULL, &server);
    meet(&c, &s);
    silent = elsewhere;
    spend(&c, &s, 5000);
    event = told_of(&c, PITH_EVENT_MIGRATION_FAILED);
    CHECK(event.kind == PITH_EVENT_MIGRATION_FAILED && same(&event.remote, &elsewhere));
    CHECK(is_at(&c, &where[1]));
    IS(pith_quic_ping(c.quic), PITH_OK);
    spend(&c, &s, 100);
    CHECK(standing_of(c.quic).undelivered == 0);
    part(&c, &s);
}

static void a_client_without_connection_ids(void)
{
    pith_quic_options o;
    pith_quic *second;
    pith_quic_endpoint *other;
    pith_address elsewhere = address(3);
    side c, s;
    uint64_t id;
    PITH_INIT(o);
    o.empty_ids = 1;
    configure(&o, NULL);
    meet(&c, &s);
    spend(&c, &s, 200);
    IS(pith_quic_open_stream(c.quic, 0, &id), PITH_OK);
    IS(pith_quic_connect(&second, ends[0], clients, "server.example", &where[1], NULL, &c, &now,
                         why, sizeof why),
       PITH_AMBIGUOUS);
    CHECK(second == NULL && strstr(why, "another endpoint") != NULL);
    CHECK(strcmp(pith_status_name(PITH_AMBIGUOUS), "PITH_AMBIGUOUS") == 0);
    /* To another address, by another endpoint, and when the first is gone. */
    IS(pith_quic_connect(&second, ends[0], clients, "server.example", &elsewhere, NULL, &c, &now,
                         why, sizeof why),
       PITH_OK);
    pith_quic_free(second);
    IS(pith_quic_endpoint_new(&other, NULL, &now, why, sizeof why), PITH_OK);
    IS(pith_quic_connect(&second, other, clients, "server.example", &where[1], NULL, &c, &now, why,
                         sizeof why),
       PITH_OK);
    pith_quic_free(second);
    pith_quic_endpoint_free(other);
    part(&c, &s);
    IS(pith_quic_connect(&second, ends[0], clients, "server.example", &where[1], NULL, &c, &now,
                         why, sizeof why),
       PITH_OK);
    pith_quic_free(second);
    /* With ids there may be two. */
    configure(NULL, NULL);
    meet(&c, &s);
    IS(pith_quic_connect(&second, ends[0], clients, "server.example", &where[1], NULL, &c, &now,
                         why, sizeof why),
       PITH_OK);
    pith_quic_free(second);
    part(&c, &s);
}

static void paths_that_carry_more_or_less(void)
{
    static const uint16_t most[3] = { 0, 1200, 1350 };
    pith_quic_options o;
    pith_quic_stats stats;
    side c, s;
    size_t n;
    uint64_t id;
    int i;
    for (i = 0; i < 3; i++) {
        PITH_INIT(o);
        o.mtu = most[i];
        configure(&o, NULL);
        meet(&c, &s);
        spend(&c, &s, 3000);
        stats = stats_of(&c);
        CHECK(stats.mtu == (most[i] ? most[i] : 1452) && stats.black_holes == 0);
        part(&c, &s);
    }
    /* A path that carried more than it does now. */
    configure(NULL, NULL);
    meet(&c, &s);
    spend(&c, &s, 3000);
    longest = 1300;
    IS(pith_quic_open_stream(c.quic, 1, &id), PITH_OK);
    IS(pith_quic_write(c.quic, id, bulk, sizeof bulk, &n), PITH_OK);
    for (i = 0; i < 200 && stats_of(&c).black_holes == 0; i++)
        spend(&c, &s, 100);
    stats = stats_of(&c);
    CHECK(stats.black_holes == 1 && stats.mtu <= 1300);
    /* A program that was built before there was such a count. */
    stats.black_holes = 99;
    stats.size = offsetof(pith_quic_stats, black_holes);
    IS(pith_quic_get_stats(c.quic, &stats), PITH_OK);
    CHECK(stats.black_holes == 99);
    part(&c, &s);
}

int main(int argc, char **argv)
{
    pith_client_options co;
    pith_server_options so;
    CHECK(argc == 2);
    folder = argv[1];
    unused();
    now = at(5);
    PITH_INIT(co);
    co.alpn = hq;
    co.alpn_count = 1;
    client_tls = client_config(&co);
    PITH_INIT(so);
    so.alpn = hq;
    so.alpn_count = 1;
    server_tls = server_config(&so);
    make_ends();
    options_that_cannot_be();
    a_server_that_would_rather_be_elsewhere();
    a_client_without_connection_ids();
    paths_that_carry_more_or_less();
    free_configs();
    pith_client_config_free(client_tls);
    pith_server_config_free(server_tls);
    free_ends();
    return 0;
}
