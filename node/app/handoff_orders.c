/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The orders of who directs a handoff, and the way from predecessor to
 * successor: docs/control.md, "Servers that hand over".
 *
 * Orders are answered in their order and at once; the only thing waited for is
 * the other server, at the other end of the socket that came with the order,
 * and no longer than WAIT_S. When the director is gone (end of file) what was
 * begun is taken back: it can't have been completed without him.
 */
#include "node/app/handoff_server.h"

#include "base/cleanup.h"
#include "stream/socket.h"

#include "base/fd_pass.h"

#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define ORDER_MAX 256
#define WAIT_S 5
#define SAVED_MAX (1u << 20)

int handoff_orders_fd(void)
{
	const char *text = getenv("SERVALAB_HANDOFF_FD");
	int fd = text ? atoi(text) : -1, type = 0;
	socklen_t len = sizeof(type);

	if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) ||
	    type != SOCK_SEQPACKET)
		return -1;
	return fd;
}

/* ---- between the two ------------------------------------------------------
 */

static void set_patience(int fd)
{
	const struct timeval wait = { .tv_sec = WAIT_S };

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
}

static int write_all(int fd, const void *bytes, size_t len)
{
	const uint8_t *at = bytes;

	while (len) {
		ssize_t n = send(fd, at, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		at += n;
		len -= (size_t)n;
	}
	return 0;
}

static int read_all(int fd, void *bytes, size_t len)
{
	uint8_t *at = bytes;

	while (len) {
		ssize_t n = recv(fd, at, len, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -ECONNRESET;
		at += n;
		len -= (size_t)n;
	}
	return 0;
}

/* ---- the predecessor ------------------------------------------------------
 */

static struct connection *find(const struct server *s, unsigned number)
{
	for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
		struct connection *c = s->connections[i];

		if (c && c->still && c->number == number)
			return c;
	}
	return NULL;
}

static size_t place_of(const struct server *s, const struct connection *c)
{
	size_t i = 0;

	while (s->connections[i] != c)
		i++;
	return i;
}

static struct connection *find_ends(const struct server *s,
				    const struct tcp_ends *want)
{
	for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
		struct connection *c = s->connections[i];
		struct tcp_ends e;
		struct err ignored = ERR_INIT;

		if (!c || c->still || tcp_repair_ends(c->fd, &e, &ignored))
			continue;
		if (ip_addr_equal(&e.local, &want->local) &&
		    ip_addr_equal(&e.remote, &want->remote) &&
		    e.port_local == want->port_local &&
		    e.port_remote == want->port_remote)
			return c;
	}
	return NULL;
}

static int pass_on(struct connection *c, int to, struct err *err)
{
	uint8_t state[TCP_REPAIR_STATE_LEN];
	uint32_t len, be;
	CLEANUP_FREE uint8_t *saved = connection_save(c, &len);
	int r;

	if (!saved)
		return err_errno(err, ENOMEM, "save the connection");
	tcp_repair_put(state, &c->state);
	be = htobe32(len);
	set_patience(to);
	r = write_all(to, state, sizeof(state));
	if (!r)
		r = write_all(to, &be, sizeof(be));
	if (!r)
		r = write_all(to, saved, len);
	if (!r)
		r = write_all(to, c->queues,
			      (size_t)c->state.recv_len + c->state.send_len);
	return r ? err_errno(err, -r, "pass the connection to the successor") :
		   0;
}

static int go_back(struct connection *c, struct err *err)
{
	c->still = false;
	return tcp_repair_back(c->fd, &c->state, err);
}

/* What an earlier handoff has left to be written is unsent, too. */
static int add_rest(struct connection *c, uint8_t *queues,
		    const uint8_t *before, struct err *err)
{
	size_t len = (size_t)c->state.recv_len + c->state.send_len;
	size_t more = c->rest_end - c->rest;

	c->queues = realloc(queues, len + more + 1);
	if (!c->queues) {
		c->queues = queues;
		return err_errno(err, ENOMEM, "dump the connection");
	}
	if (more)
		memcpy(c->queues + len, before + c->rest, more);
	c->state.send_len += (uint32_t)more;
	c->state.unsent += (uint32_t)more;
	return 0;
}

static int dump(struct server *s, unsigned number, const char *ends, int to,
		struct err *err)
{
	char local[64], remote[64];
	unsigned port_local, port_remote;
	struct tcp_ends e = { 0 };
	uint8_t *before, *queues;
	struct connection *c;
	int used = 0, r;

	if (sscanf(ends, "%63s %5u %63s %5u %n", local, &port_local, remote,
		   &port_remote, &used) != 4 ||
	    ends[used] || port_local > UINT16_MAX || port_remote > UINT16_MAX ||
	    ip_parse_addr(local, &e.local) || ip_parse_addr(remote, &e.remote))
		return err_set(err, EINVAL, "this names no connection");
	e.port_local = (uint16_t)port_local;
	e.port_remote = (uint16_t)port_remote;
	if (to < 0)
		return err_set(err, EINVAL, "no socket came along");
	c = find_ends(s, &e);
	if (!c)
		return err_set(err, ENOENT, "there is no such connection");
	before = c->queues;
	r = tcp_repair_dump(c->fd, &c->state, &queues, err);
	if (r)
		return r;
	c->still = true;
	c->fresh = false;
	c->number = number;
	r = add_rest(c, queues, before, err);
	if (!r)
		r = pass_on(c, to, err);
	/* Where it stays, the rest is still to be written from where it was. */
	free(c->queues);
	c->queues = before;
	if (r)
		go_back(c, NULL);
	return r;
}

