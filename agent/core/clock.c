/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Clocks and the three date forms on the wire. Dates are computed here and not by strftime(3) and
 * timegm(3): no locale, no time zone file, and the same answer for every year from 1970 to 9999.
 */
#include "core/clock.h"

#include <errno.h>
#include <string.h>
#include <time.h>
#include "build_info.h"
#include "core/text.h"

#define CLOCK_DAY_S  86400
#define CLOCK_LAST_S 253402300799LL /* 9999-12-31T23:59:59Z */

struct clock_date {
	unsigned year, month, day, hour, minute, second;
};

static int64_t clock_get_ms(clockid_t id)
{
	struct timespec ts = {0};

	/* Neither clock can fail on a kernel that runs this program. */
	clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int64_t clock_boot_ms(void)
{
	return clock_get_ms(CLOCK_BOOTTIME);
}

int64_t clock_real_ms(void)
{
	return clock_get_ms(CLOCK_REALTIME);
}

bool clock_is_before_build(int64_t real_ms)
{
	return real_ms / 1000 < HEAT_PULSE_BUILD_EPOCH - CLOCK_DAY_S;
}

static bool clock_is_leap(unsigned year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static unsigned clock_month_days(unsigned year, unsigned month)
{
	static const unsigned days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

	return days[month - 1] + (month == 2 && clock_is_leap(year));
}

/* Days before January 1st of @year, counted from 1970. */
static int64_t clock_year_days(unsigned year)
{
	int64_t y = (int64_t)year - 1;

	return y * 365 + y / 4 - y / 100 + y / 400 - 719162;
}

static struct clock_date clock_split(int64_t real_s)
{
	struct clock_date d = {.month = 1};
	int64_t days, rest;

	real_s = real_s < 0 ? 0 : real_s > CLOCK_LAST_S ? CLOCK_LAST_S : real_s;
	days = real_s / CLOCK_DAY_S;
	rest = real_s % CLOCK_DAY_S;
	d.year = 1970 + (unsigned)(days / 366);
	while (clock_year_days(d.year + 1) <= days)
		d.year++;
	days -= clock_year_days(d.year);
	for (; days >= clock_month_days(d.year, d.month); d.month++)
		days -= clock_month_days(d.year, d.month);
	d.day = (unsigned)days + 1;
	d.hour = (unsigned)(rest / 3600);
	d.minute = (unsigned)(rest / 60 % 60);
	d.second = (unsigned)(rest % 60);
	return d;
}

/* A leap second (60) is taken as the next second, as POSIX time does. */
static int clock_join(const struct clock_date *d, int64_t *ret_s)
{
	int64_t days;

	if (d->year < 1970 || d->month < 1 || d->month > 12 || d->day < 1 ||
	    d->day > clock_month_days(d->year, d->month) || d->hour > 23 || d->minute > 59 || d->second > 60)
		return -EINVAL;
	days = clock_year_days(d->year) + d->day - 1;
	for (unsigned month = 1; month < d->month; month++)
		days += clock_month_days(d->year, month);
	*ret_s = days * CLOCK_DAY_S + d->hour * 3600 + d->minute * 60 + d->second;
	return 0;
}

void clock_iso(int64_t real_s, char out[static 24])
{
	struct clock_date d = clock_split(real_s);

	snprintf(out, 24, "%04u-%02u-%02uT%02u:%02u:%02uZ", d.year % 10000, d.month % 100, d.day % 100,
		 d.hour % 100, d.minute % 100, d.second % 100);
}

void clock_iso_basic(int64_t real_s, char out[static 20])
{
	struct clock_date d = clock_split(real_s);

	snprintf(out, 20, "%04u%02u%02uT%02u%02u%02uZ", d.year % 10000, d.month % 100, d.day % 100,
		 d.hour % 100, d.minute % 100, d.second % 100);
}

/*
 * Matches (@p, @n) against @form: 'Y' 'm' 'd' 'H' 'M' 'S' take one digit each of that field, 'b' one
 * letter that the caller reads itself, anything else must be equal. @n may be longer than the form.
 */
static int clock_match(const char *p, size_t n, const char *form, struct clock_date *d)
{
	for (size_t i = 0; form[i]; i++) {
		unsigned *field = form[i] == 'Y' ? &d->year : form[i] == 'm' ? &d->month :
			     form[i] == 'd' ? &d->day : form[i] == 'H' ? &d->hour :
			     form[i] == 'M' ? &d->minute : form[i] == 'S' ? &d->second : NULL;

		if (i >= n)
			return -EINVAL;
		if (form[i] == 'b')
			continue;
		if (!field && p[i] != form[i])
			return -EINVAL;
		if (!field)
			continue;
		if (p[i] < '0' || p[i] > '9')
			return -EINVAL;
		*field = *field * 10 + (unsigned)(p[i] - '0');
	}
	return 0;
}

int clock_parse_iso(const char *p, size_t n, int64_t *ret_s)
{
	struct clock_date d = {0};
	size_t i = 19;

	if (clock_match(p, n, "YYYY-mm-ddTHH:MM:SS", &d) < 0)
		return -EINVAL;
	if (i < n && p[i] == '.') {
		size_t start = ++i;

		while (i < n && p[i] >= '0' && p[i] <= '9')
			i++;
		if (i == start)
			return -EINVAL;
	}
	if (!(n - i == 1 && p[i] == 'Z') && !(n - i == 6 && memcmp(p + i, "+00:00", 6) == 0))
		return -EINVAL;
	return clock_join(&d, ret_s);
}

/* Where the three letters at @p stand in @names (each three letters), or -1. */
static int clock_name(const char *names, const char *p)
{
	for (int i = 0; names[i]; i += 3) {
		if (memcmp(names + i, p, 3) == 0)
			return i / 3;
	}
	return -1;
}

int clock_parse_http_date(const char *p, size_t n, int64_t *ret_s)
{
	struct clock_date d = {0};

	/* The day's name is checked as a word only: a server that gets it wrong still told the time. */
	if (n != 29 || clock_match(p, n, "bbb, dd bbb YYYY HH:MM:SS", &d) < 0)
		return -EINVAL;
	if (memcmp(p + 25, " GMT", 4) != 0 || clock_name("MonTueWedThuFriSatSun", p) < 0)
		return -EINVAL;
	d.month = (unsigned)clock_name("JanFebMarAprMayJunJulAugSepOctNovDec", p + 8) + 1u;
	return clock_join(&d, ret_s);
}
