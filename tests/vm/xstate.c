/* Lets user-mode Linux 6.1 run on processors with AMX; uml.py compiles it and puts it before the C library.
 *
 * That kernel keeps 2696 bytes of a process's extended registers (NT_X86_XSTATE) and writes them back with ptrace(2).
 * Where the processor has AMX the whole is 11008 bytes, ptrace(2) takes only the whole, and the kernel kills its init.
 * Here what it has goes over the beginning of what the process has now. The rest are registers that no process may use
 * before it has asked for them (arch_prctl(2), ARCH_REQ_XCOMP_PERM), which user-mode Linux does not pass on.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <elf.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/types.h>
#include <sys/uio.h>

static long (*next)(int, pid_t, void *, void *);
/* Not on the stack, of which a kernel has little. It is one thread. */
static char whole[1 << 16] __attribute__((aligned(64)));

__attribute__((constructor)) static void find_next(void)
{
	next = (long (*)(int, pid_t, void *, void *))dlsym(RTLD_NEXT, "ptrace");
}

long ptrace(enum __ptrace_request request, ...)
{
	va_list rest;
	va_start(rest, request);
	pid_t pid = va_arg(rest, pid_t);
	void *addr = va_arg(rest, void *);
	void *data = va_arg(rest, void *);
	va_end(rest);
	if (request == PTRACE_SETREGSET && addr == (void *)NT_X86_XSTATE) {
		struct iovec *given = data, now = { whole, sizeof(whole) };
		if (next(PTRACE_GETREGSET, pid, addr, &now) == 0 && now.iov_len > given->iov_len) {
			memcpy(whole, given->iov_base, given->iov_len);
			return next(request, pid, addr, &now);
		}
	}
	return next(request, pid, addr, data);
}
