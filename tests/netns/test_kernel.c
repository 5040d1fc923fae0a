/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Namespaces, links, addresses and routes, on the running kernel. */
#include "tests/support/kernel_lab.h"
#include "tests/support/sandbox.h"
#include "tests/support/run_suite.h"

#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

/* ---- helpers ------------------------------------------------------------ */

/* Reads a file below /proc/sys as seen from ns. */
static void sysctl_expect(struct kns *ns, const char *key, const char *value)
{
	char path[128], buf[64] = "";
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/sys/%s", key);
	OK(kns_enter(&K, ns, &E));
	fd = open(path, O_RDONLY | O_CLOEXEC);
	ck_assert_msg(fd >= 0, "%s: %s", path, strerror(errno));
	n = read(fd, buf, sizeof(buf) - 1);
	close(fd);
	OK(kns_enter(&K, NULL, &E));
	ck_assert_int_gt(n, 0);
	buf[strcspn(buf, "\n")] = '\0';
	ck_assert_str_eq(buf, value);
}

/* SIOCGIF...; the request's own fields say what came back. */
static int interface_ask(struct kns *ns, const char *name, unsigned long what,
			 struct ifreq *ifr)
{
	int fd, r;

	memset(ifr, 0, sizeof(*ifr));
	strncpy(ifr->ifr_name, name, sizeof(ifr->ifr_name) - 1);
	OK(kns_enter(&K, ns, &E));
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	OK(kns_enter(&K, NULL, &E));
	ck_assert_int_ge(fd, 0);
	r = ioctl(fd, what, ifr) ? -errno : 0;
	close(fd);
	return r;
}

static unsigned link_locals(struct kns *ns)
{
	struct ifaddrs *all;
	unsigned n = 0;

	OK(kns_enter(&K, ns, &E));
	OK(getifaddrs(&all));
	OK(kns_enter(&K, NULL, &E));
	for (struct ifaddrs *i = all; i; i = i->ifa_next) {
		const struct sockaddr_in6 *a = (void *)i->ifa_addr;

		if (a && a->sin6_family == AF_INET6 &&
		    IN6_IS_ADDR_LINKLOCAL(&a->sin6_addr))
			n++;
	}
	freeifaddrs(all);
	return n;
}

/* Two namespaces, one wire, both ends raised. */
static void pair(struct kns **a, struct kns **b)
{
	*a = lab_ns();
	*b = lab_ns();
	lab_veth(*a, 10, *b, 11, 0);
	lab_link(*a, 10, true);
	lab_link(*b, 11, true);
}

/* ---- namespaces --------------------------------------------------------- */

START_TEST(namespaces_differ_and_thread_stays_home)
{
	struct kns *a = lab_ns(), *home = lab_home_ns();
	struct stat sa, sh;

	ck_assert(lab_at_home());
	OK(fstat(a->fd, &sa));
	OK(fstat(home->fd, &sh));
	ck_assert(sa.st_ino != sh.st_ino);
	OK(kns_enter(&K, a, &E));
	ck_assert(!lab_at_home());
	OK(kns_enter(&K, NULL, &E));
	ck_assert(lab_at_home());
}
END_TEST

START_TEST(namespaces_leave_no_descriptor)
{
	unsigned before = lab_fd_count();

	for (int i = 0; i < 300; i++) {
		struct kns *ns = NULL;

		OK(kns_new(&K, &ns, &E));
		lab_link(ns, 1, true);
		if (i % 50 == 0)
			OK(knat_init(ns, &E)); /* opens one more socket */
		if (i % 50 == 1)
			ck_assert_int_eq(kns_listens(ns, IPPROTO_TCP, 1, &E),
					 0);
		ck_assert_ptr_null(kns_free(ns));
	}
	ck_assert_uint_eq(lab_fd_count(), before);
	ck_assert(lab_at_home());
}
END_TEST

START_TEST(namespaces_many_at_once)
{
	struct kns *ns[300];

	for (int i = 0; i < 300; i++)
		ns[i] = lab_ns();
	/* Each has a socket of its own, to its own namespace. */
	for (int i = 0; i < 300; i++)
		lab_link(ns[i], 1, true);
	for (int i = 0; i < 300; i++) {
		struct ifreq ifr;

		if (i % 30 == 0) {
			OK(interface_ask(ns[i], "lo", SIOCGIFFLAGS, &ifr));
			ck_assert(ifr.ifr_flags & IFF_UP);
		}
	}
}
END_TEST

