/* SPDX-License-Identifier: MIT */
#include "wire/icmp6.h"

#include "fuzz/law.h"

/* What a neighbour discovery message says can be written, and says the same again. */
static void discovery(const struct icmp6_head *head)
{
    static uint8_t p[2048], again[2048];
    struct nd_message first, second;
    if (wire_nd_parse(head, &first) != WIRE_OK)
        return;
    const size_t len = wire_nd_emit(p, sizeof p, &first);
    LAW(len >= ICMP_HEAD && len % 8 == 0);
    const uint16_t sum = csum_fold(csum_add(0, p, len));
    p[2] = (uint8_t)(sum >> 8);
    p[3] = (uint8_t)sum;

    struct icmp6_head icmp;
    LAW(wire_icmp6_parse(p, len, 0, &icmp) == WIRE_OK && wire_nd_parse(&icmp, &second) == WIRE_OK);
    p[2] = p[3] = 0;
    LAW(wire_nd_emit(again, sizeof again, &second) == len && memcmp(p, again, len) == 0);
    LAW(first.has == second.has && first.rdnss_count == second.rdnss_count);
}

/* The checksum would keep the fuzzer out, so it is put right. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct icmp6_head head;
    const enum wire_error as_it_is = wire_icmp6_parse(data, size, 0, &head);
    LAW((as_it_is == WIRE_SHORT) == (size < ICMP_HEAD));
    if (size < ICMP_HEAD)
        return 0;
    uint8_t *copy = malloc(size);
    LAW(copy != NULL);
    memcpy(copy, data, size);
    copy[2] = copy[3] = 0;
    const csum32 pseudo = 0x2001 + 0xdb8 + 58;
    const uint16_t sum = csum_fold(csum_add(pseudo, copy, size));
    copy[2] = (uint8_t)(sum >> 8);
    copy[3] = (uint8_t)sum;
    LAW(wire_icmp6_parse(copy, size, pseudo, &head) == WIRE_OK);

    uint8_t out[ICMP_HEAD];
    LAW(wire_icmp6_emit(out, sizeof out, &head) == ICMP_HEAD);
    LAW(memcmp(out, data, 2) == 0 && memcmp(out + 4, data + 4, 4) == 0);
    struct icmp_quote quote;
    if (wire_icmp6_quote(head.body, head.len, &quote) == WIRE_OK)
        LAW(quote.len >= 8 && quote.transport + quote.len == copy + size);
    discovery(&head);
    free(copy);
    return 0;
}
