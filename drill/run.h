/* SPDX-License-Identifier: MIT */
#ifndef WEIR_DRILL_RUN_H
#define WEIR_DRILL_RUN_H

/* One run of one script: what is expected, one event after the other, against what a stack does.
 *
 * The first thing that does not hold ends the run. What was expected, what was seen and everything
 * that happened before is in `report` then, for a person. */

#include "script.h"
#include "subject.h"

#include <setjmp.h>

#define RUN_FDS_MAX    64
#define RUN_QUEUE_MAX  4096
#define RUN_REPORT_MAX (1u << 16)
#define RUN_PORT       8080 /* what a script's `...` binds to and connects to */

enum ip_mode {
    MODE_IPV4,
    MODE_IPV6,
    MODE_MAPPED, /* IPv4 on the wire, AF_INET6 sockets */
    MODE_COUNT
};
extern const char *const ip_mode_names[MODE_COUNT]; /* as --ip_version takes them */

struct run_config {
    enum ip_mode mode;
    bool exact; /* times to the nanosecond, timestamps */
    bool verbose;
    bool allow_shell; /* `commands` that are not understood are run (only with --kernel) */
    bool has_iss, has_peer_iss;
    uint32_t iss, peer_iss;        /* where our, and the peer's, numbers begin on the wire */
    const struct setting *options; /* of the command line; they win over the script's */
};

enum verdict {
    VERDICT_PASSED,
    VERDICT_FAILED,
    VERDICT_SKIPPED,
};

struct run {
    const struct script *script;
    const struct run_config *config;
    struct subject subject;
    struct drill_arena arena;
    jmp_buf end;
    enum verdict verdict;

    /* addresses */
    bool v6, anyip;
    struct weir_ip local, remote;
    unsigned prefix_len;
    uint16_t mtu, bind_port, connect_port;

    /* time */
    weir_time shift; /* the virtual clock begins so much later: it decides weir's numbers */
    bool exact, strict;
    weir_time base, last; /* of the script's time 0; of the latest event, in the script's time */
    weir_time late;       /* how much of `base` came on the way */
    weir_time tolerance;
    unsigned tolerance_percent10; /* tenths of a percent of the gap */

    /* sockets */
    struct {
        int script, live;
        bool used, datagram;
    } fd[RUN_FDS_MAX];
    struct flow *flows, *current;
    unsigned flow_count;
    uint16_t next_port;
    unsigned flags; /* of matching */

    /* packets that left and were not looked at */
    struct seen *queue;
    unsigned head, tail;
    struct seen matched; /* the latest that was expected */
    bool ts_used;

    /* the call that waits */
    const struct event *waiting;
    struct call waiting_call;
    weir_time waiting_start, waiting_end; /* as the script has them */
    struct code_name *names;              /* what code blocks have set */
    struct counters_mark *counters;       /* as of the last `nstat` */

    const struct event *event; /* under way */
    unsigned dropped;          /* why the latest packet in was dropped (enum weir_drop) */
    char *report;
    size_t report_len;
};

/* Runs it; the caller gives what `config` and `script` point to, and takes `report` (NULL when it
 * passed and nothing was asked for), which it frees. */
enum verdict run_script(const struct script *script, const struct run_config *config, bool kernel,
                        char **report);

/* ---- Between the files of the runner ---- */

_Noreturn void run_fail(struct run *run, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
_Noreturn void run_skip(struct run *run, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void run_note(struct run *run, const char *format, ...) __attribute__((format(printf, 2, 3)));

weir_time run_now(struct run *run); /* in the script's time */
weir_time run_tolerance(const struct run *run, weir_time gap);
void run_collect(struct run *run); /* takes what has left into the queue */
const char *run_option(const struct run *run, const char *name); /* NULL: not given */
struct flow *run_flow(struct run *run, bool active, bool udp);   /* a new one, the current */

void run_setup(struct run *run, bool kernel); /* options, addresses, settings, the subject */
void run_settings(struct run *run, const char *shell, unsigned line);

void call_event(struct run *run, const struct event *event);
void call_finish(struct run *run, long result, weir_time when);
bool call_sends(enum call_id id);
long call_raw(struct run *run, struct call call);
char *call_show(const struct event *event, char text[PACKET_TEXT]);

void code_event(struct run *run, const struct event *event);
void directive_event(struct run *run, const struct event *event);

/* ---- The subjects ---- */

bool subject_weir(struct run *run);
bool subject_kernel(struct run *run);

/* Only of weir: its own view of the current flow, for directives. */
struct weir;
struct weir *subject_weir_instance(struct run *run);
void counters_command(struct run *run, const char *rest, unsigned line); /* nstat REST */
struct weir_status;
bool subject_weir_status(struct run *run, struct weir_status *status);

#endif
