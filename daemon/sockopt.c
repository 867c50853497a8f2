/* SPDX-License-Identifier: MIT */

/* getsockopt and setsockopt. What weir has is asked of weir; what is only remembered is remembered;
 * what belongs to the AF_UNIX socket as much as to a TCP socket (timeouts, SO_RCVLOWAT) the kernel
 * does on S. All else is ENOPROTOOPT. */

#include "parts.h"

#include "ipc/info.h"

#include <errno.h>
#include <limits.h>
#include <linux/tcp.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <unistd.h>

/* syscall: getsockopt */

#ifndef IPV6_MULTICAST_ALL
#define IPV6_MULTICAST_ALL 29 /* as udp_group.c has it */
#endif

enum how {
    FLAG,    /* 0 or 1 of weir's */
    NUMBER,  /* a number of weir's */
    SECONDS, /* ns there, seconds here */
    MILLIS,  /* ns there, milliseconds here */
    BUFFER,  /* octets; the kernel's are twice what was asked for */
    RATE,    /* octets a second, unsigned; all ones there are 0, no bound, in weir */
    KEPT,    /* remembered: it says nothing to a stream, on Linux either, or is heeded elsewhere */
    SWITCH,  /* the same, 0 or 1 */
    FIXED,   /* always the usual; to set it is the error `which` */
    NATIVE,  /* the kernel's, on S */
};

struct option {
    int level, name;
    enum how how;
    int which; /* enum weir_option, or enum kept_option */
    int least, most;
    int usual; /* before anything was set */
};

#define SNDBUF_LEAST  4608
#define RCVBUF_LEAST  2304
#define MAXSEG_LEAST  88
#define DEFER_MOST    60
#define CLAMP_LEAST   1152
#define LINGER2_USUAL 60
#define LINGER2_MOST  120
#define ECN_BITS      3 /* of the TOS octet: TCP's own */

