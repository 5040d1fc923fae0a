/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What native flows add to a flow and to the engine (native.c). */
#ifndef SAL_NATIVE_PARTS_H
#define SAL_NATIVE_PARTS_H

#include "node/sal/native.h"

/* TCP's part of a handshake packet, for its repetitions. */
struct sal_native_segment {
	uint8_t bytes[SAL_NATIVE_SEGMENT_MAX];
	uint8_t len;
};

struct sal_native_part {
	struct service_id local; /* the client's own service */
	bool has_local;
	bool closed; /* the driver has closed it */
	bool moved; /* ADDRESS is to come when the handshake is complete */
	struct sal_native_segment syn, answer;
	/* The path before the move that is under way, on which UDP goes on. */
	struct sal_path before;
	bool has_before;
};

struct sal_native_socket {
	struct sal_listener l;
	uint32_t id; /* as the flow ID of its datagrams */
};

struct sal_native {
	struct sal_native_sink sink;
	bool open;
	struct sal_native_socket *sockets; /* config.max_listeners of them */
	uint32_t socket_count;
	uint32_t may_cross; /* flows in SYN_SENT that have a local service */
};

#endif
