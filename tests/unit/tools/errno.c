/* SPDX-License-Identifier: MIT */

/* tools/errno_table.c: every error that a socket call can give has an entry, found by whatever
 * somebody may type, and none is empty. */

#include "errno_table.h"
#include "tap.h"

#include <errno.h>
#include <string.h>

static const struct {
    const char *text;
    int number; /* 0: not found */
} rows[] = {
    { "ECONNRESET", ECONNRESET },
    { "econnreset", ECONNRESET },
    { "104", ECONNRESET },
    { "10054", ECONNRESET },
    { "WSAECONNRESET", ECONNRESET },
    { "EWOULDBLOCK", EAGAIN },
    { "WSAEWOULDBLOCK", EAGAIN },
    { "ENOTSUP", EOPNOTSUPP },
    { "WSAESHUTDOWN", EPIPE },
    { "10058", EPIPE },
    { "ETIMEOUT", ETIMEDOUT },
    { "0", 0 },
    { "", 0 },
    { "WSA", 0 },
    { "-104", 0 },
    { "104x", 0 },
    { "1040000000000000000000000", 0 },
    { "EXDEV", 0 },
    { "ECONNRESE", 0 },
};

/* What the calls of TCP and UDP sockets are known to give. */
static const int known[] = {
    EINTR,        EBADF,        EAGAIN,       ENOMEM,        EACCES,          EFAULT,
    EBUSY,        EINVAL,       ENFILE,       EMFILE,        EPIPE,           ENOTSOCK,
    EDESTADDRREQ, EMSGSIZE,     EPROTOTYPE,   ENOPROTOOPT,   EPROTONOSUPPORT, ESOCKTNOSUPPORT,
    EOPNOTSUPP,   EAFNOSUPPORT, EADDRINUSE,   EADDRNOTAVAIL, ENETDOWN,        ENETUNREACH,
    ENETRESET,    ECONNABORTED, ECONNRESET,   ENOBUFS,       EISCONN,         ENOTCONN,
    ETIMEDOUT,    ECONNREFUSED, EHOSTUNREACH, EALREADY,      EINPROGRESS,
};

static void test_find(void)
{
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct errno_entry *entry = errno_find(rows[i].text);
        CHECK((entry != NULL ? entry->number : 0) == rows[i].number, "\"%s\" is %s", rows[i].text,
              rows[i].number != 0 ? strerrorname_np(rows[i].number) : "nothing");
    }
}

static bool has(int number)
{
    for (unsigned i = 0; i < errno_count(); i++)
        if (errno_at(i)->number == number)
            return true;
    return false;
}

static void test_table(void)
{
    for (unsigned i = 0; i < sizeof known / sizeof known[0]; i++)
        CHECK(has(known[i]), "%s has an entry", strerrorname_np(known[i]));
    for (unsigned i = 0; i < errno_count(); i++) {
        const struct errno_entry *entry = errno_at(i);
        CHECK(strcmp(entry->name, strerrorname_np(entry->number)) == 0 &&
                  errno_find(entry->name) == entry,
              "%s is its own name and stands once", entry->name);
        bool whole = entry->meaning != NULL && entry->to_do != NULL && entry->cause[0].call != NULL;
        for (unsigned j = 0; j < ERRNO_CAUSES && entry->cause[j].call != NULL; j++)
            whole = whole && entry->cause[j].state != NULL && entry->cause[j].when != NULL;
        CHECK(whole, "%s says when and what to do", entry->name);
    }
}

int main(void)
{
    test_find();
    test_table();
    return tap_done();
}
