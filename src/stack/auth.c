/* SPDX-License-Identifier: MIT */
#include "stack/auth.h"

#include "stack/ao.h"

#include <string.h>

#define PSEUDO_V4 12
#define PSEUDO_V6 40
#define PARTS_MAX (WEIR_SPANS + 3) /* pseudo header, header, text, key */

bool auth_in_prefix(const struct weir_ip *ip, const struct weir_ip *peer, unsigned prefix_len)
{
    const unsigned bits = prefix_len + (weir_ip_is_v4(peer) ? 96u : 0u);
    const unsigned whole = bits / 8, rest = bits % 8;
    if (memcmp(ip->octet, peer->octet, whole) != 0)
        return false;
    return rest == 0 || (ip->octet[whole] ^ peer->octet[whole]) >> (8 - rest) == 0;
}

bool auth_has_peer(const struct weir *weir, const struct weir_ip *peer, unsigned prefix_len)
{
    for (unsigned i = 0; i < weir->key_count; i++)
        if (weir_ip_equal(&weir->key[i].peer, peer) && weir->key[i].prefix_len == prefix_len)
            return true;
    return false;
}

/* Of a prefix, counted in the family's own addresses, the bits of the sixteen octets. */
static unsigned bits_of(const struct weir_key *key)
{
    return key->prefix_len + (weir_ip_is_v4(&key->peer) ? 96u : 0u);
}

const struct weir_key *auth_key(const struct weir *weir, const struct flow *flow)
{
    const struct weir_key *best = NULL;
    for (unsigned i = 0; i < weir->key_count; i++) {
        const struct weir_key *key = &weir->key[i];
        if ((key->local_port != 0 && key->local_port != flow->lport) ||
            (key->remote_port != 0 && key->remote_port != flow->rport) ||
            !auth_in_prefix(&flow->peer, &key->peer, key->prefix_len))
            continue;
        if (best == NULL || bits_of(key) > bits_of(best))
            best = key;
    }
    return best;
}

bool auth_begin(const struct weir *weir, const struct flow *flow, struct tcb *tcb,
                const struct tcp_opts *opts)
{
    if (ao_has(weir, flow))
        return ao_begin(weir, flow, tcb, opts);
    return weir->key_count == 0 || auth_key(weir, flow) == NULL || tcp_signed(tcb, false);
}

/* What a signature is made of. */
struct subject {
    const struct weir_ip *from, *to;
    const uint8_t *head;
    uint32_t head_len;
    const struct weir_span *text;
    unsigned count;
};

/* RFC 2385, 2.0: the pseudo header, the header without options and with a sum of zero, the text,
 * and the key; the sender's address first. */
static void md5_of(const struct weir *weir, const struct subject *s, const struct weir_key *key,
                   uint8_t digest[WEIR_MD5_LEN])
{
    uint8_t pseudo[PSEUDO_V6] = { 0 }, fixed[TCP_HEAD_MIN];
    struct weir_span part[PARTS_MAX];
    const bool v4 = weir_ip_is_v4(s->from);
    const unsigned address = v4 ? 4 : 16;
    uint32_t len = s->head_len;
    WEIR_ASSERT(s->count + 3 <= PARTS_MAX);
    for (unsigned i = 0; i < s->count; i++) {
        part[2 + i] = s->text[i];
        len += (uint32_t)s->text[i].len;
    }
    memcpy(pseudo, s->from->octet + 16 - address, address);
    memcpy(pseudo + address, s->to->octet + 16 - address, address);
    pseudo[v4 ? 9 : 39] = IP_PROTO_TCP;
    const unsigned at = v4 ? 10 : 34;
    pseudo[at] = (uint8_t)(len >> 8);
    pseudo[at + 1] = (uint8_t)len;
    memcpy(fixed, s->head, sizeof fixed);
    fixed[TCP_CSUM_OFF] = fixed[TCP_CSUM_OFF + 1] = 0;
    part[0] = (struct weir_span){ .base = pseudo, .len = v4 ? PSEUDO_V4 : PSEUDO_V6 };
    part[1] = (struct weir_span){ .base = fixed, .len = sizeof fixed };
    part[2 + s->count] =
        (struct weir_span){ .base = (uint8_t *)(uintptr_t)key->key, .len = key->key_len };
    weir->config.crypto->md5(part, s->count + 3, digest);
}

enum weir_drop auth_check(const struct weir *weir, const struct arrival *in, const uint8_t *p)
{
    const struct weir_key *key = auth_key(weir, &in->flow);
    const bool is_signed = in->opts.present & TCP_OPT_AUTH;
    if (key == NULL)
        return is_signed ? WEIR_DROP_TCP_MD5_UNEXPECTED : WEIR_DROP_NONE;
    if (!is_signed)
        return WEIR_DROP_TCP_MD5_MISSING;
    const struct weir_span text = { .base = (uint8_t *)(uintptr_t)in->seg.text,
                                    .len = in->seg.len };
    uint8_t digest[WEIR_MD5_LEN], differs = 0;
    const struct subject subject = { .from = &in->flow.peer,
                                     .to = &in->flow.local,
                                     .head = p,
                                     .head_len = (uint32_t)(in->seg.text - p),
                                     .text = &text,
                                     .count = 1 };
    md5_of(weir, &subject, key, digest);
    for (unsigned i = 0; i < sizeof digest; i++) /* in the same time wherever they differ */
        differs |= (uint8_t)(digest[i] ^ in->opts.digest[i]);
    return differs == 0 ? WEIR_DROP_NONE : WEIR_DROP_TCP_MD5_WRONG;
}

void auth_sign(const struct weir *weir, const struct flow *flow, uint8_t *head, size_t head_len,
               const struct weir_span *text, unsigned count)
{
    const struct weir_key *key = auth_key(weir, flow);
    if (key == NULL) /* it was taken away: what leaves is believed by nobody */
        return;
    const struct subject subject = { .from = &flow->local,
                                     .to = &flow->peer,
                                     .head = head,
                                     .head_len = (uint32_t)head_len,
                                     .text = text,
                                     .count = count };
    md5_of(weir, &subject, key, wire_tcp_digest(head));
}

static struct weir_key *same_key(struct weir *weir, const struct weir_key *key)
{
    for (unsigned i = 0; i < weir->key_count; i++) {
        struct weir_key *old = &weir->key[i];
        if (weir_ip_equal(&old->peer, &key->peer) && old->prefix_len == key->prefix_len &&
            old->local_port == key->local_port && old->remote_port == key->remote_port)
            return old;
    }
    return NULL;
}

enum weir_error weir_key_set(struct weir *weir, const struct weir_key *key)
{
    if (weir->config.crypto == NULL || key->key_len > WEIR_KEY_MAX ||
        key->prefix_len > (weir_ip_is_v4(&key->peer) ? 32u : 128u))
        return WEIR_INVALID;
    if (ao_has_peer(weir, &key->peer, key->prefix_len))
        return WEIR_INVALID;
    struct weir_key *old = same_key(weir, key);
    if (key->key_len == 0) {
        if (old == NULL)
            return WEIR_INVALID;
        *old = weir->key[--weir->key_count];
        memset(&weir->key[weir->key_count], 0, sizeof *old);
        return WEIR_OK;
    }
    if (old == NULL && weir->key_count == KEYS_MAX)
        return WEIR_NO_MEMORY;
    *(old != NULL ? old : &weir->key[weir->key_count++]) = *key;
    return WEIR_OK;
}
