/* SPDX-License-Identifier: MIT */
#include "sock.h"

#include <errno.h>
#include <limits.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

/* ---- the caller's buffers ---- */

static size_t total_of(const struct msghdr *msg)
{
    size_t total = 0;
    for (size_t i = 0; i < msg->msg_iovlen; i++)
        total += msg->msg_iov[i].iov_len;
    return total;
}

static bool vectors_ok(const struct msghdr *msg)
{
    return msg->msg_iovlen <= IOV_MAX && total_of(msg) <= INT_MAX;
}

/* Whether the octet at `p` is the program's; a script may hand over any number. */
static bool readable(const void *p)
{
    char octet;
    const struct iovec here = { &octet, 1 }, there = { (void *)(uintptr_t)p, 1 };
    return process_vm_readv(getpid(), &here, 1, &there, 1, 0) == 1;
}

static bool pointers_ok(const struct msghdr *msg)
{
    for (size_t i = 0; i < msg->msg_iovlen; i++)
        if (msg->msg_iov[i].iov_len > 0 && !readable(msg->msg_iov[i].iov_base))
            return false;
    return true;
}

/* The piece that begins `skip` octets in; its length is 0 at the end. */
static struct iovec piece_at(const struct msghdr *msg, size_t skip)
{
    for (size_t i = 0; i < msg->msg_iovlen; i++) {
        const struct iovec *iov = &msg->msg_iov[i];
        if (skip < iov->iov_len)
            return (struct iovec){ (char *)iov->iov_base + skip, iov->iov_len - skip };
        skip -= iov->iov_len;
    }
    return (struct iovec){ NULL, 0 };
}

/* Copies to the caller from `done` octets in; returns how many fitted. */
static size_t scatter(struct msghdr *msg, size_t done, const uint8_t *data, size_t len)
{
    size_t copied = 0;
    while (copied < len) {
        const struct iovec piece = piece_at(msg, done + copied);
        if (piece.iov_len == 0)
            break;
        const size_t part = piece.iov_len < len - copied ? piece.iov_len : len - copied;
        memcpy(piece.iov_base, data + copied, part);
        copied += part;
    }
    return copied;
}

/* ---- receiving ---- */

#define PEEK_SPANS 16

static long peek(struct net *net, struct sock *sock, struct msghdr *msg)
{
    struct weir_span span[PEEK_SPANS];
    unsigned count = PEEK_SPANS;
    size_t done = 0;
    const enum weir_error error = weir_recv_view(net->weir, sock->handle, span, &count);
    if (error != WEIR_OK)
        return error == WEIR_AGAIN ? WOULD_BLOCK : errno_result(error);
    for (unsigned i = 0; i < count; i++)
        done += scatter(msg, done, span[i].base, span[i].len);
    return (long)done;
}

/* How many octets make a read return at all. */
static size_t enough(const struct sock *sock, size_t want, int flags)
{
    const size_t low = (size_t)sock->kept[KEPT_RCVLOWAT];
    if ((flags & MSG_WAITALL) != 0)
        return want;
    return low < want ? low : want;
}

static bool too_few(struct net *net, struct sock *sock, size_t want, int flags)
{
    struct weir_status status;
    const size_t least = enough(sock, want, flags);
    if (least <= 1 || sock->nonblock || (flags & MSG_DONTWAIT) != 0 ||
        weir_status(net->weir, sock->handle, &status) != WEIR_OK)
        return false;
    const unsigned over = WEIR_EOF | WEIR_ERROR | WEIR_HANGUP;
    return status.unread < least && (weir_ready_now(net->weir, sock->handle) & over) == 0 &&
           (!net->waiting.active || net->now < net->waiting.until);
}

static bool drained(struct net *net, const struct sock *sock)
{
    struct weir_status status;
    return weir_status(net->weir, sock->handle, &status) != WEIR_OK || status.unread == 0;
}

/* TCP_INQ: what can be read now, an end counting as one octet (as Linux). */
static long received(struct net *net, const struct sock *sock, struct msghdr *msg, long done)
{
    const size_t room = msg->msg_controllen;
    struct weir_status status;
    msg->msg_namelen = 0;
    msg->msg_flags = 0;
    msg->msg_controllen = 0;
    if (sock->kept[KEPT_INQ] == 0 || weir_status(net->weir, sock->handle, &status) != WEIR_OK)
        return done;
    const bool ended = (weir_ready_now(net->weir, sock->handle) & WEIR_EOF) != 0;
    const int inq = (int)status.unread + (ended ? 1 : 0);
    control_put(msg, room, IPPROTO_TCP, TCP_CM_INQ, &inq, sizeof inq);
    return done;
}

