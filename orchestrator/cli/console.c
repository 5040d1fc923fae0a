/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation
 *
 * The console is a child of init, which holds all that is needed to enter a
 * node, and was forked with the owner's standard input: a terminal. It is not
 * the terminal's session that it lives in, so that reading from it and writing
 * to it needs no permission of the shell's job control, and Ctrl-C there still
 * goes to the owner, and ends the run.
 *
 * A program in a node gets a pseudo-terminal of its own as controlling one, or
 * there would be no job control in it, and Ctrl-C would end the run instead of
 * what was typed. What is typed goes there byte for byte (the real terminal is
 * in raw mode meanwhile), what comes from there to the real terminal.
 */
#include "orchestrator/cli/console.h"

#include "base/cleanup.h"
#include "base/diag.h"
#include "base/units.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#define SIZE_POLL_MS 250 /* the terminal's size is not told to us */

struct console {
	struct lab *lab;
	const struct plan *plan;
	int tty;
	FILE *out;
};

/* ---- a program in a node ------------------------------------------------- */

struct program {
	const struct console *console;
	size_t node;
	const char *command; /* NULL: a shell */
	int terminal; /* its pseudo-terminal */
};

static void set_environment(const struct program *p)
{
	const struct scn_node *node =
		&p->console->plan->scenario->nodes.v[p->node];
	CLEANUP_FREE char *socket = NULL, *prompt = NULL, *files = NULL;

	setenv("NODE", node->name, 1);
	if (asprintf(&socket, "%s/sald.sock",
		     lab_node_dir(p->console->lab, p->node)) > 0)
		setenv("SALCTL_SOCKET", socket, 1);
	if (asprintf(&prompt, "%s# ", node->name) > 0)
		setenv("PS1", prompt, 1);
	/* Where its processes work; without any, the record's folder. */
	if (asprintf(&files, "files/%s", node->name) > 0)
		(void)!chdir(files);
}

static int program_main(void *arg, int status_fd)
{
	static const char *const bash[] = { "/bin/bash", "--norc",
					    "--noprofile", "-i", NULL };
	static const char *const sh[] = { "/bin/sh", "-i", NULL };
	const struct program *p = arg;
	const char *const command[] = { "/bin/sh", "-c", p->command, NULL };
	const char *const *argv = p->command		 ? command :
				  !access(bash[0], X_OK) ? bash :
							   sh;

	/* This is the first process of a session (lab_spawn()). */
	if (ioctl(p->terminal, TIOCSCTTY, 0) ||
	    dup2(p->terminal, STDIN_FILENO) < 0 ||
	    dup2(p->terminal, STDOUT_FILENO) < 0 ||
	    dup2(p->terminal, STDERR_FILENO) < 0)
		return 126;
	set_environment(p);
	close(status_fd);
	close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
	execv(argv[0], (char *const *)argv);
	return 127;
}

static void copy_size(int from, int to)
{
	struct winsize now, then;

	if (ioctl(from, TIOCGWINSZ, &now))
		return;
	if (ioctl(to, TIOCGWINSZ, &then) ||
	    memcmp(&now, &then, sizeof(now)) != 0)
		ioctl(to, TIOCSWINSZ, &now);
}

/* Some bytes; false: there are no more. */
static bool pass_on(int from, int to)
{
	char buf[4096];
	ssize_t n = read(from, buf, sizeof(buf));

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return true;
	for (ssize_t at = 0; at < n;) {
		ssize_t k = write(to, buf + at, (size_t)(n - at));

		if (k < 0 && errno != EINTR)
			return false;
		at += k > 0 ? k : 0;
	}
	return n > 0;
}

/* Until nobody has the pseudo-terminal open any more, or the program itself is
 * gone and what it left behind keeps silent. */
