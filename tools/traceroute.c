/* SPDX-License-Identifier: MIT */

/* `weir traceroute`: the routers on the way, in the words of traceroute(8). */

#include "args.h"
#include "json.h"
#include "names.h"
#include "probe.h"
#include "tool.h"

#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COMMAND      "traceroute"
#define HOPS_MAX     255
#define QUERIES_MAX  10
#define FLIGHT       16 /* probes under way at a time, as in traceroute(8) */
#define WAIT_DEFAULT (5 * WEIR_SECOND)
#define WAIT_MIN     (10 * WEIR_MS)
#define WAIT_MAX     (60 * WEIR_SECOND)
#define LEN_DEFAULT  60
#define NAMES_MS     2000

static const char help[] =
    "usage: weir traceroute [OPTION...] HOST [LENGTH]\n"
    "\n"
    "The routers on the way to HOST: packets are sent with TTL 1, 2, 3..., and who\n"
    "lets the TTL run out says so. A '*' is an answer that did not come; that alone\n"
    "is no fault while later hops answer (weir mtr counts, and says so in words).\n"
    "\n"
    "  -U                UDP to ports where nobody listens; the default\n"
    "  -I                ICMP echo requests\n"
    "  -T                TCP SYNs: passes where only a service's port is open\n"
    "  -p, --port N      UDP: the first port (33434); TCP: the port (80)\n"
    "  -q, --queries N   probes for each hop, 1 to 10; default 3\n"
    "  -w, --wait S      seconds to wait for an answer; default 5\n"
    "  -f, --first N     the first TTL; default 1\n"
    "  -m, --max-hops N  the last TTL; default 30\n"
    "  -s, --source A    from this address of the machine's\n"
    "  -i, --interface I by this interface\n"
    "  -n, --numeric     no names\n"
    "  -4, -6            only this family\n"
    "  -j, --json        as JSON\n"
    "\n"
    "LENGTH is that of the whole packet; default 60 (IPv6: 80). Marks: !H host, !N\n"
    "network, !P protocol unreachable, !X forbidden, !F-N needs fragments of N.\n";

struct traceroute {
    struct probe_target target;
    const char *host;
    uint64_t port, queries, first, last, length;
    weir_time wait;
    int family;
    bool numeric, json;
    struct names *names;
    struct probe *probe; /* hop by hop, `queries` of each */
    size_t count, sent, printed;
    unsigned end; /* the TTL that reached the host, or where it ends otherwise; 0: not known */
};

/* ---- Options ---- */

static int option_number(const char *name, const char *text, uint64_t most, uint64_t *value)
{
    if (args_number(text, 1, most, value))
        return TOOL_OK;
    return tool_usage(COMMAND, "%s %s: not a number from 1 to %" PRIu64, name, text, most);
}

static int option_take(struct traceroute *trace, int option)
{
    switch (option) {
    case 'U':
    case 'I':
    case 'T':
        trace->target.kind = option == 'U' ? PROBE_UDP : option == 'I' ? PROBE_ICMP : PROBE_TCP;
        return TOOL_OK;
    case 'p':
        return option_number("--port", optarg, UINT16_MAX, &trace->port);
    case 'q':
        return option_number("--queries", optarg, QUERIES_MAX, &trace->queries);
    case 'f':
        return option_number("--first", optarg, HOPS_MAX, &trace->first);
    case 'm':
        return option_number("--max-hops", optarg, HOPS_MAX, &trace->last);
    case 's':
        trace->target.source = optarg;
        return TOOL_OK;
    case 'i':
        trace->target.iface = optarg;
        return TOOL_OK;
    case 'w':
        if (args_seconds(optarg, WAIT_MIN, WAIT_MAX, &trace->wait))
            return TOOL_OK;
        return tool_usage(COMMAND, "--wait %s: not seconds from 0.01 to 60", optarg);
    case 'n':
        trace->numeric = true;
        return TOOL_OK;
    case '4':
    case '6':
        trace->family = option == '4' ? AF_INET : AF_INET6;
        return TOOL_OK;
    case 'j':
        trace->json = true;
        return TOOL_OK;
    default:
        return TOOL_USAGE;
    }
}

