#include "producer/commands/source_session.h"

#include "common/base/check.h"
#include "producer/source/guards.h"
#include "producer/source/source_access.h"
#include "producer/source/source_connection.h"

int
source_session_open(const struct config *config, const char *application, struct pg **pg,
                    struct error *err)
{
    CHECK(config->postgres != NULL);
    int rc = source_connect(config->postgres, application, NULL, pg, err);
    if (rc != 0)
        return rc;
    rc = pg_exec(*pg, "SET lock_timeout = '3s'", err);
    if (rc == 0)
        rc = guards_check_all(*pg, config, err);
    if (rc == 0)
        rc = source_access_check(*pg, config, err);
    if (rc == 0)
        return 0;
    pg_close(*pg);
    *pg = NULL;
    return rc;
}
