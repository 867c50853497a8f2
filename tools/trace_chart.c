/* SPDX-License-Identifier: MIT */

/* States: a bar for each flow over time, and the diagram of RFC 9293, 3.3.2. */

#include "trace.h"
#include "trace_svg.h"

#include <inttypes.h>
#include <math.h>

/* ---- The timeline ---- */

#define WIDTH      1000u
#define ROW        26
#define LEFT       300
#define HEAD       74
#define ROWS_MAX   300u
#define STATES_ROW 5 /* names of the legend in a line */

static void bar(const struct svg_plot *plot, uint8_t state, double y, int64_t from, int64_t to)
{
    const double x = svg_x(plot, from);
    double width = svg_x(plot, to) - x;
    char took[TRACE_TIME_MAX];
    if (width < 1)
        width = 1;
    fprintf(plot->out,
            "<rect class=\"s%u\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"9\"><title>%s, "
            "%s</title></rect>\n",
            state, x, y, width, weir_state_text(state), trace_time(to - from, took));
}

/* A state lasts to the next change, the last one to the end of the flow; where that end has not
 * closed, it stays so, as far as anybody knows: paler to the end of all. */
static void bars(const struct svg_plot *plot, const struct flow *flow, unsigned end, double y,
                 int64_t began)
{
    int64_t since = flow->first - began;
    uint8_t state = WEIR_STATE_COUNT; /* that before the first change */
    for (uint32_t i = 0; i < flow->change_count; i++) {
        const struct flow_change *change = &flow->changes[i];
        if (change->end != end)
            continue;
        if (change->when - began > since || state == WEIR_STATE_COUNT)
            bar(plot, state == WEIR_STATE_COUNT ? change->from : state, y, since,
                change->when - began);
        state = change->to;
        since = change->when - began;
    }
    if (state == WEIR_STATE_COUNT)
        state = flow->end[end].state;
    bar(plot, state, y, since, flow->last - began);
    if (state != WEIR_CLOSED && state != WEIR_LISTEN && flow->last - began < plot->x.most) {
        fputs("<g opacity=\".35\">", plot->out);
        bar(plot, state, y, flow->last - began, plot->x.most);
        fputs("</g>\n", plot->out);
    }
}

static void marks(const struct svg_plot *plot, const struct flow *flow, double y, int64_t began)
{
    for (uint32_t i = 0; i < flow->segment_count; i++) {
        const struct flow_segment *at = &flow->segments[i];
        if (!flow_is_rtx(at->class))
            continue;
        fprintf(plot->out, "<path class=\"rtx\" d=\"M%.1f %.1fv5\"><title>%s</title></path>\n",
                svg_x(plot, at->when - began), y + (at->from == 0 ? -4 : 19),
                flow_class_text(at->class));
    }
}

static void row(const struct svg_plot *plot, const struct flow *flow, double y, int64_t began)
{
    char left[TRACE_ADDR_MAX], right[TRACE_ADDR_MAX], name[2 * TRACE_ADDR_MAX + 32];
    snprintf(name, sizeof name, "%" PRIu64 "  %s > %s", flow->id,
             trace_addr(&flow->end[0].addr, left), trace_addr(&flow->end[1].addr, right));
    fprintf(plot->out, "<g data-flow=\"%" PRIu64 "\">\n", flow->id);
    svg_text(plot->out, 8, y + 13, SVG_START, "small", name);
    bars(plot, flow, 0, y, began);
    bars(plot, flow, 1, y + 10, began);
    marks(plot, flow, y, began);
    fputs("</g>\n", plot->out);
}

static void state_legend(FILE *out)
{
    for (unsigned i = 0; i < WEIR_STATE_COUNT; i++) {
        const unsigned column = i % (STATES_ROW + 1), row = i / (STATES_ROW + 1);
        const double x = 8 + column * 160.0, y = 36 + row * 16.0;
        fprintf(out, "<rect class=\"s%u\" x=\"%.1f\" y=\"%.1f\" width=\"10\" height=\"10\"/>\n", i,
                x, y - 9);
        svg_text(out, x + 14, y, SVG_START, "dim small", weir_state_text(i));
    }
}

