/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A flow that conntrack knows keeps the translation its first packet got,
 * whatever the rules say since. It moves when its entry is deleted and its next
 * packet is a first one again: so delete after the rules changed, or that
 * packet may come in between and pin the flow to where it was for good.
 *
 * There is no request that deletes by destination. The entries are listed,
 * chosen, and deleted one by one by tuple and id, so that an entry that has
 * been replaced by a new one of the same tuple is left alone.
 */
#include "orchestrator/kernel/kns.h"

#include "orchestrator/kernel/netlink.h"
#include "orchestrator/kernel/nft_late.h"
#include "base/vec.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <libnetfilter_conntrack/libnetfilter_conntrack.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <stdio.h>
#include <string.h>

struct selection {
	const struct kconntrack_flows *flows;
	VEC(struct nf_conntrack *) entries; /* owned */
	bool all; /* whatever they are */
	bool hand_over; /* late answers are still translated */
};

static struct nlmsghdr *message_put(void *buf, uint16_t type,
				    sa_family_t family)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct nfgenmsg *nfg;

	nlh->nlmsg_type = (uint16_t)(NFNL_SUBSYS_CTNETLINK << 8 | type);
	nfg = mnl_nlmsg_put_extra_header(nlh, sizeof(*nfg));
	nfg->nfgen_family = (uint8_t)family;
	nfg->version = NFNETLINK_V0;
	return nlh;
}

static bool address_is(const struct nf_conntrack *ct,
		       const struct ip_addr *addr, enum nf_conntrack_attr v4,
		       enum nf_conntrack_attr v6)
{
	enum nf_conntrack_attr attr = addr->family == AF_INET ? v4 : v6;

	return nfct_attr_is_set(ct, attr) &&
	       !memcmp(nfct_get_attr(ct, attr), addr->bytes,
		       ip_addr_size(addr));
}

static bool entry_matches(const struct selection *s,
			  const struct nf_conntrack *ct)
{
	const struct kconntrack_flows *f = s->flows;
	bool matches = s->all;

	if (s->all)
		return true;
	for (size_t i = 0; i < f->n; i++)
		matches |= address_is(ct, &f->addrs[i], ATTR_ORIG_IPV4_DST,
				      ATTR_ORIG_IPV6_DST);
	for (size_t i = 0; matches && i < f->n_keep; i++)
		if (address_is(ct, &f->keep[i], ATTR_REPL_IPV4_SRC,
			       ATTR_REPL_IPV6_SRC))
			return false;
	if (!matches || !f->protocol)
		return matches;
	return nfct_get_attr_u8(ct, ATTR_ORIG_L4PROTO) == f->protocol &&
	       nfct_get_attr_u16(ct, ATTR_ORIG_PORT_DST) == htons(f->port);
}

static int entry_each(const struct nlmsghdr *nlh, void *data, struct err *err)
{
	struct nf_conntrack *ct = nfct_new();
	struct selection *s = data;
	struct nf_conntrack **slot;

	if (!ct)
		return err_errno(err, ENOMEM, "list tracked flows");
	/* What cannot be parsed cannot be ours. */
	if (nfct_nlmsg_parse(nlh, ct) < 0 || !entry_matches(s, ct)) {
		nfct_destroy(ct);
		return 0;
	}
	slot = VEC_PUSH(&s->entries);
	if (!slot) {
		nfct_destroy(ct);
		return err_errno(err, ENOMEM, "list tracked flows");
	}
	*slot = ct;
	return 0;
}

static int entries_list(int fd, struct selection *s, struct err *err)
{
	union {
		struct nlmsghdr header;
		char bytes[64];
	} request = { 0 };

	/* All families in one: the kernel walks its whole table, shared by all
	 * namespaces, for each listing, which takes milliseconds. */
	message_put(&request, IPCTNL_MSG_CT_GET, AF_UNSPEC);
	return netlink_dump(fd, &request.header, "list tracked flows",
			    entry_each, s, err);
}

static int entry_delete(int fd, const struct nf_conntrack *ct, struct err *err)
{
	struct netlink_request request = {
		.tolerated = ENOENT, /* it ended by itself */
		.what = "delete a tracked flow",
	};
	union {
		struct nlmsghdr header;
		char bytes[1024];
	} buf = { 0 };
	struct nf_conntrack *key = nfct_new();
	size_t failed;
	int r;

	if (!key)
		return err_errno(err, ENOMEM, "%s", request.what);
	nfct_copy(key, ct, NFCT_CP_ORIG);
	nfct_set_attr_u32(key, ATTR_ID, nfct_get_attr_u32(ct, ATTR_ID));
	message_put(&buf, IPCTNL_MSG_CT_DELETE,
		    nfct_get_attr_u8(ct, ATTR_L3PROTO));
	r = nfct_nlmsg_build(&buf.header, key);
	nfct_destroy(key);
	if (r < 0)
		return err_errno(err, EINVAL, "%s", request.what);
	return netlink_transact(fd, &buf, MNL_ALIGN(buf.header.nlmsg_len),
				&request, 0, &failed, err);
}

