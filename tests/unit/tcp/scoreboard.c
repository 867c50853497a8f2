/* SPDX-License-Identifier: MIT */
#include "tcp/tcp.h"

#include "base/prng.h"
#include "host.h"
#include "tap.h"

/* The scoreboard against one set of bools per octet: random segments, SACKs, ACKs, losses and
 * retransmissions. */

#define OCTETS 400000 /* of a history */
#define MSS    1000u

struct octet {
    uint32_t segment; /* number of the segment it was sent in */
    bool sacked, lost, rtx;
};

struct model {
    struct octet octet[OCTETS];
    uint32_t seg_start[OCTETS / 10], segments;
    uint32_t una, nxt; /* places: 0 is the first octet */
};

static struct model model;
static struct tcb tcb;
static seq32 zero; /* sequence number of place 0 */

static void model_send(uint32_t len)
{
    for (uint32_t done = 0; done < len;) {
        const uint32_t part = len - done < MSS ? len - done : MSS;
        model.seg_start[model.segments] = model.nxt;
        for (uint32_t i = 0; i < part; i++)
            model.octet[model.nxt++] = (struct octet){ .segment = model.segments };
        model.segments++;
        done += part;
    }
}

static uint32_t segment_end(uint32_t k)
{
    return k + 1 < model.segments ? model.seg_start[k + 1] : model.nxt;
}

/* A block counts a segment only if it covers all of it that is above SND.UNA. */
static void model_sack(uint32_t left, uint32_t right)
{
    for (uint32_t k = model.octet[model.una].segment; k < model.segments; k++) {
        uint32_t start = model.seg_start[k];
        const uint32_t end = segment_end(k);
        if (start < model.una)
            start = model.una;
        if (left > start || right < end)
            continue;
        for (uint32_t i = start; i < end; i++)
            model.octet[i] = (struct octet){ .segment = k, .sacked = true };
    }
}

/* RFC 6675, 4, IsLost, by segment: more than two segments' octets above it are sacked, or three
 * separate runs. */
static void model_find_lost(void)
{
    uint32_t octets = 0, runs = 0;
    bool in_run = false;
    if (model.una == model.nxt)
        return;
    for (uint32_t i = model.nxt; i > model.una; i--) {
        struct octet *o = &model.octet[i - 1];
        if (o->sacked) {
            octets++;
            runs += !in_run;
            in_run = true;
        } else {
            in_run = false;
            if (octets > 2 * MSS || runs >= 3)
                o->lost = true;
        }
    }
}

static void model_all_lost(bool reneged)
{
    for (uint32_t i = model.una; i < model.nxt; i++) {
        struct octet *o = &model.octet[i];
        if (reneged)
            o->sacked = false;
        o->rtx = false;
        o->lost = !o->sacked;
    }
}

static bool same(void)
{
    uint32_t sacked = 0, lost = 0, rtx = 0, pipe = 0;
    for (uint32_t i = model.una; i < model.nxt; i++) {
        const struct octet *o = &model.octet[i];
        sacked += o->sacked;
        lost += o->lost;
        rtx += o->rtx;
        pipe += (!o->sacked && !o->lost ? 1u : 0u) + (o->rtx ? 1u : 0u);
    }
    const struct tcb_flight *flight = tcb_flight(&tcb);
    sb_check(&tcb);
    return flight->sacked == sacked && flight->lost == lost && flight->rtx == rtx &&
           sb_pipe(&tcb) == pipe;
}

/* The lowest run of whole segments that is lost and was not sent again. */
static bool same_next(seq32 *seq, uint32_t *len, bool *any)
{
    uint32_t i = model.una;
    while (i < model.nxt && !(model.octet[i].lost && !model.octet[i].rtx))
        i++;
    *any = sb_next_rtx(&tcb, seq, len);
    if (!*any)
        return i == model.nxt;
    if (*seq != zero + i)
        return false;
    for (uint32_t j = 0; j < *len; j++)
        if (!model.octet[i + j].lost || model.octet[i + j].rtx)
            return false;
    const uint32_t end = i + *len;
    return end == segment_end(model.octet[end - 1].segment);
}

static bool retransmit(weir_time now)
{
    seq32 seq;
    uint32_t len;
    bool any;
    if (!same_next(&seq, &len, &any))
        return false;
    if (!any)
        return true;
    sb_retransmitted(&tcb, seq, len, now);
    for (uint32_t i = 0; i < len; i++)
        model.octet[seq - zero + i].rtx = true;
    return true;
}

