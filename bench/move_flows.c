/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Many conversations of one host, moved at once: what that is on the wire, and
 * how long it takes.
 *
 *     move_flows ADDRESS PORT N COMMAND...   N UDP sockets, each in a
 * conversation with ADDRESS; then COMMAND, which moves the host; then each asks
 * once more move_flows --echo PORT                 the other end; ends when it
 * is killed
 *
 * The program knows nothing of the SAL. A packet socket of its own reads what
 * goes over eth0, eth1 and so on meanwhile, and knows a SAL packet's flags. All
 * times are from the start of COMMAND.
 */
#include "base/clock.h"
#include "bench/ends.h"
#include "include/serval/wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define FLOWS_MAX 60000u
#define PATIENCE_NS (60 * NSEC_PER_SEC)
#define AGAIN_NS                                                               \
	(1 * NSEC_PER_SEC) /* who has no answer asks again after that */
#define WATCH_NS (1 * NSEC_PER_SEC) /* what is counted, from the start on */
#define BUFFER (64 << 20)

static void buffers(int fd)
{
	int size = BUFFER;

	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)))
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)))
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
}

static void echo(const char *port)
{
	struct sockaddr_in name = name_of("0.0.0.0", port);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in from;
	uint8_t bytes[2048];

	if (fd < 0 || bind(fd, (struct sockaddr *)&name, sizeof(name)))
		die("cannot listen");
	buffers(fd);
	for (;;) {
		socklen_t len = sizeof(from);
		ssize_t n = recvfrom(fd, bytes, sizeof(bytes), 0,
				     (struct sockaddr *)&from, &len);

		if (n >= 0)
			sendto(fd, bytes, (size_t)n, 0,
			       (struct sockaddr *)&from, len);
	}
}

/* ---- the wire ----------------------------------------------------------- */

enum kind { RSYN, RSYNACK, ACK, DATA, CHALLENGE, OTHER, KINDS };
static const char *const names[KINDS] = { "RSYN", "RSYN-ACK",  "ACK",
					  "data", "CHALLENGE", "other SAL" };

/* Open addressing; never full. */
struct moved {
	uint32_t id; /* the flow's, at this end; 0: none */
	uint32_t rsyns;
	bool complete;
};
#define MOVED (4 * 65536u)

struct wire {
	int fd;
	uint64_t packets[KINDS], bytes[KINDS];
	struct moved *moved;
	uint64_t flows, complete, lost;
	int64_t start_ns, first_rsyn_ns, last_first_rsyn_ns, last_complete_ns;
};

static void wire_open(struct wire *w)
{
	/* Protocol 144 in IPv4. */
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 9),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 144, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 128),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct sock_fprog program = { 4, code };

	w->moved = calloc(MOVED, sizeof(*w->moved));
	w->fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (!w->moved || w->fd < 0 ||
	    setsockopt(w->fd, SOL_SOCKET, SO_ATTACH_FILTER, &program,
		       sizeof(program)))
		die("cannot watch the wire");
	buffers(w->fd);
}

static void wire_close(struct wire *w)
{
	close(w->fd);
	free(w->moved);
}

static void wire_begin(struct wire *w)
{
	struct sockaddr_ll all = { .sll_family = AF_PACKET,
				   .sll_protocol = htons(ETH_P_ALL) };

	if (bind(w->fd, (struct sockaddr *)&all, sizeof(all)))
		die("cannot watch the wire");
	w->start_ns = clock_mono_ns();
}

static struct moved *moved_of(struct wire *w, uint32_t id)
{
	uint32_t i = id * 2654435761u % MOVED;

	while (w->moved[i].id && w->moved[i].id != id)
		i = (i + 1) % MOVED;
	w->moved[i].id = id;
	return &w->moved[i];
}

static uint32_t get32(const uint8_t *b)
{
	return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 |
	       (uint32_t)b[2] << 8 | b[3];
}

static void took_rsyn(struct wire *w, uint32_t id, int64_t now_ns)
{
	if (!w->first_rsyn_ns)
		w->first_rsyn_ns = now_ns;
	if (moved_of(w, id)->rsyns++)
		return;
	w->flows++;
	w->last_first_rsyn_ns = now_ns;
}

/* What completes it is the first ACK after the RSYN. */
static void took_ack(struct wire *w, uint32_t id, int64_t now_ns)
{
	struct moved *m = moved_of(w, id);

	if (!m->rsyns || m->complete)
		return;
	m->complete = true;
	w->complete++;
	w->last_complete_ns = now_ns;
}

