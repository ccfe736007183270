/* An ordinary disk: every fsync and fdatasync takes SLOWSYNC_MS milliseconds (8 unless told) longer.
 *
 *     cc -shared -fPIC -O2 -o slowsync.so slowsync.c && SLOWSYNC_MS=8 LD_PRELOAD=./slowsync.so …
 *
 * Measured with it: what a server does while the disk writes. The data is really synchronized first.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>

static int slowly(const char *name, int fd) {
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    const char *asked = getenv("SLOWSYNC_MS");
    long milliseconds = asked ? atol(asked) : 8;
    struct timespec pause = {milliseconds / 1000, milliseconds % 1000 * 1000000};
    int result = real(fd);
    nanosleep(&pause, NULL);
    return result;
}

int fsync(int fd) { return slowly("fsync", fd); }

int fdatasync(int fd) { return slowly("fdatasync", fd); }
