/* SPDX-License-Identifier: MIT */
#include "actor.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const struct verb *const tables[] = { verbs_socket, verbs_data, verbs_watch, verbs_process };

void actor_init(struct actor *actor)
{
    memset(actor, 0, sizeof *actor);
    actor->family = 4;
    actor->peer = -1;
    for (int i = 0; i < SLOTS; i++)
        actor->fd[i] = actor->child[i] = -1;
}

long actor_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000L + now.tv_nsec / 1000000L;
}

void actor_settle(const struct actor *actor)
{
    const struct timespec pause = { .tv_nsec = (long)actor->settle_ms * 1000000L };
    nanosleep(&pause, NULL);
}

unsigned actor_port(int fd)
{
    struct sockaddr_storage name = { 0 };
    socklen_t len = sizeof name;
    if (getsockname(fd, (struct sockaddr *)&name, &len) != 0)
        return 0;
    /* The port has the same place in both. */
    return ntohs(((const struct sockaddr_in *)&name)->sin_port);
}

void call_bad(const struct call *call, const char *why)
{
    fprintf(stderr, "transcript: bad line: %s: %s\n", call->count > 0 ? call->arg[0] : "", why);
    exit(2);
}

int *call_slot(const struct call *call, int n)
{
    const char *word = n < call->count ? call->arg[n] : "";
    if (word[0] < 'a' || word[0] > 'z' || word[1] != '\0')
        call_bad(call, "no name of a socket");
    return &call->actor->fd[word[0] - 'a'];
}

bool call_has(const struct call *call, const char *word)
{
    for (int i = 1; i < call->count; i++)
        if (strcmp(call->arg[i], word) == 0)
            return true;
    return false;
}

/* ---- Addresses ---- */

static const char *const words[] = { "own", "far", "any", "loop", "foreign" };

static const char *address_of(const struct actor *actor, int word, int six)
{
    static const char *const fixed[][2] = { { "0.0.0.0", "::" },
                                            { "127.0.0.1", "::1" },
                                            { "203.0.113.77", "2001:db8:dead::77" } };
    if (word == 0)
        return actor->own[six];
    return word == 1 ? actor->far[six] : fixed[word - 2][six];
}

static socklen_t make4(struct sockaddr_storage *address, const char *host, unsigned port)
{
    struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    inet_pton(AF_INET, host, &in.sin_addr);
    memcpy(address, &in, sizeof in);
    return sizeof in;
}

static socklen_t make6(struct sockaddr_storage *address, const char *host, unsigned port)
{
    struct sockaddr_in6 in = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port) };
    inet_pton(AF_INET6, host, &in.sin6_addr);
    memcpy(address, &in, sizeof in);
    return sizeof in;
}

socklen_t call_address(const struct call *call, int n, struct sockaddr_storage *address)
{
    const char *word = n < call->count ? call->arg[n] : "";
    const char *colon = strchr(word, ':');
    memset(address, 0, sizeof *address);
    if (strcmp(word, "unspec") == 0)
        return sizeof(struct sockaddr_in); /* AF_UNSPEC is 0 */
    if (colon == NULL)
        call_bad(call, "no address");
    const unsigned port = (unsigned)atoi(colon + 1);
    if (strncmp(word, "beyond", 6) == 0) { /* beyond1: a place behind the peer that is not there */
        char host[40];
        snprintf(host, sizeof host, call->actor->family == 6 ? "2001:db8:be::%c" : "198.51.100.%c",
                 word[6]);
        return call->actor->family == 6 ? make6(address, host, port) : make4(address, host, port);
    }
    if (strncmp(word, "mapped", 6) == 0) {
        char host[40];
        snprintf(host, sizeof host, "::ffff:%s", call->actor->far[0]);
        return make6(address, host, port);
    }
    for (int i = 0; i < (int)(sizeof words / sizeof words[0]); i++) {
        if (strncmp(word, words[i], strlen(words[i])) != 0)
            continue;
        const char digit = word[strlen(words[i])];
        if (digit == '4' || (digit == ':' && call->actor->family == 4))
            return make4(address, address_of(call->actor, i, 0), port);
        return make6(address, address_of(call->actor, i, 1), port);
    }
    call_bad(call, "no address");
}

