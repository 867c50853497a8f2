/* SPDX-License-Identifier: MIT */
#include "wire/tcp.h"

#include "wire/cursor.h"

/* The fixed header is read as a block whose length has been checked once, since most segments are
 * 20 octets, or 32 with timestamps laid out as RFC 7323, appendix A, recommends. Only what is
 * neither goes through the loop over options. */

#define OPTIONS_MAX (TCP_HEAD_MAX - TCP_HEAD_MIN)

enum {
    KIND_END = 0,
    KIND_NOP = 1,
    KIND_MSS = 2,
    KIND_WSCALE = 3,
    KIND_SACK_OK = 4,
    KIND_SACK = 5,
    KIND_TS = 8,
    KIND_MD5 = 19,
    KIND_UTO = 28,
    KIND_AO = 29,
    KIND_FASTOPEN = 34,
    KIND_ACC0 = 172,
    KIND_ACC1 = 174,
    KIND_EXP = 254, /* RFC 6994: what it is the two octets after the length say */
};

enum {
    LEN_MSS = 4,
    LEN_WSCALE = 3,
    LEN_SACK_OK = 2,
    LEN_TS = 10,
    LEN_BLOCK = 8,
    LEN_COUNTER = 3
};

#define EXP_FASTOPEN   0xf989 /* RFC 7413, 4.1.1: what Fast Open was before it had a kind */
#define TS_ALIGNED     ((uint32_t)KIND_NOP << 24 | KIND_NOP << 16 | KIND_TS << 8 | LEN_TS)
#define TS_ALIGNED_LEN 12 /* NOP NOP TS */

/* Which counter stands at place `i` of the option: the first is ECT(0)'s, or ECT(1)'s. */
static unsigned counter_at(bool one, unsigned i)
{
    return one ? TCP_ACC_COUNT - 1 - i : i;
}

/* RFC 9768, 3.2.3: of three counters the last ones may be left out. */
static void read_counters(const uint8_t *p, size_t len, struct tcp_opts *opts)
{
    if (len > 2 + TCP_ACC_COUNT * LEN_COUNTER || len % LEN_COUNTER != 2)
        return;
    opts->present |= TCP_OPT_ACC;
    opts->acc_one = p[0] == KIND_ACC1;
    opts->acc_count = (uint8_t)(len / LEN_COUNTER);
    memset(opts->acc, 0, sizeof opts->acc);
    for (unsigned i = 0; i < opts->acc_count; i++)
        opts->acc[counter_at(opts->acc_one, i)] =
            (uint32_t)p[2 + i * LEN_COUNTER] << 16 | get_u16(p + 3 + i * LEN_COUNTER);
}

/* RFC 2385, and TCP-AO: one whose MAC has another length is none that anybody here could check. */
static void read_signature(const uint8_t *p, size_t len, struct tcp_opts *opts)
{
    if (p[0] == KIND_MD5 && len == 2 + TCP_DIGEST) {
        opts->present |= TCP_OPT_AUTH;
        memcpy(opts->digest, p + 2, TCP_DIGEST);
    } else if (p[0] == KIND_AO && len == TCP_AO_LEN) {
        opts->present |= TCP_OPT_AO;
        opts->ao_key = p[2];
        opts->ao_next = p[3];
        memcpy(opts->mac, p + 4, TCP_AO_MAC);
    }
}

/* RFC 7413, 4.1.1, and what came before it: `cookie` has `len` octets. One of another length is
 * none, and leaves nothing of what stood before it. */
static void read_cookie(const uint8_t *cookie, size_t len, bool experimental, struct tcp_opts *opts)
{
    if (len % 2 != 0)
        return;
    opts->present &= (uint16_t)~TCP_OPT_FASTOPEN;
    opts->cookie_len = 0;
    opts->cookie_exp = false;
    memset(opts->cookie, 0, sizeof opts->cookie);
    if (len > TCP_COOKIE_MAX || (len > 0 && len < TCP_COOKIE_MIN))
        return;
    opts->present |= TCP_OPT_FASTOPEN;
    opts->cookie_exp = experimental;
    opts->cookie_len = (uint8_t)len;
    memcpy(opts->cookie, cookie, len);
}

/* One option of `len` octets. A length that its kind does not have makes it an option we do not
 * know. */
