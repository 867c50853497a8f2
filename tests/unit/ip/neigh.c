/* SPDX-License-Identifier: MIT */
#include "frames.h"

/* ARP and the life of a neighbour. */

static const struct neigh *neigh_of(struct net *net, const char *text)
{
    const struct weir_ip ip = net_ip(text);
    const uint32_t i = neigh_find(net->ip, 0, &ip);
    return i == POOL_NONE ? NULL : pool_at(&net->ip->neigh.pool, i);
}

static void resolve_and_flush(void)
{
    struct net *net = net_start();
    struct arp_head arp = { 0 };
    CHECK(net_send(net, "192.0.2.2", 100) == WEIR_OK, "a packet to an unknown neighbour is taken");
    CHECK(net_take(net) && net_out_arp(net, &arp), "an ARP request leaves");
    const struct weir_ip us = US, peer = PEER;
    CHECK(arp.op == ARP_REQUEST && weir_ip_equal(&arp.tpa, &peer) && weir_ip_equal(&arp.spa, &us),
          "it asks for the neighbour in our name");
    CHECK(memcmp(net->out, net_broadcast, ETH_ADDR) == 0, "of everybody");
    CHECK(!net_take(net), "the packet itself waits");
    CHECK(net_arp(net, ARP_REPLY, net_peer_mac, "192.0.2.2", "192.0.2.1") == WEIR_DROP_NONE,
          "the reply is believed");
    struct ip4_head head = { 0 };
    CHECK(net_take(net) && net_out_ip4(net, &head) && head.len == 108, "then the packet leaves");
    CHECK(memcmp(net->out, net_peer_mac, ETH_ADDR) == 0, "to the station that answered");
    CHECK(head.df && head.id == 0, "as an atomic datagram: DF and identification 0");
    CHECK(csum_fold(csum_add(ip_pseudo_sum(&head.src, &head.dst, 17, head.len), head.payload,
                             head.len)) == 0,
          "with its transport sum filled in");
    CHECK(net->why == WEIR_WHY_DATAGRAM, "and its reason kept");
    CHECK(!net_take(net), "once");
    CHECK(net->rings.free_count == net->rings.chunk_count, "the queue holds no memory any more");
    net_end(net);
}

static void nobody_answers(void)
{
    struct net *net = net_start();
    for (unsigned i = 0; i < 5; i++)
        CHECK(net_send(net, "192.0.2.2", 10) == WEIR_OK, "packet %u is taken", i);
    CHECK(net->trace.drops[WEIR_DROP_NEIGH_QUEUE] == 2, "of five only the last three wait");
    CHECK(net_drain(net) == 1, "one question for all of them");
    net_pass(net, 1 * WEIR_SECOND);
    CHECK(net_drain(net) == 1, "a second one after a second");
    net_pass(net, 1500 * WEIR_MS);
    CHECK(net_drain(net) == 1, "a third");
    CHECK(neigh_of(net, "192.0.2.2")->state == NEIGH_INCOMPLETE,
          "not given up before three seconds");
    net_pass(net, 500 * WEIR_MS);
    CHECK(net_drain(net) == 0, "and no fourth");
    CHECK(net->trace.drops[WEIR_DROP_NEIGH_FAILED] == 3, "what waited is dropped, each counted");
    CHECK(net_send(net, "192.0.2.2", 10) == WEIR_HOST_UNREACH, "then the failure is told");
    net_pass(net, 2 * WEIR_SECOND);
    CHECK(net->ip->neigh.pool.used == 0, "and the entry goes");
    CHECK(net_send(net, "192.0.2.2", 10) == WEIR_OK && net_drain(net) == 1, "later we ask again");
    net_end(net);
}

