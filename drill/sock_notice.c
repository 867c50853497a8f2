/* SPDX-License-Identifier: MIT */
#include "sock.h"

#include <errno.h>
#include <linux/errqueue.h>
#include <linux/net_tstamp.h>
#include <netinet/in.h>
#include <sys/uio.h>

/* The error queue. It has two kinds of notices, and both are about octets that a call handed over:
 * that the memory of a MSG_ZEROCOPY is the program's again, and when the last octet of a call was
 * given to the device and acknowledged (SO_TIMESTAMPING). A call leaves a mark at its last octet;
 * frames that carry that octet, and the count of those acknowledged when it passes it, make notices
 * of the mark. A frame that is sent again is stamped again, as on Linux.
 *
 * weir always copies what it sends, and says so with SO_EE_CODE_ZEROCOPY_COPIED. */

#define STAMPS (SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_TX_SCHED | SOF_TIMESTAMPING_TX_ACK)
#define STAMPING \
    (STAMPS | SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_OPT_ID | SOF_TIMESTAMPING_OPT_TSONLY)

/* ---- what the program asks for ---- */

static uint64_t acked_of(struct net *net, const struct sock *sock)
{
    struct weir_status status;
    return sock->kind == SOCK_TCP && weir_status(net->weir, sock->handle, &status) == WEIR_OK
               ? status.octets_acked
               : 0;
}

long notice_set_stamping(struct net *net, struct sock *sock, int flags)
{
    const int ids = SOF_TIMESTAMPING_OPT_ID;
    int *kept = &sock->kept[KEPT_STAMPING];
    if ((flags & ~STAMPING) != 0)
        return -EINVAL;
    if ((flags & ids) != 0 && (*kept & ids) == 0) {
        if (sock->kind == SOCK_TCP && (sock->phase == PHASE_NEW || sock->phase == PHASE_LISTENING))
            return -EINVAL; /* there is nothing to count from */
        sock->notices.first = sock->kind == SOCK_UDP ? sock->notices.written : acked_of(net, sock);
    }
    *kept = flags;
    return 0;
}

/* ---- from marks to notices ---- */

/* Linux joins a completion to the one before it if that has not been read. */
static bool join(struct notices *notices, const struct notice *next)
{
    struct notice *last = notices->count > 0 ? &notices->queue[notices->count - 1] : NULL;
    if (last == NULL || next->origin != SO_EE_ORIGIN_ZEROCOPY || last->origin != next->origin ||
        next->info != last->data + 1)
        return false;
    last->data = next->data;
    return true;
}

static void tell(struct notices *notices, struct notice next)
{
    if (!join(notices, &next)) {
        if (notices->count == NOTICES_MAX)
            return; /* lost, as in a full error queue of Linux */
        notices->queue[notices->count++] = next;
    }
    notices->told++;
}

static void tell_stamp(struct notices *notices, const struct mark *mark, uint32_t which,
                       size_t text_len, weir_time now)
{
    tell(notices, (struct notice){ .origin = SO_EE_ORIGIN_TIMESTAMPING,
                                   .info = which,
                                   .data = mark->key,
                                   .text_len = mark->bare ? 0 : (uint32_t)text_len,
                                   .when = now });
}

static void tell_left(struct notices *notices, const struct mark *mark, size_t packet_len,
                      weir_time now)
{
    if ((mark->stamps & SOF_TIMESTAMPING_TX_SCHED) != 0)
        tell_stamp(notices, mark, SCM_TSTAMP_SCHED, packet_len, now);
    if ((mark->stamps & SOF_TIMESTAMPING_TX_SOFTWARE) != 0)
        tell_stamp(notices, mark, SCM_TSTAMP_SND, packet_len, now);
}

static void tell_done(struct notices *notices, const struct mark *mark)
{
    if (mark->zerocopy)
        tell(notices, (struct notice){
                          .origin = SO_EE_ORIGIN_ZEROCOPY, .info = mark->id, .data = mark->id });
}

