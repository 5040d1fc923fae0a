/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Flows' bytes while they go over the control socket part by part. */
#include "node/app/handoffs.h"
#include "tests/support/sal_world.h"
#include "tests/support/run_suite.h"

#include <errno.h>

/* A number that no flow has, by whoever it may be, leaves what others export.
 */
START_TEST(a_wrong_number_costs_nobody)
{
	struct world *w = world_usual(1);
	struct host *c = world_c(w), *a = world_a(w);
	struct handoffs *h = handoffs_new(a->sal);
	struct control_part part = { .offset = 0 };
	struct err err = ERR_INIT;
	uint32_t id;
	size_t total;

	ck_assert(h);
	host_ping(c, "10.8.0.1", 7, 1, 56);
	world_run_for(w, SEC);
	id = host_flow(a).local_id;
	WORLD_OK(w, !handoffs_step(h, CONTROL_FLOW_HOLD, id, w->now_ns, &err));
	WORLD_OK(w, !handoffs_export(h, id, &part, w->now_ns, &err));
	total = part.total;
	part = (struct control_part){ .offset = 0 };
	WORLD_OK(w,
		 handoffs_export(h, id + 1, &part, w->now_ns, &err) == -EINVAL);
	part = (struct control_part){ .offset = 1 };
	WORLD_OK(w, !handoffs_export(h, id, &part, w->now_ns, &err));
	WORLD_OK(w, part.total == total && part.len == total - 1);
	handoffs_free(h);
	world_free(w);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("sal: handoffs");
	TCase *tc = tcase_create("handoffs");

	tcase_add_test(tc, a_wrong_number_costs_nobody);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
