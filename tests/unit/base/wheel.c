/* SPDX-License-Identifier: MIT */
#include "base/wheel.h"

#include "base/prng.h"
#include "panic.h"
#include "tap.h"

#include <string.h>
#include <time.h>

#define TICK  (INT64_C(1) << WHEEL_TICK_SHIFT)
#define HOUR  (3600 * WEIR_SECOND)
#define DAY   (24 * HOUR)
#define REACH (INT64_C(1) << 52) /* what four levels of 256 ticks span */

static struct wheel wheel;

static void new_wheel(void *memory, uint32_t count, weir_time now)
{
    memset(memory, 0xEE, wheel_size(count));
    wheel_init(&wheel, memory, count, now);
}

/* Sleeps until the wheel says so, again and again. How many wakings it takes until something is
 * due, and in `*at` when that is. */
static unsigned wakings(weir_time *at, uint32_t *index)
{
    unsigned count = 0;
    weir_time now = 0;
    do {
        const weir_time next = wheel_next(&wheel);
        if (next == WEIR_NEVER || (count > 0 && next <= now))
            return 0; /* lost, or it would spin */
        now = next;
        *index = wheel_pop(&wheel, now);
        count++;
    } while (*index == WHEEL_NONE);
    *at = now;
    return count;
}

static void one_deadline(void)
{
    static const struct {
        const char *what;
        weir_time start, when;
        unsigned wakings; /* at most */
    } cases[] = {
        { "now", 1000, 1000, 1 },
        { "in a nanosecond", 1000, 1001, 1 },
        { "in this tick", 0, TICK - 1, 1 },
        { "the next tick begins", 0, TICK, 1 },
        { "in the next tick", 0, TICK + 1, 2 },
        { "on level 0, its last slot", 0, 255 * TICK + 7, 2 },
        { "on level 1", 0, 256 * TICK + 7, 3 },
        { "on level 1, one tick away", 255 * TICK, 256 * TICK + 7, 3 },
        { "on level 1, its last slot", 0, 65535 * TICK + 7, 3 },
        { "on level 2", 0, 65536 * TICK + 7, 4 },
        { "on level 3", 0, 16777216 * TICK + 7, 5 },
        { "on level 3, one tick away", 16777215 * TICK, 16777216 * TICK + 7, 5 },
        { "on level 3, round the circle", REACH - TICK, REACH + 7, 5 },
        { "at the edge of the reach", 0, REACH - 1, 5 },
        { "just beyond the reach", 0, REACH + 7, 6 },
        { "just beyond the reach, from the middle", REACH / 2 + 99, REACH * 3 / 2 + 7, 6 },
        { "a year away", 12345, 365 * DAY, 16 },
        { "the last nanosecond there is", 0, WEIR_NEVER - 1, 2500 },
        { "long past", 10 * DAY, 1, 1 },
        { "before time began", 10 * DAY, -5, 1 },
    };
    void *memory = malloc(wheel_size(3));
    if (memory == NULL)
        exit(1);
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        weir_time at = -1;
        uint32_t index = WHEEL_NONE;
        new_wheel(memory, 3, cases[i].start);
        wheel_set(&wheel, 2, cases[i].when);
        const unsigned count = wakings(&at, &index);
        CHECK(index == 2 && at == cases[i].when && count <= cases[i].wakings,
              "%s: comes at its nanosecond, after %u wakings", cases[i].what, count);
        CHECK(wheel_next(&wheel) == WEIR_NEVER && wheel_when(&wheel, 2) == WEIR_NEVER,
              "%s: and is not set then", cases[i].what);
    }
    free(memory);
}

static void order(void)
{
    static const weir_time when[] = { 5 * TICK + 3, 5 * TICK + 1, 5 * TICK + 3, 900 * TICK, 2, 1 };
    static const uint32_t expected[] = { 5, 4, 1, 0, 2, 3 };
    enum {
        COUNT = sizeof when / sizeof when[0]
    };
    void *memory = malloc(wheel_size(COUNT));
    if (memory == NULL)
        exit(1);
    new_wheel(memory, COUNT, 0);
    for (uint32_t i = COUNT; i-- > 0;)
        wheel_set(&wheel, i, when[i]);
    CHECK(wheel_next(&wheel) == 1, "what is in the current tick is known exactly");
    CHECK(wheel_pop(&wheel, 0) == WHEEL_NONE, "a nanosecond too early nothing is due");
    for (uint32_t i = 0; i < COUNT; i++) {
        const uint32_t index = wheel_pop(&wheel, HOUR);
        CHECK(index == expected[i], "number %u is %u, by deadline, then by index; here %u", i,
              expected[i], index);
    }
    CHECK(wheel_pop(&wheel, HOUR) == WHEEL_NONE, "then none");
    free(memory);
}

