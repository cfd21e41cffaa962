/* Shared by tracefs.c and ringbuffer.c: settings of the instance. */
#ifndef KVMTRACE_TRACEFS_H
#define KVMTRACE_TRACEFS_H
#include "capture.h"

const char *refused(int err, const char *otherwise); /* the hint where even root is refused */
void must_write(struct tracefs *t, const char *file, const char *text, const char *hint);
void may_write(struct tracefs *t, const char *file, const char *text, const char *consequence);
/* ringbuffer.c */
void set_buffer_size(struct tracefs *t, const struct options *o);
void set_cpumask(struct tracefs *t, const struct options *o);
bool set_buffer_percent(struct tracefs *t, bool late);
uint32_t page_size_of(const char *header_page);

#endif
