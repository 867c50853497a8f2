/* SPDX-License-Identifier: MIT */
#include "weir/dev.h"

#include "base/csum.h"

#include <string.h>

#define UDP_CSUM_AT 6

size_t weir_out_copy(const struct weir_out *out, uint8_t *to, size_t room)
{
    if (weir_out_len(out) > room)
        return 0;
    memcpy(to, out->head, out->head_len);
    size_t len = out->head_len;
    for (unsigned i = 0; i < out->span_count; i++) {
        memcpy(to + len, out->span[i].base, out->span[i].len);
        len += out->span[i].len;
    }
    return len;
}

void weir_out_complete(const struct weir_out *out, uint8_t *frame, size_t len)
{
    const size_t field = (size_t)out->csum_start + out->csum_offset;
    if (out->csum_start == 0 || field + 2 > len)
        return;
    uint16_t sum = csum_fold(csum_add(0, frame + out->csum_start, len - out->csum_start));
    if (sum == 0 && out->csum_offset == UDP_CSUM_AT)
        sum = 0xffff; /* in UDP, 0 would say that there is no sum (RFC 768) */
    frame[field] = (uint8_t)(sum >> 8);
    frame[field + 1] = (uint8_t)sum;
}
