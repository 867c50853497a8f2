/* SPDX-License-Identifier: MIT */
#include "run.h"

#include "code.h"
#include "symbols.h"

#include "weir/stack.h"
#include "weir/trace.h"

#include <ctype.h>
#include <math.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* What other tools take for a comment: `//: words`. On the kernel only `peer` and `state` are
 * looked at; the others ask what only weir can tell. */

#define WORD_ROOM 64

/* ---- words ---- */

static const char *next_word(const char *at, char word[WORD_ROOM])
{
    at += strspn(at, " \t");
    const size_t len = strcspn(at, " \t");
    snprintf(word, WORD_ROOM, "%.*s", (int)len, at);
    return at + len + strspn(at + len, " \t");
}

/* Names of enums may be written as the enum, or as trace.h prints them; case, `-` and `_` do not
 * matter. */
static bool same_name(const char *a, const char *b)
{
    for (; *a != '\0' && *b != '\0'; a++, b++) {
        const char x = (char)tolower(*a), y = (char)tolower(*b);
        if ((x == '-' ? '_' : x) != (y == '-' ? '_' : y))
            return false;
    }
    return *a == *b;
}

static const char *const state_names[] = {
#define X(name, text) text,
    WEIR_STATES(X)
#undef X
};
static const char *const why_names[] = {
#define X(name, text) #name,
    WEIR_WHYS(X)
#undef X
};
static const char *const wait_names[] = {
#define X(name, text) #name,
    WEIR_WAITS(X)
#undef X
};
static const char *const timer_names[] = {
#define X(name, text) #name,
    WEIR_TIMERS(X)
#undef X
};
static const char *const drop_names[] = {
#define X(name, text) #name,
    WEIR_DROPS(X)
#undef X
};

static unsigned by_name(struct run *run, const char *const *names, unsigned count,
                        const char *(*text)(unsigned), const char *given)
{
    for (unsigned i = 0; i < count; i++)
        if (same_name(names[i], given) || same_name(text(i), given))
            return i;
    run_fail(run, "nothing is called '%s' here", given);
}

static void same(struct run *run, const char *what, const char *seen, const char *wanted, bool good)
{
    if (!good)
        run_fail(run, "another %s\n  expected: %s\n  seen:     %s", what, wanted, seen);
}

/* ---- variables ---- */

enum unit {
    COUNT8,
    COUNT16,
    COUNT32,
    COUNT64,
    OURS,   /* a sequence number of ours, shown as the script counts */
    THEIRS, /* of the peer's */
    TIME,   /* seconds */
    FLAG,
};

struct variable {
    const char *name;
    uint16_t at;
    enum unit unit;
};

#define V(NAME, MEMBER, UNIT)                            \
    {                                                    \
        NAME, offsetof(struct weir_status, MEMBER), UNIT \
    }

static const struct variable variables[] = {
    V("iss", iss, OURS),
    V("snd.una", snd_una, OURS),
    V("snd.nxt", snd_nxt, OURS),
    V("snd.max", snd_max, OURS),
    V("snd.wnd", snd_wnd, COUNT32),
    V("snd.wl1", snd_wl1, THEIRS),
    V("snd.wl2", snd_wl2, OURS),
    V("irs", irs, THEIRS),
    V("rcv.nxt", rcv_nxt, THEIRS),
    V("rcv.wnd", rcv_wnd, COUNT32),
    V("cwnd", cwnd, COUNT32),
    V("ssthresh", ssthresh, COUNT32),
    V("in_flight", in_flight, COUNT32),
    V("sacked", sacked, COUNT32),
    V("lost", lost, COUNT32),
    V("unsent", unsent, COUNT32),
    V("unacked", unacked, COUNT32),
    V("unread", unread, COUNT32),
    V("out_of_order", out_of_order, COUNT32),
    V("mss", mss, COUNT16),
    V("rcv_mss", rcv_mss, COUNT16),
    V("peer_mss", peer_mss, COUNT16),
    V("snd_wscale", snd_wscale, COUNT8),
    V("rcv_wscale", rcv_wscale, COUNT8),
    V("timestamps", timestamps, FLAG),
    V("sack", sack, FLAG),
    V("srtt", srtt, TIME),
    V("rttvar", rttvar, TIME),
    V("rto", rto, TIME),
    V("rtt_min", rtt_min, TIME),
    V("backoff", backoff, COUNT8),
    V("keepalive_probes", keepalive_probes, COUNT8),
    V("octets_out", octets_out, COUNT64),
    V("octets_in", octets_in, COUNT64),
    V("octets_rtx", octets_rtx, COUNT64),
    V("octets_acked", octets_acked, COUNT64),
    V("segs_out", segs_out, COUNT32),
    V("segs_in", segs_in, COUNT32),
    V("segs_rtx", segs_rtx, COUNT32),
    V("dupacks", dupacks, COUNT32),
    V("rto_count", rto_count, COUNT32),
    V("recovery_count", recovery_count, COUNT32),
    V("path_mss", path_mss, COUNT16),
    V("ca_state", ca_state, COUNT8),
    V("retries", retries, COUNT8),
    V("unacked_segs", unacked_segs, COUNT32),
    V("sacked_segs", sacked_segs, COUNT32),
    V("lost_segs", lost_segs, COUNT32),
    V("rtx_segs", rtx_segs, COUNT32),
    V("offered", offered, COUNT32),
    V("data_in", tally.data_in, COUNT32),
    V("data_out", tally.data_out, COUNT32),
    V("delivered", tally.delivered, COUNT32),
    V("delivered_ce", tally.delivered_ce, COUNT32),
    V("beyond", tally.beyond, COUNT32),
    V("dsack_dups", tally.dsack_dups, COUNT32),
    V("reorder_count", tally.reorder_count, COUNT32),
    V("reordering", tally.reordering, COUNT16),
    V("rcv_space", tally.rcv_space, COUNT32),
    V("rto_recoveries", tally.rto_recoveries, COUNT16),
    V("limit", tally.limit, COUNT8),
    V("synq_len", synq_len, COUNT32),
    V("acceptq_len", acceptq_len, COUNT32),
};