void trace_timeline_svg(FILE *out, const struct trace *trace, uint64_t only)
{
    const size_t count = only != 0 ? 1 : trace->table.count;
    const size_t rows = count < ROWS_MAX ? count : ROWS_MAX;
    const size_t first = only != 0 ? (size_t)only - 1 : 0;
    char text[96] = "states: of the opener above, of the other end below; red: sent again";
    int64_t began = 0, ended = 1;
    for (size_t i = first; i < first + rows; i++) {
        const struct flow *flow = trace->table.flows[i];
        began = i == first || flow->first < began ? flow->first : began;
        ended = i == first || flow->last > ended ? flow->last : ended;
    }
    const struct svg_plot plot = {
        .out = out,
        .left = LEFT,
        .top = HEAD,
        .width = WIDTH - LEFT - 20,
        .height = (double)rows * ROW,
        .x = { 0, ended > began ? ended - began : 1, true, "since the first packet" },
        .y = { 0, 0, false, "" },
    };
    svg_begin(out, WIDTH, HEAD + (unsigned)rows * ROW + 44, "timeline", "states over time");
    svg_text(out, 8, 18, SVG_START, "bold", text);
    state_legend(out);
    svg_axes(&plot);
    for (size_t i = 0; i < rows; i++)
        row(&plot, trace->table.flows[first + i], HEAD + 4 + (double)i * ROW, began);
    if (rows < count) {
        snprintf(text, sizeof text, "and %zu more", count - rows);
        svg_text(out, 8, HEAD + (double)rows * ROW + 16, SVG_START, "dim small", text);
    }
    svg_end(out);
}

/* ---- The diagram ---- */

#define DIAGRAM_W 900u
#define DIAGRAM_H 700u
#define BOX_W     128.0
#define BOX_H     34.0
#define BOTTOM    WEIR_STATE_COUNT /* CLOSED stands twice: where all begins, and where it ends */

static const struct place {
    double x, y;
} places[WEIR_STATE_COUNT + 1] = {
    [WEIR_CLOSED] = { 450, 60 },        [WEIR_LISTEN] = { 170, 130 },
    [WEIR_SYN_RECEIVED] = { 170, 250 }, [WEIR_SYN_SENT] = { 680, 190 },
    [WEIR_ESTABLISHED] = { 480, 310 },  [WEIR_FIN_WAIT_1] = { 200, 400 },
    [WEIR_CLOSE_WAIT] = { 690, 400 },   [WEIR_FIN_WAIT_2] = { 110, 530 },
    [WEIR_CLOSING] = { 340, 530 },      [WEIR_TIME_WAIT] = { 340, 640 },
    [WEIR_LAST_ACK] = { 690, 530 },     [BOTTOM] = { 690, 640 },
};

/* Where the line from `from` to `to` leaves the box of `from`. */
static struct place border(struct place from, struct place to)
{
    const double dx = to.x - from.x, dy = to.y - from.y;
    const double across = fabs(dx) > 0 ? BOX_W / 2 / fabs(dx) : 1e9;
    const double down = fabs(dy) > 0 ? BOX_H / 2 / fabs(dy) : 1e9;
    const double share = across < down ? across : down;
    return (struct place){ from.x + dx * share, from.y + dy * share };
}

static void arrow_head(FILE *out, struct place from, struct place to, const char *class)
{
    const double dx = to.x - from.x, dy = to.y - from.y, len = hypot(dx, dy);
    const double ux = len > 0 ? dx / len : 0, uy = len > 0 ? dy / len : 1;
    fprintf(out, "<path class=\"%s\" d=\"M%.1f %.1fL%.1f %.1fL%.1f %.1f\"/>\n", class,
            to.x - 9 * ux + 5 * uy, to.y - 9 * uy - 5 * ux, to.x, to.y, to.x - 9 * ux - 5 * uy,
            to.y - 9 * uy + 5 * ux);
}

/* What is drawn only if it was taken: it can happen almost anywhere and would hide the rest. */
static bool is_rare(const struct flow_edge *edge)
{
    return edge->event == FLOW_EV_ABORT || edge->event == FLOW_EV_REOPEN ||
           edge->event == FLOW_EV_TIMEOUT_ORPHAN ||
           (edge->event == FLOW_EV_CLOSE && edge->to == WEIR_CLOSED);
}

