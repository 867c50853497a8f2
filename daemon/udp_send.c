/* SPDX-License-Identifier: MIT */

/* sendto, sendmsg and sendmmsg: straight from the program's memory into weir. */

#include "udp_words.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/time.h>
#include <sys/uio.h>

/* syscall: getsockopt fcntl process_vm_readv */

#define CONTROL_MAX 1024
#define VECTOR_MAX  1024
#define PIECES_MAX  128       /* that UDP_SEGMENT makes of one call, as Linux */
#define HEADS_V4    28        /* of IP and UDP */
#define ONLY_PROBE  MSG_PROXY /* which is MSG_PROBE to Linux: all but sent */
#define HEADS_V6    48

/* What the program gives. */
struct given {
    struct iovec *iov;
    unsigned count;
    uint64_t name;
    uint64_t name_len;
    uint64_t control;
    size_t control_len;
    int flags;
};

static struct iovec buffers[IOV_MAX];

static int read_name(const struct udp_job *job, const struct given *given, struct weir_addr *to)
{
    const struct udp_socket *socket = job->socket;
    const struct call call = { .pid = job->pid, .nr = job->nr, .family = socket->family };
    bool unspec;
    const int error = address_read(&call, given->name, given->name_len, to, &unspec);
    if (error != 0)
        return error == EAFNOSUPPORT && socket->family == AF_INET6 ? EINVAL : error;
    if (unspec && socket->family == AF_INET6) { /* as if there were none */
        *to = socket->remote;
        return socket->connected ? 0 : EDESTADDRREQ;
    }
    if (unspec && given->name_len < sizeof(struct sockaddr_in))
        return EINVAL;
    if (to->port == 0)
        return EINVAL;
    const bool v4 = weir_ip_is_v4(&to->ip);
    if (v4 && socket->v6only)
        return ENETUNREACH;
    if (address_any(&to->ip))
        to->ip = v4 ? weir_ip_v4(127, 0, 0, 1) : (struct weir_ip){ { [15] = 1 } };
    return 0;
}

static int read_control(const struct udp_job *job, const struct given *given,
                        struct udp_beside *beside)
{
    static _Alignas(struct cmsghdr) uint8_t control[CONTROL_MAX];
    *beside = (struct udp_beside){ .ttl = -1, .tos = -1, .stamps = -1 };
    if (given->control_len == 0)
        return 0;
    if (given->control_len > sizeof control)
        return ENOBUFS;
    if (!memory_read(job->pid, given->control, control, given->control_len))
        return EFAULT;
    return udp_cmsg_read(job->socket, control, given->control_len, beside);
}

static int gather(const struct udp_job *job, const struct given *given, size_t *len)
{
    *len = 0;
    for (unsigned i = 0; i < given->count; i++) {
        if (given->iov[i].iov_len > UINT16_MAX - *len)
            return EMSGSIZE;
        *len += given->iov[i].iov_len;
    }
    const struct iovec local = { job->host->in, *len };
    return *len == 0 || process_vm_readv(job->pid, &local, 1, given->iov, given->count, 0) ==
                            (ssize_t)*len
               ? 0
               : EFAULT;
}

/* What keeps the socket from sending. */
static int trouble(const struct udp_job *job)
{
    int error = 0;
    socklen_t len = sizeof error;
    if (job->socket->shut_write)
        return EPIPE;
    (void)getsockopt(job->s, SOL_SOCKET, SO_ERROR, &error, &len);
    return error;
}

static int error_of(enum weir_error error)
{
    /* That a neighbour does not answer Linux tells later, if at all. */
    if (error == WEIR_HOST_UNREACH)
        return 0;
    return error == WEIR_NOT_LOCAL ? EINVAL : weir_errno(error);
}

/* Whom it is for. 0 or errno. */
static int find_peer(const struct udp_job *job, const struct given *given, struct weir_addr *to)
{
    const struct udp_socket *socket = job->socket;
    *to = socket->cork != NULL ? socket->cork->to : socket->remote;
    if (socket->cork != NULL) /* for whom its beginning is, whatever the name */
        return 0;
    if (given->name != 0 && given->name_len != 0)
        return read_name(job, given, to);
    return socket->connected ? 0 : EDESTADDRREQ;
}

/* Pieces, of which the last may be shorter, must be packets that are not fragmented. 0 or errno. */
static int bad_pieces(const struct udp_job *job, const struct weir_addr *to, size_t piece,
                      size_t len)
{
    const struct udp_socket *socket = job->socket;
    const struct weird *weird = job->host->weird;
    const size_t mtu = net_is_local(weird, &to->ip) ? UINT16_MAX + 1u : (size_t)weird->dev->mtu;
    const bool v4 = weir_ip_is_v4(&to->ip);
    const size_t whole = (v4 ? HEADS_V4 : HEADS_V6) + (len < piece ? len : piece);
    const bool no_sum = v4 ? socket->no_sum : socket->no_sum6;
    return whole > mtu || len > piece * PIECES_MAX || no_sum ? EINVAL : 0;
}

