/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of salctl share. */
#ifndef APP_SALCTL_PARTS_H
#define APP_SALCTL_PARTS_H

#include "node/app/salctl_words.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

enum {
	EVENTS = 1, /* what follows the answer never ends */
	PARTS = 2, /* of a list: the answer may say where to go on */
	BATCH = 4, /* its answer says nothing but that it is done */
};

struct command {
	const char *object, *verb; /* verb NULL: the command is one word */
	const char *cmd; /* as sald calls it */
	int (*build)(struct words *w, json_t *request);
	void (*print)(json_t *answer);
	unsigned how;
};

/* salctl_commands.c */
/* Takes its words off. NULL: there is none of this name. */
const struct command *find_command(struct words *w);
/* That is said, and what would have been one. Returns an exit status. */
int unknown_command(const struct words *w);

/* salctl_talk.c: what goes wrong is said on standard error. */
FILE *open_socket(const char *path);
bool send_request(FILE *f, const json_t *request);
/* The next line as an object, or NULL; *line is kept for printing it. */
json_t *receive(FILE *f, char **line, size_t *size);

/* salctl_batch.c: a file of commands; "-" is standard input. All of these
 * return an exit status. */
int salctl_batch(const char *socket_path, const char *file);
/* salctl_flow.c */
int salctl_export(FILE *f, json_t *request);
int salctl_import(FILE *f, json_t *request);

#endif
