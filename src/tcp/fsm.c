/* SPDX-License-Identifier: MIT */
#include "tcp/fsm.h"

#include "tcp/tally.h"
#include "tcp/tcp.h"

/* The grid holds the next state plus one, so that pairs which fsm.def does not list are 0. A pair
 * listed twice is a warning of the compiler (-Woverride-init), and so an error. */
#define EDGE(event, from, to, clause, text) [TCP_EV_##event][WEIR_##from] = WEIR_##to + 1,
#define STAY(event, state, clause)          [TCP_EV_##event][WEIR_##state] = WEIR_##state + 1,

static const uint8_t grid[TCP_EVENT_COUNT][TCP_STATE_COUNT] = {
#include "tcp/fsm.def"
};

#undef EDGE
#undef STAY

uint8_t tcp_fsm_next(enum tcp_event event, unsigned state)
{
    WEIR_ASSERT(event < TCP_EVENT_COUNT);
    WEIR_ASSERT(state < TCP_STATE_COUNT);
    const uint8_t next = grid[event][state];
    return next == 0 ? TCP_NEVER : (uint8_t)(next - 1);
}

static uint32_t agreed(const struct tcb *tcb)
{
    return (tcb->sack_ok ? WEIR_AGREED_SACK : 0) | (tcb->ts_ok ? WEIR_AGREED_TS : 0) |
           (tcb->ws_ok ? WEIR_AGREED_WSCALE : 0);
}

void tcp_event(struct tcb *tcb, enum tcp_event event, enum weir_cause cause, weir_time now)
{
    const uint8_t next = tcp_fsm_next(event, tcb->state);
    WEIR_ASSERT(next != TCP_NEVER);
    if (next == tcb->state)
        return;
    trace_story(tcp_trace(tcb),
                &(struct weir_record){ .when = now,
                                       .type = WEIR_REC_STATE,
                                       .conn = tcb->index,
                                       .flags = tcb->state,
                                       .code = (uint16_t)cause,
                                       .seq = tcb->snd.nxt,
                                       .ack = tcb->rcv.nxt,
                                       .value = agreed(tcb),
                                       .window = (uint16_t)(tcb->snd_wscale << 8 | tcb->rcv_wscale),
                                       .extra = next });
    struct weir_counters *count = &tcp_trace(tcb)->count;
    count->established += tcp_is_established(next);
    count->established -= tcp_is_established(tcb->state);
    tally_event(tcb, next, now);
    tcb->state = next;
    tcb->cause = (uint8_t)cause;
    tcb->since = now;
}
