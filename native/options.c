/* Command line. Everything is checked here, so that the rest can trust it. */
#include "capture.h"
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
	"kvmtrace-capture " KC_VERSION ": records KVM tracepoints of this host into a standard trace.dat\n"
	"\n"
	"  kvmtrace-capture -o FILE [options] [-- COMMAND ...]\n"
	"\n"
	"What\n"
	"  (nothing)            every VM: kvm_exit, kvm_entry, kvm_userspace_exit\n"
	"  --detail             also pio, mmio, msr, cpuid, hypercalls, page faults, nesting, halt polling, wakeups\n"
	"  --sched              also sched_switch, sched_wakeup, sched_migrate_task\n"
	"  -e EVENT             also EVENT (system:name, patterns allowed; repeatable)\n"
	"  --only               only the -e events\n"
	"  -p PID[,PID]         only these processes, with all their threads, also new ones\n"
	"  -t TID[,TID]         only these threads\n"
	"  -C CPUS              only on these CPUs (0-3,8)\n"
	"How long and how much\n"
	"  -d TIME              stop after TIME (10, 10s, 500ms, 2m)\n"
	"  -s, --max-size SIZE  stop at SIZE (default: 4G, at most half of the free space)\n"
	"  --min-free SIZE      stop when less is free on the disk (default: 256M or 5 % of it, the smaller)\n"
	"  -b SIZE              ring buffer per CPU (default: 4M, all together 1G and 1/32 of the free memory at most)\n"
	"  -- COMMAND           record while COMMAND runs\n"
	"How\n"
	"  -o FILE              new file; is never overwritten, no symbolic links, mode 0600\n"
	"  --clock NAME         trace clock (default mono, the clock of QEMU's own traces)\n"
	"  --text               trace_pipe text to FILE, or to standard output\n"
	"  --backend perf       run this host's perf record with the same selection instead\n"
	"  --readers N          reader threads (default: one per 32 CPUs)\n"
	"  --no-pack            leave the file sparse instead of moving the CPUs' parts together at the end\n"
	"  --tracefs DIR        mount point of tracefs\n"
	"  --status-json[=FD]   one JSON object per line on FD (default 2) instead of messages\n"
	"  -q                   errors only\n"
	"Other\n"
	"  --check              check whether this host can record now, change nothing\n"
	"  --cleanup            remove what a crash of the machine or of a recorder left behind\n"
	"  --recover FILE       finish a file whose recorder and watchdog were both killed\n"
	"  -h, --help           --version\n"
	"\n"
	"Stop with Ctrl-C. Exit status: 0 recorded, 1 recorded but cut short by a failure, 2 nothing recorded.\n";

static _Noreturn void bad(const char *option, const char *value, const char *expected)
{
	die("usage", "see kvmtrace-capture --help", "%s %s: expected %s", option, value, expected);
}

/* "4", "4K", "4M", "4G", "4GiB"; plain numbers count as unit */
static uint64_t parse_size(const char *option, const char *v, uint64_t unit)
{
	char *end;
	errno = 0;
	unsigned long long n = strtoull(v, &end, 10);
	uint64_t mult = unit;
	if (v[0] < '0' || v[0] > '9' || errno)
		bad(option, v, "a size such as 512K, 64M or 2G");
	if (*end) {
		const char *suffixes = "KMGT", *s = strchr(suffixes, *end & ~0x20);
		if (!s || !*s || (end[1] && strcasecmp(end + 1, "b") && strcasecmp(end + 1, "ib")))
			bad(option, v, "a size such as 512K, 64M or 2G");
		mult = 1024;
		for (const char *c = suffixes; c < s; c++)
			mult *= 1024;
	}
	if (!n || n > (UINT64_MAX >> 8) / mult) /* >> 8: room for sums of sizes without overflow */
		bad(option, v, "a size above 0 and below 64 PiB");
	return n * mult;
}

static uint64_t parse_duration(const char *v)
{
	char *end;
	errno = 0;
	double n = strtod(v, &end), scale = 1;
	if (!strcmp(end, "ms"))
		scale = 1e-3;
	else if (!strcmp(end, "m"))
		scale = 60;
	else if (!strcmp(end, "h"))
		scale = 3600;
	else if (*end && strcmp(end, "s"))
		bad("-d", v, "a time such as 10, 500ms, 2m");
	n *= scale;
	if (end == v || errno || !(n >= 0.001 && n <= 1e8))
		bad("-d", v, "a time from 1ms up");
	return (uint64_t)(n * 1e9);
}

