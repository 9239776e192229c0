/* SPDX-License-Identifier: Apache-2.0 */
/* no_proxy lists and hosts: first line the list, the rest the host. */
#include <string.h>
#include "core/http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = strndup((const char *)data, size);
	char *host = strchr(text, '\n');

	if (!host)
		return 0;
	*host++ = '\0';
	http_no_proxy_matches(text, host);
	http_host_is_near(host);
	return 0;
}
