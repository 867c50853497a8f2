/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TOOLS_ERRNO_TABLE_H
#define WEIR_TOOLS_ERRNO_TABLE_H

/* Every error that a socket call can give, with the causes Linux gives it: from which call, in
 * which state, when, and what to do. `weir errno` prints an entry, docs/errno.md is all of them.
 *
 * The numbers are this machine's; the causes are those of TCP and UDP over IPv4 and IPv6. */

#include <stdbool.h>

#define ERRNO_CAUSES 6

struct errno_cause {
    const char *call;  /* "recv", "connect, UDP send"; NULL ends the list */
    const char *state; /* of the connection, or of the socket; "any" */
    const char *when;
};

struct errno_entry {
    int number;
    const char *name;
    const char *alias;   /* another name of the same number, or NULL */
    const char *api;     /* its enum weir_error, or NULL: the library never gives it */
    int winsock;         /* the number Windows has for it; 0: none */
    const char *meaning; /* one line */
    struct errno_cause cause[ERRNO_CAUSES];
    const char *to_do;
    const char *not_so; /* what is often said of it, and what is true; or NULL */
};

unsigned errno_count(void);
const struct errno_entry *errno_at(unsigned i);

/* By name in any case ("ECONNRESET", "econnreset", "WSAECONNRESET", "EWOULDBLOCK", also the common
 * misspelling "ETIMEOUT"), by number ("104"), or by Winsock's number ("10054"). NULL: none of
 * them. */
const struct errno_entry *errno_find(const char *text);

#endif
