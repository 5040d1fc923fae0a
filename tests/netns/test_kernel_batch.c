/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Batches: whose failure it was, in the kernel's words, and failures made. */
#include "tests/support/kernel_lab.h"
#include "tests/support/sandbox.h"
#include "tests/support/run_suite.h"

#include <ifaddrs.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <netlink/socket.h>

/* A namespace with a bridge e5 in it. */
static struct kns *with_bridge(void)
{
	struct kns *ns = lab_ns();
	struct kbatch *batch = kbatch_new(ns);

	OK(kbatch_bridge_add(batch, 0, "e5", 5, NULL, &E));
	OK(kbatch_commit(batch, NULL, &E));
	kbatch_free(batch);
	return ns;
}

static struct ip_prefix nth(unsigned n)
{
	struct ip_prefix p = lab_prefix("10.0.0.1/32");

	p.addr.bytes[2] = (uint8_t)(n >> 8);
	p.addr.bytes[3] = (uint8_t)n;
	return p;
}

static unsigned addresses(struct kns *ns)
{
	struct ifaddrs *all;
	unsigned n = 0;

	OK(kns_enter(&K, ns, &E));
	OK(getifaddrs(&all));
	OK(kns_enter(&K, NULL, &E));
	for (struct ifaddrs *i = all; i; i = i->ifa_next)
		n += i->ifa_addr && i->ifa_addr->sa_family == AF_INET;
	freeifaddrs(all);
	return n;
}

/* Adds n addresses, of which those at bad repeat the one before; the tag of an
 * address is 1000 and its number. Returns the result, and *tag. */
static int add_addresses(struct kns *ns, unsigned n, const unsigned *bad,
			 unsigned n_bad, size_t *tag)
{
	struct kbatch *batch = kbatch_new(ns);
	int r = 0;

	for (unsigned i = 0; !r && i < n; i++) {
		unsigned number = i;

		for (unsigned j = 0; j < n_bad; j++)
			number -= bad[j] == i;
		struct ip_prefix p = nth(number);

		r = kbatch_addr(batch, 1000 + i, true, 5, &p, tag, &E);
	}
	if (!r)
		r = kbatch_commit(batch, tag, &E);
	kbatch_free(batch);
	return r;
}

START_TEST(large_batches_arrive_whole)
{
	struct kns *ns = with_bridge();
	size_t tag = 7;

	OK(add_addresses(ns, 1000, NULL, 0, &tag));
	ck_assert_uint_eq(addresses(ns), 1000);
	ck_assert_uint_eq(tag, 7); /* untouched */
}
END_TEST

/* At every place around where a batch is full and sent. */
START_TEST(failed_request_is_named)
{
	static const unsigned places[] = { 1, 50, 62, 63, 64, 65, 99 };
	struct kns *ns = with_bridge();
	unsigned bad = places[_i];
	size_t tag = 0;
	char words[64], text[IP_TEXT_MAX];
	struct ip_prefix p = nth(bad - 1);

	snprintf(words, sizeof(words), "add address %s to interface 5: ",
		 ip_format_prefix(&p, text, sizeof(text)));
	FAILS(add_addresses(ns, 100, &bad, 1, &tag), EEXIST, words);
	ck_assert_uint_eq(tag, 1000 + bad);
}
END_TEST

START_TEST(first_of_several_failures_is_named)
{
	static const unsigned bad[] = { 20, 30, 40, 63 };
	struct kns *ns = with_bridge();
	size_t tag = 0;

	FAILS(add_addresses(ns, 64, bad, 4, &tag), EEXIST, "10.0.0.19/32");
	ck_assert_uint_eq(tag, 1020);
	/* The others of the batch were done. */
	ck_assert_uint_eq(addresses(ns), 60);
}
END_TEST

/* Not even a batch that failed as a whole makes the kernel lose answers. */
START_TEST(all_may_fail)
{
	struct kns *ns = lab_ns();
	size_t tag = 0;

	for (int i = 0; i < 3; i++) {
		FAILS(add_addresses(ns, 64, NULL, 0, &tag), ENODEV,
		      "add address 10.0.0.0/32");
		ck_assert_uint_eq(tag, 1000);
	}
	/* And the socket is as good as before. */
	lab_link(ns, 1, true);
}
END_TEST

