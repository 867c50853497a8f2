/* SPDX-License-Identifier: MIT */
#include "calls.h"

#include <poll.h>
#include <string.h>
#include <sys/epoll.h>

static void check_option(struct run *run, const struct call *call, const struct node *node)
{
    const void *data = (const void *)call->arg[3];
    if (node->kind == NODE_ELLIPSIS)
        return;
    if (node->kind == NODE_STRING) {
        if (strcmp(data, node->text) != 0)
            run_fail(run, "another value\n  expected: \"%s\"\n  seen:     \"%s\"", node->text,
                     (const char *)data);
        return;
    }
    const struct node *inner = node->kind == NODE_LIST && node->first != NULL ? node->first : node;
    if (inner->kind == NODE_STRUCT) {
        const int *pair = data;
        unsigned i = 0;
        for (const struct node *f = inner->first; f != NULL && i < 2; f = f->next)
            value_expect(run, "value", pair[i++], f->kind == NODE_FIELD ? f->first : f);
        return;
    }
    int value;
    memcpy(&value, data, sizeof value);
    if (*(const socklen_t *)call->arg[4] == 1)
        value = *(const uint8_t *)data;
    value_expect(run, "value", value, node);
}

static void check_poll(struct run *run, const struct call *call, const struct node *list)
{
    const struct pollfd *fds = (const struct pollfd *)call->arg[0];
    unsigned i = 0;
    for (const struct node *node = list->first; node != NULL && i < RUN_FDS_MAX; node = node->next)
        value_expect(run, "revents", fds[i++].revents, value_field(node, "revents"));
}

static void check_epoll(struct run *run, const struct call *call, const struct node *node,
                        long result)
{
    const struct epoll_event *events = (const struct epoll_event *)call->arg[1];
    struct epoll_event wanted = { 0 };
    long i = 0;
    if (node->kind == NODE_ELLIPSIS || result == 0)
        return;
    if (node->kind == NODE_LIST)
        node = node->first;
    for (; node != NULL && node->kind == NODE_STRUCT && i < result; node = node->next, i++) {
        value_epoll(run, node, &wanted);
        if (events[i].events != wanted.events)
            run_fail(run, "other events\n  expected: 0x%x\n  seen:     0x%x", wanted.events,
                     events[i].events);
        if (events[i].data.u64 != wanted.data.u64)
            run_fail(run, "the events of another descriptor");
        if (call->id == CALL_epoll_wait && run->event->args->first->next == node)
            break;
    }
}

static void check_zero(struct run *run, const char *data, long len)
{
    for (long i = 0; i < len; i++)
        if (data[i] != 0)
            run_fail(run, "octet %ld that was read is not what was sent", i);
}

void call_check(struct run *run, const struct event *event, const struct call *call, long result)
{
    const struct node *args = event->args->first; /* as many as the call takes (call_make) */
    switch (call->id) {
    case CALL_getsockopt:
        check_option(run, call, args->next->next->next);
        break;
    case CALL_ioctl:
        if (args->next->next != NULL)
            value_expect(run, "value", *(const int *)call->arg[2], args->next->next);
        break;
    case CALL_poll:
        check_poll(run, call, args);
        break;
    case CALL_epoll_wait:
        check_epoll(run, call, args->next, result);
        break;
    case CALL_read:
    case CALL_recvfrom:
        check_zero(run, (const char *)call->arg[1], result < call->arg[2] ? result : call->arg[2]);
        break;
    case CALL_recvmsg:
        value_expect(run, "msg_flags", ((const struct msghdr *)call->arg[1])->msg_flags,
                     value_field(args->next, "msg_flags"));
        control_check(run, (const struct msghdr *)call->arg[1],
                      value_field(args->next, "msg_control"));
        break;
    default:
        break;
    }
}
