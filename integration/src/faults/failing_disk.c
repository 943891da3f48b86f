/* Fails what is written below a folder while a file exists, with the error number that the file holds. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static int is_below(const char *path) {
    const char *folder = getenv("FAILING_FOLDER");
    return folder && path && strncmp(path, folder, strlen(folder)) == 0;
}

/* The error to fail with, or 0. */
static int error_now(void) {
    const char *path = getenv("FAILING_SWITCH");
    int file = path ? REAL(open)(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0) return 0;
    char text[16] = {0};
    ssize_t length = read(file, text, sizeof text - 1);
    close(file);
    return length > 0 ? atoi(text) : 5;
}

static int error_of_path(const char *path) {
    int kept = errno, error = is_below(path) ? error_now() : 0;
    errno = error ? error : kept;
    return error;
}

static int error_of_file(int file) {
    char link[64], path[4096] = {0};
    int kept = errno;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    errno = kept;
    return length > 0 ? error_of_path(path) : 0;
}

#define WRITES (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC)

int open(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    mode_t mode = va_arg(rest, mode_t);
    va_end(rest);
    return (flags & WRITES) && error_of_path(path) ? -1 : REAL(open)(path, flags, mode);
}

int open64(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    mode_t mode = va_arg(rest, mode_t);
    va_end(rest);
    return (flags & WRITES) && error_of_path(path) ? -1 : REAL(open64)(path, flags, mode);
}

#define FAILS(type, name, test, parameters, arguments) \
    type name parameters { return test ? -1 : REAL(name) arguments; }

FAILS(ssize_t, write, error_of_file(file), (int file, const void *from, size_t length), (file, from, length))
FAILS(ssize_t, writev, error_of_file(file), (int file, const struct iovec *parts, int count), (file, parts, count))
FAILS(ssize_t, pwrite64, error_of_file(file), (int file, const void *from, size_t length, off64_t at),
      (file, from, length, at))
FAILS(int, fsync, error_of_file(file), (int file), (file))
FAILS(int, fdatasync, error_of_file(file), (int file), (file))
FAILS(int, ftruncate64, error_of_file(file), (int file, off64_t length), (file, length))
FAILS(int, rename, error_of_path(to), (const char *from, const char *to), (from, to))
FAILS(int, unlink, error_of_path(path), (const char *path), (path))
FAILS(int, mkdir, error_of_path(path), (const char *path, mode_t mode), (path, mode))
