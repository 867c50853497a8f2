/* SPDX-License-Identifier: MIT */
#include "weir/base.h"

#include "base/prng.h"
#include "panic.h"
#include "tap.h"

#include <arpa/inet.h>
#include <string.h>

/* RFC 5952, section 4, clause by clause; and what the RFC gives as wrong, right. */
static const struct {
    const char *in, *out;
} round_trips[] = {
    { "192.0.2.1", "192.0.2.1" },
    { "0.0.0.0", "0.0.0.0" },
    { "255.255.255.255", "255.255.255.255" },
    { "1.20.100.9", "1.20.100.9" },
    { "::ffff:192.0.2.1", "192.0.2.1" },
    { "::ffff:c000:201", "192.0.2.1" },
    { "::", "::" },
    { "::1", "::1" },
    { "1::", "1::" },
    { "2001:db8::1", "2001:db8::1" },
    { "2001:0db8::0001", "2001:db8::1" },              /* 4.1: no leading zeros */
    { "2001:db8:0:0:0:0:2:1", "2001:db8::2:1" },       /* 4.2.1: as short as possible */
    { "2001:db8::0:1", "2001:db8::1" },                /* 4.2.1 */
    { "2001:db8::1:1:1:1:1", "2001:db8:0:1:1:1:1:1" }, /* 4.2.2: not for one group */
    { "2001:0:0:1:0:0:0:1", "2001:0:0:1::1" },         /* 4.2.3: the longest */
    { "2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1" },   /* 4.2.3: of equals, the first */
    { "2001:DB8::ABCD:EF", "2001:db8::abcd:ef" },      /* 4.3: lower case */
    { "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8" },
    { "0:2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8" },
    { "::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8" },
    { "1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0" },
    { "1:2:3:4:5:6:0:0", "1:2:3:4:5:6::" },
    { "0:0:3:4:5:6:7:8", "::3:4:5:6:7:8" },
    { "64:ff9b::192.0.2.33", "64:ff9b::c000:221" },
    { "1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:102:304" },
    { "::1.2.3.4", "::102:304" },
    { "::fffe:1.2.3.4", "::fffe:102:304" },
    { "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" },
};

static const char *const malformed[] = {
    "",
    " ",
    "1",
    "1.2.3",
    "1.2.3.",
    "1.2.3.4.",
    "1.2.3.4.5",
    ".1.2.3.4",
    "1..2.3",
    "256.1.1.1",
    "1.1.1.256",
    "1.1.1.1000",
    "01.2.3.4",
    "00.2.3.4",
    "1.2.3.04",
    "1.2.3.4 ",
    " 1.2.3.4",
    "1.2.3.-4",
    "+1.2.3.4",
    "0x1.2.3.4",
    "1.2.3.4/24",
    ":",
    ":::",
    ":1",
    "1:",
    ":1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:",
    "1:2:3:4:5:6:7:8:",
    "1:2:3:4:5:6:7:8:9",
    "1:2:3:4:5:6:7:8::",
    "::1:2:3:4:5:6:7:8",
    "1:2:3:4::5:6:7:8",
    "1::2::3",
    "::1::",
    "1:::2",
    "::12345",
    "::00001",
    "::g",
    "::1%eth0",
    "::1 ",
    "[::1]",
    "::1/64",
    "::1.2.3",
    "::1.2.3.4.5",
    "::1.2.3.4:5",
    "::01.2.3.4",
    "::1.2.3.256",
    "1:2:3:4:5:6:7:1.2.3.4",
    "1:2:3:4:5:1.2.3.4",
    "1.2.3.4::",
    "::a.2.3.4",
    "localhost",
};

static void to_and_fro(void)
{
    for (unsigned i = 0; i < sizeof round_trips / sizeof round_trips[0]; i++) {
        struct weir_ip ip;
        char text[WEIR_IP_TEXT_MAX];
        if (!CHECK(weir_ip_parse(round_trips[i].in, &ip), "\"%s\" is an address",
                   round_trips[i].in))
            continue;
        CHECK(weir_ip_text(&ip, text) == text && strcmp(text, round_trips[i].out) == 0,
              "\"%s\" is written \"%s\", here \"%s\"", round_trips[i].in, round_trips[i].out, text);
    }
}

static void refused(void)
{
    for (unsigned i = 0; i < sizeof malformed / sizeof malformed[0]; i++) {
        struct weir_ip ip;
        struct weir_ip before;
        memset(&ip, 0x5a, sizeof ip);
        before = ip;
        CHECK(!weir_ip_parse(malformed[i], &ip), "\"%s\" is not an address", malformed[i]);
        CHECK(weir_ip_equal(&ip, &before), "\"%s\" leaves the address untouched", malformed[i]);
    }
}

