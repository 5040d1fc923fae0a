/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Captures in a network of three nodes, two of them on either side of a router:
 *
 *     a:eth0 ---- r:west  r  r:east ---- c:eth0
 *     10.0.1.1    10.0.1.254   10.0.2.254  10.0.2.1
 *
 * The interfaces have the same numbers in every namespace. IPv6 is off unless a
 * test wants it, and neighbours are known beforehand, so that the tests know
 * every packet there is.
 */
#include "orchestrator/observe/capture.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "orchestrator/observe/packet.h"
#include "orchestrator/observe/pcapng.h"
#include "orchestrator/observe/probe.h"
#include "orchestrator/observe/samples.h"
#include "tests/support/sandbox.h"
#include "tests/support/veth.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <jansson.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#define MS NSEC_PER_MSEC
#define ECHO_PORT 4007
#define RING_BYTES ((size_t)4 << 20)

static int ns_a, ns_r, ns_c;
static bool queues; /* instead of rings */
static char dir[64], trace[96], part[128], csv[96];

static void in(int ns, const char *commands)
{
	netns_enter(ns);
	sh("%s", commands);
}

static void set_up(void)
{
	strcpy(dir, "/tmp/test_capture.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(trace, sizeof(trace), "%s/trace.pcapng", dir);
	snprintf(part, sizeof(part), "%s.part", trace);
	snprintf(csv, sizeof(csv), "%s/probe.csv", dir);
	/* tshark falls over a home that it may not read, and should not take
	 * anybody's preferences. */
	setenv("HOME", dir, 1);

	ns_a = netns_new();
	sh("echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6");
	ns_r = netns_new();
	sh("echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6");
	sh("echo 1 >/proc/sys/net/ipv4/ip_forward");
	ns_c = netns_new();
	sh("echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6");
	veth_add(ns_a, "eth0", ns_r, "west");
	veth_add(ns_c, "eth0", ns_r, "east");
	in(ns_a, "ip link set lo up && ip link set eth0 address 2:0:0:0:0:a && "
		 "ip addr add 10.0.1.1/24 dev eth0 && "
		 "ip neigh add 10.0.1.254 lladdr 2:0:0:0:0:1 dev eth0 && "
		 "ip route add default via 10.0.1.254");
	in(ns_r, "ip link set west address 2:0:0:0:0:1 && "
		 "ip link set east address 2:0:0:0:0:2 && "
		 "ip addr add 10.0.1.254/24 dev west && "
		 "ip addr add 10.0.2.254/24 dev east && "
		 "ip neigh add 10.0.1.1 lladdr 2:0:0:0:0:a dev west && "
		 "ip neigh add 10.0.2.1 lladdr 2:0:0:0:0:c dev east");
	in(ns_c, "ip link set eth0 address 2:0:0:0:0:c && "
		 "ip addr add 10.0.2.1/24 dev eth0 && "
		 "ip neigh add 10.0.2.254 lladdr 2:0:0:0:0:2 dev eth0 && "
		 "ip route add default via 10.0.2.254");
	netns_enter(ns_a);
}

static void tear_down(void)
{
	sh("rm -r %s", dir);
}

/* ---- running things ------------------------------------------------------ */

struct capturing {
	pid_t pid;
	int stop_fd;
};

/* All three nodes; of a's and r's interfaces it knows the names beforehand. */
static struct capture *capture_all(size_t ring_bytes)
{
	static const struct capture_iface a[] = { { 2, "eth0" } };
	static const struct capture_iface r[] = { { 3, "east" },
						  { 2, "west" } };
	struct capture *c = capture_new();
	struct err err = ERR_INIT;

	ck_assert_ptr_nonnull(c);
	ck_assert_msg(!capture_add(c, "a", ns_a, a, 1, ring_bytes, &err), "%s",
		      err.msg);
	ck_assert_msg(!capture_add(c, "r", ns_r, r, 2, ring_bytes, &err), "%s",
		      err.msg);
	ck_assert_msg(!capture_add(c, "c", ns_c, NULL, 0, ring_bytes, &err),
		      "%s", err.msg);
	if (queues)
		capture_use_queues(c);
	ck_assert_msg(!capture_open(c, &err), "%s", err.msg);
	ck_assert_msg(!capture_start(c, &err), "%s", err.msg);
	return c;
}

static struct capturing start_capturing(struct capture *c)
{
	struct capturing run;
	int fds[2];

	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	run.pid = fork();
	ck_assert_int_ge(run.pid, 0);
	if (!run.pid) {
		int status;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(fds[1]);
		status = capture_main(c, trace, fds[0], -1, STDERR_FILENO);
		capture_free(c);
		exit(status);
	}
	close(fds[0]);
	capture_free(c);
	run.stop_fd = fds[1];
	return run;
}

static void capture_stop(const struct capturing *run)
{
	int64_t start_ns = clock_mono_ns();

	ck_assert_int_eq(write(run->stop_fd, "", 1), 1);
	close(run->stop_fd);
	ck_assert_int_eq(wait_for(run->pid), 0);
	ck_assert_int_ne(access(part, F_OK), 0);
	/* It knew that the rings were empty, and did not give up on them. */
	ck_assert_int_lt(clock_mono_ns() - start_ns, 9 * NSEC_PER_SEC);
}

static pid_t echo_start(void)
{
	int fds[2];
	pid_t pid;
	char byte;

	ck_assert_int_eq(pipe(fds), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		netns_enter(ns_c);
		exit(echo_main(ECHO_PORT, fds[1], STDERR_FILENO));
	}
	close(fds[1]);
	ck_assert_int_eq(read(fds[0], &byte, 1), 1);
	close(fds[0]);
	return pid;
}

/* From a to c; all must be answered. */
static void probe(bool udp, const char *to, uint32_t index, unsigned n,
		  uint32_t payload)
{
	struct probe_config c = {
		.index = index,
		.type = udp ? PROBE_UDP_ECHO : PROBE_PING,
		.port = ECHO_PORT,
		.start_mono_ns = clock_mono_ns(),
		.interval_ns = 2 * MS,
		.for_ns = n * 2 * MS,
		.payload = payload,
	};
	sample_vec v = { 0 };
	struct err err = ERR_INIT;
	pid_t pid;

	ck_assert_int_eq(ip_parse_addr(to, &c.to), 0);
	strcpy(c.path, csv);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		netns_enter(ns_a);
		exit(probes_main(&c, 1, -1, STDERR_FILENO, NULL, NULL));
	}
	ck_assert_int_eq(wait_for(pid), 0);
	ck_assert_msg(!samples_read(csv, &v, &err), "%s", err.msg);
	ck_assert_uint_eq(v.n, n);
	for (size_t i = 0; i < n; i++)
		ck_assert_uint_eq(v.v[i].copies, 1);
	VEC_FREE(&v);
}

