/* SPDX-License-Identifier: MIT */
#include "path.h"

#include <inttypes.h>
#include <string.h>

#define SLOW_BY \
    (5 * WEIR_MS) /* later answers than this, and half as long again, are worth a word */

bool path_reached(const struct path *path)
{
    return path->count > 0 && path->hop[path->count - 1].reached;
}

int path_last_heard(const struct path *path)
{
    for (int i = (int)path->count - 1; i >= 0; i--)
        if (path->hop[i].stats.received > 0)
            return i;
    return -1;
}

const char *path_finding_name(enum path_finding finding)
{
    static const char *const names[] = {
        "clean",     "rate-limited", "hidden",  "slow-answer",
        "path-loss", "unreached",    "stopped", "balanced",
    };
    return names[finding];
}

/* The least loss of any hop from `from` to `to`: what is lost on the way to one of them is lost to
 * all behind it, so the path to `from` cannot lose more than this. */
static unsigned least_loss(const struct path *path, int from, int to, int *where)
{
    unsigned least = 1000;
    for (int i = from; i <= to; i++) {
        const unsigned loss = ping_stats_loss(&path->hop[i].stats);
        if (path->hop[i].stats.sent > 0 && loss < least) {
            least = loss;
            *where = i;
        }
    }
    return least;
}

/* The first hop from which on every one loses at least half of what the last loses. */
static int loss_begins(const struct path *path, int last, unsigned loss)
{
    int begin = last;
    for (int i = last - 1; i >= 0; i--) {
        const struct ping_stats *stats = &path->hop[i].stats;
        if (stats->received == 0)
            continue; /* it never answers: it says nothing either way */
        if (ping_stats_loss(stats) * 2 < loss)
            break;
        begin = i;
    }
    return begin;
}

/* Whether answers are missing at a hop that cannot be missing on the path; chance may take one. */
static bool is_limited(const struct ping_stats *stats, unsigned loss, unsigned behind)
{
    const uint64_t missing = (stats->sent - stats->received) * 1000;
    return loss >= behind + 50 && missing >= behind * stats->sent + 2000;
}

static void judge_hop(const struct path *path, int i, int last, struct path_statement *out,
                      unsigned *count)
{
    const struct path_hop *hop = &path->hop[i];
    int where = i;
    const unsigned loss = ping_stats_loss(&hop->stats);
    if (hop->stopped[0] != '\0')
        out[(*count)++] = (struct path_statement){ PATH_STOPPED, i, loss, 0 };
    if (hop->address_count > 1)
        out[(*count)++] = (struct path_statement){ PATH_BALANCED, i, loss, 0 };
    if (i >= last)
        return;
    const unsigned behind = least_loss(path, i + 1, last, &where);
    if (hop->stats.received == 0) {
        if (hop->stats.sent > 0)
            out[(*count)++] = (struct path_statement){ PATH_HIDDEN, i, loss, behind };
    } else if (is_limited(&hop->stats, loss, behind)) {
        out[(*count)++] = (struct path_statement){ PATH_RATE_LIMITED, i, loss, behind };
    } else if (path->hop[last].stats.received > 0) {
        const weir_time here = ping_stats_mean(&hop->stats);
        const weir_time there = ping_stats_mean(&path->hop[last].stats);
        if (here > there + SLOW_BY && here > there + there / 2)
            out[(*count)++] = (struct path_statement){ PATH_SLOW_ANSWER, i, loss, behind };
    }
}

unsigned path_judge(const struct path *path, struct path_statement out[PATH_STATEMENTS_MAX])
{
    unsigned count = 0;
    const int last = path_last_heard(path);
    for (int i = 0; i <= last; i++)
        judge_hop(path, i, last, out, &count);
    if (last >= 0 && path->hop[last].stopped[0] != '\0')
        return count; /* who says that it goes no farther has said why */
    if (!path_reached(path)) {
        out[count++] = (struct path_statement){ PATH_UNREACHED, last, 0, 0 };
        return count;
    }
    const unsigned loss = ping_stats_loss(&path->hop[last].stats);
    if (loss > 0) {
        const int begin = loss_begins(path, last, loss);
        out[count++] = (struct path_statement){ PATH_LOSS, begin, loss, loss };
    }
    if (count == 0)
        out[count++] = (struct path_statement){ PATH_CLEAN, last, 0, 0 };
    return count;
}