struct asked {
    struct run *run;
    struct weir_status status;
};

static double value_of(const struct asked *asked, const struct variable *variable)
{
    const unsigned char *p = (const unsigned char *)&asked->status + variable->at;
    const struct flow *flow = asked->run->current;
    uint32_t word;
    uint64_t wide;
    uint16_t half;
    memcpy(&word, p, sizeof word);
    switch (variable->unit) {
    case COUNT8:
    case FLAG:
        return *p;
    case COUNT16:
        memcpy(&half, p, sizeof half);
        return half;
    case COUNT64:
        memcpy(&wide, p, sizeof wide);
        return (double)wide;
    case OURS:
        return word - flow->local_shift;
    case THEIRS:
        return word - flow->remote_shift;
    case TIME:
        memcpy(&wide, p, sizeof wide);
        return (double)(int64_t)wide / (double)WEIR_SECOND;
    default:
        return word;
    }
}

static bool lookup(void *context, const char *name, struct code_value *value)
{
    const struct asked *asked = context;
    int64_t number;
    for (unsigned i = 0; i < sizeof variables / sizeof variables[0]; i++) {
        if (strcmp(variables[i].name, name) != 0)
            continue;
        value->number = value_of(asked, &variables[i]);
        return true;
    }
    if (!symbol_value(name, &number))
        return false;
    value->number = (double)number;
    return true;
}

static void must_evaluate(struct run *run, struct code *code, const char *text,
                          struct code_value *value)
{
    if (!code_evaluate(code, text, strlen(text), value))
        run_fail(run, "%s", code->error);
}

/* NAME VALUE, or NAME OPERATOR EXPRESSION. */
static void variable(struct run *run, struct asked *asked, const char *text)
{
    char name[WORD_ROOM];
    struct code code = { .lookup = lookup, .context = asked };
    struct code_value wanted, seen;
    const char *rest = next_word(text, name);
    if (rest[0] == '\0')
        run_fail(run, "'%s' is no directive, or lacks a value", name);
    if (strchr("<>=!+-*/&|", rest[0]) != NULL) {
        must_evaluate(run, &code, text, &seen);
        if (seen.number == 0)
            run_fail(run, "it does not hold: %s\n  seen:     %s", text, code.names);
        return;
    }
    must_evaluate(run, &code, name, &seen);
    must_evaluate(run, &code, rest, &wanted);
    if (fabs(seen.number - wanted.number) > 5e-10)
        run_fail(run, "another %s\n  expected: %.10g\n  seen:     %.10g", name, wanted.number,
                 seen.number);
}

/* ---- directives ---- */

static void peer(struct run *run, const char *text)
{
    char *end;
    const unsigned long number = strtoul(text, &end, 10);
    if (end == text || *end != '\0' || number == 0 || number > 1000)
        run_fail(run, "//: peer takes a number from 1");
    for (struct flow *flow = run->flows; flow != NULL; flow = flow->next) {
        if (flow->number == number) {
            run->current = flow;
            return;
        }
    }
    if (number != run->flow_count + 1)
        run_fail(run, "the next peer has the number %u", run->flow_count + 1);
    run_flow(run, false, false);
}

static void timer(struct run *run, const struct weir_status *status, const char *text)
{
    char name[WORD_ROOM];
    const char *rest = next_word(text, name);
    const unsigned which = by_name(run, timer_names, WEIR_TIMER_COUNT, weir_timer_text, name);
    weir_time at = status->timer == which ? status->rtx_at : WEIR_NEVER;
    if (which == WEIR_TIMER_DELACK)
        at = status->delack_at;
    else if (which == WEIR_TIMER_KEEPALIVE)
        at = status->keepalive_at;
    else if (which == WEIR_TIMER_USER)
        at = status->user_at;
    if (which == WEIR_TIMER_NONE) {
        same(run, "timer", weir_timer_text(status->timer), "none",
             status->timer == WEIR_TIMER_NONE);
        return;
    }
    if (strcmp(rest, "off") == 0) {
        same(run, "timer", "running", "off", at == WEIR_NEVER);
        return;
    }
    same(run, "timer", weir_timer_text(status->timer), name, at != WEIR_NEVER);
    if (rest[0] == '\0')
        return;
    const double left = (double)(at - run->subject.now(run->subject.self)) / (double)WEIR_SECOND;
    char *end;
    const double wanted = strtod(rest, &end);
    if (*end != '\0' || fabs(left - wanted) > 5e-10)
        run_fail(run,
                 "the timer %s runs out at another time\n  expected: in %s s\n  seen:     in "
                 "%.9g s",
                 name, rest, left);
}

