/* SPDX-License-Identifier: MIT */

/* recvfrom, recvmsg and recvmmsg: the datagram comes from S, the names from its id. */

#include "udp_words.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* syscall: recvmsg getsockopt fcntl process_vm_writev process_vm_readv */

#define CONTROL_MAX 1024 /* what the kernel tells us; what the program gets is no more */
#define VECTOR_MAX  1024 /* messages of a vector, as Linux */
#define STALE_MAX   256  /* datagrams from forgotten ids, in one call */

/* Where the program wants it. */
struct place {
    struct iovec *iov;
    unsigned count;
    uint64_t name, name_len_at;
    uint64_t control, header; /* header 0: recvfrom */
    size_t control_room;
    int flags;
};

/* What came. */
struct taken {
    struct msghdr native;
    struct sockaddr_in6 name;
    _Alignas(struct cmsghdr) char control[CONTROL_MAX];
    struct sockaddr_in id;
    struct weir_addr from, to;
};

static size_t room_of(const struct place *place)
{
    size_t room = 0;
    for (unsigned i = 0; i < place->count; i++)
        room = place->iov[i].iov_len < UDP_DATA_MAX - room ? room + place->iov[i].iov_len
                                                           : UDP_DATA_MAX;
    return room;
}

/* From the error queue, which is read in full: a datagram that was sent says by its headers where
 * it went. Cuts it to the program's room. */
static ssize_t take_error(struct udp_host *host, struct msghdr *native, ssize_t got, size_t room)
{
    size_t len = (size_t)got;
    if (got > 0 && udp_sent_is_frame(native))
        len = udp_sent_rename(host, host->in, len, sizeof host->in);
    if (len <= room)
        return (ssize_t)len;
    native->msg_flags |= MSG_TRUNC;
    return (ssize_t)room;
}

/* One message of S, whose id is known. The length as recvmsg gives it, or -errno. */
static ssize_t take(const struct udp_job *job, const struct place *place, struct taken *taken)
{
    struct udp_host *host = job->host;
    const bool error = (place->flags & MSG_ERRQUEUE) != 0;
    const size_t room = room_of(place);
    for (unsigned i = 0; i < STALE_MAX; i++) {
        struct iovec iov = { host->in, error ? sizeof host->in : room };
        memset(&taken->name, 0, sizeof taken->name);
        taken->native = (struct msghdr){ .msg_name = &taken->name,
                                         .msg_namelen = sizeof taken->name,
                                         .msg_iov = &iov,
                                         .msg_iovlen = 1,
                                         .msg_control = taken->control,
                                         .msg_controllen = sizeof taken->control };
        const int flags = place->flags & (MSG_PEEK | MSG_TRUNC | MSG_ERRQUEUE);
        ssize_t got = recvmsg(job->s, &taken->native, flags | MSG_DONTWAIT);
        if (got < 0)
            return -errno;
        if (error)
            got = take_error(host, &taken->native, got, room);
        taken->native.msg_iov = NULL;
        if (taken->native.msg_namelen == 0) /* shut down for reading, or a word of the kernel's */
            return got;
        if (!udp_native_read(&taken->name, &taken->id))
            continue;
        if (udp_id_read(host->ids, taken->id.sin_addr, &taken->from, &taken->to))
            return got;
        if (job->socket->connected &&
            taken->id.sin_addr.s_addr == job->socket->peer.sin_addr.s_addr) {
            taken->from = job->socket->remote;
            taken->to = job->socket->local;
            return got;
        }
        /* Whoever sent it has been forgotten meanwhile: lost, as in a full queue. */
    }
    return -EAGAIN;
}

static bool scatter(const struct udp_job *job, const struct place *place, size_t len)
{
    const struct iovec local = { job->host->in, len };
    return len == 0 ||
           process_vm_writev(job->pid, &local, 1, place->iov, place->count, 0) == (ssize_t)len;
}

