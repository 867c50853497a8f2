/* SPDX-License-Identifier: MIT */
#include "sock.h"

#include "ipc/info.h"

#include <errno.h>
#include <limits.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

enum how {
    FLAG,    /* 0 or 1 of weir's */
    NUMBER,  /* a number of weir's */
    SECONDS, /* ns there, seconds here */
    MILLIS,  /* ns there, milliseconds here */
    BUFFER,  /* octets; Linux shows twice what was asked for */
    KEPT,    /* remembered */
};

struct row {
    int level, name;
    enum how how;
    int which; /* enum weir_option, or enum kept_option */
    int least, most, usual;
};

static const struct row rows[] = {
    { SOL_SOCKET, SO_REUSEADDR, KEPT, KEPT_REUSEADDR, INT_MIN, INT_MAX, 0 },
    { SOL_SOCKET, SO_REUSEPORT, KEPT, KEPT_REUSEPORT, INT_MIN, INT_MAX, 0 },
    { SOL_SOCKET, SO_PRIORITY, KEPT, KEPT_PRIORITY, INT_MIN, INT_MAX, 0 },
    { SOL_SOCKET, SO_MARK, KEPT, KEPT_MARK, INT_MIN, INT_MAX, 0 },
    { SOL_SOCKET, SO_ZEROCOPY, KEPT, KEPT_ZEROCOPY, 0, 1, 0 },
    { SOL_SOCKET, SO_TIMESTAMPING, KEPT, KEPT_STAMPING, INT_MIN, INT_MAX, 0 },
    { SOL_SOCKET, SO_RCVLOWAT, KEPT, KEPT_RCVLOWAT, INT_MIN, INT_MAX, 1 },
    { SOL_SOCKET, SO_KEEPALIVE, FLAG, WEIR_OPT_KEEPALIVE, INT_MIN, INT_MAX, 0 },
    { SOL_SOCKET, SO_OOBINLINE, FLAG, WEIR_OPT_OOBINLINE, INT_MIN, INT_MAX, 0 },
    { SOL_SOCKET, SO_BROADCAST, FLAG, WEIR_OPT_BROADCAST, INT_MIN, INT_MAX, 0 },
    { SOL_SOCKET, SO_SNDBUF, BUFFER, WEIR_OPT_SNDBUF, 2304, INT_MAX / 2, 16384 },
    { SOL_SOCKET, SO_RCVBUF, BUFFER, WEIR_OPT_RCVBUF, 1152, INT_MAX / 2, 131072 },
    { SOL_SOCKET, SO_SNDBUFFORCE, BUFFER, WEIR_OPT_SNDBUF, 2304, INT_MAX / 2, 16384 },
    { SOL_SOCKET, SO_RCVBUFFORCE, BUFFER, WEIR_OPT_RCVBUF, 1152, INT_MAX / 2, 131072 },
    { IPPROTO_TCP, TCP_NODELAY, FLAG, WEIR_OPT_NODELAY, INT_MIN, INT_MAX, 0 },
    { IPPROTO_TCP, TCP_CORK, FLAG, WEIR_OPT_CORK, INT_MIN, INT_MAX, 0 },
    { IPPROTO_TCP, TCP_QUICKACK, FLAG, WEIR_OPT_QUICKACK, INT_MIN, INT_MAX, 1 },
    { IPPROTO_TCP, TCP_MAXSEG, NUMBER, WEIR_OPT_MAXSEG, 88, 32767, 536 },
    { IPPROTO_TCP, TCP_KEEPIDLE, SECONDS, WEIR_OPT_KEEPIDLE, 1, 32767, 7200 },
    { IPPROTO_TCP, TCP_KEEPINTVL, SECONDS, WEIR_OPT_KEEPINTVL, 1, 32767, 75 },
    { IPPROTO_TCP, TCP_KEEPCNT, NUMBER, WEIR_OPT_KEEPCNT, 1, 127, 9 },
    { IPPROTO_TCP, TCP_SYNCNT, NUMBER, WEIR_OPT_SYNCNT, 1, 127, 6 },
    { IPPROTO_TCP, TCP_USER_TIMEOUT, MILLIS, WEIR_OPT_USER_TIMEOUT, 0, INT_MAX, 0 },
    { IPPROTO_TCP, TCP_NOTSENT_LOWAT, NUMBER, WEIR_OPT_NOTSENT_LOWAT, INT_MIN, INT_MAX, 0 },
    { IPPROTO_TCP, TCP_FASTOPEN, NUMBER, WEIR_OPT_FASTOPEN, 0, INT_MAX, 0 },
    { IPPROTO_TCP, TCP_INQ, KEPT, KEPT_INQ, 0, 1, 0 },
    { IPPROTO_TCP, TCP_FASTOPEN_CONNECT, KEPT, KEPT_FASTOPEN_CONNECT, 0, 1, 0 },
    { IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, KEPT, KEPT_FASTOPEN_NO_COOKIE, 0, 1, 0 },
    { IPPROTO_TCP, TCP_LINGER2, KEPT, KEPT_LINGER2, INT_MIN, INT_MAX, 60 },
    { IPPROTO_TCP, TCP_DEFER_ACCEPT, KEPT, KEPT_DEFER_ACCEPT, INT_MIN, INT_MAX, 0 },
    { IPPROTO_IP, IP_TTL, NUMBER, WEIR_OPT_TTL, 1, 255, 64 },
    { IPPROTO_IP, IP_TOS, NUMBER, WEIR_OPT_TOS, 0, 255, 0 },
    { IPPROTO_IP, IP_MTU_DISCOVER, KEPT, KEPT_MTU_DISCOVER, 0, 5, 1 },
    { IPPROTO_IP, IP_FREEBIND, KEPT, KEPT_FREEBIND, INT_MIN, INT_MAX, 0 },
    { IPPROTO_IP, IP_RECVERR, KEPT, KEPT_RECVERR, INT_MIN, INT_MAX, 0 },
    { IPPROTO_IPV6, IPV6_V6ONLY, KEPT, KEPT_V6ONLY, INT_MIN, INT_MAX, 0 },
    { IPPROTO_IPV6, IPV6_UNICAST_HOPS, NUMBER, WEIR_OPT_TTL, 1, 255, 64 },
    { IPPROTO_IPV6, IPV6_TCLASS, NUMBER, WEIR_OPT_TOS, 0, 255, 0 },
    { IPPROTO_IPV6, IPV6_MTU_DISCOVER, KEPT, KEPT_MTU_DISCOVER, 0, 5, 1 },
    { IPPROTO_IPV6, IPV6_RECVERR, KEPT, KEPT_RECVERR, INT_MIN, INT_MAX, 0 },
};
#define CONGESTION_NAME 16 /* TCP_CA_NAME_MAX, which the C library does not have */
#define ROWS            (sizeof rows / sizeof rows[0])

