/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One row per class of answer. The three paces:
 * - failures of network and server: decorrelated jitter up to 15 min, so that a thousand guests do
 * not come back in step after an outage;
 * - refusals that may be a suspended stack: 1 min doubling to 15 min, so that a resumed stack is
 * served again within 15 min (18 with jitter) however long it slept, within about a minute after a
 * short sleep;
 * - refusals that only an operator can end: 1 min doubling to 1 h, never given up.
 * With a short interval (small sites) the first wait is the interval, or ten of them after a
 * refusal.
 * A server that goes away is noticed by every guest within one interval. Were each to look again
 * after seconds, the server, or what stands in front of it, would be asked several times as often as
 * ever in that interval. So a guest that was served looks again after 0.6 to 1.8 intervals, which
 * keeps the rate below 1.5 of the steady one; one that was never served has no pace to keep and looks
 * again soon, as after a boot with a slow network.
 */
#include "metadata/watch_policy.h"

#define SECONDS(n)         ((int64_t)(n)*1000)
#define MINUTES(n)         SECONDS((n)*60)
#define SERVED_SHARE       60 /* percent of the interval */
#define RETRY_AFTER_MAX_MS MINUTES(60)

static const struct fetch_policy policies[FETCH_CLASSES] = {
	[FETCH_OK] = {.pace = PACE_INTERVAL},
	[FETCH_UNCHANGED] = {.pace = PACE_INTERVAL},
	[FETCH_UNREACHABLE] = {"unreachable", PROBLEM_WARN, PACE_JITTER, SECONDS(5), MINUTES(15),
			       "the server cannot be reached",
			       "check network, name resolution, proxy settings and that the "
			       "service is up; it is tried again by itself",
			       true},
	[FETCH_CERTIFICATE] = {"certificate", PROBLEM_ERROR, PACE_JITTER, 0, MINUTES(15),
			       "no trusted TLS connection to the server",
			       "install the cloud's CA in the system's bundle or name it as "
			       "ca-file in [agent]; check the guest's clock",
			       true},
	[FETCH_SERVER_ERROR] = {"server-error", PROBLEM_WARN, PACE_JITTER, 0, MINUTES(15),
				"the server failed",
				"see the logs of heat-api-cfn, heat-api, heat-engine and Keystone; "
				"it is tried again by itself",
				true},
	[FETCH_BUSY] = {"busy", PROBLEM_WARN, PACE_JITTER, 0, MINUTES(15), "the server is busy",
			"nothing, if it passes; a longer interval in [metadata] if it does not",
			true},
	[FETCH_NOT_HEAT] = {"not-heat", PROBLEM_ERROR, PACE_JITTER, 0, MINUTES(15),
			    "what answers at this address does not speak as Heat does",
			    "check the URL (metadata_url, cfn url or auth_url), the region, and "
			    "proxies on the way",
			    true},
	[FETCH_REFUSED] = {"403", PROBLEM_WARN, PACE_DOUBLING, MINUTES(1), MINUTES(15),
			   "the server refuses these credentials: suspended or deleted stack, "
			   "wrong or replaced key, expired "
			   "signature, or a Keystone that wants a service token from Heat (they "
			   "all look alike)",
			   "resume the stack if it is suspended; else compare the key with the "
			   "stack's, or configure Heat's service "
			   "token for ec2tokens",
			   true},
	[FETCH_REFUSED_POLICY] = {"403-policy", PROBLEM_ERROR, PACE_DOUBLING, MINUTES(1),
				  MINUTES(60),
				  "Heat's policy forbids this request although the credentials are "
				  "good (stock policy since Heat 22 does so "
				  "for cfn)",
				  "set software_config_transport: POLL_SERVER_HEAT for this "
				  "server, or relax the policy of heat-api-cfn",
				  true},
	[FETCH_REFUSED_FOREIGN] =
		{"403-foreign", PROBLEM_ERROR, PACE_DOUBLING, MINUTES(1), MINUTES(60),
		 "the credentials may not read this resource, or there is none of that name",
		 "check the resource's name in the hook's path; a guest may read its own resource, "
		 "another one's only "
		 "through an access policy"},
	[FETCH_CLOCK_SKEW] = {"clock-skew", PROBLEM_ERROR, PACE_DOUBLING, MINUTES(1), MINUTES(15),
			      "the server refuses the signature and the guest's clock is behind",
			      "start NTP in the guest", true},
	[FETCH_CLOCK_WRONG] = {"clock", PROBLEM_ERROR, PACE_DOUBLING, MINUTES(1), MINUTES(1),
			       "the guest's clock is before the day this program was built, so no "
			       "certificate can be checked: waiting "
			       "for the clock to be set",
			       "set the clock or start NTP in the guest", true},
	[FETCH_EXPIRED_URL] = {"expired-url", PROBLEM_ERROR, PACE_DOUBLING, MINUTES(1), MINUTES(60),
			       "the server takes the signed URL no more: it has expired, or its key or "
			       "object was replaced",
			       "update the stack so that Heat makes a new URL, and give it to the guest",
			       true},
	[FETCH_GONE] = {"gone", PROBLEM_ERROR, PACE_DOUBLING, MINUTES(1), MINUTES(15),
			"there is no such stack, resource or file",
			"check the names of stack, resource and file in the configuration and in "
			"the hooks' paths"},
	[FETCH_BAD_DOCUMENT] = {"bad-document", PROBLEM_ERROR, PACE_JITTER, 0, MINUTES(15),
				"the document cannot be used; the last good one stays in force",
				"correct the metadata in the template or file"},
	[FETCH_TOO_BIG] = {"too-big", PROBLEM_ERROR, PACE_JITTER, 0, MINUTES(15),
			   "the document is over the limits; the last good one stays in force",
			   "keep metadata under 8 MiB of text, depth 64 and 65536 values"},
};

