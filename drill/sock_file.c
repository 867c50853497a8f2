/* SPDX-License-Identifier: MIT */
#include "sock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

/* Files that the script's commands have made: zeros, of which nothing but the number is kept. The
 * machine's own files are not seen. */

struct net_file {
    struct net_file *next;
    long len; /* < 0: it was removed */
    char path[];
};

bool net_file_set(struct net *net, const char *path, long len)
{
    struct net_file *file = net->files;
    while (file != NULL && strcmp(file->path, path) != 0)
        file = file->next;
    if (file == NULL) {
        file = calloc(1, sizeof *file + strlen(path) + 1);
        if (file == NULL)
            return false;
        memcpy(file->path, path, strlen(path) + 1);
        file->next = net->files;
        net->files = file;
    }
    file->len = len;
    return true;
}

void net_files_end(struct net *net)
{
    while (net->files != NULL) {
        struct net_file *next = net->files->next;
        free(net->files);
        net->files = next;
    }
}

long net_open(struct net *net, const char *path, int flags)
{
    const struct net_file *file = net->files;
    int fd;
    while (file != NULL && strcmp(file->path, path) != 0)
        file = file->next;
    if (file == NULL || file->len < 0)
        return -ENOENT;
    if ((flags & O_ACCMODE) != O_RDONLY)
        return -EACCES;
    struct sock *sock = sock_new(net, SOCK_FILE, 0, &fd);
    if (sock == NULL)
        return -EMFILE;
    sock->file_len = file->len;
    return fd;
}

/* sendfile(OUT, IN, OFFSET, COUNT): a write of so many zeros. */
long net_sendfile(struct net *net, const struct call *call)
{
    static char zeros[1 << 20];
    struct sock *out = net_sock(net, call->arg[0]), *in = net_sock(net, call->arg[1]);
    int64_t *offset = (int64_t *)call->arg[2];
    if (out == NULL || in == NULL)
        return -EBADF;
    if (in->kind != SOCK_FILE || (out->kind != SOCK_TCP && out->kind != SOCK_UDP))
        return -EINVAL;
    int64_t *at = offset != NULL ? offset : &in->file_at;
    if (*at < 0 || call->arg[3] < 0)
        return -EINVAL;
    int64_t len = in->file_len > *at ? in->file_len - *at : 0;
    len = len < call->arg[3] ? len : call->arg[3];
    len = len < (int64_t)sizeof zeros ? len : (int64_t)sizeof zeros;
    if (len == 0)
        return 0;
    struct iovec iov = { zeros, (size_t)len };
    const struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
    const long sent = sock_send(net, out, &msg, 0);
    if (sent > 0)
        *at += sent;
    return sent;
}
