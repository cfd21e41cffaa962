/*
 * kvmtrace-capture: records KVM tracepoints of this host into a standard trace.dat, and leaves nothing behind.
 *
 * The order of things is the safety argument:
 *   checks (change nothing) -> output file -> watchdog -> instance -> settings -> file header -> readers -> tracing on
 *   tracing off -> events off -> last pages -> counters -> instance removed -> names and counters into the file -> packed
 * From the watchdog's start on, whatever kills this process is undone by it, whatever kills the watchdog is undone by
 * this process, and if both die the kernel's dead-man switch stops tracing.
 */
#include "session.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct session self = { .out_fd = -1, .signals = -1, .wake = -1 };

/* Runs when a check or a setting fails: back to nothing, as if never started. */
static void undo(void)
{
	if (self.t.free_fd >= 0)
		close(self.t.free_fd);
	if (self.out_fd >= 0)
		dat_remove(self.out_fd);
	if (self.s && atomic_load(&self.s->phase) != PHASE_NOTHING) {
		atomic_store(&self.s->phase, PHASE_INSTANCE);
		if (!tracefs_remove(self.s->instance, 100))
			return; /* our own files keep it busy: the watchdog removes it when we are gone */
	}
	watchdog_dismiss(&self.dog);
}

static void read_clocks(uint64_t *mono, uint64_t *boot, uint64_t *real)
{
	*mono = clock_ns(CLOCK_MONOTONIC);
	*boot = clock_ns(CLOCK_BOOTTIME);
	*real = clock_ns(CLOCK_REALTIME);
}

/* Clocks that have no counterpart in user space get a marker in the stream that says the time on those that have. */
static void mark(void)
{
	static const char *const shared_clocks[] = { "mono", "boot", "mono_raw", "tai" };
	for (size_t i = 0; i < 4; i++)
		if (!strcmp(self.o.clock, shared_clocks[i]))
			return;
	char text[96];
	snprintf(text, sizeof text, "kvmtrace mono=%llu realtime=%llu", (unsigned long long)clock_ns(CLOCK_MONOTONIC),
		(unsigned long long)clock_ns(CLOCK_REALTIME));
	write_file_at(self.t.dir_fd, "trace_marker", text);
}

static void prepare(void)
{
	tracefs_find(&self.t, self.o.tracefs, true);
	tracefs_choose_events(&self.t, &self.o);
	tracefs_cleanup(&self.t, false);
	tracefs_check_other_tracers(&self.t);
	tracefs_count_cpus(&self.t);
}

/* With the watchdog already waiting: from here on the kernel's state changes. */
static void make_instance(void)
{
	/* /proc/PID/comm of a recorder starts with this: how --cleanup tells live ones */
	prctl(PR_SET_NAME, "kvmtrace-capture");
	char name[48];
	instance_name(name, sizeof name);
	snprintf(self.s->instance, sizeof self.s->instance, "%s/instances/%s", self.t.root, name);
	strcpy(self.t.instance, self.s->instance);
	if (!watchdog_start(&self.dog, self.s, self.out_fd))
		die("watchdog", NULL, "cannot start the watchdog: %s", strerror(errno));
	atomic_store(&self.s->phase, PHASE_INSTANCE);
	tracefs_make(&self.t);
	tracefs_apply(&self.t, &self.o);
}

/* A child ended: the command, or the watchdog, which gets a successor; also if it is stopped, and so no watchdog. */
static void reap(void)
{
	int st;
	for (pid_t pid; (pid = waitpid(-1, &st, WNOHANG | WUNTRACED)) > 0;) {
		bool stopped = WIFSTOPPED(st);
		if (pid == self.command && !stopped) {
			self.command = 0;
			if (self.why == STOP_NOT)
				self.why = STOP_COMMAND;
		} else if (pid == self.dog.pid) {
			if (stopped) {
				watchdog_kill(&self.dog);
			} else {
				close(self.dog.pipe_fd);
				self.dog.pid = 0;
			}
			if (++self.dog.restarts > 10 || !watchdog_start(&self.dog, self.s, self.out_fd)) {
				msg(MSG_ERROR, "watchdog", "something on this host does that: find out what",
					"recording ends: the watchdog was %s and cannot be replaced", stopped ? "stopped" : "killed");
				self.why = STOP_WATCHDOG;
				return;
			}
			report_watchdog();
			msg(MSG_WARNING, "watchdog", NULL, "the watchdog was %s; started another (%d)", stopped ? "stopped" : "killed",
				(int)self.dog.pid);
		}
	}
}

