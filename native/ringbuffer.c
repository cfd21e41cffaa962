/* The ring buffer of the instance: how large, in which pages, of which CPUs, and when its readers are woken. */
#include "tracefs.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static uint64_t available_memory(void)
{
	struct buf b = { 0 };
	uint64_t kb = 0;
	if (!read_file_at(AT_FDCWD, "/proc/meminfo", &b)) {
		char *p = strstr(b.p, "MemAvailable:");
		if (p)
			kb = strtoull(p + 13, NULL, 10);
	}
	buf_free(&b);
	return kb << 10;
}

static bool cpu_chosen(const struct options *o, int cpu)
{
	return !o->cpus || (o->cpumask[cpu / 8] >> (cpu % 8) & 1);
}

/* Without -b: 4 MB per CPU, but all of them together no more than this, nor a 32nd of the available memory. */
#define USUAL_TOTAL (1ull << 30)

uint64_t tracefs_buffer_size(struct tracefs *t, const struct options *o)
{
	uint64_t memory = available_memory();
	long online = sysconf(_SC_NPROCESSORS_ONLN);
	int cpus = 0;
	for (int c = 0; c < t->ncpu; c++)
		cpus += cpu_chosen(o, c);
	if (online > 0 && cpus > online)
		cpus = (int)online; /* CPUs that were never online have no buffer */
	t->buffers = cpus ? cpus : 1;
	uint64_t size = o->buffer_bytes ? o->buffer_bytes : 4 << 20, total = size * (uint64_t)t->buffers;
	uint64_t most = memory && memory / 32 < USUAL_TOTAL ? memory / 32 : USUAL_TOTAL;
	if (o->buffer_bytes && memory && total > memory / 4)
		die("buffer-size", "give a smaller -b, or fewer CPUs with -C",
			"%d buffers of %llu %s are more than a quarter of the %llu MB of available memory", cpus,
			(unsigned long long)(size >= 10 << 20 ? size >> 20 : size >> 10), size >= 10 << 20 ? "MB" : "KB", (unsigned long long)(memory >> 20));
	while (!o->buffer_bytes && total > most && size > 256 << 10) {
		size /= 2;
		total /= 2;
	}
	return size;
}

void set_buffer_size(struct tracefs *t, const struct options *o)
{
	uint64_t size = tracefs_buffer_size(t, o);
	char kb[32], path[64];
	snprintf(kb, sizeof kb, "%llu", (unsigned long long)((size + 1023) >> 10));
	/*
	 * Pages of 16 KB instead of 4 (since 6.8): a quarter as many for the vCPU to begin and for the reader to move, which
	 * measured makes reading a quarter to a third cheaper. 64 KB gain little more, and are harder to get from a
	 * fragmented memory. Small buffers stay fine-grained.
	 */
	if (size >= 512 << 10)
		write_file_at(t->dir_fd, "buffer_subbuf_size_kb", "16");
	if (!o->cpus) {
		/* Pages of 16 KB need four in a row, which a fragmented memory may not have; single ones it has. */
		if (!write_file_at(t->dir_fd, "buffer_size_kb", kb) && errno == ENOMEM)
			write_file_at(t->dir_fd, "buffer_subbuf_size_kb", "4");
		must_write(t, "buffer_size_kb", kb, "give a smaller -b");
	} else {
		must_write(t, "buffer_size_kb", "8", NULL);
		for (int c = 0; c < t->ncpu; c++) {
			snprintf(path, sizeof path, "per_cpu/cpu%d/buffer_size_kb", c);
			if (cpu_chosen(o, c) && !write_file_at(t->dir_fd, path, kb))
				msg(MSG_WARNING, "buffer-size", NULL, "CPU %d keeps a small buffer: %s", c, strerror(errno));
		}
	}
	t->buffer_bytes = size;
	t->small = size < 256 << 10;
}

void set_cpumask(struct tracefs *t, const struct options *o)
{
	/* hexadecimal words of 32 CPUs, highest first, separated by commas */
	struct buf b = { 0 };
	bool any = false;
	for (int word = (t->ncpu - 1) / 32; word >= 0; word--) {
		uint32_t bits = 0;
		for (int i = 0; i < 32; i++)
			if (word * 32 + i < t->ncpu && cpu_chosen(o, word * 32 + i))
				bits |= 1u << i;
		any |= bits != 0;
		buf_fmt(&b, "%08x%s", bits, word ? "," : "");
	}
	buf_add(&b, "", 1);
	if (!any)
		die("usage", NULL, "-C %s: this host has CPUs 0 to %d", o->cpus, t->ncpu - 1);
	must_write(t, "tracing_cpumask", b.p, NULL);
	buf_free(&b);
}

/* Size of a raw page: where the data begin plus how many fit, from "field: char data; offset:16; size:4080;" */
uint32_t page_size_of(const char *header_page)
{
	const char *p = strstr(header_page, " data;");
	unsigned offset, size;
	if (!p || !(p = strstr(p, "offset:")) || sscanf(p, "offset:%u; size:%u;", &offset, &size) != 2 || size > 1 << 20 ||
		offset > 64)
		return 0;
	uint32_t sum = offset + size;
	return sum & (sum - 1) || sum < 4096 ? 0 : sum;
}

/*
 * Wakes a reader when half is filled: rarely, but with room for a burst. Small buffers fill so often that waking costs more
 * than moving pages; their reader comes at once (priority_realtime), so it may be woken late: at five sixths, two pages of
 * three. Kernels compare either the pages that are full (older ones) or one more (6.12; 5.10 and 6.1 since it was fixed
 * there); 0.6 of a page above serves both, and is never met by an empty small buffer, for which poll() would return at
 * once. Of three pages the first kind never wakes late: the reader notices (tracefs_wake_early). 4.19 has no such file.
 */
bool set_buffer_percent(struct tracefs *t, bool late)
{
	uint64_t data = t->subbuf - 16, pages = (t->buffer_bytes + data - 1) / data;
	pages = pages < 2 ? 2 : pages;
	uint64_t full = late ? pages * 5 / 6 : pages / 2, percent = (full * 100 + 60) / pages;
	char text[16];
	snprintf(text, sizeof text, "%u", percent < 100 ? (unsigned)percent : 100);
	return write_file_at(t->dir_fd, "buffer_percent", text);
}

void tracefs_wake_early(struct tracefs *t)
{
	set_buffer_percent(t, false);
}
