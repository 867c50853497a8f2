/* SPDX-License-Identifier: MIT */
#include "world.h"

#include "base/csum.h"
#include "ip/ip.h"
#include "wire/cursor.h"
#include "wire/eth.h"
#include "wire/ip4.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void world_defaults(struct world_options *options)
{
    memset(options, 0, sizeof *options);
    struct weir_config *c = &options->config;
    weir_config_default(c);
    c->tcp_max = 256;
    c->synq_max = 256;
    c->tw_max = 256;
    c->sent_block_max = 256;
    c->neigh_max = 16;
    c->ring_chunks = 1024;
    c->rcv_max = 1 << 20;
    c->snd_min = c->snd_max = 1 << 20;
    c->trace_flow = 1024;
    c->trace_story = 1024;
    c->verify = true;
}

struct weir_addr world_addr(unsigned side, bool v6, uint16_t port)
{
    struct weir_addr addr = { .port = port };
    if (v6) {
        addr.ip.octet[0] = 0xfd;
        addr.ip.octet[15] = (uint8_t)(side + 1);
    } else {
        addr.ip = weir_ip_v4(10, 0, 0, (uint8_t)(side + 1));
    }
    return addr;
}

static void open_side(struct world *world, unsigned side, const struct world_options *options)
{
    struct weir_config config = options->config;
    config.seed += side;
    for (unsigned i = 0; i < 8; i++)
        config.secret[i] += 1000 * side + i;
    const size_t size = weir_memory_size(&config);
    world->memory[side] = aligned_alloc(64, (size + 63) & ~(size_t)63);
    if (weir_init(&world->side[side], world->memory[side], size, &config, world->now) != WEIR_OK)
        abort();
    struct weir_iface_config iface = {
        .medium = options->ip_only ? WEIR_IP_ONLY : WEIR_ETHERNET,
        .mac = { 2, 0, 0, 0, 0, (uint8_t)(side + 1) },
        .mtu = 1500,
        .csum_offload = options->offload,
        .tso = options->offload,
        .no_dad = true,
    };
    unsigned number;
    if (weir_iface_add(world->side[side], &iface, &number, world->now) != WEIR_OK)
        abort();
    const struct weir_addr v4 = world_addr(side, false, 0), v6 = world_addr(side, true, 0);
    if (weir_address_add(world->side[side], number, &v4.ip, 24, world->now) != WEIR_OK ||
        weir_address_add(world->side[side], number, &v6.ip, 64, world->now) != WEIR_OK)
        abort();
}

void world_open(struct world *world, const struct world_options *options)
{
    memset(world, 0, sizeof *world);
    world->now = 1000 * WEIR_SECOND;
    world->delay = WEIR_MS;
    world->hash = UINT64_C(14695981039346656037);
    world->batch = 64;
    for (unsigned side = 0; side < 2; side++)
        open_side(world, side, options);
    world_run(world, 10 * WEIR_SECOND); /* announcements */
}

void world_close(struct world *world)
{
    for (unsigned to = 0; to < 2; to++) {
        for (; world->count[to] > 0; world->count[to]--)
            free(world->queue[to][world->head[to]++ % WORLD_FRAMES].data);
        free(world->memory[to]);
    }
}

static void hash_octet(struct world *world, uint8_t octet)
{
    world->hash = (world->hash ^ octet) * UINT64_C(1099511628211);
}

static void put(struct world *world, unsigned to, const struct world_frame *frame)
{
    if (world->count[to] == WORLD_FRAMES) {
        free(frame->data); /* a full queue drops */
        return;
    }
    world->queue[to][(world->head[to] + world->count[to]++) % WORLD_FRAMES] = *frame;
}

static void carry(struct world *world, unsigned from, const struct weir_out *out)
{
    size_t len = out->head_len;
    for (unsigned i = 0; i < out->span_count; i++)
        len += out->span[i].len;
    uint8_t *data = malloc(len > 0 ? len : 1);
    memcpy(data, out->head, out->head_len);
    size_t at = out->head_len;
    for (unsigned i = 0; i < out->span_count; i++) {
        memcpy(data + at, out->span[i].base, out->span[i].len);
        at += out->span[i].len;
    }
    world->frames++;
    for (unsigned i = 0; i < 8; i++)
        hash_octet(world, (uint8_t)((uint64_t)world->now >> 8 * i));
    hash_octet(world, (uint8_t)from);
    for (size_t i = 0; i < len; i++)
        hash_octet(world, data[i]);
    if (world->filter != NULL && !world->filter(world, from, data, len)) {
        world->filtered++;
        free(data);
        return;
    }
    const struct world_frame frame = { world->now + world->delay, data, len, out->gso_size,
                                       out->csum_start != 0 };
    put(world, 1 - from, &frame);
}

static bool output(struct world *world, unsigned side)
{
    struct weir_out out[16];
    const size_t n = weir_output(world->side[side], 0, out, 16, world->now);
    for (size_t i = 0; i < n; i++)
        carry(world, side, &out[i]);
    return n > 0;
}

