/* SPDX-License-Identifier: MIT */

/* daemon/companion.c: who is woken for what. No process is begun; the time is invented. */

#include "daemon/companion.h"
#include "tap.h"

#include <sys/eventfd.h>
#include <unistd.h>

#define MUCH  (1u << 20) /* octets of a millisecond: 8 Gbit/s */
#define BEGUN WEIR_SECOND

/* As if one were there, and slept. */
static struct companion asleep(void)
{
    struct companion companion = { .fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) };
    companion.asleep = true;
    return companion;
}

static unsigned wakes(const struct companion *companion)
{
    uint64_t count;
    return read(companion->fd, &count, sizeof count) == (ssize_t)sizeof count ? (unsigned)count : 0;
}

static void test_bulk(void)
{
    struct companion idler = asleep();
    companion_octets(&idler, MUCH, BEGUN);
    CHECK(wakes(&idler) == 0, "a first burst wakes nobody");
    companion_octets(&idler, MUCH, BEGUN + WEIR_MS / 2);
    CHECK(wakes(&idler) == 0, "nor what comes before a millisecond is over");
    companion_octets(&idler, MUCH, BEGUN + WEIR_MS);
    CHECK(wakes(&idler) == 1, "a millisecond with many octets does");
    CHECK(idler.end > BEGUN + WEIR_MS && idler.end <= BEGUN + 10 * WEIR_MS,
          "it is to be awake for some milliseconds");
    companion_octets(&idler, MUCH, BEGUN + 2 * WEIR_MS);
    CHECK(wakes(&idler) == 0, "one that is awake is not woken");
    CHECK(idler.end > BEGUN + 3 * WEIR_MS, "but stays awake longer");
    close(idler.fd);
}

static void test_little(void)
{
    struct companion idler = asleep();
    for (unsigned i = 0; i < 100; i++)
        companion_octets(&idler, 1000, BEGUN + i * WEIR_MS / 10);
    CHECK(wakes(&idler) == 0, "few octets wake nobody, however often they come");
    for (unsigned i = 1; i < 100; i++)
        companion_octets(&idler, MUCH, BEGUN + i * WEIR_SECOND);
    CHECK(wakes(&idler) == 0, "nor many, with silence in between");
    close(idler.fd);
}

static void test_calls(void)
{
    struct companion companion = asleep();
    weir_time awake = 0;
    for (unsigned i = 0; i < 100; i++)
        awake = companion_call(&companion, BEGUN + i * WEIR_SECOND);
    CHECK(awake == 0 && wakes(&companion) == 0, "calls now and then wake nobody");
    for (unsigned i = 0; i < 100; i++)
        awake = companion_call(&companion, BEGUN + WEIR_SECOND * 200 + i * WEIR_MS / 10);
    CHECK(awake > 0 && wakes(&companion) == 1, "calls in quick succession do, once");
    close(companion.fd);
}

static void test_none(void)
{
    struct companion none = { .fd = -1 };
    companion_octets(&none, MUCH, BEGUN);
    companion_octets(&none, MUCH, BEGUN + WEIR_MS);
    weir_time awake = 0;
    for (unsigned i = 0; i < 100; i++)
        awake = companion_call(&none, BEGUN + i);
    CHECK(awake == 0 && none.end == 0, "where there is none, nobody is awake");
}

int main(void)
{
    test_bulk();
    test_little();
    test_calls();
    test_none();
    return tap_done();
}
