/* SPDX-License-Identifier: MIT */
#include "demo_net.h"

#include "spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define IP_WORDS_MAX 16
#define IP_LIMIT     (5 * WEIR_SECOND)

__attribute__((format(printf, 2, 3))) static bool fail(struct demo_net *net, const char *format,
                                                       ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(net->wrong, sizeof net->wrong, format, args);
    va_end(args);
    return false;
}

static bool write_file(const char *path, const char *text)
{
    const int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    const bool done = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    close(fd);
    return done;
}

/* ---- The namespace ---- */

/* An unprivileged process may have a network of its own if it is root in a user namespace of its
 * own first; outside of it nothing changes. */
static bool enter_as_user(struct demo_net *net)
{
    char map[64];
    const unsigned uid = geteuid(), gid = getegid();
    if (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
        return fail(net, "this system allows no user namespaces (%s): run it as root",
                    strerror(errno));
    (void)write_file("/proc/self/setgroups", "deny");
    snprintf(map, sizeof map, "0 %u 1\n", uid);
    if (!write_file("/proc/self/uid_map", map))
        return fail(net, "/proc/self/uid_map: %s", strerror(errno));
    snprintf(map, sizeof map, "0 %u 1\n", gid);
    if (!write_file("/proc/self/gid_map", map))
        return fail(net, "/proc/self/gid_map: %s", strerror(errno));
    return true;
}

bool demo_net_enter(struct demo_net *net)
{
    *net = (struct demo_net){ 0 };
    net->as_root = unshare(CLONE_NEWNET) == 0;
    return net->as_root || enter_as_user(net);
}

/* ---- The wire ---- */

/* Runs `ip` with the words of a line. */
static bool ip(struct demo_net *net, const char *log, const char *words)
{
    char line[160];
    char *argv[IP_WORDS_MAX + 2] = { (char[]){ "ip" } };
    char *rest = NULL;
    const struct spawn_output output = { .out = log, .err = log };
    snprintf(line, sizeof line, "%s", words);
    unsigned count = 1;
    for (char *word = strtok_r(line, " ", &rest); word != NULL && count <= IP_WORDS_MAX;
         word = strtok_r(NULL, " ", &rest))
        argv[count++] = word;
    const int status = spawn_run(argv, &output, IP_LIMIT);
    if (status == 127)
        return fail(net, "the program ip is missing (Debian: iproute2)");
    return status == 0 || fail(net, "ip %s: exit status %d", words, status);
}

static bool run_all(struct demo_net *net, const char *log, const char *const lines[])
{
    for (unsigned i = 0; lines[i] != NULL; i++)
        if (!ip(net, log, lines[i]))
            return false;
    return true;
}

static bool build_tap(struct demo_net *net, const char *log)
{
    static const char *const lines[] = { "tuntap add dev weir0 mode tap", NULL };
    net->device = "tap:weir0";
    net->medium = "a TAP device";
    return run_all(net, log, lines);
}

/* The kernel must not speak IP on the end that is weir's. */
static bool build_veth(struct demo_net *net, const char *log)
{
    static const char *const lines[] = { "link add weir0 type veth peer name weir1", NULL };
    net->device = "packet:weir1";
    net->medium = "a veth pair";
    if (!run_all(net, log, lines))
        return false;
    (void)write_file("/proc/sys/net/ipv6/conf/weir1/disable_ipv6", "1");
    return ip(net, log, "link set weir1 up");
}

bool demo_net_build(struct demo_net *net, bool packet, const char *log)
{
    static const char *const lines[] = {
        "link set lo up",
        "addr add " DEMO_LINUX_V4 "/24 dev weir0",
        "addr add " DEMO_LINUX_V6 "/64 dev weir0 nodad",
        "link set weir0 up",
        NULL,
    };
    const bool has_tun = access("/dev/net/tun", R_OK | W_OK) == 0;
    if (packet || !has_tun ? !build_veth(net, log) : !build_tap(net, log))
        return false;
    /* No link-local address: the capture shall show the exchange and not the kernel's chatter. */
    (void)write_file("/proc/sys/net/ipv6/conf/weir0/addr_gen_mode", "1");
    (void)write_file("/proc/sys/net/ipv4/tcp_congestion_control", "cubic");
    return run_all(net, log, lines);
}
