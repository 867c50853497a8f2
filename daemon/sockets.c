/* SPDX-License-Identifier: MIT */

/* The table of sockets, their names, and how they are found again.
 *
 * What we made is known by what the kernel calls it (SO_COOKIE). It gets a name when the program
 * binds it: connections go to a listener by its name. The name carries the number and a secret. It
 * lies in a directory that only we can enter and is unlinked at once: a program cannot connect to
 * another's listener by it. What the program accepted has the listener's name, so there D has a
 * name, and S is known by its peer. */

#include "ends.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/* syscall: socket bind connect accept4 openat unlinkat getsockname getsockopt */
/* syscall: setsockopt clock_gettime close */

#define ID_BITS       16 /* of the place; the rest is the serial number */
#define BACKLOG       128
#define SWEEP_LOOKS   2 /* at all sockets, that one is not found in: one may be overlooked */
#define SWEEP_EVERY   (250 * WEIR_MS) /* while there are listeners */
#define SWEEP_CHEAP   (10 * WEIR_MS)
#define SWEEP_PAUSE   10   /* times as long as it took */
#define SWEEP_FIRST   256  /* idle sockets before the table is swept for dead ones */
#define SEARCH_FDS    4096 /* descriptors of a process that are looked at in a search */
#define CHILDREN_TEXT 4096
#define SEARCH_GAP    64                       /* numbers not in use that end the search */
#define KNOWN_MAX     4096                     /* whose names need not be asked for again */
#define NAME_FORMAT   "weir%c%c%016llx%016llx" /* kind, family, id, secret */
#define NAME_LEN      (4 + 2 + 16 + 16)
#define D_NAME_LEN    (offsetof(struct sockaddr_un, sun_path) + 1 + NAME_LEN)

static socklen_t path_of(struct sockaddr_un *name, const char *format, int fd)
{
    *name = (struct sockaddr_un){ .sun_family = AF_UNIX };
    snprintf(name->sun_path, sizeof name->sun_path, format, fd);
    return sizeof *name;
}

/* ---- Names ---- */

static void name_of(const struct socket *socket, char kind, char text[NAME_LEN + 1])
{
    snprintf(text, NAME_LEN + 1, NAME_FORMAT, kind, socket->family == AF_INET ? '4' : '6',
             (unsigned long long)socket->id, (unsigned long long)socket->secret);
}

/* Reads a name: `at` is where the text begins (abstract names have a zero before it). */
static bool name_read(const struct sockaddr_un *name, socklen_t len, unsigned at, char kind,
                      uint64_t *id, uint64_t *secret, uint8_t *family)
{
    char text[NAME_LEN + 1];
    const size_t offset = offsetof(struct sockaddr_un, sun_path) + at;
    if (name->sun_family != AF_UNIX || len < offset + NAME_LEN)
        return false;
    memcpy(text, name->sun_path + at, NAME_LEN);
    text[NAME_LEN] = '\0';
    unsigned long long numbers[2];
    char given, version;
    if (sscanf(text, "weir%c%c%16llx%16llx", &given, &version, &numbers[0], &numbers[1]) != 4 ||
        given != kind)
        return false;
    *id = numbers[0];
    *secret = numbers[1];
    *family = version == '4' ? AF_INET : AF_INET6;
    return true;
}

bool socket_name_d(struct socket *socket, int d)
{
    struct sockaddr_un name = { .sun_family = AF_UNIX };
    name_of(socket, 'd', name.sun_path + 1);
    return bind(d, (struct sockaddr *)&name, (socklen_t)D_NAME_LEN) == 0;
}

static int bind_hidden(struct weird *weird, int fd, const char *text)
{
    struct sockaddr_un name = { .sun_family = AF_UNIX };
    snprintf(name.sun_path, sizeof name.sun_path, "%s", text);
    snprintf(weird->naming, sizeof weird->naming, "%s", text);
    if (bind(fd, (struct sockaddr *)&name, sizeof name) < 0)
        return -errno;
    const int path = open(text, O_PATH | O_CLOEXEC);
    const int error = -errno;
    (void)unlinkat(AT_FDCWD, text, 0);
    return path >= 0 ? path : error;
}

/* Where S is connected to. By that name, too, S says that it is ours. */
static bool open_meeting(struct weird *weird, unsigned which)
{
    const struct socket place = { .family = which == 0 ? AF_INET : AF_INET6 };
    char text[NAME_LEN + 1];
    name_of(&place, 'm', text);
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    weird->meeting[which] = fd;
    weird->meeting_name[which] = fd < 0 ? -1 : bind_hidden(weird, fd, text);
    return weird->meeting_name[which] >= 0 && listen(fd, BACKLOG) == 0;
}

