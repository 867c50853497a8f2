/* SPDX-License-Identifier: MIT */

/* What happens over time: sequence numbers, round trips, octets in flight. */

#include "trace.h"
#include "trace_svg.h"

#include "base/seq.h"

#include <inttypes.h>
#include <stdlib.h>

#define WIDTH  1000u
#define HEIGHT 480u
#define LEFT   70
#define TOP    56
#define PLOT_W (WIDTH - LEFT - 20)
#define PLOT_H (HEIGHT - TOP - 78)

#define CLOSE_Y     3 /* units: what is nearer than this is one mark in a picture that is full */
#define WINDOW_OVER 4 /* a window farther away than this many times the data is not drawn whole */

static void title(FILE *out, const struct flow *flow, unsigned end, const char *what)
{
    char from[TRACE_ADDR_MAX], to[TRACE_ADDR_MAX], text[200];
    snprintf(text, sizeof text, "%s, flow %" PRIu64 ": %s to %s", what, flow->id,
             trace_addr(&flow->end[end].addr, from), trace_addr(&flow->end[!end].addr, to));
    svg_text(out, 12, 20, SVG_START, "bold", text);
}

static struct svg_plot plot_of(FILE *out, const struct flow *flow)
{
    return (struct svg_plot){
        .out = out,
        .left = LEFT,
        .top = TOP,
        .width = PLOT_W,
        .height = PLOT_H,
        .x = { 0, flow->last > flow->first ? flow->last - flow->first : 1, true,
               "since the first packet" },
    };
}

/* ---- The band ---- */

/* What held the sender up, under the plot. Neighbours that are alike are one. */
static void put_band(const struct svg_plot *plot, const struct flow *flow, unsigned end)
{
    const double y = plot->top + plot->height + 38;
    int64_t began = 0;
    for (uint32_t i = 1; i < flow->segment_count; i++) {
        const struct flow_segment *at = &flow->segments[i];
        const bool same =
            i + 1 < flow->segment_count && flow->segments[i + 1].limit[end] == at->limit[end];
        if (same)
            continue;
        const int64_t ended = at->when - flow->first;
        const double x = svg_x(plot, began), width = svg_x(plot, ended) - x;
        if (width >= 0.3)
            fprintf(plot->out,
                    "<rect class=\"l%u\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"9\"><title>"
                    "%s</title></rect>\n",
                    at->limit[end], x, y, width, flow_limit_text(at->limit[end]));
        began = ended;
    }
}

static void put_band_legend(FILE *out)
{
    double x = LEFT;
    const double y = HEIGHT - 8;
    for (unsigned i = FLOW_LIMIT_HANDSHAKE; i < FLOW_LIMIT_COUNT; i++) {
        const char *text = flow_limit_text(i);
        fprintf(out, "<rect class=\"l%u\" x=\"%.1f\" y=\"%.1f\" width=\"10\" height=\"10\"/>\n", i,
                x, y - 9);
        svg_text(out, x + 14, y, SVG_START, "dim small", text);
        x += 40;
        for (; *text != '\0'; text++)
            x += 6.2;
    }
}

static void put_legend(FILE *out, const char *const names[][2], unsigned count)
{
    double x = LEFT + 150;
    for (unsigned i = 0; i < count; i++) {
        fprintf(out, "<path class=\"%s\" d=\"M%.1f 44h16\"/>\n", names[i][0], x);
        svg_text(out, x + 20, 48, SVG_START, "dim small", names[i][1]);
        x += 34;
        for (const char *c = names[i][1]; *c != '\0'; c++)
            x += 6.2;
    }
}

/* ---- Time and sequence ---- */

static const char *class_of(const struct flow_segment *segment)
{
    if (flow_is_rtx(segment->class))
        return "rtx";
    return segment->class == FLOW_REORDERED || segment->class == FLOW_DUPLICATE ? "ooo" : "data";
}

/* How far a number lies behind the first of its end; 0 for what lies before it. */
static int64_t behind(const struct flow_end *end, uint32_t seq)
{
    const int32_t diff = seq_diff(seq, end->una); /* una: within 2^31 of everything late */
    const int64_t whole = (int64_t)(uint32_t)(end->una - end->iss);
    return whole + diff > 0 ? whole + diff : 0;
}

static int64_t highest(const struct flow *flow, unsigned end)
{
    int64_t most = 1;
    for (uint32_t i = 0; i < flow->segment_count; i++) {
        const struct flow_segment *at = &flow->segments[i];
        const int64_t to = behind(&flow->end[end], at->seq + at->len);
        if (at->from == end && at->class != FLOW_RST_DOUBTFUL && to > most)
            most = to;
    }
    return most;
}

