/*
 * The other instances of tracefs: those that recorders which died left behind, and those of other tracers.
 */
#include "capture.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * Instances are called kvmtrace-<pid>. A container counts its processes anew, and its numbers mean others on the host and in
 * the next container: there the number of the namespace follows, so that no two recorders ever mean the same instance.
 */
void instance_name(char *name, size_t size)
{
	struct stat st;
	if (in_first_pid_namespace() || stat("/proc/self/ns/pid", &st))
		snprintf(name, size, KC_PREFIX "%d", (int)getpid());
	else
		snprintf(name, size, KC_PREFIX "%d.%llu", (int)getpid(), (unsigned long long)st.st_ino);
}

/* The pid in such a name, 0 if it is not one of ours; *foreign: a pid of a container. */
static int instance_pid(const char *name, bool *foreign)
{
	if (strncmp(name, KC_PREFIX, strlen(KC_PREFIX)))
		return 0;
	char *end;
	long pid = strtol(name + strlen(KC_PREFIX), &end, 10);
	*foreign = *end == '.';
	if (*foreign && (end[1] < '0' || end[1] > '9' || (strtoull(end + 1, &end, 10), *end)))
		return 0;
	return (!*foreign && *end) || pid < 1 || pid > 0x7fffffff ? 0 : (int)pid;
}

/* A recorder holds a lock on its instance from the moment after it made it. */
static bool is_locked(struct tracefs *t, const char *name)
{
	char path[320];
	snprintf(path, sizeof path, "instances/%s", name);
	int fd = openat(t->root_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	bool locked = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK;
	if (fd >= 0)
		close(fd);
	return locked;
}

/* Whether the recorder of this instance still runs. A process of another name took over its number: then it does not. */
static bool recorder_alive(struct tracefs *t, const char *name, int pid, bool foreign)
{
	if (is_locked(t, name))
		return true;
	if (foreign) { /* the number says nothing here, and the lock may be about to be taken */
		poll(NULL, 0, 100);
		return is_locked(t, name);
	}
	if (pid == getpid())
		return false;
	if (kill(pid, 0) && errno == ESRCH)
		return false;
	char path[64];
	struct buf b = { 0 };
	snprintf(path, sizeof path, "/proc/%d/comm", pid);
	bool alive = read_file_at(AT_FDCWD, path, &b) || !strncmp(b.p, "kvmtrace-", 9);
	buf_free(&b);
	return alive;
}

static DIR *open_instances(struct tracefs *t)
{
	int fd = openat(t->root_fd, "instances", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	if (!d && fd >= 0)
		close(fd);
	return d;
}

int tracefs_cleanup(struct tracefs *t, bool verbose)
{
	/* In another pid namespace every recorder of the host looks dead. */
	if (!in_first_pid_namespace()) {
		if (verbose)
			die("namespace", "run it on the host itself", "in a container the host's recorders cannot be told from dead ones");
		return 0;
	}
	DIR *d = open_instances(t);
	if (!d)
		return 0;
	int left = 0, removed = 0;
	for (struct dirent *e; (e = readdir(d));) {
		bool foreign;
		int pid = instance_pid(e->d_name, &foreign);
		if (!pid || recorder_alive(t, e->d_name, pid, foreign))
			continue;
		char path[640];
		snprintf(path, sizeof path, "%s/instances/%s", t->root, e->d_name);
		if (tracefs_remove(path, 2000)) {
			removed++;
			msg(MSG_INFO, "removed-stale", NULL, "removed %s, left by a recorder that died", path);
		} else {
			left++;
			msg(MSG_WARNING, "stale", "another process reads it: find it with fuser, end it, run --cleanup again",
				"%s is switched off but cannot be removed: %s", path, strerror(errno));
		}
	}
	closedir(d);
	if (verbose && !removed && !left)
		msg(MSG_INFO, "clean", NULL, "nothing to clean up");
	return left;
}

void tracefs_check_other_tracers(struct tracefs *t)
{
	struct buf b = { 0 };
	if (!read_file_at(t->root_fd, "current_tracer", &b) && strncmp(b.p, "nop", 3))
		msg(MSG_WARNING, "other-tracer", "its cost adds to ours; the capture itself is not affected",
			"another tracer is active: %.*s", (int)strcspn(b.p, "\n"), b.p);
	buf_free(&b);
	DIR *d = open_instances(t);
	if (!d)
		return;
	for (struct dirent *e; (e = readdir(d));) {
		char path[640];
		if (e->d_name[0] == '.')
			continue;
		snprintf(path, sizeof path, "instances/%s/events/kvm/enable", e->d_name);
		if (!read_file_at(t->root_fd, path, &b) && b.len && (b.p[0] == '1' || b.p[0] == 'X'))
			msg(MSG_WARNING, "other-tracer", "its cost adds to ours; the capture itself is not affected",
				"KVM events are also being recorded in instance %s", e->d_name);
		buf_free(&b);
	}
	closedir(d);
	if (!read_file_at(t->root_fd, "events/kvm/enable", &b) && b.len && (b.p[0] == '1' || b.p[0] == 'X'))
		msg(MSG_WARNING, "other-tracer", "trace-cmd or a script; its cost adds to ours, the capture is not affected",
			"KVM events are also being recorded in the global buffer");
	buf_free(&b);
}