static int text_disk = -1; /* where the text goes, if that is a file */

static enum stop_reason text_ends(bool child)
{
	static uint64_t next_second;
	uint64_t now = clock_ns(CLOCK_MONOTONIC);
	if (beat(self.s) && self.why == STOP_NOT)
		self.why = STOP_STALLED;
	if (child)
		reap();
	if (self.why == STOP_NOT && now >= next_second) {
		next_second = now + 1000000000u;
		msg_json_gone(); /* no status lines are written that would show it */
		look_around(text_disk);
	}
	return self.why;
}

static void wait_for_end(struct readers *readers)
{
	uint64_t end = self.o.duration_ns ? self.start_mono + self.o.duration_ns : 0, events = 0;
	uint64_t next_second = self.start_mono + 1000000000u;
	struct pollfd wait[2] = { { .fd = self.signals, .events = POLLIN }, { .fd = self.wake, .events = POLLIN } };
	while (self.why == STOP_NOT) {
		bool child = false;
		uint64_t now = clock_ns(CLOCK_MONOTONIC), until = end && end < next_second ? end : next_second;
		poll(wait, 2, until > now ? (int)((until - now + 999999) / 1000000) : 0);
		now = clock_ns(CLOCK_MONOTONIC);
		bool stopped = signals_take(self.signals, &child) > 0;
		if (beat(self.s))
			self.why = STOP_STALLED;
		else if (stopped)
			self.why = STOP_SIGNAL;
		else if (readers_failed(readers) != STOP_NOT)
			self.why = readers_failed(readers);
		else if (atomic_load(&self.disk_error))
			self.why = reason_of(atomic_load(&self.disk_error));
		else if (atomic_load(&self.disk_is_low))
			self.why = STOP_DISK_LOW;
		else if (end && now >= end)
			self.why = STOP_DURATION;
		if (child)
			reap();
		if (self.why != STOP_NOT || now < next_second)
			continue;
		next_second = now + 1000000000u;
		report_status(now, &events);
		look_around(-1);
	}
}

static bool second_signal(void)
{
	bool child = false;
	return signals_take(self.signals, &child) > 0;
}

/*
 * What was recorded must be on the disk, not only in the page cache, before we say so; a further signal ends the wait.
 * False: that is not so.
 */
static bool settle(void)
{
	const uint64_t part = 8 << 20;
	if (in_memory(self.out_fd))
		return true;
	for (int c = 0; c < self.s->ncpu; c++) {
		uint64_t size = atomic_load(&self.s->cpu[c].size);
		for (uint64_t at = 0; at < size; at += part) {
			if (atomic_load(&self.disk_error) || second_signal())
				return false;
			if (!dat_settle(self.out_fd, self.s->cpu[c].offset + at, size - at < part ? size - at : part))
				atomic_store(&self.disk_error, errno);
		}
	}
	return !atomic_load(&self.disk_error);
}

static void remove_instance(void)
{
	if (!tracefs_remove(self.t.instance, 5000))
		msg(MSG_WARNING, "stale", "end what reads it, then run kvmtrace-capture --cleanup",
			"%s is off but could not be removed: %s", self.t.instance, strerror(errno));
}

/* The room for what comes at the end is set aside when a recording begins; the disk may be as empty as it likes. */
static const char *why_missing(void)
{
	return errno == E2BIG ? "more than the file has room for" : strerror(errno);
}

