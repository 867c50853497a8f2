/* SPDX-License-Identifier: MIT */
#ifndef WEIR_DOCTOR_FLOW_STATE_H
#define WEIR_DOCTOR_FLOW_STATE_H

/* The states of both ends of a captured connection, by the relation that the stack itself runs on
 * (src/tcp/fsm.def): an event that the packets show takes the edge that is listed, or none. */

#include "weir/trace.h"

struct flow;
struct flow_segment;

enum flow_event {
    FLOW_EV_RCV_SYN,
    FLOW_EV_SYN_ACKED,
    FLOW_EV_CLOSE,
    FLOW_EV_CLOSE_QUEUED,
    FLOW_EV_FIN_ACKED,
    FLOW_EV_RCV_FIN,
    FLOW_EV_TIMEOUT_2MSL,
    FLOW_EV_TIMEOUT_ORPHAN,
    FLOW_EV_REOPEN,
    FLOW_EV_ABORT,
    FLOW_EV_OPEN, /* births */
    FLOW_EV_PASSIVE,
    FLOW_EV_CORRECTED, /* what was concluded before turned out not to be so */
    FLOW_EV_COUNT
};
const char *flow_event_text(unsigned event);

#define FLOW_EDGES_MAX 40

/* The edges, births included, as a picture wants them. */
struct flow_edge {
    uint8_t event, from, to; /* from of a birth: WEIR_CLOSED or WEIR_LISTEN */
    const char *clause, *what;
};
unsigned flow_edge_count(void);
const struct flow_edge *flow_edge(unsigned index);

/* What a segment from end `from` says. `arrives` false: the other end never saw it. */
void flow_state_segment(struct flow *flow, const struct flow_segment *segment, bool arrives);

/* A reset that is to be believed. */
void flow_state_reset(struct flow *flow, unsigned from, int64_t when, bool arrives);

/* The first segment seen is in the middle of the connection. */
void flow_state_midstream(struct flow *flow, int64_t when);

#endif
