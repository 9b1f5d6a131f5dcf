#include "ss_shape.h"

#include <string.h>

/* All keys of the contract are shorter; a longer key is an unknown field. */
#define KEY_MAX 24

/* All words of the contract's choices are shorter; a longer word matches none. */
#define WORD_MAX 24

static void *member(void *message, const struct ss_field *field)
{
    return (char *)message + field->offset;
}

static uint32_t get_has(const struct ss_shape *shape, const void *message)
{
    uint32_t has = 0;
    if (shape->has_offset != SS_NO_HAS) {
        memcpy(&has, (const char *)message + shape->has_offset, sizeof has);
    }
    return has;
}

static void set_has(const struct ss_shape *shape, void *message, uint32_t has)
{
    if (shape->has_offset != SS_NO_HAS) {
        memcpy((char *)message + shape->has_offset, &has, sizeof has);
    }
}

/* --- limits, for both directions ---------------------------------------------------------------------------------- */

static enum ss_status check_number(const struct ss_field *field, int64_t value)
{
    return value < field->min || value > field->max ? SS_OUT_OF_RANGE : SS_OK;
}

static enum ss_status check_text(const struct ss_field *field, const char *text, size_t length)
{
    return length < field->size && field->grammar(text, length) ? SS_OK : SS_BAD_TEXT;
}

/* --- writing -------------------------------------------------------------------------------------------------------- */

struct writer {
    char *out;
    size_t capacity;
    size_t length; /* capacity + 1 once something did not fit */
};

static void put_bytes(struct writer *writer, const char *text, size_t length)
{
    if (writer->length <= writer->capacity && length <= writer->capacity - writer->length) {
        memcpy(writer->out + writer->length, text, length);
        writer->length += length;
    } else {
        writer->length = writer->capacity + 1;
    }
}

static void put_text(struct writer *writer, const char *text)
{
    put_bytes(writer, text, strlen(text));
}

