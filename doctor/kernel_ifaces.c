/* SPDX-License-Identifier: MIT */
#include "kernel_net.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define COLUMNS 16 /* of /proc/net/dev, behind the name */

static void take_speed(int fd, struct facts_iface *iface)
{
    struct ethtool_cmd command = { .cmd = ETHTOOL_GSET };
    struct ifreq request = { .ifr_data = (void *)&command };
    memcpy(request.ifr_name, iface->name, sizeof request.ifr_name);
    if (ioctl(fd, SIOCETHTOOL, &request) < 0 || ethtool_cmd_speed(&command) > INT32_MAX)
        return; /* one without a speed: a bridge, loopback */
    iface->speed = ethtool_cmd_speed(&command);
    iface->full_duplex = command.duplex == DUPLEX_FULL;
}

/* "  eth0: 1972906214  185362    0 ..." */
static bool take_line(char *line, struct facts_iface *iface)
{
    uint64_t *const columns[COLUMNS] = {
        &iface->rx_octets, &iface->rx_packets, &iface->rx_errors,     &iface->rx_dropped,
        &iface->rx_fifo,   &iface->rx_frame,   &iface->rx_compressed, &iface->multicast,
        &iface->tx_octets, &iface->tx_packets, &iface->tx_errors,     &iface->tx_dropped,
        &iface->tx_fifo,   &iface->collisions, &iface->tx_carrier,    &iface->tx_compressed,
    };
    char *colon = strrchr(line, ':'), *name = line + strspn(line, " ");
    if (colon == NULL || (size_t)(colon - name) >= sizeof iface->name)
        return false; /* the headings */
    memcpy(iface->name, name, (size_t)(colon - name));
    char *at = colon + 1;
    for (unsigned i = 0; i < COLUMNS; i++)
        *columns[i] = strtoull(at, &at, 10);
    return true;
}

int kernel_ifaces(const struct kernel_net *net, facts_iface_fn *on_iface, void *user)
{
    char line[512];
    struct timespec now;
    int home = -1;
    const int error = kernel_net_enter(net, &home);
    if (error < 0)
        return error;
    /* "thread-self": /proc/net is the namespace of the process's first thread. */
    FILE *file = fopen("/proc/thread-self/net/dev", "re");
    const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    clock_gettime(CLOCK_MONOTONIC, &now);
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        struct facts_iface iface = { .source = FACTS_KERNEL,
                                     .when = now.tv_sec * WEIR_SECOND + now.tv_nsec };
        memcpy(iface.net, net->name, sizeof iface.net);
        if (!take_line(line, &iface))
            continue;
        if (fd >= 0)
            take_speed(fd, &iface);
        on_iface(user, &iface);
    }
    if (fd >= 0)
        close(fd);
    if (file != NULL)
        fclose(file);
    kernel_net_leave(home);
    return file != NULL ? 0 : -ENODATA;
}
