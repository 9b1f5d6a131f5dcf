/*
 * A message is described by a table of its fields. The same table encodes a struct as JSON, decodes it, and has the
 * limits of the contract, so that encoder and decoder refuse the same values.
 */
#ifndef SS_SHAPE_H
#define SS_SHAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ss_grammar.h"
#include "ss_json.h"
#include "ss_status.h"

enum ss_kind {
    SS_VERSION, /* the number `max`; not stored in the struct */
    SS_TEXT,    /* char[size], terminated; empty means absent if the field is optional */
    SS_NUMBER,  /* always int64_t, so that a value out of range can be detected */
    SS_CHOICE,  /* int: an index into `words` */
    SS_OBJECT   /* struct ss_json: the start of a nested object; decoding only */
};

struct ss_field {
    const char *name;
    enum ss_kind kind;
    bool required;
    bool nullable; /* written as `null` if its bit is not set */
    uint32_t bit;  /* in `has`, for a number, choice or object that may be absent or null */
    size_t offset;
    size_t size;
    int64_t min;
    int64_t max;
    ss_grammar *grammar;
    const char *const *words; /* ends with NULL */
};

struct ss_shape {
    const struct ss_field *fields;
    size_t count;      /* at most 32 */
    size_t size;       /* of the struct */
    size_t has_offset; /* of its uint32_t `has`, or SS_NO_HAS */
    size_t max_bytes;  /* of the body */
};

#define SS_NO_HAS SIZE_MAX

/* Sets `*length` to 0 on error. Writes nothing beyond `capacity`; the body is not terminated. */
enum ss_status ss_shape_write(const struct ss_shape *shape, const void *message, char *out, size_t capacity, size_t *length);

/* Reads a whole body. Clears `message` first; on error it contains the fields read so far. */
enum ss_status ss_shape_read(const struct ss_shape *shape, void *message, const void *body, size_t length);

/* Reads one object inside a body. Does not clear `message`. */
enum ss_status ss_shape_read_object(const struct ss_shape *shape, void *message, struct ss_json *reader);

#define SS_COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* 2^53 - 1: the largest integer that every JSON parser represents exactly. */
#define SS_MS_MAX 9007199254740991LL

/* Rows of a field table: `key` is the name in JSON, `type` and `member` the place of the value in the struct. */
#define SS_AT(type, member) .offset = offsetof(type, member), .size = sizeof(((type *)0)->member)
#define SS_VERSION_1 {.name = "v", .kind = SS_VERSION, .required = true, .min = 1, .max = 1}
#define SS_REQUIRED_TEXT(key, type, member, rule) \
    {.name = (key), .kind = SS_TEXT, .required = true, SS_AT(type, member), .grammar = (rule)}
#define SS_OPTIONAL_TEXT(key, type, member, rule) \
    {.name = (key), .kind = SS_TEXT, SS_AT(type, member), .grammar = (rule)}
#define SS_REQUIRED_NUMBER(key, type, member, least, most) \
    {.name = (key), .kind = SS_NUMBER, .required = true, SS_AT(type, member), .min = (least), .max = (most)}
#define SS_OPTIONAL_NUMBER(key, type, member, flag, least, most) \
    {.name = (key), .kind = SS_NUMBER, .bit = (flag), SS_AT(type, member), .min = (least), .max = (most)}

#endif
