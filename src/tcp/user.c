/* SPDX-License-Identifier: MIT */
/* User calls: SEND, RECEIVE, CLOSE, ABORT, STATUS and the options (RFC 9293, 3.10.1 to 3.10.6).
 * OPEN is in tcb.c. */
#include "tcp/fastopen.h"
#include "tcp/tally.h"
#include "tcp/tcp.h"

/* ---- SEND ---- */

enum weir_error tcp_send_error(const struct tcb *tcb)
{
    if (tcb->fin_queued)
        return WEIR_PIPE;
    switch (tcb->state) {
    case WEIR_SYN_SENT: /* queued until the handshake is through */
    case WEIR_SYN_RECEIVED:
    case WEIR_ESTABLISHED:
    case WEIR_CLOSE_WAIT:
        return WEIR_OK;
    default:
        return WEIR_PIPE;
    }
}

static uint32_t queued(const struct tcb *tcb)
{
    const seq32 first = tcp_syn_acked(tcb) ? tcb->snd.una : tcb->iss + 1;
    return seq_lt(first, tcb->snd.end) ? tcb->snd.end - first : 0;
}

/* Twice cwnd, so that what an ACK lets go is there when it comes; beside what the peer has beyond a
 * hole, for that may be windows long until the hole is filled. At least snd_min and at most
 * snd_max, unless the program has said how many. */
uint32_t tcp_send_buf(const struct tcb *tcb)
{
    const struct weir_config *config = tcb->host->config;
    if (tcb->snd.buf != 0)
        return tcb->snd.buf;
    const struct tcb_flight *flight = tcb_flight(tcb);
    const uint64_t grown = 2 * (uint64_t)tcb->cc.cwnd + (flight != NULL ? flight->sacked : 0);
    const uint64_t wanted = grown > config->snd_min ? grown : config->snd_min;
    return wanted < config->snd_max ? (uint32_t)wanted : config->snd_max;
}

/* TCP_NOTSENT_LOWAT: octets that may wait without having been sent; UINT32_MAX: any number. */
static uint32_t notsent_lowat(const struct tcb *tcb)
{
    return tcb->notsent_lowat != 0 ? tcb->notsent_lowat : tcb->host->config->notsent_lowat;
}

static uint32_t buffer_room(const struct tcb *tcb)
{
    const uint32_t have = queued(tcb), buf = tcp_send_buf(tcb);
    return have < buf ? buf - have : 0;
}

uint32_t tcp_send_room(const struct tcb *tcb)
{
    const uint32_t room = buffer_room(tcb), lowat = notsent_lowat(tcb);
    if (!push_possible(tcb))
        return 0;
    if (lowat == UINT32_MAX)
        return room;
    const uint32_t takes = push_room(tcb, lowat);
    return takes < room ? takes : room;
}

/* Whether a third of the buffer is free. What fills no half of the least one needs no more looking.
 */
static bool third_free(const struct tcb *tcb, uint32_t have)
{
    const struct weir_config *config = tcb->host->config;
    if (tcb->snd.buf == 0 && have <= config->snd_min / 2 && have <= config->snd_max / 2)
        return true;
    const uint32_t buf = tcp_send_buf(tcb);
    return (have < buf ? buf - have : 0) >= buf / 3;
}

/* A third of the buffer, and of what may wait unsent half: else each segment that leaves would wake
 * the program (as Linux). */
bool tcp_send_ready(const struct tcb *tcb)
{
    const uint32_t lowat = notsent_lowat(tcb), have = queued(tcb);
    if ((have > 0 && !third_free(tcb, have)) || !push_possible(tcb))
        return false;
    return lowat == UINT32_MAX || (tcp_may_send(tcb) ? tcp_unsent(tcb) : have) < (lowat + 1) / 2;
}

/* How many more octets this connection's queue may take memory for now.
 *
 * Sending needs no credit, so it must not eat what new connections need theirs from: an eighth of
 * the pool is never used for it, and no connection takes more than a quarter of the rest, and eight
 * chunks. An empty queue may always have one chunk, if there is any: else nobody would ever move.
 */