static long receive_tcp(struct net *net, struct sock *sock, struct msghdr *msg, int flags)
{
    const size_t want = total_of(msg);
    size_t done = 0;
    if (sock->phase == PHASE_FAILED)
        return 0; /* as Linux: once the error was told, it is as if both had shut down */
    if (sock->phase != PHASE_CONNECTED)
        return sock->phase == PHASE_CONNECTING ? WOULD_BLOCK : -ENOTCONN;
    if (too_few(net, sock, want, flags))
        return WOULD_BLOCK;
    if ((flags & MSG_PEEK) != 0) {
        const long seen = peek(net, sock, msg);
        return seen >= 0 ? received(net, sock, msg, seen) : seen;
    }
    while (done < want) {
        const struct iovec piece = piece_at(msg, done);
        size_t part = 0;
        const enum weir_error error =
            weir_recv(net->weir, sock->handle, piece.iov_base, piece.iov_len, &part, net->now);
        if (error != WEIR_OK && done == 0) {
            if (error == WEIR_AGAIN)
                return sock->shut_read ? received(net, sock, msg, 0) : WOULD_BLOCK;
            return errno_result(error);
        }
        if (error != WEIR_OK || part == 0)
            break;
        done += part;
        if (drained(net, sock)) /* why there is no more is for the next read to say */
            break;
    }
    return received(net, sock, msg, (long)done);
}

static long receive_udp(struct net *net, struct sock *sock, struct msghdr *msg, int flags)
{
    static uint8_t buffer[65536];
    struct weir_datagram info;
    const enum weir_error error =
        sock->handle == WEIR_NO_HANDLE
            ? WEIR_AGAIN
            : weir_udp_recv(net->weir, sock->handle, buffer, sizeof buffer, &info);
    if (error != WEIR_OK)
        return error == WEIR_AGAIN ? WOULD_BLOCK : errno_result(error);
    const size_t len = info.len < sizeof buffer ? info.len : sizeof buffer;
    const size_t copied = scatter(msg, 0, buffer, len);
    if (msg->msg_name != NULL)
        address_out(sock, &info.from, msg->msg_name, &msg->msg_namelen);
    msg->msg_flags = copied < len ? MSG_TRUNC : 0;
    msg->msg_controllen = 0;
    return (long)((flags & MSG_TRUNC) != 0 ? len : copied);
}

long sock_receive(struct net *net, struct sock *sock, struct msghdr *msg, int flags)
{
    if (!vectors_ok(msg))
        return -EINVAL;
    if (!pointers_ok(msg))
        return -EFAULT;
    if ((flags & MSG_ERRQUEUE) != 0)
        return notice_receive(sock, msg);
    return sock->kind == SOCK_UDP ? receive_udp(net, sock, msg, flags)
                                  : receive_tcp(net, sock, msg, flags);
}

/* ---- sending ---- */

static long send_tcp(struct net *net, struct sock *sock, const struct msghdr *msg, int flags)
{
    const size_t want = total_of(msg);
    size_t *done = &net->waiting.done;
    struct weir_status status;
    if (sock->phase == PHASE_NEW || sock->phase == PHASE_LISTENING)
        return -EPIPE;
    if (sock->shut_write) { /* as Linux: what is pending is told first */
        const enum weir_error pending = weir_error_take(net->weir, sock->handle);
        return pending != WEIR_OK ? errno_result(pending) : -EPIPE;
    }
    if (sock->phase == PHASE_CONNECTING &&
        weir_status(net->weir, sock->handle, &status) == WEIR_OK && status.state == WEIR_SYN_SENT)
        return WOULD_BLOCK;
    while (*done < want) {
        const struct iovec piece = piece_at(msg, *done);
        const bool last = *done + piece.iov_len == want;
        const unsigned more = (flags & MSG_MORE) != 0 || !last ? WEIR_MORE : 0;
        const unsigned urgent = (flags & MSG_OOB) != 0 && last ? WEIR_URG : 0;
        const unsigned record = (flags & MSG_EOR) != 0 && last ? WEIR_EOR : 0;
        size_t part = 0;
        const enum weir_error error =
            weir_send(net->weir, sock->handle, piece.iov_base, piece.iov_len,
                      more | urgent | record, &part, net->now);
        *done += part;
        if (error != WEIR_OK && error != WEIR_AGAIN && error != WEIR_IN_PROGRESS)
            return *done > 0 ? (long)*done : errno_result(error);
        if (part == 0 || error != WEIR_OK)
            break;
    }
    return *done < want ? WOULD_BLOCK : (long)want;
}

