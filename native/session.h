/* The one recording that a process makes. */
#ifndef KVMTRACE_SESSION_H
#define KVMTRACE_SESSION_H
#include "capture.h"

struct session {
	struct options o;
	struct tracefs t;
	struct shared *s;
	struct watchdog dog;
	int out_fd, signals, wake;
	uint64_t start_mono, start_boot, start_real, stop_mono, stop_boot, stop_real, synced;
	pid_t command;
	enum stop_reason why;
	struct unwritten unwritten;
	const char *switched_off; /* by somebody else; NULL: nothing */
	_Atomic int disk_error; /* errno of a disk that refused what had been written; 0 none */
	_Atomic bool disk_is_low; /* less free than --min-free */
	struct totals totals;
};
extern struct session self;

/* limits.c */
void check_disk(int fd); /* fills in the limits that were not given; refuses what does not fit */
bool disk_low(int fd);
/* Once a second, at what costs something to look at, for a reason to end. -1: somebody else looks at the disk. */
void look_around(int disk_fd);

/* perf.c */
int run_perf(void);

/* keeper.c */
void keeper_start(void);
void keeper_finish(void);

/* report.c */
void report_description(struct buf *b, const char *phase); /* the JSON inside the file, phase "start" or "end" */
void report_start(void);
void report_watchdog(void); /* another one than at the start */
void report_status(uint64_t now, uint64_t *events_before);
void report_end(enum packing packed);
void report_text_end(uint64_t bytes);
bool ended_badly(void); /* a failure, not a limit that was asked for, ended it */
bool cut_short(void); /* that, or its end is not all in the file */

#endif