static const struct option options[] = {
    { SOL_SOCKET, SO_REUSEADDR, SWITCH, KEPT_REUSEADDR, INT_MIN, INT_MAX, 0 },
    { SOL_SOCKET, SO_REUSEPORT, SWITCH, KEPT_REUSEPORT, INT_MIN, INT_MAX, 0 },
    { SOL_SOCKET, SO_DONTROUTE, SWITCH, KEPT_DONTROUTE, INT_MIN, INT_MAX, 0 },
    { SOL_SOCKET, SO_BROADCAST, SWITCH, KEPT_BROADCAST, INT_MIN, INT_MAX, 0 },
    { SOL_SOCKET, SO_NO_CHECK, SWITCH, KEPT_NO_CHECK, INT_MIN, INT_MAX, 0 },
    { SOL_SOCKET, SO_DEBUG, SWITCH, KEPT_DEBUG, INT_MIN, INT_MAX, 0 },
    { SOL_SOCKET, SO_PRIORITY, KEPT, KEPT_PRIORITY, INT_MIN, INT_MAX, 0 },
    { SOL_SOCKET, SO_KEEPALIVE, FLAG, WEIR_OPT_KEEPALIVE, INT_MIN, INT_MAX, 0 },
    { SOL_SOCKET, SO_OOBINLINE, NATIVE, 0, 0, 0, 0 },
    { SOL_SOCKET, SO_SNDBUF, BUFFER, WEIR_OPT_SNDBUF, SNDBUF_LEAST, INT_MAX, 16384 },
    { SOL_SOCKET, SO_RCVBUF, BUFFER, WEIR_OPT_RCVBUF, RCVBUF_LEAST, INT_MAX, 131072 },
    { SOL_SOCKET, SO_MAX_PACING_RATE, RATE, WEIR_OPT_MAX_PACING_RATE, INT_MIN, INT_MAX, -1 },
    { SOL_SOCKET, SO_RCVTIMEO_OLD, NATIVE, 0, 0, 0, 0 },
    { SOL_SOCKET, SO_SNDTIMEO_OLD, NATIVE, 0, 0, 0, 0 },
    { SOL_SOCKET, SO_RCVTIMEO_NEW, NATIVE, 0, 0, 0, 0 },
    { SOL_SOCKET, SO_SNDTIMEO_NEW, NATIVE, 0, 0, 0, 0 },
    { SOL_SOCKET, SO_RCVLOWAT, NATIVE, 0, 0, 0, 0 },
    { SOL_SOCKET, SO_SNDLOWAT, NATIVE, 0, 0, 0, 0 },
    { SOL_SOCKET, SO_COOKIE, NATIVE, 0, 0, 0, 0 },
    { IPPROTO_TCP, TCP_NODELAY, FLAG, WEIR_OPT_NODELAY, INT_MIN, INT_MAX, 0 },
    { IPPROTO_TCP, TCP_CORK, FLAG, WEIR_OPT_CORK, INT_MIN, INT_MAX, 0 },
    { IPPROTO_TCP, TCP_QUICKACK, FLAG, WEIR_OPT_QUICKACK, INT_MIN, INT_MAX, 1 },
    { IPPROTO_TCP, TCP_MAXSEG, NUMBER, WEIR_OPT_MAXSEG, 0, 32767, 536 },
    { IPPROTO_TCP, TCP_KEEPIDLE, SECONDS, WEIR_OPT_KEEPIDLE, 1, 32767, 7200 },
    { IPPROTO_TCP, TCP_KEEPINTVL, SECONDS, WEIR_OPT_KEEPINTVL, 1, 32767, 75 },
    { IPPROTO_TCP, TCP_KEEPCNT, NUMBER, WEIR_OPT_KEEPCNT, 1, 127, 9 },
    { IPPROTO_TCP, TCP_SYNCNT, NUMBER, WEIR_OPT_SYNCNT, 1, 127, 6 },
    { IPPROTO_TCP, TCP_THIN_LINEAR_TIMEOUTS, FLAG, WEIR_OPT_THIN_LINEAR, 0, 1, 0 },
    { IPPROTO_TCP, TCP_USER_TIMEOUT, MILLIS, WEIR_OPT_USER_TIMEOUT, 0, INT_MAX, 0 },
    { IPPROTO_TCP, TCP_DEFER_ACCEPT, KEPT, KEPT_DEFER_ACCEPT, INT_MIN, INT_MAX, 0 },
    { IPPROTO_TCP, TCP_LINGER2, KEPT, KEPT_LINGER2, INT_MIN, INT_MAX, LINGER2_USUAL },
    { IPPROTO_TCP, TCP_NOTSENT_LOWAT, KEPT, KEPT_NOTSENT_LOWAT, INT_MIN, INT_MAX, 0 },
    { IPPROTO_TCP, TCP_FASTOPEN, KEPT, KEPT_FASTOPEN, 0, INT_MAX, 0 },
    { IPPROTO_TCP, TCP_FASTOPEN_CONNECT, KEPT, KEPT_FASTOPEN_CONNECT, 0, 1, 0 },
    { IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, KEPT, KEPT_FASTOPEN_NO_COOKIE, 0, 1, 0 },
    { IPPROTO_TCP, TCP_WINDOW_CLAMP, KEPT, KEPT_WINDOW_CLAMP, INT_MIN, INT_MAX, 0 },
    { IPPROTO_IP, IP_TTL, NUMBER, WEIR_OPT_TTL, 1, 255, 64 },
    { IPPROTO_IP, IP_TOS, NUMBER, WEIR_OPT_TOS, INT_MIN, INT_MAX, 0 },
    { IPPROTO_IP, IP_PKTINFO, SWITCH, KEPT_PKTINFO, INT_MIN, INT_MAX, 0 },
    { IPPROTO_IP, IP_RECVTTL, SWITCH, KEPT_RECVTTL, INT_MIN, INT_MAX, 0 },
    { IPPROTO_IP, IP_RECVTOS, SWITCH, KEPT_RECVTOS, INT_MIN, INT_MAX, 0 },
    { IPPROTO_IP, IP_RETOPTS, SWITCH, KEPT_RETOPTS, INT_MIN, INT_MAX, 0 },
    { IPPROTO_IP, IP_MTU_DISCOVER, KEPT, KEPT_MTU_DISCOVER, 0, 5, 1 },
    { IPPROTO_IP, IP_RECVERR, SWITCH, KEPT_RECVERR, INT_MIN, INT_MAX, 0 },
    { IPPROTO_IP, IP_MULTICAST_TTL, FIXED, EINVAL, 0, 0, 1 },
    { IPPROTO_IP, IP_MULTICAST_LOOP, SWITCH, KEPT_GROUP_LOOP, INT_MIN, INT_MAX, 1 },
    { IPPROTO_IP, IP_MULTICAST_ALL, SWITCH, KEPT_GROUP_ALL, 0, 1, 1 },
    { IPPROTO_IP, IP_FREEBIND, SWITCH, KEPT_FREEBIND, INT_MIN, INT_MAX, 0 },
    { IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, SWITCH, KEPT_NO_PORT, INT_MIN, INT_MAX, 0 },
    { IPPROTO_IPV6, IPV6_V6ONLY, SWITCH, KEPT_V6ONLY, INT_MIN, INT_MAX, 0 },
    { IPPROTO_IPV6, IPV6_UNICAST_HOPS, NUMBER, WEIR_OPT_TTL, 1, 255, 64 },
    { IPPROTO_IPV6, IPV6_TCLASS, NUMBER, WEIR_OPT_TOS, -1, 255, 0 },
    { IPPROTO_IPV6, IPV6_RECVPKTINFO, SWITCH, KEPT_RECVPKTINFO6, INT_MIN, INT_MAX, 0 },
    { IPPROTO_IPV6, IPV6_RECVHOPLIMIT, SWITCH, KEPT_RECVHOPS6, INT_MIN, INT_MAX, 0 },
    { IPPROTO_IPV6, IPV6_RECVTCLASS, SWITCH, KEPT_RECVTCLASS6, INT_MIN, INT_MAX, 0 },
    { IPPROTO_IPV6, IPV6_DONTFRAG, SWITCH, KEPT_DONTFRAG6, INT_MIN, INT_MAX, 0 },
    { IPPROTO_IPV6, IPV6_FREEBIND, SWITCH, KEPT_FREEBIND, INT_MIN, INT_MAX, 0 },
    { IPPROTO_IPV6, IPV6_MTU_DISCOVER, KEPT, KEPT_MTU_DISCOVER6, 0, 5, 1 },
    { IPPROTO_IPV6, IPV6_MULTICAST_HOPS, FIXED, ENOPROTOOPT, 0, 0, 1 },
    { IPPROTO_IPV6, IPV6_MULTICAST_LOOP, SWITCH, KEPT_GROUP_LOOP6, 0, 1, 1 },
    { IPPROTO_IPV6, IPV6_MULTICAST_ALL, SWITCH, KEPT_GROUP_ALL6, INT_MIN, INT_MAX, 1 },
    { IPPROTO_IPV6, IPV6_RECVERR, SWITCH, KEPT_RECVERR6, INT_MIN, INT_MAX, 0 },
};
#define OPTION_COUNT (sizeof options / sizeof options[0])

