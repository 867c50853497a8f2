/* SPDX-License-Identifier: MIT */
/* Segment arrives, in the synchronized states and SYN-RECEIVED: RFC 9293, 3.10.7.4, with RFC 5961,
 * 7323, 1337 and 6191 where they put their checks. A step of the RFC is a function; their order is
 * that of the lines of `walk`. Nothing is sent here: the steps note what is due. */
#include "tcp/fastopen.h"
#include "tcp/tally.h"
#include "tcp/tcp.h"

struct arriving {
    struct tcp_seg seg; /* steps cut off what lies outside the window */
    struct tcp_arrival arrival;
    bool cut;           /* octets lay beyond the window */
    bool closed_window; /* it carried octets, and the window had no room for any */
};

/* RFC 6191, and RFC 9293 MAY-2: in TIME-WAIT a SYN that cannot be an old duplicate opens a new
 * incarnation: its timestamp is newer, or, without timestamps, its sequence number lies beyond
 * everything received. */
static bool may_reopen(const struct tcb *tcb, const struct tcp_seg *seg,
                       const struct tcp_opts *opts)
{
    if (tcb->state != WEIR_TIME_WAIT || !tcb->reopen || !(seg->flags & TCP_SYN) ||
        (seg->flags & (TCP_RST | TCP_ACK | TCP_FIN)))
        return false;
    if (tcb->ts_ok && (opts->present & TCP_OPT_TS))
        return seq_gt(opts->tsval, tcb->ts_recent) || seq_gt(seg->seq, tcb->rcv.nxt);
    return seq_gt(seg->seq, tcb->rcv.nxt);
}

static enum weir_drop step0_reopen(struct tcb *tcb, struct arriving *in)
{
    if (!may_reopen(tcb, &in->seg, in->arrival.opts))
        return WEIR_DROP_NONE;
    tcp_event(tcb, TCP_EV_REOPEN, WEIR_CAUSE_REOPEN, in->arrival.now);
    return WEIR_DROP_REOPEN;
}

/* Simultaneous open: the peer's SYN-ACK begins with the SYN we already have, but its ACK is news
 * (RFC 9293, 3.5, figure 8). The SYN is cut off, and as by Linux the peer is told that it came
 * twice, and so that its own open is through. */
WEIR_COLD static void cut_crossed_syn(struct tcb *tcb, struct tcp_seg *seg)
{
    if (!(seg->flags & TCP_RST) && (seg->flags & TCP_SYN) && (seg->flags & TCP_ACK) &&
        seg->seq + 1 == tcb->rcv.nxt && tcp_fast_acks(tcb, seg->ack)) {
        tcp_owe_dsack(tcb, seg->seq, seg->seq + 1);
        tcp_owe_ack(tcb, WEIR_WHY_ACK_DUP);
        seg->flags &= (uint16_t)~TCP_SYN;
        seg->seq++;
        seg->wnd =
            (uint16_t)(seg->wnd >>
                       tcb->snd_wscale); /* a SYN's window is not scaled, and step 5 scales it */
    }
}

/* What is not acceptable is answered with an ACK. Segments without octets are answered at most
 * twice a second, so that two ends that disagree cannot bounce ACKs for ever (T-26). */
WEIR_COLD static void answer_unacceptable(struct tcb *tcb, const struct tcp_seg *seg, weir_time now)
{
    if (seg->flags & TCP_RST)
        return;
    if (tcb->fast && tcb->passive && (seg->flags & TCP_SYN) && seg->seq == tcb->irs) {
        tcb->due |= TCP_DUE_SYN; /* our SYN-ACK got lost, and nothing was established yet */
        return;
    }
    if (tcp_seg_len(seg) == 0 || (seg->flags & TCP_SYN))
        tcp_owe_challenge(tcb, now);
    else
        tcp_owe_ack(tcb, WEIR_WHY_ACK_DUP);
}

/* RFC 2883: octets that we have came again, or a FIN. */
WEIR_COLD static void tell_of_copy(struct tcb *tcb, const struct tcp_seg *seg)
{
    if (!(seg->flags & TCP_SYN))
        tcp_owe_dsack(tcb, seg->seq, seq_min(seg->seq + tcp_seg_len(seg), tcb->rcv.nxt));
}

static bool ts_recent_is_old(const struct tcb *tcb, weir_time now)
{
    return (uint16_t)(tcp_age(tcb->host, now) - tcb->ts_recent_age) > TCP_PAWS_AGE;
}

/* RFC 7323, 5.3 R1: an old timestamp is an old segment; of two 2^31 apart neither is (seq_leq, not
 * seq_geq). A reset is judged by its sequence number alone. What was late while its copy was not
 * has an old timestamp: the peer is told, as by Linux, or would not learn that nothing was lost. */
