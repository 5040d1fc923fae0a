/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The scenario as a whole: its file, its top level, and the order in which its
 * sections are read, so that whatever a section refers to is known by then,
 * wherever it stands in the file.
 */
#include "orchestrator/scenario/link_props.h"

#include "base/cleanup.h"
#include "base/units.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

/* ---- the top level ----------------------------------------------------- */

static const struct type type_version = {
	.expects = "the version of the language, which is 1",
	.scalar = SCALAR_UINT,
	.min = 1,
	.max = 1,
};

static const struct type type_seed = {
	.expects = "a whole number",
	.scalar = SCALAR_UINT,
	.max = UINT64_MAX,
};

enum { TOPOLOGY_NODES, TOPOLOGY_LINKS, TOPOLOGY_DEFAULTS };

static const struct field topology_fields[] = {
	[TOPOLOGY_NODES] = { .name = "nodes",
			     .type = &type_nodes,
			     .required = true,
			     .example = "{ a: {}, b: {} }",
			     .doc = "hosts, routers and bridges, by name" },
	[TOPOLOGY_LINKS] = { .name = "links",
			     .type = &type_links,
			     .doc = "what is connected to what" },
	[TOPOLOGY_DEFAULTS] = { .name = "defaults",
				.type = &type_defaults,
				.doc = "what holds for links that do not say "
				       "otherwise" },
};

static const struct mapping mapping_topology = {
	.what = "topology",
	.doc = "The network.",
	MAPPING_FIELDS(topology_fields),
};

static const struct type type_topology = {
	.expects = "a mapping with 'nodes' and 'links'",
	.mapping = &mapping_topology,
};

/* Longer, and one process would keep a core to itself for nothing. */
static const struct type type_spin = {
	.expects = "a duration, such as 200us",
	.scalar = SCALAR_DURATION,
	.max = 10000000,
};

static const struct field emulation_fields[] = {
	{ .name = "spin",
	  .type = &type_spin,
	  .doc = "how long before a frame is due the emulator stays awake for "
		 "it" },
};

static const struct mapping mapping_emulation = {
	.what = "emulation",
	.doc = "How links are emulated.",
	MAPPING_FIELDS(emulation_fields),
};

static const struct type type_emulation = {
	.expects = "a mapping, such as '{ spin: 200us }'",
	.mapping = &mapping_emulation,
	.may_be_empty = true,
};

enum {
	TOP_VERSION,
	TOP_NAME,
	TOP_DESCRIPTION,
	TOP_SEED,
	TOP_DURATION,
	TOP_TOPOLOGY,
	TOP_EMULATION,
	TOP_SAL,
	TOP_NAMES,
	TOP_SERVICES,
	TOP_PROCESSES,
	TOP_PROBES,
	TOP_TIMELINE,
	TOP_EXPECT,
};

static const struct field top_fields[] = {
	[TOP_VERSION] = { .name = "version",
			  .type = &type_version,
			  .required = true,
			  .example = "1",
			  .doc = "the version of the language" },
	[TOP_NAME] = { .name = "name",
		       .type = &type_name,
		       .required = true,
		       .example = "first-steps",
		       .doc = "names the folder of the results" },
	[TOP_DESCRIPTION] = { .name = "description",
			      .type = &type_text,
			      .doc = "what the experiment is about" },
	[TOP_SEED] = { .name = "seed",
		       .type = &type_seed,
		       .fallback = "1",
		       .doc = "what all random choices follow from" },
	[TOP_DURATION] = { .name = "duration",
			   .type = &type_span,
			   .doc = "when the run ends; without it, when the "
				  "last probe and process are done" },
	[TOP_TOPOLOGY] = { .name = "topology",
			   .type = &type_topology,
			   .required = true,
			   .example = "{ nodes: ..., links: ... }",
			   .doc = "the network" },
	[TOP_EMULATION] = { .name = "emulation",
			    .type = &type_emulation,
			    .doc = "how links are emulated" },
	[TOP_SAL] = { .name = "sal",
		      .type = &type_sal,
		      .doc = "how the salds of all hosts work" },
	[TOP_NAMES] = { .name = "names",
			.type = &type_resolving,
			.doc = "how names are resolved" },
	[TOP_SERVICES] = { .name = "services",
			   .type = &type_services,
			   .doc = "names that are bound to instances" },
	[TOP_PROCESSES] = { .name = "processes",
			    .type = &type_processes,
			    .doc = "programs that run in nodes" },
	[TOP_PROBES] = { .name = "probes",
			 .type = &type_probes,
			 .doc = "measurements, packet by packet" },
	[TOP_TIMELINE] = { .name = "timeline",
			   .type = &type_timeline,
			   .doc = "what happens, and when" },
	[TOP_EXPECT] = { .name = "expect",
			 .type = &type_expects,
			 .doc = "what must hold in the end" },
};

