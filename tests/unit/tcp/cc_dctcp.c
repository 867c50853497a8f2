/* SPDX-License-Identifier: MIT */
#include "tcp/cc.h"

#include "tap.h"

#include <math.h>

/* RFC 8257 as arithmetic: alpha is the running mean of the marked share. */

#define MSS 1000u
#define ONE 1048576.0

static struct cc cc;
static struct cc_memory memory;
static const struct cc_path path = { .mss = MSS, .cwnd_max = CC_WINDOW_MAX };
static uint64_t delivered;

/* A window of a hundred segments, `marked` of them marked. */
static void window(unsigned marked)
{
    for (unsigned i = 0; i < 100; i++) {
        delivered += MSS;
        const struct cc_ack ack = { .acked = MSS,
                                    .marked = i < marked ? MSS : 0,
                                    .pipe = 99 * MSS,
                                    .rate = { .delivered = delivered } };
        cc_dctcp.acked(&cc, &memory, &path, &ack);
    }
}

int main(void)
{
    cc_dctcp.init(&cc, &memory, &path);
    CHECK(cc.kept / ONE > 0.99, "alpha begins with one");
    const struct cc_loss loss = { .in_flight = 100 * MSS };
    cc.cwnd = 100 * MSS;
    cc_dctcp.marked(&cc, &memory, &path, &loss);
    CHECK(cc.cwnd == 50 * MSS, "so the first mark halves: %u", cc.cwnd);
    cc_dctcp.undo(&cc, &memory, &path);
    CHECK(cc.cwnd == 50 * MSS, "and that is not undone: a mark is no error");

    double alpha = cc.kept / ONE;
    bool near = true;
    for (unsigned i = 0; i < 200; i++) {
        window(20);
        alpha = alpha * 15 / 16 + 0.2 / 16;
        near = near && fabs(cc.kept / ONE - alpha) < 0.02;
    }
    CHECK(near && fabs(cc.kept / ONE - 0.2) < 0.005, "alpha follows the marked share: %.4f",
          cc.kept / ONE);
    cc.cwnd = 100 * MSS;
    cc_dctcp.marked(&cc, &memory, &path, &loss);
    CHECK(cc.cwnd > 89 * MSS && cc.cwnd < 91 * MSS, "a fifth marked takes a tenth: %u", cc.cwnd);
    cc_dctcp.lost(&cc, &memory, &path, &loss);
    CHECK(cc.cwnd == 50 * MSS && cc.ssthresh == 50 * MSS, "a loss takes a half");
    for (unsigned i = 0; i < 400; i++)
        window(0);
    CHECK(cc.kept == 0, "without marks alpha goes to nothing");
    cc.cwnd = 100 * MSS;
    cc_dctcp.marked(&cc, &memory, &path, &loss);
    CHECK(cc.cwnd == 100 * MSS, "and takes nothing");
    for (unsigned i = 0; i < 400; i++)
        window(100);
    CHECK(cc.kept / ONE > 0.99 && cc.kept <= 1u << 20, "with nothing but marks it is one again");
    return tap_done();
}
