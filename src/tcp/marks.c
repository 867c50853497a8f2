/* SPDX-License-Identifier: MIT */
/* The option of accurate ECN (RFC 9768, 3.2.3): how many octets of text came with which codepoint,
 * in three counters of 24 bits. The ACE field of the header counts packets modulo eight; where the
 * option arrives, it says the same without guessing.
 *
 * It is sent only where the peer's has been seen, so that a way which drops such segments, or
 * strips the option, costs nothing (RFC 9768, 3.2.3.2). */
#include "tcp/ecn.h"
#include "tcp/extra.h"
#include "tcp/tcp.h"

#define COUNTER_MASK  UINT32_C(0xffffff)
#define COUNTER_LEN   3
#define ALL_COUNTERS  ((1u << TCP_ACC_COUNT) - 1)
#define OPTION_ALWAYS 2 /* config.ecn_option, as Linux counts */

enum {
    FROM_ECT0,
    FROM_CE,
    FROM_ECT1
};

void tcp_marks_initial(struct tcp_opts *opts)
{
    static const uint32_t initial[TCP_ACC_COUNT] = { 1, 0, 1 }; /* RFC 9768, 3.2.1 */
    opts->present |= TCP_OPT_ACC;
    opts->acc_count = TCP_ACC_COUNT;
    for (unsigned i = 0; i < TCP_ACC_COUNT; i++)
        opts->acc[i] = initial[i];
}

static struct tcp_marks *marks_of(const struct tcb *tcb)
{
    struct tcb_extra *extra = tcb_extra(tcb);
    return extra != NULL && extra->marks.on ? &extra->marks : NULL;
}

void tcp_marks_begin(struct tcb *tcb)
{
    if (!(tcb->ecn & TCP_ECN_ACC) || tcb->host->config->ecn_option == 0)
        return;
    struct tcb_extra *extra = tcb_extra_need(tcb);
    if (extra == NULL)
        return;
    struct tcp_opts initial = { 0 };
    tcp_marks_initial(&initial);
    for (unsigned i = 0; i < TCP_ACC_COUNT; i++)
        extra->marks.in[i] = extra->marks.told[i] = initial.acc[i];
    extra->marks.on = true;
    extra->marks.due = ALL_COUNTERS;
}

void tcp_marks_arrive(struct tcb *tcb, const struct tcp_seg *seg)
{
    static const uint8_t counter[] = {
        [ECN_ECT0] = FROM_ECT0, [ECN_CE] = FROM_CE, [ECN_ECT1] = FROM_ECT1
    };
    struct tcp_marks *marks = marks_of(tcb);
    if (marks == NULL || seg->ecn == ECN_NOT_ECT || seg->len == 0)
        return;
    marks->in[counter[seg->ecn]] += seg->len;
    marks->due |= (uint8_t)(1u << counter[seg->ecn]);
}

/* RFC 9768, 3.2.3.2.4: a first option that says nothing has come, not even what all begin with, was
 * made by something on the way. */
static bool is_forged(const struct tcp_opts *opts)
{
    const bool zero = opts->acc[FROM_ECT0] == 0 && opts->acc[FROM_ECT1] == 0;
    return opts->acc_count == TCP_ACC_COUNT && zero;
}

/* Whether the option of this segment has the counter: they lie in one of two orders, and the last
 * ones may be missing. */
static bool has_counter(const struct tcp_opts *opts, unsigned which)
{
    return (opts->acc_one ? TCP_ACC_COUNT - 1 - which : which) < opts->acc_count;
}

int64_t tcp_marks_told(struct tcb *tcb, const struct tcp_opts *opts)
{
    struct tcp_marks *marks = marks_of(tcb);
    if (marks == NULL || !(opts->present & TCP_OPT_ACC))
        return -1;
    if (!marks->heard && is_forged(opts)) {
        marks->on = false;
        return -1;
    }
    if (!marks->heard) {
        marks->heard = true;
        tcp_mss_update(tcb);
    }
    if (!has_counter(opts, FROM_CE))
        return 0;
    const uint32_t news = (opts->acc[FROM_CE] - marks->told[FROM_CE]) & COUNTER_MASK;
    if (news > COUNTER_MASK / 2) /* an older segment, overtaken */
        return 0;
    marks->told[FROM_CE] = opts->acc[FROM_CE];
    return news;
}

void tcp_marks_assume(struct tcb *tcb, uint32_t octets)
{
    struct tcp_marks *marks = marks_of(tcb);
    if (marks != NULL)
        marks->told[FROM_CE] = (marks->told[FROM_CE] + octets) & COUNTER_MASK;
}

/* How many counters of an order must be there so that all of `wanted` are. */
static unsigned counters_for(unsigned wanted, bool one)
{
    unsigned count = 0;
    for (unsigned i = 0; i < TCP_ACC_COUNT; i++)
        if (wanted >> (one ? TCP_ACC_COUNT - 1 - i : i) & 1)
            count = i + 1;
    return count;
}

static unsigned aligned_len(unsigned counters)
{
    return (2 + counters * COUNTER_LEN + 3) & ~3u;
}

unsigned tcp_marks_len(const struct tcb *tcb)
{
    const struct tcp_marks *marks = marks_of(tcb);
    const bool always = tcb->host->config->ecn_option == OPTION_ALWAYS;
    return marks != NULL && marks->heard && always ? aligned_len(TCP_ACC_COUNT) : 0;
}

/* All that moved, and all three where there is room; of what does not fit, the marks. */
unsigned tcp_marks_fill(const struct tcb *tcb, struct tcp_opts *opts, unsigned room)
{
    const struct tcp_marks *marks = marks_of(tcb);
    if (marks == NULL || !marks->heard ||
        (marks->due == 0 && tcb->host->config->ecn_option != OPTION_ALWAYS))
        return room;
    const unsigned wanted = marks->due != 0 ? marks->due : 1u << FROM_CE;
    opts->acc_one = counters_for(wanted, true) < counters_for(wanted, false);
    unsigned count = TCP_ACC_COUNT;
    if (aligned_len(count) > room)
        count = counters_for(wanted, opts->acc_one);
    if (aligned_len(count) > room)
        count = counters_for(1u << FROM_CE, opts->acc_one);
    if (aligned_len(count) > room)
        return room;
    opts->present |= TCP_OPT_ACC;
    opts->acc_count = (uint8_t)count;
    for (unsigned i = 0; i < TCP_ACC_COUNT; i++)
        opts->acc[i] = has_counter(opts, i) ? marks->in[i] & COUNTER_MASK : 0;
    return room - aligned_len(count);
}

void tcp_marks_left(struct tcb *tcb, const struct tcp_plan *plan)
{
    struct tcp_marks *marks = marks_of(tcb);
    if (marks == NULL || !(plan->opts.present & TCP_OPT_ACC))
        return;
    for (unsigned i = 0; i < TCP_ACC_COUNT; i++)
        if (has_counter(&plan->opts, i))
            marks->due &= (uint8_t) ~(1u << i);
}
