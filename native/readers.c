/*
 * Readers: threads that move ring-buffer pages into the file by splice(), trace_pipe_raw -> pipe -> file, so that no
 * byte passes through this process. A few threads serve all CPUs and are not bound to them: a reader on every CPU
 * would take time from every vCPU, a few wander to where the host is idle.
 */
#include "readers.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

const char *const stop_names[STOP_COUNT] = { "running", "signal", "duration", "size", "disk-full", "disk-low", "command",
	"target-gone", "pipe-closed", "io-error", "watchdog", "stalled", "killed", "recovered" };

#define MOST_READY 32 /* CPUs told about at once; the others come next */

/* With -C, off the CPUs under observation if others are allowed. For the calling thread: a command is not affected. */
static void leave_cpus(const struct options *o)
{
	size_t size = CPU_ALLOC_SIZE(KC_MAX_CPUS);
	cpu_set_t *set = o->cpus ? CPU_ALLOC(KC_MAX_CPUS) : NULL;
	if (!set)
		return;
	CPU_ZERO_S(size, set);
	if (!sched_getaffinity(0, size, set)) {
		for (int c = 0; c < KC_MAX_CPUS; c++)
			if (o->cpumask[c / 8] >> (c % 8) & 1)
				CPU_CLR_S((size_t)c, size, set);
		if (CPU_COUNT_S(size, set))
			sched_setaffinity(0, size, set);
	}
	CPU_FREE(set);
}

static void watch(struct reader *r, int i, bool on)
{
	struct epoll_event e = { .events = EPOLLIN, .data.u32 = (uint32_t)i };
	if (r->cpus[i].raw >= 0 && r->cpus[i].watched != on && !epoll_ctl(r->epoll, on ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, r->cpus[i].raw, &e))
		r->cpus[i].watched = on;
}

/* Waits until the kernel says that a buffer is filled to buffer_percent. Returns whether it did. */
static bool wait_for_kernel(struct reader *r, int wait_ms)
{
	struct epoll_event e[MOST_READY];
	int n = epoll_wait(r->epoll, e, MOST_READY, wait_ms);
	for (int i = 0; i < n; i++) {
		r->cpus[e[i].data.u32].ready = true;
		/* A CPU that was never online has no buffer, and is said to be in error at once, every time. */
		if (e[i].events & (EPOLLERR | EPOLLHUP))
			watch(r, (int)e[i].data.u32, false);
	}
	return n > 0;
}

/* Takes what there is from the CPUs that are ready, and while awake from those that had something last time; from all
 * of them if all. Returns the most that one CPU gave. */
static size_t round_of(struct reader *r, bool all)
{
	size_t most = 0;
	for (int i = 0; i < r->ncpus; i++) {
		if (!all && !r->cpus[i].active && !r->cpus[i].ready)
			continue;
		size_t n = drain(r, &r->cpus[i]);
		r->cpus[i].active = n > 0;
		r->cpus[i].ready = false;
		if (n)
			watch(r, i, true); /* a CPU that came online: its buffer is there now */
		most = n > most ? n : most;
	}
	return most;
}

/*
 * Every wake-up of ours may push a vCPU off its CPU, so there are few: the kernel wakes us when a buffer is filled to
 * buffer_percent, and we come at once then if it is a small one. Twice a second, with small buffers more often, we look
 * anyway: the file stays near the present. Where nobody wakes us (no buffer_percent in 4.19; several 6.x forget to) the
 * time we wait follows how full we find the buffers; where we are woken for nothing we pause.
 */
static void *reader_main(void *arg)
{
	struct reader *r = arg;
	struct readers *all = r->all;
	bool woken_by_kernel = all->has_percent, late = all->small && all->has_percent;
	/* a wake-up that the kernel forgets is noticed by then: small buffers overflow until that */
	int wait_ms = woken_by_kernel ? all->small ? 100 : 500 : 20;
	int pause_ms = 1, longest_ms = all->buffer_bytes < 1 << 20 ? 100 : 250;
	leave_cpus(all->options);
	priority_high();
	if (all->small)
		priority_realtime();
	processes_own_thread();
	while (!atomic_load(&all->stopping) && !atomic_load(&all->failed)) {
		if (late && !priority_is_realtime()) {
			late = false;
			tracefs_wake_early(all->tracefs);
		}
		bool woken = woken_by_kernel ? wait_for_kernel(r, wait_ms) : poll(NULL, 0, wait_ms) > 0;
		size_t most = round_of(r, !woken);
		if (woken) {
			pause_ms = most ? 1 : pause_ms < 16 ? pause_ms * 2 : 16;
			if (!most)
				poll(NULL, 0, pause_ms / 2);
		} else if (late && most > all->buffer_bytes) { /* even the page outside the ring is full: nobody would wake us */
			late = false;
			tracefs_wake_early(all->tracefs);
		} else if (!late && most > all->buffer_bytes / 4 * 3) {
			woken_by_kernel = false;
			wait_ms = wait_ms > 40 ? 20 : wait_ms > 2 ? wait_ms / 2 : 1;
		} else if (!woken_by_kernel && most > all->buffer_bytes / 2) {
			wait_ms = wait_ms > 2 ? wait_ms / 2 : 1;
		} else if (!woken_by_kernel && most < all->buffer_bytes / 8) {
			wait_ms = wait_ms * 2 < longest_ms ? wait_ms * 2 : longest_ms;
		}
	}
	if (atomic_load(&all->stopping))
		for (int i = 0; i < r->ncpus; i++)
			drain_rest(r, &r->cpus[i]);
	return NULL;
}