/* How far this connection has come with the marks of its socket. */
static void pass(struct net *net, struct sock *sock)
{
    struct notices *notices = &sock->notices;
    struct weir_status status;
    const bool over =
        weir_status(net->weir, sock->handle, &status) != WEIR_OK || status.state == WEIR_CLOSED;
    unsigned kept = 0;
    for (unsigned i = 0; i < notices->mark_count; i++) {
        const struct mark *mark = &notices->mark[i];
        const bool acked = !over && mark->end <= status.octets_acked;
        if (acked && (mark->stamps & SOF_TIMESTAMPING_TX_ACK) != 0)
            tell_stamp(notices, mark, SCM_TSTAMP_ACK, mark->text_len, net->now);
        if (acked || over) /* what is thrown away is the program's again, too */
            tell_done(notices, mark);
        else
            notices->mark[kept++] = *mark;
    }
    notices->mark_count = kept;
}

void net_notice(struct net *net)
{
    for (unsigned i = 0; i < SOCK_MAX; i++)
        if (net->sock[i].notices.mark_count > 0)
            pass(net, &net->sock[i]);
}

static struct sock *sock_of(struct net *net, weir_handle handle)
{
    for (unsigned i = 0; handle != WEIR_NO_HANDLE && i < SOCK_MAX; i++)
        if (net->sock[i].kind == SOCK_TCP && net->sock[i].handle == handle)
            return &net->sock[i];
    return NULL;
}

void net_sent(struct net *net, const struct weir_out *out)
{
    struct sock *sock = sock_of(net, out->handle);
    struct weir_status status;
    if (sock == NULL || sock->notices.mark_count == 0 || out->transport_off == 0 ||
        weir_status(net->weir, sock->handle, &status) != WEIR_OK)
        return;
    const uint8_t *tcp = out->head + out->transport_off;
    const bool syn = (tcp[13] & 2) != 0;
    const uint32_t seq =
        (uint32_t)tcp[4] << 24 | (uint32_t)tcp[5] << 16 | (uint32_t)tcp[6] << 8 | tcp[7];
    uint32_t text_len = 0;
    for (unsigned i = 0; i < out->span_count; i++)
        text_len += (uint32_t)out->span[i].len;
    const uint32_t first =
        seq + (syn ? 1 : 0) - (status.iss + 1); /* octet of the stream, mod 2^32 */
    for (unsigned i = 0; i < sock->notices.mark_count; i++) {
        struct mark *mark = &sock->notices.mark[i];
        if ((uint32_t)(mark->end - 1) - first >= text_len)
            continue;
        mark->text_len = text_len;
        tell_left(&sock->notices, mark, out->head_len + text_len, net->now);
    }
}

bool notice_room(const struct sock *sock)
{
    return sock->notices.mark_count < MARKS_MAX;
}

/* What one call asks for goes before what the socket asks for. */
long notice_asked(const struct sock *sock, const struct msghdr *msg, int *stamping)
{
    struct msghdr at = *msg;
    *stamping = sock->kept[KEPT_STAMPING];
    for (struct cmsghdr *head = CMSG_FIRSTHDR(&at); head != NULL; head = CMSG_NXTHDR(&at, head)) {
        int value;
        if (head->cmsg_level != SOL_SOCKET)
            continue;
        if (head->cmsg_type != SO_TIMESTAMPING || head->cmsg_len != CMSG_LEN(sizeof value))
            return -EINVAL;
        memcpy(&value, CMSG_DATA(head), sizeof value);
        if ((value & ~STAMPS) != 0)
            return -EINVAL;
        *stamping = (*stamping & ~STAMPS) | value;
    }
    return 0;
}

void notice_mark(struct net *net, struct sock *sock, const struct call *call, size_t len)
{
    struct notices *notices = &sock->notices;
    const int flags = call_flags(call);
    int asked = sock->kept[KEPT_STAMPING];
    if (call->id == CALL_sendmsg)
        (void)notice_asked(sock, (const struct msghdr *)call->arg[1], &asked);
    const bool udp = sock->kind == SOCK_UDP;
    struct mark mark = { .stamps = (uint16_t)(asked & STAMPS),
                         .bare = (asked & SOF_TIMESTAMPING_OPT_TSONLY) != 0 };
    notices->written += udp ? 1 : len;
    if (len == 0 && !udp)
        return;
    mark.end = notices->written;
    if ((asked & SOF_TIMESTAMPING_OPT_ID) != 0)
        mark.key = (uint32_t)(mark.end - 1 - notices->first);
    mark.zerocopy = (flags & MSG_ZEROCOPY) != 0 && sock->kept[KEPT_ZEROCOPY] != 0;
    if (mark.zerocopy)
        mark.id = notices->zerocopy_next++;
    if (udp) { /* a datagram leaves with the call, and nobody acknowledges it */
        tell_left(notices, &mark, len, net->now);
        tell_done(notices, &mark);
    } else if ((mark.stamps != 0 || mark.zerocopy) && notice_room(sock)) {
        notices->mark[notices->mark_count++] = mark;
    }
}

