/* Shared by processes.c, newcomers.c, saved.c and vms.c. */
#ifndef KVMTRACE_PROCESSES_H
#define KVMTRACE_PROCESSES_H
#include "capture.h"

struct thread {
	int tid, tgid; /* tgid 0: unknown */
	bool is_new;   /* not in the table written at the start */
	char comm[16];
};
extern struct thread *threads; /* sorted by tid */
extern int nthreads;
extern bool first_scan;
int thread_index(int tid); /* where tid is, or would be */
bool known(int tid);
void put_thread(int tid, int tgid, const char *comm); /* tgid 0: not known */
int number(const char *s); /* the name of a folder in /proc; 0: none of a process or thread */
int open_comm(int pid, int tid);
void read_comm(int fd, int pid, int tid);
void scan_thread(int pid, int tid);
bool single_threaded(int pid);
void scan_process(int pid);
bool is_recent(int pid); /* newcomers.c */
void newcomers_begin(void); /* threads that are made from now on are new */
bool grow(void **p, int *cap, int n, size_t size, int max);
bool read_small(const char *path, char *out, size_t n);
void saved_names_first(int tracefs_root);
void saved_names_new(int tracefs_root, void (*found)(int tid, const char *name)); /* of what was not there at first */
void vms_scan_debugfs(bool only_recent);
void vms_scan_names(bool only_new);
void vms_json(struct buf *b);

#endif
