/* Commands and their results. */
#include <string.h>

#include "ss_message.h"
#include "ss_shape.h"

#define IDENTIFY_SECONDS 10

#define VERSION_1 {.name = "v", .kind = SS_VERSION, .required = true, .min = 1, .max = 1}
#define REQUIRED_TEXT(type, member, key, rule) \
    {.name = (key), .kind = SS_TEXT, .required = true, SS_AT(type, member), .grammar = (rule)}
#define NUMBER(type, member, key, must, flag, least, most)                                                       \
    {.name = (key), .kind = SS_NUMBER, .required = (must), .bit = (flag), SS_AT(type, member), .min = (least), \
     .max = (most)}

/* A command with its arguments not read yet, since they may stand before the command's name. */
struct envelope {
    struct ss_cmd cmd;
    struct ss_json args;
    uint32_t has;
};

enum { HAS_ARGS = 1 };

static const struct ss_field envelope_fields[] = {
    VERSION_1,
    REQUIRED_TEXT(struct envelope, cmd.id, "id", ss_is_uuid),
    REQUIRED_TEXT(struct envelope, cmd.device, "device", ss_is_device_id),
    REQUIRED_TEXT(struct envelope, cmd.cmd, "cmd", ss_is_word),
    REQUIRED_TEXT(struct envelope, cmd.expires_at, "expires_at", ss_is_time),
    {.name = "args", .kind = SS_OBJECT, .bit = HAS_ARGS, SS_AT(struct envelope, args)},
};

static const struct ss_shape envelope_shape = {
    .fields = envelope_fields,
    .count = SS_COUNT(envelope_fields),
    .size = sizeof(struct envelope),
    .has_offset = offsetof(struct envelope, has),
    .max_bytes = SS_CMD_MAX,
};

static const struct ss_field identify_fields[] = {
    NUMBER(struct ss_cmd, args.identify.seconds, "seconds", false, 0, 1, 60),
};

static const struct ss_field configure_fields[] = {
    NUMBER(struct ss_cmd, args.configure.version, "version", true, 0, 1, SS_U32),
    NUMBER(struct ss_cmd, args.configure.health_s, "health_s", true, 0, 30, 3600),
};

static const struct ss_field ota_fields[] = {
    REQUIRED_TEXT(struct ss_cmd, args.ota.version, "version", ss_is_version),
    REQUIRED_TEXT(struct ss_cmd, args.ota.url, "url", ss_is_https_url),
    NUMBER(struct ss_cmd, args.ota.size, "size", true, 0, 1, 16777216),
    REQUIRED_TEXT(struct ss_cmd, args.ota.sha256, "sha256", ss_is_sha256),
    REQUIRED_TEXT(struct ss_cmd, args.ota.signature, "signature", ss_is_signature),
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
    VERSION_1,
    REQUIRED_TEXT(struct ss_cmd_result, id, "id", ss_is_uuid),
    REQUIRED_TEXT(struct ss_cmd_result, device, "device", ss_is_device_id),
    REQUIRED_TEXT(struct ss_cmd_result, cmd, "cmd", ss_is_word),
    {.name = "result", .kind = SS_CHOICE, .required = true, SS_AT(struct ss_cmd_result, result), .words = outcome_words},
    {.name = "reason", .kind = SS_TEXT, SS_AT(struct ss_cmd_result, reason), .grammar = ss_is_word},
    NUMBER(struct ss_cmd_result, boot, "boot", false, SS_RESULT_BOOT, 0, SS_U32),
    NUMBER(struct ss_cmd_result, uptime_ms, "uptime_ms", false, SS_RESULT_UPTIME, 0, SS_MS),
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
    const bool needed = result->result == SS_REFUSED || result->result == SS_FAILED;
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
