/* SPDX-License-Identifier: MIT */
#include "errno_table.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define NAMED(NAME) .number = (NAME), .name = #NAME
#define CAUSE(call, st, why) \
    {                        \
        call, st, why        \
    }
#define SYNCHRONIZED "ESTABLISHED, FIN-WAIT-1, FIN-WAIT-2"

/* In the order of Linux's numbers. */
static const struct errno_entry table[] = {
    { NAMED(EINTR), .winsock = 10004,
      .meaning = "a signal came while the call waited, and nothing had been done yet",
      .cause = {
          CAUSE("accept, recv, send, connect", "any, blocking",
                "a handler without SA_RESTART ran; with SA_RESTART the call goes on by itself"),
          CAUSE("accept, recv, send, connect", "any, with SO_RCVTIMEO or SO_SNDTIMEO set",
                "any handler ran: with a time limit the call is never restarted"),
          CAUSE("poll, select, epoll_wait", "any", "any handler ran, SA_RESTART or not"),
          CAUSE("close", "any", "the descriptor is closed all the same: never close it again"),
      },
      .to_do = "Call again, except close. After an interrupted connect do not call connect again "
               "as if it were new: the attempt goes on; poll for POLLOUT and read SO_ERROR.",
      .not_so = "It is not what an expired SO_RCVTIMEO or SO_SNDTIMEO gives; that is EAGAIN." },

    { NAMED(EBADF), .api = "WEIR_BAD_HANDLE", .winsock = 10009,
      .meaning = "the number is not an open descriptor of this process",
      .cause = {
          CAUSE("every call", "none", "the descriptor was closed, by this thread or another, or "
                                      "never was one"),
      },
      .to_do = "A mistake of the program: set a closed descriptor to -1, and let one owner close "
               "it. In a program with threads the number may soon be somebody else's socket.",
      .not_so = "A socket closed here is EBADF, not EPIPE." },

    { NAMED(EAGAIN), .alias = "EWOULDBLOCK", .api = "WEIR_AGAIN", .winsock = 10035,
      .meaning = "not now: the call would have to wait, and may not",
      .cause = {
          CAUSE("recv", "any, O_NONBLOCK or MSG_DONTWAIT", "nothing to read yet"),
          CAUSE("send", "any, O_NONBLOCK or MSG_DONTWAIT",
                "no room: poll says POLLOUT again when a third of the buffer is free"),
          CAUSE("accept", "LISTEN, O_NONBLOCK", "the accept queue is empty, or another process "
                                                "was faster"),
          CAUSE("recv, accept", "any, with SO_RCVTIMEO", "the time is over and nothing came"),
          CAUSE("send", "any, with SO_SNDTIMEO", "the time is over and nothing went"),
          CAUSE("connect", "CLOSED", "no free entry in the routing cache (never in weir)"),
      },
      .to_do = "Wait with poll or epoll, then call again. With a time limit: the peer is slow or "
               "gone, and the program decides how long is too long.",
      .not_so = "A send that took fewer octets than asked is not an error: it returns the count. "
                "A non-blocking connect gives EINPROGRESS; EWOULDBLOCK there is Winsock's." },

    { NAMED(ENOMEM), .meaning = "the kernel has no memory for the call",
      .cause = { CAUSE("socket, accept, send, setsockopt", "any", "memory is short") },
      .to_do = "Wait and try again; an unaccepted connection stays in its queue." },

    { NAMED(EACCES), .api = "WEIR_ACCESS", .winsock = 10013,
      .meaning = "this program may not do that",
      .cause = {
          CAUSE("bind", "CLOSED", "a port below ip_unprivileged_port_start (1024) without "
                                  "CAP_NET_BIND_SERVICE"),
          CAUSE("connect, UDP send", "CLOSED", "a broadcast address without SO_BROADCAST"),
          CAUSE("connect, UDP send", "CLOSED", "a route of type prohibit"),
      },
      .to_do = "Take a port from 1024 on, or give the program the capability; set SO_BROADCAST "
               "if a broadcast is what you want." },

    { NAMED(EFAULT), .winsock = 10014, .meaning = "an address points outside the program's memory",
      .cause = { CAUSE("every call with a pointer", "any",
                       "a buffer, a sockaddr or a length cannot be read or written") },
      .to_do = "A mistake of the program. For recv the octets are not lost where nothing had been "
               "copied yet." },

    { NAMED(EBUSY), .meaning = "what the call would take is taken",
      .cause = { CAUSE("setsockopt", "any", "a few options that want the socket unused") },
      .to_do = "No error of a connection: see the option's page.",
      .not_so = "A port in use is EADDRINUSE." },

    { NAMED(EINVAL), .api = "WEIR_INVALID", .winsock = 10022,
      .meaning = "an argument makes no sense, or not in this state",
      .cause = {
          CAUSE("accept", "not LISTEN", "listen was not called, or shutdown ended the listener; "
                                        "a blocked accept is woken with it"),
          CAUSE("bind", "bound", "the socket has an address already"),
          CAUSE("listen", "connected", "a connected socket cannot listen"),
          CAUSE("bind, connect", "CLOSED", "the sockaddr is shorter than its family's"),
          CAUSE("connect", "CLOSED", "a route of type blackhole"),
          CAUSE("recv MSG_OOB, readv, writev", "any",
                "no urgent octet is there, or it was read; more than 1,024 pieces"),
      },
      .to_do = "A mistake of the program: check the order of its calls." },

    { NAMED(ENFILE), .meaning = "the whole system has no descriptor left",
      .cause = { CAUSE("socket, accept", "any", "fs.file-max is reached") },
      .to_do = "Find who holds them (/proc/sys/fs/file-nr). Connections stay in the queue." },

    { NAMED(EMFILE), .winsock = 10024, .meaning = "this process has no descriptor left",
      .cause = {
          CAUSE("accept", "LISTEN", "RLIMIT_NOFILE is reached; the connection stays queued, looks "
                                    "ESTABLISHED to its client, and the listener stays readable"),
          CAUSE("socket", "none", "RLIMIT_NOFILE is reached"),
      },
      .to_do = "Stop accepting until something is closed, else the loop spins; then find what is "
               "never closed (a server that forks must close its copy), or raise RLIMIT_NOFILE.",
      .not_so = "It counts the process, not the machine: that is ENFILE." },

    { NAMED(ESPIPE), .meaning = "a socket has no position",
      .cause = { CAUSE("lseek, pread, pwrite", "any", "a socket is not a file") },
      .to_do = "Use recv and send; MSG_PEEK looks ahead." },

    { NAMED(EPIPE), .api = "WEIR_PIPE", .winsock = 10058,
      .meaning = "nothing can be sent any more on this connection",
      .cause = {
          CAUSE("send", "FIN-WAIT-1, FIN-WAIT-2, CLOSING, LAST-ACK",
                "this side has called shutdown(SHUT_WR)"),
          CAUSE("send", "CLOSED after a reset",
                "the second call after the reset; the first gave ECONNRESET, unless recv or "
                "SO_ERROR took that already"),
          CAUSE("send", "CLOSED, reset in CLOSE-WAIT",
                "the peer closed, this side went on sending, the reset came back: not ECONNRESET, "
                "because the end was known; recv gives 0"),
          CAUSE("send", "CLOSED, never connected", "a stream socket without a connection (recv "
                                                   "gives ENOTCONN)"),
      },
      .to_do = "Use MSG_NOSIGNAL, or ignore SIGPIPE: by default the signal ends the program before "
               "it sees the error. Then close: what was sent last may not have arrived.",
      .not_so = "The first send after the peer's close succeeds: it draws the reset. A socket "
                "closed here is EBADF." },

    { NAMED(ENOTSOCK), .winsock = 10038, .meaning = "the descriptor is something else",
      .cause = { CAUSE("every socket call", "none", "a file, a pipe, a terminal") },
      .to_do = "A mistake of the program, often a descriptor that was closed and handed out "
               "again." },

    { NAMED(EDESTADDRREQ), .winsock = 10039, .meaning = "send to whom?",
      .cause = { CAUSE("UDP send", "unconnected", "neither connect nor an address in the call") },
      .to_do = "Use sendto, or connect first.",
      .not_so = "TCP never gives it: an unconnected stream socket is EPIPE." },

    { NAMED(EMSGSIZE), .api = "WEIR_TOO_LONG", .winsock = 10040,
      .meaning = "the datagram cannot be sent whole",
      .cause = {
          CAUSE("UDP send", "any", "more than 65,507 octets (IPv6: 65,527)"),
          CAUSE("UDP send", "any, IP_MTU_DISCOVER do", "more than the path takes, and fragments "
                                                       "were forbidden"),
      },
      .to_do = "Send less. What a receiver has no room for is no error there: recv cuts it and "
               "says MSG_TRUNC." },

    { NAMED(EPROTOTYPE), .winsock = 10041, .meaning = "the protocol is not of this type of socket",
      .cause = { CAUSE("connect", "AF_UNIX", "a stream socket to a datagram one or the reverse") },
      .to_do = "Make the socket with the type that the other end has.",
      .not_so = "socket(AF_INET, SOCK_STREAM, IPPROTO_UDP) is EPROTONOSUPPORT on Linux." },

    { NAMED(ENOPROTOOPT), .api = "WEIR_NO_PROTO", .winsock = 10042,
      .meaning = "there is no such option",
      .cause = {
          CAUSE("getsockopt, setsockopt", "any", "unknown at this level"),
          CAUSE("connect", "SYN-SENT", "ICMP: the host does not speak TCP (unreachable, code 2)"),
      },
      .to_do = "For an option: check level and name, and do without. For connect: wrong host." },

    { NAMED(EPROTONOSUPPORT), .winsock = 10043, .meaning = "no such protocol for this socket",
      .cause = { CAUSE("socket", "none", "family and type have no such protocol") },
      .to_do = "Pass 0 for the protocol." },

    { NAMED(ESOCKTNOSUPPORT), .winsock = 10044, .meaning = "no such type in this family",
      .cause = { CAUSE("socket", "none", "for example SOCK_RDM over AF_INET") },
      .to_do = "SOCK_STREAM for TCP, SOCK_DGRAM for UDP." },

    { NAMED(EOPNOTSUPP), .alias = "ENOTSUP", .winsock = 10045,
      .meaning = "this kind of socket cannot do that",
      .cause = { CAUSE("listen, accept", "any, UDP", "datagrams have no connections"),
                 CAUSE("send MSG_OOB", "any, UDP", "nor urgent octets") },
      .to_do = "A mistake of the program: it holds another socket than it thinks." },

    { NAMED(EPFNOSUPPORT), .winsock = 10046, .meaning = "no such family of protocols",
      .cause = { CAUSE("none of TCP or UDP", "-", "Linux says EAFNOSUPPORT") },
      .to_do = "See EAFNOSUPPORT." },

    { NAMED(EAFNOSUPPORT), .winsock = 10047, .meaning = "the address is of another family",
      .cause = {
          CAUSE("socket", "none", "the family is not known, or IPv6 is switched off"),
          CAUSE("bind, connect, UDP send", "any", "sa_family is not that of the socket"),
      },
      .to_do = "Make the socket with ai_family of what getaddrinfo gave." },

    { NAMED(EADDRINUSE), .api = "WEIR_IN_USE", .winsock = 10048,
      .meaning = "somebody has this address and port",
      .cause = {
          CAUSE("bind", "CLOSED", "a live listener has it; SO_REUSEADDR does not help, "
                                  "SO_REUSEPORT does if both set it"),
          CAUSE("bind", "CLOSED", "connections of an old run are in TIME-WAIT or still open, and "
                                  "not both sockets had SO_REUSEADDR"),
          CAUSE("bind port 0", "CLOSED", "every port of ip_local_port_range is taken"),
          CAUSE("listen", "CLOSED, bound", "another socket with SO_REUSEADDR listened first"),
          CAUSE("connect", "CLOSED, bound", "this exact pair of addresses and ports is in use"),
      },
      .to_do = "A server sets SO_REUSEADDR before bind, on every run. Find the other one with "
               "ss -lntp.",
      .not_so = "It is a rule of bind, not the quiet time of the RFC; and SO_REUSEADDR must have "
                "been set on the old socket too." },

    { NAMED(EADDRNOTAVAIL), .api = "WEIR_NOT_LOCAL", .winsock = 10049,
      .meaning = "not one of our addresses, or no port is left",
      .cause = {
          CAUSE("bind", "CLOSED", "the address is of no interface"),
          CAUSE("connect, UDP send", "CLOSED", "every local port is taken towards this one address "
                                               "and port; other destinations still work"),
      },
      .to_do = "If ports ran out: keep connections open and use them again, or use more addresses, "
               "on either side; look for what opens and closes so many.",
      .not_so = "Neither tcp_fin_timeout nor syncookies shortens TIME-WAIT, which is where the "
                "ports are." },

    { NAMED(ENETDOWN), .winsock = 10050, .meaning = "the interface is down",
      .cause = { CAUSE("UDP send, bind to a device", "any", "the interface was switched off"),
                 CAUSE("accept", "LISTEN", "an error of the new connection, passed on") },
      .to_do = "Bring it up. Established TCP connections do not notice and go on afterwards." },

    { NAMED(ENETUNREACH), .api = "WEIR_NET_UNREACH", .winsock = 10051,
      .meaning = "there is no way to that network",
      .cause = {
          CAUSE("connect, UDP send", "CLOSED", "no route, not even a default one; nothing was "
                                               "sent"),
          CAUSE("connect", "SYN-SENT", "ICMP: a router has no route (unreachable, code 0), which "
                                       "ends the attempt at once"),
          CAUSE("getsockopt IP_RECVERR queue", SYNCHRONIZED,
                "the same ICMP later is only a hint: the connection lives"),
      },
      .to_do = "Look at the routes (ip route get ADDRESS). IPv6 without a default route is the "
               "usual case: try the next address of getaddrinfo.",
      .not_so = "Linux does not go on trying after such an ICMP in SYN-SENT." },

    { NAMED(ENETRESET), .winsock = 10052, .meaning = "Winsock: keepalive found the peer dead",
      .cause = { CAUSE("none", "-", "Linux never gives it for TCP") },
      .to_do = "On Linux the same is ETIMEDOUT.",
      .not_so = "Keepalive failure is ETIMEDOUT on Linux, or the ICMP error that was pending." },

    { NAMED(ECONNABORTED), .api = "WEIR_ABORTED", .winsock = 10053,
      .meaning = "the connection was ended by this side",
      .cause = {
          CAUSE("connect", "CLOSED", "once, for the first try after a non-blocking connect that "
                                     "failed and whose error was read"),
          CAUSE("accept", "LISTEN", "POSIX allows it for a connection reset in the queue; Linux "
                                    "does not do it"),
      },
      .to_do = "After accept: just accept again. After connect: a failed socket is best closed and "
               "a new one made.",
      .not_so = "Linux's accept returns a reset connection as if it were well; its first recv "
                "gives ECONNRESET." },

    { NAMED(ECONNRESET), .api = "WEIR_RESET", .winsock = 10054,
      .meaning = "the peer's host says that the connection does not exist any more",
      .cause = {
          CAUSE("recv, send", SYNCHRONIZED,
                "a reset came; told once, after the octets that came before it, then recv gives 0 "
                "and send EPIPE"),
          CAUSE("recv", SYNCHRONIZED, "the peer closed, or was killed, with octets unread"),
          CAUSE("recv", SYNCHRONIZED, "the peer set SO_LINGER to 0 and closed, or closed its "
                                      "listener before accept"),
          CAUSE("recv, send", SYNCHRONIZED,
                "the peer's host started anew, or a middlebox forgot the connection, and octets or "
                "a keepalive probe reached it"),
          CAUSE("recv, send", "FIN-WAIT-1, FIN-WAIT-2",
                "this side called shutdown(SHUT_RDWR) and the peer still sent"),
      },
      .to_do = "Treat what was sent last as unknown. If it comes at once: see whether the peer "
               "closes with octets unread. If after idling: a NAT or firewall; set keepalive "
               "below its limit.",
      .not_so = "A killed peer with nothing unread sends a FIN, so recv gives 0. In CLOSE-WAIT a "
                "reset is EPIPE. A port unreachable for UDP is ECONNREFUSED, this on Windows." },

    { NAMED(ENOBUFS), .api = "WEIR_NO_MEMORY", .winsock = 10055,
      .meaning = "a pool is empty",
      .cause = { CAUSE("socket, connect, send, accept", "any",
                       "no memory for a socket or a packet; in weir, a limit of "
                       "docs/limits.md is reached") },
      .to_do = "Wait and try again; raise the limit if it is a limit." },

    { NAMED(EISCONN), .api = "WEIR_IS_CONN", .winsock = 10056,
      .meaning = "it is connected already",
      .cause = {
          CAUSE("connect", SYNCHRONIZED ", CLOSE-WAIT",
                "a second connect; after a non-blocking one the first call that finds it "
                "done gives 0, those after it this"),
          CAUSE("connect", "LISTEN", "a listener cannot connect, though the RFC would allow it"),
          CAUSE("sendto", SYNCHRONIZED, "some systems; Linux ignores the address"),
      },
      .to_do = "After a non-blocking connect it is as good as success." },

    { NAMED(ENOTCONN), .api = "WEIR_NOT_CONN", .winsock = 10057,
      .meaning = "it is not connected",
      .cause = {
          CAUSE("recv, getpeername", "CLOSED, bound or LISTEN", "there was no connect"),
          CAUSE("shutdown", "CLOSED", "never connected, or both directions are over"),
          CAUSE("getpeername", "CLOSED", "the connection was reset"),
      },
      .to_do = "Connect first. After a shutdown it means: already done.",
      .not_so = "send on such a stream socket gives EPIPE, not this." },

    { NAMED(ETIMEDOUT), .api = "WEIR_TIMED_OUT", .winsock = 10060,
      .meaning = "the stack gave up: nothing came back",
      .cause = {
          CAUSE("connect", "SYN-SENT", "no answer to any SYN: 133 s by default "
                                       "(tcp_syn_retries, TCP_SYNCNT)"),
          CAUSE("recv, send", SYNCHRONIZED ", CLOSE-WAIT",
                "octets were sent 15 times and not acknowledged (tcp_retries2, about 924 s)"),
          CAUSE("recv, send", SYNCHRONIZED ", CLOSE-WAIT",
                "TCP_USER_TIMEOUT is over, with octets unacknowledged or the window closed"),
          CAUSE("recv, send", SYNCHRONIZED ", CLOSE-WAIT",
                "keepalive: 9 probes without an answer (SO_KEEPALIVE; 7,200 s, then 75 s each)"),
      },
      .to_do = "The peer is gone, or something on the way drops in silence. For a faster "
               "verdict set TCP_USER_TIMEOUT on the socket, and keepalive for idle ones.",
      .not_so = "SO_RCVTIMEO and SO_SNDTIMEO give EAGAIN, and a connect with SO_SNDTIMEO "
                "EINPROGRESS. The name has a D: ETIMEDOUT. SYNs without an answer also mean a full "
                "accept queue at the server." },

    { NAMED(ECONNREFUSED), .api = "WEIR_REFUSED", .winsock = 10061,
      .meaning = "the host is there, and nobody listens on that port",
      .cause = {
          CAUSE("connect", "SYN-SENT", "a reset answered the SYN: not listening, also if the "
                                       "port is bound but listen was not called"),
          CAUSE("connect", "SYN-SENT", "ICMP: port unreachable (code 3), often a firewall's "
                                       "reject"),
          CAUSE("UDP send, recv", "connected", "an earlier datagram drew port unreachable; told "
                                               "once"),
      },
      .to_do = "Start the server, or mind the address it listens on (127.0.0.1 is not 0.0.0.0). "
               "A full accept queue does not refuse: it is silent.",
      .not_so = "A pulled cable does not give it: nothing arrives, so it is ETIMEDOUT or "
                "EHOSTUNREACH." },

    { NAMED(EHOSTDOWN), .winsock = 10064, .meaning = "the host is down",
      .cause = { CAUSE("accept", "LISTEN", "an error of the new connection, passed on"),
                 CAUSE("connect", "SYN-SENT", "some links say so; Ethernet gives EHOSTUNREACH") },
      .to_do = "As EHOSTUNREACH." },

    { NAMED(EHOSTUNREACH), .api = "WEIR_HOST_UNREACH", .winsock = 10065,
      .meaning = "the host cannot be reached",
      .cause = {
          CAUSE("connect, UDP send", "SYN-SENT", "the neighbour, or the gateway, does not answer "
                                                 "ARP or neighbour discovery (about 3 s)"),
          CAUSE("connect", "SYN-SENT", "ICMP: unreachable, codes 1, 10 and 13 (a firewall), ends "
                                       "the attempt at once"),
          CAUSE("connect, UDP send", "CLOSED", "a route of type unreachable"),
          CAUSE("recv, send", SYNCHRONIZED ", CLOSE-WAIT",
                "the stack gave up, and this ICMP had come meanwhile: instead of ETIMEDOUT"),
      },
      .to_do = "On the same link: is the address right, and the host on? Farther away: a router "
               "or firewall says no; traceroute finds which.",
      .not_so = "On an established connection such an ICMP ends nothing (RFC 1122, 4.2.3.9; RFC "
                "5461)." },

    { NAMED(EALREADY), .winsock = 10037, .meaning = "the connection is being opened already",
      .cause = { CAUSE("connect", "SYN-SENT", "a second connect while the first goes on") },
      .to_do = "Wait for POLLOUT, then read SO_ERROR." },

    { NAMED(EINPROGRESS), .api = "WEIR_IN_PROGRESS", .winsock = 10036,
      .meaning = "the connection is being opened",
      .cause = {
          CAUSE("connect", "SYN-SENT, O_NONBLOCK", "the ordinary answer"),
          CAUSE("connect", "SYN-SENT, with SO_SNDTIMEO", "the time is over; the attempt goes on"),
      },
      .to_do = "Poll for POLLOUT; then SO_ERROR says 0 or why not.",
      .not_so = "\"A blocking operation is in progress\" is Winsock's meaning." },

    { NAMED(EPROTO), .api = "WEIR_PROTOCOL", .meaning = "an error of the protocol",
      .cause = { CAUSE("connect", "SYN-SENT", "ICMP: parameter problem, the SYN was not "
                                              "understood"),
                 CAUSE("accept", "LISTEN", "an error of the new connection, passed on (never for "
                                           "plain TCP)") },
      .to_do = "For connect: a capture shows who says so, and of what; accept: again." },
};

