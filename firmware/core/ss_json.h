/*
 * A pull parser for JSON (RFC 8259) bodies of a few hundred bytes. It reads the caller's buffer in place, allocates
 * nothing, and never reads past the end. The first error ends the parsing.
 */
#ifndef SS_JSON_H
#define SS_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ss_status.h"

/* Maximum nesting of objects and arrays in a value that is skipped. */
#define SS_JSON_DEPTH 16

struct ss_json {
    const uint8_t *at;
    const uint8_t *end;
};

void ss_json_begin(struct ss_json *reader, const void *body, size_t length);

/* Returns SS_NOT_JSON when anything but whitespace follows. */
enum ss_status ss_json_end(struct ss_json *reader);

/* Enters an object. Returns SS_WRONG_TYPE for any other value. */
enum ss_status ss_json_enter_object(struct ss_json *reader);

/*
 * Reads the next key of the object, or sets `*more` to false at its end. `first` is true for the first key only.
 * `*length` is the full length of the key, of which at most `capacity` bytes are written.
 */
enum ss_status ss_json_next_key(struct ss_json *reader, bool first, bool *more, char *key, size_t capacity, size_t *length);

/*
 * Reads a string as UTF-8, not terminated; it may contain NUL. `*length` is its full length, of which at most
 * `capacity` bytes are written.
 */
enum ss_status ss_json_text(struct ss_json *reader, char *out, size_t capacity, size_t *length);

/* Reads an integer without fraction or exponent. Returns SS_OUT_OF_RANGE if it does not fit into 64 bits. */
enum ss_status ss_json_integer(struct ss_json *reader, int64_t *out);

/* Skips `null` if it is next, and returns whether it was. */
bool ss_json_null(struct ss_json *reader);

/* Skips any value and checks that it is well-formed. */
enum ss_status ss_json_skip(struct ss_json *reader);

#endif
