/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TOOLS_DUMP_PARTS_H
#define WEIR_TOOLS_DUMP_PARTS_H

/* What the files that put packets into words share, and nobody else needs. */

#include "dump_text.h"
#include "socket_text.h"

/* A host's address, or its name unless -n; safe for a terminal. */
char *dump_host(const struct dump *dump, const struct weir_ip *ip, char text[SOCKET_HOST_MAX]);
/* "host.port" */
void dump_endpoint(const struct dump *dump, const struct weir_addr *addr, uint8_t protocol);

/* The packet that an ICMP error quotes, on lines of its own. */
void dump_quoted(const struct dump *dump, const struct capture_frame *inside);

void dump_arp(const struct dump *dump, const struct packet *packet);
void dump_icmp4(struct dump *dump, const struct packet *packet);
void dump_icmp6(struct dump *dump, const struct packet *packet);

/* " (correct)" or what it should be, of a transport checksum; 0: it holds. */
uint16_t dump_checksum(const struct packet *packet);

static inline struct weir_ip dump_ip4(const uint8_t *at)
{
    return weir_ip_v4(at[0], at[1], at[2], at[3]);
}

static inline struct weir_ip dump_ip6(const uint8_t *at)
{
    struct weir_ip ip;
    memcpy(ip.octet, at, sizeof ip.octet);
    return ip;
}

#endif
