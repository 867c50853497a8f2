/* SPDX-License-Identifier: MIT */
#include "base/csum.h"
#include "stack/parts.h"
#include "wire/icmp4.h"
#include "wire/icmp6.h"
#include "wire/udp.h"

#include <string.h>

/* UDP endpoints (RFC 768, RFC 1122, 4.1, RFC 8200, 8.1) and echo endpoints: who gets a datagram,
 * and what leaves. Both wait in the same kind of queue and are found by their port, which for echo
 * is the identifier. */

static struct endpoint *at(const struct weir *weir, uint32_t index)
{
    return pool_at(&weir->endpoints, index);
}

void endpoint_settle(struct weir *weir, uint32_t index)
{
    const struct endpoint *endpoint = at(weir, index);
    unsigned ready = WEIR_WRITABLE;
    if (endpoint->queue.count > 0 || endpoint->error != WEIR_OK)
        ready |= WEIR_READABLE;
    if (endpoint->error != WEIR_OK || endpoint->report.error != WEIR_OK)
        ready |= WEIR_ERROR;
    watch_set(weir, HANDLE_ENDPOINT, index, ready);
}

/* ---- finding ---- */

static bool has_port(const struct weir *weir, uint16_t port, bool ping)
{
    const uint32_t hash = port_hash(weir, port);
    uint32_t slot;
    for (uint32_t ref = demux_first(&weir->endpoint_ports, hash, &slot); ref != DEMUX_NONE;
         ref = demux_next(&weir->endpoint_ports, hash, &slot)) {
        const struct endpoint *endpoint = at(weir, ref - 1);
        if (endpoint->local.port == port && endpoint->ping == ping)
            return true;
    }
    return false;
}

bool endpoint_has_port(const struct weir *weir, uint16_t port)
{
    return has_port(weir, port, false);
}

static bool ping_has_id(const struct weir *weir, uint16_t id)
{
    return has_port(weir, id, true);
}

static bool is_taken(const struct weir *weir, const struct weir_addr *local, unsigned flags)
{
    const uint32_t hash = port_hash(weir, local->port);
    uint32_t slot;
    for (uint32_t ref = demux_first(&weir->endpoint_ports, hash, &slot); ref != DEMUX_NONE;
         ref = demux_next(&weir->endpoint_ports, hash, &slot)) {
        const struct endpoint *endpoint = at(weir, ref - 1);
        if (!endpoint->ping && endpoint->local.port == local->port &&
            weir_ip_equal(&endpoint->local.ip, &local->ip) &&
            endpoint->local.iface == local->iface &&
            (flags & endpoint->flags & WEIR_UDP_REUSEADDR) == 0)
            return true;
    }
    return false;
}

/* RFC 8200, 8.1; RFC 6935: who says so takes it. */
static bool lacks_sum(const struct ip_packet *packet, const struct udp_head *udp)
{
    return udp->csum == 0 && !packet->v4;
}

/* How well an endpoint fits a datagram: 0, not at all; a fixed peer counts most, then an address.
 */
static unsigned score(const struct endpoint *endpoint, const struct ip_packet *packet,
                      const struct udp_head *udp)
{
    if (endpoint->ping || endpoint->local.port != udp->dport)
        return 0;
    if (endpoint->local.iface != 0 && endpoint->local.iface != packet->iface + 1)
        return 0;
    if (packet->group && !endpoint_hears(endpoint, packet))
        return 0;
    if (lacks_sum(packet, udp) && !endpoint->no_check6)
        return 0;
    unsigned fits = 1;
    if (!ip_is_any(&endpoint->local.ip)) {
        if (!weir_ip_equal(&endpoint->local.ip, &packet->dst))
            return 0;
        fits += 2;
    } else if (weir_ip_is_v4(&endpoint->local.ip)) {
        if (!packet->v4)
            return 0;
        fits++;
    } else if ((endpoint->flags & WEIR_UDP_V6ONLY) != 0) {
        if (packet->v4)
            return 0;
        fits++;
    }
    if (endpoint->connected) {
        if (endpoint->peer.port != udp->sport || !weir_ip_equal(&endpoint->peer.ip, &packet->src))
            return 0;
        fits += 4;
    }
    return fits;
}

/* ---- in ---- */

