/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the agent knows of its guest beyond what files say: remembered from an earlier life, and asked of
 * nova's metadata service where DMI says that nova made this guest and something is unknown. The service is
 * believed in what it adds; a UUID that it alone knows counts from the next start, as signals and metrics
 * of one life carry one name. Whose the state is stays what the files said.
 */
#include "command/agent.h"

#include <errno.h>
#include <string.h>

#include "core/backoff.h"
#include "core/fs.h"
#include "core/log.h"
#include "core/text.h"

#define READ_WAIT_MS 2000
#define SERVICE_PATH "/openstack/latest/meta_data.json"
#define SERVICE_LINK "http://[fe80::a9fe:a9fe%%25%s]" SERVICE_PATH
#define LINKS_MAX    (64u << 10)
#define TIMEOUT_MS   3000
#define ANSWER_MAX   (64u << 10)
#define RETRY_MS     10000
#define RETRY_MAX_MS (60 * 60 * 1000)
#define FIRST_MS     500 /* a guest that comes up has more urgent things to do */
#define SOON_MAX     4 /* links asked right after one another: a host of containers has hundreds */

struct agent_identity {
	struct loop_timer *timer;
	struct http_call *call;
	struct backoff backoff;
	unsigned turn; /* 0: where the configuration says; then each link with IPv6 */
	bool told; /* that the service does not answer */
};

/* @old: what is kept already, or NULL; the same is not written again, as one pass may run each minute. */
static void keep(struct agent *a, const struct identity *id, const struct identity *old)
{
	_cleanup_free_ char *text = identity_save(id), *kept = old ? identity_save(old) : NULL;

	if (text && text_equal(text, kept))
		return;
	if (!text || store_put(a->store, IDENTITY_ENTRY, text, strlen(text), NULL, NULL))
		log_warn("name, project and zone of this server are not kept on disk: out of memory");
}

/* Return: whether there was one. */
static bool recall(struct agent *a, struct identity *ret)
{
	_cleanup_buf_ struct buf text = BUF_INIT(ANSWER_MAX);
	int r;

	if (!a->store_link || store_get_wait(a->store_link, IDENTITY_ENTRY, READ_WAIT_MS, &text))
		return false;
	r = identity_load(text.data, text.len, ret);
	if (r)
		log_warn("what an earlier life knew of this server cannot be used: %s", strerror(-r));
	return r == 0;
}

void agent_identity_recall(struct agent *a)
{
	struct identity *id = &a->identity, old;
	bool known = recall(a, &old);

	a->identity_weak = identity_is_weak(id);
	if (known)
		identity_remember(id, &old);
	/* What is told by nobody this time is not forgotten; a weak name is not worth keeping. */
	if (!identity_is_weak(id) && (id->name[0] || id->project_id[0] || id->zone[0]))
		keep(a, id, known ? &old : NULL);
}

/* The link whose turn it is. */
static bool link_of_turn(struct agent *a, char name[static IDENTITY_LINK_SIZE])
{
	_cleanup_buf_ struct buf links = BUF_INIT(LINKS_MAX);
	char path[ENV_PATH_MAX];

	return a->who->turn > 0 &&
	       fs_read(env_path(a->setup->env, "/proc/net/if_inet6", path), &links) >= 0 &&
	       identity_link(buf_str(&links), a->who->turn - 1, name);
}

/* @soon: there is another way that nobody tried yet. */
static void ask_again(struct agent *a, const char *why, bool soon)
{
	struct agent_identity *who = a->who;

	log_at(who->told ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO,
	       "the metadata service does not say who this server is (%s); it is asked again now and then",
	       why);
	who->told = true;
	loop_timer_arm(who->timer, soon ? FIRST_MS : backoff_next(&who->backoff, random_unit()));
}

