/* SPDX-License-Identifier: MIT */

/* The keys that a program gives a TCP socket: of its Fast Open cookies, and of its peers. */

#include "sockopt.h"

#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>

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

/* ---- TCP_MD5SIG ----
 *
 * weir has keys by peer and ports, a program by socket. So one is told to weir with the port of its
 * socket, as soon as it listens or connects; what a listener accepts has its keys by that. When the
 * socket is gone its connections may still have to end in order: its keys stay until another socket
 * has the port, or the place is needed. */
#define SIGNATURES_MAX 64 /* as many as weir has keys */

static struct signature {
    uint64_t owner; /* a socket, perhaps gone; 0: the place is free */
    struct weir_key key;
    bool told; /* to weir */
} signatures[SIGNATURES_MAX];

bool option_keys_any(void)
{
    for (unsigned i = 0; i < SIGNATURES_MAX; i++)
        if (signatures[i].owner != 0)
            return true;
    return false;
}

static void forget(const struct weird *weird, struct signature *signature)
{
    signature->key.key_len = 0;
    if (signature->told)
        (void)weir_key_set(weird->weir, &signature->key);
    memset(signature, 0, sizeof *signature);
}

/* The place of the same peer, or a new one; NULL: all are in use. */
static struct signature *place_for(const struct socket *socket, const struct weir_key *key)
{
    struct signature *found = NULL;
    for (unsigned i = 0; i < SIGNATURES_MAX; i++) {
        struct signature *signature = &signatures[i];
        if (signature->owner == socket->id && signature->key.prefix_len == key->prefix_len &&
            weir_ip_equal(&signature->key.peer, &key->peer))
            return signature;
        if (found == NULL && signature->owner == 0)
            found = signature;
    }
    for (unsigned i = 0; i < SIGNATURES_MAX && found == NULL; i++)
        if (socket_find(socket->weird, signatures[i].owner) == NULL) {
            found = &signatures[i];
            forget(socket->weird, found);
        }
    return found;
}

/* Reads what the program gives. 0 or errno. */
static int read_signature(const struct call *call, struct weir_key *key)
{
    struct tcp_md5sig given;
    struct sockaddr_in four;
    struct sockaddr_in6 six;
    if (call->arg[4] < sizeof given || (int)call->arg[4] < 0)
        return EINVAL;
    if (!memory_read(call->pid, call->arg[3], &given, sizeof given))
        return EFAULT;
    const bool extended = (int)call->arg[2] == TCP_MD5SIG_EXT;
    memcpy(&four, &given.tcpm_addr, sizeof four);
    memcpy(&six, &given.tcpm_addr, sizeof six);
    *key = (struct weir_key){ .peer = weir_ip_v4(0, 0, 0, 0) };
    if (four.sin_family != call->family || given.tcpm_keylen > WEIR_KEY_MAX ||
        (extended && (given.tcpm_flags & TCP_MD5SIG_FLAG_IFINDEX) != 0 &&
         given.tcpm_ifindex != 0) /* that would be a VRF */)
        return EINVAL;
    if (call->family == AF_INET)
        memcpy(key->peer.octet + 12, &four.sin_addr, sizeof four.sin_addr);
    else
        memcpy(key->peer.octet, &six.sin6_addr, sizeof six.sin6_addr);
    const unsigned whole = weir_ip_is_v4(&key->peer) ? 32 : 128;
    key->prefix_len = whole;
    if (extended && (given.tcpm_flags & TCP_MD5SIG_FLAG_PREFIX) != 0)
        key->prefix_len = given.tcpm_prefixlen;
    key->key_len = (uint8_t)given.tcpm_keylen;
    memcpy(key->key, given.tcpm_key, key->key_len);
    return key->prefix_len <= whole ? 0 : EINVAL;
}

/* 0 or errno. */
static int tell(const struct socket *socket, struct signature *signature)
{
    if (signature->told || socket->local.port == 0)
        return 0;
    signature->key.local_port = socket->local.port;
    const enum weir_error error = weir_key_set(socket->weird->weir, &signature->key);
    signature->told = error == WEIR_OK;
    return error == WEIR_OK ? 0 : ENOMEM;
}

int option_set_signature(const struct call *call)
{
    const struct socket *socket = call->socket;
    struct weir_key key;
    const int error = read_signature(call, &key);
    if (error != 0)
        return error;
    if (socket->state != SOCKET_FRESH && socket->state != SOCKET_LISTENING)
        return EINVAL; /* whether it signs was agreed with the SYN */
    struct signature *place = place_for(socket, &key);
    const bool known = place != NULL && place->owner != 0;
    if (key.key_len == 0 && !known)
        return ENOENT;
    if (place == NULL)
        return ENOMEM;
    if (known)
        forget(call->weird, place);
    if (key.key_len == 0)
        return 0;
    *place = (struct signature){ .owner = socket->id, .key = key };
    return socket->state == SOCKET_LISTENING ? tell(socket, place) : 0;
}

/* ---- Where they take effect ---- */

void option_keys_begin(const struct socket *socket)
{
    for (unsigned i = 0; i < SIGNATURES_MAX; i++) {
        struct signature *signature = &signatures[i];
        if (signature->owner == socket->id)
            (void)tell(socket, signature);
        else if (signature->told && signature->key.local_port == socket->local.port &&
                 socket_find(socket->weird, signature->owner) == NULL)
            forget(socket->weird, signature);
    }
}

void option_keys_apply(const struct socket *socket)
{
    if (socket->fast_keys != 0 && socket->state == SOCKET_LISTENING)
        (void)weir_fastopen_keys_set(socket->weird->weir, socket->handle, socket->fast_key,
                                     socket->fast_keys);
}
