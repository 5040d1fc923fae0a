/* SPDX-License-Identifier: GPL-2.0-or-later */
/* services: names that stay while what answers to them is replaced. */
#include "orchestrator/scenario/load.h"

#include <stdio.h>
#include <string.h>

static const struct word resolver_words[] = {
	{ "nat", SCN_RESOLVER_NAT, NULL },
	{ "sal", SCN_RESOLVER_SAL, NULL },
	{ "dns", SCN_RESOLVER_DNS, NULL },
	{ 0 },
};

static const struct type type_resolver = {
	.expects = "a resolver, such as sal",
	.scalar = SCALAR_WORD,
	.thing = "a resolver",
	.words = resolver_words,
};

const struct type type_weight = {
	.expects = "a weight, such as 3",
	.scalar = SCALAR_UINT,
	.min = 0,
	.max = SCN_WEIGHT_MAX,
};

const struct type type_priority = {
	.expects = "a priority, such as 1",
	.scalar = SCALAR_UINT,
	.min = 0,
	.max = SCN_WEIGHT_MAX,
};

enum { INSTANCE_NODE, INSTANCE_WEIGHT, INSTANCE_PRIORITY };

static const struct field instance_fields[] = {
	[INSTANCE_NODE] = { .name = "node",
			    .type = &type_host,
			    .required = true,
			    .example = "c",
			    .doc = "the host" },
	[INSTANCE_WEIGHT] = { .name = "weight",
			      .type = &type_weight,
			      .fallback = "1",
			      .doc = "its share of new flows, among those of "
				     "its priority; 0: none" },
	[INSTANCE_PRIORITY] = { .name = "priority",
				.type = &type_priority,
				.fallback = "0",
				.doc = "the highest that can be used serves" },
};

static const struct mapping mapping_instance = {
	.what = "instance",
	.doc = "A host where a service is.",
	MAPPING_FIELDS(instance_fields),
};

static const struct type type_instance = {
	.expects = "a host, or one with a weight, such as "
		   "'{ node: c, weight: 3 }'",
	.scalar = SCALAR_REF,
	.names = NAMES_NODE,
	.nodes = 1u << SCN_NODE_HOST | 1u << SCN_NODE_GUEST,
	.mapping = &mapping_instance,
};

static const struct type type_instances = {
	.expects = "a list of hosts, such as [c]",
	.scalar = SCALAR_REF,
	.names = NAMES_NODE,
	.nodes = 1u << SCN_NODE_HOST | 1u << SCN_NODE_GUEST,
	.item = &type_instance,
	.mapping = &mapping_instance,
};

static const struct word affinity_words[] = {
	{ "none", SCN_AFFINITY_NONE, NULL },
	{ "source", SCN_AFFINITY_SOURCE, NULL },
	{ 0 },
};

static const struct type type_affinity = {
	.expects = "none or source",
	.scalar = SCALAR_WORD,
	.thing = "an affinity",
	.words = affinity_words,
};

static const struct type type_at = {
	.expects = "a host or router, or a list of them",
	.scalar = SCALAR_REF,
	.names = NAMES_NODE,
	.nodes = 1u << SCN_NODE_HOST | SCN_ROUTERS | 1u << SCN_NODE_GUEST,
	.item = &type_machine,
};

static const struct type type_run = {
	.expects = "a process, or a list of them",
	.scalar = SCALAR_REF,
	.names = NAMES_PROCESS,
	.item = &type_process,
};

#define TTL_MAX_S UINT64_C(604800) /* a week; a run is shorter */

static const struct type type_ttl = {
	.expects = "a duration, such as 5s",
	.scalar = SCALAR_DURATION,
	.min = 0,
	.max = TTL_MAX_S * 1000000000,
};

enum { ANSWER_ONE, ANSWER_ALL };

static const struct word answer_words[] = {
	{ "one", ANSWER_ONE, NULL },
	{ "all", ANSWER_ALL, NULL },
	{ 0 },
};

static const struct type type_answer = {
	.expects = "one or all",
	.scalar = SCALAR_WORD,
	.thing = "an answer",
	.words = answer_words,
};

enum {
	SERVICE_RESOLVER,
	SERVICE_INSTANCES,
	SERVICE_PORT,
	SERVICE_ADDRESS,
	SERVICE_AT,
	SERVICE_RUN,
	SERVICE_AFFINITY,
	SERVICE_TTL,
	SERVICE_ANSWER,
	SERVICE_CANDIDATES,
	SERVICE_ID,
};

