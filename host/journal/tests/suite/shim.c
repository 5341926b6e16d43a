/* Loaded before the C library (LD_PRELOAD): lets the calls number FAULT_FROM to FAULT_TO of one family fail.
 *
 * FAULT_FAMILY is `write` (giving a file contents, a length or a name) or `sync` (making it durable).
 * With FAULT_SLOW_MS, they take so long and then succeed.
 * A write fails as on a full disk, a sync as on a broken one. What the C library would do is not done then. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static atomic_long calls;

static int fails(const char *family)
{
    const char *wanted = getenv("FAULT_FAMILY");
    if (wanted == NULL || strcmp(wanted, family) != 0)
        return 0;
    long call = atomic_fetch_add(&calls, 1) + 1;
    if (call < atol(getenv("FAULT_FROM")) || call > atol(getenv("FAULT_TO")))
        return 0;
    const char *slow = getenv("FAULT_SLOW_MS");
    if (slow != NULL) {
        usleep(atol(slow) * 1000);
        return 0;
    }
    errno = strcmp(family, "sync") == 0 ? EIO : ENOSPC;
    return 1;
}

#define SHIM(family, result, name, parameters, arguments)                        \
    result name parameters                                                       \
    {                                                                            \
        static result (*real) parameters;                                        \
        if (real == NULL)                                                        \
            real = (result (*) parameters)dlsym(RTLD_NEXT, #name);               \
        return fails(family) ? -1 : real arguments;                              \
    }

SHIM("write", ssize_t, pwrite, (int file, const void *bytes, size_t count, off_t at), (file, bytes, count, at))
SHIM("write", ssize_t, pwrite64, (int file, const void *bytes, size_t count, off64_t at), (file, bytes, count, at))
SHIM("write", int, ftruncate, (int file, off_t length), (file, length))
SHIM("write", int, ftruncate64, (int file, off64_t length), (file, length))
SHIM("write", int, rename, (const char *from, const char *to), (from, to))
SHIM("sync", int, fsync, (int file), (file))
SHIM("sync", int, fdatasync, (int file), (file))
SHIM("sync", int, msync, (void *at, size_t length, int flags), (at, length, flags))
