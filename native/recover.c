/*
 * --recover: finishes a file whose recorder and watchdog were killed together, or whose machine went down.
 * Such a file opens as it is, up to the last table update; this finds the pages after it and removes the unused room.
 * The file is ours but may be damaged: nothing in it is believed without a check.
 */
#include "capture.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

struct cursor {
	int fd;
	uint64_t at, end;
	const char *path;
};

static void take(struct cursor *c, void *out, uint64_t n)
{
	if (n > c->end - c->at)
		die("recover", "its recording ended before its header was written, or it was cut since: there is nothing to recover",
			"%s: ends within its header, at byte %llu", c->path, (unsigned long long)c->at);
	for (char *p = out; p && n;) {
		ssize_t r = pread(c->fd, p, n, (off_t)c->at);
		if (r <= 0)
			die("recover", NULL, "%s: cannot be read at byte %llu", c->path, (unsigned long long)c->at);
		p += r;
		n -= (uint64_t)r;
		c->at += (uint64_t)r;
	}
	c->at += n; /* what was only skipped */
}

static uint32_t take_u32(struct cursor *c)
{
	uint32_t v;
	take(c, &v, sizeof v);
	return v;
}

static uint64_t take_u64(struct cursor *c)
{
	uint64_t v;
	take(c, &v, sizeof v);
	return v;
}

static void expect(struct cursor *c, const char *bytes, size_t n, const char *what)
{
	char got[16];
	take(c, got, n);
	if (memcmp(got, bytes, n))
		die("recover", "only files of kvmtrace-capture can be recovered", "%s: no %s at byte %llu", c->path, what,
			(unsigned long long)(c->at - n));
}

static void skip_name(struct cursor *c)
{
	char ch;
	do
		take(c, &ch, 1);
	while (ch);
}

/* Fills s with where things are; everything but s->cpu. Returns the number of CPUs. */
static int find_table(struct cursor *c, struct shared *s)
{
	bool ours = false;
	expect(c, "\x17\x08\x44tracing" "6", 12, "trace.dat version 6");
	char layout[2];
	uint16_t probe = 1;
	take(c, layout, 2);
	if (layout[0] != (*(char *)&probe ? 0 : 1))
		die("recover", "do it on the host that recorded it", "%s: other byte order than this machine", c->path);
	s->subbuf = take_u32(c);
	if (s->subbuf < 4096 || s->subbuf > 1 << 20 || s->subbuf & (s->subbuf - 1))
		die("recover", NULL, "%s: impossible page size %u", c->path, s->subbuf);
	expect(c, "header_page", 12, "header_page");
	take(c, NULL, take_u64(c));
	expect(c, "header_event", 13, "header_event");
	take(c, NULL, take_u64(c));
	for (uint32_t n = take_u32(c); n; n--)
		take(c, NULL, take_u64(c));
	for (uint32_t systems = take_u32(c); systems; systems--) {
		skip_name(c);
		for (uint32_t n = take_u32(c); n; n--)
			take(c, NULL, take_u64(c));
	}
	take(c, NULL, take_u32(c));
	take(c, NULL, take_u32(c));
	take(c, NULL, take_u64(c));
	uint32_t ncpu = take_u32(c);
	if (!ncpu || ncpu > KC_MAX_CPUS)
		die("recover", NULL, "%s: impossible number of CPUs %u", c->path, ncpu);
	expect(c, "options  ", 10, "options");
	for (;;) {
		uint16_t id;
		uint64_t at = c->at;
		char text[16] = "";
		take(c, &id, sizeof id);
		if (!id)
			break;
		uint32_t size = take_u32(c), peek = size < sizeof text ? size : sizeof text;
		take(c, text, peek);
		take(c, NULL, size - peek);
		ours |= id == OPT_VERSION && size > 16 && !memcmp(text, "kvmtrace-capture", 16);
		if (id == OPT_PROCMAPS) {
			s->pad_off = at; /* the last one is the filler */
			s->pad_size = size;
		}
	}
	if (!ours)
		die("recover", "only files of kvmtrace-capture can be recovered", "%s: made by another program", c->path);
	expect(c, "flyrecord", 10, "flyrecord");
	s->table_off = c->at;
	return (int)ncpu;
}

