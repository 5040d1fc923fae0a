/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef LAB_INTERNAL_H
#define LAB_INTERNAL_H

#include "orchestrator/lab/lab.h"

struct lab_node {
	struct kns *ns; /* NULL: not built, or a bridge */
	bool lo_up;
	char dir[64]; /* of its /etc files; "" until it has a process */
	bool mourned; /* the undertaker knows of it */
	pid_t reaper; /* init of its pid namespace; 0: it has none */
	int pid_ns, orders; /* -1: none */
	bool frozen;
	void (*emptied)(void *arg); /* called when all processes are gone */
	void *emptied_arg;
};

/* A child of init. */
struct lab_child {
	pid_t pid;
	void (*exited)(void *arg, int wait_status);
	void *exited_arg;
};

/* To a process that can hand over. */
struct lab_order {
	struct handoff *who; /* NULL: nobody waits for the answer any more */
	const char *word;
	unsigned number;
};

/* Somebody waits for a process to become ready, or to end. */
struct lab_watch {
	void (*changed)(void *arg);
	void *arg;
};
typedef VEC(struct lab_watch) lab_watch_vec;

/* What is known of a process of the scenario. */
struct lab_process {
	struct lab *lab;
	size_t index;
	pid_t pid; /* 0: does not run */
	bool ready, started, ending, paused;
	bool restart; /* to be started when it has ended */
	lab_watch_vec watches;
	int64_t ready_deadline_ns;
	int ready_fd; /* echo server: readable once it is bound; or -1 */
	sd_event_source *ready_timer, *grace_timer;
	int handoff_fd; /* to one that can hand over (handoff_talk.c); or -1 */
	sd_event_source *handoff_io;
	VEC(struct lab_order) orders; /* that it has not answered, in order */
	int log[2]; /* the pipe to its log; the lab keeps the writing end */
	long log_read; /* of its log, already searched */
};

/* The last line of a log that was cut, with its MiB. */
#define LAB_LOG_MARK                                                           \
	"\n[servalab: this log ends here, at %u MiB; what was printed "        \
	"after that was not kept]\n"

struct lab_sald; /* sald.c */
struct lab_emulator; /* emulator.c */
struct lab_names; /* names.c */

struct lab {
	const struct plan *plan; /* borrowed */
	sd_event *event; /* borrowed */
	struct lab_options options;
	struct lab_listener listener;
	struct kernel kernel;
	struct kns *home;
	size_t built; /* operations done by lab_build_nodes() */
	struct lab_node *nodes; /* by the scenario's index */
	struct lab_process *processes; /* likewise */
	struct lab_sald *salds; /* likewise */
	struct lab_emulator *emulator;
	struct lab_names *names;
	VEC(struct lab_child) children;
	sd_event_source *sigchld;
	pid_t log_keeper; /* 0: does not run */
	bool logs_stopping;
	int log_told[2]; /* by the keeper */
	_Atomic bool *log_busy; /* the keeper is; shared with it */
	int own_pid_ns; /* init's, for children of its own; -1: not open */
	sd_event_source *answers; /* of salds, to be told (sald_ask.c) */
	uint64_t asked; /* questions so far */
	VEC(struct handoff *) handoffs; /* that are there */
	unsigned handed; /* numbers that orders had so far (handoff_talk.c) */
	char *hosts;
	bool has_names; /* of services: a resolver answers for them */
};

/* process.c */
int lab_processes_init(struct lab *lab, struct err *err);
void lab_processes_deinit(struct lab *lab);
/* Off, or on again and so much later. NULL: nothing. */
void lab_hold_timer(sd_event_source *timer, bool hold, int64_t for_ns);
/* process_child.c: of a fork in the node; what it is to become. */
struct lab_process_arg {
	struct lab_process *process;
	int ready_fd; /* the writing end, of a built-in server */
	int handoff_fd; /* its end, of one that can hand over; -1 */
};
int lab_process_main(void *arg, int status_fd);
/* log.c: what processes print. */
int lab_logs_start(struct lab *lab, struct err *err);
void lab_logs_deinit(struct lab *lab);
void lab_log_path(const struct lab *lab, size_t process, char *path,
		  size_t size);
/* Waits until all that a process printed is in its log (a while at most). */
void lab_log_settle(struct lab *lab, size_t process);
/* node.c: the pid namespace of a node, opened by its first process. */
int lab_node_open(struct lab *lab, size_t node, struct err *err);
/* fork(), into it; -1: errno. */
pid_t lab_node_fork(struct lab *lab, size_t node);
void lab_node_close(struct lab_node *node);
/* sald.c: it is about to be killed with its node. */
void lab_sald_expect_end(struct lab *lab, size_t node);
/* balance.c: bindings of one node that stand next to each other; *next is then
 * behind them, or, on an error, the one that it is about. */
