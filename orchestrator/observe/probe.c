/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One loop that sends what is due before anything else, then takes what came.
 * A timer that fires at start + k * interval wakes it; how often it fired does
 * not matter, for the clock says what is due. Where the machine kept us from
 * running, all that is due goes out at once: a probe that skipped packets would
 * show fewer of them in just the moments that are of interest.
 *
 * All memory is taken before the first packet, and the file's lines gather in a
 * buffer: an allocation or a slow disk should not show in the times.
 */
#include "base/cleanup.h"
#include "base/clock.h"
#include "orchestrator/observe/packet.h"
#include "orchestrator/observe/probe_internal.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>

#define CSV_BUFFER ((size_t)1 << 20)
#define SEND_MAX (PROBE_RECEIVE_MAX / 2) /* at a time: replies must keep up */
#define PAYLOAD_MAX 65507u /* of UDP over IPv4 */

enum { POLL_SOCKET, POLL_TIMER, POLL_STOP, POLL_SIGNAL, POLL_COUNT };

/* ---- sending ------------------------------------------------------------ */

/* In the words of an ICMP error that says the same (probe_socket.c). At most 23
 * bytes, without commas: samples.h. */
static const char *text_of_errno(int code)
{
	const char *name;

	switch (code) {
	case ENETUNREACH:
		return "network unreachable";
	case EHOSTUNREACH:
		return "host unreachable";
	case EMSGSIZE:
		return "packet too big";
	case EPERM:
	case EACCES:
		return "prohibited";
	}
	name = strerrorname_np(code);
	return name ? name : "send";
}

static void send_one(struct probe *p)
{
	int64_t sent_ns = clock_mono_ns();
	int r = p->kind->send(p, p->next);
	const char *error = NULL;

	/* An ICMP error of an earlier packet may have been mistaken for a
	 * failure of this one: see probe_socket.c. */
	for (unsigned i = 0; r && i < 3 && probe_socket_errors(p); i++) {
		sent_ns = clock_mono_ns();
		r = p->kind->send(p, p->next);
	}
	if (r)
		error = text_of_errno(-r);
	probe_window_sent(p, sent_ns, error);
}

/* True: more is due. */
static bool send_due(struct probe *p)
{
	const struct probe_config *c = p->config;
	unsigned n = 0;

	for (; p->next < p->count; n++) {
		int64_t due_ns =
			c->start_mono_ns + (int64_t)p->next * c->interval_ns;

		if (clock_mono_ns() < due_ns)
			return false;
		if (n == SEND_MAX)
			return true;
		send_one(p);
	}
	return false;
}

/* ---- the loop ----------------------------------------------------------- */

static struct timespec to_timespec(int64_t ns)
{
	return (struct timespec){ .tv_sec = ns / NSEC_PER_SEC,
				  .tv_nsec = ns % NSEC_PER_SEC };
}

/* interval_ns 0: once. */
static int set_timer(int fd, int64_t at_ns, int64_t interval_ns)
{
	struct itimerspec spec = {
		.it_value = to_timespec(at_ns > 0 ? at_ns : 1),
		.it_interval = to_timespec(interval_ns),
	};

	return timerfd_settime(fd, TFD_TIMER_ABSTIME, &spec, NULL) ? -errno : 0;
}

