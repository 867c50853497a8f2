/* SPDX-License-Identifier: MIT */

/* The calls of the table: each is the socket layer's, with weir's descriptors in the place of the
 * kernel's. */

#include "adapter.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <string.h>

#define POLL_MAX        64
#define TCP_INFO_NUMBER 11      /* TCP_INFO of <linux/tcp.h>; <netinet/in.h> has none */
#define NO_SUCH_FD      INT_MAX /* poll passes over negative ones */
#define MEMINFO_SIZE    36      /* nine numbers of SO_MEMINFO */

static long make(void *userdata, enum call_id id, long a0, long a1, long a2, long a3, long a4)
{
    const struct call call = { id, { a0, a1, a2, a3, a4, 0 } };
    return adapter_call(userdata, &call);
}

/* A call on a descriptor. */
#define ON(fd) adapter_fd(userdata, (fd))

static int ad_socket(void *userdata, int domain, int type, int protocol)
{
    const long live = make(userdata, CALL_socket, domain, type, protocol, 0, 0);
    return live < 0 ? -1 : adapter_open(userdata, live);
}

static int ad_bind(void *userdata, int fd, const struct sockaddr *addr, socklen_t len)
{
    return (int)make(userdata, CALL_bind, ON(fd), (long)addr, (long)len, 0, 0);
}

static int ad_listen(void *userdata, int fd, int backlog)
{
    return (int)make(userdata, CALL_listen, ON(fd), backlog, 0, 0, 0);
}

static int ad_accept(void *userdata, int fd, struct sockaddr *addr, socklen_t *len)
{
    const long live = make(userdata, CALL_accept, ON(fd), (long)addr, (long)len, 0, 0);
    return live < 0 ? -1 : adapter_open(userdata, live);
}

static int ad_connect(void *userdata, int fd, const struct sockaddr *addr, socklen_t len)
{
    return (int)make(userdata, CALL_connect, ON(fd), (long)addr, (long)len, 0, 0);
}

static ssize_t ad_read(void *userdata, int fd, void *data, size_t len)
{
    return make(userdata, CALL_read, ON(fd), (long)data, (long)len, 0, 0);
}

static ssize_t ad_readv(void *userdata, int fd, const struct iovec *iov, int count)
{
    return make(userdata, CALL_readv, ON(fd), (long)iov, count, 0, 0);
}

static ssize_t ad_recvmsg(void *userdata, int fd, struct msghdr *msg, int flags)
{
    return make(userdata, CALL_recvmsg, ON(fd), (long)msg, flags, 0, 0);
}

static ssize_t ad_recvfrom(void *userdata, int fd, void *data, size_t len, int flags,
                           struct sockaddr *addr, socklen_t *addr_len)
{
    struct iovec iov = { data, len };
    struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_name = addr };
    if (addr_len != NULL)
        msg.msg_namelen = *addr_len;
    const ssize_t result = ad_recvmsg(userdata, fd, &msg, flags);
    if (result >= 0 && addr_len != NULL)
        *addr_len = msg.msg_namelen;
    return result;
}

static ssize_t ad_recv(void *userdata, int fd, void *data, size_t len, int flags)
{
    return ad_recvfrom(userdata, fd, data, len, flags, NULL, NULL);
}

static ssize_t ad_write(void *userdata, int fd, const void *data, size_t len)
{
    return make(userdata, CALL_write, ON(fd), (long)data, (long)len, 0, 0);
}

static ssize_t ad_writev(void *userdata, int fd, const struct iovec *iov, int count)
{
    return make(userdata, CALL_writev, ON(fd), (long)iov, count, 0, 0);
}

static ssize_t ad_sendmsg(void *userdata, int fd, const struct msghdr *msg, int flags)
{
    return make(userdata, CALL_sendmsg, ON(fd), (long)msg, flags, 0, 0);
}

static ssize_t ad_sendto(void *userdata, int fd, const void *data, size_t len, int flags,
                         const struct sockaddr *addr, socklen_t addr_len)
{
    struct iovec iov = { (void *)(uintptr_t)data, len };
    const struct msghdr msg = { .msg_iov = &iov,
                                .msg_iovlen = 1,
                                .msg_name = (void *)(uintptr_t)addr,
                                .msg_namelen = addr_len };
    return ad_sendmsg(userdata, fd, &msg, flags);
}

static ssize_t ad_send(void *userdata, int fd, const void *data, size_t len, int flags)
{
    return ad_sendto(userdata, fd, data, len, flags, NULL, 0);
}

static int ad_fcntl(void *userdata, int fd, int command, ...)
{
    va_list args;
    va_start(args, command);
    const bool sets = command == F_SETFL || command == F_SETFD;
    const int value = sets ? va_arg(args, int) : 0;
    va_end(args);
    return (int)make(userdata, CALL_fcntl, ON(fd), command, value, 0, 0);
}

static int ad_ioctl(void *userdata, int fd, unsigned long request, ...)
{
    va_list args;
    va_start(args, request);
    int *value = va_arg(args, int *);
    va_end(args);
    return (int)make(userdata, CALL_ioctl, ON(fd), (long)request, (long)value, 0, 0);
}

