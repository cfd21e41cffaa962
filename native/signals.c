/* Signals arrive by descriptor, never in a handler: the main loop alone decides what a stop means. */
#include "capture.h"
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
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

int signals_setup(void)
{
	sigset_t set;
	sigemptyset(&set);
	for (size_t i = 0; i < sizeof stops / sizeof *stops; i++)
		sigaddset(&set, stops[i]);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN); /* closed pipes are return values */
	signal(SIGXFSZ, SIG_IGN); /* the file-size limit is EFBIG */
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

/* Starts a command, which gets SIGTERM when we die if dies_with_us. Its descriptors: 0 to 2, ours are all close-on-exec. */
pid_t spawn(char *const argv[], bool dies_with_us)
{
	pid_t parent = getpid(), pid = fork();
	if (pid < 0)
		die("fork", NULL, "fork: %s", strerror(errno));
	if (pid)
		return pid;
	if (dies_with_us) {
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		if (getppid() != parent) /* it died before the line above */
			_exit(127);
	}
	signals_default();
	priority_usual();
	execvp(argv[0], argv);
	int err = errno;
	dprintf(2, "kvmtrace-capture: %s: %s\n", argv[0], strerror(err));
	_exit(127);
}
