/* SPDX-License-Identifier: MIT */
#include "sock.h"

#include "weir/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>

/* ---- errors, addresses, descriptors ---- */

long errno_result(enum weir_error error)
{
    return -weir_errno(error);
}

bool address_in(const void *sockaddr, socklen_t len, struct weir_addr *addr, int *family)
{
    const struct sockaddr_in *in = sockaddr;
    const struct sockaddr_in6 *in6 = sockaddr;
    *addr = (struct weir_addr){ 0 };
    if (sockaddr == NULL || len < sizeof in->sin_family)
        return false;
    *family = in->sin_family;
    if (*family == AF_INET && len >= sizeof *in) {
        const uint8_t *o = (const uint8_t *)&in->sin_addr;
        addr->ip = weir_ip_v4(o[0], o[1], o[2], o[3]);
        addr->port = ntohs(in->sin_port);
        return true;
    }
    if (*family == AF_INET6 && len >= sizeof *in6) {
        memcpy(addr->ip.octet, &in6->sin6_addr, 16);
        addr->port = ntohs(in6->sin6_port);
        return true;
    }
    return false;
}

void address_out(const struct sock *sock, const struct weir_addr *addr, void *sockaddr,
                 socklen_t *len)
{
    struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(addr->port) };
    struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(addr->port) };
    if (sockaddr == NULL || len == NULL)
        return;
    memcpy(&in.sin_addr, addr->ip.octet + 12, 4);
    memcpy(&in6.sin6_addr, addr->ip.octet, 16);
    const bool v4 = sock->family == AF_INET;
    const socklen_t size = v4 ? sizeof in : sizeof in6;
    memcpy(sockaddr, v4 ? (const void *)&in : (const void *)&in6, *len < size ? *len : size);
    *len = size;
}

struct sock *net_sock(struct net *net, long fd)
{
    const long i = fd - SOCK_FD_FIRST;
    return i < 0 || i >= SOCK_MAX || net->sock[i].kind == SOCK_FREE ? NULL : &net->sock[i];
}

struct sock *sock_new(struct net *net, enum sock_kind kind, int family, int *fd)
{
    for (int i = 0; i < SOCK_MAX; i++) {
        struct sock *sock = &net->sock[i];
        if (sock->kind != SOCK_FREE)
            continue;
        *sock = (struct sock){ .kind = kind, .family = family };
        sock->kept[KEPT_RCVLOWAT] = 1;
        *fd = i + SOCK_FD_FIRST;
        return sock;
    }
    return NULL;
}

/* ---- opening ---- */

static long do_socket(struct net *net, int domain, int type, int protocol)
{
    const int kind = type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC);
    int fd;
    if (domain != AF_INET && domain != AF_INET6)
        return -EAFNOSUPPORT;
    if (kind != SOCK_STREAM && kind != SOCK_DGRAM)
        return -ESOCKTNOSUPPORT;
    if (protocol != 0 && protocol != (kind == SOCK_STREAM ? IPPROTO_TCP : IPPROTO_UDP))
        return -EPROTONOSUPPORT;
    struct sock *sock = sock_new(net, kind == SOCK_STREAM ? SOCK_TCP : SOCK_UDP, domain, &fd);
    if (sock == NULL)
        return -EMFILE;
    sock->nonblock = (type & SOCK_NONBLOCK) != 0;
    if (domain == AF_INET)
        sock->local.ip = weir_ip_v4(0, 0, 0, 0);
    return fd;
}

static long open_udp(struct net *net, struct sock *sock)
{
    if (sock->handle != WEIR_NO_HANDLE)
        return 0;
    const long result = errno_result(weir_udp_open(net->weir, &sock->local, &sock->handle));
    if (result == 0)
        sock_apply_options(net, sock);
    return result;
}

static long do_bind(struct net *net, struct sock *sock, const void *sockaddr, socklen_t len)
{
    struct weir_addr addr;
    int family = 0;
    if (!address_in(sockaddr, len, &addr, &family))
        return family != sock->family && family != 0 ? -EAFNOSUPPORT : -EINVAL;
    if (family != sock->family)
        return sock->family == AF_INET6 ? -EINVAL : -EAFNOSUPPORT;
    if (sock->bound || sock->phase != PHASE_NEW)
        return -EINVAL;
    sock->local = addr;
    sock->bound = true;
    return sock->kind == SOCK_UDP ? open_udp(net, sock) : 0;
}

