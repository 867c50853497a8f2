/* SPDX-License-Identifier: MIT */
#include "sock.h"

#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>

unsigned sock_poll(struct net *net, const struct sock *sock)
{
    static const struct {
        unsigned ready, events;
    } table[] = {
        { WEIR_READABLE, EPOLLIN | EPOLLRDNORM },
        { WEIR_WRITABLE, EPOLLOUT | EPOLLWRNORM },
        { WEIR_EOF, EPOLLIN | EPOLLRDNORM | EPOLLRDHUP },
        { WEIR_ERROR, EPOLLERR },
        { WEIR_HANGUP, EPOLLHUP },
        { WEIR_URGENT, EPOLLPRI },
    };
    struct weir_status status;
    unsigned events = 0;
    if (sock->kind == SOCK_EPOLL || sock->kind == SOCK_FILE)
        return 0;
    if (sock->kind == SOCK_PIPE)
        return pipe_poll(net, sock);
    if (sock->deferred) /* so that a program writes, and makes the SYN */
        return EPOLLOUT | EPOLLWRNORM;
    if (sock->handle == WEIR_NO_HANDLE)
        return sock->kind == SOCK_UDP ? EPOLLOUT | EPOLLWRNORM : EPOLLOUT | EPOLLWRNORM | EPOLLHUP;
    const unsigned ready = weir_ready_now(net->weir, sock->handle);
    for (unsigned i = 0; i < sizeof table / sizeof table[0]; i++)
        if ((ready & table[i].ready) != 0)
            events |= table[i].events;
    if (sock->notices.count > 0)
        events |= EPOLLERR;
    if (sock->shut_read && sock->kind == SOCK_TCP)
        events |= EPOLLIN | EPOLLRDNORM | EPOLLRDHUP;
    if (sock->shut_read && sock->shut_write)
        events |= EPOLLHUP;
    if (sock->kept[KEPT_RCVLOWAT] > 1 && sock->phase == PHASE_CONNECTED && !sock->shut_read &&
        (ready & (WEIR_EOF | WEIR_ERROR | WEIR_HANGUP)) == 0 &&
        weir_status(net->weir, sock->handle, &status) == WEIR_OK &&
        status.unread < (uint32_t)sock->kept[KEPT_RCVLOWAT])
        events &= ~(unsigned)(EPOLLIN | EPOLLRDNORM);
    return events;
}

/* ---- poll: its bits are those of epoll ---- */

long net_poll(struct net *net, const struct call *call)
{
    struct pollfd *fds = (struct pollfd *)call->arg[0];
    long count = 0;
    for (long i = 0; i < call->arg[1]; i++) {
        const struct sock *sock = net_sock(net, fds[i].fd);
        const unsigned asked = (unsigned short)fds[i].events | POLLERR | POLLHUP;
        fds[i].revents = 0;
        if (fds[i].fd < 0)
            continue;
        fds[i].revents = (short)(sock != NULL ? sock_poll(net, sock) & asked : POLLNVAL);
        count += fds[i].revents != 0;
    }
    return count > 0 ? count : WOULD_BLOCK;
}

/* ---- epoll ---- */

static struct watch *find_watch(struct net *net, int epoll, int fd)
{
    for (unsigned i = 0; i < WATCH_MAX; i++)
        if (net->watch[i].used && net->watch[i].epoll == epoll && net->watch[i].fd == fd)
            return &net->watch[i];
    return NULL;
}

void net_forget_watches(struct net *net, int fd)
{
    for (unsigned i = 0; i < WATCH_MAX; i++)
        if (net->watch[i].fd == fd || net->watch[i].epoll == fd)
            net->watch[i].used = false;
}

static long add_watch(struct net *net, int epoll, int fd, const struct epoll_event *event)
{
    for (unsigned i = 0; i < WATCH_MAX; i++) {
        if (net->watch[i].used)
            continue;
        net->watch[i] = (struct watch){
            .used = true, .epoll = epoll, .fd = fd, .events = event->events, .data = event->data.u64
        };
        return 0;
    }
    return -ENOSPC;
}