/* ---- Whose it is ---- */

/* What an S says of itself, by its cookie: it says the same all its life, whoever asks. */
static struct {
    uint64_t cookie, id, secret;
    uint8_t family;
} known[KNOWN_MAX];

uint64_t socket_cookie(int s)
{
    uint64_t cookie = 0;
    socklen_t len = sizeof cookie;
    return getsockopt(s, SOL_SOCKET, SO_COOKIE, &cookie, &len) == 0 ? cookie : 0;
}

static void note_known(uint64_t cookie, uint64_t id, uint64_t secret, uint8_t family)
{
    const unsigned at = cookie % KNOWN_MAX; /* whoever was there is asked again */
    known[at].cookie = cookie;
    known[at].id = id;
    known[at].secret = secret;
    known[at].family = family;
}

/* Those that we made are found by what they have been all their life, in chains of struct weird. */
static uint16_t *chain_of(struct weird *weird, uint64_t cookie)
{
    return &weird->by_cookie[cookie % SOCKETS_MAX];
}

static void chain_add(struct socket *socket, uint64_t cookie)
{
    uint16_t *chain = chain_of(socket->weird, cookie);
    socket->cookie = cookie;
    socket->same_place = *chain;
    *chain = (uint16_t)(socket->id % SOCKETS_MAX + 1);
}

static void chain_remove(struct socket *socket)
{
    struct weird *weird = socket->weird;
    uint16_t *at = chain_of(weird, socket->cookie);
    while (*at != 0 && &weird->pool[*at - 1] != socket)
        at = &weird->pool[*at - 1].same_place;
    if (*at != 0)
        *at = socket->same_place;
    socket->cookie = 0;
}

static struct socket *find_made(const struct weird *weird, uint64_t cookie)
{
    unsigned place = weird->by_cookie[cookie % SOCKETS_MAX];
    while (place != 0 && weird->pool[place - 1].cookie != cookie)
        place = weird->pool[place - 1].same_place;
    return place != 0 ? weird->socket[place - 1] : NULL;
}

static struct socket *find_secret(const struct weird *weird, const struct run *run, uint64_t id,
                                  uint64_t secret)
{
    struct socket *socket = socket_find(weird, id);
    const bool right =
        socket != NULL && socket->secret == secret && (run == NULL || socket->run == run);
    return right ? socket : NULL;
}

bool socket_known(const struct weird *weird, const struct run *run, uint64_t cookie,
                  struct socket **found, uint8_t *family)
{
    struct socket *made = find_made(weird, cookie);
    if (made != NULL) {
        *family = made->family;
        *found = run == NULL || made->run == run ? made : NULL;
        return true;
    }
    const unsigned at = cookie % KNOWN_MAX;
    if (known[at].cookie != cookie)
        return false;
    *family = known[at].family;
    *found = find_secret(weird, run, known[at].id, known[at].secret);
    return true;
}

bool socket_identify(const struct weird *weird, const struct run *run, int s, struct socket **found,
                     uint8_t *family)
{
    struct sockaddr_un name;
    socklen_t len = D_NAME_LEN; /* SO_PEERNAME is asked for no more than there is */
    uint64_t id, secret;
    *found = NULL;
    const uint64_t cookie = socket_cookie(s);
    if (cookie == 0 || socket_known(weird, run, cookie, found, family))
        return cookie != 0;
    memset(&name, 0, sizeof name);
    bool ours = getsockopt(s, SOL_SOCKET, SO_PEERNAME, &name, &len) == 0 &&
                (name_read(&name, len, 1, 'd', &id, &secret, family) ||
                 name_read(&name, len, 0, 'm', &id, &secret, family));
    if (!ours) {
        len = sizeof name;
        ours = getsockname(s, (struct sockaddr *)&name, &len) == 0 &&
               name_read(&name, len, 0, 's', &id, &secret, family);
    }
    if (!ours)
        return false;
    note_known(cookie, id, secret, *family);
    *found = find_secret(weird, run, id, secret);
    return true;
}

/* ---- Birth ---- */

bool sockets_open(struct weird *weird, char why[WEIR_LINE_MAX])
{
    weird->dummy = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    weird->sweep_at = SWEEP_FIRST;
    if (weird->dummy >= 0 && open_meeting(weird, 0) && open_meeting(weird, 1) && ends_open(weird) &&
        queue_open(weird))
        return true;
    snprintf(why, WEIR_LINE_MAX, "sockets: %m");
    return false;
}

