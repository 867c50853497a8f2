/* SPDX-License-Identifier: MIT */

/* weir's end of the race over a bad path (path_end.h). DEVICE is a driver's name; LOCAL has the /24
 * around it on link. */
#include "path_end.h"

#include "weir/loop.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define PREFIX_LEN 24
#define PATIENCE   (20 * WEIR_SECOND) /* for the first flow to come */
#define BULK_WANT  65536

struct weir_end {
    struct path_end end;
    struct weir_loop *loop;
    struct weir_dev *dev;
    struct weir *weir;
    weir_handle listener, conn[PATH_FLOWS];
    unsigned opened, connected;
    uint64_t messages[PATH_FLOWS];
    struct weir_loop_timer over, tick;
};

static void must(enum weir_error error, const char *what)
{
    if (error != WEIR_OK)
        path_die(what, weir_error_text(error));
}

/* ---- The sink ---- */

static void receive(struct weir_end *w, unsigned flow, weir_time now)
{
    static uint8_t data[PATH_READ];
    size_t len;
    while (weir_recv(w->weir, w->conn[flow], data, sizeof data, &len, now) == WEIR_OK && len > 0)
        path_end_take(&w->end, flow, data, len, now);
}

static void accept_all(struct weir_end *w, weir_time now)
{
    weir_handle conn;
    while (weir_accept(w->weir, w->listener, &conn, now) == WEIR_OK) {
        struct weir_status status;
        must(weir_status(w->weir, conn, &status), "status");
        if (w->end.start == 0) {
            w->end.start = now;
            weir_loop_set_timer(w->loop, &w->over, now + w->end.span);
        }
        w->end.flow[w->opened].port = status.remote.port;
        must(weir_set_cookie(w->weir, conn, w->opened), "cookie");
        w->conn[w->opened++] = conn;
    }
}

static void on_sink_event(void *user, struct weir *weir, const struct weir_event *event,
                          weir_time now)
{
    struct weir_end *w = user;
    (void)weir;
    if (event->handle == w->listener)
        accept_all(w, now);
    else
        receive(w, (unsigned)event->cookie, now);
}

/* ---- The source ---- */

static void fill(struct weir_end *w, weir_handle conn, weir_time now)
{
    for (;;) {
        struct weir_span span[WEIR_SPANS];
        unsigned count = WEIR_SPANS;
        if (weir_send_room(w->weir, conn, BULK_WANT, span, &count) != WEIR_OK)
            return;
        size_t len = 0;
        for (unsigned i = 0; i < count; i++)
            len += span[i].len;
        if (len == 0 || weir_send_put(w->weir, conn, len, 0, now) != WEIR_OK)
            return;
    }
}

static void on_tick(void *user, weir_time now)
{
    struct weir_end *w = user;
    uint8_t message[MESSAGE_OCTETS];
    weir_time next = w->end.start + w->end.span - MESSAGE_QUIET;
    if (now >= next)
        return;
    for (unsigned i = 0; i < w->end.flows; i++) {
        if (now >= path_end_message_at(&w->end, i, w->messages[i])) {
            size_t sent;
            path_end_message(message, now);
            w->messages[i]++;
            must(weir_send(w->weir, w->conn[i], message, sizeof message, 0, &sent, now), "send");
        }
        const weir_time at = path_end_message_at(&w->end, i, w->messages[i]);
        if (at < next)
            next = at;
    }
    weir_loop_set_timer(w->loop, &w->tick, next);
}

static void on_source_event(void *user, struct weir *weir, const struct weir_event *event,
                            weir_time now)
{
    struct weir_end *w = user;
    if ((event->ready & WEIR_ERROR) != 0) {
        const enum weir_error error = weir_error_take(weir, event->handle);
        if (w->end.start == 0 || now - w->end.start < w->end.span / 2)
            path_die("a flow", weir_error_text(error));
        weir_loop_stop(w->loop); /* the sink's time began before ours, and is up */
        return;
    }
    if ((event->ready & WEIR_CONNECTED) != 0 && event->cookie == 0) {
        must(weir_set_cookie(weir, event->handle, 1), "cookie");
        if (++w->connected == w->end.flows) {
            w->end.start = now;
            weir_loop_set_timer(w->loop, &w->over, now + w->end.span);
            puts("connected");
            fflush(stdout);
            if (w->end.messages)
                on_tick(w, now);
        }
    }
    if (!w->end.messages && (event->ready & WEIR_WRITABLE) != 0)
        fill(w, event->handle, now);
}