static void parse_ids(const char *option, const char *v, int *ids, int *n)
{
	for (const char *p = v;;) {
		char *end;
		errno = 0;
		long id = strtol(p, &end, 10);
		if (end == p || errno || id < 1 || id > INT_MAX || (*end && *end != ','))
			bad(option, v, "numbers separated by commas");
		if (*n == KC_MAX_IDS)
			bad(option, v, "at most 4096 numbers");
		ids[(*n)++] = (int)id;
		if (!*end)
			return;
		p = end + 1;
	}
}

static void parse_cpus(const char *v, uint8_t *mask)
{
	for (const char *p = v;;) {
		char *end;
		long a = strtol(p, &end, 10), b = a;
		if (end == p || a < 0 || a >= KC_MAX_CPUS)
			bad("-C", v, "CPU numbers such as 0-3,8");
		if (*end == '-') {
			p = end + 1;
			b = strtol(p, &end, 10);
			if (end == p || b < a || b >= KC_MAX_CPUS)
				bad("-C", v, "CPU numbers such as 0-3,8");
		}
		for (long c = a; c <= b; c++)
			mask[c / 8] |= (uint8_t)(1 << (c % 8));
		if (!*end)
			return;
		if (*end != ',')
			bad("-C", v, "CPU numbers such as 0-3,8");
		p = end + 1;
	}
}

static int parse_int(const char *option, const char *v, int min, int max)
{
	char *end;
	errno = 0;
	long n = strtol(v, &end, 10);
	if (end == v || *end || errno || n < min || n > max)
		bad(option, v, "a small number");
	return (int)n;
}

/* Names go into paths below tracefs: no separators beyond the one between system and event, no dots. */
static bool event_name_ok(const char *v)
{
	if (!*v || strlen(v) > 150)
		return false;
	int separators = 0;
	for (; *v; v++) {
		if (*v == ':' || *v == '/')
			separators++;
		else if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-*?[]", *v))
			return false;
	}
	return separators <= 1;
}

/*
 * The descriptor must have come from whoever started us: another number would soon be that of a file of ours, and status
 * lines would go into the recording, or tell the watchdog that all is well. It is not for our children.
 */
static int json_fd_of(const char *v)
{
	int fd = parse_int("--status-json", v, 1, 1023), flags = fcntl(fd, F_GETFL);
	if (flags < 0 || (flags & O_ACCMODE) == O_RDONLY)
		die("usage", "open it, as a shell does: kvmtrace-capture --status-json=3 … 3>status.jsonl",
			"--status-json=%d: descriptor %d is not open for writing", fd, fd);
	if (fd > 2)
		fcntl(fd, F_SETFD, FD_CLOEXEC);
	return fd;
}

/* Status lines must start before the first message, so this option is looked at before the others. */
static int early_json_fd(int argc, char **argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--"); i++) {
		if (!strcmp(argv[i], "--status-json"))
			return 2;
		if (!strncmp(argv[i], "--status-json=", 14))
			return json_fd_of(argv[i] + 14);
	}
	return -1;
}

enum { O_DETAIL = 256, O_SCHED, O_ONLY, O_MINFREE, O_CLOCK, O_TEXT, O_BACKEND, O_READERS, O_NOPACK, O_TRACEFS,
	O_JSON, O_CHECK, O_CLEANUP, O_RECOVER, O_VERSION };

