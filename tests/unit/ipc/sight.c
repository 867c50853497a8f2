/* SPDX-License-Identifier: MIT */

/* What an instance answers to those who look: everything once, in bounded pages, to whatever is
 * asked; and sequence numbers only to whom they belong. */

#include "ipc/sight.h"
#include "tap.h"
#include "weir/weir.h"

#include <errno.h>
#include <stdlib.h>

#define CONNS     600 /* their story, three records each, fits a page */
#define LISTENERS 3

static uint64_t page_memory[SIGHT_PAGE_MAX / sizeof(uint64_t)];
static struct sight_page *const page = (struct sight_page *)page_memory;

static struct weir *make(void **memory)
{
    struct weir_config config;
    struct weir *weir = NULL;
    unsigned iface;
    weir_config_default(&config);
    config.ring_chunks = 16384;
    config.seed = 7;
    const size_t len = weir_memory_size(&config);
    *memory = aligned_alloc(64, (len + 63) / 64 * 64);
    const struct weir_iface_config link = { .medium = WEIR_IP_ONLY, .mtu = 1500 };
    const struct weir_ip ours = weir_ip_v4(192, 0, 2, 2), any = weir_ip_v4(0, 0, 0, 0);
    if (*memory == NULL || weir_init(&weir, *memory, len, &config, 1) != WEIR_OK ||
        weir_iface_add(weir, &link, &iface, 1) != WEIR_OK ||
        weir_address_add(weir, iface, &ours, 24, 1) != WEIR_OK ||
        weir_route_add(weir, &any, 0, NULL, iface, 0) != WEIR_OK)
        exit(1);
    for (unsigned i = 0; i < CONNS; i++) {
        const struct weir_addr remote = { weir_ip_v4(198, 51, (uint8_t)(i >> 8), (uint8_t)i), 80,
                                          0 };
        weir_handle handle;
        if (weir_connect(weir, NULL, &remote, &handle, 1) != WEIR_IN_PROGRESS ||
            weir_set_cookie(weir, handle, i + 1) != WEIR_OK)
            exit(1);
    }
    for (unsigned i = 0; i < LISTENERS; i++) {
        const struct weir_addr local = { ours, (uint16_t)(1000 + i), 0 };
        weir_handle handle;
        if (weir_listen(weir, &local, 5, 0, &handle) != WEIR_OK)
            exit(1);
    }
    const struct weir_addr local = { ours, 53, 0 };
    weir_handle endpoint;
    if (weir_udp_open(weir, &local, &endpoint) != WEIR_OK)
        exit(1);
    return weir;
}

static void name_owner(void *user, struct sight_head *head, uint64_t cookie)
{
    (void)user;
    head->pid = (int32_t)cookie;
}

static struct sight_request request_of(uint32_t kind)
{
    return (struct sight_request){ .magic = SIGHT_MAGIC,
                                   .version = SIGHT_VERSION,
                                   .kind = kind,
                                   .want = kind == SIGHT_SNAPSHOT
                                               ? SIGHT_WANT_INFO | SIGHT_WANT_TAIL
                                               : 0,
                                   .states = UINT32_MAX };
}

struct seen {
    unsigned conns, listeners, endpoints, owned, secrets, pages, largest;
};

static struct seen look(const struct sight_source *source, struct sight_request request)
{
    struct seen seen = { 0 };
    do {
        const size_t len = sight_answer(source, &request, sizeof request, page);
        const uint8_t *at = (const uint8_t *)(page + 1);
        if (len > seen.largest)
            seen.largest = (unsigned)len;
        for (uint32_t i = 0; i < page->count; i++) {
            struct sight_flow flow;
            memcpy(&flow, at, sizeof flow);
            at += sizeof flow;
            seen.conns += flow.head.state == WEIR_SYN_SENT;
            seen.listeners += flow.head.state == WEIR_LISTEN;
            seen.endpoints += flow.head.protocol == 17;
            seen.owned += flow.head.pid > 0;
            seen.secrets += flow.tail.iss != 0 || flow.tail.snd_nxt != 0;
        }
        request.cursor = page->cursor;
        seen.pages++;
    } while (page->error == 0 && (page->flags & SIGHT_END) == 0 && seen.pages < 10000);
    return seen;
}

static void test_snapshot(const struct sight_source *source)
{
    struct sight_request request = request_of(SIGHT_SNAPSHOT);
    struct seen seen = look(source, request);
    CHECK(seen.conns == CONNS && seen.listeners == LISTENERS && seen.endpoints == 1,
          "a snapshot has everything once");
    CHECK(seen.owned == CONNS, "with whom each belongs to");
    CHECK(seen.secrets == CONNS, "and sequence numbers");
    CHECK(seen.pages > 1 && seen.largest <= SIGHT_PAGE_MAX, "in pages of bounded size");
    request.count = 1;
    seen = look(source, request);
    CHECK(seen.conns == CONNS && seen.pages >= CONNS, "one a page, if that is asked for");
    request.states = 1u << WEIR_LISTEN;
    request.count = 0;
    seen = look(source, request);
    CHECK(seen.conns == 0 && seen.listeners == LISTENERS, "only the states that are asked for");
    struct sight_source stranger = *source;
    stranger.secrets = false;
    seen = look(&stranger, request_of(SIGHT_SNAPSHOT));
    CHECK(seen.conns == CONNS && seen.secrets == 0, "no sequence number for who may not see it");
    CHECK((page->flags & SIGHT_SECRETS) == 0, "and the page says so");
}

