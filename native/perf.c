/*
 * --backend perf: this host's own perf record with the same selection, for hosts where tracefs may not be written or
 * where a perf.data is wanted. Its events end with its file descriptors, and it gets SIGTERM when we die. The watchdog sees
 * to the rest: a perf that the kernel does not tell, and that perf does not go on when we are stopped.
 *
 * perf looks at all processes of the host before its events count, which takes seconds on a large one. So it starts with
 * them off (-D -1), and we switch them on by its control descriptors: its answer is the begin of the recording. Before 5.10
 * it has none; then its first bytes have to do.
 */
#include "session.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char *joined(const int *ids, int n, const int *more, int nmore)
{
	struct buf b = { 0 };
	for (int i = 0; i < n; i++)
		buf_fmt(&b, "%s%d", b.len ? "," : "", ids[i]);
	for (int i = 0; i < nmore; i++)
		buf_fmt(&b, "%s%d", b.len ? "," : "", more[i]);
	return b.p;
}

static void drop_file(void)
{
	dat_remove(self.out_fd);
	watchdog_dismiss(&self.dog);
}

/* perf keeps it, too, where it is new enough: we may be stopped. Before 5.5 it has no limit, and is given one only on demand. */
static bool too_large(int fd, uint64_t max_size)
{
	struct stat st;
	return !fstat(fd, &st) && (uint64_t)st.st_size >= max_size;
}

#define VERSION_WITHIN_MS 5000

/* Whether this perf can be told to begin, and tells that it did: "perf version 6.1.192". */
static bool can_be_told(void)
{
	int out[2], major = 0, minor = 0;
	char text[128];
	if (pipe2(out, O_CLOEXEC))
		return false;
	pid_t pid = fork();
	if (!pid) {
		signals_default();
		if (dup2(out[1], 1) == 1)
			execlp("perf", "perf", "version", NULL);
		_exit(127);
	}
	close(out[1]);
	struct pollfd answer = { .fd = out[0], .events = POLLIN };
	ssize_t n = pid > 0 && poll(&answer, 1, VERSION_WITHIN_MS) > 0 ? read(out[0], text, sizeof text - 1) : -1;
	close(out[0]);
	if (pid > 0 && n < 0)
		kill(pid, SIGKILL);
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	text[n > 0 ? n : 0] = 0;
	return sscanf(text, "perf version %d.%d", &major, &minor) == 2 && (major > 5 || (major == 5 && minor >= 10));
}

struct control {
	int tell, told; /* -1: this perf knows no such thing */
};

/*
 * Two pipes: perf's ends as an argument, for perf to close with itself. It gets ours, too: when they hang up because we were
 * killed, perf ends at once ("Thread and evlist pollfd index mismatch", 6.1), and its file cannot be read.
 */
static void control_make(struct control *c, int theirs[2], char *arg, size_t size)
{
	int tell[2], told[2];
	if (pipe2(tell, O_CLOEXEC) || pipe2(told, O_CLOEXEC))
		die("perf", NULL, "pipe: %s", strerror(errno));
	*c = (struct control){ tell[1], told[0] };
	theirs[0] = tell[0];
	theirs[1] = told[1];
	for (int i = 0; i < 2; i++) {
		fcntl(tell[i], F_SETFD, 0);
		fcntl(told[i], F_SETFD, 0);
	}
	snprintf(arg, size, "--control=fd:%d,%d", theirs[0], theirs[1]);
	write_all(c->tell, "enable\n", 7);
}

/* Whether perf's events count by now. */
static bool has_begun(const struct control *c)
{
	struct pollfd p = { .fd = c->told, .events = POLLIN };
	struct stat st;
	char answer[16];
	if (c->told < 0)
		return !fstat(self.out_fd, &st) && st.st_size;
	return poll(&p, 1, 0) == 1 && read(c->told, answer, sizeof answer) > 0;
}

#define BEGIN_WITHIN_NS 60000000000ull

