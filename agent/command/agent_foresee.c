/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Samples and kernel records in, findings out: what the sampler delivers goes to predict, what
 * predict has to tell goes to the log, to health and to the disk. The mark that tells the next life
 * how this boot ended is kept here, too.
 */
#include "command/agent.h"

#include <errno.h>
#include <string.h>

#include "core/log.h"
#include "core/text.h"
#include "hooks/finding.h"

#define FINDINGS_ENTRY "findings"
#define MARK_ENTRY     "boot-mark"
#define READ_WAIT_MS   2000
#define MARK_EVERY_MS  (5 * 60 * 1000)
#define HELD_MS        2100 /* the rules give up waiting after 2 s */
#define TICK_EVERY_MS  10000
#define RISK_DEGRADED  0.25 /* classes of risk: a change of class is told at once */
#define RISK_FAILING   0.75

double agent_risk(const struct agent *a, int64_t *ret_horizon_s)
{
	*ret_horizon_s = -1;
	return a->foresee ? findings_risk(foresee_findings(a->foresee), ret_horizon_s) : 0;
}

const char *agent_state(const struct agent *a)
{
	int64_t horizon_s;
	double risk = agent_risk(a, &horizon_s);

	if (risk >= RISK_FAILING)
		return "failing";
	return risk >= RISK_DEGRADED || a->failed_hook[0] ? "degraded" : "ok";
}

size_t agent_findings(const struct agent *a, struct finding *list, size_t max)
{
	size_t n = 0;

	while (a->foresee && n < max && findings_get(foresee_findings(a->foresee), n, &list[n]))
		n++;
	return n;
}

/* The findings as the next life reads them: whose boot they are of, then their own text. */
static void keep_findings(struct agent *a)
{
	_cleanup_buf_ struct buf text = BUF_INIT(256 << 10);
	const struct env *env = a->setup->env;

	buf_printf(&text, "%s\n", a->identity.boot_id);
	if (findings_save(foresee_findings(a->foresee), env->real_ms(), env->boot_ms(), &text) ||
	    store_put(a->store, FINDINGS_ENTRY, text.data, text.len, NULL, NULL))
		log_warn("findings are not kept on disk: out of memory");
}

static void read_findings(struct agent *a)
{
	_cleanup_buf_ struct buf text = BUF_INIT(256 << 10);
	const char *end;
	size_t head;

	if (!a->store_link || store_get_wait(a->store_link, FINDINGS_ENTRY, READ_WAIT_MS, &text))
		return;
	end = memchr(text.data, '\n', text.len);
	if (!end)
		return;
	head = (size_t)(end - text.data);
	if (findings_restore(foresee_findings(a->foresee), end + 1, text.len - head - 1,
			     head == strlen(a->identity.boot_id) &&
				     !memcmp(text.data, a->identity.boot_id, head),
			     a->setup->env->real_ms(), a->setup->env->boot_ms()))
		log_warn("the findings of an earlier life cannot be read, beginning anew");
}

static void keep_mark(struct agent *a, bool stopped)
{
	const struct kmsg_reader *kmsg = a->sampler ? sampler_kmsg(a->sampler) : NULL;
	struct boot_mark mark = {.stopped = stopped,
				 .kmsg_seq = kmsg ? kmsg_reader_last_seq(kmsg) : 0,
				 .alive_ms = a->setup->env->real_ms()};
	char text[BOOT_MARK_TEXT_MAX];
	size_t n;

	snprintf(mark.boot_id, sizeof(mark.boot_id), "%s", a->identity.boot_id);
	n = boot_mark_format(&mark, text);
	if (store_put(a->store, MARK_ENTRY, text, n, NULL, NULL))
		log_debug("the mark of this boot is not kept");
	a->mark_ms = loop_now(a->loop);
}

static void read_mark(struct agent *a)
{
	_cleanup_buf_ struct buf text = BUF_INIT(4096);

	if (a->store_link && !store_get_wait(a->store_link, MARK_ENTRY, READ_WAIT_MS, &text))
		a->mark_known = !boot_mark_parse(text.data, text.len, &a->mark);
}

