/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "orchestrator/observe/stream_io.h"

#include "base/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#define PACE_NS (5 * NSEC_PER_MSEC) /* between two blocks, where it is slow */
#define PACE_LEAST 512u
/* A machine that kept us waiting is made up for, an outage is not. */
#define CATCH_UP_NS (100 * NSEC_PER_MSEC)
#define UNSENT_MAX (256 * 1024) /* in the socket: an end is seen soon */

/* ---- addresses and errors ------------------------------------------------ */

socklen_t tcp_address_set(union tcp_address *a, const struct ip_addr *to,
			  uint16_t port)
{
	memset(a, 0, sizeof(*a));
	if (to->family == AF_INET) {
		a->v4.sin_family = AF_INET;
		a->v4.sin_port = htons(port);
		memcpy(&a->v4.sin_addr, to->bytes, 4);
		return sizeof(a->v4);
	}
	if (to->family == AF_INET6) {
		a->v6.sin6_family = AF_INET6;
		a->v6.sin6_port = htons(port);
		memcpy(&a->v6.sin6_addr, to->bytes, 16);
		return sizeof(a->v6);
	}
	return 0;
}

const char *tcp_error_text(int code)
{
	const char *name;

	switch (code) {
	case ECONNREFUSED:
		return "refused";
	case ECONNRESET:
	case EPIPE:
		return "reset";
	case ECONNABORTED:
		return "aborted";
	case ETIMEDOUT:
		return "timed out";
	case ENETUNREACH:
		return "network unreachable";
	case EHOSTUNREACH:
		return "host unreachable";
	case EPERM:
	case EACCES:
		return "prohibited";
	}
	name = strerrorname_np(code);
	return name ? name : "error";
}

void tcp_socket_setup(int fd)
{
	const int on = 1, unsent = UNSENT_MAX;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof(unsent));
}

/* ---- sending ------------------------------------------------------------- */

/* How much goes into a block. */
static uint64_t block_size(uint64_t rate_bps)
{
	uint64_t n = rate_bps / 8 / (NSEC_PER_SEC / PACE_NS);

	if (!rate_bps || n > STREAM_CONTENT_MAX)
		return STREAM_CONTENT_MAX;
	return n < PACE_LEAST ? PACE_LEAST : n;
}

/* The next block's content; 0: not before *wait_ns. */
static size_t pace(struct stream_pump *p, int64_t now_ns, int64_t *wait_ns)
{
	uint64_t rate = p->sender.hello.rate_bps;
	uint64_t want = block_size(rate), most;
	double gathered;

	if (!rate)
		return want;
	if (!p->paced_ns)
		p->paced_ns = now_ns;
	most = want + rate / 8 / (NSEC_PER_SEC / CATCH_UP_NS);
	gathered = (double)rate / 8 * (double)(now_ns - p->paced_ns) /
		   (double)NSEC_PER_SEC;
	if (gathered >= 1) {
		p->credit = gathered > (double)(most - p->credit) ?
				    most :
				    p->credit + (uint64_t)gathered;
		p->paced_ns = now_ns;
	}
	if (p->credit >= want) {
		p->credit -= want;
		return want;
	}
	*wait_ns = now_ns +
		   (int64_t)((double)(want - p->credit) * 8 / (double)rate *
			     (double)NSEC_PER_SEC) +
		   1;
	return 0;
}

int64_t stream_pump_run(struct stream_pump *p, int fd, int64_t now_ns)
{
	struct stream_sender *s = &p->sender;
	int64_t wait_ns = 0;
	ssize_t n;

	if (s->done == s->len) {
		size_t size;

		if (s->last)
			return INT64_MAX;
		if (p->enough || stream_sender_complete(s)) {
			stream_sender_last(s);
		} else {
			size = pace(p, now_ns, &wait_ns);
			if (!size)
				return wait_ns;
			stream_sender_block(s, size);
		}
	}
	n = send(fd, s->block + s->done, s->len - s->done,
		 MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	s->done += (size_t)n;
	return s->done == s->len && s->last ? INT64_MAX : 0;
}

/* ---- how one side's stream ended ----------------------------------------- */

static void put_time(FILE *f, const char *name, int64_t ns)
{
	if (ns == INT64_MIN)
		fprintf(f, "  \"%s\": null,\n", name);
	else
		fprintf(f, "  \"%s\": %" PRId64 ",\n", name, ns);
}

static void put_digest(FILE *f, const char *name, const uint8_t *digest)
{
	fprintf(f, "  \"%s\": ", name);
	if (!digest) {
		fputs("null,\n", f);
		return;
	}
	fputc('"', f);
	for (size_t i = 0; i < STREAM_HASH; i++)
		fprintf(f, "%02x", digest[i]);
	fputs("\",\n", f);
}

int stream_end_write(FILE *f, const struct stream_end *e)
{
	fprintf(f, "{\n  \"end\": \"%s\",\n", e->end);
	put_time(f, "begun_ns", e->begun_ns);
	put_time(f, "connected_ns", e->connected_ns);
	put_time(f, "ended_ns", e->ended_ns);
	fprintf(f, "  \"local_port\": %u,\n  \"bytes\": %" PRIu64 ",\n",
		e->local_port, e->bytes);
	put_digest(f, "sha256", e->digest);
	put_digest(f, "peer_sha256", e->peer_digest);
	if (e->first_wrong == STREAM_NONE)
		fputs("  \"first_wrong\": null\n}\n", f);
	else
		fprintf(f, "  \"first_wrong\": %" PRIu64 "\n}\n",
			e->first_wrong);
	return ferror(f) ? -(errno ? errno : EIO) : 0;
}
