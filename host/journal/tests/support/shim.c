/* Loaded before the C library (LD_PRELOAD): lets the calls number FAULT_FROM to FAULT_TO fail, and writes a log of calls.
 *
 * FAULT_FAMILY is `write` (giving a file contents, a length or a name) or `sync` (making it durable); FAULT_CALL is a single
 * function instead (`open`, `write`, `fsync`, `rename`, `unlink`, `mkdir`). With FAULT_SLOW_MS, the calls take so long and then
 * succeed. With FAULT_UNDER, only calls on paths that begin with it count as calls of FAULT_CALL; these are what FAULT_LOG lists, a
 * line each.
 * A sync fails as on a broken disk, everything else as on a full one. The C library's own function is not called then. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

static atomic_long calls;

static int counts(int sync)
{
    long call = atomic_fetch_add(&calls, 1) + 1;
    if (call < atol(getenv("FAULT_FROM")) || call > atol(getenv("FAULT_TO")))
        return 0;
    const char *slow = getenv("FAULT_SLOW_MS");
    if (slow != NULL) {
        usleep(atol(slow) * 1000);
        return 0;
    }
    errno = sync ? EIO : ENOSPC;
    return 1;
}

static int fails(const char *family)
{
    const char *wanted = getenv("FAULT_FAMILY");
    if (wanted == NULL || strcmp(wanted, family) != 0)
        return 0;
    return counts(strcmp(family, "sync") == 0);
}

/* Whether a call on a path fails. */
static int fails_on(const char *name, const char *path)
{
    const char *under = getenv("FAULT_UNDER"), *wanted = getenv("FAULT_CALL");
    if (under == NULL || wanted == NULL || strncmp(path, under, strlen(under)) != 0 || strcmp(wanted, name) != 0)
        return 0;
    return counts(strcmp(name, "fsync") == 0);
}

/* Logs a call that has succeeded. */
static void logs(const char *name, const char *path, const char *to)
{
    const char *under = getenv("FAULT_UNDER"), *log = getenv("FAULT_LOG");
    if (under == NULL || log == NULL || strncmp(path, under, strlen(under)) != 0)
        return;
    int error = errno;
    FILE *file = fopen(log, "a");
    if (file != NULL) {
        fprintf(file, "%s\t%s\t%s\n", name, path, to);
        fclose(file);
    }
    errno = error;
}

/* The path behind a descriptor; empty for what is no file or folder. */
static const char *path_of(int file, char path[PATH_MAX])
{
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    path[length < 0 ? 0 : length] = 0;
    return path;
}

#define REAL(result, name, parameters)                                           \
    static result (*real) parameters;                                            \
    if (real == NULL)                                                            \
        real = (result (*) parameters)dlsym(RTLD_NEXT, #name);

#define SHIM(family, result, name, parameters, arguments)                        \
    result name parameters                                                       \
    {                                                                            \
        REAL(result, name, parameters)                                           \
        return fails(family) ? -1 : real arguments;                              \
    }

/* A call on a path, maybe of a family. */
#define PATH_SHIM(call, result, name, parameters, arguments, family, path, to)   \
    result name parameters                                                       \
    {                                                                            \
        REAL(result, name, parameters)                                           \
        if ((family != NULL && fails(family)) || fails_on(call, path))           \
            return -1;                                                           \
        result answer = real arguments;                                          \
        if (answer >= 0)                                                         \
            logs(call, path, to);                                                \
        return answer;                                                           \
    }

SHIM("write", ssize_t, pwrite, (int file, const void *bytes, size_t count, off_t at), (file, bytes, count, at))
SHIM("write", ssize_t, pwrite64, (int file, const void *bytes, size_t count, off64_t at), (file, bytes, count, at))
SHIM("write", int, ftruncate, (int file, off_t length), (file, length))
SHIM("write", int, ftruncate64, (int file, off64_t length), (file, length))
SHIM("sync", int, fdatasync, (int file), (file))
SHIM("sync", int, msync, (void *at, size_t length, int flags), (at, length, flags))
PATH_SHIM("rename", int, rename, (const char *from, const char *to), (from, to), "write", from, to)
PATH_SHIM("unlink", int, unlink, (const char *path), (path), NULL, path, "")
PATH_SHIM("mkdir", int, mkdir, (const char *path, mode_t mode), (path, mode), NULL, path, "")
PATH_SHIM("rmdir", int, rmdir, (const char *path), (path), NULL, path, "")

int fsync(int file)
{
    char path[PATH_MAX];
    REAL(int, fsync, (int))
    if (fails("sync") || fails_on("fsync", path_of(file, path)))
        return -1;
    int answer = real(file);
    if (answer == 0)
        logs("fsync", path_of(file, path), "");
    return answer;
}

ssize_t write(int file, const void *bytes, size_t count)
{
    char path[PATH_MAX];
    REAL(ssize_t, write, (int, const void *, size_t))
    if (getenv("FAULT_UNDER") == NULL)
        return real(file, bytes, count);
    if (fails_on("write", path_of(file, path)))
        return -1;
    ssize_t answer = real(file, bytes, count);
    if (answer >= 0)
        logs("write", path, "");
    return answer;
}

/* Only files that are created count: what is read is not touched. */
#define OPEN_SHIM(name)                                                          \
    int name(const char *path, int flags, ...)                                   \
    {                                                                            \
        REAL(int, name, (const char *, int, ...))                                \
        mode_t mode = 0;                                                         \
        if (flags & (O_CREAT | O_TMPFILE)) {                                     \
            va_list rest;                                                        \
            va_start(rest, flags);                                               \
            mode = va_arg(rest, mode_t);                                         \
            va_end(rest);                                                        \
        }                                                                        \
        if ((flags & O_CREAT) && fails_on("open", path))                         \
            return -1;                                                           \
        int answer = real(path, flags, mode);                                    \
        if (answer >= 0 && (flags & O_CREAT))                                    \
            logs("open", path, "");                                              \
        return answer;                                                           \
    }

OPEN_SHIM(open)
OPEN_SHIM(open64)