static struct weir_datagram describe(const struct ip_packet *packet, uint16_t sport, uint16_t dport,
                                     uint32_t len)
{
    return (struct weir_datagram){
        .from = { packet->src, sport, scope_of(&packet->src, packet->iface) },
        .to = { packet->dst, dport, scope_of(&packet->dst, packet->iface) },
        .len = len,
        .when = packet->when,
        .ttl = packet->ttl,
        .tos = packet->tos,
        .seq = packet->echo_seq,
    };
}

static bool deliver(struct weir *weir, uint32_t index, const struct weir_datagram *info,
                    const uint8_t *data)
{
    if (!udp_queue_put(&at(weir, index)->queue, &weir->rings, info, data))
        return false;
    endpoint_settle(weir, index);
    return true;
}

static enum weir_drop udp_check(const struct ip_packet *packet, struct udp_head *udp)
{
    if (wire_udp_parse(packet->payload, packet->len, udp) != WIRE_OK)
        return WEIR_DROP_UDP_BAD;
    if (udp->dport == 0)
        return WEIR_DROP_UDP_PORT;
    if (udp->csum == 0 || packet->csum_ok)
        return WEIR_DROP_NONE;
    const uint32_t len = UDP_HEAD + udp->len;
    const csum32 pseudo = ip_pseudo_sum(&packet->src, &packet->dst, IP_PROTO_UDP, len);
    return csum_fold(csum_add(pseudo, packet->payload, len)) == 0 ? WEIR_DROP_NONE
                                                                  : WEIR_DROP_UDP_CSUM;
}

/* Of two that fit equally, the newest; or, where both say so, the one that the flow is spread to.
 */
static bool is_better(const struct weir *weir, uint32_t one, uint32_t best, uint32_t flow)
{
    const struct endpoint *a = at(weir, one), *b = at(weir, best);
    if ((a->flags & b->flags & WEIR_UDP_REUSEPORT) == 0)
        return a->generation > b->generation;
    return flow_share(weir, flow, a->generation) > flow_share(weir, flow, b->generation);
}

static uint32_t spread_hash(const struct weir *weir, const struct ip_packet *packet,
                            const struct udp_head *udp)
{
    const struct flow flow = {
        .local = packet->dst, .peer = packet->src, .lport = udp->dport, .rport = udp->sport
    };
    return flow_hash(weir, &flow);
}

/* RFC 1122, 4.1.3.3 and custom: everybody who fits gets one. */
unsigned endpoint_give_all(struct weir *weir, const struct ip_packet *packet,
                           const struct udp_head *udp, unsigned *given)
{
    const struct weir_datagram info = describe(packet, udp->sport, udp->dport, udp->len);
    const uint32_t hash = port_hash(weir, udp->dport);
    unsigned found = 0;
    uint32_t slot;
    *given = 0;
    for (uint32_t ref = demux_first(&weir->endpoint_ports, hash, &slot); ref != DEMUX_NONE;
         ref = demux_next(&weir->endpoint_ports, hash, &slot)) {
        if (score(at(weir, ref - 1), packet, udp) == 0)
            continue;
        found++;
        *given += deliver(weir, ref - 1, &info, udp->data);
    }
    return found;
}

/* The best fit for a datagram for one, or POOL_NONE. */
static uint32_t best_fit(const struct weir *weir, const struct ip_packet *packet,
                         const struct udp_head *udp)
{
    const uint32_t hash = port_hash(weir, udp->dport);
    uint32_t slot, best = POOL_NONE;
    unsigned best_fits = 0;
    for (uint32_t ref = demux_first(&weir->endpoint_ports, hash, &slot); ref != DEMUX_NONE;
         ref = demux_next(&weir->endpoint_ports, hash, &slot)) {
        const unsigned fits = score(at(weir, ref - 1), packet, udp);
        if (fits == 0 || fits < best_fits)
            continue;
        if (fits > best_fits || is_better(weir, ref - 1, best, spread_hash(weir, packet, udp))) {
            best_fits = fits;
            best = ref - 1;
        }
    }
    return best;
}

enum weir_drop udp_arrives(struct weir *weir, const struct ip_packet *packet, weir_time now)
{
    struct udp_head udp;
    const enum weir_drop bad = udp_check(packet, &udp);
    if (bad != WEIR_DROP_NONE)
        return bad;
    unsigned given = 0;
    bool found = false;
    if (packet->group) {
        found = endpoint_give_all(weir, packet, &udp, &given) > 0;
    } else {
        const uint32_t best = best_fit(weir, packet, &udp);
        const struct weir_datagram info = describe(packet, udp.sport, udp.dport, udp.len);
        found = best != POOL_NONE;
        given = found && deliver(weir, best, &info, udp.data);
    }
    if (!found && lacks_sum(packet, &udp))
        return WEIR_DROP_UDP_CSUM;
    if (!found) {
        ip_error_port_unreachable(&weir->ip, packet, now);
        return WEIR_DROP_UDP_PORT;
    }
    if (given == 0)
        return WEIR_DROP_UDP_FULL;
    weir->trace.count.datagrams_in++;
    return WEIR_DROP_NONE;
}