static const struct option *find(const struct call *call)
{
    for (unsigned i = 0; i < OPTION_COUNT; i++)
        if (options[i].level == (int)call->arg[1] && options[i].name == (int)call->arg[2] &&
            (options[i].level != IPPROTO_IPV6 || call->family == AF_INET6))
            return &options[i];
    return NULL;
}

static int64_t scale_of(enum how how)
{
    return how == SECONDS ? WEIR_SECOND : how == MILLIS ? WEIR_MS : 1;
}

/* ---- get ---- */

/* Gives `len` octets, cut to the program's room as Linux cuts. */
static int give(const struct call *call, const void *value, int len, bool may_be_octet)
{
    int32_t room;
    if (!memory_read(call->pid, call->arg[4], &room, sizeof room))
        return EFAULT;
    if (room < 0)
        return EINVAL;
    int32_t part = room < len ? room : len;
    /* The network layer gives a small number as one octet to those who have room for that only. */
    if (may_be_octet && room > 0 && room < (int32_t)sizeof(int))
        part = 1;
    if (part > 0 && !memory_write(call->pid, call->arg[3], value, (size_t)part))
        return EFAULT;
    return memory_write(call->pid, call->arg[4], &part, sizeof part) ? 0 : EFAULT;
}

static int give_int(const struct call *call, int value)
{
    return give(call, &value, sizeof value,
                (int)call->arg[1] == IPPROTO_IP && value >= 0 && value <= 255);
}

