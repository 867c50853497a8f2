/* SPDX-License-Identifier: MIT */
#include "sandbox.h"

#include "syscalls.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pwd.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What libc does by itself: ending. scripts/gen_syscalls.py reads this. */
/* syscall: exit_group */

#if defined __x86_64__
#define OUR_ARCH AUDIT_ARCH_X86_64
#elif defined __aarch64__
#define OUR_ARCH AUDIT_ARCH_AARCH64
#elif defined __i386__
#define OUR_ARCH AUDIT_ARCH_I386
#else
#error "the system calls of this architecture have no name here yet"
#endif

#define X32_BIT 0x40000000u /* x86-64: numbers of another calling convention */
#define CALLS   (sizeof sandbox_calls / sizeof sandbox_calls[0])
#define EXTRA   32 /* instructions beside two for each call */

/* What libc may try all the same and gets over when it is refused: more memory (weird has what it
 * needs when it begins), a call that a stop interrupted, and the kind way of abort(). */
static const struct {
    int call, error;
} refused[] = {
    { __NR_brk, 0 }, /* which answers with the end of the heap: 0 is a failure */
    { __NR_mmap, ENOMEM },
    { __NR_munmap, ENOMEM },
    { __NR_mremap, ENOMEM },
    { __NR_restart_syscall, EINTR },
    { __NR_rt_sigprocmask, EPERM },
    { __NR_rt_sigaction, EPERM },
    { __NR_getpid, EPERM },
    { __NR_gettid, EPERM },
    { __NR_tgkill, EPERM },
    { __NR_ftruncate, EPERM }, /* of a capture on a full disk */
};

static bool failed(char why[SANDBOX_WHY_MAX], const char *what)
{
    snprintf(why, SANDBOX_WHY_MAX, "sandbox: %s: %s", what, strerror(errno));
    return false;
}

bool sandbox_user(const char *name, uid_t *uid, gid_t *gid, char why[SANDBOX_WHY_MAX])
{
    errno = 0;
    const struct passwd *user = getpwnam(name);
    if (user == NULL) {
        snprintf(why, SANDBOX_WHY_MAX, "no user is called %s", name);
        return false;
    }
    *uid = user->pw_uid;
    *gid = user->pw_gid;
    return true;
}

/* ---- The file system ---- */

static bool has_capability(unsigned capability)
{
    struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
    if (syscall(SYS_capget, &header, data) < 0)
        return false;
    return (data[CAP_TO_INDEX(capability)].effective & CAP_TO_MASK(capability)) != 0;
}

bool sandbox_may_change_root(void)
{
    return has_capability(CAP_SYS_ADMIN) && has_capability(CAP_SETUID) &&
           has_capability(CAP_SETGID);
}

