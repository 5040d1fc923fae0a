/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ping and udp_echo: what is due is sent, then what came is taken. Where the
 * machine kept us from running, all that is due goes out at once: a probe that
 * skipped packets would show fewer of them in just the moments that are of
 * interest.
 */
#include "base/cleanup.h"
#include "base/clock.h"
#include "orchestrator/observe/packet.h"
#include "orchestrator/observe/probe_internal.h"
#include "orchestrator/observe/probe_loop.h"
#include "stream/mark.h"

#include <errno.h>
#include <string.h>

#define CSV_BUFFER ((size_t)1 << 20)
#define SEND_MAX (PROBE_RECEIVE_MAX / 2) /* at a time: replies must keep up */
#define PAYLOAD_MAX 65507u /* of UDP over IPv4 */

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

static int set_address(struct probe *p, const struct ip_addr *to,
		       struct err *err)
{
	const struct probe_config *c = p->config;
	in_port_t port = c->type == PROBE_UDP_ECHO ? htons(c->port) : 0;

	if (to->family == AF_INET) {
		p->to.v4.sin_family = AF_INET;
		p->to.v4.sin_port = port;
		memcpy(&p->to.v4.sin_addr, to->bytes, 4);
		p->to_len = sizeof(p->to.v4);
	} else if (to->family == AF_INET6) {
		p->to.v6.sin6_family = AF_INET6;
		p->to.v6.sin6_port = port;
		memcpy(&p->to.v6.sin6_addr, to->bytes, 16);
		p->to_len = sizeof(p->to.v6);
	} else {
		return err_set(err, EINVAL, "probe: no address to send to");
	}
	return 0;
}

/* 0, or why there is nobody to send to. */
static const char *refresh_name(struct probe *p)
{
	int r = probe_name_refresh(&p->name);

	if (r > 0) {
		set_address(p, &p->name.address, NULL);
		p->connected = false;
	}
	return r < 0 ? "no address" : NULL;
}

static void send_one(struct probe *p, int64_t sent_ns)
{
	const char *error = refresh_name(p);
	int r = error ? 0 : p->kind->send(p, p->next);

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

/* When the next packet is. */
static int64_t next_due_ns(const struct probe_task *t, const struct probe *p)
{
	return p->config->start_mono_ns +
	       (int64_t)(p->next + t->skipped) * p->config->interval_ns;
}

/* True: more is due. */
static bool send_due(struct probe_task *t, struct probe *p)
{
	unsigned n = 0;

	for (; p->next < p->count; n++) {
		int64_t due_ns = next_due_ns(t, p);
		int64_t mono_ns = clock_mono_ns();
		int64_t now_ns = pauses_run_ns(p->config->pauses, mono_ns);

		p->count -= probe_loop_skip(t, &due_ns, p->config->interval_ns,
					    p->count - p->next);
		if (p->next == p->count)
			break;
		if (now_ns < due_ns)
			return false;
		if (n == SEND_MAX)
			return true;
		lateness_add(&t->late, now_ns - due_ns);
		send_one(p, mono_ns);
	}
	return false;
}

/* ---- a task of the loop ------------------------------------------------- */

static int64_t packets_due(struct probe_task *t)
{
	struct probe *p = t->state;

	if (send_due(t, p))
		return 0;
	if (p->next < p->count)
		return next_due_ns(t, p);
	if (!p->end_ns)
		p->end_ns = probe_now_ns(t) + PROBE_LINGER_NS;
	t->done = !p->waiting || probe_now_ns(t) >= p->end_ns;
	return p->end_ns;
}

static void packets_ready(struct probe_task *t, uint32_t tag, uint32_t events)
{
	(void)tag;
	(void)events;
	(void)probe_socket_receive(t->state);
}

static void packets_flush(struct probe_task *t)
{
	const struct probe *p = t->state;

	fflush(p->csv);
}

static void packets_stop(struct probe_task *t, const char *why)
{
	(void)why;
	while (probe_socket_receive(t->state))
		;
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

static int packets_open(struct probe_task *t, struct err *err)
{
	const struct probe_config *c = t->config;
	struct probe *p = calloc(1, sizeof(*p));
	int r;

	if (!p)
		return err_errno(err, ENOMEM, "probe");
	t->state = p;
	*p = (struct probe){ .config = c, .fd = -1 };
	p->name = (struct probe_name){ .name = c->name, .address = c->to };
	r = check_config(c, err);
	if (!r)
		r = set_address(p, &c->to, err);
	if (r)
		return r;
	p->kind =
		c->type == PROBE_UDP_ECHO ? &probe_kind_udp : &probe_kind_ping;
	p->count =
		(uint64_t)((c->for_ns + c->interval_ns - 1) / c->interval_ns);
	p->slots = calloc(PROBE_WINDOW, sizeof(*p->slots));
	if (!p->slots)
		return err_errno(err, ENOMEM, "probe");
	p->csv_buffer = malloc(CSV_BUFFER);
	if (!p->csv_buffer)
		return err_errno(err, ENOMEM, "probe");
	p->csv = fopen(c->path, "we");
	if (!p->csv)
		return err_errno(err, errno, "%s", c->path);
	setvbuf(p->csv, p->csv_buffer, _IOFBF, CSV_BUFFER);
	fputs(PROBE_CSV_HEADER, p->csv);
	r = p->kind->open(p, err);
	if (!r)
		r = probe_socket_setup(p, err);
	if (!r && (r = probe_loop_watch(t, p->fd, 0, EPOLLIN, false)))
		err_errno(err, -r, "probe");
	return r;
}

static void packets_free(struct probe_task *t)
{
	struct probe *p = t->state;

	if (p->csv)
		fclose(p->csv);
	if (p->fd >= 0)
		close(p->fd);
	free(p->csv_buffer);
	free(p->packet);
	free(p->slots);
	free(p);
}

static int packets_finish(struct probe_task *t, struct err *err)
{
	struct probe *p = t->state;
	bool failed;

	probe_window_finish(p);
	failed = ferror(p->csv);
	if (fclose(TAKE_PTR(p->csv)) || failed)
		return err_errno(err, errno ? errno : EIO, "%s",
				 p->config->path);
	return 0;
}

const struct probe_task_kind probe_task_packets = {
	.open = packets_open,
	.due = packets_due,
	.ready = packets_ready,
	.flush = packets_flush,
	.stop = packets_stop,
	.finish = packets_finish,
	.free = packets_free,
};
