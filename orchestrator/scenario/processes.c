/* SPDX-License-Identifier: GPL-2.0-or-later */
/* processes: programs that run in nodes. */
#include "orchestrator/scenario/load.h"

#include "base/cleanup.h"

#include <stdio.h>
#include <string.h>

static const struct type type_word = {
	.expects = "a word of the command",
	.scalar = SCALAR_TEXT,
};

static const struct type type_run = {
	.expects = "a shell command, or a program and its arguments as a list",
	.scalar = SCALAR_TEXT,
	.item = &type_word,
};

static const struct type type_echo = {
	.expects = "a UDP port, such as 'udp/7000'",
	.scalar = SCALAR_PORT,
	.protocol = SCN_PROTO_UDP,
};

static const struct type type_serve = {
	.expects = "a TCP port, such as 'tcp/5001'",
	.scalar = SCALAR_PORT,
	.protocol = SCN_PROTO_TCP,
};

static const struct word start_words[] = {
	{ "auto", 1, NULL },
	{ "manual", 0, NULL },
	{ 0 },
};

static const struct type type_start = {
	.expects = "auto or manual",
	.scalar = SCALAR_WORD,
	.thing = "a way to start",
	.words = start_words,
};

static const struct type type_env_name = {
	.expects = "a variable's name",
	.scalar = SCALAR_NAME,
	.rule = NAME_ENV,
};

static const struct type type_env_value = {
	.expects = "a text",
	.scalar = SCALAR_TEXT,
	.may_be_empty = true,
};

static const struct type type_env = {
	.expects = "variables by name, such as '{ LANG: C }'",
	.key = &type_env_name,
	.value = &type_env_value,
	.may_be_empty = true,
};

/* ---- ready: ------------------------------------------------------------ */

enum { READY_TIMEOUT, READY_OWN };

static const struct field ready_fields[] = {
	[READY_TIMEOUT] = { .name = "timeout",
			    .type = &type_span,
			    .fallback = "10s",
			    .doc = "the run fails where it takes longer" },
};

static const struct field listens_fields[] = {
	{ .name = "listens",
	  .type = &type_port,
	  .doc = "ready once this port is bound" },
};

static const struct field prints_fields[] = {
	{ .name = "prints",
	  .type = &type_text,
	  .doc = "ready once its output holds this text" },
};

static const struct mapping mapping_listens = {
	.what = "condition",
	MAPPING_FIELDS(listens_fields),
};

static const struct mapping mapping_prints = {
	.what = "condition",
	MAPPING_FIELDS(prints_fields),
};

static const struct mapping mapping_ready = {
	.what = "condition",
	.doc = "When a process is ready for the timeline to begin.",
	MAPPING_FIELDS(ready_fields),
	.variants = (const struct mapping *const[]){ &mapping_listens,
						     &mapping_prints, NULL },
	.example = "listens: tcp/80",
};

static const struct type type_ready = {
	.expects = "a condition, such as '{ listens: tcp/80 }'",
	.mapping = &mapping_ready,
};

/* ---- processes --------------------------------------------------------- */

enum { PROCESS_NODE, PROCESS_ENV, PROCESS_START, PROCESS_READY, PROCESS_OWN };

static const struct field process_fields[] = {
	[PROCESS_NODE] = { .name = "node",
			   .type = &type_machine,
			   .required = true,
			   .example = "a",
			   .doc = "where it runs" },
	[PROCESS_ENV] = { .name = "env",
			  .type = &type_env,
			  .doc = "variables added to a clean environment" },
	[PROCESS_START] = { .name = "start",
			    .type = &type_start,
			    .fallback = "auto",
			    .doc = "auto: before the timeline begins; manual: "
				   "by an action" },
	[PROCESS_READY] = { .name = "ready",
			    .type = &type_ready,
			    .doc = "what to wait for; without it, nothing" },
};

static const struct field run_fields[] = {
	{ .name = "run",
	  .type = &type_run,
	  .doc = "a line for /bin/sh, or a program and its arguments" },
};

static const struct field echo_fields[] = {
	{ .name = "echo",
	  .type = &type_echo,
	  .doc = "a built-in server that sends every packet back" },
};

static const struct field serve_fields[] = {
	{ .name = "serve",
	  .type = &type_serve,
	  .doc = "a built-in server for tcp_stream and tcp_request probes" },
};

static const struct mapping mapping_run = {
	.what = "process",
	MAPPING_FIELDS(run_fields),
};

static const struct mapping mapping_echo = {
	.what = "process",
	MAPPING_FIELDS(echo_fields),
};

static const struct mapping mapping_serve = {
	.what = "process",
	MAPPING_FIELDS(serve_fields),
};

static const struct mapping mapping_process = {
	.what = "process",
	.doc = "A program that runs in a node.",
	MAPPING_FIELDS(process_fields),
	.variants =
		(const struct mapping *const[]){ &mapping_run, &mapping_echo,
						 &mapping_serve, NULL },
	.example = "run: \"sleep 5\"",
};

static const struct type type_process_body = {
	.expects = "a process, such as '{ node: a, run: \"sleep 5\" }'",
	.mapping = &mapping_process,
};

const struct type type_processes = {
	.expects = "processes by name",
	.key = &type_name,
	.value = &type_process_body,
	.may_be_empty = true,
};

/* Adds a text to an array that has room, and ends at its first NULL. */
static void add_text(struct loader *l, char **texts, size_t *n,
		     const char *text)
{
	char *copy = text ? loader_dup(l, text) : NULL;

	if (copy)
		texts[(*n)++] = copy;
}

