/* SPDX-License-Identifier: MIT */

/* connect. A blocking one waits with S untouched, so that S is reusable if it fails. For one that
 * does not wait S is connected to us at once, with so small a send buffer that one write of ours
 * fills it: then it is neither readable nor writable until we take those octets out again. None of
 * that is needed for a peer that answers before we have answered the program. */

#include "ends.h"
#include "sockopt.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/time.h>
#include <unistd.h>

/* syscall: getsockopt setsockopt fcntl close */

#define FILLER_OCTETS 4096
#define SNDBUF_LEAST  1 /* the kernel raises it to its own least */
#define PROMPT_ROUNDS 8 /* of the loop, at most, in which what a SYN brought is read */

/* ---- Before the connection is there ---- */

bool connect_hold(struct socket *socket, int s)
{
    static const char filler[FILLER_OCTETS];
    const int least = SNDBUF_LEAST;
    if (!socket_meet(socket, s))
        return false;
    (void)setsockopt(s, SOL_SOCKET, SO_SNDBUF, &least, sizeof least);
    socket->filler = octets_send(s, filler, sizeof filler, 0) > 0;
    relay_watch_d(socket, 0); /* only its end */
    return true;
}

static void drop_spare(struct socket *socket)
{
    if (socket->spare >= 0)
        close(socket->spare);
    socket->spare = -1;
}

/* ---- A peer that answers at once ----
 *
 * One on the same machine has answered a SYN when the write of it returns. So a connect that does
 * not wait is answered when this round's frames are out and what they brought is in. Nothing is
 * waited for: if there is no answer to the SYN then, S is kept from being writable until there is.
 */

static struct prompt *prompt_of(struct weird *weird, uint64_t socket)
{
    for (unsigned i = 0; i < weird->prompt_count; i++)
        if (weird->prompt[i].socket == socket)
            return &weird->prompt[i];
    return NULL;
}

static void prompt_answer(struct prompt *prompt, struct socket *socket, int error)
{
    const bool told = call_answer(prompt->run, prompt->call, -error);
    if (socket != NULL)
        socket->untold = !told && error == EINPROGRESS;
}

static void prompt_remove(struct weird *weird, struct prompt *prompt)
{
    *prompt = weird->prompt[--weird->prompt_count];
}

/* The answer to the SYN is not there, or is a refusal: as if nobody had looked for it. */
static void prompt_hold(struct weird *weird, struct prompt *prompt)
{
    struct socket *socket = socket_find(weird, prompt->socket);
    const bool waits = socket != NULL && socket->state == SOCKET_CONNECTING && socket->spare >= 0;
    const bool failed = waits && !connect_hold(socket, socket->spare);
    if (socket != NULL)
        drop_spare(socket);
    prompt_answer(prompt, socket, failed ? ENOBUFS : EINPROGRESS);
    prompt_remove(weird, prompt);
    if (failed)
        socket_over(socket);
}

/* Of those that have an answer the stack is about to tell. */
static bool is_decided(const struct weird *weird, const struct prompt *prompt)
{
    const struct socket *socket = socket_find(weird, prompt->socket);
    return socket != NULL && socket->state == SOCKET_CONNECTING &&
           weir_ready_now(weird->weir, socket->handle) != 0;
}

static void prompt_look(void *user, weir_time now)
{
    struct weird *weird = user;
    for (unsigned i = weird->prompt_count; i > 0; i--) {
        struct prompt *prompt = &weird->prompt[i - 1];
        const bool more = is_decided(weird, prompt) || !weird->dev->drained;
        if (!more || ++prompt->rounds > PROMPT_ROUNDS)
            prompt_hold(weird, prompt);
    }
    if (weird->prompt_count > 0)
        weir_loop_set_timer(weird->loop, &weird->prompt_timer, now + 1); /* in the next round */
}

