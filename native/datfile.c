/*
 * The trace.dat (version 6) while it is being written.
 *
 *   metadata | options, room for more | table of {offset, size} per CPU | region CPU 0 | region CPU 1 | …
 *
 * The file is complete and valid from the first moment on, so that it opens whatever kills us: every CPU has its own
 * region in a sparse file, long enough for the whole size limit, where the readers append pages; the table is updated
 * twice a second and at the end. What is known only at the end (thread names, loss counters) goes into room kept
 * free: names replace blank lines after the first names, options replace a filler option. At the end the regions are
 * moved together. Each step is made visible by one aligned write of at most 16 bytes, so a kill cannot tear it.
 *
 * Version 6, not 7: trace-cmd before 3.0 and KernelShark of the same age know no other.
 */
#include "capture.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <unistd.h>

struct shared *shared_new(int ncpu)
{
	size_t size = sizeof(struct shared) + (size_t)ncpu * sizeof(struct cpu_slot);
	struct shared *s = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (s == MAP_FAILED)
		die("memory", NULL, "mmap: %s", strerror(errno));
	s->ncpu = ncpu;
	return s;
}

/* Where the file was made: its folder, which may be called otherwise by now, and its name in there. */
static int place_fd = -1;
static const char *place_name;

/* A new file of ours alone. O_EXCL fails on anything that exists, symbolic links included. */
int dat_create(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *folder = slash == path ? strdup("/") : slash ? strndup(path, (size_t)(slash - path)) : strdup(".");
	place_name = slash ? slash + 1 : path;
	place_fd = folder ? open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
	free(folder);
	int fd = place_fd < 0 ? -1 : openat(place_fd, place_name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY, 0600);
	if (slash && !slash[1])
		errno = EISDIR;
	if (fd < 0)
		die("output", errno == EEXIST ? "choose another name, or remove it" : "choose another place with -o",
			"cannot create %s: %s", path, strerror(errno));
	flock(fd, LOCK_EX | LOCK_NB); /* held until recorder and watchdog are gone: --recover looks at it */
	return fd;
}

int dat_place(void)
{
	return place_fd;
}

/* Our file, and nothing that has its name by now. Not by its path: whoever owns a folder of it could lead that elsewhere. */
void dat_remove(int fd)
{
	struct stat ours, there;
	if (!fstat(fd, &ours) && !fstatat(place_fd, place_name, &there, AT_SYMLINK_NOFOLLOW) && ours.st_dev == there.st_dev &&
		ours.st_ino == there.st_ino)
		unlinkat(place_fd, place_name, 0);
}

void dat_option(struct buf *b, uint16_t id, const void *data, size_t n)
{
	buf_u16(b, id);
	buf_u32(b, (uint32_t)n);
	buf_add(b, data, n);
}

static void sized_file(struct buf *b, int dir, const char *path)
{
	struct buf text = { 0 };
	int r = read_file_at(dir, path, &text);
	if (r)
		die("tracefs", NULL, "cannot read %s: %s", path, strerror(-r));
	buf_u64(b, text.len);
	buf_add(b, text.p, text.len);
	buf_free(&text);
}

