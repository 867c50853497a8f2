/* SPDX-License-Identifier: MIT */

/* The keeper's life: asleep while weird lives, its last will, and then answering. */

#include "keeper.h"

#include "ends.h"
#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* What libc does by itself, and what supervisor.c, sockets.c, calls.c and address.c do for it: */
/* keeper syscall: exit_group rt_sigreturn ppoll ioctl close close_range */
/* keeper syscall: pidfd_open pidfd_getfd getsockname getsockopt */
/* keeper syscall: process_vm_readv process_vm_writev writev newfstatat|fstat64 unlinkat */

#define SAID_MAX   160
#define PIDFD_FROM 1021 /* where the limit allows it */

void *keeper_share(size_t len)
{
    void *memory =
        mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return memory != MAP_FAILED ? memory : NULL;
}

bool keeper_memory(struct weird **weird, char why[WEIR_LINE_MAX])
{
    *weird = keeper_share(sizeof **weird);
    if (*weird != NULL) {
        (*weird)->pidfd = (*weird)->dev_fd = -1;
        return true;
    }
    snprintf(why, WEIR_LINE_MAX, "no memory for the tables: %m");
    return false;
}

/* ---- The last will ---- */

/* What was standard error for a private weird, found again in one of its programs: weird's own
 * would have kept a pipe open that somebody reads to its end. */
static int find_terminal(const struct weird *weird)
{
    if (weird->terminal_ino == 0)
        return -1;
    for (unsigned i = 0; i < RUNS_MAX; i++) {
        const struct run *run = &weird->run[i];
        for (unsigned p = 0; run->notify >= 0 && p < RUN_PIDS; p++) {
            struct stat status;
            const int fd = run->pid[p] != 0 ? fetch_fd(run->pid[p], 2) : -1;
            if (fd >= 0 && fstat(fd, &status) == 0 && status.st_dev == weird->terminal_dev &&
                status.st_ino == weird->terminal_ino)
                return fd;
            if (fd >= 0)
                close(fd);
        }
    }
    return -1;
}

static void say(const struct weird *weird, int terminal)
{
    static const char once[] = "weird: it was killed or has failed: all connections are reset";
    char line[SAID_MAX];
    const int len = snprintf(line, sizeof line, "%s%s\n", once,
                             weird->one_run ? ", and the program can make no new ones"
                                            : "; the next weird takes the programs over");
    if (terminal < 0)
        return;
    const struct iovec iov = { line, (size_t)len };
    /* A terminal that is held, or a pipe that is full: nobody reads, and who waits for that would
     * outlive the programs. */
    struct pollfd room = { .fd = terminal, .events = POLLOUT };
    const struct timespec now = { 0, 0 };
    if (ppoll(&room, 1, &now, NULL) > 0 && (room.revents & POLLOUT) != 0)
        (void)!writev(terminal, &iov, 1);
    close(terminal);
}

/* A private weird without a file system of its own leaves its directory; nothing else lies there
 * than the name of a socket that was just being made. */
static void remove_folder(const struct weird *weird)
{
    if (weird->folder[0] == '\0')
        return;
    (void)unlinkat(AT_FDCWD, weird->naming, 0);
    (void)unlinkat(AT_FDCWD, weird->folder, AT_REMOVEDIR);
}

static void consider(int fd, unsigned from, unsigned *next)
{
    if (fd >= 0 && (unsigned)fd >= from && (unsigned)fd < *next)
        *next = (unsigned)fd;
}

/* The first descriptor from `from` on that is kept. */
static unsigned next_kept(const struct weird *weird, unsigned from)
{
    unsigned next = UINT_MAX;
    consider(weird->control, from, &next);
    consider(weird->pidfd, from, &next);
    for (int fd = 0; fd < 3 && weird->one_run; fd++)
        consider(fd, from, &next);
    for (unsigned i = 0; i < RUNS_MAX; i++)
        consider(weird->run[i].notify, from, &next);
    return next;
}

/* By ranges: where the limit of descriptors is a billion, one by one would take minutes. */
static void close_rest(const struct weird *weird)
{
    for (unsigned from = 0; from < UINT_MAX;) {
        const unsigned kept = next_kept(weird, from);
        if (kept > from)
            (void)syscall(SYS_close_range, from, kept - 1, 0);
        from = kept < UINT_MAX ? kept + 1 : kept;
    }
}

static void last_will(struct weird *weird)
{
    weird->orphaned = true;
    if (weird->dev_fd >= 0)
        close(weird->dev_fd); /* the next weird may be waiting for it */
    /* Before the programs hear of it: it is one of them who lends it, and that may end at once. */
    const int terminal = weird->one_run ? find_terminal(weird) : 2;
    keeper_end_all(weird);
    if (!weird->ending)
        say(weird, terminal);
    close_rest(weird);
    remove_folder(weird);
}

/* ---- Afterwards ---- */

/* What is waited for: runs, askers, and the control socket, in this order. */
struct watch {
    struct pollfd fds[RUNS_MAX + KEEPER_ASKERS + 1];
    unsigned run_of[RUNS_MAX], runs;
};

