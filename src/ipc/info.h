/* SPDX-License-Identifier: MIT */
#ifndef WEIR_IPC_INFO_H
#define WEIR_IPC_INFO_H

/* Linux's struct tcp_info, in the layout of Linux 6.18, and how weir's STATUS reads in it: one
 * translation for programs (getsockopt under `weir run`), tools and scripts. Older systems' headers
 * end earlier; a field never changes its place.
 *
 * What weir does otherwise, and so says otherwise: it never tries another way after a timeout
 * (tcpi_rehash is 0), and segments held back by the congestion window are what cwnd counts in
 * octets, rounded down. Fields of connections without a tally (weir_config.tally_max) are 0. */

#include "weir/stack.h"

struct linux_tcp_info {
    uint8_t tcpi_state, tcpi_ca_state, tcpi_retransmits, tcpi_probes;
    uint8_t tcpi_backoff, tcpi_options;
    uint8_t tcpi_snd_wscale : 4, tcpi_rcv_wscale : 4;
    uint8_t tcpi_delivery_rate_app_limited : 1, tcpi_fastopen_client_fail : 2;
    uint32_t tcpi_rto, tcpi_ato, tcpi_snd_mss, tcpi_rcv_mss;
    uint32_t tcpi_unacked, tcpi_sacked, tcpi_lost, tcpi_retrans, tcpi_fackets;
    uint32_t tcpi_last_data_sent, tcpi_last_ack_sent, tcpi_last_data_recv, tcpi_last_ack_recv;
    uint32_t tcpi_pmtu, tcpi_rcv_ssthresh, tcpi_rtt, tcpi_rttvar;
    uint32_t tcpi_snd_ssthresh, tcpi_snd_cwnd, tcpi_advmss, tcpi_reordering;
    uint32_t tcpi_rcv_rtt, tcpi_rcv_space, tcpi_total_retrans;
    uint64_t tcpi_pacing_rate, tcpi_max_pacing_rate, tcpi_bytes_acked, tcpi_bytes_received;
    uint32_t tcpi_segs_out, tcpi_segs_in, tcpi_notsent_bytes, tcpi_min_rtt;
    uint32_t tcpi_data_segs_in, tcpi_data_segs_out;
    uint64_t tcpi_delivery_rate, tcpi_busy_time, tcpi_rwnd_limited, tcpi_sndbuf_limited;
    uint32_t tcpi_delivered, tcpi_delivered_ce;
    uint64_t tcpi_bytes_sent, tcpi_bytes_retrans;
    uint32_t tcpi_dsack_dups, tcpi_reord_seen, tcpi_rcv_ooopack, tcpi_snd_wnd, tcpi_rcv_wnd;
    uint32_t tcpi_rehash;
    uint16_t tcpi_total_rto, tcpi_total_rto_recoveries;
    uint32_t tcpi_total_rto_time, tcpi_received_ce;
    uint32_t tcpi_delivered_e1_bytes, tcpi_delivered_e0_bytes, tcpi_delivered_ce_bytes;
    uint32_t tcpi_received_e1_bytes, tcpi_received_e0_bytes, tcpi_received_ce_bytes;
    uint16_t tcpi_accecn_fail_mode, tcpi_accecn_opt_seen;
};

_Static_assert(sizeof(struct linux_tcp_info) == 280, "as Linux 6.18 lays it out");

/* Linux's number of a state (include/net/tcp_states.h); 7 (CLOSE) for what is none. */
uint8_t info_state(unsigned state);

/* `now` on the clock that the status was taken by. */
void info_fill(struct linux_tcp_info *info, const struct weir_status *status, weir_time now);

#endif
