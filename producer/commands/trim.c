#include "producer/commands/trim.h"

#include <inttypes.h>
#include <stdio.h>

#include "common/base/check.h"
#include "common/base/memory.h"
#include "common/config/config.h"
#include "common/json/json_write.h"
#include "common/pg/pg.h"
#include "producer/source/guards.h"
#include "producer/source/retention.h"

static void
print_json(const struct retention *retention, int64_t rows)
{
    struct buffer out = {0};
    struct json_writer json;
    CHECK(rows >= 0);
    json_writer_init(&json, &out);
    json_object_begin(&json);
    json_key(&json, "removed_rows");
    json_integer(&json, rows);
    json_key(&json, "removal_held_by");
    if (retention->held_by[0] != '\0')
        json_string(&json, retention->held_by);
    else
        json_null(&json);
    json_key(&json, "removal_held_s");
    json_integer(&json, retention->held_s);
    json_object_end(&json);
    CHECK(json.depth == 0);
    printf("%s\n", buffer_string(&out));
    buffer_free(&out);
}

static void
print_lines(const struct retention *retention, int64_t rows)
{
    CHECK(rows >= 0);
    CHECK(retention->held_by[0] == '\0' || retention->held_s > 0);
    printf("removed %" PRId64 " rows\n", rows);
    if (retention->held_by[0] != '\0')
        printf("the cursor of producer \"%s\" keeps rows that are up to %" PRId64 " s old; if the"
               " producer no longer exists: bitdex-producer cursor remove %s\n",
               retention->held_by, retention->held_s, retention->held_by);
}

static int
trim(struct retention *retention, struct pg *pg, const struct config *config, int64_t *rows,
     struct error *err)
{
    enum retention_next next;
    CHECK(*rows == 0);
    int rc = guards_check_all(pg, config, err);
    if (rc == 0)
        rc = retention_poll(retention, pg, &next, err);
    while (rc == 0 && next == RETENTION_MORE)
        rc = retention_remove(retention, pg, rows, &next, err);
    return rc;
}

int
command_trim(const struct cli *cli, struct error *err)
{
    struct pg *pg;
    struct retention retention;
    int64_t rows = 0;
    CHECK(cli->config->postgres != NULL);
    int rc = retention_connect(cli->config->postgres, &pg, err);
    if (rc != 0)
        return rc;
    retention_init(&retention, &cli->config->retention);
    rc = trim(&retention, pg, cli->config, &rows, err);
    if (rc == 0 && cli->json)
        print_json(&retention, rows);
    else if (rc == 0)
        print_lines(&retention, rows);
    retention_free(&retention);
    pg_close(pg);
    return rc;
}
