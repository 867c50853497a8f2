/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TOOLS_TRACE_SVG_H
#define WEIR_TOOLS_TRACE_SVG_H

/* The parts that the pictures of `weir trace` are made of: an SVG document with a style of its own,
 * dark where the reader's screen is, and a plot with two axes. A picture needs nothing from
 * elsewhere, so it is the same as a file and within the report. */

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define SVG_HOVERED 4000u /* marks of a picture that say what they are; more would be too large */

/* Begins a document of that many units; `what` is read out to who cannot see it. */
void svg_begin(FILE *out, unsigned width, unsigned height, const char *class, const char *what);
void svg_end(FILE *out);

/* Text as XML has it. What is no printable ASCII was escaped before (tools/terminal.h). */
void svg_escaped(FILE *out, const char *text);
enum svg_anchor {
    SVG_START,
    SVG_MIDDLE,
    SVG_END,
};
void svg_text(FILE *out, double x, double y, enum svg_anchor anchor, const char *class,
              const char *text);

struct svg_axis {
    int64_t least, most;
    bool is_time; /* nanoseconds; else octets or a count */
    const char *label;
};

struct svg_plot {
    FILE *out;
    double left, top, width, height;
    struct svg_axis x, y;
};

/* Draws the axes with their ticks. */
void svg_axes(const struct svg_plot *plot);
double svg_x(const struct svg_plot *plot, int64_t value);
double svg_y(const struct svg_plot *plot, int64_t value);

#endif
