/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The server. It has an epoll descriptor of its own, so that whoever owns it
 * has one descriptor to watch and no table of clients to keep.
 */
#include "node/control/control.h"
#include "base/cleanup.h"
#include "node/control/client.h"
#include "node/control/command.h"
#include "node/control/json.h"

#include <errno.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/un.h>

#define CLIENTS_MAX 16
#define EVENTS 8 /* handled a dispatch */

struct control {
	struct control_ops ops;
	int epoll_fd, listen_fd;
	struct client *clients[CLIENTS_MAX];
	struct sockaddr_un addr;
};

struct control *control_free(struct control *c)
{
	if (!c)
		return NULL;
	for (size_t i = 0; i < CLIENTS_MAX; i++)
		client_free(c->clients[i]);
	if (c->listen_fd >= 0) {
		close(c->listen_fd);
		unlink(c->addr.sun_path);
	}
	if (c->epoll_fd >= 0)
		close(c->epoll_fd);
	free(c);
	return NULL;
}

static void control_freep(struct control **c)
{
	control_free(*c);
}

/*
 * A socket that nobody listens on any more. Connecting to a file of any other
 * kind is refused too, and that is somebody's file.
 */
static bool is_dead_socket(const struct sockaddr_un *addr)
{
	CLEANUP_CLOSE int fd =
		socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct stat st;

	return fd >= 0 && lstat(addr->sun_path, &st) == 0 &&
	       S_ISSOCK(st.st_mode) &&
	       connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) != 0 &&
	       errno == ECONNREFUSED;
}

static int listen_at(const struct sockaddr_un *addr, struct err *err)
{
	CLEANUP_CLOSE int fd =
		socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	const struct sockaddr *any = (const struct sockaddr *)addr;
	int r;

	if (fd < 0)
		return err_errno(err, errno, "cannot open a socket");
	/* Before bind(): the file has this mode from its first moment on. */
	fchmod(fd, 0600);
	r = bind(fd, any, sizeof(*addr)) ? errno : 0;
	if (r == EADDRINUSE && is_dead_socket(addr)) {
		unlink(addr->sun_path);
		r = bind(fd, any, sizeof(*addr)) ? errno : 0;
	}
	if (r == EADDRINUSE) {
		err_set(err, EADDRINUSE, "%s is in use", addr->sun_path);
		err_hint(err, "another process answers there, or it is no "
			      "socket: choose another path (--control PATH)");
		return -EADDRINUSE;
	}
	if (r)
		return err_errno(err, errno,
				 "cannot bind the control socket %s",
				 addr->sun_path);
	if (listen(fd, CLIENTS_MAX)) {
		r = err_errno(err, errno, "cannot listen at %s",
			      addr->sun_path);
		unlink(addr->sun_path);
		return r;
	}
	return TAKE_FD(fd);
}

static bool watch(struct control *c, int op, int fd, uint32_t events,
		  struct client *client)
{
	struct epoll_event e = { .events = events, .data.ptr = client };

	return epoll_ctl(c->epoll_fd, op, fd, &e) == 0;
}

int control_open(struct control **out, const char *path,
		 const struct control_ops *ops, struct err *err)
{
	CLEANUP(control_freep) struct control *c = calloc(1, sizeof(*c));

	if (!c)
		return err_errno(err, ENOMEM, "the control socket");
	c->ops = *ops;
	c->epoll_fd = c->listen_fd = -1;
	c->addr.sun_family = AF_UNIX;
	if (!path[0] || strlen(path) >= sizeof(c->addr.sun_path))
		return err_set(err, EINVAL,
			       "\"%s\" is no path for a socket: 1 to %zu bytes",
			       path, sizeof(c->addr.sun_path) - 1);
	memcpy(c->addr.sun_path, path, strlen(path));
	c->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (c->epoll_fd < 0)
		return err_errno(err, errno, "the control socket");
	c->listen_fd = listen_at(&c->addr, err);
	if (c->listen_fd < 0)
		return c->listen_fd;
	if (!watch(c, EPOLL_CTL_ADD, c->listen_fd, EPOLLIN, NULL))
		return err_errno(err, errno, "the control socket");
	*out = TAKE_PTR(c);
	return 0;
}

int control_fd(const struct control *c)
{
	return c->epoll_fd;
}