/* What S itself says first: if the program has read the error already, it is no longer pending. */
static int take_error(const struct call *call)
{
    struct socket *socket = call->socket;
    int native = 0;
    socklen_t len = sizeof native;
    (void)getsockopt(call->s, SOL_SOCKET, SO_ERROR, &native, &len);
    if (socket == NULL)
        return native;
    int error = native != 0 && socket->error != 0 ? socket->error : native;
    if (socket->state == SOCKET_CONNECTING)
        error = 0;
    socket->error = 0;
    if (error == 0 && socket->state == SOCKET_CONNECTED && !socket->gave_eof)
        error = weir_errno(WEIR_OK);
    return error;
}

int call_state(const struct call *call)
{
    struct weir_status status;
    if (call->socket == NULL ||
        weir_status(call->weird->weir, call->socket->handle, &status) != WEIR_OK)
        return CALL_CLOSED;
    /* Behind what is still in S the FIN has not left, but the program has said its last. */
    if (call->socket->shut_wr && status.state == WEIR_ESTABLISHED)
        return CALL_FIN_WAIT_1;
    if (call->socket->shut_wr && status.state == WEIR_CLOSE_WAIT)
        return CALL_LAST_ACK;
    return status.state == WEIR_TIME_WAIT ? CALL_CLOSED /* which is nobody's any more */
                                          : info_state(status.state);
}

static int give_info(const struct call *call)
{
    struct linux_tcp_info info = { 0 };
    struct weir_status status;
    if (call->socket != NULL &&
        weir_status(call->weird->weir, call->socket->handle, &status) == WEIR_OK)
        info_fill(&info, &status, call->now);
    info.tcpi_state = (uint8_t)call_state(call);
    return give(call, &info, sizeof info, false);
}

static int get_socket_level(const struct call *call, bool *known)
{
    const struct socket *socket = call->socket;
    *known = true;
    switch ((int)call->arg[2]) {
    case SO_TYPE:
        return give_int(call, SOCK_STREAM);
    case SO_PROTOCOL:
        return give_int(call, IPPROTO_TCP);
    case SO_DOMAIN:
        return give_int(call, call->family);
    case SO_ACCEPTCONN:
        return give_int(call, socket != NULL && socket->state == SOCKET_LISTENING);
    case SO_ERROR:
        return give_int(call, take_error(call));
    case SO_BINDTODEVICE:
        return give(call, "", 0, false);
    case SO_LINGER: {
        struct linger linger = { 0 };
        if (socket != NULL)
            linger = (struct linger){ socket->linger, socket->linger_seconds };
        return give(call, &linger, sizeof linger, false);
    }
    default:
        *known = false;
        return 0;
    }
}

static int give_congestion(const struct call *call)
{
    const struct socket *socket = call->socket;
    char name[16] = "";
    int64_t which = call->weird->congestion; /* the default */
    if (socket != NULL && (socket->option_set >> WEIR_OPT_CONGESTION & 1) != 0)
        which = socket->option[WEIR_OPT_CONGESTION];
    if (socket != NULL && socket->handle != WEIR_NO_HANDLE)
        (void)weir_get(call->weird->weir, socket->handle, WEIR_OPT_CONGESTION, &which);
    const char *text = weir_congestion_name((unsigned)which);
    snprintf(name, sizeof name, "%s", text != NULL ? text : "");
    return give(call, name, sizeof name, false);
}

