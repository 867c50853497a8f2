/* SPDX-License-Identifier: MIT */

/* Ids are given out one after the other, so that one that is forgotten does not mean somebody else
 * until all of them have been used. */

#include "udp.h"

#include <stdlib.h>
#include <sys/random.h>

#define ENTRIES  65536
#define ID_COUNT (126u << 16) /* 127.1.0.0 to 127.126.255.255 */
#define ID_FIRST UINT32_C(0x7f010000)

struct entry {
    uint32_t id; /* + 1; 0: none */
    struct weir_addr from, to;
};

struct udp_ids {
    struct entry entry[ENTRIES]; /* by id */
    uint32_t recent[ENTRIES];    /* by hash of the pair: an id + 1 */
    uint32_t next;
    uint64_t seed;
};

struct udp_ids *udp_ids_new(void)
{
    struct udp_ids *ids = calloc(1, sizeof *ids);
    if (ids != NULL && getrandom(&ids->seed, sizeof ids->seed, 0) < 0) {
        free(ids);
        return NULL;
    }
    return ids;
}

static uint64_t mix(uint64_t hash, const struct weir_addr *addr)
{
    uint64_t half[2];
    memcpy(half, addr->ip.octet, sizeof half);
    hash = (hash ^ half[0]) * UINT64_C(0x9e3779b97f4a7c15);
    hash = (hash ^ hash >> 29 ^ half[1]) * UINT64_C(0xbf58476d1ce4e5b9);
    hash = (hash ^ hash >> 32 ^ addr->port ^ (uint64_t)addr->iface << 16) *
           UINT64_C(0x94d049bb133111eb);
    return hash ^ hash >> 31;
}

static bool same(const struct weir_addr *a, const struct weir_addr *b)
{
    return a->port == b->port && a->iface == b->iface && weir_ip_equal(&a->ip, &b->ip);
}

struct in_addr udp_id_of(struct udp_ids *ids, const struct weir_addr *from,
                         const struct weir_addr *to)
{
    uint32_t *recent = &ids->recent[mix(mix(ids->seed, from), to) % ENTRIES];
    struct entry *entry = &ids->entry[(*recent - 1) % ENTRIES];
    if (*recent == 0 || entry->id != *recent || !same(&entry->from, from) ||
        !same(&entry->to, to)) {
        const uint32_t id = ids->next++ % ID_COUNT;
        entry = &ids->entry[id % ENTRIES];
        *entry = (struct entry){ id + 1, *from, *to };
        *recent = id + 1;
    }
    return (struct in_addr){ htonl(ID_FIRST + entry->id - 1) };
}

bool udp_id_read(const struct udp_ids *ids, struct in_addr id, struct weir_addr *from,
                 struct weir_addr *to)
{
    const uint32_t number = ntohl(id.s_addr) - ID_FIRST;
    const struct entry *entry = &ids->entry[number % ENTRIES];
    if (number >= ID_COUNT || entry->id != number + 1)
        return false;
    *from = entry->from;
    *to = entry->to;
    return true;
}
