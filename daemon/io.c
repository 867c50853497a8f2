/* SPDX-License-Identifier: MIT */
#include "io.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* syscall: openat readv ppoll sendmsg recvmsg pidfd_open pidfd_getfd */
/* syscall: process_vm_readv process_vm_writev close */

#ifndef PIDFD_THREAD
#define PIDFD_THREAD O_EXCL /* Linux 6.9 */
#endif

#define THREADS_KEPT 16 /* whose pidfd is kept open */

/* ---- A program's memory and descriptors ---- */

bool memory_read(pid_t pid, uint64_t from, void *to, size_t len)
{
    const struct iovec local = { to, len };
    const struct iovec remote = { (void *)(uintptr_t)from, len };
    return process_vm_readv(pid, &local, 1, &remote, 1, 0) == (ssize_t)len;
}

bool memory_write(pid_t pid, uint64_t to, const void *from, size_t len)
{
    const struct iovec local = { (void *)(uintptr_t)from, len };
    const struct iovec remote = { (void *)(uintptr_t)to, len };
    return process_vm_writev(pid, &local, 1, &remote, 1, 0) == (ssize_t)len;
}

/* A descriptor of a thread means that thread for ever: of one that is gone it says ESRCH, whoever
 * has its number by then. So it is kept until its place is needed. The keeper begins without any
 * and then has its own. */
static struct {
    pid_t pid; /* 0: none */
    int pidfd;
} kept[THREADS_KEPT];

static bool open_thread(unsigned place, pid_t pid)
{
    long pidfd = syscall(SYS_pidfd_open, pid, PIDFD_THREAD);
    if (pidfd < 0 && errno == EINVAL) /* an older kernel: only of a process's first thread */
        pidfd = syscall(SYS_pidfd_open, pid, 0);
    kept[place].pid = pidfd >= 0 ? pid : 0;
    kept[place].pidfd = (int)pidfd;
    return pidfd >= 0;
}

static void close_thread(unsigned place)
{
    if (kept[place].pid != 0)
        close(kept[place].pidfd);
    kept[place].pid = 0;
}

int fetch_caller_fd(pid_t pid, int fd, bool *sure)
{
    const unsigned place = (unsigned)pid % THREADS_KEPT;
    *sure = true;
    for (unsigned turn = 0; turn < 2; turn++) {
        if (kept[place].pid != pid) {
            *sure = false;
            close_thread(place);
            if (!open_thread(place, pid))
                return -ESRCH;
        }
        const long got = syscall(SYS_pidfd_getfd, kept[place].pidfd, fd, 0);
        if (got >= 0 || errno != ESRCH)
            return got >= 0 ? (int)got : -errno;
        close_thread(place);
    }
    return -ESRCH;
}

int fetch_fd(pid_t pid, int fd)
{
    bool sure;
    return fetch_caller_fd(pid, fd, &sure);
}

void fetch_end(void)
{
    for (unsigned place = 0; place < THREADS_KEPT; place++)
        close_thread(place);
}

/* ---- Our own ---- */

bool file_read(const char *path, char *text, size_t room)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    const struct iovec iov = { text, room - 1 };
    const ssize_t got = fd >= 0 ? readv(fd, &iov, 1) : -1;
    if (fd >= 0)
        close(fd);
    text[got > 0 ? got : 0] = '\0';
    return got > 0;
}

static bool ready_within(int fd, short events, int64_t ns)
{
    const int64_t second = 1000000000;
    const struct timespec limit = { ns > 0 ? ns / second : 0, ns > 0 ? ns % second : 0 };
    struct pollfd ready = { .fd = fd, .events = events };
    return ppoll(&ready, 1, &limit, NULL) > 0 && (ready.revents & events) != 0;
}

bool readable_within(int fd, int64_t ns)
{
    return ready_within(fd, POLLIN, ns);
}

bool urgent_now(int fd)
{
    return ready_within(fd, POLLPRI, 0);
}

bool hung_up_now(int fd)
{
    return ready_within(fd, POLLHUP, 0);
}

bool readable_now(int fd)
{
    return readable_within(fd, 0);
}

ssize_t octets_send(int fd, const void *octets, size_t len, int flags)
{
    struct iovec iov = { (void *)(uintptr_t)octets, len }; /* sendmsg does not write there */
    const struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };
    return sendmsg(fd, &message, flags | MSG_DONTWAIT | MSG_NOSIGNAL);
}

ssize_t octets_recv(int fd, void *octets, size_t room, int flags)
{
    struct iovec iov = { octets, room };
    struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };
    return recvmsg(fd, &message, flags | MSG_DONTWAIT);
}
