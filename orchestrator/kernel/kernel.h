/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel, over netlink: network namespaces, and what is done in one.
 *
 * A netlink socket belongs to the namespace in which it was made, for good. So
 * every namespace of a lab is a struct kns with sockets of its own, and no
 * function here but kns_new() and kns_enter() changes the namespace of the
 * calling thread. No policy: names, numbers and order are the caller's.
 *
 * Every request passes kernel_step(), which counts it and can make the k-th
 * one fail: that is how the tests walk every error path there is.
 */
#ifndef KERNEL_KERNEL_H
#define KERNEL_KERNEL_H

#include "base/err.h"
#include "base/ip.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One for the whole lab. */
struct kernel {
	int home_fd; /* the lab's own network namespace */
	uint64_t steps; /* operations asked for so far */
	uint64_t fail_at; /* the step that is made to fail, from 1; 0: none */
	int fail_errno;
};

/*
 * Takes the calling thread's network namespace as home. fail_at: see
 * kernel_step(). 0 or a negative errno.
 */
int kernel_init(struct kernel *k, uint64_t fail_at, int fail_errno,
		struct err *err);
void kernel_deinit(struct kernel *k);

/*
 * To be called before each request to the kernel, with what it is about to do
 * ("create namespace"). Returns 0, or -fail_errno at the step that is to fail.
 */
int kernel_step(struct kernel *k, struct err *err, const char *what);

/* ---- namespaces -------------------------------------------------------- */

struct kns {
	struct kernel *kernel; /* borrowed */
	int fd; /* the namespace; owned */
	struct nl_sock *rt; /* rtnetlink, extended acks on */
	struct mnl_socket *nf; /* nfnetlink, opened when first needed */
};

/* A new network namespace. The thread is at home again when this returns. */
int kns_new(struct kernel *k, struct kns **out, struct err *err);
/* The home namespace as a kns. */
int kns_home(struct kernel *k, struct kns **out, struct err *err);
struct kns *kns_free(struct kns *ns); /* closes all of it; returns NULL */

/* Moves the calling thread into the namespace, or home again (ns NULL). */
int kns_enter(struct kernel *k, const struct kns *ns, struct err *err);

/*
 * Writes a file below /proc/sys/net as seen from ns. Slow (see the lessons on
 * /proc/sys in large labs); only for what netlink cannot set.
 * -ENOENT where this kernel does not have the file.
 */
int kns_sysctl(struct kns *ns, const char *key, const char *value,
	       struct err *err);

/* ---- rtnetlink, in batches --------------------------------------------- */

/*
 * Requests are gathered and sent in as few system calls as the buffers allow,
 * with an ack asked only of the last of each: the kernel works through a batch
 * in order, and answers any that failed by its sequence number. A request that
 * failed does not stop the ones behind it in the same batch, so after an error
 * the namespace is in an unknown state, and the lab is given up.
 *
 * tag: the caller's name for a request (the index of its operation), handed
 * back for the one that failed.
 */
struct kbatch;

/* Batches are bound to one namespace. NULL: out of memory. */
struct kbatch *kbatch_new(struct kns *ns);
struct kbatch *kbatch_free(struct kbatch *b); /* unsent ones are dropped */
/*
 * Sends what is gathered and waits for the answer. On failure err carries the
 * kernel's own words where it gave any, and *failed_tag the first request that
 * failed (SIZE_MAX where it was none of them).
 */
int kbatch_commit(struct kbatch *b, size_t *failed_tag, struct err *err);

/*
 * All of these gather one request, and send a full batch; 0, or as
 * kbatch_commit(). A veth's two ends are made straight in their namespaces,
 * with the given ifindex (0: the kernel's choice; give the two ends different
 * ones), down; a master is the ifindex of a bridge in that end's namespace.
 */
struct kveth_end {
	const struct kns *ns;
	const char *name; /* at most IFNAMSIZ - 1 bytes */
	uint32_t ifindex;
	uint32_t master; /* 0: none. Only for the first end, which must be in
			    the batch's namespace */
	const uint8_t *mac; /* 6 bytes; NULL: the kernel's choice */
};
int kbatch_veth_add(struct kbatch *b, size_t tag, const struct kveth_end *first,
		    const struct kveth_end *peer, uint32_t mtu,
		    size_t *failed_tag, struct err *err);
/* A quiet bridge: no STP, no multicast snooping, no IPv6 of its own. */
int kbatch_bridge_add(struct kbatch *b, size_t tag, const char *name,
		      uint32_t ifindex, size_t *failed_tag, struct err *err);
