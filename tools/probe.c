/* SPDX-License-Identifier: MIT */
#include "probe.h"

#include "base/csum.h"
#include "base/octets.h"
#include "tool.h"

#include <errno.h>
#include <linux/errqueue.h>
#include <netdb.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define ECHO_HEADER 8
#define FILTER      1 /* ICMP_FILTER of linux/icmp.h, which does not go with netinet/ip_icmp.h */
#define POLLED_MAX  512
#define SYN_ONCE    (990 * WEIR_MS) /* then the kernel sends the SYN again: whose answer is it? */

int64_t probe_clock(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * WEIR_SECOND + now.tv_nsec;
}

const char *probe_kind_text(enum probe_kind kind)
{
    static const char *const text[] = { "UDP", "ICMP", "TCP" };
    return text[kind];
}

struct weir_ip probe_ip(const struct sockaddr *address)
{
    struct weir_ip ip = { { 0 } };
    if (address->sa_family == AF_INET6) {
        struct sockaddr_in6 v6;
        memcpy(&v6, address, sizeof v6);
        memcpy(ip.octet, &v6.sin6_addr, sizeof ip.octet);
    } else if (address->sa_family == AF_INET) {
        struct sockaddr_in v4;
        uint8_t octet[4];
        memcpy(&v4, address, sizeof v4);
        memcpy(octet, &v4.sin_addr, sizeof octet);
        ip = weir_ip_v4(octet[0], octet[1], octet[2], octet[3]);
    }
    return ip;
}

int probe_bind(int fd, int family, const char *source, const char *iface)
{
    struct weir_ip ip;
    struct sockaddr_in in = { .sin_family = AF_INET };
    struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };
    if (iface != NULL &&
        setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, iface, (socklen_t)strlen(iface)) != 0)
        return errno;
    if (source == NULL)
        return 0;
    if (!weir_ip_parse(source, &ip) || weir_ip_is_v4(&ip) != (family == AF_INET))
        return EAFNOSUPPORT;
    memcpy(&in.sin_addr, ip.octet + 12, sizeof in.sin_addr);
    memcpy(&in6.sin6_addr, ip.octet, sizeof in6.sin6_addr);
    const bool bound = family == AF_INET ? bind(fd, (const struct sockaddr *)&in, sizeof in) == 0
                                         : bind(fd, (const struct sockaddr *)&in6, sizeof in6) == 0;
    return bound ? 0 : errno;
}

/* Tries them once, so that the line says which of the two it is. */
static int check_source(const struct probe_target *target, const char *command)
{
    const int family = target->address.ss_family;
    const char *const source[] = { NULL, target->source }, *const iface[] = { target->iface, NULL };
    for (unsigned i = 0; i < 2; i++) {
        if (source[i] == NULL && iface[i] == NULL)
            continue;
        const int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        const int error = fd >= 0 ? probe_bind(fd, family, source[i], iface[i]) : errno;
        if (fd >= 0)
            close(fd);
        if (error != 0)
            return tool_fail(command, "%s: %s", source[i] != NULL ? source[i] : iface[i],
                             strerror(error));
    }
    return TOOL_OK;
}

int probe_resolve(struct probe_target *target, const char *command, const char *name, int family)
{
    struct weir_ip from;
    if (target->source != NULL && !weir_ip_parse(target->source, &from))
        return tool_usage(command, "%s: not an address to send from", target->source);
    if (target->source != NULL && family == AF_UNSPEC)
        family = weir_ip_is_v4(&from) ? AF_INET : AF_INET6;
    const struct addrinfo hints = { .ai_family = family, .ai_socktype = SOCK_DGRAM };
    struct addrinfo *found = NULL;
    const int status = getaddrinfo(name, NULL, &hints, &found);
    if (status != 0)
        return tool_fail(command, "%s: %s", name,
                         status == EAI_SYSTEM ? strerror(errno) : gai_strerror(status));
    target->address_len = found->ai_addrlen;
    memcpy(&target->address, found->ai_addr, found->ai_addrlen);
    target->ip = probe_ip(found->ai_addr);
    freeaddrinfo(found);
    return check_source(target, command);
}

/* ---- Echo requests ---- */

