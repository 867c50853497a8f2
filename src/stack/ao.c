/* SPDX-License-Identifier: MIT */
#include "stack/ao.h"

#include "stack/auth.h"
#include "wire/cursor.h"

#include <string.h>

#define LABEL     "TCP-AO"
#define LABEL_LEN 6
#define PSEUDO_V4 12
#define PSEUDO_V6 40
#define KDF_MAX   (1 + LABEL_LEN + 32 + 4 + 8 + 2)
#define AES_KEY   16
#define PARTS_MAX (WEIR_SPANS + 3) /* SNE and pseudo header, header, options, text */

/* ---- The arithmetic: RFC 5926, 3.1 and 3.2; RFC 5925, 5.1 and 5.2 ---- */

static const unsigned mac_len[WEIR_MAC_COUNT] = {
    [WEIR_MAC_HMAC_SHA1] = 20, [WEIR_MAC_AES128_CMAC] = 16
};

static struct weir_span span_of(const void *base, size_t len)
{
    return (struct weir_span){ .base = (uint8_t *)(uintptr_t)base, .len = len };
}

/* The master key as the KDF wants it: AES takes 16 octets, which others are made to (RFC 5926,
 * 3.1.1.2). */
static struct weir_span master_of(const struct weir_crypto *crypto, const struct weir_ao_key *key,
                                  uint8_t room[WEIR_MAC_MAX])
{
    const struct weir_span given = span_of(key->key, key->key_len);
    if (key->mac != WEIR_MAC_AES128_CMAC || key->key_len == AES_KEY)
        return given;
    static const uint8_t zero[AES_KEY];
    const struct weir_span zero_key = span_of(zero, sizeof zero);
    crypto->mac(WEIR_MAC_AES128_CMAC, &zero_key, &given, 1, room);
    return span_of(room, AES_KEY);
}

void ao_traffic_key(const struct weir_crypto *crypto, const struct weir_ao_key *key,
                    const struct ao_subject *s, uint8_t traffic[WEIR_MAC_MAX])
{
    uint8_t input[KDF_MAX], room[WEIR_MAC_MAX];
    struct wr w = wr_begin(input, sizeof input);
    const unsigned skip = weir_ip_is_v4(s->from) ? 12 : 0;
    wr_u8(&w, 1);
    for (unsigned i = 0; i < LABEL_LEN; i++)
        wr_u8(&w, (uint8_t)LABEL[i]);
    for (unsigned i = skip; i < 16; i++)
        wr_u8(&w, s->from->octet[i]);
    for (unsigned i = skip; i < 16; i++)
        wr_u8(&w, s->to->octet[i]);
    wr_u16(&w, s->sport);
    wr_u16(&w, s->dport);
    wr_u32(&w, s->from_iss);
    wr_u32(&w, s->to_iss);
    wr_u16(&w, (uint16_t)(mac_len[key->mac] * 8));
    const struct weir_span part = span_of(input, sizeof input - w.left);
    const struct weir_span master = master_of(crypto, key, room);
    crypto->mac((enum weir_mac)key->mac, &master, &part, 1, traffic);
}

/* SNE, and the pseudo header of the packet's family. */
static size_t write_front(const struct ao_subject *s, uint32_t len, uint8_t *front)
{
    const bool v4 = weir_ip_is_v4(s->from);
    const unsigned skip = v4 ? 12 : 0;
    struct wr w = wr_begin(front, 4 + PSEUDO_V6);
    wr_u32(&w, s->sne);
    for (unsigned i = skip; i < 16; i++)
        wr_u8(&w, s->from->octet[i]);
    for (unsigned i = skip; i < 16; i++)
        wr_u8(&w, s->to->octet[i]);
    if (v4) {
        wr_u16(&w, IP_PROTO_TCP);
        wr_u16(&w, (uint16_t)len);
    } else {
        wr_u32(&w, len);
        wr_u32(&w, IP_PROTO_TCP);
    }
    return 4 + PSEUDO_V6 - w.left;
}

/* The header as the MAC sees it: without its sum, with zeros for the MAC, and without other options
 * if those are left to what is on the way. Its octets. */
static size_t write_head(const struct weir_ao_key *key, const struct ao_subject *s, uint8_t *head)
{
    uint8_t *option = NULL;
    WEIR_ASSERT(s->head_len >= TCP_HEAD_MIN && s->head_len <= TCP_HEAD_MAX);
    memcpy(head, s->head, s->head_len);
    memset(head + TCP_CSUM_OFF, 0, 2);
    option = wire_tcp_ao(head, s->head_len);
    WEIR_ASSERT(option != NULL);
    memset(option + 4, 0, TCP_AO_MAC);
    if (!key->skip_options)
        return s->head_len;
    memmove(head + TCP_HEAD_MIN, option, TCP_AO_LEN);
    return TCP_HEAD_MIN + TCP_AO_LEN;
}

