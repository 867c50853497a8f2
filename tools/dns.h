/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TOOLS_DNS_H
#define WEIR_TOOLS_DNS_H

/* Questions to name servers, by c-ares, and what came back as text: what nslookup and dig are made
 * of. One question at a time; the call returns when it is answered or given up. Texts made from an
 * answer are printable ASCII: what is not stands as \DDD. Queries carry no EDNS option, so answers
 * beyond 512 octets come truncated and are asked for again over TCP. */

#include "weir/base.h"

#include <sys/socket.h>

#define DNS_NAME_MAX    1025 /* a name of 255 octets, all of them escaped */
#define DNS_RDATA_MAX   4096 /* longer ones end in "..." */
#define DNS_MESSAGE_MAX 65535

enum dns_type {
    DNS_A = 1,
    DNS_NS = 2,
    DNS_CNAME = 5,
    DNS_SOA = 6,
    DNS_PTR = 12,
    DNS_MX = 15,
    DNS_TXT = 16,
    DNS_AAAA = 28,
    DNS_SRV = 33,
    DNS_ANY = 255,
    DNS_CAA = 257,
};

enum dns_section {
    DNS_ANSWER,
    DNS_AUTHORITY,
    DNS_ADDITIONAL,
    DNS_SECTIONS
};

struct dns_settings {
    const char *server; /* address or name; NULL: those of the system */
    unsigned port;      /* 0: 53 */
    unsigned timeout_ms, tries;
    int family; /* of the server's address */
    bool tcp, recurse;
};

struct dns_answer {
    const char *failure; /* no answer: why; then nothing else holds but `server` and `took` */
    char server[80];     /* "192.0.2.1#53"; "" if none was asked */
    bool tcp;
    int64_t took; /* ns */
    uint16_t id, flags;
    unsigned rcode, count[DNS_SECTIONS];
    size_t len;
    uint8_t message[DNS_MESSAGE_MAX];
};

struct dns_record {
    enum dns_section section;
    char name[DNS_NAME_MAX];
    unsigned type, class;
    uint32_t ttl;
    char text[DNS_RDATA_MAX];
};

struct dns;

/* NULL: said why. */
struct dns *dns_open(const char *command, const struct dns_settings *settings);
void dns_close(struct dns *dns);

/* `answer` is big: not on a stack. */
void dns_ask(struct dns *dns, const char *name, unsigned type, struct dns_answer *answer);

/* Takes a message in: its header is read. False: it is no message (too short, too long). */
bool dns_take(struct dns_answer *answer, const uint8_t *message, size_t len);

/* Calls for each record in order; false if the message is damaged (what came before was given). */
typedef void dns_record_fn(void *user, const struct dns_record *record);
bool dns_records(const struct dns_answer *answer, dns_record_fn *on_record, void *user);

/* "MX", "TYPE4711" and back; 0: no such type. */
const char *dns_type_text(unsigned type, char text[16]);
unsigned dns_type_number(const char *text);
const char *dns_rcode_text(unsigned rcode, char text[16]); /* "NXDOMAIN" */

/* "4.3.2.1.in-addr.arpa" for an address. False: it is none. */
#define DNS_REVERSE_MAX 80
bool dns_reverse(const char *address, char text[DNS_REVERSE_MAX]);

#endif
