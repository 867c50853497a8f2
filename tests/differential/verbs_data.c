/* SPDX-License-Identifier: MIT */
/* Verbs that carry octets. Unless a line says "block", none of them waits. */
#include "actor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define DATA_MAX 131072
#define IOV_MANY 1100
#define QUIET_MS 700 /* a stream that has been quiet for so long has nothing more to say */

static const struct flag {
    const char *name;
    int bit;
} flags[] = {
    { "peek", MSG_PEEK }, { "trunc", MSG_TRUNC },         { "waitall", MSG_WAITALL },
    { "oob", MSG_OOB },   { "more", MSG_MORE },           { "errqueue", MSG_ERRQUEUE },
    { "eor", MSG_EOR },   { "dontroute", MSG_DONTROUTE },
};

static int flags_of(const struct call *call)
{
    int all = call_has(call, "block") ? 0 : MSG_DONTWAIT;
    all |= call_has(call, "sigpipe") ? 0 : MSG_NOSIGNAL;
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++)
        if (call_has(call, flags[i].name))
            all |= flags[i].bit;
    return all;
}

/* The octets that the n-th word means: itself, or %5000 for so many; "-" for none. */
static const char *data_of(const struct call *call, int n, size_t *len)
{
    static char many[DATA_MAX];
    const char *word = n < call->count ? call->arg[n] : "";
    *len = strcmp(word, "-") == 0 ? 0 : strlen(word);
    if (word[0] != '%')
        return word;
    *len = (size_t)atol(word + 1);
    if (*len > sizeof many)
        call_bad(call, "too many octets");
    memset(many, 'x', sizeof many);
    return many;
}

/* send a TEXT [FLAG]... [block] [sigpipe] */
static void act_send(struct call *call)
{
    size_t len;
    const char *data = data_of(call, 2, &len);
    text_result(call->text, send(*call_slot(call, 1), data, len, flags_of(call)));
}

/* sendto a ADDRESS TEXT [FLAG]... */
static void act_sendto(struct call *call)
{
    struct sockaddr_storage address;
    const socklen_t address_len = call_address(call, 2, &address);
    size_t len;
    const char *data = data_of(call, 3, &len);
    text_result(call->text, sendto(*call_slot(call, 1), data, len, flags_of(call),
                                   (struct sockaddr *)&address, address_len));
}

/* recv a LEN [FLAG]... [block] */
static void act_recv(struct call *call)
{
    char data[DATA_MAX];
    const size_t len = (size_t)atol(call->arg[2]);
    if (len > sizeof data)
        call_bad(call, "too many octets");
    const long got = recv(*call_slot(call, 1), data, len, flags_of(call));
    text_octets(call->text, data, got > (long)len ? (long)len : got);
    if (got > (long)len)
        text_add(call->text, " of %ld", got);
}

/* recvmsg a LEN [FLAG]...: also who sent it, and the flags that came with it */
static void act_recvmsg(struct call *call)
{
    char data[DATA_MAX];
    struct sockaddr_storage from = { 0 };
    struct iovec iov = { .iov_base = data, .iov_len = (size_t)atol(call->arg[2]) };
    struct msghdr message = {
        .msg_name = &from, .msg_namelen = sizeof from, .msg_iov = &iov, .msg_iovlen = 1
    };
    if (iov.iov_len > sizeof data)
        call_bad(call, "too many octets");
    const long got = recvmsg(*call_slot(call, 1), &message, flags_of(call));
    text_octets(call->text, data, got);
    if (got < 0)
        return;
    if (message.msg_namelen > 0)
        call_tell_address(call, &from);
    text_add(call->text, "%s%s%s", message.msg_flags & MSG_TRUNC ? " trunc" : "",
             message.msg_flags & MSG_OOB ? " oob" : "", message.msg_flags & MSG_EOR ? " eor" : "");
}

/* recvfrom a LEN ROOM [FLAG]...: with a place of so many octets for a name, and what became of it.
 * Where nothing was written there are dots. */
