/* SPDX-License-Identifier: MIT */
#include "tcp/small.h"

#include "base/prng.h"
#include "host.h"
#include "tap.h"

#include <string.h>

/* SYN cookies: what was agreed comes back, and nothing else is believed. */

static struct host host;
static const uint8_t tuple[40] = { 192, 0, 2, 1, 192, 0, 2, 2 };
static const struct tcp_seg syn = {
    .sport = 5, .dport = 6, .seq = 0xfffffff0u, .flags = TCP_SYN, .wnd = 65535
};

static seq32 make(const struct tcp_opts *opts, weir_time now)
{
    return tcp_cookie_make(&host.tcp, tuple, &syn, opts, false, now);
}

static bool check(seq32 iss, const struct tcp_opts *opts, weir_time now, struct synq_entry *entry)
{
    const struct tcp_birth birth = { .host = &host.tcp, .path_mss = 1460 };
    const struct tcp_seg ack = {
        .sport = 5, .dport = 6, .seq = syn.seq + 1, .ack = iss + 1, .flags = TCP_ACK, .wnd = 500
    };
    memset(entry, 0, sizeof *entry);
    return tcp_cookie_check(&birth, tuple, &ack, opts, now, entry);
}

static void sizes(void)
{
    static const uint16_t rows[][2] = { { 0, 536 },     { 1, 536 },     { 536, 536 },
                                        { 1219, 536 },  { 1220, 1220 }, { 1439, 1220 },
                                        { 1440, 1440 }, { 1459, 1440 }, { 1460, 1460 },
                                        { 65535, 1460 } };
    struct synq_entry entry;
    const struct tcp_opts none = { 0 };
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct tcp_opts opts = { .present = TCP_OPT_MSS, .mss = rows[i][0] };
        const bool good = check(make(&opts, WEIR_SECOND), &none, WEIR_SECOND, &entry);
        CHECK(good && entry.peer_mss == rows[i][1] && entry.irs == syn.seq,
              "an MSS of %u comes back as %u", rows[i][0], rows[i][1]);
    }
}

static void options(void)
{
    unsigned good = 0;
    for (unsigned scale = 0; scale <= 16; scale++) {
        for (unsigned sack = 0; sack < 2; sack++) {
            struct tcp_opts opts = { .present = TCP_OPT_MSS | TCP_OPT_TS,
                                     .mss = 1460,
                                     .tsval = 77 };
            opts.present |= scale < 16 ? TCP_OPT_WSCALE : 0;
            opts.present |= sack ? TCP_OPT_SACK_OK : 0;
            opts.wscale = (uint8_t)scale;
            const weir_time now = 12345 * WEIR_MS;
            struct tcp_birth birth = { .host = &host.tcp,
                                       .path_mss = 1460,
                                       .ts_offset = 0xabcdef01 };
            birth.iss = make(&opts, now);
            struct tcp_reply reply;
            tcp_cookie_answer(&birth, &syn, &opts, now, &reply);
            const struct tcp_opts echo = { .present = TCP_OPT_TS,
                                           .tsval = 78,
                                           .tsecr = reply.opts.tsval };
            const struct tcp_seg ack = {
                .sport = 5, .dport = 6, .seq = syn.seq + 1, .ack = birth.iss + 1, .flags = TCP_ACK
            };
            struct synq_entry entry = { 0 };
            if (!tcp_cookie_check(&birth, tuple, &ack, &echo, now + WEIR_SECOND, &entry))
                continue;
            const unsigned wanted = scale > 14 ? 14 : scale;
            good += (entry.flags & SYNQ_TS) && ((entry.flags & SYNQ_SACK) != 0) == sack &&
                    ((entry.flags & SYNQ_WS) != 0) == (scale < 16) &&
                    (scale == 16 || entry.snd_wscale == wanted) &&
                    !seq_gt(reply.opts.tsval - birth.ts_offset, tcp_ms(&host.tcp, now));
        }
    }
    CHECK(good == 34,
          "timestamps remember scale and SACK, and never run ahead of the clock (%u of 34)", good);
}

static void age(void)
{
    struct synq_entry entry;
    const struct tcp_opts opts = { .present = TCP_OPT_MSS, .mss = 1460 }, none = { 0 };
    const weir_time at = 1000 * WEIR_SECOND;
    const seq32 iss = make(&opts, at);
    CHECK(check(iss, &none, at + 60 * WEIR_SECOND, &entry), "a minute later it is good");
    CHECK(!check(iss, &none, at + 121 * WEIR_SECOND, &entry), "after two minutes it is not");
    CHECK(!check(iss, &none, at - 61 * WEIR_SECOND, &entry), "nor before it was made");
    CHECK(!check(iss, &none, at + 256 * 60 * WEIR_SECOND + 121 * WEIR_SECOND, &entry),
          "nor when the minutes come round");
}

static void others(void)
{
    struct synq_entry entry;
    const struct tcp_opts opts = { .present = TCP_OPT_MSS, .mss = 1460 }, none = { 0 };
    const seq32 iss = make(&opts, 0);
    unsigned believed = 0;
    for (int i = -50000; i < 50000; i++)
        believed += i != 0 && check(iss + (seq32)i, &none, 0, &entry) && entry.peer_mss == 1460;
    CHECK(believed == 0, "numbers near it name no other");
    struct prng prng;
    prng_init(&prng, 1, 0, 0);
    believed = 0;
    for (unsigned i = 0; i < 2000000; i++)
        believed += check((seq32)prng_next(&prng), &none, 0, &entry);
    CHECK(believed <= 1, "two million guesses: %u believed (one in 2^29 is to be expected)",
          believed);
    const struct tcp_birth birth = { .host = &host.tcp, .path_mss = 1460 };
    unsigned wrong = 0;
    for (unsigned i = 0; i < 40; i++) {
        uint8_t changed[40];
        memcpy(changed, tuple, sizeof changed);
        changed[i] ^= 1;
        const struct tcp_seg ack = { .seq = syn.seq + 1, .ack = iss + 1, .flags = TCP_ACK };
        wrong += tcp_cookie_check(&birth, changed, &ack, &none, 0, &entry);
    }
    CHECK(wrong == 0, "another tuple has another cookie");
    wrong = 0;
    for (unsigned i = 1; i < 2000; i++) {
        const struct tcp_seg ack = { .seq = syn.seq + 1 + i, .ack = iss + 1, .flags = TCP_ACK };
        wrong += tcp_cookie_check(&birth, tuple, &ack, &none, 0, &entry);
    }
    CHECK(wrong == 0, "and so has another SYN");
}

int main(void)
{
    host_init(&host, 1);
    sizes();
    options();
    age();
    others();
    host_free(&host);
    return tap_done();
}
