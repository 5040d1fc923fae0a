/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The order of things is the kernel's (net/ipv4/tcp.c, Linux 3.5 to 6.18):
 *
 * - Sequence numbers can be set only in a closed socket, options only in an
 *   established one; connect() in repair mode takes it from one to the other
 *   without a packet.
 * - A queue is chosen by TCP_REPAIR_QUEUE; then recv(MSG_PEEK) reads it, and
 *   send() fills it. In the send queue that makes bytes which count as sent. So
 *   what had not been sent is not put there but sent as usual afterwards.
 * - TCP_QUEUE_SEQ names the end of a queue: the next byte to be written, the
 *   next to be received. A queue's first byte is that, less its length.
 *
 * Repair mode does not keep a socket from sending what its queue holds, by the
 * timer of its congestion control. What was counted as unsent would then reach
 * the peer, and an ACK of it the new socket, which has not sent it: such an ACK
 * is ignored, again and again, and the connection stalls. So the window is shut
 * while the queues are dumped.
 *
 * Nor does it stop the timers. What is put into the send queue counts as sent,
 * and a second later its last segment is sent again, though nobody knows the
 * connection yet: whoever that is answers with a reset. So nothing comes to a
 * restored socket, by a filter that takes no packet, until it goes on.
 *
 * A FIN that was sent or received is in no queue: only ESTABLISHED connections
 * can be dumped.
 */
#include "node/io/tcp_repair.h"

#include "base/cleanup.h"
#include "base/cursor.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

/* Kinds of options: RFC 9293, 7323, 2018. */
enum { OPT_MAXSEG = 2, OPT_WINDOW = 3, OPT_SACK = 4, OPT_TIMESTAMP = 8 };

#define STATE_ESTABLISHED 1 /* the kernel's, of net/tcp_states.h */
#define MAGIC 0x54435031u /* "TCP1" */

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static int get_int(int fd, int option, int *out)
{
	socklen_t len = sizeof(*out);

	return getsockopt(fd, IPPROTO_TCP, option, out, &len) ? -errno : 0;
}

static int set_int(int fd, int option, int value)
{
	return setsockopt(fd, IPPROTO_TCP, option, &value, sizeof(value)) ?
		       -errno :
		       0;
}

static int enter(int fd, struct err *err)
{
	int r = set_int(fd, TCP_REPAIR, TCP_REPAIR_ON);

	if (r == -EPERM) {
		err_set(err, EPERM,
			"TCP_REPAIR is not allowed: CAP_NET_ADMIN over this "
			"network namespace is missing");
		err_hint(err, "run as root, or as root of the user namespace "
			      "that owns the network namespace");
		return r;
	}
	return r ? err_errno(err, -r, "enter TCP_REPAIR") : 0;
}

/* ---- addresses ---------------------------------------------------------- */

static bool from_address(const union address *a, struct ip_addr *addr,
			 uint16_t *port)
{
	*addr = (struct ip_addr){ .family = a->any.sa_family };
	if (a->any.sa_family == AF_INET) {
		memcpy(addr->bytes, &a->v4.sin_addr, 4);
		*port = ntohs(a->v4.sin_port);
		return true;
	}
	if (a->any.sa_family != AF_INET6)
		return false;
	*port = ntohs(a->v6.sin6_port);
	if (IN6_IS_ADDR_V4MAPPED(&a->v6.sin6_addr)) {
		addr->family = AF_INET;
		memcpy(addr->bytes, a->v6.sin6_addr.s6_addr + 12, 4);
	} else {
		memcpy(addr->bytes, &a->v6.sin6_addr, 16);
	}
	return true;
}

static socklen_t to_address(union address *a, const struct ip_addr *addr,
			    uint16_t port)
{
	memset(a, 0, sizeof(*a));
	a->any.sa_family = addr->family;
	if (addr->family == AF_INET) {
		memcpy(&a->v4.sin_addr, addr->bytes, 4);
		a->v4.sin_port = htons(port);
		return sizeof(a->v4);
	}
	memcpy(&a->v6.sin6_addr, addr->bytes, 16);
	a->v6.sin6_port = htons(port);
	return sizeof(a->v6);
}

