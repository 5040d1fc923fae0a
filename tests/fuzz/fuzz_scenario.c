/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Any bytes at all as a scenario: they are read or refused, and what is said
 * about them can be printed. Run it with libFuzzer (clang -fsanitize=fuzzer),
 * or link it with run_corpus.c to feed it files.
 */
#include "base/diag.h"
#include "orchestrator/scenario/model.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* abort() is how a fuzzer hears of a broken promise. */
static void check(bool held)
{
	if (!held)
		abort();
}

/* Reads every index of the model: a wrong one is an address error. */
static void walk(const struct scenario *s)
{
	char text[256];

	for (size_t i = 0; i < s->links.n; i++)
		for (size_t e = 0; e < 2; e++)
			check(s->nodes.v[s->links.v[i].end[e].node].name);
	for (size_t i = 0; i < s->services.n; i++)
		check(s->nodes.v[s->services.v[i].instance].name);
	for (size_t i = 0; i < s->probes.n; i++)
		check(s->nodes.v[s->probes.v[i].node].name);
	for (size_t i = 0; i < s->timeline.n; i++) {
		const struct scn_entry *entry = &s->timeline.v[i];

		check(!i || entry->at_ns >= s->timeline.v[i - 1].at_ns);
		check(entry->trigger != SCN_TRIGGER_AFTER ||
		      (entry->after < s->timeline.n && entry->after != i));
		check(entry->trigger != SCN_TRIGGER_WHEN || entry->when.count);
		for (size_t k = 0; k < entry->actions.n; k++)
			check(strlen(scn_action_text(s, &entry->actions.v[k],
						     text, sizeof(text))));
	}
	for (size_t i = 0; i < s->expects.n; i++)
		check(s->expects.v[i].pos.line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct diag *diag = diag_new();
	struct scenario *scenario = NULL;
	struct err err = ERR_INIT;
	char *printed = NULL;
	size_t printed_len;
	FILE *out;
	int r;

	if (!diag)
		return 0;
	r = scenario_parse("fuzz.yaml", (const char *)data, size, diag,
			   &scenario, &err);
	check((r == 0) == (scenario != NULL));
	check((r == -EINVAL) == (diag_count(diag) > 0));
	check(r == 0 || r == -EINVAL || err.code);
	if (scenario)
		walk(scenario);
	scenario_free(scenario);
	out = open_memstream(&printed, &printed_len);
	if (out) {
		diag_render(diag, out);
		fclose(out);
		check((printed_len > 0) == (r == -EINVAL));
		free(printed);
	}
	diag_free(diag);
	return 0;
}
