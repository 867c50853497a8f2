/* SPDX-License-Identifier: MIT */
#ifndef WEIR_DOCTOR_KERNEL_NET_H
#define WEIR_DOCTOR_KERNEL_NET_H

/* Going into a network namespace and back, for the files of kernel.h. */

#include "kernel.h"

/* Enters; `*home` is what kernel_net_leave needs. -errno, and then nothing has changed. */
int kernel_net_enter(const struct kernel_net *net, int *home);
void kernel_net_leave(int home);

#endif
