/* SPDX-License-Identifier: MIT */
#ifndef WEIR_DOCTOR_FLOW_PARTS_H
#define WEIR_DOCTOR_FLOW_PARTS_H

/* What the files that follow a flow share, and nobody else needs. */

#include "flow.h"

/* The time from one packet to its answer; 0 if that came first. */
static inline int64_t flow_apart(int64_t asked_at, int64_t answered_at)
{
    return answered_at > asked_at ? answered_at - asked_at : 0;
}

/* Octets of sequence space: SYN and FIN take one each. */
static inline uint32_t flow_space(const struct flow_segment *segment)
{
    return segment->len + ((segment->flags & PACKET_SYN) != 0) +
           ((segment->flags & PACKET_FIN) != 0);
}

/* Octets sent and not yet acknowledged. */
static inline uint32_t flow_flight(const struct flow_end *end)
{
    return end->seen && end->una != 0 ? end->nxt - end->una : 0;
}

/* Says what a segment is; before anything is changed by it. */
enum flow_class flow_classify(const struct flow *flow, const struct flow_segment *segment,
                              uint16_t ip_id);

/* Takes in what end `from` sent (sequence space, holes, recovery), after it was classified. */
void flow_sends(struct flow_table *table, struct flow *flow, const struct flow_segment *segment,
                uint16_t ip_id);

/* Takes in what its ACK says to the other end; sets segment->rtt. */
void flow_acknowledges(struct flow_table *table, struct flow *flow, struct flow_segment *segment);

/* Adds the time since the flow's last packet to what held each end up. */
void flow_spend(struct flow *flow, int64_t now, uint8_t limit[2]);

/* Marks kept segments that were sent again as FLOW_MISSED. */
void flow_mark_missed(struct flow *flow);

#endif
