/* SPDX-License-Identifier: MIT */
#include "sim/plan.h"

#include "base/prng.h"
#include "sim/purpose.h"

#include <stdio.h>
#include <string.h>

static uint32_t between(struct prng *rng, uint32_t low, uint32_t high)
{
    return low + prng_below(rng, high - low + 1);
}

static bool one_in(struct prng *rng, uint32_t n)
{
    return prng_below(rng, n) == 0;
}

/* Small values as likely as great ones: first the magnitude is drawn, then the value. */
static uint32_t magnitude(struct prng *rng, uint32_t low, uint32_t high)
{
    uint32_t top = low;
    for (uint32_t steps = prng_below(rng, 24); steps > 0 && top < high; steps--)
        top = top > high / 2 ? high : top * 2 + 1;
    return between(rng, low, top);
}

static weir_time duration(struct prng *rng, weir_time low, weir_time high)
{
    return (weir_time)magnitude(rng, (uint32_t)(low / 1000), (uint32_t)(high / 1000)) * 1000;
}

static uint32_t percent(uint32_t n)
{
    return n * (UINT32_MAX / 100);
}

static void draw_limits(struct prng *rng, struct weir_config *config, bool tight)
{
    config->tcp_max = tight ? between(rng, 4, 24) : 128;
    config->listener_max = 8;
    config->synq_max = tight ? between(rng, 2, 16) : 64;
    config->tw_max = tight ? between(rng, 2, 16) : 128;
    config->flight_max = tight ? between(rng, 2, config->tcp_max) : config->tcp_max;
    config->sent_block_max = tight ? between(rng, 2, 32) : 256;
    config->udp_max = 16;
    config->neigh_max = 16;
    config->route_max = 16;
    config->address_max = 16;
    config->iface_max = 2;
    config->frag_max = between(rng, 2, 8);
    config->frag_octets_max = tight ? 65536 : 512 * 1024;
    config->pmtu_max = 16;
    config->ring_chunk = 4096u << prng_below(rng, tight ? 2 : 4);
    config->ring_chunks = tight ? between(rng, 48, 160) : (6u << 20) / config->ring_chunk;
    config->reply_octets = tight ? 131072 : 262144;
    config->trace_flow = 256;
    config->trace_story = 4096;
    config->event_batch = one_in(rng, 3) ? between(rng, 1, 4) : 64;
}

static void draw_tcp(struct prng *rng, struct weir_config *config, bool tight)
{
    config->rcv_min = tight && one_in(rng, 2) ? 4096 : 15 * 1024;
    config->rcv_max = 16384u << prng_below(rng, tight ? 3 : 8);
    config->snd_max = 8192u << prng_below(rng, tight ? 3 : 7);
    config->udp_rcv_max = 212992;
    config->ranges_max = one_in(rng, 4) ? between(rng, 4, 16) : 1024;
    config->output_quantum = one_in(rng, 4) ? 4096 : 65536;
    config->syncookies = !one_in(rng, 3);
    config->abort_on_overflow = one_in(rng, 6);
    config->timestamps = !one_in(rng, 3);
    config->sack = !one_in(rng, 3);
    config->wscale = !one_in(rng, 4);
    config->nagle = !one_in(rng, 4);
    config->delack = one_in(rng, 4) ? 200 * WEIR_MS : 40 * WEIR_MS;
    if (one_in(rng, 8))
        config->user_timeout = (weir_time)between(rng, 5, 60) * WEIR_SECOND;
    if (one_in(rng, 4))
        config->fin_timeout = (weir_time)between(rng, 1, 60) * WEIR_SECOND;
}

static uint16_t draw_mtu(struct prng *rng, bool v6)
{
    if (!one_in(rng, 3))
        return 1500;
    return (uint16_t)(one_in(rng, 2) ? between(rng, v6 ? 1280 : 576, 2000)
                                     : between(rng, 2000, 9000));
}

