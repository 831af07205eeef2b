// SPDX-License-Identifier: GPL-2.0
/*
 * The kernel's IOVA allocator, drivers/iommu/iova.c, to compare with.
 */
#define IOMMU_MOCK_KUNIT
#include <linux/err.h>
#include <linux/iova.h>
#include <linux/irqflags.h>
#include <linux/ktime.h>
#include <linux/slab.h>

#include "../../rust/kapi/helpers.h"

u64 HELPER(iova_time_irqs)(u32 times);
void *HELPER(iova_new)(u64 first);
void HELPER(iova_free)(void *space);
u64 HELPER(iova_take)(void *space, u64 pages, u64 limit);
u64 HELPER(iova_time)(void *space, u64 pages, u64 limit, u64 *held, u32 count,
		      u32 times);

/* What iova.c does around each of its caches, and no lock of ours does. */
u64 HELPER(iova_time_irqs)(u32 times)
{
	ktime_t start = ktime_get();
	unsigned long flags;

	while (times--) {
		local_irq_save(flags);
		local_irq_restore(flags);
	}
	return ktime_to_ns(ktime_sub(ktime_get(), start));
}

#if IS_REACHABLE(CONFIG_IOMMU_IOVA)

void *HELPER(iova_new)(u64 first)
{
	struct iova_domain *iovad = kzalloc(sizeof(*iovad), GFP_KERNEL);
	int ret;

	if (!iovad)
		return ERR_PTR(-ENOMEM);
	ret = iova_cache_get();
	if (ret)
		goto free;
	init_iova_domain(iovad, 1UL << 12, first);
	ret = iova_domain_init_rcaches(iovad);
	if (ret)
		goto put;
	return iovad;
put:
	put_iova_domain(iovad);
	iova_cache_put();
free:
	kfree(iovad);
	return ERR_PTR(ret);
}

void HELPER(iova_free)(void *space)
{
	put_iova_domain(space);
	iova_cache_put();
	kfree(space);
}

/* A range that is never given back before all are; 0 if there is none. */
u64 HELPER(iova_take)(void *space, u64 pages, u64 limit)
{
	return alloc_iova_fast(space, pages, limit, true);
}

/*
 * Nanoseconds of so many times handing out `count` ranges and taking them
 * back, or 0 if there was none.
 */
u64 HELPER(iova_time)(void *space, u64 pages, u64 limit, u64 *held, u32 count,
		      u32 times)
{
	ktime_t start = ktime_get();
	bool failed = false;
	u32 i;

	while (times--) {
		for (i = 0; i < count; i++) {
			held[i] = alloc_iova_fast(space, pages, limit, true);
			failed |= !held[i];
		}
		for (i = 0; i < count; i++)
			free_iova_fast(space, held[i], pages);
	}
	return failed ? 0 : ktime_to_ns(ktime_sub(ktime_get(), start));
}

#else /* none to compare with */

void *HELPER(iova_new)(u64 first)
{
	return NULL;
}

void HELPER(iova_free)(void *space)
{
}

u64 HELPER(iova_take)(void *space, u64 pages, u64 limit)
{
	return 0;
}

u64 HELPER(iova_time)(void *space, u64 pages, u64 limit, u64 *held, u32 count,
		      u32 times)
{
	return 0;
}

#endif