static int finish(struct readers *readers)
{
	enum packing packed = PACK_DONE;
	struct buf options = { 0 }, description = { 0 }, json = { 0 };
	/* trace-cmd reset, or a script for all instances: what was recorded since is not known, and must not look like silence */
	if (!atomic_load(&self.s->held))
		self.switched_off = tracefs_switched_off(&self.t);
	tracefs_on(&self.t, false);
	atomic_store(&self.s->beat, 0);
	read_clocks(&self.stop_mono, &self.stop_boot, &self.stop_real);
	write_file_at(self.t.dir_fd, "events/enable", "0");
	enum stop_reason late = readers_finish(readers, &self.unwritten);
	tracefs_stats(self.t.instance, self.t.ncpu, &self.totals, &options);
	/* The last pages may have met a full disk, or the size limit, when the reason to end was already known. */
	if (!ended_badly() && late != STOP_NOT && (late != STOP_SIZE || self.totals.left))
		self.why = late;
	tracefs_stats_close();
	close(self.t.free_fd);
	self.t.free_fd = -1;
	remove_instance();
	priority_usual();
	keeper_finish();
	atomic_store(&self.s->phase, PHASE_FILE); /* the watchdog would still finish the file */
	bool complete = dat_write_table(self.out_fd, self.s);
	bool settled = settle();
	if (atomic_load(&self.disk_error) && !ended_badly())
		self.why = reason_of(atomic_load(&self.disk_error));
	processes_last_scan(self.t.root_fd);
	processes_guest_options(&options, true);
	report_description(&json, "end");
	dat_option(&description, OPT_PROCMAPS, json.p, json.len);
	if (!complete && !(complete = dat_write_table(self.out_fd, self.s)))
		msg(MSG_WARNING, "metadata", "free some space, then run kvmtrace-capture --recover on it",
			"the last half second is not listed in the file: %s", strerror(errno));
	/* Each for itself: of a host with very many threads, whose names or groups do not all fit, the counters of losses do. */
	if (!dat_add_names(self.out_fd, self.s))
		msg(MSG_WARNING, "metadata", NULL, "some thread names of the end are missing in the file: %s", why_missing());
	if (!dat_add_options(self.out_fd, self.s, &options))
		msg(MSG_WARNING, "metadata", NULL, "the counters of the end are missing in the file: %s", why_missing());
	if (!dat_add_options(self.out_fd, self.s, &description))
		msg(MSG_WARNING, "metadata", NULL, "the description of the end is missing in the file: %s", why_missing());
	atomic_store(&self.s->phase, PHASE_FINISHED);
	if (!complete || !settled)
		packed = PACK_FAILED;
	else if (!self.o.no_pack)
		packed = dat_pack(self.out_fd, self.s, second_signal);
	msg_progress(NULL);
	/* A network's disk may have waited until now to refuse. */
	if (close(self.out_fd) && disk_refused(errno) && !ended_badly()) {
		atomic_store(&self.disk_error, errno);
		self.why = reason_of(errno);
	}
	report_end(packed);
	watchdog_dismiss(&self.dog);
	buf_free(&options);
	buf_free(&description);
	buf_free(&json);
	return cut_short() ? EXIT_FAILED : EXIT_OK;
}

static void begin(void)
{
	priority_high();
	atomic_store(&self.s->beat, 1);
	read_clocks(&self.start_mono, &self.start_boot, &self.start_real);
	if (!tracefs_on(&self.t, true))
		die("tracefs-write", NULL, "cannot switch tracing on: %s", strerror(errno));
	mark();
	if (self.o.command && (self.command = spawn(self.o.command, false)) < 0)
		die("command", "is it installed, and spelled like this?", "cannot start %s: %s", self.o.command[0], strerror(errno));
	if (msg_has_json())
		report_start();
}