/* PATH.json: counts of a node, or of all (NULL). */
static void counts(const char *node, uint64_t *packets, uint64_t *dropped)
{
	char path[128];
	json_t *all, *at;

	snprintf(path, sizeof(path), "%s.json", trace);
	all = json_load_file(path, 0, NULL);
	ck_assert_ptr_nonnull(all);
	at = node ? json_object_get(json_object_get(all, "nodes"), node) : all;
	ck_assert(json_is_integer(json_object_get(at, "packets")));
	*packets = (uint64_t)json_integer_value(json_object_get(at, "packets"));
	*dropped = (uint64_t)json_integer_value(json_object_get(at, "dropped"));
	json_decref(all);
}

/* How many packets capinfos finds in a file that it has nothing against. */
static uint64_t capinfos_count(const char *path)
{
	char *out = sh_output("capinfos -rTMcm %s", path);
	const char *comma = strchr(out, ',');
	uint64_t n;

	ck_assert_ptr_nonnull(comma);
	n = strtoul(comma + 1, NULL, 10);
	free(out);
	return n;
}

static void expect_whole(void)
{
	uint64_t packets, dropped;

	counts(NULL, &packets, &dropped);
	ck_assert_uint_eq(dropped, 0);
	ck_assert_uint_eq(capinfos_count(trace), packets);
}

