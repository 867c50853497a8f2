/* SPDX-License-Identifier: MIT */
/* What the core alone costs: two instances in one process, joined in memory, in virtual time.
 *
 *   bench-core bulk SIZE OCTETS     one connection, segments of SIZE (1460, or 65160 with
 * segmentation offload) bench-core connections COUNT    open, one octet each way, close; one after
 * the other bench-core many COUNT ROUNDS    COUNT established connections; batches of 64
 * one-segment requests to random ones bench-core idle COUNT           memory of COUNT established
 * connections bench-core trace COUNT          records written
 *
 * Each prints one line of `name value unit` triples. Under callgrind the counts of instructions are
 * exact (tests/bench/run.py). */
#include "base/prng.h"
#include "trace/trace.h"
#include "weir/dev.h"
#include "weir/weir.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define PORT             7
#define SERVER_ADDRESSES 17
#define FIRST_PORT       1024
#define PORTS            62000
#define BATCH            64
#define WRITE_OCTETS     65536

struct bench {
    struct weir *end[2]; /* client, server */
    struct weir_pair *pair;
    weir_time now;
    bool huge_pages; /* ask for them: fewer page walks, more resident memory */
};

static double seconds(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

static void need(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "bench-core: %s\n", what);
    exit(1);
}

static long resident_octets(void)
{
    long pages = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    need(file != NULL && fscanf(file, "%ld %ld", &pages, &resident) == 2,
         "cannot read /proc/self/statm");
    fclose(file);
    return resident * sysconf(_SC_PAGESIZE);
}

static struct weir *make(const struct weir_config *config, const struct weir_iface_config *link,
                         unsigned first, unsigned count, bool huge_pages)
{
    const size_t size = weir_memory_size(config);
    need(size > 0, "bad configuration");
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    need(memory != MAP_FAILED, "not enough address space");
    if (huge_pages)
        (void)madvise(memory, size, MADV_HUGEPAGE); /* without them it is slower, not wrong */
    struct weir *weir;
    unsigned iface;
    need(weir_init(&weir, memory, size, config, 0) == WEIR_OK, "weir_init failed");
    need(weir_iface_add(weir, link, &iface, 0) == WEIR_OK, "no interface");
    for (unsigned i = 0; i < count; i++) {
        const struct weir_ip ip = weir_ip_v4(10, 0, 0, (uint8_t)(first + i));
        need(weir_address_add(weir, iface, &ip, 24, 0) == WEIR_OK, "no address");
    }
    return weir;
}

static void setup(struct bench *bench, uint32_t conns, bool offload)
{
    struct weir_config config;
    weir_config_default(&config);
    config.tcp_max = config.flight_max = conns < 64 ? 64 : conns;
    config.ring_chunks = (conns > 10000 ? 4 * conns : 0) + 16384;
    config.tw_max = 262144;
    config.somaxconn = 65535;
    config.synq_max = 65536;
    config.seed = 1;
    const struct weir_iface_config link = {
        .medium = WEIR_IP_ONLY, .mtu = 1500, .csum_offload = offload, .tso = offload, .no_dad = true
    };
    bench->now = 0;
    bench->end[0] = make(&config, &link, 200, 1, bench->huge_pages);
    bench->end[1] = make(&config, &link, 1, SERVER_ADDRESSES, bench->huge_pages);
    const struct weir_pair_end ends[2] = { { .weir = bench->end[0] }, { .weir = bench->end[1] } };
    char why[WEIR_LINE_MAX];
    need(weir_pair_open(&bench->pair, ends, false, why) == 0, "no pair");
}

static void move(struct bench *bench)
{
    bench->now += WEIR_US;
    while (weir_pair_move(bench->pair, 4096, bench->now) > 0)
        bench->now += WEIR_US;
}

static weir_handle listen_on(struct bench *bench)
{
    const struct weir_addr local = { .port = PORT };
    weir_handle listener;
    need(weir_listen(bench->end[1], &local, 65535, 0, &listener) == WEIR_OK, "cannot listen");
    return listener;
}