static const struct row *find(int level, int name)
{
    for (unsigned i = 0; i < ROWS; i++)
        if (rows[i].level == level && rows[i].name == name)
            return &rows[i];
    return NULL;
}

static int64_t unit_of(enum how how)
{
    return how == SECONDS ? WEIR_SECOND : how == MILLIS ? WEIR_MS : 1;
}

void sock_apply_options(struct net *net, struct sock *sock)
{
    const bool listens = sock->phase == PHASE_LISTENING;
    for (unsigned i = 0; i < WEIR_OPT_COUNT; i++)
        if ((sock->option_set >> i & 1) != 0 && (i != WEIR_OPT_FASTOPEN || listens))
            (void)weir_set(net->weir, sock->handle, (enum weir_option)i, sock->option[i], net->now);
    if (listens && sock->kept[KEPT_FASTOPEN_NO_COOKIE] != 0)
        (void)weir_set(net->weir, sock->handle, WEIR_OPT_FASTOPEN_NO_COOKIE, 1, net->now);
}

/* ---- get ---- */

static long give(const struct call *call, const void *value, size_t size)
{
    socklen_t *len = (socklen_t *)call->arg[4];
    const socklen_t part = *len < size ? *len : (socklen_t)size;
    memcpy((void *)call->arg[3], value, part);
    *len = part;
    return 0;
}

static long give_int(const struct call *call, int value)
{
    return give(call, &value, sizeof value);
}

