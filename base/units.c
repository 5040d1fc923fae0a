/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Quantities are read digit by digit in integers: strtod() would take "1e3",
 * "0x10", "inf" and the locale's decimal comma, and would turn "0.3s" into
 * 299999999 ns on the way through binary.
 */
#include "base/units.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

struct unit {
	const char *name; /* NULL ends a table */
	int64_t size; /* in the smallest one */
};

static const struct unit time_units[] = {
	{ "ns", 1 },
	{ "us", INT64_C(1000) },
	{ "ms", INT64_C(1000000) },
	{ "s", INT64_C(1000000000) },
	{ "min", INT64_C(60000000000) },
	{ "h", INT64_C(3600000000000) },
	{ 0 },
};

static const struct unit rate_units[] = {
	{ "bit", 1 },
	{ "kbit", INT64_C(1000) },
	{ "mbit", INT64_C(1000000) },
	{ "gbit", INT64_C(1000000000) },
	{ 0 },
};

static const struct unit byte_units[] = {
	{ "B", 1 },
	{ "kB", INT64_C(1000) },
	{ "KiB", INT64_C(1024) },
	{ "MB", INT64_C(1000000) },
	{ "MiB", INT64_C(1048576) },
	{ "GB", INT64_C(1000000000) },
	{ 0 },
};

