/* SPDX-License-Identifier: MIT */
#ifndef WEIR_WIRE_TCP_H
#define WEIR_WIRE_TCP_H

/* TCP segments on the wire (RFC 9293, 3.1 and 3.2; RFC 2018, RFC 7323): octets in, checked values
 * in host order out, and back.
 *
 * What parse accepts, emit reproduces. Checksums are the caller's: they need the pseudo header. */

#include "base/seq.h"
#include "wire/error.h"

#include <stddef.h>

enum tcp_flag {
    TCP_FIN = 0x001,
    TCP_SYN = 0x002,
    TCP_RST = 0x004,
    TCP_PSH = 0x008,
    TCP_ACK = 0x010,
    TCP_URG = 0x020,
    TCP_ECE = 0x040,
    TCP_CWR = 0x080,
    TCP_AE = 0x100, /* RFC 9768; the only reserved bit that has a meaning */
};

/* The two bits of the IP header (RFC 3168, 5). */
enum ip_ecn {
    ECN_NOT_ECT = 0,
    ECN_ECT1 = 1,
    ECN_ECT0 = 2,
    ECN_CE = 3,
};

#define TCP_HEAD_MIN   20
#define TCP_HEAD_MAX   60
#define TCP_SACK_MAX   4
#define TCP_DIGEST     16 /* octets of an MD5 signature */
#define TCP_AUTH_LEN   20 /* what it takes of the options, NOPs and all */
#define TCP_COOKIE_MIN 4  /* octets of a Fast Open cookie */
#define TCP_COOKIE_MAX 16
#define TCP_AO_LEN     16 /* TCP-AO with the MACs of RFC 5926 */
#define TCP_AO_MAC     12 /* octets of such a MAC */
#define TCP_ACC_COUNT  3  /* byte counters of accurate ECN */
#define TCP_UTO_LEN    4

struct tcp_seg {
    uint16_t sport, dport;
    seq32 seq, ack;
    uint16_t flags;      /* enum tcp_flag; the three reserved bits are not kept */
    uint16_t wnd;        /* as in the header, not scaled */
    uint16_t urg;        /* urgent pointer */
    uint16_t gso_size;   /* segments of this size were merged; 0: one segment */
    uint8_t ecn;         /* enum ip_ecn: not parsed here but of the packet it came in */
    bool landed;         /* not parsed here: the text lies in the receive ring, at its place */
    const uint8_t *text; /* points into the frame; not to be read if it has landed */
    uint32_t len;        /* octets of text; SYN and FIN are not counted (tcp_seg_len counts them) */
};

enum tcp_opt {
    TCP_OPT_MSS = 1 << 0,
    TCP_OPT_WSCALE = 1 << 1,
    TCP_OPT_SACK_OK = 1 << 2,
    TCP_OPT_TS = 1 << 3,
    TCP_OPT_SACK = 1 << 4,
    TCP_OPT_FASTOPEN = 1 << 5, /* RFC 7413 */
    TCP_OPT_AUTH = 1 << 6,     /* RFC 2385 */
    TCP_OPT_AO = 1 << 7,       /* RFC 5925, with a MAC of 96 bits */
    TCP_OPT_UTO = 1 << 8,      /* RFC 5482 */
    TCP_OPT_ACC = 1 << 9,      /* RFC 9768 */
};

struct tcp_sack_block {
    seq32 left, right; /* as received: nothing is checked but the option's length */
};

struct tcp_opts {
    uint16_t present; /* enum tcp_opt */
    uint8_t wscale;   /* as received, also beyond 14 */
    uint16_t mss;
    uint32_t tsval, tsecr;
    uint8_t sack_count;
    uint8_t cookie_len; /* of Fast Open: 0 asks for a cookie; else even, 4..16 */
    bool cookie_exp;    /* ... in the experimental option that was there first (RFC 6994) */
    uint8_t cookie[TCP_COOKIE_MAX];
    uint8_t digest[TCP_DIGEST];  /* what is sent is signed afterwards: wire_tcp_digest */
    uint8_t ao_key, ao_next;     /* of TCP-AO: KeyID, RNextKeyID, */
    uint8_t mac[TCP_AO_MAC];     /* and the MAC */
    uint8_t acc_count;           /* counters in the option, the first so many of its order */
    bool acc_one;                /* its order: CE in the middle, ECT(1) first and not ECT(0) */
    uint16_t uto;                /* granularity and user timeout, as on the wire */
    uint32_t acc[TCP_ACC_COUNT]; /* 24 bits each: ECT(0), CE, ECT(1), whatever their order */
    struct tcp_sack_block sack[TCP_SACK_MAX];
};

/* SEG.LEN of RFC 9293: text, SYN and FIN. */
static inline uint32_t tcp_seg_len(const struct tcp_seg *seg)
{
    return seg->len + ((seg->flags & TCP_SYN) ? 1u : 0u) + ((seg->flags & TCP_FIN) ? 1u : 0u);
}

/* Reads a segment of `len` octets. WIRE_SHORT: less than 20 octets or than the data offset says;
 * WIRE_BAD: data offset below 5. Options that make no sense end the option list, not the segment
 * (MUST-7): what was read before them counts, as in Linux. A known option with a wrong length is
 * skipped by its length. Of an option given twice the last counts. `gso_size` and `landed` are set
 * to 0. */
enum wire_error wire_tcp_parse(const uint8_t *p, size_t len, struct tcp_seg *seg,
                               struct tcp_opts *opts);

/* Header octets (20..60, a multiple of 4) that these options take. */
size_t wire_tcp_head_len(const struct tcp_opts *opts);

/* Writes header and options (not the text) with a zero checksum; returns the header's octets, or 0
 * if `room` is too small. Options are laid out as Linux does: MSS, SACK-permitted+TS or NOP NOP TS,
 * NOP WSCALE, NOP NOP SACK; without the NOPs where that is over 40 octets; padded with NOPs. SACK
 * blocks that do not fit even so are left out, the last first. */
size_t wire_tcp_emit(uint8_t *p, size_t room, const struct tcp_seg *seg,
                     const struct tcp_opts *opts);

/* Where the signature of a header with TCP_OPT_AUTH or TCP_OPT_AO goes, as emit has written it: in
 * the first option. */
uint8_t *wire_tcp_digest(uint8_t *head);

/* Where TCP-AO stands in a header of `len` octets, whole; NULL: nowhere. */
uint8_t *wire_tcp_ao(uint8_t *head, size_t len);

#define TCP_CSUM_OFF 16 /* where the checksum lies in the header */

#endif
