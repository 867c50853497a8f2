/* SPDX-License-Identifier: MIT */

/* `weir ping`: echo requests, and what comes back. */

#include "ping.h"

#include "args.h"
#include "tool.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define COMMAND      "ping"
#define SIZE_DEFAULT 56
#define ICMP_HEADER  8
#define INTERVAL_MIN WEIR_MS
#define INTERVAL_MAX (3600 * WEIR_SECOND)
#define WAIT_DEFAULT (2 * WEIR_SECOND)

static const char help[] =
    "usage: weir ping HOST [OPTION...]\n"
    "       weir ping ADDRESS --dev DEVICE --addr IP/LEN [OPTION...]\n"
    "\n"
    "Sends echo requests and prints the replies: over this machine's kernel, or with\n"
    "--dev from a host of its own. No reply proves little: many hosts and firewalls\n"
    "drop echo requests (weir traceroute -T asks by TCP).\n"
    "\n"
    "  -c, --count N      stop after N requests; default: go on until interrupted;\n"
    "                     with --dev pair 4\n"
    "  -s, --size N       octets of data, 0 to 65507; default 56\n"
    "  -i, --interval S   seconds between requests; default 1\n"
    "  -W, --wait S       seconds to wait for the last reply; default 2\n"
    "  -w, --deadline S   stop after S seconds, whatever has come\n"
    "  -t, --ttl N        TTL of the requests, 1 to 255\n"
    "  -M, --pmtu HOW     do: never in fragments; want: discover the path's MTU;\n"
    "                     dont: fragments wherever needed. Kernel only\n"
    "  -I, --interface X  from that interface, or from that address. Kernel only\n"
    "  -O, --outstanding  a line if nothing has come when the next goes\n"
    "  -4, -6             only this family\n"
    "  -n, --numeric      no names\n"
    "  -q, --quiet        only the summary\n"
    "  -D, --timestamps   the time of day before each line\n"
    "  -j, --json         as JSON\n";

/* ---- Options ---- */

static int option_number(const char *name, uint64_t min, uint64_t max, uint64_t *value)
{
    if (args_number(optarg, min, max, value))
        return TOOL_OK;
    if (max == UINT32_MAX)
        return tool_usage(COMMAND, "%s %s: not a number from 1 on", name, optarg);
    return tool_usage(COMMAND, "%s %s: not a number from %" PRIu64 " to %" PRIu64, name, optarg,
                      min, max);
}

static int option_seconds(const char *name, weir_time *value)
{
    if (args_seconds(optarg, INTERVAL_MIN, INTERVAL_MAX, value))
        return TOOL_OK;
    return tool_usage(COMMAND, "%s %s: not seconds from 0.001 to 3600", name, optarg);
}

static int option_mtu(struct ping *ping)
{
    static const char *const names[] = { "", "do", "want", "dont" };
    for (unsigned i = 1; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(optarg, names[i]) == 0) {
            ping->mtu = (enum ping_mtu)i;
            return TOOL_OK;
        }
    return tool_usage(COMMAND, "--pmtu %s: not do, want or dont", optarg);
}

static int option_own(struct ping *ping, int option)
{
    uint64_t size = 0;
    int status;
    switch (option) {
    case 'c':
        return option_number("--count", 1, UINT32_MAX, &ping->count);
    case 's':
        status = option_number("--size", 0, PING_SIZE_MAX, &size);
        ping->size = (size_t)size;
        return status;
    case 't':
        return option_number("--ttl", 1, 255, &ping->ttl);
    case 'i':
        return option_seconds("--interval", &ping->interval);
    case 'W':
        return option_seconds("--wait", &ping->wait);
    case 'w':
        return option_seconds("--deadline", &ping->deadline);
    case 'M':
        return option_mtu(ping);
    case 'I':
        ping->from = optarg;
        return TOOL_OK;
    case '4':
    case '6':
        ping->family = option == '4' ? AF_INET : AF_INET6;
        return TOOL_OK;
    default:
        ping->numeric = ping->numeric || option == 'n';
        ping->quiet = ping->quiet || option == 'q';
        ping->outstanding = ping->outstanding || option == 'O';
        ping->stamps = ping->stamps || option == 'D';
        ping->as_json = ping->as_json || option == 'j';
        return TOOL_OK;
    }
}

/* Options of a host make no sense without a device, and one of the kernel's not with it. */
static int check(const struct ping *ping, bool host_given)
{
    if (ping->options.dev == NULL && host_given)
        return tool_usage(COMMAND, "--addr, --gateway and the like need --dev");
    if (ping->options.dev == NULL)
        return TOOL_OK;
    if (ping->mtu != PING_MTU_DEFAULT)
        return tool_usage(COMMAND, "--pmtu is the kernel's: not with --dev");
    if (ping->from != NULL)
        return tool_usage(COMMAND, "--interface is the kernel's: not with --dev");
    return host_options_check(&ping->options, COMMAND, true);
}

