// SPDX-License-Identifier: GPL-2.0
/*
 * Ends in an oops: an IOMMU that cannot defer flushes, of which there are
 * several, one device behind it, and a mapping to make and unmake. How to run
 * it is in Documentation/findings.rst, under "sysfs starts a flush queue that
 * nobody can flush". Not part of the modules, and never unloaded.
 */
#include <linux/delay.h>
#include <linux/dma-mapping.h>
#include <linux/iommu.h>
#include <linux/lockdep.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/property.h>
#include <linux/slab.h>

static struct iommu_device iommu;
static struct platform_device *pdev;

static int dma_fq_attach(struct iommu_domain *domain, struct device *dev,
			 struct iommu_domain *old)
{
	return 0;
}

static int dma_fq_map(struct iommu_domain *domain, unsigned long iova,
		      phys_addr_t paddr, size_t pgsize, size_t pgcount,
		      int prot, gfp_t gfp, size_t *mapped)
{
	*mapped = pgsize * pgcount;
	return 0;
}

static size_t dma_fq_unmap(struct iommu_domain *domain, unsigned long iova,
			   size_t pgsize, size_t pgcount,
			   struct iommu_iotlb_gather *gather)
{
	return pgsize * pgcount;
}

static phys_addr_t dma_fq_iova_to_phys(struct iommu_domain *domain,
				       dma_addr_t iova)
{
	return PAGE_SIZE;
}

static void dma_fq_free(struct iommu_domain *domain)
{
	kfree(domain);
}

/* No flush_iotlb_all, and IOMMU_CAP_DEFERRED_FLUSH is not claimed below. */
static const struct iommu_domain_ops domain_ops = {
	.attach_dev = dma_fq_attach,
	.map_pages = dma_fq_map,
	.unmap_pages = dma_fq_unmap,
	.iova_to_phys = dma_fq_iova_to_phys,
	.free = dma_fq_free,
};

static struct iommu_domain *dma_fq_alloc(struct device *dev)
{
	struct iommu_domain *domain = kzalloc(sizeof(*domain), GFP_KERNEL);

	if (!domain)
		return NULL;
	domain->ops = &domain_ops;
	domain->pgsize_bitmap = PAGE_SIZE;
	domain->geometry.aperture_end = DMA_BIT_MASK(32);
	domain->geometry.force_aperture = true;
	return domain;
}

static struct iommu_device *dma_fq_probe(struct device *dev)
{
	return &iommu;
}

static bool dma_fq_capable(struct device *dev, enum iommu_cap cap)
{
	return cap == IOMMU_CAP_CACHE_COHERENCY;
}

static const struct iommu_ops ops = {
	.owner = THIS_MODULE,
	.capable = dma_fq_capable,
	.probe_device = dma_fq_probe,
	.device_group = generic_single_device_group,
	.domain_alloc_paging = dma_fq_alloc,
};

/* Writing to the parameter "go" maps a page, unmaps it and waits. */
static int dma_fq_go(const char *value, const struct kernel_param *param)
{
	struct page *page = alloc_page(GFP_KERNEL);
	dma_addr_t dma;

	if (!page || !pdev)
		return -ENODEV;
	dma = dma_map_page(&pdev->dev, page, 0, PAGE_SIZE, DMA_TO_DEVICE);
	if (dma_mapping_error(&pdev->dev, dma))
		return -EIO;
	dma_unmap_page(&pdev->dev, dma, PAGE_SIZE, DMA_TO_DEVICE);
	msleep(100);
	pr_info("dma_fq: still alive\n");
	return 0;
}

static const struct kernel_param_ops go_ops = { .set = dma_fq_go };
module_param_cb(go, &go_ops, NULL, 0200);

static int __init dma_fq_init(void)
{
	struct fwnode_handle *fwnode = fwnode_create_software_node(NULL, NULL);
	int ret;

	if (IS_ERR(fwnode))
		return PTR_ERR(fwnode);
	iommu.fwnode = fwnode;
	ret = iommu_device_sysfs_add(&iommu, NULL, NULL, "dma_fq");
	if (ret)
		return ret;
	ret = iommu_device_register(&iommu, &ops, NULL);
	if (ret)
		return ret;
	pdev = platform_device_alloc("dma_fq", 0);
	if (!pdev)
		return -ENOMEM;
	/* The core's probe lock is not exported; nobody else knows the device. */
	lockdep_off();
	ret = iommu_fwspec_init(&pdev->dev, fwnode);
	lockdep_on();
	return ret ?: platform_device_add(pdev);
}
module_init(dma_fq_init);

MODULE_DESCRIPTION("Reproducer of a flush queue without a flush");
MODULE_LICENSE("GPL");