static bool prompt_add(struct call *call)
{
    struct weird *weird = call->weird;
    if (weird->prompt_count == PROMPT_MAX)
        return false;
    weird->prompt[weird->prompt_count++] =
        (struct prompt){ .run = call->run, .call = call->id, .socket = call->socket->id };
    call->socket->spare = call->s;
    call->s = -1;
    weird->prompt_timer.on_time = prompt_look;
    weird->prompt_timer.user = weird;
    weir_loop_set_timer(weird->loop, &weird->prompt_timer, call->now + 1);
    return true;
}

/* Whether the call is one again that a signal took the program out of. */
static bool prompt_again(const struct call *call)
{
    struct prompt *prompt = prompt_of(call->weird, call->socket->id);
    if (prompt == NULL || call_valid(prompt->run, prompt->call))
        return false;
    prompt->call = call->id;
    return true;
}

/* ---- connect to AF_UNSPEC ---- */

/* Whether the end of it now is a reset, or gives up a connect. */
static bool is_alive(const struct call *call)
{
    struct weir_status status;
    if (call->socket->state == SOCKET_CONNECTING)
        return true;
    return call->socket->state == SOCKET_CONNECTED &&
           weir_status(call->weird->weir, call->socket->handle, &status) == WEIR_OK &&
           status.state >= WEIR_SYN_RECEIVED && status.state <= WEIR_CLOSE_WAIT;
}

/* connect(AF_UNSPEC): ends the connection by a reset, and the socket is as new. */
static int disconnect(struct call *call)
{
    struct socket *socket = call->socket;
    struct weird *weird = call->weird;
    const bool alive = is_alive(call);
    const bool used = socket->state == SOCKET_CONNECTED || socket->state == SOCKET_CONNECTING ||
                      socket->state == SOCKET_DEAD;
    if (socket->state == SOCKET_LISTENING)
        return EISCONN;
    if (socket->handle != WEIR_NO_HANDLE) {
        (void)weir_abort(weird->weir, socket->handle, call->now);
        (void)weir_release(weird->weir, socket->handle, call->now);
        socket->handle = WEIR_NO_HANDLE;
    }
    drop_spare(socket);
    socket_close_d(socket);
    socket->error = 0;
    if (!socket->address_given)
        socket->local.ip =
            socket->family == AF_INET ? weir_ip_v4(0, 0, 0, 0) : (struct weir_ip){ { 0 } };
    if (used && !call_renew(call))
        return ENOBUFS;
    socket->error = alive ? ECONNRESET : 0; /* which Linux leaves for whoever asks next */
    exact_look(socket, call->now);
    return 0;
}

/* ---- connect ---- */

enum weir_error connect_open(struct socket *socket, const struct weir_addr *addr, weir_time now)
{
    const struct weir_addr any = { .ip = socket->local.ip };
    if (!socket->bound && (socket->kept[KEPT_PORTS] != 0 || option_keys_any()))
        (void)address_bind(socket, &any); /* weir draws of all */
    if (socket->bound)
        option_keys_begin(socket);
    const struct weir_addr *local = socket->bound ? &socket->local : NULL;
    const enum weir_error error =
        weir_connect(socket->weird->weir, local, addr, &socket->handle, now);
    if (error != WEIR_IN_PROGRESS)
        return error;
    struct weir_status status;
    if (weir_status(socket->weird->weir, socket->handle, &status) == WEIR_OK) {
        socket->local = status.local;
        socket->remote = status.remote;
    }
    socket->bound = true;
    socket->error = 0;
    socket->state = SOCKET_CONNECTING;
    if (socket->kept[KEPT_FASTOPEN_CONNECT])
        fast_ask(socket, now);
    (void)weir_set_cookie(socket->weird->weir, socket->handle, socket->id);
    options_apply(socket, now);
    return WEIR_OK;
}

struct parked *connect_wait(struct call *call, bool again)
{
    struct socket *socket = call->socket;
    struct parked *parked = park(call->weird, call, wait_deadline(call->s, SO_SNDTIMEO, call->now));
    if (parked == NULL) {
        call_error(call, ENOBUFS);
        return NULL;
    }
    parked->again = again;
    if (socket->spare < 0 && socket->d < 0) {
        socket->spare = call->s;
        call->s = -1;
    }
    return parked;
}

