/* SPDX-License-Identifier: MIT */
#include "wire/mld.h"

#include "fuzz/law.h"

/* The body of a message whose sum was right. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < ICMP_HEAD)
        return 0;
    struct icmp6_head head = { .type = data[0], .body = data + ICMP_HEAD };
    head.rest = (uint32_t)data[4] << 24 | (uint32_t)data[5] << 16;
    head.len = (uint32_t)(size - ICMP_HEAD);
    struct group_message message;
    if (wire_mld_parse(&head, &message) != WIRE_OK || message.type == MLD_REPORT2)
        return 0;
    LAW(size >= MLD_LEN && message.type == data[0]);
    uint8_t out[MLD_LEN];
    LAW(wire_mld_emit(out, sizeof out, message.type, &message.group) == MLD_LEN);
    LAW(memcmp(out + ICMP_HEAD, data + ICMP_HEAD, MLD_ADDRESS) == 0);
    return 0;
}
