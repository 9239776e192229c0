/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the sampler asks of a probe: one row in probes[], one probe_*.c each. A probe keeps its
 * descriptors and memory from open to close and allocates nothing between. read() takes the
 * reading, report() writes the last one into a sample; they are apart because slow sources are read
 * more rarely than samples are taken.
 */
#pragma once

#include "core/conf.h"
#include "sample/event.h"
#include "sample/kmsg.h"
#include "sample/sample.h"

struct prober;
struct kmsg_reader;
struct mounts;
struct sampler_settings;

enum probe_pace {
	PROBE_EACH,    /* with every sample */
	PROBE_PROCESS, /* each process_interval; at once when effort goes up, then each 10 s */
	PROBE_MINUTE,  /* each 60 s */
	PROBE_RARE,    /* each 10 min */
	PROBE_PACES
};

/* What a reading says of the effort that sampling deserves: hysteresis is in the two bounds. A probe
 * that is read more rarely is itself read each 10 s while it holds, and with each sample while it
 * raises. */
enum probe_stress {
	STRESS_CALM,  /* below the bound at which effort goes down */
	STRESS_HOLD,  /* between the bounds: stays as it is */
	STRESS_RAISE, /* above the bound at which effort goes up */
};

/* Room that kernel files are read into, as wide as the widest of them asks for when it is opened. */
struct procroom {
	char *text;
	size_t cap;
};
void procroom_deinit(struct procroom *room);

struct probe_setup {
	struct loop *loop;
	const struct env *env;
	const struct conf *conf;
	struct prober *prober;        /* for what needs rights or may hang */
	struct kmsg_reader *kmsg;     /* NULL: the kernel log cannot be read */
	struct mounts *mounts;        /* what is mounted; NULL: cannot be read */
	const uint64_t *probe_errors; /* readings that failed, of all probes */
	/* opens a row of core/privpath, with the runner's rights where there is one; NULL: directly
	 */
	int (*open_fd)(int privpath, void *ctx);
	void *open_ctx;
	struct procroom *room;   /* of all probes; NULL: each file has its own */
	struct probe_hints *hints; /* NULL in tests of one probe, as is: */
	struct sampler *sampler;   /* for the calls below */
};
struct probe_ops;

/* What one probe saw that another should look at more closely; who looked clears it. */
struct probe_hints {
	double worked; /* processors at work for tasks; see waiters.h */
	bool files;  /* many files were opened: whose are they? */
	bool groups; /* many tasks were made, or much memory taken: perhaps in a control group that is new */
};
/** probe_want() - read @probe with the sample that is being taken, if its turn is still to come, else
 * with the next one, however rarely it is read else. */
void probe_want(struct sampler *s, const struct probe_ops *probe);
/** probe_hurry() - read @probe at @delay_ms from now and hand on a sample then, instead of at the
 * next tick. Never from inside; not while sampler_once() runs. */
void probe_hurry(struct sampler *s, const struct probe_ops *probe, int64_t delay_ms);
/** probe_alarm() - the same from a probe's event that tells of stress: sample now, one a second at
 * most, and with more effort for a while. */
void probe_alarm(struct sampler *s, const struct probe_ops *probe);
/** probe_tell() - an event to whoever made the sampler. */
void probe_tell(struct sampler *s, enum sample_event_kind kind, const char *entity, double value);

struct probe_ops {
	const char *name;
	const char *source; /* what it reads, for a person */
	enum probe_pace pace;
	bool seldom;  /* most guests do without: its absence is no warning */
	bool partial; /* report() also after a failed read(): it knows which values are good */
	/** open() - -errno with the reason in @e leaves the probe's metrics absent. */
	int (*open)(const struct probe_setup *setup, void **ret_state, struct err *e);
	/** read() - one reading. What it asks of the prober arrives later and is reported from then
	 * on. */
	int (*read)(void *state, int64_t now_ms);
	/** report() - the last reading as values. */
	void (*report)(const void *state, struct sample *out);
	void (*close)(void *state);
	/* optional */
	bool (*busy)(const void *state);                /* something it asked for is on its way */
	enum probe_stress (*stress)(const void *state); /* of the last good reading */
	/** apply() - settings that came after open(), at any time; lists are borrowed for the call.
	 */
	void (*apply)(void *state, const struct sampler_settings *settings);
	void (*explain)(const void *state, struct problems *problems);
};
extern const struct probe_ops *const probes[];
extern const size_t probes_n;
#define PROBES_MAX 48

extern const struct probe_ops probe_cpu, probe_load, probe_memory, probe_vmstat, probe_pressure,
	probe_filesystem, probe_io, probe_disk, probe_cgroup, probe_vm, probe_edac, probe_process,
	probe_kernel_log, probe_agent, probe_net, probe_sockets, probe_limits, probe_clock,
	probe_pstore, probe_thermal;

/** probe_pstore_found() - of probe_pstore's state. Return: false until it has an answer or knows
 * that there will be none. */
struct lastboot_pstore;
bool probe_pstore_found(const void *state, struct lastboot_pstore *ret);
/** probe_open_priv() - a row of core/privpath by the setup's opener. */
int probe_open_priv(const struct probe_setup *setup, int privpath) _must_check_;
/** probe_own_root() - -ENOTSUP with the reason when @env has a folder of its own for @path, which a
 * library that knows only the real one would not read. */
int probe_own_root(const struct env *env, const char *path, struct err *e) _must_check_;
/** probe_add_of() - sample_add() for an entity just made: counts the value as dropped when there
 * was no room for it. */
void probe_add_of(struct sample *out, enum metric metric, int entity, double value);

/* A kernel file kept open. */
struct procfile {
	int fd;
	bool one_read; /* one read(2) gives the whole file; others must be read until 0 */
	struct procroom *shared, own; /* shared: NULL = its text is in its own */
	char *text;
	size_t len, cap;
};
/** procfile_open() - @cap: a file that outgrows it is -EFBIG at reading. On failure nothing is held
 * and fd is -1. */
int procfile_open(struct procfile *f, const struct probe_setup *setup, const char *path, size_t cap,
		  bool one_read, struct err *e) _must_check_;
/** procfile_read() - text and len, until the next reading of a file in the same room */
int procfile_read(struct procfile *f) _must_check_;
void procfile_close(struct procfile *f); /* may be called twice, or on one of zeros */
