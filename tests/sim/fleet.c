/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a fleet asks of one Heat: each agent's polls and health signals by the agent's own watch, its
 * policy of waits, and outbox, in simulated time. Requests are counted and cost nothing: the source
 * and the sink here stand for those that sign and send. One agent after another, as they share
 * nothing but the server's outage; each has random numbers of its own.
 *
 *   fleet AGENTS SEED down|503|blackhole
 *
 * One JSON object on stdout: requests in slots of 10 s, arrived (all that reach a server that is up
 * or answers 503) and tried.
 */
#include <errno.h>
#include <string.h>

#include "core/conf.h"
#include "core/log.h"
#include "core/store.h"
#include "core/text.h"
#include "metadata/document.h"
#include "metadata/source.h"
#include "metadata/watch.h"
#include "signal/outbox.h"
#include "world.h"

#define MINUTE	     60000
#define SLOT_MS	     10000
#define DOWN_FROM_MS (30 * MINUTE)
#define DOWN_TO_MS   (90 * MINUTE)
#define END_MS	     (150 * MINUTE)
#define SLOTS	     (END_MS / SLOT_MS)
#define START_IN_MS  (5 * MINUTE)
/* As agent_pulse.c: health each five minutes, soon after the first document. */
#define HEALTH_MS      (5 * MINUTE)
#define HEALTH_SOON_MS 1000

enum mode { MODE_DOWN, MODE_503, MODE_BLACKHOLE };
static const char *const mode_names[] = {"down", "503", "blackhole"};

struct agent {
	struct loop *loop;
	struct store *store;
	struct watch *watch;
	struct outbox *outbox;
	struct loop_timer *health, *answer, *end;
	carry_done_fn *done;
	void *done_ctx;
	bool told;
};

static enum mode mode;
static unsigned arrived[SLOTS], tried[SLOTS];
static struct conf conf;

/* ---- the server ---- */

static bool is_down(void)
{
	int64_t now = world_since_ms();

	return now >= DOWN_FROM_MS && now < DOWN_TO_MS;
}

static void count_request(void)
{
	int64_t slot = world_since_ms() / SLOT_MS;

	if (slot < 0 || slot >= SLOTS)
		return;
	tried[slot]++;
	arrived[slot] += !is_down() || mode == MODE_503;
}

static int64_t answer_in_ms(void)
{
	return !is_down() || mode == MODE_503 ? 40 : mode == MODE_DOWN ? 5 : 30000;
}

/* ---- the source ---- */

struct source {
	struct loop_timer *answer;
	fetch_fn *fn;
	void *ctx;
	bool failed;
};

static void fetched(struct loop *loop _unused_, void *ctx)
{
	static const char text[] = "{\"heat-pulse\":{\"health\":\"health\"}}";
	struct source *s = ctx;
	struct fetch_result r = {.class = FETCH_OK, .retry_after_s = -1};

	if (s->failed)
		r.class = mode == MODE_503 ? FETCH_SERVER_ERROR : FETCH_UNREACHABLE;
	else if (document_from_file(text, sizeof(text) - 1, "server", &r.doc, NULL))
		r.class = FETCH_BAD_DOCUMENT;
	s->fn(&r, s->ctx);
	document_deinit(&r.doc);
}

static bool source_usable(const struct watch_setup *setup _unused_)
{
	return true;
}

static int source_open(const struct watch_setup *setup, struct source **ret, struct err *e)
{
	struct source *s = calloc(1, sizeof(*s));

	if (!s || loop_timer_new(setup->loop, 0, fetched, s, &s->answer)) {
		free(s);
		return err_set(e, -ENOMEM, "no memory");
	}
	*ret = s;
	return 0;
}

static int source_fetch(struct source *s, const char *resource _unused_, bool full _unused_, fetch_fn *fn, void *ctx)
{
	s->fn = fn;
	s->ctx = ctx;
	s->failed = is_down();
	count_request();
	loop_timer_arm(s->answer, answer_in_ms());
	return 0;
}

static const char *source_own(const struct source *s _unused_)
{
	return "server";
}

static bool source_reaches(const struct source *s _unused_, const char *resource _unused_)
{
	return true;
}

static bool source_needs_clock(const struct source *s _unused_)
{
	return false;
}

static struct source *source_close(struct source *s)
{
	if (s)
		loop_timer_free(s->answer);
	free(s);
	return NULL;
}

static const struct source_ops source_counted = {
	.name = "counted", .remote = true, .usable = source_usable, .open = source_open, .fetch = source_fetch,
	.own = source_own, .reaches = source_reaches, .needs_clock = source_needs_clock, .close = source_close};
const struct source_ops *const sources[] = {&source_counted, NULL};

const char *source_name(const char *name)
{
	return text_equal(name, source_counted.name) ? source_counted.name : NULL;
}

/* ---- the agent ---- */

