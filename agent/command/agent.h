/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent role's own state, shared by the files agent_*.c that make it up. Each has a section
 * below, and this folder's README says what it is for.
 */
#pragma once

#include "auth/credentials.h"
#include "command/control.h"
#include "command/run.h"
#include "core/http.h"
#include "core/identity.h"
#include "core/role.h"
#include "core/settle.h"
#include "core/store.h"
#include "hooks/deploy/queue.h"
#include "hooks/queue.h"
#include "metadata/settings.h"
#include "metadata/watch.h"
#include "predict/foresee.h"
#include "sample/sampler.h"
#include "signal/action.h"
#include "signal/boot.h"
#include "signal/outbox.h"
#include "signal/seqkey.h"
#include "sink/sink.h"

#define AGENT_WAITERS_MAX     8
#define AGENT_HEALTH_FINDINGS 8 /* the worst that health looks at */

struct agent_waiter { /* a control client that waits for a signal to be told */
	uint64_t ticket; /* of control.h; 0 = free */
	struct loop_timer *timer;
	struct agent *agent;
	char key[64];
};

struct agent {
	const struct agent_setup *setup;
	const struct conf *conf;
	struct loop *loop;
	struct link *runner, *prober_link, *store_link;
	struct identity identity;
	char owner[64];	    /* whose state this is; core/store.h */
	bool identity_weak; /* by what files say; what is remembered or asked may say more */
	struct agent_identity *who; /* agent_identity.c */
	struct credentials_set creds;
	char seed[65]; /* digest of what files say of them */
	struct store *store;
	struct http *http;
	struct watch *watch;
	struct hook_queue *queue;
	struct deploy_queue *deployments; /* NULL in one-pass mode */
	struct hookset
		hooks_seen; /* names and resources only, for watch_set_resources() and status */
	struct sampler *sampler;
	struct seqkey *seqkey;
	bool seqkey_ready;
	struct outbox *outbox;
	bool outbox_loaded;
	struct sink_set *sinks;
	struct sink_setup sink_setup;
	struct agent_metrics *metrics; /* agent_metrics.c */
	struct control *control;
	struct agent_waiter waiters[AGENT_WAITERS_MAX];
	struct problems problems;
	struct settings settings;
	bool hooks_off;
	char hooks_off_why[ERR_TEXT_MAX];
	/* other roles */
	struct loop_timer *roles_timer;
	bool role_asked[ROLE_COUNT]; /* the runner is to answer */
	/* one-pass mode */
	bool round_over,
		nothing_to_ask; /* one-pass mode; nothing_to_ask: no source has all it needs */
	unsigned round_failures, hooks_failed;
	/* boot and health */
	struct loop_timer *boot_timer, *health_timer, *store_timer;
	struct loop_timer *leave; /* an end was asked for */
	int64_t leave_until;      /* boot ms */
	int64_t started_ms, critical_last_ms;
	bool document_seen, boot_told;
	bool boot_spooled; /* an earlier life left its result in the outbox */
	char failed_hook[64];
	char health_state[16]; /* of the last health signal; "" = none yet */
	bool health_soon;      /* the timer is armed for a change of it */
	/* action */
	struct action action;
	bool action_known,
		action_asked; /* what earlier lives told: it was read; the store is to answer */
	struct loop_timer *action_timer;
	struct loop_timer *memory_timer;
	uint64_t memory_locked; /* bytes */
	struct settle settle;
	const char *action_waits; /* static text: what it waits for; NULL: for nothing */
	char action_last[16];	  /* carry_names[] of the last answer; "" = none yet */
	char action_error[200];
	/* findings */
	struct foresee *foresee;
	struct loop_timer *held_timer;
	struct boot_mark mark; /* of an earlier life */
	bool mark_known, last_boot_judged;
	int64_t mark_ms, tick_ms; /* boot ms of the last */
};

/* agent_links.c */
int agent_connect(struct agent *a, struct err *e)
	_must_check_; /* identity, hooks, store: before the loop runs; may block for seconds */
int agent_open_fd(int privpath, void *ctx); /* asks the runner; blocking, short */
void agent_on_runner(struct link *link, struct link_msg *msg, void *ctx);
void agent_on_runner_gone(struct link *link, void *ctx);
int agent_switch_and_hooks(struct agent *a, struct err *e)
	_must_check_; /* the table of hooks and their switch, blocking */
/* agent_identity.c */
void agent_identity_recall(struct agent *a); /* once the store is bound; blocking, short */
int agent_identity_start(struct agent *a, struct err *e) _must_check_;
void agent_identity_stop(struct agent *a); /* before the HTTP client goes */
/* agent_flow.c */
void agent_on_document(const struct document *doc, bool changed, void *ctx);
void agent_on_problem(enum problem_level level, const char *code, const char *text,
		      const char *remedy, void *ctx);
