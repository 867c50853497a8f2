/* SPDX-License-Identifier: MIT */
#include "tcp/tcb.h"

#include "tcp/tcp.h"

#include <string.h>

uint8_t tcp_our_scale(const struct tcp_host *host)
{
    const uint32_t windows = (host->config->rcv_max - 1) / 65535 + 1; /* without a scale */
    const unsigned shift = windows > 1 ? 32 - (unsigned)__builtin_clz(windows - 1) : 0;
    return (uint8_t)(shift < 14 ? shift : 14);
}

void tcb_init(struct tcb *tcb, const struct tcp_birth *birth)
{
    const struct weir_config *config = birth->host->config;
    memset(tcb, 0, sizeof *tcb);
    tcb->host = birth->host;
    tcb->index = birth->index;
    tcb->state = WEIR_CLOSED;
    tcb->flight = POOL_NONE;
    tcb->owned = birth->owned;
    tcb->nodelay = !config->nagle;
    tcb->iss = birth->iss;
    tcb->snd.una = tcb->snd.nxt = tcb->snd.sml = tcb->snd.up = birth->iss;
    tcb->snd.end = birth->iss + 1;
    ring_init(&tcb->snd_ring);
    tcb->peer_mss = birth->v6 ? 1220 : TCP_MSS_DEFAULT;
    tcb->path_mss = birth->path_mss;
    tcb->rcv_wscale = (config->wscale ? tcp_our_scale(birth->host) : 0u) & 0xfu;
    const uint32_t most = tcp_window_max(tcb);
    tcb->rcv.max = config->rcv_max < most ? config->rcv_max : most;
    tcb->rcv.space = config->rcv_min < most ? config->rcv_min : most;
    ring_init(&tcb->rcv_ring);
    tcb->rcv_mss = TCP_MSS_DEFAULT;
    tcb->quick = TCP_QUICK;
    tcb->ts_offset = birth->ts_offset;
    tcb->rtx_at = tcb->pace_at = tcb->delack_at = tcb->keep_at = tcb->user_at = WEIR_NEVER;
    tcb->rto = config->rto_initial;
    tcb->rtt_min_us = tcb->rtt_min_old_us = UINT32_MAX;
    tcb->cc.ssthresh = UINT32_MAX;
    tcp_mss_update(tcb);
    tcb->cc.cwnd = cc_initial_window(tcb->mss);
    tcb->cc_which = WEIR_CC_CUBIC;
}

/* A window of `space` octets may be advertised up to one unit of the scale further than meant, each
 * time it is rounded up, until the slack is used (window.c). The credit covers that too: no octet
 * is ever promised for which no memory is set aside. */
bool tcb_credit(struct tcb *tcb, uint32_t space)
{
    struct ring_pool *pool = tcb->host->rings;
    const uint32_t chunks = ring_credit_for(pool, space + tcp_window_slack(tcb, space));
    return ring_set_credit(pool, &tcb->rcv_ring, chunks);
}

void tcb_born(struct tcb *tcb, enum weir_state state, enum weir_cause cause, weir_time now)
{
    WEIR_ASSERT(state == WEIR_SYN_SENT || state == WEIR_SYN_RECEIVED);
    trace_story(tcp_trace(tcb), &(struct weir_record){ .when = now,
                                                       .type = WEIR_REC_STATE,
                                                       .conn = tcb->index,
                                                       .flags = WEIR_CLOSED,
                                                       .code = (uint16_t)cause,
                                                       .seq = tcb->iss,
                                                       .ack = tcb->rcv.nxt,
                                                       .extra = (uint16_t)state });
    tcb->state = (uint8_t)state;
    tcb->cause = (uint8_t)cause;
    tcb->since = tcb->sent_at = tcb->rcvd_at = now;
    tcb->tune_us = tcp_us(tcb->host, now);
    tcb->challenge_ms = tcp_ms(tcb->host, now) - TCP_CHALLENGE_GAP_MS;
}

