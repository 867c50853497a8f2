/* SPDX-License-Identifier: MIT */
#include "weir/loop.h"
#include "world.h"

#include "tap.h"

#include <string.h>

/* RFC 2385: two that share a key talk; one that has none, or another, is not even answered. */

static struct world world;
static uint8_t block[200000], got[200000];

static const char kind5[] = { 1, 1, 19, 18 };

/* Every TCP segment must be signed, and no signature come twice. */
static unsigned unsigned_segments, segments;
static bool look(struct world *w, unsigned from, const uint8_t *data, size_t len)
{
    (void)w;
    (void)from;
    const bool v4 = data[12] == 0x08 && data[13] == 0x00 && data[23] == 6;
    const bool v6 = data[12] == 0x86 && data[13] == 0xdd && data[20] == 6;
    const size_t at = v4 ? 34 : 54;
    if ((!v4 && !v6) || len < at + 40)
        return true;
    segments++;
    if (memcmp(data + at + 20, kind5, 4) != 0)
        unsigned_segments++;
    return true;
}

static struct weir_key key_of(unsigned peer, bool v6, const char *text)
{
    const struct weir_addr addr = world_addr(peer, v6, 0);
    struct weir_key key = { .peer = addr.ip, .prefix_len = v6 ? 128 : 32 };
    key.key_len = (uint8_t)strlen(text);
    memcpy(key.key, text, key.key_len);
    return key;
}

static void open_with(const char *client, const char *server, bool v6, bool offload)
{
    struct world_options options;
    world_defaults(&options);
    options.config.crypto = &weir_crypto;
    options.offload = offload;
    world_open(&world, &options);
    world.filter = look;
    segments = unsigned_segments = 0;
    const struct weir_key at_client = key_of(1, v6, client), at_server = key_of(0, v6, server);
    if (client[0] != '\0')
        CHECK(weir_key_set(world.side[0], &at_client) == WEIR_OK, "the client has a key");
    if (server[0] != '\0')
        CHECK(weir_key_set(world.side[1], &at_server) == WEIR_OK, "the server has a key");
}

static void talk(bool v6, bool offload)
{
    weir_handle listener = WEIR_NO_HANDLE, client, server;
    open_with("weir and sea", "weir and sea", v6, offload);
    CHECK(world_connect(&world, v6, &listener, &client, &server), "they agree");
    size_t sent = 0, read = 0, done;
    for (unsigned i = 0; i < 1000 && read < sizeof block; i++) {
        if (sent < sizeof block && weir_send(world.side[0], client, block + sent,
                                             sizeof block - sent, 0, &done, world.now) == WEIR_OK)
            sent += done;
        world_run(&world, 10 * WEIR_MS);
        if (weir_recv(world.side[1], server, got + read, sizeof got - read, &done, world.now) ==
            WEIR_OK)
            read += done;
    }
    CHECK(read == sizeof block && memcmp(block, got, sizeof block) == 0, "all arrives: %zu", read);
    (void)weir_release(world.side[0], client, world.now);
    (void)weir_release(world.side[1], server, world.now);
    world_run(&world, WEIR_SECOND); /* TIME-WAIT answers for itself */
    CHECK(segments > 100 && unsigned_segments == 0, "%u of %u segments are not signed",
          unsigned_segments, segments);
    world_close(&world);
}

static void refuse(const char *client, const char *server, unsigned drop, const char *what)
{
    weir_handle listener = WEIR_NO_HANDLE, conn, peer;
    open_with(client, server, false, false);
    CHECK(!world_connect(&world, false, &listener, &conn, &peer), "%s: no connection", what);
    CHECK(weir_drop_count(world.side[1], drop) > 0, "%s: the server says why", what);
    world_close(&world);
}

int main(void)
{
    for (size_t i = 0; i < sizeof block; i++)
        block[i] = (uint8_t)(i * 7 + (i >> 9));
    /* RFC 1321, A.5 */
    uint8_t digest[WEIR_MD5_LEN];
    uint8_t text[] = "abc";
    const struct weir_span part[2] = { { .base = text, .len = 1 }, { .base = text + 1, .len = 2 } };
    static const uint8_t right[] = { 0x90, 0x01, 0x50, 0x98, 0x3c, 0xd2, 0x4f, 0xb0,
                                     0xd6, 0x96, 0x3f, 0x7d, 0x28, 0xe1, 0x7f, 0x72 };
    weir_crypto.md5(part, 2, digest);
    CHECK(memcmp(digest, right, sizeof right) == 0, "RFC 1321: MD5(\"abc\")");

    talk(false, false);
    talk(true, false);
    talk(false, true);
    refuse("key", "", WEIR_DROP_TCP_MD5_UNEXPECTED, "a key that the server does not know");
    refuse("", "key", WEIR_DROP_TCP_MD5_MISSING, "no key");
    refuse("key", "Key", WEIR_DROP_TCP_MD5_WRONG, "another key");

    open_with("key", "", false, false);
    struct weir_key key = key_of(1, false, "");
    CHECK(weir_key_set(world.side[0], &key) == WEIR_OK, "a key is taken away");
    CHECK(weir_key_set(world.side[0], &key) == WEIR_INVALID, "but once");
    weir_handle listener = WEIR_NO_HANDLE, client, server;
    CHECK(world_connect(&world, false, &listener, &client, &server), "and all is as without");
    key = key_of(1, false, "key");
    for (unsigned i = 0; i < 64; i++) {
        key.local_port = (uint16_t)(1 + i);
        (void)weir_key_set(world.side[0], &key);
    }
    key.local_port = 99;
    CHECK(weir_key_set(world.side[0], &key) == WEIR_NO_MEMORY, "64 keys are the most");
    world_close(&world);
    return tap_done();
}