static void test_stream(const struct sight_source *source)
{
    struct sight_request request = request_of(SIGHT_STREAM);
    request.want = WEIR_TRACE_STORY;
    (void)sight_answer(source, &request, sizeof request, page);
    const struct weir_record *record = (const struct weir_record *)(page + 1);
    unsigned numbers = 0;
    for (uint32_t i = 0; i < page->count; i++)
        numbers += record[i].type == WEIR_REC_STATE && record[i].seq != 0;
    CHECK(page->count >= CONNS && numbers >= CONNS, "the story has the opens (%u, %u)", page->count,
          numbers);
    struct sight_source stranger = *source;
    stranger.secrets = false;
    (void)sight_answer(&stranger, &request, sizeof request, page);
    numbers = 0;
    for (uint32_t i = 0; i < page->count; i++)
        numbers += record[i].seq != 0 || record[i].ack != 0;
    CHECK(page->count >= CONNS && numbers == 0, "without numbers for who may not see them");
    request.want = 99;
    (void)sight_answer(source, &request, sizeof request, page);
    CHECK(page->error == EINVAL && page->count == 0, "a ring that there is not");
    request.want = WEIR_TRACE_STORY;
    request.cursor = UINT64_MAX;
    (void)sight_answer(source, &request, sizeof request, page);
    CHECK(page->error == 0 && page->count == 0, "a place that is not reached yet");
}

static void test_counters(const struct sight_source *source)
{
    const struct sight_request request = request_of(SIGHT_COUNTERS);
    const struct sight_counter *counter = (const struct sight_counter *)(page + 1);
    uint64_t opens = 0, used = 0;
    (void)sight_answer(source, &request, sizeof request, page);
    for (uint32_t i = 0; i < page->count; i++) {
        if (strcmp(counter[i].name, "TcpActiveOpens") == 0)
            opens = counter[i].value;
        if (strcmp(counter[i].name, "WeirPoolTcbUsed") == 0)
            used = counter[i].value;
    }
    CHECK(opens == CONNS && used == CONNS, "counters have Linux's names");
    CHECK((page->flags & SIGHT_END) != 0, "and are one page");
}

static void test_devices(const struct sight_source *source)
{
    const struct sight_request request = request_of(SIGHT_DEVICES);
    struct weir_dev dev = { .ops = &(const struct weir_dev_ops){ .count = NULL },
                            .name = "eth0",
                            .counters = { .frames_in = 1,
                                          .octets_in = 2,
                                          .frames_out = 3,
                                          .octets_out = 4,
                                          .refused = 5,
                                          .missed = 6,
                                          .lost = 7 } };
    struct sight_source with = *source;
    with.dev = &dev;
    (void)sight_answer(source, &request, sizeof request, page);
    CHECK(page->error == 0 && page->count == 0 && (page->flags & SIGHT_END) != 0,
          "an instance without a device has none to show");
    (void)sight_answer(&with, &request, sizeof request, page);
    const struct sight_device *device = (const struct sight_device *)(page + 1);
    CHECK(page->count == 1 && page->head_len == sizeof *device &&
              strcmp(device->name, "eth0") == 0 && device->frames_in == 1 &&
              device->octets_in == 2 && device->frames_out == 3 && device->octets_out == 4 &&
              device->refused == 5 && device->missed == 6 && device->lost == 7,
          "one with a device shows what that counts");
}

/* Whatever is sent: an answer of its size, and no more than a page. */
static void test_hostile(const struct sight_source *source)
{
    struct sight_request request = request_of(SIGHT_SNAPSHOT);
    size_t answered = sight_answer(source, &request, sizeof request - 1, page);
    CHECK(page->error == EPROTO && answered == sizeof *page, "a request that is cut");
    answered = sight_answer(source, &request, sizeof request + 1, page);
    CHECK(page->error == EPROTO && answered == sizeof *page, "one that is too long");
    request.version = 2;
    (void)sight_answer(source, &request, sizeof request, page);
    CHECK(page->error == EPROTO && page->version == SIGHT_VERSION, "one of another time");
    request = request_of(77);
    (void)sight_answer(source, &request, sizeof request, page);
    CHECK(page->error == EOPNOTSUPP, "one of another kind");
    CHECK(!sight_is_request("loo", 3) && !sight_is_request("weir....", 8), "what is none");
    uint32_t random = 1;
    bool held = true;
    for (unsigned i = 0; i < 20000 && held; i++) {
        uint32_t *const word = (uint32_t *)&request;
        request = request_of(1 + i % 3);
        for (unsigned k = 2; k < sizeof request / sizeof *word; k++) {
            random = random * 1664525 + 1013904223;
            if ((random >> 28) < 4)
                word[k] = random >> 16 & 1 ? random : UINT32_MAX;
        }
        answered = sight_answer(source, &request, sizeof request, page);
        held = answered >= sizeof *page && answered <= SIGHT_PAGE_MAX;
    }
    CHECK(held, "20,000 requests at random are answered within a page");
}

int main(void)
{
    void *memory;
    struct weir *weir = make(&memory);
    const struct sight_source source = {
        .weir = weir, .owner = name_owner, .now = 2, .secrets = true
    };
    test_snapshot(&source);
    test_stream(&source);
    test_counters(&source);
    test_devices(&source);
    test_hostile(&source);
    free(memory);
    return tap_done();
}