static long give_info(struct net *net, const struct sock *sock, const struct call *call)
{
    struct linux_tcp_info info = { 0 };
    struct weir_status status;
    info.tcpi_state = info_state(WEIR_CLOSED);
    if (sock->handle != WEIR_NO_HANDLE && weir_status(net->weir, sock->handle, &status) == WEIR_OK)
        info_fill(&info, &status, net->now);
    /* A connection in TIME-WAIT has left its socket behind, which is closed. */
    if (info.tcpi_state == info_state(WEIR_TIME_WAIT))
        info.tcpi_state = info_state(WEIR_CLOSED);
    const int64_t given =
        (sock->option_set >> WEIR_OPT_MAXSEG & 1) != 0 ? sock->option[WEIR_OPT_MAXSEG] : 0;
    if (given != 0)
        info.tcpi_advmss = (uint32_t)given;
    return give(call, &info, sizeof info);
}

static int take_error(struct net *net, struct sock *sock)
{
    if (sock->handle == WEIR_NO_HANDLE)
        return 0;
    const int error = (int)-errno_result(weir_error_take(net->weir, sock->handle));
    if (sock->phase == PHASE_CONNECTING &&
        (weir_ready_now(net->weir, sock->handle) & WEIR_CONNECTED) != 0)
        sock->phase = PHASE_CONNECTED;
    else if (sock->phase == PHASE_CONNECTING && error != 0)
        sock->phase = PHASE_FAILED;
    return error;
}

static long get_socket_level(struct net *net, struct sock *sock, const struct call *call)
{
    const weir_time wait = call->arg[2] == SO_RCVTIMEO_OLD ? sock->rcv_timeout : sock->snd_timeout;
    const struct timeval time = { wait / WEIR_SECOND, wait % WEIR_SECOND / WEIR_US };
    switch (call->arg[2]) {
    case SO_TYPE:
        return give_int(call, sock->kind == SOCK_TCP ? SOCK_STREAM : SOCK_DGRAM);
    case SO_PROTOCOL:
        return give_int(call, sock->kind == SOCK_TCP ? IPPROTO_TCP : IPPROTO_UDP);
    case SO_DOMAIN:
        return give_int(call, sock->family);
    case SO_ACCEPTCONN:
        return give_int(call, sock->phase == PHASE_LISTENING);
    case SO_ERROR:
        return give_int(call, take_error(net, sock));
    case SO_LINGER:
        return give(call, &sock->linger, sizeof sock->linger);
    case SO_RCVTIMEO_OLD:
    case SO_SNDTIMEO_OLD:
        return give(call, &time, sizeof time);
    default:
        return -ENOPROTOOPT;
    }
}

static long get_row(struct net *net, const struct sock *sock, const struct row *row,
                    const struct call *call)
{
    int64_t value = 0;
    if (row->how == KEPT)
        return give_int(call, sock->kept[row->which]);
    const enum weir_option which = (enum weir_option)row->which;
    const bool fresh = sock->phase == PHASE_NEW || sock->phase == PHASE_LISTENING;
    if ((sock->option_set >> which & 1) != 0 && (which != WEIR_OPT_MAXSEG || fresh))
        value = sock->option[which];
    else if (sock->handle == WEIR_NO_HANDLE ||
             weir_get(net->weir, sock->handle, which, &value) != WEIR_OK)
        return give_int(call, row->usual);
    return give_int(call, (int)(value / unit_of(row->how)));
}

static long get_congestion(struct net *net, const struct sock *sock, const struct call *call)
{
    char name[CONGESTION_NAME] = "";
    int64_t which = net->congestion;
    if ((sock->option_set >> WEIR_OPT_CONGESTION & 1) != 0)
        which = sock->option[WEIR_OPT_CONGESTION];
    else if (sock->handle != WEIR_NO_HANDLE)
        (void)weir_get(net->weir, sock->handle, WEIR_OPT_CONGESTION, &which);
    snprintf(name, sizeof name, "%s", weir_congestion_name((unsigned)which));
    return give(call, name, sizeof name);
}

long sock_getsockopt(struct net *net, struct sock *sock, const struct call *call)
{
    const int level = (int)call->arg[1], name = (int)call->arg[2];
    if (level == IPPROTO_TCP && name == TCP_INFO)
        return give_info(net, sock, call);
    if (level == IPPROTO_TCP && name == TCP_CONGESTION)
        return get_congestion(net, sock, call);
    if (level == IPPROTO_TCP && name == TCP_CC_INFO)
        return give(call, "", 0);
    const struct row *row = find(level, name);
    if (row != NULL)
        return get_row(net, sock, row, call);
    if (level == SOL_SOCKET)
        return get_socket_level(net, sock, call);
    return level == IPPROTO_TCP || level == IPPROTO_IP || level == IPPROTO_IPV6 ? -ENOPROTOOPT
                                                                                : -EOPNOTSUPP;
}

