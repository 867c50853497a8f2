/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TOOLS_DUMP_TEXT_H
#define WEIR_TOOLS_DUMP_TEXT_H

/* One packet in tcpdump's words. Numbers are relative to the first of each direction, so the lines
 * of one capture belong to one `struct dump`. What higher protocols say is not read. */

#include "doctor/capture_packet.h"

#include <stdio.h>

#define DUMP_TALKS 65536 /* pairs whose first numbers are remembered; beyond it the oldest goes */

enum dump_time { /* as -t, -tt, ... */
    DUMP_TIME_DAY,
    DUMP_TIME_NONE,
    DUMP_TIME_EPOCH,
    DUMP_TIME_DELTA,
    DUMP_TIME_DATE,
    DUMP_TIME_SINCE, /* the first */
};

enum dump_octets {
    DUMP_OCTETS_NONE,
    DUMP_OCTETS_HEX,   /* -x */
    DUMP_OCTETS_BOTH,  /* -X */
    DUMP_OCTETS_ASCII, /* -A */
};

struct dump_talk;

struct dump {
    FILE *out;
    unsigned verbose;
    enum dump_time time;
    enum dump_octets octets;
    bool numeric, quick, link, absolute;
    bool link_octets; /* -xx, -XX: octets from the frame's first on */
    bool numbered;    /* -# */
    uint64_t count;
    int64_t before; /* for -ttt and -ttttt */
    bool any;
    struct dump_talk *talks;
};

bool dump_begin(struct dump *dump);
void dump_end(struct dump *dump);
/* The packet as an object in a line of its own (dump_json.c). */
void dump_json(FILE *out, const struct capture_frame *frame);

void dump_packet(struct dump *dump, const struct capture_frame *frame);

#endif
