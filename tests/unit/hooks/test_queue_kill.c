/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything dies at random instants, over and over: agent, runner, store, shepherds, hooks, all
 * together or some of them. In each round one new value is offered; killed lives follow each other
 * until one is left to finish. Then the log that the hooks wrote must show: no run id started
 * twice, nothing started again after it had ended well, at most one more start per kill, both hooks
 * done, in order.
 *
 * Rounds: HEAT_PULSE_KILL_ROUNDS (default 24, of one to eight killed lives each).
 */
#include "agent.h"

#include <dirent.h>

#include "core/log.h"
#include "hooks/run_record.h"

#define LIVES_MAX 8
#define LINES_MAX 4000
#define RETRY_MS  5

/* ---- one life: this program again, as `--life ROOT VALUE` ---- */

static bool all_idle(const struct agent *a)
{
	json_t *list = hook_queue_status(a->queue), *h;
	bool idle = hook_queue_idle(a->queue);
	size_t i;

	json_array_foreach(list, i, h)
	{
		idle = idle && strcmp(json_string_value(json_object_get(h, "state")), "idle") == 0;
	}
	json_decref(list);
	return idle;
}

#define HOOK(name)                                                                                 \
	"[" name "]\ntriggers=post.add,post.update\npath=Resources.R1.Metadata.v\n"                \
	"action=echo start $HEAT_PULSE_RUN_ID " name " $CFN_NEW_METADATA >> %(log)s; sleep 0.01;"  \
	" echo end $HEAT_PULSE_RUN_ID " name " $CFN_NEW_METADATA >> %(log)s\n"

static int live(const char *root, const char *value)
{
	struct fixture *f = calloc(1, sizeof(*f));
	char hooks[4096], doc[128], done[ENV_PATH_MAX];
	struct agent *a;

	f->env.boot_ms = clock_boot_ms;
	f->env.real_ms = clock_real_ms;
	snprintf(f->env.root, sizeof(f->env.root), "%s", root);
	assert_int_equal(conf_init(&f->conf), 0);
	f->conf.hook_tries = 100;
	f->conf.hook_retry_ms = RETRY_MS;
	snprintf(hooks, sizeof(hooks), "[DEFAULT]\nlog=%s/tmp/log\n%s", root,
		 HOOK("one") HOOK("two"));
	snprintf(doc, sizeof(doc), "{\"v\": %s}", value);
	fixture_path(f, "/tmp/log", done);
	a = agent_new(f, hooks);
	a->done_log = done;
	agent_offer(a, "R1", doc);
	do
		world_turn(a->w, 5);
	while (a->idles == 0 || !all_idle(a));
	while (store_pending(a->store) > 0)
		world_turn(a->w, 5);
	world_turn(a->w, 20); /* the runner gets to forget */
	_exit(0);
}

/* ---- killing ---- */

struct process {
	pid_t pid, parent;
	char name[32];
};

struct processes {
	struct process list[2048];
	size_t n;
};

static bool read_process(const char *name, struct process *ret)
{
	struct buf text = BUF_INIT(4096);
	char path[300];
	const char *open, *close;
	bool good;

	snprintf(path, sizeof(path), "/proc/%s/stat", name);
	good = fs_read(path, &text) == 0 && (open = strchr(buf_str(&text), '(')) &&
	       (close = strrchr(open, ')')) && close[2] != 'Z';
	if (good) {
		snprintf(ret->name, sizeof(ret->name), "%.*s", (int)(close - open - 1), open + 1);
		ret->pid = (pid_t)strtol(name, NULL, 10);
		ret->parent = (pid_t)strtol(close + 4, NULL, 10);
	}
	buf_deinit(&text);
	return good;
}

static void list_processes(struct processes *all)
{
	const struct dirent *d;
	DIR *dir = opendir("/proc");

	assert_non_null(dir);
	all->n = 0;
	while ((d = readdir(dir)) && all->n < ARRAY_SIZE(all->list))
		if (d->d_name[0] >= '1' && d->d_name[0] <= '9' &&
		    read_process(d->d_name, &all->list[all->n]))
			all->n++;
	closedir(dir);
}

static pid_t parent_of(const struct processes *all, pid_t pid)
{
	for (size_t i = 0; i < all->n; i++)
		if (all->list[i].pid == pid)
			return all->list[i].parent;
	return 0;
}

static bool is_ours(const struct processes *all, pid_t pid)
{
	for (int depth = 0; pid > 1 && depth < 20; depth++) {
		pid = parent_of(all, pid);
		if (pid == getpid())
			return true;
	}
	return false;
}