START_TEST(sysctls_are_those_of_the_namespace)
{
	struct kns *a = lab_ns(), *b = lab_ns();

	OK(kns_sysctl(a, "net/ipv4/ip_default_ttl", "77", &E));
	sysctl_expect(a, "net/ipv4/ip_default_ttl", "77");
	sysctl_expect(b, "net/ipv4/ip_default_ttl", "64");
	ck_assert(lab_at_home());

	FAILS(kns_sysctl(a, "net/ipv4/no_such_file", "1", &E), ENOENT,
	      "set net/ipv4/no_such_file to 1: No such file");
	FAILS(kns_sysctl(a, "kernel/hostname", "x", &E), EINVAL, "hostname");
	FAILS(kns_sysctl(a, "net/../kernel/hostname", "x", &E), EINVAL, "..");
	FAILS(kns_sysctl(a, "net/ipv4/ip_default_ttl", "many", &E), EINVAL,
	      "to many");
	ck_assert(lab_at_home());
}
END_TEST

/* ---- links -------------------------------------------------------------- */

START_TEST(veth_is_made_as_asked)
{
	static const uint8_t mac[6] = { 2, 0, 0x5e, 1, 2, 3 };
	struct kns *a = lab_ns(), *b = lab_ns(), *home = lab_home_ns();
	struct kveth_end first = { .ns = a, .name = "eth0", .ifindex = 20 };
	struct kveth_end peer = {
		.ns = b, .name = "fifteen-bytes-x", .ifindex = 31, .mac = mac
	};
	struct kbatch *batch;
	struct ifreq ifr;

	/* From a third namespace, as well as from the first end's. */
	batch = kbatch_new(home);
	OK(kbatch_veth_add(batch, 0, &first, &peer, 1400, NULL, &E));
	OK(kbatch_commit(batch, NULL, &E));

	OK(interface_ask(a, "eth0", SIOCGIFINDEX, &ifr));
	ck_assert_int_eq(ifr.ifr_ifindex, 20);
	OK(interface_ask(a, "eth0", SIOCGIFMTU, &ifr));
	ck_assert_int_eq(ifr.ifr_mtu, 1400);
	OK(interface_ask(a, "eth0", SIOCGIFFLAGS, &ifr));
	ck_assert(!(ifr.ifr_flags & IFF_UP));
	OK(interface_ask(b, "fifteen-bytes-x", SIOCGIFINDEX, &ifr));
	ck_assert_int_eq(ifr.ifr_ifindex, 31);
	OK(interface_ask(b, "fifteen-bytes-x", SIOCGIFMTU, &ifr));
	ck_assert_int_eq(ifr.ifr_mtu, 1400);
	OK(interface_ask(b, "fifteen-bytes-x", SIOCGIFHWADDR, &ifr));
	ck_assert_mem_eq(ifr.ifr_hwaddr.sa_data, mac, 6);
	ck_assert_int_eq(interface_ask(home, "eth0", SIOCGIFINDEX, &ifr),
			 -ENODEV);
	kbatch_free(batch);

	/* One end's deletion takes both. */
	batch = kbatch_new(b);
	OK(kbatch_link_del(batch, 0, 31, NULL, &E));
	OK(kbatch_commit(batch, NULL, &E));
	ck_assert_int_eq(interface_ask(a, "eth0", SIOCGIFINDEX, &ifr), -ENODEV);
	kbatch_free(batch);
}
END_TEST

START_TEST(names_are_checked)
{
	static const char *const bad[] = {
		"sixteen-bytes-xx", "", "a/b", "a b", "..", "v%d"
	};
	struct kns *a = lab_ns(), *b = lab_ns();
	struct kbatch *batch = kbatch_new(a);
	size_t tag;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct kveth_end good = { .ns = a, .name = "ok" };
		struct kveth_end odd = { .ns = b, .name = bad[i] };

		tag = 0;
		FAILS(kbatch_veth_add(batch, 7, &good, &odd, 0, &tag, &E),
		      EINVAL, "create veth ok/");
		ck_assert_uint_eq(tag, 7);
		odd.ns = a;
		good.ns = b;
		FAILS(kbatch_veth_add(batch, 8, &odd, &good, 0, &tag, &E),
		      EINVAL, "name");
		ck_assert_uint_eq(tag, 8);
		FAILS(kbatch_bridge_add(batch, 9, bad[i], 5, &tag, &E), EINVAL,
		      "create bridge");
		ck_assert_uint_eq(tag, 9);
	}
	OK(kbatch_commit(batch, NULL, &E)); /* nothing of it was gathered */
	kbatch_free(batch);
}
END_TEST

