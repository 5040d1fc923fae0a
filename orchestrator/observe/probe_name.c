/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "orchestrator/observe/probe_name.h"

#include "base/cleanup.h"
#include "base/clock.h"

#include <arpa/nameser.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <resolv.h>
#include <string.h>
#include <sys/socket.h>

#define SERVER 0x7f000035u /* 127.0.0.53 */
#define TIMEOUT_MS 200
#define MESSAGE_MAX 1500

static int ask(const uint8_t *query, size_t len, uint8_t *answer)
{
	const struct sockaddr_in to = {
		.sin_family = AF_INET,
		.sin_port = htons(NS_DEFAULTPORT),
		.sin_addr.s_addr = htonl(SERVER),
	};
	CLEANUP_CLOSE int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	ssize_t n;

	if (fd < 0 || connect(fd, (const struct sockaddr *)&to, sizeof(to)) ||
	    send(fd, query, len, 0) < 0)
		return -errno;
	if (poll(&pfd, 1, TIMEOUT_MS) != 1)
		return -ETIMEDOUT;
	n = recv(fd, answer, MESSAGE_MAX, MSG_DONTWAIT);
	return n < 0 ? -errno : (int)n;
}

/* The first address of the answer. */
static int take_answer(struct probe_name *n, const uint8_t *answer, int len,
		       struct ip_addr *out, uint32_t *ttl_s)
{
	ns_type type = n->address.family == AF_INET ? ns_t_a : ns_t_aaaa;
	ns_msg m;
	ns_rr rr;

	if (ns_initparse(answer, len, &m) ||
	    ns_msg_getflag(m, ns_f_rcode) != ns_r_noerror)
		return -ENOENT;
	for (int i = 0; i < ns_msg_count(m, ns_s_an); i++) {
		if (ns_parserr(&m, ns_s_an, i, &rr))
			return -EBADMSG;
		if (ns_rr_type(rr) != type ||
		    ns_rr_rdlen(rr) != ip_addr_size(&n->address))
			continue;
		out->family = n->address.family;
		memcpy(out->bytes, ns_rr_rdata(rr), ns_rr_rdlen(rr));
		*ttl_s = ns_rr_ttl(rr);
		return 0;
	}
	return -ENOENT;
}

int probe_name_refresh(struct probe_name *n)
{
	uint8_t query[512], answer[MESSAGE_MAX];
	struct ip_addr address = { 0 };
	int64_t now_ns = clock_mono_ns();
	uint32_t ttl_s = 0;
	bool changed;
	int len, r;

	if (!n->name || now_ns < n->until_ns)
		return 0;
	len = res_mkquery(ns_o_query, n->name, ns_c_in,
			  n->address.family == AF_INET ? ns_t_a : ns_t_aaaa,
			  NULL, 0, NULL, query, sizeof(query));
	if (len < 0)
		return -EINVAL;
	len = ask(query, (size_t)len, answer);
	r = len < 0 ? len : take_answer(n, answer, len, &address, &ttl_s);
	if (r)
		return r;
	changed = !ip_addr_equal(&address, &n->address);
	n->address = address;
	n->until_ns = now_ns + (int64_t)ttl_s * NSEC_PER_SEC;
	return changed;
}