void agent_on_round_done(unsigned failed, void *ctx);
void agent_on_hook_report(const struct hook_report *report, void *ctx);
void agent_on_hooks_idle(unsigned failed, void *ctx);
void agent_prime_document(struct agent *a);
/** agent_prime_pass() - one-pass mode, before the loop: what earlier passes saw, so that only news are
 * written again. */
void agent_prime_pass(struct agent *a, const char *const *names, size_t n);
const struct document *agent_own_document(void *ctx);
const char *agent_server_id(const struct agent *a); /* id of its signals */
/* agent_transport.c */
/** agent_transport_recall() - what documents of earlier lives said goes into a->creds; before the watch is
 * made, blocking, short. @newest: documents on disk may be followed, no file is newer. */
int agent_transport_recall(struct agent *a, bool *newest) _must_check_;
void agent_on_transport(const struct credentials_set *creds, void *ctx);
/* agent_trust.c */
/** agent_trust_apply() - what the settings hold that needs trust; @doc: whose they are */
void agent_trust_apply(const struct agent *a, const struct document *doc);
/* agent_pulse.c */
int agent_pulse_start(struct agent *a, struct err *e) _must_check_;
void agent_pulse_stop(struct agent *a);
void agent_judge_boot(struct agent *a);
void agent_health_due(struct agent *a); /* tell health soon, for instance as its state changed */
void agent_health_now(struct agent *a); /* something critical was found */
/* agent_memory.c */
/* the agent stays in memory, and lives on when others are killed */
int agent_memory_start(struct agent *a, struct err *e) _must_check_;
void agent_memory_stop(struct agent *a);
/* agent_action.c */
int agent_action_start(struct agent *a, struct err *e) _must_check_; /* after agent_foresee_start() */
void agent_action_stop(struct agent *a);
void agent_judge_action(struct agent *a); /* findings, settings or the document changed */
void agent_action_told(struct agent *a, const struct signal *s, enum carry how, const char *why);
json_t *agent_action_status(const struct agent *a); /* new reference */
/* agent_foresee.c */
int agent_foresee_start(struct agent *a, struct err *e) _must_check_;
void agent_foresee_stop(struct agent *a);
int agent_foresee_apply(struct agent *a) _must_check_; /* settings of the document to the sampler */
/* "failing" from a risk of 0.75 on, "degraded" from 0.25 on or while a hook has given up, else "ok" */
const char *agent_state(const struct agent *a);
double agent_risk(const struct agent *a, int64_t *ret_horizon_s);
void agent_note_critical(struct agent *a); /* remembers the time while something critical is open */
/* The identity that signals carry: the guest's own, with the id Heat knows it by. */
struct identity agent_signal_identity(const struct agent *a);
size_t agent_findings(const struct agent *a, struct finding *list, size_t max);
/* agent_carry.c */
int agent_carry_start(struct agent *a, struct err *e) _must_check_;
void agent_carry_stop(struct agent *a);
int agent_accept(struct agent *a, struct signal *s) _must_check_; /* takes the content of @s */
/** agent_wait_for() - that client is told what becomes of the signal of that key, at the latest
 * after @wait_s. */
void agent_wait_for(struct agent *a, const char *key, uint64_t ticket, int64_t wait_s);
/* agent_deploy.c */
int agent_deploy_start(struct agent *a, struct err *e) _must_check_; /* after agent_carry_start() */
void agent_deploy_document(struct agent *a, const struct document *doc); /* the own one came */
/** agent_deploy_metadata() - the document's metadata with settings that came as deployments. New reference,
 * NULL also where there are none. */
json_t *agent_deploy_metadata(const struct agent *a, const struct document *doc);
/** agent_deploy_route() - the deploy_* inputs of an entry as an object of texts. New reference; NULL = no
 * memory. */
json_t *agent_deploy_route(const json_t *entry);
/* agent_metrics.c */
int agent_metrics_start(struct agent *a, struct err *e) _must_check_; /* after agent_carry_start() */
/** agent_metrics_configure() - sinks of root's configuration and of the settings; @complete: a document was
 * heard */
void agent_metrics_configure(struct agent *a, bool complete);
void agent_metrics_labels(struct agent *a); /* name, project or zone became known */
/** agent_metrics_health() - what the health signal just built says: metrics of the same findings carry
 * its signature; @data: the signal's */
void agent_metrics_health(struct agent *a, const struct finding *list, size_t n, const json_t *data);
void agent_metrics_sample(struct agent *a, const struct sample *s);
/** agent_metrics_points() - values that a command measured: [{name, value, unit}], all with
 * dimension AlarmName when @watch is given. -EINVAL for what no sink could take, -ENOTCONN without
 * a sink; the reason in @e. */
int agent_metrics_points(struct agent *a, const json_t *points, const char *watch,
			 struct err *e) _must_check_;
/** agent_metrics_leave() - see metric_set_leave() */
bool agent_metrics_leave(struct agent *a);
void agent_metrics_status(const struct agent *a, json_t *list, json_t *answer);
void agent_metrics_stop(struct agent *a); /* before the keystone session and the store go */
/* agent_control.c */
int agent_control_start(struct agent *a) _must_check_;
