/* SPDX-License-Identifier: GPL-2.0-or-later */
/* exec, mark, wait: what changes nothing by itself. */
#include "orchestrator/scenario/action.h"

#include <stdio.h>
#include <string.h>

static const struct type type_word = {
	.expects = "a word of the command",
	.scalar = SCALAR_TEXT,
};

static const struct type type_command = {
	.expects = "a shell command, or a program and its arguments as a list",
	.scalar = SCALAR_TEXT,
	.item = &type_word,
};

static const struct type type_exit = {
	.expects = "an exit status, or 'any'",
	.scalar = SCALAR_TEXT,
};

enum { EXEC_COMMAND, EXEC_NODE, EXEC_TIMEOUT, EXEC_EXIT };

static const struct field exec_fields[] = {
	[EXEC_COMMAND] = { .name = "exec",
			   .type = &type_command,
			   .doc = "a line for /bin/sh, or a program and its "
				  "arguments" },
	[EXEC_NODE] = { .name = "node",
			.type = &type_machine,
			.required = true,
			.example = "a",
			.doc = "where it runs" },
	[EXEC_TIMEOUT] = { .name = "timeout",
			   .type = &type_span,
			   .fallback = "10s",
			   .doc = "the action fails where it takes longer" },
	[EXEC_EXIT] = { .name = "exit",
			.type = &type_exit,
			.fallback = "0",
			.doc = "the action fails where it ends with another "
			       "status; any: with none" },
};

static const struct field mark_fields[] = {
	{ .name = "mark",
	  .type = &type_text,
	  .doc = "an event and a comment in the trace" },
};

static const struct field wait_fields[] = {
	{ .name = "wait",
	  .type = &type_delay,
	  .doc = "what is behind it in its list begins that much later, and "
		 "not before what is ahead of it is done" },
};

const struct mapping mapping_action_exec = {
	.what = "action",
	MAPPING_FIELDS(exec_fields),
};
const struct mapping mapping_action_mark = {
	.what = "action",
	MAPPING_FIELDS(mark_fields),
};
const struct mapping mapping_action_wait = {
	.what = "action",
	MAPPING_FIELDS(wait_fields),
};

static void exec_free(struct scn_action *a)
{
	for (size_t i = 0; a->exec.argv && a->exec.argv[i]; i++)
		free(a->exec.argv[i]);
	free(a->exec.argv);
	free(a->exec.command);
}

static bool read_status(struct loader *l, const struct value *v, int *status)
{
	char *end;
	long n;

	if (!v->ok)
		return false;
	if (!strcmp(v->text, "any")) {
		*status = -1;
		return true;
	}
	n = strtol(v->text, &end, 10);
	*status = (int)n;
	if (end != v->text && !*end && n >= 0 && n <= 255)
		return true;
	tree_error(l->diag, v->node,
		   "'%s' is no exit status: it is 0 to 255, or 'any'", v->text);
	return false;
}

static bool read_argv(struct loader *l, const struct value *run,
		      struct scn_action *a)
{
	bool line = run->node->kind == TREE_SCALAR;
	size_t items = value_items(run), n = 0;
	const char *command = "";

	if (!items) {
		tree_error(l->diag, run->node, "this list names no program");
		return false;
	}
	a->exec.argv = calloc(items + 3, sizeof(*a->exec.argv));
	if (!a->exec.argv) {
		l->no_memory = true;
		return false;
	}
	if (line) {
		a->exec.argv[n++] = loader_dup(l, "/bin/sh");
		a->exec.argv[n++] = loader_dup(l, "-c");
	}
	for (size_t i = 0; i < items; i++) {
		const struct tree_node *node = value_item(run, i);
		struct value v;

		if (!(node->kind == TREE_SCALAR && !node->n && !node->plain &&
		      i) &&
		    !value_read(l, &type_word, node, &v))
			return false;
		a->exec.argv[n++] = loader_dup(l, node->text);
		if (strlen(command) < 4096)
			command = loader_format(l, "%s%s%s", command,
						i ? " " : "", node->text);
		if (l->no_memory || !command)
			return false;
	}
	a->exec.command = loader_dup(l, command);
	return a->exec.command != NULL;
}

