/*
 * The pages of one CPU, from its ring buffer to the file: within the size limit, and nothing that is not written goes
 * unsaid.
 */
#include "readers.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

static void fail(struct readers *all, enum stop_reason why)
{
	int none = STOP_NOT;
	if (atomic_compare_exchange_strong(&all->failed, &none, (int)why)) {
		uint64_t one = 1;
		ssize_t ignored = write(all->wake_fd, &one, sizeof one); /* an eventfd: cannot be full */
		(void)ignored;
	}
}

enum stop_reason reason_of(int err)
{
	return err == ENOSPC || err == EDQUOT ? STOP_DISK_FULL : err == EFBIG ? STOP_SIZE : STOP_IO_ERROR;
}

bool disk_refused(int err)
{
	return err == EIO || err == ENOSPC || err == EDQUOT;
}

/* Takes up to want bytes of the size limit and of the CPU's region; returns how much there was, in whole pages. */
static size_t reserve(struct readers *all, struct cpu_slot *slot, size_t want)
{
	uint64_t page = all->shared->subbuf, room = all->shared->region - slot->size;
	if (want > room)
		want = (size_t)room;
	uint64_t before = atomic_fetch_add(&all->shared->spent, want);
	uint64_t left = before < all->max_size ? all->max_size - before : 0;
	size_t got = want < left ? want : (size_t)(left / page * page);
	if (got < want)
		atomic_fetch_sub(&all->shared->spent, want - got);
	return got;
}

/* Whether not even a page fits any more. Otherwise other readers have taken what they will give back in a moment. */
static bool used_up(const struct readers *all, const struct cpu_slot *slot)
{
	uint64_t page = all->shared->subbuf, sum = page;
	if (slot->size + page > all->shared->region)
		return true;
	for (int c = 0; c < all->shared->ncpu; c++)
		sum += atomic_load_explicit(&all->shared->cpu[c].size, memory_order_relaxed);
	return sum > all->max_size;
}

/* Forgets what is in the pipe after a failed write. */
static void empty_pipe(struct reader *r, size_t n)
{
	r->dropped += n;
	while (n) {
		ssize_t got = read(r->pipe[0], r->page, n < r->all->shared->subbuf ? n : r->all->shared->subbuf);
		if (got <= 0 && errno != EINTR)
			return;
		n -= got > 0 ? (size_t)got : 0;
	}
}

static bool nothing_there(int err)
{
	return err == EAGAIN || err == ENODATA || err == ENODEV; /* ENODEV: a CPU that was never online */
}

/* The kernel refuses what is in a buffer. While recording, that ends it; at the end it concerns this CPU alone. */
static void cannot_read(struct reader *r, struct cpu *cpu, int err)
{
	r->unread++;
	r->error = err;
	if (!atomic_load(&r->all->stopping))
		fail(r->all, STOP_IO_ERROR);
	close(cpu->raw);
	cpu->raw = -1;
}

size_t drain(struct reader *r, struct cpu *cpu)
{
	struct readers *all = r->all;
	struct cpu_slot *slot = &all->shared->cpu[cpu->number];
	size_t page = all->shared->subbuf, total = 0;
	while (cpu->raw >= 0 && !atomic_load_explicit(&all->failed, memory_order_relaxed)) {
		size_t want = reserve(all, slot, r->pipe_size);
		if (!want) {
			if (used_up(all, slot))
				fail(all, STOP_SIZE);
			break;
		}
		ssize_t got = splice(cpu->raw, NULL, r->pipe[1], NULL, want, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
		if (got <= 0) {
			atomic_fetch_sub(&all->shared->spent, want);
			/* ENOMEM: no page to put in the place of a full one just now; the next round, or drain_rest(), tries again */
			if (got < 0 && !nothing_there(errno) && errno != EINTR && errno != ENOMEM)
				cannot_read(r, cpu, errno);
			break;
		}
		if ((size_t)got < want)
			atomic_fetch_sub(&all->shared->spent, want - (size_t)got);
		size_t left = (size_t)got;
		loff_t at = (loff_t)(slot->offset + slot->size);
		while (left) {
			ssize_t put = splice(r->pipe[0], NULL, all->out_fd, &at, left, SPLICE_F_MOVE | SPLICE_F_MORE);
			if (put < 0 && errno == EINTR)
				continue;
			if (put <= 0) {
				fail(all, put ? reason_of(errno) : STOP_IO_ERROR);
				empty_pipe(r, left);
				break;
			}
			left -= (size_t)put;
		}
		/* only whole pages count: a page cut by a full disk is not part of the file */
		size_t kept = ((size_t)got - left) / page * page;
		atomic_store_explicit(&slot->size, slot->size + kept, memory_order_release);
		atomic_fetch_sub(&all->shared->spent, (size_t)got - kept);
		total += kept;
		if (left || (size_t)got < want || total > all->buffer_bytes)
			break; /* the next CPU's turn */
	}
	return total;
}

/* The page being filled when tracing stopped: only read() gives it, padded to a whole page. */
void drain_rest(struct reader *r, struct cpu *cpu)
{
	struct readers *all = r->all;
	struct cpu_slot *slot = &all->shared->cpu[cpu->number];
	size_t page = all->shared->subbuf;
	while (drain(r, cpu))
		;
	while (cpu->raw >= 0 && !atomic_load(&all->failed)) {
		if (!reserve(all, slot, page)) {
			if (used_up(all, slot)) {
				fail(all, STOP_SIZE);
				return;
			}
			poll(NULL, 0, 1);
			continue;
		}
		memset(r->page, 0, page);
		ssize_t got = read(cpu->raw, r->page, page);
		if (got <= 0) {
			int err = got < 0 ? errno : EAGAIN;
			atomic_fetch_sub(&all->shared->spent, page);
			if (err == EINTR)
				continue;
			if (err == ENOMEM && r->patience-- > 0) { /* memory may come back in a moment */
				poll(NULL, 0, 20);
				continue;
			}
			if (!nothing_there(err))
				cannot_read(r, cpu, err);
			return;
		}
		if (!pwrite_all(all->out_fd, r->page, page, slot->offset + slot->size)) {
			fail(all, reason_of(errno));
			r->dropped += page;
			return;
		}
		atomic_store_explicit(&slot->size, slot->size + page, memory_order_release);
	}
}