/* ---- set ---- */

static long set_row(struct net *net, struct sock *sock, const struct row *row, int value)
{
    int64_t wanted = value;
    if (row->how == BUFFER)
        wanted = (int64_t)(value < row->least  ? row->least
                           : value > row->most ? row->most
                                               : value) *
                 2;
    else if (value < row->least || value > row->most)
        return -EINVAL;
    if (row->name == TCP_FASTOPEN_CONNECT || row->name == TCP_FASTOPEN_NO_COOKIE) {
        const long refused = sock_fast_allowed(net, sock, row->name);
        if (refused != 0)
            return refused;
    }
    if (row->how == KEPT) {
        sock->kept[row->which] = value;
        if (sock->phase == PHASE_LISTENING)
            sock_apply_options(net, sock);
        return 0;
    }
    if (row->how == FLAG)
        wanted = value != 0;
    if (row->which == WEIR_OPT_NOTSENT_LOWAT && row->how == NUMBER)
        wanted = (uint32_t)value; /* as Linux takes it */
    wanted *= unit_of(row->how);
    const enum weir_option which = (enum weir_option)row->which;
    if (sock->handle != WEIR_NO_HANDLE) {
        const enum weir_error error = weir_set(net->weir, sock->handle, which, wanted, net->now);
        if (error != WEIR_OK)
            return errno_result(error);
    }
    sock->option[which] = wanted;
    sock->option_set |= UINT64_C(1) << which;
    return 0;
}

static long set_timeout(weir_time *timeout, const struct timeval *time)
{
    if (time->tv_usec < 0 || time->tv_usec >= 1000000)
        return -EDOM;
    *timeout = time->tv_sec * WEIR_SECOND + time->tv_usec * WEIR_US;
    return 0;
}

static long set_congestion(struct net *net, struct sock *sock, const char *text, size_t len)
{
    char name[CONGESTION_NAME];
    enum weir_congestion which;
    snprintf(name, sizeof name, "%.*s", (int)(len < sizeof name ? len : sizeof name), text);
    if (!weir_congestion_find(name, &which))
        return -ENOENT;
    if (sock->handle != WEIR_NO_HANDLE &&
        weir_set(net->weir, sock->handle, WEIR_OPT_CONGESTION, which, net->now) != WEIR_OK)
        return -ENOENT;
    sock->option[WEIR_OPT_CONGESTION] = which;
    sock->option_set |= UINT64_C(1) << WEIR_OPT_CONGESTION;
    return 0;
}

long sock_setsockopt(struct net *net, struct sock *sock, const struct call *call)
{
    const int level = (int)call->arg[1], name = (int)call->arg[2];
    const void *value = (const void *)call->arg[3];
    const size_t len = (size_t)call->arg[4];
    if (level == IPPROTO_TCP && name == TCP_CONGESTION)
        return set_congestion(net, sock, value, len);
    if (level == SOL_SOCKET && name == SO_LINGER) {
        if (len < sizeof sock->linger)
            return -EINVAL;
        memcpy(&sock->linger, value, sizeof sock->linger);
        return 0;
    }
    if (level == SOL_SOCKET && (name == SO_RCVTIMEO_OLD || name == SO_SNDTIMEO_OLD)) {
        if (len < sizeof(struct timeval))
            return -EINVAL;
        return set_timeout(name == SO_RCVTIMEO_OLD ? &sock->rcv_timeout : &sock->snd_timeout,
                           value);
    }
    const struct row *row = find(level, name);
    if (row == NULL)
        return level == SOL_SOCKET || level == IPPROTO_TCP || level == IPPROTO_IP ||
                       level == IPPROTO_IPV6
                   ? -ENOPROTOOPT
                   : -EOPNOTSUPP;
    int number = 0;
    if (level == IPPROTO_IP && len > 0 && len < sizeof number)
        number = *(const uint8_t *)value; /* the network layer takes an octet, too */
    else if (len < sizeof number)
        return -EINVAL;
    else
        memcpy(&number, value, sizeof number);
    return name == SO_TIMESTAMPING && level == SOL_SOCKET ? notice_set_stamping(net, sock, number)
                                                          : set_row(net, sock, row, number);
}