static uint32_t send_budget(const struct tcb *tcb)
{
    const struct ring_pool *rings = tcb->host->rings;
    const uint32_t chunk = UINT32_C(1) << rings->chunk_shift;
    const uint32_t available = ring_pool_available(rings);
    const uint32_t reserve = rings->chunk_count / 8;
    uint32_t chunks = available > reserve ? (available - reserve) / 4 + 8 : 0;
    if (available > reserve && chunks > available - reserve)
        chunks = available - reserve;
    if (chunks == 0 && tcb->snd_ring.attached == 0)
        chunks = 1;
    const uint32_t open = tcb->snd_ring.attached > 0 ? chunk - (tcb->snd.end & (chunk - 1)) : 0;
    const uint32_t most = UINT32_MAX / chunk - 1;
    return (chunks < most ? chunks : most) * chunk + open % chunk;
}

bool tcp_send_possible(const struct tcb *tcb)
{
    const struct ring_pool *rings = tcb->host->rings;
    const struct ring *ring = &tcb->snd_ring;
    if (ring->attached > 0 && (tcb->snd.end & ((UINT32_C(1) << rings->chunk_shift) - 1)) != 0)
        return true; /* the chunk that is open has room */
    const uint32_t needed = ring->span == 2 && !ring->big ? 2 : 1; /* with its table */
    return send_budget(tcb) > 0 && ring_pool_available(rings) >= needed;
}

uint32_t tcp_send_view(struct tcb *tcb, uint32_t want, struct weir_span *span, unsigned *count)
{
    struct ring_pool *rings = tcb->host->rings;
    const uint32_t room = tcp_send_room(tcb);
    const uint32_t reach = ring_reach(rings) - queued(tcb);
    uint32_t len = want < room ? want : room;
    if (len > reach)
        len = reach;
    const uint32_t budget = send_budget(tcb);
    if (len > budget)
        len = budget;
    if (len > 0)
        len = ring_attach(rings, &tcb->snd_ring, tcb->snd.end, len);
    uint32_t covered = 0;
    *count =
        len == 0 ? 0 : ring_spans(rings, &tcb->snd_ring, tcb->snd.end, len, span, *count, &covered);
    return covered;
}

void tcp_send_unview(struct tcb *tcb)
{
    if (queued(tcb) == 0)
        ring_clear(tcb->host->rings, &tcb->snd_ring);
    else
        ring_drop_after(tcb->host->rings, &tcb->snd_ring, tcb->snd.end);
}

/* RFC 5681, 4.1: after a silence cwnd says nothing about the path any more. */
void tcp_restart_after_idle(struct tcb *tcb, weir_time now)
{
    if (tcp_outstanding(tcb) > 0 || now - tcb->sent_at <= tcb->rto)
        return;
    tcp_cc_idle(tcb, now - tcb->sent_at);
}

void tcp_send_put(struct tcb *tcb, uint32_t len, unsigned flags, weir_time now)
{
    WEIR_ASSERT(tcp_send_error(tcb) == WEIR_OK);
    if (len > 0 && tcp_unsent(tcb) == 0)
        tcp_restart_after_idle(tcb, now);
    push_put(tcb, len, flags);
    tcb->snd.end += len;
    ring_drop_after(tcb->host->rings, &tcb->snd_ring, tcb->snd.end);
    if (queued(tcb) == 0)
        ring_clear(tcb->host->rings, &tcb->snd_ring);
    if ((flags & WEIR_URG) && len > 0) {
        tcb->snd_urg = true;
        tcb->snd.up = tcb->snd.end; /* the octet after the urgent ones: RFC 9293 MUST-62 */
    }
    tcb->due |= TCP_DUE_DATA;
    if (flags & WEIR_FIN)
        tcp_close(tcb, now);
    tcp_settle(tcb, now);
}

/* ---- RECEIVE ---- */

uint32_t tcp_readable(const struct tcb *tcb)
{
    return tcb->rcv.nxt - (tcb->fin_rcvd ? 1u : 0u) - tcb->rcv.read;
}

enum weir_error tcp_recv_view(const struct tcb *tcb, struct weir_span *span, unsigned *count)
{
    const uint32_t len = tcp_readable(tcb);
    if (len == 0) {
        *count = 0;
        return tcb->fin_rcvd || tcb->state == WEIR_CLOSED ? WEIR_OK : WEIR_AGAIN;
    }
    uint32_t covered;
    *count =
        ring_spans(tcb->host->rings, &tcb->rcv_ring, tcb->rcv.read, len, span, *count, &covered);
    return WEIR_OK;
}