void options_parse(struct options *o, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "output", 1, 0, 'o' }, { "pid", 1, 0, 'p' }, { "tid", 1, 0, 't' }, { "cpu", 1, 0, 'C' },
		{ "event", 1, 0, 'e' }, { "duration", 1, 0, 'd' }, { "max-size", 1, 0, 's' }, { "buffer", 1, 0, 'b' },
		{ "quiet", 0, 0, 'q' }, { "help", 0, 0, 'h' }, { "detail", 0, 0, O_DETAIL }, { "sched", 0, 0, O_SCHED },
		{ "only", 0, 0, O_ONLY }, { "min-free", 1, 0, O_MINFREE }, { "clock", 1, 0, O_CLOCK },
		{ "text", 0, 0, O_TEXT }, { "backend", 1, 0, O_BACKEND }, { "readers", 1, 0, O_READERS },
		{ "no-pack", 0, 0, O_NOPACK }, { "tracefs", 1, 0, O_TRACEFS }, { "status-json", 2, 0, O_JSON },
		{ "check", 0, 0, O_CHECK }, { "cleanup", 0, 0, O_CLEANUP }, { "recover", 1, 0, O_RECOVER },
		{ "version", 0, 0, O_VERSION }, { 0, 0, 0, 0 },
	};
	o->json_fd = early_json_fd(argc, argv);
	o->clock = "mono";
	o->argc = argc;
	o->argv = argv;
	msg_setup(o->json_fd, false);
	int c;
	/* '+': stop at the first word that is no option, so that COMMAND's own options stay its own */
	while ((c = getopt_long(argc, argv, "+:o:p:t:C:e:d:s:b:qh", longs, NULL)) != -1) {
		switch (c) {
		case 'o': o->output = optarg; break;
		case 'p': parse_ids("-p", optarg, o->pids, &o->npids); break;
		case 't': parse_ids("-t", optarg, o->tids, &o->ntids); break;
		case 'C': o->cpus = optarg; parse_cpus(optarg, o->cpumask); break;
		case 'd': o->duration_ns = parse_duration(optarg); break;
		case 's': o->max_size = parse_size("--max-size", optarg, 1); break;
		case 'b': o->buffer_bytes = parse_size("-b", optarg, 1024); break;
		case 'q': o->quiet = true; break;
		case 'h': fputs(usage, stdout); exit(EXIT_OK);
		case 'e':
			if (!event_name_ok(optarg))
				bad("-e", optarg, "an event such as kvm:kvm_pio");
			if (o->nevents == KC_MAX_EVENTS)
				bad("-e", optarg, "fewer events");
			o->events[o->nevents++] = optarg;
			break;
		case O_DETAIL: o->detail = true; break;
		case O_SCHED: o->sched = true; break;
		case O_ONLY: o->only = true; break;
		case O_MINFREE: o->min_free = parse_size("--min-free", optarg, 1); break;
		case O_CLOCK: o->clock = optarg; break;
		case O_TEXT: o->text = true; break;
		case O_BACKEND:
			if (strcmp(optarg, "perf") && strcmp(optarg, "tracefs"))
				bad("--backend", optarg, "tracefs or perf");
			o->perf = !strcmp(optarg, "perf");
			break;
		case O_READERS: o->readers = parse_int("--readers", optarg, 1, 64); break;
		case O_NOPACK: o->no_pack = true; break;
		case O_TRACEFS: o->tracefs = optarg; break;
		case O_JSON: break;
		case O_CHECK: o->check = true; break;
		case O_CLEANUP: o->cleanup = true; break;
		case O_RECOVER: o->recover = optarg; break;
		case O_VERSION: puts("kvmtrace-capture " KC_VERSION); exit(EXIT_OK);
		case ':': die("usage", "see kvmtrace-capture --help", "%s: a value is missing", argv[optind - 1]);
		default:
			if (optopt && optopt < 256)
				die("usage", "see kvmtrace-capture --help", "unknown option -%c", optopt);
			die("usage", "see kvmtrace-capture --help", optopt ? "%s: no value expected" : "unknown option %s", argv[optind - 1]);
		}
	}
	msg_setup(o->json_fd, o->quiet);
	if (optind < argc) {
		if (strcmp(argv[optind - 1], "--"))
			die("usage", "see kvmtrace-capture --help", "unexpected argument %s (a command goes after --)", argv[optind]);
		o->command = argv + optind;
	}
	if (o->only && !o->nevents)
		die("usage", "name them: --only -e kvm:kvm_exit", "--only without -e records nothing");
	if (o->perf && (o->text || o->command))
		die("usage", NULL, "--backend perf takes neither --text nor a command");
	if (!o->output && !o->text && !o->check && !o->cleanup && !o->recover)
		die("usage", "see kvmtrace-capture --help", "where to? -o FILE is missing");
	for (const char *p = o->clock; *p; p++)
		if (!strchr("abcdefghijklmnopqrstuvwxyz0123456789_-", *p))
			bad("--clock", o->clock, "a clock of trace_clock such as mono");
}
