/* SPDX-License-Identifier: MIT */
#ifndef WEIR_IPC_SIGHT_PARTS_H
#define WEIR_IPC_SIGHT_PARTS_H

/* What the files of sight.h share. */

#include "ipc/sight.h"

/* Fills a page with struct sight_counter: all there are, and the end. */
void sight_answer_counters(const struct sight_source *source, struct sight_page *page);

/* The same with struct sight_device. */
void sight_answer_devices(const struct sight_source *source, struct sight_page *page);

/* Of a server that listens: somebody comes (weir_loop_fd_fn). */
void sight_server_accept(void *user, int fd, uint32_t ready, weir_time now);

#endif
