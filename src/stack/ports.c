/* SPDX-License-Identifier: MIT */
#include "stack/parts.h"

/* Ephemeral ports (RFC 6056). Where the search begins depends on the destination by a keyed hash,
 * and each bucket of destinations moves on by a random step a draw (algorithms 4 and 5 together):
 * nobody outside can tell the next one, and a port comes back as late as may be. The random numbers
 * are a keyed hash of a counter, so that a replay draws the same. */

#define EPHEMERAL_COUNT (EPHEMERAL_LAST - EPHEMERAL_FIRST + 1u)
#define PORT_STEP_MAX   128 /* a step is at most this much */

static uint32_t random_word(struct weir *weir)
{
    const uint32_t n = ++weir->port_draws;
    const uint8_t text[5] = { 'r', (uint8_t)n, (uint8_t)(n >> 8), (uint8_t)(n >> 16),
                              (uint8_t)(n >> 24) };
    return (uint32_t)siphash24(&weir->tcp.port_key, text, sizeof text);
}

static uint16_t port_at(uint32_t offset)
{
    return (uint16_t)(EPHEMERAL_FIRST + offset % EPHEMERAL_COUNT);
}

uint16_t port_draw_flow(struct weir *weir, const struct flow *flow)
{
    struct flow wanted = *flow;
    wanted.lport = 0;
    uint8_t tuple[FLOW_TUPLE];
    flow_tuple(&wanted, tuple);
    const uint64_t hash = siphash24(&weir->tcp.port_key, tuple, sizeof tuple);
    uint32_t *step = &weir->port_step[hash >> 32 & (PORT_BUCKETS - 1)];
    *step += 1 + random_word(weir) % PORT_STEP_MAX;

    const uint32_t first = (uint32_t)hash % EPHEMERAL_COUNT + *step % EPHEMERAL_COUNT;
    for (uint32_t i = 0; i < EPHEMERAL_COUNT; i++) {
        wanted.lport = port_at(first + i);
        if (!flow_is_ours(weir, &wanted) || listener_has_port(weir, wanted.lport))
            continue;
        /* A connection with itself is made on purpose or not at all. */
        if (wanted.lport == wanted.rport && weir_ip_equal(&wanted.local, &wanted.peer))
            continue;
        const uint32_t ref = flow_find(weir, &wanted, flow_hash(weir, &wanted));
        seq32 floor;
        if (ref == DEMUX_NONE || (flow_ref_tag(ref) == FLOW_TW &&
                                  tw_may_reuse(weir, flow_ref_index(ref), true, &floor))) {
            *step += i; /* those passed are in use: the next search begins behind them */
            return wanted.lport;
        }
    }
    return 0;
}

uint16_t port_draw(struct weir *weir, bool (*taken)(const struct weir *, uint16_t))
{
    const uint32_t first = random_word(weir) % EPHEMERAL_COUNT;
    for (uint32_t i = 0; i < EPHEMERAL_COUNT; i++)
        if (!taken(weir, port_at(first + i)))
            return port_at(first + i);
    return 0;
}