int kbatch_link_del(struct kbatch *b, size_t tag, uint32_t ifindex,
		    size_t *failed_tag, struct err *err);
/*
 * up: raised without an IPv6 link-local address (the address generation is
 * switched off first), so without router solicitations. Only an interface that
 * forwards IPv6 needs such an address, to be added by kbatch_addr(): the
 * neighbours of a packet that is not the router's own are asked for in its
 * name, or not at all. (Where forwarding is on already, it solicits nothing.)
 */
int kbatch_link_set(struct kbatch *b, size_t tag, uint32_t ifindex, bool up,
		    size_t *failed_tag, struct err *err);
/* Routes over an interface without carrier are ignored (IPv4; for IPv6 there
 * is only the sysctl), and IPv4 forwarding. */
int kbatch_inet_conf(struct kbatch *b, size_t tag, uint32_t ifindex,
		     bool forwarding, bool ignore_linkdown, size_t *failed_tag,
		     struct err *err);
/* Without duplicate address detection. */
int kbatch_addr(struct kbatch *b, size_t tag, bool add, uint32_t ifindex,
		const struct ip_prefix *address, size_t *failed_tag,
		struct err *err);
/* via AF_UNSPEC: on link. metric 0: the default. */
int kbatch_route(struct kbatch *b, size_t tag, bool add,
		 const struct ip_prefix *to, const struct ip_addr *via,
		 uint32_t ifindex, uint32_t metric, size_t *failed_tag,
		 struct err *err);

/* Added, or in the place of the one to the same prefix with that metric. */
int kbatch_route_set(struct kbatch *b, size_t tag, const struct ip_prefix *to,
		     const struct ip_addr *via, uint32_t ifindex,
		     uint32_t metric, size_t *failed_tag, struct err *err);
/* Also of an interface that is up: from Linux 6.2 on; -EBUSY before. */
int kbatch_rename(struct kbatch *b, size_t tag, uint32_t ifindex,
		  const char *name, size_t *failed_tag, struct err *err);
int kbatch_mtu(struct kbatch *b, size_t tag, uint32_t ifindex, uint32_t mtu,
	       size_t *failed_tag, struct err *err);
/* Puts an interface into a bridge, out of any other. */
int kbatch_master(struct kbatch *b, size_t tag, uint32_t ifindex,
		  uint32_t master, size_t *failed_tag, struct err *err);

/*
 * Programs that send to the prefix get an error at once (EHOSTUNREACH) while
 * there is no other route of the same length or a longer one. One that is there
 * already is no failure.
 */
int kbatch_unreachable(struct kbatch *b, size_t tag, const struct ip_prefix *to,
		       size_t *failed_tag, struct err *err);
/*
 * What happens to what an interface sends, by the kernel's own queues: a token
 * bucket (tbf) where there is a rate, netem for the rest, netem before tbf
 * where there are both; in place of any it had, and none where nothing is
 * asked. -ERANGE: a rate that tbf cannot say.
 */
struct kqueue {
	uint64_t rate_bps; /* 0: none */
	uint64_t queue_bytes; /* that wait for it; 0: what is sent in 50 ms */
	uint32_t delay_us, jitter_us; /* uniform, and frames may overtake */
	uint32_t loss_ppb, duplicate_ppb, reorder_ppb, corrupt_ppb;
};
int kbatch_queue(struct kbatch *b, size_t tag, uint32_t ifindex,
		 const struct kqueue *q, size_t *failed_tag, struct err *err);

/* ---- TAP devices -------------------------------------------------------- */

/*
 * Makes a TAP device in ns, with the given ifindex (not 0), down. *fd: its only
 * descriptor, non-blocking, owned by the caller; the device is gone when the
 * last copy of it is closed. What is read and written begins with a struct
 * virtio_net_hdr (10 bytes), and may leave checksums to be filled in and
 * segments of TCP and UDP to be cut, in both directions.
 */
int kns_tap_open(struct kns *ns, const char *name, uint32_t ifindex, int *fd,
		 struct err *err);

/*
 * Has the kernel act at once on a carrier that came or went: routes, messages
 * to whoever listens. By itself it takes up to a second for a device that is
 * no veth (linkwatch, so that a loose plug causes no storm). Asking for the
 * state is what makes it (since Linux 6.8; before that, it stays slow). *up:
 * the state.
 */
int kns_carrier_sync(struct kns *ns, const char *name, bool *up,
		     struct err *err);

/*
 * What is told to a TAP (or another interface) by netlink, in one request.
 * While the queue is full, what the node sends is dropped by the kernel (TAP's
 * tx_dropped), so it has to hold what comes in while the reader is held up.
 */
