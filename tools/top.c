/* SPDX-License-Identifier: MIT */

/* `weir top`, also `weir tcpview`: connections live. */

#include "top.h"

#include "args.h"
#include "flow_json.h"
#include "terminal.h"
#include "tool.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static const char help[] =
    "usage: weir top [OPTION...] [state NAME] [FILTER]\n"
    "\n"
    "Shows connections live: state, owner, round trips, what limits each,\n"
    "retransmissions, queues and the running timer. The filter is that of weir ss.\n"
    "\n"
    "  -d SECONDS   between looks (1)\n"
    "  -b           prints once and ends, without a screen (-d apart: two looks)\n"
    "  -n COUNT     with -b: so many times\n"
    "\n"
    "Keys: s order, r reverse, f filter, a listening sockets too, Enter one\n"
    "connection and its ladder, p pause, h what the columns mean, q quit.\n";

struct batch {
    bool wanted;
    uint64_t count;
};

/* ---- Looking ---- */

static int by_key(const void *a, const void *b)
{
    const struct facts_flow *x = &((const struct top_flow *)a)->facts;
    const struct facts_flow *y = &((const struct top_flow *)b)->facts;
    if (x->source != y->source)
        return x->source < y->source ? -1 : 1;
    if (x->id != y->id)
        return x->id < y->id ? -1 : 1;
    if (x->local.port != y->local.port)
        return x->local.port < y->local.port ? -1 : 1;
    if (x->remote.port != y->remote.port)
        return x->remote.port < y->remote.port ? -1 : 1;
    const int ip = memcmp(&x->remote.ip, &y->remote.ip, sizeof x->remote.ip);
    return ip != 0 ? ip : strcmp(x->net, y->net);
}

static char limit_of(const struct facts_flow *flow)
{
    static const char letters[WEIR_WAIT_COUNT] = {
        [WEIR_WAIT_NOTHING] = TOP_LIMIT_NONE,         [WEIR_WAIT_OUTPUT] = TOP_LIMIT_BUSY,
        [WEIR_WAIT_HANDSHAKE] = TOP_LIMIT_OPENING,    [WEIR_WAIT_CWND] = TOP_LIMIT_PATH,
        [WEIR_WAIT_PEER_WINDOW] = TOP_LIMIT_RECEIVER, [WEIR_WAIT_NAGLE] = TOP_LIMIT_NAGLE,
        [WEIR_WAIT_CORK] = TOP_LIMIT_NAGLE,           [WEIR_WAIT_MEMORY] = TOP_LIMIT_BUFFER,
        [WEIR_WAIT_NEIGHBOUR] = TOP_LIMIT_OPENING,    [WEIR_WAIT_TSO_DEFER] = TOP_LIMIT_PATH,
    };
    if (flow->quality[FACTS_WAITS] == FACTS_UNKNOWN || flow->waits_for >= WEIR_WAIT_COUNT)
        return ' ';
    if (flow->waits_for == WEIR_WAIT_NOTHING && flow->sndq > 0)
        return TOP_LIMIT_BUSY;
    return letters[flow->waits_for];
}

/* The kernel counts the time: the greatest share of what passed since the last look. */
static char kernel_limit(const struct linux_tcp_info *then, const struct linux_tcp_info *now,
                         char sampled)
{
    const uint64_t busy = now->tcpi_busy_time - then->tcpi_busy_time;
    const uint64_t receiver = now->tcpi_rwnd_limited - then->tcpi_rwnd_limited;
    const uint64_t buffer = now->tcpi_sndbuf_limited - then->tcpi_sndbuf_limited;
    if (busy == 0 || now->tcpi_busy_time < then->tcpi_busy_time)
        return sampled;
    if (receiver * 2 >= busy)
        return TOP_LIMIT_RECEIVER;
    if (buffer * 2 >= busy)
        return TOP_LIMIT_BUFFER;
    return sampled == TOP_LIMIT_PATH ? TOP_LIMIT_PATH : TOP_LIMIT_BUSY;
}

static uint64_t rate_of(uint64_t then, uint64_t now, int64_t span)
{
    if (now <= then || span <= 0)
        return 0;
    return (now - then) * 1000 / (uint64_t)(span / WEIR_MS + 1);
}