static enum weir_drop step1a_paws(struct tcb *tcb, struct arriving *in)
{
    const struct tcp_opts *opts = in->arrival.opts;
    if (!tcb->ts_ok || !(opts->present & TCP_OPT_TS) || (in->seg.flags & TCP_RST))
        return WEIR_DROP_NONE;
    if (seq_leq(tcb->ts_recent, opts->tsval) || ts_recent_is_old(tcb, in->arrival.now))
        return WEIR_DROP_NONE;
    tell_of_copy(tcb, &in->seg);
    answer_unacceptable(tcb, &in->seg, in->arrival.now);
    return WEIR_DROP_PAWS;
}

/* The four cases of RFC 9293, 3.4, table 6. The third test of the last case is ours: the RFC's two
 * miss a segment that begins before the window and ends after it.
 *
 * DEVIATION: a segment that carries nothing, a reset aside, may stand at the right edge, as for
 * Linux. A peer that has filled the window has nowhere else to put its ACKs while its first segment
 * is lost; not to believe them would make our own timer fire. */
static bool acceptable(const struct tcb *tcb, const struct tcp_seg *seg)
{
    const uint32_t len = tcp_seg_len(seg);
    const seq32 nxt = tcb->rcv.nxt;
    const uint32_t wnd = seq_gt(tcb->rcv.edge, nxt) ? tcb->rcv.edge - nxt : 0;
    if (len == 0 && wnd == 0)
        return seg->seq == nxt;
    if (len == 0)
        return seq_in(seg->seq, nxt, wnd) || (seg->seq == nxt + wnd && !(seg->flags & TCP_RST));
    if (wnd == 0)
        return false;
    return seq_in(seg->seq, nxt, wnd) || seq_in(seg->seq + len - 1, nxt, wnd) ||
           seq_in(nxt, seg->seq, len);
}

/* Cuts off what has been received before. */
WEIR_COLD static void trim_left(struct tcb *tcb, struct tcp_seg *seg)
{
    uint32_t cut = tcb->rcv.nxt - seg->seq;
    const seq32 seen = seg->seq;
    if (seg->flags & TCP_SYN) {
        seg->flags &= (uint16_t)~TCP_SYN;
        seg->seq++;
        cut--;
    }
    if (cut > seg->len)
        cut = seg->len;
    tcp_owe_dsack(tcb, seen, seg->seq + cut);
    seg->seq += cut;
    seg->text += cut;
    seg->len -= cut;
}

/* Cuts off what lies beyond the window, the FIN first. At a closed window that is everything, and
 * the ACK is still believed (RFC 9293, 3.10.7.4: "special allowance should be made to accept valid
 * ACKs"). */
static bool trim_right(const struct tcb *tcb, struct tcp_seg *seg)
{
    const uint32_t room = seq_gt(tcb->rcv.edge, seg->seq) ? tcb->rcv.edge - seg->seq : 0;
    if (seg->len >= room && (seg->flags & TCP_FIN)) {
        /* A FIN that stands exactly at the edge takes no memory: it is taken. */
        if (seg->len > room)
            seg->flags &= (uint16_t)~TCP_FIN;
    }
    if (seg->len <= room)
        return false;
    seg->len = room;
    return true;
}

/* First, check the sequence number. */
static enum weir_drop step1_sequence(struct tcb *tcb, struct arriving *in)
{
    struct tcp_seg *seg = &in->seg;
    if (!tcp_syn_acked(tcb))
        cut_crossed_syn(tcb, seg);
    const bool at_closed_window = tcb->rcv.edge == tcb->rcv.nxt && seg->seq == tcb->rcv.nxt;
    if (!acceptable(tcb, seg) && !(at_closed_window && !(seg->flags & TCP_RST))) {
        if (seg->flags & TCP_RST)
            return WEIR_DROP_RST_WINDOW;
        const bool old = seq_leq(seg->seq + tcp_seg_len(seg), tcb->rcv.nxt);
        if (old)
            tell_of_copy(tcb, seg);
        answer_unacceptable(tcb, seg, in->arrival.now);
        /* TIME-WAIT: "the only thing that can arrive is a retransmission of the remote FIN:
         * acknowledge it, and restart the 2 MSL timeout". */
        if (old && tcb->state == WEIR_TIME_WAIT && (seg->flags & TCP_FIN))
            tcp_time_wait_restart(tcb, in->arrival.now);
        if (seg->flags & TCP_SYN)
            return WEIR_DROP_SYN_SYNCHRONISED;
        return old ? WEIR_DROP_SEQ_OLD : WEIR_DROP_SEQ_WINDOW;
    }
    /* The next steps want the number as it came, or drop it: nothing is owed for that. */
    if ((seg->flags & (TCP_RST | TCP_SYN)) || !(seg->flags & TCP_ACK))
        return WEIR_DROP_NONE;
    const bool fin = seg->flags & TCP_FIN;
    if (seq_lt(seg->seq, tcb->rcv.nxt))
        trim_left(tcb, seg);
    if (fin && tcb->fin_rcvd)
        seg->flags &= (uint16_t)~TCP_FIN; /* the FIN itself was cut off: RCV.NXT stands behind it */
    const bool text = seg->len > 0;
    in->cut = trim_right(tcb, seg);
    in->closed_window = text && seg->len == 0;
    return WEIR_DROP_NONE;
}

