/* SPDX-License-Identifier: MIT */

/* packetdrill does some things past the table of calls: it asks its own C library for TCP_INFO and
 * what else `%{ }%` blocks look at, and for sendfile; and it gives commands to a shell. Loaded
 * before the C library (LD_PRELOAD), this object stands in the way of those. packetdrill opens it
 * much later, so that it starts the program once more. */

#include "adapter.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <unistd.h>

#define AGAIN        "WEIR_PACKETDRILL_AGAIN" /* in the environment: it has been tried */
#define ARGUMENTS    4096
#define SENDFILE_MAX (16u << 20) /* octets of one sendfile; more are a short count */

static bool preloaded;

/* Before main(), if preloaded. What the program starts shall not have it. */
__attribute__((constructor)) static void note_preload(void)
{
    const char *list = getenv("LD_PRELOAD");
    preloaded = list != NULL && strstr(list, "libweir-packetdrill") != NULL;
    if (preloaded)
        unsetenv("LD_PRELOAD");
}

/* The arguments of this process, as they were; NULL if they cannot be had. */
static char **arguments(void)
{
    static char *list[ARGUMENTS];
    static char text[1 << 17];
    const int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
    size_t len = 0;
    ssize_t got = 0;
    unsigned count = 0;
    if (fd < 0)
        return NULL;
    while (len < sizeof text - 1 && (got = read(fd, text + len, sizeof text - 1 - len)) > 0)
        len += (size_t)got;
    close(fd);
    for (size_t at = 0; at < len && count < ARGUMENTS - 1; at += strlen(text + at) + 1)
        list[count++] = text + at;
    return got == 0 && count > 0 && count < ARGUMENTS - 1 ? list : NULL;
}

void preload_ensure(void)
{
    Dl_info own;
    char **list;
    if (preloaded)
        return;
    if (getenv(AGAIN) == NULL && dladdr((void *)(uintptr_t)note_preload, &own) != 0 &&
        (list = arguments()) != NULL) {
        setenv(AGAIN, "1", 1);
        setenv("LD_PRELOAD", own.dli_fname, 1);
        execv("/proc/self/exe", list);
    }
    fprintf(stderr, "libweir-packetdrill: not preloaded: code blocks and sendfile() will fail\n");
}

/* ---- what stands in the way ---- */

int getsockopt(int fd, int level, int name, void *restrict value, socklen_t *restrict len)
{
    if (adapter_has(fd))
        return adapter_getsockopt(fd, level, name, value, len);
    return (int)syscall(SYS_getsockopt, fd, level, name, value, len);
}

/* From a file into a socket of weir's. The text is copied; who reads the wire sees no difference.
 */
ssize_t sendfile(int out, int in, off_t *offset, size_t count)
{
    if (!adapter_has(out))
        return syscall(SYS_sendfile, out, in, offset, count);
    const size_t room = count < SENDFILE_MAX ? count : SENDFILE_MAX;
    char *text = malloc(room > 0 ? room : 1);
    size_t len = 0;
    ssize_t got = 0;
    if (text == NULL) {
        errno = ENOMEM;
        return -1;
    }
    const off_t from = offset != NULL ? *offset : lseek(in, 0, SEEK_CUR);
    while (len < room && (got = pread(in, text + len, room - len, from + (off_t)len)) > 0)
        len += (size_t)got;
    const ssize_t sent = got < 0 && len == 0 ? -1 : len == 0 ? 0 : adapter_write(out, text, len);
    free(text);
    if (sent > 0 && offset != NULL)
        *offset += sent;
    else if (sent > 0)
        (void)lseek(in, from + sent, SEEK_SET);
    return sent;
}

/* The header makes sendfile64 of that name, where files may be large; packetdrill calls the other,
 * which is the same on 64 bits. */
ssize_t sendfile_of_old(int out, int in, off_t *offset, size_t count) __asm__("sendfile");
ssize_t sendfile_of_old(int out, int in, off_t *offset, size_t count)
{
    return sendfile(out, in, offset, count);
}

int system(const char *command)
{
    typedef int system_fn(const char *);
    system_fn *const libc = (system_fn *)dlsym(RTLD_NEXT, "system");
    if (libc == NULL) {
        errno = ENOSYS;
        return -1;
    }
    const struct weir *weir = adapter_instance();
    const bool counts = weir != NULL && command != NULL && strstr(command, "nstat") != NULL;
    const int result = counts ? nstat_run(weir, command, libc) : libc(command);
    adapter_shell_done(command);
    return result;
}
