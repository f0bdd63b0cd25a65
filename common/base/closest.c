#include "common/base/closest.h"

#include <stdio.h>
#include <string.h>

#include "common/base/check.h"

enum { CONTAINED_BYTES_MIN = 3, LETTERS_PER_CHANGE = 3 };

static char
closest_fold(char letter)
{
    return letter >= 'A' && letter <= 'Z' ? (char)(letter - 'A' + 'a') : letter;
}

static uint32_t
closest_least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* The number of changes, insertions, removals and swaps of neighbours that make `b` of `a`
 * (optimal string alignment). Keeps the last three rows of the table of all prefixes. */
static uint32_t
closest_distance(struct text a, struct text b)
{
    uint32_t rows[3][CLOSEST_NAME_BYTES + 1];
    CHECK(a.bytes <= CLOSEST_NAME_BYTES && b.bytes <= CLOSEST_NAME_BYTES);
    for (uint32_t j = 0; j <= b.bytes; j++)
        rows[0][j] = j;
    for (uint32_t i = 1; i <= a.bytes; i++) {
        const uint32_t *above = rows[(i - 1) % 3];
        uint32_t *row = rows[i % 3];
        char letter = closest_fold(a.data[i - 1]);
        row[0] = i;
        for (uint32_t j = 1; j <= b.bytes; j++) {
            char other = closest_fold(b.data[j - 1]);
            uint32_t least = closest_least(above[j], row[j - 1]) + 1;
            row[j] = closest_least(least, above[j - 1] + (letter != other));
            if (i > 1 && j > 1 && letter == closest_fold(b.data[j - 2]) &&
                other == closest_fold(a.data[i - 2]))
                row[j] = closest_least(row[j], rows[(i - 2) % 3][j - 2] + 1);
        }
    }
    return rows[a.bytes % 3][b.bytes];
}

static bool
closest_begins(struct text whole, size_t at, struct text part)
{
    for (size_t i = 0; i < part.bytes; i++)
        if (closest_fold(whole.data[at + i]) != closest_fold(part.data[i]))
            return false;
    return true;
}

static bool
closest_contains(struct text whole, struct text part)
{
    if (part.bytes < CONTAINED_BYTES_MIN)
        return false;
    for (size_t at = 0; at + part.bytes <= whole.bytes; at++)
        if (closest_begins(whole, at, part))
            return true;
    return false;
}

/* False: the name is not close. */
static bool
closest_score(struct text wrong, struct text name, uint32_t *score)
{
    if (wrong.bytes > CLOSEST_NAME_BYTES || name.bytes > CLOSEST_NAME_BYTES)
        return false;
    size_t longer = wrong.bytes > name.bytes ? wrong.bytes : name.bytes;
    uint32_t allowed = (uint32_t)longer / LETTERS_PER_CHANGE;
    *score = closest_distance(wrong, name);
    if (*score <= allowed)
        return true;
    *score = allowed + 1;
    return closest_contains(wrong, name) || closest_contains(name, wrong);
}

uint32_t
closest_find(struct text wrong, const char *const *names, uint32_t count,
             uint32_t places[CLOSEST_MAX])
{
    uint32_t scores[CLOSEST_MAX];
    uint32_t found = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t score;
        if (!closest_score(wrong, text_of(names[i]), &score))
            continue;
        uint32_t at = found;
        while (at > 0 && scores[at - 1] > score)
            at--;
        if (at == CLOSEST_MAX)
            continue;
        found += found < CLOSEST_MAX;
        for (uint32_t later = found - 1; later > at; later--) {
            scores[later] = scores[later - 1];
            places[later] = places[later - 1];
        }
        scores[at] = score;
        places[at] = i;
    }
    CHECK(found <= count && found <= CLOSEST_MAX);
    return found;
}

struct text
closest_shown(struct text wrong)
{
    size_t bytes = wrong.bytes < CLOSEST_SHOWN_BYTES ? wrong.bytes : CLOSEST_SHOWN_BYTES;
    while (bytes < wrong.bytes && bytes > 0 && ((unsigned char)wrong.data[bytes] & 0xc0) == 0x80)
        bytes--; /* not inside a character of UTF-8 */
    return (struct text){wrong.data, bytes};
}

static void
closest_append_found(struct error *err, struct text wrong, const char *const *names, uint32_t count)
{
    uint32_t places[CLOSEST_MAX];
    uint32_t found = closest_find(wrong, names, count, places);
    for (uint32_t i = 0; i < found; i++) {
        size_t used = strlen(err->message);
        snprintf(err->message + used, sizeof err->message - used, "%s\"%s\"",
                 i == 0 ? "; closest: " : ", ", names[places[i]]);
    }
}

int
closest_append(struct error *err, struct text wrong, const char *what, const char *const *names,
               uint32_t count)
{
    if (err == NULL)
        return ERR_DATA;
    CHECK(err->code != 0);
    closest_append_found(err, wrong, names, count);
    uint32_t shown = 0;
    size_t used = strlen(err->message);
    while (shown < count && used + strlen(names[shown]) < CLOSEST_MESSAGE_BYTES) {
        if (shown == 0)
            snprintf(err->message + used, sizeof err->message - used, "; %s: %s", what, names[0]);
        else
            snprintf(err->message + used, sizeof err->message - used, ", %s", names[shown]);
        used = strlen(err->message);
        shown++;
    }
    if (shown < count)
        snprintf(err->message + used, sizeof err->message - used, " and %u more", count - shown);
    return err->code;
}
