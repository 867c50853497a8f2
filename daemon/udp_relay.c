/* SPDX-License-Identifier: MIT */

/* What passes between S and the network, both ways. */

#include "udp.h"

#include <errno.h>
#include <netinet/udp.h>
#include <sys/epoll.h>

/* syscall: recvmsg sendmsg */

#define DRAIN_TURN 256
#define GIVE_TURN  64
#define FULL_RETRY WEIR_MS

#define JOINT_MOST   64 /* datagrams in one, as Linux */
#define JOINT_OCTETS 65507

/* ---- From S to the network ---- */

struct weir_udp_how udp_how(const struct udp_socket *socket, const struct weir_ip *to)
{
    const unsigned kind = !weir_ip_is_v4(to);
    /* What goes to a group has a time to live of its own. */
    const bool group = kind == 0 ? (to->octet[12] & 0xf0) == 0xe0 : to->octet[0] == 0xff;
    const int discover = socket->mtu_discover[kind];
    return (struct weir_udp_how){
        .ttl = (uint8_t)(!group && socket->ttl[kind] > 0 ? socket->ttl[kind] : 0),
        .tos = (uint8_t)(socket->tos[kind] > 0 ? socket->tos[kind] : 0),
        .tos_given = true,
        .no_sum = kind == 0 ? socket->no_sum : socket->no_sum6,
        .whole = discover == IP_PMTUDISC_DO || discover == IP_PMTUDISC_PROBE ||
                 (kind == 1 && socket->whole6),
    };
}

/* From whom and to whom S sent it, which is told by where: meanwhile S may be connected to another,
 * or closed, or the end of a longer queue. */
static bool ends_of(const struct udp_host *host, const struct udp_socket *socket, struct in_addr id,
                    struct weir_addr *remote, struct weir_addr *local)
{
    if (udp_id_read(host->ids, id, remote, local))
        return true;
    *remote = socket->remote;
    *local = socket->local;
    return socket->connected && id.s_addr == socket->peer.sin_addr.s_addr; /* forgotten, but his */
}

/* False: weir has no room now. */
static bool send_out(struct udp_host *host, struct udp_socket *socket, struct in_addr id,
                     size_t len, weir_time now)
{
    struct weir *weir = host->weird->weir;
    struct weir_addr remote, local;
    weir_handle handle = socket->handle;
    if (!ends_of(host, socket, id, &remote, &local))
        return true;
    const bool anew = handle == WEIR_NO_HANDLE || local.port != socket->local.port;
    if (anew && weir_udp_open_with(weir, &local, udp_open_flags(socket), &handle) != WEIR_OK)
        return true;
    struct weir_udp_how how = udp_how(socket, &remote.ip);
    how.to = &remote;
    if (anew && socket->broadcast)
        (void)weir_set(weir, handle, WEIR_OPT_BROADCAST, 1, now);
    const enum weir_error error = weir_udp_send_as(weir, handle, &how, host->out, len, now);
    if (anew)
        (void)weir_release(weir, handle, now);
    return error != WEIR_AGAIN;
}

static void on_d(void *user, int fd, uint32_t ready, weir_time now)
{
    (void)fd;
    (void)ready;
    (void)udp_drain(user, now);
}

bool udp_watch_d(struct udp_host *host, uint32_t events)
{
    return weir_loop_add_fd(host->weird->loop, host->d, events, on_d, host) == 0;
}

static void retry_full(void *user, weir_time now)
{
    struct udp_host *host = user;
    (void)udp_watch_d(host, EPOLLIN);
    (void)udp_drain(host, now);
}

static bool drain_held(struct udp_host *host, weir_time now)
{
    struct udp_socket *socket = host->socket[host->held_place];
    if (host->held > 0 && socket != NULL &&
        !send_out(host, socket, host->held_id, host->held - 1, now))
        return false;
    host->held = 0;
    return true;
}

/* One datagram that an S sent, and the id it sent it to. -1: none. */
static ssize_t take(struct udp_host *host, struct sockaddr_in *from, struct in_addr *id)
{
    union {
        char octets[CMSG_SPACE(sizeof(struct in_pktinfo))];
        struct cmsghdr align;
    } control;
    struct iovec iov = { host->out, sizeof host->out };
    struct msghdr message = { .msg_name = from,
                              .msg_namelen = sizeof *from,
                              .msg_iov = &iov,
                              .msg_iovlen = 1,
                              .msg_control = control.octets,
                              .msg_controllen = sizeof control.octets };
    const ssize_t got = recvmsg(host->d, &message, MSG_DONTWAIT);
    const struct cmsghdr *c = got >= 0 ? CMSG_FIRSTHDR(&message) : NULL;
    struct in_pktinfo to = { .ipi_ifindex = 0 };
    if (c != NULL && c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO)
        memcpy(&to, CMSG_DATA(c), sizeof to);
    *id = to.ipi_addr;
    return got;
}

bool udp_drain(struct udp_host *host, weir_time now)
{
    bool room = drain_held(host, now);
    for (unsigned i = 0; room && i < DRAIN_TURN; i++) {
        struct sockaddr_in from;
        struct in_addr id;
        const ssize_t got = take(host, &from, &id);
        if (got < 0 && errno == EAGAIN)
            return true;
        struct udp_socket *socket = got >= 0 ? udp_socket_at(host, &from) : NULL;
        if (socket != NULL && !send_out(host, socket, id, (size_t)got, now)) {
            host->held = (size_t)got + 1;
            host->held_id = id;
            host->held_place = socket->place;
            room = false;
        }
    }
    if (!room) { /* the rest waits in D, and then what S sends is dropped, as by a full link */
        (void)udp_watch_d(host, 0);
        host->full_timer.on_time = retry_full;
        host->full_timer.user = host;
        weir_loop_set_timer(host->weird->loop, &host->full_timer, now + FULL_RETRY);
    }
    return false;
}

