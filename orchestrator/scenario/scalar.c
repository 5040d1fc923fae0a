/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Scalars by their type: texts, numbers, durations, words, signals. YAML's own
 * idea of what a plain scalar is does not count (0644 is no octal number, "on"
 * is no truth value): the field says what it takes.
 */
#include "orchestrator/scenario/load.h"

#include "base/units.h"
#include "base/utf8.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static bool is_digits(const char *text)
{
	return *text && !text[strspn(text, "0123456789")];
}

static int find_signal(const char *text);

/* What must have been meant by something that is no number. */
static void number_help(struct loader *l, const struct type *type,
			const char *text)
{
	int signal = type->status ? find_signal(text) : 0;
	const char *name = signal ? sigabbrev_np(signal) : NULL;

	if ((!strncmp(text, "udp/", 4) || !strncmp(text, "tcp/", 4)) &&
	    is_digits(text + 4))
		diag_help(l->diag, "write %s", text + 4);
	else if (name)
		diag_help(l->diag, "write { signal: %s }", name);
	else
		diag_help(l->diag, "write a whole number");
}

static bool read_uint(struct loader *l, const struct type *type,
		      const struct tree_node *node, struct value *out)
{
	switch (units_parse_uint(node->text, UINT64_MAX, &out->number)) {
	case 0:
		if (out->number >= type->min && out->number <= type->max)
			return true;
		break;
	case -ERANGE:
		break;
	default:
		tree_error(l->diag, node, "'%s' is not a whole number",
			   node->text);
		number_help(l, type, node->text);
		return false;
	}
	tree_error(l->diag, node, "%s is out of range: %llu to %llu",
		   node->text, (unsigned long long)type->min,
		   (unsigned long long)type->max);
	return false;
}

/* ---- durations --------------------------------------------------------- */

static const struct {
	const char *wrong, *right;
} other_units[] = {
	{ "m", "'ms' (milliseconds) or 'min' (minutes)" },
	{ "S", "'s'" },
	{ "sec", "'s'" },
	{ "secs", "'s'" },
	{ "second", "'s'" },
	{ "seconds", "'s'" },
	{ "msec", "'ms'" },
	{ "msecs", "'ms'" },
	{ "millis", "'ms'" },
	{ "usec", "'us'" },
	{ "usecs", "'us'" },
	{ "µs", "'us'" },
	{ "μs", "'us'" },
	{ "nsec", "'ns'" },
	{ "mins", "'min'" },
	{ "minute", "'min'" },
	{ "minutes", "'min'" },
	{ "hr", "'h'" },
	{ "hour", "'h'" },
	{ "hours", "'h'" },
};

/* The number stands without a unit, or with one that we do not know. */
static void unit_error(struct loader *l, const struct tree_node *node)
{
	const char *text = node->text;
	const char *unit = text + strspn(text, "0123456789.");

	if (!*unit) {
		tree_error(l->diag, node,
			   "%s has no unit; write %sms, %ss, ...", text, text,
			   text);
		return;
	}
	tree_error_part(l->diag, node, unit, strlen(unit),
			"unknown unit '%s' in '%s'", unit, text);
	for (size_t i = 0; i < sizeof(other_units) / sizeof(*other_units);
	     i++) {
		if (!strcmp(other_units[i].wrong, unit)) {
			diag_help(l->diag, "write %s", other_units[i].right);
			return;
		}
	}
	diag_help(l->diag, "the units are ns, us, ms, s, min and h");
}

static bool duration_range(struct loader *l, const struct type *type,
			   const struct tree_node *node, int64_t ns)
{
	char text[32];

	if ((uint64_t)ns < type->min && type->min == 1)
		tree_error(l->diag, node,
			   "%s is no time at all: this must be "
			   "longer",
			   node->text);
	else if ((uint64_t)ns < type->min)
		tree_error(l->diag, node, "%s is out of range: at least %s",
			   node->text,
			   scn_duration_text((int64_t)type->min, text,
					     sizeof(text)));
	else if ((uint64_t)ns > type->max)
		tree_error(l->diag, node, "%s is out of range: at most %s",
			   node->text,
			   scn_duration_text((int64_t)type->max, text,
					     sizeof(text)));
	else
		return true;
	return false;
}

static bool read_duration(struct loader *l, const struct type *type,
			  const struct tree_node *node, struct value *out)
{
	const char *text = node->text;

	switch (units_parse_duration_ns(text, &out->ns)) {
	case 0:
		return duration_range(l, type, node, out->ns);
	case -ENOKEY:
		unit_error(l, node);
		break;
	case -ERANGE:
		tree_error(l->diag, node,
			   "%s does not fit: durations are whole "
			   "nanoseconds, up to 292 years",
			   text);
		break;
	default:
		tree_error(l->diag, node, "'%s' is not a duration", text);
		if (*text == '-')
			diag_help(l->diag, "a time cannot be negative");
		else
			diag_help(l->diag,
				  "write a number and a unit without a space, "
				  "as in 10ms (ns, us, ms, s, min, h)");
	}
	return false;
}

/* ---- rates ------------------------------------------------------------- */

static bool rate_error(struct loader *l, const struct type *type,
		       const struct tree_node *node, int r)
{
	const char *text = node->text;
	const char *unit = text + strspn(text, "0123456789.");

	if (r == -ENOKEY && !*unit)
		tree_error(l->diag, node,
			   "%s has no unit; write %skbit, %smbit, ...", text,
			   text, text);
	else if (r == -ENOKEY)
		tree_error_part(l->diag, node, unit, strlen(unit),
				"unknown unit '%s' in '%s'", unit, text);
	else if (r == -EINVAL)
		tree_error(l->diag, node, "'%s' is not a rate", text);
	else
		tree_error(l->diag, node,
			   "%s is out of range: %llukbit to %llugbit", text,
			   (unsigned long long)type->min / 1000,
			   (unsigned long long)type->max / 1000000000);
	diag_help(l->diag, "rates are bits a second, such as 10mbit (bit, "
			   "kbit, mbit, gbit)");
	return false;
}

