/* SPDX-License-Identifier: MIT */

/* Calls on UDP sockets that wait, and what sending and receiving have in common. */

#include "udp.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

/* syscall: ioctl close */

#define RUN_WAITS_MAX (UDP_WAITS_MAX / 2) /* of one run, whatever its quota */

#define LOOK      WEIR_SECOND /* for calls that were withdrawn: nobody tells us */
#define SEND_LOOK WEIR_MS     /* for room in weir's ring */

struct udp_job udp_job_of(struct call *call, struct udp_socket *socket)
{
    struct udp_job job = {
        .host = call->weird->udp,
        .socket = socket,
        .run = call->run,
        .id = call->id,
        .pid = call->pid,
        .nr = call->nr,
        .s = call->s,
    };
    memcpy(job.arg, call->arg, sizeof job.arg);
    return job;
}

bool udp_job_answer(const struct udp_job *job, int64_t value)
{
    struct seccomp_notif_resp answer = { .id = job->id };
    if (value < 0)
        answer.error = (int)value;
    else
        answer.val = value;
    return ioctl(job->run->notify, SECCOMP_IOCTL_NOTIF_SEND, &answer) == 0;
}

/* ---- Waiting ---- */

void udp_wait_end(struct udp_wait *wait)
{
    struct udp_host *host = wait->job.host;
    if (!wait->sends)
        weir_loop_remove_fd(host->weird->loop, wait->job.s);
    close(wait->job.s);
    wait->job.id = 0;
    while (host->wait_top > 0 && host->wait[host->wait_top - 1].job.id == 0)
        host->wait_top--;
}

static void on_readable(void *user, int fd, uint32_t ready, weir_time now)
{
    struct udp_wait *wait = user;
    (void)fd;
    (void)ready;
    (void)now;
    if (!call_valid(wait->job.run, wait->job.id) || udp_recv_again(&wait->job))
        udp_wait_end(wait);
}

/* The time is over: what came until then is the answer. */
static void expire(struct udp_wait *wait)
{
    (void)udp_job_answer(&wait->job, wait->job.done > 0 ? (int64_t)wait->job.done : -EAGAIN);
    udp_wait_end(wait);
}

static void set_timer(struct udp_host *host, weir_time now);

static void look(void *user, weir_time now)
{
    struct udp_host *host = user;
    for (unsigned i = 0; i < host->wait_top; i++) {
        struct udp_wait *wait = &host->wait[i];
        if (wait->job.id == 0)
            continue;
        if (!call_valid(wait->job.run, wait->job.id) ||
            (wait->sends && udp_send_again(&wait->job, now)))
            udp_wait_end(wait);
        else if (wait->deadline <= now)
            expire(wait);
    }
    set_timer(host, now);
}

static void set_timer(struct udp_host *host, weir_time now)
{
    weir_time first = WEIR_NEVER;
    for (unsigned i = 0; i < host->wait_top; i++) {
        const struct udp_wait *wait = &host->wait[i];
        const weir_time next = now + (wait->sends ? SEND_LOOK : LOOK);
        const weir_time at = wait->deadline < next ? wait->deadline : next;
        if (wait->job.id != 0 && at < first)
            first = at;
    }
    host->timer.on_time = look;
    host->timer.user = host;
    if (first != WEIR_NEVER)
        weir_loop_set_timer(host->weird->loop, &host->timer, first);
    else
        weir_loop_clear_timer(host->weird->loop, &host->timer);
}

bool udp_wait_again(const struct udp_job *job)
{
    struct udp_host *host = job->host;
    for (unsigned i = 0; i < host->wait_top; i++) {
        const struct udp_job *old = &host->wait[i].job;
        if (old->id == 0 || old->pid != job->pid)
            continue;
        const bool again = old->nr == job->nr && memcmp(old->arg, job->arg, sizeof old->arg) == 0;
        udp_wait_end(&host->wait[i]);
        return again;
    }
    return false;
}

void udp_wait_add(struct call *call, const struct udp_job *job, bool sends, weir_time deadline)
{
    struct udp_host *host = job->host;
    unsigned slot = 0, held = 0;
    for (unsigned i = 0; i < host->wait_top; i++)
        held += host->wait[i].job.id != 0 && host->wait[i].job.run == job->run;
    while (slot < host->wait_top && host->wait[slot].job.id != 0)
        slot++;
    struct udp_wait *wait = &host->wait[slot];
    if (slot == UDP_WAITS_MAX || held >= RUN_WAITS_MAX || held >= host->weird->run_calls_max ||
        (!sends && weir_loop_add_fd(host->weird->loop, job->s, EPOLLIN, on_readable, wait) < 0)) {
        call_error(call, ENOBUFS);
        return;
    }
    *wait = (struct udp_wait){ .job = *job, .sends = sends, .deadline = deadline };
    call->s = -1;
    if (slot == host->wait_top)
        host->wait_top++;
    set_timer(host, call->now);
}

void udp_end_waiting(struct weird *weird)
{
    struct udp_host *host = weird->udp;
    for (unsigned i = 0; host != NULL && i < UDP_WAITS_MAX; i++) {
        const struct udp_job *job = &host->wait[i].job;
        if (job->id != 0 && job->run->notify >= 0)
            call_answer(job->run, job->id, -ECONNABORTED);
    }
}

/* ---- Message headers ---- */

int udp_header_read(const struct udp_job *job, uint64_t at, struct msghdr *header,
                    struct iovec *iov, unsigned *count)
{
    if (!memory_read(job->pid, at, header, sizeof *header))
        return EFAULT;
    if (header->msg_iovlen > IOV_MAX)
        return EMSGSIZE;
    if (header->msg_name == NULL)
        header->msg_namelen = 0;
    if ((int)header->msg_namelen < 0)
        return EINVAL;
    *count = (unsigned)header->msg_iovlen;
    const size_t len = *count * sizeof *iov;
    return len == 0 || memory_read(job->pid, (uint64_t)(uintptr_t)header->msg_iov, iov, len)
               ? 0
               : EFAULT;
}