static void draw_host(struct prng *rng, struct sim_plan *plan, unsigned h, bool tight)
{
    struct sim_host_plan *host = &plan->host[h];
    weir_config_default(&host->config);
    draw_limits(rng, &host->config, tight);
    draw_tcp(rng, &host->config, tight);
    host->config.verify = true;
    host->config.seed = prng_next(rng);
    for (unsigned i = 0; i < 8; i++)
        host->config.secret[i] = prng_next(rng);
    host->iface.medium = plan->ip_only ? WEIR_IP_ONLY : WEIR_ETHERNET;
    const uint8_t mac[6] = { 2, 0, 0, 0, 0, (uint8_t)(h + 1) };
    memcpy(host->iface.mac, mac, sizeof mac);
    host->iface.no_dad = !one_in(rng, 6);
    host->iface.csum_offload = one_in(rng, 2);
    host->iface.tso = host->iface.csum_offload && one_in(rng, 2);
    host->rx_csum = one_in(rng, 2);
    host->gro = host->rx_csum && one_in(rng, 2);
    host->poll = one_in(rng, 3) ? duration(rng, 1000, WEIR_MS) : 0;
    host->early = one_in(rng, 4);
}

static void draw_link_faults(struct prng *rng, struct sim_link_plan *link)
{
    if (one_in(rng, 3))
        link->loss = percent(1) / 10 * magnitude(rng, 1, 250);
    if (one_in(rng, 5)) {
        link->burst_enter = percent(between(rng, 1, 3));
        link->burst_leave = percent(between(rng, 10, 50));
        link->burst_loss = percent(between(rng, 50, 100));
    }
    if (one_in(rng, 4)) {
        link->reorder = percent(between(rng, 1, 30));
        link->reorder_by = duration(rng, 10 * WEIR_US, 50 * WEIR_MS);
    }
    if (one_in(rng, 5))
        link->duplicate = percent(between(rng, 1, 20));
    if (one_in(rng, 4))
        link->jitter = duration(rng, WEIR_US, 20 * WEIR_MS);
}

static void draw_link(struct prng *rng, struct sim_plan *plan, unsigned h)
{
    struct sim_link_plan *link = &plan->link[h];
    link->delay = duration(rng, WEIR_US, 150 * WEIR_MS);
    if (one_in(rng, 3)) {
        link->rate = magnitude(rng, 20000, 100000000);
        link->queue = between(rng, 20000, 200000);
    }
    if (one_in(rng, 8))
        link->forge = percent(between(rng, 1, 10));
    if (plan->clean)
        return;
    draw_link_faults(rng, link);
    if (one_in(rng, 8) && plan->host[h].iface.mtu > 1280) {
        link->mtu_later = (uint16_t)between(rng, 1280, plan->host[h].iface.mtu - 1u);
        link->mtu_at = duration(rng, WEIR_MS, 4 * WEIR_SECOND);
        link->mtu_silent = one_in(rng, 3);
    }
}

/* Not too many calls in a run: a transfer takes at most a few hundred. */
static void limit_writes(struct sim_end_plan *end)
{
    if (end->write_max < end->total / 300)
        end->write_max = end->total / 300;
}

static void draw_end(struct prng *rng, struct sim_plan *plan, struct sim_end_plan *end,
                     uint32_t most)
{
    end->total = one_in(rng, 4) ? prng_below(rng, 3) : magnitude(rng, 1, most);
    end->write_max = magnitude(rng, 1, 65536);
    end->read_max = magnitude(rng, 1, 65536);
    limit_writes(end);
    if (end->read_max < most / 300)
        end->read_max = most / 300;
    if (one_in(rng, 4))
        end->write_gap = duration(rng, 10 * WEIR_US, 50 * WEIR_MS);
    if (one_in(rng, 4))
        end->read_gap = duration(rng, 10 * WEIR_US, 50 * WEIR_MS);
    if (one_in(rng, 6)) {
        end->stall_at = between(rng, 1, most);
        end->stall_for = duration(rng, WEIR_MS, 8 * WEIR_SECOND);
    }
    end->in_place = one_in(rng, 3);
    end->more = one_in(rng, 5);
    end->fin_with_data = one_in(rng, 3);
    end->finish = SIM_HALF;
    if (one_in(rng, 8))
        end->urgent_at = between(rng, 1, end->total + 1);
    if (plan->clean)
        return;
    if (one_in(rng, 4))
        end->fiddle = percent(between(rng, 1, 20));
    if (one_in(rng, 5))
        end->finish = SIM_RELEASE + prng_below(rng, 3);
    end->finish_at = prng_below(rng, most);
}

