/* SPDX-License-Identifier: MIT */
/* Verbs for what is done to a socket as a whole: its life, its names, its options. */
#include "actor.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

#ifndef IPV6_MULTICAST_ALL
#define IPV6_MULTICAST_ALL 29
#endif

#define ACCEPT_MS 1000 /* how long an `accept` without "block" waits for a connection */

/* socket a tcp|udp [nonblock] [family4|family6] [PROTOCOL] */
static void act_socket(struct call *call)
{
    int type = strcmp(call->arg[2], "udp") == 0 ? SOCK_DGRAM : SOCK_STREAM;
    if (call_has(call, "nonblock"))
        type |= SOCK_NONBLOCK;
    if (call_has(call, "cloexec"))
        type |= SOCK_CLOEXEC;
    const bool six = call_has(call, "six") || (call->actor->family == 6 && !call_has(call, "four"));
    int protocol = call_has(call, "proto-udp") ? IPPROTO_UDP : 0;
    protocol = call_has(call, "proto-tcp") ? IPPROTO_TCP : protocol;
    const int fd = socket(six ? AF_INET6 : AF_INET, type, protocol);
    *call_slot(call, 1) = fd;
    text_result(call->text, fd < 0 ? -1 : 0);
}

static void act_bind(struct call *call)
{
    struct sockaddr_storage address;
    const socklen_t len = call_address(call, 2, &address);
    text_result(call->text, bind(*call_slot(call, 1), (struct sockaddr *)&address, len));
}

static void act_listen(struct call *call)
{
    text_result(call->text, listen(*call_slot(call, 1), atoi(call->arg[2])));
}

/* server a [BACKLOG]: a new socket that listens at a free port of the own address. */
static void act_server(struct call *call)
{
    struct sockaddr_storage address;
    const bool six = call->actor->family == 6;
    const int fd = socket(six ? AF_INET6 : AF_INET, SOCK_STREAM, 0);
    *call_slot(call, 1) = fd;
    call->arg[2] = call->count > 2 ? call->arg[2] : (char *)"8";
    const int backlog = atoi(call->arg[2]);
    struct call own = *call;
    own.arg[1] = (char *)"own:0";
    own.count = 2;
    const socklen_t len = call_address(&own, 1, &address);
    int result = bind(fd, (struct sockaddr *)&address, len);
    if (result == 0)
        result = listen(fd, backlog);
    text_result(call->text, result);
}

static void act_connect(struct call *call)
{
    struct sockaddr_storage address;
    const socklen_t len = call_address(call, 2, &address);
    text_result(call->text, connect(*call_slot(call, 1), (struct sockaddr *)&address, len));
}

/* accept b l [block] [named] [nonblock] [cloexec] */
static void act_accept(struct call *call)
{
    const int from = *call_slot(call, 2);
    struct pollfd ready = { .fd = from, .events = POLLIN };
    if (!call_has(call, "block") && poll(&ready, 1, ACCEPT_MS) == 0) {
        text_add(call->text, " = nothing to accept");
        return;
    }
    int flags = call_has(call, "nonblock") ? SOCK_NONBLOCK : 0;
    flags |= call_has(call, "cloexec") ? SOCK_CLOEXEC : 0;
    struct sockaddr_storage address = { 0 };
    socklen_t len = sizeof address;
    const bool named = call_has(call, "named");
    struct sockaddr *where = named ? (struct sockaddr *)&address : NULL;
    const int fd = flags != 0 ? accept4(from, where, named ? &len : NULL, flags)
                              : accept(from, where, named ? &len : NULL);
    text_result(call->text, fd < 0 ? -1 : 0);
    if (fd < 0)
        return;
    *call_slot(call, 1) = fd;
    if (named)
        call_tell_address(call, &address);
}

/* name a, peername a */
static void act_name(struct call *call)
{
    struct sockaddr_storage address = { 0 };
    socklen_t len = sizeof address;
    const int fd = *call_slot(call, 1);
    const int result = call->arg[0][0] == 'p' ? getpeername(fd, (struct sockaddr *)&address, &len)
                                              : getsockname(fd, (struct sockaddr *)&address, &len);
    text_result(call->text, result);
    if (result == 0)
        call_tell_address(call, &address);
}

static void act_port(struct call *call)
{
    text_result(call->text, (long)actor_port(*call_slot(call, 1)));
}

/* remember a: its port is @full/1 from now on, though the socket may go */
static void act_remember(struct call *call)
{
    call->actor->full = (long)actor_port(*call_slot(call, 1));
}

