/* SPDX-License-Identifier: MIT */
#include "ipc/sight_parts.h"
#include "ipc/sight_server.h"

#include <errno.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* The socket's name in the file system: before a sandbox closes, and after it where there is none.
 */

#define BACKLOG 16

/* Whether somebody answers there: a socket that was left behind may be removed. */
static bool is_taken(const struct sockaddr_un *name)
{
    const int probe = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    const bool taken =
        probe >= 0 && connect(probe, (const struct sockaddr *)name, sizeof *name) == 0;
    if (probe >= 0)
        close(probe);
    return taken;
}

static bool is_socket(const char *path)
{
    struct stat found;
    return lstat(path, &found) == 0 && S_ISSOCK(found.st_mode);
}

int sight_server_listen(struct sight_server *server, const char *path, char why[WEIR_LINE_MAX])
{
    struct sockaddr_un name = { .sun_family = AF_UNIX };
    if (strlen(path) >= sizeof name.sun_path) {
        snprintf(why, WEIR_LINE_MAX, "%.80s: the path is too long for a socket", path);
        return -ENAMETOOLONG;
    }
    memcpy(name.sun_path, path, strlen(path));
    const int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (is_socket(path) && !is_taken(&name))
        (void)unlink(path);
    if (fd >= 0 && bind(fd, (struct sockaddr *)&name, sizeof name) == 0) {
        memcpy(server->path, name.sun_path, sizeof server->path);
        if (chmod(path, 0660) == 0 && listen(fd, BACKLOG) == 0 &&
            weir_loop_add_fd(server->loop, fd, EPOLLIN, sight_server_accept, server) == 0) {
            server->listening = fd;
            return 0;
        }
    }
    const int error = -errno;
    snprintf(why, WEIR_LINE_MAX, "%.80s: %m", path);
    if (fd >= 0)
        close(fd);
    return error;
}

void sight_server_remove(struct sight_server *server)
{
    if (server->path[0] != '\0')
        (void)unlink(server->path);
    server->path[0] = '\0';
}
