/* SPDX-License-Identifier: MIT */
#include "dns.h"

#include "args.h"
#include "base/octets.h"

#include <ares.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define HEADER_LEN 12

static const struct {
    const char *name;
    unsigned type;
} types[] = {
    { "A", DNS_A },     { "NS", DNS_NS },   { "CNAME", DNS_CNAME }, { "SOA", DNS_SOA },
    { "PTR", DNS_PTR }, { "MX", DNS_MX },   { "TXT", DNS_TXT },     { "AAAA", DNS_AAAA },
    { "SRV", DNS_SRV }, { "ANY", DNS_ANY }, { "CAA", DNS_CAA },     { "HINFO", 13 },
    { "NAPTR", 35 },    { "DS", 43 },       { "RRSIG", 46 },        { "DNSKEY", 48 },
    { "TLSA", 52 },     { "SVCB", 64 },     { "HTTPS", 65 },        { "OPT", 41 },
};

const char *dns_type_text(unsigned type, char text[16])
{
    for (unsigned i = 0; i < sizeof types / sizeof types[0]; i++)
        if (types[i].type == type)
            return types[i].name;
    snprintf(text, 16, "TYPE%u", type & 0xffff);
    return text;
}

unsigned dns_type_number(const char *text)
{
    uint64_t number;
    for (unsigned i = 0; i < sizeof types / sizeof types[0]; i++)
        if (strcasecmp(types[i].name, text) == 0)
            return types[i].type;
    if (strncasecmp(text, "TYPE", 4) == 0 && args_number(text + 4, 1, UINT16_MAX, &number))
        return (unsigned)number;
    return 0;
}

const char *dns_rcode_text(unsigned rcode, char text[16])
{
    static const char *const names[] = {
        "NOERROR",  "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP",  "REFUSED",
        "YXDOMAIN", "YXRRSET", "NXRRSET",  "NOTAUTH",  "NOTZONE",
    };
    if (rcode < sizeof names / sizeof names[0])
        return names[rcode];
    snprintf(text, 16, "RESERVED%u", rcode & 15);
    return text;
}

bool dns_reverse(const char *address, char text[DNS_REVERSE_MAX])
{
    struct weir_ip ip;
    if (!weir_ip_parse(address, &ip))
        return false;
    if (weir_ip_is_v4(&ip)) {
        const uint8_t *at = ip.octet + 12;
        snprintf(text, DNS_REVERSE_MAX, "%u.%u.%u.%u.in-addr.arpa", at[3], at[2], at[1], at[0]);
        return true;
    }
    size_t len = 0;
    for (unsigned i = 16; i-- > 0;)
        len += (size_t)snprintf(text + len, DNS_REVERSE_MAX - len, "%x.%x.", ip.octet[i] & 15,
                                ip.octet[i] >> 4);
    snprintf(text + len, DNS_REVERSE_MAX - len, "ip6.arpa");
    return true;
}

/* ---- A message ---- */

bool dns_take(struct dns_answer *answer, const uint8_t *message, size_t len)
{
    if (len < HEADER_LEN || len > DNS_MESSAGE_MAX)
        return false;
    answer->len = len;
    memcpy(answer->message, message, len);
    answer->id = get_u16(message);
    answer->flags = get_u16(message + 2);
    answer->rcode = answer->flags & 15;
    for (unsigned i = 0; i < DNS_SECTIONS; i++)
        answer->count[i] = get_u16(message + 6 + 2 * i);
    return true;
}

/* ---- Records ---- */

struct reader {
    const struct dns_answer *answer;
    const uint8_t *at, *end; /* of the message, or of a record's data */
    bool damaged;
};

static unsigned take(struct reader *reader, unsigned octets)
{
    unsigned value = 0;
    if ((size_t)(reader->end - reader->at) < octets) {
        reader->damaged = true;
        return 0;
    }
    while (octets-- > 0)
        value = value << 8 | *reader->at++;
    return value;
}

/* A name with its final dot. */
static void take_name(struct reader *reader, char text[DNS_NAME_MAX])
{
    char *name = NULL;
    long len = 0;
    text[0] = '\0';
    if (reader->damaged || reader->at >= reader->end ||
        ares_expand_name(reader->at, reader->answer->message, (int)reader->answer->len, &name,
                         &len) != ARES_SUCCESS) {
        reader->damaged = true;
        return;
    }
    size_t out = 0;
    for (const unsigned char *at = (const unsigned char *)name;
         *at != '\0' && out + 6 < DNS_NAME_MAX; at++)
        if (*at > 0x20 && *at < 0x7f)
            text[out++] = (char)*at;
        else
            out += (size_t)snprintf(text + out, 5, "\\%03u", *at);
    text[out++] = '.';
    text[out] = '\0';
    ares_free_string(name);
    reader->at += len;
    reader->damaged = reader->damaged || reader->at > reader->end;
}

