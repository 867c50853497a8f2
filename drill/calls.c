/* SPDX-License-Identifier: MIT */
#include "calls.h"

#include "symbols.h"

#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

/* ---- what a call means for the conversations ---- */

static struct flow *flow_of(struct run *run, int fd)
{
    for (struct flow *flow = run->flows; flow != NULL; flow = flow->next)
        if (flow->fd == fd)
            return flow;
    return NULL;
}

/* Before: a connect must be known when its SYN leaves. */
static void before_call(struct run *run, const struct call *call, const struct event *event)
{
    const struct node *args = event->args->first;
    const bool datagram = args != NULL && fd_is_datagram(run, args->number);
    const bool fast = (call->id == CALL_sendto && (call->arg[3] & MSG_FASTOPEN) != 0) ||
                      (call->id == CALL_sendmsg && (call->arg[2] & MSG_FASTOPEN) != 0);
    if ((call->id == CALL_connect || (fast && !datagram)) &&
        (datagram || flow_of(run, (int)call->arg[0]) == NULL)) {
        struct flow *flow = run_flow(run, true, datagram);
        flow->fd = (int)call->arg[0];
    }
    if (call->id == CALL_sendto && datagram && run->current == NULL)
        run_flow(run, true, true)->fd = (int)call->arg[0];
}

static void check_peer(struct run *run, const struct call *call)
{
    const struct sockaddr_storage *storage = (const struct sockaddr_storage *)call->arg[1];
    const uint16_t port = ntohs(((const struct sockaddr_in *)storage)->sin_port);
    for (struct flow *flow = run->flows; flow != NULL; flow = flow->next) {
        if (flow->udp || flow->active || flow->remote_port != port)
            continue;
        run->current = flow;
        return;
    }
    run_fail(run, "accept() gave a connection with port %u, which no peer has", port);
}

static void after_call(struct run *run, const struct event *event, const struct call *call,
                       long result)
{
    const struct node *args = event->args->first;
    switch (call->id) {
    case CALL_socket:
        fd_map(run, value_number(run, event->result), result,
               (value_number(run, args->next) & 0xf) == SOCK_DGRAM);
        break;
    case CALL_open:
    case CALL_epoll_create:
    case CALL_epoll_create1:
        fd_map(run, value_number(run, event->result), result, false);
        break;
    case CALL_pipe:
        if (args->kind != NODE_LIST || args->first == NULL || args->first->next == NULL)
            run_fail(run, "pipe takes two descriptors: [5, 6]");
        fd_map(run, value_number(run, args->first), ((const int *)call->arg[0])[0], false);
        fd_map(run, value_number(run, args->first->next), ((const int *)call->arg[0])[1], false);
        break;
    case CALL_accept:
    case CALL_accept4:
        fd_map(run, value_number(run, event->result), result, false);
        check_peer(run, call);
        run->current->fd = (int)result;
        break;
    case CALL_bind:
        if (fd_is_datagram(run, args->number)) {
            struct flow *flow = run_flow(run, false, true);
            flow->fd = (int)call->arg[0];
        }
        break;
    case CALL_listen:
        if (run->current == NULL || run->current->active || run->current->iss_known)
            run_flow(run, false, false);
        break;
    case CALL_close: {
        struct flow *flow = flow_of(run, (int)call->arg[0]);
        if (flow != NULL)
            flow->fd = FLOW_NO_FD;
        fd_unmap(run, args->number);
        break;
    }
    default:
        break;
    }
}

/* ---- running it ---- */

bool call_sends(enum call_id id)
{
    return id == CALL_write || id == CALL_writev || id == CALL_sendto || id == CALL_sendmsg;
}

static bool makes_fd(enum call_id id)
{
    return id == CALL_socket || id == CALL_accept || id == CALL_accept4 ||
           id == CALL_epoll_create || id == CALL_epoll_create1 || id == CALL_open;
}

static const char *outcome(long result, char text[64])
{
    if (result >= 0)
        snprintf(text, 64, "%ld", result);
    else
        snprintf(text, 64, "-1 %s",
                 errno_name((int)-result) != NULL ? errno_name((int)-result) : "?");
    return text;
}