static int parse(struct ping *ping, int argc, char **argv, bool *done)
{
    static const struct option longs[] = {
        HOST_LONG_OPTIONS,
        { "count", required_argument, NULL, 'c' },
        { "size", required_argument, NULL, 's' },
        { "interval", required_argument, NULL, 'i' },
        { "wait", required_argument, NULL, 'W' },
        { "deadline", required_argument, NULL, 'w' },
        { "ttl", required_argument, NULL, 't' },
        { "pmtu", required_argument, NULL, 'M' },
        { "interface", required_argument, NULL, 'I' },
        { "outstanding", no_argument, NULL, 'O' },
        { "numeric", no_argument, NULL, 'n' },
        { "quiet", no_argument, NULL, 'q' },
        { "timestamps", no_argument, NULL, 'D' },
        { "json", no_argument, NULL, 'j' },
        { NULL, 0, NULL, 0 },
    };
    bool host_given = false;
    for (int c; (c = args_next(argc, argv, ":c:s:i:W:w:t:M:I:46nqDOj", longs)) != ARGS_END;) {
        if (c == HOST_HELP) {
            fputs(help, stdout);
            fputs(host_help, stdout);
            *done = true;
            return TOOL_OK;
        }
        const bool own = c > 0 && c < HOST_DEV;
        const int status =
            own ? option_own(ping, c) : host_option(&ping->options, argv[0], c, optarg);
        if (status != TOOL_OK)
            return status;
        host_given = host_given || !own;
    }
    if (optind == argc)
        return tool_usage(COMMAND, "an address is missing");
    if (optind + 1 < argc)
        return tool_usage(COMMAND, "one address at a time; what is '%s'?", argv[optind + 1]);
    ping->target = argv[optind];
    return check(ping, host_given);
}

/* ---- What both ways report ---- */

static const char *name_of(const struct ping *ping, const struct weir_ip *from,
                           char text[WEIR_IP_TEXT_MAX + 264])
{
    char ip[WEIR_IP_TEXT_MAX];
    weir_ip_text(from, ip);
    if (ping->numeric || strcmp(ping->target, ip) == 0 || !weir_ip_equal(from, &ping->ip))
        snprintf(text, WEIR_IP_TEXT_MAX, "%s", ip);
    else
        snprintf(text, WEIR_IP_TEXT_MAX + 264, "%.255s (%s)", ping->target, ip);
    return text;
}

static void stamp(const struct ping *ping)
{
    struct timespec now;
    if (!ping->stamps)
        return;
    clock_gettime(CLOCK_REALTIME, &now);
    printf("[%lld.%06ld] ", (long long)now.tv_sec, now.tv_nsec / 1000);
}

void ping_begin(struct ping *ping, weir_time now)
{
    char ip[WEIR_IP_TEXT_MAX];
    ping->began = now;
    for (size_t i = 0; i < ping->size; i++)
        ping->data[i] = (uint8_t)i;
    weir_ip_text(&ping->ip, ip);
    if (!ping->as_json) {
        printf("PING %s (%s) %zu(%zu) bytes of data.\n", ping->target, ip, ping->size,
               ping->size + ICMP_HEADER + (weir_ip_is_v4(&ping->ip) ? 20 : 40));
        fflush(stdout);
        return;
    }
    json_begin(&ping->json, stdout);
    json_object(&ping->json, NULL);
    json_string(&ping->json, "target", ping->target);
    json_string(&ping->json, "address", ip);
    json_unsigned(&ping->json, "size", ping->size);
    json_array(&ping->json, "replies");
}

void ping_sent(struct ping *ping, uint16_t seq, weir_time now)
{
    const uint16_t before = (uint16_t)(seq - 1);
    if (ping->outstanding && !ping->quiet && !ping->as_json && seq > 1 &&
        ping->sent_at[before % PING_SEQ_REMEMBERED] != 0) {
        stamp(ping);
        printf("no answer yet for icmp_seq=%u\n", before);
        fflush(stdout);
    }
    ping->sent_at[seq % PING_SEQ_REMEMBERED] = now;
}

