// SPDX-License-Identifier: GPL-2.0
/*
 * What users of the kernel's core do that it exports no function for: the group
 * attribute of sysfs, streaming DMA, resets of PCI functions, dirty tracking.
 */
#define IOMMU_MOCK_KUNIT
#include <linux/dma-mapping.h>
#include <linux/gfp.h>
#include <linux/iommu.h>
#include <linux/kernfs.h>
#include <linux/kobject.h>
#include <linux/pci-ats.h>
#include <linux/pci.h>
#include <linux/string.h>
#include <linux/sysfs.h>

#include "../../rust/kapi/helpers.h"

ssize_t HELPER(group_type_store)(struct device *dev, const char *type);
ssize_t HELPER(group_type_show)(struct device *dev, char *type, size_t size);
int HELPER(group_references)(struct device *dev);
unsigned int HELPER(device_references)(struct device *dev);
int HELPER(use_dma)(struct device *dev);
int HELPER(reset_prepare)(struct device *dev);
void HELPER(reset_done)(struct device *dev);
u32 HELPER(ats_function)(u32 nth);
int HELPER(dirty_set)(struct iommu_domain *domain, bool enable);
int HELPER(dirty_read)(struct iommu_domain *domain, unsigned long iova,
		       size_t size, bool keep, unsigned long *first,
		       unsigned long *last);

/* The attribute as a write to it finds it, by way of the device's link. */
struct type_file {
	struct kernfs_node *link, *node;
	struct kobject *group;
};

static int type_open(struct device *dev, struct type_file *file)
{
	file->link = kernfs_find_and_get(dev->kobj.sd, "iommu_group");
	if (!file->link)
		return -ENODEV;
	file->node = kernfs_find_and_get(file->link->symlink.target_kn, "type");
	if (!file->node) {
		kernfs_put(file->link);
		return -ENOENT;
	}
	file->group = file->link->symlink.target_kn->priv;
	return 0;
}

static void type_close(struct type_file *file)
{
	kernfs_put(file->node);
	kernfs_put(file->link);
}

/* For a member of a group. */
ssize_t HELPER(group_type_store)(struct device *dev, const char *type)
{
	struct type_file file;
	ssize_t ret = type_open(dev, &file);

	if (ret)
		return ret;
	ret = file.group->ktype->sysfs_ops->store(file.group, file.node->priv,
						  type, strlen(type));
	type_close(&file);
	return ret;
}

/* The same; `size` bytes of it, without the newline. */
ssize_t HELPER(group_type_show)(struct device *dev, char *type, size_t size)
{
	char *page = (char *)get_zeroed_page(GFP_KERNEL);
	struct type_file file;
	ssize_t ret;

	if (!page)
		return -ENOMEM;
	ret = type_open(dev, &file);
	if (!ret) {
		ret = file.group->ktype->sysfs_ops->show(file.group,
							 file.node->priv, page);
		type_close(&file);
	}
	if (ret > 0)
		ret = strscpy(type, strim(page), size);
	free_page((unsigned long)page);
	return ret;
}

/* They are counted in the folder of the group's devices. */
int HELPER(group_references)(struct device *dev)
{
	struct kernfs_node *link, *devices;
	int ret = -ENOENT;

	link = kernfs_find_and_get(dev->kobj.sd, "iommu_group");
	if (!link)
		return -ENODEV;
	devices = kernfs_find_and_get(link->symlink.target_kn, "devices");
	if (devices) {
		ret = kref_read(&((struct kobject *)devices->priv)->kref);
		kernfs_put(devices);
	}
	kernfs_put(link);
	return ret;
}

unsigned int HELPER(device_references)(struct device *dev)
{
	return kref_read(&dev->kobj.kref);
}

/*
 * As a driver does before its device may do DMA. A device whose attach was
 * deferred is attached first.
 */
int HELPER(use_dma)(struct device *dev)
{
	struct page *page = alloc_page(GFP_KERNEL);
	dma_addr_t addr;

	if (!page)
		return -ENOMEM;
	addr = dma_map_page(dev, page, 0, PAGE_SIZE, DMA_BIDIRECTIONAL);
	if (!dma_mapping_error(dev, addr))
		dma_unmap_page(dev, addr, PAGE_SIZE, DMA_BIDIRECTIONAL);
	__free_page(page);
	return 0;
}

#ifdef CONFIG_PCI_ATS
int HELPER(reset_prepare)(struct device *dev)
{
	return dev_is_pci(dev) ? pci_dev_reset_iommu_prepare(to_pci_dev(dev)) :
				 -EOPNOTSUPP;
}

void HELPER(reset_done)(struct device *dev)
{
	if (dev_is_pci(dev))
		pci_dev_reset_iommu_done(to_pci_dev(dev));
}

/* Domain, bus and devfn of a function without driver; U32_MAX for none. */
u32 HELPER(ats_function)(u32 nth)
{
	struct pci_dev *pdev = NULL;
	u32 found;

	for_each_pci_dev(pdev) {
		if (!pci_ats_supported(pdev) || pdev->dev.driver || nth--)
			continue;
		found = pci_domain_nr(pdev->bus) << 16 |
			PCI_DEVID(pdev->bus->number, pdev->devfn);
		pci_dev_put(pdev);
		return found;
	}
	return U32_MAX;
}
#else
int HELPER(reset_prepare)(struct device *dev)
{
	return -EOPNOTSUPP;
}

void HELPER(reset_done)(struct device *dev)
{
}

u32 HELPER(ats_function)(u32 nth)
{
	return U32_MAX;
}
#endif

/* The operation alone; the caller has cleared what there was. */
int HELPER(dirty_set)(struct iommu_domain *domain, bool enable)
{
	if (!domain->dirty_ops)
		return -EOPNOTSUPP;
	return domain->dirty_ops->set_dirty_tracking(domain, enable);
}

/*
 * As iommu_read_and_clear_dirty() of iommufd, but without the bitmap, which is in
 * memory of a user: of what was written, the first and the last address are
 * told, or what is no range where nothing was.
 */
int HELPER(dirty_read)(struct iommu_domain *domain, unsigned long iova,
		       size_t size, bool keep, unsigned long *first,
		       unsigned long *last)
{
	unsigned long flags = keep ? IOMMU_DIRTY_NO_CLEAR : 0;
	const struct iommu_dirty_ops *ops = domain->dirty_ops;
	struct iommu_iotlb_gather gather;
	struct iommu_dirty_bitmap dirty;
	int ret;

	if (!ops)
		return -EOPNOTSUPP;
	iommu_dirty_bitmap_init(&dirty, NULL, &gather);
	ret = ops->read_and_clear_dirty(domain, iova, size, flags, &dirty);
	*first = gather.start;
	*last = gather.end;
	if (!keep)
		iommu_iotlb_sync(domain, &gather);
	return ret;
}
