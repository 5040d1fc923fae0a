/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the tests of the kernel layer build again and again. Each helper fails
 * the running test with the error's own words.
 */
#ifndef SUPPORT_KERNEL_LAB_H
#define SUPPORT_KERNEL_LAB_H

#include "orchestrator/kernel/kernel.h"
#include "base/clock.h"
#include "base/vec.h"

#include <arpa/inet.h>
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#define LAB_PATIENCE_NS (30 * NSEC_PER_SEC)

#define OK(expr)                                                               \
	do {                                                                   \
		int ok_r_ = (expr);                                            \
		ck_assert_msg(ok_r_ == 0, #expr ": %d: %s", ok_r_, E.msg);     \
	} while (0)

#define FAILS(expr, code, words)                                               \
	do {                                                                   \
		int fails_r_ = (expr);                                         \
		ck_assert_int_eq(fails_r_, -(code));                           \
		ck_assert_msg(strstr(E.msg, words) != NULL,                    \
			      "\"%s\" is not in \"%s\"", words, E.msg);        \
	} while (0)

static struct kernel K;
static struct err E;
static VEC(struct kns *) lab_namespaces;

static inline void lab_setup(void)
{
	E = ERR_INIT;
	OK(kernel_init(&K, 0, 0, &E));
}

static inline void lab_teardown(void)
{
	for (size_t i = 0; i < lab_namespaces.n; i++)
		kns_free(lab_namespaces.v[i]);
	VEC_FREE(&lab_namespaces);
	kernel_deinit(&K);
}

/* Lives until lab_teardown(), unless it is freed by lab_ns_free(). */
static inline struct kns *lab_ns(void)
{
	struct kns **slot = VEC_PUSH(&lab_namespaces);

	ck_assert_ptr_nonnull(slot);
	OK(kns_new(&K, slot, &E));
	return *slot;
}

static inline struct kns *lab_home_ns(void)
{
	struct kns **slot = VEC_PUSH(&lab_namespaces);

	ck_assert_ptr_nonnull(slot);
	OK(kns_home(&K, slot, &E));
	return *slot;
}

static inline void lab_ns_free(struct kns *ns)
{
	for (size_t i = 0; i < lab_namespaces.n; i++) {
		if (lab_namespaces.v[i] == ns)
			lab_namespaces.v[i] = NULL;
	}
	ck_assert_ptr_null(kns_free(ns));
}

static inline struct ip_addr lab_addr(const char *text)
{
	struct ip_addr a = { 0 };

	if (text)
		ck_assert_int_eq(ip_parse_addr(text, &a), 0);
	return a;
}

static inline struct ip_prefix lab_prefix(const char *text)
{
	struct ip_prefix p;

	ck_assert_int_eq(ip_parse_prefix(text, &p), 0);
	return p;
}

/* Interfaces are called e<ifindex>. */
static inline void lab_veth(struct kns *a, uint32_t a_index, struct kns *b,
			    uint32_t b_index, uint32_t master)
{
	struct kbatch *batch = kbatch_new(a);
	char names[2][16];
	struct kveth_end first = {
		.ns = a, .name = names[0], .ifindex = a_index, .master = master
	};
	struct kveth_end peer = { .ns = b,
				  .name = names[1],
				  .ifindex = b_index };

	snprintf(names[0], sizeof(names[0]), "e%u", a_index);
	snprintf(names[1], sizeof(names[1]), "e%u", b_index);
	OK(kbatch_veth_add(batch, 0, &first, &peer, 0, NULL, &E));
	OK(kbatch_commit(batch, NULL, &E));
	kbatch_free(batch);
}

static inline void lab_link(struct kns *ns, uint32_t ifindex, bool up)
{
	struct kbatch *batch = kbatch_new(ns);

	OK(kbatch_link_set(batch, 0, ifindex, up, NULL, &E));
	OK(kbatch_commit(batch, NULL, &E));
	kbatch_free(batch);
}

static inline void lab_address(struct kns *ns, uint32_t ifindex,
			       const char *text)
{
	struct ip_prefix p = lab_prefix(text);
	struct kbatch *batch = kbatch_new(ns);

	OK(kbatch_addr(batch, 0, true, ifindex, &p, NULL, &E));
	OK(kbatch_commit(batch, NULL, &E));
	kbatch_free(batch);
}

static inline int lab_try_route(struct kns *ns, bool add, const char *to,
				const char *via, uint32_t ifindex,
				uint32_t metric)
{
	struct ip_prefix p = lab_prefix(to);
	struct ip_addr gateway = lab_addr(via);
	struct kbatch *batch = kbatch_new(ns);
	int r;

	r = kbatch_route(batch, 0, add, &p, &gateway, ifindex, metric, NULL,
			 &E);
	if (!r)
		r = kbatch_commit(batch, NULL, &E);
	kbatch_free(batch);
	return r;
}

static inline void lab_route(struct kns *ns, const char *to, const char *via,
			     uint32_t ifindex, uint32_t metric)
{
	OK(lab_try_route(ns, true, to, via, ifindex, metric));
}

/* Polls until the condition holds; fails the test where it never does. */
#define WAIT_FOR(condition)                                                    \
	do {                                                                   \
		int64_t end_ = clock_mono_ns() + LAB_PATIENCE_NS;              \
                                                                               \
		while (!(condition)) {                                         \
			ck_assert_msg(clock_mono_ns() < end_,                  \
				      "never came true: " #condition);         \
			poll(NULL, 0, 1);                                      \
		}                                                              \
	} while (0)

static inline bool lab_is_ready(struct kns *ns)
{
	int r = kns_links_ready(ns, NULL, &E);

	ck_assert_msg(r >= 0, "%s", E.msg);
	return r == 1;
}

static inline void lab_ready(struct kns *ns)
{
	WAIT_FOR(lab_is_ready(ns));
}

/* ---- sockets ------------------------------------------------------------ */

static inline socklen_t lab_sockaddr(const char *addr, uint16_t port,
				     struct sockaddr_storage *out)
{
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;
	struct sockaddr_in *in = (struct sockaddr_in *)out;
	struct ip_addr a = lab_addr(addr);

	memset(out, 0, sizeof(*out));
	out->ss_family = a.family;
	if (a.family == AF_INET6) {
		memcpy(&in6->sin6_addr, a.bytes, 16);
		in6->sin6_port = htons(port);
		return sizeof(*in6);
	}
	memcpy(&in->sin_addr, a.bytes, 4);
	in->sin_port = htons(port);
	return sizeof(*in);
}

/* A socket in ns, bound to the address; its reads wait for a while only. */
static inline int lab_socket(struct kns *ns, int type, const char *addr,
			     uint16_t port)
{
	struct timeval patience = { .tv_sec = 10 };
	struct sockaddr_storage sa;
	socklen_t len = lab_sockaddr(addr, port, &sa);
	int fd;

	OK(kns_enter(&K, ns, &E));
	fd = socket(sa.ss_family, type | SOCK_CLOEXEC, 0);
	OK(kns_enter(&K, NULL, &E));
	ck_assert_int_ge(fd, 0);
	OK(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience,
		      sizeof(patience)));
	ck_assert_msg(bind(fd, (struct sockaddr *)&sa, len) == 0, "bind %s: %s",
		      addr, strerror(errno));
	return fd;
}

static inline void lab_connect(int fd, const char *addr, uint16_t port)
{
	struct sockaddr_storage sa;
	socklen_t len = lab_sockaddr(addr, port, &sa);

	ck_assert_msg(connect(fd, (struct sockaddr *)&sa, len) == 0,
		      "connect to %s: %s", addr, strerror(errno));
}

static inline void lab_send_to(int fd, const char *addr, uint16_t port,
			       const char *text)
{
	struct sockaddr_storage sa;
	socklen_t len = lab_sockaddr(addr, port, &sa);
	ssize_t n =
		sendto(fd, text, strlen(text), 0, (struct sockaddr *)&sa, len);

	ck_assert_msg(n == (ssize_t)strlen(text), "send to %s: %s", addr,
		      strerror(errno));
}

static inline void lab_expect(int fd, const char *text)
{
	char buf[256] = "";
	ssize_t n = recv(fd, buf, sizeof(buf) - 1, 0);

	ck_assert_msg(n >= 0, "expected \"%s\": %s", text, strerror(errno));
	ck_assert_str_eq(buf, text);
}

/* ---- what must not change ----------------------------------------------- */

static inline unsigned lab_fd_count(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned n = 0;

	ck_assert_ptr_nonnull(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static inline bool lab_at_home(void)
{
	struct stat here, home;

	OK(stat("/proc/thread-self/ns/net", &here));
	OK(fstat(K.home_fd, &home));
	return here.st_dev == home.st_dev && here.st_ino == home.st_ino;
}

#endif
