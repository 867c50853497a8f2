/* SPDX-License-Identifier: MIT */

/* setsockopt, and what was set where it takes effect. */

#include "sockopt.h"

#include "udp.h"

#include <errno.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/net_tstamp.h>
#include <linux/tcp.h>
#include <net/if.h>
#include <netinet/in.h>
#include <unistd.h>

/* syscall: setsockopt getsockopt */

#define MAXSEG_LEAST  88
#define DEFER_MOST    60
#define CLAMP_LEAST   1152
#define LINGER2_USUAL 60
#define LINGER2_MOST  120
#define PRIORITY_MOST 6    /* of those who rule nothing */
#define ECN_BITS      3    /* of the TOS octet: TCP's own */
#define IPV6_MTU_MIN  1280 /* RFC 8200, 5 */

#define IPV6_HEADER_LEAST 8 /* of an extension header: RFC 8200, 4 */

#define OPTION_UNKNOWN (-1) /* no errno: ask the table */

/* What <linux/net_tstamp.h> knows, and what Linux has added since. */
#define STAMPING_MASK ((1u << 19) - 1)
#define STAMPING_SENT \
    (SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_TX_SCHED | SOF_TIMESTAMPING_TX_ACK | 1u << 18)

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
    if (option->which == KEPT_PRIORITY && (value < 0 || value > PRIORITY_MOST) &&
        !call_capable(call, CAP_NET_RAW) && !call_capable(call, CAP_NET_ADMIN))
        return EPERM;
    if (option->which == KEPT_DEBUG && value != 0 && !call_capable(call, CAP_NET_ADMIN))
        return EACCES;
    if (option->which == KEPT_PORTS && (uint32_t)value >> 16 != 0 &&
        (value & UINT16_MAX) > (int)((uint32_t)value >> 16))
        return EINVAL;
    if (option->which == KEPT_WINDOW_CLAMP && value == 0) { /* to take it back, in time */
        if (socket->state != SOCKET_FRESH)
            return EINVAL;
        socket->kept[KEPT_WINDOW_CLAMP] = 0;
        return 0;
    }
    if (option->how == OPTION_SWITCH)
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
    if (option->how == OPTION_FLAG)
        wanted = value != 0;
    else if (option->how == OPTION_BUFFER)
        wanted = (int64_t)(value < option->least / 2 ? option->least / 2 : value) * 2;
    else if (option->how == OPTION_RATE)
        wanted = value == -1 ? 0 : (uint32_t)value;
    else
        wanted *= option_scale(option->how);
    if (option->how == OPTION_BUFFER && wanted > INT_MAX)
        wanted = INT_MAX;
    const enum weir_option which = (enum weir_option)option->which;
    if (which == WEIR_OPT_MAXSEG && socket->state == SOCKET_CONNECTED)
        return 0; /* that comes too late, on Linux too */
    if (socket->handle != WEIR_NO_HANDLE &&
        weir_set(socket->weird->weir, socket->handle, which, wanted, now) == WEIR_INVALID &&
        option->how != OPTION_BUFFER)
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

