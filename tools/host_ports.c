/* SPDX-License-Identifier: MIT */
#include "host_ports.h"

#include <stdio.h>
#include <string.h>

#define TEXT_MAX 80 /* an address in brackets, two ports, "/udp" */

static bool refuse(char why[HOST_PORTS_WHY_MAX], const char *what, const char *text)
{
    snprintf(why, HOST_PORTS_WHY_MAX, "%s: %.120s", what, text);
    return false;
}

static bool too_many(char why[HOST_PORTS_WHY_MAX], unsigned most, const char *text)
{
    snprintf(why, HOST_PORTS_WHY_MAX, "more than %u ports: %.120s", most, text);
    return false;
}

/* A port at `*at`, which is then behind it. */
static bool take_port(const char **at, uint16_t *port)
{
    uint32_t value = 0;
    if (**at < '0' || **at > '9')
        return false;
    for (; **at >= '0' && **at <= '9'; (*at)++) {
        value = value * 10 + (uint32_t)(**at - '0');
        if (value > UINT16_MAX)
            return false;
    }
    *port = (uint16_t)value;
    return value != 0;
}

/* ---- --publish ---- */

/* The address before the ports, if there is one; "[...]" for one of IPv6. */
static bool take_address(const char **at, struct host_publish *publish)
{
    char address[TEXT_MAX];
    const bool brackets = **at == '[';
    const char *begin = *at + brackets;
    const char *end = brackets ? strchr(begin, ']') : strchr(begin, ':');
    if (end == NULL || (brackets ? end[1] != ':' : strchr(end + 1, ':') == NULL))
        return !brackets;
    memcpy(address, begin, (size_t)(end - begin));
    address[end - begin] = '\0';
    publish->ip_given = true;
    *at = end + 1 + brackets;
    return weir_ip_parse(address, &publish->ip) && weir_ip_is_v4(&publish->ip) == !brackets;
}

static bool same_door(const struct host_publish *a, const struct host_publish *b)
{
    if (a->host_port != b->host_port || a->udp != b->udp)
        return false;
    return a->ip_given == b->ip_given && (!a->ip_given || weir_ip_equal(&a->ip, &b->ip));
}

bool host_ports_publish(struct host_ports *ports, const char *text, char why[HOST_PORTS_WHY_MAX])
{
    struct host_publish publish = { .udp = false };
    const char *at = text;
    if (strlen(text) >= TEXT_MAX || !take_address(&at, &publish) ||
        !take_port(&at, &publish.host_port) || *at++ != ':' || !take_port(&at, &publish.port))
        return refuse(why, "not [ADDR:]HOSTPORT:PORT[/udp]", text);
    publish.udp = strcmp(at, "/udp") == 0;
    if (!publish.udp && *at != '\0' && strcmp(at, "/tcp") != 0)
        return refuse(why, "not [ADDR:]HOSTPORT:PORT[/udp]", text);
    for (unsigned i = 0; i < ports->publish_count; i++)
        if (same_door(&ports->publish[i], &publish))
            return refuse(why, "the port of the host is given twice", text);
    if (ports->publish_count == HOST_PUBLISH_MAX)
        return too_many(why, HOST_PUBLISH_MAX, text);
    ports->publish[ports->publish_count++] = publish;
    return true;
}

/* ---- --host-loopback ---- */

static bool is_there(const struct host_ports *ports, uint16_t port)
{
    for (unsigned i = 0; i < ports->loopback_count; i++)
        if (ports->loopback[i] == port)
            return true;
    return false;
}

static bool add_range(struct host_ports *ports, uint16_t first, uint16_t last)
{
    for (uint32_t port = first; port <= last; port++) {
        if (is_there(ports, (uint16_t)port))
            continue;
        if (ports->loopback_count == HOST_LOOPBACK_MAX)
            return false;
        ports->loopback[ports->loopback_count++] = (uint16_t)port;
    }
    return true;
}

bool host_ports_loopback(struct host_ports *ports, const char *text, char why[HOST_PORTS_WHY_MAX])
{
    struct host_ports changed = *ports;
    const char *at = text;
    for (;;) {
        uint16_t first, last;
        if (!take_port(&at, &first))
            break;
        last = first;
        if (*at == '-' && (at++, !take_port(&at, &last) || last < first))
            break;
        if (!add_range(&changed, first, last))
            return too_many(why, HOST_LOOPBACK_MAX, text);
        if (*at == '\0') {
            *ports = changed;
            return true;
        }
        if (*at++ != ',')
            break;
    }
    return refuse(why, "not PORT[,PORT|FIRST-LAST]", text);
}