static void arp_rules(void)
{
    struct net *net = net_start();
    struct arp_head arp = { 0 };
    CHECK(net_arp(net, ARP_REPLY, net_other_mac, "192.0.2.2", "192.0.2.1") ==
              WEIR_DROP_ARP_UNSOLICITED,
          "a reply nobody asked for");
    CHECK(neigh_of(net, "192.0.2.2") == NULL, "makes no entry");
    CHECK(net_arp(net, ARP_REQUEST, net_peer_mac, "192.0.2.2", "192.0.2.9") ==
              WEIR_DROP_ARP_NOT_OURS,
          "a request for another");
    CHECK(neigh_of(net, "192.0.2.2") == NULL && net_drain(net) == 0,
          "is neither learnt nor answered");
    CHECK(net_arp(net, ARP_REQUEST, net_peer_mac, "192.0.2.2", "192.0.2.1") == WEIR_DROP_NONE &&
              net_take(net) && net_out_arp(net, &arp) && arp.op == ARP_REPLY,
          "a request for us is answered");
    CHECK(neigh_of(net, "192.0.2.2")->state == NEIGH_STALE, "and who asks is remembered as stale");
    CHECK(net_arp(net, ARP_REQUEST, net_peer_mac, "0.0.0.0", "192.0.2.1") == WEIR_DROP_NONE &&
              net_drain(net) == 1,
          "a probe is answered too");
    CHECK(neigh_of(net, "0.0.0.0") == NULL, "and nobody is remembered for it");
    CHECK(net_send(net, "192.0.2.2", 1) == WEIR_OK && net_drain(net) == 1,
          "a stale entry is used at once");
    net_pass(net, 5 * WEIR_SECOND);
    CHECK(net_take(net) && net_out_arp(net, &arp) && arp.op == ARP_REQUEST &&
              memcmp(net->out, net_peer_mac, ETH_ADDR) == 0,
          "five seconds later we ask it, and it alone");
    CHECK(net_arp(net, ARP_REPLY, net_peer_mac, "192.0.2.2", "192.0.2.1") == WEIR_DROP_NONE &&
              neigh_of(net, "192.0.2.2")->state == NEIGH_REACHABLE,
          "its answer makes it reachable");

    /* N-1: none of these changes where packets go. */
    CHECK(net_arp(net, ARP_REPLY, net_other_mac, "192.0.2.2", "192.0.2.1") ==
              WEIR_DROP_ARP_UNSOLICITED,
          "N-1: a forged reply");
    CHECK(net_arp(net, ARP_REQUEST, net_other_mac, "192.0.2.2", "192.0.2.1") == WEIR_DROP_NONE,
          "N-1: a forged request");
    CHECK(net_arp(net, ARP_REQUEST, net_other_mac, "192.0.2.2", "192.0.2.2") ==
              WEIR_DROP_ARP_NOT_OURS,
          "N-1: a gratuitous claim");
    CHECK(memcmp(neigh_of(net, "192.0.2.2")->mac, net_peer_mac, ETH_ADDR) == 0,
          "N-1: the entry still names its station");

    /* Our own address. */
    net_drain(net);
    net_pass(net, 20 * WEIR_SECOND);
    net_drain(net);
    CHECK(net_arp(net, ARP_REQUEST, net_other_mac, "192.0.2.1", "192.0.2.1") ==
              WEIR_DROP_ARP_CONFLICT,
          "N-1: our own address claimed");
    CHECK(net_take(net) && net_out_arp(net, &arp) && weir_ip_equal(&arp.spa, &arp.tpa),
          "is defended by an announcement");
    CHECK(net_arp(net, ARP_REPLY, net_other_mac, "192.0.2.1", "192.0.2.1") ==
                  WEIR_DROP_ARP_CONFLICT &&
              net_drain(net) == 0,
          "but once in ten seconds");
    net->now += 10 * WEIR_SECOND;
    CHECK(net_arp(net, ARP_REPLY, net_other_mac, "192.0.2.1", "192.0.2.1") ==
                  WEIR_DROP_ARP_CONFLICT &&
              net_drain(net) == 1,
          "then again");
    CHECK(net_arp(net, ARP_REQUEST, net_peer_mac, "224.0.0.5", "192.0.2.1") == WEIR_DROP_ARP_BAD,
          "a group cannot ask");
    net_end(net);
}

static void moved_station(void)
{
    struct net *net = net_start();
    net_know_peer(net);
    CHECK(net_send(net, "192.0.2.2", 1) == WEIR_OK && net_drain(net) == 1,
          "sent to the old station");
    net_pass(net, 5 * WEIR_SECOND);
    CHECK(net_arp(net, ARP_REPLY, net_other_mac, "192.0.2.2", "192.0.2.1") == WEIR_DROP_NONE,
          "an answer to our question may name another station");
    CHECK(memcmp(neigh_of(net, "192.0.2.2")->mac, net_other_mac, ETH_ADDR) == 0, "then it moves");
    net_end(net);
}

static void announcements(void)
{
    struct weir_config config;
    net_config(&config);
    struct net *net = net_begin(&config);
    (void)net_iface(net, true, false);
    net_address(net, "192.0.2.1", 24);
    const struct weir_ip us = US;
    CHECK(ip_is_local(net->ip, &us), "an IPv4 address is used at once");
    CHECK(net_drain(net) == 1, "and announced");
    net_pass(net, 2 * WEIR_SECOND);
    CHECK(net_drain(net) == 1, "and again after two seconds");
    net_pass(net, 100 * WEIR_SECOND);
    CHECK(net_drain(net) == 0, "and not a third time");
    net_end(net);
}

