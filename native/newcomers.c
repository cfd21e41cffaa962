/*
 * Threads that begin while a recording runs. Threads are numbered upwards, and /proc/loadavg tells the last number: as long
 * as it stays, nothing is looked at.
 */
#include "processes.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NEW_PER_LOOK 200 /* processes looked at per second at most: a fork storm must not keep us busy */
#define ROUNDS 1         /* a new process is looked at again a second later: it renames itself a bit later */

static struct { int pid, rounds, comm; } recent[NEW_PER_LOOK]; /* comm: its open file; -1: look at all its threads */
static int nrecent;
static int newest; /* thread number up to which we have looked; 0: not known */

/* The number of the thread made last on this host; 0 if it cannot be had. *fd stays open for the next time. */
static int newest_thread(int *fd)
{
	char text[128];
	if (!in_first_pid_namespace()) /* in another one it counts differently from what /proc may show */
		return 0;
	if (*fd < 0)
		*fd = open("/proc/loadavg", O_RDONLY | O_CLOEXEC);
	ssize_t got = *fd < 0 ? -1 : pread(*fd, text, sizeof text - 1, 0);
	if (got <= 0)
		return 0;
	text[got] = 0;
	char *last = strrchr(text, ' ');
	return last ? atoi(last + 1) : 0;
}

/* Threads of ours that live while a recording runs say so themselves: asking /proc for them would cost more. */
static _Atomic int own[256];
static _Atomic int nown;

void processes_own_thread(void)
{
	int i = atomic_fetch_add(&nown, 1);
	if (i < (int)(sizeof own / sizeof *own))
		atomic_store(&own[i], (int)syscall(SYS_gettid));
}

static bool is_own(int tid)
{
	for (int i = 0, n = atomic_load(&nown); i < n && i < (int)(sizeof own / sizeof *own); i++)
		if (atomic_load(&own[i]) == tid)
			return true;
	return false;
}

/*
 * The thread group of a new thread; 0 if it is gone. Printing a thread's status is by far the most expensive thing that we
 * do here, so we ask otherwise whether it is its own group (since 5.3), as most are, or one of ours.
 */
static int group_of(int tid)
{
	char path[64], text[1024];
#ifdef SYS_pidfd_open
	int fd = (int)syscall(SYS_pidfd_open, tid, 0);
	if (fd >= 0) {
		close(fd);
		return tid;
	}
	if (errno == ESRCH)
		return 0;
#endif
	snprintf(path, sizeof path, "/proc/self/task/%d", tid);
	if (!access(path, F_OK))
		return getpid();
	snprintf(path, sizeof path, "/proc/%d/status", tid);
	char *tgid = read_small(path, text, sizeof text) ? strstr(text, "\nTgid:") : NULL;
	return tgid ? atoi(tgid + 6) : 0;
}

void newcomers_begin(void)
{
	int fd = -1;
	newest = newest_thread(&fd);
	if (fd >= 0)
		close(fd);
}

bool is_recent(int pid)
{
	for (int i = 0; i < nrecent; i++)
		if (recent[i].pid == pid)
			return true;
	return false;
}

static void note_recent(int pid, int rounds)
{
	if (nrecent < NEW_PER_LOOK && !is_recent(pid)) {
		recent[nrecent].pid = pid;
		recent[nrecent].comm = -1;
		recent[nrecent++].rounds = rounds;
	}
}

static void new_process(int pid)
{
	scan_process(pid);
	note_recent(pid, ROUNDS);
}

/* The same, of one thread: its name's file stays open until it is read again. */
static void new_single(int pid)
{
	int fd = open_comm(pid, pid);
	if (fd < 0)
		return;
	read_comm(fd, pid, pid);
	note_recent(pid, ROUNDS);
	if (nrecent && recent[nrecent - 1].pid == pid && recent[nrecent - 1].comm < 0)
		recent[nrecent - 1].comm = fd;
	else
		close(fd);
}

/* All of /proc, for what is not known. False if there was more than is looked at in one go. */
static bool find_new_processes(void)
{
	DIR *d = opendir("/proc");
	if (!d)
		return true;
	for (struct dirent *e; nrecent < NEW_PER_LOOK && (e = readdir(d));) {
		int pid = number(e->d_name);
		if (pid && !known(pid))
			new_process(pid);
	}
	closedir(d);
	return nrecent < NEW_PER_LOOK;
}

void processes_look_again(void)
{
	int keep = 0;
	for (int i = 0; i < nrecent; i++) {
		if (recent[i].rounds-- <= 0)
			continue;
		if (recent[i].comm < 0) {
			scan_process(recent[i].pid);
		} else { /* threads that it made since have numbers of their own, looked at below */
			read_comm(recent[i].comm, recent[i].pid, recent[i].pid);
			close(recent[i].comm);
			recent[i].comm = -1;
		}
		recent[keep++] = recent[i];
	}
	nrecent = keep;
	static int loadavg = -1; /* of the keeper, whose table of files nobody shares */
	int from = newest, to = newest_thread(&loadavg);
	newest = to;
	if (!from || to < from || to - from > NEW_PER_LOOK) { /* unknown, or the numbers began anew, or many */
		if (!find_new_processes())
			newest = 0;
	} else {
		int self_pid = getpid();
		for (int tid = from + 1; tid <= to; tid++) {
			if (is_own(tid)) {
				put_thread(tid, self_pid, "kvmtrace-captur"); /* as the kernel cuts it */
				continue;
			}
			if (known(tid) || (kill(tid, 0) && errno == ESRCH)) /* most new threads are gone by now */
				continue;
			if (single_threaded(tid)) {
				new_single(tid);
				continue;
			}
			int group = group_of(tid);
			if (group == self_pid) { /* not in the list above, which is full */
				scan_thread(group, tid);
			} else if (group == tid) {
				new_process(tid);
			} else if (group) { /* of a process that we know */
				scan_thread(group, tid);
				note_recent(group, 0);
			}
		}
	}
	if (nrecent) {
		vms_scan_debugfs(true);
		vms_scan_names(true);
	}
}
