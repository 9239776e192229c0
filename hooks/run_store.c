/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Run records as files: RUNS_DIR/ID.json and ID.lock, and one folder per run with the value files,
 * in a place that the hook's user may enter. All names are made from checked run ids.
 */
#include "hooks/run_record.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>

#include "core/fs.h"
#include "core/text.h"
#include "hooks/hook_cgroup.h"
#include "hooks/runner.h"

#define BARE_SIZE    128
#define STARTED_WORD "started\n"

static int make_dir(const char *path, mode_t mode, struct err *e)
{
	int r = fs_mkdirs(path, mode);

	if (r < 0)
		return err_sys(e, -r, "cannot make the folder %s", path);
	if (chmod(path, mode) < 0)
		return err_sys(e, errno, "cannot set the mode of %s", path);
	return 0;
}

/* The folder of records, and the way to it, which is also the way to the agent's own state. */
static int make_records(struct run_store *s, struct err *e)
{
	char parent[ENV_PATH_MAX];
	int r;

	snprintf(parent, sizeof(parent), "%s", s->dir);
	*strrchr(parent, '/') = '\0';
	r = fs_mkdirs(parent, 0711);
	if (r < 0)
		return err_sys(e, -r, "cannot make the folder %s", parent);
	r = make_dir(s->dir, 0700, e);
	if (r == 0 && access(s->dir, W_OK) < 0)
		r = err_sys(e, errno, "cannot write below %s", s->dir);
	return r;
}

int run_store_init(struct run_store *s, const struct env *env, struct err *e)
{
	int r;

	env_path(env, RUN_VALUES_DIR, s->values);
	r = make_dir(s->values, 0711, e);
	if (r < 0)
		return r;
	env_path(env, RUNS_DIR, s->dir);
	r = make_records(s, e);
	if (r < 0) {
		/* A disk that cannot be written must not stop hooks: these records last until the next boot. */
		snprintf(s->dir, sizeof(s->dir), "%.*s/records", ENV_PATH_MAX - 16, s->values);
		r = make_records(s, e);
	}
	return r;
}

static void run_file(const struct run_store *s, const char *id, const char *suffix,
		     char out[static ENV_PATH_MAX])
{
	snprintf(out, ENV_PATH_MAX, "%.*s/%s%s", ENV_PATH_MAX - RUN_ID_LEN - 16, s->dir, id,
		 suffix);
}

/* Replaces without fsync: whole for any reader, perhaps lost by a power cut, after which it says
 * nothing any more. */
static int write_quick(const char *path, const char *text, size_t n)
{
	char tmp[ENV_PATH_MAX + 8];
	_cleanup_close_ int fd = -1;

	snprintf(tmp, sizeof(tmp), "%s.tmp", path);
	fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	if (write(fd, text, n) != (ssize_t)n)
		return -EIO;
	return rename(tmp, path) < 0 ? -errno : 0;
}

int run_store_save(const struct run_store *s, const struct run_record *r, bool durable,
		   struct err *e)
{
	_cleanup_free_ char *text = run_record_encode(r);
	char path[ENV_PATH_MAX];
	int code;

	if (!text)
		return err_set(e, -ENOMEM, "no memory for a run record");
	run_file(s, r->id, ".json", path);
	if (durable)
		return fs_write_atomic(path, text, strlen(text), 0600, e);
	code = write_quick(path, text, strlen(text));
	return code < 0 ? err_sys(e, -code, "cannot write %s", path) : 0;
}

int run_store_lock(const struct run_store *s, const char *id)
{
	static const char blank[BARE_SIZE] = {0};
	char path[ENV_PATH_MAX];
	struct stat st;
	int fd;

	run_file(s, id, ".lock", path);
	fd = fs_lock(path);
	/* A disk without room is no reason not to run: the space is a second chance only. */
	if (fd >= 0 && fstat(fd, &st) == 0 && st.st_size == 0 &&
	    pwrite(fd, blank, sizeof(blank), 0) < 0)
		return fd;
	return fd;
}

static int write_bare(int fd, const char text[static BARE_SIZE])
{
	if (pwrite(fd, text, BARE_SIZE, 0) != BARE_SIZE)
		return -EIO;
	return fdatasync(fd) < 0 ? -errno : 0;
}

int run_store_mark_started(int fd)
{
	char text[BARE_SIZE] = STARTED_WORD;

	return write_bare(fd, text);
}

int run_store_save_bare(int fd, const struct run_result *result)
{
	char text[BARE_SIZE] = {0};
	int n = snprintf(text, sizeof(text), "ended %d %d %" PRId64 " %" PRId64 " \n",
			 (int)result->end, result->code, result->started_real_ms,
			 result->ended_real_ms);

	return n < 0 || (size_t)n >= sizeof(text) ? -EIO : write_bare(fd, text);
}

