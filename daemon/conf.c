/* SPDX-License-Identifier: MIT */
#include "conf.h"

#include "tools/sysctl_table.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>

#define SPACE     " \t\r\n"
#define UDP_MAX   4096 /* UDP sockets of programs that have a port */
#define LISTENERS 1024 /* of all programs together */

__attribute__((format(printf, 2, 3))) static bool refuse(char why[CONF_WHY_MAX], const char *format,
                                                         ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(why, CONF_WHY_MAX, format, args);
    va_end(args);
    return false;
}

static const char *const key_names[CONF_KEYS] = {
    [CONF_DEV] = "dev",     [CONF_ADDR] = "addr",       [CONF_GATEWAY] = "gateway",
    [CONF_ROUTE] = "route", [CONF_DNS] = "dns",         [CONF_SOCKET] = "socket",
    [CONF_USER] = "user",   [CONF_SYSCTL] = "sysctl",   [CONF_LIMIT] = "limit",
    [CONF_QUOTA] = "quota", [CONF_PUBLISH] = "publish", [CONF_HOST_LOOPBACK] = "host-loopback",
};

void conf_init(struct conf *conf)
{
    *conf = (struct conf){ .dev = "" };
    weir_config_default(&conf->weir);
    conf->weir.udp_max = UDP_MAX;
    conf->weir.listener_max = LISTENERS;
}

/* ---- words ---- */

static bool parse_number(const char *text, uint64_t max, uint64_t *number)
{
    uint64_t value = 0;
    if (*text == '\0')
        return false;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9' || value > (UINT64_MAX - 9) / 10)
            return false;
        value = value * 10 + (uint64_t)(*text - '0');
    }
    *number = value;
    return value <= max;
}

/* "192.0.2.1/24"; the length must be there. */
static bool parse_prefix(const char *text, struct conf_prefix *prefix)
{
    char address[WEIR_IP_TEXT_MAX];
    const char *slash = strchr(text, '/');
    uint64_t len;
    if (slash == NULL || (size_t)(slash - text) >= sizeof address)
        return false;
    memcpy(address, text, (size_t)(slash - text));
    address[slash - text] = '\0';
    if (!weir_ip_parse(address, &prefix->ip) ||
        !parse_number(slash + 1, weir_ip_is_v4(&prefix->ip) ? 32 : 128, &len))
        return false;
    prefix->len = (unsigned)len;
    return true;
}

/* Cuts `text` into words; returns how many there are, at most `max` + 1. */
static unsigned split(char *text, char *word[], unsigned max)
{
    unsigned count = 0;
    char *rest = NULL;
    for (char *w = strtok_r(text, SPACE, &rest); w != NULL; w = strtok_r(NULL, SPACE, &rest)) {
        if (count == max)
            return max + 1;
        word[count++] = w;
    }
    return count;
}

static bool is_one_of(const struct conf_prefix *prefix, const struct weir_ip *ip)
{
    if (weir_ip_is_v4(&prefix->ip) != weir_ip_is_v4(ip))
        return false;
    const unsigned bits = prefix->len + (weir_ip_is_v4(ip) ? 96 : 0);
    for (unsigned i = 0; i < bits; i++)
        if (((prefix->ip.octet[i / 8] ^ ip->octet[i / 8]) >> (7 - i % 8) & 1) != 0)
            return false;
    return true;
}

/* ---- keys ---- */

static bool take_text(char to[CONF_TEXT_MAX], const char *value, char why[CONF_WHY_MAX])
{
    if (strpbrk(value, SPACE) != NULL)
        return refuse(why, "one word is wanted, not '%s'", value);
    if (to[0] != '\0')
        return refuse(why, "given twice: %s and %s", to, value);
    if (strlen(value) >= CONF_TEXT_MAX)
        return refuse(why, "longer than %d characters", CONF_TEXT_MAX - 1);
    memcpy(to, value, strlen(value) + 1);
    return true;
}

static bool take_from_net(bool *from_net, const char *value, char why[CONF_WHY_MAX])
{
    if (*from_net)
        return refuse(why, "given twice: %s", value);
    *from_net = true;
    return true;
}

