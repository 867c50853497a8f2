/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TOOLS_KERNEL_END_H
#define WEIR_TOOLS_KERNEL_END_H

/* One connection of the kernel's own TCP, over IPv4: accepted, read, written and closed without
 * waiting, and its state as the kernel itself tells it. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct kernel_end {
    int listener, conn; /* -1: none */
    bool accepted;      /* there has been a connection */
    uint16_t port;
    char wrong[128]; /* why a call returned false */
};

void kernel_end_init(struct kernel_end *end);
bool kernel_end_listen(struct kernel_end *end, const char *address, uint16_t port);
bool kernel_end_accept(struct kernel_end *end);
bool kernel_end_read(struct kernel_end *end, char *text, size_t room, size_t *len);
bool kernel_end_write(struct kernel_end *end, const char *text, size_t len);
void kernel_end_close(struct kernel_end *end); /* the connection: a FIN, if all was read */
void kernel_end_free(struct kernel_end *end);

/* enum weir_state of the connection with the peer's port, from /proc/self/net/tcp; LISTEN as long
 * as there is none but a listener, CLOSED afterwards. */
unsigned kernel_end_state(const struct kernel_end *end, uint16_t peer_port);

/* The same, from an open file of that form. */
unsigned kernel_end_state_from(FILE *table, uint16_t port, uint16_t peer_port, bool accepted);

#endif
