/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The built-in probes of one node: a light process that runs all of them,
 * and writes what each of them measured into a file of its own.
 *
 * ping, udp_echo: numbered packets at fixed times. The times of sending are
 * planned from the start (start + k * interval, never "interval after the last
 * one"), so that lateness does not add up, and a packet whose time has passed
 * by is still sent. A reply counts only from the address asked: under NAT, one
 * that comes from the instance's own address would be none to a program either.
 *
 * A process that is stopped (SIGSTOP) for a pause of the run goes on behind it
 * with what is due by the run's clock.
 *
 * The CSV has the header line PROBE_CSV_HEADER; times are CLOCK_MONOTONIC in
 * ns, "" where there is none. A line is written when a packet's reply comes,
 * again for every further copy of the reply (copy 2, 3, ...), and for those
 * without any reply when the probe ends, or 65,536 packets later.
 *
 *   seq       from 0
 *   sent      when it was handed to the kernel
 *   received  when the reply reached the node (the kernel's time stamp)
 *   copy      1 for the first reply, 0 where there was none
 *   error     "" or what the kernel said: a send that failed, or an ICMP
 *             error that named this packet ("unreachable", ...)
 *
 * tcp_stream: one connection, over which the built-in server (serve.h) sends
 * or takes content. The CSV (bins.h) is the receiving side's: of a download the
 * probe writes it, of an upload the server. How the stream ended at the probe
 * is in a file of the same name that ends in ".json" (stream_end.h).
 *
 * tcp_request, http: numbered requests over TCP. The CSV has the header line
 * REQUEST_CSV_HEADER, and a line for each request, when its end is known:
 *
 *   sent        when it was begun
 *   received    when its answer was complete, "" where it never was
 *   error       "" or why it failed
 *   connection  the number of that which it went over, from 1; 0: none
 *   local_port  its port at the probe; 0: it never had one
 *   status      HTTP's; "" where there is none
 *   bytes       of the answer's content
 */
#ifndef OBSERVE_PROBE_H
#define OBSERVE_PROBE_H

#include "base/err.h"
#include "base/ip.h"
#include "orchestrator/observe/pauses.h"
#include "stream/mark.h"

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PROBE_CSV_HEADER "seq,sent_ns,received_ns,copy,error\n"
#define REQUEST_CSV_HEADER                                                     \
	"seq,sent_ns,received_ns,error,connection,local_port,status,bytes\n"
#define PROBE_LINGER_NS                                                        \
	INT64_C(1000000000) /* waits so long for last replies                  \
			     */

#define STREAM_LINGER_NS INT64_C(5000000000) /* and for a stream's end */

enum probe_type {
	PROBE_PING,
	PROBE_UDP_ECHO,
	PROBE_TCP_STREAM,
	PROBE_TCP_REQUEST,
	PROBE_HTTP,
};

/* What a ping or UDP echo probe is to tell of while it runs: one of the two. */
struct probe_watch {
	uint64_t lost_run; /* so many packets in a row have had no answer */
	int64_t rtt_ns; /* an answer took longer, where the last one did not */
	uint32_t tag; /* the caller's name for it */
};
#define PROBE_WATCHES_MAX 8 /* as SCN_PROBE_WAITS_MAX */

struct probe_config {
	uint32_t index; /* goes into every packet's mark */
	enum probe_type type;
	struct ip_addr to;
	/* "web.serval": asked for when the probe begins, for each new
	 * connection and before each packet, where the last answer's TTL is
	 * over; in to's family, and to is what is expected at first. Borrowed;
	 * NULL: to it is. */
	const char *name;
	uint16_t port; /* but for ping */
	int64_t start_mono_ns, for_ns; /* by the run's clock (pauses.h) */
	const struct pauses *pauses; /* of all probes of a process; or NULL */
	/* What was due before this, by the run's clock, is not sent: the node
	 * stood still, or was off. In memory shared with who says so, before
	 * the process goes on; NULL: all is. */
	const int64_t *awake_ns;
	int64_t interval_ns; /* HTTP, 0: one after another */
	uint32_t payload; /* bytes, at least PROBE_MARK_SIZE */
	struct {
		bool upload; /* else download */
		bool mptcp;
		bool verify; /* each byte, and SHA-256 at both ends */
		uint64_t bytes; /* 0: as many as come in for_ns */
		uint64_t rate_bps; /* 0: as fast as it goes */
		uint64_t seed; /* the content follows from it */
	} stream;
	struct {
		bool keep; /* a connection serves many */
		int64_t timeout_ns;
		uint32_t request, response; /* TCP: bytes */
		uint32_t concurrency; /* HTTP */
		const char *path; /* HTTP; borrowed */
		char host[128]; /* HTTP: as the server is called */
	} request;
	char path[128]; /* of its file, ".csv" */
	/* The tags of what has happened are written to tell_fd (a pipe; a full
	 * one is not waited for), 4 bytes each. */
	struct probe_watch watches[PROBE_WATCHES_MAX];
	size_t n_watches;
	bool tells_end; /* that it has ended, as well: by end_tag */
	uint32_t end_tag;
	int tell_fd;
};

/* How late something was done. In ns; count 0: nothing was planned. */
struct probe_lateness {
	uint64_t count;
	int64_t p50_ns, p99_ns, max_ns;
};

/* What a probe tells of itself, in memory that it shares with who asks. */
struct probe_usage {
	bool ended; /* the others are known */
	int status; /* as of a process: 0, all went well */
	int64_t ended_ns; /* CLOCK_MONOTONIC */
	struct probe_lateness late; /* of sending */
	uint64_t skipped; /* were due while the node stood still, or was off */
};

/* A process of probes that gets it writes into the files what is known by then.
 */
#define PROBES_FLUSH SIGUSR1

/* The process's, once it has ended. */
struct probe_process_usage {
	uint32_t flush_wanted; /* counts PROBES_FLUSH; set by who sends it */
	uint32_t flushed; /* the last one that was done */
	bool known;
	int64_t cpu_user_ns, cpu_system_ns, wall_ns;
};

/*
 * The process's main function, called in the node's namespaces. stop_fd: end
 * early at a byte or end of file (what was received is kept; no lingering).
 * SIGTERM does the same, and so does PROBES_CRASH, for which what was under way
 * is told as "crashed" instead of "stopped". Returns an exit status, 0 where
 * all probes ended well; errors go to err_fd as lines. usage: one for each
 * probe; both may be NULL.
 */
#define PROBES_CRASH SIGUSR2
int probes_main(const struct probe_config *configs, size_t n, int stop_fd,
		int err_fd, struct probe_usage *usage,
		struct probe_process_usage *process);

/*
 * A UDP echo server on the port, both families, answering from the address
 * asked. Writes one byte to ready_fd once it is bound, and closes it. Runs
 * until killed.
 */
int echo_main(uint16_t port, int ready_fd, int err_fd);

#endif
