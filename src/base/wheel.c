/* SPDX-License-Identifier: MIT */
#include "base/wheel.h"

#include "base/assert.h"

/* A tick number is written in base 256. A thing whose deadline differs from the current tick first
 * in digit n, counted from the low end, waits on level n in the slot its own digit names: so
 * everything on level n is due before everything on level n + 1, and what is on a level lies ahead
 * of the current digit. The next thing due is therefore behind the first bit ahead of the current
 * digit on the lowest level that has one, and the wheel goes there in one step, however far it is.
 *
 * Level 3 has no level above it to mark the turn, so it is circular: its slots are the next 256
 * values of the tick number's upper digits. What lies farther ahead waits in the slot of its digit
 * all the same, and is put back there each time the turn comes round (every 52 days) until it is
 * near.
 *
 * A slot is a doubly linked list in no particular order. Its first node has FIRST and the slot's
 * number in `prev`, so that unlinking the last node of a slot knows whose bit to clear. A node in
 * the heap has IN_HEAP in `next` and its position in `prev`; one that is nowhere, UNLINKED.
 *
 * A node in a slot may be due later than the slot says, or not at all: then it has CLEARED in
 * `prev`, and `when` is what it was, for as long as it is linked. It may be left there as long as
 * the slot does not lie behind its deadline, which `when` bounds. */

#define DIGIT_BITS 8
#define FIRST      UINT32_C(0x80000000)
#define CLEARED    UINT32_C(0x40000000)
#define IN_HEAP    (UINT32_MAX - 1)
#define UNLINKED   (UINT32_MAX - 2)
#define COUNT_MAX  (CLEARED - 1)

WEIR_STATIC_ASSERT(1 << DIGIT_BITS == WHEEL_SLOTS, "a slot is a digit");
WEIR_STATIC_ASSERT(sizeof(struct wheel_node) == 16, "four to a cache line");

static uint64_t tick_of(weir_time when)
{
    return when < 0 ? 0 : (uint64_t)when >> WHEEL_TICK_SHIFT;
}

static weir_time tick_start(uint64_t tick)
{
    return (weir_time)(tick << WHEEL_TICK_SHIFT);
}

static unsigned digit_of(uint64_t tick, unsigned level)
{
    return (unsigned)(tick >> (level * DIGIT_BITS)) & (WHEEL_SLOTS - 1);
}

/* ---- the heap: ordered by (when, index), each node knows its position ---- */

static bool is_before(const struct wheel *wheel, uint32_t a, uint32_t b)
{
    const weir_time when_a = wheel->node[a].when;
    const weir_time when_b = wheel->node[b].when;
    return when_a != when_b ? when_a < when_b : a < b;
}

static void heap_put(struct wheel *wheel, uint32_t position, uint32_t index)
{
    wheel->heap[position] = index;
    wheel->node[index].prev = position;
}

static void heap_up(struct wheel *wheel, uint32_t position, uint32_t index)
{
    while (position > 0) {
        const uint32_t parent = (position - 1) / 2;
        if (!is_before(wheel, index, wheel->heap[parent]))
            break;
        heap_put(wheel, position, wheel->heap[parent]);
        position = parent;
    }
    heap_put(wheel, position, index);
}

static void heap_down(struct wheel *wheel, uint32_t position, uint32_t index)
{
    for (;;) {
        uint32_t child = 2 * position + 1;
        if (child >= wheel->heap_count)
            break;
        if (child + 1 < wheel->heap_count &&
            is_before(wheel, wheel->heap[child + 1], wheel->heap[child]))
            child++;
        if (!is_before(wheel, wheel->heap[child], index))
            break;
        heap_put(wheel, position, wheel->heap[child]);
        position = child;
    }
    heap_put(wheel, position, index);
}

static void heap_add(struct wheel *wheel, uint32_t index)
{
    WEIR_ASSERT(wheel->heap_count < wheel->count);
    wheel->node[index].next = IN_HEAP;
    heap_up(wheel, wheel->heap_count++, index);
}

static void heap_remove(struct wheel *wheel, uint32_t position)
{
    WEIR_ASSERT(position < wheel->heap_count);
    const uint32_t last = wheel->heap[--wheel->heap_count];
    if (position == wheel->heap_count)
        return;
    if (position > 0 && is_before(wheel, last, wheel->heap[(position - 1) / 2]))
        heap_up(wheel, position, last);
    else
        heap_down(wheel, position, last);
}