static struct pcapng_reader *open_trace(const char *path)
{
	struct pcapng_reader *r = NULL;
	struct err err = ERR_INIT;

	ck_assert_msg(!pcapng_open(path, &r, &err), "%s", err.msg);
	return r;
}

/* ---- on its way through the network -------------------------------------- */

#define PACKETS 100

static const struct {
	const char *interface;
	enum pcapng_direction direction;
} way[] = {
	{ "a:eth0", PCAPNG_OUT }, { "r:west", PCAPNG_IN },
	{ "r:east", PCAPNG_OUT }, { "c:eth0", PCAPNG_IN },
	{ "c:eth0", PCAPNG_OUT }, { "r:east", PCAPNG_IN },
	{ "r:west", PCAPNG_OUT }, { "a:eth0", PCAPNG_IN },
};
#define STATIONS (sizeof(way) / sizeof(*way))

static bool is_request(const struct packet_info *info)
{
	return info->kind == PACKET_ECHO_REQUEST ||
	       (info->kind == PACKET_UDP && info->dport == ECHO_PORT);
}

static size_t station_of(const struct pcapng_reader *r,
			 const struct pcapng_packet *p, bool request)
{
	const char *name = pcapng_interface_name(r, p->interface);

	for (size_t i = request ? 0 : 4; i < STATIONS; i++) {
		if (!strcmp(way[i].interface, name) &&
		    way[i].direction == p->direction)
			return i;
	}
	ck_abort_msg("a packet at %s", name);
	return 0;
}

/* Every packet is at every station once, and its times never go back. */
START_TEST(a_packets_way)
{
	static int64_t times[2][PACKETS][STATIONS];
	struct capture *c = capture_all(RING_BYTES);
	struct capturing run = start_capturing(c);
	struct err err = ERR_INIT;
	struct pcapng_reader *r;
	struct pcapng_packet p;
	int64_t last_ns = 0;
	pid_t echo = echo_start();
	int ret;

	probe(false, "10.0.2.1", 0, PACKETS, 56);
	probe(true, "10.0.2.1", 1, PACKETS, 56);
	capture_stop(&run);
	kill(echo, SIGKILL);
	expect_whole();

	r = open_trace(trace);
	while ((ret = pcapng_next(r, &p, &err)) == 1) {
		struct packet_info info;
		struct probe_mark mark;
		int64_t *time_ns;

		ck_assert_int_ge(p.time_ns, last_ns);
		last_ns = p.time_ns;
		packet_parse(p.data, p.captured, &info);
		ck_assert(
			probe_mark_get(info.payload, info.payload_len, &mark));
		ck_assert_uint_lt(mark.probe, 2);
		ck_assert_uint_lt(mark.seq, PACKETS);
		time_ns = &times[mark.probe][mark.seq]
				[station_of(r, &p, is_request(&info))];
		ck_assert_int_eq(*time_ns, 0);
		*time_ns = p.time_ns;
	}
	ck_assert_msg(ret == 0, "%s", err.msg);
	for (size_t i = 0; i < 2 * PACKETS; i++) {
		const int64_t *t = times[i / PACKETS][i % PACKETS];

		ck_assert_int_gt(t[0], 0);
		for (size_t k = 1; k < STATIONS; k++)
			ck_assert_msg(t[k] >= t[k - 1],
				      "packet %zu: at %s %" PRId64
				      " ns before the station ahead of it",
				      i, way[k].interface, t[k - 1] - t[k]);
	}
	pcapng_close(r);
}
END_TEST

