/* SPDX-License-Identifier: MIT */
#include "sock.h"

#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>

/* The client's half of TCP Fast Open (RFC 7413) as Linux offers it: MSG_FASTOPEN, which connects
 * and sends in one call, and TCP_FASTOPEN_CONNECT, with which connect() says yes at once, if a
 * cookie is known, and the first write makes the SYN. What the SYN has no room for a call that
 * waits sends after the handshake; one that does not says how much it took. */

/* ---- options ---- */

static bool client_enabled(const struct net *net)
{
    struct weir_config config;
    weir_config_now(net->weir, &config);
    return (config.fastopen & WEIR_FASTOPEN_CLIENT) != 0;
}

long sock_fast_allowed(const struct net *net, const struct sock *sock, int name)
{
    if (name == TCP_FASTOPEN_CONNECT && !client_enabled(net))
        return -EOPNOTSUPP;
    const bool early = sock->phase == PHASE_NEW || sock->phase == PHASE_FAILED;
    return early || (name != TCP_FASTOPEN_CONNECT && sock->phase == PHASE_LISTENING) ? 0 : -EINVAL;
}

/* ---- connect ---- */

bool sock_fast_defers(struct net *net, struct sock *sock, const struct weir_addr *addr)
{
    const bool plain = sock->kept[KEPT_FASTOPEN_NO_COOKIE] != 0 && client_enabled(net);
    if (sock->kept[KEPT_FASTOPEN_CONNECT] == 0 ||
        (!plain && !weir_fastopen_known(net->weir, &addr->ip, net->now)))
        return false;
    sock->remote = *addr;
    sock->phase = PHASE_CONNECTING;
    sock->deferred = true;
    return true;
}

bool sock_fast_begin(struct net *net, const struct sock *sock)
{
    const enum weir_option which =
        sock->kept[KEPT_FASTOPEN_NO_COOKIE] != 0 ? WEIR_OPT_FASTOPEN_NO_COOKIE : WEIR_OPT_FASTOPEN;
    return weir_set(net->weir, sock->handle, which, 1, net->now) == WEIR_OK;
}

/* ---- the first write ---- */

/* An address that is there and says that it is none. */
static bool is_unspec(const struct msghdr *msg)
{
    const struct sockaddr *name = msg->msg_name;
    return name != NULL && msg->msg_namelen >= sizeof name->sa_family &&
           name->sa_family == AF_UNSPEC;
}

static long open_connection(struct net *net, struct sock *sock, const struct msghdr *msg)
{
    if (!sock->deferred) {
        const long result = sock_connect(net, sock, msg->msg_name, msg->msg_namelen);
        if (!sock->deferred)
            return result;
    }
    sock->deferred = false;
    sock->phase = PHASE_NEW;
    return sock_open(net, sock, &sock->remote);
}

/* As much as the SYN takes. */
static size_t fill_syn(struct net *net, struct sock *sock, const struct msghdr *msg)
{
    int64_t room = 0;
    size_t done = 0;
    (void)weir_get(net->weir, sock->handle, WEIR_OPT_FASTOPEN, &room);
    for (size_t i = 0; i < msg->msg_iovlen && room > 0; i++) {
        const struct iovec *iov = &msg->msg_iov[i];
        const size_t want = iov->iov_len < (size_t)room ? iov->iov_len : (size_t)room;
        size_t part = 0;
        if (weir_send(net->weir, sock->handle, iov->iov_base, want, 0, &part, net->now) != WEIR_OK)
            break;
        done += part;
        room = part < iov->iov_len ? 0 : room - (int64_t)part;
    }
    return done;
}

static long start(struct net *net, struct sock *sock, const struct msghdr *msg, int flags)
{
    const long result = open_connection(net, sock, msg);
    if (result != WOULD_BLOCK)
        return result;
    if (sock->kept[KEPT_FASTOPEN_CONNECT] == 0)
        (void)sock_fast_begin(net, sock);
    net->waiting.done = fill_syn(net, sock, msg);
    net->waiting.connecting = true;
    if (!sock->nonblock && (flags & MSG_DONTWAIT) == 0)
        return WOULD_BLOCK;
    return net->waiting.done > 0 ? (long)net->waiting.done : -EINPROGRESS;
}

bool sock_fast_concerns(const struct net *net, const struct sock *sock, int flags)
{
    return sock->kind == SOCK_TCP &&
           ((flags & MSG_FASTOPEN) != 0 || sock->deferred || net->waiting.connecting);
}

long sock_send_fast(struct net *net, struct sock *sock, const struct msghdr *msg, int flags)
{
    if (net->waiting.connecting) { /* begun before */
        const long result = sock_connected(net, sock, false);
        if (result != 0)
            return result;
        net->waiting.connecting = false;
        return sock_send(net, sock, msg, flags & ~MSG_FASTOPEN);
    }
    if ((flags & MSG_FASTOPEN) != 0 && (!client_enabled(net) || is_unspec(msg)))
        return -EOPNOTSUPP;
    if (sock->phase == PHASE_CONNECTING && !sock->deferred)
        return -EALREADY;
    if (sock->phase == PHASE_CONNECTED && sock->connect_due) {
        sock->connect_due = false; /* this call is the second half of that connect */
        return sock_send(net, sock, msg, flags & ~MSG_FASTOPEN);
    }
    if (sock->phase == PHASE_CONNECTED || sock->phase == PHASE_LISTENING)
        return -EISCONN;
    return start(net, sock, msg, flags);
}
