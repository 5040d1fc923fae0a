/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef LAB_INTERNAL_H
#define LAB_INTERNAL_H

#include "orchestrator/lab/lab.h"

struct lab_node {
	struct kns *ns; /* NULL: not built, or a bridge */
	bool lo_up;
	char dir[64]; /* of its /etc files; "" until it has a process */
};

/* A child of init. */
struct lab_child {
	pid_t pid;
	void (*exited)(void *arg, int wait_status);
	void *exited_arg;
};

/* What is known of a process of the scenario. */
struct lab_process {
	struct lab *lab;
	size_t index;
	pid_t pid; /* 0: does not run */
	bool ready, started, ending;
	int64_t ready_deadline_ns;
	int ready_fd; /* echo server: readable once it is bound; or -1 */
	sd_event_source *ready_timer, *grace_timer;
	long log_read; /* of its log, already searched */
};

struct lab {
	const struct plan *plan; /* borrowed */
	sd_event *event; /* borrowed */
	struct lab_options options;
	struct lab_listener listener;
	struct kernel kernel;
	struct kns *home;
	struct lab_node *nodes; /* by the scenario's index */
	struct lab_process *processes; /* likewise */
	VEC(struct lab_child) children;
	sd_event_source *sigchld;
	char *hosts;
};

/* process.c */
int lab_processes_init(struct lab *lab, struct err *err);
void lab_processes_deinit(struct lab *lab);
/* children.c */
int lab_children_init(struct lab *lab, struct err *err);
void lab_children_deinit(struct lab *lab);

#endif
