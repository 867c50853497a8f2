/* SPDX-License-Identifier: MIT */
#ifndef WEIR_DAEMON_DHCP_H
#define WEIR_DAEMON_DHCP_H

/* A DHCPv4 client (RFC 2131, 2132): an address from the network, kept as long as weird runs.
 *
 * dhcp_message.c writes and reads messages and nothing else. dhcp.c talks: before there is an
 * address over the device itself, and then, to keep it, over an endpoint of the stack. When it is
 * refused or has run out it is taken away with its connections (ECONNABORTED), and another is asked
 * for until there is one. What is not there: INIT-REBOOT, and DHCPDECLINE. */

#include "weir/loop.h"

#define DHCP_MESSAGE_MAX 576
#define DHCP_DNS_MAX     3
#define DHCP_SEARCH_MAX  256 /* of the domains to search, with a space between, and a 0 */
#define DHCP_FOREVER     UINT32_MAX

enum dhcp_type {
    DHCP_DISCOVER = 1,
    DHCP_OFFER = 2,
    DHCP_REQUEST = 3,
    DHCP_ACK = 5,
    DHCP_NAK = 6,
    DHCP_RELEASE = 7,
};

/* What we say. An address that is all zero is left out. */
struct dhcp_said {
    enum dhcp_type type;
    uint32_t xid;
    uint8_t mac[6];
    struct weir_ip client;            /* that we have (ciaddr) */
    struct weir_ip requested, server; /* options 50 and 54 */
};

/* What a server says. Times in seconds. */
struct dhcp_heard {
    enum dhcp_type type;
    uint32_t xid;
    struct weir_ip address, server, router; /* all zero: not given */
    unsigned prefix_len;
    uint32_t lease, renew, rebind; /* in order, whatever the server says */
    struct weir_ip dns[DHCP_DNS_MAX];
    unsigned dns_count;
    char search[DHCP_SEARCH_MAX]; /* options 119 or 15; "": none */
};

/* Returns the length; `to` has room for DHCP_MESSAGE_MAX. */
size_t dhcp_write(uint8_t *to, const struct dhcp_said *said);

/* False for what is no answer of a server to `mac`, or has no sense in it. */
bool dhcp_read(const uint8_t *from, size_t len, const uint8_t mac[6], struct dhcp_heard *heard)
    __attribute__((warn_unused_result));

/* ---- dhcp.c ---- */

struct weird;

struct dhcp {
    struct dhcp_heard lease; /* lease.lease 0: there is none */
    weir_time since;
    uint32_t xid;
    weir_handle endpoint; /* to keep it */
    struct weir_loop_timer timer;
    weir_time wait; /* until the next DISCOVER; 0: there is a lease */
    bool requested; /* what was offered since */
};

/* Asks for an address over weird's device and waits for it, for some seconds at most. */
bool dhcp_get(struct weird *weird, char why[WEIR_LINE_MAX]) __attribute__((warn_unused_result));

/* Once the address is the stack's: keeps it. */
bool dhcp_keep(struct weird *weird, char why[WEIR_LINE_MAX]) __attribute__((warn_unused_result));

/* True if the event was about that. */
bool dhcp_event(struct weird *weird, const struct weir_event *event, weir_time now);

/* Gives it back; what is to be sent is in the stack then. */
void dhcp_release(struct weird *weird);

#endif
