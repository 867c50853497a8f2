/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TOOLS_HTTP_FILES_H
#define WEIR_TOOLS_HTTP_FILES_H

/* What a web server finds in its directory: a file, or the page that lists a directory. */

#include "http.h"

#include <sys/types.h>
#include <time.h>

struct http_file {
    int fd;      /* the caller closes it; -1 if there is none */
    bool is_dir; /* the path names a directory (fd is open on it) */
    uint64_t size;
    time_t modified;
};

/* Opens `path` (as http_request has it) beneath `root`. HTTP_OK, or the status to answer with. A
 * directory asked for with a final "/" is answered by its index.html if it has one. */
enum http_status http_file_open(int root, const char *path, struct http_file *file);

/* The media type by the name's ending. */
const char *http_file_type(const char *path);

#define HTTP_LISTING_MAX 10000 /* entries of a page */

/* A page that lists the directory `fd` (which stays the caller's), in memory of malloc's; NULL if
 * there is none left or the directory cannot be read. */
char *http_file_listing(int fd, const char *path, size_t *len);

#endif
