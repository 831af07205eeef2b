// SPDX-License-Identifier: GPL-2.0
/* The helpers of rust/kapi with the names of the test module. */
#define IOMMU_MOCK_KUNIT
#include "../../rust/kapi/helpers.c"
