/* SPDX-License-Identifier: MIT */
#include "stack/config.h"
#include "stack/fastopen.h"
#include "tcp/cc_bbr.h"
#include "tcp/flight.h"
#include "tcp/tally.h"

#include <string.h>

/* Where an instance begins: its memory, its interfaces, and the calls that only pass on. */

static struct siphash_key key_of(const struct weir_config *config, unsigned i)
{
    return (struct siphash_key){ config->secret[2 * i], config->secret[2 * i + 1] };
}

/* Four keys are the caller's; the tables' own comes from the last of them, so that no two uses
 * share one. */
static void set_keys(struct weir *weir)
{
    struct tcp_host *tcp = &weir->tcp;
    tcp->isn_key = key_of(&weir->config, 0);
    tcp->cookie_key = key_of(&weir->config, 1);
    tcp->ts_key = key_of(&weir->config, 2);
    tcp->port_key = key_of(&weir->config, 3);
    static const uint8_t purpose[2] = { 'a', 'b' };
    weir->table_key.k0 = siphash24(&tcp->port_key, &purpose[0], 1);
    weir->table_key.k1 = siphash24(&tcp->port_key, &purpose[1], 1);
    const uint64_t *given = weir->config.fastopen_key;
    weir->fast_key[0] = (struct siphash_key){ given[0], given[1] };
    if (given[0] == 0 && given[1] == 0) {
        static const uint8_t fast[2] = { 'c', 'd' };
        weir->fast_key[0].k0 = siphash24(&tcp->cookie_key, &fast[0], 1);
        weir->fast_key[0].k1 = siphash24(&tcp->cookie_key, &fast[1], 1);
    }
    weir->fast_key[1] = weir->fast_key[0];
}

static void set_lists(struct weir *weir)
{
    for (unsigned i = 0; i < SYNQ_FIFOS; i++)
        list_init(&weir->synq_fifo[i]);
    list_init(&weir->tw_fifo);
    list_init(&weir->fin_fifo);
    list_init(&weir->memory);
    for (unsigned i = 0; i < HANDLE_KINDS; i++)
        list_init(&weir->ready[i]);
    weir->ready_kind = HANDLE_CONN;
    for (uint32_t i = 0; weir->due != NULL && i < weir->due_count; i++) {
        list_init(&weir->due[i].control);
        list_init(&weir->due[i].data);
        weir->due[i].left = 0;
    }
}

static void take_pool(struct arena *arena, struct pool *pool, uint32_t count, size_t item,
                      bool verify)
{
    void *memory = arena_take(arena, pool_size(count, (uint32_t)item));
    pool_init(pool, memory, count, (uint32_t)item, verify);
}

static void take_pools(struct weir *weir, struct arena *arena)
{
    const struct weir_config *c = &weir->config;
    take_pool(arena, &weir->conns, c->tcp_max, sizeof(struct conn), c->verify);
    take_pool(arena, &weir->flights, c->flight_max, sizeof(struct tcb_flight), c->verify);
    take_pool(arena, &weir->bbrs, c->bbr_max, sizeof(struct cc_bbr), c->verify);
    take_pool(arena, &weir->extras, c->extra_max, sizeof(struct tcb_extra), c->verify);
    weir->tcp.tally_count = c->tally_max < c->tcp_max ? c->tally_max : c->tcp_max;
    weir->tcp.tallies = arena_take(arena, sizeof *weir->tcp.tallies * weir->tcp.tally_count);
    take_pool(arena, &weir->sent_blocks, c->sent_block_max, sizeof(struct sent) * SENT_BLOCK,
              c->verify);
    take_pool(arena, &weir->listeners, c->listener_max, sizeof(struct listener), c->verify);
    take_pool(arena, &weir->synq, c->synq_max, sizeof(struct synq_entry), c->verify);
    take_pool(arena, &weir->tw, c->tw_max, sizeof(struct tw_entry), c->verify);
    take_pool(arena, &weir->endpoints, c->udp_max, sizeof(struct endpoint), c->verify);
}

