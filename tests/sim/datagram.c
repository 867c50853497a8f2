/* SPDX-License-Identifier: MIT */
#include "sim/purpose.h"
#include "sim/world.h"

#include <string.h>

/* Programs that send datagrams and echo requests. INV 49: a datagram arrives whole or not at all,
 * at its own endpoint, as it was sent; how often is the network's affair. */

#define SIZE_MAX_DGRAM 20016
#define HEADER         12

static void put32(uint8_t *p, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(value >> (24 - i * 8));
}

static uint32_t get32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void fill(const struct sim *sim, unsigned i, uint32_t serial, uint8_t *data, uint32_t len)
{
    for (uint32_t k = HEADER; k < len; k++) {
        const uint64_t word = sim_content(sim->seed, 1000 + i, 0, serial * 4096 + k / 8);
        data[k] = (uint8_t)(word >> k % 8 * 8);
    }
    put32(data, i);
    put32(data + 4, serial);
    put32(data + 8, len);
}

static struct weir_ip group_of(const struct sim_dgram_plan *plan)
{
    return plan->v6 ? (struct weir_ip){ { 0xff, 0x15, [15] = 7 } } : weir_ip_v4(239, 7, 7, 7);
}

/* Where they are sent, and where the receiver is. */
static struct weir_addr target(const struct sim *sim, unsigned i)
{
    const struct sim_dgram_plan *plan = &sim->plan.dgram[i];
    const struct weir_ip *ip = sim_host_ip(&sim->host[plan->host[1]], plan->v6);
    return (struct weir_addr){ .ip = plan->group ? group_of(plan) : *ip,
                               .port = (uint16_t)(5000 + i) };
}

static enum weir_error open_receiver(struct sim *sim, unsigned i)
{
    struct sim_dgram *dgram = &sim->dgram[i];
    const struct sim_dgram_plan *plan = &sim->plan.dgram[i];
    struct weir *weir = sim->host[plan->host[1]].weir;
    struct weir_addr local = target(sim, i);
    if (!plan->group)
        return weir_udp_open(weir, &local, &dgram->to);
    const struct weir_ip group = local.ip;
    local.ip = plan->v6 ? (struct weir_ip){ { 0 } } : weir_ip_v4(0, 0, 0, 0);
    enum weir_error error = weir_udp_open(weir, &local, &dgram->to);
    if (error == WEIR_OK)
        error = weir_udp_join(weir, dgram->to, &group, 0, sim->now);
    return error;
}

static void set_cookies(struct sim *sim, unsigned i)
{
    struct sim_dgram *dgram = &sim->dgram[i];
    const struct sim_dgram_plan *plan = &sim->plan.dgram[i];
    (void)weir_set_cookie(sim->host[plan->host[0]].weir, dgram->from, SIM_COOKIE_DGRAM + i * 2);
    if (dgram->to != WEIR_NO_HANDLE)
        (void)weir_set_cookie(sim->host[plan->host[1]].weir, dgram->to,
                              SIM_COOKIE_DGRAM + i * 2 + 1);
}

static void open_both(struct sim *sim, unsigned i)
{
    struct sim_dgram *dgram = &sim->dgram[i];
    const struct sim_dgram_plan *plan = &sim->plan.dgram[i];
    struct sim_host *from = &sim->host[plan->host[0]];
    struct sim_host *to = &sim->host[plan->host[1]];
    dgram->opened = true;
    prng_init(&dgram->rng, sim->seed, SIM_PURPOSE_DATAGRAM, i);
    enum weir_error error;
    if (plan->ping) {
        error = weir_ping_open(from->weir, &dgram->from);
    } else {
        const struct weir_addr local = { .ip = *sim_host_ip(from, plan->v6) };
        const struct weir_addr remote = target(sim, i);
        error = weir_udp_open(from->weir, &local, &dgram->from);
        if (error == WEIR_OK && (plan->nobody || i % 2 == 0))
            error = weir_udp_connect(from->weir, dgram->from, &remote);
        if (error == WEIR_OK && !plan->nobody)
            error = open_receiver(sim, i);
    }
    if (!sim->plan.clean && sim_excuses_open(error)) {
        if (dgram->from != WEIR_NO_HANDLE)
            (void)weir_release(from->weir, dgram->from, sim->now);
        if (dgram->to != WEIR_NO_HANDLE)
            (void)weir_release(to->weir, dgram->to, sim->now);
        dgram->from = dgram->to = WEIR_NO_HANDLE;
        return;
    }
    if (error != WEIR_OK) {
        sim_fail(sim, "datagrams %u: open: %s", i, weir_error_text(error));
        return;
    }
    set_cookies(sim, i);
}

/* What the network may do to a datagram before it has left. */
static bool excusable(enum weir_error error)
{
    return error == WEIR_OK || error == WEIR_AGAIN || error == WEIR_REFUSED ||
           error == WEIR_HOST_UNREACH || error == WEIR_NO_MEMORY || error == WEIR_NOT_LOCAL ||
           error == WEIR_NET_UNREACH || error == WEIR_TOO_LONG;
}

