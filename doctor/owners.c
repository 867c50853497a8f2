/* SPDX-License-Identifier: MIT */
#include "owners.h"

#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define OWNERS_FIRST 1024

static void read_comm(int32_t pid, char comm[FACTS_COMM_MAX])
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/comm", pid);
    FILE *file = fopen(path, "re");
    memset(comm, 0, FACTS_COMM_MAX);
    if (file == NULL)
        return;
    const size_t len = fread(comm, 1, FACTS_COMM_MAX - 1, file);
    fclose(file);
    if (len > 0 && comm[len - 1] == '\n')
        comm[len - 1] = '\0';
}

/* ---- Names by process ---- */

static void look_up(struct owner_name *name)
{
    char path[64], line[256];
    snprintf(path, sizeof path, "/proc/%d/status", name->thread);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return;
    while (fgets(line, sizeof line, file) != NULL) {
        (void)sscanf(line, "Tgid: %d", &name->pid);
        if (sscanf(line, "Uid: %u", &name->uid) == 1)
            name->found = true;
    }
    fclose(file);
    read_comm(name->pid, name->comm);
}

const struct owner_name *owner_name(struct owner_names *names, int32_t thread)
{
    struct owner_name *name = &names->name[(uint32_t)thread % OWNER_NAMES];
    if (name->thread != thread) {
        *name = (struct owner_name){ .thread = thread, .pid = thread };
        look_up(name);
    }
    return name;
}

/* ---- Processes by socket ---- */

static bool add(struct owners *owners, const struct owner *owner)
{
    if (owners->count == owners->room) {
        const size_t room = owners->room != 0 ? 2 * owners->room : OWNERS_FIRST;
        struct owner *grown = realloc(owners->owner, room * sizeof *grown);
        if (grown == NULL)
            return false;
        owners->owner = grown;
        owners->room = room;
    }
    owners->owner[owners->count++] = *owner;
    return true;
}

static bool read_process(struct owners *owners, int32_t pid)
{
    char path[64], target[64];
    snprintf(path, sizeof path, "/proc/%d/fd", pid);
    DIR *directory = opendir(path);
    struct owner owner = { .pid = pid };
    bool named = false, memory = true;
    if (directory == NULL)
        return true; /* another user's, or gone */
    for (const struct dirent *entry; memory && (entry = readdir(directory)) != NULL;) {
        const ssize_t len = readlinkat(dirfd(directory), entry->d_name, target, sizeof target - 1);
        if (len <= 0)
            continue;
        target[len] = '\0';
        if (sscanf(target, "socket:[%u]", &owner.inode) != 1)
            continue;
        if (!named)
            read_comm(pid, owner.comm);
        named = true;
        owner.fd = atoi(entry->d_name);
        memory = add(owners, &owner);
    }
    closedir(directory);
    return memory;
}

static int by_inode(const void *a, const void *b)
{
    const struct owner *x = a, *y = b;
    if (x->inode != y->inode)
        return x->inode < y->inode ? -1 : 1;
    if (x->pid != y->pid)
        return x->pid < y->pid ? -1 : 1;
    return (x->fd > y->fd) - (x->fd < y->fd);
}

bool owners_read(struct owners *owners)
{
    DIR *directory = opendir("/proc");
    bool memory = true;
    if (directory == NULL)
        return true;
    for (const struct dirent *entry; memory && (entry = readdir(directory)) != NULL;)
        if (isdigit((unsigned char)entry->d_name[0]))
            memory = read_process(owners, atoi(entry->d_name));
    closedir(directory);
    qsort(owners->owner, owners->count, sizeof *owners->owner, by_inode);
    return memory;
}

void owners_free(struct owners *owners)
{
    free(owners->owner);
    *owners = (struct owners){ 0 };
}

const struct owner *owners_find(const struct owners *owners, uint32_t inode, size_t *count)
{
    size_t low = 0, high = owners->count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (owners->owner[middle].inode < inode)
            low = middle + 1;
        else
            high = middle;
    }
    size_t last = low;
    while (last < owners->count && owners->owner[last].inode == inode)
        last++;
    *count = last - low;
    return last > low ? &owners->owner[low] : NULL;
}
