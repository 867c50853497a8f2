/* SPDX-License-Identifier: MIT */
/* Numbers that nobody outside may guess: initial sequence numbers (RFC 6528), timestamp offsets (RFC 7323, 7.1), SYN cookies (RFC 4987, 3.6);
 * and the clock that timestamps show. */
#include "tcp/tcp.h"

#include <string.h>

#define TUPLE_LEN 40

uint32_t tcp_ms(const struct tcp_host *host, weir_time now)
{
    return (uint32_t)((now - host->epoch) / WEIR_MS);
}

/* RFC 9293 MUST-8, MUST-9, SHLD-1: a clock of 4 us plus a keyed hash of the tuple. */
seq32 tcp_isn(const struct tcp_host *host, const void *tuple, weir_time now)
{
    const uint32_t clock = (uint32_t)(now / (4 * WEIR_US));
    return clock + (uint32_t)siphash24(&host->isn_key, tuple, TUPLE_LEN);
}

uint32_t tcp_ts_offset(const struct tcp_host *host, const void *tuple)
{
    return (uint32_t)siphash24(&host->ts_key, tuple, TUPLE_LEN);
}

bool tcp_reset_reply(const struct tcp_seg *to, struct tcp_seg *reset)
{
    if (to->flags & TCP_RST)
        return false;
    *reset = (struct tcp_seg){.sport = to->dport, .dport = to->sport};
    if (to->flags & TCP_ACK) {
        reset->flags = TCP_RST;
        reset->seq = to->ack;
    } else {
        reset->flags = TCP_RST | TCP_ACK;
        reset->ack = to->seq + tcp_seg_len(to);
    }
    return true;
}

/* ---- Cookies ----
 *
 * The ISS is  hash(tuple) + SEG.SEQ + (minute << 24) + ((hash(tuple, minute) + index) mod 2^24),  as Linux makes it: the index names an MSS of the
 * table. A guess is right with probability 2 / 256 x 4 / 2^24 = 2^-29. */

#define COOKIE_PERIOD (WEIR_SECOND * 60)
#define COOKIE_PERIODS 2 /* how old it may be */
#define COOKIE_LOW UINT32_C(0xffffff)
#define COOKIE_TS_BITS 6

static const uint16_t cookie_mss[] = {536, 1220, 1440, 1460};
#define COOKIE_MSS_COUNT (sizeof cookie_mss / sizeof cookie_mss[0])

/* `irs` is in the hash, not only in the sum: else a segment that begins one to three octets late, because the first ones
 * were lost, would pass as the handshake's ACK with another MSS, and those octets would be missing from the stream. */
static uint32_t cookie_hash(const struct tcp_host *host, const void *tuple, seq32 irs, uint32_t count)
{
    uint8_t data[TUPLE_LEN + 8];
    memcpy(data, tuple, TUPLE_LEN);
    for (unsigned i = 0; i < 4; i++) {
        data[TUPLE_LEN + i] = (uint8_t)(count >> (8 * i));
        data[TUPLE_LEN + 4 + i] = (uint8_t)(irs >> (8 * i));
    }
    return (uint32_t)siphash24(&host->cookie_key, data, sizeof data);
}

static uint32_t cookie_minute(weir_time now)
{
    return (uint32_t)(now / COOKIE_PERIOD) + 1; /* 0 is the hash without a minute */
}

seq32 tcp_cookie_make(const struct tcp_host *host, const void *tuple, const struct tcp_seg *syn, const struct tcp_opts *opts,
                      bool v6, weir_time now)
{
    const uint16_t mss = (opts->present & TCP_OPT_MSS) && opts->mss != 0 ? opts->mss : v6 ? 1220 : 536;
    uint32_t index = 0;
    while (index + 1 < COOKIE_MSS_COUNT && cookie_mss[index + 1] <= mss)
        index++;
    const uint32_t minute = cookie_minute(now);
    const uint32_t low = cookie_hash(host, tuple, syn->seq, minute) + index;
    return cookie_hash(host, tuple, 0, 0) + syn->seq + (minute << 24) + (low & COOKIE_LOW);
}

/* What the low bits of TSval remember: scale (15: none) and SACK, as in Linux. */
static uint32_t cookie_ts_bits(const struct tcp_host *host, const struct tcp_opts *opts)
{
    const struct weir_config *config = host->config;
    uint32_t bits = 15;
    if (config->wscale && (opts->present & TCP_OPT_WSCALE))
        bits = opts->wscale > 14 ? 14 : opts->wscale;
    if (config->sack && (opts->present & TCP_OPT_SACK_OK))
        bits |= 16;
    return bits;
}

void tcp_cookie_answer(const struct tcp_host *host, const struct tcp_seg *syn, const struct tcp_opts *opts, seq32 cookie,
                       uint32_t ts_offset, uint16_t path_mss, weir_time now, struct tcp_seg *seg, struct tcp_opts *reply)
{
    struct synq_entry entry = {.lport = syn->dport, .rport = syn->sport};
    tcp_synq_open(&entry, host, syn, opts, cookie, path_mss, false, now);
    if (!(entry.flags & SYNQ_TS))
        entry.flags = 0; /* nothing will remember what was agreed: MSS alone */
    tcp_synq_answer(&entry, host, ts_offset, 0, now, seg, reply);
    if (!(entry.flags & SYNQ_TS))
        return;
    const uint32_t ms = tcp_ms(host, now);
    uint32_t stamp = (ms & ~UINT32_C(63)) | cookie_ts_bits(host, opts);
    if (seq_gt(stamp, ms)) /* never ahead of the clock */
        stamp -= UINT32_C(1) << COOKIE_TS_BITS;
    reply->tsval = stamp + ts_offset;
}

static bool cookie_read(const struct tcp_host *host, const void *tuple, seq32 cookie, seq32 peer_seq, weir_time now, uint32_t *index)
{
    const uint32_t rest = cookie - cookie_hash(host, tuple, 0, 0) - peer_seq;
    const uint32_t minute = cookie_minute(now);
    const uint32_t age = (minute - (rest >> 24)) & 0xff;
    if (age >= COOKIE_PERIODS)
        return false;
    *index = (rest - cookie_hash(host, tuple, peer_seq, minute - age)) & COOKIE_LOW;
    return *index < COOKIE_MSS_COUNT;
}

bool tcp_cookie_check(const struct tcp_host *host, const void *tuple, const struct tcp_seg *ack, const struct tcp_opts *opts,
                      uint16_t path_mss, uint32_t ts_offset, weir_time now, struct synq_entry *entry)
{
    uint32_t index;
    if (!cookie_read(host, tuple, ack->ack - 1, ack->seq - 1, now, &index))
        return false;
    struct tcp_opts then = {.present = TCP_OPT_MSS, .mss = cookie_mss[index]};
    if (host->config->timestamps && (opts->present & TCP_OPT_TS)) {
        const uint32_t bits = (opts->tsecr - ts_offset) & 63;
        then.present |= TCP_OPT_TS;
        then.tsval = opts->tsval;
        if ((bits & 15) != 15)
            then.present |= TCP_OPT_WSCALE;
        then.wscale = bits & 15;
        if (bits & 16)
            then.present |= TCP_OPT_SACK_OK;
    }
    const struct tcp_seg syn = {.sport = ack->sport, .dport = ack->dport, .seq = ack->seq - 1, .wnd = ack->wnd, .flags = TCP_SYN};
    tcp_synq_open(entry, host, &syn, &then, ack->ack - 1, path_mss, false, now);
    entry->flags |= SYNQ_COOKIE | SYNQ_RTX; /* when the SYN-ACK left is not known */
    return true;
}
