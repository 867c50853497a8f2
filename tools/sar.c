/* SPDX-License-Identifier: MIT */

/* `weir sar -n`: rates at intervals, in the columns of sar(1). */

#include "args.h"
#include "json.h"
#include "look.h"
#include "sar_columns.h"
#include "terminal.h"
#include "tool.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#define ROWS_MAX 1024 /* places, and the interfaces of all of them */

static const char help[] =
    "usage: weir sar -n KEYWORD[,KEYWORD...] [INTERVAL [COUNT]]\n"
    "\n"
    "Shows rates as sar(1) does: those of weir and those of the kernel.\n"
    "Keywords: DEV EDEV SOCK SOCK6 IP EIP ICMP TCP ETCP UDP SOFT, and ALL.\n"
    "Seconds between looks; without COUNT until Ctrl-C; without INTERVAL, or with 0,\n"
    "what there was since the start.\n";

/* What a place, or an interface of it, had at one look. */
struct row {
    char place[LOOK_PLACE_MAX];
    bool is_iface;
    struct facts_iface iface; /* if it is one */
    int64_t when;
    uint64_t value[SAR_GROUPS][SAR_COLUMNS_MAX],
        sum[SAR_GROUPS][SAR_COLUMNS_MAX]; /* of gauges: in all looks */
    uint64_t looks;
};

struct look_result {
    struct row row[ROWS_MAX];
    unsigned count;
};

struct sar {
    struct look_options look_options;
    bool wanted[SAR_GROUPS];
    bool wants_hosts, wants_ifaces;
    uint64_t interval, count;
    bool has_interval, help;
    struct look_result first, last, now; /* first: of each row */
    bool several;
    struct json json;
};

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
    (void)number;
    interrupted = 1;
}

/* ---- Options ---- */

static int take_keywords(struct sar *sar, char *text)
{
    char *at;
    for (char *word = strtok_r(text, ",", &at); word != NULL; word = strtok_r(NULL, ",", &at)) {
        const bool all = strcmp(word, "ALL") == 0;
        bool known = all;
        for (unsigned i = 0; i < SAR_GROUPS; i++) {
            if (!all && strcmp(word, sar_groups[i].keyword) != 0)
                continue;
            sar->wanted[i] = known = true;
            *(sar_groups[i].kind == SAR_IFACES ? &sar->wants_ifaces : &sar->wants_hosts) = true;
        }
        if (!known)
            return tool_usage(
                "sar",
                "-n %s: not one of DEV EDEV SOCK SOCK6 IP EIP ICMP TCP ETCP UDP SOFT; sar(1) "
                "has the kernel's others",
                word);
    }
    return TOOL_OK;
}

static int read_options(int argc, char **argv, struct sar *sar)
{
    static const struct option longs[] = {
        { "help", no_argument, NULL, 'h' },
        LOOK_LONG_OPTIONS,
        { NULL, 0, NULL, 0 },
    };
    int option, status = TOOL_OK;
    bool any = false;
    while ((option = args_next(argc, argv, ":n:h", longs)) != ARGS_END) {
        if (option == ARGS_BAD)
            return TOOL_USAGE;
        if (option == 'n')
            status = take_keywords(sar, optarg);
        if (status != TOOL_OK)
            return status;
        any |= option == 'n';
        sar->help |= option == 'h';
        (void)look_option(&sar->look_options, option, optarg);
    }
    if (sar->help)
        return TOOL_OK;
    if (!any)
        return tool_usage("sar", "-n is missing: weir sar -n SOCK,TCP,ETCP 1 10");
    sar->count = UINT64_MAX;
    if (optind < argc) {
        if (!args_number(argv[optind++], 0, 86400, &sar->interval))
            return tool_usage("sar", "%s: not an interval in seconds", argv[optind - 1]);
        sar->has_interval = sar->interval > 0; /* 0: once, as if there were none */
    }
    if (optind < argc && !args_number(argv[optind++], 1, 1000000000, &sar->count))
        return tool_usage("sar", "%s: not a count", argv[optind - 1]);
    return optind < argc ? tool_usage("sar", "not an option: %s", argv[optind]) : TOOL_OK;
}

