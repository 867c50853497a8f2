/* SPDX-License-Identifier: MIT */
#include "http_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* O_NONBLOCK: opening a FIFO must not wait for its writer. */
#define OPEN_FLAGS (O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)

/* For kernels without openat2: one component at a time, following no symbolic link at all. */
static int open_by_steps(int root, const char *path)
{
    int at = openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    while (at >= 0) {
        char name[NAME_MAX + 1];
        path += strspn(path, "/");
        const size_t len = strcspn(path, "/");
        if (len == 0)
            return at;
        if (len > NAME_MAX) {
            close(at);
            errno = ENAMETOOLONG;
            return -1;
        }
        memcpy(name, path, len);
        name[len] = '\0';
        path += len;
        const int next = openat(at, name, OPEN_FLAGS | O_NOFOLLOW);
        close(at);
        at = next;
    }
    return -1;
}

/* The kernel itself keeps the path beneath the root, whatever links are in it. */
static int open_beneath(int root, const char *path)
{
    const struct open_how how = {
        .flags = OPEN_FLAGS,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
    };
    path += strspn(path, "/");
    const long fd = syscall(SYS_openat2, root, *path != '\0' ? path : ".", &how, sizeof how);
    if (fd < 0 && (errno == ENOSYS || errno == EPERM))
        return open_by_steps(root, path);
    return (int)fd;
}

static enum http_status status_of_errno(int error)
{
    switch (error) {
    case EACCES:
    case EPERM:
    case EXDEV: /* a link that leads out */
    case ELOOP:
        return HTTP_FORBIDDEN;
    case EMFILE:
    case ENFILE:
    case ENOMEM:
        return HTTP_BUSY;
    default:
        return HTTP_NOT_FOUND;
    }
}

static enum http_status look_at(int fd, struct http_file *file)
{
    struct stat info;
    if (fstat(fd, &info) < 0)
        return HTTP_SERVER_ERROR;
    if (!S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode))
        return HTTP_FORBIDDEN;
    file->is_dir = S_ISDIR(info.st_mode);
    file->size = file->is_dir ? 0 : (uint64_t)info.st_size;
    file->modified = info.st_mtime;
    return HTTP_OK;
}

static void close_file(struct http_file *file)
{
    if (file->fd >= 0)
        close(file->fd);
    file->fd = -1;
}

/* A directory's index.html, if it is a file, takes the directory's place. */
static void prefer_index(struct http_file *file)
{
    struct http_file index = { .fd = openat(file->fd, "index.html", OPEN_FLAGS | O_NOFOLLOW) };
    if (index.fd < 0)
        return;
    if (look_at(index.fd, &index) != HTTP_OK || index.is_dir) {
        close_file(&index);
        return;
    }
    close_file(file);
    *file = index;
}

enum http_status http_file_open(int root, const char *path, struct http_file *file)
{
    const size_t len = strlen(path);
    const bool wants_dir = len > 0 && path[len - 1] == '/';
    *file = (struct http_file){ .fd = open_beneath(root, path) };
    if (file->fd < 0)
        return status_of_errno(errno);
    enum http_status status = look_at(file->fd, file);
    if (status == HTTP_OK && wants_dir && !file->is_dir)
        status = HTTP_NOT_FOUND;
    if (status != HTTP_OK) {
        close_file(file);
        return status;
    }
    if (wants_dir)
        prefer_index(file);
    return HTTP_OK;
}

const char *http_file_type(const char *path)
{
    static const struct {
        const char *ending;
        const char *type;
    } types[] = {
        { "html", "text/html; charset=utf-8" },
        { "htm", "text/html; charset=utf-8" },
        { "txt", "text/plain; charset=utf-8" },
        { "md", "text/plain; charset=utf-8" },
        { "c", "text/plain; charset=utf-8" },
        { "h", "text/plain; charset=utf-8" },
        { "css", "text/css; charset=utf-8" },
        { "js", "text/javascript; charset=utf-8" },
        { "json", "application/json" },
        { "pdf", "application/pdf" },
        { "png", "image/png" },
        { "jpg", "image/jpeg" },
        { "jpeg", "image/jpeg" },
        { "gif", "image/gif" },
        { "svg", "image/svg+xml" },
        { "gz", "application/gzip" },
        { "zip", "application/zip" },
    };
    const char *slash = strrchr(path, '/');
    const char *dot = strrchr(slash != NULL ? slash : path, '.');
    for (unsigned i = 0; dot != NULL && i < sizeof types / sizeof types[0]; i++)
        if (strcasecmp(dot + 1, types[i].ending) == 0)
            return types[i].type;
    return "application/octet-stream";
}

/* ---- Listing ---- */

#define ESCAPED_MAX (6 * NAME_MAX + 8) /* "&quot;" is the longest */

static void print_entry(FILE *page, int fd, const struct dirent *entry)
{
    char href[ESCAPED_MAX], words[ESCAPED_MAX];
    struct stat info;
    const bool known = fstatat(fd, entry->d_name, &info, AT_SYMLINK_NOFOLLOW) == 0;
    const char *slash = known && S_ISDIR(info.st_mode) ? "/" : "";
    http_escape_path(entry->d_name, href, sizeof href);
    http_escape_html(entry->d_name, words, sizeof words);
    /* "./" in front, or a name with a colon would read as a scheme. */
    fprintf(page, "<tr><td><a href=\"./%s%s\">%s%s</a></td><td>", href, slash, words, slash);
    if (known && S_ISREG(info.st_mode))
        fprintf(page, "%lld", (long long)info.st_size);
    fputs("</td></tr>\n", page);
}

static void print_page(FILE *page, int fd, const char *path, struct dirent **entries, int count)
{
    char words[6 * HTTP_PATH_MAX + 8];
    http_escape_html(path, words, sizeof words);
    fprintf(page,
            "<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\"><title>%s</title>\n"
            "<style>td+td{text-align:right;padding-left:2em}</style></head>\n"
            "<body><h1>%s</h1>\n<table>\n",
            words, words);
    if (strcmp(path, "/") != 0)
        fputs("<tr><td><a href=\"../\">../</a></td><td></td></tr>\n", page);
    int shown = 0;
    for (int i = 0; i < count && shown < HTTP_LISTING_MAX; i++) {
        const char *name = entries[i]->d_name;
        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
            continue;
        print_entry(page, fd, entries[i]);
        shown++;
    }
    fputs("</table>\n", page);
    if (shown == HTTP_LISTING_MAX)
        fprintf(page, "<p>Only the first %d entries are shown.</p>\n", HTTP_LISTING_MAX);
    fputs("</body></html>\n", page);
}

char *http_file_listing(int fd, const char *path, size_t *len)
{
    struct dirent **entries = NULL;
    char *text = NULL;
    const int count = scandirat(fd, ".", &entries, NULL, alphasort);
    FILE *page = count >= 0 ? open_memstream(&text, len) : NULL;
    if (page != NULL) {
        print_page(page, fd, path, entries, count);
        const bool failed = ferror(page) != 0;
        if (fclose(page) != 0 || failed) {
            free(text);
            text = NULL;
        }
    }
    for (int i = 0; i < count; i++)
        free(entries[i]);
    free(entries);
    return text;
}