static bool acknowledge(uint32_t to)
{
    struct sb_acked acked = { .rtt_at = WEIR_NEVER, .rack_at = WEIR_NEVER };
    uint32_t octets = 0;
    for (uint32_t i = model.una; i < to; i++)
        octets += !model.octet[i].sacked;
    sb_ack(&tcb, zero + to, &acked);
    tcb.snd.una = zero + to;
    model.una = to;
    return acked.octets == octets;
}

static bool sack(struct prng *prng)
{
    struct tcp_opts opts = { .present = TCP_OPT_SACK };
    struct sb_acked acked = { .rtt_at = WEIR_NEVER, .rack_at = WEIR_NEVER };
    uint32_t before = 0, after = 0;
    opts.sack_count = (uint8_t)(1 + prng_below(prng, 4));
    for (uint32_t i = model.una; i < model.nxt; i++)
        before += model.octet[i].sacked;
    for (unsigned i = 0; i < opts.sack_count; i++) {
        const uint32_t a = model.una + prng_below(prng, model.nxt - model.una);
        const uint32_t most = prng_below(prng, 2) ? model.nxt - a : 1200;
        const uint32_t b = a + 1 + prng_below(prng, most < model.nxt - a ? most : model.nxt - a);
        opts.sack[i] = (struct tcp_sack_block){ zero + a, zero + b };
        if (a > model.una) /* one that begins at the ACK contradicts it */
            model_sack(a, b);
    }
    for (uint32_t i = model.una; i < model.nxt; i++)
        after += model.octet[i].sacked;
    sb_sack(&tcb, &opts, tcb.snd.una, &acked);
    sb_find_lost(&tcb);
    model_find_lost();
    return acked.sacked == after - before;
}

static void send(struct prng *prng, weir_time now)
{
    static const uint32_t sizes[] = { 8 * MSS, 3 * MSS, MSS, 400 };
    const uint32_t most = sizes[prng_below(prng, 4)];
    struct tcp_plan plan = { .seq = zero + model.nxt,
                             .len = 1 + prng_below(prng, most),
                             .fresh = true };
    if (plan.len > MSS)
        plan.gso_size = MSS;
    if (!sent_can_push(&tcb_flight_need(&tcb)->map, &tcb.host->sent) ||
        model.nxt + plan.len > OCTETS)
        return;
    if (!sb_sent(&tcb, &plan, now))
        return;
    model_send(plan.len);
    tcb.snd.nxt += plan.len;
}

static bool time_out(void)
{
    const bool reneged = model.una < model.nxt && model.octet[model.una].sacked;
    sb_all_lost(&tcb, WEIR_NEVER);
    model_all_lost(reneged);
    return same();
}

static bool agrees(uint64_t seed)
{
    struct host host;
    struct prng prng;
    host_init(&host, 64);
    prng_init(&prng, seed, 0, 0);
    zero = seed & 1 ? UINT32_MAX - prng_below(&prng, 30000) : (seq32)prng_next(&prng);
    const struct tcp_birth birth = {
        .host = &host.tcp, .iss = zero - 1, .path_mss = MSS, .owned = true
    };
    tcb_init(&tcb, &birth);
    tcb.mss = MSS;
    tcb.sack_ok = true;
    tcb.state = WEIR_ESTABLISHED;
    tcb.snd.una = tcb.snd.nxt = zero;
    model.una = model.nxt = model.segments = 0;
    weir_time now = 0;
    bool good = tcb_flight_need(&tcb) != NULL;
    for (unsigned step = 0; step < 250 && good; step++) {
        const uint32_t what = prng_below(&prng, 100);
        now += what & 1 ? WEIR_MS : 0;
        if (model.una == model.nxt || what < 35)
            send(&prng, now);
        else if (what < 60)
            good = sack(&prng);
        else if (what < 75)
            good = retransmit(now);
        else if (what < 97)
            good = acknowledge(
                model.una +
                prng_below(&prng,
                           (model.nxt - model.una < 4000 ? model.nxt - model.una : 4000) + 1));
        else
            good = time_out();
        good = good && same();
    }
    tcp_free(&tcb);
    good = good && host.blocks.used == 0 && host.flights.used == 0;
    host_free(&host);
    return good;
}

int main(void)
{
    unsigned good = 0;
    for (uint64_t seed = 0; seed < 300; seed++) {
        if (agrees(seed))
            good++;
        else
            CHECK(false, "seed %llu agrees with the model", (unsigned long long)seed);
    }
    CHECK(good == 300, "300 random histories agree with one bool per octet");
    return tap_done();
}