/* ---- Looking ---- */

static uint64_t add_up(const struct facts_host *host, const char *names, size_t len)
{
    uint64_t sum = 0;
    const char *const end = names + len;
    while (names < end) {
        char name[40];
        const size_t part = strcspn(names, "+|");
        snprintf(name, sizeof name, "%.*s", (int)part, names);
        sum += facts_host_get(host, name, 0);
        names += part + 1;
    }
    return sum;
}

static uint64_t value_of(const struct facts_host *host, const char *names)
{
    const char *bar = strchr(names, '|');
    if (bar == NULL)
        return add_up(host, names, strlen(names));
    if (host->source == FACTS_STACK)
        return add_up(host, bar + 1, strlen(bar + 1));
    return add_up(host, names, (size_t)(bar - names));
}

static struct row *row_add(struct look_result *result, enum facts_source source, const char *net,
                           int64_t when)
{
    if (result->count == ROWS_MAX)
        return NULL;
    struct row *row = &result->row[result->count++];
    *row = (struct row){ .when = when };
    look_place(source, net, row->place);
    return row;
}

static void take_host(void *user, const struct facts_host *host)
{
    struct row *row = row_add(user, host->source, host->net, host->when);
    for (unsigned g = 0; row != NULL && g < SAR_GROUPS; g++)
        for (unsigned c = 0; sar_groups[g].kind != SAR_IFACES && c < SAR_COLUMNS_MAX; c++)
            if (sar_groups[g].column[c].title != NULL)
                row->value[g][c] = value_of(host, sar_groups[g].column[c].names);
}

static void take_iface(void *user, const struct facts_iface *iface)
{
    struct row *row = row_add(user, iface->source, iface->net, iface->when);
    if (row == NULL)
        return;
    row->is_iface = true;
    row->iface = *iface;
    terminal_safe(iface->name, row->iface.name, sizeof row->iface.name);
}

static int look_once(struct sar *sar)
{
    struct look look;
    const int status = look_begin(&look, "sar", &sar->look_options);
    if (status != TOOL_OK)
        return status;
    sar->now.count = 0;
    if (sar->wants_hosts)
        look_hosts(&look, take_host, &sar->now);
    if (sar->wants_ifaces)
        look_ifaces(&look, take_iface, &sar->now);
    sar->several = sar->several || look.several;
    look_end(&look);
    return TOOL_OK;
}

static void keep(struct look_result *to, const struct look_result *from)
{
    to->count = from->count;
    memcpy(to->row, from->row, from->count * sizeof from->row[0]);
}

/* The same place or interface in another look; NULL: it was not there. */
static struct row *find(struct look_result *result, const struct row *row)
{
    for (unsigned i = 0; i < result->count; i++) {
        struct row *one = &result->row[i];
        if (one->is_iface == row->is_iface && strcmp(one->place, row->place) == 0 &&
            strcmp(one->iface.name, row->iface.name) == 0)
            return one;
    }
    return NULL;
}

/* ---- Showing ---- */

static bool has_column(const struct sar_group *group, unsigned c)
{
    return c < SAR_COLUMNS_MAX && group->column[c].title != NULL;
}

static void put_heading(const struct sar *sar, const char *time, const struct sar_group *group)
{
    printf("\n%-11s", time);
    if (group->kind == SAR_IFACES)
        printf(" %9s", "IFACE");
    for (unsigned c = 0; has_column(group, c); c++)
        printf(" %9s", group->column[c].title);
    puts(sar->several ? " stack" : "");
}

/* Hundredths, rounded. */
static uint64_t rate(uint64_t then, uint64_t now, int64_t span)
{
    if (span <= 0 || now < then)
        return 0;
    return (uint64_t)((double)(now - then) * 100.0 * (double)WEIR_SECOND / (double)span + 0.5);
}

/* Hundredths of a percent of what the interface can carry, the busier direction of a full-duplex
 * one; 0 if nobody knows how much that is. */
