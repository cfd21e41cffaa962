/*
 * The watchdog: a small process in a session of its own that waits for the recorder's death and cleans up after it.
 * Ctrl-C, a closed terminal, or a killed process group do not reach it; the OOM killer is asked to spare it.
 * If it dies itself, the recorder starts another. If both are killed at once, the dead-man switch (free_buffer) has
 * stopped tracing, and --cleanup and --recover do the rest.
 *
 * It is forked from a process with threads in it, so it keeps to system calls, plus malloc(), which glibc and musl
 * make usable after fork().
 */
#include "capture.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Closes everything but the two descriptors: above all trace files, which would keep the instance busy. */
static void close_others(int keep_a, int keep_b)
{
	int low = keep_a < keep_b ? keep_a : keep_b, high = keep_a < keep_b ? keep_b : keep_a;
	struct rlimit lim;
	int max = !getrlimit(RLIMIT_NOFILE, &lim) && lim.rlim_cur < 65536 ? (int)lim.rlim_cur : 65536;
#ifdef SYS_close_range
	if (!syscall(SYS_close_range, (unsigned)high + 1, ~0u, 0))
		max = high;
#endif
	for (int fd = 3; fd < max; fd++)
		if (fd != low && fd != high)
			close(fd);
	int null = open("/dev/null", O_RDWR);
	for (int fd = 0; fd < 3; fd++)
		if (fd != keep_a && fd != keep_b && null >= 0)
			dup2(null, fd);
	if (null > 2)
		close(null);
}

/* What the dead recorder had still to do: make the file whole. The instance is already off. */
static void finish_file(struct shared *s, int out_fd, struct buf *options, const struct totals *sum)
{
	static const char start[] = "{\"kvmtrace\":{\"format\":1,\"phase\":\"end\",\"end\":\"killed\"";
	struct buf json = { 0 };
	dat_write_table(out_fd, s);
	buf_str(&json, start);
	buf_fmt(&json, ",\"stats\":{\"events\":%llu,\"lost\":%llu,\"left\":%llu}}}", (unsigned long long)sum->events,
		(unsigned long long)sum->lost, (unsigned long long)sum->left);
	dat_option(options, OPT_PROCMAPS, json.p, json.len);
	dat_add_options(out_fd, s, options);
	dat_pack(out_fd, s, NULL);
	buf_free(&json);
}

static _Noreturn void guard(int pipe_fd, struct shared *s, int out_fd)
{
	char byte;
	setsid();
	for (int sig = 1; sig < 32; sig++)
		if (sig != SIGKILL && sig != SIGSTOP && sig != SIGSEGV && sig != SIGBUS)
			signal(sig, SIG_IGN);
	prctl(PR_SET_NAME, "kvmtrace-watch");
	close_others(pipe_fd, out_fd);
	die_hook(NULL);
	msg_setup(-1, true);
	if (chdir("/")) {
		/* only so that no file system stays busy */
	}
	write_file_at(AT_FDCWD, "/proc/self/oom_score_adj", "-1000");
	setpriority(PRIO_PROCESS, 0, -20); /* it sleeps until it is needed; then the guests should not hold it up */
	ssize_t n;
	do
		n = read(pipe_fd, &byte, 1);
	while (n < 0 && errno == EINTR);
	if (n == 1)
		_exit(0); /* dismissed */
	int phase = atomic_load(&s->phase);
	struct totals sum = { 0 };
	struct buf options = { 0 };
	if (phase == PHASE_INSTANCE || phase == PHASE_FILE) {
		char path[400];
		/* At once, before anything that takes time; tracefs_remove does it again. */
		snprintf(path, sizeof path, "%s/tracing_on", s->instance);
		write_file_at(AT_FDCWD, path, "0");
		snprintf(path, sizeof path, "%s/events/enable", s->instance);
		write_file_at(AT_FDCWD, path, "0");
		if (phase == PHASE_FILE)
			tracefs_stats(s->instance, s->ncpu, &sum, &options);
		tracefs_remove(s->instance, 30000);
	}
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
	pid_t pid = fork();
	if (pid < 0) {
		int err = errno;
		close(fds[0]);
		close(fds[1]);
		errno = err;
		return false;
	}
	if (!pid) {
		close(fds[1]);
		guard(fds[0], s, out_fd);
	}
	close(fds[0]);
	w->pid = pid;
	w->pipe_fd = fds[1];
	return true;
}

void watchdog_dismiss(struct watchdog *w)
{
	char byte = 'q';
	if (w->pid <= 0)
		return;
	write_all(w->pipe_fd, &byte, 1);
	close(w->pipe_fd);
	while (waitpid(w->pid, NULL, 0) < 0 && errno == EINTR)
		;
	w->pid = 0;
}