static void ftrace_formats(struct buf *b, struct tracefs *t)
{
	int fd = openat(t->root_fd, "events/ftrace", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	size_t count_at = b->len;
	uint32_t count = 0;
	buf_u32(b, 0);
	if (!d && fd >= 0)
		close(fd);
	for (struct dirent *e; d && (e = readdir(d));) {
		char path[320];
		snprintf(path, sizeof path, "events/ftrace/%s/format", e->d_name);
		if (e->d_name[0] == '.' || faccessat(t->root_fd, path, R_OK, AT_EACCESS))
			continue;
		sized_file(b, t->root_fd, path);
		count++;
	}
	if (d)
		closedir(d);
	memcpy(b->p + count_at, &count, sizeof count);
}

static void event_formats(struct buf *b, struct tracefs *t)
{
	size_t count_at = b->len;
	uint32_t systems = 0;
	buf_u32(b, 0);
	for (int i = 0; i < t->nevents; i++) {
		const char *system = t->events[i].system;
		bool earlier = false;
		uint32_t n = 0;
		for (int k = 0; k < t->nevents; k++) {
			bool same = !strcmp(t->events[k].system, system);
			earlier |= same && k < i;
			n += same;
		}
		if (earlier)
			continue;
		systems++;
		buf_add(b, system, strlen(system) + 1);
		buf_u32(b, n);
		for (int k = i; k < t->nevents; k++) {
			char path[256];
			if (strcmp(t->events[k].system, system))
				continue;
			snprintf(path, sizeof path, "events/%s/%s/format", system, t->events[k].name);
			sized_file(b, t->dir_fd, path);
		}
	}
	memcpy(b->p + count_at, &systems, sizeof systems);
}

uint64_t round_up(uint64_t v, uint64_t to)
{
	return (v + to - 1) / to * to;
}

/*
 * A filler: an option that every trace-cmd skips without a word. PROCMAPS whose last byte is not NUL is such a one
 * (an unknown number is skipped too, but with a warning). Our own JSON travels the same way.
 */
static void filler(struct buf *b, size_t payload)
{
	buf_u16(b, OPT_PROCMAPS);
	buf_u32(b, (uint32_t)payload);
	buf_fill(b, '\n', payload);
}

static void first_options(struct buf *b, const char *clock, const struct buf *json)
{
	struct utsname u;
	struct buf text = { 0 };
	uname(&u);
	buf_fmt(&text, "%s %s %s %s", u.sysname, u.nodename, u.release, u.machine);
	dat_option(b, OPT_UNAME, text.p, text.len + 1);
	dat_option(b, OPT_VERSION, "kvmtrace-capture " KC_VERSION, sizeof "kvmtrace-capture " KC_VERSION);
	dat_option(b, OPT_TRACECLOCK, clock, strlen(clock) + 1);
	dat_option(b, OPT_PROCMAPS, json->p, json->len);
	buf_free(&text);
	processes_guest_options(b, false);
}

void dat_write_header(int fd, struct shared *s, struct tracefs *t, const struct options *o, const struct buf *json)
{
	struct buf b = { 0 };
	uint16_t probe = 1;
	char clock[64];
	snprintf(clock, sizeof clock, "[%s]", o->clock);
	buf_add(&b, "\x17\x08\x44tracing" "6", 12); /* with the NUL after the version */
	char endian = *(char *)&probe ? 0 : 1, long_size = sizeof(long);
	buf_add(&b, &endian, 1);
	buf_add(&b, &long_size, 1);
	buf_u32(&b, t->subbuf);
	buf_add(&b, "header_page", 12);
	sized_file(&b, t->dir_fd, "events/header_page");
	buf_add(&b, "header_event", 13);
	sized_file(&b, t->dir_fd, "events/header_event");
	ftrace_formats(&b, t);
	event_formats(&b, t);
	buf_u32(&b, 0); /* no kallsyms: KVM's events do not need them, and a capture must not tell kernel addresses */
	buf_u32(&b, 0); /* no printk formats */
	size_t size_at = b.len;
	buf_u64(&b, 0);
	processes_cmdlines(&b, false);
	s->names_off = b.len;
	s->names_room = (64 << 10) + (b.len - size_at) / 4;
	buf_fill(&b, '\n', s->names_room);
	uint64_t size = b.len - size_at - 8;
	memcpy(b.p + size_at, &size, sizeof size);
	buf_u32(&b, (uint32_t)s->ncpu);
	buf_add(&b, "options  ", 10);
	first_options(&b, clock, json);
	/* The size field of the filler (2 bytes in) shall be 8-aligned: never torn by a page boundary. */
	filler(&b, 1 + (2 * 8 + 6 - (b.len + 6 + 1) % 8) % 8);
	s->pad_off = b.len;
	/* Room for the loss counters of all CPUs and a second, grown JSON; then the table 16-aligned for the same reason. */
	s->pad_size = (64 << 10) + (uint64_t)s->ncpu * 512 + json->len * 3 / 2;
	uint64_t table = b.len + 6 + s->pad_size + 2 + 10;
	s->pad_size += round_up(table, 16) - table;
	filler(&b, s->pad_size);
	buf_u16(&b, 0);
	buf_add(&b, "flyrecord", 10);
	s->table_off = b.len;
	s->data_off = round_up(b.len + (uint64_t)s->ncpu * 16 + 64, t->subbuf < 65536 ? 65536 : t->subbuf);
	for (int c = 0; c < s->ncpu; c++) {
		s->cpu[c].offset = s->data_off + (uint64_t)c * s->region;
		buf_u64(&b, s->cpu[c].offset);
		buf_u64(&b, 0);
	}
	buf_u64(&b, strlen(clock));
	buf_str(&b, clock);
	buf_fill(&b, 0, s->data_off - b.len);
	if (!pwrite_all(fd, b.p, b.len, 0))
		die("output", "free some space, or choose another place with -o", "cannot write the file: %s", strerror(errno));
	buf_free(&b);
	/* Sparse room for everybody. File systems limit a file's length (ext4: 16 TB): then smaller regions. */
	while (ftruncate(fd, (off_t)(s->data_off + (uint64_t)s->ncpu * s->region))) {
		if (errno != EFBIG || s->region < (8 << 20))
			die("output", "choose another file system, raise the limit (ulimit -f), or give a smaller --max-size",
				"the file system does not take a sparse file: %s", strerror(errno));
		s->region = round_up(s->region / 2, t->subbuf);
		for (int c = 0; c < s->ncpu; c++)
			s->cpu[c].offset = s->data_off + (uint64_t)c * s->region;
	}
	struct stat st;
	if (!fstat(fd, &st) && (uint64_t)st.st_blocks * 512 > s->data_off + (64 << 20))
		die("output", "choose another file system (ext4, xfs, btrfs, tmpfs, NFS …)", "this file system has no sparse files");
	if (!dat_write_table(fd, s))
		die("output", NULL, "cannot write the file: %s", strerror(errno));
}

bool dat_write_table(int fd, struct shared *s)
{
	uint64_t part[2 * 256];
	for (int c = 0; c < s->ncpu; c += 256) {
		int n = s->ncpu - c < 256 ? s->ncpu - c : 256;
		for (int i = 0; i < n; i++) {
			part[2 * i] = s->cpu[c + i].offset;
			part[2 * i + 1] = atomic_load_explicit(&s->cpu[c + i].size, memory_order_acquire);
		}
		if (!pwrite_all(fd, part, (size_t)n * 16, s->table_off + (uint64_t)c * 16))
			return false;
	}
	return true;
}

/* Names that came up during the recording, in place of blank lines. A kill in between leaves a name too few.
 * errno is E2BIG where there are more than the file has room for. */
bool dat_add_names(int fd, struct shared *s)
{
	struct buf names = { 0 };
	processes_cmdlines(&names, true);
	bool all = names.len <= s->names_room;
	if (!all) { /* as many whole lines as fit */
		names.len = (size_t)s->names_room;
		while (names.len && names.p[names.len - 1] != '\n')
			names.len--;
	}
	bool ok = pwrite_all(fd, names.p, names.len, s->names_off);
	buf_free(&names);
	if (ok && !all)
		errno = E2BIG;
	return ok && all;
}

/*
 * Puts options into the filler. The filler is  id:2 size:4 payload.  New options and a smaller filler are written into
 * its payload, where nobody sees them; then its size shrinks to a few bytes by one aligned write and they appear.
 */
bool dat_add_options(int fd, struct shared *s, struct buf *options)
{
	uint64_t skip = 1 + (2 * 8 + 6 - (s->pad_off + 6 + 1 + options->len) % 8) % 8; /* aligns the next filler alike */
	if (!options->len)
		return true;
	if (options->len + skip + 6 + 1 > s->pad_size) {
		errno = E2BIG;
		return false;
	}
	uint32_t rest = (uint32_t)(s->pad_size - skip - options->len - 6), visible = (uint32_t)skip;
	uint64_t at = s->pad_off + 6 + skip;
	buf_u16(options, OPT_PROCMAPS);
	buf_u32(options, rest);
	if (!pwrite_all(fd, options->p, options->len, at) || !pwrite_all(fd, &visible, 4, s->pad_off + 2))
		return false;
	s->pad_off = at + options->len - 6;
	s->pad_size = rest;
	return true;
}

bool in_memory(int fd)
{
	struct statfs fs;
	return !fstatfs(fd, &fs) && (fs.f_type == TMPFS_MAGIC || fs.f_type == RAMFS_MAGIC);
}

bool dat_settle(int fd, uint64_t at, uint64_t n)
{
	return !n || !sync_file_range(fd, (off_t)at, (off_t)n,
		SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER) || !disk_refused(errno);
}
