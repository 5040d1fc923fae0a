/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Strangers against real salds:
 *
 *     host 1: client      host 2: instance     host 3: the stranger
 *       |                    |                    | no sald
 *     --+------------------ switch ---------------+--
 *
 * The stranger writes any source address on his packets. At most he has guessed
 * both flow IDs, or has kept old packets of the flow; the nonces he does not
 * know. All along a TCP conversation and pings go on. After each attack the
 * counters are just what they were plus what was sent, the flow is what it was,
 * and the conversation goes on where it was, byte for byte.
 */
#ifndef TESTS_STRANGER_LAB_H
#define TESTS_STRANGER_LAB_H

#include "node/wire/sal_packet.h"
#include "tests/support/sald_lab.h"

#include <jansson.h>
#include <netinet/in.h>
#include <netinet/ip.h>

#define CLIENT "10.0.0.1"
#define INSTANCE "10.0.0.2"
#define STRANGER "10.0.0.3"
#define SAL_PROTOCOL 144

/* ---- what strangers send ------------------------------------------------- */

static int stranger_fd = -1;

static inline void stranger_open(void)
{
	int on = 1;

	netns_enter(hosts[3].ns);
	stranger_fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
	ck_assert_int_ge(stranger_fd, 0);
	ck_assert_int_eq(setsockopt(stranger_fd, IPPROTO_IP, IP_HDRINCL, &on,
				    sizeof(on)),
			 0);
}

static inline void send_ip(const char *from, const char *to, uint8_t protocol,
			   const uint8_t *bytes, size_t len)
{
	struct sockaddr_in sa = { .sin_family = AF_INET };
	struct iphdr header = {
		.version = 4,
		.ihl = 5,
		.ttl = 64,
		.protocol = protocol,
		.saddr = inet_addr(from),
		.daddr = inet_addr(to),
	};
	uint8_t packet[2048];

	ck_assert_uint_le(sizeof(header) + len, sizeof(packet));
	header.tot_len = htons((uint16_t)(sizeof(header) + len));
	memcpy(packet, &header, sizeof(header));
	memcpy(packet + sizeof(header), bytes, len);
	sa.sin_addr.s_addr = header.daddr;
	ck_assert_int_eq(sendto(stranger_fd, packet, sizeof(header) + len, 0,
				(struct sockaddr *)&sa, sizeof(sa)),
			 sizeof(header) + len);
}

static inline void send_sal(const char *from, const char *to,
			    const struct sal_packet *p, size_t payload)
{
	uint8_t bytes[1024];
	int len = sal_encode(p, bytes, sizeof(bytes) - payload);

	ck_assert_int_gt(len, 0);
	memset(bytes + len, 0x5a, payload);
	send_ip(from, to, SAL_PROTOCOL, bytes, (size_t)len + payload);
}

/* ---- what must not change ------------------------------------------------ */

/* Counters of what was not taken. */
enum count {
	BAD_NONCE,
	UNKNOWN_FLOW,
	MALFORMED,
	STALE_VERSION,
	BAD_CHECKSUM,
	CHALLENGES_FAILED,
	NO_SERVICE,
	COUNTS_
};

static const char *const count_names[COUNTS_] = {
	"bad_nonce",	"unknown_flow",	     "malformed",  "stale_version",
	"bad_checksum", "challenges_failed", "no_service",
};

struct counts {
	unsigned long v[COUNTS_];
};

static inline struct counts counts_of(const struct host *h)
{
	struct counts c;

	for (int i = 0; i < COUNTS_; i++)
		c.v[i] = host_counter(h, count_names[i]);
	return c;
}

static inline bool counts_are(const struct host *h,
			      const struct counts *expected)
{
	struct counts now = counts_of(h);

	return !memcmp(&now, expected, sizeof(now));
}

/* Once all was taken in, the counters are just these; printed where not. */
static inline void await_counts(const struct host *h,
				const struct counts *expected)
{
	int64_t end = clock_mono_ns() + PATIENCE_S * NSEC_PER_SEC;
	struct counts now;

	while (!counts_are(h, expected) && clock_mono_ns() < end)
		poll(NULL, 0, 5);
	now = counts_of(h);
	for (int i = 0; i < COUNTS_; i++)
		ck_assert_msg(now.v[i] == expected->v[i],
			      "host %d: %s is %lu, expected %lu", h->number,
			      count_names[i], now.v[i], expected->v[i]);
}

/* The TCP flow of a host, as one line of text. */
struct flow {
	uint32_t id, peer_id;
	uint16_t port; /* the client program's */
	char line[512];
};

static inline struct flow flow_of(const struct host *h)
{
	char *text =
		sh_output("%s -c %s -f json flow list", SALCTL, h->control);
	json_t *answer = json_loads(text, JSON_DISABLE_EOF_CHECK, NULL);
	json_t *list = json_is_array(answer) ? answer :
					       json_object_get(answer, "flows");
	struct flow f = { .id = 0 };
	json_t *o, *path;
	size_t i;

	ck_assert_msg(json_is_array(list), "%s", text);
	json_array_foreach(list, i, o)
	{
		const char *protocol =
			json_string_value(json_object_get(o, "protocol"));

		if (!protocol || strcmp(protocol, "tcp"))
			continue;
		ck_assert_uint_eq(f.id, 0);
		f.id = (uint32_t)json_integer_value(json_object_get(o, "flow"));
		f.peer_id = (uint32_t)json_integer_value(
			json_object_get(o, "peer_flow"));
		f.port = (uint16_t)json_integer_value(json_object_get(
			o, h->number == 1 ? "port_local" : "port_remote"));
		path = json_object_get(o, "path");
		snprintf(f.line, sizeof(f.line), "%u %u %s %s > %s", f.id,
			 f.peer_id,
			 json_string_value(json_object_get(o, "state")),
			 json_string_value(json_object_get(path, "local")),
			 json_string_value(json_object_get(path, "remote")));
	}
	ck_assert_msg(f.id && f.peer_id, "%s", text);
	json_decref(answer);
	free(text);
	return f;
}

