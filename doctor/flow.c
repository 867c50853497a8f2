/* SPDX-License-Identifier: MIT */
#include "flow.h"

#include "base/seq.h"
#include "base/siphash.h"
#include "flow_parts.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define BUCKETS_FIRST 1024
#define WINDOW_MAX    (65535u << 14)

const char *flow_class_text(unsigned class)
{
    static const char *const text[] = {
#define X(name, words) words,
        FLOW_CLASSES(X)
#undef X
    };
    return class < FLOW_CLASS_COUNT ? text[class] : "?";
}

const char *flow_limit_text(unsigned limit)
{
    static const char *const text[] = {
#define X(name, words) words,
        FLOW_LIMITS(X)
#undef X
    };
    return limit < FLOW_LIMIT_COUNT ? text[limit] : "?";
}

/* ---- The table ---- */

bool flow_table_begin(struct flow_table *table, const struct flow_keep *keep)
{
    *table = (struct flow_table){ .keep = *keep, .buckets = BUCKETS_FIRST };
    table->bucket = calloc(table->buckets, sizeof(struct flow *));
    /* A capture may be made by somebody who wants this to be slow. */
    if (getrandom(table->key, sizeof table->key, GRND_NONBLOCK) != sizeof table->key)
        table->key[0] = (uintptr_t)table;
    return table->bucket != NULL;
}

static void flow_free(struct flow *flow)
{
    for (uint32_t i = 0; i < flow->segment_count; i++)
        free(flow->segments[i].comment);
    free(flow->segments);
    free(flow->changes);
    free(flow->end[0].sent);
    free(flow->end[1].sent);
    free(flow);
}

void flow_table_free(struct flow_table *table)
{
    for (size_t i = 0; i < table->count; i++)
        flow_free(table->flows[i]);
    free(table->flows);
    free(table->bucket);
    table->flows = NULL;
    table->bucket = NULL;
    table->count = 0;
}

static uint64_t hash(const struct flow_table *table, const struct weir_addr *a,
                     const struct weir_addr *b)
{
    const struct siphash_key key = { table->key[0], table->key[1] };
    uint64_t word[5];
    const bool swap = memcmp(&a->ip, &b->ip, sizeof a->ip) > 0 ||
                      (weir_ip_equal(&a->ip, &b->ip) && a->port > b->port);
    const struct weir_addr *first = swap ? b : a, *second = swap ? a : b;
    memcpy(word, &first->ip, 16);
    memcpy(word + 2, &second->ip, 16);
    word[4] = (uint64_t)first->port << 16 | second->port;
    return siphash13_words5(&key, word);
}

static bool is_addr(const struct weir_addr *a, const struct weir_addr *b)
{
    return a->port == b->port && weir_ip_equal(&a->ip, &b->ip);
}

static bool grow(struct flow_table *table)
{
    const size_t buckets = 2 * table->buckets;
    struct flow **bucket = calloc(buckets, sizeof(struct flow *));
    if (bucket == NULL)
        return false;
    for (size_t i = 0; i < table->count; i++) {
        struct flow *flow = table->flows[i];
        struct flow **at =
            &bucket[hash(table, &flow->end[0].addr, &flow->end[1].addr) & (buckets - 1)];
        flow->next = *at; /* in the order of birth: the newest of the same addresses comes first */
        *at = flow;
    }
    free(table->bucket);
    table->bucket = bucket;
    table->buckets = buckets;
    return true;
}

static struct flow *find(const struct flow_table *table, const struct packet *packet)
{
    const uint64_t key = hash(table, &packet->from, &packet->to);
    for (struct flow *flow = table->bucket[key & (table->buckets - 1)]; flow != NULL;
         flow = flow->next) {
        const struct weir_addr *a = &flow->end[0].addr, *b = &flow->end[1].addr;
        if ((is_addr(a, &packet->from) && is_addr(b, &packet->to)) ||
            (is_addr(b, &packet->from) && is_addr(a, &packet->to)))
            return flow;
    }
    return NULL;
}

