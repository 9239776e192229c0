/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a server keeps for life, on a real store process: made once, kept 0600, another one's set aside, and
 * never overwritten by a disk that only was slow.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "life.h"

static void key_ready(int status, void *ctx)
{
	struct life *l = ctx;

	l->loaded = true;
	l->loaded_status = status;
	loop_quit(l->loop, 0);
}

static struct seqkey *load_key(struct life *l, const char *server)
{
	struct seqkey *k;

	assert_int_equal(store_bind(l->store, server), 0);
	assert_int_equal(seqkey_new(l->loop, l->store, server, key_ready, l, &k), 0);
	assert_null(seqkey_key(k));
	assert_int_equal(run(l, 20000), 0);
	assert_int_equal(l->loaded_status, 0);
	assert_non_null(seqkey_key(k));
	assert_null(seqkey_problem(k));
	return k;
}

static void flush(struct life *l)
{
	l->n_accepted = 0;
	l->quit_after_accepted = 1;
	assert_int_equal(store_put(l->store, "flush", "x", 1, accepted, l), 0);
	assert_int_equal(run(l, 20000), 0);
}

/* The key is made once and stays, seq goes on from where it was even with a clock that went back, the boot
 * marker stays. */
static void key_for_life(void **state)
{
	char dir[32];
	struct signing_key first;
	struct seqkey *k;
	struct life l;
	int64_t seq;

	(void)state;
	begin(&l, new_dir(dir));
	k = load_key(&l, SERVER);
	first = *seqkey_key(k);
	assert_false(seqkey_boot_told(k));
	seq = seqkey_next(k);
	assert_true(seqkey_next(k) > seq);
	seq = seqkey_last(k);
	assert_int_equal(seqkey_set_boot_told(k, true), 0);
	assert_true(seqkey_boot_told(k));
	flush(&l);
	seqkey_free(k);
	end(&l);

	begin(&l, dir);
	k = load_key(&l, SERVER);
	assert_memory_equal(seqkey_key(k)->public, first.public, 32);
	assert_int_equal(seqkey_last(k), seq);
	assert_true(seqkey_boot_told(k));
	seqkey_free(k);
	end(&l);

	/* a clone: another server's UUID */
	begin(&l, dir);
	k = load_key(&l, CLONE);
	assert_memory_not_equal(seqkey_key(k)->public, first.public, 32);
	assert_false(seqkey_boot_told(k));
	assert_int_equal(seqkey_last(k), 0);
	flush(&l);
	seqkey_free(k);
	end(&l);
	remove_dir(dir);
}

