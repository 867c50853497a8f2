/* SPDX-License-Identifier: MIT */
#include "loop/parts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WATCH_FIRST 16 /* slots made at first; doubled as descriptors need it */

static int make_slots(struct weir_loop *loop, unsigned fd)
{
    unsigned max = loop->watch_max != 0 ? loop->watch_max : WATCH_FIRST;
    while (max <= fd)
        max *= 2;
    if (max == loop->watch_max)
        return 0;
    struct watch *watch = realloc(loop->watch, max * sizeof *watch);
    if (watch == NULL)
        return -ENOMEM;
    memset(watch + loop->watch_max, 0, (max - loop->watch_max) * sizeof *watch);
    loop->watch = watch;
    loop->watch_max = max;
    return 0;
}

static struct watch *watch_of(struct weir_loop *loop, uint32_t fd)
{
    return fd < loop->watch_max && loop->watch[fd].on_ready != NULL ? &loop->watch[fd] : NULL;
}

int weir_loop_add_fd(struct weir_loop *loop, int fd, uint32_t events, weir_loop_fd_fn *on_ready,
                     void *user)
{
    if (fd < 0)
        return -EBADF;
    const int error = make_slots(loop, (unsigned)fd);
    if (error != 0)
        return error;
    const uint32_t serial = ++loop->watch_serial;
    struct epoll_event event = { .events = events,
                                 .data.u64 = tag_make(TAG_WATCH, serial, (uint32_t)fd) };
    const bool known = loop->watch[fd].on_ready != NULL;
    int failed = epoll_ctl(loop->epoll_fd, known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event);
    if (failed < 0 && known && errno == ENOENT) /* closed and opened again meanwhile */
        failed = epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event);
    if (failed < 0)
        return -errno;
    loop->watch_count += known ? 0 : 1;
    loop->watch[fd] = (struct watch){ on_ready, user, serial };
    return 0;
}

static void forget(struct weir_loop *loop, int fd)
{
    loop->watch[fd].on_ready = NULL;
    loop->watch_count--;
}

void weir_loop_remove_fd(struct weir_loop *loop, int fd)
{
    if (fd < 0 || watch_of(loop, (uint32_t)fd) == NULL)
        return;
    (void)epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, fd, NULL); /* gone already if it was closed */
    forget(loop, fd);
}

void weir_loop_close_fd(struct weir_loop *loop, int fd)
{
    if (fd < 0)
        return;
    if (watch_of(loop, (uint32_t)fd) != NULL)
        forget(loop, fd);
    close(fd); /* epoll forgets it with its last descriptor */
}

void watch_run(struct weir_loop *loop, weir_time now)
{
    for (unsigned i = 0; i < loop->ready_count; i++) {
        const uint64_t data = loop->ready[i].data.u64;
        if (tag_kind(data) != TAG_WATCH)
            continue;
        /* A callback before this one may have removed the descriptor, or put another in its place.
         */
        const uint32_t fd = (uint32_t)data;
        const struct watch *watch = watch_of(loop, fd);
        if (watch != NULL && tag_make(TAG_WATCH, watch->serial, fd) == data)
            watch->on_ready(watch->user, (int)fd, loop->ready[i].events, now);
    }
}
