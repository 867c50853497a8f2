/* SPDX-License-Identifier: MIT */

/* Where a program's network comes from: a daemon that is there, or a private one in namespaces of
 * our own. */

#include "run.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define READY_LINE 64

static bool fail(char why[WEIR_LINE_MAX], const char *what)
{
    snprintf(why, WEIR_LINE_MAX, "%s: %m", what);
    return false;
}

/* ---- Namespaces ---- */

static bool write_file(const char *path, const char *text)
{
    const int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    const bool done = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    close(fd);
    return done;
}

/* The user stays who it is, so that the program sees nothing strange; the right to make a network
 * is only in the namespace, and lasts until the program is there. */
static bool enter_as_user(char why[WEIR_LINE_MAX])
{
    char map[64];
    const unsigned uid = geteuid(), gid = getegid();
    if (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
        return fail(why, "this system gives users no namespaces, run it as root or join a weird");
    (void)write_file("/proc/self/setgroups", "deny");
    snprintf(map, sizeof map, "%u %u 1\n", uid, uid);
    if (!write_file("/proc/self/uid_map", map))
        return fail(why, "/proc/self/uid_map");
    snprintf(map, sizeof map, "%u %u 1\n", gid, gid);
    return write_file("/proc/self/gid_map", map) || fail(why, "/proc/self/gid_map");
}

bool run_net_enter(char why[WEIR_LINE_MAX])
{
    return geteuid() == 0 && unshare(CLONE_NEWNET) == 0 ? true : enter_as_user(why);
}

/* ---- A private weird ---- */

/* Capabilities of an ordinary user end with exec, unless they are ambient. */
static void keep_capabilities(void)
{
    static const int wanted[] = { CAP_NET_ADMIN, CAP_NET_RAW, CAP_SYS_PTRACE };
    struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
    struct __user_cap_data_struct data[2];
    if (syscall(SYS_capget, &header, data) < 0)
        return;
    for (unsigned i = 0; i < sizeof wanted / sizeof wanted[0]; i++)
        data[wanted[i] / 32].inheritable |= 1u << wanted[i] % 32;
    if (syscall(SYS_capset, &header, data) < 0)
        return;
    for (unsigned i = 0; i < sizeof wanted / sizeof wanted[0]; i++)
        (void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, (unsigned long)wanted[i], 0, 0);
}

void run_exec_weird(const char *const words[])
{
    char path[PATH_MAX];
    char *const *argv = (char *const *)words; /* exec promises not to write there */
    const ssize_t len = readlink("/proc/self/exe", path, sizeof path - 2);
    if (len > 0) {
        path[len] = '\0';
        char *slash = strrchr(path, '/');
        if (slash != NULL && strcmp(slash + 1, "weir") == 0) {
            strcpy(slash + 1, "weird");
            execv(path, argv);
        }
    }
    execvp("weird", argv);
    fprintf(stderr, "weir run: weird: %s\n", strerror(errno));
    _exit(127);
}

/* Where `weir ss` finds it: beside the daemons' sockets, under the program's process id. */
static const char *look_path(char path[PATH_MAX], pid_t program)
{
    char folder[PATH_MAX - 32];
    const char *own = getenv("XDG_RUNTIME_DIR");
    if (geteuid() == 0)
        snprintf(folder, sizeof folder, "/run/weir");
    else if (own != NULL && own[0] == '/' && strlen(own) < sizeof folder - 8)
        snprintf(folder, sizeof folder, "%s/weir", own);
    else
        return NULL;
    (void)mkdir(folder, 0755);
    if (access(folder, W_OK) < 0)
        return NULL;
    snprintf(path, PATH_MAX, "%s/run-%d.socket", folder, (int)program);
    return path;
}

#define WORDS_MAX (24 + 4 * HOST_PUBLISH_MAX + 2 * RUN_SYSCTL_MAX)

struct words {
    const char *word[WORDS_MAX + 1];
    unsigned count;
};

static void add_word(struct words *words, const char *option, const char *value)
{
    words->word[words->count++] = option;
    words->word[words->count++] = value;
    words->word[words->count] = NULL;
}

static void add_ports(struct words *words, const struct run_options *options)
{
    for (unsigned i = 0; i < options->publish_count; i++)
        add_word(words, "--publish", options->publish[i]);
    for (unsigned i = 0; i < options->loopback_count; i++)
        add_word(words, "--host-loopback", options->loopback[i]);
}

/* Not a child of the program that this process will become. */
static void leave_parent(void)
{
    (void)setsid();
    const pid_t pid = fork();
    if (pid != 0)
        _exit(pid < 0);
}

static void become_weird(const struct run_options *options, int control, int ready, int porter)
{
    char control_text[16], ready_text[16], porter_text[16], look_text[PATH_MAX];
    const char *look = look_path(look_text, getppid());
    struct words words = { .word = { "weird" }, .count = 1 };
    snprintf(control_text, sizeof control_text, "%d", control);
    snprintf(ready_text, sizeof ready_text, "%d", ready);
    snprintf(porter_text, sizeof porter_text, "%d", porter);
    add_word(&words, "--dev", "tap:weir0");
    add_word(&words, "--addr", "192.0.2.2/24");
    add_word(&words, "--addr", "2001:db8::2/64");
    add_word(&words, "--kernel-addr", "192.0.2.1/24");
    add_word(&words, "--kernel-addr", "2001:db8::1/64");
    add_word(&words, "--control-fd", control_text);
    add_word(&words, "--ready-fd", ready_text);
    if (look != NULL)
        add_word(&words, "--look", look);
    if (options->pcap != NULL)
        add_word(&words, "--pcap", options->pcap);
    for (unsigned i = 0; i < options->sysctl_count; i++)
        add_word(&words, "--sysctl", options->sysctl[i]);
    if (porter >= 0) {
        add_word(&words, "--porter-fd", porter_text);
        add_ports(&words, options);
    }
    leave_parent();
    keep_capabilities();
    run_exec_weird(words.word);
}

/* As above, but nothing waits for it here: weird does. */
bool run_net_porter(const struct run_options *options, int *porter, char why[WEIR_LINE_MAX])
{
    int pair[2];
    *porter = -1;
    if (options->publish_count + options->loopback_count == 0)
        return true;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return fail(why, "socketpair");
    const pid_t pid = fork();
    if (pid < 0)
        return fail(why, "fork");
    if (pid == 0) {
        char text[16];
        struct words words = { .word = { "weird" }, .count = 1 };
        snprintf(text, sizeof text, "%d", pair[1]);
        add_word(&words, "--porter", text);
        add_ports(&words, options);
        leave_parent();
        (void)fcntl(pair[1], F_SETFD, 0);
        run_exec_weird(words.word);
    }
    close(pair[1]);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    *porter = pair[0];
    return true;
}

static bool wait_ready(int fd, char why[WEIR_LINE_MAX])
{
    char line[READY_LINE];
    ssize_t got;
    do
        got = read(fd, line, sizeof line);
    while (got < 0 && errno == EINTR);
    if (got > 0)
        return true;
    snprintf(why, WEIR_LINE_MAX, "the private weird did not start");
    return false;
}

bool run_net_start(const struct run_options *options, int porter, int *control,
                   char why[WEIR_LINE_MAX])
{
    int pair[2], ready[2], status;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) < 0)
        return fail(why, "socketpair");
    if (pipe(ready) < 0)
        return fail(why, "pipe");
    const pid_t pid = fork();
    if (pid < 0)
        return fail(why, "fork");
    if (pid == 0) {
        close(pair[0]);
        close(ready[0]);
        if (porter >= 0)
            (void)fcntl(porter, F_SETFD, 0);
        become_weird(options, pair[1], ready[1], porter);
    }
    close(pair[1]);
    close(ready[1]);
    (void)fcntl(pair[0], F_SETFD, FD_CLOEXEC);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    const bool up = wait_ready(ready[0], why);
    close(ready[0]);
    *control = pair[0];
    return up;
}

bool run_net_join(const char *path, int *control, char why[WEIR_LINE_MAX])
{
    struct sockaddr_un name = { .sun_family = AF_UNIX };
    if (strlen(path) >= sizeof name.sun_path) {
        snprintf(why, WEIR_LINE_MAX, "%.80s: the path is too long for a socket", path);
        return false;
    }
    memcpy(name.sun_path, path, strlen(path));
    *control = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (*control >= 0 && connect(*control, (struct sockaddr *)&name, sizeof name) == 0)
        return true;
    snprintf(why, WEIR_LINE_MAX, "%.80s: %m", path);
    return false;
}
