/* SPDX-License-Identifier: MIT */
#include "flow_json.h"

#include "socket_text.h"

#include <netinet/in.h>

static bool known(const struct facts_flow *flow, enum facts_of_flow fact)
{
    return flow->quality[fact] != FACTS_UNKNOWN;
}

static void put_ns(struct json *json, const char *key, int64_t ns)
{
    if (ns != WEIR_NEVER && ns >= 0)
        json_milli(json, key, ns / WEIR_US); /* milliseconds */
}

static void put_addr(struct json *json, const char *key, const struct weir_addr *addr)
{
    char ip[WEIR_IP_TEXT_MAX];
    json_object(json, key);
    json_string(json, "address", weir_ip_text(&addr->ip, ip));
    json_unsigned(json, "port", addr->port);
    if (addr->iface != 0)
        json_unsigned(json, "interface", addr->iface);
    json_end_object(json);
}

static void put_timers(struct json *json, const struct facts_flow *flow)
{
    if (flow->timer != WEIR_TIMER_NONE && flow->timer_in != WEIR_NEVER) {
        json_object(json, "timer");
        json_string(json, "for", weir_timer_text(flow->timer));
        put_ns(json, "ms", flow->timer_in);
        json_unsigned(json, "backoff", flow->backoff);
        json_end_object(json);
    }
    if (!known(flow, FACTS_TIMERS))
        return;
    json_object(json, "timers_ms");
    put_ns(json, "retransmit", flow->rtx_in);
    put_ns(json, "delayed_ack", flow->delack_in);
    put_ns(json, "keepalive", flow->keepalive_in);
    put_ns(json, "user_timeout", flow->user_in);
    json_end_object(json);
}

static void put_owner(struct json *json, const struct facts_flow *flow)
{
    if (known(flow, FACTS_USER))
        json_unsigned(json, "uid", flow->uid);
    if (known(flow, FACTS_INODE))
        json_unsigned(json, "inode", flow->inode);
    if (!known(flow, FACTS_OWNER))
        return;
    json_object(json, "owner");
    json_signed(json, "pid", flow->pid);
    if (flow->fd >= 0)
        json_signed(json, "fd", flow->fd);
    json_string(json, "comm", flow->comm);
    json_end_object(json);
}

static void put_info(struct json *json, const struct facts_flow *flow)
{
    const struct linux_tcp_info *i = &flow->info;
    json_object(json, "tcp_info");
    json_milli(json, "rtt_ms", i->tcpi_rtt);
    json_milli(json, "rttvar_ms", i->tcpi_rttvar);
    json_milli(json, "min_rtt_ms", i->tcpi_min_rtt == UINT32_MAX ? 0 : i->tcpi_min_rtt);
    json_milli(json, "rto_ms", i->tcpi_rto);
    json_unsigned(json, "backoff", i->tcpi_backoff);
    json_unsigned(json, "snd_mss", i->tcpi_snd_mss);
    json_unsigned(json, "rcv_mss", i->tcpi_rcv_mss);
    json_unsigned(json, "cwnd", i->tcpi_snd_cwnd);
    json_unsigned(json, "ssthresh", i->tcpi_snd_ssthresh);
    json_unsigned(json, "unacked", i->tcpi_unacked);
    json_unsigned(json, "sacked", i->tcpi_sacked);
    json_unsigned(json, "lost", i->tcpi_lost);
    json_unsigned(json, "total_retrans", i->tcpi_total_retrans);
    json_unsigned(json, "bytes_sent", i->tcpi_bytes_sent);
    json_unsigned(json, "bytes_retrans", i->tcpi_bytes_retrans);
    json_unsigned(json, "bytes_acked", i->tcpi_bytes_acked);
    json_unsigned(json, "bytes_received", i->tcpi_bytes_received);
    json_unsigned(json, "segs_out", i->tcpi_segs_out);
    json_unsigned(json, "segs_in", i->tcpi_segs_in);
    json_unsigned(json, "data_segs_out", i->tcpi_data_segs_out);
    json_unsigned(json, "data_segs_in", i->tcpi_data_segs_in);
    json_unsigned(json, "delivered", i->tcpi_delivered);
    json_unsigned(json, "delivered_ce", i->tcpi_delivered_ce);
    json_unsigned(json, "dsack_dups", i->tcpi_dsack_dups);
    json_unsigned(json, "reordering", i->tcpi_reordering);
    json_unsigned(json, "reord_seen", i->tcpi_reord_seen);
    json_unsigned(json, "rcv_ooopack", i->tcpi_rcv_ooopack);
    json_unsigned(json, "notsent", i->tcpi_notsent_bytes);
    json_unsigned(json, "snd_wnd", i->tcpi_snd_wnd);
    json_unsigned(json, "busy_us", i->tcpi_busy_time);
    json_unsigned(json, "rwnd_limited_us", i->tcpi_rwnd_limited);
    json_unsigned(json, "sndbuf_limited_us", i->tcpi_sndbuf_limited);
    json_bool(json, "timestamps", (i->tcpi_options & TCPI_OPT_TIMESTAMPS) != 0);
    json_bool(json, "sack", (i->tcpi_options & TCPI_OPT_SACK) != 0);
    if ((i->tcpi_options & TCPI_OPT_WSCALE) != 0) {
        json_unsigned(json, "snd_wscale", i->tcpi_snd_wscale);
        json_unsigned(json, "rcv_wscale", i->tcpi_rcv_wscale);
    }
    json_end_object(json);
}