static void follow(const struct top *top, struct top_flow *flow)
{
    const struct top_flow *before =
        top->before_count == 0
            ? NULL
            : bsearch(flow, top->before, top->before_count, sizeof *flow, by_key);
    const struct linux_tcp_info *now = &flow->facts.info;
    char limit = limit_of(&flow->facts);
    memset(flow->limits, ' ', TOP_HISTORY);
    if (now->tcpi_bytes_sent > 0)
        flow->retrans_permille = (uint32_t)(now->tcpi_bytes_retrans * 1000 / now->tcpi_bytes_sent);
    if (before != NULL) {
        const struct linux_tcp_info *then = &before->facts.info;
        const int64_t span = top->when - top->when_before;
        flow->in_rate = rate_of(then->tcpi_bytes_received, now->tcpi_bytes_received, span);
        flow->out_rate = rate_of(then->tcpi_bytes_acked, now->tcpi_bytes_acked, span);
        memcpy(flow->limits, before->limits + 1, TOP_HISTORY - 1);
        if (flow->facts.source == FACTS_KERNEL)
            limit = kernel_limit(then, now, limit);
        if (limit == TOP_LIMIT_NONE && flow->out_rate > 0)
            limit = TOP_LIMIT_BUSY;
    }
    flow->limits[TOP_HISTORY - 1] = limit;
}

static bool add_flow(void *user, const struct facts_flow *facts)
{
    struct top *top = user;
    if (!ss_filter_match(&top->filter, facts) ||
        (facts->protocol == IPPROTO_TCP && facts->state == WEIR_CLOSED))
        return true;
    top->states[facts->state]++;
    if (top->found++ >= TOP_FLOWS_MAX)
        return true;
    struct top_flow *flow = &top->flow[top->count++];
    *flow = (struct top_flow){ .facts = *facts };
    return true;
}

static int64_t clock_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * WEIR_SECOND + now.tv_nsec;
}

int top_look(struct top *top)
{
    struct look look;
    const int status = look_begin(&look, "top", &top->look);
    if (status != TOOL_OK)
        return status;
    struct top_flow *fresh = top->before;
    top->before = top->flow;
    top->before_count = top->count;
    top->flow = fresh;
    top->when_before = top->when;
    top->count = top->found = 0;
    memset(top->states, 0, sizeof top->states);
    if (top->flow == NULL)
        top->flow = calloc(TOP_FLOWS_MAX, sizeof *top->flow);
    if (top->flow == NULL)
        return tool_fail("top", "no memory");
    if (top->before_count > 1)
        qsort(top->before, top->before_count, sizeof *top->before, by_key);
    top->places = look.stack_count + look.net_count;
    top->when = clock_now();
    look_flows(&look, &top->query, add_flow, top);
    look_end(&look);
    for (size_t i = 0; i < top->count; i++)
        follow(top, &top->flow[i]);
    top_sort(top);
    return TOOL_OK;
}

/* ---- Order ---- */

const char *top_order_text(unsigned order)
{
    static const char *const text[] = { "rate",   "state", "round trip", "retransmissions",
                                        "queues", "owner", "port" };
    return order < TOP_ORDERS ? text[order] : "?";
}

static int descending(uint64_t a, uint64_t b)
{
    return (a < b) - (a > b);
}

static int compare(const struct top_flow *a, const struct top_flow *b, const struct top *top)
{
    const struct facts_flow *x = &a->facts, *y = &b->facts;
    switch (top->order) {
    case TOP_BY_RATE:
        return descending(a->in_rate + a->out_rate, b->in_rate + b->out_rate);
    case TOP_BY_STATE:
        return -descending(x->state, y->state);
    case TOP_BY_RTT:
        return descending(x->info.tcpi_rtt, y->info.tcpi_rtt);
    case TOP_BY_RETRANS:
        return descending(a->retrans_permille, b->retrans_permille);
    case TOP_BY_QUEUE:
        return descending((uint64_t)x->rcvq + x->sndq, (uint64_t)y->rcvq + y->sndq);
    case TOP_BY_OWNER:
        return strcmp(x->comm, y->comm);
    default:
        return -descending(x->local.port, y->local.port);
    }
}