enum weir_error tcp_open(struct tcb *tcb, const struct tcp_birth *birth, weir_time now)
{
    tcb_init(tcb, birth);
    if (!tcb_credit(tcb, tcb->rcv.space))
        return WEIR_NO_MEMORY;
    tcp_cc_start(tcb);
    tcb->due = TCP_DUE_SYN;
    tcb_born(tcb, WEIR_SYN_SENT, WEIR_CAUSE_OPEN, now);
    tcp_trace(tcb)->count.active_opens++;
    tcp_settle(tcb, now);
    return WEIR_OK;
}

void tcb_flight_drop(struct tcb *tcb)
{
    struct tcb_flight *flight = tcb_flight(tcb);
    if (flight == NULL)
        return;
    ranges_clear(&flight->ranges, tcb->host->rings);
    sent_clear(&flight->map, &tcb->host->sent);
    rtx_log_clear(&flight->log, &tcb->host->sent);
    push_clear(&flight->push, &tcb->host->sent);
    pool_give(tcb->host->flights, tcb->flight);
    tcb->flight = POOL_NONE;
}

void tcp_free(struct tcb *tcb)
{
    tcp_cc_free(tcb);
    tcb_extra_drop(tcb);
    struct ring_pool *rings = tcb->host->rings;
    tcb_flight_drop(tcb);
    ring_clear(rings, &tcb->snd_ring);
    ring_clear(rings, &tcb->rcv_ring);
    const bool shrunk = ring_set_credit(rings, &tcb->rcv_ring, 0);
    WEIR_ASSERT(shrunk);
    tcb->snd.end = tcb->snd.una;
}

struct tcb_flight *tcb_flight(const struct tcb *tcb)
{
    return tcb->flight == POOL_NONE ? NULL : pool_at(tcb->host->flights, tcb->flight);
}

struct tcb_flight *tcb_flight_need(struct tcb *tcb)
{
    if (tcb->flight != POOL_NONE)
        return tcb_flight(tcb);
    tcb->flight = pool_take(tcb->host->flights);
    if (tcb->flight == POOL_NONE)
        return NULL;
    struct tcb_flight *flight = tcb_flight(tcb);
    ranges_init(&flight->ranges, tcb->host->rings, tcb->host->config->ranges_max);
    sent_init(&flight->map);
    push_init(&flight->push);
    sb_init(flight, tcb);
    rate_begin(flight, tcb);
    flight->recent_count = flight->unsaid = 0;
    flight->dsack_count = 0;
    memset(&flight->cc_memory, 0, sizeof flight->cc_memory);
    return flight;
}

/* Not kept for the next octets: cwnd, ssthresh and srtt live in the TCB, and taking a block costs
 * less than a timer (docs/adr/0003-flight-release.md). */
void tcb_flight_release(struct tcb *tcb)
{
    struct tcb_flight *flight = tcb_flight(tcb);
    if (flight == NULL || tcb->recovery != TCP_OPEN || sent_count(&flight->map) > 0 ||
        flight->ranges.count > 0 || flight->dsack_count > 0 || flight->push.count > 0 ||
        undo_waits(tcb))
        return;
    tcb_flight_drop(tcb);
}

/* Eff.snd.MSS of RFC 9293, 3.7.1, less the timestamps and signatures that every segment carries. */
void tcp_mss_update(struct tcb *tcb)
{
    const uint16_t path_mss = tcp_search_bound(tcb, tcb->path_mss);
    uint32_t mss = tcb->peer_mss < path_mss ? tcb->peer_mss : path_mss;
    if (tcb->maxseg != 0 && tcb->maxseg < mss)
        mss = tcb->maxseg;
    mss = mss > tcp_options_len(tcb) ? mss - tcp_options_len(tcb) : 0;
    /* What a frame's spans can cover, wherever in a chunk it begins. */
    const uint32_t spans_max = (uint32_t)(WEIR_SPANS - 1) << tcb->host->rings->chunk_shift;
    if (mss > spans_max)
        mss = spans_max;
    tcb->mss = (uint16_t)(mss < TCP_MSS_FLOOR ? TCP_MSS_FLOOR : mss);
}

