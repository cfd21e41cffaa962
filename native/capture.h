/*
 * kvmtrace-capture: declarations shared by its files. Include first: it sets the feature macros.
 *
 * The program runs as root on production hosts. Rules for every line here: bounded memory and disk, no shell, no
 * path that another user could redirect, and every state it makes in the kernel is undone by two processes
 * independently (the recorder itself and its watchdog).
 */
#ifndef KVMTRACE_CAPTURE_H
#define KVMTRACE_CAPTURE_H
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#define KC_VERSION "0.1.0"
#define KC_PREFIX "kvmtrace-" /* of our instances' names: instance_name() */
#define KC_MAX_IDS 4096       /* -p / -t arguments */
#define KC_MAX_EVENTS 512
#define KC_MAX_CPUS 8192

enum exit_status { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

/* ---- buffer.c: a growing byte buffer; gives up (exit) above a fixed bound instead of growing without end */
struct buf {
	char *p;
	size_t len, cap;
};
void buf_add(struct buf *b, const void *data, size_t n);
void buf_str(struct buf *b, const char *s); /* without its NUL */
void buf_fmt(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void buf_json(struct buf *b, const char *s); /* quoted; bytes outside ASCII as \u00XX */
void buf_u16(struct buf *b, uint16_t v);     /* numbers in the host's byte order, as trace.dat has them */
void buf_u32(struct buf *b, uint32_t v);
void buf_u64(struct buf *b, uint64_t v);
void buf_fill(struct buf *b, char c, size_t n);
void buf_free(struct buf *b);
int read_file_at(int dirfd, const char *path, struct buf *b); /* whole file appended, NUL kept after it; 0 or -errno */
bool write_file_at(int dirfd, const char *path, const char *text); /* errno on failure */
bool write_all(int fd, const void *data, size_t n);
bool pwrite_all(int fd, const void *data, size_t n, uint64_t off);
uint64_t clock_ns(int clockid);

/* ---- messages.c: people read stderr, programs read one JSON object per line */
enum msg_level { MSG_INFO, MSG_WARNING, MSG_ERROR };
void msg_setup(int json_fd, bool quiet);
bool msg_has_json(void);
bool msg_json_closed(void); /* whoever read the status lines went away, as far as writing has shown */
bool msg_json_gone(void); /* the same, for who writes none: looks */
void msg(enum msg_level level, const char *code, const char *hint, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* msg(MSG_ERROR), undo what was set up, exit with EXIT_USAGE */
_Noreturn void die(const char *code, const char *hint, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void die_hook(void (*undo)(void));
void msg_json_line(struct buf *line); /* writes line and a newline to the status descriptor */
void msg_progress(const char *line);  /* one rewritten line on a terminal; NULL clears it */
bool msg_wants_progress(void);
bool msg_has_terminal(void); /* somebody sees the progress line */

/* ---- options.c */
struct options {
	const char *output;
	int pids[KC_MAX_IDS], npids;
	int tids[KC_MAX_IDS], ntids;
	const char *cpus; /* as given; NULL all */
	uint8_t cpumask[KC_MAX_CPUS / 8];
	const char *events[KC_MAX_EVENTS];
	int nevents;
	bool detail, sched, only;
	uint64_t duration_ns, max_size, min_free, buffer_bytes; /* 0: not given */
	const char *clock;
	bool text, perf, no_pack, quiet, check;
	int readers;
	int json_fd; /* -1 none */
	const char *tracefs;
	const char *recover;
	bool cleanup;
	char **command; /* after --; NULL none */
	int argc;
	char **argv;
};
void options_parse(struct options *o, int argc, char **argv);

/* ---- tracefs.c: one private instance, made, filled, and removed */
struct event {
	char system[64], name[128];
};
struct tracefs {
	char root[256];
	char instance[320]; /* absolute path; empty: none made */
	int root_fd, dir_fd;
	struct event events[KC_MAX_EVENTS];
	int nevents;
	int ncpu;         /* highest possible CPU number + 1 */
	uint32_t subbuf;  /* bytes of one ring-buffer page as read from trace_pipe_raw */
	uint64_t buffer_bytes; /* per CPU */
	int buffers;      /* CPUs that have one of this size */
	bool small;       /* buffers so small that they fill within milliseconds */
	bool has_percent; /* buffer_percent exists: poll() waits for a filled buffer */
	int free_fd;      /* dead-man switch */
};
void tracefs_find(struct tracefs *t, const char *given, bool change); /* change: or only to be read */
void tracefs_check_other_tracers(struct tracefs *t);
void tracefs_choose_events(struct tracefs *t, const struct options *o);
void tracefs_count_cpus(struct tracefs *t);
uint64_t tracefs_buffer_size(struct tracefs *t, const struct options *o); /* per CPU; refuses what is too much */
void tracefs_make(struct tracefs *t);
void tracefs_apply(struct tracefs *t, const struct options *o);
void tracefs_enable_events(struct tracefs *t);
bool tracefs_on(struct tracefs *t, bool on);
/* A switch of ours that is off although we did not do it; NULL: none is. */
const char *tracefs_switched_off(struct tracefs *t);
/* From now on readers of small buffers are woken when half is filled, as those of others. */
void tracefs_wake_early(struct tracefs *t);
/* Switches an instance off and removes it, by path only, so that the watchdog can do it for a dead parent.
 * Tries for wait_ms while files of it are still open elsewhere. True if it is gone. */
bool tracefs_remove(const char *instance, int wait_ms);
void instance_name(char *name, size_t size); /* of this process */
/* Removes instances of dead recorders; returns how many could not be removed. */
int tracefs_cleanup(struct tracefs *t, bool verbose);
struct totals {
	uint64_t events, lost, left; /* recorded so far; overwritten or dropped; still in the buffer */
};
/* Sums per_cpu/cpuN/stats; with text also appends "CPU: N\n" and the file as trace.dat CPUSTAT options. */
void tracefs_stats(const char *instance, int ncpu, struct totals *sum, struct buf *options);
/* The same once a second, from files that stay open: they keep the instance until they are closed. */
void tracefs_stats_now(struct tracefs *t, struct totals *sum);
void tracefs_stats_close(void);

/* ---- processes.c, newcomers.c, saved.c, vms.c: thread names, thread groups, virtual machines */
void processes_first_scan(int tracefs_root);
void processes_own_thread(void); /* called by a thread of ours that lives while a recording runs */
void processes_look_again(void); /* cheap, once a second: only what is new */
void processes_last_scan(int tracefs_root);
void processes_cmdlines(struct buf *b, bool only_new);
void processes_guest_options(struct buf *b, bool only_new);
void processes_json(struct buf *b); /* "vms":[…],"threads":{…} */
void processes_expand_pids(const struct options *o, struct buf *tids);
void processes_cpu_model(struct buf *b);
bool in_first_pid_namespace(void);

/* ---- datfile.c: the trace.dat being written */
struct cpu_slot {
	uint64_t offset;
	_Atomic uint64_t size;
};
/* In memory shared with the watchdog, so that it knows what the dead recorder had written. */
struct shared {
	char instance[320];
	_Atomic int phase; /* enum phase */
	_Atomic uint32_t beat; /* counts on once a second at least while the recorder records; 0: it does not */
	_Atomic bool held; /* it stood still, and the watchdog switched tracing off */
	_Atomic int perf; /* the process that records in place of an instance; 0: there is none */
	int ncpu;
	uint32_t subbuf;
	uint64_t names_off, names_room; /* blank lines after the names written so far */
	uint64_t table_off, pad_off, pad_size, data_off, region;
	uint64_t min_free;      /* what packing leaves on the disk */
	_Atomic uint64_t spent; /* bytes of ring-buffer pages, reserved by the readers against the size limit */
	struct cpu_slot cpu[];
};
/* Up to the second the file is not worth keeping, from the third on it opens, or is text. */
enum phase { PHASE_NOTHING, PHASE_INSTANCE, PHASE_TEXT, PHASE_FILE, PHASE_FINISHED };
struct shared *shared_new(int ncpu);
int dat_create(const char *path);
int dat_place(void);      /* the folder in which it was made, open */
void dat_remove(int fd); /* what dat_create() made */
void dat_write_header(int fd, struct shared *s, struct tracefs *t, const struct options *o, const struct buf *json);
bool dat_write_table(int fd, struct shared *s);
bool dat_add_names(int fd, struct shared *s);
bool dat_add_options(int fd, struct shared *s, struct buf *options);
void dat_option(struct buf *b, uint16_t id, const void *data, size_t n);
bool in_memory(int fd); /* no disk below it */
/* Waits until these bytes are on the disk. False: the disk refused what the page cache had taken; errno. */
bool dat_settle(int fd, uint64_t at, uint64_t n);
uint64_t round_up(uint64_t v, uint64_t to);
int dat_recover(const char *path, uint64_t min_free); /* 0: the usual */
enum { OPT_CPUSTAT = 2, OPT_TRACECLOCK = 4, OPT_UNAME = 5, OPT_VERSION = 9, OPT_PROCMAPS = 10, OPT_GUEST = 13 };

/* ---- pack.c */
uint64_t free_space(int fd);
uint64_t usual_min_free(int fd);
enum packing { PACK_DONE, PACK_NO_ROOM, PACK_INTERRUPTED, PACK_FAILED }; /* all but the first: left sparse */
/* Moves the CPUs' regions together and cuts the file; the file is valid at every instant. */
enum packing dat_pack(int fd, struct shared *s, bool (*give_up)(void));

/* ---- readers.c */
struct readers;
enum stop_reason { STOP_NOT, STOP_SIGNAL, STOP_DURATION, STOP_SIZE, STOP_DISK_FULL, STOP_DISK_LOW, STOP_COMMAND,
	STOP_TARGET_GONE, STOP_PIPE_CLOSED, STOP_IO_ERROR, STOP_WATCHDOG, STOP_STALLED, STOP_KILLED, STOP_RECOVERED, STOP_COUNT };
extern const char *const stop_names[STOP_COUNT];
struct readers *readers_start(struct tracefs *t, struct shared *s, int out_fd, uint64_t max_size, int count, int wake_fd,
	const struct options *o);
enum stop_reason reason_of(int err); /* why writing failed */
bool disk_refused(int err);          /* not just that the file system has no such call */
enum stop_reason readers_failed(const struct readers *r);
/* What did not reach the file although it was in the kernel's buffer. */
struct unwritten {
	uint64_t dropped; /* bytes that were read, but not written */
	int unread, error; /* CPUs of which not all could be read; errno of the last one */
};
/* Drains what is left, ends the threads, closes their files. Returns what readers_failed() would, also of this last time. */
enum stop_reason readers_finish(struct readers *r, struct unwritten *u);

/* ---- watchdog.c */
struct watchdog {
	pid_t pid;
	int pipe_fd; /* we hold its write end: end of file tells the watchdog that we died */
	int restarts;
};
bool watchdog_start(struct watchdog *w, struct shared *s, int out_fd);
bool beat(struct shared *s); /* tells it that we run; true: it thought that we did not, and nothing is recorded any more */
void watchdog_dismiss(struct watchdog *w);
void watchdog_kill(struct watchdog *w); /* also if it is stopped */
void close_all_but(const int *keep, int n); /* leaves 0 to 2 open, too */

/* ---- other ways to record */
/* Copies trace_pipe until one of the limits, or until `ends` knows a reason; it hears whether a child ended. */
enum stop_reason copy_text(struct tracefs *t, int out, int signals, uint64_t end, uint64_t max_size,
	enum stop_reason (*ends)(bool child), uint64_t *bytes, const char **switched_off);

/* ---- signals.c */
int signals_setup(void);      /* blocks the usual ones, returns a signalfd */
void signals_default(void);   /* for a child before exec; limits, too */
void files_many(void);        /* as many open files as are allowed: one per CPU and more */
bool set_scheduler(int policy, int priority); /* of the calling thread; musl has no such function, only the system call */
void priority_high(void);     /* of the calling thread, while recording */
void priority_realtime_allow(void); /* before any thread calls the next */
void priority_realtime(void);       /* of the calling thread, as long as it pauses often */
bool priority_is_realtime(void);    /* false once a thread was refused, or did not pause */
void priority_usual(void);
int signals_take(int fd, bool *child); /* number of stop signals received since the last call */
pid_t spawn(char *const argv[], bool dies_with_us);

#endif
