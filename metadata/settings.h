/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The "heat-pulse" section of a document into plain settings. Metadata come from whoever may write
 * a template: they may say what is sampled, watched and told to whom by name, never what is run or
 * which file is read. What is refused, unknown or wrong becomes a problem and changes nothing else.
 */
#pragma once

#include "core/types.h"

#define SETTINGS_LIST_MAX 64
#define SETTINGS_TEXT_MAX 2048

struct settings {
	char *boot;                      /* handle told once that the guest came up; NULL = none */
	char *health;                    /* handle that keeps the latest signal; NULL = none */
	char *action;                    /* workflow, scaling policy or alarm URL; NULL = none */
	double threshold;                /* of the risk, for the action; 0 = not set */
	int64_t interval_ms;             /* sampling; 0 = not set */
	char *mounts[SETTINGS_LIST_MAX]; /* absolute paths */
	size_t n_mounts;
	char *processes[SETTINGS_LIST_MAX]; /* names */
	size_t n_processes;
	struct predict_setting predict;     /* what is predicted and from when on */
	struct sink_setting sinks[SINK_SETTINGS_MAX]; /* where metrics go; without secrets */
	size_t n_sinks;
	bool full; /* root-owned configuration trusts metadata: these are as good as its own */
	char *command, *runas; /* only then: run at each change of the metadata, by whom (NULL: root) */
	char *ca_file;         /* only then: authorities for TLS */
};

/**
 * settings_from_metadata() - a null or absent section gives empty settings
 *
 * @metadata: the document's tree, may be NULL
 * @full: root-owned configuration says trust-metadata = full: some of what only it may set is obeyed
 * @problems: gets codes "metadata-setting" (wrong value, unknown key) and "metadata-refused" (a key
 * that only root-owned configuration may set, here or in the os-collect-config block); may hold
 * others already
 *
 * Return: 0 or -ENOMEM. @ret is zeroed first; settings_deinit() it.
 */
int settings_from_metadata(const json_t *metadata, bool full, struct settings *ret,
			   struct problems *problems) _must_check_;
void settings_deinit(struct settings *s);

struct setting_key {
	const char *inside, *key; /* NULL, "boot"; "watch", "mounts" */
	bool refused;             /* metadata may not set it */
};
/** settings_key() - key number @i of the "heat-pulse" section. Return: false beyond the last. */
bool settings_key(size_t i, struct setting_key *ret);
bool settings_equal(const struct settings *a, const struct settings *b);
