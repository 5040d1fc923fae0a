/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The event loop. One thread, one epoll, no allocation per packet.
 *
 * Each wake-up takes a bounded number of packets from each descriptor in turn:
 * a flood on the underlay must not keep the programs on this host, or whoever
 * asks on the control socket, from being served. What is left makes the next
 * wait return at once.
 *
 * The raw sockets are opened first: from then on the kernel does not answer
 * SAL packets with "protocol unreachable". The engine's memory is one mapping,
 * of which only what is used costs anything.
 */
#include "node/app/node_parts.h"
#include "base/cleanup.h"
#include "base/clock.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/signalfd.h>

#define BUDGET 64u /* packets a descriptor and wake-up */
#define MTU_DEFAULT 1500u /* where there is no link yet */
#define FORWARDED_MAX 4096u /* SYNs of which a service router knows where */
#define MONITOR_RETRY_NS (100 * NSEC_PER_MSEC)
#define QUEUE_MIN 500u /* of the TUN, as the kernel has it */
#define QUEUE_MAX 16384u /* more than that is late, not saved */

enum source {
	SOURCE_TUN,
	SOURCE_MONITOR,
	SOURCE_CONTROL,
	SOURCE_SIGNAL,
	SOURCE_ACTIVE,
	SOURCE_UNDERLAY, /* and on: its sockets */
	SOURCE_COUNT_ = SOURCE_UNDERLAY + UNDERLAY_SOCKETS,
};

struct node *node_free(struct node *n)
{
	if (!n)
		return NULL;
	n->control = control_free(n->control);
	active_free(n->active);
	handoffs_free(n->handoffs);
	services_free(n->services);
	netconf_free(n->netconf);
	caps_free(n->caps);
	source_routes_free(n->source_routes);
	monitor_free(n->monitor);
	tun_free(n->tun);
	underlay_free(n->underlay);
	if (n->memory)
		munmap(n->memory, n->memory_size);
	if (n->signal_fd >= 0)
		close(n->signal_fd);
	if (n->epoll_fd >= 0)
		close(n->epoll_fd);
	free(n);
	return NULL;
}

static void node_freep(struct node **n)
{
	node_free(*n);
}

/* ---- out of the engine ------------------------------------------------ */

static void sink_send(void *arg, const struct sal_outer *packet)
{
	struct node *n = arg;

	if (!caps_out(n->caps, packet, n->now_ns))
		underlay_send(n->underlay, packet);
}

/* One whose time has come. */
static void cap_send(void *arg, const struct sal_outer *packet)
{
	struct node *n = arg;

	underlay_send(n->underlay, packet);
}

static void sink_deliver(void *arg, const struct sal_inner *packet)
{
	struct node *n = arg;

	tun_deliver(n->tun, packet);
}

static void sink_event(void *arg, const struct sal_event *event)
{
	struct node *n = arg;

	if (event->kind == SAL_EVENT_SERVICE_EXPIRED &&
	    event->rule.kind == SAL_RULE_DEMUX)
		n->demux_expired = true;
	if (n->control)
		control_event(n->control, event);
}

static bool sink_reaches(void *arg, const struct sal_local_address *from,
			 const struct ip_addr *to)
{
	struct node *n = arg;

	return monitor_reaches(monitor_state(n->monitor), from->ifindex, to);
}

static enum sal_way_why sink_gone(void *arg, const struct ip_addr *addr,
				  uint32_t ifindex)
{
	struct node *n = arg;

	return monitor_why_gone(n->monitor, addr, ifindex);
}

static bool sink_unserved(void *arg, const struct service_id *id)
{
	struct node *n = arg;

	return active_unserved(n->active, id);
}

/* ---- into the engine -------------------------------------------------- */

static void on_inner(void *arg, const struct sal_inner *packet)
{
	struct node *n = arg;

	sal_from_inner(n->sal, packet, n->now_ns);
}

static void on_outer(void *arg, const struct sal_path *path,
		     const struct sal_ip_fields *ip, const uint8_t *bytes,
		     size_t len)
{
	struct node *n = arg;

	if (!caps_in(n->caps, path, ip, bytes, len, n->now_ns))
		sal_from_outer(n->sal, path, ip, bytes, len, n->now_ns);
}

static void cap_receive(void *arg, const struct sal_path *path,
			const struct sal_ip_fields *ip, const uint8_t *bytes,
			size_t len)
{
	struct node *n = arg;

	sal_from_outer(n->sal, path, ip, bytes, len, n->now_ns);
}

static void on_unreachable(void *arg, const struct sal_path *path,
			   const uint8_t *bytes, size_t len)
{
	struct node *n = arg;

	sal_unreachable(n->sal, path, bytes, len, n->now_ns);
}

