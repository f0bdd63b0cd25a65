#include "consumer/engine/store/case_fold.h"

#include <unicode/uchar.h>
#include <unicode/utf8.h>

#include "common/base/check.h"

static void
fold_append(struct buffer *folded, UChar32 code_point)
{
    uint8_t bytes[U8_MAX_LENGTH];
    size_t count = 0;
    U8_APPEND_UNSAFE(bytes, count, u_foldCase(code_point, U_FOLD_CASE_DEFAULT));
    CHECK(count <= sizeof bytes);
    buffer_append(folded, bytes, count);
}

void
case_fold(struct text text, struct buffer *folded)
{
    size_t at = 0;
    buffer_clear(folded);
    while (at < text.bytes) {
        size_t begin = at;
        UChar32 code_point;
        U8_NEXT(text.data, at, text.bytes, code_point);
        CHECK(at > begin && at <= text.bytes);
        if (code_point >= 0)
            fold_append(folded, code_point);
        else
            buffer_append(folded, text.data + begin, at - begin);
    }
}
