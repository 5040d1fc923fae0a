/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the Service Access Layer needs of a lab: inner addresses of its hosts,
 * service IDs, and who forwards which service where.
 *
 * There is no service controller: each host's sald is told all that it has to
 * know. An instance serves (DEMUX) what every other host forwards to it
 * (FORWARD). So a service with n hosts around it has n rules, and a change of
 * its instance is a change of all of them.
 */
#include "orchestrator/plan/internal.h"

#include "base/diag.h"

#include <errno.h>
#include <sodium/crypto_hash_sha256.h>
#include <stdio.h>
#include <string.h>

bool plan_has_sald(const struct plan *p)
{
	for (size_t i = 0; i < p->nodes.n; i++)
		if (p->nodes.v[i].sald)
			return true;
	return false;
}

/* ---- inner addresses and IDs -------------------------------------------- */

static void check_network(struct diag *diag, const struct plan_network *net,
			  const struct ip_prefix *reserved, const char *whose)
{
	char a[IP_TEXT_MAX], b[IP_TEXT_MAX];

	for (size_t k = 0; k < net->subnets.n; k++) {
		if (!ip_prefix_overlap(&net->subnets.v[k], reserved))
			continue;
		ip_format_prefix(&net->subnets.v[k], a, sizeof(a));
		diag_error(diag, net->pos, (unsigned)strlen(a),
			   "subnet %s overlaps %s, which is for %s", a,
			   ip_format_prefix(reserved, b, sizeof(b)), whose);
	}
}

/* The prefixes lead into the TUN device of every host: nothing else may be
 * there. */
static void check_networks(const struct plan *p, struct diag *diag)
{
	const struct ip_prefix reserved[] = {
		plan_prefix(PLAN_AUTO_INNER4),
		plan_prefix(PLAN_AUTO_INNER6),
		plan_prefix(PLAN_AUTO_SERVICE4),
		plan_prefix(PLAN_AUTO_SERVICE6),
		plan_prefix(PLAN_MIXED_OTHER6),
	};
	size_t n = plan_is_mixed(p->scenario) ? 5 : 4;

	for (size_t i = 0; i < p->networks.n; i++)
		for (size_t k = 0; k < n; k++)
			check_network(diag, &p->networks.v[i], &reserved[k],
				      k < 2 ? "the SAL's inner addresses" :
					      "services");
}

static struct ip_prefix carried(const struct scenario *s, int family)
{
	return plan_prefix(family == AF_INET6 ? PLAN_AUTO_SERVICE6 :
			   plan_is_mixed(s)   ? PLAN_MIXED_SAL4 :
						PLAN_AUTO_SERVICE4);
}

/* Do salds carry the prefix of its family that holds the address? */
static bool is_automatic(const struct scenario *s, const struct ip_addr *a)
{
	struct ip_prefix all = carried(s, a->family);

	return ip_prefix_contains(&all, a);
}

size_t plan_sal_prefixes(const struct plan *p,
			 struct ip_prefix out[PLAN_SAL_PREFIXES_MAX])
{
	const struct scenario *s = p->scenario;
	size_t n = 0;

	out[n++] = carried(s, AF_INET);
	out[n++] = carried(s, AF_INET6);
	for (size_t i = 0; i < s->services.n; i++) {
		const struct scn_service *svc = &s->services.v[i];

		if (svc->resolver != SCN_RESOLVER_SAL)
			continue;
		for (size_t k = 0; k < svc->addresses.n; k++) {
			const struct ip_prefix *a = &svc->addresses.v[k].prefix;

			if (!is_automatic(s, &a->addr) &&
			    n < PLAN_SAL_PREFIXES_MAX)
				out[n++] = *a;
		}
	}
	return n;
}

/* A sald takes so many prefixes and no more. */
static void check_given_addresses(const struct scenario *s, struct diag *diag)
{
	size_t n = 2;

	for (size_t i = 0; i < s->services.n; i++) {
		const struct scn_service *svc = &s->services.v[i];

		for (size_t k = 0;
		     svc->resolver == SCN_RESOLVER_SAL && k < svc->addresses.n;
		     k++) {
			const struct scn_prefix *a = &svc->addresses.v[k];

			if (is_automatic(s, &a->prefix.addr) ||
			    ++n != PLAN_SAL_PREFIXES_MAX + 1)
				continue;
			diag_error(diag, a->pos, 1,
				   "at most %d addresses of sal services may "
				   "lie outside of the automatic ones",
				   PLAN_SAL_PREFIXES_MAX - 2);
			diag_help(diag, "choose addresses in %s or %s, or none",
				  PLAN_AUTO_SERVICE4, PLAN_AUTO_SERVICE6);
			return;
		}
	}
}

