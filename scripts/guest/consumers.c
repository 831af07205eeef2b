// SPDX-License-Identifier: GPL-2.0
/*
 * Drives claimed PCI functions through VFIO and iommufd, and looks after each
 * step where the core believes their DMA goes and where the mock sends it.
 *
 * usage: consumers SCENARIO INSTANCE/ENDPOINT/ADDRESS...
 */
#include "consumers.h"
#include "consumers_ioctl.h"

/* Without isolated MSIs, both interfaces ask for a parameter. */
static void forbidden(struct function *f)
{
	int iommufd = open_or_give_up("/dev/iommu");

	gave(bind_to(f, iommufd), EPERM, "bind without allow_unsafe_interrupts");
	is_at(f, "identity", "refused");
}

static void map_while_attached(const struct function *f, int iommufd, __u32 space)
{
	void *memory = huge_page();

	check(spares_msis(iommufd, space), "the MSI window is kept out");
	gave(map(iommufd, space, MSI_WINDOW, memory, SZ_4K), EINVAL, "map in the MSI window");
	gave(map(iommufd, space, SZ_4K / 2, memory, SZ_4K), EINVAL, "map half a page further");
	gave(map(iommufd, space, SZ_4K, memory, SZ_4K), 0, "map 4 KiB");
	gave(map(iommufd, space, SZ_4K, memory, SZ_4K), EEXIST, "map the same again");
	arm(f, "r", "map", "ENOMEM");
	gave(map(iommufd, space, SZ_2M, memory, SZ_2M), ENOMEM, "map with a failing driver");
	check(disarm(f, "r") == 1, "the driver was asked to map");
	arm(f, "r", "flush", "ENOSPC");
	gave(map(iommufd, space, SZ_2M, memory, SZ_2M), ENOSPC, "map, and the flush fails");
	check(disarm(f, "r") == 1, "the driver was asked to flush");
	gave(map(iommufd, space, SZ_2M, memory, SZ_2M), 0, "map 2 MiB");
	gave(unmap(iommufd, space, SZ_2M, SZ_4K), ENOENT, "unmap a part of it");
	gave(unmap(iommufd, space, SZ_2M + SZ_4K, SZ_4K), ENOENT, "unmap a part further on");
	gave(unmap(iommufd, space, SZ_2M, SZ_2M), 0, "unmap all of it");
	gave(unmap(iommufd, space, SZ_2M, SZ_2M), ENOENT, "unmap it again");
	gave(unmap(iommufd, space, 0, SZ_4K), ENOENT, "unmap where nothing was");
	gave(unmap(iommufd, space, SZ_4K, SZ_4K), 0, "unmap 4 KiB");
}

/*
 * A huge page takes one call of the driver. The hundredth fails, where 512 small
 * pages need one each.
 */
static void map_huge_pages(const struct function *f, int iommufd, __u32 space)
{
	void *memory = huge_page();

	arm_nth(f, "r", "map", "ENOSPC", "2");
	gave(map(iommufd, space, SZ_2M, memory, SZ_2M), 0, "map a huge page");
	check(disarm(f, "r") == 0, "with a single call");
	gave(unmap(iommufd, space, SZ_2M, SZ_2M), 0, "unmap it");
	combine_pages(iommufd, space, false);
	arm_nth(f, "r", "map", "ENOSPC", "100");
	gave(map(iommufd, space, SZ_2M, memory, SZ_2M), ENOSPC, "map 512 small pages");
	check(disarm(f, "r") == 1, "each with a call of its own");
	gave(map(iommufd, space, SZ_2M, memory, SZ_2M), 0, "map them");
	gave(unmap(iommufd, space, SZ_2M, SZ_2M), 0, "unmap them");
	combine_pages(iommufd, space, true);
}