static struct flow *make(struct flow_table *table, const struct packet *packet, int64_t when)
{
    if (table->count >= FLOWS_MAX || (table->count >= table->buckets && !grow(table)))
        return NULL;
    if (table->count == table->room) {
        const size_t room = table->room != 0 ? 2 * table->room : 64;
        struct flow **flows = realloc(table->flows, room * sizeof(struct flow *));
        if (flows == NULL)
            return NULL;
        table->flows = flows;
        table->room = room;
    }
    struct flow *flow = calloc(1, sizeof *flow);
    if (flow == NULL)
        return NULL;
    /* Who answers a SYN did not open; who is first seen in the middle may have. */
    const bool answers =
        (packet->tcp.flags & (PACKET_SYN | PACKET_ACK)) == (PACKET_SYN | PACKET_ACK);
    flow->end[answers].addr = packet->from;
    flow->end[!answers].addr = packet->to;
    flow->v6 = packet->v6;
    flow->whole = (packet->tcp.flags & (PACKET_SYN | PACKET_ACK)) == PACKET_SYN;
    flow->first = flow->last = when;
    flow->closed_by = flow->reset_by = -1;
    flow->end[0].state = answers ? WEIR_SYN_SENT : WEIR_CLOSED;
    flow->end[1].state = WEIR_LISTEN;
    if (!flow->whole && !answers && (packet->tcp.flags & PACKET_RST) == 0)
        flow_state_midstream(flow, when);
    table->flows[table->count++] = flow;
    flow->id = table->count;
    struct flow **at =
        &table->bucket[hash(table, &packet->from, &packet->to) & (table->buckets - 1)];
    flow->next = *at;
    *at = flow;
    return flow;
}

/* A SYN with another number than the one before, where the old connection is over. */
static bool is_reopened(const struct flow *flow, const struct packet *packet)
{
    const unsigned from = is_addr(&flow->end[0].addr, &packet->from) ? 0 : 1;
    const struct flow_end *end = &flow->end[from], *peer = &flow->end[!from];
    if ((packet->tcp.flags & (PACKET_SYN | PACKET_ACK | PACKET_RST)) != PACKET_SYN)
        return false;
    if (!end->seen || (end->syn && packet->tcp.seq == end->iss))
        return false;
    const bool over = end->state == WEIR_CLOSED || end->state == WEIR_TIME_WAIT ||
                      peer->state == WEIR_TIME_WAIT || peer->state == WEIR_CLOSED;
    return over || end->state == WEIR_SYN_SENT;
}

/* ---- A segment ---- */

static uint32_t scaled_window(const struct flow *flow, unsigned from, const struct packet *packet)
{
    const struct flow_end *end = &flow->end[from], *peer = &flow->end[!from];
    const bool both = (end->options & peer->options & PACKET_HAS_WSCALE) != 0;
    if ((packet->tcp.flags & PACKET_SYN) != 0 || !both)
        return packet->tcp.window;
    return (uint32_t)packet->tcp.window << end->wscale;
}

static void note_syn(struct flow *flow, const struct flow_segment *segment,
                     const struct packet_tcp *tcp)
{
    struct flow_end *end = &flow->end[segment->from];
    if ((tcp->flags & PACKET_SYN) == 0 || segment->class == FLOW_CHALLENGED)
        return;
    end->syn = true;
    end->iss = tcp->seq;
    end->options = tcp->options;
    end->wscale = tcp->wscale;
    end->mss = tcp->mss;
    if ((tcp->flags & PACKET_ACK) == 0 && flow->syn_at == 0)
        flow->syn_at = segment->when;
    if ((tcp->flags & PACKET_ACK) != 0)
        flow->syn_ack_at = segment->when;
}

/* The end's window was closed until now. Times that go back and forth are counted only so often. */
static void spend_closed(struct flow_end *end, int64_t now)
{
    if (end->zero_time < CAPTURE_WHEN_MAX)
        end->zero_time += flow_apart(end->zero_since, now);
}

