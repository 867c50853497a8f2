/* SPDX-License-Identifier: MIT */

/* `weir sar -n`: rates at intervals, in the columns of sar(1). */

#include "args.h"
#include "json.h"
#include "look.h"
#include "tool.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#define COLUMNS_MAX 8
#define PLACES_MAX  64

static const char help[] =
    "usage: weir sar -n KEYWORD[,KEYWORD...] [INTERVAL [COUNT]]\n"
    "\n"
    "Shows rates as sar(1) does: those of weir and those of the kernel.\n"
    "Keywords: SOCK SOCK6 IP EIP ICMP TCP ETCP UDP SOFT, and ALL.\n"
    "Seconds between looks; without COUNT until Ctrl-C; without INTERVAL, or with 0,\n"
    "what there was since the start.\n";

/* Columns of a keyword. `names` are the counters that are added up; behind a bar stands what
 * weir calls the same, if it does not use Linux's name. */
struct column {
    const char *title, *names;
};

struct group {
    const char *keyword;
    bool gauges; /* the value itself, not its rate */
    struct column column[COLUMNS_MAX];
};

static const struct group groups[] = {
    { "SOCK",
      true,
      { { "totsck", "Socksocketsused|WeirPoolTcbUsed+WeirPoolListenerUsed+WeirPoolEndpointUsed" },
        { "tcpsck", "SockTCPinuse|WeirPoolTcbUsed+WeirPoolListenerUsed" },
        { "udpsck", "SockUDPinuse|WeirPoolEndpointUsed" },
        { "rawsck", "SockRAWinuse" },
        { "ip-frag", "SockFRAGinuse|WeirPoolFragUsed" },
        { "tcp-tw", "SockTCPtw|WeirPoolTwUsed" } } },
    { "IP",
      false,
      { { "irec/s", "IpInReceives" },
        { "fwddgm/s", "IpForwDatagrams" },
        { "idel/s", "IpInDelivers" },
        { "orq/s", "IpOutRequests" },
        { "asmrq/s", "IpReasmReqds" },
        { "asmok/s", "IpReasmOKs" },
        { "fragok/s", "IpFragOKs" },
        { "fragcrt/s", "IpFragCreates" } } },
    { "EIP",
      false,
      { { "ihdrerr/s", "IpInHdrErrors" },
        { "iadrerr/s", "IpInAddrErrors" },
        { "iukwnpr/s", "IpInUnknownProtos" },
        { "idisc/s", "IpInDiscards" },
        { "odisc/s", "IpOutDiscards" },
        { "onort/s", "IpOutNoRoutes" },
        { "asmf/s", "IpReasmFails" },
        { "fragf/s", "IpFragFails" } } },
    { "ICMP",
      false,
      { { "imsg/s", "IcmpInMsgs" },
        { "omsg/s", "IcmpOutMsgs" },
        { "iech/s", "IcmpInEchos" },
        { "iechr/s", "IcmpInEchoReps" },
        { "oech/s", "IcmpOutEchos" },
        { "oechr/s", "IcmpOutEchoReps" },
        { "itm/s", "IcmpInTimestamps" },
        { "itmr/s", "IcmpInTimestampReps" } } },
    { "TCP",
      false,
      { { "active/s", "TcpActiveOpens" },
        { "passive/s", "TcpPassiveOpens" },
        { "iseg/s", "TcpInSegs" },
        { "oseg/s", "TcpOutSegs" } } },
    { "ETCP",
      false,
      { { "atmptf/s", "TcpAttemptFails" },
        { "estres/s", "TcpEstabResets" },
        { "retrans/s", "TcpRetransSegs" },
        { "isegerr/s", "TcpInErrs" },
        { "orsts/s", "TcpOutRsts" } } },
    { "UDP",
      false,
      { { "idgm/s", "UdpInDatagrams" },
        { "odgm/s", "UdpOutDatagrams" },
        { "noport/s", "UdpNoPorts" },
        { "idgmerr/s", "UdpInErrors" } } },
    { "SOCK6",
      true,
      { { "tcp6sck", "SockTCP6inuse" },
        { "udp6sck", "SockUDP6inuse" },
        { "raw6sck", "SockRAW6inuse" },
        { "ip6-frag", "SockFRAG6inuse" } } },
    { "SOFT",
      false,
      { { "total/s", "SoftnetProcessed" },
        { "dropd/s", "SoftnetDropped" },
        { "squeezd/s", "SoftnetSqueezed" } } },
};
#define GROUPS (sizeof groups / sizeof groups[0])

/* What a place had at one look. */
struct sample {
    char place[LOOK_PLACE_MAX];
    int64_t when;
    uint64_t value[GROUPS][COLUMNS_MAX];
};

