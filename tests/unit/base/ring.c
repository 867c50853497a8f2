/* SPDX-License-Identifier: MIT */
#include "base/ring.h"

#include "base/prng.h"
#include "panic.h"
#include "tap.h"

#include <string.h>

#define CHUNK_SHIFT 6 /* the smallest: 64 octets, a table of 16 */
#define CHUNK       64
#define TABLE_SLOTS 16
#define CHUNKS_MAX  64

static struct ring_pool pool;
static void *memory;

static void new_pool(uint32_t chunk_count)
{
    memset(memory, 0xEE, ring_pool_size(chunk_count, CHUNK_SHIFT));
    ring_pool_init(&pool, memory, chunk_count, CHUNK_SHIFT);
}

static struct ring new_ring(uint32_t credit)
{
    struct ring ring;
    ring_init(&ring);
    if (!ring_set_credit(&pool, &ring, credit)) {
        printf("Bail out! no credit for %u chunks\n", credit);
        exit(1);
    }
    return ring;
}

static void sizes(void)
{
    new_pool(8);
    CHECK(ring_pool_size(8, CHUNK_SHIFT) == 8 * CHUNK + 8 * 4, "chunks, and a link for each");
    CHECK(ring_pool_size(100000, 16) == 100000 * ((size_t)65536 + 4), "beyond 32 bits");
    CHECK(ring_reach(&pool) == 15 * CHUNK, "the table's chunks less one");
    static const struct {
        uint32_t len, credit;
    } cases[] = {
        { 0, 0 }, { 1, 2 }, { 63, 2 }, { 64, 2 }, { 65, 4 }, { 128, 4 }, { 129, 5 }, { 960, 17 },
    };
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++)
        CHECK(ring_credit_for(&pool, cases[i].len) == cases[i].credit, "%u octets need credit %u",
              cases[i].len, cases[i].credit);

    struct ring_pool large;
    ring_pool_init(&large, memory, 0, 14);
    CHECK(ring_reach(&large) == (64 << 20) - (16 << 10), "chunks of 16 KiB reach 64 MiB");
    ring_pool_init(&large, memory, 0, 16);
    CHECK(ring_reach(&large) == (1 << 30) - (64 << 10), "chunks of 64 KiB reach 1 GiB");
}

/* The promise behind ring_credit_for: a window of so many octets fits, wherever it starts. */
static void credit_is_enough(void)
{
    unsigned wrong = 0;
    for (uint32_t len = 1; len <= 15 * CHUNK; len += len < 200 ? 1 : 37) {
        for (uint32_t start = 0; start < CHUNK; start++) {
            const uint32_t s = start - (start % 2 == 0 ? 0 : 2 * CHUNK); /* also over the wrap */
            new_pool(17);
            struct ring ring = new_ring(ring_credit_for(&pool, len));
            /* Somebody else takes all that may be taken. */
            while (ring_chunk_take(&pool) != RING_NONE)
                continue;
            wrong += ring_attach(&pool, &ring, s, len) != len;
        }
    }
    CHECK(wrong == 0, "credit for n octets holds any n octets");
}

static void small_and_big(void)
{
    new_pool(10);
    struct ring ring = new_ring(0);
    CHECK(ring_attach(&pool, &ring, 10, 100) == 100 && !ring.big, "two chunks need no table");
    CHECK(pool.free_count == 8 && ring.attached == 2, "and are all that is taken");
    CHECK(ring_attach(&pool, &ring, 130, 1) == 1 && ring.big, "a third slot takes a table");
    CHECK(pool.free_count == 6 && ring.attached == 3, "of one chunk");
    ring_drop_before(&pool, &ring, 63);
    CHECK(ring.big, "octets of all three are still there");
    ring_drop_before(&pool, &ring, 64);
    CHECK(!ring.big && pool.free_count == 8, "two slots: the table goes back");
    CHECK(ring_attach(&pool, &ring, 900, 1) == 1 && ring.big && ring.attached == 3,
          "one far ahead takes a table and one chunk");
    CHECK(pool.free_count == 6 && ring.span == 14, "and nothing for the hole");
    ring_drop_before(&pool, &ring, 500);
    CHECK(!ring.big && ring.attached == 1 && ring.span == 1, "dropped into the hole, one is left");
    CHECK(ring_attach(&pool, &ring, 700, 1) == 1 && ring.big && ring.slot == 700 / CHUNK,
          "and one before it again");
    ring_clear(&pool, &ring);
    CHECK(pool.free_count == 10 && !ring.big && ring.attached == 0, "an empty ring holds nothing");
    ring_pool_check(&pool);
}

