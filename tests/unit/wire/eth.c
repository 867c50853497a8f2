/* SPDX-License-Identifier: MIT */
#include "wire/arp.h"
#include "wire/eth.h"

#include "octets.h"

/* Ethernet and ARP. */

static void eth_lengths(void)
{
    uint8_t frame[64];
    for (unsigned fill = 0; fill < 2; fill++) {
        memset(frame, fill == 0 ? 0x00 : 0xff, sizeof frame);
        bool holds = true;
        for (size_t len = 0; len <= sizeof frame; len++) {
            struct eth_head head;
            const enum wire_error want = len < ETH_HEAD ? WIRE_SHORT : WIRE_OK;
            holds &= wire_eth_parse(guarded(frame, len), len, &head) == want;
        }
        CHECK(holds, "eth: frames of 0 to 64 octets of %s", fill == 0 ? "00" : "ff");
    }
}

static void eth_round_trip(void)
{
    struct prng prng;
    prng_init(&prng, 1, 0, 0);
    bool holds = true;
    for (unsigned run = 0; run < RANDOM_RUNS; run++) {
        uint8_t in[ETH_HEAD], out[ETH_HEAD];
        random_octets(&prng, in, sizeof in);
        struct eth_head head;
        holds &= wire_eth_parse(guarded(in, sizeof in), sizeof in, &head) == WIRE_OK;
        holds &= memcmp(head.dst, in, 6) == 0 && memcmp(head.src, in + 6, 6) == 0;
        holds &= head.type == (in[12] << 8 | in[13]) && eth_is_group(head.dst) == (in[0] & 1);
        holds &= wire_eth_emit(out, sizeof out, &head) == ETH_HEAD;
        holds &= memcmp(in, out, sizeof in) == 0;
    }
    CHECK(holds, "eth: what is read is what is written");
    const struct eth_head head = { .type = ETH_IP4 };
    uint8_t small[ETH_HEAD];
    CHECK(wire_eth_emit(small, ETH_HEAD - 1, &head) == 0, "eth: no room, nothing written");
}

static const char request[] = "0001 0800 06 04 0001 020000000001 c0000201 000000000000 c0000202";

static void arp_edges(void)
{
    static const struct {
        const char *name;
        size_t at;
        uint8_t value;
        enum wire_error want;
    } edges[] = {
        { "hardware is not Ethernet", 1, 6, WIRE_BAD },
        { "hardware high octet", 0, 1, WIRE_BAD },
        { "protocol is not IPv4", 2, 0x86, WIRE_BAD },
        { "hlen 0", 4, 0, WIRE_BAD },
        { "hlen 255", 4, 255, WIRE_BAD },
        { "plen 16", 5, 16, WIRE_BAD },
        { "operation 0", 7, 0, WIRE_UNKNOWN },
        { "operation 2 is a reply", 7, 2, WIRE_OK },
        { "operation 3 is RARP", 7, 3, WIRE_UNKNOWN },
        { "operation 0x0101", 6, 1, WIRE_UNKNOWN },
    };
    uint8_t packet[64];
    for (unsigned i = 0; i < sizeof edges / sizeof edges[0]; i++) {
        const size_t len = unhex(request, packet);
        packet[edges[i].at] = edges[i].value;
        struct arp_head head;
        CHECK(wire_arp_parse(guarded(packet, len), len, &head) == edges[i].want, "arp: %s",
              edges[i].name);
    }
    const size_t len = unhex(request, packet);
    bool holds = len == ARP_HEAD;
    struct arp_head head;
    for (size_t cut = 0; cut < len; cut++)
        holds &= wire_arp_parse(guarded(packet, cut), cut, &head) == WIRE_SHORT;
    CHECK(holds, "arp: every truncation is short");
    holds = true;
    for (unsigned fill = 0; fill < 256; fill++)
        for (size_t size = 0; size <= 64; size++) {
            uint8_t filled[64];
            memset(filled, (int)fill, sizeof filled);
            holds &= wire_arp_parse(guarded(filled, size), size, &head) != WIRE_OK;
        }
    CHECK(holds, "arp: 0 to 64 octets of one value are none");
    memset(packet + len, 0xff, sizeof packet - len);
    CHECK(wire_arp_parse(guarded(packet, 46), 46, &head) == WIRE_OK, "arp: padding is ignored");
}

static void arp_round_trip(void)
{
    struct prng prng;
    prng_init(&prng, 2, 0, 0);
    bool holds = true;
    for (unsigned run = 0; run < RANDOM_RUNS; run++) {
        uint8_t in[ARP_HEAD], out[ARP_HEAD];
        unhex(request, in);
        random_octets(&prng, in + 8, sizeof in - 8);
        in[7] = run % 2 == 0 ? 1 : 2;
        struct arp_head head;
        holds &= wire_arp_parse(guarded(in, sizeof in), sizeof in, &head) == WIRE_OK;
        holds &= weir_ip_is_v4(&head.spa) && memcmp(head.spa.octet + 12, in + 14, 4) == 0;
        holds &= weir_ip_is_v4(&head.tpa) && memcmp(head.tpa.octet + 12, in + 24, 4) == 0;
        holds &= wire_arp_emit(out, sizeof out, &head) == ARP_HEAD;
        holds &= memcmp(in, out, sizeof in) == 0;
        holds &= wire_arp_emit(out, run % ARP_HEAD, &head) == 0;
    }
    CHECK(holds, "arp: what is read is what is written");
}

int main(void)
{
    eth_lengths();
    eth_round_trip();
    arp_edges();
    arp_round_trip();
    return tap_done();
}
