#include "ss_json.h"

#include <string.h>

static void skip_space(struct ss_json *reader)
{
    while (reader->at < reader->end &&
           (*reader->at == ' ' || *reader->at == '\t' || *reader->at == '\n' || *reader->at == '\r')) {
        reader->at++;
    }
}

static bool next_is(struct ss_json *reader, uint8_t c)
{
    skip_space(reader);
    return reader->at < reader->end && *reader->at == c;
}

static bool take(struct ss_json *reader, uint8_t c)
{
    if (!next_is(reader, c)) {
        return false;
    }
    reader->at++;
    return true;
}

static bool take_literal(struct ss_json *reader, const char *literal)
{
    const size_t length = strlen(literal);
    skip_space(reader);
    if ((size_t)(reader->end - reader->at) < length || memcmp(reader->at, literal, length) != 0) {
        return false;
    }
    reader->at += length;
    return true;
}

/* The status for an unexpected value: a wrong type if a JSON value can start like this, otherwise not JSON. */
static enum ss_status other_value(struct ss_json *reader)
{
    skip_space(reader);
    if (reader->at < reader->end && *reader->at != '\0' && strchr("{[\"-0123456789tfn", *reader->at) != NULL) {
        return SS_WRONG_TYPE;
    }
    return SS_NOT_JSON;
}

void ss_json_begin(struct ss_json *reader, const void *body, size_t length)
{
    reader->at = body;
    reader->end = reader->at + length;
}

enum ss_status ss_json_end(struct ss_json *reader)
{
    skip_space(reader);
    return reader->at == reader->end ? SS_OK : SS_NOT_JSON;
}

enum ss_status ss_json_enter_object(struct ss_json *reader)
{
    return take(reader, '{') ? SS_OK : other_value(reader);
}

enum ss_status ss_json_next_key(struct ss_json *reader, bool first, bool *more, char *key, size_t capacity, size_t *length)
{
    *more = false;
    if (take(reader, '}')) {
        return SS_OK;
    }
    if (!first && !take(reader, ',')) {
        return SS_NOT_JSON;
    }
    if (!next_is(reader, '"')) {
        return SS_NOT_JSON;
    }
    const enum ss_status status = ss_json_text(reader, key, capacity, length);
    if (status != SS_OK) {
        return status;
    }
    *more = true;
    return take(reader, ':') ? SS_OK : SS_NOT_JSON;
}

bool ss_json_null(struct ss_json *reader)
{
    return take_literal(reader, "null");
}

/* --- strings ---------------------------------------------------------------------------------------------------- */

struct sink {
    char *out;
    size_t capacity;
    size_t length;
};

static void put_byte(struct sink *sink, uint8_t byte)
{
    if (sink->length < sink->capacity) {
        sink->out[sink->length] = (char)byte;
    }
    sink->length++;
}

static void put_code_point(struct sink *sink, uint32_t code)
{
    if (code < 0x80) {
        put_byte(sink, (uint8_t)code);
    } else if (code < 0x800) {
        put_byte(sink, (uint8_t)(0xC0 | code >> 6));
        put_byte(sink, (uint8_t)(0x80 | (code & 0x3F)));
    } else if (code < 0x10000) {
        put_byte(sink, (uint8_t)(0xE0 | code >> 12));
        put_byte(sink, (uint8_t)(0x80 | (code >> 6 & 0x3F)));
        put_byte(sink, (uint8_t)(0x80 | (code & 0x3F)));
    } else {
        put_byte(sink, (uint8_t)(0xF0 | code >> 18));
        put_byte(sink, (uint8_t)(0x80 | (code >> 12 & 0x3F)));
        put_byte(sink, (uint8_t)(0x80 | (code >> 6 & 0x3F)));
        put_byte(sink, (uint8_t)(0x80 | (code & 0x3F)));
    }
}

