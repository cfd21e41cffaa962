/* A growing byte buffer, and whole-file reads and writes. */
#include "capture.h"
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Far above what a header of thousands of threads and hundreds of event formats needs (a few MB). */
#define BUF_MAX (128u << 20)

static void buf_room(struct buf *b, size_t n)
{
	if (n <= b->cap - b->len)
		return;
	if (n > BUF_MAX || b->len + n > BUF_MAX)
		die("internal", "please report this", "a buffer would grow above %u bytes", BUF_MAX);
	size_t cap = b->cap ? b->cap : 4096;
	while (cap < b->len + n)
		cap *= 2;
	char *p = realloc(b->p, cap);
	if (!p)
		die("memory", "free some memory", "out of memory (%zu bytes)", cap);
	b->p = p;
	b->cap = cap;
}

void buf_add(struct buf *b, const void *data, size_t n)
{
	if (!n)
		return;
	buf_room(b, n);
	memcpy(b->p + b->len, data, n);
	b->len += n;
}

void buf_str(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

void buf_fill(struct buf *b, char c, size_t n)
{
	if (!n)
		return;
	buf_room(b, n);
	memset(b->p + b->len, c, n);
	b->len += n;
}

void buf_fmt(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	buf_room(b, 256); /* printed once, not twice, where that is enough */
	for (int tries = 0; tries < 2; tries++) {
		size_t room = b->cap - b->len;
		va_start(ap, fmt);
		int n = vsnprintf(b->p + b->len, room, fmt, ap);
		va_end(ap);
		if (n < 0)
			return;
		if ((size_t)n < room) {
			b->len += (size_t)n;
			return;
		}
		buf_room(b, (size_t)n + 1);
	}
}

void buf_json(struct buf *b, const char *s)
{
	buf_str(b, "\"");
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;
		if (c == '"' || c == '\\')
			buf_fmt(b, "\\%c", c);
		else if (c < 0x20 || c >= 0x7f)
			buf_fmt(b, "\\u%04x", c);
		else
			buf_add(b, s, 1);
	}
	buf_str(b, "\"");
}

void buf_u16(struct buf *b, uint16_t v)
{
	buf_add(b, &v, sizeof v);
}

void buf_u32(struct buf *b, uint32_t v)
{
	buf_add(b, &v, sizeof v);
}

void buf_u64(struct buf *b, uint64_t v)
{
	buf_add(b, &v, sizeof v);
}

void buf_free(struct buf *b)
{
	free(b->p);
	*b = (struct buf){ 0 };
}

int read_file_at(int dirfd, const char *path, struct buf *b)
{
	int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return -errno;
	int err = 0;
	for (;;) {
		buf_room(b, 4097);
		ssize_t n = read(fd, b->p + b->len, 4096);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			err = -errno;
		if (n <= 0)
			break;
		b->len += (size_t)n;
	}
	b->p[b->len] = 0; /* room was made for it */
	close(fd);
	return err;
}

bool write_file_at(int dirfd, const char *path, const char *text)
{
	int fd = openat(dirfd, path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return false;
	bool ok = write_all(fd, text, strlen(text));
	int err = errno;
	if (close(fd) && ok) {
		ok = false;
		err = errno;
	}
	errno = err;
	return ok;
}

bool write_all(int fd, const void *data, size_t n)
{
	const char *p = data;
	while (n) {
		ssize_t w = write(fd, p, n);
		if (w < 0 && errno == EINTR)
			continue;
		if (w <= 0)
			return false;
		p += w;
		n -= (size_t)w;
	}
	return true;
}

bool pwrite_all(int fd, const void *data, size_t n, uint64_t off)
{
	const char *p = data;
	while (n) {
		ssize_t w = pwrite(fd, p, n, (off_t)off);
		if (w < 0 && errno == EINTR)
			continue;
		if (w <= 0)
			return false;
		p += w;
		off += (uint64_t)w;
		n -= (size_t)w;
	}
	return true;
}

uint64_t clock_ns(int clockid)
{
	struct timespec ts;
	if (clock_gettime(clockid, &ts))
		return 0;
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}
