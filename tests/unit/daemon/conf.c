/* SPDX-License-Identifier: MIT */

/* daemon/conf.c: what is written arrives, flags win, and a mistake is named with its line. */

#include "daemon/conf.h"
#include "tap.h"

#include <string.h>

static struct conf conf;
static char why[CONF_WHY_MAX];

static bool read_text(const char *text)
{
    char copy[4096];
    snprintf(copy, sizeof copy, "%s", text);
    FILE *file = fmemopen(copy, strlen(copy) > 0 ? strlen(copy) : 1, "r");
    why[0] = '\0';
    const bool good = file != NULL && conf_read_stream(&conf, file, "weird.conf", why);
    if (file != NULL)
        fclose(file);
    return good;
}

static bool is_ip(const struct weir_ip *ip, const char *text)
{
    struct weir_ip wanted;
    return weir_ip_parse(text, &wanted) && weir_ip_equal(ip, &wanted);
}

static void test_whole(void)
{
    conf_init(&conf);
    CHECK(read_text("# the wire\n"
                    "dev tap:weir0 # made by hand\n"
                    "\n"
                    "\taddr\t192.0.2.1/24\r\n"
                    "addr 2001:db8::1/64\n"
                    "gateway 192.0.2.254\n"
                    "gateway fe80::1\n"
                    "route 10.0.0.0/8 via 192.0.2.2\n"
                    "route 2001:db8:1::/48\n"
                    "dns 192.0.2.53\n"
                    "socket /run/weird/a#b\n"
                    "user weird\n"
                    "sysctl net.ipv4.tcp_fin_timeout = 30\n"
                    "sysctl net.ipv4.tcp_rmem=8192 8192 65536\n"
                    "limit tcp_max 100\n"
                    "quota sockets 300\n"
                    "limit somaxconn 9"),
          "a file with every key is read (%s)", why);
    CHECK(conf_check(&conf, why), "and is whole");
    CHECK(strcmp(conf.dev, "tap:weir0") == 0, "dev, without its comment");
    CHECK(conf.addr_count == 2 && is_ip(&conf.addr[0].ip, "192.0.2.1") && conf.addr[0].len == 24 &&
              is_ip(&conf.addr[1].ip, "2001:db8::1") && conf.addr[1].len == 64,
          "two addresses");
    CHECK(conf.has_gateway[0] && is_ip(&conf.gateway[0], "192.0.2.254") && conf.has_gateway[1] &&
              is_ip(&conf.gateway[1], "fe80::1"),
          "a gateway for each family");
    CHECK(conf.route_count == 2 && conf.route[0].has_gateway && conf.route[0].to.len == 8 &&
              is_ip(&conf.route[0].gateway, "192.0.2.2") && !conf.route[1].has_gateway,
          "two routes");
    CHECK(conf.dns_count == 1 && is_ip(&conf.dns[0], "192.0.2.53"), "a name server");
    CHECK(strcmp(conf.socket, "/run/weird/a#b") == 0 && strcmp(conf.user, "weird") == 0,
          "a '#' within a word begins no comment");
    CHECK(conf.weir.fin_timeout == 30 * WEIR_SECOND && conf.weir.rcv_max == 65536 &&
              conf.weir.tcp_max == 100 && conf.weir.somaxconn == 9,
          "settings and limits are in the configuration");
    CHECK(conf.quota_sockets == 300 && conf.quota_calls == 0, "and so is a quota");
}

static const struct {
    const char *text;
    const char *named;
} bad[] = {
    { "dev", "weird.conf:1: dev: a value is missing" },
    { "dev a\n# b\n\ndev c\n", "weird.conf:4: dev: given twice: a and c" },
    { "dev a b\n", "one word" },
    { "socket "
      "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567"
      "890123456789012345678901\n",
      "longer than 107" },
    { "adr 192.0.2.1/24\n", "weird.conf:1: no such key: adr" },
    { "addr 192.0.2.1\n", "prefix length" },
    { "addr 192.0.2.1/33\n", "192.0.2.1/33" },
    { "addr 2001:db8::1/129\n", "2001:db8::1/129" },
    { "addr 192.0.2.1/24x\n", "192.0.2.1/24x" },
    { "addr 192.0.2.1/24\naddr 192.0.2.1/25\n", "weird.conf:2: addr: given twice" },
    { "gateway 192.0.2.1/24\n", "not an address" },
    { "gateway 192.0.2.1\ngateway 192.0.2.2\n", "weird.conf:2: gateway: a second one" },
    { "route 10.0.0.0/8 192.0.2.2\n", "via" },
    { "route 10.0.0.0/8 by 192.0.2.2\n", "via" },
    { "route 10.0.0.0/8 via 192.0.2.2 dev\n", "via" },
    { "route 10.0.0.0 via 192.0.2.2\n", "not a prefix" },
    { "route 10.0.0.0/8 via 2001:db8::1\n", "another family" },
    { "dns example.org\n", "not an address" },
    { "dns 192.0.2.1\ndns 192.0.2.2\ndns 192.0.2.3\ndns 192.0.2.4\n", "weird.conf:4: dns: more" },
    { "sysctl net.ipv4.tcp_fin_timeout 30\n", "NAME = VALUE" },
    { "sysctl net.ipv4.tcp_tw_recycle = 1\n", "removed in Linux 4.12" },
    { "sysctl net.ipv4.tcp_syn_retries = 0\n", "Linux takes 1 to 127" },
    { "limit tcp_max\n", "NAME NUMBER" },
    { "limit tcp_max -1\n", "NAME NUMBER" },
    { "limit tcp_max 4294967296\n", "NAME NUMBER" },
    { "limit tcp_max 0\n", "makes no sense" },
    { "limit ring_chunk 5000\n", "makes no sense" },
    { "limit tcp_min 3\n", "no such limit: tcp_min" },
    { "addr dhcp\naddr dhcp\n", "given twice: dhcp" },
    { "quota sockets\n", "'sockets NUMBER'" },
    { "quota sockets 0\n", "'sockets NUMBER'" },
    { "quota files 3\n", "no such quota: files" },
};

