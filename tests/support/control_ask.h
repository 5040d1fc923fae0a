/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Asks the commands, with control_host.h as their host, as a client would. */
#ifndef SUPPORT_CONTROL_ASK_H
#define SUPPORT_CONTROL_ASK_H

#include "base/cleanup.h"
#include "node/control/command.h"
#include "tests/support/control_host.h"

#include <jansson.h>
#include <stdlib.h>

static inline json_t *ask_bytes(const char *line, size_t len, bool *subscribe)
{
	CLEANUP_FREE char *text = control_execute(&ops, line, len, subscribe);
	json_t *o;

	ck_assert_ptr_nonnull(text);
	ck_assert_ptr_null(strchr(text, '\n'));
	o = json_loads(text, 0, NULL);
	ck_assert_msg(json_is_object(o), "no object: %s", text);
	return o;
}

static inline json_t *ask(const char *line)
{
	bool subscribe;
	json_t *o = ask_bytes(line, strlen(line), &subscribe);

	ck_assert(!subscribe);
	return o;
}

static inline void check_ok(const char *line)
{
	json_t *o = ask(line);

	ck_assert_msg(json_is_true(json_object_get(o, "ok")), "refused: %s",
		      line);
	ck_assert_ptr_null(json_object_get(o, "error"));
	json_decref(o);
}

/* field NULL: the error is about none. */
static inline void check_refused(const char *line, const char *code,
				 const char *field)
{
	json_t *o = ask(line), *error = json_object_get(o, "error");
	const char *named = json_string_value(json_object_get(error, "field"));

	ck_assert_ptr_null(json_object_get(o, "ok"));
	ck_assert_msg(error != NULL, "taken: %s", line);
	ck_assert_str_eq(json_string_value(json_object_get(error, "code")),
			 code);
	ck_assert(json_is_string(json_object_get(error, "message")));
	ck_assert_msg(field ? named && !strcmp(named, field) : !named,
		      "%s: blames %s", line, named ? named : "nothing");
	json_decref(o);
	ck_assert_uint_eq(host.names + host.added + host.changed +
				  host.deleted + host.whole + host.verdicts,
			  0);
}

#endif
