/* SPDX-License-Identifier: MIT */

/* weir's side of the wire benchmark: one server in the library's own loop.
 *
 *   bench-weir ROLE DEVICE ADDRESS/LEN PORT [--spin US] [--window OCTETS] [--stats]
 *
 * ROLE is sink, source, pong or accept. It prints "ready" and serves until SIGTERM. Bulk octets are
 * taken and given in place (weir_recv_view, weir_send_room): the program looks at none of them, as
 * the kernel's does not either. */
#include "clock.h"
#include "weir/loop.h"
#include "weir/trace.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

struct bench {
    struct weir_loop *loop;
    struct weir_dev *dev;
    struct weir *weir;
    weir_handle listener;
    struct bulk_meter meter; /* of the one bulk connection at a time */
};

static struct weir_loop *running; /* for the signal handler */

_Noreturn static void die(const char *what)
{
    fprintf(stderr, "bench-weir: %s\n", what);
    exit(1);
}

static void on_signal(int number)
{
    (void)number;
    weir_loop_stop(running);
}

/* ---- The roles: each is what happens to a connection that is ready ---- */

static size_t spans_len(const struct weir_span *span, unsigned count)
{
    size_t len = 0;
    for (unsigned i = 0; i < count; i++)
        len += span[i].len;
    return len;
}

static void end_bulk(struct bench *bench, weir_handle conn, weir_time now)
{
    weir_release(bench->weir, conn, now);
    bulk_end(&bench->meter);
}

static void do_sink(struct bench *bench, const struct weir_event *event, weir_time now)
{
    struct weir_span span[WEIR_SPANS];
    enum weir_error error;
    for (;;) {
        unsigned count = WEIR_SPANS;
        error = weir_recv_view(bench->weir, event->handle, span, &count);
        const size_t len = spans_len(span, count);
        if (error != WEIR_OK || len == 0)
            break;
        bench->meter.octets += len;
        error = weir_recv_took(bench->weir, event->handle, len, now);
        if (error != WEIR_OK)
            die(weir_error_text(error));
    }
    if (error != WEIR_AGAIN)
        end_bulk(bench, event->handle, now);
}

static void do_source(struct bench *bench, const struct weir_event *event, weir_time now)
{
    struct weir_span span[WEIR_SPANS];
    if ((event->ready & (WEIR_EOF | WEIR_HANGUP | WEIR_ERROR)) != 0) {
        end_bulk(bench, event->handle, now);
        return;
    }
    for (;;) {
        unsigned count = WEIR_SPANS;
        if (weir_send_room(bench->weir, event->handle, BULK_OCTETS, span, &count) != WEIR_OK)
            return;
        const size_t len = spans_len(span, count);
        const enum weir_error error = weir_send_put(bench->weir, event->handle, len, 0, now);
        if (error != WEIR_OK)
            die(weir_error_text(error));
        bench->meter.octets += len;
    }
}

/* For pong and accept: what arrives goes back. */
static void do_echo(struct bench *bench, const struct weir_event *event, weir_time now)
{
    uint8_t data[REQUEST_OCTETS];
    size_t len, sent;
    enum weir_error error;
    for (;;) {
        error = weir_recv(bench->weir, event->handle, data, sizeof data, &len, now);
        if (error != WEIR_OK || len == 0)
            break;
        error = weir_send(bench->weir, event->handle, data, len, 0, &sent, now);
        if (error != WEIR_OK || sent != len)
            die("an answer does not fit");
    }
    if (error != WEIR_AGAIN)
        weir_release(bench->weir, event->handle, now);
}

typedef void role_fn(struct bench *bench, const struct weir_event *event, weir_time now);

static const struct role {
    const char *name;
    role_fn *run;
} roles[] = {
    { "sink", do_sink },
    { "source", do_source },
    { "pong", do_echo },
    { "accept", do_echo },
};
static const struct role *role;

static void on_event(void *user, struct weir *weir, const struct weir_event *event, weir_time now)
{
    struct bench *bench = user;
    if (event->handle != bench->listener) {
        role->run(bench, event, now);
        return;
    }
    weir_handle conn;
    while (weir_accept(weir, bench->listener, &conn, now) == WEIR_OK) {
        if (weir_set(weir, conn, WEIR_OPT_NODELAY, 1, now) != WEIR_OK)
            die("TCP_NODELAY");
        bulk_begin(&bench->meter);
    }
}

/* ---- Setting up ---- */

struct options {
    const char *device;
    struct weir_ip ip;
    unsigned prefix_len;
    uint16_t port;
    weir_time spin;
    uint32_t window;
    bool stats;
};

