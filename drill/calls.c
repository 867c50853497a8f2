/* SPDX-License-Identifier: MIT */
#include "calls.h"

#include "symbols.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>

/* ---- what each call takes ----
 *
 * A letter an argument:
 *   i number      D domain           f descriptor       n length of the buffer before it
 *   b c address (own, the peer's)    l its length       o O address and length that come back
 *   w r buffer to write, to read     V v vectors        M m messages
 *   g G option that comes back       s option to set    X number that comes back
 *   P two descriptors that come back                      k offset, or NULL
 *   p poll's list                    e E epoll's event, and the one that comes back
 *   Z a path
 * Behind `/` what the script need not say. */
struct form {
    const char *name;
    enum call_id id;
    const char *args;
};

static const struct form forms[] = {
    { "socket", CALL_socket, "Dii" },
    { "bind", CALL_bind, "fbl" },
    { "listen", CALL_listen, "fi" },
    { "accept", CALL_accept, "foO" },
    { "accept4", CALL_accept4, "foOi" },
    { "connect", CALL_connect, "fcl" },
    { "read", CALL_read, "frn" },
    { "readv", CALL_readv, "fvi" },
    { "recv", CALL_recvfrom, "frni" },
    { "recvfrom", CALL_recvfrom, "frnioO" },
    { "recvmsg", CALL_recvmsg, "fmi" },
    { "write", CALL_write, "fwn" },
    { "writev", CALL_writev, "fVi" },
    { "send", CALL_sendto, "fwni" },
    { "sendto", CALL_sendto, "fwnicl" },
    { "sendmsg", CALL_sendmsg, "fMi" },
    { "sendfile", CALL_sendfile, "ffXi" },
    { "open", CALL_open, "Zi/i" },
    { "fcntl", CALL_fcntl, "fi/i" },
    { "ioctl", CALL_ioctl, "fi/X" },
    { "close", CALL_close, "f" },
    { "shutdown", CALL_shutdown, "fi" },
    { "getsockopt", CALL_getsockopt, "fiigG" },
    { "setsockopt", CALL_setsockopt, "fiisi" },
    { "getsockname", CALL_getsockname, "foO" },
    { "getpeername", CALL_getpeername, "foO" },
    { "poll", CALL_poll, "pii" },
    { "pipe", CALL_pipe, "P" },
    { "splice", CALL_splice, "fkfkii" },
    { "epoll_create", CALL_epoll_create, "i" },
    { "epoll_create1", CALL_epoll_create1, "i" },
    { "epoll_ctl", CALL_epoll_ctl, "fife" },
    { "epoll_wait", CALL_epoll_wait, "fEii" },
};

static const struct form *form_of(struct run *run, const struct event *event)
{
    for (unsigned i = 0; i < sizeof forms / sizeof forms[0]; i++)
        if (strcmp(forms[i].name, event->text) == 0)
            return &forms[i];
    run_fail(run, "the call %s() is not understood", event->text);
}

/* ---- values ---- */

/* What scripts for both families call the level and the type of an extended error. */
static bool symbol_of_family(const struct run *run, const char *name, int64_t *value)
{
    const bool v4 = run->config->mode == MODE_IPV4;
    if (strcmp(name, "CMSG_LEVEL_IP") == 0)
        *value = v4 ? SOL_IP : SOL_IPV6;
    else if (strcmp(name, "CMSG_TYPE_RECVERR") == 0)
        *value = v4 ? IP_RECVERR : IPV6_RECVERR;
    else
        return false;
    return true;
}

