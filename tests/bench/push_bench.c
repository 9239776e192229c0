/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a push of metrics costs the agent: each sink's own request, made of as many points, over a
 * connection that is kept, to a receiver in another process that reads it and says that it was
 * taken. Processor time is this process's alone. One JSON object a sink on stdout.
 *
 *	push_bench PUSHES METRICS TIMES
 */
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/text.h"
#include "sink/metric.h"

#define POINTS_MAX 500
#define REQUEST_MAX (1u << 20)

static const struct env env = {.boot_ms = clock_boot_ms, .real_ms = clock_real_ms};

/* ---- the receiver ---- */

static char request[REQUEST_MAX];

static size_t body_length(const char *head)
{
	const char *line = strcasestr(head, "\r\nContent-Length: ");

	return line ? strtoul(line + strlen("\r\nContent-Length: "), NULL, 10) : 0;
}

/* Return: bytes of the body, -1 at the end of the connection. */
static ssize_t read_request(int fd)
{
	size_t have = 0, whole = 0;

	while (!whole || have < whole) {
		ssize_t n = read(fd, request + have, sizeof(request) - 1 - have);
		const char *end;

		if (n <= 0)
			return -1;
		have += (size_t)n;
		request[have] = '\0';
		end = strstr(request, "\r\n\r\n");
		if (!whole && end)
			whole = (size_t)(end + 4 - request) + body_length(request);
	}
	return (ssize_t)body_length(request);
}

static void put_token(char *out, size_t cap, int port)
{
	char body[1024];

	snprintf(body, sizeof(body),
		 "{\"token\":{\"issued_at\":\"2026-01-01T00:00:00Z\",\"expires_at\":\"2099-01-01T00:00:00Z\","
		 "\"user\":{\"id\":\"u\"},\"project\":{\"id\":\"p\"},\"catalog\":[{\"type\":\"monitoring\",\"endpoints\":[{"
		 "\"interface\":\"public\",\"region\":\"r\",\"url\":\"http://127.0.0.1:%d/v2.0\"}]},{\"type\":\"metric\","
		 "\"endpoints\":[{\"interface\":\"public\",\"region\":\"r\",\"url\":\"http://127.0.0.1:%d\"}]}]}}",
		 port, port);
	snprintf(out, cap, "HTTP/1.1 201 Created\r\nX-Subject-Token: bench\r\nContent-Length: %zu\r\n\r\n%s", strlen(body),
		 body);
}

/* Each answer is the same; what was read goes to the pipe: bytes of the body, and on which connection. */
static void serve(int listener, int port, int out)
{
	for (int32_t nth = 0;; nth++) {
		int fd = accept(listener, NULL, NULL);
		ssize_t n;

		while (fd >= 0 && (n = read_request(fd)) >= 0) {
			bool token = strstr(request, " /v3/auth/tokens ") != NULL;
			char answer[2048] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
			int32_t seen[2] = {(int32_t)n, nth};

			if (token)
				put_token(answer, sizeof(answer), port);
			else if (write(out, seen, sizeof(seen)) < 0)
				return;
			if (write(fd, answer, strlen(answer)) < 0)
				break;
		}
		close(fd);
	}
}

static int start_receiver(int *ret_port, int *ret_pipe, pid_t *ret_pid)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(at);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), ends[2];

	if (listener < 0 || bind(listener, (struct sockaddr *)&at, len) || listen(listener, 16) ||
	    getsockname(listener, (struct sockaddr *)&at, &len) || pipe(ends))
		return -errno;
	*ret_port = ntohs(at.sin_port);
	*ret_pid = fork();
	if (*ret_pid < 0)
		return -errno;
	if (*ret_pid == 0) {
		close(ends[0]);
		serve(listener, *ret_port, ends[1]);
		_exit(0);
	}
	close(listener);
	close(ends[1]);
	*ret_pipe = ends[0];
	return 0;
}

/* ---- the agent's side ---- */

struct bench {
	struct loop *loop;
	struct http *http;
	struct keystone *keystone;
	struct metric_labels labels;
	struct metric_point points[POINTS_MAX];
	size_t n;
	enum metric_how how;
};

static void taken(const struct metric_verdict *v, void *ctx)
{
	struct bench *b = ctx;

	b->how = v->how;
	loop_quit(b->loop, 0);
}

static int push(struct bench *b, const struct metric_sink_ops *ops, struct metric_sink *sink)
{
	int r = ops->send(sink, b->points, b->n, taken, b);

	if (!r)
		r = loop_run(b->loop);
	return r ? r : b->how == METRIC_TAKEN ? 0 : -EIO;
}