#define KTAP_QUEUE_FRAMES 10000

struct ktap_setup {
	const uint8_t *mac; /* 6 bytes; NULL: as it is */
	uint32_t mtu; /* 0: as it is */
	uint32_t master; /* ifindex of a bridge in ns; 0: none */
	uint32_t queue_frames; /* 0: as it is (500) */
};
int kbatch_tap_set(struct kbatch *b, size_t tag, uint32_t ifindex,
		   const struct ktap_setup *setup, size_t *failed_tag,
		   struct err *err);

/*
 * Are all interfaces of ns that are up ready to carry packets: operationally
 * up, and forwarding where they are ports of a bridge? Returns 1, 0 (not yet;
 * *ifindex names one that is not, if any) or a negative errno.
 */
int kns_links_ready(struct kns *ns, uint32_t *ifindex, struct err *err);
/* The same of those alone that counts(arg, ifindex) says yes to. */
int kns_links_ready_if(struct kns *ns,
		       bool (*counts)(void *arg, uint32_t ifindex), void *arg,
		       uint32_t *ifindex, struct err *err);
/* Do all IPv6 addresses of ns (but lo's) answer solicitations? The same. */
int kns_addresses_ready(struct kns *ns, uint32_t *ifindex, struct err *err);

/* The name of an interface (at least IFNAMSIZ bytes). -ENODEV: there is none.
 */
int kns_ifname(struct kns *ns, uint32_t ifindex, char *name);

/* Two sockets bound in ns, UDP and listening TCP, owned by the caller. The
 * address need not be there yet. */
int kns_open_server(struct kns *ns, const struct ip_addr *address,
		    uint16_t port, int sockets[2], struct err *err);
/* n UDP sockets in ns that are bound to nothing yet, owned by the caller. */
int kns_open_clients(struct kns *ns, int family, int *sockets, size_t n,
		     struct err *err);

/* Is a socket bound to the port (UDP) or listening on it (TCP) in ns, in
 * either family? protocol: IPPROTO_TCP or IPPROTO_UDP. 1, 0, negative errno. */
int kns_listens(struct kns *ns, int protocol, uint16_t port, struct err *err);

/*
 * Closes, under the hands of whoever has them, the TCP and UDP sockets of ns
 * whose own address lies in one of the n prefixes: their owners get
 * ECONNABORTED. *closed: how many (may be NULL). -EOPNOTSUPP: this kernel
 * cannot (CONFIG_INET_DIAG_DESTROY).
 */
int kns_destroy_sockets(struct kns *ns, const struct ip_prefix *prefixes,
			size_t n, unsigned *closed, struct err *err);

/* All of them, in the network namespace ns_fd (borrowed), by a process that has
 * nothing else to do any more: the thread stays there. */
int kernel_close_sockets(int ns_fd, struct err *err);

/* ---- nftables and conntrack -------------------------------------------- */

/*
 * One table "servalab" (family inet) with the chains "prerouting" and "output"
 * (nat, at dstnat priority), which find the chain of a binding in a map.
 */
int knat_init(struct kns *ns, struct err *err);
int knat_deinit(struct kns *ns, struct err *err);

struct knat_target {
	struct ip_addr to;
	uint32_t weight; /* its share; 0: it gets nothing */
};

struct knat_binding {
	unsigned id; /* unique in ns; names the binding's chain, "s<id>" */
	struct ip_addr from; /* the service's address */
	int protocol; /* IPPROTO_TCP, IPPROTO_UDP; 0: any, then port is 0 too */
	uint16_t port;
	struct ip_addr to; /* the only instance's; AF_UNSPEC: bound to nothing,
			      or to these: */
	const struct knat_target *targets;
	size_t n;
	bool by_source; /* they are chosen by the client's address alone, else
			   by its port (or echo id) as well */
	uint32_t seed; /* what that hash begins with */
};

/* Makes the chains of n bindings and the ways to them, in one transaction. */
int knat_add(struct kns *ns, const struct knat_binding *b, size_t n,
	     struct err *err);
/* Replaces what n bindings do, in one transaction: no packet ever meets a part
 * of it. */
int knat_rebind(struct kns *ns, const struct knat_binding *b, size_t n,
		struct err *err);

/*
 * Tracked flows whose original destination is one of the n addresses (and the
 * port, unless protocol is 0), but for those that were translated to one of
 * keep.
 */
struct kconntrack_flows {
	const struct ip_addr *addrs;
	size_t n;
	int protocol;
	uint16_t port;
	const struct ip_addr *keep;
	size_t n_keep;
};

/* Deletes their entries. Those that vanish meanwhile count as deleted.
 * *deleted: how many (may be NULL). */
