/* SPDX-License-Identifier: MIT */

/* What `weir trace` says in words: the table of flows, one flow in full, and both as JSON. */

#include "json.h"
#include "terminal.h"
#include "trace.h"

#include <inttypes.h>

#define TABLE_COLUMNS 150 /* what the table of all flows takes */
#define LINE_MAX_TEXT 64

/* ---- The table ---- */

static uint64_t of_both(const struct flow *flow, unsigned class)
{
    return flow->end[0].kind[class] + flow->end[1].kind[class];
}

static char *state_pair(const struct flow *flow, char text[LINE_MAX_TEXT])
{
    snprintf(text, LINE_MAX_TEXT, "%s/%s", weir_state_text(flow->end[0].state),
             weir_state_text(flow->end[1].state));
    return text;
}

static void summary_line(FILE *out, const struct flow *flow, int64_t began)
{
    char left[TRACE_ADDR_MAX], right[TRACE_ADDR_MAX], sent[2][TRACE_TIME_MAX];
    char rtt[TRACE_TIME_MAX] = "-", ending[FLOW_ENDING_MAX], states[LINE_MAX_TEXT];
    char took[TRACE_TIME_MAX];
    if (flow_rtt_min(flow) != 0)
        trace_time(flow_rtt_min(flow), rtt);
    fprintf(out,
            "%4" PRIu64 " %8.3f %-21s %-21s %8s %7" PRIu64 " %8s %8s %8s %4" PRIu64 " %3" PRIu64
            " %3" PRIu64 " %-23s %s\n",
            flow->id, (double)(flow->first - began) / 1e9, trace_addr(&flow->end[0].addr, left),
            trace_addr(&flow->end[1].addr, right), trace_time(flow->last - flow->first, took),
            flow->packets, trace_amount(flow->end[0].octets, sent[0]),
            trace_amount(flow->end[1].octets, sent[1]), rtt,
            flow->end[0].rtx_segments + flow->end[1].rtx_segments, of_both(flow, FLOW_REORDERED),
            of_both(flow, FLOW_DUPLICATE), state_pair(flow, states), flow_ending(flow, ending));
}

/* The same on two lines, where a table would not fit. */
static void summary_lines(FILE *out, const struct flow *flow, int64_t began)
{
    char left[TRACE_ADDR_MAX], right[TRACE_ADDR_MAX], sent[2][TRACE_TIME_MAX];
    char rtt[TRACE_TIME_MAX] = "-", ending[FLOW_ENDING_MAX], took[TRACE_TIME_MAX];
    if (flow_rtt_min(flow) != 0)
        trace_time(flow_rtt_min(flow), rtt);
    fprintf(out, "%4" PRIu64 " %s > %s, %s\n", flow->id, trace_addr(&flow->end[0].addr, left),
            trace_addr(&flow->end[1].addr, right), flow_ending(flow, ending));
    fprintf(out,
            "     %.3f +%s, %" PRIu64 " packets, %s> %s<, rtt %s, rtx %" PRIu64 " ooo %" PRIu64
            " dup %" PRIu64 "\n",
            (double)(flow->first - began) / 1e9, trace_time(flow->last - flow->first, took),
            flow->packets, trace_amount(flow->end[0].octets, sent[0]),
            trace_amount(flow->end[1].octets, sent[1]), rtt,
            flow->end[0].rtx_segments + flow->end[1].rtx_segments, of_both(flow, FLOW_REORDERED),
            of_both(flow, FLOW_DUPLICATE));
}

const char *trace_source(const struct trace *trace)
{
    if (trace->source[0] != '\0')
        return trace->source;
    return trace->about.is_pcapng ? "pcapng" : "pcap";
}