static bool write_header(const struct udp_job *job, const struct place *place, struct taken *taken)
{
    static uint8_t control[CONTROL_MAX];
    bool cut = (taken->native.msg_flags & MSG_CTRUNC) != 0;
    const size_t room = place->control_room < sizeof control ? place->control_room : sizeof control;
    const struct udp_telling telling = { job->host, job->socket, &taken->native, &taken->to };
    const size_t len = udp_cmsg_write(&telling, control, room, &cut);
    struct msghdr header;
    const int flags = (taken->native.msg_flags & ~MSG_CTRUNC) | (cut ? MSG_CTRUNC : 0);
    const uint64_t at = place->header;
    return (len == 0 || memory_write(job->pid, place->control, control, len)) &&
           memory_write(job->pid, at + offsetof(struct msghdr, msg_controllen), &len,
                        sizeof header.msg_controllen) &&
           memory_write(job->pid, at + offsetof(struct msghdr, msg_flags), &flags, sizeof flags);
}

/* To the program. 0 or errno. */
static int deliver(const struct udp_job *job, const struct place *place, struct taken *taken,
                   ssize_t got)
{
    const size_t room = room_of(place);
    if (!scatter(job, place, (size_t)got < room ? (size_t)got : room))
        return EFAULT;
    if (place->name != 0 && taken->native.msg_namelen != 0) {
        const int error = address_write(job->pid, job->socket->family, &taken->from, place->name,
                                        place->name_len_at);
        if (error != 0)
            return error;
    } else if (place->name != 0) {
        const socklen_t none = 0;
        if (!memory_write(job->pid, place->name_len_at, &none, sizeof none))
            return EFAULT;
    }
    return place->header == 0 || write_header(job, place, taken) ? 0 : EFAULT;
}

/* The call was withdrawn after the datagram was taken: it waits for the next one. */
static void put_back(const struct udp_job *job, const struct place *place,
                     const struct taken *taken, size_t len)
{
    const struct weir_datagram info = { .ttl = 64 };
    if ((place->flags & (MSG_PEEK | MSG_ERRQUEUE)) != 0 || taken->native.msg_namelen == 0 ||
        (taken->native.msg_flags & MSG_TRUNC) != 0)
        return;
    udp_give(job->host, job->socket, taken->id.sin_addr, &info,
             (struct iovec){ job->host->in, len }, udp_cmsg_piece(&taken->native));
}

/* ---- The three calls ---- */

static struct iovec buffers[IOV_MAX];

static int place_of_from(const struct udp_job *job, struct place *place)
{
    buffers[0] = (struct iovec){ (void *)(uintptr_t)job->arg[1], job->arg[2] };
    *place = (struct place){ .iov = buffers,
                             .count = 1,
                             .name = job->arg[4],
                             .name_len_at = job->arg[5],
                             .flags = (int)job->arg[3] };
    return 0;
}

static int place_of_msg(const struct udp_job *job, uint64_t at, int flags, struct place *place)
{
    struct msghdr header;
    *place = (struct place){ .iov = buffers, .header = at, .flags = flags };
    const int error = udp_header_read(job, at, &header, buffers, &place->count);
    place->name = (uint64_t)(uintptr_t)header.msg_name;
    place->name_len_at = at + offsetof(struct msghdr, msg_namelen);
    place->control = (uint64_t)(uintptr_t)header.msg_control;
    place->control_room = header.msg_control != NULL ? header.msg_controllen : 0;
    return error;
}

/* One message, answered. False: nothing is there. */
static bool receive_one(const struct udp_job *job)
{
    struct place place;
    struct taken taken;
    int error = job->nr == __NR_recvfrom ? place_of_from(job, &place)
                                         : place_of_msg(job, job->arg[1], (int)job->arg[2], &place);
    if (error != 0) {
        (void)udp_job_answer(job, -error);
        return true;
    }
    ssize_t got = take(job, &place, &taken);
    if (got == -EAGAIN)
        return false;
    if (got >= 0 && (error = deliver(job, &place, &taken, got)) != 0)
        got = -error;
    if (!udp_job_answer(job, got) && got >= 0)
        put_back(job, &place, &taken, (size_t)got);
    return true;
}

