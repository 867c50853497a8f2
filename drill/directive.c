/* SPDX-License-Identifier: MIT */
#include "run.h"

void directive_event(struct run *run, const struct event *event)
{
    (void)run;
    (void)event;
}
