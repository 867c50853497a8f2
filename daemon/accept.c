/* SPDX-License-Identifier: MIT */

/* The two sides of an accept: a connection of ours goes into the queue of S, which is a real
 * listening socket; and the program's accept takes it out. Where the program does not ask for the
 * peer's address the kernel does that alone, and we never hear of it. */

#include "ends.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

/* syscall: socket connect accept4 fcntl getsockopt setsockopt close */

#define OPEN_A_TURN 64
#define FULL_RETRY  (5 * WEIR_MS) /* a place in the queue of S is no event for us */
#define GUARD_US    1000
#define LEFT_OVER   (60 * WEIR_SECOND) /* what was got for a withdrawn accept waits so long */
#define LOOK_AGAIN  WEIR_MS /* a listener is looked at no more often for those who arrive */

/* ---- Into the queue ---- */

static void retry_full(void *user, weir_time now)
{
    struct weird *weird = user;
    for (uint32_t i = 0; i < SOCKETS_MAX; i++)
        if (weird->socket[i] != NULL && weird->socket[i]->full) {
            weird->socket[i]->full = false;
            listener_event(weird->socket[i], now);
        }
}

/* One connection from weir's queue to S's. 0, or what went wrong; then it is still in weir's. */
static int pass_on(struct socket *listener, weir_time now)
{
    struct weird *weird = listener->weird;
    struct socket *child = socket_make(weird, listener->run, listener->family);
    if (child == NULL)
        return EAGAIN;
    int d = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct sockaddr_un name = { .sun_family = AF_UNIX };
    snprintf(name.sun_path, sizeof name.sun_path, "/proc/self/fd/%d", listener->name_fd);
    if (d < 0 || fd_is_reserved(weird, d) || !socket_name_d(child, d) ||
        connect(d, (struct sockaddr *)&name, sizeof name) < 0) {
        const int error = d >= 0 && fd_is_reserved(weird, d) ? EMFILE : errno;
        if (d >= 0)
            close(d);
        socket_free(child);
        return error == ECONNREFUSED ? ECONNREFUSED : EAGAIN;
    }
    child->d = d;
    weird->idle_count--;
    struct weir_status status = { .rtt_min = 0 };
    if (weir_accept(weird->weir, listener->handle, &child->handle, now) != WEIR_OK) {
        socket_free(child);
        return EAGAIN;
    }
    if (weir_status(weird->weir, child->handle, &status) == WEIR_OK) {
        child->local = status.local;
        child->remote = status.remote;
    }
    child->bound = true;
    child->option_set = listener->option_set;
    memcpy(child->option, listener->option, sizeof child->option);
    memcpy(child->kept, listener->kept, sizeof child->kept);
    child->linger = listener->linger;
    child->linger_seconds = listener->linger_seconds;
    child->pid = listener->pid;
    child->state = SOCKET_CONNECTED;
    (void)weir_set_cookie(weird->weir, child->handle, child->id);
    relay_start(child, status.rtt_min, now);
    return 0;
}

static void wait_for_place(struct socket *listener, weir_time now)
{
    struct weird *weird = listener->weird;
    listener->full = true;
    weird->full_timer.on_time = retry_full;
    weird->full_timer.user = weird;
    weir_loop_set_timer(weird->loop, &weird->full_timer, now + FULL_RETRY);
}

/* Those who ask to connect. The last close of S is no event for us, so that it is looked for before
 * anybody is let in: whoever comes after it is refused, as on Linux. False: that was so. */
static bool answer_those_who_ask(struct socket *socket, weir_time now)
{
    struct weird *weird = socket->weird;
    struct weir_syn syn;
    bool gone = false;
    while (weir_syn_next(weird->weir, socket->handle, &syn, now) == WEIR_OK) {
        if (now - socket->looked >= LOOK_AGAIN) {
            socket->looked = now;
            gone = socket_gone(socket);
        }
        if (gone)
            (void)weir_refuse(weird->weir, syn.handle, now);
        else
            (void)weir_admit(weird->weir, syn.handle, now);
    }
    if (gone)
        socket_free(socket);
    return !gone;
}