int run_perf(void)
{
	struct tracefs *t = &self.t;
	struct options *o = &self.o;
	int signals = signals_setup();
	bool limited = o->max_size != 0;
	struct control control = { -1, -1 };
	int theirs[2] = { -1, -1 };
	char own[32], told[48], *argv[64 + 2 * KC_MAX_EVENTS], mmap_pages[32], size[48];
	int n = 0;
	if (o->npids && o->ntids)
		die("usage", NULL, "--backend perf takes -p or -t, not both");
	if (strcmp(o->clock, "mono") && strcmp(o->clock, "boot") && strcmp(o->clock, "mono_raw"))
		die("usage", "use mono, boot or mono_raw", "--backend perf does not take the clock %s", o->clock);
	/*
	 * perf follows symbolic links and renames an existing file. So it gets an empty file of ours, and by its descriptor:
	 * at the path there may be another by now, where the folder belongs to somebody else.
	 */
	self.out_fd = dat_create(o->output);
	die_hook(drop_file);
	check_disk(self.out_fd);
	self.s = shared_new(0);
	if (!watchdog_start(&self.dog, self.s, self.out_fd))
		die("watchdog", NULL, "cannot start the watchdog: %s", strerror(errno));
	fcntl(self.out_fd, F_SETFD, 0);
	snprintf(own, sizeof own, "/proc/self/fd/%d", self.out_fd);
	argv[n++] = "perf";
	argv[n++] = "record";
	argv[n++] = "-R";
	argv[n++] = "-B"; /* no build ids: perf would read its file once more for them, and copy programs and kallsyms to ~/.debug */
	if (can_be_told()) {
		control_make(&control, theirs, told, sizeof told);
		argv[n++] = "-D";
		argv[n++] = "-1";
		argv[n++] = told;
		limited = true;
	}
	argv[n++] = "-c";
	argv[n++] = "1"; /* every event, none sampled */
	argv[n++] = "-k";
	argv[n++] = strcmp(o->clock, "mono") ? strcmp(o->clock, "boot") ? "CLOCK_MONOTONIC_RAW" : "CLOCK_BOOTTIME"
					     : "CLOCK_MONOTONIC";
	/* perf wants a power of two of pages */
	uint64_t pages = 1, page = (uint64_t)sysconf(_SC_PAGESIZE), want = tracefs_buffer_size(t, o) / page;
	while (pages * 2 <= want)
		pages *= 2;
	snprintf(mmap_pages, sizeof mmap_pages, "%llu", (unsigned long long)pages);
	argv[n++] = "-m";
	argv[n++] = mmap_pages;
	if (limited) {
		snprintf(size, sizeof size, "--max-size=%lluB", (unsigned long long)o->max_size);
		argv[n++] = size;
	}
	if (o->npids || o->ntids) {
		argv[n++] = o->npids ? "-p" : "-t";
		argv[n++] = joined(o->pids, o->npids, o->tids, o->ntids);
	} else {
		argv[n++] = "-a";
	}
	if (o->cpus) {
		argv[n++] = "-C";
		argv[n++] = (char *)o->cpus;
	}
	for (int i = 0; i < t->nevents; i++) {
		struct buf b = { 0 };
		buf_fmt(&b, "%s:%s", t->events[i].system, t->events[i].name);
		argv[n++] = "-e";
		argv[n++] = b.p;
	}
	argv[n++] = "-o";
	argv[n++] = own;
	argv[n] = NULL;
	pid_t pid = spawn(argv, true);
	if (pid < 0)
		die("no-perf", "install it (linux-perf, perf, linux-tools-common), or record without --backend perf", "perf cannot be run: %s",
			strerror(errno));
	atomic_store(&self.s->perf, (int)pid);
	for (int i = 0; i < 2; i++)
		if (theirs[i] >= 0)
			close(theirs[i]);
	uint64_t end = clock_ns(CLOCK_MONOTONIC) + BEGIN_WITHIN_NS;
	int status = 0;
	bool asked = false, low = false, begun = false, late = false;
	t->buffer_bytes = pages * page;
	for (;;) {
		struct pollfd wait[2] = { { .fd = signals, .events = POLLIN }, { .fd = begun ? -1 : control.told, .events = POLLIN } };
		bool child = false;
		uint64_t now = clock_ns(CLOCK_MONOTONIC), left = end > now ? (end - now) / 1000000 + 1 : 0;
		poll(wait, 2, left < 50 ? (int)left : 50);
		int stops = signals_take(signals, &child);
		beat(self.s);
		if (waitpid(pid, &status, WNOHANG) == pid)
			break;
		if (!begun && has_begun(&control)) {
			begun = true;
			end = o->duration_ns ? clock_ns(CLOCK_MONOTONIC) + o->duration_ns : UINT64_MAX;
			if (msg_has_json())
				report_start();
		}
		bool over = clock_ns(CLOCK_MONOTONIC) >= end;
		late |= over && !begun;
		/* Whoever started us is gone: nobody will end this recording. */
		bool gone = msg_json_gone();
		low |= disk_low(self.out_fd);
		if ((stops || gone || low || too_large(self.out_fd, o->max_size) || over) && !asked) {
			kill(pid, SIGINT); /* perf's way to finish its file */
			asked = true;
		}
	}
	atomic_store(&self.s->beat, 0);
	atomic_store(&self.s->phase, PHASE_FINISHED);
	atomic_store(&self.s->perf, 0); /* another process may have its number by now */
	struct stat st;
	if (fstat(self.out_fd, &st) || !st.st_size)
		die("perf", "its own message is above", "perf record failed and recorded nothing");
	watchdog_dismiss(&self.dog);
	if (!asked && !atomic_load(&self.s->held) && !(WIFEXITED(status) && !WEXITSTATUS(status))) {
		msg(MSG_ERROR, "perf", NULL, "perf record failed; its own message is above");
		return EXIT_FAILED;
	}
	if (late)
		die("perf", "record without --backend perf", "perf record did not begin within a minute");
	if (atomic_load(&self.s->held))
		msg(MSG_ERROR, "stalled", "what was written until then is in the file",
			"recording ended early: this program stood still for half a minute (SIGSTOP?), and its watchdog ended perf");
	else if (low)
		msg(MSG_ERROR, "disk-low", "what was written until then is in the file", "recording ended early: disk-low");
	else if (!msg_has_json())
		msg(MSG_INFO, "end", NULL, "%s: %.1f MB", o->output, (double)st.st_size / 1e6);
	return low || atomic_load(&self.s->held) ? EXIT_FAILED : EXIT_OK;
}
