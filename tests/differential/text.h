/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TESTS_DIFFERENTIAL_TEXT_H
#define WEIR_TESTS_DIFFERENTIAL_TEXT_H

/* What a transcript is written with: a bounded text, and words for what system calls give back.
 *
 * Words stand where numbers differ from machine to machine: addresses become the part they play
 * (own, far, any, loop), ports that were drawn become "port". Nothing here touches a socket but
 * to be told about it. A text that is full drops what comes; a transcript that long is a mistake
 * in its case and is noticed as a difference. */

#include <stddef.h>
#include <sys/socket.h>

#define TEXT_MAX 16384

struct text {
    size_t len;
    char at[TEXT_MAX];
};

/* Empties it. */
void text_clear(struct text *text);
void text_add(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* " = 3", or " = EPIPE" by errno where the result is negative. */
void text_result(struct text *text, long result);

/* At most 16 octets as they are, and of more only how many: " = 3 'abc'", " = 5000". */
void text_octets(struct text *text, const char *octets, long len);

/* "IN,OUT,RDHUP"; "-" for none. Takes poll's and epoll's bits, which are the same. */
void text_mask(struct text *text, unsigned mask);

/* TCP's states by tcpi_state's numbers. */
const char *text_state(unsigned state);

#endif
