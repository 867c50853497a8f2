/* SPDX-License-Identifier: MIT */
#ifndef WEIR_BENCH_KERNEL_H
#define WEIR_BENCH_KERNEL_H

/* The kernel's side of the wire benchmark, in plain sockets: the servers that weir is compared with
 * (kernel_serve.c) and the clients that measure both (kernel.c). Whatever fails ends the program
 * with one line: a benchmark that goes on after an error measures something else. */

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

_Noreturn void die(const char *what);

/* Waits for the socket in a loop of non-blocking calls (`spin`), or asleep in one call. Octets, 0
 * at the end of the stream. */
size_t receive_some(int fd, void *data, size_t room, bool spin);
void send_all(int fd, const void *data, size_t len, bool spin);

/* Both ends of every comparison run the same congestion control, whatever the machine's default. A
 * listener's sockets have what it has. */
void pin_congestion(int fd);

void set_option(int fd, int level, int option, int value);

/* Serves `role` (sink, source, pong, accept) until the process is ended. */
_Noreturn void kernel_serve(const char *role, const struct sockaddr_in *local, bool spin);

#endif
