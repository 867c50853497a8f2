/* SPDX-License-Identifier: MIT */
#include "calls.h"

#include "symbols.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
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
    int64_t family = value_field_number(run, node, "sa_family", AF_UNSPEC);
    const struct node *text = value_field(node, "sin_addr");
    if (text == NULL)
        text = value_field(node, "sin6_addr");
    int64_t port =
        value_field_number(run, node, "sin_port", value_field_number(run, node, "sin6_port", 0));
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
        const int64_t len = value_number(run, node->first->next);
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
    const struct node *name = value_field(node, "msg_name"), *iov = value_field(node, "msg_iov");
    const struct node *control = value_field(node, "msg_control");
    if (iov != NULL)
        msg->msg_iov = (struct iovec *)vectors(m, iov, &msg->msg_iovlen);
    if (control != NULL)
        control_make(run, msg, control, m->call.id == CALL_sendmsg);
    if (name == NULL)
        return (long)msg;
    socklen_t len;
    if (m->call.id == CALL_recvmsg || name->kind == NODE_ELLIPSIS) {
        const bool fast =
            m->call.id == CALL_sendmsg && (value_number(run, m->node[2]) & MSG_FASTOPEN) != 0;
        const bool peer =
            m->call.id == CALL_sendmsg && (fast || fd_is_datagram(run, m->node[0]->number));
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
        return (long)memcpy(text, node->text, strlen(node->text) + 1);
    }
    const struct node *inner = node->kind == NODE_LIST && node->first != NULL ? node->first : node;
    if (inner->kind != NODE_STRUCT) {
        int *value = arena_take(&run->arena, 2 * sizeof *value);
        if (node->kind != NODE_ELLIPSIS)
            *value = (int)value_number(run, node);
        return (long)value;
    }
    int64_t pair[2] = { 0, 0 };
    unsigned n = 0;
    for (const struct node *f = inner->first; f != NULL && n < 2; f = f->next)
        pair[n++] = value_number(run, f->kind == NODE_FIELD ? f->first : f);
    if (value_number(run, m->node[2]) == SO_LINGER) {
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
        fds[n].fd = fd_live(run, value_field_number(run, node, "fd", -1));
        fds[n++].events = (short)value_field_number(run, node, "events", 0);
    }
    return (long)fds;
}

void value_epoll(struct run *run, const struct node *node, struct epoll_event *event)
{
    if (node->kind != NODE_STRUCT)
        run_fail(run, "an epoll event is {events=EPOLLIN, fd=4}");
    event->events = (uint32_t)value_field_number(run, node, "events", 0);
    const struct node *fd = value_field(node, "fd");
    if (fd != NULL && fd->kind != NODE_ELLIPSIS)
        event->data.u64 = (uint64_t)fd_live(run, value_number(run, fd));
    else
        event->data.u64 = (uint64_t)value_field_number(
            run, node, "u64",
            value_field_number(run, node, "u32", value_field_number(run, node, "ptr", 0)));
}

static long buffer(struct making *m, unsigned i)
{
    struct run *run = m->run;
    const struct node *size = i + 1 < m->count ? m->node[i + 1] : NULL;
    int64_t len = size != NULL && size->kind != NODE_ELLIPSIS ? value_number(run, size) : 0;
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
        return (long)value_number(run, node);
    static const struct weir_ip any6 = { { 0 } };
    const struct weir_ip any4 = weir_ip_v4(0, 0, 0, 0);
    const bool connected = m->call.id == CALL_sendto && !fd_is_datagram(run, m->node[0]->number);
    if (connected) { /* a stream's sendto(..., 0, ..., ...) without Fast Open names nobody */
        const struct node *flags = m->node[3];
        if ((value_number(run, flags) & MSG_FASTOPEN) == 0)
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
        *(int64_t *)(void *)value = value_number(run, node);
    if (m->call.id == CALL_ioctl && node->kind != NODE_ELLIPSIS)
        *value = (int)value_number(run, node); /* FIONBIO takes it; the others overwrite it */
    return (long)value;
}

/* What the call writes into, or reads a number from: memory of the run. */
static long make_room(struct run *run, char kind, const struct node *node)
{
    switch (kind) {
    case 'o':
        return (long)arena_take(&run->arena, sizeof(struct sockaddr_storage));
    case 'O': {
        socklen_t *len = arena_take(&run->arena, sizeof *len);
        *len = sizeof(struct sockaddr_storage);
        return (long)len;
    }
    case 'g':
        return (long)arena_take(&run->arena, 1024);
    case 'G': {
        socklen_t *len = arena_take(&run->arena, sizeof *len);
        *len = node->kind == NODE_ELLIPSIS ? 1024 : (socklen_t)value_number(run, node);
        return (long)len;
    }
    case 'P':
        return (long)arena_take(&run->arena, 2 * sizeof(int));
    case 'k': {
        int64_t *at = arena_take(&run->arena, sizeof *at);
        *at = value_number(run, node);
        return *at != 0 ? (long)at : 0; /* NULL */
    }
    case 'e':
    case 'E': {
        struct epoll_event *events = arena_take(&run->arena, RUN_FDS_MAX * sizeof *events);
        if (kind == 'e' && node->kind != NODE_ELLIPSIS && node->kind != NODE_NUMBER)
            value_epoll(run, node, events);
        return (long)events;
    }
    default:
        return (long)value_number(run, node);
    }
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
        return (long)value_number(run, node);
    case 'f':
        return fd_live(run, value_number(run, node));
    case 'b':
    case 'c':
        return address(m, node, kind == 'b');
    case 'l':
        return node->kind == NODE_ELLIPSIS ? (long)m->address_len : (long)value_number(run, node);
    case 'w':
    case 'r':
        return buffer(m, i);
    case 'v':
    case 'V':
        return vectors(m, node, &count);
    case 'm':
    case 'M':
        return message(m, node);
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
    default:
        return make_room(run, kind, node);
    }
}

struct call call_make(struct run *run, const struct event *event)
{
    const struct form *form = form_of(run, event);
    struct making making = { .run = run, .event = event, .call = { .id = form->id } };
    struct making *m = &making;
    for (const struct node *node = event->args->first; node != NULL; node = node->next) {
        if (m->count == 7)
            run_fail(run, "%s() with more than seven arguments", form->name);
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
            return m->call;
        if (i == m->count)
            run_fail(run, "%s() has too few arguments", form->name);
        m->call.arg[i] = make_argument(m, *kind, i);
        i++;
    }
    if (i < m->count)
        run_fail(run, "%s() has too many arguments", form->name);
    return m->call;
}