struct socket *socket_find(const struct weird *weird, uint64_t id)
{
    struct socket *socket = weird->socket[id % SOCKETS_MAX];
    return socket != NULL && socket->id == id ? socket : NULL;
}

static void set_defaults(struct socket *socket)
{
    const bool v4 = socket->family == AF_INET;
    socket->name_fd = socket->d = socket->spare = socket->fd = -1;
    socket->local.ip = v4 ? weir_ip_v4(0, 0, 0, 0) : (struct weir_ip){ { 0 } };
    socket->remote.ip = socket->local.ip;
    socket->kept[KEPT_LINGER2] = 60;
    socket->kept[KEPT_MTU_DISCOVER] = socket->kept[KEPT_MTU_DISCOVER6] = 1; /* IP_PMTUDISC_WANT */
    socket->kept[KEPT_GROUP_LOOP] = socket->kept[KEPT_GROUP_LOOP6] = 1;
    socket->kept[KEPT_GROUP_ALL6] = socket->kept[KEPT_AUTOFLOWLABEL6] = 1;
    socket->kept[KEPT_TXREHASH] = 1;
    socket->kept[KEPT_GROUP_ALL] = v4;
}

/* The processor's time that weird has had, of which others on a busy machine take nothing. */
static weir_time time_had(void)
{
    struct timespec had;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &had);
    return had.tv_sec * WEIR_SECOND + had.tv_nsec;
}

/* Those whose programs have closed them make room, if they are looked for; but looking takes time,
 * and must not take all of it. */
bool sockets_make_room(struct weird *weird)
{
    const weir_time begun = weir_loop_clock(), had = time_had();
    if (begun < weird->no_sweep_before)
        return false;
    sockets_sweep(weird);
    const weir_time took = time_had() - had;
    weird->no_sweep_before = took > SWEEP_CHEAP ? begun + SWEEP_PAUSE * took : 0;
    return true;
}

static bool has_room(const struct weird *weird, const struct run *run)
{
    /* Most come to need a descriptor, and had better be refused now than then. */
    const int fds = weird->fd_max - FDS_RESERVED - FDS_OWN;
    return weird->socket_count < SOCKETS_MAX && (int)weird->socket_count < fds &&
           (run == NULL || run->socket_count < weird->run_sockets_max);
}

struct socket *socket_make(struct weird *weird, struct run *run, uint8_t family)
{
    if (weird->idle_count >= weird->sweep_at)
        sockets_sweep(weird);
    if (!has_room(weird, run) && (!sockets_make_room(weird) || !has_room(weird, run)))
        return NULL;
    uint64_t secret;
    if (!random_fill(weird, &secret, sizeof secret))
        return NULL;
    /* What was freed last is in the cache still. */
    const uint64_t place =
        weird->freed_count > 0 ? weird->freed[--weird->freed_count] : weird->socket_next++;
    struct socket *socket = &weird->pool[place];
    memset(socket, 0, sizeof *socket);
    socket->secret = secret;
    socket->id = ++weird->serial << ID_BITS | place;
    socket->weird = weird;
    socket->run = run;
    socket->family = family;
    set_defaults(socket);
    weird->socket[place] = socket;
    if (run != NULL)
        run->socket_count++;
    weird->socket_count++;
    weird->idle_count++;
    return socket;
}

/* The lowest that is free is given out, so one this high means that few are left. */
bool fd_is_reserved(const struct weird *weird, int fd)
{
    return fd >= weird->fd_max - FDS_RESERVED;
}

int socket_make_s(struct socket *made, int flags)
{
    const int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
    if (s < 0)
        return -errno;
    const uint64_t cookie = socket_cookie(s);
    if (cookie == 0) {
        close(s);
        return -ENOBUFS;
    }
    if (made->cookie != 0)
        chain_remove(made);
    chain_add(made, cookie);
    return s;
}

int socket_name_s(struct socket *made, int s)
{
    char text[NAME_LEN + 1];
    if (made->name_fd >= 0)
        return 0;
    name_of(made, 's', text);
    int name_fd = bind_hidden(made->weird, s, text);
    if (name_fd == -EMFILE && sockets_make_room(made->weird))
        name_fd = bind_hidden(made->weird, s, text);
    if (name_fd < 0)
        return name_fd == -EMFILE ? ENFILE : ENOBUFS;
    if (fd_is_reserved(made->weird, name_fd)) {
        close(name_fd);
        return ENFILE;
    }
    made->name_fd = name_fd;
    return 0;
}

