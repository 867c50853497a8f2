/* SPDX-License-Identifier: MIT */
#ifndef WEIR_DAEMON_KEPT_H
#define WEIR_DAEMON_KEPT_H

/* Options of a TCP socket that weird itself remembers: what a stream does not heed on Linux either,
 * and what weird heeds and weir does not know. What weir knows is enum weir_option. */

enum kept_option {
    KEPT_REUSEADDR,
    KEPT_REUSEPORT,
    KEPT_DONTROUTE,
    KEPT_PRIORITY,
    KEPT_DEFER_ACCEPT,
    KEPT_LINGER2,
    KEPT_WINDOW_CLAMP,
    KEPT_FREEBIND,
    KEPT_NO_PORT,
    KEPT_MTU_DISCOVER,
    KEPT_RECVERR,
    KEPT_V6ONLY,
    KEPT_MTU_DISCOVER6,
    KEPT_RECVERR6,
    KEPT_BROADCAST,
    KEPT_NO_CHECK,
    KEPT_DEBUG,
    KEPT_PKTINFO,
    KEPT_RECVTTL,
    KEPT_RECVTOS,
    KEPT_RETOPTS,
    KEPT_RECVPKTINFO6,
    KEPT_RECVHOPS6,
    KEPT_RECVTCLASS6,
    KEPT_DONTFRAG6,
    KEPT_NOTSENT_LOWAT,
    KEPT_FASTOPEN,           /* a listener's: how many */
    KEPT_FASTOPEN_CONNECT,   /* the first write goes with the SYN */
    KEPT_FASTOPEN_NO_COOKIE, /* ... without a cookie; a listener's: of anybody */
    KEPT_GROUP_LOOP,         /* what is for groups alone */
    KEPT_GROUP_ALL,
    KEPT_GROUP_LOOP6,
    KEPT_GROUP_ALL6,
    KEPT_COUNT
};

#endif
