/* SPDX-License-Identifier: MIT */
#include "sim/world.h"

#include <string.h>

/* What an instance says of itself, held against what must be: its states, its counters, its
 * readiness, its pools. */

/* The edges of fsm.def, as pairs of states. */
static bool is_edge(unsigned from, unsigned to)
{
#define EDGE(event, a, b, clause, text) { WEIR_##a, WEIR_##b },
#define STAY(event, a, clause)          { WEIR_##a, WEIR_##a },
    static const uint8_t edges[][2] = {
#include "tcp/fsm.def"
    };
#undef EDGE
#undef STAY
    for (unsigned i = 0; i < sizeof edges / sizeof edges[0]; i++)
        if (edges[i][0] == from && edges[i][1] == to)
            return true;
    return false;
}

static bool is_birth(const struct weir_record *record)
{
    return (record->code == WEIR_CAUSE_OPEN && record->extra == WEIR_SYN_SENT) ||
           (record->code == WEIR_CAUSE_PASSIVE && record->extra == WEIR_SYN_RECEIVED);
}

/* INV 25. */
static void watch_story(struct sim *sim, struct sim_host *host)
{
    struct weir_record record[64];
    for (;;) {
        uint64_t lost;
        const unsigned count =
            weir_trace_read(host->weir, WEIR_TRACE_STORY, &host->story, record, 64, &lost);
        for (unsigned i = 0; i < count; i++) {
            const struct weir_record *r = &record[i];
            if (r->type != WEIR_REC_STATE)
                continue;
            if (sim->verbose)
                printf("# %12.6f ms host %u conn %u: %s > %s (%s)\n",
                       (double)(r->when - sim->plan.start) / 1e6, host->index, r->conn,
                       weir_state_text(r->flags), weir_state_text(r->extra),
                       weir_cause_text(r->code));
            if (!is_edge(r->flags, r->extra) && !is_birth(r))
                sim_fail(sim, "INV 25: host %u: %s > %s is no edge (%s)", host->index,
                         weir_state_text(r->flags), weir_state_text(r->extra),
                         weir_cause_text(r->code));
        }
        if (count < 64)
            return;
    }
}

enum side {
    INBOUND,  /* about a frame that came in */
    OUTBOUND, /* about what we sent or held */
    EITHER,   /* the one or the other */
};

static enum side side_of(unsigned drop)
{
    switch (drop) {
    case WEIR_DROP_NONE:
    case WEIR_DROP_FRAG_EVICTED:
    case WEIR_DROP_FRAG_TIMEOUT:
    case WEIR_DROP_NEIGH_QUEUE:
        return OUTBOUND;
    case WEIR_DROP_NEIGH_FAILED:
    case WEIR_DROP_NEIGH_FULL:
    case WEIR_DROP_NO_ROUTE:
    case WEIR_DROP_REPLY_FULL: /* an echo request, or a datagram of our own */
    case WEIR_DROP_REPLY_RATE:
        return EITHER;
    default:
        return INBOUND;
    }
}

static void print_drops(const struct sim_host *host)
{
    for (unsigned i = 1; i < WEIR_DROP_COUNT; i++)
        if (weir_drop_count(host->weir, i) > 0)
            printf("# host %u dropped %llu: %s\n", host->index,
                   (unsigned long long)weir_drop_count(host->weir, i), weir_drop_text(i));
}

/* INV 37. */
static void watch_counters(struct sim *sim, struct sim_host *host)
{
    struct weir_counters count;
    weir_counters(host->weir, &count);
    uint64_t sum[3] = { 0 };
    for (unsigned i = 0; i < WEIR_DROP_COUNT; i++)
        sum[side_of(i)] += weir_drop_count(host->weir, i);
    /* Packets to itself count, and nobody else sees them. */
    if (host->talks_alone ? count.frames_in < host->frames_in : count.frames_in != host->frames_in)
        sim_fail(sim, "INV 37: host %u: counts %llu frames of %llu", host->index,
                 (unsigned long long)count.frames_in, (unsigned long long)host->frames_in);
    const uint64_t accounted = count.used_in + sum[INBOUND];
    if (count.frames_in >= accounted && count.frames_in <= accounted + sum[EITHER])
        return;
    sim_fail(sim, "INV 37: host %u: %llu frames in are not %llu used and %llu dropped", host->index,
             (unsigned long long)count.frames_in, (unsigned long long)count.used_in,
             (unsigned long long)sum[INBOUND]);
    if (sim->verbose)
        print_drops(host);
}