static weir_handle connect_nth(struct bench *bench, uint32_t n)
{
    const struct weir_addr remote = { weir_ip_v4(10, 0, 0, (uint8_t)(1 + n / PORTS)), PORT, 0 };
    const struct weir_addr local = { weir_ip_v4(10, 0, 0, 200), (uint16_t)(FIRST_PORT + n % PORTS),
                                     0 };
    weir_handle conn;
    need(weir_connect(bench->end[0], &local, &remote, &conn, bench->now) == WEIR_IN_PROGRESS,
         "cannot connect");
    return conn;
}

static weir_handle accept_one(struct bench *bench, weir_handle listener)
{
    weir_handle conn;
    need(weir_accept(bench->end[1], listener, &conn, bench->now) == WEIR_OK, "nothing to accept");
    return conn;
}

static void drain_events(struct weir *weir)
{
    struct weir_event event;
    while (weir_next_event(weir, &event))
        continue;
}

/* Puts as much as fits, without filling it in: what is measured is the stack, not memset. */
static size_t put(struct bench *bench, weir_handle conn)
{
    struct weir_span span[WEIR_SPANS];
    unsigned count = WEIR_SPANS;
    if (weir_send_room(bench->end[0], conn, WRITE_OCTETS, span, &count) != WEIR_OK)
        return 0;
    size_t len = 0;
    for (unsigned i = 0; i < count; i++)
        len += span[i].len;
    need(weir_send_put(bench->end[0], conn, len, 0, bench->now) == WEIR_OK, "cannot send");
    return len;
}

static size_t take(struct bench *bench, weir_handle conn)
{
    struct weir_span span[WEIR_SPANS];
    unsigned count = WEIR_SPANS;
    if (weir_recv_view(bench->end[1], conn, span, &count) != WEIR_OK)
        return 0;
    size_t len = 0;
    for (unsigned i = 0; i < count; i++)
        len += span[i].len;
    need(weir_recv_took(bench->end[1], conn, len, bench->now) == WEIR_OK, "cannot receive");
    return len;
}

static void bulk(unsigned size, uint64_t octets)
{
    struct bench bench = { .huge_pages = false };
    setup(&bench, 64, size > 1460);
    const weir_handle listener = listen_on(&bench);
    const weir_handle client = connect_nth(&bench, 0);
    move(&bench);
    const weir_handle server = accept_one(&bench, listener);
    const double start = seconds();
    uint64_t got = 0;
    while (got < octets) {
        while (put(&bench, client) > 0)
            continue;
        bench.now += 10 * WEIR_US;
        weir_pair_move(bench.pair, BATCH, bench.now);
        weir_timeout(bench.end[0], bench.now);
        weir_timeout(bench.end[1], bench.now);
        for (size_t len = take(&bench, server); len > 0; len = take(&bench, server))
            got += len;
        drain_events(bench.end[0]);
        drain_events(bench.end[1]);
    }
    const double spent = seconds() - start;
    struct weir_counters count[2];
    weir_counters(bench.end[0], &count[0]);
    weir_counters(bench.end[1], &count[1]);
    printf("octets %llu B segments %llu n frames_out %llu n frames_back %llu n rtx %llu n "
           "ns_per_frame %.1f ns gbit %.2f Gbit/s\n",
           (unsigned long long)got, (unsigned long long)count[0].segs_out,
           (unsigned long long)count[0].frames_out, (unsigned long long)count[1].frames_out,
           (unsigned long long)count[0].segs_rtx, spent * 1e9 / (double)count[0].frames_out,
           (double)got * 8e-9 / spent);
}

