/* SPDX-License-Identifier: Apache-2.0 */
/* One sink and its place in the spool: shared by metric_set.c and metric_lane.c. */
#pragma once

#include "signal/spool.h"
#include "sink/batch.h"
#include "sink/metric_set.h"

#define LANE_ID_MAX     48
#define LANE_AHEAD      8
#define LANE_QUARANTINE 64
#define LANE_RANGES     24

struct lane_counts {
	uint64_t sent, refused, too_old, bad_time, unreadable;
};

enum lane_doing { LANE_IDLE, LANE_READING, LANE_SENDING, LANE_PROBING };

struct lane_range {
	size_t from, to;
};

struct lane_chunk { /* what was read last and is being sent */
	struct metric_point *points;
	size_t n, at;
	struct lane_range ranges[LANE_RANGES], now; /* pieces of one that was refused */
	size_t n_ranges;
	uint64_t end; /* the place after it */
	bool ahead;   /* an urgent batch, sent before its turn */
	bool any_taken;
	unsigned singles; /* refused one by one */
	struct lane_counts
		left_out; /* counted once the chunk is done: it may be read again before */
};

struct metric_lane {
	struct metric_set *set;
	struct sink_setting setting;
	const struct metric_sink_ops *ops;
	struct metric_sink *sink;
	char id[LANE_ID_MAX];
	struct spool_reader *reader;
	struct loop_timer *timer;
	struct batch_names names;
	enum lane_doing doing;
	struct lane_chunk chunk;
	uint64_t cursor; /* number of the next batch; 0 = not placed yet */
	uint64_t urgent; /* number of a batch that is to go ahead; 0 = none */
	bool urgent_hot; /* not tried yet: it shortens a pause once */
	uint64_t sent_ahead[LANE_AHEAD];
	unsigned next_ahead;
	size_t batch_max; /* points a request, as the receiver has taught us */
	unsigned attempts;
	unsigned good_in_row;
	int64_t wait_until, last_try; /* boot ms */
	bool wait_is_asked;           /* the receiver said how long */
	int64_t skew_ms, skew_offset; /* skew_offset: real less boot when it was measured */
	enum { SKEW_UNKNOWN, SKEW_NONE, SKEW_KNOWN } skew;
	struct {
		uint64_t key;
		int64_t until;
	} quarantine[LANE_QUARANTINE];
	unsigned next_quarantine;
	const char *state; /* a word of its own */
	char why[200];
	struct lane_counts counts;
};

#define CLOCK_TOLERANCE_MS 120000

int lane_open(struct metric_set *set, const struct sink_setting *setting, const char *id,
	      struct metric_lane **ret, struct err *e) _must_check_;
struct metric_lane *lane_close(struct metric_lane *l);
/** lane_place() - where it begins to read. */
void lane_place(struct metric_lane *l, uint64_t cursor);
/** lane_wake() - something was added; @urgent its number, 0 = it may wait its turn. */
void lane_wake(struct metric_lane *l, uint64_t urgent);
void lane_on_timer(struct loop *loop, void *ctx);
bool lane_clock_bad(const struct metric_lane *l); /* known to disagree */
json_t *lane_status(const struct metric_lane *l);
/** lane_pause_ms() - full jitter: uniform in [0, min(cap, base x 2^attempts)), at least a second.
 * Pure. */
int64_t lane_pause_ms(unsigned attempts, int64_t base_ms, double rnd);

struct metric_place { /* as an earlier life, or an earlier configuration, left it */
	char id[LANE_ID_MAX];
	uint64_t cursor, ahead[LANE_AHEAD];
};

/* What a lane asks of the set. */
struct metric_set {
	struct metric_set_setup setup;
	char *text[7]; /* copies of the setup's strings */
	uint32_t boot;
	struct spool *spool;
	struct metric_lane *lanes[SINK_SETTINGS_MAX];
	size_t n_lanes;
	bool loaded, complete, dying;
	bool leaving; /* nothing begins any more */
	bool blind;   /* what earlier lives left was not heard of: a later life reads it, and the
			 places that belong to it stay as they are */
	/* places kept for sinks that have not been configured yet */
	struct metric_place kept[2 * SINK_SETTINGS_MAX];
	size_t n_kept;
	int64_t saved_at;
	int64_t points_ms, points_added; /* of the interval being counted */
	double points_rate;              /* points a second, smoothed */
	struct {
		char class_name[32], entity[64];
	} told[64];
	size_t n_told;
};
/** metric_set_moved() - a lane's place changed: what nobody needs goes, places are saved now and
 * then. */
void metric_set_moved(struct metric_set *set);

/* metric_places.c */
#define METRIC_PLACES "metrics-places" /* in the store */
/** metric_place_find() - NULL: none is kept */
struct metric_place *metric_place_find(struct metric_set *set, const char *id);
void metric_place_keep(struct metric_set *set, const char *id, uint64_t cursor,
		       const uint64_t ahead[static LANE_AHEAD]);
void metric_place_forget(struct metric_set *set, const char *id);
/** metric_places_save() - of all lanes, and those kept */
void metric_places_save(struct metric_set *set);
void metric_places_read(struct metric_set *set, const char *p, size_t n);