START_TEST(packets_cross_a_veth)
{
	struct kns *a, *b;
	int fa, fb;

	pair(&a, &b);
	lab_address(a, 10, "10.1.0.1/24");
	lab_address(b, 11, "10.1.0.2/24");
	lab_address(a, 10, "fd01::1/64");
	lab_address(b, 11, "fd01::2/64");
	lab_ready(a);
	lab_ready(b);

	fa = lab_socket(a, SOCK_DGRAM, "10.1.0.1", 0);
	fb = lab_socket(b, SOCK_DGRAM, "10.1.0.2", 5000);
	lab_send_to(fa, "10.1.0.2", 5000, "over IPv4");
	lab_expect(fb, "over IPv4");
	close(fa);
	close(fb);

	/* Binding at once works only without duplicate address detection. */
	fa = lab_socket(a, SOCK_DGRAM, "fd01::1", 0);
	fb = lab_socket(b, SOCK_DGRAM, "fd01::2", 5000);
	lab_send_to(fa, "fd01::2", 5000, "over IPv6");
	lab_expect(fb, "over IPv6");
}
END_TEST

START_TEST(raising_makes_no_link_local_address)
{
	struct kns *a, *b;
	struct ifreq ifr;
	int fd;

	pair(&a, &b);
	lab_ready(a);
	lab_ready(b);
	lab_address(a, 10, "fd01::1/64");
	ck_assert_uint_eq(link_locals(a), 0);
	ck_assert_uint_eq(link_locals(b), 0);

	/* Raised in the ordinary way, there is one: the kernel would. */
	lab_veth(a, 12, b, 13, 0);
	lab_link(b, 13, true);
	OK(interface_ask(a, "e12", SIOCGIFFLAGS, &ifr));
	ifr.ifr_flags |= IFF_UP;
	OK(kns_enter(&K, a, &E));
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	OK(kns_enter(&K, NULL, &E));
	OK(ioctl(fd, SIOCSIFFLAGS, &ifr));
	WAIT_FOR(link_locals(a) == 1);
}
END_TEST

START_TEST(links_without_ipv6_can_be_raised)
{
	struct kns *a = lab_ns(), *b = lab_ns();
	struct kveth_end first = { .ns = a, .name = "x", .ifindex = 5 };
	struct kveth_end peer = { .ns = b, .name = "x", .ifindex = 6 };
	struct kbatch *batch = kbatch_new(a);

	/* Below 1280 there is no IPv6 on the interface; in b nowhere. */
	OK(kns_sysctl(b, "net/ipv6/conf/all/disable_ipv6", "1", &E));
	OK(kbatch_veth_add(batch, 0, &first, &peer, 1000, NULL, &E));
	OK(kbatch_link_set(batch, 1, 5, true, NULL, &E));
	OK(kbatch_commit(batch, NULL, &E));
	kbatch_free(batch);
	lab_link(b, 6, true);
	lab_link(b, 1, true);
	lab_ready(a);
	lab_ready(b);
	lab_link(a, 5, false);
	WAIT_FOR(!lab_is_ready(b));
}
END_TEST

START_TEST(ipv4_conf_is_set)
{
	struct kns *a, *b;
	struct kbatch *batch;

	pair(&a, &b);
	batch = kbatch_new(a);
	OK(kbatch_inet_conf(batch, 0, 10, true, true, NULL, &E));
	OK(kbatch_commit(batch, NULL, &E));
	sysctl_expect(a, "net/ipv4/conf/e10/forwarding", "1");
	sysctl_expect(a, "net/ipv4/conf/e10/ignore_routes_with_linkdown", "1");
	OK(kbatch_inet_conf(batch, 0, 10, false, false, NULL, &E));
	OK(kbatch_commit(batch, NULL, &E));
	sysctl_expect(a, "net/ipv4/conf/e10/forwarding", "0");
	sysctl_expect(a, "net/ipv4/conf/e10/ignore_routes_with_linkdown", "0");
	kbatch_free(batch);
}
END_TEST

