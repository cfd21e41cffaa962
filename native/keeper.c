/*
 * The keeper: a thread for the chores of a running recording that may have to wait for a disk or for /proc: table of
 * the file, pushing pages out of the page cache, room on the disk (a network's may not answer), names of new threads. The main thread must not wait for any of them:
 * it answers Ctrl-C and keeps the limits, whatever a stuck disk or a stuck process does.
 *
 * A thread that waits for a disk cannot be killed, and files stay open until the last thread that shares them is gone. So
 * the keeper has a table of open files of its own, without trace files: however long it takes to die, the instance
 * can be removed.
 */
#include "session.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

static pthread_t thread;
static int stop_fd = -1;
static sem_t ready;

/*
 * Pages go to the disk as they come, and out of the page cache: a capture must not push out what the host needs. They are
 * dropped one step later, when they have been written: asked to drop others, the kernel sends work to every CPU
 * (lru_add_drain_all), which no vCPU should feel. What lives in memory anyway stays there.
 */
struct pushed {
	uint64_t begun, dropped; /* bytes of a CPU's region */
};

/*
 * The page cache takes what the disk below may refuse later: one that fails, a thin volume whose pool is full. Writing
 * never tells that, only waiting for what was written does. Then the recording ends; false.
 */
static bool push_out(struct pushed *pushed)
{
	for (int c = 0; c < self.s->ncpu; c++) {
		struct pushed *p = &pushed[c];
		uint64_t size = atomic_load(&self.s->cpu[c].size), at = self.s->cpu[c].offset;
		if (size - p->begun < 1 << 20)
			continue;
		sync_file_range(self.out_fd, (off_t)(at + p->begun), (off_t)(size - p->begun), SYNC_FILE_RANGE_WRITE);
		if (p->begun > p->dropped) {
			off_t from = (off_t)(at + p->dropped), n = (off_t)(p->begun - p->dropped);
			if (sync_file_range(self.out_fd, from, n, SYNC_FILE_RANGE_WAIT_BEFORE) && disk_refused(errno)) {
				uint64_t one = 1;
				atomic_store(&self.disk_error, errno);
				write_all(self.wake, &one, sizeof one);
				return false;
			}
			posix_fadvise(self.out_fd, from, n, POSIX_FADV_DONTNEED);
		}
		p->dropped = p->begun;
		p->begun = size;
	}
	return true;
}

static void *keeper_main(void *arg)
{
	struct pushed *pushed = arg;
	bool on_disk = !in_memory(self.out_fd);
	struct pollfd stop = { .fd = stop_fd, .events = POLLIN };
	priority_high();
	processes_own_thread();
	if (!unshare(CLONE_FILES))
		close_all_but((int[]){ self.out_fd, stop_fd, self.wake, self.o.json_fd }, 4);
	sem_post(&ready);
	for (int tick = 1; poll(&stop, 1, 500) <= 0; tick++) {
		dat_write_table(self.out_fd, self.s);
		if (on_disk)
			on_disk = push_out(pushed);
		if (tick % 2)
			continue;
		processes_look_again();
		if (disk_low(self.out_fd)) {
			uint64_t one = 1;
			atomic_store(&self.disk_is_low, true);
			write_all(self.wake, &one, sizeof one);
		}
	}
	free(pushed);
	return NULL;
}

void keeper_start(void)
{
	struct pushed *pushed = calloc((size_t)self.s->ncpu, sizeof *pushed);
	stop_fd = eventfd(0, EFD_CLOEXEC);
	if (stop_fd < 0)
		die("eventfd", NULL, "eventfd: %s", strerror(errno));
	sem_init(&ready, 0, 0);
	int err = pushed ? pthread_create(&thread, NULL, keeper_main, pushed) : ENOMEM;
	if (err)
		die("threads", NULL, "cannot start a thread: %s", strerror(err));
	while (sem_wait(&ready)) /* before there are trace files */
		;
}

void keeper_finish(void)
{
	uint64_t one = 1;
	write_all(stop_fd, &one, sizeof one);
	pthread_join(thread, NULL);
	close(stop_fd);
}
