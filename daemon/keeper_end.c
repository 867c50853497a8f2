/* SPDX-License-Identifier: MIT */

/* The end of all streams when weird is gone.
 *
 * A stream whose D is closed reads ECONNRESET if D has octets unread, and else an orderly end. So
 * an octet is put into each S, through the descriptors of the programs that hold it, and then all D
 * are closed. Programs are looked through rather than sockets looked up: what a program accepted
 * without our help, or inherited, is at no place that weird knows. */

#include "keeper.h"
#include "udp.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* keeper syscall: getsockopt sendmsg shutdown accept4 openat getdents64 readv close */

#define FDS_MAX    65536 /* descriptors of a process that are looked at */
#define FDS_GAP    512   /* numbers not in use that end that */
#define QUEUE_MAX  8192  /* connections that nobody has accepted */
#define STATUS_MAX 4096

#ifndef PIDFD_THREAD
#define PIDFD_THREAD O_EXCL
#endif

/* ---- One socket ---- */

/* Whoever waits in accept is told EINVAL. What still waits to be accepted nobody is to get, since
 * its end could not be told from an orderly one. */
static void end_listener(int s)
{
    (void)shutdown(s, SHUT_RDWR);
    for (unsigned i = 0; i < QUEUE_MAX; i++) {
        const int waiting = accept4(s, NULL, NULL, SOCK_CLOEXEC);
        if (waiting < 0)
            return;
        close(waiting);
    }
}

static void end_one(int s)
{
    int listens = 0;
    socklen_t len = sizeof listens;
    if (getsockopt(s, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) == 0 && listens != 0)
        end_listener(s);
    else
        (void)octets_send(s, "", 1, 0);
}

/* ---- One process ---- */

static void end_process(const struct weird *weird, pid_t pid)
{
    const int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (pidfd < 0)
        return;
    unsigned missing = 0;
    for (int fd = 0; fd < FDS_MAX && missing < FDS_GAP; fd++) {
        struct socket *found;
        uint8_t family;
        const int s = (int)syscall(SYS_pidfd_getfd, pidfd, fd, 0);
        if (s < 0 && errno != EBADF)
            break;
        missing = s < 0 ? missing + 1 : 0;
        /* Another weird may live here: its programs' sockets are not found in our table. */
        if (s >= 0 && socket_identify(weird, NULL, s, &found, &family) && found != NULL)
            end_one(s);
        if (s >= 0)
            close(s);
    }
    close(pidfd);
}

static bool is_known(const struct weird *weird, pid_t pid)
{
    for (unsigned i = 0; i < RUNS_MAX; i++)
        for (unsigned p = 0; weird->run[i].notify >= 0 && p < RUN_PIDS; p++)
            if (weird->run[i].pid[p] == pid)
                return true;
    return false;
}

/* Whether a process is under a filter, as all programs of a run are. */
static bool is_filtered(const char *pid)
{
    char path[64], text[STATUS_MAX];
    snprintf(path, sizeof path, "/proc/%.16s/status", pid);
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    const struct iovec iov = { text, sizeof text - 1 };
    const ssize_t got = fd >= 0 ? readv(fd, &iov, 1) : -1;
    if (fd >= 0)
        close(fd);
    text[got > 0 ? got : 0] = '\0';
    return strstr(text, "\nSeccomp:\t2") != NULL;
}

/* Children that never made a call that is caught are known to nobody. */
static void end_unknown(const struct weird *weird)
{
    char room[STATUS_MAX] __attribute__((aligned(8)));
    const int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ssize_t got;
    while (proc >= 0 && (got = syscall(SYS_getdents64, proc, room, sizeof room)) > 0) {
        for (ssize_t at = 0; at < got;) {
            const struct dirent64 *entry = (const void *)(room + at);
            at += entry->d_reclen;
            const pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
            if (pid > 0 && !is_known(weird, pid) && is_filtered(entry->d_name))
                end_process(weird, pid);
        }
    }
    if (proc >= 0)
        close(proc);
}

/* ---- All ---- */

static void end_waiting(struct weird *weird)
{
    for (unsigned i = 0; i < PARKED_MAX; i++) {
        struct parked *parked = &weird->parked[i];
        const struct call call = { .run = parked->run, .id = parked->call };
        if (parked->call != 0 && parked->run->notify >= 0 && parked->waits)
            call_continue(&call); /* to what has been done to S */
        else if (parked->call != 0 && parked->run->notify >= 0)
            call_answer(parked->run, parked->call, -ECONNABORTED);
        parked->call = 0;
    }
    for (unsigned i = 0; i < LINGER_MAX; i++) {
        struct lingering *place = &weird->lingering[i];
        const struct call close = { .run = place->run, .id = place->call };
        if (place->run != NULL && place->run->notify >= 0)
            call_continue(&close); /* the kernel closes what is left */
        place->run = NULL;
    }
    for (unsigned i = 0; i < weird->prompt_count; i++)
        if (weird->prompt[i].run->notify >= 0)
            call_answer(weird->prompt[i].run, weird->prompt[i].call, -ECONNABORTED);
    weird->prompt_count = 0;
    udp_end_waiting(weird);
    struct run *run = weird->notice_run;
    if (run != NULL && run->notify >= 0 && weird->notice.id != 0)
        run_dispatch(run, &weird->notice, 0);
}

static void close_streams(struct weird *weird)
{
    for (unsigned i = 0; i < SOCKETS_MAX; i++) {
        struct socket *socket = weird->socket[i];
        if (socket == NULL)
            continue;
        if (socket->d >= 0)
            close(socket->d);
        socket->d = -1;
        socket->state = SOCKET_DEAD;
    }
}

void keeper_end_all(struct weird *weird)
{
    for (unsigned i = 0; i < RUNS_MAX; i++)
        for (unsigned p = 0; weird->run[i].notify >= 0 && p < RUN_PIDS; p++)
            if (weird->run[i].pid[p] != 0)
                end_process(weird, weird->run[i].pid[p]);
    end_unknown(weird);
    close_streams(weird);
    end_waiting(weird);
}
