/* SPDX-License-Identifier: MIT */

/* The keys that a program gives a TCP socket: of its Fast Open cookies, and of its peers. */

#include "sockopt.h"

#include <errno.h>
#include <linux/tcp.h>

/* ---- TCP_FASTOPEN_KEY ---- */

#define FAST_KEY_LEN 16

int option_get_fast_key(const struct call *call)
{
    const struct socket *socket = call->socket;
    uint64_t key[2][2];
    unsigned count = socket != NULL ? socket->fast_keys : 0;
    if (count != 0)
        memcpy(key, socket->fast_key, sizeof key);
    else
        count = weir_fastopen_keys(call->weird->weir, WEIR_NO_HANDLE, key);
    return option_give(call, key, (int)count * FAST_KEY_LEN);
}

int option_set_fast_key(const struct call *call)
{
    struct socket *socket = call->socket;
    const int len = (int)call->arg[4];
    if (len != FAST_KEY_LEN && len != 2 * FAST_KEY_LEN)
        return EINVAL;
    if (!memory_read(call->pid, call->arg[3], socket->fast_key, (size_t)len))
        return EFAULT;
    socket->fast_keys = (uint8_t)(len / FAST_KEY_LEN);
    option_keys_apply(socket);
    return 0;
}

/* ---- TCP_MD5SIG ---- */

int option_set_signature(const struct call *call)
{
    (void)call;
    return ENOPROTOOPT;
}

/* ---- Where they take effect ---- */

void option_keys_apply(const struct socket *socket)
{
    if (socket->fast_keys != 0 && socket->state == SOCKET_LISTENING)
        (void)weir_fastopen_keys_set(socket->weird->weir, socket->handle, socket->fast_key,
                                     socket->fast_keys);
}
