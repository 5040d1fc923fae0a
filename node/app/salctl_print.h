/* SPDX-License-Identifier: GPL-2.0-or-later */
/* salctl's answers for people. What is missing in an answer is shown as "-". */
#ifndef APP_SALCTL_PRINT_H
#define APP_SALCTL_PRINT_H

#include <jansson.h>

void print_done(json_t *answer); /* nothing: it went well */
void print_services(json_t *answer);
void print_delayed(json_t *answer);
void print_flows(json_t *answer);
void print_flow(json_t *answer);
void print_interfaces(json_t *answer);
void print_stats(json_t *answer);
void print_policy(json_t *answer);
void print_hello(json_t *answer);
void print_event(json_t *event);
void print_error(json_t *answer); /* on standard error */

#endif