/* All of it, or as much as weir has room for once it has begun: the rest is lost, as on a full
 * link. 0 or errno. */
static int send_pieces(const struct udp_job *job, const struct weir_udp_how *how,
                       const uint8_t *data, size_t len, size_t piece, weir_time now)
{
    size_t at = 0;
    do {
        const size_t part = len - at < piece ? len - at : piece;
        const enum weir_error error = weir_udp_send_as(job->host->weird->weir, job->socket->handle,
                                                       how, data + at, part, now);
        if (error != WEIR_OK)
            return at == 0 ? error_of(error) : 0;
        at += part;
    } while (at < len);
    return 0;
}

/* To weir; 0 or errno. */
static int hand_over(const struct udp_job *job, const struct weir_addr *to,
                     const struct udp_beside *beside, struct udp_sent *sent, weir_time now)
{
    const struct udp_cork *cork = job->socket->cork;
    sent->data = cork != NULL ? cork->data : job->host->in;
    sent->len = cork != NULL ? cork->len : sent->len;
    sent->stamps = beside->stamps;
    const size_t piece = beside->segment > 0 ? beside->segment : job->socket->segment;
    const int bad = piece > 0 ? bad_pieces(job, to, piece, sent->len) : 0;
    if (bad != 0)
        return bad;
    struct weir_udp_how how = udp_how(job->socket, &to->ip);
    how.to = to;
    how.from = beside->from;
    if (beside->ttl > 0)
        how.ttl = (uint8_t)beside->ttl;
    if (beside->tos >= 0)
        how.tos = (uint8_t)beside->tos;
    const int error =
        send_pieces(job, &how, sent->data, sent->len, piece > 0 ? piece : sent->len, now);
    if (error == 0)
        udp_sent_tell(job, to, sent);
    return error;
}

void udp_send_corked(struct udp_socket *socket, int s, weir_time now)
{
    const struct udp_job job = { .host = socket->weird->udp, .socket = socket, .s = s };
    const struct udp_beside nothing = { .ttl = -1, .tos = -1, .stamps = -1 };
    struct udp_sent sent = { .len = 0 };
    (void)hand_over(&job, &socket->cork->to, &nothing, &sent, now);
    udp_cork_end(socket);
}

/* The length, or -errno; EAGAIN: weir has no room now. */
static int64_t send_one(const struct udp_job *job, const struct given *given, weir_time now)
{
    struct udp_socket *socket = job->socket;
    const bool more = (given->flags & MSG_MORE) != 0 || socket->corked;
    struct weir_addr to;
    struct udp_beside beside;
    size_t len = 0;
    int error = udp_autobind(socket); /* before anything else, also if it goes wrong then */
    if (error == 0)
        error = gather(job, given, &len);
    if (error == 0)
        error = find_peer(job, given, &to);
    if (error == 0 && (given->flags & MSG_OOB) != 0 && weir_ip_is_v4(&to.ip))
        error = EOPNOTSUPP; /* Linux looks for it in IPv4 only */
    if (error == 0)
        error = read_control(job, given, &beside);
    if (error == 0)
        error = trouble(job);
    if (error == 0 && (given->flags & ONLY_PROBE) != 0 && socket->cork == NULL)
        return (int64_t)len;
    if (error == 0 && (more || socket->cork != NULL))
        error = udp_cork_add(socket, &to, job->host->in, len);
    struct udp_sent sent = { .len = len, .flags = given->flags };
    if (error == 0 && !more)
        error = hand_over(job, &to, &beside, &sent, now);
    if (error == EAGAIN && socket->cork != NULL)
        socket->cork->len -= len; /* it comes again */
    else if (error != 0 || !more)
        udp_cork_end(socket); /* after an error nothing of it is left, as on Linux */
    return error != 0 ? -error : (int64_t)len;
}

/* ---- The three calls ---- */

static int given_in_msg(const struct udp_job *job, uint64_t at, int flags, struct given *given)
{
    struct msghdr header;
    *given = (struct given){ .iov = buffers, .flags = flags };
    const int error = udp_header_read(job, at, &header, buffers, &given->count);
    if (error != 0)
        return error;
    given->name = (uint64_t)(uintptr_t)header.msg_name;
    given->name_len = header.msg_namelen;
    given->control = (uint64_t)(uintptr_t)header.msg_control;
    given->control_len = header.msg_control != NULL ? header.msg_controllen : 0;
    return 0;
}