static void note_window(struct flow_end *end, const struct flow_segment *segment)
{
    if ((segment->flags & PACKET_RST) != 0 || segment->class == FLOW_DUPLICATE ||
        segment->class == FLOW_REORDERED)
        return;
    const bool was_zero = end->window_known && end->window == 0;
    end->window = segment->window;
    if (end->window > end->window_max)
        end->window_max = end->window;
    if (!end->window_known || end->window < end->window_min)
        end->window_min = end->window;
    end->window_known = true;
    if (end->window == 0 && !was_zero) {
        end->zero_windows++;
        end->zero_since = segment->when;
    } else if (end->window != 0 && was_zero) {
        spend_closed(end, segment->when);
    }
}

static void count(struct flow *flow, const struct flow_segment *segment, uint8_t ttl)
{
    struct flow_end *end = &flow->end[segment->from];
    if (end->segments++ == 0)
        end->ttl_min = end->ttl_max = ttl;
    if (ttl < end->ttl_min)
        end->ttl_min = ttl;
    if (ttl > end->ttl_max)
        end->ttl_max = ttl;
    end->kind[segment->class]++;
    end->lost += segment->delivery == FLOW_LOST;
    if (segment->cwnd > end->cwnd_max)
        end->cwnd_max = segment->cwnd;
    if (segment->cwnd != 0 && (end->cwnd_min == 0 || segment->cwnd < end->cwnd_min))
        end->cwnd_min = segment->cwnd;
    end->pure_acks += flow_space(segment) == 0 && (segment->flags & PACKET_RST) == 0;
    if (flow_is_rtx(segment->class)) {
        end->rtx_segments++;
        end->rtx_octets += segment->len;
    }
    if (segment->len == 0)
        return;
    end->data_segments++;
    end->octets += segment->len;
    end->last_len = segment->len;
    end->last_push = (segment->flags & PACKET_PSH) != 0;
    if (segment->len > end->largest)
        end->largest = segment->len;
    if (end->first_data == 0)
        end->first_data = segment->when;
    end->last_data = segment->when;
}

static void note_ending(struct flow *flow, const struct flow_segment *segment)
{
    struct flow_end *end = &flow->end[segment->from];
    if ((segment->flags & PACKET_FIN) != 0 && !end->fin) {
        end->fin = true;
        end->fin_end = segment->seq + flow_space(segment);
        if (flow->closed_by < 0)
            flow->closed_by = (int8_t)segment->from;
    }
}

static void keep(struct flow_table *table, struct flow *flow, const struct flow_segment *segment,
                 const char *comment)
{
    if (!table->keep.all && table->keep.only != flow->id)
        return;
    if (flow->segment_count == flow->segment_room) {
        const uint32_t room = flow->segment_room != 0 ? 2 * flow->segment_room : 32;
        struct flow_segment *segments =
            table->kept < FLOW_KEPT_MAX ? realloc(flow->segments, room * sizeof *segments) : NULL;
        if (segments == NULL) {
            flow->not_kept++;
            return;
        }
        flow->segments = segments;
        flow->segment_room = room;
    }
    if (table->kept >= FLOW_KEPT_MAX) {
        flow->not_kept++;
        return;
    }
    struct flow_segment *to = &flow->segments[flow->segment_count++];
    *to = *segment;
    to->comment = comment[0] != '\0' ? strdup(comment) : NULL;
    table->kept++;
}

static struct flow_segment segment_of(const struct flow *flow, const struct capture_frame *frame,
                                      const struct packet *packet,
                                      const struct flow_passage *passage)
{
    const struct packet_tcp *tcp = &packet->tcp;
    const unsigned from = is_addr(&flow->end[0].addr, &packet->from) ? 0 : 1;
    struct flow_segment segment = {
        .when = frame->when,
        .arrived = passage != NULL ? passage->arrived : 0,
        .number = frame->number,
        .seq = tcp->seq,
        .ack = tcp->ack,
        .len = tcp->len,
        .window = scaled_window(flow, from, packet),
        .tsval = tcp->tsval,
        .tsecr = tcp->tsecr,
        .flags = tcp->flags,
        .mss = tcp->mss,
        .from = (uint8_t)from,
        .delivery = (uint8_t)(passage != NULL ? passage->delivery : FLOW_UNKNOWN),
        .options = tcp->options,
        .wscale = tcp->wscale,
        .before = flow->end[from].state,
        .cwnd = passage != NULL ? passage->cwnd : 0,
    };
    segment.sack_count = tcp->sack_count < FLOW_SACKS ? tcp->sack_count : FLOW_SACKS;
    memcpy(segment.sack, tcp->sack, segment.sack_count * sizeof segment.sack[0]);
    return segment;
}

