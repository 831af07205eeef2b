// SPDX-License-Identifier: GPL-2.0
/* The channel of rust/ccore with the names of the test module. */
#define IOMMU_MOCK_KUNIT
#include "../../rust/ccore/channel.c"