static void spans(void)
{
    struct weir_span span[8];
    uint32_t covered;
    new_pool(10);
    struct ring ring = new_ring(0);
    const uint32_t attached = ring_attach(&pool, &ring, 60, 200);
    CHECK(attached == 200, "200 octets from 60 on");
    CHECK(ring_spans(&pool, &ring, 60, 200, span, 8, &covered) == 5 && covered == 200,
          "lie in five chunks");
    CHECK(span[0].len == 4 && span[1].len == 64 && span[4].len == 4, "the ends are cut");
    CHECK(ring_spans(&pool, &ring, 60, 200, span, 3, &covered) == 3 && covered == 132,
          "three spans cover so many of them");
    CHECK(ring_spans(&pool, &ring, 60, 0, span, 8, &covered) == 0 && covered == 0,
          "no octets lie nowhere");
    CHECK(ring_spans(&pool, &ring, 64, 64, span, 8, &covered) == 1 && span[0].len == 64,
          "a whole chunk is one span");
    ring_clear(&pool, &ring);
}

static void credit_rules(void)
{
    new_pool(10);
    struct ring a = new_ring(6);
    struct ring b = new_ring(0);
    CHECK(ring_pool_available(&pool) == 4, "what no credit is set aside for");
    CHECK(!ring_set_credit(&pool, &b, 5) && b.credit == 0, "more credit than is left is refused");
    CHECK(ring_attach(&pool, &b, 0, 5 * CHUNK) == 3 * CHUNK,
          "without credit: the rest of the pool");
    CHECK(ring_chunk_take(&pool) == RING_NONE, "then nothing");
    CHECK(!ring_set_credit(&pool, &a, 7), "nor credit that could not be kept");
    CHECK(ring_set_credit(&pool, &b, 4) && pool.uncredited == 0, "but credit for what it has");
    CHECK(ring_attach(&pool, &a, 0, 5 * CHUNK) == 5 * CHUNK, "what has credit is there");
    CHECK(ring_set_credit(&pool, &a, 1) && pool.uncredited == 5, "credit may fall below");
    CHECK(ring_pool_available(&pool) == 0, "which frees no chunk yet");
    ring_drop_before(&pool, &a, 2 * CHUNK);
    CHECK(ring_pool_available(&pool) == 2 && pool.uncredited == 3, "dropping does");
    CHECK(ring_set_credit(&pool, &a, 3) && ring_pool_available(&pool) == 2,
          "growing credit first covers what is attached");
    CHECK(!ring_set_credit(&pool, &a, 70000), "more than a ring can count");
    const uint32_t chunk = ring_chunk_take(&pool);
    CHECK(chunk != RING_NONE && ring_pool_available(&pool) == 1, "a bare chunk is uncredited");
    ring_chunk_give(&pool, chunk);
    ring_clear(&pool, &a);
    ring_clear(&pool, &b);
    CHECK(ring_set_credit(&pool, &a, 0) && ring_set_credit(&pool, &b, 0) &&
              ring_pool_available(&pool) == 10 && pool.free_count == 10,
          "all is given back");
}

static void fault_injection(void)
{
    unsigned wrong = 0;
    for (uint32_t n = 1; n <= 7; n++) {
        new_pool(20);
        struct ring ring = new_ring(0);
        pool.fail_at = n;
        /* Five chunks and a table; the third chunk and the table are takes 3 and 4. */
        const uint32_t got = ring_attach(&pool, &ring, 0, 5 * CHUNK);
        const uint32_t chunks = n <= 2 ? n - 1 : n <= 4 ? 2 : n <= 6 ? n - 2 : 5;
        wrong += got != chunks * CHUNK || ring.attached != chunks;
        ring_check(&pool, &ring);
        ring_pool_check(&pool);
        wrong += ring_attach(&pool, &ring, got, 5 * CHUNK - got) != 5 * CHUNK - got;
        ring_clear(&pool, &ring);
        wrong += pool.free_count != 20 || pool.uncredited != 0;
    }
    CHECK(wrong == 0, "whichever take fails, what is attached stays sound");
}

