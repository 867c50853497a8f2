/* SPDX-License-Identifier: MIT */

/* `weir ping`: echo requests from our own stack, and what comes back. */

#include "amount.h"
#include "args.h"
#include "host.h"
#include "tool.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SIZE_MAX_V4    65507
#define SIZE_DEFAULT   56
#define INTERVAL_MIN   WEIR_MS
#define INTERVAL_MAX   (3600 * WEIR_SECOND)
#define WAIT_DEFAULT   (2 * WEIR_SECOND)
#define SEQ_REMEMBERED 1024 /* requests whose sending time is known */

static const char help[] =
    "usage: weir ping ADDRESS --dev DEVICE --addr IP/LEN [OPTION...]\n"
    "\n"
    "Sends echo requests and prints the replies.\n"
    "\n"
    "  -c, --count N      stop after N requests; default: go on until interrupted;\n"
    "                     with --dev pair 4\n"
    "  -s, --size N       octets of data, 0 to 65507; default 56\n"
    "  -i, --interval S   seconds between requests; default 1\n"
    "  -W, --wait S       seconds to wait for the last reply; default 2\n";

struct ping {
    struct host_options options;
    struct host host;
    const char *target;
    struct weir_ip ip;
    uint64_t count; /* 0: no end */
    size_t size;
    weir_time interval, wait;
    weir_handle endpoint;
    struct weir_loop_timer timer;
    uint64_t sent, received, repeated, damaged;
    weir_time sent_at[SEQ_REMEMBERED]; /* 0: answered, or never sent */
    weir_time least, most, sum;
    uint8_t data[SIZE_MAX_V4], reply[SIZE_MAX_V4 + 1];
};

static bool option_own(struct ping *ping, int option, const char *text, const char **wrong)
{
    uint64_t size = 0;
    *wrong = NULL;
    switch (option) {
    case 'c':
        if (!args_number(text, 1, UINT32_MAX, &ping->count))
            *wrong = "--count %s: not a number from 1 on";
        return true;
    case 's':
        if (!args_number(text, 0, SIZE_MAX_V4, &size))
            *wrong = "--size %s: not a number from 0 to 65507";
        ping->size = (size_t)size;
        return true;
    case 'i':
        if (!args_seconds(text, INTERVAL_MIN, INTERVAL_MAX, &ping->interval))
            *wrong = "--interval %s: not seconds from 0.001 to 3600";
        return true;
    case 'W':
        if (!args_seconds(text, INTERVAL_MIN, INTERVAL_MAX, &ping->wait))
            *wrong = "--wait %s: not seconds from 0.001 to 3600";
        return true;
    default:
        return false;
    }
}

static int parse(struct ping *ping, int argc, char **argv, bool *done)
{
    static const struct option longs[] = {
        HOST_LONG_OPTIONS,
        { "count", required_argument, NULL, 'c' },
        { "size", required_argument, NULL, 's' },
        { "interval", required_argument, NULL, 'i' },
        { "wait", required_argument, NULL, 'W' },
        { NULL, 0, NULL, 0 },
    };
    for (int option; (option = args_next(argc, argv, ":c:s:i:W:", longs)) != ARGS_END;) {
        const char *wrong;
        if (option == HOST_HELP) {
            fputs(help, stdout);
            fputs(host_help, stdout);
            *done = true;
            return TOOL_OK;
        }
        if (!option_own(ping, option, optarg, &wrong)) {
            const int status = host_option(&ping->options, argv[0], option, optarg);
            if (status != TOOL_OK)
                return status;
        } else if (wrong != NULL) {
            char line[256];
            snprintf(line, sizeof line, "%.*s%s%s", (int)strcspn(wrong, "%"), wrong, optarg,
                     strchr(wrong, ':'));
            return tool_usage(argv[0], "%s", line);
        }
    }
    if (optind == argc)
        return tool_usage(argv[0], "an address is missing");
    if (optind + 1 < argc)
        return tool_usage(argv[0], "one address at a time; what is '%s'?", argv[optind + 1]);
    ping->target = argv[optind];
    return host_options_check(&ping->options, argv[0], true);
}

/* ---- Replies ---- */

static void take_reply(struct ping *ping, const struct weir_datagram *info)
{
    char ip[WEIR_IP_TEXT_MAX], time[AMOUNT_MAX];
    weir_time *sent_at = &ping->sent_at[info->seq % SEQ_REMEMBERED];
    if (info->len != ping->size || memcmp(ping->reply, ping->data, ping->size) != 0) {
        ping->damaged++;
        printf("%zu octets from %s: seq %u, not what was sent\n", info->len,
               weir_ip_text(&info->from.ip, ip), info->seq);
        return;
    }
    if (*sent_at == 0) {
        ping->repeated++;
        printf("%zu octets from %s: seq %u, once more\n", info->len,
               weir_ip_text(&info->from.ip, ip), info->seq);
        return;
    }
    /* In memory, all of a turn happens at the same time by the loop's clock. */
    const weir_time when = ping->host.is_pair ? weir_loop_clock() : info->when;
    const weir_time took = when - *sent_at;
    *sent_at = 0;
    ping->received++;
    ping->sum += took;
    if (ping->received == 1 || took < ping->least)
        ping->least = took;
    if (took > ping->most)
        ping->most = took;
    printf("%zu octets from %s: seq %u, ttl %u, %s\n", info->len, weir_ip_text(&info->from.ip, ip),
           info->seq, info->ttl, amount_time(took, time));
}

