/* SPDX-License-Identifier: MIT */
/* Verbs that look at a socket without changing it (SO_ERROR, which is cleared by being read, is
 * an option and stands with those). What is seen must be seen twice in a row: an effect that is
 * still under way is waited for. */
#include "actor.h"

#include <errno.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <time.h>
#include <unistd.h>

#define STEADY_MS    6  /* between two looks that must agree */
#define STEADY_TRIES 40 /* then the last one stands, agreed or not */

#define ALL_EVENTS (POLLIN | POLLPRI | POLLOUT | POLLRDHUP)

struct sight {
    unsigned mask;
    int unread; /* or the negative errno of asking */
    unsigned state;
};

static struct sight see(int fd)
{
    struct sight sight = { 0 };
    struct pollfd at = { .fd = fd, .events = ALL_EVENTS };
    sight.mask = poll(&at, 1, 0) < 0 ? 0 : (unsigned)at.revents;
    if (ioctl(fd, FIONREAD, &sight.unread) != 0)
        sight.unread = -errno;
    struct tcp_info info = { 0 };
    socklen_t len = sizeof info;
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0)
        sight.state = info.tcpi_state;
    return sight;
}

/* States that pass with the peer's acknowledgement, which it may delay. */
static bool passing(const struct sight *sight)
{
    return sight->state == TCP_FIN_WAIT1 || sight->state == TCP_LAST_ACK ||
           sight->state == TCP_CLOSING;
}

static bool same(const struct sight *one, const struct sight *other)
{
    return one->mask == other->mask && one->unread == other->unread && one->state == other->state;
}

static struct sight steady(int fd)
{
    const struct timespec pause = { .tv_nsec = STEADY_MS * 1000000L };
    struct sight last = see(fd);
    for (int i = 0; i < STEADY_TRIES; i++) {
        nanosleep(&pause, NULL);
        const struct sight now = see(fd);
        if (same(&now, &last) && !passing(&now))
            break;
        last = now;
    }
    return last;
}

static void tell(struct text *text, const struct sight *sight)
{
    if (sight->mask & POLLNVAL) {
        text_add(text, "closed");
        return;
    }
    text_mask(text, sight->mask);
    if (sight->unread < 0)
        text_add(text, " unread %s", strerrorname_np(-sight->unread));
    else
        text_add(text, " unread %d", sight->unread);
    text_add(text, " %s", text_state(sight->state));
}

static void act_poll(struct call *call)
{
    const struct sight sight = steady(*call_slot(call, 1));
    text_add(call->text, " = ");
    text_mask(call->text, sight.mask);
}

static void act_see(struct call *call)
{
    const struct sight sight = steady(*call_slot(call, 1));
    text_add(call->text, " = ");
    tell(call->text, &sight);
}

/* look a: how both ends see their sockets a */
static void act_look(struct call *call)
{
    static struct text reply;
    const struct sight sight = steady(*call_slot(call, 1));
    char line[LINE_LEN];
    text_clear(&reply);
    snprintf(line, sizeof line, "see %s", call->arg[1]);
    const bool answered = actor_ask(call->actor->peer, line, &reply);
    text_add(call->text, ": ");
    tell(call->text, &sight);
    text_add(call->text, "; peer: %s", answered && reply.len > 3 ? reply.at + 3 : "gone");
}

static void act_state(struct call *call)
{
    struct tcp_info info = { 0 };
    socklen_t len = sizeof info;
    const int fd = *call_slot(call, 1);
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) != 0)
        text_result(call->text, -1);
    else
        text_add(call->text, " = %s", text_state(steady(fd).state));
}

/* unread a, unsent a, mark a: FIONREAD, SIOCOUTQ, SIOCATMARK */
static void act_count(struct call *call)
{
    int count = 0;
    unsigned long what = FIONREAD;
    if (strcmp(call->arg[0], "unsent") == 0)
        what = SIOCOUTQ;
    else if (strcmp(call->arg[0], "mark") == 0)
        what = SIOCATMARK;
    const int result = ioctl(*call_slot(call, 1), what, &count);
    text_result(call->text, result < 0 ? result : count);
}

