/* What a recording says about itself: status lines while it runs, the description that travels in the file. */
#include "session.h"
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

static void clocks_json(struct buf *b, const char *key, uint64_t mono, uint64_t boot, uint64_t real)
{
	/* strings: these numbers are above 2^53 */
	buf_fmt(b, ",\"%s\":{\"mono\":\"%llu\",\"boot\":\"%llu\",\"realtime\":\"%llu\"}", key, (unsigned long long)mono,
		(unsigned long long)boot, (unsigned long long)real);
}

static void stats_json(struct buf *b)
{
	buf_fmt(b, "\"stats\":{\"events\":%llu,\"lost\":%llu,\"left\":%llu", (unsigned long long)self.totals.events,
		(unsigned long long)self.totals.lost, (unsigned long long)self.totals.left);
	if (self.unwritten.unread) {
		buf_fmt(b, ",\"unreadCpus\":%d,\"unreadError\":", self.unwritten.unread);
		buf_json(b, strerror(self.unwritten.error));
	}
	buf_str(b, "},");
	if (self.switched_off) {
		buf_str(b, "\"switchedOff\":");
		buf_json(b, self.switched_off);
		buf_str(b, ",");
	}
}

static void tell_switched_off(void)
{
	if (self.switched_off)
		msg(MSG_WARNING, "switched-off", "trace-cmd reset does that, and scripts that reset all instances: record again",
			"somebody switched %s off while this recorded: what happened from then on is missing", self.switched_off);
}

/* The description that travels in the file; README.md documents it. */
void report_description(struct buf *b, const char *phase)
{
	struct utsname u;
	uname(&u);
	buf_fmt(b, "{\"kvmtrace\":{\"format\":1,\"phase\":\"%s\",\"recorder\":\"kvmtrace-capture " KC_VERSION "\"", phase);
	if (self.why != STOP_NOT)
		buf_fmt(b, ",\"end\":\"%s\"", stop_names[self.why]);
	buf_str(b, ",\"host\":");
	buf_json(b, u.nodename);
	buf_str(b, ",\"kernel\":");
	buf_json(b, u.release);
	buf_str(b, ",\"machine\":");
	buf_json(b, u.machine);
	buf_fmt(b, ",\"online\":%ld,\"clock\":", sysconf(_SC_NPROCESSORS_ONLN));
	buf_json(b, self.o.clock);
	clocks_json(b, "start", self.start_mono, self.start_boot, self.start_real);
	if (self.stop_mono)
		clocks_json(b, "stop", self.stop_mono, self.stop_boot, self.stop_real);
	buf_fmt(b, ",\"bufferKb\":%llu,\"maxSize\":%llu,", (unsigned long long)(self.t.buffer_bytes >> 10),
		(unsigned long long)self.o.max_size);
	processes_cpu_model(b);
	buf_str(b, ",\"argv\":[");
	for (int i = 0; i < self.o.argc; i++) {
		buf_str(b, i ? "," : "");
		buf_json(b, self.o.argv[i]);
	}
	buf_str(b, "],\"events\":[");
	for (int i = 0; i < self.t.nevents; i++)
		buf_fmt(b, "%s\"%s:%s\"", i ? "," : "", self.t.events[i].system, self.t.events[i].name);
	buf_fmt(b, "],\"filter\":{\"pids\":%d,\"tids\":%d,\"cpus\":", self.o.npids, self.o.ntids);
	buf_json(b, self.o.cpus ? self.o.cpus : "");
	buf_str(b, "},");
	if (self.stop_mono)
		stats_json(b);
	processes_json(b);
	buf_str(b, "}}");
}

static uint64_t bytes_written(void)
{
	uint64_t n = 0;
	for (int c = 0; c < self.s->ncpu; c++)
		n += atomic_load(&self.s->cpu[c].size);
	return n;
}

void report_start(void)
{
	struct buf b = { 0 };
	buf_str(&b, "{\"type\":\"start\",\"pid\":");
	buf_fmt(&b, "%d,\"watchdog\":%d,\"instance\":", (int)getpid(), (int)self.dog.pid);
	buf_json(&b, self.t.instance);
	buf_str(&b, ",\"file\":");
	if (self.o.output)
		buf_json(&b, self.o.output);
	else
		buf_str(&b, "null");
	buf_fmt(&b, ",\"cpus\":%d,\"bufferKb\":%llu,\"memoryKb\":%llu,\"maxSize\":%llu,\"clock\":\"%s\",\"events\":%d}", self.t.ncpu,
		(unsigned long long)(self.t.buffer_bytes >> 10), (unsigned long long)(self.t.buffer_bytes >> 10) * (unsigned long long)self.t.buffers,
		(unsigned long long)self.o.max_size, self.o.clock, self.t.nevents);
	msg_json_line(&b);
	buf_free(&b);
}

void report_watchdog(void)
{
	struct buf b = { 0 };
	buf_fmt(&b, "{\"type\":\"watchdog\",\"pid\":%d}", (int)self.dog.pid);
	msg_json_line(&b);
	buf_free(&b);
}