static struct client **find_slot(struct control *c, const struct client *client)
{
	for (size_t i = 0; i < CLIENTS_MAX; i++)
		if (c->clients[i] == client)
			return &c->clients[i];
	return NULL;
}

static void drop(struct control *c, struct client *client)
{
	struct client **slot = find_slot(c, client);

	*slot = client_free(client);
}

static void accept_client(struct control *c)
{
	int fd =
		accept4(c->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct client **slot = find_slot(c, NULL);
	struct client *client;

	if (fd < 0)
		return;
	client = client_new(fd);
	if (!client)
		return;
	if (!slot) {
		char *line = control_refuse(EMFILE, "too many connections");

		if (line && client_put(client, line))
			client_write(client);
		free(line);
		client_free(client);
		return;
	}
	if (!watch(c, EPOLL_CTL_ADD, fd, EPOLLIN, client)) {
		client_free(client);
		return;
	}
	*slot = client;
}

/* While something waits to be written, nothing is read; see client.c. */
static void rewatch(struct control *c, struct client *client)
{
	watch(c, EPOLL_CTL_MOD, client->fd,
	      client_is_writing(client) ? EPOLLOUT : EPOLLIN, client);
}

static void serve(struct control *c, struct client *client, uint32_t events)
{
	bool alive = true, was_writing = client_is_writing(client);

	if (events & EPOLLOUT)
		alive = client_write(client);
	else if (events & EPOLLERR)
		alive = false;
	/* Also after a write: whole lines may be waiting behind the answer. */
	if (alive && !client_is_writing(client))
		alive = client_read(client, &c->ops);
	else if (alive && (events & EPOLLHUP))
		alive = false;
	if (!alive)
		drop(c, client);
	else if (was_writing != client_is_writing(client))
		rewatch(c, client);
}

void control_dispatch(struct control *c)
{
	struct epoll_event events[EVENTS];
	int n = epoll_wait(c->epoll_fd, events, EVENTS, 0);

	for (int i = 0; i < n; i++) {
		if (events[i].data.ptr)
			serve(c, events[i].data.ptr, events[i].events);
		else
			accept_client(c);
	}
}

static bool has_subscribers(const struct control *c)
{
	for (size_t i = 0; i < CLIENTS_MAX; i++)
		if (c->clients[i] && c->clients[i]->subscribed)
			return true;
	return false;
}

/*
 * Consumes o. What cannot be written now is written by control_dispatch(). A
 * connection at its end is only shut down here, which makes it ready for being
 * closed there: this may run inside a command of that very client.
 */
static void tell(struct control *c, json_t *o)
{
	char *line = json_dumps(o, JSON_COMPACT);

	json_decref(o);
	for (size_t i = 0; line && i < CLIENTS_MAX; i++) {
		struct client *client = c->clients[i];

		if (!client || !client->subscribed)
			continue;
		client_put_event(client, line);
		if (!client_write(client))
			shutdown(client->fd, SHUT_RDWR);
		rewatch(c, client);
	}
	free(line);
}

void control_event(struct control *c, const struct sal_event *e)
{
	if (has_subscribers(c))
		tell(c, json_of_event(e));
}

static void add_address(void *to, const struct control_address *a)
{
	json_array_append_new(to, json_of_address(a));
}

void control_listen_event(struct control *c, const struct control_listen *l,
			  bool listens, int64_t now_ns)
{
	char service[SERVICE_ID_TEXT_MAX];

	if (!has_subscribers(c))
		return;
	service_id_format(&l->id, service, sizeof(service));
	tell(c,
	     json_pack("{s:s, s:I, s:s, s:s, s:i}", "event",
		       listens ? "sal.service.listening" : "sal.service.closed",
		       "mono_ns", (json_int_t)now_ns, "service", service,
		       "protocol", l->protocol == IPPROTO_TCP ? "tcp" : "udp",
		       "port", (int)l->port));
}

void control_addresses_event(struct control *c, int64_t now_ns)
{
	json_t *list;

	if (!has_subscribers(c))
		return;
	list = json_array();
	c->ops.addresses(c->ops.arg, add_address, list);
	tell(c, json_pack("{s:s, s:I, s:o}", "event", "sal.addresses",
			  "mono_ns", (json_int_t)now_ns, "interfaces", list));
}
