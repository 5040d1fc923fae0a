// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Any bytes as a capture file: packets, then the end or -EBADMSG. The same
 * bytes as the file that a killed capture left, to be sorted.
 */
#include "orchestrator/observe/capture_sort.h"
#include "orchestrator/observe/packet.h"
#include "orchestrator/observe/pcapng.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use(const struct pcapng_reader *r, const struct pcapng_packet *p)
{
	struct packet_info info;

	if (p->interface >= pcapng_interfaces(r))
		abort();
	pcapng_interface_name(r, p->interface);
	packet_parse(p->data, p->captured, &info);
	if (p->comment && strlen(p->comment) > 65535)
		abort();
}

static void read_all(const char *path)
{
	struct pcapng_reader *r = NULL;
	struct err err = ERR_INIT;
	struct pcapng_packet p;
	int ret = pcapng_open(path, &r, &err);

	if (!ret) {
		while ((ret = pcapng_next(r, &p, &err)) == 1)
			use(r, &p);
	}
	if (ret && (ret != -EBADMSG || err.code != EBADMSG))
		abort();
	pcapng_close(r);
}

static void sort_all(const char *path)
{
	struct capture_comment comment = { .text = (char *)"comment" };
	capture_comment_vec comments = { .v = &comment, .n = 1, .cap = 1 };
	char sorted[64];
	struct err err = ERR_INIT;

	snprintf(sorted, sizeof(sorted), "/tmp/fuzz_pcapng.%d", (int)getpid());
	if (!capture_sort(path, sorted, &comments, &err))
		unlink(sorted);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = memfd_create("fuzz_pcapng", MFD_CLOEXEC);
	char path[32];

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	read_all(path);
	sort_all(path);
	close(fd);
	return 0;
}
