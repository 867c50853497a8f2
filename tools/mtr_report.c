/* SPDX-License-Identifier: MIT */
#include "mtr.h"

#include "json.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define NAME_COLUMNS 30
#define WORD_COLUMNS 90

const char *mtr_hop_name(const struct mtr *mtr, unsigned i, char text[NAME_TEXT_MAX])
{
    const struct path_hop *hop = &mtr->path.hop[i];
    if (hop->address_count == 0)
        return "???";
    const char *name = names_look(mtr->names, &hop->address[0]);
    if (name == NULL || !mtr->both)
        return name != NULL ? name : weir_ip_text(&hop->address[0], text);
    char ip[WEIR_IP_TEXT_MAX];
    weir_ip_text(&hop->address[0], ip);
    snprintf(text, NAME_TEXT_MAX, "%.*s (%s)", NAME_TEXT_MAX - WEIR_IP_TEXT_MAX - 4, name, ip);
    return text;
}

static void print_wrapped(FILE *file, const char *text, unsigned columns)
{
    unsigned column = 0;
    while (*text != '\0') {
        const unsigned len = (unsigned)strcspn(text, " ");
        if (column > 0 && column + 1 + len > columns) {
            fprintf(file, "\n  ");
            column = 2;
        } else if (column > 0) {
            putc(' ', file);
            column++;
        }
        fprintf(file, "%.*s", (int)len, text);
        column += len;
        text += len;
        text += strspn(text, " ");
    }
    putc('\n', file);
}

void mtr_words(const struct mtr *mtr, FILE *file, unsigned columns)
{
    struct path_statement statement[PATH_STATEMENTS_MAX];
    char text[PATH_SENTENCE_MAX];
    const unsigned count = path_judge(&mtr->path, statement);
    for (unsigned i = 0; i < count; i++)
        print_wrapped(file, path_sentence(&mtr->path, &statement[i], text), columns);
}

static void print_ms(weir_time time)
{
    const weir_time tenths = (time + 50 * WEIR_US) / (100 * WEIR_US);
    printf(" %4" PRId64 ".%" PRId64, tenths / 10, tenths % 10);
}

static void print_hop(const struct mtr *mtr, unsigned i, int width)
{
    char text[NAME_TEXT_MAX];
    const struct path_hop *hop = &mtr->path.hop[i];
    const struct ping_stats *stats = &hop->stats;
    const unsigned loss = ping_stats_loss(stats);
    printf("%3u.|-- %-*.*s %3u.%u%% %5" PRIu64, mtr->path.first + i, width, width,
           mtr_hop_name(mtr, i, text), loss / 10, loss % 10, stats->sent);
    print_ms(stats->last);
    print_ms(ping_stats_mean(stats));
    print_ms(stats->least);
    print_ms(stats->most);
    print_ms(ping_stats_deviation(stats));
    print_ms(ping_stats_jitter(stats));
    printf("%s%s\n", hop->stopped[0] != '\0' ? " " : "", hop->stopped);
    for (unsigned j = 1; j < hop->address_count; j++) {
        const char *name = names_look(mtr->names, &hop->address[j]);
        printf("    |  `|-- %s\n", name != NULL ? name : weir_ip_text(&hop->address[j], text));
    }
}

void mtr_report(const struct mtr *mtr)
{
    char here[128] = "", clock[64], text[NAME_TEXT_MAX];
    int width = NAME_COLUMNS;
    const time_t now = time(NULL);
    struct tm local;
    gethostname(here, sizeof here - 1);
    strftime(clock, sizeof clock, "%Y-%m-%dT%H:%M:%S%z", localtime_r(&now, &local));
    for (unsigned i = 0; mtr->wide && i < mtr->path.count; i++) {
        const int len = (int)strlen(mtr_hop_name(mtr, i, text));
        width = len > width ? len : width;
    }
    printf("Start: %s\n", clock);
    printf("HOST: %-*.*s  Loss%%   Snt   Last   Avg  Best  Wrst StDev  Jttr\n", width + 2,
           width + 2, here);
    for (unsigned i = 0; i < mtr->path.count; i++)
        print_hop(mtr, i, width);
    printf("\n");
    mtr_words(mtr, stdout, WORD_COLUMNS);
}

static void json_hop(struct json *json, const struct mtr *mtr, unsigned i)
{
    char text[WEIR_IP_TEXT_MAX];
    const struct path_hop *hop = &mtr->path.hop[i];
    json_object(json, NULL);
    json_unsigned(json, "ttl", mtr->path.first + i);
    json_array(json, "addresses");
    for (unsigned j = 0; j < hop->address_count; j++)
        json_string(json, NULL, weir_ip_text(&hop->address[j], text));
    json_end_array(json);
    const char *name = hop->address_count > 0 ? names_look(mtr->names, &hop->address[0]) : NULL;
    if (name != NULL)
        json_string(json, "name", name);
    json_unsigned(json, "sent", hop->stats.sent);
    json_unsigned(json, "received", hop->stats.received);
    json_milli(json, "loss", ping_stats_loss(&hop->stats));
    if (hop->stats.received > 0) {
        json_milli(json, "last_ms", hop->stats.last / WEIR_US);
        json_milli(json, "avg_ms", ping_stats_mean(&hop->stats) / WEIR_US);
        json_milli(json, "best_ms", hop->stats.least / WEIR_US);
        json_milli(json, "worst_ms", hop->stats.most / WEIR_US);
        json_milli(json, "stdev_ms", ping_stats_deviation(&hop->stats) / WEIR_US);
        json_milli(json, "jitter_ms", ping_stats_jitter(&hop->stats) / WEIR_US);
    }
    if (hop->stopped[0] != '\0')
        json_string(json, "mark", hop->stopped);
    json_end_object(json);
}

void mtr_json(const struct mtr *mtr)
{
    struct path_statement statement[PATH_STATEMENTS_MAX];
    char text[PATH_SENTENCE_MAX];
    struct json json;
    json_begin(&json, stdout);
    json_object(&json, NULL);
    json_string(&json, "host", mtr->host);
    json_string(&json, "address", weir_ip_text(&mtr->target.ip, text));
    json_string(&json, "probe", probe_kind_text(mtr->target.kind));
    json_unsigned(&json, "rounds", mtr->round);
    json_bool(&json, "reached", path_reached(&mtr->path));
    json_array(&json, "hops");
    for (unsigned i = 0; i < mtr->path.count; i++)
        json_hop(&json, mtr, i);
    json_end_array(&json);
    json_array(&json, "findings");
    const unsigned count = path_judge(&mtr->path, statement);
    for (unsigned i = 0; i < count; i++) {
        json_object(&json, NULL);
        json_string(&json, "finding", path_finding_name(statement[i].finding));
        if (statement[i].hop >= 0)
            json_unsigned(&json, "ttl", mtr->path.first + (unsigned)statement[i].hop);
        json_string(&json, "text", path_sentence(&mtr->path, &statement[i], text));
        json_end_object(&json);
    }
    json_end_array(&json);
    json_end_object(&json);
    json_finish(&json);
}
