/* SPDX-License-Identifier: MIT */
/* The window we advertise: backed by credit, never moving left, never silly (RFC 9293, 3.8.6.2.2).
 *
 *   read                nxt                       read + space        + slack
 *    |----- unread ------|------------ window ----------|--------------|
 *
 * A window is said in units of 2^scale, rounded up, so that the edge on the wire does not move left
 * when RCV.NXT is not a multiple of the unit. Each rounding may carry the edge a little beyond what
 * we meant; the slack (credited too) takes that up.
 *
 * DEVIATION: RFC 9293 SHLD-14 asks that the right edge never move left. When the slack is used up
 * (a peer that sends octet by octet to a program that does not read), the window is rounded down,
 * and the edge on the wire may stand up to one unit further left than before. RFC 7323, 2.4
 * foresees it. Octets up to the furthest edge ever advertised are still accepted. */
#include "tcp/tally.h"
#include "tcp/tcp.h"

#define WINDOW_ROUNDS 4

uint32_t tcp_window_slack(const struct tcb *tcb, uint32_t space)
{
    return space / 16 + (UINT32_C(2) << tcb->rcv_wscale);
}

/* The largest space whose slack, too, lies within a ring's reach. */
uint32_t tcp_window_max(const struct tcb *tcb)
{
    return (ring_reach(tcb->host->rings) - (UINT32_C(2) << tcb->rcv_wscale)) / 17 * 16;
}

/* How far the edge must be able to move before it does: Fr x RCV.BUFF or one segment. */
static uint32_t step_min(const struct tcb *tcb)
{
    const uint32_t half = tcb->rcv.space / 2;
    return tcb->rcv_mss < half ? tcb->rcv_mss : half;
}

static seq32 wanted_edge(const struct tcb *tcb)
{
    const seq32 target = tcb->rcv.read + tcb->rcv.space;
    if (seq_gt(target, tcb->rcv.edge) && target - tcb->rcv.edge >= step_min(tcb))
        return target;
    return seq_max(tcb->rcv.edge, tcb->rcv.nxt);
}

uint16_t tcp_window(const struct tcb *tcb, bool syn, seq32 *edge)
{
    const uint8_t shift = syn || !tcb->ws_ok ? 0 : tcb->rcv_wscale;
    const uint32_t unit = UINT32_C(1) << shift;
    const seq32 hard = tcb->rcv.read + tcb->rcv.space + tcp_window_slack(tcb, tcb->rcv.space);
    const seq32 wanted = wanted_edge(tcb);
    uint32_t field = (wanted - tcb->rcv.nxt + unit - 1) >> shift;
    if (field > 0 && seq_gt(tcb->rcv.nxt + (field << shift), hard))
        field = (wanted - tcb->rcv.nxt) >> shift;
    if (field > UINT16_MAX)
        field = UINT16_MAX;
    *edge = seq_max(tcb->rcv.edge, tcb->rcv.nxt + (field << shift));
    return (uint16_t)field;
}

bool tcp_window_update_owed(const struct tcb *tcb)
{
    if (tcb->state < WEIR_ESTABLISHED || tcb->state >= WEIR_CLOSE_WAIT || tcb->read_closed)
        return false;
    /* Without a scale no more can be told of, however much there is. */
    const uint32_t space = tcb->ws_ok || tcb->rcv.space < UINT16_MAX ? tcb->rcv.space : UINT16_MAX;
    const seq32 target = tcb->rcv.read + space;
    if (!seq_gt(target, tcb->rcv.edge))
        return false;
    const uint32_t step = 2u * tcb->rcv_mss < space / 2 ? 2u * tcb->rcv_mss : space / 2;
    /* A window that is still half open holds nobody up; the next acknowledgement tells of the rest.
     */
    return target - tcb->rcv.edge >= step && tcb->rcv.edge - tcb->rcv.nxt <= space / 2;
}

/* Growth takes at most a quarter of the credit still free, so that many small connections never
 * starve and a few big ones get nearly all. */
static void grow_to(struct tcb *tcb, uint64_t wanted)
{
    if (wanted <= tcb->rcv.space || tcb->rcv.space >= tcb->rcv.max)
        return;
    const struct ring_pool *pool = tcb->host->rings;
    const uint32_t chunk = UINT32_C(1) << pool->chunk_shift;
    const uint64_t grant = (uint64_t)(pool->credit_free / 4) * chunk;
    uint64_t space = wanted < tcb->rcv.max ? wanted : tcb->rcv.max;
    if (space > tcb->rcv.space + grant)
        space = tcb->rcv.space + grant;
    if (!tcb->ws_ok && space > UINT16_MAX)
        space = UINT16_MAX;
    if (space > tcb->rcv.space && tcb_credit(tcb, (uint32_t)space))
        tcb->rcv.space = (uint32_t)space;
}

/* The window grows with what the program reads in a round trip: to WINDOW_ROUNDS times that, and a
 * little for slow start to begin with. What is read tells of a round trip that is over: the peer's
 * slow start has twice as much in flight by now and sends twice that in the next, and a hole takes
 * one more to be filled, in which nothing is read (Linux allows for six). */
void tcp_window_tune(struct tcb *tcb, uint32_t read, weir_time now)
{
    tcb->tune_octets += read;
    const weir_time rtt = tcb->srtt > 0 ? tcb->srtt : WEIR_MS;
    /* A whole window in less than the round trip: then that is shorter than it was. To look after
     * less of it would be to see less than the round trip carries, and hardly to grow. */
    if (tcb->tune_octets < tcb->rcv.space &&
        (tcp_us(tcb->host, now) - tcb->tune_us) * WEIR_US < rtt)
        return;
    const uint64_t wanted =
        WINDOW_ROUNDS * (uint64_t)tcb->tune_octets + 16u * (uint64_t)tcb->rcv_mss;
    tally_read(tcb, tcb->tune_octets);
    tcb->tune_octets = 0;
    tcb->tune_us = tcp_us(tcb->host, now);
    grow_to(tcb, wanted);
}

void tcp_window_beyond(struct tcb *tcb, struct tcb_flight *flight, uint32_t octets, bool first)
{
    if (first) {
        flight->hole_space = tcb->rcv.space;
        flight->hole_octets = 0;
    }
    const uint32_t space = flight->hole_space;
    flight->hole_octets +=
        octets < space - flight->hole_octets ? octets : space - flight->hole_octets;
    if (flight->hole_octets >= space / WINDOW_ROUNDS)
        grow_to(tcb, (uint64_t)space + flight->hole_octets);
}