/* One or more strings, each in quotes. */
static void take_strings(struct reader *reader, char *text, bool only_one)
{
    size_t out = 0;
    do {
        unsigned len = only_one ? (unsigned)(reader->end - reader->at) : take(reader, 1);
        out += (size_t)snprintf(text + out, DNS_RDATA_MAX - out, out > 0 ? " \"" : "\"");
        for (; len > 0 && !reader->damaged; len--) {
            const unsigned octet = take(reader, 1);
            if (out + 16 > DNS_RDATA_MAX) {
                snprintf(text + out, DNS_RDATA_MAX - out, "...\"");
                return;
            }
            const char *format = octet < 0x20 || octet > 0x7e    ? "\\%03u"
                                 : octet == '"' || octet == '\\' ? "\\%c"
                                                                 : "%c";
            out += (size_t)snprintf(text + out, DNS_RDATA_MAX - out, format, octet);
        }
        out += (size_t)snprintf(text + out, DNS_RDATA_MAX - out, "\"");
    } while (!only_one && reader->at < reader->end && !reader->damaged);
}

static void take_address(struct reader *reader, char *text, unsigned octets)
{
    struct weir_ip ip = weir_ip_v4(0, 0, 0, 0);
    char ip_text[WEIR_IP_TEXT_MAX];
    for (unsigned i = 16 - octets; i < 16; i++)
        ip.octet[i] = (uint8_t)take(reader, 1);
    snprintf(text, DNS_RDATA_MAX, "%s", weir_ip_text(&ip, ip_text));
}

static void take_soa(struct reader *reader, char *text)
{
    char primary[DNS_NAME_MAX], mail[DNS_NAME_MAX];
    unsigned number[5];
    take_name(reader, primary);
    take_name(reader, mail);
    for (unsigned i = 0; i < 5; i++)
        number[i] = take(reader, 4);
    snprintf(text, DNS_RDATA_MAX, "%s %s %u %u %u %u %u", primary, mail, number[0], number[1],
             number[2], number[3], number[4]);
}

/* RFC 3597: what is not known, as octets. */
static void take_unknown(struct reader *reader, char *text)
{
    size_t out =
        (size_t)snprintf(text, DNS_RDATA_MAX, "\\# %zu ", (size_t)(reader->end - reader->at));
    while (reader->at < reader->end && out + 8 < DNS_RDATA_MAX)
        out += (size_t)snprintf(text + out, DNS_RDATA_MAX - out, "%02X", *reader->at++);
    if (reader->at < reader->end)
        snprintf(text + out, DNS_RDATA_MAX - out, "...");
}

static void take_data(struct reader *reader, unsigned type, char *text)
{
    char name[DNS_NAME_MAX];
    unsigned number[3];
    switch (type) {
    case DNS_A:
        take_address(reader, text, 4);
        return;
    case DNS_AAAA:
        take_address(reader, text, 16);
        return;
    case DNS_NS:
    case DNS_CNAME:
    case DNS_PTR:
        take_name(reader, name);
        snprintf(text, DNS_RDATA_MAX, "%s", name);
        return;
    case DNS_MX:
        number[0] = take(reader, 2);
        take_name(reader, name);
        snprintf(text, DNS_RDATA_MAX, "%u %s", number[0], name);
        return;
    case DNS_SRV:
        for (unsigned i = 0; i < 3; i++)
            number[i] = take(reader, 2);
        take_name(reader, name);
        snprintf(text, DNS_RDATA_MAX, "%u %u %u %s", number[0], number[1], number[2], name);
        return;
    case DNS_SOA:
        take_soa(reader, text);
        return;
    case DNS_TXT:
        take_strings(reader, text, false);
        return;
    default:
        take_unknown(reader, text);
        return;
    }
}

bool dns_records(const struct dns_answer *answer, dns_record_fn *on_record, void *user)
{
    struct dns_record record;
    struct reader reader = { .answer = answer,
                             .at = answer->message + HEADER_LEN,
                             .end = answer->message + answer->len };
    for (unsigned i = get_u16(answer->message + 4); i > 0 && !reader.damaged; i--) {
        take_name(&reader, record.name);
        take(&reader, 4);
    }
    for (unsigned section = 0; section < DNS_SECTIONS; section++)
        for (unsigned i = 0; i < answer->count[section]; i++) {
            record.section = (enum dns_section)section;
            take_name(&reader, record.name);
            record.type = take(&reader, 2);
            record.class = take(&reader, 2);
            record.ttl = take(&reader, 4);
            const unsigned len = take(&reader, 2);
            if (reader.damaged || len > (size_t)(reader.end - reader.at))
                return false;
            struct reader data = reader;
            data.end = reader.at + len;
            record.text[0] = '\0';
            take_data(&data, record.type, record.text);
            if (data.damaged)
                return false;
            reader.at += len;
            on_record(user, &record);
        }
    return !reader.damaged;
}