void trace_summary(FILE *out, const struct trace *trace, unsigned columns)
{
    const struct capture_about *about = &trace->about;
    const struct flow_table *table = &trace->table;
    char took[TRACE_TIME_MAX];
    fprintf(out, "%s%s, %" PRIu64 " packets", trace_source(trace),
            about->is_compressed ? " (gzip)" : "", about->frames);
    fprintf(out,
            " in %s: TCP %" PRIu64 ", UDP %" PRIu64 ", ICMP %" PRIu64 ", ARP %" PRIu64
            ", other %" PRIu64 "\n",
            trace_time(about->last - about->first, took), table->tcp, table->udp, table->icmp,
            table->arp, table->other);
    if (about->snapped > 0)
        fprintf(out, "%" PRIu64 " packets are not kept whole (snap length %" PRIu32 ")\n",
                about->snapped, about->snap_len);
    if (trace->nameless > 0)
        fprintf(out, "%" PRIu64 " segments of connections that were gone already are left out\n",
                trace->nameless);
    if (trace->merged)
        fprintf(out,
                "two captures: %" PRIu64 " segments in both, %" PRIu64 " only at one end; clocks"
                " differ by %s\n",
                trace->matched, trace->only_first + trace->only_second,
                trace_time(trace->clock_offset, took));
    if (table->count == 0) {
        fputs("no TCP connections\n", out);
        return;
    }
    if (columns != 0 && columns < TABLE_COLUMNS) {
        fputs("\nflow opener > other end, ending\n"
              "     begins +takes, packets, octets each way, least round trip, sent again ...\n",
              out);
        for (size_t i = 0; i < table->count; i++)
            summary_lines(out, table->flows[i], about->first);
        return;
    }
    fprintf(out, "\n%4s %8s %-21s %-21s %8s %7s %8s %8s %8s %4s %3s %3s %-23s %s\n", "flow",
            "begins s", "opener", "other end", "takes", "packets", "sent >", "sent <", "rtt min",
            "rtx", "ooo", "dup", "states", "ending");
    for (size_t i = 0; i < table->count; i++)
        summary_line(out, table->flows[i], about->first);
}

/* ---- One flow ---- */

static void put_limits(FILE *out, const struct flow_end *end)
{
    int64_t whole = 0;
    const char *between = "";
    for (unsigned i = FLOW_LIMIT_HANDSHAKE; i < FLOW_LIMIT_COUNT; i++)
        whole += end->limit_time[i];
    if (whole == 0)
        return;
    const int64_t unit = whole > INT64_MAX / 1000 ? 1000 : 1;
    fputs("    held up by: ", out);
    for (unsigned i = FLOW_LIMIT_HANDSHAKE; i < FLOW_LIMIT_COUNT; i++) {
        const int64_t share = end->limit_time[i] / unit * 1000 / (whole / unit);
        if (share == 0)
            continue;
        fprintf(out, "%s%s %lld.%lld%%", between, flow_limit_text(i), (long long)(share / 10),
                (long long)(share % 10));
        between = ", ";
    }
    fputc('\n', out);
}

static void put_options(FILE *out, const struct flow_end *end)
{
    if (!end->syn)
        return;
    fputs("    offers: ", out);
    if ((end->options & PACKET_HAS_MSS) != 0)
        fprintf(out, "MSS %u, ", end->mss);
    fprintf(out, "%s, %s, ", (end->options & PACKET_HAS_SACK_OK) != 0 ? "SACK" : "no SACK",
            (end->options & PACKET_HAS_TS) != 0 ? "timestamps" : "no timestamps");
    if ((end->options & PACKET_HAS_WSCALE) != 0)
        fprintf(out, "window scale %u\n", end->wscale);
    else
        fputs("no window scale\n", out);
}