/* INV 40: what is true has been told. `told` forgets what has become false. */
static void watch_ready(struct sim *sim, struct sim_host *host, weir_handle handle, unsigned *told,
                        const char *what)
{
    if (handle == WEIR_NO_HANDLE)
        return;
    const unsigned ready = weir_ready_now(host->weir, handle);
    *told &= ready;
    if (ready & ~*told)
        sim_fail(sim, "INV 40: host %u: a wake-up is lost: %s is ready (%#x), told %#x",
                 host->index, what, ready, *told);
}

static void watch_handles(struct sim *sim, struct sim_host *host)
{
    char what[32];
    for (unsigned i = 0; i < sim->plan.conn_count; i++)
        for (unsigned side = 0; side < 2; side++) {
            struct sim_end *end = &sim->conn[i].end[side];
            if (end->host != host->index)
                continue;
            snprintf(what, sizeof what, "conn %u.%u", i, side);
            watch_ready(sim, host, end->handle, &end->told, what);
        }
    for (unsigned i = 0; i < sim->plan.dgram_count; i++) {
        struct sim_dgram *dgram = &sim->dgram[i];
        snprintf(what, sizeof what, "endpoint %u", i);
        if (sim->plan.dgram[i].host[0] == host->index)
            watch_ready(sim, host, dgram->from, &dgram->told[0], what);
        else if (sim->plan.dgram[i].host[1] == host->index)
            watch_ready(sim, host, dgram->to, &dgram->told[1], what);
    }
}

/* INV 20: nothing is delivered that has not arrived. */
static void watch_delivery(struct sim *sim, struct sim_host *host)
{
    for (unsigned i = 0; i < SIM_FLOWS; i++) {
        const struct sim_flow *flow = &sim->flow[i];
        if (!flow->used || flow->end == NULL || flow->end->host != host->index)
            continue;
        const struct sim_heard *heard = &flow->heard[0];
        if (heard->overflow || !heard->has_irs)
            continue;
        if (flow->end->received > heard->next - heard->irs - 1)
            sim_fail(sim, "INV 20: conn %u.%u has %u octets, %u have arrived", flow->end->conn,
                     flow->end->side, flow->end->received, heard->next - heard->irs - 1);
    }
}

void sim_watch_host(struct sim *sim, unsigned h)
{
    struct sim_host *host = &sim->host[h];
    weir_check(host->weir);
    watch_story(sim, host);
    watch_counters(sim, host);
    watch_handles(sim, host);
    watch_delivery(sim, host);
}

/* Pools whose items belong to the interface and its neighbourhood, not to a connection. */
static bool outlives_connections(const char *name)
{
    static const char *const names[] = { "neigh", "route", "address", "iface", "pmtu" };
    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strstr(name, names[i]) != NULL)
            return true;
    return false;
}

