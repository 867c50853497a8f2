/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TESTS_DIFFERENTIAL_ACTOR_H
#define WEIR_TESTS_DIFFERENTIAL_ACTOR_H

/* One who performs the lines of a case: makes a socket call, and notes what it gave back.
 *
 * The subject, its peer on the kernel, and processes that the subject forks are all actors and
 * know the same verbs; the subject tells the others what to do over an AF_UNIX connection, never
 * over a socket under test. Sockets have names of one letter, each actor its own ('p' is kept for
 * the peer). A line is what it says: "send a abc", or "p close a" for the peer to do.
 *
 *     @a @pa      the port of our, of the peer's, socket a
 *     @full/N     an N-th of what the last `fill` could send
 *     own:0 far:@pl any:0 loop:@a foreign:0 unspec    addresses
 *     %5000       that many octets, where data is wanted
 *
 * Of the line "send a abc" the transcript shows "send a abc = 3". */

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/types.h>

#include "text.h"

#define SLOTS       26
#define ARGS_MAX    12
#define LINE_LEN    512
#define ASK_MAX_SEC 9 /* an actor that has not answered by then is given up */

struct actor {
    int family; /* 4 or 6 */
    unsigned settle_ms;
    const char *own[2]; /* of each family: ours, and that of the peer */
    const char *far[2];
    int fd[SLOTS]; /* -1: never opened. A closed one keeps its number, to be used by mistake */
    long full;
    int peer; /* the connection to the peer, or -1 */
    int child[SLOTS];
    pid_t pid[SLOTS];
    struct thread *thread[SLOTS];
};

/* One line, taken apart. `text` is its result. */
struct call {
    struct actor *actor;
    struct text *text;
    int count;
    char *arg[ARGS_MAX]; /* NULL beyond count */
};

struct verb {
    const char *name;
    void (*act)(struct call *call);
    bool looks; /* changes nothing, so that nothing has to settle behind it */
    int args;   /* at least so many, the verb itself not counted */
};

extern const struct verb verbs_socket[];
extern const struct verb verbs_data[];
extern const struct verb verbs_watch[];
extern const struct verb verbs_process[];

void actor_init(struct actor *actor);

/* Performs a line. The text gets the result only; actor_note adds the line before it, too. */
void actor_do(struct actor *actor, const char *line, struct text *text);
void actor_note(struct actor *actor, const char *line, struct text *text);

/* Has another actor do it. False if that one is gone or hangs. */
bool actor_ask(int connection, const char *line, struct text *text);

/* Answers such requests until the connection ends; does not return. */
_Noreturn void actor_serve(struct actor *actor, int connection);

/* Whether the verb that a line begins with only looks. */
bool actor_looks(const char *line);

/* Time for what was done to arrive everywhere. */
void actor_settle(const struct actor *actor);

/* The arguments from the n-th on as one line again. */
void call_rest(const struct call *call, int n, char line[LINE_LEN]);

/* The place of the n-th argument's socket. A name that is none says so in the text and ends the
 * process: the case is wrong. */
int *call_slot(const struct call *call, int n);
bool call_has(const struct call *call, const char *word);
_Noreturn void call_bad(const struct call *call, const char *why);

/* The address that a word such as far:4711 means; its length. */
socklen_t call_address(const struct call *call, int n, struct sockaddr_storage *address);

/* The other way round, into the text. */
void call_tell_address(const struct call *call, const struct sockaddr_storage *address);

/* The port a socket is bound to, or 0. */
unsigned actor_port(int fd);

long actor_now_ms(void);

#endif
