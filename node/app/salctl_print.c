/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tables: every cell is made as text first, so that each column is as wide as
 * its widest cell, whatever sald answers.
 */
#include "node/app/salctl_print.h"
#include "base/units.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CELL 96 /* bytes; what is longer is cut */
#define COLUMNS_MAX 12

struct column {
	const char *title;
	void (*cell)(json_t *row, char *text);
};

static void put(char *text, json_t *v)
{
	if (json_is_string(v))
		snprintf(text, CELL, "%s", json_string_value(v));
	else if (json_is_integer(v))
		snprintf(text, CELL, "%" JSON_INTEGER_FORMAT,
			 json_integer_value(v));
	else if (json_is_boolean(v))
		snprintf(text, CELL, "%s", json_is_true(v) ? "yes" : "no");
	else
		snprintf(text, CELL, "-");
}

static void print_row(const struct column *columns, size_t n, json_t *row,
		      size_t *widths, bool measure)
{
	char text[CELL];

	for (size_t i = 0; i < n; i++) {
		if (row)
			columns[i].cell(row, text);
		else
			snprintf(text, CELL, "%s", columns[i].title);
		if (measure && strlen(text) > widths[i])
			widths[i] = strlen(text);
		else if (!measure && i + 1 == n)
			printf("%s\n", text);
		else if (!measure)
			printf("%-*s  ", (int)widths[i], text);
	}
}

static void print_table(const struct column *columns, size_t n, json_t *rows)
{
	size_t widths[COLUMNS_MAX] = { 0 }, i;
	json_t *row;

	for (int measure = 1; measure >= 0; measure--) {
		print_row(columns, n, NULL, widths, measure);
		json_array_foreach(rows, i, row)
			print_row(columns, n, row, widths, measure);
	}
}

