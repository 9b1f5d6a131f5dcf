/* Results of encoding and decoding a message. One list generates the enum and its texts. */
#ifndef SS_STATUS_H
#define SS_STATUS_H

#define SS_STATUS_LIST(X)                                             \
    X(SS_OK, "ok")                                                    \
    X(SS_NO_SPACE, "the buffer is too small")                         \
    X(SS_TOO_LONG, "the body is longer than the contract allows")     \
    X(SS_NOT_JSON, "not JSON")                                        \
    X(SS_TOO_DEEP, "nested too deeply")                               \
    X(SS_WRONG_TYPE, "a field has the wrong type")                    \
    X(SS_OUT_OF_RANGE, "a number is out of its range")                \
    X(SS_BAD_TEXT, "a text is too long or has characters it may not") \
    X(SS_MISSING, "a required field is missing")                      \
    X(SS_UNKNOWN_VERSION, "this version of the message is unknown")   \
    X(SS_UNKNOWN_COMMAND, "this command is unknown")

enum ss_status {
#define SS_STATUS_NAME(name, text) name,
    SS_STATUS_LIST(SS_STATUS_NAME)
#undef SS_STATUS_NAME
};

/* Never returns NULL. */
const char *ss_status_text(enum ss_status status);

#endif
