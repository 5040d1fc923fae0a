/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A living lab: the namespaces of its nodes, and the processes in them. Runs
 * inside the sandbox, in init, which is single-threaded and drives everything
 * from one event loop.
 */
#ifndef LAB_LAB_H
#define LAB_LAB_H

#include "base/err.h"
#include "orchestrator/kernel/kernel.h"
#include "orchestrator/plan/plan.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>
#include <systemd/sd-event.h>

struct lab;
struct json_t; /* jansson's */

/* What a lab tells of; each may be NULL. Called from the event loop. */
struct lab_listener {
	void *arg;
	void (*process_started)(void *arg, size_t process, pid_t pid);
	void (*process_ready)(void *arg, size_t process);
	/* expected: an action, or the end of the run, ended it */
	void (*process_exited)(void *arg, size_t process, int wait_status,
			       bool expected);
	/* Was not ready in time, or ended before it was. */
	void (*process_unready)(void *arg, size_t process,
				const struct err *err);
	/* No more of its log is kept than so many bytes: it has grown to
	 * LAB_LOG_BYTES_MAX (code 0), or could not be written (the errno). */
	void (*log_cut)(void *arg, size_t process, uint64_t kept, int code);
	/* No process's log is kept any more. */
	void (*log_lost)(void *arg, const struct err *err);
	/* As the node's sald tells it (docs/control.md); borrowed. */
	void (*sald_event)(void *arg, size_t node, struct json_t *event);
	/* expected: it was told to end. Else the sockets that depended on it
	 * are closed already: so many. */
	void (*sald_exited)(void *arg, size_t node, int wait_status,
			    bool expected, unsigned closed);
	/* What one end of a link sends: was, and is by now. done_ns:
	 * CLOCK_MONOTONIC, 0: just now. */
	void (*link_changed)(void *arg, size_t link, size_t end,
			     const struct link_params *was,
			     const struct link_params *is, int64_t done_ns);
	void (*emulator_started)(void *arg, pid_t pid, size_t links);
	/* expected: it was told to end. Else every emulated link is gone, with
	 * its interfaces; why is what it said ("" where nothing). */
	void (*emulator_exited)(void *arg, int wait_status, bool expected,
				const char *why);
	/* The resolver of names: from here on nobody answers. */
	void (*names_exited)(void *arg, int wait_status, bool expected);
};

struct lab_options {
	uint64_t fail_at; /* see kernel_step() */
	int fail_errno;
	/* What the programs of the scenario get, whatever the lab itself has */
	struct rlimit file_limit; /* RLIMIT_NOFILE */
	unsigned long timer_slack_ns;
	/* The built-in servers, which live in a layer above. */
	int (*builtin_main)(void *arg, size_t process, int ready_fd,
			    int err_fd);
	void *builtin_arg;
	/* The programs; borrowed. NULL: there is none */
	const char *sald, *resolver;
	int undertaker; /* sandbox_ends.undertaker; borrowed. -1: none */
};

/* plan and event are borrowed. 0 or a negative errno, err naming the place of
 * the topology. */
int lab_new(const struct plan *plan, sd_event *event,
	    const struct lab_options *options,
	    const struct lab_listener *listener, struct lab **out,
	    struct err *err);
struct lab *lab_free(struct lab *lab); /* returns NULL */

/*
 * Carries out operations of the plan, in order, in batches. On failure err
 * names the operation's place in the scenario.
 */
int lab_apply(struct lab *lab, const struct plan_op *ops, size_t n,
	      struct err *err);

/*
 * The same of operations that salds alone are told of (PLAN_OP_SAL_RULE_*), all
 * at once, and without waiting for them: done is told from the event loop when
 * all have answered, or the time for that is over. r: 0 or a negative errno.
 * Salds that are gone by then need not know. *out: NULL where there was nobody
 * to tell, and it is done. ops are borrowed until then.
 */
struct telling;
int lab_tell(struct lab *lab, const struct plan_op *ops, size_t n,
	     void (*done)(void *arg, int r, struct err *err), void *arg,
	     struct telling **out, struct err *err);
struct telling *lab_telling_free(struct telling *t); /* returns NULL */

/* The operations of the plan up to the last that makes a node; then what is
 * left of them. */
int lab_build_nodes(struct lab *lab, struct err *err);
int lab_build(struct lab *lab, struct err *err);

/*
 * Waits until every interface that is up carries packets. 0; -ETIMEDOUT, err
 * naming the interface; -EINTR: interrupt_fd became readable (and was not
 * read).
 */
