/* SPDX-License-Identifier: MIT */
/* The five deadlines. Which of them run follows from the rest of the TCB (tcp_settle); what they do
 * when they fire is below. */
#include "tcp/tally.h"
#include "tcp/tcp.h"

/* What is told of a retransmission comes within a round trip of what is acknowledged; a timeout
 * covers that, and this the rest: delayed acknowledgements, and a path that is just getting slower.
 */
#define UNDO_WAIT WEIR_SECOND

/* ---- Which timers run ---- */

void tcp_rtx_restart(struct tcb *tcb, weir_time now)
{
    if (tcb->rtx_kind == TCP_RTX_PERSIST)
        tcb->backoff = tcb->retries = 0; /* they counted probes */
    tcb->rtx_kind = TCP_RTX_RTX;
    tcb->rtx_at = now + tcp_rto_backed_off(tcb);
    struct tcb_flight *flight = tcb_flight(tcb);
    if (flight != NULL)
        flight->rto_at = tcb->rtx_at;
}

/* One clock for three: what comes first of the timeout, the probe and the next judgement of what
 * may be lost. A probe that is due with the timeout goes before it (RFC 8985, 7.2). */
static void choose_rtx(struct tcb *tcb)
{
    const struct tcb_flight *flight = tcb_flight(tcb);
    if (flight == NULL || flight->rto_at == WEIR_NEVER || !tcp_syn_acked(tcb))
        return;
    tcb->rtx_kind = TCP_RTX_RTX;
    tcb->rtx_at = flight->rto_at;
    if (flight->pto_at <= tcb->rtx_at) {
        tcb->rtx_kind = TCP_RTX_TLP;
        tcb->rtx_at = flight->pto_at;
    }
    if (flight->rack.due_at < tcb->rtx_at) {
        tcb->rtx_kind = TCP_RTX_REORDER;
        tcb->rtx_at = flight->rack.due_at;
    }
}

static void settle_rtx(struct tcb *tcb, weir_time now)
{
    if (tcp_outstanding(tcb) > 0) {
        if (tcb->rtx_kind == TCP_RTX_PERSIST || tcb->rtx_kind == TCP_RTX_NONE ||
            tcb->rtx_kind == TCP_RTX_UNDO)
            tcp_rtx_restart(tcb, now);
        choose_rtx(tcb);
        return;
    }
    struct tcb_flight *flight = tcb_flight(tcb);
    if (flight != NULL)
        flight->rto_at = flight->pto_at = flight->rack.due_at = WEIR_NEVER;
    if (tcp_new_waits(tcb) && tcp_needs_persist(tcb)) {
        if (tcb->rtx_kind != TCP_RTX_PERSIST) {
            tcb->backoff = tcb->retries = 0;
            tcb->rtx_kind = TCP_RTX_PERSIST;
            tcb->rtx_at = now + tcp_rto_backed_off(tcb);
        }
        return;
    }
    if (undo_waits(tcb)) {
        if (tcb->rtx_kind != TCP_RTX_UNDO) {
            tcb->rtx_kind = TCP_RTX_UNDO;
            tcb->rtx_at = now + UNDO_WAIT + tcp_rto_backed_off(tcb);
        }
        return;
    }
    tcb->rtx_kind = TCP_RTX_NONE;
    tcb->rtx_at = WEIR_NEVER;
}

static weir_time keepalive_idle(const struct tcb *tcb)
{
    return tcb->keep_idle_s != 0 ? tcb->keep_idle_s * WEIR_SECOND
                                 : tcb->host->config->keepalive_idle;
}

static weir_time keepalive_interval(const struct tcb *tcb)
{
    return tcb->keep_intvl_s != 0 ? tcb->keep_intvl_s * WEIR_SECOND
                                  : tcb->host->config->keepalive_interval;
}

/* Keepalive runs on a quiet connection only: nothing outstanding, nothing waiting (RFC 9293
 * MUST-26). */
static bool keepalive_wanted(const struct tcb *tcb)
{
    if (!tcb->keepalive || (tcb->rtx_kind != TCP_RTX_NONE && tcb->rtx_kind != TCP_RTX_UNDO))
        return false;
    return tcb->state >= WEIR_ESTABLISHED && tcb->state <= WEIR_CLOSE_WAIT &&
           tcb->state != WEIR_FIN_WAIT_1;
}

