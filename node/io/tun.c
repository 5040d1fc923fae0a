/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The TUN device, with the virtio header.
 *
 * The header lets the kernel hand over up to 60,000 bytes of a TCP stream as
 * one packet with its checksum left out; a read per segment would spend all the
 * time in system calls (a factor of ten). Segments are cut and summed on the
 * way out to the underlay (segment.c).
 *
 * There is one buffer: the engine is done with a packet when its call returns.
 */
#include "node/io/tun.h"
#include "base/cleanup.h"
#include "node/io/inner.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/uio.h>

#define TUN_DEVICE "/dev/net/tun"
#define TUN_BUFFER_BYTES (sizeof(struct virtio_net_hdr) + 65536)

/* Linux 6.2; the headers of older distributions lack them. */
#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

struct tun {
	int fd;
	uint16_t ip_id;
	char name[IFNAMSIZ];
	uint8_t *buffer;
	struct reassembly *reassembly;
	struct tun_stats stats;
};

struct tun *tun_free(struct tun *t)
{
	if (!t)
		return NULL;
	if (t->fd >= 0)
		close(t->fd);
	if (t->buffer)
		munmap(t->buffer, TUN_BUFFER_BYTES);
	reassembly_free(t->reassembly);
	free(t);
	return NULL;
}

static void tun_freep(struct tun **t)
{
	tun_free(*t);
}

static int open_device(struct err *err)
{
	int fd = open(TUN_DEVICE, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	int code = errno;

	if (fd >= 0)
		return fd;
	err_errno(err, code, "cannot open " TUN_DEVICE);
	if (code == EACCES || code == EPERM)
		err_hint(err, "open it for ordinary users: "
			      "chmod 666 " TUN_DEVICE " as root");
	else
		err_hint(err, "load its driver: modprobe tun as root (in a "
			      "container: hand in the device " TUN_DEVICE ")");
	return -code;
}

static int create(struct tun *t, struct err *err)
{
	struct ifreq request = { .ifr_flags =
					 IFF_TUN | IFF_NO_PI | IFF_VNET_HDR };
	int code;

	memcpy(request.ifr_name, t->name, sizeof(request.ifr_name));
	if (ioctl(t->fd, TUNSETIFF, &request) == 0)
		return 0;
	code = errno;
	err_errno(err, code, "cannot create the TUN device \"%s\"", t->name);
	if (code == EPERM)
		err_hint(err, "this needs CAP_NET_ADMIN in the network "
			      "namespace: be root, or take a namespace of your "
			      "own (unshare --user --map-root-user --net)");
	else if (code == EBUSY)
		err_hint(err, "an interface of this name is there already: "
			      "choose another one (--tun NAME)");
	return -code;
}

static int set_offloads(struct tun *t, struct err *err)
{
	int size = sizeof(struct virtio_net_hdr);
	unsigned flags = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;

	if (ioctl(t->fd, TUNSETVNETHDRSZ, &size))
		return err_errno(err, errno,
				 "cannot set the TUN's header size");
	if (ioctl(t->fd, TUNSETOFFLOAD, flags | TUN_F_USO4 | TUN_F_USO6) &&
	    ioctl(t->fd, TUNSETOFFLOAD, flags))
		return err_errno(err, errno, "cannot set the TUN's offloads");
	return 0;
}

int tun_open(struct tun **out, const char *name, struct err *err)
{
	CLEANUP(tun_freep) struct tun *t = calloc(1, sizeof(*t));
	void *buffer;
	int r;

	if (!t)
		return err_errno(err, ENOMEM, "the TUN device");
	t->fd = -1;
	if (!name[0] || strlen(name) >= sizeof(t->name) || strchr(name, '%'))
		return err_set(err, EINVAL,
			       "\"%s\" is no name for a TUN device: 1 to %zu "
			       "bytes, without %%",
			       name, sizeof(t->name) - 1);
	memcpy(t->name, name, strlen(name));
	t->reassembly = reassembly_new();
	buffer = mmap(NULL, TUN_BUFFER_BYTES, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (buffer == MAP_FAILED || !t->reassembly)
		return err_errno(err, ENOMEM, "the TUN device");
	t->buffer = buffer;
	t->fd = open_device(err);
	if (t->fd < 0)
		return t->fd;
	r = create(t, err);
	if (!r)
		r = set_offloads(t, err);
	if (r)
		return r;
	*out = TAKE_PTR(t);
	return 0;
}

int tun_fd(const struct tun *t)
{
	return t->fd;
}

const char *tun_name(const struct tun *t)
{
	return t->name;
}

const struct tun_stats *tun_stats(const struct tun *t)
{
	return &t->stats;
}

/* False where there is nothing to hand on. */
static bool take_packet(struct tun *t, size_t len, int64_t now_ns,
			struct sal_inner *packet)
{
	struct virtio_net_hdr vnet;
	struct fragment fragment;

	if (len < sizeof(vnet)) {
		t->stats.tun_malformed++;
		return false;
	}
	memcpy(&vnet, t->buffer, sizeof(vnet));
	switch (inner_parse(&vnet, t->buffer + sizeof(vnet), len - sizeof(vnet),
			    packet, &fragment)) {
	case INNER_WHOLE:
		return true;
	case INNER_FRAGMENT:
		t->stats.tun_fragments++;
		packet->segment =
			reassembly_add(t->reassembly, &fragment, now_ns,
				       &packet->len, &t->stats.tun_unassembled);
		return packet->segment != NULL;
	case INNER_MALFORMED:
		break;
	}
	t->stats.tun_malformed++;
	return false;
}

int tun_receive(struct tun *t, unsigned budget, int64_t now_ns,
		void (*packet)(void *arg, const struct sal_inner *p), void *arg,
		struct err *err)
{
	struct sal_inner inner;
	unsigned n;

	for (n = 0; n < budget; n++) {
		ssize_t len = read(t->fd, t->buffer, TUN_BUFFER_BYTES);

		if (len < 0 && (errno == EAGAIN || errno == EINTR))
			break;
		if (len < 0)
			return err_errno(
				err, errno,
				"cannot read from %s (was it deleted?)",
				t->name);
		t->stats.tun_in++;
		if (take_packet(t, (size_t)len, now_ns, &inner))
			packet(arg, &inner);
	}
	return (int)n;
}

void tun_deliver(struct tun *t, const struct sal_inner *p)
{
	uint8_t header[INNER_HEADER_MAX];
	struct virtio_net_hdr vnet;
	size_t len = inner_header(p, t->ip_id++, header, &vnet);
	struct iovec iov[] = {
		{ &vnet, sizeof(vnet) },
		{ header, len },
		{ (void *)(uintptr_t)p->segment, p->len },
	};

	if (!len || writev(t->fd, iov, 3) < 0)
		t->stats.tun_write_failed++;
	else
		t->stats.tun_out++;
}