/* What a socket that says nothing has: some of it is a setting, which may change. */
static int usual(const struct call *call, const struct option *option)
{
    struct weir_config config;
    weir_config_now(call->weird->weir, &config);
    if (option->how == FIXED)
        return option->usual;
    if (option->how == KEPT)
        return option->which == KEPT_LINGER2 ? (int)(config.fin_timeout / WEIR_SECOND)
                                             : option->usual;
    switch ((enum weir_option)option->which) {
    case WEIR_OPT_KEEPIDLE:
        return (int)(config.keepalive_idle / WEIR_SECOND);
    case WEIR_OPT_KEEPINTVL:
        return (int)(config.keepalive_interval / WEIR_SECOND);
    case WEIR_OPT_KEEPCNT:
        return config.keepalive_probes;
    case WEIR_OPT_SYNCNT:
        return config.syn_retries;
    default:
        return option->usual;
    }
}

static int get_by_table(const struct call *call, const struct option *option)
{
    const struct socket *socket = call->socket;
    int64_t value = option->how == SWITCH ? 0 : usual(call, option);
    if (socket == NULL || option->how == FIXED)
        return give_int(call, (int)value);
    if (option->how == KEPT && option->which == KEPT_LINGER2 &&
        (socket->option_set >> WEIR_OPT_LINGER2 & 1) == 0)
        return give_int(call, (int)value);
    if (option->how == KEPT || option->how == SWITCH)
        return give_int(call, socket->kept[option->which]);
    const enum weir_option which = (enum weir_option)option->which;
    int64_t got;
    if ((socket->option_set >> which & 1) != 0)
        value = socket->option[which] / scale_of(option->how);
    else if (option->how != BUFFER && which != WEIR_OPT_QUICKACK &&
             socket->handle != WEIR_NO_HANDLE &&
             weir_get(call->weird->weir, socket->handle, which, &got) == WEIR_OK)
        value = got / scale_of(option->how);
    else if (which == WEIR_OPT_SNDBUF && socket->state == SOCKET_CONNECTED)
        value = 2 * S_SNDBUF; /* more than one that has nobody to write to, as on Linux */
    if (which == WEIR_OPT_MAXSEG && value == 0)
        value = option->usual; /* 0 takes it back */
    if (option->how == RATE && value == 0)
        value = -1;
    return give_int(call, (int)value);
}

/* Each family has its own word for what belongs to another. */
static int unknown(const struct call *call)
{
    const int level = (int)call->arg[1];
    return level == SOL_SOCKET || level == IPPROTO_TCP || level == IPPROTO_IP ||
                   call->family == AF_INET6
               ? ENOPROTOOPT
               : EOPNOTSUPP;
}

static int give_mtu(const struct call *call)
{
    if (call->socket == NULL || call->socket->state != SOCKET_CONNECTED)
        return ENOTCONN;
    return give_int(call, call->weird->dev->mtu);
}

/* There is one interface, so that being bound to it changes nothing. */
static int set_device(const struct call *call)
{
    char name[IFNAMSIZ] = "";
    const size_t len = call->arg[4] < sizeof name ? call->arg[4] : sizeof name - 1;
    if ((int)call->arg[4] < 0)
        return EINVAL;
    if (!memory_read(call->pid, call->arg[3], name, len))
        return EFAULT;
    if (name[0] == '\0' || strcmp(name, call->weird->dev->name) == 0)
        return 0; /* all that there is */
    return ENODEV;
}

void call_getsockopt(struct call *call)
{
    const int level = (int)call->arg[1], name = (int)call->arg[2];
    bool known = false;
    int error = ENOPROTOOPT;
    if (level == SOL_SOCKET)
        error = get_socket_level(call, &known);
    else if (level == IPPROTO_TCP && name == TCP_INFO)
        known = true, error = give_info(call);
    else if (level == IPPROTO_TCP && name == TCP_CONGESTION)
        known = true, error = give_congestion(call);
    else if ((level == IPPROTO_IP && name == IP_MTU) ||
             (level == IPPROTO_IPV6 && name == IPV6_MTU && call->family == AF_INET6))
        known = true, error = give_mtu(call);
    else if (level == IPPROTO_IP && name == IP_OPTIONS) /* none; sshd insists on hearing that */
        known = true, error = give(call, "", 0, false);
    const struct option *option = known ? NULL : find(call);
    if (option != NULL && option->how == NATIVE) {
        call_continue(call);
        return;
    }
    if (option != NULL)
        error = get_by_table(call, option);
    else if (!known)
        error = unknown(call);
    call_answer(call->run, call->id, -error);
}