static void act_shut(struct call *call)
{
    int how = strcmp(call->arg[2], "rd") == 0 ? SHUT_RD : SHUT_RDWR;
    how = strcmp(call->arg[2], "wr") == 0 ? SHUT_WR : how;
    text_result(call->text, shutdown(*call_slot(call, 1), how));
}

/* The name keeps its number, so that a case can use a closed descriptor by mistake. */
static void act_close(struct call *call)
{
    text_result(call->text, close(*call_slot(call, 1)));
}

/* rst a: an abortive close. */
static void act_rst(struct call *call)
{
    const struct linger now = { .l_onoff = 1 };
    setsockopt(*call_slot(call, 1), SOL_SOCKET, SO_LINGER, &now, sizeof now);
    act_close(call);
}

/* vanish a: the connection is gone without a segment, as after a loss of power. */
static void act_vanish(struct call *call)
{
    const int on = 1;
    const int result = setsockopt(*call_slot(call, 1), IPPROTO_TCP, TCP_REPAIR, &on, sizeof on);
    close(*call_slot(call, 1));
    text_result(call->text, result);
}

/* deaf a [off]: the socket no longer gets any segment; on a listener, SYNs are lost. */
static void act_deaf(struct call *call)
{
    struct sock_filter drop = BPF_STMT(BPF_RET | BPF_K, 0);
    const struct sock_fprog program = { .len = 1, .filter = &drop };
    const int off = 0;
    const int fd = *call_slot(call, 1);
    text_result(call->text,
                call_has(call, "off")
                    ? setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &off, sizeof off)
                    : setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program));
}

static void act_dup(struct call *call)
{
    const int fd = dup(*call_slot(call, 2));
    *call_slot(call, 1) = fd;
    text_result(call->text, fd < 0 ? -1 : 0);
}

/* dup2 b a: a over b, which must be open. */
static void act_dup2(struct call *call)
{
    const int fd = dup2(*call_slot(call, 2), *call_slot(call, 1));
    text_result(call->text, fd < 0 ? -1 : 0);
}

/* high b a: a duplicate whose number is beyond what select() can take. */
static void act_high(struct call *call)
{
    const struct rlimit room = { .rlim_cur = 4096, .rlim_max = 4096 };
    setrlimit(RLIMIT_NOFILE, &room);
    const int fd = fcntl(*call_slot(call, 2), F_DUPFD_CLOEXEC, 2000);
    *call_slot(call, 1) = fd;
    text_result(call->text, fd < 0 ? -1 : 0);
}

/* nonblock a on|off [ioctl] */
static void act_nonblock(struct call *call)
{
    const int fd = *call_slot(call, 1);
    int on = strcmp(call->arg[2], "on") == 0;
    if (call_has(call, "ioctl")) {
        text_result(call->text, ioctl(fd, FIONBIO, &on));
        return;
    }
    const int flags = fcntl(fd, F_GETFL);
    text_result(call->text, fcntl(fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK));
}

static void act_flags(struct call *call)
{
    const int fd = *call_slot(call, 1);
    const int flags = fcntl(fd, F_GETFL);
    const int more = fcntl(fd, F_GETFD);
    text_add(call->text, " =%s%s%s", (flags & O_ACCMODE) == O_RDWR ? " rdwr" : "",
             flags & O_NONBLOCK ? " nonblock" : "", more & FD_CLOEXEC ? " cloexec" : "");
}

/* nofile full|free: no descriptor can be opened any more, or again. */
static void act_nofile(struct call *call)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    const int lowest = dup(0);
    close(lowest);
    limit.rlim_cur = strcmp(call->arg[1], "full") == 0 ? (rlim_t)lowest : limit.rlim_max;
    text_result(call->text, setrlimit(RLIMIT_NOFILE, &limit));
}

/* ---- Options ---- */

enum kind {
    NUMBER,
    TIME,
    LINGER,
    TEXT
};