static void relay(const struct console *c, int pty, pid_t pid)
{
	struct pollfd fds[] = {
		{ .fd = c->tty, .events = POLLIN },
		{ .fd = pty, .events = POLLIN },
	};

	for (;;) {
		int n;

		copy_size(c->tty, pty);
		n = poll(fds, 2, SIZE_POLL_MS);
		if (n < 0 && errno != EINTR)
			return;
		if (n > 0 && fds[1].revents && !pass_on(pty, c->tty))
			return;
		if (n > 0 && fds[0].revents && !pass_on(c->tty, pty))
			return;
		if (n == 0) {
			siginfo_t info = { .si_pid = 0 };

			if (waitid(P_PID, (id_t)pid, &info,
				   WEXITED | WNOHANG | WNOWAIT) ||
			    info.si_pid)
				return;
		}
	}
}

static int open_pty(int *pty, int *terminal)
{
	char name[64];

	*pty = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (*pty < 0)
		return -errno;
	if (grantpt(*pty) || unlockpt(*pty) ||
	    ptsname_r(*pty, name, sizeof(name)) ||
	    (*terminal = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC)) < 0) {
		int code = errno;

		close(*pty);
		return -code;
	}
	return 0;
}

static void tell_end(const struct console *c, int status)
{
	char name[16];

	if (WIFSIGNALED(status))
		fprintf(c->out, "ended by %s\n",
			units_format_signal(WTERMSIG(status), name,
					    sizeof(name)));
	else if (WEXITSTATUS(status))
		fprintf(c->out, "exit status %d\n", WEXITSTATUS(status));
}

static void run_program(struct console *c, size_t node, const char *command)
{
	struct program p = { .console = c, .node = node, .command = command };
	struct termios cooked, raw;
	struct err err = ERR_INIT;
	int pty, status = 0, r;
	pid_t pid;

	r = open_pty(&pty, &p.terminal);
	if (r) {
		fprintf(c->out, "no pseudo-terminal: %s\n", strerror(-r));
		return;
	}
	copy_size(c->tty, pty);
	fflush(c->out);
	r = lab_spawn(c->lab, node, program_main, &p, NULL, NULL, &pid, &err);
	close(p.terminal);
	if (r < 0) {
		fprintf(c->out, "%s\n", err.msg);
		close(pty);
		return;
	}
	tcgetattr(c->tty, &cooked);
	raw = cooked;
	cfmakeraw(&raw);
	tcsetattr(c->tty, TCSADRAIN, &raw);
	relay(c, pty, pid);
	tcsetattr(c->tty, TCSADRAIN, &cooked);
	close(pty); /* what still has it as terminal is hung up */
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	tell_end(c, status);
}

/* ---- commands ------------------------------------------------------------ */

static void list_nodes(const struct console *c)
{
	const struct scenario *s = c->plan->scenario;

	for (size_t i = 0; i < s->nodes.n; i++) {
		fprintf(c->out, "%-16s %s", s->nodes.v[i].name,
			scn_node_kind_name(s->nodes.v[i].kind));
		for (size_t k = 0; k < c->plan->ifaces.n; k++) {
			const struct plan_iface *f = &c->plan->ifaces.v[k];

			if (f->node != i ||
			    s->nodes.v[i].kind == SCN_NODE_BRIDGE)
				continue;
			fprintf(c->out, "  %s", f->name);
			for (size_t a = 0; a < f->addresses.n; a++) {
				char text[IP_TEXT_MAX];

				fprintf(c->out, " %s",
					ip_format_prefix(&f->addresses.v[a],
							 text, sizeof(text)));
			}
		}
		fputc('\n', c->out);
	}
}

/* The node that the first word of the rest names, which is cut off. */
static size_t take_node(const struct console *c, char **rest)
{
	const struct scenario *s = c->plan->scenario;
	char *name = *rest + strspn(*rest, " \t");
	char *end = name + strcspn(name, " \t");
	size_t node;

	*rest = end + strspn(end, " \t");
	*end = '\0';
	if (!*name) {
		fprintf(c->out, "name a node; 'nodes' lists them\n");
		return SCN_NONE;
	}
	node = scenario_find_node(s, name);
	if (node == SCN_NONE)
		fprintf(c->out, "there is no node '%s'; 'nodes' lists them\n",
			name);
	else if (s->nodes.v[node].kind == SCN_NODE_BRIDGE)
		node = (fprintf(c->out,
				"'%s' is a bridge: nothing runs in "
				"it\n",
				name),
			SCN_NONE);
	return node;
}

