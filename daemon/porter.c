/* SPDX-License-Identifier: MIT */

/* The porter: a process in the host's network that has the published ports and connects to the
 * host's loopback, and passes octets between those sockets and weird (gate.h).
 *
 * It is sandboxed like weird, with a filter of its own, once its ports are open. */

#include "gate.h"

#include "io.h"
#include "sandbox.h"

#include "weir/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

/* porter syscall: epoll_ctl epoll_pwait2 clock_gettime exit_group rt_sigreturn */
/* porter syscall: socket socketpair connect accept4 setsockopt getsockopt */
/* porter syscall: readv sendmsg recvmsg shutdown close */

#define DOORS_MAX    (2 * HOST_PUBLISH_MAX) /* without an address: one for each family */
#define BACKLOG      128
#define WAY_OCTETS   65536
#define CHANNEL_SIZE (1 << 20) /* a message for each link always has room */
#define FLOW_SILENT  (120 * WEIR_SECOND)
#define FLOW_LOOK    (10 * WEIR_SECOND)
#define TURN         16
#define HEAP_KEPT    (4 << 20)
#define HEAP_PIECE   (32 << 20)
#define CLOSE_TO     1024 /* descriptors that are closed one by one */

/* One direction: what was read and not yet written. */
struct way {
    size_t at, len;
    bool eof, shut;
    uint8_t octets[WAY_OCTETS];
};

struct door {
    int fd;
    bool udp;
    uint16_t port; /* of the program */
};

struct link {
    uint32_t id; /* 0: free */
    int host;    /* the socket; of datagrams the door's, which is not ours to close */
    int pair;    /* to weird; -1 while we connect */
    bool udp, connecting, host_over, pair_over;
    const struct door *door;
    struct sockaddr_storage peer; /* of datagrams */
    socklen_t peer_len;
    weir_time used;
    struct way in, out; /* from the host; to it */
};

static struct porter {
    struct weir_loop *loop;
    int channel;
    bool ending; /* weird ends in order */
    uint32_t serial;
    struct door door[DOORS_MAX];
    unsigned door_count;
    struct link link[GATE_LINKS_MAX];
    struct weir_loop_timer timer;
    uint8_t datagram[WAY_OCTETS];
} porter;

/* ---- Links ---- */

static struct link *link_free(void)
{
    for (unsigned i = 0; i < GATE_LINKS_MAX; i++)
        if (porter.link[i].id == 0)
            return &porter.link[i];
    return NULL;
}

static struct link *link_take(uint32_t id)
{
    struct link *link = link_free();
    if (link == NULL)
        return NULL;
    memset(link, 0, offsetof(struct link, in));
    link->in.at = link->in.len = link->out.at = link->out.len = 0;
    link->in.eof = link->in.shut = link->out.eof = link->out.shut = false;
    link->id = id;
    link->host = link->pair = -1;
    return link;
}

static void drop_fd(int fd)
{
    if (fd < 0)
        return;
    weir_loop_remove_fd(porter.loop, fd);
    close(fd);
}

static void link_end(struct link *link)
{
    drop_fd(link->pair);
    if (!link->udp)
        drop_fd(link->host);
    link->id = 0;
}

