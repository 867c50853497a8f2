/* SPDX-License-Identifier: MIT */

/* What few calls that carry octets ask of TCP and an AF_UNIX socket does otherwise: names, urgent
 * data, MSG_MORE, MSG_TRUNC, the error queue, and how much is queued. Most calls that carry octets
 * are not caught, and those without any of this the kernel does. */

#include "messages.h"

#include "ends.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* syscall: sendmsg recvmsg fcntl ioctl ppoll setsockopt getsockopt */

#ifndef SIOCATMARK
#define SIOCATMARK 0x8905
#endif

char message_octets[MESSAGE_MAX];

static bool read_spans(const struct call *call, uint64_t at, size_t count, struct message *message)
{
    message->span_count = count < MESSAGE_SPANS ? (unsigned)count : MESSAGE_SPANS;
    return count <= 1024 &&
           (message->span_count == 0 || memory_read(call->pid, at, message->span,
                                                    message->span_count * sizeof message->span[0]));
}

/* False: the kernel is to say what is wrong with it. */
static bool read_header(const struct call *call, struct message *message)
{
    struct msghdr header;
    message->header = call->arg[1];
    message->flags = (int)call->arg[2];
    if (!memory_read(call->pid, call->arg[1], &header, sizeof header))
        return false;
    message->name = (uint64_t)(uintptr_t)header.msg_name;
    if (header.msg_name != NULL && (int)header.msg_namelen < 0)
        return false;
    return read_spans(call, (uint64_t)(uintptr_t)header.msg_iov, header.msg_iovlen, message);
}

bool message_read(const struct call *call, struct message *message)
{
    memset(message, 0, sizeof *message);
    if (call->nr == __NR_sendmsg || call->nr == __NR_recvmsg)
        return read_header(call, message);
    if (call->nr == __NR_readv || call->nr == __NR_writev)
        return read_spans(call, call->arg[1], call->arg[2], message);
    if (call->nr == __NR_sendfile)
        return true;
    if (call->nr == __NR_recvmmsg || call->nr == __NR_sendmmsg) {
        message->flags = (int)call->arg[3];
        return true;
    }
    message->span[0] = (struct iovec){ (void *)(uintptr_t)call->arg[1], call->arg[2] };
    message->span_count = 1;
    if (call->nr == __NR_read || call->nr == __NR_write)
        return true;
    message->flags = (int)call->arg[3];
    message->name = call->arg[4];
    message->name_len_at = call->arg[5];
    return true;
}

bool message_waits(const struct call *call, const struct message *message)
{
    return (message->flags & MSG_DONTWAIT) == 0 && (fcntl(call->s, F_GETFL) & O_NONBLOCK) == 0;
}

bool message_unconnected(const struct call *call)
{
    const struct socket *socket = call->socket;
    return socket != NULL && (socket->state == SOCKET_FRESH || socket->state == SOCKET_LISTENING) &&
           !socket->kept[KEPT_FASTOPEN_CONNECT];
}

/* ---- Calls that a signal withdrew ---- */

#define WITHDRAWN_MAX 8

static struct withdrawn withdrawn[WITHDRAWN_MAX];

void withdrawn_keep(const struct call *call, size_t count, size_t len)
{
    static unsigned next;
    if (call->socket == NULL)
        return; /* there is nothing it could be repeated on */
    struct withdrawn *kept = &withdrawn[next++ % WITHDRAWN_MAX];
    kept->socket = call->socket->id;
    kept->pid = call->pid;
    kept->nr = call->nr;
    memcpy(kept->arg, call->arg, sizeof kept->arg);
    kept->count = count;
    kept->len = len;
    memcpy(kept->octets, message_octets, len);
}

const struct withdrawn *withdrawn_take(const struct call *call)
{
    const size_t count = call->nr == __NR_sendto || call->nr == __NR_recvfrom ? 4 : 3;
    for (unsigned i = 0; i < WITHDRAWN_MAX && call->socket != NULL; i++) {
        struct withdrawn *kept = &withdrawn[i];
        if (kept->socket != call->socket->id || kept->pid != call->pid || kept->nr != call->nr ||
            memcmp(kept->arg, call->arg, count * sizeof kept->arg[0]) != 0)
            continue;
        kept->socket = 0;
        return kept;
    }
    return NULL;
}

/* ---- Receiving ---- */

static bool scatter(const struct call *call, const struct message *message, size_t len)
{
    for (size_t done = 0, i = 0; done < len && i < message->span_count; i++) {
        const size_t left = len - done;
        const size_t part = message->span[i].iov_len < left ? message->span[i].iov_len : left;
        if (part > 0 && !memory_write(call->pid, (uint64_t)(uintptr_t)message->span[i].iov_base,
                                      message_octets + done, part))
            return false;
        done += part;
    }
    return true;
}