/* One function through its cdev. */
static void cdev(struct function *f)
{
	int iommufd = open_or_give_up("/dev/iommu");
	__u32 one = address_space(iommufd), two = address_space(iommufd);
	__u32 table, automatic = one;
	struct text at, other;

	is_at(f, "identity", "before");
	gave(map(iommufd, one, 16 * SZ_2M, huge_page(), SZ_2M), 0, "map without a device");
	gave(bind_to(f, iommufd), 0, "bind");
	is_at(f, "blocked", "bound");
	gave(attach(f, &automatic), 0, "attach to an address space");
	check(automatic != one, "iommufd made a table");
	is_at(f, "table", "attached");
	at = whereabouts(f);
	gave(destroy(iommufd, one), EBUSY, "destroy the address space in use");
	map_while_attached(f, iommufd, one);

	gave(table_for(iommufd, f, two, &table), 0, "allocate a table");
	arm(f, "r", "attach", "EIO");
	gave(attach_to(f, table), EIO, "replace by it with a failing driver");
	check(disarm(f, "r") == 1, "the driver failed");
	is_at(f, at.s, "replace failed");
	gave(attach_to(f, table), 0, "replace");
	other = whereabouts(f);
	is_at(f, "table", "replaced");
	check(strcmp(at.s, other.s), "by another table");
	map_huge_pages(f, iommufd, two);
	gave(map(iommufd, two, SZ_2M, huge_page(), SZ_2M), 0, "map in the other address space");
	arm(f, "r", "attach", "EMEDIUMTYPE");
	gave(attach_to(f, one), EINVAL, "replace by a table that does not fit");
	check(disarm(f, "r") == 1, "says the driver");
	is_at(f, other.s, "replace failed softly");
	gave(attach_to(f, one), 0, "replace by an address space");
	is_at(f, "table", "replaced by an address space");
	gave(detach(f), 0, "detach");
	is_at(f, "blocked", "detached");
	gave(destroy(iommufd, table), 0, "destroy the table");
	arm(f, "r", "attach", "ENOMEM");
	gave(attach_to(f, one), ENOMEM, "attach with a failing driver");
	check(disarm(f, "r") == 1, "the driver failed");
	is_at(f, "blocked", "attach failed");
	arm(f, "r", "alloc", "ENOMEM");
	gave(attach_to(f, one), ENOMEM, "attach where no table is to be had");
	check(disarm(f, "r") == 1, "the driver failed");
	is_at(f, "blocked", "allocation failed");
	gave(attach_to(f, one), 0, "attach again");
	is_at(f, "table", "attached again");
	close(f->fd);
	is_at(f, "identity", "closed");
	gave(destroy(iommufd, one), 0, "destroy the first address space");
	gave(destroy(iommufd, two), 0, "destroy the second address space");
}

/* Of the 512 small pages from an address on, so many from one on are told. */
static void check_told(int iommufd, __u32 table, __u64 iova, size_t first, size_t count,
		       const char *when)
{
	__u64 bits[SZ_2M / SZ_4K / 64] = { 0 };
	size_t seen = SZ_2M / SZ_4K, set = 0, wrong = 0;

	gave(marked(iommufd, table, iova, bits), 0, "ask what was written");
	for (size_t i = SZ_2M / SZ_4K; i-- > 0; ) {
		bool bit = bits[i / 64] >> i % 64 & 1;

		if (bit)
			seen = i;
		set += bit;
		wrong += bit != (i >= first && i < first + count);
	}
	if (wrong)
		check(false, "%s: %zu pages from %zu on are told, not %zu from %zu on", when, set,
		      seen, count, first);
	else
		check(true, "%s: %zu pages are told", when, count);
}

static void dirty_pages(const struct function *f, int iommufd, __u32 space, __u32 table)
{
	__u64 huge = SZ_2M, small = 2 * SZ_2M;
	char *memory = huge_page();

	gave(map(iommufd, space, huge, memory, SZ_2M), 0, "map a huge page");
	/* Out of line, so that none of them is larger. */
	gave(map(iommufd, space, small, memory + SZ_4K, SZ_2M - SZ_4K), 0, "map 511 small pages");
	gave(map(iommufd, space, small + SZ_2M - SZ_4K, memory, SZ_4K), 0, "map another");
	gave(mark_writes(iommufd, table, true), 0, "have writes marked");
	check_told(iommufd, table, huge, 0, 0, "no access");
	access_by(f, "read", huge + SZ_4K);
	access_by(f, "read", small + SZ_4K);
	check_told(iommufd, table, huge, 0, 0, "read of the huge page");
	check_told(iommufd, table, small, 0, 0, "read of a small page");
	access_by(f, "write", huge + SZ_4K);
	access_by(f, "write", small + 70 * SZ_4K + 8);
	access_by(f, "write", small + 71 * SZ_4K);
	check_told(iommufd, table, huge, 0, SZ_2M / SZ_4K, "write to the huge page");
	check_told(iommufd, table, small, 70, 2, "writes to two small pages");
	check_told(iommufd, table, huge, 0, 0, "the huge page, told before");
	check_told(iommufd, table, small, 0, 0, "the small pages, told before");
	access_by(f, "write", small + 511 * SZ_4K);
	check_told(iommufd, table, small, 511, 1, "write to the last page");
}