int64_t number_of(struct run *run, const struct node *node)
{
    int64_t value = 0;
    switch (node->kind) {
    case NODE_NUMBER:
        return node->number;
    case NODE_WORD:
        if (!symbol_of_family(run, node->text, &value) && !symbol_value(node->text, &value))
            run_fail(run, "the symbol %s is not known", node->text);
        return value;
    case NODE_OR: {
        int64_t bits = 0;
        for (; node->kind == NODE_OR; node = node->first)
            bits |= number_of(run, node->second);
        return bits | number_of(run, node);
    }
    case NODE_CALL:
        if (node->first != NULL && strcmp(node->text, "htons") == 0)
            return htons((uint16_t)number_of(run, node->first));
        if (node->first != NULL && strcmp(node->text, "htonl") == 0)
            return htonl((uint32_t)number_of(run, node->first));
        break;
    case NODE_LIST:
        if (node->first != NULL && node->first->next == NULL)
            return number_of(run, node->first);
        break;
    default:
        break;
    }
    run_fail(run, "a number is expected in the arguments of %s()", run->event->text);
}

const struct node *field(const struct node *list, const char *name)
{
    for (const struct node *node = list->first; node != NULL; node = node->next)
        if (node->kind == NODE_FIELD && strcmp(node->text, name) == 0)
            return node->first;
    return NULL;
}

int64_t field_number(struct run *run, const struct node *list, const char *name, int64_t otherwise)
{
    const struct node *node = field(list, name);
    return node == NULL || node->kind == NODE_ELLIPSIS || node->kind == NODE_ANY
               ? otherwise
               : number_of(run, node);
}

static int live_fd(struct run *run, int64_t script)
{
    for (unsigned i = RUN_FDS_MAX; i > 0; i--)
        if (run->fd[i - 1].used && run->fd[i - 1].script == script)
            return run->fd[i - 1].live;
    return script < 0 ? (int)script : 1 << 20; /* a number that no socket has */
}

static bool is_datagram(const struct run *run, int64_t script)
{
    for (unsigned i = 0; i < RUN_FDS_MAX; i++)
        if (run->fd[i].used && run->fd[i].script == script)
            return run->fd[i].datagram;
    return false;
}

static void map_fd(struct run *run, int64_t script, long live, bool datagram)
{
    for (unsigned i = 0; i < RUN_FDS_MAX; i++) /* the one that had the number is out of reach */
        if (run->fd[i].used && run->fd[i].script == script)
            run->fd[i].used = false;
    for (unsigned i = 0; i < RUN_FDS_MAX; i++) {
        if (run->fd[i].used)
            continue;
        run->fd[i].script = (int)script;
        run->fd[i].live = (int)live;
        run->fd[i].datagram = datagram;
        run->fd[i].used = true;
        return;
    }
    run_fail(run, "more than %d descriptors", RUN_FDS_MAX);
}

static void unmap_fd(struct run *run, int64_t script)
{
    for (unsigned i = 0; i < RUN_FDS_MAX; i++)
        if (run->fd[i].used && run->fd[i].script == script)
            run->fd[i].used = false;
}

/* ---- addresses ---- */

static long put_address(struct run *run, const struct weir_ip *ip, uint16_t port, socklen_t *len)
{
    if (run->config->mode == MODE_IPV4) {
        struct sockaddr_in *in = arena_take(&run->arena, sizeof *in);
        in->sin_family = AF_INET;
        in->sin_port = htons(port);
        memcpy(&in->sin_addr, ip->octet + 12, 4);
        *len = sizeof *in;
        return (long)in;
    }
    struct sockaddr_in6 *in6 = arena_take(&run->arena, sizeof *in6);
    in6->sin6_family = AF_INET6;
    in6->sin6_port = htons(port);
    memcpy(&in6->sin6_addr, ip->octet, 16);
    *len = sizeof *in6;
    return (long)in6;
}