/* ---- the conversation ---------------------------------------------------- */

struct scene {
	int client, instance; /* the two ends of a TCP connection */
	uint64_t said; /* bytes so far, each way */
	pid_t ping;
	struct flow flows[3]; /* [1], [2]: of the hosts */
	int64_t slowest_ns; /* exchange */
};

static inline void say(int from, int to, uint64_t first)
{
	uint8_t out[700], in[sizeof(out)];

	for (size_t i = 0; i < sizeof(out); i++)
		out[i] = (uint8_t)(((first + i) * 2654435761u) >> 24);
	ck_assert_int_eq(send(from, out, sizeof(out), MSG_NOSIGNAL),
			 sizeof(out));
	ck_assert_int_eq(recv(to, in, sizeof(in), MSG_WAITALL), sizeof(in));
	ck_assert_mem_eq(in, out, sizeof(out));
}

/* Some bytes there and back, of a stream that must not break. */
static inline void converse(struct scene *s)
{
	for (int i = 0; i < 20; i++) {
		int64_t start = clock_mono_ns(), took;

		say(s->client, s->instance, s->said);
		say(s->instance, s->client, s->said + 1);
		s->said += 700;
		took = clock_mono_ns() - start;
		if (took > s->slowest_ns)
			s->slowest_ns = took;
	}
}

static inline void scene_connect(struct scene *s)
{
	int listener = host_socket(&hosts[2], AF_INET, SOCK_STREAM, WEB4, 80);

	ck_assert_int_eq(listen(listener, 1), 0);
	s->client = host_socket(&hosts[1], AF_INET, SOCK_STREAM, NULL, 0);
	ck_assert_int_eq(try_connect(s->client, WEB4, 80), 0);
	s->instance = accept(listener, NULL, NULL);
	ck_assert_int_ge(s->instance, 0);
	close(listener);
	for (int i = 0; i < 2; i++) {
		struct timeval patience = { .tv_sec = PATIENCE_S };

		setsockopt(i ? s->client : s->instance, SOL_SOCKET, SO_RCVTIMEO,
			   &patience, sizeof(patience));
	}
	converse(s);
}

static inline void pings_start(struct scene *s)
{
	netns_enter(hosts[1].ns);
	s->ping = fork();
	ck_assert_int_ge(s->ping, 0);
	if (s->ping == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execlp("sh", "sh", "-c",
		       "exec ping -i 0.05 -W 20 " WEB4 " >/run/said 2>&1",
		       NULL);
		_exit(127);
	}
}

static inline void scene_start(struct scene *s)
{
	*s = (struct scene){ .ping = 0 };
	lab_liveness_ms = PATIENT;
	lab_hosts(3);
	for (int i = 1; i <= 2; i++) {
		/* Without another path, which a host that gets no CPU for a
		 * while may take for the better one. */
		netns_enter(hosts[i].ns);
		sh("ip addr del fd00::%d/64 dev eth0", i);
		host_start_sald(&hosts[i]);
	}
	lab_name_web(2);
	salctl(&hosts[2], "service add " WEB " demux");
	salctl(&hosts[1], "service add " WEB " forward " INSTANCE);
	stranger_open();
}

/* From here on nothing may change. */
static inline void scene_flows(struct scene *s)
{
	pings_start(s);
	for (int i = 1; i <= 2; i++) {
		s->flows[i] = flow_of(&hosts[i]);
		ck_assert_ptr_nonnull(strstr(s->flows[i].line, "ESTABLISHED"));
	}
	ck_assert_uint_eq(s->flows[1].id, s->flows[2].peer_id);
	ck_assert_uint_eq(s->flows[2].id, s->flows[1].peer_id);
}

/* The flow is what it was, and the conversation goes on. */
static inline void scene_unharmed(struct scene *s)
{
	converse(s);
	for (int i = 1; i <= 2; i++) {
		struct flow now = flow_of(&hosts[i]);

		ck_assert_str_eq(now.line, s->flows[i].line);
		ck_assert(host_is_alive(&hosts[i]));
	}
}

/* Each ping up to the last that was answered was answered, once. */
static inline void check_pings(void)
{
	char *text = sh_output("cat /run/said");
	unsigned long answers = 0, seq = 0;

	ck_assert_ptr_null(strstr(text, "DUP!"));
	for (char *p = text; (p = strstr(p, "icmp_seq=")); p++) {
		seq = strtoul(p + strlen("icmp_seq="), NULL, 10);
		answers++;
	}
	ck_assert_uint_gt(answers, 0);
	ck_assert_msg(answers == seq, "%lu answers of %lu", answers, seq);
	printf("%lu pings answered, %s\n", answers,
	       strstr(text, "rtt ") ? strstr(text, "rtt ") : "");
	free(text);
}

static inline void scene_end(struct scene *s)
{
	ck_assert_int_eq(kill(s->ping, SIGINT), 0);
	ck_assert_int_eq(wait_for(s->ping), 0);
	check_pings();
	printf("slowest exchange %.1f ms\n", (double)s->slowest_ns / 1e6);
	close(s->client);
	close(s->instance);
	for (int i = 1; i <= 2; i++)
		host_stop_sald(&hosts[i]);
}

#endif
