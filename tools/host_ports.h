/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TOOLS_HOST_PORTS_H
#define WEIR_TOOLS_HOST_PORTS_H

/* Which ports of the host and of weir's network lead to each other, as the options say it:
 *
 *     --publish [ADDR:]HOSTPORT:PORT[/udp]    a port of the host leads to a program on weir
 *     --host-loopback PORT[,PORT|A-B]...      127.0.0.1 and ::1 of weir lead to the host's
 *
 * Only the words; `weir run` and weird share them. Nothing here opens anything. */

#include "weir/base.h"

#include <stdbool.h>
#include <stdint.h>

#define HOST_PUBLISH_MAX   32
#define HOST_LOOPBACK_MAX  256 /* ports; each takes two listeners of weir */
#define HOST_PORTS_WHY_MAX 256

struct host_publish {
    struct weir_ip ip; /* of the host, if ip_given; else both its loopback addresses */
    bool ip_given, udp;
    uint16_t host_port, port;
};

struct host_ports {
    struct host_publish publish[HOST_PUBLISH_MAX];
    unsigned publish_count;
    uint16_t loopback[HOST_LOOPBACK_MAX];
    unsigned loopback_count;
};

/* Take one value in. False, with the reason in `why` and nothing taken, for what cannot be read, is
 * there twice, or is one too many. */
bool host_ports_publish(struct host_ports *ports, const char *text, char why[HOST_PORTS_WHY_MAX])
    __attribute__((warn_unused_result));
bool host_ports_loopback(struct host_ports *ports, const char *text, char why[HOST_PORTS_WHY_MAX])
    __attribute__((warn_unused_result));

#endif