static void put_rest(struct json *json, const struct facts_flow *flow)
{
    if (known(flow, FACTS_SINCE))
        put_ns(json, "state_for_ms", flow->state_for);
    if (known(flow, FACTS_CAUSE))
        json_string(json, "cause", weir_cause_text(flow->cause));
    if (known(flow, FACTS_ROLE) && flow->state != WEIR_LISTEN)
        json_string(json, "role", flow->passive ? "server" : "client");
    if (known(flow, FACTS_WAITS))
        json_string(json, "waits", weir_wait_text(flow->waits_for));
    if (known(flow, FACTS_CONGESTION))
        json_string(json, "congestion", flow->cc);
    if (known(flow, FACTS_WINDOWS)) {
        json_unsigned(json, "snd_wnd", flow->snd_wnd);
        json_unsigned(json, "rcv_wnd", flow->rcv_wnd);
    }
    if (known(flow, FACTS_LIMITS)) {
        json_unsigned(json, "rcv_max", flow->rcv_max);
        json_unsigned(json, "snd_max", flow->snd_max);
    }
    if (known(flow, FACTS_ERRORS) && flow->error != WEIR_OK)
        json_string(json, "error", weir_error_text((enum weir_error)flow->error));
    if (known(flow, FACTS_ERRORS) && flow->soft_error != WEIR_OK)
        json_string(json, "soft_error", weir_error_text((enum weir_error)flow->soft_error));
    if (!known(flow, FACTS_SEQUENCE))
        return;
    json_object(json, "sequence");
    json_unsigned(json, "iss", flow->iss);
    json_unsigned(json, "irs", flow->irs);
    json_unsigned(json, "snd_una", flow->snd_una);
    json_unsigned(json, "snd_nxt", flow->snd_nxt);
    json_unsigned(json, "rcv_nxt", flow->rcv_nxt);
    json_end_object(json);
}

static void put_qualities(struct json *json, const struct facts_flow *flow)
{
    json_object(json, "quality");
    for (unsigned fact = 0; fact < FACTS_COUNT; fact++)
        if (flow->quality[fact] != FACTS_UNKNOWN && flow->quality[fact] != FACTS_EXACT)
            json_string(json, facts_name(fact), facts_quality_text(flow->quality[fact]));
    json_end_object(json);
}

void flow_json(struct json *json, const struct facts_flow *flow)
{
    json_object(json, NULL);
    json_string(json, "source", facts_source_text(flow->source));
    json_string(json, "net", flow->net);
    json_string(json, "protocol", socket_protocol(flow));
    json_unsigned(json, "family", flow->v6 ? 6 : 4);
    json_string(json, "state", socket_state_ss(flow));
    put_addr(json, "local", &flow->local);
    put_addr(json, "remote", &flow->remote);
    if (flow->state == WEIR_LISTEN) {
        json_unsigned(json, "waiting", flow->listener.waiting);
        json_unsigned(json, "backlog", flow->listener.backlog);
        if (flow->source == FACTS_STACK)
            json_unsigned(json, "half_open", flow->listener.half_open);
        else if (known(flow, FACTS_LIMITS))
            json_unsigned(json, "drops", flow->listener.drops);
    } else {
        json_unsigned(json, "recv_q", flow->rcvq);
        json_unsigned(json, "send_q", flow->sndq);
    }
    put_timers(json, flow);
    put_owner(json, flow);
    if (known(flow, FACTS_INFO) && flow->state != WEIR_LISTEN)
        put_info(json, flow);
    put_rest(json, flow);
    put_qualities(json, flow);
    json_end_object(json);
}