/* SO_MAX_PACING_RATE as 64 bits: more than weir counts is no bound that anybody meets. */
static int wide_rate(const struct call *call)
{
    uint64_t rate = UINT64_MAX;
    (void)memory_read(call->pid, call->arg[3], &rate, sizeof rate);
    return rate >= UINT32_MAX ? -1 : (int)(uint32_t)rate;
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

/* By its number; Linux does not look whether there is one. */
static int set_device_index(const struct call *call)
{
    int index;
    if (!memory_read(call->pid, call->arg[3], &index, sizeof index))
        return EFAULT;
    if (index < 0)
        return EINVAL;
    const struct udp_host *udp = call->weird->udp;
    if (index != 0 && (udp == NULL || (unsigned)index != udp->ifindex))
        return ENODEV; /* nothing would ever come from there */
    call->socket->kept[KEPT_DEVICE] = index;
    return 0;
}

/* Which of them recvmsg tells: the last that was set, and none if any is taken back. */
static int set_stamp(const struct call *call)
{
    int value;
    if (!memory_read(call->pid, call->arg[3], &value, sizeof value))
        return EFAULT;
    call->socket->kept[KEPT_STAMP] = value != 0 ? (int)call->arg[2] : 0;
    return 0;
}

/* When octets came is told by recvmsg; when they left, by an error queue that S does not have. */
static int set_stamping(const struct call *call)
{
    struct socket *socket = call->socket;
    unsigned flags;
    if (!memory_read(call->pid, call->arg[3], &flags, sizeof flags))
        return EFAULT;
    if ((flags & ~STAMPING_MASK) != 0)
        return EINVAL;
    if ((flags & SOF_TIMESTAMPING_OPT_ID) != 0 &&
        (socket->state == SOCKET_FRESH || socket->state == SOCKET_LISTENING))
        return EINVAL; /* there is nothing to count from */
    if ((flags & STAMPING_SENT) != 0)
        return ENOPROTOOPT;
    socket->kept[KEPT_STAMPING] = (int)flags;
    socket->kept[KEPT_STAMPING_OPTION] = (int)call->arg[2];
    return 0;
}

/* 0, or errno: what setsockopt was given. An option of IP may be an octet. */
static int read_value(const struct call *call, int *value)
{
    const int len = (int)call->arg[4];
    uint8_t octet = 0;
    *value = 0;
    if (len >= (int)sizeof *value)
        return memory_read(call->pid, call->arg[3], value, sizeof *value) ? 0 : EFAULT;
    if (!option_short((int)call->arg[1], (int)call->arg[2], len))
        return EINVAL;
    if (len > 0 && (int)call->arg[1] == IPPROTO_IP &&
        !memory_read(call->pid, call->arg[3], &octet, sizeof octet))
        return EFAULT;
    *value = octet;
    return 0;
}

static int refusal(const struct call *call, const struct option *option, int value)
{
    if (option->how == OPTION_PRIVILEGED)
        return value != 0 ? EPERM : 0;
    if (value < option->least || value > option->most)
        return EINVAL;
    (void)call;
    return option->how == OPTION_IGNORED || value == option->usual ? 0 : option->which;
}

static int set_by_table(const struct call *call, const struct option *option)
{
    int value;
    if (option->how == OPTION_FIXED || option->how == OPTION_NEVER)
        return (int)call->arg[4] < option->least ? EINVAL : option->which;
    const int bad = read_value(call, &value);
    if (bad != 0)
        return bad;
    if (option->how == OPTION_ONLY || option->how == OPTION_IGNORED ||
        option->how == OPTION_PRIVILEGED)
        return refusal(call, option, value);
    if (option->how == OPTION_NUMBER)
        value = plain_number(option, value);
    if (option->how != OPTION_BUFFER && (value < option->least || value > option->most))
        return EINVAL;
    if (option->how == OPTION_RATE && (int)call->arg[4] >= (int)sizeof(uint64_t))
        value = wide_rate(call);
    if (option->how == OPTION_KEPT || option->how == OPTION_SWITCH)
        return set_kept(call, option, value);
    const int error = set_in_weir(call->socket, option, value, call->now);
    /* Before the connection is there S has no room, or none that counts. */
    if (option->how == OPTION_BUFFER && option->which == WEIR_OPT_SNDBUF &&
        call->socket->state == SOCKET_CONNECTED)
        options_bound_unsent(call->socket, call->s);
    return error;
}

/* There are no such modules. */
static int set_upper_layer(const struct call *call)
{
    char name[16];
    const size_t len = call->arg[4] < sizeof name ? call->arg[4] : sizeof name - 1;
    if ((int)call->arg[4] < 1)
        return EINVAL;
    return memory_read(call->pid, call->arg[3], name, len) ? ENOENT : EFAULT;
}

/* A larger one than the path has would change nothing, a smaller one is not to be had. */
static int set_mtu(const struct call *call)
{
    int value;
    if ((int)call->arg[4] < (int)sizeof value)
        return EINVAL;
    if (!memory_read(call->pid, call->arg[3], &value, sizeof value))
        return EFAULT;
    if (value != 0 && value < IPV6_MTU_MIN)
        return EINVAL;
    return value != 0 ? ENOPROTOOPT : 0;
}

/* Options of IP that are no number: nothing may be set, and that can be. */
static int set_ip_level(const struct call *call)
{
    const int level = (int)call->arg[1], name = (int)call->arg[2], len = (int)call->arg[4];
    if (level == IPPROTO_IP)
        return name == IP_OPTIONS && len == 0 ? 0 : OPTION_UNKNOWN;
    if (call->family != AF_INET6)
        return OPTION_UNKNOWN;
    switch (name) {
    case IPV6_MTU:
        return set_mtu(call);
    case IPV6_ADDRFORM:
        return EINVAL;
    case IPV6_HOPOPTS:
    case IPV6_RTHDRDSTOPTS:
    case IPV6_RTHDR:
    case IPV6_DSTOPTS:
        return len == 0 ? 0 : len < IPV6_HEADER_LEAST ? EINVAL : OPTION_UNKNOWN;
    default:
        return OPTION_UNKNOWN;
    }
}

static int set_socket_level(const struct call *call)
{
    const int name = (int)call->arg[2];
    if (name == SO_BINDTODEVICE)
        return set_device(call);
    if ((int)call->arg[4] < (int)sizeof(int))
        return EINVAL; /* whatever it is */
    switch (name) {
    case SO_LINGER:
        return set_linger(call);
    case SO_BINDTOIFINDEX:
        return set_device_index(call);
    case SO_SNDBUFFORCE:
    case SO_RCVBUFFORCE:
        return call_capable(call, CAP_NET_ADMIN) ? OPTION_UNKNOWN : EPERM;
    case SO_DETACH_FILTER:
        return ENOENT; /* there are none on a stream of weir */
    case SO_TIMESTAMP_OLD:
    case SO_TIMESTAMP_NEW:
    case SO_TIMESTAMPNS_OLD:
    case SO_TIMESTAMPNS_NEW:
        return set_stamp(call);
    case SO_TIMESTAMPING_OLD:
    case SO_TIMESTAMPING_NEW:
        return set_stamping(call);
    default:
        return OPTION_UNKNOWN;
    }
}

static int set_tcp_level(const struct call *call)
{
    switch ((int)call->arg[2]) {
    case TCP_CONGESTION:
        return set_congestion(call);
    case TCP_ULP:
        return set_upper_layer(call);
    case TCP_FASTOPEN_KEY:
        return option_set_fast_key(call);
    case TCP_MD5SIG:
    case TCP_MD5SIG_EXT:
        return option_set_signature(call);
    default:
        return (int)call->arg[4] < (int)sizeof(int) ? EINVAL : OPTION_UNKNOWN;
    }
}

static int set_any(const struct call *call, const struct option *option)
{
    const int level = (int)call->arg[1];
    int error = OPTION_UNKNOWN;
    if (level == SOL_SOCKET)
        error = set_socket_level(call);
    else if (level == IPPROTO_TCP)
        error = set_tcp_level(call);
    else if (level == IPPROTO_IP || level == IPPROTO_IPV6)
        error = set_ip_level(call);
    if (error != OPTION_UNKNOWN)
        return error;
    return option != NULL ? set_by_table(call, option) : ENOPROTOOPT;
}

void call_setsockopt(struct call *call)
{
    const struct option *option = option_find(call);
    if (option != NULL && option->how == OPTION_NATIVE) {
        if (call->socket != NULL)
            call->socket->passes_on = true;
        call_continue(call);
        return;
    }
    if (call->socket != NULL)
        call_answer(call->run, call->id, -set_any(call, option));
    else /* it is over: there is nothing left to be set, or wrong */
        call_error(call, option != NULL || (int)call->arg[1] == SOL_SOCKET ? 0 : ENOPROTOOPT);
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
    option_keys_apply(socket);
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
