/*
 * The button's messages, as ../../contracts has them: structs to JSON, JSON to structs.
 *
 * No heap, no globals that change, no dependency but the C library's string.h: every buffer is the caller's, every
 * function may be called from any task. All texts are ASCII and end with NUL. All numbers are int64_t, so that a value
 * out of the contract's limits is refused, not wrapped. A function that returns anything but SS_OK gave nothing to use.
 */
#ifndef SS_MESSAGE_H
#define SS_MESSAGE_H

#include <stddef.h>
#include <stdint.h>

#include "ss_status.h"

#define SS_BODY_MAX 512  /* of what a button sends, and of an acknowledgement */
#define SS_CMD_MAX 2048  /* of a command */
#define SS_DEVICE_SIZE 64
#define SS_TIME_SIZE 25 /* 2026-09-01T08:15:03.120Z */

/* What stands in `has`: the optional numbers that are there. Texts that may be absent are empty instead. */
enum ss_press_field { SS_PRESS_AGE = 1, SS_PRESS_KEY = 2, SS_PRESS_BATT = 4 };

struct ss_press {
    char device[SS_DEVICE_SIZE];
    char inst[9];
    int64_t seq;       /* 1 .. 2^32-1 */
    int64_t boot;      /* 0 .. 2^32-1 */
    int64_t uptime_ms; /* of the press */
    int64_t age_ms;    /* at this sending; without SS_PRESS_AGE: null, unknown after a reboot */
    char pattern[25];  /* short, long, triple, or a later word */
    int64_t key;       /* 1 .. 8 */
    char at[SS_TIME_SIZE];
    char clock[17]; /* with `at`, or neither */
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
    char cmd[51]; /* as received, for the result; also of an unknown command */
    enum ss_cmd_name name;
    char expires_at[SS_TIME_SIZE];
    union {
        struct {
            int64_t seconds; /* 10 when the command does not say */
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

enum ss_outcome { SS_DONE, SS_REFUSED, SS_FAILED, SS_EXPIRED };
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
 * Encoders write a body of at most SS_BODY_MAX bytes to `out` and its length to `*length`, 0 when refused. The body is
 * not terminated. A press is encoded anew for every sending, since age_ms grows.
 */
enum ss_status ss_press_encode(const struct ss_press *press, char *out, size_t capacity, size_t *length);
enum ss_status ss_health_encode(const struct ss_health *health, char *out, size_t capacity, size_t *length);
enum ss_status ss_cmd_result_encode(const struct ss_cmd_result *result, char *out, size_t capacity, size_t *length);

/*
 * When ss_press_encode refuses, the alarm still has to go out: this writes the frozen core alone, which every gateway
 * takes. Only a press without a good device, inst, seq and pattern is refused.
 */
enum ss_status ss_press_encode_core(const struct ss_press *press, char *out, size_t capacity, size_t *length);

/* The bare word of the state topic, terminated, no JSON. */
const char *ss_state_word(enum ss_state state);

/*
 * Decoders read `length` bytes that may hold anything. The caller compares `device` (and inst, seq) with its own.
 * SS_UNKNOWN_COMMAND gives id, device and cmd all the same when they were good, so that the refusal can be answered.
 */
enum ss_status ss_ack_decode(struct ss_ack *ack, const void *body, size_t length);
enum ss_status ss_cmd_decode(struct ss_cmd *cmd, const void *body, size_t length);

/* The button's own messages read back: for tests, simulators and gateways in C. */
enum ss_status ss_press_decode(struct ss_press *press, const void *body, size_t length);
enum ss_status ss_health_decode(struct ss_health *health, const void *body, size_t length);
enum ss_status ss_cmd_result_decode(struct ss_cmd_result *result, const void *body, size_t length);
enum ss_status ss_state_decode(enum ss_state *state, const void *body, size_t length);

#endif