void call_tell_address(const struct call *call, const struct sockaddr_storage *address)
{
    char host[INET6_ADDRSTRLEN] = "?";
    const bool six = address->ss_family == AF_INET6;
    const void *from = six ? (const void *)&((const struct sockaddr_in6 *)address)->sin6_addr
                           : (const void *)&((const struct sockaddr_in *)address)->sin_addr;
    if (address->ss_family != AF_INET && !six) {
        text_add(call->text, " family %d", address->ss_family);
        return;
    }
    inet_ntop(address->ss_family, from, host, sizeof host);
    const char *name = host;
    const char *mapped = strncmp(host, "::ffff:", 7) == 0 ? "mapped-" : "";
    for (int i = 0; i < (int)(sizeof words / sizeof words[0]); i++)
        if (strcmp(host + strlen(mapped), address_of(call->actor, i, six && !*mapped)) == 0)
            name = words[i];
    const unsigned port = ntohs(((const struct sockaddr_in *)address)->sin_port);
    text_add(call->text, " %s%s:%s", mapped, name, port != 0 ? "port" : "0");
}

/* ---- Lines ---- */

/* The number that stands for an @word; *end is where it ends. */
static long expanded(struct actor *actor, const char *at, const char **end)
{
    static struct text reply;
    if (strncmp(at, "@full/", 6) == 0) {
        char *after;
        const long part = strtol(at + 6, &after, 10);
        *end = after;
        return part > 0 ? actor->full / part : 0;
    }
    if (at[1] == 'p' && at[2] >= 'a' && at[2] <= 'z') {
        const char line[] = { 'p', 'o', 'r', 't', ' ', at[2], '\0' };
        *end = at + 3;
        text_clear(&reply);
        if (!actor_ask(actor->peer, line, &reply) || reply.len < 4)
            return 0;
        return atol(reply.at + 3);
    }
    *end = at + 2;
    if (at[1] < 'a' || at[1] > 'z')
        return 0;
    return (long)actor_port(actor->fd[at[1] - 'a']);
}

static void expand(struct actor *actor, const char *line, char *into)
{
    size_t len = 0;
    while (*line != '\0' && len < LINE_LEN - 16) {
        if (*line == '@')
            len += (size_t)snprintf(into + len, 16, "%ld", expanded(actor, line, &line));
        else
            into[len++] = *line++;
    }
    into[len] = '\0';
}

static const struct verb *find(const char *name)
{
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++)
        for (const struct verb *verb = tables[i]; verb->name != NULL; verb++)
            if (strcmp(verb->name, name) == 0)
                return verb;
    return NULL;
}

bool actor_looks(const char *line)
{
    char name[LINE_LEN];
    snprintf(name, sizeof name, "%.*s", (int)strcspn(line, " "), line);
    const struct verb *verb = find(name);
    return verb != NULL && verb->looks;
}

void call_rest(const struct call *call, int n, char line[LINE_LEN])
{
    size_t len = 0;
    line[0] = '\0';
    for (int i = n; i < call->count; i++)
        len += (size_t)snprintf(line + len, LINE_LEN - len, "%s%s", i > n ? " " : "", call->arg[i]);
}

void actor_do(struct actor *actor, const char *line, struct text *text)
{
    char words_of[LINE_LEN];
    expand(actor, line, words_of);
    struct call call = { .actor = actor, .text = text };
    char *rest = words_of;
    char *word;
    while (call.count < ARGS_MAX - 1 && (word = strtok_r(rest, " ", &rest)) != NULL)
        call.arg[call.count++] = word;
    const struct verb *verb = call.count > 0 ? find(call.arg[0]) : NULL;
    if (verb == NULL)
        call_bad(&call, "no such verb");
    if (call.count <= verb->args)
        call_bad(&call, "too few words");
    verb->act(&call);
    if (!verb->looks)
        actor_settle(actor);
}

void actor_note(struct actor *actor, const char *line, struct text *text)
{
    text_add(text, "%s", line);
    actor_do(actor, line, text);
    text_add(text, "\n");
}

bool actor_ask(int connection, const char *line, struct text *text)
{
    const struct timeval limit = { .tv_sec = ASK_MAX_SEC };
    setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    if (send(connection, line, strlen(line), MSG_NOSIGNAL) < 0)
        return false;
    const size_t room = TEXT_MAX - 1 - text->len;
    ssize_t len;
    do
        len = recv(connection, text->at + text->len, room, 0);
    while (len < 0 && errno == EINTR);
    if (len <= 0)
        return false;
    text->len += (size_t)len;
    text->at[text->len] = '\0';
    return true;
}

void actor_serve(struct actor *actor, int connection)
{
    static struct text text;
    char line[LINE_LEN];
    for (;;) {
        const ssize_t len = recv(connection, line, sizeof line - 1, 0);
        if (len < 0 && errno == EINTR)
            continue;
        if (len <= 0)
            _exit(0);
        line[len] = '\0';
        text_clear(&text);
        actor_do(actor, line, &text);
        if (text.len == 0)
            text_add(&text, " ");
        if (send(connection, text.at, text.len, MSG_NOSIGNAL) < 0)
            _exit(0);
    }
}