const struct mapping mapping_scenario = {
	.what = "scenario",
	.doc = "One experiment.",
	MAPPING_FIELDS(top_fields),
};

/*
 * A file in another version of the language would be all errors, and none of
 * them would help.
 */
static bool check_version(struct loader *l, const struct tree_node *root)
{
	const struct tree_node *node = tree_get(root, "version");
	uint64_t version;

	if (!node || node->kind != TREE_SCALAR ||
	    units_parse_uint(node->text, UINT64_MAX, &version) || version == 1)
		return true;
	tree_error(l->diag, node,
		   "version %s of the language is not known here", node->text);
	diag_help(l->diag, "write 'version: 1', or get a newer program");
	return false;
}

/* Where a section may hide behind a misspelt key, its names are not missed. */
static void note_missing_sections(struct loader *l,
				  const struct tree_node *root,
				  const struct value *top)
{
	bool unknown = false;

	for (size_t i = 0; i < root->n; i++) {
		size_t k = 0;

		while (k < mapping_scenario.n &&
		       strcmp(root->pairs[i].key->text, top_fields[k].name))
			k++;
		unknown |= k == mapping_scenario.n;
	}
	l->names[NAMES_SERVICE].incomplete = unknown && !top[TOP_SERVICES].node;
	l->names[NAMES_PROCESS].incomplete =
		unknown && !top[TOP_PROCESSES].node;
	l->names[NAMES_PROBE].incomplete = unknown && !top[TOP_PROBES].node;
	if (unknown && !top[TOP_TIMELINE].node)
		l->actions_unknown = ACTIONS_ALL;
}

static void read_topology(struct loader *l, const struct value *topology)
{
	struct value v[VALUES_MAX] = { 0 };

	if (topology->ok)
		mapping_read(l, &mapping_topology, topology->node, NULL, v,
			     NULL);
	if (!v[TOPOLOGY_NODES].ok)
		l->names[NAMES_NODE].incomplete = true;
	if (!topology->ok || (v[TOPOLOGY_LINKS].node && !v[TOPOLOGY_LINKS].ok))
		l->names[NAMES_LINK].incomplete =
			l->names[NAMES_IFACE].incomplete = true;
	nodes_read(l, v[TOPOLOGY_NODES].node);
	if (!l->no_memory)
		links_read(l, v[TOPOLOGY_LINKS].node,
			   v[TOPOLOGY_DEFAULTS].node);
	if (!l->no_memory)
		guests_check(l);
}

static void read_emulation(struct loader *l, const struct tree_node *node)
{
	struct value v[VALUES_MAX];

	if (!node || node->kind != TREE_MAP)
		return;
	mapping_read(l, &mapping_emulation, node, NULL, v, NULL);
	if (v[0].ok)
		l->s->spin_ns = v[0].ns;
}

static struct src_pos key_pos(const struct tree_node *map,
			      const struct tree_node *value)
{
	for (size_t i = 0; i < map->n; i++)
		if (map->pairs[i].value == value)
			return map->pairs[i].key->pos;
	return map->pos;
}

static void read_scenario(struct loader *l, const struct tree_node *root)
{
	static const struct {
		size_t field;
		void (*read)(struct loader *l, const struct tree_node *node);
	} sections[] = {
		{ TOP_PROCESSES, processes_read },
		{ TOP_SERVICES, services_read },
		{ TOP_SAL, sal_options_read },
		{ TOP_NAMES, resolving_read },
		{ TOP_PROBES, probes_read },
		{ TOP_TIMELINE, timeline_read },
		{ TOP_EXPECT, expects_read },
	};
	struct scenario *s = l->s;
	struct value v[VALUES_MAX];

	if (root->kind == TREE_MAP && !check_version(l, root))
		return;
	mapping_read(l, &mapping_scenario, root, NULL, v, NULL);
	if (root->kind != TREE_MAP)
		return;
	note_missing_sections(l, root, v);
	if (v[TOP_NAME].ok)
		s->name = loader_dup(l, v[TOP_NAME].text);
	if (v[TOP_DESCRIPTION].ok)
		s->description = loader_dup(l, v[TOP_DESCRIPTION].text);
	s->seed = v[TOP_SEED].number;
	l->duration = v[TOP_DURATION].node;
	s->duration_ns = v[TOP_DURATION].ok ? v[TOP_DURATION].ns : 0;

	s->topology_pos = key_pos(root, v[TOP_TOPOLOGY].node);
	read_emulation(l, v[TOP_EMULATION].node);
	read_topology(l, &v[TOP_TOPOLOGY]);
	/* Without memory, what one section made may not do for the next. */
	for (size_t i = 0; i < sizeof(sections) / sizeof(*sections); i++)
		if (!l->no_memory)
			sections[i].read(l, v[sections[i].field].node);
	if (!l->no_memory)
		links_settle(l);
}

/* ---- from text and from a file ----------------------------------------- */

