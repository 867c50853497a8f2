/* SPDX-License-Identifier: MIT */

/* Those who look: which program holds a connection, and where that is in weird's tables. */

#include "snapshot.h"

#include "ipc/sight_server.h"
#include "udp.h"

#include <linux/sock_diag.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* syscall: ioctl close getsockopt */

static struct sight_server server;

/* What lies between the connection and the program counts as unread, or as unsent: the relay's
 * buffers are none of the program's business. How much S holds, only a copy of it can tell; it is
 * asked for where D says that there is something. */
static void add_relayed(const struct weird *weird, const struct socket *socket,
                        struct sight_head *head)
{
    int unsent = 0, held = 0, unread = 0;
    struct socket *found;
    uint8_t family;
    if (socket->d < 0 || socket->filler || socket->state != SOCKET_CONNECTED)
        return;
    /* Behind the program's end stand only octets of our own. */
    if (!socket->read_eof && ioctl(socket->d, SIOCINQ, &unsent) == 0 && unsent > 0)
        head->sndq += (uint32_t)unsent;
    if (ioctl(socket->d, SIOCOUTQ, &held) < 0 || held == 0 || socket->fd < 0)
        return;
    const int s = fetch_fd(socket->pid, socket->fd);
    if (s < 0)
        return;
    if (socket_identify(weird, NULL, s, &found, &family) && found == socket &&
        ioctl(s, SIOCINQ, &unread) == 0 && unread > 0)
        head->rcvq += (uint32_t)unread;
    close(s);
}

/* Datagrams wait at S, in the namespace; the kernel counts them as ss does, with what they weigh.
 */
static void name_udp(const struct udp_socket *socket, struct sight_head *head)
{
    uint32_t memory[SK_MEMINFO_VARS] = { 0 };
    socklen_t len = sizeof memory;
    head->id = socket->cookie;
    head->pid = socket->pid;
    head->fd = socket->fd;
    const int s = socket->pid > 0 ? fetch_fd(socket->pid, socket->fd) : -1;
    if (s < 0)
        return;
    if (socket_cookie(s) == socket->cookie &&
        getsockopt(s, SOL_SOCKET, SO_MEMINFO, memory, &len) == 0)
        head->rcvq += memory[SK_MEMINFO_RMEM_ALLOC];
    close(s);
}

/* The program that was given the socket, and the number it has there. A descriptor that was copied
 * or passed on since is somewhere else as well, which nobody tells us. */
static void name_owner(void *user, struct sight_head *head, uint64_t cookie)
{
    const struct weird *weird = user;
    const struct udp_socket *udp = udp_owner(weird, cookie);
    if (udp != NULL && udp->handle == head->handle) {
        name_udp(udp, head);
        return;
    }
    const struct socket *socket = cookie != 0 ? socket_find(weird, cookie) : NULL;
    if (socket == NULL)
        return;
    head->id = socket->id;
    head->pid = socket->pid;
    head->fd = socket->fd;
    add_relayed(weird, socket, head);
}

void snapshot_begin(struct weird *weird)
{
    sight_server_begin(&server, weird->loop, weird->weir, name_owner, weird);
    server.dev = weird->dev;
}

void snapshot_as(uid_t uid, gid_t gid)
{
    server.uid = uid;
    server.gid = gid;
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
