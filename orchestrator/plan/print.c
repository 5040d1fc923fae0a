/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Plans as people read them. */
#include "orchestrator/plan/internal.h"

#include "base/units.h"

#include <inttypes.h>
#include <string.h>

static void print_networks(const struct plan *p, FILE *out)
{
	char text[IP_TEXT_MAX];

	fprintf(out, "networks\n");
	for (size_t i = 0; i < p->networks.n; i++) {
		const struct plan_network *net = &p->networks.v[i];

		fprintf(out, "  %-20s",
			net->bridge != SCN_NONE ?
				p->scenario->nodes.v[net->bridge].name :
				p->scenario->links.v[net->link].name);
		for (size_t k = 0; k < net->subnets.n; k++)
			fprintf(out, " %s",
				ip_format_prefix(&net->subnets.v[k], text,
						 sizeof(text)));
		fprintf(out, "%s\n", net->automatic ? "  (automatic)" : "");
	}
}

static void print_interfaces(const struct plan *p, FILE *out)
{
	char name[320], text[IP_TEXT_MAX];

	fprintf(out, "interfaces\n");
	for (size_t i = 0; i < p->ifaces.n; i++) {
		const struct plan_iface *f = &p->ifaces.v[i];

		if (f->node == PLAN_LAB)
			continue;
		fprintf(out, "  %-20s",
			plan_iface_name(p, i, name, sizeof(name)));
		for (size_t k = 0; k < f->addresses.n; k++)
			fprintf(out, " %s",
				ip_format_prefix(&f->addresses.v[k], text,
						 sizeof(text)));
		fprintf(out, "\n");
	}
}

/* Those of which anything is asked. */
static void print_links(const struct plan *p, FILE *out)
{
	bool any = false;

	for (size_t i = 0; i < p->links.n; i++) {
		const struct scn_link *l = &p->scenario->links.v[i];
		bool plain = link_params_are_plain(&l->params[0]) &&
			     link_params_are_plain(&l->params[1]);

		if (!l->emulated && plain)
			continue;
		if (!any)
			fprintf(out, "links\n");
		any = true;
		fprintf(out, "  %-20s %s\n", l->name,
			scn_backend_name(l->emulated));
		for (size_t end = 0; end < 2; end++) {
			char direction[2 * 128 + 2], text[256];

			fprintf(out, "    %-18s %s\n",
				scn_direction_text(p->scenario, i, end,
						   direction,
						   sizeof(direction)),
				*link_params_text(&l->params[end], text,
						  sizeof(text)) ?
					text :
					"nothing");
		}
	}
}

static void print_inner(const struct plan *p, FILE *out)
{
	char text[IP_TEXT_MAX];

	if (!plan_has_sald(p))
		return;
	fprintf(out, "inner addresses\n");
	for (size_t i = 0; i < p->nodes.n; i++) {
		const struct plan_node *n = &p->nodes.v[i];

		if (!n->sald)
			continue;
		fprintf(out, "  %-20s", plan_node_name(p, i));
		for (size_t f = 0; f < 2; f++)
			fprintf(out, " %s",
				ip_format_addr(&n->inner[f].addr, text,
					       sizeof(text)));
		fprintf(out, "\n");
	}
}

/* " c, d (weight 3)" */
static void print_instances(const struct plan *p, const struct scn_service *s,
			    FILE *out)
{
	const scn_instance_vec *all =
		s->candidates.n ? &s->candidates : &s->instances;

	if (!all->n)
		fprintf(out, " whoever has its prefix");
	if (s->candidates.n)
		fprintf(out, " those that listen, of");
	for (size_t i = 0; i < all->n; i++) {
		const struct scn_instance *in = &all->v[i];

		fprintf(out, "%s %s", i ? "," : "",
			plan_node_name(p, in->node));
		if (in->weight != 1)
			fprintf(out, " (weight %" PRIu32 ")", in->weight);
		if (in->priority)
			fprintf(out, " (priority %" PRIu32 ")", in->priority);
	}
}

static bool is_plain(const struct plan *p, size_t node)
{
	return !p->nodes.v[node].sald ||
	       (p->nodes.v[node].resolves == SCN_RESOLVES_TABLE &&
		p->scenario->nodes.v[node].kind != SCN_NODE_SERVICE_ROUTER);
}