static void read_option(const uint8_t *p, size_t len, struct tcp_opts *opts)
{
    switch (p[0]) {
    case KIND_MSS:
        if (len != LEN_MSS)
            return;
        opts->present |= TCP_OPT_MSS;
        opts->mss = get_u16(p + 2);
        return;
    case KIND_WSCALE:
        if (len != LEN_WSCALE)
            return;
        opts->present |= TCP_OPT_WSCALE;
        opts->wscale = p[2];
        return;
    case KIND_SACK_OK:
        if (len == LEN_SACK_OK)
            opts->present |= TCP_OPT_SACK_OK;
        return;
    case KIND_TS:
        if (len != LEN_TS)
            return;
        opts->present |= TCP_OPT_TS;
        opts->tsval = get_u32(p + 2);
        opts->tsecr = get_u32(p + 6);
        return;
    case KIND_SACK: /* at most four blocks, since there are at most 40 octets */
        if (len < 2 + LEN_BLOCK || len % LEN_BLOCK != 2)
            return;
        opts->present |= TCP_OPT_SACK;
        memset(opts->sack, 0, sizeof opts->sack);
        opts->sack_count = (uint8_t)(len / LEN_BLOCK);
        for (size_t i = 0; i < opts->sack_count; i++) {
            opts->sack[i].left = get_u32(p + 2 + i * LEN_BLOCK);
            opts->sack[i].right = get_u32(p + 6 + i * LEN_BLOCK);
        }
        return;
    case KIND_MD5:
    case KIND_AO:
        read_signature(p, len, opts);
        return;
    case KIND_UTO:
        if (len != TCP_UTO_LEN)
            return;
        opts->present |= TCP_OPT_UTO;
        opts->uto = get_u16(p + 2);
        return;
    case KIND_ACC0:
    case KIND_ACC1:
        read_counters(p, len, opts);
        return;
    case KIND_FASTOPEN:
        read_cookie(p + 2, len - 2, false, opts);
        return;
    case KIND_EXP:
        if (len >= 4 && get_u16(p + 2) == EXP_FASTOPEN)
            read_cookie(p + 4, len - 4, true, opts);
        return;
    default: /* RFC 9293, MUST-6 */
        return;
    }
}

static void read_options(const uint8_t *p, size_t len, struct tcp_opts *opts)
{
    for (size_t at = 0; at < len && p[at] != KIND_END;) {
        if (p[at] == KIND_NOP) {
            at++;
            continue;
        }
        /* RFC 9293, MUST-7: a kind without a length, or a length that cannot be, ends the list. */
        if (len - at < 2 || p[at + 1] < 2 || p[at + 1] > len - at)
            return;
        read_option(p + at, p[at + 1], opts);
        at += p[at + 1];
    }
}

enum wire_error wire_tcp_parse(const uint8_t *p, size_t len, struct tcp_seg *seg,
                               struct tcp_opts *opts)
{
    if (len < TCP_HEAD_MIN)
        return WIRE_SHORT;
    const size_t head_len = (size_t)(p[12] >> 4) * 4;
    if (head_len < TCP_HEAD_MIN)
        return WIRE_BAD;
    if (head_len > len)
        return WIRE_SHORT;

    seg->sport = get_u16(p);
    seg->dport = get_u16(p + 2);
    seg->seq = get_u32(p + 4);
    seg->ack = get_u32(p + 8);
    seg->flags = get_u16(p + 12) & 0x1ff;
    seg->wnd = get_u16(p + 14);
    seg->urg = get_u16(p + 18);
    seg->gso_size = 0;
    seg->landed = false;
    seg->ecn = ECN_NOT_ECT;
    seg->text = p + head_len;
    seg->len = (uint32_t)(len - head_len);

    *opts = (struct tcp_opts){ 0 };
    const uint8_t *options = p + TCP_HEAD_MIN;
    if (head_len == TCP_HEAD_MIN + TS_ALIGNED_LEN && get_u32(options) == TS_ALIGNED) {
        opts->present = TCP_OPT_TS;
        opts->tsval = get_u32(options + 4);
        opts->tsecr = get_u32(options + 8);
    } else if (head_len > TCP_HEAD_MIN) {
        read_options(options, head_len - TCP_HEAD_MIN, opts);
    }
    return WIRE_OK;
}

static unsigned counters_len(const struct tcp_opts *opts)
{
    return 2u + opts->acc_count * LEN_COUNTER;
}

/* How the options are laid out: every one on a word boundary, or, if that is over 40 octets,
 * packed. Whatever came in 40 octets leaves in 40. */