static void use_unattached(void *context)
{
    uint8_t octet;
    ring_get(&pool, context, 5 * CHUNK, &octet, 1);
}

static void attach_too_far(void *context)
{
    const uint32_t got = ring_attach(&pool, context, 16 * CHUNK, 1);
    printf("# attached %u\n", got);
}

static void misuse(void)
{
    new_pool(20);
    struct ring ring = new_ring(0);
    CHECK(panics(use_unattached, &ring), "reading from an empty ring is our bug");
    const uint32_t got = ring_attach(&pool, &ring, 0, 5 * CHUNK);
    CHECK(got == 5 * CHUNK && panics(use_unattached, &ring), "reading beyond, too");
    CHECK(panics(attach_too_far, &ring), "and holding octets beyond the reach of each other");
    ring_clear(&pool, &ring);
}

/* ---- against the plainest thing that could be right: one long array a ring ---- */

#define RINGS 4
#define SLOTS 400
#define STEPS 400

struct model {
    struct ring ring;
    uint32_t start; /* what octet 0 of the array is called in the ring */
    uint32_t credit;
    bool attached[SLOTS];
    uint8_t octet[SLOTS * CHUNK];
    uint8_t known[SLOTS * CHUNK]; /* 1: was put since the slot was attached */
};

static struct model model[RINGS];
static uint32_t bare[CHUNKS_MAX];
static uint32_t bare_count;

/* The first and one past the last attached slot; equal if there is none. */
static void model_extent(const struct model *m, uint32_t *first, uint32_t *end)
{
    *first = 0;
    *end = 0;
    for (uint32_t i = 0; i < SLOTS; i++) {
        if (!m->attached[i])
            continue;
        if (*end == 0)
            *first = i;
        *end = i + 1;
    }
}

static uint32_t model_attached(const struct model *m)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < SLOTS; i++)
        count += m->attached[i];
    return count;
}

static bool model_is_big(const struct model *m)
{
    uint32_t first;
    uint32_t end;
    model_extent(m, &first, &end);
    return end - first > 2;
}

static uint32_t model_held(const struct model *m)
{
    return model_attached(m) + model_is_big(m);
}

/* What is left when every ring has what it holds or has credit for, whichever is more. */
static uint32_t model_available(void)
{
    uint32_t left = pool.chunk_count - bare_count;
    for (unsigned i = 0; i < RINGS; i++) {
        const uint32_t held = model_held(&model[i]);
        left -= held > model[i].credit ? held : model[i].credit;
    }
    return left;
}

static bool model_may_take(const struct model *m, uint32_t held, uint32_t already)
{
    return held < m->credit || model_available() > already;
}

static bool model_attach_slot(struct model *m, uint32_t slot)
{
    const uint32_t held = model_held(m);
    const bool was_big = model_is_big(m);
    if (!model_may_take(m, held, 0))
        return false;
    m->attached[slot] = true;
    const bool needs_table = !was_big && model_is_big(m);
    m->attached[slot] = false;
    if (needs_table && !model_may_take(m, held + 1, held >= m->credit))
        return false;
    m->attached[slot] = true;
    memset(&m->known[slot * CHUNK], 0, CHUNK);
    return true;
}

static uint32_t model_attach(struct model *m, uint32_t at, uint32_t len)
{
    for (uint32_t done = 0; done < len; done = ((at + done) / CHUNK + 1) * CHUNK - at)
        if (!m->attached[(at + done) / CHUNK] && !model_attach_slot(m, (at + done) / CHUNK))
            return done;
    return len;
}