static const struct field service_fields[] = {
	[SERVICE_RESOLVER] = { .name = "resolver",
			       .type = &type_resolver,
			       .required = true,
			       .example = "sal",
			       .doc = "how the name is bound to an instance" },
	[SERVICE_INSTANCES] = { .name = "instances",
				.type = &type_instances,
				.example = "[c]",
				.doc = "the hosts that answer at first" },
	[SERVICE_PORT] = { .name = "port",
			   .type = &type_port,
			   .doc = "the one port that is bound; without it, "
				  "everything" },
	[SERVICE_ADDRESS] = { .name = "address",
			      .type = &type_addresses,
			      .doc = "what the name means; without it, a free "
				     "one of each family" },
	[SERVICE_AT] = { .name = "at",
			 .type = &type_at,
			 .doc = "of nat: the nodes that translate; without it, "
				"every host that is no instance, for itself" },
	[SERVICE_RUN] = { .name = "run",
			  .type = &type_run,
			  .doc = "processes that run where the instance is, "
				 "and "
				 "come and go with it" },
	[SERVICE_AFFINITY] = { .name = "affinity",
			       .type = &type_affinity,
			       .fallback = "none",
			       .doc = "of nat: source, all flows of a client's "
				      "address go to the same instance" },
	[SERVICE_TTL] = { .name = "ttl",
			  .type = &type_ttl,
			  .fallback = "5s",
			  .doc = "of dns: how long a program may keep an "
				 "answer, in whole seconds" },
	[SERVICE_ANSWER] = { .name = "answer",
			     .type = &type_answer,
			     .fallback = "one",
			     .doc = "of dns: one, the address of an instance "
				    "in its turn; all, those of all instances, "
				    "that one first" },
	[SERVICE_CANDIDATES] = { .name = "candidates",
				 .type = &type_instances,
				 .doc = "of sal, in place of instances: hosts "
					"that are one while a program there "
					"listens on the port" },
	[SERVICE_ID] = { .name = "id",
			 .type = &type_service_id,
			 .fallback = "auto",
			 .doc = "of sal: its service ID, or a prefix of them; "
				"auto: made of its name" },
};

static const struct mapping mapping_service = {
	.what = "service",
	.doc = "A name with an address, bound to an instance.",
	MAPPING_FIELDS(service_fields),
};

static const struct type type_service_name = {
	.expects = "a name",
	.scalar = SCALAR_NAME,
	.rule = NAME_SERVICE,
};

static const struct type type_service_body = {
	.expects = "a service, such as '{ resolver: nat, instances: [c] }'",
	.mapping = &mapping_service,
};

const struct type type_services = {
	.expects = "services by name",
	.key = &type_service_name,
	.value = &type_service_body,
	.may_be_empty = true,
};

static bool read_instance(struct loader *l, const struct tree_node *node,
			  scn_instance_vec *out)
{
	struct scn_instance in = { .weight = 1, .pos = node->pos };
	struct value v[VALUES_MAX], host;
	struct scn_instance *slot;
	bool good;

	if (node->kind == TREE_MAP) {
		good = mapping_read(l, &mapping_instance, node, NULL, v, NULL);
		host = v[INSTANCE_NODE];
		in.weight = (uint32_t)v[INSTANCE_WEIGHT].number;
		in.priority = (uint32_t)v[INSTANCE_PRIORITY].number;
	} else {
		good = value_read(l, &type_instance, node, &host);
	}
	if (!host.ok)
		return false;
	in.node = host.index;
	if (host.node)
		in.pos = host.node->pos;
	for (size_t i = 0; i < out->n; i++) {
		if (out->v[i].node != in.node)
			continue;
		tree_error(l->diag, host.node, "'%s' comes twice in this list",
			   l->s->nodes.v[in.node].name);
		return false;
	}
	slot = LOADER_PUSH(l, out);
	if (!slot)
		return false;
	*slot = in;
	return good;
}

static bool read_instances(struct loader *l, const struct value *list,
			   struct scn_service *service)
{
	size_t n = value_items(list);
	bool good = true;

	if (list->node->kind == TREE_LIST && n == 0) {
		tree_error(l->diag, list->node, "a service needs an instance");
		return false;
	}
	for (size_t i = 0; i < n; i++)
		good &= read_instance(l, value_item(list, i),
				      &service->instances);
	if (service->instances.n) {
		service->instance = service->instances.v[0].node;
		service->instance_pos = service->instances.v[0].pos;
	}
	return good;
}

