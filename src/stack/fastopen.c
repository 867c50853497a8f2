/* SPDX-License-Identifier: MIT */
#include "stack/fastopen.h"

#include "base/siphash.h"
#include "stack/known.h"

#include <string.h>

/* Who may use Fast Open (RFC 7413): cookies for those who connect to us, and those that servers
 * gave us. */

#define TEXT_LOST_MAX 2 /* SYNs with text in a row that were lost: the way does not take them */

/* ---- server ---- */

/* The keys of a listener, the newest first; how many there are. */
static unsigned keys_of(const struct weir *weir, const struct listener *listener,
                        const struct siphash_key **key)
{
    const bool own = listener != NULL && listener->fast_keys > 0;
    *key = own ? listener->fast_key : weir->fast_key;
    return own ? listener->fast_keys : 2;
}

/* As Linux makes it: SipHash of source and destination address, little-endian; so a machine that
 * shares a service with Linux ones, and their key, takes their cookies. */
static void make_cookie(const struct siphash_key *key, const struct flow *flow,
                        uint8_t cookie[FAST_COOKIE])
{
    uint8_t both[32];
    const size_t len = weir_ip_is_v4(&flow->peer) ? 4 : 16;
    memcpy(both, flow->peer.octet + 16 - len, len);
    memcpy(both + len, flow->local.octet + 16 - len, len);
    const uint64_t hash = siphash24(key, both, 2 * len);
    for (unsigned i = 0; i < FAST_COOKIE; i++)
        cookie[i] = (uint8_t)(hash >> 8 * i);
}

void fast_offer(const struct weir *weir, const struct listener *listener, const struct flow *flow,
                struct tcp_opts *opts)
{
    const struct siphash_key *key;
    (void)keys_of(weir, listener, &key);
    opts->present |= TCP_OPT_FASTOPEN;
    opts->cookie_len = FAST_COOKIE;
    make_cookie(&key[0], flow, opts->cookie);
}

/* The newest key first; the one before it is good until the next. */
static bool is_ours(const struct weir *weir, const struct listener *listener,
                    const struct flow *flow, const struct tcp_opts *opts)
{
    const struct siphash_key *key;
    const unsigned keys = keys_of(weir, listener, &key);
    if (opts->cookie_len != FAST_COOKIE)
        return false;
    for (unsigned i = 0; i < keys; i++) {
        uint8_t cookie[FAST_COOKIE], differs = 0;
        make_cookie(&key[i], flow, cookie);
        for (unsigned j = 0; j < FAST_COOKIE; j++)
            differs |= (uint8_t)(cookie[j] ^ opts->cookie[j]);
        if (differs == 0)
            return true;
    }
    return false;
}

static bool is_set(const struct listener *listener, enum weir_option option)
{
    return (listener->option_set >> option & 1) != 0;
}

/* How many SYNs with text may be without a last ACK; 0: none of this. */
static uint32_t pending_max(const struct weir *weir, const struct listener *listener)
{
    const uint32_t mode = weir->config.fastopen;
    if (!(mode & WEIR_FASTOPEN_SERVER))
        return 0;
    if (is_set(listener, WEIR_OPT_FASTOPEN))
        return (uint32_t)listener->option[WEIR_OPT_FASTOPEN];
    return mode & WEIR_FASTOPEN_SERVER_ALL ? listener->backlog : 0;
}

