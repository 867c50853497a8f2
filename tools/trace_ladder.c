/* SPDX-License-Identifier: MIT */

/* The ladder of a captured flow in a terminal. Bulk is folded: of a long run of plain segments the
 * first and the last are drawn, and one line says what lies between. */

#include "trace.h"

#include "ladder.h"
#include "terminal.h"

#include <inttypes.h>

#define GAP_SHOWN  (200 * WEIR_MS)
#define FOLD_FROM  10u /* a run of fewer is drawn whole */
#define FOLD_FIRST 3u
#define FOLD_LAST  2u
#define WHY_MAX    100

bool trace_is_plain(const struct flow *flow, uint32_t i)
{
    const struct flow_segment *segment = &flow->segments[i];
    if (segment->class != FLOW_NEW && segment->class != FLOW_WINDOW_UPDATE)
        return false;
    if ((segment->flags & (PACKET_SYN | PACKET_FIN | PACKET_RST | PACKET_URG)) != 0)
        return false;
    if (segment->delivery == FLOW_LOST || segment->delivery == FLOW_MISSED ||
        segment->delivery == FLOW_FOREIGN || segment->window == 0)
        return false;
    if (i == 0)
        return false;
    const struct flow_segment *before = &flow->segments[i - 1];
    return before->state[0] == segment->state[0] && before->state[1] == segment->state[1] &&
           segment->when - before->when < GAP_SHOWN;
}

uint32_t trace_plain_run(const struct flow *flow, uint32_t first)
{
    uint32_t count = 0;
    while (first + count < flow->segment_count && trace_is_plain(flow, first + count))
        count++;
    return count;
}

const char *trace_why(const struct flow_segment *segment, char text[TRACE_WHY_MAX])
{
    char comment[TRACE_WHY_MAX / 2] = "";
    const char *class = flow_class_text(segment->class);
    const char *lost = segment->delivery == FLOW_LOST      ? "lost"
                       : segment->delivery == FLOW_MISSED  ? "lost, it seems"
                       : segment->delivery == FLOW_FOREIGN ? "never left the sender"
                                                           : "";
    if (segment->comment != NULL)
        terminal_safe(segment->comment, comment, sizeof comment);
    snprintf(text, TRACE_WHY_MAX, "%s%s%s%s%s", class,
             class[0] != '\0' && lost[0] != '\0' ? "; " : "", lost,
             comment[0] != '\0' && (class[0] != '\0' || lost[0] != '\0') ? "; " : "", comment);
    return text;
}

char *trace_fold_text(const struct flow *flow, uint32_t first, uint32_t count,
                      char text[TRACE_WHY_MAX])
{
    uint64_t data[2] = { 0, 0 }, octets[2] = { 0, 0 }, acks = 0;
    char took[TRACE_TIME_MAX], amount[2][TRACE_TIME_MAX];
    for (uint32_t i = first; i < first + count; i++) {
        const struct flow_segment *segment = &flow->segments[i];
        data[segment->from] += segment->len > 0;
        octets[segment->from] += segment->len;
        acks += segment->len == 0;
    }
    const int64_t time = flow->segments[first + count - 1].when - flow->segments[first].when;
    int len =
        snprintf(text, TRACE_WHY_MAX, "... %" PRIu32 " more in %s:", count, trace_time(time, took));
    for (unsigned i = 0; i < 2; i++)
        if (data[i] > 0)
            len += snprintf(text + len, TRACE_WHY_MAX - (size_t)len,
                            " %s%" PRIu64 " data (%s octets)%s", i == 0 ? "" : "< ", data[i],
                            trace_amount(octets[i], amount[i]), i == 0 ? " >" : "");
    if (acks > 0)
        snprintf(text + len, TRACE_WHY_MAX - (size_t)len, "%s %" PRIu64 " %s",
                 data[0] + data[1] > 0 ? "," : "", acks, acks == 1 ? "ACK" : "ACKs");
    return text;
}

static void gap(struct ladder *ladder, const struct flow *flow, uint32_t i)
{
    char took[TRACE_TIME_MAX], text[TRACE_TIME_MAX + 16];
    if (i == 0)
        return;
    const int64_t since = flow->segments[i].when - flow->segments[i - 1].when;
    if (since < GAP_SHOWN)
        return;
    snprintf(text, sizeof text, "~ ~ %s ~ ~", trace_time(since, took));
    ladder_note(ladder, WEIR_NEVER, text, LADDER_NONE, LADDER_NONE);
}

static void draw(struct ladder *ladder, const struct flow *flow, uint32_t i)
{
    const struct flow_segment *segment = &flow->segments[i];
    char why[TRACE_WHY_MAX];
    gap(ladder, flow, i);
    ladder_segment(ladder,
                   &(struct ladder_segment){
                       .when = segment->when,
                       .leftward = segment->from == 1,
                       .flags = (uint8_t)segment->flags,
                       .seq = segment->seq,
                       .ack = segment->ack,
                       .len = segment->len,
                       .window = segment->window,
                       .lost = segment->delivery == FLOW_LOST || segment->delivery == FLOW_MISSED,
                       .why = trace_why(segment, why),
                       .state = { segment->state[0], segment->state[1] },
                       .sender_state = segment->before,
                   });
}

void trace_ladder(FILE *out, const struct flow *flow, const struct trace_style *style)
{
    const struct ladder_style how = { style->columns, style->ascii, style->colour };
    char left[TRACE_ADDR_MAX], right[TRACE_ADDR_MAX], text[TRACE_WHY_MAX];
    struct ladder ladder;
    ladder_begin(&ladder, out, &how, trace_addr(&flow->end[0].addr, left),
                 trace_addr(&flow->end[1].addr, right));
    for (unsigned i = 0; i < 2 && !style->absolute; i++) {
        ladder.has_first[i] = flow->end[i].seen;
        ladder.first[i] = flow->end[i].iss;
    }
    for (unsigned i = 0; i < 2 && style->absolute; i++)
        ladder.has_first[i] = true;
    for (uint32_t i = 0; i < flow->segment_count;) {
        const uint32_t run = style->whole ? 0 : trace_plain_run(flow, i);
        if (run < FOLD_FROM) {
            const uint32_t count = run > 0 ? run : 1;
            for (uint32_t k = 0; k < count; k++)
                draw(&ladder, flow, i + k);
            i += count;
            continue;
        }
        const uint32_t hidden = run - FOLD_FIRST - FOLD_LAST;
        for (uint32_t k = 0; k < FOLD_FIRST; k++)
            draw(&ladder, flow, i + k);
        ladder_note(&ladder, flow->segments[i + FOLD_FIRST].when,
                    trace_fold_text(flow, i + FOLD_FIRST, hidden, text), LADDER_NONE, LADDER_NONE);
        for (uint32_t k = run - FOLD_LAST; k < run; k++)
            draw(&ladder, flow, i + k);
        i += run;
    }
    if (flow->not_kept > 0)
        fprintf(out, "%" PRIu64 " segments more are not kept\n", flow->not_kept);
}
