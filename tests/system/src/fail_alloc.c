/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Preloaded: the allocation number HEAT_PULSE_FAIL_ALLOC since main() of each process fails, the others do not. A process forked from
 * another goes on counting from where it was. What libraries allocate before main() is theirs to test, and so are libseccomp, which
 * builds a wrong filter instead of telling, libcrypto, whose first use of an algorithm crashes, jansson, whose parser frees a string
 * twice, and the loader, which aborts where a thread-local variable of a library has no memory (all seen with those of Debian 12; what
 * we do with jansson's answers is tested beside our own wrappers of it, in the unit ring).
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

extern void *__libc_malloc(size_t n);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *p, size_t n);

typedef int main_fn(int argc, char **argv, char **envp);

static long wanted = -1, count;
static int counting;
static main_fn *real_main;

/* The first look-up of a user reads nsswitch.conf, and glibc asserts that it has memory for that. */
static int main_counted(int argc, char **argv, char **envp)
{
	getpwuid(0);
	getgrgid(0);
	counting = 1;
	return real_main(argc, argv, envp);
}

int __libc_start_main(main_fn *main, int argc, char **argv, void (*init)(void), void (*fini)(void), void (*ldso_fini)(void), void *stack_end)
{
	int (*next)(main_fn *, int, char **, void (*)(void), void (*)(void), void (*)(void), void *) =
		(int (*)(main_fn *, int, char **, void (*)(void), void (*)(void), void (*)(void), void *))dlsym(RTLD_NEXT, "__libc_start_main");

	real_main = main;
	return next(main_counted, argc, argv, init, fini, ldso_fini, stack_end);
}

static int left_out(const void *caller)
{
	static const char *const names[] = {"libseccomp", "libcrypto", "libjansson", "ld-linux"};
	Dl_info info;

	if (!dladdr(caller, &info) || !info.dli_fname)
		return 0;
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strstr(info.dli_fname, names[i]))
			return 1;
	return 0;
}

static int fails(const void *caller)
{
	if (wanted < 0) {
		const char *text = getenv("HEAT_PULSE_FAIL_ALLOC");

		wanted = text ? strtol(text, NULL, 10) : 0;
	}
	if (!counting || left_out(caller) || ++count != wanted)
		return 0;
	errno = ENOMEM;
	return 1;
}

void *malloc(size_t n)
{
	return fails(__builtin_return_address(0)) ? NULL : __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
	return fails(__builtin_return_address(0)) ? NULL : __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
	return fails(__builtin_return_address(0)) ? NULL : __libc_realloc(p, n);
}
