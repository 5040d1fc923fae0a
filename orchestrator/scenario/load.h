/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From the tree to the model.
 *
 * The language is written down in tables: every kind of mapping (struct
 * mapping) lists its keys (struct field), each with the type of its value
 * (struct type), its default and what it is for. mapping_read() and
 * value_read() check a file against them; a schema for editors can be printed
 * from the same tables. What a table cannot say (that a probe's target exists,
 * that a service is where it migrates from) is checked by the reader of the
 * mapping, one file each: nodes.c, links.c, services.c, ...
 *
 * No reader stops at an error. It reads on with what it has, and skips just
 * those checks that need what was wrong: hence the ok in every value.
 */
#ifndef SCENARIO_LOAD_H
#define SCENARIO_LOAD_H

#include "base/diag.h"
#include "orchestrator/scenario/model.h"
#include "orchestrator/scenario/names.h"
#include "orchestrator/scenario/tree.h"

/* ---- the tables -------------------------------------------------------- */

enum scalar_kind {
	SCALAR_NONE, /* no scalar may stand here */
	SCALAR_TEXT,
	SCALAR_NAME, /* rule */
	SCALAR_UINT, /* min, max */
	SCALAR_DURATION, /* min, max: ns */
	SCALAR_RATE, /* min, max: bits/s */
	SCALAR_PERCENT, /* parts of 10^9; max (0: 100 %) */
	SCALAR_BYTES, /* min, max */
	SCALAR_QUEUE, /* a bare number of packets, or bytes, or a time */
	SCALAR_WORD, /* words */
	SCALAR_PORT, /* "tcp/80"; protocol */
	SCALAR_ADDRESS, /* "10.0.0.1" */
	SCALAR_SUBNET, /* "10.0.0.0/24" */
	SCALAR_IFADDR, /* "10.0.0.1/24" */
	SCALAR_MAC,
	SCALAR_SIGNAL, /* "HUP", "SIGHUP", 1 */
	SCALAR_REF, /* the name of something defined elsewhere; names, nodes */
};

enum name_rule {
	NAME_NODE, /* nodes and links */
	NAME_IFACE,
	NAME_SERVICE, /* a DNS label */
	NAME_FILE, /* becomes a file's name */
	NAME_ENV, /* an environment variable's name */
};

struct word {
	const char *text;
	int value;
	const char *refused; /* why it cannot be used (yet); NULL: it can */
};

/* What may stand as a value: a scalar, a list or a mapping, or several. */
struct type {
	const char *expects; /* "a duration, such as 10ms" */
	enum scalar_kind scalar;
	union {
		struct {
			uint64_t min, max;
			bool status; /* an exit status, where a signal is
					often written */
		};
		struct {
			const char *thing; /* "a kind of node" */
			const struct word *words; /* up to a NULL text */
		};
		enum name_rule rule;
		enum scn_protocol protocol; /* SCN_PROTO_ANY: either */
		struct {
			enum names_kind names;
			unsigned nodes; /* bits: 1 << SCN_NODE_...; 0: all */
		};
	};
	const struct type *item; /* a list of these may stand here */
	const struct mapping *mapping; /* a mapping like this may */
	const struct type *key; /* or one with such keys and, as values, ... */
	const struct type *value; /* ... these */
	bool may_be_empty; /* nothing at all may: all of it commented out */
};

struct field {
	const char *name;
	const struct type *type;
	bool required;
	const char *fallback; /* as it would be written; NULL: none */
	const char *example;
	const char *doc;
};

/* Keys that are made of names, and so stand in no table: "a>b". */
struct dynamic {
	char mark; /* what such a key has in it, and no other */
	const char *pattern; /* "SENDER>RECEIVER" */
	const struct type *value;
	const char *doc;
};

/*
 * A mapping has its own fields and those of exactly one of its variants, if
 * there are any: the one whose first field is given.
 */