/* What a reset tells the program (RFC 9293, 3.10.7.4 second; checklist F29 for CLOSE-WAIT). */
WEIR_COLD static enum weir_error reset_error(const struct tcb *tcb)
{
    switch (tcb->state) {
    case WEIR_SYN_RECEIVED:
        if (!tcb->passive)
            return WEIR_REFUSED;
        return tcb->fast ? WEIR_RESET : WEIR_OK; /* the program may have it already */
    case WEIR_CLOSE_WAIT:
        return WEIR_PIPE;
    case WEIR_CLOSING:
    case WEIR_LAST_ACK:
    case WEIR_TIME_WAIT:
        return WEIR_OK;
    default:
        return WEIR_RESET;
    }
}

/* Second, check the RST bit (and RFC 5961, 3.2).
 *
 * Only a reset that hits RCV.NXT exactly is believed. One that is merely in the window may be a
 * blind guess, so it earns a challenge ACK: a peer that has really lost the connection answers that
 * with a reset that does hit. RFC 9293 MUST-66: at a closed window too. */
static enum weir_drop step2_rst(struct tcb *tcb, struct arriving *in)
{
    if (!(in->seg.flags & TCP_RST))
        return WEIR_DROP_NONE;
    if (in->seg.seq != tcb->rcv.nxt) {
        tcp_owe_challenge(tcb, in->arrival.now);
        return WEIR_DROP_RST_INEXACT;
    }
    if (tcb->state == WEIR_TIME_WAIT)
        return WEIR_DROP_RST_TIME_WAIT; /* RFC 1337 */
    struct weir_counters *count = &tcp_trace(tcb)->count;
    if (tcb->state == WEIR_SYN_RECEIVED)
        count->attempt_fails++;
    else if (tcp_is_established(tcb->state))
        count->estab_resets++;
    tcp_abort(tcb, WEIR_CAUSE_RESET, reset_error(tcb), in->arrival.now);
    return WEIR_DROP_RESET;
}

/* Fourth, check the SYN bit. (Third, security, is not supported: docs/conformance.md.) RFC
 * 5961, 4.2: whatever its number, a SYN on a connection is answered with a challenge ACK; a peer
 * that has rebooted answers that with a reset (half-open discovery, RFC 9293, 3.5.1). */
static enum weir_drop step4_syn(struct tcb *tcb, struct arriving *in)
{
    if (!(in->seg.flags & TCP_SYN))
        return WEIR_DROP_NONE;
    tcp_owe_challenge(tcb, in->arrival.now);
    return WEIR_DROP_SYN_SYNCHRONISED;
}

/* RFC 5961, 5.2: SND.UNA - MAX.SND.WND =< SEG.ACK =< SND.NXT. The lower bound never reaches below
 * our ISS (ghost ACKs, KP-6). */
static bool ack_acceptable(const struct tcb *tcb, seq32 ack)
{
    const uint32_t acked_ever = tcb->una_far ? UINT32_MAX : tcb->snd.una - tcb->iss;
    const uint32_t back = tcb->snd.wnd_max < acked_ever ? tcb->snd.wnd_max : acked_ever;
    return seq_leq(tcb->snd.una - back, ack) && seq_leq(ack, tcb->snd.nxt);
}

/* RFC 7323, 4.3 (2): only from a segment that begins at or before what we last acknowledged. */
static void update_ts_recent(struct tcb *tcb, const struct tcp_seg *seg,
                             const struct tcp_arrival *arrival)
{
    if (!tcb->ts_ok || !(arrival->opts->present & TCP_OPT_TS) || seq_gt(seg->seq, tcb->rcv.acked))
        return;
    if (seq_leq(tcb->ts_recent, arrival->opts->tsval) || ts_recent_is_old(tcb, arrival->now)) {
        tcb->ts_recent = arrival->opts->tsval;
        tcb->ts_recent_age = tcp_age(tcb->host, arrival->now);
    }
}

