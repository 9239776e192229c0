/* SPDX-License-Identifier: Apache-2.0 */
/* Messages between agent and runner about hooks and descriptors; docs beside each say payload and answer. */
#pragma once

enum runner_msg {
	RUNNER_OPEN = 200,    /* agent -> runner: u32 enum privpath; answer: one descriptor or status -errno */
	RUNNER_HOOKS,         /* agent -> runner: nothing; answer: memfd with hookset_to_json(), second memfd with problems text; also sent as a notice when files change */
	RUNNER_RUN,           /* agent -> runner: str run id, str hook, u32 trigger, str resource, str service, u32 attempt, u32 flags (1 old present, 2 new present); fds old, new. Answer at the end of the run, see RUNNER_RESULT fields */
	RUNNER_QUERY,         /* agent -> runner: str run id; answer: u32 state (enum run_state) + result fields when ended */
	RUNNER_FORGET,        /* agent -> runner: str run id: its record may go */
	RUNNER_SERVICE,       /* agent -> runner: str service name; answer: u32 1 = was down and has been started, 0 = running, 2 = could not be started */
	RUNNER_LINK,          /* agent -> runner: u32 enum role; answer: one descriptor, the link to that role, as soon as it is up */
	RUNNER_READY,         /* agent -> runner: up and serving */
	RUNNER_DONE,          /* agent -> runner: one-pass mode is over: u32 exit code */
	RUNNER_RELOAD,        /* runner -> agent: configuration changed: say goodbye and exit, a new agent follows */
	RUNNER_SWITCH,        /* agent -> runner: nothing; answer: u32 1 = hooks disabled by the kill switch, str why; also a notice when it changes */
	RUNNER_CONTROL,       /* agent -> runner: nothing; answer: the listening control socket, or status -ENOENT */
};
enum run_state { RUN_STATE_UNKNOWN, RUN_STATE_RUNNING, RUN_STATE_ENDED, RUN_STATE_CUT_OFF };
