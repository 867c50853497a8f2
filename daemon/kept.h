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
    KEPT_TXREHASH,
    KEPT_INQ,             /* recvmsg tells how much is left */
    KEPT_STAMP,           /* which of SO_TIMESTAMP and the like is set; 0: none */
    KEPT_STAMPING,        /* flags of SO_TIMESTAMPING */
    KEPT_STAMPING_OPTION, /* ... by which of its two numbers */
    KEPT_DEVICE,          /* SO_BINDTOIFINDEX */
    KEPT_PORTS,           /* IP_LOCAL_PORT_RANGE: the first, and the last above that */
    KEPT_RECVOPTS,
    KEPT_PASSSEC,
    KEPT_ORIGDST,
    KEPT_CHECKSUM,
    KEPT_RFC4884,
    KEPT_2292PKTINFO6,
    KEPT_2292HOPOPTS6,
    KEPT_2292DSTOPTS6,
    KEPT_2292RTHDR6,
    KEPT_2292HOPS6,
    KEPT_FLOWINFO6,
    KEPT_ALERT_ISOLATE6,
    KEPT_RECVHOPOPTS6,
    KEPT_RECVRTHDR6,
    KEPT_RECVDSTOPTS6,
    KEPT_RECVPATHMTU6,
    KEPT_AUTOFLOWLABEL6,
    KEPT_ORIGDST6,
    KEPT_RECVFRAGSIZE6,
    KEPT_RFC4884_6,
    KEPT_COUNT
};

#endif