static bool take_hex4(struct ss_json *reader, uint32_t *out)
{
    if (reader->end - reader->at < 4) {
        return false;
    }
    *out = 0;
    for (int i = 0; i < 4; i++) {
        const uint8_t c = *reader->at++;
        uint32_t digit;
        if (c >= '0' && c <= '9') {
            digit = c - (uint32_t)'0';
        } else if (c >= 'a' && c <= 'f') {
            digit = c - (uint32_t)'a' + 10;
        } else if (c >= 'A' && c <= 'F') {
            digit = c - (uint32_t)'A' + 10;
        } else {
            return false;
        }
        *out = *out << 4 | digit;
    }
    return true;
}

/* Reads what follows `\u`: one code point, written as two escapes if it is a surrogate pair. */
static bool take_unicode_escape(struct ss_json *reader, struct sink *sink)
{
    uint32_t code;
    if (!take_hex4(reader, &code)) {
        return false;
    }
    if (code >= 0xDC00 && code <= 0xDFFF) {
        return false;
    }
    if (code >= 0xD800 && code <= 0xDBFF) {
        uint32_t low;
        if (reader->end - reader->at < 2 || reader->at[0] != '\\' || reader->at[1] != 'u') {
            return false;
        }
        reader->at += 2;
        if (!take_hex4(reader, &low) || low < 0xDC00 || low > 0xDFFF) {
            return false;
        }
        code = 0x10000 + ((code - 0xD800) << 10 | (low - 0xDC00));
    }
    put_code_point(sink, code);
    return true;
}

static bool take_escape(struct ss_json *reader, struct sink *sink)
{
    static const char escapes[] = "\"\\/bfnrt";
    static const char meanings[] = "\"\\/\b\f\n\r\t";

    if (reader->at == reader->end) {
        return false;
    }
    const uint8_t c = *reader->at++;
    if (c == 'u') {
        return take_unicode_escape(reader, sink);
    }
    const char *found = c == '\0' ? NULL : strchr(escapes, c);
    if (found == NULL) {
        return false;
    }
    put_byte(sink, (uint8_t)meanings[found - escapes]);
    return true;
}

/* Reads a character of two to four bytes (RFC 3629): no overlong form, no surrogate, at most U+10FFFF. */
static bool take_utf8(struct ss_json *reader, struct sink *sink)
{
    const uint8_t lead = *reader->at;
    uint8_t low = 0x80;
    uint8_t high = 0xBF;
    int more;

    if (lead >= 0xC2 && lead <= 0xDF) {
        more = 1;
    } else if (lead >= 0xE0 && lead <= 0xEF) {
        more = 2;
        low = lead == 0xE0 ? 0xA0 : low;
        high = lead == 0xED ? 0x9F : high;
    } else if (lead >= 0xF0 && lead <= 0xF4) {
        more = 3;
        low = lead == 0xF0 ? 0x90 : low;
        high = lead == 0xF4 ? 0x8F : high;
    } else {
        return false;
    }
    if (reader->end - reader->at <= more || reader->at[1] < low || reader->at[1] > high) {
        return false;
    }
    for (int i = 2; i <= more; i++) {
        if (reader->at[i] < 0x80 || reader->at[i] > 0xBF) {
            return false;
        }
    }
    for (int i = 0; i <= more; i++) {
        put_byte(sink, *reader->at++);
    }
    return true;
}

enum ss_status ss_json_text(struct ss_json *reader, char *out, size_t capacity, size_t *length)
{
    struct sink sink = {.out = out, .capacity = capacity, .length = 0};

    if (!take(reader, '"')) {
        return other_value(reader);
    }
    while (reader->at < reader->end) {
        const uint8_t c = *reader->at;
        bool good = true;
        if (c == '"') {
            reader->at++;
            *length = sink.length;
            return SS_OK;
        }
        if (c == '\\') {
            reader->at++;
            good = take_escape(reader, &sink);
        } else if (c >= 0x80) {
            good = take_utf8(reader, &sink);
        } else if (c < 0x20) {
            good = false;
        } else {
            put_byte(&sink, c);
            reader->at++;
        }
        if (!good) {
            return SS_NOT_JSON;
        }
    }
    return SS_NOT_JSON;
}