/* ---- Words ---- */

static char *percent(unsigned permille, char text[16])
{
    snprintf(text, 16, permille % 10 == 0 ? "%u %%" : "%u.%u %%", permille / 10, permille % 10);
    return text;
}

static void say_loss(const struct path *path, const struct path_statement *statement, char *text)
{
    char loss[16];
    const unsigned ttl = path->first + (unsigned)statement->hop;
    const struct path_hop *last = &path->hop[path->count - 1];
    percent(statement->loss, loss);
    if (statement->hop == (int)path->count - 1 && path->count > 1)
        snprintf(text, PATH_SENTENCE_MAX,
                 "%s of the probes to the host are lost, and of those to no hop before it: the "
                 "last link, or the host, which may limit its answers, too.",
                 loss);
    else if (statement->hop == 0)
        snprintf(text, PATH_SENTENCE_MAX,
                 "%s are lost from the first hop on: look at this machine's own link first.", loss);
    else
        snprintf(text, PATH_SENTENCE_MAX,
                 "%s of the probes to the host are lost, and the loss begins at hop %u and stays "
                 "up to the end: that is loss of the path, on the link to that hop or on the way "
                 "back from it.",
                 loss, ttl);
    if (last->stats.sent < 20) {
        const size_t len = strlen(text);
        snprintf(text + len, PATH_SENTENCE_MAX - len, " (Of %" PRIu64 " probes: few.)",
                 last->stats.sent);
    }
}

static void say_limited(const struct path *path, const struct path_statement *statement, char *text)
{
    char loss[16], after[16];
    const unsigned ttl = path->first + (unsigned)statement->hop;
    percent(statement->loss, loss);
    percent(statement->loss_after, after);
    snprintf(text, PATH_SENTENCE_MAX,
             "Hop %u leaves %s of the probes unanswered, but behind it %s%s are lost: it forwards, "
             "and merely limits how many it answers. No fault.",
             ttl, loss, statement->loss_after > 0 ? "only " : "none",
             statement->loss_after > 0 ? after : "");
}

static void say_unreached(const struct path *path, const struct path_statement *statement,
                          char *text)
{
    if (statement->hop < 0)
        snprintf(text, PATH_SENTENCE_MAX,
                 "Nobody answered: no route beyond this machine, or a firewall here drops the "
                 "probes or what answers them.");
    else
        snprintf(text, PATH_SENTENCE_MAX,
                 "The host did not answer; the last that did is hop %u. Either the way ends "
                 "behind it, or somebody there drops this kind of probe: try others (-u, -T -P "
                 "443).",
                 path->first + (unsigned)statement->hop);
}

char *path_sentence(const struct path *path, const struct path_statement *statement,
                    char text[PATH_SENTENCE_MAX])
{
    const unsigned ttl = path->first + (unsigned)(statement->hop > 0 ? statement->hop : 0);
    switch (statement->finding) {
    case PATH_CLEAN:
        snprintf(text, PATH_SENTENCE_MAX, "No loss, and nothing odd, as far as %s probes show.",
                 path->hop[path->count - 1].stats.sent < 20 ? "so few" : "these");
        break;
    case PATH_RATE_LIMITED:
        say_limited(path, statement, text);
        break;
    case PATH_HIDDEN:
        snprintf(text, PATH_SENTENCE_MAX,
                 "Hop %u never answers, but hops behind it do: it forwards and keeps silent. No "
                 "fault.",
                 ttl);
        break;
    case PATH_SLOW_ANSWER:
        snprintf(text, PATH_SENTENCE_MAX,
                 "Hop %u answers later than the host behind it: it forwards fast and answers "
                 "when it has time. No fault.",
                 ttl);
        break;
    case PATH_LOSS:
        say_loss(path, statement, text);
        break;
    case PATH_UNREACHED:
        say_unreached(path, statement, text);
        break;
    case PATH_STOPPED:
        snprintf(text, PATH_SENTENCE_MAX, "Hop %u says that it goes no farther (%s).", ttl,
                 path->hop[statement->hop].stopped);
        break;
    case PATH_BALANCED:
        snprintf(text, PATH_SENTENCE_MAX,
                 "Hop %u has %u addresses: paths side by side, or the path changed.", ttl,
                 path->hop[statement->hop].address_count);
        break;
    }
    return text;
}
