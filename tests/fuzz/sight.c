/* SPDX-License-Identifier: MIT */
#include "ipc/sight.h"

#include "fuzz/law.h"
#include "weir/weir.h"

#define CONNS 40

static struct weir *make(void)
{
    struct weir_config config;
    struct weir *weir = NULL;
    unsigned iface;
    weir_handle handle;
    weir_config_default(&config);
    config.trace_flow = config.trace_story = 256;
    config.ring_chunks = 1024;
    const size_t len = (weir_memory_size(&config) + 63) / 64 * 64;
    const struct weir_iface_config link = { .medium = WEIR_IP_ONLY, .mtu = 1500 };
    const struct weir_addr local = { weir_ip_v4(192, 0, 2, 2), 80, 0 };
    const struct weir_ip any = weir_ip_v4(0, 0, 0, 0);
    void *memory = aligned_alloc(64, len);
    LAW(memory != NULL && weir_init(&weir, memory, len, &config, 1) == WEIR_OK);
    LAW(weir_iface_add(weir, &link, &iface, 1) == WEIR_OK);
    LAW(weir_address_add(weir, iface, &local.ip, 24, 1) == WEIR_OK);
    LAW(weir_route_add(weir, &any, 0, NULL, iface, 0) == WEIR_OK);
    LAW(weir_listen(weir, &local, 5, 0, &handle) == WEIR_OK);
    LAW(weir_udp_open(weir, &local, &handle) == WEIR_OK);
    for (uint8_t i = 0; i < CONNS; i++) {
        const struct weir_addr remote = { weir_ip_v4(198, 51, 100, i), 80, 0 };
        LAW(weir_connect(weir, NULL, &remote, &handle, 1) == WEIR_IN_PROGRESS);
    }
    return weir;
}

static bool is_secret(const struct sight_tail *tail)
{
    return (tail->iss | tail->irs | tail->snd_una | tail->snd_nxt | tail->rcv_nxt | tail->wl1) != 0;
}

static void check_snapshot(const struct sight_page *page, bool secrets)
{
    const uint8_t *at = (const uint8_t *)(page + 1);
    struct sight_tail tail;
    for (uint32_t i = 0; i < page->count; i++, at += page->head_len + page->info_len) {
        if (page->tail_len == 0)
            continue;
        LAW(page->tail_len == sizeof tail);
        memcpy(&tail, at + page->head_len + page->info_len, sizeof tail);
        LAW(secrets || !is_secret(&tail));
        at += page->tail_len;
    }
}

/* Whoever asks, and whatever: one page, within its bounds, whole records, and no sequence numbers
 * for who may not have them. The first octet says who asks. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct weir *weir;
    static uint64_t memory[SIGHT_PAGE_MAX / sizeof(uint64_t)];
    const struct sight_page *page = (const struct sight_page *)memory;
    if (weir == NULL)
        weir = make();
    if (size == 0)
        return 0;
    const bool secrets = (data[0] & 1) != 0;
    const struct sight_source source = { .weir = weir, .now = 1, .pid = 1, .secrets = secrets };
    const size_t len = sight_answer(&source, data + 1, size - 1, memory);
    const size_t each = (size_t)page->head_len + page->info_len + page->tail_len;
    LAW(len >= sizeof *page && len <= SIGHT_PAGE_MAX);
    LAW(len == sizeof *page + page->count * each);
    LAW(page->magic == SIGHT_MAGIC && (page->error == 0 || page->count == 0));
    LAW(((page->flags & SIGHT_SECRETS) != 0) == secrets);
    if (page->error == 0 && page->kind == SIGHT_SNAPSHOT)
        check_snapshot(page, secrets);
    return 0;
}
