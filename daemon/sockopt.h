/* SPDX-License-Identifier: MIT */
#ifndef WEIR_DAEMON_SOCKOPT_H
#define WEIR_DAEMON_SOCKOPT_H

/* Options of TCP sockets: the table of those that are numbers (sockopt_table.c), getsockopt
 * (sockopt.c) and setsockopt (sockopt_set.c), and what is more than a number (sockopt_key.c). What
 * is in none of them is ENOPROTOOPT, and so is a value of an option whose effect weir does not
 * have: no value is taken that nothing comes of, where something would on Linux. */

#include "parts.h"

enum option_how {
    OPTION_FLAG,    /* 0 or 1 of weir's */
    OPTION_NUMBER,  /* a number of weir's */
    OPTION_SECONDS, /* ns there, seconds here */
    OPTION_MILLIS,  /* ns there, milliseconds here */
    OPTION_BUFFER,  /* octets; the kernel's are twice what was asked for */
    OPTION_RATE,    /* octets a second, unsigned; all ones there are 0, no bound, in weir */
    OPTION_KEPT,    /* remembered: it says nothing to a stream, on Linux either, or is heeded
                       elsewhere */
    OPTION_SWITCH,  /* the same, 0 or 1 */
    OPTION_FIXED,   /* always the usual; to set it is the error `which`, EINVAL if it is shorter
                       than `least` */
    OPTION_ONLY,    /* within the bounds, but there is nothing but the usual: all else is the error
                       `which` */
    OPTION_IGNORED, /* within the bounds; taken, and still the usual: so on Linux */
    OPTION_PRIVILEGED, /* 0; anything else is for those who rule the network: EPERM */
    OPTION_NEVER,      /* not of a stream: the error `usual` to get, `which` to set */
    OPTION_NATIVE,     /* the kernel's, on S */
};

struct option {
    int level, name;
    enum option_how how;
    int which; /* enum weir_option, or enum kept_option */
    int least, most;
    int usual; /* before anything was set */
};

const struct option *option_find(const struct call *call); /* NULL: none of the table */
int64_t option_scale(enum option_how how);
/* Whether a value shorter than an int is one: some options of IP take an octet, or nothing for 0.
 */
bool option_short(int level, int name, int len);

/* ---- sockopt.c ---- */

/* Gives `len` octets, cut to the program's room as Linux cuts. 0 or errno. */
int option_give(const struct call *call, const void *value, int len);

/* ---- sockopt_key.c: keys ---- */

/* TCP_MD5SIG and TCP_MD5SIG_EXT: what comes from those peers to this socket must be signed. */
int option_set_signature(const struct call *call);
/* TCP_FASTOPEN_KEY: one key of 16 octets, or two. */
int option_get_fast_key(const struct call *call);
int option_set_fast_key(const struct call *call);
/* Tells weir of the cookies' keys, once it listens. */
void option_keys_apply(const struct socket *socket);
/* The socket has its port, and is about to listen or connect: tells weir whose segments are signed,
 * and what has had the port before it is forgotten. */
void option_keys_begin(const struct socket *socket);
bool option_keys_any(void); /* some socket has such keys, or had */

#endif