struct mapping {
	const char *what; /* "probe" */
	const char *doc;
	const struct field *fields;
	size_t n;
	const struct mapping *const *variants; /* up to a NULL */
	const struct dynamic *dynamic; /* keys beside them; NULL: none */
	const char *several; /* what to write instead of two variants in one */
	const char *example; /* of a variant, for where there is none */
	/* A mapping like this stands in its place where the first field of that
	 * is given; NULL: none. */
	const struct mapping *instead;
	const char *refused; /* a key that belongs elsewhere, and ... */
	const char *refused_why; /* ... what to say of it */
};

#define FIELDS_MAX 24 /* of one mapping, or of one variant */
#define VALUES_MAX (2 * FIELDS_MAX)
#define MAPPING_FIELDS(table)                                                  \
	.fields = (table), .n = sizeof(table) / sizeof(*(table))

/* Types that several mappings share (types.c). */
extern const struct type type_text, type_name, type_count, type_switch,
	type_delay, type_span, type_port, type_signal, type_host, type_machine,
	type_node, type_service, type_process, type_probe, type_link,
	type_iface, type_address, type_addresses, type_subnets, type_ifaddrs;
/* Of a service's instances (services.c). */
extern const struct type type_weight, type_priority;
extern const struct mapping mapping_scenario; /* the root (load.c) */

/* ---- reading ----------------------------------------------------------- */

#define ACTION_BIT(kind) (UINT64_C(1) << (kind))
#define ACTIONS_ALL UINT64_MAX

struct link_origin; /* link_props.h */

/* As bits of struct type's nodes. */
#define SCN_ROUTERS (1u << SCN_NODE_ROUTER | 1u << SCN_NODE_SERVICE_ROUTER)

struct loader {
	struct diag *diag;
	struct scenario *s;
	struct names names[NAMES_COUNT_];
	struct arena *arena; /* the tree's */
	const struct tree_node *duration; /* of the scenario; NULL: not given */
	const char *folder; /* what files are named from; NULL: they are not to
			       be looked at */
	size_t file_bytes; /* read so far */
	VEC(const struct tree_node *) node_sal; /* by node; NULL: not given */
	VEC(struct link_origin) links; /* by the scenario's link index */
	uint64_t actions_unknown; /* ACTION_BIT() of those of which not all are
				     known, since some had errors */
	uint64_t actions_untimed; /* likewise, of which some happen nobody
				     knows when */
	bool no_memory;
};

struct value {
	const struct tree_node *node; /* NULL: not in the file */
	bool ok; /* there is a good one: given, or by default */
	union {
		const char *text; /* the tree's */
		uint64_t number;
		int64_t ns;
		int64_t bps;
		int64_t ppb;
		struct {
			uint64_t number; /* ns, where it is a time */
			enum {
				QUEUE_IN_PACKETS,
				QUEUE_IN_BYTES,
				QUEUE_IN_TIME
			} unit;
		} queue;
		int word;
		int signal;
		size_t index; /* of what the reference names */
		struct scn_port port;
		struct ip_addr address;
		struct ip_prefix prefix;
		uint8_t mac[6];
	};
};

/*
 * Reads a value. For a list or a mapping, ok says only that it may stand
 * here; its reader reads the inside.
 */
bool value_read(struct loader *l, const struct type *type,
		const struct tree_node *node, struct value *out);
bool scalar_read(struct loader *l, const struct type *type,
		 const struct tree_node *node, struct value *out);
bool scalar_read_net(struct loader *l, const struct type *type,
		     const struct tree_node *node, struct value *out);
bool scalar_read_amount(struct loader *l, const struct type *type,
			const struct tree_node *node, struct value *out);

/*
 * A name by its rule, and a reference by its type. The text is all of the
 * node's or a copy of a part of it; start, in the node's own text, says where
 * the caret goes.
 */
bool name_check(struct loader *l, enum name_rule rule,
		const struct tree_node *node, const char *start,
		const char *text);
bool ref_read(struct loader *l, const struct type *type,
	      const struct tree_node *node, const char *start, const char *text,
	      size_t *index);

