/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signals: what must leave the guest. A signal knows what it says and where it should go (a handle
 * by name, or a URL); how it gets there is a sink's business.
 */
#pragma once

#include "core/types.h"
#include "core/identity.h"
#include "auth/message.h"

enum signal_kind {
	SIGNAL_BOOT,
	SIGNAL_ACTION, /* to the workflow or scaling policy that heals this guest */
	SIGNAL_DEPLOYMENT, /* what came of a deployment; data: "route" and "outputs" */
	SIGNAL_CUSTOM, /* `heat-pulse signal`, cfn-signal */
	SIGNAL_HEALTH,
}; /* in order of urgency */
extern const char *const signal_kind_names[];

struct signal {
	enum signal_kind kind;
	char key[64]; /* spool name: newest per key wins; "boot-<server>", "health", "custom-<seq>",
		       * "action", "deploy-<digest of the id>" */
	char *target; /* handle's resource name, or a URL (presigned, token endpoint) */
	char *status; /* "SUCCESS" or "FAILURE" */
	char *reason; /* at most 200 ASCII characters for health */
	char *id;     /* UniqueId */
	json_t *data; /* owned; NULL = none */
	int64_t made_real_ms;
	int64_t deadline_real_ms; /* give up afterwards; 0 = never */
	bool urgent; /* news of trouble: ahead of all that is not, on a connection that is kept */
};
void signal_deinit(struct signal *s);
#define SIGNAL_SAVED_MAX	    (256u << 10) /* bytes of the spool form */
#define SIGNAL_DEPLOYMENT_SAVED_MAX (2u << 20)	 /* of a deployment's, which may hold 1 MiB of output */
/** signal_saved_max() - of that kind */
size_t signal_saved_max(enum signal_kind kind);
/** signal_save()/signal_load() - spool form, one JSON object with "v":1. */
char *signal_save(const struct signal *s);
/** signal_load() - Return: 0; -EPROTONOSUPPORT for a newer form; -EBADMSG; -EFBIG; -ENOMEM. @ret is
 * zeroed on failure. */
int signal_load(const char *p, size_t n, struct signal *ret, struct err *e) _must_check_;
/** signal_key_valid() - fit for a spool name: [A-Za-z0-9._-]+, not starting with a dot, shorter
 * than 64. */
bool signal_key_valid(const char *key);

struct health {            /* what a health signal says */
	const char *state; /* "ok", "degraded", "failing" */
	double risk;       /* 0..1 */
	int64_t horizon_s; /* -1 unknown */
	const struct finding *findings;
	size_t n_findings;
	const char *stack_id;
	const struct problems *problems; /* those about settings in metadata are told; NULL: none */
};
/** signal_build_health() - the reason line and signed data of at most 2 KiB: findings are left out
 * from the least urgent when too large. */
int signal_build_health(const struct health *h, const struct identity *who, int64_t seq,
			int64_t real_ms, const struct signing_key *key, const char *target,
			struct signal *ret, struct err *e) _must_check_;
/** signal_boot_key() - the spool name of that server's boot result. */
void signal_boot_key(const char *server, char out[static 64]);
/** signal_build_boot() - told once per server; data carry the public key. */
int signal_build_boot(bool success, const char *reason, const struct health *h,
		      const struct identity *who, int64_t seq, int64_t real_ms,
		      const struct signing_key *key, const char *target, struct signal *ret,
		      struct err *e) _must_check_;
struct action_words {         /* what an action signal says, and why */
	const char *resource; /* logical name of this guest's own resource */
	const struct finding *finding; /* the one that asks for it */
	double risk;
	int64_t horizon_s; /* -1 unknown */
	const char *state;
};
/**
 * signal_build_action() - key "action", so that one waits at a time
 *
 * A workflow takes the data as its input as they are ({"resource","reason","probability"}, flat:
 * whatever else stood there would be an input it does not declare); a scaling policy ignores them.
 * Not signed, because there is no room for it. @id of the signal: "<boot id> <class> <entity>".
 */
int signal_build_action(const struct action_words *w, const struct identity *who, int64_t seq,
			int64_t real_ms, int64_t deadline_real_ms, const char *target,
			struct signal *ret, struct err *e) _must_check_;
/** signal_build_custom() - what a person or script says, unsigned: key "custom-<seq>". @data is
 * taken by reference (may be NULL); @id NULL becomes the key; @deadline_real_ms 0 = never. -EINVAL
 * for a status, target or reason that cannot be sent; -EFBIG. */
int signal_build_custom(const char *target, const char *status, const char *reason, const char *id,
			json_t *data, int64_t seq, int64_t real_ms, int64_t deadline_real_ms,
			struct signal *ret, struct err *e) _must_check_;
/**
 * signal_build_deployment() - the result of a deployment
 * @route: the deploy_* inputs that say how it is to be told, as an object of texts; secrets
 * @outputs: what Heat is told; both are taken by reference
 * @received_ms: when this guest heard of the deployment: a temporary URL is not written in that second
 */
int signal_build_deployment(const char *id, const char *resource, bool success, json_t *route,
			    const json_t *outputs, int64_t received_ms, int64_t real_ms, struct signal *ret,
			    struct err *e) _must_check_;
/** signal_deployment_key() - the key of deployment @id. */
void signal_deployment_key(const char *id, char out[static 64]);
#define SIGNAL_DEPLOYMENT_DEADLINE_MS (24 * 60 * 60 * 1000LL)
#define SIGNAL_REASON_MAX 200  /* ASCII characters of a health or boot reason */
#define SIGNAL_DATA_MAX   2048 /* bytes of their data in canonical form */
/** signal_next_seq() - max(last + 1, wall-clock milliseconds), within what the canonical form can
 * hold (a double's 2^53 - 1). */
#define SIGNAL_SEQ_MAX 9007199254740991LL
int64_t signal_next_seq(int64_t last, int64_t real_ms);
