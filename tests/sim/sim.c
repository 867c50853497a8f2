/* SPDX-License-Identifier: MIT */
#include "sim/sim.h"

#include "sim/world.h"

#include <stdarg.h>
#include <stdlib.h>

/* The run itself: events in order, and the three phases. */

#define CALM_FOR    (1500 * WEIR_SECOND) /* faults have stopped: RTO_max twice, and all retries */
#define CLOSING_FOR (2000 * WEIR_SECOND) /* two lifetimes, orphans and their retries */

enum {
    PHASE_CALM,
    PHASE_CALM_OVER,
    PHASE_END
};

void sim_fail(struct sim *sim, const char *format, ...)
{
    if (sim->failed)
        return;
    sim->failed = true;
    const int used =
        snprintf(sim->failure, sizeof sim->failure,
                 "at %lld.%06lld ms: ", (long long)((sim->now - sim->plan.start) / WEIR_MS),
                 (long long)((sim->now - sim->plan.start) % WEIR_MS));
    va_list args;
    va_start(args, format);
    vsnprintf(sim->failure + used, sizeof sim->failure - (size_t)used, format, args);
    va_end(args);
}

/* ---- Phases ---- */

static void run_all_ends(struct sim *sim, unsigned h)
{
    for (unsigned i = 0; i < sim->plan.conn_count && !sim->failed; i++)
        for (unsigned side = 0; side < 2; side++)
            if (sim->conn[i].end[side].host == h)
                sim_end_run(sim, &sim->conn[i].end[side]);
    sim_host_run(sim, h);
}

static void resume(struct sim *sim, unsigned h)
{
    sim->host[h].paused = false;
    sim_host_run(sim, h);
    run_all_ends(sim, h);
}

static void begin_calm(struct sim *sim)
{
    sim->calm = true;
    sim_queue_add(&sim->queue, sim->now + CALM_FOR, SIM_EV_PHASE, PHASE_CALM_OVER);
    for (unsigned h = 0; h < sim->plan.host_count; h++) {
        struct weir_pool_use use[32];
        const unsigned count = weir_pools(sim->host[h].weir, use, 32);
        for (unsigned i = 0; i < count && i < 32; i++)
            (void)weir_pool_fail(sim->host[h].weir, use[i].name, 0);
        sim->link[h].mtu = UINT16_MAX;
    }
    for (unsigned h = 0; h < sim->plan.host_count && !sim->failed; h++) {
        resume(sim, h);
        sim_accept(sim, h);
        sim_host_run(sim, h);
    }
}

static bool all_done(const struct sim *sim)
{
    for (unsigned i = 0; i < sim->plan.conn_count; i++)
        if (!sim_conn_done(sim, i))
            return false;
    return true;
}

/* INV 51: the time for finishing is over. */
static void judge_liveness(struct sim *sim)
{
    for (unsigned i = 0; i < sim->plan.conn_count; i++)
        for (unsigned side = 0; side < 2; side++) {
            const struct sim_end *end = &sim->conn[i].end[side];
            if (end->handle == WEIR_NO_HANDLE)
                continue;
            struct weir_status status = { .state = WEIR_CLOSED };
            (void)weir_status(sim->host[end->host].weir, end->handle, &status);
            sim_fail(sim,
                     "INV 51: conn %u.%u does not end: %s, sent %u of %u, received %u, unread %u, "
                     "waits for %s, timer %s, ready %#x%s",
                     i, side, weir_state_text(status.state), end->sent,
                     sim->plan.conn[i].end[side].total, end->received, status.unread,
                     weir_wait_text(status.waits_for), weir_timer_text(status.timer),
                     weir_ready_now(sim->host[end->host].weir, end->handle),
                     end->eof ? ", end of stream seen" : "");
        }
    sim_fail(sim, "INV 51: a connection never began");
}

static void begin_closing(struct sim *sim)
{
    if (!all_done(sim)) {
        judge_liveness(sim);
        return;
    }
    sim->closing = true;
    sim_dgram_close(sim);
    for (unsigned h = 0; h < sim->plan.host_count; h++) {
        struct sim_host *host = &sim->host[h];
        for (unsigned i = 0; i < SIM_LISTENERS; i++) {
            if (host->listener[i] != WEIR_NO_HANDLE)
                (void)weir_release(host->weir, host->listener[i], sim->now);
            host->listener[i] = WEIR_NO_HANDLE;
        }
        sim_host_run(sim, h);
    }
    sim_queue_add(&sim->queue, sim->now + CLOSING_FOR, SIM_EV_PHASE, PHASE_END);
}