static long do_listen(struct net *net, struct sock *sock, int backlog)
{
    if (sock->kind != SOCK_TCP)
        return -EOPNOTSUPP;
    if (sock->phase == PHASE_LISTENING)
        return 0;
    if (sock->phase != PHASE_NEW)
        return -EINVAL;
    const unsigned flags = sock->kept[KEPT_V6ONLY] != 0 ? WEIR_LISTEN_V6ONLY : 0;
    const long result = errno_result(weir_listen(net->weir, &sock->local,
                                                 backlog < 0 ? UINT32_MAX : (unsigned)backlog,
                                                 flags, &sock->handle));
    if (result != 0)
        return result;
    sock->phase = PHASE_LISTENING;
    sock_apply_options(net, sock);
    return 0;
}

static long do_accept(struct net *net, struct sock *sock, void *sockaddr, socklen_t *len, int flags)
{
    weir_handle handle;
    int fd;
    if (sock->kind != SOCK_TCP)
        return -EOPNOTSUPP;
    if (sock->phase != PHASE_LISTENING)
        return -EINVAL;
    const enum weir_error error = weir_accept(net->weir, sock->handle, &handle, net->now);
    if (error == WEIR_AGAIN)
        return WOULD_BLOCK;
    if (error != WEIR_OK)
        return errno_result(error);
    struct sock *child = sock_new(net, SOCK_TCP, sock->family, &fd);
    if (child == NULL) {
        weir_release(net->weir, handle, net->now);
        return -EMFILE;
    }
    child->handle = handle;
    child->phase = PHASE_CONNECTED;
    child->bound = true;
    child->nonblock = (flags & SOCK_NONBLOCK) != 0;
    child->linger = sock->linger;
    memcpy(child->kept, sock->kept, sizeof child->kept);
    child->option_set = sock->option_set & 1u << WEIR_OPT_MAXSEG;
    child->option[WEIR_OPT_MAXSEG] = sock->option[WEIR_OPT_MAXSEG];
    struct weir_status status;
    if (weir_status(net->weir, handle, &status) == WEIR_OK) {
        child->local = status.local;
        child->remote = status.remote;
        address_out(child, &status.remote, sockaddr, len);
    }
    return fd;
}

long sock_connected(struct net *net, struct sock *sock, bool again)
{
    const unsigned ready = weir_ready_now(net->weir, sock->handle);
    if ((ready & WEIR_CONNECTED) != 0) {
        sock->phase = PHASE_CONNECTED;
        sock->connect_due = false;
        return 0;
    }
    if ((ready & (WEIR_ERROR | WEIR_HANGUP)) == 0)
        return again && sock->nonblock ? -EALREADY : WOULD_BLOCK;
    const enum weir_error error = weir_error_take(net->weir, sock->handle);
    sock->phase = PHASE_FAILED;
    return error == WEIR_OK ? -ECONNABORTED : errno_result(error);
}

static long connect_udp(struct net *net, struct sock *sock, const struct weir_addr *addr)
{
    const long result = open_udp(net, sock);
    if (result != 0)
        return result;
    sock->remote = *addr;
    sock->phase = PHASE_CONNECTED;
    return errno_result(weir_udp_connect(net->weir, sock->handle, addr));
}

long sock_open(struct net *net, struct sock *sock, const struct weir_addr *addr)
{
    const enum weir_error error =
        weir_connect(net->weir, sock->bound ? &sock->local : NULL, addr, &sock->handle, net->now);
    if (error != WEIR_IN_PROGRESS)
        return errno_result(error);
    sock->phase = PHASE_CONNECTING;
    sock->connect_due = true;
    sock->remote = *addr;
    sock_apply_options(net, sock);
    if (sock->kept[KEPT_FASTOPEN_CONNECT] != 0)
        (void)sock_fast_begin(net, sock);
    return WOULD_BLOCK;
}