/* Fifth, check the ACK field. */
static enum weir_drop step5_ack(struct tcb *tcb, struct arriving *in)
{
    const struct tcp_seg *seg = &in->seg;
    if (!(seg->flags & TCP_ACK))
        return WEIR_DROP_NO_ACK;
    if (!tcp_syn_acked(tcb)) {
        if (!tcp_fast_acks(tcb, seg->ack))
            return WEIR_DROP_HANDSHAKE_ACK;
        update_ts_recent(tcb, seg, &in->arrival);
        tcp_syn_acked_now(tcb, seg, &in->arrival);
        if (tcb->fast && !tcb->passive)
            tcp_fast_acked(tcb, seg->ack, in->arrival.now);
    } else if (!ack_acceptable(tcb, seg->ack)) {
        tcp_owe_challenge(tcb, in->arrival.now);
        return WEIR_DROP_ACK_UNACCEPTABLE;
    } else {
        update_ts_recent(tcb, seg, &in->arrival);
    }
    tcb->rcvd_at = in->arrival.now;
    tcb->probes = 0;
    tcp_uto_arrives(tcb, in->arrival.opts);
    tcp_ack_arrives(tcb, seg, &in->arrival);
    return WEIR_DROP_NONE;
}

/* Sixth, check the URG bit. The pointer only ever moves forward, and only while octets are still
 * expected. */
static enum weir_drop step6_urg(struct tcb *tcb, struct arriving *in)
{
    const struct tcp_seg *seg = &in->seg;
    if (!(seg->flags & TCP_URG) || tcb->fin_rcvd || tcb->state > WEIR_FIN_WAIT_2)
        return WEIR_DROP_NONE;
    const seq32 up = seg->seq + seg->urg;
    if (!tcb->rcv_urg || seq_gt(up, tcb->rcv.up)) {
        tcb->rcv.up = up;
        tcb->rcv_urg = seq_gt(up, tcb->rcv.read);
    }
    return WEIR_DROP_NONE;
}

/* Seventh, process the segment text. */
static enum weir_drop step7_text(struct tcb *tcb, struct arriving *in)
{
    tcp_ecn_arrives(tcb, &in->seg);
    if (in->cut)
        tcp_owe_ack(tcb, WEIR_WHY_ACK_DUP);
    if (in->closed_window)
        return WEIR_DROP_WINDOW_ZERO;
    if (in->seg.len == 0)
        return WEIR_DROP_NONE;
    tally_text(tcb, &in->seg, &in->arrival);
    return tcp_text_arrives(tcb, &in->seg, in->arrival.now);
}

/* Eighth, check the FIN bit. */
static enum weir_drop step8_fin(struct tcb *tcb, struct arriving *in)
{
    if (in->seg.flags & TCP_FIN || tcb->fin_known)
        tcp_fin_arrives(tcb, &in->seg, in->arrival.now);
    return WEIR_DROP_NONE;
}

static bool goes_on(const struct tcb *tcb, enum weir_drop verdict)
{
    return verdict == WEIR_DROP_NONE && tcb->state != WEIR_CLOSED;
}

/* The order of the steps, which is the RFC's. Each goes on where the one before did not drop the
 * segment or end the connection. */
static enum weir_drop walk(struct tcb *tcb, struct arriving *in)
{
    enum weir_drop verdict = step0_reopen(tcb, in);
    if (goes_on(tcb, verdict))
        verdict = step1a_paws(tcb, in);
    if (goes_on(tcb, verdict))
        verdict = step1_sequence(tcb, in);
    if (goes_on(tcb, verdict))
        verdict = step2_rst(tcb, in);
    if (goes_on(tcb, verdict))
        verdict = step4_syn(tcb, in);
    if (goes_on(tcb, verdict))
        verdict = step5_ack(tcb, in);
    if (goes_on(tcb, verdict))
        verdict = step6_urg(tcb, in);
    if (goes_on(tcb, verdict))
        verdict = step7_text(tcb, in);
    if (goes_on(tcb, verdict))
        verdict = step8_fin(tcb, in);
    return verdict;
}

enum weir_drop tcp_segment_arrives(struct tcb *tcb, const struct tcp_seg *seg,
                                   const struct tcp_opts *opts, weir_time when, weir_time now)
{
    const uint32_t segments =
        seg->gso_size == 0 ? 1 : (seg->len + seg->gso_size - 1) / seg->gso_size;
    tcb->segs_in += segments;
    tally_came(tcb, seg, segments);
    if (tcb->state == WEIR_CLOSED)
        return WEIR_DROP_CLOSED_STATE;
    enum weir_drop verdict;
    if (tcb->state == WEIR_SYN_SENT) {
        verdict = tcp_arrives_syn_sent(tcb, seg, opts, when, now);
    } else {
        struct arriving in = { .seg = *seg, .arrival = { .opts = opts, .when = when, .now = now } };
        in.arrival.text = tcp_seg_len(seg) > 0;
        verdict = walk(tcb, &in);
    }
    tcp_input_done(tcb, now);
    return verdict;
}