static enum kind take(struct wire *w, const uint8_t *b, size_t len, bool out,
		      int64_t now_ns)
{
	size_t ip = (b[0] & 15u) * 4u;
	const uint8_t *sal = b + ip;
	uint8_t flags;

	if (len < ip + 12)
		return OTHER;
	if (sal[8] == 3)
		return DATA;
	if (len < ip + 20 || sal[12] >> 4 == 13)
		return CHALLENGE;
	if (sal[12] >> 4 != 1)
		return OTHER;
	flags = sal[14];
	if (flags == SAL_FLAG_RSYN) {
		if (out)
			took_rsyn(w, get32(sal), now_ns);
		return RSYN;
	}
	if (flags == (SAL_FLAG_RSYN | SAL_FLAG_ACK))
		return RSYNACK;
	if (flags != SAL_FLAG_ACK)
		return OTHER;
	if (out)
		took_ack(w, get32(sal), now_ns);
	return ACK;
}

static void wire_read(struct wire *w)
{
	struct sockaddr_ll from;
	uint8_t bytes[128];

	for (;;) {
		socklen_t n = sizeof(from);
		ssize_t len = recvfrom(w->fd, bytes, sizeof(bytes), MSG_TRUNC,
				       (struct sockaddr *)&from, &n);
		int64_t now_ns = clock_mono_ns() - w->start_ns;
		enum kind k;

		if (len < 20)
			return;
		k = take(w, bytes,
			 (size_t)len < sizeof(bytes) ? (size_t)len :
						       sizeof(bytes),
			 from.sll_pkttype == PACKET_OUTGOING, now_ns);
		if (now_ns > WATCH_NS)
			continue;
		w->packets[k]++;
		w->bytes[k] += (size_t)len;
	}
}

static void wire_print(struct wire *w, unsigned flows)
{
	struct tpacket_stats lost = { 0 };
	socklen_t n = sizeof(lost);
	uint64_t packets = 0, bytes = 0;

	getsockopt(w->fd, SOL_PACKET, PACKET_STATISTICS, &lost, &n);
	for (int k = 0; k < KINDS; k++) {
		packets += w->packets[k];
		bytes += w->bytes[k];
	}
	printf("{\"flows\":%u,\"moved\":%llu,\"complete\":%llu,\"rsyn\":%llu,"
	       "\"packets\":%llu,\"bytes\":%llu,\"unseen\":%u",
	       flows, (unsigned long long)w->flows,
	       (unsigned long long)w->complete,
	       (unsigned long long)w->packets[RSYN],
	       (unsigned long long)packets, (unsigned long long)bytes,
	       lost.tp_drops);
	for (int k = 0; k < KINDS; k++)
		printf(",\"%s\":%llu", names[k],
		       (unsigned long long)w->packets[k]);
	printf(",\"first_rsyn_ms\":%.1f,\"burst_ms\":%.1f,\"complete_ms\":%.1f",
	       (double)w->first_rsyn_ns / 1e6,
	       (double)(w->last_first_rsyn_ns - w->first_rsyn_ns) / 1e6,
	       (double)w->last_complete_ns / 1e6);
}

/* ---- the conversations --------------------------------------------------- */

struct talk {
	int *fds;
	bool *answered;
	unsigned n, open; /* without an answer to the present question */
	int epoll;
	uint32_t question;
	uint64_t asked_again;
};