/* Wall-clock time for what is foreseen. */
static int64_t clock_now(struct agent *a)
{
	int64_t real_ms = a->setup->env->real_ms();

	foresee_clock(a->foresee, real_ms, a->setup->env->boot_ms());
	return real_ms;
}

/* How the last boot ended, once it is known what earlier kernels left. */
static void judge_last_boot(struct agent *a)
{
	struct lastboot_pstore pstore = {0};
	struct observation o = {.class = FAILURE_KERNEL_PANIC,
				.entity = "previous boot",
				.eta_s = -1,
				.certain = true};
	enum lastboot how;

	if (a->last_boot_judged || !sampler_pstore(a->sampler, &pstore))
		return;
	a->last_boot_judged = true;
	how = lastboot_judge(a->mark_known ? &a->mark : NULL, a->identity.boot_id, &pstore);
	if (how != LASTBOOT_UNCLEAN && how != LASTBOOT_PANIC)
		return;
	o.level = how == LASTBOOT_PANIC ? FINDING_WARNING : FINDING_NOTICE;
	o.evidence = lastboot_sentences[how];
	foresee_note(a->foresee, clock_now(a), &o);
}

static void log_news(const struct findings_news *news)
{
	static const char *const words[] = {[FINDINGS_OPENED] = "opened",
					    [FINDINGS_RAISED] = "is worse",
					    [FINDINGS_REPEATED] = "is still open",
					    [FINDINGS_CLOSED] = "is over",
					    [FINDINGS_SUMMARY] = "summary"};
	const struct finding *f = &news->finding;
	bool over = news->event == FINDINGS_CLOSED;

	log_at(over || f->level == FINDING_NOTICE ? LOG_LEVEL_INFO : LOG_LEVEL_WARN,
	       "finding %s of %s %s%s%s: %s", f->class_name, f->entity, words[news->event],
	       over ? "" : ", ", over ? "" : finding_level_names[f->level], f->evidence);
}

void agent_note_critical(struct agent *a)
{
	struct finding worst;

	/* The most severe comes first. */
	if (a->foresee && findings_get(foresee_findings(a->foresee), 0, &worst) &&
	    worst.level == FINDING_CRITICAL)
		a->critical_last_ms = loop_now(a->loop);
}

static void tell_hooks(struct agent *a, const struct findings_news *news)
{
	/* Hooks are told of changes only: what is repeated or summed up is told already. */
	static const int events[] = {[FINDINGS_OPENED] = HOOK_EVENT_OPENED,
				     [FINDINGS_RAISED] = HOOK_EVENT_RAISED,
				     [FINDINGS_REPEATED] = -1,
				     [FINDINGS_CLOSED] = HOOK_EVENT_CLOSED,
				     [FINDINGS_SUMMARY] = -1};
	const struct finding *f = &news->finding;
	const struct hook_finding told = {.class_name = f->class_name,
					  .entity = f->entity,
					  .level = f->level,
					  .event = (enum hook_event)events[news->event],
					  .evidence = f->evidence,
					  .eta_s = f->eta_s,
					  .risk = f->risk};

	if (!a->queue || events[news->event] < 0)
		return;
	if (hook_queue_finding(a->queue, &told))
		log_err("finding %s of %s: too many wait, no hook is told", f->class_name,
			f->entity);
}

static void drain(struct agent *a)
{
	struct findings_news news;
	bool any = false, critical = false;

	while (findings_take(foresee_findings(a->foresee), &news)) {
		log_news(&news);
		tell_hooks(a, &news);
		any = true;
		critical |= news.finding.level == FINDING_CRITICAL &&
			    (news.event == FINDINGS_OPENED || news.event == FINDINGS_RAISED);
	}
	agent_note_critical(a);
	if (!any)
		return;
	if (critical)
		agent_health_now(a);
	keep_findings(a);
	agent_judge_boot(a);
	agent_judge_action(a);
	agent_health_due(a);
}