/* --- numbers ---------------------------------------------------------------------------------------------------- */

static bool at_digit(const struct ss_json *reader)
{
    return reader->at < reader->end && *reader->at >= '0' && *reader->at <= '9';
}

static bool skip_digits(struct ss_json *reader)
{
    if (!at_digit(reader)) {
        return false;
    }
    while (at_digit(reader)) {
        reader->at++;
    }
    return true;
}

/* Follows the grammar of RFC 8259 section 6. `*integer_end` is the end of the integer part. */
static bool skip_number(struct ss_json *reader, const uint8_t **integer_end)
{
    if (reader->at < reader->end && *reader->at == '-') {
        reader->at++;
    }
    if (reader->at < reader->end && *reader->at == '0') {
        reader->at++;
    } else if (!skip_digits(reader)) {
        return false;
    }
    *integer_end = reader->at;
    if (reader->at < reader->end && *reader->at == '.') {
        reader->at++;
        if (!skip_digits(reader)) {
            return false;
        }
    }
    if (reader->at < reader->end && (*reader->at == 'e' || *reader->at == 'E')) {
        reader->at++;
        if (reader->at < reader->end && (*reader->at == '+' || *reader->at == '-')) {
            reader->at++;
        }
        return skip_digits(reader);
    }
    return true;
}

enum ss_status ss_json_integer(struct ss_json *reader, int64_t *out)
{
    skip_space(reader);
    const uint8_t *digit = reader->at;
    if (digit == reader->end || (*digit != '-' && !at_digit(reader))) {
        return other_value(reader);
    }
    const uint8_t *integer_end;
    if (!skip_number(reader, &integer_end)) {
        return SS_NOT_JSON;
    }
    if (integer_end != reader->at) {
        return SS_WRONG_TYPE;
    }
    const bool negative = *digit == '-';
    digit += negative ? 1 : 0;
    int64_t value = 0;
    for (; digit < integer_end; digit++) {
        const int64_t next = *digit - '0';
        if (value > (INT64_MAX - next) / 10) {
            return SS_OUT_OF_RANGE;
        }
        value = value * 10 + next;
    }
    *out = negative ? -value : value;
    return SS_OK;
}

/* --- any value -------------------------------------------------------------------------------------------------- */

static enum ss_status skip_plain(struct ss_json *reader)
{
    size_t length;
    const uint8_t *integer_end;

    if (next_is(reader, '"')) {
        return ss_json_text(reader, NULL, 0, &length);
    }
    if (take_literal(reader, "true") || take_literal(reader, "false") || take_literal(reader, "null")) {
        return SS_OK;
    }
    return skip_number(reader, &integer_end) ? SS_OK : SS_NOT_JSON;
}

static enum ss_status skip_key(struct ss_json *reader)
{
    size_t length;

    if (!next_is(reader, '"') || ss_json_text(reader, NULL, 0, &length) != SS_OK || !take(reader, ':')) {
        return SS_NOT_JSON;
    }
    return SS_OK;
}

enum ss_status ss_json_skip(struct ss_json *reader)
{
    bool is_object[SS_JSON_DEPTH];
    size_t depth = 0;

    for (;;) {
        enum ss_status status = SS_OK;
        const bool object = next_is(reader, '{');
        if (object || next_is(reader, '[')) {
            if (depth == SS_JSON_DEPTH) {
                return SS_TOO_DEEP;
            }
            reader->at++;
            if (!take(reader, object ? '}' : ']')) {
                is_object[depth++] = object;
                status = object ? skip_key(reader) : SS_OK;
                if (status != SS_OK) {
                    return status;
                }
                continue;
            }
        } else {
            status = skip_plain(reader);
        }
        if (status != SS_OK) {
            return status;
        }
        while (depth > 0 && take(reader, is_object[depth - 1] ? '}' : ']')) {
            depth--;
        }
        if (depth == 0) {
            return SS_OK;
        }
        if (!take(reader, ',') || (is_object[depth - 1] && skip_key(reader) != SS_OK)) {
            return SS_NOT_JSON;
        }
    }
}