static uint32_t ping_find(const struct weir *weir, uint16_t id)
{
    const uint32_t hash = port_hash(weir, id);
    uint32_t slot;
    for (uint32_t ref = demux_first(&weir->endpoint_ports, hash, &slot); ref != DEMUX_NONE;
         ref = demux_next(&weir->endpoint_ports, hash, &slot))
        if (at(weir, ref - 1)->ping && at(weir, ref - 1)->local.port == id)
            return ref - 1;
    return POOL_NONE;
}

enum weir_drop echo_arrives(struct weir *weir, const struct ip_packet *packet)
{
    const uint32_t index = ping_find(weir, packet->echo_id);
    if (index == POOL_NONE || packet->len > UDP_DATA_MAX_V6)
        return WEIR_DROP_ICMP_NOBODY;
    const struct weir_datagram info = describe(packet, 0, packet->echo_id, packet->len);
    return deliver(weir, index, &info, packet->payload) ? WEIR_DROP_NONE : WEIR_DROP_UDP_FULL;
}

/* ---- ICMP errors ---- */

/* What the message said, from what it was taken for: one of those that mean the same. */
static void type_of(const struct ip_packet *packet, uint8_t *type, uint8_t *code)
{
    static const uint8_t four[][2] = {
        [IP_ICMP_NET_UNREACH] = { 3, 0 },    [IP_ICMP_HOST_UNREACH] = { 3, 1 },
        [IP_ICMP_PROTO_UNREACH] = { 3, 2 },  [IP_ICMP_PORT_UNREACH] = { 3, 3 },
        [IP_ICMP_TOO_BIG] = { 3, 4 },        [IP_ICMP_PROHIBITED] = { 3, 13 },
        [IP_ICMP_TIME_EXCEEDED] = { 11, 0 }, [IP_ICMP_PARAM] = { 12, 0 },
    };
    static const uint8_t six[][2] = {
        [IP_ICMP_NET_UNREACH] = { 1, 0 },   [IP_ICMP_HOST_UNREACH] = { 1, 3 },
        [IP_ICMP_PROTO_UNREACH] = { 4, 1 }, [IP_ICMP_PORT_UNREACH] = { 1, 4 },
        [IP_ICMP_TOO_BIG] = { 2, 0 },       [IP_ICMP_PROHIBITED] = { 1, 1 },
        [IP_ICMP_TIME_EXCEEDED] = { 3, 0 }, [IP_ICMP_PARAM] = { 4, 0 },
    };
    const uint8_t *pair = weir_ip_is_v4(&packet->dst) ? four[packet->icmp] : six[packet->icmp];
    *type = pair[0];
    *code = pair[1];
}

static void set_report(struct weir *weir, uint32_t index, const struct ip_packet *packet,
                       uint16_t port)
{
    struct weir_udp_report *report = &at(weir, index)->report;
    if (report->error != WEIR_OK)
        return;
    *report = (struct weir_udp_report){
        .error = icmp_error_code(packet),
        .reporter = packet->reporter,
        .to = { .ip = packet->dst, .port = port },
        .mtu = packet->mtu,
    };
    const uint32_t data = packet->len > UDP_HEAD ? packet->len - UDP_HEAD : 0;
    report->len = (uint16_t)(data < WEIR_QUOTE_MAX ? data : WEIR_QUOTE_MAX);
    memcpy(report->data, packet->payload + (data > 0 ? UDP_HEAD : 0), report->len);
    type_of(packet, &report->type, &report->code);
    endpoint_settle(weir, index);
}

bool weir_udp_report(struct weir *weir, weir_handle handle, struct weir_udp_report *report)
{
    uint32_t index;
    struct endpoint *endpoint = endpoint_of(weir, handle, &index);
    if (endpoint == NULL || endpoint->report.error == WEIR_OK)
        return false;
    *report = endpoint->report;
    endpoint->report = (struct weir_udp_report){ 0 };
    endpoint_settle(weir, index);
    return true;
}