/*
 * Which pages were written to. What the function does itself passes by the mock;
 * so the mock is asked to do accesses in its place.
 */
static void dirty(struct function *f, bool can)
{
	int iommufd = open_or_give_up("/dev/iommu");
	__u32 space = address_space(iommufd), table, plain;
	__u64 bits[SZ_2M / SZ_4K / 64];
	int refused = can ? 0 : EOPNOTSUPP;

	gave(bind_to(f, iommufd), 0, "bind");
	gave(table_with(iommufd, f, space, IOMMU_HWPT_ALLOC_DIRTY_TRACKING, &table), refused,
	     "allocate a table that tells what was written");
	gave(table_for(iommufd, f, space, &plain), 0, "allocate one that does not");
	gave(mark_writes(iommufd, plain, true), EOPNOTSUPP, "ask that one");
	if (can) {
		gave(attach_to(f, table), 0, "attach");
		is_at(f, "table", "attached");
		dirty_pages(f, iommufd, space, table);
		gave(marked(iommufd, table, SZ_2M + SZ_4K / 2, bits), EINVAL,
		     "ask from half a page on");
		is_at(f, "table", "marking");
		gave(mark_writes(iommufd, table, false), 0, "have them marked no longer");
		gave(attach_to(f, plain), 0, "replace by the one that does not");
		gave(destroy(iommufd, table), 0, "destroy the one that does");
	}
	close(f->fd);
	is_at(f, "identity", "closed");
}

static void dirty_can(struct function *f)
{
	dirty(f, true);
}

static void dirty_cannot(struct function *f)
{
	dirty(f, false);
}

/* Two functions of one group go together. */
static void group(struct function *f, struct function *g)
{
	int iommufd = open_or_give_up("/dev/iommu"), foreign = open_or_give_up("/dev/iommu");
	__u32 one = address_space(iommufd), two = address_space(iommufd);
	__u32 table, again;
	struct text at;

	gave(bind_to(f, iommufd), 0, "bind one member");
	gave(bind_to(g, foreign), EPERM, "bind the other to somebody else");
	close(g->fd);
	gave(bind_to(g, iommufd), 0, "bind the other");
	table = one;
	gave(attach(f, &table), 0, "attach one");
	at = whereabouts(f);
	is_at(f, "table", "one attached");
	is_at(g, at.s, "the other follows");
	gave(attach_to(g, two), EINVAL, "attach the other elsewhere");
	again = one;
	gave(attach(g, &again), 0, "attach the other");
	check(again == table, "to the same table");
	gave(table_for(iommufd, f, two, &table), 0, "allocate a table");
	arm(g, "r", "attach", "EIO");
	gave(attach_to(f, table), EIO, "replace, where the second member fails");
	check(disarm(g, "r") == 1, "the second member failed");
	is_at(f, at.s, "the first is back");
	is_at(g, at.s, "the second stayed");
	gave(attach_to(f, table), 0, "replace");
	at = whereabouts(f);
	is_at(f, "table", "one replaced");
	is_at(g, at.s, "the other too");
	gave(detach(g), 0, "detach the other");
	is_at(g, at.s, "nothing happens");
	gave(detach(f), 0, "detach the last");
	is_at(f, "blocked", "one");
	is_at(g, "blocked", "the other");
	close(f->fd);
	is_at(f, "blocked", "one is still bound");
	close(g->fd);
	is_at(f, "identity", "both closed");
	is_at(g, "identity", "both closed");
}

/* Functions behind different instances share an address space, not a table. */
static void instances(struct function *f, struct function *g)
{
	int iommufd = open_or_give_up("/dev/iommu");
	__u32 space = address_space(iommufd), first = space, second = space;
	void *memory = huge_page();

	gave(bind_to(f, iommufd), 0, "bind behind one instance");
	gave(bind_to(g, iommufd), 0, "bind behind another");
	gave(map(iommufd, space, SZ_2M, memory, SZ_2M), 0, "map before");
	gave(attach(f, &first), 0, "attach the first");
	arm(g, "r", "attach", "ENOMEM");
	arm(g, "s", "alloc", "ENOSPC");
	gave(attach_to(g, space), ENOSPC, "attach the second: the table of the first does not fit");
	check(disarm(g, "s") == 1, "which makes iommufd ask for another");
	check(disarm(g, "r") == 0, "and no attach failed");
	is_at(g, "blocked", "no table");
	gave(attach(g, &second), 0, "attach the second");
	check(first != second, "to a table of its own");
	is_at(f, "table", "first");
	is_at(g, "table", "second");
	gave(map(iommufd, space, 8 * SZ_2M, memory, SZ_2M), 0, "map in both");
	arm(g, "r", "map", "ENOMEM");
	gave(map(iommufd, space, 16 * SZ_2M, memory, SZ_2M), ENOMEM, "map, where the second fails");
	check(disarm(g, "r") == 1, "the second failed");
	gave(unmap(iommufd, space, 16 * SZ_2M, SZ_2M), ENOENT, "so nothing is mapped");
	gave(unmap(iommufd, space, 8 * SZ_2M, SZ_2M), 0, "unmap in both");
	gave(detach(f), 0, "detach the first");
	gave(unmap(iommufd, space, SZ_2M, SZ_2M), 0, "unmap in the second");
	close(f->fd);
	close(g->fd);
	is_at(f, "identity", "first closed");
	is_at(g, "identity", "second closed");
}

