/* SPDX-License-Identifier: MIT */
#include "wire/arp.h"

#include "fuzz/law.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arp_head head;
    if (wire_arp_parse(data, size, &head) != WIRE_OK)
        return 0;
    LAW(size >= ARP_HEAD && (head.op == ARP_REQUEST || head.op == ARP_REPLY));
    uint8_t out[ARP_HEAD];
    LAW(wire_arp_emit(out, sizeof out, &head) == ARP_HEAD && memcmp(out, data, ARP_HEAD) == 0);
    return 0;
}