/* Returns false when the run is over. */
static bool next_phase(struct sim *sim, unsigned phase)
{
    if (phase == PHASE_CALM_OVER && sim->closing)
        return true; /* it was over before its time */
    if (phase == PHASE_END) {
        for (unsigned i = 0; i < sim->plan.conn_count; i++)
            for (unsigned side = 0; side < 2; side++)
                if (sim->conn[i].end[side].handle != WEIR_NO_HANDLE)
                    judge_liveness(sim);
        sim_watch_quiet(sim);
        sim_watch_speed(sim);
        return false;
    }
    if (phase == PHASE_CALM_OVER)
        begin_closing(sim);
    else
        begin_calm(sim);
    return true;
}

/* ---- Events ---- */

static void inject_fault(struct sim *sim, unsigned i)
{
    const struct sim_fault_plan *fault = &sim->plan.fault[i];
    struct weir *weir = sim->host[fault->host].weir;
    struct weir_pool_use use[32];
    const unsigned count = weir_pools(weir, use, 32);
    if (count == 0 || sim->calm)
        return;
    const char *name = use[fault->pool % (count < 32 ? count : 32)].name;
    const enum weir_error error = weir_pool_fail(weir, name, fault->nth);
    if (error != WEIR_OK && error != WEIR_INVALID)
        sim_fail(sim, "pool \"%s\" cannot be told to fail", name);
}

static void do_poll(struct sim *sim, unsigned h)
{
    sim->host[h].polling = false;
    sim_host_run(sim, h);
}

static void do_wake(struct sim *sim, const struct sim_event *event)
{
    struct sim_host *host = &sim->host[event->index];
    if (event->generation != host->generation || host->paused)
        return;
    host->wake_at = WEIR_NEVER;
    sim_host_run(sim, event->index);
}

static void do_conn(struct sim *sim, unsigned i)
{
    if (sim->host[sim->plan.conn[i].host[0]].paused || sim->host[sim->plan.conn[i].host[1]].paused)
        sim_queue_add(&sim->queue, sim->now + 10 * WEIR_MS, SIM_EV_CONN, i);
    else
        sim_conn_open(sim, i);
}

static void do_accept(struct sim *sim, unsigned h)
{
    sim->host[h].accept_waits = false;
    if (!sim->host[h].paused)
        sim_accept(sim, h);
    sim_host_run(sim, h);
}

static void do_end(struct sim *sim, unsigned number)
{
    struct sim_end *end = &sim->conn[number / 2].end[number % 2];
    sim_end_run(sim, end);
    sim_host_run(sim, end->host);
}

/* Returns false when the run is over. */
static bool handle(struct sim *sim, const struct sim_event *event)
{
    switch (event->kind) {
    case SIM_EV_FRAME:
        sim_host_arrive(sim, event->index, event->frame);
        break;
    case SIM_EV_POLL:
        do_poll(sim, event->index);
        break;
    case SIM_EV_WAKE:
        do_wake(sim, event);
        break;
    case SIM_EV_CONN:
        do_conn(sim, event->index);
        break;
    case SIM_EV_END:
        do_end(sim, event->index);
        break;
    case SIM_EV_DGRAM:
        sim_dgram_send(sim, event->index);
        break;
    case SIM_EV_ACCEPT:
        do_accept(sim, event->index);
        break;
    case SIM_EV_PAUSE:
        sim->host[event->index].paused = !sim->calm;
        break;
    case SIM_EV_RESUME:
        resume(sim, event->index);
        break;
    case SIM_EV_MTU:
        if (!sim->calm)
            sim->link[event->index].mtu = sim->plan.link[event->index].mtu_later;
        break;
    case SIM_EV_FAULT:
        inject_fault(sim, event->index);
        break;
    case SIM_EV_PHASE:
        return next_phase(sim, event->index);
    }
    return true;
}

static void count_event(struct sim *sim, weir_time at)
{
    sim->instant = at == sim->last_time ? sim->instant + 1 : 0;
    sim->last_time = at;
    if (++sim->events > SIM_EVENTS_MAX)
        sim_fail(sim, "INV 33: more than %u events", SIM_EVENTS_MAX);
    if (sim->instant > SIM_INSTANT_MAX)
        sim_fail(sim, "INV 33: more than %u events at one instant", SIM_INSTANT_MAX);
}