/* {sa_family = AF_INET, sin_port = htons(8080), sin_addr = inet_addr("192.0.2.1")} */
static long written_address(struct run *run, const struct node *node, socklen_t *len)
{
    struct sockaddr_storage *storage = arena_take(&run->arena, sizeof *storage);
    int64_t family = field_number(run, node, "sa_family", AF_UNSPEC);
    const struct node *text = field(node, "sin_addr");
    if (text == NULL)
        text = field(node, "sin6_addr");
    int64_t port = field_number(run, node, "sin_port", field_number(run, node, "sin6_port", 0));
    storage->ss_family = (sa_family_t)family;
    *len = sizeof(struct sockaddr_in);
    if (family == AF_INET6)
        *len = sizeof(struct sockaddr_in6);
    void *address = family == AF_INET6 ? (void *)&((struct sockaddr_in6 *)storage)->sin6_addr
                                       : (void *)&((struct sockaddr_in *)storage)->sin_addr;
    ((struct sockaddr_in *)storage)->sin_port = (uint16_t)port;
    if (text == NULL)
        return (long)storage;
    if (text->kind == NODE_CALL)
        text = text->first;
    if (text != NULL && text->kind == NODE_STRING &&
        inet_pton(family == AF_INET6 ? AF_INET6 : AF_INET, text->text, address) != 1)
        run_fail(run, "'%s' is no address", text->text);
    return (long)storage;
}

/* ---- arguments ---- */

struct making {
    struct run *run;
    const struct event *event;
    struct call call;
    const struct node *node[8];
    unsigned count;
    size_t buffer_room;
    socklen_t address_len;
};

static long vectors(struct making *m, const struct node *list, size_t *count)
{
    struct run *run = m->run;
    size_t n = 0;
    if (list->kind != NODE_LIST)
        run_fail(run, "a list of vectors is expected: [{..., 1000}]");
    for (const struct node *node = list->first; node != NULL; node = node->next)
        n++;
    struct iovec *iov = arena_take(&run->arena, (n + 1) * sizeof *iov);
    *count = n;
    n = 0;
    for (const struct node *node = list->first; node != NULL; node = node->next, n++) {
        if (node->kind != NODE_STRUCT || node->first == NULL || node->first->next == NULL)
            run_fail(run, "a vector is {..., LENGTH}");
        const int64_t len = number_of(run, node->first->next);
        if (len < 0 || len > (1 << 28))
            run_fail(run, "a vector of %" PRId64 " octets", len);
        iov[n].iov_len = (size_t)len;
        iov[n].iov_base = arena_take(&run->arena, iov[n].iov_len + 1);
    }
    return (long)iov;
}

static long message(struct making *m, const struct node *node)
{
    struct run *run = m->run;
    struct msghdr *msg = arena_take(&run->arena, sizeof *msg);
    if (node->kind != NODE_STRUCT)
        run_fail(run, "a message is {msg_name(...)=..., msg_iov(1)=[{..., 1000}], msg_flags=0}");
    const struct node *name = field(node, "msg_name"), *iov = field(node, "msg_iov");
    const struct node *control = field(node, "msg_control");
    if (iov != NULL)
        msg->msg_iov = (struct iovec *)vectors(m, iov, &msg->msg_iovlen);
    if (control != NULL)
        control_make(run, msg, control, m->call.id == CALL_sendmsg);
    if (name == NULL)
        return (long)msg;
    socklen_t len;
    if (m->call.id == CALL_recvmsg || name->kind == NODE_ELLIPSIS) {
        const bool fast =
            m->call.id == CALL_sendmsg && (number_of(run, m->node[2]) & MSG_FASTOPEN) != 0;
        const bool peer =
            m->call.id == CALL_sendmsg && (fast || is_datagram(run, m->node[0]->number));
        msg->msg_name = (void *)put_address(run, &run->remote, run->connect_port, &len);
        msg->msg_namelen = peer || m->call.id == CALL_recvmsg ? len : 0;
        if (msg->msg_namelen == 0)
            msg->msg_name = NULL;
    } else {
        msg->msg_name = (void *)written_address(run, name, &len);
        msg->msg_namelen = len;
    }
    return (long)msg;
}