/* Two groups of one instance share a table, unless the driver says otherwise. */
static void walk(struct function *f, struct function *g)
{
	int iommufd = open_or_give_up("/dev/iommu");
	__u32 space = address_space(iommufd), first = space, second = space;
	struct text at;

	gave(bind_to(f, iommufd), 0, "bind the first group");
	gave(bind_to(g, iommufd), 0, "bind the second group");
	gave(attach(f, &first), 0, "attach the first");
	at = whereabouts(f);
	gave(attach(g, &second), 0, "attach the second");
	check(first == second, "iommufd found the table of the first");
	is_at(g, at.s, "shared");
	gave(detach(g), 0, "detach the second");

	arm(g, "r", "attach", "ENOMEM");
	arm(g, "s", "alloc", "ENOSPC");
	gave(attach_to(g, space), ENOMEM, "attach with a hard error");
	check(disarm(g, "r") == 1, "of the driver");
	check(disarm(g, "s") == 0, "does not walk on");
	is_at(g, "blocked", "hard error");

	arm(g, "r", "attach", "EMEDIUMTYPE");
	second = space;
	gave(attach(g, &second), 0, "attach with a soft error");
	check(disarm(g, "r") == 1, "of the driver");
	check(first != second, "walks on to a new table");
	is_at(g, "table", "soft error");
	check(strcmp(whereabouts(g).s, at.s), "which is not that of the first");
	is_at(f, at.s, "where it was");
	close(f->fd);
	close(g->fd);
	is_at(f, "identity", "first closed");
	is_at(g, "identity", "second closed");
}

static void type1_info(int container)
{
	union {
		struct vfio_iommu_type1_info info;
		char room[1024];
	} all = { .info.argsz = sizeof(all) };
	struct vfio_iommu_type1_info_cap_iova_range *iova = NULL;
	struct vfio_info_cap_header *header;
	bool spared = true;
	__u32 at;

	gave(ask(container, VFIO_IOMMU_GET_INFO, &all), 0, "ask for page sizes and ranges");
	check(all.info.iova_pgsizes & SZ_4K, "pages of 4 KiB: sizes %#llx", all.info.iova_pgsizes);
	for (at = all.info.cap_offset; at && at < sizeof(all) / 2; at = header->next) {
		header = (void *)(all.room + at);
		if (header->id == VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE)
			iova = (void *)header;
	}
	for (at = 0; iova && at < iova->nr_iovas; at++)
		spared &= iova->iova_ranges[at].start > MSI_WINDOW ||
			  iova->iova_ranges[at].end < MSI_WINDOW;
	check(iova && spared, "the MSI window is kept out");
}

static void type1_mappings(int container)
{
	char *memory = huge_page();

	gave(type1_map(container, SZ_4K, memory, SZ_4K), 0, "map 4 KiB");
	gave(type1_map(container, SZ_4K, memory, SZ_4K), EEXIST, "map the same again");
	gave(type1_map(container, SZ_4K / 2, memory, SZ_4K), EINVAL, "map half a page further");
	gave(type1_map(container, MSI_WINDOW, memory, SZ_4K), EINVAL, "map in the MSI window");
	gave(type1_map(container, SZ_2M, memory, SZ_2M), 0, "map a huge page");
	gave(type1_map(container, 2 * SZ_2M + SZ_4K, memory, SZ_2M), 0, "map it, out of line");
	check(type1_unmap(container, SZ_2M, SZ_4K) == -EINVAL, "unmap a part of it");
	check(type1_unmap(container, SZ_2M + SZ_4K, SZ_2M) == -EINVAL, "unmap across its end");
	check(type1_unmap(container, SZ_2M, SZ_2M) == (__s64)SZ_2M, "unmap all of it");
	check(type1_unmap(container, SZ_2M, SZ_2M) == 0, "unmap it again: nothing is left");
	check(type1_unmap(container, 0, 4 * SZ_2M) == (__s64)(SZ_2M + SZ_4K), "unmap the rest");
}

