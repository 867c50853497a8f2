/* SPDX-License-Identifier: MIT */
#include "kernel_end.h"

#include "weir/trace.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static bool fail(struct kernel_end *end, const char *what)
{
    snprintf(end->wrong, sizeof end->wrong, "Linux: %s: %s", what, strerror(errno));
    return false;
}

void kernel_end_init(struct kernel_end *end)
{
    *end = (struct kernel_end){ .listener = -1, .conn = -1 };
}

bool kernel_end_listen(struct kernel_end *end, const char *address, uint16_t port)
{
    struct sockaddr_in local = { .sin_family = AF_INET, .sin_port = htons(port) };
    end->port = port;
    end->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (end->listener < 0 || inet_pton(AF_INET, address, &local.sin_addr) != 1)
        return fail(end, "socket");
    if (bind(end->listener, (const struct sockaddr *)&local, sizeof local) < 0)
        return fail(end, "bind");
    return listen(end->listener, 1) == 0 || fail(end, "listen");
}

bool kernel_end_accept(struct kernel_end *end)
{
    end->conn = accept4(end->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    end->accepted = end->conn >= 0;
    return end->accepted || fail(end, "accept");
}

bool kernel_end_read(struct kernel_end *end, char *text, size_t room, size_t *len)
{
    const ssize_t got = recv(end->conn, text, room, 0);
    if (got < 0)
        return fail(end, "recv");
    *len = (size_t)got;
    return true;
}

bool kernel_end_write(struct kernel_end *end, const char *text, size_t len)
{
    const ssize_t sent = send(end->conn, text, len, MSG_NOSIGNAL);
    return sent == (ssize_t)len || fail(end, "send");
}

void kernel_end_close(struct kernel_end *end)
{
    if (end->conn >= 0)
        close(end->conn);
    end->conn = -1;
}

void kernel_end_free(struct kernel_end *end)
{
    kernel_end_close(end);
    if (end->listener >= 0)
        close(end->listener);
    end->listener = -1;
}

/* Linux's numbers (include/net/tcp_states.h) as ours. */
static unsigned state_of(unsigned kernel_state)
{
    static const unsigned states[] = {
        [1] = WEIR_ESTABLISHED, [2] = WEIR_SYN_SENT,   [3] = WEIR_SYN_RECEIVED,
        [4] = WEIR_FIN_WAIT_1,  [5] = WEIR_FIN_WAIT_2, [6] = WEIR_TIME_WAIT,
        [7] = WEIR_CLOSED,      [8] = WEIR_CLOSE_WAIT, [9] = WEIR_LAST_ACK,
        [10] = WEIR_LISTEN,     [11] = WEIR_CLOSING,   [12] = WEIR_SYN_RECEIVED,
    };
    const bool known = kernel_state > 0 && kernel_state < sizeof states / sizeof states[0];
    return known ? states[kernel_state] : WEIR_STATE_COUNT;
}

unsigned kernel_end_state_from(FILE *table, uint16_t port, uint16_t peer_port, bool accepted)
{
    char line[256];
    unsigned state = WEIR_CLOSED;
    while (fgets(line, sizeof line, table) != NULL) {
        unsigned local, remote, kernel_state;
        if (sscanf(line, "%*u: %*8x:%4x %*8x:%4x %2x", &local, &remote, &kernel_state) != 3 ||
            local != port)
            continue;
        if (peer_port != 0 && remote == peer_port)
            return state_of(kernel_state);
        if (remote == 0 && !accepted)
            state = WEIR_LISTEN;
    }
    return state;
}

unsigned kernel_end_state(const struct kernel_end *end, uint16_t peer_port)
{
    FILE *table = fopen("/proc/self/net/tcp", "re");
    if (table == NULL)
        return WEIR_STATE_COUNT;
    const unsigned state = kernel_end_state_from(table, end->port, peer_port, end->accepted);
    fclose(table);
    return state;
}
