/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A TCP connection to a service, over which one end sends bytes that the other
 * one knows in advance: byte i of the stream is a function of i. So a byte that
 * is lost, doubled or out of its place is seen where it happens. Two processes;
 * what the receiver got so far stands in shared memory.
 */
#ifndef SUPPORT_STREAM_H
#define SUPPORT_STREAM_H

#include "tests/support/sald_lab.h"

#include <stdatomic.h>
#include <sys/mman.h>

#define STREAM_PORT 9
#define STREAM_BLOCK 65536u
#define STREAM_ENDLESS UINT64_MAX

struct stream_shared {
	_Atomic uint64_t received;
	_Atomic bool end; /* the sender is to finish */
	_Atomic uint64_t sent; /* in all; valid once the sender has left */
};

struct stream {
	struct stream_shared *shared;
	pid_t sender, receiver;
};

static inline uint8_t stream_byte(uint64_t i)
{
	return (uint8_t)((i * UINT64_C(0x9e3779b97f4a7c15)) >> 56);
}

static inline void stream_send(int fd, struct stream_shared *shared,
			       uint64_t total)
{
	static uint8_t block[STREAM_BLOCK];
	uint64_t sent = 0;

	while (sent < total && !atomic_load(&shared->end)) {
		size_t n = total - sent < sizeof(block) ?
				   (size_t)(total - sent) :
				   sizeof(block);
		ssize_t r;

		for (size_t i = 0; i < n; i++)
			block[i] = stream_byte(sent + i);
		do
			r = send(fd, block, n, MSG_NOSIGNAL);
		while (r < 0 && errno == EINTR);
		if (r <= 0) {
			fprintf(stderr, "sender: %s\n", strerror(errno));
			_exit(1);
		}
		sent += (uint64_t)r;
	}
	atomic_store(&shared->sent, sent);
	_exit(0);
}

static inline void stream_receive(int fd, struct stream_shared *shared)
{
	static uint8_t block[STREAM_BLOCK];
	uint64_t received = 0;
	ssize_t n;

	while ((n = recv(fd, block, sizeof(block), 0)) > 0 ||
	       (n < 0 && errno == EINTR)) {
		if (n < 0)
			continue;
		for (ssize_t i = 0; i < n; i++) {
			if (block[i] == stream_byte(received + (uint64_t)i))
				continue;
			fprintf(stderr, "receiver: byte %llu is wrong\n",
				(unsigned long long)received + i);
			_exit(1);
		}
		received += (uint64_t)n;
		atomic_store(&shared->received, received);
	}
	if (n < 0)
		fprintf(stderr, "receiver: %s\n", strerror(errno));
	_exit(n < 0);
}

/* Connects client to the service's address, where server listens. upload: from
 * the client to the server. */
static inline void stream_start(struct stream *s, const struct host *client,
				const struct host *server, const char *address,
				bool upload, uint64_t total)
{
	int family = strchr(address, ':') ? AF_INET6 : AF_INET;
	int listener =
		host_socket(server, family, SOCK_STREAM, address, STREAM_PORT);
	int out, in;

	s->shared = mmap(NULL, sizeof(*s->shared), PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(s->shared, MAP_FAILED);
	ck_assert_int_eq(listen(listener, 1), 0);
	out = host_socket(client, family, SOCK_STREAM, NULL, 0);
	ck_assert_int_eq(try_connect(out, address, STREAM_PORT), 0);
	in = accept(listener, NULL, NULL);
	ck_assert_int_ge(in, 0);
	close(listener);
	/* Each end is one process's alone, or nobody would see it close. */
	s->sender = fork();
	ck_assert_int_ge(s->sender, 0);
	if (s->sender == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(upload ? in : out);
		stream_send(upload ? out : in, s->shared, total);
	}
	close(upload ? out : in);
	s->receiver = fork();
	ck_assert_int_ge(s->receiver, 0);
	if (s->receiver == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		stream_receive(upload ? in : out, s->shared);
	}
	close(upload ? in : out);
}

static inline uint64_t stream_progress(const struct stream *s)
{
	return atomic_load(&s->shared->received);
}

/* Waits until so many bytes have arrived. */
static inline void stream_await(const struct stream *s, uint64_t bytes)
{
	WAIT_FOR(stream_progress(s) >= bytes);
}

/* Lets the sender come to its end. */
static inline void stream_end(struct stream *s)
{
	atomic_store(&s->shared->end, true);
}

/* Both ends must have ended well, with every byte there. */
static inline void stream_finish(struct stream *s)
{
	ck_assert_int_eq(wait_for(s->sender), 0);
	ck_assert_int_eq(wait_for(s->receiver), 0);
	ck_assert_uint_eq(stream_progress(s), atomic_load(&s->shared->sent));
	munmap(s->shared, sizeof(*s->shared));
}

#endif
