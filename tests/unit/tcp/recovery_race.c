/* SPDX-License-Identifier: MIT */
#include "bad_path.h"
#include "tap.h"

/* How long a transfer takes over a bad path, with RACK-TLP, PRR and undo, and with RFC 6675 alone:
 * the same path, the same losses, both in virtual time. */

#define MSS    1448u /* with timestamps */
#define SEG(n) ((n)*MSS)
#define WARM   SEG(400)
#define RTT    (100 * WEIR_MS)

static uint32_t place(const struct passing *passing)
{
    return (passing->from - WARM) / MSS;
}

/* ---- Scenes ---- */

static weir_time lose_tail(const struct passing *p)
{
    return p->copy == 0 && place(p) >= 17 ? LOSE : 0;
}

static weir_time lose_last(const struct passing *p)
{
    return p->copy == 0 && place(p) == 19 ? LOSE : 0;
}

static weir_time lose_burst(const struct passing *p)
{
    return p->copy == 0 && place(p) >= 20 && place(p) < 50 ? LOSE : 0;
}

static weir_time lose_twice(const struct passing *p)
{
    return p->copy < 2 && place(p) == 20 ? LOSE : 0;
}

static weir_time lose_thrice_of_many(const struct passing *p)
{
    return (p->copy < 3 && place(p) == 20) || (p->copy < 2 && place(p) % 7 == 3 && place(p) < 60)
               ? LOSE
               : 0;
}

/* The path stands still for 700 ms, and then goes on as if nothing had been. */
static weir_time spike(const struct passing *p)
{
    static weir_time since, until;
    if (p->copy == 0 && place(p) == 60) {
        since = p->now;
        until = since + 700 * WEIR_MS;
    }
    return place(p) >= 60 && p->now >= since && p->now < until ? until - p->now : 0;
}

/* Each fifth segment takes a way that is 300 segments longer. */
static weir_time reorder(const struct passing *p)
{
    return p->copy == 0 && place(p) % 5 == 2 ? 300 * 20 * WEIR_US : 0;
}

static weir_time random_loss(const struct passing *p)
{
    const uint32_t draw = (place(p) * 8u + p->copy) * UINT32_C(2654435761);
    return draw >> 16 < 65536 / 50 ? LOSE : 0; /* two of a hundred */
}

static const struct scene scenes[] = {
    { .name = "the last segment is lost", .octets = WARM + SEG(20), .fate = lose_last },
    { .name = "the tail is lost", .octets = WARM + SEG(20), .fate = lose_tail },
    { .name = "thirty in a row are lost", .octets = WARM + SEG(600), .fate = lose_burst },
    { .name = "one is lost twice", .octets = WARM + SEG(600), .fate = lose_twice },
    { .name = "some are lost again and again",
      .octets = WARM + SEG(600),
      .fate = lose_thrice_of_many },
    { .name = "the path stands still", .octets = WARM + SEG(2000), .fate = spike },
    { .name = "reordering 300 deep",
      .octets = WARM + SEG(WEIR_VERIFY ? 5000 : 20000), /* watched is slow */
      .spacing = 20 * WEIR_US,
      .fate = reorder },
    { .name = "two of a hundred are lost", .octets = WARM + SEG(4000), .fate = random_loss },
};

static struct weir_config sender(bool modern)
{
    struct weir_config config;
    weir_config_default(&config);
    config.verify = true;
    config.snd_max = 16 << 20;
    config.tcp_max = 4;
    config.ring_chunks = 2048;
    if (!modern) {
        config.rack = 0;
        config.early_retrans = 0;
        config.frto = 0;
    }
    return config;
}

static struct outcome race(struct scene scene, bool modern)
{
    scene.warm = WARM;
    scene.delay = RTT / 2;
    const struct weir_config config = sender(modern);
    const struct outcome o = play(&scene, &config);
    printf("#   %s %6lld.%lld ms, %u frames, %u again, %u timeouts, %u recoveries, %u undone, "
           "%u probes, cwnd %u, reo_wnd %lld us\n",
           modern ? "now    " : "RFC 6675", (long long)(o.took / WEIR_MS),
           (long long)(o.took / 100000 % 10), o.frames, o.status.segs_rtx, o.status.rto_count,
           o.status.recovery_count, o.status.undo_count, o.status.tlp_count, o.status.cwnd / MSS,
           (long long)(o.status.reo_wnd / WEIR_US));
    return o;
}

/* What each scene is to show, beside the time. */
static void judge(const char *name, const struct weir_status *o, unsigned which)
{
    switch (which) {
    case 0:
    case 1:
        CHECK(o->tlp_count == 1 && o->rto_count == 0, "%s: a probe finds it, no timeout", name);
        break;
    case 2:
    case 3:
    case 4:
        CHECK(o->rto_count == 0, "%s: no timeout", name);
        CHECK(o->recovery_count == 1, "%s: one reduction", name);
        break;
    case 5:
        CHECK(o->undo_count == 1 && o->segs_rtx == 1, "%s: one goes again, and is undone", name);
        break;
    case 6:
        CHECK(o->recovery_count <= 1 && o->undo_count == o->recovery_count,
              "%s: at most one error, and it is undone", name);
        CHECK(o->segs_rtx < 32, "%s: hardly anything goes again", name);
        CHECK(o->ssthresh == UINT32_MAX, "%s: nothing is left of it", name);
        break;
    default:
        CHECK(o->rto_count == 0, "%s: no timeout", name);
        break;
    }
}

int main(void)
{
    struct outcome now[sizeof scenes / sizeof scenes[0]];
    for (unsigned i = 0; i < sizeof scenes / sizeof scenes[0]; i++) {
        printf("# %s\n", scenes[i].name);
        const struct outcome old = race(scenes[i], false);
        now[i] = race(scenes[i], true);
        CHECK(old.complete && now[i].complete, "%s: all arrives", scenes[i].name);
        /* Of 60 reductions one more or less is chance. */
        CHECK(now[i].took <= old.took + old.took / 50, "%s: not later than by RFC 6675 alone",
              scenes[i].name);
        judge(scenes[i].name, &now[i].status, i);
    }
    return tap_done();
}
