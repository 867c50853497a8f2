/* SPDX-License-Identifier: MIT */
#include "symbols.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/errqueue.h>
#include <linux/net_tstamp.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

struct symbol {
    const char *name;
    int64_t value;
};

#define S(NAME)     \
    {               \
#NAME, NAME \
    }

static const struct symbol symbols[] = {
    { "NULL", 0 },
    S(AF_INET),
    S(AF_INET6),
    S(PF_INET),
    S(PF_INET6),
    S(AF_UNSPEC),
    S(AF_UNIX),
    S(SOCK_STREAM),
    S(SOCK_DGRAM),
    S(SOCK_RAW),
    S(SOCK_NONBLOCK),
    S(SOCK_CLOEXEC),
    S(IPPROTO_IP),
    S(IPPROTO_IPV6),
    S(IPPROTO_ICMP),
    S(IPPROTO_TCP),
    S(IPPROTO_UDP),
    S(INADDR_ANY),
    S(INADDR_LOOPBACK),
    S(SHUT_RD),
    S(SHUT_WR),
    S(SHUT_RDWR),
    S(SOMAXCONN),
    /* levels and socket options */
    S(SOL_SOCKET),
    S(SOL_IP),
    S(SOL_IPV6),
    { "SOL_TCP", IPPROTO_TCP },
    { "SOL_UDP", IPPROTO_UDP },
    S(SO_ACCEPTCONN),
    S(SO_BROADCAST),
    S(SO_DEBUG),
    S(SO_DOMAIN),
    S(SO_DONTROUTE),
    S(SO_ERROR),
    S(SO_KEEPALIVE),
    S(SO_LINGER),
    S(SO_MARK),
    S(SO_OOBINLINE),
    S(SO_PRIORITY),
    S(SO_PROTOCOL),
    S(SO_RCVBUF),
    S(SO_RCVBUFFORCE),
    S(SO_RCVLOWAT),
    S(SO_RCVTIMEO),
    S(SO_REUSEADDR),
    S(SO_REUSEPORT),
    S(SO_SNDBUF),
    S(SO_SNDBUFFORCE),
    S(SO_SNDLOWAT),
    S(SO_SNDTIMEO),
    S(SO_TIMESTAMP),
    S(SO_TYPE),
    S(SO_BUSY_POLL),
    S(SO_MAX_PACING_RATE),
    S(SO_INCOMING_CPU),
    S(SO_TIMESTAMPING),
    S(SOF_TIMESTAMPING_TX_HARDWARE),
    S(SOF_TIMESTAMPING_TX_SOFTWARE),
    S(SOF_TIMESTAMPING_RX_HARDWARE),
    S(SOF_TIMESTAMPING_RX_SOFTWARE),
    S(SOF_TIMESTAMPING_SOFTWARE),
    S(SOF_TIMESTAMPING_RAW_HARDWARE),
    S(SOF_TIMESTAMPING_OPT_ID),
    S(SOF_TIMESTAMPING_TX_SCHED),
    S(SOF_TIMESTAMPING_TX_ACK),
    S(SOF_TIMESTAMPING_OPT_CMSG),
    S(SOF_TIMESTAMPING_OPT_TSONLY),
    S(SOF_TIMESTAMPING_OPT_STATS),
    S(SO_ZEROCOPY),
    S(SO_EE_ORIGIN_ZEROCOPY),
    S(SO_EE_ORIGIN_TIMESTAMPING),
    S(SO_EE_ORIGIN_LOCAL),
    S(SO_EE_ORIGIN_ICMP),
    S(SO_EE_ORIGIN_ICMP6),
    S(SO_EE_CODE_ZEROCOPY_COPIED),
    S(SCM_RIGHTS),
    S(SCM_TIMESTAMPING),
    S(SCM_TSTAMP_SND),
    S(SCM_TSTAMP_SCHED),
    S(SCM_TSTAMP_ACK),
    S(IP_TOS),
    S(IP_TTL),
    S(IP_MTU),
    S(IP_MTU_DISCOVER),
    S(IP_RECVERR),
    S(IP_RECVTOS),
    S(IP_RECVTTL),
    S(IP_FREEBIND),
    S(IP_TRANSPARENT),
    S(IP_PMTUDISC_DONT),
    S(IP_PMTUDISC_WANT),
    S(IP_PMTUDISC_DO),
    S(IP_PMTUDISC_PROBE),
    S(IP_BIND_ADDRESS_NO_PORT),
    S(IPV6_V6ONLY),
    S(IPV6_UNICAST_HOPS),
    S(IPV6_TCLASS),
    S(IPV6_MTU),
    S(IPV6_MTU_DISCOVER),
    S(IPV6_RECVERR),
    S(IPV6_HOPLIMIT),
    S(TCP_NODELAY),
    S(TCP_MAXSEG),
    S(TCP_CORK),
    S(TCP_KEEPIDLE),
    S(TCP_KEEPINTVL),
    S(TCP_KEEPCNT),
    S(TCP_SYNCNT),
    S(TCP_LINGER2),
    S(TCP_DEFER_ACCEPT),
    S(TCP_WINDOW_CLAMP),
    S(TCP_INFO),
    S(TCP_QUICKACK),
    S(TCP_CONGESTION),
    S(TCP_MD5SIG),
    S(TCP_THIN_LINEAR_TIMEOUTS),
    S(TCP_THIN_DUPACK),
    S(TCP_USER_TIMEOUT),
    S(TCP_REPAIR),
    S(TCP_FASTOPEN),
    S(TCP_TIMESTAMP),
    S(TCP_NOTSENT_LOWAT),
    S(TCP_CC_INFO),
    S(TCP_SAVE_SYN),
    S(TCP_SAVED_SYN),
    S(TCP_FASTOPEN_CONNECT),
    S(TCP_FASTOPEN_KEY),
    S(TCP_FASTOPEN_NO_COOKIE),
    S(TCP_ULP),
    S(TCP_INQ),
    S(TCP_CM_INQ),
    S(TCP_TX_DELAY),
    /* flags of calls */
    S(MSG_OOB),
    S(MSG_DONTROUTE),
    S(MSG_PEEK),
    S(MSG_CTRUNC),
    S(MSG_TRUNC),
    S(MSG_DONTWAIT),
    S(MSG_EOR),
    S(MSG_WAITALL),
    S(MSG_CONFIRM),
    S(MSG_ERRQUEUE),
    S(MSG_NOSIGNAL),
    S(MSG_MORE),
    S(MSG_FASTOPEN),
    S(MSG_ZEROCOPY),
    S(MSG_CMSG_CLOEXEC),
    S(F_GETFD),
    S(F_SETFD),
    S(F_GETFL),
    S(F_SETFL),
    S(FD_CLOEXEC),
    S(O_RDONLY),
    S(O_WRONLY),
    S(O_RDWR),
    S(O_NONBLOCK),
    S(O_ACCMODE),
    S(POLLIN),
    S(POLLOUT),
    S(POLLPRI),
    S(POLLERR),
    S(POLLHUP),
    S(POLLNVAL),
    S(POLLRDNORM),
    S(POLLRDBAND),
    S(POLLWRNORM),
    S(POLLWRBAND),
    S(POLLRDHUP),
    S(EPOLLIN),
    S(EPOLLOUT),
    S(EPOLLPRI),
    S(EPOLLERR),
    S(EPOLLHUP),
    S(EPOLLRDNORM),
    S(EPOLLWRNORM),
    S(EPOLLRDHUP),
    S(EPOLLET),
    S(EPOLLONESHOT),
    S(EPOLLEXCLUSIVE),
    S(EPOLL_CTL_ADD),
    S(EPOLL_CTL_MOD),
    S(EPOLL_CTL_DEL),
    S(EPOLL_CLOEXEC),
    S(FIONREAD),
    S(FIONBIO),
    S(SIOCATMARK),
    S(SIOCINQ),
    S(SIOCOUTQ),
    S(SIOCOUTQNSD),
    S(SPLICE_F_MOVE),
    S(SPLICE_F_NONBLOCK),
    S(SPLICE_F_MORE),
    /* what code blocks compare with; <netinet/tcp.h> has the states, but not beside <linux/tcp.h>
     */
    { "TCP_ESTABLISHED", 1 },
    { "TCP_SYN_SENT", 2 },
    { "TCP_SYN_RECV", 3 },
    { "TCP_FIN_WAIT1", 4 },
    { "TCP_FIN_WAIT2", 5 },
    { "TCP_TIME_WAIT", 6 },
    { "TCP_CLOSE", 7 },
    { "TCP_CLOSE_WAIT", 8 },
    { "TCP_LAST_ACK", 9 },
    { "TCP_LISTEN", 10 },
    { "TCP_CLOSING", 11 },
    S(TCP_CA_Open),
    S(TCP_CA_Disorder),
    S(TCP_CA_CWR),
    S(TCP_CA_Recovery),
    S(TCP_CA_Loss),
    S(TCPI_OPT_TIMESTAMPS),
    S(TCPI_OPT_SACK),
    S(TCPI_OPT_WSCALE),
    S(TCPI_OPT_ECN),
    S(TCPI_OPT_ECN_SEEN),
    S(TCPI_OPT_SYN_DATA),
};