/* Somewhere all of which may be attached together with what is. Small windows are likelier. */
static uint32_t random_run(const struct model *m, struct prng *prng, uint32_t *len)
{
    uint32_t first;
    uint32_t end;
    model_extent(m, &first, &end);
    if (end == first)
        first = 1 + prng_below(prng, SLOTS - 2 * TABLE_SLOTS);
    /* Sometimes before what is there, as far as the table allows. */
    uint32_t low = end > first && end - first < TABLE_SLOTS ? end - first : TABLE_SLOTS;
    low = first - (TABLE_SLOTS - low < first ? prng_below(prng, TABLE_SLOTS - low + 1) : 0);
    const uint32_t high = low + TABLE_SLOTS < SLOTS ? low + TABLE_SLOTS : SLOTS;
    const uint32_t at = low * CHUNK + prng_below(prng, (high - low) * CHUNK);
    uint32_t longest = high * CHUNK - at;
    if (longest > ring_reach(&pool))
        longest = ring_reach(&pool);
    *len = prng_below(prng, (prng_below(prng, 2) == 0 ? longest : longest / 4) + 1);
    return at;
}

static bool attach_agrees(struct model *m, struct prng *prng)
{
    uint32_t len;
    const uint32_t at = random_run(m, prng, &len);
    const uint32_t expected = model_attach(m, at, len);
    return ring_attach(&pool, &m->ring, m->start + at, len) == expected;
}

/* The longest attached run from a random octet of a random attached slot. */
static uint32_t attached_run(const struct model *m, struct prng *prng, uint32_t *len)
{
    uint32_t first;
    uint32_t end;
    model_extent(m, &first, &end);
    *len = 0;
    if (first == end)
        return 0;
    uint32_t slot = first + prng_below(prng, end - first);
    if (!m->attached[slot])
        slot = first;
    const uint32_t at = slot * CHUNK + prng_below(prng, CHUNK);
    while (slot < SLOTS && m->attached[slot])
        slot++;
    *len = prng_below(prng, slot * CHUNK - at + 1);
    return at;
}

static void put(struct model *m, struct prng *prng)
{
    uint32_t len;
    const uint32_t at = attached_run(m, prng, &len);
    for (uint32_t i = 0; i < len; i++)
        m->octet[at + i] = (uint8_t)prng_next(prng);
    memset(&m->known[at], 1, len);
    ring_put(&pool, &m->ring, m->start + at, &m->octet[at], len);
}

/* What `data` shows of the octets from `at` on that were ever put is what was put last. */
static bool octets_agree(const struct model *m, uint32_t at, const uint8_t *data, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (m->known[at + i] && data[i] != m->octet[at + i])
            return false;
    return true;
}

static bool get_agrees(const struct model *m, struct prng *prng)
{
    uint8_t data[TABLE_SLOTS * CHUNK];
    struct weir_span span[TABLE_SLOTS];
    uint32_t len;
    uint32_t covered;
    uint32_t at = attached_run(m, prng, &len);
    ring_get(&pool, &m->ring, m->start + at, data, len);
    if (!octets_agree(m, at, data, len))
        return false;

    const unsigned max = prng_below(prng, TABLE_SLOTS + 1);
    const unsigned count = ring_spans(&pool, &m->ring, m->start + at, len, span, max, &covered);
    uint32_t total = 0;
    for (unsigned i = 0; i < count; i++) {
        if (!octets_agree(m, at + total, span[i].base, span[i].len))
            return false;
        total += (uint32_t)span[i].len;
    }
    return total == covered && (covered == len || count == max);
}

static void drop(struct model *m, struct prng *prng, bool before)
{
    uint32_t first;
    uint32_t end;
    model_extent(m, &first, &end);
    const uint32_t low = first > 2 ? first - 2 : 0;
    const uint32_t high = end + 2 < SLOTS ? end + 2 : SLOTS;
    const uint32_t at = low * CHUNK + prng_below(prng, (high - low) * CHUNK + 1);
    for (uint32_t i = 0; i < SLOTS; i++)
        if (before ? (i + 1) * CHUNK <= at : i * CHUNK >= at)
            m->attached[i] = false;
    if (before)
        ring_drop_before(&pool, &m->ring, m->start + at);
    else
        ring_drop_after(&pool, &m->ring, m->start + at);
}

