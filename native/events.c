/* Which events to record, as far as this kernel has them. */
#include "capture.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <string.h>
#include <unistd.h>

/*
 * Never the whole kvm system: some of its events (kvm_emulate_insn, the MMU notifiers' kvm_age_hva …) come by the
 * million per second on some hosts. Names of other architectures and of older kernels are listed beside the usual ones.
 */
static const char *const base[] = {
	"kvm:kvm_exit", "kvm:kvm_entry", "kvm:kvm_userspace_exit",
	"kvm:kvm_enter", "kvm:kvm_reenter", "kvm:kvm_out", /* loongarch, mips */
	"kvm:kvm_exit_*", /* loongarch: kvm_exit_idle, _cache, _cpucfg, _csr, _gspr */
	"kvm:kvm_s390_sie_enter", "kvm:kvm_s390_sie_exit", "kvm-s390:kvm_s390_sie_enter", "kvm-s390:kvm_s390_sie_exit",
	"kvm_hv:kvm_guest_enter", "kvm_hv:kvm_guest_exit", "kvm_pr:kvm_exit", "kvm_booke:kvm_exit", /* powerpc */
};
static const char *const detail[] = {
	"kvm:kvm_pio", "kvm:kvm_mmio", "kvm:kvm_fast_mmio", "kvm:kvm_msr", "kvm:kvm_cpuid", "kvm:kvm_cr",
	"kvm:kvm_hypercall", "kvm:kvm_hv_hypercall", "kvm:kvm_xen_hypercall", "kvm:kvm_page_fault",
	"kvm:kvm_nested_vmenter", "kvm:kvm_nested_vmrun", /* the second in 5.10, the first in 6.1 */
	"kvm:kvm_nested_vmexit", "kvm:kvm_nested_vmexit_inject", "kvm:kvm_nested_intr_vmexit",
	"kvm:kvm_halt_poll_ns", "kvm:kvm_vcpu_wakeup",
	"kvm:kvm_vmgexit_enter", "kvm:kvm_rmp_fault", /* SEV-ES and SNP guests */
	"kvm:kvm_guest_fault", "kvm:kvm_wfx_arm64", "kvm:kvm_hvc_arm64", "kvm:kvm_mmio_nisv", "kvm:kvm_sys_access",
	"kvm:kvm_iocsr", "kvm:kvm_s390_intercept_*",
};
static const char *const sched[] = { "sched:sched_switch", "sched:sched_wakeup", "sched:sched_migrate_task" };

static void add_event(struct tracefs *t, const char *system, const char *name)
{
	for (int i = 0; i < t->nevents; i++)
		if (!strcmp(t->events[i].system, system) && !strcmp(t->events[i].name, name))
			return;
	struct event *e = &t->events[t->nevents];
	if (strlen(system) >= sizeof e->system || strlen(name) >= sizeof e->name)
		return;
	if (t->nevents == KC_MAX_EVENTS)
		die("too-many-events", "name fewer events", "more than %d events match", KC_MAX_EVENTS);
	strcpy(e->system, system);
	strcpy(e->name, name);
	t->nevents++;
}

static int scan_system(struct tracefs *t, const char *system, const char *pattern)
{
	char path[320];
	snprintf(path, sizeof path, "events/%s", system);
	int fd = openat(t->root_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), n = 0;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	if (!d) {
		if (fd >= 0)
			close(fd);
		return 0;
	}
	for (struct dirent *e; (e = readdir(d));) {
		if (e->d_name[0] == '.' || e->d_type != DT_DIR || fnmatch(pattern, e->d_name, 0))
			continue;
		add_event(t, system, e->d_name);
		n++;
	}
	closedir(d);
	return n;
}

/* "system:name", "system/name" or "name" (any system); either part may be a pattern. Returns how many matched. */
static int add_pattern(struct tracefs *t, const char *spec)
{
	char system[160] = "*", name[160];
	const char *sep = strpbrk(spec, ":/");
	if (sep) {
		snprintf(system, sizeof system, "%.*s", (int)(sep - spec), spec);
		spec = sep + 1;
	}
	snprintf(name, sizeof name, "%s", spec);
	if (!strpbrk(system, "*?["))
		return scan_system(t, system, name);
	int fd = openat(t->root_fd, "events", O_RDONLY | O_DIRECTORY | O_CLOEXEC), n = 0;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	if (!d) {
		if (fd >= 0)
			close(fd);
		return 0;
	}
	for (struct dirent *e; (e = readdir(d));)
		if (e->d_name[0] != '.' && e->d_type == DT_DIR && !fnmatch(system, e->d_name, 0))
			n += scan_system(t, e->d_name, name);
	closedir(d);
	return n;
}

static int add_list(struct tracefs *t, const char *const *list, size_t n)
{
	int found = 0;
	for (size_t i = 0; i < n; i++)
		found += add_pattern(t, list[i]);
	return found;
}

#define COUNT(a) (sizeof(a) / sizeof *(a))

void tracefs_choose_events(struct tracefs *t, const struct options *o)
{
	t->nevents = 0;
	if (!o->only && !add_list(t, base, COUNT(base)))
		die("no-kvm-events", "load KVM first: modprobe kvm_intel, or kvm_amd; then a VM can run and be recorded",
			"this kernel has no KVM exit events in %s/events (is KVM loaded?)", t->root);
	if (!o->only && o->detail)
		add_list(t, detail, COUNT(detail));
	if (!o->only && o->sched)
		add_list(t, sched, COUNT(sched));
	for (int i = 0; i < o->nevents; i++)
		if (!add_pattern(t, o->events[i]))
			die("unknown-event", "look for it in tracefs: ls /sys/kernel/tracing/events/*/", "no event matches %s",
				o->events[i]);
	int kvm = 0;
	for (int i = 0; i < t->nevents; i++)
		kvm += !strcmp(t->events[i].system, "kvm");
	if (kvm > 50)
		msg(MSG_WARNING, "many-events", "some KVM events come by the million per second: record only what you need",
			"%d kvm events chosen", kvm);
}

static bool is_off(struct tracefs *t, const char *path)
{
	struct buf b = { 0 };
	bool off = !read_file_at(t->dir_fd, path, &b) && b.len && b.p[0] == '0';
	buf_free(&b);
	return off;
}

const char *tracefs_switched_off(struct tracefs *t)
{
	static char name[256];
	if (is_off(t, "tracing_on"))
		return "tracing_on";
	for (int i = 0; i < t->nevents; i++) {
		snprintf(name, sizeof name, "events/%s/%s/enable", t->events[i].system, t->events[i].name);
		if (is_off(t, name))
			return name;
	}
	return NULL;
}

void tracefs_enable_events(struct tracefs *t)
{
	for (int i = 0; i < t->nevents; i++) {
		char path[256];
		snprintf(path, sizeof path, "events/%s/%s/enable", t->events[i].system, t->events[i].name);
		if (!write_file_at(t->dir_fd, path, "1"))
			die("enable", NULL, "cannot switch on %s:%s: %s", t->events[i].system, t->events[i].name, strerror(errno));
	}
}
