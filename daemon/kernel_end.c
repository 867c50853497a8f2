/* SPDX-License-Identifier: MIT */

/* Gives the kernel's end of a private TAP its addresses, in a network namespace that is nobody
 * else's. */

#include "kernel_end.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

struct request6 { /* struct in6_ifreq of <linux/ipv6.h>, which does not go with <netinet/in.h> */
    struct in6_addr addr;
    uint32_t prefix_len;
    int index;
};

static bool say(char why[WEIR_LINE_MAX], const char *name, const char *what)
{
    snprintf(why, WEIR_LINE_MAX, "%s: %s: %m", name, what);
    return false;
}

/* No duplicate address detection, which takes a second, on a wire with two ends; and no link-local
 * chatter. */
static void write_setting(const char *name, const char *setting, const char *value)
{
    char path[128];
    snprintf(path, sizeof path, "/proc/sys/net/ipv6/conf/%s/%s", name, setting);
    const int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    (void)!write(fd, value, 1); /* without it, it only takes longer */
    close(fd);
}

static bool add_v4(int fd, struct ifreq *request, const struct weir_ip *ip, unsigned prefix_len)
{
    struct sockaddr_in addr = { .sin_family = AF_INET };
    memcpy(&addr.sin_addr, ip->octet + 12, 4);
    memcpy(&request->ifr_addr, &addr, sizeof addr);
    if (ioctl(fd, SIOCSIFADDR, request) < 0)
        return false;
    addr.sin_addr.s_addr = htonl(prefix_len == 0 ? 0 : UINT32_MAX << (32 - prefix_len));
    memcpy(&request->ifr_netmask, &addr, sizeof addr);
    return ioctl(fd, SIOCSIFNETMASK, request) == 0;
}

static bool add_v6(int fd, struct ifreq *request, const struct weir_ip *ip, unsigned prefix_len)
{
    struct request6 request6 = { .prefix_len = prefix_len };
    memcpy(&request6.addr, ip->octet, sizeof request6.addr);
    write_setting(request->ifr_name, "accept_dad", "0");
    write_setting(request->ifr_name, "addr_gen_mode", "1");
    if (ioctl(fd, SIOCGIFINDEX, request) < 0)
        return false;
    request6.index = request->ifr_ifindex;
    return ioctl(fd, SIOCSIFADDR, &request6) == 0;
}

bool kernel_address_add(const char *name, const struct weir_ip *ip, unsigned prefix_len,
                        char why[WEIR_LINE_MAX])
{
    struct ifreq request = { 0 };
    snprintf(request.ifr_name, sizeof request.ifr_name, "%s", name);
    const bool v4 = weir_ip_is_v4(ip);
    const int fd = socket(v4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    const bool done = fd >= 0 && (v4 ? add_v4(fd, &request, ip, prefix_len)
                                     : add_v6(fd, &request, ip, prefix_len));
    if (!done)
        say(why, name, "address of the kernel's end");
    if (fd >= 0)
        close(fd);
    return done;
}

/* ---- A veth pair, where there is no TAP to be had ---- */

struct request_link {
    struct nlmsghdr head;
    struct ifinfomsg info;
    uint8_t attributes[128];
};

static struct rtattr *begin_attribute(struct request_link *request, unsigned short type,
                                      const void *data, size_t len)
{
    struct rtattr *attribute = (void *)((uint8_t *)request + NLMSG_ALIGN(request->head.nlmsg_len));
    attribute->rta_type = type;
    attribute->rta_len = (unsigned short)RTA_LENGTH(len);
    if (len > 0)
        memcpy(RTA_DATA(attribute), data, len);
    request->head.nlmsg_len =
        (uint32_t)(NLMSG_ALIGN(request->head.nlmsg_len) + RTA_ALIGN(attribute->rta_len));
    return attribute;
}

static void end_attribute(const struct request_link *request, struct rtattr *attribute)
{
    const uint8_t *end = (const uint8_t *)request + request->head.nlmsg_len;
    attribute->rta_len = (unsigned short)(end - (const uint8_t *)attribute);
}

/* Sends it and waits for the kernel's word. */
static bool ask_kernel(struct request_link *request)
{
    struct {
        struct nlmsghdr head;
        struct nlmsgerr error;
        uint8_t rest[256];
    } answer = { .error.error = -EIO };
    const int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    const bool asked = fd >= 0 && send(fd, request, request->head.nlmsg_len, 0) > 0 &&
                       recv(fd, &answer, sizeof answer, 0) > 0;
    errno = asked ? -answer.error.error : errno;
    if (fd >= 0)
        close(fd);
    return asked && answer.error.error == 0;
}

bool kernel_make_pair(const char *name, const char *peer, char why[WEIR_LINE_MAX])
{
    struct request_link request = {
        .head = { .nlmsg_len = NLMSG_LENGTH(sizeof(struct ifinfomsg)),
                  .nlmsg_type = RTM_NEWLINK,
                  .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL },
    };
    const struct ifinfomsg none = { 0 };
    (void)begin_attribute(&request, IFLA_IFNAME, name, strlen(name) + 1);
    struct rtattr *info = begin_attribute(&request, IFLA_LINKINFO, NULL, 0);
    (void)begin_attribute(&request, IFLA_INFO_KIND, "veth", 4);
    struct rtattr *data = begin_attribute(&request, IFLA_INFO_DATA, NULL, 0);
    struct rtattr *other = begin_attribute(&request, VETH_INFO_PEER, &none, sizeof none);
    (void)begin_attribute(&request, IFLA_IFNAME, peer, strlen(peer) + 1);
    end_attribute(&request, other);
    end_attribute(&request, data);
    end_attribute(&request, info);
    if (!ask_kernel(&request))
        return say(why, name, "veth pair");
    write_setting(peer, "disable_ipv6", "1"); /* the kernel must not speak on weir's end */
    return kernel_link_up(peer, why);
}

bool kernel_link_up(const char *name, char why[WEIR_LINE_MAX])
{
    struct ifreq request = { 0 };
    snprintf(request.ifr_name, sizeof request.ifr_name, "%s", name);
    const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool done = fd >= 0 && ioctl(fd, SIOCGIFFLAGS, &request) == 0;
    request.ifr_flags |= IFF_UP;
    done = done && ioctl(fd, SIOCSIFFLAGS, &request) == 0;
    if (!done)
        say(why, name, "up");
    if (fd >= 0)
        close(fd);
    return done;
}
