/* SPDX-License-Identifier: MIT */
#include "run.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "weir/trace.h"

#define FIRST_PORT    40001                  /* of the peers */
#define ANY_WAIT      (100000 * WEIR_SECOND) /* how long `*` waits in virtual time */
#define ANY_WAIT_REAL (8 * WEIR_SECOND)
#define SECONDS(time) ((double)(time) / (double)WEIR_SECOND)

/* ---- what is reported ---- */

static void append(struct run *run, const char *format, va_list args)
{
    const size_t room = RUN_REPORT_MAX - run->report_len;
    const int n = vsnprintf(run->report + run->report_len, room, format, args);
    if (n > 0)
        run->report_len += (size_t)n < room ? (size_t)n : room - 1;
}

static void say(struct run *run, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    append(run, format, args);
    va_end(args);
}

/* A line of the ladder. When there are too many the first go. */
void run_note(struct run *run, const char *format, ...)
{
    const size_t keep = RUN_REPORT_MAX / 4;
    if (run->report_len > RUN_REPORT_MAX / 2) {
        const char *from = strchr(run->report + run->report_len - keep, '\n');
        const size_t len = strlen(from);
        memmove(run->report, from, len + 1);
        run->report_len = len;
    }
    va_list args;
    va_start(args, format);
    append(run, format, args);
    va_end(args);
    say(run, "\n");
}

static void finish(struct run *run, const char *format, va_list args)
{
    char *ladder = strdup(run->report);
    run->report_len = 0;
    say(run, "%s:%u: ", run->script->path, run->event != NULL ? run->event->line : 0);
    append(run, format, args);
    say(run, "\n");
    if (ladder != NULL && ladder[0] != '\0' && run->verdict == VERDICT_FAILED)
        say(run, "  so far:\n%.*s", (int)(RUN_REPORT_MAX - run->report_len - 20), ladder);
    free(ladder);
}

void run_fail(struct run *run, const char *format, ...)
{
    va_list args;
    run->verdict = VERDICT_FAILED;
    va_start(args, format);
    finish(run, format, args);
    va_end(args);
    longjmp(run->end, 1);
}

void run_skip(struct run *run, const char *format, ...)
{
    va_list args;
    run->verdict = VERDICT_SKIPPED;
    va_start(args, format);
    finish(run, format, args);
    va_end(args);
    longjmp(run->end, 1);
}

/* ---- conversations ---- */

struct flow *run_flow(struct run *run, bool active, bool udp)
{
    struct flow *flow = arena_take(&run->arena, sizeof *flow);
    flow->number = ++run->flow_count;
    flow->active = active;
    flow->udp = udp;
    flow->local = run->local;
    flow->remote = run->remote;
    flow->fd = FLOW_NO_FD;
    if (active) {
        flow->remote_port = run->connect_port;
    } else {
        flow->remote_port = run->next_port++;
        flow->local_port = run->bind_port;
        flow->ports_known = true;
    }
    if (run->config->has_peer_iss)
        flow->remote_shift = flow->syn_shift = run->config->peer_iss;
    flow->next = run->flows;
    run->flows = flow;
    run->current = flow;
    return flow;
}

/* ---- packets that leave ---- */

weir_time run_now(struct run *run)
{
    return run->subject.now(run->subject.self) - run->base;
}

weir_time run_tolerance(const struct run *run, weir_time gap)
{
    if (run->exact)
        return 0;
    const weir_time part = gap / 1000 * run->tolerance_percent10;
    return part > run->tolerance ? part : run->tolerance;
}

static void note_out(struct run *run, const struct seen *live)
{
    struct seen seen = *live;
    char text[PACKET_TEXT];
    if (run->current != NULL) {
        struct flow flow = *run->current;
        if (!flow.iss_known && (seen.is.flags & SEG_SYN) != 0)
            flow.local_shift = flow.local_syn_shift = seen.is.seq;
        seen_relative(&seen, &flow);
    }
    run_note(run, "%10.6f  >   %s%s%s%s", SECONDS(seen.when), seen_show(&seen, text),
             seen.why != 0 ? "   (" : "", seen.why != 0 ? weir_why_text(seen.why) : "",
             seen.why != 0 ? ")" : "");
}

