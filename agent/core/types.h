/* SPDX-License-Identifier: Apache-2.0 */
/* The plain values that rooms hand each other. No behaviour beyond init, copy and free. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include "core/macro.h"

/* ---- problems: what is wrong with configuration or the world, for `check` and `status` ---- */
enum problem_level { PROBLEM_OK, PROBLEM_WARN, PROBLEM_ERROR };
struct problem {
	enum problem_level level;
	char code[32]; /* stable word: "clock", "hook-file", "cfn-403-policy" */
	char *text;    /* what and where */
	char *remedy;  /* what to do; may be NULL */
};
struct problems {
	struct problem *list; /* one per code+text: a repeat replaces */
	size_t n;
};
#define PROBLEMS_MAX 256
void problems_add(struct problems *p, enum problem_level level, const char *code,
		  const char *remedy, const char *fmt, ...) _printf_(5, 6);
void problems_remove(struct problems *p, const char *code); /* all with that code */
void problems_deinit(struct problems *p);

/* ---- document: one fetched metadata tree of one resource ---- */
struct document {
	const char *source; /* row name of the source table: "cfn", "heat", "local" */
	char *stack;        /* stack name or NULL */
	char *stack_id;     /* ARN (cfn) or name/uuid (heat) or NULL */
	char *resource;     /* logical id */
	char *physical_id;  /* or NULL */
	char *status;       /* ResourceStatus or NULL */
	char *updated;      /* LastUpdatedTimestamp as text or NULL */
	json_t *metadata;   /* owned; NULL = absent, never JSON null */
	bool in_progress;   /* *_IN_PROGRESS: hooks wait */
};
void document_deinit(struct document *doc);
int document_copy(struct document *to,
		  const struct document *from) _must_check_; /* metadata by reference */
static inline _unused_ void document_cleanup(struct document *doc)
{
	document_deinit(doc);
}

/* ---- change: what a diff of two documents found at a path ---- */
enum change_kind { CHANGE_NONE, CHANGE_ADDED, CHANGE_UPDATED, CHANGE_REMOVED };

/* ---- the result of one hook run ---- */
enum run_end { RUN_EXITED, RUN_SIGNALLED, RUN_TIMED_OUT, RUN_NOT_STARTED, RUN_CUT_OFF };
struct run_result {
	enum run_end end;
	int code; /* exit status, signal number, or errno for RUN_NOT_STARTED */
	int64_t started_real_ms, ended_real_ms;
	char *tail; /* last output, escaped to valid UTF-8; owned; may be NULL */
	char *why;  /* for RUN_NOT_STARTED: reason; owned; may be NULL */
};
void run_result_deinit(struct run_result *r);

/* ---- findings as `status` and signals show them; made by predict ---- */
enum finding_level { FINDING_NOTICE, FINDING_WARNING, FINDING_CRITICAL };
#define FINDING_LEVELS 3
extern const char
	*const finding_level_names[FINDING_LEVELS]; /* as they are told, and as files write them */
/** finding_level_parse() - one of these names to its level. Return: true when it is one. */
bool finding_level_parse(const char *p, size_t n, enum finding_level *ret);
struct finding {
	char class_name[32];
	char entity[64];
	enum finding_level level;
	char evidence[160];
	double risk;   /* 0..1 */
	int64_t eta_s; /* -1 = unknown */
	int64_t eta_low_s, eta_high_s; /* its range, when eta_s is known */
	int64_t since_real_ms;
};

/* ---- where metrics go; from root-owned configuration or from metadata ---- */
struct sink_setting {
	char *type;                        /* row name of the table of metric sinks */
	char *url;                         /* NULL: as the catalog has it, where there is one */
	char *path;                        /* textfile */
	char *token, *username, *password; /* for that URL; never from metadata */
	bool trusted;                      /* root-owned: our Keystone token may go to that URL */
};
#define SINK_SETTINGS_MAX 8
void sink_setting_deinit(struct sink_setting *s); /* wipes secrets */
int sink_setting_copy(struct sink_setting *to, const struct sink_setting *from) _must_check_;
bool sink_setting_equal(const struct sink_setting *a, const struct sink_setting *b);

/* ---- what is predicted and from when on; root-owned configuration first, metadata over it ---- */
struct level_setting {
	char metric[48];
	enum finding_level level;
	double value; /* of the metric; NAN: this level is never reached */
};
#define LEVEL_SETTINGS_MAX 32
struct predict_setting {
	uint32_t disabled;      /* a bit for each row of core/failure_class.h */
	int64_t critical_eta_s; /* a limit met within so long is critical; 0 = not set */
	int64_t horizon_s;      /* a limit met later is no finding yet; 0 = not set */
	struct level_setting levels[LEVEL_SETTINGS_MAX];
	size_t n_levels;
};
bool predict_setting_equal(const struct predict_setting *a, const struct predict_setting *b);

/* ---- credentials as found; secrets are wiped by the deinit ---- */
enum credentials_kind {
	CREDENTIALS_NONE,
	CREDENTIALS_EC2,
	CREDENTIALS_PASSWORD,
	CREDENTIALS_APPLICATION,
	CREDENTIALS_URL /* a signed URL, which is a secret as a whole */
};
struct credentials {
	enum credentials_kind kind;
	char *origin;                  /* file (and block) it came from, for check and log */
	char *metadata_url;            /* cfn: base URL with /v1/; request: the signed URL */
	char *access_key, *secret_key; /* EC2 */
	char *auth_url;                /* Keystone v3 */
	char *user_id, *username, *user_domain_id, *password, *project_id;
	char *app_credential_id, *app_credential_secret;
	char *region;
	char *stack;    /* cfn: name or ARN; heat: name/uuid */
	char *resource; /* own resource's logical id or NULL */
	char *queue;    /* zaqar: the queue's name */
	bool insecure;  /* TLS verification off by root-owned file (cfn-boto-cfg, --insecure) */
	bool pinned;    /* of configuration that root wrote: metadata never replace it */
	bool preferred; /* of our own configuration: goes before what Heat names */
};
void credentials_deinit(struct credentials *c); /* wipes secrets */
int credentials_copy(struct credentials *to, const struct credentials *from) _must_check_;
/** credentials_equal() - the same rights at the same place; where they were found is not compared. */
bool credentials_equal(const struct credentials *a, const struct credentials *b);
