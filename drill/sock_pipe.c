/* SPDX-License-Identifier: MIT */
#include "sock.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/uio.h>

/* Pipes, and splice() between one and a connection. A pipe holds PIPE_OCTETS, as Linux's do at
 * first; that it also counts pages is left out. */

static struct pipe *pipe_of(struct net *net, const struct sock *sock)
{
    return &net->pipe[sock->pipe];
}

long net_pipe(struct net *net, int fds[2])
{
    unsigned place = 0;
    while (place < PIPES_MAX && (net->pipe[place].readers > 0 || net->pipe[place].writers > 0))
        place++;
    if (place == PIPES_MAX)
        return -EMFILE;
    for (unsigned end = 0; end < 2; end++) {
        struct sock *sock = sock_new(net, SOCK_PIPE, 0, &fds[end]);
        if (sock == NULL && end == 1)
            net_sock(net, fds[0])->kind = SOCK_FREE;
        if (sock == NULL)
            return -EMFILE;
        sock->pipe = place;
        sock->pipe_writes = end == 1;
    }
    net->pipe[place].len = 0;
    net->pipe[place].readers = net->pipe[place].writers = 1;
    return 0;
}

void pipe_close(struct net *net, const struct sock *sock)
{
    struct pipe *pipe = pipe_of(net, sock);
    if (sock->pipe_writes)
        pipe->writers--;
    else
        pipe->readers--;
}

unsigned pipe_poll(struct net *net, const struct sock *sock)
{
    const struct pipe *pipe = pipe_of(net, sock);
    if (sock->pipe_writes)
        return (pipe->len < PIPE_OCTETS ? EPOLLOUT | EPOLLWRNORM : 0u) |
               (pipe->readers == 0 ? EPOLLERR : 0u);
    return (pipe->len > 0 ? EPOLLIN | EPOLLRDNORM : 0u) | (pipe->writers == 0 ? EPOLLHUP : 0u);
}

static void pipe_drop(struct pipe *pipe, size_t len)
{
    pipe->len -= len;
    memmove(pipe->octets, pipe->octets + len, pipe->len);
}

static long pipe_read(struct net *net, const struct sock *sock, void *data, size_t len)
{
    struct pipe *pipe = pipe_of(net, sock);
    const size_t part = len < pipe->len ? len : pipe->len;
    if (sock->pipe_writes)
        return -EBADF;
    if (part == 0)
        return len == 0 || pipe->writers == 0 ? 0 : WOULD_BLOCK;
    memcpy(data, pipe->octets, part);
    pipe_drop(pipe, part);
    return (long)part;
}

static long pipe_write(struct net *net, const struct sock *sock, const void *data, size_t len)
{
    struct pipe *pipe = pipe_of(net, sock);
    const size_t room = PIPE_OCTETS - pipe->len, part = len < room ? len : room;
    if (!sock->pipe_writes)
        return -EBADF;
    if (pipe->readers == 0)
        return -EPIPE;
    if (part == 0)
        return len == 0 ? 0 : WOULD_BLOCK;
    memcpy(pipe->octets + pipe->len, data, part);
    pipe->len += part;
    return (long)part;
}

long pipe_transfer(struct net *net, const struct sock *sock, const struct call *call)
{
    if (call->id == CALL_read)
        return pipe_read(net, sock, (void *)call->arg[1], (size_t)call->arg[2]);
    if (call->id == CALL_write)
        return pipe_write(net, sock, (const void *)call->arg[1], (size_t)call->arg[2]);
    return call->id == CALL_readv || call->id == CALL_writev ? -EINVAL : -ENOTSOCK;
}

/* ---- splice ----
 *
 * SPLICE_F_NONBLOCK is about the pipe. Whether the connection may be waited for, its own O_NONBLOCK
 * says. */

/* Up to an urgent octet that is not in the stream: where only that is there, nothing is (as Linux).
 */
static bool before_urgent(struct net *net, const struct sock *from, size_t *len)
{
    uint32_t ahead;
    if ((from->option_set >> WEIR_OPT_OOBINLINE & 1) != 0 && from->option[WEIR_OPT_OOBINLINE] != 0)
        return true;
    if (weir_urgent(net->weir, from->handle, &ahead) != WEIR_OK || ahead == 0)
        return true;
    if (ahead - 1 < *len)
        *len = ahead - 1;
    return ahead > 1;
}

static long splice_in(struct net *net, struct sock *from, struct pipe *pipe, size_t len, int flags)
{
    const size_t room = PIPE_OCTETS - pipe->len;
    size_t done = 0;
    if (from->kind != SOCK_TCP || from->phase != PHASE_CONNECTED)
        return from->kind == SOCK_TCP ? -ENOTCONN : -EINVAL;
    if (pipe->readers == 0)
        return -EPIPE;
    if (room == 0)
        return (flags & SPLICE_F_NONBLOCK) != 0 ? -EAGAIN : WOULD_BLOCK;
    len = len < room ? len : room;
    if (!before_urgent(net, from, &len))
        return 0;
    const enum weir_error error =
        weir_recv(net->weir, from->handle, pipe->octets + pipe->len, len, &done, net->now);
    pipe->len += done;
    if (error == WEIR_AGAIN && !from->shut_read)
        return WOULD_BLOCK;
    return error == WEIR_OK || error == WEIR_AGAIN ? (long)done : errno_result(error);
}

static long splice_out(struct net *net, struct pipe *pipe, struct sock *to, size_t len, int flags)
{
    const size_t part = len < pipe->len ? len : pipe->len;
    if (part == 0)
        return pipe->writers == 0 ? 0 : (flags & SPLICE_F_NONBLOCK) != 0 ? -EAGAIN : WOULD_BLOCK;
    struct iovec iov = { pipe->octets, part };
    const struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
    const bool more = (flags & SPLICE_F_MORE) != 0;
    net->waiting.done = 0;
    const long sent = sock_send(net, to, &msg, more ? MSG_MORE : 0);
    const long taken =
        sent == WOULD_BLOCK && net->waiting.done > 0 ? (long)net->waiting.done : sent;
    net->waiting.done = 0;
    if (taken > 0)
        pipe_drop(pipe, (size_t)taken);
    return taken == WOULD_BLOCK && to->nonblock ? -EAGAIN : taken;
}

long net_splice(struct net *net, const struct call *call)
{
    struct sock *from = net_sock(net, call->arg[0]), *to = net_sock(net, call->arg[2]);
    const size_t len = (size_t)call->arg[4];
    const int flags = (int)call->arg[5];
    if (from == NULL || to == NULL)
        return -EBADF;
    const bool in = to->kind == SOCK_PIPE, out = from->kind == SOCK_PIPE;
    if ((out && from->pipe_writes) || (in && !to->pipe_writes))
        return -EBADF;
    if (in == out) /* of pipe to pipe no script has need */
        return -EINVAL;
    if (call->arg[1] != 0 || call->arg[3] != 0)
        return -ESPIPE;
    if (len == 0)
        return 0;
    return in ? splice_in(net, from, pipe_of(net, to), len, flags)
              : splice_out(net, pipe_of(net, from), to, len, flags);
}
