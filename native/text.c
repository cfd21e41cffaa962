/* --text: the instance's trace_pipe, copied to a file or to standard output. */
#include "capture.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/*
 * Writes, but gives up when a stop signal arrives while a slow reader of our standard output makes us wait.
 * True: all written. False: stop with *why.
 */
static bool put(int fd, const char *p, size_t n, int signals, enum stop_reason *why)
{
	while (n) {
		struct pollfd wait[2] = { { .fd = fd, .events = POLLOUT }, { .fd = signals, .events = POLLIN } };
		poll(wait, 2, 1000);
		if (wait[1].revents) {
			bool child = false;
			if (signals_take(signals, &child)) {
				*why = STOP_SIGNAL;
				return false;
			}
		}
		if (wait[0].revents & POLLERR) { /* the reading end of a pipe is gone */
			*why = STOP_PIPE_CLOSED;
			return false;
		}
		if (!(wait[0].revents & POLLOUT))
			continue;
		ssize_t w = write(fd, p, n < 4096 ? n : 4096); /* PIPE_BUF: does not block once a pipe polls writable */
		if (w < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (w <= 0) {
			*why = errno == EPIPE ? STOP_PIPE_CLOSED : errno == ENOSPC ? STOP_DISK_FULL : STOP_IO_ERROR;
			return false;
		}
		p += w;
		n -= (size_t)w;
	}
	return true;
}

enum stop_reason copy_text(struct tracefs *t, int out, int signals, uint64_t end, uint64_t max_size,
	enum stop_reason (*on_child)(void), uint64_t *bytes)
{
	char chunk[65536];
	enum stop_reason why = STOP_NOT;
	int in = openat(t->dir_fd, "trace_pipe", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (in < 0)
		die("tracefs", NULL, "%s/trace_pipe: %s", t->instance, strerror(errno));
	bool stopped = false;
	for (;;) {
		struct pollfd wait[3] = { { .fd = in, .events = POLLIN }, { .fd = signals, .events = POLLIN },
			{ .fd = out, .events = 0 } }; /* events 0: only tells that the reader of a pipe went away */
		bool child = false;
		if (!stopped)
			poll(wait, 3, 50);
		if (!stopped && wait[1].revents) {
			if (signals_take(signals, &child))
				why = STOP_SIGNAL;
			if (child && why == STOP_NOT)
				why = on_child();
		}
		if (!stopped && wait[2].revents & POLLERR)
			why = STOP_PIPE_CLOSED;
		if (!stopped && end && clock_ns(CLOCK_MONOTONIC) >= end)
			why = STOP_DURATION;
		if (!stopped && why != STOP_NOT) {
			tracefs_on(t, false); /* then what is in the buffer, to its end */
			stopped = true;
		}
		if (why == STOP_PIPE_CLOSED)
			break;
		ssize_t n = read(in, chunk, sizeof chunk);
		if (n <= 0) {
			if (stopped && (n == 0 || errno == EAGAIN))
				break;
			if (n < 0 && errno != EAGAIN && errno != EINTR) {
				why = STOP_IO_ERROR;
				break;
			}
			continue;
		}
		if (*bytes + (uint64_t)n > max_size) {
			why = STOP_SIZE; /* cut at the end of a line */
			n = (ssize_t)(max_size - *bytes);
			while (n > 0 && chunk[n - 1] != '\n')
				n--;
		}
		enum stop_reason problem = STOP_NOT;
		if (!put(out, chunk, (size_t)n, signals, &problem)) {
			why = problem;
			break;
		}
		*bytes += (uint64_t)n;
		if (why == STOP_SIZE)
			break;
	}
	tracefs_on(t, false);
	close(in);
	return why;
}