static void put_edge(FILE *out, const struct flow *flow, unsigned index)
{
    const struct flow_edge *edge = flow_edge(index);
    const unsigned left = flow->edges[0][index], right = flow->edges[1][index];
    const struct place a = places[edge->from];
    const struct place b = places[edge->to == WEIR_CLOSED ? BOTTOM : edge->to];
    const bool taken = left + right > 0;
    const char *class = left > 0 && right > 0 ? "both"
                        : left > 0            ? "lit"
                        : right > 0           ? "lit1"
                                              : "off";
    char text[96];
    if (!taken && is_rare(edge))
        return;
    const struct place from = border(a, b), to = border(b, a);
    fprintf(out,
            "<g><title>%s to %s: %s (RFC 9293, %s) %s</title>\n<path class=\"%s\" d=\"M%.1f "
            "%.1fL%.1f %.1f\"/>\n",
            weir_state_text(edge->from), weir_state_text(edge->to), flow_event_text(edge->event),
            edge->clause, edge->what, class, from.x, from.y, to.x, to.y);
    arrow_head(out, from, to, class);
    if (left > 0 && right > 0)
        snprintf(text, sizeof text, "%s (%u, %u)", flow_event_text(edge->event), left, right);
    else if (taken)
        snprintf(text, sizeof text, "%s (%u)", flow_event_text(edge->event), left + right);
    else
        snprintf(text, sizeof text, "%s", flow_event_text(edge->event));
    svg_text(out, (from.x + to.x) / 2, (from.y + to.y) / 2 - 3, SVG_MIDDLE,
             taken ? "small halo bold" : "small halo dim", text);
    fputs("</g>\n", out);
}

static void put_box(FILE *out, const struct flow *flow, unsigned place)
{
    const unsigned state = place == BOTTOM ? WEIR_CLOSED : place;
    const bool left = place != WEIR_CLOSED && flow->end[0].state == state;
    const bool right = place != WEIR_CLOSED && flow->end[1].state == state;
    const char *class = left && right ? "both" : left ? "lit" : right ? "lit1" : "";
    fprintf(out,
            "<rect class=\"box %s\" x=\"%.1f\" y=\"%.1f\" width=\"%.0f\" height=\"%.0f\""
            " rx=\"6\"/>\n",
            class, places[place].x - BOX_W / 2, places[place].y - BOX_H / 2, BOX_W, BOX_H);
    svg_text(out, places[place].x, places[place].y + 5, SVG_MIDDLE, "bold", weir_state_text(state));
}

static void diagram_legend(FILE *out, const struct flow *flow)
{
    static const char *const classes[] = { "lit", "lit1", "both" };
    char addr[TRACE_ADDR_MAX], text[120];
    for (unsigned i = 0; i < 3; i++) {
        if (i < 2)
            snprintf(text, sizeof text, "%s, %s", i == 0 ? "opener" : "other end",
                     trace_addr(&flow->end[i].addr, addr));
        else
            snprintf(text, sizeof text, "both");
        fprintf(out, "<path class=\"%s\" d=\"M%d %dh22\"/>\n", classes[i], 12, 24 + 18 * (int)i);
        svg_text(out, 40, 28 + 18 * i, SVG_START, "small", text);
    }
    svg_text(out, DIAGRAM_W - 10, DIAGRAM_H - 10, SVG_END, "dim small",
             "RFC 9293, 3.3.2; a framed state is the last one; ABORT and the like only if taken");
}

void trace_diagram_svg(FILE *out, const struct flow *flow)
{
    const struct flow_edge listen = { FLOW_EV_PASSIVE, WEIR_CLOSED, WEIR_LISTEN, "3.10.1", "" };
    const struct place a = places[listen.from], b = places[listen.to];
    const struct place from = border(a, b), to = border(b, a);
    svg_begin(out, DIAGRAM_W, DIAGRAM_H, "diagram", "state diagram with the edges taken");
    diagram_legend(out, flow);
    fprintf(out, "<path class=\"off\" d=\"M%.1f %.1fL%.1f %.1f\"/>\n", from.x, from.y, to.x, to.y);
    arrow_head(out, from, to, "off");
    svg_text(out, (from.x + to.x) / 2, (from.y + to.y) / 2 - 3, SVG_MIDDLE, "small halo dim",
             "listen");
    for (unsigned i = 0; i < flow_edge_count(); i++)
        put_edge(out, flow, i);
    for (unsigned i = 0; i <= WEIR_STATE_COUNT; i++)
        put_box(out, flow, i);
    svg_end(out);
}