static bool is_first_instance(const struct scn_service *service, size_t node)
{
	for (size_t i = 0; i < service->instances.n; i++)
		if (service->instances.v[i].node == node)
			return true;
	return false;
}

static bool read_addresses(struct loader *l, const struct value *list,
			   struct scn_service *service)
{
	const struct tree_node *seen[2] = { NULL, NULL };
	bool good = prefixes_read(l, type_addresses.item, list,
				  &service->addresses);

	if (!good)
		return false;
	for (size_t i = 0; i < service->addresses.n; i++) {
		const struct ip_addr *a = &service->addresses.v[i].prefix.addr;
		const struct tree_node *node = value_item(list, i);
		bool v6 = a->family == AF_INET6;

		if (!seen[v6]) {
			seen[v6] = node;
			continue;
		}
		tree_error(l->diag, node,
			   "a service has one %s address at most",
			   v6 ? "IPv6" : "IPv4");
		diag_note(l->diag, seen[v6]->pos, seen[v6]->width,
			  "this is the first");
		good = false;
	}
	return good;
}

static bool read_at(struct loader *l, const struct value *list,
		    struct scn_service *service)
{
	bool good = true;

	if (service->resolver != SCN_RESOLVER_NAT) {
		tree_error(l->diag, list->node,
			   service->resolver == SCN_RESOLVER_SAL ?
				   "'at' is only for nat: every host resolves "
				   "the name of a sal service itself" :
				   "'at' is only for nat: nothing is "
				   "translated for a dns service");
		return false;
	}
	service->at_pos = list->node->pos;
	refs_read(l, type_at.item, list, &service->at, &good);
	for (size_t i = 0; i < service->at.n; i++) {
		for (size_t k = 0; k < i; k++) {
			if (service->at.v[i] == SCN_NONE ||
			    service->at.v[i] != service->at.v[k])
				continue;
			tree_error(l->diag, value_item(list, i),
				   "'%s' comes twice in this list",
				   value_item(list, i)->text);
			return false;
		}
	}
	return good;
}

/* Those at the first instances start by themselves, the others do not. */
static bool read_run(struct loader *l, const struct value *list,
		     struct scn_service *service)
{
	bool good = true;

	refs_read(l, &type_process, list, &service->run, &good);
	for (size_t i = 0; good && i < service->run.n; i++) {
		struct scn_process *p = &l->s->processes.v[service->run.v[i]];

		p->autostart = is_first_instance(service, p->node);
	}
	return good;
}

static bool read_candidates(struct loader *l, const struct value *v,
			    struct scn_service *service)
{
	const struct value *list = &v[SERVICE_CANDIDATES];
	size_t n = value_items(list);
	bool good = true;

	service->candidates_pos = list->node->pos;
	for (size_t i = 0; i < n; i++)
		good &= read_instance(l, value_item(list, i),
				      &service->candidates);
	if (!service->candidates.n) {
		if (good)
			tree_error(l->diag, list->node,
				   "a service needs a candidate");
		return false;
	}
	service->instance = service->candidates.v[0].node;
	service->instance_pos = service->candidates_pos;
	if (v[SERVICE_RESOLVER].ok && service->resolver != SCN_RESOLVER_SAL) {
		tree_error(l->diag, list->node,
			   "'candidates' is only for sal services");
		good = false;
	}
	for (size_t i = SERVICE_INSTANCES; i <= SERVICE_RUN;
	     i += SERVICE_RUN - SERVICE_INSTANCES) {
		if (!v[i].node)
			continue;
		tree_error(l->diag, v[i].node,
			   "a service has 'candidates' or '%s': those are "
			   "instances that listen",
			   service_fields[i].name);
		good = false;
	}
	if (!v[SERVICE_PORT].node) {
		tree_error(l->diag, list->node,
			   "candidates need the service's 'port', to listen "
			   "on");
		good = false;
	}
	return good;
}

static bool check_instances(struct loader *l, const struct value *v,
			    const struct tree_node *key,
			    struct scn_service *service)
{
	if (v[SERVICE_CANDIDATES].ok)
		return read_candidates(l, v, service);
	/* What is given and is not good has been told of. */
	if (v[SERVICE_INSTANCES].node || v[SERVICE_CANDIDATES].node ||
	    (v[SERVICE_ID].node &&
	     (!v[SERVICE_ID].ok || strcmp(v[SERVICE_ID].text, "auto"))))
		return true;
	tree_error(l->diag, key, "service '%s' has no 'instances'", key->text);
	diag_help(l->diag, "add 'instances: [c]' (%s)",
		  service_fields[SERVICE_INSTANCES].doc);
	return false;
}

