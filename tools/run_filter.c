/* SPDX-License-Identifier: MIT */

/* The filter: what a TCP socket needs is asked of weird, what would go around that does not exist
 * (ENOSYS), and all else is the kernel's.
 *
 * Only calls that can be about a TCP socket and that the kernel would answer differently for an
 * AF_UNIX socket are caught: polling is not, nor is an accept that does not ask for the peer's
 * address. Closing, and reading and writing, are only if that is asked for: the number of a
 * descriptor does not tell what it is, so that each read of each file is caught then. */

#include "run.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#define ARCH    AUDIT_ARCH_X86_64
#define FOREIGN 0x40000000u /* x32 calls begin here */
#elif defined(__aarch64__)
#define ARCH    AUDIT_ARCH_AARCH64
#define FOREIGN 0xffffffffu
#else
#error "weir run is built for x86-64 and aarch64"
#endif

#define FILTER_MAX 160

struct program {
    struct sock_filter line[FILTER_MAX];
    unsigned short len;
};

static void add(struct program *program, struct sock_filter line)
{
    program->line[program->len++] = line;
}

static void load(struct program *program, size_t offset)
{
    add(program, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset));
}

static void result(struct program *program, uint32_t value)
{
    add(program, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, value));
}

/* Skips `count` lines unless what was loaded is `value`. */
static void unless(struct program *program, uint32_t value, uint8_t count)
{
    add(program, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, count));
}

static size_t low_half(unsigned arg) /* both machines are little-endian */
{
    return offsetof(struct seccomp_data, args) + 8 * arg;
}

/* The call's number is loaded. Asks if either half of the argument is not 0. */
static void ask_if_set(struct program *program, uint32_t nr, unsigned arg)
{
    unless(program, nr, 6);
    load(program, low_half(arg));
    unless(program, 0, 3);
    load(program, low_half(arg) + 4);
    unless(program, 0, 1);
    result(program, SECCOMP_RET_ALLOW);
    result(program, SECCOMP_RET_USER_NOTIF);
}

/* sendto and recvfrom: a name in the call is theirs to give or to get, one of these flags is set,
 * or no octets are asked for: who does that wants to know whether there is an error. */
static void ask_if_special(struct program *program, uint32_t nr, uint32_t mask)
{
    const unsigned len = 2, flags = 3, name = 4;
    unless(program, nr, 10);
    load(program, low_half(flags));
    add(program, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, mask, 7, 0));
    load(program, low_half(len));
    add(program, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 5, 0));
    load(program, low_half(name));
    unless(program, 0, 3);
    load(program, low_half(name) + 4);
    unless(program, 0, 1);
    result(program, SECCOMP_RET_ALLOW);
    result(program, SECCOMP_RET_USER_NOTIF);
}

/* How much is queued in a socket (SIOCINQ is what others know as FIONREAD), and the interfaces. */
static void ask_for_ioctls(struct program *program)
{
    unless(program, __NR_ioctl, 8);
    load(program, low_half(1));
    add(program, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SIOCINQ, 5, 0));
    add(program, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SIOCOUTQ, 4, 0));
    add(program, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, SIOCGIFNAME, 0, 1));
    add(program, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, SIOCSIFTXQLEN, 0, 2));
    add(program, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SIOCOUTQNSD, 1, 0));
    result(program, SECCOMP_RET_ALLOW);
    result(program, SECCOMP_RET_USER_NOTIF);
}

/* socket(): only our families and types; the flags above the type do not matter. */
static void ask_for_ours(struct program *program)
{
    unless(program, __NR_socket, 9);
    load(program, low_half(0));
    add(program, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_INET, 2, 0));
    add(program, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_INET6, 1, 0));
    result(program, SECCOMP_RET_ALLOW);
    load(program, low_half(1));
    add(program, (struct sock_filter)BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0xf));
    add(program, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SOCK_STREAM, 1, 0));
    add(program, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SOCK_DGRAM, 0, 1));
    result(program, SECCOMP_RET_USER_NOTIF);
    /* neither: the accumulator no longer holds the number, and no other line is for it */
}

static void ask_always(struct program *program, const uint32_t *calls, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        unless(program, calls[i], 1);
        result(program, SECCOMP_RET_USER_NOTIF);
    }
}

static void build(struct program *program, enum run_also also)
{
    static const uint32_t closing[] = { __NR_close };
    static const uint32_t data[] = {
        __NR_read, __NR_write, __NR_recvfrom, __NR_sendto, __NR_readv, __NR_writev, __NR_sendfile,
    };
    static const uint32_t asked[] = {
        __NR_bind,        __NR_listen,     __NR_connect,    __NR_getsockname,
        __NR_getpeername, __NR_getsockopt, __NR_setsockopt, __NR_shutdown,
        __NR_sendmsg,     __NR_recvmsg,    __NR_sendmmsg,   __NR_recvmmsg,
    };
    static const uint32_t absent[] = { __NR_io_uring_setup, __NR_io_uring_enter,
                                       __NR_io_uring_register };
    load(program, offsetof(struct seccomp_data, arch));
    add(program, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCH, 1, 0));
    result(program, SECCOMP_RET_ERRNO | ENOSYS);
    load(program, offsetof(struct seccomp_data, nr));
    if (also >= RUN_ALSO_CLOSE)
        ask_always(program, closing, 1);
    add(program, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, FOREIGN, 0, 1));
    result(program, SECCOMP_RET_ERRNO | ENOSYS);
    if (also >= RUN_ALSO_DATA)
        ask_always(program, data, sizeof data / sizeof data[0]);
    ask_always(program, asked, sizeof asked / sizeof asked[0]);
    for (unsigned i = 0; i < sizeof absent / sizeof absent[0]; i++) {
        unless(program, absent[i], 1);
        result(program, SECCOMP_RET_ERRNO | ENOSYS);
    }
#ifdef __NR_accept
    ask_if_set(program, __NR_accept, 1);
#endif
    ask_if_set(program, __NR_accept4, 1);
    /* A message header hides whether it has a name: those are asked about always. */
    ask_if_special(program, __NR_sendto, MSG_OOB | MSG_MORE | MSG_FASTOPEN);
    ask_if_special(program, __NR_recvfrom, MSG_TRUNC | MSG_ERRQUEUE);
    ask_for_ioctls(program);
    ask_for_ours(program);
    result(program, SECCOMP_RET_ALLOW);
}

bool run_filter_install(enum run_also also, int *notify, char why[WEIR_LINE_MAX])
{
    struct program program = { .len = 0 };
    build(&program, also);
    const struct sock_fprog filter = { program.len, program.line };
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) {
        snprintf(why, WEIR_LINE_MAX, "no_new_privs: %m");
        return false;
    }
    *notify = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER,
                           &filter);
    if (*notify >= 0)
        return true;
    if (errno == EBUSY)
        snprintf(why, WEIR_LINE_MAX, "this is inside a `weir run` (or the like) already");
    else
        snprintf(why, WEIR_LINE_MAX, "seccomp: %m");
    return false;
}
