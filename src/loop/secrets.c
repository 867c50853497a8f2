/* SPDX-License-Identifier: MIT */
#include "weir/loop.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

static int fill(void *to, size_t len)
{
    uint8_t *at = to;
    while (len > 0) {
        const ssize_t got = getrandom(at, len, 0);
        if (got < 0 && errno != EINTR)
            return -errno;
        if (got > 0) {
            at += got;
            len -= (size_t)got;
        }
    }
    return 0;
}

int weir_secrets_fill(struct weir_config *config, char why[WEIR_LINE_MAX])
{
    int error = fill(&config->seed, sizeof config->seed);
    if (error == 0)
        error = fill(config->secret, sizeof config->secret);
    if (error != 0)
        snprintf(why, WEIR_LINE_MAX, "random numbers: %s", strerror(-error));
    return error;
}
