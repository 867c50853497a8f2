/* SPDX-License-Identifier: MIT */

/* Programs that would gain rights when they start (setuid, setgid, file capabilities): under a
 * filter the kernel starts them without, and what they then say is seldom clear. */

#include "run.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

/* As execvp looks for it. */
static bool find(const char *name, char path[PATH_MAX])
{
    const char *folders = getenv("PATH");
    if (strchr(name, '/') != NULL)
        return snprintf(path, PATH_MAX, "%s", name) < PATH_MAX;
    for (const char *at = folders != NULL ? folders : "/bin:/usr/bin"; at != NULL;) {
        const size_t len = strcspn(at, ":");
        const int wrote =
            snprintf(path, PATH_MAX, "%.*s%s%s", (int)len, at, len > 0 ? "/" : "", name);
        if (wrote < PATH_MAX && access(path, X_OK) == 0)
            return true;
        at = at[len] == ':' ? at + len + 1 : NULL;
    }
    return false;
}

bool run_rights_kept(const char *name, char why[WEIR_LINE_MAX])
{
    char path[PATH_MAX];
    struct stat status;
    if (!find(name, path) || stat(path, &status) < 0 || !S_ISREG(status.st_mode))
        return true; /* exec will say what is wrong */
    const char *kind = NULL;
    if ((status.st_mode & S_ISUID) != 0 && status.st_uid != geteuid())
        kind = "is setuid";
    else if ((status.st_mode & S_ISGID) != 0 && (status.st_mode & S_IXGRP) != 0 &&
             status.st_gid != getegid())
        kind = "is setgid";
    else if (geteuid() != 0 && getxattr(path, "security.capability", NULL, 0) > 0)
        kind = "has capabilities";
    if (kind != NULL)
        snprintf(why, WEIR_LINE_MAX, "%.80s %s, and would not get these rights under weir run",
                 path, kind);
    return kind == NULL;
}