static const struct option {
    const char *name;
    int level;
    int number;
    enum kind kind;
} options[] = {
#define SOCKET(name)                    \
    {                                   \
#name, SOL_SOCKET, name, NUMBER \
    }
#define TCP(name)                        \
    {                                    \
#name, IPPROTO_TCP, name, NUMBER \
    }
#define IP(name)                        \
    {                                   \
#name, IPPROTO_IP, name, NUMBER \
    }
#define IPV6(name)                        \
    {                                     \
#name, IPPROTO_IPV6, name, NUMBER \
    }
    SOCKET(SO_REUSEADDR),
    SOCKET(SO_REUSEPORT),
    SOCKET(SO_KEEPALIVE),
    SOCKET(SO_RCVBUF),
    SOCKET(SO_SNDBUF),
    SOCKET(SO_ERROR),
    SOCKET(SO_TYPE),
    SOCKET(SO_PROTOCOL),
    SOCKET(SO_DOMAIN),
    SOCKET(SO_ACCEPTCONN),
    SOCKET(SO_BROADCAST),
    SOCKET(SO_OOBINLINE),
    SOCKET(SO_RCVLOWAT),
    SOCKET(SO_SNDLOWAT),
    SOCKET(SO_DONTROUTE),
    SOCKET(SO_TIMESTAMP),
    SOCKET(SO_PRIORITY),
    SOCKET(SO_MARK),
    SOCKET(SO_BINDTODEVICE),
    SOCKET(SO_TIMESTAMPNS),
    SOCKET(SO_TIMESTAMPING),
    SOCKET(SO_INCOMING_CPU),
    SOCKET(SO_RXQ_OVFL),
    SOCKET(SO_BUSY_POLL),
    SOCKET(SO_ZEROCOPY),
    SOCKET(SO_PASSCRED),
    SOCKET(SO_PEEK_OFF),
    SOCKET(SO_NO_CHECK),
    SOCKET(SO_DETACH_FILTER),
    SOCKET(SO_BSDCOMPAT),
    SOCKET(SO_LOCK_FILTER),
    SOCKET(SO_SELECT_ERR_QUEUE),
    SOCKET(SO_DEBUG),
    { "SO_LINGER", SOL_SOCKET, SO_LINGER, LINGER },
    { "SO_RCVTIMEO", SOL_SOCKET, SO_RCVTIMEO, TIME },
    { "SO_SNDTIMEO", SOL_SOCKET, SO_SNDTIMEO, TIME },
    TCP(TCP_NODELAY),
    TCP(TCP_CORK),
    TCP(TCP_MAXSEG),
    TCP(TCP_KEEPIDLE),
    TCP(TCP_KEEPINTVL),
    TCP(TCP_KEEPCNT),
    TCP(TCP_SYNCNT),
    TCP(TCP_USER_TIMEOUT),
    TCP(TCP_DEFER_ACCEPT),
    TCP(TCP_QUICKACK),
    TCP(TCP_LINGER2),
    TCP(TCP_FASTOPEN),
    TCP(TCP_NOTSENT_LOWAT),
    TCP(TCP_WINDOW_CLAMP),
    TCP(TCP_THIN_LINEAR_TIMEOUTS),
    TCP(TCP_THIN_DUPACK),
    TCP(TCP_SAVE_SYN),
    TCP(TCP_FASTOPEN_CONNECT),
    TCP(TCP_FASTOPEN_NO_COOKIE),
    TCP(TCP_INQ),
    TCP(TCP_TX_DELAY),
    TCP(TCP_ULP),
    { "TCP_CONGESTION", IPPROTO_TCP, TCP_CONGESTION, TEXT },
    { "SO_BINDTODEVICE_NAME", SOL_SOCKET, SO_BINDTODEVICE, TEXT },
    IP(IP_TTL),
    IP(IP_TOS),
    IP(IP_PKTINFO),
    IP(IP_RECVERR),
    IP(IP_MTU_DISCOVER),
    IP(IP_FREEBIND),
    IP(IP_BIND_ADDRESS_NO_PORT),
    IP(IP_MTU),
    IP(IP_RECVTTL),
    IP(IP_RECVTOS),
    IP(IP_OPTIONS),
    IP(IP_RETOPTS),
    IP(IP_MINTTL),
    IP(IP_TRANSPARENT),
    IP(IP_HDRINCL),
    IP(IP_MULTICAST_TTL),
    IP(IP_MULTICAST_LOOP),
    IP(IP_MULTICAST_ALL),
    IPV6(IPV6_V6ONLY),
    IPV6(IPV6_UNICAST_HOPS),
    IPV6(IPV6_TCLASS),
    IPV6(IPV6_RECVPKTINFO),
    IPV6(IPV6_RECVHOPLIMIT),
    IPV6(IPV6_RECVTCLASS),
    IPV6(IPV6_RECVERR),
    IPV6(IPV6_MTU_DISCOVER),
    IPV6(IPV6_MTU),
    IPV6(IPV6_DONTFRAG),
    IPV6(IPV6_AUTOFLOWLABEL),
    IPV6(IPV6_MULTICAST_HOPS),
    IPV6(IPV6_MULTICAST_LOOP),
    IPV6(IPV6_MULTICAST_ALL),
    IPV6(IPV6_FREEBIND),
    IPV6(IPV6_MINHOPCOUNT),
    { "UDP_NO_CHECK6_TX", IPPROTO_UDP, UDP_NO_CHECK6_TX, NUMBER },
    { "UDP_NO_CHECK6_RX", IPPROTO_UDP, UDP_NO_CHECK6_RX, NUMBER },
    { "TCP_777", IPPROTO_TCP, 777, NUMBER },
    { "SO_777", SOL_SOCKET, 777, NUMBER },
    { "LEVEL_777", 777, 1, NUMBER },
#undef SOCKET
#undef TCP
#undef IP
#undef IPV6
};