static void put_segment(const struct svg_plot *plot, const struct flow *flow,
                        const struct flow_segment *at, bool hover)
{
    const struct flow_end *end = &flow->end[at->from];
    const int64_t start = behind(end, at->seq);
    const double x = svg_x(plot, at->when - flow->first);
    const double low = svg_y(plot, start), high = svg_y(plot, start + (at->len > 0 ? at->len : 1));
    const bool lost = at->delivery == FLOW_LOST || at->delivery == FLOW_MISSED;
    char took[TRACE_TIME_MAX], why[TRACE_WHY_MAX];
    fprintf(plot->out, "<path class=\"%s%s\" d=\"M%.1f %.1fV%.1f\"", class_of(at),
            lost ? " lost" : "", x, low, low - high < 1.5 ? low - 1.5 : high);
    if (!hover) {
        fputs("/>\n", plot->out);
        return;
    }
    fprintf(plot->out, "><title>%s: %" PRId64 " to %" PRId64 " ",
            trace_time(at->when - flow->first, took), start, start + at->len);
    svg_escaped(plot->out, trace_why(at, why));
    fputs("</title></path>\n", plot->out);
}

/* A stair of what the other end says: its ACK, or that and its window. */
static void put_stair(const struct svg_plot *plot, const struct flow *flow, unsigned end,
                      bool window)
{
    const struct flow_end *at = &flow->end[end];
    double drawn_x = -1, drawn_y = -1;
    fprintf(plot->out, "<path class=\"%s\" d=\"", window ? "win" : "ack");
    for (uint32_t i = 0; i < flow->segment_count; i++) {
        const struct flow_segment *segment = &flow->segments[i];
        if (segment->from == end || (segment->flags & (PACKET_ACK | PACKET_RST)) != PACKET_ACK)
            continue;
        int64_t value = behind(at, segment->ack) + (window ? segment->window : 0);
        if (value > plot->y.most)
            value = plot->y.most;
        const double x = svg_x(plot, segment->when - flow->first), y = svg_y(plot, value);
        if (drawn_x < 0)
            fprintf(plot->out, "M%.1f %.1f", x, y);
        else if (x - drawn_x >= 0.2 || y - drawn_y >= 1 || drawn_y - y >= 1)
            fprintf(plot->out, "H%.1fV%.1f", x, y);
        else
            continue;
        drawn_x = x;
        drawn_y = y;
    }
    fputs("\"/>\n", plot->out);
}

static void put_sacks(const struct svg_plot *plot, const struct flow *flow, unsigned end)
{
    unsigned count = 0;
    for (uint32_t i = 0; i < flow->segment_count && count < SVG_HOVERED; i++) {
        const struct flow_segment *at = &flow->segments[i];
        if (at->from == end || at->class == FLOW_RST_DOUBTFUL)
            continue;
        for (unsigned k = 0; k < at->sack_count && count < SVG_HOVERED; k++, count++)
            fprintf(plot->out, "<path class=\"sack\" d=\"M%.1f %.1fV%.1f\"/>\n",
                    svg_x(plot, at->when - flow->first),
                    svg_y(plot, behind(&flow->end[end], at->sack[k].start)),
                    svg_y(plot, behind(&flow->end[end], at->sack[k].end)));
    }
}

/* Of many segments those that would lie upon each other are left out, never a repaired one. */
static void put_segments(const struct svg_plot *plot, const struct flow *flow, unsigned end)
{
    const bool many = flow->segment_count > 2 * SVG_HOVERED;
    double last_x = -10, last_y = -10;
    for (uint32_t i = 0; i < flow->segment_count; i++) {
        const struct flow_segment *at = &flow->segments[i];
        const bool space = at->len > 0 || (at->flags & (PACKET_SYN | PACKET_FIN)) != 0;
        if (at->from != end || !space)
            continue;
        const double x = svg_x(plot, at->when - flow->first);
        const double y = svg_y(plot, behind(&flow->end[end], at->seq));
        const bool near = x - last_x < 0.5 && last_y - y < CLOSE_Y && last_y - y >= 0;
        if (many && near && at->class == FLOW_NEW)
            continue;
        put_segment(plot, flow, at, i < SVG_HOVERED || at->class != FLOW_NEW);
        last_x = x;
        last_y = y;
    }
}