/* As messages show it; the kernel would take more of it than they should. */
static void join_command(struct loader *l, struct scn_process *p, size_t first)
{
	const char *command = "";

	for (size_t i = first; p->argv[i] && command; i++)
		if (strlen(command) < 4096)
			command =
				loader_format(l, "%s%s%s", command,
					      i > first ? " " : "", p->argv[i]);
	if (command)
		p->command = loader_dup(l, command);
}

/* A shell line, or a program and its arguments. */
static bool read_run(struct loader *l, const struct value *run,
		     struct scn_process *p)
{
	bool line = run->node->kind == TREE_SCALAR;
	size_t items = value_items(run), n = 0;

	if (!items) {
		tree_error(l->diag, run->node, "this list names no program");
		return false;
	}
	p->argv = calloc(items + 3, sizeof(*p->argv));
	if (!p->argv) {
		l->no_memory = true;
		return false;
	}
	if (line) {
		add_text(l, p->argv, &n, "/bin/sh");
		add_text(l, p->argv, &n, "-c");
	}
	for (size_t i = 0; i < items; i++) {
		const struct tree_node *node = value_item(run, i);
		bool empty = node->kind == TREE_SCALAR && !node->n;
		struct value v;

		/* An argument may be empty, as long as that is in quotes. */
		if (!(empty && !node->plain && i) &&
		    !value_read(l, &type_word, node, &v))
			return false;
		add_text(l, p->argv, &n, node->text);
	}
	join_command(l, p, line ? 2 : 0);
	return true;
}

static bool read_env(struct loader *l, const struct tree_node *map,
		     struct scn_process *p)
{
	bool good = true;
	size_t n = 0;

	p->env = calloc(map->n + 1, sizeof(*p->env));
	if (!p->env) {
		l->no_memory = true;
		return false;
	}
	for (size_t i = 0; map->kind == TREE_MAP && i < map->n; i++) {
		const struct tree_node *key = map->pairs[i].key;
		const struct tree_node *value = map->pairs[i].value;
		struct value v, name;

		if (!scalar_read(l, type_env.key, key, &name) ||
		    (!(value->kind == TREE_SCALAR && !value->n) &&
		     !value_read(l, type_env.value, value, &v))) {
			good = false;
			continue;
		}
		add_text(l, p->env, &n,
			 loader_format(l, "%s=%s", key->text, value->text));
	}
	return good;
}

static bool read_ready(struct loader *l, const struct tree_node *node,
		       struct scn_process *p)
{
	const struct mapping *variant;
	struct value v[VALUES_MAX];
	bool good = mapping_read(l, &mapping_ready, node, NULL, v, &variant);
	const struct value *own = &v[READY_OWN];

	p->ready_pos = node->pos;
	p->ready_timeout_ns = v[READY_TIMEOUT].ns;
	if (variant == &mapping_listens && own->ok) {
		p->ready = SCN_READY_LISTENS;
		p->ready_port = own->port;
	} else if (variant == &mapping_prints && own->ok) {
		p->ready = SCN_READY_PRINTS;
		p->ready_text = loader_dup(l, own->text);
	}
	return good;
}

/* It has bound its port the moment it can: worth waiting for. */
static void wait_for_port(const struct value *port, struct scn_process *p)
{
	p->ready = SCN_READY_LISTENS;
	p->ready_port = port->port;
	p->ready_timeout_ns = INT64_C(10000000000);
	p->ready_pos = port->node->pos;
}

static bool read_echo(struct loader *l, const struct value *echo,
		      struct scn_process *p)
{
	if (echo->port.protocol != SCN_PROTO_UDP) {
		tree_error(l->diag, echo->node, "the echo server is UDP only");
		diag_help(l->diag,
			  "write 'udp/%u', or 'serve: tcp/%u', or run a "
			  "program",
			  echo->port.port, echo->port.port);
		return false;
	}
	p->echo = echo->port;
	wait_for_port(echo, p);
	return true;
}

static bool read_serve(struct loader *l, const struct value *serve,
		       struct scn_process *p)
{
	if (serve->port.protocol != SCN_PROTO_TCP) {
		tree_error(l->diag, serve->node,
			   "the built-in server is TCP only");
		diag_help(l->diag, "write 'tcp/%u', or 'echo: udp/%u'",
			  serve->port.port, serve->port.port);
		return false;
	}
	p->serve = serve->port;
	wait_for_port(serve, p);
	return true;
}

static size_t read_process(struct loader *l, const struct tree_node *key,
			   const struct tree_node *value)
{
	struct scn_process *p = LOADER_PUSH(l, &l->s->processes);
	size_t index = l->s->processes.n - 1;
	const struct mapping *variant;
	struct value v[VALUES_MAX];
	const struct value *own = &v[PROCESS_OWN];
	bool good;

	if (!p)
		return SCN_NONE;
	p->name = loader_dup(l, key->text);
	p->pos = key->pos;
	good = mapping_read(l, &mapping_process, value, key, v, &variant);
	if (v[PROCESS_NODE].ok)
		p->node = v[PROCESS_NODE].index;
	p->autostart = v[PROCESS_START].word;
	if (variant == &mapping_run && own->ok)
		good &= read_run(l, own, p);
	if (variant == &mapping_echo && own->ok)
		good &= read_echo(l, own, p);
	if (variant == &mapping_serve && own->ok)
		good &= read_serve(l, own, p);
	if (v[PROCESS_ENV].ok)
		good &= read_env(l, v[PROCESS_ENV].node, p);
	if (v[PROCESS_READY].ok)
		good &= read_ready(l, v[PROCESS_READY].node, p);
	return good ? index : SCN_NONE;
}

void processes_read(struct loader *l, const struct tree_node *node)
{
	named_read(l, &type_processes, node, NAMES_PROCESS, read_process);
}