static void reset_host(const struct link *link)
{
    const struct linger now = { 1, 0 };
    if (!link->udp && link->host >= 0)
        (void)setsockopt(link->host, SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

static void link_reset(struct link *link)
{
    const struct gate_message message = { .kind = GATE_RESET, .id = link->id };
    (void)gate_send(porter.channel, &message, -1);
    reset_host(link);
    link_end(link);
}

static struct link *link_find(uint32_t id)
{
    for (unsigned i = 0; i < GATE_LINKS_MAX; i++)
        if (id != 0 && porter.link[i].id == id)
            return &porter.link[i];
    return NULL;
}

/* ---- Octets ---- */

static void take_messages(void);

/* As much as goes. False: the connection has failed. `*ended` on an end of file. */
static bool way_pump(struct way *way, int from, int to)
{
    for (unsigned i = 0; i < TURN; i++) {
        if (way->len == 0 && !way->eof) {
            struct iovec iov = { way->octets, sizeof way->octets };
            const ssize_t got = readv(from, &iov, 1);
            if (got < 0)
                return errno == EAGAIN || errno == EINTR;
            way->at = 0;
            way->len = (size_t)got;
            way->eof = got == 0;
        }
        if (way->len == 0)
            return true;
        const ssize_t put = octets_send(to, way->octets + way->at, way->len, 0);
        if (put < 0)
            return errno == EAGAIN || errno == EINTR;
        way->at += (size_t)put;
        way->len -= (size_t)put;
    }
    return true;
}

/* An end is passed on behind all that came before it. */
static void way_shut(struct way *way, int to)
{
    if (!way->eof || way->len > 0 || way->shut)
        return;
    way->shut = true;
    (void)shutdown(to, SHUT_WR);
}

static void on_host(void *user, int fd, uint32_t ready, weir_time now);
static void on_pair(void *user, int fd, uint32_t ready, weir_time now);

static void watch(int fd, bool over, const struct way *from_it, const struct way *to_it,
                  weir_loop_fd_fn *on_ready, struct link *link)
{
    const uint32_t wanted =
        (!from_it->eof && from_it->len == 0 ? EPOLLIN : 0u) | (to_it->len > 0 ? EPOLLOUT : 0u);
    if (over && (wanted & EPOLLIN) == 0) /* epoll would say so again and again */
        weir_loop_remove_fd(porter.loop, fd);
    else
        (void)!weir_loop_add_fd(porter.loop, fd, wanted, on_ready, link);
}

static void pump(struct link *link)
{
    const uint32_t id = link->id;
    const bool had_eof = link->out.eof;
    const bool good =
        way_pump(&link->out, link->pair, link->host) && way_pump(&link->in, link->host, link->pair);
    if (!good || (link->out.eof && !had_eof)) {
        take_messages(); /* weird may have said that it was a reset, or that all ends */
        if (link->id != id)
            return;
    }
    if (!good && !porter.ending) {
        link_reset(link);
        return;
    }
    way_shut(&link->out, link->host);
    way_shut(&link->in, link->pair);
    if ((link->out.shut && link->in.shut) || !good) {
        link_end(link);
        return;
    }
    watch(link->host, link->host_over, &link->in, &link->out, on_host, link);
    watch(link->pair, link->pair_over, &link->out, &link->in, on_pair, link);
}

static void on_pair(void *user, int fd, uint32_t ready, weir_time now)
{
    struct link *link = user;
    (void)fd;
    if ((ready & (EPOLLHUP | EPOLLERR)) != 0)
        link->pair_over = true;
    if (!link->udp) {
        pump(link);
        return;
    }
    if (link->pair_over) {
        link_end(link);
        return;
    }
    link->used = now;
    for (unsigned i = 0; i < TURN; i++) {
        const ssize_t got = octets_recv(fd, porter.datagram, sizeof porter.datagram, 0);
        if (got < 0)
            return;
        struct iovec iov = { porter.datagram, (size_t)got };
        const struct msghdr message = {
            .msg_name = &link->peer, .msg_namelen = link->peer_len, .msg_iov = &iov, .msg_iovlen = 1
        };
        (void)!sendmsg(link->host, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    }
}

/* ---- To the host's loopback ---- */

static void answer(uint32_t id, int error, int fd)
{
    const struct gate_message message = { .kind = GATE_ANSWER, .id = id, .error = error };
    (void)gate_send(porter.channel, &message, fd);
}

/* The pair that joins it with weird; weird's end, or -1. */
static int join(struct link *link, int type)
{
    int pair[2];
    if (socketpair(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
        return -1;
    link->pair = pair[0];
    return pair[1];
}

static void connected(struct link *link)
{
    int error = 0;
    socklen_t len = sizeof error;
    (void)getsockopt(link->host, SOL_SOCKET, SO_ERROR, &error, &len);
    const int theirs = error == 0 ? join(link, SOCK_STREAM) : -1;
    link->connecting = false;
    if (theirs < 0) {
        answer(link->id, error != 0 ? error : ENFILE, -1);
        link_end(link);
        return;
    }
    answer(link->id, 0, theirs);
    close(theirs);
    pump(link);
}

static void on_host(void *user, int fd, uint32_t ready, weir_time now)
{
    struct link *link = user;
    (void)fd;
    (void)now;
    if (link->connecting) {
        connected(link);
        return;
    }
    if ((ready & (EPOLLHUP | EPOLLERR)) != 0)
        link->host_over = true;
    pump(link);
}

static socklen_t loopback(bool v6, uint16_t port, struct sockaddr_storage *name)
{
    memset(name, 0, sizeof *name);
    if (v6) {
        const struct sockaddr_in6 in6 = { .sin6_family = AF_INET6,
                                          .sin6_port = htons(port),
                                          .sin6_addr = IN6ADDR_LOOPBACK_INIT };
        memcpy(name, &in6, sizeof in6);
        return sizeof in6;
    }
    const struct sockaddr_in in = { .sin_family = AF_INET,
                                    .sin_port = htons(port),
                                    .sin_addr = { htonl(INADDR_LOOPBACK) } };
    memcpy(name, &in, sizeof in);
    return sizeof in;
}

static bool may_reach(const struct host_ports *ports, uint16_t port)
{
    for (unsigned i = 0; i < ports->loopback_count; i++)
        if (ports->loopback[i] == port)
            return true;
    return false;
}

static const struct host_ports *allowed; /* whatever weird asks for */

static void asked(const struct gate_message *message)
{
    struct sockaddr_storage name;
    const socklen_t len = loopback(message->v6, message->port, &name);
    struct link *link = may_reach(allowed, message->port) ? link_take(message->id) : NULL;
    if (link == NULL) {
        answer(message->id, ECONNREFUSED, -1);
        return;
    }
    link->host = socket(name.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    link->connecting = true;
    if (link->host >= 0 &&
        (connect(link->host, (struct sockaddr *)&name, len) == 0 || errno == EINPROGRESS) &&
        weir_loop_add_fd(porter.loop, link->host, EPOLLOUT, on_host, link) == 0)
        return;
    answer(message->id, errno, -1);
    link_end(link);
}

/* ---- From published ports ---- */

static void come(struct link *link, int type)
{
    const struct gate_message message = {
        .kind = GATE_COME, .id = link->id, .port = link->door->port, .udp = link->udp
    };
    const int theirs = join(link, type);
    const bool told = theirs >= 0 && gate_send(porter.channel, &message, theirs);
    if (theirs >= 0)
        close(theirs);
    if (!told) {
        reset_host(link);
        link_end(link);
    }
}

static uint32_t next_id(void)
{
    porter.serial += 2;
    return porter.serial + 1;
}

static void on_door(void *user, int fd, uint32_t ready, weir_time now)
{
    (void)ready;
    (void)now;
    for (unsigned i = 0; i < TURN; i++) {
        const int made = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (made < 0)
            return;
        struct link *link = link_take(next_id());
        if (link == NULL) {
            close(made);
            return;
        }
        link->host = made;
        link->door = user;
        come(link, SOCK_STREAM);
        if (link->id != 0)
            pump(link);
    }
}

static struct link *flow_of(const struct door *door, const struct sockaddr_storage *peer,
                            socklen_t len, weir_time now)
{
    struct link *oldest = NULL;
    for (unsigned i = 0; i < GATE_LINKS_MAX; i++) {
        struct link *link = &porter.link[i];
        if (link->id == 0 || !link->udp)
            continue;
        if (link->door == door && link->peer_len == len && memcmp(&link->peer, peer, len) == 0)
            return link;
        if (oldest == NULL || link->used < oldest->used)
            oldest = link;
    }
    if (link_free() == NULL && oldest != NULL)
        link_end(oldest);
    struct link *link = link_take(next_id());
    if (link == NULL)
        return NULL;
    link->udp = true;
    link->host = door->fd;
    link->door = door;
    link->peer_len = len;
    link->used = now;
    memcpy(&link->peer, peer, len);
    come(link, SOCK_SEQPACKET);
    if (link->id != 0 && weir_loop_add_fd(porter.loop, link->pair, EPOLLIN, on_pair, link) < 0)
        link_end(link);
    return link->id != 0 ? link : NULL;
}

static void on_datagram(void *user, int fd, uint32_t ready, weir_time now)
{
    (void)ready;
    for (unsigned i = 0; i < TURN; i++) {
        struct sockaddr_storage peer;
        struct iovec iov = { porter.datagram, sizeof porter.datagram };
        struct msghdr message = {
            .msg_name = &peer, .msg_namelen = sizeof peer, .msg_iov = &iov, .msg_iovlen = 1
        };
        memset(&peer, 0, sizeof peer);
        const ssize_t got = recvmsg(fd, &message, MSG_DONTWAIT);
        if (got < 0)
            return;
        struct link *link = flow_of(user, &peer, message.msg_namelen, now);
        if (link == NULL)
            continue;
        link->used = now;
        (void)octets_send(link->pair, porter.datagram, (size_t)got, 0); /* or it is lost */
    }
}

static void look_for_silent(void *user, weir_time now)
{
    (void)user;
    for (unsigned i = 0; i < GATE_LINKS_MAX; i++)
        if (porter.link[i].id != 0 && porter.link[i].udp && now - porter.link[i].used > FLOW_SILENT)
            link_end(&porter.link[i]);
    weir_loop_set_timer(porter.loop, &porter.timer, now + FLOW_LOOK);
}

/* ---- The channel ---- */

static void end(void)
{
    for (unsigned i = 0; i < GATE_LINKS_MAX; i++) {
        struct link *link = &porter.link[i];
        if (link->id == 0 || link->udp || link->connecting)
            continue;
        if (porter.ending) /* what weird had still to say */
            (void)way_pump(&link->out, link->pair, link->host);
        else
            reset_host(link);
    }
    _exit(0);
}

static void take_messages(void)
{
    struct gate_message message;
    int fd, got;
    while ((got = gate_receive(porter.channel, &message, &fd)) == 1) {
        struct link *link = message.kind == GATE_RESET ? link_find(message.id) : NULL;
        if (fd >= 0)
            close(fd);
        if (message.kind == GATE_ASK) {
            asked(&message);
        } else if (message.kind == GATE_END) {
            porter.ending = true;
        } else if (link != NULL) {
            reset_host(link);
            link_end(link);
        }
    }
    if (got < 0)
        end();
}

static void on_channel(void *user, int fd, uint32_t ready, weir_time now)
{
    (void)user;
    (void)fd;
    (void)ready;
    (void)now;
    take_messages();
}

/* ---- Birth ---- */

static bool failed(struct gate_message *message, const struct host_publish *publish)
{
    snprintf(message->text, sizeof message->text, "publish %u: %s", publish->host_port,
             strerror(errno));
    return false;
}

static bool open_door(const struct host_publish *publish, const struct sockaddr_storage *name,
                      socklen_t len)
{
    const int on = 1;
    const int type = publish->udp ? SOCK_DGRAM : SOCK_STREAM;
    const int fd = socket(name->ss_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct door *door = &porter.door[porter.door_count];
    if (fd < 0)
        return false;
    if (!publish->udp)
        (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (name->ss_family == AF_INET6)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    if (bind(fd, (const struct sockaddr *)name, len) < 0 ||
        (!publish->udp && listen(fd, BACKLOG) < 0)) {
        const int error = errno;
        close(fd);
        errno = error;
        return false;
    }
    *door = (struct door){ .fd = fd, .udp = publish->udp, .port = publish->port };
    porter.door_count++;
    return weir_loop_add_fd(porter.loop, fd, EPOLLIN, publish->udp ? on_datagram : on_door, door) ==
           0;
}

/* At its address, or at both loopbacks of the host; one without IPv6 has but one. */
static bool publish_one(const struct host_publish *publish)
{
    struct sockaddr_storage name;
    const bool v6 = publish->ip_given && !weir_ip_is_v4(&publish->ip);
    socklen_t len = loopback(v6, publish->host_port, &name);
    if (v6)
        memcpy(&((struct sockaddr_in6 *)&name)->sin6_addr, publish->ip.octet, 16);
    else if (publish->ip_given)
        memcpy(&((struct sockaddr_in *)&name)->sin_addr, publish->ip.octet + 12, 4);
    if (!open_door(publish, &name, len))
        return false;
    len = loopback(true, publish->host_port, &name);
    return publish->ip_given || open_door(publish, &name, len) || errno == EADDRNOTAVAIL ||
           errno == EAFNOSUPPORT;
}

static void forget_others(int channel)
{
    for (int fd = 0; fd < CLOSE_TO; fd++)
        if (fd != channel)
            close(fd);
    (void)open("/dev/null", O_RDWR); /* for whoever writes to 0, 1, 2 by mistake */
    (void)dup(0);
    (void)dup(0);
}

static bool close_up(const struct conf *conf, char why[SANDBOX_WHY_MAX])
{
    struct sandbox sandbox = { .parts = SANDBOX_CAPABILITIES | SANDBOX_DUMPABLE, .mount = "/tmp" };
    if (conf->user[0] != '\0') {
        sandbox.parts |= SANDBOX_USER;
        if (!sandbox_user(conf->user, &sandbox.uid, &sandbox.gid, why))
            return false;
    }
    if (sandbox_may_change_root())
        sandbox.parts |= SANDBOX_ROOT;
    return sandbox_enter(&sandbox, why) && sandbox_filter(SANDBOX_PORTER, false, why);
}

/* What little memory the loop asks for later comes from here. */
static void keep_heap(void)
{
    (void)mallopt(M_MMAP_THRESHOLD, HEAP_PIECE);
    (void)mallopt(M_TRIM_THRESHOLD, HEAP_PIECE);
    void *volatile heap = malloc(HEAP_KEPT); /* volatile: or it would be left out */
    free(heap);
}

static bool prepare(const struct conf *conf, bool sandboxed, struct gate_message *message)
{
    char why[WEIR_LINE_MAX] = "", wrong[SANDBOX_WHY_MAX];
    const int size = CHANNEL_SIZE;
    (void)setsockopt(porter.channel, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    if (weir_loop_open(&porter.loop, NULL, why) < 0 ||
        weir_loop_add_fd(porter.loop, porter.channel, EPOLLIN, on_channel, NULL) < 0)
        return !snprintf(message->text, sizeof message->text, "loop: %.100s", why);
    for (unsigned i = 0; i < conf->ports.publish_count; i++)
        if (!publish_one(&conf->ports.publish[i]))
            return failed(message, &conf->ports.publish[i]);
    keep_heap();
    if (sandboxed && !SANDBOX_SANITIZED && !close_up(conf, wrong))
        return !snprintf(message->text, sizeof message->text, "%.150s", wrong);
    return true;
}

_Noreturn void porter_serve(int channel, const struct conf *conf, bool sandboxed)
{
    struct gate_message message = { .kind = GATE_READY };
    char why[WEIR_LINE_MAX];
    (void)prctl(PR_SET_NAME, "weird-porter");
    signal(SIGINT, SIG_IGN); /* weird decides when it is over */
    signal(SIGTERM, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    (void)setsid();
    forget_others(channel);
    porter.channel = channel;
    allowed = &conf->ports;
    const bool ready = prepare(conf, sandboxed, &message);
    if (!ready)
        message.kind = GATE_FAILED;
    (void)gate_send(channel, &message, -1);
    if (ready) {
        porter.timer = (struct weir_loop_timer){ .on_time = look_for_silent };
        weir_loop_set_timer(porter.loop, &porter.timer, weir_loop_clock() + FLOW_LOOK);
        (void)!weir_loop_run(porter.loop, why);
    }
    _exit(1);
}

int porter_start(const struct conf *conf, bool sandboxed, char why[WEIR_LINE_MAX])
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
        snprintf(why, WEIR_LINE_MAX, "socketpair: %m");
        return -1;
    }
    const pid_t pid = fork();
    if (pid == 0) {
        if (fork() == 0)
            porter_serve(pair[1], conf, sandboxed);
        _exit(0);
    }
    close(pair[1]);
    if (pid > 0)
        (void)waitpid(pid, NULL, 0);
    return pair[0];
}

bool porter_wait(int channel, char why[WEIR_LINE_MAX])
{
    struct gate_message message = { .kind = GATE_FAILED };
    struct pollfd answered = { .fd = channel, .events = POLLIN };
    int fd;
    while (ppoll(&answered, 1, NULL, NULL) < 0 && errno == EINTR)
        continue;
    if (gate_receive(channel, &message, &fd) == 1 && message.kind == GATE_READY)
        return true;
    snprintf(why, WEIR_LINE_MAX, "%.160s",
             message.text[0] != '\0' ? message.text : "the ports of the host cannot be opened");
    return false;
}
