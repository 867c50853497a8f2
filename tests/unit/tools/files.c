/* SPDX-License-Identifier: MIT */

/* tools/http_files.c: what a server may show, and what it must not. */

#include "http_files.h"
#include "tap.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char top[64];

static void write_file(const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", top, name);
    FILE *file = fopen(path, "w");
    if (file == NULL)
        return;
    fputs(text, file);
    fclose(file);
}

static bool make(const char *name, const char *target)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", top, name);
    return target == NULL ? mkdir(path, 0700) == 0 : symlink(target, path) == 0;
}

static bool build(void)
{
    const char *tmp = getenv("TMPDIR");
    snprintf(top, sizeof top, "%.40s/weir-files-XXXXXX", tmp != NULL ? tmp : "/tmp");
    if (mkdtemp(top) == NULL)
        return false;
    char path[256];
    snprintf(path, sizeof path, "%s/www/fifo", top);
    const bool made = make("www", NULL) && make("www/dir", NULL) && make("www/home", NULL) &&
                      make("www/dir/inside", "../a.txt") && make("www/out", "../secret") &&
                      make("www/abs", "/etc/passwd") && make("www/loop", "loop") &&
                      make("www/updir", "..") && mkfifo(path, 0600) == 0;
    write_file("secret", "secret\n");
    write_file("www/a.txt", "hello\n");
    write_file("www/home/index.html", "<p>home</p>\n");
    write_file("www/dir/<b>&\"x'.txt", "x");
    write_file("www/dir/a:b c", "x");
    return made;
}

static int remove_entry(const char *path, const struct stat *info, int type, struct FTW *where)
{
    (void)info;
    (void)type;
    (void)where;
    return remove(path);
}

static void test_open(int root)
{
    static const struct {
        const char *path;
        enum http_status status;
        bool is_dir;
        uint64_t size;
    } rows[] = {
        { "/", HTTP_OK, true, 0 },
        { "/a.txt", HTTP_OK, false, 6 },
        { "/dir", HTTP_OK, true, 0 },
        { "/dir/", HTTP_OK, true, 0 },
        { "/home/", HTTP_OK, false, 12 }, /* its index.html */
        { "/home", HTTP_OK, true, 0 },
        { "/none", HTTP_NOT_FOUND, false, 0 },
        { "/a.txt/", HTTP_NOT_FOUND, false, 0 },
        { "/a.txt/b", HTTP_NOT_FOUND, false, 0 },
        { "/fifo", HTTP_FORBIDDEN, false, 0 },
        { "/out", HTTP_FORBIDDEN, false, 0 },
        { "/abs", HTTP_FORBIDDEN, false, 0 },
        { "/loop", HTTP_FORBIDDEN, false, 0 },
        { "/updir/secret", HTTP_FORBIDDEN, false, 0 },
        { "/../secret", HTTP_FORBIDDEN, false, 0 }, /* the parser refuses it before */
    };
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct http_file file;
        const enum http_status status = http_file_open(root, rows[i].path, &file);
        CHECK(status == rows[i].status &&
                  (status != HTTP_OK ||
                   (file.is_dir == rows[i].is_dir && file.size == rows[i].size && file.fd >= 0)),
              "%s is %d (%d)", rows[i].path, (int)rows[i].status, (int)status);
        if (status == HTTP_OK)
            close(file.fd);
    }
}

static void test_listing(int root)
{
    struct http_file file;
    size_t len = 0;
    if (!CHECK(http_file_open(root, "/dir/", &file) == HTTP_OK, "the directory is opened"))
        return;
    char *page = http_file_listing(file.fd, "/dir/<i>/", &len);
    if (CHECK(page != NULL && len == strlen(page), "a page is made")) {
        CHECK(strstr(page, "<b>") == NULL && strstr(page, "<i>") == NULL, "names are escaped");
        CHECK(strstr(page, "href=\"./%3Cb%3E%26%22x%27.txt\"") != NULL, "links are escaped");
        CHECK(strstr(page, "href=\"./a%3Ab%20c\"") != NULL, "a colon makes no scheme");
        CHECK(strstr(page, "href=\"../\"") != NULL, "there is a way up");
        CHECK(strstr(page, "\"./.\"") == NULL && strstr(page, "\"./..\"") == NULL,
              "the directory itself is no entry");
    }
    free(page);
    close(file.fd);
}

int main(void)
{
    char path[256];
    if (CHECK(build(), "the directory is there")) {
        snprintf(path, sizeof path, "%s/www", top);
        const int root = open(path, O_RDONLY | O_DIRECTORY);
        test_open(root);
        test_listing(root);
        close(root);
    }
    CHECK(strcmp(http_file_type("/a.b/c.HTML"), "text/html; charset=utf-8") == 0, "type by ending");
    CHECK(strcmp(http_file_type("/a.html/c"), "application/octet-stream") == 0,
          "a directory's ending does not count");
    nftw(top, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    return tap_done();
}
