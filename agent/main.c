/* SPDX-License-Identifier: Apache-2.0 */
/* Picks a command by the program's own name or the first argument; nothing else. */
#include "command/command.h"

int main(int argc, char **argv)
{
	return command_main(argc, argv);
}
