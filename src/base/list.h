/* SPDX-License-Identifier: MIT */
#ifndef WEIR_BASE_LIST_H
#define WEIR_BASE_LIST_H

/* Doubly linked lists by index, for items that live in pools: first in, first out, O(1) removal
 * from anywhere.
 *
 * The links are kept wherever the caller likes; it passes a function-like accessor as a macro
 * argument would, but plainly: every call names the array of nodes and its stride. A node is on at
 * most one list. */

#include "base/assert.h"

#include <stddef.h>
#include <stdint.h>

#define LIST_NONE UINT32_MAX

struct list_node {
    uint32_t next; /* LIST_NONE at the end */
    uint32_t prev; /* LIST_NONE at the start */
};

struct list {
    uint32_t head;
    uint32_t tail;
    uint32_t count;
};

/* Where the nodes are: node i is at `first + i * stride` octets. */
struct list_nodes {
    uint8_t *first;
    size_t stride;
};

static inline struct list_node *list_node_at(struct list_nodes nodes, uint32_t i)
{
    return (struct list_node *)(void *)(nodes.first + (size_t)i * nodes.stride);
}

static inline void list_init(struct list *list)
{
    list->head = list->tail = LIST_NONE;
    list->count = 0;
}

static inline void list_push_tail(struct list *list, struct list_nodes nodes, uint32_t i)
{
    struct list_node *node = list_node_at(nodes, i);
    node->next = LIST_NONE;
    node->prev = list->tail;
    if (list->tail == LIST_NONE)
        list->head = i;
    else
        list_node_at(nodes, list->tail)->next = i;
    list->tail = i;
    list->count++;
}

static inline void list_push_head(struct list *list, struct list_nodes nodes, uint32_t i)
{
    struct list_node *node = list_node_at(nodes, i);
    node->prev = LIST_NONE;
    node->next = list->head;
    if (list->head == LIST_NONE)
        list->tail = i;
    else
        list_node_at(nodes, list->head)->prev = i;
    list->head = i;
    list->count++;
}

static inline void list_remove(struct list *list, struct list_nodes nodes, uint32_t i)
{
    struct list_node *node = list_node_at(nodes, i);
    WEIR_ASSERT(list->count > 0);
    if (node->prev == LIST_NONE)
        list->head = node->next;
    else
        list_node_at(nodes, node->prev)->next = node->next;
    if (node->next == LIST_NONE)
        list->tail = node->prev;
    else
        list_node_at(nodes, node->next)->prev = node->prev;
    node->next = node->prev = LIST_NONE;
    list->count--;
}

#endif
