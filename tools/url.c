/* SPDX-License-Identifier: MIT */
#include "url.h"

#include "args.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#define HTTP_PORT 80

/* A registered name as DNS and hosts files have them; percent-encoded names are not. */
static bool is_name(const char *host)
{
    if (*host == '\0')
        return false;
    for (const char *p = host; *p != '\0'; p++)
        if (!isalnum((unsigned char)*p) && strchr("-._", *p) == NULL)
            return false;
    return true;
}

static const char *parse_host(const char *text, size_t len, struct url *url)
{
    const bool bracket = len > 0 && text[0] == '[';
    if (bracket && (len < 2 || text[len - 1] != ']'))
        return "an IPv6 address begins with [ but does not end with ]";
    const char *start = bracket ? text + 1 : text;
    const size_t host_len = bracket ? len - 2 : len;
    if (host_len == 0)
        return "it names no host";
    if (host_len >= sizeof url->host)
        return "the host name is too long";
    memcpy(url->host, start, host_len);
    url->host[host_len] = '\0';

    url->literal = weir_ip_parse(url->host, &url->ip);
    if (bracket && (!url->literal || strchr(url->host, ':') == NULL))
        return "what stands in brackets is not an IPv6 address";
    if (!bracket && !is_name(url->host))
        return "the host is neither a name nor an address (IPv6 goes in brackets)";
    return NULL;
}

static const char *parse_authority(const char *text, size_t len, struct url *url)
{
    if (memchr(text, '@', len) != NULL)
        return "user names are not supported";

    /* The colon before the port is the first one behind the host, which in brackets has its own. */
    const char *host_end = len > 0 && text[0] == '[' ? memchr(text, ']', len) : text;
    const size_t skip = host_end != NULL ? (size_t)(host_end - text) : 0;
    const char *colon = memchr(text + skip, ':', len - skip);
    const size_t host_len = colon != NULL ? (size_t)(colon - text) : len;

    url->port = HTTP_PORT;
    if (colon != NULL && host_len + 1 < len) {
        char digits[8] = "";
        const size_t digit_count = len - host_len - 1;
        uint64_t port;
        if (digit_count >= sizeof digits)
            return "the port is not a number from 1 to 65535";
        memcpy(digits, colon + 1, digit_count);
        if (!args_number(digits, 1, 65535, &port))
            return "the port is not a number from 1 to 65535";
        url->port = (uint16_t)port;
    }
    return parse_host(text, host_len, url);
}

static const char *parse_target(const char *text, struct url *url)
{
    const size_t len = strcspn(text, "#"); /* the fragment is not the server's business */
    const bool slash = text[0] == '/';
    if (len + 2 > sizeof url->target)
        return "the path is too long";
    for (size_t i = 0; i < len; i++)
        if (text[i] <= ' ' || text[i] == 0x7f || (unsigned char)text[i] >= 0x80)
            return "the path holds a character that must be written as %XX";
    url->target[0] = '/';
    memcpy(url->target + (slash ? 0 : 1), text, len);
    url->target[len + (slash ? 0 : 1)] = '\0';
    return NULL;
}

const char *url_parse(const char *text, struct url *url)
{
    if (strncasecmp(text, "https:", 6) == 0)
        return "https is not spoken, only http";
    if (strncasecmp(text, "http://", 7) != 0)
        return "it does not begin with http://";
    const char *authority = text + 7;
    const size_t authority_len = strcspn(authority, "/?#");
    const char *wrong = parse_authority(authority, authority_len, url);
    return wrong != NULL ? wrong : parse_target(authority + authority_len, url);
}

char *url_authority(const struct url *url, char text[URL_AUTHORITY_MAX])
{
    const bool v6 = strchr(url->host, ':') != NULL;
    const char *format = v6 ? "[%.255s]" : "%.255s";
    const int len = snprintf(text, URL_AUTHORITY_MAX, format, url->host);
    if (url->port != HTTP_PORT && len > 0 && len < URL_AUTHORITY_MAX)
        snprintf(text + len, (size_t)(URL_AUTHORITY_MAX - len), ":%u", url->port);
    return text;
}

/* One line: an address, then names, up to a #. */
static bool line_names(char *line, const char *name, struct weir_ip *ip)
{
    static const char space[] = " \t\r\n";
    char *rest = NULL;
    line[strcspn(line, "#")] = '\0';
    const char *address = strtok_r(line, space, &rest);
    if (address == NULL || !weir_ip_parse(address, ip))
        return false;
    for (const char *word; (word = strtok_r(NULL, space, &rest)) != NULL;)
        if (strcasecmp(word, name) == 0)
            return true;
    return false;
}

bool url_hosts_lookup(FILE *hosts, const char *name, bool v4, bool v6, struct weir_ip *ip)
{
    char line[1024];
    while (fgets(line, sizeof line, hosts) != NULL) {
        struct weir_ip candidate;
        if (!line_names(line, name, &candidate))
            continue;
        if (weir_ip_is_v4(&candidate) ? v4 : v6) {
            *ip = candidate;
            return true;
        }
    }
    return false;
}
