/* SPDX-License-Identifier: MIT */
#include "base/arena.h"

#include "panic.h"
#include "tap.h"

static const size_t parts[] = { 1, 64, 0, 65, 4096, 7 };

enum {
    PARTS = sizeof parts / sizeof parts[0]
};

int main(void)
{
    struct arena counting = { NULL, 0, 0 };
    unsigned wrong = 0;
    for (unsigned i = 0; i < PARTS; i++)
        wrong += arena_take(&counting, parts[i]) != NULL;
    CHECK(wrong == 0 && counting.used > 0, "without memory it only counts");

    uint8_t *memory = aligned_alloc(ARENA_ALIGN, 8192);
    if (memory == NULL)
        return 1;
    struct arena arena = { memory, 0, counting.used };
    const uint8_t *end = memory; /* of the part before */
    for (unsigned i = 0; i < PARTS; i++) {
        const uint8_t *part = arena_take(&arena, parts[i]);
        wrong += part == NULL || part < end || (uintptr_t)part % ARENA_ALIGN != 0;
        end = part + parts[i];
    }
    CHECK(wrong == 0, "every part is aligned and lies behind the one before");
    CHECK(arena.used == counting.used && end == memory + counting.used,
          "and all of them need what was counted");

    struct arena small = { memory, 0, counting.used - 1 };
    for (unsigned i = 0; i < PARTS - 1; i++)
        wrong += arena_take(&small, parts[i]) == NULL;
    CHECK(wrong == 0 && arena_take(&small, parts[PARTS - 1]) == NULL, "one octet less is too few");
    CHECK(arena_take(&small, 0) == NULL, "and stays too few");
    free(memory);
    return tap_done();
}