static bool receive_vector(struct udp_job *job)
{
    const unsigned wanted = job->arg[2] < VECTOR_MAX ? (unsigned)job->arg[2] : VECTOR_MAX;
    const int flags = (int)job->arg[3];
    int64_t error = 0;
    while (job->done < wanted && error == 0) {
        const uint64_t at = job->arg[1] + job->done * sizeof(struct mmsghdr);
        struct place place;
        struct taken taken;
        error = -place_of_msg(job, at, flags & ~MSG_WAITFORONE, &place);
        if (error != 0)
            break;
        const ssize_t got = take(job, &place, &taken);
        if (got == -EAGAIN && (job->done == 0 || (flags & (MSG_WAITFORONE | MSG_DONTWAIT)) == 0))
            return false;
        error = got >= 0 ? -deliver(job, &place, &taken, got) : got;
        const unsigned len = (unsigned)got;
        if (error == 0 &&
            !memory_write(job->pid, at + offsetof(struct mmsghdr, msg_len), &len, sizeof len))
            error = -EFAULT;
        if (error == 0)
            job->done++;
    }
    (void)udp_job_answer(job, job->done > 0 ? (int64_t)job->done : error);
    return true;
}

bool udp_recv_again(struct udp_job *job)
{
    return job->nr == __NR_recvmmsg ? receive_vector(job) : receive_one(job);
}

static int flags_of(const struct udp_job *job)
{
    return (int)job->arg[job->nr == __NR_recvmsg ? 2 : 3];
}

static weir_time deadline_of(const struct udp_job *job, weir_time now)
{
    struct timeval limit = { 0 };
    struct timespec span;
    socklen_t len = sizeof limit;
    weir_time deadline = WEIR_NEVER;
    if (getsockopt(job->s, SOL_SOCKET, SO_RCVTIMEO, &limit, &len) == 0 &&
        (limit.tv_sec != 0 || limit.tv_usec != 0))
        deadline = now + limit.tv_sec * WEIR_SECOND + limit.tv_usec * WEIR_US;
    /* Linux looks at recvmmsg's own only when a datagram has come; then it is over at once. */
    if (job->nr == __NR_recvmmsg && job->arg[4] != 0 && job->done > 0 &&
        memory_read(job->pid, job->arg[4], &span, sizeof span) &&
        now + span.tv_sec * WEIR_SECOND + span.tv_nsec < deadline)
        deadline = now + span.tv_sec * WEIR_SECOND + span.tv_nsec;
    return deadline;
}

/* Linux judges recvmmsg's time before it looks at anything else. 0 or errno. */
static int bad_time(const struct udp_job *job)
{
    struct timespec span;
    if (job->nr != __NR_recvmmsg || job->arg[4] == 0)
        return 0;
    if (!memory_read(job->pid, job->arg[4], &span, sizeof span))
        return EFAULT;
    return span.tv_sec < 0 || span.tv_nsec < 0 || span.tv_nsec >= WEIR_SECOND ? EINVAL : 0;
}

void udp_call_recv(struct call *call, struct udp_socket *socket)
{
    struct udp_job job = udp_job_of(call, socket);
    const int error = bad_time(&job);
    if (error != 0) {
        (void)udp_job_answer(&job, -error);
        return;
    }
    if (udp_recv_again(&job))
        return;
    const int mode = fcntl(call->s, F_GETFL);
    if ((flags_of(&job) & (MSG_DONTWAIT | MSG_ERRQUEUE)) != 0 || (mode & O_NONBLOCK) != 0)
        (void)udp_job_answer(&job, job.done > 0 ? (int64_t)job.done : -EAGAIN);
    else if (call->run->exact && udp_wait_again(&job) && deadline_of(&job, 0) != WEIR_NEVER)
        (void)udp_job_answer(&job, -EINTR); /* as exact.c */
    else
        udp_wait_add(call, &job, false, deadline_of(&job, call->now));
}
