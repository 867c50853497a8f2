/* SPDX-License-Identifier: MIT */

/* How S learns of a reset, and we of the last close of S, when directions have been shut down.
 *
 * A reset is seen by S only if D is closed with octets unread. Such an octet can be written into S
 * until S is shut down for writing. So when the program shuts it, an octet goes in first, as urgent
 * data, which reading stops at: the mark. It is the end of what the program wrote, and stays in D.
 * After an orderly end it is taken out before D is closed.
 *
 * Once both directions of S are shut, D's poll mask says EPOLLHUP whether S is held or not. The
 * last close still wakes those who wait for D: an edge-triggered epoll of its own hears of it.
 * Nothing else wakes that one but the shutdown of S, which is ours to make: with S' in hand, so
 * that S cannot go meanwhile, its edge is taken away at once. */

#include "ends.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

/* syscall: epoll_ctl epoll_pwait2 ioctl setsockopt sendmsg recvmsg shutdown */

#define EDGES_MAX   64
#define MARK_SNDBUF 212992 /* room for the mark in a queue that is full */
#define OWED_FIRST  (5 * WEIR_MS)
#define OWED_LAST   (20 * WEIR_MS)
#define OWED_A_TURN 4 /* searched for; each search looks through all programs of the run */
#define OWED_TRIES  3 /* for one that is in no listener's queue: then S reads an end of file */

#ifndef SIOCATMARK
#define SIOCATMARK 0x8905
#endif

bool end_both(const struct socket *socket)
{
    return socket->shut_wr && (socket->shut_rd || socket->gave_eof);
}

/* ---- Who still holds S ---- */

/* Takes up all edges but that of `except`, whose S is held by us: all, for if its own were left it
 * would be taken for the end of S later. A socket has one at a time, which bounds it. */
static void take_edges(struct weird *weird, const struct socket *except, weir_time now)
{
    static const struct timespec at_once = { 0, 0 };
    struct epoll_event edge[EDGES_MAX];
    int count = EDGES_MAX;
    for (unsigned n = 0; count == EDGES_MAX && n <= SOCKETS_MAX / EDGES_MAX; n++) {
        count = epoll_pwait2(weird->ends, edge, EDGES_MAX, &at_once, NULL);
        for (int i = 0; i < count; i++) {
            struct socket *socket = socket_find(weird, edge[i].data.u64);
            if (socket == NULL || socket == except)
                continue;
            socket->hung_up = true;
            relay_pump(socket, now);
        }
    }
}

static void on_ends(void *user, int fd, uint32_t ready, weir_time now)
{
    (void)fd;
    (void)ready;
    take_edges(user, NULL, now);
}

bool ends_open(struct weird *weird)
{
    weird->ends = epoll_create1(EPOLL_CLOEXEC);
    return weird->ends >= 0 &&
           weir_loop_add_fd(weird->loop, weird->ends, EPOLLIN, on_ends, weird) == 0;
}

void end_watch(struct socket *socket)
{
    struct epoll_event event = { .events = EPOLLET, .data.u64 = socket->id };
    if (socket->end_watched || socket->d < 0)
        return;
    socket->end_watched = epoll_ctl(socket->weird->ends, EPOLL_CTL_ADD, socket->d, &event) == 0;
}

void end_forget(struct socket *socket)
{
    if (socket->end_watched)
        (void)epoll_ctl(socket->weird->ends, EPOLL_CTL_DEL, socket->d, NULL);
    socket->end_watched = false;
}

/* ---- The mark ---- */

