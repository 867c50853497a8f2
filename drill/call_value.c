/* SPDX-License-Identifier: MIT */
#include "calls.h"

#include "symbols.h"

#include <inttypes.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

/* What scripts for both families call the level and the type of an extended error. */
static bool symbol_of_family(const struct run *run, const char *name, int64_t *value)
{
    const bool v4 = run->config->mode == MODE_IPV4;
    if (strcmp(name, "CMSG_LEVEL_IP") == 0)
        *value = v4 ? SOL_IP : SOL_IPV6;
    else if (strcmp(name, "CMSG_TYPE_RECVERR") == 0)
        *value = v4 ? IP_RECVERR : IPV6_RECVERR;
    else
        return false;
    return true;
}

int64_t value_number(struct run *run, const struct node *node)
{
    int64_t value = 0;
    switch (node->kind) {
    case NODE_NUMBER:
        return node->number;
    case NODE_WORD:
        if (!symbol_of_family(run, node->text, &value) && !symbol_value(node->text, &value))
            run_fail(run, "the symbol %s is not known", node->text);
        return value;
    case NODE_OR: {
        int64_t bits = 0;
        for (; node->kind == NODE_OR; node = node->first)
            bits |= value_number(run, node->second);
        return bits | value_number(run, node);
    }
    case NODE_CALL:
        if (node->first != NULL && strcmp(node->text, "htons") == 0)
            return htons((uint16_t)value_number(run, node->first));
        if (node->first != NULL && strcmp(node->text, "htonl") == 0)
            return htonl((uint32_t)value_number(run, node->first));
        break;
    case NODE_LIST:
        if (node->first != NULL && node->first->next == NULL)
            return value_number(run, node->first);
        break;
    default:
        break;
    }
    run_fail(run, "a number is expected in the arguments of %s()", run->event->text);
}

const struct node *value_field(const struct node *list, const char *name)
{
    for (const struct node *node = list->first; node != NULL; node = node->next)
        if (node->kind == NODE_FIELD && strcmp(node->text, name) == 0)
            return node->first;
    return NULL;
}

int64_t value_field_number(struct run *run, const struct node *list, const char *name,
                           int64_t otherwise)
{
    const struct node *node = value_field(list, name);
    return node == NULL || node->kind == NODE_ELLIPSIS || node->kind == NODE_ANY
               ? otherwise
               : value_number(run, node);
}

int fd_live(struct run *run, int64_t script)
{
    for (unsigned i = RUN_FDS_MAX; i > 0; i--)
        if (run->fd[i - 1].used && run->fd[i - 1].script == script)
            return run->fd[i - 1].live;
    return script < 0 ? (int)script : 1 << 20; /* a number that no socket has */
}

bool fd_is_datagram(const struct run *run, int64_t script)
{
    for (unsigned i = 0; i < RUN_FDS_MAX; i++)
        if (run->fd[i].used && run->fd[i].script == script)
            return run->fd[i].datagram;
    return false;
}

void fd_map(struct run *run, int64_t script, long live, bool datagram)
{
    for (unsigned i = 0; i < RUN_FDS_MAX; i++) /* the one that had the number is out of reach */
        if (run->fd[i].used && run->fd[i].script == script)
            run->fd[i].used = false;
    for (unsigned i = 0; i < RUN_FDS_MAX; i++) {
        if (run->fd[i].used)
            continue;
        run->fd[i].script = (int)script;
        run->fd[i].live = (int)live;
        run->fd[i].datagram = datagram;
        run->fd[i].used = true;
        return;
    }
    run_fail(run, "more than %d descriptors", RUN_FDS_MAX);
}

void fd_unmap(struct run *run, int64_t script)
{
    for (unsigned i = 0; i < RUN_FDS_MAX; i++)
        if (run->fd[i].used && run->fd[i].script == script)
            run->fd[i].used = false;
}

void value_expect(struct run *run, const char *what, int64_t seen, const struct node *node)
{
    if (node == NULL || node->kind == NODE_ELLIPSIS || node->kind == NODE_ANY)
        return;
    const int64_t wanted = value_number(run, node);
    if (seen != wanted)
        run_fail(run, "another %s\n  expected: %" PRId64 "\n  seen:     %" PRId64, what, wanted,
                 seen);
}
