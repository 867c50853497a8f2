/* SPDX-License-Identifier: MIT */

/* The ladder of a captured flow as a picture: the same rows as in the terminal. */

#include "trace.h"
#include "trace_svg.h"

#include "base/seq.h"
#include "ladder.h"

#include <inttypes.h>

#define WIDTH     1000u
#define LEFT      210.0
#define RIGHT     860.0
#define HEAD      56.0
#define ROW       26.0
#define SLANT     8.0 /* a segment takes a while */
#define ROWS_MAX  1500u
#define GAP_SHOWN (200 * WEIR_MS)
#define FOLD_FROM 10u
#define FOLD_ENDS 3u

struct drawing {
    FILE *out;
    const struct flow *flow;
    double y;
    unsigned rows;
    uint8_t state[2];
};

static bool is_full(const struct drawing *drawing)
{
    return drawing->rows >= ROWS_MAX;
}

static void note(struct drawing *drawing, const char *text)
{
    svg_text(drawing->out, (LEFT + RIGHT) / 2, drawing->y + 16, SVG_MIDDLE, "dim small", text);
    drawing->y += ROW;
    drawing->rows++;
}

static void put_states(struct drawing *drawing, const struct flow_segment *segment)
{
    for (unsigned i = 0; i < 2; i++) {
        const bool sender = segment->from == i;
        if (segment->state[i] == drawing->state[i])
            continue;
        drawing->state[i] = segment->state[i];
        svg_text(drawing->out, i == 0 ? LEFT - 8 : RIGHT + 8,
                 drawing->y + (sender ? 10 : 10 + SLANT), i == 0 ? SVG_END : SVG_START,
                 "bold small", weir_state_text(segment->state[i]));
    }
}

static void put_label(const struct drawing *drawing, const struct flow_segment *segment)
{
    const struct flow_end *end = &drawing->flow->end[segment->from];
    const struct flow_end *peer = &drawing->flow->end[!segment->from];
    char flags[LADDER_FLAGS_MAX], text[160], why[TRACE_WHY_MAX];
    int len = snprintf(text, sizeof text, "%s seq %" PRIu32,
                       ladder_flags((uint8_t)segment->flags, flags), segment->seq - end->iss);
    if ((segment->flags & PACKET_ACK) != 0)
        len += snprintf(text + len, sizeof text - (size_t)len, " ack %" PRIu32,
                        segment->ack - peer->iss);
    if (segment->len > 0)
        len += snprintf(text + len, sizeof text - (size_t)len, " len %" PRIu32, segment->len);
    snprintf(text + len, sizeof text - (size_t)len, " win %" PRIu32, segment->window);
    svg_text(drawing->out, LEFT + 14, drawing->y + 9, SVG_START, "mono halo", text);
    svg_text(drawing->out, RIGHT - 14, drawing->y + 9, SVG_END,
             flow_is_rtx(segment->class) || segment->delivery == FLOW_LOST ||
                     segment->delivery == FLOW_MISSED
                 ? "small halo bad"
                 : "small halo why",
             trace_why(segment, why));
}

static void put_arrow(const struct drawing *drawing, const struct flow_segment *segment)
{
    const bool lost = segment->delivery == FLOW_LOST || segment->delivery == FLOW_MISSED;
    const double sign = segment->from == 0 ? 1 : -1;
    const double from = segment->from == 0 ? LEFT : RIGHT, to = segment->from == 0 ? RIGHT : LEFT;
    const double end = lost ? to - sign * 60 : to, y = drawing->y + 13;
    const char *class = flow_is_rtx(segment->class) ? "rtx" : segment->len > 0 ? "data" : "ack";
    fprintf(drawing->out, "<path class=\"%s%s\" d=\"M%.1f %.1fL%.1f %.1f", class,
            lost ? " lost" : "", from, y, end, y + SLANT * (end - from) / (to - from));
    if (lost)
        fprintf(drawing->out, "m-5 -5l10 10m0 -10l-10 10\"/>\n");
    else
        fprintf(drawing->out, "m%.1f -5l%.1f 5l%.1f 4\"/>\n", -sign * 9, sign * 9, -sign * 10);
}

static void put_segment(struct drawing *drawing, uint32_t i)
{
    const struct flow *flow = drawing->flow;
    const struct flow_segment *segment = &flow->segments[i];
    char text[TRACE_TIME_MAX + 8], took[TRACE_TIME_MAX];
    if (i > 0 && segment->when - flow->segments[i - 1].when >= GAP_SHOWN) {
        snprintf(text, sizeof text, "~ %s ~",
                 trace_time(segment->when - flow->segments[i - 1].when, took));
        note(drawing, text);
    }
    snprintf(text, sizeof text, "%.3f ms", (double)(segment->when - flow->first) / 1e6);
    svg_text(drawing->out, 90, drawing->y + 16, SVG_END, "dim mono", text);
    put_states(drawing, segment);
    put_arrow(drawing, segment);
    put_label(drawing, segment);
    drawing->y += ROW;
    drawing->rows++;
}

/* As many rows as there will be, for the height of the document. */
static unsigned rows_of(const struct flow *flow)
{
    unsigned rows = 0;
    for (uint32_t i = 0; i < flow->segment_count && rows < ROWS_MAX;) {
        const uint32_t run = trace_plain_run(flow, i);
        const bool gap = i > 0 && flow->segments[i].when - flow->segments[i - 1].when >= GAP_SHOWN;
        rows += gap + (run < FOLD_FROM ? (run > 0 ? run : 1) : 2 * FOLD_ENDS + 1);
        i += run > 0 ? run : 1;
    }
    return rows + 2;
}

static void put_all(struct drawing *drawing)
{
    const struct flow *flow = drawing->flow;
    char text[TRACE_WHY_MAX];
    for (uint32_t i = 0; i < flow->segment_count && !is_full(drawing);) {
        const uint32_t run = trace_plain_run(flow, i);
        const uint32_t count = run > 0 ? run : 1;
        const bool folds = count >= FOLD_FROM;
        for (uint32_t k = 0; k < (folds ? FOLD_ENDS : count) && !is_full(drawing); k++)
            put_segment(drawing, i + k);
        if (folds)
            note(drawing, trace_fold_text(flow, i + FOLD_ENDS, count - 2 * FOLD_ENDS, text));
        for (uint32_t k = count - FOLD_ENDS; folds && k < count; k++)
            put_segment(drawing, i + k);
        i += count;
    }
    if (is_full(drawing))
        note(drawing, "the rest is left out");
}

void trace_ladder_svg(FILE *out, const struct flow *flow)
{
    struct drawing drawing = { .out = out, .flow = flow, .y = HEAD };
    char addr[TRACE_ADDR_MAX];
    const unsigned height = (unsigned)(HEAD + ROW * rows_of(flow)) + 20;
    drawing.state[0] = drawing.state[1] = WEIR_STATE_COUNT;
    svg_begin(out, WIDTH, height, "ladder", "ladder of the connection");
    svg_text(out, LEFT, 24, SVG_MIDDLE, "bold", trace_addr(&flow->end[0].addr, addr));
    svg_text(out, RIGHT, 24, SVG_MIDDLE, "bold", trace_addr(&flow->end[1].addr, addr));
    fprintf(out, "<path class=\"axis\" d=\"M%.0f 36V%uM%.0f 36V%u\"/>\n", LEFT, height - 10, RIGHT,
            height - 10);
    put_all(&drawing);
    svg_end(out);
}
