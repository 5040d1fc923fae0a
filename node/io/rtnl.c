/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "node/io/rtnl.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void close_quietly(struct mnl_socket *nl)
{
	if (nl)
		mnl_socket_close(nl);
}

void rtnl_closep(struct mnl_socket **nl)
{
	close_quietly(*nl);
	*nl = NULL;
}

int rtnl_open(struct mnl_socket **out, unsigned groups, struct err *err)
{
	struct mnl_socket *nl = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	int on = 1;

	if (!nl || mnl_socket_bind(nl, groups, MNL_SOCKET_AUTOPID) < 0) {
		int code = errno;

		close_quietly(nl);
		return err_errno(err, code, "cannot open rtnetlink");
	}
	/* The kernel's own words with an error. Old kernels have none. */
	mnl_socket_setsockopt(nl, NETLINK_EXT_ACK, &on, sizeof(on));
	mnl_socket_setsockopt(nl, NETLINK_CAP_ACK, &on, sizeof(on));
	*out = nl;
	return 0;
}

void *rtnl_request(uint8_t buf[RTNL_MESSAGE_BYTES], uint16_t type,
		   uint16_t flags, size_t body, struct nlmsghdr **out)
{
	struct nlmsghdr *nlh;

	/* Also what is left between attributes. */
	memset(buf, 0, RTNL_MESSAGE_BYTES);
	nlh = mnl_nlmsg_put_header(buf);
	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | flags;
	*out = nlh;
	return mnl_nlmsg_put_extra_header(nlh, body);
}

static int take_words(const struct nlattr *attr, void *arg)
{
	const char **words = arg;

	if (mnl_attr_get_type(attr) == NLMSGERR_ATTR_MSG &&
	    mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) == 0)
		*words = mnl_attr_get_str(attr);
	return MNL_CB_OK;
}

/* The kernel's words in an error message, or NULL. NETLINK_CAP_ACK: they follow
 * right behind the header of the request. */
static const char *kernel_words(const struct nlmsghdr *nlh)
{
	const char *words = NULL;

	if (nlh->nlmsg_flags & NLM_F_ACK_TLVS)
		mnl_attr_parse(nlh, sizeof(struct nlmsgerr), take_words,
			       &words);
	return words;
}

static unsigned next_seq(void)
{
	static _Thread_local unsigned seq;

	return ++seq;
}

/* Waits for the ack of request seq. Returns its errno, 0 or positive. */
static int wait_for_ack(struct mnl_socket *nl, unsigned seq, char *words,
			size_t size)
{
	uint8_t buf[RTNL_BUFFER_BYTES];

	for (;;) {
		ssize_t n = mnl_socket_recvfrom(nl, buf, sizeof(buf));
		const struct nlmsghdr *nlh = (const struct nlmsghdr *)buf;
		const struct nlmsgerr *e;
		const char *text;
		int left = (int)n;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno;
		if (!mnl_nlmsg_ok(nlh, left) || nlh->nlmsg_seq != seq ||
		    nlh->nlmsg_type != NLMSG_ERROR ||
		    mnl_nlmsg_get_payload_len(nlh) < sizeof(*e))
			continue; /* of a request given up before */
		e = mnl_nlmsg_get_payload(nlh);
		text = kernel_words(nlh);
		if (text)
			snprintf(words, size, "%s", text);
		return -e->error;
	}
}

int rtnl_talk(struct mnl_socket *nl, struct nlmsghdr *request, int tolerated,
	      struct err *err, const char *what, ...)
{
	char words[128] = "", about[256];
	va_list ap;
	int code;

	request->nlmsg_flags |= NLM_F_ACK;
	request->nlmsg_seq = next_seq();
	if (mnl_socket_sendto(nl, request, request->nlmsg_len) < 0)
		code = errno;
	else
		code = wait_for_ack(nl, request->nlmsg_seq, words,
				    sizeof(words));
	if (!code || code == tolerated)
		return 0;
	va_start(ap, what);
	vsnprintf(about, sizeof(about), what, ap);
	va_end(ap);
	if (words[0])
		return err_set(err, code, "%s: %s (%s)", about, strerror(code),
			       words);
	return err_errno(err, code, "%s", about);
}

int rtnl_dump(struct mnl_socket *nl, uint16_t type,
	      int (*object)(const struct nlmsghdr *nlh, void *arg), void *arg,
	      struct err *err)
{
	uint8_t buf[RTNL_BUFFER_BYTES];
	struct nlmsghdr *nlh;
	unsigned seq;
	ssize_t n;
	int r;

	rtnl_request(buf, type, NLM_F_DUMP, sizeof(struct rtgenmsg), &nlh);
	seq = nlh->nlmsg_seq = next_seq();
	if (mnl_socket_sendto(nl, nlh, nlh->nlmsg_len) < 0)
		return err_errno(err, errno, "cannot ask rtnetlink");
	do {
		n = mnl_socket_recvfrom(nl, buf, sizeof(buf));
		if (n < 0)
			return err_errno(err, errno, "rtnetlink");
		/* The rest of a dump that was given up is nobody's. */
		if (!mnl_nlmsg_ok((struct nlmsghdr *)buf, (int)n) ||
		    ((struct nlmsghdr *)buf)->nlmsg_seq != seq) {
			r = MNL_CB_OK;
			continue;
		}
		r = mnl_cb_run(buf, (size_t)n, seq, mnl_socket_get_portid(nl),
			       object, arg);
	} while (r > MNL_CB_STOP);
	return r < 0 ? err_errno(err, errno, "rtnetlink") : 0;
}
