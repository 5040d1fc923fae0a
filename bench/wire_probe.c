/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How long datagrams take from one network namespace to another, and how fast
 * they come, for bench/wire.sh. The sender writes its clock into each, and the
 * receiving kernel stamps it.
 *
 *     wire_probe delay NS-A NS-B FROM TO PORT PACKETS_A_SECOND SECONDS ASKED_US
 *     wire_probe rate  NS-A NS-B FROM TO PORT BITS_A_SECOND SECONDS
 *
 * delay prints, in us: the median, the 90th and the 99th percentile of how much
 * longer or shorter than asked the delay was; the median and the 99th of how
 * late sleeps of 1 ms ended meanwhile (clock_nanosleep(), slack 1 ns, nice -10
 * where that is allowed, short turns), in a thread of their own; and how many
 * datagrams were sent and lost.
 *
 * rate sends 1.1 times as much as it is told, in frames of 1514 bytes,
 * beginning with what makes a queue of 0.4 s, so that a sender that has to wait
 * for the processor does not look like a slow link. It prints the bits of
 * frames that came a second, from the first to the last; and how many that
 * were.
 */
#include "base/turns.h"

#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define FRAME_BYTES 1514
#define PAYLOAD 1472 /* 1514 less Ethernet, IPv4 and UDP */
#define SMALL 64
#define MAX_SAMPLES 4000000u
#define BATCH 64
#define TRAIN 8 /* frames a send, where the rate is what counts */
#define AHEAD_NS 400000000
#define TAIL_NS 600000000 /* for what is on its way at the end */

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

static int from_fd, to_fd;
static bool rate_mode;
static double per_second, seconds;
static volatile bool done;
static int64_t *delays, *sleeps, first_ns, last_ns;
static uint32_t n_received, n_sent, n_sleeps;

static int64_t now_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void sleep_until(int64_t ns)
{
	struct timespec t = { .tv_sec = ns / 1000000000,
			      .tv_nsec = ns % 1000000000 };

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) ==
	       EINTR)
		;
}

static int open_socket(const char *ns, const char *address, const char *port)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
				  .sin_port = htons((uint16_t)atoi(port)) };
	int ns_fd = open(ns, O_RDONLY | O_CLOEXEC), fd;

	if (ns_fd < 0 || setns(ns_fd, CLONE_NEWNET))
		err(1, "%s", ns);
	close(ns_fd);
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (!inet_aton(address, &in.sin_addr) || fd < 0 ||
	    bind(fd, (struct sockaddr *)&in, sizeof(in)))
		err(1, "%s", address);
	return fd;
}

/* ---- sending ------------------------------------------------------------ */

static void *sender(void *arg)
{
	static char data[TRAIN * PAYLOAD];
	size_t bytes = rate_mode ? sizeof(data) : SMALL;
	double step_ns =
		rate_mode ? 1e9 * TRAIN * FRAME_BYTES * 8 / (per_second * 1.1) :
			    1e9 / per_second;
	int64_t begin_ns;

	(void)arg;
	prctl(PR_SET_TIMERSLACK, 1);
	begin_ns = now_ns(CLOCK_MONOTONIC) - (rate_mode ? AHEAD_NS : 0);
	for (uint32_t i = 0; i * step_ns < seconds * 1e9; i++) {
		int64_t due_ns = begin_ns + (int64_t)(i * step_ns), stamp_ns;

		if (now_ns(CLOCK_MONOTONIC) < due_ns)
			sleep_until(due_ns);
		stamp_ns = now_ns(CLOCK_REALTIME);
		memcpy(data, &stamp_ns, sizeof(stamp_ns));
		n_sent += send(from_fd, data, bytes, 0) == (ssize_t)bytes;
	}
	return NULL;
}

/* How late a sleep ends, at the same time on the same machine, for a thread
 * with the emulator's slack and priority. */
static void *sleeper(void *arg)
{
	(void)arg;
	prctl(PR_SET_TIMERSLACK, 1);
	setpriority(PRIO_PROCESS, (id_t)gettid(), -10);
	turns_be_short();
	while (!done && n_sleeps < MAX_SAMPLES) {
		int64_t due_ns = now_ns(CLOCK_MONOTONIC) + 1000000;

		sleep_until(due_ns);
		sleeps[n_sleeps++] = now_ns(CLOCK_MONOTONIC) - due_ns;
	}
	return NULL;
}

/* ---- receiving ---------------------------------------------------------- */

static void take(struct msghdr *msg, const char *data)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(msg);
	struct timespec t;
	int64_t sent_ns, at_ns;

	if (!c || c->cmsg_type != SCM_TIMESTAMPNS || n_received == MAX_SAMPLES)
		return;
	memcpy(&t, CMSG_DATA(c), sizeof(t));
	memcpy(&sent_ns, data, sizeof(sent_ns));
	at_ns = (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
	if (!n_received)
		first_ns = at_ns;
	last_ns = at_ns;
	delays[n_received++] = at_ns - sent_ns;
}