/* Again on a socket that is connecting: a signal may have ended the first call, and SA_RESTART
 * brings it back. */
static void connect_again(struct call *call, bool blocking)
{
    struct parked *waiting = parked_connect(call->weird, call->socket->id);
    if (waiting != NULL && !call_valid(waiting->run, waiting->call))
        unpark(waiting);
    else if (waiting != NULL)
        blocking = false; /* another thread waits already */
    if (blocking) {
        (void)connect_wait(call, true);
    } else if (!prompt_again(call)) {
        call_error(call, call->socket->untold ? EINPROGRESS : EALREADY);
        call->socket->untold = false;
    }
}

/* The last close of a listener is no event for us. One of ours whom this concerns is looked at now:
 * whoever has closed it may connect only to see that nobody is there. */
static void look_for_listener(struct weird *weird, const struct weir_addr *addr)
{
    for (uint32_t i = 0; i < SOCKETS_MAX && net_is_local(weird, &addr->ip); i++) {
        struct socket *socket = weird->socket[i];
        if (socket != NULL && socket->state == SOCKET_LISTENING &&
            socket->local.port == addr->port && socket_gone(socket))
            socket_free(socket);
    }
}

static void begin(struct call *call, const struct weir_addr *given, bool blocking)
{
    struct socket *socket = call->socket;
    struct weir_addr addr = *given;
    if (address_any(&addr.ip)) {
        const bool v4 = weir_ip_is_v4(&addr.ip);
        addr.ip = v4 ? weir_ip_v4(127, 0, 0, 1) : (struct weir_ip){ { [15] = 1 } };
    }
    if (socket->family == AF_INET6 && socket->kept[KEPT_V6ONLY] && weir_ip_is_v4(&addr.ip)) {
        call_error(call, ENETUNREACH);
        return;
    }
    if (addr.port == 0) { /* no port to send to: Linux tries, and is refused */
        call_error(call, ECONNREFUSED);
        return;
    }
    look_for_listener(call->weird, &addr);
    if (socket->kept[KEPT_FASTOPEN_CONNECT] && fast_defer(call, &addr))
        return;
    const enum weir_error error = connect_open(socket, &addr, call->now);
    if (error != WEIR_OK) {
        /* What is left of EINVAL is broadcast and multicast. */
        call_error(call, error == WEIR_INVALID ? ENETUNREACH : weir_errno(error));
        return;
    }
    if (blocking) {
        (void)connect_wait(call, false);
    } else if (prompt_add(call)) {
        return;
    } else if (connect_hold(socket, call->s)) {
        call_error(call, EINPROGRESS);
    } else {
        socket_over(socket);
        call_error(call, ENOBUFS);
    }
}

void call_connect(struct call *call)
{
    struct weir_addr addr;
    bool unspec;
    struct socket *socket = call->socket;
    const int wrong = address_read(call, call->arg[1], call->arg[2], &addr, &unspec);
    const int mode = fcntl(call->s, F_GETFL);
    const bool blocking = mode >= 0 && (mode & O_NONBLOCK) == 0;
    if (wrong != 0 || socket == NULL) {
        call_error(call, wrong != 0 ? wrong : EISCONN);
        return;
    }
    if (unspec) {
        call_answer(call->run, call->id, -disconnect(call));
        return;
    }
    switch (socket->state) {
    case SOCKET_FRESH:
        begin(call, &addr, blocking);
        return;
    case SOCKET_CONNECTING:
        connect_again(call, blocking);
        return;
    case SOCKET_CONNECTED:
        call_error(call, socket->fresh_success ? 0 : EISCONN);
        socket->fresh_success = false;
        return;
    case SOCKET_DEAD:
        if (!socket->filler && !socket->fresh_success) { /* it was connected, and knew */
            call_error(call, EISCONN);
            return;
        }
        { /* Linux, too, first says how the last one ended, and then begins anew. */
            const int error = socket->error != 0 ? socket->error : ECONNABORTED;
            socket->error = 0;
            call_error(call, call_renew(call) ? error : ENOBUFS);
        }
        return;
    default:
        call_error(call, EISCONN);
    }
}

