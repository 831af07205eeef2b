// SPDX-License-Identifier: GPL-2.0
/*
 * C macros and inline functions that rust/kapi needs as functions.
 */
#include <linux/bug.h>
#include <linux/configfs.h>
#include <linux/debugfs.h>
#include <linux/kmsg_dump.h>
#include <linux/mm.h>
#include <linux/printk.h>
#include <linux/ratelimit.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/vmalloc.h>

#include "helpers.h"

void HELPER(warn)(const char *text);

void HELPER(warn)(const char *text)
{
	WARN(1, "%s\n", text);
}

void *HELPER(join)(const void *const *starts, const size_t *bytes, size_t count);
void HELPER(unjoin)(const void *all);

/*
 * Maps the pages of pieces that kvmalloc() returned one behind the other. The
 * pieces have to be whole pages, which small ones need not be.
 */
void *HELPER(join)(const void *const *starts, const size_t *bytes, size_t count)
{
	size_t pages = 0, at = 0, i, offset;
	struct page **list;
	void *all;

	for (i = 0; i < count; i++) {
		if (!PAGE_ALIGNED(starts[i]) || !PAGE_ALIGNED(bytes[i]))
			return NULL;
		pages += bytes[i] >> PAGE_SHIFT;
	}
	list = kvmalloc_array(pages, sizeof(*list), GFP_KERNEL);
	if (!list)
		return NULL;
	for (i = 0; i < count; i++) {
		for (offset = 0; offset < bytes[i]; offset += PAGE_SIZE) {
			const void *page = starts[i] + offset;

			list[at++] = is_vmalloc_addr(page) ?
				vmalloc_to_page(page) : virt_to_page(page);
		}
	}
	all = vmap(list, pages, VM_MAP, PAGE_KERNEL);
	kvfree(list);
	return all;
}

void HELPER(unjoin)(const void *all)
{
	vunmap(all);
}

#ifndef IOMMU_MOCK_KUNIT
void HELPER(refuse)(const char *why);
void HELPER(configfs_add_child)(struct config_group *child,
				struct config_group *parent);
void HELPER(configfs_put_child)(struct config_group *child);

/* Requests that users get wrong by the thousand do not fill the log. */
void HELPER(refuse)(const char *why)
{
	static DEFINE_RATELIMIT_STATE(limit, 5 * HZ, 100);

	if (__ratelimit(&limit))
		pr_err("iommu_mock: %s\n", why);
}

void HELPER(configfs_add_child)(struct config_group *child,
				struct config_group *parent)
{
	configfs_add_default_group(child, parent);
}

/* A child that was never added has an entry of zeroes. */
void HELPER(configfs_put_child)(struct config_group *child)
{
	if (child->group_entry.next)
		list_del(&child->group_entry);
	config_item_put(&child->cg_item);
}
#endif

#ifdef IOMMU_MOCK_KUNIT
u64 HELPER(log_end)(void);
size_t HELPER(log_lines)(u64 from, const char *word);

/* Sequence number of the next record of the kernel log. */
u64 HELPER(log_end)(void)
{
	struct kmsg_dump_iter iter = {};

	kmsg_dump_rewind(&iter);
	return iter.next_seq;
}

/* Records from @from on that contain @word. */
size_t HELPER(log_lines)(u64 from, const char *word)
{
	struct kmsg_dump_iter iter = {};
	char line[256];
	size_t lines = 0, len;

	kmsg_dump_rewind(&iter);
	iter.cur_seq = from;
	while (kmsg_dump_get_line(&iter, false, line, sizeof(line) - 1, &len)) {
		line[len] = '\0';
		if (strstr(line, word))
			lines++;
	}
	return lines;
}

bool HELPER(failslab)(bool begin);
unsigned int HELPER(fail_nth)(unsigned int nth);

#if defined(CONFIG_FAILSLAB) && defined(CONFIG_FAULT_INJECTION_DEBUG_FS)
/* The variable behind a file of the kernel's; nothing else leads to it. */
static void *failslab_variable(const char *name)
{
	struct dentry *dir = debugfs_lookup("failslab", NULL);
	struct dentry *file = dir ? debugfs_lookup(name, dir) : NULL;
	void *variable = file ? d_inode(file)->i_private : NULL;

	dput(file);
	dput(dir);
	return variable;
}

/*
 * Lets allocations that may sleep fail, too, without a word in the log; or as
 * before. Returns false where they cannot.
 */
bool HELPER(failslab)(bool begin)
{
	static bool *ignore_gfp_wait, was_ignored;
	static unsigned long *verbose, was_verbose;

	if (begin) {
		ignore_gfp_wait = failslab_variable("ignore-gfp-wait");
		verbose = failslab_variable("verbose");
		if (!ignore_gfp_wait || !verbose)
			return false;
		was_ignored = *ignore_gfp_wait;
		was_verbose = *verbose;
	}
	*ignore_gfp_wait = begin ? false : was_ignored;
	*verbose = begin ? 0 : was_verbose;
	return true;
}

/* Lets allocation @nth of this task fail; returns how far that was off. */
unsigned int HELPER(fail_nth)(unsigned int nth)
{
	unsigned int left = current->fail_nth;

	current->fail_nth = nth;
	return left;
}
#else
bool HELPER(failslab)(bool begin)
{
	return false;
}

unsigned int HELPER(fail_nth)(unsigned int nth)
{
	return 0;
}
#endif
#endif
