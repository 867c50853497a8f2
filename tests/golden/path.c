/* SPDX-License-Identifier: MIT */
#include "golden/path.h"

#include "base/csum.h"
#include "base/prng.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define MTU        1500
#define MSS        1448
#define HEADS      52 /* IPv4, TCP and its timestamps */
#define PORT       5000
#define FRAMES_MAX 65536 /* on one way at a time; a power of two */
#define OUT_BATCH  16
#define SND_MAX    (4u << 20)
#define PURPOSE    77
#define APART      (10 * WEIR_MS)
#define WAYS       3
#define LATE_WAY   2 /* from side 0, too */

struct frame {
    weir_time at;
    uint32_t len;
    uint8_t data[MTU];
};

/* One way: what is on it arrives in the order it left. */
struct way {
    struct frame *frame;
    uint32_t head, tail;
};

struct side {
    struct weir *weir;
    void *memory;
    size_t size;
    unsigned iface;
};

struct path {
    const struct path_plan *plan;
    struct path_result *result;
    struct side side[2];  /* 0 sends */
    struct way way[WAYS]; /* by the side it leaves */
    weir_handle listener, sender[PATH_FLOWS];
    struct prng rng;
    weir_time now, busy_until, last_left;
    unsigned opened;
    uint64_t received;
    uint32_t losing; /* so many more are lost in a row */
    bool paused;
};

static void must(bool good)
{
    if (!good)
        abort();
}

/* What is never used is never touched, whatever malloc is told to do to find mistakes. */
static void *map(size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    must(memory != MAP_FAILED);
    return memory;
}

/* ---- The instances ---- */

static struct weir_ip address(unsigned side)
{
    return weir_ip_v4(10, 0, 0, (uint8_t)(side + 1));
}

static void side_init(struct path *path, unsigned side)
{
    struct side *s = &path->side[side];
    struct weir_config config;
    weir_config_default(&config);
    config.tcp_max = 2 * PATH_FLOWS;
    config.ring_chunks = 8192;
    if (!path->plan->own_windows)
        config.rcv_max = config.snd_max = config.snd_min = SND_MAX;
    config.trace_flow = config.trace_story = 64;
    config.ecn = path->plan->ecn;
    config.congestion = path->plan->congestion[0]; /* DCTCP is a matter of both ends */
    config.seed = path->plan->seed + side;
    for (unsigned i = 0; i < 8; i++)
        config.secret[i] = path->plan->seed * 31 + i;
    const size_t size = weir_memory_size(&config);
    s->memory = map(size);
    s->size = size;
    must(weir_init(&s->weir, s->memory, size, &config, path->now) == WEIR_OK);
    const struct weir_iface_config iface = { .medium = WEIR_IP_ONLY, .mtu = MTU };
    must(weir_iface_add(s->weir, &iface, &s->iface, path->now) == WEIR_OK);
    const struct weir_ip ip = address(side);
    must(weir_address_add(s->weir, s->iface, &ip, 24, path->now) == WEIR_OK);
}

/* ---- The wire ---- */

static uint32_t waiting(const struct path *path)
{
    const weir_time behind = path->busy_until > path->now ? path->busy_until - path->now : 0;
    return (uint32_t)((uint64_t)behind * path->plan->rate / (uint64_t)WEIR_SECOND);
}

static bool mark(struct frame *frame)
{
    uint8_t *ip = frame->data;
    if ((ip[1] & 3) == 0)
        return false;
    ip[1] |= 3;
    ip[10] = ip[11] = 0;
    const uint16_t sum = csum_fold(csum_add(0, ip, 20));
    ip[10] = (uint8_t)(sum >> 8);
    ip[11] = (uint8_t)sum;
    return true;
}

static void note_gap(struct path *path)
{
    if (path->now < path->plan->warm_up)
        return;
    const weir_time gap = path->now - path->last_left;
    if (gap < path->result->gap_least)
        path->result->gap_least = gap;
    path->last_left = path->now;
}

static bool is_lost(struct path *path)
{
    const struct path_plan *plan = path->plan;
    if (path->losing > 0) {
        path->losing--;
        return true;
    }
    if (plan->loss == 0 || path->now < plan->loss_from || !prng_chance(&path->rng, plan->loss))
        return false;
    path->losing = plan->loss_run > 1 ? plan->loss_run - 1 : 0;
    return true;
}

/* Whether the frame is carried to the receiver, and when it is there. */
static bool carry(struct path *path, struct frame *frame)
{
    const struct path_plan *plan = path->plan;
    struct path_result *result = path->result;
    const uint32_t queue = waiting(path);
    result->frames++;
    if (path->now >= plan->warm_up) {
        result->queue_sum += queue;
        result->queue_count++;
    }
    if (queue > result->queue_max)
        result->queue_max = queue;
    if (queue + frame->len > plan->buffer) {
        if (result->drops++ == 0)
            result->first_drop_acked = path->received;
        return false;
    }
    if (is_lost(path)) {
        result->lost++;
        return false;
    }
    if (plan->mark_at != 0 && queue > plan->mark_at && mark(frame))
        result->marks++;
    const weir_time begins = path->busy_until > path->now ? path->busy_until : path->now;
    path->busy_until =
        begins + (weir_time)((uint64_t)frame->len * (uint64_t)WEIR_SECOND / plan->rate);
    frame->at = path->busy_until + plan->rtt / 2;
    return true;
}

