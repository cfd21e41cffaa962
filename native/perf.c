/*
 * --backend perf: this host's own perf record with the same selection, for hosts where tracefs may not be written or
 * where a perf.data is wanted. perf needs no watchdog: its events end with its file descriptors, and it gets SIGTERM
 * when we die.
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
	unlink(self.o.output);
}

/* perf has a limit of its own since 5.5, which only a size that was asked for relies on. */
static bool too_large(int fd, uint64_t max_size)
{
	struct stat st;
	return !fstat(fd, &st) && (uint64_t)st.st_size >= max_size;
}

int run_perf(void)
{
	struct tracefs *t = &self.t;
	struct options *o = &self.o;
	int signals = signals_setup();
	bool limited = o->max_size != 0;
	char own[32], *argv[64 + 2 * KC_MAX_EVENTS], mmap_pages[32], size[48];
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
	fcntl(self.out_fd, F_SETFD, 0);
	snprintf(own, sizeof own, "/proc/self/fd/%d", self.out_fd);
	argv[n++] = "perf";
	argv[n++] = "record";
	argv[n++] = "-R";
	argv[n++] = "-c";
	argv[n++] = "1"; /* every event, none sampled */
	argv[n++] = "-k";
	argv[n++] = strcmp(o->clock, "mono") ? strcmp(o->clock, "boot") ? "CLOCK_MONOTONIC_RAW" : "CLOCK_BOOTTIME"
					     : "CLOCK_MONOTONIC";
	/* perf wants a power of two of pages */
	uint64_t pages = 1, page = (uint64_t)sysconf(_SC_PAGESIZE), want = (o->buffer_bytes ? o->buffer_bytes : 4 << 20) / page;
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
	uint64_t end = o->duration_ns ? clock_ns(CLOCK_MONOTONIC) + o->duration_ns : 0;
	int status = 0;
	bool asked = false, low = false;
	for (;;) {
		struct pollfd p = { .fd = signals, .events = POLLIN };
		bool child = false;
		poll(&p, 1, 50);
		int stops = signals_take(signals, &child);
		if (waitpid(pid, &status, WNOHANG) == pid)
			break;
		/* Whoever started us is gone: nobody will end this recording. */
		bool gone = msg_json_gone();
		low |= disk_low(self.out_fd);
		if ((stops || gone || low || too_large(self.out_fd, o->max_size) || (end && clock_ns(CLOCK_MONOTONIC) >= end)) && !asked) {
			kill(pid, SIGINT); /* perf's way to finish its file */
			asked = true;
		}
	}
	struct stat st;
	if (fstat(self.out_fd, &st) || !st.st_size)
		die("perf", "its own message is above", "perf record failed and recorded nothing");
	if (!asked && !(WIFEXITED(status) && !WEXITSTATUS(status))) {
		msg(MSG_ERROR, "perf", NULL, "perf record failed; its own message is above");
		return EXIT_FAILED;
	}
	if (low)
		msg(MSG_ERROR, "disk-low", "what was written until then is in the file", "recording ended early: disk-low");
	else if (!msg_has_json())
		msg(MSG_INFO, "end", NULL, "%s: %.1f MB", o->output, (double)st.st_size / 1e6);
	return low ? EXIT_FAILED : EXIT_OK;
}
