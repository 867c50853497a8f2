/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TOOLS_TRACE_H
#define WEIR_TOOLS_TRACE_H

/* `weir trace`: the connections of a capture, of a running instance or of an interface, in words
 * and in pictures.
 *
 * A capture is read into a table of flows (doctor/flow.h), and each picture is drawn from that: as
 * text into a terminal, as SVG into a file or into the report. Text from the file is escaped before
 * anybody sees it. */

#include "doctor/flow.h"

#include <stdio.h>

struct trace {
    struct flow_table table;
    struct capture_about about;
    uint64_t other_links; /* frames of link types nobody here understands */
    bool damaged;         /* the file ends early, as `why` says */
    char why[CAPTURE_WHY_MAX];
    char source[80];      /* "weir:default", "eth0"; "": a file */
    uint64_t older, lost; /* of an instance: records from before, and that we were too late for */
    uint64_t nameless;    /* segments of connections that nobody saw any more */
    bool merged;          /* of two captures */
    int64_t clock_offset; /* of the second capture's clock */
    uint64_t matched, only_first, only_second;
};

struct trace_want {
    const char *path, *second; /* second NULL: one capture */
    struct flow_keep keep;
    bool progress; /* a bar on stderr if it takes over a second */
};

/* Reads one or two captures. False if nothing could be read, with the reason in trace->why. What is
 * read before damage counts. trace_free in any case. */
bool trace_load(struct trace *trace, const struct trace_want *want);
void trace_free(struct trace *trace);

/* What happens: an instance's flight recorder, or an interface's packets beside the kernel's
 * sockets. TOOL_...; what is wrong has been said. trace_free in any case. */
struct trace_live_want {
    const char *net, *socket;   /* which instance; both NULL: the only one */
    const char *iface, *filter; /* iface NULL: an instance */
    int64_t time; /* ns; 0: of an instance what it remembers, of an interface until a signal */
    struct flow_keep keep;
};
int trace_live(struct trace *trace, const struct trace_live_want *want);

/* Two captures of both ends, by their packets (trace_merge.c). */
bool trace_merge(struct trace *trace, const struct trace_want *want);

/* A bar on stderr, once a second is over and if it is a terminal. */
struct trace_progress {
    int64_t began;
    unsigned drawn; /* per cent, +1; 0: nothing yet */
    bool wanted;
};
void trace_progress_begin(struct trace_progress *progress, bool wanted);
void trace_progress(struct trace_progress *progress, const struct capture_file *file);
void trace_progress_end(struct trace_progress *progress);

/* "192.0.2.1:80", "[2001:db8::1]:80" */
#define TRACE_ADDR_MAX (WEIR_IP_TEXT_MAX + 8)
char *trace_addr(const struct weir_addr *addr, char text[TRACE_ADDR_MAX]);
/* "1.234 ms", "2.5 s" */
#define TRACE_TIME_MAX 32
char *trace_time(int64_t ns, char text[TRACE_TIME_MAX]);
/* "1.2 M" */
char *trace_amount(uint64_t octets, char text[TRACE_TIME_MAX]);

/* Adds what the file's packets say in words to one line each; all start with "weir trace: ". */
void trace_complain(const struct trace *trace, const char *path);

const char *trace_source(const struct trace *trace); /* "pcap", "weir:default" */
void trace_summary(FILE *out, const struct trace *trace, unsigned columns);
void trace_flow_text(FILE *out, const struct flow *flow); /* everything of one, in lines */
void trace_json(FILE *out, const struct trace *trace, uint64_t only);

/* What a ladder says beside a segment, and how it folds bulk. */
#define TRACE_WHY_MAX 200
bool trace_is_plain(const struct flow *flow, uint32_t i);
uint32_t trace_plain_run(const struct flow *flow, uint32_t first);
const char *trace_why(const struct flow_segment *segment, char text[TRACE_WHY_MAX]);
char *trace_fold_text(const struct flow *flow, uint32_t first, uint32_t count,
                      char text[TRACE_WHY_MAX]);

/* The ladder. `columns` as of the terminal. */
struct trace_style {
    unsigned columns;
    bool ascii, colour, absolute, whole; /* whole: bulk is not folded */
};
void trace_ladder(FILE *out, const struct flow *flow, const struct trace_style *style);
void trace_ladder_svg(FILE *out, const struct flow *flow);

void trace_tsg_svg(FILE *out, const struct flow *flow, unsigned end);
void trace_tsg_xpl(FILE *out, const struct flow *flow, unsigned end);
void trace_rtt_svg(FILE *out, const struct flow *flow);
void trace_flight_svg(FILE *out, const struct flow *flow);
void trace_cwnd_svg(FILE *out, const struct flow *flow);
bool trace_has_cwnd(const struct flow *flow); /* its source knew the congestion window */
void trace_timeline_svg(FILE *out, const struct trace *trace, uint64_t only);
void trace_diagram_svg(FILE *out, const struct flow *flow);
void trace_html(FILE *out, const struct trace *trace, uint64_t only);

#endif
