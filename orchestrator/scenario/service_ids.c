/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * IDs of services. One with a prefix stands for all IDs that begin with it, and
 * the longest prefix decides, so that parts of an ID space can be taken out of
 * the whole and given to other instances. A service within another's prefix so
 * needs no instances of its own: while it has none, that one's answer for it.
 */
#include "base/units.h"
#include "orchestrator/scenario/load.h"

#include <stdio.h>
#include <string.h>

const struct type type_service_id = {
	.expects = "a service ID, such as 0xfd5e40/24",
	.scalar = SCALAR_TEXT,
};

static bool is_hex(const char *text)
{
	return text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
}

/* What is wrong with a text that is none: as exactly as can be told. */
static void not_an_id(struct loader *l, const struct tree_node *node)
{
	const char *text = node->text, *slash = strchr(text, '/');
	size_t n = slash ? (size_t)(slash - text) : strlen(text);
	const char *digits = is_hex(text) ? text + 2 : text;
	size_t given = (size_t)(text + n - digits);
	bool hex = is_hex(text) || n == 2 * SERVICE_ID_LEN;
	size_t good =
		strspn(digits, hex ? "0123456789abcdefABCDEF" : "0123456789");
	char *end = NULL;
	unsigned long bits =
		slash ? strtoul(slash + 1, &end, 10) : SERVICE_ID_BITS;

	if (good < given) {
		tree_error(l->diag, node,
			   "'%s' is no service ID: '%c' is no %s", text,
			   digits[good], hex ? "hexadecimal digit" : "digit");
		if (!hex)
			diag_help(l->diag, "hexadecimal digits follow '0x', as "
					   "in 0xfd5e40/24");
	} else if (!given) {
		tree_error(l->diag, node,
			   "'%s' is no service ID: it has no "
			   "digits",
			   text);
	} else if (slash && (end == slash + 1 || *end || slash[1] == '-' ||
			     slash[1] == '+' || slash[1] == ' ')) {
		tree_error(l->diag, node,
			   "'%s' is no service ID: '%s' is no number of bits",
			   text, slash + 1);
	} else if (bits > SERVICE_ID_BITS) {
		tree_error(l->diag, node, "a service ID has %d bits, not %s",
			   SERVICE_ID_BITS, slash + 1);
	} else if (hex && given > 2 * SERVICE_ID_LEN) {
		tree_error(l->diag, node,
			   "these are %zu digits: a service ID has %d", given,
			   2 * SERVICE_ID_LEN);
	} else if (!hex) {
		tree_error(l->diag, node,
			   "%.*s is too large: a decimal service ID is at most "
			   "4294967295",
			   (int)n, text);
	} else {
		tree_error(l->diag, node,
			   "these digits are %zu bits, fewer than %lu",
			   4 * given, bits);
		if (slash)
			diag_help(l->diag,
				  "write all digits, zeros too: %.*s%s%s",
				  (int)n, text,
				  (bits + 3) / 4 - given > 1 ? "0..." : "0",
				  slash);
		else
			diag_help(l->diag, "write '%s/%zu' for the prefix",
				  text, 4 * given);
	}
}

/* Bits beyond the length: it may be right but for them. */
static bool is_too_long(struct loader *l, const struct tree_node *node)
{
	const char *slash = strchr(node->text, '/');
	char text[SERVICE_ID_TEXT_MAX], whole[SERVICE_ID_TEXT_MAX];
	struct service_prefix p;
	size_t n = slash ? (size_t)(slash - node->text) : 0;
	uint64_t bits;
	unsigned digits;

	if (!slash || n > 2 * SERVICE_ID_LEN + 2 ||
	    units_parse_uint(slash + 1, SERVICE_ID_BITS - 1, &bits))
		return false;
	digits = (unsigned)n - (is_hex(node->text) ? 2 : 0);
	/* With as many bits as the digits have. */
	if (is_hex(node->text))
		snprintf(whole, sizeof(whole), "%.*s/%u", (int)n, node->text,
			 4 * digits);
	else
		snprintf(whole, sizeof(whole), "%.*s", (int)n, node->text);
	if (service_prefix_parse(whole, &p) || p.bits <= bits)
		return false;
	tree_error(l->diag, node, "%s has bits set beyond the first %u",
		   node->text, (unsigned)bits);
	for (size_t i = bits; i < SERVICE_ID_BITS; i++)
		p.id.bytes[i / 8] &= (uint8_t) ~(0x80 >> i % 8);
	p.bits = (uint16_t)bits;
	diag_help(l->diag, "write %s, or a longer length",
		  service_prefix_format(&p, text, sizeof(text)));
	return true;
}

