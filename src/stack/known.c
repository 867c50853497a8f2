/* SPDX-License-Identifier: MIT */
#include "stack/known.h"

static struct tcp_known *set_of(const struct weir *weir, const struct weir_ip *peer)
{
    const uint64_t hash = siphash13(&weir->table_key, peer->octet, sizeof peer->octet);
    return &weir->known[hash & (weir->known_count - 1) & ~(uint64_t)(KNOWN_SET - 1)];
}

static struct tcp_known *find_in(struct tcp_known *set, const struct weir_ip *peer)
{
    for (unsigned i = 0; i < KNOWN_SET; i++)
        if (set[i].used && weir_ip_equal(&set[i].peer, peer))
            return &set[i];
    return NULL;
}

struct tcp_known *known_find(const struct weir *weir, const struct weir_ip *peer, uint32_t *number)
{
    struct tcp_known *known = find_in(set_of(weir, peer), peer);
    if (known != NULL)
        *number = (uint32_t)(known - weir->known);
    return known;
}

/* `*before` is when it was written to last, or `now` if it is new. */
static struct tcp_known *place_for(struct weir *weir, const struct weir_ip *peer, weir_time now,
                                   weir_time *before)
{
    struct tcp_known *set = set_of(weir, peer);
    struct tcp_known *place = find_in(set, peer);
    if (place == NULL) {
        place = set;
        for (unsigned i = 1; i < KNOWN_SET && place->used; i++) {
            struct tcp_known *other = &set[i];
            if (!other->used || other->learnt_at < place->learnt_at)
                place = other;
        }
        *place = (struct tcp_known){ .peer = *peer, .used = true, .learnt_at = now };
    }
    *before = place->learnt_at;
    place->learnt_at = now;
    return place;
}

struct tcp_known *known_place(struct weir *weir, const struct weir_ip *peer, weir_time now)
{
    weir_time before;
    return place_for(weir, peer, now, &before);
}

void weir_known_flush(struct weir *weir)
{
    for (uint32_t i = 0; i < weir->known_count; i++)
        weir->known[i] = (struct tcp_known){ .used = false };
}

static void recall(struct weir *weir, struct conn *conn, weir_time now)
{
    uint32_t number;
    const struct tcp_known *known = known_find(weir, &conn->peer, &number);
    if (known != NULL && now - known->learnt_at < KNOWN_TIME)
        tcp_known_recall(&conn->tcb, known);
}

static void learn(struct weir *weir, const struct conn *conn, weir_time now)
{
    weir_time before;
    struct tcp_known *known = place_for(weir, &conn->peer, now, &before);
    if (now - before >= KNOWN_TIME)
        known->measured = false;
    if (!known->measured) {
        known->srtt_us = known->rttvar_us = known->ssthresh = known->cwnd = 0;
        known->reordering = false;
    }
    tcp_known_learn(&conn->tcb, known);
}

/* As in Linux: what was reset or given up says nothing of the path. */
static bool ended_well(const struct tcb *tcb)
{
    return tcb->state == WEIR_TIME_WAIT || (tcb->state == WEIR_FIN_WAIT_2 && !tcb->owned) ||
           (tcb->state == WEIR_CLOSED && tcb->cause == WEIR_CAUSE_FIN_ACKED);
}

void known_settle(struct weir *weir, struct conn *conn, weir_time now)
{
    struct tcb *tcb = &conn->tcb;
    if (tcb->known == TCP_KNOWN_DONE || tcb->state < WEIR_ESTABLISHED ||
        (tcb->known != TCP_KNOWN_NOT && tcb->state == WEIR_ESTABLISHED))
        return;
    if (tcb->known == TCP_KNOWN_NOT) {
        tcb->known = TCP_KNOWN_RECALLED;
        if (tcb->state != WEIR_CLOSED)
            recall(weir, conn, now);
    }
    if (!ended_well(tcb))
        return;
    tcb->known = TCP_KNOWN_DONE;
    if (!weir->config.no_metrics_save)
        learn(weir, conn, now);
}
