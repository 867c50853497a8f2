/* SPDX-License-Identifier: MIT */

/* Two captures of the same connections, one at each end, made into one story.
 *
 * A segment is in both if the same octets of header say so. The clocks of both machines differ; the
 * quickest segment each way tells by how much, if the way there takes as long as the way back. Each
 * segment then leaves at the time of the capture near its sender, and was lost if the other never
 * saw it. Near is whose capture sees it first, by that clock. */

#include "trace.h"

#include "base/siphash.h"

#include <stdlib.h>
#include <string.h>

#define PACKETS_MAX 4194304u /* of both files */
#define KEPT_OCTETS 120u     /* of a packet: IP and TCP with their options */
#define NOBODY      UINT32_MAX

struct kept {
    int64_t when;
    uint64_t number, key;
    uint32_t whole_len, len, link, other, next; /* other: in the other file; next: in its bucket */
    uint16_t after;                             /* octets before IP */
    bool forward;                               /* from the end with the smaller address */
    uint8_t data[KEPT_OCTETS];
    char *comment;
};

struct side {
    struct kept *packets;
    uint32_t count, room;
    struct capture_about about;
};

struct merging {
    struct trace *trace;
    struct side side[2];
    int64_t offset;        /* to be added to the second's times */
    bool first_is_forward; /* the first capture is near the end with the smaller address */
};

struct signature {
    struct weir_ip from, to;
    uint16_t ports[2], flags, ip_id;
    uint32_t seq, ack, len, tsval, tsecr, window;
};

static uint64_t key_of(const struct packet *packet)
{
    static const struct siphash_key key = { 1, 2 };
    struct signature signature;
    memset(&signature, 0, sizeof signature); /* its padding is hashed too */
    signature.from = packet->from.ip;
    signature.to = packet->to.ip;
    signature.ports[0] = packet->from.port;
    signature.ports[1] = packet->to.port;
    signature.flags = packet->tcp.flags;
    signature.ip_id = packet->ip_id;
    signature.seq = packet->tcp.seq;
    signature.ack = packet->tcp.ack;
    signature.len = packet->tcp.len;
    signature.tsval = packet->tcp.tsval;
    signature.tsecr = packet->tcp.tsecr;
    signature.window = packet->tcp.window;
    return siphash13(&key, &signature, sizeof signature);
}

static bool is_forward(const struct packet *packet)
{
    const int order = memcmp(&packet->from.ip, &packet->to.ip, sizeof packet->from.ip);
    return order < 0 || (order == 0 && packet->from.port < packet->to.port);
}

static bool keep(struct side *side, const struct capture_frame *frame, const struct packet *packet)
{
    if (side->count == side->room) {
        const uint32_t room = side->room != 0 ? 2 * side->room : 1024;
        struct kept *packets =
            room <= PACKETS_MAX ? realloc(side->packets, room * sizeof *packets) : NULL;
        if (packets == NULL)
            return false;
        side->packets = packets;
        side->room = room;
    }
    struct kept *kept = &side->packets[side->count++];
    const uint32_t before = (uint32_t)(packet->ip - frame->data);
    const uint32_t len = frame->len - before;
    *kept = (struct kept){
        .when = frame->when,
        .number = frame->number,
        .key = packet->kind == PACKET_TCP ? key_of(packet) : frame->number,
        .whole_len = frame->whole_len - before,
        .len = len < KEPT_OCTETS ? len : KEPT_OCTETS,
        .link = CAPTURE_RAW,
        .other = NOBODY,
        .forward = is_forward(packet),
        .comment = frame->comment[0] != '\0' ? strdup(frame->comment) : NULL,
    };
    memcpy(kept->data, packet->ip, kept->len);
    return true;
}

static bool read_side(struct merging *merging, unsigned index, const char *path, bool progress)
{
    struct trace *trace = merging->trace;
    struct side *side = &merging->side[index];
    struct trace_progress bar;
    enum capture_result result;
    struct capture_file *file = capture_open(path, trace->why);
    struct capture_frame *frame = malloc(sizeof *frame);
    bool room = frame != NULL;
    if (file == NULL || frame == NULL) {
        capture_close(file);
        free(frame);
        return false;
    }
    trace_progress_begin(&bar, progress);
    while (room && (result = capture_next(file, frame, trace->why)) == CAPTURE_FRAME) {
        struct packet packet;
        packet_dissect(frame, &packet);
        if (packet.ip != NULL && (packet.kind == PACKET_TCP || packet.kind == PACKET_ICMP))
            room = keep(side, frame, &packet);
        trace_progress(&bar, file);
    }
    trace_progress_end(&bar);
    if (!room)
        snprintf(trace->why, sizeof trace->why, "too much to be put together");
    trace->damaged |= !room || result == CAPTURE_DAMAGED;
    side->about = *capture_about(file);
    capture_close(file);
    free(frame);
    return room;
}

/* ---- Pairs ---- */

/* Each packet of the first with the first of the second that is alike and has no partner. */
static bool pair_up(struct merging *merging)
{
    struct side *a = &merging->side[0], *b = &merging->side[1];
    uint32_t buckets = 1024;
    while (buckets < b->count)
        buckets *= 2;
    uint32_t *bucket = malloc(buckets * sizeof *bucket);
    if (bucket == NULL)
        return false;
    for (uint32_t i = 0; i < buckets; i++)
        bucket[i] = NOBODY;
    for (uint32_t i = b->count; i-- > 0;) { /* from the last, so that the first comes first */
        uint32_t *at = &bucket[b->packets[i].key & (buckets - 1)];
        b->packets[i].next = *at;
        *at = i;
    }
    for (uint32_t i = 0; i < a->count; i++) {
        uint32_t *at = &bucket[a->packets[i].key & (buckets - 1)];
        while (*at != NOBODY && b->packets[*at].key != a->packets[i].key)
            at = &b->packets[*at].next;
        if (*at == NOBODY)
            continue;
        a->packets[i].other = *at;
        b->packets[*at].other = i;
        *at = b->packets[*at].next;
        merging->trace->matched++;
    }
    free(bucket);
    return true;
}