/* The first metrics of the table, of as many samples ten seconds apart. */
static void make_points(struct bench *b, size_t metrics, size_t times)
{
	int64_t now = clock_real_ms();

	for (size_t i = 0; i < metrics * times; i++) {
		const struct metric_info *m = &metric_infos[i % metrics];

		b->points[i] = (struct metric_point){.name = m->name,
						     .unit = m->unit,
						     .kind = m->kind,
						     .value = 0.37 * (double)(i % metrics),
						     .real_ms = now - (int64_t)(times - i / metrics) * 10000,
						     .key = i % metrics + 1};
	}
	b->n = metrics * times;
}

static double own_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static int measure(struct bench *b, const struct metric_sink_ops *ops, struct metric_sink *sink, size_t pushes, int seen)
{
	int32_t first[2], last[2] = {0};
	double before;
	int r = push(b, ops, sink); /* connects */

	if (!r && read(seen, first, sizeof(first)) != sizeof(first))
		r = -EIO;
	before = own_ms();
	for (size_t i = 0; i < pushes && !r; i++)
		r = push(b, ops, sink);
	if (r)
		return r;
	printf("{\"sink\":\"%s\",\"cpu_ms\":%.4f,", ops->name, (own_ms() - before) / (double)pushes);
	for (size_t i = 0; i < pushes; i++)
		if (read(seen, last, sizeof(last)) != sizeof(last))
			return -EIO;
	printf("\"bytes\":%d,\"points\":%zu,\"connections\":%d}\n", last[0], b->n, last[1] - first[1] + 1);
	return 0;
}

static int bench_sink(struct bench *b, const struct metric_sink_ops *ops, const char *path, int port, size_t pushes,
		      int seen)
{
	char url[128];
	struct sink_setting setting = {.url = url, .trusted = true};
	const struct metric_sink_setup setup = {.loop = b->loop, .http = b->http, .keystone = b->keystone,
						.setting = &setting, .labels = &b->labels, .timeout_ms = 10000};
	struct metric_sink *sink = NULL;
	struct err e = ERR_INIT;
	int r;

	snprintf(url, sizeof(url), "http://127.0.0.1:%d%s", port, path);
	r = ops->open(&setup, &sink, &e);
	if (!r)
		r = measure(b, ops, sink, pushes, seen);
	ops->close(sink);
	return r;
}

static const struct {
	const char *name, *path;
} kinds[] = {{"monasca", "/v2.0"}, {"gnocchi", ""}, {"otlp", "/v1/metrics"}, {"prometheus", "/api/v1/write"}};

static int bench_all(struct bench *b, int port, size_t pushes, int seen)
{
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		for (size_t k = 0; metric_sinks[k] && !r; k++)
			if (!strcmp(metric_sinks[k]->name, kinds[i].name))
				r = bench_sink(b, metric_sinks[k], kinds[i].path, port, pushes, seen);
	return r;
}

static int begin(struct bench *b, int port)
{
	static const struct http_setup http = {.user_agent = "heat-pulse/bench"};
	char url[64];
	struct credentials c = {.kind = CREDENTIALS_PASSWORD, .auth_url = url, .user_id = (char[]){"u"},
				.password = (char[]){"p"}};
	int r = loop_new(&env, &b->loop);

	snprintf(url, sizeof(url), "http://127.0.0.1:%d/v3", port);
	if (!r)
		r = http_new(b->loop, &http, &b->http, NULL);
	return r ? r : keystone_new(b->loop, b->http, &c, &b->keystone);
}

int main(int argc, char **argv)
{
	static struct bench b = {.labels = {.hostname = "web-1", .resource_id = "8c1d0a9e-0000-4000-8000-000000000001"}};
	uint64_t pushes = 0, metrics = 0, times = 0;
	int port = 0, seen = -1;
	pid_t pid = 0;
	int r = argc == 4 ? text_u64(argv[1], strlen(argv[1]), &pushes) : -EINVAL;

	if (!r)
		r = text_u64(argv[2], strlen(argv[2]), &metrics);
	if (!r)
		r = text_u64(argv[3], strlen(argv[3]), &times);
	if (!r && (metrics < 1 || metrics > METRIC_COUNT || times < 1 || times > POINTS_MAX / metrics || pushes < 1 ||
		   pushes > 4000))
		r = -EINVAL; /* what was seen waits in a pipe */
	if (!r)
		r = start_receiver(&port, &seen, &pid);
	if (!r)
		r = begin(&b, port);
	if (!r) {
		make_points(&b, (size_t)metrics, (size_t)times);
		r = bench_all(&b, port, (size_t)pushes, seen);
	}
	keystone_free(b.keystone);
	http_free(b.http);
	loop_free(b.loop);
	if (pid > 0) {
		kill(pid, SIGTERM);
		waitpid(pid, NULL, 0);
	}
	if (r)
		fprintf(stderr, "push_bench: %s\n", strerror(-r));
	return r ? 1 : 0;
}