void tcp_recv_took(struct tcb *tcb, uint32_t len, weir_time now)
{
    WEIR_ASSERT(len <= tcp_readable(tcb));
    struct ring_pool *rings = tcb->host->rings;
    const struct tcb_flight *flight = tcb_flight(tcb);
    tcb->rcv.read += len;
    if (tcp_readable(tcb) == 0 && (flight == NULL || flight->ranges.count == 0))
        ring_clear(rings, &tcb->rcv_ring);
    else
        ring_drop_before(rings, &tcb->rcv_ring, tcb->rcv.read);
    if (tcb->rcv_urg && seq_geq(tcb->rcv.read, tcb->rcv.up))
        tcb->rcv_urg = false;
    if (tcb->state == WEIR_CLOSED)
        return;
    tcp_window_tune(tcb, len, now);
    if (tcp_window_update_owed(tcb))
        tcp_owe_ack(tcb, WEIR_WHY_WINDOW_UPDATE); /* none of the timers has to do with reading */
}

/* ---- CLOSE ---- */

void tcb_let_go(struct tcb *tcb)
{
    struct ring_pool *rings = tcb->host->rings;
    tcb_flight_drop(tcb);
    ring_clear(rings, &tcb->snd_ring);
    if (tcp_readable(tcb) == 0)
        ring_clear(rings, &tcb->rcv_ring);
    else
        ring_drop_after(rings, &tcb->rcv_ring, tcb->rcv.nxt);
    const bool shrunk = ring_set_credit(rings, &tcb->rcv_ring, 0);
    WEIR_ASSERT(shrunk);
    tcb->recovery = TCP_OPEN;
    tcb->owed_why = WEIR_WHY_NONE;
    tcb->owed_dup = 0;
}

static void close_it(struct tcb *tcb, weir_time now)
{
    if (tcb->fin_queued)
        return;
    if (tcb->state == WEIR_SYN_SENT) {
        tcp_event(tcb, TCP_EV_CLOSE, WEIR_CAUSE_CLOSE, now);
        return;
    }
    tcb->fin_queued = true;
    tcb->due |= TCP_DUE_DATA;
    /* DEVIATION: RFC 9293, 3.10.4 and Linux send a FIN from SYN-RECEIVED at once if nothing is
     * queued. Here the state moves, and the FIN waits for the ACK of our SYN: the peer cannot use
     * it before it is established either, and until then only the SYN is in flight. */
    const bool waits = tcb->state == WEIR_SYN_RECEIVED && tcb->snd.end != tcb->iss + 1;
    tcp_event(tcb, waits ? TCP_EV_CLOSE_QUEUED : TCP_EV_CLOSE, WEIR_CAUSE_CLOSE, now);
}

void tcp_close(struct tcb *tcb, weir_time now)
{
    if (tcb->state == WEIR_CLOSED)
        return;
    close_it(tcb, now);
    tcp_settle(tcb, now);
}

void tcp_orphan(struct tcb *tcb, weir_time now)
{
    tcb->owned = false;
    tcb->error = WEIR_OK;
    if (tcb->state == WEIR_CLOSED)
        return;
    /* RFC 9293 SHLD-3, RFC 2525, 2.17: a FIN would claim that everything was read. */
    if (tcp_readable(tcb) > 0) {
        tcb->rcv.read = tcb->rcv.nxt - (tcb->fin_rcvd ? 1u : 0u);
        ring_clear(tcb->host->rings, &tcb->rcv_ring);
        /* In TIME-WAIT all is said: what remains to be done is to acknowledge the peer's FIN. */
        if (tcb->state != WEIR_TIME_WAIT) {
            tcp_abort(tcb, WEIR_CAUSE_UNREAD, WEIR_OK, now);
            return;
        }
    }
    tcb->read_closed = true;
    close_it(tcb, now);
    tcp_settle(tcb, now);
}

/* ---- ABORT ---- */

/* RFC 9293, 3.10.5: which states owe a reset; and which causes: a peer that is gone, or has reset
 * us itself, is told nothing. */
static bool owes_reset(const struct tcb *tcb, enum weir_cause cause)
{
    if (tcb->state < WEIR_SYN_RECEIVED || tcb->state > WEIR_CLOSE_WAIT)
        return (tcb->state == WEIR_LAST_ACK || tcb->state == WEIR_CLOSING) &&
               cause == WEIR_CAUSE_UNREAD;
    switch (cause) {
    case WEIR_CAUSE_RESET:
    case WEIR_CAUSE_TIMEOUT:
    case WEIR_CAUSE_USER_TIMEOUT:
    case WEIR_CAUSE_ICMP:
        return false;
    default:
        return true;
    }
}

