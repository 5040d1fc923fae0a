/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A namespace exists as long as something refers to it. Nothing here ever has
 * a name (no bind mount under /run/netns): the descriptor in struct kns is the
 * reference, so that a namespace cannot outlive the process, however it ends.
 *
 * The descriptor is asked of a socket (SIOCGSKNS), not opened below /proc:
 * /proc shows what the pid namespace it was mounted in shows, and a lab's init
 * begins its life before it has mounted its own.
 *
 * The calling thread is at home whenever none of these functions runs; only
 * kns_enter() leaves it elsewhere. A thread that cannot come home is lost (it
 * would go on to build the lab in the wrong place), which callers must take
 * as the end.
 */
#include "orchestrator/kernel/kns.h"

#include "orchestrator/kernel/netlink.h"
#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

/* ---- the one for the lab ------------------------------------------------ */

/* The namespace that a socket belongs to: a descriptor or a negative errno. */
static int namespace_of(int sock, struct err *err)
{
	int fd = ioctl(sock, SIOCGSKNS);

	if (fd < 0)
		return err_errno(err, errno, "open the network namespace");
	return fd;
}

int kernel_init(struct kernel *k, uint64_t fail_at, int fail_errno,
		struct err *err)
{
	CLEANUP_CLOSE int sock = -1;

	*k = (struct kernel){
		.home_fd = -1,
		.fail_at = fail_at,
		.fail_errno = fail_errno > 0 ? fail_errno : EIO,
	};
	sock = netlink_open(NETLINK_ROUTE, err);
	if (sock < 0)
		return sock;
	k->home_fd = namespace_of(sock, err);
	return k->home_fd < 0 ? k->home_fd : 0;
}

void kernel_deinit(struct kernel *k)
{
	if (k->home_fd >= 0)
		close(k->home_fd);
	k->home_fd = -1;
}

int kernel_step(struct kernel *k, struct err *err, const char *what)
{
	k->steps++;
	if (k->steps != k->fail_at)
		return 0;
	return err_errno(err, k->fail_errno, "%s: injected failure", what);
}

/* ---- coming and going --------------------------------------------------- */

int kns_enter(struct kernel *k, const struct kns *ns, struct err *err)
{
	if (setns(ns ? ns->fd : k->home_fd, CLONE_NEWNET))
		return err_errno(err, errno, "%s network namespace",
				 ns ? "enter" : "return to the home");
	return 0;
}

int kns_socket(struct kns *ns, int protocol, struct err *err)
{
	CLEANUP_CLOSE int fd = -1;
	int r;

	r = kns_enter(ns->kernel, ns, err);
	if (r)
		return r;
	fd = netlink_open(protocol, err);
	r = kns_enter(ns->kernel, NULL, fd < 0 ? NULL : err);
	if (r)
		return r;
	return TAKE_FD(fd);
}

/* Takes fd over, also where it fails. */
static int rt_adopt(struct kns *ns, int fd, struct err *err)
{
	ns->rt = nl_socket_alloc();
	if (ns->rt && !nl_socket_set_fd(ns->rt, NETLINK_ROUTE, fd))
		return 0;
	close(fd);
	return err_errno(err, ENOMEM, "open rtnetlink socket");
}

int kns_nf_fd(struct kns *ns, struct err *err)
{
	int fd;

	if (ns->nf)
		return mnl_socket_get_fd(ns->nf);
	fd = kns_socket(ns, NETLINK_NETFILTER, err);
	if (fd < 0)
		return fd;
	ns->nf = mnl_socket_fdopen(fd);
	if (!ns->nf) {
		close(fd);
		return err_errno(err, ENOMEM, "open nfnetlink socket");
	}
	return fd;
}

/* ---- life --------------------------------------------------------------- */

static struct kns *kns_alloc(struct kernel *k)
{
	struct kns *ns = calloc(1, sizeof(*ns));

	if (ns)
		*ns = (struct kns){ .kernel = k, .fd = -1 };
	return ns;
}

