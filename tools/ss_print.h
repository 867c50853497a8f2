/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TOOLS_SS_PRINT_H
#define WEIR_TOOLS_SS_PRINT_H

/* The lines of ss(8). */

#include "look.h"
#include "ss_filter.h"

#include <stdio.h>

struct ss_options {
    struct look_options look;
    bool tcp, udp, v4, v6, all, listening, numeric, processes, timers, info, memory, extended;
    bool summary, no_header, resolve, events, one_line, help;
    struct ss_filter filter;
};

struct ss_row {
    char *line; /* what stands behind the columns */
    char place[LOOK_PLACE_MAX];
    char netid[8], state[16], rcvq[12], sndq[12];
    char local[96], lport[32], remote[96], rport[32];
};

#define SS_ROWS 4096 /* after so many the columns stay as wide as they are */

/* Writes rows in columns as wide as the first SS_ROWS of them need. */
struct ss_table {
    struct ss_row *row;
    unsigned count;
    unsigned width[9];
    bool fixed, place, netid, state, no_header;
    const struct owners *owners;
};

bool ss_table_begin(struct ss_table *table, const struct ss_options *options,
                    const struct look *look);
void ss_table_add(struct ss_table *table, const struct ss_options *options,
                  const struct facts_flow *flow);
void ss_table_end(struct ss_table *table);

/* The text behind the columns: owner, timer, identity, memory, and struct tcp_info in words. */
void ss_details(FILE *file, const struct ss_options *options, const struct facts_flow *flow,
                const struct owners *owners);

/* How many there are, of each place: -s (ss_summary.c). TOOL_... */
int ss_summary(struct look *look, bool as_json);

#endif
