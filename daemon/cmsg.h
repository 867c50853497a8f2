/* SPDX-License-Identifier: MIT */
#ifndef WEIR_DAEMON_CMSG_H
#define WEIR_DAEMON_CMSG_H

/* Control messages, as recvmsg gives them to a program. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/* The program's room for them, and how much of it is used. */
struct cmsg_writing {
    uint8_t *control;
    size_t room, len;
    bool *cut; /* set where something did not fit: MSG_CTRUNC */
};

/* As the kernel does it: what does not fit whole is cut, and the program is told so. */
void cmsg_put(struct cmsg_writing *w, int level, int type, const void *data, size_t len);

/* The first of this kind among what the kernel told; NULL: there is none. */
const struct cmsghdr *cmsg_find(const struct msghdr *message, int level, int type);

#endif