static long option_in(struct making *m, const struct node *node)
{
    struct run *run = m->run;
    if (node->kind == NODE_STRING) {
        char *text = arena_take(&run->arena, strlen(node->text) + 17);
        return (long)strcpy(text, node->text);
    }
    const struct node *inner = node->kind == NODE_LIST && node->first != NULL ? node->first : node;
    if (inner->kind != NODE_STRUCT) {
        int *value = arena_take(&run->arena, 2 * sizeof *value);
        if (node->kind != NODE_ELLIPSIS)
            *value = (int)number_of(run, node);
        return (long)value;
    }
    int64_t pair[2] = { 0, 0 };
    unsigned n = 0;
    for (const struct node *f = inner->first; f != NULL && n < 2; f = f->next)
        pair[n++] = number_of(run, f->kind == NODE_FIELD ? f->first : f);
    if (number_of(run, m->node[2]) == SO_LINGER) {
        struct linger *linger = arena_take(&run->arena, sizeof *linger);
        *linger = (struct linger){ (int)pair[0], (int)pair[1] };
        return (long)linger;
    }
    struct timeval *time = arena_take(&run->arena, sizeof *time);
    *time = (struct timeval){ pair[0], pair[1] };
    return (long)time;
}

static long poll_list(struct making *m, const struct node *list)
{
    struct run *run = m->run;
    struct pollfd *fds = arena_take(&run->arena, RUN_FDS_MAX * sizeof *fds);
    unsigned n = 0;
    if (list->kind != NODE_LIST)
        run_fail(run, "poll takes a list: [{fd=3, events=POLLIN, revents=0}]");
    for (const struct node *node = list->first; node != NULL && n < RUN_FDS_MAX;
         node = node->next) {
        fds[n].fd = live_fd(run, field_number(run, node, "fd", -1));
        fds[n++].events = (short)field_number(run, node, "events", 0);
    }
    return (long)fds;
}

static void epoll_value(struct run *run, const struct node *node, struct epoll_event *event)
{
    if (node->kind != NODE_STRUCT)
        run_fail(run, "an epoll event is {events=EPOLLIN, fd=4}");
    event->events = (uint32_t)field_number(run, node, "events", 0);
    const struct node *fd = field(node, "fd");
    if (fd != NULL && fd->kind != NODE_ELLIPSIS)
        event->data.u64 = (uint64_t)live_fd(run, number_of(run, fd));
    else
        event->data.u64 = (uint64_t)field_number(
            run, node, "u64", field_number(run, node, "u32", field_number(run, node, "ptr", 0)));
}

static long buffer(struct making *m, unsigned i)
{
    struct run *run = m->run;
    const struct node *size = i + 1 < m->count ? m->node[i + 1] : NULL;
    int64_t len = size != NULL && size->kind != NODE_ELLIPSIS ? number_of(run, size) : 0;
    if (m->node[i]->kind == NODE_WORD && strcmp(m->node[i]->text, "NULL") == 0)
        return 0;
    if (m->node[i]->kind == NODE_NUMBER)
        return (long)m->node[i]->number; /* a pointer that leads nowhere, on purpose */
    if (len < 0 || len > (1 << 28))
        len = 0;
    m->buffer_room = (size_t)len;
    char *data = arena_take(&run->arena, (size_t)len + 1);
    if (m->node[i]->kind == NODE_STRING)
        memcpy(data, m->node[i]->text,
               strlen(m->node[i]->text) < (size_t)len ? strlen(m->node[i]->text) : (size_t)len);
    return (long)data;
}

static long address(struct making *m, const struct node *node, bool own)
{
    struct run *run = m->run;
    if (node->kind == NODE_STRUCT)
        return written_address(run, node, &m->address_len);
    if (node->kind == NODE_WORD && strcmp(node->text, "AF_UNSPEC") == 0) {
        m->address_len = sizeof(struct sockaddr_storage);
        return (long)arena_take(&run->arena, sizeof(struct sockaddr_storage));
    }
    if (node->kind != NODE_ELLIPSIS)
        return (long)number_of(run, node);
    static const struct weir_ip any6 = { { 0 } };
    const struct weir_ip any4 = weir_ip_v4(0, 0, 0, 0);
    const bool connected = m->call.id == CALL_sendto && !is_datagram(run, m->node[0]->number);
    if (connected) { /* a stream's sendto(..., 0, ..., ...) without Fast Open names nobody */
        const struct node *flags = m->node[3];
        if ((number_of(run, flags) & MSG_FASTOPEN) == 0)
            return 0;
    }
    const struct weir_ip *ip = !own                             ? &run->remote
                               : !run->anyip                    ? &run->local
                               : run->config->mode == MODE_IPV4 ? &any4
                                                                : &any6;
    return put_address(run, ip, own ? run->bind_port : run->connect_port, &m->address_len);
}

