/* SPDX-License-Identifier: MIT */
#include "base/prng.h"
#include "frames.h"

/* Where an address of ours is found: by the table that tells where to look, against looking at all
 * of them. */

#define STEPS 3000

/* Few enough to meet each other, and each other's broadcast addresses, again and again. */
static struct weir_ip draw(struct prng *prng)
{
    if (prng_below(prng, 4) == 0) {
        struct weir_ip ip = net_ip("2001:db8::100");
        ip.octet[15] = (uint8_t)prng_below(prng, 8);
        return ip;
    }
    return weir_ip_v4(10, 0, (uint8_t)prng_below(prng, 3), (uint8_t)(240 + prng_below(prng, 16)));
}

static bool is_own(const struct ip_host *ip, const struct weir_ip *addr)
{
    for (unsigned i = 0; i < ip->address_top; i++)
        if (ip_address_usable(&ip->address[i]) && weir_ip_equal(&ip->address[i].ip, addr))
            return true;
    return false;
}

static bool is_broadcast(const struct ip_host *ip, const struct weir_ip *addr)
{
    for (unsigned i = 0; i < ip->address_top; i++) {
        const struct ip_address *address = &ip->address[i];
        if (address->used && address->has_broadcast && weir_ip_equal(&address->broadcast, addr))
            return true;
    }
    return false;
}

static void places(void)
{
    struct net *net = net_start();
    struct prng prng;
    prng_init(&prng, 1, 0, 0);
    unsigned wrong_own = 0, wrong_broadcast = 0, wrong_found = 0, owned = 0, broadcasts = 0;
    for (unsigned step = 0; step < STEPS; step++) {
        const struct weir_ip some = draw(&prng), asked = draw(&prng);
        if (prng_below(&prng, 5) < 3)
            (void)!ip_address_add(net->ip, 0, &some, weir_ip_is_v4(&some) ? 24 + step % 9 : 64,
                                  net->now);
        else
            (void)!ip_address_remove(net->ip, 0, &some, net->now);
        const bool own = is_own(net->ip, &asked), broadcast = is_broadcast(net->ip, &asked);
        const struct ip_address *found = ip_address_find(net->ip, 0, &asked);
        owned += own;
        broadcasts += broadcast;
        wrong_own += ip_is_own(net->ip, &asked) != own;
        wrong_broadcast += ip_is_broadcast(net->ip, &asked) != broadcast;
        wrong_found += (found != NULL) != own || (own && !weir_ip_equal(&found->ip, &asked));
        if (step % 100 == 99)
            net_pass(net, 2 * WEIR_SECOND); /* the new ones are nobody else's */
    }
    CHECK(owned > STEPS / 10 && broadcasts > STEPS / 100, "some were ours, and some broadcasts");
    CHECK(wrong_own == 0, "what is ours is known: wrong %u times", wrong_own);
    CHECK(wrong_broadcast == 0, "and what is a broadcast: wrong %u times", wrong_broadcast);
    CHECK(wrong_found == 0, "and which of them it is: wrong %u times", wrong_found);
    const struct weir_ip all = weir_ip_v4(255, 255, 255, 255);
    CHECK(ip_is_broadcast(net->ip, &all), "to all is a broadcast whatever we are called");
    net_end(net);
}

static void equal_bits(void)
{
    struct weir_ip a = net_ip("2001:db8:55aa:1:2:3:4:5"), b = a;
    CHECK(ip_equal_bits(&a, &b) == 128, "an address equals itself in all its bits");
    unsigned wrong = 0;
    for (unsigned bit = 0; bit < 128; bit++) {
        b = a;
        b.octet[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
        b.octet[15] ^= bit < 120 ? 0x55 : 0; /* what comes after it does not count */
        wrong += ip_equal_bits(&a, &b) != bit;
    }
    CHECK(wrong == 0, "the first bit that differs ends what is equal");
}

int main(void)
{
    places();
    equal_bits();
    return tap_done();
}