static void connect_all(struct weir_end *w, weir_time now)
{
    struct weir_addr remote = { .port = w->end.port };
    enum weir_congestion congestion;
    if (!weir_ip_parse(w->end.remote, &remote.ip))
        path_die(w->end.remote, "not an address");
    if (!weir_congestion_find(w->end.congestion, &congestion))
        path_die(w->end.congestion, "not a congestion control");
    for (unsigned i = 0; i < w->end.flows; i++) {
        const enum weir_error error = weir_connect(w->weir, NULL, &remote, &w->conn[i], now);
        if (error != WEIR_IN_PROGRESS)
            path_die("connect", weir_error_text(error));
        must(weir_set(w->weir, w->conn[i], WEIR_OPT_CONGESTION, congestion, now), "congestion");
        must(weir_set(w->weir, w->conn[i], WEIR_OPT_NODELAY, 1, now), "nodelay");
    }
}

static void say_sent(const struct weir_end *w)
{
    uint64_t sent = 0, again = 0;
    for (unsigned i = 0; i < w->end.flows; i++) {
        struct weir_status status;
        if (weir_status(w->weir, w->conn[i], &status) != WEIR_OK)
            continue;
        sent += status.octets_out;
        again += status.octets_rtx;
    }
    printf("sent %llu again %llu\n", (unsigned long long)sent, (unsigned long long)again);
}

/* ---- Setting up ---- */

static void on_over(void *user, weir_time now)
{
    struct weir_end *w = user;
    (void)now;
    weir_loop_stop(w->loop);
}

static void make_instance(struct weir_end *w, weir_time now)
{
    char why[WEIR_LINE_MAX] = "";
    struct weir_config config;
    struct weir_addr local = { .port = w->end.port };
    unsigned iface;
    weir_config_default(&config);
    if (weir_secrets_fill(&config, why) < 0)
        path_die("secrets", why);
    const size_t size = weir_memory_size(&config);
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (size == 0 || memory == MAP_FAILED)
        path_die("mmap", "no memory of that size");
    if (!weir_ip_parse(w->end.local, &local.ip))
        path_die(w->end.local, "not an address");
    struct weir_iface_config link = { .mtu = w->dev->mtu,
                                      .csum_offload = w->dev->csum,
                                      .tso = w->dev->tso };
    memcpy(link.mac, w->dev->mac, sizeof link.mac);
    must(weir_init(&w->weir, memory, size, &config, now), "instance");
    must(weir_iface_add(w->weir, &link, &iface, now), "interface");
    must(weir_address_add(w->weir, iface, &local.ip, PREFIX_LEN, now), w->end.local);
    if (weir_loop_add_instance(w->loop, w->weir, w->end.source ? on_source_event : on_sink_event,
                               w) < 0 ||
        weir_loop_add_dev(w->loop, w->weir, iface, w->dev, NULL, 0) < 0)
        path_die("loop", "cannot be set up");
    if (!w->end.source)
        must(weir_listen(w->weir, &local, PATH_FLOWS, 0, &w->listener), "listen");
}

int main(int argc, char **argv)
{
    static struct weir_end w;
    char why[WEIR_LINE_MAX] = "";
    path_end_parse(&w.end, argc - 2, argv + 2);
    if (weir_loop_open(&w.loop, NULL, why) < 0 || weir_dev_open(&w.dev, argv[1], why) < 0)
        path_die(argv[1], why);
    const weir_time now = weir_loop_clock();
    make_instance(&w, now);
    w.over = (struct weir_loop_timer){ .on_time = on_over, .user = &w };
    w.tick = (struct weir_loop_timer){ .on_time = on_tick, .user = &w };
    weir_loop_set_timer(w.loop, &w.over, now + PATIENCE);
    if (w.end.source) {
        connect_all(&w, now);
    } else {
        puts("ready");
        fflush(stdout);
    }
    if (weir_loop_run(w.loop, why) < 0)
        path_die("loop", why);
    if (w.end.source)
        say_sent(&w);
    else
        path_end_report(&w.end);
    weir_loop_close(w.loop);
    weir_dev_close(w.dev);
    return 0;
}