static const struct unit percent_units[] = {
	{ "%", UNITS_PPB_ALL / 100 },
	{ 0 },
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Reads digits into *out; returns where they end, or NULL on overflow. */
static const char *read_digits(const char *s, uint64_t *out)
{
	uint64_t n = 0;

	for (; is_digit(*s); s++) {
		if (__builtin_mul_overflow(n, UINT64_C(10), &n) ||
		    __builtin_add_overflow(n, (uint64_t)(*s - '0'), &n))
			return NULL;
	}
	*out = n;
	return s;
}

int units_parse_uint(const char *text, uint64_t max, uint64_t *out)
{
	uint64_t n;
	const char *end;

	if (!*text || text[strspn(text, "0123456789")])
		return -EINVAL;
	end = read_digits(text, &n);
	if (!end || n > max)
		return -ERANGE;
	*out = n;
	return 0;
}

static const struct unit *find_unit(const struct unit *units, const char *name)
{
	for (const struct unit *u = units; u->name; u++)
		if (!strcmp(u->name, name))
			return u;
	return NULL;
}

/*
 * Adds the decimals [s, end) of one unit. Whatever is finer than the smallest
 * is out of range rather than dropped: the text would not mean what it says.
 */
static int add_decimals(const char *s, const char *end, int64_t unit,
			int64_t *sum)
{
	unsigned __int128 part = 0, scale = 1;

	while (end > s && end[-1] == '0')
		end--;
	if (end - s > 18)
		return -ERANGE;
	for (; s < end; s++) {
		part = part * 10 + (unsigned)(*s - '0');
		scale *= 10;
	}
	part *= (uint64_t)unit;
	if (part % scale)
		return -ERANGE;
	return __builtin_add_overflow(*sum, (int64_t)(part / scale), sum) ?
		       -ERANGE :
		       0;
}

static int parse_quantity(const char *text, const struct unit *units,
			  int64_t *out)
{
	const char *whole = text, *p = text + strspn(text, "0123456789");
	const char *decimals = p, *decimals_end = p;
	const struct unit *unit;
	uint64_t n;
	int64_t total;

	if (p == whole)
		return -EINVAL;
	if (*p == '.') {
		decimals = p + 1;
		p = decimals_end = decimals + strspn(decimals, "0123456789");
		if (decimals == decimals_end)
			return -EINVAL;
	}
	for (const char *c = p; *c; c++)
		if ((*c < 'a' || *c > 'z') && (*c < 'A' || *c > 'Z') &&
		    *c != '%')
			return -EINVAL;
	unit = find_unit(units, p);
	if (!unit)
		return -ENOKEY;
	if (!read_digits(whole, &n) || n > INT64_MAX ||
	    __builtin_mul_overflow((int64_t)n, unit->size, &total))
		return -ERANGE;
	if (add_decimals(decimals, decimals_end, unit->size, &total))
		return -ERANGE;
	*out = total;
	return 0;
}

int units_parse_duration_ns(const char *text, int64_t *ns)
{
	return parse_quantity(text, time_units, ns);
}

int units_parse_rate_bps(const char *text, int64_t *bps)
{
	return parse_quantity(text, rate_units, bps);
}

int units_parse_bytes(const char *text, int64_t *bytes)
{
	return parse_quantity(text, byte_units, bytes);
}

int units_parse_percent_ppb(const char *text, int64_t max_ppb, int64_t *ppb)
{
	int64_t n;
	int r = parse_quantity(text, percent_units, &n);

	if (!r && n > max_ppb)
		r = -ERANGE;
	if (!r)
		*ppb = n;
	return r;
}

/* n / scale, rounded to `decimals` places, without trailing zeros. */
static void format_scaled(uint64_t n, uint64_t scale, unsigned decimals,
			  const char *sign, const char *unit, char *buf,
			  size_t size)
{
	uint64_t pow = 1, step, whole, rest;

	for (unsigned i = 0; i < decimals; i++)
		pow *= 10;
	step = scale / pow;
	whole = n / scale;
	rest = (n % scale + step / 2) / step;
	if (rest == pow) {
		whole++;
		rest = 0;
	}
	while (decimals && rest % 10 == 0) {
		rest /= 10;
		decimals--;
	}
	if (decimals)
		snprintf(buf, size, "%s%llu.%0*llu %s", sign,
			 (unsigned long long)whole, (int)decimals,
			 (unsigned long long)rest, unit);
	else
		snprintf(buf, size, "%s%llu %s", sign,
			 (unsigned long long)whole, unit);
}

struct scale {
	uint64_t scale;
	const char *name;
};

/* Three significant digits, and all of those before the point. The scales go
 * up by thousands. */
static void format_three(int64_t v, const struct scale *scales, size_t n_scales,
			 char *buf, size_t size)
{
	const char *sign = v < 0 ? "-" : "";
	uint64_t n = v < 0 ? -(uint64_t)v : (uint64_t)v;
	uint64_t scale;
	size_t i = 0;

	/* What would be rounded up to 1000 belongs to the next unit. */
	while (i + 1 < n_scales &&
	       n >= scales[i].scale * 1000 - scales[i].scale / 2)
		i++;
	scale = scales[i].scale;
	format_scaled(n, scale,
		      scale == 1 || n >= 100 * scale ? 0 :
		      n >= 10 * scale		     ? 1 :
						       2,
		      sign, scales[i].name, buf, size);
}

const char *units_format_duration(int64_t ns, char *buf, size_t size)
{
	static const struct scale scales[] = {
		{ 1, "ns" },
		{ 1000, "us" },
		{ 1000000, "ms" },
		{ 1000000000, "s" },
	};

	if (!ns)
		snprintf(buf, size, "0 s");
	else
		format_three(ns, scales, 4, buf, size);
	return buf;
}

const char *units_format_rate(int64_t bps, char *buf, size_t size)
{
	static const struct scale scales[] = {
		{ 1, "bit/s" },
		{ 1000, "kbit/s" },
		{ 1000000, "Mbit/s" },
		{ 1000000000, "Gbit/s" },
	};

	format_three(bps, scales, 4, buf, size);
	return buf;
}

const char *units_format_bytes(int64_t bytes, char *buf, size_t size)
{
	static const struct scale scales[] = {
		{ 1, "B" },
		{ 1000, "kB" },
		{ 1000000, "MB" },
		{ 1000000000, "GB" },
	};

	format_three(bytes, scales, 4, buf, size);
	return buf;
}

const char *units_format_signal(int signal, char *buf, size_t size)
{
	const char *name = sigabbrev_np(signal);

	if (name)
		snprintf(buf, size, "SIG%s", name);
	else
		snprintf(buf, size, "signal %d", signal);
	return buf;
}
