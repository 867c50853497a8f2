/* SPDX-License-Identifier: MIT */

/* What the calls of a program allow: a seccomp supervisor that answers at once, and has no stack.
 *
 *   bench-bare-calls PROGRAM ARGUMENT...
 *
 * The program's socket() gets one end of a socket pair, its connect() succeeds, what it sends is
 * sent back, and its close is waited for. Other calls are not caught. That is the least that who
 * hands out such descriptors has to do for a connection, and the most connections that it can
 * reach: there is no peer. */
#include "clock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define EVENTS 64
#define FDS    65536

#ifndef SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP
#define SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP (1UL << 0)
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS      SECCOMP_IOW(4, __u64)
#endif

static struct supervisor {
    int notify, epoll_fd;
} supervisor;

_Noreturn static void die(const char *what)
{
    fprintf(stderr, "bench-bare-calls: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* ---- The program ---- */

/* Asks of socket(AF_INET, ...) and of every connect. */
static int begin_filter(void)
{
    struct sock_filter line[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_connect, 3, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_socket, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_INET, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog filter = { sizeof line / sizeof line[0], line };
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        die("no_new_privs");
    const int fd = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
                                SECCOMP_FILTER_FLAG_NEW_LISTENER, &filter);
    if (fd < 0)
        die("seccomp");
    return fd;
}

/* The number of the listener goes over the pipe; the supervisor fetches it by that. */
static pid_t begin_program(char **words)
{
    int tell[2], fd;
    if (pipe(tell) < 0)
        die("pipe");
    const pid_t pid = fork();
    if (pid < 0)
        die("fork");
    if (pid == 0) {
        fd = begin_filter();
        if (fcntl(fd, F_SETFD, 0) < 0 || write(tell[1], &fd, sizeof fd) != (ssize_t)sizeof fd)
            die("pipe");
        close(tell[0]);
        close(tell[1]);
        execvp(words[0], words);
        die(words[0]);
    }
    close(tell[1]);
    if (read(tell[0], &fd, sizeof fd) != (ssize_t)sizeof fd)
        exit(1);
    close(tell[0]);
    const int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    supervisor.notify = (int)syscall(SYS_pidfd_getfd, pidfd, fd, 0);
    if (supervisor.notify < 0)
        die("pidfd_getfd");
    (void)ioctl(supervisor.notify, SECCOMP_IOCTL_NOTIF_SET_FLAGS,
                SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP);
    return pid;
}

/* ---- The supervisor ---- */

static void watch(int fd)
{
    struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };
    if (epoll_ctl(supervisor.epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
        die("epoll_ctl");
}

static void give_socket(const struct seccomp_notif *notice)
{
    int end[2];
    if (socketpair(AF_UNIX, (int)notice->data.args[1] | SOCK_CLOEXEC, 0, end) < 0)
        die("socketpair");
    watch(end[0]);
    struct seccomp_notif_addfd add = { .id = notice->id,
                                       .flags = SECCOMP_ADDFD_FLAG_SEND,
                                       .srcfd = (uint32_t)end[1],
                                       .newfd_flags = O_CLOEXEC };
    if (ioctl(supervisor.notify, SECCOMP_IOCTL_NOTIF_ADDFD, &add) < 0)
        die("addfd");
    close(end[1]);
}

static void take_notice(void)
{
    struct seccomp_notif notice;
    memset(&notice, 0, sizeof notice);
    if (ioctl(supervisor.notify, SECCOMP_IOCTL_NOTIF_RECV, &notice) < 0)
        return;
    if (notice.data.nr == __NR_socket) {
        give_socket(&notice);
        return;
    }
    struct seccomp_notif_resp answer = { .id = notice.id };
    (void)ioctl(supervisor.notify, SECCOMP_IOCTL_NOTIF_SEND, &answer);
}

static void echo(int fd)
{
    char octets[REQUEST_OCTETS];
    const ssize_t got = read(fd, octets, sizeof octets);
    if (got <= 0 || write(fd, octets, (size_t)got) < 0)
        close(fd);
}

static void supervise(void)
{
    struct epoll_event ready[EVENTS];
    for (;;) {
        const int count = epoll_wait(supervisor.epoll_fd, ready, EVENTS, -1);
        for (int i = 0; i < count; i++) {
            if (ready[i].data.fd != supervisor.notify)
                echo(ready[i].data.fd);
            else if ((ready[i].events & EPOLLIN) != 0)
                take_notice();
            else
                return;
        }
    }
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fputs("usage: bench-bare-calls PROGRAM ARGUMENT...\n", stderr);
        return 2;
    }
    const struct rlimit fds = { FDS, FDS };
    (void)setrlimit(RLIMIT_NOFILE, &fds);
    supervisor.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    const pid_t pid = begin_program(argv + 1);
    watch(supervisor.notify);
    supervise();
    int status = 0;
    (void)waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
