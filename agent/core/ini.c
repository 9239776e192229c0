/* SPDX-License-Identifier: Apache-2.0 */
#include "core/ini.h"