struct layout {
    bool packed;
    unsigned blocks; /* of SACK that fit */
    size_t len;      /* a multiple of 4 */
};

static unsigned cookie_len(const struct tcp_opts *opts)
{
    return (opts->cookie_exp ? 4u : 2u) + opts->cookie_len;
}

static size_t options_len(const struct tcp_opts *opts, unsigned blocks, bool packed)
{
    const unsigned present = opts->present;
    const bool sack_ok_by_ts = (present & TCP_OPT_TS) && (present & TCP_OPT_SACK_OK);
    size_t len = present & TCP_OPT_AUTH ? (packed ? 2u + TCP_DIGEST : TCP_AUTH_LEN) : 0;
    if (present & TCP_OPT_MSS)
        len += LEN_MSS;
    if (present & TCP_OPT_TS)
        len += packed ? LEN_TS : TS_ALIGNED_LEN; /* SACK-permitted takes the place of the NOPs */
    if ((present & TCP_OPT_SACK_OK) && (packed || !sack_ok_by_ts))
        len += packed ? LEN_SACK_OK : 4;
    if (present & TCP_OPT_WSCALE)
        len += packed ? LEN_WSCALE : 4;
    if (present & TCP_OPT_FASTOPEN)
        len += packed ? cookie_len(opts) : (cookie_len(opts) + 3u) & ~(size_t)3;
    if (present & TCP_OPT_AO)
        len += TCP_AO_LEN;
    if (present & TCP_OPT_UTO)
        len += TCP_UTO_LEN;
    if (present & TCP_OPT_ACC)
        len += packed ? counters_len(opts) : (counters_len(opts) + 3u) & ~(size_t)3;
    if (blocks > 0)
        len += (packed ? 2u : 4u) + (size_t)blocks * LEN_BLOCK;
    return len;
}

static struct layout options_layout(const struct tcp_opts *opts)
{
    struct layout layout = { .blocks = (opts->present & TCP_OPT_SACK) ? opts->sack_count : 0 };
    if (layout.blocks > TCP_SACK_MAX)
        layout.blocks = TCP_SACK_MAX;
    while (layout.blocks > 0 && options_len(opts, layout.blocks, true) > OPTIONS_MAX)
        layout.blocks--;
    layout.packed = options_len(opts, layout.blocks, false) > OPTIONS_MAX;
    layout.len = (options_len(opts, layout.blocks, layout.packed) + 3) & ~(size_t)3;
    return layout;
}

size_t wire_tcp_head_len(const struct tcp_opts *opts)
{
    if (opts->present == 0)
        return TCP_HEAD_MIN;
    if (opts->present == TCP_OPT_TS)
        return TCP_HEAD_MIN + TS_ALIGNED_LEN;
    return TCP_HEAD_MIN + options_layout(opts).len;
}

static void write_nops(struct wr *w, size_t count)
{
    for (size_t i = 0; i < count; i++)
        wr_u8(w, KIND_NOP);
}

/* Kind and length, with the NOPs that align what follows unless the options are packed. */
static void write_kind(struct wr *w, unsigned nops, uint8_t kind, unsigned len)
{
    write_nops(w, nops);
    wr_u8(w, kind);
    wr_u8(w, (uint8_t)len);
}

/* What RFC 5482, 5925 and 9768 have brought. */
static void write_late(struct wr *w, const struct tcp_opts *opts, const struct layout *layout)
{
    if (opts->present & TCP_OPT_UTO) {
        write_kind(w, 0, KIND_UTO, TCP_UTO_LEN);
        wr_u16(w, opts->uto);
    }
    if (!(opts->present & TCP_OPT_ACC))
        return;
    write_kind(w, 0, opts->acc_one ? KIND_ACC1 : KIND_ACC0, counters_len(opts));
    for (unsigned i = 0; i < opts->acc_count; i++) {
        const uint32_t counter = opts->acc[counter_at(opts->acc_one, i)];
        wr_u8(w, (uint8_t)(counter >> 16));
        wr_u16(w, (uint16_t)counter);
    }
    write_nops(w, layout->packed ? 0 : -counters_len(opts) & 3);
}