/* ---- the slots ---- */

/* The slot's list begins with `head` now. */
static void slot_set(struct wheel *wheel, unsigned level, unsigned digit, uint32_t head)
{
    const uint64_t bit = UINT64_C(1) << digit % 64;
    wheel->slot[level][digit] = head;
    if (head == WHEEL_NONE)
        wheel->occupied[level][digit / 64] &= ~bit;
    else
        wheel->occupied[level][digit / 64] |= bit;
}

/* What lies before a node changes; whether it is cleared does not. */
static void set_prev(struct wheel_node *node, uint32_t prev)
{
    node->prev = (node->prev & CLEARED) | prev;
}

static void slot_add(struct wheel *wheel, unsigned level, unsigned digit, uint32_t index)
{
    const uint32_t head = wheel->slot[level][digit];
    struct wheel_node *node = &wheel->node[index];
    node->next = head;
    node->prev = FIRST | level * WHEEL_SLOTS | digit;
    if (head != WHEEL_NONE)
        set_prev(&wheel->node[head], index);
    slot_set(wheel, level, digit, index);
}

static void slot_remove(struct wheel *wheel, uint32_t index)
{
    const struct wheel_node *node = &wheel->node[index];
    const uint32_t prev = node->prev & ~CLEARED;
    if (node->next != WHEEL_NONE)
        set_prev(&wheel->node[node->next], prev);
    if (!(prev & FIRST)) {
        wheel->node[prev].next = node->next;
        return;
    }
    const unsigned slot = prev & ~FIRST;
    slot_set(wheel, slot / WHEEL_SLOTS, slot % WHEEL_SLOTS, node->next);
}

/* Where a node with its `when` set belongs, seen from the current tick. */
static void place(struct wheel *wheel, uint32_t index)
{
    const uint64_t tick = tick_of(wheel->node[index].when);
    if (tick <= wheel->tick) {
        heap_add(wheel, index);
        return;
    }
    const uint64_t differ = tick ^ wheel->tick;
    unsigned level = 0;
    while (level < WHEEL_LEVELS - 1 && differ >> ((level + 1) * DIGIT_BITS) != 0)
        level++;
    slot_add(wheel, level, digit_of(tick, level), index);
}

static void take_out(struct wheel *wheel, uint32_t index)
{
    struct wheel_node *node = &wheel->node[index];
    if (node->next == IN_HEAP)
        heap_remove(wheel, node->prev);
    else if (node->next != UNLINKED)
        slot_remove(wheel, index);
    node->next = UNLINKED;
    node->prev = 0;
}

static bool is_set(const struct wheel_node *node)
{
    return node->next == IN_HEAP || (node->next != UNLINKED && !(node->prev & CLEARED));
}

/* Whether the node may stay in its slot with this deadline. */
static bool may_stay(const struct wheel_node *node, weir_time when)
{
    return node->next != IN_HEAP && node->next != UNLINKED && when >= node->when;
}

/* The first occupied digit of a level from `from` on; WHEEL_SLOTS if there is none. */
static unsigned first_occupied(const struct wheel *wheel, unsigned level, unsigned from)
{
    if (from == WHEEL_SLOTS)
        return WHEEL_SLOTS;
    const uint64_t *occupied = wheel->occupied[level];
    unsigned word = from / 64;
    uint64_t bits = occupied[word] & UINT64_MAX << from % 64;
    while (bits == 0) {
        if (++word == WHEEL_SLOTS / 64)
            return WHEEL_SLOTS;
        bits = occupied[word];
    }
    return word * 64 + (unsigned)__builtin_ctzll(bits);
}

struct slot_ahead {
    uint64_t tick; /* the slot's first */
    unsigned level;
    unsigned digit;
};

