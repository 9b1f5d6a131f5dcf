/*
 * Encodes and decodes the button's messages as defined in ../../contracts.
 *
 * Uses no heap and no mutable globals, and only string.h of the C library: the caller owns every buffer, and every
 * function can be called from any task. All texts are ASCII and end with NUL. All numbers are int64_t, so that a value
 * out of the contract's limits is refused, not wrapped. Output is valid only with SS_OK, except as noted.
 */
#ifndef SS_MESSAGE_H
#define SS_MESSAGE_H

#include <stddef.h>
#include <stdint.h>

#include "ss_status.h"

#define SS_BODY_MAX 512      /* bytes of a message from the button, or of an acknowledgement */
#define SS_CMD_BODY_MAX 2048 /* bytes of a command */
#define SS_DEVICE_SIZE 64    /* with the terminating NUL, as SS_TIME_SIZE */
#define SS_TIME_SIZE 25      /* 2026-09-01T08:15:03.120Z */

/* Bits of `has`: the optional numbers that are present. An optional text that is absent is empty. */
enum ss_press_field { SS_PRESS_AGE = 1, SS_PRESS_KEY = 2, SS_PRESS_BATT = 4 };

struct ss_press {
    char device[SS_DEVICE_SIZE];
    char inst[9];
    int64_t seq;       /* 1 .. 2^32-1 */
    int64_t boot;      /* 0 .. 2^32-1 */
    int64_t uptime_ms; /* at the press */
    int64_t age_ms;    /* at this transmission; without SS_PRESS_AGE null: unknown after a reboot */
    char pattern[25];  /* short, long, triple, or a word added later */
    int64_t key;       /* 1 .. 8 */
    char at[SS_TIME_SIZE];
    char clock[17]; /* present if and only if `at` is */
    int64_t batt_mv;
    uint32_t has;
};

enum ss_power { SS_POWER_MAINS, SS_POWER_BATTERY };
enum ss_health_field { SS_HEALTH_RSSI = 1, SS_HEALTH_BATT = 2, SS_HEALTH_POWER = 4 };

struct ss_health {
    char device[SS_DEVICE_SIZE];
    int64_t boot;
    int64_t uptime_ms;
    int64_t free_heap; /* bytes */
    int64_t presses;
    char fw[33];
    int64_t rssi; /* dBm, -127 .. 0 */
    int64_t batt_mv;
    int power; /* enum ss_power */
    char at[SS_TIME_SIZE];
    char clock[17];
    uint32_t has;
};

enum ss_ack_state { SS_ACK_STORED, SS_ACK_SEEN };

struct ss_ack {
    char device[SS_DEVICE_SIZE];
    char inst[9];
    int64_t seq;
    int state; /* enum ss_ack_state */
};

enum ss_cmd_name { SS_CMD_IDENTIFY, SS_CMD_CONFIGURE, SS_CMD_OTA, SS_CMD_RESET, SS_CMD_RENEW };

struct ss_cmd {
    char id[37];
    char device[SS_DEVICE_SIZE];
    char cmd[51]; /* as received, for the result; also set for an unknown command */
    enum ss_cmd_name name;
    char expires_at[SS_TIME_SIZE];
    union {
        struct {
            int64_t seconds; /* 10 if the command does not have it */
        } identify;
        struct {
            int64_t version;
            int64_t health_s;
        } configure;
        struct {
            char version[33];
            char url[513];
            int64_t size; /* bytes */
            char sha256[65];
            char signature[97];
        } ota;
    } args;
};

enum ss_outcome { SS_OUTCOME_DONE, SS_OUTCOME_REFUSED, SS_OUTCOME_FAILED, SS_OUTCOME_EXPIRED };
enum ss_cmd_result_field { SS_RESULT_BOOT = 1, SS_RESULT_UPTIME = 2 };

struct ss_cmd_result {
    char id[37];
    char device[SS_DEVICE_SIZE];
    char cmd[51];
    int result;      /* enum ss_outcome */
    char reason[51]; /* required when refused or failed */
    int64_t boot;
    int64_t uptime_ms;
    uint32_t has;
};

enum ss_state { SS_OFFLINE, SS_ONLINE };

/*
 * Encoders write a body of at most SS_BODY_MAX bytes to `out` and its length to `*length`, 0 on error. The body is not
 * terminated. Encode a press again for every transmission, because age_ms grows.
 */
enum ss_status ss_press_encode(const struct ss_press *press, char *out, size_t capacity, size_t *length);
enum ss_status ss_health_encode(const struct ss_health *health, char *out, size_t capacity, size_t *length);
enum ss_status ss_cmd_result_encode(const struct ss_cmd_result *result, char *out, size_t capacity, size_t *length);

/*
 * Writes only the frozen core of a press, which every gateway accepts. The alarm must go out even if ss_press_encode
 * returns an error. Refuses only a press without valid device, inst, seq and pattern.
 */
enum ss_status ss_press_encode_core(const struct ss_press *press, char *out, size_t capacity, size_t *length);

/* The payload of the state topic: a terminated word, not JSON. */
const char *ss_state_word(enum ss_state state);

/*
 * Decoders read `length` arbitrary bytes. The caller compares `device` (and inst, seq) with its own.
 * With SS_UNKNOWN_COMMAND, id, device and cmd are valid, so that the command can be answered with `refused`.
 */
enum ss_status ss_ack_decode(struct ss_ack *ack, const void *body, size_t length);
enum ss_status ss_cmd_decode(struct ss_cmd *cmd, const void *body, size_t length);

/* Decoders of the button's own messages, for tests, simulators and gateways in C. */
enum ss_status ss_press_decode(struct ss_press *press, const void *body, size_t length);
enum ss_status ss_health_decode(struct ss_health *health, const void *body, size_t length);
enum ss_status ss_cmd_result_decode(struct ss_cmd_result *result, const void *body, size_t length);
enum ss_status ss_state_decode(enum ss_state *state, const void *body, size_t length);

#endif