static int by_order(const void *a, const void *b, void *user)
{
    const struct top *top = user;
    const int order = compare(a, b, top);
    if (order != 0)
        return top->reverse ? -order : order;
    return by_key(a, b);
}

void top_sort(struct top *top)
{
    if (top->count > 1)
        qsort_r(top->flow, top->count, sizeof *top->flow, by_order, top);
}

void top_free(struct top *top)
{
    free(top->flow);
    free(top->before);
}

/* ---- The command ---- */

static int read_options(int argc, char **argv, struct top *top, struct batch *batch, bool *asked)
{
    static const struct option longs[] = {
        { "help", no_argument, NULL, 'h' },
        { "delay", required_argument, NULL, 'd' },
        { "batch", no_argument, NULL, 'b' },
        { "iterations", required_argument, NULL, 'n' },
        LOOK_LONG_OPTIONS,
        { NULL, 0, NULL, 0 },
    };
    char why[SS_FILTER_WHY];
    int option;
    while ((option = args_next(argc, argv, ":d:bn:h", longs)) != ARGS_END) {
        if (option == ARGS_BAD)
            return TOOL_USAGE;
        if (option == 'd' &&
            !args_seconds(optarg, 100 * WEIR_MS, 3600 * WEIR_SECOND, &top->interval))
            return tool_usage("top", "-d %s: not 0.1 to 3600 seconds", optarg);
        if (option == 'n' && !args_number(optarg, 1, 1000000, &batch->count))
            return tool_usage("top", "-n %s: not a count", optarg);
        batch->wanted |= option == 'b';
        *asked |= option == 'h';
        (void)look_option(&top->look, option, optarg);
    }
    if (!ss_filter_parse(&top->filter, argc - optind, argv + optind, why))
        return tool_usage("top", "%s", why);
    for (int i = optind; i < argc; i++) {
        const size_t len = strlen(top->filter_text);
        snprintf(top->filter_text + len, sizeof top->filter_text - len, "%s%s",
                 i > optind ? " " : "", argv[i]);
    }
    if (top->filter.given)
        top->query.states = top->filter.states;
    return TOOL_OK;
}

static int run_batch(struct top *top, const struct batch *batch)
{
    char line[TOP_LINE_MAX];
    struct json json;
    json_begin(&json, stdout);
    int status = top_look(top);
    for (uint64_t i = 0; i < batch->count && status == TOOL_OK; i++) {
        usleep((useconds_t)(top->interval / WEIR_US));
        status = top_look(top);
        if (top->look.json)
            json_array(&json, NULL);
        else
            puts(top_heading(top, line));
        for (size_t k = 0; k < top->count && status == TOOL_OK; k++) {
            if (top->look.json)
                flow_json(&json, &top->flow[k].facts);
            else
                puts(top_line(top, &top->flow[k], line));
        }
        if (top->look.json) {
            json_end_array(&json);
            json_finish(&json);
            json_begin(&json, stdout);
        }
    }
    return status;
}

int tool_top(int argc, char **argv)
{
    struct top top = {
        .interval = WEIR_SECOND,
        .query = { .want = FACTS_WANT_INFO | FACTS_WANT_TAIL | FACTS_WANT_OWNER,
                   .states = SS_ALL & ~SS_STATE(LISTEN),
                   .tcp = true,
                   .v4 = true,
                   .v6 = true },
    };
    struct batch batch = { .count = 1 };
    bool asked = false;
    int status = read_options(argc, argv, &top, &batch, &asked);
    if (status != TOOL_OK || asked)
        return status != TOOL_OK ? status : look_show_help(help);
    if (top.look.json)
        batch.wanted = true;
    if (!batch.wanted && (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)))
        return tool_usage("top", "this is no terminal (-b prints lines)");
    if (!batch.wanted && !terminal_draws())
        return tool_usage("top", "this terminal has no screen to draw on (-b prints lines)");
    status = batch.wanted ? run_batch(&top, &batch) : top_screen(&top);
    top_free(&top);
    return status;
}
