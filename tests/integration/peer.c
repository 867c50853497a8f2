/* SPDX-License-Identifier: MIT */

/* weir-peer: one instance on a device, driven line by line through standard input.
 *
 *     weir-peer --dev packet:w1 --addr 10.0.1.2/24 --data FILE [--verify] [--pcap FILE]
 *
 *     TAG listen NAME ADDR PORT BACKLOG      TAG accept NAME LISTENER
 *     TAG connect NAME ADDR PORT LPORT       TAG send NAME OFFSET LEN
 *     TAG recv NAME FILE LEN                 TAG shutdown|close|abort NAME
 *     TAG set NAME OPTION VALUE              TAG status NAME
 *     TAG state LPORT RPORT                  TAG udp NAME ADDR PORT
 *     TAG md5 ADDR KEY
 *     TAG udpconnect NAME ADDR PORT          TAG udpsend NAME OFFSET LEN [ADDR PORT]
 *     TAG udprecv NAME FILE                  TAG ping NAME ADDR LEN COUNT
 *     TAG counters
 *
 * LEN 0 of recv is "to the end"; FILE "-" counts only. Times are milliseconds. Each command gets
 * one reply: "TAG ok N", "TAG eof N", "TAG error ECONNRESET N", or words of its own. It ends with
 * its standard input. kernel_peer.py speaks the same over the kernel's sockets. */

#include "peer.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define BACKLOG_DEFAULT 8
#define LINE_MAX_OCTETS 512
#define WORDS_MAX       8
#define EXIT_USAGE      2

static _Noreturn void die(const char *what, const char *why)
{
    fprintf(stderr, "weir-peer: %s: %s\n", what, why);
    exit(EXIT_FAILURE);
}

/* ---- Words ---- */

static uint64_t number(const char *word)
{
    return word != NULL ? strtoull(word, NULL, 10) : 0;
}

static bool address(const char *ip, const char *port, struct weir_addr *addr)
{
    *addr = (struct weir_addr){ .port = (uint16_t)number(port) };
    return ip != NULL && weir_ip_parse(ip, &addr->ip);
}

static void take_tag(struct peer_job *job, const char *tag)
{
    *job = (struct peer_job){ .active = true, .fd = -1 };
    snprintf(job->tag, sizeof job->tag, "%s", tag);
}

static struct peer_socket *find(struct peer *peer, const char *name)
{
    for (unsigned i = 0; name != NULL && i < PEER_SOCKETS_MAX; i++)
        if (peer->socket[i].name[0] != '\0' && strcmp(peer->socket[i].name, name) == 0)
            return &peer->socket[i];
    return NULL;
}

static struct peer_socket *make(struct peer *peer, enum peer_kind kind, const char *name)
{
    for (unsigned i = 0; i < PEER_SOCKETS_MAX; i++) {
        struct peer_socket *socket = &peer->socket[i];
        if (socket->name[0] != '\0')
            continue;
        *socket = (struct peer_socket){ .kind = kind };
        snprintf(socket->name, sizeof socket->name, "%s", name);
        return socket;
    }
    die(name, "too many sockets");
}

static void answer(const char *tag, enum weir_error error)
{
    if (error == WEIR_OK)
        peer_reply(tag, "ok 0");
    else
        peer_reply(tag, "error %s 0", peer_error_name(error));
}

/* A command: `word` is what stands behind the verb, NULL beyond the last. */
typedef void verb_fn(struct peer *peer, const char *tag, char **word, weir_time now);

/* ---- Sockets ---- */

static void verb_listen(struct peer *peer, const char *tag, char **word, weir_time now)
{
    struct weir_addr local;
    (void)now;
    if (!address(word[1], word[2], &local)) {
        answer(tag, WEIR_INVALID);
        return;
    }
    const unsigned backlog = word[3] != NULL ? (unsigned)number(word[3]) : BACKLOG_DEFAULT;
    struct peer_socket *socket = make(peer, PEER_LISTENER, word[0]);
    const enum weir_error error = weir_listen(peer->weir, &local, backlog, 0, &socket->handle);
    if (error != WEIR_OK)
        *socket = (struct peer_socket){ 0 };
    answer(tag, error);
}

static void verb_accept(struct peer *peer, const char *tag, char **word, weir_time now)
{
    struct peer_socket *listener = find(peer, word[1]);
    if (listener == NULL || listener->accept.active) {
        answer(tag, WEIR_INVALID);
        return;
    }
    struct peer_socket *conn = make(peer, PEER_FREE, word[0]);
    take_tag(&listener->accept, tag);
    listener->accept.waiting = (int)(conn - peer->socket);
    peer_progress(peer, listener, now);
}