/* ---- the successor --------------------------------------------------------
 */

static int receive_whole(struct connection *c, int from, struct err *err)
{
	uint8_t state[TCP_REPAIR_STATE_LEN];
	CLEANUP_FREE uint8_t *saved = NULL;
	uint32_t len = 0;
	int r;

	set_patience(from);
	r = read_all(from, state, sizeof(state));
	if (!r)
		r = read_all(from, &len, sizeof(len));
	if (r)
		return err_errno(err, -r, "the predecessor sent no connection");
	len = be32toh(len);
	if (!tcp_repair_get(state, &c->state) || len > SAVED_MAX)
		return err_set(err, EBADMSG,
			       "what the predecessor sent is no connection");
	saved = malloc(len ? len : 1);
	c->queues = malloc((size_t)c->state.recv_len + c->state.send_len + 1);
	if (!saved || !c->queues)
		return err_errno(err, ENOMEM, "take the connection");
	r = read_all(from, saved, len);
	if (!r)
		r = read_all(from, c->queues,
			     (size_t)c->state.recv_len + c->state.send_len);
	if (r)
		return err_errno(err, -r, "the predecessor stopped half-way");
	return connection_load(c, saved, len) ?
		       0 :
		       err_set(err, EBADMSG,
			       "the predecessor is another program, or another "
			       "version of it");
}

static int take(struct server *s, unsigned number, int from, struct err *err)
{
	struct connection *c;
	int r, fd;

	if (from < 0)
		return err_set(err, EINVAL, "no socket came along");
	c = connection_add(s, -1);
	if (!c)
		return err_set(err, ENOSPC, "too many connections");
	c->still = c->fresh = true;
	c->number = number;
	r = receive_whole(c, from, err);
	if (!r) {
		fd = tcp_repair_restore(&c->state, c->queues, err);
		c->fd = fd < 0 ? -1 : fd;
		r = fd < 0 ? fd : 0;
	}
	if (r)
		connection_end(s, place_of(s, c), "not taken over");
	return r;
}

static int begin(struct connection *c, struct err *err)
{
	int r = tcp_repair_go(c->fd, err);

	if (r)
		return r; /* it stands still, and may be dropped */
	c->rest_end = (size_t)c->state.recv_len + c->state.send_len;
	c->rest = c->rest_end - c->state.unsent;
	if (c->rest == c->rest_end) {
		free(c->queues);
		c->queues = NULL;
	}
	c->still = c->fresh = false;
	c->wake_ns = INT64_MAX;
	tcp_socket_setup(c->fd);
	return 0;
}

/* ---- orders ---------------------------------------------------------------
 */

/* Out of sight of the kernel and of the client. */
static void let_go(struct server *s, struct connection *c, const char *why)
{
	tcp_repair_close(TAKE_FD(c->fd));
	connection_end(s, place_of(s, c), why);
}

static int follow(struct server *s, const char *word, unsigned number,
		  const char *rest, int fd, struct err *err)
{
	struct connection *c;

	if (!strcmp(word, "dump"))
		return dump(s, number, rest, fd, err);
	if (!strcmp(word, "take"))
		return take(s, number, fd, err);
	c = find(s, number);
	if (!c)
		return err_set(err, ENOENT, "no handoff %u is under way",
			       number);
	if (!strcmp(word, "back") && !c->fresh)
		return go_back(c, err);
	if (!strcmp(word, "go") && c->fresh)
		return begin(c, err);
	if (!strcmp(word, "close") && !c->fresh)
		let_go(s, c, "handed over");
	else if (!strcmp(word, "drop") && c->fresh)
		let_go(s, c, "not taken over");
	else
		return err_set(err, EINVAL, "\"%s\" is no order here", word);
	return 0;
}

/* Nobody is there any more to complete it. */
static void take_back_all(struct server *s)
{
	for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
		struct connection *c = s->connections[i];

		if (!c || !c->still)
			continue;
		if (c->fresh)
			let_go(s, c, "not taken over");
		else
			go_back(c, NULL);
	}
}

void handoff_order(struct server *s)
{
	char text[ORDER_MAX], word[16] = "", answer[ORDER_MAX];
	CLEANUP_CLOSE int fd = -1;
	struct err err = ERR_INIT;
	unsigned number = 0;
	int used = 0, r;
	ssize_t n = fd_pass_receive(s->orders, text, sizeof(text) - 1, &fd,
				    MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN))
		return;
	if (n <= 0) {
		take_back_all(s);
		close(TAKE_FD(s->orders));
		return;
	}
	text[n] = '\0';
	if (sscanf(text, "%15s %u %n", word, &number, &used) < 2)
		r = err_set(&err, EINVAL, "this is no order");
	else
		r = follow(s, word, number, text + used, fd, &err);
	printf("order: %s: %s\n", text, r ? err.msg : "done");
	if (r)
		snprintf(answer, sizeof(answer), "failed %u %.200s", number,
			 err.msg);
	else
		snprintf(answer, sizeof(answer), "done %u", number);
	send(s->orders, answer, strlen(answer), MSG_NOSIGNAL | MSG_DONTWAIT);
}
