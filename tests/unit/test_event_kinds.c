/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The events that a scenario may wait for have the fields that a sald tells,
 * and those that the documents promise.
 */
#include "node/control/json.h"
#include "include/serval/wire.h"
#include "orchestrator/scenario/event_kinds.h"
#include "tests/support/run_suite.h"

#include <check.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

static bool has_field(const struct scn_event_kind *k, const char *field)
{
	for (size_t i = 0; i < EVENT_FIELDS_MAX && k->fields[i]; i++)
		if (!strcmp(k->fields[i], field))
			return true;
	return false;
}

static void check_event(const json_t *o)
{
	const char *name = json_string_value(json_object_get(o, "event"));
	const struct scn_event_kind *k = scn_event_kind_find(name);
	json_t *value;
	const char *key;

	ck_assert_msg(k, "nobody can wait for %s", name);
	json_object_foreach((json_t *)o, key, value)
	{
		/* Each event has these, and they are like no other's. */
		if (!strcmp(key, "event") || !strcmp(key, "mono_ns") ||
		    json_is_object(value) || json_is_array(value))
			continue;
		ck_assert_msg(has_field(k, key), "%s has no %s", name, key);
	}
	/* The recorder says which node's it is. */
	ck_assert(has_field(k, "node"));
	for (size_t i = 0; i < EVENT_FIELDS_MAX && k->fields[i]; i++)
		ck_assert_msg(!strcmp(k->fields[i], "node") ||
				      json_object_get(o, k->fields[i]),
			      "%s never tells %s", name, k->fields[i]);
}

START_TEST(what_a_sald_tells)
{
	struct sal_event e = { .kind = (enum sal_event_kind)_i, .count = 1 };
	bool has_reason =
		_i == SAL_EVENT_FLOW_CLOSED || _i == SAL_EVENT_REFUSED;
	bool of_no_flow = _i == SAL_EVENT_SERVICE_EXPIRED ||
			  _i == SAL_EVENT_SERVICE_FORWARDED;
	json_t *o;

	e.reason = has_reason ? SAL_REASON_NO_INSTANCE : 0;
	e.flow.local_id = of_no_flow ? 0 : 7;
	e.flow.protocol = 6;
	/* Those of a flow that there was already. */
	if (_i >= SAL_EVENT_FLOW_STATE && _i <= SAL_EVENT_RESENT)
		e.why = SAL_WAY_INTERFACE_GONE;
	o = json_of_event(&e);
	ck_assert_ptr_nonnull(o);
	check_event(o);
	json_decref(o);
}
END_TEST

/* "| `NAME` | fields | ..." of the table in a document, for each kind. */
static void check_page(const char *page, const char *prefix, bool with_prefix)
{
	char path[512], line[2048];
	FILE *f;
	unsigned seen = 0;

	snprintf(path, sizeof(path), "%s/%s", TEST_SOURCE_DIR, page);
	f = fopen(path, "re");
	ck_assert_msg(f, "%s", path);
	for (size_t i = 0; i < scn_event_kinds_n; i++) {
		const struct scn_event_kind *k = &scn_event_kinds[i];
		char row[80];
		bool found = false;

		if (!strncmp(k->name, prefix, strlen(prefix)) != with_prefix)
			continue;
		snprintf(row, sizeof(row), "`%s`", k->name);
		rewind(f);
		while (!found && fgets(line, sizeof(line), f)) {
			const char *at = strstr(line, row);

			/* In the first cell. */
			found = !strncmp(line, "| `", 3) && at &&
				at < strchr(line + 2, '|');
			for (size_t n = 0; found && !with_prefix &&
					   n < EVENT_FIELDS_MAX && k->fields[n];
			     n++) {
				char field[80];

				snprintf(field, sizeof(field), "`%s`",
					 k->fields[n]);
				ck_assert_msg(strstr(line, field),
					      "%s does not say that %s has %s",
					      page, k->name, k->fields[n]);
			}
		}
		ck_assert_msg(found, "%s does not say what %s is", page,
			      k->name);
		seen++;
	}
	ck_assert_uint_gt(seen, 5);
	fclose(f);
}

START_TEST(what_the_documents_promise)
{
	check_page("docs/record.md", "sal.", false);
	check_page("docs/control.md", "sal.", true);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("event kinds");
	TCase *tc = tcase_create("event kinds");

	tcase_add_loop_test(tc, what_a_sald_tells, 0,
			    SAL_EVENT_SERVICE_FORWARDED + 1);
	tcase_add_test(tc, what_the_documents_promise);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	return run_suite(suite());
}