START_TEST(kernels_words_are_passed_on)
{
	struct kns *a = with_bridge(), *b = lab_ns();
	struct kbatch *batch = kbatch_new(a);
	struct kveth_end first = { .ns = a, .name = "e5", .ifindex = 50 };
	struct kveth_end peer = { .ns = b, .name = "eth0", .ifindex = 51 };
	size_t tag;

	OK(kbatch_veth_add(batch, 3, &first, &peer, 0, NULL, &E));
	FAILS(kbatch_commit(batch, &tag, &E), EEXIST,
	      "create veth e5/eth0: File exists");
	ck_assert_uint_eq(tag, 3);

	/* A master that is no bridge. */
	first.name = "good";
	first.master = 1;
	OK(kbatch_veth_add(batch, 4, &first, &peer, 0, NULL, &E));
	ck_assert_int_lt(kbatch_commit(batch, &tag, &E), 0);
	ck_assert_ptr_nonnull(strstr(E.msg, "create veth good/eth0: "));
	ck_assert_uint_eq(tag, 4);
	kbatch_free(batch);

	lab_link(a, 5, true);
	lab_address(a, 5, "10.1.0.1/24");
	FAILS(lab_try_route(a, true, "10.9.0.0/16", "192.0.2.1", 5, 0),
	      ENETUNREACH,
	      "add route 10.9.0.0/16 via 192.0.2.1: Network is unreachable: "
	      "Nexthop has invalid gateway");
}
END_TEST

START_TEST(unsent_requests_are_dropped)
{
	struct kns *ns = with_bridge();
	struct kbatch *batch = kbatch_new(ns);
	struct ip_prefix p = nth(1);

	OK(kbatch_addr(batch, 0, true, 5, &p, NULL, &E));
	ck_assert_ptr_null(kbatch_free(batch));
	ck_assert_uint_eq(addresses(ns), 0);
}
END_TEST

/* A socket that was sent something by others: their datagrams are not the
 * kernel's, whatever they say. */
START_TEST(strangers_are_not_believed)
{
	struct sockaddr_nl to = { .nl_family = AF_NETLINK };
	struct kns *ns = with_bridge();
	struct {
		struct nlmsghdr h;
		struct nlmsgerr e;
	} lie = { 0 };
	socklen_t len = sizeof(to);
	size_t tag = 0;
	int fd;

	OK(getsockname(nl_socket_get_fd(ns->rt), (struct sockaddr *)&to, &len));
	OK(kns_enter(&K, ns, &E));
	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	OK(kns_enter(&K, NULL, &E));
	/* An ack for whatever is asked next. */
	lie.h.nlmsg_len = sizeof(lie);
	lie.h.nlmsg_type = NLMSG_ERROR;
	for (uint32_t seq = 1; seq < 200; seq++) {
		lie.h.nlmsg_seq = seq;
		ck_assert_int_gt(sendto(fd, &lie, sizeof(lie), 0,
					(struct sockaddr *)&to, sizeof(to)),
				 0);
	}
	close(fd);
	FAILS(add_addresses(ns, 20, (unsigned[]){ 19 }, 1, &tag), EEXIST,
	      "10.0.0.18");
	ck_assert_uint_eq(tag, 1019);
}
END_TEST

/* ---- failures made ------------------------------------------------------ */

struct small_lab {
	struct kns *ns[2];
	struct kbatch *batch;
};