static bool take_addr(struct conf *conf, const char *value, char why[CONF_WHY_MAX])
{
    struct conf_prefix addr;
    if (strcmp(value, "dhcp") == 0)
        return take_from_net(&conf->dhcp, value, why);
    if (strcmp(value, "slaac") == 0)
        return take_from_net(&conf->slaac, value, why);
    if (!parse_prefix(value, &addr))
        return refuse(why, "not an address with a prefix length (192.0.2.1/24): %s", value);
    if (conf->addr_count == CONF_ADDRS_MAX)
        return refuse(why, "more than %d addresses", CONF_ADDRS_MAX);
    for (unsigned i = 0; i < conf->addr_count; i++)
        if (weir_ip_equal(&conf->addr[i].ip, &addr.ip))
            return refuse(why, "given twice: %s", value);
    conf->addr[conf->addr_count++] = addr;
    return true;
}

static bool take_gateway(struct conf *conf, const char *value, char why[CONF_WHY_MAX])
{
    struct weir_ip ip;
    if (!weir_ip_parse(value, &ip))
        return refuse(why, "not an address: %s", value);
    const unsigned family = weir_ip_is_v4(&ip) ? 0 : 1;
    if (conf->has_gateway[family])
        return refuse(why, "a second one for the same family: %s", value);
    conf->gateway[family] = ip;
    conf->has_gateway[family] = true;
    return true;
}

static bool take_route(struct conf *conf, const char *value, char why[CONF_WHY_MAX])
{
    char text[CONF_LINE_MAX], *word[3];
    struct conf_route route = { .has_gateway = false };
    snprintf(text, sizeof text, "%s", value);
    const unsigned count = split(text, word, 3);
    if ((count != 1 && count != 3) || (count == 3 && strcmp(word[1], "via") != 0))
        return refuse(why, "'PREFIX via GATEWAY' or 'PREFIX' is wanted, not '%s'", value);
    if (!parse_prefix(word[0], &route.to))
        return refuse(why, "not a prefix (10.0.0.0/8): %s", word[0]);
    if (count == 3) {
        route.has_gateway = true;
        if (!weir_ip_parse(word[2], &route.gateway))
            return refuse(why, "not an address: %s", word[2]);
        if (weir_ip_is_v4(&route.gateway) != weir_ip_is_v4(&route.to.ip))
            return refuse(why, "the gateway is of another family: %s", value);
    }
    if (conf->route_count == CONF_ROUTES_MAX)
        return refuse(why, "more than %d routes", CONF_ROUTES_MAX);
    conf->route[conf->route_count++] = route;
    return true;
}

static bool take_dns(struct conf *conf, const char *value, char why[CONF_WHY_MAX])
{
    struct weir_ip ip;
    if (!weir_ip_parse(value, &ip))
        return refuse(why, "not an address: %s", value);
    if (conf->dns_count == CONF_DNS_MAX)
        return refuse(why, "more than %d name servers", CONF_DNS_MAX);
    conf->dns[conf->dns_count++] = ip;
    return true;
}

static bool take_sysctl(struct conf *conf, const char *value, char why[CONF_WHY_MAX])
{
    char name[CONF_LINE_MAX], wrong[SYSCTL_WHY_MAX];
    const char *equals = strchr(value, '=');
    if (equals == NULL)
        return refuse(why, "'NAME = VALUE' is wanted, not '%s'", value);
    size_t len = (size_t)(equals - value);
    while (len > 0 && strchr(SPACE, value[len - 1]) != NULL)
        len--;
    snprintf(name, sizeof name, "%.*s", (int)len, value);
    return sysctl_apply(&conf->weir, name, equals + 1, wrong) || refuse(why, "%s", wrong);
}

/* The limits that are counts; times and switches have names in `sysctl`. */
#define LIMIT(name)                               \
    {                                             \
#name, offsetof(struct weir_config, name) \
    }
