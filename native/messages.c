/*
 * Messages. For people: plain lines on stderr, one rewritten progress line if stderr is a terminal.
 * For programs (--status-json): one JSON object per line; README.md lists the keys.
 */
#include "capture.h"
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int json_fd = -1;
static bool json_closed, quiet, terminal, progress_shown;
static void (*undo)(void);

void msg_setup(int fd, bool is_quiet)
{
	json_fd = fd;
	quiet = is_quiet;
	terminal = !quiet && fd != 2 && isatty(2);
}

bool msg_has_json(void)
{
	return json_fd >= 0;
}

bool msg_json_closed(void)
{
	return json_closed;
}

bool msg_json_gone(void)
{
	/* Without writing: a pipe whose reader is gone polls as an error, a socket as hung up. */
	struct pollfd p = { .fd = json_fd, .events = 0 };
	if (json_fd >= 0 && !json_closed && poll(&p, 1, 0) > 0 && p.revents & (POLLERR | POLLHUP | POLLNVAL))
		json_closed = true;
	return json_closed;
}

bool msg_has_terminal(void)
{
	return terminal;
}

bool msg_wants_progress(void)
{
	return terminal || json_fd >= 0;
}

/*
 * A reader that hangs, or a terminal stopped with Ctrl-S, must not stall the recording: its limits are kept by the
 * thread that writes here. A pipe that polls writable takes PIPE_BUF bytes (longer than any line but an absurd path's)
 * without blocking. A line that does not fit in time is dropped.
 */
static bool writable(int fd, int wait_ms)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	return poll(&p, 1, wait_ms) == 1 && (p.revents & (POLLOUT | POLLERR));
}

void msg_json_line(struct buf *line)
{
	if (json_fd < 0 || json_closed)
		return;
	buf_str(line, "\n");
	if (!writable(json_fd, 200))
		return;
	/* SIGPIPE is ignored: a reader that went away is seen here, and ends the recording */
	if (!write_all(json_fd, line->p, line->len) && errno != EAGAIN)
		json_closed = true;
}

void msg_progress(const char *line)
{
	if (!terminal)
		return;
	if (!line && !progress_shown)
		return;
	char out[256];
	int n = snprintf(out, sizeof out, "\r%s\033[K", line ? line : "");
	if (n > 0 && writable(2, 0))
		write_all(2, out, (size_t)n < sizeof out ? (size_t)n : sizeof out - 1);
	progress_shown = line != NULL;
}

static void vmsg(enum msg_level level, const char *code, const char *hint, const char *fmt, va_list ap)
{
	static const char *const names[] = { "info", "warning", "error" };
	char text[1024];
	vsnprintf(text, sizeof text, fmt, ap);
	if (json_fd >= 0) {
		struct buf b = { 0 };
		buf_fmt(&b, "{\"type\":\"%s\",\"code\":", names[level]);
		buf_json(&b, code);
		buf_str(&b, ",\"message\":");
		buf_json(&b, text);
		buf_str(&b, ",\"hint\":");
		if (hint)
			buf_json(&b, hint);
		else
			buf_str(&b, "null");
		buf_str(&b, "}");
		msg_json_line(&b);
		buf_free(&b);
	}
	if (json_fd == 2 || (quiet && level < MSG_ERROR))
		return;
	msg_progress(NULL);
	char out[2048];
	int n = snprintf(out, sizeof out, "kvmtrace-capture: %s%s%s%s%s\n", level == MSG_INFO ? "" : names[level],
		level == MSG_INFO ? "" : ": ", text, hint ? "\n  " : "", hint ? hint : "");
	if (n > 0 && writable(2, 200))
		write_all(2, out, (size_t)n < sizeof out ? (size_t)n : sizeof out - 1);
}

void msg(enum msg_level level, const char *code, const char *hint, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	vmsg(level, code, hint, fmt, ap);
	va_end(ap);
}

void die_hook(void (*f)(void))
{
	undo = f;
}

void die(const char *code, const char *hint, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	vmsg(MSG_ERROR, code, hint, fmt, ap);
	va_end(ap);
	void (*f)(void) = undo;
	undo = NULL; /* an error while undoing must not come back here */
	if (f)
		f();
	exit(EXIT_USAGE);
}
