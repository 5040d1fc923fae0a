/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation
 *
 * Questions to salds that nobody waits for. What answers them may be read while
 * somebody else waits for a sald, in the middle of an action
 * (lab_sald_settle()); so an answer is kept, and told from the event loop. An
 * answer to a question that was forgotten is dropped.
 *
 * lab_tell() tells many salds of a change at once, and is done when all of them
 * have answered.
 */
#include "orchestrator/lab/sald.h"

#include "base/clock.h"

#include <errno.h>

/* ---- single questions --------------------------------------------------- */

static void question_free(struct sald_question *q)
{
	json_decref(q->answer);
	free(q);
}

/* The first that has its answer, taken out; NULL: none has. */
static struct sald_question *take_over(struct lab *lab, struct lab_sald **of)
{
	for (size_t i = 0; i < lab->plan->scenario->nodes.n; i++) {
		struct lab_sald *s = &lab->salds[i];

		for (size_t k = 0; k < s->questions.n; k++) {
			struct sald_question *q = s->questions.v[k];

			if (!q->over)
				continue;
			s->questions.n--;
			for (; k < s->questions.n; k++)
				s->questions.v[k] = s->questions.v[k + 1];
			*of = s;
			return q;
		}
	}
	return NULL;
}

static int on_answers(sd_event_source *source, void *arg)
{
	struct sald_question *q;
	struct lab *lab = arg;
	struct lab_sald *s;

	(void)source;
	while ((q = take_over(lab, &s))) {
		struct err err = q->why;
		int r = err.code ? -err.code :
				   lab_sald_answer_error(q->answer, &err);

		err_wrap(&err, "%s", lab_sald_node(s));
		q->answered(q->arg, r, r ? NULL : q->answer, &err);
		question_free(q);
	}
	return 0;
}

static void be_over(struct lab_sald *s, struct sald_question *q)
{
	q->over = true;
	/* It was made by who asked. */
	sd_event_source_set_enabled(s->lab->answers, SD_EVENT_ONESHOT);
}

void lab_sald_answered(struct lab_sald *s, json_int_t id, json_t *answer)
{
	for (size_t i = 0; i < s->questions.n; i++) {
		struct sald_question *q = s->questions.v[i];

		if (q->id != id || q->over)
			continue;
		q->answer = json_incref(answer);
		be_over(s, q);
		return;
	}
}

void lab_sald_hung_up(struct lab_sald *s)
{
	for (size_t i = 0; i < s->questions.n; i++) {
		struct sald_question *q = s->questions.v[i];

		if (q->over)
			continue;
		err_set(&q->why, ECONNRESET, "sald has hung up");
		be_over(s, q);
	}
}

void lab_sald_forget_all(struct lab_sald *s)
{
	for (size_t i = 0; i < s->questions.n; i++)
		question_free(s->questions.v[i]);
	VEC_FREE(&s->questions);
}

void lab_sald_forget(struct lab *lab, const void *arg)
{
	for (size_t i = 0; i < lab->plan->scenario->nodes.n; i++) {
		struct lab_sald *s = &lab->salds[i];
		size_t n = 0;

		for (size_t k = 0; k < s->questions.n; k++) {
			if (s->questions.v[k]->arg == arg)
				question_free(s->questions.v[k]);
			else
				s->questions.v[n++] = s->questions.v[k];
		}
		s->questions.n = n;
	}
}

static int make_source(struct lab *lab, struct err *err)
{
	int r;

	if (lab->answers)
		return 0;
	r = sd_event_add_defer(lab->event, &lab->answers, on_answers, lab);
	if (r >= 0)
		r = sd_event_source_set_enabled(lab->answers, SD_EVENT_OFF);
	return r < 0 ? err_errno(err, -r, "event loop") : 0;
}

int lab_sald_ask(struct lab *lab, size_t node, json_t *request,
		 lab_answered_fn *answered, void *arg, struct err *err)
{
	struct lab_sald *s = &lab->salds[node];
	struct sald_question *q = calloc(1, sizeof(*q)), **slot = NULL;
	int r = lab_sald_can_be_asked(s, err);

	if (!r)
		r = make_source(lab, err);
	if (!r) {
		slot = q ? VEC_PUSH(&s->questions) : NULL;
		r = slot ? 0 : err_errno(err, ENOMEM, "ask sald");
	}
	if (r) {
		err_wrap(err, "%s", lab_sald_node(s));
		json_decref(request);
		free(q);
		return r;
	}
	*q = (struct sald_question){
		.id = SALD_ASK_FIRST + (json_int_t)lab->asked++,
		.answered = answered,
		.arg = arg,
	};
	*slot = q;
	r = lab_sald_put(s, q->id, request, err);
	if (r) {
		s->questions.n--; /* nothing was sent: it is still the last */
		free(q);
	}
	return r;
}