bool socket_meet(struct socket *socket, int s)
{
    struct weird *weird = socket->weird;
    struct sockaddr_un name;
    const unsigned which = socket->family == AF_INET ? 0 : 1;
    const socklen_t len = path_of(&name, "/proc/self/fd/%d", weird->meeting_name[which]);
    if (connect(s, (struct sockaddr *)&name, len) < 0)
        return false;
    socket->d = accept4(weird->meeting[which], NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (socket->d < 0)
        return false;
    weird->idle_count--;
    if (fd_is_reserved(weird, socket->d)) {
        socket_close_d(socket);
        return false;
    }
    return true;
}

/* ---- Is anybody there? ---- */

/* A connect of the wrong type is refused by a socket that is gone, and told its mistake by one that
 * is not. */
bool socket_gone(const struct socket *made)
{
    if (made->name_fd < 0 && made->inode != 0)
        return queue_gone(made->weird, made->inode);
    if (made->spare >= 0)
        return false;
    if (made->name_fd < 0)
        return made->cookie != 0 && made->d >= 0 && !end_both(made) && hung_up_now(made->d);
    const int probe = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct sockaddr_un name;
    const socklen_t len = path_of(&name, "/proc/self/fd/%d", made->name_fd);
    const bool gone =
        probe >= 0 && connect(probe, (struct sockaddr *)&name, len) < 0 && errno == ECONNREFUSED;
    if (probe >= 0)
        close(probe);
    return gone;
}

static bool is_it(const struct socket *socket, int s)
{
    struct socket *found;
    uint8_t family;
    if (s < 0)
        return false;
    const uint64_t cookie = socket_cookie(s);
    return cookie != 0 &&
           (socket_known(socket->weird, NULL, cookie, &found, &family) ||
            socket_identify(socket->weird, NULL, s, &found, &family)) &&
           found == socket;
}

/* Looks at every descriptor of a process: what the kernel alone accepted we never saw. */
static int search(struct socket *socket, pid_t pid)
{
    unsigned missing = 0;
    for (int fd = 0; fd < SEARCH_FDS && missing < SEARCH_GAP; fd++) {
        const int s = fetch_fd(pid, fd);
        missing = s == -EBADF ? missing + 1 : 0;
        if (is_it(socket, s)) {
            socket->pid = pid;
            socket->fd = fd;
            return s;
        }
        if (s >= 0)
            close(s);
        else if (s != -EBADF)
            return -1;
    }
    return -1;
}

/* A child may have inherited S and never called us. */
static int search_children(struct socket *socket, pid_t thread)
{
    char path[64], text[CHILDREN_TEXT];
    int s = -1;
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)thread, (int)thread);
    (void)file_read(path, text, sizeof text);
    char *at = text;
    for (long child = strtol(at, &at, 10); child > 0 && s < 0; child = strtol(at, &at, 10))
        s = search(socket, (pid_t)child);
    return s;
}

int socket_fetch(struct socket *socket)
{
    if (socket->fd >= 0) {
        const int s = fetch_fd(socket->pid, socket->fd);
        if (is_it(socket, s))
            return s;
        if (s >= 0)
            close(s);
    }
    struct run *run = socket->run;
    for (unsigned i = 0; run != NULL && i < RUN_PIDS; i++) {
        const int s = run->pid[i] != 0 ? search(socket, run->pid[i]) : -1;
        if (s >= 0)
            return s;
    }
    for (unsigned i = 0; run != NULL && i < RUN_PIDS; i++) {
        const int s = run->thread[i] != 0 ? search_children(socket, run->thread[i]) : -1;
        if (s >= 0)
            return s;
    }
    return -1;
}

/* ---- Death ---- */

void socket_close_d(struct socket *socket)
{
    if (socket->owed_reset)
        socket->weird->owed_count--;
    socket->owed_reset = false;
    if (socket->d < 0)
        return;
    weir_loop_close_fd(socket->weird->loop, socket->d); /* which `ends`, too, hears */
    socket->end_watched = false;
    socket->d = -1;
    socket->d_events = 0;
    socket->weird->idle_count++;
}

