/* SPDX-License-Identifier: MIT */

/* What was taken from a flight recorder, put together: which number was which connection when. */

#include "recorder.h"

#include "base/seq.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NO_CONN   UINT32_MAX
#define HEADS_V4  40u /* octets before the payload, options aside */
#define HEADS_V6  60u
#define OWN_MAX   64
#define SHIFT_MAX 14 /* RFC 7323, 2.3 */

/* ---- Lives of numbers ---- */

struct life {
    uint32_t conn, iss, irs, snd_nxt, rcv_nxt;
    int64_t born;
    bool birth, passive, sent; /* birth: it was recorded */
    struct recorder_seen seen; /* what is known of it */
    bool known, agreed;        /* its addresses; what both ends agreed on */
    char story[128];           /* what happened since the last segment */
};

struct building {
    struct recorder *recorder;
    struct flow_table *table;
    struct life *life; /* by number, then birth */
    size_t count;
    size_t *by_irs, *by_rcv; /* the same in other orders */
    uint64_t number;
    struct weir_ip own[OWN_MAX]; /* addresses of the instance, as far as its connections tell */
    size_t own_count;
};

static int by_conn(const void *a, const void *b)
{
    const struct life *x = a, *y = b;
    if (x->conn != y->conn)
        return x->conn < y->conn ? -1 : 1;
    return x->born < y->born ? -1 : x->born > y->born;
}

/* The life of a number at a moment; its first for what is older than its birth (a segment's time is
 * that of its frame, a birth's that of the call). */
static struct life *life_at(const struct building *building, uint32_t conn, int64_t when)
{
    size_t low = 0, high = building->count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const struct life *at = &building->life[middle];
        if (at->conn < conn || (at->conn == conn && at->born <= when))
            low = middle + 1;
        else
            high = middle;
    }
    if (low > 0 && building->life[low - 1].conn == conn)
        return &building->life[low - 1];
    if (low < building->count && building->life[low].conn == conn)
        return &building->life[low];
    return NULL;
}

static bool is_birth(const struct weir_record *record)
{
    return record->type == WEIR_REC_STATE &&
           (record->code == WEIR_CAUSE_OPEN || record->code == WEIR_CAUSE_PASSIVE);
}

static struct life life_of(const struct weir_record *record)
{
    struct life life = { .conn = record->conn, .born = INT64_MIN };
    if (!is_birth(record))
        return life;
    life.born = record->when;
    life.birth = true;
    life.passive = record->code == WEIR_CAUSE_PASSIVE;
    life.iss = record->seq;
    life.irs = record->ack - 1;
    return life;
}

/* Births of the story, and of each number one before all, for what it was at the beginning. */
static bool find_lives(struct building *building)
{
    const struct recorder *recorder = building->recorder;
    const struct recorder_ring *story = &recorder->ring[WEIR_TRACE_STORY];
    size_t room = recorder->newest_count;
    for (size_t i = 0; i < story->count; i++)
        room += is_birth(&story->record[i]);
    building->life = malloc((room + 1) * sizeof *building->life);
    if (building->life == NULL)
        return false;
    for (uint32_t conn = 0; conn < recorder->newest_count; conn++)
        building->life[building->count++] = life_of(&(struct weir_record){ .conn = conn });
    for (size_t i = 0; i < story->count; i++)
        if (is_birth(&story->record[i]))
            building->life[building->count++] = life_of(&story->record[i]);
    qsort(building->life, building->count, sizeof *building->life, by_conn);
    return true;
}

/* What each life sent last says where its numbers end. */
static void find_ends(struct building *building)
{
    const struct recorder_ring *flow = &building->recorder->ring[WEIR_TRACE_FLOW];
    for (size_t i = 0; i < flow->count; i++) {
        const struct weir_record *record = &flow->record[i];
        struct life *life = record->type == WEIR_REC_SEG_OUT && record->conn != NO_CONN
                                ? life_at(building, record->conn, record->when)
                                : NULL;
        if (life == NULL)
            continue;
        const uint32_t after = record->seq + record->value + ((record->flags & PACKET_SYN) != 0) +
                               ((record->flags & PACKET_FIN) != 0);
        if (!life->sent || seq_gt(after, life->snd_nxt))
            life->snd_nxt = after;
        if (!life->passive && life->irs == UINT32_MAX && (record->flags & PACKET_ACK) != 0)
            life->irs = record->ack - 1;
        life->sent = true;
        life->rcv_nxt = record->ack;
    }
}

/* qsort has no argument for the lives, so what is sorted carries its key. */
struct keyed {
    uint32_t key;
    size_t life;
};

