/* SPDX-License-Identifier: MIT */
#ifndef WEIR_DAEMON_JOINING_H
#define WEIR_DAEMON_JOINING_H

/* The control socket: who may join, and what is asked there (ipc/control.h). */

#include "parts.h"

#include "ipc/control.h"

/* ---- control.c ---- */

bool control_listen(struct weird *weird, const char *path, char why[WEIR_LINE_MAX]);
void control_serve(struct weird *weird, int fd); /* one connection of a `weir run` */

/* Gives the socket at `path`, and its directory if we made that, to whom weird becomes. */
bool control_own(const char *path, uid_t uid, gid_t gid);

/* ---- status.c ---- */

void status_fill(const struct weird *weird, struct control_status *status);

/* ---- settings.c ---- */

/* Answers with all of them (struct control_config). */
void settings_send(const struct weird *weird, int fd);

/* Changes one, if who asks may, and answers (struct control_said). */
void settings_change(struct weird *weird, int fd, struct control_set *set, bool may);

#endif
