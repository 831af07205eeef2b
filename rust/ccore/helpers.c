// SPDX-License-Identifier: GPL-2.0
/*
 * C macros and inline functions that rust/ccore needs as functions.
 */
#include "../kapi/helpers.h"