static uint8_t log2_of(uint32_t power)
{
    uint8_t shift = 0;
    while (power > 1) {
        power >>= 1;
        shift++;
    }
    return shift;
}

static void take_rings(struct weir *weir, struct arena *arena)
{
    const uint32_t chunks = weir->config.ring_chunks;
    const uint8_t shift = log2_of(weir->config.ring_chunk);
    void *memory = arena_take(arena, ring_pool_size(chunks, shift));
    if (memory != NULL)
        ring_pool_init(&weir->rings, memory, chunks, shift);
}

/* Lays the instance out. With an arena that only counts, `weir` is a stand-in that nobody reads. */
static void carve(struct weir *weir, struct arena *arena, weir_time now)
{
    const struct weir_config *c = &weir->config;
    take_pools(weir, arena);
    take_rings(weir, arena);
    weir->conn_cookie = arena_take(arena, sizeof *weir->conn_cookie * c->tcp_max);
    demux_init(&weir->flows, arena, c->tcp_max + c->synq_max + c->tw_max);
    demux_init(&weir->listener_ports, arena, c->listener_max);
    demux_init(&weir->endpoint_ports, arena, c->udp_max);
    weir->local_max = c->address_max + LOCAL_SPARE + c->tcp_max;
    if (weir->local_max > LOCAL_MAX_MAX)
        weir->local_max = LOCAL_MAX_MAX;
    demux_init(&weir->locals, arena, weir->local_max);
    weir->local = arena_take(arena, sizeof *weir->local * weir->local_max);
    weir->cookie_mask = ip_bucket_count(c->synq_max) - 1;
    weir->cookie_used = arena_take(arena, sizeof *weir->cookie_used * (weir->cookie_mask + 1));
    for (uint32_t i = 0; weir->cookie_used != NULL && i <= weir->cookie_mask; i++)
        weir->cookie_used[i] = 0;
    weir->known_count = ip_bucket_count(c->known_max);
    weir->known = arena_take(arena, sizeof *weir->known * weir->known_count);
    if (weir->known != NULL)
        memset(weir->known, 0, sizeof *weir->known * weir->known_count);
    weir->due_count = c->iface_max + 1;
    weir->due = arena_take(arena, sizeof *weir->due * weir->due_count);
    weir->arrival = arena_take(arena, sizeof *weir->arrival * INPUT_BATCH);
    trace_init(&weir->trace, arena, c->trace_flow, c->trace_story);
    ip_host_init(&weir->ip, arena, c, &weir->rings, &weir->trace, now);
    const uint32_t timers = c->tcp_max + WHEEL_FIXED;
    void *wheel = arena_take(arena, wheel_size(timers));
    if (wheel != NULL)
        wheel_init(&weir->wheel, wheel, timers, now);
}

static struct weir_config completed(const struct weir_config *config)
{
    struct weir_config c = *config;
    if (c.flight_max == 0)
        c.flight_max = c.tcp_max;
    return c;
}

size_t weir_memory_size(const struct weir_config *config)
{
    if (!config_makes_sense(config))
        return 0;
    struct weir counted = { .config = completed(config) };
    struct arena arena = { NULL, 0, 0 };
    arena_take(&arena, sizeof counted);
    carve(&counted, &arena, 0);
    return arena.used;
}

enum weir_error weir_init(struct weir **weir, void *memory, size_t size,
                          const struct weir_config *config, weir_time now)
{
    const size_t needed = weir_memory_size(config);
    if (needed == 0 || memory == NULL || ((uintptr_t)memory & (ARENA_ALIGN - 1)) != 0)
        return WEIR_INVALID;
    if (size < needed)
        return WEIR_NO_MEMORY;

    struct arena arena = { memory, 0, size };
    struct weir *w = arena_take(&arena, sizeof *w);
    memset(w, 0, sizeof *w);
    w->config = completed(config);
    w->now = now;
    w->local_free = POOL_NONE;
    carve(w, &arena, now);
    WEIR_ASSERT(arena.used == needed);
    set_lists(w);
    set_keys(w);
    w->tcp.config = &w->config;
    w->tcp.rings = &w->rings;
    w->tcp.flights = &w->flights;
    w->tcp.bbrs = &w->bbrs;
    w->tcp.extras = &w->extras;
    w->tcp.sent = (struct sent_memory){ &w->sent_blocks, &w->rings };
    w->tcp.trace = &w->trace;
    w->tcp.known = w->known;
    w->tcp.epoch = now;
    *weir = w;
    return WEIR_OK;
}

