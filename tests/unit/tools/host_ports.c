/* SPDX-License-Identifier: MIT */

/* tools/host_ports.c: what is read arrives as it was meant, and what cannot be is refused whole. */

#include "host_ports.h"
#include "tap.h"

#include <string.h>

static const struct {
    const char *text;
    const char *ip; /* "": the loopbacks; NULL: refused */
    uint16_t host_port, port;
    bool udp;
} published[] = {
    { "8080:80", "", 8080, 80, false },
    { "1:65535/udp", "", 1, 65535, true },
    { "53:53/tcp", "", 53, 53, false },
    { "0.0.0.0:8080:80", "0.0.0.0", 8080, 80, false },
    { "192.0.2.7:1:2/udp", "192.0.2.7", 1, 2, true },
    { "[::]:8080:80", "::", 8080, 80, false },
    { "[2001:db8::1]:8080:80", "2001:db8::1", 8080, 80, false },
    { "8080", NULL, 0, 0, false },
    { "8080:", NULL, 0, 0, false },
    { ":80", NULL, 0, 0, false },
    { "0:80", NULL, 0, 0, false },
    { "8080:0", NULL, 0, 0, false },
    { "65536:80", NULL, 0, 0, false },
    { "8080:80/sctp", NULL, 0, 0, false },
    { "8080:80 ", NULL, 0, 0, false },
    { "-1:80", NULL, 0, 0, false },
    { "localhost:8080:80", NULL, 0, 0, false },
    { "::1:8080:80", NULL, 0, 0, false },
    { "[::1]8080:80", NULL, 0, 0, false },
    { "[192.0.2.7]:8080:80", NULL, 0, 0, false },
    { "[::1:8080:80", NULL, 0, 0, false },
    { "", NULL, 0, 0, false },
};

static void check_published(void)
{
    char why[HOST_PORTS_WHY_MAX];
    for (unsigned i = 0; i < sizeof published / sizeof published[0]; i++) {
        struct host_ports ports = { .publish_count = 0 };
        const struct host_publish *got = &ports.publish[0];
        const bool taken = host_ports_publish(&ports, published[i].text, why);
        if (published[i].ip == NULL) {
            CHECK(!taken && ports.publish_count == 0 && strstr(why, published[i].text) != NULL,
                  "'%s' is refused, and named", published[i].text);
            continue;
        }
        struct weir_ip ip = { { 0 } };
        const bool given = published[i].ip[0] != '\0' && weir_ip_parse(published[i].ip, &ip);
        CHECK(taken && got->host_port == published[i].host_port && got->port == published[i].port &&
                  got->udp == published[i].udp && got->ip_given == given &&
                  (!given || weir_ip_equal(&got->ip, &ip)),
              "'%s' is read", published[i].text);
    }
}

static void check_doors(void)
{
    char why[HOST_PORTS_WHY_MAX], text[32];
    struct host_ports ports = { .publish_count = 0 };
    CHECK(host_ports_publish(&ports, "80:80", why) && !host_ports_publish(&ports, "80:81", why),
          "a port of the host leads to one place");
    CHECK(host_ports_publish(&ports, "80:80/udp", why) &&
              host_ports_publish(&ports, "0.0.0.0:80:80", why),
          "but that of UDP, and of another address, to another");
    bool taken = true;
    for (unsigned i = ports.publish_count; i < HOST_PUBLISH_MAX; i++) {
        snprintf(text, sizeof text, "%u:80", 1000 + i);
        taken = taken && host_ports_publish(&ports, text, why);
    }
    CHECK(taken && !host_ports_publish(&ports, "9:9", why) &&
              ports.publish_count == HOST_PUBLISH_MAX,
          "there is a bound: %s", why);
}

static const struct {
    const char *text;
    unsigned count; /* 0: refused */
    uint16_t first, last;
} loopbacks[] = {
    { "5432", 1, 5432, 5432 },
    { "5432,6379", 2, 5432, 6379 },
    { "10-19", 10, 10, 19 },
    { "1,3-5,4,9", 5, 1, 9 },
    { "1-256", 256, 1, 256 },
    { "65535", 1, 65535, 65535 },
    { "65280-65535", 256, 65280, 65535 },
    { "1-257", 0, 0, 0 },
    { "0", 0, 0, 0 },
    { "5-4", 0, 0, 0 },
    { "5,", 0, 0, 0 },
    { ",5", 0, 0, 0 },
    { "5 6", 0, 0, 0 },
    { "5-", 0, 0, 0 },
    { "65536", 0, 0, 0 },
    { "", 0, 0, 0 },
    { "http", 0, 0, 0 },
    { "1-2-3", 0, 0, 0 },
};

static void check_loopbacks(void)
{
    char why[HOST_PORTS_WHY_MAX];
    for (unsigned i = 0; i < sizeof loopbacks / sizeof loopbacks[0]; i++) {
        struct host_ports ports = { .loopback_count = 0 };
        const unsigned count = loopbacks[i].count;
        const bool taken = host_ports_loopback(&ports, loopbacks[i].text, why);
        CHECK(taken == (count > 0) && ports.loopback_count == count &&
                  (count == 0 || (ports.loopback[0] == loopbacks[i].first &&
                                  ports.loopback[count - 1] == loopbacks[i].last)),
              "'%s' is %u ports", loopbacks[i].text, count);
    }
}

int main(void)
{
    check_published();
    check_doors();
    check_loopbacks();
    return tap_done();
}