/* ---- a change, to many ----------------------------------------------------
 */

struct telling;

struct told {
	struct telling *telling;
	size_t op;
	bool over;
};

struct telling {
	struct lab *lab;
	const struct plan_op *ops;
	size_t n, left;
	void (*done)(void *arg, int r, struct err *err);
	void *arg;
	sd_event_source *timer;
	struct err err; /* the first failure */
	struct told *each;
};

struct telling *lab_telling_free(struct telling *t)
{
	if (!t)
		return NULL;
	for (size_t i = 0; i < t->n; i++)
		lab_sald_forget(t->lab, &t->each[i]);
	sd_event_source_disable_unref(t->timer);
	free(t->each);
	free(t);
	return NULL;
}

/* Whoever has crashed, or ended, has no rules to be changed: the first of these
 * learns all of them when it boots. */
static bool is_gone(const struct lab_sald *s)
{
	return (s->fd < 0 && s->ready_fd < 0) || s->ending;
}

static void keep_first(struct telling *t, size_t op, const struct err *why)
{
	char text[1024];

	if (t->err.code || is_gone(&t->lab->salds[t->ops[op].node]))
		return;
	t->err = *why;
	err_wrap(&t->err, "%s",
		 plan_op_text(t->lab->plan, &t->ops[op], text, sizeof(text)));
	err_at(&t->err, t->ops[op].pos);
}

static void end_telling(struct telling *t)
{
	struct err err = t->err;

	t->timer = sd_event_source_disable_unref(t->timer);
	t->done(t->arg, err.code ? -err.code : 0, &err);
}

static void answered(void *arg, int r, json_t *answer, struct err *err)
{
	struct told *told = arg;
	struct telling *t = told->telling;

	(void)answer;
	told->over = true;
	if (r)
		keep_first(t, told->op, err);
	if (!--t->left)
		end_telling(t);
}

static int on_late(sd_event_source *source, uint64_t now_us, void *arg)
{
	struct telling *t = arg;

	(void)source;
	(void)now_us;
	for (size_t i = 0; i < t->n; i++) {
		struct err why = ERR_INIT;

		if (t->each[i].over)
			continue;
		lab_sald_forget(t->lab, &t->each[i]);
		err_set(&why, ETIMEDOUT, "the sald of '%s' does not answer",
			lab_sald_node(&t->lab->salds[t->ops[i].node]));
		keep_first(t, i, &why);
	}
	end_telling(t);
	return 0;
}

int lab_tell(struct lab *lab, const struct plan_op *ops, size_t n,
	     void (*done)(void *arg, int r, struct err *err), void *arg,
	     struct telling **out, struct err *err)
{
	struct telling *t = calloc(1, sizeof(*t));
	int r = 0;

	*out = NULL;
	if (t)
		t->each = calloc(n + 1, sizeof(*t->each));
	if (!t || !t->each) {
		free(t);
		return err_errno(err, ENOMEM, "tell the salds");
	}
	t->lab = lab;
	t->ops = ops;
	t->n = n;
	t->done = done;
	t->arg = arg;
	for (size_t i = 0; i < n && !r; i++) {
		t->each[i] = (struct told){ .telling = t, .op = i };
		if (is_gone(&lab->salds[ops[i].node])) {
			t->each[i].over = true;
			continue;
		}
		r = lab_sald_ask(lab, ops[i].node,
				 lab_sald_request_of(lab, &ops[i]), answered,
				 &t->each[i], err);
		t->left++;
		if (r)
			err_at(err, ops[i].pos);
	}
	if (!r && t->left) {
		r = sd_event_add_time(
			lab->event, &t->timer, CLOCK_MONOTONIC,
			(uint64_t)((clock_mono_ns() + SALD_ANSWER_NS) /
				   NSEC_PER_USEC),
			1, on_late, t);
		r = r < 0 ? err_errno(err, -r, "set a timer") : 0;
	}
	if (r || !t->left)
		lab_telling_free(t);
	else
		*out = t;
	return r;
}
