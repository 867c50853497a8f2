/* SPDX-License-Identifier: MIT */
#include "trace_svg.h"

#include "trace.h"

#define TICKS 6

/* Colours that people with any colour vision can tell apart, on light and on dark. */
static const char style[] =
    ".wp{--bg:#fff;--fg:#1b1f24;--dim:#6a737d;--grid:#e4e7eb;--data:#1f5fbf;--rtx:#c62828;"
    "--ack:#2e7d32;--win:#b8860b;--sack:#7b3fa0;--ooo:#d9730d;--box:#f3f5f8;"
    "--s0:#8a6d3b;--s1:#b8860b;--s2:#2e7d32;--s3:#1f77b4;--s4:#5aa6d6;--s5:#d9730d;--s6:#7b3fa0;"
    "--s7:#c2649a;--s8:#8a939c;--s9:#d5d9de;--s10:#d5d9de;"
    "--l0:#e4e7eb;--l1:#8a6d3b;--l2:#c9d3de;--l3:#1f77b4;--l4:#b8860b;--l5:#c62828;--l6:#7b3fa0;"
    "font:13px system-ui,sans-serif;background:var(--bg);color:var(--fg);fill:none}"
    "@media(prefers-color-scheme:dark){.wp{--bg:#14181d;--fg:#e6e9ec;--dim:#98a2ad;--grid:#2b323a;"
    "--data:#79b0ff;--rtx:#ff7b72;--ack:#6fcf7a;--win:#e3b341;--sack:#c792ea;--ooo:#f0a35e;"
    "--box:#1f262e;--s0:#c7a76a;--s1:#e3b341;--s2:#5fbf6b;--s3:#5aa6d6;--s4:#8fc7ea;--s5:#f0a35e;"
    "--s6:#c792ea;--s7:#e39ac5;--s8:#7d8791;--s9:#39424b;--s10:#39424b;--l0:#2b323a;--l1:#c7a76a;"
    "--l2:#46525e;--l3:#5aa6d6;--l4:#e3b341;--l5:#ff7b72;--l6:#c792ea}}"
    ".wp text{fill:var(--fg);stroke:none}.wp .dim{fill:var(--dim)}.wp .small{font-size:11px}"
    ".wp .bold{font-weight:600}.wp .why{fill:var(--sack)}.wp .bad{fill:var(--rtx)}"
    ".wp .mono{font-family:ui-monospace,monospace;font-size:12px}"
    ".wp .grid{stroke:var(--grid)}.wp .axis{stroke:var(--dim)}"
    ".wp .data{stroke:var(--data);stroke-width:1.6}.wp .rtx{stroke:var(--rtx);stroke-width:2.4}"
    ".wp .ooo{stroke:var(--ooo);stroke-width:2.4}.wp .ack{stroke:var(--ack);stroke-width:1.2}"
    ".wp .cwnd{stroke:var(--ack);stroke-width:1.8;stroke-dasharray:7 3}"
    ".wp .win{stroke:var(--win);stroke-width:1.2}.wp .sack{stroke:var(--sack);stroke-width:1.6}"
    ".wp .dot0{fill:var(--data)}.wp .dot1{fill:var(--ack)}.wp .lost{stroke-dasharray:7 4}"
    ".wp .box{fill:var(--box);stroke:var(--dim)}.wp .lit{stroke:var(--data);stroke-width:2.6}"
    ".wp .lit1{stroke:var(--ack);stroke-width:2.6}.wp .both{stroke:var(--sack);stroke-width:3}"
    ".wp .off{stroke:var(--grid);stroke-width:1.4}.wp .halo{stroke:var(--bg);stroke-width:4;"
    "paint-order:stroke}"
    ".wp .s0{fill:var(--s0)}.wp .s1{fill:var(--s1)}.wp .s2{fill:var(--s2)}.wp .s3{fill:var(--s3)}"
    ".wp .s4{fill:var(--s4)}.wp .s5{fill:var(--s5)}.wp .s6{fill:var(--s6)}.wp .s7{fill:var(--s7)}"
    ".wp .s8{fill:var(--s8)}.wp .s9{fill:var(--s9)}.wp .s10{fill:var(--s10)}"
    ".wp .l0{fill:var(--l0)}.wp .l1{fill:var(--l1)}.wp .l2{fill:var(--l2)}.wp .l3{fill:var(--l3)}"
    ".wp .l4{fill:var(--l4)}.wp .l5{fill:var(--l5)}.wp .l6{fill:var(--l6)}";