weir_time tcp_deadline(const struct tcb *tcb)
{
    const weir_time all[] = { tcb->rtx_at, tcb->pace_at, tcb->delack_at, tcb->keep_at,
                              tcb->user_at };
    weir_time first = WEIR_NEVER;
    for (unsigned i = 0; i < sizeof all / sizeof all[0]; i++)
        if (all[i] < first)
            first = all[i];
    return first;
}

/* Readiness is derived from state, never from edges: this reads, and changes nothing. */
/* SO_RCVLOWAT, and Linux's tcp_stream_is_readable: a window with no room for another segment is
 * enough, for more will not come. */
static bool enough_to_read(const struct tcb *tcb)
{
    const uint32_t unread = tcp_readable(tcb);
    return unread > 0 && (unread >= tcb->rcv_lowat || !seq_gt(tcb->rcv.edge, tcb->rcv.nxt) ||
                          tcb->rcv.edge - tcb->rcv.nxt < tcb->rcv_mss);
}

unsigned tcp_ready(const struct tcb *tcb)
{
    unsigned ready = 0;
    if (tcb->state == WEIR_ESTABLISHED && tcb->error == WEIR_OK &&
        !(tcb->fin_queued | tcb->fin_rcvd | tcb->rcv_urg)) /* as it mostly is */
        return WEIR_CONNECTED | (enough_to_read(tcb) ? WEIR_READABLE : 0u) |
               (tcp_send_ready(tcb) ? WEIR_WRITABLE : 0u);
    const bool over = tcb->state == WEIR_CLOSED;
    const bool eof = tcb->fin_rcvd || over;
    if (enough_to_read(tcb) || eof || tcb->error != WEIR_OK)
        ready |= WEIR_READABLE;
    if (eof)
        ready |= WEIR_EOF;
    if (tcb->error != WEIR_OK)
        ready |= WEIR_ERROR;
    if (over || (tcb->fin_queued && tcb->fin_rcvd))
        ready |= WEIR_HANGUP;
    if (tcb->rcv_urg && seq_gt(tcb->rcv.up, tcb->rcv.read))
        ready |= WEIR_URGENT;
    if (tcb->state >= WEIR_ESTABLISHED && !over)
        ready |= WEIR_CONNECTED;
    const bool opening = tcb->state < WEIR_ESTABLISHED && !tcp_may_send(tcb);
    if (!opening && (tcp_send_error(tcb) != WEIR_OK || tcp_send_ready(tcb)))
        ready |= WEIR_WRITABLE;
    return ready;
}

bool tcp_is_over(const struct tcb *tcb)
{
    return tcb->state == WEIR_CLOSED && !tcb->rst_owed && !tcb->owned;
}

bool tcp_may_shrink(const struct tcb *tcb)
{
    if (tcb->owned || tcb->due != 0 || tcp_outstanding(tcb) > 0 || tcp_readable(tcb) > 0 ||
        tcb->flight != POOL_NONE || tcb->delack_at != WEIR_NEVER)
        return false;
    if (tcb->has_ao) /* the small form has no room for what its keys are made of */
        return false;
    if (tcb->linger2 < 0 && tcb->state == WEIR_FIN_WAIT_2) /* about to be reset */
        return false;
    return tcb->state == WEIR_TIME_WAIT || tcb->state == WEIR_FIN_WAIT_2;
}

seq32 tcp_reopen_floor(const struct tcb *tcb)
{
    return tcp_iss_floor(tcb->snd.nxt);
}