void tcp_abort(struct tcb *tcb, enum weir_cause cause, enum weir_error error, weir_time now)
{
    if (tcb->state == WEIR_CLOSED)
        return;
    tcb->rst_owed = owes_reset(tcb, cause);
    tcp_event(tcb, TCP_EV_ABORT, cause, now);
    if (tcb->owned && error != WEIR_OK) {
        tcb->error = (uint8_t)error;
        trace_story(tcp_trace(tcb), &(struct weir_record){ .when = now,
                                                           .type = WEIR_REC_ERROR,
                                                           .conn = tcb->index,
                                                           .code = (uint16_t)error,
                                                           .seq = tcb->snd.una,
                                                           .ack = tcb->rcv.nxt });
    }
    tcp_settle(tcb, now);
}

/* ---- ICMP ---- */

/* RFC 5927, 4.1: the quoted number must be in flight. */
bool tcp_icmp_plausible(const struct tcb *tcb, seq32 quoted)
{
    return tcb->state != WEIR_CLOSED && seq_in(quoted, tcb->snd.una, tcp_outstanding(tcb));
}

/* Linux ends SYN-SENT at once, whatever the code (F27); afterwards all errors are soft (RFC 5461,
 * RFC 5927, 5.2). */
enum weir_drop tcp_icmp_error(struct tcb *tcb, enum weir_error error, seq32 quoted, weir_time now)
{
    if (!tcp_icmp_plausible(tcb, quoted))
        return WEIR_DROP_ICMP_OUT_OF_WINDOW;
    if (tcp_syn_acked(tcb)) {
        tcb->soft_error = (uint8_t)error;
        return WEIR_DROP_NONE;
    }
    tcp_trace(tcb)->count.attempt_fails++;
    tcp_abort(tcb, WEIR_CAUSE_ICMP, error, now);
    return WEIR_DROP_NONE;
}

void tcp_no_way(struct tcb *tcb, enum weir_error error)
{
    if (tcb->state != WEIR_CLOSED && tcp_outstanding(tcb) > 0)
        tcb->soft_error = (uint8_t)error;
}

/* RFC 1191, 6.3: no congestion, so no smaller window, no back-off: what is too long goes again at
 * once, cut to the new size. */
void tcp_path_changed(struct tcb *tcb, uint16_t path_mss, weir_time now)
{
    if (tcb->state == WEIR_CLOSED || path_mss == tcb->path_mss)
        return;
    const bool smaller = path_mss < tcb->path_mss;
    tcb->path_mss = path_mss;
    if (smaller)
        tcp_search_narrow(tcb, path_mss);
    tcp_mss_update(tcb);
    if (tcb->cc.cwnd < tcb->mss)
        tcb->cc.cwnd = tcb->mss;
    if (smaller && tcb->state == WEIR_SYN_SENT && tcp_fast_text(tcb) > 0) {
        tcb->syn_rtx = true; /* as when it is lost: the next is without */
        tcb->due |= TCP_DUE_SYN;
    } else if (smaller) {
        sb_too_long_lost(tcb, tcb->mss);
        tcb->due |= TCP_DUE_RTX | TCP_DUE_DATA;
    }
    tcp_settle(tcb, now);
}

/* ---- STATUS ---- */