/* Pages that were written after the last table update: full of plausible data, and not older than the page before. */
static uint64_t find_end(int fd, uint64_t offset, uint64_t size, uint64_t limit, uint32_t subbuf)
{
	uint64_t last = 0, head[2];
	if (size >= subbuf && pread(fd, head, 16, (off_t)(offset + size - subbuf)) == 16)
		last = head[0];
	while (offset + size + subbuf <= limit && pread(fd, head, 16, (off_t)(offset + size)) == 16) {
		uint32_t length = (uint32_t)head[1] & 0x07ffffff; /* little-endian, or a big-endian kernel's 64-bit commit */
		if (head[0] < last || !head[0] || length < 4 || length > subbuf - 12)
			break;
		last = head[0];
		size += subbuf;
	}
	return size;
}

int dat_recover(const char *path, uint64_t min_free)
{
	struct stat st;
	int fd = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st))
		die("recover", NULL, "%s: %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		die("recover", NULL, "%s: not a regular file", path);
	if (flock(fd, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK) /* some networks' file systems have no locks */
		die("recover", "wait until it has finished; a watchdog (kvmtrace-watch) that is stopped goes on with kill -CONT",
			"%s: is still being recorded", path);
	if (!st.st_size)
		die("recover", "remove it", "%s: empty, its recording ended before its header was written: there is nothing to recover", path);
	struct shared probe = { 0 };
	struct cursor c = { fd, 0, (uint64_t)st.st_size, path };
	int ncpu = find_table(&c, &probe);
	struct shared *s = shared_new(ncpu);
	memcpy(s, &probe, sizeof probe);
	s->ncpu = ncpu;
	s->min_free = min_free ? min_free : usual_min_free(fd);
	uint64_t pages = 0, found = 0;
	for (int i = 0; i < ncpu; i++) {
		s->cpu[i].offset = take_u64(&c);
		atomic_init(&s->cpu[i].size, take_u64(&c));
	}
	s->data_off = c.end;
	for (int i = 0; i < ncpu; i++) {
		uint64_t offset = s->cpu[i].offset, size = s->cpu[i].size, limit = c.end;
		/* packed already, or a plain file: sizes that reach the next region leave nothing to look for */
		for (int k = 0; k < ncpu; k++)
			if (s->cpu[k].offset > offset && s->cpu[k].offset < limit)
				limit = s->cpu[k].offset;
		if (size && offset >= c.at && offset < limit && size > limit - offset) {
			msg(MSG_WARNING, "recover", NULL, "CPU %d: the file was cut, %llu of %llu bytes are there", i,
				(unsigned long long)(limit - offset), (unsigned long long)size);
			size = limit - offset;
		}
		if (offset < c.at || offset > c.end || offset % 4096 || size > limit - offset) {
			msg(MSG_WARNING, "recover", NULL, "CPU %d: impossible place in the file, dropped", i);
			s->cpu[i].offset = c.end;
			s->cpu[i].size = 0;
			continue;
		}
		uint64_t end = find_end(fd, offset, size / s->subbuf * s->subbuf, limit, s->subbuf);
		found += end > size ? (end - size) / s->subbuf : 0;
		s->cpu[i].size = end;
		pages += end / s->subbuf;
		if (offset < s->data_off)
			s->data_off = offset;
	}
	if (!dat_write_table(fd, s))
		die("recover", NULL, "%s: %s", path, strerror(errno));
	struct buf options = { 0 };
	static const char text[] = "{\"kvmtrace\":{\"format\":1,\"phase\":\"end\",\"end\":\"recovered\"}}";
	if (s->pad_size > 256 && s->pad_off % 8 == 6) {
		dat_option(&options, OPT_PROCMAPS, text, sizeof text - 1);
		dat_add_options(fd, s, &options);
		buf_free(&options);
	}
	bool in_order = true; /* as the recorder makes them; moving overlapping regions would destroy data */
	uint64_t before = s->data_off;
	for (int i = 0; i < ncpu; i++)
		if (s->cpu[i].size) {
			in_order &= s->cpu[i].offset >= before;
			before = s->cpu[i].offset + s->cpu[i].size;
		}
	bool packed = in_order && dat_pack(fd, s, NULL) == PACK_DONE;
	msg(MSG_INFO, "recovered", packed ? NULL : "too little free space to pack it (see --min-free): it stays sparse, and opens",
		"%s: %llu pages, %llu of them found behind the table", path, (unsigned long long)pages, (unsigned long long)found);
	close(fd);
	return EXIT_OK;
}