static void put(struct path *path, unsigned side, const struct weir_out *out)
{
    const bool late =
        side == 0 && path->plan->late != 0 && prng_chance(&path->rng, path->plan->late);
    struct way *way = &path->way[late ? LATE_WAY : side];
    struct frame *frame = &way->frame[way->tail % FRAMES_MAX];
    must(way->tail - way->head < FRAMES_MAX);
    memcpy(frame->data, out->head, out->head_len);
    frame->len = out->head_len;
    for (unsigned i = 0; i < out->span_count; i++) {
        memcpy(frame->data + frame->len, out->span[i].base, out->span[i].len);
        frame->len += (uint32_t)out->span[i].len;
    }
    frame->at = path->now + path->plan->rtt / 2;
    if (side == 0 && frame->len > MSS)
        note_gap(path);
    if (side == 1 || carry(path, frame)) {
        frame->at += late ? path->plan->late_by : 0;
        way->tail++;
    }
}

static void output(struct path *path, unsigned side)
{
    static struct weir_out out[OUT_BATCH];
    struct side *s = &path->side[side];
    size_t count;
    do {
        count = weir_output(s->weir, s->iface, out, OUT_BATCH, path->now);
        for (size_t i = 0; i < count; i++)
            put(path, side, &out[i]);
    } while (count == OUT_BATCH);
}

static void deliver(struct path *path, unsigned by)
{
    struct way *way = &path->way[by];
    while (way->head != way->tail && way->frame[way->head % FRAMES_MAX].at <= path->now) {
        const struct frame *frame = &way->frame[way->head++ % FRAMES_MAX];
        const struct weir_frame in = { .data = frame->data, .len = frame->len, .when = path->now };
        struct side *to = &path->side[by == 1 ? 0 : 1];
        weir_input(to->weir, to->iface, &in, 1, path->now);
    }
}

/* ---- The programs ---- */

static void open_due(struct path *path)
{
    const struct path_plan *plan = path->plan;
    const weir_time apart = plan->apart != 0 ? plan->apart : APART;
    while (path->opened < plan->flows && path->now >= apart * path->opened) {
        const struct weir_addr to = { .ip = address(1), .port = PORT };
        struct weir *weir = path->side[0].weir;
        weir_handle *handle = &path->sender[path->opened];
        must(weir_connect(weir, NULL, &to, handle, path->now) == WEIR_IN_PROGRESS);
        must(weir_set(weir, *handle, WEIR_OPT_CONGESTION, plan->congestion[path->opened],
                      path->now) == WEIR_OK);
        if (plan->pacing_max != 0)
            must(weir_set(weir, *handle, WEIR_OPT_MAX_PACING_RATE, (int64_t)plan->pacing_max,
                          path->now) == WEIR_OK);
        must(weir_set_cookie(weir, *handle, path->opened + 1) == WEIR_OK);
        path->opened++;
    }
}

/* Octets are never looked at: what stands in the ring is as good as any. */
static void fill(struct path *path, weir_handle conn)
{
    struct weir *weir = path->side[0].weir;
    for (;;) {
        struct weir_span span[WEIR_SPANS];
        unsigned count = WEIR_SPANS;
        if (path->paused || weir_send_room(weir, conn, SND_MAX, span, &count) != WEIR_OK)
            return;
        size_t len = 0;
        for (unsigned i = 0; i < count; i++)
            len += span[i].len;
        if (len == 0 || weir_send_put(weir, conn, len, 0, path->now) != WEIR_OK)
            return;
    }
}

static void drain(struct path *path, const struct weir_event *event)
{
    struct weir *weir = path->side[1].weir;
    for (;;) {
        struct weir_span span[WEIR_SPANS];
        unsigned count = WEIR_SPANS;
        if (weir_recv_view(weir, event->handle, span, &count) != WEIR_OK || count == 0)
            return;
        size_t len = 0;
        for (unsigned i = 0; i < count; i++)
            len += span[i].len;
        must(weir_recv_took(weir, event->handle, len, path->now) == WEIR_OK);
        path->received += len;
        if (path->now >= path->plan->warm_up && event->cookie > 0)
            path->result->flow[event->cookie - 1].octets += len;
    }
}