static void set_error(struct weir *weir, uint32_t index, const struct ip_packet *packet)
{
    at(weir, index)->error = (uint8_t)icmp_error_code(packet);
    endpoint_settle(weir, index);
}

/* Only with a fixed peer is there any proof that we sent something there, and somebody who asks
 * (RFC 1122, 4.1.3.3, as Linux reads it); or with somebody who wants to hear of all. */
static bool concerns(const struct endpoint *endpoint, const struct flow *flow)
{
    if (endpoint->ping || endpoint->local.port != flow->lport)
        return false;
    if (endpoint->connected)
        return endpoint->peer.port == flow->rport && weir_ip_equal(&endpoint->peer.ip, &flow->peer);
    return (endpoint->flags & WEIR_UDP_REPORTS) != 0 &&
           (ip_is_any(&endpoint->local.ip) || weir_ip_equal(&endpoint->local.ip, &flow->local));
}

enum weir_drop endpoint_error(struct weir *weir, const struct ip_packet *packet,
                              const struct flow *flow, weir_time now)
{
    const uint32_t hash = port_hash(weir, flow->lport);
    uint32_t slot;
    for (uint32_t ref = demux_first(&weir->endpoint_ports, hash, &slot); ref != DEMUX_NONE;
         ref = demux_next(&weir->endpoint_ports, hash, &slot)) {
        const struct endpoint *endpoint = at(weir, ref - 1);
        if (!concerns(endpoint, flow))
            continue;
        if (packet->icmp == IP_ICMP_TOO_BIG)
            ip_pmtu_lower(&weir->ip, &flow->peer, packet->mtu, now);
        if ((endpoint->flags & WEIR_UDP_REPORTS) != 0)
            set_report(weir, ref - 1, packet, flow->rport);
        else
            set_error(weir, ref - 1, packet);
        return WEIR_DROP_NONE;
    }
    return WEIR_DROP_ICMP_QUOTE;
}

enum weir_drop ping_error(struct weir *weir, const struct ip_packet *packet, uint16_t id)
{
    const uint32_t index = ping_find(weir, id);
    if (index == POOL_NONE)
        return WEIR_DROP_ICMP_QUOTE;
    set_error(weir, index, packet);
    return WEIR_DROP_NONE;
}

/* ---- birth and death ---- */

static enum weir_error make(struct weir *weir, const struct weir_addr *local, bool ping,
                            unsigned flags, weir_handle *handle)
{
    const uint32_t index = pool_take(&weir->endpoints);
    if (index == POOL_NONE)
        return WEIR_NO_MEMORY;
    struct endpoint *endpoint = at(weir, index);
    *endpoint = (struct endpoint){ .local = *local, .ping = ping, .id = local->port };
    endpoint->flags = (uint8_t)flags;
    endpoint->group_here = true;
    endpoint->group_ttl = 1; /* RFC 1112, 6.1 */
    endpoint->generation = generation_next(weir);
    watch_init(&endpoint->watch);
    udp_queue_init(&endpoint->queue, &weir->rings, weir->config.udp_rcv_max);
    demux_add(&weir->endpoint_ports, port_hash(weir, local->port), index + 1);
    endpoint_settle(weir, index);
    *handle = handle_make(HANDLE_ENDPOINT, endpoint->generation, index);
    return WEIR_OK;
}

void endpoint_close(struct weir *weir, uint32_t index)
{
    struct endpoint *endpoint = at(weir, index);
    endpoint_leave_all(weir, endpoint, weir->now);
    udp_queue_clear(&endpoint->queue, &weir->rings);
    watch_clear(weir, HANDLE_ENDPOINT, index);
    demux_remove(&weir->endpoint_ports, port_hash(weir, endpoint->local.port), index + 1);
    endpoint->generation = 0;
    pool_give(&weir->endpoints, index);
    memory_look(weir);
}

enum weir_error weir_udp_open(struct weir *weir, const struct weir_addr *local, weir_handle *handle)
{
    return weir_udp_open_with(weir, local, 0, handle);
}

