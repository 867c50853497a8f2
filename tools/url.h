/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TOOLS_URL_H
#define WEIR_TOOLS_URL_H

/* http URLs (RFC 3986, RFC 9110 4.2.1), and names through a hosts file: weir has no resolver. */

#include "weir/base.h"

#include <stdio.h>

#define URL_HOST_MAX   256
#define URL_TARGET_MAX 2048

struct url {
    char host[URL_HOST_MAX]; /* without the brackets of an IPv6 literal */
    bool literal;            /* host is an address, and `ip` holds it */
    struct weir_ip ip;
    uint16_t port;
    char target[URL_TARGET_MAX]; /* path and query, as they go into the request line */
};

/* Takes a URL apart. Returns NULL, or what is wrong with it, for a person. */
const char *url_parse(const char *text, struct url *url);

/* The value of the Host field: the host, in brackets if IPv6, and the port if it is not 80. */
#define URL_AUTHORITY_MAX (URL_HOST_MAX + 8)
char *url_authority(const struct url *url, char text[URL_AUTHORITY_MAX]);

/* Looks `name` up in an open file of the form of /etc/hosts; the first address that is of the
 * wanted family (`v4`, `v6` or both) is taken. */
bool url_hosts_lookup(FILE *hosts, const char *name, bool v4, bool v6, struct weir_ip *ip);

#endif
