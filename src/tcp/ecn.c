/* SPDX-License-Identifier: MIT */
/* Explicit congestion notification (RFC 9293 SHLD-8): RFC 3168 in both roles, the exact echo of
 * DCTCP (RFC 8257, 3.2), and the three-bit counter of accurate ECN (RFC 9768; its option is in
 * marks.c).
 *
 * ECT goes on new octets only: not on SYNs, pure ACKs, probes or what is sent again (RFC 3168,
 * 6.1.1, 6.1.4, 6.1.5). */
#include "tcp/ecn.h"

#include "tcp/congestion.h"
#include "tcp/extra.h"
#include "tcp/small.h"
#include "tcp/tcp.h"

#define ACE_FLAGS   (TCP_AE | TCP_CWR | TCP_ECE)
#define ACE_INITIAL 5 /* RFC 9768, 3.2.1 */
#define ACE_MASK    7u
#define ACE_SHIFT   6 /* of ECE in the flags */
#define ACE_CE_ACK  2 /* marks that are told at once (RFC 9768, 3.2.2.5.1) */

/* What Linux means by tcp_ecn: who asks for what, who takes what. */
enum ecn_mode {
    ECN_NEVER,
    ECN_ASK,
    ECN_TAKE,
    ECN_ACC_ASK,
    ECN_ACC_TAKE_ASK_CLASSIC,
    ECN_ACC_TAKE,
};

static bool wants_marks(const struct tcb *tcb)
{
    return tcp_cc(tcb)->traits & CC_MARKS;
}

static unsigned mode_of(const struct tcp_host *host)
{
    return host->config->ecn;
}

/* ---- The counter in the header ---- */

static unsigned ace_of(uint16_t flags)
{
    return (unsigned)(flags & ACE_FLAGS) >> ACE_SHIFT;
}

static uint16_t ace_flags(unsigned ace)
{
    return (uint16_t)((ace & ACE_MASK) << ACE_SHIFT);
}

/* RFC 9768, tables 3 and 4: how a handshake says with which codepoint its SYN or SYN-ACK came. */
static unsigned ace_handshake(unsigned ecn)
{
    static const uint8_t code[] = {
        [ECN_NOT_ECT] = 2, [ECN_ECT1] = 3, [ECN_ECT0] = 4, [ECN_CE] = 6
    };
    return code[ecn & 3];
}

/* ---- The handshake ---- */

uint16_t tcp_ecn_syn(const struct tcb *tcb)
{
    const unsigned mode = mode_of(tcb->host);
    if (mode == ECN_ACC_ASK)
        return ACE_FLAGS;
    if (mode == ECN_ASK || mode == ECN_ACC_TAKE_ASK_CLASSIC || wants_marks(tcb))
        return TCP_ECE | TCP_CWR;
    return 0;
}

uint8_t tcp_ecn_take_syn(const struct tcp_host *host, const struct tcp_seg *syn)
{
    const unsigned mode = mode_of(host);
    const bool marks = host->config->congestion == WEIR_CC_DCTCP;
    if ((mode == ECN_NEVER && !marks) || (syn->flags & (TCP_ECE | TCP_CWR)) != (TCP_ECE | TCP_CWR))
        return 0;
    if ((syn->flags & TCP_AE) && mode >= ECN_ACC_ASK && syn->ecn == ECN_NOT_ECT)
        return SYNQ_ACCECN;
    /* A SYN that is ECT itself is not RFC 3168's: something on the way plays with the bits. */
    if (syn->ecn != ECN_NOT_ECT && !(syn->flags & TCP_AE) && !marks)
        return 0;
    return SYNQ_ECN;
}

uint16_t tcp_ecn_syn_ack(uint8_t synq_flags)
{
    if (synq_flags & SYNQ_ACCECN)
        return ace_flags(ace_handshake(ECN_NOT_ECT));
    return synq_flags & SYNQ_ECN ? TCP_ECE : 0;
}

void tcp_ecn_promote(struct tcb *tcb, uint8_t synq_flags)
{
    if (synq_flags & SYNQ_ACCECN) {
        tcb->ecn = TCP_ECN_ACC | TCP_ECN_FIRST;
        tcb->ace = ACE_INITIAL << TCP_ACE_SEEN_SHIFT | ACE_INITIAL;
        tcp_marks_begin(tcb);
    } else if (synq_flags & SYNQ_ECN) {
        tcb->ecn = TCP_ECN_CLASSIC;
    }
}

void tcp_ecn_asked(struct tcb *tcb, uint16_t flags)
{
    tcb->ecn = 0;
    if (flags & TCP_ECE)
        tcb->ecn = flags & TCP_AE ? TCP_ECN_ASKED | TCP_ECN_ASKED_ACC : TCP_ECN_ASKED;
}