static struct ip_addr address_of(const struct nf_conntrack *ct, bool v4,
				 enum nf_conntrack_attr v4_attr,
				 enum nf_conntrack_attr v6_attr)
{
	struct ip_addr a = { .family = v4 ? AF_INET : AF_INET6 };
	const void *bytes = nfct_get_attr(ct, v4 ? v4_attr : v6_attr);

	if (bytes)
		memcpy(a.bytes, bytes, ip_addr_size(&a));
	return a;
}

/* False: it is none that could do without its connection. */
static bool flow_of(const struct nf_conntrack *ct, struct klate_flow *f)
{
	bool v4 = nfct_get_attr_u8(ct, ATTR_L3PROTO) == AF_INET;

	*f = (struct klate_flow){
		.instance = address_of(ct, v4, ATTR_REPL_IPV4_SRC,
				       ATTR_REPL_IPV6_SRC),
		.client = address_of(ct, v4, ATTR_REPL_IPV4_DST,
				     ATTR_REPL_IPV6_DST),
		.service = address_of(ct, v4, ATTR_ORIG_IPV4_DST,
				      ATTR_ORIG_IPV6_DST),
		.protocol = nfct_get_attr_u8(ct, ATTR_ORIG_L4PROTO),
	};
	if (f->protocol == IPPROTO_ICMP || f->protocol == IPPROTO_ICMPV6) {
		f->client_port = nfct_get_attr_u16(ct, ATTR_ICMP_ID);
		return true;
	}
	f->instance_port = nfct_get_attr_u16(ct, ATTR_REPL_PORT_SRC);
	f->client_port = nfct_get_attr_u16(ct, ATTR_REPL_PORT_DST);
	return f->protocol == IPPROTO_UDP;
}

static int hand_over(struct kns *ns, const struct selection *s, struct err *err)
{
	VEC(struct klate_flow) flows = { 0 };
	int r = 0;

	for (size_t i = 0; i < s->entries.n && !r; i++) {
		struct klate_flow f, *slot;

		if (!flow_of(s->entries.v[i], &f))
			continue;
		slot = VEC_PUSH(&flows);
		if (slot)
			*slot = f;
		else
			r = err_errno(err, ENOMEM, "hand flows over");
	}
	if (!r)
		r = klate_set(ns, flows.v, flows.n, err);
	VEC_FREE(&flows);
	return r;
}

static int flush(struct kns *ns, struct selection *s, unsigned *deleted,
		 struct err *err)
{
	int fd, r;

	r = kernel_step(ns->kernel, err, "list tracked flows");
	if (r)
		return r;
	fd = kns_nf_fd(ns, err);
	if (fd < 0)
		return fd;
	r = entries_list(fd, s, err);
	if (r >= 0 && s->hand_over)
		r = hand_over(ns, s, err);
	for (size_t i = 0; r >= 0 && i < s->entries.n; i++) {
		r = kernel_step(ns->kernel, err, "delete a tracked flow");
		if (!r)
			r = entry_delete(fd, s->entries.v[i], err);
		if (!r)
			++*deleted;
	}
	return r < 0 ? r : 0;
}

static int flush_service(struct kns *ns, const struct kconntrack_flows *flows,
			 bool keep_answers, unsigned *deleted, struct err *err)
{
	struct selection s = { .flows = flows, .hand_over = keep_answers };
	unsigned count = 0;
	int r;

	for (size_t i = 0; i < flows->n; i++)
		if (!ip_addr_size(&flows->addrs[i]))
			return err_errno(err, EAFNOSUPPORT,
					 "delete tracked flows");
	r = flush(ns, &s, &count, err);
	for (size_t i = 0; i < s.entries.n; i++)
		nfct_destroy(s.entries.v[i]);
	VEC_FREE(&s.entries);
	if (deleted)
		*deleted = count;
	return r;
}

int kns_conntrack_flush(struct kns *ns, const struct kconntrack_flows *flows,
			unsigned *deleted, struct err *err)
{
	return flush_service(ns, flows, false, deleted, err);
}

int kns_conntrack_hand_over(struct kns *ns,
			    const struct kconntrack_flows *flows,
			    unsigned *deleted, struct err *err)
{
	return flush_service(ns, flows, true, deleted, err);
}

int kns_conntrack_flush_all(struct kns *ns, unsigned *deleted, struct err *err)
{
	struct selection s = { .all = true };
	int r;

	*deleted = 0;
	r = flush(ns, &s, deleted, err);
	for (size_t i = 0; i < s.entries.n; i++)
		nfct_destroy(s.entries.v[i]);
	VEC_FREE(&s.entries);
	return r;
}