int probe_echo_socket(int family, bool *raw)
{
    const int protocol = family == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6;
    *raw = false;
    int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, protocol);
    if (fd >= 0 || (errno != EACCES && errno != EPROTONOSUPPORT))
        return fd;
    *raw = true;
    fd = socket(family, SOCK_RAW | SOCK_CLOEXEC, protocol);
    if (fd < 0)
        return fd;
    if (family == AF_INET6) {
        struct icmp6_filter filter;
        ICMP6_FILTER_SETBLOCKALL(&filter);
        ICMP6_FILTER_SETPASS(ICMP6_ECHO_REPLY, &filter);
        setsockopt(fd, IPPROTO_ICMPV6, ICMP6_FILTER, &filter, sizeof filter);
    } else {
        const uint32_t hidden = ~(UINT32_C(1) << ICMP_ECHOREPLY);
        setsockopt(fd, SOL_RAW, FILTER, &hidden, sizeof hidden);
    }
    return fd;
}

uint16_t probe_echo_id(int fd, bool raw)
{
    struct sockaddr_in6 local = { 0 }; /* IPv4 has its port at the same place */
    socklen_t len = sizeof local;
    if (raw) /* of two sockets of one process the numbers differ */
        return (uint16_t)((unsigned)getpid() * 61 + (unsigned)fd);
    getsockname(fd, (struct sockaddr *)&local, &len);
    return ntohs(local.sin6_port);
}

bool probe_echo_has(const uint8_t *echo, size_t len, uint16_t id)
{
    return len >= ECHO_HEADER && echo[4] == id >> 8 && echo[5] == (uint8_t)id;
}

void probe_echo(uint8_t *packet, int family, uint16_t id, uint16_t seq, size_t len)
{
    memset(packet, 0, ECHO_HEADER);
    packet[0] = family == AF_INET ? ICMP_ECHO : ICMP6_ECHO_REQUEST;
    put_u16(packet + 4, id);
    put_u16(packet + 6, seq);
    for (size_t i = 0; i < len; i++)
        packet[ECHO_HEADER + i] = (uint8_t)i;
    if (family == AF_INET) /* that of ICMPv6 the kernel fills in */
        put_u16(packet + 2, csum_fold(csum_add(0, packet, ECHO_HEADER + len)));
}

/* ---- Sending ---- */

static int open_socket(const struct probe_target *target, bool *raw)
{
    const int family = target->address.ss_family;
    const int flags = SOCK_NONBLOCK | SOCK_CLOEXEC;
    *raw = false;
    if (target->kind == PROBE_ICMP)
        return probe_echo_socket(family, raw);
    return socket(family, (target->kind == PROBE_TCP ? SOCK_STREAM : SOCK_DGRAM) | flags, 0);
}

static void set_options(const struct probe_target *target, int fd, unsigned ttl)
{
    const int hops = (int)ttl, on = 1, once = 1;
    const struct linger linger = { .l_onoff = 1, .l_linger = 0 };
    if (target->address.ss_family == AF_INET6) {
        setsockopt(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, &hops, sizeof hops);
        setsockopt(fd, IPPROTO_IPV6, IPV6_RECVERR, &on, sizeof on);
    } else {
        setsockopt(fd, IPPROTO_IP, IP_TTL, &hops, sizeof hops);
        setsockopt(fd, IPPROTO_IP, IP_RECVERR, &on, sizeof on);
    }
    if (target->kind != PROBE_TCP)
        return;
    setsockopt(fd, IPPROTO_TCP, TCP_SYNCNT, &once, sizeof once);
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
}

static int send_payload(const struct probe_target *target, struct probe *probe, bool raw)
{
    const bool echo = target->kind == PROBE_ICMP;
    const size_t len = target->payload + (echo ? ECHO_HEADER : 0);
    uint8_t *packet = calloc(1, len + 1);
    if (packet == NULL)
        return ENOMEM;
    if (echo)
        probe_echo(packet, target->address.ss_family, probe_echo_id(probe->fd, raw), probe->seq,
                   target->payload);
    probe->sent_at = probe_clock();
    const ssize_t sent = send(probe->fd, packet, len, MSG_DONTWAIT | MSG_NOSIGNAL);
    const int error = sent < 0 ? errno : 0;
    free(packet);
    return error;
}

int probe_send(const struct probe_target *target, struct probe *probe, unsigned ttl, uint16_t seq)
{
    struct sockaddr_storage to = target->address;
    bool raw;
    *probe = (struct probe){ .fd = open_socket(target, &raw), .ttl = ttl, .seq = seq };
    if (probe->fd < 0)
        return errno;
    set_options(target, probe->fd, ttl);
    int error = probe_bind(probe->fd, to.ss_family, target->source, target->iface);
    const uint16_t port = target->kind == PROBE_ICMP  ? 0
                          : target->kind == PROBE_UDP ? (uint16_t)(target->port + seq)
                                                      : target->port;
    if (to.ss_family == AF_INET6)
        ((struct sockaddr_in6 *)&to)->sin6_port = htons(port);
    else
        ((struct sockaddr_in *)&to)->sin_port = htons(port);
    probe->sent_at = probe_clock();
    if (error == 0 && connect(probe->fd, (const struct sockaddr *)&to, target->address_len) != 0)
        error = errno;
    if (target->kind == PROBE_TCP) /* refused at once: a host on loopback; poll will say so */
        error = error == EINPROGRESS || error == ECONNREFUSED ? 0 : error;
    else if (error == 0)
        error = send_payload(target, probe, raw);
    if (error != 0)
        probe_close(probe);
    return error;
}