static void on_event(void *user, struct weir *weir, const struct weir_event *event, weir_time now)
{
    struct ping *ping = user;
    (void)now;
    if (event->handle != ping->endpoint)
        return;
    struct weir_datagram info;
    while (weir_udp_recv(weir, ping->endpoint, ping->reply, sizeof ping->reply, &info) == WEIR_OK)
        take_reply(ping, &info);
    if ((event->ready & WEIR_ERROR) != 0) {
        const enum weir_error error = weir_error_take(weir, ping->endpoint);
        if (error != WEIR_OK)
            printf("%s: %s\n", ping->target, weir_error_text(error));
    }
    fflush(stdout);
    if (ping->count > 0 && ping->sent == ping->count && ping->received == ping->count)
        weir_loop_stop(ping->host.loop);
}

/* ---- Requests ---- */

static void on_time(void *user, weir_time now)
{
    struct ping *ping = user;
    if (ping->count > 0 && ping->sent == ping->count) { /* the last reply did not come */
        weir_loop_stop(ping->host.loop);
        return;
    }
    const uint16_t seq = (uint16_t)(ping->sent + 1);
    const enum weir_error error = weir_ping_send(ping->host.weir, ping->endpoint, &ping->ip, seq,
                                                 ping->data, ping->size, now);
    if (error == WEIR_OK)
        ping->sent_at[seq % SEQ_REMEMBERED] = now;
    else
        printf("%s: %s\n", ping->target, weir_error_text(error));
    ping->sent++;
    const bool last = ping->count > 0 && ping->sent == ping->count;
    weir_loop_set_timer(ping->host.loop, &ping->timer, now + (last ? ping->wait : ping->interval));
}

static void summary(const struct ping *ping)
{
    const uint64_t lost = ping->sent - ping->received;
    char least[AMOUNT_MAX], mean[AMOUNT_MAX], most[AMOUNT_MAX];
    printf("%" PRIu64 " sent, %" PRIu64 " answered, %" PRIu64 " lost (%u %%)", ping->sent,
           ping->received, lost, ping->sent > 0 ? (unsigned)(100 * lost / ping->sent) : 0);
    if (ping->repeated > 0)
        printf(", %" PRIu64 " repeated", ping->repeated);
    if (ping->damaged > 0)
        printf(", %" PRIu64 " damaged", ping->damaged);
    printf("\n");
    if (ping->received > 0)
        printf("least %s, mean %s, most %s\n", amount_time(ping->least, least),
               amount_time(ping->sum / (weir_time)ping->received, mean),
               amount_time(ping->most, most));
}

static int run(struct ping *ping, const char *command)
{
    struct host *host = &ping->host;
    int status = host_resolve(host, ping->target, &ping->ip);
    if (status == TOOL_OK)
        status = host_attach(host, on_event, ping, NULL, NULL);
    if (status == TOOL_OK)
        status = host_wait_addresses(host);
    if (status != TOOL_OK)
        return status;
    const enum weir_error error = weir_ping_open(host->weir, &ping->endpoint);
    if (error != WEIR_OK)
        return tool_fail(command, "%s", weir_error_text(error));
    for (size_t i = 0; i < ping->size; i++)
        ping->data[i] = (uint8_t)i;
    if (host->is_pair && ping->count == 0)
        ping->count = 4;
    ping->timer = (struct weir_loop_timer){ .on_time = on_time, .user = ping };
    weir_loop_set_timer(host->loop, &ping->timer, weir_loop_clock());
    status = host_run(host);
    weir_loop_clear_timer(host->loop, &ping->timer);
    summary(ping);
    return status != TOOL_OK ? status : ping->received > 0 ? TOOL_OK : TOOL_FAILED;
}

int tool_ping(int argc, char **argv)
{
    struct ping *ping = calloc(1, sizeof *ping);
    if (ping == NULL)
        return tool_fail(argv[0], "out of memory");
    ping->size = SIZE_DEFAULT;
    ping->interval = WEIR_SECOND;
    ping->wait = WAIT_DEFAULT;
    bool done = false;
    int status = parse(ping, argc, argv, &done);
    if (status == TOOL_OK && !done)
        status = host_open(&ping->host, argv[0], &ping->options);
    if (status == TOOL_OK && !done) {
        status = run(ping, argv[0]);
        host_close(&ping->host);
    }
    free(ping);
    return status;
}