static void act_error(struct call *call)
{
    int error = 0;
    socklen_t len = sizeof error;
    if (getsockopt(*call_slot(call, 1), SOL_SOCKET, SO_ERROR, &error, &len) != 0)
        text_result(call->text, -1);
    else
        text_add(call->text, " = %s", error == 0 ? "0" : strerrorname_np(error));
}

static short events_of(const char *word)
{
    static const struct {
        const char *name;
        short bit;
    } events[] = { { "IN", POLLIN }, { "OUT", POLLOUT }, { "PRI", POLLPRI }, { "HUP", POLLHUP } };
    for (size_t i = 0; i < sizeof events / sizeof events[0]; i++)
        if (strcmp(word, events[i].name) == 0)
            return events[i].bit;
    return 0;
}

/* wait a EVENT MS: poll() that waits */
static void act_wait(struct call *call)
{
    struct pollfd at = { .fd = *call_slot(call, 1), .events = events_of(call->arg[2]) };
    const int ready = poll(&at, 1, call->count > 3 ? atoi(call->arg[3]) : 1000);
    if (ready < 0) {
        text_result(call->text, ready);
        return;
    }
    text_add(call->text, " = ");
    text_mask(call->text, (unsigned)at.revents);
}

static void act_pause(struct call *call)
{
    const long ms = atol(call->arg[1]);
    const struct timespec pause = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L };
    nanosleep(&pause, NULL);
}

/* select a: what select() says of reading, writing, exceptions */
static void act_select(struct call *call)
{
    const int fd = *call_slot(call, 1);
    fd_set sets[3];
    struct timeval now = { 0 };
    for (int i = 0; i < 3; i++) {
        FD_ZERO(&sets[i]);
        FD_SET(fd, &sets[i]);
    }
    const int ready = select(fd + 1, &sets[0], &sets[1], &sets[2], &now);
    text_result(call->text, ready);
    if (ready >= 0)
        text_add(call->text, "%s%s%s", FD_ISSET(fd, &sets[0]) ? " read" : "",
                 FD_ISSET(fd, &sets[1]) ? " write" : "", FD_ISSET(fd, &sets[2]) ? " except" : "");
}

/* ---- epoll ---- */

static void act_epoll(struct call *call)
{
    const int fd = epoll_create1(0);
    *call_slot(call, 1) = fd;
    text_result(call->text, fd < 0 ? -1 : 0);
}

/* epadd e a [edge] [exclusive] [once]: IN, OUT, PRI, RDHUP */
static void act_epadd(struct call *call)
{
    struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLPRI | EPOLLRDHUP };
    if (call_has(call, "exclusive"))
        event.events = EPOLLIN | EPOLLEXCLUSIVE;
    if (call_has(call, "in"))
        event.events = EPOLLIN;
    if (call_has(call, "edge"))
        event.events |= EPOLLET;
    if (call_has(call, "once"))
        event.events |= EPOLLONESHOT;
    event.data.fd = call->arg[2][0];
    const int fd = *call_slot(call, 2);
    text_result(call->text, epoll_ctl(*call_slot(call, 1), EPOLL_CTL_ADD, fd, &event));
}

/* epwait e [MS] */
static void act_epwait(struct call *call)
{
    enum {
        MANY = 8
    };
    struct epoll_event events[MANY];
    const int ms = call->count > 2 ? atoi(call->arg[2]) : 0;
    const int count = epoll_wait(*call_slot(call, 1), events, MANY, ms);
    text_result(call->text, count);
    for (int i = 0; i < count; i++) {
        text_add(call->text, " %c:", (char)events[i].data.fd);
        text_mask(call->text, events[i].events);
    }
}

const struct verb verbs_watch[] = {
    { "poll", act_poll, true, 1 },     { "see", act_see, true, 1 },
    { "look", act_look, true, 1 },     { "state", act_state, true, 1 },
    { "unread", act_count, true, 1 },  { "unsent", act_count, true, 1 },
    { "mark", act_count, true, 1 },    { "error", act_error, true, 1 },
    { "wait", act_wait, true, 2 },     { "pause", act_pause, true, 1 },
    { "select", act_select, true, 1 }, { "epoll", act_epoll, true, 1 },
    { "epadd", act_epadd, true, 2 },   { "epwait", act_epwait, true, 1 },
    { NULL, NULL, false, 0 },
};
