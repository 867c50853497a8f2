/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TOOLS_TOP_H
#define WEIR_TOOLS_TOP_H

/* `weir top`: what it knows between two looks (top.c), and how that is shown (top_screen.c). */

#include "look.h"
#include "ss_filter.h"

#define TOP_FLOWS_MAX 50000 /* more are counted, and not shown */
#define TOP_HISTORY   10    /* looks that the strip of limits shows */

/* What kept a flow from sending, as a letter of its strip. */
enum top_limit {
    TOP_LIMIT_NONE = '.',     /* nothing to send: the program */
    TOP_LIMIT_BUSY = '=',     /* it sends */
    TOP_LIMIT_PATH = 'c',     /* the congestion window */
    TOP_LIMIT_RECEIVER = 'r', /* the peer's window */
    TOP_LIMIT_BUFFER = 's',   /* our send buffer, or memory */
    TOP_LIMIT_NAGLE = 'n',    /* Nagle, cork */
    TOP_LIMIT_OPENING = 'h',  /* the handshake */
};

struct top_flow {
    struct facts_flow facts;
    uint64_t in_rate, out_rate;   /* octets a second, since the last look */
    uint32_t retrans_permille;    /* of the octets sent */
    char limits[TOP_HISTORY + 1]; /* oldest first */
};

enum top_order {
    TOP_BY_RATE,
    TOP_BY_STATE,
    TOP_BY_RTT,
    TOP_BY_RETRANS,
    TOP_BY_QUEUE,
    TOP_BY_OWNER,
    TOP_BY_PORT,
    TOP_ORDERS
};
const char *top_order_text(unsigned order);

struct top {
    struct look_options look;
    struct facts_query query;
    struct ss_filter filter;
    char filter_text[128];
    struct top_flow *flow, *before; /* shown, in order; of the last look, by key */
    size_t count, before_count;
    size_t found; /* also those that were too many */
    unsigned states[WEIR_STATE_COUNT];
    int64_t when, when_before;
    unsigned order;
    bool reverse;
    size_t places;
    int64_t interval; /* ns */
    unsigned columns; /* there is room for; 0: as many as it takes */
};

/* Looks again. TOOL_OK, or a line has been said. */
int top_look(struct top *top);
void top_sort(struct top *top);
void top_free(struct top *top);

/* Runs the screen until it is quit. */
int top_screen(struct top *top);

/* Everything about one flow in lines, with its ladder if it is weir's; `columns` wide. The caller
 * frees it. */
char *top_details(const struct top *top, const struct top_flow *flow, unsigned columns, bool ascii);

/* One line of the list; `width` columns of text, safe for a terminal. */
#define TOP_LINE_MAX 512
char *top_line(const struct top *top, const struct top_flow *flow, char text[TOP_LINE_MAX]);
const char *top_heading(const struct top *top, char text[TOP_LINE_MAX]);

#endif
