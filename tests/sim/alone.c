/* SPDX-License-Identifier: MIT */

/* `weir sim` without the rest of `weir`: build-VARIANT/weir-sim, which compares what compilers make
 * of the stack and need not wait for what they make of the other commands. It is called as `weir`
 * is, by the same words. */

#include "args.h"
#include "tool.h"

#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
    if (argc < 2 || strcmp(argv[1], "sim") != 0) {
        fputs("usage: weir-sim sim [ARGUMENT...], as of weir\n", stderr);
        return TOOL_USAGE;
    }
    args_begin();
    return tool_sim(argc - 1, argv + 1);
}