int lab_apply_bindings(struct lab *lab, const struct plan_op *ops, size_t n,
		       size_t first, size_t *next, struct err *err);
/* cut.c */
int lab_cut(struct lab *lab, const struct plan_op *op, struct err *err);
int lab_silence(struct lab *lab, size_t node, struct err *err);
int lab_masquerade(struct lab *lab, const struct plan_op *op, struct err *err);
/*
 * handoff_talk.c: its end of a new socket for orders, owned by the caller; -1:
 * it is none that hands over.
 */
int lab_handoff_prepare(struct lab_process *p, int *theirs, struct err *err);
void lab_handoff_forget(struct lab_process *p);
/* An order that answer is told of by handoff_told(). fd: goes along; -1: none.
 */
int lab_handoff_order(struct lab_process *p, struct handoff *who,
		      const char *word, unsigned number, const char *rest,
		      int fd, struct err *err);
/* handoff.c. From the event loop: what a process says to an order; that it has
 * ended. */
void handoff_told(struct handoff *h, const struct lab_order *o, int r,
		  const struct err *err);
void handoff_lost(struct handoff *h, const struct lab_process *p);
/* All of them stand still, or go on for_ns later. */
void handoff_hold_all(struct lab *lab);
void handoff_release_all(struct lab *lab, int64_t for_ns);
/* children.c */
int lab_children_init(struct lab *lab, struct err *err);
void lab_children_deinit(struct lab *lab);

/* emulator.c, which also keeps what every link's properties are by now. */
int lab_emulator_init(struct lab *lab, struct err *err);
void lab_emulator_deinit(struct lab *lab);
/* Once the emulator runs, it gets the device; the link is down then. */
int lab_tap_open(struct lab *lab, struct kns *ns, size_t iface,
		 struct err *err);
/* Takes it out of its namespace again. */
int lab_tap_close(struct lab *lab, size_t iface, struct err *err);
/* With the TAPs of all emulated links, which it takes over. */
int lab_emulator_start(struct lab *lab, struct err *err);
const struct link_params *lab_link_params(const struct lab *lab, size_t link,
					  size_t end);
int lab_link_change(struct lab *lab, size_t link,
		    const struct scn_link_change *set, struct err *err);
int lab_link_state(struct lab *lab, size_t link, bool up, struct err *err);

/*
 * names.c. What names mean changes at once, in the resolver when
 * lab_names_settle() has returned.
 */
int lab_names_init(struct lab *lab, struct err *err);
void lab_names_deinit(struct lab *lab);
int lab_names_start(struct lab *lab, struct err *err);
/* Its sockets in a node. close: 0 also where there are none. */
int lab_names_open(struct lab *lab, size_t node, struct err *err);
int lab_names_close(struct lab *lab, size_t node, struct err *err);
/* An address of a service's name comes, with its weight (or changes it), or
 * goes. */
int lab_name_change(struct lab *lab, size_t service,
		    const struct ip_addr *address, uint32_t weight, bool add,
		    struct err *err);
int lab_names_settle(struct lab *lab, struct err *err);

/*
 * sald.c. A sald is started at once and waited for when it is first asked
 * for something. A request is under way when lab_sald_request() returns;
 * lab_sald_settle() waits for the answers to all of them. tag: the caller's
 * name for it, handed back for the one that failed (SIZE_MAX: none of them).
 */
struct json_t;
int lab_salds_init(struct lab *lab, struct err *err);
void lab_salds_deinit(struct lab *lab);
int lab_sald_start(struct lab *lab, size_t node, struct err *err);
/* request is stolen; NULL (out of memory) is told as what it is. */
int lab_sald_request(struct lab *lab, size_t node, size_t tag,
		     struct json_t *request, struct err *err);
/* sald_request.c: for an operation on a sald; the caller's. NULL: out of
 * memory.
 */
struct json_t *lab_sald_request_of(const struct lab *lab,
				   const struct plan_op *op);
int lab_sald_settle(struct lab *lab, size_t *failed_tag, struct err *err);
/*
 * sald_ask.c. One question that nobody waits for: its answer is told from the
 * event loop, once, unless it is forgotten before. r: 0, and the answer
 * (borrowed); -EAGAIN where the sald says so; -EPROTO: it refuses otherwise;
 * other negative: there is no answer. request is stolen.
 */
typedef void lab_answered_fn(void *arg, int r, struct json_t *answer,
			     struct err *err);
int lab_sald_ask(struct lab *lab, size_t node, struct json_t *request,
		 lab_answered_fn *answered, void *arg, struct err *err);
/* arg is told of no answer any more. */
void lab_sald_forget(struct lab *lab, const void *arg);

#endif
