/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A client C, an instance A, a victim that is neither, and who forges; with
 * what goes to the victim counted. For tests of what may go to an address that
 * is not proven. */
#ifndef TESTS_SAL_BOUND_LAB_H
#define TESTS_SAL_BOUND_LAB_H

#include "base/checksum.h"
#include "node/wire/sal_text.h"
#include "tests/support/sal_world.h"

#include <check.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#define RSYN SAL_FLAG_RSYN
#define SYNACK (SAL_FLAG_SYN | SAL_FLAG_ACK)
#define ACK SAL_FLAG_ACK
#define VICTIM "10.66.0.66"
#define IP_HEADER 20u

struct scene {
	struct world *w;
	struct host *c, *a;
	struct ip_addr victim;
	/* With the headers of IP, to the victim and in its name. */
	uint64_t hit, claimed;
	unsigned hits;
	/* Of C's flow, as read off the wire. */
	uint64_t c_nonce;
	uint32_t c_id, a_id, c_verno, a_verno, rsynack_verno;
	bool truly; /* what is forged is not */
};

static inline void watch(struct world *w, const struct wire_packet *p,
			 void *arg)
{
	struct scene *s = arg;
	const struct sal_control *c;
	struct sal_packet d;

	(void)w;
	if (sal_decode(&d, p->bytes, p->len) != SAL_OK)
		return;
	c = sal_find_control(&d);
	if (ip_addr_equal(&p->path.remote, &s->victim)) {
		s->hit += IP_HEADER + p->len;
		s->hits++;
	}
	if (!c)
		return;
	if (p->from == s->c) {
		s->c_nonce = c->nonce;
		s->c_id = d.src_flow;
		s->c_verno = c->verno + (c->flags & SAL_FLAG_SYN ? 1 : 0);
	} else if (c->flags == (RSYN | ACK)) {
		s->rsynack_verno = c->verno;
	} else {
		s->a_id = d.src_flow;
		s->a_verno = c->verno + 1;
	}
}

static inline void begin(struct scene *s)
{
	*s = (struct scene){ .w = world_usual(3), .victim = ip(VICTIM) };
	s->c = world_c(s->w);
	s->a = world_a(s->w);
	s->w->tap = watch;
	s->w->tap_arg = s;
}

static inline void forge(struct scene *s, const char *from, const char *text)
{
	struct err err = ERR_INIT;
	uint8_t bytes[1024];
	int n;

	n = sal_text_parse(text, bytes, sizeof(bytes), &err);
	ck_assert_msg(n > 0, "%s: %s", text, err.msg);
	if (!strcmp(from, VICTIM))
		s->claimed += IP_HEADER + (uint64_t)n;
	(s->truly ? world_arrives : world_inject)(s->w, from, s->a, bytes,
						  (size_t)n);
}

static inline void forge_control(struct scene *s, const char *from,
				 const char *flags, uint32_t verno,
				 uint32_t ackno)
{
	char text[300];

	snprintf(text, sizeof(text),
		 "%u>%u | CONTROL %s v=%u a=%u nonce=%016llx | UDP", s->c_id,
		 s->a_id, flags, verno, ackno, (unsigned long long)s->c_nonce);
	forge(s, from, text);
}

/* A UDP server whose answer is long: to five bytes, as many of these. */
static unsigned answers, answer_bytes;

static inline void long_answer(struct host *h, const struct sal_inner *p,
			       void *arg)
{
	static uint8_t d[2000];
	size_t len = 8 + answer_bytes;
	struct sal_inner out = { .src = p->dst,
				 .dst = p->src,
				 .protocol = IPPROTO_UDP,
				 .segment = d,
				 .len = len,
				 .ip = { .ttl = 64 } };

	(void)arg;
	if (p->protocol != IPPROTO_UDP)
		return;
	for (unsigned i = 0; i < answers; i++) {
		memset(d, (int)i, sizeof(d));
		memcpy(d, p->segment + 2, 2);
		memcpy(d + 2, p->segment, 2);
		d[4] = (uint8_t)(len >> 8);
		d[5] = (uint8_t)len;
		transport_checksum_set(IPPROTO_UDP, &out.src, &out.dst, d, len);
		host_send(h, &out);
	}
}

static inline void answers_are(struct scene *s, unsigned n, unsigned bytes)
{
	answers = n;
	answer_bytes = bytes;
	s->a->program = long_answer;
}

#endif
