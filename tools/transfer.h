/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TOOLS_TRANSFER_H
#define WEIR_TOOLS_TRANSFER_H

/* Whole files between the kernel's TCP and weir's, both ways, carried by programs as they are
 * installed and checked by their SHA-256. One of the two programs runs under `weir run`, with a
 * weird of its own at the wire. */

#include "weir/base.h"

#include <sys/types.h>

#define TRANSFER_PATH_MAX 256
#define TRANSFER_HASH_LEN 64

struct transfers {
    const char *device;                /* for --dev */
    char directory[TRANSFER_PATH_MAX]; /* for everything, with `www` below it */
    uint64_t size;                     /* octets of the file */
    char hash[TRANSFER_HASH_LEN + 1];  /* of the file */
    char wrong[512];                   /* why the last one failed */
    pid_t weird;                       /* 0: none */
    weir_time took;                    /* the last one: from its program's start to its end */
};

/* Makes the file that is served: random octets. */
bool transfer_prepare(struct transfers *transfers);

/* Starts a weird at `device`; transfer_end ends it. False, with the reason, if either goes wrong.
 */
bool transfer_begin(struct transfers *transfers);
bool transfer_end(struct transfers *transfers);

/* What serves on weir: "nginx", or "python3" where that is not installed. */
const char *transfer_server(void);

/* Linux's curl fetches the file from a server under `weir run`. */
bool transfer_to_linux(struct transfers *transfers, bool v4);

/* curl under `weir run` fetches the file from python3's http.server on Linux. */
bool transfer_to_weir(struct transfers *transfers, bool v4);

#endif
