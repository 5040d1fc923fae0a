/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel works through all that one sendmsg() brings before that returns,
 * so every answer is in the socket's queue by then, in the order of the
 * requests. Hence only the last request of a buffer asks for an ack: a failed
 * one answers unasked, and a thousand acks would overflow the receive buffer
 * and be lost. And hence, once something failed, the queue is emptied without
 * waiting: the last ack need not come at all then (nfnetlink drops it when the
 * first message of a transaction is refused).
 *
 * Numbers are unique in the process, not only on a socket, so that an answer
 * left over from an exchange that was given up is never taken for another's.
 *
 * The libraries' own loops (nl_recvmsgs, mnl_cb_run) are not used for this:
 * libnl turns errnos into codes of its own, several to one, and neither knows
 * extended acks.
 */
#include "orchestrator/kernel/netlink.h"

#include "base/cleanup.h"
#include "base/clock.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#define ANSWER_TIMEOUT_S 30

/* The kernel fills no more than this at once when it dumps. */
union answer {
	struct nlmsghdr header;
	char bytes[32768];
};

static uint32_t seq_take(uint32_t n)
{
	static _Atomic uint32_t next = 1;

	return atomic_fetch_add_explicit(&next, n, memory_order_relaxed);
}

int netlink_open(int protocol, struct err *err)
{
	struct timeval patience = { .tv_sec = ANSWER_TIMEOUT_S };
	struct sockaddr_nl local = { .nl_family = AF_NETLINK };
	CLEANUP_CLOSE int fd = -1;
	int on = 1;

	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
	if (fd < 0) {
		int r = err_errno(err, errno, "open netlink socket");

		if (r == -EMFILE)
			err_hint(err, "raise the limit of open files "
				      "(ulimit -n)");
		return r;
	}
	if (setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on)) ||
	    setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on)) ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience,
		       sizeof(patience)) ||
	    bind(fd, (struct sockaddr *)&local, sizeof(local)))
		return err_errno(err, errno, "set up netlink socket");
	return TAKE_FD(fd);
}

void netlink_attrs(const void *attrs, size_t len, const struct nlattr **tb,
		   uint16_t max)
{
	const struct nlattr *a = attrs;
	int left = (int)len;

	memset(tb, 0, (max + 1u) * sizeof(*tb));
	while (mnl_attr_ok(a, left)) {
		uint16_t type = mnl_attr_get_type(a);

		if (type <= max)
			tb[type] = a;
		left -= (int)MNL_ALIGN(a->nla_len);
		a = mnl_attr_next(a);
	}
}

void netlink_nested(const struct nlattr *nest, const struct nlattr **tb,
		    uint16_t max)
{
	if (nest)
		netlink_attrs(mnl_attr_get_payload(nest),
			      mnl_attr_get_payload_len(nest), tb, max);
	else
		memset(tb, 0, (max + 1u) * sizeof(*tb));
}

/* ---- answers ------------------------------------------------------------ */

/* The kernel's own words in an extended ack whose attributes begin after skip
 * bytes of the message's payload, or NULL. */
static const char *ext_ack_words(const struct nlmsghdr *nlh, size_t skip)
{
	const struct nlattr *tb[NLMSGERR_ATTR_MSG + 1];
	size_t len = mnl_nlmsg_get_payload_len(nlh);

	skip = MNL_ALIGN(skip);
	if (!(nlh->nlmsg_flags & NLM_F_ACK_TLVS) || skip > len)
		return NULL;
	netlink_attrs(mnl_nlmsg_get_payload_offset(nlh, skip), len - skip, tb,
		      NLMSGERR_ATTR_MSG);
	if (!tb[NLMSGERR_ATTR_MSG] ||
	    mnl_attr_validate(tb[NLMSGERR_ATTR_MSG], MNL_TYPE_NUL_STRING) < 0)
		return NULL;
	return mnl_attr_get_str(tb[NLMSGERR_ATTR_MSG]);
}

static int failure(struct err *err, const char *what, int code,
		   const char *words)
{
	if (!words || !*words)
		return err_errno(err, code, "%s", what);
	return err_set(err, code, "%s: %s: %s", what, strerror(code), words);
}

/* The errno (positive; 0: an ack) of an NLMSG_ERROR; *words the kernel's, or
 * NULL. */
static int error_parse(const struct nlmsghdr *nlh, const char **words)
{
	const struct nlmsgerr *e = mnl_nlmsg_get_payload(nlh);
	size_t skip = sizeof(*e);

	*words = NULL;
	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*e) || e->error > 0 ||
	    e->error < -4095)
		return EBADMSG;
	/* Where the kernel could not leave out what we had sent, the
	 * attributes come after it. */
	if (!(nlh->nlmsg_flags & NLM_F_CAPPED) &&
	    e->msg.nlmsg_len > sizeof(e->msg))
		skip += e->msg.nlmsg_len - sizeof(e->msg);
	*words = ext_ack_words(nlh, skip);
	return -e->error;
}

/*
 * Receives what the kernel (and nobody else) sends next. The length; 0 where
 * there is nothing and flags say not to wait; or a negative errno.
 */
