/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A simulated world around the real agent: its clock, its network, its disk and its guest. What more
 * than one process or life has to know lies in one shared page. Everything is a function of the
 * options: the same options give the same run.
 */
#pragma once

#include <stdatomic.h>

#include "core/http.h"
#include "core/loop.h"
#include "ntp.h"

#define WORLD_FAULTS_MAX 8
#define WORLD_STEPS_MAX	 4
#define WORLD_UUID	"8c1d0a9e-0000-4000-8000-0000000000f1"
#define WORLD_START_MS	 1893456000000 /* 2030-01-01: after every build of the agent */

enum service { /* what the guest can reach, by the host's name */
	       SERVICE_CFN,
	       SERVICE_HANDLE, /* the same host as cfn; signals only */
	       SERVICE_KEYSTONE,
	       SERVICE_HEAT,
	       SERVICE_MONASCA,
	       SERVICE_GNOCCHI,
	       SERVICE_PROMETHEUS,
	       SERVICE_OTLP,
	       SERVICES,
};
extern const char *const service_names[SERVICES];

enum trouble {
	TROUBLE_DOWN,	   /* connection refused */
	TROUBLE_SLOW,	   /* the answer comes after 20 s */
	TROUBLE_STATUS,	   /* @status, with @retry_after_s where that is not 0 */
	TROUBLE_DNS,	   /* the name cannot be resolved */
	TROUBLE_BLACKHOLE, /* nothing comes back */
	TROUBLE_CERT,	   /* the certificate has expired */
	TROUBLE_REVOKED,   /* tokens and keys given before are refused */
	TROUBLE_CUT,	   /* taken, and the answer is lost */
	TROUBLES,
};
extern const char *const trouble_names[TROUBLES];

struct fault {
	enum service service;
	enum trouble trouble;
	int64_t from_ms, to_ms; /* since the start */
	int64_t status, retry_after_s;
};

enum peer { /* whom the agent speaks to: processes of their own, whose work takes no time */
	    PEER_STORE,
	    PEER_RUNNER,
	    PEERS,
};

struct world_shared { /* one page, shared by all processes of a run */
	_Atomic int64_t boot_ms;
	_Atomic int idle[PEERS];
	_Atomic uint64_t random;
	_Atomic uint64_t instants;   /* so far, of all processes */
	_Atomic uint64_t disk_calls; /* so far */
	_Atomic uint64_t jumps;      /* of the clock, so far */
	_Atomic uint64_t token;	     /* number of the token given last */
	_Atomic int64_t line_ms[8];  /* when the kernel wrote its nth line; 0 = not yet */
	_Atomic uint64_t kill_at; /* instant; 0 = none */
	_Atomic int64_t kill_ms;  /* the first instant from then on, since the start; 0 = none */
	struct ntp ntp;		  /* of the guest's kernel, and the second that it was brought to */
	int64_t ntp_s;
};

struct world {
	struct world_shared *shared;
	struct env env;
	int64_t begin_ms, end_ms;
	int peer_end[PEERS]; /* their sides of the links, to see whether they have read all */
	int kmsg[2];	    /* what the agent reads, what the guest's kernel writes */
	const char *sinks;  /* comma list */
	const char *habit;  /* how the healthy guest lives */
	const char *ailment; /* what befalls it; NULL: nothing */
	int64_t ill_from_ms, ill_to_ms;
	struct fault faults[WORLD_FAULTS_MAX];
	size_t n_faults;
	struct clock_step { /* the guest's wall clock is set; the servers' is right */
		int64_t at_ms, by_ms;
	} steps[WORLD_STEPS_MAX];
	size_t n_steps;
	int64_t suspend_at_ms, suspend_ms; /* the guest is asleep that long; 0 = never */
	uint64_t disk_from, disk_n; /* disk calls that fail */
	int disk_errno;
};
extern struct world world; /* one a process: the seams hand no context down */

/* clock.c */
int world_clock_init(void);
int64_t world_boot_ms(void);
int64_t world_real_ms(void);  /* as the guest's clock has it */
int64_t world_true_ms(void);  /* as everybody else's has it */
int64_t world_since_ms(void); /* since the start */
int64_t world_set_ms(int64_t since_ms); /* by how much the guest's clock is set until then */
/** world_instant() - one more point at which a process may be killed. */
void world_instant(void);
int agent_wait(int epoll_fd, struct epoll_event *events, int max, int64_t until_ms);
int store_wait(int epoll_fd, struct epoll_event *events, int max, int64_t until_ms);
int runner_wait(int epoll_fd, struct epoll_event *events, int max, int64_t until_ms);
double world_random(void); /* uniform in [0,1) */

/* report.c: one JSON object a line on stdout, written at once so that a kill loses none. */
void report_line(const char *fmt, ...) _printf_(1, 2);
void report_body(const char *what, const void *p, size_t n);

/* network.c implements core/http.h */

/* disk.c */
void disk_watch(void); /* this process is the store: its disk calls count */

/* life.c: one life of the agent with its store and a runner that starts nothing. Return: wait status. */
int life_run(void);
