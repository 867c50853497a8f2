/* SPDX-License-Identifier: MIT */
#include "companion.h"

#include "sandbox.h"

#include "weir/loop.h"

#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* syscall: clock_gettime readv writev */

#define QUICK       WEIR_MS /* from one call to the next; and so long it stays awake */
#define QUICK_LEAST 8
#define LOOKS       64 /* between two readings of the clock */

#if defined __x86_64__ || defined __i386__
#define PAUSE() __builtin_ia32_pause() /* leaves what they share to a core's other thread */
#else
#define PAUSE() (void)0
#endif

/* ---- The companion ---- */

static void stay_awake(const struct companion *companion)
{
    while (weir_loop_clock() < atomic_load(&companion->end))
        for (unsigned i = 0; i < LOOKS; i++)
            PAUSE();
}

_Noreturn static void accompany(struct companion *companion)
{
    uint64_t woken;
    const struct iovec iov = { &woken, sizeof woken };
    do {
        stay_awake(companion);
        atomic_store(&companion->asleep, true);
        /* Who has not seen that we sleep has set the time before. */
        if (weir_loop_clock() < atomic_load(&companion->end))
            atomic_store(&companion->asleep, false);
    } while (!atomic_load(&companion->asleep) || readv(companion->fd, &iov, 1) > 0);
    _exit(0);
}

/* It has nothing of weird's but the memory, and ends with it. */
_Noreturn static void become(struct companion *companion, pid_t weird, bool filter)
{
    char wrong[SANDBOX_WHY_MAX];
    const unsigned fd = (unsigned)companion->fd;
    (void)prctl(PR_SET_NAME, "weird-companion");
    (void)setsid();
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != weird ||
        (fd > 0 && syscall(SYS_close_range, 0u, fd - 1, 0u) < 0) ||
        syscall(SYS_close_range, fd + 1, ~0u, 0u) < 0 || setpriority(PRIO_PROCESS, 0, 19) < 0)
        _exit(1);
    if (filter && !sandbox_filter(SANDBOX_WEIRD, false, wrong))
        _exit(1);
    accompany(companion);
}

/* ---- weird ---- */

int companion_cpus(void)
{
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
}

void companion_start(struct companion *companion, bool filter)
{
    companion->fd = companion_cpus() == 2 ? eventfd(0, EFD_CLOEXEC) : -1;
    if (companion->fd < 0)
        return;
    const pid_t weird = getpid(), pid = fork();
    if (pid == 0)
        become(companion, weird, filter);
    if (pid < 0) {
        close(companion->fd);
        companion->fd = -1;
    }
}

weir_time companion_call(struct companion *companion, weir_time now)
{
    const bool quick = now - companion->last < QUICK;
    companion->last = now;
    if (!quick)
        companion->quick = 0;
    else if (companion->quick < QUICK_LEAST)
        companion->quick++;
    if (companion->quick < QUICK_LEAST || companion->fd < 0)
        return 0;
    atomic_store(&companion->end, now + QUICK);
    if (atomic_exchange(&companion->asleep, false)) {
        uint64_t one = 1;
        const struct iovec iov = { &one, sizeof one };
        (void)!writev(companion->fd, &iov, 1);
    }
    return now + QUICK;
}
