/* SPDX-License-Identifier: MIT */

/* daemon/dhcp_message.c: what is said, octet by octet, and what is believed. */

#include "daemon/dhcp.h"
#include "tap.h"

#include <string.h>

#define OPTIONS 240

static const uint8_t mac[6] = { 2, 0, 0, 0, 0, 7 };

static void says(void)
{
    uint8_t message[DHCP_MESSAGE_MAX];
    struct dhcp_said said = { .type = DHCP_DISCOVER,
                              .xid = 0x01020304,
                              .mac = { 2, 0, 0, 0, 0, 7 } };
    size_t len = dhcp_write(message, &said);
    CHECK(len >= 300 && message[0] == 1 && memcmp(message + 4, "\1\2\3\4", 4) == 0, "a discover");
    CHECK(message[10] == 0x80, "asks for a broadcast, since it has no address");
    CHECK(memcmp(message + OPTIONS, "\x35\1\1\x37", 4) == 0, "and names only what it wants");
    said.type = DHCP_REQUEST;
    said.requested = weir_ip_v4(192, 0, 2, 9);
    said.server = weir_ip_v4(192, 0, 2, 1);
    len = dhcp_write(message, &said);
    CHECK(memcmp(message + OPTIONS, "\x35\1\3\x32\4\xc0\0\2\x09\x36\4\xc0\0\2\1", 15) == 0,
          "a request names the address and the server");
    said = (struct dhcp_said){ .type = DHCP_RELEASE, .client = weir_ip_v4(192, 0, 2, 9) };
    (void)dhcp_write(message, &said);
    CHECK(message[10] == 0 && memcmp(message + 12, "\xc0\0\2\x09", 4) == 0,
          "who has an address says so, and hears by it");
}

/* An answer with these options behind the type, the server and a lease of 800 s. */
static size_t answer(uint8_t *to, enum dhcp_type type, const char *more, size_t more_len)
{
    static const char usual[] = "\x36\4\xc0\0\2\1\x33\4\0\0\3\x20";
    memset(to, 0, DHCP_MESSAGE_MAX);
    memcpy(to, "\2\1\6", 3);
    memcpy(to + 16, "\xc0\0\2\x4d", 4);
    memcpy(to + 28, mac, 6);
    memcpy(to + 236, "\x63\x82\x53\x63\x35\1", 6);
    to[OPTIONS + 2] = (uint8_t)type;
    memcpy(to + OPTIONS + 3, usual, sizeof usual - 1);
    memcpy(to + OPTIONS + 3 + sizeof usual - 1, more, more_len);
    return OPTIONS + 3 + sizeof usual - 1 + more_len;
}

#define ANSWER(type, more) answer(message, type, more, sizeof(more) - 1)

static void believes(void)
{
    uint8_t message[DHCP_MESSAGE_MAX];
    struct dhcp_heard heard;
    size_t len = ANSWER(DHCP_ACK, "\1\4\xff\xff\xff\x80\3\4\xc0\0\2\1\6\x10\1\1\1\1\2\2\2\2\3\3\3\3"
                                  "\4\4\4\4\xff");
    CHECK(dhcp_read(message, len, mac, &heard), "an acknowledgement");
    CHECK(heard.prefix_len == 25 && heard.lease == 800 && heard.renew == 400 && heard.rebind == 700,
          "its mask and times: T1 is half, T2 seven eighths");
    CHECK(heard.dns_count == DHCP_DNS_MAX, "no more name servers than there is room for");
    len = ANSWER(DHCP_OFFER, "\x3a\4\0\0\7\0\x3b\4\0\0\1\0\0\0");
    CHECK(dhcp_read(message, len, mac, &heard) && heard.renew <= heard.rebind &&
              heard.rebind <= heard.lease && heard.prefix_len == 24,
          "times out of order are put in order; no mask is the old class");
    len = ANSWER(DHCP_NAK, "");
    CHECK(dhcp_read(message, len, mac, &heard) && heard.type == DHCP_NAK, "a refusal");
}

static const struct {
    const char *option;
    size_t len;
    const char *search;
    const char *what;
} domains[] = {
#define OPTION(octets) octets, sizeof(octets) - 1
    { OPTION("\x0f\x0blab.example"), "lab.example", "a domain" },
    { OPTION("\x0f\x0clab.example\0"), "lab.example", "with a zero behind it" },
    { OPTION("\x0f\x0a"
             "a\nsearch b"),
      "", "no line of its own" },
    { OPTION("\x77\x0d\3lab\7example\0"), "lab.example", "a list of one" },
    { OPTION("\x77\x13\3lab\7example\0\3two\xc0\4"), "lab.example two.example", "of two" },
    { OPTION("\x77\x0f\3lab\7example\0\xc0\x0d"), "lab.example", "a pointer to itself" },
    { OPTION("\x77\x02\xc0\0"), "", "nothing but that" },
    { OPTION("\x77\x06\5ab\0cd"), "", "a label longer than what is there" },
    { OPTION("\x77\x05\3a b\0"), "", "a label that is no name" },
    { OPTION("\x77\x04\3two\x0f\x0blab.example"), "lab.example", "a list without an end" },
    { OPTION("\x77\x05\3two\0\x0f\x0blab.example"), "two", "a list goes before a domain" },
};

static void believes_domains(void)
{
    uint8_t message[DHCP_MESSAGE_MAX];
    struct dhcp_heard heard;
    for (unsigned i = 0; i < sizeof domains / sizeof domains[0]; i++) {
        const size_t len = answer(message, DHCP_ACK, domains[i].option, domains[i].len);
        CHECK(dhcp_read(message, len, mac, &heard) && strcmp(heard.search, domains[i].search) == 0,
              "%s: '%s'", domains[i].what, heard.search);
    }
}

static void refuses(void)
{
    static const uint8_t other[6] = { 2, 0, 0, 0, 0, 8 };
    uint8_t message[DHCP_MESSAGE_MAX];
    struct dhcp_heard heard;
    size_t len = ANSWER(DHCP_ACK, "");
    CHECK(!dhcp_read(message, len, other, &heard), "another's answer is none of ours");
    for (size_t cut = 0; cut < len; cut++) /* what is left of it may be whole, or not */
        if (dhcp_read(message, cut, mac, &heard))
            CHECK(heard.lease > 0, "%zu octets of it", cut);
    CHECK(!dhcp_read(message, OPTIONS + 8, mac, &heard), "a cut option");
    CHECK(!dhcp_read(message, ANSWER(DHCP_ACK, "\1\4\xff\0\xff\0"), mac, &heard), "a torn mask");
    CHECK(!dhcp_read(message, ANSWER(DHCP_ACK, "\3\3\1\1\1"), mac, &heard), "a router of 3 octets");
    CHECK(!dhcp_read(message, ANSWER(DHCP_ACK, "\x33\4\0\0\0\0"), mac, &heard), "no time at all");
    CHECK(!dhcp_read(message, ANSWER(DHCP_DISCOVER, ""), mac, &heard), "a client's message");
    len = ANSWER(DHCP_ACK, "");
    memset(message + 16, 0, 4);
    CHECK(!dhcp_read(message, len, mac, &heard), "no address");
}

int main(void)
{
    says();
    believes();
    believes_domains();
    refuses();
    return tap_done();
}