static uint64_t utilization(const struct facts_iface *then, const struct facts_iface *now,
                            int64_t span)
{
    const uint64_t rx = rate(then->rx_octets, now->rx_octets, span);
    const uint64_t tx = rate(then->tx_octets, now->tx_octets, span);
    const uint64_t busy = !now->full_duplex ? rx + tx : rx > tx ? rx : tx;
    const uint64_t unit = (uint64_t)now->speed * 10000 / 8;
    return unit == 0 ? 0 : (busy + unit / 2) / unit;
}

static uint64_t field(const struct facts_iface *iface, size_t offset)
{
    uint64_t value;
    memcpy(&value, (const char *)iface + offset, sizeof value);
    return value;
}

/* A rate of a row, in hundredths. */
static uint64_t centi_of(unsigned g, unsigned c, const struct row *then, const struct row *now)
{
    const struct sar_column *column = &sar_groups[g].column[c];
    const int64_t span = now->when - then->when;
    if (sar_groups[g].kind != SAR_IFACES)
        return rate(then->value[g][c], now->value[g][c], span);
    if (strcmp(column->title, SAR_UTILIZATION) == 0)
        return utilization(&then->iface, &now->iface, span);
    const uint64_t centi =
        rate(field(&then->iface, column->field), field(&now->iface, column->field), span);
    return strstr(column->title, "kB") != NULL ? (centi + 512) / 1024 : centi;
}

static void put_values(const struct sar *sar, const char *time, unsigned g, const struct row *then,
                       const struct row *now)
{
    const struct sar_group *group = &sar_groups[g];
    const bool average = strcmp(time, "Average:") == 0;
    printf("%-11s", time);
    if (now->is_iface)
        printf(" %9s", now->iface.name);
    for (unsigned c = 0; has_column(group, c); c++) {
        if (group->kind == SAR_GAUGES) {
            const uint64_t value = average ? now->sum[g][c] / now->looks : now->value[g][c];
            printf(" %9llu", (unsigned long long)value);
        } else {
            const uint64_t centi = centi_of(g, c, then, now);
            printf(" %6llu.%02llu", (unsigned long long)(centi / 100),
                   (unsigned long long)(centi % 100));
        }
    }
    if (sar->several)
        printf(" %s", now->place);
    putchar('\n');
}

static void put_tables(struct sar *sar, const char *before, const char *time,
                       struct look_result *since)
{
    for (unsigned g = 0; g < SAR_GROUPS; g++) {
        if (!sar->wanted[g])
            continue;
        put_heading(sar, before, &sar_groups[g]);
        for (unsigned i = 0; i < sar->now.count; i++) {
            const struct row *now = &sar->now.row[i], *then = find(since, now);
            if (then != NULL && now->is_iface == (sar_groups[g].kind == SAR_IFACES))
                put_values(sar, time, g, then, now);
        }
    }
    fflush(stdout);
}

static void json_group(struct json *json, unsigned g, const struct row *then, const struct row *now)
{
    const struct sar_group *group = &sar_groups[g];
    json_object(json, group->keyword);
    for (unsigned c = 0; has_column(group, c); c++) {
        if (group->kind == SAR_GAUGES)
            json_unsigned(json, group->column[c].title, now->value[g][c]);
        else
            json_milli(json, group->column[c].title, (int64_t)centi_of(g, c, then, now) * 10);
    }
    json_end_object(json);
}

static void put_json(struct sar *sar, const char *time)
{
    for (unsigned i = 0; i < sar->now.count; i++) {
        const struct row *now = &sar->now.row[i], *then = find(&sar->last, now);
        if (then == NULL)
            continue;
        json_object(&sar->json, NULL);
        json_string(&sar->json, "time", time);
        json_string(&sar->json, "stack", now->place);
        if (now->is_iface)
            json_string(&sar->json, "iface", now->iface.name);
        for (unsigned g = 0; g < SAR_GROUPS; g++)
            if (sar->wanted[g] && now->is_iface == (sar_groups[g].kind == SAR_IFACES))
                json_group(&sar->json, g, then, now);
        json_end_object(&sar->json);
    }
}