static void status_time(const struct tcb *tcb, struct weir_status *status)
{
    static const uint8_t keep[] = { WEIR_TIMER_NONE, WEIR_TIMER_KEEPALIVE, WEIR_TIMER_ORPHAN,
                                    WEIR_TIMER_TIME_WAIT };
    status->since = tcb->since;
    status->srtt = tcb->srtt;
    status->rttvar = tcb->rttvar;
    status->rto = tcp_rto_backed_off(tcb);
    status->rtt_min = tcb->rtt_min_us == UINT32_MAX ? WEIR_NEVER : tcp_rtt_min(tcb);
    status->reo_wnd = rack_reo_wnd(tcb);
    status->reordering = tcb->reo_seen;
    status->undo_count = tcb->undo_count;
    status->tlp_count = tcb->tlp_count;
    status->dsack_count = tcb->dsack_count;
    const bool nothing = tcb->rtx_kind == TCP_RTX_NONE || tcb->rtx_kind == TCP_RTX_UNDO;
    status->rtx_at = nothing ? WEIR_NEVER : tcb->rtx_at;
    status->delack_at = tcb->delack_at;
    status->keepalive_at = tcb->keep_at;
    status->user_at = tcb->user_at;
    status->sent_at = tcb->sent_at;
    status->rcvd_at = tcb->rcvd_at;
    status->backoff = tcb->backoff;
    status->keepalive_probes = tcb->probes;
    static const uint8_t rtx[] = { WEIR_TIMER_NONE, WEIR_TIMER_RTX, WEIR_TIMER_PERSIST,
                                   WEIR_TIMER_TLP, WEIR_TIMER_REORDER };
    status->timer = nothing ? keep[tcb->keep_kind] : rtx[tcb->rtx_kind];
}

static void status_counts(const struct tcb *tcb, struct weir_status *status)
{
    status->octets_out = tcb->octets_out;
    status->octets_in = tcb->octets_in;
    status->octets_rtx = tcb->octets_rtx;
    status->octets_acked =
        tcp_syn_acked(tcb)
            ? tcb->octets_out -
                  (tcp_outstanding(tcb) - (tcp_fin_sent(tcb) && tcp_outstanding(tcb) > 0 ? 1u : 0u))
            : 0;
    status->segs_out = tcb->segs_out;
    status->segs_in = tcb->segs_in;
    status->segs_rtx = tcb->segs_rtx;
    status->dupacks = tcb->dupacks_in;
    status->rto_count = tcb->rto_count;
    status->recovery_count = tcb->recovery_count;
}

void tcp_status(const struct tcb *tcb, struct weir_status *status)
{
    const struct tcb_flight *flight = tcb_flight(tcb);
    status->state = tcb->state;
    status->passive = tcb->passive;
    status->waits_for = tcb->waits_for;
    status->cause = tcb->cause;
    status->error = tcb->error;
    status->soft_error = tcb->soft_error;
    status->iss = tcb->iss;
    status->irs = tcb->irs;
    status->snd_una = tcb->snd.una;
    status->snd_nxt = status->snd_max = tcb->snd.nxt;
    status->snd_wnd = tcb->snd.wnd;
    status->snd_wl1 = tcb->snd.wl1;
    status->snd_wl2 = tcb->snd.wl2;
    status->rcv_nxt = tcb->rcv.nxt;
    status->rcv_wnd = seq_gt(tcb->rcv.edge, tcb->rcv.nxt) ? tcb->rcv.edge - tcb->rcv.nxt : 0;
    status->cwnd = tcb->cc.cwnd;
    status->ssthresh = tcb->cc.ssthresh;
    status->in_flight = sb_pipe(tcb);
    status->congestion = tcb->cc_which;
    status->ecn = tcb->ecn & TCP_ECN_ASKED ? 0 : tcb->ecn & (TCP_ECN_CLASSIC | TCP_ECN_ACC);
    status->ce_in = tcb->ce_in;
    status->ece_in = tcb->ece_in;
    status->paced = tcp_paced(tcb);
    status->pacing_max = tcb->pacing_max;
    if (tcb->state != WEIR_CLOSED && (tcb->srtt > 0 || status->paced))
        status->pacing_rate = tcp_pacing_rate(tcb);
    status->unsent = tcp_unsent(tcb);
    status->unacked = tcp_outstanding(tcb);
    status->unread = tcp_readable(tcb);
    if (flight != NULL) {
        status->sacked = flight->sacked;
        status->lost = flight->lost;
        status->app_limited = flight->app_limited != 0;
        status->delivery_rate = flight->rate.rate;
        status->out_of_order = ranges_total(&flight->ranges, tcb->host->rings);
    }
    status->mss = tcb->mss;
    status->rcv_mss = tcb->rcv_mss;
    status->peer_mss = tcb->peer_mss;
    status->snd_wscale = tcb->snd_wscale;
    status->rcv_wscale = tcb->rcv_wscale;
    status->timestamps = tcb->ts_ok;
    status->sack = tcb->sack_ok;
    status->syn_text = tcb->syn_text;
    status_time(tcb, status);
    status_counts(tcb, status);
    tally_status(tcb, status);
}