void ao_mac(const struct weir_crypto *crypto, const struct weir_ao_key *key,
            const struct ao_subject *s, uint8_t mac[TCP_AO_MAC])
{
    uint8_t traffic[WEIR_MAC_MAX], whole[WEIR_MAC_MAX], front[4 + PSEUDO_V6], head[TCP_HEAD_MAX];
    struct weir_span part[PARTS_MAX];
    uint32_t len = (uint32_t)s->head_len;
    WEIR_ASSERT(s->count + 2 <= PARTS_MAX);
    for (unsigned i = 0; i < s->count; i++) {
        part[2 + i] = s->text[i];
        len += (uint32_t)s->text[i].len;
    }
    part[0] = span_of(front, write_front(s, len, front));
    part[1] = span_of(head, write_head(key, s, head));
    ao_traffic_key(crypto, key, s, traffic);
    const struct weir_span traffic_key = span_of(traffic, mac_len[key->mac]);
    crypto->mac((enum weir_mac)key->mac, &traffic_key, part, s->count + 2, whole);
    memcpy(mac, whole, TCP_AO_MAC);
}

uint32_t ao_sne(uint32_t sne, seq32 at, seq32 seq)
{
    if (seq_geq(seq, at))
        return seq < at ? sne + 1 : sne;
    return seq > at ? sne - 1 : sne;
}

/* ---- Which key ---- */

static bool fits(const struct weir_ao_key *key, const struct flow *flow)
{
    return (key->local_port == 0 || key->local_port == flow->lport) &&
           (key->remote_port == 0 || key->remote_port == flow->rport) &&
           auth_in_prefix(&flow->peer, &key->peer, key->prefix_len);
}

enum ao_by {
    BY_ANY,
    BY_SEND_ID,
    BY_RECV_ID
};

static const struct weir_ao_key *find(const struct weir *weir, const struct flow *flow,
                                      enum ao_by by, unsigned id)
{
    for (unsigned i = 0; i < weir->ao_count; i++) {
        const struct weir_ao_key *key = &weir->ao_key[i];
        if ((by == BY_SEND_ID && key->send_id != id) || (by == BY_RECV_ID && key->recv_id != id))
            continue;
        if (fits(key, flow))
            return key;
    }
    return NULL;
}

bool ao_has(const struct weir *weir, const struct flow *flow)
{
    return weir->ao_count > 0 && find(weir, flow, BY_ANY, 0) != NULL;
}

bool ao_has_peer(const struct weir *weir, const struct weir_ip *peer, unsigned prefix_len)
{
    for (unsigned i = 0; i < weir->ao_count; i++)
        if (weir_ip_equal(&weir->ao_key[i].peer, peer) && weir->ao_key[i].prefix_len == prefix_len)
            return true;
    return false;
}

bool ao_begin(const struct weir *weir, const struct flow *flow, struct tcb *tcb,
              const struct tcp_opts *opts)
{
    const struct weir_ao_key *send = NULL, *recv = NULL;
    if (opts != NULL && (opts->present & TCP_OPT_AO)) {
        send = find(weir, flow, BY_SEND_ID, opts->ao_next);
        recv = find(weir, flow, BY_RECV_ID, opts->ao_key);
    }
    if (send == NULL)
        send = find(weir, flow, BY_ANY, 0);
    if (!tcp_signed(tcb, true))
        return false;
    *tcp_ao(tcb) = (struct tcp_ao){
        .current = send->send_id,
        .next = recv != NULL ? recv->recv_id : send->recv_id,
        .snd_at = tcb->iss,
        .rcv_at = tcb->irs,
        .irs_known = tcb->state != WEIR_SYN_SENT,
    };
    return true;
}

/* ---- Segments in ---- */

/* RCV.NXT has moved on since the last segment, by less than half of the space. */
static void follow(struct tcb *tcb, struct tcp_ao *ao)
{
    if (!ao->irs_known) {
        ao->rcv_at = tcb->irs;
        ao->rcv_sne = 0;
        ao->irs_known = true;
    }
    ao->rcv_sne = ao_sne(ao->rcv_sne, ao->rcv_at, tcb->rcv.nxt);
    ao->rcv_at = tcb->rcv.nxt;
}

