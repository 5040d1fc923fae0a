/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Of salctl only. */
#ifndef APP_SALCTL_FLOW_H
#define APP_SALCTL_FLOW_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

/* salctl.c: what goes wrong is said on standard error. */
bool send_request(FILE *f, const json_t *request);
/* The next line as an object, or NULL; *line is kept for printing it. */
json_t *receive(FILE *f, char **line, size_t *size);

/* salctl_flow.c: return an exit status. */
int salctl_export(FILE *f, json_t *request);
int salctl_import(FILE *f, json_t *request);

#endif