/* Seldom, so as not to disturb: the buffer holds what comes meanwhile. */
static void *receiver(void *arg)
{
	static char data[BATCH][16], control[BATCH][64];
	struct iovec iov[BATCH];
	struct mmsghdr msgs[BATCH];

	(void)arg;
	while (!done) {
		int n;

		do {
			memset(msgs, 0, sizeof(msgs));
			for (int i = 0; i < BATCH; i++) {
				iov[i] = (struct iovec){ data[i], 16 };
				msgs[i].msg_hdr.msg_iov = &iov[i];
				msgs[i].msg_hdr.msg_iovlen = 1;
				msgs[i].msg_hdr.msg_control = control[i];
				msgs[i].msg_hdr.msg_controllen = 64;
			}
			n = recvmmsg(to_fd, msgs, BATCH, MSG_DONTWAIT, NULL);
			for (int i = 0; i < n; i++)
				take(&msgs[i].msg_hdr, data[i]);
		} while (n == BATCH);
		sleep_until(now_ns(CLOCK_MONOTONIC) + 5000000);
	}
	return NULL;
}

/* ---- telling ------------------------------------------------------------ */

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static double percentile_us(int64_t *v, uint32_t n, double share)
{
	if (!n)
		return -1;
	qsort(v, n, sizeof(*v), compare);
	return (double)v[(uint32_t)((n - 1) * share)] / 1e3;
}

/* As the emulator does: priorities count within a session only. */
static void own_session(void)
{
	int fd;

	setsid();
	fd = open("/proc/self/autogroup", O_WRONLY | O_CLOEXEC);
	if (fd >= 0 && write(fd, "-10", 3) < 0)
		warn("autogroup");
	if (fd >= 0)
		close(fd);
}

int main(int argc, char **argv)
{
	int one = 1, bytes = 64 << 20, segment = PAYLOAD;
	int64_t asked_ns = 0;
	struct sockaddr_in to = { .sin_family = AF_INET };
	pthread_t threads[3];

	rate_mode = argc > 1 && !strcmp(argv[1], "rate");
	if (argc != (rate_mode ? 9 : 10))
		errx(2, "see the head of %s", __FILE__);
	own_session();
	if (!rate_mode)
		asked_ns = atoll(argv[9]) * 1000;
	per_second = atof(argv[7]);
	seconds = atof(argv[8]);
	to.sin_port = htons((uint16_t)atoi(argv[6]));
	inet_aton(argv[5], &to.sin_addr);
	from_fd = open_socket(argv[2], argv[4], argv[6]);
	to_fd = open_socket(argv[3], argv[5], argv[6]);
	delays = calloc(MAX_SAMPLES, sizeof(*delays));
	sleeps = calloc(MAX_SAMPLES, sizeof(*sleeps));
	if (!delays || !sleeps)
		err(1, "calloc");
	if (connect(from_fd, (struct sockaddr *)&to, sizeof(to)) ||
	    setsockopt(to_fd, SOL_SOCKET, SO_TIMESTAMPNS, &one, sizeof(one)))
		err(1, "connect");
	if (rate_mode && setsockopt(from_fd, IPPROTO_UDP, UDP_SEGMENT, &segment,
				    sizeof(segment)))
		err(1, "UDP_SEGMENT");
	if (setsockopt(to_fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes,
		       sizeof(bytes)))
		setsockopt(to_fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
	pthread_create(&threads[0], NULL, receiver, NULL);
	pthread_create(&threads[1], NULL, sleeper, NULL);
	pthread_create(&threads[2], NULL, sender, NULL);
	pthread_join(threads[2], NULL);
	sleep_until(now_ns(CLOCK_MONOTONIC) + TAIL_NS);
	done = true;
	pthread_join(threads[0], NULL);
	pthread_join(threads[1], NULL);
	if (rate_mode) {
		printf("%.0f %u\n",
		       n_received > 1 ?
			       (n_received - 1.0) * FRAME_BYTES * 8 * 1e9 /
				       (double)(last_ns - first_ns) :
			       0,
		       n_received);
		return 0;
	}
	for (uint32_t i = 0; i < n_received; i++)
		delays[i] = llabs(delays[i] - asked_ns);
	printf("%.1f %.1f %.1f %.1f %.1f %u %u\n",
	       percentile_us(delays, n_received, 0.50),
	       percentile_us(delays, n_received, 0.90),
	       percentile_us(delays, n_received, 0.99),
	       percentile_us(sleeps, n_sleeps, 0.50),
	       percentile_us(sleeps, n_sleeps, 0.99), n_sent,
	       n_sent - n_received);
	return 0;
}