void sim_dgram_send(struct sim *sim, unsigned i)
{
    struct sim_dgram *dgram = &sim->dgram[i];
    const struct sim_dgram_plan *plan = &sim->plan.dgram[i];
    static uint8_t data[SIZE_MAX_DGRAM];
    if (!dgram->opened && !sim->closing)
        open_both(sim, i);
    if (dgram->from == WEIR_NO_HANDLE || dgram->sent >= plan->count || sim->failed)
        return;
    struct sim_host *host = &sim->host[plan->host[0]];
    const uint32_t serial = dgram->sent++;
    const uint32_t len = HEADER + prng_below(&dgram->rng, plan->size_max);
    dgram->length[serial] = len;
    fill(sim, i, serial, data, len);
    const struct weir_ip *ip = sim_host_ip(&sim->host[plan->host[1]], plan->v6);
    const struct weir_addr to = target(sim, i);
    const bool fixed = plan->nobody || i % 2 == 0;
    enum weir_error error;
    if (plan->ping)
        error = weir_ping_send(host->weir, dgram->from, ip, (uint16_t)serial, data, len, sim->now);
    else
        error = weir_udp_send(host->weir, dgram->from, fixed ? NULL : &to, data, len, sim->now);
    if (!excusable(error))
        sim_fail(sim, "datagrams %u: send of %u: %s", i, len, weir_error_text(error));
    sim_queue_add(&sim->queue, sim->now + plan->gap, SIM_EV_DGRAM, i);
    sim_host_run(sim, plan->host[0]);
}

static void check(struct sim *sim, unsigned i, const struct weir_datagram *info,
                  const uint8_t *data)
{
    struct sim_dgram *dgram = &sim->dgram[i];
    const struct sim_dgram_plan *plan = &sim->plan.dgram[i];
    static uint8_t sent[SIZE_MAX_DGRAM];
    const uint32_t serial = info->len >= HEADER ? get32(data + 4) : UINT32_MAX;
    if (serial >= dgram->sent || get32(data) != i || info->len != dgram->length[serial]) {
        sim_fail(sim, "INV 49: datagrams %u: one of %zu octets that was never sent", i, info->len);
        return;
    }
    fill(sim, i, serial, sent, (uint32_t)info->len);
    if (memcmp(sent, data, info->len) != 0)
        sim_fail(sim, "INV 49: datagrams %u: number %u arrives changed", i, serial);
    const struct sim_host *source = &sim->host[plan->host[plan->ping ? 1 : 0]];
    if (!weir_ip_equal(&info->from.ip, sim_host_ip(source, plan->v6)))
        sim_fail(sim, "INV 49: datagrams %u: from a host that did not send it", i);
    if (plan->ping && info->seq != serial)
        sim_fail(sim, "INV 49: echo %u: reply %u says that it is %u", i, serial, info->seq);
    dgram->received++;
}

void sim_dgram_event(struct sim *sim, unsigned h, const struct weir_event *event)
{
    static uint8_t data[SIZE_MAX_DGRAM];
    const unsigned i = (unsigned)(event->cookie - SIM_COOKIE_DGRAM) / 2;
    const unsigned side = (unsigned)(event->cookie - SIM_COOKIE_DGRAM) % 2;
    if (i >= sim->plan.dgram_count || sim->plan.dgram[i].host[side] != h) {
        sim_fail(sim, "INV 44: host %u: an event with cookie %llu", h,
                 (unsigned long long)event->cookie);
        return;
    }
    struct sim_dgram *dgram = &sim->dgram[i];
    const weir_handle handle = side == 0 ? dgram->from : dgram->to;
    if (handle != event->handle) {
        sim_fail(sim, "INV 44: datagrams %u.%u: an event for another handle", i, side);
        return;
    }
    struct weir *weir = sim->host[h].weir;
    dgram->told[side] |= event->ready;
    for (unsigned n = 0; n < 1000 && !sim->failed; n++) {
        struct weir_datagram info;
        const enum weir_error error = weir_udp_recv(weir, handle, data, sizeof data, &info);
        if (error == WEIR_AGAIN)
            break;
        if (error == WEIR_OK)
            check(sim, i, &info, data);
        else if (!excusable(error))
            sim_fail(sim, "datagrams %u.%u: recv: %s", i, side, weir_error_text(error));
    }
    if (!excusable(weir_error_take(weir, handle)))
        sim_fail(sim, "datagrams %u.%u: an error that nobody caused", i, side);
}

void sim_dgram_close(struct sim *sim)
{
    for (unsigned i = 0; i < sim->plan.dgram_count; i++) {
        struct sim_dgram *dgram = &sim->dgram[i];
        const struct sim_dgram_plan *plan = &sim->plan.dgram[i];
        if (dgram->from != WEIR_NO_HANDLE)
            (void)weir_release(sim->host[plan->host[0]].weir, dgram->from, sim->now);
        if (dgram->to != WEIR_NO_HANDLE)
            (void)weir_release(sim->host[plan->host[1]].weir, dgram->to, sim->now);
        dgram->from = dgram->to = WEIR_NO_HANDLE;
    }
}