/* ---- After that ---- */

static bool answer_waiting(struct socket *socket, int error)
{
    struct parked *parked = parked_connect(socket->weird, socket->id);
    if (parked == NULL || !call_valid(parked->run, parked->call))
        return false;
    const bool fast = parked->fast > 0 && error == 0 && socket->spare >= 0;
    call_answer(parked->run, parked->call, fast ? fast_finish(parked, socket->spare) : -error);
    unpark(parked);
    return true;
}

static void take_filler(struct socket *socket)
{
    char octets[FILLER_OCTETS];
    const int s = socket_fetch(socket);
    if (s >= 0) {
        options_bound_unsent(socket, s);
        close(s);
    }
    (void)octets_recv(socket->d, octets, sizeof octets, 0);
    socket->filler = false;
}

static void succeeded(struct socket *socket, weir_time now)
{
    struct weir_status status = { .rtt_min = 0 };
    if (weir_status(socket->weird->weir, socket->handle, &status) == WEIR_OK)
        socket->local = status.local;
    struct prompt *prompt = prompt_of(socket->weird, socket->id);
    const bool met = socket->spare < 0 || socket_meet(socket, socket->spare);
    if (met && socket->spare >= 0)
        options_bound_unsent(socket, socket->spare);
    if (prompt != NULL) {
        prompt_answer(prompt, socket, met ? EINPROGRESS : ENOBUFS);
        prompt_remove(socket->weird, prompt);
        socket->fresh_success = true;
    }
    if (!met) {
        (void)answer_waiting(socket, ENOBUFS);
        drop_spare(socket);
        socket_over(socket);
        return;
    }
    (void)answer_waiting(socket, 0); /* what a Fast Open has left over goes by the spare S' */
    drop_spare(socket);
    if (socket->filler) {
        take_filler(socket);
        socket->fresh_success = true;
    }
    socket->state = SOCKET_CONNECTED;
    relay_start(socket, status.rtt_min, now);
}

static void failed(struct socket *socket, weir_time now)
{
    struct weird *weird = socket->weird;
    if (socket->fast) { /* the program takes it for connected, and has written */
        relay_failed(socket, weir_error_take(weird->weir, socket->handle), now);
        return;
    }
    const int error = weir_errno(weir_error_take(weird->weir, socket->handle));
    (void)weir_release(weird->weir, socket->handle, now);
    socket->handle = WEIR_NO_HANDLE;
    if (!socket->port_given) {
        socket->bound = false;
        socket->local.port = 0;
    }
    const bool waited = socket->spare >= 0;
    const bool told = answer_waiting(socket, error);
    drop_spare(socket);
    if (waited) {
        socket->state = SOCKET_FRESH;
        exact_look(socket, now);
        return;
    }
    socket->error = told ? 0 : error;
    socket_close_d(socket); /* with the filler in it, which makes it an error at S */
    socket->state = SOCKET_DEAD;
    exact_look(socket, now);
    if (socket_gone(socket))
        socket_free(socket);
}

void connect_event(struct socket *socket, unsigned ready, weir_time now)
{
    struct prompt *prompt = prompt_of(socket->weird, socket->id);
    const bool fails = (ready & (WEIR_ERROR | WEIR_HANGUP)) != 0;
    if ((ready & WEIR_CONNECTED) == 0 && fails && prompt != NULL)
        prompt_hold(socket->weird, prompt);
    if ((ready & WEIR_CONNECTED) != 0)
        succeeded(socket, now);
    else if (fails && socket->state == SOCKET_CONNECTING)
        failed(socket, now);
}

void connect_detach(struct socket *socket)
{
    if (socket->spare >= 0 && !connect_hold(socket, socket->spare))
        socket->error = ENOBUFS;
    drop_spare(socket);
}
