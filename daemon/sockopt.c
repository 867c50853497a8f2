/* SPDX-License-Identifier: MIT */

/* getsockopt. What weir has is asked of weir; what is only remembered is remembered; what belongs
 * to the AF_UNIX socket as much as to a TCP socket (timeouts, SO_RCVLOWAT) the kernel does on S. */

#include "sockopt.h"

#include "ipc/info.h"

#include <errno.h>
#include <limits.h>
#include <linux/tcp.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>

/* syscall: getsockopt */

/* Newer than the headers that weir is built with. */
#define NEW_SO_PEERPIDFD 77
#define NEW_IP_PROTOCOL  52

#define LO_MTU_V4 65535
#define LO_MTU_V6 65536

#define INFO_HEAD_TIMES 12 /* octets of timestamps in every segment */

#define OPTION_UNKNOWN (-1) /* no errno: ask the table */

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

int option_give(const struct call *call, const void *value, int len)
{
    return give(call, value, len, false);
}

static int give_int(const struct call *call, int value)
{
    const bool octet = (int)call->arg[1] == IPPROTO_IP && (int)call->arg[2] != IP_MULTICAST_IF &&
                       value >= 0 && value <= UINT8_MAX;
    return give(call, &value, sizeof value, octet);
}

/* To those who have room for it, and else as an int. */
static int give_rate(const struct call *call, uint32_t value)
{
    int32_t room;
    const uint64_t wide = value == UINT32_MAX ? UINT64_MAX : value;
    if (!memory_read(call->pid, call->arg[4], &room, sizeof room))
        return EFAULT;
    return room >= (int32_t)sizeof wide ? give(call, &wide, sizeof wide, false)
                                        : give(call, &value, sizeof value, false);
}

/* What S itself says first: if the program has read the error already, it is no longer pending. */
int call_take_error(const struct call *call)
{
    struct socket *socket = call->socket;
    int native = 0;
    socklen_t len = sizeof native;
    (void)getsockopt(call->s, SOL_SOCKET, SO_ERROR, &native, &len);
    if (socket == NULL)
        return native;
    const bool others =
        native != 0 || socket->state == SOCKET_FRESH; /* S had a part in it, or none */
    int error = others && socket->error != 0 ? socket->error : native;
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
    struct weir_status status = { .timestamps = false };
    if (call->socket != NULL &&
        weir_status(call->weird->weir, call->socket->handle, &status) == WEIR_OK)
        info_fill(&info, &status, call->now);
    /* What the peer was told may be less than the path has: TCP_MAXSEG. */
    const uint32_t times = status.timestamps ? INFO_HEAD_TIMES : 0;
    if (call->socket != NULL && (call->socket->option_set >> WEIR_OPT_MAXSEG & 1) != 0 &&
        call->socket->option[WEIR_OPT_MAXSEG] > times &&
        info.tcpi_advmss + times > call->socket->option[WEIR_OPT_MAXSEG])
        info.tcpi_advmss = (uint32_t)call->socket->option[WEIR_OPT_MAXSEG] - times;
    info.tcpi_state = (uint8_t)call_state(call);
    return give(call, &info, sizeof info, false);
}

/* Of two that S would have, a stream has neither. */
static int give_peer_cred(const struct call *call)
{
    static const int nobody[3] = { 0, -1, -1 }; /* struct ucred */
    return give(call, nobody, sizeof nobody, false);
}

static int give_linger(const struct call *call)
{
    struct linger linger = { 0 };
    if (call->socket != NULL)
        linger = (struct linger){ call->socket->linger, call->socket->linger_seconds };
    return give(call, &linger, sizeof linger, false);
}

/* Linux takes SO_TIMESTAMPNS_NEW for SO_TIMESTAMP_NEW as well, when it is asked. */
static bool is_stamp(const struct call *call)
{
    const int name = (int)call->arg[2];
    const int told = call->socket != NULL ? call->socket->kept[KEPT_STAMP] : 0;
    return told == name || (told == SO_TIMESTAMPNS_NEW && name == SO_TIMESTAMP_NEW);
}

static int give_stamping(const struct call *call)
{
    const struct socket *socket = call->socket;
    const bool this_form =
        socket != NULL && socket->kept[KEPT_STAMPING_OPTION] == (int)call->arg[2];
    const int said[2] = { this_form ? socket->kept[KEPT_STAMPING] : 0, 0 };
    return give(call, said, sizeof said, false);
}