/* The SYN-ACK to our SYN: RFC 3168, 6.1.1; RFC 9768, table 2. */
void tcp_ecn_answered(struct tcb *tcb, const struct tcp_seg *seg, const struct tcp_opts *opts)
{
    const bool asked = tcb->ecn & TCP_ECN_ASKED;
    const bool accurate = tcb->ecn & TCP_ECN_ASKED_ACC;
    tcb->ecn = 0;
    if (!asked)
        return;
    const unsigned code = ace_of(seg->flags);
    if (code == 1 || (accurate && code == 5)) {
        tcb->ecn = TCP_ECN_CLASSIC;
    } else if (accurate && (code == 2 || code == 3 || code == 4 || code == 6)) {
        tcb->ecn = TCP_ECN_ACC | TCP_ECN_FIRST;
        const unsigned ce = seg->ecn == ECN_CE;
        tcb->ace = (uint8_t)(ACE_INITIAL << TCP_ACE_SEEN_SHIFT | (ACE_INITIAL + ce));
        tcb->ace |= (uint8_t)(seg->ecn << TCP_ACE_SYN_SHIFT);
        tcp_marks_begin(tcb);
        (void)tcp_marks_told(tcb, opts);
    }
}

/* ---- Receiving octets ---- */

static void count_ce(struct tcb *tcb, uint32_t packets)
{
    const uint32_t sum = tcb->ce_in + packets;
    tcb->ce_in = (uint16_t)(sum > UINT16_MAX ? UINT16_MAX : sum);
}

static uint32_t packets_of(const struct tcp_seg *seg)
{
    return seg->gso_size == 0 ? 1 : (seg->len + seg->gso_size - 1) / seg->gso_size;
}

/* RFC 8257, 3.2: the echo follows the marks. DEVIATION: when the state changes while an ACK is
 * being held back, the RFC sends that one first; here one ACK covers both and is marked, so that a
 * batch of frames never loses a mark. */
static void follow_marks(struct tcb *tcb, bool ce)
{
    if (ce != ((tcb->ecn & TCP_ECN_CE_LAST) != 0))
        tcp_owe_ack(tcb, WEIR_WHY_ACK);
    tcb->ecn &= (uint8_t)~TCP_ECN_CE_LAST;
    if (ce)
        tcb->ecn |= TCP_ECN_CE_LAST | TCP_ECN_ECHO;
    else if (tcb->rcv.acked == tcb->rcv.nxt) /* every mark was told */
        tcb->ecn &= (uint8_t)~TCP_ECN_ECHO;
}

static void accurate_arrives(struct tcb *tcb, const struct tcp_seg *seg)
{
    tcp_marks_arrive(tcb, seg);
    if (seg->ecn != ECN_CE)
        return;
    const uint32_t packets = packets_of(seg);
    const unsigned told = tcb->ace & ACE_MASK;
    tcb->ace = (uint8_t)((tcb->ace & ~ACE_MASK) | ((told + packets) & ACE_MASK));
    count_ce(tcb, packets);
    if (seg->len > 0 && (packets >= ACE_CE_ACK || tcb->rcv.acked != tcb->rcv.nxt))
        tcp_owe_ack(tcb, WEIR_WHY_ACK);
}

void tcp_ecn_arrives(struct tcb *tcb, const struct tcp_seg *seg)
{
    if (tcb->ecn & TCP_ECN_ACC) {
        accurate_arrives(tcb, seg);
        return;
    }
    if (!(tcb->ecn & TCP_ECN_CLASSIC) || seg->len == 0)
        return;
    const bool ce = seg->ecn == ECN_CE;
    if (ce)
        count_ce(tcb, packets_of(seg));
    if (wants_marks(tcb)) {
        follow_marks(tcb, ce);
        return;
    }
    /* RFC 3168, 6.1.3: the sender has heard; a mark on the same packet is news again. */
    if (seg->flags & TCP_CWR) {
        tcb->ecn &= (uint8_t)~TCP_ECN_ECHO;
        tcp_owe_ack(tcb, WEIR_WHY_ACK); /* as Linux: its window is small now */
    }
    if (ce) {
        if (!(tcb->ecn & TCP_ECN_ECHO))
            tcp_owe_ack(tcb, WEIR_WHY_ACK);
        tcb->ecn |= TCP_ECN_ECHO;
    }
}

/* ---- Being told ---- */

/* RFC 9768, 3.2.2.5.2: three bits count modulo eight. If more packets than that were acknowledged,
 * as many rounds are assumed as fit (Linux does the same). */
