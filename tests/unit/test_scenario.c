/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a good scenario becomes, field by field: the file and its topology. The
 * other sections are in test_sections.c; what bad scenarios get to hear is
 * tested with files, in test_bad_scenarios.c.
 */
#include "base/cleanup.h"
#include "tests/support/scenario_text.h"

#include <errno.h>

START_TEST(the_top_level)
{
	parse_good("version: 1\n"
		   "name: ping-1.0_x\n"
		   "description: 'what: it is'\n"
		   "seed: 18446744073709551615\n"
		   "duration: 1.5s\n"
		   "topology: { nodes: { a: {} } }\n");
	ck_assert_str_eq(s->path, "t.yaml");
	ck_assert_str_eq(s->name, "ping-1.0_x");
	ck_assert_str_eq(s->description, "what: it is");
	ck_assert(s->seed == UINT64_MAX);
	ck_assert_int_eq(s->duration_ns, 1500000000);
	ck_assert_uint_eq(s->text_len, strlen(s->text));
	ck_assert_int_eq(strncmp(s->text, "version: 1\nname", 15), 0);
}
END_TEST

START_TEST(defaults)
{
	parse_good(NETWORK);
	ck_assert_uint_eq(s->seed, 1);
	ck_assert_int_eq(s->duration_ns, 0);
	ck_assert_ptr_null(s->description);
	ck_assert_uint_eq(s->services.n, 0);
	ck_assert_uint_eq(s->expects.n, 0);
}
END_TEST

START_TEST(nodes)
{
	parse_good(NETWORK);
	ck_assert_uint_eq(s->nodes.n, 5);
	ck_assert_str_eq(s->nodes.v[0].name, "a");
	ck_assert_int_eq(s->nodes.v[0].kind, SCN_NODE_HOST);
	ck_assert_uint_eq(s->nodes.v[0].pos.line, 5);
	ck_assert_uint_eq(s->nodes.v[0].pos.col, 5);
	ck_assert_int_eq(s->nodes.v[2].kind, SCN_NODE_HOST); /* nothing: {} */
	ck_assert_int_eq(s->nodes.v[3].kind, SCN_NODE_ROUTER);
	ck_assert_int_eq(s->nodes.v[4].kind, SCN_NODE_BRIDGE);
	ck_assert_uint_eq(s->nodes.v[4].subnets.n, 2);
	ck_assert_str_eq(prefix_text(&s->nodes.v[4].subnets.v[0].prefix),
			 "10.0.0.0/24");
	ck_assert_str_eq(prefix_text(&s->nodes.v[4].subnets.v[1].prefix),
			 "fd00:1::/64");
	ck_assert_uint_eq(s->nodes.v[4].subnets.v[1].pos.col, 48);
	ck_assert_uint_eq(scenario_find_node(s, "lan"), 4);
	ck_assert_uint_eq(scenario_find_node(s, "wan"), SCN_NONE);
}
END_TEST

START_TEST(a_node_may_be_called_almost_anything)
{
	parse_good(HEAD
		   "topology: { nodes: { no: {}, 1.5: {}, \u00fcn\u00ef-\u4e2d"
		   ": {}, a_very_long_name_that_no_interface_could_have"
		   ": {}, '#1': {} } }\n");
	ck_assert_uint_eq(s->nodes.n, 5);
	ck_assert_str_eq(s->nodes.v[0].name, "no");
	ck_assert_str_eq(s->nodes.v[1].name, "1.5");
	ck_assert_str_eq(s->nodes.v[2].name, "\u00fcn\u00ef-\u4e2d");
	ck_assert_str_eq(s->nodes.v[4].name, "#1");
}
END_TEST

START_TEST(links_and_their_names)
{
	parse_good(NETWORK);
	ck_assert_uint_eq(s->links.n, 4);
	ck_assert_str_eq(s->links.v[0].name, "a:eth0-lan");
	ck_assert_str_eq(s->links.v[1].name, "c:wan0-lan");
	ck_assert_str_eq(s->links.v[2].name, "d:eth0-lan");
	ck_assert_str_eq(s->links.v[3].name, "wire");
	ck_assert_str_eq(s->links.v[3].end[0].ifname, "eth0");
	ck_assert_str_eq(s->links.v[3].end[1].ifname, "eth1");
	ck_assert_str_eq(s->links.v[0].end[1].ifname, "");
	ck_assert_uint_eq(s->links.v[0].end[1].node, 4);
	ck_assert_uint_eq(s->links.v[1].end[0].pos.line, 12);
	ck_assert_uint_eq(s->links.v[0].mtu, 0);
}
END_TEST

