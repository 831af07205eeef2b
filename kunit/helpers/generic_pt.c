// SPDX-License-Identifier: GPL-2.0
/*
 * The kernel's own page tables, drivers/iommu/generic_pt, to compare with.
 */
#define IOMMU_MOCK_KUNIT
#include <linux/err.h>
#include <linux/generic_pt/iommu.h>
#include <linux/iommu.h>
#include <linux/ktime.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#include "../../rust/kapi/helpers.h"
#include "walk.h"

/* In the order of enum Format of rust/kapi/generic_pt.rs. */
enum gpt_format { GPT_VTDSS, GPT_X86_64, GPT_AMDV1 };

void *HELPER(gpt_new)(u32 format, u32 levels);
void HELPER(gpt_free)(void *gpt);
int HELPER(gpt_map)(void *gpt, u64 iova, u64 pa, u64 len, u32 prot, u64 *mapped);
u64 HELPER(gpt_unmap)(void *gpt, u64 iova, u64 len);
u64 HELPER(gpt_iova_to_phys)(void *gpt, u64 iova);
u64 HELPER(gpt_time)(void *gpt, u32 op, const struct walk *walk);

#if IS_REACHABLE(CONFIG_IOMMU_PT_AMDV1) && \
	IS_REACHABLE(CONFIG_IOMMU_PT_VTDSS) && \
	IS_REACHABLE(CONFIG_IOMMU_PT_X86_64)

/* Declared in drivers/iommu/iommu-pages.h, and exported. */
void iommu_put_pages_list(struct iommu_pages_list *list);

struct gpt {
	union {
		struct iommu_domain domain;
		struct pt_iommu iommu;
		struct pt_iommu_amdv1 amdv1;
		struct pt_iommu_vtdss vtdss;
		struct pt_iommu_x86_64 x86_64;
	};
	/* Guards the top of a table that can grow there. */
	spinlock_t top_lock;
};

static void gpt_sync(struct iommu_domain *domain,
		     struct iommu_iotlb_gather *gather)
{
	iommu_put_pages_list(&gather->freelist);
}

static const struct iommu_domain_ops gpt_ops[] = {
	[GPT_VTDSS] = { IOMMU_PT_DOMAIN_OPS(vtdss), .iotlb_sync = gpt_sync },
	[GPT_X86_64] = { IOMMU_PT_DOMAIN_OPS(x86_64), .iotlb_sync = gpt_sync },
	[GPT_AMDV1] = { IOMMU_PT_DOMAIN_OPS(amdv1), .iotlb_sync = gpt_sync },
};

static void gpt_change_top(struct pt_iommu *iommu, phys_addr_t top,
			   unsigned int level)
{
}

static spinlock_t *gpt_top_lock(struct pt_iommu *iommu)
{
	return &container_of(iommu, struct gpt, iommu)->top_lock;
}

static const struct pt_iommu_driver_ops gpt_driver_ops = {
	.change_top = gpt_change_top,
	.get_top_lock = gpt_top_lock,
};

static int gpt_init(struct gpt *gpt, u32 format, u32 levels)
{
	struct pt_iommu_cfg common = {
		.features = BIT(PT_FEAT_FLUSH_RANGE),
		.hw_max_vasz_lg2 = 12 + 9 * levels,
		.hw_max_oasz_lg2 = 52,
	};

	switch (format) {
	case GPT_VTDSS: {
		struct pt_iommu_vtdss_cfg cfg = {
			.common = common,
			.top_level = levels - 1,
		};

		return pt_iommu_vtdss_init(&gpt->vtdss, &cfg, GFP_KERNEL);
	}
	case GPT_X86_64: {
		struct pt_iommu_x86_64_cfg cfg = {
			.common = common,
			.top_level = levels - 1,
		};

		cfg.common.features |= BIT(PT_FEAT_SIGN_EXTEND);
		return pt_iommu_x86_64_init(&gpt->x86_64, &cfg, GFP_KERNEL);
	}
	case GPT_AMDV1: {
		struct pt_iommu_amdv1_cfg cfg = {
			.common = common,
			.starting_level = levels - 1,
		};

		cfg.common.hw_max_vasz_lg2 = 64;
		cfg.common.features |= BIT(PT_FEAT_DYNAMIC_TOP) |
				       BIT(PT_FEAT_AMDV1_ENCRYPT_TABLES) |
				       BIT(PT_FEAT_AMDV1_FORCE_COHERENCE);
		return pt_iommu_amdv1_init(&gpt->amdv1, &cfg, GFP_KERNEL);
	}
	}
	return -EINVAL;
}

