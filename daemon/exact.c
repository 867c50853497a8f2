/* SPDX-License-Identifier: MIT */

/* `weir run --exact`: calls that read and write are caught, too, and here is decided whether the
 * kernel may do one, on S. It may while S says what TCP would: octets are there, or room, or an end
 * that an AF_UNIX socket has the same word for. What fails otherwise is answered (messages.c,
 * sending.c), and what would wait is parked until one of the two is so, since a thread that waits
 * inside the kernel hears of a failure what S knows of it. The octets are always the kernel's to
 * move, so that a signal loses none.
 *
 * S' is not held meanwhile: its last close, as when the program is killed, is to be seen at once. A
 * close by another thread leaves it to the call that waits, as on Linux. A call that waits hears of
 * what happens from its socket, which has a chain of them; that costs nothing where nobody waits.
 */

#include "messages.h"

#include "ends.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* syscall: ioctl getsockopt ppoll fcntl close */

bool exact_only(int nr)
{
    return nr == __NR_read || nr == __NR_readv || nr == __NR_write || nr == __NR_writev ||
           nr == __NR_sendfile;
}

/* ---- The chain of those who wait ---- */

static void chain(struct socket *socket, struct parked *parked)
{
    parked->waits = true;
    parked->next = socket->waiters;
    socket->waiters = (uint16_t)(parked - parked->weird->parked + 1);
}

void exact_unchain(struct parked *parked)
{
    struct weird *weird = parked->weird;
    struct socket *socket = parked->waits ? socket_find(weird, parked->socket) : NULL;
    parked->waits = false;
    if (socket == NULL)
        return;
    const uint16_t number = (uint16_t)(parked - weird->parked + 1);
    uint16_t *at = &socket->waiters;
    while (*at != 0 && *at != number)
        at = &weird->parked[*at - 1].next;
    if (*at == number)
        *at = parked->next;
}

/* A thread makes one call at a time: of what else it seems to wait for here a signal took it out.
 * Whether that was this very call. */
static bool is_made_again(const struct call *call)
{
    struct weird *weird = call->weird;
    bool again = false;
    for (uint16_t number = call->socket->waiters; number != 0;) {
        struct parked *old = &weird->parked[number - 1];
        number = old->next;
        if (old->pid != call->pid)
            continue;
        again = old->nr == call->nr && memcmp(old->arg, call->arg, sizeof old->arg) == 0;
        unpark(old);
    }
    return again;
}

/* ---- May the kernel do it? ---- */

static bool has_room(int s)
{
    int queued = 0, room = 0;
    socklen_t len = sizeof room;
    return ioctl(s, SIOCOUTQ, &queued) < 0 ||
           getsockopt(s, SOL_SOCKET, SO_SNDBUF, &room, &len) < 0 || queued < room;
}

static bool has_something(int s)
{
    struct pollfd ask = { .fd = s, .events = POLLIN | POLLRDHUP };
    static const struct timespec at_once;
    return ppoll(&ask, 1, &at_once, NULL) > 0;
}

/* S before it is connected says nothing of the connection that is to come. */
static bool is_not_met(const struct socket *socket)
{
    return socket->state == SOCKET_CONNECTING && socket->d < 0;
}

static bool kernel_may(const struct call *call, bool sends)
{
    const struct socket *socket = call->socket;
    if (socket == NULL)
        return true;
    if (is_not_met(socket))
        return false;
    if (!sends)
        return has_something(call->s);
    return (socket->state != SOCKET_CONNECTED && socket->state != SOCKET_CONNECTING) ||
           socket->shut_wr || socket->late != WEIR_OK || has_room(call->s);
}

bool exact_wait(struct call *call, const struct message *message, bool sends)
{
    struct socket *socket = call->socket;
    if (socket == NULL || !call->run->exact)
        return false;
    if (!message_waits(call, message)) {
        if (is_not_met(socket))
            call_error(call, EAGAIN);
        return is_not_met(socket);
    }
    if (kernel_may(call, sends))
        return false;
    const weir_time deadline = wait_deadline(call->s, sends ? SO_SNDTIMEO : SO_RCVTIMEO, call->now);
    /* Who has set a time is told of a signal, whatever SA_RESTART says (signal(7)). That he is who
     * makes the call again cannot be told from seccomp's making it: then he is told twice. */
    if (is_made_again(call) && deadline != WEIR_NEVER) {
        call_error(call, EINTR);
        return true;
    }
    struct parked *parked = park(call->weird, call, deadline);
    if (parked == NULL)
        return false; /* too many wait: this one inside the kernel */
    parked->nr = call->nr;
    memcpy(parked->arg, call->arg, sizeof parked->arg);
    chain(socket, parked);
    return true;
}

/* ---- What has been waited for ---- */

/* The descriptor of a call that waits: what another thread closed it was left (exact_leave_to). -1:
 * the number means something else by now. */
static int descriptor_of(const struct parked *parked)
{
    struct socket *found;
    uint8_t family;
    if (parked->s >= 0)
        return parked->s;
    const int s = fetch_fd(parked->pid, (int)parked->arg[0]);
    if (s < 0 || (socket_identify(parked->weird, parked->run, s, &found, &family) &&
                  found != NULL && found->id == parked->socket))
        return s;
    close(s);
    return -1;
}

/* Decides once more. False: it goes on waiting. */
static bool decide(struct call *call, const struct parked *parked, bool last)
{
    const bool sends = call_is_send(parked->nr);
    if (message_fails(call, sends))
        return true;
    if (message_unconnected(call))
        call_error(call, sends ? EPIPE : ENOTCONN);
    else if (kernel_may(call, sends) && (sends || parked->s < 0))
        call_continue(call);
    else if (kernel_may(call, sends))
        return message_receive(call); /* what the number meant is closed */
    else if (last)
        call_error(call, EAGAIN);
    else
        return false;
    return true;
}

static bool try_again(const struct parked *parked, bool last, weir_time now)
{
    struct call call = parked_call(parked, now);
    if (!call_valid(parked->run, parked->call))
        return true;
    call.s = descriptor_of(parked);
    if (call.s < 0 || call.socket == NULL) {
        call_continue(&call);
        return true;
    }
    const bool over = decide(&call, parked, last);
    if (call.s != parked->s)
        close(call.s);
    return over;
}

void exact_look(struct socket *socket, weir_time now)
{
    struct weird *weird = socket->weird;
    for (uint16_t number = socket->waiters; number != 0;) {
        struct parked *parked = &weird->parked[number - 1];
        number = parked->next;
        if (try_again(parked, false, now))
            unpark(parked);
    }
}

bool exact_turn(const struct parked *parked, weir_time now)
{
    return try_again(parked, parked->deadline <= now, now);
}

void exact_forget(struct socket *socket)
{
    struct weird *weird = socket->weird;
    while (socket->waiters != 0) {
        struct parked *parked = &weird->parked[socket->waiters - 1];
        const struct call call = parked_call(parked, 0);
        call_continue(&call);
        unpark(parked);
    }
}

void exact_leave_to(const struct call *close_call)
{
    struct weird *weird = close_call->weird;
    if (close_call->socket == NULL)
        return;
    for (uint16_t number = close_call->socket->waiters; number != 0;) {
        struct parked *parked = &weird->parked[number - 1];
        number = parked->next;
        if (parked->pid == close_call->pid)
            unpark(parked); /* a signal took it out of that one */
        else if (parked->s < 0 && parked->arg[0] == close_call->arg[0])
            parked->s = fcntl(close_call->s, F_DUPFD_CLOEXEC, 0);
    }
}
