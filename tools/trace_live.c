/* SPDX-License-Identifier: MIT */

/* What `weir trace` draws while it happens: the flight recorder of an instance of weir, or the
 * packets of an interface beside what the kernel says of its sockets. */

#include "trace.h"

#include "base/siphash.h"
#include "doctor/kernel.h"
#include "doctor/recorder.h"
#include "doctor/stack.h"
#include "packets.h"
#include "terminal.h"
#include "tool.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LOOK_EVERY     (10 * WEIR_MS) /* a full ring lasts longer, at all but the highest rates */
#define SNAPSHOT_SLOTS 4096u          /* sockets of the kernel that are sampled; a power of two */
#define SAMPLES        64u            /* kept of each: packets come up to PACKETS_WAIT late */

static int64_t clock_of(clockid_t which)
{
    struct timespec at;
    clock_gettime(which, &at);
    return at.tv_sec * WEIR_SECOND + at.tv_nsec;
}

/* ---- An instance ---- */

static volatile sig_atomic_t stopped;

static void on_signal(int number)
{
    (void)number;
    stopped = 1;
}

static int find_one(const struct trace_live_want *want, struct stack_instance *one)
{
    struct stack_instance *found = calloc(STACKS_MAX, sizeof *found);
    if (found == NULL)
        return tool_fail("trace", "no memory");
    const size_t count = stack_find(want->socket, want->net, found, STACKS_MAX);
    *one = found[0];
    free(found);
    if (count == 1)
        return TOOL_OK;
    if (count > 1)
        return tool_usage("trace", "%zu instances of weir run here; --net NAME says which", count);
    if (want->socket != NULL)
        return tool_fail("trace", "%s: no control socket there", want->socket);
    if (want->net != NULL)
        return tool_fail("trace", "%s: no weir of that name serves here", want->net);
    return tool_fail("trace", "no weir runs here that lets us look");
}

static int complain(const struct stack_instance *one, int error)
{
    char safe[FACTS_NET_MAX];
    terminal_safe(one->name, safe, sizeof safe);
    if (error == -EPERM)
        return tool_fail("trace", "weir:%s: shows sequence numbers to its user and root alone",
                         safe);
    if (error == -EACCES)
        return tool_fail("trace", "weir:%s: does not let us look, or has just ended", safe);
    if (error == -EPROTO)
        return tool_fail("trace", "weir:%s: answers as another version of weir", safe);
    return tool_fail("trace", "weir:%s: %s", safe, strerror(-error));
}

/* Looks until the time is over; what was seen before an error counts. */
static int look(struct trace *trace, struct recorder *recorder, struct sight_client *client,
                int64_t time)
{
    const struct sigaction action = { .sa_handler = on_signal };
    const int64_t end = clock_of(CLOCK_MONOTONIC) + time;
    int error = recorder_look(recorder, client, time == 0);
    trace->older = recorder->ring[WEIR_TRACE_FLOW].lost;
    if (time > 0) {
        sigaction(SIGINT, &action, NULL);
        sigaction(SIGTERM, &action, NULL);
    }
    while (error == 0 && time > 0) {
        const bool last = stopped != 0 || clock_of(CLOCK_MONOTONIC) >= end;
        if (!last)
            (void)poll(NULL, 0, (int)(LOOK_EVERY / WEIR_MS));
        error = recorder_look(recorder, client, last);
        if (last)
            break;
    }
    trace->lost = recorder->ring[WEIR_TRACE_FLOW].lost - trace->older + recorder->beyond;
    return error;
}

static int from_instance(struct trace *trace, const struct trace_live_want *want)
{
    struct stack_instance one;
    struct sight_client client;
    struct recorder recorder = { .epoch = 0 };
    char safe[FACTS_NET_MAX];
    int status = find_one(want, &one);
    if (status != TOOL_OK)
        return status;
    int error = stack_open(&one, &client);
    if (error == 0)
        error = look(trace, &recorder, &client, want->time);
    sight_close(&client);
    /* One that ended while we looked is drawn as far as it came. */
    const bool came = recorder.ring[WEIR_TRACE_FLOW].count > 0 && error != -EPERM;
    if (error != 0 && !came) {
        status = complain(&one, error);
    } else if (!recorder_flows(&recorder, &trace->table)) {
        status = tool_fail("trace", "no memory");
    } else {
        snprintf(trace->source, sizeof trace->source, "weir:%.64s",
                 terminal_safe(one.name, safe, sizeof safe));
        trace->about.frames = trace->table.tcp;
        trace->about.octets = recorder.octets;
        trace->about.first = recorder.first;
        trace->about.last = recorder.last;
        trace->nameless = recorder.nameless;
    }
    recorder_free(&recorder);
    return status;
}

