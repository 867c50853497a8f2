/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TESTS_DIFFERENTIAL_CASES_H
#define WEIR_TESTS_DIFFERENTIAL_CASES_H

/* The cases: those written down in files, and every sequence of three events on a connection.
 *
 * A file holds cases, one after the other; '#' begins a comment, and empty lines mean nothing:
 *
 *     case A1 close with unread data
 *     only 4                              (else it is played with IPv4 and with IPv6)
 *     pair a active
 *     ...
 *
 * The events are send, recv, shutdown three ways and close by the subject, and send, close and
 * reset by the peer. Both families, the subject once active and once passive; and once more with
 * SO_ERROR read after each event, since reading it changes what comes. */

#include <stddef.h>

#define CASES_MAX 8192

struct scene {
    char name[48];    /* A1, or send.recv.rd */
    char variant[16]; /* v4, or active6 */
    const char *title;
    int family;
    const char *lines; /* each ended by a newline */
};

/* Both add to what is there, return how many there are then, and end the process if it cannot be
 * done. What they allocate lives as long as the process. */
size_t cases_read(const char *path, struct scene *scenes, size_t count);
size_t cases_sequences(struct scene *scenes, size_t count);

#endif
