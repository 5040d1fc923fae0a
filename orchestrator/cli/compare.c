/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Runs side by side. */
#include "orchestrator/cli/cli.h"

#include "orchestrator/report/compare.h"

#include <locale.h>

int cmd_compare(int argc, char **argv)
{
	struct err err = ERR_INIT;

	if (argc < 2)
		return usage_error("compare", "name the records of runs");
	if (argc - 1 > COMPARE_RUNS_MAX)
		return usage_error("compare", "name at most %d runs",
				   COMPARE_RUNS_MAX);
	setlocale(LC_CTYPE, "");
	if (!compare_print((const char *const *)argv + 1, (size_t)argc - 1,
			   stdout, &err))
		return EXIT_HELD;
	print_error(NULL, &err);
	return EXIT_BROKEN;
}