static void verb_connect(struct peer *peer, const char *tag, char **word, weir_time now)
{
    struct weir_addr remote;
    const struct weir_addr local = { .port = (uint16_t)number(word[3]) };
    if (!address(word[1], word[2], &remote)) {
        answer(tag, WEIR_INVALID);
        return;
    }
    struct peer_socket *socket = make(peer, PEER_CONN, word[0]);
    const enum weir_error error =
        weir_connect(peer->weir, word[3] != NULL ? &local : NULL, &remote, &socket->handle, now);
    if (error != WEIR_OK && error != WEIR_IN_PROGRESS) {
        *socket = (struct peer_socket){ 0 };
        answer(tag, error);
        return;
    }
    take_tag(&socket->open, tag);
    peer_progress(peer, socket, now);
}

static void verb_send(struct peer *peer, const char *tag, char **word, weir_time now)
{
    struct peer_socket *socket = find(peer, word[0]);
    const uint64_t offset = number(word[1]), len = number(word[2]);
    if (socket == NULL || socket->send.active || offset > peer->data_len ||
        len > peer->data_len - offset) {
        answer(tag, WEIR_INVALID);
        return;
    }
    take_tag(&socket->send, tag);
    socket->send.from = peer->data + offset;
    socket->send.left = len;
    peer_progress(peer, socket, now);
}

static bool take_file(struct peer_job *job, const char *tag, const char *path)
{
    take_tag(job, tag);
    if (strcmp(path, "-") != 0)
        job->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    job->active = strcmp(path, "-") == 0 || job->fd >= 0;
    return job->active;
}

static void verb_recv(struct peer *peer, const char *tag, char **word, weir_time now)
{
    struct peer_socket *socket = find(peer, word[0]);
    const uint64_t len = number(word[2]);
    if (socket == NULL || socket->recv.active || word[1] == NULL ||
        !take_file(&socket->recv, tag, word[1])) {
        answer(tag, WEIR_INVALID);
        return;
    }
    socket->recv.left = len > 0 ? len : UINT64_MAX;
    peer_progress(peer, socket, now);
}

static void verb_shutdown(struct peer *peer, const char *tag, char **word, weir_time now)
{
    struct peer_socket *socket = find(peer, word[0]);
    answer(tag, socket != NULL ? weir_shutdown(peer->weir, socket->handle, now) : WEIR_INVALID);
}

static void verb_abort(struct peer *peer, const char *tag, char **word, weir_time now)
{
    struct peer_socket *socket = find(peer, word[0]);
    answer(tag, socket != NULL ? weir_abort(peer->weir, socket->handle, now) : WEIR_INVALID);
}

static void verb_close(struct peer *peer, const char *tag, char **word, weir_time now)
{
    struct peer_socket *socket = find(peer, word[0]);
    if (socket == NULL) {
        answer(tag, WEIR_INVALID);
        return;
    }
    answer(tag, weir_release(peer->weir, socket->handle, now));
    *socket = (struct peer_socket){ 0 };
}

static void verb_set(struct peer *peer, const char *tag, char **word, weir_time now)
{
    static const struct {
        const char *name;
        enum weir_option option;
        int64_t unit;
    } options[] = {
        { "keepalive", WEIR_OPT_KEEPALIVE, 1 },
        { "keepidle", WEIR_OPT_KEEPIDLE, WEIR_MS },
        { "keepintvl", WEIR_OPT_KEEPINTVL, WEIR_MS },
        { "keepcnt", WEIR_OPT_KEEPCNT, 1 },
        { "user_timeout", WEIR_OPT_USER_TIMEOUT, WEIR_MS },
        { "nodelay", WEIR_OPT_NODELAY, 1 },
        { "rcvbuf", WEIR_OPT_RCVBUF, 1 },
        { "sndbuf", WEIR_OPT_SNDBUF, 1 },
    };
    struct peer_socket *socket = find(peer, word[0]);
    for (unsigned i = 0; i < sizeof options / sizeof options[0]; i++) {
        if (socket == NULL || word[1] == NULL || strcmp(options[i].name, word[1]) != 0)
            continue;
        const int64_t value = (int64_t)number(word[2]) * options[i].unit;
        answer(tag, weir_set(peer->weir, socket->handle, options[i].option, value, now));
        return;
    }
    answer(tag, WEIR_INVALID);
}

