/* SPDX-License-Identifier: MIT */

/* How many connections wait in the queue of a listening S. The kernel alone takes some of them out,
 * and only its socket diagnosis (sock_diag(7)) tells how many are left. */

#include "ends.h"
#include "io.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct question {
    struct nlmsghdr head;
    struct unix_diag_req request;
};

bool queue_open(struct weird *weird)
{
    weird->diag = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_SOCK_DIAG);
    return true; /* without it listeners have two queues, one behind the other */
}

/* From /proc, which weird reads anyway, so that fstat need not be among its calls. */
uint32_t queue_inode(int s)
{
    static const char key[] = "\nino:\t"; /* since Linux 5.14 */
    char path[sizeof "/proc/self/fdinfo/" + 10], text[256];
    snprintf(path, sizeof path, "/proc/self/fdinfo/%d", s);
    if (s < 0 || !file_read(path, text, sizeof text))
        return 0;
    const char *line = strstr(text, key);
    return line == NULL ? 0 : (uint32_t)strtoul(line + sizeof key - 1, NULL, 10);
}

void queue_begin(struct socket *listener, int s, unsigned backlog)
{
    listener->inode = queue_inode(s);
    listener->backlog = backlog;
    listener->queued = 0;
}

static bool ask(const struct weird *weird, uint32_t inode)
{
    const struct question question = {
        .head = { .nlmsg_len = sizeof question,
                  .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                  .nlmsg_flags = NLM_F_REQUEST },
        .request = { .sdiag_family = AF_UNIX,
                     .udiag_states = UINT32_MAX,
                     .udiag_ino = inode,
                     .udiag_show = UDIAG_SHOW_RQLEN,
                     .udiag_cookie = { UINT32_MAX, UINT32_MAX } /* any */ },
    };
    return octets_send(weird->diag, &question, sizeof question, 0) == sizeof question;
}

/* The kernel answers while it takes the question. False: it does not know. */
static bool hear(const struct weird *weird, uint32_t *queued)
{
    union {
        struct nlmsghdr head;
        char room[1024];
    } answer;
    const ssize_t got = octets_recv(weird->diag, &answer, sizeof answer, 0);
    if (got < (ssize_t)NLMSG_LENGTH(sizeof(struct unix_diag_msg)) ||
        answer.head.nlmsg_type != SOCK_DIAG_BY_FAMILY)
        return false;
    const size_t end = (size_t)got < answer.head.nlmsg_len ? (size_t)got : answer.head.nlmsg_len;
    size_t at = NLMSG_LENGTH(sizeof(struct unix_diag_msg));
    struct rtattr attribute;
    struct unix_diag_rqlen len;
    while (at + RTA_LENGTH(sizeof len) <= end) {
        memcpy(&attribute, answer.room + at, sizeof attribute);
        memcpy(&len, answer.room + at + RTA_LENGTH(0), sizeof len);
        if (attribute.rta_type == UNIX_DIAG_RQLEN) {
            *queued = len.udiag_rqueue;
            return true;
        }
        at += attribute.rta_len > 0 ? RTA_ALIGN(attribute.rta_len) : end;
    }
    return false;
}

bool queue_gone(const struct weird *weird, uint32_t inode)
{
    struct {
        struct nlmsghdr head;
        struct nlmsgerr error;
        char rest[512];
    } answer = { .head.nlmsg_type = 0 };
    return weird->diag >= 0 && ask(weird, inode) &&
           octets_recv(weird->diag, &answer, sizeof answer, 0) > 0 &&
           answer.head.nlmsg_type == NLMSG_ERROR && answer.error.error == -ENOENT;
}

enum heard {
    HEARD_MORE, /* and the next answer goes on */
    HEARD_ALL,
    HEARD_WRONG,
};

static enum heard hear_each(struct weird *weird, const char *octets, size_t len,
                            queue_each_fn *on_socket)
{
    struct nlmsghdr head;
    struct unix_diag_msg message;
    for (size_t at = 0; at + sizeof head <= len; at += NLMSG_ALIGN(head.nlmsg_len)) {
        memcpy(&head, octets + at, sizeof head);
        if (head.nlmsg_type == NLMSG_DONE)
            return HEARD_ALL;
        if (head.nlmsg_type != SOCK_DIAG_BY_FAMILY || head.nlmsg_len > len - at ||
            head.nlmsg_len < NLMSG_LENGTH(sizeof message))
            return HEARD_WRONG;
        memcpy(&message, octets + at + NLMSG_HDRLEN, sizeof message);
        on_socket(weird, (uint64_t)message.udiag_cookie[1] << 32 | message.udiag_cookie[0]);
    }
    return HEARD_MORE;
}

bool queue_each(struct weird *weird, queue_each_fn *on_socket)
{
    static char answer[32768]; /* what the kernel makes at once if it may */
    const struct question question = {
        .head = { .nlmsg_len = sizeof question,
                  .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                  .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
        .request = { .sdiag_family = AF_UNIX, .udiag_states = UINT32_MAX },
    };
    if (weird->diag < 0 ||
        octets_send(weird->diag, &question, sizeof question, 0) != sizeof question)
        return false;
    enum heard heard = HEARD_MORE;
    while (heard == HEARD_MORE) {
        const ssize_t got = octets_recv(weird->diag, answer, sizeof answer, 0);
        heard = got > 0 ? hear_each(weird, answer, (size_t)got, on_socket) : HEARD_WRONG;
    }
    return heard == HEARD_ALL;
}

bool queue_count(struct socket *listener)
{
    struct weird *weird = listener->weird;
    uint32_t queued;
    if (weird->diag < 0 || listener->inode == 0)
        return false;
    if (listener->queued > listener->backlog && ask(weird, listener->inode) && hear(weird, &queued))
        listener->queued = queued;
    const bool full = listener->queued > listener->backlog;
    (void)weir_listen_held(weird->weir, listener->handle, full ? listener->queued : 0);
    return full;
}
