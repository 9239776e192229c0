/* SPDX-License-Identifier: Apache-2.0 */
#include "hooks/init/package.h"

#include <string.h>

#include "core/text.h"
#include "hooks/init/version.h"

#define RPM_QUERY                                                                                  \
	{                                                                                          \
		"rpm", "-q", "--qf", "%{VERSION}-%{RELEASE}\n", "@"                                \
	}

const struct package_manager package_managers[] = {
	{.name = "dpkg",
	 .programs = {"dpkg"},
	 .query = {"dpkg-query", "-W", "-f", "${db:Status-Status} ${Version}\n", "@"},
	 .before_version = "installed ",
	 .install = {"!", "--install"},
	 .downgrade = {"!", "--install"},
	 .file_query = {"dpkg-deb", "--showformat", "${Package} ${Version}\n", "--show", "@"}},
	/* Signatures are verified as the machine's policy has it. */
	{.name = "rpm",
	 .programs = {"rpm"},
	 .query = RPM_QUERY,
	 .before_version = "",
	 .install = {"!", "-U", "--quiet", "--replacepkgs"},
	 .downgrade = {"!", "-U", "--quiet", "--replacepkgs", "--oldpackage"},
	 .file_query = {"rpm", "-qp", "--qf", "%{NAME} %{VERSION}-%{RELEASE}\n", "@"}},
	{.name = "apt",
	 .programs = {"apt-get"},
	 .query = {"dpkg-query", "-W", "-f", "${db:Status-Status} ${Version}\n", "@"},
	 .before_version = "installed ",
	 .install = {"!", "-q", "-y", "-o", "DPkg::Lock::Timeout=300", "-o",
		     "Dpkg::Options::=--force-confold", "install"},
	 .downgrade = {"!", "-q", "-y", "-o", "DPkg::Lock::Timeout=300", "-o",
		       "Dpkg::Options::=--force-confold", "--allow-downgrades", "install"},
	 .refresh = {"!", "-q", "update"},
	 .join = "="},
	{.name = "yum",
	 .programs = {"yum", "dnf"},
	 .query = RPM_QUERY,
	 .before_version = "",
	 .install = {"!", "-y", "install"},
	 .downgrade = {"!", "-y", "downgrade"},
	 .refresh = {"!", "-y", "makecache"},
	 .join = "-"},
	{.name = "dnf",
	 .programs = {"dnf"},
	 .query = RPM_QUERY,
	 .before_version = "",
	 .install = {"!", "-y", "--best", "install"},
	 .downgrade = {"!", "-y", "downgrade"},
	 .refresh = {"!", "-y", "makecache"},
	 .join = "-"},
	{.name = "apk",
	 .programs = {"apk"},
	 .query = {"apk", "info", "-e", "-v", "@"},
	 .before_version = "@-",
	 .install = {"!", "add"},
	 .downgrade = {"!", "add"},
	 .refresh = {"!", "update"},
	 .join = "="},
	{.name = "python",
	 .programs = {"pip3", "pip"},
	 .query = {"pip3", "show", "@"},
	 .before_version = "Version: ",
	 .install = {"!", "install"},
	 .downgrade = {"!", "install"},
	 .join = "=="},
	{.name = "rubygems",
	 .programs = {"gem"},
	 .query = {"gem", "list", "--local", "--exact", "@"},
	 .before_version = "@ (",
	 .install = {"!", "install", "-b", "--no-document"},
	 .downgrade = {"!", "install", "-b", "--no-document"}},
	{.name = "zypper",
	 .programs = {"zypper"},
	 .query = RPM_QUERY,
	 .before_version = "",
	 .install = {"!", "-n", "install"},
	 .downgrade = {"!", "-n", "install", "--oldpackage"},
	 .refresh = {"!", "-n", "refresh"},
	 .join = "="},
};
const size_t package_managers_n = ARRAY_SIZE(package_managers);

/* Where on a line that begins with @before the versions begin; NULL: another line. */
static const char *after(const char *line, size_t n, const char *before, const char *name)
{
	const char *p = line;

	for (; *before; before++) {
		const char *word = *before == '@' ? name : before;
		size_t k = *before == '@' ? strlen(name) : 1;

		if ((size_t)(line + n - p) < k || memcmp(p, word, k) != 0)
			return NULL;
		p += k;
	}
	return p;
}

static bool take(const char *p, size_t n, const char *wanted, struct buf *version)
{
	_cleanup_buf_ struct buf one = BUF_INIT(256);
	size_t pos = 0;
	const char *item;
	size_t item_n;
	_cleanup_free_ char *list = strndup(p, n);

	while (list && text_list_next(list, ',', &pos, &item, &item_n)) {
		buf_reset(&one);
		buf_put(&one, item, item_n);
		if (item_n == 0 || buf_error(&one))
			continue;
		if (version->len == 0 || (wanted && version_fits(buf_str(&one), wanted))) {
			buf_reset(version);
			buf_put(version, buf_str(&one), one.len);
		}
	}
	return version->len > 0;
}

bool package_installed(const struct package_manager *m, const char *name, const char *output,
		       const char *wanted, struct buf *version)
{
	while (*output) {
		size_t n = strcspn(output, "\n");
		const char *p = after(output, n, m->before_version, name);

		if (p && take(p, strcspn(p, ")\n"), wanted, version))
			return true;
		output += n + (output[n] == '\n');
	}
	return false;
}

bool package_name_valid(const char *name)
{
	static const char good[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				   "+._:~^@/-";
	size_t n = strlen(name);

	return n > 0 && n < 200 && name[0] != '-' && name[0] != '+' && name[0] != '.' &&
	       name[n - 1] != '-' && strspn(name, good) == n;
}
