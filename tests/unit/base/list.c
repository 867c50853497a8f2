/* SPDX-License-Identifier: MIT */
#include "base/list.h"

#include "base/prng.h"
#include "panic.h"
#include "tap.h"

#include <string.h>

#define ITEMS 20

/* The node is not at the item's start, nor is the item a power of two long. */
struct item {
    uint8_t name[12];
    struct list_node node;
};

static struct item items[ITEMS];
static struct list_nodes nodes;
static struct list list;

/* The plainest list: an array, in order. */
static uint32_t model[ITEMS];
static uint32_t model_count;

static void model_insert(uint32_t at, uint32_t i)
{
    memmove(&model[at + 1], &model[at], (model_count - at) * sizeof model[0]);
    model[at] = i;
    model_count++;
}

static uint32_t model_find(uint32_t i)
{
    uint32_t at = 0;
    while (at < model_count && model[at] != i)
        at++;
    return at;
}

static bool same(void)
{
    if (list.count != model_count)
        return false;
    uint32_t before = LIST_NONE;
    uint32_t i = list.head;
    for (uint32_t at = 0; at < model_count; at++) {
        if (i != model[at] || list_node_at(nodes, i)->prev != before)
            return false;
        before = i;
        i = list_node_at(nodes, i)->next;
    }
    return i == LIST_NONE && list.tail == before;
}

static void against_model(void)
{
    struct prng prng;
    prng_init(&prng, 1, 0, 0);
    unsigned wrong = 0;
    list_init(&list);
    CHECK(same(), "a new list is empty");
    for (unsigned step = 0; step < 100000; step++) {
        const uint32_t i = prng_below(&prng, ITEMS);
        const uint32_t at = model_find(i);
        if (at < model_count) {
            list_remove(&list, nodes, i);
            model_count--;
            memmove(&model[at], &model[at + 1], (model_count - at) * sizeof model[0]);
        } else if (prng_below(&prng, 2) == 0) {
            list_push_tail(&list, nodes, i);
            model_insert(model_count, i);
        } else {
            list_push_head(&list, nodes, i);
            model_insert(0, i);
        }
        wrong += !same();
    }
    CHECK(wrong == 0, "random pushes and removals agree with an array");
}

static void remove_0(void *context)
{
    list_remove(context, nodes, 0);
}

int main(void)
{
    nodes.first = (uint8_t *)&items[0].node;
    nodes.stride = sizeof items[0];
    against_model();
    list_init(&list);
    CHECK(panics(remove_0, &list), "removing from an empty list is our bug");
    return tap_done();
}
