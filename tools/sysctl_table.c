/* SPDX-License-Identifier: MIT */
#include "sysctl_table.h"

/* The rows. What is done with them stands in sysctl_apply.c. */

#define AT(member)                                 \
    .field = offsetof(struct weir_config, member), \
    .field_size = sizeof(((struct weir_config *)0)->member)
#define LOW(member)        .low = offsetof(struct weir_config, member)
#define LINUX(least, most) .linux_min = (least), .linux_max = (most)
#define WEIR(least, most)  .min = (least), .max = (most)
#define ANY_OCTET          LINUX(0, UINT8_MAX)
#define ANY_INT            LINUX(INT32_MIN, INT32_MAX)

#define NUMBER(NAME)       .name = (NAME), .kind = SYSCTL_FIELD, .unit = 1
#define SECONDS(NAME)      .name = (NAME), .kind = SYSCTL_FIELD, .unit = WEIR_SECOND
#define FLAG(NAME)         NUMBER(NAME), ANY_OCTET, WEIR(0, 1)
#define FIXED(NAME, VALUE) .name = (NAME), .kind = SYSCTL_FIXED, .fixed = (VALUE)
#define ABSENT(NAME)       .name = (NAME), .kind = SYSCTL_ABSENT
#define REMOVED(NAME)      .name = (NAME), .kind = SYSCTL_REMOVED
#define NOTE(TEXT)         .note = (TEXT)
#define AT_START           .at_start = true

#define POOL_MOST  (INT64_C(1) << 24) /* entries of a pool (src/stack/config.h) */
#define CHUNK_MOST (INT64_C(1) << 26) /* chunks of the ring pool */
#define LONGEST    (INT64_C(1728000)) /* seconds: 20 days, which small forms can count */