static void on_path_mtu(void *arg, const struct sal_path *path,
			const uint8_t *bytes, size_t len, uint16_t mtu)
{
	struct node *n = arg;

	sal_path_mtu(n->sal, path, bytes, len, mtu, n->now_ns);
}

static void from_underlay(struct node *n, unsigned socket, uint32_t events)
{
	struct underlay_sink sink = {
		.arg = n,
		.packet = on_outer,
		.unreachable = on_unreachable,
		.path_mtu = on_path_mtu,
	};

	if (events & EPOLLERR)
		underlay_receive_errors(n->underlay, socket, &sink);
	underlay_receive(n->underlay, socket, BUDGET, &sink);
}

void node_tell_addresses(struct node *n)
{
	struct sal_local_address list[MONITOR_ADDRESSES_MAX];
	struct monitor_state s = *monitor_state(n->monitor);

	interfaces_order(&n->interfaces, &s);
	interfaces_fill(&n->interfaces, &s, list);
	sal_set_addresses(n->sal, list, s.n, n->now_ns);
}

/* By index; an interface may have come back as another. */
void node_set_caps(struct node *n)
{
	const struct monitor_state *s = monitor_state(n->monitor);
	struct cap list[CAPS_MAX];
	size_t count = 0;

	for (size_t i = 0; i < s->n && count < CAPS_MAX; i++) {
		uint64_t bps = interfaces_cap_bps(&n->interfaces, s->names[i]);

		if (!bps ||
		    (count && list[count - 1].ifindex == s->list[i].ifindex))
			continue;
		list[count++] = (struct cap){ s->list[i].ifindex, bps };
	}
	/* Without the memory for it, it goes without: better than not at all.
	 */
	caps_set(n->caps, list, count, n->now_ns);
}

static int set_source_routes(struct node *n, struct err *err)
{
	return n->source_routes ?
		       source_routes_set(n->source_routes,
					 monitor_state(n->monitor), err) :
		       0;
}

/* Where it cannot be read now (no memory), it is tried again. */
static void from_monitor(struct node *n)
{
	const struct monitor_state *s = monitor_state(n->monitor);
	unsigned changed;

	if (monitor_dispatch(n->monitor, n->now_ns, &changed, NULL)) {
		n->monitor_retry_ns = n->now_ns + MONITOR_RETRY_NS;
		return;
	}
	n->monitor_retry_ns = monitor_next_ns(n->monitor);
	if (changed || n->source_routes_due) {
		int64_t retry_ns = n->now_ns + MONITOR_RETRY_NS;

		n->source_routes_due = set_source_routes(n, NULL) != 0;
		if (n->source_routes_due && retry_ns < n->monitor_retry_ns)
			n->monitor_retry_ns = retry_ns;
	}
	if (!changed)
		return;
	if (s->mtu)
		netconf_mtu(n->netconf, s->mtu, NULL);
	node_set_caps(n);
	node_tell_addresses(n);
	if (changed & MONITOR_ADDRESSES)
		control_addresses_event(n->control, n->now_ns);
}

/* ---- opening ---------------------------------------------------------- */

