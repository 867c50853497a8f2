/* SPDX-License-Identifier: MIT */
#include "ip/group.h"

#include "ip/host.h"

/* The host's side of RFC 3376, 5 and RFC 3810, 6. */

static struct group *find(const struct ip_host *ip, unsigned iface, const struct weir_ip *addr)
{
    for (uint32_t i = 0; i < ip->groups.top; i++) {
        struct group *group = &ip->groups.at[i];
        if (group->used && group->iface == iface && weir_ip_equal(&group->ip, addr))
            return group;
    }
    return NULL;
}

bool group_is_joined(const struct ip_host *ip, unsigned iface, const struct weir_ip *addr)
{
    const struct group *group = find(ip, iface, addr);
    return group != NULL && group->refs > 0;
}

/* Everybody is a member of these, and nobody says so (RFC 3376, 6; RFC 3810, 6). */
static bool is_silent(const struct weir_ip *addr)
{
    static const struct weir_ip all_nodes = { { 0xff, 0x02, [15] = 1 } };
    const struct weir_ip all_hosts = weir_ip_v4(224, 0, 0, 1);
    if (weir_ip_is_v4(addr))
        return weir_ip_equal(addr, &all_hosts);
    return (addr->octet[1] & 0x0f) < 2 || weir_ip_equal(addr, &all_nodes);
}

static void set_timer(struct ip_host *ip, const struct group *group)
{
    const uint32_t index = (uint32_t)(group - ip->groups.at);
    ip_timer_set(ip, ip_timer_group(ip, index),
                 group->change_at < group->answer_at ? group->change_at : group->answer_at);
}

static weir_time random_within(struct ip_host *ip, weir_time most)
{
    return (weir_time)prng_below(&ip->groups.random, (uint32_t)(most / WEIR_US) + 1) * WEIR_US;
}

static void say(struct ip_host *ip, unsigned iface, const struct group_record *record,
                unsigned count, weir_time now)
{
    if (weir_ip_is_v4(&record->group))
        igmp_say(ip, iface, record, count, now);
    else
        mld_say(ip, iface, record, count, now);
}

/* ---- changes ---- */

static void forget(struct ip_host *ip, struct group *group)
{
    group->used = false;
    group->change_at = group->answer_at = WEIR_NEVER;
    set_timer(ip, group);
    ip->groups.used--;
}

/* Says whether we are a member now, and when to say it again. */
static void say_change(struct ip_host *ip, struct group *group, weir_time now)
{
    const struct group_record record = { .kind =
                                             group->refs > 0 ? GROUP_TO_EXCLUDE : GROUP_TO_INCLUDE,
                                         .group = group->ip };
    group->left--;
    say(ip, group->iface, &record, 1, now);
    group->change_at = group->left > 0 ? now + random_within(ip, GROUP_REPEAT) + 1 : WEIR_NEVER;
    set_timer(ip, group);
    if (group->refs == 0 && group->left == 0)
        forget(ip, group);
}

static void change(struct ip_host *ip, struct group *group, weir_time now)
{
    if (is_silent(&group->ip)) {
        if (group->refs == 0)
            forget(ip, group);
        return;
    }
    group->left = GROUP_ROBUSTNESS;
    if (group->refs == 0)
        group->answer_at = WEIR_NEVER;
    say_change(ip, group, now);
}

/* A place for one more. One that was left gives way: its routers will ask. */
static struct group *take(struct ip_host *ip)
{
    struct group *leaving = NULL;
    for (uint32_t i = 0; i < ip->groups.top; i++) {
        if (!ip->groups.at[i].used)
            return &ip->groups.at[i];
        if (ip->groups.at[i].refs == 0)
            leaving = &ip->groups.at[i];
    }
    if (ip->groups.top < ip->groups.max)
        return &ip->groups.at[ip->groups.top++];
    if (leaving != NULL)
        forget(ip, leaving);
    return leaving;
}

bool group_join(struct ip_host *ip, unsigned iface, const struct weir_ip *addr, weir_time now)
{
    struct group *group = find(ip, iface, addr);
    if (group == NULL) {
        group = take(ip);
        if (group == NULL)
            return false;
        *group = (struct group){ .ip = *addr,
                                 .iface = (uint8_t)iface,
                                 .used = true,
                                 .change_at = WEIR_NEVER,
                                 .answer_at = WEIR_NEVER };
        ip->groups.used++;
    }
    if (++group->refs == 1)
        change(ip, group, now);
    return true;
}