int tcp_repair_ends(int fd, struct tcp_ends *out, struct err *err)
{
	union address local, remote;
	socklen_t local_len = sizeof(local), remote_len = sizeof(remote);

	if (getsockname(fd, &local.any, &local_len) ||
	    getpeername(fd, &remote.any, &remote_len))
		return err_errno(err, errno, "the connection's addresses");
	if (!from_address(&local, &out->local, &out->port_local) ||
	    !from_address(&remote, &out->remote, &out->port_remote))
		return err_set(err, EAFNOSUPPORT, "this is no TCP connection");
	return 0;
}

/* ---- dumping ------------------------------------------------------------ */

static int dump_options(int fd, struct tcp_state *s)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);
	int mss = 0, stamp = 0, r;

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len))
		return -errno;
	if (info.tcpi_state != STATE_ESTABLISHED)
		return -ENOTCONN;
	s->timestamps = info.tcpi_options & TCPI_OPT_TIMESTAMPS;
	s->sack = info.tcpi_options & TCPI_OPT_SACK;
	s->wscale = info.tcpi_options & TCPI_OPT_WSCALE;
	s->snd_wscale = info.tcpi_snd_wscale;
	s->rcv_wscale = info.tcpi_rcv_wscale;
	r = get_int(fd, TCP_MAXSEG, &mss);
	if (!r)
		r = get_int(fd, TCP_TIMESTAMP, &stamp);
	s->mss = (uint32_t)mss;
	s->timestamp = (uint32_t)stamp;
	return r;
}

static int dump_window(int fd, struct tcp_state *s)
{
	struct tcp_repair_window w = { 0 };
	socklen_t len = sizeof(w);

	if (getsockopt(fd, IPPROTO_TCP, TCP_REPAIR_WINDOW, &w, &len))
		return -errno;
	s->snd_wl1 = w.snd_wl1;
	s->snd_wnd = w.snd_wnd;
	s->max_window = w.max_window;
	s->rcv_wnd = w.rcv_wnd;
	s->rcv_wup = w.rcv_wup;
	return 0;
}

static int set_window(int fd, const struct tcp_state *s, uint32_t snd_wnd)
{
	const struct tcp_repair_window w = {
		.snd_wl1 = s->snd_wl1,
		.snd_wnd = snd_wnd,
		.max_window = s->max_window,
		.rcv_wnd = s->rcv_wnd,
		.rcv_wup = s->rcv_wup,
	};

	return setsockopt(fd, IPPROTO_TCP, TCP_REPAIR_WINDOW, &w, sizeof(w)) ?
		       -errno :
		       0;
}

/* The chosen queue's length, and its first byte's number. */
static int measure(int fd, int queue, uint32_t *len, uint32_t *first)
{
	int n = 0, seq = 0;
	int r = set_int(fd, TCP_REPAIR_QUEUE, queue);

	if (!r && ioctl(fd, queue == TCP_RECV_QUEUE ? SIOCINQ : SIOCOUTQ, &n))
		r = -errno;
	if (!r)
		r = get_int(fd, TCP_QUEUE_SEQ, &seq);
	if (!r && (n < 0 || (uint32_t)n > TCP_REPAIR_QUEUE_MAX))
		r = -EMSGSIZE;
	*len = (uint32_t)n;
	*first = (uint32_t)seq - (uint32_t)n;
	return r;
}

static int peek(int fd, int queue, uint8_t *out, uint32_t len)
{
	int r = set_int(fd, TCP_REPAIR_QUEUE, queue);
	ssize_t n;

	if (r || !len)
		return r;
	n = recv(fd, out, len, MSG_PEEK | MSG_DONTWAIT);
	if (n < 0)
		return -errno;
	return (uint32_t)n == len ? 0 : -EIO;
}