/* Of hosts that do not know all instances, and of service routers. */
static void print_resolution(const struct plan *p, FILE *out)
{
	bool any = false;

	for (size_t i = 0; i < p->nodes.n; i++) {
		const struct plan_node *n = &p->nodes.v[i];

		if (is_plain(p, i))
			continue;
		if (!any)
			fprintf(out, "resolution\n");
		any = true;
		fprintf(out, "  %-20s %s", plan_node_name(p, i),
			n->resolves == SCN_RESOLVES_BROADCAST ? "by broadcast" :
			n->resolves == SCN_RESOLVES_TABLE     ? "hands on" :
								"by");
		for (size_t k = 0; k < n->router_count; k++)
			fprintf(out, "%s %s", k ? "," : "",
				plan_node_name(p, n->routers[k]));
		fprintf(out, "\n");
	}
}

static void print_services(const struct plan *p, FILE *out)
{
	char text[IP_TEXT_MAX], id[SERVICE_ID_TEXT_MAX];

	if (!p->services.n)
		return;
	fprintf(out, "services\n");
	for (size_t i = 0; i < p->services.n; i++) {
		const struct plan_service *svc = &p->services.v[i];
		const struct scn_service *s = &p->scenario->services.v[i];

		fprintf(out, "  %-20s", s->name);
		for (size_t k = 0; k < svc->addresses.n; k++)
			fprintf(out, " %s",
				ip_format_addr(&svc->addresses.v[k], text,
					       sizeof(text)));
		fprintf(out, "  at");
		print_instances(p, s, out);
		if (s->resolver == SCN_RESOLVER_DNS) {
			fprintf(out, "  DNS, TTL %u s\n", s->ttl_s);
			continue;
		}
		if (s->resolver == SCN_RESOLVER_SAL) {
			fprintf(out, ", SAL\n  %20s ID %s", "",
				service_id_format(&svc->id, id, sizeof(id)));
			if (svc->prefix.bits < SERVICE_ID_BITS)
				fprintf(out, ", serves %s",
					service_prefix_format(&svc->prefix, id,
							      sizeof(id)));
			fprintf(out, "\n");
			continue;
		}
		fprintf(out, ", NAT in");
		for (size_t k = 0; k < svc->holders.n; k++)
			fprintf(out, " %s",
				plan_node_name(p, svc->holders.v[k]));
		fprintf(out, "\n");
	}
}

static void print_prefixes(const struct ip_prefix *v, size_t n, FILE *out)
{
	char text[IP_TEXT_MAX];

	for (size_t i = 0; i < n; i++)
		fprintf(out, " %s",
			ip_format_prefix(&v[i], text, sizeof(text)));
}

/* What "renew" gives. */
static void print_readdress(const struct plan *p, const struct scn_action *a,
			    FILE *out)
{
	for (size_t i = 0; i < p->readdresses.n; i++) {
		const struct plan_readdress *r = &p->readdresses.v[i];

		if (r->action != a)
			continue;
		fprintf(out, "%26s", "");
		print_prefixes(r->old.v, r->old.n, out);
		fprintf(out, " ->");
		print_prefixes(r->new.v, r->new.n, out);
		fprintf(out, "\n");
	}
}

static const char *when_text(const struct scn_entry *e, char *buf, size_t size)
{
	if (e->at_ns == SCN_UNTIMED)
		snprintf(buf, size, "%s",
			 e->trigger == SCN_TRIGGER_WHEN ? "when" : "after");
	else
		snprintf(buf, size, "%.3f s", (double)e->at_ns / 1e9);
	return buf;
}

static void print_timeline(const struct plan *p, FILE *out)
{
	char text[320], when[32];

	if (!p->scenario->timeline.n)
		return;
	fprintf(out, "timeline\n");
	for (size_t i = 0; i < p->scenario->timeline.n; i++) {
		const struct scn_entry *e = &p->scenario->timeline.v[i];

		for (size_t k = 0; k < e->actions.n; k++) {
			fprintf(out, "  line %-5u %10s  %s\n",
				e->actions.v[k].pos.line,
				when_text(e, when, sizeof(when)),
				scn_action_text(p->scenario, &e->actions.v[k],
						text, sizeof(text)));
			print_readdress(p, &e->actions.v[k], out);
		}
	}
}

void plan_print(const struct plan *p, FILE *out)
{
	char text[1024];

	print_networks(p, out);
	print_interfaces(p, out);
	print_links(p, out);
	print_inner(p, out);
	print_resolution(p, out);
	print_services(p, out);
	fprintf(out, "operations\n");
	for (size_t i = 0; i < p->ops.n; i++)
		fprintf(out, "  line %-5u %s\n", p->ops.v[i].pos.line,
			plan_op_text(p, &p->ops.v[i], text, sizeof(text)));
	print_timeline(p, out);
}