static void connections(uint32_t total)
{
    struct bench bench = { .huge_pages = false };
    setup(&bench, 1024, false);
    const weir_handle listener = listen_on(&bench);
    const double start = seconds();
    for (uint32_t n = 0; n < total; n++) {
        size_t done;
        uint8_t octet = 1;
        const weir_handle client = connect_nth(&bench, n % (PORTS * SERVER_ADDRESSES));
        move(&bench);
        const weir_handle server = accept_one(&bench, listener);
        need(weir_send(bench.end[0], client, &octet, 1, 0, &done, bench.now) == WEIR_OK, "send");
        move(&bench);
        need(weir_recv(bench.end[1], server, &octet, 1, &done, bench.now) == WEIR_OK && done == 1,
             "recv");
        need(weir_send(bench.end[1], server, &octet, 1, 0, &done, bench.now) == WEIR_OK,
             "send back");
        move(&bench);
        need(weir_recv(bench.end[0], client, &octet, 1, &done, bench.now) == WEIR_OK && done == 1,
             "recv back");
        need(weir_release(bench.end[0], client, bench.now) == WEIR_OK, "close");
        move(&bench);
        need(weir_release(bench.end[1], server, bench.now) == WEIR_OK, "close back");
        move(&bench);
        drain_events(bench.end[0]);
        drain_events(bench.end[1]);
        bench.now += WEIR_MS;
        weir_timeout(bench.end[0], bench.now);
        weir_timeout(bench.end[1], bench.now);
    }
    const double spent = seconds() - start;
    struct weir_counters count;
    weir_counters(bench.end[0], &count);
    printf("connections %u n ns_per_connection %.0f ns segments_per_connection %.2f n\n", total,
           spent * 1e9 / total, (double)(count.segs_out + count.segs_in) / total);
}

/* One octet there and back, over one connection: what a request costs when nothing is shared out
 * over a batch. */
static void pong(uint32_t total)
{
    struct bench bench = { .huge_pages = false };
    setup(&bench, 64, true);
    const weir_handle listener = listen_on(&bench);
    weir_handle conn[2] = { connect_nth(&bench, 0), WEIR_NO_HANDLE };
    move(&bench);
    conn[1] = accept_one(&bench, listener);
    const double start = seconds();
    for (uint32_t n = 0; n < 2 * total; n++) {
        struct weir *from = bench.end[n % 2], *to = bench.end[1 - n % 2];
        size_t done;
        uint8_t octet = 1;
        need(weir_send(from, conn[n % 2], &octet, 1, 0, &done, bench.now) == WEIR_OK, "send");
        move(&bench);
        need(weir_recv(to, conn[1 - n % 2], &octet, 1, &done, bench.now) == WEIR_OK, "recv");
        drain_events(from);
        drain_events(to);
    }
    const double spent = seconds() - start;
    printf("pings %u n ns_per_ping %.0f ns\n", total, spent * 1e9 / total);
}

static weir_handle *open_many(struct bench *bench, uint32_t total)
{
    weir_handle *client = malloc(total * sizeof *client);
    need(client != NULL, "out of memory");
    setup(bench, total, false);
    const weir_handle listener = listen_on(bench);
    for (uint32_t n = 0; n < total; n++) {
        client[n] = connect_nth(bench, n);
        if (n % BATCH != BATCH - 1 && n + 1 < total)
            continue;
        move(bench);
        weir_handle server;
        while (weir_accept(bench->end[1], listener, &server, bench->now) == WEIR_OK)
            continue;
        drain_events(bench->end[0]);
        drain_events(bench->end[1]);
    }
    struct weir_counters count;
    weir_counters(bench->end[1], &count);
    need(count.passive_opens == total, "not all connections were opened");
    /* Delayed acknowledgements and the like are over. */
    for (unsigned i = 0; i < 100; i++) {
        bench->now += 10 * WEIR_MS;
        weir_timeout(bench->end[0], bench->now);
        weir_timeout(bench->end[1], bench->now);
        move(bench);
    }
    return client;
}

static void idle(uint32_t total)
{
    const long before = resident_octets();
    struct bench bench = { .huge_pages = false };
    free(open_many(&bench, total));
    const long after = resident_octets();
    printf("connections %u n rss_per_connection_end %.1f B\n", total,
           (double)(after - before) / total / 2);
}