static const struct option *option_of(const struct call *call)
{
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++)
        if (strcmp(options[i].name, call->arg[2]) == 0)
            return &options[i];
    call_bad(call, "no such option");
}

/* set a OPTION VALUE [short|null]: milliseconds for a time, seconds or "off" for SO_LINGER */
static void act_set(struct call *call)
{
    const struct option *option = option_of(call);
    const int fd = *call_slot(call, 1);
    const int value = atoi(call->arg[3]);
    const struct timeval time = { .tv_sec = value / 1000, .tv_usec = value % 1000 * 1000L };
    const struct linger linger = { .l_onoff = strcmp(call->arg[3], "off") != 0, .l_linger = value };
    const void *from = &value;
    socklen_t len = sizeof value;
    if (option->kind == TIME) {
        from = &time;
        len = sizeof time;
    } else if (option->kind == LINGER) {
        from = &linger;
        len = sizeof linger;
    } else if (option->kind == TEXT) {
        from = call->arg[3];
        len = (socklen_t)strlen(call->arg[3]);
    }
    if (call_has(call, "short"))
        len = 1;
    if (call_has(call, "null"))
        from = NULL;
    text_result(call->text, setsockopt(fd, option->level, option->number, from, len));
}

static void act_get(struct call *call)
{
    const struct option *option = option_of(call);
    int value[8] = { 0 }; /* room for the largest; what is not written stays 0 */
    socklen_t len = option->kind == NUMBER ? sizeof value[0] : sizeof(struct timeval);
    if (option->kind == LINGER)
        len = sizeof(struct linger);
    if (option->kind == TEXT)
        len = sizeof value / 2;
    const int fd = *call_slot(call, 1);
    const int result = getsockopt(fd, option->level, option->number, value, &len);
    struct timeval time;
    memcpy(&time, value, sizeof time);
    if (result != 0)
        text_result(call->text, result);
    else if (option->kind == TIME)
        text_add(call->text, " = %ld ms", time.tv_sec * 1000L + time.tv_usec / 1000L);
    else if (option->kind == LINGER)
        text_add(call->text, " = %d,%d", value[0], value[1]);
    else if (option->kind == TEXT)
        text_add(call->text, " = '%.16s' %u", (const char *)value, (unsigned)len);
    else
        text_add(call->text, " = %d", value[0]);
    if (result == 0 && option->kind == NUMBER && len != sizeof value[0])
        text_add(call->text, " (%u octets)", (unsigned)len);
}

const struct verb verbs_socket[] = {
    { "socket", act_socket, false, 2 },    { "bind", act_bind, false, 2 },
    { "listen", act_listen, false, 2 },    { "server", act_server, false, 1 },
    { "connect", act_connect, false, 2 },  { "accept", act_accept, false, 2 },
    { "name", act_name, true, 1 },         { "peername", act_name, true, 1 },
    { "port", act_port, true, 1 },         { "remember", act_remember, true, 1 },
    { "shut", act_shut, false, 2 },        { "close", act_close, false, 1 },
    { "rst", act_rst, false, 1 },          { "vanish", act_vanish, false, 1 },
    { "deaf", act_deaf, true, 1 },         { "dup", act_dup, false, 2 },
    { "dup2", act_dup2, false, 2 },        { "high", act_high, false, 2 },
    { "nonblock", act_nonblock, true, 2 }, { "flags", act_flags, true, 1 },
    { "nofile", act_nofile, true, 1 },     { "set", act_set, true, 3 },
    { "get", act_get, true, 2 },           { NULL, NULL, false, 0 },
};