static int loop(struct probe *p, struct pollfd fds[POLL_COUNT])
{
	int64_t end_ns = INT64_MAX; /* of waiting for the last replies */
	int timer = fds[POLL_TIMER].fd;
	int r = set_timer(timer, p->config->start_mono_ns,
			  p->config->interval_ns);

	while (!r) {
		bool more = send_due(p);
		uint64_t fired;

		if (p->next == p->count) {
			int64_t now_ns = clock_mono_ns();

			if (end_ns == INT64_MAX) {
				end_ns = now_ns + PROBE_LINGER_NS;
				r = set_timer(timer, end_ns, 0);
			}
			if (!p->waiting || now_ns >= end_ns)
				break;
		}
		if (poll(fds, POLL_COUNT, more ? 0 : -1) < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		if (fds[POLL_TIMER].revents &&
		    read(timer, &fired, sizeof(fired)) < 0 && errno != EAGAIN)
			return -errno;
		if (fds[POLL_SOCKET].revents)
			(void)probe_socket_receive(p);
		if (fds[POLL_STOP].revents || fds[POLL_SIGNAL].revents) {
			while (probe_socket_receive(p))
				;
			break;
		}
	}
	return r;
}

/* ---- set-up ------------------------------------------------------------- */

static int check_config(const struct probe_config *c, struct err *err)
{
	if (c->interval_ns <= 0 || c->for_ns <= 0 ||
	    c->for_ns > INT64_MAX - c->interval_ns)
		return err_set(err, EINVAL, "probe: an impossible interval");
	if (c->payload < PROBE_MARK_SIZE || c->payload > PAYLOAD_MAX)
		return err_set(err, EINVAL,
			       "probe: a payload of %u bytes; %u to %u are "
			       "possible",
			       c->payload, PROBE_MARK_SIZE, PAYLOAD_MAX);
	return 0;
}

static int set_address(struct probe *p, struct err *err)
{
	const struct probe_config *c = p->config;
	in_port_t port = c->udp ? htons(c->port) : 0;

	if (c->to.family == AF_INET) {
		p->to.v4.sin_family = AF_INET;
		p->to.v4.sin_port = port;
		memcpy(&p->to.v4.sin_addr, c->to.bytes, 4);
		p->to_len = sizeof(p->to.v4);
	} else if (c->to.family == AF_INET6) {
		p->to.v6.sin6_family = AF_INET6;
		p->to.v6.sin6_port = port;
		memcpy(&p->to.v6.sin6_addr, c->to.bytes, 16);
		p->to_len = sizeof(p->to.v6);
	} else {
		return err_set(err, EINVAL, "probe: no address to send to");
	}
	return 0;
}

static int probe_init(struct probe *p, const struct probe_config *c,
		      const char *csv_path, struct err *err)
{
	int r;

	*p = (struct probe){ .config = c, .fd = -1 };
	r = check_config(c, err);
	if (!r)
		r = set_address(p, err);
	if (r)
		return r;
	p->kind = c->udp ? &probe_kind_udp : &probe_kind_ping;
	p->count =
		(uint64_t)((c->for_ns + c->interval_ns - 1) / c->interval_ns);
	p->slots = calloc(PROBE_WINDOW, sizeof(*p->slots));
	if (!p->slots)
		return err_errno(err, ENOMEM, "probe");
	p->csv_buffer = malloc(CSV_BUFFER);
	if (!p->csv_buffer)
		return err_errno(err, ENOMEM, "probe");
	p->csv = fopen(csv_path, "we");
	if (!p->csv)
		return err_errno(err, errno, "%s", csv_path);
	setvbuf(p->csv, p->csv_buffer, _IOFBF, CSV_BUFFER);
	fputs(PROBE_CSV_HEADER, p->csv);
	r = p->kind->open(p, err);
	return r ? r : probe_socket_setup(p, err);
}

static void probe_deinit(struct probe *p)
{
	if (p->csv)
		fclose(p->csv);
	if (p->fd >= 0)
		close(p->fd);
	free(p->csv_buffer);
	free(p->packet);
	free(p->slots);
}

static int open_sigterm(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	if (sigprocmask(SIG_BLOCK, &set, NULL))
		return -1;
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static int run(struct probe *p, int stop_fd, struct err *err)
{
	CLEANUP_CLOSE int signal_fd = open_sigterm();
	CLEANUP_CLOSE int timer_fd =
		timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	struct pollfd fds[POLL_COUNT] = {
		[POLL_SOCKET] = { .fd = p->fd, .events = POLLIN },
		[POLL_TIMER] = { .fd = timer_fd, .events = POLLIN },
		[POLL_STOP] = { .fd = stop_fd, .events = POLLIN },
		[POLL_SIGNAL] = { .fd = signal_fd, .events = POLLIN },
	};
	int r;

	if (signal_fd < 0 || timer_fd < 0)
		return err_errno(err, errno, "probe");
	prctl(PR_SET_TIMERSLACK, 1);
	r = loop(p, fds);
	if (r)
		err_errno(err, -r, "probe");
	return r;
}

/* What is known is written however the loop ended. */
static int finish(struct probe *p, const char *csv_path, struct err *err)
{
	bool failed;

	probe_window_finish(p);
	failed = ferror(p->csv);
	if (fclose(TAKE_PTR(p->csv)) || failed)
		return err_errno(err, errno ? errno : EIO, "%s", csv_path);
	return 0;
}

int probe_main(const struct probe_config *c, const char *csv_path, int stop_fd,
	       int err_fd)
{
	struct err err = ERR_INIT;
	struct probe p;
	int r = probe_init(&p, c, csv_path, &err);

	if (!r) {
		int finished;

		r = run(&p, stop_fd, &err);
		finished = finish(&p, csv_path, r ? NULL : &err);
		if (!r)
			r = finished;
	}
	probe_deinit(&p);
	if (r)
		dprintf(err_fd, "%s\n", err.msg);
	return r ? 1 : 0;
}
