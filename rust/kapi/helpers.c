// SPDX-License-Identifier: GPL-2.0
/*
 * C macros and inline functions that rust/kapi needs as functions.
 */
#include <linux/bug.h>
#include <linux/printk.h>

#include "helpers.h"

void HELPER(warn)(const void *args);

/* @args: a Rust fmt::Arguments, printed by %pA. */
void HELPER(warn)(const void *args)
{
	WARN(1, "%pA\n", args);
}