int kns_conntrack_flush(struct kns *ns, const struct kconntrack_flows *flows,
			unsigned *deleted, struct err *err);

/*
 * The same, but answers that are on their way to those of UDP and ICMP echo are
 * still translated back, until kns_late_end().
 */
int kns_conntrack_hand_over(struct kns *ns,
			    const struct kconntrack_flows *flows,
			    unsigned *deleted, struct err *err);
int kns_late_end(struct kns *ns, struct err *err);
/* All of them, whatever they are. */
int kns_conntrack_flush_all(struct kns *ns, unsigned *deleted, struct err *err);

/* ---- masquerading -------------------------------------------------------- */

/* What leaves by these interfaces has their address, and a port or ICMP id of
 * this range (0: the one it had, where that is free). Nothing comes in by them
 * for the router itself but ICMP, and answers. */
struct kmasq {
	const uint32_t *ifindexes;
	size_t n;
	uint16_t first_port, last_port;
};
/* One transaction, in place of what was; flows that exist keep their binding
 * until they are forgotten. */
int kmasq_set(struct kns *ns, const struct kmasq *m, struct err *err);
int kmasq_clear(struct kns *ns, struct err *err);

/*
 * The next count packets of the SAL (protocol 144, or in UDP) that come into ns
 * for itself, whose first extension is CONTROL with just these flags, are
 * dropped; in place of what was to be dropped before. One transaction.
 */
int kdrop_set(struct kns *ns, uint8_t flags, uint32_t count, struct err *err);

/* ---- MPTCP ----------------------------------------------------------------
 */

struct kmptcp_endpoint {
	struct ip_addr address;
	uint32_t ifindex; /* that its subflows leave by; 0: as routed */
	bool signal; /* announced; else a subflow is opened from it */
	bool backup; /* used while there is no other */
};
/* How many subflows a connection has beside its first one, and addresses that
 * others announce are taken: 8 at most. */
int kmptcp_limits(struct kns *ns, uint32_t subflows, uint32_t addresses,
		  struct err *err);
/* All: -EOPNOTSUPP: this kernel has no MPTCP. */
int kmptcp_add(struct kns *ns, const struct kmptcp_endpoint *e,
	       struct err *err);
/* Its subflows are closed. */
int kmptcp_del(struct kns *ns, const struct ip_addr *address, struct err *err);

/* ---- cuts ---------------------------------------------------------------- */

struct kcut_group {
	const struct ip_addr *addresses; /* of its nodes, both families */
	size_t n;
	const uint8_t (*macs)[6]; /* of their interfaces */
	size_t n_macs;
};

/*
 * Packets between the groups end here, whoever has sent them on: those whose
 * source and destination are in two of them. In a node of one of the groups
 * (own; SIZE_MAX: it is in none), so does whatever comes from an address, or
 * straight from an interface, of another. What is sent is left alone: a program
 * whose packet was refused would be told, and a wire tells nobody. One
 * transaction; kcut_clear() is one as well, and leaves nothing. Set again, it
 * replaces.
 */
int kcut_set(struct kns *ns, const struct kcut_group *groups, size_t n,
	     size_t own, struct err *err);
int kcut_clear(struct kns *ns, struct err *err);

/* Nothing comes in or goes out by these interfaces, of whatever protocol; their
 * carrier stays. One transaction each. */
int ksilence_set(struct kns *ns, const char *const *names, size_t n,
		 struct err *err);
int ksilence_clear(struct kns *ns, struct err *err);

/* ---- what this kernel has ---------------------------------------------- */

enum kernel_feature {
	KERNEL_USERNS, /* user namespaces for the calling user */
	KERNEL_NETNS,
	KERNEL_PIDNS_PROC, /* a /proc of its own in a new pid namespace */
	KERNEL_VETH,
	KERNEL_BRIDGE,
	KERNEL_NFT_NAT, /* nf_tables with an inet nat chain and conntrack */
	KERNEL_NFT_MASQ, /* masquerading, and filters by conntrack's states */
	KERNEL_MPTCP, /* sockets, and its path manager */
	KERNEL_TUN, /* /dev/net/tun can be opened and makes a device */
	KERNEL_SCH_TBF,
	KERNEL_SCH_NETEM,
	KERNEL_FEATURE_COUNT_,
};

const char *kernel_feature_name(enum kernel_feature f);
/*
 * Tries it, in a child process in namespaces of its own, so that nothing is
 * left behind. True where it works; else why holds the kernel's words.
 */
bool kernel_probe(enum kernel_feature f, struct err *why);

#endif
