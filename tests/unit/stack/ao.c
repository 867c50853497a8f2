/* SPDX-License-Identifier: MIT */
#include "stack/instance.h"
#include "weir/loop.h"
#include "world.h"

#include "tap.h"

#include <string.h>

/* RFC 5925: two that share master keys talk, also while they change them; one that has none, or
 * others, is not even answered. */

static struct world world;
static weir_handle listener, client, server;
static uint8_t block[200000], got[200000];

/* Every TCP segment must have the option, and with which keys the last of each side came. */
static unsigned without, segments, key_id[2], next_id[2];
static bool look(struct world *w, unsigned from, const uint8_t *data, size_t len)
{
    (void)w;
    const bool v4 = data[12] == 0x08 && data[13] == 0x00 && data[23] == 6;
    const bool v6 = data[12] == 0x86 && data[13] == 0xdd && data[20] == 6;
    const size_t at = v4 ? 34 : 54;
    if ((!v4 && !v6) || len < at + 36)
        return true;
    segments++;
    if (data[at + 20] != 29 || data[at + 21] != 16)
        without++;
    key_id[from] = data[at + 22];
    next_id[from] = data[at + 23];
    return true;
}

static struct weir_ao_key key_of(unsigned peer, bool v6, const char *text, uint8_t send_id,
                                 uint8_t recv_id)
{
    const struct weir_addr addr = world_addr(peer, v6, 0);
    struct weir_ao_key key = { .peer = addr.ip, .prefix_len = v6 ? 128 : 32 };
    key.send_id = send_id;
    key.recv_id = recv_id;
    key.key_len = (uint8_t)strlen(text);
    memcpy(key.key, text, key.key_len);
    return key;
}

static void open_world(bool offload, uint32_t extra_max)
{
    struct world_options options;
    world_defaults(&options);
    options.config.crypto = &weir_crypto;
    options.config.extra_max = extra_max;
    options.offload = offload;
    world_open(&world, &options);
    world.filter = look;
    listener = WEIR_NO_HANDLE;
    segments = without = 0;
}

static void add(unsigned side, const struct weir_ao_key *key)
{
    CHECK(weir_ao_add(world.side[side], key) == WEIR_OK, "side %u has a key", side);
}

static void pair(bool v6, const char *text, uint8_t a, uint8_t b, enum weir_mac mac, bool skip)
{
    struct weir_ao_key one = key_of(1, v6, text, a, b), two = key_of(0, v6, text, b, a);
    one.mac = two.mac = (uint8_t)mac;
    one.skip_options = two.skip_options = skip;
    add(0, &one);
    add(1, &two);
}

static size_t transfer(size_t octets)
{
    size_t sent = 0, read = 0, done;
    for (unsigned i = 0; i < 2000 && read < octets; i++) {
        if (sent < octets && weir_send(world.side[0], client, block + sent, octets - sent, 0, &done,
                                       world.now) == WEIR_OK)
            sent += done;
        world_run(&world, 10 * WEIR_MS);
        if (weir_recv(world.side[1], server, got + read, octets - read, &done, world.now) ==
            WEIR_OK)
            read += done;
    }
    return memcmp(block, got, octets) == 0 ? read : 0;
}

static void talk(bool v6, enum weir_mac mac, bool skip, const char *text)
{
    open_world(mac == WEIR_MAC_HMAC_SHA1, 64);
    pair(v6, text, 61, 84, mac, skip);
    CHECK(world_connect(&world, v6, &listener, &client, &server), "they agree");
    CHECK(transfer(sizeof block) == sizeof block, "all arrives");
    CHECK(key_id[0] == 61 && next_id[0] == 84 && key_id[1] == 84 && next_id[1] == 61,
          "each names its own key, and the other's");
    (void)weir_release(world.side[0], client, world.now);
    world_run(&world, WEIR_SECOND);
    (void)weir_release(world.side[1], server, world.now);
    world_run(&world, WEIR_SECOND);
    CHECK(world_pool_used(&world, 0, "tw") == 0 && world_pool_used(&world, 0, "tcb") == 1,
          "TIME-WAIT keeps its TCB");
    world_run(&world, 61 * WEIR_SECOND);
    CHECK(world_pool_used(&world, 0, "tcb") == 0 && world_pool_used(&world, 0, "extra") == 0,
          "and gives it back");
    CHECK(segments > 100 && without == 0, "%u of %u segments are not signed", without, segments);
    world_close(&world);
}