int lab_wait_ready(struct lab *lab, int interrupt_fd, int64_t timeout_ns,
		   struct err *err);

/* Operations asked of the kernel so far. */
uint64_t lab_steps(const struct lab *lab);

/* A node's network namespace; borrowed. -1: the node is not built. */
int lab_netns(const struct lab *lab, size_t node);

/*
 * In any process of the lab: the undertaker (undertaker.h) keeps a copy of the
 * packet socket fd (borrowed), the one of that key, and lets go of all of them.
 */
bool lab_has_undertaker(const struct lab *lab);
void lab_hold_capture(const struct lab *lab, size_t key, int fd);
void lab_release_captures(const struct lab *lab);

/* Where the files of a node are, such as its sald's socket, as programs in it
 * see them; borrowed. "": nothing was started in it yet. */
const char *lab_node_dir(const struct lab *lab, size_t node);
/*
 * A socket that gets the packets of an interface that match a pcap filter, in
 * and out. A descriptor, owned by the caller; -EINVAL: the filter is wrong.
 */
int lab_open_filter(struct lab *lab, size_t node, uint32_t ifindex,
		    const char *filter, struct err *err);

/*
 * Deletes the conntrack entries of a service at all who hold its rules, but for
 * those of flows to one of these addresses, of its instances. hand_over: the
 * new instance is there already, and answers of the old one that are on their
 * way are still translated, until lab_hand_over_end().
 */
int lab_flush_service(struct lab *lab, size_t service,
		      const struct ip_addr *keep, size_t n_keep, bool hand_over,
		      unsigned *deleted, struct err *err);
int lab_hand_over_end(struct lab *lab, size_t service, struct err *err);

/*
 * Hands a sal service's live TCP connections over from one node's process to
 * another's, which must be ready, and both must serve. It goes on from the
 * event loop, and so do others at the same time. over is told from there, once:
 * 0; LAB_ROLLED_BACK: they go on where they were, err says why not; negative:
 * it failed when there was no way back any more.
 */
#define LAB_ROLLED_BACK 1
struct lab_handoff {
	size_t service, from, to;
	enum scn_handoff_step fail; /* the new process is killed after it */
	/* As timeline_listener's. */
	void (*step)(void *arg, const char *step, const char *field,
		     int64_t value);
	void (*over)(void *arg, int r, struct err *err);
	void *arg;
};
struct handoff;
int lab_handoff_begin(struct lab *lab, const struct lab_handoff *what,
		      struct handoff **out, struct err *err);
/* It is taken back, because of that, unless flows have been given away already:
 * these are taken over. */
void lab_handoff_stop(struct handoff *h, const char *why);
struct handoff *lab_handoff_free(struct handoff *h); /* returns NULL */

/* Of a node: all of them (service SCN_NONE), or those of a service. */
int lab_flush_node(struct lab *lab, size_t node, size_t service,
		   unsigned *deleted, struct err *err);

/*
 * Do all interfaces of the node carry packets, and all of the lab's own? Only
 * those are asked for that counts(arg, ifindex) says yes to: one whose link is
 * down never will. 1, 0, negative errno.
 */
int lab_node_is_ready(struct lab *lab, size_t node,
		      bool (*counts)(void *arg, uint32_t ifindex), void *arg,
		      struct err *err);

/* ---- whole nodes ------------------------------------------------------- */

/*
 * Stops every process of a node (its kernel goes on), until they are let go on:
 * those that were paused before stay so.
 */
int lab_node_stop(struct lab *lab, size_t node, struct err *err);
int lab_node_continue(struct lab *lab, size_t node, struct err *err);
/* All nodes that were stopped go on. */
void lab_continue_all(struct lab *lab);
/*
 * Kills every process of a node. 0: it has none; 1: emptied is called from the
 * event loop when they are gone.
 */
int lab_node_kill(struct lab *lab, size_t node, void (*emptied)(void *arg),
		  void *arg, struct err *err);

/* Tells every sald to end. They have, when lab_salds_run() is false. */
void lab_stop_salds(struct lab *lab);
bool lab_salds_run(const struct lab *lab);

/* Tells the resolver of names to end. */
void lab_stop_names(struct lab *lab);

/* ---- emulated links ------------------------------------------------------ */

/* What the emulator leaves in the current folder. */
#define LAB_LINKS_FILE "links.json"
#define LAB_HISTORY_FILE "links.csv"
#define LAB_FATES_DIR "fates"