void socket_free(struct socket *socket)
{
    struct weird *weird = socket->weird;
    exact_forget(socket);
    relay_forget(socket);
    socket_close_d(socket);
    if (socket->handle != WEIR_NO_HANDLE && socket->state == SOCKET_CONNECTED)
        address_leave(socket);
    if (socket->handle != WEIR_NO_HANDLE)
        (void)weir_release(weird->weir, socket->handle, weir_loop_clock());
    if (socket->name_fd >= 0)
        close(socket->name_fd);
    if (socket->spare >= 0)
        close(socket->spare);
    if (socket->cookie != 0)
        chain_remove(socket);
    const uint16_t place = socket->id % SOCKETS_MAX;
    weird->socket[place] = NULL;
    weird->freed[weird->freed_count++] = place;
    weird->socket_count--;
    if (socket->run != NULL)
        socket->run->socket_count--;
    weird->idle_count--;
}

void socket_over(struct socket *socket)
{
    socket_close_d(socket);
    if (socket->handle != WEIR_NO_HANDLE && socket->state == SOCKET_CONNECTED)
        address_leave(socket);
    if (socket->handle != WEIR_NO_HANDLE)
        (void)weir_release(socket->weird->weir, socket->handle, weir_loop_clock());
    socket->handle = WEIR_NO_HANDLE;
    socket->bound = false;
    socket->state = SOCKET_DEAD;
    exact_look(socket, weir_loop_clock());
    /* Of one that was accepted nobody has more to ask, unless it is the reason of its end. */
    const bool nameless = socket->cookie == 0 && (socket->inode == 0 || socket->error == 0);
    if (nameless || socket->hung_up || socket_gone(socket))
        socket_free(socket);
    else if (socket->run == NULL)
        sweep_timer_set(socket->weird);
}

/* Those of which only a look at all sockets tells. */
static bool is_unnamed(const struct socket *socket)
{
    return socket->cookie != 0 && socket->name_fd < 0 && socket->inode == 0 && socket->d < 0 &&
           socket->spare < 0;
}

static void on_seen(struct weird *weird, uint64_t cookie)
{
    struct socket *socket = find_made(weird, cookie);
    if (socket != NULL)
        socket->missed = 0;
}

static void sweep_unnamed(struct weird *weird)
{
    unsigned missing = 1;
    for (unsigned look = 1; look <= SWEEP_LOOKS && missing > 0; look++) {
        missing = 0;
        for (uint32_t i = 0; i < SOCKETS_MAX; i++) {
            struct socket *socket = weird->socket[i];
            if (socket == NULL)
                continue;
            const bool missed = is_unnamed(socket) && (look == 1 || socket->missed == look - 1);
            socket->missed = missed ? (uint8_t)look : 0;
            missing += missed;
        }
        if (missing == 0 || !queue_each(weird, on_seen))
            return;
    }
    for (uint32_t i = 0; i < SOCKETS_MAX && missing > 0; i++) {
        struct socket *socket = weird->socket[i];
        if (socket != NULL && socket->missed == SWEEP_LOOKS)
            socket_free(socket);
    }
}

void sockets_sweep(struct weird *weird)
{
    for (uint32_t i = 0; i < SOCKETS_MAX; i++) {
        struct socket *socket = weird->socket[i];
        if (socket != NULL && socket->d < 0 && socket_gone(socket))
            socket_free(socket);
    }
    sweep_unnamed(weird);
    weird->sweep_at = weird->idle_count * 2 > SWEEP_FIRST ? weird->idle_count * 2 : SWEEP_FIRST;
}

/* Those whose last close is no event for us, so that we look. Of a run that has ended, S may be
 * open a moment longer than the run. */
static bool is_to_be_watched(const struct socket *socket)
{
    return socket->state == SOCKET_LISTENING || (socket->run == NULL && socket->d < 0);
}

static void sweep_listeners(void *user, weir_time now)
{
    (void)now;
    struct weird *weird = user;
    bool unnamed = false;
    for (uint32_t i = 0; i < SOCKETS_MAX; i++) {
        struct socket *socket = weird->socket[i];
        if (socket == NULL || !is_to_be_watched(socket))
            continue;
        unnamed = unnamed || is_unnamed(socket);
        if (socket_gone(socket))
            socket_free(socket);
    }
    if (unnamed)
        sweep_unnamed(weird);
    sweep_timer_set(weird);
}

void sweep_timer_set(struct weird *weird)
{
    bool any = false;
    for (uint32_t i = 0; i < SOCKETS_MAX && !any; i++)
        any = weird->socket[i] != NULL && is_to_be_watched(weird->socket[i]);
    weird->sweep_timer.on_time = sweep_listeners;
    weird->sweep_timer.user = weird;
    if (any)
        weir_loop_set_timer(weird->loop, &weird->sweep_timer, weir_loop_clock() + SWEEP_EVERY);
    else
        weir_loop_clear_timer(weird->loop, &weird->sweep_timer);
}