void report_status(uint64_t now, uint64_t *events_before)
{
	struct totals sum;
	if (!msg_wants_progress())
		return;
	tracefs_stats_now(&self.t, &sum);
	uint64_t bytes = bytes_written(), rate = sum.events > *events_before ? sum.events - *events_before : 0;
	uint64_t ms = (now - self.start_mono) / 1000000; /* no floating point once a second: printing it is the most of a line */
	*events_before = sum.events;
	if (msg_has_json()) {
		struct buf b = { 0 };
		buf_fmt(&b, "{\"type\":\"status\",\"seconds\":%llu.%03llu,\"events\":%llu,\"eventsPerSecond\":%llu,\"bytes\":%llu,\"lost\":%llu}",
			(unsigned long long)(ms / 1000), (unsigned long long)(ms % 1000), (unsigned long long)sum.events, (unsigned long long)rate, (unsigned long long)bytes,
			(unsigned long long)sum.lost);
		msg_json_line(&b);
		buf_free(&b);
	}
	if (!msg_has_terminal())
		return;
	char line[160];
	snprintf(line, sizeof line, "%7.1f s  %llu events  %llu/s  %.1f MB  %llu lost   (Ctrl-C stops)", (double)ms / 1e3,
		(unsigned long long)sum.events, (unsigned long long)rate, (double)bytes / 1e6, (unsigned long long)sum.lost);
	msg_progress(line);
}

static const char stalled[] = "this program stood still for half a minute (SIGSTOP? a disk that hangs?), and its watchdog switched the events off";

bool ended_badly(void)
{
	return self.why == STOP_DISK_FULL || self.why == STOP_DISK_LOW || self.why == STOP_IO_ERROR || self.why == STOP_WATCHDOG ||
		self.why == STOP_STALLED;
}

bool cut_short(void)
{
	return ended_badly() || self.unwritten.unread;
}

/* The file is complete either way; why it still has holes, and what to do about them. */
static void report_sparse(enum packing packed)
{
	static const char copy[] = "copy it with cp --sparse=always, tar -S or rsync -S; --recover packs it when there is room";
	if (packed == PACK_NO_ROOM)
		msg(MSG_WARNING, "sparse", copy, "the file opens but was left sparse: packing it would leave less than %llu MB free on the disk (--min-free)",
			(unsigned long long)(self.o.min_free >> 20));
	else if (packed != PACK_DONE)
		msg(MSG_WARNING, "sparse", copy, "the file opens but was left sparse%s", packed == PACK_INTERRUPTED ? ": packing it was interrupted" : "");
}

void report_end(enum packing packed)
{
	uint64_t bytes = bytes_written();
	double seconds = (double)(self.stop_mono - self.start_mono) / 1e9;
	if (msg_has_json()) {
		struct buf b = { 0 };
		buf_fmt(&b, "{\"type\":\"end\",\"reason\":\"%s\",\"seconds\":%.3f,\"events\":%llu,\"bytes\":%llu,\"lost\":%llu,\"left\":%llu,"
			"\"droppedBytes\":%llu,\"unreadCpus\":%d,\"packed\":%s,\"file\":", stop_names[self.why], seconds,
			(unsigned long long)self.totals.events, (unsigned long long)bytes, (unsigned long long)self.totals.lost,
			(unsigned long long)self.totals.left, (unsigned long long)self.unwritten.dropped, self.unwritten.unread, packed == PACK_DONE ? "true" : "false");
		buf_json(&b, self.o.output);
		buf_str(&b, "}");
		msg_json_line(&b);
		buf_free(&b);
	}
	if (self.totals.lost)
		msg(MSG_WARNING, "lost", "use a larger -b, fewer events, or a filter: -p PID, -C CPUS", "%llu events were lost (buffer of %llu KB per CPU)",
			(unsigned long long)self.totals.lost, (unsigned long long)(self.t.buffer_bytes >> 10));
	tell_switched_off();
	if (self.unwritten.unread)
		msg(MSG_ERROR, "unread", "what was read is in the file; see dmesg for the cause", "the buffers of %d CPUs could not be read to their end, "
			"%llu events are missing: %s", self.unwritten.unread, (unsigned long long)self.totals.left, strerror(self.unwritten.error));
	if (ended_badly())
		msg(MSG_ERROR, stop_names[self.why], self.why == STOP_STALLED ? stalled : atomic_load(&self.disk_error) ?
			"the disk refused part of what it had taken; see dmesg" : "what was written until then is in the file", "recording ended early: %s", stop_names[self.why]);
	report_sparse(packed);
	if (!msg_has_json())
		msg(MSG_INFO, "end", NULL, "%s: %llu events, %.1f MB in %.1f s, %llu lost (%s)", self.o.output,
			(unsigned long long)(self.totals.events - self.totals.left), (double)bytes / 1e6, seconds,
			(unsigned long long)self.totals.lost, stop_names[self.why]);
}

void report_text_end(uint64_t bytes)
{
	double seconds = (double)(self.stop_mono - self.start_mono) / 1e9;
	if (msg_has_json()) {
		struct buf b = { 0 };
		buf_fmt(&b, "{\"type\":\"end\",\"reason\":\"%s\",\"seconds\":%.3f,\"events\":%llu,\"bytes\":%llu,\"lost\":%llu}",
			stop_names[self.why], seconds, (unsigned long long)self.totals.events, (unsigned long long)bytes,
			(unsigned long long)self.totals.lost);
		msg_json_line(&b);
		buf_free(&b);
	}
	if (self.totals.lost)
		msg(MSG_WARNING, "lost", "use a larger -b, or record without --text, which is cheaper", "%llu events were lost",
			(unsigned long long)self.totals.lost);
	tell_switched_off();
	if (ended_badly())
		msg(MSG_ERROR, stop_names[self.why], self.why == STOP_STALLED ? stalled : "what was written until then is there", "recording ended early: %s", stop_names[self.why]);
	if (!msg_has_json() && self.o.output && strcmp(self.o.output, "-"))
		msg(MSG_INFO, "end", NULL, "%s: %.1f MB of text in %.1f s, %llu lost (%s)", self.o.output, (double)bytes / 1e6, seconds,
			(unsigned long long)self.totals.lost, stop_names[self.why]);
}
