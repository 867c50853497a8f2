/* SPDX-License-Identifier: MIT */

/* The namespace that programs' UDP sockets are in, and the process that lives there.
 *
 * weird stays where it is; a process that it forks makes a namespace with nothing in it but a
 * loopback, and from then on sockets, a few at a time. It outlives weird by a moment: then it ends
 * all of them, so that nobody waits for ever. */

#include "sandbox.h"
#include "udp.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* syscall: socket sendmsg recvmsg ppoll exit_group close */

#define D_RCVBUF  (32 << 20) /* what programs have sent and we have not read yet */
#define D_SNDBUF  (4 << 20)
#define FIRST_FDS 4    /* D, raw, events, hole */
#define ANSWER_MS 1000 /* a process that makes a few sockets is quicker */
#define DUMP_MAX  32768
#define CLOSE_TO  1024 /* descriptors that a child closes one by one, where it must */

/* ---- Messages with descriptors ---- */

union rights {
    char octets[CMSG_SPACE(UDP_STOCK * sizeof(int))];
    struct cmsghdr align;
};

static bool send_fds(int to, const int *fd, unsigned count)
{
    union rights rights;
    char line = (char)count;
    struct iovec iov = { &line, 1 };
    struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };
    memset(&rights, 0, sizeof rights);
    if (count > 0) {
        message.msg_control = rights.octets;
        message.msg_controllen = CMSG_SPACE(count * sizeof *fd);
        struct cmsghdr *c = CMSG_FIRSTHDR(&message);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(count * sizeof *fd);
        memcpy(CMSG_DATA(c), fd, count * sizeof *fd);
    }
    return sendmsg(to, &message, MSG_NOSIGNAL) == 1;
}

/* How many came; at most `room` do. */
static unsigned receive_fds(int from, int *fd, unsigned room)
{
    union rights rights;
    char line;
    struct iovec iov = { &line, 1 };
    struct msghdr message = { .msg_iov = &iov,
                              .msg_iovlen = 1,
                              .msg_control = rights.octets,
                              .msg_controllen = sizeof rights.octets };
    struct pollfd ready = { .fd = from, .events = POLLIN };
    const struct timespec limit = { ANSWER_MS / 1000, ANSWER_MS % 1000 * 1000000L };
    if (ppoll(&ready, 1, &limit, NULL) <= 0 ||
        recvmsg(from, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) != 1)
        return 0;
    struct cmsghdr *c = CMSG_FIRSTHDR(&message);
    if (c == NULL || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
        return 0;
    const unsigned count = (unsigned)((c->cmsg_len - CMSG_LEN(0)) / sizeof *fd);
    if (count > room)
        return 0;
    memcpy(fd, CMSG_DATA(c), count * sizeof *fd);
    return count;
}

/* ---- In the namespace ---- */

static bool enter(void)
{
    struct ifreq lo = { .ifr_name = "lo" };
    if (unshare(CLONE_NEWNET) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
        return false;
    const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    lo.ifr_flags = IFF_UP | IFF_RUNNING;
    const bool up = fd >= 0 && ioctl(fd, SIOCSIFFLAGS, &lo) == 0;
    if (fd >= 0)
        close(fd);
    return up;
}

/* Where the kernel says that a socket is gone. */
static int open_events(void)
{
    static const int groups[] = { SKNLGRP_INET_UDP_DESTROY, SKNLGRP_INET6_UDP_DESTROY };
    const struct sockaddr_nl any = { .nl_family = AF_NETLINK };
    const int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_SOCK_DIAG);
    bool done = fd >= 0 && bind(fd, (const struct sockaddr *)&any, sizeof any) == 0;
    for (unsigned i = 0; done && i < sizeof groups / sizeof groups[0]; i++)
        done =
            setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &groups[i], sizeof groups[i]) == 0;
    return done ? fd : -1;
}

/* What goes there fills its queue, which nobody reads, and then vanishes. */
static int open_hole(void)
{
    const int little = 1;
    const struct sockaddr_in any = { .sin_family = AF_INET };
    const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    return fd >= 0 && bind(fd, (const struct sockaddr *)&any, sizeof any) == 0 &&
                   setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &little, sizeof little) == 0
               ? fd
               : -1;
}

static int open_d(void)
{
    const int in = D_RCVBUF, out = D_SNDBUF, on = 1;
    const struct sockaddr_in any = { .sin_family = AF_INET };
    const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || bind(fd, (const struct sockaddr *)&any, sizeof any) < 0 ||
        setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof on) < 0) /* under which id S knows D */
        return -1;
    /* Force is for those who may; others get what everybody may have. */
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &in, sizeof in) < 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &in, sizeof in);
    if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &out, sizeof out) < 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &out, sizeof out);
    return fd;
}

static void make(int control, uint8_t family)
{
    int fd[UDP_STOCK];
    unsigned count = 0;
    while (count < UDP_STOCK) {
        fd[count] = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (fd[count] < 0)
            break;
        count++;
    }
    (void)send_fds(control, fd, count);
    while (count > 0)
        close(fd[--count]);
}

/* ---- The end ---- */

struct request {
    struct nlmsghdr head;
    struct inet_diag_req_v2 body;
};

