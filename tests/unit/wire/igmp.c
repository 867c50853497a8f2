/* SPDX-License-Identifier: MIT */
#include "wire/igmp.h"

#include "octets.h"
#include "wire/mld.h"

/* Puts the sum of an IGMP message right. */
static void seal(uint8_t *p, size_t len)
{
    p[2] = p[3] = 0;
    const uint16_t sum = csum_fold(csum_add(0, p, len));
    p[2] = (uint8_t)(sum >> 8);
    p[3] = (uint8_t)sum;
}

static void queries(void)
{
    static const struct {
        const char *name, *text;
        enum wire_error want;
        unsigned version;
        uint32_t max_resp_ms;
    } table[] = {
        { "version 1", "1100 0000 00000000", WIRE_OK, 1, 0 },
        { "version 2, general", "1164 0000 00000000", WIRE_OK, 2, 10000 },
        { "version 2, of a group", "110a 0000 ef010203", WIRE_OK, 2, 1000 },
        { "version 3", "1164 0000 00000000 027d 0000", WIRE_OK, 3, 10000 },
        { "version 3, a code with exponent", "11ff 0000 00000000 027d 0000", WIRE_OK, 3, 3174400 },
        { "version 3, two sources", "1164 0000 ef010203 027d 0002 c0000201 c0000202", WIRE_OK, 3,
          10000 },
        { "version 3, a source short", "1164 0000 ef010203 027d 0002 c0000201 c00002", WIRE_SHORT,
          0, 0 },
        { "no version's length", "1164 0000 00000000 027d 00", WIRE_BAD, 0, 0 },
        { "of an address that is no group", "1164 0000 c0000201", WIRE_BAD, 0, 0 },
        { "seven octets", "1164 0000 000000", WIRE_SHORT, 0, 0 },
    };
    for (unsigned i = 0; i < sizeof table / sizeof table[0]; i++) {
        uint8_t p[64];
        const size_t len = unhex(table[i].text, p);
        seal(p, len);
        struct group_message message;
        const enum wire_error error = wire_igmp_parse(guarded(p, len), len, &message);
        CHECK(error == table[i].want &&
                  (error != WIRE_OK || (message.version == table[i].version &&
                                        message.max_resp_ms == table[i].max_resp_ms)),
              "igmp query: %s", table[i].name);
        p[1] ^= 1;
        CHECK(wire_igmp_parse(guarded(p, len), len, &message) != WIRE_OK, "igmp sum: %s",
              table[i].name);
    }
}

static void mld_queries(void)
{
    static const struct {
        const char *name;
        uint32_t rest;
        const char *body;
        enum wire_error want;
        unsigned version;
        uint32_t max_resp_ms;
    } table[] = {
        { "version 1", 10000u << 16, "00000000000000000000000000000000", WIRE_OK, 1, 10000 },
        { "version 2", 10000u << 16, "00000000000000000000000000000000 027d 0000", WIRE_OK, 2,
          10000 },
        { "a code with exponent", 0x8000u << 16, "ff020000000000000000000000000005 027d 0000",
          WIRE_OK, 2, 32768 },
        { "a source short", 0, "ff020000000000000000000000000005 027d 0001 20010db8", WIRE_SHORT, 0,
          0 },
        { "no version's length", 0, "ff020000000000000000000000000005 027d", WIRE_BAD, 0, 0 },
        { "of an address that is no group", 0, "20010db8000000000000000000000005", WIRE_BAD, 0, 0 },
        { "without a group", 0, "ff0200000000000000000000000000", WIRE_SHORT, 0, 0 },
    };
    for (unsigned i = 0; i < sizeof table / sizeof table[0]; i++) {
        uint8_t p[64];
        const size_t len = unhex(table[i].body, p);
        const struct icmp6_head icmp = {
            .type = MLD_QUERY, .rest = table[i].rest, .body = guarded(p, len), .len = (uint32_t)len
        };
        struct group_message message;
        const enum wire_error error = wire_mld_parse(&icmp, &message);
        CHECK(error == table[i].want &&
                  (error != WIRE_OK || (message.version == table[i].version &&
                                        message.max_resp_ms == table[i].max_resp_ms)),
              "mld query: %s", table[i].name);
    }
}

/* RFC 3376, 4.1.1: mantissa and exponent, from the plain values on without a gap backwards. */
static void codes(void)
{
    bool rises = true;
    for (uint32_t code = 1; code < 256; code++)
        rises &= wire_group_code(code, 8) > wire_group_code(code - 1, 8);
    for (uint32_t code = 1; code < 65536; code++)
        rises &= wire_group_code(code, 16) > wire_group_code(code - 1, 16);
    CHECK(rises, "a greater code is a longer time");
    CHECK(wire_group_code(127, 8) == 127 && wire_group_code(128, 8) == 128 &&
              wire_group_code(255, 8) == 31744 && wire_group_code(0xffff, 16) == 8387584,
          "the ends of the range");
}

static void reports(void)
{
    uint8_t p[64], want[64];
    const struct group_record record[2] = {
        { GROUP_TO_EXCLUDE, weir_ip_v4(239, 1, 2, 3) },
        { GROUP_TO_INCLUDE, weir_ip_v4(224, 0, 0, 251) },
    };
    size_t len = wire_igmp_report_emit(p, sizeof p, record, 2);
    size_t want_len = unhex("2200 0000 0000 0002 0400 0000 ef010203 0300 0000 e00000fb", want);
    seal(want, want_len);
    CHECK(len == want_len && memcmp(p, want, len) == 0, "igmp report");
    CHECK(wire_igmp_report_emit(p, want_len - 1, record, 2) == 0, "igmp report: no room");
    len = wire_igmp_emit(p, sizeof p, IGMP_LEAVE, &record[0].group);
    want_len = unhex("1700 0000 ef010203", want);
    seal(want, want_len);
    CHECK(len == want_len && memcmp(p, want, len) == 0, "igmp leave");
    CHECK(wire_igmp_emit(p, IGMP_LEN - 1, IGMP_LEAVE, &record[0].group) == 0, "igmp: no room");

    const struct group_record six = { GROUP_IS_EXCLUDE,
                                      { { 0xff, 0x02, [11] = 1, [12] = 0xff, [15] = 9 } } };
    len = wire_mld_report_emit(p, sizeof p, &six, 1);
    want_len = unhex("8f00 0000 0000 0001 0200 0000 ff0200000000000000000001ff000009", want);
    CHECK(len == want_len && memcmp(p, want, len) == 0, "mld report");
    len = wire_mld_emit(p, sizeof p, MLD_DONE, &six.group);
    want_len = unhex("8400 0000 0000 0000 ff0200000000000000000001ff000009", want);
    CHECK(len == want_len && memcmp(p, want, len) == 0, "mld done");
    CHECK(wire_mld_emit(p, MLD_LEN - 1, MLD_DONE, &six.group) == 0, "mld: no room");
}

int main(void)
{
    queries();
    mld_queries();
    codes();
    reports();
    return tap_done();
}
