/* SPDX-License-Identifier: MIT */
#include "ipc/sight.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

/* An instance that is stopped or hangs must not stop those who look. */
#define ANSWER_LIMIT 5 /* seconds */

int sight_connect(struct sight_client *client, const char *path)
{
    struct sockaddr_un name = { .sun_family = AF_UNIX };
    const struct timeval limit = { ANSWER_LIMIT, 0 };
    *client = (struct sight_client){ .fd = -1 };
    if (strlen(path) >= sizeof name.sun_path)
        return -ENAMETOOLONG;
    memcpy(name.sun_path, path, strlen(path));
    const int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) < 0 ||
        connect(fd, (struct sockaddr *)&name, sizeof name) < 0) {
        const int error = -errno;
        close(fd);
        return error;
    }
    client->fd = fd;
    return 0;
}

void sight_close(struct sight_client *client)
{
    if (client->fd >= 0)
        close(client->fd);
    client->fd = -1;
}

/* Who may not look is sent away without a word, which may come before or after our first one. */
static int closed_on_us(int error)
{
    return error == EPIPE || error == ECONNRESET ? -EACCES : -error;
}

static int exchange(struct sight_client *client, const struct sight_request *request,
                    struct sight_page *page)
{
    struct iovec iov = { page, SIGHT_PAGE_MAX };
    struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };
    ssize_t got;
    if (send(client->fd, request, sizeof *request, MSG_NOSIGNAL) < 0)
        return closed_on_us(errno);
    do
        got = recvmsg(client->fd, &message, 0);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return errno == EAGAIN ? -ETIMEDOUT : closed_on_us(errno);
    if (got == 0)
        return -EACCES;
    if ((size_t)got < sizeof *page || page->magic != SIGHT_MAGIC || page->version != SIGHT_VERSION)
        return -EPROTO;
    const size_t each = (size_t)page->head_len + page->info_len + page->tail_len;
    if (page->error < 0 || page->count > (SIGHT_PAGE_MAX - sizeof *page) ||
        (size_t)got < sizeof *page + page->count * each)
        return -EPROTO;
    client->secrets = (page->flags & SIGHT_SECRETS) != 0;
    client->now = page->now;
    client->epoch = page->epoch;
    client->pid = page->pid;
    client->lost += page->lost;
    return -page->error;
}

typedef bool record_fn(void *user, const void *on_one, const struct sight_page *page,
                       const uint8_t *record);

struct asking {
    struct sight_client *client;
    struct sight_request request;
    record_fn *take;
    const void *on_one; /* points to the asker's function */
    void *user;
};

static int ask_all(struct asking *asking)
{
    struct sight_page *page = calloc(1, SIGHT_PAGE_MAX);
    if (page == NULL)
        return -ENOMEM;
    int error = 0;
    bool more = true;
    asking->client->lost = 0;
    asking->request.magic = SIGHT_MAGIC;
    asking->request.version = SIGHT_VERSION;
    while (more && (error = exchange(asking->client, &asking->request, page)) == 0) {
        const size_t each = (size_t)page->head_len + page->info_len + page->tail_len;
        const uint8_t *record = (const uint8_t *)(page + 1);
        for (uint32_t i = 0; more && i < page->count; i++, record += each)
            more = asking->take(asking->user, asking->on_one, page, record);
        asking->request.cursor = page->cursor;
        more = more && (page->flags & SIGHT_END) == 0;
    }
    free(page);
    return error;
}

static void take_part(void *to, size_t room, const uint8_t **from, uint16_t len)
{
    memset(to, 0, room);
    memcpy(to, *from, len < room ? len : room);
    *from += len;
}

static bool take_flow(void *user, const void *on_one, const struct sight_page *page,
                      const uint8_t *record)
{
    struct sight_flow flow;
    take_part(&flow.head, sizeof flow.head, &record, page->head_len);
    take_part(&flow.info, sizeof flow.info, &record, page->info_len);
    take_part(&flow.tail, sizeof flow.tail, &record, page->tail_len);
    return (*(sight_flow_fn *const *)on_one)(user, &flow);
}

int sight_snapshot(struct sight_client *client, struct sight_request *request,
                   sight_flow_fn *on_flow, void *user)
{
    struct asking asking = { client, *request, take_flow, &on_flow, user };
    asking.request.kind = SIGHT_SNAPSHOT;
    const int error = ask_all(&asking);
    request->cursor = asking.request.cursor;
    return error;
}

static bool take_record(void *user, const void *on_one, const struct sight_page *page,
                        const uint8_t *record)
{
    struct weir_record one;
    take_part(&one, sizeof one, &record, page->head_len);
    return (*(sight_record_fn *const *)on_one)(user, &one);
}

int sight_stream(struct sight_client *client, enum weir_trace_ring ring, uint64_t *cursor,
                 sight_record_fn *on_record, void *user)
{
    struct asking asking = { client, { 0 }, take_record, &on_record, user };
    asking.request.kind = SIGHT_STREAM;
    asking.request.want = ring;
    asking.request.cursor = *cursor;
    const int error = ask_all(&asking);
    *cursor = asking.request.cursor;
    return error;
}

static bool take_counter(void *user, const void *on_one, const struct sight_page *page,
                         const uint8_t *record)
{
    struct sight_counter one;
    take_part(&one, sizeof one, &record, page->head_len);
    one.name[sizeof one.name - 1] = '\0';
    return (*(sight_counter_fn *const *)on_one)(user, &one);
}

int sight_counters(struct sight_client *client, sight_counter_fn *on_counter, void *user)
{
    struct asking asking = { client, { 0 }, take_counter, &on_counter, user };
    asking.request.kind = SIGHT_COUNTERS;
    return ask_all(&asking);
}

static bool take_device(void *user, const void *on_one, const struct sight_page *page,
                        const uint8_t *record)
{
    struct sight_device one;
    take_part(&one, sizeof one, &record, page->head_len);
    one.name[sizeof one.name - 1] = '\0';
    return (*(sight_device_fn *const *)on_one)(user, &one);
}

int sight_devices(struct sight_client *client, sight_device_fn *on_device, void *user)
{
    struct asking asking = { client, { 0 }, take_device, &on_device, user };
    asking.request.kind = SIGHT_DEVICES;
    return ask_all(&asking);
}