static void act_recvfrom(struct call *call)
{
    static const struct sockaddr_storage blank;
    struct sockaddr_storage from = { 0 };
    char data[64];
    socklen_t room = (socklen_t)atoi(call->arg[3]);
    const size_t len = (size_t)atol(call->arg[2]);
    if (len > sizeof data)
        call_bad(call, "too many octets");
    memset(data, '.', sizeof data);
    const long got =
        recvfrom(*call_slot(call, 1), data, len, flags_of(call), (struct sockaddr *)&from, &room);
    text_octets(call->text, data, got);
    if (got >= 0)
        text_add(call->text, ", name of %d%s", (int)room,
                 memcmp(&from, &blank, sizeof from) == 0 ? "" : ", written");
}

static void act_read(struct call *call)
{
    char data[DATA_MAX];
    const size_t len = (size_t)atol(call->arg[2]);
    if (len > sizeof data)
        call_bad(call, "too many octets");
    text_octets(call->text, data, read(*call_slot(call, 1), data, len));
}

static void act_write(struct call *call)
{
    size_t len;
    const char *data = data_of(call, 2, &len);
    text_result(call->text, write(*call_slot(call, 1), data, len));
}

/* writev a COUNT: so many pieces of one octet */
static void act_writev(struct call *call)
{
    static struct iovec iov[IOV_MANY];
    static char octet = 'v';
    const int count = atoi(call->arg[2]);
    for (int i = 0; i < IOV_MANY; i++)
        iov[i] = (struct iovec){ .iov_base = &octet, .iov_len = 1 };
    if (count > IOV_MANY)
        call_bad(call, "too many pieces");
    text_result(call->text, writev(*call_slot(call, 1), iov, count));
}