/* Signals our descendants, of that name only unless it is NULL. Return: how many. */
static unsigned signal_ours(const char *name, int signo)
{
	struct processes *all = malloc(sizeof(*all));
	unsigned n = 0;

	assert_non_null(all);
	list_processes(all);
	for (size_t i = 0; i < all->n; i++) {
		if (!is_ours(all, all->list[i].pid) ||
		    (name && strcmp(all->list[i].name, name) != 0))
			continue;
		kill(all->list[i].pid, signo);
		n++;
	}
	free(all);
	return n;
}

static void kill_everything(void)
{
	while (signal_ours(NULL, SIGKILL) > 0)
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
	while (waitpid(-1, NULL, 0) > 0)
		;
}

/* ---- rounds ---- */

static pid_t start_life(const struct fixture *f, unsigned value)
{
	char text[16];
	pid_t pid;

	snprintf(text, sizeof(text), "%u", value);
	pid = fork();
	if (pid == 0) {
		execl("/proc/self/exe", "test_hooks_queue_kill", "--life", f->env.root, text,
		      (char *)NULL);
		_exit(99);
	}
	return pid;
}

/* Which parts die: all at once; agent and runner (the shepherd lives on and is adopted); the
 * shepherd alone first; or all after the disk has been silent for a while, so that what waits for
 * it is caught waiting. */
static unsigned end_life(pid_t life, unsigned how)
{
	unsigned kills = 1;

	if (how == 1) {
		kill(life, SIGKILL);
		waitpid(life, NULL, 0);
		return 0; /* nothing of a run was cut off */
	}
	if (how == 2) {
		kills += signal_ours("hp-shepherd", SIGKILL);
		usleep(15000);
	}
	if (how == 3) {
		signal_ours(AGENT_STORE_NAME, SIGSTOP);
		usleep(40000);
	}
	kill_everything();
	return kills;
}

struct line {
	char kind[8], id[80], hook[16];
	unsigned value;
};

struct lines {
	struct line list[LINES_MAX];
	size_t n;
};

static void parse_log(const char *text, struct lines *ret)
{
	size_t pos = 0, n;
	const char *p;

	ret->n = 0;
	while (text_list_next(text, '\n', &pos, &p, &n)) {
		struct line *l = &ret->list[ret->n];
		const char *word[4] = {"", "", "", ""};
		char copy[256], *save = NULL;

		snprintf(copy, sizeof(copy), "%.*s", (int)n, p);
		for (int i = 0; i < 4; i++) {
			const char *w = strtok_r(i ? NULL : copy, " ", &save);

			word[i] = w ? w : "";
		}
		if (!*word[0] || ret->n == LINES_MAX)
			continue;
		snprintf(l->kind, sizeof(l->kind), "%s", word[0]);
		snprintf(l->id, sizeof(l->id), "%s", word[1]);
		snprintf(l->hook, sizeof(l->hook), "%s",
			 strcmp(word[0], "done") == 0 ? word[1] : word[2]);
		l->value = (unsigned)strtoul(word[3], NULL, 10);
		ret->n++;
	}
}

/* Runs whose good end is on disk now: their line numbers in the log's future must hold no new
 * start. */
static void note_ended(const struct fixture *f, struct buf *ended)
{
	char path[ENV_PATH_MAX];
	const struct dirent *d;
	DIR *dir;

	fixture_path(f, RUNS_DIR, path);
	dir = opendir(path);
	while (dir && (d = readdir(dir))) {
		char name[600];
		char *text;

		snprintf(name, sizeof(name), RUNS_DIR "/%s", d->d_name);
		text = fixture_read(f, name);
		if (strstr(text, "\"end\":\"exited\""))
			buf_printf(ended, "%.64s ", d->d_name);
		free(text);
	}
	if (dir)
		closedir(dir);
}

/* A success as a line of its own, at the place in the log where it was seen. */
static void write_ended(const struct fixture *f, struct buf *seen)
{
	struct buf now = BUF_INIT(1 << 20);
	char path[ENV_PATH_MAX];
	const char *p;
	size_t pos = 0, n;
	FILE *log;

	note_ended(f, &now);
	fixture_path(f, "/tmp/log", path);
	log = fopen(path, "a");
	assert_non_null(log);
	while (text_list_next(buf_str(&now), ' ', &pos, &p, &n)) {
		char id[80];

		snprintf(id, sizeof(id), "%.*s", (int)n, p);
		if (n == 0 || strstr(buf_str(seen), id))
			continue;
		fprintf(log, "ended %s\n", id);
		buf_printf(seen, "%s ", id);
	}
	fclose(log);
	buf_deinit(&now);
}

