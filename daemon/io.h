/* SPDX-License-Identifier: MIT */
#ifndef WEIR_DAEMON_IO_H
#define WEIR_DAEMON_IO_H

/* Reading and writing by the few system calls that weird's sandbox leaves: of programs' memory and
 * descriptors, and of our own. Nothing allocates. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

bool memory_read(pid_t pid, uint64_t from, void *to, size_t len);
bool memory_write(pid_t pid, uint64_t to, const void *from, size_t len);

/* A descriptor of another process, or -errno. */
int fetch_fd(pid_t pid, int fd);
/* The same of a thread that called us. `*sure`: it is that thread, for it was known before; else it
 * may be another by now that has its number. */
int fetch_caller_fd(pid_t thread, int fd, bool *sure);
void fetch_end(void); /* closes what was kept to fetch more; a run is over */

/* Reads the beginning of a small file as text; false, with "", if it cannot. */
bool file_read(const char *path, char *text, size_t room);

bool readable_now(int fd);
bool urgent_now(int fd);
bool hung_up_now(int fd);
bool readable_within(int fd, int64_t ns);

/* As send and recv; MSG_DONTWAIT and MSG_NOSIGNAL need not be among the flags. */
ssize_t octets_send(int fd, const void *octets, size_t len, int flags);
ssize_t octets_recv(int fd, void *octets, size_t room, int flags);

#endif
