/* SPDX-License-Identifier: MIT */
#include "sim/purpose.h"
#include "sim/world.h"

#include <stdlib.h>
#include <string.h>

/* An instance and the loop around it, in the order that matters: input, timeouts, events, output.
 */

#define ROUNDS_MAX 2000 /* of events and output at one instant */

const struct weir_ip *sim_host_ip(const struct sim_host *host, bool v6)
{
    return v6 ? &host->ip6 : &host->ip4;
}

static void add_addresses(struct sim *sim, struct sim_host *host, unsigned iface)
{
    const uint8_t last = (uint8_t)(host->index + 1);
    host->ip4 = weir_ip_v4(10, 0, 0, last);
    host->ip6 = (struct weir_ip){ { 0xfd, [15] = last } };
    const struct weir_ip any4 = weir_ip_v4(0, 0, 0, 0);
    const struct weir_ip any6 = { { 0 } };
    bool ok = true;
    if (sim->plan.v4) {
        ok = weir_address_add(host->weir, iface, &host->ip4, 24, sim->now) == WEIR_OK;
        ok = ok && weir_route_add(host->weir, &any4, 0, NULL, iface, 10) == WEIR_OK;
    }
    if (sim->plan.v6) {
        ok = ok && weir_address_add(host->weir, iface, &host->ip6, 64, sim->now) == WEIR_OK;
        ok = ok && weir_route_add(host->weir, &any6, 0, NULL, iface, 10) == WEIR_OK;
    }
    if (!ok)
        sim_fail(sim, "host %u: an address or route is refused", host->index);
}

static weir_handle listen_on(struct sim *sim, struct sim_host *host, unsigned number)
{
    const unsigned flags = sim->plan.host[host->index].listen_flags;
    const bool v6 = number >= SIM_TWINS;
    struct weir_addr local = { .port = flags & WEIR_LISTEN_ANY_PORT ? 0 : SIM_PORT };
    if (!v6)
        local.ip = weir_ip_v4(0, 0, 0, 0);
    weir_handle handle = WEIR_NO_HANDLE;
    const enum weir_error error = weir_listen(host->weir, &local, sim->plan.backlog,
                                              v6 ? flags | WEIR_LISTEN_V6ONLY : flags, &handle);
    if (error != WEIR_OK)
        sim_fail(sim, "host %u: listen: %s", host->index, weir_error_text(error));
    else
        (void)weir_set_cookie(host->weir, handle, SIM_COOKIE_LISTENER + number);
    return handle;
}

void sim_host_init(struct sim *sim, unsigned h)
{
    struct sim_host *host = &sim->host[h];
    const struct sim_host_plan *plan = &sim->plan.host[h];
    host->index = h;
    for (unsigned i = 0; i < sim->plan.conn_count; i++)
        host->talks_alone |= sim->plan.conn[i].host[0] == h && sim->plan.conn[i].host[1] == h;
    host->rx_end = &host->rx_first;
    host->wake_at = WEIR_NEVER;
    prng_init(&host->early, sim->seed, SIM_PURPOSE_EARLY, h);
    prng_init(&host->landing, sim->seed, SIM_PURPOSE_LANDING, h);
    const size_t size = weir_memory_size(&plan->config);
    host->memory = size > 0 ? aligned_alloc(64, (size + 63) / 64 * 64) : NULL;
    if (host->memory == NULL) {
        sim_fail(sim, "host %u: the configuration is refused", h);
        return;
    }
    memset(host->memory, 0xa5, size); /* INV 35: what was never written does not look like zero */
    unsigned iface = 0;
    enum weir_error error = weir_init(&host->weir, host->memory, size, &plan->config, sim->now);
    if (error == WEIR_OK)
        error = weir_iface_add(host->weir, &plan->iface, &iface, sim->now);
    if (error != WEIR_OK) {
        sim_fail(sim, "host %u: init: %s", h, weir_error_text(error));
        return;
    }
    add_addresses(sim, host, iface);
    for (unsigned i = 0; i < SIM_LISTENERS && !sim->failed; i++)
        if ((i < SIM_TWINS ? sim->plan.v4 : sim->plan.v6) &&
            (i % SIM_TWINS == 0 || i % SIM_TWINS < plan->listeners))
            host->listener[i] = listen_on(sim, host, i);
}

void sim_host_free(struct sim_host *host)
{
    while (host->rx_first != NULL) {
        struct sim_frame *frame = host->rx_first;
        host->rx_first = frame->next;
        free(frame);
    }
    free(host->memory);
}

void sim_host_arrive(struct sim *sim, unsigned h, struct sim_frame *frame)
{
    struct sim_host *host = &sim->host[h];
    if (host->rx_count >= SIM_RX_MAX) {
        free(frame);
        return;
    }
    frame->arrived = sim->now;
    frame->next = NULL;
    *host->rx_end = frame;
    host->rx_end = &frame->next;
    host->rx_count++;
    if (host->paused || host->polling)
        return;
    host->polling = true;
    sim_queue_add(&sim->queue, sim->now + sim->plan.host[h].poll, SIM_EV_POLL, h);
}

static struct sim_frame *take_frame(struct sim_host *host)
{
    struct sim_frame *frame = host->rx_first;
    host->rx_first = frame->next;
    if (host->rx_first == NULL)
        host->rx_end = &host->rx_first;
    host->rx_count--;
    return frame;
}

