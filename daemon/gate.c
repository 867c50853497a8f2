/* SPDX-License-Identifier: MIT */

/* weird's side of the ports that lead to the host and back. */

#include "gate.h"

#include "parts.h"

#include <errno.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/uio.h>
#include <unistd.h>

/* syscall: readv sendmsg recvmsg shutdown close */

#define EVENT_MARK  (UINT64_C(1) << 62) /* of the cookies of our connections and listeners */
#define LISTENER    (UINT64_C(1) << 32)
#define BACKLOG     64
#define TURN_OCTETS (256 * 1024) /* each way, before others have their turn */
#define PIECE       (128 * 1024)
#define DATAGRAM    65536
#define STALE       (75 * WEIR_SECOND) /* admitted, but its peer never came */

enum link_state {
    LINK_FREE,
    LINK_ASKED,    /* the porter connects on the host's side, the SYN waits */
    LINK_ADMITTED, /* it has, and the handshake with the program is under way */
    LINK_OPENING,  /* we connect to the program that listens */
    LINK_OPEN,
};

struct link {
    enum link_state state;
    uint32_t id;
    int fd; /* to the porter; -1: not yet */
    bool udp, v6, read_eof, gave_eof, hung_up;
    weir_handle handle; /* of the SYN, then of the connection */
    struct weir_addr remote;
    weir_time since;
};

static struct gate {
    struct weird *weird;
    int channel; /* -1: there is no porter */
    uint32_t serial;
    struct link link[GATE_LINKS_MAX];
    weir_handle listener[2 * HOST_LOOPBACK_MAX];
    unsigned listener_count;
    uint8_t datagram[DATAGRAM];
} gate = { .channel = -1 };

/* ---- Messages ---- */

bool gate_send(int channel, const struct gate_message *message, int fd)
{
    union {
        char octets[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } rights;
    struct iovec iov = { (void *)(uintptr_t)message, sizeof *message };
    struct msghdr header = { .msg_iov = &iov, .msg_iovlen = 1 };
    memset(&rights, 0, sizeof rights);
    if (fd >= 0) {
        header.msg_control = rights.octets;
        header.msg_controllen = sizeof rights.octets;
        struct cmsghdr *c = CMSG_FIRSTHDR(&header);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof fd);
        memcpy(CMSG_DATA(c), &fd, sizeof fd);
    }
    return sendmsg(channel, &header, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)sizeof *message;
}

