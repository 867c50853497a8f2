/* SPDX-License-Identifier: MIT */
#include "ipc/sight_parts.h"
#include "ipc/sight_server.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* syscall: accept4 recvmsg sendmsg getsockopt close */

/* Who is at the other end. Root and the instance's user see everything, its group all but sequence
 * numbers, others nothing. */
enum rank {
    RANK_STRANGER,
    RANK_GROUP,
    RANK_USER,
};

static enum rank rank_of(const struct sight_server *server, int fd)
{
    struct ucred peer;
    socklen_t len = sizeof peer;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
        return RANK_STRANGER;
    if (peer.uid == 0 || peer.uid == server->uid)
        return RANK_USER;
    return peer.gid == server->gid ? RANK_GROUP : RANK_STRANGER;
}

static void drop(struct sight_server *server, struct sight_client_slot *client)
{
    weir_loop_remove_fd(server->loop, client->fd);
    close(client->fd);
    client->fd = -1;
}

static struct sight_client_slot *slot_of(struct sight_server *server, int fd)
{
    for (unsigned i = 0; i < SIGHT_CLIENTS_MAX; i++)
        if (server->client[i].fd == fd)
            return &server->client[i];
    return NULL;
}

static void answer(struct sight_server *server, struct sight_client_slot *client,
                   const void *message, size_t len, weir_time now)
{
    const struct sight_source source = {
        .weir = server->weir,
        .dev = server->dev,
        .owner = server->owner,
        .user = server->user,
        .now = now,
        .epoch = weir_loop_epoch(),
        .pid = server->pid,
        .secrets = rank_of(server, client->fd) == RANK_USER,
    };
    client->asked = now;
    if (!sight_is_request(message, len)) {
        drop(server, client);
        return;
    }
    const size_t answered = sight_answer(&source, message, len, server->page);
    struct iovec iov = { server->page, answered };
    const struct msghdr said = { .msg_iov = &iov, .msg_iovlen = 1 };
    if (sendmsg(client->fd, &said, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
        drop(server, client); /* it does not read, or is gone */
}

static void on_request(void *user, int fd, uint32_t ready, weir_time now)
{
    struct sight_server *server = user;
    struct sight_client_slot *client = slot_of(server, fd);
    struct sight_request request = { 0 };
    struct iovec iov = { &request, sizeof request };
    struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };
    (void)ready;
    if (client == NULL)
        return;
    const ssize_t got = recvmsg(fd, &message, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0)
        drop(server, client);
    else /* one that is longer than a request is none */
        answer(server, client, &request,
               (message.msg_flags & MSG_TRUNC) != 0 ? sizeof request + 1 : (size_t)got, now);
}

/* A free place, or that of whoever has been silent longest. */
static struct sight_client_slot *make_place(struct sight_server *server)
{
    struct sight_client_slot *oldest = &server->client[0];
    for (unsigned i = 0; i < SIGHT_CLIENTS_MAX; i++) {
        if (server->client[i].fd < 0)
            return &server->client[i];
        if (server->client[i].asked < oldest->asked)
            oldest = &server->client[i];
    }
    drop(server, oldest);
    return oldest;
}

static struct sight_client_slot *admit(struct sight_server *server, int fd, weir_time now)
{
    struct sight_client_slot *client = make_place(server);
    if (weir_loop_add_fd(server->loop, fd, EPOLLIN, on_request, server) < 0) {
        close(fd);
        return NULL;
    }
    *client = (struct sight_client_slot){ fd, now };
    return client;
}

void sight_server_take(struct sight_server *server, int fd, const void *message, size_t len,
                       weir_time now)
{
    struct sight_client_slot *client = admit(server, fd, now);
    if (client != NULL)
        answer(server, client, message, len, now);
}

void sight_server_accept(void *user, int fd, uint32_t ready, weir_time now)
{
    struct sight_server *server = user;
    (void)ready;
    const int made = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (made < 0)
        return;
    if (rank_of(server, made) == RANK_STRANGER)
        close(made);
    else
        (void)admit(server, made, now);
}

void sight_server_begin(struct sight_server *server, struct weir_loop *loop,
                        const struct weir *weir, sight_owner_fn *owner, void *user)
{
    server->loop = loop;
    server->weir = weir;
    server->dev = NULL;
    server->owner = owner;
    server->user = user;
    server->pid = getpid();
    server->uid = geteuid();
    server->gid = getegid();
    server->listening = -1;
    server->path[0] = '\0';
    for (unsigned i = 0; i < SIGHT_CLIENTS_MAX; i++)
        server->client[i].fd = -1;
}

void sight_server_end(struct sight_server *server)
{
    for (unsigned i = 0; i < SIGHT_CLIENTS_MAX; i++)
        if (server->client[i].fd >= 0)
            drop(server, &server->client[i]);
    if (server->listening >= 0) {
        weir_loop_remove_fd(server->loop, server->listening);
        close(server->listening);
    }
    server->listening = -1;
}
