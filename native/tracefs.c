/*
 * The private tracefs instance: finding tracefs, making the instance, removing it whatever happened.
 *
 * Plain system calls, not libtracefs: what is needed is writing a dozen small files, and the exact order and the
 * error of every write matter (a recorder that half-works on a production host is worse than none). libtracefs has no
 * way to hold free_buffer, hides errors of option writes, brings libtraceevent along, and Debian ships no static
 * library of either's plugins; the watchdog must run after fork() in a process with threads, where only system calls
 * are safe. This way the helper is one static binary that runs on any kernel since 4.4.
 */
#include "tracefs.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define TRACEFS_MAGIC_NUMBER 0x74726163

static bool is_tracefs(const char *path)
{
	struct statfs fs;
	return !statfs(path, &fs) && (unsigned long)fs.f_type == TRACEFS_MAGIC_NUMBER;
}

static bool locked_down(void)
{
	struct buf b = { 0 };
	bool yes = !read_file_at(AT_FDCWD, "/sys/kernel/security/lockdown", &b) && strstr(b.p, "[confidentiality]");
	buf_free(&b);
	return yes;
}

/* Root may still be refused. */
const char *refused(int err, const char *otherwise)
{
	return err != EPERM && err != EACCES ? otherwise :
		"something on this host forbids it even to root: kernel lockdown, a security module, or a container; see dmesg";
}

void tracefs_find(struct tracefs *t, const char *given, bool change)
{
	static const char *const usual[] = { "/sys/kernel/tracing", "/sys/kernel/debug/tracing" };
	const char *root = given;
	memset(t, 0, sizeof *t);
	t->root_fd = t->dir_fd = t->free_fd = -1;
	for (size_t i = 0; !root && i < 2; i++)
		if (is_tracefs(usual[i]))
			root = usual[i];
	if (!root || !is_tracefs(root)) {
		if (geteuid()) /* without rights the mount point may just be invisible */
			die("permission", "run it as root", "tracefs cannot be reached as user %d", (int)geteuid());
		die("no-tracefs", "mount it: mount -t tracefs nodev /sys/kernel/tracing", "tracefs is not mounted%s%s",
			given ? " at " : "", given ? given : "");
	}
	if (root[0] != '/' || strlen(root) >= sizeof t->root)
		die("no-tracefs", "give an absolute path", "--tracefs %s: not usable", root);
	strcpy(t->root, root);
	t->root_fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int err = t->root_fd < 0 ? errno : 0;
	if (!err && faccessat(t->root_fd, change ? "instances" : "events", R_OK | X_OK | (change ? W_OK : 0), AT_EACCESS))
		err = errno;
	struct buf b = { 0 };
	int r = err ? 0 : read_file_at(t->root_fd, "trace_clock", &b);
	buf_free(&b);
	if (!err && r)
		err = -r;
	if (!err)
		return;
	if (locked_down())
		die("lockdown", "boot without lockdown=confidentiality (Secure Boot alone means integrity at most, which allows tracing)",
			"kernel lockdown (confidentiality) forbids tracing");
	if (err == EACCES || err == EPERM)
		die("permission", !geteuid() ? refused(err, NULL) : "run it as root; a group needs write access to tracefs (mount option gid=) and CAP_SYS_ADMIN",
			"no access to %s: %s", root, strerror(err));
	die("tracefs", err == EROFS ? "remount it: mount -o remount,rw DIR; in a container, record on the host itself; or try --backend perf" : NULL, "%s: %s", root,
		strerror(err));
}

