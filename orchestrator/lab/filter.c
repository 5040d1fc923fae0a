/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Packets that match a filter, picked out by the kernel. The filter is attached
 * before the socket is bound, so that nothing else is ever in it.
 */
#include "orchestrator/lab/internal.h"

#include "base/cleanup.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <pcap/pcap.h>
#include <sys/socket.h>
#include <unistd.h>

#define SNAP 65535
#define BUFFER_BYTES (1 << 20) /* more than rmem_max is not given */

static int compile(const char *filter, struct bpf_program *out, struct err *err)
{
	pcap_t *pcap = pcap_open_dead(DLT_EN10MB, SNAP);
	int r = 0;

	if (!pcap)
		return err_errno(err, ENOMEM, "compile the filter");
	if (pcap_compile(pcap, out, filter, 1, PCAP_NETMASK_UNKNOWN))
		r = err_set(err, EINVAL, "filter '%s': %s", filter,
			    pcap_geterr(pcap));
	pcap_close(pcap);
	return r;
}

static int open_socket(struct lab *lab, size_t node, struct err *err)
{
	int r = kns_enter(&lab->kernel, lab->nodes[node].ns, err);
	int fd, code;

	if (r)
		return r;
	/* Protocol 0: it gets nothing until it is bound. */
	fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	code = errno;
	r = kns_enter(&lab->kernel, NULL, fd < 0 ? NULL : err);
	if (fd < 0)
		return err_errno(err, code, "open a packet socket");
	if (r)
		close(fd);
	return r ? r : fd;
}

int lab_open_filter(struct lab *lab, size_t node, uint32_t ifindex,
		    const char *filter, struct err *err)
{
	struct sockaddr_ll to = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = (int)ifindex,
	};
	struct bpf_program program = { 0 };
	struct sock_fprog attach;
	int size = BUFFER_BYTES;
	CLEANUP_CLOSE int fd = -1;
	int r;

	if (!lab->nodes[node].ns)
		return err_set(err, ENOENT, "the node is not built");
	r = compile(filter, &program, err);
	if (r)
		return r;
	fd = open_socket(lab, node, err);
	attach.len = (unsigned short)program.bf_len;
	/* libpcap's instructions are the kernel's. */
	attach.filter = (struct sock_filter *)(void *)program.bf_insns;
	r = fd < 0 ? fd : 0;
	if (!r)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	if (!r && setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &attach,
			     sizeof(attach)))
		r = err_errno(err, errno, "attach the filter");
	if (!r && bind(fd, (struct sockaddr *)&to, sizeof(to)))
		r = err_errno(err, errno, "watch the interface");
	pcap_freecode(&program);
	return r ? r : TAKE_FD(fd);
}