static bool read_rate(struct loader *l, const struct type *type,
		      const struct tree_node *node, struct value *out)
{
	int r = units_parse_rate_bps(node->text, &out->bps);

	if (!r &&
	    ((uint64_t)out->bps < type->min || (uint64_t)out->bps > type->max))
		r = -ERANGE;
	return r ? rate_error(l, type, node, r) : true;
}

/* ---- words and signals ------------------------------------------------- */

static bool read_word(struct loader *l, const struct type *type,
		      const struct tree_node *node, struct value *out)
{
	const char *known[16], *nearest;
	char list[256] = "";
	size_t n = 0, at = 0;

	for (const struct word *w = type->words; w->text; w++) {
		if (!strcmp(w->text, node->text)) {
			if (w->refused) {
				tree_error(l->diag, node, "%s", w->refused);
				return false;
			}
			out->word = w->value;
			return true;
		}
		if (!w->refused && n < sizeof(known) / sizeof(*known))
			known[n++] = w->text;
	}
	tree_error(l->diag, node, "'%s' is not %s", node->text, type->thing);
	nearest = diag_nearest(node->text, known, n);
	if (nearest) {
		diag_help(l->diag, "did you mean '%s'?", nearest);
		return false;
	}
	for (size_t i = 0; i < n && at < sizeof(list); i++)
		at += (size_t)snprintf(list + at, sizeof(list) - at, "%s'%s'",
				       !i	  ? "" :
				       i + 1 == n ? " or " :
						    ", ",
				       known[i]);
	diag_help(l->diag, "write %s", list);
	return false;
}

static int find_signal(const char *text)
{
	uint64_t number;

	if (!units_parse_uint(text, 64, &number))
		return (int)number;
	if (!strncmp(text, "SIG", 3))
		text += 3;
	for (int i = 1; i < 32; i++) {
		const char *name = sigabbrev_np(i);

		if (name && !strcmp(name, text))
			return i;
	}
	return 0;
}

static bool read_signal(struct loader *l, const struct tree_node *node,
			struct value *out)
{
	out->signal = find_signal(node->text);
	if (out->signal)
		return true;
	tree_error(l->diag, node, "'%s' is not a signal", node->text);
	diag_help(l->diag,
		  "write a name such as TERM or HUP, or a number from 1 to 64");
	return false;
}

static bool read_port(struct loader *l, const struct type *type,
		      const struct tree_node *node, struct value *out)
{
	const char *text = node->text, *number = NULL;
	uint64_t port;

	out->port.protocol = SCN_PROTO_ANY;
	if (!strncmp(text, "tcp/", 4))
		out->port.protocol = SCN_PROTO_TCP;
	else if (!strncmp(text, "udp/", 4))
		out->port.protocol = SCN_PROTO_UDP;
	if (out->port.protocol != SCN_PROTO_ANY)
		number = text + 4;
	if (!number || !is_digits(number)) {
		tree_error(l->diag, node, "'%s' is not a port", text);
		if (is_digits(text) && type->protocol == SCN_PROTO_ANY)
			diag_help(l->diag, "write 'tcp/%s' or 'udp/%s'", text,
				  text);
		else
			diag_help(l->diag,
				  "write %s and a number, as in "
				  "'udp/7000'",
				  type->protocol == SCN_PROTO_ANY ?
					  "'tcp/' or 'udp/'" :
					  "'udp/'");
		return false;
	}
	if (units_parse_uint(number, UINT16_MAX, &port) || !port) {
		tree_error_part(l->diag, node, number, strlen(number),
				"port %s is out of range: 1 to 65535", number);
		return false;
	}
	out->port.port = (uint16_t)port;
	return true;
}

/* ---- all of them ------------------------------------------------------- */

bool scalar_read(struct loader *l, const struct type *type,
		 const struct tree_node *node, struct value *out)
{
	switch (type->scalar) {
	case SCALAR_TEXT:
		out->text = node->text;
		if (node->n)
			return true;
		tree_error(l->diag, node, "expected %s; this is empty",
			   type->expects);
		return false;
	case SCALAR_NAME:
		out->text = node->text;
		return name_check(l, type->rule, node, node->text, node->text);
	case SCALAR_UINT:
		return read_uint(l, type, node, out);
	case SCALAR_DURATION:
		return read_duration(l, type, node, out);
	case SCALAR_RATE:
		return read_rate(l, type, node, out);
	case SCALAR_PERCENT:
	case SCALAR_BYTES:
	case SCALAR_QUEUE:
		return scalar_read_amount(l, type, node, out);
	case SCALAR_WORD:
		return read_word(l, type, node, out);
	case SCALAR_PORT:
		return read_port(l, type, node, out);
	case SCALAR_SIGNAL:
		return read_signal(l, node, out);
	case SCALAR_REF:
		return ref_read(l, type, node, node->text, node->text,
				&out->index);
	case SCALAR_ADDRESS:
	case SCALAR_SUBNET:
	case SCALAR_IFADDR:
	case SCALAR_MAC:
		return scalar_read_net(l, type, node, out);
	case SCALAR_NONE:
		break;
	}
	return false;
}