static uint32_t accurate_marks(struct tcb *tcb, const struct tcp_seg *seg, uint32_t acked)
{
    const unsigned ace = ace_of(seg->flags);
    if (tcb->ecn & TCP_ECN_FIRST) {
        if (tcb->passive) { /* the last ACK of the handshake has a code of its own */
            tcb->ecn &= (uint8_t)~TCP_ECN_FIRST;
            if (ace == 0) /* something clears the bits: feedback goes on, marks do not */
                tcb->ecn |= TCP_ECN_MUTE;
            return 0;
        }
    }
    const unsigned seen = tcb->ace >> TCP_ACE_SEEN_SHIFT & ACE_MASK;
    uint32_t news = (ace - seen) & ACE_MASK;
    tcb->ace =
        (uint8_t)((tcb->ace & ~(ACE_MASK << TCP_ACE_SEEN_SHIFT)) | ace << TCP_ACE_SEEN_SHIFT);
    const uint32_t packets = (acked + tcb->mss - 1) / tcb->mss;
    if (news > 0 && packets > ACE_MASK)
        news = packets - ((packets - news) & ACE_MASK);
    const uint64_t octets = (uint64_t)news * tcb->mss;
    return octets < acked ? (uint32_t)octets : acked;
}

static uint32_t marks_told(struct tcb *tcb, const struct tcp_seg *seg, uint32_t acked)
{
    if (tcb->ecn & TCP_ECN_ACC)
        return accurate_marks(tcb, seg, acked);
    if ((tcb->ecn & TCP_ECN_CLASSIC) && (seg->flags & TCP_ECE))
        return acked > 0 ? acked : 1;
    return 0;
}

void tcp_ecn_told(struct tcb *tcb, const struct tcp_seg *seg, const struct tcp_opts *opts,
                  uint32_t acked, weir_time now)
{
    if (tcb->ecn == 0)
        return;
    struct tcb_flight *flight = tcb_flight(tcb);
    uint32_t marked = marks_told(tcb, seg, acked);
    const int64_t said = tcb->extra != 0 ? tcp_marks_told(tcb, opts) : -1;
    if (said >= 0) /* the option knows better than three bits */
        marked = (uint32_t)said;
    else if (tcb->extra != 0)
        tcp_marks_assume(tcb, marked);
    if (flight == NULL)
        return;
    flight->marked = marked;
    if (flight->cwr && seq_geq(tcb->snd.una, flight->cwr_point))
        flight->cwr = false;
    if (marked == 0)
        return;
    if (tcb->ece_in < UINT16_MAX)
        tcb->ece_in++;
    /* Once a round trip, and not when a loss has just done the same. With nothing in flight there
     * is no round trip to count: the peer repeats itself until it has heard of our CWR. */
    const bool repeats = tcp_outstanding(tcb) == 0 && (tcb->ecn & TCP_ECN_CWR);
    if (flight->cwr || tcb->recovery != TCP_OPEN || repeats)
        return;
    flight->cwr = true;
    flight->cwr_point = tcb->snd.nxt;
    tcp_ecn_reduced(tcb);
    tcp_cc_marked(tcb, flight, now);
}

void tcp_ecn_reduced(struct tcb *tcb)
{
    if (tcb->ecn & TCP_ECN_CLASSIC)
        tcb->ecn |= TCP_ECN_CWR;
}

/* ---- Sending ---- */

void tcp_ecn_fill(const struct tcb *tcb, struct tcp_plan *plan)
{
    if (tcb->ecn & TCP_ECN_ACC) {
        const bool first = (tcb->ecn & TCP_ECN_FIRST) && !tcb->passive;
        plan->flags |=
            first ? ace_flags(ace_handshake(tcb->ace >> TCP_ACE_SYN_SHIFT)) : ace_flags(tcb->ace);
    } else if ((tcb->ecn & TCP_ECN_CLASSIC) && (tcb->ecn & TCP_ECN_ECHO)) {
        plan->flags |= TCP_ECE;
    }
}

void tcp_ecn_fill_new(const struct tcb *tcb, struct tcp_plan *plan)
{
    if (plan->len == 0 || !(tcb->ecn & (TCP_ECN_CLASSIC | TCP_ECN_ACC)) ||
        (tcb->ecn & TCP_ECN_MUTE))
        return;
    plan->ecn = ECN_ECT0;
    if ((tcb->ecn & TCP_ECN_CLASSIC) && (tcb->ecn & TCP_ECN_CWR))
        plan->flags |= TCP_CWR;
}

void tcp_ecn_left(struct tcb *tcb, const struct tcp_plan *plan)
{
    if (tcb->ecn == 0 || (plan->flags & TCP_SYN))
        return;
    if ((tcb->ecn & TCP_ECN_ACC) && !tcb->passive)
        tcb->ecn &= (uint8_t)~TCP_ECN_FIRST;
    if (plan->ecn != ECN_NOT_ECT && (plan->flags & TCP_CWR))
        tcb->ecn &= (uint8_t)~TCP_ECN_CWR;
    if (wants_marks(tcb) && !(tcb->ecn & TCP_ECN_CE_LAST))
        tcb->ecn &= (uint8_t)~TCP_ECN_ECHO;
}