static const struct {
    const char *name;
    size_t offset;
} limits[] = {
    LIMIT(tcp_max),        LIMIT(listener_max),    LIMIT(synq_max),       LIMIT(tw_max),
    LIMIT(flight_max),     LIMIT(bbr_max),         LIMIT(sent_block_max), LIMIT(udp_max),
    LIMIT(neigh_max),      LIMIT(route_max),       LIMIT(address_max),    LIMIT(iface_max),
    LIMIT(frag_max),       LIMIT(frag_octets_max), LIMIT(group_max),      LIMIT(pmtu_max),
    LIMIT(ring_chunk),     LIMIT(ring_chunks),     LIMIT(reply_octets),   LIMIT(trace_flow),
    LIMIT(trace_story),    LIMIT(event_batch),     LIMIT(rcv_min),        LIMIT(rcv_max),
    LIMIT(snd_min),        LIMIT(snd_max),         LIMIT(udp_rcv_max),    LIMIT(ranges_max),
    LIMIT(output_quantum), LIMIT(somaxconn),       LIMIT(known_max),      LIMIT(extra_max),
    LIMIT(tally_max),      LIMIT(landing_min),
};

static bool take_limit(struct conf *conf, const char *value, char why[CONF_WHY_MAX])
{
    char text[CONF_LINE_MAX], *word[2];
    uint64_t number;
    snprintf(text, sizeof text, "%s", value);
    if (split(text, word, 2) != 2 || !parse_number(word[1], UINT32_MAX, &number))
        return refuse(why, "'NAME NUMBER' is wanted, not '%s'", value);
    for (unsigned i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        if (strcmp(limits[i].name, word[0]) != 0)
            continue;
        struct weir_config changed = conf->weir;
        const uint32_t limit = (uint32_t)number;
        memcpy((uint8_t *)&changed + limits[i].offset, &limit, sizeof limit);
        if (weir_memory_size(&changed) == 0)
            return refuse(why, "%s %s makes no sense, or not with the other limits", word[0],
                          word[1]);
        conf->weir = changed;
        return true;
    }
    return refuse(why, "no such limit: %s", word[0]);
}

static bool take_quota(struct conf *conf, const char *value, char why[CONF_WHY_MAX])
{
    char text[CONF_LINE_MAX], *word[2];
    uint64_t number;
    snprintf(text, sizeof text, "%s", value);
    if (split(text, word, 2) != 2 || !parse_number(word[1], UINT32_MAX, &number) || number == 0)
        return refuse(why, "'sockets NUMBER', 'udp NUMBER' or 'calls NUMBER' is wanted, not '%s'",
                      value);
    if (strcmp(word[0], "sockets") == 0)
        conf->quota_sockets = (uint32_t)number;
    else if (strcmp(word[0], "udp") == 0)
        conf->quota_udp = (uint32_t)number;
    else if (strcmp(word[0], "calls") == 0)
        conf->quota_calls = (uint32_t)number;
    else
        return refuse(why, "no such quota: %s", word[0]);
    return true;
}

static void forget(struct conf *conf, enum conf_key key)
{
    switch (key) {
    case CONF_DEV:
        conf->dev[0] = '\0';
        break;
    case CONF_ADDR:
        conf->addr_count = 0;
        conf->dhcp = conf->slaac = false;
        break;
    case CONF_GATEWAY:
        conf->has_gateway[0] = conf->has_gateway[1] = false;
        break;
    case CONF_ROUTE:
        conf->route_count = 0;
        break;
    case CONF_DNS:
        conf->dns_count = 0;
        break;
    case CONF_SOCKET:
        conf->socket[0] = '\0';
        break;
    case CONF_USER:
        conf->user[0] = '\0';
        break;
    case CONF_PUBLISH:
        conf->ports.publish_count = 0;
        break;
    case CONF_HOST_LOOPBACK:
        conf->ports.loopback_count = 0;
        break;
    default: /* settings and limits add up: a later one replaces an earlier one of its name */
        break;
    }
}

static bool take(struct conf *conf, enum conf_key key, const char *value, char why[CONF_WHY_MAX])
{
    switch (key) {
    case CONF_DEV:
        return take_text(conf->dev, value, why);
    case CONF_ADDR:
        return take_addr(conf, value, why);
    case CONF_GATEWAY:
        return take_gateway(conf, value, why);
    case CONF_ROUTE:
        return take_route(conf, value, why);
    case CONF_DNS:
        return take_dns(conf, value, why);
    case CONF_SOCKET:
        return take_text(conf->socket, value, why);
    case CONF_USER:
        return take_text(conf->user, value, why);
    case CONF_SYSCTL:
        return take_sysctl(conf, value, why);
    case CONF_LIMIT:
        return take_limit(conf, value, why);
    case CONF_QUOTA:
        return take_quota(conf, value, why);
    case CONF_PUBLISH:
        return host_ports_publish(&conf->ports, value, why);
    case CONF_HOST_LOOPBACK:
        return host_ports_loopback(&conf->ports, value, why);
    default:
        return refuse(why, "no such key");
    }
}

