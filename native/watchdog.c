/*
 * The watchdog: a small process in a session of its own that waits for the recorder's death and cleans up after it.
 * Ctrl-C, a closed terminal, or a killed process group do not reach it; the OOM killer is asked to spare it.
 * If it dies itself, or is stopped (SIGSTOP), the recorder starts another. If both are killed at once, the dead-man switch
 * (free_buffer) has stopped tracing, and --cleanup and --recover do the rest.
 *
 * A recorder that is stopped itself, or waits for a disk with its main thread, keeps no time limit and answers no signal,
 * while every exit of every guest goes on paying for the events. So the watchdog looks now and then whether it is alive,
 * and otherwise switches them off, which the recorder notices when it goes on.
 *
 * It is forked from a process with threads in it, so it keeps to system calls, plus malloc(), which glibc and musl
 * make usable after fork().
 */
#include "capture.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Half a minute without a sign of life, as seen at least three times: all processes may have been frozen together. */
#ifndef KC_WATCH_MS
#define KC_WATCH_MS 10000
#endif
#define WATCH_TIMES 3

void close_all_but(const int *keep, int n)
{
	struct rlimit lim;
	int max = !getrlimit(RLIMIT_NOFILE, &lim) && lim.rlim_cur < 65536 ? (int)lim.rlim_cur : 65536, last = 2;
	for (int i = 0; i < n; i++)
		last = keep[i] > last ? keep[i] : last;
#ifdef SYS_close_range
	if (!syscall(SYS_close_range, (unsigned)last + 1, ~0u, 0))
		max = last;
#endif
	for (int fd = 3; fd < max; fd++) {
		bool kept = false;
		for (int i = 0; i < n; i++)
			kept |= keep[i] == fd;
		if (!kept)
			close(fd);
	}
}

/* Nothing of the recorder's: above all no trace files, which would keep the instance busy. */
static void close_others(const int *keep, int n)
{
	close_all_but(keep, n);
	int null = open("/dev/null", O_RDWR);
	for (int fd = 0; fd < 3; fd++) {
		bool kept = false;
		for (int i = 0; i < n; i++)
			kept |= keep[i] == fd;
		if (!kept && null >= 0)
			dup2(null, fd);
	}
	if (null > 2)
		close(null);
}

bool beat(struct shared *s)
{
	if (!atomic_fetch_add(&s->beat, 1))
		atomic_store(&s->beat, 1); /* 0 says something else */
	return atomic_load(&s->held);
}

/* Tracing and events, at once. */
static void switch_off(struct shared *s)
{
	char path[400];
	if (atomic_load(&s->perf)) {
		kill(atomic_load(&s->perf), SIGINT); /* perf's way to finish its file */
		return;
	}
	snprintf(path, sizeof path, "%s/tracing_on", s->instance);
	write_file_at(AT_FDCWD, path, "0");
	snprintf(path, sizeof path, "%s/events/enable", s->instance);
	write_file_at(AT_FDCWD, path, "0");
}

/*
 * Waits for the recorder's end. True: it died; false: it dismissed us.
 *
 * Two things tell of its death. End of file on the pipe says that all its files are closed, which has to wait until its
 * last thread is gone, and a thread that waits for a disk cannot be killed. The signal comes as soon as its main thread
 * ends, which waits for nothing. Other processes' signals do not count.
 */
static bool recorder_died(int pipe_fd, int signal_fd, pid_t parent, struct shared *s)
{
	uint32_t last = 0;
	int still = 0;
	struct pollfd wait[2] = { { .fd = pipe_fd, .events = POLLIN }, { .fd = signal_fd, .events = POLLIN } };
	while (getppid() == parent) {
		struct signalfd_siginfo si;
		char byte;
		int n = poll(wait, 2, KC_WATCH_MS);
		if (n < 0)
			continue;
		if (!n) {
			uint32_t beat = atomic_load(&s->beat);
			still = beat && beat == last ? still + 1 : 0;
			last = beat;
			if (still >= WATCH_TIMES && !atomic_exchange(&s->held, true))
				switch_off(s);
			continue;
		}
		if (wait[0].revents) {
			ssize_t n = read(pipe_fd, &byte, 1);
			if (n >= 0)
				return n == 0;
		}
		if (wait[1].revents && read(signal_fd, &si, sizeof si) == (ssize_t)sizeof si && (pid_t)si.ssi_pid == parent)
			return true;
	}
	return true;
}

/* Nothing that is open anywhere in the recorder, except in its keeper, which has no trace files. */
static void wait_for_its_files(int pipe_fd)
{
	char byte;
	while (read(pipe_fd, &byte, 1) < 0 && errno == EINTR)
		;
}

/* Children pass to somebody else when the last thread is gone: from then on nobody writes to the file. */
static void wait_for_its_threads(pid_t parent)
{
	while (getppid() == parent)
		poll(NULL, 0, 5);
}

/* What the dead recorder had still to do: make the file whole. The instance is already off. */
static void finish_file(struct shared *s, int out_fd, struct buf *options, const struct totals *sum)
{
	static const char start[] = "{\"kvmtrace\":{\"format\":1,\"phase\":\"end\",\"end\":\"killed\"";
	struct buf json = { 0 };
	/* where memory ran out, or a disk, it may come back in a moment */
	for (int tries = 0; !dat_write_table(out_fd, s) && tries < 100; tries++)
		poll(NULL, 0, 100);
	buf_str(&json, start);
	buf_fmt(&json, ",\"stats\":{\"events\":%llu,\"lost\":%llu,\"left\":%llu}}}", (unsigned long long)sum->events,
		(unsigned long long)sum->lost, (unsigned long long)sum->left);
	dat_option(options, OPT_PROCMAPS, json.p, json.len);
	dat_add_options(out_fd, s, options);
	dat_pack(out_fd, s, NULL);
	buf_free(&json);
}

