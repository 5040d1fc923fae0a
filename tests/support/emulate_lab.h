/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Namespaces a and b, and emulated links between them: link i has the devices
 * e<10+i> at a and e<1010+i> at b, and the addresses 10.<i>.0.1 and .2. The
 * neighbours are known, so that nothing travels but what a test sends.
 *
 * To be used after test_sandbox_enter(), with lab_setup() and lab_teardown().
 */
#ifndef SUPPORT_EMULATE_LAB_H
#define SUPPORT_EMULATE_LAB_H

#include "tests/support/kernel_lab.h"
#include "orchestrator/emulate/emulate.h"
#include "orchestrator/link/pattern.h"
#include "base/diag.h"

#include <jansson.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

#define EMULATE_LINKS_MAX 256
#define REPORT "links.json"

static struct kns *end_ns[2]; /* a, b */
static struct emulate_link links[EMULATE_LINKS_MAX];
static char link_names[EMULATE_LINKS_MAX][16];
static char end_names[EMULATE_LINKS_MAX][2][24];
static struct emulate_config config;
static pid_t emulator;
static int control, error_fd; /* the lab's ends */

static inline uint32_t end_index(size_t link, unsigned end)
{
	return (uint32_t)(10 + 1000 * end + link);
}

static inline void end_mac(size_t link, unsigned end, uint8_t *mac)
{
	mac[0] = 2;
	mac[1] = mac[2] = 0;
	mac[3] = (uint8_t)end;
	mac[4] = (uint8_t)(link >> 8);
	mac[5] = (uint8_t)link;
}

static inline const char *end_address(size_t link, unsigned end, char *text)
{
	sprintf(text, "10.%zu.0.%u", link, end + 1);
	return text;
}

static inline int ns_ioctl(struct kns *ns, unsigned long what, void *request)
{
	int fd, r;

	OK(kns_enter(&K, ns, &E));
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	OK(kns_enter(&K, NULL, &E));
	ck_assert_int_ge(fd, 0);
	r = ioctl(fd, what, request) ? -errno : 0;
	close(fd);
	return r;
}

static inline void neighbour_known(size_t link, unsigned end)
{
	struct arpreq request = { .arp_flags = ATF_PERM | ATF_COM };
	struct sockaddr_storage to;
	char text[32];

	lab_sockaddr(end_address(link, !end, text), 0, &to);
	memcpy(&request.arp_pa, &to, sizeof(request.arp_pa));
	request.arp_ha.sa_family = ARPHRD_ETHER;
	end_mac(link, !end, (uint8_t *)request.arp_ha.sa_data);
	OK(ns_ioctl(end_ns[end], SIOCSARP, &request));
}

static inline void end_make(size_t link, unsigned end, uint32_t queue_frames)
{
	struct emulate_end *e = &links[link].end[end];
	struct kbatch *batch = kbatch_new(end_ns[end]);
	uint32_t ifindex = end_index(link, end);
	struct ktap_setup setup = { .queue_frames = queue_frames };
	char name[16], text[48];
	uint8_t mac[6];

	end_mac(link, end, mac);
	setup.mac = mac;
	snprintf(name, sizeof(name), "e%u", ifindex);
	snprintf(end_names[link][end], sizeof(end_names[link][end]), "%c:%s",
		 'a' + (char)end, name);
	OK(kns_tap_open(end_ns[end], name, ifindex, &e->fd, &E));
	OK(kbatch_tap_set(batch, 0, ifindex, &setup, NULL, &E));
	OK(kbatch_commit(batch, NULL, &E));
	kbatch_free(batch);
	lab_link(end_ns[end], ifindex, true);
	end_address(link, end, text);
	strcat(text, "/24");
	lab_address(end_ns[end], ifindex, text);
	neighbour_known(link, end);
	e->name = end_names[link][end];
	link_params_init(&e->params);
}

/* Makes n links on which nothing happens; set links[i].end[..].params, then
 * call emulator_start(). */
static inline void links_make(size_t n, uint32_t queue_frames)
{
	ck_assert_uint_le(n, EMULATE_LINKS_MAX);
	memset(links, 0, sizeof(links));
	for (unsigned end = 0; end < 2; end++)
		end_ns[end] = lab_ns();
	for (size_t i = 0; i < n; i++) {
		snprintf(link_names[i], sizeof(link_names[i]), "wan%zu", i);
		links[i].name = link_names[i];
		for (unsigned end = 0; end < 2; end++)
			end_make(i, end, queue_frames);
	}
	for (unsigned end = 0; end < 2; end++)
		lab_ready(end_ns[end]);
	config = (struct emulate_config){
		.seed = 42, .links = links, .n = n, .report = REPORT
	};
}

