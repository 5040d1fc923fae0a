/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Service routers of the captures, played by our engine: each packet that one
 * has handed on, byte for byte, from the one that came to it.
 */
#include "tests/support/replay.h"
#include "tests/support/run_suite.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static const char *const files[] = { "router-udp", "router-tcp",
				     "router-datagram", "encap-router-udp" };

static struct replay_packet sent;
static unsigned sent_n;

static void on_send(void *arg, const struct sal_outer *out)
{
	(void)arg;
	sent_n++;
	sent.path = out->path;
	sent.len = out->header_len + out->len;
	ck_assert(out->foreign);
	ck_assert_uint_eq(out->ip.ttl, 63);
	ck_assert_uint_le(sent.len, sizeof(sent.bytes));
	memcpy(sent.bytes, out->header, out->header_len);
	if (out->len)
		memcpy(sent.bytes + out->header_len, out->segment, out->len);
}

static void on_deliver(void *arg, const struct sal_inner *p)
{
	(void)arg;
	(void)p;
	ck_abort_msg("to no program");
}

static void on_event(void *arg, const struct sal_event *e)
{
	(void)arg;
	ck_assert_int_eq(e->kind, SAL_EVENT_SERVICE_FORWARDED);
}

/* At this address, with all services at that one. */
static struct sal *router(const struct ip_addr *at, const struct ip_addr *to,
			  void **mem)
{
	const struct sal_sink sink = { .send = on_send,
				       .deliver = on_deliver,
				       .event = on_event };
	const struct sal_local_address own = { .addr = *at, .ifindex = 1 };
	const struct sal_rule r = { .kind = SAL_RULE_FORWARD,
				    .to = *to,
				    .weight = 1 };
	struct sal_config c = { .max_flows = 0 };
	struct sal *s;

	sal_config_defaults(&c);
	c.max_forwarded = 16;
	*mem = malloc(sal_memory(&c));
	ck_assert_ptr_nonnull(*mem);
	ck_assert_int_eq(sal_init(*mem, sal_memory(&c), &c, &sink, 1, &s), 0);
	sal_set_addresses(s, &own, 1, 1);
	ck_assert_int_eq(sal_rule_add(s, &r, 1), 0);
	return s;
}

/* The last packet to that address before the nth. */
static const struct replay_packet *came_to(const struct replay_list *l,
					   unsigned n, const struct ip_addr *at)
{
	while (n--)
		if (ip_addr_equal(&l->v[n].path.remote, at))
			return &l->v[n];
	return NULL;
}

static void hand_on(const struct replay_list *l, unsigned n)
{
	const struct replay_packet *theirs = &l->v[n], *in;
	const struct sal_ext *e = sal_find(&theirs->sal, SAL_EXT_SOURCE, 0);
	struct ip_addr at =
		sal_list_at(&e->source, SAL_EXT_SOURCE, e->source.n - 1u);
	struct sal_ip_fields fields = { .ttl = 64 };
	struct sal_path path;
	struct sal *s;
	void *mem;

	in = came_to(l, n, &at);
	ck_assert_ptr_nonnull(in);
	path = (struct sal_path){
		.local = in->path.remote,
		.remote = in->path.local,
		.ifindex = 1,
		.local_port = in->path.remote_port,
		.remote_port = in->path.local_port,
	};
	s = router(&at, &theirs->path.remote, &mem);
	sent_n = 0;
	sal_from_outer(s, &path, &fields, in->bytes, in->len, in->at_ns);
	ck_assert_uint_eq(sent_n, 1);
	ck_assert(replay_same(&sent, theirs));
	free(mem);
}

START_TEST(all)
{
	unsigned handed_on = 0;
	struct replay r;

	ck_assert(replay_load(&r, files[_i]));
	for (unsigned i = 0; i < r.capture.n; i++)
		if (r.capture.v[i].from == REPLAY_ROUTER) {
			hand_on(&r.capture, i);
			handed_on++;
		}
	/* One router; a SYN, or two datagrams. */
	ck_assert_uint_eq(handed_on, _i == 2 ? 2U : 1U);
	replay_free(&r);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("sal: routers of captures");
	TCase *tc = tcase_create("all");

	tcase_add_loop_test(tc, all, 0, sizeof(files) / sizeof(*files));
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
