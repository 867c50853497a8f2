/* SPDX-License-Identifier: MIT */

/* `weir ss -s`: how many sockets there are, of each place. */

#include "json.h"
#include "ss_filter.h"
#include "ss_print.h"

#include <netinet/in.h>
#include <stdio.h>

enum {
    SUMMARY_RAW,
    SUMMARY_UDP,
    SUMMARY_TCP,
    SUMMARY_FRAG,
    SUMMARY_KINDS
};
static const char *const names[SUMMARY_KINDS] = { "RAW", "UDP", "TCP", "FRAG" };

struct summary {
    char place[LOOK_PLACE_MAX];
    unsigned total, tcp, established, closed, orphaned, time_wait;
    unsigned of[SUMMARY_KINDS][2]; /* IPv4, IPv6 */
};

struct summing {
    const struct look *look;
    struct json *json; /* NULL: text */
    struct summary sum;
};

static void put_text(const struct summary *sum, bool several)
{
    unsigned inet[2] = { 0, 0 };
    if (several)
        printf("%s\n", sum->place);
    printf("Total: %u\n", sum->total);
    printf("TCP:   %u (estab %u, closed %u, orphaned %u, timewait %u)\n\n", sum->tcp,
           sum->established, sum->closed, sum->orphaned, sum->time_wait);
    puts("Transport Total     IP        IPv6");
    for (unsigned i = 0; i < SUMMARY_FRAG; i++) {
        const unsigned *count = sum->of[i];
        printf("%-10s%-10u%-10u%-10u\n", names[i], count[0] + count[1], count[0], count[1]);
        inet[0] += count[0];
        inet[1] += count[1];
    }
    const unsigned *frag = sum->of[SUMMARY_FRAG];
    printf("%-10s%-10u%-10u%-10u\n", "INET", inet[0] + inet[1], inet[0], inet[1]);
    printf("%-10s%-10u%-10u%-10u\n\n", names[SUMMARY_FRAG], frag[0] + frag[1], frag[0], frag[1]);
}

static void put_json(struct json *json, const struct summary *sum)
{
    json_object(json, NULL);
    json_string(json, "place", sum->place);
    json_unsigned(json, "total", sum->total);
    json_unsigned(json, "tcp", sum->tcp);
    json_unsigned(json, "established", sum->established);
    json_unsigned(json, "closed", sum->closed);
    json_unsigned(json, "orphaned", sum->orphaned);
    json_unsigned(json, "time_wait", sum->time_wait);
    for (unsigned i = 0; i < SUMMARY_KINDS; i++) {
        json_object(json, names[i]);
        json_unsigned(json, "ipv4", sum->of[i][0]);
        json_unsigned(json, "ipv6", sum->of[i][1]);
        json_end_object(json);
    }
    json_end_object(json);
}

static void put(const struct summing *summing)
{
    if (summing->json != NULL)
        put_json(summing->json, &summing->sum);
    else
        put_text(&summing->sum, summing->look->several);
}

/* ---- The kernel: its own counts ---- */

static unsigned count_of(const struct facts_host *host, const char *name)
{
    return (unsigned)facts_host_get(host, name, 0);
}

static void put_kernel(void *user, const struct facts_host *host)
{
    struct summing *summing = user;
    if (host->source != FACTS_KERNEL)
        return;
    const unsigned used = count_of(host, "SockTCPinuse") + count_of(host, "SockTCP6inuse");
    const unsigned all = count_of(host, "SockTCPalloc") + count_of(host, "SockTCPtw");
    summing->sum = (struct summary){
        .total = count_of(host, "Socksocketsused"),
        .tcp = all,
        .established = count_of(host, "TcpCurrEstab"),
        .closed = all > used ? all - used : 0,
        .orphaned = count_of(host, "SockTCPorphan"),
        .time_wait = count_of(host, "SockTCPtw"),
    };
    for (unsigned i = 0; i < SUMMARY_KINDS; i++) {
        char name[32];
        snprintf(name, sizeof name, "Sock%sinuse", names[i]);
        summing->sum.of[i][0] = count_of(host, name);
        snprintf(name, sizeof name, "Sock%s6inuse", names[i]);
        summing->sum.of[i][1] = count_of(host, name);
    }
    look_place(host->source, host->net, summing->sum.place);
    put(summing);
}

/* ---- weir: all are counted ---- */

static bool count_flow(void *user, const struct facts_flow *flow)
{
    struct summary *sum = user;
    sum->total++;
    if (flow->protocol != IPPROTO_TCP) {
        sum->of[SUMMARY_UDP][flow->v6]++;
        return true;
    }
    sum->tcp++;
    sum->of[SUMMARY_TCP][flow->v6]++;
    sum->established += flow->state == WEIR_ESTABLISHED || flow->state == WEIR_CLOSE_WAIT;
    sum->closed += flow->state == WEIR_CLOSED;
    sum->time_wait += flow->state == WEIR_TIME_WAIT;
    return true;
}

static void put_stack(struct summing *summing, const struct stack_instance *instance)
{
    const struct facts_query query = {
        .states = SS_ALL, .tcp = true, .udp = true, .v4 = true, .v6 = true
    };
    summing->sum = (struct summary){ .total = 0 };
    if (stack_flows(instance, &query, count_flow, &summing->sum) != 0)
        return;
    look_place(FACTS_STACK, instance->name, summing->sum.place);
    put(summing);
}

int ss_summary(struct look *look, bool as_json)
{
    struct json json;
    struct summing summing = { .look = look, .json = as_json ? &json : NULL };
    if (as_json) {
        json_begin(&json, stdout);
        json_array(&json, NULL);
    }
    for (size_t i = 0; i < look->stack_count; i++)
        put_stack(&summing, &look->stacks[i]);
    look_hosts(look, put_kernel, &summing);
    if (as_json) {
        json_end_array(&json);
        json_finish(&json);
    }
    return look->status;
}