static void keep_set(struct tcb *tcb, enum tcp_keep_kind kind, weir_time at)
{
    tcb->keep_kind = kind & 0x3u;
    tcb->keep_at = kind == TCP_KEEP_NONE ? WEIR_NEVER : at;
}

/* How long FIN-WAIT-2 lasts that nobody owns. */
static weir_time orphan_time(const struct tcb *tcb)
{
    if (tcb->linger2 < 0)
        return 0;
    return tcb->linger2 > 0 ? tcb->linger2 * WEIR_SECOND : tcb->host->config->fin_timeout;
}

static void settle_keep(struct tcb *tcb, weir_time now)
{
    const struct weir_config *config = tcb->host->config;
    if (tcb->state == WEIR_TIME_WAIT) {
        if (tcb->keep_kind != TCP_KEEP_TIME_WAIT)
            keep_set(tcb, TCP_KEEP_TIME_WAIT, now + config->time_wait);
    } else if (tcb->state == WEIR_FIN_WAIT_2 && !tcb->owned) {
        if (tcb->keep_kind != TCP_KEEP_ORPHAN)
            keep_set(tcb, TCP_KEEP_ORPHAN, now + orphan_time(tcb));
    } else if (keepalive_wanted(tcb)) {
        const weir_time quiet = tcb->rcvd_at > tcb->sent_at ? tcb->rcvd_at : tcb->sent_at;
        if (tcb->probes == 0)
            keep_set(tcb, TCP_KEEP_ALIVE, quiet + keepalive_idle(tcb));
        else if (tcb->keep_kind != TCP_KEEP_ALIVE)
            keep_set(tcb, TCP_KEEP_ALIVE, now + keepalive_interval(tcb));
    } else {
        keep_set(tcb, TCP_KEEP_NONE, WEIR_NEVER);
        if (tcb->state >= WEIR_ESTABLISHED)
            tcb->probes = 0;
    }
}

weir_time tcp_user_limit(const struct tcb *tcb)
{
    if (tcb->user_timeout_ms != 0) /* the program's own word: RFC 5482's CHANGEABLE is false */
        return tcb->user_timeout_ms * WEIR_MS;
    const weir_time agreed = tcp_uto_limit(tcb);
    return agreed != 0 ? agreed : tcb->host->config->user_timeout;
}

static void settle_user(struct tcb *tcb, weir_time now)
{
    const bool waits = tcb->rtx_kind != TCP_RTX_NONE && tcb->rtx_kind != TCP_RTX_UNDO;
    const weir_time limit = waits ? tcp_user_limit(tcb) : 0;
    if (limit == 0)
        tcb->user_at = WEIR_NEVER;
    else if (tcb->user_at == WEIR_NEVER)
        tcb->user_at = now + limit;
}

void tcp_settle(struct tcb *tcb, weir_time now)
{
    if (tcb->state == WEIR_CLOSED) {
        tcb_let_go(tcb);
        tcb->rtx_at = tcb->pace_at = tcb->delack_at = tcb->keep_at = tcb->user_at = WEIR_NEVER;
        tcb->rtx_kind = TCP_RTX_NONE;
        tcb->keep_kind = TCP_KEEP_NONE;
        tcb->due = tcb->rst_owed ? TCP_DUE_RST : 0;
        return;
    }
    if (tcp_outstanding(tcb) == 0) {
        if (!tcb->paced_hold)
            tcb->pace_at = WEIR_NEVER;
        tcb->defer_over = false;
    }
    settle_rtx(tcb, now);
    settle_keep(tcb, now);
    settle_user(tcb, now);
}

/* A quarter of a round trip brings an ACK if there are any; a program must not notice the wait. */
weir_time tcp_defer_time(const struct tcb *tcb)
{
    return tcb->srtt > 0 && tcb->srtt / 4 < TCP_DEFER_MAX ? tcb->srtt / 4 : TCP_DEFER_MAX;
}

void tcp_time_wait_restart(struct tcb *tcb, weir_time now)
{
    keep_set(tcb, TCP_KEEP_TIME_WAIT, now + tcb->host->config->time_wait);
}

/* ---- What they do ---- */

static void fired(const struct tcb *tcb, enum weir_timer timer, weir_time now)
{
    trace_story(tcp_trace(tcb), &(struct weir_record){ .when = now,
                                                       .type = WEIR_REC_TIMER,
                                                       .conn = tcb->index,
                                                       .flags = tcb->state,
                                                       .code = (uint16_t)timer,
                                                       .seq = tcb->snd.una,
                                                       .ack = tcb->rcv.nxt,
                                                       .value = tcb->backoff });
}

