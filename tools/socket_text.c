/* SPDX-License-Identifier: MIT */
#include "socket_text.h"

#include "base/siphash.h"
#include "terminal.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

#define SERVICES   65536
#define NAMES_KEPT 4096

const char *socket_state_ss(const struct facts_flow *flow)
{
    static const char *const text[WEIR_STATE_COUNT] = {
        [WEIR_SYN_SENT] = "SYN-SENT",     [WEIR_SYN_RECEIVED] = "SYN-RECV",
        [WEIR_ESTABLISHED] = "ESTAB",     [WEIR_FIN_WAIT_1] = "FIN-WAIT-1",
        [WEIR_FIN_WAIT_2] = "FIN-WAIT-2", [WEIR_CLOSE_WAIT] = "CLOSE-WAIT",
        [WEIR_CLOSING] = "CLOSING",       [WEIR_LAST_ACK] = "LAST-ACK",
        [WEIR_TIME_WAIT] = "TIME-WAIT",   [WEIR_CLOSED] = "UNCONN",
        [WEIR_LISTEN] = "LISTEN",
    };
    return flow->state < WEIR_STATE_COUNT ? text[flow->state] : "UNKNOWN";
}

const char *socket_state_netstat(const struct facts_flow *flow)
{
    static const char *const text[WEIR_STATE_COUNT] = {
        [WEIR_SYN_SENT] = "SYN_SENT",       [WEIR_SYN_RECEIVED] = "SYN_RECV",
        [WEIR_ESTABLISHED] = "ESTABLISHED", [WEIR_FIN_WAIT_1] = "FIN_WAIT1",
        [WEIR_FIN_WAIT_2] = "FIN_WAIT2",    [WEIR_CLOSE_WAIT] = "CLOSE_WAIT",
        [WEIR_CLOSING] = "CLOSING",         [WEIR_LAST_ACK] = "LAST_ACK",
        [WEIR_TIME_WAIT] = "TIME_WAIT",     [WEIR_CLOSED] = "CLOSE",
        [WEIR_LISTEN] = "LISTEN",
    };
    if (flow->protocol != IPPROTO_TCP && flow->state == WEIR_CLOSED)
        return "";
    return flow->state < WEIR_STATE_COUNT ? text[flow->state] : "UNKNOWN";
}

const char *socket_protocol(const struct facts_flow *flow)
{
    switch (flow->protocol) {
    case IPPROTO_TCP:
        return "tcp";
    case IPPROTO_UDP:
        return "udp";
    case IPPROTO_ICMP:
        return "icmp";
    default:
        return "???";
    }
}

/* A million lines ask for the same few names: each is looked up once. */
const char *socket_service(uint16_t port, bool tcp)
{
    static char **names[2];
    if (names[tcp] == NULL)
        names[tcp] = calloc(SERVICES, sizeof *names[tcp]);
    if (names[tcp] == NULL)
        return NULL;
    if (names[tcp][port] == NULL) {
        const struct servent *entry = getservbyport(htons(port), tcp ? "tcp" : "udp");
        names[tcp][port] = strdup(entry != NULL ? entry->s_name : "");
    }
    return names[tcp][port] != NULL && names[tcp][port][0] != '\0' ? names[tcp][port] : NULL;
}

char *socket_port(const struct facts_flow *flow, uint16_t port, bool numeric,
                  char text[SOCKET_PORT_MAX])
{
    const char *name =
        numeric || port == 0 ? NULL : socket_service(port, flow->protocol == IPPROTO_TCP);
    if (port == 0)
        return strcpy(text, "*");
    if (name != NULL)
        return terminal_safe(name, text, SOCKET_PORT_MAX);
    char digits[8];
    unsigned len = 0, at = 0;
    for (unsigned value = port; value != 0; value /= 10)
        digits[len++] = (char)('0' + value % 10);
    while (len > 0)
        text[at++] = digits[--len];
    text[at] = '\0';
    return text;
}

static bool is_any(const struct weir_ip *ip)
{
    static const struct weir_ip any = { { 0 } };
    const struct weir_ip any4 = weir_ip_v4(0, 0, 0, 0);
    return weir_ip_equal(ip, &any) || weir_ip_equal(ip, &any4);
}

/* Interfaces have names where we are; elsewhere only numbers. */
static const char *iface_name(const struct facts_flow *flow, unsigned iface, char text[IF_NAMESIZE])
{
    if (iface == 0)
        return NULL;
    if (flow->source != FACTS_KERNEL || flow->net[0] != '\0' || if_indextoname(iface, text) == NULL)
        snprintf(text, IF_NAMESIZE, "if%u", iface);
    return text;
}