/* The interface of containers and groups. */
static void type1(struct function *f, struct function *g)
{
	struct text link = print("/sys/bus/pci/devices/%s/iommu_group", f->address), target = { 0 };
	struct vfio_group_status status = { .argsz = sizeof(status) };
	int container = open_or_give_up("/dev/vfio/vfio"), group;
	__u16 vendor = 0;

	if (readlink(link.s, target.s, TEXT - 1) < 0)
		give_up("read %s", link.s);
	group = open_or_give_up(print("/dev/vfio/%.64s", strrchr(target.s, '/') + 1).s);
	gave(ask(group, VFIO_GROUP_GET_STATUS, &status), 0, "ask for the group's status");
	check(status.flags & VFIO_GROUP_FLAGS_VIABLE, "the group is viable");
	is_at(f, "identity", "before");
	gave(ask(group, VFIO_GROUP_SET_CONTAINER, &container), 0, "set the container");
	is_at(f, "blocked", "claimed");
	arm(f, "r", "attach", "ENOMEM");
	gave(ask(container, VFIO_SET_IOMMU, (void *)VFIO_TYPE1v2_IOMMU), ENOMEM,
	     "set the IOMMU with a failing driver");
	check(disarm(f, "r") == 1, "the driver failed");
	is_at(f, "blocked", "attach failed");
	gave(ask(container, VFIO_SET_IOMMU, (void *)VFIO_TYPE1v2_IOMMU), 0, "set the IOMMU");
	is_at(f, "table", "attached");
	if (g)
		is_at(g, whereabouts(f).s, "the other member");
	type1_info(container);
	type1_mappings(container);
	f->fd = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, f->address);
	if (f->fd < 0)
		give_up("open the device");
	pread(f->fd, &vendor, 2, (off_t)VFIO_PCI_CONFIG_REGION_INDEX << 40);
	check(vendor == 0x1234, "its configuration space says vendor %#x", vendor);
	gave(type1_map(container, SZ_2M, huge_page(), SZ_2M), 0, "leave something mapped");
	close(f->fd);
	close(group);
	close(container);
	is_at(f, "identity", "closed");
	if (g)
		is_at(g, "identity", "the other member");
}

/* A fault in the return to the default domain: the core warns, once. */
static void lost(struct function *f)
{
	int iommufd = open_or_give_up("/dev/iommu");
	__u32 space = address_space(iommufd);

	gave(bind_to(f, iommufd), 0, "bind");
	gave(attach_to(f, space), 0, "attach");
	arm(f, "r", "attach", "EIO");
	close(f->fd);
	check(disarm(f, "r") == 1, "the return to the default domain failed");
	check(strstr(whereabouts(f).s, "differ"), "belief: %s", whereabouts(f).s);
	gave(bind_to(f, iommufd), 0, "bind again");
	is_at(f, "blocked", "bound again");
	gave(attach_to(f, space), 0, "attach again");
	is_at(f, "table", "attached again");
	close(f->fd);
	is_at(f, "identity", "closed");
}

static const struct {
	const char *name;
	void (*one)(struct function *f);
	void (*two)(struct function *f, struct function *g);
} scenarios[] = {
	{ .name = "forbidden", .one = forbidden },
	{ .name = "cdev", .one = cdev },
	{ .name = "lost", .one = lost },
	{ .name = "dirty", .one = dirty_can },
	{ .name = "no-dirty", .one = dirty_cannot },
	{ .name = "group", .two = group },
	{ .name = "instances", .two = instances },
	{ .name = "walk", .two = walk },
	{ .name = "type1", .two = type1 },
};

int main(int argc, char **argv)
{
	struct function f, g;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc < 3 || argc > 4)
		give_up("usage: consumers SCENARIO FUNCTION [FUNCTION]");
	f = function_from(argv[2]);
	if (argc == 4)
		g = function_from(argv[3]);
	for (size_t i = 0; i < sizeof(scenarios) / sizeof(*scenarios); i++) {
		if (strcmp(scenarios[i].name, argv[1]))
			continue;
		if (scenarios[i].one)
			scenarios[i].one(&f);
		else
			scenarios[i].two(&f, argc == 4 ? &g : NULL);
		return 0;
	}
	give_up("no scenario %s", argv[1]);
}