/* A number that the call reads and writes: sendfile()'s offset, an ioctl()'s value. */
static long in_and_out(struct making *m, const struct node *node)
{
    struct run *run = m->run;
    int *value = arena_take(&run->arena, sizeof(int64_t));
    if (m->call.id == CALL_sendfile && node->kind == NODE_WORD)
        return 0; /* NULL */
    if (m->call.id == CALL_sendfile && node->kind != NODE_ELLIPSIS)
        *(int64_t *)(void *)value = number_of(run, node);
    if (m->call.id == CALL_ioctl && node->kind != NODE_ELLIPSIS)
        *value = (int)number_of(run, node); /* FIONBIO takes it; the others overwrite it */
    return (long)value;
}

static long make_argument(struct making *m, char kind, unsigned i)
{
    struct run *run = m->run;
    const struct node *node = m->node[i];
    size_t count;
    switch (kind) {
    case 'D':
        if (node->kind == NODE_ELLIPSIS)
            return run->config->mode == MODE_IPV4 ? AF_INET : AF_INET6;
        return (long)number_of(run, node);
    case 'f':
        return live_fd(run, number_of(run, node));
    case 'b':
    case 'c':
        return address(m, node, kind == 'b');
    case 'l':
        return node->kind == NODE_ELLIPSIS ? (long)m->address_len : (long)number_of(run, node);
    case 'o':
        return (long)arena_take(&run->arena, sizeof(struct sockaddr_storage));
    case 'O': {
        socklen_t *len = arena_take(&run->arena, sizeof *len);
        *len = sizeof(struct sockaddr_storage);
        return (long)len;
    }
    case 'w':
    case 'r':
        return buffer(m, i);
    case 'v':
    case 'V':
        return vectors(m, node, &count);
    case 'm':
    case 'M':
        return message(m, node);
    case 'g':
        return (long)arena_take(&run->arena, 1024);
    case 'G': {
        socklen_t *len = arena_take(&run->arena, sizeof *len);
        *len = node->kind == NODE_ELLIPSIS ? 1024 : (socklen_t)number_of(run, node);
        return (long)len;
    }
    case 's':
        return option_in(m, node);
    case 'Z':
        if (node->kind != NODE_STRING)
            run_fail(run, "a path is expected in the arguments of %s()", run->event->text);
        return (long)node->text;
    case 'X':
        return in_and_out(m, node);
    case 'p':
        return poll_list(m, node);
    case 'P':
        return (long)arena_take(&run->arena, 2 * sizeof(int));
    case 'k': {
        int64_t *at = arena_take(&run->arena, sizeof *at);
        *at = number_of(run, node);
        return *at != 0 ? (long)at : 0; /* NULL */
    }
    case 'e':
    case 'E': {
        struct epoll_event *events = arena_take(&run->arena, RUN_FDS_MAX * sizeof *events);
        if (kind == 'e' && node->kind != NODE_ELLIPSIS && node->kind != NODE_NUMBER)
            epoll_value(run, node, events);
        return (long)events;
    }
    default:
        return (long)number_of(run, node);
    }
}

static void make_call(struct making *m, const struct form *form)
{
    m->call.id = form->id;
    for (const struct node *node = m->event->args->first; node != NULL; node = node->next) {
        if (m->count == 7)
            run_fail(m->run, "%s() with more than seven arguments", form->name);
        m->node[m->count++] = node;
    }
    unsigned i = 0;
    bool optional = false;
    for (const char *kind = form->args; *kind != '\0'; kind++) {
        if (*kind == '/') {
            optional = true;
            continue;
        }
        if (i == m->count && optional)
            return;
        if (i == m->count)
            run_fail(m->run, "%s() has too few arguments", form->name);
        m->call.arg[i] = make_argument(m, *kind, i);
        i++;
    }
    if (i < m->count)
        run_fail(m->run, "%s() has too many arguments", form->name);
}