/* N-2: who scans us, or makes us answer, does not push out whom we talk to. */
static void exhaustion(void)
{
    struct net *net = net_start();
    net_know_peer(net);
    CHECK(net_send(net, "192.0.2.2", 1) == WEIR_OK && net_drain(net) == 1, "a neighbour in use");
    for (unsigned i = 0; i < 1000; i++) {
        char text[WEIR_IP_TEXT_MAX];
        const uint8_t mac[ETH_ADDR] = { 2, 1, 0, 0, (uint8_t)(i >> 8), (uint8_t)i };
        const struct weir_ip ip = weir_ip_v4(192, 0, 2, (uint8_t)(10 + i % 200));
        (void)net_arp(net, ARP_REQUEST, mac, weir_ip_text(&ip, text), "192.0.2.1");
        net_drain(net);
    }
    const struct neigh *peer = neigh_of(net, "192.0.2.2");
    CHECK(peer != NULL && memcmp(peer->mac, net_peer_mac, ETH_ADDR) == 0,
          "N-2: survives a thousand others");
    CHECK(net->ip->neigh.pool.used == net->config.neigh_max, "N-2: the table is full, not fuller");

    unsigned taken = 0;
    for (unsigned i = 0; i < 100; i++) {
        char text[WEIR_IP_TEXT_MAX];
        const struct weir_ip ip = weir_ip_v4(192, 0, 2, (uint8_t)(100 + i));
        taken += net_send(net, weir_ip_text(&ip, text), 1) == WEIR_OK;
        net_drain(net);
    }
    CHECK(taken < 100, "N-2: a scan of ours ends in a full table (%u taken)", taken);
    CHECK(neigh_of(net, "192.0.2.2") != NULL, "N-2: and leaves the neighbour in use alone");
    net_pass(net, 5 * WEIR_SECOND);
    net_drain(net);
    CHECK(net_send(net, "192.0.2.99", 1) == WEIR_OK,
          "N-2: when the questions failed there is room");
    net_pass(net, 2000 * WEIR_SECOND);
    CHECK(net->ip->neigh.pool.used == 0, "N-2: in the end the table is empty");
    CHECK(net->rings.free_count == net->rings.chunk_count, "N-2: and no chunk is held");
    net_end(net);
}

static void waiters(void)
{
    struct net *net = net_start();
    struct weir_ip src = { 0 };
    const struct weir_ip peer = PEER;
    struct ip_path path;
    bool failed = true;
    CHECK(ip_path_find(net->ip, &src, &peer, 0, &path, net->now) == WEIR_OK, "a path is found");
    for (uint32_t w = 0; w < 4; w++)
        CHECK(ip_path_ready(net->ip, &path, &peer, w, net->now) == IP_RESOLVING, "%u waits", w);
    CHECK(ip_path_ready(net->ip, &path, &peer, 2, net->now) == IP_RESOLVING, "2 waits again");
    CHECK(ip_waiter_next(net->ip, &failed) == POOL_NONE, "nobody is told yet");
    ip_waiter_forget(net->ip, 1);
    CHECK(net_arp(net, ARP_REPLY, net_peer_mac, "192.0.2.2", "192.0.2.1") == WEIR_DROP_NONE,
          "it answers");
    CHECK(ip_waiter_next(net->ip, &failed) == 0 && !failed, "the first is told");
    ip_waiter_forget(net->ip, 3);
    CHECK(ip_waiter_next(net->ip, &failed) == 2 && !failed, "then the next; the forgotten are not");
    CHECK(ip_waiter_next(net->ip, &failed) == POOL_NONE, "each once");
    CHECK(ip_path_valid(net->ip, &path) &&
              ip_path_ready(net->ip, &path, &peer, 0, net->now) == IP_READY,
          "the path is ready");
    uint8_t head[WEIR_HEAD_MAX];
    const size_t len = net_head(net, &path, &src, &peer, 1000, head);
    CHECK(len == 34 && memcmp(head, net_peer_mac, ETH_ADDR) == 0,
          "and its header names the station");

    const struct weir_ip other = net_ip("192.0.2.3");
    struct ip_path path2;
    (void)ip_path_find(net->ip, &src, &other, 0, &path2, net->now);
    (void)ip_path_ready(net->ip, &path2, &other, 5, net->now);
    net_pass(net, 3 * WEIR_SECOND);
    CHECK(ip_waiter_next(net->ip, &failed) == 5 && failed, "a failure is told as one");
    CHECK(ip_path_ready(net->ip, &path2, &other, 5, net->now) == IP_UNREACHABLE,
          "and holds a while");
    CHECK(ip_waiter_next(net->ip, &failed) == POOL_NONE, "without being told again");
    net_pass(net, 1 * WEIR_SECOND);
    CHECK(!ip_path_valid(net->ip, &path2), "when the entry goes, paths over it are found again");
    net_end(net);
}