static void make_instance(struct bench *bench, const struct options *options)
{
    char why[WEIR_LINE_MAX] = "";
    struct weir_config config;
    weir_config_default(&config);
    if (options->window > 0)
        config.rcv_max = config.snd_max = options->window;
    if (weir_secrets_fill(&config, why) < 0)
        die(why);
    const size_t size = weir_memory_size(&config);
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (size == 0 || memory == MAP_FAILED)
        die("no memory of that size");
    const weir_time now = weir_loop_clock();
    struct weir_iface_config link = { .mtu = bench->dev->mtu,
                                      .csum_offload = bench->dev->csum,
                                      .tso = bench->dev->tso };
    memcpy(link.mac, bench->dev->mac, sizeof link.mac);
    const struct weir_addr local = { .ip = options->ip, .port = options->port };
    unsigned iface;
    if (weir_init(&bench->weir, memory, size, &config, now) != WEIR_OK ||
        weir_iface_add(bench->weir, &link, &iface, now) != WEIR_OK ||
        weir_address_add(bench->weir, iface, &options->ip, options->prefix_len, now) != WEIR_OK ||
        weir_listen(bench->weir, &local, SERVER_BACKLOG, 0, &bench->listener) != WEIR_OK)
        die("cannot set up the instance");
    if (weir_loop_add_instance(bench->loop, bench->weir, on_event, bench) < 0 ||
        weir_loop_add_dev(bench->loop, bench->weir, iface, bench->dev, NULL, 0) < 0)
        die("cannot set up the loop");
}

static void print_stats(const struct bench *bench)
{
    struct weir_counters c;
    weir_counters(bench->weir, &c);
    fprintf(stderr, "frames in %llu out %llu, segments in %llu out %llu rtx %llu\n",
            (unsigned long long)c.frames_in, (unsigned long long)c.frames_out,
            (unsigned long long)c.segs_in, (unsigned long long)c.segs_out,
            (unsigned long long)c.segs_rtx);
    for (unsigned drop = 1; drop < WEIR_DROP_COUNT; drop++)
        if (weir_drop_count(bench->weir, drop) > 0)
            fprintf(stderr, "dropped %llu: %s\n",
                    (unsigned long long)weir_drop_count(bench->weir, drop), weir_drop_text(drop));
    const struct weir_dev_counters *dev = &bench->dev->counters;
    struct weir_loop_counters loop;
    weir_loop_counters(bench->loop, &loop);
    fprintf(stderr,
            "reads %llu full %llu lost %llu refused %llu, rounds %llu sleeps %llu held %llu\n",
            (unsigned long long)dev->reads, (unsigned long long)dev->full,
            (unsigned long long)dev->lost, (unsigned long long)dev->refused,
            (unsigned long long)loop.rounds, (unsigned long long)loop.sleeps,
            (unsigned long long)loop.held);
}

_Noreturn static void usage(void)
{
    fputs("usage: bench-weir sink|source|pong|accept DEVICE ADDRESS/LEN PORT [--spin US] "
          "[--window OCTETS] [--stats]\n",
          stderr);
    exit(2);
}

static uint64_t number(const char *text, uint64_t most)
{
    char *end;
    const unsigned long long value = strtoull(text, &end, 10);
    if (end == text || *end != '\0' || value > most)
        usage();
    return value;
}

static struct options parse(int argc, char **argv)
{
    if (argc < 5)
        usage();
    struct options options = { .device = argv[2], .port = (uint16_t)number(argv[4], UINT16_MAX) };
    for (unsigned i = 0; i < sizeof roles / sizeof roles[0]; i++)
        if (strcmp(argv[1], roles[i].name) == 0)
            role = &roles[i];
    char *slash = strchr(argv[3], '/');
    if (role == NULL || slash == NULL)
        usage();
    *slash = '\0';
    options.prefix_len = (unsigned)number(slash + 1, 128);
    if (!weir_ip_parse(argv[3], &options.ip))
        usage();
    for (int i = 5; i < argc; i++) {
        if (strcmp(argv[i], "--stats") == 0)
            options.stats = true;
        else if (strcmp(argv[i], "--spin") == 0 && i + 1 < argc)
            options.spin = (weir_time)number(argv[++i], 1000000000) * WEIR_US;
        else if (strcmp(argv[i], "--window") == 0 && i + 1 < argc)
            options.window = (uint32_t)number(argv[++i], 1 << 30);
        else
            usage();
    }
    return options;
}

int main(int argc, char **argv)
{
    const struct options options = parse(argc, argv);
    struct bench bench = { .loop = NULL };
    char why[WEIR_LINE_MAX] = "";
    const struct weir_loop_config config = { .spin_ns = options.spin };
    if (weir_loop_open(&bench.loop, &config, why) < 0 ||
        weir_dev_open(&bench.dev, options.device, why) < 0)
        die(why);
    make_instance(&bench, &options);
    running = bench.loop;
    signal(SIGTERM, on_signal);
    signal(SIGINT, on_signal);
    puts("ready");
    fflush(stdout);
    if (weir_loop_run(bench.loop, why) < 0)
        die(why);
    if (options.stats)
        print_stats(&bench);
    weir_loop_close(bench.loop);
    weir_dev_close(bench.dev);
    return 0;
}