/* Whether it belongs to any conversation of the script. A host also says what nobody asked. */
static bool expected_here(const struct run *run, const struct seen *seen)
{
    for (const struct flow *flow = run->flows; flow != NULL; flow = flow->next)
        if (seen_of(seen, flow))
            return true;
    return false;
}

void run_collect(struct run *run)
{
    static uint8_t packet[PACKET_ROOM];
    struct seen *const queue = run->queue;
    size_t len = 0;
    struct seen told = { 0 };
    while (run->subject.take(run->subject.self, packet, &len, &told)) {
        if (run->head == run->tail)
            run->head = run->tail = 0;
        if (run->tail == RUN_QUEUE_MAX)
            run_fail(run, "more than %d packets left that the script does not expect",
                     RUN_QUEUE_MAX);
        struct seen *seen = &queue[run->tail];
        const char *wrong;
        const bool good = packet_read(packet, len, seen, &wrong);
        seen->when = told.when - run->base;
        seen->why = told.why;
        seen->handle = told.handle;
        if (!expected_here(run, seen))
            continue;
        note_out(run, seen);
        if (!good)
            run_fail(run, "a packet left with %s", wrong);
        run->tail++;
    }
}

static void resume(struct run *run)
{
    weir_time when;
    if (run->waiting == NULL)
        return;
    const long result = run->subject.resume(run->subject.self, &when);
    if (result != CALL_BLOCKS)
        call_finish(run, result, when - run->base);
}

enum stop {
    STOP_NEVER,
    STOP_AT_PACKET,
    STOP_AT_RETURN, /* of the call that waits */
};

/* To `until`, or to the moment when what it may stop at has happened. */
static void advance(struct run *run, weir_time until, enum stop stop)
{
    for (;;) {
        run->subject.advance(run->subject.self, run->base + until);
        run_collect(run);
        resume(run);
        run_collect(run);
        if ((stop == STOP_AT_PACKET && run->tail != run->head) ||
            (stop == STOP_AT_RETURN && run->waiting == NULL) || run_now(run) >= until)
            return;
    }
}

/* The next packet of the current conversation, which may take until `limit`; NULL if none comes.
 * It stays in the queue. */
static struct seen *next_packet(struct run *run, weir_time limit)
{
    for (;;) {
        while (run->head != run->tail) {
            struct seen *seen = &run->queue[run->head];
            if (run->current == NULL || seen_of(seen, run->current))
                return seen;
            run->head++;
        }
        if (run_now(run) >= limit)
            return NULL;
        advance(run, limit, STOP_AT_PACKET);
    }
}

static bool can_merge(const struct seen *a, const struct seen *b)
{
    const unsigned may_differ = SEG_FIN | SEG_PSH | SEG_CWR;
    return b->is.proto == PROTO_TCP && b->is.len > 0 && a->is.seq + a->is.len == b->is.seq &&
           (a->is.flags & SEG_FIN) == 0 && a->is.win == b->is.win && a->is.ack == b->is.ack &&
           a->is.tos == b->is.tos && a->is.option_count == b->is.option_count &&
           ((a->is.flags ^ b->is.flags) & ~may_differ) == 0;
}

/* Takes the next packet, put together from several if the script expects more octets in one. */
static bool take_expected(struct run *run, const struct packet *expected, weir_time limit,
                          struct seen *whole)
{
    struct seen *seen = next_packet(run, limit);
    if (seen == NULL)
        return false;
    *whole = *seen;
    run->head++;
    while (!run->strict && expected->proto == PROTO_TCP && whole->is.proto == PROTO_TCP &&
           whole->is.len > 0 && whole->is.len < expected->len) {
        seen = next_packet(run, limit);
        if (seen == NULL || !can_merge(whole, seen))
            return true;
        const unsigned cwr = whole->is.flags & SEG_CWR;
        whole->is.flags = (seen->is.flags & ~SEG_CWR) | cwr;
        whole->is.len += seen->is.len;
        memcpy(whole->is.option, seen->is.option, sizeof whole->is.option);
        whole->when = seen->when;
        whole->merged++;
        run->head++;
    }
    return true;
}

/* ---- events ---- */

