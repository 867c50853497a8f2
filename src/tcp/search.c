/* SPDX-License-Identifier: MIT */
/* Packetization layer path MTU discovery (RFC 8899 after RFC 4821): where ICMP is not to be relied
 * on, a longer segment of new octets is sent now and then, and what comes of it tells whether the
 * path takes it. The search is Linux's: half of the way between what is known to pass and what is
 * not, so that a handful of probes ends it.
 *
 * A probe carries the stream's next octets. If it is lost alone, that is an answer and no
 * congestion (RFC 4821, 7.5): its octets leave again at the old length, and cwnd stays. If others
 * are lost with it, nothing was learnt. */
#include "tcp/extra.h"
#include "tcp/path.h"
#include "tcp/tcp.h"

#define SEARCH_ENOUGH 8    /* octets: nearer than this is found (tcp_probe_threshold) */
#define SEARCH_CWND   11   /* segments that cwnd must allow (RFC 4821, 7.4; Linux) */
#define SEARCH_BEHIND 4    /* segments that follow, by which a loss is noticed */
#define BLACK_HOLE_MS 3000 /* after the first retransmission: tcp_retries1 of Linux, at 200 ms */
#define SEARCH_TRIES  3    /* probes of a length that are lost: it is too long (MAX_PROBES) */

static struct tcp_search *search_of(const struct tcb *tcb)
{
    struct tcb_extra *extra = tcb_extra(tcb);
    return extra != NULL && extra->search.high != 0 ? &extra->search : NULL;
}

static bool is_found(const struct tcp_search *search)
{
    return search->high - search->low < SEARCH_ENOUGH;
}

static void found(struct tcb *tcb, struct tcp_search *search, weir_time now)
{
    if (is_found(search))
        search->next_at = now + tcb->host->config->mtu_probe_interval;
}

void tcp_search_begin(struct tcb *tcb, uint16_t low, uint16_t high, weir_time now)
{
    if (high > tcb->peer_mss)
        high = tcb->peer_mss;
    if (low >= high)
        return;
    struct tcb_extra *extra = tcb_extra_need(tcb);
    if (extra == NULL)
        return;
    struct tcp_search *search = &extra->search;
    const uint16_t top = high > search->top ? high : search->top;
    *search = (struct tcp_search){ .low = low, .high = high, .top = top, .next_at = now };
    found(tcb, search, now);
    tcp_mss_update(tcb);
}

void tcp_search_start(struct tcb *tcb, weir_time now)
{
    const uint32_t base = tcb->host->config->mtu_base_mss + tcp_options_len(tcb);
    const bool initial = tcb->cc.cwnd == cc_initial_window(tcb->mss);
    if (base >= tcb->path_mss) /* and fits 16 bits */
        return;
    tcp_search_begin(tcb, (uint16_t)base, tcb->path_mss, now);
    if (initial) /* ten segments are shorter now */
        tcb->cc.cwnd = cc_initial_window(tcb->mss);
}

/* Octets of text to be tried where longer segments vanish, by Linux's steps: mtu_base_mss, and once
 * there is a search, half of what it had arrived at. */
static uint32_t black_hole_mss(const struct tcb *tcb, const struct tcp_search *search)
{
    const struct weir_config *config = tcb->host->config;
    const uint32_t base = config->mtu_base_mss;
    uint32_t mss = search != NULL || tcb->mss <= base ? tcb->mss / 2u : base;
    if (mss > base)
        mss = base;
    if (mss < config->mtu_floor_mss)
        mss = config->mtu_floor_mss;
    return mss < TCP_MSS_FLOOR ? TCP_MSS_FLOOR : mss;
}

void tcp_black_hole(struct tcb *tcb, weir_time now)
{
    struct tcb_flight *flight = tcb_flight(tcb);
    const uint32_t now_ms = tcp_ms(tcb->host, now);
    if (tcb->retries == 1)
        flight->silent_ms =
            tcb->recovery == TCP_RECOVERY ? tcp_ms(tcb->host, flight->delivered_at) : now_ms;
    if (tcb->host->config->mtu_probing == 0 || tcb->snd.wnd == 0 ||
        now_ms - flight->silent_ms < BLACK_HOLE_MS)
        return;
    const struct tcp_search *search = search_of(tcb);
    const uint32_t mss = black_hole_mss(tcb, search);
    if (mss >= tcb->mss || tcp_outstanding(tcb) <= mss)
        return; /* it cannot be for its length */
    const uint16_t low = (uint16_t)(mss + tcp_options_len(tcb));
    tcp_search_begin(tcb, low, search != NULL ? search->high : tcb->path_mss, now);
    if (tcb->mss > mss) /* there was no block: then without a way back */
        tcp_path_changed(tcb, low, now);
}

