/* What a recording may take of the disk, and other reasons for it to end that have to be looked for. */
#include "session.h"
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/statvfs.h>

/* Fills in the limits that were not given; refuses what does not fit. */
void check_disk(int fd)
{
	uint64_t space = free_space(fd);
	if (!self.o.min_free)
		self.o.min_free = usual_min_free(fd);
	if (space < self.o.min_free + (4 << 20))
		die("disk", "free some, choose another place with -o, or lower --min-free",
			"only %llu MB free on the disk (of which --min-free keeps %llu)", (unsigned long long)(space >> 20),
			(unsigned long long)(self.o.min_free >> 20));
	uint64_t room = space - self.o.min_free, usual = space / 2 < 4ull << 30 ? space / 2 : 4ull << 30;
	if (!self.o.max_size)
		self.o.max_size = usual < room ? usual : room;
	else if (self.o.max_size > room)
		die("disk", "give a smaller --max-size, or another place with -o",
			"--max-size of %llu MB does not fit into %llu MB free (of which --min-free keeps %llu)",
			(unsigned long long)(self.o.max_size >> 20), (unsigned long long)(space >> 20),
			(unsigned long long)(self.o.min_free >> 20));
}

static bool target_gone(void)
{
	if (!self.o.npids && !self.o.ntids)
		return false;
	for (int i = 0; i < self.o.npids; i++)
		if (!kill(self.o.pids[i], 0) || errno != ESRCH)
			return false;
	for (int i = 0; i < self.o.ntids; i++)
		if (!kill(self.o.tids[i], 0) || errno != ESRCH)
			return false;
	return true;
}

bool disk_low(int fd)
{
	struct statvfs v;
	return !fstatvfs(fd, &v) && (uint64_t)v.f_bavail * v.f_frsize < self.o.min_free;
}

void look_around(int disk_fd)
{
	if (msg_json_closed())
		self.why = STOP_PIPE_CLOSED;
	else if (target_gone())
		self.why = STOP_TARGET_GONE;
	else if (disk_fd >= 0 && disk_low(disk_fd))
		self.why = STOP_DISK_LOW;
}
