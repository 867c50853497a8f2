/* SPDX-License-Identifier: MIT */
#include "ping.h"

#include "probe.h"
#include "tool.h"

#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define ECHO_HEADER 8

struct kernel_ping {
    struct ping *ping;
    struct probe_target target;
    int fd;
    bool raw, v4;
    uint16_t id;
    uint8_t packet[ECHO_HEADER + PING_SIZE_MAX];
};

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
    (void)number;
    interrupted = 1;
}

/* ---- Errors instead of replies ---- */

static const char *unreachable_v4(unsigned code)
{
    static const char *const text[] = {
        "Destination Net Unreachable",
        "Destination Host Unreachable",
        "Destination Protocol Unreachable",
        "Destination Port Unreachable",
        "Frag needed and DF set",
        "Source Route Failed",
        "Destination Net Unknown",
        "Destination Host Unknown",
        "Source Host Isolated",
        "Destination Net Prohibited",
        "Destination Host Prohibited",
        "Destination Net Unreachable for Type of Service",
        "Destination Host Unreachable for Type of Service",
        "Packet filtered",
    };
    return code < sizeof text / sizeof text[0] ? text[code] : "Destination Unreachable";
}

static const char *unreachable_v6(unsigned code)
{
    static const char *const text[] = {
        "No route",
        "Administratively prohibited",
        "Beyond scope of source address",
        "Address unreachable",
        "Port unreachable",
        "Failed ingress/egress policy",
        "Reject route",
    };
    return code < sizeof text / sizeof text[0] ? text[code] : "Destination unreachable";
}

static void describe(const struct sock_extended_err *error, bool v4, char text[128])
{
    if (error->ee_origin == SO_EE_ORIGIN_LOCAL && error->ee_errno == EMSGSIZE)
        snprintf(text, 128, "message too long, mtu=%u", error->ee_info);
    else if (error->ee_origin == SO_EE_ORIGIN_LOCAL)
        snprintf(text, 128, "%s", strerror((int)error->ee_errno));
    else if (v4 && error->ee_type == ICMP_TIME_EXCEEDED)
        snprintf(text, 128, "Time to live exceeded");
    else if (v4 && error->ee_type == ICMP_DEST_UNREACH && error->ee_code == ICMP_FRAG_NEEDED)
        snprintf(text, 128, "Frag needed and DF set (mtu = %u)", error->ee_info);
    else if (v4 && error->ee_type == ICMP_DEST_UNREACH)
        snprintf(text, 128, "%s", unreachable_v4(error->ee_code));
    else if (!v4 && error->ee_type == ICMP6_TIME_EXCEEDED)
        snprintf(text, 128, "Time exceeded: Hop limit");
    else if (!v4 && error->ee_type == ICMP6_PACKET_TOO_BIG)
        snprintf(text, 128, "Packet too big: mtu=%u", error->ee_info);
    else if (!v4 && error->ee_type == ICMP6_DST_UNREACH)
        snprintf(text, 128, "Destination unreachable: %s", unreachable_v6(error->ee_code));
    else
        snprintf(text, 128, "ICMP type %u code %u", error->ee_type, error->ee_code);
}

static bool is_mine(const struct kernel_ping *self, const uint8_t *echo, size_t len)
{
    return self->raw ? probe_echo_has(echo, len, self->id) : len >= ECHO_HEADER;
}

static bool take_error(struct kernel_ping *self)
{
    struct probe_error taken;
    char text[128];
    if (!probe_take_error(self->fd, &taken))
        return false;
    const bool local = taken.error.ee_origin == SO_EE_ORIGIN_LOCAL;
    const bool mine = is_mine(self, taken.data, taken.len);
    if (taken.error.ee_origin == SO_EE_ORIGIN_NONE || (!local && !mine))
        return true;
    const uint16_t seq = mine && !local ? (uint16_t)(taken.data[6] << 8 | taken.data[7]) : 0;
    describe(&taken.error, self->v4, text);
    ping_trouble(self->ping, local ? NULL : &taken.from, seq, text);
    return true;
}

/* ---- Replies ---- */

static unsigned ttl_of(struct msghdr *message)
{
    for (struct cmsghdr *at = CMSG_FIRSTHDR(message); at != NULL; at = CMSG_NXTHDR(message, at)) {
        int ttl;
        if (!(at->cmsg_level == IPPROTO_IP && at->cmsg_type == IP_TTL) &&
            !(at->cmsg_level == IPPROTO_IPV6 && at->cmsg_type == IPV6_HOPLIMIT))
            continue;
        memcpy(&ttl, CMSG_DATA(at), sizeof ttl);
        return (unsigned)ttl;
    }
    return 0;
}

static bool take_reply(struct kernel_ping *self)
{
    struct ping *ping = self->ping;
    struct sockaddr_storage from = { 0 };
    uint8_t control[256];
    struct iovec part = { ping->reply, sizeof ping->reply };
    struct msghdr message = { .msg_name = &from,
                              .msg_namelen = sizeof from,
                              .msg_iov = &part,
                              .msg_iovlen = 1,
                              .msg_control = control,
                              .msg_controllen = sizeof control };
    const ssize_t got = recvmsg(self->fd, &message, MSG_DONTWAIT);
    if (got < 0)
        return false;
    const weir_time now = probe_clock();
    const size_t skip = self->raw && self->v4 && got > 0 ? (size_t)(ping->reply[0] & 15) * 4 : 0;
    if ((size_t)got < skip + ECHO_HEADER || !is_mine(self, ping->reply + skip, (size_t)got - skip))
        return true;
    const uint8_t *echo = ping->reply + skip;
    if (echo[0] != (self->v4 ? ICMP_ECHOREPLY : ICMP6_ECHO_REPLY))
        return true;
    const struct weir_ip ip = probe_ip((const struct sockaddr *)&from);
    const struct ping_reply reply = { .from = &ip,
                                      .seq = (uint16_t)(echo[6] << 8 | echo[7]),
                                      .ttl = ttl_of(&message),
                                      .data = echo + ECHO_HEADER,
                                      .len = (size_t)got - skip - ECHO_HEADER,
                                      .when = now };
    ping_answered(ping, &reply);
    return true;
}