static bool credit_agrees(struct model *m, struct prng *prng)
{
    const uint32_t chunks = prng_below(prng, 20);
    const uint32_t held = model_held(m);
    const uint32_t needs = held > chunks ? held : chunks;
    const uint32_t has = held > m->credit ? held : m->credit;
    const bool expected = chunks <= m->credit || needs - has <= model_available();
    if (ring_set_credit(&pool, &m->ring, chunks) != expected)
        return false;
    if (expected)
        m->credit = chunks;
    return true;
}

static bool bare_agrees(struct prng *prng)
{
    if (bare_count > 0 && prng_below(prng, 2) == 0) {
        ring_chunk_give(&pool, bare[--bare_count]);
        return true;
    }
    const bool expected = model_available() > 0;
    const uint32_t chunk = ring_chunk_take(&pool);
    if ((chunk != RING_NONE) != expected)
        return false;
    if (chunk == RING_NONE)
        return true;
    memset(ring_chunk_at(&pool, chunk), 0xBA, CHUNK); /* nobody else may notice */
    bare[bare_count++] = chunk;
    return true;
}

static bool step_agrees(struct model *m, struct prng *prng)
{
    switch (prng_below(prng, 16)) {
    case 0:
    case 1:
        drop(m, prng, true);
        return true;
    case 2:
        drop(m, prng, false);
        return true;
    case 3:
        return credit_agrees(m, prng);
    case 4:
        return bare_agrees(prng);
    case 5:
        if (prng_below(prng, 10) > 0)
            return true;
        memset(m->attached, false, sizeof m->attached);
        ring_clear(&pool, &m->ring);
        return true;
    case 6:
    case 7:
    case 8:
        return get_agrees(m, prng);
    case 9:
    case 10:
    case 11:
        put(m, prng);
        return true;
    default:
        return attach_agrees(m, prng);
    }
}

/* Chunks are conserved, and the pool's books say what a count of everything says. */
static bool books_agree(void)
{
    uint32_t held = bare_count;
    uint32_t credit = 0;
    for (unsigned i = 0; i < RINGS; i++) {
        const struct model *m = &model[i];
        ring_check(&pool, &m->ring);
        if (m->ring.attached != model_attached(m) || m->ring.big != model_is_big(m) ||
            m->ring.credit != m->credit)
            return false;
        held += model_held(m);
        credit += m->credit;
    }
    ring_pool_check(&pool);
    return pool.free_count == pool.chunk_count - held &&
           pool.credit_free == pool.chunk_count - credit &&
           ring_pool_available(&pool) == model_available();
}

static bool agrees(uint32_t seed)
{
    struct prng prng;
    prng_init(&prng, 1, 0, seed);
    new_pool(10 + prng_below(&prng, CHUNKS_MAX - 9));
    bare_count = 0;
    memset(model, 0, sizeof model);
    for (unsigned i = 0; i < RINGS; i++) {
        const uint32_t near_wrap = 0u - CHUNK * prng_below(&prng, SLOTS);
        ring_init(&model[i].ring);
        model[i].start = i == 0 ? CHUNK * prng_below(&prng, 1u << 26) : near_wrap;
    }
    for (unsigned step = 0; step < STEPS; step++) {
        const uint32_t which = prng_below(&prng, RINGS);
        if (!step_agrees(&model[which], &prng) || !books_agree())
            return false;
    }
    for (unsigned i = 0; i < RINGS; i++)
        ring_clear(&pool, &model[i].ring);
    while (bare_count > 0)
        ring_chunk_give(&pool, bare[--bare_count]);
    return pool.free_count == pool.chunk_count && pool.uncredited == 0;
}

static void against_model(void)
{
    unsigned wrong = 0;
    for (uint32_t seed = 0; seed < 300; seed++)
        if (!agrees(seed) && wrong++ < 5)
            printf("# seed %u disagrees\n", seed);
    CHECK(wrong == 0, "300 seeds of %d operations on %d rings agree with plain arrays", STEPS,
          RINGS);
}

int main(void)
{
    memory = aligned_alloc(64, 64 * 128);
    if (memory == NULL)
        return 1;
    sizes();
    credit_is_enough();
    small_and_big();
    spans();
    credit_rules();
    fault_injection();
    misuse();
    against_model();
    free(memory);
    return tap_done();
}
