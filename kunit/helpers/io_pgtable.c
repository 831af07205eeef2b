// SPDX-License-Identifier: GPL-2.0
/*
 * The kernel's page tables of Arm, drivers/iommu/io-pgtable-arm.c, to compare
 * with.
 */
#define IOMMU_MOCK_KUNIT
#include <linux/bitops.h>
#include <linux/err.h>
#include <linux/io-pgtable.h>
#include <linux/iommu.h>
#include <linux/ktime.h>
#include <linux/sizes.h>
#include <linux/slab.h>

#include "../../rust/kapi/helpers.h"
#include "walk.h"

void *HELPER(iopt_new)(u32 stage);
void HELPER(iopt_free)(void *iopt);
u64 HELPER(iopt_time)(void *iopt, u32 op, const struct walk *walk);

#if IS_REACHABLE(CONFIG_IOMMU_IO_PGTABLE_LPAE)

struct iopt {
	struct io_pgtable_cfg cfg;
	struct io_pgtable_ops *ops;
};

static void iopt_flush_all(void *cookie)
{
}

static void iopt_flush_walk(unsigned long iova, size_t size, size_t granule,
			    void *cookie)
{
}

static void iopt_add_page(struct iommu_iotlb_gather *gather,
			  unsigned long iova, size_t granule, void *cookie)
{
	iommu_iotlb_gather_add_range(gather, iova, granule);
}

static const struct iommu_flush_ops iopt_flush_ops = {
	.tlb_flush_all = iopt_flush_all,
	.tlb_flush_walk = iopt_flush_walk,
	.tlb_add_page = iopt_add_page,
};

void *HELPER(iopt_new)(u32 stage)
{
	struct iopt *iopt = kzalloc(sizeof(*iopt), GFP_KERNEL);

	if (!iopt)
		return ERR_PTR(-ENOMEM);
	iopt->cfg = (struct io_pgtable_cfg) {
		.pgsize_bitmap = SZ_4K | SZ_2M | SZ_1G,
		.ias = 48,
		.oas = 48,
		.coherent_walk = true,
		.tlb = &iopt_flush_ops,
	};
	iopt->ops = alloc_io_pgtable_ops(stage == 1 ? ARM_64_LPAE_S1 :
						      ARM_64_LPAE_S2,
					 &iopt->cfg, iopt);
	if (!iopt->ops) {
		kfree(iopt);
		return ERR_PTR(-ENOMEM);
	}
	return iopt;
}

void HELPER(iopt_free)(void *iopt)
{
	struct iopt *table = iopt;

	free_io_pgtable_ops(table->ops);
	kfree(table);
}

/* What the core does between its callers and such a page table. */
static size_t iopt_run(struct iopt *iopt, u64 iova, u64 pa, u64 len,
		       size_t *count)
{
	unsigned long sizes = iopt->cfg.pgsize_bitmap & GENMASK(__fls(len), 0);
	unsigned long merged = iova | pa, larger;
	size_t size;

	if (merged)
		sizes &= GENMASK(__ffs(merged), 0);
	size = BIT(__fls(sizes));
	*count = len / size;
	larger = iopt->cfg.pgsize_bitmap & ~(size | (size - 1));
	if (larger && !((iova ^ pa) & (BIT(__ffs(larger)) - 1))) {
		u64 until;

		larger = BIT(__ffs(larger));
		until = larger - (iova & (larger - 1));
		if (until + larger <= len)
			*count = until / size;
	}
	return size;
}

static bool iopt_map(struct iopt *iopt, u64 iova, u64 pa, u64 len)
{
	while (len) {
		size_t count, mapped = 0;
		size_t size = iopt_run(iopt, iova, pa, len, &count);
		int ret;

		ret = iopt->ops->map_pages(iopt->ops, iova, pa, size, count,
					   IOMMU_READ | IOMMU_WRITE,
					   GFP_KERNEL, &mapped);
		if (ret || !mapped)
			return false;
		iova += mapped;
		pa += mapped;
		len -= mapped;
	}
	return true;
}

static bool iopt_unmap(struct iopt *iopt, u64 iova, u64 len)
{
	struct iommu_iotlb_gather gather;

	iommu_iotlb_gather_init(&gather);
	while (len) {
		size_t count, size = iopt_run(iopt, iova, iova, len, &count);
		size_t done = iopt->ops->unmap_pages(iopt->ops, iova, size,
						     count, &gather);

		if (!done)
			return false;
		iova += done;
		len -= done;
	}
	return true;
}

/* Nanoseconds of one operation on all ranges of a walk, or 0 if one failed. */
u64 HELPER(iopt_time)(void *iopt, u32 op, const struct walk *walk)
{
	struct iopt *table = iopt;
	u64 iova = walk->iova, pa = walk->pa;
	u32 times = walk->times;
	ktime_t start = ktime_get();
	bool good = true;

	for (; times--; iova += walk->stride, pa += walk->stride) {
		switch (op) {
		case WALK_MAP:
			good &= iopt_map(table, iova, pa, walk->len);
			break;
		case WALK_UNMAP:
			good &= iopt_unmap(table, iova, walk->len);
			break;
		case WALK_LOOK:
			good &= table->ops->iova_to_phys(table->ops, iova) == pa;
			break;
		}
	}
	return good ? ktime_to_ns(ktime_sub(ktime_get(), start)) : 0;
}

#else /* none to compare with */

void *HELPER(iopt_new)(u32 stage)
{
	return NULL;
}

void HELPER(iopt_free)(void *iopt)
{
}

u64 HELPER(iopt_time)(void *iopt, u32 op, const struct walk *walk)
{
	return 0;
}

#endif