static const struct sysctl table[] = {
    /* ---- opening ---- */
    { NUMBER("net.ipv4.tcp_syn_retries"), AT(syn_retries), LINUX(1, 127), WEIR(1, 127),
      NOTE("SYNs sent again, beside the linear ones of tcp_syn_linear_timeouts; 6 and 4 give up "
           "after 133 s") },
    { NUMBER("net.ipv4.tcp_syn_linear_timeouts"), AT(syn_linear), LINUX(0, 127), WEIR(0, 127),
      NOTE("the first so many SYN timeouts do not double; 0 is how it was before Linux 6.5") },
    { NUMBER("net.ipv4.tcp_synack_retries"), AT(synack_retries), ANY_OCTET, WEIR(0, 15),
      NOTE("5 gives a half-open connection up after about 63 s") },
    { NUMBER("net.ipv4.tcp_max_syn_backlog"), AT(synq_max), AT_START, ANY_INT, WEIR(1, POOL_MOST),
      NOTE("half-open connections; over all listeners, where Linux counts for each") },
    { NUMBER("net.core.somaxconn"), AT(somaxconn), LINUX(0, INT32_MAX), WEIR(1, INT32_MAX),
      NOTE("the upper bound of every backlog; a queue of n holds n + 1") },
    { FLAG("net.ipv4.tcp_syncookies"), AT(syncookies),
      NOTE("cookies when the SYN queue is full; 2, always, is not built. It does not change the "
           "number of TIME-WAITs") },
    { FLAG("net.ipv4.tcp_abort_on_overflow"), AT(abort_on_overflow),
      NOTE("a reset for the last ACK of a handshake when the accept queue is full; a SYN is "
           "dropped in silence either way") },
    { FLAG("net.ipv4.tcp_timestamps"), AT(timestamps),
      NOTE("each connection has an offset of its own; 2, without it, is not built") },
    { FLAG("net.ipv4.tcp_sack"), AT(sack), NOTE("selective acknowledgements (RFC 2018, 6675)") },
    { FLAG("net.ipv4.tcp_window_scaling"), AT(wscale), NOTE("windows beyond 65,535 (RFC 7323)") },

    /* ---- how much at a time ---- */
    { .name = "net.ipv4.tcp_congestion_control",
      .kind = SYSCTL_CONGESTION,
      AT(congestion),
      NOTE("of new connections; TCP_CONGESTION chooses for one. CUBIC has HyStart++ (RFC 9406), "
           "DCTCP is for networks that mark") },
    { NUMBER("net.ipv4.tcp_ecn"), AT(ecn), LINUX(0, 5), WEIR(0, 5),
      NOTE("0 never; 1 ask and take; 2 take; 3 to 5 the same with accurate ECN (RFC 9768), "
           "which Linux 6.18 does not offer yet") },
    { NUMBER("net.ipv4.tcp_ecn_option"), AT(ecn_option), LINUX(0, 3), WEIR(0, 2),
      NOTE("where accurate ECN is agreed, its option is sent 0 never, 1 when it says something "
           "new, 2 in all segments; default 1, Linux's is 2") },
    { FLAG("net.ipv4.tcp_slow_start_after_idle"), AT(slow_start_after_idle),
      NOTE("cwnd is halved for each timeout of silence, down to ten segments (RFC 5681, 4.1)") },

    /* ---- sending again, giving up ---- */
    { NUMBER("net.ipv4.tcp_retries2"), AT(retries_max), ANY_OCTET, WEIR(1, 255),
      NOTE("doublings of the timeout before ETIMEDOUT: 15 is about 924 s; TCP_USER_TIMEOUT goes "
           "before it") },
    { NUMBER("net.ipv4.tcp_orphan_retries"), AT(orphan_retries), ANY_OCTET, WEIR(0, 255),
      NOTE("the same for a connection that nobody holds any more; 0 means 8, as in Linux") },
    { .name = "net.ipv4.tcp_rto_min_us",
      .kind = SYSCTL_FIELD,
      AT(rto_min),
      .unit = WEIR_US,
      LINUX(1, INT32_MAX),
      WEIR(1, 120000000),
      NOTE("the least retransmission timeout") },
    { .name = "net.ipv4.tcp_rto_max_ms",
      .kind = SYSCTL_FIELD,
      AT(rto_max),
      .unit = WEIR_MS,
      LINUX(1000, 120000),
      WEIR(1000, 120000),
      NOTE("the longest retransmission timeout") },
    { NUMBER("net.ipv4.tcp_recovery"), AT(rack), AT_START, ANY_OCTET, WEIR(0, 7),
      NOTE(
          "bits: 1 RACK (RFC 8985), else RFC 6675; 2 its reordering window stays as it is; 4 three "
          "segments above a hole are no proof") },
    { NUMBER("net.ipv4.tcp_early_retrans"), AT(early_retrans), LINUX(0, 4), WEIR(0, 4),
      NOTE("3 and 4: tail loss probes (RFC 8985, 7); less: none") },
    { NUMBER("net.ipv4.tcp_frto"), AT(frto), ANY_OCTET, WEIR(0, 2),
      NOTE("but for 0, spurious timeouts are found and undone (RFC 5682)") },
    { FLAG("net.ipv4.tcp_thin_linear_timeouts"), AT(thin_linear),
      NOTE("six timeouts of a stream with fewer than four segments in flight do not double") },
    { SECONDS("net.ipv4.tcp_keepalive_time"), AT(keepalive_idle), ANY_INT, WEIR(1, 2147483),
      NOTE("seconds of silence before the first probe, and only where SO_KEEPALIVE is on: this "
           "alone changes nothing") },
    { SECONDS("net.ipv4.tcp_keepalive_intvl"), AT(keepalive_interval), ANY_INT, WEIR(1, 2147483),
      NOTE("seconds between probes") },
    { NUMBER("net.ipv4.tcp_keepalive_probes"), AT(keepalive_probes), ANY_OCTET, WEIR(1, 255),
      NOTE("probes without an answer before ETIMEDOUT") },

    /* ---- closing ---- */
    { SECONDS("net.ipv4.tcp_fin_timeout"), AT(fin_timeout), ANY_INT, WEIR(1, LONGEST),
      NOTE("FIN-WAIT-2 that nobody holds any more; not TIME-WAIT, which is 60 s whatever stands "
           "here") },
    { NUMBER("net.ipv4.tcp_max_tw_buckets"), AT(tw_max), AT_START, ANY_INT, WEIR(1, POOL_MOST),
      NOTE("TIME-WAITs kept; beyond it weir forgets the oldest, Linux the newest") },

    { NUMBER("net.ipv4.tcp_tw_reuse"), AT(tw_reuse), LINUX(0, 2), WEIR(0, 2),
      NOTE("whether a connect may draw the port of a TIME-WAIT with timestamps: 0 no, 1 yes, 2 to "
           "addresses of this host. A SYN from outside may in any case (RFC 6191)") },
    { .name = "net.ipv4.tcp_tw_reuse_delay",
      .kind = SYSCTL_FIELD,
      AT(tw_reuse_delay),
      .unit = WEIR_MS,
      LINUX(1, 60000),
      WEIR(1, 60000),
      NOTE("milliseconds that a TIME-WAIT must have lasted for that") },

    /* ---- what is remembered ---- */
    { FLAG("net.ipv4.tcp_no_metrics_save"), AT(no_metrics_save),
      NOTE("1: connections that end leave nothing for the next one to the same destination; what "
           "is known already counts for an hour") },
    { FLAG("net.ipv4.tcp_no_ssthresh_metrics_save"), AT(no_ssthresh_metrics_save),
      NOTE("0: the next connection to a destination begins with the ssthresh of those before it") },

    /* ---- memory ---- */
    { .name = "net.ipv4.tcp_rmem",
      .kind = SYSCTL_VECTOR,
      LOW(rcv_min),
      AT(rcv_max),
      AT_START,
      .unit = 1,
      LINUX(1, INT32_MAX),
      WEIR(536, INT64_C(1) << 30),
      NOTE("octets: the window every connection is sure of, and the largest it grows to; windows "
           "begin with the first, so the middle one is not kept") },
    { .name = "net.ipv4.tcp_wmem",
      .kind = SYSCTL_VECTOR,
      .low = SYSCTL_NO_FIELD,
      AT(snd_max),
      .unit = 1,
      LINUX(1, INT32_MAX),
      WEIR(1, INT64_C(1) << 30),
      NOTE("octets a program may queue: the third is how far the queue grows with cwnd; nothing "
           "is set aside for sending, so the first two are not kept") },
    { NUMBER("net.ipv4.tcp_notsent_lowat"), AT(notsent_lowat), LINUX(0, UINT32_MAX),
      WEIR(1, UINT32_MAX), NOTE("octets never sent that may wait: TCP_NOTSENT_LOWAT of all") },
    { .name = "net.ipv4.tcp_mem",
      .kind = SYSCTL_VECTOR,
      .low = SYSCTL_NO_FIELD,
      AT(ring_chunks),
      AT_START,
      .unit = 0,
      LINUX(0, INT64_MAX / 4096),
      WEIR(1, CHUNK_MOST),
      NOTE("pages of 4,096 octets for all that is queued, the third; there is no state of "
           "pressure before it, so the first two are not kept") },
    { NUMBER("net.core.rmem_default"), AT(udp_rcv_max), LINUX(2304, INT32_MAX),
      WEIR(2304, INT32_MAX), NOTE("octets of datagrams that wait, for each UDP socket") },
    { NUMBER("net.ipv4.ipfrag_high_thresh"), AT(frag_octets_max), AT_START, LINUX(0, INT64_MAX),
      WEIR(65536, INT64_C(1) << 30), NOTE("octets held for reassembly, of both families") },
    { NUMBER("net.ipv4.neigh.default.gc_thresh3"), AT(neigh_max), AT_START, LINUX(0, INT32_MAX),
      WEIR(1, POOL_MOST), NOTE("neighbours known at a time, of both families") },
    { NUMBER("net.ipv4.conf.all.accept_redirects"), AT(accept_redirects), ANY_INT, WEIR(0, 1),
      NOTE("ICMP redirects, of both families; weir's default is off") },
    { NUMBER("net.ipv6.conf.all.accept_redirects"), AT(accept_redirects), ANY_INT, WEIR(0, 1),
      NOTE("the same switch: ICMP redirects of both families") },

    /* ---- what weir does in one way ---- */
    { FIXED("net.ipv4.tcp_rfc1337", "1"), NOTE("a reset does not end TIME-WAIT") },
    { FIXED("net.ipv4.tcp_available_congestion_control", "cubic reno bbr dctcp"),
      NOTE("read only; BBR is version 3, as nowhere in Linux yet") },
    { FIXED("net.ipv4.tcp_ecn_fallback", "1"),
      NOTE("a SYN that asked and was lost is sent again without asking") },
    { NUMBER("net.ipv4.tcp_fastopen"), AT(fastopen), LINUX(0, INT32_MAX), WEIR(0, INT32_MAX),
      NOTE("bits: 1 client, 2 server, 4 text without cookie, 0x200 taken without, 0x400 all "
           "listeners (RFC 7413)") },
    { SECONDS("net.ipv4.tcp_fastopen_blackhole_timeout_sec"), AT(fastopen_blackhole),
      LINUX(0, INT32_MAX), WEIR(0, LONGEST),
      NOTE("seconds without Fast Open to a destination, after two SYNs in a row with data that "
           "were lost; default 3600, Linux's is 0, and then for all destinations; 0: never") },
    { FIXED("net.ipv4.tcp_dsack", "1"), NOTE("duplicates are reported where SACK is (RFC 2883)") },
    { FIXED("net.ipv4.tcp_reordering", "3"),
      NOTE("DupThresh of RFC 5681, 6675 and 8985; how late a segment may be is learnt as time") },
    { FIXED("net.ipv4.tcp_moderate_rcvbuf", "1"), NOTE("windows grow as they are used") },
    { FIXED("net.ipv4.tcp_autocorking", "0"),
      NOTE("only Nagle's rule and TCP_CORK hold octets back") },
    { NUMBER("net.ipv4.tcp_mtu_probing"), AT(mtu_probing), LINUX(0, 2), WEIR(0, 2),
      NOTE("default 1, Linux's is 0; 1 and 2: after timeouts for 3 s a connection tries "
           "tcp_base_mss octets, then half, and half again, and probes find what passes; 2: all "
           "connections begin with tcp_base_mss and probe upwards") },
    { NUMBER("net.ipv4.tcp_base_mss"), AT(mtu_base_mss), LINUX(0, INT32_MAX), WEIR(88, 65535),
      NOTE("octets of text that are tried where longer segments vanish (tcp_mtu_probing)") },
    { NUMBER("net.ipv4.tcp_mtu_probe_floor"), AT(mtu_floor_mss), LINUX(48, 65535), WEIR(0, 65535),
      NOTE("octets of text below which black holes make no segment; none is below 88 anyway") },
    { NUMBER("net.ipv4.tcp_min_tso_segs"), AT(frame_min), LINUX(1, 255), WEIR(1, 255),
      NOTE("segments a frame may have in any case; the last one of a frame carries PSH") },
    { SECONDS("net.ipv4.tcp_probe_interval"), AT(mtu_probe_interval), LINUX(0, INT32_MAX),
      WEIR(1, LONGEST), NOTE("seconds until a path is probed again after what passes was found") },
    { FIXED("net.ipv4.tcp_probe_threshold", "8"),
      NOTE("octets: the search for the path's MTU ends when it is nearer than that") },
    { FIXED("net.ipv4.tcp_stdurg", "0"), NOTE("RFC 6093: as the BSDs and Linux do it") },
    { FIXED("net.ipv4.tcp_invalid_ratelimit", "500"),
      NOTE("milliseconds between challenge ACKs of a connection") },
    { FIXED("net.ipv4.ip_default_ttl", "64"), NOTE("a socket may choose another (IP_TTL)") },
    { FIXED("net.ipv4.ip_local_port_range", "32768 60999"), NOTE("ports a connect draws from") },
    { FIXED("net.ipv4.ip_forward", "0"), NOTE("weir is a host, not a router") },
    { FIXED("net.ipv6.conf.all.forwarding", "0"), NOTE("weir is a host, not a router") },
    { FIXED("net.ipv4.ip_no_pmtu_disc", "0"), NOTE("paths are discovered") },
    { FIXED("net.ipv4.ip_nonlocal_bind", "0"), NOTE("a local address must be weir's own") },
    { FIXED("net.ipv4.ipfrag_time", "30"), NOTE("seconds; 60 for IPv6, as RFC 8200 says") },
    { FIXED("net.ipv4.icmp_echo_ignore_all", "0"), NOTE("echo requests are answered") },
    { FIXED("net.ipv4.icmp_echo_ignore_broadcasts", "1"), NOTE("but not those to everybody") },

    /* ---- what Linux has and weir has not ---- */
    { ABSENT("net.ipv4.tcp_max_orphans"),
      NOTE("connections that nobody holds count in tcp_max, like all others") },
    { ABSENT("net.ipv4.tcp_retries1"), NOTE("weir does not look for another route on a timeout") },
    { ABSENT("net.ipv4.tcp_challenge_ack_limit"),
      NOTE("challenge ACKs are limited for each connection (tcp_invalid_ratelimit), which tells "
           "an outsider nothing") },
    { ABSENT("net.ipv4.tcp_allowed_congestion_control"), NOTE("a program may choose any of them") },
    { ABSENT("net.ipv4.tcp_fastopen_key"), NOTE("a program's affair: weir_fastopen_key") },
    { ABSENT("net.ipv4.tcp_adv_win_scale"), NOTE("weir counts octets, not the size of buffers") },
    { ABSENT("net.ipv4.tcp_app_win"), NOTE("weir counts octets, not the size of buffers") },
    { ABSENT("net.ipv4.tcp_retrans_collapse"), NOTE("it worked around printers of the nineties") },
    { ABSENT("net.ipv4.tcp_tso_win_divisor"), NOTE("not built") },
    { ABSENT("net.ipv4.tcp_limit_output_bytes"),
      NOTE("nothing is queued below weir that it would have to limit") },
    { ABSENT("net.ipv4.tcp_workaround_signed_windows"), NOTE("not built") },
    { FIXED("net.ipv4.ip_unprivileged_port_start", "1024"),
      NOTE("in a private weird every port is free for all") },
    { ABSENT("net.ipv4.ip_local_reserved_ports"), NOTE("not built") },
    { ABSENT("net.ipv4.icmp_ratelimit"), NOTE("ICMP errors are limited by numbers of weir's own") },
    { ABSENT("net.core.rmem_max"), NOTE("SO_RCVBUF of a connection is bounded by tcp_rmem") },
    { ABSENT("net.core.wmem_max"), NOTE("SO_SNDBUF of a connection is bounded by tcp_wmem") },
    { ABSENT("net.core.wmem_default"), NOTE("see tcp_wmem") },
    { ABSENT("net.core.netdev_max_backlog"), NOTE("weir reads its device itself") },
    { ABSENT("net.core.default_qdisc"), NOTE("weir queues nothing below TCP") },
    { ABSENT("net.netfilter.nf_conntrack_max"), NOTE("weir tracks no connections of others") },

    /* ---- what Linux had ---- */
    { REMOVED("net.ipv4.tcp_tw_recycle"),
      NOTE("removed in Linux 4.12: it dropped SYNs of clients behind one NAT, and could not work "
           "with timestamps of random offset. Nothing replaces it; TIME-WAIT on a server costs "
           "64 octets") },
    { REMOVED("net.ipv4.tcp_fack"),
      NOTE("without effect since Linux 4.15, when RACK took its place") },
    { REMOVED("net.ipv4.tcp_low_latency"), NOTE("without effect since Linux 4.14") },
    { REMOVED("net.ipv4.tcp_abc"), NOTE("removed in Linux 3.9; octets are always counted") },
    { REMOVED("net.ipv4.tcp_frto_response"), NOTE("removed in Linux 3.10") },
    { REMOVED("net.ipv4.tcp_cookie_size"), NOTE("removed in Linux 3.10 with TCPCT") },
    { REMOVED("net.ipv4.tcp_max_ssthresh"), NOTE("removed in Linux 3.10") },
    { REMOVED("net.ipv4.tcp_dma_copybreak"), NOTE("removed with the copying by I/OAT") },
    { REMOVED("net.ipv4.tcp_bic"), NOTE("since Linux 2.6.13 tcp_congestion_control chooses") },
    { REMOVED("net.ipv4.tcp_bic_low_window"), NOTE("since Linux 2.6.13 a parameter of tcp_bic") },
    { REMOVED("net.ipv4.tcp_bic_fast_convergence"),
      NOTE("since Linux 2.6.13 a parameter of tcp_bic") },
    { REMOVED("net.ipv4.tcp_vegas_cong_avoid"),
      NOTE("since Linux 2.6.13 tcp_congestion_control chooses") },
    { REMOVED("net.ipv4.tcp_westwood"), NOTE("since Linux 2.6.13 tcp_congestion_control chooses") },
};

unsigned sysctl_count(void)
{
    return sizeof table / sizeof table[0];
}

const struct sysctl *sysctl_at(unsigned i)
{
    return &table[i];
}
