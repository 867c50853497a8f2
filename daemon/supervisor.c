/* SPDX-License-Identifier: MIT */

/* Takes a program's calls from seccomp, finds out whether they are about a socket of ours, and
 * answers them; what is not ours the kernel does.
 *
 * A notification may be withdrawn at any time (a signal, a kill). So what belongs together happens
 * in one step at the end, and an answer that comes too late changes nothing. */

#include "ends.h"
#include "keeper.h"
#include "udp.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* syscall: ioctl close */

#define CALLS_A_TURN 16
#define STATUS_MAX   1024 /* of /proc/PID/status: what is asked for stands at its beginning */

/* A signal or a kill withdraws a call without an event for us. A connect then goes on by itself,
 * which the program may see at once; of an accept only our copy of the listener is left. */
#define LOOK_CONNECT (20 * WEIR_MS)
#define LOOK_ACCEPT  WEIR_SECOND

#ifndef SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP
#define SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP (1UL << 0) /* Linux 6.6 */
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS      SECCOMP_IOW(4, __u64)
#endif

/* ---- Answers ---- */

bool call_valid(const struct run *run, uint64_t id)
{
    return run->notify >= 0 && ioctl(run->notify, SECCOMP_IOCTL_NOTIF_ID_VALID, &id) == 0;
}

/* The call that is being answered. Not in struct weird, which the keeper sees. */
static struct call *in_hand;

/* Before the answer: the program may close its descriptor at once, and its epolls tell of S for as
 * long as we hold it, too. */
static void let_go(const struct run *run, uint64_t id)
{
    if (in_hand == NULL || in_hand->run != run || in_hand->id != id || in_hand->s < 0)
        return;
    close(in_hand->s);
    in_hand->s = -1;
}

bool call_answer(const struct run *run, uint64_t id, int64_t value)
{
    struct seccomp_notif_resp answer = { .id = id };
    if (value < 0)
        answer.error = (int)value;
    else
        answer.val = value;
    let_go(run, id);
    return ioctl(run->notify, SECCOMP_IOCTL_NOTIF_SEND, &answer) == 0; /* ENOENT: withdrawn */
}

void call_error(const struct call *call, int error)
{
    (void)call_answer(call->run, call->id, -error);
}

bool call_value(const struct call *call, int64_t value)
{
    return call_answer(call->run, call->id, value);
}

void call_continue(const struct call *call)
{
    struct seccomp_notif_resp answer = { .id = call->id,
                                         .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE };
    let_go(call->run, call->id);
    (void)ioctl(call->run->notify, SECCOMP_IOCTL_NOTIF_SEND, &answer);
}

int call_give(const struct run *run, uint64_t id, int fd, int at, bool cloexec, bool answer)
{
    struct seccomp_notif_addfd add = {
        .id = id,
        .flags =
            (at >= 0 ? SECCOMP_ADDFD_FLAG_SETFD : 0u) | (answer ? SECCOMP_ADDFD_FLAG_SEND : 0u),
        .srcfd = (uint32_t)fd,
        .newfd = at >= 0 ? (uint32_t)at : 0,
        .newfd_flags = cloexec ? O_CLOEXEC : 0,
    };
    weir_loop_yield(run->weird->loop, companion_call(&run->weird->companion, weir_loop_clock()));
    const int given = ioctl(run->notify, SECCOMP_IOCTL_NOTIF_ADDFD, &add);
    if (given >= 0)
        return given;
    return errno == ESRCH ? -ENOENT : -errno; /* ESRCH: withdrawn while the thread was to take it */
}

/* ---- Calls that wait ---- */

struct parked *park(struct weird *weird, const struct call *call, weir_time deadline)
{
    unsigned slot = 0;
    while (slot < weird->parked_top && weird->parked[slot].call != 0)
        slot++;
    if (slot == PARKED_MAX || call->run->parked_count >= weird->run_calls_max)
        return NULL;
    call->run->parked_count++;
    if (slot == weird->parked_top)
        weird->parked_top++;
    struct parked *parked = &weird->parked[slot];
    *parked = (struct parked){
        .weird = weird,
        .run = call->run,
        .call = call->id,
        .socket = call->socket->id,
        .pid = call->pid,
        .s = -1,
        .reserved = -1,
        .undelivered = -1,
        .deadline = deadline,
    };
    weird->parked_count++;
    park_timer_set(weird);
    return parked;
}

void unpark(struct parked *parked)
{
    struct weird *weird = parked->weird;
    exact_unchain(parked);
    if (parked->s >= 0) {
        weir_loop_remove_fd(weird->loop, parked->s);
        close(parked->s);
    }
    if (parked->undelivered >= 0)
        close(parked->undelivered);
    parked->call = 0;
    parked->s = -1;
    parked->run->parked_count--;
    weird->parked_count--;
    while (weird->parked_top > 0 && weird->parked[weird->parked_top - 1].call == 0)
        weird->parked_top--;
}