/*
 * perf gets SIGTERM from the kernel when the recorder dies, but not one that has capabilities of its own (setcap). It finishes
 * its file then, which whoever waits for us wants to read.
 */
static void end_perf(pid_t perf)
{
	for (int waited = 0; waited < 60000 && !kill(perf, 0); waited += 20) {
		if (waited == 1000)
			kill(perf, SIGTERM);
		poll(NULL, 0, 20);
	}
}

static const char *watched; /* the dead recorder's instance */

/* Where memory ran out: all but the file. */
static void give_up(void)
{
	tracefs_remove(watched, 30000);
}

static _Noreturn void guard(int pipe_fd, struct shared *s, int out_fd, pid_t parent, bool first)
{
	sigset_t death;
	setsid();
	for (int sig = 1; sig < 32; sig++)
		if (sig != SIGKILL && sig != SIGSTOP && sig != SIGSEGV && sig != SIGBUS && sig != SIGUSR1)
			signal(sig, SIG_IGN);
	sigemptyset(&death);
	sigaddset(&death, SIGUSR1);
	sigprocmask(SIG_BLOCK, &death, NULL);
	prctl(PR_SET_PDEATHSIG, SIGUSR1);
	prctl(PR_SET_NAME, "kvmtrace-watch");
	close_others((int[]){ pipe_fd, out_fd, dat_place() }, 3);
	int signal_fd = signalfd(-1, &death, SFD_CLOEXEC);
	die_hook(NULL);
	msg_setup(-1, true);
	if (chdir("/")) {
		/* only so that no file system stays busy */
	}
	write_file_at(AT_FDCWD, "/proc/self/oom_score_adj", "-1000");
	/* It sleeps until it is needed. Then neither guests nor a lack of memory shall hold it up: real-time priority, or
	 * the next best; and the first watchdog, small as it is then, in memory for good. */
	setpriority(PRIO_PROCESS, 0, -20);
	set_scheduler(SCHED_FIFO, 1);
	mlockall(first ? MCL_CURRENT : MCL_CURRENT | MCL_ONFAULT);
	if (!recorder_died(pipe_fd, signal_fd, parent, s))
		_exit(0);
	if (atomic_load(&s->perf)) {
		end_perf(atomic_load(&s->perf));
		_exit(0);
	}
	int phase = atomic_load(&s->phase);
	watched = s->instance;
	die_hook(phase == PHASE_NOTHING || phase == PHASE_FINISHED ? NULL : give_up);
	struct totals sum = { 0 };
	struct buf options = { 0 };
	if (phase >= PHASE_INSTANCE && phase <= PHASE_FILE) {
		switch_off(s); /* before anything that takes time; tracefs_remove does it again */
		wait_for_its_files(pipe_fd);
		if (phase == PHASE_FILE)
			tracefs_stats(s->instance, s->ncpu, &sum, &options);
		tracefs_remove(s->instance, 30000);
	}
	/* the file can wait: moving gigabytes is nothing to disturb guests for */
	set_scheduler(SCHED_OTHER, 0);
	setpriority(PRIO_PROCESS, 0, 0);
	wait_for_its_threads(parent);
	if (phase <= PHASE_INSTANCE && out_fd >= 0)
		dat_remove(out_fd);
	if (phase == PHASE_FILE && out_fd >= 0)
		finish_file(s, out_fd, &options, &sum);
	if (phase == PHASE_FINISHED && out_fd >= 0 && s->table_off) /* a text file has no table */
		dat_pack(out_fd, s, NULL); /* it died while packing */
	_exit(0);
}

bool watchdog_start(struct watchdog *w, struct shared *s, int out_fd)
{
	int fds[2];
	if (pipe2(fds, O_CLOEXEC))
		return false;
	pid_t parent = getpid(), pid = fork();
	if (pid < 0) {
		int err = errno;
		close(fds[0]);
		close(fds[1]);
		errno = err;
		return false;
	}
	if (!pid) {
		close(fds[1]);
		guard(fds[0], s, out_fd, parent, w->restarts == 0);
	}
	close(fds[0]);
	w->pid = pid;
	w->pipe_fd = fds[1];
	return true;
}

/* True: it has ended. */
static bool wait_for_its_end(struct watchdog *w, int wait_ms)
{
	for (int waited = 0;; waited += 5) {
		pid_t pid = waitpid(w->pid, NULL, WNOHANG);
		if (pid == w->pid || (pid < 0 && errno != EINTR))
			return true;
		if (waited >= wait_ms)
			return false;
		poll(NULL, 0, 5);
	}
}

void watchdog_kill(struct watchdog *w)
{
	kill(w->pid, SIGKILL); /* first: the end of its pipe would tell it that we died */
	wait_for_its_end(w, 1000);
	close(w->pipe_fd);
	w->pid = 0;
}

/* It has nothing to do any more, and ends at once; but somebody may have stopped it, and a finished recording does not wait. */
void watchdog_dismiss(struct watchdog *w)
{
	char byte = 'q';
	if (w->pid <= 0)
		return;
	write_all(w->pipe_fd, &byte, 1);
	if (wait_for_its_end(w, 2000)) {
		close(w->pipe_fd);
		w->pid = 0;
		return;
	}
	int pid = (int)w->pid;
	watchdog_kill(w);
	msg(MSG_WARNING, "watchdog", NULL, "the watchdog (%d) did not end by itself, is it stopped? It was killed; there was nothing left to do", pid);
}
