/* Shared by readers.c and drain.c. */
#ifndef KVMTRACE_READERS_H
#define KVMTRACE_READERS_H
#include "capture.h"
#include <pthread.h>

struct cpu {
	int number, raw; /* trace_pipe_raw; -1: this CPU has none */
	bool active;     /* gave something last time */
	bool ready;      /* the kernel says that its buffer is filled to buffer_percent */
	bool watched;    /* by epoll */
};

struct reader {
	pthread_t thread;
	struct readers *all;
	struct cpu *cpus;
	/* Not poll(): that asks about every CPU before and after each wait, in memory that those CPUs write. */
	int epoll, ncpus, pipe[2];
	size_t pipe_size;
	char *page; /* for the last, partly filled page, which splice leaves behind */
	uint64_t dropped;
	int unread, error; /* see struct unwritten */
	int patience;      /* times 20 ms */
};

struct readers {
	struct tracefs *tracefs;
	struct shared *shared;
	int out_fd, wake_fd, count;
	uint64_t max_size, buffer_bytes;
	bool has_percent, small;
	const struct options *options;
	_Atomic bool stopping;
	_Atomic int failed; /* enum stop_reason */
	struct reader *reader;
};

/* Moves the pages of one CPU that are complete. Returns bytes moved; 0 when there are none now. */
size_t drain(struct reader *r, struct cpu *cpu);
/* After tracing has stopped: all of them, and the page being filled. */
void drain_rest(struct reader *r, struct cpu *cpu);

#endif
