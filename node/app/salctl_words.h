/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From a command's words to a request. Of salctl only. */
#ifndef APP_SALCTL_WORDS_H
#define APP_SALCTL_WORDS_H

#include <jansson.h>

enum {
	EXIT_REFUSED = 1, /* sald answered with an error */
	EXIT_USAGE = 2,
	EXIT_NO_SALD = 3,
};

/* The words that are left. */
struct words {
	char **v;
	int n;
};

/* NULL: there are no more. */
const char *next_word(struct words *w);
/* Says it on standard error; returns EXIT_USAGE. word may be NULL. */
int usage_error(const char *what, const char *word);
/* EXIT_USAGE, which is said, where one of them cannot be sent; 0. */
int words_error(const struct words *w);

/* All add to the request, and return 0 or EXIT_USAGE. */
int build_nothing(struct words *w, json_t *request);
int build_list(struct words *w, json_t *request);
int build_rule(struct words *w, json_t *request);
int build_delete(struct words *w, json_t *request);
int build_listen(struct words *w, json_t *request);
int build_release(struct words *w, json_t *request);
int build_refuse(struct words *w, json_t *request);
int build_drop(struct words *w, json_t *request);
int build_flow(struct words *w, json_t *request);
int build_migrate(struct words *w, json_t *request);
int build_interface(struct words *w, json_t *request);
int build_policy(struct words *w, json_t *request);
/* The next word as a time, in milliseconds; word: the one before it. */
int take_time(struct words *w, json_t *request, const char *word,
	      const char *field);

#endif
