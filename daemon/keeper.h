/* SPDX-License-Identifier: MIT */
#ifndef WEIR_DAEMON_KEEPER_H
#define WEIR_DAEMON_KEEPER_H

/* The keeper: a small process beside weird that sees to it that weird's death is told.
 *
 * Without it a kill -9 would look to programs like an orderly end of every stream, and their caught
 * calls would fail with ENOSYS for ever. The keeper sleeps as long as weird lives. It shares
 * weird's table of descriptors (clone's CLONE_FILES), so that nothing is closed when weird dies and
 * nothing has to be passed to it before; and weird's own tables (struct weird), which lie in shared
 * memory.
 *
 * When weird dies out of order, the keeper makes every stream end with ECONNRESET, ends the waiting
 * of those who accept or connect, removes what lay in the file system, lets the device go, and from
 * then on answers the caught calls with errors. It ends with the last of the programs, or gives
 * seccomp's descriptors to the next weird with the same control socket, which then serves new
 * sockets of the programs that still run.
 *
 * It cannot help if it is killed, too. */

#include "parts.h"

/* The tables that weird and its keeper share. */
bool keeper_memory(struct weird **weird, char why[WEIR_LINE_MAX]);

/* Other memory that they share, zeroed; NULL: none. It is never given back. */
void *keeper_share(size_t len);

/* Starts it: when all is open and given up but the system calls. `filter`: it is to have one. */
bool keeper_start(struct weird *weird, bool filter, char why[WEIR_LINE_MAX]);

/* Asks whoever listens at the control socket `fd` for its runs, and starts them in `weird`. 0: they
 * are ours now, if there were any. EADDRINUSE: a weird lives there. Other errors: nobody answers.
 */
int keeper_take_over(struct weird *weird, int fd);

/* ---- Inside the keeper ---- */

/* Ends all streams and all waiting of weird's programs (keeper_end.c). */
void keeper_end_all(struct weird *weird);

/* Who has connected to the control socket and not yet said what it wants. No time is set for that:
 * on a busy machine the next weird may be long about it, and would not get the programs. When there
 * are too many the one that has waited longest goes. */
#define KEEPER_ASKERS 8
struct keeper_askers {
    int fd[KEEPER_ASKERS]; /* or -1 */
    unsigned next;         /* the place that is given away next */
};

/* Takes one more of them. */
void keeper_admit(struct keeper_askers *askers, int listener);

/* One that has said it, and is answered and closed. True: the next weird has got everything. */
bool keeper_serve(struct weird *weird, int *asker);

/* A caught call, when weird is gone; `call->s` is there, or an error. */
struct call;
void keeper_answer(struct call *call);

#endif
