/* SPDX-License-Identifier: MIT */

/* From one weird to the next: the keeper of the one that died gives seccomp's descriptors, and with
 * them the programs, to a weird that asks for them at the same control socket. */

#include "keeper.h"

#include "ipc/control.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

/* keeper syscall: accept4 recvmsg sendmsg getsockopt close */

#define ANSWER_MS 10000 /* for a keeper that is still busy with the end, on a busy machine */

union rights {
    char octets[CMSG_SPACE(RUNS_MAX * sizeof(int))];
    struct cmsghdr align;
};

static bool wait_readable(int fd, int ms)
{
    const struct timespec limit = { ms / 1000, ms % 1000 * 1000000L };
    struct pollfd ready = { .fd = fd, .events = POLLIN };
    return ppoll(&ready, 1, &limit, NULL) > 0;
}

static bool peer_uid(int fd, uid_t *uid)
{
    struct ucred peer;
    socklen_t len = sizeof peer;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
        return false;
    *uid = peer.uid;
    return true;
}

/* ---- The keeper's side ---- */

static bool give(const struct weird *weird, int fd)
{
    struct control_answer answer = { CONTROL_MAGIC, 0 };
    union rights rights;
    struct iovec iov = { &answer, sizeof answer };
    struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };
    int fds[RUNS_MAX];
    size_t count = 0;
    for (unsigned i = 0; i < RUNS_MAX; i++)
        if (weird->run[i].notify >= 0)
            fds[count++] = weird->run[i].notify;
    memset(&rights, 0, sizeof rights);
    if (count > 0) {
        message.msg_control = rights.octets;
        message.msg_controllen = CMSG_SPACE(count * sizeof fds[0]);
        struct cmsghdr *c = CMSG_FIRSTHDR(&message);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(count * sizeof fds[0]);
        memcpy(CMSG_DATA(c), fds, count * sizeof fds[0]);
    }
    return sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) > 0;
}

/* Only root and our own user may have the programs; a `weir run` is told that it is too early. */
static bool answer_one(const struct weird *weird, int fd)
{
    uid_t uid;
    struct control_request request = { 0 };
    struct iovec iov = { &request, sizeof request };
    struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 }; /* descriptors are not taken */
    if (!peer_uid(fd, &uid) || recvmsg(fd, &message, MSG_DONTWAIT) != (ssize_t)sizeof request ||
        request.magic != CONTROL_MAGIC)
        return false;
    if (request.version == CONTROL_VERSION && request.kind == CONTROL_TAKE_OVER &&
        (uid == 0 || uid == weird->uid))
        return give(weird, fd);
    struct control_answer answer = { CONTROL_MAGIC, ENETDOWN };
    struct iovec said = { &answer, sizeof answer };
    const struct msghdr refusal = { .msg_iov = &said, .msg_iovlen = 1 };
    (void)sendmsg(fd, &refusal, MSG_DONTWAIT | MSG_NOSIGNAL);
    return false;
}

void keeper_admit(struct keeper_askers *askers, int listener)
{
    const int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0)
        return;
    int *place = &askers->fd[askers->next++ % KEEPER_ASKERS];
    if (*place >= 0)
        close(*place);
    *place = fd;
}

bool keeper_serve(struct weird *weird, int *asker)
{
    const bool given = answer_one(weird, *asker);
    close(*asker);
    *asker = -1;
    return given;
}

/* ---- The next weird's side ---- */

static void start_runs(struct weird *weird, struct msghdr *message)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c != NULL; c = CMSG_NXTHDR(message, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        const size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
            if (!run_start(weird, fd, true)) /* whose it was is not said: capabilities decide */
                close(fd);
        }
    }
}

int keeper_take_over(struct weird *weird, int fd)
{
    const struct control_request request = { CONTROL_MAGIC, CONTROL_VERSION, CONTROL_TAKE_OVER };
    struct control_answer answer = { 0 };
    union rights rights;
    struct iovec iov = { &answer, sizeof answer };
    struct msghdr message = { .msg_iov = &iov,
                              .msg_iovlen = 1,
                              .msg_control = rights.octets,
                              .msg_controllen = sizeof rights.octets };
    uid_t uid;
    if (!peer_uid(fd, &uid) || (uid != 0 && uid != geteuid()))
        return EADDRINUSE; /* somebody else's */
    if (octets_send(fd, &request, sizeof request, 0) < 0)
        return errno;
    if (!wait_readable(fd, ANSWER_MS))
        return EADDRINUSE;
    const ssize_t got = recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (got != (ssize_t)sizeof answer || answer.magic != CONTROL_MAGIC)
        return got <= 0 ? ECONNRESET : EADDRINUSE; /* it was just ending */
    if (answer.error != 0)
        return EADDRINUSE;
    start_runs(weird, &message);
    return 0;
}