static int dump_queues(int fd, struct tcp_state *s, uint8_t **queues)
{
	int unsent = 0;
	int r = measure(fd, TCP_RECV_QUEUE, &s->recv_len, &s->recv_seq);

	if (!r)
		r = measure(fd, TCP_SEND_QUEUE, &s->send_len, &s->send_seq);
	if (!r && ioctl(fd, SIOCOUTQNSD, &unsent))
		r = -errno;
	if (r)
		return r;
	s->unsent = (uint32_t)unsent;
	*queues = malloc((size_t)s->recv_len + s->send_len + 1);
	if (!*queues)
		return -ENOMEM;
	r = peek(fd, TCP_RECV_QUEUE, *queues, s->recv_len);
	if (!r)
		r = peek(fd, TCP_SEND_QUEUE, *queues + s->recv_len,
			 s->send_len);
	return r;
}

int tcp_repair_dump(int fd, struct tcp_state *out, uint8_t **queues,
		    struct err *err)
{
	bool closed = false; /* the window */
	int r;

	*out = (struct tcp_state){ 0 };
	*queues = NULL;
	r = tcp_repair_ends(fd, &out->ends, err);
	if (!r)
		r = enter(fd, err);
	if (r)
		return r;
	r = dump_options(fd, out);
	if (!r)
		r = dump_window(fd, out);
	closed = !r;
	if (!r)
		r = set_window(fd, out, 0);
	if (!r)
		r = dump_queues(fd, out, queues);
	if (!r)
		r = set_int(fd, TCP_REPAIR_QUEUE, TCP_NO_QUEUE);
	if (!r)
		return 0;
	free(*queues);
	*queues = NULL;
	tcp_repair_back(fd, closed ? out : NULL, NULL);
	if (r == -ENOTCONN)
		return err_set(err, ENOTCONN,
			       "only an ESTABLISHED connection can be handed "
			       "over: one side has closed this one");
	return err_errno(err, -r, "dump the connection");
}

int tcp_repair_back(int fd, const struct tcp_state *s, struct err *err)
{
	int r = s ? set_window(fd, s, s->snd_wnd) : 0;
	int off = set_int(fd, TCP_REPAIR, TCP_REPAIR_OFF_NO_WP);

	r = r ? r : off;
	return r ? err_errno(err, -r, "leave TCP_REPAIR") : 0;
}

void tcp_repair_close(int fd)
{
	close(fd);
}

/* ---- restoring ---------------------------------------------------------- */

static int set_seq(int fd, int queue, uint32_t first)
{
	int r = set_int(fd, TCP_REPAIR_QUEUE, queue);

	return r ? r : set_int(fd, TCP_QUEUE_SEQ, (int)first);
}

static int join(int fd, const struct tcp_ends *e, struct err *err)
{
	char text[IP_TEXT_MAX];
	union address a;
	socklen_t len = to_address(&a, &e->local, e->port_local);

	if (bind(fd, &a.any, len))
		return err_errno(err, errno, "bind %s port %u",
				 ip_format_addr(&e->local, text, sizeof(text)),
				 e->port_local);
	len = to_address(&a, &e->remote, e->port_remote);
	if (connect(fd, &a.any, len))
		return err_errno(
			err, errno, "make the connection to %s",
			ip_format_addr(&e->remote, text, sizeof(text)));
	return 0;
}

static int set_options(int fd, const struct tcp_state *s)
{
	struct tcp_repair_opt opts[4];
	unsigned n = 0;

	opts[n++] = (struct tcp_repair_opt){ OPT_MAXSEG, s->mss };
	if (s->wscale)
		opts[n++] = (struct tcp_repair_opt){
			OPT_WINDOW, s->snd_wscale | s->rcv_wscale << 16
		};
	if (s->sack)
		opts[n++] = (struct tcp_repair_opt){ OPT_SACK, 0 };
	if (s->timestamps)
		opts[n++] = (struct tcp_repair_opt){ OPT_TIMESTAMP, 0 };
	if (setsockopt(fd, IPPROTO_TCP, TCP_REPAIR_OPTIONS, opts,
		       (socklen_t)(n * sizeof(*opts))))
		return -errno;
	return s->timestamps ? set_int(fd, TCP_TIMESTAMP, (int)s->timestamp) :
			       0;
}