static void draw_conn(struct prng *rng, struct sim_plan *plan, unsigned i, uint32_t most)
{
    struct sim_conn_plan *conn = &plan->conn[i];
    conn->host[0] = prng_below(rng, plan->host_count);
    conn->host[1] = (conn->host[0] + 1 + prng_below(rng, plan->host_count - 1)) % plan->host_count;
    conn->v6 = plan->v6 && (!plan->v4 || one_in(rng, 2));
    conn->port[1] = SIM_PORT;
    conn->start = duration(rng, 1000, 2 * WEIR_SECOND);
    draw_end(rng, plan, &conn->end[0], most);
    draw_end(rng, plan, &conn->end[1], most);
    if (one_in(rng, 8)) {
        conn->simultaneous = true;
        conn->port[0] = (uint16_t)(2000 + i);
        conn->port[1] = (uint16_t)(3000 + i);
    } else if (one_in(rng, 8)) {
        conn->port[0] = (uint16_t)(2000 + i);
    }
    if (!plan->clean && one_in(rng, 24)) {
        conn->nobody = true;
        conn->simultaneous = false;
        conn->port[1] = SIM_PORT + 1;
    }
    if (one_in(rng, 4)) {
        conn->request = magnitude(rng, 1, 4000);
        conn->response = magnitude(rng, 1, 8000);
        const uint32_t turns = between(rng, 1, 20);
        conn->end[0].total = turns * conn->request;
        conn->end[1].total = turns * conn->response;
        limit_writes(&conn->end[0]);
        limit_writes(&conn->end[1]);
        conn->end[0].stall_at = conn->end[1].stall_at = 0;
    }
    if (conn->end[1].finish == SIM_HALF && one_in(rng, 3))
        conn->end[1].finish = SIM_LAST;
    else if (conn->end[0].finish == SIM_HALF && one_in(rng, 4))
        conn->end[0].finish = SIM_LAST;
}

static void draw_dgram(struct prng *rng, struct sim_plan *plan, unsigned i)
{
    struct sim_dgram_plan *dgram = &plan->dgram[i];
    dgram->host[0] = prng_below(rng, plan->host_count);
    dgram->host[1] = (dgram->host[0] + 1) % plan->host_count;
    dgram->v6 = plan->v6 && (!plan->v4 || one_in(rng, 2));
    dgram->ping = one_in(rng, 3);
    dgram->nobody = !dgram->ping && one_in(rng, 4);
    dgram->count = between(rng, 1, 20);
    dgram->size_max = one_in(rng, 3) ? 20000 : 1200;
    dgram->start = duration(rng, 1000, WEIR_SECOND);
    dgram->gap = duration(rng, 10 * WEIR_US, 100 * WEIR_MS);
}

static void draw_topology(struct prng *rng, struct sim_plan *plan)
{
    static const weir_time clocks[] = { 0, 1, WEIR_SECOND, INT64_C(1) << 40, INT64_C(1) << 55 };
    plan->start = clocks[prng_below(rng, 5)];
    plan->start += prng_below(rng, 1000000);
    plan->faults_for = duration(rng, 2 * WEIR_SECOND, 20 * WEIR_SECOND);
    plan->clean = one_in(rng, 6);
    plan->host_count = one_in(rng, 5) ? 3 : 2;
    plan->ip_only = one_in(rng, 4);
    const uint32_t families = prng_below(rng, 3);
    plan->v4 = families != 1;
    plan->v6 = families != 0;
    plan->backlog = one_in(rng, 4) && !plan->clean ? between(rng, 0, 2) : 64;
    plan->accept_gap = one_in(rng, 5) && !plan->clean ? duration(rng, WEIR_MS, WEIR_SECOND) : 0;
}

static void draw_pauses(struct prng *rng, struct sim_plan *plan)
{
    for (unsigned h = 0; h < plan->host_count; h++) {
        if (!one_in(rng, 8))
            continue;
        plan->host[h].pause_at = duration(rng, WEIR_MS, 4 * WEIR_SECOND);
        plan->host[h].pause_for = duration(rng, WEIR_MS, 6 * WEIR_SECOND);
    }
}

