/* Encodes and decodes commands and their results. */
#include <string.h>

#include "ss_message.h"
#include "ss_shape.h"

#define IDENTIFY_SECONDS 10

/* A command whose arguments are read later, because they may come before its name. */
struct envelope {
    struct ss_cmd cmd;
    struct ss_json args;
    uint32_t has;
};

enum { HAS_ARGS = 1 };

static const struct ss_field envelope_fields[] = {
    SS_VERSION_1,
    SS_REQUIRED_TEXT("id", struct envelope, cmd.id, ss_is_uuid),
    SS_REQUIRED_TEXT("device", struct envelope, cmd.device, ss_is_device_id),
    SS_REQUIRED_TEXT("cmd", struct envelope, cmd.cmd, ss_is_word),
    SS_REQUIRED_TEXT("expires_at", struct envelope, cmd.expires_at, ss_is_time),
    {.name = "args", .kind = SS_OBJECT, .bit = HAS_ARGS, SS_AT(struct envelope, args)},
};

static const struct ss_shape envelope_shape = {
    .fields = envelope_fields,
    .count = SS_COUNT(envelope_fields),
    .size = sizeof(struct envelope),
    .has_offset = offsetof(struct envelope, has),
    .max_bytes = SS_CMD_BODY_MAX,
};

static const struct ss_field identify_fields[] = {
    SS_OPTIONAL_NUMBER("seconds", struct ss_cmd, args.identify.seconds, 0, 1, 60),
};

static const struct ss_field configure_fields[] = {
    SS_REQUIRED_NUMBER("version", struct ss_cmd, args.configure.version, 1, UINT32_MAX),
    SS_REQUIRED_NUMBER("health_s", struct ss_cmd, args.configure.health_s, 30, 3600),
};

static const struct ss_field ota_fields[] = {
    SS_REQUIRED_TEXT("version", struct ss_cmd, args.ota.version, ss_is_firmware_version),
    SS_REQUIRED_TEXT("url", struct ss_cmd, args.ota.url, ss_is_https_url),
    SS_REQUIRED_NUMBER("size", struct ss_cmd, args.ota.size, 1, 16777216),
    SS_REQUIRED_TEXT("sha256", struct ss_cmd, args.ota.sha256, ss_is_sha256),
    SS_REQUIRED_TEXT("signature", struct ss_cmd, args.ota.signature, ss_is_signature),
};

#define ARGS_SHAPE(table) {.fields = (table), .count = SS_COUNT(table), .has_offset = SS_NO_HAS}

static const struct {
    const char *word;
    bool needs_args;
    struct ss_shape args;
} commands[] = {
    [SS_CMD_IDENTIFY] = {"identify", false, ARGS_SHAPE(identify_fields)},
    [SS_CMD_CONFIGURE] = {"configure", true, ARGS_SHAPE(configure_fields)},
    [SS_CMD_OTA] = {"ota", true, ARGS_SHAPE(ota_fields)},
    [SS_CMD_RESET] = {"reset", false, {.has_offset = SS_NO_HAS}},
    [SS_CMD_RENEW] = {"renew", false, {.has_offset = SS_NO_HAS}},
};

static enum ss_status read_args(struct envelope *envelope)
{
    for (size_t i = 0; i < SS_COUNT(commands); i++) {
        if (strcmp(commands[i].word, envelope->cmd.cmd) != 0) {
            continue;
        }
        envelope->cmd.name = (enum ss_cmd_name)i;
        if (i == SS_CMD_IDENTIFY) {
            envelope->cmd.args.identify.seconds = IDENTIFY_SECONDS;
        }
        if ((envelope->has & HAS_ARGS) == 0) {
            return commands[i].needs_args ? SS_MISSING : SS_OK;
        }
        return ss_shape_read_object(&commands[i].args, &envelope->cmd, &envelope->args);
    }
    return SS_UNKNOWN_COMMAND;
}

enum ss_status ss_cmd_decode(struct ss_cmd *cmd, const void *body, size_t length)
{
    struct envelope envelope;
    enum ss_status status = ss_shape_read(&envelope_shape, &envelope, body, length);

    if (status == SS_OK) {
        status = read_args(&envelope);
    }
    *cmd = envelope.cmd;
    return status;
}

/* --- result ------------------------------------------------------------------------------------------------------- */

static const char *const outcome_words[] = {"done", "refused", "failed", "expired", NULL};

static const struct ss_field result_fields[] = {
    SS_VERSION_1,
    SS_REQUIRED_TEXT("id", struct ss_cmd_result, id, ss_is_uuid),
    SS_REQUIRED_TEXT("device", struct ss_cmd_result, device, ss_is_device_id),
    SS_REQUIRED_TEXT("cmd", struct ss_cmd_result, cmd, ss_is_word),
    {.name = "result", .kind = SS_CHOICE, .required = true, SS_AT(struct ss_cmd_result, result), .words = outcome_words},
    SS_OPTIONAL_TEXT("reason", struct ss_cmd_result, reason, ss_is_word),
    SS_OPTIONAL_NUMBER("boot", struct ss_cmd_result, boot, SS_RESULT_BOOT, 0, UINT32_MAX),
    SS_OPTIONAL_NUMBER("uptime_ms", struct ss_cmd_result, uptime_ms, SS_RESULT_UPTIME, 0, SS_MS_MAX),
};

static const struct ss_shape result_shape = {
    .fields = result_fields,
    .count = SS_COUNT(result_fields),
    .size = sizeof(struct ss_cmd_result),
    .has_offset = offsetof(struct ss_cmd_result, has),
    .max_bytes = SS_BODY_MAX,
};

static enum ss_status check_reason(const struct ss_cmd_result *result)
{
    const bool needed = result->result == SS_OUTCOME_REFUSED || result->result == SS_OUTCOME_FAILED;
    return needed && result->reason[0] == '\0' ? SS_MISSING : SS_OK;
}

enum ss_status ss_cmd_result_encode(const struct ss_cmd_result *result, char *out, size_t capacity, size_t *length)
{
    *length = 0;
    const enum ss_status status = check_reason(result);
    return status == SS_OK ? ss_shape_write(&result_shape, result, out, capacity, length) : status;
}

enum ss_status ss_cmd_result_decode(struct ss_cmd_result *result, const void *body, size_t length)
{
    const enum ss_status status = ss_shape_read(&result_shape, result, body, length);
    return status == SS_OK ? check_reason(result) : status;
}