/* What tshark says of the replies' times is what the probe says. */
START_TEST(as_the_probe_saw_it)
{
	struct capture *c = capture_all(RING_BYTES);
	struct capturing run = start_capturing(c);
	pid_t echo = echo_start();
	int64_t offset_ns = clock_real_minus_mono_ns();
	struct err err = ERR_INIT;
	sample_vec v = { 0 };
	char *out, *line, *state;
	size_t n = 0;

	probe(_i, "10.0.2.1", 0, PACKETS, 56);
	capture_stop(&run);
	kill(echo, SIGKILL);
	ck_assert_msg(!samples_read(csv, &v, &err), "%s", err.msg);

	out = sh_output("tshark -r %s -T fields -e frame.time_epoch -Y '%s && "
			"frame.interface_name == \"a:eth0\"' 2>%s/stderr",
			trace, _i ? "udp.srcport == 4007" : "icmp.type == 0",
			dir);
	for (line = strtok_r(out, "\n", &state); line;
	     line = strtok_r(NULL, "\n", &state), n++) {
		long long s, ns;

		ck_assert_int_eq(sscanf(line, "%lld.%9lld", &s, &ns), 2);
		ck_assert_uint_lt(n, v.n);
		ns += s * NSEC_PER_SEC - offset_ns - v.v[n].received_ns;
		ck_assert_msg(ns > -MS && ns < MS, "packet %zu: %lld ns", n,
			      ns);
	}
	ck_assert_uint_eq(n, PACKETS);
	free(out);
	VEC_FREE(&v);
}
END_TEST

/* ---- checksums, large frames --------------------------------------------- */

#define TCP_BYTES ((size_t)4 << 20)