/* The source address that a route lookup in ns chooses. */
static bool source_is(struct kns *ns, const char *to, const char *source)
{
	struct sockaddr_in sa = { 0 };
	socklen_t len = sizeof(sa);
	char text[INET_ADDRSTRLEN];
	int fd = lab_socket(ns, SOCK_DGRAM, "0.0.0.0", 0);

	lab_connect(fd, to, 9);
	OK(getsockname(fd, (struct sockaddr *)&sa, &len));
	close(fd);
	inet_ntop(AF_INET, &sa.sin_addr, text, sizeof(text));
	return !strcmp(text, source);
}

START_TEST(routes_over_dead_links_are_ignored)
{
	struct kns *a, *b;
	struct kbatch *batch;

	pair(&a, &b);
	lab_veth(a, 12, b, 13, 0);
	lab_link(a, 12, true);
	lab_link(b, 13, true);
	lab_address(a, 10, "10.1.0.1/24");
	lab_address(a, 12, "10.2.0.1/24");
	lab_route(a, "10.9.0.0/16", "10.1.0.2", 10, 10);
	lab_route(a, "10.9.0.0/16", "10.2.0.2", 12, 20);
	lab_ready(a);
	ck_assert(source_is(a, "10.9.9.9", "10.1.0.1"));

	/* Without the setting, a route over a dead link goes on to be used. */
	lab_link(b, 11, false);
	WAIT_FOR(!lab_is_ready(a));
	ck_assert(source_is(a, "10.9.9.9", "10.1.0.1"));

	batch = kbatch_new(a);
	OK(kbatch_inet_conf(batch, 0, 10, false, true, NULL, &E));
	OK(kbatch_commit(batch, NULL, &E));
	kbatch_free(batch);
	WAIT_FOR(source_is(a, "10.9.9.9", "10.2.0.1"));

	/* And it comes back with its link. */
	lab_link(b, 11, true);
	WAIT_FOR(source_is(a, "10.9.9.9", "10.1.0.1"));
}
END_TEST

/* ---- addresses and routes ----------------------------------------------- */

START_TEST(addresses_come_and_go)
{
	static const char *const text[] = { "10.1.0.1/24", "fd01::1/64" };
	struct kns *a, *b;
	struct kbatch *batch;
	size_t tag;

	pair(&a, &b);
	batch = kbatch_new(a);
	for (size_t i = 0; i < 2; i++) {
		struct ip_prefix p = lab_prefix(text[i]);

		OK(kbatch_addr(batch, 0, true, 10, &p, NULL, &E));
		OK(kbatch_addr(batch, 1, false, 10, &p, NULL, &E));
		OK(kbatch_addr(batch, 2, true, 10, &p, NULL, &E));
		OK(kbatch_addr(batch, 3, false, 10, &p, NULL, &E));
		OK(kbatch_addr(batch, 4, false, 10, &p, NULL, &E));
		FAILS(kbatch_commit(batch, &tag, &E), EADDRNOTAVAIL, text[i]);
		ck_assert_uint_eq(tag, 4);
	}
	kbatch_free(batch);
}
END_TEST

START_TEST(routes_come_and_go)
{
	struct kns *a, *b;

	pair(&a, &b);
	lab_address(a, 10, "10.1.0.1/24");
	lab_address(a, 10, "fd01::1/64");
	lab_route(a, "0.0.0.0/0", "10.1.0.2", 10, 0);
	lab_route(a, "10.2.0.0/16", "10.1.0.2", 10, 50);
	lab_route(a, "10.3.0.0/16", NULL, 10, 0);
	lab_route(a, "::/0", "fd01::2", 10, 0);
	lab_route(a, "fd02::/64", "fd01::2", 10, 50);
	lab_route(a, "fd03::/64", NULL, 10, 0);

	ck_assert(source_is(a, "192.0.2.1", "10.1.0.1"));
	FAILS(lab_try_route(a, true, "10.2.0.0/16", "10.1.0.2", 10, 50), EEXIST,
	      "add route 10.2.0.0/16 via 10.1.0.2: File exists");
	FAILS(lab_try_route(a, true, "fd02::/64", "fd01::2", 10, 50), EEXIST,
	      "fd02::/64");
	FAILS(lab_try_route(a, true, "fd02::/64", "10.1.0.2", 10, 0),
	      EAFNOSUPPORT, "fd02::/64");

	for (int i = 0; i < 2; i++) {
		static const struct {
			const char *to, *via;
			uint32_t metric;
		} all[] = {
			{ "0.0.0.0/0", "10.1.0.2", 0 },
			{ "10.2.0.0/16", "10.1.0.2", 50 },
			{ "10.3.0.0/16", NULL, 0 },
			{ "::/0", "fd01::2", 0 },
			{ "fd02::/64", "fd01::2", 50 },
			{ "fd03::/64", NULL, 0 },
		};

		/* Found the first time, and then no more. */
		for (size_t k = 0; k < sizeof(all) / sizeof(all[0]); k++) {
			int r = lab_try_route(a, false, all[k].to, all[k].via,
					      10, all[k].metric);

			ck_assert_int_eq(r, i ? -ESRCH : 0);
		}
	}
}
END_TEST

