/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TOOLS_LADDER_H
#define WEIR_TOOLS_LADDER_H

/* The ladder of a connection, as it happens: two lifelines, each segment an arrow with its flags,
 * its sequence numbers (relative to the first of each direction) and the reason it was sent, and
 * the state of each end where it changes.
 *
 * It draws what it is told and looks at nothing itself. Below LADDER_WIDE columns a segment takes
 * two lines, the words above the arrow; from there on one line, the words in the arrow. */

#include "weir/trace.h"

#include <stdio.h>

#define LADDER_NARROW 80 /* the least it is drawn for; fewer columns are taken as this many */
#define LADDER_WIDE   116

/* A state that is not known, or that has not changed, or no reason. */
#define LADDER_NONE WEIR_STATE_COUNT

struct ladder_style {
    unsigned columns;
    bool ascii;  /* no line-drawing characters */
    bool colour; /* ANSI colours */
};

struct ladder {
    FILE *out;
    struct ladder_style style;
    bool begun;
    weir_time began;
    unsigned state[2]; /* left, right: as last drawn */
    bool has_first[2];
    uint32_t first[2]; /* the first sequence number each end sent */
};

struct ladder_segment {
    weir_time when;
    bool leftward; /* from the right end to the left */
    uint8_t flags; /* as in the TCP header */
    uint32_t seq, ack, len;
    uint32_t window;       /* as in the header, or scaled */
    bool lost;             /* it never arrived: the arrow breaks off */
    const char *why;       /* "" if it is not known */
    unsigned state[2];     /* of the left and the right end, once it has arrived */
    unsigned sender_state; /* of its sender when it left; LADDER_NONE: not known */
};

/* What a record of a segment says of it: all but its reason and the states. */
struct ladder_segment ladder_recorded(const struct weir_record *record);

/* Draws the head: who stands at which end. The names are cut if they are too long. */
void ladder_begin(struct ladder *ladder, FILE *out, const struct ladder_style *style,
                  const char *left, const char *right);

void ladder_segment(struct ladder *ladder, const struct ladder_segment *segment);

/* A line of words between the lifelines: what a program did. `left` and `right` are states, or
 * LADDER_NONE. */
void ladder_note(struct ladder *ladder, weir_time when, const char *text, unsigned left,
                 unsigned right);

/* "SYN,ACK"; "-" for none. */
#define LADDER_FLAGS_MAX 40
char *ladder_flags(uint8_t flags, char text[LADDER_FLAGS_MAX]);

#endif