/* a sends so many bytes to c; both have closed when this returns. */
static void tcp_transfer(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons(5001),
				  .sin_addr.s_addr = htonl(0x0a000201) };
	static char buf[1 << 16];
	size_t n = 0;
	int fd, peer;
	pid_t pid;
	ssize_t k;

	netns_enter(ns_c);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	ck_assert_int_eq(listen(fd, 1), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (!pid) {
		netns_enter(ns_a);
		fd = socket(AF_INET, SOCK_STREAM, 0);
		ck_assert_int_eq(
			connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
		for (; n < TCP_BYTES; n += (size_t)k) {
			k = send(fd, buf, sizeof(buf), 0);
			ck_assert_int_gt(k, 0);
		}
		exit(0);
	}
	peer = accept(fd, NULL, NULL);
	ck_assert_int_ge(peer, 0);
	while ((k = recv(peer, buf, sizeof(buf), 0)) > 0)
		n += (size_t)k;
	ck_assert_int_eq(k, 0);
	ck_assert_uint_eq(n, TCP_BYTES);
	ck_assert_int_eq(wait_for(pid), 0);
	close(peer);
	close(fd);
	netns_enter(ns_a);
}

static unsigned long tshark_count(const char *filter)
{
	char *out = sh_output("tshark -r %s -o ip.check_checksum:TRUE "
			      "-o udp.check_checksum:TRUE "
			      "-o tcp.check_checksum:TRUE -Y '%s' "
			      "-T fields -e frame.number 2>%s/stderr",
			      trace, filter, dir);
	unsigned long n = 0;

	for (const char *p = out; *p; p++)
		n += *p == '\n';
	free(out);
	return n;
}

START_TEST(checksums_are_whole)
{
	struct capturing run;
	struct err err = ERR_INIT;
	struct pcapng_reader *r;
	struct pcapng_packet p;
	uint64_t tcp_bytes = 0;
	uint32_t longest = 0;
	pid_t echo;

	in(ns_a, "echo 0 >/proc/sys/net/ipv6/conf/eth0/disable_ipv6 && "
		 "ip addr add fd01::1/64 dev eth0 nodad && "
		 "ip route add default via fd01::254");
	in(ns_r, "for i in east west; do "
		 "echo 0 >/proc/sys/net/ipv6/conf/$i/disable_ipv6; done && "
		 "echo 1 >/proc/sys/net/ipv6/conf/all/forwarding && "
		 "ip addr add fd01::254/64 dev west nodad && "
		 "ip addr add fd02::254/64 dev east nodad && "
		 /* Without a link-local address a router asks for nobody. */
		 "ip neigh add fd01::1 lladdr 2:0:0:0:0:a dev west && "
		 "ip neigh add fd02::1 lladdr 2:0:0:0:0:c dev east");
	in(ns_c, "echo 0 >/proc/sys/net/ipv6/conf/eth0/disable_ipv6 && "
		 "ip addr add fd02::1/64 dev eth0 nodad && "
		 "ip route add default via fd02::254");
	/* An IPv6 address is taken into service by a work queue, later. */
	in(ns_a, "until ping -6 -qc1 -W1 fd02::1 >/dev/null; do :; done");
	run = start_capturing(capture_all((size_t)32 << 20));
	echo = echo_start();
	probe(true, "10.0.2.1", 0, 20, 57);
	probe(true, "fd02::1", 0, 20, 57);
	probe(false, "fd02::1", 0, 20, 57);
	if (!queues) /* which are for few packets */
		tcp_transfer();
	capture_stop(&run);
	kill(echo, SIGKILL);
	expect_whole();

	ck_assert_uint_eq(tshark_count("ip.checksum.status == Bad || "
				       "udp.checksum.status == Bad || "
				       "tcp.checksum.status == Bad || "
				       "icmpv6.checksum.status == Bad"),
			  0);
	/* 20 packets each way, at 4 interfaces, in two families. */
	ck_assert_uint_eq(tshark_count("udp.checksum.status == Good"), 320);
	if (queues)
		return;

	ck_assert_uint_ge(tshark_count("tcp.checksum.status == Good"), 100);
	r = open_trace(trace);
	while (pcapng_next(r, &p, &err) == 1) {
		struct packet_info info;

		ck_assert_uint_eq(p.captured, p.length);
		packet_parse(p.data, p.captured, &info);
		if (p.length > longest)
			longest = p.length;
		if (info.kind == PACKET_TCP && info.dport == 5001 &&
		    !strcmp(pcapng_interface_name(r, p.interface), "c:eth0"))
			tcp_bytes += info.payload_len;
	}
	pcapng_close(r);
	ck_assert_uint_ge(tcp_bytes, TCP_BYTES);
	ck_assert_uint_gt(longest, 16000);
}
END_TEST

/* ---- interfaces ---------------------------------------------------------- */

START_TEST(interface_that_came_later)
{
	struct capturing run = start_capturing(capture_all(RING_BYTES));

	veth_add(ns_a, "late0", ns_c, "late1");
	sh("ip addr add 10.0.3.1/24 dev late0");
	in(ns_c, "ip addr add 10.0.3.2/24 dev late1");
	probe(false, "10.0.3.2", 0, 10, 56);
	probe(false, "10.0.1.1", 1, 10, 56); /* over a's loopback interface */
	capture_stop(&run);
	ck_assert_uint_eq(tshark_count("icmp && frame.interface_name == "
				       "\"a:late0\""),
			  20);
	ck_assert_uint_eq(tshark_count("icmp && frame.interface_name == "
				       "\"c:late1\""),
			  20);
	ck_assert_uint_eq(tshark_count("icmp"), 40);
	expect_whole();
}
END_TEST

START_TEST(refused)
{
	static const struct capture_iface twice[] = { { 2, "x" },
						      { 3, "y" },
						      { 2, "z" } };
	struct capture *c = capture_new();
	struct err err = ERR_INIT;

	ck_assert_int_eq(capture_add(c, "a", ns_a, twice, 3, 0, &err), -EINVAL);
	ck_assert_ptr_nonnull(strstr(err.msg, "a"));
	ck_assert_int_eq(capture_add(c, "a", -1, NULL, 0, 0, &err), -EBADF);
	ck_assert_int_eq(capture_add(c, "a", ns_a, NULL, 0, SIZE_MAX, &err), 0);
	ck_assert_int_eq(capture_open(c, &err), -EINVAL);
	ck_assert_ptr_null(capture_free(c));
}
END_TEST

START_TEST(no_place_for_the_file)
{
	struct capture *c = capture_all(0);
	char message[256] = "";
	int fds[2];

	ck_assert_int_eq(pipe(fds), 0);
	ck_assert_int_eq(capture_main(c, "/nowhere/trace", -1, -1, fds[1]), 1);
	ck_assert_int_gt(read(fds[0], message, sizeof(message) - 1), 0);
	ck_assert_str_eq(message, "/nowhere/trace.part: No such file or "
				  "directory\n");
	capture_free(c);
}
END_TEST

/* ---- load ---------------------------------------------------------------- */

#define BLAST 20000

/* So many packets from a to r, where nobody reads them. */
static void blast(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons(9),
				  .sin_addr.s_addr = htonl(0x0a0001fe) };
	char data[200] = "";
	int sink, fd;

	netns_enter(ns_r);
	sink = socket(AF_INET, SOCK_DGRAM, 0);
	ck_assert_int_eq(bind(sink, (struct sockaddr *)&to, sizeof(to)), 0);
	netns_enter(ns_a);
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	for (unsigned i = 0; i < BLAST; i++)
		ck_assert_int_eq(sendto(fd, data, sizeof(data), 0,
					(struct sockaddr *)&to, sizeof(to)),
				 sizeof(data));
	close(fd);
	close(sink);
}

