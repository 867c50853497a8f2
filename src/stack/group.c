/* SPDX-License-Identifier: MIT */
#include "stack/parts.h"

/* Endpoints and groups: who has joined what, and what is sent there (RFC 1112, 6 and 7; RFC 3493,
 * 5.2). */

static struct membership *find(struct endpoint *endpoint, const struct weir_ip *group,
                               unsigned iface)
{
    for (unsigned i = 0; i < MEMBERSHIPS_MAX; i++) {
        struct membership *member = &endpoint->member[i];
        if (member->used && member->iface == iface && weir_ip_equal(&member->group, group))
            return member;
    }
    return NULL;
}

bool endpoint_hears(const struct endpoint *endpoint, const struct ip_packet *packet)
{
    if (!endpoint->group_own || !ip_is_multicast(&packet->dst))
        return true;
    for (unsigned i = 0; i < MEMBERSHIPS_MAX; i++) {
        const struct membership *member = &endpoint->member[i];
        if (member->used && member->iface == packet->iface &&
            weir_ip_equal(&member->group, &packet->dst))
            return true;
    }
    return false;
}

/* The interface to a group: the one given, the endpoint's, or where a packet would go. */
static bool iface_of(struct weir *weir, const struct endpoint *endpoint,
                     const struct weir_ip *group, unsigned iface, unsigned *number)
{
    if (iface == 0)
        iface = endpoint->group_iface;
    if (iface != 0) {
        *number = iface - 1;
        return *number < ip_iface_count(&weir->ip);
    }
    struct weir_ip src = { { 0 } };
    struct ip_path path;
    if (ip_path_find(&weir->ip, &src, group, 0, &path, weir->now) != WEIR_OK)
        return false;
    *number = path.iface;
    return true;
}

/* What joining and leaving have in common: the endpoint, and the interface in `*number`. */
static enum weir_error group_call(struct weir *weir, weir_handle handle,
                                  const struct weir_ip *group, unsigned iface, unsigned *number)
{
    const struct endpoint *endpoint = endpoint_of(weir, handle, NULL);
    if (endpoint == NULL || endpoint->ping)
        return WEIR_BAD_HANDLE;
    if (!ip_is_multicast(group))
        return WEIR_INVALID;
    return iface_of(weir, endpoint, group, iface, number) ? WEIR_OK : WEIR_NET_UNREACH;
}

enum weir_error weir_udp_join(struct weir *weir, weir_handle handle, const struct weir_ip *group,
                              unsigned iface, weir_time now)
{
    unsigned number;
    weir->now = now;
    const enum weir_error error = group_call(weir, handle, group, iface, &number);
    if (error != WEIR_OK)
        return error;
    struct endpoint *endpoint = endpoint_of(weir, handle, NULL);
    if (find(endpoint, group, number) != NULL)
        return WEIR_IN_USE;
    ip_call_begins(&weir->ip);
    for (unsigned i = 0; i < MEMBERSHIPS_MAX; i++) {
        struct membership *member = &endpoint->member[i];
        if (member->used)
            continue;
        if (!ip_group_join(&weir->ip, number, group, now))
            return WEIR_NO_MEMORY;
        *member = (struct membership){ *group, (uint16_t)number, true };
        return WEIR_OK;
    }
    return WEIR_NO_MEMORY;
}

enum weir_error weir_udp_leave(struct weir *weir, weir_handle handle, const struct weir_ip *group,
                               unsigned iface, weir_time now)
{
    unsigned number;
    weir->now = now;
    const enum weir_error error = group_call(weir, handle, group, iface, &number);
    if (error != WEIR_OK)
        return error;
    struct membership *member = find(endpoint_of(weir, handle, NULL), group, number);
    if (member == NULL)
        return WEIR_NOT_LOCAL;
    ip_call_begins(&weir->ip);
    member->used = false;
    ip_group_leave(&weir->ip, number, group, now);
    return WEIR_OK;
}

void endpoint_leave_all(struct weir *weir, struct endpoint *endpoint, weir_time now)
{
    for (unsigned i = 0; i < MEMBERSHIPS_MAX; i++) {
        struct membership *member = &endpoint->member[i];
        if (!member->used)
            continue;
        member->used = false;
        ip_group_leave(&weir->ip, member->iface, &member->group, now);
    }
}

/* ---- options ---- */

enum weir_error endpoint_set_group(const struct weir *weir, struct endpoint *endpoint,
                                   enum weir_option option, int64_t value)
{
    const int64_t most = option == WEIR_OPT_GROUP_TTL     ? UINT8_MAX
                         : option == WEIR_OPT_GROUP_IFACE ? ip_iface_count(&weir->ip)
                                                          : 1;
    if (value < 0 || value > most)
        return WEIR_INVALID;
    if (option == WEIR_OPT_GROUP_TTL)
        endpoint->group_ttl = (uint8_t)value;
    else if (option == WEIR_OPT_GROUP_IFACE)
        endpoint->group_iface = (uint16_t)value;
    else if (option == WEIR_OPT_GROUP_LOOP)
        endpoint->group_here = value == 1;
    else
        endpoint->group_own = value == 0;
    return WEIR_OK;
}

enum weir_error endpoint_get_group(const struct endpoint *endpoint, enum weir_option option,
                                   int64_t *value)
{
    *value = option == WEIR_OPT_GROUP_TTL     ? endpoint->group_ttl
             : option == WEIR_OPT_GROUP_IFACE ? endpoint->group_iface
             : option == WEIR_OPT_GROUP_LOOP  ? endpoint->group_here
                                              : !endpoint->group_own;
    return WEIR_OK;
}

/* ---- out ---- */

/* Members on this host get it at once, as it would have come from the wire. */
static void give_here(struct weir *weir, const struct ip_send *send, const struct udp_head *udp,
                      const struct weir_ip *src, unsigned iface, weir_time now)
{
    const struct ip_packet packet = {
        .kind = IP_UDP,
        .src = *src,
        .dst = send->dst,
        .iface = iface,
        .proto = IP_PROTO_UDP,
        .ttl = send->ttl,
        .tos = send->tos,
        .v4 = weir_ip_is_v4(&send->dst),
        .group = true,
        .when = now,
    };
    unsigned given;
    if (endpoint_give_all(weir, &packet, udp, &given) > 0 && given > 0)
        weir->trace.count.datagrams_in++;
}

enum weir_error endpoint_send_group(struct weir *weir, const struct endpoint *endpoint,
                                    const struct ip_send *send, const struct udp_head *udp,
                                    uint8_t ttl, weir_time now)
{
    struct ip_send to_group = *send;
    to_group.ttl = ttl != 0 ? ttl : endpoint->group_ttl;
    if (send->scope_iface == 0)
        to_group.scope_iface = endpoint->group_iface;
    struct weir_ip src = send->src;
    struct ip_path path;
    enum weir_error error =
        ip_path_find(&weir->ip, &src, &send->dst, to_group.scope_iface, &path, now);
    if (error == WEIR_OK && to_group.ttl > 0)
        error = ip_packet_send(&weir->ip, &to_group, now);
    if (error == WEIR_OK && endpoint->group_here &&
        ip_group_is_joined(&weir->ip, path.iface, &send->dst))
        give_here(weir, &to_group, udp, &src, path.iface, now);
    return error;
}
