/*
 * A reader of JSON (RFC 8259) for bodies of a few hundred bytes. It walks over the caller's bytes once, keeps nothing,
 * and never reads past their end. Whatever is wrong ends the reading; nothing is guessed.
 */
#ifndef SS_JSON_H
#define SS_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ss_status.h"

/* Objects and lists inside one another, in what is skipped. */
#define SS_JSON_DEPTH 16

struct ss_json {
    const uint8_t *at;
    const uint8_t *end;
};

void ss_json_begin(struct ss_json *reader, const void *body, size_t length);

/* SS_NOT_JSON when anything but white space follows. */
enum ss_status ss_json_end(struct ss_json *reader);

/* Steps into an object; SS_WRONG_TYPE when there is something else. */
enum ss_status ss_json_enter_object(struct ss_json *reader);

/*
 * The next key of the object, or `*more` false at its end. `first` tells the object's first call from the others.
 * The key's length is given whole, and its text cut to the capacity.
 */
enum ss_status ss_json_next_key(struct ss_json *reader, bool first, bool *more, char *key, size_t capacity, size_t *length);

/*
 * A string, decoded to UTF-8, not terminated. `*length` is its whole length, also when that is over the capacity; then
 * only the beginning is written. It may hold NUL: the length tells.
 */
enum ss_status ss_json_text(struct ss_json *reader, char *out, size_t capacity, size_t *length);

/* A whole number written without fraction or exponent; SS_OUT_OF_RANGE beyond 64 bits. */
enum ss_status ss_json_integer(struct ss_json *reader, int64_t *out);

/* Steps over `null` when that is next. */
bool ss_json_null(struct ss_json *reader);

/* Steps over any value, which must be well-formed all the same. */
enum ss_status ss_json_skip(struct ss_json *reader);

#endif
