/* SPDX-License-Identifier: MIT */
#include "dhcp.h"

#include "base/octets.h"

#include <string.h>

/* RFC 2131, figure 1: offsets. */
#define AT_XID     4
#define AT_FLAGS   10
#define AT_CLIENT  12
#define AT_YOURS   16
#define AT_MAC     28
#define AT_COOKIE  236
#define AT_OPTIONS 240

#define BOOTREQUEST 1
#define BOOTREPLY   2
#define ETHERNET    1
#define BROADCAST   0x80 /* of the flags: we cannot be reached at an address yet */
#define LEN_LEAST   300  /* of a BOOTP message; some servers want it */

/* RFC 1035, 4.1.4: of names. */
#define POINTER    0xc0
#define LABEL_MAX  63
#define LABELS_MAX 64 /* and pointers, of one name */

/* RFC 2132. */
enum {
    OPTION_PAD = 0,
    OPTION_MASK = 1,
    OPTION_ROUTER = 3,
    OPTION_DNS = 6,
    OPTION_DOMAIN = 15,
    OPTION_REQUESTED = 50,
    OPTION_LEASE = 51,
    OPTION_TYPE = 53,
    OPTION_SERVER = 54,
    OPTION_WANTED = 55,
    OPTION_RENEW = 58,
    OPTION_REBIND = 59,
    OPTION_SEARCH = 119, /* RFC 3397 */
    OPTION_END = 255,
};

static const uint8_t cookie[4] = { 99, 130, 83, 99 };

static bool is_none(const struct weir_ip *ip)
{
    static const struct weir_ip none = { { 0 } };
    return memcmp(ip, &none, sizeof none) == 0;
}

static struct weir_ip get_ip(const uint8_t *at)
{
    static const struct weir_ip none = { { 0 } };
    return get_u32(at) == 0 ? none : weir_ip_v4(at[0], at[1], at[2], at[3]);
}

/* ---- Writing ---- */

static uint8_t *put_address(uint8_t *at, uint8_t option, const struct weir_ip *ip)
{
    if (is_none(ip))
        return at;
    *at++ = option;
    *at++ = 4;
    memcpy(at, ip->octet + 12, 4);
    return at + 4;
}

size_t dhcp_write(uint8_t *to, const struct dhcp_said *said)
{
    static const uint8_t wanted[] = { OPTION_MASK,  OPTION_ROUTER, OPTION_DNS,    OPTION_LEASE,
                                      OPTION_RENEW, OPTION_REBIND, OPTION_DOMAIN, OPTION_SEARCH };
    memset(to, 0, DHCP_MESSAGE_MAX);
    to[0] = BOOTREQUEST;
    to[1] = ETHERNET;
    to[2] = sizeof said->mac;
    for (unsigned i = 0; i < 4; i++)
        to[AT_XID + i] = (uint8_t)(said->xid >> (24 - 8 * i));
    if (is_none(&said->client))
        to[AT_FLAGS] = BROADCAST;
    else
        memcpy(to + AT_CLIENT, said->client.octet + 12, 4);
    memcpy(to + AT_MAC, said->mac, sizeof said->mac);
    memcpy(to + AT_COOKIE, cookie, sizeof cookie);
    uint8_t *at = to + AT_OPTIONS;
    *at++ = OPTION_TYPE;
    *at++ = 1;
    *at++ = (uint8_t)said->type;
    at = put_address(at, OPTION_REQUESTED, &said->requested);
    at = put_address(at, OPTION_SERVER, &said->server);
    if (said->type != DHCP_RELEASE) {
        *at++ = OPTION_WANTED;
        *at++ = sizeof wanted;
        memcpy(at, wanted, sizeof wanted);
        at += sizeof wanted;
    }
    *at++ = OPTION_END;
    const size_t len = (size_t)(at - to);
    return len > LEN_LEAST ? len : LEN_LEAST;
}

/* ---- Reading ---- */

/* Ones, and then zeros only. */
static bool read_mask(uint32_t mask, unsigned *prefix_len)
{
    *prefix_len = 0;
    while (*prefix_len < 32 && (mask >> (31 - *prefix_len) & 1) != 0)
        ++*prefix_len;
    return *prefix_len > 0 && (*prefix_len == 32 || mask << *prefix_len == 0);
}

/* What may stand in a file that others read line by line. */
static bool is_name_octet(uint8_t octet)
{
    return (octet >= 'a' && octet <= 'z') || (octet >= 'A' && octet <= 'Z') ||
           (octet >= '0' && octet <= '9') || octet == '-' || octet == '_';
}

/* The domain as text; nothing is taken of one that is no name. A search list wins. */
static void read_domain(const uint8_t *at, size_t len, struct dhcp_heard *heard)
{
    while (len > 0 && at[len - 1] == '\0')
        len--;
    for (size_t i = 0; i < len; i++)
        if (!is_name_octet(at[i]) && at[i] != '.')
            return;
    if (heard->search[0] != '\0' || len >= sizeof heard->search)
        return;
    memcpy(heard->search, at, len);
    heard->search[len] = '\0';
}

/* One name at `*from` of the option, a label after the other, some by a pointer back; the length of
 * its text, 0 for what is none. `*from` is then behind it. */