/* ---- Requests ---- */

static void send_one(struct kernel_ping *self)
{
    struct ping *ping = self->ping;
    const uint16_t seq = (uint16_t)(ping->stats.sent + 1);
    probe_echo(self->packet, self->target.address.ss_family, self->id, seq, ping->size);
    /* What lies in the error queue has to be taken out first: the call would give it. */
    while (take_error(self))
        ;
    ping_sent(ping, seq, probe_clock());
    ping->stats.sent++;
    if (send(self->fd, self->packet, ECHO_HEADER + ping->size, 0) >= 0)
        return;
    const int error = errno;
    ping->sent_at[seq % PING_SEQ_REMEMBERED] = 0;
    if (!take_error(self)) /* it says more than the number does */
        ping_trouble(ping, NULL, seq, strerror(error));
}

static void set_options(const struct kernel_ping *self)
{
    static const int how[] = { 0, IP_PMTUDISC_DO, IP_PMTUDISC_WANT, IP_PMTUDISC_DONT };
    const struct ping *ping = self->ping;
    const int on = 1, ttl = (int)ping->ttl, mtu = how[ping->mtu], room = 1 << 20;
    const int level = self->v4 ? IPPROTO_IP : IPPROTO_IPV6;
    setsockopt(self->fd, level, self->v4 ? IP_RECVERR : IPV6_RECVERR, &on, sizeof on);
    setsockopt(self->fd, level, self->v4 ? IP_RECVTTL : IPV6_RECVHOPLIMIT, &on, sizeof on);
    setsockopt(self->fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    setsockopt(self->fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    if (ttl > 0)
        setsockopt(self->fd, level, self->v4 ? IP_TTL : IPV6_UNICAST_HOPS, &ttl, sizeof ttl);
    if (ping->mtu != PING_MTU_DEFAULT)
        setsockopt(self->fd, level, self->v4 ? IP_MTU_DISCOVER : IPV6_MTU_DISCOVER, &mtu,
                   sizeof mtu);
}

/* -I: an address of ours, or else an interface. */
static int bind_from(const struct kernel_ping *self)
{
    struct weir_ip ip;
    const char *name = self->ping->from;
    const bool address = name != NULL && weir_ip_parse(name, &ip);
    return probe_bind(self->fd, self->target.address.ss_family, address ? name : NULL,
                      address ? NULL : name);
}

/* Sends at its times and takes in what comes between them. */
static void loop(struct kernel_ping *self)
{
    struct ping *ping = self->ping;
    const weir_time ends = ping->deadline > 0 ? ping->began + ping->deadline : WEIR_NEVER;
    weir_time next = ping->began;
    while (!interrupted && !ping_all_answered(ping)) {
        const weir_time now = probe_clock();
        if (now >= ends || (now >= next && ping_all_sent(ping)))
            return;
        if (now >= next) {
            send_one(self);
            next = now + (ping_all_sent(ping) ? ping->wait : ping->interval);
        }
        const weir_time until = next < ends ? next : ends;
        const weir_time left = until > now ? until - now : 0;
        const struct timespec time = { left / WEIR_SECOND, left % WEIR_SECOND };
        struct pollfd polled = { .fd = self->fd, .events = POLLIN };
        if (ppoll(&polled, 1, &time, NULL) <= 0)
            continue;
        while (take_error(self))
            ;
        while (take_reply(self))
            ;
    }
}

static int run(struct kernel_ping *self)
{
    struct ping *ping = self->ping;
    const int status = probe_resolve(&self->target, "ping", ping->target, ping->family);
    if (status != TOOL_OK)
        return status;
    ping->ip = self->target.ip;
    self->v4 = self->target.address.ss_family == AF_INET;
    self->fd = probe_echo_socket(self->target.address.ss_family, &self->raw);
    if (self->fd < 0)
        return tool_fail("ping", "no socket for echoes: %s (net.ipv4.ping_group_range, or root)",
                         strerror(errno));
    set_options(self);
    const int error = bind_from(self);
    if (error != 0)
        return tool_fail("ping", "--interface %s: %s", ping->from, strerror(error));
    if (connect(self->fd, (const struct sockaddr *)&self->target.address,
                self->target.address_len) != 0)
        return tool_fail("ping", "%s: %s", ping->target, strerror(errno));
    self->id = probe_echo_id(self->fd, self->raw);
    const struct sigaction action = { .sa_handler = on_signal };
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    ping_begin(ping, probe_clock());
    loop(self);
    return ping_end(ping, probe_clock());
}

int ping_over_kernel(struct ping *ping)
{
    struct kernel_ping *self = calloc(1, sizeof *self);
    if (self == NULL)
        return tool_fail("ping", "out of memory");
    self->ping = ping;
    self->fd = -1;
    const int status = run(self);
    if (self->fd >= 0)
        close(self->fd);
    free(self);
    return status;
}