static void test_mistakes(void)
{
    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        conf_init(&conf);
        const bool good = read_text(bad[i].text);
        CHECK(!good && strstr(why, bad[i].named) != NULL, "mistake %u is told: %s", i, why);
    }
    char line[CONF_LINE_MAX + 8];
    memset(line, 'x', sizeof line - 1);
    line[sizeof line - 1] = '\0';
    conf_init(&conf);
    CHECK(!read_text(line) && strstr(why, "too long") != NULL, "a line without end is refused");
    CHECK(!conf_read(&conf, "/nonexistent/weird.conf", why) && strstr(why, "No such file") != NULL,
          "a file that is not there is told: %s", why);
    conf_init(&conf);
    for (unsigned i = 0; i < CONF_ADDRS_MAX; i++) {
        char text[32];
        snprintf(text, sizeof text, "192.0.2.%u/24", i + 1);
        CHECK(conf_take(&conf, CONF_ADDR, text, CONF_FILE, why), "address %u fits", i + 1);
    }
    CHECK(!conf_take(&conf, CONF_ADDR, "192.0.2.99/24", CONF_FILE, why), "and no more: %s", why);
}

static void test_check(void)
{
    conf_init(&conf);
    CHECK(read_text("") && !conf_check(&conf, why), "without a device it is not whole: %s", why);
    conf_init(&conf);
    CHECK(read_text("dev a\naddr 192.0.2.1/25\ngateway 192.0.2.128\n") && !conf_check(&conf, why),
          "a gateway off the link is told: %s", why);
    conf_init(&conf);
    CHECK(read_text("dev a\naddr 192.0.2.1/24\ngateway 192.0.2.128\n") && conf_check(&conf, why),
          "a gateway on the link is fine");
    conf_init(&conf);
    CHECK(read_text("dev a\naddr ::1/0\ngateway 192.0.2.128\n") && !conf_check(&conf, why),
          "a prefix of IPv6 holds no gateway of IPv4");
}

/* Whichever is read first. */
static void test_flags(void)
{
    for (unsigned flags_first = 0; flags_first < 2; flags_first++) {
        conf_init(&conf);
        bool good = true;
        for (unsigned step = 0; step < 2; step++) {
            if (step == flags_first)
                good = good && read_text("dev file\naddr 192.0.2.1/24\naddr 192.0.2.2/24\n"
                                         "gateway 192.0.2.254\nuser file\n");
            else
                good = good && conf_take(&conf, CONF_DEV, "flag", CONF_FLAG, why) &&
                       conf_take(&conf, CONF_ADDR, "192.0.2.7/24", CONF_FLAG, why) &&
                       conf_take(&conf, CONF_ADDR, "192.0.2.8/24", CONF_FLAG, why);
        }
        CHECK(good && strcmp(conf.dev, "flag") == 0 && conf.addr_count == 2 &&
                  is_ip(&conf.addr[0].ip, "192.0.2.7") && is_ip(&conf.addr[1].ip, "192.0.2.8"),
              "flags put away the file's, read %s it", flags_first ? "before" : "after");
        CHECK(conf.has_gateway[0] && strcmp(conf.user, "file") == 0,
              "what no flag speaks of is the file's");
    }
    CHECK(!conf_take(&conf, CONF_DEV, "two", CONF_FLAG, why), "two flags do not make one device");
    CHECK(!read_text("addr x\n"), "a mistake in a file is told even where a flag wins");
    CHECK(!conf_take(&conf, CONF_DNS, "", CONF_FLAG, why), "an empty value is refused");
}

int main(void)
{
    test_whole();
    test_mistakes();
    test_check();
    test_flags();
    return tap_done();
}
