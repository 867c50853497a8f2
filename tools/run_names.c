/* SPDX-License-Identifier: MIT */

/* How the program finds names: its resolver reads /etc/resolv.conf, so that is what it is shown,
 * with the servers of the weird that it joins. Everybody else's file stays as it is. */

#include "run.h"

#include "ipc/control.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define RESOLV_CONF "/etc/resolv.conf"
#define TEXT_MAX    1024

static bool fail(char why[WEIR_LINE_MAX], const char *what)
{
    snprintf(why, WEIR_LINE_MAX, "names: %s: %m", what);
    return false;
}

static bool ask(const char *path, struct control_status *status, char why[WEIR_LINE_MAX])
{
    const struct control_request request = { CONTROL_MAGIC, CONTROL_VERSION, CONTROL_STATUS };
    int fd;
    if (!run_net_join(path, &fd, why))
        return false;
    const bool known = send(fd, &request, sizeof request, MSG_NOSIGNAL) > 0 &&
                       recv(fd, status, sizeof *status, 0) == (ssize_t)sizeof *status &&
                       status->magic == CONTROL_MAGIC && status->dns_count <= CONTROL_DNS_MAX;
    close(fd);
    if (!known) /* joining says why */
        memset(status, 0, sizeof *status);
    status->search[sizeof status->search - 1] = '\0';
    return true;
}

static size_t write_text(const struct control_status *status, char text[TEXT_MAX])
{
    char ip[WEIR_IP_TEXT_MAX];
    int len = snprintf(text, TEXT_MAX, "# of the weird that this program has joined\n");
    for (unsigned i = 0; i < status->dns_count; i++)
        len += snprintf(text + len, TEXT_MAX - (size_t)len, "nameserver %s\n",
                        weir_ip_text(&status->dns[i], ip));
    if (status->search[0] != '\0')
        len += snprintf(text + len, TEXT_MAX - (size_t)len, "search %s\n", status->search);
    return (size_t)len;
}

static bool map_self(const char *path, unsigned id)
{
    char map[64];
    const int len = snprintf(map, sizeof map, "%u %u 1\n", id, id);
    const int fd = open(path, O_WRONLY | O_CLOEXEC);
    const bool done = fd >= 0 && write(fd, map, (size_t)len) == len;
    if (fd >= 0)
        close(fd);
    return done;
}

/* Who is not root needs a user namespace for it; there it is who it was. */
static bool enter(char why[WEIR_LINE_MAX])
{
    const unsigned uid = geteuid(), gid = getegid();
    if (unshare(CLONE_NEWNS) < 0) {
        if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
            return fail(why, "this system gives users no namespaces");
        const int fd = open("/proc/self/setgroups", O_WRONLY | O_CLOEXEC);
        if (fd >= 0) {
            (void)!write(fd, "deny", 4);
            close(fd);
        }
        if (!map_self("/proc/self/uid_map", uid) || !map_self("/proc/self/gid_map", gid))
            return fail(why, "user namespace");
    }
    return mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) == 0 || fail(why, "mount namespace");
}

bool run_names(const char *path, char why[WEIR_LINE_MAX])
{
    struct control_status status;
    char text[TEXT_MAX], name[] = "/tmp/weir-names-XXXXXX";
    if (!ask(path, &status, why))
        return false;
    if (status.dns_count == 0 || access(RESOLV_CONF, F_OK) < 0)
        return true;
    if (!enter(why))
        return false;
    const size_t len = write_text(&status, text);
    const int fd = mkostemp(name, O_CLOEXEC);
    if (fd < 0)
        return fail(why, name);
    const bool written = fchmod(fd, 0644) == 0 && write(fd, text, len) == (ssize_t)len;
    const bool shown = written && mount(name, RESOLV_CONF, NULL, MS_BIND, NULL) == 0;
    const int error = errno;
    (void)unlink(name);
    close(fd);
    errno = error;
    return shown || fail(why, RESOLV_CONF);
}
