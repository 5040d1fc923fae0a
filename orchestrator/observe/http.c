/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "orchestrator/observe/http.h"

#include <string.h>
#include <strings.h>

void http_begin(struct http_response *r)
{
	r->state = HTTP_STATUS_LINE;
	r->status = 0;
	r->body = r->left = 0;
	r->close = r->chunked = r->has_length = r->interim = false;
	r->head = r->n = 0;
}

/* ---- lines ----------------------------------------------------------------
 */

/* "HTTP/1.1 200 OK" */
static bool take_status(struct http_response *r)
{
	const char *p = r->line;

	if (r->n < 12 || memcmp(p, "HTTP/1.", 7) != 0 ||
	    (p[7] != '0' && p[7] != '1') || p[8] != ' ')
		return false;
	r->close = p[7] == '0';
	r->status = 0;
	for (size_t i = 9; i < 12; i++) {
		if (p[i] < '0' || p[i] > '9')
			return false;
		r->status = r->status * 10 + (unsigned)(p[i] - '0');
	}
	r->interim = r->status < 200;
	return r->status >= 100 && (r->n == 12 || p[12] == ' ');
}

/* The value of the field of that name, or NULL. */
static const char *field_value(const char *line, const char *name)
{
	size_t len = strlen(name);

	if (strncasecmp(line, name, len) != 0 || line[len] != ':')
		return NULL;
	line += len + 1;
	return line + strspn(line, " \t");
}

/* Is the token in a list of them, by commas? */
static bool has_token(const char *list, const char *token)
{
	size_t len = strlen(token);

	while (*list) {
		list += strspn(list, ", \t");
		if (strncasecmp(list, token, len) == 0 &&
		    strchr(", \t;", list[len]))
			return true; /* the end of the text counts, too */
		list += strcspn(list, ",");
	}
	return false;
}

static bool take_length(struct http_response *r, const char *text)
{
	uint64_t length = 0;
	const char *p = text;

	for (; *p >= '0' && *p <= '9'; p++) {
		if (length > (UINT64_C(1) << 56))
			return false;
		length = length * 10 + (uint64_t)(*p - '0');
	}
	if (p == text || p[strspn(p, " \t")] ||
	    (r->has_length && r->left != length))
		return false;
	r->has_length = true;
	r->left = length;
	return true;
}

static bool take_field(struct http_response *r)
{
	const char *value;

	if (!strchr(r->line, ':') || r->line[0] == ':' ||
	    strlen(r->line) != r->n)
		return false;
	value = field_value(r->line, "content-length");
	if (value)
		return take_length(r, value);
	value = field_value(r->line, "transfer-encoding");
	if (value)
		r->chunked |= has_token(value, "chunked");
	value = field_value(r->line, "connection");
	if (value && has_token(value, "close"))
		r->close = true;
	if (value && has_token(value, "keep-alive"))
		r->close = false;
	return true;
}

static void fields_end(struct http_response *r)
{
	if (r->interim) {
		size_t head = r->head;

		http_begin(r);
		r->head = head; /* there is no end of them otherwise */
	} else if (r->status == 204 || r->status == 304) {
		r->state = HTTP_DONE;
	} else if (r->chunked) {
		r->state = HTTP_CHUNK_SIZE;
	} else if (!r->has_length) {
		r->state = HTTP_BODY_TO_END;
		r->close = true;
	} else {
		r->state = r->left ? HTTP_BODY : HTTP_DONE;
	}
}

static bool take_chunk_size(struct http_response *r)
{
	uint64_t size = 0;
	const char *p = r->line;

	for (; *p; p++) {
		unsigned digit;

		if (*p >= '0' && *p <= '9')
			digit = (unsigned)(*p - '0');
		else if ((*p | 32) >= 'a' && (*p | 32) <= 'f')
			digit = (unsigned)((*p | 32) - 'a') + 10;
		else
			break;
		if (size >> 56)
			return false;
		size = size << 4 | digit;
	}
	if (p == r->line || (*p && !strchr("; \t", *p)))
		return false;
	r->left = size;
	r->head = 0;
	r->state = size ? HTTP_CHUNK : HTTP_TRAILERS;
	return true;
}

static bool take_line(struct http_response *r)
{
	switch (r->state) {
	case HTTP_STATUS_LINE:
		r->state = HTTP_FIELDS;
		return take_status(r);
	case HTTP_FIELDS:
		if (r->n)
			return take_field(r);
		fields_end(r);
		return true;
	case HTTP_CHUNK_SIZE:
		return take_chunk_size(r);
	case HTTP_CHUNK_END:
		r->state = HTTP_CHUNK_SIZE;
		return !r->n;
	case HTTP_TRAILERS:
		if (!r->n)
			r->state = HTTP_DONE;
		return true;
	default:
		return false;
	}
}

/* ---- bytes ----------------------------------------------------------------
 */

static void line_byte(struct http_response *r, uint8_t byte)
{
	static const char begin[] = "HTTP/1.";
	bool good = true;

	r->head++;
	/* Nobody should have to wait for the end of a line that is none. */
	if (r->state == HTTP_STATUS_LINE && r->n < strlen(begin) &&
	    byte != (uint8_t)begin[r->n]) {
		r->state = HTTP_BAD;
		return;
	}
	if (byte == '\n') {
		if (r->n && r->line[r->n - 1] == '\r')
			r->n--;
		r->line[r->n] = '\0';
		good = take_line(r);
		r->n = 0;
	} else {
		good = r->n < HTTP_LINE_MAX - 1 && r->head < HTTP_HEAD_MAX;
		if (good)
			r->line[r->n++] = (char)byte;
	}
	if (!good)
		r->state = HTTP_BAD;
}

static size_t body_bytes(struct http_response *r, size_t n)
{
	if (r->state == HTTP_BODY_TO_END) {
		r->body += n;
		return n;
	}
	if (n > r->left)
		n = (size_t)r->left;
	r->left -= n;
	r->body += n;
	if (!r->left)
		r->state = r->state == HTTP_BODY ? HTTP_DONE : HTTP_CHUNK_END;
	return n;
}

size_t http_feed(struct http_response *r, const uint8_t *data, size_t n)
{
	size_t at = 0;

	while (at < n && r->state != HTTP_DONE && r->state != HTTP_BAD) {
		switch (r->state) {
		case HTTP_BODY:
		case HTTP_BODY_TO_END:
		case HTTP_CHUNK:
			at += body_bytes(r, n - at);
			break;
		default:
			line_byte(r, data[at++]);
		}
	}
	return at;
}

bool http_end(struct http_response *r)
{
	if (r->state == HTTP_BODY_TO_END)
		r->state = HTTP_DONE;
	return r->state == HTTP_DONE;
}
