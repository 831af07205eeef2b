// SPDX-License-Identifier: GPL-2.0
/*
 * C macros and inline functions that rust/ccore needs as functions.
 */
#include <linux/dma-mapping.h>
#include <linux/iommu.h>
#include <linux/lockdep.h>
#include <linux/pci.h>
#include <linux/platform_device.h>
#include <linux/preempt.h>
#include <linux/rcupdate.h>

#include "../kapi/helpers.h"

int HELPER(endpoint_init)(struct device *dev, struct fwnode_handle *fwnode,
			  u32 id, void *priv);
void HELPER(gather_add)(struct iommu_domain *domain,
			struct iommu_iotlb_gather *gather, unsigned long iova,
			size_t size, size_t pgsize);
size_t HELPER(gather_page)(const struct iommu_iotlb_gather *gather);
bool HELPER(gfp_may_sleep)(gfp_t gfp);
void HELPER(dirty_record)(struct iommu_dirty_bitmap *dirty, unsigned long iova,
			  unsigned long length);
#ifdef IOMMU_MOCK_KUNIT
u64 HELPER(dma_map)(struct device *dev, struct page *page, bool write);
void HELPER(dma_unmap)(struct device *dev, u64 addr, bool write);
u64 HELPER(page_address)(const struct page *page);
#endif
struct device *HELPER(pci_function)(int domain, unsigned int bus,
				    unsigned int devfn);
bool HELPER(pci_any)(bool (*is)(struct device *dev));
void HELPER(pci_lock)(bool lock);
void HELPER(device_lock)(struct device *dev);
bool HELPER(device_trylock)(struct device *dev);
void HELPER(device_unlock)(struct device *dev);
int HELPER(platform_driver_register)(struct platform_driver *driver);

/*
 * The core asserts its probe lock here, which it does not export. The race that
 * lock guards against cannot happen to a device that has not been added. Others
 * are only passed with the lock held.
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

/*
 * The DMA API never allows to sleep, as it does not know whether its caller may.
 * Where the kernel counts, the caller can be asked.
 */
bool HELPER(gfp_may_sleep)(gfp_t gfp)
{
	if (gfpflags_allow_blocking(gfp))
		return true;
	return IS_ENABLED(CONFIG_PREEMPT_COUNT) && preemptible() &&
	       !rcu_preempt_depth();
}

void HELPER(dirty_record)(struct iommu_dirty_bitmap *dirty, unsigned long iova,
			  unsigned long length)
{
	iommu_dirty_bitmap_record(dirty, iova, length);
}

#ifdef IOMMU_MOCK_KUNIT
/* 0 where the page could not be mapped. */
u64 HELPER(dma_map)(struct device *dev, struct page *page, bool write)
{
	enum dma_data_direction dir = write ? DMA_FROM_DEVICE : DMA_TO_DEVICE;
	dma_addr_t addr = dma_map_page(dev, page, 0, PAGE_SIZE, dir);

	return dma_mapping_error(dev, addr) ? 0 : addr;
}

void HELPER(dma_unmap)(struct device *dev, u64 addr, bool write)
{
	enum dma_data_direction dir = write ? DMA_FROM_DEVICE : DMA_TO_DEVICE;

	dma_unmap_page(dev, addr, PAGE_SIZE, dir);
}

u64 HELPER(page_address)(const struct page *page)
{
	return page_to_phys(page);
}
#endif

int HELPER(platform_driver_register)(struct platform_driver *driver)
{
	return platform_driver_register(driver);
}

/* The caller puts the reference. */
struct device *HELPER(pci_function)(int domain, unsigned int bus,
				    unsigned int devfn)
{
	struct pci_dev *pdev = pci_get_domain_bus_and_slot(domain, bus, devfn);

	return pdev ? &pdev->dev : NULL;
}

#ifdef CONFIG_PCI
static int ask(struct device *dev, void *is)
{
	bool (**fn)(struct device *dev) = is;

	return (*fn)(dev);
}

bool HELPER(pci_any)(bool (*is)(struct device *dev))
{
	return bus_for_each_dev(&pci_bus_type, NULL, &is, ask);
}

/* Keeps functions from coming and going. */
void HELPER(pci_lock)(bool lock)
{
	if (lock)
		pci_lock_rescan_remove();
	else
		pci_unlock_rescan_remove();
}
#else
bool HELPER(pci_any)(bool (*is)(struct device *dev))
{
	return false;
}

void HELPER(pci_lock)(bool lock)
{
}
#endif

void HELPER(device_lock)(struct device *dev)
{
	device_lock(dev);
}

bool HELPER(device_trylock)(struct device *dev)
{
	return device_trylock(dev);
}

void HELPER(device_unlock)(struct device *dev)
{
	device_unlock(dev);
}