/* The two initial numbers and the extension of an arrival. */
static void number(struct weir *weir, const struct arrival *in, uint32_t ref, struct ao_subject *s)
{
    const struct tcp_seg *seg = &in->seg;
    const unsigned tag = ref == DEMUX_NONE ? 0 : flow_ref_tag(ref);
    s->from_iss = seg->seq;
    if ((seg->flags & (TCP_SYN | TCP_ACK)) == TCP_SYN)
        return;
    if (tag == FLOW_SYNQ) {
        const struct synq_entry *entry = pool_at(&weir->synq, flow_ref_index(ref));
        s->from_iss = entry->irs;
        s->to_iss = entry->iss;
        s->sne = ao_sne(0, entry->irs, seg->seq);
        return;
    }
    if (tag == FLOW_CONN) {
        struct tcb *tcb = &conn_at(weir, flow_ref_index(ref))->tcb;
        s->to_iss = tcb->iss;
        if (tcb->state == WEIR_SYN_SENT || !tcb->has_ao)
            return;
        follow(tcb, tcp_ao(tcb));
        s->from_iss = tcb->irs;
        s->sne = ao_sne(tcp_ao(tcb)->rcv_sne, tcp_ao(tcb)->rcv_at, seg->seq);
        return;
    }
    /* Nobody knows it: at best the last ACK of a handshake by cookie, just behind both. */
    s->from_iss = seg->flags & TCP_SYN ? seg->seq : seg->seq - 1;
    s->to_iss = seg->ack - 1;
    s->sne = ao_sne(0, s->from_iss, seg->seq);
}

static bool is_right(struct weir *weir, const struct arrival *in, uint32_t ref,
                     const struct weir_ao_key *key)
{
    const struct tcp_seg *seg = &in->seg;
    const struct weir_span text = span_of(seg->text, seg->len);
    const uint8_t *head = in->packet.payload;
    struct ao_subject subject = {
        .from = &in->flow.peer,
        .to = &in->flow.local,
        .sport = in->flow.rport,
        .dport = in->flow.lport,
        .head = head,
        .head_len = (size_t)(seg->text - head),
        .text = &text,
        .count = 1,
    };
    uint8_t mac[TCP_AO_MAC], differs = 0;
    number(weir, in, ref, &subject);
    ao_mac(weir->config.crypto, key, &subject, mac);
    for (unsigned i = 0; i < sizeof mac; i++) /* in the same time wherever they differ */
        differs |= (uint8_t)(mac[i] ^ in->opts.mac[i]);
    return differs == 0;
}

enum weir_drop ao_check(struct weir *weir, const struct arrival *in, uint32_t ref)
{
    const bool is_signed = in->opts.present & TCP_OPT_AO;
    struct tcb *tcb = ref != DEMUX_NONE && flow_ref_tag(ref) == FLOW_CONN
                          ? &conn_at(weir, flow_ref_index(ref))->tcb
                          : NULL;
    const bool wanted = (tcb != NULL && tcb->has_ao) || ao_has(weir, &in->flow);
    if (!wanted)
        return is_signed ? WEIR_DROP_TCP_AO_UNEXPECTED : WEIR_DROP_NONE;
    if (!is_signed)
        return WEIR_DROP_TCP_AO_MISSING;
    const struct weir_ao_key *key = find(weir, &in->flow, BY_RECV_ID, in->opts.ao_key);
    if (key == NULL)
        return WEIR_DROP_TCP_AO_KEY;
    if (!is_right(weir, in, ref, key))
        return WEIR_DROP_TCP_AO_WRONG;
    /* RFC 5925, 7.5: the peer says with which key it wants to hear of us. */
    if (tcb != NULL && tcb->has_ao && in->opts.ao_next != tcp_ao(tcb)->current &&
        find(weir, &in->flow, BY_SEND_ID, in->opts.ao_next) != NULL)
        tcp_ao(tcb)->current = in->opts.ao_next;
    return WEIR_DROP_NONE;
}

/* ---- Segments out ---- */

static void sign(const struct weir *weir, const struct flow *flow, const struct weir_ao_key *key,
                 uint8_t next, struct ao_subject *s)
{
    s->from = &flow->local;
    s->to = &flow->peer;
    s->sport = flow->lport;
    s->dport = flow->rport;
    uint8_t *mac = wire_tcp_digest((uint8_t *)(uintptr_t)s->head);
    mac[-2] = key->send_id;
    mac[-1] = next;
    ao_mac(weir->config.crypto, key, s, mac);
}

