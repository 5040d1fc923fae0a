/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Puts a test program into namespaces of its own (user where not root, mount,
 * network, pid), so that what it makes disturbs nobody and dies with it.
 */
#ifndef SUPPORT_SANDBOX_H
#define SUPPORT_SANDBOX_H

/*
 * To be called first in main(): forks into the namespaces and returns in the
 * child, as PID 1's child with /proc mounted anew. The parent waits, and exits
 * with the child's status. Exits with a message where namespaces are refused.
 */
void test_sandbox_enter(void);

#endif
