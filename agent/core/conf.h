/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent's own configuration: /etc/heat-pulse/heat-pulse.conf, then the *.conf files of conf.d
 * (in C order, later wins per key). One const row per option gives section, key, type, bounds,
 * default, who may set it and the help text; parsing, `heat-pulse run --help-config`, the man page
 * and the reference in README come from it. A bad value keeps its default and becomes a problem
 * with file and line; it never stops the agent.
 */
#pragma once

#include "core/env.h"
#include "core/err.h"
#include "core/ini.h"
#include "core/types.h"

#define CONF_FILE "/etc/heat-pulse/heat-pulse.conf"
#define CONF_DIR  "/etc/heat-pulse/conf.d"

enum conf_source {
	CONF_SOURCE_AUTO,
	CONF_SOURCE_CFN,
	CONF_SOURCE_HEAT,
	CONF_SOURCE_LOCAL,
	CONF_SOURCE_TEMPURL,
	CONF_SOURCE_ZAQAR
};
enum conf_compat { CONF_COMPAT_AWS, CONF_COMPAT_HEAT };
enum conf_trust { CONF_TRUST_SETTINGS, CONF_TRUST_FULL };

struct conf {
	/* [agent] */
	char *user;       /* roles without root run as this user: heat-pulse */
	int log_level;    /* enum log_level */
	bool lock_memory; /* the agent stays in memory */
	char *ca_file;    /* NULL: the distribution's bundle */
	char *http_proxy; /* proxies only from here, never from the environment or metadata */
	char *https_proxy;
	char *no_proxy; /* comma list: host, .domain, address/prefix */
	/* [metadata] */
	int source;                 /* enum conf_source; auto = what credentials are found */
	int64_t interval_ms;        /* 60 s */
	int64_t splay_ms;           /* -1: as the interval */
	int64_t request_timeout_ms; /* 30 s: the whole of one request */
	int64_t full_every;         /* heat: every Nth poll fetches the full document (20) */
	int trust_metadata;         /* enum conf_trust: what only root may say, from metadata, too */
	/* [cfn] */
	char *cfn_url, *cfn_stack, *cfn_resource, *cfn_access_key, *cfn_secret_key,
		*cfn_credential_file;
	bool cfn_insecure;
	/* [heat] */
	char *heat_auth_url, *heat_user_id, *heat_username, *heat_user_domain_id, *heat_password,
		*heat_project_id;
	char *heat_stack_id, *heat_resource, *heat_region;
	char *heat_app_credential_id, *heat_app_credential_secret;
	/* [tempurl] */
	char *tempurl_url, *tempurl_resource;
	/* [local] */
	char *local_file, *local_resource; /* resource name that hooks use for it: "local" */
	char *local_inputs; /* comma list; NULL: the file, without one the folder local-data */
	char *local_config_drive, *local_service;
	/* [hooks] */
	bool hooks_enabled;
	char *hooks_conf_dir;     /* /etc/cfn: cfn-hup.conf, hooks.conf, hooks.d below it */
	int64_t hook_timeout_ms;  /* 1 h */
	int64_t hook_tries;       /* 5 */
	int64_t hook_retry_ms;    /* 30 s, doubled each try to 15 min */
	uint64_t hook_env_max;    /* 64 KiB: larger values go by file only */
	uint64_t hook_output_max; /* 64 KiB kept of a hook's output: its tail */
	int compat; /* enum conf_compat: heat = post.update fires when no state exists */
	/* [deployments] */
	bool deployments_enabled;      /* root code from Heat: only where root-owned configuration says so */
	char *deployments_hooks_path;  /* folders of hooks, separated by ":" */
	int64_t deployment_timeout_ms; /* 1 d */
	/* [signal] */
	char *signal_boot; /* handle name or URL used when metadata name none */
	char *signal_health;
	char *signal_token;         /* token for a TOKEN_SIGNAL endpoint URL given above */
	int64_t health_interval_ms; /* 5 min at least */
	int64_t boot_timeout_ms;    /* 10 min */
	int64_t boot_quiet_ms;      /* 30 s without anything critical before SUCCESS */
	char *signal_key;          /* own signing key; NULL: one is made at the first start */
	char *signal_action;       /* workflow, scaling policy or alarm URL, where metadata name none */
	int64_t action_threshold;  /* thousandths of risk: 900 */
	int64_t action_uptime_ms;  /* 5 min: not before */
	int64_t action_pause_ms;   /* 10 min between two */
	int64_t action_per_day;    /* 4 */
	bool signal_print;          /* print each signal to stdout (quickstart) */
	/* [sample] */
	int64_t sample_interval_ms;  /* 10 s */
	int64_t process_interval_ms; /* 60 s */
	char *watch_mounts;          /* comma list; NULL: all local ones */
	char *watch_processes;       /* comma list of names; NULL: none */
	/* [predict] */
	char *predict_disable;   /* comma list of failure classes; NULL: none */
	char *predict_levels;    /* "METRIC LEVEL NUMBER, ..."; NULL: as the tables have them */
	int64_t critical_eta_ms; /* 15 min */
	int64_t horizon_ms;      /* 30 days: farther than the rules see */
	/* [sinks] */
	int64_t sinks_interval_ms; /* 30 s between two requests to a sink */
	uint64_t sinks_spool_max;  /* 64 MiB of metrics on disk */
	char *sinks_monasca, *sinks_gnocchi; /* URL, or "catalog"; NULL: not used */
	char *sinks_prometheus, *sinks_prometheus_user, *sinks_prometheus_password, *sinks_prometheus_token;
	char *sinks_otlp, *sinks_otlp_token;
	char *sinks_textfile;
	/* Keystone for monasca and gnocchi; all unset: as [heat] */
	char *sinks_auth_url, *sinks_user_id, *sinks_username, *sinks_user_domain_id, *sinks_password,
		*sinks_project_id, *sinks_region, *sinks_app_credential_id, *sinks_app_credential_secret;
};

struct conf_option {
	const char *section, *key;
	enum {
		CONF_STRING,
		CONF_SECRET,
		CONF_BOOL,
		CONF_INT,
		CONF_DURATION,
		CONF_SIZE,
		CONF_ENUM,
		CONF_PATH,
		CONF_FRACTION
	} type;
	size_t offset;            /* in struct conf */
	int64_t min, max;         /* for the number types, in ms, bytes or thousandths */
	const char *default_text; /* as it would be written; NULL = unset */
	const char *const
		*words;   /* CONF_ENUM: NULL-terminated, index = value, "" = no such value */
	const char *help; /* one sentence */
};
extern const struct conf_option conf_options[];
extern const size_t conf_options_n;

int conf_init(struct conf *conf) _must_check_; /* defaults */
void conf_deinit(struct conf *conf);
/** conf_apply() - one parsed INI into @conf; unknown keys and bad values become problems. */
void conf_apply(struct conf *conf, const struct ini *ini, struct problems *problems);
/** conf_load() - defaults, then @file (NULL: CONF_FILE) and CONF_DIR. Files others may write to are
 * refused: a problem. Return: 0 also when no file exists; -errno only for an explicitly named @file
 * that cannot be read, or no memory. */
int conf_load(const struct env *env, const char *file, struct conf *conf, struct problems *problems,
	      struct err *e) _must_check_;
/** conf_dump() - the reference: every option with default and help, as an INI text; with @conf also
 * what differs from the default (secrets only as "set"). @conf NULL: defaults alone. */
int conf_dump(const struct conf *conf, struct buf *out);
