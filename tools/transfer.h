/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TOOLS_TRANSFER_H
#define WEIR_TOOLS_TRANSFER_H

/* Whole files between the kernel's TCP and weir's, both ways, checked by their SHA-256. */

#include "weir/base.h"

#define TRANSFER_PATH_MAX 256
#define TRANSFER_HASH_LEN 64

struct transfers {
    const char *device;                /* for --dev */
    char directory[TRANSFER_PATH_MAX]; /* for everything, with `www` below it */
    uint64_t size;                     /* octets of the file */
    char hash[TRANSFER_HASH_LEN + 1];  /* of the file */
    char wrong[512];                   /* why the last one failed */
    weir_time took;                    /* the last one: from its program's start to its end */
};

/* Makes the file that is served: random octets. */
bool transfer_prepare(struct transfers *transfers);

/* Linux's curl fetches the file from `weir serve`. */
bool transfer_to_linux(struct transfers *transfers, bool v4);

/* `weir get` fetches the file from python3's http.server on Linux. */
bool transfer_to_weir(struct transfers *transfers, bool v4);

#endif