/* Captured and dropped are together all there were; with a reader that starts
 * only when all is over (_i), the smallest rings must have dropped many, and
 * hold what there was room for. */
START_TEST(every_packet_is_accounted_for)
{
	struct capture *c = capture_all(_i ? 0 : RING_BYTES);
	struct capturing run;
	uint64_t packets, dropped, all = 0;

	if (_i)
		blast();
	run = start_capturing(c);
	if (!_i)
		blast();
	capture_stop(&run);

	counts("a", &packets, &dropped);
	ck_assert_uint_eq(packets + dropped, BLAST);
	ck_assert_uint_ge(packets, 100);
	if (_i)
		ck_assert_uint_ge(dropped, 1000);
	all += packets;
	counts("r", &packets, &dropped);
	ck_assert_uint_eq(packets + dropped, BLAST);
	all += packets;
	ck_assert_uint_eq(tshark_count("udp.dstport == 9"), all);
	counts("c", &packets, &dropped);
	ck_assert_uint_eq(packets + dropped, 0);
	counts(NULL, &packets, &dropped);
	ck_assert_uint_eq(packets, all);
	ck_assert_uint_eq(packets + dropped, 2 * BLAST);
}
END_TEST

/* ---- comments ------------------------------------------------------------ */

START_TEST(comments)
{
	struct capturing run = start_capturing(capture_all(RING_BYTES));
	int64_t before_ns = clock_real_ns(), between_ns;
	char path[128], *out;
	FILE *f;

	probe(false, "10.0.2.1", 0, 5, 56);
	between_ns = clock_real_ns();
	probe(false, "10.0.2.1", 1, 5, 56);
	snprintf(path, sizeof(path), "%s.comments", trace);
	f = fopen(path, "w");
	ck_assert_ptr_nonnull(f);
	fprintf(f, "%" PRId64 " link c-r: down\n", between_ns);
	fprintf(f, "no time here\n\n12\n");
	fprintf(f, "%" PRId64 " start\n", before_ns);
	fprintf(f, "%" PRId64 " migrate echo\n", between_ns);
	fprintf(f, "%" PRId64 " too late\n", clock_real_ns() + NSEC_PER_SEC);
	fclose(f);
	capture_stop(&run);

	out = sh_output("tshark -r %s -T fields -E separator=/s -Y "
			"frame.comment -e frame.number -e frame.comment "
			"2>%s/stderr",
			trace, dir);
	/* 5 packets, there and back, at 4 interfaces. */
	ck_assert_str_eq(out, "1 start\n"
			      "41 link c-r: down\\nmigrate echo\n");
	free(out);
	expect_whole();
}
END_TEST

/* ---- killed -------------------------------------------------------------- */

static void await_size(const char *path, off_t size)
{
	struct stat st = { 0 };

	while (stat(path, &st) || st.st_size < size)
		usleep(1000);
}

/* What is on disk at any time, but in the middle of a write, is a whole file.
 * Stopped, and not killed, because that leaves a write its end. */
