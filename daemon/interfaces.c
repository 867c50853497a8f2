/* SPDX-License-Identifier: MIT */

/* What programs ask a socket about interfaces: SIOCGIFADDR and its kin (netdevice(7)).
 *
 * There are two: the loopback, and weird's device with weir's addresses, under the name and the
 * number that the kernel's netlink tells programs of it. Nothing can be changed. */

#include "io.h"
#include "parts.h"
#include "udp.h"

#include <errno.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/in.h>
#include <stddef.h>
#include <linux/sockios.h>
#include <string.h>
#include <sys/syscall.h>

#define LO_INDEX  1
#define LO_MTU    65536
#define LO_PREFIX 8
#define QUEUE_LEN 1000
#define DEVICES   2
#define V4_OFFSET 12 /* of an IPv4 address in a struct weir_ip */
#define WORD_BITS 32

struct device {
    const char *name;
    int index, mtu;
    short flags;
    unsigned short type;
    uint8_t mac[6];
    uint32_t address, mask; /* of the first IPv4 address; both 0: there is none */
};

static uint32_t mask_of(unsigned prefix_len)
{
    return prefix_len == 0 ? 0 : htonl(UINT32_MAX << (WORD_BITS - prefix_len));
}

static struct device loopback(void)
{
    return (struct device){ .name = "lo",
                            .index = LO_INDEX,
                            .mtu = LO_MTU,
                            .flags = IFF_UP | IFF_LOOPBACK | IFF_RUNNING,
                            .type = ARPHRD_LOOPBACK,
                            .address = htonl(INADDR_LOOPBACK),
                            .mask = mask_of(LO_PREFIX) };
}

static struct device ours(const struct weird *weird)
{
    struct weir_address_info info;
    struct device device = { .name = weird->dev->name,
                             .index = weird->udp != NULL ? (int)weird->udp->ifindex : LO_INDEX + 1,
                             .mtu = weird->dev->mtu,
                             .flags = IFF_UP | IFF_BROADCAST | IFF_RUNNING | IFF_MULTICAST,
                             .type = ARPHRD_ETHER };
    memcpy(device.mac, weird->dev->mac, sizeof device.mac);
    for (unsigned i = 0; device.mask == 0 && weir_address_info(weird->weir, i, &info); i++) {
        if (!weir_ip_is_v4(&info.ip) || info.iface != weird->iface)
            continue;
        memcpy(&device.address, info.ip.octet + V4_OFFSET, sizeof device.address);
        device.mask = mask_of(info.prefix_len);
    }
    return device;
}

static void put_address(struct ifreq *request, uint32_t address)
{
    const struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = address };
    memcpy(&request->ifr_addr, &in, sizeof in);
}

/* An errno, or 0: the answer lies in `request`. */
static int tell_address(const struct device *device, unsigned long what, struct ifreq *request)
{
    if (device->mask == 0)
        return EADDRNOTAVAIL;
    const bool lo = device->index == LO_INDEX;
    put_address(request, what == SIOCGIFNETMASK   ? device->mask
                         : what != SIOCGIFBRDADDR ? device->address
                         : lo                     ? 0
                                                  : device->address | ~device->mask);
    return 0;
}

static int tell(const struct device *device, unsigned long what, struct ifreq *request)
{
    switch (what) {
    case SIOCGIFFLAGS:
        request->ifr_flags = device->flags;
        return 0;
    case SIOCGIFMETRIC:
        request->ifr_metric = 0;
        return 0;
    case SIOCGIFMTU:
        request->ifr_mtu = device->mtu;
        return 0;
    case SIOCGIFINDEX:
        request->ifr_ifindex = device->index;
        return 0;
    case SIOCGIFTXQLEN:
        request->ifr_qlen = QUEUE_LEN;
        return 0;
    case SIOCGIFHWADDR:
        memset(&request->ifr_hwaddr, 0, sizeof request->ifr_hwaddr);
        request->ifr_hwaddr.sa_family = device->type;
        memcpy(request->ifr_hwaddr.sa_data, device->mac, sizeof device->mac);
        return 0;
    case SIOCGIFADDR:
    case SIOCGIFDSTADDR:
    case SIOCGIFBRDADDR:
    case SIOCGIFNETMASK:
        return tell_address(device, what, request);
    default:
        return EPERM; /* what there is to be changed is not the program's */
    }
}

/* SIOCGIFCONF: all interfaces with an IPv4 address; without room, how much it would take. */
static int tell_all(const struct call *call, const struct device *device)
{
    struct ifconf list;
    struct ifreq entry[DEVICES];
    int count = 0;
    memset(entry, 0, sizeof entry);
    if (!memory_read(call->pid, call->arg[2], &list, sizeof list))
        return EFAULT;
    for (unsigned i = 0; i < DEVICES; i++) {
        if (device[i].mask == 0)
            continue;
        strncpy(entry[count].ifr_name, device[i].name, IFNAMSIZ - 1);
        put_address(&entry[count++], device[i].address);
    }
    const int room = list.ifc_len < 0 ? 0 : list.ifc_len / (int)sizeof *entry;
    const bool counts = list.ifc_buf == NULL;
    list.ifc_len = (counts || count <= room ? count : room) * (int)sizeof *entry;
    if (!counts && list.ifc_len > 0 &&
        !memory_write(call->pid, (uintptr_t)list.ifc_buf, entry, (size_t)list.ifc_len))
        return EFAULT;
    return memory_write(call->pid, call->arg[2], &list, sizeof list) ? 0 : EFAULT;
}

static const struct device *find(const struct device *device, unsigned long what,
                                 struct ifreq *request)
{
    for (unsigned i = 0; i < DEVICES; i++) {
        if (what != SIOCGIFNAME && strcmp(device[i].name, request->ifr_name) == 0)
            return &device[i];
        if (what == SIOCGIFNAME && device[i].index == request->ifr_ifindex)
            return &device[i];
    }
    return NULL;
}

static int answer(const struct call *call, const struct device *device, unsigned long what)
{
    struct ifreq request;
    const bool address = what == SIOCGIFADDR || what == SIOCGIFDSTADDR || what == SIOCGIFBRDADDR ||
                         what == SIOCGIFNETMASK;
    if (address && call->family != AF_INET)
        return ENOTTY;
    if (!memory_read(call->pid, call->arg[2], &request, sizeof request))
        return EFAULT;
    request.ifr_name[IFNAMSIZ - 1] = '\0';
    const struct device *found = find(device, what, &request);
    if (found == NULL)
        return ENODEV;
    int error = 0;
    if (what == SIOCGIFNAME)
        strncpy(request.ifr_name, found->name, IFNAMSIZ - 1);
    else
        error = tell(found, what, &request);
    if (error == 0 && !memory_write(call->pid, call->arg[2], &request, sizeof request))
        error = EFAULT;
    return error;
}

bool call_interfaces(struct call *call)
{
    const unsigned long what = (uint32_t)call->arg[1];
    if (call->nr != __NR_ioctl || what < SIOCGIFNAME || what > SIOCSIFTXQLEN)
        return false;
    const struct device device[DEVICES] = { loopback(), ours(call->weird) };
    const int error = what == SIOCGIFCONF ? tell_all(call, device) : answer(call, device, what);
    call_answer(call->run, call->id, -error);
    return true;
}