enum weir_error weir_udp_open_with(struct weir *weir, const struct weir_addr *local, unsigned flags,
                                   weir_handle *handle)
{
    *handle = WEIR_NO_HANDLE;
    struct weir_addr wanted = *local;
    if ((flags & WEIR_UDP_ANYWHERE) == 0 && !ip_is_any(&wanted.ip) &&
        !ip_is_local(&weir->ip, &wanted.ip) && !ip_is_group(&weir->ip, &wanted.ip))
        return WEIR_NOT_LOCAL;
    if (wanted.port == 0)
        wanted.port = port_draw(weir, endpoint_has_port);
    if (wanted.port == 0)
        return WEIR_NOT_LOCAL;
    if (is_taken(weir, &wanted, flags))
        return WEIR_IN_USE;
    return make(weir, &wanted, false, flags, handle);
}

enum weir_error weir_ping_open(struct weir *weir, weir_handle *handle)
{
    *handle = WEIR_NO_HANDLE;
    const struct weir_addr local = { .port = port_draw(weir, ping_has_id) };
    return local.port == 0 ? WEIR_NOT_LOCAL : make(weir, &local, true, 0, handle);
}

/* Whether the endpoint can speak to this address at all. */
static bool same_family(const struct endpoint *endpoint, const struct weir_ip *peer)
{
    static const struct weir_ip any = { { 0 } };
    if ((endpoint->flags & WEIR_UDP_V6ONLY) != 0 && weir_ip_is_v4(peer))
        return false;
    return weir_ip_equal(&endpoint->local.ip, &any) ||
           weir_ip_is_v4(&endpoint->local.ip) == weir_ip_is_v4(peer);
}

enum weir_error weir_udp_connect(struct weir *weir, weir_handle handle,
                                 const struct weir_addr *remote)
{
    struct endpoint *endpoint = endpoint_of(weir, handle, NULL);
    if (endpoint == NULL || endpoint->ping)
        return WEIR_BAD_HANDLE;
    /* With another peer it stays where it is, as on Linux, unless that is of the other family. */
    const bool stays =
        remote != NULL && weir_ip_is_v4(&remote->ip) == weir_ip_is_v4(&endpoint->local.ip);
    if (endpoint->placed && !stays) {
        endpoint->local.ip =
            endpoint->was_both ? (struct weir_ip){ { 0 } } : weir_ip_v4(0, 0, 0, 0);
        endpoint->placed = false;
    }
    endpoint->connected = false;
    if (remote == NULL)
        return WEIR_OK;
    if (ip_is_any(&remote->ip) || !same_family(endpoint, &remote->ip))
        return WEIR_INVALID;
    struct weir_ip src = endpoint->local.ip;
    struct ip_path path;
    if (!ip_is_group(&weir->ip, &remote->ip)) {
        const enum weir_error error =
            ip_path_find(&weir->ip, &src, &remote->ip, remote->iface, &path, weir->now);
        if (error != WEIR_OK)
            return error;
    }
    if (ip_is_any(&endpoint->local.ip)) {
        endpoint->placed = true;
        endpoint->was_both = !weir_ip_is_v4(&endpoint->local.ip);
        endpoint->local.ip = src;
    }
    endpoint->peer = *remote;
    endpoint->connected = true;
    return WEIR_OK;
}

/* ---- out ---- */

static enum weir_error take_error(struct weir *weir, uint32_t index)
{
    const enum weir_error error = (enum weir_error)at(weir, index)->error;
    if (error != WEIR_OK) {
        at(weir, index)->error = WEIR_OK;
        endpoint_settle(weir, index);
    }
    return error;
}

static struct weir_ip source_of(const struct weir *weir, const struct endpoint *endpoint)
{
    if (ip_is_group(&weir->ip, &endpoint->local.ip)) /* a group is no source */
        return (struct weir_ip){ { 0 } };
    return endpoint->local.ip;
}

enum weir_error weir_udp_send(struct weir *weir, weir_handle handle, const struct weir_addr *to,
                              const void *data, size_t len, weir_time now)
{
    const struct weir_udp_how how = { .to = to };
    return weir_udp_send_as(weir, handle, &how, data, len, now);
}

