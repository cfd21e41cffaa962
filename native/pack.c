/*
 * Packing: at the end of a recording the CPUs' regions, far apart in a sparse file, are moved together and the file is cut.
 * It needs room for a second copy of one CPU's pages at a time. Where the disk has too little above --min-free, before
 * or while it is done, the file stays as it is: sparse, complete, and packed later by --recover.
 */
#include "capture.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <unistd.h>

uint64_t free_space(int fd)
{
	struct statvfs v;
	return fstatvfs(fd, &v) ? 0 : (uint64_t)v.f_bavail * v.f_frsize;
}

uint64_t usual_min_free(int fd)
{
	struct statvfs v;
	uint64_t part = fstatvfs(fd, &v) ? 0 : (uint64_t)v.f_blocks * v.f_frsize / 20;
	return part < (256 << 20) ? part : 256 << 20;
}

static void forget(int fd, uint64_t at, uint64_t end, uint64_t shift)
{
	if (end == at)
		return;
	posix_fadvise(fd, (off_t)at, (off_t)(end - at), POSIX_FADV_DONTNEED);
	posix_fadvise(fd, (off_t)(at + shift), (off_t)(end - at), POSIX_FADV_DONTNEED);
}

/*
 * Copies inside the file; the kernel does it, without a copy at all on file systems that share blocks. What was copied is on
 * the disk when this returns: the original is given back then, and a disk may refuse what the page cache took. Neither
 * stays in the page cache, and dirty pages are few.
 */
static enum packing copy_range(int fd, uint64_t from, uint64_t to, uint64_t n, uint64_t min_free, bool (*give_up)(void))
{
	bool by_kernel = true, memory = in_memory(fd), ok = true;
	char *mem = NULL;
	enum packing why = PACK_FAILED;
	uint64_t begin = to, settled = to, dropped = to, shift = from - to;
	while (n && ok) {
		size_t part = n < (8 << 20) ? n : 8 << 20;
		ssize_t done = -1;
		if (give_up && give_up()) {
			why = PACK_INTERRUPTED;
			break;
		}
		if (free_space(fd) < part + min_free) { /* others write, too */
			why = PACK_NO_ROOM;
			break;
		}
		if (by_kernel) {
			off_t a = (off_t)from, b = (off_t)to;
			done = copy_file_range(fd, &a, fd, &b, part, 0);
			by_kernel = done > 0;
		}
		if (!by_kernel) {
			if (!mem && !(mem = malloc(1 << 20)))
				break;
			part = part < (1 << 20) ? part : 1 << 20;
			done = pread(fd, mem, part, (off_t)from);
			if (done > 0 && !pwrite_all(fd, mem, (size_t)done, to))
				done = -1;
		}
		if (done <= 0) {
			ok = false;
			break;
		}
		if (!memory) {
			sync_file_range(fd, (off_t)to, done, SYNC_FILE_RANGE_WRITE);
			ok = dat_settle(fd, settled, to - settled);
			forget(fd, dropped, settled, shift); /* later than written: see keeper.c */
			dropped = settled;
			settled = to;
		}
		from += (uint64_t)done;
		to += (uint64_t)done;
		n -= (uint64_t)done;
	}
	free(mem);
	if (!memory) {
		ok = ok && dat_settle(fd, settled, to - settled);
		forget(fd, dropped, to, shift);
	}
	if (ok && !n)
		return PACK_DONE;
	if (to > begin) /* half a copy is of no use */
		fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)begin, (off_t)(to - begin));
	return why;
}

enum packing dat_pack(int fd, struct shared *s, bool (*give_up)(void))
{
	uint64_t end = s->data_off, last = end, unit = s->subbuf < 4096 ? 4096 : s->subbuf;
	enum packing result = PACK_DONE; /* once one stays where it is, so do those behind it */
	for (int c = 0; c < s->ncpu; c++) {
		uint64_t size = atomic_load(&s->cpu[c].size), from = s->cpu[c].offset, to = round_up(end, unit);
		if (!size) {
			s->cpu[c].offset = end; /* nothing there: any place inside the file will do */
			continue;
		}
		if (to != from && result == PACK_DONE) {
			/* Copy, switch the table over, then give the old place back: a kill in between costs space, not data. */
			if (to + size > from)
				result = PACK_FAILED;
			else if (free_space(fd) < size + s->min_free)
				result = PACK_NO_ROOM;
			else
				result = copy_range(fd, from, to, size, s->min_free, give_up);
			uint64_t entry[2] = { to, size };
			if (result == PACK_DONE && !pwrite_all(fd, entry, 16, s->table_off + (uint64_t)c * 16))
				result = PACK_FAILED;
			if (result == PACK_DONE) {
				s->cpu[c].offset = to;
				fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)from, (off_t)size);
			}
		}
		end = s->cpu[c].offset + size;
		last = end > last ? end : last;
	}
	dat_write_table(fd, s);
	if (ftruncate(fd, (off_t)last) && result == PACK_DONE)
		result = PACK_FAILED;
	return result;
}
