/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * TAP devices: interfaces of a namespace whose other side is a descriptor.
 *
 * A device belongs to the namespace in which /dev/net/tun was opened, whatever
 * namespace the ioctls are made in; so it is opened in a visit there. It is
 * made without IFF_PERSIST: it lives as long as its descriptor, and nobody has
 * to remove it.
 *
 * Without the virtio header the kernel would cut every segment to the MTU and
 * fill in every checksum before we read it: a tenth of the speed.
 */
#include "orchestrator/kernel/batch.h"

#include "orchestrator/kernel/kns.h"
#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <netlink/addr.h>
#include <netlink/errno.h>
#include <netlink/msg.h>
#include <netlink/route/link.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#define TUN_DEVICE "/dev/net/tun"

/* Linux 6.2; the headers of older distributions lack them. */
#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

/* ---- the device --------------------------------------------------------- */

static int device_open(struct kns *ns, int *out, struct err *err)
{
	CLEANUP_CLOSE int fd = -1;
	int code, r;

	r = kns_enter(ns->kernel, ns, err);
	if (r)
		return r;
	fd = open(TUN_DEVICE, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	code = errno;
	r = kns_enter(ns->kernel, NULL, fd < 0 ? NULL : err);
	if (fd < 0) {
		err_errno(err, code, "open " TUN_DEVICE);
		if (code == EACCES || code == EPERM)
			err_hint(err, "open it for ordinary users: "
				      "chmod 0666 " TUN_DEVICE " as root");
		else if (code == ENOENT || code == ENODEV || code == ENXIO)
			err_hint(err,
				 "load its driver: modprobe tun as root (in a "
				 "container: hand in the device " TUN_DEVICE
				 ")");
		return -code;
	}
	if (r)
		return r;
	*out = TAKE_FD(fd);
	return 0;
}

static int attach(int fd, const char *name, uint32_t ifindex, struct err *err)
{
	struct ifreq request = { .ifr_flags =
					 IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	int code;

	/* Only a device that is not there yet takes it. */
	if (ioctl(fd, TUNSETIFINDEX, &ifindex))
		return err_errno(err, errno, "choose ifindex %u", ifindex);
	strncpy(request.ifr_name, name, sizeof(request.ifr_name) - 1);
	if (!ioctl(fd, TUNSETIFF, &request))
		return 0;
	code = errno;
	err_errno(err, code, "create TAP device %s", name);
	if (code == EPERM)
		err_hint(err, "run as root, or in a user namespace");
	else if (code == EBUSY || code == EEXIST)
		err_hint(err, "its name or its ifindex %u is taken", ifindex);
	return -code;
}

static int set_offloads(int fd, const char *name, struct err *err)
{
	int size = sizeof(struct virtio_net_hdr);
	unsigned flags = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;

	if (ioctl(fd, TUNSETVNETHDRSZ, &size))
		return err_errno(err, errno, "set the header size of %s", name);
	if (ioctl(fd, TUNSETOFFLOAD, flags | TUN_F_USO4 | TUN_F_USO6) &&
	    ioctl(fd, TUNSETOFFLOAD, flags))
		return err_errno(err, errno, "set the offloads of %s", name);
	return 0;
}

int kns_tap_open(struct kns *ns, const char *name, uint32_t ifindex, int *out,
		 struct err *err)
{
	const char *fault = kns_name_fault(name);
	CLEANUP_CLOSE int fd = -1;
	char what[64];
	int r;

	snprintf(what, sizeof(what), "create TAP device %s", name);
	r = kernel_step(ns->kernel, err, what);
	if (r)
		return r;
	if (fault)
		return err_set(err, EINVAL, "%s: %s", what, fault);
	if (!ifindex || ifindex > INT32_MAX)
		return err_set(err, EINVAL, "%s: %u is no ifindex", what,
			       ifindex);
	r = device_open(ns, &fd, err);
	if (!r)
		r = attach(fd, name, ifindex, err);
	if (!r)
		r = set_offloads(fd, name, err);
	if (r)
		return r;
	*out = TAKE_FD(fd);
	return 0;
}

int kns_carrier_sync(struct kns *ns, const char *name, bool *up,
		     struct err *err)
{
	struct ethtool_value value = { .cmd = ETHTOOL_GLINK };
	struct ifreq request = { .ifr_data = (char *)&value };
	CLEANUP_CLOSE int sock = -1;
	int code, r;

	strncpy(request.ifr_name, name, sizeof(request.ifr_name) - 1);
	r = kns_enter(ns->kernel, ns, err);
	if (r)
		return r;
	sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	code = sock < 0 || ioctl(sock, SIOCETHTOOL, &request) ? errno : 0;
	r = kns_enter(ns->kernel, NULL, code ? NULL : err);
	if (code)
		return err_errno(err, code, "ask for the carrier of %s", name);
	*up = value.data != 0;
	return r;
}

/* ---- what netlink tells it ---------------------------------------------- */

static int setup_build(uint32_t ifindex, const struct ktap_setup *setup,
		       struct rtnl_link *link, struct rtnl_link *changes,
		       struct nl_msg **msg)
{
	struct nl_addr *mac = NULL;
	int built;

	rtnl_link_set_ifindex(link, (int)ifindex);
	if (setup->mac) {
		mac = nl_addr_build(AF_LLC, setup->mac, 6);
		if (!mac)
			return -NLE_NOMEM;
		rtnl_link_set_addr(changes, mac);
	}
	if (setup->mtu)
		rtnl_link_set_mtu(changes, setup->mtu);
	if (setup->master)
		rtnl_link_set_master(changes, (int)setup->master);
	if (setup->queue_frames)
		rtnl_link_set_txqlen(changes, setup->queue_frames);
	built = rtnl_link_build_change_request(link, changes, 0, msg);
	nl_addr_put(mac);
	return built;
}

int kbatch_tap_set(struct kbatch *b, size_t tag, uint32_t ifindex,
		   const struct ktap_setup *setup, size_t *failed_tag,
		   struct err *err)
{
	struct rtnl_link *link = rtnl_link_alloc();
	struct rtnl_link *changes = rtnl_link_alloc();
	struct nl_msg *msg = NULL;
	int built = -NLE_NOMEM;
	char what[64];
	int r;

	snprintf(what, sizeof(what), "set up interface %u", ifindex);
	r = kbatch_step(b, tag, what, failed_tag, err);
	if (!r) {
		if (link && changes)
			built = setup_build(ifindex, setup, link, changes,
					    &msg);
		r = kbatch_put(b, tag, what, msg, built, 0, failed_tag, err);
	}
	nlmsg_free(msg);
	rtnl_link_put(changes);
	rtnl_link_put(link);
	return r;
}
