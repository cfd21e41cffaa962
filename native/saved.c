/*
 * The kernel's own table of thread names (saved_cmdlines): the only one that knows threads which came and went between two
 * looks at /proc. It keeps what any tracer ever put there, on recent kernels thousands of threads that are long dead:
 * what it holds at the start is none of ours.
 */
#include "processes.h"
#include <stdlib.h>
#include <string.h>

static uint64_t *before; /* sorted hashes of the lines at the start */
static int nbefore;

static int hash_order(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return x < y ? -1 : x > y;
}

static uint64_t hash_of(const char *line)
{
	uint64_t h = 0xcbf29ce484222325u; /* FNV-1a: a collision would cost one name */
	for (; *line; line++)
		h = (h ^ (uint8_t)*line) * 0x100000001b3u;
	return h;
}

void saved_names_first(int tracefs_root)
{
	struct buf b = { 0 };
	int cap = 0;
	char *save = NULL;
	if (!read_file_at(tracefs_root, "saved_cmdlines", &b))
		for (char *line = strtok_r(b.p, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
			if (grow((void **)&before, &cap, nbefore, sizeof *before, 1 << 20))
				before[nbefore++] = hash_of(line);
	if (nbefore)
		qsort(before, (size_t)nbefore, sizeof *before, hash_order);
	buf_free(&b);
}

void saved_names_new(int tracefs_root, void (*found)(int tid, const char *name))
{
	struct buf b = { 0 };
	char *save = NULL;
	if (!read_file_at(tracefs_root, "saved_cmdlines", &b))
		for (char *line = strtok_r(b.p, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
			char *name;
			uint64_t h = hash_of(line);
			long tid = strtol(line, &name, 10);
			if (tid > 0 && tid <= 0x7fffffff && *name == ' ' &&
				!(nbefore && bsearch(&h, before, (size_t)nbefore, sizeof h, hash_order)))
				found((int)tid, name + 1);
		}
	buf_free(&b);
}