void *HELPER(gpt_new)(u32 format, u32 levels)
{
	struct gpt *gpt = kzalloc(sizeof(*gpt), GFP_KERNEL);
	int ret;

	if (!gpt)
		return ERR_PTR(-ENOMEM);
	spin_lock_init(&gpt->top_lock);
	gpt->iommu.nid = NUMA_NO_NODE;
	gpt->iommu.driver_ops = &gpt_driver_ops;
	ret = gpt_init(gpt, format, levels);
	if (ret) {
		kfree(gpt);
		return ERR_PTR(ret);
	}
	gpt->domain.ops = &gpt_ops[format];
	return gpt;
}

void HELPER(gpt_free)(void *gpt)
{
	struct gpt *table = gpt;

	pt_iommu_deinit(&table->iommu);
	kfree(table);
}

static int gpt_map_range(struct gpt *gpt, u64 iova, u64 pa, u64 len, u32 prot,
			 u64 *mapped)
{
	size_t done = 0;
	int ret;

	ret = gpt->iommu.ops->map_range(&gpt->iommu, iova, pa, len, prot,
					GFP_KERNEL, &done);
	*mapped = done;
	return ret;
}

static u64 gpt_unmap_range(struct gpt *gpt, u64 iova, u64 len)
{
	struct iommu_iotlb_gather gather;
	size_t done;

	iommu_iotlb_gather_init(&gather);
	done = gpt->iommu.ops->unmap_range(&gpt->iommu, iova, len, &gather);
	iommu_iotlb_sync(&gpt->domain, &gather);
	return done;
}

int HELPER(gpt_map)(void *gpt, u64 iova, u64 pa, u64 len, u32 prot, u64 *mapped)
{
	return gpt_map_range(gpt, iova, pa, len, prot, mapped);
}

u64 HELPER(gpt_unmap)(void *gpt, u64 iova, u64 len)
{
	return gpt_unmap_range(gpt, iova, len);
}

u64 HELPER(gpt_iova_to_phys)(void *gpt, u64 iova)
{
	struct gpt *table = gpt;

	return table->domain.ops->iova_to_phys(&table->domain, iova);
}

/* Nanoseconds of one operation on all ranges of a walk, or 0 if one failed. */
u64 HELPER(gpt_time)(void *gpt, u32 op, const struct walk *walk)
{
	struct gpt *table = gpt;
	struct iommu_domain *domain = &table->domain;
	u64 iova = walk->iova, pa = walk->pa, len = walk->len, mapped;
	u32 times = walk->times;
	ktime_t start = ktime_get();
	bool failed = false;

	for (; times--; iova += walk->stride, pa += walk->stride) {
		switch (op) {
		case WALK_MAP:
			failed |= gpt_map_range(table, iova, pa, len,
						IOMMU_READ | IOMMU_WRITE,
						&mapped);
			break;
		case WALK_UNMAP:
			failed |= gpt_unmap_range(table, iova, len) != len;
			break;
		case WALK_LOOK:
			failed |= domain->ops->iova_to_phys(domain, iova) != pa;
			break;
		}
	}
	return failed ? 0 : ktime_to_ns(ktime_sub(ktime_get(), start));
}

#else /* none to compare with */

void *HELPER(gpt_new)(u32 format, u32 levels)
{
	return NULL;
}

void HELPER(gpt_free)(void *gpt)
{
}

int HELPER(gpt_map)(void *gpt, u64 iova, u64 pa, u64 len, u32 prot, u64 *mapped)
{
	return -EOPNOTSUPP;
}

u64 HELPER(gpt_unmap)(void *gpt, u64 iova, u64 len)
{
	return 0;
}

u64 HELPER(gpt_iova_to_phys)(void *gpt, u64 iova)
{
	return 0;
}

u64 HELPER(gpt_time)(void *gpt, u32 op, const struct walk *walk)
{
	return 0;
}

#endif