/* RFC 1122, 4.2.3.5 and Linux: a soft error heard on the way says more than "no answer". */
static void time_out(struct tcb *tcb, weir_time now)
{
    tcp_abort(tcb, WEIR_CAUSE_TIMEOUT,
              tcb->soft_error != WEIR_OK ? tcb->soft_error : WEIR_TIMED_OUT, now);
}

static void syn_timeout(struct tcb *tcb, weir_time now)
{
    const struct weir_config *config = tcb->host->config;
    unsigned max = tcb->syn_retries != 0 ? tcb->syn_retries : config->syn_retries;
    if (tcb->state == WEIR_SYN_RECEIVED)
        max = config->synack_retries;
    /* RFC 9293 MUST-23 asks for three minutes; Linux counts the linear ones on top and gives up
     * after 133 s, and so do we (F42). */
    const unsigned linear =
        tcb->state == WEIR_SYN_SENT && tcb->syn_retries == 0 ? config->syn_linear : 0;
    if (tcb->probes >= max + linear) {
        tcp_trace(tcb)->count.attempt_fails++;
        time_out(tcb, now);
        return;
    }
    tally_timeout(tcb, tcb->probes == 0, now);
    tcb->probes++; /* SYNs sent again: keepalive cannot run yet */
    if (tcb->probes > linear && tcb->backoff < 31)
        tcb->backoff++;
    tcb->syn_rtx = true;
    tcb->due |= TCP_DUE_SYN;
    tcp_rtx_restart(tcb, now);
}

/* R2 of RFC 9293, 3.8.3. A peer that answers with a closed window is not dead, however long it
 * stays closed (MUST-37). */
static bool gives_up(const struct tcb *tcb, weir_time now)
{
    const struct weir_config *config = tcb->host->config;
    const unsigned max = tcb->owned ? config->retries_max : config->orphan_retries;
    if (tcb->retries < max)
        return false;
    if (tcp_user_limit(tcb) != 0) /* RFC 9293 MUST-21: the program's own R2 rules */
        return false;
    const bool answers = now - tcb->rcvd_at < 2 * tcp_rto_backed_off(tcb);
    if (tcb->owned)
        return !(tcb->snd.wnd == 0 && answers);
    return true; /* nobody waits for an orphan that cannot get rid of its octets (T-53) */
}

/* A stream with so little in flight that no duplicates can tell of a loss, and out of its first
 * slow start: its timeouts do not double for a while, if it asks for that (Linux,
 * TCP_THIN_LINEAR_TIMEOUTS). */
static bool thin(const struct tcb *tcb)
{
    return (tcb->thin_linear || tcb->host->config->thin_linear) && tcb->state == WEIR_ESTABLISHED &&
           tcb->cc.ssthresh != UINT32_MAX &&
           tcp_outstanding(tcb) < (uint32_t)TCP_THIN_SEGMENTS * tcb->mss &&
           tcb->retries <= TCP_THIN_RETRIES;
}

static void count_timeout(struct tcb *tcb)
{
    if (tcb->retries < UINT8_MAX)
        tcb->retries++;
    if (tcb->backoff < 31)
        tcb->backoff++;
}

static void rtx_timeout(struct tcb *tcb, weir_time now)
{
    if (tcb->rto_count < UINT16_MAX)
        tcb->rto_count++;
    tcp_trace(tcb)->count.rto_fired++;
    if (gives_up(tcb, now)) {
        time_out(tcb, now);
        return;
    }
    tally_timeout(tcb, tcb->retries == 0, now);
    count_timeout(tcb);
    tcp_black_hole(tcb, now);
    tcp_recovery_timeout(tcb, now);
    if (thin(tcb))
        tcb->backoff = 0;
    tcb->due |= TCP_DUE_RTX;
    tcp_rtx_restart(tcb, now);
}

static void reorder_timeout(struct tcb *tcb, weir_time now)
{
    fired(tcb, WEIR_TIMER_REORDER, now);
    tcp_recovery_reorder(tcb, now);
}

static void probe_timeout(struct tcb *tcb, weir_time now)
{
    fired(tcb, WEIR_TIMER_TLP, now);
    tlp_timeout(tcb, tcb_flight(tcb), now);
}

