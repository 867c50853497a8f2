/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TCP_FSM_H
#define WEIR_TCP_FSM_H

/* The state machine of RFC 9293, 3.3.2: fsm.def as a grid. Which checks a segment passes is
 * arithmetic and lives in arrive.c; which state follows is this table, and tcp_event is the only
 * way to change a state. */

#include "weir/trace.h"

enum tcp_event {
    TCP_EV_RCV_SYN,
    TCP_EV_SYN_ACKED,
    TCP_EV_CLOSE,
    TCP_EV_CLOSE_QUEUED,
    TCP_EV_FIN_ACKED,
    TCP_EV_RCV_FIN,
    TCP_EV_TIMEOUT_2MSL,
    TCP_EV_TIMEOUT_ORPHAN,
    TCP_EV_REOPEN,
    TCP_EV_ABORT,
    TCP_EVENT_COUNT
};

/* States that TCBs have: all but LISTEN. */
#define TCP_STATE_COUNT ((int)WEIR_CLOSED + 1)
#define TCP_NEVER       0xff

/* The state that follows, or TCP_NEVER for a pair that is not listed. */
uint8_t tcp_fsm_next(enum tcp_event event, unsigned state);

/* What RFC 4022 counts as an established connection (tcpCurrEstab, tcpEstabResets). */
static inline bool tcp_is_established(unsigned state)
{
    return state == WEIR_ESTABLISHED || state == WEIR_CLOSE_WAIT;
}

#endif
