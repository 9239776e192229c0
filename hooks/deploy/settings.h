/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deployments of group "heat-pulse": their config is a part of the section "heat-pulse" of the
 * document, so that one SoftwareConfig can set thresholds, watches and sinks of many servers. Pure.
 */
#pragma once

#include "core/json.h"

/** deployment_config_map() - the config as a map, also where it is the text of one. New reference
 * or NULL. */
json_t *deployment_config_map(const json_t *entry);
/**
 * deployment_settings() - the document's metadata with all such deployments merged into its section
 *
 * In the order of the list; maps are merged, all else is replaced. Those whose action is DELETE
 * count as gone. Return: new reference, @metadata itself where there is none; NULL = no memory.
 */
json_t *deployment_settings(json_t *metadata);