static int ad_close(void *userdata, int fd)
{
    struct adapter *a = userdata;
    const long result = make(userdata, CALL_close, ON(fd), 0, 0, 0, 0);
    if (adapter_fd(a, fd) >= 0) {
        adapter_forget(a, fd);
    }
    return (int)result;
}

static int ad_shutdown(void *userdata, int fd, int how)
{
    return (int)make(userdata, CALL_shutdown, ON(fd), how, 0, 0, 0);
}

static int ad_getsockopt(void *userdata, int fd, int level, int name, void *value, socklen_t *len)
{
    /* packetdrill wants nine numbers of SO_MEMINFO before it looks at TCP_INFO. */
    if (level == SOL_SOCKET && name == SO_MEMINFO && *len >= MEMINFO_SIZE) {
        memset(value, 0, MEMINFO_SIZE);
        *len = MEMINFO_SIZE;
        return 0;
    }
    const socklen_t room = *len;
    const int result =
        (int)make(userdata, CALL_getsockopt, ON(fd), level, name, (long)value, (long)len);
    if (result == 0 && level == IPPROTO_TCP && name == TCP_INFO_NUMBER && *len < room) {
        memset((char *)value + *len, 0, room - *len);
        *len = room;
    }
    return result;
}

static int ad_setsockopt(void *userdata, int fd, int level, int name, const void *value,
                         socklen_t len)
{
    return (int)make(userdata, CALL_setsockopt, ON(fd), level, name, (long)value, (long)len);
}

static int ad_poll(void *userdata, struct pollfd *fds, nfds_t count, int ms)
{
    struct pollfd mine[POLL_MAX];
    if (count > POLL_MAX) {
        errno = EINVAL;
        return -1;
    }
    for (nfds_t i = 0; i < count; i++) {
        mine[i] = fds[i];
        if (fds[i].fd >= 0)
            mine[i].fd = ON(fds[i].fd) >= 0 ? ON(fds[i].fd) : NO_SUCH_FD;
    }
    const long result = make(userdata, CALL_poll, (long)mine, (long)count, ms, 0, 0);
    for (nfds_t i = 0; i < count; i++)
        fds[i].revents = mine[i].revents;
    return (int)result;
}

static int ad_epoll_create(void *userdata, int size)
{
    const long live = make(userdata, CALL_epoll_create, size, 0, 0, 0, 0);
    return live < 0 ? -1 : adapter_open(userdata, live);
}

static int ad_epoll_ctl(void *userdata, int epoll, int operation, int fd, struct epoll_event *event)
{
    return (int)make(userdata, CALL_epoll_ctl, ON(epoll), operation, ON(fd), (long)event, 0);
}

static int ad_epoll_wait(void *userdata, int epoll, struct epoll_event *events, int room, int ms)
{
    return (int)make(userdata, CALL_epoll_wait, ON(epoll), (long)events, room, ms, 0);
}

static int ad_pipe(void *userdata, int fds[2])
{
    int live[2] = { 0, 0 };
    if (make(userdata, CALL_pipe, (long)live, 0, 0, 0, 0) < 0)
        return -1;
    for (unsigned i = 0; i < 2; i++)
        fds[i] = adapter_open(userdata, live[i]);
    return 0;
}

/* An offset is the script's number, and a pointer to it never NULL: 0 is none. */
/* NOLINTNEXTLINE(readability-non-const-parameter): the type is packetdrill's. */
static int ad_splice(void *userdata, int in, loff_t *in_at, int out, loff_t *out_at, size_t len,
                     unsigned flags)
{
    const bool from = in_at != NULL && *in_at != 0, to = out_at != NULL && *out_at != 0;
    const struct call call = { CALL_splice,
                               { ON(in), from ? (long)in_at : 0, ON(out), to ? (long)out_at : 0,
                                 (long)len, (long)flags } };
    return (int)adapter_call(userdata, &call);
}

/* ---- what packetdrill does past the table ---- */

int adapter_getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
    return ad_getsockopt(adapter_now(), fd, level, name, value, len);
}

ssize_t adapter_write(int fd, const void *data, size_t len)
{
    return ad_write(adapter_now(), fd, data, len);
}

void adapter_calls_fill(struct packetdrill_interface *ifc)
{
    ifc->socket = ad_socket;
    ifc->bind = ad_bind;
    ifc->listen = ad_listen;
    ifc->accept = ad_accept;
    ifc->connect = ad_connect;
    ifc->read = ad_read;
    ifc->readv = ad_readv;
    ifc->recv = ad_recv;
    ifc->recvfrom = ad_recvfrom;
    ifc->recvmsg = ad_recvmsg;
    ifc->write = ad_write;
    ifc->writev = ad_writev;
    ifc->send = ad_send;
    ifc->sendto = ad_sendto;
    ifc->sendmsg = ad_sendmsg;
    ifc->fcntl = ad_fcntl;
    ifc->ioctl = ad_ioctl;
    ifc->close = ad_close;
    ifc->shutdown = ad_shutdown;
    ifc->getsockopt = ad_getsockopt;
    ifc->setsockopt = ad_setsockopt;
    ifc->poll = ad_poll;
    ifc->epoll_create = ad_epoll_create;
    ifc->epoll_ctl = ad_epoll_ctl;
    ifc->epoll_wait = ad_epoll_wait;
    ifc->pipe = ad_pipe;
    ifc->splice = ad_splice;
}
