/* Which thread is which vCPU of which VM: from KVM itself where debugfs is mounted, else by the threads' names. */
#include "processes.h"
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_VMS 8192
#define MAX_VCPUS 65536

struct vcpu {
	int pid, tid, index;
	bool is_new;
};
static struct vcpu *vcpus;
static int nvcpus, cap_vcpus;

/* Names are taken when a VM is first seen: at the end it may be gone. */
struct vm {
	int pid;
	char name[124];
};
static struct vm *vms;
static int nvms, cap_vms;

/* The VM's name: QEMU's -name (guest=NAME,… or NAME,…), else the process's own. */
static void find_name(int pid, char *out, size_t size)
{
	static char line[65536];
	char path[64];
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
			snprintf(out, size, "%.*s", (int)(len < size ? len : size - 1), guest);
		return;
	}
}

static struct vm *vm_of(int pid)
{
	for (int i = 0; i < nvms; i++)
		if (vms[i].pid == pid)
			return &vms[i];
	return NULL;
}

static const char *vm_name(int pid)
{
	struct vm *vm = vm_of(pid);
	return vm ? vm->name : "";
}

static void put_vcpu(int pid, int tid, int index)
{
	if (!vm_of(pid) && grow((void **)&vms, &cap_vms, nvms, sizeof *vms, MAX_VMS)) {
		vms[nvms].pid = pid;
		find_name(pid, vms[nvms].name, sizeof vms[nvms].name);
		nvms++;
	}
	for (int i = 0; i < nvcpus; i++)
		if (vcpus[i].tid == tid) {
			if (vcpus[i].pid != pid || vcpus[i].index != index)
				vcpus[i] = (struct vcpu){ pid, tid, index, true };
			return;
		}
	if (grow((void **)&vcpus, &cap_vcpus, nvcpus, sizeof *vcpus, MAX_VCPUS))
		vcpus[nvcpus++] = (struct vcpu){ pid, tid, index, !first_scan };
}

/* KVM's own word, if debugfs is mounted: /sys/kernel/debug/kvm/<pid>-<fd>/vcpu<N>/pid holds the vCPU's thread (6.1; not 5.10). */
void vms_scan_debugfs(bool only_recent)
{
	static const char root[] = "/sys/kernel/debug/kvm";
	static nlink_t links_before;
	static bool came_before;
	struct stat st;
	if (stat(root, &st))
		return;
	/* A VM that comes changes the number of links; it may make its vCPUs until the next look. */
	bool came = st.st_nlink != links_before;
	links_before = st.st_nlink;
	if (only_recent && !came && !came_before)
		return;
	came_before = came && only_recent; /* what a full look found belongs to processes that are not recent */
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
void vms_scan_names(bool only_new)
{
	static const char *const forms[] = { "CPU %d/KV%n", "vcpu%d%n", "fc_vcpu %d%n", "crosvm_vcpu%d%n" };
	for (int i = 0; i < nthreads; i++) {
		if (only_new && !threads[i].is_new)
			continue;
		for (size_t f = 0; f < sizeof forms / sizeof *forms; f++) {
			int index = -1, end = 0;
			if (strncmp(threads[i].comm, forms[f], 3)) /* nearly always; sscanf is slow */
				continue;
			if (threads[i].tgid && sscanf(threads[i].comm, forms[f], &index, &end) == 1 && end && index >= 0) {
				bool have = false;
				for (int v = 0; v < nvcpus && !have; v++)
					have = vcpus[v].tid == threads[i].tid;
				if (!have)
					put_vcpu(threads[i].tgid, threads[i].tid, index);
			}
		}
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
	for (int i = 0; i < nvcpus;) {
		int end = i, n = 0;
		for (; end < nvcpus && vcpus[end].pid == vcpus[i].pid; end++)
			n += !only_new || vcpus[end].is_new;
		if (n) {
			const char *name = vm_name(vcpus[i].pid);
			struct buf o = { 0 };
			buf_add(&o, name, strlen(name) + 1);
			buf_u64(&o, (uint64_t)0x6b766d74 << 32 | (uint32_t)vcpus[i].pid);
			buf_u32(&o, (uint32_t)(end - i));
			for (int k = i; k < end; k++) {
				buf_u32(&o, (uint32_t)vcpus[k].index);
				buf_u32(&o, (uint32_t)vcpus[k].tid);
			}
			dat_option(b, OPT_GUEST, o.p, o.len);
			buf_free(&o);
		}
		i = end;
	}
}

void vms_json(struct buf *b)
{
	buf_str(b, "\"vms\":[");
	if (nvcpus)
		qsort(vcpus, (size_t)nvcpus, sizeof *vcpus, vcpu_order);
	for (int i = 0; i < nvcpus;) {
		int pid = vcpus[i].pid;
		buf_fmt(b, "%s{\"pid\":%d,\"name\":", i ? "," : "", pid);
		buf_json(b, vm_name(pid));
		buf_str(b, ",\"vcpus\":[");
		for (bool first = true; i < nvcpus && vcpus[i].pid == pid; i++, first = false)
			buf_fmt(b, "%s[%d,%d]", first ? "" : ",", vcpus[i].index, vcpus[i].tid);
		buf_str(b, "]}");
	}
	buf_str(b, "]");
}
