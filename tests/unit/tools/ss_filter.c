/* SPDX-License-Identifier: MIT */

/* Filters of ss: what they say of a few sockets, and what is no filter. */

#include "ss_filter.h"
#include "tap.h"

#include <netinet/in.h>

/* A bit for each of these, in this order. */
static struct facts_flow flows[6];
enum {
    WEB = 1,      /* 192.0.2.2:40000 -> 198.51.100.7:443, ESTABLISHED */
    SSH = 2,      /* 192.0.2.2:22 <- 203.0.113.9:51000, CLOSE-WAIT */
    LISTENER = 4, /* 0.0.0.0:22, LISTEN */
    SIX = 8,      /* [2001:db8::2]:40001 -> [2001:db8:1::5]:443, ESTABLISHED */
    WAITS = 16,   /* 192.0.2.2:40002 -> 198.51.100.8:80, TIME-WAIT */
    LOCAL = 32,   /* [fe80::1]:9 interface 3, ESTABLISHED */
    ALL = 63,
};

static void set(unsigned i, const char *local, uint16_t lport, const char *remote, uint16_t rport,
                uint8_t state)
{
    flows[i].protocol = IPPROTO_TCP;
    flows[i].state = state;
    flows[i].local.port = lport;
    flows[i].remote.port = rport;
    if (!weir_ip_parse(local, &flows[i].local.ip) || !weir_ip_parse(remote, &flows[i].remote.ip))
        CHECK(false, "%s and %s are addresses", local, remote);
}

static const struct {
    const char *filter;
    unsigned matches;
} cases[] = {
    { "", ALL },
    { "dport = :443", WEB | SIX },
    { "dport :443", WEB | SIX },
    { "dport == 443", WEB | SIX },
    { "dport eq :https", WEB | SIX },
    { "dport != :443", SSH | LISTENER | WAITS | LOCAL },
    { "sport > :1023", WEB | SIX | WAITS },
    { "sport ge :22 and sport lt :40001", WEB | SSH | LISTENER },
    { "sport <= :22", SSH | LISTENER | LOCAL },
    { "dst 198.51.100.0/24", WEB | WAITS },
    { "dst 198.51.100.7", WEB },
    { "dst 198.51.100.7:443", WEB },
    { "dst 198.51.100.7:80", 0 },
    { "dst != 198.51.100.7", ALL & ~WEB },
    { "dst [2001:db8:1::5]:443", SIX },
    { "dst 2001:db8:1::/48", SIX },
    { "dst [2001:db8:1::]/48", SIX },
    { "dst :443", WEB | SIX },
    { "dst *:80", WAITS },
    { "src 192.0.2.2", WEB | SSH | WAITS },
    { "src 0.0.0.0/0", WEB | SSH | LISTENER | WAITS },
    { "not dport = :443", SSH | LISTENER | WAITS | LOCAL },
    { "! ! dport = :443", WEB | SIX },
    { "dport = :443 or dport = :80", WEB | SIX | WAITS },
    { "dport = :443 or dport = :80 and sport = :40002", WEB | SIX | WAITS },
    { "( dport = :443 or dport = :80 ) and sport = :40002", WAITS },
    { "(dport=:443|dport=:80)&sport=:40002", WAITS },
    { "dport = :443 src 192.0.2.2", WEB },
    { "not ( dst 198.51.100.0/24 or sport = :22 )", SIX | LOCAL },
    { "dev if3", LOCAL },
    { "dport = :443 and state established", WEB | SIX },
};

static const char *const wrong[] = {
    "dport",
    "dport = ",
    "dport = :70000",
    "dport = :nobody-has-this",
    "dst",
    "dst 1.2.3",
    "dst 1.2.3.4/33",
    "dst > 1.2.3.4",
    "( dport = :1",
    "dport = :1 )",
    "and dport = :1",
    "dport = :1 or",
    "not",
    "state",
    "state open",
    "exclude nothing",
    "sport = :1 foo",
    "dev no-such-one",
    "dst [::1:80",
    "foo",
    "((((((((((((((((((((dport = :1))))))))))))))))))))",
};

static unsigned matches_of(const struct ss_filter *filter)
{
    unsigned matches = 0;
    for (unsigned i = 0; i < 6; i++)
        if (ss_filter_match(filter, &flows[i]))
            matches |= 1u << i;
    return matches;
}

int main(void)
{
    char why[SS_FILTER_WHY], text[512];
    char *words[] = { text };
    struct ss_filter filter;
    set(0, "192.0.2.2", 40000, "198.51.100.7", 443, WEIR_ESTABLISHED);
    set(1, "192.0.2.2", 22, "203.0.113.9", 51000, WEIR_CLOSE_WAIT);
    set(2, "0.0.0.0", 22, "0.0.0.0", 0, WEIR_LISTEN);
    set(3, "2001:db8::2", 40001, "2001:db8:1::5", 443, WEIR_ESTABLISHED);
    set(4, "192.0.2.2", 40002, "198.51.100.8", 80, WEIR_TIME_WAIT);
    set(5, "fe80::1", 9, "fe80::2", 10, WEIR_ESTABLISHED);
    flows[5].local.iface = 3;
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        snprintf(text, sizeof text, "%s", cases[i].filter);
        const bool read = ss_filter_parse(&filter, 1, words, why);
        CHECK(read && matches_of(&filter) == cases[i].matches, "%s: %#x", cases[i].filter,
              read ? matches_of(&filter) : 0);
    }
    for (unsigned i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        snprintf(text, sizeof text, "%s", wrong[i]);
        CHECK(!ss_filter_parse(&filter, 1, words, why) && strncmp(why, "filter: ", 8) == 0,
              "no filter: %s", wrong[i]);
    }
    snprintf(text, sizeof text, "state established state listening exclude listening dport = :1");
    CHECK(ss_filter_parse(&filter, 1, words, why) && filter.given &&
              filter.states == SS_STATE(ESTABLISHED),
          "states add up, and are taken away");
    snprintf(text, sizeof text, "exclude time-wait");
    CHECK(ss_filter_parse(&filter, 1, words, why) &&
              filter.states == (SS_ALL & ~SS_STATE(TIME_WAIT)),
          "exclude alone leaves the others");
    return tap_done();
}