/* Bits flip only where sums are computed and looked at by the stack itself. */
static void draw_corruption(struct prng *rng, struct sim_plan *plan)
{
    for (unsigned h = 0; h < plan->host_count; h++) {
        plan->link[h].corrupt = percent(between(rng, 1, 5));
        plan->host[h].iface.csum_offload = plan->host[h].iface.tso = false;
        plan->host[h].rx_csum = plan->host[h].gro = false;
    }
}

static void draw_faults(struct prng *rng, struct sim_plan *plan)
{
    plan->fault_count = between(rng, 1, SIM_FAULTS);
    for (unsigned i = 0; i < plan->fault_count; i++) {
        struct sim_fault_plan *fault = &plan->fault[i];
        fault->at = duration(rng, WEIR_MS, 3 * WEIR_SECOND);
        fault->host = prng_below(rng, plan->host_count);
        fault->nth = between(rng, 1, 5);
        fault->pool = prng_below(rng, 1000);
    }
}

static void draw_traffic(struct prng *rng, struct sim_plan *plan)
{
    const bool many = one_in(rng, 4);
    plan->conn_count = many ? between(rng, 8, 24) : between(rng, 1, 5);
    const uint32_t most = many ? 4000 : plan->clean ? 300000 : 150000;
    for (unsigned i = 0; i < plan->conn_count; i++)
        draw_conn(rng, plan, i, most);
    if (one_in(rng, 3))
        plan->dgram_count = between(rng, 1, SIM_DGRAMS);
    for (unsigned i = 0; i < plan->dgram_count; i++)
        draw_dgram(rng, plan, i);
}

/* Algorithms, marks and pacing; from a stream of its own. */
/* How a host finds losses: mostly as it does by default, and every other way now and then. */
static void draw_recovery(struct sim_plan *plan, uint64_t seed)
{
    struct prng rng;
    prng_init(&rng, seed, SIM_PURPOSE_RECOVERY, 0);
    for (unsigned h = 0; h < SIM_HOSTS; h++) {
        struct weir_config *config = &plan->host[h].config;
        if (one_in(&rng, 3))
            config->rack = (uint8_t)prng_below(&rng, 8);
        if (one_in(&rng, 4))
            config->early_retrans = 0;
        if (one_in(&rng, 4))
            config->frto = 0;
        config->thin_linear = one_in(&rng, 4);
        if (one_in(&rng, 8) && !plan->clean)
            config->rto_min = (weir_time)between(&rng, 1, 400) * WEIR_MS;
    }
}

static void draw_congestion(struct sim_plan *plan, uint64_t seed)
{
    struct prng rng;
    prng_init(&rng, seed, SIM_PURPOSE_CONGESTION, 0);
    for (unsigned h = 0; h < plan->host_count; h++) {
        struct weir_config *config = &plan->host[h].config;
        config->congestion = (uint8_t)prng_below(&rng, WEIR_CC_COUNT);
        config->ecn = (uint8_t)prng_below(&rng, 6);
        config->ecn_abe = one_in(&rng, 2);
        config->pacing = one_in(&rng, 4);
        config->slow_start_after_idle = !one_in(&rng, 4);
        config->bbr_max = one_in(&rng, 4) ? between(&rng, 0, 3) : config->tcp_max;
        plan->link[h].mark = one_in(&rng, 3) ? percent(between(&rng, 1, 60)) : 0;
    }
}

/* How hosts listen, and who talks to whom: also a host to itself, and one to a group. */
static void draw_listeners(struct sim_plan *plan, uint64_t seed)
{
    struct prng rng;
    prng_init(&rng, seed, SIM_PURPOSE_LISTEN, 0);
    bool any = true; /* nobody counts on a port that has no listener */
    for (unsigned i = 0; i < plan->conn_count; i++)
        any = any && !plan->conn[i].nobody && !plan->conn[i].simultaneous;
    for (unsigned h = 0; h < SIM_HOSTS; h++) {
        struct sim_host_plan *host = &plan->host[h];
        if (one_in(&rng, 4)) {
            host->listen_flags |= WEIR_LISTEN_REUSEPORT;
            host->listeners = 2;
        }
        if (one_in(&rng, 6))
            host->listen_flags |= WEIR_LISTEN_DEFER;
        if (one_in(&rng, 3) && any)
            host->listen_flags |= WEIR_LISTEN_ANY_ADDRESS | WEIR_LISTEN_ANY_PORT;
    }
    const bool alone = one_in(&rng, 4);
    for (unsigned i = 0; i < plan->conn_count; i++)
        if (alone && one_in(&rng, 4) && !plan->conn[i].simultaneous)
            plan->conn[i].host[1] = plan->conn[i].host[0];
    for (unsigned i = 0; i < plan->dgram_count; i++)
        plan->dgram[i].group = one_in(&rng, 3) && !plan->dgram[i].ping && !plan->dgram[i].nobody;
}