static struct scenario *new_scenario(const char *path, const char *text,
				     size_t len)
{
	struct scenario *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->path = strdup(path);
	s->text = malloc(len + 1);
	if (!s->path || !s->text)
		return scenario_free(s);
	if (len)
		memcpy(s->text, text, len);
	s->text[len] = '\0';
	s->text_len = len;
	return s;
}

static int too_large(const char *path, struct err *err)
{
	return err_set(err, EFBIG,
		       "%s: larger than %u MiB, which no scenario "
		       "needs to be",
		       path, TREE_BYTES_MAX >> 20);
}

/* folder: where the files are that it names; NULL: they are not looked at. */
static int parse(const char *path, const char *folder, const char *text,
		 size_t len, struct diag *diag, struct scenario **out,
		 struct err *err)
{
	struct loader l = { .diag = diag, .folder = folder };
	struct tree tree = { 0 };
	size_t errors = diag_count(diag);

	if (len > TREE_BYTES_MAX)
		return too_large(path, err);
	l.s = new_scenario(path, text, len);
	l.arena = &tree.arena;
	if (!l.s || !diag_add_source(diag, path, text, len) ||
	    tree_parse(&tree, diag, l.s->path, l.s->text, len))
		l.no_memory = true;
	else if (tree.root)
		read_scenario(&l, tree.root);
	for (size_t i = 0; i < NAMES_COUNT_; i++)
		names_deinit(&l.names[i]);
	VEC_FREE(&l.links);
	VEC_FREE(&l.node_sal);
	tree_deinit(&tree);

	if (l.no_memory) {
		scenario_free(l.s);
		return err_set(err, ENOMEM, "%s: out of memory", path);
	}
	if (diag_count(diag) != errors) {
		scenario_free(l.s);
		return -EINVAL;
	}
	*out = l.s;
	return 0;
}

int scenario_parse(const char *path, const char *text, size_t len,
		   struct diag *diag, struct scenario **out, struct err *err)
{
	return parse(path, NULL, text, len, diag, out, err);
}

/*
 * The next bytes: how many, 0 at the end, -1 with errno. A pipe with nobody at
 * its other end would be waited for without end, so it is opened without
 * waiting, and waited for only where somebody is (EAGAIN).
 */
static ssize_t read_some(int fd, char *buf, size_t size)
{
	for (;;) {
		ssize_t n = read(fd, buf, size);

		if (n >= 0)
			return n;
		if (errno == EAGAIN)
			fcntl(fd, F_SETFL, 0);
		else if (errno != EINTR)
			return -1;
	}
}

static bool is_pipe(int fd)
{
	struct stat st;

	return !fstat(fd, &st) && S_ISFIFO(st.st_mode);
}

/* What was meant by a name under which nothing can be read. */
static void help_unreadable(const char *path, struct err *err)
{
	CLEANUP_FREE char *longer = NULL;

	if (err->code == EISDIR)
		err_hint(err, "name the files in it, as in '%s%s*.yaml'", path,
			 path[strlen(path) - 1] == '/' ? "" : "/");
	if (err->code != ENOENT)
		return;
	if (!strcmp(path, "-")) {
		err_hint(err, "standard input is /dev/stdin");
	} else if (asprintf(&longer, "%s.yaml", path) < 0) {
		longer = NULL;
	} else if (!access(longer, R_OK)) {
		err_hint(err, "did you mean '%s'?", longer);
	}
}

int scenario_load(const char *path, struct diag *diag, struct scenario **out,
		  struct err *err)
{
	CLEANUP_CLOSE int fd =
		open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	CLEANUP_FREE char *text = NULL, *folder = NULL;
	char *slash;
	size_t len = 0;
	ssize_t n;

	if (fd < 0)
		goto unreadable;
	text = malloc(TREE_BYTES_MAX + 1); /* one more tells a larger file */
	if (!text)
		return err_set(err, ENOMEM, "%s: out of memory", path);
	do {
		n = read_some(fd, text + len, TREE_BYTES_MAX + 1 - len);
		if (n < 0)
			goto unreadable;
		len += (size_t)n;
	} while (n && len <= TREE_BYTES_MAX);
	if (!len && is_pipe(fd)) {
		err_set(err, EPIPE,
			"cannot read %s: it is a pipe, and nobody writes to it",
			path);
		err_hint(err, "name a file, or /dev/stdin");
		return -EPIPE;
	}
	folder = strdup(path);
	if (!folder)
		return err_set(err, ENOMEM, "%s: out of memory", path);
	/* "" is the current one. */
	slash = strrchr(folder, '/');
	if (slash)
		slash[slash == folder] = '\0';
	else
		folder[0] = '\0';
	return parse(path, folder, text, len, diag, out, err);

unreadable:
	/* -EINVAL is for a scenario that could be read, and is wrong. */
	err_errno(err, errno == EINVAL ? EIO : errno, "cannot read %s",
		  *path ? path : "a file without a name");
	help_unreadable(path, err);
	return -err->code;
}
