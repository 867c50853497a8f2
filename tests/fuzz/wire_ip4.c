/* SPDX-License-Identifier: MIT */
#include "wire/ip4.h"

#include "base/csum.h"
#include "fuzz/law.h"

/* The checksum would keep the fuzzer out: each input is tried as it is, and with the sum put right.
 */
static void parse(const uint8_t *data, size_t size)
{
    struct ip4_head head;
    if (wire_ip4_parse(data, size, &head) != WIRE_OK)
        return;
    LAW(head.options + head.options_len == head.payload);
    LAW((size_t)(head.payload - data) + head.len <= size);

    uint8_t pointer = 0;
    if (wire_ip4_options(head.options, head.options_len, &pointer) == IP4_OPTIONS_BAD)
        LAW(pointer >= IP4_HEAD_MIN && pointer < IP4_HEAD_MIN + head.options_len);

    uint8_t out[IP4_HEAD_MAX];
    const size_t head_len = wire_ip4_emit(out, sizeof out, &head);
    LAW(head_len == (size_t)(head.payload - data));
    if ((data[6] & 0x80) == 0) /* the reserved bit is not kept */
        LAW(memcmp(out, data, 10) == 0 && memcmp(out + 12, data + 12, head_len - 12) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    parse(data, size);
    const size_t head_len = size > 0 ? (size_t)(data[0] & 0xf) * 4 : 0;
    if (head_len < IP4_HEAD_MIN || head_len > size)
        return 0;
    uint8_t *copy = malloc(size);
    LAW(copy != NULL);
    memcpy(copy, data, size);
    copy[10] = copy[11] = 0;
    const uint16_t sum = csum_fold(csum_add(0, copy, head_len));
    copy[10] = (uint8_t)(sum >> 8);
    copy[11] = (uint8_t)sum;
    parse(copy, size);
    free(copy);
    return 0;
}
