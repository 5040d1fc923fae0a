/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A key-value store whose keys are split among hosts by their first digit, and
 * a client that keeps it busy and remembers what it wrote; for
 * scenarios/key-value.yaml.
 *
 *     kv_store serve PORT               holds whatever keys it is given; says
 *                                       when it has answered 20 reads
 *     kv_store load PORT NAME...        one service a part: keys of the k-th
 *                                       part of 16 / n first digits go to the
 *                                       k-th name. Writes, reads and compares
 *                                       until SIGTERM: what is asked by then
 *                                       is still answered
 *     kv_store move PORT FROM TO DIGIT  the keys of that first digit go from
 * one host's store to another's
 *
 * Datagrams, a line each: "set KEY N", "get KEY", answered by "KEY N"; a store
 * answers "KEY moved" for keys of a digit that it has given away, and the
 * client asks again: by then its name leads elsewhere. "give DIGIT TO" closes a
 * digit, and hands each of its keys to the store at TO, which must say that it
 * has it; so at any moment one store at most answers for a key, and none of
 * what was written is lost. A client asks again for what is not answered: set
 * and get can be said twice.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define DIGITS 16
#define KEYS (DIGITS * 16) /* "00" to "ff" */
#define LINE 128
#define ASK_AGAIN_MS 50
#define ASKED_MOST 400 /* 20 s */

static void die(const char *what)
{
	fprintf(stderr, "kv_store: %s: %s\n", what, strerror(errno));
	exit(3);
}

static int udp_socket(const char *port)
{
	struct sockaddr_in any = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	any.sin_port = htons((uint16_t)strtoul(port, NULL, 10));
	if (fd < 0 || bind(fd, (struct sockaddr *)&any, sizeof(any)))
		die("open a socket");
	return fd;
}

static struct sockaddr_in address_of(const char *host, const char *port)
{
	const struct addrinfo hints = { .ai_family = AF_INET,
					.ai_socktype = SOCK_DGRAM };
	struct sockaddr_in a = { 0 };
	struct addrinfo *found;

	if (getaddrinfo(host, port, &hints, &found)) {
		errno = ENOENT;
		die(host);
	}
	memcpy(&a, found->ai_addr, sizeof(a));
	freeaddrinfo(found);
	return a;
}

/* Asks until that is answered, by a line that begins with begin; false: it
 * never was. */
static bool ask(int fd, const struct sockaddr_in *to, const char *line,
		const char *begin, char *answer)
{
	for (int i = 0; i < ASKED_MOST; i++) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		ssize_t n;

		/* What is refused now may be answered later. */
		(void)!sendto(fd, line, strlen(line), 0,
			      (const struct sockaddr *)to, sizeof(*to));
		while (poll(&p, 1, ASK_AGAIN_MS) > 0) {
			n = recv(fd, answer, LINE - 1, 0);
			if (n < 0)
				break;
			answer[n] = '\0';
			if (!strncmp(answer, begin, strlen(begin)))
				return true;
		}
	}
	return false;
}

/* ---- the store ------------------------------------------------------------
 */

static struct {
	bool known;
	unsigned long value;
} store[KEYS];
static bool given[DIGITS];

static int key_index(const char *key)
{
	char *end;
	unsigned long k = strtoul(key, &end, 16);

	return *end || end != key + 2 || k >= KEYS ? -1 : (int)k;
}

static void give(unsigned long digit, const char *to, const char *port)
{
	struct sockaddr_in there = address_of(to, port);
	int fd = udp_socket("0");
	char line[LINE], answer[LINE];

	given[digit] = true;
	for (unsigned long k = digit * 16; k < digit * 16 + 16; k++) {
		if (!store[k].known)
			continue;
		snprintf(line, sizeof(line), "set %02lx %lu", k,
			 store[k].value);
		snprintf(answer, sizeof(answer), "%02lx ", k);
		if (!ask(fd, &there, line, line + 4, answer))
			die("give keys away");
	}
	close(fd);
}