static void print_reply(struct ping *ping, const struct ping_reply *reply, weir_time took,
                        const char *remark)
{
    char name[WEIR_IP_TEXT_MAX + 264];
    if (ping->as_json) {
        json_object(&ping->json, NULL);
        json_string(&ping->json, "from", weir_ip_text(reply->from, name));
        json_unsigned(&ping->json, "seq", reply->seq);
        if (reply->ttl > 0)
            json_unsigned(&ping->json, "ttl", reply->ttl);
        if (took >= 0)
            json_milli(&ping->json, "ms", took / WEIR_US);
        if (remark[0] != '\0')
            json_string(&ping->json, "remark", remark);
        json_end_object(&ping->json);
        return;
    }
    if (ping->quiet)
        return;
    stamp(ping);
    printf("%zu bytes from %s: icmp_seq=%u", reply->len + ICMP_HEADER,
           name_of(ping, reply->from, name), reply->seq);
    if (reply->ttl > 0)
        printf(" ttl=%u", reply->ttl);
    if (took >= 0)
        printf(" time=%" PRId64 ".%03" PRId64 " ms", took / WEIR_MS, took / WEIR_US % 1000);
    printf("%s%s\n", remark[0] != '\0' ? " " : "", remark);
    fflush(stdout);
}

void ping_answered(struct ping *ping, const struct ping_reply *reply)
{
    weir_time *sent_at = &ping->sent_at[reply->seq % PING_SEQ_REMEMBERED];
    if (reply->len != ping->size || memcmp(reply->data, ping->data, ping->size) != 0) {
        ping->stats.damaged++;
        print_reply(ping, reply, -1, "(not what was sent)");
        return;
    }
    if (*sent_at == 0) {
        ping->stats.repeated++;
        print_reply(ping, reply, -1, "(DUP!)");
        return;
    }
    const weir_time took = reply->when - *sent_at;
    *sent_at = 0;
    ping_stats_add(&ping->stats, took, reply->ttl);
    print_reply(ping, reply, took, "");
}

void ping_trouble(struct ping *ping, const struct weir_ip *from, uint16_t seq, const char *what)
{
    char text[WEIR_IP_TEXT_MAX + 264];
    ping->stats.errors++;
    if (ping->as_json) {
        json_object(&ping->json, NULL);
        if (from != NULL)
            json_string(&ping->json, "from", weir_ip_text(from, text));
        if (seq > 0)
            json_unsigned(&ping->json, "seq", seq);
        json_string(&ping->json, "error", what);
        json_end_object(&ping->json);
        return;
    }
    if (ping->quiet)
        return;
    stamp(ping);
    if (from != NULL)
        printf("From %s", name_of(ping, from, text));
    else
        printf("%s", ping->target);
    if (seq > 0)
        printf("%s icmp_seq=%u", from != NULL ? "" : ":", seq);
    printf("%s %s\n", from == NULL && seq == 0 ? ":" : "", what);
    fflush(stdout);
}

bool ping_all_sent(const struct ping *ping)
{
    return ping->count > 0 && ping->stats.sent == ping->count;
}

bool ping_all_answered(const struct ping *ping)
{
    return ping_all_sent(ping) && ping->stats.received >= ping->count;
}

static void end_json(struct ping *ping)
{
    const struct ping_stats *stats = &ping->stats;
    struct json *json = &ping->json;
    json_end_array(json);
    json_unsigned(json, "sent", stats->sent);
    json_unsigned(json, "received", stats->received);
    json_unsigned(json, "repeated", stats->repeated);
    json_unsigned(json, "damaged", stats->damaged);
    json_unsigned(json, "errors", stats->errors);
    json_milli(json, "loss", ping_stats_loss(stats));
    if (stats->received > 0) {
        json_milli(json, "min_ms", stats->least / WEIR_US);
        json_milli(json, "avg_ms", ping_stats_mean(stats) / WEIR_US);
        json_milli(json, "max_ms", stats->most / WEIR_US);
        json_milli(json, "mdev_ms", ping_stats_deviation(stats) / WEIR_US);
        json_milli(json, "jitter_ms", ping_stats_jitter(stats) / WEIR_US);
    }
    if (stats->ttl_most > 0) {
        json_unsigned(json, "ttl", stats->ttl_most);
        json_unsigned(json, "hops_back_guessed", ping_stats_hops(stats->ttl_most, NULL));
    }
    json_end_object(json);
    json_finish(json);
}

int ping_end(struct ping *ping, weir_time now)
{
    if (ping->as_json)
        end_json(ping);
    else
        ping_stats_print(&ping->stats, ping->target, now - ping->began, stdout);
    return ping->stats.received > 0 ? TOOL_OK : TOOL_FAILED;
}

int tool_ping(int argc, char **argv)
{
    struct ping *ping = calloc(1, sizeof *ping);
    if (ping == NULL)
        return tool_fail(argv[0], "out of memory");
    ping->size = SIZE_DEFAULT;
    ping->interval = WEIR_SECOND;
    ping->wait = WAIT_DEFAULT;
    ping->family = AF_UNSPEC;
    bool done = false;
    int status = parse(ping, argc, argv, &done);
    if (status == TOOL_OK && !done)
        status = ping->options.dev != NULL ? ping_over_stack(ping) : ping_over_kernel(ping);
    free(ping);
    return status;
}
