/*
 * Kills recorders with SIGKILL and measures how long what they leave is there.
 *   kill-times HELPER COUNT FOLDER [PID]     PID: 0 everything is recorded, else this process only
 * Prints one line each: ms until tracing was off, until the events were off, until the instance was gone, until the
 * watchdog had finished the file and ended. Looks every half millisecond, with real-time priority where allowed: on a
 * busy machine a plain script would measure its own waiting.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* Ended processes stay visible until whoever inherits them asks for their status. */
static bool ended(int pid)
{
	char path[64], stat[256];
	snprintf(path, sizeof path, "/proc/%d/stat", pid);
	int fd = open(path, O_RDONLY);
	ssize_t n = fd < 0 ? 0 : read(fd, stat, sizeof stat - 1);
	if (fd >= 0)
		close(fd);
	stat[n > 0 ? n : 0] = 0;
	char *state = strrchr(stat, ')');
	return !state || state[2] == 'Z' || state[2] == 'X';
}

/* Whether the file begins with 1 */
static bool on(const char *instance, const char *name)
{
	char path[400], c = '0';
	snprintf(path, sizeof path, "%s/%s", instance, name);
	int fd = open(path, O_RDONLY);
	if (fd < 0)
		return false;
	if (read(fd, &c, 1) != 1)
		c = '0';
	close(fd);
	return c == '1';
}

static void once(const char *helper, const char *folder, const char *only)
{
	char file[400], line[4096], instance[300] = "";
	int p[2], watchdog = 0;
	snprintf(file, sizeof file, "%s/killed-once.dat", folder);
	unlink(file);
	if (pipe2(p, O_CLOEXEC))
		exit(1);
	pid_t pid = fork();
	if (!pid) {
		struct sched_param zero = { 0 };
		sched_setscheduler(0, SCHED_OTHER, &zero);
		if (dup2(p[1], 9) != 9)
			_exit(127);
		execl(helper, helper, "-q", "-o", file, "--status-json=9", only ? "-p" : NULL, only, NULL);
		_exit(127);
	}
	close(p[1]);
	FILE *f = fdopen(p[0], "r");
	while (fgets(line, sizeof line, f)) {
		char *w = strstr(line, "\"watchdog\":"), *i = strstr(line, "\"instance\":\"");
		if (!strstr(line, "\"start\"") || !w || !i)
			continue;
		watchdog = atoi(w + 11);
		snprintf(instance, sizeof instance, "%.*s", (int)strcspn(i + 12, "\""), i + 12);
		break;
	}
	if (!watchdog) {
		fprintf(stderr, "the recorder did not start\n");
		exit(1);
	}
	usleep(30000 + (unsigned)rand() % 100000);
	double start = now(), off = -1, events = -1, gone = -1, end = -1;
	kill(pid, SIGKILL);
	while (end < 0 && now() - start < 10000) {
		if (off < 0 && !on(instance, "tracing_on"))
			off = now() - start;
		if (events < 0 && !on(instance, "events/kvm/kvm_userspace_exit/enable"))
			events = now() - start;
		if (gone < 0 && access(instance, F_OK))
			gone = now() - start;
		if (gone >= 0 && ended(watchdog))
			end = now() - start;
		usleep(500);
	}
	waitpid(pid, NULL, 0);
	fclose(f);
	printf("%.1f %.1f %.1f %.1f\n", off, events, gone, end);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	struct sched_param high = { .sched_priority = 50 };
	if (argc < 4)
		return 2;
	sched_setscheduler(0, SCHED_FIFO, &high);
	for (int i = 0; i < atoi(argv[2]); i++)
		once(argv[1], argv[3], argc > 4 && strcmp(argv[4], "0") ? argv[4] : NULL);
	return 0;
}