/* What only some resolvers make anything of. */
static bool check_resolver(struct loader *l, const struct value *v,
			   const struct scn_service *service)
{
	bool dns = service->resolver == SCN_RESOLVER_DNS, good = true;

	if (v[SERVICE_AFFINITY].node && service->resolver != SCN_RESOLVER_NAT) {
		tree_error(l->diag, v[SERVICE_AFFINITY].node,
			   "'affinity' is only for nat services");
		good = false;
	}
	for (size_t i = SERVICE_TTL; i <= SERVICE_ANSWER && !dns; i++) {
		if (!v[i].node)
			continue;
		tree_error(l->diag, v[i].node, "'%s' is only for dns services",
			   service_fields[i].name);
		good = false;
	}
	if (dns && v[SERVICE_ADDRESS].node) {
		tree_error(l->diag, v[SERVICE_ADDRESS].node,
			   "a dns service has no address of its own: its name "
			   "means an instance's");
		good = false;
	}
	return good;
}

static bool read_dns(struct loader *l, const struct value *v,
		     struct scn_service *service)
{
	int64_t ttl_ns = v[SERVICE_TTL].ok ? v[SERVICE_TTL].ns : 0;
	char full_name[80];

	snprintf(full_name, sizeof(full_name), "%s.serval", service->name);
	service->full_name = loader_dup(l, full_name);
	service->all_addresses =
		v[SERVICE_ANSWER].ok && v[SERVICE_ANSWER].word == ANSWER_ALL;
	service->ttl_s = (uint32_t)(ttl_ns / 1000000000);
	if (!(ttl_ns % 1000000000))
		return true;
	tree_error(l->diag, v[SERVICE_TTL].node,
		   "DNS counts a TTL in whole seconds");
	return false;
}

static size_t read_service(struct loader *l, const struct tree_node *key,
			   const struct tree_node *value)
{
	struct scn_service *service = LOADER_PUSH(l, &l->s->services);
	size_t index = l->s->services.n - 1;
	struct value v[VALUES_MAX];
	bool good;

	if (!service)
		return SCN_NONE;
	service->name = loader_dup(l, key->text);
	service->pos = key->pos;
	service->instance = SCN_NONE;
	good = mapping_read(l, &mapping_service, value, key, v, NULL);
	if (v[SERVICE_RESOLVER].ok)
		service->resolver = (enum scn_resolver)v[SERVICE_RESOLVER].word;
	if (v[SERVICE_INSTANCES].ok)
		good &= read_instances(l, &v[SERVICE_INSTANCES], service);
	if (v[SERVICE_PORT].ok)
		service->port = v[SERVICE_PORT].port;
	good &= check_instances(l, v, key, service);
	if (v[SERVICE_ID].ok && v[SERVICE_ID].node && v[SERVICE_RESOLVER].ok)
		good &= service_id_read(l, &v[SERVICE_ID], service);
	if (v[SERVICE_ADDRESS].ok)
		good &= read_addresses(l, &v[SERVICE_ADDRESS], service);
	if (v[SERVICE_AT].ok)
		good &= read_at(l, &v[SERVICE_AT], service);
	if (v[SERVICE_RUN].ok)
		good &= read_run(l, &v[SERVICE_RUN], service);
	if (v[SERVICE_AFFINITY].ok)
		service->affinity = (enum scn_affinity)v[SERVICE_AFFINITY].word;
	if (v[SERVICE_RESOLVER].ok)
		good &= check_resolver(l, v, service);
	return read_dns(l, v, service) && good ? index : SCN_NONE;
}

bool service_can_be_moved(struct loader *l, const struct value *service)
{
	const struct scn_service *s;

	if (!service->ok)
		return true;
	s = &l->s->services.v[service->index];
	if (!s->candidates.n)
		return true;
	tree_error(l->diag, service->node,
		   "the instances of '%s' are those that listen: no action "
		   "makes or moves one",
		   s->name);
	diag_note(l->diag, s->candidates_pos, 1, "of these candidates");
	diag_help(l->diag,
		  "start and stop their processes; a weight of 0 drains one");
	return false;
}

void services_read(struct loader *l, const struct tree_node *node)
{
	size_t errors = diag_count(l->diag);

	named_read(l, &type_services, node, NAMES_SERVICE, read_service);
	if (diag_count(l->diag) == errors)
		service_ids_check(l);
}