static weir_time when_of(const struct run *run, const struct when *when)
{
    if (when->kind == WHEN_ANY)
        return run->last;
    return when->relative ? run->last + when->at : when->at;
}

static void check_time(struct run *run, const struct when *when, weir_time from, weir_time seen)
{
    const weir_time gap = from - run->last;
    const weir_time until = from + (when->until - when->at), slack = run_tolerance(run, gap);
    if (when->kind == WHEN_ANY || (seen >= from - slack && seen <= until + slack))
        return;
    if (when->kind == WHEN_RANGE)
        run_fail(run, "it left at another time\n  expected: %.6f..%.6f\n  seen:     %.6f",
                 SECONDS(from), SECONDS(until), SECONDS(seen));
    run_fail(run, "it left at another time (%+.6f s)\n  expected: %.6f\n  seen:     %.6f",
             SECONDS(seen - from), SECONDS(from), SECONDS(seen));
}

static void event_out(struct run *run, const struct event *event)
{
    const struct packet *expected = event->packet;
    const weir_time from = when_of(run, &event->when);
    weir_time limit = from + (event->when.until - event->when.at);
    char wanted[PACKET_TEXT], got[PACKET_TEXT];
    limit += run_tolerance(run, from - run->last);
    if (event->when.kind == WHEN_ANY)
        limit = run_now(run) + (run->subject.real_time ? ANY_WAIT_REAL : ANY_WAIT);
    struct seen live;
    if (!take_expected(run, expected, limit, &live)) {
        /* What comes later is worth knowing. */
        struct seen *late = next_packet(run, limit + 2 * WEIR_SECOND);
        packet_show(expected, wanted);
        if (late == NULL)
            run_fail(run, "nothing left\n  expected: %10.6f  %s\n  seen:     nothing",
                     SECONDS(from), wanted);
        live = *late;
    }
    flow_learn(run->current, expected, &live);
    struct seen seen = live;
    seen_relative(&seen, run->current);
    const char *what = packet_differs(expected, &seen, run->current, run->flags);
    if (what != NULL)
        run_fail(run, "another %s\n  expected: %10.6f  %s\n  seen:     %10.6f  %s", what,
                 SECONDS(from), packet_show(expected, wanted), SECONDS(seen.when),
                 seen_show(&seen, got));
    check_time(run, &event->when, from, seen.when);
    run->matched = seen;
    run->last = event->when.kind == WHEN_AT ? from : seen.when;
}

static void event_in(struct run *run, const struct event *event)
{
    static uint8_t packet[PACKET_ROOM];
    char error[DRILL_ERROR_MAX] = "", text[PACKET_TEXT];
    if (run->current == NULL)
        run_flow(run, false, event->packet->proto == PROTO_UDP);
    struct flow *flow = run->current;
    if (event->packet->proto == PROTO_TCP &&
        (event->packet->flags & (SEG_SYN | SEG_ACK | SEG_RST)) == SEG_SYN)
        flow->learn_again = true;
    if (!flow->ports_known)
        run_fail(run, "the peer cannot speak yet: our port is not known before our SYN is seen");
    const size_t len = packet_build(event->packet, flow, packet, error);
    if (len == 0)
        run_fail(run, "%s", error);
    run_note(run, "%10.6f  <   %s", SECONDS(run_now(run)), packet_show(event->packet, text));
    if (!run->subject.inject(run->subject.self, packet, len))
        run_fail(run, "the packet cannot be injected");
    if (run->dropped != WEIR_DROP_NONE)
        run_note(run, "                  dropped: %s", weir_drop_text(run->dropped));
}

/* A call that waits must be over before the program can call again. */
static void let_return(struct run *run)
{
    if (run->waiting == NULL)
        return;
    const weir_time limit =
        run->waiting_end + run_tolerance(run, run->waiting_end - run->waiting_start);
    while (run->waiting != NULL && run_now(run) < limit)
        advance(run, limit, STOP_AT_RETURN);
    if (run->waiting == NULL)
        return;
    run->event = run->waiting;
    run_fail(run, "%s() still waits at %.6f", run->waiting->text, SECONDS(run_now(run)));
}

