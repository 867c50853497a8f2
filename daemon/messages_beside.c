/* SPDX-License-Identifier: MIT */

/* What recvmsg tells beside the octets of a stream, in Linux's order: when they came, and how much
 * is left. */

#include "ends.h"

#include "cmsg.h"

#include <errno.h>
#include <linux/net_tstamp.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/time.h>
#include <time.h>

/* syscall: ioctl */

#define BESIDE_MAX 256 /* octets: more than all of it */

bool beside_any(const struct socket *socket)
{
    return socket->kept[KEPT_INQ] != 0 || socket->kept[KEPT_STAMP] != 0 ||
           (socket->kept[KEPT_STAMPING] & SOF_TIMESTAMPING_SOFTWARE) != 0;
}

/* Of the last octets that came, as TCP's own are of the last segment that was read. */
static void put_times(struct cmsg_writing *w, const struct socket *socket)
{
    const int64_t at = weir_loop_epoch() + socket->data_at;
    const struct timespec fine = { at / WEIR_SECOND, at % WEIR_SECOND };
    const struct timeval coarse = { fine.tv_sec, fine.tv_nsec / WEIR_US };
    const int name = socket->kept[KEPT_STAMP];
    if (name == SO_TIMESTAMP_OLD || name == SO_TIMESTAMP_NEW)
        cmsg_put(w, SOL_SOCKET, name, &coarse, sizeof coarse);
    else if (name != 0)
        cmsg_put(w, SOL_SOCKET, name, &fine, sizeof fine);
    if ((socket->kept[KEPT_STAMPING] & SOF_TIMESTAMPING_SOFTWARE) != 0) {
        const struct timespec three[3] = { fine };
        cmsg_put(w, SOL_SOCKET, socket->kept[KEPT_STAMPING_OPTION], three, sizeof three);
    }
}

/* 1, not 0, where the end is still to be read. */
static void put_left(struct cmsg_writing *w, const struct socket *socket, int s)
{
    int left = 0;
    (void)ioctl(s, FIONREAD, &left);
    if (left == 0 && socket->gave_eof)
        left = 1;
    cmsg_put(w, IPPROTO_TCP, TCP_CM_INQ, &left, sizeof left);
}

bool beside_give(const struct call *call, struct msghdr *header, size_t got)
{
    static uint8_t control[BESIDE_MAX];
    const struct socket *socket = call->socket;
    const uint64_t to = (uint64_t)(uintptr_t)header->msg_control;
    bool cut = false;
    struct cmsg_writing w = { .control = control, .cut = &cut };
    w.room = header->msg_controllen < sizeof control ? header->msg_controllen : sizeof control;
    if (socket != NULL && got > 0 && beside_any(socket))
        put_times(&w, socket);
    if (socket != NULL && socket->kept[KEPT_INQ] != 0)
        put_left(&w, socket, call->s);
    header->msg_controllen = w.len;
    header->msg_flags |= cut ? MSG_CTRUNC : 0;
    return w.len == 0 || memory_write(call->pid, to, control, w.len);
}
