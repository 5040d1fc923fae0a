/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Runs side by side. */
#include "orchestrator/cli/cli.h"

#include "orchestrator/report/compare.h"

#include <errno.h>
#include <getopt.h>
#include <locale.h>

int cmd_compare(int argc, char **argv)
{
	struct err err = ERR_INIT;
	int code;

	if (!take_words(argc, argv, &code))
		return code;
	if (optind == argc)
		return usage_error("compare", "name the records of runs");
	if (argc - optind > COMPARE_RUNS_MAX)
		return usage_error("compare", "name at most %d runs",
				   COMPARE_RUNS_MAX);
	setlocale(LC_CTYPE, "");
	if (!compare_print((const char *const *)argv + optind,
			   (size_t)(argc - optind), stdout, &err))
		return EXIT_HELD;
	if (err.code == ENOENT || err.code == ENOTDIR || err.code == EBADMSG)
		err_hint(&err, "name the folder of a run's record, "
			       "results/NAME/TIME");
	print_error(NULL, &err);
	return EXIT_USAGE;
}