static void answered(struct loop *loop _unused_, void *ctx)
{
	struct agent *a = ctx;

	a->done(is_down() ? CARRY_RETRY : CARRY_DELIVERED, -1, "", a->done_ctx);
}

static int carry(const struct signal *s _unused_, carry_done_fn *done, void *done_ctx, void *ctx)
{
	struct agent *a = ctx;

	a->done = done;
	a->done_ctx = done_ctx;
	count_request();
	loop_timer_arm(a->answer, answer_in_ms());
	return 0;
}

static void tell_health(struct loop *loop _unused_, void *ctx)
{
	struct agent *a = ctx;
	struct signal s = {.kind = SIGNAL_HEALTH, .key = "health", .made_real_ms = world_real_ms()};

	s.target = strdup("health");
	s.status = strdup("SUCCESS");
	s.reason = strdup("hp1");
	s.id = strdup(WORLD_UUID);
	if (outbox_add(a->outbox, &s, NULL, NULL))
		signal_deinit(&s);
	a->told = true;
	loop_timer_arm(a->health, HEALTH_MS);
}

/* As agent_flow.c: a poll that was answered ends the outbox's wait for the server. */
static void on_document(const struct document *doc _unused_, bool changed _unused_, void *ctx)
{
	struct agent *a = ctx;

	outbox_route_changed(a->outbox);
	if (!a->told)
		loop_timer_arm(a->health, HEALTH_SOON_MS);
}

static void quit(struct loop *loop, void *ctx _unused_)
{
	loop_quit(loop, 0);
}

static int begin(struct agent *a)
{
	static const struct credentials_set creds;
	const struct watch_setup watch = {.loop = a->loop, .conf = &conf, .creds = &creds,
					  .events = {.document = on_document, .ctx = a}};
	const struct outbox_setup outbox = {.loop = a->loop, .store = a->store, .carry = carry, .ctx = a};
	int r = loop_timer_new(a->loop, 1000, tell_health, a, &a->health);

	if (!r)
		r = loop_timer_new(a->loop, 0, answered, a, &a->answer);
	if (!r)
		r = loop_timer_new(a->loop, 0, quit, a, &a->end);
	if (!r)
		r = outbox_new(&outbox, &a->outbox);
	return r ? r : watch_new(&watch, &a->watch, NULL);
}

static int live(void)
{
	struct agent a = {0};
	int64_t start = (int64_t)(world_random() * START_IN_MS);
	int r;

	world.shared->boot_ms = world.begin_ms + start;
	r = loop_new(&world.env, &a.loop);
	if (!r)
		r = store_new(a.loop, &a.store); /* no disk: all is in memory */
	if (!r)
		r = begin(&a);
	if (!r) {
		loop_timer_arm(a.end, END_MS - start);
		r = loop_run(a.loop);
	}
	watch_free(a.watch);
	outbox_free(a.outbox);
	store_free(a.store);
	loop_free(a.loop);
	return r;
}

static void print_row(const char *name, const unsigned *row)
{
	printf("\"%s\":[", name);
	for (size_t i = 0; i < SLOTS; i++)
		printf("%s%u", i ? "," : "", row[i]);
	fputs("]", stdout);
}

static int read_arguments(int argc, char **argv, uint64_t *agents, uint64_t *seed)
{
	if (argc != 4 || text_u64(argv[1], strlen(argv[1]), agents) || text_u64(argv[2], strlen(argv[2]), seed))
		return -EINVAL;
	for (size_t i = 0; i < ARRAY_SIZE(mode_names); i++)
		if (!strcmp(mode_names[i], argv[3])) {
			mode = (enum mode)i;
			return 0;
		}
	return -EINVAL;
}

int main(int argc, char **argv)
{
	uint64_t agents = 0, seed = 0;
	int r = read_arguments(argc, argv, &agents, &seed);

	if (!r)
		r = world_clock_init();
	if (!r)
		r = conf_init(&conf);
	if (r) {
		fputs("usage: fleet AGENTS SEED down|503|blackhole\n", stderr);
		return 2;
	}
	log_setup(LOG_LEVEL_ERR, "fleet");
	world.shared->random = seed * 0x2545f4914f6cdd1du;
	for (int i = 0; i < PEERS; i++)
		world.shared->idle[i] = 1;
	world.end_ms = 2 * END_MS;
	world.env = (struct env){.boot_ms = world_boot_ms, .real_ms = world_real_ms, .wait = agent_wait};
	for (uint64_t i = 0; i < agents && !r; i++)
		r = live();
	printf("{\"agents\":%llu,\"slot_s\":%d,\"down_from_s\":%d,\"down_to_s\":%d,", (unsigned long long)agents,
	       SLOT_MS / 1000, DOWN_FROM_MS / 1000, DOWN_TO_MS / 1000);
	print_row("arrived", arrived);
	fputs(",", stdout);
	print_row("tried", tried);
	puts("}");
	return r ? 1 : 0;
}