void probe_close(struct probe *probe)
{
    if (probe->fd >= 0)
        close(probe->fd);
    probe->fd = -1;
}

/* ---- Answers ---- */

/* What traceroute writes behind the time. */
static void mark_v4(struct probe *probe, uint8_t code, uint32_t mtu)
{
    static const char *const marks[] = {
        [0] = "!N",  [1] = "!H",  [2] = "!P",  [5] = "!S",  [9] = "!X",
        [10] = "!X", [13] = "!X", [14] = "!V", [15] = "!C",
    };
    if (code == 4)
        snprintf(probe->mark, sizeof probe->mark, "!F-%u", mtu & 0xffff);
    else if (code < sizeof marks / sizeof marks[0] && marks[code] != NULL)
        snprintf(probe->mark, sizeof probe->mark, "%s", marks[code]);
    else
        snprintf(probe->mark, sizeof probe->mark, "!<%u>", code);
}

static void mark_v6(struct probe *probe, uint8_t code)
{
    static const char *const marks[] = { "!N", "!X", "!S", "!H", "!p", "!X", "!X" };
    if (code < sizeof marks / sizeof marks[0])
        snprintf(probe->mark, sizeof probe->mark, "%s", marks[code]);
    else
        snprintf(probe->mark, sizeof probe->mark, "!<%u>", code);
}

static enum probe_answer answer_v4(struct probe *probe, const struct sock_extended_err *error)
{
    if (error->ee_type == ICMP_TIME_EXCEEDED)
        return PROBE_HOP;
    if (error->ee_type == ICMP_DEST_UNREACH && error->ee_code == ICMP_PORT_UNREACH)
        return PROBE_REACHED;
    mark_v4(probe, error->ee_code, error->ee_info);
    return PROBE_STOPPED;
}

static enum probe_answer answer_v6(struct probe *probe, const struct sock_extended_err *error)
{
    if (error->ee_type == ICMP6_TIME_EXCEEDED)
        return PROBE_HOP;
    if (error->ee_type == ICMP6_DST_UNREACH && error->ee_code == ICMP6_DST_UNREACH_NOPORT)
        return PROBE_REACHED;
    if (error->ee_type == ICMP6_PACKET_TOO_BIG)
        snprintf(probe->mark, sizeof probe->mark, "!F-%u", error->ee_info & 0xffff);
    else
        mark_v6(probe, error->ee_code);
    return PROBE_STOPPED;
}

static void expire_syns(struct probe *probes, size_t count)
{
    const int64_t now = probe_clock();
    for (size_t i = 0; i < count; i++) {
        if (probes[i].fd < 0 || probes[i].answer != PROBE_WAITS ||
            now - probes[i].sent_at < SYN_ONCE)
            continue;
        probes[i].answer = PROBE_SILENT;
        probe_close(&probes[i]);
    }
}

static void answered(struct probe *probe, enum probe_answer answer, const struct weir_ip *from)
{
    probe->took = probe_clock() - probe->sent_at;
    probe->from = *from;
    probe->answer = answer;
    probe_close(probe);
}

/* On a raw socket lie the errors of every echo to that host; `data` is the echo that drew this. */
static bool is_mine(const struct probe *probe, const uint8_t *data, size_t len)
{
    return probe_echo_has(data, len, probe_echo_id(probe->fd, true));
}

bool probe_take_error(int fd, struct probe_error *taken)
{
    uint8_t control[512];
    struct iovec part = { taken->data, sizeof taken->data };
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control
    };
    const ssize_t len = recvmsg(fd, &message, MSG_ERRQUEUE | MSG_DONTWAIT);
    if (len < 0)
        return false;
    taken->len = (size_t)len;
    taken->error = (struct sock_extended_err){ .ee_origin = SO_EE_ORIGIN_NONE };
    for (struct cmsghdr *at = CMSG_FIRSTHDR(&message); at != NULL; at = CMSG_NXTHDR(&message, at)) {
        taken->v4 = at->cmsg_level == IPPROTO_IP && at->cmsg_type == IP_RECVERR;
        if (!taken->v4 && !(at->cmsg_level == IPPROTO_IPV6 && at->cmsg_type == IPV6_RECVERR))
            continue;
        memcpy(&taken->error, CMSG_DATA(at), sizeof taken->error);
        taken->from = probe_ip(SO_EE_OFFENDER((struct sock_extended_err *)CMSG_DATA(at)));
        break;
    }
    return true;
}