/*
 * How much is moved at once: a small buffer as a whole, of others up to half, at most 256 KB. Every call makes the kernel
 * allocate and clear for each slot of the pipe, filled or not; more than 256 KB no longer fit into a CPU's cache. A slot
 * holds one ring-buffer page, whatever its size; the pipe's size is told in memory pages.
 */
static size_t pipe_for(int fd, size_t subbuf, uint64_t buffer_bytes)
{
	size_t memory_page = (size_t)sysconf(_SC_PAGESIZE), batch = buffer_bytes / 2 < 256 << 10 ? (size_t)buffer_bytes / 2 : 256 << 10;
	size_t fewest = buffer_bytes < 16 * subbuf ? (size_t)buffer_bytes / subbuf + 2 : 16;
	size_t slots = batch / subbuf < fewest ? fewest : batch / subbuf;
	int size = fcntl(fd, F_SETPIPE_SZ, (int)(slots * memory_page));
	if (size <= 0)
		size = fcntl(fd, F_GETPIPE_SZ);
	size_t have = size > 0 ? (size_t)size / memory_page : 1;
	return (have < slots ? have : slots) * subbuf;
}

struct readers *readers_start(struct tracefs *t, struct shared *s, int out_fd, uint64_t max_size, int count, int wake_fd,
	const struct options *o)
{
	files_many();
	if (count <= 0)
		count = 1 + (t->ncpu - 1) / 32;
	if (count > t->ncpu)
		count = t->ncpu;
	struct readers *all = calloc(1, sizeof *all);
	struct reader *readers = calloc((size_t)count, sizeof *readers);
	if (!all || !readers)
		die("memory", NULL, "out of memory");
	*all = (struct readers){ .tracefs = t, .shared = s, .out_fd = out_fd, .wake_fd = wake_fd, .count = count, .max_size = max_size,
		.buffer_bytes = t->buffer_bytes, .small = t->small,
		.has_percent = t->has_percent, .options = o, .reader = readers };
	for (int i = 0; i < count; i++) {
		struct reader *r = &readers[i];
		int per = (t->ncpu + count - 1) / count;
		r->all = all;
		r->patience = 50;
		r->cpus = calloc((size_t)per, sizeof *r->cpus);
		r->epoll = epoll_create1(EPOLL_CLOEXEC);
		r->page = malloc(s->subbuf);
		if (!r->cpus || r->epoll < 0 || !r->page || pipe2(r->pipe, O_CLOEXEC))
			die("memory", errno == EMFILE ? "raise the limit: ulimit -n" : NULL, "cannot prepare readers: %s", strerror(errno));
		r->pipe_size = pipe_for(r->pipe[1], s->subbuf, t->buffer_bytes);
		for (int c = i; c < t->ncpu; c += count) {
			char path[64];
			snprintf(path, sizeof path, "per_cpu/cpu%d/trace_pipe_raw", c);
			int fd = openat(t->dir_fd, path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
			if (fd < 0 && errno != ENOENT && errno != ENODEV && errno != ENXIO)
				die("tracefs", errno == EMFILE ? "raise the limit: ulimit -n" : NULL, "%s: %s", path, strerror(errno));
			r->cpus[r->ncpus].number = c;
			r->cpus[r->ncpus].raw = fd;
			watch(r, r->ncpus++, true);
		}
	}
	if (all->small)
		priority_realtime_allow();
	for (int i = 0; i < count; i++) {
		int err = pthread_create(&readers[i].thread, NULL, reader_main, &readers[i]);
		if (err)
			die("threads", NULL, "cannot start a reader: %s", strerror(err));
	}
	return all;
}

enum stop_reason readers_failed(const struct readers *all)
{
	return (enum stop_reason)atomic_load(&all->failed);
}

enum stop_reason readers_finish(struct readers *all, struct unwritten *u)
{
	atomic_store(&all->stopping, true);
	*u = (struct unwritten){ 0 };
	for (int i = 0; i < all->count; i++)
		pthread_join(all->reader[i].thread, NULL);
	for (int i = 0; i < all->count; i++) {
		struct reader *r = &all->reader[i];
		u->dropped += r->dropped;
		u->unread += r->unread;
		u->error = r->error ? r->error : u->error;
		for (int c = 0; c < r->ncpus; c++)
			if (r->cpus[c].raw >= 0)
				close(r->cpus[c].raw);
		close(r->epoll);
		close(r->pipe[0]);
		close(r->pipe[1]);
		free(r->cpus);
		free(r->page);
	}
	enum stop_reason why = readers_failed(all);
	free(all->reader);
	free(all);
	return why;
}
