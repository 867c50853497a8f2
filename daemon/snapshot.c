/* SPDX-License-Identifier: MIT */

/* Those who look: which program holds a connection, and where that is in weird's tables. */

#include "parts.h"

#include "ipc/sight_server.h"

static struct sight_server server;

/* The program that was given the socket, and the number it has there. A descriptor that was copied
 * or passed on since is somewhere else as well, which nobody tells us. */
static void name_owner(void *user, struct sight_head *head, uint64_t cookie)
{
    const struct weird *weird = user;
    const struct socket *socket = cookie != 0 ? socket_find(weird, cookie) : NULL;
    if (socket == NULL)
        return;
    head->id = socket->id;
    head->pid = socket->pid;
    head->fd = socket->fd;
}

void snapshot_begin(struct weird *weird)
{
    sight_server_begin(&server, weird->loop, weird->weir, name_owner, weird);
}

void snapshot_take(int fd, const void *message, size_t len, weir_time now)
{
    sight_server_take(&server, fd, message, len, now);
}

bool snapshot_listen(const char *path, char why[WEIR_LINE_MAX])
{
    return sight_server_listen(&server, path, why) == 0;
}

void snapshot_end(void)
{
    sight_server_end(&server);
}