static int given_in_vector(const struct udp_job *job, struct given *given)
{
    *given = (struct given){ .iov = buffers, .count = (unsigned)job->arg[2] };
    if (job->arg[2] > IOV_MAX)
        return EINVAL;
    return given->count == 0 ||
                   memory_read(job->pid, job->arg[1], buffers, given->count * sizeof buffers[0])
               ? 0
               : EFAULT;
}

static int64_t send_single(const struct udp_job *job, weir_time now)
{
    struct given given;
    int error = 0;
    buffers[0] = (struct iovec){ (void *)(uintptr_t)job->arg[1], job->arg[2] };
    if (job->nr == __NR_sendmsg)
        error = given_in_msg(job, job->arg[1], (int)job->arg[2], &given);
    else if (job->nr == __NR_writev)
        error = given_in_vector(job, &given);
    else if (job->nr == __NR_write)
        given = (struct given){ .iov = buffers, .count = 1 };
    else
        given = (struct given){ .iov = buffers,
                                .count = 1,
                                .name = job->arg[4],
                                .name_len = (uint32_t)job->arg[5],
                                .flags = (int)job->arg[3] };
    return error != 0 ? -error : send_one(job, &given, now);
}

static int64_t send_vector(struct udp_job *job, weir_time now)
{
    const unsigned wanted = job->arg[2] < VECTOR_MAX ? (unsigned)job->arg[2] : VECTOR_MAX;
    while (job->done < wanted) {
        const uint64_t at = job->arg[1] + job->done * sizeof(struct mmsghdr);
        struct given given;
        const int error = given_in_msg(job, at, (int)job->arg[3], &given);
        const int64_t sent = error != 0 ? -error : send_one(job, &given, now);
        const unsigned len = (unsigned)sent;
        if (sent < 0)
            return job->done > 0 ? (int64_t)job->done : sent;
        if (!memory_write(job->pid, at + offsetof(struct mmsghdr, msg_len), &len, sizeof len))
            return job->done > 0 ? (int64_t)job->done : -EFAULT;
        job->done++;
    }
    return job->done;
}

bool udp_send_again(struct udp_job *job, weir_time now)
{
    const int64_t sent = job->nr == __NR_sendmmsg ? send_vector(job, now) : send_single(job, now);
    if (sent == -EAGAIN)
        return false;
    (void)udp_job_answer(job, sent);
    return true;
}

static weir_time deadline_of(int s, weir_time now)
{
    struct timeval limit = { 0 };
    socklen_t len = sizeof limit;
    if (getsockopt(s, SOL_SOCKET, SO_SNDTIMEO, &limit, &len) < 0 ||
        (limit.tv_sec == 0 && limit.tv_usec == 0))
        return WEIR_NEVER;
    return now + limit.tv_sec * WEIR_SECOND + limit.tv_usec * WEIR_US;
}

static int flags_of(const struct call *call)
{
    if (call->nr == __NR_write || call->nr == __NR_writev)
        return 0;
    return (int)call->arg[call->nr == __NR_sendmsg ? 2 : 3];
}

/* What a connected S does by itself. Once it has been asked to wait for more, all that follows goes
 * the same way, since the call that ends it may do so, too. */
static bool is_for_itself(const struct call *call, struct udp_socket *socket, int flags)
{
    struct msghdr header = { .msg_name = NULL };
    if (!socket->connected || call->nr == __NR_sendmmsg)
        return false;
    socket->corks = socket->corks || (flags & MSG_MORE) != 0;
    if (call->nr == __NR_write || call->nr == __NR_writev)
        return socket->corks;
    if (call->nr == __NR_sendto)
        return socket->corks && call->arg[4] == 0;
    return socket->corks && memory_read(call->pid, call->arg[1], &header, sizeof header) &&
           header.msg_name == NULL && header.msg_controllen == 0;
}

void udp_call_send(struct call *call, struct udp_socket *socket)
{
    struct udp_job job = udp_job_of(call, socket);
    const int flags = flags_of(call);
    if (is_for_itself(call, socket, flags)) {
        call_continue(call);
        return;
    }
    /* What the program has sent by itself comes first. */
    if (udp_drain(job.host, call->now) && udp_send_again(&job, call->now))
        return;
    const int mode = fcntl(call->s, F_GETFL);
    if ((flags & MSG_DONTWAIT) != 0 || (mode & O_NONBLOCK) != 0)
        (void)udp_job_answer(&job, -EAGAIN);
    else
        udp_wait_add(call, &job, true, deadline_of(call->s, call->now));
}
