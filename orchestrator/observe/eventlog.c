/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "orchestrator/observe/eventlog.h"
#include "base/cleanup.h"
#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

struct eventlog {
	int fd;
	int error;
	bool has_zero;
	int64_t zero_ns;
};

int eventlog_open(const char *path, struct eventlog **out, struct err *err)
{
	struct eventlog *log = calloc(1, sizeof(*log));

	if (!log)
		return err_errno(err, ENOMEM, "%s", path);
	log->fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
	if (log->fd < 0) {
		int code = errno;

		free(log);
		return err_errno(err, code, "%s", path);
	}
	*out = log;
	return 0;
}

struct eventlog *eventlog_close(struct eventlog *log)
{
	if (log) {
		close(log->fd);
		free(log);
	}
	return NULL;
}

void eventlog_set_zero(struct eventlog *log, int64_t mono_ns)
{
	log->has_zero = true;
	log->zero_ns = mono_ns;
}

int eventlog_error(const struct eventlog *log)
{
	return log->error;
}

/* One write() as a rule; what a full disk or a signal cut short is completed,
 * or else remembered as the log's error. */
static int write_all(int fd, const char *p, size_t n)
{
	while (n) {
		ssize_t k = write(fd, p, n);

		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return -errno;
		p += k;
		n -= (size_t)k;
	}
	return 0;
}

static int write_line(struct eventlog *log, const json_t *line)
{
	const size_t flags = JSON_COMPACT;
	size_t n = json_dumpb(line, NULL, 0, flags);
	CLEANUP_FREE char *text = NULL;

	if (!n)
		return -ENOMEM;
	text = malloc(n + 1);
	if (!text)
		return -ENOMEM;
	if (json_dumpb(line, text, n, flags) != n)
		return -ENOMEM;
	text[n] = '\n';
	return write_all(log->fd, text, n + 1);
}

int eventlog_write_at(struct eventlog *log, int64_t mono_ns, const char *event,
		      json_t *fields)
{
	json_auto_t *stolen = fields;
	json_auto_t *line = json_object();

	if (log->error)
		return log->error;
	if (!line ||
	    json_object_set_new(line, "mono_ns", json_integer(mono_ns)) ||
	    (log->has_zero &&
	     json_object_set_new(line, "t_ns",
				 json_integer(mono_ns - log->zero_ns))) ||
	    json_object_set_new(line, "event", json_string(event)) ||
	    (stolen && json_object_update_missing(line, stolen)))
		log->error = -ENOMEM;
	else
		log->error = write_line(log, line);
	return log->error;
}

int eventlog_write(struct eventlog *log, const char *event, json_t *fields)
{
	return eventlog_write_at(log, clock_mono_ns(), event, fields);
}

int eventlog_clock_pair(struct eventlog *log)
{
	int64_t offset_ns = clock_real_minus_mono_ns();
	int64_t mono_ns = clock_mono_ns();

	return eventlog_write_at(log, mono_ns, "clock",
				 json_pack("{s:I}", "real_ns",
					   (json_int_t)(mono_ns + offset_ns)));
}

static bool is_event(const json_t *line)
{
	return json_is_integer(json_object_get(line, "mono_ns")) &&
	       json_is_string(json_object_get(line, "event"));
}

static int read_lines(FILE *f, const char *path, json_t *array, struct err *err)
{
	CLEANUP_FREE char *text = NULL;
	size_t size = 0, number = 0;
	ssize_t n;

	while ((n = getline(&text, &size, f)) >= 0) {
		json_error_t why = { 0 };
		json_t *line = json_loadb(text, (size_t)n,
					  JSON_REJECT_DUPLICATES, &why);

		number++;
		if (!line && text[n - 1] != '\n')
			return 0; /* cut off: the writer was killed */
		if (!line)
			return err_set(err, EBADMSG, "%s:%zu: %s", path, number,
				       why.text);
		if (!is_event(line)) {
			json_decref(line);
			return err_set(err, EBADMSG, "%s:%zu: not an event",
				       path, number);
		}
		if (json_array_append_new(array, line))
			return err_errno(err, ENOMEM, "%s", path);
	}
	if (ferror(f))
		return err_errno(err, errno, "%s", path);
	return 0;
}

int eventlog_read(const char *path, json_t **array_out, struct err *err)
{
	CLEANUP_FCLOSE FILE *f = fopen(path, "re");
	json_auto_t *array = NULL;
	int r;

	if (!f)
		return err_errno(err, errno, "%s", path);
	array = json_array();
	if (!array)
		return err_errno(err, ENOMEM, "%s", path);
	r = read_lines(f, path, array, err);
	if (r)
		return r;
	*array_out = TAKE_PTR(array);
	return 0;
}