/* The child has the devices, alone. */
static inline void emulator_start(void)
{
	int pair[2], ready[2], errors[2];
	char byte;

	OK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair));
	OK(pipe(ready));
	OK(pipe(errors));
	emulator = fork();
	ck_assert_int_ge(emulator, 0);
	if (!emulator) {
		close(pair[0]);
		close(ready[0]);
		close(errors[0]);
		_exit(emulate_main(&config, pair[1], ready[1], errors[1]));
	}
	close(pair[1]);
	close(ready[1]);
	close(errors[1]);
	for (size_t i = 0; i < 2 * config.n; i++)
		close(links[i / 2].end[i % 2].fd);
	ck_assert_int_eq(read(ready[0], &byte, 1), 0);
	close(ready[0]);
	control = pair[0];
	error_fd = errors[0];
}

static inline struct emulate_reply ask(const struct emulate_request *request)
{
	struct emulate_reply reply;

	OK(emulate_ask(control, request, &reply, &E));
	return reply;
}

static inline void ask_well(const struct emulate_request *request)
{
	struct emulate_reply reply = ask(request);

	ck_assert_msg(reply.code == 0, "%s", reply.text);
}

/* Of what the end sends. */
static inline void change(size_t link, unsigned end, unsigned properties,
			  const struct link_params *to)
{
	struct emulate_request request = { .what = EMULATE_CHANGE,
					   .link = link };

	request.from[end] = true;
	request.change[end] =
		(struct link_change){ .properties = properties, .to = *to };
	ask_well(&request);
}

static inline void set_state(size_t link, bool up)
{
	ask_well(&(struct emulate_request){
		.what = EMULATE_STATE, .link = link, .up = up });
}

static inline json_t *report_read(void)
{
	json_error_t error;
	json_t *report = json_load_file(REPORT, 0, &error);

	ck_assert_msg(report != NULL, "%s: %s", REPORT, error.text);
	return report;
}

static inline void emulator_reap(void)
{
	char errors[256] = "";
	int status;

	ck_assert_int_eq(waitpid(emulator, &status, 0), emulator);
	ck_assert_int_ge(read(error_fd, errors, sizeof(errors) - 1), 0);
	ck_assert_msg(WIFEXITED(status) && !WEXITSTATUS(status),
		      "status %#x: %s", status, errors);
	close(control);
	close(error_fd);
}

/* To be given back by json_decref(). */
static inline json_t *emulator_stop(void)
{
	ask_well(&(struct emulate_request){ .what = EMULATE_STOP });
	emulator_reap();
	return report_read();
}

static inline json_t *direction(const json_t *report, size_t link, unsigned end)
{
	const json_t *one =
		json_array_get(json_object_get(report, "links"), link);
	json_t *d = json_array_get(json_object_get(one, "directions"), end);

	ck_assert_ptr_nonnull(d);
	return d;
}

static inline json_int_t figure(const json_t *object, const char *group,
				const char *name)
{
	const json_t *v = json_object_get(json_object_get(object, group), name);

	ck_assert_msg(json_is_integer(v), "no figure %s.%s", group, name);
	return json_integer_value(v);
}

static inline struct link_pattern *pattern(const char *text)
{
	struct link_pattern *p = NULL;

	OK(link_pattern_parse("test", text, strlen(text), NULL, &p));
	return p;
}

/* ---- datagrams ---------------------------------------------------------- */

/* From one end to the other, of one link: sockets that are connected. */
struct flow {
	int from, to;
};

static inline struct flow flow_open(size_t link, unsigned end, uint16_t port)
{
	int bytes = 4 << 20;
	char here[32], there[32];
	struct flow f;

	end_address(link, end, here);
	end_address(link, !end, there);
	f.from = lab_socket(end_ns[end], SOCK_DGRAM, here, port);
	f.to = lab_socket(end_ns[!end], SOCK_DGRAM, there, port);
	lab_connect(f.from, there, port);
	lab_connect(f.to, here, port);
	setsockopt(f.to, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes));
	setsockopt(f.to, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
	return f;
}

static inline void flow_close(struct flow *f)
{
	close(f->from);
	close(f->to);
}

/* Datagram number i, of so many bytes (at least 4). */
static inline void flow_send(const struct flow *f, uint32_t i, size_t bytes)
{
	uint8_t data[1500];

	ck_assert_uint_le(bytes, sizeof(data));
	memset(data, (int)i, sizeof(data));
	memcpy(data, &i, sizeof(i));
	ck_assert_int_eq(send(f->from, data, bytes, 0), (ssize_t)bytes);
}

/* The next one's number; -1: none has come for so long. What it holds must be
 * what was sent. */
static inline int64_t flow_receive(const struct flow *f, int patience_ms)
{
	struct pollfd p = { .fd = f->to, .events = POLLIN };
	uint8_t data[1600];
	uint32_t i;
	ssize_t n;

	if (poll(&p, 1, patience_ms) <= 0)
		return -1;
	n = recv(f->to, data, sizeof(data), MSG_DONTWAIT);
	if (n < 0 && errno == EAGAIN)
		return flow_receive(f, patience_ms); /* a bad checksum */
	ck_assert_int_ge(n, 4);
	memcpy(&i, data, sizeof(i));
	for (ssize_t k = 4; k < n; k++)
		ck_assert_uint_eq(data[k], i & 0xff);
	return i;
}

#endif