static const struct symbol errors[] = {
    S(EPERM),        S(ENOENT),        S(EINTR),           S(EIO),
    S(EBADF),        S(EAGAIN),        S(EWOULDBLOCK),     S(ENOMEM),
    S(EACCES),       S(EFAULT),        S(EBUSY),           S(EEXIST),
    S(EINVAL),       S(ENFILE),        S(EMFILE),          S(ENOMSG),
    S(ENOTTY),       S(ENOSPC),        S(ESPIPE),          S(EPIPE),
    S(EDOM),         S(ENOSYS),        S(EPROTO),          S(EOVERFLOW),
    S(EUSERS),       S(ENOTSOCK),      S(EDESTADDRREQ),    S(EMSGSIZE),
    S(EPROTOTYPE),   S(ENOPROTOOPT),   S(EPROTONOSUPPORT), S(ESOCKTNOSUPPORT),
    S(EOPNOTSUPP),   S(ENOTSUP),       S(EPFNOSUPPORT),    S(EAFNOSUPPORT),
    S(EADDRINUSE),   S(EADDRNOTAVAIL), S(ENETDOWN),        S(ENETUNREACH),
    S(ENETRESET),    S(ECONNABORTED),  S(ECONNRESET),      S(ENOBUFS),
    S(EISCONN),      S(ENOTCONN),      S(ESHUTDOWN),       S(ETIMEDOUT),
    S(ECONNREFUSED), S(EHOSTDOWN),     S(EHOSTUNREACH),    S(EALREADY),
    S(EINPROGRESS),
};

static const struct symbol *find(const struct symbol *table, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(table[i].name, name) == 0)
            return &table[i];
    return NULL;
}

bool symbol_value(const char *name, int64_t *value)
{
    const struct symbol *symbol = find(symbols, sizeof symbols / sizeof symbols[0], name);
    if (symbol == NULL)
        symbol = find(errors, sizeof errors / sizeof errors[0], name);
    if (symbol == NULL)
        return false;
    *value = symbol->value;
    return true;
}

const char *errno_name(int number)
{
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++)
        if (errors[i].value == number)
            return errors[i].name;
    return NULL;
}

int errno_number(const char *name)
{
    const struct symbol *symbol = find(errors, sizeof errors / sizeof errors[0], name);
    return symbol != NULL ? (int)symbol->value : 0;
}
