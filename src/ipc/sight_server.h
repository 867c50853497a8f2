/* SPDX-License-Identifier: MIT */
#ifndef WEIR_IPC_SIGHT_SERVER_H
#define WEIR_IPC_SIGHT_SERVER_H

/* Answers those who look into an instance (sight.h), in the loop that runs it.
 *
 * It holds at most SIGHT_CLIENTS_MAX connections: one more takes the place of that which has asked
 * least recently. A client that sends what is no request, or does not read its answer, loses its
 * connection. Nothing here waits. */

#include "ipc/sight.h"
#include "weir/loop.h"

#include <sys/types.h>

#define SIGHT_CLIENTS_MAX 16

struct sight_client_slot {
    int fd; /* -1: free */
    weir_time asked;
};

struct sight_server {
    struct weir_loop *loop;
    const struct weir *weir;
    struct weir_dev *dev; /* whose counters are shown; NULL after sight_server_begin: none */
    sight_owner_fn *owner;
    void *user;
    int64_t pid;
    uid_t uid; /* whose it is: of the process at the beginning */
    gid_t gid;
    int listening; /* -1: connections come by sight_server_take alone */
    char path[108];
    struct sight_client_slot client[SIGHT_CLIENTS_MAX];
    uint64_t page[SIGHT_PAGE_MAX / sizeof(uint64_t)];
};

/* Everything is borrowed until sight_server_end. `owner` may be NULL. */
void sight_server_begin(struct sight_server *server, struct weir_loop *loop,
                        const struct weir *weir, sight_owner_fn *owner, void *user);

/* Listens at a path, where the user itself, root and the user's group may connect. A socket there
 * that nobody answers is replaced. -errno, with the reason in `why`. */
int sight_server_listen(struct sight_server *server, const char *path, char why[WEIR_LINE_MAX])
    __attribute__((warn_unused_result));

/* Takes over a connection, which is not in the loop, and a first message that came over it. */
void sight_server_take(struct sight_server *server, int fd, const void *message, size_t len,
                       weir_time now);

/* Closes all. The name of the socket stays: a process in a sandbox cannot take it away. */
void sight_server_end(struct sight_server *server);

/* Takes the name away. */
void sight_server_remove(struct sight_server *server);

#endif