/* The quickest each way, on the second's clock minus the first's. */
static void find_clock(struct merging *merging)
{
    int64_t least[2] = { INT64_MAX, INT64_MAX }, most[2] = { INT64_MIN, INT64_MIN };
    const struct side *a = &merging->side[0], *b = &merging->side[1];
    for (uint32_t i = 0; i < a->count; i++) {
        const struct kept *kept = &a->packets[i];
        if (kept->other == NOBODY)
            continue;
        const int64_t later = b->packets[kept->other].when - kept->when;
        if (later < least[kept->forward])
            least[kept->forward] = later;
        if (later > most[kept->forward])
            most[kept->forward] = later;
    }
    if (least[0] == INT64_MAX || least[1] == INT64_MAX) {
        /* One direction only: no way to tell a slow path from a slow clock. */
        const bool forward = least[0] == INT64_MAX;
        merging->first_is_forward = true;
        merging->offset = least[forward] == INT64_MAX ? 0 : -least[forward];
        return;
    }
    /* Of the end that is near the first capture, packets come later in the second. */
    merging->first_is_forward = least[1] > least[0];
    const unsigned out = merging->first_is_forward, back = !out;
    merging->offset = -(least[out] + most[back]) / 2;
    merging->trace->clock_offset = -merging->offset;
}

/* ---- One story ---- */

struct leaving {
    int64_t when;
    uint32_t index;
    uint8_t side;
};

static int by_time(const void *a, const void *b)
{
    const struct leaving *x = a, *y = b;
    if (x->when != y->when)
        return x->when < y->when ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

static int64_t time_of(const struct merging *merging, unsigned side, const struct kept *kept)
{
    return kept->when + (side == 1 ? merging->offset : 0);
}

static bool is_near_sender(const struct merging *merging, unsigned side, const struct kept *kept)
{
    return (side == 0) == (merging->first_is_forward == kept->forward);
}

static void tell(struct merging *merging, const struct leaving *leaving,
                 struct capture_frame *frame)
{
    struct trace *trace = merging->trace;
    const struct kept *kept = &merging->side[leaving->side].packets[leaving->index];
    struct flow_passage passage = { .delivery = FLOW_LOST };
    struct packet packet;
    if (kept->other != NOBODY) {
        const struct kept *other = &merging->side[!leaving->side].packets[kept->other];
        passage.delivery = FLOW_ARRIVED;
        passage.arrived = time_of(merging, !leaving->side, other);
    } else if (!is_near_sender(merging, leaving->side, kept)) {
        passage.delivery = FLOW_FOREIGN;
    }
    if (kept->other == NOBODY && leaving->side == 0)
        trace->only_first++;
    else if (kept->other == NOBODY)
        trace->only_second++;
    *frame = (struct capture_frame){ .number = kept->number,
                                     .when = leaving->when,
                                     .link = kept->link,
                                     .data = kept->data,
                                     .len = kept->len,
                                     .whole_len = kept->whole_len };
    if (kept->comment != NULL)
        snprintf(frame->comment, sizeof frame->comment, "%s", kept->comment);
    packet_dissect(frame, &packet);
    (void)flow_table_add(&trace->table, frame, &packet, &passage);
}

static bool tell_all(struct merging *merging)
{
    const size_t most = (size_t)merging->side[0].count + merging->side[1].count;
    struct leaving *leaving = malloc((most + 1) * sizeof *leaving);
    struct capture_frame *frame = malloc(sizeof *frame);
    size_t count = 0;
    if (leaving == NULL || frame == NULL) {
        free(leaving);
        free(frame);
        return false;
    }
    for (unsigned s = 0; s < 2; s++)
        for (uint32_t i = 0; i < merging->side[s].count; i++) {
            const struct kept *kept = &merging->side[s].packets[i];
            if (kept->other != NOBODY && !is_near_sender(merging, s, kept))
                continue; /* its partner tells */
            leaving[count++] = (struct leaving){ time_of(merging, s, kept), i, (uint8_t)s };
        }
    qsort(leaving, count, sizeof *leaving, by_time);
    for (size_t i = 0; i < count; i++)
        tell(merging, &leaving[i], frame);
    free(leaving);
    free(frame);
    return true;
}

static void side_free(struct side *side)
{
    for (uint32_t i = 0; i < side->count; i++)
        free(side->packets[i].comment);
    free(side->packets);
}

bool trace_merge(struct trace *trace, const struct trace_want *want)
{
    struct merging merging = { .trace = trace };
    bool good = read_side(&merging, 0, want->path, want->progress) &&
                read_side(&merging, 1, want->second, want->progress);
    if (good) {
        good = pair_up(&merging);
        if (good)
            find_clock(&merging);
        good = good && tell_all(&merging);
        if (!good)
            snprintf(trace->why, sizeof trace->why, "no memory");
    }
    flow_table_finish(&trace->table);
    trace->merged = true;
    trace->about = merging.side[0].about;
    for (size_t i = 0; i < trace->table.count; i++)
        if (trace->table.flows[i]->first < trace->about.first)
            trace->about.first = trace->table.flows[i]->first;
    trace->about.frames += merging.side[1].about.frames;
    trace->about.snapped += merging.side[1].about.snapped;
    trace->about.octets += merging.side[1].about.octets;
    side_free(&merging.side[0]);
    side_free(&merging.side[1]);
    return good;
}