/* RFC 5925, 7.5: one side asks for another key, the other uses it; nothing is lost meanwhile. */
static void rollover(void)
{
    uint8_t current, next;
    open_world(false, 64);
    pair(false, "old", 1, 2, WEIR_MAC_HMAC_SHA1, false);
    pair(false, "new", 11, 12, WEIR_MAC_AES128_CMAC, false);
    CHECK(world_connect(&world, false, &listener, &client, &server), "they agree");
    CHECK(key_id[0] == 1 && key_id[1] == 2, "with the first keys");
    CHECK(weir_ao_use(world.side[1], server, -1, 11, world.now) == WEIR_OK,
          "the server asks for the second");
    size_t done;
    (void)!weir_send(world.side[1], server, "x", 1, 0, &done, world.now);
    world_run(&world, 100 * WEIR_MS);
    CHECK(weir_ao_used(world.side[0], client, &current, &next) && current == 11 && next == 2,
          "the client has changed: %u", current);
    CHECK(transfer(100000) == 100000, "octets go on arriving");
    CHECK(key_id[0] == 11 && key_id[1] == 2, "one side with the new key, one with the old");
    CHECK(weir_ao_use(world.side[0], client, -1, 12, world.now) == WEIR_OK, "the client asks too");
    CHECK(transfer(100000) == 100000 && key_id[1] == 12, "octets go on arriving");
    struct weir_ao_key old = key_of(1, false, "old", 1, 2);
    CHECK(weir_ao_remove(world.side[0], &old) == WEIR_OK, "the old one is taken away");
    CHECK(weir_ao_use(world.side[0], client, 1, -1, world.now) == WEIR_INVALID, "it is gone");
    old = key_of(0, false, "old", 2, 1);
    CHECK(weir_ao_remove(world.side[1], &old) == WEIR_OK, "and here");
    CHECK(transfer(100000) == 100000 && without == 0, "octets go on arriving");
    world_close(&world);
}

static bool connect_from(uint16_t port, uint32_t *iss)
{
    const struct weir_addr from = world_addr(0, false, port), to = world_addr(1, false, 80);
    struct weir_status status = { 0 };
    if (weir_connect(world.side[0], &from, &to, &client, world.now) != WEIR_IN_PROGRESS)
        return false;
    (void)!weir_status(world.side[0], client, &status);
    *iss = status.iss;
    return true;
}

/* The numbers pass 0: the extension goes with them (RFC 5925, 6.2). An ISS moves on by one in four
 * microseconds (RFC 6528), so the moment to connect can be chosen. */
static void wraps(void)
{
    open_world(false, 64);
    pair(false, "key", 1, 2, WEIR_MAC_HMAC_SHA1, false);
    uint32_t iss = 0;
    CHECK(connect_from(5000, &iss), "an ISS is known");
    (void)weir_abort(world.side[0], client, world.now);
    (void)weir_release(world.side[0], client, world.now);
    const uint32_t wanted = UINT32_MAX - 50000;
    world_run(&world, (weir_time)(wanted - iss) * 4 * WEIR_US);
    const struct weir_addr local = world_addr(1, false, 80);
    CHECK(weir_listen(world.side[1], &local, 4, 0, &listener) == WEIR_OK, "listening");
    CHECK(connect_from(5000, &iss) && iss > wanted - 1000, "the ISS is just before 0: %#x", iss);
    world_run(&world, 100 * WEIR_MS);
    CHECK(weir_accept(world.side[1], listener, &server, world.now) == WEIR_OK, "connected");
    CHECK(transfer(sizeof block) == sizeof block, "all arrives");
    const struct tcb *tcb = &((struct conn *)pool_at(&world.side[1]->conns, 0))->tcb;
    CHECK(tcp_ao(tcb)->rcv_sne == 1, "the extension is 1");
    world_close(&world);
}

