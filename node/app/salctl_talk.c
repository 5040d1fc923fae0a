/* SPDX-License-Identifier: GPL-2.0-or-later */
/* To sald's control socket and back: a line is a JSON object. */
#include "node/app/salctl_parts.h"

#include "base/cleanup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#define ANSWER_MAX (64u << 20)

FILE *open_socket(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	CLEANUP_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	FILE *f;

	if (strlen(path) >= sizeof(addr.sun_path)) {
		fprintf(stderr, "salctl: %s: the path is too long\n", path);
		return NULL;
	}
	memcpy(addr.sun_path, path, strlen(path));
	if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof(addr))) {
		fprintf(stderr, "salctl: cannot reach sald at %s: %s\n", path,
			strerror(errno));
		if (errno == ENOENT || errno == ECONNREFUSED)
			fprintf(stderr, "help: is sald running? Name its "
					"socket with -c PATH\n");
		return NULL;
	}
	f = fdopen(fd, "r+");
	if (f)
		fd = -1;
	return f;
}

bool send_request(FILE *f, const json_t *request)
{
	char *text = json_dumps(request, JSON_COMPACT);
	bool sent;

	if (!text) {
		fprintf(stderr, "salctl: a word is no UTF-8 text\n");
		return false;
	}
	sent = fprintf(f, "%s\n", text) > 0 && fflush(f) == 0;
	free(text);
	if (!sent)
		perror("salctl: sald");
	return sent;
}

json_t *receive(FILE *f, char **line, size_t *size)
{
	ssize_t len = getline(line, size, f);
	json_error_t problem;
	json_t *o;

	if (len < 0) {
		fprintf(stderr, "salctl: sald closed the connection\n");
		return NULL;
	}
	if ((size_t)len > ANSWER_MAX) {
		fprintf(stderr, "salctl: the answer is too long\n");
		return NULL;
	}
	o = json_loadb(*line, (size_t)len, 0, &problem);
	if (!json_is_object(o)) {
		json_decref(o);
		fprintf(stderr, "salctl: sald's answer is no JSON object\n");
		return NULL;
	}
	return o;
}