/* ---- set ---- */

/* TCP takes from S what it has room for; so what waits there is what is not sent. */
void options_bound_unsent(const struct socket *socket, int s)
{
    const bool given = (socket->option_set >> WEIR_OPT_SNDBUF & 1) != 0;
    const int lowat = socket->kept[KEPT_NOTSENT_LOWAT];
    int64_t room = given ? socket->option[WEIR_OPT_SNDBUF] / 2 : S_SNDBUF;
    room = lowat > 0 && lowat < room ? lowat : room;
    const int size = room < S_SNDBUF ? (int)room : S_SNDBUF;
    (void)setsockopt(s, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
}

/* Seconds, rounded up to where a SYN-ACK would be sent again, as Linux counts them. */
static int defer_accept(const struct call *call, int value)
{
    int seconds = 0;
    for (int wait = 1; seconds < value && seconds < DEFER_MOST; wait *= 2)
        seconds += wait;
    if (call->socket->handle != WEIR_NO_HANDLE)
        (void)weir_set(call->weird->weir, call->socket->handle, WEIR_OPT_DEFER_ACCEPT,
                       seconds * WEIR_SECOND, call->now);
    return seconds;
}

/* How long the peer may take for its own end when the program has closed; below 0, no time. */
static int set_linger2(const struct call *call, int value)
{
    struct socket *socket = call->socket;
    if (value == 0)
        value = LINGER2_USUAL;
    else if (value > LINGER2_MOST)
        value = LINGER2_MOST;
    else if (value < 0)
        value = -1;
    socket->option[WEIR_OPT_LINGER2] = value < 0 ? -1 : value * WEIR_SECOND;
    socket->option_set |= UINT64_C(1) << WEIR_OPT_LINGER2;
    if (socket->handle != WEIR_NO_HANDLE)
        (void)weir_set(socket->weird->weir, socket->handle, WEIR_OPT_LINGER2,
                       socket->option[WEIR_OPT_LINGER2], call->now);
    return value;
}

/* The window is never wider than that. */
static int bound_window(const struct call *call, int value)
{
    struct socket *socket = call->socket;
    const uint32_t clamp = value < CLAMP_LEAST ? CLAMP_LEAST : (uint32_t)value;
    if (socket->handle != WEIR_NO_HANDLE)
        (void)weir_set(socket->weird->weir, socket->handle, WEIR_OPT_RCVBUF, clamp, call->now);
    return (int)clamp;
}

/* As Linux: on a listener, or what may become one. */
static int set_fastopen(const struct call *call, int which, int value)
{
    struct socket *socket = call->socket;
    const enum weir_option option =
        which == KEPT_FASTOPEN ? WEIR_OPT_FASTOPEN : WEIR_OPT_FASTOPEN_NO_COOKIE;
    if (socket->state != SOCKET_FRESH && socket->state != SOCKET_LISTENING)
        return EINVAL;
    socket->kept[which] = value;
    if (socket->state == SOCKET_LISTENING)
        (void)weir_set(call->weird->weir, socket->handle, option, value, call->now);
    return 0;
}

static int set_fastopen_connect(const struct call *call, int value)
{
    struct weir_config config;
    weir_config_now(call->weird->weir, &config);
    if ((config.fastopen & WEIR_FASTOPEN_CLIENT) == 0)
        return EOPNOTSUPP;
    if (call->socket->state != SOCKET_FRESH)
        return EINVAL;
    call->socket->kept[KEPT_FASTOPEN_CONNECT] = value;
    return 0;
}

static int set_kept(const struct call *call, const struct option *option, int value)
{
    struct socket *socket = call->socket;
    if (option->which == KEPT_FASTOPEN || option->which == KEPT_FASTOPEN_NO_COOKIE)
        return set_fastopen(call, option->which, value);
    if (option->which == KEPT_FASTOPEN_CONNECT)
        return set_fastopen_connect(call, value);
    if (option->which == KEPT_V6ONLY && socket->bound)
        return EINVAL;
    if (option->which == KEPT_WINDOW_CLAMP && value == 0) { /* to take it back, in time */
        if (socket->state != SOCKET_FRESH)
            return EINVAL;
        socket->kept[KEPT_WINDOW_CLAMP] = 0;
        return 0;
    }
    if (option->how == SWITCH)
        value = value != 0;
    else if (option->which == KEPT_DEFER_ACCEPT)
        value = defer_accept(call, value);
    else if (option->which == KEPT_LINGER2)
        value = set_linger2(call, value);
    else if (option->which == KEPT_WINDOW_CLAMP)
        value = bound_window(call, value);
    socket->kept[option->which] = value;
    if (option->which == KEPT_NOTSENT_LOWAT && socket->state == SOCKET_CONNECTED)
        options_bound_unsent(socket, call->s);
    return 0;
}

static int set_in_weir(struct socket *socket, const struct option *option, int value, weir_time now)
{
    int64_t wanted = value;
    if (option->how == FLAG)
        wanted = value != 0;
    else if (option->how == BUFFER)
        wanted = (int64_t)(value < option->least / 2 ? option->least / 2 : value) * 2;
    else if (option->how == RATE)
        wanted = value == -1 ? 0 : (uint32_t)value;
    else
        wanted *= scale_of(option->how);
    if (option->how == BUFFER && wanted > INT_MAX)
        wanted = INT_MAX;
    const enum weir_option which = (enum weir_option)option->which;
    if (which == WEIR_OPT_MAXSEG && socket->state == SOCKET_CONNECTED)
        return 0; /* that comes too late, on Linux too */
    if (socket->handle != WEIR_NO_HANDLE &&
        weir_set(socket->weird->weir, socket->handle, which, wanted, now) == WEIR_INVALID &&
        option->how != BUFFER)
        return EINVAL;
    socket->option[which] = wanted;
    socket->option_set |= UINT64_C(1) << which;
    return 0;
}

static int set_linger(const struct call *call)
{
    struct linger linger;
    if ((int)call->arg[4] < (int)sizeof linger)
        return EINVAL;
    if (!memory_read(call->pid, call->arg[3], &linger, sizeof linger))
        return EFAULT;
    call->socket->linger = linger.l_onoff != 0;
    if (call->socket->linger)
        call->socket->linger_seconds = linger.l_linger;
    return 0;
}

static int set_congestion(const struct call *call)
{
    char name[16] = "";
    const size_t len = call->arg[4] < sizeof name ? call->arg[4] : sizeof name - 1;
    if (len == 0 || (int)call->arg[4] < 0)
        return EINVAL;
    if (!memory_read(call->pid, call->arg[3], name, len))
        return EFAULT;
    enum weir_congestion which;
    struct socket *socket = call->socket;
    if (!weir_congestion_find(name, &which))
        return ENOENT;
    if (socket->handle != WEIR_NO_HANDLE &&
        weir_set(call->weird->weir, socket->handle, WEIR_OPT_CONGESTION, which, call->now) ==
            WEIR_NO_MEMORY)
        return ENOMEM;
    socket->option[WEIR_OPT_CONGESTION] = which;
    socket->option_set |= UINT64_C(1) << WEIR_OPT_CONGESTION;
    return 0;
}

/* What Linux makes of a value before it looks at its bounds. */
static int plain_number(const struct option *option, int value)
{
    if (option->which == WEIR_OPT_TTL && value == -1)
        return option->usual;
    if (option->which == WEIR_OPT_TOS && option->level == IPPROTO_IPV6 && value == -1)
        return 0;
    if (option->which == WEIR_OPT_TOS && (option->level == IPPROTO_IP || value <= UINT8_MAX))
        return value & UINT8_MAX & ~ECN_BITS;
    if (option->which == WEIR_OPT_MAXSEG && value > 0 && value < MAXSEG_LEAST)
        return -1;
    return value;
}

static int set_by_table(const struct call *call, const struct option *option)
{
    int value = 0;
    const int len = (int)call->arg[4];
    uint8_t octet;
    if (len >= (int)sizeof value) {
        if (!memory_read(call->pid, call->arg[3], &value, sizeof value))
            return EFAULT;
    } else if (option->level == IPPROTO_IP && len >= 1) {
        if (!memory_read(call->pid, call->arg[3], &octet, sizeof octet))
            return EFAULT;
        value = octet;
    } else {
        return EINVAL;
    }
    if (option->how == FIXED)
        return option->which;
    if (option->how == NUMBER)
        value = plain_number(option, value);
    if (option->how != BUFFER && (value < option->least || value > option->most))
        return EINVAL;
    if (option->how == KEPT || option->how == SWITCH)
        return set_kept(call, option, value);
    const int error = set_in_weir(call->socket, option, value, call->now);
    /* Before the connection is there S has no room, or none that counts. */
    if (option->name == SO_SNDBUF && option->how == BUFFER &&
        call->socket->state == SOCKET_CONNECTED)
        options_bound_unsent(call->socket, call->s);
    return error;
}

void call_setsockopt(struct call *call)
{
    const int level = (int)call->arg[1], name = (int)call->arg[2];
    const struct option *option = find(call);
    int error;
    if (option != NULL && option->how == NATIVE && name != SO_COOKIE) {
        if (call->socket != NULL)
            call->socket->passes_on = true;
        call_continue(call);
        return;
    }
    if (call->socket == NULL) /* it is over: there is nothing left to be set, or wrong */
        error = option != NULL || (level == SOL_SOCKET && name == SO_LINGER) ? 0 : ENOPROTOOPT;
    else if (level == SOL_SOCKET && name == SO_LINGER)
        error = set_linger(call);
    else if (level == SOL_SOCKET && name == SO_BINDTODEVICE)
        error = set_device(call);
    else if (level == SOL_SOCKET && name == SO_DETACH_FILTER)
        error = ENOENT; /* there are none on a stream of weir */
    else if (level == IPPROTO_TCP && name == TCP_CONGESTION)
        error = set_congestion(call);
    else if (option != NULL && option->how != NATIVE)
        error = set_by_table(call, option);
    else
        error = ENOPROTOOPT;
    call_answer(call->run, call->id, -error);
}

void options_pass_on(int from, int to)
{
    static const int names[] = { SO_RCVTIMEO, SO_SNDTIMEO, SO_OOBINLINE, SO_RCVLOWAT };
    struct timeval value; /* the longest of them */
    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++) {
        socklen_t len = sizeof value;
        if (getsockopt(from, SOL_SOCKET, names[i], &value, &len) == 0)
            (void)setsockopt(to, SOL_SOCKET, names[i], &value, len);
    }
}