static bool overlap(const struct service_prefix *a,
		    const struct service_prefix *b)
{
	return a->bits <= b->bits ? service_prefix_contains(a, &b->id) :
				    service_prefix_contains(b, &a->id);
}

bool service_id_read(struct loader *l, const struct value *v,
		     struct scn_service *service)
{
	struct service_prefix automatic;
	char text[SERVICE_ID_TEXT_MAX];

	if (!strcmp(v->text, "auto"))
		return true;
	service->id_pos = v->node->pos;
	if (service_prefix_parse(v->text, &service->id)) {
		if (!is_too_long(l, v->node))
			not_an_id(l, v->node);
		return false;
	}
	if (service->resolver != SCN_RESOLVER_SAL) {
		tree_error(l->diag, v->node, "'id' is only for sal services");
		return false;
	}
	if (!service->id.bits) {
		tree_error(l->diag, v->node,
			   "a prefix without any bit would be every service's");
		return false;
	}
	service_prefix_parse(SCN_SERVICE_ID_PREFIX, &automatic);
	if (overlap(&service->id, &automatic)) {
		tree_error(
			l->diag, v->node,
			"%s are the IDs of services without 'id'",
			service_prefix_format(&automatic, text, sizeof(text)));
		diag_help(l->diag, "choose another one, such as 0x6b76/16");
		return false;
	}
	if (service->candidates.n && service->id.bits < SERVICE_ID_BITS) {
		tree_error(l->diag, v->node,
			   "'candidates' listen for one ID, not for a prefix");
		diag_help(l->diag, "give it 'instances', or a whole ID");
		return false;
	}
	service->has_id = true;
	return true;
}

bool scn_service_is_within(const struct scenario *s, size_t service,
			   size_t outer)
{
	const struct scn_service *a = &s->services.v[service];
	const struct scn_service *b = &s->services.v[outer];

	return a->has_id && b->has_id && b->id.bits < a->id.bits &&
	       service_prefix_contains(&b->id, &a->id.id);
}

static void check_equal(struct loader *l, size_t service)
{
	const struct scn_service *a = &l->s->services.v[service];

	for (size_t i = 0; i < service && a->has_id; i++) {
		const struct scn_service *b = &l->s->services.v[i];

		if (!b->has_id || a->id.bits != b->id.bits ||
		    !service_id_equal(&a->id.id, &b->id.id))
			continue;
		diag_error(l->diag, a->id_pos, 1,
			   "this is the ID of service '%s' already", b->name);
		diag_note(l->diag, b->id_pos, 1, "it was given here");
		if (a->id.bits < SERVICE_ID_BITS)
			diag_help(l->diag, "make one of them longer: the "
					   "longest prefix decides");
		return;
	}
}

/* Whoever answers for it while it has no instance. */
static void find_outer(struct loader *l, size_t service)
{
	struct scn_service *a = &l->s->services.v[service];
	const struct scn_service *best = NULL;

	/* One without an ID has been told of, or its nodes have. */
	if (!a->has_id || a->instances.n || a->candidates.n)
		return;
	for (size_t i = 0; i < l->s->services.n; i++) {
		const struct scn_service *b = &l->s->services.v[i];

		if (b->instances.n && scn_service_is_within(l->s, service, i) &&
		    (!best || b->id.bits > best->id.bits))
			best = b;
	}
	if (best) {
		a->instance = best->instance;
		a->instance_pos = best->instance_pos;
		return;
	}
	diag_error(l->diag, a->id_pos, 1,
		   "service '%s' has no 'instances', and its ID lies in no "
		   "prefix of a service that has some",
		   a->name);
	diag_help(l->diag, "add 'instances: [c]', or a service with a shorter "
			   "prefix");
}

void service_ids_check(struct loader *l)
{
	for (size_t i = 0; i < l->s->services.n; i++)
		check_equal(l, i);
	for (size_t i = 0; i < l->s->services.n; i++)
		find_outer(l, i);
}