/* ---- what came back ---- */

void expect_number(struct run *run, const char *what, int64_t seen, const struct node *node)
{
    if (node == NULL || node->kind == NODE_ELLIPSIS || node->kind == NODE_ANY)
        return;
    const int64_t wanted = number_of(run, node);
    if (seen != wanted)
        run_fail(run, "another %s\n  expected: %" PRId64 "\n  seen:     %" PRId64, what, wanted,
                 seen);
}

static void check_option(struct run *run, const struct call *call, const struct node *node)
{
    const void *data = (const void *)call->arg[3];
    if (node->kind == NODE_ELLIPSIS)
        return;
    if (node->kind == NODE_STRING) {
        if (strcmp(data, node->text) != 0)
            run_fail(run, "another value\n  expected: \"%s\"\n  seen:     \"%s\"", node->text,
                     (const char *)data);
        return;
    }
    const struct node *inner = node->kind == NODE_LIST && node->first != NULL ? node->first : node;
    if (inner->kind == NODE_STRUCT) {
        const int *pair = data;
        unsigned i = 0;
        for (const struct node *f = inner->first; f != NULL && i < 2; f = f->next)
            expect_number(run, "value", pair[i++], f->kind == NODE_FIELD ? f->first : f);
        return;
    }
    int value;
    memcpy(&value, data, sizeof value);
    if (*(const socklen_t *)call->arg[4] == 1)
        value = *(const uint8_t *)data;
    expect_number(run, "value", value, node);
}

static void check_poll(struct run *run, const struct call *call, const struct node *list)
{
    const struct pollfd *fds = (const struct pollfd *)call->arg[0];
    unsigned i = 0;
    for (const struct node *node = list->first; node != NULL && i < RUN_FDS_MAX; node = node->next)
        expect_number(run, "revents", fds[i++].revents, field(node, "revents"));
}

static void check_epoll(struct run *run, const struct call *call, const struct node *node,
                        long result)
{
    const struct epoll_event *events = (const struct epoll_event *)call->arg[1];
    struct epoll_event wanted = { 0 };
    long i = 0;
    if (node->kind == NODE_ELLIPSIS || result == 0)
        return;
    if (node->kind == NODE_LIST)
        node = node->first;
    for (; node != NULL && node->kind == NODE_STRUCT && i < result; node = node->next, i++) {
        epoll_value(run, node, &wanted);
        if (events[i].events != wanted.events)
            run_fail(run, "other events\n  expected: 0x%x\n  seen:     0x%x", wanted.events,
                     events[i].events);
        if (events[i].data.u64 != wanted.data.u64)
            run_fail(run, "the events of another descriptor");
        if (call->id == CALL_epoll_wait && run->event->args->first->next == node)
            break;
    }
}

static void check_zero(struct run *run, const char *data, long len)
{
    for (long i = 0; i < len; i++)
        if (data[i] != 0)
            run_fail(run, "octet %ld that was read is not what was sent", i);
}

static void check_outputs(struct run *run, const struct event *event, const struct call *call,
                          long result)
{
    const struct node *args = event->args->first;
    const struct node *third = args != NULL && args->next != NULL ? args->next->next : NULL;
    switch (call->id) {
    case CALL_getsockopt:
        check_option(run, call, third->next);
        break;
    case CALL_ioctl:
        if (third != NULL)
            expect_number(run, "value", *(const int *)call->arg[2], third);
        break;
    case CALL_poll:
        check_poll(run, call, args);
        break;
    case CALL_epoll_wait:
        check_epoll(run, call, args->next, result);
        break;
    case CALL_read:
    case CALL_recvfrom:
        check_zero(run, (const char *)call->arg[1], result < call->arg[2] ? result : call->arg[2]);
        break;
    case CALL_recvmsg:
        expect_number(run, "msg_flags", ((const struct msghdr *)call->arg[1])->msg_flags,
                      field(args->next, "msg_flags"));
        control_check(run, (const struct msghdr *)call->arg[1], field(args->next, "msg_control"));
        break;
    default:
        break;
    }
}