/* A stream has no name to give: its length is 0, and what it points to stays as it is. Linux looks
 * at the length when the octets are taken. 0 or errno. */
static int give_no_name(const struct call *call, const struct message *message, size_t got)
{
    struct msghdr header;
    int32_t len = 0;
    if (message->header == 0 && message->name == 0)
        return 0;
    if (message->header == 0) {
        if (!memory_read(call->pid, message->name_len_at, &len, sizeof len))
            return EFAULT;
        if (len < 0)
            return EINVAL;
        len = 0;
        return memory_write(call->pid, message->name_len_at, &len, sizeof len) ? 0 : EFAULT;
    }
    if (!memory_read(call->pid, message->header, &header, sizeof header))
        return EFAULT;
    header.msg_namelen = 0;
    header.msg_flags = message->flags & MSG_OOB;
    if (!beside_give(call, &header, got))
        return EFAULT;
    return memory_write(call->pid, message->header, &header, sizeof header) ? 0 : EFAULT;
}

/* Octets that the program has room for; more than MESSAGE_MAX is that and 1. */
static size_t room_of(const struct message *message)
{
    size_t room = 0;
    for (unsigned i = 0; i < message->span_count && room <= MESSAGE_MAX; i++)
        room +=
            message->span[i].iov_len <= MESSAGE_MAX ? message->span[i].iov_len : MESSAGE_MAX + 1;
    return room <= MESSAGE_MAX ? room : MESSAGE_MAX + 1;
}