static int by_key(const void *a, const void *b)
{
    const struct keyed *x = a, *y = b;
    return x->key < y->key ? -1 : x->key > y->key;
}

static size_t *index_by(const struct building *building, bool irs)
{
    struct keyed *keyed = malloc((building->count + 1) * sizeof *keyed);
    size_t *index = malloc((building->count + 1) * sizeof *index);
    for (size_t i = 0; keyed != NULL && i < building->count; i++)
        keyed[i] = (struct keyed){ irs ? building->life[i].irs : building->life[i].rcv_nxt, i };
    if (keyed != NULL)
        qsort(keyed, building->count, sizeof *keyed, by_key);
    for (size_t i = 0; keyed != NULL && index != NULL && i < building->count; i++)
        index[i] = keyed[i].life;
    if (keyed == NULL) {
        free(index);
        index = NULL;
    }
    free(keyed);
    return index;
}

static size_t first_of(const struct building *building, const size_t *index, bool irs, uint32_t key)
{
    size_t low = 0, high = building->count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const struct life *at = &building->life[index[middle]];
        if ((irs ? at->irs : at->rcv_nxt) < key)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The life that took over from a half-open entry. `iss` is not asked for a SYN. */
static struct life *by_handshake(const struct building *building, uint32_t irs, const uint32_t *iss)
{
    for (size_t i = first_of(building, building->by_irs, true, irs); i < building->count; i++) {
        struct life *life = &building->life[building->by_irs[i]];
        if (life->irs != irs)
            break;
        if (life->birth && life->passive && (iss == NULL || life->iss == *iss))
            return life;
    }
    return NULL;
}

/* The life that a TIME-WAIT entry, or one without an owner, is left of. */
static struct life *by_end(const struct building *building, uint32_t snd_nxt, uint32_t rcv_nxt)
{
    for (size_t i = first_of(building, building->by_rcv, false, rcv_nxt); i < building->count;
         i++) {
        struct life *life = &building->life[building->by_rcv[i]];
        if (life->rcv_nxt != rcv_nxt)
            break;
        if (life->sent && life->snd_nxt == snd_nxt)
            return life;
    }
    return NULL;
}

/* ---- Names ---- */

/* The life that a snapshot saw: of the number it had then, else by its sequence numbers. */
static struct life *life_seen(const struct building *building, const struct recorder_seen *seen)
{
    if (seen->conn == NO_CONN)
        return by_end(building, seen->snd_nxt, seen->rcv_nxt);
    struct life *life = life_at(building, seen->conn, seen->when);
    return life != NULL && (!life->birth || life->iss == seen->iss) ? life : NULL;
}

static void name_lives(struct building *building)
{
    const struct recorder *recorder = building->recorder;
    for (size_t i = 0; i < recorder->seen_count; i++) {
        struct life *life = life_seen(building, &recorder->seen[i]);
        if (life == NULL)
            continue;
        life->known = life->agreed = true;
        life->seen = recorder->seen[i];
    }
}

static void take_word(struct weir_ip *ip, unsigned at, uint32_t word)
{
    for (unsigned i = 0; i < 4; i++)
        ip->octet[at + i] = (uint8_t)(word >> (24 - 8 * i));
}

static void take_end(struct life *life, const struct weir_record *record)
{
    const bool local = record->type == WEIR_REC_LOCAL;
    struct weir_addr *addr = local ? &life->seen.local : &life->seen.remote;
    take_word(&addr->ip, 0, record->seq);
    take_word(&addr->ip, 4, record->ack);
    take_word(&addr->ip, 8, record->value);
    take_word(&addr->ip, 12, (uint32_t)record->window << 16 | record->extra);
    addr->port = record->code;
    addr->iface = record->flags;
    life->known = !local;
}

/* What was agreed on is known from the handshake's end on. */
static void take_agreed(struct life *life, const struct weir_record *record)
{
    if (record->extra < WEIR_ESTABLISHED || record->extra >= WEIR_CLOSED)
        return;
    life->agreed = true;
    life->seen.sack = (record->value & WEIR_AGREED_SACK) != 0;
    life->seen.timestamps = (record->value & WEIR_AGREED_TS) != 0;
    life->seen.wscale = (record->value & WEIR_AGREED_WSCALE) != 0;
    life->seen.snd_wscale = (uint8_t)(record->window >> 8);
    life->seen.rcv_wscale = (uint8_t)record->window;
}

/* The records of a birth say the addresses, whoever has looked. */
static void name_by_records(struct building *building)
{
    const struct recorder_ring *story = &building->recorder->ring[WEIR_TRACE_STORY];
    for (size_t i = 0; i < story->count; i++) {
        const struct weir_record *record = &story->record[i];
        struct life *life =
            record->conn != NO_CONN ? life_at(building, record->conn, record->when) : NULL;
        if (life == NULL)
            continue;
        if (record->type == WEIR_REC_STATE)
            take_agreed(life, record);
        else if (life->birth && (record->type == WEIR_REC_LOCAL || record->type == WEIR_REC_REMOTE))
            take_end(life, record);
    }
}

static bool is_own(const struct building *building, const struct weir_ip *ip)
{
    for (size_t i = 0; i < building->own_count; i++)
        if (weir_ip_equal(&building->own[i], ip))
            return true;
    return false;
}

/* What an instance says to itself it records twice: as it leaves, and as it comes. */
static void find_own(struct building *building)
{
    for (size_t i = 0; i < building->count && building->own_count < OWN_MAX; i++) {
        const struct life *life = &building->life[i];
        if (life->known && !is_own(building, &life->seen.local.ip))
            building->own[building->own_count++] = life->seen.local.ip;
    }
}

/* Whose segment this is; NULL: nobody knows. */
static struct life *life_of_segment(const struct building *building,
                                    const struct weir_record *record)
{
    const bool in = record->type == WEIR_REC_SEG_IN;
    const uint32_t first = in ? record->ack - 1 : record->seq;
    if (record->conn != NO_CONN)
        return life_at(building, record->conn, record->when);
    if (in && (record->flags & (PACKET_SYN | PACKET_ACK)) == PACKET_SYN)
        return by_handshake(building, record->seq, NULL);
    struct life *life = by_handshake(building, (in ? record->seq : record->ack) - 1, &first);
    if (life != NULL)
        return life;
    if (!in)
        return by_end(building, record->seq, record->ack);
    life = by_end(building, record->ack, record->seq);
    return life != NULL ? life : by_end(building, record->ack, record->seq + 1);
}

/* ---- Flows ---- */

/* What is no segment is told beside the next one of its connection. */
static void note_story(struct building *building, const struct weir_record *record)
{
    struct life *life =
        record->conn != NO_CONN ? life_at(building, record->conn, record->when) : NULL;
    if (life == NULL)
        return;
    const size_t len = strlen(life->story), room = sizeof life->story - len;
    char *to = life->story + len;
    const char *between = len > 0 ? "; " : "";
    if (record->type == WEIR_REC_TIMER)
        snprintf(to, room, "%stimer: %s, back-off %u", between, weir_timer_text(record->code),
                 record->value);
    else if (record->type == WEIR_REC_STATE && record->code >= WEIR_CAUSE_TIMEOUT_ORPHAN)
        snprintf(to, room, "%s%s: %s", between, weir_state_text(record->extra),
                 weir_cause_text(record->code)); /* others follow from the segments */
    else if (record->type == WEIR_REC_RECOVERY)
        snprintf(to, room, "%s%s recovery", between, record->flags != 0 ? "enters" : "leaves");
}

/* What everybody expects of such a segment needs no words. */
static bool is_plain(const struct weir_record *record)
{
    if (record->type == WEIR_REC_SEG_IN)
        return record->code == WEIR_DROP_NONE;
    return record->code == WEIR_WHY_NEW_DATA || record->code == WEIR_WHY_ACK ||
           record->code == WEIR_WHY_SYN || record->code == WEIR_WHY_SYN_ACK ||
           record->code == WEIR_WHY_FIN || record->code == WEIR_WHY_NONE;
}

static void comment(char *to, size_t room, const struct weir_record *record, struct life *life)
{
    const bool in = record->type == WEIR_REC_SEG_IN;
    const char *what = is_plain(record) ? ""
                       : in             ? weir_drop_text(record->code)
                                        : weir_why_text(record->code);
    snprintf(to, room, "%s%s%s%s%s%s", in && what[0] != '\0' ? "dropped: " : "", what,
             life->story[0] != '\0' && what[0] != '\0' ? " " : "",
             life->story[0] != '\0' ? "[" : "", life->story, life->story[0] != '\0' ? "]" : "");
    life->story[0] = '\0';
}

static uint8_t shift_of(uint8_t said)
{
    return said < SHIFT_MAX ? said : SHIFT_MAX;
}

static void put_options(struct packet_tcp *tcp, const struct life *life, bool in)
{
    const struct recorder_seen *seen = &life->seen;
    if ((tcp->flags & PACKET_SYN) == 0)
        return;
    const uint8_t wscale = shift_of(in ? seen->snd_wscale : seen->rcv_wscale);
    if (!life->agreed)
        return;
    tcp->options =
        (uint8_t)((seen->mss != 0 ? PACKET_HAS_MSS : 0) | (seen->sack ? PACKET_HAS_SACK_OK : 0) |
                  (seen->timestamps ? PACKET_HAS_TS : 0) | (seen->wscale ? PACKET_HAS_WSCALE : 0));
    tcp->wscale = wscale;
    tcp->mss = in ? seen->peer_mss : seen->mss;
}

/* A connection that is older than the records: its SYNs, which said how windows are scaled, are
 * gone. */
static void put_scales(struct flow *flow, const struct recorder_seen *seen)
{
    for (unsigned i = 0; i < 2; i++) {
        struct flow_end *end = &flow->end[i];
        const bool local =
            end->addr.port == seen->local.port && weir_ip_equal(&end->addr.ip, &seen->local.ip);
        if (end->syn || !seen->wscale)
            continue;
        end->options |= PACKET_HAS_WSCALE | (seen->sack ? PACKET_HAS_SACK_OK : 0);
        end->wscale = shift_of(local ? seen->rcv_wscale : seen->snd_wscale);
    }
}

static void add_segment(struct building *building, const struct weir_record *record,
                        struct capture_frame *frame)
{
    struct recorder *recorder = building->recorder;
    struct life *life = life_of_segment(building, record);
    const bool in = record->type == WEIR_REC_SEG_IN;
    if (life == NULL || !life->known) {
        recorder->nameless++;
        return;
    }
    const struct recorder_seen *seen = &life->seen;
    if (in && is_own(building, &seen->remote.ip)) {
        recorder->twice++;
        return;
    }
    struct packet packet = {
        .kind = PACKET_TCP,
        .v6 = !weir_ip_is_v4(&seen->local.ip),
        .protocol = IPPROTO_TCP,
        .from = in ? seen->remote : seen->local,
        .to = in ? seen->local : seen->remote,
        .tcp = { .seq = record->seq,
                 .ack = record->ack,
                 .len = record->value,
                 .flags = record->flags,
                 .window = record->window },
    };
    const struct flow_passage passage = { .cwnd = in ? 0 : (uint32_t)record->extra << 10,
                                          .cwnd_quality = FACTS_EXACT };
    put_options(&packet.tcp, life, in);
    frame->number = ++building->number;
    frame->when = record->when + recorder->epoch;
    frame->len = frame->whole_len = record->value + (packet.v6 ? HEADS_V6 : HEADS_V4);
    comment(frame->comment, sizeof frame->comment, record, life);
    struct flow *flow = flow_table_add(building->table, frame, &packet, &passage);
    if (flow != NULL)
        flow->here = (uint8_t)(1 + (weir_ip_equal(&flow->end[1].addr.ip, &seen->local.ip) &&
                                    flow->end[1].addr.port == seen->local.port));
    if (flow != NULL && flow->packets == 1 && !flow->whole && life->agreed)
        put_scales(flow, seen);
    if (recorder->first == 0)
        recorder->first = frame->when;
    recorder->last = frame->when;
    recorder->octets += frame->whole_len;
}

/* Both rings in the order of time; what happened stands before the segment that it happened with.
 */
static bool replay(struct building *building)
{
    const struct recorder_ring *flow = &building->recorder->ring[WEIR_TRACE_FLOW];
    const struct recorder_ring *story = &building->recorder->ring[WEIR_TRACE_STORY];
    struct capture_frame *frame = calloc(1, sizeof *frame);
    if (frame == NULL)
        return false;
    for (size_t f = 0, s = 0; f < flow->count;) {
        if (s < story->count && story->record[s].when <= flow->record[f].when) {
            note_story(building, &story->record[s++]);
            continue;
        }
        const struct weir_record *record = &flow->record[f++];
        if (record->type == WEIR_REC_SEG_IN || record->type == WEIR_REC_SEG_OUT)
            add_segment(building, record, frame);
    }
    free(frame);
    return true;
}

bool recorder_flows(struct recorder *recorder, struct flow_table *table)
{
    struct building building = { .recorder = recorder, .table = table };
    bool good = find_lives(&building);
    if (good) {
        find_ends(&building);
        building.by_irs = index_by(&building, true);
        building.by_rcv = index_by(&building, false);
        good = building.by_irs != NULL && building.by_rcv != NULL;
    }
    if (good) {
        name_by_records(&building);
        name_lives(&building);
        find_own(&building);
        good = replay(&building);
        flow_table_finish(table);
    }
    free(building.life);
    free(building.by_irs);
    free(building.by_rcv);
    return good;
}
