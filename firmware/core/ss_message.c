#include "ss_message.h"

#include <string.h>

#include "ss_shape.h"

/* `at` and `clock` are both present or both absent. */
static enum ss_status check_clock(const char *at, const char *clock)
{
    return (at[0] == '\0') == (clock[0] == '\0') ? SS_OK : SS_MISSING;
}

/* --- press -------------------------------------------------------------------------------------------------------- */

static const struct ss_field press_fields[] = {
    SS_VERSION_1,
    SS_REQUIRED_TEXT("device", struct ss_press, device, ss_is_device_id),
    SS_REQUIRED_TEXT("inst", struct ss_press, inst, ss_is_inst),
    SS_REQUIRED_NUMBER("seq", struct ss_press, seq, 1, UINT32_MAX),
    SS_REQUIRED_NUMBER("boot", struct ss_press, boot, 0, UINT32_MAX),
    SS_REQUIRED_NUMBER("uptime_ms", struct ss_press, uptime_ms, 0, SS_MS_MAX),
    {.name = "age_ms", .kind = SS_NUMBER, .required = true, .nullable = true, .bit = SS_PRESS_AGE,
     SS_AT(struct ss_press, age_ms), .min = 0, .max = SS_MS_MAX},
    SS_REQUIRED_TEXT("pattern", struct ss_press, pattern, ss_is_word),
    SS_OPTIONAL_NUMBER("key", struct ss_press, key, SS_PRESS_KEY, 1, 8),
    SS_OPTIONAL_TEXT("at", struct ss_press, at, ss_is_time),
    SS_OPTIONAL_TEXT("clock", struct ss_press, clock, ss_is_word),
    SS_OPTIONAL_NUMBER("batt_mv", struct ss_press, batt_mv, SS_PRESS_BATT, 0, 20000),
};

static const struct ss_shape press_shape = {
    .fields = press_fields,
    .count = SS_COUNT(press_fields),
    .size = sizeof(struct ss_press),
    .has_offset = offsetof(struct ss_press, has),
    .max_bytes = SS_BODY_MAX,
};

enum ss_status ss_press_encode(const struct ss_press *press, char *out, size_t capacity, size_t *length)
{
    *length = 0;
    const enum ss_status status = check_clock(press->at, press->clock);
    return status == SS_OK ? ss_shape_write(&press_shape, press, out, capacity, length) : status;
}

static const struct ss_field press_core_fields[] = {
    SS_VERSION_1,
    SS_REQUIRED_TEXT("device", struct ss_press, device, ss_is_device_id),
    SS_REQUIRED_TEXT("inst", struct ss_press, inst, ss_is_inst),
    SS_REQUIRED_NUMBER("seq", struct ss_press, seq, 1, UINT32_MAX),
    SS_REQUIRED_TEXT("pattern", struct ss_press, pattern, ss_is_word),
};

static const struct ss_shape press_core_shape = {
    .fields = press_core_fields,
    .count = SS_COUNT(press_core_fields),
    .size = sizeof(struct ss_press),
    .has_offset = SS_NO_HAS,
    .max_bytes = SS_BODY_MAX,
};

enum ss_status ss_press_encode_core(const struct ss_press *press, char *out, size_t capacity, size_t *length)
{
    return ss_shape_write(&press_core_shape, press, out, capacity, length);
}

enum ss_status ss_press_decode(struct ss_press *press, const void *body, size_t length)
{
    const enum ss_status status = ss_shape_read(&press_shape, press, body, length);
    return status == SS_OK ? check_clock(press->at, press->clock) : status;
}

/* --- health ------------------------------------------------------------------------------------------------------- */

static const char *const power_words[] = {"mains", "battery", NULL};

static const struct ss_field health_fields[] = {
    SS_VERSION_1,
    SS_REQUIRED_TEXT("device", struct ss_health, device, ss_is_device_id),
    SS_REQUIRED_NUMBER("boot", struct ss_health, boot, 0, UINT32_MAX),
    SS_REQUIRED_NUMBER("uptime_ms", struct ss_health, uptime_ms, 0, SS_MS_MAX),
    SS_REQUIRED_NUMBER("free_heap", struct ss_health, free_heap, 0, UINT32_MAX),
    SS_REQUIRED_NUMBER("presses", struct ss_health, presses, 0, UINT32_MAX),
    SS_REQUIRED_TEXT("fw", struct ss_health, fw, ss_is_firmware_version),
    SS_OPTIONAL_NUMBER("rssi", struct ss_health, rssi, SS_HEALTH_RSSI, -127, 0),
    SS_OPTIONAL_NUMBER("batt_mv", struct ss_health, batt_mv, SS_HEALTH_BATT, 0, 20000),
    {.name = "power", .kind = SS_CHOICE, .bit = SS_HEALTH_POWER, SS_AT(struct ss_health, power), .words = power_words},
    SS_OPTIONAL_TEXT("at", struct ss_health, at, ss_is_time),
    SS_OPTIONAL_TEXT("clock", struct ss_health, clock, ss_is_word),
};

static const struct ss_shape health_shape = {
    .fields = health_fields,
    .count = SS_COUNT(health_fields),
    .size = sizeof(struct ss_health),
    .has_offset = offsetof(struct ss_health, has),
    .max_bytes = SS_BODY_MAX,
};

enum ss_status ss_health_encode(const struct ss_health *health, char *out, size_t capacity, size_t *length)
{
    *length = 0;
    const enum ss_status status = check_clock(health->at, health->clock);
    return status == SS_OK ? ss_shape_write(&health_shape, health, out, capacity, length) : status;
}

enum ss_status ss_health_decode(struct ss_health *health, const void *body, size_t length)
{
    const enum ss_status status = ss_shape_read(&health_shape, health, body, length);
    return status == SS_OK ? check_clock(health->at, health->clock) : status;
}

/* --- state -------------------------------------------------------------------------------------------------------- */

const char *ss_state_word(enum ss_state state)
{
    return state == SS_ONLINE ? "online" : "offline";
}

enum ss_status ss_state_decode(enum ss_state *state, const void *body, size_t length)
{
    for (int i = SS_OFFLINE; i <= SS_ONLINE; i++) {
        const char *word = ss_state_word((enum ss_state)i);
        if (strlen(word) == length && memcmp(word, body, length) == 0) {
            *state = (enum ss_state)i;
            return SS_OK;
        }
    }
    return SS_BAD_TEXT;
}

/* --- acknowledgement ---------------------------------------------------------------------------------------------- */

static const char *const ack_words[] = {"stored", "seen", NULL};

static const struct ss_field ack_fields[] = {
    SS_VERSION_1,
    SS_REQUIRED_TEXT("device", struct ss_ack, device, ss_is_device_id),
    SS_REQUIRED_TEXT("inst", struct ss_ack, inst, ss_is_inst),
    SS_REQUIRED_NUMBER("seq", struct ss_ack, seq, 1, UINT32_MAX),
    {.name = "state", .kind = SS_CHOICE, .required = true, SS_AT(struct ss_ack, state), .words = ack_words},
};

static const struct ss_shape ack_shape = {
    .fields = ack_fields,
    .count = SS_COUNT(ack_fields),
    .size = sizeof(struct ss_ack),
    .has_offset = SS_NO_HAS,
    .max_bytes = SS_BODY_MAX,
};

enum ss_status ss_ack_decode(struct ss_ack *ack, const void *body, size_t length)
{
    return ss_shape_read(&ack_shape, ack, body, length);
}