static bool parse_bare(const char *text, struct run_result *ret)
{
	int64_t v[4];
	size_t pos = 0, n;
	const char *p;

	if (!text_list_next(text, ' ', &pos, &p, &n) || n != 5 || memcmp(p, "ended", 5) != 0)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(v); i++)
		if (!text_list_next(text, ' ', &pos, &p, &n) || text_i64(p, n, &v[i]) < 0)
			return false;
	if (v[0] < 0 || v[0] > RUN_CUT_OFF || v[1] < 0 || v[1] > 4096)
		return false;
	*ret = (struct run_result){(enum run_end)v[0], (int)v[1], v[2], v[3], NULL, NULL};
	return true;
}

/* What the reserved space says of a run without a full record; @have: there is one that says it has
 * started. */
static enum run_state bare_state(int fd, bool have, struct run_result *ret)
{
	char text[BARE_SIZE + 1] = {0};
	ssize_t n = pread(fd, text, BARE_SIZE, 0);

	if (n == BARE_SIZE && parse_bare(text, ret))
		return RUN_STATE_ENDED;
	return have || text_starts(text, STARTED_WORD) ? RUN_STATE_CUT_OFF : RUN_STATE_UNKNOWN;
}

static bool read_record(const struct run_store *s, const char *id, struct run_record *ret)
{
	_cleanup_buf_ struct buf text = BUF_INIT(RUN_RECORD_MAX);
	char path[ENV_PATH_MAX];

	*ret = (struct run_record){0};
	run_file(s, id, ".json", path);
	return fs_read(path, &text) == 0 &&
	       run_record_decode(buf_str(&text), text.len, ret, NULL) == 0 &&
	       strcmp(ret->id, id) == 0;
}

static bool lock_exists(const struct run_store *s, const char *id)
{
	char path[ENV_PATH_MAX];
	struct stat st;

	run_file(s, id, ".lock", path);
	return lstat(path, &st) == 0;
}

/* The record must be read after the lock was found free: the shepherd writes it before it lets go.
 */
enum run_state run_store_state(const struct run_store *s, const char *id, struct run_record *ret)
{
	_cleanup_close_ int fd = -1;
	bool have = read_record(s, id, ret);
	enum run_state state;

	if ((have && ret->ended) || (!have && !lock_exists(s, id)))
		return have ? RUN_STATE_ENDED : RUN_STATE_UNKNOWN;
	fd = run_store_lock(s, id);
	if (fd == -EWOULDBLOCK)
		return RUN_STATE_RUNNING;
	run_record_deinit(ret);
	have = read_record(s, id, ret);
	if (have && ret->ended)
		return RUN_STATE_ENDED;
	if (fd < 0)
		return have ? RUN_STATE_CUT_OFF : RUN_STATE_UNKNOWN;
	state = bare_state(fd, have, &ret->result);
	ret->ended = state == RUN_STATE_ENDED;
	return state;
}

void run_store_drop_values(const struct run_store *s, const char *id)
{
	char path[2 * ENV_PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", s->values, id);
	fs_remove_tree(path);
}

/* The record goes last: while it is there the run is not unknown. */
void run_store_forget(const struct run_store *s, const char *id)
{
	static const char *const names[][2] = {
		{"", ".lock"},
		{"", ".json.tmp"},
		{".", ".json.new"}, /* what a killed fs_write_atomic() leaves */
		{"", ".json"},
	};
	char path[2 * ENV_PATH_MAX];

	run_store_drop_values(s, id);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(path, sizeof(path), "%s/%s%s%s", s->dir, names[i][0], id, names[i][1]);
		unlink(path);
	}
}

static void sweep_one(const struct run_store *s, int dir_fd, const char *name, int64_t before_s)
{
	const char *from = name[0] == '.' ? name + 1 : name;
	char id[RUN_ID_LEN + 1];
	struct run_record record;
	struct stat st;

	snprintf(id, sizeof(id), "%.64s", from);
	if (!run_id_valid(id) || fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    st.st_mtime > before_s)
		return;
	if (run_store_state(s, id, &record) != RUN_STATE_RUNNING)
		run_store_forget(s, id);
	run_record_deinit(&record);
}

void run_store_sweep(const struct run_store *s, int64_t age_s, int64_t now_real_ms)
{
	const struct dirent *d;
	DIR *dir = opendir(s->dir);

	if (!dir)
		return;
	while ((d = readdir(dir)))
		sweep_one(s, dirfd(dir), d->d_name, now_real_ms / 1000 - age_s);
	closedir(dir);
}

void run_record_kill(const struct run_record *r, const struct env *env)
{
	hook_cgroup_kill(env, r->id);
	hook_cgroup_remove(env, r->id);
	/* A group's id is not used again while the group has members, and the leader is checked by
	 * its start. */
	if (r->leader > 1 && r->leader_start && process_start(r->leader) == r->leader_start)
		kill(-r->leader, SIGKILL);
}