const struct fetch_policy *fetch_policy(enum fetch_class class)
{
	return &policies[(size_t) class < FETCH_CLASSES ? class : FETCH_SERVER_ERROR];
}

static int64_t smaller(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t larger(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static int64_t pace(const struct fetch_policy *p, struct fetch_pacer *pacer, int64_t interval_ms,
		    double rnd)
{
	int64_t base_max = p->pace == PACE_JITTER ? interval_ms : 10 * interval_ms;
	int64_t base = p->pace == PACE_JITTER && pacer->answered ? interval_ms * SERVED_SHARE / 100
		       : p->base_ms ? smaller(p->base_ms, base_max)
				    : interval_ms;
	int64_t cap = larger(p->cap_ms, interval_ms);
	struct backoff b = {.base_ms = base, .cap_ms = cap, .last_ms = pacer->last_ms};

	if (p->pace == PACE_JITTER) {
		pacer->last_ms = backoff_next(&b, rnd);
		return pacer->last_ms;
	}
	pacer->last_ms = pacer->last_ms ? smaller(2 * pacer->last_ms, cap) : base;
	return jitter_ms(pacer->last_ms, rnd);
}

int64_t fetch_delay(struct fetch_pacer *pacer, enum fetch_class class, int64_t interval_ms,
		    int64_t retry_after_s, double rnd)
{
	const struct fetch_policy *p = fetch_policy(class);
	int64_t asked = retry_after_s > 0
				? smaller(smaller(retry_after_s, 3600) * 1000, RETRY_AFTER_MAX_MS)
				: 0;
	int64_t delay;

	if (p->pace != fetch_policy(pacer->class)->pace)
		pacer->last_ms = 0;
	pacer->class = class;
	pacer->answered = pacer->answered || p->pace == PACE_INTERVAL;
	delay = p->pace == PACE_INTERVAL ? jitter_ms(interval_ms, rnd)
					 : pace(p, pacer, interval_ms, rnd);
	if (!asked)
		return delay;
	/* not all at the same moment: up to a tenth later than asked */
	return larger(delay, asked + (int64_t)((double)asked * rnd / 10));
}