bool conf_take(struct conf *conf, enum conf_key key, const char *value, enum conf_source source,
               char why[CONF_WHY_MAX])
{
    if (*value == '\0')
        return refuse(why, "a value is missing");
    if (source == CONF_FLAG && !conf->flagged[key]) {
        forget(conf, key);
        conf->flagged[key] = true;
    }
    const bool adds_up = key == CONF_SYSCTL || key == CONF_LIMIT;
    if (source == CONF_FILE && conf->flagged[key] && !adds_up) {
        struct conf aside; /* checked all the same: a mistake in a file is a mistake */
        conf_init(&aside);
        return take(&aside, key, value, why);
    }
    return take(conf, key, value, why);
}

/* ---- files ---- */

/* Takes off a comment and the space around. A '#' within a word is part of it. */
static char *strip(char *line)
{
    line += strspn(line, SPACE);
    for (char *at = line; *at != '\0'; at++) {
        if (*at == '#' && (at == line || strchr(SPACE, at[-1]) != NULL)) {
            *at = '\0';
            break;
        }
    }
    size_t len = strlen(line);
    while (len > 0 && strchr(SPACE, line[len - 1]) != NULL)
        line[--len] = '\0';
    return line;
}

static bool take_line(struct conf *conf, char *line, char why[CONF_WHY_MAX])
{
    char wrong[CONF_WHY_MAX];
    char *key = strip(line);
    if (*key == '\0')
        return true;
    char *value = key + strcspn(key, SPACE);
    if (*value != '\0')
        *value++ = '\0';
    value += strspn(value, SPACE);
    for (unsigned i = 0; i < CONF_KEYS; i++) {
        if (strcmp(key, key_names[i]) != 0)
            continue;
        return conf_take(conf, (enum conf_key)i, value, CONF_FILE, wrong) ||
               refuse(why, "%s: %.*s", key, CONF_WHY_MAX - 64, wrong);
    }
    return refuse(why, "no such key: %s", key);
}

bool conf_read_stream(struct conf *conf, FILE *file, const char *name, char why[CONF_WHY_MAX])
{
    char line[CONF_LINE_MAX], wrong[CONF_WHY_MAX];
    for (unsigned number = 1; fgets(line, sizeof line, file) != NULL; number++) {
        const bool cut = strchr(line, '\n') == NULL && strlen(line) + 1 == sizeof line;
        if (cut)
            return refuse(why, "%s:%u: the line is too long", name, number);
        if (!take_line(conf, line, wrong))
            return refuse(why, "%s:%u: %s", name, number, wrong);
    }
    return !ferror(file) || refuse(why, "%s: %s", name, strerror(errno));
}

bool conf_read(struct conf *conf, const char *path, char why[CONF_WHY_MAX])
{
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return refuse(why, "%s: %s", path, strerror(errno));
    const bool good = conf_read_stream(conf, file, path, why);
    fclose(file);
    return good;
}

bool conf_check(const struct conf *conf, char why[CONF_WHY_MAX])
{
    if (conf->dev[0] == '\0')
        return refuse(why, "dev is missing");
    for (unsigned family = 0; family < 2; family++) {
        const struct weir_ip *gateway = &conf->gateway[family];
        char text[WEIR_IP_TEXT_MAX];
        bool on_link = !conf->has_gateway[family];
        /* fe80::/10 is on every link. */
        on_link = on_link || (gateway->octet[0] == 0xfe && (gateway->octet[1] & 0xc0) == 0x80);
        for (unsigned i = 0; i < conf->addr_count && !on_link; i++)
            on_link = is_one_of(&conf->addr[i], gateway);
        if (!on_link)
            return refuse(why, "gateway %s is in the prefix of no addr",
                          weir_ip_text(gateway, text));
    }
    return true;
}