/* ---- An interface, and the kernel's sockets ---- */

struct sampled {
    struct weir_addr local, remote;
    bool used;
    uint8_t snd_wscale, rcv_wscale;
    unsigned count; /* in all; the last SAMPLES are kept */
    struct {
        int64_t when;
        uint32_t cwnd;
    } at[SAMPLES];
};

struct watching {
    struct trace *trace;
    struct sampled *sampled; /* SNAPSHOT_SLOTS */
    struct kernel_net here;
    int64_t sampled_at, now; /* now: since 1970 */
};

/* The place of a socket: its own, a free one, or NULL if the neighbourhood is full. */
static struct sampled *sampled_of(struct watching *watching, const struct weir_addr *local,
                                  const struct weir_addr *remote)
{
    static const struct siphash_key key = { 1, 2 }; /* of our own sockets: nobody's to choose */
    uint64_t word[5];
    memcpy(word, &local->ip, 16);
    memcpy(word + 2, &remote->ip, 16);
    word[4] = (uint64_t)local->port << 16 | remote->port;
    const uint64_t hash = siphash13_words5(&key, word);
    for (unsigned i = 0; i < 8; i++) {
        struct sampled *at = &watching->sampled[(hash + i) & (SNAPSHOT_SLOTS - 1)];
        if (!at->used || (at->local.port == local->port && at->remote.port == remote->port &&
                          weir_ip_equal(&at->local.ip, &local->ip) &&
                          weir_ip_equal(&at->remote.ip, &remote->ip)))
            return at;
    }
    return NULL;
}

static bool on_socket(void *user, const struct facts_flow *flow)
{
    struct watching *watching = user;
    const uint32_t cwnd = flow->info.tcpi_snd_cwnd * flow->info.tcpi_snd_mss;
    if (flow->quality[FACTS_INFO] == FACTS_UNKNOWN || cwnd == 0)
        return true;
    struct sampled *sampled = sampled_of(watching, &flow->local, &flow->remote);
    if (sampled == NULL)
        return true;
    if (!sampled->used) {
        sampled->used = true;
        sampled->local = flow->local;
        sampled->remote = flow->remote;
    }
    sampled->snd_wscale = flow->info.tcpi_snd_wscale;
    sampled->rcv_wscale = flow->info.tcpi_rcv_wscale;
    if (sampled->count > 0 && sampled->at[(sampled->count - 1) % SAMPLES].cwnd == cwnd)
        return true;
    sampled->at[sampled->count % SAMPLES].when = watching->now;
    sampled->at[sampled->count++ % SAMPLES].cwnd = cwnd;
    return true;
}

/* What the congestion window was when a packet passed: the sample before, or the first after. */
static uint32_t cwnd_at(struct watching *watching, const struct packet *packet, int64_t when)
{
    const struct sampled *sampled = sampled_of(watching, &packet->from, &packet->to);
    if (sampled == NULL || !sampled->used)
        return 0;
    const unsigned kept = sampled->count < SAMPLES ? sampled->count : SAMPLES;
    uint32_t cwnd = 0;
    for (unsigned i = 0; i < kept; i++) {
        const unsigned at = (sampled->count - 1 - i) % SAMPLES;
        cwnd = sampled->at[at].cwnd;
        if (sampled->at[at].when <= when)
            break;
    }
    return cwnd;
}