void trace_tsg_svg(FILE *out, const struct flow *flow, unsigned end)
{
    static const char *const names[][2] = {
        { "data", "data" },        { "rtx", "sent again" }, { "ooo", "out of order, or twice" },
        { "ack", "acknowledged" }, { "win", "window" },     { "sack", "SACK" }
    };
    struct svg_plot plot = plot_of(out, flow);
    const int64_t most = highest(flow, end);
    const int64_t window = most + flow->end[!end].window_max, room = most + most / 3;
    plot.y = (struct svg_axis){ 0, window < room ? window : room, false, "octets sent" };
    svg_begin(out, WIDTH, HEIGHT, "tsg", "time-sequence graph");
    title(out, flow, end, "time-sequence graph");
    put_legend(out, names, sizeof names / sizeof names[0]);
    svg_axes(&plot);
    put_stair(&plot, flow, end, true);
    put_stair(&plot, flow, end, false);
    put_sacks(&plot, flow, end);
    put_segments(&plot, flow, end);
    put_band(&plot, flow, end);
    put_band_legend(out);
    svg_end(out);
}

/* ---- xplot's format ---- */

static void put_xpl_time(FILE *out, int64_t when)
{
    fprintf(out, " %" PRId64 ".%06" PRId64, when / WEIR_SECOND, when % WEIR_SECOND / 1000);
}

static void put_xpl_ack(FILE *out, const struct flow *flow, const struct flow_segment *at,
                        const struct flow_segment *before)
{
    const struct flow_end *end = &flow->end[!at->from];
    const int64_t ack = behind(end, at->ack), old = behind(end, before->ack);
    fputs("green\nline", out);
    put_xpl_time(out, before->when);
    fprintf(out, " %" PRId64, old);
    put_xpl_time(out, at->when);
    fprintf(out, " %" PRId64 "\nline", old);
    put_xpl_time(out, at->when);
    fprintf(out, " %" PRId64, old);
    put_xpl_time(out, at->when);
    fprintf(out, " %" PRId64 "\nyellow\nline", ack);
    put_xpl_time(out, before->when);
    fprintf(out, " %" PRId64, old + before->window);
    put_xpl_time(out, at->when);
    fprintf(out, " %" PRId64 "\n", old + before->window);
}

static void put_xpl_data(FILE *out, const struct flow *flow, const struct flow_segment *at)
{
    const int64_t start = behind(&flow->end[at->from], at->seq);
    fprintf(out, "%s\ndarrow", flow_is_rtx(at->class) ? "red" : "white");
    put_xpl_time(out, at->when);
    fprintf(out, " %" PRId64 "\nuarrow", start);
    put_xpl_time(out, at->when);
    fprintf(out, " %" PRId64 "\nline", start + at->len);
    put_xpl_time(out, at->when);
    fprintf(out, " %" PRId64, start);
    put_xpl_time(out, at->when);
    fprintf(out, " %" PRId64 "\n", start + at->len);
    if (!flow_is_rtx(at->class))
        return;
    fputs("atext", out);
    put_xpl_time(out, at->when);
    fprintf(out, " %" PRId64 "\nR\n", start + at->len);
}

void trace_tsg_xpl(FILE *out, const struct flow *flow, unsigned end)
{
    char from[TRACE_ADDR_MAX], to[TRACE_ADDR_MAX];
    const struct flow_segment *before = NULL;
    fprintf(out, "timeval unsigned\ntitle\n%s_==>_%s (time sequence graph)\n",
            trace_addr(&flow->end[end].addr, from), trace_addr(&flow->end[!end].addr, to));
    fputs("xlabel\ntime\nylabel\nsequence number\n", out);
    for (uint32_t i = 0; i < flow->segment_count; i++) {
        const struct flow_segment *at = &flow->segments[i];
        if (at->from == end && at->len > 0)
            put_xpl_data(out, flow, at);
        if (at->from == end || (at->flags & (PACKET_ACK | PACKET_RST)) != PACKET_ACK)
            continue;
        if (before != NULL)
            put_xpl_ack(out, flow, at, before);
        for (unsigned k = 0; k < at->sack_count; k++) {
            fputs("purple\nline", out);
            put_xpl_time(out, at->when);
            fprintf(out, " %" PRId64, behind(&flow->end[end], at->sack[k].start));
            put_xpl_time(out, at->when);
            fprintf(out, " %" PRId64 "\n", behind(&flow->end[end], at->sack[k].end));
        }
        before = at;
    }
    fputs("go\n", out);
}

/* ---- Round trips and flight ---- */