struct kns *kns_free(struct kns *ns)
{
	if (!ns)
		return NULL;
	if (ns->rt)
		nl_socket_free(ns->rt);
	if (ns->nf)
		mnl_socket_close(ns->nf);
	if (ns->fd >= 0)
		close(ns->fd);
	free(ns);
	return NULL;
}

static void kns_freep(struct kns **ns)
{
	kns_free(*ns);
}

/* Fills in ns from the namespace that the thread is in. */
static int kns_open_here(struct kns *ns, struct err *err)
{
	int sock = netlink_open(NETLINK_ROUTE, err);
	int r;

	if (sock < 0)
		return sock;
	ns->fd = namespace_of(sock, err);
	r = rt_adopt(ns, sock, ns->fd < 0 ? NULL : err);
	return ns->fd < 0 ? ns->fd : r;
}

static int unshare_error(struct err *err, int code)
{
	int r = err_errno(err, code, "create network namespace");

	if (code == ENOSPC)
		err_hint(err, "raise the sysctl user.max_net_namespaces");
	else if (code == EPERM)
		err_hint(err, "run as root, or in a user namespace");
	return r;
}

int kns_new(struct kernel *k, struct kns **out, struct err *err)
{
	CLEANUP(kns_freep) struct kns *ns = NULL;
	int home, r;

	r = kernel_step(k, err, "create network namespace");
	if (r)
		return r;
	ns = kns_alloc(k);
	if (!ns)
		return err_errno(err, ENOMEM, "create network namespace");
	if (unshare(CLONE_NEWNET))
		return unshare_error(err, errno);
	r = kns_open_here(ns, err);
	home = kns_enter(k, NULL, r ? NULL : err);
	if (r || home)
		return r ? r : home;
	*out = TAKE_PTR(ns);
	return 0;
}

int kns_home(struct kernel *k, struct kns **out, struct err *err)
{
	CLEANUP(kns_freep) struct kns *ns = NULL;
	int r;

	r = kernel_step(k, err, "open the home namespace");
	if (r)
		return r;
	ns = kns_alloc(k);
	if (!ns)
		return err_errno(err, ENOMEM, "open the home namespace");
	r = kns_open_here(ns, err);
	if (r)
		return r;
	*out = TAKE_PTR(ns);
	return 0;
}

/* ---- sysctl ------------------------------------------------------------- */

/* Keys come from plans, not from scenarios; still, none leaves net/. */
static bool sysctl_key_ok(const char *key)
{
	return !strncmp(key, "net/", 4) && !strstr(key, "..");
}

static int sysctl_write(const char *path, const char *value)
{
	CLEANUP_CLOSE int fd = open(path, O_WRONLY | O_CLOEXEC);
	size_t len = strlen(value);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = write(fd, value, len);
	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -EIO;
}

int kns_sysctl(struct kns *ns, const char *key, const char *value,
	       struct err *err)
{
	char path[256], what[320];
	int home, r;

	snprintf(what, sizeof(what), "set %s to %s", key, value);
	r = kernel_step(ns->kernel, err, what);
	if (r)
		return r;
	snprintf(path, sizeof(path), "/proc/sys/%s", key);
	if (!sysctl_key_ok(key) || strlen(path) + 1 == sizeof(path))
		return err_errno(err, EINVAL, "%s", what);
	r = kns_enter(ns->kernel, ns, err);
	if (r)
		return r;
	r = sysctl_write(path, value);
	home = kns_enter(ns->kernel, NULL, r ? NULL : err);
	if (r)
		return err_errno(err, -r, "%s", what);
	return home;
}

int kns_ifname(struct kns *ns, uint32_t ifindex, char *name)
{
	/* A socket is asked about the interfaces of its own namespace. */
	struct ifreq req = { .ifr_ifindex = (int)ifindex };

	if (ioctl(nl_socket_get_fd(ns->rt), SIOCGIFNAME, &req))
		return -errno;
	memcpy(name, req.ifr_name, IFNAMSIZ);
	return 0;
}