void tracefs_count_cpus(struct tracefs *t)
{
	int fd = openat(t->root_fd, "per_cpu", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	if (!d)
		die("tracefs", NULL, "%s/per_cpu: %s", t->root, strerror(errno));
	t->ncpu = 0;
	for (struct dirent *e; (e = readdir(d));) {
		int cpu;
		if (sscanf(e->d_name, "cpu%d", &cpu) == 1 && cpu >= t->ncpu && cpu < KC_MAX_CPUS)
			t->ncpu = cpu + 1;
	}
	closedir(d);
	if (!t->ncpu)
		die("tracefs", NULL, "%s/per_cpu has no CPUs", t->root);
}

void tracefs_make(struct tracefs *t)
{
	/* Ours by name and number, so its owner is dead: the number was used before. */
	int err = mkdir(t->instance, 0700) ? errno : 0;
	if (err == EEXIST && tracefs_remove(t->instance, 2000))
		err = mkdir(t->instance, 0700) ? errno : 0;
	if (!err && (t->dir_fd = open(t->instance, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)) < 0)
		err = errno;
	if (err)
		die("instance", err == ENOMEM ? "the host is short of memory" : refused(err, NULL), "cannot make %s: %s", t->instance,
			strerror(err));
	/* Held as long as we live: how --cleanup tells that, also across containers. One that looks just now has it for a moment. */
	for (int tries = 0; flock(t->dir_fd, LOCK_EX | LOCK_NB) && tries < 100; tries++)
		poll(NULL, 0, 10);
}

void must_write(struct tracefs *t, const char *file, const char *text, const char *hint)
{
	if (!write_file_at(t->dir_fd, file, text))
		die("tracefs-write", refused(errno, hint), "cannot write %s to %s/%s: %s", text, t->instance, file, strerror(errno));
}

void may_write(struct tracefs *t, const char *file, const char *text, const char *consequence)
{
	if (!write_file_at(t->dir_fd, file, text) && consequence)
		msg(MSG_WARNING, "tracefs-write", consequence, "cannot write %s/%s: %s", t->instance, file, strerror(errno));
}

static void set_pids(struct tracefs *t, const struct options *o)
{
	if (!o->npids && !o->ntids)
		return;
	if (!in_first_pid_namespace())
		die("namespace", "run it on the host itself: ftrace counts in the host's numbers",
			"-p and -t do not work inside a container");
	/* first the option, then the list: a thread started in between is caught by one or the other */
	if (o->npids)
		may_write(t, "options/event-fork", "1", "threads started later will not be recorded");
	struct buf ids = { 0 };
	processes_expand_pids(o, &ids);
	for (int i = 0; i < o->ntids; i++)
		buf_fmt(&ids, "%d ", o->tids[i]);
	int fd = openat(t->dir_fd, "set_event_pid", O_WRONLY | O_CLOEXEC | O_TRUNC);
	/* pieces well below a page, cut at blanks; the kernel adds each to the list */
	for (size_t at = 0; fd >= 0 && at < ids.len;) {
		size_t n = ids.len - at < 2000 ? ids.len - at : 2000;
		while (n > 1 && ids.p[at + n - 1] != ' ')
			n--;
		if (!write_all(fd, ids.p + at, n)) {
			int err = errno;
			close(fd);
			errno = err;
			fd = -1;
		}
		at += n;
	}
	if (fd < 0)
		die("tracefs-write", NULL, "cannot set the process filter (set_event_pid): %s", strerror(errno));
	close(fd);
	buf_free(&ids);
}

static const struct { const char *option, *value; } plain_text[] = {
	{ "options/raw", "0" }, { "options/hex", "0" }, { "options/bin", "0" }, { "options/verbose", "0" },
	{ "options/fields", "0" }, { "options/latency-format", "0" }, { "options/context-info", "1" },
};

void tracefs_apply(struct tracefs *t, const struct options *o)
{
	must_write(t, "tracing_on", "0", NULL);
	/* Dead-man switch: when the last descriptor of free_buffer closes, and the kernel closes ours however we die,
	 * tracing stops. Events stay enabled then; switching them off and removing the instance is the watchdog's part. */
	may_write(t, "options/disable_on_free", "1", "this kernel has no dead-man switch; the watchdog still works");
	t->free_fd = openat(t->dir_fd, "free_buffer", O_WRONLY | O_CLOEXEC);
	must_write(t, "trace_clock", o->clock, "see the names in /sys/kernel/tracing/trace_clock");
	/* Lose the oldest, not the newest: only then do the pages themselves tell where events were lost. */
	may_write(t, "options/overwrite", "1", NULL);
	/*
	 * A new instance inherits the options of the global one. Those that add a stack trace to every event would cost many
	 * times the event. (record-cmd and record-tgid add a probe to every context switch; but the kernel switches them for all
	 * instances at once, trace_event_enable_cmd_record(), so they are not ours to touch.)
	 */
	may_write(t, "options/stacktrace", "0", NULL);
	may_write(t, "options/userstacktrace", "0", NULL);
	may_write(t, "options/block", "0", NULL); /* poll() would return at once, every time */
	may_write(t, "options/markers", "1", NULL); /* mark() writes one */
	if (o->text) /* what a new instance inherits, too: numbers instead of events, or lines that no program reads */
		for (size_t i = 0; i < sizeof plain_text / sizeof *plain_text; i++)
			write_file_at(t->dir_fd, plain_text[i].option, plain_text[i].value);
	set_buffer_size(t, o);
	if (o->cpus)
		set_cpumask(t, o);
	set_pids(t, o);
	struct buf b = { 0 };
	int r = read_file_at(t->dir_fd, "events/header_page", &b);
	t->subbuf = r ? 0 : page_size_of(b.p);
	buf_free(&b);
	if (!t->subbuf)
		die("tracefs", "please report this with the contents of events/header_page", "the ring-buffer page layout is unknown");
	t->has_percent = set_buffer_percent(t, t->small);
}

bool tracefs_on(struct tracefs *t, bool on)
{
	return write_file_at(t->dir_fd, "tracing_on", on ? "1" : "0");
}

bool tracefs_remove(const char *instance, int wait_ms)
{
	int dir = open(instance, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (dir < 0)
		return errno == ENOENT;
	write_file_at(dir, "tracing_on", "0");
	write_file_at(dir, "events/enable", "0");
	close(dir);
	for (int waited = 0;; waited += 5) {
		if (!rmdir(instance) || errno == ENOENT)
			return true;
		if (errno != EBUSY || waited >= wait_ms)
			return false;
		poll(NULL, 0, 5); /* its files are still being closed, here or by the kernel for a dead process */
	}
}

static uint64_t stat_value(const char *text, const char *key)
{
	const char *p = strstr(text, key);
	return p ? strtoull(p + strlen(key), NULL, 10) : 0;
}

static void add_stats(const char *text, struct totals *sum)
{
	uint64_t left = stat_value(text, "entries: ");
	const char *overrun = strstr(text, "\noverrun: "); /* not that of "commit overrun" */
	sum->left += left;
	sum->events += left + stat_value(text, "read events: ");
	sum->lost += (overrun ? strtoull(overrun + 10, NULL, 10) : 0) + stat_value(text, "commit overrun: ") +
		stat_value(text, "dropped events: ");
}

/* Of that many CPUs the files stay open, and no limit of open files is in reach. */
#define STATS_OPEN 256
static int stats_fd[STATS_OPEN]; /* 0: not open */

void tracefs_stats_now(struct tracefs *t, struct totals *sum)
{
	*sum = (struct totals){ 0 };
	for (int c = 0; c < t->ncpu; c++) {
		char path[64], text[1024];
		int fd = c < STATS_OPEN ? stats_fd[c] : 0;
		if (!fd) {
			snprintf(path, sizeof path, "per_cpu/cpu%d/stats", c);
			fd = openat(t->dir_fd, path, O_RDONLY | O_CLOEXEC);
			if (fd < 0)
				continue;
		}
		ssize_t n = pread(fd, text, sizeof text - 1, 0); /* all in one: the kernel prints it anew for every read */
		if (n > 0) {
			text[n] = 0;
			add_stats(text, sum);
		}
		if (c < STATS_OPEN)
			stats_fd[c] = fd;
		else
			close(fd);
	}
}

void tracefs_stats_close(void)
{
	for (int c = 0; c < STATS_OPEN; c++) {
		if (stats_fd[c])
			close(stats_fd[c]);
		stats_fd[c] = 0;
	}
}

void tracefs_stats(const char *instance, int ncpu, struct totals *sum, struct buf *options)
{
	*sum = (struct totals){ 0 };
	for (int c = 0; c < ncpu; c++) {
		char path[400];
		struct buf b = { 0 };
		snprintf(path, sizeof path, "%s/per_cpu/cpu%d/stats", instance, c);
		if (!read_file_at(AT_FDCWD, path, &b)) {
			add_stats(b.p, sum);
			if (options) {
				struct buf text = { 0 };
				buf_fmt(&text, "CPU: %d\n%s", c, b.p);
				dat_option(options, OPT_CPUSTAT, text.p, text.len + 1); /* buf_fmt leaves a NUL there */
				buf_free(&text);
			}
		}
		buf_free(&b);
	}
}