void svg_begin(FILE *out, unsigned width, unsigned height, const char *class, const char *what)
{
    fprintf(out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"wp %s\" viewBox=\"0 0 %u %u\""
            " role=\"img\" aria-label=\"",
            class, width, height);
    svg_escaped(out, what);
    fprintf(out,
            "\">\n<style>%s</style>\n<rect class=\"paper\" width=\"%u\" height=\"%u\""
            " style=\"fill:var(--bg)\"/>\n",
            style, width, height);
}

void svg_end(FILE *out)
{
    fputs("</svg>\n", out);
}

void svg_escaped(FILE *out, const char *text)
{
    for (; *text != '\0'; text++)
        switch (*text) {
        case '<':
            fputs("&lt;", out);
            break;
        case '>':
            fputs("&gt;", out);
            break;
        case '&':
            fputs("&amp;", out);
            break;
        case '"':
            fputs("&quot;", out);
            break;
        default:
            fputc(*text, out);
        }
}

void svg_text(FILE *out, double x, double y, enum svg_anchor anchor, const char *class,
              const char *text)
{
    static const char *const anchors[] = { "start", "middle", "end" };
    fprintf(out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\" class=\"%s\">", x, y,
            anchors[anchor], class);
    svg_escaped(out, text);
    fputs("</text>\n", out);
}

/* ---- Plots ---- */

double svg_x(const struct svg_plot *plot, int64_t value)
{
    const double range = (double)(plot->x.most - plot->x.least);
    return plot->left + (range > 0 ? (double)(value - plot->x.least) / range : 0) * plot->width;
}

double svg_y(const struct svg_plot *plot, int64_t value)
{
    const double range = (double)(plot->y.most - plot->y.least);
    const double share = range > 0 ? (double)(value - plot->y.least) / range : 0;
    return plot->top + plot->height - share * plot->height;
}

/* 1, 2 or 5 times a power of ten, so that about TICKS fit. */
static int64_t step_of(const struct svg_axis *axis)
{
    const int64_t range = axis->most - axis->least;
    int64_t step = 1;
    while (range / step > TICKS * 10 && step < INT64_MAX / 100)
        step *= 10;
    if (range / step > TICKS * 5)
        return step * 10;
    if (range / step > TICKS * 2)
        return step * 5;
    return range / step > TICKS ? step * 2 : step;
}

static void tick(const struct svg_plot *plot, const struct svg_axis *axis, int64_t value)
{
    char text[TRACE_TIME_MAX];
    const bool is_x = axis == &plot->x;
    const double at = is_x ? svg_x(plot, value) : svg_y(plot, value);
    if (axis->is_time)
        trace_time(value, text);
    else
        trace_amount((uint64_t)value, text);
    if (is_x) {
        fprintf(plot->out, "<path class=\"grid\" d=\"M%.1f %.1fV%.1f\"/>\n", at, plot->top,
                plot->top + plot->height);
        svg_text(plot->out, at, plot->top + plot->height + 16, SVG_MIDDLE, "dim small", text);
    } else {
        fprintf(plot->out, "<path class=\"grid\" d=\"M%.1f %.1fH%.1f\"/>\n", plot->left, at,
                plot->left + plot->width);
        svg_text(plot->out, plot->left - 6, at + 4, SVG_END, "dim small", text);
    }
}

void svg_axes(const struct svg_plot *plot)
{
    const struct svg_axis *const axes[] = { &plot->x, &plot->y };
    for (unsigned i = 0; i < 2; i++) {
        const int64_t step = step_of(axes[i]);
        if (axes[i]->most == axes[i]->least)
            continue; /* rows, not numbers */
        for (int64_t at = axes[i]->least; at <= axes[i]->most; at += step)
            tick(plot, axes[i], at);
    }
    fprintf(plot->out, "<path class=\"axis\" d=\"M%.1f %.1fV%.1fH%.1f\"/>\n", plot->left, plot->top,
            plot->top + plot->height, plot->left + plot->width);
    svg_text(plot->out, plot->left, plot->top - 8, SVG_START, "dim small", plot->y.label);
    svg_text(plot->out, plot->left + plot->width, plot->top + plot->height + 32, SVG_END,
             "dim small", plot->x.label);
}