static void put_mark(struct socket *socket, int s)
{
    const int on = 1, room = MARK_SNDBUF;
    (void)setsockopt(socket->d, SOL_SOCKET, SO_OOBINLINE, &on, sizeof on);
    (void)setsockopt(s, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    socket->marked = octets_send(s, "", 1, MSG_OOB) == 1;
}

/* Both directions of S are shut: the loop would tell of EPOLLHUP again and again. */
static void leave_loop(struct socket *socket)
{
    weir_loop_remove_fd(socket->weird->loop, socket->d);
    socket->d_events = 0;
    take_edges(socket->weird, socket, weir_loop_clock());
}

int end_shut(struct socket *socket, int s, int how)
{
    if (how != SHUT_RD && !socket->shut_wr && socket->d >= 0)
        put_mark(socket, s);
    end_watch(socket);
    if (shutdown(s, how) < 0)
        return errno;
    socket->shut_wr = socket->shut_wr || how != SHUT_RD;
    socket->shut_rd = socket->shut_rd || how != SHUT_WR;
    if (end_both(socket))
        leave_loop(socket);
    return 0;
}

void end_give(struct socket *socket)
{
    end_watch(socket);
    socket->gave_eof = true;
    if (!end_both(socket)) {
        (void)shutdown(socket->d, SHUT_WR);
        return;
    }
    /* This, too, is an edge at D. If S cannot be held it may be gone: then that is what it means.
     */
    const int s = socket_fetch(socket);
    (void)shutdown(socket->d, SHUT_WR);
    if (s >= 0) {
        leave_loop(socket);
        close(s);
    }
}

bool end_reached(struct socket *socket)
{
    int at = 0, unread = 0;
    if (!socket->marked || ioctl(socket->d, SIOCATMARK, &at) < 0 || at == 0)
        return false;
    if (ioctl(socket->d, FIONREAD, &unread) == 0 && unread == 1)
        return true;
    end_take_mark(socket); /* another thread's octets came in behind it */
    return false;
}

void end_take_mark(struct socket *socket)
{
    char octet;
    if (socket->marked)
        (void)octets_recv(socket->d, &octet, 1, 0);
    socket->marked = false;
}

/* ---- Resets ---- */

/* S may be nowhere for a while: in the queue of its listener, or under way between processes. */
static void search_owed(void *user, weir_time now)
{
    struct weird *weird = user;
    unsigned searches = 0;
    for (uint32_t i = 0; i < SOCKETS_MAX && weird->owed_count > 0; i++) {
        struct socket *socket = weird->socket[weird->owed_next++ % SOCKETS_MAX];
        if (socket == NULL || !socket->owed_reset)
            continue;
        if (++searches > OWED_A_TURN) {
            weird->owed_next--; /* the first of the next turn */
            break;
        }
        const int s = socket_fetch(socket);
        const bool in_queue = socket->cookie == 0 && socket->fd < 0;
        if (s >= 0)
            end_pay_reset(socket, s);
        else if (!in_queue && ++socket->owed_tries == OWED_TRIES)
            socket_over(socket);
        if (s >= 0)
            close(s);
    }
    if (weird->owed_count == 0)
        return;
    weird->owed_wait = weird->owed_wait * 2 < OWED_LAST ? weird->owed_wait * 2 : OWED_LAST;
    weir_loop_set_timer(weird->loop, &weird->owed_timer, now + weird->owed_wait);
}

void end_pay_reset(struct socket *socket, int s)
{
    if (socket->owed_reset)
        socket->weird->owed_count--;
    socket->owed_reset = false;
    socket->inode = queue_inode(s);
    (void)octets_send(s, "", 1, 0);
    socket_over(socket);
}

bool end_reset(struct socket *socket)
{
    struct weird *weird = socket->weird;
    int unread = 0;
    if (socket->d < 0 || ioctl(socket->d, FIONREAD, &unread) < 0)
        return true;
    /* Who is asked before each write must know the reason, by the inode, when the rest is gone. */
    const bool asked = socket->run != NULL && socket->run->exact;
    if (unread > 0 && (socket->cookie != 0 || (socket->error == ECONNRESET && !asked)))
        return true;
    const int s = socket_fetch(socket);
    if (s >= 0) {
        socket->inode = queue_inode(s); /* an accepted one is known by that from now on */
        if (unread == 0)
            (void)octets_send(s, "", 1, 0);
        close(s);
    }
    if (s >= 0 || unread > 0)
        return true;
    socket->owed_reset = true;
    weird->owed_count++;
    weird->owed_wait = OWED_FIRST;
    weird->owed_timer.on_time = search_owed;
    weird->owed_timer.user = weird;
    weir_loop_set_timer(weird->loop, &weird->owed_timer, weir_loop_clock() + OWED_FIRST);
    return false;
}