/* Who comes while others are being told waits for the next time: else telling would never end. */
static void late_waiter(void)
{
    struct net *net = net_start();
    struct weir_ip src = { 0 };
    const struct weir_ip peer = PEER;
    struct ip_path path;
    bool failed = false;
    (void)ip_path_find(net->ip, &src, &peer, 0, &path, net->now);
    (void)ip_path_ready(net->ip, &path, &peer, 0, net->now);
    (void)ip_path_ready(net->ip, &path, &peer, 1, net->now);
    net_pass(net, 10 * WEIR_SECOND);
    CHECK(ip_path_ready(net->ip, &path, &peer, 2, net->now) == IP_RESOLVING, "asked again later");
    CHECK(ip_waiter_next(net->ip, &failed) == 0 && failed, "the first hears of the failure");
    CHECK(ip_path_ready(net->ip, &path, &peer, 0, net->now) == IP_RESOLVING, "and waits again");
    CHECK(ip_waiter_next(net->ip, &failed) == 1 && failed, "the second hears of it");
    CHECK(ip_waiter_next(net->ip, &failed) == POOL_NONE, "the others wait");
    (void)net_arp(net, ARP_REPLY, net_peer_mac, "192.0.2.2", "192.0.2.1");
    CHECK(ip_waiter_next(net->ip, &failed) == 2 && !failed &&
              ip_waiter_next(net->ip, &failed) == 0 && !failed &&
              ip_waiter_next(net->ip, &failed) == POOL_NONE,
          "until it answers");
    net_end(net);
}

static void confirmed(void)
{
    struct net *net = net_start();
    net_know_peer(net);
    struct weir_ip src = { 0 };
    const struct weir_ip peer = PEER;
    struct ip_path path;
    (void)ip_path_find(net->ip, &src, &peer, 0, &path, net->now);
    for (unsigned i = 0; i < 100; i++) {
        CHECK(ip_path_ready(net->ip, &path, &peer, POOL_NONE, net->now) == IP_READY, "ready, %u",
              i);
        ip_path_confirm(net->ip, &path, net->now);
        net_pass(net, 1 * WEIR_SECOND);
    }
    CHECK(net_drain(net) == 0, "a neighbour whose ACKs we see is never asked");
    net_end(net);
}

/* Every n-th chunk or entry fails: nothing is lost but packets, and they are counted. */
static void failures(void)
{
    for (uint32_t n = 1; n < 12; n++) {
        struct net *net = net_start();
        net->rings.fail_at = n;
        net->ip->neigh.pool.fail_at = n;
        unsigned refused = 0;
        for (unsigned i = 0; i < 8; i++) {
            char text[WEIR_IP_TEXT_MAX];
            const struct weir_ip ip = weir_ip_v4(192, 0, 2, (uint8_t)(20 + i));
            refused += net_send(net, weir_ip_text(&ip, text), 40000) != WEIR_OK;
        }
        CHECK(refused == (n <= 8), "fail at %u: a packet without an entry is refused", n);
        net_pass(net, 10 * WEIR_SECOND);
        net_drain(net);
        CHECK(net->ip->neigh.pool.used == 0 && net->rings.free_count == net->rings.chunk_count,
              "fail at %u: nothing is left behind", n);
        net_end(net);
    }
}

static void large_parked(void)
{
    struct net *net = net_start();
    CHECK(net_send(net, "192.0.2.2", 65000) == WEIR_OK, "64 KiB wait");
    CHECK(net_drain(net) == 1, "one question");
    (void)net_arp(net, ARP_REPLY, net_peer_mac, "192.0.2.2", "192.0.2.1");
    CHECK(net_drain(net) == 44, "44 fragments leave");
    CHECK(net->trace.drops[WEIR_DROP_NEIGH_QUEUE] == 0, "none was dropped");
    net_end(net);
}

int main(void)
{
    resolve_and_flush();
    nobody_answers();
    arp_rules();
    moved_station();
    announcements();
    exhaustion();
    waiters();
    late_waiter();
    confirmed();
    failures();
    large_parked();
    return tap_done();
}
