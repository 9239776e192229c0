/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /proc/net/dev: traffic, errors and drops of each interface, and whether its link is up. Left out
 * are lo and what hosts make by the hundred for guests and containers of their own. The link is
 * read from operstate and flags, which the kernel prints without its network lock; carrier would
 * wait for it, and a driver in trouble holds it.
 */
#include "sample/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "core/text.h"
#include "sample/parse.h"
#include "sample/parse_net.h"
#include "sample/parse_value.h"

#define INTERFACES_MAX 16
#define FLAG_UP        0x1 /* IFF_UP: somebody wants it up */

static const char *const left_out[] = {
	"lo",  "veth",    "tap", "vnet", "virbr", "docker", "br-",   "cali",
	"cni", "flannel", "lxc", "lxd",  "ovs-",  "ifb",    "dummy", "podman",
};

struct interface {
	char name[NET_NAME_MAX]; /* "" = free */
	char shown[64];
	int operstate_fd, flags_fd;
	bool seen, linked; /* linked: the two below were read */
	bool wanted, running;
	struct rate rates[NET_COUNTS];
};

struct net {
	const struct env *env;
	struct procfile file;
	unsigned no_room; /* interfaces of the last reading that found none */
	struct interface interfaces[INTERFACES_MAX];
};

static const enum metric rate_metrics[NET_COUNTS] = {
	[NET_IN_BYTES] = METRIC_NET_IN_BYTES_SEC,
	[NET_IN_PACKETS] = METRIC_NET_IN_PACKETS_SEC,
	[NET_IN_ERRORS] = METRIC_NET_IN_ERRORS_SEC,
	[NET_IN_DROPPED] = METRIC_NET_IN_DROPPED_SEC,
	[NET_OUT_BYTES] = METRIC_NET_OUT_BYTES_SEC,
	[NET_OUT_PACKETS] = METRIC_NET_OUT_PACKETS_SEC,
	[NET_OUT_ERRORS] = METRIC_NET_OUT_ERRORS_SEC,
	[NET_OUT_DROPPED] = METRIC_NET_OUT_DROPPED_SEC,
};

static int net_open(const struct probe_setup *setup, void **ret, struct err *e)
{
	_cleanup_free_ struct net *net = calloc(1, sizeof(*net));
	int err;

	if (!net)
		return err_set(e, -ENOMEM, "no memory");
	net->env = setup->env;
	/* printed line by line, so it comes in pieces of a page; room for some thousand */
	err = procfile_open(&net->file, setup, "/proc/net/dev", 512 * 1024, false, e);
	if (err)
		return err;
	*ret = take_ptr(net);
	return 0;
}

static bool is_left_out(const char *name)
{
	if (!strcmp(name, left_out[0]))
		return true;
	for (size_t i = 1; i < ARRAY_SIZE(left_out); i++)
		if (text_starts(name, left_out[i]))
			return true;
	return false;
}

/* ---- link ---- */

static void close_link(struct interface *it)
{
	if (it->operstate_fd >= 0)
		close(it->operstate_fd);
	if (it->flags_fd >= 0)
		close(it->flags_fd);
	it->operstate_fd = it->flags_fd = -1;
}

static int open_of(const struct net *net, const char *name, const char *file)
{
	char path[64], full[ENV_PATH_MAX];

	snprintf(path, sizeof(path), "/sys/class/net/%s/%s", name, file);
	return open(env_path(net->env, path, full), O_RDONLY | O_CLOEXEC | O_NOCTTY);
}

static size_t read_word(int fd, char *out, size_t cap)
{
	ssize_t n = fd < 0 ? -1 : pread(fd, out, cap - 1, 0);

	while (n > 0 && out[n - 1] == '\n')
		n--;
	out[n > 0 ? n : 0] = '\0';
	return n > 0 ? (size_t)n : 0;
}

static bool read_link_files(struct interface *it)
{
	char state[24], text[24];
	size_t n = read_word(it->operstate_fd, state, sizeof(state));
	uint64_t flags = 0;

	if (!n || !read_word(it->flags_fd, text, sizeof(text)) || strncmp(text, "0x", 2) != 0 ||
	    parse_hex(text, strlen(text), &flags) < 0)
		return false;
	it->wanted = flags & FLAG_UP;
	/* tunnels and the like never say more than "unknown" */
	it->running = it->wanted && (!strcmp(state, "up") || !strcmp(state, "unknown"));
	return true;
}

