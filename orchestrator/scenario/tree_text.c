/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Checks the bytes before anything parses them. libyaml would find most of
 * this as well, but gives no line for it. And it counts lines as YAML 1.1
 * does, with three line breaks from Unicode and the lone carriage return among
 * them: since no editor agrees, every position behind one would be wrong.
 */
#include "base/diag.h"
#include "base/utf8.h"
#include "orchestrator/scenario/tree.h"

#include <string.h>

static bool check_start(struct diag *diag, struct src_pos pos, const char *text,
			size_t len)
{
	if (len >= 2 &&
	    (!memcmp(text, "\xff\xfe", 2) || !memcmp(text, "\xfe\xff", 2))) {
		diag_error(diag, pos, 1, "this file is UTF-16");
		diag_help(diag, "save it as UTF-8");
		return false;
	}
	return true;
}

bool tree_text_check(struct diag *diag, const char *file, const char *text,
		     size_t len)
{
	struct src_pos pos = { .file = file, .line = 1, .col = 1 };
	size_t at = 0;

	if (!check_start(diag, pos, text, len))
		return false;
	if (len >= 3 && !memcmp(text, "\xef\xbb\xbf", 3))
		at = 3;
	while (at < len) {
		uint32_t c;
		size_t n = utf8_decode(text + at, len - at, &c);

		if (!n) {
			diag_error(diag, pos, 1, "byte 0x%02x is not UTF-8",
				   (unsigned char)text[at]);
			diag_help(diag, "save the file as UTF-8");
			return false;
		}
		if (c == 0) {
			diag_error(diag, pos, 1,
				   "a NUL byte: this is not a text file");
			return false;
		}
		if ((c == '\r' && (at + 1 == len || text[at + 1] != '\n')) ||
		    c == 0x85 || c == 0x2028 || c == 0x2029) {
			diag_error(diag, pos, 1,
				   "U+%04X is not taken for the end of a line",
				   c);
			diag_help(diag, "end lines with a line feed; in double "
					"quotes, '\\r' and '\\u2028' write "
					"such characters");
			return false;
		}
		if ((c < 0x20 && c != '\t' && c != '\n' && c != '\r') ||
		    (c >= 0x7f && c < 0xa0) || c == 0xfffe || c == 0xffff ||
		    c == 0xfeff) {
			diag_error(diag, pos, 1,
				   "control character U+%04X in the text", c);
			diag_help(diag,
				  "remove it; in double quotes, "
				  "'\\u%04X' writes it",
				  c);
			return false;
		}
		at += n;
		pos.col++;
		if (c == '\n') {
			pos.line++;
			pos.col = 1;
		}
	}
	return true;
}
