/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Small networks for tests of what runs inside them, made with ip(8): the tests
 * of one layer should not need another. To be used after test_sandbox_enter().
 */
#ifndef SUPPORT_VETH_H
#define SUPPORT_VETH_H

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Runs a command line in the calling process's namespaces; it must succeed. */
static inline void __attribute__((format(printf, 1, 2)))
sh(const char *fmt, ...)
{
	char line[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	ck_assert_msg(system(line) == 0, "failed: %s", line);
}

/* What a command prints on standard output; it must succeed. To be freed. */
static inline char *__attribute__((format(printf, 1, 2)))
sh_output(const char *fmt, ...)
{
	char line[1024];
	size_t size = 0, n = 0;
	char *text = NULL;
	va_list ap;
	FILE *p;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	p = popen(line, "r");
	ck_assert_ptr_nonnull(p);
	do {
		if (n + 4096 > size) {
			size = size * 2 + 8192;
			text = realloc(text, size);
			ck_assert_ptr_nonnull(text);
		}
		n += fread(text + n, 1, size - n - 1, p);
	} while (!feof(p) && !ferror(p));
	text[n] = '\0';
	ck_assert_msg(pclose(p) == 0, "failed: %s", line);
	return text;
}

static inline void netns_enter(int fd)
{
	ck_assert_msg(setns(fd, CLONE_NEWNET) == 0, "setns: %s",
		      strerror(errno));
}

static inline int netns_here(void)
{
	int fd = open("/proc/self/ns/net", O_RDONLY);

	ck_assert_int_ge(fd, 0);
	return fd;
}

/* A new network namespace, in which the caller then is. The descriptor passes
 * exec, so that ip(8) can be told it by its number. */
static inline int netns_new(void)
{
	ck_assert_msg(unshare(CLONE_NEWNET) == 0, "unshare: %s",
		      strerror(errno));
	return netns_here();
}

/* A veth from one namespace to another, up, without addresses and without the
 * chatter of IPv6. The caller is in the first one then. */
static inline void veth_add(int ns1, const char *name1, int ns2,
			    const char *name2)
{
	netns_enter(ns1);
	sh("ip link add %s type veth peer name %s netns /proc/self/fd/%d",
	   name1, name2, ns2);
	sh("ip link set %s addrgenmode none", name1);
	netns_enter(ns2);
	sh("ip link set %s addrgenmode none", name2);
	sh("ip link set %s up", name2);
	netns_enter(ns1);
	sh("ip link set %s up", name1);
}

/* One number out of /proc/net/snmp, by protocol and column ("Icmp",
 * "InEchos"), in the caller's namespace. */
static inline unsigned long snmp_counter(const char *protocol,
					 const char *column)
{
	FILE *f = fopen("/proc/self/net/snmp", "r");
	char names[4096], values[4096];
	size_t n = strlen(protocol);

	ck_assert_ptr_nonnull(f);
	while (fgets(names, sizeof(names), f) &&
	       fgets(values, sizeof(values), f)) {
		char *p1, *p2, *name, *value;

		if (strncmp(names, protocol, n) != 0 || names[n] != ':')
			continue;
		fclose(f);
		name = strtok_r(names, " \n", &p1);
		value = strtok_r(values, " \n", &p2);
		while (name && value) {
			if (!strcmp(name, column))
				return strtoul(value, NULL, 10);
			name = strtok_r(NULL, " \n", &p1);
			value = strtok_r(NULL, " \n", &p2);
		}
		ck_abort_msg("no counter %s %s", protocol, column);
	}
	ck_abort_msg("no counters of %s", protocol);
	return 0;
}

/* The status a child left, which must not have been killed. */
static inline int wait_for(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) != pid)
		ck_assert_int_eq(errno, EINTR);
	ck_assert_msg(WIFEXITED(status), "killed by signal %d",
		      WTERMSIG(status));
	return WEXITSTATUS(status);
}

#endif
