/* SPDX-License-Identifier: MIT */
#include "wire/eth.h"

#include "fuzz/law.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct eth_head head;
    const enum wire_error error = wire_eth_parse(data, size, &head);
    LAW((error == WIRE_OK) == (size >= ETH_HEAD));
    if (error != WIRE_OK)
        return 0;
    uint8_t out[ETH_HEAD];
    LAW(wire_eth_emit(out, sizeof out, &head) == ETH_HEAD && memcmp(out, data, ETH_HEAD) == 0);
    return 0;
}