/* Lays a frame out as a driver does that was shown where its text will belong: head, spans, and
 * what they do not hold behind the hole. Now and then the spans are only written to, as by a read
 * that came to nothing, and now and then they are not all used. */
static void land(struct sim *sim, struct sim_host *host, struct weir_frame *in, uint8_t *octets)
{
    struct weir_landing landing;
    if (!sim->plan.host[host->index].lands || sim->no_landing ||
        !weir_landing(host->weir, 0, &landing))
        return;
    const unsigned how = prng_below(&host->landing, 8);
    size_t at = landing.head_len;
    in->hole = octets + at;
    for (unsigned i = 0; i < landing.span_count; i++) {
        const struct weir_span *span = &landing.span[i];
        memset(span->base, 0xee, span->len);
        if (how == 0 || at >= in->len || (how == 1 && i > 0))
            continue;
        const size_t part = span->len < in->len - at ? span->len : in->len - at;
        memcpy(span->base, octets + at, part);
        memset(octets + at, 0xdd, part);
        in->landed += part;
        at += part;
    }
}

/* Gives one frame, and what receive offload merges with it, to the instance. */
static void input_next(struct sim *sim, struct sim_host *host)
{
    const struct sim_host_plan *plan = &sim->plan.host[host->index];
    struct sim_frame *frame = take_frame(host);
    struct weir_frame in = { .when = frame->arrived,
                             .csum_ok = plan->rx_csum,
                             .gso_size = frame->gso_size };
    sim_flow_heard(sim, host->index, frame);
    size_t len = frame->len;
    memcpy(sim->scratch, frame->data, len);
    struct sim_packet packet;
    const bool ethernet = !sim->plan.ip_only;
    const bool merges = plan->gro && frame->gso_size == 0 && !frame->partial &&
                        sim_packet_parse(&packet, frame->data, len, ethernet) == NULL &&
                        packet.proto == SIM_TCP && packet.data_len > 0;
    while (merges && host->rx_first != NULL && host->rx_first->gso_size == 0) {
        const struct sim_frame *next = host->rx_first;
        struct sim_packet more;
        if (sim_packet_parse(&more, next->data, next->len, ethernet) != NULL ||
            more.data_len > packet.data_len || next->partial ||
            !sim_packet_merge(sim->scratch, &len, sizeof sim->scratch, next->data, next->len,
                              ethernet))
            break;
        sim_flow_heard(sim, host->index, next);
        in.gso_size = (uint16_t)packet.data_len;
        free(take_frame(host));
        if (more.data_len < packet.data_len)
            break; /* a short one is the last */
    }
    /* A copy of exactly this length, so that a read beyond the end is noticed by the sanitizers. */
    uint8_t *exact = malloc(len);
    if (exact == NULL)
        abort();
    memcpy(exact, sim->scratch, len);
    in.data = exact;
    in.len = len;
    host->frames_in++;
    land(sim, host, &in, exact);
    weir_input(host->weir, 0, &in, 1, sim->now);
    memset(exact, 0xdd, len); /* the core keeps nothing of a frame */
    free(exact);
    free(frame);
}

static bool handle_events(struct sim *sim, struct sim_host *host)
{
    struct weir_event event;
    bool any = false;
    while (!sim->failed && weir_next_event(host->weir, &event)) {
        any = true;
        if (event.ready == 0)
            sim_fail(sim, "INV 40: host %u: an event that says nothing", host->index);
        if (event.cookie >= SIM_COOKIE_DGRAM)
            sim_dgram_event(sim, host->index, &event);
        else
            sim_end_event(sim, host->index, &event);
    }
    return any;
}

static bool handle_output(struct sim *sim, struct sim_host *host)
{
    struct weir_out out;
    bool any = false;
    for (unsigned n = 0; !sim->failed && weir_output(host->weir, 0, &out, 1, sim->now) == 1; n++) {
        any = true;
        sim_emit(sim, host->index, &out);
        if (n > SIM_INSTANT_MAX)
            sim_fail(sim, "INV 33: host %u: output without end", host->index);
    }
    return any;
}

static void schedule_wake(struct sim *sim, struct sim_host *host)
{
    const weir_time deadline = weir_deadline(host->weir);
    if (deadline == host->wake_at)
        return;
    host->wake_at = deadline;
    host->generation++;
    if (deadline == WEIR_NEVER)
        return;
    sim_queue_add_wake(&sim->queue, deadline > sim->now ? deadline : sim->now, host->index,
                       host->generation);
}

void sim_host_run(struct sim *sim, unsigned h)
{
    struct sim_host *host = &sim->host[h];
    if (host->paused || sim->failed)
        return;
    while (host->rx_first != NULL && !host->polling && !sim->failed)
        input_next(sim, host);
    const bool early = sim->plan.host[h].early && prng_below(&host->early, 4) == 0;
    if (weir_deadline(host->weir) <= sim->now || (early && !sim->no_early)) {
        weir_timeout(host->weir, sim->now);
        host->wake_at = WEIR_NEVER;
    }
    handle_events(sim, host);
    for (unsigned round = 0; !sim->failed; round++) {
        /* Output may make events, too: a neighbour that is known not to answer ends a connection at
         * its first segment. */
        const bool output = handle_output(sim, host);
        if (!handle_events(sim, host) && !output)
            break;
        if (round > ROUNDS_MAX)
            sim_fail(sim, "INV 33: host %u: events and output without end", h);
    }
    if (sim->failed)
        return;
    sim_watch_host(sim, h);
    schedule_wake(sim, host);
}
