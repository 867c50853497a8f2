/* SPDX-License-Identifier: MIT */
#ifndef WEIR_IP_GROUP_H
#define WEIR_IP_GROUP_H

/* Which groups this host is a member of on which interface, and what it says of that to routers and
 * switches: IGMP (RFC 3376) and MLD (RFC 3810), down to the oldest version that a querier speaks.
 *
 * A group is joined from any source; there are no source lists. What is said is spread over random
 * times from a stream of random numbers of its own. A group that was left is remembered until that
 * was said often enough. */

#include "base/prng.h"
#include "weir/base.h"
#include "wire/igmp.h"

struct ip_host;
struct ip_packet;
struct icmp6_head;

#define GROUP_ROBUSTNESS  2                   /* how often a change is said (RFC 3376, 8.1) */
#define GROUP_REPEAT      (1 * WEIR_SECOND)   /* within which it is said again (8.11) */
#define GROUP_OLD_QUERIER (260 * WEIR_SECOND) /* how long an old querier is remembered (8.12) */
#define GROUP_ANSWER_MIN  (10 * WEIR_MS)      /* no answer comes sooner: a flood of queries */
#define GROUP_ANSWER_V1   (10 * WEIR_SECOND)  /* the response time of version 1 (RFC 2236, 4) */
#define GROUP_RECORDS_MAX 32                  /* in one report: fits a packet of 1,280 octets */

struct group {
    struct weir_ip ip;
    uint32_t refs; /* 0: left, and still to be said so */
    uint8_t iface;
    uint8_t left; /* how often the last change is still to be said */
    bool used;
    weir_time change_at, answer_at; /* WEIR_NEVER: nothing to say */
};

struct group_table {
    struct group *at;
    uint32_t max, top; /* from top on they were never used */
    uint32_t used;
    struct prng random;
};

/* Makes us a member of a group on an interface, or once more. False: the table is full. */
bool group_join(struct ip_host *ip, unsigned iface, const struct weir_ip *addr, weir_time now)
    __attribute__((warn_unused_result));

/* Undoes one group_join. */
void group_leave(struct ip_host *ip, unsigned iface, const struct weir_ip *addr, weir_time now);

bool group_is_joined(const struct ip_host *ip, unsigned iface, const struct weir_ip *addr);

/* A query for `addr`, or for all if that is an any. */
void group_asked(struct ip_host *ip, const struct ip_packet *packet,
                 const struct group_message *query, weir_time now);

/* In the old versions: somebody else has said that the group has members. */
void group_reported(struct ip_host *ip, unsigned iface, const struct weir_ip *addr);

void group_timeout(struct ip_host *ip, uint32_t index, weir_time now);

/* ---- igmp.c, mld.c: what is said, in the version in force ---- */

void igmp_say(struct ip_host *ip, unsigned iface, const struct group_record *record, unsigned count,
              weir_time now);
void mld_say(struct ip_host *ip, unsigned iface, const struct group_record *record, unsigned count,
             weir_time now);

#endif