struct parked *parked_connect(struct weird *weird, uint64_t socket)
{
    for (unsigned i = 0; i < weird->parked_top; i++)
        if (weird->parked[i].call != 0 && weird->parked[i].socket == socket &&
            weird->parked[i].s < 0 && !weird->parked[i].waits)
            return &weird->parked[i];
    return NULL;
}

struct call parked_call(const struct parked *parked, weir_time now)
{
    return (struct call){ .weird = parked->weird,
                          .run = parked->run,
                          .id = parked->call,
                          .pid = parked->pid,
                          .nr = parked->nr,
                          .arg = parked->arg,
                          .s = parked->s,
                          .socket = socket_find(parked->weird, parked->socket),
                          .now = now };
}

static void expire_parked(void *user, weir_time now)
{
    struct weird *weird = user;
    for (unsigned i = 0; i < weird->parked_top; i++) {
        struct parked *parked = &weird->parked[i];
        if (parked->call == 0)
            continue;
        if (parked
                ->waits) { /* it has had word of what it waits for, unless that came another way */
            if (exact_turn(parked, now))
                unpark(parked);
            continue;
        }
        const bool gone = !call_valid(parked->run, parked->call);
        if (parked->deadline > now && (!gone || accept_withdraw(parked, now)))
            continue;
        struct socket *socket = socket_find(weird, parked->socket);
        if (parked->s < 0 && socket != NULL)
            connect_detach(socket);
        const int in_time = parked->again ? -EALREADY : -EINPROGRESS;
        if (call_is_send(parked->nr))
            send_expired(parked, now);
        else if (parked->nr != 0)
            receive_expired(parked, now);
        else
            call_answer(parked->run, parked->call, parked->s >= 0 ? -EAGAIN : in_time);
        unpark(parked);
    }
    park_timer_set(weird);
}

void park_timer_set(struct weird *weird)
{
    weir_time first = WEIR_NEVER;
    for (unsigned i = 0; i < weird->parked_top; i++)
        if (weird->parked[i].call != 0) {
            const struct parked *parked = &weird->parked[i];
            const weir_time look =
                weir_loop_clock() + (parked->s < 0 && !parked->waits ? LOOK_CONNECT : LOOK_ACCEPT);
            const weir_time at = parked->deadline < look ? parked->deadline : look;
            first = at < first ? at : first;
        }
    weird->park_timer.on_time = expire_parked;
    weird->park_timer.user = weird;
    if (first != WEIR_NEVER)
        weir_loop_set_timer(weird->loop, &weird->park_timer, first);
    else
        weir_loop_clear_timer(weird->loop, &weird->park_timer);
}

/* ---- Dispatch ---- */

static void answer(struct call *call)
{
    switch (call->nr) {
    case __NR_bind:
        call_bind(call);
        break;
    case __NR_listen:
        call_listen(call);
        break;
    case __NR_connect:
        call_connect(call);
        break;
#ifdef __NR_accept
    case __NR_accept:
#endif
    case __NR_accept4:
        call_accept(call);
        break;
    case __NR_getsockname:
    case __NR_getpeername:
        call_name(call);
        break;
    case __NR_getsockopt:
        call_getsockopt(call);
        break;
    case __NR_setsockopt:
        call_setsockopt(call);
        break;
    case __NR_shutdown:
        call_shutdown(call);
        break;
    case __NR_sendto:
    case __NR_sendmsg:
    case __NR_sendmmsg:
    case __NR_write:
    case __NR_writev:
    case __NR_sendfile:
        call_send(call);
        break;
    case __NR_recvfrom:
    case __NR_recvmsg:
    case __NR_recvmmsg:
    case __NR_read:
    case __NR_readv:
        call_receive(call);
        break;
    case __NR_close:
        call_close(call);
        break;
    case __NR_ioctl:
        if (!call_interfaces(call))
            call_ioctl(call);
        break;
    default:
        call_continue(call);
    }
}

/* The process that a thread belongs to; the thread itself if that cannot be known. */
static pid_t process_of(pid_t thread)
{
    char path[32], text[STATUS_MAX];
    int found = thread;
    snprintf(path, sizeof path, "/proc/%d/status", (int)thread);
    const char *at = file_read(path, text, sizeof text) ? strstr(text, "\nTgid:") : NULL;
    return at != NULL && sscanf(at, "\nTgid: %d", &found) == 1 ? (pid_t)found : thread;
}

static bool is_noted(const pid_t *pids, pid_t pid)
{
    for (unsigned i = 0; i < RUN_PIDS; i++)
        if (pids[i] == pid)
            return true;
    return false;
}

static void note_pid(struct run *run, pid_t thread)
{
    if (is_noted(run->thread, thread))
        return;
    run->thread[run->thread_next++ % RUN_PIDS] = thread;
    const pid_t pid = process_of(thread);
    if (!is_noted(run->pid, pid))
        run->pid[run->pid_next++ % RUN_PIDS] = pid;
}

/* S' is there, or is not to be had. `sure`: it is the caller's descriptor, whatever came meanwhile.
 */