/* ---- The run ---- */

static void prepare(struct sim *sim)
{
    struct sim_plan *plan = &sim->plan;
    const weir_time start = sim->now;
    for (unsigned h = 0; h < plan->host_count && !sim->failed; h++) {
        sim_link_init(sim, h);
        sim_host_init(sim, h);
        if (plan->host[h].pause_for > 0) {
            sim_queue_add(&sim->queue, start + plan->host[h].pause_at, SIM_EV_PAUSE, h);
            sim_queue_add(&sim->queue, start + plan->host[h].pause_at + plan->host[h].pause_for,
                          SIM_EV_RESUME, h);
        }
        if (plan->link[h].mtu_later != 0)
            sim_queue_add(&sim->queue, start + plan->link[h].mtu_at, SIM_EV_MTU, h);
    }
    /* Addresses must have proved unique first (RFC 4862). */
    bool dad = false;
    for (unsigned h = 0; h < plan->host_count; h++)
        dad = dad || !plan->host[h].iface.no_dad;
    const weir_time ready = start + (dad ? 3 * WEIR_SECOND : 0);
    for (unsigned i = 0; i < plan->conn_count && !sim->failed; i++) {
        sim_conn_init(sim, i);
        sim_queue_add(&sim->queue, ready + plan->conn[i].start, SIM_EV_CONN, i);
    }
    for (unsigned i = 0; i < plan->dgram_count; i++)
        sim_queue_add(&sim->queue, ready + plan->dgram[i].start, SIM_EV_DGRAM, i);
    for (unsigned i = 0; i < plan->fault_count; i++)
        sim_queue_add(&sim->queue, ready + plan->fault[i].at, SIM_EV_FAULT, i);
    sim_queue_add(&sim->queue, ready + 3 * WEIR_SECOND + plan->faults_for, SIM_EV_PHASE,
                  PHASE_CALM);
    for (unsigned h = 0; h < plan->host_count && !sim->failed; h++)
        sim_host_run(sim, h);
}

static void go(struct sim *sim)
{
    struct sim_event event;
    while (!sim->failed && sim_queue_take(&sim->queue, &event)) {
        if (event.at < sim->now)
            abort();
        sim->now = event.at;
        count_event(sim, event.at);
        if (!handle(sim, &event))
            break;
        /* The liveness phase ends as soon as everything has finished. */
        if (sim->calm && !sim->closing && all_done(sim))
            begin_closing(sim);
    }
}

static void clean_up(struct sim *sim)
{
    struct sim_event event;
    while (sim_queue_take(&sim->queue, &event))
        free(event.frame);
    free(sim->queue.heap);
    for (unsigned h = 0; h < sim->plan.host_count; h++)
        sim_host_free(&sim->host[h]);
    if (sim->pcap != NULL)
        fclose(sim->pcap);
}

static void report(const struct sim *sim, struct sim_result *result)
{
    *result = (struct sim_result){ .failed = sim->failed,
                                   .hash = sim->hash,
                                   .events = sim->events,
                                   .frames = sim->frames,
                                   .octets = sim->octets,
                                   .took = sim->now - sim->plan.start };
    result->starved = sim->plan.fault_count > 0;
    snprintf(result->text, sizeof result->text, "%s", sim->failure);
    for (unsigned i = 0; i < sim->plan.conn_count; i++)
        for (unsigned side = 0; side < 2; side++) {
            result->conns_complete += sim->conn[i].end[side].eof;
            result->conns_error += sim->conn[i].end[side].error_seen;
        }
}

void sim_run(const struct sim_settings *settings, struct sim_result *result)
{
    struct sim *sim = calloc(1, sizeof *sim);
    if (sim == NULL)
        abort();
    sim->seed = settings->seed;
    sim->verbose = settings->verbose;
    sim->no_early = settings->no_early;
    sim->no_landing = settings->no_landing;
    sim->hash = UINT64_C(0xcbf29ce484222325);
    sim_plan_draw(&sim->plan, settings->seed);
    sim->now = sim->plan.start;
    if (settings->verbose)
        sim_plan_print(&sim->plan);
    if (settings->pcap != NULL && !sim_capture_open(sim, settings->pcap))
        sim_fail(sim, "the capture file %s cannot be opened", settings->pcap);
    if (!sim->failed)
        prepare(sim);
    go(sim);
    clean_up(sim);
    report(sim, result);
    free(sim);
}
