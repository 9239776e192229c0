/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs the real agent through simulated time and tells on stdout what came of it, a JSON object a
 * line. Its configuration is that of the root; the judge is sim.py.
 *
 *   simulate --root DIR --for S [--habit NAME] [--keeper NAME] [--ill CLASS,FROM,TO]
 *            [--fault SERVICE,TROUBLE,FROM,TO[,STATUS[,RETRY]]]... [--clock AT,BY]...
 *            [--suspend AT,FOR] [--disk FIRST,N,ERRNO] [--kill INSTANT,...] [--kill-at S] [--list]
 *
 * Times are seconds since the start. A kill ends agent and store at that instant; the next life
 * begins two seconds later and its instants count on.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "core/log.h"
#include "core/text.h"
#include "guest.h"
#include "world.h"

#define PARTS_MAX   8
#define KILLS_MAX   64
#define REVIVAL_MS  2000

static uint64_t kills[KILLS_MAX];
static size_t n_kills;
static int64_t kill_ms; /* since the start; 0 = none */

/* Cuts @text at its commas. */
static size_t split(char *text, char *parts[static PARTS_MAX])
{
	size_t n = 0;
	char *save = NULL;

	for (char *p = strtok_r(text, ",", &save); p && n < PARTS_MAX; p = strtok_r(NULL, ",", &save))
		parts[n++] = p;
	return n;
}

static int find(const char *const *names, int n, const char *name)
{
	for (int i = 0; i < n; i++)
		if (!strcmp(names[i], name))
			return i;
	return -1;
}

static int64_t ms_of(const char *s)
{
	return strtoll(s, NULL, 10) * 1000;
}

static int take_root(char *value)
{
	return env_init(&world.env, value);
}

static int take_for(char *value)
{
	world.end_ms = ms_of(value);
	return world.end_ms > 0 ? 0 : -EINVAL;
}

static int take_habit(char *value)
{
	world.habit = value;
	return 0;
}

static int take_keeper(char *value)
{
	return ntp_keeper(value) ? 0 : -EINVAL;
}

static int take_ill(char *value)
{
	char *parts[PARTS_MAX];

	if (split(value, parts) != 3)
		return -EINVAL;
	world.ailment = parts[0];
	world.ill_from_ms = ms_of(parts[1]);
	world.ill_to_ms = ms_of(parts[2]);
	return 0;
}

static int take_fault(char *value)
{
	struct fault *f = &world.faults[world.n_faults];
	char *parts[PARTS_MAX];
	size_t n = split(value, parts);
	int service, trouble;

	if (n < 4 || world.n_faults == WORLD_FAULTS_MAX)
		return -EINVAL;
	service = find(service_names, SERVICES, parts[0]);
	trouble = find(trouble_names, TROUBLES, parts[1]);
	if (service < 0 || trouble < 0)
		return -EINVAL;
	*f = (struct fault){.service = (enum service)service,
			    .trouble = (enum trouble)trouble,
			    .from_ms = ms_of(parts[2]),
			    .to_ms = ms_of(parts[3]),
			    .status = n > 4 ? strtol(parts[4], NULL, 10) : 0,
			    .retry_after_s = n > 5 ? strtol(parts[5], NULL, 10) : 0};
	world.n_faults++;
	return 0;
}

static int take_clock(char *value)
{
	char *parts[PARTS_MAX];

	if (split(value, parts) != 2 || world.n_steps == WORLD_STEPS_MAX)
		return -EINVAL;
	world.steps[world.n_steps++] = (struct clock_step){.at_ms = ms_of(parts[0]), .by_ms = ms_of(parts[1])};
	return 0;
}

static int take_suspend(char *value)
{
	char *parts[PARTS_MAX];

	if (split(value, parts) != 2)
		return -EINVAL;
	world.suspend_at_ms = ms_of(parts[0]);
	world.suspend_ms = ms_of(parts[1]);
	return 0;
}

static int take_disk(char *value)
{
	char *parts[PARTS_MAX];

	if (split(value, parts) != 3)
		return -EINVAL;
	world.disk_from = strtoull(parts[0], NULL, 10);
	world.disk_n = strtoull(parts[1], NULL, 10);
	world.disk_errno = (int)strtol(parts[2], NULL, 10);
	return 0;
}

static int take_kill(char *value)
{
	char *save = NULL;

	for (char *p = strtok_r(value, ",", &save); p && n_kills < KILLS_MAX; p = strtok_r(NULL, ",", &save))
		kills[n_kills++] = strtoull(p, NULL, 10);
	return 0;
}

static int take_kill_at(char *value)
{
	kill_ms = ms_of(value);
	return kill_ms > 0 ? 0 : -EINVAL;
}

static const struct {
	const char *name;
	int (*take)(char *value);
} options[] = {
	{"--root", take_root},     {"--for", take_for},         {"--habit", take_habit},
	{"--ill", take_ill},       {"--fault", take_fault},     {"--disk", take_disk},
	{"--kill", take_kill},     {"--clock", take_clock},     {"--suspend", take_suspend},
	{"--keeper", take_keeper}, {"--kill-at", take_kill_at},
};

static int read_options(int argc, char **argv)
{
	int r = 0;

	for (int i = 1; i + 1 < argc && !r; i += 2) {
		r = -EINVAL;
		for (size_t k = 0; k < ARRAY_SIZE(options); k++)
			if (!strcmp(argv[i], options[k].name))
				r = options[k].take(argv[i + 1]);
	}
	return argc % 2 == 0 || !world.env.root[0] || !world.end_ms ? -EINVAL : r;
}

static int list_all(void)
{
	for (size_t i = 0; i < habits_n; i++)
		printf("habit\t%s\t%s\n", habits[i].name, habits[i].about);
	for (size_t i = 0; i < ailments_n; i++)
		printf("%s\t%s\t\n", ailments[i].harmless ? "mishap" : "ailment", ailments[i].class_name);
	return 0;
}

static int live(void)
{
	int status = 0;

	world.shared->kill_ms = kill_ms;
	for (size_t i = 0, lives = n_kills + 1 + (kill_ms > 0); i < lives; i++) {
		world.shared->kill_at = i < n_kills ? world.shared->instants + kills[i] : 0;
		status = life_run();
		if (!WIFSIGNALED(status))
			break;
		report_line("\"what\":\"killed\",\"instant\":%llu", (unsigned long long)world.shared->instants);
		world.shared->boot_ms += REVIVAL_MS;
	}
	report_line("\"what\":\"end\",\"status\":%d,\"instants\":%llu,\"disk_calls\":%llu,"
		    "\"jumps\":%llu",
		    status, (unsigned long long)world.shared->instants,
		    (unsigned long long)world.shared->disk_calls,
		    (unsigned long long)world.shared->jumps);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "--list"))
		return list_all();
	if (read_options(argc, argv) || world_clock_init() ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, world.kmsg)) {
		fputs("simulate: see the head of simulate.c for its options\n", stderr);
		return 2;
	}
	world.env.boot_ms = world_boot_ms;
	world.env.real_ms = world_real_ms;
	world.env.wait = agent_wait;
	log_setup(LOG_LEVEL_ERR, "sim");
	return live();
}