/* INV 53: everything is closed and two maximum segment lifetimes have passed. */
void sim_watch_quiet(struct sim *sim)
{
    for (unsigned h = 0; h < sim->plan.host_count && !sim->failed; h++) {
        struct weir *weir = sim->host[h].weir;
        struct weir_pool_use use[32];
        const unsigned count = weir_pools(weir, use, 32);
        for (unsigned i = 0; i < count && i < 32; i++)
            if (use[i].used > 0 && !outlives_connections(use[i].name))
                sim_fail(sim, "INV 53: host %u: pool \"%s\" still holds %u of %u", h, use[i].name,
                         use[i].used, use[i].total);
        uint64_t cursor = 0;
        struct weir_status status;
        weir_handle handle;
        if (weir_list(weir, &cursor, &status, &handle))
            sim_fail(sim, "INV 53: host %u: a connection in %s is left", h,
                     weir_state_text(status.state));
        struct weir_out out;
        if (weir_output(weir, 0, &out, 1, sim->now) > 0)
            sim_fail(sim, "INV 53: host %u: output without end", h);
        const weir_time deadline = weir_deadline(weir);
        if (deadline != WEIR_NEVER && deadline < sim->now + WEIR_SECOND)
            sim_fail(sim, "INV 53: host %u: a timer is due in %lld ms", h,
                     (long long)((deadline - sim->now) / WEIR_MS));
    }
}

/* ---- INV 52: what a perfect network owes ---- */

/* Nothing is lost, late or slow here, so nothing may be sent twice; but by tail probes where
 * Nagle's algorithm is off. Two short segments in flight are probed for after two round trips (RFC
 * 8985, 7.2), and a receiver that has not got two full ones may answer later, as Linux does. */
static bool loses_nothing(const struct sim_plan *plan)
{
    for (unsigned h = 0; h < plan->host_count; h++)
        if (plan->link[h].rate != 0 || plan->link[h].forge != 0 ||
            plan->host[h].config.delack > 40 * WEIR_MS)
            return false;
    return plan->clean;
}

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* How long one stream may take: twice what it takes with half of the window that is sure, a few
 * round trips for slow start and what a full queue costs, and the delays that acknowledgements may
 * have. */
static weir_time patience(const struct sim_plan *plan, const struct sim_conn_plan *conn,
                          unsigned side)
{
    const unsigned from = conn->host[side], to = conn->host[1 - side];
    const struct weir_config *sender = &plan->host[from].config, *receiver = &plan->host[to].config;
    const weir_time rtt = plan->link[from].delay + plan->link[to].delay + plan->host[from].poll +
                          plan->host[to].poll + receiver->delack;
    const uint32_t window = least(sender->snd_max, receiver->rcv_min) / 2;
    const uint32_t total = conn->end[side].total;
    const uint64_t rate = plan->link[from].rate;
    weir_time time = 2 * (total / window + 20) * rtt + 3 * WEIR_SECOND;
    if (rate != 0)
        time += (weir_time)((uint64_t)total * 4 * (uint64_t)WEIR_SECOND / rate);
    return time;
}

static bool hurries(const struct sim_end_plan *end)
{
    return end->write_gap == 0 && end->read_gap == 0 && end->stall_at == 0;
}

void sim_watch_speed(struct sim *sim)
{
    const struct sim_plan *plan = &sim->plan;
    for (unsigned h = 0; h < plan->host_count && loses_nothing(plan) && !sim->failed; h++) {
        struct weir_counters count;
        weir_counters(sim->host[h].weir, &count);
        if (count.segs_rtx > (plan->host[h].config.nagle ? 0 : count.tlp_probes))
            sim_fail(sim, "INV 52: host %u: %llu segments are sent again though nothing is lost", h,
                     (unsigned long long)count.segs_rtx);
    }
    const struct sim_conn_plan *conn = &plan->conn[0];
    if (!plan->clean || plan->conn_count != 1 || conn->request != 0 || plan->dgram_count > 0)
        return;
    if (!hurries(&conn->end[0]) || !hurries(&conn->end[1]))
        return;
    const weir_time most = patience(plan, conn, 0) + patience(plan, conn, 1);
    for (unsigned side = 0; side < 2; side++) {
        const weir_time took = sim->conn[0].end[side].ended_at - sim->conn[0].end[0].opened_at;
        if (took > most)
            sim_fail(sim, "INV 52: a stream of %u octets took %lld ms, more than %lld",
                     conn->end[1 - side].total, (long long)(took / WEIR_MS),
                     (long long)(most / WEIR_MS));
    }
}