int gate_receive(int channel, struct gate_message *message, int *fd)
{
    union {
        char octets[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } rights;
    struct iovec iov = { message, sizeof *message };
    struct msghdr header = { .msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = rights.octets,
                             .msg_controllen = sizeof rights.octets };
    *fd = -1;
    const ssize_t got = recvmsg(channel, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (got < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : -1;
    const struct cmsghdr *c = CMSG_FIRSTHDR(&header);
    if (c != NULL && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
        memcpy(fd, CMSG_DATA(c), sizeof *fd);
    if (got == (ssize_t)sizeof *message)
        return 1;
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
    return -1;
}

static void say_reset(const struct link *link)
{
    const struct gate_message message = { .kind = GATE_RESET, .id = link->id };
    (void)gate_send(gate.channel, &message, -1);
}

/* ---- Links ---- */

static void drop(struct link *link, weir_time now)
{
    if (link->fd >= 0) {
        weir_loop_remove_fd(gate.weird->loop, link->fd);
        close(link->fd);
    }
    if (link->state == LINK_ASKED)
        (void)weir_refuse(gate.weird->weir, link->handle, now);
    else if (link->handle != WEIR_NO_HANDLE)
        (void)weir_release(gate.weird->weir, link->handle, now);
    *link = (struct link){ .fd = -1, .handle = WEIR_NO_HANDLE };
}

/* The connection of the stack has failed: so does the one of the host. */
static void fail_outward(struct link *link, weir_time now)
{
    say_reset(link);
    drop(link, now);
}

static struct link *take_link(enum link_state state, weir_time now)
{
    struct link *found = NULL;
    for (unsigned i = 0; i < GATE_LINKS_MAX; i++) {
        struct link *link = &gate.link[i];
        if (link->state == LINK_ADMITTED && now - link->since > STALE)
            fail_outward(link, now);
        if (found == NULL && link->state == LINK_FREE)
            found = link;
    }
    if (found != NULL)
        *found = (struct link){ .state = state, .fd = -1, .handle = WEIR_NO_HANDLE, .since = now };
    return found;
}

static struct link *find_link(uint32_t id)
{
    for (unsigned i = 0; i < GATE_LINKS_MAX; i++)
        if (gate.link[i].state != LINK_FREE && gate.link[i].id == id)
            return &gate.link[i];
    return NULL;
}

static void own(struct link *link, weir_handle handle)
{
    link->handle = handle;
    (void)weir_set_cookie(gate.weird->weir, handle, EVENT_MARK | (uint64_t)(link - gate.link));
}

/* ---- Octets ---- */

static void take_messages(weir_time now);

enum outcome {
    DONE,    /* nothing more now */
    BLOCKED, /* the other side has no room */
    MORE,    /* the turn is over */
    ENDED,   /* the link is gone */
};

static enum outcome pump_in(struct link *link, weir_time now)
{
    struct weir *weir = gate.weird->weir;
    for (size_t total = 0; total < TURN_OCTETS && !link->read_eof;) {
        struct weir_span span[WEIR_SPANS];
        struct iovec iov[WEIR_SPANS];
        unsigned count = WEIR_SPANS;
        const enum weir_error error = weir_send_room(weir, link->handle, PIECE, span, &count);
        if (error == WEIR_AGAIN)
            return BLOCKED;
        if (error != WEIR_OK) {
            fail_outward(link, now);
            return ENDED;
        }
        for (unsigned i = 0; i < count; i++)
            iov[i] = (struct iovec){ span[i].base, span[i].len };
        const ssize_t got = readv(link->fd, iov, (int)count);
        const size_t len = got > 0 ? (size_t)got : 0;
        if (weir_send_put(weir, link->handle, len, 0, now) != WEIR_OK)
            return DONE; /* an event says why */
        if (got < 0)
            return DONE;
        if (got == 0) {
            const uint32_t id = link->id;
            take_messages(now);
            if (link->id != id) /* not an end but a reset */
                return ENDED;
            link->read_eof = true;
            (void)weir_shutdown(weir, link->handle, now);
        }
        total += len;
    }
    return link->read_eof ? DONE : MORE;
}

static enum outcome pump_out(struct link *link, weir_time now)
{
    struct weir *weir = gate.weird->weir;
    for (size_t total = 0; total < TURN_OCTETS && !link->gave_eof;) {
        struct weir_span span[WEIR_SPANS];
        struct iovec iov[WEIR_SPANS];
        unsigned count = WEIR_SPANS;
        const enum weir_error error = weir_recv_view(weir, link->handle, span, &count);
        if (error == WEIR_AGAIN)
            return DONE;
        if (error != WEIR_OK) {
            fail_outward(link, now);
            return ENDED;
        }
        if (count == 0) {
            link->gave_eof = true;
            (void)shutdown(link->fd, SHUT_WR);
            return DONE;
        }
        for (unsigned i = 0; i < count; i++)
            iov[i] = (struct iovec){ span[i].base, span[i].len };
        const struct msghdr message = { .msg_iov = iov, .msg_iovlen = count };
        const ssize_t put = sendmsg(link->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (put < 0) /* the porter has closed it: a message of it says that this is a reset */
            return BLOCKED;
        if (weir_recv_took(weir, link->handle, (size_t)put, now) != WEIR_OK)
            return DONE;
        total += (size_t)put;
    }
    if (!link->gave_eof)
        weir_rearm(weir, link->handle);
    return DONE;
}

static void on_fd(void *user, int fd, uint32_t ready, weir_time now);

static void pump(struct link *link, weir_time now)
{
    const enum outcome out = pump_out(link, now);
    const enum outcome in = out == ENDED ? ENDED : pump_in(link, now);
    if (in == ENDED)
        return;
    if (link->read_eof && link->gave_eof) { /* what is queued is still sent */
        drop(link, now);
        return;
    }
    const uint32_t wanted =
        (!link->read_eof && in != BLOCKED ? EPOLLIN : 0u) | (out == BLOCKED ? EPOLLOUT : 0u);
    if (link->hung_up) /* told again and again otherwise; the stack's events go on */
        weir_loop_remove_fd(gate.weird->loop, link->fd);
    else
        (void)!weir_loop_add_fd(gate.weird->loop, link->fd, wanted, on_fd, link);
}

/* ---- Datagrams ---- */

static void from_porter(struct link *link, weir_time now)
{
    for (unsigned i = 0; i < BACKLOG; i++) {
        const ssize_t got = octets_recv(link->fd, gate.datagram, sizeof gate.datagram, 0);
        if (got < 0)
            return;
        (void)!weir_udp_send(gate.weird->weir, link->handle, NULL, gate.datagram, (size_t)got, now);
    }
}

static void to_porter(const struct link *link)
{
    struct weir_datagram info;
    for (unsigned i = 0; i < BACKLOG; i++) {
        if (weir_udp_recv(gate.weird->weir, link->handle, gate.datagram, sizeof gate.datagram,
                          &info) != WEIR_OK)
            return;
        (void)octets_send(link->fd, gate.datagram, info.len, 0);
    }
    weir_rearm(gate.weird->weir, link->handle);
}

static void on_fd(void *user, int fd, uint32_t ready, weir_time now)
{
    struct link *link = user;
    (void)fd;
    if (link->udp) {
        if ((ready & EPOLLHUP) != 0) /* the flow was silent for long */
            drop(link, now);
        else
            from_porter(link, now);
        return;
    }
    if ((ready & (EPOLLHUP | EPOLLERR)) != 0)
        link->hung_up = true;
    pump(link, now);
}

/* ---- To the host's loopback ---- */

static void ask_for(const struct weir_syn *syn, weir_time now)
{
    struct link *link = take_link(LINK_ASKED, now);
    if (link == NULL) {
        (void)weir_refuse(gate.weird->weir, syn->handle, now);
        return;
    }
    link->id = gate.serial += 2;
    link->handle = syn->handle;
    link->remote = syn->remote;
    const struct gate_message message = { .kind = GATE_ASK,
                                          .id = link->id,
                                          .port = syn->local.port,
                                          .v6 = !weir_ip_is_v4(&syn->local.ip) };
    if (!gate_send(gate.channel, &message, -1))
        drop(link, now);
}

static void answered(const struct gate_message *message, int fd, weir_time now)
{
    struct link *link = find_link(message->id);
    if (link == NULL || link->state != LINK_ASKED) {
        if (fd >= 0)
            close(fd);
        return;
    }
    if (fd < 0) {
        drop(link, now); /* refused there, refused here */
        return;
    }
    link->fd = fd;
    const bool admitted = weir_admit(gate.weird->weir, link->handle, now) == WEIR_OK;
    link->state = LINK_ADMITTED;
    link->handle = WEIR_NO_HANDLE;
    link->since = now;
    if (!admitted) /* whoever asked has gone */
        fail_outward(link, now);
}

static void begin(struct link *link, weir_time now)
{
    link->state = LINK_OPEN;
    pump(link, now);
}

/* A connection whose handshake is through: its link waits for it. */
static void arrived(weir_handle conn, weir_time now)
{
    struct weir_status status;
    const bool known = weir_status(gate.weird->weir, conn, &status) == WEIR_OK;
    for (unsigned i = 0; known && i < GATE_LINKS_MAX; i++) {
        struct link *link = &gate.link[i];
        if (link->state == LINK_ADMITTED && link->remote.port == status.remote.port &&
            weir_ip_equal(&link->remote.ip, &status.remote.ip)) {
            own(link, conn);
            begin(link, now);
            return;
        }
    }
    (void)weir_abort(gate.weird->weir, conn, now);
    (void)weir_release(gate.weird->weir, conn, now);
}

static void on_listener(weir_handle listener, weir_time now)
{
    struct weir *weir = gate.weird->weir;
    struct weir_syn syn;
    weir_handle conn;
    while (weir_syn_next(weir, listener, &syn, now) == WEIR_OK)
        ask_for(&syn, now);
    while (weir_accept(weir, listener, &conn, now) == WEIR_OK)
        arrived(conn, now);
}

/* ---- From a published port ---- */

/* An address of ours that is no loopback, so that a program does not take those who come from
 * outside for its own machine's. */
static bool own_address(bool v6, struct weir_ip *ip)
{
    static const struct weir_ip loop6 = { { [15] = 1 } };
    struct weir_address_info info;
    for (unsigned i = 0; weir_address_info(gate.weird->weir, i, &info); i++) {
        const bool v4 = weir_ip_is_v4(&info.ip);
        const bool linklocal = info.ip.octet[0] == 0xfe && (info.ip.octet[1] & 0xc0) == 0x80;
        const bool loopback = v4 ? info.ip.octet[12] == 127 : weir_ip_equal(&info.ip, &loop6);
        if (!linklocal && !loopback && !info.tentative && v4 == !v6) {
            *ip = info.ip;
            return true;
        }
    }
    return false;
}

static bool open_datagrams(struct link *link)
{
    struct weir *weir = gate.weird->weir;
    const struct weir_addr any = { .ip = link->v6 ? (struct weir_ip){ { 0 } }
                                                  : weir_ip_v4(0, 0, 0, 0) };
    weir_handle handle;
    if (weir_udp_open(weir, &any, &handle) != WEIR_OK)
        return false;
    own(link, handle);
    return weir_udp_connect(weir, handle, &link->remote) == WEIR_OK &&
           weir_loop_add_fd(gate.weird->loop, link->fd, EPOLLIN, on_fd, link) == 0;
}

/* To the program that listens; false: there is no way. */
static bool open_link(struct link *link, weir_time now)
{
    weir_handle handle;
    if (!own_address(link->v6, &link->remote.ip))
        return false;
    if (link->udp)
        return open_datagrams(link);
    if (weir_connect(gate.weird->weir, NULL, &link->remote, &handle, now) != WEIR_IN_PROGRESS)
        return false;
    own(link, handle);
    return true;
}

static void came(const struct gate_message *message, int fd, weir_time now)
{
    struct link *link = fd >= 0 ? take_link(LINK_OPENING, now) : NULL;
    if (link == NULL) {
        const struct gate_message reset = { .kind = GATE_RESET, .id = message->id };
        (void)gate_send(gate.channel, &reset, -1);
        if (fd >= 0)
            close(fd);
        return;
    }
    link->id = message->id;
    link->fd = fd;
    link->udp = message->udp;
    link->remote.port = message->port;
    if (link->udp)
        link->state = LINK_OPEN;
    if (open_link(link, now))
        return;
    link->v6 = true;
    if (!open_link(link, now))
        fail_outward(link, now);
}

/* Nobody listens there on IPv4: perhaps on IPv6. */
static void refused(struct link *link, weir_time now)
{
    (void)weir_release(gate.weird->weir, link->handle, now);
    link->handle = WEIR_NO_HANDLE;
    const bool again = !link->v6;
    link->v6 = true;
    if (!again || !open_link(link, now))
        fail_outward(link, now);
}

/* ---- Events ---- */

bool gate_event(struct weird *weird, const struct weir_event *event, weir_time now)
{
    (void)weird;
    if (gate.channel < 0 || (event->cookie & EVENT_MARK) == 0 || event->cookie >> 63 != 0)
        return false;
    const uint64_t place = event->cookie & (LISTENER - 1);
    if ((event->cookie & LISTENER) != 0) {
        on_listener(gate.listener[place], now);
        return true;
    }
    struct link *link = &gate.link[place % GATE_LINKS_MAX];
    if (link->state == LINK_FREE || link->handle != event->handle)
        return true;
    if (link->udp)
        to_porter(link);
    else if (link->state == LINK_OPENING && (event->ready & WEIR_CONNECTED) != 0)
        begin(link, now);
    else if (link->state == LINK_OPENING && (event->ready & (WEIR_ERROR | WEIR_HANGUP)) != 0)
        refused(link, now);
    else if (link->state == LINK_OPEN)
        pump(link, now);
    return true;
}

static void reset_inward(struct link *link, weir_time now)
{
    if (link->handle != WEIR_NO_HANDLE && link->state != LINK_ASKED && !link->udp)
        (void)weir_abort(gate.weird->weir, link->handle, now);
    drop(link, now);
}

static void lose_porter(weir_time now)
{
    weir_loop_remove_fd(gate.weird->loop, gate.channel);
    for (unsigned i = 0; i < GATE_LINKS_MAX; i++)
        if (gate.link[i].state != LINK_FREE)
            reset_inward(&gate.link[i], now);
    for (unsigned i = 0; i < gate.listener_count; i++)
        (void)weir_release(gate.weird->weir, gate.listener[i], now);
    close(gate.channel);
    gate.channel = -1;
    weird_complain("the ports of the host are closed: the process that had them is gone");
}

static void take_messages(weir_time now)
{
    struct gate_message message;
    int passed, got = 0;
    while (gate.channel >= 0 && (got = gate_receive(gate.channel, &message, &passed)) == 1) {
        struct link *link = message.kind == GATE_RESET ? find_link(message.id) : NULL;
        if (message.kind == GATE_ANSWER)
            answered(&message, passed, now);
        else if (message.kind == GATE_COME)
            came(&message, passed, now);
        else if (link != NULL)
            reset_inward(link, now);
    }
    if (got < 0)
        lose_porter(now);
}

static void on_channel(void *user, int fd, uint32_t ready, weir_time now)
{
    (void)user;
    (void)fd;
    (void)ready;
    take_messages(now);
}

/* ---- Begin and end ---- */

static bool listen_at(struct weird *weird, const struct weir_addr *local, char why[WEIR_LINE_MAX])
{
    const unsigned place = gate.listener_count;
    const enum weir_error error = weir_listen(
        weird->weir, local, BACKLOG, WEIR_LISTEN_DEFER | WEIR_LISTEN_V6ONLY, &gate.listener[place]);
    if (error != WEIR_OK) {
        snprintf(why, WEIR_LINE_MAX, "host-loopback %u: %s", local->port, weir_error_text(error));
        return false;
    }
    gate.listener_count++;
    (void)weir_set_cookie(weird->weir, gate.listener[place], EVENT_MARK | LISTENER | place);
    return true;
}

bool gate_open(struct weird *weird, const struct conf *conf, int channel, char why[WEIR_LINE_MAX])
{
    gate.weird = weird;
    gate.channel = channel;
    for (unsigned i = 0; i < GATE_LINKS_MAX; i++)
        gate.link[i] = (struct link){ .fd = -1, .handle = WEIR_NO_HANDLE };
    for (unsigned i = 0; i < conf->ports.loopback_count; i++) {
        const struct weir_addr v4 = { .ip = weir_ip_v4(127, 0, 0, 1),
                                      .port = conf->ports.loopback[i] };
        const struct weir_addr v6 = { .ip = { { [15] = 1 } }, .port = conf->ports.loopback[i] };
        if (!listen_at(weird, &v4, why) || !listen_at(weird, &v6, why))
            return false;
    }
    if (weir_loop_add_fd(weird->loop, channel, EPOLLIN, on_channel, NULL) == 0)
        return true;
    snprintf(why, WEIR_LINE_MAX, "the channel to the host's ports: %m");
    return false;
}

void gate_end(struct weird *weird, weir_time now)
{
    const struct gate_message message = { .kind = GATE_END };
    if (gate.channel < 0)
        return;
    for (unsigned i = 0; i < GATE_LINKS_MAX; i++) {
        struct link *link = &gate.link[i];
        if (link->state == LINK_OPEN && !link->udp)
            pump(link, now);
        if (link->state != LINK_FREE)
            drop(link, now);
    }
    for (unsigned i = 0; i < gate.listener_count; i++)
        (void)weir_release(weird->weir, gate.listener[i], now);
    (void)gate_send(gate.channel, &message, -1);
    weir_loop_remove_fd(weird->loop, gate.channel);
    close(gate.channel);
    gate.channel = -1;
}
