/* SPDX-License-Identifier: MIT */

/* tools/args.c: what is read strictly must be refused strictly. */

#include "args.h"
#include "amount.h"
#include "tap.h"

#include <inttypes.h>
#include <string.h>

static void test_numbers(void)
{
    static const struct {
        const char *text;
        uint64_t min, max;
        bool good;
        uint64_t value;
    } rows[] = {
        { "0", 0, 10, true, 0 },
        { "10", 0, 10, true, 10 },
        { "007", 0, 10, true, 7 },
        { "18446744073709551615", 0, UINT64_MAX, true, UINT64_MAX },
        { "18446744073709551616", 0, UINT64_MAX, false, 0 },
        { "99999999999999999999999", 0, UINT64_MAX, false, 0 },
        { "11", 0, 10, false, 0 },
        { "0", 1, 10, false, 0 },
        { "", 0, 10, false, 0 },
        { " 1", 0, 10, false, 0 },
        { "1 ", 0, 10, false, 0 },
        { "+1", 0, 10, false, 0 },
        { "-1", 0, UINT64_MAX, false, 0 },
        { "0x1", 0, 10, false, 0 },
        { "1e1", 0, 10, false, 0 },
        { "1.0", 0, 10, false, 0 },
    };
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint64_t value = 4711;
        const bool good = args_number(rows[i].text, rows[i].min, rows[i].max, &value);
        CHECK(good == rows[i].good && value == (good ? rows[i].value : 4711), "number \"%s\" is %s",
              rows[i].text, rows[i].good ? "read" : "refused");
    }
}

static void test_seconds(void)
{
    static const struct {
        const char *text;
        bool good;
        weir_time value;
    } rows[] = {
        { "1", true, WEIR_SECOND },
        { "0.05", true, 50 * WEIR_MS },
        { "2.000000001", true, 2 * WEIR_SECOND + 1 },
        { "0.0000000001", false, 0 },
        { ".5", false, 0 },
        { "1.", false, 0 },
        { "1.-5", false, 0 },
        { "-1", false, 0 },
        { "61", false, 0 },
        { "1s", false, 0 },
        { "", false, 0 },
        { "99999999999999999999", false, 0 },
    };
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        weir_time value = 4711;
        const bool good = args_seconds(rows[i].text, 0, 60 * WEIR_SECOND, &value);
        CHECK(good == rows[i].good && value == (good ? rows[i].value : 4711),
              "seconds \"%s\" are %s", rows[i].text, rows[i].good ? "read" : "refused");
    }
}

static void test_prefixes(void)
{
    static const struct {
        const char *text;
        bool good;
        unsigned len;
    } rows[] = {
        { "192.0.2.1/24", true, 24 },    { "192.0.2.1/0", true, 0 },
        { "192.0.2.1/32", true, 32 },    { "192.0.2.1", true, 32 },
        { "2001:db8::1/64", true, 64 },  { "2001:db8::1", true, 128 },
        { "192.0.2.1/33", false, 0 },    { "2001:db8::1/129", false, 0 },
        { "192.0.2.1/", false, 0 },      { "192.0.2.1/-1", false, 0 },
        { "192.0.2/24", false, 0 },      { "192.0.2.256/24", false, 0 },
        { "192.0.2.1/24/24", false, 0 }, { "/24", false, 0 },
        { "example/24", false, 0 },      { "", false, 0 },
    };
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct weir_ip ip;
        unsigned len = 4711;
        const bool good = args_prefix(rows[i].text, &ip, &len);
        CHECK(good == rows[i].good && len == (good ? rows[i].len : 4711), "prefix \"%s\" is %s",
              rows[i].text, rows[i].good ? "read" : "refused");
    }
}

static void test_macs(void)
{
    static const struct {
        const char *text;
        bool good;
    } rows[] = {
        { "02:00:5e:10:00:01", true },   { "02:00:5E:10:00:fF", true },
        { "01:00:5e:00:00:01", false }, /* a group's */
        { "ff:ff:ff:ff:ff:ff", false },  { "00:00:00:00:00:00", false },
        { "02-00-5e-10-00-01", false },  { "02:00:5e:10:00", false },
        { "02:00:5e:10:00:01:", false }, { "02:00:5e:10:00:0g", false },
        { "2:0:5e:10:0:1", false },      { "", false },
    };
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint8_t mac[6];
        CHECK(args_mac(rows[i].text, mac) == rows[i].good, "link address \"%s\" is %s",
              rows[i].text, rows[i].good ? "read" : "refused");
    }
}

static void test_amounts(void)
{
    char text[AMOUNT_MAX];
    static const struct {
        uint64_t octets;
        const char *text;
    } octets[] = {
        { 0, "0 octets" },           { 1023, "1023 octets" },  { 1024, "1.00 KiB" },
        { 1023 * 1024, "1.00 MiB" }, { 268435456, "256 MiB" }, { UINT64_MAX, "16.0 EiB" },
    };
    for (unsigned i = 0; i < sizeof octets / sizeof octets[0]; i++)
        CHECK(strcmp(amount_octets(octets[i].octets, text), octets[i].text) == 0,
              "%" PRIu64 " octets are \"%s\" (\"%s\")", octets[i].octets, octets[i].text, text);
    CHECK(strcmp(amount_rate(125000000, WEIR_SECOND, text), "1.00 Gbit/s") == 0, "rate %s", text);
    CHECK(strcmp(amount_rate(1000, 0, text), "8000 Gbit/s") == 0, "rate in no time: %s", text);
    CHECK(strcmp(amount_time(1270 * WEIR_MS, text), "1.27 s") == 0, "time %s", text);
    CHECK(strcmp(amount_time(52100, text), "52.1 us") == 0, "time %s", text);
}

int main(void)
{
    test_numbers();
    test_seconds();
    test_prefixes();
    test_macs();
    test_amounts();
    return tap_done();
}