static long send_udp(struct net *net, struct sock *sock, const struct msghdr *msg)
{
    static uint8_t buffer[65536];
    struct weir_addr to;
    int family;
    size_t len = 0;
    const bool named = msg->msg_name != NULL && msg->msg_namelen > 0;
    if (named && !address_in(msg->msg_name, msg->msg_namelen, &to, &family))
        return -EINVAL;
    if (!named && sock->phase != PHASE_CONNECTED)
        return -EDESTADDRREQ;
    if (total_of(msg) > sizeof buffer)
        return -EMSGSIZE;
    for (size_t i = 0; i < msg->msg_iovlen; len += msg->msg_iov[i++].iov_len)
        if (msg->msg_iov[i].iov_len > 0)
            memcpy(buffer + len, msg->msg_iov[i].iov_base, msg->msg_iov[i].iov_len);
    if (sock->handle == WEIR_NO_HANDLE) {
        const enum weir_error opened = weir_udp_open(net->weir, &sock->local, &sock->handle);
        if (opened != WEIR_OK)
            return errno_result(opened);
    }
    const enum weir_error error =
        weir_udp_send(net->weir, sock->handle, named ? &to : NULL, buffer, len, net->now);
    return error == WEIR_OK ? (long)len : error == WEIR_AGAIN ? WOULD_BLOCK : errno_result(error);
}

long sock_send(struct net *net, struct sock *sock, const struct msghdr *msg, int flags)
{
    if (!vectors_ok(msg))
        return -EMSGSIZE;
    if (!pointers_ok(msg))
        return -EFAULT;
    int stamping;
    if (notice_asked(sock, msg, &stamping) != 0)
        return -EINVAL;
    if ((flags & MSG_ZEROCOPY) != 0 && sock->kept[KEPT_ZEROCOPY] != 0 && !notice_room(sock))
        return -ENOBUFS;
    if (sock_fast_concerns(net, sock, flags))
        return sock_send_fast(net, sock, msg, flags);
    if ((flags & MSG_FASTOPEN) != 0)
        return -EOPNOTSUPP;
    return sock->kind == SOCK_UDP ? send_udp(net, sock, msg) : send_tcp(net, sock, msg, flags);
}

/* ---- ioctl ---- */

/* As Linux counts, where a FIN is one more; nothing before there is a connection. */
static int queued(const struct net *net, const struct sock *sock, enum weir_option option)
{
    int64_t count;
    return weir_get(net->weir, sock->handle, option, &count) == WEIR_OK ? (int)count : 0;
}

long sock_ioctl(struct net *net, struct sock *sock, unsigned long request, int *value)
{
    struct weir_status status = { 0 };
    uint32_t ahead;
    if (request == FIONBIO) {
        sock->nonblock = *value != 0;
        return 0;
    }
    if (request != SIOCINQ && request != SIOCOUTQ && request != SIOCOUTQNSD &&
        request != SIOCATMARK)
        return -ENOTTY;
    if (sock->phase == PHASE_LISTENING && request != SIOCATMARK)
        return -EINVAL;
    if (sock->handle != WEIR_NO_HANDLE && weir_status(net->weir, sock->handle, &status) != WEIR_OK)
        return -EINVAL;
    if (request == SIOCINQ)
        *value = (int)status.unread;
    else if (request != SIOCATMARK)
        *value = queued(net, sock, request == SIOCOUTQ ? WEIR_OPT_OUTQ : WEIR_OPT_OUTQ_UNSENT);
    else
        *value = weir_urgent(net->weir, sock->handle, &ahead) == WEIR_OK && ahead == 0;
    return 0;
}
