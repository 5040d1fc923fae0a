/* SPDX-License-Identifier: GPL-2.0-or-later */
/* salctl -b: many commands, one conversation. */
#include "node/app/salctl_parts.h"
#include "node/app/salctl_print.h"

#include "base/cleanup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/*
 * Requests are sent ahead of their answers, or each would cost a trip there and
 * back. So few that their answers, of some ten bytes, always find room on the
 * way: nobody waits for the other to read. After an error no more are sent.
 */
#define AHEAD_MAX 256
#define LINE_WORDS_MAX 32

struct batch {
	FILE *sald; /* for reading; what is read ahead would be in the way */
	FILE *to_sald;
	FILE *in;
	const char *name;
	unsigned long line; /* its number, from 1 */
	unsigned long lines[AHEAD_MAX]; /* of those that are under way */
	unsigned n, first;
	int status;
};

static int sald_is_gone(void)
{
	fprintf(stderr, "salctl: sald has gone: %s\n", strerror(errno));
	return EXIT_NO_SALD;
}

static void batch_answer(struct batch *b, char **line, size_t *size)
{
	json_t *answer = receive(b->sald, line, size);

	if (!answer) {
		b->status = EXIT_NO_SALD;
		return;
	}
	if (json_object_get(answer, "error")) {
		fprintf(stderr, "%s:%lu: ", b->name, b->lines[b->first]);
		print_error(answer);
		b->status = EXIT_REFUSED;
	}
	json_decref(answer);
	b->first = (b->first + 1) % AHEAD_MAX;
	b->n--;
}

static unsigned split(char *text, char **words)
{
	char *rest = NULL;
	unsigned n = 0;

	/* One more than there is room for: too many. */
	for (char *w = strtok_r(text, " \t\r\n", &rest); w && *w != '#';
	     w = strtok_r(NULL, " \t\r\n", &rest)) {
		if (n == LINE_WORDS_MAX)
			return n + 1;
		words[n++] = w;
	}
	return n;
}

static void batch_line(struct batch *b, char *text)
{
	char *v[LINE_WORDS_MAX];
	struct words words = { v, (int)split(text, v) };
	const struct command *c;
	json_t *request;
	int status;

	if (!words.n)
		return;
	if (words.n > LINE_WORDS_MAX) {
		b->status = usage_error("too many words", NULL);
		fprintf(stderr, "%s:%lu: this line\n", b->name, b->line);
		return;
	}
	c = find_command(&words);
	request = c && c->how & BATCH ?
			  json_pack("{s:i, s:s}", "v", 1, "cmd", c->cmd) :
			  NULL;
	status = words_error(&words);
	if (!status)
		status = request ? c->build(&words, request) :
				   usage_error(c ? "not in a file of commands" :
						   "unknown command",
					       v[0]);
	if (status) {
		fprintf(stderr, "%s:%lu: this line\n", b->name, b->line);
		b->status = status;
	} else {
		char *json = json_dumps(request, JSON_COMPACT);

		if (!json || fprintf(b->to_sald, "%s\n", json) < 0)
			b->status = sald_is_gone();
		free(json);
		b->lines[(b->first + b->n++) % AHEAD_MAX] = b->line;
	}
	json_decref(request);
}

static int run_batch(struct batch *b)
{
	CLEANUP_FREE char *text = NULL, *line = NULL;
	size_t text_size = 0, line_size = 0;

	while (!b->status && getline(&text, &text_size, b->in) >= 0) {
		b->line++;
		batch_line(b, text);
		if (b->n < AHEAD_MAX)
			continue;
		/* Half of them: so that sald has something to do meanwhile. */
		if (fflush(b->to_sald))
			return sald_is_gone();
		while (!b->status && b->n > AHEAD_MAX / 2)
			batch_answer(b, &line, &line_size);
	}
	if (ferror(b->in)) {
		fprintf(stderr, "salctl: %s: %s\n", b->name, strerror(errno));
		b->status = EXIT_USAGE;
	}
	if (fflush(b->to_sald))
		return sald_is_gone();
	while (b->n && b->status != EXIT_NO_SALD)
		batch_answer(b, &line, &line_size);
	return b->status;
}

int salctl_batch(const char *socket_path, const char *file)
{
	struct batch b = { .name = strcmp(file, "-") ? file : "stdin" };
	int status = EXIT_NO_SALD;

	b.in = strcmp(file, "-") ? fopen(file, "re") : stdin;
	if (!b.in) {
		fprintf(stderr, "salctl: %s: %s\n", file, strerror(errno));
		return EXIT_USAGE;
	}
	b.sald = open_socket(socket_path);
	b.to_sald = b.sald ? fdopen(dup(fileno(b.sald)), "w") : NULL;
	if (b.to_sald)
		status = run_batch(&b);
	if (b.to_sald)
		fclose(b.to_sald);
	if (b.sald)
		fclose(b.sald);
	if (b.in != stdin)
		fclose(b.in);
	return status;
}