long sock_connect(struct net *net, struct sock *sock, const void *sockaddr, socklen_t len)
{
    struct weir_addr addr;
    int family = 0;
    if (!address_in(sockaddr, len, &addr, &family))
        return -EINVAL;
    if (sock->kind == SOCK_UDP)
        return connect_udp(net, sock, &addr);
    if (sock->deferred)
        return -EISCONN;
    if (sock->phase == PHASE_CONNECTING)
        return sock_connected(net, sock, !net->waiting.active);
    if (sock->phase == PHASE_CONNECTED && sock->connect_due) {
        sock->connect_due = false;
        return sock_connected(net, sock, true);
    }
    if (sock->phase == PHASE_CONNECTED || sock->phase == PHASE_LISTENING)
        return -EISCONN;
    if (sock->phase == PHASE_FAILED) { /* a failed connect may be tried again */
        weir_release(net->weir, sock->handle, net->now);
        sock->handle = WEIR_NO_HANDLE;
    }
    return sock_fast_defers(net, sock, &addr) ? 0 : sock_open(net, sock, &addr);
}

/* ---- closing ---- */

static long do_shutdown(struct net *net, struct sock *sock, int how)
{
    if (how < SHUT_RD || how > SHUT_RDWR)
        return -EINVAL;
    if (sock->phase == PHASE_NEW || sock->phase == PHASE_FAILED)
        return -ENOTCONN;
    struct weir_status status;
    if (sock->kind == SOCK_TCP && sock->phase == PHASE_CONNECTED &&
        (weir_status(net->weir, sock->handle, &status) != WEIR_OK || status.state == WEIR_CLOSED ||
         status.state == WEIR_TIME_WAIT)) /* which has left its socket behind */
        return -ENOTCONN;
    sock->deferred = false;
    if (sock->phase == PHASE_CONNECTING || (sock->phase == PHASE_LISTENING && how != SHUT_WR)) {
        weir_release(net->weir, sock->handle, net->now);
        sock->handle = WEIR_NO_HANDLE;
        sock->phase = PHASE_NEW;
        return 0;
    }
    sock->shut_read |= how != SHUT_WR;
    if (how == SHUT_RD || sock->shut_write || sock->kind != SOCK_TCP)
        return 0;
    sock->shut_write = true;
    return errno_result(weir_shutdown(net->weir, sock->handle, net->now));
}

static long do_close(struct net *net, int fd, struct sock *sock)
{
    if (sock->handle != WEIR_NO_HANDLE) {
        if (sock->kind == SOCK_TCP && sock->linger.l_onoff != 0 && sock->linger.l_linger == 0 &&
            sock->phase != PHASE_LISTENING)
            weir_abort(net->weir, sock->handle, net->now);
        weir_release(net->weir, sock->handle, net->now);
    }
    if (sock->kind == SOCK_PIPE)
        pipe_close(net, sock);
    net_forget_watches(net, fd);
    sock->kind = SOCK_FREE;
    return 0;
}

/* ---- names and flags ---- */

static long do_name(struct net *net, struct sock *sock, bool peer, void *sockaddr, socklen_t *len)
{
    struct weir_status status;
    struct weir_addr addr = peer ? sock->remote : sock->local;
    if (peer && sock->phase != PHASE_CONNECTED)
        return -ENOTCONN;
    if (sock->handle != WEIR_NO_HANDLE &&
        weir_status(net->weir, sock->handle, &status) == WEIR_OK && !peer)
        addr = status.local;
    address_out(sock, &addr, sockaddr, len);
    return 0;
}

static long do_fcntl(struct sock *sock, int command, long value)
{
    switch (command) {
    case F_GETFL:
        return O_RDWR | (sock->nonblock ? O_NONBLOCK : 0);
    case F_SETFL:
        sock->nonblock = (value & O_NONBLOCK) != 0;
        return 0;
    case F_GETFD:
        return FD_CLOEXEC;
    case F_SETFD:
        return 0;
    default:
        return -EINVAL;
    }
}

/* ---- one attempt ---- */

