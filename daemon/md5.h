/* SPDX-License-Identifier: MIT */
#ifndef WEIR_DAEMON_MD5_H
#define WEIR_DAEMON_MD5_H

/* MD5 (RFC 1321), for the signatures of RFC 2385 and for nothing else: as a hash it is broken.
 *
 * weird does not load libcrypto for it: that takes 3 ms and 2 MB at each start of a private
 * network, and memory later, which the sandbox does not give. */

#include "weir/stack.h"

/* What weir needs of cryptography to sign: no TCP-AO, which programs cannot ask for. */
extern const struct weir_crypto md5_crypto;

#endif
