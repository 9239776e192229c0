/* SPDX-License-Identifier: Apache-2.0 */
#include "auth/ec2.h"