void trace_rtt_svg(FILE *out, const struct flow *flow)
{
    static const char *const names[][2] = { { "data", "of what the opener sent" },
                                            { "ack", "of what the other end sent" } };
    struct svg_plot plot = plot_of(out, flow);
    const int64_t a = flow->end[0].rtt.max, b = flow->end[1].rtt.max;
    char text[TRACE_TIME_MAX], at_text[TRACE_TIME_MAX];
    plot.y = (struct svg_axis){ 0, (a > b ? a : b) + 1, true, "to the acknowledgment" };
    svg_begin(out, WIDTH, HEIGHT, "rtt", "round trips over time");
    title(out, flow, 0, "round trips");
    put_legend(out, names, 2);
    svg_axes(&plot);
    for (uint32_t i = 0; i < flow->segment_count; i++) {
        const struct flow_segment *at = &flow->segments[i];
        if (at->rtt == 0)
            continue;
        fprintf(out, "<circle class=\"dot%u\" cx=\"%.1f\" cy=\"%.1f\" r=\"2\"", !at->from,
                svg_x(&plot, at->when - flow->first), svg_y(&plot, at->rtt));
        if (i < SVG_HOVERED)
            fprintf(out, "><title>%s: %s</title></circle>\n",
                    trace_time(at->when - flow->first, at_text), trace_time(at->rtt, text));
        else
            fputs("/>\n", out);
    }
    svg_end(out);
}

enum line {
    LINE_FLIGHT, /* of what an end sent */
    LINE_WINDOW, /* that its peer offers */
    LINE_CWND,
};

static int64_t value_of(const struct flow_segment *at, enum line line)
{
    return line == LINE_WINDOW ? at->window : line == LINE_CWND ? at->cwnd : at->flight;
}

static void put_line(const struct svg_plot *plot, const struct flow *flow, unsigned end,
                     enum line line)
{
    static const char *const class[] = { "data", "win", "cwnd" };
    bool begun = false;
    fprintf(plot->out, "<path class=\"%s\" d=\"", class[line]);
    for (uint32_t i = 0; i < flow->segment_count; i++) {
        const struct flow_segment *at = &flow->segments[i];
        if (at->from != (line == LINE_WINDOW ? !end : end) || (at->flags & PACKET_RST) != 0 ||
            (line == LINE_CWND && at->cwnd == 0))
            continue;
        int64_t value = value_of(at, line);
        if (value > plot->y.most)
            value = plot->y.most;
        fprintf(plot->out, begun ? "H%.1fV%.1f" : "M%.1f %.1f", svg_x(plot, at->when - flow->first),
                svg_y(plot, value));
        begun = true;
    }
    fputs("\"/>\n", plot->out);
}

void trace_flight_svg(FILE *out, const struct flow *flow)
{
    static const char *const names[][2] = { { "data", "in flight" },
                                            { "win", "window" },
                                            { "cwnd", "congestion window" } };
    const unsigned end = flow->end[0].octets >= flow->end[1].octets ? 0 : 1;
    const bool cwnd = flow->end[end].cwnd_max > 0;
    struct svg_plot plot = plot_of(out, flow);
    const int64_t flight = flow->end[end].flight_max, window = flow->end[!end].window_max;
    const int64_t most = window < flight * WINDOW_OVER ? window : flight + flight / 8;
    plot.y = (struct svg_axis){ 0, (most > flight ? most : flight) + 1, false, "octets" };
    svg_begin(out, WIDTH, HEIGHT, "flight", "octets in flight over time");
    title(out, flow, end, "in flight");
    put_legend(out, names, cwnd ? 3 : 2);
    svg_axes(&plot);
    put_line(&plot, flow, end, LINE_WINDOW);
    if (cwnd)
        put_line(&plot, flow, end, LINE_CWND);
    put_line(&plot, flow, end, LINE_FLIGHT);
    put_band(&plot, flow, end);
    put_band_legend(out);
    svg_end(out);
}

bool trace_has_cwnd(const struct flow *flow)
{
    return flow->end[0].cwnd_max > 0 || flow->end[1].cwnd_max > 0;
}

/* Of the end that sent more, or the only one whose window is known. */
void trace_cwnd_svg(FILE *out, const struct flow *flow)
{
    static const char *const names[][2] = { { "cwnd", "congestion window" },
                                            { "data", "in flight" } };
    unsigned end = flow->end[0].octets >= flow->end[1].octets ? 0 : 1;
    if (flow->end[end].cwnd_max == 0)
        end = !end;
    struct svg_plot plot = plot_of(out, flow);
    const struct flow_end *at = &flow->end[end];
    const int64_t most = at->cwnd_max > at->flight_max ? at->cwnd_max : at->flight_max;
    plot.y = (struct svg_axis){ 0, most + most / 8 + 1, false, "octets" };
    svg_begin(out, WIDTH, HEIGHT, "cwnd", "the congestion window over time");
    title(out, flow, end, "congestion window");
    put_legend(out, names, 2);
    svg_axes(&plot);
    put_line(&plot, flow, end, LINE_CWND);
    put_line(&plot, flow, end, LINE_FLIGHT);
    put_band(&plot, flow, end);
    put_band_legend(out);
    svg_end(out);
}
