/* SPDX-License-Identifier: MIT */
#ifndef WEIR_WEIR_H
#define WEIR_WEIR_H

/* The whole public interface of the core: see the three headers. */

#include "weir/base.h"
#include "weir/stack.h"
#include "weir/trace.h"

#endif