/* The sockets as they are now. Who may see none of them goes without. */
static void sample(struct watching *watching)
{
    const struct facts_query query = {
        .want = FACTS_WANT_INFO,
        .states = ((1u << WEIR_STATE_COUNT) - 1) &
                  ~(1u << WEIR_LISTEN | 1u << WEIR_TIME_WAIT | 1u << WEIR_CLOSED),
        .tcp = true,
        .v4 = true,
        .v6 = true,
    };
    const int64_t now = clock_of(CLOCK_MONOTONIC);
    if (watching->sampled_at != 0 && now - watching->sampled_at < LOOK_EVERY)
        return;
    watching->sampled_at = now;
    watching->now = clock_of(CLOCK_REALTIME);
    (void)kernel_flows(&watching->here, &query, NULL, on_socket, watching);
}

/* Of a connection whose SYNs were before our time the kernel knows how windows are scaled. */
static void take_scales(struct watching *watching, struct flow *flow)
{
    const struct weir_addr *addr[] = { &flow->end[0].addr, &flow->end[1].addr };
    for (unsigned i = 0; i < 2 && !flow->whole; i++) {
        const struct sampled *sampled = sampled_of(watching, addr[i], addr[!i]);
        if (sampled == NULL || !sampled->used ||
            (sampled->snd_wscale == 0 && sampled->rcv_wscale == 0))
            continue;
        flow->end[i].options |= PACKET_HAS_WSCALE;
        flow->end[!i].options |= PACKET_HAS_WSCALE;
        flow->end[i].wscale = sampled->rcv_wscale;
        flow->end[!i].wscale = sampled->snd_wscale;
    }
}

static void take(struct watching *watching, const struct capture_frame *frame)
{
    struct trace *trace = watching->trace;
    struct packet packet;
    packet_dissect(frame, &packet);
    const uint32_t cwnd = packet.kind == PACKET_TCP ? cwnd_at(watching, &packet, frame->when) : 0;
    const struct flow_passage passage = { .cwnd = cwnd, .cwnd_quality = FACTS_SAMPLED };
    struct flow *flow = flow_table_add(&trace->table, frame, &packet, &passage);
    if (flow != NULL && flow->packets == 1)
        take_scales(watching, flow);
    trace->other_links += packet.kind == PACKET_OTHER && packet.ethertype == 0;
    trace->about.octets += frame->whole_len;
    trace->about.last = frame->when;
    if (trace->about.frames++ == 0)
        trace->about.first = frame->when;
}

static int watch(struct watching *watching, struct packets *packets, int64_t time)
{
    const int64_t end = clock_of(CLOCK_MONOTONIC) + time;
    struct capture_frame *frame = calloc(1, sizeof *frame);
    int got = 0;
    if (frame == NULL)
        return tool_fail("trace", "no memory");
    while (got >= 0 && !packets_stopped() && (time == 0 || clock_of(CLOCK_MONOTONIC) < end)) {
        sample(watching);
        got = packets_next(packets, frame, (int)(LOOK_EVERY / WEIR_MS));
        if (got > 0)
            take(watching, frame);
    }
    /* What the kernel still collects comes a little later. */
    while (got >= 0 && (got = packets_next(packets, frame, 2 * PACKETS_WAIT)) > 0)
        take(watching, frame);
    free(frame);
    return got < 0 ? TOOL_FAILED : TOOL_OK;
}

static int from_iface(struct trace *trace, const struct trace_live_want *want)
{
    struct watching watching = { .trace = trace };
    struct packets packets;
    const struct packets_how how = { .snap_len = PACKETS_SNAP_MAX };
    int status = packets_open(&packets, "trace", want->iface, &how, want->filter);
    if (status != TOOL_OK)
        return status;
    watching.sampled = calloc(SNAPSHOT_SLOTS, sizeof *watching.sampled);
    if (watching.sampled == NULL) {
        packets_close(&packets, false);
        return tool_fail("trace", "no memory");
    }
    fprintf(stderr, "watching %s\n", want->iface);
    status = watch(&watching, &packets, want->time);
    packets_close(&packets, false);
    free(watching.sampled);
    flow_table_finish(&trace->table);
    snprintf(trace->source, sizeof trace->source, "%.32s", want->iface);
    return status;
}

int trace_live(struct trace *trace, const struct trace_live_want *want)
{
    *trace = (struct trace){ .damaged = false };
    if (!flow_table_begin(&trace->table, &want->keep))
        return tool_fail("trace", "no memory");
    return want->iface != NULL ? from_iface(trace, want) : from_instance(trace, want);
}
