#include "tests/support/temporary_directory.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/memory.h"

int
temporary_directory_setup(void **state)
{
    char *directory = memory_strdup("/tmp/bitdex-test-XXXXXX");
    *state = directory;
    return mkdtemp(directory) == NULL;
}

static int
remove_entry(const char *path, const struct stat *status, int type, struct FTW *place)
{
    (void)status;
    (void)type;
    (void)place;
    return remove(path);
}

int
temporary_directory_teardown(void **state)
{
    int rc = nftw(*state, remove_entry, 8, FTW_DEPTH);
    free(*state);
    return rc;
}