struct sar {
    struct look_options look_options;
    bool wanted[GROUPS];
    uint64_t interval, count;
    bool has_interval, help;
    struct sample first[PLACES_MAX], last[PLACES_MAX], now[PLACES_MAX];
    unsigned places, seen, headings;
    bool several;
    uint64_t looks;
    uint64_t gauge_sum[PLACES_MAX][GROUPS][COLUMNS_MAX]; /* for the average */
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
        for (unsigned i = 0; i < GROUPS; i++) {
            if (!all && strcmp(word, groups[i].keyword) != 0)
                continue;
            sar->wanted[i] = known = true;
        }
        if (!known)
            return tool_usage("sar",
                              "-n %s: not one of SOCK SOCK6 IP EIP ICMP TCP ETCP UDP SOFT; sar(1) "
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

static void take_host(void *user, const struct facts_host *host)
{
    struct sar *sar = user;
    if (sar->seen == PLACES_MAX)
        return;
    struct sample *sample = &sar->now[sar->seen++];
    look_place(host->source, host->net, sample->place);
    sample->when = host->when;
    for (unsigned g = 0; g < GROUPS; g++)
        for (unsigned c = 0; c < COLUMNS_MAX && groups[g].column[c].title != NULL; c++)
            sample->value[g][c] = value_of(host, groups[g].column[c].names);
}

static int look_once(struct sar *sar)
{
    struct look look;
    const int status = look_begin(&look, "sar", &sar->look_options);
    if (status != TOOL_OK)
        return status;
    sar->seen = 0;
    look_hosts(&look, take_host, sar);
    sar->several = sar->several || look.several;
    look_end(&look);
    return TOOL_OK;
}

/* ---- Showing ---- */

static void put_heading(const struct sar *sar, const char *time, const struct group *group)
{
    printf("\n%-11s", time);
    for (unsigned c = 0; c < COLUMNS_MAX && group->column[c].title != NULL; c++)
        printf(" %9s", group->column[c].title);
    puts(sar->several ? " stack" : "");
}

/* Hundredths, rounded: rates need no floating point. */
static uint64_t rate(uint64_t then, uint64_t now, int64_t span)
{
    if (span <= 0 || now < then)
        return 0;
    return (uint64_t)((double)(now - then) * 100.0 * (double)WEIR_SECOND / (double)span + 0.5);
}

static void put_values(struct sar *sar, const char *time, unsigned g, const struct sample *then,
                       const struct sample *now)
{
    const struct group *group = &groups[g];
    const unsigned place = (unsigned)(now - sar->now);
    const int64_t span = now->when - then->when;
    printf("%-11s", time);
    for (unsigned c = 0; c < COLUMNS_MAX && group->column[c].title != NULL; c++) {
        const uint64_t value = now->value[g][c];
        const bool average = strcmp(time, "Average:") == 0;
        if (group->gauges) {
            printf(" %9llu", (unsigned long long)(average ? sar->gauge_sum[place][g][c] / sar->looks
                                                          : value));
        } else {
            const uint64_t centi = rate(then->value[g][c], value, span);
            printf(" %6llu.%02llu", (unsigned long long)(centi / 100),
                   (unsigned long long)(centi % 100));
        }
    }
    if (sar->several)
        printf(" %s", now->place);
    putchar('\n');
}

static void put_tables(struct sar *sar, const char *before, const char *time,
                       const struct sample *then)
{
    for (unsigned g = 0; g < GROUPS; g++) {
        if (!sar->wanted[g])
            continue;
        put_heading(sar, before, &groups[g]);
        for (unsigned p = 0; p < sar->seen && p < sar->places; p++)
            put_values(sar, time, g, &then[p], &sar->now[p]);
    }
    fflush(stdout);
}

static void put_json(struct sar *sar, const char *time)
{
    for (unsigned p = 0; p < sar->seen && p < sar->places; p++) {
        const struct sample *then = &sar->last[p], *now = &sar->now[p];
        json_object(&sar->json, NULL);
        json_string(&sar->json, "time", time);
        json_string(&sar->json, "stack", now->place);
        for (unsigned g = 0; g < GROUPS; g++) {
            if (!sar->wanted[g])
                continue;
            json_object(&sar->json, groups[g].keyword);
            for (unsigned c = 0; c < COLUMNS_MAX && groups[g].column[c].title != NULL; c++) {
                const struct column *column = &groups[g].column[c];
                if (groups[g].gauges)
                    json_unsigned(&sar->json, column->title, now->value[g][c]);
                else
                    json_milli(
                        &sar->json, column->title,
                        (int64_t)rate(then->value[g][c], now->value[g][c], now->when - then->when) *
                            10);
            }
            json_end_object(&sar->json);
        }
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

static void add_gauges(struct sar *sar)
{
    sar->looks++;
    for (unsigned p = 0; p < sar->seen; p++)
        for (unsigned g = 0; g < GROUPS; g++)
            for (unsigned c = 0; c < COLUMNS_MAX; c++)
                sar->gauge_sum[p][g][c] += sar->now[p].value[g][c];
}

static int show(struct sar *sar)
{
    char before[16], time[16];
    const struct sigaction action = { .sa_handler = on_signal };
    sigaction(SIGINT, &action, NULL);
    int status = look_once(sar);
    if (status != TOOL_OK)
        return status;
    sar->places = sar->seen;
    memcpy(sar->first, sar->now, sizeof sar->first);
    clock_text(before);
    for (uint64_t i = 0; i < sar->count && !interrupted && !ferror(stdout); i++) {
        memcpy(sar->last, sar->now, sizeof sar->last);
        if (sleep((unsigned)sar->interval) != 0)
            break;
        status = look_once(sar);
        if (status != TOOL_OK)
            return status;
        clock_text(time);
        add_gauges(sar);
        if (sar->look_options.json)
            put_json(sar, time);
        else
            put_tables(sar, before, time, sar->last);
        memcpy(before, time, sizeof before);
    }
    if (sar->looks > 0 && !sar->look_options.json)
        put_tables(sar, "Average:", "Average:", sar->first);
    return TOOL_OK;
}

/* One look at all there was: the counters begin at 0 when the machine or the instance does. */
static int show_totals(struct sar *sar)
{
    char time[16];
    const int status = look_once(sar);
    if (status != TOOL_OK)
        return status;
    sar->places = sar->seen;
    sar->looks = 1;
    clock_text(time);
    for (unsigned p = 0; p < sar->seen; p++) {
        sar->last[p] = (struct sample){ .when = 0 };
        sar->now[p].when = (int64_t)kernel_uptime() * WEIR_SECOND;
    }
    if (sar->look_options.json)
        put_json(sar, time);
    else
        put_tables(sar, "since start", time, sar->last);
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