/* Not snprintf: small C libraries may not format 64-bit integers. */
static void put_number(struct writer *writer, int64_t value)
{
    char digits[20];
    size_t from = sizeof digits;
    uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    do {
        digits[--from] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    if (value < 0) {
        put_text(writer, "-");
    }
    put_bytes(writer, digits + from, sizeof digits - from);
}

/* Needs no escaping: no grammar allows a character that JSON would escape. */
static void put_quoted(struct writer *writer, const char *text, size_t length)
{
    put_text(writer, "\"");
    put_bytes(writer, text, length);
    put_text(writer, "\"");
}

static enum ss_status write_value(const struct ss_field *field, const void *message, struct writer *writer)
{
    const char *at = (const char *)message + field->offset;
    int64_t number = field->max;
    int choice = 0;
    enum ss_status status;

    switch (field->kind) {
    case SS_TEXT: {
        const char *end = memchr(at, '\0', field->size);
        const size_t length = end == NULL ? field->size : (size_t)(end - at);
        status = check_text(field, at, length);
        if (status == SS_OK) {
            put_quoted(writer, at, length);
        }
        return status;
    }
    case SS_NUMBER:
        memcpy(&number, at, sizeof number);
        status = check_number(field, number);
        if (status == SS_OK) {
            put_number(writer, number);
        }
        return status;
    case SS_CHOICE:
        memcpy(&choice, at, sizeof choice);
        for (int i = 0; field->words[i] != NULL; i++) {
            if (i == choice) {
                put_quoted(writer, field->words[i], strlen(field->words[i]));
                return SS_OK;
            }
        }
        return SS_OUT_OF_RANGE;
    case SS_VERSION:
        put_number(writer, field->max);
        return SS_OK;
    case SS_OBJECT:
        break;
    }
    return SS_WRONG_TYPE;
}

static bool is_absent(const struct ss_field *field, const void *message, uint32_t has)
{
    if (field->kind == SS_TEXT) {
        return !field->required && ((const char *)message)[field->offset] == '\0';
    }
    return field->bit != 0 && (has & field->bit) == 0;
}

enum ss_status ss_shape_write(const struct ss_shape *shape, const void *message, char *out, size_t capacity, size_t *length)
{
    const uint32_t has = get_has(shape, message);
    struct writer writer = {.out = out, .capacity = capacity, .length = 0};
    const char *separator = "{";

    *length = 0;
    for (size_t i = 0; i < shape->count; i++) {
        const struct ss_field *field = &shape->fields[i];
        const bool absent = is_absent(field, message, has);
        if (absent && !field->nullable) {
            continue;
        }
        put_text(&writer, separator);
        put_quoted(&writer, field->name, strlen(field->name));
        put_text(&writer, ":");
        if (absent) {
            put_text(&writer, "null");
        } else {
            const enum ss_status status = write_value(field, message, &writer);
            if (status != SS_OK) {
                return status;
            }
        }
        separator = ",";
    }
    put_text(&writer, "}");
    if (writer.length > capacity) {
        return SS_NO_SPACE;
    }
    if (writer.length > shape->max_bytes) {
        return SS_TOO_LONG;
    }
    *length = writer.length;
    return SS_OK;
}

/* --- reading -------------------------------------------------------------------------------------------------------- */

static enum ss_status read_text(const struct ss_field *field, void *message, struct ss_json *reader)
{
    char *text = member(message, field);
    size_t length;

    memset(text, 0, field->size);
    enum ss_status status = ss_json_text(reader, text, field->size - 1, &length);
    if (status == SS_OK) {
        status = check_text(field, text, length);
    }
    if (status != SS_OK) {
        memset(text, 0, field->size);
    }
    return status;
}

static enum ss_status read_number(const struct ss_field *field, void *message, struct ss_json *reader)
{
    int64_t number;
    enum ss_status status = ss_json_integer(reader, &number);

    if (status == SS_OK) {
        status = check_number(field, number);
    }
    if (status == SS_OK && field->kind == SS_NUMBER) {
        memcpy(member(message, field), &number, sizeof number);
    }
    if (status == SS_OUT_OF_RANGE && field->kind == SS_VERSION) {
        return SS_UNKNOWN_VERSION;
    }
    return status;
}

static enum ss_status read_choice(const struct ss_field *field, void *message, struct ss_json *reader)
{
    char word[WORD_MAX];
    size_t length;
    const enum ss_status status = ss_json_text(reader, word, sizeof word, &length);

    if (status != SS_OK) {
        return status;
    }
    for (int i = 0; field->words[i] != NULL; i++) {
        if (strlen(field->words[i]) == length && memcmp(field->words[i], word, length) == 0) {
            memcpy(member(message, field), &i, sizeof i);
            return SS_OK;
        }
    }
    return SS_BAD_TEXT;
}

static enum ss_status read_object(const struct ss_field *field, void *message, struct ss_json *reader)
{
    struct ss_json inside = *reader;
    const enum ss_status status = ss_json_enter_object(&inside);

    if (status != SS_OK) {
        return status;
    }
    memcpy(member(message, field), reader, sizeof *reader);
    return ss_json_skip(reader);
}

static enum ss_status read_value(const struct ss_field *field, void *message, struct ss_json *reader)
{
    switch (field->kind) {
    case SS_TEXT:
        return read_text(field, message, reader);
    case SS_VERSION:
    case SS_NUMBER:
        return read_number(field, message, reader);
    case SS_CHOICE:
        return read_choice(field, message, reader);
    case SS_OBJECT:
        return read_object(field, message, reader);
    }
    return SS_WRONG_TYPE;
}

static const struct ss_field *find(const struct ss_shape *shape, const char *key, size_t length)
{
    for (size_t i = 0; i < shape->count; i++) {
        const char *name = shape->fields[i].name;
        if (strlen(name) == length && memcmp(name, key, length) == 0) {
            return &shape->fields[i];
        }
    }
    return NULL;
}

static enum ss_status check_complete(const struct ss_shape *shape, uint32_t seen)
{
    for (size_t i = 0; i < shape->count; i++) {
        if (shape->fields[i].required && (seen & (uint32_t)1 << i) == 0) {
            return SS_MISSING;
        }
    }
    return SS_OK;
}

enum ss_status ss_shape_read_object(const struct ss_shape *shape, void *message, struct ss_json *reader)
{
    uint32_t has = 0;
    uint32_t seen = 0;
    enum ss_status status = ss_json_enter_object(reader);

    for (bool first = true; status == SS_OK; first = false) {
        char key[KEY_MAX];
        size_t length = 0;
        bool more;
        status = ss_json_next_key(reader, first, &more, key, sizeof key, &length);
        if (status != SS_OK || !more) {
            break;
        }
        const struct ss_field *field = length <= sizeof key ? find(shape, key, length) : NULL;
        if (field == NULL) {
            status = ss_json_skip(reader);
            continue;
        }
        seen |= (uint32_t)1 << (field - shape->fields);
        if (field->nullable && ss_json_null(reader)) {
            has &= ~field->bit;
            continue;
        }
        has |= field->bit;
        status = read_value(field, message, reader);
    }
    set_has(shape, message, has);
    return status == SS_OK ? check_complete(shape, seen) : status;
}

enum ss_status ss_shape_read(const struct ss_shape *shape, void *message, const void *body, size_t length)
{
    struct ss_json reader;

    memset(message, 0, shape->size);
    if (length > shape->max_bytes) {
        return SS_TOO_LONG;
    }
    ss_json_begin(&reader, body, length);
    const enum ss_status status = ss_shape_read_object(shape, message, &reader);
    return status == SS_OK ? ss_json_end(&reader) : status;
}
