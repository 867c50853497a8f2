/* SPDX-License-Identifier: MIT */
#include "tool.h"
