/* SPDX-License-Identifier: MIT */
#include "tcp/extra.h"

#include "tcp/tcp.h"

#include <string.h>

struct tcb_extra *tcb_extra(const struct tcb *tcb)
{
    return tcb->extra == 0 ? NULL : pool_at(tcb->host->extras, tcb->extra - 1u);
}

struct tcb_extra *tcb_extra_need(struct tcb *tcb)
{
    if (tcb->extra != 0)
        return tcb_extra(tcb);
    const uint32_t index = pool_take(tcb->host->extras);
    if (index == POOL_NONE)
        return NULL;
    WEIR_ASSERT(index < UINT16_MAX);
    tcb->extra = (uint16_t)(index + 1);
    struct tcb_extra *extra = tcb_extra(tcb);
    memset(extra, 0, sizeof *extra);
    return extra;
}

void tcb_extra_drop(struct tcb *tcb)
{
    if (tcb->extra != 0)
        pool_give(tcb->host->extras, tcb->extra - 1u);
    tcb->extra = 0;
}

bool tcp_signed(struct tcb *tcb, bool ao)
{
    if (ao && tcb_extra_need(tcb) == NULL)
        return false;
    tcb->is_signed = true;
    tcb->has_ao = ao;
    tcp_mss_update(tcb);
    return true;
}

struct tcp_ao *tcp_ao(const struct tcb *tcb)
{
    WEIR_ASSERT(tcb->has_ao);
    return &tcb_extra(tcb)->ao;
}

unsigned tcp_extra_fill(const struct tcb *tcb, struct tcp_opts *opts, unsigned room)
{
    if (room >= TCP_UTO_LEN) {
        tcp_uto_fill(tcb, opts);
        room -= opts->present & TCP_OPT_UTO ? TCP_UTO_LEN : 0u;
    }
    return tcp_marks_fill(tcb, opts, room);
}

void tcp_extra_left(struct tcb *tcb, const struct tcp_plan *plan)
{
    tcp_uto_left(tcb, plan);
    tcp_marks_left(tcb, plan);
}

void tcp_extra_acked(struct tcb *tcb, weir_time now)
{
    tcp_uto_acked(tcb);
    tcp_search_ack(tcb, now);
}