static void talk_open(struct talk *t, const struct sockaddr_in *to, unsigned n)
{
	t->n = n;
	t->fds = calloc(n, sizeof(*t->fds));
	t->answered = calloc(n, sizeof(*t->answered));
	t->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (!t->fds || !t->answered || t->epoll < 0)
		die("no room");
	for (unsigned i = 0; i < n; i++) {
		struct epoll_event e = { .events = EPOLLIN, .data.u32 = i };
		int fd = socket(AF_INET,
				SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

		t->fds[i] = fd;
		if (fd < 0 ||
		    connect(fd, (const struct sockaddr *)to, sizeof(*to)) ||
		    epoll_ctl(t->epoll, EPOLL_CTL_ADD, fd, &e))
			die("cannot open a socket");
	}
}

static void talk_close(struct talk *t)
{
	for (unsigned i = 0; i < t->n; i++)
		close(t->fds[i]);
	close(t->epoll);
	free(t->fds);
	free(t->answered);
}

static void ask(const struct talk *t, unsigned i)
{
	uint32_t text[2] = { t->question, i };

	/* Where the TUN has no room it is asked again. */
	if (write(t->fds[i], text, sizeof(text)) < 0 && errno != EAGAIN &&
	    errno != ENOBUFS && errno != ECONNREFUSED)
		die("cannot ask");
}

static void hear(struct talk *t, unsigned i)
{
	uint32_t text[2];

	while (read(t->fds[i], text, sizeof(text)) == sizeof(text)) {
		if (text[0] != t->question || text[1] != i || t->answered[i])
			continue;
		t->answered[i] = true;
		t->open--;
	}
}

static void hear_all(struct talk *t, int timeout_ms)
{
	struct epoll_event events[64];
	int n = epoll_wait(t->epoll, events, 64, timeout_ms);

	for (int k = 0; k < n; k++)
		hear(t, events[k].data.u32);
}

/*
 * All of them, a few at a time: a TUN device holds 500 packets, and what comes
 * when it is full is lost. Until the last has its answer; who has none asks
 * again.
 */
static void talk_about(struct talk *t, struct wire *w, unsigned at_once)
{
	int64_t start = clock_mono_ns(), again = start + AGAIN_NS;

	t->question++;
	t->open = t->n;
	memset(t->answered, 0, t->n * sizeof(*t->answered));
	for (unsigned i = 0; i < t->n; i++) {
		ask(t, i);
		if ((i + 1) % at_once)
			continue;
		hear_all(t, at_once < t->n ? 1 : 0);
		wire_read(w);
	}
	while (t->open) {
		int64_t now = clock_mono_ns();

		hear_all(t, 1);
		wire_read(w);
		if (now - start > PATIENCE_NS) {
			fprintf(stderr, "move_flows: %u of %u have no answer\n",
				t->open, t->n);
			exit(1);
		}
		if (now < again)
			continue;
		again = now + AGAIN_NS;
		for (unsigned i = 0; i < t->n; i++) {
			if (t->answered[i])
				continue;
			ask(t, i);
			t->asked_again++;
		}
	}
}

static pid_t run(char **command)
{
	pid_t pid = fork();

	if (pid < 0)
		die("fork");
	if (pid)
		return pid;
	execvp(command[0], command);
	die(command[0]);
	return -1;
}

/* Each asks when the host is on the move already: the last one's answer is what
 * a program waits for. */
static void measure(const struct sockaddr_in *to, unsigned n, char **command)
{
	struct talk t = { 0 };
	struct wire w = { 0 };
	int64_t settle, answered_ns;
	int status;
	pid_t pid;

	wire_open(&w);
	talk_open(&t, to, n);
	talk_about(&t, &w, 16);
	t.asked_again = 0;
	/* Lists of addresses are told, and standby addresses proven. */
	for (settle = clock_mono_ns() + 2 * NSEC_PER_SEC +
		      n * NSEC_PER_SEC / 500;
	     clock_mono_ns() < settle;)
		poll(NULL, 0, 100);
	wire_begin(&w);
	pid = run(command);
	while (waitpid(pid, &status, WNOHANG) == 0) {
		wire_read(&w);
		poll(NULL, 0, 1);
	}
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		exit(3);
	/* What is asked before its sald knows is lost with the old address. */
	while (!w.first_rsyn_ns && clock_mono_ns() - w.start_ns < PATIENCE_NS) {
		wire_read(&w);
		poll(NULL, 0, 1);
	}
	talk_about(&t, &w, 100);
	answered_ns = clock_mono_ns() - w.start_ns;
	while (clock_mono_ns() - w.start_ns < WATCH_NS) {
		wire_read(&w);
		poll(NULL, 0, 1);
	}
	wire_print(&w, n);
	printf(",\"answered_ms\":%.1f,\"asked_again\":%llu}\n",
	       (double)answered_ns / 1e6, (unsigned long long)t.asked_again);
	wire_close(&w);
	talk_close(&t);
}

int main(int argc, char **argv)
{
	struct rlimit files = { 65536, 65536 };
	struct sockaddr_in to;
	unsigned long n;

	if (argc == 3 && !strcmp(argv[1], "--echo"))
		echo(argv[2]);
	n = argc > 4 ? strtoul(argv[3], NULL, 10) : 0;
	if (!n || n > FLOWS_MAX) {
		fprintf(stderr, "usage: move_flows ADDRESS PORT N COMMAND... | "
				"--echo PORT\n");
		return 2;
	}
	if (setrlimit(RLIMIT_NOFILE, &files)) {
		getrlimit(RLIMIT_NOFILE, &files);
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	to = name_of(argv[1], argv[2]);
	measure(&to, (unsigned)n, argv + 4);
	return 0;
}
