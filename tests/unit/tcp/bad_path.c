/* SPDX-License-Identifier: MIT */
#include "bad_path.h"

#include "base/assert.h"

#include <stdlib.h>
#include <string.h>

#define WAITING_MAX 65536 /* frames on the path, both ways */
#define FRAME_MAX   1600
#define COPIES_MAX  8192 /* segments whose transmissions are counted */
#define TIME_MAX    (600 * WEIR_SECOND)

struct waiting {
    weir_time at;
    uint64_t order;
    unsigned to;
    size_t len;
    uint8_t data[FRAME_MAX];
};

struct path {
    const struct scene *scene;
    struct weir *weir[2];
    void *memory[2];
    weir_time now, busy_until[2];
    struct waiting *waiting[WAITING_MAX]; /* a heap by (at, order) */
    unsigned count;
    uint64_t order;
    uint32_t iss;
    bool iss_known, calm; /* calm: before the pause is over nothing happens to anything */
    uint8_t copies[COPIES_MAX];
    unsigned frames, acks;
};

static bool before(const struct waiting *a, const struct waiting *b)
{
    return a->at < b->at || (a->at == b->at && a->order < b->order);
}

static void push(struct path *path, struct waiting *item)
{
    WEIR_ASSERT(path->count < WAITING_MAX);
    unsigned i = path->count++;
    for (; i > 0 && before(item, path->waiting[(i - 1) / 2]); i = (i - 1) / 2)
        path->waiting[i] = path->waiting[(i - 1) / 2];
    path->waiting[i] = item;
}

static struct waiting *pop(struct path *path)
{
    struct waiting *top = path->waiting[0];
    struct waiting *last = path->waiting[--path->count];
    unsigned i = 0;
    for (;;) {
        unsigned child = 2 * i + 1;
        if (child >= path->count)
            break;
        if (child + 1 < path->count && before(path->waiting[child + 1], path->waiting[child]))
            child++;
        if (!before(path->waiting[child], last))
            break;
        path->waiting[i] = path->waiting[child];
        i = child;
    }
    path->waiting[i] = last;
    return top;
}

static uint32_t be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* What the scene has in mind for this frame. */
static weir_time fate(struct path *path, unsigned from, const uint8_t *frame, size_t len)
{
    const uint8_t *tcp = frame + 20;
    const uint32_t text = (uint32_t)(len - 20 - (tcp[12] >> 4) * 4u);
    if (from == 0 && (tcp[13] & 2)) {
        path->iss = be32(tcp + 4);
        path->iss_known = true;
    }
    if (path->calm)
        return 0;
    if (from == 1)
        return text == 0 && path->scene->fate_of_ack != NULL
                   ? path->scene->fate_of_ack(path->acks++, path->now)
                   : 0;
    if (text == 0)
        return 0;
    path->frames++;
    struct passing passing = { .from = be32(tcp + 4) - path->iss - 1,
                               .len = text,
                               .now = path->now };
    const uint32_t mss = (path->scene->mss != 0 ? path->scene->mss : 1460u) -
                         (path->scene->no_timestamps ? 0u : 12u);
    uint8_t *copies = &path->copies[passing.from / mss % COPIES_MAX];
    passing.copy = (*copies)++;
    return path->scene->fate != NULL ? path->scene->fate(&passing) : 0;
}

static void emit(struct path *path, unsigned from)
{
    struct weir_out out;
    while (weir_output(path->weir[from], 0, &out, 1, path->now) > 0) {
        struct waiting *item = malloc(sizeof *item);
        if (item == NULL)
            abort();
        item->len = out.head_len;
        memcpy(item->data, out.head, out.head_len);
        for (unsigned i = 0; i < out.span_count; item->len += out.span[i++].len)
            memcpy(item->data + item->len, out.span[i].base, out.span[i].len);
        const weir_time more = fate(path, from, item->data, item->len);
        if (more == LOSE) {
            free(item);
            continue;
        }
        weir_time *busy = &path->busy_until[from];
        *busy = (*busy > path->now ? *busy : path->now) + path->scene->spacing;
        item->at = *busy + path->scene->delay + more;
        item->order = path->order++;
        item->to = 1 - from;
        push(path, item);
    }
}

static struct weir *host(struct path *path, unsigned number, struct weir_config config)
{
    const struct weir_iface_config link = {
        .medium = WEIR_IP_ONLY,
        .mtu = (uint16_t)((path->scene->mss != 0 ? path->scene->mss : 1460) + 40),
        .no_dad = true,
    };
    const struct weir_ip ip = weir_ip_v4(192, 0, 2, (uint8_t)(number + 1));
    config.seed = number;
    config.timestamps = !path->scene->no_timestamps;
    const size_t size = weir_memory_size(&config);
    unsigned iface;
    path->memory[number] = aligned_alloc(64, (size + 63) / 64 * 64);
    if (path->memory[number] == NULL ||
        weir_init(&path->weir[number], path->memory[number], size, &config, 0) != WEIR_OK ||
        weir_iface_add(path->weir[number], &link, &iface, 0) != WEIR_OK ||
        weir_address_add(path->weir[number], iface, &ip, 24, 0) != WEIR_OK)
        abort();
    return path->weir[number];
}

