/* SPDX-License-Identifier: MIT */
#include "facts.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

#define COUNTERS_FIRST 256

const char *facts_name(unsigned fact)
{
    static const char *const name[FACTS_COUNT] = {
        [FACTS_ADDRESSES] = "addresses",
        [FACTS_STATE] = "state",
        [FACTS_SINCE] = "since",
        [FACTS_CAUSE] = "cause",
        [FACTS_ROLE] = "role",
        [FACTS_QUEUES] = "queues",
        [FACTS_TIMER] = "timer",
        [FACTS_TIMERS] = "timers",
        [FACTS_INFO] = "info",
        [FACTS_WINDOWS] = "windows",
        [FACTS_LIMITS] = "limits",
        [FACTS_SEQUENCE] = "sequence",
        [FACTS_WAITS] = "waits",
        [FACTS_ERRORS] = "errors",
        [FACTS_CONGESTION] = "congestion",
        [FACTS_SHUTDOWN] = "shutdown",
        [FACTS_INODE] = "inode",
        [FACTS_USER] = "user",
        [FACTS_OWNER] = "owner",
        [FACTS_LISTENER] = "listener",
    };
    return fact < FACTS_COUNT ? name[fact] : "?";
}

const char *facts_quality_text(unsigned quality)
{
    static const char *const text[] = { "unknown", "inferred", "sampled", "exact" };
    return quality <= FACTS_EXACT ? text[quality] : "?";
}

const char *facts_source_text(unsigned source)
{
    static const char *const text[] = { "weir", "kernel", "capture" };
    return source <= FACTS_CAPTURE ? text[source] : "?";
}

bool facts_host_add(struct facts_host *host, const char *name, uint64_t value)
{
    if (host->count == host->room) {
        const size_t room = host->room != 0 ? 2 * host->room : COUNTERS_FIRST;
        struct facts_counter *counter = realloc(host->counter, room * sizeof *counter);
        if (counter == NULL)
            return false;
        host->counter = counter;
        host->room = room;
    }
    struct facts_counter *counter = &host->counter[host->count++];
    snprintf(counter->name, sizeof counter->name, "%s", name);
    counter->value = value;
    return true;
}

uint64_t facts_host_get(const struct facts_host *host, const char *name, uint64_t otherwise)
{
    for (size_t i = 0; i < host->count; i++)
        if (strcmp(host->counter[i].name, name) == 0)
            return host->counter[i].value;
    return otherwise;
}

void facts_host_free(struct facts_host *host)
{
    free(host->counter);
    host->counter = NULL;
    host->count = host->room = 0;
}

bool facts_wanted(const struct facts_query *query, const struct facts_flow *flow)
{
    if (flow->protocol == IPPROTO_TCP ? !query->tcp : !query->udp)
        return false;
    return flow->v6 ? query->v6 : query->v4;
}
