/* SPDX-License-Identifier: MIT */
#include "terminal.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
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

unsigned terminal_columns(void)
{
    struct winsize size;
    if ((ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ||
         ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0) &&
        size.ws_col > 0)
        return size.ws_col;
    return 0;
}

bool terminal_draws(void)
{
    const char *name = getenv("TERM");
    return name != NULL && name[0] != '\0' && strcmp(name, "dumb") != 0;
}

bool terminal_colours(void)
{
    const char *no = getenv("NO_COLOR");
    return no == NULL || no[0] == '\0';
}

bool terminal_ascii(void)
{
    static const char *const names[] = { "LC_ALL", "LC_CTYPE", "LANG" };
    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++) {
        const char *value = getenv(names[i]);
        if (value != NULL && value[0] != '\0') /* the first that says something */
            return strcmp(value, "C") == 0 || strcmp(value, "POSIX") == 0;
    }
    return false;
}