static weir_time next_time(const struct path *path)
{
    weir_time next = path->count > 0 ? path->waiting[0]->at : WEIR_NEVER;
    for (unsigned h = 0; h < 2; h++)
        if (weir_deadline(path->weir[h]) < next)
            next = weir_deadline(path->weir[h]);
    return next > path->now ? next : path->now + 1;
}

static void deliver(struct path *path)
{
    while (path->count > 0 && path->waiting[0]->at <= path->now) {
        struct waiting *item = pop(path);
        const struct weir_frame frame = { .data = item->data, .len = item->len, .when = path->now };
        weir_input(path->weir[item->to], 0, &frame, 1, path->now);
        free(item);
    }
}

static uint32_t write_some(struct path *path, weir_handle conn, uint32_t left)
{
    static const uint8_t octets[65536];
    size_t done = 0;
    uint32_t sum = 0;
    while (sum < left &&
           weir_send(path->weir[0], conn, octets,
                     left - sum < sizeof octets ? left - sum : sizeof octets, 0, &done,
                     path->now) == WEIR_OK &&
           done > 0)
        sum += (uint32_t)done;
    return sum;
}

static uint32_t read_all(struct path *path, weir_handle conn)
{
    static uint8_t octets[65536];
    size_t done = 0;
    uint32_t sum = 0;
    while (weir_recv(path->weir[1], conn, octets, sizeof octets, &done, path->now) == WEIR_OK &&
           done > 0)
        sum += (uint32_t)done;
    return sum;
}

/* Until `target` octets were read in all, or it is `until`. */
static void run(struct path *path, weir_handle ends[2], weir_handle listener, uint32_t target,
                uint32_t *wrote, uint32_t *read, weir_time until)
{
    while (*read < target || until != 0) {
        const weir_time next = next_time(path);
        if ((until != 0 && next > until) || next > TIME_MAX)
            break;
        path->now = next;
        deliver(path);
        for (unsigned h = 0; h < 2; h++)
            weir_timeout(path->weir[h], path->now);
        if (*wrote < target)
            *wrote += write_some(path, ends[0], target - *wrote);
        if (ends[1] != WEIR_NO_HANDLE ||
            weir_accept(path->weir[1], listener, &ends[1], path->now) == WEIR_OK)
            *read += read_all(path, ends[1]);
        emit(path, 0);
        emit(path, 1);
    }
    if (until != 0)
        path->now = until;
}

struct outcome play(const struct scene *scene, const struct weir_config *config)
{
    static struct path path;
    memset(&path, 0, sizeof path);
    path.scene = scene;
    path.calm = true;
    struct weir_config receiver = *config;
    weir_config_default(&receiver);
    receiver.rcv_max = 4 << 20;
    receiver.verify = config->verify;
    host(&path, 0, *config);
    host(&path, 1, receiver);
    const struct weir_addr there = { .ip = weir_ip_v4(192, 0, 2, 2), .port = 7 };
    weir_handle listener, ends[2] = { WEIR_NO_HANDLE, WEIR_NO_HANDLE };
    if (weir_listen(path.weir[1], &there, 1, 0, &listener) != WEIR_OK ||
        weir_connect(path.weir[0], NULL, &there, &ends[0], 0) != WEIR_IN_PROGRESS)
        abort();
    emit(&path, 0);
    uint32_t wrote = 0, read = 0;
    run(&path, ends, listener, scene->warm, &wrote, &read, 0);
    run(&path, ends, listener, scene->warm, &wrote, &read, path.now + scene->pause + 1);
    path.calm = false;
    const weir_time from = path.now;
    wrote += write_some(&path, ends[0], scene->octets - wrote);
    emit(&path, 0);
    run(&path, ends, listener, scene->octets, &wrote, &read, 0);
    struct outcome outcome = { .took = path.now - from, .frames = path.frames };
    outcome.complete = read == scene->octets;
    /* What is still on its way may have something to say. */
    run(&path, ends, listener, scene->octets, &wrote, &read, path.now + 4 * scene->delay + 1);
    (void)!weir_status(path.weir[0], ends[0], &outcome.status);
    weir_counters(path.weir[0], &outcome.counts);
    while (path.count > 0)
        free(pop(&path));
    free(path.memory[0]);
    free(path.memory[1]);
    return outcome;
}