/* Beyond the limits only for root of the machine; else up to them. */
static void set_buffer(int fd, int force, int option, uint32_t bytes)
{
	int size = (int)(2 * bytes);

	if (bytes && setsockopt(fd, SOL_SOCKET, force, &size, sizeof(size)))
		setsockopt(fd, SOL_SOCKET, option, &size, sizeof(size));
}

/* Room for the queues. */
static void make_room(int fd, const struct tcp_state *s)
{
	const int unlocked = 0;

	set_buffer(fd, SO_RCVBUFFORCE, SO_RCVBUF, s->recv_len);
	set_buffer(fd, SO_SNDBUFFORCE, SO_SNDBUF, s->send_len);
	/* And they go on growing by themselves (Linux 5.14). */
	setsockopt(fd, SOL_SOCKET, SO_BUF_LOCK, &unlocked, sizeof(unlocked));
}

static int fill(int fd, int queue, const uint8_t *bytes, size_t len)
{
	int r = set_int(fd, TCP_REPAIR_QUEUE, queue);

	while (!r && len) {
		ssize_t n = send(fd, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -EIO;
		bytes += n;
		len -= (size_t)n;
	}
	return r;
}

static int shut_ears(int fd)
{
	struct sock_filter none = BPF_STMT(BPF_RET | BPF_K, 0);
	const struct sock_fprog program = { .len = 1, .filter = &none };

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program,
			  sizeof(program)) ?
		       -errno :
		       0;
}

static int open_ears(int fd)
{
	const int unused = 0;

	if (setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &unused,
		       sizeof(unused)) &&
	    errno != ENOENT) /* a first try may have done it */
		return -errno;
	return 0;
}

static int restore(int fd, const struct tcp_state *s, const uint8_t *queues,
		   struct err *err)
{
	int r = shut_ears(fd);

	if (r)
		return err_errno(err, -r, "keep packets away");
	r = set_seq(fd, TCP_RECV_QUEUE, s->recv_seq);
	if (!r)
		r = set_seq(fd, TCP_SEND_QUEUE, s->send_seq);
	if (r)
		return err_errno(err, -r, "set the sequence numbers");
	r = join(fd, &s->ends, err);
	if (r)
		return r;
	r = set_options(fd, s);
	if (r)
		return err_errno(err, -r, "set the connection's options");
	make_room(fd, s);
	r = fill(fd, TCP_RECV_QUEUE, queues, s->recv_len);
	if (!r)
		r = fill(fd, TCP_SEND_QUEUE, queues + s->recv_len,
			 s->send_len - s->unsent);
	if (!r)
		r = set_window(fd, s, s->snd_wnd);
	if (!r)
		r = set_int(fd, TCP_REPAIR_QUEUE, TCP_NO_QUEUE);
	return r ? err_errno(err, -r, "fill the connection's queues") : 0;
}

