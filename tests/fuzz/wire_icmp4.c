/* SPDX-License-Identifier: MIT */
#include "wire/icmp4.h"

#include "base/csum.h"
#include "fuzz/law.h"

static void body(const struct icmp4_head *head)
{
    struct icmp_quote quote;
    if (wire_icmp4_quote(head->body, head->len, &quote) == WIRE_OK) {
        LAW(quote.len >= 8 && quote.transport + quote.len == head->body + head->len);
        LAW(weir_ip_is_v4(&quote.src) && weir_ip_is_v4(&quote.dst));
    }
    struct icmp4_times times;
    uint8_t out[ICMP4_TIMES];
    if (wire_icmp4_times_parse(head->body, head->len, &times) == WIRE_OK)
        LAW(wire_icmp4_times_emit(out, sizeof out, &times) == ICMP4_TIMES &&
            memcmp(out, head->body, ICMP4_TIMES) == 0);
}

/* The checksum would keep the fuzzer out, so it is put right. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct icmp4_head head;
    const enum wire_error as_it_is = wire_icmp4_parse(data, size, &head);
    LAW((as_it_is == WIRE_SHORT) == (size < ICMP_HEAD));
    if (size < ICMP_HEAD)
        return 0;
    uint8_t *copy = malloc(size);
    LAW(copy != NULL);
    memcpy(copy, data, size);
    copy[2] = copy[3] = 0;
    const uint16_t sum = csum_fold(csum_add(0, copy, size));
    copy[2] = (uint8_t)(sum >> 8);
    copy[3] = (uint8_t)sum;
    LAW(wire_icmp4_parse(copy, size, &head) == WIRE_OK);
    LAW(head.body + head.len == copy + size);

    uint8_t out[ICMP_HEAD];
    LAW(wire_icmp4_emit(out, sizeof out, &head) == ICMP_HEAD);
    LAW(memcmp(out, data, 2) == 0 && memcmp(out + 4, data + 4, 4) == 0);
    body(&head);
    free(copy);
    return 0;
}