/* ---- interfaces, addresses, routes ---- */

enum weir_error weir_iface_add(struct weir *weir, const struct weir_iface_config *config,
                               unsigned *iface, weir_time now)
{
    return ip_iface_add(&weir->ip, config, iface, now);
}

enum weir_error weir_address_add(struct weir *weir, unsigned iface, const struct weir_ip *ip,
                                 unsigned prefix_len, weir_time now)
{
    return ip_address_add(&weir->ip, iface, ip, prefix_len, now);
}

enum weir_error weir_address_remove(struct weir *weir, unsigned iface, const struct weir_ip *ip,
                                    weir_time now)
{
    return ip_address_remove(&weir->ip, iface, ip, now);
}

enum weir_error weir_route_add(struct weir *weir, const struct weir_ip *prefix, unsigned prefix_len,
                               const struct weir_ip *gateway, unsigned iface, unsigned metric)
{
    return ip_route_add(&weir->ip, prefix, prefix_len, gateway, iface, metric);
}

void weir_route_remove(struct weir *weir, const struct weir_ip *prefix, unsigned prefix_len,
                       const struct weir_ip *gateway, unsigned iface)
{
    ip_route_remove(&weir->ip, prefix, prefix_len, gateway, iface);
}

bool weir_address_info(const struct weir *weir, unsigned i, struct weir_address_info *info)
{
    return ip_address_info(&weir->ip, i, info);
}

/* ---- time ---- */

weir_time weir_deadline(const struct weir *weir)
{
    if (loop_is_due(weir))
        return weir->now;
    const weir_time ours = wheel_next(&weir->wheel);
    const weir_time ip = ip_deadline(&weir->ip);
    return ours < ip ? ours : ip;
}

static void fire(struct weir *weir, uint32_t timer, weir_time now)
{
    if (timer < weir->config.tcp_max) {
        tcp_timeout(&conn_at(weir, timer)->tcb, now);
        conn_settle(weir, timer, now);
        return;
    }
    const uint32_t fixed = timer - weir->config.tcp_max;
    if (fixed >= WHEEL_SYNQ)
        synq_timeout(weir, fixed - WHEEL_SYNQ, now);
    else
        tw_timeout(weir, now);
}

void weir_timeout(struct weir *weir, weir_time now)
{
    weir->now = now;
    ip_call_begins(&weir->ip);
    room_forget(weir);
    landing_forget(weir);
    if (ip_deadline(&weir->ip) <= now)
        ip_timeout(&weir->ip, now);
    for (unsigned i = 0; i < TIMEOUT_BATCH; i++) {
        const uint32_t timer = wheel_pop(&weir->wheel, now);
        if (timer == WHEEL_NONE)
            break;
        fire(weir, timer, now);
    }
    output_wake_told(weir, now);
    loop_turn(weir, now);
    if (weir->config.verify)
        weir_check(weir);
}

/* ---- the flight recorder ---- */

unsigned weir_trace_read(const struct weir *weir, enum weir_trace_ring ring, uint64_t *cursor,
                         struct weir_record *out, unsigned count, uint64_t *lost)
{
    return trace_read(&weir->trace, ring, cursor, out, count, lost);
}

uint64_t weir_drop_count(const struct weir *weir, unsigned drop)
{
    return drop < WEIR_DROP_COUNT ? weir->trace.drops[drop] : 0;
}

void weir_counters(const struct weir *weir, struct weir_counters *counters)
{
    *counters = weir->trace.count;
}
