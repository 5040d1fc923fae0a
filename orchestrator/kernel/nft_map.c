/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "orchestrator/kernel/nft_map.h"

#include "base/cleanup.h"

#include <arpa/inet.h>
#include <libnftnl/set.h>
#include <netinet/in.h> /* ahead of linux/, which then yields to it */
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <string.h>

/* What nft calls them; the kernel does not care. */
#define TYPE_INTEGER 4
#define TYPE_IPV4 7
#define TYPE_IPV6 8
#define TYPE_VERDICT NFT_DATA_VERDICT
#define VERDICT_LEN 16

static void set_freep(struct nftnl_set **s)
{
	if (*s)
		nftnl_set_free(*s);
}

static bool is_anonymous(const struct nft_map *m)
{
	return strchr(m->name, '%') != NULL;
}

static struct nftnl_set *set_new(const struct nft_map *m)
{
	struct nftnl_set *s = nftnl_set_alloc();

	if (!s)
		return NULL;
	nftnl_set_set_str(s, NFTNL_SET_TABLE, m->table);
	nftnl_set_set_str(s, NFTNL_SET_NAME, m->name);
	nftnl_set_set_u32(s, NFTNL_SET_ID, m->id);
	return s;
}

void nft_put_map(struct nft_txn *t, const struct nft_map *m)
{
	CLEANUP(set_freep) struct nftnl_set *s = set_new(m);
	uint32_t flags = NFT_SET_MAP;
	struct nlmsghdr *nlh;

	nlh = nft_txn_begin(t, NFT_MSG_NEWSET, NLM_F_CREATE | NLM_F_EXCL,
			    "create map %s", m->name);
	if (!nlh || !s) {
		t->failed = true;
		return;
	}
	if (is_anonymous(m))
		flags |= NFT_SET_ANONYMOUS | NFT_SET_CONSTANT;
	if (m->ranges)
		flags |= NFT_SET_INTERVAL;
	nftnl_set_set_u32(s, NFTNL_SET_FLAGS, flags);
	nftnl_set_set_u32(s, NFTNL_SET_KEY_TYPE, TYPE_INTEGER);
	nftnl_set_set_u32(s, NFTNL_SET_KEY_LEN, m->key_len);
	nftnl_set_set_u32(s, NFTNL_SET_DATA_TYPE,
			  !m->data_len	   ? TYPE_VERDICT :
			  m->data_len == 4 ? TYPE_IPV4 :
					     TYPE_IPV6);
	nftnl_set_set_u32(s, NFTNL_SET_DATA_LEN,
			  m->data_len ? m->data_len : VERDICT_LEN);
	nftnl_set_nlmsg_build_payload(nlh, s);
	nft_txn_end(t, nlh);
}

/* Takes the element over; NULL: out of memory. */
static void put_element(struct nft_txn *t, const struct nft_map *m,
			struct nftnl_set_elem *e)
{
	CLEANUP(set_freep) struct nftnl_set *s = set_new(m);
	struct nlmsghdr *nlh;

	if (e && s)
		nftnl_set_elem_add(s, e);
	else if (e)
		nftnl_set_elem_free(e);
	nlh = nft_txn_begin(t, NFT_MSG_NEWSETELEM, NLM_F_CREATE | NLM_F_EXCL,
			    "add to map %s", m->name);
	if (!nlh || !s || !e) {
		t->failed = true;
		return;
	}
	nftnl_set_elems_nlmsg_build_payload(nlh, s);
	nft_txn_end(t, nlh);
}

void nft_put_jump_to(struct nft_txn *t, const struct nft_map *m,
		     const void *key, const char *chain)
{
	struct nftnl_set_elem *e = nftnl_set_elem_alloc();

	if (e) {
		nftnl_set_elem_set(e, NFTNL_SET_ELEM_KEY, key, m->key_len);
		nftnl_set_elem_set_u32(e, NFTNL_SET_ELEM_VERDICT,
				       (uint32_t)NFT_JUMP);
		nftnl_set_elem_set_str(e, NFTNL_SET_ELEM_CHAIN, chain);
	}
	put_element(t, m, e);
}

/* A range is told by where it begins, with its data, and where it ends. */
void nft_put_range(struct nft_txn *t, const struct nft_map *m, uint32_t first,
		   uint32_t end, const void *data)
{
	struct nftnl_set_elem *e = nftnl_set_elem_alloc();
	uint32_t key = htonl(first);

	if (e) {
		nftnl_set_elem_set(e, NFTNL_SET_ELEM_KEY, &key, sizeof(key));
		nftnl_set_elem_set(e, NFTNL_SET_ELEM_DATA, data, m->data_len);
	}
	put_element(t, m, e);
	e = nftnl_set_elem_alloc();
	key = htonl(end);
	if (e) {
		nftnl_set_elem_set(e, NFTNL_SET_ELEM_KEY, &key, sizeof(key));
		nftnl_set_elem_set_u32(e, NFTNL_SET_ELEM_FLAGS,
				       NFT_SET_ELEM_INTERVAL_END);
	}
	put_element(t, m, e);
}

void nft_rule_lookup(struct nft_rule *r, const struct nft_map *m, uint32_t from,
		     uint32_t to)
{
	struct nftnl_expr *e = nft_rule_add(r, "lookup");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_LOOKUP_SREG, from);
	nftnl_expr_set_u32(e, NFTNL_EXPR_LOOKUP_DREG, to);
	nftnl_expr_set_str(e, NFTNL_EXPR_LOOKUP_SET, m->name);
	nftnl_expr_set_u32(e, NFTNL_EXPR_LOOKUP_SET_ID, m->id);
}
