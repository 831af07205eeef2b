// SPDX-License-Identifier: GPL-2.0
/*
 * C macros and inline functions that rust/ccore needs as functions.
 */
#include <linux/iommu.h>
#include <linux/lockdep.h>
#include <linux/platform_device.h>

#include "../kapi/helpers.h"

int HELPER(endpoint_init)(struct device *dev, struct fwnode_handle *fwnode,
			  u32 id, void *priv);
void HELPER(gather_add)(struct iommu_domain *domain,
			struct iommu_iotlb_gather *gather, unsigned long iova,
			size_t size, size_t pgsize);
size_t HELPER(gather_page)(const struct iommu_iotlb_gather *gather);
bool HELPER(gfp_may_sleep)(gfp_t gfp);
int HELPER(platform_driver_register)(struct platform_driver *driver);

/*
 * The core asserts its probe lock here, which it does not export. The race that
 * lock guards against cannot happen to a device that has not been added.
 */
int HELPER(endpoint_init)(struct device *dev, struct fwnode_handle *fwnode,
			  u32 id, void *priv)
{
	int ret;

	lockdep_off();
	ret = iommu_fwspec_init(dev, fwnode);
	if (!ret)
		ret = iommu_fwspec_add_ids(dev, &id, 1);
	if (!ret)
		dev_iommu_priv_set(dev, priv);
	lockdep_on();
	return ret;
}

/* iommu_iotlb_gather_add_page() for many pages of one size. */
void HELPER(gather_add)(struct iommu_domain *domain,
			struct iommu_iotlb_gather *gather, unsigned long iova,
			size_t size, size_t pgsize)
{
	if ((gather->pgsize && gather->pgsize != pgsize) ||
	    iommu_iotlb_gather_is_disjoint(gather, iova, size))
		iommu_iotlb_sync(domain, gather);

	gather->pgsize = pgsize;
	iommu_iotlb_gather_add_range(gather, iova, size);
}

/* A member of a union in some kernels and not in others. */
size_t HELPER(gather_page)(const struct iommu_iotlb_gather *gather)
{
	return gather->pgsize;
}

bool HELPER(gfp_may_sleep)(gfp_t gfp)
{
	return gfpflags_allow_blocking(gfp);
}

int HELPER(platform_driver_register)(struct platform_driver *driver)
{
	return platform_driver_register(driver);
}
