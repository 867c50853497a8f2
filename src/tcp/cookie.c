/* SPDX-License-Identifier: MIT */
/* SYN cookies (RFC 4987, 3.6): when the SYN queue is full, all that is needed to know the peer
 * again goes into our sequence number.
 *
 * The ISS is  hash(tuple) + SEG.SEQ + (minute << 24) + ((hash(tuple, minute) + index) mod 2^24), as
 * Linux makes it: the index names an MSS of the table. A guess is right with probability 2 / 256 x
 * 4 / 2^24 = 2^-29. */
#include "tcp/small.h"
#include "tcp/tcp.h"

#include <string.h>

#define COOKIE_PERIOD  (WEIR_SECOND * 60)
#define COOKIE_PERIODS 2 /* how old it may be */
#define COOKIE_LOW     UINT32_C(0xffffff)
#define COOKIE_TS_MASK UINT32_C(63)

static const uint16_t cookie_mss[] = { 536, 1220, 1440, 1460 };
#define COOKIE_MSS_COUNT (sizeof cookie_mss / sizeof cookie_mss[0])

/* `irs` is in the hash, not only in the sum: else a segment that begins one to three octets late,
 * because the first ones were lost, would pass as the handshake's ACK with another MSS, and those
 * octets would be missing from the stream. */
static uint32_t cookie_hash(const struct tcp_host *host, const void *tuple, seq32 irs,
                            uint32_t count)
{
    uint8_t data[TCP_TUPLE_LEN + 8];
    memcpy(data, tuple, TCP_TUPLE_LEN);
    for (unsigned i = 0; i < 4; i++) {
        data[TCP_TUPLE_LEN + i] = (uint8_t)(count >> (8 * i));
        data[TCP_TUPLE_LEN + 4 + i] = (uint8_t)(irs >> (8 * i));
    }
    return (uint32_t)siphash24(&host->cookie_key, data, sizeof data);
}

static uint32_t cookie_minute(weir_time now)
{
    return (uint32_t)(now / COOKIE_PERIOD) + 1; /* 0 is the hash without a minute */
}

seq32 tcp_cookie_make(const struct tcp_host *host, const void *tuple, const struct tcp_seg *syn,
                      const struct tcp_opts *opts, bool v6, weir_time now)
{
    const uint16_t mss = (opts->present & TCP_OPT_MSS) && opts->mss != 0 ? opts->mss
                         : v6                                            ? 1220
                                                                         : TCP_MSS_DEFAULT;
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

void tcp_cookie_answer(const struct tcp_birth *birth, const struct tcp_seg *syn,
                       const struct tcp_opts *opts, weir_time now, struct tcp_reply *reply)
{
    const struct tcp_host *host = birth->host;
    struct synq_entry entry = { .lport = syn->dport, .rport = syn->sport };
    tcp_synq_open(&entry, birth, syn, opts, now);
    entry.flags &= (uint8_t) ~(SYNQ_ECN | SYNQ_ACCECN); /* a cookie has no room for it */
    if (!(entry.flags & SYNQ_TS))
        entry.flags = 0; /* nothing will remember what was agreed: MSS alone */
    tcp_synq_answer(&entry, host, birth->ts_offset, 0, now, reply);
    if (!(entry.flags & SYNQ_TS))
        return;
    const uint32_t ms = tcp_ms(host, now);
    uint32_t stamp = (ms & ~COOKIE_TS_MASK) | cookie_ts_bits(host, opts);
    if (seq_gt(stamp, ms)) /* never ahead of the clock */
        stamp -= COOKIE_TS_MASK + 1;
    reply->opts.tsval = stamp + birth->ts_offset;
}

static bool cookie_read(const struct tcp_host *host, const void *tuple, seq32 cookie,
                        seq32 peer_seq, weir_time now, uint32_t *index)
{
    const uint32_t rest = cookie - cookie_hash(host, tuple, 0, 0) - peer_seq;
    const uint32_t minute = cookie_minute(now);
    const uint32_t age = (minute - (rest >> 24)) & 0xff;
    if (age >= COOKIE_PERIODS)
        return false;
    *index = (rest - cookie_hash(host, tuple, peer_seq, minute - age)) & COOKIE_LOW;
    return *index < COOKIE_MSS_COUNT;
}

bool tcp_cookie_check(const struct tcp_birth *birth, const void *tuple, const struct tcp_seg *ack,
                      const struct tcp_opts *opts, weir_time now, struct synq_entry *entry)
{
    uint32_t index;
    if (!cookie_read(birth->host, tuple, ack->ack - 1, ack->seq - 1, now, &index))
        return false;
    struct tcp_opts then = { .present = TCP_OPT_MSS, .mss = cookie_mss[index] };
    if (birth->host->config->timestamps && (opts->present & TCP_OPT_TS)) {
        const uint32_t bits = (opts->tsecr - birth->ts_offset) & COOKIE_TS_MASK;
        then.present |= TCP_OPT_TS;
        then.tsval = opts->tsval;
        if ((bits & 15) != 15)
            then.present |= TCP_OPT_WSCALE;
        then.wscale = bits & 15;
        if (bits & 16)
            then.present |= TCP_OPT_SACK_OK;
    }
    const struct tcp_seg syn = { .sport = ack->sport,
                                 .dport = ack->dport,
                                 .seq = ack->seq - 1,
                                 .wnd = ack->wnd,
                                 .flags = TCP_SYN };
    struct tcp_birth then_birth = *birth;
    then_birth.iss = ack->ack - 1;
    tcp_synq_open(entry, &then_birth, &syn, &then, now);
    entry->flags |= SYNQ_COOKIE | SYNQ_RTX; /* when the SYN-ACK left is not known */
    return true;
}