char *socket_host_ss(const struct facts_flow *flow, const struct weir_addr *addr,
                     char text[SOCKET_HOST_MAX])
{
    char ip[WEIR_IP_TEXT_MAX], name[IF_NAMESIZE];
    const bool any = is_any(&addr->ip);
    const char *iface = addr == &flow->local || !any ? iface_name(flow, addr->iface, name) : NULL;
    if (any && flow->v6)
        snprintf(ip, sizeof ip, flow->v6only ? "[::]" : "*");
    else if (flow->v6 && weir_ip_is_v4(&addr->ip))
        snprintf(ip, sizeof ip, "[::ffff:%u.%u.%u.%u]", addr->ip.octet[12], addr->ip.octet[13],
                 addr->ip.octet[14], addr->ip.octet[15]);
    else if (any)
        snprintf(ip, sizeof ip, "0.0.0.0");
    else
        weir_ip_text(&addr->ip, ip);
    const bool brackets = ip[0] != '[' && strchr(ip, ':') != NULL;
    if (!brackets && iface == NULL)
        return strcpy(text, ip);
    snprintf(text, SOCKET_HOST_MAX, "%s%s%s%s%s", brackets ? "[" : "", ip, brackets ? "]" : "",
             iface != NULL ? "%" : "", iface != NULL ? iface : "");
    return text;
}

char *socket_time_ss(int64_t ns, char text[SOCKET_TIME_MAX])
{
    const int64_t ms = ns / WEIR_MS;
    int64_t minutes = ms / 60000, seconds = ms / 1000 % 60, rest = ms % 1000;
    if (minutes > 9)
        seconds = 0;
    if (minutes > 0 || seconds > 9)
        rest = 0;
    size_t len = 0;
    text[0] = '\0';
    if (minutes > 0)
        len += (size_t)snprintf(text, SOCKET_TIME_MAX, "%lldmin", (long long)minutes);
    if (seconds > 0)
        len += (size_t)snprintf(text + len, SOCKET_TIME_MAX - len, "%lld%s", (long long)seconds,
                                rest > 0 ? "." : "sec");
    if (rest > 0)
        snprintf(text + len, SOCKET_TIME_MAX - len, "%03lldms", (long long)rest);
    return text;
}

char *socket_duration(int64_t ns, char text[SOCKET_TIME_MAX])
{
    const long long us = ns / WEIR_US, ms = ns / WEIR_MS, seconds = ns / WEIR_SECOND;
    if (ms < 1)
        snprintf(text, SOCKET_TIME_MAX, "%lldus", us);
    else if (seconds < 1)
        snprintf(text, SOCKET_TIME_MAX, "%lldms", ms);
    else if (seconds < 60)
        snprintf(text, SOCKET_TIME_MAX, "%lld.%03llds", seconds, ms % 1000);
    else if (seconds < 600)
        snprintf(text, SOCKET_TIME_MAX, "%lldmin%llds", seconds / 60, seconds % 60);
    else
        snprintf(text, SOCKET_TIME_MAX, "%lldmin", seconds / 60);
    return text;
}

/* A resolver that does not answer takes seconds, and a million lines name the same few hosts: what
 * it said is kept, at the one place that an address can have. */
static const char *host_name(const struct weir_ip *ip)
{
    static const struct siphash_key key = { 0, 0 };
    static struct {
        struct weir_ip ip;
        bool known;
        char name[SOCKET_HOST_MAX]; /* "": it has none */
    } kept[NAMES_KEPT];
    char name[NI_MAXHOST];
    struct sockaddr_in in = { .sin_family = AF_INET };
    struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };
    const bool v4 = weir_ip_is_v4(ip);
    const size_t at = (size_t)(siphash13(&key, ip, sizeof *ip) % NAMES_KEPT);
    if (kept[at].known && weir_ip_equal(&kept[at].ip, ip))
        return kept[at].name;
    memcpy(&in.sin_addr, ip->octet + 12, 4);
    memcpy(&in6.sin6_addr, ip->octet, 16);
    const struct sockaddr *address = v4 ? (const void *)&in : (const void *)&in6;
    const int error =
        getnameinfo(address, v4 ? sizeof in : sizeof in6, name, sizeof name, NULL, 0, NI_NAMEREQD);
    kept[at].ip = *ip;
    kept[at].known = true;
    terminal_safe(error == 0 ? name : "", kept[at].name, sizeof kept[at].name);
    return kept[at].name;
}

char *socket_resolve(const struct weir_ip *ip, char text[SOCKET_HOST_MAX])
{
    const char *name = is_any(ip) ? "" : host_name(ip);
    return name[0] != '\0' ? strcpy(text, name) : weir_ip_text(ip, text);
}