static void refuse(const char *at_client, const char *at_server, uint8_t id, unsigned drop,
                   const char *what)
{
    open_world(false, 64);
    const struct weir_ao_key one = key_of(1, false, at_client, 1, 2);
    const struct weir_ao_key two = key_of(0, false, at_server, 2, id);
    if (at_client[0] != '\0')
        add(0, &one);
    if (at_server[0] != '\0')
        add(1, &two);
    CHECK(!world_connect(&world, false, &listener, &client, &server), "%s: no connection", what);
    CHECK(weir_drop_count(world.side[1], drop) > 0, "%s: the server says why", what);
    struct weir_counters count;
    weir_counters(world.side[1], &count);
    CHECK(count.segs_out == 0, "%s: and answers nothing", what);
    world_close(&world);
}

static void limits(void)
{
    open_world(false, 0);
    struct weir *w = world.side[0];
    struct weir_ao_key key = key_of(1, false, "key", 1, 2);
    CHECK(weir_ao_add(w, &key) == WEIR_OK, "a key");
    CHECK(weir_ao_add(w, &key) == WEIR_INVALID, "its identifiers are taken");
    const struct weir_addr to = world_addr(1, false, 80);
    CHECK(weir_connect(w, NULL, &to, &client, world.now) == WEIR_NO_MEMORY,
          "no block: no connection rather than one that is not signed");
    struct weir_key md5 = { .peer = key.peer, .prefix_len = 32, .key_len = 1, .key = "x" };
    CHECK(weir_key_set(w, &md5) == WEIR_INVALID, "MD5 and TCP-AO for one peer exclude each other");
    CHECK(weir_ao_remove(w, &key) == WEIR_OK && weir_ao_remove(w, &key) == WEIR_INVALID,
          "it is taken away, once");
    CHECK(weir_key_set(w, &md5) == WEIR_OK && weir_ao_add(w, &key) == WEIR_INVALID,
          "and the other way round");
    md5.key_len = 0;
    (void)weir_key_set(w, &md5);
    for (unsigned i = 0; i < 64; i++) {
        key.send_id = key.recv_id = (uint8_t)i;
        (void)weir_ao_add(w, &key);
    }
    key.send_id = key.recv_id = 99;
    CHECK(weir_ao_add(w, &key) == WEIR_NO_MEMORY, "64 keys are the most");
    key.key_len = 0;
    CHECK(weir_ao_add(w, &key) == WEIR_INVALID, "no key is no key");
    CHECK(!weir_ao_used(w, client, &key.send_id, &key.recv_id), "no such connection");
    world_close(&world);
}

int main(void)
{
    for (size_t i = 0; i < sizeof block; i++)
        block[i] = (uint8_t)(i * 7 + (i >> 9));
    talk(false, WEIR_MAC_HMAC_SHA1, false, "weir and sea");
    talk(true, WEIR_MAC_HMAC_SHA1, true, "weir and sea");
    talk(false, WEIR_MAC_AES128_CMAC, true, "sixteen octets!!");
    talk(true, WEIR_MAC_AES128_CMAC, false, "short");
    rollover();
    wraps();
    refuse("key", "", 1, WEIR_DROP_TCP_AO_UNEXPECTED, "a key that the server does not know");
    refuse("", "key", 1, WEIR_DROP_TCP_AO_MISSING, "no key");
    refuse("key", "Key", 1, WEIR_DROP_TCP_AO_WRONG, "another key");
    refuse("key", "key", 7, WEIR_DROP_TCP_AO_KEY, "another identifier");
    limits();
    return tap_done();
}