START_TEST(packets_are_forwarded)
{
	struct kns *a, *r, *b = lab_ns();
	struct kbatch *batch;
	int fa, fb;

	pair(&a, &r);
	lab_veth(r, 12, b, 13, 0);
	lab_link(r, 12, true);
	lab_link(b, 13, true);
	lab_address(a, 10, "10.1.0.1/24");
	lab_address(r, 11, "10.1.0.254/24");
	lab_address(r, 12, "10.2.0.254/24");
	lab_address(b, 13, "10.2.0.1/24");
	lab_route(a, "0.0.0.0/0", "10.1.0.254", 10, 0);
	lab_route(b, "0.0.0.0/0", "10.2.0.254", 13, 0);
	batch = kbatch_new(r);
	OK(kbatch_inet_conf(batch, 0, 11, true, true, NULL, &E));
	OK(kbatch_inet_conf(batch, 1, 12, true, true, NULL, &E));
	OK(kbatch_commit(batch, NULL, &E));
	kbatch_free(batch);
	lab_ready(r);
	lab_ready(a);
	lab_ready(b);
	fa = lab_socket(a, SOCK_DGRAM, "10.1.0.1", 6000);
	fb = lab_socket(b, SOCK_DGRAM, "10.2.0.1", 5000);
	lab_send_to(fa, "10.2.0.1", 5000, "there");
	lab_expect(fb, "there");
	lab_send_to(fb, "10.1.0.1", 6000, "back");
	lab_expect(fa, "back");
}
END_TEST

/* ---- what the kernel has ------------------------------------------------ */

START_TEST(features_are_probed)
{
	/* Those without which no other test here would pass. */
	static const bool required[KERNEL_FEATURE_COUNT_] = {
		[KERNEL_NETNS] = true,
		[KERNEL_VETH] = true,
		[KERNEL_BRIDGE] = true,
		[KERNEL_NFT_NAT] = true,
	};
	unsigned before = lab_fd_count();

	for (int i = 0; i < KERNEL_FEATURE_COUNT_; i++) {
		struct err why = ERR_INIT;
		bool has = kernel_probe((enum kernel_feature)i, &why);

		ck_assert_msg(has || !required[i], "%s: %s",
			      kernel_feature_name((enum kernel_feature)i),
			      why.msg);
		ck_assert(has || (why.msg[0] && why.hint[0] && why.code > 0));
		ck_assert(!has || !why.code);
	}
	ck_assert_uint_eq(lab_fd_count(), before);
	ck_assert(lab_at_home());
	/* No child is left. */
	ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
	ck_assert_int_eq(errno, ECHILD);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("kernel");
	TCase *tc = tcase_create("rtnetlink");

	test_sandbox_enter();
	tcase_add_checked_fixture(tc, lab_setup, lab_teardown);
	tcase_set_timeout(tc, 90);
	tcase_add_test(tc, namespaces_differ_and_thread_stays_home);
	tcase_add_test(tc, namespaces_leave_no_descriptor);
	tcase_add_test(tc, namespaces_many_at_once);
	tcase_add_test(tc, sysctls_are_those_of_the_namespace);
	tcase_add_test(tc, veth_is_made_as_asked);
	tcase_add_test(tc, names_are_checked);
	tcase_add_test(tc, packets_cross_a_veth);
	tcase_add_test(tc, raising_makes_no_link_local_address);
	tcase_add_test(tc, links_without_ipv6_can_be_raised);
	tcase_add_test(tc, ipv4_conf_is_set);
	tcase_add_test(tc, routes_over_dead_links_are_ignored);
	tcase_add_test(tc, addresses_come_and_go);
	tcase_add_test(tc, routes_come_and_go);
	tcase_add_test(tc, packets_are_forwarded);
	tcase_add_test(tc, features_are_probed);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