static const struct line *start_of(const struct lines *l, const char *id)
{
	for (size_t i = 0; i < l->n; i++)
		if (strcmp(l->list[i].kind, "start") == 0 && strcmp(l->list[i].id, id) == 0)
			return &l->list[i];
	return NULL;
}

static bool is_start(const struct line *line, const char *hook)
{
	return strcmp(line->kind, "start") == 0 && strcmp(line->hook, hook) == 0;
}

static void check_round(const struct lines *l, unsigned value, unsigned kills)
{
	bool well[2] = {false, false};
	unsigned starts = 0;

	for (size_t i = 0; i < l->n; i++) {
		const struct line *line = &l->list[i];

		if (strcmp(line->kind, "start") == 0) {
			assert_int_equal(line->value, value);
			assert_ptr_equal(start_of(l, line->id), line); /* no id starts twice */
			assert_false(
				well[strcmp(line->hook, "two") == 0]); /* not after its good end */
			/* Order; but a hook that was cut off twice has failed and lets others pass.
			 */
			if (strcmp(line->hook, "two") == 0 && kills < 2)
				assert_true(well[0]);
			starts++;
		} else if (strcmp(line->kind, "done") == 0) {
			well[strcmp(line->hook, "two") == 0] = true;
		} else if (strcmp(line->kind, "ended") == 0 && start_of(l, line->id)) {
			well[is_start(start_of(l, line->id), "two")] = true;
		}
	}
	assert_true(well[0] && well[1]); /* none lost */
	assert_true(starts >= 2 && starts <= 2 + kills);
}

/* The last life forgot what the killed ones left. */
static void check_records(const struct fixture *f)
{
	struct buf ended = BUF_INIT(1 << 20);

	note_ended(f, &ended);
	assert_string_equal(buf_str(&ended), "");
	buf_deinit(&ended);
}

static void finish_round(const struct fixture *f, unsigned value)
{
	pid_t life = start_life(f, value);
	int wstatus;

	assert_int_equal(waitpid(life, &wstatus, 0), life);
	if (wstatus != 0)
		fail_msg("the last life of round %u ended with status %x", value,
			 (unsigned)wstatus);
	kill_everything();
}

static void play_round(const struct fixture *f, unsigned value, unsigned *seed)
{
	struct lines *lines = calloc(1, sizeof(*lines));
	struct buf seen = BUF_INIT(1 << 20);
	unsigned kills = 0;
	char *text;

	fixture_write(f, "/tmp/log", "", 0600);
	for (unsigned lives = 1 + (unsigned)rand_r(seed) % LIVES_MAX; lives > 0; lives--) {
		pid_t life = start_life(f, value);

		usleep((useconds_t)(rand_r(seed) % 90000));
		kills += end_life(life, (unsigned)rand_r(seed) % 4);
		write_ended(f, &seen);
	}
	finish_round(f, value);
	write_ended(f, &seen);
	text = fixture_read(f, "/tmp/log");
	parse_log(text, lines);
	print_message("# round %u: %u kills\n", value, kills);
	for (size_t i = 0; i < lines->n && getenv("HEAT_PULSE_KILL_SEED"); i++)
		print_message("#   %s %.8s %s\n", lines->list[i].kind, lines->list[i].id,
			      lines->list[i].hook);
	check_round(lines, value, kills);
	check_records(f);
	free(text);
	free(lines);
	buf_deinit(&seen);
}

/* A finished hook is not run again, an unfinished one is run once more, none is lost, order is
 * kept. */
static void test_random_kills(void **state)
{
	const char *rounds_text = getenv("HEAT_PULSE_KILL_ROUNDS"),
		   *seed_text = getenv("HEAT_PULSE_KILL_SEED");
	unsigned rounds = rounds_text ? (unsigned)strtoul(rounds_text, NULL, 10) : 24;
	unsigned seed =
		seed_text ? (unsigned)strtoul(seed_text, NULL, 10) : (unsigned)clock_real_ms();

	print_message("# HEAT_PULSE_KILL_SEED=%u\n", seed);
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	for (unsigned i = 1; i <= rounds; i++)
		play_round(*state, i, &seed);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_random_kills, fixture_setup, fixture_teardown),
	};

	log_setup(LOG_LEVEL_ERR, "test");
	if (argc == 4 && strcmp(argv[1], "--life") == 0)
		return live(argv[2], argv[3]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