static int get_socket_level(const struct call *call)
{
    const struct socket *socket = call->socket;
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
        return give_int(call, call_take_error(call));
    case SO_BINDTODEVICE:
    case SO_GET_FILTER: /* there is none */
        return give(call, "", 0, false);
    case SO_BINDTOIFINDEX:
        return give_int(call, socket != NULL ? socket->kept[KEPT_DEVICE] : 0);
    case SO_LINGER:
        return give_linger(call);
    case SO_PEERCRED:
        return give_peer_cred(call);
    case SO_SNDBUFFORCE: /* to be set only */
    case SO_RCVBUFFORCE:
        return ENOPROTOOPT;
    case SO_PEERGROUPS:
    case NEW_SO_PEERPIDFD:
        return ENODATA;
    case SO_TIMESTAMP_OLD:
    case SO_TIMESTAMP_NEW:
    case SO_TIMESTAMPNS_OLD:
    case SO_TIMESTAMPNS_NEW:
        return give_int(call, is_stamp(call));
    case SO_TIMESTAMPING_OLD:
    case SO_TIMESTAMPING_NEW:
        return give_stamping(call);
    default:
        return OPTION_UNKNOWN;
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

static bool is_usual(enum option_how how)
{
    return how == OPTION_FIXED || how == OPTION_ONLY || how == OPTION_IGNORED ||
           how == OPTION_PRIVILEGED;
}

/* What a socket that says nothing has: some of it is a setting, which may change. */
static int usual(const struct call *call, const struct option *option)
{
    struct weir_config config;
    weir_config_now(call->weird->weir, &config);
    if (is_usual(option->how))
        return option->usual;
    if (option->how == OPTION_KEPT)
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
    if (option->how == OPTION_NEVER)
        return option->usual;
    int64_t value = option->how == OPTION_SWITCH ? 0 : usual(call, option);
    if (socket == NULL || is_usual(option->how))
        return give_int(call, (int)value);
    if (option->how == OPTION_KEPT && option->which == KEPT_LINGER2 &&
        (socket->option_set >> WEIR_OPT_LINGER2 & 1) == 0)
        return give_int(call, (int)value);
    if (option->how == OPTION_KEPT || option->how == OPTION_SWITCH)
        return give_int(call, socket->kept[option->which]);
    const enum weir_option which = (enum weir_option)option->which;
    int64_t got;
    const bool told = which == WEIR_OPT_MAXSEG && socket->state == SOCKET_CONNECTED;
    if ((socket->option_set >> which & 1) != 0 && !told) /* then it is what the path has */
        value = socket->option[which] / option_scale(option->how);
    else if (option->how != OPTION_BUFFER && which != WEIR_OPT_QUICKACK &&
             socket->handle != WEIR_NO_HANDLE &&
             weir_get(call->weird->weir, socket->handle, which, &got) == WEIR_OK)
        value = got / option_scale(option->how);
    else if (which == WEIR_OPT_SNDBUF && socket->state == SOCKET_CONNECTED)
        value = 2 * S_SNDBUF; /* more than one that has nobody to write to, as on Linux */
    if (which == WEIR_OPT_MAXSEG && value == 0)
        value = option->usual; /* 0 takes it back */
    if (option->how == OPTION_RATE)
        return give_rate(call, value == 0 ? UINT32_MAX : (uint32_t)value);
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

static bool is_connected(const struct call *call)
{
    return call->socket != NULL && call->socket->state == SOCKET_CONNECTED;
}

static int give_mtu(const struct call *call)
{
    if (!is_connected(call))
        return ENOTCONN;
    if (!net_is_local(call->weird, &call->socket->remote.ip))
        return give_int(call, call->weird->dev->mtu);
    return give_int(call, call->family == AF_INET ? LO_MTU_V4 : LO_MTU_V6);
}

/* It is what is bound: the port, of a stream. */
static int give_protocol(const struct call *call)
{
    const struct socket *socket = call->socket;
    return give_int(call, socket != NULL && socket->bound ? socket->local.port : 0);
}

/* Of CUBIC and NewReno Linux tells nothing; what it tells of others weir does not. */
static int give_congestion_info(const struct call *call)
{
    struct weir_status status;
    const bool known = call->socket != NULL &&
                       weir_status(call->weird->weir, call->socket->handle, &status) == WEIR_OK;
    const unsigned which = known ? status.congestion : call->weird->congestion;
    if (which != WEIR_CC_CUBIC && which != WEIR_CC_RENO)
        return ENOPROTOOPT;
    return give(call, "", 0, false);
}

static int get_tcp_level(const struct call *call)
{
    switch ((int)call->arg[2]) {
    case TCP_INFO:
        return give_info(call);
    case TCP_CONGESTION:
        return give_congestion(call);
    case TCP_FASTOPEN_KEY:
        return option_get_fast_key(call);
    case TCP_CC_INFO:
        return give_congestion_info(call);
    case TCP_SAVED_SYN: /* none is: TCP_SAVE_SYN is not to be had */
    case TCP_ULP:
        return give(call, "", 0, false);
    default:
        return OPTION_UNKNOWN;
    }
}

static int get_ip_level(const struct call *call)
{
    const int name = (int)call->arg[2];
    if ((int)call->arg[1] == IPPROTO_IP) {
        if (name == IP_MTU)
            return give_mtu(call);
        if (name == IP_OPTIONS || name == IP_PKTOPTIONS) /* none; sshd insists on hearing that */
            return give(call, "", 0, false);
        return name == NEW_IP_PROTOCOL ? give_protocol(call) : OPTION_UNKNOWN;
    }
    if (call->family != AF_INET6)
        return OPTION_UNKNOWN;
    switch (name) {
    case IPV6_MTU:
        return give_mtu(call);
    case IPV6_ADDRFORM:
        return is_connected(call) ? give_int(call, AF_INET6) : ENOTCONN;
    case IPV6_HOPOPTS:
    case IPV6_RTHDRDSTOPTS:
    case IPV6_RTHDR:
    case IPV6_DSTOPTS:
    case IPV6_2292PKTOPTIONS: /* none of them is sent */
        return give(call, "", 0, false);
    default:
        return OPTION_UNKNOWN;
    }
}

void call_getsockopt(struct call *call)
{
    const int level = (int)call->arg[1];
    int error = OPTION_UNKNOWN;
    if (level == SOL_SOCKET)
        error = get_socket_level(call);
    else if (level == IPPROTO_TCP)
        error = get_tcp_level(call);
    else if (level == IPPROTO_IP || level == IPPROTO_IPV6)
        error = get_ip_level(call);
    const struct option *option = error == OPTION_UNKNOWN ? option_find(call) : NULL;
    if (option != NULL && option->how == OPTION_NATIVE) {
        call_continue(call);
        return;
    }
    if (option != NULL)
        error = get_by_table(call, option);
    else if (error == OPTION_UNKNOWN)
        error = unknown(call);
    call_answer(call->run, call->id, -error);
}