/* Has it measure what it can do here (for its file). */
int lab_calibrate_links(struct lab *lab, struct err *err);
/* From now on it counts when frames are late. The same. */
int lab_begin_links(struct lab *lab, struct err *err);
/* Tells it to write its file and end. It has, when lab_emulator_runs() is
 * false. */
void lab_stop_emulator(struct lab *lab);
bool lab_emulator_runs(const struct lab *lab);
/* It ended without having been told to, or does not answer: operations on links
 * fail by -EPIPE, and the listener is told of its end. */
bool lab_emulator_gone(const struct lab *lab);

/* ---- processes --------------------------------------------------------- */

/*
 * Starts a child of init in a node (SCN_NONE: in none), where it calls
 * run(arg, status_fd) and exits with its result; all signals unblocked and at
 * their defaults, in a session of its own. exited is called from the event loop
 * when it has ended.
 *
 * lab_spawn() waits until run has closed status_fd, by hand or by exec: the
 * child is under way then. Where it can't get there, run tells why with
 * lab_child_failed() and returns LAB_CHILD_FAILED, and lab_spawn() fails with
 * the same error (exited is not called).
 */
#define LAB_CHILD_FAILED 127
int lab_spawn(struct lab *lab, size_t node,
	      int (*run)(void *arg, int status_fd), void *arg,
	      void (*exited)(void *exited_arg, int wait_status),
	      void *exited_arg, pid_t *pid, struct err *err);
void lab_child_failed(int status_fd, const struct err *err);
/*
 * The same in no node, without waiting for it: for a child that cannot fail to
 * get under way. status_fd is -1.
 */
int lab_fork(struct lab *lab, int (*run)(void *arg, int status_fd), void *arg,
	     void (*exited)(void *exited_arg, int wait_status),
	     void *exited_arg, pid_t *pid, struct err *err);

/* A process of the scenario. Readiness is told to the listener. */
int lab_start_process(struct lab *lab, size_t process, struct err *err);
/*
 * SIGTERM to its process group, SIGKILL after a grace of 2 s; or that signal.
 * LAB_HAD_ENDED: it had ended by itself, and there was nothing left to do.
 * -ESRCH: it was never started.
 */
#define LAB_HAD_ENDED 1
int lab_stop_process(struct lab *lab, size_t process, struct err *err);
int lab_kill_process(struct lab *lab, size_t process, int signal,
		     struct err *err);
/* SIGSTOP or SIGCONT to its process group. As lab_kill_process(). */
int lab_pause_process(struct lab *lab, size_t process, bool pause,
		      struct err *err);
/*
 * Stops all processes of the scenario, and the time that they have for getting
 * ready or ending; lets them go on for_ns later, but for those that an action
 * had paused or frozen.
 */
void lab_hold(struct lab *lab);
void lab_release(struct lab *lab, int64_t for_ns);
/* Are the node's processes stopped by lab_node_stop()? */
bool lab_node_is_stopped(const struct lab *lab, size_t node);
/* Has changed called, once, when it next becomes ready or ends; as often as
 * this was asked for. */
int lab_watch_process(struct lab *lab, size_t process,
		      void (*changed)(void *arg), void *arg, struct err *err);
bool lab_process_ready(const struct lab *lab, size_t process);
bool lab_process_runs(const struct lab *lab, size_t process);
/*
 * Runs a command in a node, its output (both) appended to a file of the record.
 * ended is called from the event loop with its wait status; killed where it
 * takes longer than the timeout. argv is borrowed until the call returns.
 */
struct lab_command {
	size_t node;
	char *const *argv;
	const char *log; /* "actions/3.log" */
};
int lab_run_command(struct lab *lab, const struct lab_command *c,
		    void (*ended)(void *arg, int wait_status), void *arg,
		    pid_t *pid, struct err *err);
/* Those not yet ready of all that were started. */
size_t lab_processes_unready(const struct lab *lab);
/* Of what a process prints, from all of its starts, the record keeps so much.
 */
#define LAB_LOG_BYTES_MAX (UINT64_C(64) << 20)
/* Once processes have ended: their logs are complete when lab_logs_run() is
 * false. */
void lab_stop_logs(struct lab *lab);
bool lab_logs_run(const struct lab *lab);
/* A program that serves others: it does not keep a run from ending. */
bool lab_process_serves(const struct lab *lab, size_t process);

#endif
