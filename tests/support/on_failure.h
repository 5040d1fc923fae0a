/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a test that fails has to tell besides the assertion. */
#ifndef SUPPORT_ON_FAILURE_H
#define SUPPORT_ON_FAILURE_H

/* Called in the process whose assertion fails, before it ends. NULL: nothing.
 */
extern void (*test_on_failure)(void);

#endif
