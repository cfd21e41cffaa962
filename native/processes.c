/*
 * Who is who: names and thread groups of all threads, and which thread is which vCPU of which VM.
 *
 * The kernel's own table (saved_cmdlines) keeps 128 names and belongs to everybody; /proc is complete for what lives.
 * So: all of it at the start and at the end, and once a second in between only the processes that are new.
 */
#include "capture.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_THREADS 262144 /* 6 MB */
#define MAX_VMS 4096
#define MAX_VCPUS 65536
#define NEW_PER_LOOK 200 /* processes looked at per second at most: a fork storm must not keep us busy */
#define ROUNDS 3         /* a new process is looked at again: it renames itself and starts its threads a bit later */

struct thread {
	int tid, tgid;
	bool is_new; /* not in the table written at the start */
	char comm[16];
};
static struct thread *threads; /* sorted by tid */
static int nthreads, cap_threads;
static bool threads_full;

struct vcpu {
	int pid, tid, index;
	bool is_new;
};
static struct vcpu *vcpus;
static int nvcpus, cap_vcpus;

static struct { int pid, rounds; } recent[NEW_PER_LOOK];
static int nrecent;

static int thread_index(int tid)
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

static bool known(int tid)
{
	int i = thread_index(tid);
	return i < nthreads && threads[i].tid == tid;
}

static bool grow(void **p, int *cap, int n, size_t size, int max)
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

static bool first_scan;

static void put_thread(int tid, int tgid, const char *comm)
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

static int number(const char *s)
{
	char *end;
	long n = strtol(s, &end, 10);
	return s[0] < '1' || s[0] > '9' || *end || n > 0x7fffffff ? 0 : (int)n;
}

/* Files of processes vanish at any time: whatever cannot be read is left out. */
static bool read_small(const char *path, char *out, size_t n)
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

