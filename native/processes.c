/*
 * Who is who: names and thread groups of all threads. (vms.c: which of them are vCPUs.)
 *
 * The kernel's own table (saved.c) keeps 128 or more names and belongs to everybody; /proc is complete for what lives.
 * So: all of it at the start and at the end, and once a second in between only the threads that are new (newcomers.c).
 */
#include "processes.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_THREADS 262144 /* 6 MB */

struct thread *threads; /* sorted by tid */
int nthreads;
static int cap_threads;
static bool threads_full;

int thread_index(int tid)
{
	int lo = 0, hi = nthreads;
	while (lo < hi) {
		int mid = (lo + hi) / 2;
		if (threads[mid].tid < tid)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

bool known(int tid)
{
	int i = thread_index(tid);
	return i < nthreads && threads[i].tid == tid;
}

bool grow(void **p, int *cap, int n, size_t size, int max)
{
	if (n < *cap)
		return true;
	int want = *cap ? *cap * 2 : 1024;
	void *q = n >= max ? NULL : realloc(*p, (size_t)want * size);
	if (!q)
		return false;
	*p = q;
	*cap = want;
	return true;
}

bool first_scan;

void put_thread(int tid, int tgid, const char *comm)
{
	int i = first_scan ? nthreads : thread_index(tid); /* the first scan sorts afterwards */
	if (i == nthreads || threads[i].tid != tid) {
		if (!grow((void **)&threads, &cap_threads, nthreads, sizeof *threads, MAX_THREADS)) {
			threads_full = true;
			return;
		}
		if (i < nthreads)
			memmove(threads + i + 1, threads + i, (size_t)(nthreads - i) * sizeof *threads);
		nthreads++;
		threads[i] = (struct thread){ .tid = tid, .is_new = !first_scan };
	}
	if (tgid)
		threads[i].tgid = tgid;
	snprintf(threads[i].comm, sizeof threads[i].comm, "%s", comm);
	/* Readers split lines at newlines and give up at a line without a name. */
	bool blank = true;
	for (char *c = threads[i].comm; *c; c++) {
		if (*c == '\n' || *c == '\r')
			*c = '?';
		blank &= *c == ' ' || *c == '\t' || *c == '\v' || *c == '\f';
	}
	if (blank)
		strcpy(threads[i].comm, "<...>");
}

int number(const char *s)
{
	char *end;
	long n = strtol(s, &end, 10);
	return s[0] < '1' || s[0] > '9' || *end || n > 0x7fffffff ? 0 : (int)n;
}

/* Files of processes vanish at any time: whatever cannot be read is left out. */
bool read_small(const char *path, char *out, size_t n)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	ssize_t got = read(fd, out, n - 1);
	close(fd);
	if (got < 0)
		return false;
	out[got] = 0;
	return true;
}

int open_comm(int pid, int tid)
{
	char path[64];
	if (pid == tid) /* the shorter way: two directories less for the kernel to make up */
		snprintf(path, sizeof path, "/proc/%d/comm", pid);
	else
		snprintf(path, sizeof path, "/proc/%d/task/%d/comm", pid, tid);
	return open(path, O_RDONLY | O_CLOEXEC);
}

void read_comm(int fd, int pid, int tid)
{
	char comm[32];
	ssize_t n = pread(fd, comm, sizeof comm - 1, 0);
	if (n < 0)
		return;
	comm[n] = 0;
	if (n && comm[n - 1] == '\n')
		comm[n - 1] = 0;
	put_thread(tid, pid, comm);
}

void scan_thread(int pid, int tid)
{
	int fd = open_comm(pid, tid);
	if (fd < 0)
		return;
	read_comm(fd, pid, tid);
	close(fd);
}

bool single_threaded(int pid)
{
	char path[64];
	struct stat st;
	snprintf(path, sizeof path, "/proc/%d/task", pid);
	return !stat(path, &st) && st.st_nlink == 3; /* two and one per thread */
}

void scan_process(int pid)
{
	char path[64];
	if (single_threaded(pid)) { /* most are */
		scan_thread(pid, pid);
		return;
	}
	snprintf(path, sizeof path, "/proc/%d/task", pid);
	DIR *d = opendir(path);
	if (!d)
		return;
	for (struct dirent *e; (e = readdir(d));) {
		int tid = number(e->d_name);
		if (tid)
			scan_thread(pid, tid);
	}
	closedir(d);
}

static void scan_all(void)
{
	DIR *d = opendir("/proc");
	if (!d)
		return;
	for (struct dirent *e; (e = readdir(d));) {
		int pid = number(e->d_name);
		if (pid)
			scan_process(pid);
	}
	closedir(d);
}

static int tid_order(const void *a, const void *b)
{
	const struct thread *x = a, *y = b;
	return x->tid < y->tid ? -1 : x->tid > y->tid;
}

void processes_first_scan(int tracefs_root)
{
	saved_names_first(tracefs_root);
	first_scan = true;
	newcomers_begin();
	scan_all();
	if (nthreads)
		qsort(threads, (size_t)nthreads, sizeof *threads, tid_order);
	int keep = 0; /* a tid may be met twice if its thread moved on while /proc was read */
	for (int i = 0; i < nthreads; i++)
		if (!keep || threads[keep - 1].tid != threads[i].tid)
			threads[keep++] = threads[i];
	nthreads = keep;
	vms_scan_debugfs(false);
	vms_scan_names(false);
	first_scan = false;
}

/* What lived so briefly that only the kernel noticed. */
static void brief_thread(int tid, const char *comm)
{
	if (!known(tid))
		put_thread(tid, 0, comm);
}

void processes_last_scan(int tracefs_root)
{
	scan_all();
	vms_scan_debugfs(false);
	vms_scan_names(false);
	saved_names_new(tracefs_root, brief_thread);
	if (threads_full)
		msg(MSG_WARNING, "many-threads", NULL, "only the first %d threads were named", MAX_THREADS);
}

void processes_cmdlines(struct buf *b, bool only_new)
{
	for (int i = 0; i < nthreads; i++)
		if (!only_new || threads[i].is_new)
			buf_fmt(b, "%d %s\n", threads[i].tid, threads[i].comm);
}

static int group_order(const void *a, const void *b)
{
	const struct thread *x = *(struct thread *const *)a, *y = *(struct thread *const *)b;
	if (x->tgid != y->tgid)
		return x->tgid < y->tgid ? -1 : 1;
	return x->tid < y->tid ? -1 : x->tid > y->tid;
}

void processes_json(struct buf *b)
{
	vms_json(b);
	/* only groups of several threads: a thread that is not listed is its own group */
	buf_str(b, ",\"threads\":{");
	struct thread **order = calloc((size_t)nthreads + 1, sizeof *order);
	int n = 0;
	for (int i = 0; order && i < nthreads; i++)
		if (threads[i].tgid && threads[i].tgid != threads[i].tid)
			order[n++] = threads + i;
	if (n)
		qsort(order, (size_t)n, sizeof *order, group_order);
	for (int i = 0; i < n;) {
		int tgid = order[i]->tgid;
		buf_fmt(b, "%s\"%d\":[", i ? "," : "", tgid);
		for (bool first = true; i < n && order[i]->tgid == tgid; i++, first = false)
			buf_fmt(b, "%s%d", first ? "" : ",", order[i]->tid);
		buf_str(b, "]");
	}
	free(order);
	buf_str(b, "}");
}

void processes_expand_pids(const struct options *o, struct buf *tids)
{
	for (int i = 0; i < o->npids; i++) {
		char path[64];
		snprintf(path, sizeof path, "/proc/%d/task", o->pids[i]);
		DIR *d = opendir(path);
		if (!d)
			die("no-process", "look it up with: pgrep -a qemu", "-p %d: there is no such process", o->pids[i]);
		for (struct dirent *e; (e = readdir(d));)
			if (number(e->d_name))
				buf_fmt(tids, "%d ", number(e->d_name));
		closedir(d);
	}
	for (int i = 0; i < o->ntids; i++) {
		char path[64];
		snprintf(path, sizeof path, "/proc/%d", o->tids[i]);
		if (access(path, F_OK))
			die("no-process", "list a process's threads with: ls /proc/PID/task", "-t %d: there is no such thread", o->tids[i]);
	}
}

void processes_cpu_model(struct buf *b)
{
	static const char *const keys[] = { "vendor_id", "model name", "CPU implementer", "CPU part", "isa", "cpu" };
	struct buf text = { 0 };
	bool first = true;
	buf_str(b, "\"cpu\":{");
	if (!read_file_at(AT_FDCWD, "/proc/cpuinfo", &text)) {
		char *end = strstr(text.p, "\n\n"), *save = NULL;
		if (end)
			*end = 0; /* the first CPU stands for all */
		for (char *line = strtok_r(text.p, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
			for (size_t k = 0; k < sizeof keys / sizeof *keys; k++) {
				size_t n = strlen(keys[k]);
				char *colon = strchr(line, ':');
				if (strncmp(line, keys[k], n) || !colon || strspn(line + n, " \t") != (size_t)(colon - line) - n)
					continue;
				buf_str(b, first ? "" : ",");
				buf_json(b, keys[k]);
				buf_str(b, ":");
				buf_json(b, colon + 1 + strspn(colon + 1, " "));
				first = false;
			}
	}
	buf_free(&text);
	buf_str(b, "}");
}

bool in_first_pid_namespace(void)
{
	/* PROC_PID_INIT_INO of the kernel's proc_ns.h: a fixed number */
	static int yes = -1; /* a process stays where it is */
	struct stat st;
	if (yes < 0)
		yes = stat("/proc/self/ns/pid", &st) || st.st_ino == 0xEFFFFFFCu;
	return yes;
}