static void write_options(struct wr *w, const struct tcp_opts *opts, const struct layout *layout)
{
    const unsigned two = layout->packed ? 0 : 2, one = layout->packed ? 0 : 1;
    const bool sack_ok = (opts->present & TCP_OPT_SACK_OK) != 0;
    const bool ts = (opts->present & TCP_OPT_TS) != 0;
    const size_t before = w->left;

    if (opts->present & TCP_OPT_AUTH) {
        write_kind(w, two, KIND_MD5, 2 + TCP_DIGEST);
        for (unsigned i = 0; i < TCP_DIGEST; i++)
            wr_u8(w, opts->digest[i]);
    }
    if (opts->present & TCP_OPT_AO) {
        write_kind(w, 0, KIND_AO, TCP_AO_LEN);
        wr_u8(w, opts->ao_key);
        wr_u8(w, opts->ao_next);
        for (unsigned i = 0; i < TCP_AO_MAC; i++)
            wr_u8(w, opts->mac[i]);
    }
    if (opts->present & TCP_OPT_MSS) {
        write_kind(w, 0, KIND_MSS, LEN_MSS);
        wr_u16(w, opts->mss);
    }
    if (sack_ok)
        write_kind(w, ts ? 0 : two, KIND_SACK_OK, LEN_SACK_OK);
    if (ts) {
        write_kind(w, sack_ok ? 0 : two, KIND_TS, LEN_TS);
        wr_u32(w, opts->tsval);
        wr_u32(w, opts->tsecr);
    }
    if (opts->present & TCP_OPT_WSCALE) {
        write_kind(w, one, KIND_WSCALE, LEN_WSCALE);
        wr_u8(w, opts->wscale);
    }
    if (opts->present & TCP_OPT_FASTOPEN) { /* its NOPs come after it, as Linux has them */
        write_kind(w, 0, opts->cookie_exp ? KIND_EXP : KIND_FASTOPEN, cookie_len(opts));
        if (opts->cookie_exp)
            wr_u16(w, EXP_FASTOPEN);
        for (unsigned i = 0; i < opts->cookie_len; i++)
            wr_u8(w, opts->cookie[i]);
        write_nops(w, layout->packed ? 0 : -cookie_len(opts) & 3);
    }
    if (opts->present & (TCP_OPT_UTO | TCP_OPT_ACC))
        write_late(w, opts, layout);
    if (layout->blocks > 0)
        write_kind(w, two, KIND_SACK, 2 + layout->blocks * LEN_BLOCK);
    for (unsigned i = 0; i < layout->blocks; i++) {
        wr_u32(w, opts->sack[i].left);
        wr_u32(w, opts->sack[i].right);
    }
    write_nops(w, layout->len - (before - w->left));
}

uint8_t *wire_tcp_digest(uint8_t *head)
{
    const uint8_t *option = head + TCP_HEAD_MIN;
    return head + TCP_HEAD_MIN + (option[0] == KIND_NOP || option[0] == KIND_AO ? 4 : 2);
}

uint8_t *wire_tcp_ao(uint8_t *head, size_t len)
{
    for (size_t at = TCP_HEAD_MIN; at + 1 < len && head[at] != KIND_END;) {
        const size_t option = head[at] == KIND_NOP ? 1 : head[at + 1];
        if (option == 0 || option > len - at)
            return NULL;
        if (head[at] == KIND_AO && option == TCP_AO_LEN)
            return head + at;
        at += option;
    }
    return NULL;
}

size_t wire_tcp_emit(uint8_t *p, size_t room, const struct tcp_seg *seg,
                     const struct tcp_opts *opts)
{
    struct layout layout = { 0 };
    if (opts->present != 0 && opts->present != TCP_OPT_TS)
        layout = options_layout(opts);
    const size_t head_len =
        TCP_HEAD_MIN + (opts->present == TCP_OPT_TS ? (size_t)TS_ALIGNED_LEN : layout.len);
    if (room < head_len)
        return 0;
    put_u16(p, seg->sport);
    put_u16(p + 2, seg->dport);
    put_u32(p + 4, seg->seq);
    put_u32(p + 8, seg->ack);
    put_u16(p + 12, (uint16_t)(head_len / 4 << 12 | (seg->flags & 0x1ff)));
    put_u16(p + 14, seg->wnd);
    put_u16(p + TCP_CSUM_OFF, 0);
    put_u16(p + 18, seg->urg);

    uint8_t *options = p + TCP_HEAD_MIN;
    if (opts->present == TCP_OPT_TS) {
        put_u32(options, TS_ALIGNED);
        put_u32(options + 4, opts->tsval);
        put_u32(options + 8, opts->tsecr);
    } else if (opts->present != 0) {
        struct wr w = wr_begin(options, layout.len);
        write_options(&w, opts, &layout);
    }
    return head_len;
}