static void verb_md5(struct peer *peer, const char *tag, char **word, weir_time now)
{
    struct weir_addr from;
    struct weir_key key = { .prefix_len = 32 };
    (void)now;
    const size_t len = strlen(word[1]);
    if (!address(word[0], "0", &from) || len > sizeof key.key) {
        answer(tag, WEIR_INVALID);
        return;
    }
    key.peer = from.ip;
    if (!weir_ip_is_v4(&from.ip))
        key.prefix_len = 128;
    key.key_len = (uint8_t)len;
    memcpy(key.key, word[1], len);
    answer(tag, weir_key_set(peer->weir, &key));
}

/* ---- Datagrams ---- */

static void verb_udp(struct peer *peer, const char *tag, char **word, weir_time now)
{
    struct weir_addr local;
    (void)now;
    if (!address(word[1], word[2], &local)) {
        answer(tag, WEIR_INVALID);
        return;
    }
    struct peer_socket *socket = make(peer, PEER_UDP, word[0]);
    answer(tag, weir_udp_open(peer->weir, &local, &socket->handle));
}

static void verb_udpconnect(struct peer *peer, const char *tag, char **word, weir_time now)
{
    struct weir_addr remote;
    struct peer_socket *socket = find(peer, word[0]);
    (void)now;
    if (socket == NULL || !address(word[1], word[2], &remote))
        answer(tag, WEIR_INVALID);
    else
        answer(tag, weir_udp_connect(peer->weir, socket->handle, &remote));
}

static void verb_udpsend(struct peer *peer, const char *tag, char **word, weir_time now)
{
    struct weir_addr remote;
    struct peer_socket *socket = find(peer, word[0]);
    const uint64_t offset = number(word[1]), len = number(word[2]);
    const bool named = word[3] != NULL;
    if (socket == NULL || offset > peer->data_len || len > peer->data_len - offset ||
        (named && !address(word[3], word[4], &remote))) {
        answer(tag, WEIR_INVALID);
        return;
    }
    answer(tag, weir_udp_send(peer->weir, socket->handle, named ? &remote : NULL,
                              peer->data + offset, len, now));
}

static void verb_udprecv(struct peer *peer, const char *tag, char **word, weir_time now)
{
    struct peer_socket *socket = find(peer, word[0]);
    if (socket == NULL || word[1] == NULL || !take_file(&socket->recv, tag, word[1])) {
        answer(tag, WEIR_INVALID);
        return;
    }
    peer_progress(peer, socket, now);
}

static void verb_ping(struct peer *peer, const char *tag, char **word, weir_time now)
{
    struct weir_addr remote;
    if (!address(word[1], NULL, &remote) || number(word[2]) > peer->data_len) {
        answer(tag, WEIR_INVALID);
        return;
    }
    struct peer_socket *socket = make(peer, PEER_PING, word[0]);
    enum weir_error error = weir_ping_open(peer->weir, &socket->handle);
    socket->ping_to = remote.ip;
    socket->ping_len = number(word[2]);
    socket->ping_count = (uint16_t)number(word[3]);
    if (error == WEIR_OK)
        error = peer_ping_next(peer, socket, now);
    if (error == WEIR_OK)
        take_tag(&socket->recv, tag);
    else
        answer(tag, error);
}

/* ---- Looking inside ---- */

static void verb_status(struct peer *peer, const char *tag, char **word, weir_time now)
{
    struct peer_socket *socket = find(peer, word[0]);
    struct weir_status s;
    (void)now;
    if (socket == NULL || weir_status(peer->weir, socket->handle, &s) != WEIR_OK) {
        answer(tag, WEIR_INVALID);
        return;
    }
    peer_reply(tag,
               "ok state=%s passive=%d timer=%s snd_wnd=%u rcv_wnd=%u unsent=%u unacked=%u "
               "unread=%u mss=%u peer_mss=%u snd_wscale=%u rcv_wscale=%u timestamps=%d sack=%d "
               "segs_rtx=%u rto_count=%u recovery_count=%u octets_in=%llu octets_out=%llu "
               "probes=%u cause=%u srtt_us=%lld cwnd=%u",
               weir_state_text(s.state), s.passive, weir_timer_text(s.timer), s.snd_wnd, s.rcv_wnd,
               s.unsent, s.unacked, s.unread, s.mss, s.peer_mss, s.snd_wscale, s.rcv_wscale,
               s.timestamps, s.sack, s.segs_rtx, s.rto_count, s.recovery_count,
               (unsigned long long)s.octets_in, (unsigned long long)s.octets_out,
               s.keepalive_probes, s.cause, (long long)(s.srtt / WEIR_US), s.cwnd);
}

