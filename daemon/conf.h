/* SPDX-License-Identifier: MIT */
#ifndef WEIR_DAEMON_CONF_H
#define WEIR_DAEMON_CONF_H

/* What weird is told: by a file, by flags, or both.
 *
 * A file is lines of a key and a value; '#' begins a comment. The same keys serve the flags, and a
 * flag wins: the first flag of a key puts away what the file says for that key, whichever is read
 * first. A value is checked where it is read, so that a complaint can name the line.
 *
 *     dev      tap:weir0                     the device, as weir_dev_open reads it
 *     addr     192.0.2.1/24                  up to CONF_ADDRS_MAX; or "dhcp" or "slaac"
 *     gateway  192.0.2.254                   one for each family
 *     route    10.0.0.0/8 via 192.0.2.2      or without "via": on the link
 *     dns      192.0.2.53                    up to CONF_DNS_MAX
 *     socket   /run/weird/control            the control socket
 *     user     weird                         whom to become
 *     sysctl   net.ipv4.tcp_fin_timeout = 30 as `weir sysctl` knows them
 *     limit    tcp_max 65536                 a limit of struct weir_config, by its name
 *     quota    sockets 1000                  what one run may have: of sockets, of waiting calls
 *     publish  8080:80                       a port of the host for a program's (host_ports.h)
 *     host-loopback 5432,6379                ports of the host's loopback, from weir's
 *
 * Nothing here opens a device or changes anything but the struct. */

#include "tools/host_ports.h"

#include "weir/stack.h"

#include <stdio.h>

#define CONF_ADDRS_MAX  16
#define CONF_ROUTES_MAX 32
#define CONF_DNS_MAX    3
#define CONF_TEXT_MAX   108 /* of a name or path: sun_path's size */
#define CONF_LINE_MAX   1024
#define CONF_WHY_MAX    768

enum conf_key {
    CONF_DEV,
    CONF_ADDR,
    CONF_GATEWAY,
    CONF_ROUTE,
    CONF_DNS,
    CONF_SOCKET,
    CONF_USER,
    CONF_SYSCTL,
    CONF_LIMIT,
    CONF_QUOTA,
    CONF_PUBLISH,
    CONF_HOST_LOOPBACK,
    CONF_KEYS
};

enum conf_source {
    CONF_FILE,
    CONF_FLAG,
};

struct conf_prefix {
    struct weir_ip ip;
    unsigned len; /* bits of the family's own address */
};

struct conf_route {
    struct conf_prefix to;
    bool has_gateway;
    struct weir_ip gateway;
};

struct conf {
    char dev[CONF_TEXT_MAX], socket[CONF_TEXT_MAX], user[CONF_TEXT_MAX]; /* "": not given */
    struct conf_prefix addr[CONF_ADDRS_MAX];
    struct weir_ip gateway[2]; /* of IPv4, of IPv6 */
    bool has_gateway[2];
    struct conf_route route[CONF_ROUTES_MAX];
    struct weir_ip dns[CONF_DNS_MAX];
    unsigned addr_count, route_count, dns_count;
    bool dhcp, slaac;                               /* an address from the network, too */
    uint32_t quota_sockets, quota_calls, quota_udp; /* 0: not given */
    struct host_ports ports;
    struct weir_config weir; /* with the sysctl and limit lines in it; secrets are the caller's */
    bool flagged[CONF_KEYS]; /* flags have spoken */
};

/* Nothing given; limits and settings are weir's own. */
void conf_init(struct conf *conf);

/* Takes one value in. `why` says what is wrong, without file or line. A sysctl or limit given by
 * flag is kept against the same one of a file only if the file is read first. */
bool conf_take(struct conf *conf, enum conf_key key, const char *value, enum conf_source source,
               char why[CONF_WHY_MAX]) __attribute__((warn_unused_result));

/* Reads a file to its end or to its first mistake, which `why` tells with file and line. */
bool conf_read(struct conf *conf, const char *path, char why[CONF_WHY_MAX])
    __attribute__((warn_unused_result));

/* The same from an open stream; `name` is for complaints. */
bool conf_read_stream(struct conf *conf, FILE *file, const char *name, char why[CONF_WHY_MAX])
    __attribute__((warn_unused_result));

/* When all is read: is there a device, is each gateway on the link of an address? */
bool conf_check(const struct conf *conf, char why[CONF_WHY_MAX])
    __attribute__((warn_unused_result));

#endif
