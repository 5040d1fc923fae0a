/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Hosts on one switch, each with a real sald:
 *
 *     host 1           host 2           host 3 ...
 *     sald, sal0       sald, sal0
 *     eth0 10.0.0.1    eth0 10.0.0.2
 *          fd00::1          fd00::2
 *       |                |                |
 *     --+---- switch ----+----------------+--
 *
 * Inner addresses are 10.254.0.N and fd5e::N; services have addresses in
 * 10.255.0.0/16 and fd5f::/64. To be used after test_sandbox_enter().
 */
#ifndef SUPPORT_SALD_LAB_H
#define SUPPORT_SALD_LAB_H

#include "base/clock.h"
#include "base/ip.h"
#include "tests/support/on_failure.h"
#include "tests/support/veth.h"

#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#define HOSTS_MAX 4
#define PATIENCE_S 30

struct host {
	int number; /* from 1 */
	int ns;
	pid_t sald; /* 0: none */
	const char *option; /* one more for it; NULL: none */
	char control[32];
};

static struct host hosts[HOSTS_MAX + 1]; /* [0] is not used */

/*
 * How long a program may wait before its peer is asked whether it is there:
 * what a sald has by itself. A host that gets no CPU for longer is taken for
 * lost, and its flows go another way, where there is one. Tests of something
 * else, which look at ways and at what is counted, set it to PATIENT in front
 * of the salds' start.
 */
#define PATIENT "120000"
static const char *lab_liveness_ms = "1000";
static int switch_ns;