static void scan_process(int pid)
{
	char path[64], comm[32];
	snprintf(path, sizeof path, "/proc/%d/task", pid);
	DIR *d = opendir(path);
	if (!d)
		return;
	for (struct dirent *e; (e = readdir(d));) {
		int tid = number(e->d_name);
		if (!tid)
			continue;
		snprintf(path, sizeof path, "/proc/%d/task/%d/comm", pid, tid);
		if (!read_small(path, comm, sizeof comm))
			continue;
		size_t n = strlen(comm);
		if (n && comm[n - 1] == '\n')
			comm[n - 1] = 0;
		put_thread(tid, pid, comm);
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

static void put_vcpu(int pid, int tid, int index)
{
	for (int i = 0; i < nvcpus; i++)
		if (vcpus[i].tid == tid) {
			if (vcpus[i].pid != pid || vcpus[i].index != index)
				vcpus[i] = (struct vcpu){ pid, tid, index, true };
			return;
		}
	if (grow((void **)&vcpus, &cap_vcpus, nvcpus, sizeof *vcpus, MAX_VCPUS))
		vcpus[nvcpus++] = (struct vcpu){ pid, tid, index, !first_scan };
}

static bool is_recent(int pid)
{
	for (int i = 0; i < nrecent; i++)
		if (recent[i].pid == pid)
			return true;
	return false;
}

/* KVM's own word, if debugfs is mounted: /sys/kernel/debug/kvm/<pid>-<fd>/vcpu<N>/pid holds the vCPU's thread (5.19+). */
static void scan_debugfs(bool only_recent)
{
	static const char root[] = "/sys/kernel/debug/kvm";
	DIR *d = opendir(root);
	if (!d)
		return;
	for (struct dirent *e; (e = readdir(d));) {
		int pid, fd;
		char path[400], text[32];
		if (e->d_type != DT_DIR || sscanf(e->d_name, "%d-%d", &pid, &fd) != 2)
			continue;
		if (only_recent && !is_recent(pid))
			continue;
		snprintf(path, sizeof path, "%s/%.64s", root, e->d_name);
		DIR *vm = opendir(path);
		if (!vm)
			continue;
		for (struct dirent *v; (v = readdir(vm));) {
			int index;
			if (v->d_type != DT_DIR || sscanf(v->d_name, "vcpu%d", &index) != 1)
				continue;
			snprintf(path, sizeof path, "%s/%.64s/%.64s/pid", root, e->d_name, v->d_name);
			int tid = read_small(path, text, sizeof text) ? atoi(text) : 0;
			if (tid > 0)
				put_vcpu(pid, tid, index);
		}
		closedir(vm);
	}
	closedir(d);
}

/* Elsewhere the names that VMMs give their threads (QEMU only with debug-threads=on, which libvirt sets). */
static void vcpus_by_name(void)
{
	static const char *const forms[] = { "CPU %d/KV%n", "vcpu%d%n", "fc_vcpu %d%n", "crosvm_vcpu%d%n" };
	for (int i = 0; i < nthreads; i++)
		for (size_t f = 0; f < sizeof forms / sizeof *forms; f++) {
			int index = -1, end = 0;
			if (threads[i].tgid && sscanf(threads[i].comm, forms[f], &index, &end) == 1 && end && index >= 0) {
				bool have = false;
				for (int v = 0; v < nvcpus && !have; v++)
					have = vcpus[v].tid == threads[i].tid;
				if (!have)
					put_vcpu(threads[i].tgid, threads[i].tid, index);
			}
		}
}

static int tid_order(const void *a, const void *b)
{
	const struct thread *x = a, *y = b;
	return x->tid < y->tid ? -1 : x->tid > y->tid;
}

void processes_first_scan(void)
{
	first_scan = true;
	scan_all();
	if (nthreads)
		qsort(threads, (size_t)nthreads, sizeof *threads, tid_order);
	int keep = 0; /* a tid may be met twice if its thread moved on while /proc was read */
	for (int i = 0; i < nthreads; i++)
		if (!keep || threads[keep - 1].tid != threads[i].tid)
			threads[keep++] = threads[i];
	nthreads = keep;
	scan_debugfs(false);
	vcpus_by_name();
	first_scan = false;
}

void processes_look_again(void)
{
	int keep = 0;
	for (int i = 0; i < nrecent; i++) {
		scan_process(recent[i].pid);
		if (--recent[i].rounds > 0)
			recent[keep++] = recent[i];
	}
	nrecent = keep;
	DIR *d = opendir("/proc");
	if (!d)
		return;
	for (struct dirent *e; nrecent < NEW_PER_LOOK && (e = readdir(d));) {
		int pid = number(e->d_name);
		if (!pid || known(pid))
			continue;
		scan_process(pid);
		recent[nrecent].pid = pid;
		recent[nrecent++].rounds = ROUNDS;
	}
	closedir(d);
	if (nrecent)
		scan_debugfs(true);
}

void processes_last_scan(int tracefs_root)
{
	scan_all();
	scan_debugfs(false);
	vcpus_by_name();
	/* what lived so briefly that only the kernel noticed */
	struct buf b = { 0 };
	if (!read_file_at(tracefs_root, "saved_cmdlines", &b)) {
		char *save = NULL;
		for (char *line = strtok_r(b.p, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
			char *name;
			long tid = strtol(line, &name, 10);
			if (tid > 0 && tid <= 0x7fffffff && *name == ' ' && !known((int)tid))
				put_thread((int)tid, 0, name + 1);
		}
	}
	buf_free(&b);
	if (threads_full)
		msg(MSG_WARNING, "many-threads", NULL, "only the first %d threads were named", MAX_THREADS);
}

void processes_cmdlines(struct buf *b, bool only_new)
{
	for (int i = 0; i < nthreads; i++)
		if (!only_new || threads[i].is_new)
			buf_fmt(b, "%d %s\n", threads[i].tid, threads[i].comm);
}

/* The VM's name: QEMU's -name (guest=NAME,… or NAME,…), else the process's own. */
static void vm_name(int pid, char *out, size_t size)
{
	char path[64], line[65536];
	snprintf(path, sizeof path, "/proc/%d/cmdline", pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, line, sizeof line - 1);
	if (fd >= 0)
		close(fd);
	snprintf(out, size, "pid-%d", pid);
	int i = thread_index(pid);
	if (i < nthreads && threads[i].tid == pid)
		snprintf(out, size, "%s-%d", threads[i].comm, pid);
	if (n <= 0)
		return;
	line[n] = 0;
	for (char *p = line, *end = line + n; p < end; p += strlen(p) + 1) {
		char *name = p + strlen(p) + 1;
		if (strcmp(p, "-name") || name >= end)
			continue;
		char *guest = strncmp(name, "guest=", 6) ? strstr(name, ",guest=") : name - 1;
		guest = guest ? guest + 7 : name;
		size_t len = strcspn(guest, ",");
		if (len)
			snprintf(out, size, "%.*s", (int)(len < 200 ? len : 200), guest);
		return;
	}
}

static int vcpu_order(const void *a, const void *b)
{
	const struct vcpu *x = a, *y = b;
	if (x->pid != y->pid)
		return x->pid < y->pid ? -1 : 1;
	return x->index < y->index ? -1 : x->index > y->index;
}

/*
 * One GUEST option per VM: name, id of the guest's trace, vCPU numbers and their threads. There is no guest trace; the
 * id is "kvmt" and the VM's pid, so that it tells the pid and equals no id that trace-cmd draws at random.
 */
void processes_guest_options(struct buf *b, bool only_new)
{
	if (nvcpus)
		qsort(vcpus, (size_t)nvcpus, sizeof *vcpus, vcpu_order);
	for (int i = 0, vms = 0; i < nvcpus && vms < MAX_VMS;) {
		int end = i, n = 0;
		for (; end < nvcpus && vcpus[end].pid == vcpus[i].pid; end++)
			n += !only_new || vcpus[end].is_new;
		if (n) {
			char name[256];
			struct buf o = { 0 };
			vm_name(vcpus[i].pid, name, sizeof name);
			buf_add(&o, name, strlen(name) + 1);
			buf_u64(&o, (uint64_t)0x6b766d74 << 32 | (uint32_t)vcpus[i].pid);
			buf_u32(&o, (uint32_t)(end - i));
			for (int k = i; k < end; k++) {
				buf_u32(&o, (uint32_t)vcpus[k].index);
				buf_u32(&o, (uint32_t)vcpus[k].tid);
			}
			dat_option(b, OPT_GUEST, o.p, o.len);
			buf_free(&o);
			vms++;
		}
		i = end;
	}
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
	buf_str(b, "\"vms\":[");
	if (nvcpus)
		qsort(vcpus, (size_t)nvcpus, sizeof *vcpus, vcpu_order);
	for (int i = 0; i < nvcpus;) {
		char name[256];
		int pid = vcpus[i].pid;
		vm_name(pid, name, sizeof name);
		buf_fmt(b, "%s{\"pid\":%d,\"name\":", i ? "," : "", pid);
		buf_json(b, name);
		buf_str(b, ",\"vcpus\":[");
		for (bool first = true; i < nvcpus && vcpus[i].pid == pid; i++, first = false)
			buf_fmt(b, "%s[%d,%d]", first ? "" : ",", vcpus[i].index, vcpus[i].tid);
		buf_str(b, "]}");
	}
	/* only groups of several threads: a thread that is not listed is its own group */
	buf_str(b, "],\"threads\":{");
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
	struct stat st;
	return stat("/proc/self/ns/pid", &st) || st.st_ino == 0xEFFFFFFCu;
}