static bool input(struct world *world, unsigned side)
{
    struct weir_frame frames[64];
    unsigned n = 0;
    while (n < world->batch && n < world->count[side]) {
        const struct world_frame *f = &world->queue[side][(world->head[side] + n) % WORLD_FRAMES];
        if (f->at > world->now)
            break;
        frames[n++] = (struct weir_frame){ .data = f->data,
                                           .len = f->len,
                                           .when = world->now,
                                           .csum_ok = f->csum_ok,
                                           .gso_size = f->gso_size };
    }
    if (n == 0)
        return false;
    if (world->arrange != NULL)
        world->arrange(world, side, &frames[0]);
    weir_input(world->side[side], 0, frames, n, world->now);
    if (world->arrived != NULL)
        world->arrived(world, side, &frames[0]);
    for (unsigned i = 0; i < n; i++)
        free(world->queue[side][(world->head[side] + i) % WORLD_FRAMES].data);
    world->head[side] += n;
    world->count[side] -= n;
    return true;
}

static weir_time next_time(const struct world *world)
{
    weir_time next = WEIR_NEVER;
    for (unsigned side = 0; side < 2; side++) {
        const weir_time timer = weir_deadline(world->side[side]);
        if (timer < next)
            next = timer;
        if (world->count[side] == 0)
            continue;
        const weir_time frame = world->queue[side][world->head[side] % WORLD_FRAMES].at;
        if (frame < next)
            next = frame;
    }
    return next;
}

void world_run(struct world *world, weir_time duration)
{
    const weir_time until = world->now + duration;
    for (unsigned turn = 0; turn < 10000000; turn++) {
        bool busy = false;
        for (unsigned side = 0; side < 2; side++) {
            busy |= input(world, side);
            if (weir_deadline(world->side[side]) <= world->now)
                weir_timeout(world->side[side], world->now);
            busy |= output(world, side);
        }
        if (busy)
            continue;
        const weir_time next = next_time(world);
        if (next > until) {
            world->now = until;
            return;
        }
        if (next > world->now)
            world->now = next;
    }
    printf("# time does not move on: now %lld\n", (long long)world->now);
    abort();
}

void world_inject(struct world *world, unsigned to, const uint8_t *data, size_t len)
{
    const struct weir_frame frame = { .data = data, .len = len, .when = world->now };
    weir_input(world->side[to], 0, &frame, 1, world->now);
}

bool world_connect(struct world *world, bool v6, weir_handle *listener, weir_handle *client,
                   weir_handle *server)
{
    const struct weir_addr local = world_addr(1, v6, 80);
    if (*listener == WEIR_NO_HANDLE &&
        weir_listen(world->side[1], &local, 16, 0, listener) != WEIR_OK)
        return false;
    if (weir_connect(world->side[0], NULL, &local, client, world->now) != WEIR_IN_PROGRESS)
        return false;
    world_run(world, 100 * WEIR_MS);
    return weir_accept(world->side[1], *listener, server, world->now) == WEIR_OK;
}

unsigned world_pool_used(const struct world *world, unsigned side, const char *name)
{
    struct weir_pool_use use[32];
    const unsigned n = weir_pools(world->side[side], use, 32);
    for (unsigned i = 0; i < n; i++)
        if (strcmp(use[i].name, name) == 0)
            return use[i].used;
    return UINT32_MAX;
}

uint8_t world_state(const struct world *world, unsigned side, weir_handle handle)
{
    struct weir_status status;
    if (weir_status(world->side[side], handle, &status) != WEIR_OK)
        return UINT8_MAX;
    return status.state;
}

size_t world_ip_head(const struct weir_ip *from, const struct weir_ip *to, uint8_t proto,
                     size_t len, uint8_t *frame)
{
    struct wr w = wr_begin(frame, 14);
    const uint8_t mac[12] = { 2, 0, 0, 0, 0, to->octet[15], 2, 0, 0, 0, 0, from->octet[15] };
    wr_bytes(&w, mac, sizeof mac);
    wr_u16(&w, 0x0800);
    const struct ip4_head ip = {
        .src = *from, .dst = *to, .ttl = 64, .proto = proto, .df = true, .len = (uint32_t)len
    };
    return 14 + wire_ip4_emit(frame + 14, IP4_HEAD_MAX, &ip);
}

size_t world_segment(const struct weir_ip *from, const struct weir_ip *to,
                     const struct tcp_seg *seg, const struct tcp_opts *opts, uint8_t *frame)
{
    const size_t len = wire_tcp_head_len(opts) + seg->len;
    const size_t at = world_ip_head(from, to, IP_PROTO_TCP, len, frame);
    const size_t head = wire_tcp_emit(frame + at, TCP_HEAD_MAX, seg, opts);
    if (seg->len > 0)
        memcpy(frame + at + head, seg->text, seg->len);
    const csum32 sum = ip_pseudo_sum(from, to, IP_PROTO_TCP, (uint32_t)len);
    struct wr w = wr_begin(frame + at + TCP_CSUM_OFF, 2);
    wr_u16(&w, csum_fold(csum_add(sum, frame + at, len)));
    return at + len;
}