/* What Windows calls by a name that differs from 'WSA' and ours, and what people type. */
static const struct {
    const char *name;
    int number;
} others[] = {
    { "WSAESHUTDOWN", EPIPE },
    { "ESHUTDOWN", EPIPE },
    { "ETIMEOUT", ETIMEDOUT },
    { "SIGPIPE", EPIPE },
};

unsigned errno_count(void)
{
    return sizeof table / sizeof table[0];
}

const struct errno_entry *errno_at(unsigned i)
{
    return &table[i];
}

static const struct errno_entry *by_number(long number)
{
    for (unsigned i = 0; i < errno_count(); i++)
        if (table[i].number == number || (number != 0 && table[i].winsock == number))
            return &table[i];
    return NULL;
}

const struct errno_entry *errno_find(const char *text)
{
    const size_t len = strlen(text);
    if (len > 0 && len < 6 && strspn(text, "0123456789") == len)
        return by_number(strtol(text, NULL, 10));
    for (unsigned i = 0; i < sizeof others / sizeof others[0]; i++)
        if (strcasecmp(text, others[i].name) == 0)
            return by_number(others[i].number);
    if (strncasecmp(text, "WSA", 3) == 0 && (text[3] == 'E' || text[3] == 'e'))
        text += 3;
    for (unsigned i = 0; i < errno_count(); i++)
        if (strcasecmp(text, table[i].name) == 0 ||
            (table[i].alias != NULL && strcasecmp(text, table[i].alias) == 0))
            return &table[i];
    return NULL;
}
