/* SPDX-License-Identifier: Apache-2.0 */
/* What is printed and does not arrive is no success, unless its reader has had enough. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "command/command.h"

/* The exit code of a command that prints to @fd, which is closed. */
static int printing_to(int fd, char *command, char *option)
{
	char *argv[] = {(char[]){"heat-pulse"}, command, option, NULL};
	int status = 0;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		int quiet = open("/dev/null", O_WRONLY | O_CLOEXEC);

		dup2(fd, STDOUT_FILENO);
		dup2(quiet, STDERR_FILENO);
		_exit(command_main(3, argv));
	}
	close(fd);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* A script that writes a sample to a file learns that the disk was full: much text, and little of it. */
static void full_disk(void **state)
{
	char sample[] = "sample", reference[] = "--reference", help[] = "--help";

	(void)state;
	assert_int_equal(printing_to(open("/dev/full", O_WRONLY | O_CLOEXEC), sample, reference),
			 EXIT_CONFIG);
	assert_int_equal(printing_to(open("/dev/full", O_WRONLY | O_CLOEXEC), sample, help), EXIT_CONFIG);
	assert_int_equal(printing_to(open("/dev/null", O_WRONLY | O_CLOEXEC), sample, reference), EXIT_GOOD);
}

/* Who reads the first lines only is served well. */
static void reader_that_left(void **state)
{
	char sample[] = "sample", reference[] = "--reference";
	int ends[2];

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	close(ends[0]);
	assert_int_equal(printing_to(ends[1], sample, reference), EXIT_GOOD);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(full_disk),
		cmocka_unit_test(reader_that_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