/* A single buffer as a message. */
static long one_buffer(struct net *net, struct sock *sock, const struct call *call, bool send)
{
    struct iovec iov = { (void *)call->arg[1],
                         (size_t)call->arg[2] }; /* NOLINT: as a kernel does */
    socklen_t room =
        call->id == CALL_recvfrom && call->arg[5] != 0 ? *(socklen_t *)call->arg[5] : 0;
    struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
    const bool named = call->id == CALL_sendto || call->id == CALL_recvfrom;
    const int flags = named ? (int)call->arg[3] : 0;
    if (named && call->arg[4] != 0) {
        msg.msg_name = (void *)call->arg[4];
        msg.msg_namelen = send ? (socklen_t)call->arg[5] : room;
    }
    const long result =
        send ? sock_send(net, sock, &msg, flags) : sock_receive(net, sock, &msg, flags);
    if (!send && result >= 0 && msg.msg_name != NULL && call->arg[5] != 0)
        *(socklen_t *)call->arg[5] = msg.msg_namelen;
    return result;
}

static long transfer(struct net *net, struct sock *sock, const struct call *call)
{
    struct msghdr msg = { .msg_iov = (void *)call->arg[1], .msg_iovlen = (size_t)call->arg[2] };
    switch (call->id) {
    case CALL_read:
    case CALL_recvfrom:
        return one_buffer(net, sock, call, false);
    case CALL_write:
    case CALL_sendto:
        return one_buffer(net, sock, call, true);
    case CALL_readv:
        return sock_receive(net, sock, &msg, 0);
    case CALL_writev:
        return sock_send(net, sock, &msg, 0);
    case CALL_recvmsg:
        return sock_receive(net, sock, (struct msghdr *)call->arg[1], (int)call->arg[2]);
    case CALL_sendmsg:
        return sock_send(net, sock, (const struct msghdr *)call->arg[1], (int)call->arg[2]);
    default:
        return -ENOSYS;
    }
}

/* A connect under way may be over although nobody has asked it. */
static void note_end_of_connect(struct net *net, struct sock *sock)
{
    const unsigned over = WEIR_CONNECTED | WEIR_ERROR | WEIR_HANGUP;
    if (sock->phase == PHASE_CONNECTING && (weir_ready_now(net->weir, sock->handle) & over) != 0)
        sock->phase = PHASE_CONNECTED;
}

static long on_sock(struct net *net, struct sock *sock, const struct call *call)
{
    const long *arg = call->arg;
    if ((sock->kind == SOCK_EPOLL || sock->kind == SOCK_FILE) && call->id != CALL_close)
        return -EINVAL;
    if (sock->kind == SOCK_PIPE && call->id != CALL_close && call->id != CALL_fcntl)
        return pipe_transfer(net, sock, call);
    if (call->id != CALL_connect && call->id != CALL_getsockopt)
        note_end_of_connect(net, sock);
    switch (call->id) {
    case CALL_bind:
        return do_bind(net, sock, (const void *)arg[1], (socklen_t)arg[2]);
    case CALL_listen:
        return do_listen(net, sock, (int)arg[1]);
    case CALL_accept:
        return do_accept(net, sock, (void *)arg[1], (socklen_t *)arg[2], 0);
    case CALL_accept4:
        return do_accept(net, sock, (void *)arg[1], (socklen_t *)arg[2], (int)arg[3]);
    case CALL_connect:
        return sock_connect(net, sock, (const void *)arg[1], (socklen_t)arg[2]);
    case CALL_fcntl:
        return do_fcntl(sock, (int)arg[1], arg[2]);
    case CALL_ioctl:
        return sock_ioctl(net, sock, (unsigned long)arg[1], (int *)arg[2]);
    case CALL_close:
        return do_close(net, (int)arg[0], sock);
    case CALL_shutdown:
        return do_shutdown(net, sock, (int)arg[1]);
    case CALL_getsockopt:
        return sock_getsockopt(net, sock, call);
    case CALL_setsockopt:
        return sock_setsockopt(net, sock, call);
    case CALL_getsockname:
    case CALL_getpeername:
        return do_name(net, sock, call->id == CALL_getpeername, (void *)arg[1],
                       (socklen_t *)arg[2]);
    default:
        return transfer(net, sock, call);
    }
}