static int compare_doubles(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Requests of one segment to random connections, in batches; only the receiving side's weir_input
 * and reading are timed. What is told is the median batch: whoever else uses the machine disturbs
 * some, not most. */
static void many(uint32_t total, uint32_t rounds)
{
    struct bench bench = { .huge_pages = true };
    weir_handle *client = open_many(&bench, total);
    struct prng prng;
    prng_init(&prng, 1, 1, 1);
    static struct weir_out out[BATCH];
    static uint8_t octets[BATCH][512];
    struct weir_frame frame[BATCH];
    double *spent = malloc(rounds * sizeof *spent); /* of each batch, a segment */
    need(spent != NULL && rounds > 0, "out of memory");
    uint64_t segments = 0;
    for (uint32_t round = 0; round < rounds; round++) {
        bench.now += WEIR_MS * 50;
        weir_timeout(bench.end[0], bench.now);
        for (unsigned i = 0; i < BATCH; i++) {
            size_t done;
            const weir_handle conn = client[prng_below(&prng, total)];
            need(weir_send(bench.end[0], conn, "0123456789abcdef", 16, 0, &done, bench.now) ==
                     WEIR_OK,
                 "send");
        }
        const size_t count = weir_output(bench.end[0], 0, out, BATCH, bench.now);
        for (size_t i = 0; i < count; i++)
            frame[i] =
                (struct weir_frame){ .data = octets[i],
                                     .len = weir_out_copy(&out[i], octets[i], sizeof octets[i]),
                                     .when = bench.now };
        const double start = seconds();
        weir_input(bench.end[1], 0, frame, count, bench.now);
        struct weir_event event;
        while (weir_next_event(bench.end[1], &event)) {
            uint8_t text[256];
            size_t done;
            if (weir_recv(bench.end[1], event.handle, text, sizeof text, &done, bench.now) !=
                WEIR_OK)
                need(false, "recv");
        }
        need(count > 0, "nothing was sent");
        spent[round] = (seconds() - start) / (double)count;
        segments += count;
        move(&bench);
        drain_events(bench.end[0]);
        weir_timeout(bench.end[1], bench.now);
    }
    qsort(spent, rounds, sizeof *spent, compare_doubles);
    printf("connections %u n segments %llu n ns_per_segment %.1f ns\n", total,
           (unsigned long long)segments, spent[rounds / 2] * 1e9);
    free(spent);
    free(client);
}

static void records(uint32_t total)
{
    struct trace trace;
    struct arena arena = { 0 };
    trace_init(&trace, &arena, 16384, 16384);
    arena.size = arena.used;
    arena.base =
        aligned_alloc(ARENA_ALIGN, (arena.size + ARENA_ALIGN - 1) / ARENA_ALIGN * ARENA_ALIGN);
    need(arena.base != NULL, "out of memory");
    memset(arena.base, 0, arena.size);
    arena.used = 0;
    trace_init(&trace, &arena, 16384, 16384);
    const double start = seconds();
    for (uint32_t i = 0; i < total; i++) {
        struct weir_record *record = trace_slot(&trace, WEIR_TRACE_FLOW);
        *record = (struct weir_record){ .when = i,
                                        .conn = i,
                                        .type = WEIR_REC_SEG_IN,
                                        .flags = 16,
                                        .seq = i,
                                        .ack = i,
                                        .value = 1460 };
        trace_publish(&trace, WEIR_TRACE_FLOW);
    }
    printf("records %u n ns_per_record %.2f ns\n", total, (seconds() - start) * 1e9 / total);
    free(arena.base);
}

int main(int argc, char **argv)
{
    const uint64_t first = argc > 2 ? strtoull(argv[2], NULL, 10) : 0;
    const uint64_t second = argc > 3 ? strtoull(argv[3], NULL, 10) : 0;
    if (argc == 4 && strcmp(argv[1], "bulk") == 0)
        bulk((unsigned)first, second);
    else if (argc == 3 && strcmp(argv[1], "connections") == 0)
        connections((uint32_t)first);
    else if (argc == 3 && strcmp(argv[1], "pong") == 0)
        pong((uint32_t)first);
    else if (argc == 4 && strcmp(argv[1], "many") == 0)
        many((uint32_t)first, (uint32_t)second);
    else if (argc == 3 && strcmp(argv[1], "idle") == 0)
        idle((uint32_t)first);
    else if (argc == 3 && strcmp(argv[1], "trace") == 0)
        records((uint32_t)first);
    else {
        fprintf(stderr,
                "usage: bench-core bulk SIZE OCTETS | connections COUNT | pong COUNT | many COUNT "
                "ROUNDS | idle COUNT | trace COUNT\n");
        return 2;
    }
    return 0;
}
