/* Signals arrive by descriptor, never in a handler: the main loop alone decides what a stop means. */
#include "capture.h"
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static const int stops[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };

/*
 * Priority of the calling thread while a recording runs: little work, but soon. What waits for a reader is in a small
 * buffer, and a recorder that is killed is gone only when its last thread got a CPU to end on; until then tracing is on.
 * Refused without CAP_SYS_NICE; then so be it.
 */
static int usual_nice;

void priority_high(void)
{
	setpriority(PRIO_PROCESS, 0, -20);
}

void priority_usual(void)
{
	setpriority(PRIO_PROCESS, 0, usual_nice);
}

/*
 * For a reader of a small buffer, which overflows within milliseconds: fair scheduling since 6.6 lets a vCPU finish its
 * slice first, whatever our nice value. The lowest real-time priority, bounded by the kernel: after 50 ms without a pause
 * it signals the thread, which goes back to the usual class for good. Refused without CAP_SYS_NICE; then so be it.
 */
static struct rlimit rttime, rttime_before;
static bool rttime_set;
static _Atomic bool realtime_ended;

bool set_scheduler(int policy, int priority)
{
	struct sched_param param = { .sched_priority = priority };
	return !syscall(SYS_sched_setscheduler, 0, policy, &param);
}

static void ran_too_long(int sig)
{
	(void)sig;
	int err = errno;
	set_scheduler(SCHED_OTHER, 0);
	setrlimit(RLIMIT_RTTIME, &rttime); /* the kernel raises it by a second with every signal */
	atomic_store(&realtime_ended, true);
	errno = err;
}

void priority_realtime_allow(void)
{
	struct sigaction action = { .sa_handler = ran_too_long, .sa_flags = SA_RESTART };
	if (getrlimit(RLIMIT_RTTIME, &rttime_before))
		return;
	rttime = rttime_before;
	if (rttime.rlim_cur > 50000)
		rttime.rlim_cur = 50000; /* us */
	rttime_set = !sigaction(SIGXCPU, &action, NULL) && !setrlimit(RLIMIT_RTTIME, &rttime);
}

void priority_realtime(void)
{
	if (!rttime_set || !set_scheduler(SCHED_RR | SCHED_RESET_ON_FORK, 1))
		atomic_store(&realtime_ended, true);
}

bool priority_is_realtime(void)
{
	return !atomic_load_explicit(&realtime_ended, memory_order_relaxed);
}

static struct rlimit files_before;
static bool files_set;

void files_many(void)
{
	struct rlimit files;
	if (getrlimit(RLIMIT_NOFILE, &files_before) || files_before.rlim_cur >= files_before.rlim_max)
		return;
	files = files_before;
	files.rlim_cur = files.rlim_max;
	files_set = !setrlimit(RLIMIT_NOFILE, &files);
}

int signals_setup(void)
{
	sigset_t set, set_free;
	struct sigaction hangup;
	/* Under nohup a closed terminal is nothing to us. (A signal that is blocked is kept for us even if it is ignored.) */
	bool nohup = !sigaction(SIGHUP, NULL, &hangup) && hangup.sa_handler == SIG_IGN;
	sigemptyset(&set);
	for (size_t i = 0; i < sizeof stops / sizeof *stops; i++)
		if (stops[i] != SIGHUP || !nohup)
			sigaddset(&set, stops[i]);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	/* Whoever started us may have ignored or blocked these, which exec hands on: ends of children would not be told, and a
	 * reader that runs too long (priority_realtime) would never hear of it. */
	signal(SIGCHLD, SIG_DFL);
	sigemptyset(&set_free);
	sigaddset(&set_free, SIGXCPU);
	sigprocmask(SIG_UNBLOCK, &set_free, NULL);
	signal(SIGPIPE, SIG_IGN); /* closed pipes are return values */
	signal(SIGXFSZ, SIG_IGN); /* the file-size limit is EFBIG */
	/* Ctrl-Z, or a word to the terminal from the background: a recorder that is stopped leaves the events on. */
	signal(SIGTSTP, SIG_IGN);
	signal(SIGTTIN, SIG_IGN);
	signal(SIGTTOU, SIG_IGN);
	usual_nice = getpriority(PRIO_PROCESS, 0);
	int fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (fd < 0)
		die("signalfd", NULL, "signalfd: %s", strerror(errno));
	return fd;
}

void signals_default(void)
{
	sigset_t none;
	sigemptyset(&none);
	if (rttime_set)
		setrlimit(RLIMIT_RTTIME, &rttime_before);
	if (files_set) /* programs that know select() alone rely on their soft limit */
		setrlimit(RLIMIT_NOFILE, &files_before);
	signal(SIGXCPU, SIG_DFL);
	signal(SIGPIPE, SIG_DFL);
	signal(SIGXFSZ, SIG_DFL);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

int signals_take(int fd, bool *child)
{
	struct signalfd_siginfo si;
	int n = 0;
	while (read(fd, &si, sizeof si) == (ssize_t)sizeof si) {
		if (si.ssi_signo == SIGCHLD)
			*child = true;
		else
			n++;
	}
	return n;
}

/*
 * Starts a command, which gets SIGTERM when we die if dies_with_us. Its descriptors: 0 to 2, ours are all close-on-exec;
 * so is the pipe that tells us when it could not be started: then -1 and errno.
 */
pid_t spawn(char *const argv[], bool dies_with_us)
{
	int failed[2], err = 0;
	if (pipe2(failed, O_CLOEXEC))
		die("fork", NULL, "pipe: %s", strerror(errno));
	pid_t parent = getpid(), pid = fork();
	if (pid < 0)
		die("fork", NULL, "fork: %s", strerror(errno));
	if (pid) {
		close(failed[1]);
		ssize_t n;
		do
			n = read(failed[0], &err, sizeof err);
		while (n < 0 && errno == EINTR);
		close(failed[0]);
		if (n != (ssize_t)sizeof err)
			return pid;
		waitpid(pid, NULL, 0);
		errno = err;
		return -1;
	}
	if (dies_with_us) {
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		if (getppid() != parent) /* it died before the line above */
			_exit(127);
	}
	signals_default();
	priority_usual();
	execvp(argv[0], argv);
	err = errno;
	if (write(failed[1], &err, sizeof err) < 0) {
		/* nobody is there to be told */
	}
	_exit(127);
}
