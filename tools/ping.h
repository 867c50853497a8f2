/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TOOLS_PING_H
#define WEIR_TOOLS_PING_H

/* `weir ping`: what was asked for (ping.c), and the two ways to do it: over a host of our own
 * (ping_stack.c) and over this machine's kernel (ping_kernel.c). Both report here, so that their
 * lines are the same. */

#include "host.h"
#include "json.h"
#include "ping_stats.h"

#define PING_SIZE_MAX       65507
#define PING_SEQ_REMEMBERED 1024 /* requests whose sending time is known */

enum ping_mtu {
    PING_MTU_DEFAULT,
    PING_MTU_DO,
    PING_MTU_WANT,
    PING_MTU_DONT,
};

struct ping {
    struct host_options options;
    const char *target;
    uint64_t count; /* 0: no end */
    size_t size;
    weir_time interval, wait, deadline; /* deadline 0: none */
    uint64_t ttl;                       /* 0: the default */
    int family;                         /* AF_UNSPEC, AF_INET, AF_INET6 */
    bool numeric, quiet, stamps, as_json, outstanding;
    const char *from; /* an interface or an address of the kernel's; NULL: any */
    enum ping_mtu mtu;
    struct weir_ip ip;

    struct ping_stats stats;
    struct json json;
    weir_time began;
    weir_time sent_at[PING_SEQ_REMEMBERED]; /* 0: answered, or never sent */
    uint8_t data[PING_SIZE_MAX], reply[PING_SIZE_MAX + 256];
};

/* Each returns enum tool_status, and has printed everything. */
int ping_over_stack(struct ping *ping);
int ping_over_kernel(struct ping *ping);

/* ---- What both report ---- */

void ping_begin(struct ping *ping, weir_time now); /* the address is known; the first goes out */
/* A request is about to go; of the one before, if nothing has come, -O has a line. */
void ping_sent(struct ping *ping, uint16_t seq, weir_time now);

struct ping_reply {
    const struct weir_ip *from;
    uint16_t seq;
    unsigned ttl; /* 0: not known */
    const uint8_t *data;
    size_t len;
    weir_time when;
};
void ping_answered(struct ping *ping, const struct ping_reply *reply);

/* An error instead of an answer. `from` may be NULL: this host; `seq` 0: of no request that is
 * known. */
void ping_trouble(struct ping *ping, const struct weir_ip *from, uint16_t seq, const char *what);

/* All requests have gone, and whether all were answered. */
bool ping_all_sent(const struct ping *ping);
bool ping_all_answered(const struct ping *ping);

/* The last lines; the exit status. */
int ping_end(struct ping *ping, weir_time now);

#endif
