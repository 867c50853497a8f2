/* SPDX-License-Identifier: MIT */
#include "stack/fastopen.h"

#include "base/siphash.h"
#include "stack/known.h"

#include <string.h>

/* Who may use Fast Open (RFC 7413): cookies for those who connect to us, and those that servers
 * gave us. */

#define BAD_PATH_TIME (3600 * WEIR_SECOND) /* as Linux: tcp_fastopen_blackhole_timeout_sec */

/* ---- server ---- */

/* As Linux makes it: SipHash of source and destination address, little-endian; so a machine that
 * shares a service with Linux ones, and their key, takes their cookies. */
static void make_cookie(const struct siphash_key *key, const struct weir_ip *peer,
                        const struct weir_ip *local, uint8_t cookie[FAST_COOKIE])
{
    uint8_t both[32];
    const size_t len = weir_ip_is_v4(peer) ? 4 : 16;
    memcpy(both, peer->octet + 16 - len, len);
    memcpy(both + len, local->octet + 16 - len, len);
    const uint64_t hash = siphash24(key, both, 2 * len);
    for (unsigned i = 0; i < FAST_COOKIE; i++)
        cookie[i] = (uint8_t)(hash >> 8 * i);
}

void fast_offer(const struct weir *weir, const struct flow *flow, struct tcp_opts *opts)
{
    opts->present |= TCP_OPT_FASTOPEN;
    opts->cookie_len = FAST_COOKIE;
    make_cookie(&weir->fast_key[0], &flow->peer, &flow->local, opts->cookie);
}

/* The newest key first; the one before it is good until the next. */
static bool is_ours(const struct weir *weir, const struct flow *flow, const struct tcp_opts *opts)
{
    if (opts->cookie_len != FAST_COOKIE)
        return false;
    for (unsigned i = 0; i < 2; i++) {
        uint8_t cookie[FAST_COOKIE], differs = 0;
        make_cookie(&weir->fast_key[i], &flow->peer, &flow->local, cookie);
        for (unsigned j = 0; j < FAST_COOKIE; j++)
            differs |= (uint8_t)(cookie[j] ^ opts->cookie[j]);
        if (differs == 0)
            return true;
    }
    return false;
}

/* How many SYNs with text may be without a last ACK; 0: none of this. */
static uint32_t pending_max(const struct weir *weir, const struct listener *listener)
{
    const uint32_t mode = weir->config.fastopen;
    if (!(mode & WEIR_FASTOPEN_SERVER))
        return 0;
    if (listener->option_set >> WEIR_OPT_FASTOPEN & 1)
        return (uint32_t)listener->option[WEIR_OPT_FASTOPEN];
    return mode & WEIR_FASTOPEN_SERVER_ALL ? listener->backlog : 0;
}

enum fast_verdict fast_judge(const struct weir *weir, const struct listener *listener,
                             const struct arrival *in)
{
    const uint32_t most = pending_max(weir, listener);
    const bool option = in->opts.present & TCP_OPT_FASTOPEN;
    /* A SYN that is told to the program first has its text taken only if the program said so. */
    const bool told = (listener->flags & WEIR_LISTEN_DEFER) != 0 &&
                      (listener->option_set >> WEIR_OPT_FASTOPEN & 1) == 0;
    if (most == 0 || told ||
        (in->opts.present & (TCP_OPT_AUTH | TCP_OPT_AO))) /* no room for both */
        return FAST_NO;
    const bool anyone = weir->config.fastopen & WEIR_FASTOPEN_SERVER_NO_COOKIE && in->seg.len > 0;
    if (!option && !anyone)
        return FAST_NO;
    if (!anyone && !is_ours(weir, &in->flow, &in->opts))
        return FAST_OFFER;
    return weir->fast_pending < most ? FAST_TAKE : FAST_NO;
}

void fast_settle(struct weir *weir, struct tcb *tcb)
{
    if (!tcb->fast || !tcb->passive || tcb->state == WEIR_SYN_RECEIVED)
        return;
    tcb->fast = false;
    WEIR_ASSERT(weir->fast_pending > 0);
    weir->fast_pending--;
}

void weir_fastopen_key(struct weir *weir, const uint64_t key[2])
{
    weir->fast_key[1] = weir->fast_key[0];
    weir->fast_key[0] = (struct siphash_key){ key[0], key[1] };
}

/* ---- client ---- */

enum weir_error fast_connect(struct weir *weir, struct conn *conn, weir_time now)
{
    struct tcb *tcb = &conn->tcb;
    if (!(weir->config.fastopen & WEIR_FASTOPEN_CLIENT))
        return WEIR_INVALID;
    if (tcb->is_signed || tcb->state != WEIR_SYN_SENT || tcb->snd.nxt != tcb->iss)
        return WEIR_INVALID;
    uint32_t number;
    const struct tcp_known *fast = known_find(weir, &conn->peer, &number);
    if (fast != NULL && now < fast->not_until)
        return WEIR_OK; /* an ordinary SYN */
    if (fast != NULL && fast->cookie_len > 0)
        tcp_fast_begin(tcb, number);
    else if (weir->config.fastopen & WEIR_FASTOPEN_CLIENT_NO_COOKIE)
        tcp_fast_begin(tcb, TCP_FAST_PLAIN);
    else
        tcp_fast_begin(tcb, TCP_FAST_ASK);
    return WEIR_OK;
}

bool fast_takes_text(const struct conn *conn)
{
    const struct tcb *tcb = &conn->tcb;
    return tcb->fast && tcb->state == WEIR_SYN_SENT && tcb->rcv.fin != TCP_FAST_ASK;
}

bool weir_fastopen_known(const struct weir *weir, const struct weir_ip *peer, weir_time now)
{
    const bool plain = (weir->config.fastopen & WEIR_FASTOPEN_CLIENT_NO_COOKIE) != 0;
    uint32_t number;
    if (!(weir->config.fastopen & WEIR_FASTOPEN_CLIENT))
        return false;
    const struct tcp_known *fast = known_find(weir, peer, &number);
    if (fast == NULL)
        return plain;
    return now >= fast->not_until && (fast->cookie_len > 0 || plain);
}

void fast_learn(struct weir *weir, const struct conn *conn, const struct tcp_opts *opts,
                weir_time now)
{
    const struct tcb *tcb = &conn->tcb;
    if ((opts->present & TCP_OPT_FASTOPEN) && opts->cookie_len > 0) {
        struct tcp_known *fast = known_place(weir, &conn->peer, now);
        memcpy(fast->cookie, opts->cookie, opts->cookie_len);
        fast->cookie_len = opts->cookie_len;
        fast->mss = tcb->peer_mss;
    }
    /* The SYN with text, or with the question for a cookie, got lost, and the one without did not:
     * something on the way may be to blame (RFC 7413, 4.1.3.1 and 7.1). */
    if (tcb->syn_rtx)
        known_place(weir, &conn->peer, now)->not_until = now + BAD_PATH_TIME;
}