/* pivot_root rather than chroot: the old tree is not only out of sight but unmounted. */
static bool enter_root(const struct sandbox *sandbox, char why[SANDBOX_WHY_MAX])
{
    if (unshare(CLONE_NEWNS) < 0)
        return failed(why, "a mount namespace");
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return failed(why, "private mounts");
    if (mount("weird", sandbox->mount, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC,
              "mode=0700,size=1m") < 0)
        return failed(why, "an empty file system");
    if (chdir(sandbox->mount) < 0 || mkdir("proc", 0555) < 0)
        return failed(why, "its directory");
    if (mount("/proc", "proc", NULL, MS_BIND | MS_REC, NULL) < 0)
        return failed(why, "/proc in it");
    /* In a user namespace it may be locked as it is. */
    (void)mount(NULL, "proc", NULL,
                MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
    /* The old root ends up on top of the new one, and goes. */
    if (syscall(SYS_pivot_root, ".", ".") < 0)
        return failed(why, "pivot_root");
    if (umount2(".", MNT_DETACH) < 0)
        return failed(why, "the old file system");
    if (chdir("/") < 0)
        return failed(why, "the new root");
    /* Last, for without CAP_DAC_OVERRIDE root cannot enter what is another's. */
    return (sandbox->parts & SANDBOX_USER) == 0 || chown("/", sandbox->uid, sandbox->gid) == 0 ||
           failed(why, "the new root's owner");
}

/* ---- User and capabilities ---- */

static bool enter_user(const struct sandbox *sandbox, char why[SANDBOX_WHY_MAX])
{
    /* Keeps what is permitted across setuid; drop_capabilities takes away the rest. */
    if (prctl(PR_SET_KEEPCAPS, 1) < 0)
        return failed(why, "keeping capabilities");
    if (setgroups(0, NULL) < 0)
        return failed(why, "groups");
    if (setresgid(sandbox->gid, sandbox->gid, sandbox->gid) < 0)
        return failed(why, "group");
    return setresuid(sandbox->uid, sandbox->uid, sandbox->uid) == 0 || failed(why, "user");
}

/* What no program that we might start could have. It takes CAP_SETPCAP, and so comes before the
 * user changes; who lacks that gains nothing through the set, because no_new_privs is set. */
static void drop_bounding(uint64_t keep)
{
    if (!has_capability(CAP_SETPCAP))
        return;
    for (unsigned i = 0; i < 64; i++)
        if ((keep >> i & 1) == 0)
            (void)prctl(PR_CAPBSET_DROP, i); /* EINVAL: not known to this kernel */
}

static bool drop_capabilities(uint64_t keep, char why[SANDBOX_WHY_MAX])
{
    (void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
    if (syscall(SYS_capget, &header, data) < 0)
        return failed(why, "capget");
    for (unsigned i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
        data[i].permitted &= (uint32_t)(keep >> (32 * i));
        data[i].effective = data[i].permitted;
        data[i].inheritable = 0;
    }
    return syscall(SYS_capset, &header, data) == 0 || failed(why, "capset");
}

/* ---- System calls ---- */

static void add(struct sock_filter *code, unsigned *len, struct sock_filter instruction)
{
    code[(*len)++] = instruction;
}

/* The number is compared with each in turn: forty comparisons are nothing beside the call. Nothing
 * may be mapped, least of all executable, so that a call is all an attacker can make. */
bool sandbox_filter(enum sandbox_who who, bool allow_unnamed, char why[SANDBOX_WHY_MAX])
{
    struct sock_filter code[2 * CALLS + EXTRA];
    static const struct {
        const int *calls;
        size_t count;
    } whose[] = {
        [SANDBOX_WEIRD] = { sandbox_calls, CALLS },
        [SANDBOX_KEEPER] = { keeper_calls, sizeof keeper_calls / sizeof keeper_calls[0] },
        [SANDBOX_PORTER] = { porter_calls, sizeof porter_calls / sizeof porter_calls[0] },
    };
    const int *calls = whose[who].calls;
    const size_t count = whose[who].count;
    _Static_assert(sizeof keeper_calls <= sizeof sandbox_calls &&
                       sizeof porter_calls <= sizeof sandbox_calls,
                   "the code has room for the longest");
    unsigned len = 0;
    const uint32_t otherwise = allow_unnamed ? SECCOMP_RET_ERRNO | EPERM : SECCOMP_RET_KILL_PROCESS;
#define STATEMENT(op, k)     add(code, &len, (struct sock_filter)BPF_STMT(op, k))
#define JUMP(op, k, yes, no) add(code, &len, (struct sock_filter)BPF_JUMP(op, k, yes, no))
    STATEMENT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch));
    JUMP(BPF_JMP | BPF_JEQ | BPF_K, OUR_ARCH, 1, 0);
    STATEMENT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
    STATEMENT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    JUMP(BPF_JMP | BPF_JGE | BPF_K, X32_BIT, 0, 1);
    STATEMENT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
    for (size_t i = 0; i < count; i++) {
        JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)calls[i], 0, 1);
        STATEMENT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    }
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)refused[i].call, 0, 1);
        STATEMENT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t)refused[i].error);
    }
    STATEMENT(BPF_RET | BPF_K, otherwise);
#undef STATEMENT
#undef JUMP
    const struct sock_fprog program = { .len = (unsigned short)len, .filter = code };
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_LOG, &program) == 0 ||
           failed(why, "the filter of system calls");
}

bool sandbox_enter(const struct sandbox *sandbox, char why[SANDBOX_WHY_MAX])
{
    const unsigned parts = sandbox->parts;
    if ((parts & SANDBOX_ROOT) != 0 && !enter_root(sandbox, why))
        return false;
    if ((parts & SANDBOX_CAPABILITIES) != 0)
        drop_bounding(sandbox->keep);
    if ((parts & SANDBOX_USER) != 0 && !enter_user(sandbox, why))
        return false;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return failed(why, "no_new_privs");
    if ((parts & SANDBOX_CAPABILITIES) != 0 && !drop_capabilities(sandbox->keep, why))
        return false;
    if ((parts & SANDBOX_DUMPABLE) != 0 && prctl(PR_SET_DUMPABLE, 0) < 0)
        return failed(why, "dumpable");
    return (parts & SANDBOX_FILTER) == 0 ||
           sandbox_filter(SANDBOX_WEIRD, sandbox->allow_unnamed, why);
}
