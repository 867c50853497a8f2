/* SPDX-License-Identifier: MIT */

/* How much is in use, for tests and for whoever wonders: all of it goes back to what it was when
 * the programs are gone. */

#include "joining.h"

#define POOLS_MAX 32

_Static_assert(sizeof((struct dhcp_heard *)NULL)->search == CONTROL_SEARCH_MAX, "it fits");

static uint32_t count_connections(const struct weird *weird)
{
    uint64_t cursor = 0;
    uint32_t count = 0;
    struct weir_status status;
    weir_handle handle;
    while (weir_list(weird->weir, &cursor, &status, &handle))
        if (status.state != WEIR_TIME_WAIT)
            count++;
    return count;
}

static uint32_t count_chunks(const struct weird *weird)
{
    struct weir_pool_use use[POOLS_MAX];
    const unsigned count = weir_pools(weird->weir, use, POOLS_MAX);
    for (unsigned i = 0; i < count && i < POOLS_MAX; i++)
        if (strcmp(use[i].name, "chunk") == 0)
            return use[i].used;
    return 0;
}

/* The configuration's servers win: whoever wrote them there knew why. */
static void fill_names(const struct weird *weird, struct control_status *status)
{
    const struct dhcp_heard *lease = &weird->dhcp.lease;
    const bool given = weird->dns_count > 0;
    const struct weir_ip *dns = given ? weird->dns : lease->dns;
    const unsigned count = given ? weird->dns_count : lease->lease != 0 ? lease->dns_count : 0;
    for (unsigned i = 0; i < count && i < CONTROL_DNS_MAX; i++)
        status->dns[status->dns_count++] = dns[i];
    memcpy(status->search, lease->search, sizeof lease->search);
}

void status_fill(const struct weird *weird, struct control_status *status)
{
    *status = (struct control_status){
        .magic = CONTROL_MAGIC,
        .runs = weird->run_count,
        .sockets = weird->socket_count,
        .parked = weird->parked_count,
        .connections = count_connections(weird),
        .chunks = count_chunks(weird),
    };
    fill_names(weird, status);
}