/* Stepping through a day's 82 million ticks a thousand times would take minutes. */
static void idle_gaps(void)
{
    void *memory = malloc(wheel_size(2));
    if (memory == NULL)
        exit(1);
    new_wheel(memory, 2, 0);
    const clock_t start = clock();
    unsigned wrong = 0;
    weir_time now = 0;
    for (unsigned i = 0; i < 1000; i++) {
        wheel_set(&wheel, 1, now + DAY + i);
        wrong += wheel_pop(&wheel, now + DAY + i - 1) != WHEEL_NONE;
        now += DAY + i;
        wrong += wheel_pop(&wheel, now) != 1;
        now += 40 * DAY; /* with nothing set at all */
        wrong += wheel_pop(&wheel, now) != WHEEL_NONE;
    }
    CHECK(wrong == 0, "a thousand deadlines, each after a day of nothing");
    CHECK(clock() - start < 5 * CLOCKS_PER_SEC, "idle time is skipped, not stepped through");
    free(memory);
}

/* ---- against the plainest thing that could be right: an array that is searched ---- */

#define THINGS 40

static weir_time model[THINGS];

static uint32_t model_first(void)
{
    uint32_t first = 0;
    for (uint32_t i = 1; i < THINGS; i++)
        if (model[i] < model[first])
            first = i;
    return model[first] == WEIR_NEVER ? WHEEL_NONE : first;
}

/* From nothing to far beyond the wheel, each order of magnitude as likely as the next. */
static weir_time random_delay(struct prng *prng, unsigned bits_max)
{
    const uint64_t bits = prng_below(prng, bits_max);
    return (weir_time)(prng_next(prng) & ((UINT64_C(1) << bits) - 1));
}

/* `popped` is when things were last taken out. Up to the end of that tick deadlines are known
 * exactly; from there on the wheel may say less than the deadline, but never again the same tick,
 * so that sleeping gets on. */
static bool next_agrees(weir_time popped)
{
    const weir_time next = wheel_next(&wheel);
    const uint32_t first = model_first();
    if (first == WHEEL_NONE)
        return next == WEIR_NEVER;
    if (model[first] / TICK <= popped / TICK)
        return next == model[first];
    return next <= model[first] && next / TICK > popped / TICK;
}

/* Takes out all that is due at `now`, in order. */
static bool pops_agree(weir_time now)
{
    for (;;) {
        const uint32_t first = model_first();
        const uint32_t expected = first != WHEEL_NONE && model[first] <= now ? first : WHEEL_NONE;
        if (wheel_pop(&wheel, now) != expected)
            return false;
        if (expected == WHEEL_NONE)
            return true;
        model[expected] = WEIR_NEVER;
    }
}

/* The wheel's own links, read from outside: every thing that is set is found exactly once; others
 * may still be linked where they were. */
static bool links_hold(void)
{
    uint32_t found = wheel.heap_count, stale = 0;
    for (unsigned level = 0; level < WHEEL_LEVELS; level++) {
        for (unsigned digit = 0; digit < WHEEL_SLOTS; digit++) {
            const bool bit = wheel.occupied[level][digit / 64] >> digit % 64 & 1;
            if (bit != (wheel.slot[level][digit] != WHEEL_NONE))
                return false;
            for (uint32_t i = wheel.slot[level][digit]; i != WHEEL_NONE; i = wheel.node[i].next) {
                stale += model[i] == WEIR_NEVER;
                if (++found > THINGS)
                    return false;
            }
        }
    }
    uint32_t set = 0;
    for (uint32_t i = 0; i < THINGS; i++) {
        set += model[i] != WEIR_NEVER;
        if (wheel_when(&wheel, i) != model[i])
            return false;
    }
    return found == set + stale && wheel.set_count == set;
}

