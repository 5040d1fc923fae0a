/* SPDX-License-Identifier: GPL-2.0-or-later */
/* IP addresses, prefixes and MAC addresses, each for itself. */
#include "orchestrator/scenario/load.h"

#include <errno.h>
#include <string.h>

static const char *family_name(const struct ip_addr *a)
{
	return a->family == AF_INET6 ? "IPv6" : "IPv4";
}

/* Why an address can be no host's and no service's; NULL: it can. */
static const char *address_flaw(const struct ip_addr *a)
{
	static const uint8_t zero[16];
	const uint8_t *b = a->bytes;
	bool v6 = a->family == AF_INET6;

	if (!memcmp(b, zero, ip_addr_size(a)))
		return "means no address at all";
	if (v6 ? b[0] == 0xff : b[0] >= 224 && b[0] < 240)
		return "is a multicast address";
	if (v6 ? !memcmp(b, zero, 15) && b[15] == 1 : b[0] == 127)
		return "is a loopback address";
	if (!v6 && b[0] == 0)
		return "means no address at all";
	if (!v6 && b[0] >= 240)
		return "is in a reserved range";
	if (v6 && !memcmp(b, zero, 10) && b[10] == 0xff && b[11] == 0xff)
		return "is an IPv4 address in IPv6's clothes";
	if (v6 && b[0] == 0xfe && (b[1] & 0xc0) == 0x80)
		return "is a link-local address";
	return NULL;
}

static bool check_address(struct loader *l, const struct tree_node *node,
			  const struct ip_addr *a)
{
	const char *flaw = address_flaw(a);

	if (!flaw)
		return true;
	tree_error(l->diag, node, "%s %s", node->text, flaw);
	diag_help(l->diag, "take an address that one machine can have");
	return false;
}

static bool read_address(struct loader *l, const struct tree_node *node,
			 struct value *out)
{
	struct ip_prefix prefix;

	if (!ip_parse_addr(node->text, &out->address))
		return check_address(l, node, &out->address);
	tree_error(l->diag, node, "'%s' is not an IP address", node->text);
	if (!ip_parse_prefix(node->text, &prefix))
		diag_help(l->diag, "write it without '/%u'", prefix.len);
	else
		diag_help(l->diag, "write one such as 10.0.0.9 or fd00::9");
	return false;
}

/* The text as a prefix, with the errors that subnets and addresses share. */
static bool read_prefix(struct loader *l, const struct tree_node *node,
			const char *thing, const char *example,
			struct ip_prefix *out)
{
	const char *slash = strchr(node->text, '/');
	struct ip_addr address;

	switch (ip_parse_prefix(node->text, out)) {
	case 0:
		return true;
	case -ERANGE:
		tree_error_part(l->diag, node, slash, strlen(slash),
				"the prefix length is too large: an address "
				"has %s bits",
				strchr(node->text, ':') ? "128" : "32");
		return false;
	default:
		tree_error(l->diag, node, "'%s' is not %s", node->text, thing);
	}
	if (!ip_parse_addr(node->text, &address))
		diag_help(l->diag, "it needs a prefix length, as in '%s/%u'",
			  node->text, address.family == AF_INET6 ? 64 : 24);
	else
		diag_help(l->diag, "write one such as %s", example);
	return false;
}

static bool read_subnet(struct loader *l, const struct tree_node *node,
			struct value *out)
{
	struct ip_prefix *prefix = &out->prefix, network;
	unsigned bits;
	char text[IP_TEXT_MAX];

	if (!read_prefix(l, node, "a subnet", "10.0.0.0/24 or fd00:1::/64",
			 prefix))
		return false;
	bits = (unsigned)ip_addr_size(&prefix->addr) * 8;
	network = ip_prefix_network(prefix);
	if (!ip_prefix_equal(prefix, &network)) {
		tree_error(l->diag, node,
			   "%s is an address in a subnet, not a subnet",
			   node->text);
		diag_help(l->diag, "the subnet is %s",
			  ip_format_prefix(&network, text, sizeof(text)));
		return false;
	}
	if (prefix->len < 8 || prefix->len > bits - 1) {
		tree_error(l->diag, node,
			   "an %s subnet's prefix length goes from 8 to %u",
			   family_name(&prefix->addr), bits - 1);
		return false;
	}
	return check_address(l, node, &prefix->addr);
}