/* ---- what a call means for the conversations ---- */

static struct flow *flow_of(struct run *run, int fd)
{
    for (struct flow *flow = run->flows; flow != NULL; flow = flow->next)
        if (flow->fd == fd)
            return flow;
    return NULL;
}

/* Before: a connect must be known when its SYN leaves. */
static void before_call(struct run *run, const struct call *call, const struct event *event)
{
    const struct node *args = event->args->first;
    const bool datagram = args != NULL && is_datagram(run, args->number);
    const bool fast = (call->id == CALL_sendto && (call->arg[3] & MSG_FASTOPEN) != 0) ||
                      (call->id == CALL_sendmsg && (call->arg[2] & MSG_FASTOPEN) != 0);
    if ((call->id == CALL_connect || (fast && !datagram)) &&
        (datagram || flow_of(run, (int)call->arg[0]) == NULL)) {
        struct flow *flow = run_flow(run, true, datagram);
        flow->fd = (int)call->arg[0];
    }
    if (call->id == CALL_sendto && datagram && run->current == NULL)
        run_flow(run, true, true)->fd = (int)call->arg[0];
}

static void check_peer(struct run *run, const struct call *call)
{
    const struct sockaddr_storage *storage = (const struct sockaddr_storage *)call->arg[1];
    const uint16_t port = ntohs(((const struct sockaddr_in *)storage)->sin_port);
    for (struct flow *flow = run->flows; flow != NULL; flow = flow->next) {
        if (flow->udp || flow->active || flow->remote_port != port)
            continue;
        run->current = flow;
        return;
    }
    run_fail(run, "accept() gave a connection with port %u, which no peer has", port);
}

static void after_call(struct run *run, const struct event *event, const struct call *call,
                       long result)
{
    const struct node *args = event->args->first;
    switch (call->id) {
    case CALL_socket:
        map_fd(run, number_of(run, event->result), result,
               (number_of(run, args->next) & 0xf) == SOCK_DGRAM);
        break;
    case CALL_open:
    case CALL_epoll_create:
    case CALL_epoll_create1:
        map_fd(run, number_of(run, event->result), result, false);
        break;
    case CALL_pipe:
        if (args->kind != NODE_LIST || args->first == NULL || args->first->next == NULL)
            run_fail(run, "pipe takes two descriptors: [5, 6]");
        map_fd(run, number_of(run, args->first), ((const int *)call->arg[0])[0], false);
        map_fd(run, number_of(run, args->first->next), ((const int *)call->arg[0])[1], false);
        break;
    case CALL_accept:
    case CALL_accept4:
        map_fd(run, number_of(run, event->result), result, false);
        check_peer(run, call);
        run->current->fd = (int)result;
        break;
    case CALL_bind:
        if (is_datagram(run, args->number)) {
            struct flow *flow = run_flow(run, false, true);
            flow->fd = (int)call->arg[0];
        }
        break;
    case CALL_listen:
        if (run->current == NULL || run->current->active || run->current->iss_known)
            run_flow(run, false, false);
        break;
    case CALL_close: {
        struct flow *flow = flow_of(run, (int)call->arg[0]);
        if (flow != NULL)
            flow->fd = FLOW_NO_FD;
        unmap_fd(run, args->number);
        break;
    }
    default:
        break;
    }
}

/* ---- running it ---- */

bool call_sends(enum call_id id)
{
    return id == CALL_write || id == CALL_writev || id == CALL_sendto || id == CALL_sendmsg;
}

static bool makes_fd(enum call_id id)
{
    return id == CALL_socket || id == CALL_accept || id == CALL_accept4 ||
           id == CALL_epoll_create || id == CALL_epoll_create1 || id == CALL_open;
}

static const char *outcome(long result, char text[64])
{
    if (result >= 0)
        snprintf(text, 64, "%ld", result);
    else
        snprintf(text, 64, "-1 %s",
                 errno_name((int)-result) != NULL ? errno_name((int)-result) : "?");
    return text;
}