static int open_engine(struct node *n, const struct node_config *c,
		       uint16_t mtu, size_t *max_services, struct err *err)
{
	struct sal_sink sink = {
		.arg = n,
		.send = sink_send,
		.deliver = sink_deliver,
		.event = sink_event,
		.reaches = sink_reaches,
		.gone = sink_gone,
	};
	struct sal_config config;
	void *memory;
	int r;

	sal_config_defaults(&config);
	config.inner4 = c->inner4.addr;
	config.inner6 = c->inner6.addr;
	config.mtu = mtu;
	config.encapsulate = c->encapsulate;
	config.max_forwarded = c->service_router ? FORWARDED_MAX : 0;
	config.keepalive_ns = c->keepalive_ns;
	config.liveness_ns = c->liveness_ns;
	config.probe_gap_ns = c->probe_gap_ns;
	config.probe_tries = c->probe_tries;
	config.resend = c->resend;
	if (c->max_names)
		config.max_services = c->max_names;
	if (c->max_flows)
		config.max_flows = c->max_flows;
	config.max_rules = c->max_rules ? c->max_rules : NODE_RULES;
	memcpy(config.key, c->key, sizeof(config.key));
	if (!c->has_key &&
	    getrandom(config.key, sizeof(config.key), 0) != sizeof(config.key))
		return err_errno(err, errno, "cannot get random numbers");
	n->memory_size = sal_memory(&config);
	memory = mmap(NULL, n->memory_size, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (memory == MAP_FAILED)
		return err_errno(err, errno, "cannot get %zu bytes of memory",
				 n->memory_size);
	n->memory = memory;
	*max_services = config.max_services;
	r = sal_init(n->memory, n->memory_size, &config, &sink, n->now_ns,
		     &n->sal);
	if (r)
		return err_errno(err, -r, "the SAL's configuration");
	sal_set_unserved(n->sal, sink_unserved);
	return 0;
}

/* A packet of each conversation: they may all be asked for at once, when they
 * have moved. 0: as the kernel has it. */
static uint32_t queue_of(const struct node_config *c)
{
	if (c->max_flows <= QUEUE_MIN)
		return 0;
	return c->max_flows < QUEUE_MAX ? c->max_flows : QUEUE_MAX;
}

static int open_devices(struct node *n, const struct node_config *c,
			struct err *err)
{
	struct netconf_config net = {
		.inner4 = c->inner4,
		.inner6 = c->inner6,
		.services = c->services,
		.n_services = c->n_services,
		.mtu = MTU_DEFAULT,
		.queue = queue_of(c),
	};
	const struct caps_sink caps_sink = {
		.arg = n,
		.send = cap_send,
		.receive = cap_receive,
	};
	size_t max_services = 0;
	unsigned changed;
	int r = underlay_open(&n->underlay, c->encapsulate, err);

	if (!r)
		r = tun_open(&n->tun, c->tun, err);
	if (!r)
		r = monitor_open(&n->monitor, c->tun, err);
	if (!r)
		r = monitor_dispatch(n->monitor, n->now_ns, &changed, err);
	if (r)
		return r;
	if (monitor_state(n->monitor)->mtu)
		net.mtu = monitor_state(n->monitor)->mtu;
	r = open_engine(n, c,
			net.mtu > UINT16_MAX ? UINT16_MAX : (uint16_t)net.mtu,
			&max_services, err);
	if (!r)
		r = netconf_open(&n->netconf, c->tun, &net, err);
	if (r)
		return r;
	if (c->source_routes) {
		r = source_routes_open(&n->source_routes, c->warn, err);
		/* Anew: the TUN has its routes by now. */
		if (!r)
			r = monitor_dispatch(n->monitor, n->now_ns, &changed,
					     err);
		if (!r)
			r = set_source_routes(n, err);
		if (r)
			return r;
	}
	n->caps = caps_new(&caps_sink);
	n->services = services_new(n->sal, n->netconf, max_services);
	n->handoffs = handoffs_new(n->sal);
	n->active = active_new(n);
	return n->services && n->handoffs && n->caps && n->active ?
		       0 :
		       err_errno(err, ENOMEM, "the services");
}

static int watch(struct node *n, int fd, unsigned source, struct err *err)
{
	struct epoll_event e = { .events = EPOLLIN, .data.u32 = source };

	if (fd >= 0 && epoll_ctl(n->epoll_fd, EPOLL_CTL_ADD, fd, &e))
		return err_errno(err, errno, "epoll");
	return 0;
}

static int watch_all(struct node *n, struct err *err)
{
	int fds[SOURCE_COUNT_] = {
		[SOURCE_TUN] = tun_fd(n->tun),
		[SOURCE_MONITOR] = monitor_fd(n->monitor),
		[SOURCE_CONTROL] = control_fd(n->control),
		[SOURCE_SIGNAL] = n->signal_fd,
		[SOURCE_ACTIVE] = -1, /* node_watch_active() */
	};
	int r = 0;

	for (unsigned i = 0; i < UNDERLAY_SOCKETS; i++)
		fds[SOURCE_UNDERLAY + i] = underlay_fd(n->underlay, i);
	for (unsigned s = 0; s < SOURCE_COUNT_ && !r; s++)
		r = watch(n, fds[s], s, err);
	return r;
}

int node_watch_active(struct node *n, struct err *err)
{
	int r;

	if (n->active_watched || active_fd(n->active) < 0)
		return 0;
	r = watch(n, active_fd(n->active), SOURCE_ACTIVE, err);
	n->active_watched = !r;
	return r;
}

int node_open(struct node **out, const struct node_config *c, struct err *err)
{
	CLEANUP(node_freep) struct node *n = calloc(1, sizeof(*n));
	sigset_t signals;
	int r;

	if (!n)
		return err_errno(err, ENOMEM, "sald");
	n->epoll_fd = n->signal_fd = -1;
	n->now_ns = clock_mono_ns();
	n->monitor_retry_ns = INT64_MAX;
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	n->signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
	n->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (n->signal_fd < 0 || n->epoll_fd < 0)
		return err_errno(err, errno, "sald");
	r = open_devices(n, c, err);
	if (!r)
		r = node_open_control(n, c, err);
	if (!r)
		r = watch_all(n, err);
	if (r)
		return r;
	n->monitor_retry_ns = monitor_next_ns(n->monitor);
	node_tell_addresses(n);
	*out = TAKE_PTR(n);
	return 0;
}

/* ---- running ---------------------------------------------------------- */

static int64_t next_due_ns(const struct node *n)
{
	int64_t due = sal_next_ns(n->sal), cap = caps_next_ns(n->caps);

	due = cap < due ? cap : due;
	if (active_next_ns(n->active) < due)
		due = active_next_ns(n->active);
	return due < n->monitor_retry_ns ? due : n->monitor_retry_ns;
}

static int wait_for_events(struct node *n, struct epoll_event *events)
{
	int64_t due = next_due_ns(n), left = due - clock_mono_ns();
	struct timespec timeout;
	int count;

	if (due == INT64_MAX)
		return epoll_wait(n->epoll_fd, events, SOURCE_COUNT_, -1);
	if (left < 0)
		left = 0;
	timeout.tv_sec = left / NSEC_PER_SEC;
	timeout.tv_nsec = left % NSEC_PER_SEC;
	count = epoll_pwait2(n->epoll_fd, events, SOURCE_COUNT_, &timeout,
			     NULL);
	if (count >= 0 || errno != ENOSYS)
		return count;
	/* Before Linux 5.11, and under valgrind: not before it is due. */
	if (left > INT64_C(1000) * NSEC_PER_SEC)
		left = INT64_C(1000) * NSEC_PER_SEC;
	return epoll_wait(n->epoll_fd, events, SOURCE_COUNT_,
			  (int)((left + NSEC_PER_MSEC - 1) / NSEC_PER_MSEC));
}

static int from_tun(struct node *n, struct err *err)
{
	int r = tun_receive(n->tun, BUDGET, n->now_ns, on_inner, n, err);

	return r < 0 ? r : 0;
}

/*
 * What came before a command is handled before it: a sald that got no CPU for a
 * while would else forget a service first, and then refuse the questions to it
 * that had been waiting. They are taken in this order since the kernel answers
 * pings at once, so that the answers are among what the TUN has then.
 */
static int take_waiting(struct node *n, struct err *err)
{
	for (unsigned i = 0; i < UNDERLAY_SOCKETS; i++)
		if (underlay_fd(n->underlay, i) >= 0)
			from_underlay(n, i, EPOLLIN);
	return from_tun(n, err);
}

/*
 * What became of addresses comes before the packets of programs, whichever was
 * first: a sald that got no CPU while its host moved would else send what had
 * waited from an address that is gone.
 */
static void monitor_first(struct epoll_event *events, int count)
{
	for (int i = 1; i < count; i++)
		if (events[i].data.u32 == SOURCE_MONITOR) {
			struct epoll_event e = events[i];

			memmove(events + 1, events,
				(size_t)i * sizeof(*events));
			events[0] = e;
			return;
		}
}

/* 1: asked to end. */
static int dispatch(struct node *n, const struct epoll_event *e,
		    struct err *err)
{
	int r;

	if (e->data.u32 >= SOURCE_UNDERLAY) {
		from_underlay(n, e->data.u32 - SOURCE_UNDERLAY, e->events);
		return 0;
	}
	switch (e->data.u32) {
	case SOURCE_TUN:
		return from_tun(n, err);
	case SOURCE_MONITOR:
		from_monitor(n);
		return 0;
	case SOURCE_ACTIVE:
		active_ready(n->active);
		return 0;
	case SOURCE_CONTROL:
		r = take_waiting(n, err);
		control_dispatch(n->control);
		return r;
	default: /* SOURCE_SIGNAL */
		return 1;
	}
}

static void tick(struct node *n)
{
	n->demux_expired = false;
	sal_tick(n->sal, n->now_ns);
	/* Not from within the event, as the engine must not be called there. */
	if (n->demux_expired)
		services_sweep(n->services);
}

int node_run(struct node *n, struct err *err)
{
	struct epoll_event events[SOURCE_COUNT_];

	for (;;) {
		int count = wait_for_events(n, events);

		if (count < 0 && errno != EINTR)
			return err_errno(err, errno, "epoll");
		n->now_ns = clock_mono_ns();
		monitor_first(events, count);
		for (int i = 0; i < count; i++) {
			int r = dispatch(n, &events[i], err);

			if (r)
				return r < 0 ? r : 0;
		}
		if (n->now_ns >= n->monitor_retry_ns)
			from_monitor(n);
		if (n->now_ns >= caps_next_ns(n->caps))
			caps_run(n->caps, n->now_ns);
		active_tick(n->active);
		if (n->now_ns >= sal_next_ns(n->sal))
			tick(n);
	}
}
