/* SPDX-License-Identifier: MIT */
#include "wire/udp.h"

#include "fuzz/law.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct udp_head head;
    if (wire_udp_parse(data, size, &head) != WIRE_OK)
        return 0;
    LAW(head.data == data + UDP_HEAD && head.len <= size - UDP_HEAD);
    uint8_t out[UDP_HEAD];
    LAW(wire_udp_emit(out, sizeof out, &head) == UDP_HEAD && memcmp(out, data, UDP_HEAD) == 0);
    return 0;
}