static void check_result(struct run *run, const struct event *event, const struct call *call,
                         long result)
{
    char seen[64];
    if (event->result == NULL)
        return;
    const int64_t wanted = value_number(run, event->result);
    const int error = event->error != NULL ? errno_number(event->error) : 0;
    if (event->error != NULL && error == 0)
        run_fail(run, "no errno is called %s", event->error);
    bool good = wanted == result;
    if (wanted == -1)
        good = result < 0 && (event->error == NULL || -result == error);
    else if (makes_fd(call->id))
        good = result >= 0;
    if (!good)
        run_fail(run, "another result\n  expected: %" PRId64 "%s%s\n  seen:     %s", wanted,
                 event->error != NULL ? " " : "", event->error != NULL ? event->error : "",
                 outcome(result, seen));
}

void call_finish(struct run *run, long result, weir_time when)
{
    const struct event *event = run->waiting, *under_way = run->event;
    const struct call call = run->waiting_call;
    char seen[64];
    run->waiting = NULL;
    run->event = event;
    if (event->when.has_end)
        run_note(run, "%10.6f      %s() returns %s", (double)when / (double)WEIR_SECOND,
                 event->text, outcome(result, seen));
    const weir_time slack = run_tolerance(run, run->waiting_end - run->waiting_start);
    if (when < run->waiting_end - slack || when > run->waiting_end + slack)
        run_fail(run, "%s() came back at another time\n  expected: %.6f\n  seen:     %.6f",
                 event->text, (double)run->waiting_end / (double)WEIR_SECOND,
                 (double)when / (double)WEIR_SECOND);
    check_result(run, event, &call, result);
    if (result >= 0) {
        call_check(run, event, &call, result);
        after_call(run, event, &call, result);
    }
    run->event = under_way;
}

long call_raw(struct run *run, struct call call)
{
    return run->subject.call(run->subject.self, &call, false);
}

char *call_show(const struct event *event, char text[PACKET_TEXT])
{
    size_t len = (size_t)snprintf(text, PACKET_TEXT, "%s(", event->text);
    for (const struct node *node = event->args->first; node != NULL && len + 40 < PACKET_TEXT;
         node = node->next) {
        const char *comma = node->next != NULL ? ", " : "";
        int n;
        if (node->kind == NODE_NUMBER)
            n = snprintf(text + len, PACKET_TEXT - len, "%" PRId64 "%s", node->number, comma);
        else
            n = snprintf(text + len, PACKET_TEXT - len, "%.24s%s",
                         node->kind == NODE_WORD ? node->text : "...", comma);
        len += (size_t)n;
    }
    snprintf(text + len, PACKET_TEXT - len, ")");
    return text;
}

void call_event(struct run *run, const struct event *event)
{
    char text[PACKET_TEXT], seen[64];
    run->event = event;
    const struct call call = call_make(run, event);
    before_call(run, &call, event);
    const bool may_wait = event->when.has_end;
    const long result = run->subject.call(run->subject.self, &call, may_wait);
    const double now = (double)run_now(run) / (double)WEIR_SECOND;
    if (result == CALL_BLOCKS) {
        run_note(run, "%10.6f      %s waits", now, call_show(event, text));
        if (!may_wait)
            run_fail(run, "%s() would wait; the script gives it no end (START...END)", event->text);
    } else if (!may_wait) {
        const bool fd = makes_fd(call.id) && result >= 0 && event->result != NULL;
        run_note(run, "%10.6f      %s = %s", now, call_show(event, text),
                 outcome(fd ? (long)value_number(run, event->result) : result, seen));
    }
    run->waiting = event;
    run->waiting_call = call;
    run->waiting_start = run->last;
    run->waiting_end = run->last + (may_wait ? event->when.end - event->when.at : 0);
    if (result == CALL_BLOCKS)
        return;
    if (!may_wait)
        run->waiting_end = run_now(run); /* it has no time of its own to keep */
    call_finish(run, result, run_now(run));
}
