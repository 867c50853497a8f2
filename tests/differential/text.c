/* SPDX-License-Identifier: MIT */
#include "text.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define SHOWN_MAX 16 /* octets of received data that are shown rather than counted */

void text_clear(struct text *text)
{
    text->len = 0;
    text->at[0] = '\0';
}

void text_add(struct text *text, const char *format, ...)
{
    const size_t room = TEXT_MAX - text->len;
    va_list args;
    va_start(args, format);
    const int wrote = vsnprintf(text->at + text->len, room, format, args);
    va_end(args);
    if (wrote > 0)
        text->len += (size_t)wrote < room ? (size_t)wrote : room - 1;
}

void text_result(struct text *text, long result)
{
    const char *name = result < 0 ? strerrorname_np(errno) : NULL;
    if (name != NULL)
        text_add(text, " = %s", name);
    else
        text_add(text, " = %ld", result);
}

void text_octets(struct text *text, const char *octets, long len)
{
    text_result(text, len);
    if (len > 0 && len <= SHOWN_MAX)
        text_add(text, " '%.*s'", (int)len, octets);
}

void text_mask(struct text *text, unsigned mask)
{
    static const struct {
        unsigned bit;
        const char *name;
    } bits[] = {
        { POLLIN, "IN" },   { POLLPRI, "PRI" },     { POLLOUT, "OUT" },   { POLLERR, "ERR" },
        { POLLHUP, "HUP" }, { POLLRDHUP, "RDHUP" }, { POLLNVAL, "NVAL" },
    };
    const char *comma = "";
    for (size_t i = 0; i < sizeof bits / sizeof bits[0]; i++) {
        if (!(mask & bits[i].bit))
            continue;
        text_add(text, "%s%s", comma, bits[i].name);
        comma = ",";
    }
    if (*comma == '\0')
        text_add(text, "-");
}

const char *text_state(unsigned state)
{
    static const char *const names[] = {
        "?",         "ESTABLISHED", "SYN-SENT",   "SYN-RECEIVED", "FIN-WAIT-1", "FIN-WAIT-2",
        "TIME-WAIT", "CLOSED",      "CLOSE-WAIT", "LAST-ACK",     "LISTEN",     "CLOSING",
    };
    return state < sizeof names / sizeof names[0] ? names[state] : "?";
}