/* What Linux calls the states, by TCP_INFO's numbers. */
static void kernel_state(struct run *run, const char *name)
{
    static const unsigned states[] = { WEIR_CLOSED,       WEIR_ESTABLISHED, WEIR_SYN_SENT,
                                       WEIR_SYN_RECEIVED, WEIR_FIN_WAIT_1,  WEIR_FIN_WAIT_2,
                                       WEIR_TIME_WAIT,    WEIR_CLOSED,      WEIR_CLOSE_WAIT,
                                       WEIR_LAST_ACK,     WEIR_LISTEN,      WEIR_CLOSING };
    unsigned char info[256];
    socklen_t len = sizeof info;
    if (run->current == NULL || run->current->fd == FLOW_NO_FD)
        return;
    const struct call call = { CALL_getsockopt,
                               { run->current->fd, IPPROTO_TCP, 11, (long)info, (long)&len } };
    const unsigned wanted = by_name(run, state_names, WEIR_STATE_COUNT, weir_state_text, name);
    if (call_raw(run, call) < 0 || info[0] >= sizeof states / sizeof states[0])
        return;
    /* A socket whose connection is in TIME-WAIT, or was answered and not taken, says CLOSED. */
    if (wanted != WEIR_TIME_WAIT)
        same(run, "state", weir_state_text(states[info[0]]), name, states[info[0]] == wanted);
}

static void about_connection(struct run *run, const char *text)
{
    char word[WORD_ROOM];
    const char *rest = next_word(text, word);
    struct asked asked = { .run = run };
    const bool known = subject_weir_status(run, &asked.status);
    if (!known)
        asked.status.state = WEIR_CLOSED;
    if (strcmp(word, "state") == 0) {
        const unsigned wanted = by_name(run, state_names, WEIR_STATE_COUNT, weir_state_text, rest);
        same(run, "state", weir_state_text(asked.status.state), rest, asked.status.state == wanted);
        return;
    }
    if (!known)
        run_fail(run, "there is no connection that '%s' could be asked of", text);
    if (strcmp(word, "timer") == 0) {
        timer(run, &asked.status, rest);
    } else if (strcmp(word, "waits") == 0) {
        const unsigned wanted = by_name(run, wait_names, WEIR_WAIT_COUNT, weir_wait_text, rest);
        same(run, "reason to wait", weir_wait_text(asked.status.waits_for), rest,
             asked.status.waits_for == wanted);
    } else if (strcmp(word, "error") == 0 || strcmp(word, "soft_error") == 0) {
        const enum weir_error error = word[0] == 'e' ? asked.status.error : asked.status.soft_error;
        same(run, "error", weir_error_text(error), rest, same_name(weir_error_text(error), rest));
    } else {
        variable(run, &asked, strcmp(word, "assert") == 0 ? rest : text);
    }
}

static void about_packets(struct run *run, const char *word, const char *rest)
{
    char text[PACKET_TEXT];
    if (strcmp(word, "drop") == 0) {
        const unsigned wanted = by_name(run, drop_names, WEIR_DROP_COUNT, weir_drop_text, rest);
        same(run, "fate of the packet", weir_drop_name(run->dropped), rest, run->dropped == wanted);
    } else if (strcmp(word, "why") == 0) {
        const unsigned wanted = by_name(run, why_names, WEIR_WHY_COUNT, weir_why_text, rest);
        same(run, "reason to send", weir_why_text(run->matched.why), rest,
             run->matched.why == wanted);
    } else if (run->head != run->tail) {
        struct seen seen = run->queue[run->head];
        if (run->current != NULL)
            seen_relative(&seen, run->current);
        run_fail(run, "a packet left\n  expected: nothing\n  seen:     %10.6f  %s",
                 (double)seen.when / (double)WEIR_SECOND, seen_show(&seen, text));
    }
}

void directive_event(struct run *run, const struct event *event)
{
    char word[WORD_ROOM];
    const char *rest = next_word(event->text, word);
    const bool packets =
        strcmp(word, "drop") == 0 || strcmp(word, "why") == 0 || strcmp(word, "quiet") == 0;
    if (strcmp(word, "peer") == 0)
        peer(run, rest);
    else if (strcmp(word, "quiet") == 0 || (packets && !run->subject.real_time))
        about_packets(run, word, rest);
    else if (!run->subject.real_time)
        about_connection(run, event->text);
    else if (strcmp(word, "state") == 0)
        kernel_state(run, rest);
}
