/* SPDX-License-Identifier: MIT */
/* How many octets may leave during recovery: Proportional Rate Reduction (RFC 9937). For each octet
 * that arrives, ssthresh / RecoverFS octets leave; below ssthresh no more than arrives (CRB), or a
 * segment more while all goes well (SSRB). */
#include "tcp/tcp.h"

void prr_begin(const struct tcb *tcb, struct tcb_flight *flight, const struct sb_acked *acked)
{
    /* What was sacked before will not be counted as delivered; what this ACK reports will be. */
    const uint32_t before = flight->sacked > acked->sacked ? flight->sacked - acked->sacked : 0;
    const uint32_t start = tcp_outstanding(tcb) + acked->octets;
    flight->prr = (struct prr){ .start = start > before ? start - before : 1 };
}

void prr_ack(struct tcb *tcb, struct tcb_flight *flight, uint32_t delivered, bool safe)
{
    struct prr *prr = &flight->prr;
    if (delivered == 0 || prr->start == 0)
        return;
    const uint32_t pipe = sb_pipe(tcb);
    const uint32_t ssthresh = tcb->cc.ssthresh;
    prr->delivered += delivered;
    uint32_t room;
    if (pipe > ssthresh) {
        const uint64_t due = ((uint64_t)prr->delivered * ssthresh + prr->start - 1) / prr->start;
        room = due > prr->out ? (uint32_t)(due - prr->out) : 0;
    } else {
        room = prr->delivered > prr->out ? prr->delivered - prr->out : 0;
        if (room < delivered)
            room = delivered;
        if (safe)
            room += tcb->mss;
        if (room > ssthresh - pipe)
            room = ssthresh - pipe;
    }
    if (prr->out == 0 && room < tcb->mss)
        room = tcb->mss; /* the retransmission that begins it all leaves in any case */
    tcb->cc.cwnd = pipe + room > tcb->mss ? pipe + room : tcb->mss;
}

void prr_sent(const struct tcb *tcb, uint32_t len)
{
    struct tcb_flight *flight = tcb_flight(tcb);
    if (flight != NULL && tcb->recovery == TCP_RECOVERY)
        flight->prr.out += len;
}
