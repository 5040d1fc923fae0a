/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "orchestrator/cli/cli.h"

#include "orchestrator/report/report.h"

#include <errno.h>
#include <string.h>

const char *resource_hint(int code)
{
	switch (code) {
	case EMFILE:
		return "raise the limit of open files: ulimit -n";
	case ENFILE:
		return "raise the system's limit of open files: sysctl "
		       "fs.file-max";
	case EAGAIN:
		return "raise the limit of processes: ulimit -u, or the pids "
		       "limit of the container or cgroup";
	case ENOMEM:
		return "free some memory, or raise its limit: ulimit -v, or "
		       "that of the container or cgroup";
	default:
		return NULL;
	}
}

void print_error(const struct diag *diag, const struct err *err)
{
	const char *hint = err->hint[0] ? err->hint : resource_hint(err->code);

	if (err->pos.line)
		fprintf(stderr, "%s:%u:%u: error: %s\n", err->pos.file,
			err->pos.line, err->pos.col, err->msg);
	else
		fprintf(stderr, "servalab: error: %s\n", err->msg);
	if (err->pos.line && diag)
		diag_quote(diag, err->pos, 1, stderr);
	if (hint)
		fprintf(stderr, "help: %s\n", hint);
}

/* Filters are libpcap's language: it alone can say whether one is right. */
static void check_filters(const struct scenario *s, struct diag *diag)
{
	for (size_t i = 0; i < s->expects.n; i++) {
		const struct scn_expect *e = &s->expects.v[i];
		struct err err = ERR_INIT;

		if (e->kind == SCN_EXPECT_CAPTURE &&
		    report_check_filter(e->text, &err))
			diag_error(diag, e->pos, 1, "%s", err.msg);
	}
	for (size_t i = 0; i < s->timeline.n; i++) {
		const struct scn_entry *e = &s->timeline.v[i];
		struct err err = ERR_INIT;

		if (e->trigger == SCN_TRIGGER_WHEN &&
		    e->when.kind == SCN_WHEN_PACKET &&
		    report_check_filter(e->when.text, &err))
			diag_error(diag, e->when.pos, 1, "%s", err.msg);
	}
}

int load_scenario(const char *path, struct loaded *out)
{
	struct err err = ERR_INIT;
	int r;

	memset(out, 0, sizeof(*out));
	out->diag = diag_new();
	if (!out->diag) {
		fprintf(stderr, "servalab: out of memory\n");
		return EXIT_BROKEN;
	}
	r = scenario_load(path, out->diag, &out->scenario, &err);
	if (!r) {
		check_filters(out->scenario, out->diag);
		r = plan_make(out->scenario, out->diag, &out->plan);
		if (!r && diag_count(out->diag))
			r = -EINVAL;
		if (r && r != -EINVAL)
			err_errno(&err, -r, "%s", path);
	}
	if (!r)
		return 0;
	if (diag_count(out->diag)) {
		diag_render(out->diag, stderr);
	} else {
		print_error(NULL, &err);
		out->err = err;
	}
	return EXIT_USAGE;
}

void unload_scenario(struct loaded *l)
{
	plan_free(l->plan);
	scenario_free(l->scenario);
	diag_free(l->diag);
	memset(l, 0, sizeof(*l));
}

int cmd_check(int argc, char **argv)
{
	int code = EXIT_HELD;

	if (!take_words(argc, argv, &code))
		return code;
	if (optind == argc)
		return usage_error("check", "name a scenario file");
	for (int i = optind; i < argc; i++) {
		struct loaded l;
		int r = load_scenario(argv[i], &l);

		unload_scenario(&l);
		if (r)
			code = r;
	}
	return code;
}

int cmd_plan(int argc, char **argv)
{
	struct loaded l;
	int r;

	if (!take_words(argc, argv, &r))
		return r;
	if (optind != argc - 1)
		return usage_error(
			"plan", optind == argc ? "name a scenario file" :
						 "name one scenario file only");
	r = load_scenario(argv[optind], &l);
	if (!r)
		plan_print(l.plan, stdout);
	unload_scenario(&l);
	return r;
}
