/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Check ends a test's process where an assertion fails, and no fixture of it
 * runs any more. But what was wrong is to be seen just then, before the
 * programs and networks that the test made are gone with it. So the linker has
 * Check's function called through here (--wrap, in tests/CMakeLists.txt).
 */
#include "tests/support/on_failure.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

void (*test_on_failure)(void);

void __real__ck_assert_failed(const char *file, int line, const char *expr,
			      const char *msg, ...) __attribute__((noreturn));
void __wrap__ck_assert_failed(const char *file, int line, const char *expr,
			      const char *msg, ...)
	__attribute__((noreturn, format(printf, 4, 5)));

void __wrap__ck_assert_failed(const char *file, int line, const char *expr,
			      const char *msg, ...)
{
	void (*tell)(void) = test_on_failure;
	char text[8192];
	va_list ap;

	if (msg) {
		va_start(ap, msg);
		vsnprintf(text, sizeof(text), msg, ap);
		va_end(ap);
	}
	/* An assertion may fail in there as well. */
	test_on_failure = NULL;
	if (tell) {
		fprintf(stderr, "%s:%d: %s%s%s\n", file, line, expr,
			msg ? ": " : "", msg ? text : "");
		tell();
	}
	__real__ck_assert_failed(file, line, expr, msg ? "%s" : NULL, text);
}
