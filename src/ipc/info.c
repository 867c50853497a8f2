/* SPDX-License-Identifier: MIT */
#include "ipc/info.h"

#include "weir/trace.h"

#include <limits.h>
#include <linux/tcp.h>
#include <string.h>

#define LINUX_CLOSE      7
#define INIT_CWND        10      /* segments (RFC 6928): a listener's, as of Linux */
#define NO_SSTHRESH      INT_MAX /* TCP_INFINITE_SSTHRESH */
#define HEADS_V4         40      /* of IP and TCP */
#define HEADS_V6         60
#define HEAD_TIMES       12u            /* timestamps in every segment */
#define DELACK           (40 * WEIR_MS) /* the configuration's, which no setting changes */
#define REORDERING_LEAST 3

uint8_t info_state(unsigned state)
{
    static const uint8_t numbers[WEIR_STATE_COUNT] = {
        [WEIR_SYN_SENT] = 2,   [WEIR_SYN_RECEIVED] = 3, [WEIR_ESTABLISHED] = 1,
        [WEIR_FIN_WAIT_1] = 4, [WEIR_FIN_WAIT_2] = 5,   [WEIR_CLOSE_WAIT] = 8,
        [WEIR_CLOSING] = 11,   [WEIR_LAST_ACK] = 9,     [WEIR_TIME_WAIT] = 6,
        [WEIR_CLOSED] = 7,     [WEIR_LISTEN] = 10,
    };
    return state < WEIR_STATE_COUNT ? numbers[state] : LINUX_CLOSE;
}

static uint32_t micros(weir_time time)
{
    return time < 0 || time / WEIR_US > UINT32_MAX ? 0 : (uint32_t)(time / WEIR_US);
}

static uint32_t millis_since(weir_time then, weir_time now)
{
    return then <= now ? (uint32_t)((now - then) / WEIR_MS) : 0;
}

static uint8_t options_of(const struct weir_status *status)
{
    const bool scaled = status->snd_wscale != 0 || status->rcv_wscale != 0;
    return (uint8_t)((status->timestamps ? TCPI_OPT_TIMESTAMPS : 0) |
                     (status->sack ? TCPI_OPT_SACK : 0) | (scaled ? TCPI_OPT_WSCALE : 0) |
                     (status->ecn != 0 ? TCPI_OPT_ECN : 0) |
                     (status->syn_text ? TCPI_OPT_SYN_DATA : 0) |
                     (status->ce_in != 0 ? TCPI_OPT_ECN_SEEN : 0));
}

/* One counter here, three there: which it is follows from the state and the timer. */
static void fill_timeouts(struct linux_tcp_info *info, const struct weir_status *status)
{
    info->tcpi_backoff = status->backoff;
    if (status->state == WEIR_SYN_SENT) {
        info->tcpi_retransmits = status->keepalive_probes; /* SYNs sent again */
    } else if (status->timer == WEIR_TIMER_PERSIST) {
        info->tcpi_probes = status->retries;
    } else {
        info->tcpi_retransmits = status->retries;
        info->tcpi_probes = status->keepalive_probes;
    }
}

static void fill_times(struct linux_tcp_info *info, const struct weir_status *status, weir_time now)
{
    const struct weir_tally *tally = &status->tally;
    info->tcpi_rto = micros(status->rto);
    info->tcpi_rtt = micros(status->srtt);
    info->tcpi_rttvar = micros(status->rttvar);
    info->tcpi_min_rtt = status->rtt_min == WEIR_NEVER ? UINT32_MAX : micros(status->rtt_min);
    info->tcpi_rcv_rtt = tally->rcv_rtt_us;
    info->tcpi_ato = status->octets_in > 0 ? micros(DELACK) : 0;
    info->tcpi_last_data_sent = millis_since(tally->data_out_at, now);
    info->tcpi_last_data_recv = millis_since(tally->data_in_at, now);
    info->tcpi_last_ack_recv = millis_since(status->rcvd_at, now);
    info->tcpi_total_rto = tally->rto_count;
    info->tcpi_total_rto_recoveries = tally->rto_recoveries;
    info->tcpi_total_rto_time = tally->rto_ms;
    if (tally->rto_at != 0)
        info->tcpi_total_rto_time += millis_since(tally->rto_at, now);
}

/* Linux's busy time is all three; what lasts counts up to now. */
static void fill_limits(struct linux_tcp_info *info, const struct weir_tally *tally, weir_time now)
{
    weir_time limited[WEIR_LIMIT_COUNT - 1];
    memcpy(limited, tally->limited, sizeof limited);
    if (tally->limit != WEIR_LIMIT_IDLE && now > tally->limit_at)
        limited[tally->limit - 1] += now - tally->limit_at;
    info->tcpi_rwnd_limited = (uint64_t)(limited[WEIR_LIMIT_WINDOW - 1] / WEIR_US);
    info->tcpi_sndbuf_limited = (uint64_t)(limited[WEIR_LIMIT_BUFFER - 1] / WEIR_US);
    info->tcpi_busy_time = (uint64_t)(limited[WEIR_LIMIT_BUSY - 1] / WEIR_US) +
                           info->tcpi_rwnd_limited + info->tcpi_sndbuf_limited;
}