long net_epoll_ctl(struct net *net, const struct call *call)
{
    const int epoll = (int)call->arg[0], fd = (int)call->arg[2];
    const struct epoll_event *event = (const struct epoll_event *)call->arg[3];
    const struct sock *set = net_sock(net, epoll);
    if (event == NULL && call->arg[1] != EPOLL_CTL_DEL)
        return -EFAULT;
    if (set == NULL || net_sock(net, fd) == NULL)
        return -EBADF;
    if (set->kind != SOCK_EPOLL || epoll == fd)
        return -EINVAL;
    struct watch *watch = find_watch(net, epoll, fd);
    const uint32_t exclusive = EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLWAKEUP | EPOLLET;
    if (call->arg[1] != EPOLL_CTL_DEL && (event->events & EPOLLEXCLUSIVE) != 0 &&
        (call->arg[1] == EPOLL_CTL_MOD || (event->events & ~(exclusive | EPOLLEXCLUSIVE)) != 0))
        return -EINVAL;
    switch (call->arg[1]) {
    case EPOLL_CTL_ADD:
        return watch != NULL ? -EEXIST : add_watch(net, epoll, fd, event);
    case EPOLL_CTL_MOD:
        if (watch == NULL)
            return -ENOENT;
        if ((watch->events & EPOLLEXCLUSIVE) != 0)
            return -EINVAL;
        watch->used = false;
        return add_watch(net, epoll, fd, event);
    case EPOLL_CTL_DEL:
        if (watch == NULL)
            return -ENOENT;
        watch->used = false;
        return 0;
    default:
        return -EINVAL;
    }
}

static uint64_t octets_of(struct net *net, const struct sock *sock)
{
    struct weir_status status;
    if (sock->handle == WEIR_NO_HANDLE || weir_status(net->weir, sock->handle, &status) != WEIR_OK)
        return 0;
    return status.octets_in + status.acceptq_len;
}

/* What a watch has to say now. An edge is a bit that was not there, or new octets behind one that
 * was. */
static uint32_t news_of(struct net *net, struct watch *watch)
{
    const struct sock *sock = net_sock(net, watch->fd);
    if (sock == NULL || watch->disabled)
        return 0;
    const uint32_t seen = sock_poll(net, sock) & (watch->events | EPOLLERR | EPOLLHUP);
    const uint64_t octets = octets_of(net, sock), told = sock->notices.told;
    uint32_t news = seen;
    if ((watch->events & EPOLLET) != 0 && (seen & ~watch->reported) == 0 &&
        (octets == watch->octets || (seen & EPOLLIN) == 0) &&
        (told == watch->told || (seen & EPOLLERR) == 0))
        news = 0;
    watch->reported = seen;
    if (news == 0)
        return 0;
    watch->octets = octets;
    watch->told = told;
    if ((watch->events & EPOLLONESHOT) != 0)
        watch->disabled = true;
    return news;
}

long net_epoll_wait(struct net *net, const struct call *call)
{
    const struct sock *set = net_sock(net, call->arg[0]);
    struct epoll_event *events = (struct epoll_event *)call->arg[1];
    const long room = call->arg[2];
    long count = 0;
    if (set == NULL)
        return -EBADF;
    if (set->kind != SOCK_EPOLL || room <= 0)
        return -EINVAL;
    for (unsigned i = 0; i < WATCH_MAX && count < room; i++) {
        struct watch *watch = &net->watch[i];
        if (!watch->used || watch->epoll != (int)call->arg[0])
            continue;
        const uint32_t news = news_of(net, watch);
        if (news == 0)
            continue;
        events[count].events = news;
        events[count++].data.u64 = watch->data;
    }
    return count > 0 ? count : WOULD_BLOCK;
}