static void do_shell(struct console *c, char *rest)
{
	size_t node = take_node(c, &rest);

	if (node != SCN_NONE && *rest)
		fprintf(c->out,
			"a shell takes no command; write 'exec %s %s'\n",
			c->plan->scenario->nodes.v[node].name, rest);
	else if (node != SCN_NONE)
		run_program(c, node, NULL);
}

static void do_exec(struct console *c, char *rest)
{
	size_t node = take_node(c, &rest);

	if (node != SCN_NONE && !*rest)
		fprintf(c->out, "execute what? Write 'exec %s ip address'\n",
			c->plan->scenario->nodes.v[node].name);
	else if (node != SCN_NONE)
		run_program(c, node, rest);
}

static void help(const struct console *c)
{
	fputs("  nodes              the nodes of the lab, and their addresses\n"
	      "  exec NODE CMD...   runs a command line in a node\n"
	      "  shell NODE         opens a shell in a node\n"
	      "  continue           goes on with the run; where that has been\n"
	      "                     played, takes the lab down, and judges it\n"
	      "  quit               takes the lab down, as interrupted\n",
	      c->out);
}

/* True: that was all. */
static bool do_line(struct console *c, char *line, enum console_end *end)
{
	static const char *const words[] = { "nodes",	 "exec", "shell",
					     "continue", "quit", "help" };
	char *word = line + strspn(line, " \t");
	char *rest = word + strcspn(word, " \t\n");
	const char *near;

	if (*rest)
		*rest++ = '\0';
	rest[strcspn(rest, "\n")] = '\0';
	if (!*word)
		return false;
	if (!strcmp(word, "continue")) {
		*end = CONSOLE_CONTINUE;
		return true;
	}
	if (!strcmp(word, "quit")) {
		*end = CONSOLE_QUIT;
		return true;
	}
	if (!strcmp(word, "nodes")) {
		list_nodes(c);
	} else if (!strcmp(word, "exec")) {
		do_exec(c, rest);
	} else if (!strcmp(word, "shell")) {
		do_shell(c, rest);
	} else if (!strcmp(word, "help")) {
		help(c);
	} else {
		near = diag_nearest(word, words,
				    sizeof(words) / sizeof(*words));
		fprintf(c->out, "there is no command '%s'; ", word);
		if (near)
			fprintf(c->out, "did you mean '%s'?\n", near);
		else
			fputs("try 'help'\n", c->out);
	}
	return false;
}

enum console_end console_main(struct lab *lab, const struct plan *plan,
			      void (*before)(FILE *out, void *arg), void *arg)
{
	struct console c = { .lab = lab, .plan = plan };
	enum console_end end = CONSOLE_CONTINUE;
	CLEANUP_FREE char *line = NULL;
	size_t size = 0;
	FILE *in;

	/* Standard output may be a file; the terminal itself is to be read and
	 * written. */
	c.tty = open("/proc/self/fd/0", O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (c.tty < 0)
		c.tty = dup(STDIN_FILENO);
	in = fdopen(dup(c.tty), "r");
	c.out = fdopen(dup(c.tty), "w");
	if (!in || !c.out)
		return CONSOLE_BROKEN;
	setvbuf(in, NULL, _IONBF, 0); /* the rest is for the program */
	setvbuf(c.out, NULL, _IOLBF, 0);
	before(c.out, arg);
	do {
		fputs("paused> ", c.out);
		fflush(c.out);
		clearerr(in);
		if (getline(&line, &size, in) < 0) {
			fputc('\n', c.out);
			break; /* Ctrl-D, or the terminal is gone */
		}
	} while (!do_line(&c, line, &end));
	fclose(c.out);
	fclose(in);
	return end;
}