/* No file names this server: the service is the best there is, but this life has begun under another name. */
static void take_unknown(struct agent *a, const struct identity *said)
{
	struct identity next = *said;

	log_info("the metadata service says that this is server %s; until the next start it is %s, of %s",
		 said->server_uuid, a->identity.server_uuid, a->identity.server_from);
	keep(a, said, NULL);
	if (!identity_is_weak(&a->identity))
		return; /* remembered of another server: its details are not mixed with these */
	memcpy(next.server_uuid, a->identity.server_uuid, sizeof(next.server_uuid));
	if (identity_fill(&a->identity, &next))
		agent_metrics_labels(a);
}

static void take_answer(struct agent *a, const struct identity *said)
{
	bool same = text_equal(said->server_uuid, a->identity.server_uuid);

	if (!same && a->identity_weak) {
		take_unknown(a, said);
	} else if (!same) {
		log_warn("the metadata service speaks of server %s, but this is %s (%s): not believed",
			 said->server_uuid, a->identity.server_uuid, a->identity.server_from);
	} else if (identity_fill(&a->identity, said)) {
		log_info("name, project and zone of this server come from the metadata service");
		keep(a, &a->identity, NULL);
		agent_metrics_labels(a);
	}
}

/* A way that leads nowhere: the next one is asked soon, and after all of them there is a longer
 * pause. */
static void ask_elsewhere(struct agent *a, const char *why)
{
	char name[IDENTITY_LINK_SIZE];

	a->who->turn++;
	ask_again(a, why, a->who->turn <= SOON_MAX && link_of_turn(a, name));
}

static void on_answer(const struct http_answer *answer, void *ctx)
{
	struct agent *a = ctx;
	struct identity said;
	char why[64];

	a->who->call = NULL;
	snprintf(why, sizeof(why), "status %ld", answer->status);
	if (answer->failure)
		ask_elsewhere(a, answer->why);
	else if (answer->status != 200)
		ask_again(a, why, false);
	else if (!answer->body.data ||
		 identity_parse(answer->body.data, answer->body.len, "metadata-service", &said))
		ask_again(a, "no metadata of a server", false);
	else
		take_answer(a, &said);
}

/* Whose turn it is: the address of the configuration, and where that one cannot be reached, by one after the
 * other of the links, as networks without IPv4 have the service as a neighbour. */
static void put_url(struct agent *a, struct buf *url)
{
	char name[IDENTITY_LINK_SIZE];

	if (link_of_turn(a, name)) {
		buf_printf(url, SERVICE_LINK, name);
		return;
	}
	a->who->turn = 0;
	buf_printf(url, "%s" SERVICE_PATH, a->conf->local_service);
}

static void on_timer(struct loop *loop _unused_, void *ctx)
{
	struct agent *a = ctx;
	_cleanup_buf_ struct buf url = BUF_INIT(1024);
	struct http_request req = {.method = "GET", .timeout_ms = TIMEOUT_MS, .body_max = ANSWER_MAX};

	put_url(a, &url);
	req.url = buf_str(&url);
	if (http_start(a->http, &req, on_answer, a, &a->who->call))
		ask_elsewhere(a, "the request cannot be made");
}

int agent_identity_start(struct agent *a, struct err *e)
{
	int r;

	if (!a->identity.openstack || (identity_is_complete(&a->identity) && !a->identity_weak))
		return 0;
	a->who = calloc(1, sizeof(*a->who));
	if (!a->who)
		return err_set(e, -ENOMEM, "out of memory");
	a->who->backoff = (struct backoff){.base_ms = RETRY_MS, .cap_ms = RETRY_MAX_MS};
	r = loop_timer_new(a->loop, 1000, on_timer, a, &a->who->timer);
	if (r)
		return err_sys(e, -r, "cannot prepare to ask who this server is");
	loop_timer_arm(a->who->timer, FIRST_MS);
	return 0;
}

void agent_identity_stop(struct agent *a)
{
	if (!a->who)
		return;
	if (a->who->call)
		http_cancel(a->who->call);
	loop_timer_free(a->who->timer);
	free(a->who);
	a->who = NULL;
}