static void one_event(struct run *run, const struct event *event)
{
    run->event = event;
    if (event->kind == EVENT_OUT) {
        event_out(run, event);
        return;
    }
    const weir_time when = when_of(run, &event->when);
    if (event->kind == EVENT_CALL)
        let_return(run);
    run->event = event;
    if (when > run_now(run))
        advance(run, when, STOP_NEVER);
    if (run->subject.real_time && run_now(run) > when) { /* we are late, the stack is not */
        run->late += run_now(run) - when;
        run->base += run_now(run) - when;
    }
    run->event = event;
    run->last = when;
    if (event->kind == EVENT_IN)
        event_in(run, event);
    else if (event->kind == EVENT_CALL)
        call_event(run, event);
    else if (event->kind == EVENT_COMMAND)
        run_settings(run, event->text, event->line);
    else if (event->kind == EVENT_CODE)
        code_event(run, event);
    else
        directive_event(run, event);
    /* A program that waits with octets in its hand: the ACK that lets it go on leaves with them
     * (Linux looks at sk_write_pending). */
    if (event->kind == EVENT_IN && !run->subject.real_time && run->waiting != NULL &&
        call_sends(run->waiting_call.id))
        resume(run);
    run_collect(run);
    resume(run);
    run_collect(run);
}

static void play(struct run *run)
{
    run->base = run->subject.now(run->subject.self);
    for (const struct event *event = run->script->events; event != NULL; event = event->next)
        one_event(run, event);
    run->event = NULL;
    let_return(run);
}

/* ---- a run ---- */

static bool why_not(struct run *run, bool kernel)
{
    const struct script *script = run->script;
    if (script->skip != NULL)
        run_skip(run, "%s", script->skip);
    if (kernel && script->weir_only != NULL)
        run_skip(run, "for weir only: %s", script->weir_only);
    if (kernel && script->differs != NULL)
        run_skip(run, "Linux differs: %s", script->differs);
    return false;
}

static bool run_once(struct run *run, bool kernel)
{
    if (setjmp(run->end) == 0) {
        (void)why_not(run, kernel);
        run_setup(run, kernel);
        play(run);
    }
    if (run->subject.end != NULL)
        run->subject.end(run->subject.self);
    return run->verdict == VERDICT_PASSED;
}

static void begin(struct run *run, const struct script *script, const struct run_config *config,
                  weir_time shift)
{
    struct seen *queue = run->queue;
    char *report = run->report;
    memset(run, 0, sizeof *run);
    run->queue = queue;
    run->report = report;
    run->report[0] = '\0';
    run->script = script;
    run->config = config;
    run->shift = shift;
    run->next_port = FIRST_PORT;
}

/* weir's initial numbers are a clock and a secret: with the same secret the clock alone decides. So
 * a first run tells what the number was, and a second begins when it is the one that is wanted. */
static weir_time shift_for(const struct run *run, uint32_t iss)
{
    const struct flow *first = run->flows;
    for (const struct flow *flow = run->flows; flow != NULL; flow = flow->next)
        if (flow->iss_known)
            first = flow;
    if (first == NULL || !first->iss_known)
        return 0;
    return (weir_time)(uint32_t)(iss - first->local_shift) * 4 * WEIR_US;
}

enum verdict run_script(const struct script *script, const struct run_config *config, bool kernel,
                        char **report)
{
    struct run *run = calloc(1, sizeof *run);
    struct seen *queue = calloc(RUN_QUEUE_MAX, sizeof *queue);
    char *text = calloc(1, RUN_REPORT_MAX);
    if (run == NULL || queue == NULL || text == NULL)
        abort();
    run->queue = queue;
    run->report = text;
    begin(run, script, config, 0);
    run_once(run, kernel);
    if (config->has_iss && !kernel) {
        const weir_time shift = shift_for(run, config->iss);
        arena_drop(&run->arena);
        if (shift != 0) {
            begin(run, script, config, shift);
            run_once(run, kernel);
        }
    }
    const enum verdict verdict = run->verdict;
    arena_drop(&run->arena);
    free(queue);
    free(run);
    if (verdict == VERDICT_PASSED && !config->verbose) {
        free(text);
        text = NULL;
    }
    *report = text;
    return verdict;
}