void listener_event(struct socket *socket, weir_time now)
{
    struct weird *weird = socket->weird;
    if (!answer_those_who_ask(socket, now))
        return;
    if (queue_count(socket)) {
        wait_for_place(socket, now);
        return;
    }
    for (unsigned i = 0; i < OPEN_A_TURN; i++) {
        if ((weir_ready_now(weird->weir, socket->handle) & WEIR_READABLE) == 0)
            return;
        const int error = pass_on(socket, now);
        if (error == ECONNREFUSED) { /* the program has closed it: those who came are reset */
            socket_free(socket);
            return;
        }
        if (error != 0) {
            wait_for_place(socket, now);
            return;
        }
        socket->queued++;
        if (queue_count(socket)) {
            wait_for_place(socket, now);
            return;
        }
    }
    weir_rearm(weird->weir, socket->handle);
}

/* ---- Out of the queue ---- */

/* accept4 of a socket that may be a blocking one. Somebody else may take the connection just before
 * us: then we wait no longer than this. */
static int accept_now(int s, int flags)
{
    const struct timeval guard = { 0, GUARD_US };
    struct timeval kept;
    socklen_t len = sizeof kept;
    if (!readable_now(s))
        return -EAGAIN;
    const bool blocking = (fcntl(s, F_GETFL) & O_NONBLOCK) == 0 &&
                          getsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &kept, &len) == 0;
    if (blocking)
        (void)setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &guard, sizeof guard);
    const int got = accept4(s, NULL, NULL, SOCK_CLOEXEC | (flags & SOCK_NONBLOCK));
    const int error = errno;
    if (blocking)
        (void)setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &kept, len);
    return got >= 0 ? got : -error;
}

/* Gives the accepted socket to the program in the place of the dummy, and says whose it is. False:
 * a signal came in between. */
static bool hand_over(const struct parked *parked, int s)
{
    struct socket *child, *listener = socket_find(parked->weird, parked->socket);
    uint8_t family = listener != NULL ? listener->family : AF_INET;
    struct weir_addr remote = { 0 };
    if (socket_identify(parked->weird, parked->run, s, &child, &family) && child != NULL) {
        remote = child->remote;
        child->pid = parked->pid;
        child->fd = parked->reserved;
    }
    if (listener != NULL && listener->passes_on)
        options_pass_on(parked->s, s);
    const int error = address_write(parked->pid, family, &remote, parked->addr, parked->addrlen);
    if (error != 0)
        return call_answer(parked->run, parked->call, -error);
    return call_give(parked->run, parked->call, s, parked->reserved,
                     (parked->flags & SOCK_CLOEXEC) != 0, true) != -ENOENT;
}

/* ---- Calls that a signal withdrew ----
 *
 * A signal takes a thread out of its call also when a number is reserved for it, or a connection is
 * out of the queue. The thread mostly calls again, and then gets both. */

bool accept_withdraw(struct parked *parked, weir_time now)
{
    if (parked->s < 0 || (parked->reserved < 0 && parked->undelivered < 0))
        return false;
    if (!parked->withdrawn) {
        weir_loop_remove_fd(parked->weird->loop, parked->s);
        parked->withdrawn = true;
        parked->deadline = now + LEFT_OVER;
        park_timer_set(parked->weird);
    }
    return true;
}

/* The program knows nothing of the number, and may have used it for something else. */
static bool still_reserved(const struct parked *parked)
{
    const int fd = parked->reserved >= 0 ? fetch_fd(parked->pid, parked->reserved) : -1;
    const bool same = fd >= 0 && socket_cookie(fd) == socket_cookie(parked->weird->dummy);
    if (fd >= 0)
        close(fd);
    return same;
}

static bool any_undelivered(const struct weird *weird, uint64_t listener)
{
    for (unsigned i = 0; i < weird->parked_top; i++)
        if (weird->parked[i].call != 0 && weird->parked[i].socket == listener &&
            weird->parked[i].undelivered >= 0)
            return true;
    return false;
}