/* The first slot that is not empty. False if all are. */
static bool next_slot(const struct wheel *wheel, struct slot_ahead *next)
{
    for (unsigned level = 0; level < WHEEL_LEVELS; level++) {
        const unsigned here = digit_of(wheel->tick, level);
        uint64_t ahead = 0;
        unsigned digit = first_occupied(wheel, level, here + 1);
        if (digit == WHEEL_SLOTS && level == WHEEL_LEVELS - 1) {
            ahead = WHEEL_SLOTS; /* round the circle */
            digit = first_occupied(wheel, level, 0);
        }
        if (digit == WHEEL_SLOTS)
            continue;
        const uint64_t above = wheel->tick >> (level * DIGIT_BITS);
        next->tick = (above + ahead + digit - here) << (level * DIGIT_BITS);
        next->level = level;
        next->digit = digit;
        return true;
    }
    return false;
}

/* Moves the current tick to that of `now`, and into the heap everything that is due by its end. */
static void advance(struct wheel *wheel, weir_time now)
{
    const uint64_t target = tick_of(now);
    if (target <= wheel->tick)
        return;

    /* Each round empties a slot. What is not due yet goes where it belongs: to a lower level, to
     * that of a deadline that was moved, or back for another turn of level 3. */
    struct slot_ahead next;
    while (next_slot(wheel, &next) && next.tick <= target) {
        wheel->tick = next.tick;
        uint32_t index = wheel->slot[next.level][next.digit];
        slot_set(wheel, next.level, next.digit, WHEEL_NONE);
        while (index != WHEEL_NONE) {
            struct wheel_node *node = &wheel->node[index];
            const uint32_t following = node->next;
            if (is_set(node))
                place(wheel, index);
            else
                node->next = UNLINKED;
            index = following;
        }
    }
    wheel->tick = target;
}

/* ---- what the others see ---- */

size_t wheel_size(uint32_t count)
{
    return count * (sizeof(struct wheel_node) + sizeof(uint32_t));
}

void wheel_init(struct wheel *wheel, void *memory, uint32_t count, weir_time now)
{
    WEIR_ASSERT(count <= COUNT_MAX);
    wheel->node = memory;
    wheel->heap = (uint32_t *)(void *)((uint8_t *)memory + count * sizeof(struct wheel_node));
    wheel->count = count;
    wheel->heap_count = wheel->set_count = 0;
    wheel->tick = tick_of(now);
    for (uint32_t i = 0; i < count; i++)
        wheel->node[i] = (struct wheel_node){ WEIR_NEVER, UNLINKED, 0 };
    for (unsigned level = 0; level < WHEEL_LEVELS; level++) {
        for (unsigned digit = 0; digit < WHEEL_SLOTS; digit++)
            wheel->slot[level][digit] = WHEEL_NONE;
        for (unsigned word = 0; word < WHEEL_SLOTS / 64; word++)
            wheel->occupied[level][word] = 0;
    }
}

void wheel_set(struct wheel *wheel, uint32_t index, weir_time when)
{
    const weir_time before = wheel_when(wheel, index);
    if (before == when)
        return;
    wheel->set_count -= before != WEIR_NEVER;
    wheel->set_count += when != WEIR_NEVER;
    struct wheel_node *node = &wheel->node[index];
    if (may_stay(node, when)) {
        if (when == WEIR_NEVER) {
            node->prev |= CLEARED;
        } else {
            node->prev &= ~CLEARED;
            node->when = when;
        }
        return;
    }
    take_out(wheel, index);
    node->when = when;
    if (when != WEIR_NEVER)
        place(wheel, index);
}

weir_time wheel_when(const struct wheel *wheel, uint32_t index)
{
    WEIR_ASSERT(index < wheel->count);
    const struct wheel_node *node = &wheel->node[index];
    return is_set(node) ? node->when : WEIR_NEVER;
}

weir_time wheel_next(const struct wheel *wheel)
{
    if (wheel->heap_count > 0)
        return wheel->node[wheel->heap[0]].when;

    struct slot_ahead next;
    return wheel->set_count > 0 && next_slot(wheel, &next) ? tick_start(next.tick) : WEIR_NEVER;
}

uint32_t wheel_pop(struct wheel *wheel, weir_time now)
{
    advance(wheel, now);
    if (wheel->heap_count == 0)
        return WHEEL_NONE;
    const uint32_t index = wheel->heap[0];
    if (wheel->node[index].when > now)
        return WHEEL_NONE;
    take_out(wheel, index);
    wheel->set_count--;
    return index;
}
