/* SPDX-License-Identifier: MIT */
#include "terminal.h"

#include <poll.h>
#include <stdio.h>
#include <unistd.h>

char *terminal_safe(const char *text, char *to, size_t room)
{
    size_t len = 0;
    if (room == 0)
        return to;
    for (const unsigned char *at = (const unsigned char *)text; *at != '\0'; at++) {
        const int plain = *at >= 0x20 && *at < 0x7f && *at != '"' && *at != '\\';
        if (len + (plain ? 1 : 4) >= room)
            break;
        if (plain)
            to[len++] = (char)*at;
        else
            len += (size_t)snprintf(to + len, room - len, "\\x%02x", *at);
    }
    to[len] = '\0';
    return to;
}

bool terminal_gone(void)
{
    struct pollfd keys = { .fd = STDIN_FILENO, .events = POLLIN };
    return poll(&keys, 1, 0) > 0 && (keys.revents & (POLLHUP | POLLERR | POLLNVAL)) != 0;
}