/* A thread makes one call at a time: what else it seems to wait for was withdrawn. */
static void take_over(struct parked *parked)
{
    struct weird *weird = parked->weird;
    for (unsigned i = 0; i < weird->parked_top; i++) {
        struct parked *old = &weird->parked[i];
        if (old == parked || old->call == 0 || old->s < 0)
            continue;
        if (parked->undelivered < 0 && old->socket == parked->socket) {
            parked->undelivered = old->undelivered;
            old->undelivered = -1;
        }
        if (old->pid != parked->pid)
            continue;
        if (parked->reserved < 0 && still_reserved(old))
            parked->reserved = old->reserved;
        old->reserved = -1;
        if (old->undelivered < 0)
            unpark(old);
    }
}

static int accept_next(struct parked *parked)
{
    const int s = parked->undelivered;
    parked->undelivered = -1;
    return s >= 0 ? s : accept_now(parked->s, parked->flags);
}

static void withdraw(struct parked *parked)
{
    if (!accept_withdraw(parked, weir_loop_clock()))
        unpark(parked);
}

bool accept_try(struct parked *parked)
{
    if (!call_valid(parked->run, parked->call)) {
        withdraw(parked);
        return true;
    }
    if (parked->reserved < 0) {
        /* A number first: if the program has none left, the connection stays in the queue. */
        const int number =
            call_give(parked->run, parked->call, parked->weird->dummy, -1, true, false);
        if (number == -ENOENT) {
            withdraw(parked);
            return true;
        }
        if (number < 0) {
            call_answer(parked->run, parked->call, number);
            unpark(parked);
            return true;
        }
        parked->reserved = number;
    }
    const int s = accept_next(parked);
    if (s == -EAGAIN)
        return false;
    if (s >= 0 && !hand_over(parked, s)) {
        parked->undelivered = s;
        withdraw(parked);
        return true;
    }
    if (s >= 0)
        close(s);
    else
        call_answer(parked->run, parked->call, s);
    unpark(parked);
    return true;
}

static void on_acceptable(void *user, int fd, uint32_t ready, weir_time now)
{
    (void)fd;
    (void)ready;
    (void)now;
    (void)accept_try(user);
}

weir_time wait_deadline(int s, int option, weir_time now)
{
    struct timeval limit = { 0 };
    socklen_t len = sizeof limit;
    if (getsockopt(s, SOL_SOCKET, option, &limit, &len) < 0 ||
        (limit.tv_sec == 0 && limit.tv_usec == 0))
        return WEIR_NEVER;
    return now + limit.tv_sec * WEIR_SECOND + limit.tv_usec * WEIR_US;
}

void call_accept(struct call *call)
{
    const int flags = call->nr == __NR_accept4 ? (int)call->arg[3] : 0;
    const int mode = fcntl(call->s, F_GETFL);
    if ((flags & ~(SOCK_CLOEXEC | SOCK_NONBLOCK)) != 0 || call->socket == NULL ||
        call->socket->state != SOCKET_LISTENING) {
        call_error(call, EINVAL);
        return;
    }
    const bool waiting = readable_now(call->s) || any_undelivered(call->weird, call->socket->id);
    if (!waiting && (mode & O_NONBLOCK) != 0) {
        call_error(call, EAGAIN);
        return;
    }
    struct parked *parked = park(call->weird, call, wait_deadline(call->s, SO_RCVTIMEO, call->now));
    if (parked == NULL) {
        call_error(call, ENOBUFS);
        return;
    }
    parked->s = call->s;
    call->s = -1;
    parked->flags = flags;
    parked->addr = call->arg[1];
    parked->addrlen = call->arg[2];
    take_over(parked);
    if (waiting && accept_try(parked))
        return;
    if ((mode & O_NONBLOCK) != 0) { /* another took it, and a number is reserved: keep both short */
        parked->deadline = call->now + WEIR_MS;
        park_timer_set(call->weird);
    }
    if (weir_loop_add_fd(call->weird->loop, parked->s, EPOLLIN, on_acceptable, parked) < 0) {
        call_error(call, ENOBUFS);
        unpark(parked);
    }
}