enum weir_error weir_udp_send_as(struct weir *weir, weir_handle handle,
                                 const struct weir_udp_how *how, const void *data, size_t len,
                                 weir_time now)
{
    uint32_t index;
    const struct endpoint *endpoint = endpoint_of(weir, handle, &index);
    if (endpoint == NULL || endpoint->ping)
        return WEIR_BAD_HANDLE;
    weir->now = now;
    const enum weir_error pending = take_error(weir, index);
    if (pending != WEIR_OK)
        return pending;
    if (how->to == NULL && !endpoint->connected)
        return WEIR_NOT_CONN;
    const struct weir_addr *peer = how->to != NULL ? how->to : &endpoint->peer;
    if (peer->port == 0 || !same_family(endpoint, &peer->ip))
        return WEIR_INVALID;
    if (len > (weir_ip_is_v4(&peer->ip) ? UDP_DATA_MAX_V4 : UDP_DATA_MAX_V6))
        return WEIR_TOO_LONG;
    if (!ip_is_any(&how->from) && !weir_ip_is_v4(&how->from) && !ip_is_local(&weir->ip, &how->from))
        return WEIR_NOT_LOCAL;

    ip_call_begins(&weir->ip);
    uint8_t head[UDP_HEAD];
    const uint16_t sum = !how->no_sum; /* ip writes it; 0: none, for groups on this host either */
    const struct udp_head udp = { endpoint->local.port, peer->port, sum, data, (uint32_t)len };
    const struct ip_send send = {
        .src = ip_is_any(&how->from) ? source_of(weir, endpoint) : how->from,
        .dst = peer->ip,
        .scope_iface = peer->iface,
        .proto = IP_PROTO_UDP,
        .ttl = how->ttl != 0 ? how->ttl : endpoint->ttl,
        .tos = how->tos_given ? how->tos : endpoint->tos,
        .broadcast_ok = endpoint->broadcast,
        .dont_fragment = how->whole,
        .why = WEIR_WHY_DATAGRAM,
        .head = head,
        .head_len = (uint32_t)wire_udp_emit(head, sizeof head, &udp),
        .data = data,
        .len = (uint32_t)len,
        .csum_offset = how->no_sum ? UINT16_MAX : UDP_CSUM_OFF,
        .udp_zero_rule = true,
    };
    const enum weir_error error =
        ip_is_multicast(&peer->ip) ? endpoint_send_group(weir, endpoint, &send, &udp, how->ttl, now)
                                   : ip_packet_send(&weir->ip, &send, now);
    if (error == WEIR_OK)
        weir->trace.count.datagrams_out++;
    return error;
}

enum weir_error weir_ping_send(struct weir *weir, weir_handle handle, const struct weir_ip *to,
                               uint16_t seq, const void *data, size_t len, weir_time now)
{
    uint32_t index;
    const struct endpoint *endpoint = endpoint_of(weir, handle, &index);
    if (endpoint == NULL || !endpoint->ping)
        return WEIR_BAD_HANDLE;
    weir->now = now;
    const enum weir_error pending = take_error(weir, index);
    if (pending != WEIR_OK)
        return pending;
    const bool v4 = weir_ip_is_v4(to);
    if (len > (v4 ? UDP_DATA_MAX_V4 : UDP_DATA_MAX_V6))
        return WEIR_TOO_LONG;

    ip_call_begins(&weir->ip);
    uint8_t head[ICMP_HEAD];
    const uint32_t rest = icmp_rest(endpoint->id, seq);
    const struct icmp4_head echo4 = { .type = ICMP4_ECHO, .rest = rest };
    const struct icmp6_head echo6 = { .type = ICMP6_ECHO, .rest = rest };
    const struct ip_send send = {
        .dst = *to,
        .proto = v4 ? IP_PROTO_ICMP : IP_PROTO_ICMP6,
        .ttl = endpoint->ttl != 0 ? endpoint->ttl : IP_TTL,
        .tos = endpoint->tos,
        .why = WEIR_WHY_ICMP_ECHO,
        .head = head,
        .head_len = (uint32_t)(v4 ? wire_icmp4_emit(head, sizeof head, &echo4)
                                  : wire_icmp6_emit(head, sizeof head, &echo6)),
        .data = data,
        .len = (uint32_t)len,
        .csum_offset = ICMP_CSUM_OFF,
    };
    return ip_packet_send(&weir->ip, &send, now);
}

enum weir_error weir_udp_recv(struct weir *weir, weir_handle handle, void *data, size_t room,
                              struct weir_datagram *info)
{
    uint32_t index;
    struct endpoint *endpoint = endpoint_of(weir, handle, &index);
    if (endpoint == NULL)
        return WEIR_BAD_HANDLE;
    const enum weir_error pending = take_error(weir, index);
    if (pending != WEIR_OK)
        return pending;
    if (!udp_queue_take(&endpoint->queue, &weir->rings, data, room, info))
        return WEIR_AGAIN;
    endpoint_settle(weir, index);
    memory_look(weir);
    return WEIR_OK;
}
