/* SPDX-License-Identifier: Apache-2.0 */
/* Option tables into getopt_long and into help texts. */
#include "command/options.h"

#include <getopt.h>
#include <string.h>

#include "command/command.h"
#include "core/text.h"

#define OPTIONS_MAX 32
#define LONG_BASE   1000 /* getopt_long's value of row i is LONG_BASE + i, whatever the letter */
#define HELP_VALUE  999

static void print_help(const struct option_set *set)
{
	printf("usage: %s %s\n\n%s\n\n", set->command, set->synopsis, set->about);
	for (size_t i = 0; i < set->n; i++) {
		const struct option_row *row = &set->rows[i];
		char left[64];

		if (!row->help)
			continue;
		snprintf(left, sizeof(left), "%c%c%c --%s%s%s", row->letter ? '-' : ' ',
			 row->letter ? row->letter : ' ', row->letter ? ',' : ' ', row->name,
			 row->value ? " " : "", row->value ? row->value : "");
		printf("  %-28s %s\n", left, row->help);
	}
	printf("  %-28s %s\n", "    --root DIR",
	       "prefix of every path read or written (or HEAT_PULSE_ROOT)");
	printf("  %-28s %s\n", "-h, --help", "this text");
}

static int set_value(const struct option_set *set, const struct option_row *row, const char *value,
		     void *to)
{
	char *field = (char *)to + row->offset;
	uint64_t number = 0;

	switch (row->type) {
	case OPTION_FLAG:
		*(bool *)(void *)field = true;
		return OPTIONS_GO;
	case OPTION_TEXT:
		*(const char **)(void *)field = value;
		return OPTIONS_GO;
	case OPTION_INT:
		if (text_u64(value, strlen(value), &number) || number > INT64_MAX)
			return command_usage(set->command, "--%s takes a number, not '%s'",
					     row->name, value);
		*(int64_t *)(void *)field = (int64_t)number;
		return OPTIONS_GO;
	case OPTION_DURATION:
		if (text_duration_ms(value, strlen(value), (int64_t *)(void *)field))
			return command_usage(set->command,
					     "--%s takes a time such as 30s or 10m, not '%s'",
					     row->name, value);
		return OPTIONS_GO;
	}
	return OPTIONS_GO;
}

static const struct option_row *find_row(const struct option_set *set, int value)
{
	if (value >= LONG_BASE)
		return &set->rows[value - LONG_BASE];
	for (size_t i = 0; i < set->n; i++)
		if (set->rows[i].letter && set->rows[i].letter == value)
			return &set->rows[i];
	return NULL;
}

static void fill_getopt(const struct option_set *set, struct option *longs, char *shorts)
{
	*shorts++ = ':';
	*shorts++ = 'h';
	for (size_t i = 0; i < set->n; i++) {
		int has_value = set->rows[i].type == OPTION_FLAG ? no_argument : required_argument;

		longs[i] = (struct option){set->rows[i].name, has_value, NULL, LONG_BASE + (int)i};
		if (!set->rows[i].letter)
			continue;
		*shorts++ = set->rows[i].letter;
		if (has_value != no_argument)
			*shorts++ = ':';
	}
	*shorts = '\0';
	longs[set->n] = (struct option){"help", no_argument, NULL, HELP_VALUE};
	longs[set->n + 1] = (struct option){0};
}

int options_parse(const struct option_set *set, int argc, char **argv, void *to, int *ret_first)
{
	struct option longs[OPTIONS_MAX + 2];
	char shorts[2 * OPTIONS_MAX + 3];
	int value, r;

	if (set->n > OPTIONS_MAX)
		abort(); /* a table of ours outgrew the bound */
	fill_getopt(set, longs, shorts);
	optind = 0; /* glibc and musl: start over */
	opterr = 0;
	while ((value = getopt_long(argc, argv, shorts, longs, NULL)) >= 0) {
		if (value == 'h' || value == HELP_VALUE) {
			print_help(set);
			return EXIT_GOOD;
		}
		if (value == ':')
			return command_usage(set->command, "%s needs a value", argv[optind - 1]);
		if (value == '?')
			return command_usage(set->command, "unknown option %s", argv[optind - 1]);
		r = set_value(set, find_row(set, value), optarg, to);
		if (r != OPTIONS_GO)
			return r;
	}
	if (set->max_arguments >= 0 && argc - optind > set->max_arguments)
		return command_usage(set->command, "unexpected argument '%s'",
				     argv[optind + set->max_arguments]);
	*ret_first = optind;
	return OPTIONS_GO;
}