enum fast_verdict fast_judge(struct weir *weir, const struct listener *listener,
                             const struct arrival *in)
{
    struct weir_counters *count = &weir->trace.count;
    const uint32_t most = pending_max(weir, listener);
    const bool option = in->opts.present & TCP_OPT_FASTOPEN;
    /* A SYN that is told to the program first has its text taken only if the program said so. */
    const bool told =
        (listener->flags & WEIR_LISTEN_DEFER) != 0 && !is_set(listener, WEIR_OPT_FASTOPEN);
    if (most == 0 || told || (!option && in->seg.len == 0) ||
        (in->opts.present & (TCP_OPT_AUTH | TCP_OPT_AO))) /* no room for both */
        return FAST_NO;
    const bool anyone = (weir->config.fastopen & WEIR_FASTOPEN_SERVER_NO_COOKIE) ||
                        (is_set(listener, WEIR_OPT_FASTOPEN_NO_COOKIE) &&
                         listener->option[WEIR_OPT_FASTOPEN_NO_COOKIE] != 0);
    if (!option && !anyone)
        return FAST_NO;
    if (weir->fast_pending >= most) {
        count->fast_overflows++;
        return FAST_NO;
    }
    if (anyone || is_ours(weir, listener, &in->flow, &in->opts))
        return FAST_TAKE;
    count->fast_asks += in->opts.cookie_len == 0;
    count->fast_passive_fails += in->opts.cookie_len > 0;
    return FAST_OFFER;
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

enum weir_error weir_fastopen_keys_set(struct weir *weir, weir_handle handle,
                                       const uint64_t key[][2], unsigned count)
{
    struct listener *listener = listener_of(weir, handle, NULL);
    if (listener == NULL)
        return WEIR_BAD_HANDLE;
    if (count == 0 || count > 2)
        return WEIR_INVALID;
    for (unsigned i = 0; i < count; i++)
        listener->fast_key[i] = (struct siphash_key){ key[i][0], key[i][1] };
    listener->fast_keys = count;
    return WEIR_OK;
}

unsigned weir_fastopen_keys(const struct weir *weir, weir_handle handle, uint64_t key[2][2])
{
    const struct siphash_key *keys;
    const unsigned count = keys_of(weir, listener_of(weir, handle, NULL), &keys);
    for (unsigned i = 0; i < count; i++) {
        key[i][0] = keys[i].k0;
        key[i][1] = keys[i].k1;
    }
    return count;
}

/* ---- client ---- */

static bool may_begin(const struct weir *weir, const struct tcb *tcb)
{
    return (weir->config.fastopen & WEIR_FASTOPEN_CLIENT) && !tcb->is_signed &&
           tcb->state == WEIR_SYN_SENT && tcb->snd.nxt == tcb->iss;
}

enum weir_error fast_connect(struct weir *weir, struct conn *conn, bool no_cookie, weir_time now)
{
    struct tcb *tcb = &conn->tcb;
    if (!may_begin(weir, tcb))
        return WEIR_INVALID;
    uint32_t number = TCP_FAST_ASK;
    const struct tcp_known *known = known_find(weir, &conn->peer, &number);
    if (known != NULL && now < known->not_until)
        return WEIR_OK; /* an ordinary SYN */
    if (no_cookie || weir->config.fastopen & WEIR_FASTOPEN_CLIENT_NO_COOKIE)
        number = TCP_FAST_PLAIN;
    else if (known != NULL && known->cookie_len == 0)
        number = known->asked == TCP_KNOWN_ASKED ? TCP_FAST_ASK_EXP : TCP_FAST_ASK;
    tcp_fast_begin(tcb, number, known != NULL ? known->mss : 0);
    return WEIR_OK;
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

struct fast_syn fast_sent(const struct tcb *tcb)
{
    return (struct fast_syn){ tcb->rcv.fin, tcp_fast_text(tcb) };
}

/* A SYN with text got lost, and what came to the one without knows nothing of it: something on the
 * way may be to blame.
 *
 * DEVIATION: RFC 7413, 4.1.3.1 wants Fast Open to stop at the first time. A SYN is lost for other
 * reasons more often than for this one, so it takes two in a row; Linux does not look at single
 * destinations any more. */
static void note_loss(const struct weir *weir, struct tcp_known *known, bool lost, weir_time now)
{
    known->text_lost = !lost ? 0 : known->text_lost < UINT8_MAX ? known->text_lost + 1 : UINT8_MAX;
    if (known->text_lost >= TEXT_LOST_MAX)
        known->not_until = now + weir->config.fastopen_blackhole;
}

void fast_learn(struct weir *weir, const struct conn *conn, const struct fast_syn *syn,
                const struct tcp_opts *opts, weir_time now)
{
    const struct tcb *tcb = &conn->tcb;
    struct weir_counters *count = &weir->trace.count;
    const bool asked = syn->which != TCP_FAST_PLAIN; /* what was not asked for is not believed */
    const bool cookie = asked && (opts->present & TCP_OPT_FASTOPEN) && opts->cookie_len > 0;
    struct tcp_known *known = known_place(weir, &conn->peer, now);
    known->mss = tcb->peer_mss;
    if (cookie) {
        memcpy(known->cookie, opts->cookie, opts->cookie_len);
        known->cookie_len = opts->cookie_len;
        known->cookie_exp = opts->cookie_exp;
    } else if (asked && syn->text == 0 && !tcb->syn_rtx && known->cookie_len == 0) {
        known->asked = known->asked == TCP_KNOWN_ASKED_NOT ? TCP_KNOWN_ASKED : TCP_KNOWN_ASKED_EXP;
    }
    if (syn->text > 0) {
        count->fast_active += tcb->syn_text;
        count->fast_active_fails += !tcb->syn_text;
    }
    note_loss(weir, known, tcb->syn_rtx && !cookie && syn->text > 0 && !tcb->syn_text, now);
}
