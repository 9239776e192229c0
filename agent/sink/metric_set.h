/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Metrics on their way out: samples in, batches spooled, each configured sink served from its own
 * place in the spool. First in, first out; one request under way per sink; what a sink refuses is
 * bisected until the bad point alone is left out; what it cannot take now waits with growing,
 * jittered pauses; what has become too old for it is counted and passed over. Nothing is sent
 * before the receiver's clock is known to agree with ours to 120 s.
 */
#pragma once

#include "auth/keystone.h"
#include "core/store.h"
#include "core/types.h"
#include "sample/sample.h"
#include "sink/metric.h"

struct metric_set_setup {
	struct loop *loop; /* borrowed, as the others are */
	struct http *http;
	struct store *store; /* NULL: nothing survives this process */
	struct keystone
		*keystone; /* for Monasca and Gnocchi; NULL: they are denied until one is given */
	struct metric_labels labels;       /* copied */
	const char *boot_id, *server_uuid; /* copied */
	int64_t interval_ms;               /* between two requests to a sink; 0 = 30 s */
	int64_t timeout_ms;                /* of one request; 0 = 30 s */
	uint64_t spool_bytes;              /* 0 = 64 MiB */
	int64_t flush_ms;                  /* how long a batch may wait in memory alone; 0 = 30 s */
};

struct metric_set;
int metric_set_new(const struct metric_set_setup *setup, struct metric_set **ret) _must_check_;
/** metric_set_labels() - what each point carries from now on, those still waiting too; only texts
 * that are given (neither NULL nor empty) change. */
int metric_set_labels(struct metric_set *set, const struct metric_labels *labels) _must_check_;
/** metric_set_start() - reads what earlier lives left; once, when the store is bound. Samples wait
 * in memory for that, as long as the store has patience (store_get_patient()). */
void metric_set_start(struct metric_set *set);
/**
 * metric_set_configure() - the sinks from now on; those that stay as they are go on undisturbed
 * @complete: all there is to say about sinks has been heard (root's configuration and the first
 * document): what the spool still holds for sinks that are not in the list is for nobody
 * @problems: "metric-sink" for what cannot be opened; may be NULL
 */
int metric_set_configure(struct metric_set *set, const struct sink_setting *list, size_t n,
			 bool complete, struct problems *problems) _must_check_;
void metric_set_keystone(struct metric_set *set,
			 struct keystone *k); /* before the old one is freed */
/** metric_set_add() - one sample, encoded here and now; nothing without sinks. @urgent: it leaves
 * ahead of what waits. Samples taken between two regular ones are left out unless urgent. */
int metric_set_add(struct metric_set *set, const struct sample *s, bool urgent);
bool metric_set_has_sinks(const struct metric_set *set);
/** metric_set_points() - values that somebody else measured, now; nothing without sinks. */
int metric_set_points(struct metric_set *set, const struct metric_point *points, size_t n) _must_check_;
/**
 * metric_set_findings() - guest.failure.risk and guest.failure.eta_sec, one each per class and
 * entity, and guest.health.score; what was there the last time and is gone is told with risk 0,
 * once
 * @signature: of the health signal that says the same, or NULL; @seq its number
 */
int metric_set_findings(struct metric_set *set, const struct finding *list, size_t n,
			const char *signature, uint64_t seq, bool urgent);
/** metric_set_leave() - before an end: no request begins any more, what was taken in pieces is sent
 * to its last one. Return: whether answers are waited for; what is not heard of is sent again by
 * the next life. */
bool metric_set_leave(struct metric_set *set);
/** metric_set_end() - what is in memory is handed to the store, places are kept. Before
 * metric_set_free(). */
void metric_set_end(struct metric_set *set);
/** metric_set_status() - array: {"name","state","error","sent",…}; new reference */
json_t *metric_set_status(const struct metric_set *set);
json_t *metric_set_spool_status(const struct metric_set *set);
/** metric_set_free() - as spool_free(): the loop must not turn between this and store_free(). */
struct metric_set *metric_set_free(struct metric_set *set);
