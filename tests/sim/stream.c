/* SPDX-License-Identifier: MIT */
#include "sim/purpose.h"
#include "sim/world.h"

#include <string.h>

/* Programs at the two ends of a TCP connection. What an end sends is a function of (seed,
 * connection, side, offset), so that every octet that arrives anywhere, on the wire or in the other
 * program, can be checked by itself. */

#define WRITE_MAX 65536

uint64_t sim_content(uint64_t seed, unsigned conn, unsigned side, uint32_t block)
{
    uint64_t z = seed * UINT64_C(0x9e3779b97f4a7c15) + ((uint64_t)(conn * 2 + side) << 32) + block;
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static uint8_t content_at(const struct sim *sim, const struct sim_end *end, uint32_t offset)
{
    return (uint8_t)(sim_content(sim->seed, end->conn, end->side, offset / 8) >> offset % 8 * 8);
}

static void content_fill(const struct sim *sim, const struct sim_end *end, uint32_t offset,
                         uint8_t *data, size_t len)
{
    for (size_t i = 0; i < len; i++)
        data[i] = content_at(sim, end, offset + (uint32_t)i);
}

size_t sim_content_differs(const struct sim *sim, const struct sim_end *end, uint32_t offset,
                           const uint8_t *data, size_t len)
{
    uint64_t word = 0;
    for (size_t i = 0; i < len; i++) {
        const uint32_t at = offset + (uint32_t)i;
        if (i == 0 || at % 8 == 0)
            word = sim_content(sim->seed, end->conn, end->side, at / 8);
        if (data[i] != (uint8_t)(word >> at % 8 * 8))
            return i;
    }
    return len;
}

static const struct sim_end_plan *plan_of(const struct sim *sim, const struct sim_end *end)
{
    return &sim->plan.conn[end->conn].end[end->side];
}

static struct sim_end *peer_of(struct sim *sim, const struct sim_end *end)
{
    return &sim->conn[end->conn].end[1 - end->side];
}

static struct weir *weir_of(struct sim *sim, const struct sim_end *end)
{
    return sim->host[end->host].weir;
}

void sim_conn_init(struct sim *sim, unsigned i)
{
    for (unsigned side = 0; side < 2; side++) {
        struct sim_end *end = &sim->conn[i].end[side];
        end->conn = i;
        end->side = side;
        end->host = sim->plan.conn[i].host[side];
        prng_init(&end->rng, sim->seed, SIM_PURPOSE_APP, i * 2 + side);
    }
}

bool sim_conn_done(const struct sim *sim, unsigned i)
{
    const struct sim_end *end = sim->conn[i].end;
    return (end[0].done || end[0].never) && (end[1].done || end[1].never || !end[1].opened);
}

/* Nothing more of this end. The handle dies here, or has died. */
static void finish(struct sim *sim, struct sim_end *end, bool release)
{
    if (release) {
        const enum weir_error error = weir_release(weir_of(sim, end), end->handle, sim->now);
        if (error != WEIR_OK)
            sim_fail(sim, "conn %u.%u: release: %s", end->conn, end->side, weir_error_text(error));
        if (weir_ready_now(weir_of(sim, end), end->handle) != 0)
            sim_fail(sim, "INV 44: conn %u.%u: a released handle is ready", end->conn, end->side);
    }
    end->handle = WEIR_NO_HANDLE;
    end->done = true;
}

/* Both ends as their plan says, and nobody in between to blame: then no error is due. */
static bool must_not_fail(const struct sim *sim, const struct sim_end *end)
{
    return sim->plan.clean && !sim->plan.conn[end->conn].nobody;
}

static void fail_end(struct sim *sim, struct sim_end *end, enum weir_error error)
{
    end->error = error;
    end->error_seen = true;
    if (error == WEIR_OK || error == WEIR_AGAIN || error == WEIR_BAD_HANDLE ||
        error == WEIR_INVALID)
        sim_fail(sim, "INV 41: conn %u.%u ends with \"%s\"", end->conn, end->side,
                 weir_error_text(error));
    if (must_not_fail(sim, end))
        sim_fail(sim, "INV 51: conn %u.%u fails on a perfect network: %s (sent %u, received %u)",
                 end->conn, end->side, weir_error_text(error), end->sent, end->received);
    finish(sim, end, true);
}

/* ---- Opening ---- */

/* Tells the wire oracle whose octets these are. */
static void register_end(struct sim *sim, struct sim_end *end)
{
    struct weir_status status;
    if (weir_status(weir_of(sim, end), end->handle, &status) != WEIR_OK) {
        sim_fail(sim, "conn %u.%u: no status", end->conn, end->side);
        return;
    }
    const struct sim_packet tuple = { .src = status.local.ip,
                                      .dst = status.remote.ip,
                                      .sport = status.local.port,
                                      .dport = status.remote.port };
    end->iss = status.iss;
    struct sim_flow *flow = sim_flow_find(sim, &tuple, false);
    if (flow != NULL)
        flow->end = end;
    end->registered = true;
}

static void open_one(struct sim *sim, struct sim_end *end, bool fixed)
{
    const struct sim_conn_plan *plan = &sim->plan.conn[end->conn];
    const struct sim_host *peer = &sim->host[plan->host[1 - end->side]];
    struct weir_addr remote = { .ip = *sim_host_ip(peer, plan->v6),
                                .port = plan->port[1 - end->side] };
    struct weir_addr local = { .ip = *sim_host_ip(&sim->host[end->host], plan->v6),
                               .port = plan->port[end->side] };
    const enum weir_error error =
        weir_connect(weir_of(sim, end), fixed ? &local : NULL, &remote, &end->handle, sim->now);
    if (error == WEIR_IN_PROGRESS) {
        end->opened = true;
        end->opened_at = sim->now;
        (void)weir_set_cookie(weir_of(sim, end), end->handle, 1 + end->conn * 2 + end->side);
        register_end(sim, end);
        return;
    }
    end->never = true;
    end->handle = WEIR_NO_HANDLE;
    if (sim->plan.clean || !sim_excuses_open(error))
        sim_fail(sim, "conn %u.%u: connect: %s", end->conn, end->side, weir_error_text(error));
}

void sim_conn_open(struct sim *sim, unsigned i)
{
    struct sim_end *end = sim->conn[i].end;
    const struct sim_conn_plan *plan = &sim->plan.conn[i];
    open_one(sim, &end[0], plan->port[0] != 0);
    sim_host_run(sim, end[0].host);
    if (plan->simultaneous && !sim->failed) {
        open_one(sim, &end[1], true);
        sim_host_run(sim, end[1].host);
    }
}

/* The end that `status`, of a connection just accepted, belongs to: the opener knows the same ISS.
 */
static struct sim_end *accepted_end(struct sim *sim, unsigned h, const struct weir_status *status)
{
    for (unsigned i = 0; i < sim->plan.conn_count; i++) {
        struct sim_end *end = sim->conn[i].end;
        if (!end[0].opened || end[1].host != h || end[0].iss != status->irs || end[1].opened)
            continue;
        const bool v6 = sim->plan.conn[i].v6;
        const struct weir_ip *ip = sim_host_ip(&sim->host[end[0].host], v6);
        if (weir_ip_equal(ip, &status->remote.ip))
            return &end[1];
    }
    return NULL;
}

/* A SYN cookie remembers nothing: the ACK that carried it opens the connection again when it
 * arrives again, though the one it opened first is long over. */
static bool is_revived(const struct sim *sim, const struct sim_host *host,
                       const struct weir_status *status)
{
    struct weir_counters count;
    weir_counters(host->weir, &count);
    for (unsigned i = 0; i < sim->plan.conn_count && count.cookies_sent > 0; i++) {
        const struct sim_end *end = sim->conn[i].end;
        if (end[1].host == host->index && end[1].done && end[0].iss == status->irs)
            return true;
    }
    return false;
}

static bool accept_one(struct sim *sim, struct sim_host *host, weir_handle listener)
{
    weir_handle handle;
    const enum weir_error error = weir_accept(host->weir, listener, &handle, sim->now);
    if (error == WEIR_AGAIN)
        return false;
    struct weir_status status;
    if (error != WEIR_OK || weir_status(host->weir, handle, &status) != WEIR_OK) {
        sim_fail(sim, "host %u: accept: %s", host->index, weir_error_text(error));
        return false;
    }
    struct sim_end *end = accepted_end(sim, host->index, &status);
    if (end == NULL && is_revived(sim, host, &status)) {
        (void)weir_abort(host->weir, handle, sim->now);
        (void)weir_release(host->weir, handle, sim->now);
        return true;
    }
    if (end == NULL) {
        sim_fail(sim, "INV 48: host %u accepts what nobody opened (port %u, irs %u)", host->index,
                 status.remote.port, status.irs);
        return false;
    }
    end->opened = true;
    end->handle = handle;
    (void)weir_set_cookie(host->weir, handle, 1 + end->conn * 2 + end->side);
    register_end(sim, end);
    sim_end_run(sim, end);
    return true;
}

void sim_accept(struct sim *sim, unsigned h)
{
    struct sim_host *host = &sim->host[h];
    const bool slow = sim->plan.accept_gap > 0 && !sim->calm;
    for (unsigned i = 0; i < SIM_LISTENERS; i++) {
        if (host->listener[i] == WEIR_NO_HANDLE)
            continue;
        while (!sim->failed && accept_one(sim, host, host->listener[i]))
            if (slow)
                break;
    }
    if (slow && !host->accept_waits) {
        host->accept_waits = true;
        sim_queue_add(&sim->queue, sim->now + sim->plan.accept_gap, SIM_EV_ACCEPT, h);
    }
}

/* ---- Reading ---- */

static void check_received(struct sim *sim, struct sim_end *end, const uint8_t *data, size_t len)
{
    const struct sim_end *peer = peer_of(sim, end);
    if (end->eof || end->error_seen)
        sim_fail(sim, "INV 41: conn %u.%u: octets after the end", end->conn, end->side);
    if (len > peer->sent - end->received)
        sim_fail(sim, "INV 45: conn %u.%u received %zu octets more than were sent", end->conn,
                 end->side, len - (peer->sent - end->received));
    const size_t wrong = sim_content_differs(sim, peer, end->received, data, len);
    if (wrong < len)
        sim_fail(sim, "INV 45: conn %u.%u: octet %zu of the stream is not what was sent", end->conn,
                 end->side, end->received + wrong);
    end->received += (uint32_t)len;
}

/* INV 46, 47: the end of the stream is the end of all that the peer sent, and the peer meant it. */
static void check_eof(struct sim *sim, struct sim_end *end)
{
    const struct sim_end *peer = peer_of(sim, end);
    if (!peer->fin_queued || end->received != peer->sent)
        sim_fail(sim, "INV 47: conn %u.%u sees an end after %u octets; the peer sent %u%s",
                 end->conn, end->side, end->received, peer->sent,
                 peer->fin_queued ? "" : " and has not closed");
    end->eof = true;
    end->ended_at = sim->now;
}

static enum weir_error read_some(struct sim *sim, struct sim_end *end, size_t room, size_t *done)
{
    struct weir *weir = weir_of(sim, end);
    static uint8_t buffer[WRITE_MAX];
    *done = 0;
    if (!plan_of(sim, end)->in_place) {
        const enum weir_error error = weir_recv(weir, end->handle, buffer, room, done, sim->now);
        if (error == WEIR_OK && *done > room)
            sim_fail(sim, "INV 42: conn %u.%u: recv of %zu gives %zu", end->conn, end->side, room,
                     *done);
        else if (error == WEIR_OK && *done > 0)
            check_received(sim, end, buffer, *done);
        return error;
    }
    struct weir_span span[WEIR_SPANS];
    unsigned count = WEIR_SPANS;
    const enum weir_error error = weir_recv_view(weir, end->handle, span, &count);
    if (error != WEIR_OK)
        return error;
    for (unsigned i = 0; i < count && *done < room && !sim->failed; i++) {
        const size_t len = span[i].len < room - *done ? span[i].len : room - *done;
        check_received(sim, end, span[i].base, len);
        *done += len;
    }
    return *done > 0 ? weir_recv_took(weir, end->handle, *done, sim->now) : WEIR_OK;
}

static bool may_read(struct sim *sim, struct sim_end *end)
{
    const struct sim_end_plan *plan = plan_of(sim, end);
    if (sim->calm)
        return true;
    if (plan->stall_at > 0 && end->received >= plan->stall_at && !end->stalled) {
        end->stalled = true;
        end->read_at = sim->now + plan->stall_for;
        sim_queue_add(&sim->queue, end->read_at, SIM_EV_END, end->conn * 2 + end->side);
    }
    return sim->now >= end->read_at;
}

/* INV 40, 42: what a call says and what readiness says agree. */
static void check_read_agrees(struct sim *sim, const struct sim_end *end, unsigned ready,
                              enum weir_error error, size_t done)
{
    const unsigned any = WEIR_READABLE | WEIR_EOF | WEIR_ERROR | WEIR_HANGUP;
    if (error == WEIR_AGAIN && (ready & (WEIR_READABLE | WEIR_EOF)))
        sim_fail(sim, "INV 40: conn %u.%u: ready %#x, but recv says not now", end->conn, end->side,
                 ready);
    if (error == WEIR_OK && done > 0 && !(ready & WEIR_READABLE))
        sim_fail(sim, "INV 40: conn %u.%u: octets without READABLE (%#x)", end->conn, end->side,
                 ready);
    if (error == WEIR_OK && done == 0 && !(ready & any))
        sim_fail(sim, "INV 40: conn %u.%u: end of stream without EOF (%#x)", end->conn, end->side,
                 ready);
}

/* The urgent pointer lies within what the peer has sent. */
static void check_urgent(struct sim *sim, const struct sim_end *end)
{
    uint32_t ahead;
    const enum weir_error error = weir_urgent(weir_of(sim, end), end->handle, &ahead);
    const struct sim_end *peer = &sim->conn[end->conn].end[1 - end->side];
    if (error == WEIR_OK && ahead > peer->sent - end->received)
        sim_fail(sim, "conn %u.%u: urgent data %u octets ahead of %u that were sent", end->conn,
                 end->side, ahead, peer->sent - end->received);
}

/* Returns false if the connection is over. */
static bool read_all(struct sim *sim, struct sim_end *end)
{
    const struct sim_end_plan *plan = plan_of(sim, end);
    check_urgent(sim, end);
    while (!sim->failed && !end->eof && may_read(sim, end)) {
        const unsigned ready = weir_ready_now(weir_of(sim, end), end->handle);
        size_t done;
        const enum weir_error error =
            read_some(sim, end, sim->calm ? WRITE_MAX : plan->read_max, &done);
        check_read_agrees(sim, end, ready, error, done);
        if (error == WEIR_AGAIN)
            break;
        if (error != WEIR_OK) {
            fail_end(sim, end, error);
            return false;
        }
        if (done == 0)
            check_eof(sim, end);
        else if (plan->read_gap > 0 && !sim->calm) {
            end->read_at = sim->now + plan->read_gap;
            sim_queue_add(&sim->queue, end->read_at, SIM_EV_END, end->conn * 2 + end->side);
        }
    }
    return !sim->failed;
}

/* ---- Writing ---- */

/* How far this end may send: in turns, a portion for each portion of the other side. */
static uint32_t send_limit(const struct sim *sim, const struct sim_end *end)
{
    const struct sim_conn_plan *conn = &sim->plan.conn[end->conn];
    const uint32_t total = plan_of(sim, end)->total;
    if (conn->request == 0)
        return total;
    const uint64_t limit = end->side == 0
                               ? (uint64_t)(end->received / conn->response + 1) * conn->request
                               : (uint64_t)(end->received / conn->request) * conn->response;
    return limit < total ? (uint32_t)limit : total;
}

static void fiddle(struct sim *sim, struct sim_end *end)
{
    static const struct {
        enum weir_option option;
        int64_t low, high;
    } choices[] = {
        { WEIR_OPT_NODELAY, 0, 1 },
        { WEIR_OPT_CORK, 0, 1 },
        { WEIR_OPT_QUICKACK, 0, 1 },
        { WEIR_OPT_KEEPALIVE, 0, 1 },
        { WEIR_OPT_KEEPIDLE, WEIR_SECOND, 20 * WEIR_SECOND },
        { WEIR_OPT_KEEPINTVL, WEIR_SECOND, 5 * WEIR_SECOND },
        { WEIR_OPT_KEEPCNT, 1, 9 },
        { WEIR_OPT_SNDBUF, 4096, 262144 },
        { WEIR_OPT_RCVBUF, 4096, 262144 },
        { WEIR_OPT_TTL, 32, 255 },
    };
    const uint32_t i = prng_below(&end->rng, sizeof choices / sizeof choices[0]);
    const int64_t range = choices[i].high - choices[i].low + 1;
    int64_t value = choices[i].low;
    value += (int64_t)(prng_next(&end->rng) >> 1) % range;
    const enum weir_error error =
        weir_set(weir_of(sim, end), end->handle, choices[i].option, value, sim->now);
    if (error != WEIR_OK && error != WEIR_NO_MEMORY)
        sim_fail(sim, "conn %u.%u: option %u = %lld: %s", end->conn, end->side, choices[i].option,
                 (long long)value, weir_error_text(error));
}

static enum weir_error send_in_place(struct sim *sim, struct sim_end *end, size_t want,
                                     unsigned flags, size_t *done)
{
    struct weir_span span[WEIR_SPANS];
    unsigned count = WEIR_SPANS;
    *done = 0;
    enum weir_error error = weir_send_room(weir_of(sim, end), end->handle, want, span, &count);
    if (error != WEIR_OK)
        return error;
    size_t room = 0;
    for (unsigned i = 0; i < count && room < want; i++) {
        const size_t len = span[i].len < want - room ? span[i].len : want - room;
        content_fill(sim, end, end->sent + (uint32_t)room, span[i].base, len);
        room += len;
    }
    if (room < want)
        flags &= ~(WEIR_FIN | WEIR_URG);
    error = weir_send_put(weir_of(sim, end), end->handle, room, flags, sim->now);
    *done = error == WEIR_OK ? room : 0;
    if (error == WEIR_OK && (flags & WEIR_FIN))
        end->fin_queued = true;
    return error;
}

static enum weir_error send_copy(struct sim *sim, struct sim_end *end, size_t want, unsigned flags,
                                 size_t *done)
{
    static uint8_t buffer[WRITE_MAX];
    content_fill(sim, end, end->sent, buffer, want);
    *done = 0;
    const enum weir_error error =
        weir_send(weir_of(sim, end), end->handle, buffer, want, flags, done, sim->now);
    if (error == WEIR_OK && (*done > want || (*done == 0 && want > 0)))
        sim_fail(sim, "INV 42: conn %u.%u: send of %zu takes %zu", end->conn, end->side, want,
                 *done);
    if (error == WEIR_OK && *done == want && (flags & WEIR_FIN))
        end->fin_queued = true;
    return error;
}

static unsigned flags_for(struct sim *sim, struct sim_end *end, uint32_t want)
{
    const struct sim_end_plan *plan = plan_of(sim, end);
    const bool last = end->sent + want == plan->total;
    unsigned flags = 0;
    if (plan->more && !last && !sim->calm && sim->plan.conn[end->conn].request == 0 &&
        prng_below(&end->rng, 2) == 0)
        flags |= WEIR_MORE;
    if (last && plan->fin_with_data && plan->finish == SIM_HALF)
        flags |= WEIR_FIN;
    if (plan->urgent_at > end->sent && plan->urgent_at == end->sent + want)
        flags |= WEIR_URG;
    return flags;
}

static uint32_t next_write(const struct sim *sim, const struct sim_end *end)
{
    const struct sim_end_plan *plan = plan_of(sim, end);
    const uint32_t most = sim->calm ? WRITE_MAX : plan->write_max;
    uint32_t want = send_limit(sim, end) - end->sent;
    want = want < most ? want : most;
    /* An urgent octet is the last of its write. */
    if (plan->urgent_at > end->sent && plan->urgent_at < end->sent + want)
        want = plan->urgent_at - end->sent;
    return want;
}

/* Returns false if the connection is over. */
static bool write_all(struct sim *sim, struct sim_end *end)
{
    const struct sim_end_plan *plan = plan_of(sim, end);
    while (!sim->failed && !end->fin_queued && send_limit(sim, end) > end->sent) {
        if (!sim->calm && sim->now < end->write_at)
            break;
        if (!sim->calm && prng_chance(&end->rng, plan->fiddle))
            fiddle(sim, end);
        const uint32_t want = next_write(sim, end);
        const unsigned flags = flags_for(sim, end, want);
        size_t done;
        const enum weir_error error = plan->in_place ? send_in_place(sim, end, want, flags, &done)
                                                     : send_copy(sim, end, want, flags, &done);
        end->sent += (uint32_t)done;
        if (error == WEIR_AGAIN)
            break;
        if (error != WEIR_OK) {
            fail_end(sim, end, error);
            return false;
        }
        if (plan->write_gap > 0 && !sim->calm) {
            end->write_at = sim->now + plan->write_gap;
            sim_queue_add(&sim->queue, end->write_at, SIM_EV_END, end->conn * 2 + end->side);
        }
    }
    return !sim->failed;
}

/* ---- Finishing ---- */

/* ABORT and VANISH: returns true if the end came to an end by it. */
static bool breaks_off(struct sim *sim, struct sim_end *end)
{
    const struct sim_end_plan *plan = plan_of(sim, end);
    if (plan->finish == SIM_ABORT && end->sent + end->received >= plan->finish_at) {
        const enum weir_error error = weir_abort(weir_of(sim, end), end->handle, sim->now);
        if (error != WEIR_OK && error != WEIR_NOT_CONN)
            sim_fail(sim, "conn %u.%u: abort: %s", end->conn, end->side, weir_error_text(error));
        finish(sim, end, true);
        return true;
    }
    if (plan->finish == SIM_VANISH && end->received >= plan->finish_at) {
        end->fin_queued = true; /* close(2) sends FIN if nothing is unread */
        finish(sim, end, true);
        return true;
    }
    return false;
}

static void finish_in_order(struct sim *sim, struct sim_end *end)
{
    const struct sim_end_plan *plan = plan_of(sim, end);
    if (end->sent < plan->total)
        return;
    const bool closes = plan->finish == SIM_HALF || sim->closing ||
                        (sim->calm && plan->finish != SIM_LAST && plan->finish != SIM_RELEASE);
    if (!end->fin_queued && closes) {
        const enum weir_error error = weir_shutdown(weir_of(sim, end), end->handle, sim->now);
        if (error != WEIR_OK) {
            fail_end(sim, end, error);
            return;
        }
        end->fin_queued = true;
    }
    if (plan->finish == SIM_RELEASE || end->eof) {
        end->fin_queued = true;
        finish(sim, end, true);
    }
}

/* In the liveness phase every option is sane, and whoever only waits asks whether the peer is still
 * there. */
static void calm_down(struct sim *sim, struct sim_end *end)
{
    struct weir *weir = weir_of(sim, end);
    end->calmed = true;
    (void)weir_set(weir, end->handle, WEIR_OPT_CORK, 0, sim->now);
    (void)weir_set(weir, end->handle, WEIR_OPT_KEEPIDLE, 10 * WEIR_SECOND, sim->now);
    (void)weir_set(weir, end->handle, WEIR_OPT_KEEPINTVL, 2 * WEIR_SECOND, sim->now);
    (void)weir_set(weir, end->handle, WEIR_OPT_KEEPCNT, 5, sim->now);
    (void)weir_set(weir, end->handle, WEIR_OPT_KEEPALIVE, 1, sim->now);
}

void sim_end_run(struct sim *sim, struct sim_end *end)
{
    if (end->handle == WEIR_NO_HANDLE || sim->failed || sim->host[end->host].paused)
        return;
    struct weir *weir = weir_of(sim, end);
    if (sim->calm && !end->calmed)
        calm_down(sim, end);
    const unsigned ready = weir_ready_now(weir, end->handle);
    if (!end->connected) {
        if (ready & WEIR_CONNECTED)
            end->connected = true;
        else if (ready & (WEIR_ERROR | WEIR_HANGUP)) {
            fail_end(sim, end, weir_error_take(weir, end->handle));
            return;
        } else
            return;
    }
    if (breaks_off(sim, end) || !read_all(sim, end) || !write_all(sim, end))
        return;
    if (breaks_off(sim, end))
        return;
    finish_in_order(sim, end);
    if (end->handle == WEIR_NO_HANDLE || !end->eof)
        return;
    /* Nothing is left to read, so no call of ours would learn of a reset: whoever waits is told. */
    if (weir_ready_now(weir, end->handle) & WEIR_ERROR)
        fail_end(sim, end, weir_error_take(weir, end->handle));
}

/* SYNs that were told and not answered: somebody of ours opened each of them. */
static void admit_all(struct sim *sim, unsigned h, weir_handle listener)
{
    struct weir *weir = sim->host[h].weir;
    struct weir_syn syn;
    enum weir_error error;
    while (!sim->failed && (error = weir_syn_next(weir, listener, &syn, sim->now)) == WEIR_OK) {
        error = weir_admit(weir, syn.handle, sim->now);
        if (error != WEIR_OK)
            sim_fail(sim, "host %u: admit: %s", h, weir_error_text(error));
    }
    if (!sim->failed && error != WEIR_AGAIN)
        sim_fail(sim, "host %u: the next SYN: %s", h, weir_error_text(error));
}

void sim_end_event(struct sim *sim, unsigned h, const struct weir_event *event)
{
    if (event->cookie >= SIM_COOKIE_LISTENER &&
        event->cookie < SIM_COOKIE_LISTENER + SIM_LISTENERS) {
        if (event->ready & WEIR_ASKED)
            admit_all(sim, h, event->handle);
        if (event->ready & WEIR_READABLE)
            sim_accept(sim, h);
        return;
    }
    const uint64_t number = event->cookie - 1;
    if (event->cookie == 0 || number / 2 >= sim->plan.conn_count) {
        sim_fail(sim, "INV 44: host %u: an event with cookie %llu", h,
                 (unsigned long long)event->cookie);
        return;
    }
    struct sim_end *end = &sim->conn[number / 2].end[number % 2];
    if (end->host != h || end->handle != event->handle) {
        sim_fail(sim, "INV 44: host %u: an event for a handle that is not open", h);
        return;
    }
    end->told |= event->ready;
    sim_end_run(sim, end);
}
