/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "orchestrator/scenario/model.h"

#include "orchestrator/link/histogram.h"
#include "orchestrator/link/pattern.h"
#include "orchestrator/link/trace.h"

#include <string.h>

static void free_texts(char **texts)
{
	for (char **t = texts; t && *t; t++)
		free(*t);
	free(texts);
}

static void free_topology(struct scenario *s)
{
	for (size_t i = 0; i < s->nodes.n; i++) {
		free(s->nodes.v[i].name);
		VEC_FREE(&s->nodes.v[i].subnets);
	}
	for (size_t i = 0; i < s->links.n; i++) {
		free(s->links.v[i].name);
		VEC_FREE(&s->links.v[i].subnets);
		VEC_FREE(&s->links.v[i].end[0].addresses);
		VEC_FREE(&s->links.v[i].end[1].addresses);
	}
	VEC_FREE(&s->nodes);
	VEC_FREE(&s->links);
}

static void free_programs(struct scenario *s)
{
	for (size_t i = 0; i < s->services.n; i++) {
		free(s->services.v[i].name);
		free(s->services.v[i].full_name);
		VEC_FREE(&s->services.v[i].addresses);
		VEC_FREE(&s->services.v[i].instances);
		VEC_FREE(&s->services.v[i].candidates);
		VEC_FREE(&s->services.v[i].at);
	}
	for (size_t i = 0; i < s->processes.n; i++) {
		struct scn_process *p = &s->processes.v[i];

		free(p->name);
		free(p->command);
		free(p->ready_text);
		free_texts(p->argv);
		free_texts(p->env);
	}
	for (size_t i = 0; i < s->probes.n; i++) {
		free(s->probes.v[i].name);
		free(s->probes.v[i].path);
	}
	for (size_t i = 0; i < s->services.n; i++)
		VEC_FREE(&s->services.v[i].run);
	VEC_FREE(&s->services);
	VEC_FREE(&s->processes);
	VEC_FREE(&s->probes);
}

static void free_files(struct scenario *s)
{
	for (size_t i = 0; i < s->files.n; i++) {
		struct scn_file *f = &s->files.v[i];

		switch (f->kind) {
		case SCN_FILE_TRACE:
			link_trace_free(f->trace);
			break;
		case SCN_FILE_HISTOGRAM:
			link_histogram_free(f->histogram);
			break;
		case SCN_FILE_PATTERN:
			link_pattern_free(f->pattern);
			break;
		}
		free(f->path);
		free(f->text);
	}
	VEC_FREE(&s->files);
}

struct scenario *scenario_free(struct scenario *s)
{
	if (!s)
		return NULL;
	free_topology(s);
	free_files(s);
	free_programs(s);
	for (size_t i = 0; i < s->timeline.n; i++) {
		struct scn_entry *e = &s->timeline.v[i];

		for (size_t k = 0; k < e->actions.n; k++)
			scn_action_deinit(&e->actions.v[k]);
		VEC_FREE(&e->actions);
		for (size_t k = 0; k < e->when.where.n; k++) {
			free(e->when.where.v[k].field);
			free(e->when.where.v[k].value);
		}
		VEC_FREE(&e->when.where);
		free(e->when.text);
		free(e->name);
	}
	VEC_FREE(&s->timeline);
	for (size_t i = 0; i < s->expects.n; i++) {
		free(s->expects.v[i].text);
		free(s->expects.v[i].after);
		free(s->expects.v[i].since);
		free(s->expects.v[i].until);
		VEC_FREE(&s->expects.v[i].answered_by);
		VEC_FREE(&s->expects.v[i].shares);
	}
	VEC_FREE(&s->expects);
	free(s->path);
	free(s->name);
	free(s->description);
	free(s->text);
	free(s);
	return NULL;
}

size_t scenario_find_node(const struct scenario *s, const char *name)
{
	for (size_t i = 0; i < s->nodes.n; i++)
		if (!strcmp(s->nodes.v[i].name, name))
			return i;
	return SCN_NONE;
}