static void follow(struct flow_table *table, struct flow *flow, struct flow_segment *segment,
                   const struct packet *packet)
{
    const bool arrives = segment->delivery != FLOW_LOST;
    struct flow_end *end = &flow->end[segment->from];
    segment->class = (uint8_t)flow_classify(flow, segment, packet->ip_id);
    count(flow, segment, packet->ttl);
    flow_sends(table, flow, segment, packet->ip_id);
    note_syn(flow, segment, &packet->tcp);
    if (segment->class == FLOW_RST_DOUBTFUL)
        return;
    if ((segment->flags & PACKET_RST) != 0) {
        flow_state_reset(flow, segment->from, segment->when, arrives);
        if (flow->reset_by < 0)
            flow->reset_by = (int8_t)segment->from;
        return;
    }
    note_ending(flow, segment);
    flow_state_segment(flow, segment, arrives);
    note_window(end, segment);
    if ((segment->flags & PACKET_ACK) == 0)
        return;
    if (arrives)
        flow_acknowledges(table, flow, segment);
    if (end->last_ack_at == 0 || seq_gt(segment->ack, end->ack))
        end->ack = segment->ack;
    end->last_ack_at = segment->when;
    if (flow->open_at == 0 && flow->syn_ack_at != 0 && (segment->flags & PACKET_SYN) == 0)
        flow->open_at = segment->when;
}

static struct flow *add_tcp(struct flow_table *table, const struct capture_frame *frame,
                            const struct packet *packet, const struct flow_passage *passage)
{
    table->tcp++;
    struct flow *flow = find(table, packet);
    if (flow == NULL || is_reopened(flow, packet))
        flow = make(table, packet, frame->when);
    if (flow == NULL) {
        table->not_followed++;
        return NULL;
    }
    struct flow_segment segment = segment_of(flow, frame, packet, passage);
    flow_spend(flow, frame->when, segment.limit);
    follow(table, flow, &segment, packet);
    flow->packets++;
    flow->octets += frame->whole_len;
    if (segment.cwnd != 0)
        flow->end[segment.from].cwnd_quality = passage->cwnd_quality;
    if (frame->when > flow->last)
        flow->last = frame->when;
    segment.flight = flow_flight(&flow->end[segment.from]);
    for (unsigned i = 0; i < 2; i++)
        segment.state[i] = flow->end[i].state;
    keep(table, flow, &segment, frame->comment);
    return flow;
}

/* An ICMP error that quotes a segment of a flow counts against its sender. */
static void add_icmp(struct flow_table *table, const struct packet *packet)
{
    struct packet quoted;
    table->icmp++;
    if (!packet_dissect_quoted(packet, &quoted))
        return;
    struct flow *flow = find(table, &quoted);
    if (flow != NULL)
        flow->end[!is_addr(&flow->end[0].addr, &quoted.from)].icmp++;
}

struct flow *flow_table_add(struct flow_table *table, const struct capture_frame *frame,
                            const struct packet *packet, const struct flow_passage *passage)
{
    table->malformed += packet->malformed;
    table->fragments += packet->fragment;
    switch (packet->kind) {
    case PACKET_TCP:
        return add_tcp(table, frame, packet, passage);
    case PACKET_ICMP:
        add_icmp(table, packet);
        return NULL;
    case PACKET_UDP:
        table->udp++;
        return NULL;
    case PACKET_ARP:
        table->arp++;
        return NULL;
    default:
        table->other++;
        return NULL;
    }
}

void flow_table_finish(struct flow_table *table)
{
    for (size_t i = 0; i < table->count; i++) {
        struct flow *flow = table->flows[i];
        for (unsigned e = 0; e < 2; e++) {
            struct flow_end *end = &flow->end[e];
            if (end->window_known && end->window == 0 && flow->reset_by < 0)
                spend_closed(end, flow->last);
        }
        flow->vantage = (uint8_t)flow_vantage(flow);
        flow_mark_missed(flow);
    }
}