/* By ports, since what has no owner has no name here. */
static void verb_state(struct peer *peer, const char *tag, char **word, weir_time now)
{
    struct weir_status s;
    weir_handle handle;
    uint64_t cursor = 0;
    (void)now;
    while (weir_list(peer->weir, &cursor, &s, &handle)) {
        if (s.local.port != number(word[0]) || s.remote.port != number(word[1]))
            continue;
        peer_reply(tag, "ok %s", weir_state_text(s.state));
        return;
    }
    peer_reply(tag, "ok CLOSED");
}

static void verb_counters(struct peer *peer, const char *tag, char **word, weir_time now)
{
    char text[4096] = "";
    size_t len = 0;
    struct weir_counters c;
    (void)word;
    (void)now;
    weir_counters(peer->weir, &c);
    for (unsigned drop = 1; drop < WEIR_DROP_COUNT && len < sizeof text - PEER_WORD_MAX; drop++)
        if (weir_drop_count(peer->weir, drop) > 0)
            len += (size_t)snprintf(text + len, sizeof text - len, " %s=%llu", weir_drop_name(drop),
                                    (unsigned long long)weir_drop_count(peer->weir, drop));
    peer_reply(tag, "ok frames_in=%llu frames_out=%llu rsts_in=%llu rsts_out=%llu%s",
               (unsigned long long)c.frames_in, (unsigned long long)c.frames_out,
               (unsigned long long)c.rsts_in, (unsigned long long)c.rsts_out, text);
}

/* ---- Lines ---- */

static const struct {
    const char *name;
    unsigned words; /* that it cannot do without */
    verb_fn *run;
} verbs[] = {
    { "listen", 3, verb_listen },   { "accept", 2, verb_accept },
    { "connect", 3, verb_connect }, { "send", 3, verb_send },
    { "recv", 3, verb_recv },       { "shutdown", 1, verb_shutdown },
    { "close", 1, verb_close },     { "abort", 1, verb_abort },
    { "set", 3, verb_set },         { "md5", 2, verb_md5 },
    { "status", 1, verb_status },   { "state", 2, verb_state },
    { "udp", 3, verb_udp },         { "udpconnect", 3, verb_udpconnect },
    { "udpsend", 3, verb_udpsend }, { "udprecv", 2, verb_udprecv },
    { "ping", 4, verb_ping },       { "counters", 0, verb_counters },
};

static void obey(struct peer *peer, char *line, weir_time now)
{
    char *word[WORDS_MAX + 1] = { NULL };
    char *rest = NULL;
    unsigned count = 0;
    for (char *w = strtok_r(line, " ", &rest); w != NULL && count < WORDS_MAX;
         w = strtok_r(NULL, " ", &rest))
        word[count++] = w;
    if (count == 0)
        return;
    for (unsigned i = 0; count > 1 && i < sizeof verbs / sizeof verbs[0]; i++) {
        if (strcmp(verbs[i].name, word[1]) != 0 || count < verbs[i].words + 2)
            continue;
        verbs[i].run(peer, word[0], word + 2, now);
        return;
    }
    answer(word[0], WEIR_INVALID);
}

static void on_input(void *user, int fd, uint32_t ready, weir_time now)
{
    static char line[LINE_MAX_OCTETS];
    static size_t len;
    struct peer *peer = user;
    (void)ready;
    const ssize_t got = read(fd, line + len, sizeof line - 1 - len);
    if (got <= 0) {
        weir_loop_stop(peer->loop);
        return;
    }
    len += (size_t)got;
    for (char *end; (end = memchr(line, '\n', len)) != NULL;) {
        *end = '\0';
        obey(peer, line, now);
        len -= (size_t)(end + 1 - line);
        memmove(line, end + 1, len);
    }
    if (len == sizeof line - 1)
        die("standard input", "a line is too long");
}

static void on_event(void *user, struct weir *weir, const struct weir_event *event, weir_time now)
{
    struct peer *peer = user;
    (void)weir;
    for (unsigned i = 0; i < PEER_SOCKETS_MAX; i++)
        if (peer->socket[i].name[0] != '\0' && peer->socket[i].handle == event->handle)
            peer_progress(peer, &peer->socket[i], now);
}

/* ---- Start ---- */

struct start {
    const char *dev, *data, *pcap;
    const char *address[PEER_SOCKETS_MAX];
    unsigned address_count;
    bool verify;
};

