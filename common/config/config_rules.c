#include "common/config/config_rules.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/config/config_copy.h"

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

enum {
    NAME_BYTES_MAX = 100,
    IDENTIFIER_BYTES_MAX = 63,                   /* PostgreSQL's NAMEDATALEN - 1 */
    TOPIC_BYTES_MAX = 249 - (sizeof ".dead" - 1) /* Kafka's limit */
};

static bool
rule_is_word(const char *text, const char *alphabet, size_t bytes_max)
{
    CHECK(text != NULL);
    CHECK(bytes_max > 0);
    size_t bytes = strlen(text);
    return bytes > 0 && bytes <= bytes_max && strspn(text, alphabet) == bytes;
}

static bool
rule_is_dots(const char *text)
{
    return strcmp(text, ".") == 0 || strcmp(text, "..") == 0;
}

const char *
config_rule_name(const char *text)
{
    if (rule_is_word(text, LETTERS DIGITS "._-", NAME_BYTES_MAX) && !rule_is_dots(text))
        return NULL;
    return "must be 1 to 100 letters, digits, '.', '_' or '-'";
}

const char *
config_rule_field(const char *text)
{
    if (rule_is_word(text, LETTERS DIGITS "_", NAME_BYTES_MAX) && strchr(DIGITS, text[0]) == NULL)
        return NULL;
    return "must be a field name: 1 to 100 letters, digits or '_', not beginning with a digit";
}

static bool
rule_is_identifier(const char *text, size_t bytes)
{
    CHECK(bytes <= strlen(text));
    for (size_t i = 0; i < bytes; i++)
        if ((unsigned char)text[i] < ' ' || strchr("\"'{}()\x7f", text[i]) != NULL)
            return false;
    return bytes > 0 && bytes <= IDENTIFIER_BYTES_MAX;
}

const char *
config_rule_column(const char *text)
{
    if (rule_is_identifier(text, strlen(text)))
        return NULL;
    return "must be a column name: at most 63 bytes, without quotes, braces and parentheses";
}

const char *
config_rule_table(const char *text)
{
    CHECK(text != NULL);
    const char *table = strchr(text, '.');
    bool has_schema = table != NULL;
    table = has_schema ? table + 1 : text;
    if (rule_is_identifier(table, strlen(table)) && strchr(table, '.') == NULL &&
        (!has_schema || rule_is_identifier(text, (size_t)(table - text) - 1)))
        return NULL;
    return "must be a table name, table or schema.table, without quotes";
}

const char *
config_rule_topic(const char *text)
{
    if (rule_is_word(text, LETTERS DIGITS "._-", TOPIC_BYTES_MAX) && !rule_is_dots(text))
        return NULL;
    return "must be 1 to 244 letters, digits, '.', '_' or '-' (\".dead\" is appended for dead "
           "letters)";
}

static bool
rule_is_port(const char *text)
{
    size_t digits = strspn(text, DIGITS);
    return digits > 0 && digits <= 5 && text[digits] == '\0' && strtol(text, NULL, 10) <= 65535;
}

const char *
config_rule_address(const char *text)
{
    CHECK(text != NULL);
    const char *colon = strrchr(text, ':');
    bool is_v6 = text[0] == '[';
    size_t bytes = colon != NULL ? (size_t)(colon - text) : 0;
    size_t legal = is_v6 ? 1 + strspn(text + 1, DIGITS "abcdefABCDEF:.") + 1
                         : strspn(text, LETTERS DIGITS ".-");
    if (bytes > 0 && bytes <= 255 && legal == bytes && (!is_v6 || text[bytes - 1] == ']') &&
        rule_is_port(colon + 1))
        return NULL;
    return "must be host:port, like 127.0.0.1:8080 or [::1]:8080";
}

/* A wildcard has only zeros in its host: 0.0.0.0, [::], [0:0::0]. */
const char *
config_rule_reachable(const char *text)
{
    const char *problem = config_rule_address(text);
    if (problem != NULL)
        return problem;
    const char *colon = strrchr(text, ':');
    CHECK(colon != NULL);
    if (strspn(text, "0.:[]") >= (size_t)(colon - text))
        return "must name a host that others can connect to, not all addresses of this one";
    if (strtol(colon + 1, NULL, 10) == 0)
        return "must have the port that others connect to, not port 0";
    return NULL;
}

const char *
config_rule_copy_query(const char *text)
{
    struct text select;
    CHECK(text != NULL);
    return config_copy_select(text, &select) ? NULL : "must be COPY (SELECT ...) TO STDOUT";
}

const char *
config_rule_filled(const char *text)
{
    CHECK(text != NULL);
    return text[strspn(text, " \t\r\n")] != '\0' ? NULL : "must not be empty";
}
