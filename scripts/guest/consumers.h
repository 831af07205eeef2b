/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the scenarios of consumers.c are written in: checks that print one line
 * each, functions behind a mock, what debugfs says of them, and fault rules.
 */
#ifndef CONSUMERS_H
#define CONSUMERS_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/types.h>

#define SZ_4K 0x1000ul
#define SZ_2M 0x200000ul
#define MSI_WINDOW 0xfee00000ul

#define TEXT 256

/* A PCI function that an instance has claimed. */
struct function {
	char instance[33];
	unsigned int endpoint;
	char address[16];
	/* Its VFIO device, and what iommufd calls it once it is bound. */
	int fd;
	__u32 id;
};

struct text {
	char s[TEXT];
};

[[gnu::format(printf, 2, 3)]]
static bool check(bool good, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	printf(good ? "ok " : "not ok ");
	vprintf(format, args);
	printf("\n");
	va_end(args);
	return good;
}

/* A call gave this errno, or 0. */
static bool gave(int got, int wanted, const char *what)
{
	if (got == wanted)
		return check(true, "%s: %s", what, wanted ? strerror(wanted) : "done");
	return check(false, "%s: %s, not %s", what, got ? strerror(got) : "done",
		     wanted ? strerror(wanted) : "done");
}

/* For what has to work before there is anything to check. */
[[noreturn, gnu::format(printf, 1, 2)]]
static void give_up(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	printf("not ok ");
	vprintf(format, args);
	printf(": %s\n", strerror(errno));
	exit(1);
}

[[gnu::format(printf, 1, 2)]]
static struct text print(const char *format, ...)
{
	struct text text;
	va_list args;

	va_start(args, format);
	vsnprintf(text.s, TEXT, format, args);
	va_end(args);
	return text;
}

static int open_or_give_up(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		give_up("open %s", path);
	return fd;
}

static int ask(int fd, unsigned long request, void *argument)
{
	return ioctl(fd, request, argument) < 0 ? errno : 0;
}

/* AS INSTANCE/ENDPOINT/ADDRESS. */
static struct function function_from(const char *text)
{
	struct function f = { .fd = -1 };

	if (sscanf(text, "%32[^/]/%u/%15s", f.instance, &f.endpoint, f.address) != 3)
		give_up("%s: no function", text);
	return f;
}

/*
 * Where the core believes the function is and the hardware agrees: "identity",
 * "blocked" or "table N"; else all of the line.
 */
static struct text whereabouts(const struct function *f)
{
	struct text path = print("/sys/kernel/debug/iommu_mock/%s/belief", f->instance);
	struct text believed, line = print("not in %s", path.s);
	FILE *file = fopen(path.s, "r");
	unsigned int endpoint;
	char *end;

	if (!file)
		give_up("open %s", path.s);
	while (fgets(line.s, TEXT, file)) {
		line.s[strcspn(line.s, "\n")] = '\0';
		if (sscanf(line.s, "endpoint %u group %*u believed %[^\n]", &endpoint,
			   believed.s) != 2 || endpoint != f->endpoint)
			continue;
		end = strstr(believed.s, " hardware ");
		if (end && strstr(end, " agree")) {
			*end = '\0';
			line = believed;
		}
		break;
	}
	fclose(file);
	return line;
}

static bool is_at(const struct function *f, const char *where, const char *when)
{
	struct text now = whereabouts(f);
	bool good = !strcmp(now.s, where);

	if (!strcmp(where, "table"))
		good = !strncmp(now.s, "table ", 6) && strlen(now.s) < 20;
	return check(good, "%s: %s is at %s%s%s", when, f->address, now.s, good ? "" : ", not ",
		     good ? "" : where);
}

static struct text rule_file(const struct function *f, const char *rule, const char *attribute)
{
	return print("/sys/kernel/config/iommu_mock/%s/faults/%s/%s", f->instance, rule, attribute);
}

static void put(struct text path, const char *value)
{
	int fd = open(path.s, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, value, strlen(value)) < 0)
		give_up("write '%s' to %s", value, path.s);
	close(fd);
}

/* Has the mock do a DMA access as if the function had; none of its own goes that way. */
static void access_by(const struct function *f, const char *how, __u64 iova)
{
	put(print("/sys/kernel/config/iommu_mock/%s/dma", f->instance),
	    print("%u %s %#llx", f->endpoint, how, iova).s);
}

/* The call of that number and kind for the function fails; map and alloc for any. */
static void arm_nth(const struct function *f, const char *rule, const char *op,
		    const char *error, const char *nth)
{
	bool of_device = !strcmp(op, "attach") || !strcmp(op, "detach");

	/* What a scenario has left that gave up. */
	rmdir(rule_file(f, rule, "").s);
	if (mkdir(rule_file(f, rule, "").s, 0755))
		give_up("make %s", rule_file(f, rule, "").s);
	put(rule_file(f, rule, "op"), op);
	put(rule_file(f, rule, "member"), of_device ? print("%u", f->endpoint).s : "any");
	put(rule_file(f, rule, "errno"), error);
	put(rule_file(f, rule, "nth"), nth);
	put(rule_file(f, rule, "arm"), "1");
}

/* The next call fails. */
static void arm(const struct function *f, const char *rule, const char *op, const char *error)
{
	arm_nth(f, rule, op, error, "1");
}

/* Takes a rule away and says how often it hit. */
static int disarm(const struct function *f, const char *rule)
{
	FILE *file = fopen(rule_file(f, rule, "hits").s, "r");
	int hits = -1;

	if (!file || fscanf(file, "%d", &hits) != 1)
		give_up("read %s", rule_file(f, rule, "hits").s);
	fclose(file);
	rmdir(rule_file(f, rule, "").s);
	return hits;
}

/* 2 MiB in one page, for which the kernel is told to move others if it has to. */
static void *huge_page(void)
{
	char *at = mmap(NULL, 2 * SZ_2M, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			-1, 0);

	if (at == MAP_FAILED)
		give_up("mmap");
	at = (char *)(((uintptr_t)at + SZ_2M - 1) & ~(SZ_2M - 1));
	memset(at, 0x5a, SZ_2M);
	return at;
}

#endif