/* A descriptor of an interface that was removed and made anew under the same name reads ENODEV. */
static void read_link(const struct net *net, struct interface *it)
{
	it->linked = read_link_files(it);
	if (it->linked)
		return;
	close_link(it);
	it->operstate_fd = open_of(net, it->name, "operstate");
	it->flags_fd = open_of(net, it->name, "flags");
	it->linked = read_link_files(it);
}

/* ---- reading ---- */

static struct interface *slot_of(struct net *net, const char *name)
{
	struct interface *free_one = NULL;

	for (size_t i = 0; i < INTERFACES_MAX; i++) {
		struct interface *it = &net->interfaces[i];

		if (!strcmp(it->name, name))
			return it;
		if (!it->name[0] && !free_one)
			free_one = it;
	}
	if (!free_one)
		return NULL;
	*free_one = (struct interface){.operstate_fd = -1, .flags_fd = -1};
	snprintf(free_one->name, sizeof(free_one->name), "%s", name);
	sample_escape(free_one->shown, sizeof(free_one->shown), name, strlen(name));
	return free_one;
}

static void forget_gone(struct net *net)
{
	for (size_t i = 0; i < INTERFACES_MAX; i++) {
		struct interface *it = &net->interfaces[i];

		if (!it->name[0] || it->seen)
			continue;
		close_link(it);
		it->name[0] = '\0';
	}
}

static void take_interface(struct net *net, const struct parse_net_dev *dev, int64_t now_ms)
{
	struct interface *it = slot_of(net, dev->name);

	if (!it) {
		net->no_room++;
		return;
	}
	it->seen = true;
	for (size_t i = 0; i < NET_COUNTS; i++)
		rate_update(&it->rates[i], dev->counts[i], now_ms);
	read_link(net, it);
}

static int net_read(void *state, int64_t now_ms)
{
	struct net *net = state;
	struct parse_net_dev dev;
	int err = procfile_read(&net->file);
	const char *p = net->file.text;
	size_t n = net->file.len;

	if (err)
		return err;
	net->no_room = 0;
	for (size_t i = 0; i < INTERFACES_MAX; i++)
		net->interfaces[i].seen = false;
	while (parse_net_dev(&p, &n, &dev))
		if (!is_left_out(dev.name))
			take_interface(net, &dev, now_ms);
	forget_gone(net);
	return 0;
}

static void net_report(const void *state, struct sample *out)
{
	const struct net *net = state;

	for (size_t i = 0; i < INTERFACES_MAX; i++) {
		const struct interface *it = &net->interfaces[i];
		int entity;

		if (!it->name[0])
			continue;
		entity = sample_entity(out, "device", it->shown, NULL);
		for (size_t k = 0; k < NET_COUNTS; k++)
			if (it->rates[k].valid)
				probe_add_of(out, rate_metrics[k], entity, it->rates[k].per_s);
		if (!it->linked)
			continue;
		probe_add_of(out, METRIC_NET_INT_STATUS, entity, !it->running);
		if (it->wanted)
			probe_add_of(out, METRIC_NET_LINK_LOST, entity, !it->running);
	}
}

static void net_explain(const void *state, struct problems *problems)
{
	const struct net *net = state;

	if (net->no_room)
		problems_add(problems, PROBLEM_WARN, "probe-net",
			     "none needed; the first interfaces are measured",
			     "%u network interfaces are not measured: there is room for %d",
			     net->no_room, INTERFACES_MAX);
}

static void net_close(void *state)
{
	struct net *net = state;

	for (size_t i = 0; i < INTERFACES_MAX; i++)
		if (net->interfaces[i].name[0])
			close_link(&net->interfaces[i]);
	procfile_close(&net->file);
	free(net);
}

const struct probe_ops probe_net = {
	.name = "net",
	.source = "/proc/net/dev",
	.pace = PROBE_EACH,
	.open = net_open,
	.read = net_read,
	.report = net_report,
	.close = net_close,
	.explain = net_explain,
};