/* Nothing more will come. */
static bool is_at_end(int s)
{
    struct pollfd ask = { .fd = s, .events = POLLRDHUP };
    static const struct timespec at_once;
    return ppoll(&ask, 1, &at_once, NULL) > 0 &&
           (ask.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

/* MSG_WAITALL: whether to wait on although something is there. */
static bool lacks_some(const struct call *call, const struct message *message)
{
    int unread = 0;
    return (message->flags & MSG_WAITALL) != 0 && ioctl(call->s, FIONREAD, &unread) == 0 &&
           (size_t)unread < room_of(message) && !is_at_end(call->s);
}

/* False: nothing is there yet, and the program waits. */
static bool receive(const struct call *call, const struct message *message)
{
    size_t room = room_of(message);
    room = room < MESSAGE_MAX ? room : MESSAGE_MAX;
    const bool discards = (message->flags & MSG_TRUNC) != 0;
    const int flags = message->flags & (MSG_OOB | MSG_PEEK);
    const struct withdrawn *kept = withdrawn_take(call);
    if (kept != NULL)
        memcpy(message_octets, kept->octets, kept->len);
    const bool waits = message_waits(call, message);
    if (kept == NULL && waits && lacks_some(call, message))
        return false;
    const ssize_t got =
        kept != NULL ? (ssize_t)kept->count : octets_recv(call->s, message_octets, room, flags);
    int error = errno;
    if (got < 0 && error == EAGAIN && waits)
        return false;
    if (got < 0)
        call_error(call, error);
    else if (!discards && !scatter(call, message, (size_t)got))
        call_error(call, EFAULT);
    else if ((error = give_no_name(call, message, (size_t)got)) != 0)
        call_error(call, error);
    else if (!call_value(call, got) && got > 0 && (flags & MSG_PEEK) == 0)
        withdrawn_keep(call, (size_t)got, (size_t)got);
    return true;
}

/* The call of a place, made again. */
static bool receive_parked(struct parked *parked, bool waits, weir_time now)
{
    struct message message;
    const struct call call = parked_call(parked, now);
    if (!call_valid(parked->run, parked->call) || !message_read(&call, &message))
        return true;
    if (!waits)
        message.flags |= MSG_DONTWAIT;
    return receive(&call, &message);
}

void receive_expired(struct parked *parked, weir_time now)
{
    (void)receive_parked(parked, false, now);
}

static void on_octets(void *user, int fd, uint32_t ready, weir_time now)
{
    struct parked *parked = user;
    (void)fd;
    (void)ready;
    if (receive_parked(parked, true, now))
        unpark(parked);
}

/* The kernel could wait, too, and would then tell the name of an AF_UNIX socket, or write what the
 * program wants to be discarded. */
static void receive_later(struct call *call)
{
    struct parked *parked = park(call->weird, call, wait_deadline(call->s, SO_RCVTIMEO, call->now));
    if (parked == NULL) {
        call_error(call, ENOBUFS);
        return;
    }
    parked->s = call->s;
    parked->nr = call->nr;
    memcpy(parked->arg, call->arg, sizeof parked->arg);
    /* Each time that something comes: what is there already may not be enough (MSG_WAITALL). */
    if (weir_loop_add_fd(call->weird->loop, parked->s, EPOLLIN | EPOLLRDHUP | EPOLLET, on_octets,
                         parked) < 0) {
        call_error(call, ENOBUFS);
        unpark(parked);
    }
    call->s = -1; /* which the place has */
}

bool message_fails(const struct call *call, bool sends)
{
    const struct socket *socket = call->socket;
    int unread = 0;
    if (socket == NULL || socket->error == 0 || socket->state == SOCKET_CONNECTING)
        return false;
    if (!sends && (ioctl(call->s, FIONREAD, &unread) < 0 || unread > 0))
        return false; /* octets come before it */
    if (!sends && socket->gave_eof) {
        call_value(call, 0); /* so does the peer's end, and leaves it to others */
        return true;
    }
    const int error = call_take_error(call);
    if (error == 0 || (sends && error == EPIPE))
        return false; /* EPIPE is the kernel's own word, with its signal */
    call_error(call, error);
    return true;
}

bool message_receive(const struct call *call)
{
    struct message message;
    if (call->nr == __NR_recvmmsg || !message_read(call, &message)) {
        call_continue(call);
        return true;
    }
    message.flags &= ~MSG_WAITALL;
    return receive(call, &message);
}

/* What it asks for beside octets an AF_UNIX socket does not have. */
static bool is_ours(const struct call *call, const struct message *message)
{
    const struct socket *socket = call->socket;
    if (socket == NULL || socket->state == SOCKET_FRESH || call->nr == __NR_recvmmsg ||
        ((message->flags & MSG_WAITALL) != 0 && room_of(message) > MESSAGE_MAX))
        return false;
    return message->name != 0 || (message->flags & MSG_TRUNC) != 0 ||
           (message->header != 0 && beside_any(socket));
}

/* read() and readv() of no octets, and recvmmsg() of no messages, ask nobody. */
static bool asks_for_nothing(const struct call *call, const struct message *message)
{
    if (call->nr == __NR_recvmmsg)
        return call->arg[2] == 0;
    return (call->nr == __NR_read || call->nr == __NR_readv) && room_of(message) == 0;
}

void call_receive(struct call *call)
{
    struct message message;
    if (!message_read(call, &message) || asks_for_nothing(call, &message)) {
        call_continue(call);
    } else if ((message.flags & MSG_ERRQUEUE) != 0) {
        call_error(call, EAGAIN); /* there is nothing in it */
    } else if (message_fails(call, false)) {
        return;
    } else if (message_unconnected(call)) {
        call_error(call, ENOTCONN);
    } else if (is_ours(call, &message)) {
        if (!receive(call, &message))
            receive_later(call);
    } else if ((message.flags & MSG_OOB) != 0 || !exact_wait(call, &message, false)) {
        call_continue(call);
    }
}

/* ---- How much is queued ---- */

/* Up to the urgent octet, if it is not yet read: as TCP counts. */
static int unread_of(const struct socket *socket, int s)
{
    int unread = 0, at = 0, in_line = 0;
    socklen_t len = sizeof in_line;
    (void)ioctl(s, FIONREAD, &unread);
    if (getsockopt(s, SOL_SOCKET, SO_OOBINLINE, &in_line, &len) == 0 && in_line != 0)
        return unread;
    if (ioctl(s, SIOCATMARK, &at) == 0 && at != 0)
        return 0;
    const int before = unread - 1 - (int)socket->after_urgent;
    const bool ahead = urgent_now(s);
    return ahead && before > 0 ? before : unread;
}

static int unsent_of(const struct socket *socket, const struct weir_status *status, bool not_sent)
{
    int written = 0;
    (void)ioctl(socket->d, FIONREAD, &written);
    if (socket->marked && written > 0)
        written--;
    return written + (int)status->unsent + (not_sent ? 0 : (int)status->unacked);
}

void call_ioctl(struct call *call)
{
    struct weir_status status;
    const struct socket *socket = call->socket;
    const bool streams = socket != NULL && socket->state == SOCKET_CONNECTED && socket->d >= 0;
    const uint32_t request = (uint32_t)call->arg[1];
    int value = 0;
    if (socket != NULL && socket->state == SOCKET_LISTENING) {
        call_error(call, EINVAL);
        return;
    }
    if (request == SIOCINQ && !(streams && socket->urgent_in)) {
        call_continue(call);
        return;
    }
    if (request == SIOCINQ)
        value = unread_of(socket, call->s);
    else if (streams && weir_status(call->weird->weir, socket->handle, &status) == WEIR_OK)
        value = unsent_of(socket, &status, request == SIOCOUTQNSD);
    if (memory_write(call->pid, call->arg[2], &value, sizeof value))
        call_value(call, 0);
    else
        call_error(call, EFAULT);
}
