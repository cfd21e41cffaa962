/*
 * --backend perf: this host's own perf record with the same selection, for hosts where tracefs may not be written or
 * where a perf.data is wanted. perf needs no watchdog: its events end with its file descriptors, and it gets SIGTERM
 * when we die.
 */
#include "capture.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
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

int run_perf(struct tracefs *t, const struct options *o)
{
	int signals = signals_setup();
	char *argv[64 + 2 * KC_MAX_EVENTS], mmap_pages[32], size[48];
	int n = 0;
	if (o->npids && o->ntids)
		die("usage", NULL, "--backend perf takes -p or -t, not both");
	/* perf follows symbolic links and renames an existing file; an empty file of ours it just fills. */
	close(dat_create(o->output));
	argv[n++] = "perf";
	argv[n++] = "record";
	argv[n++] = "-R";
	argv[n++] = "-c";
	argv[n++] = "1"; /* every event, none sampled */
	argv[n++] = "-k";
	argv[n++] = strcmp(o->clock, "mono") ? strcmp(o->clock, "boot") ? "CLOCK_MONOTONIC_RAW" : "CLOCK_BOOTTIME"
					     : "CLOCK_MONOTONIC";
	if (strcmp(o->clock, "mono") && strcmp(o->clock, "boot") && strcmp(o->clock, "mono_raw"))
		die("usage", "use mono, boot or mono_raw", "perf has no clock %s", o->clock);
	/* perf wants a power of two of pages */
	uint64_t pages = 1, page = (uint64_t)sysconf(_SC_PAGESIZE), want = (o->buffer_bytes ? o->buffer_bytes : 4 << 20) / page;
	while (pages * 2 <= want)
		pages *= 2;
	snprintf(mmap_pages, sizeof mmap_pages, "%llu", (unsigned long long)pages);
	argv[n++] = "-m";
	argv[n++] = mmap_pages;
	if (o->max_size) {
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
	argv[n++] = (char *)o->output;
	argv[n] = NULL;
	pid_t pid = spawn(argv, true);
	if (pid < 0) {
		unlink(o->output);
		die("no-perf", "install it (linux-perf, perf, linux-tools-common), or record without --backend perf", "perf cannot be run: %s",
			strerror(errno));
	}
	uint64_t end = o->duration_ns ? clock_ns(CLOCK_MONOTONIC) + o->duration_ns : 0;
	int status = 0;
	bool asked = false;
	for (;;) {
		struct pollfd p = { .fd = signals, .events = POLLIN };
		bool child = false;
		poll(&p, 1, 50);
		int stops = signals_take(signals, &child);
		if (waitpid(pid, &status, WNOHANG) == pid)
			break;
		/* Whoever started us is gone: nobody will end this recording. */
		bool gone = msg_json_gone();
		if ((stops || gone || (end && clock_ns(CLOCK_MONOTONIC) >= end)) && !asked) {
			kill(pid, SIGINT); /* perf's way to finish its file */
			asked = true;
		}
	}
	if (!asked && !(WIFEXITED(status) && !WEXITSTATUS(status))) {
		msg(MSG_ERROR, "perf", NULL, "perf record failed; its own message is above");
		return EXIT_FAILED;
	}
	return EXIT_OK;
}
