/* SPDX-License-Identifier: MIT */

/* An instance with very many sockets, to be looked at: half of them half-open, the others
 * connecting. Says "ready" and serves its control socket until its input ends.
 *
 *   weir-sight-many PATH COUNT */

#include "ipc/sight_server.h"
#include "weir/weir.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <unistd.h>

#define PORT    80
#define FRAME   40
#define BATCH   64
#define OUTS    64
#define MTU     1500
#define BACKLOG UINT32_C(4194304)
#define CHUNK   4096
#define WINDOW  (UINT32_C(1) << 20)
#define REPLIES (UINT32_C(16) << 20)

static struct sight_server server;

__attribute__((noreturn)) static void fail(const char *what)
{
    fprintf(stderr, "weir-sight-many: %s\n", what);
    exit(1);
}

static void put16(uint8_t *at, unsigned value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static void put32(uint8_t *at, uint32_t value)
{
    put16(at, value >> 16);
    put16(at + 2, value & 0xffff);
}

/* A SYN from 10.0.0.0/8, each from another address. */
static void make_syn(uint8_t frame[FRAME], uint32_t number)
{
    memset(frame, 0, FRAME);
    frame[0] = 0x45;
    put16(frame + 2, FRAME);
    frame[8] = 64;
    frame[9] = 6;
    put32(frame + 12, UINT32_C(0x0a000001) + number);
    put32(frame + 16, UINT32_C(0xc0000202));
    uint32_t sum = 0;
    for (unsigned i = 0; i < 20; i += 2)
        sum += (unsigned)frame[i] << 8 | frame[i + 1];
    sum = (sum & 0xffff) + (sum >> 16);
    put16(frame + 10, ~(sum + (sum >> 16)) & 0xffff);
    put16(frame + 20, 1024 + number % 60000);
    put16(frame + 22, PORT);
    put32(frame + 24, number * 7919);
    frame[32] = 0x50;
    frame[33] = 0x02;
    put16(frame + 34, 65535);
}

static void drain(struct weir *weir, unsigned iface, weir_time now)
{
    static struct weir_out out[OUTS];
    while (weir_output(weir, iface, out, OUTS, now) == OUTS)
        continue;
}

static void fill(struct weir *weir, unsigned iface, uint32_t count, weir_time now)
{
    static uint8_t octets[BATCH][FRAME];
    struct weir_frame frames[BATCH];
    for (uint32_t i = 0; i < count / 2; i++) {
        const uint32_t slot = i % BATCH;
        make_syn(octets[slot], i);
        frames[slot] =
            (struct weir_frame){ .data = octets[slot], .len = FRAME, .when = now, .csum_ok = true };
        if (slot + 1 == BATCH || i + 1 == count / 2) {
            weir_input(weir, iface, frames, slot + 1, now);
            drain(weir, iface, now);
        }
    }
    for (uint32_t i = 0; i < count - count / 2; i++) {
        struct weir_addr remote = { .port = PORT };
        remote.ip = weir_ip_v4(10, (uint8_t)(128 + (i >> 16)), (uint8_t)(i >> 8), (uint8_t)i);
        weir_handle handle;
        if (weir_connect(weir, NULL, &remote, &handle, now) != WEIR_IN_PROGRESS)
            fail("connect");
    }
}

static struct weir *make(uint32_t count, unsigned *iface)
{
    struct weir_config config;
    struct weir *weir;
    char why[WEIR_LINE_MAX];
    weir_config_default(&config);
    config.tcp_max = count;
    config.synq_max = count;
    config.somaxconn = BACKLOG;
    config.ring_chunk = CHUNK;
    config.rcv_max = config.snd_max = WINDOW;
    config.ring_chunks = 16 * count + 1024;
    config.flight_max = 1024;
    config.reply_octets = REPLIES;
    config.syncookies = false;
    if (weir_secrets_fill(&config, why) < 0)
        fail(why);
    const size_t len = weir_memory_size(&config);
    void *memory =
        mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (len == 0 || memory == MAP_FAILED ||
        weir_init(&weir, memory, len, &config, weir_loop_clock()) != WEIR_OK)
        fail("no instance of that size");
    const struct weir_iface_config link = { .medium = WEIR_IP_ONLY, .mtu = MTU };
    const struct weir_ip ours = weir_ip_v4(192, 0, 2, 2), any = weir_ip_v4(0, 0, 0, 0);
    if (weir_iface_add(weir, &link, iface, weir_loop_clock()) != WEIR_OK ||
        weir_address_add(weir, *iface, &ours, 24, weir_loop_clock()) != WEIR_OK ||
        weir_route_add(weir, &any, 0, NULL, *iface, 0) != WEIR_OK)
        fail("interface");
    return weir;
}

static void on_input(void *user, int fd, uint32_t ready, weir_time now)
{
    char octet;
    (void)ready;
    (void)now;
    if (read(fd, &octet, 1) <= 0)
        weir_loop_stop(user);
}

int main(int argc, char **argv)
{
    const uint32_t count = argc == 3 ? (uint32_t)strtoul(argv[2], NULL, 10) : 0;
    const struct weir_addr local = { .ip = weir_ip_v4(192, 0, 2, 2), .port = PORT };
    struct weir_loop *loop;
    weir_handle listener;
    unsigned iface;
    char why[WEIR_LINE_MAX];
    if (count == 0)
        fail("PATH COUNT");
    struct weir *weir = make(count, &iface);
    if (weir_listen(weir, &local, BACKLOG, 0, &listener) != WEIR_OK)
        fail("listen");
    fill(weir, iface, count, weir_loop_clock());
    /* The instance is not in the loop: nothing of it changes while it is looked at. */
    if (weir_loop_open(&loop, NULL, why) < 0 ||
        weir_loop_add_fd(loop, STDIN_FILENO, EPOLLIN, on_input, loop) < 0)
        fail("loop");
    sight_server_begin(&server, loop, weir, NULL, NULL);
    if (sight_server_listen(&server, argv[1], why) < 0)
        fail(why);
    puts("ready");
    fflush(stdout);
    if (weir_loop_run(loop, why) < 0)
        fail(why);
    sight_server_end(&server);
    sight_server_remove(&server);
    weir_loop_close(loop);
    return 0;
}
