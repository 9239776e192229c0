/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The options of heat-pulse.conf: one row each, and nothing about an option stands anywhere else but
 * in struct conf. Grouped by section, because the reference is written in this order.
 */
#include "core/conf.h"

#define SECOND 1000LL
#define MINUTE (60 * SECOND)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)
#define KIB    1024LL
#define MIB    (1024 * KIB)

static const char *const words_log_level[] = {"", "", "", "error", "warning", "", "info", "debug", NULL};
static const char *const words_source[] = {"auto", "cfn", "heat", "local", "tempurl", "zaqar", NULL};
static const char *const words_trust[] = {"settings", "full", NULL};
static const char *const words_compat[] = {"aws", "heat", NULL};

#define STRING(sec, name, field, def, text)                                                        \
	{.section = sec, .key = name, .type = CONF_STRING, .offset = offsetof(struct conf, field),  \
	 .default_text = def, .help = text}
#define SECRET(sec, name, field, text)                                                             \
	{                                                                                          \
		.section = sec, .key = name, .type = CONF_SECRET,                                  \
		.offset = offsetof(struct conf, field), .help = text                               \
	}
#define FILEPATH(sec, name, field, def, text)                                                      \
	{.section = sec, .key = name, .type = CONF_PATH, .offset = offsetof(struct conf, field),    \
	 .default_text = def, .help = text}
#define BOOLEAN(sec, name, field, def, text)                                                       \
	{.section = sec, .key = name, .type = CONF_BOOL, .offset = offsetof(struct conf, field),    \
	 .default_text = def, .help = text}
#define NUMBER(kind, sec, name, field, lo, hi, def, text)                                          \
	{.section = sec, .key = name, .type = kind, .offset = offsetof(struct conf, field),         \
	 .min = lo, .max = hi, .default_text = def, .help = text}
#define WORD(sec, name, field, list, def, text)                                                    \
	{.section = sec, .key = name, .type = CONF_ENUM, .offset = offsetof(struct conf, field),    \
	 .words = list, .default_text = def, .help = text}