uint16_t tcp_search_bound(const struct tcb *tcb, uint16_t path_mss)
{
    const struct tcp_search *search = search_of(tcb);
    return search != NULL && search->low < path_mss ? search->low : path_mss;
}

uint32_t tcp_search_probe(const struct tcb *tcb, uint32_t burst, weir_time now)
{
    const struct tcp_search *search = search_of(tcb);
    const struct tcb_flight *flight = tcb_flight(tcb);
    if (search == NULL || search->size != 0 || is_found(search) || now < search->next_at)
        return 0;
    if (!tcb->sack_ok || tcb->recovery != TCP_OPEN ||
        (flight != NULL && (flight->sacked > 0 || flight->lost > 0)) || tcb->snd_urg ||
        tcb->cc.cwnd < (uint32_t)SEARCH_CWND * tcb->mss)
        return 0;
    const uint32_t size = (search->low + search->high + 1u) / 2;
    const uint32_t spans_max = (uint32_t)(WEIR_SPANS - 1) << tcb->host->rings->chunk_shift;
    const uint32_t len = size - tcp_options_len(tcb);
    if (len <= tcb->mss || len > spans_max || burst < len ||
        tcp_unsent(tcb) < len + (uint32_t)SEARCH_BEHIND * tcb->mss)
        return 0;
    return len;
}

void tcp_search_sent(struct tcb *tcb, seq32 seq, uint32_t len)
{
    struct tcp_search *search = search_of(tcb);
    WEIR_ASSERT(search != NULL && search->size == 0);
    search->size = (uint16_t)(len + tcp_options_len(tcb));
    search->seq = seq;
    tcp_trace(tcb)->count.mtu_probes++;
}

void tcp_search_ack(struct tcb *tcb, weir_time now)
{
    struct tcp_search *search = search_of(tcb);
    if (search == NULL)
        return;
    if (search->size == 0) {
        if (is_found(search) && now >= search->next_at) { /* paths change: is there more now? */
            search->high = search->top > search->low ? search->top : search->low;
            found(tcb, search, now);
        }
        return;
    }
    if (seq_leq(tcb->snd.una, search->seq))
        return;
    search->low = search->size;
    search->size = search->failures = 0;
    if (search->low > tcb->path_mss) {
        tcb->path_mss = search->low;
        search->news = true; /* others on this path shall know */
    }
    tcp_mss_update(tcb);
    if (tcb->cc.cwnd < tcb->mss)
        tcb->cc.cwnd = tcb->mss;
    found(tcb, search, now);
}

bool tcp_search_explains(struct tcb *tcb, weir_time now)
{
    struct tcp_search *search = search_of(tcb);
    const struct tcb_flight *flight = tcb_flight(tcb);
    if (search == NULL || search->size == 0 || flight == NULL)
        return false;
    const struct sent *r = sb_record(tcb, flight, search->seq);
    if (r->seq != search->seq || r->lost == 0)
        return false;
    const bool alone = flight->lost == r->len;
    if (alone && ++search->failures >= SEARCH_TRIES) {
        search->high = (uint16_t)(search->size - 1);
        search->failures = 0;
        found(tcb, search, now);
    }
    search->size = 0;
    return alone;
}

bool tcp_search_told(struct tcb *tcb, seq32 quoted, uint16_t path_mss, weir_time now)
{
    struct tcp_search *search = search_of(tcb);
    if (search == NULL || search->size == 0 || quoted != search->seq || path_mss < search->low ||
        path_mss >= search->size)
        return false;
    search->high = path_mss;
    search->size = search->failures = 0;
    found(tcb, search, now);
    sb_too_long_lost(tcb, tcb->mss);
    tcb->due |= TCP_DUE_RTX | TCP_DUE_DATA;
    tcp_settle(tcb, now);
    return true;
}

void tcp_search_narrow(struct tcb *tcb, uint16_t path_mss)
{
    struct tcp_search *search = search_of(tcb);
    if (search == NULL)
        return;
    search->size = search->failures = 0;
    if (search->high > path_mss)
        search->high = path_mss;
    if (search->low > path_mss)
        search->low = path_mss;
}

uint16_t tcp_path_found(struct tcb *tcb)
{
    struct tcp_search *search = search_of(tcb);
    if (search == NULL || !search->news)
        return 0;
    search->news = false;
    return tcb->path_mss;
}