static void serve(const char *port)
{
	int fd = udp_socket(port);
	unsigned read = 0;

	for (;;) {
		struct sockaddr_storage from;
		socklen_t len = sizeof(from);
		char line[LINE], answer[LINE + 32], key[8], to[64];
		unsigned long value;
		ssize_t n = recvfrom(fd, line, sizeof(line) - 1, 0,
				     (struct sockaddr *)&from, &len);
		int k;

		if (n < 0)
			continue;
		line[n] = '\0';
		answer[0] = '\0';
		if (sscanf(line, "give %lx %63s", &value, to) == 2 &&
		    value < DIGITS) {
			if (!given[value])
				give(value, to, port);
			snprintf(answer, sizeof(answer), "given %lx", value);
		} else if (sscanf(line, "set %7s %lu", key, &value) == 2 &&
			   (k = key_index(key)) >= 0) {
			if (!given[k / 16]) {
				store[k].known = true;
				store[k].value = value;
			}
			snprintf(answer, sizeof(answer),
				 given[k / 16] ? "%s moved" : "%s %lu", key,
				 value);
		} else if (sscanf(line, "get %7s", key) == 1 &&
			   (k = key_index(key)) >= 0) {
			if (!given[k / 16] && ++read == 20) {
				puts("20 reads answered");
				fflush(stdout);
			}
			snprintf(answer, sizeof(answer),
				 given[k / 16]	? "%s moved" :
				 store[k].known ? "%s %lu" :
						  "%s none",
				 key, store[k].value);
		}
		if (answer[0])
			(void)!sendto(fd, answer, strlen(answer), 0,
				      (struct sockaddr *)&from, len);
	}
}

static int move(char **argv)
{
	struct sockaddr_in from = address_of(argv[1], argv[0]);
	char line[LINE], answer[LINE];
	int fd = udp_socket("0");

	snprintf(line, sizeof(line), "give %s %s", argv[3], argv[2]);
	if (!ask(fd, &from, line, "given", answer)) {
		fputs("kv_store: not given\n", stderr);
		return 1;
	}
	return 0;
}

/* ---- the load -------------------------------------------------------------
 */

static volatile sig_atomic_t enough;

static void on_term(int signal)
{
	(void)signal;
	enough = 1;
}

/* Until a store that has the key answers. */
static bool ask_store(int fd, const struct sockaddr_in *to, const char *line,
		      const char *key, char *answer, unsigned *moved)
{
	for (int i = 0; i < ASKED_MOST; i++) {
		if (!ask(fd, to, line, key, answer))
			return false;
		if (strcmp(answer + strlen(key), " moved") != 0)
			return true;
		++*moved;
		poll(NULL, 0, 5);
	}
	return false;
}

static int load(int argc, char **argv)
{
	static unsigned long wrote[KEYS];
	struct sockaddr_in part[DIGITS];
	const struct sigaction term = { .sa_handler = on_term };
	size_t parts = (size_t)argc - 1;
	unsigned done = 0, moved = 0;
	uint32_t dice = 7;

	if (parts < 1 || parts > DIGITS || DIGITS % parts)
		return 2;
	if (sigaction(SIGTERM, &term, NULL))
		die("wait for SIGTERM");
	for (size_t i = 0; i < parts; i++)
		part[i] = address_of(argv[1 + i], argv[0]);
	while (!enough) {
		const struct sockaddr_in *to;
		char line[LINE], key[8], answer[LINE], want[LINE];
		/* A socket each: a flow of its own. */
		int fd = udp_socket("0");
		size_t k;

		dice = dice * 1664525 + 1013904223;
		k = dice >> 24;
		to = &part[k / 16 / (DIGITS / parts)];
		snprintf(key, sizeof(key), "%02zx", k);
		if (dice >> 23 & 1 || !wrote[k]) {
			wrote[k] = ++done;
			snprintf(line, sizeof(line), "set %s %lu", key,
				 wrote[k]);
		} else {
			done++;
			snprintf(line, sizeof(line), "get %s", key);
		}
		snprintf(want, sizeof(want), "%s %lu", key, wrote[k]);
		if (!ask_store(fd, to, line, key, answer, &moved)) {
			printf("no answer: %s\n", line);
			return 1;
		}
		if (strcmp(answer, want) != 0) {
			printf("%s: answered '%s', not '%s'\n", line, answer,
			       want);
			return 1;
		}
		close(fd);
		poll(NULL, 0, 2);
	}
	printf("%u done, %u asked again after a move: all right\n", done,
	       moved);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "serve"))
		serve(argv[2]);
	if (argc >= 4 && !strcmp(argv[1], "load"))
		return load(argc - 2, argv + 2);
	if (argc == 6 && !strcmp(argv[1], "move"))
		return move(argv + 2);
	fputs("usage: kv_store serve PORT | load PORT NAME... | move PORT "
	      "FROM TO DIGIT\n",
	      stderr);
	return 2;
}