/* Which flow a connection is, by the port it comes from. */
static void accept_all(struct path *path)
{
    struct weir *weir = path->side[1].weir;
    weir_handle conn;
    while (weir_accept(weir, path->listener, &conn, path->now) == WEIR_OK) {
        struct weir_status theirs, ours;
        must(weir_status(weir, conn, &theirs) == WEIR_OK);
        for (unsigned i = 0; i < path->opened; i++) {
            must(weir_status(path->side[0].weir, path->sender[i], &ours) == WEIR_OK);
            if (ours.local.port == theirs.remote.port)
                must(weir_set_cookie(weir, conn, i + 1) == WEIR_OK);
        }
    }
}

static void programs(struct path *path)
{
    struct weir_event event;
    open_due(path);
    while (weir_next_event(path->side[0].weir, &event))
        if (event.ready & WEIR_WRITABLE)
            fill(path, event.handle);
    accept_all(path);
    while (weir_next_event(path->side[1].weir, &event))
        if (event.handle != path->listener && (event.ready & WEIR_READABLE))
            drain(path, &event);
}

static void pause_programs(struct path *path)
{
    const struct path_plan *plan = path->plan;
    const bool pause = plan->pause_for != 0 && path->now >= plan->pause_at &&
                       path->now < plan->pause_at + plan->pause_for;
    const bool over = path->paused && !pause;
    path->paused = pause;
    for (unsigned i = 0; over && i < path->opened; i++)
        fill(path, path->sender[i]);
}

/* ---- Time ---- */

static weir_time earliest(weir_time a, weir_time b)
{
    return a < b ? a : b;
}

static weir_time wake_at(const struct path_plan *plan, weir_time deadline)
{
    if (plan->coarse == 0 || deadline == WEIR_NEVER)
        return deadline;
    return (deadline + plan->coarse - 1) / plan->coarse * plan->coarse;
}

static weir_time next_time(const struct path *path)
{
    const struct path_plan *plan = path->plan;
    const weir_time apart = plan->apart != 0 ? plan->apart : APART;
    weir_time next = plan->duration;
    for (unsigned i = 0; i < WAYS; i++) {
        const struct way *way = &path->way[i];
        if (way->head != way->tail)
            next = earliest(next, way->frame[way->head % FRAMES_MAX].at);
    }
    for (unsigned i = 0; i < 2; i++)
        next = earliest(next, wake_at(plan, weir_deadline(path->side[i].weir)));
    if (path->opened < plan->flows)
        next = earliest(next, apart * path->opened);
    if (plan->pause_for != 0 && path->now < plan->pause_at)
        next = earliest(next, plan->pause_at);
    if (path->paused)
        next = earliest(next, plan->pause_at + plan->pause_for);
    return next > path->now ? next : path->now;
}

static void step(struct path *path)
{
    pause_programs(path);
    for (unsigned i = 0; i < WAYS; i++)
        deliver(path, i);
    weir_timeout(path->side[0].weir, path->now);
    weir_timeout(path->side[1].weir, path->now);
    programs(path);
    output(path, 0);
    output(path, 1);
}

void path_run(const struct path_plan *plan, struct path_result *result)
{
    static struct path path;
    path = (struct path){ .plan = plan, .result = result };
    *result = (struct path_result){ .gap_least = WEIR_NEVER };
    prng_init(&path.rng, plan->seed, PURPOSE, 0);
    for (unsigned i = 0; i < WAYS; i++)
        path.way[i].frame = map(FRAMES_MAX * sizeof(struct frame));
    for (unsigned i = 0; i < 2; i++)
        side_init(&path, i);
    const struct weir_addr any = { .port = PORT };
    must(weir_listen(path.side[1].weir, &any, 128, 0, &path.listener) == WEIR_OK);
    while (path.now < plan->duration) {
        step(&path);
        path.now = next_time(&path);
    }
    for (unsigned i = 0; i < path.opened; i++)
        must(weir_status(path.side[0].weir, path.sender[i], &result->flow[i].status) == WEIR_OK);
    for (unsigned i = 0; i < WAYS; i++)
        munmap(path.way[i].frame, FRAMES_MAX * sizeof(struct frame));
    for (unsigned i = 0; i < 2; i++)
        munmap(path.side[i].memory, path.side[i].size);
}

/* ---- What came of it ---- */

uint32_t path_bdp(const struct path_plan *plan)
{
    return (uint32_t)(plan->rate * (uint64_t)plan->rtt / (uint64_t)WEIR_SECOND);
}

double path_use(const struct path_plan *plan, const struct path_result *result)
{
    double sum = 0;
    for (unsigned i = 0; i < plan->flows; i++)
        sum += (double)result->flow[i].octets;
    const double seconds = (double)(plan->duration - plan->warm_up) / 1e9;
    return sum / ((double)plan->rate * seconds * MSS / (MSS + HEADS));
}

double path_fairness(const struct path_plan *plan, const struct path_result *result)
{
    double sum = 0, squares = 0;
    for (unsigned i = 0; i < plan->flows; i++) {
        const double x = (double)result->flow[i].octets;
        sum += x;
        squares += x * x;
    }
    return squares > 0 ? sum * sum / (plan->flows * squares) : 0;
}