static void gather(const struct weird *weird, const struct keeper_askers *askers,
                   struct watch *watch)
{
    watch->runs = 0;
    for (unsigned i = 0; i < RUNS_MAX; i++)
        if (weird->run[i].notify >= 0) {
            watch->run_of[watch->runs] = i;
            watch->fds[watch->runs++] =
                (struct pollfd){ .fd = weird->run[i].notify, .events = POLLIN };
        }
    struct pollfd *next = &watch->fds[watch->runs];
    for (unsigned i = 0; i < KEEPER_ASKERS; i++)
        *next++ = (struct pollfd){ .fd = askers->fd[i], .events = POLLIN };
    *next = (struct pollfd){ .fd = weird->control, .events = POLLIN };
}

static void answer_run(struct run *run, short ready)
{
    if ((ready & POLLIN) != 0) {
        run_notice(run, 0);
    } else if (ready != 0) {
        close(run->notify);
        run->notify = -1;
    }
}

/* Until the last program is gone, or the next weird has them. */
static void answer_all(struct weird *weird)
{
    static struct watch watch;
    struct keeper_askers askers = { .next = 0 };
    for (unsigned i = 0; i < KEEPER_ASKERS; i++)
        askers.fd[i] = -1;
    for (;;) {
        gather(weird, &askers, &watch);
        const struct pollfd *asked = &watch.fds[watch.runs];
        if (watch.runs == 0)
            return;
        if (ppoll(watch.fds, watch.runs + KEEPER_ASKERS + 1, NULL, NULL) < 0 && errno != EINTR)
            return;
        for (unsigned i = 0; i < watch.runs; i++)
            answer_run(&weird->run[watch.run_of[i]], watch.fds[i].revents);
        for (unsigned i = 0; i < KEEPER_ASKERS; i++)
            if (asked[i].revents != 0 && keeper_serve(weird, &askers.fd[i]))
                return;
        if ((asked[KEEPER_ASKERS].revents & POLLIN) != 0)
            keeper_admit(&askers, weird->control);
    }
}

/* A UDP socket: the process that made it ends it, too (udp_maker.c). */
static bool is_udp(int s)
{
    int protocol = 0;
    socklen_t len = sizeof protocol;
    return getsockopt(s, SOL_SOCKET, SO_PROTOCOL, &protocol, &len) == 0 && protocol == IPPROTO_UDP;
}

static void answer_udp(struct call *call)
{
    if (call->nr == __NR_getsockopt || call->nr == __NR_setsockopt || call->nr == __NR_shutdown ||
        call->nr == __NR_close || exact_only(call->nr))
        call_continue(call);
    else
        call_error(call, ENETDOWN);
}

static void answer_tcp(struct call *call)
{
    switch (call->nr) {
    case __NR_getsockname:
    case __NR_getpeername:
        call_name(call);
        break;
    case __NR_getsockopt: /* SO_ERROR: the kernel knows it */
        if ((int)call->arg[1] == SOL_SOCKET)
            call_continue(call);
        else
            call_error(call, EINVAL);
        break;
    case __NR_shutdown:
        call_error(call, ENOTCONN);
        break;
    case __NR_bind:
    case __NR_listen:
    case __NR_connect:
    case __NR_setsockopt:
        call_error(call, ENETDOWN);
        break;
#ifdef __NR_accept
    case __NR_accept:
#endif
    case __NR_accept4:
        call_error(call, ECONNABORTED);
        break;
    default: /* sending and receiving: the stream is reset */
        call_continue(call);
        break;
    }
}

void keeper_answer(struct call *call)
{
    if (call->s >= 0 && is_udp(call->s))
        answer_udp(call);
    else if (call->s >= 0 &&
             socket_identify(call->weird, call->run, call->s, &call->socket, &call->family))
        answer_tcp(call);
    else
        call_continue(call);
}

/* ---- Birth ---- */

_Noreturn static void keep(struct weird *weird, bool filter)
{
    char wrong[SANDBOX_WHY_MAX];
    (void)prctl(PR_SET_NAME, "weird-keeper");
    (void)setsid();
    signal(SIGTERM, SIG_IGN); /* meant for weird, whose end is ours */
    signal(SIGINT, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    if (filter && !sandbox_filter(SANDBOX_KEEPER, false, wrong))
        _exit(1);
    struct pollfd life = { .fd = weird->pidfd, .events = POLLIN };
    while (ppoll(&life, 1, NULL, NULL) < 0 && errno == EINTR)
        continue;
    if (!weird->ended) {
        last_will(weird);
        answer_all(weird);
    }
    _exit(0);
}

bool keeper_start(struct weird *weird, bool filter, char why[WEIR_LINE_MAX])
{
    weird->pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0);
    /* Out of the way of numbers that programs use (renew.c). */
    const int high = fcntl(weird->pidfd, F_DUPFD_CLOEXEC, PIDFD_FROM);
    if (high >= 0) {
        close(weird->pidfd);
        weird->pidfd = high;
    }
    /* As fork, but for the descriptors. */
    const long pid = weird->pidfd < 0 ? -1 : syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0);
    if (pid == 0)
        keep(weird, filter);
    if (pid < 0)
        snprintf(why, WEIR_LINE_MAX, "keeper: %m");
    return pid > 0;
}
