/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The requests that consumers.c makes of VFIO and iommufd. They return 0 or an
 * errno.
 */
#ifndef CONSUMERS_IOCTL_H
#define CONSUMERS_IOCTL_H

#include <linux/iommufd.h>
#include <linux/vfio.h>

#include "consumers.h"

static int open_cdev(const struct function *f)
{
	struct text path = print("/sys/bus/pci/devices/%s/vfio-dev", f->address);
	DIR *dir = opendir(path.s);
	struct dirent *entry;
	int fd = -1;

	if (!dir)
		give_up("open %s", path.s);
	while (fd < 0 && (entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			fd = open_or_give_up(print("/dev/vfio/devices/%.64s", entry->d_name).s);
	closedir(dir);
	return fd;
}

static int bind_to(struct function *f, int iommufd)
{
	struct vfio_device_bind_iommufd bind = { .argsz = sizeof(bind), .iommufd = iommufd };
	int error;

	f->fd = open_cdev(f);
	error = ask(f->fd, VFIO_DEVICE_BIND_IOMMUFD, &bind);
	f->id = bind.out_devid;
	return error;
}

static int attach(const struct function *f, __u32 *table)
{
	struct vfio_device_attach_iommufd_pt attach = { .argsz = sizeof(attach), .pt_id = *table };
	int error = ask(f->fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach);

	*table = attach.pt_id;
	return error;
}

/* Attaches a table, or one that iommufd makes for an address space. */
static int attach_to(const struct function *f, __u32 table)
{
	return attach(f, &table);
}

static int detach(const struct function *f)
{
	struct vfio_device_detach_iommufd_pt detach = { .argsz = sizeof(detach) };

	return ask(f->fd, VFIO_DEVICE_DETACH_IOMMUFD_PT, &detach);
}

static __u32 address_space(int iommufd)
{
	struct iommu_ioas_alloc alloc = { .size = sizeof(alloc) };

	if (ask(iommufd, IOMMU_IOAS_ALLOC, &alloc))
		give_up("IOMMU_IOAS_ALLOC");
	return alloc.out_ioas_id;
}

static int table_with(int iommufd, const struct function *f, __u32 space, __u32 flags,
		      __u32 *table)
{
	struct iommu_hwpt_alloc alloc = {
		.size = sizeof(alloc), .flags = flags, .dev_id = f->id, .pt_id = space,
	};
	int error = ask(iommufd, IOMMU_HWPT_ALLOC, &alloc);

	*table = alloc.out_hwpt_id;
	return error;
}

static int table_for(int iommufd, const struct function *f, __u32 space, __u32 *table)
{
	return table_with(iommufd, f, space, 0, table);
}

/* Whether what devices write through a table is to be marked in it. */
static int mark_writes(int iommufd, __u32 table, bool on)
{
	struct iommu_hwpt_set_dirty_tracking set = {
		.size = sizeof(set), .hwpt_id = table,
		.flags = on ? IOMMU_HWPT_DIRTY_TRACKING_ENABLE : 0,
	};

	return ask(iommufd, IOMMU_HWPT_SET_DIRTY_TRACKING, &set);
}

/* What of 2 MiB was marked, a bit for 4 KiB; says so no more. */
static int marked(int iommufd, __u32 table, __u64 iova, __u64 bits[SZ_2M / SZ_4K / 64])
{
	struct iommu_hwpt_get_dirty_bitmap get = {
		.size = sizeof(get), .hwpt_id = table, .iova = iova, .length = SZ_2M,
		.page_size = SZ_4K, .data = (uintptr_t)bits,
	};

	return ask(iommufd, IOMMU_HWPT_GET_DIRTY_BITMAP, &get);
}

static int destroy(int iommufd, __u32 id)
{
	struct iommu_destroy destroy = { .size = sizeof(destroy), .id = id };

	return ask(iommufd, IOMMU_DESTROY, &destroy);
}

static int map(int iommufd, __u32 space, __u64 iova, void *memory, __u64 length)
{
	struct iommu_ioas_map map = {
		.size = sizeof(map),
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE |
			 IOMMU_IOAS_MAP_WRITEABLE,
		.ioas_id = space, .user_va = (uintptr_t)memory, .length = length, .iova = iova,
	};

	return ask(iommufd, IOMMU_IOAS_MAP, &map);
}

/* On success, all of the length was mapped. */
static int unmap(int iommufd, __u32 space, __u64 iova, __u64 length)
{
	struct iommu_ioas_unmap unmap = {
		.size = sizeof(unmap), .ioas_id = space, .iova = iova, .length = length,
	};
	int error = ask(iommufd, IOMMU_IOAS_UNMAP, &unmap);

	return error || unmap.length == length ? error : ERANGE;
}

static void combine_pages(int iommufd, __u32 space, bool on)
{
	struct iommu_option option = {
		.size = sizeof(option), .option_id = IOMMU_OPTION_HUGE_PAGES,
		.op = IOMMU_OPTION_OP_SET, .object_id = space, .val64 = on,
	};

	if (ask(iommufd, IOMMU_OPTION, &option))
		give_up("IOMMU_OPTION");
}

/* Whether the MSI window is kept out of an address space. */
static bool spares_msis(int iommufd, __u32 space)
{
	struct iommu_iova_range ranges[16];
	struct iommu_ioas_iova_ranges ask_for = {
		.size = sizeof(ask_for), .ioas_id = space, .num_iovas = 16,
		.allowed_iovas = (uintptr_t)ranges,
	};

	if (ask(iommufd, IOMMU_IOAS_IOVA_RANGES, &ask_for))
		give_up("IOMMU_IOAS_IOVA_RANGES");
	for (__u32 i = 0; i < ask_for.num_iovas; i++)
		if (ranges[i].start < MSI_WINDOW + SZ_2M / 2 && ranges[i].last >= MSI_WINDOW)
			return false;
	return true;
}

static int type1_map(int container, __u64 iova, void *memory, __u64 size)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map), .flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.vaddr = (uintptr_t)memory, .iova = iova, .size = size,
	};

	return ask(container, VFIO_IOMMU_MAP_DMA, &map);
}

/* How much was unmapped; an errno is negative. */
static __s64 type1_unmap(int container, __u64 iova, __u64 size)
{
	struct vfio_iommu_type1_dma_unmap unmap = {
		.argsz = sizeof(unmap), .iova = iova, .size = size,
	};
	int error = ask(container, VFIO_IOMMU_UNMAP_DMA, &unmap);

	return error ? -error : (__s64)unmap.size;
}

#endif