/* ---- recvmsg(MSG_ERRQUEUE) ---- */

void control_put(struct msghdr *msg, size_t room, int level, int type, const void *data, size_t len)
{
    const size_t at = msg->msg_controllen;
    if (msg->msg_control == NULL || room - at < sizeof(struct cmsghdr)) {
        msg->msg_flags |= MSG_CTRUNC;
        return;
    }
    size_t whole = CMSG_LEN(len);
    if (room - at < whole) {
        msg->msg_flags |= MSG_CTRUNC;
        whole = room - at;
    }
    const struct cmsghdr head = { .cmsg_len = whole, .cmsg_level = level, .cmsg_type = type };
    char *to = (char *)msg->msg_control + at;
    memcpy(to, &head, sizeof head);
    memcpy(to + CMSG_LEN(0), data, whole - CMSG_LEN(0));
    msg->msg_controllen += CMSG_SPACE(len) < room - at ? CMSG_SPACE(len) : room - at;
}

/* The packet, or its text, that goes with it; not what is in it. */
static size_t fill(const struct msghdr *msg, size_t len)
{
    size_t done = 0;
    for (size_t i = 0; i < msg->msg_iovlen && done < len; i++) {
        const size_t room = msg->msg_iov[i].iov_len;
        const size_t part = room < len - done ? room : len - done;
        memset(msg->msg_iov[i].iov_base, 0, part);
        done += part;
    }
    return done;
}

static void put_cause(const struct sock *sock, const struct notice *notice, struct msghdr *msg,
                      size_t room)
{
    struct {
        struct sock_extended_err error;
        struct sockaddr_in6 offender; /* nobody */
    } v6 = { .error = {
                 .ee_origin = notice->origin, .ee_info = notice->info, .ee_data = notice->data } };
    if (notice->origin == SO_EE_ORIGIN_TIMESTAMPING)
        v6.error.ee_errno = ENOMSG;
    else
        v6.error.ee_code = SO_EE_CODE_ZEROCOPY_COPIED;
    if (sock->family == AF_INET6)
        control_put(msg, room, SOL_IPV6, IPV6_RECVERR, &v6, sizeof v6);
    else
        control_put(msg, room, SOL_IP, IP_RECVERR, &v6,
                    sizeof v6.error + sizeof(struct sockaddr_in));
}

long notice_receive(struct sock *sock, struct msghdr *msg)
{
    struct notices *notices = &sock->notices;
    const size_t room = msg->msg_controllen;
    if (notices->count == 0)
        return -EAGAIN;
    const struct notice notice = notices->queue[0];
    notices->count--;
    memmove(notices->queue, notices->queue + 1, notices->count * sizeof notices->queue[0]);
    const size_t copied = fill(msg, notice.text_len);
    msg->msg_namelen = 0;
    msg->msg_controllen = 0;
    msg->msg_flags = MSG_ERRQUEUE | (copied < notice.text_len ? MSG_TRUNC : 0);
    if (notice.origin == SO_EE_ORIGIN_TIMESTAMPING &&
        (sock->kept[KEPT_STAMPING] & SOF_TIMESTAMPING_SOFTWARE) != 0) {
        const struct scm_timestamping stamp = { { { notice.when / WEIR_SECOND,
                                                    notice.when % WEIR_SECOND } } };
        control_put(msg, room, SOL_SOCKET, SCM_TIMESTAMPING, &stamp, sizeof stamp);
    }
    put_cause(sock, &notice, msg, room);
    return (long)copied;
}
