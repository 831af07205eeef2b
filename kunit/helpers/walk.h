/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Ranges at equal distances on which one operation is measured, as in
 * rust/kapi/walk.rs.
 */
#ifndef IOMMU_MOCK_KUNIT_WALK_H
#define IOMMU_MOCK_KUNIT_WALK_H

#include <linux/types.h>

enum walk_op { WALK_MAP, WALK_UNMAP, WALK_LOOK };

struct walk {
	u64 iova;
	u64 pa;
	u64 len;
	u64 stride;
	u32 times;
};

#endif