void ao_sign(const struct weir *weir, const struct flow *flow, struct tcb *tcb, uint8_t *head,
             size_t head_len, const struct weir_span *text, unsigned count)
{
    struct tcp_ao *ao = tcp_ao(tcb);
    const struct weir_ao_key *key = find(weir, flow, BY_SEND_ID, ao->current);
    if (key == NULL) /* it was taken away: another of theirs, or what nobody believes */
        key = find(weir, flow, BY_ANY, 0);
    if (key == NULL)
        return;
    const seq32 seq = get_u32(head + 4);
    const bool first = (head[13] & (TCP_SYN | TCP_ACK)) == TCP_SYN;
    const uint32_t sne = ao_sne(ao->snd_sne, ao->snd_at, seq);
    struct ao_subject subject = {
        .from_iss = tcb->iss,
        .to_iss = first ? 0 : tcb->irs,
        .sne = sne,
        .head = head,
        .head_len = head_len,
        .text = text,
        .count = count,
    };
    if (seq_gt(seq, ao->snd_at)) {
        ao->snd_at = seq;
        ao->snd_sne = sne;
    }
    sign(weir, flow, key, ao->next, &subject);
}

/* The MAC is written into `head`. */
void ao_sign_reply(const struct weir *weir, const struct flow *flow, const struct tcp_seg *seg,
                   uint8_t *head, size_t head_len) /* NOLINT(readability-non-const-parameter) */
{
    const struct weir_ao_key *key = find(weir, flow, BY_ANY, 0);
    const seq32 iss = seg->flags & TCP_SYN ? seg->seq : seg->seq - 1;
    struct ao_subject subject = {
        .from_iss = iss,
        .to_iss = seg->ack - 1,
        .sne = ao_sne(0, iss, seg->seq),
        .head = head,
        .head_len = head_len,
    };
    sign(weir, flow, key, key->recv_id, &subject);
}

/* ---- The user's calls ---- */

static bool same_peers(const struct weir_ao_key *a, const struct weir_ao_key *b)
{
    return weir_ip_equal(&a->peer, &b->peer) && a->prefix_len == b->prefix_len &&
           a->local_port == b->local_port && a->remote_port == b->remote_port;
}

enum weir_error weir_ao_add(struct weir *weir, const struct weir_ao_key *key)
{
    const struct weir_crypto *crypto = weir->config.crypto;
    if (crypto == NULL || crypto->mac == NULL || key->mac >= WEIR_MAC_COUNT || key->key_len == 0 ||
        key->key_len > WEIR_KEY_MAX || key->prefix_len > (weir_ip_is_v4(&key->peer) ? 32u : 128u))
        return WEIR_INVALID;
    for (unsigned i = 0; i < weir->ao_count; i++)
        if (same_peers(&weir->ao_key[i], key) &&
            (weir->ao_key[i].send_id == key->send_id || weir->ao_key[i].recv_id == key->recv_id))
            return WEIR_INVALID;
    if (auth_has_peer(weir, &key->peer, key->prefix_len))
        return WEIR_INVALID;
    if (weir->ao_count == KEYS_MAX)
        return WEIR_NO_MEMORY;
    weir->ao_key[weir->ao_count++] = *key;
    return WEIR_OK;
}

enum weir_error weir_ao_remove(struct weir *weir, const struct weir_ao_key *key)
{
    for (unsigned i = 0; i < weir->ao_count; i++) {
        struct weir_ao_key *old = &weir->ao_key[i];
        if (!same_peers(old, key) || old->send_id != key->send_id || old->recv_id != key->recv_id)
            continue;
        memmove(old, old + 1,
                (--weir->ao_count - i) * sizeof *old); /* the order says which first */
        memset(&weir->ao_key[weir->ao_count], 0, sizeof *old);
        return WEIR_OK;
    }
    return WEIR_INVALID;
}

enum weir_error weir_ao_use(struct weir *weir, weir_handle handle, int send_id, int recv_id,
                            weir_time now)
{
    uint32_t index;
    struct conn *conn = conn_of(weir, handle, &index);
    if (conn == NULL)
        return WEIR_BAD_HANDLE;
    weir->now = now;
    if (!conn->tcb.has_ao)
        return WEIR_INVALID;
    const struct flow flow = flow_of_conn(weir, conn);
    if ((send_id >= 0 && find(weir, &flow, BY_SEND_ID, (unsigned)send_id) == NULL) ||
        (recv_id >= 0 && find(weir, &flow, BY_RECV_ID, (unsigned)recv_id) == NULL))
        return WEIR_INVALID;
    if (send_id >= 0)
        tcp_ao(&conn->tcb)->current = (uint8_t)send_id;
    if (recv_id >= 0)
        tcp_ao(&conn->tcb)->next = (uint8_t)recv_id;
    return WEIR_OK;
}

bool weir_ao_used(const struct weir *weir, weir_handle handle, uint8_t *send_id, uint8_t *recv_id)
{
    const struct conn *conn = conn_of(weir, handle, NULL);
    if (conn == NULL || !conn->tcb.has_ao)
        return false;
    *send_id = tcp_ao(&conn->tcb)->current;
    *recv_id = tcp_ao(&conn->tcb)->next;
    return true;
}
