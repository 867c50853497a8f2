/* SPDX-License-Identifier: MIT */
#ifndef WEIR_DAEMON_SNAPSHOT_H
#define WEIR_DAEMON_SNAPSHOT_H

/* Those who look in (ipc/sight.h): what they are answered, and whose a connection is. */

#include "parts.h"

void snapshot_begin(struct weird *weird);
void snapshot_as(uid_t uid, gid_t gid); /* whom weird has become */
/* Takes over a connection whose first message is a request of ipc/sight.h. */
void snapshot_take(int fd, const void *message, size_t len, weir_time now);
bool snapshot_listen(const char *path, char why[WEIR_LINE_MAX]);
void snapshot_end(void);

#endif