static uint64_t expect_whole_part(const struct capturing *run)
{
	struct err err = ERR_INIT;
	struct pcapng_reader *r;
	struct pcapng_packet p;
	uint64_t n = 0;
	int status;

	kill(run->pid, SIGSTOP);
	ck_assert_int_eq(waitpid(run->pid, &status, WUNTRACED), run->pid);
	ck_assert(WIFSTOPPED(status));
	r = open_trace(part);
	while (pcapng_next(r, &p, &err) == 1)
		n++;
	pcapng_close(r);
	ck_assert_msg(!err.code, "%s", err.msg);
	ck_assert_uint_eq(capinfos_count(part), n);
	return n;
}

static void expect_killed(const struct capturing *run)
{
	int status;

	kill(run->pid, SIGKILL);
	ck_assert_int_eq(waitpid(run->pid, &status, 0), run->pid);
	ck_assert(WIFSIGNALED(status));
	ck_assert_int_ne(access(trace, F_OK), 0);
	ck_assert_int_eq(access(part, F_OK), 0);
}

START_TEST(killed)
{
	struct capturing run = start_capturing(capture_all(RING_BYTES));

	probe(false, "10.0.2.1", 0, 50, 56);
	/* All of them, by itself: 98 bytes of frame are 144 of the file. */
	await_size(part, 400 * 144);
	ck_assert_uint_eq(expect_whole_part(&run), 400);
	expect_killed(&run);
	ck_assert_uint_eq(capinfos_count(part), 400);
}
END_TEST

START_TEST(killed_under_load)
{
	struct capturing run = start_capturing(capture_all(RING_BYTES));

	blast();
	await_size(part, 3 << 20);
	ck_assert_uint_ge(expect_whole_part(&run), 10000);
	expect_killed(&run);
}
END_TEST

/* ---- without rings ------------------------------------------------------- */

static void set_up_queues(void)
{
	set_up();
	queues = true;
}

/* Nothing is captured before it is asked for, and nothing is lost after. */
START_TEST(from_when_it_is_asked_to)
{
	struct capture *c = capture_new();
	struct err err = ERR_INIT;
	struct capturing run;

	ck_assert_ptr_nonnull(c);
	ck_assert(!capture_add(c, "a", ns_a, NULL, 0, RING_BYTES, &err));
	if (_i)
		capture_use_queues(c);
	ck_assert_msg(!capture_open(c, &err), "%s", err.msg);
	probe(false, "10.0.2.1", 0, 5, 56);
	ck_assert_msg(!capture_start(c, &err), "%s", err.msg);
	probe(false, "10.0.2.1", 1, 5, 56);
	run = start_capturing(c);
	capture_stop(&run);
	ck_assert_uint_eq(capinfos_count(trace), 10);
}
END_TEST

/* A queue takes what the room says, at what a small packet costs. */
START_TEST(room_of_a_queue)
{
	ck_assert_uint_ge(capture_queue_room(), 4096);
}
END_TEST

static TCase *case_of_queues(void)
{
	TCase *tc = tcase_create("queues");

	tcase_add_checked_fixture(tc, set_up_queues, tear_down);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, a_packets_way);
	tcase_add_loop_test(tc, as_the_probe_saw_it, 0, 2);
	tcase_add_test(tc, checksums_are_whole);
	tcase_add_test(tc, interface_that_came_later);
	tcase_add_loop_test(tc, every_packet_is_accounted_for, 1, 2);
	tcase_add_test(tc, room_of_a_queue);
	return tc;
}

int main(void)
{
	Suite *s = suite_create("capture");
	TCase *tc = tcase_create("capture");
	SRunner *r;
	int failed;

	test_sandbox_enter();
	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, a_packets_way);
	tcase_add_loop_test(tc, as_the_probe_saw_it, 0, 2);
	tcase_add_test(tc, checksums_are_whole);
	tcase_add_test(tc, interface_that_came_later);
	tcase_add_test(tc, refused);
	tcase_add_test(tc, no_place_for_the_file);
	tcase_add_loop_test(tc, every_packet_is_accounted_for, 0, 2);
	tcase_add_test(tc, comments);
	tcase_add_test(tc, killed);
	tcase_add_test(tc, killed_under_load);
	tcase_add_loop_test(tc, from_when_it_is_asked_to, 0, 2);
	suite_add_tcase(s, tc);
	suite_add_tcase(s, case_of_queues());
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