/* What few connections have, and what one leaves for the next. */
static void draw_extensions(struct sim_plan *plan, uint64_t seed)
{
    struct prng rng;
    prng_init(&rng, seed, SIM_PURPOSE_EXTENSIONS, 0);
    for (unsigned h = 0; h < SIM_HOSTS; h++) {
        struct weir_config *config = &plan->host[h].config;
        config->tw_reuse = (uint8_t)prng_below(&rng, 3);
        config->no_metrics_save = one_in(&rng, 4);
        config->no_ssthresh_metrics_save = !one_in(&rng, 3);
        config->known_max = one_in(&rng, 4) ? 4 : 64;
        config->ecn_option = (uint8_t)prng_below(&rng, 3);
        config->mtu_probing = (uint8_t)prng_below(&rng, 3);
        config->mtu_base_mss = between(&rng, 256, 1024);
        config->mtu_probe_interval = (weir_time)between(&rng, 1, 600) * WEIR_SECOND;
        config->user_timeout_option = one_in(&rng, 2);
        config->extra_max = one_in(&rng, 4) ? between(&rng, 0, 3) : config->tcp_max;
        config->tally_max = one_in(&rng, 4) ? between(&rng, 0, 3) : UINT32_MAX;
    }
}

/* Who has frames land in the instance's memory, and how long they must be for that. */
static void draw_landing(struct sim_plan *plan, uint64_t seed)
{
    struct prng rng;
    prng_init(&rng, seed, SIM_PURPOSE_LANDING, SIM_HOSTS);
    for (unsigned h = 0; h < plan->host_count; h++) {
        plan->host[h].lands = !one_in(&rng, 4);
        plan->host[h].config.landing_min = magnitude(&rng, 1, 8192);
    }
}

void sim_plan_draw(struct sim_plan *plan, uint64_t seed)
{
    struct prng rng;
    memset(plan, 0, sizeof *plan);
    prng_init(&rng, seed, SIM_PURPOSE_PLAN, 0);
    draw_topology(&rng, plan);
    const bool tight = one_in(&rng, 4) && !plan->clean;
    const uint16_t mtu = draw_mtu(&rng, plan->v6);
    for (unsigned h = 0; h < plan->host_count; h++) {
        draw_host(&rng, plan, h, tight);
        plan->host[h].iface.mtu = mtu;
        if (plan->clean)
            plan->host[h].config.user_timeout = 0;
        draw_link(&rng, plan, h);
    }
    plan->superframes = one_in(&rng, 3);
    plan->partial_sums = plan->superframes && one_in(&rng, 2);
    if (!plan->clean) {
        draw_pauses(&rng, plan);
        if (one_in(&rng, 6))
            draw_corruption(&rng, plan);
        if (one_in(&rng, 6))
            draw_faults(&rng, plan);
    }
    draw_traffic(&rng, plan);
    draw_congestion(plan, seed);
    draw_recovery(plan, seed);
    draw_extensions(plan, seed);
    draw_listeners(plan, seed);
    draw_landing(plan, seed);
    /* A host that merges or trusts sums needs links that carry whole, checked frames. */
    for (unsigned h = 0; h < plan->host_count; h++)
        if (!plan->host[h].rx_csum)
            plan->partial_sums = false;
    if (plan->link[0].corrupt != 0)
        plan->superframes = plan->partial_sums = false;
}

