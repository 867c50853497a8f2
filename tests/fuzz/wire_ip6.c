/* SPDX-License-Identifier: MIT */
#include "wire/ip6.h"

#include "fuzz/law.h"

static void walk(const uint8_t *packet, size_t len, bool reassembled)
{
    struct ip6_walk out;
    const enum ip6_walk_end end = wire_ip6_walk(packet, len, reassembled, &out);
    if (end != IP6_WALK_OK) {
        LAW(!out.report || out.pointer < len);
        return;
    }
    LAW(!out.report && out.off >= IP6_HEAD && out.off + out.len == len);
    LAW(!(out.fragment && reassembled));
    if (!out.fragment) {
        LAW(out.proto == 6 || out.proto == 17 || out.proto == 58);
        return;
    }
    LAW(out.frag_off > 0 || out.frag_more);
    LAW(out.len > 0 && (!out.frag_more || out.len % 8 == 0));
    LAW(out.frag_head - IP6_HEAD + out.frag_off + out.len <= UINT16_MAX);
    LAW(packet[out.frag_next] == IP6_FRAGMENT && out.frag_head + IP6_FRAG_HEAD == out.off);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ip6_head head;
    if (wire_ip6_parse(data, size, &head) != WIRE_OK)
        return 0;
    LAW(head.payload == data + IP6_HEAD && head.len <= size - IP6_HEAD);
    uint8_t out[IP6_HEAD];
    LAW(wire_ip6_emit(out, sizeof out, &head) == IP6_HEAD && memcmp(out, data, IP6_HEAD) == 0);

    /* In a block of its own, since the frame may go on behind the packet. */
    const size_t len = IP6_HEAD + (size_t)head.len;
    uint8_t *packet = malloc(len);
    LAW(packet != NULL);
    memcpy(packet, data, len);
    walk(packet, len, false);
    walk(packet, len, true);
    free(packet);
    return 0;
}
