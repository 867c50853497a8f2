/* SPDX-License-Identifier: MIT */

/* tools/path.c: losses of a path told from answers that are merely limited. And the arithmetic of
 * ping_stats.c under it. */

#include "path.h"
#include "tap.h"

#include <string.h>

#define HOPS 5

/* Rows of answers, out of 100 probes each; the last hop is the host. */
static const struct {
    const char *what;
    unsigned answered[HOPS];
    bool reached;
    struct {
        enum path_finding finding;
        int hop;
    } want[3];
} rows[] = {
    { "all answer", { 100, 100, 100, 100, 100 }, true, { { PATH_CLEAN, 4 }, { 0, -2 } } },
    { "the third is limited",
      { 100, 100, 20, 100, 100 },
      true,
      { { PATH_RATE_LIMITED, 2 }, { 0, -2 } } },
    { "the second is silent", { 100, 0, 100, 100, 100 }, true, { { PATH_HIDDEN, 1 }, { 0, -2 } } },
    { "loss from the third on", { 100, 100, 80, 78, 81 }, true, { { PATH_LOSS, 2 }, { 0, -2 } } },
    { "loss from the first on", { 70, 72, 69, 71, 70 }, true, { { PATH_LOSS, 0 }, { 0, -2 } } },
    { "loss to the host alone", { 100, 100, 100, 100, 60 }, true, { { PATH_LOSS, 4 }, { 0, -2 } } },
    { "limited before a loss",
      { 100, 10, 100, 60, 60 },
      true,
      { { PATH_RATE_LIMITED, 1 }, { PATH_LOSS, 3 }, { 0, -2 } } },
    { "limited within a loss",
      { 100, 80, 10, 80, 80 },
      true,
      { { PATH_RATE_LIMITED, 2 }, { PATH_LOSS, 1 }, { 0, -2 } } },
    { "silent within a loss",
      { 100, 80, 0, 80, 80 },
      true,
      { { PATH_HIDDEN, 2 }, { PATH_LOSS, 1 }, { 0, -2 } } },
    { "the host is silent", { 100, 100, 0, 0, 0 }, false, { { PATH_UNREACHED, 1 }, { 0, -2 } } },
    { "nobody answers", { 0, 0, 0, 0, 0 }, false, { { PATH_UNREACHED, -1 }, { 0, -2 } } },
    { "one answer missing is chance",
      { 100, 99, 100, 100, 100 },
      true,
      { { PATH_CLEAN, 4 }, { 0, -2 } } },
};

static void build(struct path *path, const unsigned answered[HOPS], bool reached)
{
    *path = (struct path){ .first = 1, .count = HOPS };
    for (unsigned i = 0; i < HOPS; i++) {
        struct path_hop *hop = &path->hop[i];
        hop->stats.sent = 100;
        for (unsigned j = 0; j < answered[i]; j++)
            ping_stats_add(&hop->stats, 1000000 * (i + 1), 0);
        if (answered[i] > 0)
            hop->address[hop->address_count++] = weir_ip_v4(192, 0, 2, (uint8_t)i);
    }
    path->hop[HOPS - 1].reached = reached;
}

static void test_verdicts(void)
{
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct path path;
        struct path_statement out[PATH_STATEMENTS_MAX];
        char text[PATH_SENTENCE_MAX];
        build(&path, rows[i].answered, rows[i].reached);
        const unsigned count = path_judge(&path, out);
        unsigned right = 0;
        while (rows[i].want[right].hop != -2 && right < count &&
               out[right].finding == rows[i].want[right].finding &&
               out[right].hop == rows[i].want[right].hop)
            right++;
        CHECK(right == count && rows[i].want[right].hop == -2,
              "%s: %u statements, %u as they should be", rows[i].what, count, right);
        for (unsigned j = 0; j < count; j++)
            CHECK(strlen(path_sentence(&path, &out[j], text)) > 20, "in words: %s", text);
    }
}

static void test_words(void)
{
    struct path path;
    struct path_statement out[PATH_STATEMENTS_MAX];
    char text[PATH_SENTENCE_MAX];
    build(&path, rows[1].answered, true);
    path_judge(&path, out);
    path_sentence(&path, &out[0], text);
    CHECK(strstr(text, "Hop 3 leaves 80 %") != NULL && strstr(text, "No fault") != NULL,
          "a limited hop is no fault: %s", text);
    path.hop[1].address[1] = weir_ip_v4(192, 0, 2, 77);
    path.hop[1].address_count = 2;
    memcpy(path.hop[4].stopped, "!X", 3);
    CHECK(path_judge(&path, out) == 3 && out[0].finding == PATH_BALANCED &&
              out[2].finding == PATH_STOPPED,
          "paths side by side, and who goes no farther");
}

static void test_stats(void)
{
    struct ping_stats stats = { .sent = 4 };
    unsigned began;
    ping_stats_add(&stats, 10 * WEIR_MS, 56);
    ping_stats_add(&stats, 20 * WEIR_MS, 56);
    ping_stats_add(&stats, 30 * WEIR_MS, 55);
    CHECK(ping_stats_mean(&stats) == 20 * WEIR_MS && stats.least == 10 * WEIR_MS &&
              stats.most == 30 * WEIR_MS,
          "least, mean, most");
    CHECK(ping_stats_deviation(&stats) / WEIR_US == 8164, "deviation is sqrt(200/3) ms");
    CHECK(ping_stats_jitter(&stats) == 10 * WEIR_MS / 16 + (10 * WEIR_MS - 10 * WEIR_MS / 16) / 16,
          "jitter as in RFC 3550");
    CHECK(ping_stats_loss(&stats) == 250, "a quarter is lost");
    CHECK(ping_stats_hops(56, &began) == 8 && began == 64, "TTL 56: 8 hops from 64");
    CHECK(ping_stats_hops(120, &began) == 8 && began == 128, "TTL 120: 8 hops from 128");
    CHECK(ping_stats_hops(250, &began) == 5 && began == 255, "TTL 250: 5 hops from 255");
    CHECK(ping_stats_hops(64, NULL) == 0, "TTL 64: the same link");
}

int main(void)
{
    test_verdicts();
    test_words();
    test_stats();
    return tap_done();
}
