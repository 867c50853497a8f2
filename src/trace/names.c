/* SPDX-License-Identifier: MIT */
#include "weir/trace.h"

#include "base/assert.h"

/* The words for every number in a record. A number can come from a record that somebody saved, so
 * one that is beyond its table is no mistake of ours. */

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static const char *text_of(const char *const *table, size_t count, unsigned i)
{
    return i < count ? table[i] : "?";
}

#define X(name, text) text,
static const char *const state_text[] = { WEIR_STATES(X) };
static const char *const why_text[] = { WEIR_WHYS(X) };
static const char *const cause_text[] = { WEIR_CAUSES(X) };
static const char *const drop_text[] = { WEIR_DROPS(X) };
static const char *const wait_text[] = { WEIR_WAITS(X) };
static const char *const timer_text[] = { WEIR_TIMERS(X) };
#undef X

/* The preprocessor has no lower case. In the header's order, one a line, without designators: a
 * name that is missing does not compile, and one in the wrong place is found by the test. */
static const char *const drop_name[] = {
    "none",
    "frame_short",
    "frame_long",
    "frame_other_mac",
    "frame_own_mac",
    "frame_bad_source",
    "frame_type",
    "iface_unknown",
    "arp_bad",
    "arp_not_ours",
    "arp_unsolicited",
    "arp_conflict",
    "nd_bad",
    "nd_not_ours",
    "nd_unsolicited",
    "nd_duplicate",
    "ra_ignored",
    "redirect_ignored",
    "neigh_full",
    "neigh_queue",
    "neigh_failed",
    "ip_bad_header",
    "ip_bad_csum",
    "ip_bad_option",
    "ip_source_route",
    "ip_martian",
    "ip_not_ours",
    "ip_proto",
    "ip_ext_bad",
    "ip_ext_many",
    "ip_ext_unknown",
    "ip_no_next",
    "frag_bad",
    "frag_overlap",
    "frag_duplicate",
    "frag_limit",
    "frag_evicted",
    "frag_timeout",
    "frag_tiny",
    "no_route",
    "icmp_bad",
    "icmp_csum",
    "icmp_type",
    "icmp_broadcast",
    "icmp_quote",
    "icmp_out_of_window",
    "icmp_quench",
    "icmp_mtu",
    "icmp_nobody",
    "igmp_bad",
    "igmp_type",
    "mld_bad",
    "udp_bad",
    "udp_csum",
    "udp_port",
    "udp_full",
    "tcp_bad",
    "tcp_csum",
    "tcp_group",
    "tcp_port_zero",
    "tcp_land",
    "tcp_md5_missing",
    "tcp_md5_unexpected",
    "tcp_md5_wrong",
    "tcp_ao_missing",
    "tcp_ao_unexpected",
    "tcp_ao_key",
    "tcp_ao_wrong",
    "tcp_no_conn",
    "tcp_min_ttl",
    "listen_flags",
    "listen_rst",
    "listen_ack",
    "synq_full",
    "accept_full",
    "no_credit",
    "cookie_bad",
    "syn_duplicate",
    "syn_other",
    "syn_deferred",
    "accept_deferred",
    "ack_unacceptable",
    "no_ack",
    "seq_old",
    "seq_window",
    "paws",
    "rst_inexact",
    "rst_window",
    "rst_time_wait",
    "rst_no_ack",
    "reset",
    "handshake_ack",
    "syn_synchronised",
    "syn_sent_silent",
    "closed_state",
    "data_after_close",
    "data_after_fin",
    "window_zero",
    "ranges_full",
    "no_flight",
    "no_chunk",
    "reopen",
    "reply_full",
    "reply_rate",
};
WEIR_STATIC_ASSERT(COUNT(drop_name) == WEIR_DROP_COUNT,
                   "every drop reason has a name in drop_name");

const char *weir_state_text(unsigned state)
{
    return text_of(state_text, COUNT(state_text), state);
}

const char *weir_why_text(unsigned why)
{
    return text_of(why_text, COUNT(why_text), why);
}

const char *weir_cause_text(unsigned cause)
{
    return text_of(cause_text, COUNT(cause_text), cause);
}

const char *weir_drop_text(unsigned drop)
{
    return text_of(drop_text, COUNT(drop_text), drop);
}

const char *weir_drop_name(unsigned drop)
{
    return text_of(drop_name, COUNT(drop_name), drop);
}

const char *weir_wait_text(unsigned wait)
{
    return text_of(wait_text, COUNT(wait_text), wait);
}

const char *weir_timer_text(unsigned timer)
{
    return text_of(timer_text, COUNT(timer_text), timer);
}
