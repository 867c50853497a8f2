/* SPDX-License-Identifier: MIT */
#include "kernel_net.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAMED "/run/netns" /* where `ip netns` keeps them */

int kernel_net_enter(const struct kernel_net *net, int *home)
{
    *home = -1;
    if (net->path[0] == '\0')
        return 0;
    const int there = open(net->path, O_RDONLY | O_CLOEXEC);
    const int here = there < 0 ? -1 : open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    int error = here < 0 || setns(there, CLONE_NEWNET) < 0 ? -errno : 0;
    if (there >= 0)
        close(there);
    if (error < 0 && here >= 0)
        close(here);
    if (error == 0)
        *home = here;
    return error;
}

void kernel_net_leave(int home)
{
    if (home < 0)
        return;
    if (setns(home, CLONE_NEWNET) < 0)
        abort(); /* we had the right a moment ago */
    close(home);
}

/* ---- Finding ---- */

struct finding {
    struct kernel_net *found;
    size_t room, count;
    ino_t *seen; /* of each found */
};

static bool is_known(const struct finding *finding, ino_t inode)
{
    for (size_t i = 0; i < finding->count; i++)
        if (finding->seen[i] == inode)
            return true;
    return false;
}

/* One namespace is listed once, under the first name that was found for it. */
static void add(struct finding *finding, const char *name, const char *path)
{
    struct stat it;
    const char *looked_at = path[0] != '\0' ? path : "/proc/self/ns/net";
    if (finding->count == finding->room || stat(looked_at, &it) < 0 || is_known(finding, it.st_ino))
        return;
    struct kernel_net *net = &finding->found[finding->count];
    finding->seen[finding->count++] = it.st_ino;
    snprintf(net->name, sizeof net->name, "%s", name);
    snprintf(net->path, sizeof net->path, "%s", path);
}

static void add_named(struct finding *finding)
{
    DIR *directory = opendir(NAMED);
    if (directory == NULL)
        return;
    for (const struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        char path[KERNEL_PATH_MAX];
        if (entry->d_name[0] == '.' || strlen(entry->d_name) >= FACTS_NET_MAX)
            continue;
        snprintf(path, sizeof path, NAMED "/%.100s", entry->d_name);
        add(finding, entry->d_name, path);
    }
    closedir(directory);
}

static void add_processes(struct finding *finding)
{
    DIR *directory = opendir("/proc");
    if (directory == NULL)
        return;
    for (const struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        char path[KERNEL_PATH_MAX], name[FACTS_NET_MAX];
        if (!isdigit((unsigned char)entry->d_name[0]))
            continue;
        snprintf(path, sizeof path, "/proc/%.20s/ns/net", entry->d_name);
        snprintf(name, sizeof name, "pid:%.20s", entry->d_name);
        add(finding, name, path);
    }
    closedir(directory);
}

size_t kernel_find(const char *name, struct kernel_net *found, size_t room)
{
    struct finding finding = { found, room, 0, calloc(room, sizeof(ino_t)) };
    char path[KERNEL_PATH_MAX];
    if (finding.seen == NULL)
        return 0;
    if (name == NULL || strcmp(name, "all") == 0) {
        add(&finding, "", "");
    } else if (strchr(name, '/') == NULL && strlen(name) < FACTS_NET_MAX) {
        snprintf(path, sizeof path, NAMED "/%.100s", name);
        add(&finding, name, path);
    }
    if (name != NULL && strcmp(name, "all") == 0) {
        add_named(&finding);
        add_processes(&finding);
    }
    free(finding.seen);
    return finding.count;
}