/* fill a: until nothing more fits. How much that is differs from run to run. */
static void act_fill(struct call *call)
{
    static char data[DATA_MAX];
    const int fd = *call_slot(call, 1);
    long sent = 0;
    long more;
    int quiet = 0;
    memset(data, 'f', sizeof data);
    /* What is in flight makes room when it is acknowledged: full is full twice in a row. */
    while (quiet < 3) {
        more = send(fd, data, sizeof data, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (more < 0 && errno != EAGAIN)
            break;
        quiet = more < 0 ? quiet + 1 : 0;
        sent += more > 0 ? more : 0;
        if (more < 0)
            usleep(30000);
    }
    call->actor->full = sent;
    text_add(call->text, " = %s, then", sent > 4096 ? "much" : "little");
    text_result(call->text, -1);
}

/* drain a LEN|all [full]: reads so much, or until there is nothing for a while. With "full" it
 * says whether that was what `fill` could send here. */
static void act_drain(struct call *call)
{
    static char data[DATA_MAX];
    const int fd = *call_slot(call, 1);
    const long want = strcmp(call->arg[2], "all") == 0 ? 1L << 40 : atol(call->arg[2]);
    long got = 0;
    long more = 1;
    while (got < want) {
        struct pollfd ready = { .fd = fd, .events = POLLIN };
        if (poll(&ready, 1, QUIET_MS) == 0)
            break;
        const size_t room = want - got < DATA_MAX ? (size_t)(want - got) : DATA_MAX;
        more = recv(fd, data, room, MSG_DONTWAIT);
        if (more <= 0)
            break;
        got += more;
    }
    if (call->count > 3)
        text_add(call->text, " = %s", got == atol(call->arg[3]) ? "all of it" : "something else");
    else if (want == 1L << 40)
        text_add(call->text, " = %ld", got);
    else
        text_add(call->text, " = %s", got == want ? "read" : "less");
    if (more == 0)
        text_add(call->text, ", end");
    else if (more < 0)
        text_result(call->text, -1);
}

/* sendfile a LEN: from a file in memory */
static void act_sendfile(struct call *call)
{
    const int file = memfd_create("transcript", 0);
    const long len = atol(call->arg[2]);
    if (ftruncate(file, len) != 0)
        call_bad(call, "no file in memory");
    text_result(call->text, sendfile(*call_slot(call, 1), file, NULL, (size_t)len));
    close(file);
}

/* splice a LEN [in]: from a pipe into the socket, or the other way */
static void act_splice(struct call *call)
{
    int ends[2];
    static char data[DATA_MAX];
    const size_t len = (size_t)atol(call->arg[2]);
    if (len > 4096 || pipe(ends) != 0)
        call_bad(call, "no pipe");
    const int fd = *call_slot(call, 1);
    if (call_has(call, "in")) {
        text_result(call->text, splice(fd, NULL, ends[1], NULL, len, SPLICE_F_NONBLOCK));
    } else {
        memset(data, 's', len);
        const ssize_t put = write(ends[1], data, len);
        text_result(call->text, splice(ends[0], NULL, fd, NULL, (size_t)put, 0));
    }
    close(ends[0]);
    close(ends[1]);
}

/* sendmmsg a COUNT: so many messages "m0", "m1", ... ; recvmmsg a COUNT [within SECONDS NS] */
static void act_mmsg(struct call *call)
{
    enum {
        MANY = 8
    };
    static char data[MANY][16];
    struct iovec iov[MANY];
    struct mmsghdr messages[MANY];
    const unsigned count = (unsigned)atoi(call->arg[2]);
    if (count > MANY)
        call_bad(call, "too many messages");
    memset(messages, 0, sizeof messages);
    const bool out = call->arg[0][0] == 's';
    for (unsigned i = 0; i < count; i++) {
        if (out)
            snprintf(data[i], sizeof data[i], "m%u", i);
        iov[i] = (struct iovec){ .iov_base = data[i], .iov_len = out ? 2 : sizeof data[i] };
        messages[i].msg_hdr.msg_iov = &iov[i];
        messages[i].msg_hdr.msg_iovlen = 1;
    }
    const int fd = *call_slot(call, 1);
    const bool limited = call->count > 5 && strcmp(call->arg[3], "within") == 0;
    struct timespec limit = { 0 };
    if (limited)
        limit = (struct timespec){ atol(call->arg[4]), atol(call->arg[5]) };
    const int done = out ? sendmmsg(fd, messages, count, flags_of(call))
                         : recvmmsg(fd, messages, count, flags_of(call), limited ? &limit : NULL);
    text_result(call->text, done);
    for (int i = 0; i < done; i++)
        text_add(call->text, " %u", messages[i].msg_len);
}

/* fault a send|recv|name|connect: with an address where nothing is */
static void act_fault(struct call *call)
{
    const int fd = *call_slot(call, 1);
    char *nowhere = NULL;
    char *volatile hidden = nowhere; /* or the compiler would warn, and rightly */
    long result = -1;
    if (strcmp(call->arg[2], "send") == 0)
        result = send(fd, hidden, 4, MSG_DONTWAIT | MSG_NOSIGNAL);
    else if (strcmp(call->arg[2], "recv") == 0)
        result = recv(fd, hidden, 4, MSG_DONTWAIT);
    else if (strcmp(call->arg[2], "connect") == 0)
        result = connect(fd, (struct sockaddr *)hidden, sizeof(struct sockaddr_in));
    else
        result = getsockname(fd, (struct sockaddr *)hidden, (socklen_t *)hidden);
    text_result(call->text, result);
}

/* file a lseek|fsync|ftruncate|type|pread: what files can do and sockets cannot */
static void act_file(struct call *call)
{
    const int fd = *call_slot(call, 1);
    const char *what = call->arg[2];
    char octet;
    struct stat about = { 0 };
    if (strcmp(what, "lseek") == 0)
        text_result(call->text, lseek(fd, 0, SEEK_CUR));
    else if (strcmp(what, "fsync") == 0)
        text_result(call->text, fsync(fd));
    else if (strcmp(what, "ftruncate") == 0)
        text_result(call->text, ftruncate(fd, 0));
    else if (strcmp(what, "pread") == 0)
        text_result(call->text, pread(fd, &octet, 1, 0));
    else
        text_add(call->text, " = %s",
                 fstat(fd, &about) == 0 && S_ISSOCK(about.st_mode) ? "socket" : "other");
}

const struct verb verbs_data[] = {
    { "send", act_send, false, 2 },
    { "sendto", act_sendto, false, 3 },
    { "recv", act_recv, false, 2 },
    { "recvmsg", act_recvmsg, false, 2 },
    { "recvfrom", act_recvfrom, false, 3 },
    { "read", act_read, false, 2 },
    { "write", act_write, false, 2 },
    { "writev", act_writev, false, 2 },
    { "fill", act_fill, false, 1 },
    { "drain", act_drain, false, 2 },
    { "sendfile", act_sendfile, false, 2 },
    { "splice", act_splice, false, 2 },
    { "sendmmsg", act_mmsg, false, 2 },
    { "recvmmsg", act_mmsg, false, 2 },
    { "fault", act_fault, false, 2 },
    { "file", act_file, true, 2 },
    { NULL, NULL, false, 0 },
};