/*
 * The items of a list; where a type takes one or a list, the one is its own
 * item.
 */
size_t value_items(const struct value *v);
const struct tree_node *value_item(const struct value *v, size_t i);

/*
 * Reads a mapping's own fields into v, in the order of its table, and behind
 * them, from v[m->n], those of its variant. *variant says which one that is
 * (NULL: none, or unknown after an error); it may be NULL where there are no
 * variants. Where m->instead stands in its place, v has the fields of that, and
 * it is what *variant says. name is the key that names the mapping, for
 * messages, or NULL. Returns true where nothing was wrong.
 */
bool mapping_read(struct loader *l, const struct mapping *m,
		  const struct tree_node *node, const struct tree_node *name,
		  struct value v[static VALUES_MAX],
		  const struct mapping **variant);

/*
 * The next dynamic key of a mapping from its pair *at on, with its value, which
 * is read as the table says; *at is then behind it. False: there is none.
 */
bool dynamic_next(struct loader *l, const struct dynamic *d,
		  const struct tree_node *map, size_t *at,
		  const struct tree_node **key, struct value *v);

/*
 * Reads the "name: value" of a section, whose type value_read() has checked,
 * and makes each name known. read() returns the index of what it made, or
 * SCN_NONE where it had an error.
 */
typedef size_t (*named_reader)(struct loader *l, const struct tree_node *key,
			       const struct tree_node *value);
void named_read(struct loader *l, const struct type *type,
		const struct tree_node *node, enum names_kind kind,
		named_reader read);

/* Makes the name known: with an index, or SCN_NONE after an error. */
void loader_define(struct loader *l, enum names_kind kind, const char *text,
		   const struct tree_node *node, size_t index);
/* NULL (noted in l): out of memory. The copy is the scenario's. */
char *loader_dup(struct loader *l, const char *text);
/* "%s" into the arena; NULL (noted): out of memory. */
const char *loader_format(struct loader *l, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* VEC_PUSH() that notes where memory ran out. */
#define LOADER_PUSH(l, vec)                                                    \
	({                                                                     \
		__typeof__((vec)->v) pushed_ = VEC_PUSH(vec);                  \
		if (!pushed_)                                                  \
			(l)->no_memory = true;                                 \
		pushed_;                                                       \
	})

/* A reference to a node, from a list of them; SCN_NONE after an error. */
void refs_read(struct loader *l, const struct type *item,
	       const struct value *list, scn_index_vec *out, bool *ok);
/* Prefixes or addresses (as full-length prefixes), one or a list. */
bool prefixes_read(struct loader *l, const struct type *item,
		   const struct value *list, scn_prefix_vec *out);

/* ---- the sections, in the order they are read --------------------------- */

extern const struct type type_nodes, type_links, type_defaults, type_sal,
	type_resolving, type_services, type_processes, type_probes,
	type_timeline, type_expects;

void nodes_read(struct loader *l, const struct tree_node *node);
void links_read(struct loader *l, const struct tree_node *node,
		const struct tree_node *defaults);
void guests_check(struct loader *l);
/* May an action say where the service is? Else it is told that it may not. */
bool service_can_be_moved(struct loader *l, const struct value *service);

/* ---- service_ids.c ------------------------------------------------------- */

extern const struct type type_service_id;
/* False: it is none, or none for this service, and that was said. */
bool service_id_read(struct loader *l, const struct value *v,
		     struct scn_service *service);
/* All of them together; once there are all. */
void service_ids_check(struct loader *l);
void services_read(struct loader *l, const struct tree_node *node);
void sal_options_read(struct loader *l, const struct tree_node *node);
void resolving_read(struct loader *l, const struct tree_node *node);
void processes_read(struct loader *l, const struct tree_node *node);
void probes_read(struct loader *l, const struct tree_node *node);
void timeline_read(struct loader *l, const struct tree_node *node);
void expects_read(struct loader *l, const struct tree_node *node);

#endif