static int parse(struct traceroute *trace, int argc, char **argv, bool *done)
{
    static const struct option longs[] = {
        { "port", required_argument, NULL, 'p' },
        { "queries", required_argument, NULL, 'q' },
        { "wait", required_argument, NULL, 'w' },
        { "first", required_argument, NULL, 'f' },
        { "max-hops", required_argument, NULL, 'm' },
        { "source", required_argument, NULL, 's' },
        { "interface", required_argument, NULL, 'i' },
        { "numeric", no_argument, NULL, 'n' },
        { "json", no_argument, NULL, 'j' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    for (int c; (c = args_next(argc, argv, ":UITp:q:w:f:m:s:i:n46jh", longs)) != ARGS_END;) {
        if (c == 'h') {
            fputs(help, stdout);
            *done = true;
            return TOOL_OK;
        }
        const int status = option_take(trace, c);
        if (status != TOOL_OK)
            return status;
    }
    if (optind == argc)
        return tool_usage(COMMAND, "a host is missing");
    trace->host = argv[optind++];
    if (optind < argc && !args_number(argv[optind], 28, PROBE_PAYLOAD_MAX, &trace->length))
        return tool_usage(COMMAND, "%s: not a length from 28 to %d", argv[optind],
                          PROBE_PAYLOAD_MAX);
    if (optind + 1 < argc)
        return tool_usage(COMMAND, "one host at a time; what is '%s'?", argv[optind + 1]);
    if (trace->first > trace->last)
        return tool_usage(COMMAND, "--first %" PRIu64 " is beyond --max-hops %" PRIu64,
                          trace->first, trace->last);
    return TOOL_OK;
}

/* ---- The hops ---- */

static unsigned ttl_at(const struct traceroute *trace, size_t i)
{
    /* NOLINTNEXTLINE(clang-analyzer-core.DivideZero): take_option wants at least 1. */
    return (unsigned)(trace->first + i / trace->queries);
}

static bool is_needed(const struct traceroute *trace, size_t i)
{
    return i < trace->count && (trace->end == 0 || ttl_at(trace, i) <= trace->end);
}

/* A name beside the number, as the person who asked for names expects it. */
static void print_address(const struct traceroute *trace, const struct weir_ip *ip)
{
    char text[WEIR_IP_TEXT_MAX];
    weir_ip_text(ip, text);
    if (trace->numeric) {
        printf(" %s", text);
        return;
    }
    const char *name = names_look(trace->names, ip);
    printf(" %s (%s)", name != NULL ? name : text, text);
}

static void print_hop(const struct traceroute *trace, const struct probe *probe)
{
    const struct weir_ip *said = NULL;
    printf("%2u ", probe->ttl);
    for (size_t i = 0; i < trace->queries; i++) {
        if (probe[i].answer == PROBE_SILENT) {
            printf(" *");
            continue;
        }
        if (said == NULL || !weir_ip_equal(said, &probe[i].from))
            print_address(trace, &probe[i].from);
        said = &probe[i].from;
        printf("  %" PRId64 ".%03" PRId64 " ms", probe[i].took / WEIR_MS,
               probe[i].took / WEIR_US % 1000);
        if (probe[i].mark[0] != '\0')
            printf(" %s", probe[i].mark);
    }
    printf("\n");
    fflush(stdout);
}

static void json_hop(struct json *json, const struct traceroute *trace, const struct probe *probe)
{
    static const char *const answers[] = { "waits", "none", "hop", "reached", "stopped" };
    json_object(json, NULL);
    json_unsigned(json, "ttl", probe->ttl);
    json_array(json, "probes");
    for (size_t i = 0; i < trace->queries; i++) {
        char text[WEIR_IP_TEXT_MAX];
        json_object(json, NULL);
        json_string(json, "answer", answers[probe[i].answer]);
        if (probe[i].answer != PROBE_SILENT) {
            const char *name = names_look(trace->names, &probe[i].from);
            json_string(json, "address", weir_ip_text(&probe[i].from, text));
            if (name != NULL)
                json_string(json, "name", name);
            json_milli(json, "ms", probe[i].took / WEIR_US);
            if (probe[i].mark[0] != '\0')
                json_string(json, "mark", probe[i].mark);
        }
        json_end_object(json);
    }
    json_end_array(json);
    json_end_object(json);
}

/* Prints the hops that are complete and come next. */
static void print_complete(struct traceroute *trace)
{
    while (is_needed(trace, trace->printed) && trace->printed + trace->queries <= trace->sent) {
        const struct probe *hop = &trace->probe[trace->printed];
        for (size_t i = 0; i < trace->queries; i++)
            if (hop[i].answer == PROBE_WAITS)
                return;
        for (size_t i = 0; !trace->numeric && i < trace->queries; i++)
            if (hop[i].answer != PROBE_SILENT)
                names_want(trace->names, &hop[i].from);
        if (!trace->json) {
            names_turn(trace->names, NAMES_MS);
            print_hop(trace, hop);
        }
        trace->printed += trace->queries;
    }
}

/* Gives up what has waited too long; returns how many still wait, and when the first of them ends.
 */
static size_t give_up(struct traceroute *trace, int64_t now, int64_t *next)
{
    size_t waiting = 0;
    *next = now + trace->wait;
    for (size_t i = 0; i < trace->sent; i++) {
        struct probe *probe = &trace->probe[i];
        if (probe->answer > PROBE_HOP && (trace->end == 0 || probe->ttl < trace->end))
            trace->end = probe->ttl;
        if (probe->answer != PROBE_WAITS)
            continue;
        if (now - probe->sent_at >= trace->wait || !is_needed(trace, i)) {
            probe->answer = PROBE_SILENT;
            probe_close(probe);
            continue;
        }
        waiting++;
        if (probe->sent_at + trace->wait < *next)
            *next = probe->sent_at + trace->wait;
    }
    return waiting;
}

static int walk(struct traceroute *trace)
{
    while (is_needed(trace, trace->printed)) {
        int64_t next;
        size_t waiting = give_up(trace, probe_clock(), &next);
        print_complete(trace);
        size_t sent = 0;
        for (; waiting < FLIGHT && is_needed(trace, trace->sent); sent++, waiting++) {
            const unsigned ttl = ttl_at(trace, trace->sent);
            struct probe *probe = &trace->probe[trace->sent];
            const int error = probe_send(&trace->target, probe, ttl, (uint16_t)trace->sent);
            if (error != 0)
                return tool_fail(COMMAND, "%s: %s%s", trace->host, strerror(error),
                                 probe_advice(&trace->target, error));
            trace->sent++;
            /* What answers at once is read at once: its time is not that of the other sends. */
            probe_wait(&trace->target, trace->probe, trace->sent, 0, -1);
        }
        if (sent == 0 && waiting > 0) /* else count anew: answers may be here already */
            probe_wait(&trace->target, trace->probe, trace->sent, next, -1);
    }
    return TOOL_OK;
}

static void print_json(const struct traceroute *trace)
{
    struct json json;
    char text[WEIR_IP_TEXT_MAX];
    bool reached = false;
    json_begin(&json, stdout);
    json_object(&json, NULL);
    json_string(&json, "host", trace->host);
    json_string(&json, "address", weir_ip_text(&trace->target.ip, text));
    json_string(&json, "probe", probe_kind_text(trace->target.kind));
    json_array(&json, "hops");
    names_turn(trace->names, NAMES_MS);
    for (size_t i = 0; i < trace->printed; i += trace->queries) {
        json_hop(&json, trace, &trace->probe[i]);
        for (size_t j = 0; j < trace->queries; j++)
            reached = reached || trace->probe[i + j].answer == PROBE_REACHED;
    }
    json_end_array(&json);
    json_bool(&json, "reached", reached);
    json_end_object(&json);
    json_finish(&json);
}

static int run(struct traceroute *trace)
{
    int status = probe_resolve(&trace->target, COMMAND, trace->host, trace->family);
    if (status != TOOL_OK)
        return status;
    const bool v4 = trace->target.address.ss_family == AF_INET;
    const size_t headers = v4 ? 28 : 48;
    if (trace->length == 0)
        trace->length = v4 ? LEN_DEFAULT : LEN_DEFAULT + 20;
    trace->target.payload = trace->length > headers ? (size_t)trace->length - headers : 0;
    trace->target.port = (uint16_t)trace->port;
    if (trace->port == 0)
        trace->target.port = trace->target.kind == PROBE_TCP ? PROBE_TCP_PORT : PROBE_UDP_PORT;
    trace->count = (size_t)(trace->queries * (trace->last - trace->first + 1));
    trace->probe = calloc(trace->count, sizeof *trace->probe);
    if (trace->probe == NULL)
        return tool_fail(COMMAND, "out of memory");
    trace->names = trace->numeric ? NULL : names_open();
    if (!trace->json) {
        char text[WEIR_IP_TEXT_MAX];
        printf("traceroute to %s (%s), %" PRIu64 " hops max, %" PRIu64 " byte packets\n",
               trace->host, weir_ip_text(&trace->target.ip, text), trace->last, trace->length);
    }
    status = walk(trace);
    if (trace->json && status == TOOL_OK)
        print_json(trace);
    names_close(trace->names);
    for (size_t i = 0; i < trace->sent; i++)
        probe_close(&trace->probe[i]);
    free(trace->probe);
    return status;
}

int tool_traceroute(int argc, char **argv)
{
    struct traceroute trace = {
        .queries = 3, .first = 1, .last = 30, .wait = WAIT_DEFAULT, .family = AF_UNSPEC
    };
    bool done = false;
    const int status = parse(&trace, argc, argv, &done);
    return status != TOOL_OK || done ? status : run(&trace);
}