/* ---- From the network to S ---- */

void udp_give(struct udp_host *host, const struct udp_socket *socket, struct in_addr id,
              const struct weir_datagram *info, struct iovec data, uint16_t piece)
{
    struct sockaddr_in to = socket->at;
    union {
        char octets[CMSG_SPACE(sizeof(struct in_pktinfo)) + 2 * CMSG_SPACE(sizeof(int)) +
                    CMSG_SPACE(sizeof piece)];
        struct cmsghdr align;
    } control;
    memset(&control, 0, sizeof control);
    struct msghdr message = { .msg_name = &to,
                              .msg_namelen = sizeof to,
                              .msg_iov = &data,
                              .msg_iovlen = 1,
                              .msg_control = control.octets,
                              .msg_controllen = sizeof control.octets };
    const struct in_pktinfo from = { .ipi_spec_dst = id };
    const int ttl = info->ttl != 0 ? info->ttl : 1, tos = info->tos;
    struct cmsghdr *c = CMSG_FIRSTHDR(&message);
    *c = (struct cmsghdr){ CMSG_LEN(sizeof from), IPPROTO_IP, IP_PKTINFO };
    memcpy(CMSG_DATA(c), &from, sizeof from);
    c = CMSG_NXTHDR(&message, c);
    *c = (struct cmsghdr){ CMSG_LEN(sizeof ttl), IPPROTO_IP, IP_TTL };
    memcpy(CMSG_DATA(c), &ttl, sizeof ttl);
    c = CMSG_NXTHDR(&message, c);
    *c = (struct cmsghdr){ CMSG_LEN(sizeof tos), IPPROTO_IP, IP_TOS };
    memcpy(CMSG_DATA(c), &tos, sizeof tos);
    if (piece > 0) {
        c = CMSG_NXTHDR(&message, c);
        *c = (struct cmsghdr){ CMSG_LEN(sizeof piece), IPPROTO_UDP, UDP_SEGMENT };
        memcpy(CMSG_DATA(c), &piece, sizeof piece);
    } else {
        message.msg_controllen -= CMSG_SPACE(sizeof piece);
    }
    (void)sendmsg(host->d, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* What a connected S takes comes from what it is connected to. */
static struct in_addr id_for(struct udp_host *host, const struct udp_socket *socket,
                             const struct weir_datagram *info)
{
    if (socket->connected)
        return socket->peer.sin_addr;
    return udp_id_of(host->ids, &info->from, &info->to);
}

/* Datagrams of one length and of one way, which are one to a program that asks for that. They lie
 * in host->in. */
struct joint {
    struct weir_datagram info; /* of the first */
    size_t len;
    uint16_t piece, count;
};

static void give_joint(struct udp_host *host, const struct udp_socket *socket, struct joint *joint)
{
    if (joint->count > 0)
        udp_give(host, socket, id_for(host, socket, &joint->info), &joint->info,
                 (struct iovec){ host->in, joint->len }, joint->count > 1 ? joint->piece : 0);
    joint->count = 0;
}

static bool goes_on(const struct joint *joint, const struct weir_datagram *next)
{
    return joint->count > 0 && joint->count < JOINT_MOST && next->len > 0 &&
           next->len <= joint->piece && joint->len == (size_t)joint->count * joint->piece &&
           joint->len + next->len <= JOINT_OCTETS && next->ttl == joint->info.ttl &&
           next->tos == joint->info.tos && next->from.port == joint->info.from.port &&
           weir_ip_equal(&next->from.ip, &joint->info.from.ip) &&
           weir_ip_equal(&next->to.ip, &joint->info.to.ip);
}

static void join(struct udp_host *host, const struct udp_socket *socket, struct joint *joint,
                 const struct weir_datagram *next, const uint8_t *data)
{
    if (!socket->joins || !goes_on(joint, next)) {
        give_joint(host, socket, joint);
        *joint = (struct joint){ .info = *next, .piece = (uint16_t)next->len };
    }
    memcpy(host->in + joint->len, data, next->len);
    joint->len += next->len;
    joint->count++;
}

bool udp_event(struct weird *weird, const struct weir_event *event, weir_time now)
{
    struct udp_host *host = weird->udp;
    struct weir_udp_report report;
    (void)now;
    if ((event->cookie & UDP_EVENT_MARK) == 0 || host == NULL)
        return false;
    struct udp_socket *socket = host->socket[event->cookie % UDP_SOCKETS_MAX];
    if (socket == NULL || socket->handle != event->handle)
        return true;
    while (weir_udp_report(weird->weir, socket->handle, &report))
        udp_icmp_report(host, socket, &report);
    static uint8_t data[UDP_DATA_MAX];
    struct joint joint = { .count = 0 };
    bool more = true;
    for (unsigned i = 0; more && i < GIVE_TURN; i++) {
        struct weir_datagram info;
        more = weir_udp_recv(weird->weir, socket->handle, data, sizeof data, &info) == WEIR_OK;
        if (more)
            join(host, socket, &joint, &info, data);
    }
    give_joint(host, socket, &joint);
    if (more)
        weir_rearm(weird->weir, socket->handle);
    return true;
}
