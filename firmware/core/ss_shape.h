/*
 * A message is a table of its fields. The same table writes a struct as JSON, reads it back, and holds the limits of
 * the contract, so that what is refused on the way in is refused on the way out.
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
    SS_VERSION, /* the number `max`, stored nowhere */
    SS_TEXT,    /* char[size], terminated; an optional one that is empty is absent */
    SS_NUMBER,  /* int64_t, whatever its limits, so that what is out of them can be seen */
    SS_CHOICE,  /* int: an index of `words` */
    SS_OBJECT   /* struct ss_json: where a nested object begins; read only */
};

struct ss_field {
    const char *name;
    enum ss_kind kind;
    bool required;
    bool nullable; /* required, and `null` when its bit is not set */
    uint32_t bit;  /* in `has`, for numbers, choices and objects that may be absent or null */
    size_t offset;
    size_t size;
    int64_t min;
    int64_t max;
    ss_grammar *grammar;
    const char *const *words; /* ends with NULL */
};

struct ss_shape {
    const struct ss_field *fields;
    size_t count;      /* 32 at most */
    size_t size;       /* of the struct */
    size_t has_offset; /* of its uint32_t `has`; SS_NO_HAS when it has none */
    size_t max_bytes;  /* of the body */
};

#define SS_NO_HAS SIZE_MAX

/* `*length` is 0 unless all went well. Nothing beyond `capacity` is touched; the body is not terminated. */
enum ss_status ss_shape_write(const struct ss_shape *shape, const void *message, char *out, size_t capacity, size_t *length);

/* Reads a whole body. `message` is cleared first; after a refusal it holds what was read up to there. */
enum ss_status ss_shape_read(const struct ss_shape *shape, void *message, const void *body, size_t length);

/* Reads one object in the middle of a body; clears nothing. */
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