static bool read_exec(struct loader *l, const struct value *v,
		      struct step *step, step_vec *also)
{
	struct scn_action *a = &step->action;
	bool good;

	(void)also;
	a->kind = SCN_ACTION_EXEC;
	memset(&a->exec, 0, sizeof(a->exec));
	step->subject = v[EXEC_COMMAND].node;
	a->exec.node = v[EXEC_NODE].index;
	a->exec.timeout_ns = v[EXEC_TIMEOUT].ns;
	good = v[EXEC_COMMAND].ok && read_argv(l, &v[EXEC_COMMAND], a);
	good &= read_status(l, &v[EXEC_EXIT], &a->exec.status);
	return good && v[EXEC_NODE].ok && v[EXEC_TIMEOUT].ok;
}

static bool read_mark(struct loader *l, const struct value *v,
		      struct step *step, step_vec *also)
{
	(void)also;
	step->action.kind = SCN_ACTION_MARK;
	step->action.mark.text = v->ok ? loader_dup(l, v->text) : NULL;
	step->subject = v->node;
	return step->action.mark.text != NULL;
}

static bool read_wait(struct loader *l, const struct value *v,
		      struct step *step, step_vec *also)
{
	(void)l;
	(void)also;
	step->action.kind = SCN_ACTION_WAIT;
	step->action.wait.ns = v->ns;
	step->subject = v->node;
	return v->ok;
}

const struct action_form form_exec = {
	.mapping = &mapping_action_exec,
	.read = read_exec,
	.kinds = ACTION_BIT(SCN_ACTION_EXEC),
};
const struct action_form form_mark = {
	.mapping = &mapping_action_mark,
	.read = read_mark,
	.kinds = ACTION_BIT(SCN_ACTION_MARK),
};
const struct action_form form_wait = {
	.mapping = &mapping_action_wait,
	.read = read_wait,
	.kinds = ACTION_BIT(SCN_ACTION_WAIT),
};

/* In one line: it becomes a line of a comment. */
static void one_line(char *buf, size_t size, const char *what, const char *text)
{
	snprintf(buf, size, "%s%s", what, text);
	for (char *c = buf; *c; c++)
		if ((unsigned char)*c < ' ')
			*c = ' ';
}

static void exec_text(const struct scenario *s, const struct scn_action *a,
		      char *buf, size_t size)
{
	char what[128];

	snprintf(what, sizeof(what),
		 "exec at %.100s: ", s->nodes.v[a->exec.node].name);
	one_line(buf, size, what, a->exec.command);
}

static void mark_text(const struct scenario *s, const struct scn_action *a,
		      char *buf, size_t size)
{
	(void)s;
	one_line(buf, size, "mark: ", a->mark.text);
}

static void mark_free(struct scn_action *a)
{
	free(a->mark.text);
}

static void wait_text(const struct scenario *s, const struct scn_action *a,
		      char *buf, size_t size)
{
	char text[32];

	(void)s;
	snprintf(buf, size, "wait %s",
		 scn_duration_text(a->wait.ns, text, sizeof(text)));
}

static void check_exec(struct loader *l, struct state *st,
		       const struct step *step)
{
	size_t node = step->action.exec.node;

	if (st->nodes[node] == NODE_ON ||
	    !action_is_known(l, SCN_ACTION_CRASH) ||
	    !action_is_known(l, SCN_ACTION_BOOT) ||
	    !action_is_known(l, SCN_ACTION_FREEZE) ||
	    !action_is_known(l, SCN_ACTION_THAW))
		return;
	tree_error(l->diag, step->subject, "at %s, '%s' is %s", step->when,
		   l->s->nodes.v[node].name,
		   st->nodes[node] == NODE_OFF ? "off" : "frozen");
	if (st->node_changed[node])
		diag_note(l->diag, st->node_changed[node]->action.pos, 1,
			  "that was made so here, at %s",
			  st->node_changed[node]->when);
}

const struct action_kind kind_exec = {
	.name = "exec",
	.text = exec_text,
	.simulate = check_exec,
	.free = exec_free,
};
const struct action_kind kind_mark = {
	.name = "mark",
	.text = mark_text,
	.free = mark_free,
};
const struct action_kind kind_wait = {
	.name = "wait",
	.text = wait_text,
};
