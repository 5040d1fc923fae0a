/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What commands there are, and how the words of each become a request. */
#include "node/app/salctl_parts.h"
#include "node/app/salctl_print.h"

#include <stdio.h>
#include <string.h>

static int build_name(struct words *w, json_t *request)
{
	const char *name = next_word(w), *id = next_word(w), *addr;

	if (!name || !id)
		return usage_error("expected NAME ID [ADDR4] [ADDR6]", NULL);
	json_object_set_new(request, "name", json_string(name));
	json_object_set_new(request, "service", json_string(id));
	while ((addr = next_word(w)) != NULL)
		json_object_set_new(request,
				    strchr(addr, ':') ? "addr6" : "addr4",
				    json_string(addr));
	return 0;
}

/* "service show" first, as "service" alone is that. */
static const struct command commands[] = {
	{ "service", "show", "service list", build_list, print_services,
	  PARTS },
	{ "service", "list", "service list", build_list, print_services,
	  PARTS },
	{ "service", "add", "service add", build_rule, print_done, BATCH },
	{ "service", "change", "service change", build_rule, print_done,
	  BATCH },
	{ "service", "replace", "service replace", build_rule, print_done,
	  BATCH },
	{ "service", "del", "service delete", build_delete, print_done, BATCH },
	{ "service", "delete", "service delete", build_delete, print_done,
	  BATCH },
	{ "service", "listen", "service listen", build_listen, print_done,
	  BATCH },
	{ "service", "delayed", "service delayed", build_nothing, print_delayed,
	  0 },
	{ "service", "release", "service verdict", build_release, print_done,
	  BATCH },
	{ "service", "refuse", "service verdict", build_refuse, print_done,
	  BATCH },
	{ "service", "drop", "service verdict", build_drop, print_done, BATCH },
	{ "name", "set", "name set", build_name, print_done, BATCH },
	{ "flow", "list", "flow list", build_nothing, print_flows, 0 },
	{ "flow", "show", "flow show", build_flow, print_flow, 0 },
	{ "flow", "ended", "flow ended", build_nothing, print_flows, 0 },
	{ "flow", "migrate", "flow migrate", build_migrate, print_done, BATCH },
	{ "flow", "hold", "flow hold", build_flow, print_done, 0 },
	{ "flow", "release", "flow release", build_flow, print_done, 0 },
	{ "flow", "commit", "flow commit", build_flow, print_done, 0 },
	{ "flow", "abort", "flow abort", build_flow, print_done, 0 },
	{ "flow", "export", "flow export", build_flow, print_done, 0 },
	{ "flow", "import", "flow import", build_nothing, print_done, 0 },
	{ "interface", "list", "interface list", build_nothing,
	  print_interfaces, 0 },
	{ "interface", "set", "interface set", build_interface, print_done, 0 },
	{ "policy", "show", "policy", build_nothing, print_policy, 0 },
	{ "policy", "set", "policy set", build_policy, print_done, 0 },
	{ "stats", NULL, "stats", build_nothing, print_stats, 0 },
	{ "events", NULL, "subscribe", build_nothing, print_done, EVENTS },
	{ "hello", NULL, "hello", build_nothing, print_hello, 0 },
};

const struct command *find_command(struct words *w)
{
	if (w->n == 1 && !strcmp(w->v[0], "service")) {
		w->n = 0;
		return &commands[0];
	}
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		const struct command *c = &commands[i];
		int n = c->verb ? 2 : 1;

		if (w->n < n || strcmp(w->v[0], c->object) != 0 ||
		    (c->verb && strcmp(w->v[1], c->verb) != 0))
			continue;
		w->v += n;
		w->n -= n;
		return c;
	}
	return NULL;
}

/* Of a command's first word it can be said what may stand behind it. */
int unknown_command(const struct words *w)
{
	char text[256] = "";
	size_t at = 0;

	for (size_t i = 0;
	     i < sizeof(commands) / sizeof(commands[0]) && at < sizeof(text);
	     i++)
		if (commands[i].verb && !strcmp(commands[i].object, w->v[0]))
			at += (size_t)snprintf(text + at, sizeof(text) - at,
					       "%s%s",
					       at ? ", " : "expected one of ",
					       commands[i].verb);
	if (!at)
		return usage_error("unknown command", w->v[0]);
	fprintf(stderr, "salctl: behind '%s': %s%s%s\nTry: salctl --help\n",
		w->v[0], text, w->n > 1 ? ", not " : "",
		w->n > 1 ? w->v[1] : "");
	return EXIT_USAGE;
}
