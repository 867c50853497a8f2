/* SPDX-License-Identifier: MIT */
#include "wire/tcp.h"

#include "fuzz/law.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tcp_seg seg, seg_again;
    struct tcp_opts opts, opts_again;
    if (wire_tcp_parse(data, size, &seg, &opts) != WIRE_OK)
        return 0;
    const size_t head_len = (size_t)(seg.text - data);
    LAW(head_len >= TCP_HEAD_MIN && head_len <= TCP_HEAD_MAX && head_len + seg.len == size);
    LAW(opts.sack_count <= TCP_SACK_MAX);

    uint8_t out[TCP_HEAD_MAX], again[TCP_HEAD_MAX];
    const size_t len = wire_tcp_emit(out, sizeof out, &seg, &opts);
    LAW(len >= TCP_HEAD_MIN && len == wire_tcp_head_len(&opts));
    LAW(memcmp(out, data, 12) == 0 && memcmp(out + 13, data + 13, 3) == 0);
    LAW(memcmp(out + 18, data + 18, 2) == 0);

    LAW(wire_tcp_parse(out, len, &seg_again, &opts_again) == WIRE_OK && seg_again.len == 0);
    LAW(memcmp(&opts, &opts_again, sizeof opts) == 0);
    LAW(wire_tcp_emit(again, sizeof again, &seg_again, &opts_again) == len);
    LAW(memcmp(out, again, len) == 0);
    return 0;
}
