/* SPDX-License-Identifier: MIT */

/* close() of a stream with SO_LINGER of more than 0 s (`weir run --linger`): it waits until the
 * peer has acknowledged all and the end, or its time is over. Then the kernel closes what is left.
 *
 * Whether anybody else holds S is found out by doing it: the program's descriptor becomes another
 * one, ours is closed, and D tells. From then on S is gone as after any close, and what it wrote is
 * sent in the same way (relay.c); only that the connection is kept until its end is acknowledged.
 */

#include "ends.h"

#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* syscall: ppoll close ioctl */

#define LINGER_LOOK WEIR_MS /* what the peer acknowledges is no event */

static struct lingering *free_place(struct weird *weird)
{
    for (unsigned i = 0; i < LINGER_MAX; i++)
        if (weird->lingering[i].run == NULL)
            return &weird->lingering[i];
    return NULL;
}

static bool is_acknowledged(const struct socket *socket)
{
    struct weir_status status;
    if (socket == NULL || socket->state != SOCKET_CONNECTED || socket->handle == WEIR_NO_HANDLE ||
        weir_status(socket->weird->weir, socket->handle, &status) != WEIR_OK)
        return true;
    return status.state == WEIR_FIN_WAIT_2 || status.state == WEIR_TIME_WAIT ||
           status.state == WEIR_CLOSED;
}

/* The connection goes on as one that nobody waits for. */
static void let_go(struct socket *socket)
{
    if (socket == NULL)
        return;
    socket->lingers = false;
    if (socket->state == SOCKET_CONNECTED && socket->read_eof)
        socket_over(socket);
}

static void look(void *user, weir_time now)
{
    struct weird *weird = user;
    bool some = false;
    for (unsigned i = 0; i < LINGER_MAX; i++) {
        struct lingering *place = &weird->lingering[i];
        if (place->run == NULL)
            continue;
        struct socket *socket = socket_find(weird, place->socket);
        if (!is_acknowledged(socket) && now < place->deadline &&
            call_valid(place->run, place->call)) {
            some = true;
            continue;
        }
        let_go(socket);
        const struct call call = { .run = place->run, .id = place->call };
        call_continue(&call);
        place->run = NULL;
    }
    if (some)
        weir_loop_set_timer(weird->loop, &weird->linger_timer, now + LINGER_LOOK);
}

static bool hangs_up(int fd)
{
    struct pollfd ask = { .fd = fd };
    static const struct timespec at_once;
    return ppoll(&ask, 1, &at_once, NULL) > 0 && (ask.revents & POLLHUP) != 0;
}

/* What is unread makes it a reset, for which nobody waits. */
static bool is_to_wait(const struct call *call)
{
    const struct socket *socket = call->socket;
    int unread = 0;
    if (ioctl(call->s, FIONREAD, &unread) < 0 || unread > 0)
        return false;
    return socket != NULL && socket->state == SOCKET_CONNECTED && socket->d >= 0 &&
           !socket->owed_reset && !socket->hung_up && socket->linger &&
           socket->linger_seconds > 0 && free_place(call->weird) != NULL;
}

void call_close(struct call *call)
{
    struct socket *socket = call->socket;
    struct weird *weird = call->weird;
    exact_leave_to(call);
    if (!is_to_wait(call) ||
        call_give(call->run, call->id, weird->dummy, (int)call->arg[0], true, false) < 0) {
        call_continue(call);
        return;
    }
    close(call->s);
    call->s = -1;
    if (!hangs_up(socket->d)) { /* another one holds it still */
        call_continue(call);
        return;
    }
    *free_place(weird) = (struct lingering){
        .run = call->run,
        .call = call->id,
        .socket = socket->id,
        .deadline = call->now + socket->linger_seconds * WEIR_SECOND,
    };
    socket->lingers = true;
    socket->hung_up = true;
    relay_pump(socket, call->now);
    weird->linger_timer.on_time = look;
    weird->linger_timer.user = weird;
    weir_loop_set_timer(weird->loop, &weird->linger_timer, call->now + LINGER_LOOK);
}

void linger_forget(const struct run *run)
{
    for (unsigned i = 0; i < LINGER_MAX; i++) {
        struct lingering *place = &run->weird->lingering[i];
        if (place->run == run) {
            let_go(socket_find(run->weird, place->socket));
            place->run = NULL;
        }
    }
}
