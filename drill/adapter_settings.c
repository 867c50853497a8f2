/* SPDX-License-Identifier: MIT */

/* Scripts change settings with sysctl(8), in a shell, and packetdrill tells its object nothing of
 * it. What they change is the kernel's of the network namespace packetdrill runs in, so it is read
 * there: all that TCP has in /proc/sys, and what `weir sysctl` knows beside. */

#include "adapter.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>

#define TCP_FOLDER "net/ipv4"

/* Sizes of pools, which are the adapter's business: a machine's are for a million connections. */
static const char *const pools[] = {
    "net.ipv4.tcp_max_syn_backlog", "net.ipv4.tcp_max_tw_buckets",       "net.ipv4.tcp_mem",
    "net.ipv4.ipfrag_high_thresh",  "net.ipv4.neigh.default.gc_thresh3",
};

static bool is_pool(const char *name)
{
    for (unsigned i = 0; i < sizeof pools / sizeof pools[0]; i++)
        if (strcmp(name, pools[i]) == 0)
            return true;
    return false;
}

/* The first line of its file; "" if it has none, as in another version of the kernel. */
static void read_one(const char *root, const char *name, char text[SETTING_TEXT_MAX])
{
    char path[512];
    const int at = snprintf(path, sizeof path, "%s/", root);
    snprintf(path + at, sizeof path - (size_t)at, "%s", name);
    for (char *p = path + at; *p != '\0'; p++)
        if (*p == '.')
            *p = '/';
    text[0] = '\0';
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return;
    if (fgets(text, SETTING_TEXT_MAX, file) != NULL)
        text[strcspn(text, "\n")] = '\0';
    fclose(file);
}

static void add_one(struct adapter_settings *settings, const char *name)
{
    if (settings->count == SETTINGS_MAX || is_pool(name))
        return;
    for (unsigned i = 0; i < settings->count; i++)
        if (strcmp(settings->at[i].name, name) == 0)
            return;
    const unsigned i = settings->count++;
    snprintf(settings->at[i].name, SETTING_NAME_MAX, "%s", name);
    read_one(settings->root, name, settings->at[i].first);
    memcpy(settings->at[i].now, settings->at[i].first, SETTING_TEXT_MAX);
}

static void add_folder(struct adapter_settings *settings)
{
    char path[512];
    const struct dirent *entry;
    snprintf(path, sizeof path, "%s/" TCP_FOLDER, settings->root);
    DIR *folder = opendir(path);
    while (folder != NULL && (entry = readdir(folder)) != NULL) {
        char name[SETTING_NAME_MAX];
        if (strncmp(entry->d_name, "tcp_", 4) != 0 ||
            snprintf(name, sizeof name, "net.ipv4.%s", entry->d_name) >= (int)sizeof name)
            continue;
        add_one(settings, name);
    }
    if (folder != NULL)
        closedir(folder);
}

void settings_begin(struct adapter_settings *settings, const char *root, struct weir_config *config)
{
    char why[SYSCTL_WHY_MAX];
    settings->root = root;
    settings->count = 0;
    if (root == NULL)
        return;
    for (unsigned i = 0; i < sysctl_count(); i++)
        add_one(settings, sysctl_at(i)->name);
    add_folder(settings);
    for (unsigned i = 0; i < settings->count; i++)
        if (settings->at[i].first[0] != '\0')
            (void)!instance_set(config, settings->at[i].name, settings->at[i].first, why);
}

bool settings_follow(struct adapter_settings *settings, struct weir_config *config, bool *taken,
                     char why[SYSCTL_WHY_MAX])
{
    bool changed = false;
    *taken = true;
    for (unsigned i = 0; i < settings->count; i++) {
        char text[SETTING_TEXT_MAX];
        read_one(settings->root, settings->at[i].name, text);
        if (strcmp(text, settings->at[i].now) == 0)
            continue;
        memcpy(settings->at[i].now, text, sizeof text);
        changed = true;
        /* What weir has not must not be asked for; that it is put back is no matter. */
        if (!instance_set(config, settings->at[i].name, text, why) &&
            strcmp(text, settings->at[i].first) != 0) {
            *taken = false;
            return true;
        }
    }
    return changed;
}
