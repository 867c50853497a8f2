/* SPDX-License-Identifier: MIT */
#include "dev/driver.h"
#include "dev/line.h"

#include <errno.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define SETTLE_POLL_US 1000
#define SETTLE_POLLS   1000

bool netif_exists(const char *name)
{
    return if_nametoindex(name) != 0;
}

static struct ifreq request_for(const char *name)
{
    struct ifreq request;
    memset(&request, 0, sizeof request);
    memcpy(request.ifr_name, name, strnlen(name, IFNAMSIZ - 1));
    return request;
}

/* The interface's address with the local bit set, the group bit cleared and the last octet's top
 * bit flipped: never the kernel's own, and the same each time. */
static void derive_mac(uint8_t mac[6], const struct ifreq *request)
{
    memcpy(mac, request->ifr_hwaddr.sa_data, 6);
    mac[0] = (uint8_t)((mac[0] | 2) & ~1);
    mac[5] ^= 0x80;
}

static int bring_up(int fd, struct ifreq *request, const char *label, const char *name,
                    char why[WEIR_LINE_MAX])
{
    if (ioctl(fd, SIOCGIFFLAGS, request) < 0)
        return line_fail(why, -errno, "%s %s: %s", label, name, strerror(errno));
    if (request->ifr_flags & IFF_UP)
        return 0;
    request->ifr_flags = (short)(request->ifr_flags | IFF_UP);
    if (ioctl(fd, SIOCSIFFLAGS, request) < 0)
        return line_fail(why, -ENETDOWN,
                         "%s %s: is down, and bringing it up: %s (ip link set %s up)", label, name,
                         strerror(errno), name);
    return 0;
}

int netif_open(struct weir_dev *dev, const char *label, int *index, char why[WEIR_LINE_MAX])
{
    const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return line_fail(why, -errno, "%s %s: socket: %s", label, dev->name, strerror(errno));
    int error = 0;
    struct ifreq request = request_for(dev->name);
    if (index != NULL) {
        if (ioctl(fd, SIOCGIFINDEX, &request) < 0) {
            error = line_fail(why, -errno, "%s %s: %s", label, dev->name, strerror(errno));
            goto done;
        }
        *index = request.ifr_ifindex;
    }
    error = bring_up(fd, &request, label, dev->name, why);
    if (error != 0)
        goto done;
    if (ioctl(fd, SIOCGIFHWADDR, &request) < 0) {
        error = line_fail(why, -errno, "%s %s: %s", label, dev->name, strerror(errno));
        goto done;
    }
    if (request.ifr_hwaddr.sa_family != ARPHRD_ETHER) {
        error = line_fail(why, -EINVAL, "%s %s: is no Ethernet interface", label, dev->name);
        goto done;
    }
    derive_mac(dev->mac, &request);
    if (ioctl(fd, SIOCGIFMTU, &request) < 0) {
        error = line_fail(why, -errno, "%s %s: %s", label, dev->name, strerror(errno));
        goto done;
    }
    dev->mtu = (uint16_t)(request.ifr_mtu < UINT16_MAX ? request.ifr_mtu : UINT16_MAX);
done:
    close(fd);
    return error;
}

void weir_dev_settle(const struct weir_dev *dev)
{
    struct ifreq request = request_for(dev->name);
    const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    for (unsigned i = 0; fd >= 0 && i < SETTLE_POLLS; i++) {
        if (ioctl(fd, SIOCGIFFLAGS, &request) < 0 || (request.ifr_flags & IFF_RUNNING) != 0)
            break;
        usleep(SETTLE_POLL_US);
    }
    if (fd >= 0)
        close(fd);
    usleep(SETTLE_POLL_US); /* the flag is set a moment before the queue is switched */
}