/* The key's file is for its owner only. */
static void key_mode(void **state)
{
	char dir[32], path[160];
	struct seqkey *k;
	struct stat st;
	struct life l;

	(void)state;
	begin(&l, new_dir(dir));
	k = load_key(&l, SERVER);
	flush(&l);
	seqkey_free(k);
	end(&l);
	snprintf(path, sizeof(path), "%s" STORE_DIR "/signing-key", dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	remove_dir(dir);
}

/* A store that does not answer: signals get a key of this run after 10 s, the lasting one is taken over when
 * it can be read, and never overwritten. */
static void key_frozen_disk(void **state)
{
	char dir[32];
	struct signing_key first;
	struct seqkey *k;
	struct life l;

	(void)state;
	begin(&l, new_dir(dir));
	k = load_key(&l, SERVER);
	first = *seqkey_key(k);
	flush(&l);
	seqkey_free(k);
	end(&l);

	begin(&l, dir);
	kill(l.store_pid, SIGSTOP);
	assert_int_equal(seqkey_new(l.loop, l.store, SERVER, key_ready, &l, &k), 0);
	assert_int_equal(run(&l, 100), -ETIME);
	clock_offset_ms += 11000;
	assert_int_equal(run(&l, 3000), 0);
	assert_int_equal(l.loaded_status, -ETIMEDOUT);
	assert_non_null(seqkey_key(k));
	assert_memory_not_equal(seqkey_key(k)->public, first.public, 32);
	assert_non_null(seqkey_problem(k));
	kill(l.store_pid, SIGCONT);
	for (int i = 0; i < 20 && seqkey_problem(k); i++) {
		clock_offset_ms += 30000;
		(void)run(&l, 200);
	}
	assert_memory_equal(seqkey_key(k)->public, first.public, 32);
	assert_null(seqkey_problem(k));
	seqkey_free(k);
	end(&l);
	remove_dir(dir);
}

static int64_t real_offset_ms;

static int64_t test_real_ms(void)
{
	return clock_real_ms() + real_offset_ms;
}

/* Numbers given out while the last one could not be read do not replace it: an earlier life's clock
 * may have been ahead, and what is below its numbers is a replay to whoever verifies. */
static void seq_frozen_disk(void **state)
{
	char dir[32];
	struct seqkey *k;
	struct life l;
	int64_t ahead;

	(void)state;
	begin(&l, new_dir(dir));
	l.env.real_ms = test_real_ms;
	real_offset_ms = 3 * 86400 * 1000LL;
	k = load_key(&l, SERVER);
	ahead = seqkey_next(k);
	flush(&l);
	seqkey_free(k);
	end(&l);

	begin(&l, dir);
	l.env.real_ms = test_real_ms;
	real_offset_ms = 0;
	kill(l.store_pid, SIGSTOP);
	assert_int_equal(seqkey_new(l.loop, l.store, SERVER, key_ready, &l, &k), 0);
	assert_int_equal(run(&l, 100), -ETIME);
	clock_offset_ms += 11000;
	assert_int_equal(run(&l, 3000), 0);
	assert_int_equal(l.loaded_status, -ETIMEDOUT);
	assert_true(seqkey_next(k) < ahead); /* nobody knows better yet */
	for (int i = 0; i < 4; i++) {        /* long enough to ask again, behind that number */
		clock_offset_ms += 16000;
		(void)run(&l, 100);
	}
	kill(l.store_pid, SIGCONT);
	for (int i = 0; i < 20 && seqkey_last(k) < ahead; i++) {
		clock_offset_ms += 30000;
		(void)run(&l, 200);
	}
	assert_true(seqkey_next(k) > ahead);
	ahead = seqkey_last(k);
	flush(&l);
	seqkey_free(k);
	end(&l);

	begin(&l, dir);
	k = load_key(&l, SERVER);
	assert_int_equal(seqkey_last(k), ahead);
	seqkey_free(k);
	end(&l);
	remove_dir(dir);
}

/* Stored forms that are not ours are refused. */
static void key_forms(void **state)
{
	static const char *const bad[] = {
		"",
		"{}",
		"{\"v\":1}",
		"{\"v\":1,\"secret\":\"AAAA\"}",
		"{\"v\":2,\"secret\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"}",
		"{\"v\":1,\"last\":-1}",
		"{\"v\":1,\"last\":9007199254740992}",
		"{\"v\":1,\"last\":\"1\"}"};
	struct signing_key key;
	int64_t seq;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(seqkey_parse_key(bad[i], strlen(bad[i]), &key), -EBADMSG);
		assert_int_equal(seqkey_parse_seq(bad[i], strlen(bad[i]), &seq), -EBADMSG);
	}
}

/* A key that is given signs from the start, the one of this server stays on disk; what is none changes nothing. */
static void given_key(void **state)
{
	static const char vector[] = "nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A="; /* RFC 8032, 7.1, test 1 */
	char dir[32], text[KEY_TEXT_MAX];
	struct signing_key own;
	struct seqkey *k;
	struct life l;

	(void)state;
	begin(&l, new_dir(dir));
	k = load_key(&l, SERVER);
	own = *seqkey_key(k);
	assert_int_equal(seqkey_give(k, "short"), -EBADMSG);
	assert_int_equal(seqkey_give(k, ""), -EBADMSG);
	assert_memory_equal(seqkey_key(k), &own, sizeof(own));
	assert_int_equal(seqkey_give(k, vector), 0);
	signing_key_text(seqkey_key(k)->public, text);
	assert_string_equal(text, "ed25519:11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=");
	flush(&l);
	seqkey_free(k);
	end(&l);
	begin(&l, dir);
	k = load_key(&l, SERVER);
	assert_memory_equal(seqkey_key(k), &own, sizeof(own));
	seqkey_free(k);
	end(&l);
	remove_dir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(key_for_life),    cmocka_unit_test(key_mode),
		cmocka_unit_test(key_frozen_disk), cmocka_unit_test(seq_frozen_disk),
		cmocka_unit_test(key_forms),       cmocka_unit_test(given_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
