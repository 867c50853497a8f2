/* SPDX-License-Identifier: MIT */
#include "recorder.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#define NO_CONN UINT32_MAX

static bool ring_add(struct recorder_ring *ring, const struct weir_record *record)
{
    if (ring->count == ring->room) {
        const size_t room = ring->room != 0 ? 2 * ring->room : 4096;
        struct weir_record *more =
            room <= RECORDER_RECORDS_MAX ? realloc(ring->record, room * sizeof *more) : NULL;
        if (more == NULL)
            return false;
        ring->record = more;
        ring->room = room;
    }
    ring->record[ring->count++] = *record;
    return true;
}

struct taking {
    struct recorder *recorder;
    const struct sight_client *client;
    struct recorder_ring *ring;
    bool all;
};

static bool on_record(void *user, const struct weir_record *record)
{
    struct taking *taking = user;
    if (!ring_add(taking->ring, record))
        taking->recorder->beyond++;
    return true;
}

static bool same_numbers(const struct recorder_seen *a, const struct recorder_seen *b)
{
    return a->iss == b->iss && a->local.port == b->local.port && a->remote.port == b->remote.port &&
           weir_ip_equal(&a->local.ip, &b->local.ip) && weir_ip_equal(&a->remote.ip, &b->remote.ip);
}

/* The place that says which of `seen` a number was last; NULL without memory. */
static uint32_t *newest_of(struct recorder *recorder, uint32_t conn)
{
    if (conn >= RECORDER_SEEN_MAX)
        return NULL;
    if (conn >= recorder->newest_count) {
        const size_t count = (size_t)conn + 1024;
        uint32_t *newest = realloc(recorder->newest, count * sizeof *newest);
        if (newest == NULL)
            return NULL;
        memset(newest + recorder->newest_count, 0,
               (count - recorder->newest_count) * sizeof *newest);
        recorder->newest = newest;
        recorder->newest_count = count;
    }
    return &recorder->newest[conn];
}

static void seen_add(struct recorder *recorder, const struct recorder_seen *one)
{
    uint32_t *newest = one->conn != NO_CONN ? newest_of(recorder, one->conn) : NULL;
    if (newest != NULL && *newest != 0 && same_numbers(&recorder->seen[*newest - 1], one))
        return;
    if (recorder->seen_count == recorder->seen_room) {
        const size_t room = recorder->seen_room != 0 ? 2 * recorder->seen_room : 256;
        struct recorder_seen *seen =
            room <= RECORDER_SEEN_MAX ? realloc(recorder->seen, room * sizeof *seen) : NULL;
        if (seen == NULL) {
            recorder->beyond++;
            return;
        }
        recorder->seen = seen;
        recorder->seen_room = room;
    }
    recorder->seen[recorder->seen_count++] = *one;
    if (newest != NULL)
        *newest = (uint32_t)recorder->seen_count;
}

static bool on_flow(void *user, const struct sight_flow *flow)
{
    struct taking *taking = user;
    const struct sight_head *head = &flow->head;
    const struct sight_tail *tail = &flow->tail;
    if (head->protocol != IPPROTO_TCP || head->state == WEIR_LISTEN ||
        (head->handle == 0 && !taking->all))
        return true;
    const struct recorder_seen one = {
        .conn = head->handle != 0 ? (uint32_t)head->handle : NO_CONN,
        .local = { head->local, head->lport, head->iface },
        .remote = { head->remote, head->rport, head->iface },
        .iss = tail->iss,
        .snd_nxt = tail->snd_nxt,
        .rcv_nxt = tail->rcv_nxt,
        .when = taking->client->now,
        .mss = (uint16_t)flow->info.tcpi_advmss,
        .peer_mss = (uint16_t)flow->info.tcpi_snd_mss,
        .snd_wscale = tail->snd_wscale,
        .rcv_wscale = tail->rcv_wscale,
        .timestamps = tail->timestamps != 0,
        .sack = tail->sack != 0,
        .wscale = (tail->snd_wscale | tail->rcv_wscale) != 0,
        .passive = tail->passive != 0,
    };
    seen_add(taking->recorder, &one);
    return true;
}

int recorder_look(struct recorder *recorder, struct sight_client *client, bool all)
{
    struct taking taking = { recorder, client, NULL, all };
    struct sight_request request = { .want = SIGHT_WANT_INFO | SIGHT_WANT_TAIL,
                                     .states = (1u << WEIR_STATE_COUNT) - 1 };
    int error = 0;
    for (unsigned i = 0; i < 2 && error == 0; i++) {
        taking.ring = &recorder->ring[i];
        error = sight_stream(client, (enum weir_trace_ring)i, &recorder->ring[i].cursor, on_record,
                             &taking);
        recorder->ring[i].lost += client->lost;
    }
    if (error == 0 && !client->secrets)
        return -EPERM;
    if (error == 0)
        error = sight_snapshot(client, &request, on_flow, &taking);
    recorder->epoch = client->epoch;
    return error;
}

void recorder_free(struct recorder *recorder)
{
    free(recorder->ring[0].record);
    free(recorder->ring[1].record);
    free(recorder->seen);
    free(recorder->newest);
    *recorder = (struct recorder){ .epoch = 0 };
}