#define CELL_OF(key)                                                           \
	static void cell_##key(json_t *row, char *text)                        \
	{                                                                      \
		put(text, json_object_get(row, #key));                         \
	}

CELL_OF(kind)
CELL_OF(to)
CELL_OF(priority)
CELL_OF(weight)
CELL_OF(hits)
CELL_OF(name)
CELL_OF(flow)
CELL_OF(peer_flow)
CELL_OF(state)
CELL_OF(role)
CELL_OF(protocol)
CELL_OF(packets_in)
CELL_OF(packets_out)
CELL_OF(interface)
CELL_OF(address)
CELL_OF(cost)
CELL_OF(metered)
CELL_OF(packets)

/* Of a number of milliseconds: "1.5s", "20m". */
static void put_time(char *text, json_t *v)
{
	json_int_t ms = json_integer_value(v);

	if (!json_is_integer(v))
		snprintf(text, CELL, "-");
	else if (ms < 60000)
		snprintf(text, CELL,
			 "%" JSON_INTEGER_FORMAT ".%" JSON_INTEGER_FORMAT "s",
			 ms / 1000, ms % 1000 / 100);
	else if (ms < 7200000)
		snprintf(text, CELL, "%" JSON_INTEGER_FORMAT "m", ms / 60000);
	else
		snprintf(text, CELL, "%" JSON_INTEGER_FORMAT "h", ms / 3600000);
}

#define TIME_OF(key)                                                           \
	static void cell_##key(json_t *row, char *text)                        \
	{                                                                      \
		put_time(text, json_object_get(row, #key "_ms"));              \
	}

TIME_OF(used)
TIME_OF(expires)
TIME_OF(waiting)
TIME_OF(left)

/* What a rule does now, or how. */
static void cell_rule_state(json_t *row, char *text)
{
	char left[CELL];

	if (json_is_true(json_object_get(row, "down"))) {
		snprintf(text, CELL, "down");
	} else if (json_integer_value(json_object_get(row, "aside_ms"))) {
		put_time(left, json_object_get(row, "aside_ms"));
		snprintf(text, CELL, "aside %.20s", left);
	} else if (json_integer_value(json_object_get(row, "weight")) == 0) {
		snprintf(text, CELL, "drained");
	} else if (json_is_true(json_object_get(row, "refuse"))) {
		snprintf(text, CELL, "refuses");
	} else {
		snprintf(text, CELL, "-");
	}
}

/* An ID as sald tells it, decimal or hexadecimal, to the digits of its first
 * bits: as prefixes are written. */
static void put_prefix(char *text, int bits)
{
	char id[CELL];
	int digits = (bits + 3) / 4;

	if (strncmp(text, "0x", 2) == 0)
		snprintf(id, CELL, "%s", text + 2);
	else
		snprintf(id, CELL, "%08lx%056d", strtoul(text, NULL, 10), 0);
	snprintf(text, CELL, "0x%.*s/%d", digits, id, bits);
}

static void cell_service(json_t *row, char *text)
{
	json_t *bits = json_object_get(row, "bits");
	json_int_t n = json_integer_value(bits);

	put(text, json_object_get(row, "service"));
	/* As it is written: what all goes by that no other rule is for. */
	if (json_is_integer(bits) && n == 0) {
		snprintf(text, CELL, "default");
	} else if (json_is_integer(bits) && n > 0 && n < 256 &&
		   !strchr(text, '/')) {
		put_prefix(text, (int)n);
	}
}

static void put_end(char *text, json_t *addr, json_t *port)
{
	char host[CELL], number[CELL];

	put(host, addr);
	put(number, port);
	snprintf(text, CELL,
		 strchr(host, ':') ? "[%.50s]:%.10s" : "%.50s:%.10s", host,
		 number);
}

static void cell_inner_local(json_t *row, char *text)
{
	put_end(text, json_object_get(row, "inner_local"),
		json_object_get(row, "port_local"));
}

static void cell_inner_remote(json_t *row, char *text)
{
	put_end(text, json_object_get(row, "inner_remote"),
		json_object_get(row, "port_remote"));
}

static void cell_path(json_t *row, char *text)
{
	json_t *path = json_object_get(row, "path");
	char local[CELL], remote[CELL];

	put(local, json_object_get(path, "local"));
	put(remote, json_object_get(path, "remote"));
	snprintf(text, CELL, "%.40s > %.40s%s", local, remote,
		 json_integer_value(json_object_get(path, "remote_port")) ?
			 " udp" :
			 "");
}

#define TABLE(rows, ...)                                                       \
	do {                                                                   \
		static const struct column columns_[] = { __VA_ARGS__ };       \
		print_table(columns_, sizeof(columns_) / sizeof(columns_[0]),  \
			    rows);                                             \
	} while (0)

void print_done(json_t *answer)
{
	(void)answer;
}

void print_services(json_t *answer)
{
	TABLE(json_object_get(answer, "services"), { "NAME", cell_name },
	      { "KIND", cell_kind }, { "TO", cell_to },
	      { "PRIORITY", cell_priority }, { "WEIGHT", cell_weight },
	      { "STATE", cell_rule_state }, { "HITS", cell_hits },
	      { "PACKETS", cell_packets }, { "USED", cell_used },
	      { "EXPIRES", cell_expires }, { "SERVICE", cell_service });
}

void print_delayed(json_t *answer)
{
	TABLE(json_object_get(answer, "delayed"), { "FLOW", cell_flow },
	      { "PROTO", cell_protocol }, { "LOCAL", cell_inner_local },
	      { "REMOTE", cell_inner_remote }, { "PACKETS", cell_packets },
	      { "WAITING", cell_waiting }, { "LEFT", cell_left },
	      { "SERVICE", cell_service });
}

void print_flows(json_t *answer)
{
	TABLE(json_object_get(answer, "flows"), { "FLOW", cell_flow },
	      { "PEER", cell_peer_flow }, { "STATE", cell_state },
	      { "ROLE", cell_role }, { "PROTO", cell_protocol },
	      { "LOCAL", cell_inner_local }, { "REMOTE", cell_inner_remote },
	      { "PATH", cell_path }, { "IN", cell_packets_in },
	      { "OUT", cell_packets_out });
}

static void cell_cap(json_t *row, char *text)
{
	json_t *bps = json_object_get(row, "cap_bps");

	if (json_is_integer(bps))
		units_format_rate(json_integer_value(bps), text, CELL);
	else
		snprintf(text, CELL, "-");
}

void print_interfaces(json_t *answer)
{
	TABLE(json_object_get(answer, "interfaces"),
	      { "INTERFACE", cell_interface }, { "ADDRESS", cell_address },
	      { "COST", cell_cost }, { "METERED", cell_metered },
	      { "CAP", cell_cap });
}

/* A list as its values, one behind the other. */
static void put_list(char *text, json_t *list)
{
	size_t used = 0, i;
	json_t *value;

	put(text, NULL);
	json_array_foreach(list, i, value)
	{
		char one[CELL];
		int n;

		put(one, value);
		n = snprintf(text + used, CELL - used, "%s%.45s", i ? " " : "",
			     one);
		used += (size_t)n;
		if (used >= CELL)
			return;
	}
}

static void print_pairs(json_t *o)
{
	char text[CELL];
	const char *key;
	int width = 0;
	json_t *value;

	json_object_foreach(o, key, value) width =
		(int)strlen(key) > width ? (int)strlen(key) : width;
	json_object_foreach(o, key, value)
	{
		if (json_is_array(value))
			put_list(text, value);
		else if (!strcmp(key, "path"))
			cell_path(o, text);
		else
			put(text, value);
		printf("%-*s  %s\n", width, key, text);
	}
}

/* On the clock that events have, too. */
static void put_seconds(char *text, json_t *ns)
{
	json_int_t n = json_integer_value(ns);

	if (json_is_integer(ns))
		snprintf(text, CELL,
			 "%" JSON_INTEGER_FORMAT ".%06" JSON_INTEGER_FORMAT,
			 n / 1000000000, n % 1000000000 / 1000);
	else
		snprintf(text, CELL, "-");
}

static void cell_from(json_t *row, char *text)
{
	put_seconds(text, json_object_get(row, "from_ns"));
}

static void cell_until(json_t *row, char *text)
{
	put_seconds(text, json_object_get(row, "until_ns"));
}

CELL_OF(why)

static void cell_ifindex(json_t *row, char *text)
{
	put(text, json_object_get(json_object_get(row, "path"), "ifindex"));
}

void print_flow(json_t *answer)
{
	json_t *flow = json_object_get(answer, "flow");
	json_t *ways = json_incref(json_object_get(flow, "history"));

	json_object_del(flow, "history");
	print_pairs(flow);
	putchar('\n');
	TABLE(ways, { "FROM", cell_from }, { "UNTIL", cell_until },
	      { "PATH", cell_path }, { "IFINDEX", cell_ifindex },
	      { "WHY", cell_why });
	json_decref(ways);
}

void print_stats(json_t *answer)
{
	print_pairs(json_object_get(answer, "stats"));
}

void print_policy(json_t *answer)
{
	print_pairs(json_object_get(answer, "policy"));
}

void print_hello(json_t *answer)
{
	json_object_del(answer, "ok");
	print_pairs(answer);
}

/* "forward,10.0.0.2,16385" */
static void put_rule(char *text, json_t *rule)
{
	char kind[CELL], to[CELL], service[CELL];

	put(kind, json_object_get(rule, "kind"));
	put(to, json_object_get(rule, "to"));
	cell_service(rule, service);
	snprintf(text, CELL, "%.8s,%.45s,%.40s", kind, to, service);
}

void print_event(json_t *event)
{
	json_int_t ns = json_integer_value(json_object_get(event, "mono_ns"));
	char text[CELL];
	const char *key;
	json_t *value;

	put(text, json_object_get(event, "event"));
	printf("%" JSON_INTEGER_FORMAT ".%06" JSON_INTEGER_FORMAT " %s",
	       ns / 1000000000, ns % 1000000000 / 1000, text);
	json_object_foreach(event, key, value)
	{
		if (!strcmp(key, "event") || !strcmp(key, "mono_ns"))
			continue;
		if (!strcmp(key, "path"))
			cell_path(event, text);
		else if (json_is_array(value))
			snprintf(text, CELL, "%zu", json_array_size(value));
		else if (!strcmp(key, "rule"))
			put_rule(text, value);
		else
			put(text, value);
		printf(" %s=%s", key, text);
	}
	putchar('\n');
}

void print_error(json_t *answer)
{
	json_t *error = json_object_get(answer, "error");
	const char *message =
		json_string_value(json_object_get(error, "message"));
	const char *hint = json_string_value(json_object_get(error, "hint"));

	fprintf(stderr, "salctl: %s\n", message ? message : "sald refused it");
	if (hint)
		fprintf(stderr, "help: %s\n", hint);
}
