/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * salctl's commands that take several requests: a flow is exported as the parts
 * in which sald gives it, a line each: "OFFSET TOTAL BASE64"; those are
 * imported as they are.
 */
#include "node/app/salctl_parts.h"

#include "base/base64.h"
#include "base/cleanup.h"
#include "node/app/salctl_print.h"

#include <stdlib.h>
#include <string.h>

#define PARTS_MAX 100000

/* The answer, to be freed; NULL: *status says why. */
static json_t *ask(FILE *f, const json_t *request, int *status)
{
	CLEANUP_FREE char *line = NULL;
	size_t size = 0;
	json_t *answer;

	*status = EXIT_NO_SALD;
	if (!send_request(f, request))
		return NULL;
	answer = receive(f, &line, &size);
	if (!answer)
		return NULL;
	if (!json_object_get(answer, "error")) {
		*status = EXIT_SUCCESS;
		return answer;
	}
	*status = EXIT_REFUSED;
	print_error(answer);
	json_decref(answer);
	return NULL;
}

int salctl_export(FILE *f, json_t *request)
{
	size_t offset = 0, total = 1;
	int status = EXIT_SUCCESS;

	for (int i = 0; i < PARTS_MAX && offset < total && !status; i++) {
		json_t *answer;
		const char *text;

		json_object_set_new(request, "offset",
				    json_integer((json_int_t)offset));
		answer = ask(f, request, &status);
		if (!answer)
			return status;
		total = (size_t)json_integer_value(
			json_object_get(answer, "total"));
		text = json_string_value(json_object_get(answer, "bytes"));
		if (text && *text)
			printf("%zu %zu %s\n", offset, total, text);
		else
			status = EXIT_NO_SALD;
		offset += text ? base64_bytes(text) : 0;
		json_decref(answer);
	}
	return status;
}

static int import_part(FILE *f, json_t *request, const char *part, bool *whole)
{
	char text[65536];
	size_t offset, total;
	json_t *answer, *flow;
	int status;

	if (sscanf(part, "%zu %zu %65535[A-Za-z0-9+/=]", &offset, &total,
		   text) != 3) {
		fprintf(stderr, "salctl: this is not what \"flow export\" "
				"writes\n");
		return EXIT_USAGE;
	}
	json_object_set_new(request, "offset",
			    json_integer((json_int_t)offset));
	json_object_set_new(request, "total", json_integer((json_int_t)total));
	json_object_set_new(request, "bytes", json_string(text));
	answer = ask(f, request, &status);
	flow = json_object_get(answer, "flow");
	*whole = json_is_integer(flow);
	if (*whole)
		printf("%" JSON_INTEGER_FORMAT "\n", json_integer_value(flow));
	json_decref(answer);
	return status;
}

int salctl_import(FILE *f, json_t *request)
{
	CLEANUP_FREE char *part = NULL;
	size_t size = 0;
	bool whole = false;
	int status = EXIT_USAGE;

	while (getline(&part, &size, stdin) > 0) {
		status = import_part(f, request, part, &whole);
		if (status)
			return status;
	}
	if (status)
		fprintf(stderr, "salctl: there is no flow on standard input\n");
	else if (!whole)
		fprintf(stderr, "salctl: standard input ends before the flow "
				"does\n");
	return whole ? status : EXIT_USAGE;
}