static int answer_recv(int fd, union answer *buf, int flags, int64_t deadline,
		       const char *what, struct err *err)
{
	for (;;) {
		struct sockaddr_nl from = { 0 };
		socklen_t from_len = sizeof(from);
		ssize_t n;

		if (clock_mono_ns() > deadline)
			return err_set(err, ETIMEDOUT,
				       "%s: no answer from the kernel for %d s",
				       what, ANSWER_TIMEOUT_S);
		n = recvfrom(fd, buf, sizeof(*buf), flags | MSG_TRUNC,
			     (struct sockaddr *)&from, &from_len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			if (flags & MSG_DONTWAIT)
				return 0;
			deadline = 0;
			continue;
		}
		if (n < 0 && errno == ENOBUFS)
			return err_set(err, ENOBUFS,
				       "%s: the kernel's answers overflowed "
				       "the receive buffer",
				       what);
		if (n < 0)
			return err_errno(err, errno, "%s: read the answer",
					 what);
		if (n > (ssize_t)sizeof(*buf))
			return err_set(err, EMSGSIZE,
				       "%s: an answer of %zd bytes", what, n);
		if (from_len == sizeof(from) && from.nl_pid == 0 && n > 0)
			return (int)n;
	}
}

static int64_t answer_deadline(void)
{
	return clock_mono_ns() + ANSWER_TIMEOUT_S * NSEC_PER_SEC;
}

static int request_send(int fd, const void *buf, size_t len, const char *what,
			struct err *err)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	ssize_t n;

	do
		n = sendto(fd, buf, len, 0, (struct sockaddr *)&kernel,
			   sizeof(kernel));
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_errno(err, errno, "%s: send to the kernel", what);
	return 0;
}

/* ---- exchanges ---------------------------------------------------------- */

/* Numbers the messages, and asks for an ack of the last. */
static uint32_t requests_number(void *buf, size_t len, size_t last)
{
	struct nlmsghdr *nlh;
	uint32_t first, seq;
	int left = (int)len;
	uint32_t n = 0;

	for (nlh = buf; mnl_nlmsg_ok(nlh, left);
	     nlh = mnl_nlmsg_next(nlh, &left))
		n++;
	first = seq = seq_take(n);
	left = (int)len;
	for (nlh = buf; mnl_nlmsg_ok(nlh, left);
	     nlh = mnl_nlmsg_next(nlh, &left)) {
		nlh->nlmsg_seq = seq;
		nlh->nlmsg_flags |= NLM_F_REQUEST;
		if (seq - first == last)
			nlh->nlmsg_flags |= NLM_F_ACK;
		seq++;
	}
	return first;
}

int netlink_transact(int fd, void *buf, size_t len,
		     const struct netlink_request *requests, size_t last,
		     size_t *failed, struct err *err)
{
	uint32_t first = requests_number(buf, len, last);
	int64_t deadline = answer_deadline();
	const char *what = requests[last].what;
	union answer answer;
	bool answered = false;
	int result = 0;
	int r;

	*failed = SIZE_MAX;
	r = request_send(fd, buf, len, what, err);
	while (!r && !answered) {
		const struct nlmsghdr *nlh = &answer.header;
		int left = answer_recv(fd, &answer, result ? MSG_DONTWAIT : 0,
				       deadline, what, result ? NULL : err);

		if (left <= 0)
			return result ? result : left;
		for (; mnl_nlmsg_ok(nlh, left);
		     nlh = mnl_nlmsg_next(nlh, &left)) {
			uint32_t index = nlh->nlmsg_seq - first;
			const char *words;
			int code;

			/* The one behind the last closes a transaction. */
			if (nlh->nlmsg_type != NLMSG_ERROR || index > last)
				continue;
			answered |= index == last;
			code = error_parse(nlh, &words);
			if (!code || result ||
			    code == requests[index].tolerated)
				continue;
			*failed = index;
			result =
				failure(err, requests[index].what, code, words);
		}
	}
	return r ? r : result;
}

/* What a message of a dump means. */
struct dump {
	const char *what;
	netlink_each_fn *each;
	void *data;
	uint32_t seq;
	bool done, changed, enough;
	int result;
};

static void dump_message(struct dump *d, const struct nlmsghdr *nlh,
			 struct err *err)
{
	const char *words = NULL;
	int code = 0;

	if (nlh->nlmsg_seq != d->seq)
		return;
	if (nlh->nlmsg_flags & NLM_F_DUMP_INTR)
		d->changed = true;
	switch (nlh->nlmsg_type) {
	case NLMSG_NOOP:
		return;
	case NLMSG_ERROR:
		d->done = true;
		code = error_parse(nlh, &words);
		break;
	case NLMSG_DONE:
		d->done = true;
		if (mnl_nlmsg_get_payload_len(nlh) >= sizeof(int)) {
			code = -*(const int *)mnl_nlmsg_get_payload(nlh);
			words = ext_ack_words(nlh, sizeof(int));
		}
		break;
	default:
		if (d->enough)
			return;
		d->result = d->each(nlh, d->data, err);
		d->enough = d->result != 0;
		return;
	}
	if (code > 0 && d->result >= 0) {
		d->result = failure(err, d->what, code, words);
		d->enough = true;
	}
}

int netlink_dump(int fd, struct nlmsghdr *request, const char *what,
		 netlink_each_fn *each, void *data, struct err *err)
{
	struct dump d = { .what = what, .each = each, .data = data };
	int64_t deadline = answer_deadline();
	union answer answer;
	int r;

	request->nlmsg_flags |= NLM_F_REQUEST | NLM_F_DUMP;
	request->nlmsg_seq = d.seq = seq_take(1);
	r = request_send(fd, request, request->nlmsg_len, what, err);
	if (r)
		return r;
	while (!d.done) {
		const struct nlmsghdr *nlh = &answer.header;
		int left = answer_recv(fd, &answer, 0, deadline, what,
				       d.result < 0 ? NULL : err);

		if (left < 0)
			return d.result < 0 ? d.result : left;
		for (; mnl_nlmsg_ok(nlh, left) && !d.done;
		     nlh = mnl_nlmsg_next(nlh, &left))
			dump_message(&d, nlh, err);
	}
	if (d.result < 0)
		return d.result;
	return d.changed;
}