const struct conf_option conf_options[] = {
	STRING("agent", "user", user, "heat-pulse",
	       "User of the processes that need no rights of root."),
	WORD("agent", "log-level", log_level, words_log_level, "info",
	     "Least important lines that are logged."),
	BOOLEAN("agent", "lock-memory", lock_memory, "yes",
		"Keep the agent in memory when the guest runs out of it, so that it can still say so."),
	FILEPATH("agent", "ca-file", ca_file, NULL,
		 "Certificate authorities for TLS; unset: the distribution's bundle."),
	SECRET("agent", "http-proxy", http_proxy,
	       "Proxy for http URLs; the environment and metadata never name one."),
	SECRET("agent", "https-proxy", https_proxy, "Proxy for https URLs."),
	STRING("agent", "no-proxy", no_proxy, NULL,
	       "Hosts reached without proxy: comma list of host, .domain or address/prefix."),

	WORD("metadata", "source", source, words_source, "auto",
	     "Where metadata comes from; auto: what the credentials that are found fit."),
	NUMBER(CONF_DURATION, "metadata", "interval", interval_ms, SECOND, 7 * DAY, "60s",
	       "Time between two polls."),
	NUMBER(CONF_DURATION, "metadata", "splay", splay_ms, 0, DAY, NULL,
	       "The first poll waits a random part of this; unset: as the interval."),
	NUMBER(CONF_DURATION, "metadata", "request-timeout", request_timeout_ms, SECOND,
	       10 * MINUTE, "30s", "Limit for the whole of one request."),
	NUMBER(CONF_INT, "metadata", "full-every", full_every, 1, 1000, "20",
	       "With source heat, every Nth poll fetches the full document, the others only what "
	       "tells a change."),
	WORD("metadata", "trust-metadata", trust_metadata, words_trust, "settings",
	     "full: metadata may name a command that root runs at each change of them, the "
	     "authorities for TLS, and sinks that get tokens or write a file."),

	STRING("cfn", "url", cfn_url, NULL,
	       "Base URL of Heat's CloudFormation API; unset: as Heat left it on this guest."),
	STRING("cfn", "stack", cfn_stack, NULL, "Name or ARN of the stack."),
	STRING("cfn", "resource", cfn_resource, NULL, "Logical id of this guest's own resource."),
	SECRET("cfn", "access-key", cfn_access_key, "EC2 access key."),
	SECRET("cfn", "secret-key", cfn_secret_key, "EC2 secret key."),
	FILEPATH("cfn", "credential-file", cfn_credential_file, NULL,
		 "File with AWSAccessKeyId and AWSSecretKey lines."),
	BOOLEAN("cfn", "insecure", cfn_insecure, "no", "Do not verify the server's certificate."),

	STRING("heat", "auth-url", heat_auth_url, NULL, "Keystone v3 URL."),
	STRING("heat", "user-id", heat_user_id, NULL, "Keystone user by id."),
	STRING("heat", "username", heat_username, NULL,
	       "Keystone user by name, with user-domain-id."),
	STRING("heat", "user-domain-id", heat_user_domain_id, NULL, "Domain of username."),
	SECRET("heat", "password", heat_password, "Password of the Keystone user."),
	STRING("heat", "project-id", heat_project_id, NULL, "Project the token is scoped to."),
	STRING("heat", "stack-id", heat_stack_id, NULL, "Stack as name/id."),
	STRING("heat", "resource", heat_resource, NULL,
	       "Name of this guest's own resource in the stack."),
	STRING("heat", "region", heat_region, NULL,
	       "Region whose endpoint is taken from the catalog; unset: the first."),
	STRING("heat", "app-credential-id", heat_app_credential_id, NULL,
	       "Application credential, instead of user and password."),
	SECRET("heat", "app-credential-secret", heat_app_credential_secret,
	       "Secret of the application credential."),

	SECRET("tempurl", "url", tempurl_url,
	       "Signed URL of the metadata; unset: as Heat left it on this guest."),
	STRING("tempurl", "resource", tempurl_resource, NULL,
	       "Name of this guest's own resource in the stack, which a signed URL does not tell."),

	FILEPATH("local", "file", local_file, NULL, "Metadata as a JSON file, for source local."),
	STRING("local", "resource", local_resource, "local",
	       "Resource name by which hooks watch the local file."),

	STRING("local", "inputs", local_inputs, NULL,
	       "What the local document is made of, merged in this order, later wins: comma list of "
	       "config-drive, metadata-service, local-data, file; unset: file, or local-data where no "
	       "file is named."),
	FILEPATH("local", "config-drive", local_config_drive, "/mnt/config",
		 "Where the config drive is mounted, for that input."),
	STRING("local", "metadata-service", local_service, "http://169.254.169.254",
	       "The metadata service, for that input and to be asked who this server is; by IPv6 "
	       "http://[fe80::a9fe:a9fe%25eth0]."),

	BOOLEAN("hooks", "enabled", hooks_enabled, "yes", "no: nothing is run, whatever changes."),
	FILEPATH("hooks", "conf-dir", hooks_conf_dir, "/etc/cfn",
		 "Folder of cfn-hup.conf, hooks.conf and hooks.d."),
	NUMBER(CONF_DURATION, "hooks", "timeout", hook_timeout_ms, SECOND, 7 * DAY, "1h",
	       "A hook that runs longer is ended and has failed."),
	NUMBER(CONF_INT, "hooks", "tries", hook_tries, 1, 100, "5",
	       "How often a failing hook is run for one change."),
	NUMBER(CONF_DURATION, "hooks", "retry", hook_retry_ms, 100, DAY, "30s",
	       "Wait before the second try, doubled for each further one up to 15 minutes."),
	NUMBER(CONF_SIZE, "hooks", "env-max", hook_env_max, 0, 120 * KIB, "64KiB",
	       "Metadata up to this size are also handed to hooks in the environment; larger ones "
	       "by file only."),
	NUMBER(CONF_SIZE, "hooks", "output-max", hook_output_max, 0, 4 * MIB, "64KiB",
	       "How much of the end of a hook's output is kept."),
	WORD("hooks", "compat", compat, words_compat, "aws",
	     "heat: post.update also fires when nothing is known of the time before."),

	BOOLEAN("deployments", "enabled", deployments_enabled, "no",
		"Run what Heat deploys to this guest, as root; the packages' own file says yes."),
	STRING("deployments", "hooks-path", deployments_hooks_path,
	       "/usr/libexec/heat-config/hooks:/var/lib/heat-config/hooks",
	       "Folders with a program for each group; they win over what is built in."),
	NUMBER(CONF_DURATION, "deployments", "time-limit", deployment_timeout_ms, SECOND, 30 * DAY, "1d",
	       "A deployment that runs longer is ended and has failed."),

	SECRET("signal", "boot", signal_boot,
	       "Wait condition handle (name or URL) for the boot result, where metadata name "
	       "none."),
	SECRET("signal", "health", signal_health,
	       "Wait condition handle (name or URL) for health signals, where metadata name none."),
	SECRET("signal", "token", signal_token, "Token for a handle's token endpoint given above."),
	NUMBER(CONF_DURATION, "signal", "health-interval", health_interval_ms, 5 * MINUTE, 7 * DAY,
	       "5m", "Time between two health signals while nothing changes."),
	NUMBER(CONF_DURATION, "signal", "boot-timeout", boot_timeout_ms, 10 * SECOND, DAY, "10m",
	       "The boot has failed when it is not healthy by then."),
	NUMBER(CONF_DURATION, "signal", "boot-quiet", boot_quiet_ms, 0, HOUR, "30s",
	       "How long nothing critical may be open before the boot counts as good."),
	SECRET("signal", "key", signal_key,
	       "Own signing key: base64 of the 32 secret bytes of Ed25519; unset: each server makes its own. "
	       "Clones that share a file share the key."),
	SECRET("signal", "action", signal_action,
	       "What is signalled when the risk reaches the threshold, where metadata name nothing: a "
	       "workflow or scaling policy (name in the own stack), or an alarm URL."),
	NUMBER(CONF_FRACTION, "signal", "threshold", action_threshold, 1, 1000, "0.9",
	       "Risk from which the action is signalled, where metadata give none."),
	NUMBER(CONF_DURATION, "signal", "action-uptime", action_uptime_ms, 0, DAY, "5m",
	       "The action is not signalled before the guest has been up for this long."),
	NUMBER(CONF_DURATION, "signal", "action-pause", action_pause_ms, 0, 7 * DAY, "10m",
	       "Least time between two action signals."),
	NUMBER(CONF_INT, "signal", "actions-per-day", action_per_day, 1, 100, "4",
	       "More action signals do not leave the guest within 24 hours, over all boots."),
	BOOLEAN("signal", "print", signal_print, "no", "Print each signal on stdout."),

	NUMBER(CONF_DURATION, "sample", "interval", sample_interval_ms, SECOND, HOUR, "10s",
	       "Time between two samples."),
	NUMBER(CONF_DURATION, "sample", "process-interval", process_interval_ms, SECOND, DAY, "60s",
	       "Time between two looks at all processes."),
	STRING("sample", "mounts", watch_mounts, NULL,
	       "Mount points whose space is sampled: comma list; unset: all local file systems."),
	STRING("sample", "processes", watch_processes, NULL,
	       "Names of processes that are watched: what they use, whether they end and start "
	       "again; comma list."),

	STRING("predict", "disable", predict_disable, NULL,
	       "Failure classes that are not predicted and not told: comma list."),
	STRING("predict", "levels", predict_levels, NULL,
	       "Other thresholds of what is watched: comma list of METRIC LEVEL NUMBER, such as "
	       "\"guest.mem.pressure_full_perc warning 20\"; \"off\" instead of a number ends that level."),
	NUMBER(CONF_DURATION, "predict", "critical-eta", critical_eta_ms, MINUTE, DAY, "15m",
	       "A forecast that a limit is met within this time is critical."),
	NUMBER(CONF_DURATION, "predict", "horizon", horizon_ms, MINUTE, 30 * DAY, "30d",
	       "A forecast that a limit is met later than this is not told yet; the rules see a day and a "
	       "half."),

	NUMBER(CONF_DURATION, "sinks", "push-interval", sinks_interval_ms, 5 * SECOND, HOUR, "30s",
	       "Time between two requests with metrics to one sink."),
	NUMBER(CONF_SIZE, "sinks", "spool-max", sinks_spool_max, MIB, 1024 * MIB, "64MiB",
	       "Metrics that wait on disk for their sinks; over this the oldest go."),
	STRING("sinks", "monasca", sinks_monasca, NULL,
	       "URL of Monasca's API (it ends in /v2.0), or \"catalog\"."),
	STRING("sinks", "gnocchi", sinks_gnocchi, NULL, "URL of Gnocchi's API, or \"catalog\"."),
	SECRET("sinks", "prometheus", sinks_prometheus, "URL of a remote-write receiver."),
	STRING("sinks", "prometheus-user", sinks_prometheus_user, NULL,
	       "User of HTTP Basic authentication there."),
	SECRET("sinks", "prometheus-password", sinks_prometheus_password, "Its password."),
	SECRET("sinks", "prometheus-token", sinks_prometheus_token, "Bearer token, instead of a user."),
	SECRET("sinks", "otlp", sinks_otlp,
	       "URL of an OpenTelemetry collector (it ends in /v1/metrics)."),
	SECRET("sinks", "otlp-token", sinks_otlp_token, "Bearer token for it."),
	FILEPATH("sinks", "textfile", sinks_textfile, NULL,
		 "File for node_exporter's textfile collector (*.prom); its folder must be writable for "
		 "the agent's user."),
	STRING("sinks", "auth-url", sinks_auth_url, NULL,
	       "Keystone v3 URL for monasca and gnocchi; unset: the session of [heat]."),
	STRING("sinks", "user-id", sinks_user_id, NULL, "Keystone user by id."),
	STRING("sinks", "username", sinks_username, NULL, "Keystone user by name, with user-domain-id."),
	STRING("sinks", "user-domain-id", sinks_user_domain_id, NULL, "Domain of username."),
	SECRET("sinks", "password", sinks_password, "Password of the Keystone user."),
	STRING("sinks", "project-id", sinks_project_id, NULL, "Project the metrics belong to."),
	STRING("sinks", "region", sinks_region, NULL,
	       "Region whose endpoints are taken from the catalog; unset: the first."),
	STRING("sinks", "app-credential-id", sinks_app_credential_id, NULL,
	       "Application credential (role monasca-agent), instead of user and password."),
	SECRET("sinks", "app-credential-secret", sinks_app_credential_secret,
	       "Secret of the application credential."),
};
const size_t conf_options_n = ARRAY_SIZE(conf_options);
