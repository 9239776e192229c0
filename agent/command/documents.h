/* SPDX-License-Identifier: Apache-2.0 */
/* Where the last good document of a resource lies in the state: one entry each, below "documents/".
 */
#pragma once

#include "core/store.h"

/** documents_entry() - entry name; @resource NULL: the guest's own. */
const char *documents_entry(const char *resource, char out[static STORE_NAME_MAX]);