static void check_send(const struct tcb *tcb)
{
    WEIR_ASSERT(seq_leq(tcb->iss, tcb->snd.una) || tcb->snd.una - tcb->iss > UINT32_C(1) << 30);
    WEIR_ASSERT(seq_leq(tcb->snd.una, tcb->snd.nxt));
    WEIR_ASSERT(tcb->snd.nxt - tcb->snd.una <= (UINT32_C(1) << 30) + 1);
    if (tcb->state != WEIR_CLOSED)
        WEIR_ASSERT(seq_leq(tcb->snd.nxt, tcb->snd.end + (tcb->fin_queued ? 1u : 0u)));
    WEIR_ASSERT(tcb->cc.cwnd >= tcb->mss || tcb->cc.cwnd >= TCP_MSS_FLOOR);
    WEIR_ASSERT(tcb->cc.cwnd <= CC_WINDOW_MAX);
    ring_check(tcb->host->rings, &tcb->snd_ring);
    if (tcb->state == WEIR_TIME_WAIT)
        WEIR_ASSERT(tcb->snd_ring.attached == 0);
    sb_check(tcb);
    rack_check(tcb);
}

static void check_receive(const struct tcb *tcb)
{
    if (tcb->state < WEIR_SYN_RECEIVED || tcb->state == WEIR_CLOSED)
        return;
    const seq32 text_end = tcb->rcv.nxt - (tcb->fin_rcvd ? 1u : 0u);
    WEIR_ASSERT(seq_leq(tcb->rcv.read, text_end));
    WEIR_ASSERT(seq_leq(tcb->rcv.acked, tcb->rcv.nxt));
    WEIR_ASSERT(seq_leq(text_end, tcb->rcv.edge));
    WEIR_ASSERT(tcb->rcv.edge - tcb->rcv.read <=
                    tcb->rcv.space + tcp_window_slack(tcb, tcb->rcv.space) ||
                tcb->read_closed);
    ring_check(tcb->host->rings, &tcb->rcv_ring);
    const struct tcb_flight *flight = tcb_flight(tcb);
    if (flight == NULL)
        return;
    ranges_check(&flight->ranges, tcb->host->rings);
    if (flight->ranges.count > 0) {
        WEIR_ASSERT(seq_gt(ranges_at(&flight->ranges, tcb->host->rings, 0).start, tcb->rcv.nxt));
        const struct range last =
            ranges_at(&flight->ranges, tcb->host->rings, flight->ranges.count - 1u);
        WEIR_ASSERT(seq_leq(last.end, tcb->rcv.edge));
    }
}

/* INV 14: something outstanding <=> RTX runs; a closed window with octets waiting <=> PERSIST. INV
 * 24: every passing state has a timer. */
static void check_timers(const struct tcb *tcb)
{
    if (tcb->state == WEIR_CLOSED) {
        WEIR_ASSERT(tcp_deadline(tcb) == WEIR_NEVER);
        return;
    }
    const bool rtx = tcb->rtx_kind != TCP_RTX_NONE && tcb->rtx_kind != TCP_RTX_PERSIST &&
                     tcb->rtx_kind != TCP_RTX_UNDO;
    WEIR_ASSERT(tcb->rtx_kind != TCP_RTX_UNDO || tcb->flight != POOL_NONE);
    WEIR_ASSERT(rtx == (tcp_outstanding(tcb) > 0));
    WEIR_ASSERT((tcb->rtx_kind == TCP_RTX_NONE) == (tcb->rtx_at == WEIR_NEVER));
    WEIR_ASSERT((tcb->keep_kind == TCP_KEEP_NONE) == (tcb->keep_at == WEIR_NEVER));
    if (tcb->state == WEIR_TIME_WAIT)
        WEIR_ASSERT(tcb->keep_kind == TCP_KEEP_TIME_WAIT);
    if (tcb->state == WEIR_FIN_WAIT_2 && !tcb->owned)
        WEIR_ASSERT(tcb->keep_kind == TCP_KEEP_ORPHAN);
}

void tcb_check(const struct tcb *tcb)
{
    WEIR_ASSERT(tcb->state <= WEIR_CLOSED);
    check_send(tcb);
    check_receive(tcb);
    check_timers(tcb);
}