/* A client's packets to another service would get into its sald. */
static void check_other_services(const struct plan *p, struct diag *diag)
{
	const struct scenario *s = p->scenario;
	struct ip_prefix taken[PLAN_SAL_PREFIXES_MAX];
	size_t n = plan_sal_prefixes(p, taken);
	char text[IP_TEXT_MAX], prefix[IP_TEXT_MAX];

	for (size_t i = 0; i < s->services.n; i++) {
		const scn_prefix_vec *given = &s->services.v[i].addresses;

		for (size_t k = 0; k < given->n * n; k++) {
			const struct scn_prefix *a = &given->v[k / n];

			if (s->services.v[i].resolver == SCN_RESOLVER_SAL ||
			    !ip_prefix_contains(&taken[k % n], &a->prefix.addr))
				continue;
			ip_format_addr(&a->prefix.addr, text, sizeof(text));
			diag_error(diag, a->pos, 1,
				   "%s lies in %s, which is for sal services",
				   text,
				   ip_format_prefix(&taken[k % n], prefix,
						    sizeof(prefix)));
			diag_help(diag, "choose one in %s or %s, or none",
				  PLAN_MIXED_OTHER4, PLAN_MIXED_OTHER6);
		}
	}
}

/* Every host gets a sald as soon as there is one service for it. */
int plan_sal(struct plan *p, struct diag *diag)
{
	const struct ip_prefix inner[] = {
		plan_prefix(PLAN_AUTO_INNER4),
		plan_prefix(PLAN_AUTO_INNER6),
	};
	const struct scenario *s = p->scenario;
	bool wanted = false;
	uint64_t host = 0;

	for (size_t i = 0; i < s->services.n; i++)
		wanted |= s->services.v[i].resolver == SCN_RESOLVER_SAL;
	for (size_t i = 0; i < s->nodes.n; i++) {
		struct plan_node *n = VEC_PUSH(&p->nodes);

		if (!n)
			return -ENOMEM;
		if (!wanted || (!scn_kind_is_host(s->nodes.v[i].kind) &&
				s->nodes.v[i].kind != SCN_NODE_SERVICE_ROUTER))
			continue;
		n->sald = true;
		host++;
		for (size_t f = 0; f < 2; f++) {
			n->inner[f] = inner[f];
			if (ip_prefix_host(&inner[f], host, &n->inner[f].addr))
				continue;
			diag_error(diag, s->nodes.v[i].pos, 1,
				   "no inner address is left for this host");
			return 0;
		}
	}
	if (!wanted)
		return 0;
	check_networks(p, diag);
	check_given_addresses(s, diag);
	check_other_services(p, diag);
	return plan_resolution(p);
}

void plan_service_id(struct plan *p, size_t service)
{
	const struct scn_service *svc = &p->scenario->services.v[service];
	struct plan_service *out = &p->services.v[service];
	uint8_t hash[crypto_hash_sha256_BYTES];
	struct service_prefix prefix = svc->id;

	_Static_assert(SERVICE_ID_LEN == crypto_hash_sha256_BYTES,
		       "an ID is as long as a hash");
	crypto_hash_sha256(hash, (const unsigned char *)svc->name,
			   strlen(svc->name));
	if (!svc->has_id) /* our own constant: it is right */
		service_prefix_parse(SCN_SERVICE_ID_PREFIX, &prefix);
	out->id = service_id_under(&prefix, hash);
	out->prefix = prefix;
	if (svc->has_id)
		return;
	out->prefix = (struct service_prefix){ .id = out->id,
					       .bits = SERVICE_ID_BITS };
}

void plan_sald_key(const struct plan *p, size_t node, uint8_t key[PLAN_KEY_LEN])
{
	char text[96];
	int n = snprintf(text, sizeof(text), "servalab sald %llu %zu",
			 (unsigned long long)p->scenario->seed, node);

	_Static_assert(PLAN_KEY_LEN == crypto_hash_sha256_BYTES,
		       "a key is a hash");
	crypto_hash_sha256(key, (const unsigned char *)text, (size_t)n);
}

struct ip_addr plan_sal_forward(const struct plan *p, size_t node,
				size_t instance)
{
	static const int families[] = { AF_INET, AF_INET6 };
	struct ip_addr to = { 0 };

	for (size_t f = 0; f < 2 && !to.family; f++)
		if (plan_node_address(p, node, families[f]).family)
			to = plan_node_address(p, instance, families[f]);
	return to;
}