/* A name given further down is as taken as one given before. */
START_TEST(automatic_interface_names_avoid_all_given_ones)
{
	parse_good(HEAD "topology:\n"
			"  nodes: { a: {}, b: {} }\n"
			"  links:\n"
			"    - endpoints: [a, b]\n"
			"    - endpoints: [a, 'b:eth0']\n"
			"    - endpoints: ['a:eth1', b]\n"
			"    - endpoints: [a, b]\n");
	ck_assert_str_eq(s->links.v[0].name, "a:eth0-b:eth1");
	ck_assert_str_eq(s->links.v[1].name, "a:eth2-b:eth0");
	ck_assert_str_eq(s->links.v[2].name, "a:eth1-b:eth2");
	ck_assert_str_eq(s->links.v[3].name, "a:eth3-b:eth3");
}
END_TEST

START_TEST(endpoints_in_full)
{
	const struct scn_link *link;
	static const uint8_t mac[] = { 2, 0, 0, 0xab, 0xcd, 1 };

	parse_good(HEAD "topology:\n"
			"  nodes: { a: {}, b: {} }\n"
			"  links:\n"
			"    - endpoints:\n"
			"        - { node: a, interface: fifteen-letters,\n"
			"            address: [10.0.0.1/30, 'fd00::1/64'],\n"
			"            mac: '02:00:00:aB:Cd:01' }\n"
			"        - { node: b, address: 10.0.0.2/31 }\n"
			"      mtu: 9000\n"
			"      subnet: 10.0.0.0/30\n"
			"      name: a>b\n");
	link = &s->links.v[0];
	ck_assert_str_eq(link->name, "a>b");
	ck_assert_uint_eq(link->mtu, 9000);
	ck_assert_uint_eq(link->subnets.n, 1);
	ck_assert_str_eq(link->end[0].ifname, "fifteen-letters");
	ck_assert_uint_eq(link->end[0].addresses.n, 2);
	ck_assert_str_eq(prefix_text(&link->end[0].addresses.v[0].prefix),
			 "10.0.0.1/30");
	ck_assert(link->end[0].has_mac && !link->end[1].has_mac);
	ck_assert_mem_eq(link->end[0].mac, mac, sizeof(mac));
	ck_assert_str_eq(link->end[1].ifname, "eth0");
}
END_TEST

/* The plain scalars that YAML 1.1 takes for something else. */
START_TEST(plain_scalars_are_texts)
{
	parse_good(HEAD "description: yes\n"
			"topology: { nodes: { off: {}, 0x10: {} } }\n"
			"processes: { 0644: { node: off, run: no } }\n");
	ck_assert_str_eq(s->description, "yes");
	ck_assert_str_eq(s->nodes.v[1].name, "0x10");
	ck_assert_str_eq(s->processes.v[0].name, "0644");
	ck_assert_str_eq(s->processes.v[0].command, "no");
}
END_TEST

START_TEST(aliases_are_copies)
{
	parse_good(HEAD "topology:\n"
			"  nodes: { a: &router { kind: router }, b: *router,\n"
			"           l1: &net { kind: bridge }, l2: *net }\n"
			"  links:\n"
			"    - { endpoints: &ends [a, b] }\n"
			"    - { endpoints: *ends }\n");
	ck_assert_int_eq(s->nodes.v[1].kind, SCN_NODE_ROUTER);
	ck_assert_str_eq(s->links.v[1].name, "a:eth1-b:eth1");
}
END_TEST

START_TEST(sections_may_be_empty)
{
	parse_good(NETWORK "services:\nprocesses: ~\nprobes: {}\n"
			   "timeline:\nexpect: []\n");
}
END_TEST

START_TEST(a_byte_order_mark_and_crlf_are_no_obstacle)
{
	parse_good("\xef\xbb\xbfversion: 1\r\nname: t\r\n"
		   "topology: { nodes: { a: {} } }\r\n");
	ck_assert_uint_eq(s->nodes.v[0].pos.col, 22);
}
END_TEST