void group_leave(struct ip_host *ip, unsigned iface, const struct weir_ip *addr, weir_time now)
{
    struct group *group = find(ip, iface, addr);
    WEIR_ASSERT(group != NULL && group->refs > 0);
    if (--group->refs == 0)
        change(ip, group, now);
}

/* ---- answers ---- */

/* An old querier makes us speak its version for a while (RFC 3376, 7.2.1; RFC 3810, 8.2.1). What
 * was to be answered in another one is not. */
static void note_version(struct ip_host *ip, const struct ip_packet *packet, unsigned version,
                         weir_time now)
{
    struct ip_iface *iface = &ip->iface[packet->iface];
    if (packet->v4 && version == 1)
        iface->igmp1_until = now + GROUP_OLD_QUERIER;
    else if (packet->v4 && version == 2)
        iface->igmp2_until = now + GROUP_OLD_QUERIER;
    else if (!packet->v4 && version == 1)
        iface->mld1_until = now + GROUP_OLD_QUERIER;
}

void group_asked(struct ip_host *ip, const struct ip_packet *packet,
                 const struct group_message *query, weir_time now)
{
    note_version(ip, packet, query->version, now);
    weir_time most = query->max_resp_ms * WEIR_MS;
    if (packet->v4 && query->version == 1)
        most = GROUP_ANSWER_V1;
    if (most < GROUP_ANSWER_MIN)
        most = GROUP_ANSWER_MIN;
    /* One time for all that a query asks for: they are answered together. */
    const weir_time at = now + 1 + random_within(ip, most);
    for (uint32_t i = 0; i < ip->groups.top; i++) {
        struct group *group = &ip->groups.at[i];
        if (!group->used || group->refs == 0 || group->iface != packet->iface ||
            weir_ip_is_v4(&group->ip) != packet->v4 || is_silent(&group->ip))
            continue;
        if (!ip_is_any(&query->group) && !weir_ip_equal(&query->group, &group->ip))
            continue;
        if (at < group->answer_at) {
            group->answer_at = at;
            set_timer(ip, group);
        }
    }
}

void group_reported(struct ip_host *ip, unsigned iface, const struct weir_ip *addr)
{
    struct group *group = find(ip, iface, addr);
    if (group == NULL)
        return;
    group->answer_at = WEIR_NEVER;
    set_timer(ip, group);
}

/* Answers for all groups of the interface and family whose time has come. */
static void answer(struct ip_host *ip, const struct group *first, weir_time now)
{
    struct group_record record[GROUP_RECORDS_MAX];
    const unsigned iface = first->iface;
    const bool v4 = weir_ip_is_v4(&first->ip);
    unsigned count = 0;
    for (uint32_t i = 0; i < ip->groups.top; i++) {
        struct group *group = &ip->groups.at[i];
        if (!group->used || group->answer_at > now || group->iface != iface ||
            weir_ip_is_v4(&group->ip) != v4)
            continue;
        group->answer_at = WEIR_NEVER;
        set_timer(ip, group);
        record[count++] = (struct group_record){ GROUP_IS_EXCLUDE, group->ip };
        if (count == GROUP_RECORDS_MAX) {
            say(ip, iface, record, count, now);
            count = 0;
        }
    }
    if (count > 0)
        say(ip, iface, record, count, now);
}

void group_timeout(struct ip_host *ip, uint32_t index, weir_time now)
{
    struct group *group = &ip->groups.at[index];
    if (!group->used)
        return;
    if (group->answer_at <= now)
        answer(ip, group, now);
    if (group->change_at <= now)
        say_change(ip, group, now);
    else
        set_timer(ip, group);
}

/* ---- for others ---- */

bool ip_group_join(struct ip_host *ip, unsigned iface, const struct weir_ip *addr, weir_time now)
{
    return group_join(ip, iface, addr, now);
}

void ip_group_leave(struct ip_host *ip, unsigned iface, const struct weir_ip *addr, weir_time now)
{
    group_leave(ip, iface, addr, now);
}

bool ip_group_is_joined(const struct ip_host *ip, unsigned iface, const struct weir_ip *addr)
{
    return group_is_joined(ip, iface, addr);
}