static void fill_sizes(struct linux_tcp_info *info, const struct weir_status *status)
{
    const uint32_t mss = status->mss != 0 ? status->mss : 1;
    const uint32_t heads = weir_ip_is_v4(&status->local.ip) ? HEADS_V4 : HEADS_V6;
    info->tcpi_snd_wscale = status->snd_wscale & 0xfu;
    info->tcpi_rcv_wscale = status->rcv_wscale & 0xfu;
    info->tcpi_snd_mss = status->mss;
    info->tcpi_rcv_mss = status->rcv_mss;
    if (status->path_mss != 0) {
        info->tcpi_pmtu = status->path_mss + heads;
        info->tcpi_advmss = status->path_mss - (status->timestamps ? HEAD_TIMES : 0u);
    }
    info->tcpi_snd_cwnd = status->cwnd / mss;
    info->tcpi_snd_ssthresh =
        status->ssthresh > INT32_MAX - mss ? NO_SSTHRESH : status->ssthresh / mss;
    const uint32_t first = (uint32_t)INIT_CWND * info->tcpi_advmss;
    info->tcpi_rcv_ssthresh = status->rcv_space;
    info->tcpi_rcv_space = first < status->rcv_space ? first : status->rcv_space;
    if (status->tally.rcv_space > info->tcpi_rcv_space)
        info->tcpi_rcv_space = status->tally.rcv_space;
    info->tcpi_snd_wnd = status->snd_wnd;
    info->tcpi_rcv_wnd = status->offered;
    info->tcpi_notsent_bytes = status->unsent;
}

static void fill_segments(struct linux_tcp_info *info, const struct weir_status *status)
{
    const struct weir_tally *tally = &status->tally;
    info->tcpi_unacked = status->unacked_segs;
    info->tcpi_sacked = status->sacked_segs;
    info->tcpi_lost = status->lost_segs;
    info->tcpi_retrans = status->rtx_segs;
    info->tcpi_total_retrans = status->segs_rtx;
    info->tcpi_segs_out = status->segs_out;
    info->tcpi_segs_in = status->segs_in;
    info->tcpi_data_segs_out = tally->data_out;
    info->tcpi_data_segs_in = tally->data_in;
    info->tcpi_delivered = tally->delivered;
    info->tcpi_delivered_ce = tally->delivered_ce;
    info->tcpi_received_ce = status->ce_in;
    info->tcpi_dsack_dups = tally->dsack_dups;
    info->tcpi_reord_seen = tally->reorder_count;
    info->tcpi_rcv_ooopack = tally->beyond;
}

/* Linux counts sequence numbers here: a SYN of ours, and each FIN. */
static bool our_fin_acked(const struct weir_status *status)
{
    return status->state == WEIR_FIN_WAIT_2 || status->state == WEIR_TIME_WAIT;
}

static bool their_fin_here(const struct weir_status *status)
{
    return status->state == WEIR_CLOSE_WAIT || status->state == WEIR_LAST_ACK ||
           status->state == WEIR_CLOSING || status->state == WEIR_TIME_WAIT;
}

static void fill_octets(struct linux_tcp_info *info, const struct weir_status *status)
{
    const bool ours = !status->passive && status->state >= WEIR_ESTABLISHED;
    info->tcpi_bytes_acked = status->octets_acked + ours + our_fin_acked(status);
    info->tcpi_bytes_received = status->octets_in + their_fin_here(status);
    info->tcpi_bytes_sent = status->octets_out + status->octets_rtx;
    info->tcpi_bytes_retrans = status->octets_rtx;
}

void info_fill(struct linux_tcp_info *info, const struct weir_status *status, weir_time now)
{
    const struct weir_tally *tally = &status->tally;
    memset(info, 0, sizeof *info);
    info->tcpi_state = info_state(status->state);
    info->tcpi_pacing_rate = status->pacing_rate != 0 ? status->pacing_rate : UINT64_MAX;
    info->tcpi_max_pacing_rate = status->pacing_max != 0 ? status->pacing_max : UINT64_MAX;
    info->tcpi_reordering =
        tally->reordering > REORDERING_LEAST ? tally->reordering : REORDERING_LEAST;
    if (status->state == WEIR_LISTEN) {
        info->tcpi_snd_cwnd = INIT_CWND;
        info->tcpi_unacked = status->acceptq_len;
        info->tcpi_sacked = status->backlog;
        return;
    }
    if (status->mss == 0) /* a small form, of which little is known */
        return;
    info->tcpi_ca_state = status->ca_state;
    info->tcpi_options = options_of(status);
    info->tcpi_delivery_rate = tally->delivery_rate;
    info->tcpi_delivery_rate_app_limited = tally->app_limited;
    fill_timeouts(info, status);
    fill_times(info, status, now);
    fill_limits(info, tally, now);
    fill_sizes(info, status);
    fill_segments(info, status);
    fill_octets(info, status);
}
