/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Check notes the place of every assertion that holds, so as to say after which
 * one a test crashed or hung: a write to a file each time, and to tests with a
 * million assertions that is half of what they do. So the linker has Check's
 * function called through here (--wrap, in tests/CMakeLists.txt): the first
 * ones of a test are noted one by one, which is all of most tests, and of the
 * others a few.
 */

#define ALL_OF_FIRST 1000
#define ONE_OF_OTHERS 256

void __real__mark_point(const char *file, int line);
void __wrap__mark_point(const char *file, int line);

void __wrap__mark_point(const char *file, int line)
{
	/* Of this process: Check forks one for each test. */
	static unsigned count;

	if (count < ALL_OF_FIRST || count % ONE_OF_OTHERS == 0)
		__real__mark_point(file, line);
	count++;
}
