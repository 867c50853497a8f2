/* SPDX-License-Identifier: MIT */

/* A new S in the place of one that is used up. An AF_UNIX socket connects once in its life, a TCP
 * socket as often as it is asked to. So the program's descriptor is made to mean a new S, and with
 * it every copy that the calling process has of it.
 *
 * What was registered with an epoll is moved, too. /proc tells what the program said when it did
 * so; and an epoll knows whom it watches by the open file and the descriptor's number, so that S
 * gets the program's number among our own descriptors for as long as that takes. Copies in other
 * processes keep the old S, and so do epolls that the calling process has no descriptor of. */

#include "ends.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/uio.h>
#include <unistd.h>

/* syscall: openat readv fcntl epoll_ctl close */

#define FDS_MAX   4096 /* descriptors of the process that are looked at */
#define WATCH_MAX 4096 /* registrations of one epoll that are looked at */
#define LINE_LEN  128

/* ---- Files of /proc, line by line ---- */

struct lines {
    int fd;
    unsigned at, len;
    char text[4096];
};

static bool lines_open(struct lines *lines, const char *path)
{
    lines->at = lines->len = 0;
    lines->fd = open(path, O_RDONLY | O_CLOEXEC);
    return lines->fd >= 0;
}

static bool lines_open_fdinfo(struct lines *lines, pid_t pid, int fd)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/fdinfo/%d", (int)pid, fd);
    return lines_open(lines, path);
}

static bool lines_next(struct lines *lines, char line[LINE_LEN])
{
    for (unsigned len = 0;;) {
        if (lines->at == lines->len) {
            const struct iovec iov = { lines->text, sizeof lines->text };
            const ssize_t got = readv(lines->fd, &iov, 1);
            if (got <= 0)
                return false;
            lines->at = 0;
            lines->len = (unsigned)got;
        }
        const char next = lines->text[lines->at++];
        line[len] = next == '\n' ? '\0' : next;
        if (next == '\n')
            return true;
        if (len < LINE_LEN - 1)
            len++;
    }
}

/* ---- Registrations with an epoll ---- */

/* Every descriptor of ours closes at an exec, so that what is put aside comes back as it was. */
static void register_as(int number, int s, int epoll, int op, struct epoll_event event)
{
    const int aside = fcntl(number, F_DUPFD_CLOEXEC, 0); /* -1: we do not use that number */
    const int from = s == number ? aside : s, at = epoll == number ? aside : epoll;
    if (aside >= 0)
        close(number);
    const int there = fcntl(from, F_DUPFD_CLOEXEC, number);
    if (there == number)
        (void)epoll_ctl(at, op, number, &event);
    if (there >= 0)
        close(there);
    if (aside < 0)
        return;
    (void)fcntl(aside, F_DUPFD_CLOEXEC, number);
    close(aside);
}

struct renewal {
    struct call *call;
    uint32_t inode; /* of the old S */
    int s;          /* the new one; call->s is the old one */
};

static void move_watch(const struct renewal *renewal, int epoll_fd, int number, uint32_t events,
                       uint64_t data)
{
    const struct call *call = renewal->call;
    const struct epoll_event event = { .events = events, .data.u64 = data };
    /* The keeper waits for one of our numbers, and would wait for something else. */
    if (number < 0 || fd_is_reserved(call->weird, number) || number == call->weird->pidfd)
        return;
    const int epoll = fetch_fd(call->pid, epoll_fd);
    if (epoll < 0)
        return;
    register_as(number, call->s, epoll, EPOLL_CTL_DEL, event); /* a copy may keep the old S alive */
    register_as(number, renewal->s, epoll, EPOLL_CTL_ADD, event);
    close(epoll);
}

struct watch {
    int number;
    uint32_t events;
    uint64_t data;
};

/* What the epoll says of one that it watches, if that is the old S. */
static bool watch_read(const char *line, uint32_t inode, struct watch *watch)
{
    unsigned events;
    unsigned long long data;
    unsigned long seen;
    const char *at = strstr(line, " ino:");
    if (at == NULL ||
        sscanf(line, "tfd: %d events: %x data: %llx", &watch->number, &events, &data) != 3 ||
        sscanf(at, " ino:%lx", &seen) != 1 || seen != inode)
        return false;
    watch->events = events;
    watch->data = data;
    return true;
}

/* ---- The descriptors of the calling process ---- */

/* Looks at one of them: it may be a copy of S, or an epoll that watches it. */
static void look_at(const struct renewal *renewal, int fd)
{
    struct call *call = renewal->call;
    struct lines lines;
    char line[LINE_LEN];
    unsigned flags = 0;
    unsigned long inode = 0;
    if (!lines_open_fdinfo(&lines, call->pid, fd))
        return;
    for (unsigned left = WATCH_MAX; left > 0 && lines_next(&lines, line); left--) {
        struct watch watch;
        (void)sscanf(line, "flags: %o", &flags);
        (void)sscanf(line, "ino: %lu", &inode); /* since Linux 5.14 */
        if (watch_read(line, renewal->inode, &watch))
            move_watch(renewal, fd, watch.number, watch.events, watch.data);
    }
    close(lines.fd);
    if (inode == renewal->inode)
        (void)call_give(call->run, call->id, renewal->s, fd, (flags & O_CLOEXEC) != 0, false);
}

/* How many numbers its table of descriptors has; none in use is higher. */
static int table_size(pid_t pid)
{
    char path[32], line[LINE_LEN];
    struct lines lines;
    int size = 0;
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    if (!lines_open(&lines, path))
        return 0;
    while (lines_next(&lines, line) && sscanf(line, "FDSize: %d", &size) != 1)
        continue;
    close(lines.fd);
    return size < FDS_MAX ? size : FDS_MAX;
}

static bool is_cloexec(pid_t pid, int fd)
{
    struct lines lines;
    char line[LINE_LEN];
    unsigned flags = 0;
    if (!lines_open_fdinfo(&lines, pid, fd))
        return false;
    while (lines_next(&lines, line) && sscanf(line, "flags: %o", &flags) != 1)
        continue;
    close(lines.fd);
    return (flags & O_CLOEXEC) != 0;
}

bool call_renew(struct call *call)
{
    struct socket *socket = call->socket;
    const int at = (int)call->arg[0];
    const int mode = fcntl(call->s, F_GETFL);
    if (socket->name_fd >= 0)
        close(socket->name_fd);
    socket->name_fd = -1;
    socket->secret = socket->secret * UINT64_C(6364136223846793005) + 1442695040888963407u;
    const int s = socket_make_s(socket);
    if (s < 0)
        return false;
    if (mode >= 0 && (mode & O_NONBLOCK) != 0)
        (void)fcntl(s, F_SETFL, O_RDWR | O_NONBLOCK);
    options_pass_on(call->s, s);
    const struct renewal renewal = { call, queue_inode(call->s), s };
    const int given = call_give(call->run, call->id, s, at, is_cloexec(call->pid, at), false);
    if (given < 0) {
        close(s);
        return false;
    }
    const int size = renewal.inode != 0 ? table_size(call->pid) : 0;
    for (int fd = 0; fd < size; fd++)
        look_at(&renewal, fd);
    close(call->s);
    call->s = s;
    socket->state = SOCKET_FRESH;
    socket->filler = socket->read_eof = socket->gave_eof = socket->deaf = false;
    socket->hung_up = socket->fresh_success = false;
    return true;
}