static void persist_timeout(struct tcb *tcb, weir_time now)
{
    if (gives_up(tcb, now)) {
        time_out(tcb, now);
        return;
    }
    count_timeout(tcb);
    tcb->due |= TCP_DUE_PROBE;
    tcb->rtx_at = now + tcp_rto_backed_off(tcb);
}

static void keepalive_timeout(struct tcb *tcb, weir_time now)
{
    const unsigned max = tcb->keep_cnt != 0 ? tcb->keep_cnt : tcb->host->config->keepalive_probes;
    const weir_time quiet = now - tcb->rcvd_at;
    const weir_time limit = tcp_user_limit(tcb);
    /* As Linux: a user timeout replaces the count. */
    if (limit != 0 ? tcb->probes > 0 && quiet >= limit : tcb->probes >= max) {
        tcp_abort(tcb, WEIR_CAUSE_KEEPALIVE, WEIR_TIMED_OUT, now);
        return;
    }
    tcb->probes++;
    tcb->due |= TCP_DUE_KEEPALIVE;
    tcb->keep_at = now + keepalive_interval(tcb);
}

static void keep_timeout(struct tcb *tcb, weir_time now)
{
    switch (tcb->keep_kind) {
    case TCP_KEEP_TIME_WAIT:
        fired(tcb, WEIR_TIMER_TIME_WAIT, now);
        tcp_event(tcb, TCP_EV_TIMEOUT_2MSL, WEIR_CAUSE_TIMEOUT_2MSL, now);
        break;
    case TCP_KEEP_ORPHAN:
        fired(tcb, WEIR_TIMER_ORPHAN, now);
        if (tcb->linger2 < 0) {
            tcp_abort(tcb, WEIR_CAUSE_TIMEOUT_ORPHAN, WEIR_OK, now);
            break;
        }
        tcp_event(tcb, TCP_EV_TIMEOUT_ORPHAN, WEIR_CAUSE_TIMEOUT_ORPHAN, now);
        break;
    default:
        fired(tcb, WEIR_TIMER_KEEPALIVE, now);
        keepalive_timeout(tcb, now);
        break;
    }
}

static void rtx_clock(struct tcb *tcb, weir_time now)
{
    switch (tcb->rtx_kind) {
    case TCP_RTX_REORDER:
        reorder_timeout(tcb, now);
        return;
    case TCP_RTX_TLP:
        probe_timeout(tcb, now);
        return;
    case TCP_RTX_UNDO:
        tcb_flight(tcb)->undo.armed = tcb_flight(tcb)->tlp.active = false;
        tcb_flight_release(tcb);
        return;
    case TCP_RTX_PERSIST:
        fired(tcb, WEIR_TIMER_PERSIST, now);
        persist_timeout(tcb, now);
        return;
    default:
        fired(tcb, WEIR_TIMER_RTX, now);
        if (tcp_syn_acked(tcb))
            rtx_timeout(tcb, now);
        else
            syn_timeout(tcb, now);
        return;
    }
}

void tcp_timeout(struct tcb *tcb, weir_time now)
{
    if (tcb->state != WEIR_CLOSED && tcb->user_at <= now) {
        fired(tcb, WEIR_TIMER_USER, now);
        tcp_abort(tcb, WEIR_CAUSE_USER_TIMEOUT, WEIR_TIMED_OUT, now);
    }
    if (tcb->state != WEIR_CLOSED && tcb->rtx_at <= now)
        rtx_clock(tcb, now);
    if (tcb->state != WEIR_CLOSED && tcb->keep_at <= now)
        keep_timeout(tcb, now);
    if (tcb->state != WEIR_CLOSED && tcb->pace_at <= now) {
        tcb->pace_at = WEIR_NEVER;
        tcb->defer_over = !tcb->paced_hold;
        tcb->due |= tcb->paced_hold ? TCP_DUE_DATA | TCP_DUE_RTX : TCP_DUE_DATA;
        tcb->paced_hold = false;
    }
    if (tcb->state != WEIR_CLOSED && tcb->delack_at <= now) {
        fired(tcb, WEIR_TIMER_DELACK, now);
        tcb->delack_at = WEIR_NEVER;
        tcp_owe_ack(tcb, WEIR_WHY_ACK_DELAYED);
    }
    tcp_settle(tcb, now);
}