void options_apply(struct socket *socket, weir_time now)
{
    for (unsigned i = 0; i < WEIR_OPT_COUNT; i++)
        if ((socket->option_set >> i & 1) != 0)
            (void)weir_set(socket->weird->weir, socket->handle, (enum weir_option)i,
                           socket->option[i], now);
    if (socket->kept[KEPT_DEFER_ACCEPT] != 0 && socket->state == SOCKET_LISTENING)
        (void)weir_set(socket->weird->weir, socket->handle, WEIR_OPT_DEFER_ACCEPT,
                       socket->kept[KEPT_DEFER_ACCEPT] * WEIR_SECOND, now);
    if (socket->kept[KEPT_FASTOPEN] != 0 && socket->state == SOCKET_LISTENING)
        (void)weir_set(socket->weird->weir, socket->handle, WEIR_OPT_FASTOPEN,
                       socket->kept[KEPT_FASTOPEN], now);
    if (socket->kept[KEPT_FASTOPEN_NO_COOKIE] != 0 && socket->state == SOCKET_LISTENING)
        (void)weir_set(socket->weird->weir, socket->handle, WEIR_OPT_FASTOPEN_NO_COOKIE, 1, now);
    if (socket->kept[KEPT_WINDOW_CLAMP] != 0)
        (void)weir_set(socket->weird->weir, socket->handle, WEIR_OPT_RCVBUF,
                       (uint32_t)socket->kept[KEPT_WINDOW_CLAMP], now);
}
