/* SPDX-License-Identifier: MIT */
#include "cmsg.h"

#include <string.h>

void cmsg_put(struct cmsg_writing *w, int level, int type, const void *data, size_t len)
{
    const size_t left = w->room - w->len;
    struct cmsghdr head = { CMSG_LEN(len), level, type };
    if (left < sizeof head) {
        *w->cut = true;
        return;
    }
    if (head.cmsg_len > left) {
        *w->cut = true;
        head.cmsg_len = left;
    }
    memcpy(w->control + w->len, &head, sizeof head);
    memcpy(w->control + w->len + CMSG_LEN(0), data, head.cmsg_len - CMSG_LEN(0));
    w->len += CMSG_SPACE(len) < left ? CMSG_SPACE(len) : left;
}

const struct cmsghdr *cmsg_find(const struct msghdr *message, int level, int type)
{
    struct msghdr copy = *message; /* CMSG_NXTHDR takes no const one */
    struct cmsghdr *c = CMSG_FIRSTHDR(&copy);
    while (c != NULL && (c->cmsg_level != level || c->cmsg_type != type))
        c = CMSG_NXTHDR(&copy, c);
    return c;
}
