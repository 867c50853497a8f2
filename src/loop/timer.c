/* SPDX-License-Identifier: MIT */
#include "loop/parts.h"

void weir_loop_clear_timer(struct weir_loop *loop, struct weir_loop_timer *timer)
{
    if (!timer->set)
        return;
    struct weir_loop_timer **link = &loop->timers;
    while (*link != timer)
        link = &(*link)->next;
    *link = timer->next;
    timer->set = false;
}

void weir_loop_set_timer(struct weir_loop *loop, struct weir_loop_timer *timer, weir_time at)
{
    weir_loop_clear_timer(loop, timer);
    if (at == WEIR_NEVER)
        return;
    struct weir_loop_timer **link = &loop->timers;
    while (*link != NULL && (*link)->at <= at) /* behind its equals: first set, first fired */
        link = &(*link)->next;
    timer->at = at;
    timer->set = true;
    timer->next = *link;
    *link = timer;
}

weir_time timer_deadline(const struct weir_loop *loop)
{
    return loop->timers != NULL ? loop->timers->at : WEIR_NEVER;
}

void timer_run(struct weir_loop *loop, weir_time now)
{
    /* As many as are due when we begin: a callback that sets itself for now must not keep us here.
     */
    unsigned due = 0;
    for (const struct weir_loop_timer *t = loop->timers; t != NULL && t->at <= now; t = t->next)
        due++;
    for (; due > 0 && loop->timers != NULL && loop->timers->at <= now; due--) {
        struct weir_loop_timer *timer = loop->timers;
        weir_loop_clear_timer(loop, timer);
        timer->on_time(timer->user, now);
    }
}