static bool agrees(void *memory, uint32_t seed)
{
    struct prng prng;
    prng_init(&prng, 1, 0, seed);
    /* Start near a place where many digits turn over, or anywhere. */
    weir_time now = random_delay(&prng, 55);
    if (seed % 2 == 0)
        now = (REACH << prng_below(&prng, 3)) - random_delay(&prng, 30);
    if (now < 0)
        now = 0;
    new_wheel(memory, THINGS, now);
    for (uint32_t i = 0; i < THINGS; i++)
        model[i] = WEIR_NEVER;
    weir_time popped = now;

    const unsigned bits_max = seed % 3 == 0 ? 58 : 34; /* some runs stay within minutes */
    for (unsigned step = 0; step < 1000; step++) {
        const uint32_t index = prng_below(&prng, THINGS);
        const uint32_t what = prng_below(&prng, 16);
        if (what < 10) {
            const weir_time delay = random_delay(&prng, bits_max);
            model[index] = what == 0 ? now - delay : now + delay;
            wheel_set(&wheel, index, model[index]);
        } else if (what < 12) {
            model[index] = WEIR_NEVER;
            wheel_set(&wheel, index, WEIR_NEVER);
        } else {
            const weir_time next = wheel_next(&wheel);
            const weir_time delay = random_delay(&prng, bits_max - 4);
            if (what == 12 && next != WEIR_NEVER && next > now)
                now = next;
            else if (what > 13)
                now += delay;
            if (!pops_agree(now))
                return false;
            popped = now;
        }
        if (!next_agrees(popped) || !links_hold())
            return false;
    }
    return true;
}

/* A deadline that moves later leaves its thing in its slot, and its neighbours' nodes alone: with a
 * million connections each of them would be a miss. */
static void later_is_left(void)
{
    void *memory = malloc(wheel_size(3));
    if (memory == NULL)
        exit(1);
    new_wheel(memory, 3, 0);
    for (uint32_t i = 0; i < 3; i++)
        wheel_set(&wheel, i, 1000 * TICK);
    const struct wheel_node first = wheel.node[0], last = wheel.node[2];
    wheel_set(&wheel, 1, 2000 * TICK + 5);
    wheel_set(&wheel, 1, WEIR_NEVER);
    wheel_set(&wheel, 1, 3000 * TICK + 7);
    CHECK(memcmp(&first, &wheel.node[0], sizeof first) == 0 &&
              memcmp(&last, &wheel.node[2], sizeof last) == 0,
          "moving a deadline later, or clearing it, writes no other node");
    CHECK(wheel_pop(&wheel, 2999 * TICK) == 0 && wheel_pop(&wheel, 2999 * TICK) == 2 &&
              wheel_pop(&wheel, 2999 * TICK) == WHEEL_NONE,
          "the others come at theirs, and nothing at the time it had before");
    CHECK(wheel_pop(&wheel, 3000 * TICK + 6) == WHEEL_NONE &&
              wheel_pop(&wheel, 3000 * TICK + 7) == 1,
          "it comes at its new nanosecond");
    wheel_set(&wheel, 2, 5000 * TICK);
    wheel_set(&wheel, 2, WEIR_NEVER);
    CHECK(wheel_next(&wheel) == WEIR_NEVER, "with nothing set there is nothing to wake for");
    free(memory);
}

static void against_model(void)
{
    void *memory = malloc(wheel_size(THINGS));
    if (memory == NULL)
        exit(1);
    unsigned wrong = 0;
    for (uint32_t seed = 0; seed < 200; seed++)
        if (!agrees(memory, seed) && wrong++ < 5)
            printf("# seed %u disagrees\n", seed);
    CHECK(wrong == 0, "200 seeds of a thousand operations agree with a searched array");
    free(memory);
}

static void crowd(void)
{
    enum {
        COUNT = 20000
    };
    void *memory = malloc(wheel_size(COUNT));
    if (memory == NULL)
        exit(1);
    struct prng prng;
    prng_init(&prng, 2, 0, 0);
    new_wheel(memory, COUNT, 0);
    for (uint32_t i = 0; i < COUNT; i++)
        wheel_set(&wheel, i, random_delay(&prng, 40));
    unsigned wrong = 0;
    weir_time last = -1;
    uint32_t last_index = 0;
    for (uint32_t i = 0; i < COUNT; i++) {
        weir_time at = -1;
        uint32_t index = WHEEL_NONE;
        (void)wakings(&at, &index);
        wrong += at < last || (at == last && index <= last_index);
        last = at;
        last_index = index;
    }
    CHECK(wrong == 0, "%d things come in order", COUNT);
    CHECK(wheel_pop(&wheel, WEIR_NEVER - 1) == WHEEL_NONE, "and no more");
    free(memory);
}

static void set_beyond(void *context)
{
    wheel_set(context, 3, 1);
}

int main(void)
{
    one_deadline();
    order();
    idle_gaps();
    later_is_left();
    against_model();
    crowd();
    uint8_t memory[256] __attribute__((aligned(8)));
    new_wheel(memory, 3, 0);
    CHECK(panics(set_beyond, &wheel), "an index beyond the wheel is our bug");
    return tap_done();
}
