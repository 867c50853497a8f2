/* SPDX-License-Identifier: MIT */
#include "stack/config.h"

#define RACK_ALL (WEIR_RACK_ON | WEIR_RACK_STATIC | WEIR_RACK_NO_DUPTHRESH)

static void default_times(struct weir_config *config)
{
    config->rto_min = 200 * WEIR_MS;
    config->rto_max = 120 * WEIR_SECOND;
    config->rto_initial = 1 * WEIR_SECOND;
    config->delack = 40 * WEIR_MS;
    config->keepalive_idle = 7200 * WEIR_SECOND;
    config->keepalive_interval = 75 * WEIR_SECOND;
    config->fin_timeout = 60 * WEIR_SECOND;
    config->time_wait = 60 * WEIR_SECOND;
    config->mtu_probe_interval = 600 * WEIR_SECOND;
    config->user_timeout_min = 100 * WEIR_SECOND;
    config->user_timeout_max = 3600 * WEIR_SECOND;
    config->tw_reuse_delay = 1 * WEIR_SECOND;
}

void weir_config_default(struct weir_config *config)
{
    *config = (struct weir_config){
        .tcp_max = 4096,
        .listener_max = 64,
        .synq_max = 4096,
        .tw_max = 16384,
        .bbr_max = 1024,
        .extra_max = 1024,
        .tally_max = 4096,
        .sent_block_max = 4096,
        .udp_max = 256,
        .neigh_max = 1024,
        .route_max = 64,
        .address_max = 32,
        .iface_max = 4,
        .frag_max = 64,
        .frag_octets_max = 4 << 20,
        .group_max = 64,
        .pmtu_max = 256,
        .known_max = 1024,
        .ring_chunk = 16384,
        .ring_chunks = 16384,
        .reply_octets = 512 << 10,
        .trace_flow = 16384,
        .trace_story = 16384,
        .event_batch = 64,
        .rcv_min = 15 << 10,
        .rcv_max = 32 << 20,
        .snd_min = 256 << 10,
        .snd_max = 48 << 20,
        .notsent_lowat = UINT32_MAX,
        .udp_rcv_max = 208 << 10,
        .ranges_max = 1024,
        .output_quantum = 65536,
        .landing_min = 8192,
        .somaxconn = 4096,
        .syn_retries = 6,
        .syn_linear = 4,
        .synack_retries = 5,
        .retries_max = 15,
        .orphan_retries = 8,
        .keepalive_probes = 9,
        .syncookies = true,
        .timestamps = true,
        .sack = true,
        .wscale = true,
        .rack = WEIR_RACK_ON,
        .early_retrans = WEIR_EARLY_RETRANS_TLP,
        .frto = 2,
        .nagle = true,
        .congestion = WEIR_CC_CUBIC,
        .ecn = 2,
        .ecn_option = 1,
        .mtu_probing = 1,
        .frame_min = 2,
        .mtu_base_mss = 1024,
        .mtu_floor_mss = 48,
        .tw_reuse = 2,
        .no_ssthresh_metrics_save = true,
        .fastopen = WEIR_FASTOPEN_CLIENT,
        .fastopen_blackhole = 3600 * WEIR_SECOND,
        .slow_start_after_idle = true,
        .shard_count = 1,
    };
    default_times(config);
}

static bool within(uint32_t value, uint32_t least, uint32_t most)
{
    return value >= least && value <= most;
}

static bool is_power_of_two(uint32_t value)
{
    return value != 0 && (value & (value - 1)) == 0;
}

static bool limits_make_sense(const struct weir_config *c)
{
    return within(c->tcp_max, 1, TCP_MAX_MAX) && within(c->listener_max, 1, UINT16_MAX - 1) &&
           within(c->synq_max, 1, POOL_MAX) && within(c->tw_max, 1, POOL_MAX) &&
           within(c->flight_max, 0, POOL_MAX) && within(c->bbr_max, 0, POOL_MAX) &&
           c->extra_max < UINT16_MAX && within(c->sent_block_max, 1, POOL_MAX) &&
           within(c->udp_max, 1, POOL_MAX) && within(c->neigh_max, 1, POOL_MAX) &&
           within(c->route_max, 1, UINT16_MAX) && within(c->address_max, 1, ADDRESS_MAX_MAX) &&
           within(c->iface_max, 1, IP_IFACE_MAX) && within(c->frag_max, 1, POOL_MAX) &&
           within(c->pmtu_max, 1, POOL_MAX) && within(c->known_max, 4, POOL_MAX) &&
           c->group_max <= GROUP_MAX_MAX && c->event_batch > 0;
}

static bool memory_makes_sense(const struct weir_config *c)
{
    return is_power_of_two(c->ring_chunk) && within(c->ring_chunk, 4096, 65536) &&
           within(c->ring_chunks, 1, CHUNKS_MAX) && is_power_of_two(c->reply_octets) &&
           within(c->reply_octets, REPLY_OCTETS_MIN, UINT32_C(1) << 30) &&
           is_power_of_two(c->trace_flow) && is_power_of_two(c->trace_story) &&
           within(c->trace_flow, 2, UINT32_C(1) << 30) &&
           within(c->trace_story, 2, UINT32_C(1) << 30);
}

static bool tcp_makes_sense(const struct weir_config *c)
{
    /* A window may reach as far as a table of one chunk names chunks, less one (base/ring.h). */
    const uint64_t reach = (uint64_t)(c->ring_chunk / 4 - 1) * c->ring_chunk;
    return within(c->rcv_min, 536, c->rcv_max) && c->rcv_max <= UINT32_C(1) << 30 &&
           c->rcv_max <= reach && c->snd_min > 0 && c->snd_max > 0 && c->snd_max <= reach &&
           c->udp_rcv_max > 0 && within(c->ranges_max, 1, RANGES_MAX) && c->output_quantum > 0 &&
           c->somaxconn > 0 && c->synack_retries <= SYNQ_RETRY_MAX && c->rack <= RACK_ALL &&
           c->congestion < WEIR_CC_COUNT && c->ecn <= 5 && c->tw_reuse <= 2 && c->ecn_option <= 2 &&
           c->frame_min > 0 && within(c->mtu_base_mss, 88, UINT16_MAX) &&
           c->mtu_floor_mss <= UINT16_MAX && c->shard_count > 0 && c->shard_index < c->shard_count;
}

static bool times_make_sense(const struct weir_config *c)
{
    const weir_time longest = 20 * 86400 * WEIR_SECOND; /* small forms count ms in 32 bits */
    return c->rto_min > 0 && c->rto_max >= c->rto_min && c->rto_initial > 0 &&
           c->rto_max <= longest && c->rto_initial <= c->rto_max && c->delack >= 0 &&
           c->keepalive_idle > 0 && c->keepalive_interval > 0 && c->fin_timeout > 0 &&
           c->fin_timeout <= longest && c->time_wait > 0 && c->time_wait <= longest &&
           c->user_timeout >= 0 && c->tw_reuse_delay >= 0 && c->mtu_probe_interval > 0 &&
           c->fastopen_blackhole >= 0 && c->user_timeout_min > 0 &&
           c->user_timeout_max >= c->user_timeout_min;
}

bool config_makes_sense(const struct weir_config *config)
{
    return limits_make_sense(config) && memory_makes_sense(config) && tcp_makes_sense(config) &&
           times_make_sense(config);
}