static void put_title(void)
{
    struct utsname name;
    char date[16];
    const time_t now = time(NULL);
    struct tm local;
    if (uname(&name) < 0)
        return;
    strftime(date, sizeof date, "%D", localtime_r(&now, &local));
    printf("%s %s (%s) \t%s \t_%s_\t(%ld CPU)\n", name.sysname, name.release, name.nodename, date,
           name.machine, sysconf(_SC_NPROCESSORS_ONLN));
}

static void clock_text(char text[16])
{
    const time_t now = time(NULL);
    struct tm local;
    strftime(text, 16, "%H:%M:%S", localtime_r(&now, &local));
}

/* What an average is made of, and the first look at what has come meanwhile. */
static void add_up_rows(struct sar *sar)
{
    for (unsigned i = 0; i < sar->now.count; i++) {
        struct row *now = &sar->now.row[i];
        const struct row *last = find(&sar->last, now);
        if (find(&sar->first, now) == NULL && sar->first.count < ROWS_MAX)
            sar->first.row[sar->first.count++] = *now;
        now->looks = (last != NULL ? last->looks : 0) + 1;
        for (unsigned g = 0; g < SAR_GROUPS; g++)
            for (unsigned c = 0; c < SAR_COLUMNS_MAX; c++)
                now->sum[g][c] = (last != NULL ? last->sum[g][c] : 0) + now->value[g][c];
    }
}

static int show(struct sar *sar)
{
    char before[16], time[16];
    const struct sigaction action = { .sa_handler = on_signal };
    sigaction(SIGINT, &action, NULL);
    int status = look_once(sar);
    if (status != TOOL_OK)
        return status;
    keep(&sar->first, &sar->now);
    clock_text(before);
    bool any = false;
    for (uint64_t i = 0; i < sar->count && !interrupted && !ferror(stdout); i++) {
        keep(&sar->last, &sar->now);
        if (sleep((unsigned)sar->interval) != 0)
            break;
        status = look_once(sar);
        if (status != TOOL_OK)
            return status;
        clock_text(time);
        add_up_rows(sar);
        any = true;
        if (sar->look_options.json)
            put_json(sar, time);
        else
            put_tables(sar, before, time, &sar->last);
        memcpy(before, time, sizeof before);
    }
    if (any && !sar->look_options.json)
        put_tables(sar, "Average:", "Average:", &sar->first);
    return TOOL_OK;
}

/* One look at all there was: the counters begin at 0 when the machine or the instance does. */
static int show_totals(struct sar *sar)
{
    char time[16];
    const int status = look_once(sar);
    if (status != TOOL_OK)
        return status;
    clock_text(time);
    sar->last.count = sar->now.count;
    for (unsigned i = 0; i < sar->now.count; i++) {
        struct row *then = &sar->last.row[i];
        *then = (struct row){ .is_iface = sar->now.row[i].is_iface };
        memcpy(then->place, sar->now.row[i].place, sizeof then->place);
        memcpy(then->iface.name, sar->now.row[i].iface.name, sizeof then->iface.name);
        sar->now.row[i].when = (int64_t)kernel_uptime() * WEIR_SECOND;
    }
    if (sar->look_options.json)
        put_json(sar, time);
    else
        put_tables(sar, "since start", time, &sar->last);
    return TOOL_OK;
}

int tool_sar(int argc, char **argv)
{
    struct sar *sar = calloc(1, sizeof *sar);
    if (sar == NULL)
        return tool_fail("sar", "no memory");
    int status = read_options(argc, argv, sar);
    if (status == TOOL_OK && sar->help) {
        status = look_show_help(help);
    } else if (status == TOOL_OK) {
        json_begin(&sar->json, stdout);
        if (sar->look_options.json)
            json_array(&sar->json, NULL);
        else
            put_title();
        status = sar->has_interval ? show(sar) : show_totals(sar);
        if (sar->look_options.json) {
            json_end_array(&sar->json);
            json_finish(&sar->json);
        }
    }
    free(sar);
    return status;
}