static bool read_ifaddr(struct loader *l, const struct tree_node *node,
			struct value *out)
{
	struct ip_prefix *prefix = &out->prefix;
	struct ip_prefix network, last;
	unsigned bits;

	if (!read_prefix(l, node, "an address with its prefix length",
			 "10.0.0.1/24 or fd00:1::1/64", prefix))
		return false;
	if (!check_address(l, node, &prefix->addr))
		return false;
	bits = (unsigned)ip_addr_size(&prefix->addr) * 8;
	if (prefix->len < 8) {
		tree_error(l->diag, node,
			   "an %s prefix length goes from 8 to %u",
			   family_name(&prefix->addr), bits);
		return false;
	}
	if (bits - prefix->len < 2)
		return true;
	network = ip_prefix_network(prefix);
	if (ip_prefix_equal(prefix, &network)) {
		tree_error(l->diag, node,
			   "%s is the subnet itself, not an "
			   "address in it",
			   node->text);
		return false;
	}
	/* All host bits set. */
	last = *prefix;
	for (unsigned i = prefix->len; i < bits; i++)
		last.addr.bytes[i / 8] |= (uint8_t)(0x80 >> i % 8);
	if (prefix->addr.family == AF_INET && ip_prefix_equal(prefix, &last)) {
		tree_error(l->diag, node,
			   "%s is the broadcast address of its subnet",
			   node->text);
		return false;
	}
	return true;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static bool parse_mac(const char *text, uint8_t mac[6])
{
	if (strlen(text) != 17)
		return false;
	for (unsigned i = 0; i < 6; i++) {
		int high = hex_digit(text[3 * i]);
		int low = hex_digit(text[3 * i + 1]);

		if (high < 0 || low < 0 || (i < 5 && text[3 * i + 2] != ':'))
			return false;
		mac[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

static bool read_mac(struct loader *l, const struct tree_node *node,
		     struct value *out)
{
	static const uint8_t zero[6];

	if (!parse_mac(node->text, out->mac)) {
		tree_error(l->diag, node, "'%s' is not a MAC address",
			   node->text);
		diag_help(l->diag, "write six bytes in hexadecimal, as in "
				   "'02:00:00:00:00:01'");
		return false;
	}
	if (!memcmp(out->mac, zero, sizeof(zero))) {
		tree_error(l->diag, node, "a MAC address cannot be all zero");
		return false;
	}
	if (out->mac[0] & 1) {
		tree_error(l->diag, node, "%s is a multicast MAC address",
			   node->text);
		diag_help(l->diag, "the first byte must be even, as in 02");
		return false;
	}
	return true;
}

bool scalar_read_net(struct loader *l, const struct type *type,
		     const struct tree_node *node, struct value *out)
{
	switch (type->scalar) {
	case SCALAR_ADDRESS:
		return read_address(l, node, out);
	case SCALAR_SUBNET:
		return read_subnet(l, node, out);
	case SCALAR_IFADDR:
		return read_ifaddr(l, node, out);
	default:
		return read_mac(l, node, out);
	}
}

bool prefixes_read(struct loader *l, const struct type *item,
		   const struct value *list, scn_prefix_vec *out)
{
	bool good = true;

	for (size_t i = 0; i < value_items(list); i++) {
		const struct tree_node *node = value_item(list, i);
		struct scn_prefix *prefix;
		struct value v;

		if (!value_read(l, item, node, &v)) {
			good = false;
			continue;
		}
		prefix = LOADER_PUSH(l, out);
		if (!prefix)
			return false;
		prefix->pos = node->pos;
		if (item->scalar == SCALAR_ADDRESS) {
			prefix->prefix.addr = v.address;
			prefix->prefix.len =
				(uint8_t)(ip_addr_size(&v.address) * 8);
		} else {
			prefix->prefix = v.prefix;
		}
	}
	return good;
}