/* False: there is none. */
static bool take_error(const struct probe_target *target, struct probe *probe, bool raw)
{
    struct probe_error taken;
    const struct sock_extended_err *error = &taken.error;
    if (!probe_take_error(probe->fd, &taken))
        return false;
    if (error->ee_origin == SO_EE_ORIGIN_NONE || (raw && !is_mine(probe, taken.data, taken.len)))
        return true;
    if (error->ee_origin == SO_EE_ORIGIN_LOCAL) { /* our own kernel: too big, no neighbour */
        snprintf(probe->mark, sizeof probe->mark, error->ee_errno == EMSGSIZE ? "!F-%u" : "!H",
                 error->ee_info & 0xffff);
        answered(probe, PROBE_STOPPED, &target->ip);
        return true;
    }
    answered(probe, taken.v4 ? answer_v4(probe, error) : answer_v6(probe, error), &taken.from);
    return true;
}

/* An echo reply, or whatever a UDP service says. False: nothing there. */
static bool take_data(const struct probe_target *target, struct probe *probe, bool raw)
{
    uint8_t data[256];
    const ssize_t len = recv(probe->fd, data, sizeof data, MSG_DONTWAIT);
    if (len < 0)
        return false;
    const size_t header =
        raw && target->address.ss_family == AF_INET && len > 0 ? (size_t)(data[0] & 15) * 4 : 0;
    if (raw && ((size_t)len < header || !is_mine(probe, data + header, (size_t)len - header)))
        return true; /* somebody else's; look on */
    answered(probe, PROBE_REACHED, &target->ip);
    return true;
}

static bool is_raw(int fd)
{
    int type = 0;
    socklen_t len = sizeof type;
    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_RAW;
}

static void take(const struct probe_target *target, struct probe *probe, short events)
{
    const bool raw = is_raw(probe->fd);
    while (probe->answer == PROBE_WAITS && take_error(target, probe, raw))
        ;
    if (probe->answer != PROBE_WAITS)
        return;
    if (target->kind != PROBE_TCP) {
        while (probe->answer == PROBE_WAITS && take_data(target, probe, raw))
            ;
        return;
    }
    int error = 0;
    socklen_t len = sizeof error;
    getsockopt(probe->fd, SOL_SOCKET, SO_ERROR, &error, &len);
    if ((error == 0 && (events & POLLOUT) != 0) || error == ECONNREFUSED)
        answered(probe, PROBE_REACHED, &target->ip);
    else if (error == ETIMEDOUT) { /* the SYN and its repetition: as if nothing had come */
        probe->answer = PROBE_SILENT;
        probe_close(probe);
    }
}

void probe_wait(const struct probe_target *target, struct probe *probes, size_t count,
                int64_t until, int also)
{
    struct pollfd polled[POLLED_MAX + 1];
    struct probe *whose[POLLED_MAX + 1];
    nfds_t n = 0;
    if (target->kind == PROBE_TCP)
        expire_syns(probes, count);
    for (size_t i = 0; i < count && n < POLLED_MAX; i++) {
        if (probes[i].fd < 0 || probes[i].answer != PROBE_WAITS)
            continue;
        whose[n] = &probes[i];
        polled[n++] = (struct pollfd){
            .fd = probes[i].fd,
            .events = target->kind == PROBE_TCP ? POLLOUT : POLLIN,
        };
    }
    const nfds_t own = n;
    if (also >= 0)
        polled[n++] = (struct pollfd){ .fd = also, .events = POLLIN };
    const int64_t now = probe_clock(), left = until > now ? until - now : 0;
    const struct timespec time = { left / WEIR_SECOND, left % WEIR_SECOND };
    if (ppoll(polled, n, &time, NULL) <= 0)
        return;
    for (nfds_t i = 0; i < own; i++)
        if (polled[i].revents != 0)
            take(target, whose[i], polled[i].revents);
}

const char *probe_advice(const struct probe_target *target, int error)
{
    if (target->kind != PROBE_ICMP || (error != EPERM && error != EACCES))
        return "";
    return " (ICMP needs root, or net.ipv4.ping_group_range; UDP and TCP do not)";
}