static int record(void)
{
	struct buf json = { 0 };
	prepare();
	self.out_fd = dat_create(self.o.output);
	check_disk(self.out_fd);
	self.s = shared_new(self.t.ncpu);
	make_instance();
	processes_first_scan(self.t.root_fd);
	self.s->subbuf = self.t.subbuf;
	self.s->min_free = self.o.min_free;
	self.s->region = (self.o.max_size + self.t.subbuf - 1) / self.t.subbuf * self.t.subbuf;
	read_clocks(&self.start_mono, &self.start_boot, &self.start_real);
	report_description(&json, "start");
	dat_write_header(self.out_fd, self.s, &self.t, &self.o, &json);
	buf_free(&json);
	atomic_store(&self.s->phase, PHASE_FILE);
	self.wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (self.wake < 0)
		die("eventfd", NULL, "eventfd: %s", strerror(errno));
	tracefs_enable_events(&self.t);
	keeper_start();
	struct readers *readers = readers_start(&self.t, self.s, self.out_fd, self.o.max_size, self.o.readers, self.wake, &self.o);
	begin();
	die_hook(NULL); /* from here on the recording is worth keeping: an internal error leaves it to the watchdog */
	wait_for_end(readers);
	return finish(readers);
}

static int record_text(void)
{
	uint64_t bytes = 0;
	prepare();
	int out = 1;
	struct stat st;
	if (self.o.output && strcmp(self.o.output, "-"))
		self.out_fd = out = dat_create(self.o.output);
	if (!fstat(out, &st) && S_ISREG(st.st_mode))
		check_disk(text_disk = out);
	self.s = shared_new(self.t.ncpu);
	make_instance();
	tracefs_enable_events(&self.t);
	begin();
	atomic_store(&self.s->phase, PHASE_TEXT);
	self.out_fd = -1; /* worth keeping from here on */
	uint64_t end = self.o.duration_ns ? self.start_mono + self.o.duration_ns : 0;
	self.why = copy_text(&self.t, out, self.signals, end, self.o.max_size ? self.o.max_size : UINT64_MAX, text_ends, &bytes,
		&self.switched_off);
	atomic_store(&self.s->beat, 0);
	self.stop_mono = clock_ns(CLOCK_MONOTONIC);
	tracefs_stats(self.t.instance, self.t.ncpu, &self.totals, NULL);
	close(self.t.free_fd);
	self.t.free_fd = -1;
	remove_instance();
	atomic_store(&self.s->phase, PHASE_FINISHED);
	watchdog_dismiss(&self.dog);
	if (out != 1 && close(out) && !ended_badly()) /* a network's disk may have waited until now to refuse */
		self.why = reason_of(errno);
	report_text_end(bytes);
	return ended_badly() ? EXIT_FAILED : EXIT_OK;
}

int main(int argc, char **argv)
{
	/* three standard descriptors, so that none of ours becomes standard output */
	for (int fd = 0; fd < 3; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
			return EXIT_USAGE;
	options_parse(&self.o, argc, argv);
	if (self.o.recover)
		return dat_recover(self.o.recover, self.o.min_free);
	if (self.o.cleanup) {
		tracefs_find(&self.t, self.o.tracefs, true);
		return tracefs_cleanup(&self.t, true) ? EXIT_FAILED : EXIT_OK;
	}
	if (self.o.check) {
		tracefs_find(&self.t, self.o.tracefs, !self.o.perf);
		tracefs_choose_events(&self.t, &self.o);
		tracefs_check_other_tracers(&self.t);
		tracefs_count_cpus(&self.t);
		uint64_t size = tracefs_buffer_size(&self.t, &self.o);
		msg(MSG_INFO, "ready", NULL, "this host can record %d events; meanwhile %d buffers of %llu KB take %llu MB of memory", self.t.nevents,
			self.t.buffers, (unsigned long long)(size >> 10), (unsigned long long)((size * (uint64_t)self.t.buffers + (1 << 20) - 1) >> 20));
		return EXIT_OK;
	}
	if (self.o.perf) {
		tracefs_find(&self.t, self.o.tracefs, false);
		tracefs_choose_events(&self.t, &self.o);
		tracefs_count_cpus(&self.t);
		return run_perf();
	}
	self.signals = signals_setup();
	die_hook(undo);
	return self.o.text ? record_text() : record();
}
