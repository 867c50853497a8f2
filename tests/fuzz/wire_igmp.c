/* SPDX-License-Identifier: MIT */
#include "wire/igmp.h"

#include "base/csum.h"
#include "fuzz/law.h"

/* The checksum would keep the fuzzer out, so it is put right. What a short message says can be
 * written, and is the same but for the response time, which we never send. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct group_message message;
    if (size < IGMP_LEN) {
        LAW(wire_igmp_parse(data, size, &message) == WIRE_SHORT);
        return 0;
    }
    uint8_t *copy = malloc(size);
    LAW(copy != NULL);
    memcpy(copy, data, size);
    copy[2] = copy[3] = 0;
    const uint16_t sum = csum_fold(csum_add(0, copy, size));
    copy[2] = (uint8_t)(sum >> 8);
    copy[3] = (uint8_t)sum;
    if (wire_igmp_parse(copy, size, &message) == WIRE_OK) {
        LAW(message.type == copy[0]);
        LAW(message.type != IGMP_QUERY || (message.version >= 1 && message.version <= 3));
        uint8_t out[IGMP_LEN];
        LAW(wire_igmp_emit(out, sizeof out, message.type, &message.group) == IGMP_LEN);
        LAW(message.type == IGMP_REPORT3 || memcmp(out + 4, copy + 4, 4) == 0);
    }
    free(copy);
    return 0;
}
