/* SPDX-License-Identifier: MIT */
#ifndef SIM_PACKET_H
#define SIM_PACKET_H

/* The simulator's own reading of a frame, strict and written apart from src/wire.
 *
 * It is the oracle for what an instance emits, and what the links need to cut, merge, corrupt and
 * refuse frames as devices and routers do. Where src/wire must be liberal, this one accepts nothing
 * odd: reserved bits, padding and unused fields must be zero, lengths exact. All values in host
 * order. */

#include "weir/base.h"

#define SIM_SACKS 4

enum sim_tcp_flag {
    SIM_FIN = 1,
    SIM_SYN = 2,
    SIM_RST = 4,
    SIM_PSH = 8,
    SIM_ACK = 16,
    SIM_URG = 32,
    SIM_ECE = 64,
    SIM_CWR = 128
};
enum sim_proto {
    SIM_ICMP4 = 1,
    SIM_IGMP = 2,
    SIM_TCP = 6,
    SIM_UDP = 17,
    SIM_ICMP6 = 58
};

struct sim_packet {
    bool arp, v4; /* neither: IPv6 */
    struct weir_ip src, dst;
    unsigned ip_off, ip_len; /* of the whole packet, from the IP header on */
    unsigned l4_off, l4_len;
    uint8_t proto;
    bool df, fragment;
    unsigned frag_off;     /* octets */
    uint16_t sport, dport; /* TCP, UDP; not in later fragments */
    uint32_t seq, ack;
    uint8_t flags;
    bool accurate; /* RFC 9768's flag, which is in the octet before */
    uint8_t ecn;   /* of the IP header */
    uint16_t window, urgent;
    unsigned data_off, data_len; /* payload of TCP or UDP */
    bool has_mss, has_wscale, has_ts, sack_ok;
    uint16_t mss;
    uint8_t wscale;
    uint32_t tsval, tsecr;
    unsigned sack_count;
    uint32_t sack[SIM_SACKS][2];
    uint8_t icmp_type, icmp_code;
};

/* Reads a frame. Returns NULL, or what is wrong with it, for a person. Transport sums are not
 * looked at. */
const char *sim_packet_parse(struct sim_packet *packet, const uint8_t *data, size_t len,
                             bool ethernet);

/* Whether the transport sum is right; true also where there is none (ARP, later and first
 * fragments). */
bool sim_packet_sum_ok(const struct sim_packet *packet, const uint8_t *data);

/* Puts the right IPv4 header and transport sums into the frame. */
void sim_packet_fix_sums(const struct sim_packet *packet, uint8_t *data);

/* A router marks the packet instead of dropping it (RFC 3168). False, nothing changed, if its
 * sender does not take marks. */
bool sim_packet_mark(const struct sim_packet *packet, uint8_t *data);

/* Computes the sum from csum_start to the end and puts it where a device would. */
void sim_packet_complete(uint8_t *data, size_t len, unsigned csum_start, unsigned csum_offset);

/* Cuts piece number `piece` of `gso_size` octets out of a TCP frame into `out` (as large as the
 * frame), sums included. Returns its length, or 0 beyond the last. */
size_t sim_packet_cut(const struct sim_packet *packet, const uint8_t *data, unsigned gso_size,
                      unsigned piece, uint8_t *out);

/* Appends the payload of `next` to `data`, as receive offload does, if it continues it; `*len`
 * grows. `room` is what `data` can hold. Returns false, nothing changed, if the two do not belong
 * together. */
bool sim_packet_merge(uint8_t *data, size_t *len, size_t room, const uint8_t *next, size_t next_len,
                      bool ethernet);

/* Makes a bare segment of a TCP frame with other numbers and flags, as somebody would who sees or
 * guesses the ports; `out` is as large as the frame. Returns its length. */
struct sim_forgery {
    uint32_t seq, ack;
    uint8_t flags;
};
size_t sim_packet_forge(const struct sim_packet *packet, const uint8_t *data,
                        const struct sim_forgery *forgery, uint8_t *out);

/* Writes the message a router sends about a packet that is too big for the next link; `out` holds
 * 1,300 octets. Returns its length, or 0 if no message is due (a fragmentable packet, an ICMP
 * error, a later fragment). */
size_t sim_packet_too_big(const struct sim_packet *packet, const uint8_t *data, uint16_t mtu,
                          bool ethernet, uint8_t *out);

#endif