static void parse(struct start *start, int argc, char **argv)
{
    static const struct option longs[] = {
        { "dev", required_argument, NULL, 'd' },  { "addr", required_argument, NULL, 'a' },
        { "data", required_argument, NULL, 'f' }, { "pcap", required_argument, NULL, 'p' },
        { "verify", no_argument, NULL, 'v' },     { NULL, 0, NULL, 0 },
    };
    for (int option; (option = getopt_long(argc, argv, "", longs, NULL)) != -1;) {
        if (option == 'd')
            start->dev = optarg;
        else if (option == 'a' && start->address_count < PEER_SOCKETS_MAX)
            start->address[start->address_count++] = optarg;
        else if (option == 'f')
            start->data = optarg;
        else if (option == 'p')
            start->pcap = optarg;
        else if (option == 'v')
            start->verify = true;
        else
            exit(EXIT_USAGE);
    }
    if (start->dev == NULL || start->data == NULL || start->address_count == 0) {
        fprintf(stderr, "usage: weir-peer --dev DEVICE --addr IP/LEN --data FILE\n");
        exit(EXIT_USAGE);
    }
}

static void map_data(struct peer *peer, const char *path)
{
    struct stat stat;
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &stat) < 0)
        die(path, strerror(errno));
    peer->data_len = (size_t)stat.st_size;
    peer->data = mmap(NULL, peer->data_len, PROT_READ, MAP_PRIVATE, fd, 0);
    if (peer->data == MAP_FAILED)
        die(path, strerror(errno));
    close(fd);
}

static void make_instance(struct peer *peer, bool verify)
{
    char why[WEIR_LINE_MAX] = "";
    struct weir_config config;
    weir_config_default(&config);
    config.verify = verify;
    config.crypto = CRYPTO;
    if (weir_secrets_fill(&config, why) < 0)
        die("secrets", why);
    const size_t len = weir_memory_size(&config);
    void *memory =
        mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        die("memory", strerror(errno));
    const enum weir_error error = weir_init(&peer->weir, memory, len, &config, weir_loop_clock());
    if (error != WEIR_OK)
        die("instance", weir_error_text(error));
    weir_panic_watch(peer->weir);
}

static unsigned add_interface(struct peer *peer, const struct start *start,
                              const struct weir_dev *dev)
{
    unsigned iface = 0;
    struct weir_iface_config config = {
        .medium = WEIR_ETHERNET,
        .mtu = dev->mtu,
        .csum_offload = dev->csum,
        .tso = dev->tso,
        .no_dad = true,
    };
    memcpy(config.mac, dev->mac, sizeof config.mac);
    enum weir_error error = weir_iface_add(peer->weir, &config, &iface, weir_loop_clock());
    for (unsigned i = 0; i < start->address_count && error == WEIR_OK; i++) {
        char ip[WEIR_IP_TEXT_MAX] = "";
        struct weir_ip parsed;
        const char *slash = strchr(start->address[i], '/');
        if (slash == NULL || slash - start->address[i] >= WEIR_IP_TEXT_MAX)
            die(start->address[i], "not an address with its prefix");
        memcpy(ip, start->address[i], (size_t)(slash - start->address[i]));
        if (!weir_ip_parse(ip, &parsed))
            die(start->address[i], "not an address with its prefix");
        error = weir_address_add(peer->weir, iface, &parsed, (unsigned)number(slash + 1),
                                 weir_loop_clock());
    }
    if (error != WEIR_OK)
        die(start->dev, weir_error_text(error));
    return iface;
}

int main(int argc, char **argv)
{
    static struct peer peer;
    struct start start = { 0 };
    char why[WEIR_LINE_MAX] = "";
    struct weir_dev *dev = NULL;
    struct weir_capture *capture = NULL;
    int port = 0;
    parse(&start, argc, argv);
    map_data(&peer, start.data);
    if (weir_dev_open(&dev, start.dev, why) < 0 || weir_loop_open(&peer.loop, NULL, why) < 0)
        die(start.dev, why);
    make_instance(&peer, start.verify);
    const unsigned iface = add_interface(&peer, &start, dev);
    if (start.pcap != NULL) {
        const struct weir_capture_config config = { .path = start.pcap,
                                                    .epoch = weir_loop_epoch() };
        if (weir_capture_open(&capture, &config, why) < 0)
            die(start.pcap, why);
        port = weir_capture_attach(capture, peer.weir, iface, dev->name);
    }
    if (port < 0 || weir_loop_add_instance(peer.loop, peer.weir, on_event, &peer) < 0 ||
        weir_loop_add_dev(peer.loop, peer.weir, iface, dev, capture, (unsigned)port) < 0 ||
        weir_loop_add_fd(peer.loop, STDIN_FILENO, EPOLLIN, on_input, &peer) < 0)
        die("loop", "no room");
    peer_reply("0", "ready");
    if (weir_loop_run(peer.loop, why) < 0)
        die(start.dev, why);
    weir_loop_close(peer.loop);
    weir_capture_close(capture);
    weir_dev_close(dev);
    return EXIT_SUCCESS;
}
