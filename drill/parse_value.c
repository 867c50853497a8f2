/* SPDX-License-Identifier: MIT */
#include "parse.h"

#include <string.h>

static struct node *value_at(struct scan *scan, unsigned depth);

static struct node *make(struct scan *scan, enum node_kind kind)
{
    struct node *node = arena_take(scan->arena, sizeof *node);
    node->kind = kind;
    return node;
}

/* Values with commas between, up to `close`, which is passed. */
static struct node *values_until(struct scan *scan, const char *close, unsigned depth)
{
    struct node *first = NULL, **end = &first;
    if (scan_take(scan, close))
        return NULL;
    do {
        if (scan_look(scan, close)) /* a comma after the last */
            break;
        *end = value_at(scan, depth);
        end = &(*end)->next;
    } while (!scan->failed && scan_take(scan, ","));
    scan_need(scan, close);
    return first;
}

static struct node *parse_string(struct scan *scan)
{
    struct node *node = make(scan, NODE_STRING);
    node->text = scan_until(scan, "\"");
    return node;
}

/* A symbol, a field with its value, or name(...). */
static struct node *parse_word(struct scan *scan, const char *word, unsigned depth)
{
    struct node *node = make(scan, NODE_WORD);
    node->text = word;
    if (scan_take(scan, "(")) {
        node->kind = NODE_CALL;
        node->first = values_until(scan, ")", depth + 1);
    }
    if (scan_take(scan, "=")) {
        node->second = node->first;
        node->kind = NODE_FIELD;
        node->first = value_at(scan, depth + 1);
    }
    return node;
}

static struct node *parse_one(struct scan *scan, unsigned depth)
{
    int64_t number = 0;
    if (scan_take(scan, "..."))
        return make(scan, NODE_ELLIPSIS);
    if (scan_take(scan, "?") || scan_take(scan, "*"))
        return make(scan, NODE_ANY);
    if (scan_take(scan, "\""))
        return parse_string(scan);
    if (scan_take(scan, "[") || scan_take(scan, "{")) {
        const bool list = scan->at[-1] == '[';
        struct node *node = make(scan, list ? NODE_LIST : NODE_STRUCT);
        node->first = values_until(scan, list ? "]" : "}", depth + 1);
        return node;
    }
    if (scan_take(scan, "(")) {
        struct node *inner = value_at(scan, depth + 1);
        scan_need(scan, ")");
        return inner;
    }
    const bool minus = scan_take(scan, "-"), inverted = !minus && scan_take(scan, "~");
    if (scan_number(scan, &number)) {
        struct node *node = make(scan, NODE_NUMBER);
        node->number = minus ? -number : inverted ? ~number : number;
        return node;
    }
    const char *word = minus || inverted ? NULL : scan_word(scan);
    if (word != NULL)
        return parse_word(scan, word, depth);
    const size_t len = strcspn(scan->at, " \t\r\n");
    scan_fail(scan, "a value is expected at '%.*s'", (int)(len < 20 ? len : 20), scan->at);
    return make(scan, NODE_NUMBER);
}

static struct node *value_at(struct scan *scan, unsigned depth)
{
    if (depth > DRILL_NESTING_MAX) {
        scan_fail(scan, "values in values, more than %d deep", DRILL_NESTING_MAX);
        return make(scan, NODE_NUMBER);
    }
    struct node *node = parse_one(scan, depth);
    while (!scan->failed && scan_take(scan, "|")) {
        struct node *both = make(scan, NODE_OR);
        both->first = node;
        both->second = parse_one(scan, depth);
        node = both;
    }
    return node;
}

struct node *parse_value(struct scan *scan)
{
    return value_at(scan, 0);
}

struct node *parse_arguments(struct scan *scan)
{
    struct node *list = make(scan, NODE_LIST);
    list->first = values_until(scan, ")", 0);
    return list;
}
