/* SPDX-License-Identifier: MIT */
#include "tool.h"

int tool_top(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    return TOOL_OK;
}