static void put_end(FILE *out, const struct flow *flow, unsigned index)
{
    const struct flow_end *end = &flow->end[index];
    char addr[TRACE_ADDR_MAX], a[TRACE_TIME_MAX], b[TRACE_TIME_MAX], c[TRACE_TIME_MAX];
    fprintf(out, "\n  %s (%s), last %s\n", trace_addr(&end->addr, addr),
            index == 0 ? "opener" : "other end", weir_state_text(end->state));
    put_options(out, end);
    fprintf(out, "    sends: %" PRIu64 " segments, %" PRIu64 " with data, %" PRIu64 " octets\n",
            end->segments, end->data_segments, end->octets);
    for (unsigned i = 1; i < FLOW_CLASS_COUNT; i++)
        if (end->kind[i] > 0)
            fprintf(out, "      %" PRIu64 " %s\n", end->kind[i], flow_class_text(i));
    if (end->dsacks > 0)
        fprintf(out, "      %" PRIu64 " segments that the other end says came twice\n",
                end->dsacks);
    if (end->lost > 0)
        fprintf(out, "      %" PRIu64 " segments that never arrived\n", end->lost);
    if (end->icmp > 0)
        fprintf(out, "      %" PRIu64 " ICMP errors in answer\n", end->icmp);
    if (end->rtt.count > 0)
        fprintf(out, "    to the acknowledgment: %s at least, %s on average, %s at most\n",
                trace_time(end->rtt.min, a), trace_time(end->rtt.sum / (int64_t)end->rtt.count, b),
                trace_time(end->rtt.max, c));
    fprintf(out, "    window: %" PRIu32 " to %" PRIu32 "; most in flight %" PRIu32 "\n",
            end->window_min, end->window_max, end->flight_max);
    if (end->cwnd_max > 0)
        fprintf(out, "    congestion window: %" PRIu32 " to %" PRIu32 " (%s)\n", end->cwnd_min,
                end->cwnd_max, facts_quality_text(end->cwnd_quality));
    if (end->zero_windows > 0)
        fprintf(out, "    closed its window %" PRIu32 " times, for %s\n", end->zero_windows,
                trace_time(end->zero_time, a));
    put_limits(out, end);
}

void trace_flow_text(FILE *out, const struct flow *flow)
{
    char took[TRACE_TIME_MAX], ending[FLOW_ENDING_MAX];
    fprintf(out, "flow %" PRIu64 ": %" PRIu64 " packets in %s, %s; captured %s\n", flow->id,
            flow->packets, trace_time(flow->last - flow->first, took), flow_ending(flow, ending),
            flow_vantage_text(flow));
    if (!flow->whole)
        fputs("  its beginning is not in the capture: what is said of it is less sure\n", out);
    if (flow->syn_at != 0 && flow->open_at != 0)
        fprintf(out, "  handshake: %s\n", trace_time(flow->open_at - flow->syn_at, took));
    put_end(out, flow, 0);
    put_end(out, flow, 1);
    fputs("\n  states\n", out);
    for (uint32_t i = 0; i < flow->change_count; i++) {
        const struct flow_change *change = &flow->changes[i];
        fprintf(out, "    %10.6f  %-9s  %-12s -> %-12s %s\n",
                (double)(change->when - flow->first) / 1e9,
                change->end == 0 ? "opener" : "other end", weir_state_text(change->from),
                weir_state_text(change->to), flow_event_text(change->event));
    }
    if (flow->not_kept > 0)
        fprintf(out, "  %" PRIu64 " segments are not kept for pictures\n", flow->not_kept);
}

/* ---- JSON ---- */

