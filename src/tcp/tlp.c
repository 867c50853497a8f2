/* SPDX-License-Identifier: MIT */
/* Tail loss probes (RFC 8985, 7): when the last segments of a flight are lost nothing comes that
 * could tell. So before the timeout, which costs the congestion window, the last one goes again, or
 * better something new, and what comes back shows the hole. One probe a tail. */
#include "tcp/runs.h"
#include "tcp/tcp.h"

#define PTO_SLACK (2 * WEIR_MS) /* as Linux: ACKs are allowed a coarse clock */

/* RFC 8985, 7.2: nothing is known to be missing, no probe is out. */
static bool wanted(const struct tcb *tcb, const struct tcb_flight *flight)
{
    return tcb->sack_ok && tcb->host->config->early_retrans >= WEIR_EARLY_RETRANS_TLP &&
           tcb->recovery == TCP_OPEN && flight->sacked == 0 && flight->lost == 0 &&
           !flight->tlp.active && tcp_outstanding(tcb) > 0;
}

/* RFC 8985, 7.2, TLP_calc_PTO: two round trips, and the longest delay of an acknowledgement if
 * there is but one segment, which may be waiting for a second one. */
void tlp_schedule(struct tcb *tcb, struct tcb_flight *flight, weir_time now)
{
    flight->pto_at = WEIR_NEVER;
    if (!wanted(tcb, flight))
        return;
    weir_time pto = WEIR_SECOND;
    if (tcb->srtt > 0) {
        /* As Linux: not that of two short ones, for which a peer may wait all the same. */
        const struct sent *r = sent_at(&flight->map, &tcb->host->sent, 0);
        const uint64_t live = run_all(r) & ~run_bits(0, run_below(r, tcb->snd.una));
        const bool one = sent_count(&flight->map) == 1 && run_count(live) == 1;
        pto = 2 * tcb->srtt + (one ? TCP_DELACK_WORST : PTO_SLACK);
    }
    flight->pto_at = now + pto < flight->rto_at ? now + pto : flight->rto_at;
}

/* The PTO has fired. What leaves is output's word; in any case the timeout is armed anew, from here
 * on (RFC 8985, 7.3): the probe's answer shall come first. */
void tlp_timeout(struct tcb *tcb, struct tcb_flight *flight, weir_time now)
{
    flight->pto_at = WEIR_NEVER;
    flight->tlp.due = true;
    if (flight->rto_at < now + tcb->rto)
        flight->rto_at = now + tcb->rto;
    tcb->due |= TCP_DUE_RTX | TCP_DUE_DATA;
}

void tlp_sent(struct tcb *tcb, struct tcb_flight *flight, bool rtx)
{
    flight->tlp = (struct tlp){ .end = tcb->snd.nxt, .active = true, .rtx = rtx };
    flight->pto_at = WEIR_NEVER;
    if (tcb->tlp_count < UINT16_MAX)
        tcb->tlp_count++;
    tcp_trace(tcb)->count.tlp_probes++;
}

bool tlp_explains(const struct tcb_flight *flight, const struct sb_acked *acked)
{
    return flight->tlp.active && flight->tlp.rtx && acked->dsack &&
           acked->dsack_block.right == flight->tlp.end;
}

/* RFC 8985, 7.4.2. True if the probe was what repaired the tail: then there was a loss, and
 * congestion control is to hear of it. */
bool tlp_ack(const struct tcb *tcb, struct tcb_flight *flight, const struct sb_acked *acked,
             bool dup)
{
    struct tlp *tlp = &flight->tlp;
    if (!tlp->active || seq_lt(tcb->snd.una, tlp->end))
        return false;
    if (!tlp->rtx || tlp_explains(flight, acked)) {
        tlp->active = false; /* something new was the probe, or both copies have arrived */
        return false;
    }
    if (seq_gt(tcb->snd.una, tlp->end)) {
        tlp->active = false;
        return true;
    }
    if (dup && acked->octets == 0 && acked->sacked == 0)
        tlp->active = false; /* an ACK for each of the two */
    return false;
}