/* Uses every function that counts its requests. */
static int small_lab_build(struct small_lab *l, size_t *tag, struct err *err)
{
	struct knat_binding bind = { .from = lab_addr("198.18.0.1"),
				     .to = lab_addr("10.1.0.2") };
	const struct kconntrack_flows flows = { .addrs = &bind.from, .n = 1 };
	struct ip_prefix address = lab_prefix("10.1.0.1/24");
	struct ip_prefix net = lab_prefix("10.9.0.0/16");
	struct ip_addr via = lab_addr("10.1.0.9");
	int r;

	for (int i = 0; i < 2; i++) {
		r = kns_new(&K, &l->ns[i], err);
		if (r)
			return r;
	}
	struct kveth_end first = {
		.ns = l->ns[0], .name = "a", .ifindex = 6, .master = 5
	};
	struct kveth_end peer = { .ns = l->ns[1], .name = "b", .ifindex = 7 };

	l->batch = kbatch_new(l->ns[0]);
	r = kbatch_bridge_add(l->batch, 1, "br", 5, tag, err);
	if (!r)
		r = kbatch_veth_add(l->batch, 2, &first, &peer, 0, tag, err);
	for (uint32_t i = 5; !r && i < 7; i++)
		r = kbatch_link_set(l->batch, i, i, true, tag, err);
	if (!r)
		r = kbatch_addr(l->batch, 7, true, 5, &address, tag, err);
	if (!r)
		r = kbatch_inet_conf(l->batch, 8, 5, true, false, tag, err);
	if (!r)
		r = kbatch_commit(l->batch, tag, err);
	kbatch_free(l->batch);
	l->batch = kbatch_new(l->ns[1]);
	if (!r)
		r = kbatch_link_set(l->batch, 9, 7, true, tag, err);
	if (!r)
		r = kbatch_commit(l->batch, tag, err);
	kbatch_free(l->batch);
	l->batch = kbatch_new(l->ns[0]);
	if (!r)
		r = kbatch_route(l->batch, 10, true, &net, &via, 5, 0, tag,
				 err);
	if (!r)
		r = kbatch_route(l->batch, 11, false, &net, &via, 5, 0, tag,
				 err);
	if (!r)
		r = kbatch_link_del(l->batch, 12, 6, tag, err);
	if (!r)
		r = kbatch_commit(l->batch, tag, err);
	if (!r)
		r = kns_sysctl(l->ns[0], "net/ipv4/ip_forward", "1", err);
	if (!r)
		r = knat_init(l->ns[0], err);
	if (!r)
		r = knat_add(l->ns[0], &bind, 1, err);
	if (!r)
		r = knat_rebind(l->ns[0], &bind, 1, err);
	if (!r)
		r = kns_conntrack_flush(l->ns[0], &flows, NULL, err);
	if (!r)
		r = knat_deinit(l->ns[0], err);
	return r;
}

static void small_lab_free(struct small_lab *l)
{
	kbatch_free(l->batch);
	kns_free(l->ns[0]);
	kns_free(l->ns[1]);
	*l = (struct small_lab){ 0 };
}

START_TEST(every_step_can_fail)
{
	unsigned before = lab_fd_count();
	struct small_lab l = { 0 };
	uint64_t steps;

	OK(small_lab_build(&l, NULL, &E));
	steps = K.steps;
	small_lab_free(&l);
	/* namespaces, requests, the sysctl, NAT and conntrack */
	ck_assert_uint_eq(steps, 2 + 10 + 1 + 5);

	for (uint64_t k = 1; k <= steps; k++) {
		size_t tag = SIZE_MAX;

		kernel_deinit(&K);
		E = ERR_INIT;
		OK(kernel_init(&K, k, ENOSPC, &E));
		FAILS(small_lab_build(&l, &tag, &E), ENOSPC,
		      ": injected failure: No space left on device");
		ck_assert_uint_eq(K.steps, k);
		/* Requests of batches are named by their tag. */
		if (k > 2 && k <= 12)
			ck_assert_uint_ne(tag, SIZE_MAX);
		else
			ck_assert_uint_eq(tag, SIZE_MAX);
		ck_assert(lab_at_home());
		small_lab_free(&l);
		ck_assert_uint_eq(lab_fd_count(), before);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("kernel batches");
	TCase *tc = tcase_create("batch");

	test_sandbox_enter();
	tcase_add_checked_fixture(tc, lab_setup, lab_teardown);
	tcase_set_timeout(tc, 90);
	tcase_add_test(tc, large_batches_arrive_whole);
	tcase_add_loop_test(tc, failed_request_is_named, 0, 7);
	tcase_add_test(tc, first_of_several_failures_is_named);
	tcase_add_test(tc, all_may_fail);
	tcase_add_test(tc, kernels_words_are_passed_on);
	tcase_add_test(tc, unsent_requests_are_dropped);
	tcase_add_test(tc, strangers_are_not_believed);
	tcase_add_test(tc, every_step_can_fail);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
