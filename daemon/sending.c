/* SPDX-License-Identifier: MIT */

/* What programs send over a stream in a way that an AF_UNIX socket would take for another: with
 * MSG_FASTOPEN, MSG_OOB, MSG_MORE, or to an address, which TCP ignores once it is connected and
 * AF_UNIX refuses. Only the last are carried by weird; the rest the kernel does, once what it means
 * is noted. */

#include "messages.h"

#include "ends.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>

/* syscall: ioctl setsockopt sendmsg */

#define PIECES 16 /* of MESSAGE_MAX, in a turn */

/* ---- What is noted ---- */

/* From now on the mark in D is looked for. */
static void expect_urgent(struct socket *socket)
{
    const int on = 1;
    (void)setsockopt(socket->d, SOL_SOCKET, SO_OOBINLINE, &on, sizeof on);
    socket->urgent_out = true;
}

/* What is in D and what this call adds to it belong together with what the program sends next. If
 * it adds less than it might, some of that waits as well: at most as long as TCP_CORK lets it. */
static void hold_back(struct socket *socket, const struct message *message)
{
    int unread = 0;
    size_t len = 0;
    for (unsigned i = 0; i < message->span_count && len < INT32_MAX; i++)
        len += message->span[i].iov_len < INT32_MAX ? message->span[i].iov_len : INT32_MAX;
    if (ioctl(socket->d, FIONREAD, &unread) == 0)
        socket->more = (uint32_t)unread + (uint32_t)len;
}

/* The first piece of a MSG_FASTOPEN; what is more the program sends again. */
static bool send_fast(struct call *call, const struct message *message)
{
    struct msghdr header = { .msg_namelen = 0 };
    if (message->header != 0 && !memory_read(call->pid, message->header, &header, sizeof header))
        return false;
    const struct fast_message fast = {
        .name = message->name,
        .name_len = message->header != 0 ? header.msg_namelen : message->name_len_at,
        .at = (uint64_t)(uintptr_t)message->span[0].iov_base,
        .len = message->span_count > 0 ? message->span[0].iov_len : 0,
        .waits = message_waits(call, message),
    };
    return fast_send(call, &fast);
}

/* ---- To an address ---- */

/* The next octets behind the first `from`, as many as go at a time. -1: they cannot be read. */
static ssize_t gather(const struct call *call, const struct message *message, size_t from)
{
    size_t len = 0;
    for (unsigned i = 0; i < message->span_count && len < MESSAGE_MAX; i++) {
        const size_t skip = from < message->span[i].iov_len ? from : message->span[i].iov_len;
        const size_t left = message->span[i].iov_len - skip, room = MESSAGE_MAX - len;
        const size_t part = left < room ? left : room;
        const uint64_t at = (uint64_t)(uintptr_t)message->span[i].iov_base + skip;
        if (part > 0 && !memory_read(call->pid, at, message_octets + len, part))
            return -1;
        from -= skip;
        len += part;
    }
    return (ssize_t)len;
}

/* All behind the first `*done`. 0: it is all sent; EAGAIN: not yet; or errno. */
static int send_on(const struct call *call, const struct message *message, size_t *done)
{
    const int flags = (message->flags & ~MSG_MORE) | MSG_DONTWAIT | MSG_NOSIGNAL;
    for (unsigned i = 0; i < PIECES; i++) {
        const ssize_t len = gather(call, message, *done);
        if (len < 0)
            return EFAULT;
        if (len == 0)
            return 0;
        const ssize_t sent = octets_send(call->s, message_octets, (size_t)len, flags);
        if (sent < 0)
            return errno;
        *done += (size_t)sent;
    }
    return EAGAIN;
}

/* What has gone is told, and an error only if nothing has. */
static void finish(const struct call *call, const struct message *message, size_t done, int error)
{
    if (call_answer(call->run, call->id, done > 0 || error == 0 ? (int64_t)done : -error) ||
        done == 0)
        return;
    const ssize_t len = gather(call, message, 0);
    if (len > 0)
        withdrawn_keep(call, done, (size_t)len < done ? (size_t)len : done);
}