static size_t read_labels(const uint8_t *at, size_t len, size_t *from, char *to, size_t room)
{
    size_t place = *from, written = 0;
    bool jumped = false;
    for (unsigned labels = 0; labels < LABELS_MAX && place < len; labels++) {
        const uint8_t size = at[place];
        if (size == 0) {
            *from = jumped ? *from : place + 1;
            return written;
        }
        if (size >= POINTER) {
            if (place + 1 >= len)
                return 0;
            *from = jumped ? *from : place + 2;
            jumped = true;
            place = (size_t)(size & ~POINTER) << 8 | at[place + 1];
            continue;
        }
        if (size > LABEL_MAX || place + 1 + size > len || written + size + 2 > room)
            return 0;
        if (written > 0)
            to[written++] = '.';
        for (unsigned i = 0; i < size; i++) {
            if (!is_name_octet(at[place + 1 + i]))
                return 0;
            to[written++] = (char)at[place + 1 + i];
        }
        place += 1u + size;
    }
    return 0;
}

/* RFC 3397, 2. What comes behind a mistake is not believed. */
static void read_search(const uint8_t *at, size_t len, struct dhcp_heard *heard)
{
    size_t from = 0, written = 0;
    char text[DHCP_SEARCH_MAX];
    while (from < len) {
        if (written > 0)
            text[written++] = ' ';
        const size_t size = read_labels(at, len, &from, text + written, sizeof text - 1 - written);
        if (size == 0) {
            written -= written > 0;
            break;
        }
        written += size;
        if (written + 2 >= sizeof text)
            break;
    }
    if (written == 0)
        return;
    memcpy(heard->search, text, written);
    heard->search[written] = '\0';
}

/* One option; false for a length that it cannot have. */
static bool read_option(uint8_t option, const uint8_t *at, size_t len, struct dhcp_heard *heard)
{
    uint32_t *const time = option == OPTION_LEASE   ? &heard->lease
                           : option == OPTION_RENEW ? &heard->renew
                                                    : &heard->rebind;
    switch (option) {
    case OPTION_TYPE:
        heard->type = (enum dhcp_type)at[0];
        return len == 1;
    case OPTION_MASK:
        return len == 4 && read_mask(get_u32(at), &heard->prefix_len);
    case OPTION_ROUTER:
        if (len >= 4)
            heard->router = get_ip(at);
        return len >= 4 && len % 4 == 0;
    case OPTION_SERVER:
        if (len == 4)
            heard->server = get_ip(at);
        return len == 4;
    case OPTION_LEASE:
    case OPTION_RENEW:
    case OPTION_REBIND:
        if (len == 4)
            *time = get_u32(at);
        return len == 4;
    case OPTION_DNS:
        for (size_t i = 0; i + 4 <= len && heard->dns_count < DHCP_DNS_MAX; i += 4)
            heard->dns[heard->dns_count++] = get_ip(at + i);
        return len >= 4 && len % 4 == 0;
    case OPTION_DOMAIN:
        read_domain(at, len, heard);
        return true;
    case OPTION_SEARCH:
        read_search(at, len, heard);
        return true;
    default:
        return true;
    }
}

/* RFC 2131, 4.4.5: T1 is half of the lease and T2 seven eighths, if the server says nothing else.
 */
static void set_times(struct dhcp_heard *heard)
{
    const uint32_t lease = heard->lease;
    if (heard->rebind == 0 || heard->rebind >= lease)
        heard->rebind = lease - lease / 8;
    if (heard->renew == 0 || heard->renew >= heard->rebind)
        heard->renew = lease / 2 < heard->rebind ? lease / 2 : heard->rebind;
}

/* The prefix of an old class, for a server that gives no mask. */
static unsigned class_prefix(const struct weir_ip *ip)
{
    return ip->octet[12] < 128 ? 8 : ip->octet[12] < 192 ? 16 : 24;
}

bool dhcp_read(const uint8_t *from, size_t len, const uint8_t mac[6], struct dhcp_heard *heard)
{
    *heard = (struct dhcp_heard){ .prefix_len = 0 };
    if (len <= AT_OPTIONS || from[0] != BOOTREPLY || from[1] != ETHERNET || from[2] != 6 ||
        memcmp(from + AT_MAC, mac, 6) != 0 || memcmp(from + AT_COOKIE, cookie, sizeof cookie) != 0)
        return false;
    heard->xid = get_u32(from + AT_XID);
    heard->address = get_ip(from + AT_YOURS);
    size_t at = AT_OPTIONS;
    while (at < len && from[at] != OPTION_END) {
        if (from[at] == OPTION_PAD) {
            at++;
            continue;
        }
        if (at + 2 > len || from[at + 1] == 0 || at + 2 + from[at + 1] > len ||
            !read_option(from[at], from + at + 2, from[at + 1], heard))
            return false;
        at += 2u + from[at + 1];
    }
    if (heard->type == DHCP_NAK)
        return true;
    if ((heard->type != DHCP_OFFER && heard->type != DHCP_ACK) || is_none(&heard->address) ||
        is_none(&heard->server) || heard->address.octet[12] >= 224 || heard->lease == 0)
        return false;
    if (heard->prefix_len == 0)
        heard->prefix_len = class_prefix(&heard->address);
    set_times(heard);
    return true;
}
