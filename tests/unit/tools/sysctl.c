/* SPDX-License-Identifier: MIT */

/* tools/sysctl_table.c and sysctl_apply.c: what Linux refuses is refused, what weir cannot do is
 * said, and a value that is taken arrives in its field, in the field's unit. */

#include "sysctl_table.h"
#include "tap.h"

#include <string.h>

static struct weir_config config;

static const struct {
    const char *name, *value;
    const char *shown; /* afterwards; NULL: refused */
    const char *named; /* stands in the complaint */
} rows[] = {
    { "net.ipv4.tcp_fin_timeout", "30", "30", NULL },
    { "net/ipv4/tcp_fin_timeout", " 31 ", "31", NULL },
    { "net.ipv4.tcp_fin_timeout", "0x20", "32", NULL }, /* as the kernel reads numbers */
    { "net.ipv4.tcp_fin_timeout", "010", "8", NULL },
    { "net.ipv4.tcp_fin_timeout", "0", NULL, "takes 1 to 1728000" },
    { "net.ipv4.tcp_fin_timeout", "1728000", "1728000", NULL },
    { "net.ipv4.tcp_fin_timeout", "1728001", NULL, "1728001" },
    { "net.ipv4.tcp_fin_timeout", "-1", NULL, "-1" },
    { "net.ipv4.tcp_fin_timeout", "", NULL, "not a number" },
    { "net.ipv4.tcp_fin_timeout", "30s", NULL, "not a number" },
    { "net.ipv4.tcp_fin_timeout", "+30", NULL, "not a number" },
    { "net.ipv4.tcp_fin_timeout", "30 40", NULL, "more than a number" },
    { "net.ipv4.tcp_fin_timeout", "99999999999999999999", NULL, "out of range" },
    { "net.ipv4.tcp_syn_retries", "1", "1", NULL },
    { "net.ipv4.tcp_syn_retries", "127", "127", NULL },
    { "net.ipv4.tcp_syn_retries", "0", NULL, "Linux takes 1 to 127" },
    { "net.ipv4.tcp_syn_retries", "128", NULL, "Linux takes 1 to 127" },
    { "net.ipv4.tcp_synack_retries", "15", "15", NULL },
    { "net.ipv4.tcp_synack_retries", "16", NULL, "weir" },
    { "net.ipv4.tcp_synack_retries", "256", NULL, "Linux" },
    { "net.ipv4.tcp_orphan_retries", "0", "8", NULL }, /* Linux's 0 means 8 */
    { "net.ipv4.tcp_syncookies", "0", "0", NULL },
    { "net.ipv4.tcp_syncookies", "2", NULL, "not built" },
    { "net.ipv4.tcp_rto_max_ms", "999", NULL, "Linux" },
    { "net.ipv4.tcp_rto_max_ms", "1000", "1000", NULL },
    { "net.ipv4.tcp_rto_min_us", "2000000", NULL, "other settings" }, /* rto_max is 1 s */
    { "net.ipv4.tcp_rto_max_ms", "120000", "120000", NULL },
    { "net.ipv4.tcp_rto_min_us", "2000000", "2000000", NULL },
    { "net.ipv4.tcp_rmem", "4096 131072 6291456", "4096 4096 6291456", NULL },
    { "net.ipv4.tcp_rmem", "4096\t131072\t6291456", "4096 4096 6291456", NULL },
    { "net.ipv4.tcp_rmem", "4096 131072", NULL, "three numbers" },
    { "net.ipv4.tcp_rmem", "4096 8192 16384 32768", NULL, "three numbers" },
    { "net.ipv4.tcp_rmem", "8192 4096 16384", NULL, "do not rise" },
    { "net.ipv4.tcp_rmem", "0 4096 16384", NULL, "Linux" },
    { "net.ipv4.tcp_rmem", "535 4096 16384", NULL, "536" },
    { "net.ipv4.tcp_wmem", "1 1 65536", "65536 65536 65536", NULL },
    { "net.ipv4.tcp_mem", "0 0 65536", "65536 65536 65536", NULL },
    { "net.ipv4.tcp_mem", "0 0 3", NULL, "weir" }, /* less than a chunk */
    { "net.ipv4.tcp_rfc1337", "1", "1", NULL },
    { "net.ipv4.tcp_rfc1337", "0", NULL, "always 1" },
    { "net.ipv4.ip_local_port_range", "32768\t60999", "32768 60999", NULL },
    { "net.ipv4.ip_local_port_range", "1024 65535", NULL, "always" },
    { "net.ipv4.tcp_congestion_control", "reno", "reno", NULL },
    { "net.ipv4.tcp_congestion_control", " bbr\n", "bbr", NULL },
    { "net.ipv4.tcp_congestion_control", "vegas", NULL, "no algorithm of weir's" },
    { "net.ipv4.tcp_congestion_control", "cubic reno", NULL, "no algorithm" },
    { "net.ipv4.tcp_congestion_control", "", NULL, "no algorithm" },
    { "net.ipv4.tcp_congestion_control", "cubic", "cubic", NULL },
    { "net.ipv4.tcp_ecn", "3", "3", NULL },
    { "net.ipv4.tcp_ecn", "6", NULL, "Linux" },
    { "net.ipv4.tcp_ecn", "2", "2", NULL },
    { "net.ipv4.tcp_slow_start_after_idle", "0", "0", NULL },
    { "net.ipv4.tcp_slow_start_after_idle", "1", "1", NULL },
    { "net.ipv4.tcp_tw_recycle", "1", NULL, "removed in Linux 4.12" },
    { "net.ipv4.tcp_tw_recycle", "0", NULL, "removed in Linux 4.12" },
    { "net.core.rmem_max", "4096", NULL, "does not have" },
    { "tcp_fin_timeout", "1", NULL, "did you mean net.ipv4.tcp_fin_timeout" },
    { "net.ipv4.tcp_fin_timeuot", "1", NULL, "did you mean net.ipv4.tcp_fin_timeout" },
    { "kernel.hostname", "x", NULL, "unknown" },
    { "", "1", NULL, "unknown" },
};