static void tick(struct agent *a)
{
	int64_t now = loop_now(a->loop);

	if (a->tick_ms && now - a->tick_ms < TICK_EVERY_MS)
		return;
	a->tick_ms = now;
	foresee_tick(a->foresee, clock_now(a), now * 1000);
	if (now - a->mark_ms < MARK_EVERY_MS)
		return;
	keep_mark(a, false);
	/* What changes without news, and how far the day of their budget is on. */
	if (findings_are_worth(foresee_findings(a->foresee), a->setup->env->real_ms()))
		keep_findings(a);
}

/* The line that says more did not come: what is known is told. */
static void on_held(struct loop *loop, void *ctx)
{
	struct agent *a = ctx;

	foresee_tick(a->foresee, clock_now(a), loop_now(loop) * 1000);
	drain(a);
}

static void on_record(const struct kmsg_record *r, bool since_boot _unused_, void *ctx)
{
	struct agent *a = ctx;
	int64_t age_ms = loop_now(a->loop) - (int64_t)(r->usec / 1000);

	foresee_record(a->foresee, r, clock_now(a) - (age_ms > 0 ? age_ms : 0));
	if (foresee_is_holding(a->foresee))
		loop_timer_arm(a->held_timer, HELD_MS);
	drain(a);
}

static void on_sample(const struct sample *s, void *ctx)
{
	struct agent *a = ctx;

	foresee_sample(a->foresee, s);
	judge_last_boot(a);
	tick(a);
	drain(a);
	agent_metrics_sample(a, s);
}

static void on_event(const struct sample_event *e, void *ctx _unused_)
{
	log_info("%s%s%s: %.4g", sample_event_names[e->kind], e->entity[0] ? " " : "", e->entity,
		 e->value);
}

/* Root's configuration first, what metadata say over it. */
static void tune(struct agent *a)
{
	const struct conf *c = a->conf;
	struct predict_setting own;
	const struct predict_setting *const all[] = {&own, &a->settings.predict};

	if (!a->foresee)
		return;
	problems_remove(&a->problems, "predict");
	foresee_settings(c->predict_disable, c->predict_levels, &own, &a->problems);
	own.critical_eta_s = c->critical_eta_ms / 1000;
	own.horizon_s = c->horizon_ms / 1000;
	foresee_tune(a->foresee, all, ARRAY_SIZE(all), &a->problems);
	agent_judge_action(a);
	agent_health_due(a);
}

int agent_foresee_apply(struct agent *a)
{
	const struct sampler_settings settings = {
		.interval_ms = a->settings.interval_ms,
		.mounts = (const char *const *)a->settings.mounts,
		.n_mounts = a->settings.n_mounts,
		.processes = (const char *const *)a->settings.processes,
		.n_processes = a->settings.n_processes,
	};

	tune(a);
	return a->sampler ? sampler_apply(a->sampler, &settings) : 0;
}

int agent_foresee_start(struct agent *a, struct err *e)
{
	struct sampler_setup setup = {
		.loop = a->loop,
		.conf = a->conf,
		.open_fd = agent_open_fd,
		.open_ctx = a,
		.sample = on_sample,
		.record = on_record,
		.event = on_event,
		.ctx = a,
	};
	int r = foresee_new(&a->foresee);

	if (!r)
		r = loop_timer_new(a->loop, 100, on_held, a, &a->held_timer);
	if (r)
		return err_sys(e, -r, "cannot prepare the findings");
	read_findings(a);
	read_mark(a);
	setup.kmsg_after_seq =
		boot_mark_after_seq(a->mark_known ? &a->mark : NULL, a->identity.boot_id);
	r = sampler_new(&setup, &a->sampler, e);
	if (r)
		return r;
	if (a->prober_link)
		sampler_set_prober(a->sampler, a->prober_link);
	r = agent_foresee_apply(a);
	if (!r)
		r = sampler_start(a->sampler);
	keep_mark(a, false);
	return r ? err_sys(e, -r, "cannot start sampling") : 0;
}

void agent_foresee_stop(struct agent *a)
{
	if (a->foresee && a->sampler)
		keep_mark(a, true);
	a->sampler = sampler_free(a->sampler);
	a->held_timer = loop_timer_free(a->held_timer);
	a->foresee = foresee_free(a->foresee);
}
