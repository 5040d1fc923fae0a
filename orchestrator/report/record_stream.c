/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a tcp_stream probe left: NAME.csv (bins), NAME.json (how it ended, at
 * the probe) and NAME.peer.json (at the server; there may be none).
 */
#include "orchestrator/report/record.h"

#include "base/cleanup.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

struct reader {
	json_t *object;
	const char *path;
	struct err *err;
};

static int bad(const struct reader *r, const char *field)
{
	return err_set(r->err, EBADMSG,
		       "%s: \"%s\" is missing or no value of it", r->path,
		       field);
}

static int take_number(const struct reader *r, const char *field, int64_t *out)
{
	const json_t *v = json_object_get(r->object, field);

	*out = json_is_integer(v) ? json_integer_value(v) : RECORD_NONE;
	/* As of events: sums of two stay in range. */
	if (json_is_null(v) || (*out >= 0 && *out <= INT64_MAX / 2))
		return 0;
	return bad(r, field);
}

static int take_text(const struct reader *r, const char *field, size_t size,
		     bool may_be_null, char *out)
{
	const json_t *v = json_object_get(r->object, field);
	const char *text = json_string_value(v);

	*out = '\0';
	if (may_be_null && json_is_null(v))
		return 0;
	if (!text || strlen(text) >= size)
		return bad(r, field);
	strcpy(out, text);
	return 0;
}

static int take_end(const struct reader *r, struct record_stream *s)
{
	int64_t port;
	int e = take_text(r, "end", sizeof(s->end), false, s->end);

	if (!e)
		e = take_number(r, "begun_ns", &s->begun_ns);
	if (!e)
		e = take_number(r, "connected_ns", &s->connected_ns);
	if (!e)
		e = take_number(r, "ended_ns", &s->ended_ns);
	if (!e)
		e = take_number(r, "bytes", &s->bytes);
	if (!e)
		e = take_number(r, "first_wrong", &s->first_wrong);
	if (!e)
		e = take_text(r, "sha256", sizeof(s->sha256), true, s->sha256);
	if (!e)
		e = take_text(r, "peer_sha256", sizeof(s->peer_sha256), true,
			      s->peer_sha256);
	if (!e)
		e = take_number(r, "local_port", &port);
	if (e)
		return e;
	if (port < 0 || port > UINT16_MAX)
		return bad(r, "local_port");
	s->local_port = (uint16_t)port;
	s->known = true;
	return 0;
}

static int read_end(const char *dir, const char *name, const char *suffix,
		    bool must_be, struct record_stream *out, struct err *err)
{
	CLEANUP_FREE char *path = NULL;
	json_auto_t *object = NULL;
	struct reader r = { .err = err };
	json_error_t error;

	if (asprintf(&path, "%s/probes/%s%s", dir, name, suffix) < 0) {
		path = NULL;
		return err_set(err, ENOMEM, "out of memory");
	}
	if (!must_be && access(path, F_OK) < 0)
		return 0;
	object = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
	/* Whoever was killed had no time to write it. */
	if (!object && !must_be)
		return 0;
	if (!object)
		return err_set(err, EBADMSG, "%s:%d: %s", path, error.line,
			       error.text);
	r.object = object;
	r.path = path;
	return take_end(&r, out);
}

int record_read_stream(const char *dir, const char *name, bool must_be,
		       bool upload, struct record_probe *out, struct err *err)
{
	CLEANUP_FREE char *path = NULL;
	int r = read_end(dir, name, ".json", must_be, &out->stream, err);

	if (!r)
		r = read_end(dir, name, ".peer.json", false, &out->peer, err);
	if (r)
		return r;
	if (asprintf(&path, "%s/probes/%s.csv", dir, name) < 0) {
		path = NULL;
		return err_set(err, ENOMEM, "out of memory");
	}
	/* An upload that never reached a server has none. */
	if ((!must_be || upload) && access(path, F_OK) < 0)
		return 0;
	return bins_read(path, &out->bins, err);
}