/* Polls until the expression is true; fails the test where it never is. */
#define WAIT_FOR(condition)                                                    \
	do {                                                                   \
		int64_t end_ = clock_mono_ns() + PATIENCE_S * NSEC_PER_SEC;    \
                                                                               \
		while (!(condition)) {                                         \
			ck_assert_msg(clock_mono_ns() < end_,                  \
				      "never came true: " #condition);         \
			poll(NULL, 0, 2);                                      \
		}                                                              \
	} while (0)

/* What the salds know, and the kernel of their hosts, for a test that fails. */
static inline void lab_tell(void)
{
	for (int i = 1; i <= HOSTS_MAX; i++) {
		const struct host *h = &hosts[i];
		char line[1024];

		if (!h->sald || setns(h->ns, CLONE_NEWNET))
			continue;
		snprintf(line, sizeof(line),
			 "exec >&2; echo '---- host %d'; "
			 "for what in 'flow list' 'flow ended' 'service list' "
			 "'interface list' stats; do "
			 "timeout 5 " SALCTL " -c %s $what | grep -v ' 0$'; "
			 "done; ip -br addr; ip neigh; nstat -as",
			 i, h->control);
		if (system(line))
			fprintf(stderr, "host %d tells no more\n", i);
	}
}

/* A fixture. Each test has a folder for its sockets and files that nobody else
 * sees: what ran in the one before may be killed, and not be dead yet. */
static inline void lab_set_up(void)
{
	ck_assert_int_eq(unshare(CLONE_NEWNS), 0);
	ck_assert_int_eq(mount("tmpfs", "/run", "tmpfs", 0, NULL), 0);
	test_on_failure = lab_tell;
}

/* Like sh(), but in a host, and returns the exit status. */
static inline int __attribute__((format(printf, 2, 3)))
host_try(const struct host *h, const char *fmt, ...)
{
	char line[1024];
	va_list ap;
	int status;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	netns_enter(h->ns);
	status = system(line);
	ck_assert_msg(status >= 0 && WIFEXITED(status), "killed: %s", line);
	return WEXITSTATUS(status);
}

/* For WAIT_FOR: it may be too early, or the answer late. */
static inline bool host_reaches(const struct host *h, const char *address)
{
	return host_try(h, "ping -c 1 -W 1 %s >/dev/null", address) == 0;
}

/* One ping, and its answer, however late. */
static inline bool host_pings(const struct host *h, const char *address)
{
	return host_try(h, "ping -c 1 -W %d %s >/dev/null", PATIENCE_S,
			address) == 0;
}

/* n hosts, whose underlay carries packets. */
static inline void lab_hosts(int n)
{
	switch_ns = netns_new();
	sh("ip link add br0 type bridge mcast_snooping 0");
	sh("ip link set br0 addrgenmode none up");
	for (int i = 1; i <= n; i++) {
		struct host *h = &hosts[i];
		char port[16];

		h->number = i;
		snprintf(h->control, sizeof(h->control), "/run/%d.sock", i);
		snprintf(port, sizeof(port), "port%d", i);
		h->ns = netns_new();
		veth_add(h->ns, "eth0", switch_ns, port);
		sh("ip link set lo up");
		sh("ip addr add 10.0.0.%d/24 dev eth0", i);
		sh("ip addr add fd00::%d/64 dev eth0 nodad", i);
		netns_enter(switch_ns);
		sh("ip link set %s master br0", port);
	}
	for (int i = 2; i <= n; i++) {
		char address[32];

		snprintf(address, sizeof(address), "10.0.0.%d", i);
		WAIT_FOR(host_reaches(&hosts[1], address));
		snprintf(address, sizeof(address), "fd00::%d", i);
		WAIT_FOR(host_reaches(&hosts[1], address));
	}
}

/* Waits for the byte that sald writes when everything is open. */
static inline void await_ready(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char byte;

	ck_assert_int_eq(poll(&p, 1, PATIENCE_S * 1000), 1);
	ck_assert_msg(read(fd, &byte, 1) == 1, "sald did not start");
	close(fd);
}

static inline void host_start_sald(struct host *h)
{
	char inner4[32], inner6[32], ready[16];
	int pipe_fds[2];

	snprintf(inner4, sizeof(inner4), "10.254.0.%d/16", h->number);
	snprintf(inner6, sizeof(inner6), "fd5e::%d/64", h->number);
	ck_assert_int_eq(pipe(pipe_fds), 0);
	snprintf(ready, sizeof(ready), "%d", pipe_fds[1]);
	netns_enter(h->ns);
	h->sald = fork();
	ck_assert_int_ge(h->sald, 0);
	if (h->sald == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(pipe_fds[0]);
		/* SALD_UNDER in the environment: what it is to run under. */
		execl("/bin/sh", "sh", "-c", "exec $SALD_UNDER \"$0\" \"$@\"",
		      SALD, "--inner", inner4, "--inner", inner6, "--services",
		      "10.255.0.0/16", "--services", "fd5f::/64", "--control",
		      h->control, "--liveness-ms", lab_liveness_ms,
		      "--ready-fd", ready, h->option, NULL);
		_exit(127);
	}
	close(pipe_fds[1]);
	await_ready(pipe_fds[0]);
}

/* Asks sald to end; it must do so properly. */
static inline void host_stop_sald(struct host *h)
{
	ck_assert_int_eq(kill(h->sald, SIGTERM), 0);
	ck_assert_int_eq(wait_for(h->sald), 0);
	h->sald = 0;
}

static inline bool host_is_alive(const struct host *h)
{
	return waitpid(h->sald, NULL, WNOHANG) == 0;
}

static inline void __attribute__((format(printf, 2, 3)))
salctl(const struct host *h, const char *fmt, ...)
{
	char words[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(words, sizeof(words), fmt, ap);
	va_end(ap);
	sh("%s -c %s %s", SALCTL, h->control, words);
}

/* Service "web" is known at all hosts, by name and address. */
#define WEB "16385"
#define WEB4 "10.255.0.1"
#define WEB6 "fd5f::1"

static inline void lab_name_web(int n)
{
	for (int i = 1; i <= n; i++)
		salctl(&hosts[i], "name set web " WEB " " WEB4 " " WEB6);
}

/* Two hosts: 2 offers the service, 1 finds it over the given family. */
static inline void lab_client_and_server(int outer)
{
	lab_hosts(2);
	host_start_sald(&hosts[1]);
	host_start_sald(&hosts[2]);
	lab_name_web(2);
	salctl(&hosts[2], "service add " WEB " demux");
	salctl(&hosts[1], "service add " WEB " forward %s",
	       outer == 4 ? "10.0.0.2" : "fd00::2");
}

/* What a sald has counted, as text; to be freed. */
static inline char *host_counters(const struct host *h)
{
	return sh_output("%s -c %s stats", SALCTL, h->control);
}

static inline unsigned long counter_in(const char *counters, const char *name)
{
	size_t len = strlen(name);

	for (const char *line = counters; line;) {
		if (!strncmp(line, name, len) && line[len] == ' ')
			return strtoul(line + len, NULL, 10);
		line = strchr(line, '\n');
		line += line != NULL;
	}
	ck_abort_msg("no counter %s", name);
	return 0;
}

/* One of sald's counters. */
static inline unsigned long host_counter(const struct host *h, const char *name)
{
	char *text = host_counters(h);
	unsigned long n = counter_in(text, name);

	free(text);
	return n;
}

/* Does what "salctl WORDS" prints hold the text? */
static inline bool host_shows(const struct host *h, const char *words,
			      const char *text)
{
	char *all = sh_output("%s -c %s %s", SALCTL, h->control, words);
	bool found = strstr(all, text) != NULL;

	free(all);
	return found;
}

/* ---- traffic ---------------------------------------------------------- */

static inline socklen_t make_sockaddr(const char *address, uint16_t port,
				      struct sockaddr_storage *out)
{
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;
	struct sockaddr_in *in = (struct sockaddr_in *)out;
	struct ip_addr a;

	ck_assert_int_eq(ip_parse_addr(address, &a), 0);
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

/* A socket in the host, bound to the address; NULL: not bound. */
static inline int host_socket(const struct host *h, int family, int type,
			      const char *address, uint16_t port)
{
	struct timeval patience = { .tv_sec = PATIENCE_S };
	struct sockaddr_storage sa;
	int fd, on = 1;

	netns_enter(h->ns);
	fd = socket(family, type | SOCK_CLOEXEC, 0);
	ck_assert_int_ge(fd, 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (address) {
		socklen_t len = make_sockaddr(address, port, &sa);

		ck_assert_msg(bind(fd, (struct sockaddr *)&sa, len) == 0,
			      "bind %s: %s", address, strerror(errno));
	}
	return fd;
}

static inline int try_connect(int fd, const char *address, uint16_t port)
{
	struct sockaddr_storage sa;
	socklen_t len = make_sockaddr(address, port, &sa);

	return connect(fd, (struct sockaddr *)&sa, len) ? errno : 0;
}

#endif
