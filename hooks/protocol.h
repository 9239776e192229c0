/* SPDX-License-Identifier: Apache-2.0 */
/* Messages between agent and runner about hooks and descriptors; docs beside each say payload and
 * answer. */
#pragma once

enum runner_msg {
	RUNNER_OPEN = 200, /* agent -> runner: u32 enum privpath; answer: one descriptor or status
			      -errno */
	RUNNER_HOOKS,      /* agent -> runner: nothing; answer: memfd with hookset_to_json(), second
			      memfd with problems text; also sent as a notice when files change */
	/* agent -> runner: str run id, str hook, u32 trigger, str resource, str service, u32
	 * attempt, u32 flags (enum run_flags); sealed memfds: old, new (those that the flags name),
	 * in the form the hook is to get them. For TRIGGER_FINDING (resource "") there follow: str
	 * class, str entity, u32 enum finding_level, u32 enum hook_event, str evidence, i64 eta (s,
	 * -1 = unknown). Answered at the end of the run with the result
	 * fields. A run id is started at most once: an ended one is answered from its record, a
	 * running one when it ends, one that was cut off with RUN_CUT_OFF. -ENOENT: no such hook,
	 * -EPERM: not this trigger, resource or
	 * finding, -ESHUTDOWN: the kill switch is on, nothing was
	 * started. */
	RUNNER_RUN,
	/* agent -> runner: str run id; answer: u32 enum run_state, then the result fields when it
	 * has ended. Result fields: u32 enum run_end, u32 code, i64 started, i64 ended (real ms),
	 * str why; memfd with the tail, if any. */
	RUNNER_QUERY,
	RUNNER_FORGET, /* agent -> runner: str run id: its record may go; no answer */
	/* agent -> runner: str service name; answer: u32 enum service_answer; -EINVAL for a name
	   that is none */
	RUNNER_SERVICE,
	RUNNER_LINK,    /* agent -> runner: u32 enum role; answer: one descriptor, the link to that
			   role, as soon as it is up */
	RUNNER_READY,   /* agent -> runner: up and serving */
	RUNNER_DONE,    /* agent -> runner: one-pass mode is over: u32 exit code */
	RUNNER_RELOAD,  /* runner -> agent: configuration changed: say goodbye and exit, a new agent
			   follows */
	RUNNER_SWITCH,  /* agent -> runner: nothing; answer: u32 1 = hooks disabled by the kill
			   switch, str why; also a notice when it changes */
	RUNNER_ALIVE,   /* runner -> agent: nothing; the agent sends it back, from its loop */
	/* agent -> runner: str deployment id, str group, str name (for the log); sealed memfd: the
	 * entry as text. Answered as RUNNER_RUN is; the tail is the object that Heat is to be told. The
	 * run's id is made from the deployment's: it is started at most once, for ever. -ENOENT: no hook
	 * serves the group, -EPERM: its hook is not root's alone, -EEXIST: another agent has run it,
	 * -ESHUTDOWN: deployments or all hooks are switched off. */
	RUNNER_DEPLOY,
	/* agent -> runner: str resource, str command, str runas (NULL: none): what the newest metadata say;
	 * no answer. Without trust-metadata = full in the runner's own configuration nothing comes of it */
	RUNNER_TRUST,
	RUNNER_CONTROL, /* agent -> runner: nothing; answer: the listening control socket, or status
			   -ENOENT */
};
enum run_state { RUN_STATE_UNKNOWN, RUN_STATE_RUNNING, RUN_STATE_ENDED, RUN_STATE_CUT_OFF };
enum run_flags { RUN_HAS_OLD = 1, RUN_HAS_NEW = 2 };
enum service_answer { SERVICE_RUNNING, SERVICE_STARTED, SERVICE_FAILED };
#define RUN_VALUE_MAX (24u << 20) /* one value as text */
#define RUN_WHY_MAX   1024