static void json_end_of(struct json *json, const struct flow *flow, unsigned index)
{
    const struct flow_end *end = &flow->end[index];
    char addr[TRACE_ADDR_MAX];
    json_object(json, NULL);
    json_string(json, "address", trace_addr(&end->addr, addr));
    json_string(json, "state", weir_state_text(end->state));
    json_unsigned(json, "segments", end->segments);
    json_unsigned(json, "data_segments", end->data_segments);
    json_unsigned(json, "octets", end->octets);
    json_unsigned(json, "retransmitted_segments", end->rtx_segments);
    json_unsigned(json, "retransmitted_octets", end->rtx_octets);
    json_unsigned(json, "pure_acks", end->pure_acks);
    json_unsigned(json, "dsacks", end->dsacks);
    json_unsigned(json, "icmp_errors", end->icmp);
    json_unsigned(json, "never_arrived", end->lost);
    json_unsigned(json, "mss", end->mss);
    json_bool(json, "sack", (end->options & PACKET_HAS_SACK_OK) != 0);
    json_bool(json, "timestamps", (end->options & PACKET_HAS_TS) != 0);
    json_signed(json, "window_scale", (end->options & PACKET_HAS_WSCALE) != 0 ? end->wscale : -1);
    json_unsigned(json, "window_min", end->window_min);
    json_unsigned(json, "window_max", end->window_max);
    json_unsigned(json, "zero_windows", end->zero_windows);
    json_milli(json, "zero_window_us", end->zero_time);
    json_unsigned(json, "flight_max", end->flight_max);
    if (end->cwnd_max > 0) {
        json_unsigned(json, "cwnd_min", end->cwnd_min);
        json_unsigned(json, "cwnd_max", end->cwnd_max);
        json_string(json, "cwnd_quality", facts_quality_text(end->cwnd_quality));
    }
    json_unsigned(json, "rtt_samples", end->rtt.count);
    json_milli(json, "rtt_min_us", end->rtt.min);
    json_milli(json, "rtt_mean_us",
               end->rtt.count > 0 ? end->rtt.sum / (int64_t)end->rtt.count : 0);
    json_milli(json, "rtt_max_us", end->rtt.max);
    json_object(json, "classes");
    for (unsigned i = 1; i < FLOW_CLASS_COUNT; i++)
        if (end->kind[i] > 0)
            json_unsigned(json, flow_class_text(i), end->kind[i]);
    json_end_object(json);
    json_object(json, "limited_us");
    for (unsigned i = 0; i < FLOW_LIMIT_COUNT; i++)
        if (end->limit_time[i] > 0)
            json_milli(json, flow_limit_text(i), end->limit_time[i]);
    json_end_object(json);
    json_end_object(json);
}

static void json_flow(struct json *json, const struct flow *flow)
{
    char ending[FLOW_ENDING_MAX];
    json_object(json, NULL);
    json_unsigned(json, "flow", flow->id);
    json_milli(json, "begins_us", flow->first);
    json_milli(json, "takes_us", flow->last - flow->first);
    json_unsigned(json, "packets", flow->packets);
    json_unsigned(json, "octets", flow->octets);
    json_string(json, "ending", flow_ending(flow, ending));
    json_string(json, "captured", flow_vantage_text(flow));
    json_bool(json, "whole", flow->whole);
    json_milli(json, "rtt_min_us", flow_rtt_min(flow));
    json_array(json, "ends");
    json_end_of(json, flow, 0);
    json_end_of(json, flow, 1);
    json_end_array(json);
    json_array(json, "changes");
    for (uint32_t i = 0; i < flow->change_count; i++) {
        json_object(json, NULL);
        json_milli(json, "at_us", flow->changes[i].when - flow->first);
        json_unsigned(json, "end", flow->changes[i].end);
        json_string(json, "from", weir_state_text(flow->changes[i].from));
        json_string(json, "to", weir_state_text(flow->changes[i].to));
        json_string(json, "event", flow_event_text(flow->changes[i].event));
        json_end_object(json);
    }
    json_end_array(json);
    json_end_object(json);
}

void trace_json(FILE *out, const struct trace *trace, uint64_t only)
{
    struct json json;
    const struct capture_about *about = &trace->about;
    json_begin(&json, out);
    json_object(&json, NULL);
    json_string(&json, "format", trace_source(trace));
    json_unsigned(&json, "packets", about->frames);
    json_unsigned(&json, "octets", about->octets);
    json_milli(&json, "takes_us", about->last - about->first);
    json_unsigned(&json, "tcp", trace->table.tcp);
    json_unsigned(&json, "udp", trace->table.udp);
    json_unsigned(&json, "icmp", trace->table.icmp);
    json_unsigned(&json, "malformed", trace->table.malformed);
    json_unsigned(&json, "not_whole", about->snapped);
    json_bool(&json, "damaged", trace->damaged);
    if (trace->merged)
        json_milli(&json, "clock_offset_us", trace->clock_offset);
    json_array(&json, "flows");
    for (size_t i = 0; i < trace->table.count; i++)
        if (only == 0 || trace->table.flows[i]->id == only)
            json_flow(&json, trace->table.flows[i]);
    json_end_array(&json);
    json_end_object(&json);
    json_finish(&json);
}