static void print_link(unsigned h, const struct sim_link_plan *link)
{
    printf("# link %u: delay %lld us, jitter %lld us, loss %u, burst %u/%u, reorder %u by %lld us, "
           "duplicate %u, corrupt %u, forge %u, rate %llu, queue %u, mtu %u at %lld ms%s\n",
           h, (long long)(link->delay / 1000), (long long)(link->jitter / 1000), link->loss,
           link->burst_enter, link->burst_loss, link->reorder, (long long)(link->reorder_by / 1000),
           link->duplicate, link->corrupt, link->forge, (unsigned long long)link->rate, link->queue,
           link->mtu_later, (long long)(link->mtu_at / WEIR_MS), link->mtu_silent ? " silent" : "");
}

static void print_end(const char *name, unsigned host, const struct sim_end_plan *end)
{
    static const char *const finish[] = { "half", "last", "release", "abort", "vanish" };
    printf("#   %s: host %u, total %u, write %u/%lld us, read %u/%lld us, stall at %u, %s at %u, "
           "urgent %u%s%s\n",
           name, host, end->total, end->write_max, (long long)(end->write_gap / 1000),
           end->read_max, (long long)(end->read_gap / 1000), end->stall_at, finish[end->finish],
           end->finish_at, end->urgent_at, end->in_place ? ", in place" : "",
           end->fiddle != 0 ? ", fiddles" : "");
}

void sim_plan_print(const struct sim_plan *plan)
{
    printf("# %s, %s%s%s, mtu %u, %s%s, backlog %u, clock %lld, faults for %lld ms\n",
           plan->clean ? "clean" : "faulty", plan->ip_only ? "ip" : "ethernet",
           plan->v4 ? ", v4" : "", plan->v6 ? ", v6" : "", plan->host[0].iface.mtu,
           plan->superframes ? "superframes" : "plain frames",
           plan->partial_sums ? ", partial sums" : "", plan->backlog, (long long)plan->start,
           (long long)(plan->faults_for / WEIR_MS));
    for (unsigned h = 0; h < plan->host_count; h++) {
        const struct sim_host_plan *host = &plan->host[h];
        printf("# host %u: tcp %u, chunks %u of %u, rcv %u..%u, snd %u%s%s%s%s%s%s%s%s%s, poll "
               "%lld us, "
               "pause %lld ms for %lld ms\n",
               h, host->config.tcp_max, host->config.ring_chunks, host->config.ring_chunk,
               host->config.rcv_min, host->config.rcv_max, host->config.snd_max,
               host->iface.csum_offload ? ", csum" : "", host->iface.tso ? ", tso" : "",
               host->gro ? ", gro" : "", host->rx_csum ? ", rxcsum" : "",
               host->config.timestamps ? ", ts" : "", host->config.sack ? ", sack" : "",
               host->config.wscale ? ", ws" : "", host->config.nagle ? ", nagle" : "",
               host->iface.no_dad ? "" : ", dad", (long long)(host->poll / 1000),
               (long long)(host->pause_at / WEIR_MS), (long long)(host->pause_for / WEIR_MS));
        printf("# host %u: %s, ecn %u%s%s, %u of 2^32 marked\n", h,
               weir_congestion_name(host->config.congestion), host->config.ecn,
               host->config.ecn_abe ? " eased" : "", host->config.pacing ? ", paced" : "",
               plan->link[h].mark);
        printf("# host %u: rack %u, early_retrans %u, frto %u, rto_min %lld ms%s\n", h,
               host->config.rack, host->config.early_retrans, host->config.frto,
               (long long)(host->config.rto_min / WEIR_MS),
               host->config.thin_linear ? ", thin streams" : "");
        print_link(h, &plan->link[h]);
    }
    for (unsigned i = 0; i < plan->conn_count; i++) {
        const struct sim_conn_plan *conn = &plan->conn[i];
        printf("# conn %u: v%u, ports %u %u, at %lld ms, turns of %u/%u%s%s\n", i, conn->v6 ? 6 : 4,
               conn->port[0], conn->port[1], (long long)(conn->start / WEIR_MS), conn->request,
               conn->response, conn->simultaneous ? ", simultaneous" : "",
               conn->nobody ? ", nobody" : "");
        print_end("opener", conn->host[0], &conn->end[0]);
        print_end("other", conn->host[1], &conn->end[1]);
    }
}