static void v4_is_mapped(void)
{
    struct weir_ip ip;
    const struct weir_ip expected = weir_ip_v4(192, 0, 2, 1);
    CHECK(weir_ip_parse("192.0.2.1", &ip) && weir_ip_equal(&ip, &expected), "IPv4 is kept mapped");
    CHECK(weir_ip_is_v4(&ip), "and known as IPv4");
    CHECK(weir_ip_parse("::", &ip) && !weir_ip_is_v4(&ip), "any is not IPv4");
}

/* The C library's idea of the same text. */
static bool model_parse(const char *text, struct weir_ip *ip)
{
    uint8_t four[4];
    if (inet_pton(AF_INET, text, four) == 1) {
        *ip = weir_ip_v4(four[0], four[1], four[2], four[3]);
        return true;
    }
    return inet_pton(AF_INET6, text, ip->octet) == 1;
}

static bool same_reading(const char *text)
{
    struct weir_ip ours;
    struct weir_ip theirs;
    const bool accepted = weir_ip_parse(text, &ours);
    if (accepted != model_parse(text, &theirs))
        return false;
    return !accepted || weir_ip_equal(&ours, &theirs);
}

/* An address with many zero groups, so that every kind of "::" occurs. */
static struct weir_ip random_ip(struct prng *prng)
{
    struct weir_ip ip = { { 0 } };
    const uint64_t shape = prng_next(prng);
    for (unsigned i = 0; i < 8; i++) {
        if (shape >> i & 1)
            continue;
        const uint64_t value = prng_next(prng) >> (shape >> (8 + 4 * i) & 15);
        ip.octet[2 * i] = (uint8_t)(value >> 8);
        ip.octet[2 * i + 1] = (uint8_t)value;
    }
    return ip;
}

/* Whether inet_ntop would write the last 32 bits in dots, which RFC 5952 leaves to known prefixes.
 */
static bool is_v4_compatible(const struct weir_ip *ip)
{
    for (unsigned i = 0; i < 12; i++)
        if (ip->octet[i] != 0)
            return false;
    return true;
}

static void against_the_c_library(void)
{
    static const char letters[] = "0123456789abcdefABF::::....0011%g ";
    struct prng prng;
    prng_init(&prng, 1, 0, 0);
    unsigned misread = 0;
    unsigned miswritten = 0;
    for (unsigned round = 0; round < 200000; round++) {
        struct weir_ip ip = random_ip(&prng);
        char text[WEIR_IP_TEXT_MAX];
        char theirs[INET6_ADDRSTRLEN];
        weir_ip_text(&ip, text);
        inet_ntop(AF_INET6, ip.octet, theirs, sizeof theirs);
        if (!weir_ip_is_v4(&ip) && !is_v4_compatible(&ip))
            miswritten += strcmp(text, theirs) != 0;
        misread += !same_reading(text);

        /* One to three letters changed: most are malformed, some are not. */
        const size_t len = strlen(text);
        for (uint32_t changes = 1 + prng_below(&prng, 3); changes > 0; changes--) {
            const uint32_t letter = prng_below(&prng, sizeof letters - 1);
            text[prng_below(&prng, (uint32_t)len)] = letters[letter];
        }
        if (!same_reading(text) && misread++ == 0)
            printf("# read differently: \"%s\"\n", text);
    }
    CHECK(miswritten == 0, "random addresses are written as inet_ntop writes them");
    CHECK(misread == 0, "random and damaged text is read as inet_pton reads it");
}

static void error_texts(void)
{
    unsigned wrong = 0;
    for (int i = 0; i < WEIR_ERROR_COUNT; i++) {
        const char *text = weir_error_text((enum weir_error)i);
        wrong += text == NULL || text[0] == '\0' || strcmp(text, "unknown error") == 0;
        for (int j = 0; j < i; j++)
            wrong += strcmp(text, weir_error_text((enum weir_error)j)) == 0;
    }
    CHECK(wrong == 0, "every error has a text of its own");
    CHECK(strcmp(weir_error_text(WEIR_REFUSED), "connection refused") == 0, "as promised");
    CHECK(strcmp(weir_error_text(WEIR_ERROR_COUNT), "unknown error") == 0, "beyond the last");
    CHECK(strcmp(weir_error_text((enum weir_error) - 1), "unknown error") == 0, "before the first");
}

int main(void)
{
    to_and_fro();
    refused();
    v4_is_mapped();
    against_the_c_library();
    error_texts();
    return tap_done();
}
