/* SPDX-License-Identifier: MIT */
#include "tcp/tcp.h"

#include "base/prng.h"
#include "host.h"
#include "tap.h"

/* The laws of RFC 9937, over random episodes: some of a flight is lost, ACKs come for one to five
 * segments at a time, and whatever cwnd allows leaves. */

#define MSS 1000u

static struct tcb tcb;

static bool holds(uint64_t seed)
{
    struct host host;
    struct prng prng;
    host_init(&host, 64);
    prng_init(&prng, seed, 0, 0);
    const struct tcp_birth birth = { .host = &host.tcp, .iss = 99, .path_mss = MSS, .owned = true };
    tcb_init(&tcb, &birth);
    tcb.mss = MSS;
    tcb.sack_ok = true;
    tcb.snd.una = tcb.snd.nxt = 100;
    struct tcb_flight *flight = tcb_flight_need(&tcb);
    const uint32_t segments = 10 + prng_below(&prng, 200);
    const uint32_t lost = 1 + prng_below(&prng, segments - 4);
    tcb.snd.nxt += segments * MSS;
    tcb.cc.cwnd = segments * MSS;
    tcb.cc.ssthresh = tcb.cc.cwnd * (3 + prng_below(&prng, 5)) / 10;
    /* The scoreboard's sums are all that PRR looks at. */
    flight->sacked = 3 * MSS;
    flight->lost = lost * MSS;
    const struct sb_acked trigger = { .sacked = MSS };
    prr_begin(&tcb, flight, &trigger);
    tcb.recovery = TCP_RECOVERY;
    bool good = flight->prr.start == (segments - 2) * MSS;
    uint32_t left = segments - 3 - lost, delivered = MSS, out = 0;
    prr_ack(&tcb, flight, MSS, false);
    good = good && tcb.cc.cwnd >= sb_pipe(&tcb) + MSS; /* the first retransmission may leave */
    for (unsigned ack = 0; ack < 400 && good; ack++) {
        while (sb_pipe(&tcb) + MSS <= tcb.cc.cwnd) { /* retransmissions, then new octets */
            if (flight->rtx < flight->lost)
                flight->rtx += MSS;
            else
                tcb.snd.nxt += MSS;
            out += MSS;
            prr_sent(&tcb, MSS);
        }
        if (left == 0)
            break;
        uint32_t n = 1 + prng_below(&prng, 5);
        n = n < left ? n : left;
        left -= n;
        flight->sacked += n * MSS;
        delivered += n * MSS;
        const uint32_t pipe = sb_pipe(&tcb);
        prr_ack(&tcb, flight, n * MSS, false);
        /* Never more than one ACK's worth beyond what has arrived, and above ssthresh in
         * proportion. */
        good = tcb.cc.cwnd <= pipe + n * MSS + MSS + (delivered > out ? delivered - out : 0);
        if (pipe > tcb.cc.ssthresh)
            good = good &&
                   (uint64_t)out * flight->prr.start <= (uint64_t)delivered * tcb.cc.ssthresh +
                                                            (uint64_t)2 * MSS * flight->prr.start;
        else
            good = good && tcb.cc.cwnd <= (tcb.cc.ssthresh > MSS ? tcb.cc.ssthresh : MSS);
    }
    good = good && out <= delivered + 2 * MSS;
    flight->sacked = flight->lost = flight->rtx = 0;
    tcb.snd.nxt = tcb.snd.una;
    tcb_flight_drop(&tcb);
    host_free(&host);
    return good;
}

int main(void)
{
    unsigned good = 0;
    for (uint64_t seed = 0; seed < 2000; seed++) {
        if (holds(seed))
            good++;
        else if (good == seed)
            CHECK(false, "seed %llu keeps the laws", (unsigned long long)seed);
    }
    CHECK(good == 2000, "2,000 episodes keep the laws of RFC 9937");
    return tap_done();
}
