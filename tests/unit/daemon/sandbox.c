/* SPDX-License-Identifier: MIT */

/* daemon/sandbox.c: what was given up is gone. Each case runs in a process of its own, which says
 * in its exit status on which line something was not as it should be. */

#include "daemon/sandbox.h"
#include "tap.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOBODY 65534

static char mount_point[64];

/* In a child: goes on if it holds, ends with the line if not. */
#define HOLDS(condition)                                 \
    do {                                                 \
        if (!(condition))                                \
            syscall(SYS_exit_group, __LINE__ % 250 + 1); \
    } while (0)

static int run(void (*body)(void))
{
    int status = 0;
    fflush(stdout);
    const pid_t pid = fork();
    if (pid == 0) {
        alarm(20);
        body();
        syscall(SYS_exit_group, 0);
    }
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static void enter(unsigned parts, bool allow_unnamed)
{
    char why[SANDBOX_WHY_MAX];
    const struct sandbox sandbox = {
        .parts = parts,
        .mount = mount_point,
        .uid = NOBODY,
        .gid = NOBODY,
        .keep = UINT64_C(1) << CAP_SYS_PTRACE,
        .allow_unnamed = allow_unnamed,
    };
    if (sandbox_enter(&sandbox, why))
        return;
    fprintf(stderr, "# %s\n", why);
    syscall(SYS_exit_group, 255);
}

/* ---- the filter ---- */

static void unnamed_is_refused(void)
{
    enter(SANDBOX_FILTER, true);
    HOLDS(syscall(SYS_getppid) < 0 && errno == EPERM);
    HOLDS(syscall(SYS_execve, "/bin/true", NULL, NULL) < 0 && errno == EPERM);
    HOLDS(syscall(SYS_clone, 0, 0, 0, 0, 0) < 0 && errno == EPERM);
    HOLDS(syscall(SYS_ptrace, 0, 0, 0, 0) < 0 && errno == EPERM);
    HOLDS(syscall(SYS_mount, 0, 0, 0, 0, 0) < 0 && errno == EPERM);
}

static void unnamed_kills(void)
{
    enter(SANDBOX_FILTER, false);
    syscall(SYS_getppid);
}

static void other_convention_kills(void)
{
    enter(SANDBOX_FILTER, true);
    syscall(0x40000000 | SYS_getppid);
}

static void named_works(void)
{
    enter(SANDBOX_FILTER, true);
    HOLDS(close(socket(AF_UNIX, SOCK_STREAM, 0)) == 0);
}

static void no_memory_is_mapped(void)
{
    static char page[8192];
    enter(SANDBOX_FILTER, true);
    HOLDS(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED &&
          errno == ENOMEM);
    HOLDS(mprotect(page, 4096, PROT_READ | PROT_EXEC) < 0 && errno == EPERM);
    void *volatile large = malloc(1 << 24);
    HOLDS(large == NULL);
}

static void abort_ends_it(void)
{
    enter(SANDBOX_FILTER, false);
    abort();
}

/* ---- the rest ---- */

static void is_not_dumpable(void)
{
    enter(SANDBOX_DUMPABLE, true);
    HOLDS(prctl(PR_GET_DUMPABLE) == 0);
    HOLDS(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
}

static uint64_t capabilities(void)
{
    struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
    HOLDS(syscall(SYS_capget, &header, data) == 0);
    HOLDS(data[0].inheritable == 0 && data[1].inheritable == 0);
    HOLDS(data[0].effective == data[0].permitted && data[1].effective == data[1].permitted);
    return data[0].permitted | (uint64_t)data[1].permitted << 32;
}

static void write_map(const char *path, const char *text)
{
    const int fd = open(path, O_WRONLY);
    HOLDS(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
}

/* Root stays what it is; anybody else becomes root of a user namespace. */
static void own_namespace(void)
{
    char uids[32], gids[32];
    if (geteuid() == 0)
        return;
    snprintf(uids, sizeof uids, "0 %u 1", geteuid());
    snprintf(gids, sizeof gids, "0 %u 1", getegid());
    HOLDS(unshare(CLONE_NEWUSER) == 0);
    write_map("/proc/self/setgroups", "deny");
    write_map("/proc/self/uid_map", uids);
    write_map("/proc/self/gid_map", gids);
}

static void capabilities_are_gone(void)
{
    own_namespace();
    HOLDS(sandbox_may_change_root());
    enter(SANDBOX_CAPABILITIES, true);
    HOLDS(capabilities() == UINT64_C(1) << CAP_SYS_PTRACE);
    HOLDS(prctl(PR_CAPBSET_READ, CAP_NET_ADMIN) == 0);
    HOLDS(prctl(PR_CAPBSET_READ, CAP_SETPCAP) == 0);
    HOLDS(prctl(PR_CAPBSET_READ, CAP_SYS_PTRACE) == 1);
    HOLDS(!sandbox_may_change_root());
    HOLDS(setgroups(0, NULL) < 0);
}

static void user_is_another(void)
{
    const gid_t some = 1;
    HOLDS(setgroups(1, &some) == 0);
    enter(SANDBOX_USER | SANDBOX_CAPABILITIES, true);
    uid_t uid[3];
    gid_t gid[3];
    HOLDS(getresuid(&uid[0], &uid[1], &uid[2]) == 0 && getresgid(&gid[0], &gid[1], &gid[2]) == 0);
    for (unsigned i = 0; i < 3; i++)
        HOLDS(uid[i] == NOBODY && gid[i] == NOBODY);
    HOLDS(getgroups(0, NULL) == 0);
    HOLDS(setuid(0) < 0 && setgid(0) < 0);
    HOLDS(capabilities() == UINT64_C(1) << CAP_SYS_PTRACE);
    HOLDS(prctl(PR_CAPBSET_READ, CAP_NET_ADMIN) == 0);
}

static unsigned entries(const char *path)
{
    unsigned count = 0;
    DIR *dir = opendir(path);
    HOLDS(dir != NULL);
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir))
        count += entry->d_name[0] != '.';
    closedir(dir);
    return count;
}

/* A socket whose name is gone is reached through its descriptor, as weird does. */
static void hidden_socket_works(void)
{
    struct sockaddr_un name = { .sun_family = AF_UNIX, .sun_path = "hidden" };
    const int s = socket(AF_UNIX, SOCK_STREAM, 0), c = socket(AF_UNIX, SOCK_STREAM, 0);
    HOLDS(bind(s, (struct sockaddr *)&name, sizeof name) == 0 && listen(s, 1) == 0);
    const int path = open("hidden", O_PATH);
    HOLDS(path >= 0 && unlink("hidden") == 0);
    snprintf(name.sun_path, sizeof name.sun_path, "/proc/self/fd/%d", path);
    HOLDS(connect(c, (struct sockaddr *)&name, sizeof name) == 0);
}

static void look_around(void)
{
    char where[64];
    HOLDS(getcwd(where, sizeof where) != NULL && strcmp(where, "/") == 0);
    HOLDS(entries("/") == 1 && access("/proc/self/fd", F_OK) == 0);
    HOLDS(access("/etc/passwd", F_OK) < 0 && access("..", F_OK) == 0 && entries("..") == 1);
    HOLDS(open("/proc/sys/kernel/domainname", O_WRONLY) < 0);
    hidden_socket_works();
}

static void root_is_empty(void)
{
    own_namespace();
    enter(SANDBOX_ROOT, true);
    look_around();
}

static void all_together(void)
{
    enter(SANDBOX_ROOT | SANDBOX_USER | SANDBOX_CAPABILITIES | SANDBOX_DUMPABLE, true);
    look_around();
    HOLDS(chroot("/proc") < 0);
}

static void bad_mount_is_told(void)
{
    own_namespace();
    char why[SANDBOX_WHY_MAX];
    const struct sandbox sandbox = { .parts = SANDBOX_ROOT, .mount = "/nonexistent" };
    HOLDS(!sandbox_enter(&sandbox, why) && strstr(why, "No such file") != NULL);
}

static void may_unshare(void)
{
    own_namespace();
    HOLDS(unshare(CLONE_NEWNS) == 0);
}

int main(void)
{
    const char *tmp = getenv("TMPDIR");
    snprintf(mount_point, sizeof mount_point, "%.40s/weir-sandbox-XXXXXX",
             tmp != NULL ? tmp : "/tmp");
    if (!CHECK(mkdtemp(mount_point) != NULL, "there is a directory to mount on"))
        return tap_done();
#define CASE(body, wanted, text)                                       \
    do {                                                               \
        const int status = run(body);                                  \
        CHECK(status == (wanted), "%s (%s: %d)", text, #body, status); \
    } while (0)
    CASE(unnamed_is_refused, 0, "a call that is not named fails");
    CASE(unnamed_kills, 1000 + SIGSYS, "or ends the process");
    CASE(named_works, 0, "what is named works");
    if (SANDBOX_SANITIZED)
        SKIP("the sanitizer maps memory, and makes calls of its own when a program aborts");
    else
        CASE(no_memory_is_mapped, 0, "no memory can be mapped or made executable");
    if (!SANDBOX_SANITIZED)
        CASE(abort_ends_it, 1000 + SIGSEGV, "a failed assertion ends it, if not by its own name");
    CASE(is_not_dumpable, 0, "nobody may trace it");
#if defined __x86_64__
    CASE(other_convention_kills, 1000 + SIGSYS, "numbers of the other convention end it");
#endif
    if (run(may_unshare) == 0) {
        CASE(capabilities_are_gone, 0, "capabilities are gone but the one kept");
        CASE(root_is_empty, 0, "the file system is empty, and hidden sockets work in it");
        CASE(bad_mount_is_told, 0, "a step that fails is told");
    } else {
        SKIP("no user namespaces here: capabilities and file system");
    }
    if (geteuid() == 0) {
        CASE(user_is_another, 0, "root is another user for good");
        CASE(all_together, 0, "all of it together");
    } else {
        SKIP("not root: becoming another user");
    }
    uid_t uid;
    gid_t gid;
    char why[SANDBOX_WHY_MAX];
    CHECK(sandbox_user("root", &uid, &gid, why) && uid == 0, "a user is found by name");
    CHECK(!sandbox_user("no-such-user", &uid, &gid, why), "or not: %s", why);
    rmdir(mount_point);
    return tap_done();
}