static void test_rows(void)
{
    weir_config_default(&config);
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct weir_config before = config;
        char why[SYSCTL_WHY_MAX] = "", text[SYSCTL_TEXT_MAX] = "";
        const bool taken = sysctl_apply(&config, rows[i].name, rows[i].value, why);
        if (rows[i].shown == NULL) {
            CHECK(!taken && strstr(why, rows[i].named) != NULL &&
                      memcmp(&before, &config, sizeof config) == 0,
                  "%s = \"%s\" is refused (\"%s\")", rows[i].name, rows[i].value, why);
            continue;
        }
        if (taken)
            sysctl_value(&config, sysctl_find(rows[i].name), text);
        CHECK(taken && strcmp(text, rows[i].shown) == 0,
              "%s = \"%s\" is shown as \"%s\" (\"%s%s\")", rows[i].name, rows[i].value,
              rows[i].shown, text, why);
    }
}

static void test_units(void)
{
    char why[SYSCTL_WHY_MAX];
    weir_config_default(&config);
    bool all = sysctl_apply(&config, "net.ipv4.tcp_fin_timeout", "30", why) &&
               sysctl_apply(&config, "net.ipv4.tcp_keepalive_time", "60", why) &&
               sysctl_apply(&config, "net.ipv4.tcp_rto_min_us", "50000", why) &&
               sysctl_apply(&config, "net.ipv4.tcp_rto_max_ms", "60000", why) &&
               sysctl_apply(&config, "net.ipv4.tcp_sack", "0", why) &&
               sysctl_apply(&config, "net.ipv4.tcp_rmem", "8192 8192 1048576", why) &&
               sysctl_apply(&config, "net.ipv4.tcp_mem", "0 0 8192", why) &&
               sysctl_apply(&config, "net.core.somaxconn", "128", why);
    CHECK(all, "all are taken");
    CHECK(config.fin_timeout == 30 * WEIR_SECOND, "fin_timeout is in seconds");
    CHECK(config.keepalive_idle == 60 * WEIR_SECOND, "keepalive_idle is in seconds");
    CHECK(config.rto_min == 50 * WEIR_MS, "rto_min is in microseconds");
    CHECK(config.rto_max == 60 * WEIR_SECOND, "rto_max is in milliseconds");
    CHECK(!config.sack && config.timestamps && config.wscale, "a flag is one flag");
    CHECK(config.rcv_min == 8192 && config.rcv_max == 1048576, "tcp_rmem is two fields");
    CHECK(config.ring_chunks == 8192u * 4096 / config.ring_chunk, "tcp_mem is in pages");
    CHECK(config.somaxconn == 128, "somaxconn is a number");
}

/* The laws of the table. */
static void test_table(void)
{
    weir_config_default(&config);
    const struct weir_config before = config;
    for (unsigned i = 0; i < sysctl_count(); i++) {
        const struct sysctl *setting = sysctl_at(i);
        char why[SYSCTL_WHY_MAX] = "", text[SYSCTL_TEXT_MAX];
        bool good = sysctl_find(setting->name) == setting && setting->note != NULL &&
                    strncmp(setting->name, "net.", 4) == 0;
        sysctl_value(&config, setting, text);
        if (sysctl_has_value(setting))
            good = good && sysctl_apply(&config, setting->name, text, why) &&
                   memcmp(&before, &config, sizeof config) == 0;
        else
            good = good && text[0] == '\0' && !sysctl_apply(&config, setting->name, "1", why);
        CHECK(good, "%s stands once, and its default changes nothing (%s %s)", setting->name, text,
              why);
    }
}

int main(void)
{
    test_rows();
    test_units();
    test_table();
    return tap_done();
}