static void check_result(struct run *run, const struct event *event, const struct call *call,
                         long result)
{
    char seen[64];
    if (event->result == NULL)
        return;
    const int64_t wanted = number_of(run, event->result);
    const int error = event->error != NULL ? errno_number(event->error) : 0;
    if (event->error != NULL && error == 0)
        run_fail(run, "no errno is called %s", event->error);
    bool good = wanted == result;
    if (wanted == -1)
        good = result < 0 && (event->error == NULL || -result == error);
    else if (makes_fd(call->id))
        good = result >= 0;
    if (!good)
        run_fail(run, "another result\n  expected: %" PRId64 "%s%s\n  seen:     %s", wanted,
                 event->error != NULL ? " " : "", event->error != NULL ? event->error : "",
                 outcome(result, seen));
}

void call_finish(struct run *run, long result, weir_time when)
{
    const struct event *event = run->waiting, *under_way = run->event;
    const struct call call = run->waiting_call;
    char seen[64];
    run->waiting = NULL;
    run->event = event;
    if (event->when.has_end)
        run_note(run, "%10.6f      %s() returns %s", (double)when / (double)WEIR_SECOND,
                 event->text, outcome(result, seen));
    const weir_time slack = run_tolerance(run, run->waiting_end - run->waiting_start);
    if (when < run->waiting_end - slack || when > run->waiting_end + slack)
        run_fail(run, "%s() came back at another time\n  expected: %.6f\n  seen:     %.6f",
                 event->text, (double)run->waiting_end / (double)WEIR_SECOND,
                 (double)when / (double)WEIR_SECOND);
    check_result(run, event, &call, result);
    if (result >= 0) {
        check_outputs(run, event, &call, result);
        after_call(run, event, &call, result);
    }
    run->event = under_way;
}

long call_raw(struct run *run, struct call call)
{
    return run->subject.call(run->subject.self, &call, false);
}

char *call_show(const struct event *event, char text[PACKET_TEXT])
{
    size_t len = (size_t)snprintf(text, PACKET_TEXT, "%s(", event->text);
    for (const struct node *node = event->args->first; node != NULL && len + 40 < PACKET_TEXT;
         node = node->next) {
        const char *comma = node->next != NULL ? ", " : "";
        int n;
        if (node->kind == NODE_NUMBER)
            n = snprintf(text + len, PACKET_TEXT - len, "%" PRId64 "%s", node->number, comma);
        else
            n = snprintf(text + len, PACKET_TEXT - len, "%.24s%s",
                         node->kind == NODE_WORD ? node->text : "...", comma);
        len += (size_t)n;
    }
    snprintf(text + len, PACKET_TEXT - len, ")");
    return text;
}

void call_event(struct run *run, const struct event *event)
{
    struct making making = { .run = run, .event = event };
    const struct form *form = form_of(run, event);
    char text[PACKET_TEXT], seen[64];
    run->event = event;
    make_call(&making, form);
    before_call(run, &making.call, event);
    const bool may_wait = event->when.has_end;
    const long result = run->subject.call(run->subject.self, &making.call, may_wait);
    const double now = (double)run_now(run) / (double)WEIR_SECOND;
    if (result == CALL_BLOCKS) {
        run_note(run, "%10.6f      %s waits", now, call_show(event, text));
        if (!may_wait)
            run_fail(run, "%s() would wait; the script gives it no end (START...END)", event->text);
    } else if (!may_wait) {
        const bool fd = makes_fd(form->id) && result >= 0 && event->result != NULL;
        run_note(run, "%10.6f      %s = %s", now, call_show(event, text),
                 outcome(fd ? (long)number_of(run, event->result) : result, seen));
    }
    run->waiting = event;
    run->waiting_call = making.call;
    run->waiting_start = run->last;
    run->waiting_end = run->last + (may_wait ? event->when.end - event->when.at : 0);
    if (result == CALL_BLOCKS)
        return;
    if (!may_wait)
        run->waiting_end = run_now(run); /* it has no time of its own to keep */
    call_finish(run, result, run_now(run));
}