static void answer_held(struct call *call, bool sure)
{
    struct run *run = call->run;
    const bool valid = call->s >= 0 && (sure || call_valid(run, call->id));
    const uint64_t cookie = valid ? socket_cookie(call->s) : 0; /* 0: not a socket */
    const bool known =
        cookie != 0 && socket_known(run->weird, run, cookie, &call->socket, &call->family);
    if (cookie != 0 && !known && udp_answer(call))
        return;
    if (cookie == 0 ||
        (!known && !socket_identify(run->weird, run, call->s, &call->socket, &call->family))) {
        call_continue(call);
        return;
    }
    if (call->socket != NULL) {
        call->socket->pid = call->pid;
        call->socket->fd = (int)call->arg[0];
    }
    answer(call);
}

void run_dispatch(struct run *run, const struct seccomp_notif *notice, weir_time now)
{
    struct weird *weird = run->weird;
    uint64_t arg[6];
    for (unsigned i = 0; i < 6; i++)
        arg[i] = notice->data.args[i];
    struct call call = {
        .weird = weird,
        .run = run,
        .id = notice->id,
        .pid = (pid_t)notice->pid,
        .nr = notice->data.nr,
        .arg = arg,
        .s = -1,
        .now = now,
    };
    if (!weird->orphaned)
        note_pid(run, call.pid);
    if (call.nr == __NR_socket) {
        if (weird->orphaned)
            call_error(&call, ENETDOWN);
        else
            call_socket(&call);
        return;
    }
    bool sure;
    call.s = fetch_caller_fd(call.pid, (int)arg[0], &sure);
    if (call.s == -EMFILE || call.s == -ENFILE) {
        call_error(&call, ENFILE); /* ours are used up: better than a wrong answer */
        return;
    }
    in_hand = &call;
    if (weird->orphaned)
        keeper_answer(&call);
    else
        answer_held(&call, sure);
    in_hand = NULL;
    if (call.s >= 0)
        close(call.s);
}

/* ---- Runs ---- */

static void forget_run(struct run *run)
{
    struct weird *weird = run->weird;
    linger_forget(run);
    for (unsigned i = 0; i < weird->parked_top; i++)
        if (weird->parked[i].call != 0 && weird->parked[i].run == run)
            unpark(&weird->parked[i]);
    for (uint32_t i = 0; i < SOCKETS_MAX; i++) {
        struct socket *socket = weird->socket[i];
        if (socket == NULL || socket->run != run)
            continue;
        socket->run =
            NULL; /* another process may have been given S: it then only reads and writes */
        if (socket->spare >= 0) {
            close(socket->spare);
            socket->spare = -1;
        }
        if (socket->d < 0 && (socket->cookie == 0 || socket_gone(socket)))
            socket_free(socket);
    }
    sweep_timer_set(weird);
}

static void end_run(struct run *run)
{
    struct weird *weird = run->weird;
    weir_loop_remove_fd(weird->loop, run->notify);
    forget_run(run);
    udp_forget_run(weird, run);
    fetch_end();
    close(run->notify);
    run->notify = -1;
    weird->run_count--;
    if (weird->one_run && weird->run_count == 0)
        weir_loop_stop(weird->loop);
}

void run_notice(struct run *run, weir_time now)
{
    struct weird *weird = run->weird;
    memset(&weird->notice, 0, sizeof weird->notice);
    weird->notice_run = run; /* should we die now, the keeper knows whom nobody has answered */
    if (ioctl(run->notify, SECCOMP_IOCTL_NOTIF_RECV, &weird->notice) == 0)
        run_dispatch(run, &weird->notice, now);
    weird->notice_run = NULL;
}

static void on_notice(void *user, int fd, uint32_t ready, weir_time now)
{
    struct run *run = user;
    weir_loop_yield(run->weird->loop, 0); /* the caller may have been woken on this very CPU */
    for (unsigned i = 0; (ready & EPOLLIN) != 0 && i < CALLS_A_TURN; i++) {
        run_notice(run, now);
        /* A single thread's next call is never there yet: the loop asks for it anyway. */
        if (run->thread_next < 2 || !readable_now(fd))
            return;
    }
    if ((ready & (EPOLLHUP | EPOLLERR)) != 0 && (ready & EPOLLIN) == 0)
        end_run(run);
}

bool run_start(struct weird *weird, int notify, bool any_port)
{
    unsigned slot = 0;
    while (slot < RUNS_MAX && weird->run[slot].notify >= 0)
        slot++;
    if (slot == RUNS_MAX)
        return false;
    struct run *run = &weird->run[slot];
    *run = (struct run){ .weird = weird, .notify = notify, .any_port = any_port };
    /* Wakes us on the caller's own core, since it waits for us anyway. Older kernels cannot. */
    (void)ioctl(notify, SECCOMP_IOCTL_NOTIF_SET_FLAGS, SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP);
    if (weir_loop_add_fd(weird->loop, notify, EPOLLIN, on_notice, run) < 0) {
        run->notify = -1;
        return false;
    }
    weird->run_count++;
    weird->had_run = true;
    return true;
}