int tcp_repair_restore(const struct tcp_state *s, const uint8_t *queues,
		       struct err *err)
{
	CLEANUP_CLOSE int fd =
		socket(s->ends.local.family,
		       SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int r;

	if (fd < 0)
		return err_errno(err, errno, "open a socket");
	r = enter(fd, err);
	if (!r)
		r = restore(fd, s, queues, err);
	return r ? r : TAKE_FD(fd);
}

int tcp_repair_go(int fd, struct err *err)
{
	int r = open_ears(fd);

	if (!r)
		r = set_int(fd, TCP_REPAIR, TCP_REPAIR_OFF_NO_WP);
	return r ? err_errno(err, -r, "leave TCP_REPAIR") : 0;
}

/* ---- in bytes ----------------------------------------------------------- */

static uint8_t *put32(uint8_t *at, uint32_t v)
{
	v = htobe32(v);
	memcpy(at, &v, sizeof(v));
	return at + sizeof(v);
}

static uint8_t *put_addr(uint8_t *at, const struct ip_addr *a)
{
	at = put32(at, a->family == AF_INET6 ? 6 : 4);
	memcpy(at, a->bytes, sizeof(a->bytes));
	return at + sizeof(a->bytes);
}

void tcp_repair_put(uint8_t out[TCP_REPAIR_STATE_LEN],
		    const struct tcp_state *s)
{
	const uint32_t numbers[] = {
		(uint32_t)s->ends.port_local << 16 | s->ends.port_remote,
		s->recv_seq,
		s->send_seq,
		s->recv_len,
		s->send_len,
		s->unsent,
		s->mss,
		(uint32_t)s->snd_wscale << 24 | (uint32_t)s->rcv_wscale << 16 |
			(s->timestamps ? 1u : 0) | (s->sack ? 2u : 0) |
			(s->wscale ? 4u : 0),
		s->timestamp,
		s->snd_wl1,
		s->snd_wnd,
		s->max_window,
		s->rcv_wnd,
		s->rcv_wup,
	};
	uint8_t *at = put32(out, MAGIC);

	_Static_assert(4 + 2 * 20 + sizeof(numbers) + 8 == TCP_REPAIR_STATE_LEN,
		       "the length");
	at = put_addr(at, &s->ends.local);
	at = put_addr(at, &s->ends.remote);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
		at = put32(at, numbers[i]);
	memset(at, 0, 8); /* for later versions */
}

static bool get_addr(struct cursor *c, struct ip_addr *a)
{
	uint32_t family = cursor_be32(c);

	*a = (struct ip_addr){ .family = family == 6 ? AF_INET6 : AF_INET };
	cursor_copy(c, a->bytes, sizeof(a->bytes));
	return family == 4 || family == 6;
}

bool tcp_repair_get(const uint8_t in[TCP_REPAIR_STATE_LEN], struct tcp_state *s)
{
	struct cursor c = cursor_make(in, TCP_REPAIR_STATE_LEN);
	uint32_t flags, ports;

	*s = (struct tcp_state){ 0 };
	if (cursor_be32(&c) != MAGIC || !get_addr(&c, &s->ends.local) ||
	    !get_addr(&c, &s->ends.remote) ||
	    s->ends.local.family != s->ends.remote.family)
		return false;
	ports = cursor_be32(&c);
	s->ends.port_local = (uint16_t)(ports >> 16);
	s->ends.port_remote = (uint16_t)ports;
	s->recv_seq = cursor_be32(&c);
	s->send_seq = cursor_be32(&c);
	s->recv_len = cursor_be32(&c);
	s->send_len = cursor_be32(&c);
	s->unsent = cursor_be32(&c);
	s->mss = cursor_be32(&c);
	flags = cursor_be32(&c);
	s->snd_wscale = (uint8_t)(flags >> 24);
	s->rcv_wscale = (uint8_t)(flags >> 16);
	s->timestamps = flags & 1;
	s->sack = flags & 2;
	s->wscale = flags & 4;
	s->timestamp = cursor_be32(&c);
	s->snd_wl1 = cursor_be32(&c);
	s->snd_wnd = cursor_be32(&c);
	s->max_window = cursor_be32(&c);
	s->rcv_wnd = cursor_be32(&c);
	s->rcv_wup = cursor_be32(&c);
	return s->recv_len <= TCP_REPAIR_QUEUE_MAX &&
	       s->send_len <= TCP_REPAIR_QUEUE_MAX &&
	       s->unsent <= s->send_len && s->snd_wscale <= 14 &&
	       s->rcv_wscale <= 14;
}