/* One that waits has its turn, or its last. True: it is over. */
static bool send_parked(struct parked *parked, bool last, weir_time now)
{
    struct message message;
    const struct call call = parked_call(parked, now);
    if (!message_read(&call, &message))
        return true;
    const bool valid = call_valid(parked->run, parked->call);
    const int error = valid ? send_on(&call, &message, &parked->done) : EINTR;
    if (error == EAGAIN && !last)
        return false;
    finish(&call, &message, parked->done, error);
    return true;
}

void send_expired(struct parked *parked, weir_time now)
{
    (void)send_parked(parked, true, now);
}

static void on_room(void *user, int fd, uint32_t ready, weir_time now)
{
    (void)fd;
    (void)ready;
    if (send_parked(user, false, now))
        unpark(user);
}

/* A thread makes one call at a time: what else it seems to send was withdrawn, and is now known. */
static void end_others(const struct call *call)
{
    struct weird *weird = call->weird;
    for (unsigned i = 0; i < weird->parked_top; i++) {
        struct parked *old = &weird->parked[i];
        if (old->call == 0 || old->waits || old->pid != call->pid || !call_is_send(old->nr))
            continue;
        send_expired(old, call->now);
        unpark(old);
    }
}

static void send_later(struct call *call, const struct message *message, size_t done)
{
    struct parked *parked = park(call->weird, call, wait_deadline(call->s, SO_SNDTIMEO, call->now));
    if (parked == NULL) {
        finish(call, message, done, ENOBUFS);
        return;
    }
    parked->s = call->s;
    parked->nr = call->nr;
    parked->done = done;
    memcpy(parked->arg, call->arg, sizeof parked->arg);
    call->s = -1; /* which the place has */
    if (weir_loop_add_fd(call->weird->loop, parked->s, EPOLLOUT, on_room, parked) < 0) {
        finish(call, message, done, ENOBUFS);
        unpark(parked);
    }
}

static void send_to(struct call *call, const struct message *message)
{
    size_t done = 0;
    end_others(call);
    const struct withdrawn *kept = withdrawn_take(call);
    if (kept != NULL && gather(call, message, 0) >= (ssize_t)kept->len &&
        memcmp(message_octets, kept->octets, kept->len) == 0) {
        finish(call, message, kept->count, 0);
        return;
    }
    const int error = send_on(call, message, &done);
    if (error == EAGAIN && message_waits(call, message))
        send_later(call, message, done);
    else
        finish(call, message, done, error);
}

/* ---- All of them ---- */

bool call_is_send(int nr)
{
    return nr == __NR_sendto || nr == __NR_sendmsg || nr == __NR_sendmmsg || nr == __NR_write ||
           nr == __NR_writev || nr == __NR_sendfile;
}

void call_send(struct call *call)
{
    struct message message;
    struct socket *socket = call->socket;
    const bool readable = message_read(call, &message), many = call->nr == __NR_sendmmsg;
    if (socket != NULL && !many && readable && (message.flags & MSG_FASTOPEN) != 0 &&
        send_fast(call, &message))
        return;
    if (message_fails(call, true))
        return;
    if (message_unconnected(call) && !(many && call->arg[2] == 0)) {
        call_error(call, EPIPE);
        return;
    }
    if (readable && exact_wait(call, &message, true))
        return;
    const bool streams = socket != NULL && socket->state == SOCKET_CONNECTED && socket->d >= 0;
    if (!streams || many || !readable) {
        call_continue(call);
        return;
    }
    if ((message.flags & MSG_OOB) != 0)
        expect_urgent(socket);
    if ((message.flags & MSG_MORE) != 0)
        hold_back(socket, &message);
    if (message.name == 0)
        call_continue(call);
    else
        send_to(call, &message);
}
