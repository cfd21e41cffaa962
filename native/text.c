/* --text: the instance's trace_pipe, copied to a file or to standard output. */
#include "capture.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct text {
	struct tracefs *t;
	int out, signals;
	uint64_t end; /* 0: none */
	enum stop_reason (*ends)(bool child);
	const char **switched_off;
	enum stop_reason why; /* nothing is recorded any more; what is in the buffer is still written */
};

/* Whether a stop signal came. Whatever else may end a recording is looked at here, too, also while we wait for a reader. */
static bool look(struct text *x)
{
	bool child = false, signal = signals_take(x->signals, &child) > 0;
	enum stop_reason why = x->ends(child);
	if (x->why != STOP_NOT)
		return signal;
	x->why = signal ? STOP_SIGNAL : why != STOP_NOT ? why : x->end && clock_ns(CLOCK_MONOTONIC) >= x->end ? STOP_DURATION : STOP_NOT;
	if (x->why != STOP_NOT) {
		if (x->why != STOP_STALLED)
			*x->switched_off = tracefs_switched_off(x->t);
		tracefs_on(x->t, false);
		write_file_at(x->t->dir_fd, "events/enable", "0");
	}
	return signal;
}

/*
 * Writes, but gives up when a stop signal arrives while a slow reader of our standard output makes us wait.
 * True: all written. False: stop with x->why.
 */
static bool put(struct text *x, const char *p, size_t n)
{
	while (n) {
		struct pollfd wait[2] = { { .fd = x->out, .events = POLLOUT }, { .fd = x->signals, .events = POLLIN } };
		poll(wait, 2, 50);
		bool signal = look(x);
		if (wait[0].revents & POLLERR) { /* the reading end of a pipe is gone */
			x->why = STOP_PIPE_CLOSED;
			return false;
		}
		if (!(wait[0].revents & POLLOUT)) {
			if (signal)
				return false;
			continue;
		}
		ssize_t w = write(x->out, p, n < 4096 ? n : 4096); /* PIPE_BUF: does not block once a pipe polls writable */
		if (w < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (w <= 0) {
			x->why = w ? errno == EPIPE ? STOP_PIPE_CLOSED : reason_of(errno) : STOP_IO_ERROR;
			return false;
		}
		p += w;
		n -= (size_t)w;
	}
	return true;
}

enum stop_reason copy_text(struct tracefs *t, int out, int signals, uint64_t end, uint64_t max_size,
	enum stop_reason (*ends)(bool child), uint64_t *bytes, const char **switched_off)
{
	char chunk[65536];
	struct text x = { .t = t, .out = out, .signals = signals, .end = end, .ends = ends, .switched_off = switched_off,
		.why = STOP_NOT };
	int in = openat(t->dir_fd, "trace_pipe", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (in < 0)
		die("tracefs", NULL, "%s/trace_pipe: %s", t->instance, strerror(errno));
	for (;;) {
		struct pollfd wait[3] = { { .fd = in, .events = POLLIN }, { .fd = signals, .events = POLLIN },
			{ .fd = out, .events = 0 } }; /* events 0: only tells that the reader of a pipe went away */
		if (x.why == STOP_NOT)
			poll(wait, 3, 50);
		look(&x);
		if (wait[2].revents & POLLERR) {
			x.why = STOP_PIPE_CLOSED;
			break;
		}
		ssize_t n = read(in, chunk, sizeof chunk);
		if (n <= 0) {
			if (x.why != STOP_NOT && (n == 0 || errno == EAGAIN))
				break;
			if (n < 0 && errno != EAGAIN && errno != EINTR) {
				x.why = STOP_IO_ERROR;
				break;
			}
			continue;
		}
		bool full = *bytes + (uint64_t)n > max_size;
		if (full) { /* cut at the end of a line */
			n = (ssize_t)(max_size - *bytes);
			while (n > 0 && chunk[n - 1] != '\n')
				n--;
		}
		if (!put(&x, chunk, (size_t)n))
			break;
		*bytes += (uint64_t)n;
		if (full) {
			x.why = STOP_SIZE;
			break;
		}
	}
	tracefs_on(t, false);
	close(in);
	return x.why;
}
