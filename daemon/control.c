/* SPDX-License-Identifier: MIT */

/* Who may join: the control socket, and what a `weir run` says over it. */

#include "joining.h"
#include "keeper.h"
#include "snapshot.h"

#include "ipc/sight.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* syscall: accept4 recvmsg getsockopt close */

#define BACKLOG        16
#define DIRECTORY_MODE 0750
#define FDS_MAX        8 /* more than one is a mistake: they are closed */

/* Takes the one descriptor of a message; any other is closed at once. */
static int take_fd(struct msghdr *message)
{
    int taken = -1;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c != NULL; c = CMSG_NXTHDR(message, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        const size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
            if (taken < 0)
                taken = fd;
            else
                close(fd);
        }
    }
    return taken;
}

static int serve_request(struct weird *weird, const struct control_request *request, size_t len,
                         int notify, uid_t uid)
{
    const size_t wanted =
        request->kind == CONTROL_SET ? sizeof(struct control_set) : sizeof *request;
    const bool sane =
        len == wanted && request->magic == CONTROL_MAGIC && request->version == CONTROL_VERSION;
    if (!sane || (notify >= 0) != (request->kind == CONTROL_RUN))
        return EPROTO;
    if (request->kind == CONTROL_TAKE_OVER)
        return EADDRINUSE; /* this weird lives */
    if (request->kind != CONTROL_RUN)
        return 0;
    /* A private one's programs own its network; else it is the host's. */
    return run_start(weird, notify, weird->one_run || uid == 0) ? 0 : ENOSPC;
}

static void send_status(const struct weird *weird, int fd)
{
    struct control_status status;
    status_fill(weird, &status);
    (void)octets_send(fd, &status, sizeof status, 0);
}

/* What was asked for, to who asked; false: only whether it went well. */
static bool send_more(struct weird *weird, int fd, const struct control_request *request, uid_t uid)
{
    struct control_set set;
    switch (request->kind) {
    case CONTROL_STATUS:
        send_status(weird, fd);
        return true;
    case CONTROL_CONFIG:
        settings_send(weird, fd);
        return true;
    case CONTROL_SET:
        memcpy(&set, request, sizeof set); /* its length was looked at */
        settings_change(weird, fd, &set, uid == 0 || uid == weird->uid);
        return true;
    default:
        return false;
    }
}

static void on_request(void *user, int fd, uint32_t ready, weir_time now)
{
    struct weird *weird = user;
    (void)ready;
    union {
        struct control_request join;
        struct control_set set;
        struct sight_request look;
    } request = { { 0 } };
    union {
        char octets[CMSG_SPACE(FDS_MAX * sizeof(int))];
        struct cmsghdr align;
    } control;
    struct iovec iov = { &request, sizeof request };
    struct msghdr message = { .msg_iov = &iov,
                              .msg_iovlen = 1,
                              .msg_control = control.octets,
                              .msg_controllen = sizeof control.octets };
    const ssize_t got = recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (got < 0 && errno == EAGAIN)
        return;
    if (got > 0 && sight_is_request(&request, (size_t)got)) {
        const int none = take_fd(&message);
        if (none >= 0)
            close(none);
        weir_loop_remove_fd(weird->loop, fd);
        snapshot_take(fd, &request, (size_t)got, now);
        return;
    }
    if (got > 0) {
        const int notify = take_fd(&message);
        struct ucred peer = { .uid = (uid_t)-1 };
        socklen_t len = sizeof peer;
        (void)getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len);
        const int error = serve_request(weird, &request.join, (size_t)got, notify, peer.uid);
        const struct control_answer answer = { CONTROL_MAGIC, error };
        if (error != 0 && notify >= 0)
            close(notify);
        if (error != 0 || !send_more(weird, fd, &request.join, peer.uid))
            (void)octets_send(fd, &answer, sizeof answer, 0);
    }
    weir_loop_remove_fd(weird->loop, fd);
    close(fd);
    if (weird->one_run && !weird->had_run)
        weir_loop_stop(weird->loop); /* the one run that was to come has died, or is refused */
}

void control_serve(struct weird *weird, int fd)
{
    if (weir_loop_add_fd(weird->loop, fd, EPOLLIN, on_request, weird) < 0)
        close(fd);
}

/* The directory's mode lets in whom it should; SO_PEERCRED says again who it is. */
static bool may_join(const struct weird *weird, int fd)
{
    struct ucred peer;
    socklen_t len = sizeof peer;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
        return false;
    return peer.uid == 0 || peer.uid == weird->uid || peer.gid == weird->gid;
}

static void on_connection(void *user, int fd, uint32_t ready, weir_time now)
{
    (void)ready;
    (void)now;
    const int made = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (made < 0)
        return;
    if (may_join(user, made))
        control_serve(user, made);
    else
        close(made);
}

/* The directory of the socket is made if it is not there; "" if it was. */
static char made[sizeof((struct sockaddr_un *)NULL)->sun_path];

static void make_directory(const char *path)
{
    snprintf(made, sizeof made, "%s", path);
    char *slash = strrchr(made, '/');
    if (slash != NULL)
        *slash = '\0';
    /* chmod, for the umask takes the group's rights away. */
    if (slash == NULL || slash == made || mkdir(made, DIRECTORY_MODE) < 0 ||
        chmod(made, DIRECTORY_MODE) < 0)
        made[0] = '\0';
}

bool control_own(const char *path, uid_t uid, gid_t gid)
{
    return chown(path, uid, gid) == 0 && (made[0] == '\0' || chown(made, uid, gid) == 0);
}

bool control_listen(struct weird *weird, const char *path, char why[WEIR_LINE_MAX])
{
    struct sockaddr_un name = { .sun_family = AF_UNIX };
    if (strlen(path) >= sizeof name.sun_path) {
        snprintf(why, WEIR_LINE_MAX, "%.80s: the path is too long for a socket", path);
        return false;
    }
    memcpy(name.sun_path, path, strlen(path));
    make_directory(path);
    const int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    const int probe = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    /* One that nobody answers was left behind by a daemon that is gone; perhaps its keeper does. */
    const bool taken = probe >= 0 && connect(probe, (struct sockaddr *)&name, sizeof name) == 0 &&
                       keeper_take_over(weird, probe) == EADDRINUSE;
    if (probe >= 0)
        close(probe);
    if (!taken)
        (void)unlinkat(AT_FDCWD, path, 0);
    else
        errno = EADDRINUSE;
    if (fd >= 0 && !taken && bind(fd, (struct sockaddr *)&name, sizeof name) == 0 &&
        chmod(path, 0660) == 0 && listen(fd, BACKLOG) == 0 &&
        weir_loop_add_fd(weird->loop, fd, EPOLLIN, on_connection, weird) == 0) {
        weird->control = fd;
        return true;
    }
    snprintf(why, WEIR_LINE_MAX, "%.80s: %m", path);
    if (fd >= 0)
        close(fd);
    return false;
}
