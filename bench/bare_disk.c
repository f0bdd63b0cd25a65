/* What the disk achieves alone: baselines of the bench.
 *
 *     bare_disk sync DIRECTORY COUNT BYTES   appends BYTES and syncs them, COUNT times
 *     bare_disk read FILE...                 reads files that are not in the page cache
 *
 * `sync` prints p50 and p99 in milliseconds; `read` prints bytes and seconds.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/bare.h"

enum { SYNC_BYTES_MAX = 1 << 20, READ_BYTES = 1 << 20 };

static uint8_t buffer[READ_BYTES];

static void
run_sync(const char *directory, int64_t count, int64_t bytes)
{
    double *times = calloc((size_t)count, sizeof *times);
    int file = open(directory, O_TMPFILE | O_WRONLY, 0600);
    if (file < 0 || bytes > SYNC_BYTES_MAX)
        fail(directory, "no file can be made there, or too many bytes");
    for (int64_t i = 0; i < count; i++) {
        double begin = now_s();
        if (write(file, buffer, (size_t)bytes) != bytes || fdatasync(file) != 0)
            fail(directory, "cannot write");
        times[i] = (now_s() - begin) * 1000;
    }
    close(file);
    print_percentiles(times, (int)count);
    free(times);
}

static int64_t
read_file(const char *path)
{
    int64_t bytes = 0;
    ssize_t more;
    int file = open(path, O_RDONLY);
    if (file < 0)
        fail(path, "cannot be opened");
    while ((more = read(file, buffer, sizeof buffer)) > 0)
        bytes += more;
    if (more != 0)
        fail(path, "cannot be read");
    close(file);
    return bytes;
}

static void
drop_from_cache(const char *path)
{
    int file = open(path, O_RDONLY);
    if (file < 0 || fdatasync(file) != 0 || posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED) != 0)
        fail(path, "cannot be dropped from the page cache");
    close(file);
}

static void
run_read(char **paths, int count)
{
    int64_t bytes = 0;
    for (int i = 0; i < count; i++)
        drop_from_cache(paths[i]);
    double begin = now_s();
    for (int i = 0; i < count; i++)
        bytes += read_file(paths[i]);
    printf("%lld %.6f\n", (long long)bytes, now_s() - begin);
}

int
main(int argc, char **argv)
{
    if (argc == 5 && strcmp(argv[1], "sync") == 0)
        run_sync(argv[2], parse_positive(argv[3]), parse_positive(argv[4]));
    else if (argc > 2 && strcmp(argv[1], "read") == 0)
        run_read(argv + 2, argc - 2);
    else
        fail("usage", "bare_disk sync DIRECTORY COUNT BYTES | read FILE...");
    return 0;
}