static bool ask(int fd, struct request *request, uint16_t type, uint16_t flags)
{
    request->head = (struct nlmsghdr){ .nlmsg_len = sizeof *request,
                                       .nlmsg_type = type,
                                       .nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags) };
    return octets_send(fd, request, sizeof *request, 0) == (ssize_t)sizeof *request;
}

static void destroy(int fd, const struct inet_diag_msg *found)
{
    struct request request = { .body = { .sdiag_family = found->idiag_family,
                                         .sdiag_protocol = IPPROTO_UDP,
                                         .idiag_states = UINT32_MAX,
                                         .id = found->id } };
    (void)ask(fd, &request, SOCK_DESTROY, 0);
}

/* Every socket that is left: what waits there gets ECONNABORTED, and poll says so. */
static void destroy_all(int dump, int fd, uint8_t family)
{
    static _Alignas(struct nlmsghdr) char answer[DUMP_MAX];
    struct request request = { .body = { .sdiag_family = family,
                                         .sdiag_protocol = IPPROTO_UDP,
                                         .idiag_states = UINT32_MAX } };
    if (!ask(dump, &request, SOCK_DIAG_BY_FAMILY, NLM_F_DUMP))
        return;
    for (;;) {
        const ssize_t got = octets_recv(dump, answer, sizeof answer, 0);
        size_t left = got > 0 ? (size_t)got : 0;
        if (got <= 0)
            return;
        for (const struct nlmsghdr *head = (const void *)answer; NLMSG_OK(head, left);
             head = NLMSG_NEXT(head, left)) {
            if (head->nlmsg_type == NLMSG_DONE || head->nlmsg_type == NLMSG_ERROR)
                return;
            destroy(fd, NLMSG_DATA(head));
        }
    }
}

/* ---- The process ---- */

static void forget_others(int keep, int and)
{
    for (int fd = 0; fd < CLOSE_TO; fd++)
        if (fd != keep && fd != and)
            close(fd);
    (void)open("/dev/null", O_RDWR); /* for whoever writes to 0, 1, 2 by mistake */
    (void)dup(0);
    (void)dup(0);
}

/* The keeper shares weird's descriptors, so that these stay open when weird is gone: its process
 * is what tells. */
static bool next_request(int control, int weird, uint8_t *family)
{
    struct pollfd ready[] = { { .fd = control, .events = POLLIN },
                              { .fd = weird, .events = POLLIN } };
    while (ppoll(ready, 2, NULL, NULL) < 0 && errno == EINTR)
        continue;
    return ready[1].revents == 0 &&
           octets_recv(control, family, sizeof *family, 0) == sizeof *family;
}

static void serve(int control, int weird)
{
    const int dump = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    const int diag = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    struct sandbox sandbox = { .parts = SANDBOX_CAPABILITIES | SANDBOX_DUMPABLE | SANDBOX_FILTER,
                               .keep = UINT64_C(1) << CAP_NET_ADMIN };
    char why[SANDBOX_WHY_MAX];
    if (!SANDBOX_SANITIZED && !sandbox_enter(&sandbox, why))
        return;
    uint8_t family;
    while (next_request(control, weird, &family))
        make(control, family);
    destroy_all(dump, diag, AF_INET);
    destroy_all(dump, diag, AF_INET6);
}

static void be_maker(int control, int weird)
{
    signal(SIGINT, SIG_IGN); /* weird decides when it is over */
    signal(SIGTERM, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    forget_others(control, weird);
    if (enter()) {
        const int fd[FIRST_FDS] = {
            open_d(),
            socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_RAW),
            open_events(),
            open_hole(),
        };
        if (fd[0] >= 0 && fd[1] >= 0 && fd[2] >= 0 && fd[3] >= 0 &&
            send_fds(control, fd, FIRST_FDS)) {
            for (unsigned i = 0; i < FIRST_FDS; i++)
                close(fd[i]);
            serve(control, weird);
        }
    }
    _exit(0);
}

bool udp_maker_start(struct udp_host *host, char why[WEIR_LINE_MAX])
{
    int pair[2], fd[FIRST_FDS];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
        snprintf(why, WEIR_LINE_MAX, "socketpair: %m");
        return false;
    }
    /* Twice, so that it is nobody's child to wait for. */
    const int weird = (int)syscall(SYS_pidfd_open, getpid(), 0);
    const pid_t pid = weird >= 0 ? fork() : -1;
    if (pid == 0) {
        if (fork() == 0)
            be_maker(pair[1], weird);
        _exit(0);
    }
    close(weird);
    close(pair[1]);
    if (pid > 0)
        (void)waitpid(pid, NULL, 0);
    if (pid < 0 || receive_fds(pair[0], fd, FIRST_FDS) != FIRST_FDS) {
        snprintf(why, WEIR_LINE_MAX, "this system gives no network namespace for it");
        close(pair[0]);
        return false;
    }
    host->maker = pair[0];
    host->d = fd[0];
    host->raw = fd[1];
    host->events = fd[2];
    host->hole = fd[3];
    return true;
}

int udp_maker_take(struct udp_host *host, uint8_t family)
{
    const unsigned kind = family == AF_INET6;
    if (host->stock_count[kind] == 0) {
        if (octets_send(host->maker, &family, sizeof family, 0) < 0)
            return -1;
        host->stock_count[kind] = receive_fds(host->maker, host->stock[kind], UDP_STOCK);
    }
    return host->stock_count[kind] > 0 ? host->stock[kind][--host->stock_count[kind]] : -1;
}