static long attempt(struct net *net, const struct call *call)
{
    int fd;
    switch (call->id) {
    case CALL_socket:
        return do_socket(net, (int)call->arg[0], (int)call->arg[1], (int)call->arg[2]);
    case CALL_poll:
        return net_poll(net, call);
    case CALL_epoll_create:
    case CALL_epoll_create1:
        return sock_new(net, SOCK_EPOLL, 0, &fd) != NULL ? fd : -EMFILE;
    case CALL_epoll_ctl:
        return net_epoll_ctl(net, call);
    case CALL_epoll_wait:
        return net_epoll_wait(net, call);
    case CALL_open:
        return net_open(net, (const char *)call->arg[0], (int)call->arg[1]);
    case CALL_sendfile:
        return net_sendfile(net, call);
    case CALL_pipe:
        return net_pipe(net, (int *)call->arg[0]);
    case CALL_splice:
        return net_splice(net, call);
    default:
        break;
    }
    struct sock *sock = net_sock(net, call->arg[0]);
    return sock != NULL ? on_sock(net, sock, call) : -EBADF;
}

/* ---- waiting ---- */

static bool is_send(enum call_id id)
{
    return id == CALL_write || id == CALL_writev || id == CALL_sendto || id == CALL_sendmsg ||
           id == CALL_sendfile;
}

int call_flags(const struct call *call)
{
    switch (call->id) {
    case CALL_recvfrom:
    case CALL_sendto:
        return (int)call->arg[3];
    case CALL_recvmsg:
    case CALL_sendmsg:
        return (int)call->arg[2];
    default:
        return 0;
    }
}

/* How long it may wait: 0 not at all. */
static weir_time patience(struct net *net, const struct call *call)
{
    if (call->id == CALL_poll || call->id == CALL_epoll_wait) {
        const int ms = (int)call->arg[call->id == CALL_poll ? 2 : 3];
        return ms < 0 ? WEIR_NEVER : ms * WEIR_MS;
    }
    const struct sock *sock = net_sock(net, call->arg[0]);
    if (sock == NULL || sock->nonblock || (call_flags(call) & MSG_DONTWAIT) != 0)
        return 0;
    const bool sends = is_send(call->id) || call->id == CALL_connect;
    const weir_time limit = sends ? sock->snd_timeout : sock->rcv_timeout;
    return limit > 0 ? limit : WEIR_NEVER;
}

/* What a call that may wait no longer gives. */
static long gave_up(const struct net *net, const struct call *call)
{
    if (call->id == CALL_poll || call->id == CALL_epoll_wait)
        return 0;
    if (net->waiting.done > 0)
        return (long)net->waiting.done;
    return call->id == CALL_connect || net->waiting.connecting ? -EINPROGRESS : -EAGAIN;
}

/* What a call that is over leaves behind. */
static long ended(struct net *net, const struct call *call, long result)
{
    struct sock *sock = is_send(call->id) ? net_sock(net, call->arg[0]) : NULL;
    if (sock != NULL && result >= 0)
        notice_mark(net, sock, call, (size_t)result);
    return result;
}

long net_call(struct net *net, const struct call *call)
{
    net->waiting = (struct waiting){ .call = *call };
    net_notice(net); /* a connection may have ended since */
    const long result = attempt(net, call);
    if (result != WOULD_BLOCK)
        return ended(net, call, result);
    const weir_time wait = patience(net, call);
    if (wait == 0)
        return ended(net, call, gave_up(net, call));
    net->waiting.active = true;
    net->waiting.until = wait == WEIR_NEVER ? WEIR_NEVER : net->now + wait;
    return CALL_BLOCKS;
}

long net_resume(struct net *net)
{
    if (!net->waiting.active)
        return -EBADF;
    long result = attempt(net, &net->waiting.call);
    if (result == WOULD_BLOCK) {
        if (net->now < net->waiting.until)
            return CALL_BLOCKS;
        result = gave_up(net, &net->waiting.call);
    }
    net->waiting.active = false;
    return ended(net, &net->waiting.call, result);
}

weir_time net_deadline(const struct net *net)
{
    return net->waiting.active ? net->waiting.until : WEIR_NEVER;
}