/* 4,000 hosts on 4 bridges: reading them is no matter of minutes. */
START_TEST(a_large_scenario)
{
	CLEANUP_FREE char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	ck_assert_ptr_nonnull(out);
	fputs(HEAD "topology:\n  nodes:\n", out);
	for (int i = 0; i < 4; i++)
		fprintf(out, "    lan%d: { kind: bridge }\n", i);
	for (int i = 0; i < 4000; i++)
		fprintf(out, "    n%d: {}\n", i);
	fputs("  links:\n", out);
	for (int i = 0; i < 4000; i++)
		fprintf(out, "    - endpoints: [n%d, lan%d]\n", i, i % 4);
	fclose(out);
	parse_good(text);
	ck_assert_uint_eq(s->links.n, 4000);
}
END_TEST

START_TEST(a_bridge_has_1023_ports)
{
	CLEANUP_FREE char *text = NULL, *printed = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	ck_assert_ptr_nonnull(out);
	fputs(HEAD "topology:\n  nodes: { lan: { kind: bridge }, a: {} }\n"
		   "  links:\n",
	      out);
	for (int i = 0; i < 1024; i++)
		fputs("    - endpoints: [a, lan]\n", out);
	fclose(out);
	ck_assert_int_eq(parse(text), -EINVAL);
	ck_assert_uint_eq(diag_count(diag), 1);
	out = open_memstream(&printed, &len);
	diag_render(diag, out);
	fclose(out);
	ck_assert_ptr_nonnull(strstr(printed, "t.yaml:1029:22: error: the "
					      "bridge 'lan' has more than 1023 "
					      "links"));
}
END_TEST

/* ---- files -------------------------------------------------------------- */

static int load(const char *path, struct err *err)
{
	int r;

	*err = ERR_INIT;
	r = scenario_load(path, diag, &s, err);
	ck_assert_uint_eq(diag_count(diag), 0);
	return r;
}

START_TEST(files_that_cannot_be_read)
{
	char path[] = "/tmp/scenario-XXXXXX";
	int fd = mkstemp(path);
	struct err err;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(load("/nonexistent/x.yaml", &err), -ENOENT);
	ck_assert_str_eq(err.msg, "cannot read /nonexistent/x.yaml: No such "
				  "file or directory");
	ck_assert_int_eq(load("/", &err), -EISDIR);
	ck_assert_int_eq(ftruncate(fd, (4 << 20) + 1), 0);
	ck_assert_int_eq(load(path, &err), -EFBIG);
	ck_assert_ptr_nonnull(strstr(err.msg, "larger than 4 MiB"));
	ck_assert_ptr_null(s);
	close(fd);
	unlink(path);
}
END_TEST

START_TEST(a_file_is_read_as_a_text_is)
{
	char path[] = "/tmp/scenario-XXXXXX";
	int fd = mkstemp(path);
	struct err err;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, NETWORK, strlen(NETWORK)),
			 (int)strlen(NETWORK));
	ck_assert_int_eq(load(path, &err), 0);
	ck_assert_str_eq(s->text, NETWORK);
	ck_assert_str_eq(s->path, path);
	ck_assert_str_eq(s->nodes.v[0].pos.file, path);
	close(fd);
	unlink(path);
}
END_TEST

START_TEST(words)
{
	for (int m = 0; m < SCN_METRIC_COUNT_; m++)
		ck_assert_ptr_nonnull(scn_metric_name((enum scn_metric)m));
	ck_assert(scn_metric_unit(SCN_METRIC_OUTAGE) == SCN_UNIT_TIME);
	ck_assert(scn_metric_unit(SCN_METRIC_LOST) == SCN_UNIT_COUNT);
	ck_assert_str_eq(scn_node_kind_name(SCN_NODE_BRIDGE), "bridge");
	ck_assert_str_eq(scn_action_name(SCN_ACTION_MIGRATE), "migrate");
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		the_top_level,
		defaults,
		nodes,
		a_node_may_be_called_almost_anything,
		links_and_their_names,
		automatic_interface_names_avoid_all_given_ones,
		endpoints_in_full,
		plain_scalars_are_texts,
		aliases_are_copies,
		sections_may_be_empty,
		a_byte_order_mark_and_crlf_are_no_obstacle,
		a_large_scenario,
		a_bridge_has_1023_ports,
		files_that_cannot_be_read,
		a_file_is_read_as_a_text_is,
		words,
	};

	return run_tests("scenario", tests, sizeof(tests) / sizeof(*tests));
}
