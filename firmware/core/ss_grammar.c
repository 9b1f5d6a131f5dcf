#include "ss_grammar.h"

#include <string.h>

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_lower(char c)
{
    return c >= 'a' && c <= 'z';
}

static bool is_letter(char c)
{
    return is_lower(c) || (c >= 'A' && c <= 'Z');
}

static bool is_hex(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f');
}

static bool all_hex(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (!is_hex(text[i])) {
            return false;
        }
    }
    return true;
}

bool ss_is_device_id(const char *text, size_t length)
{
    if (length < 7 || length > 63 || memcmp(text, "ss-", 3) != 0) {
        return false;
    }
    for (size_t i = 3; i < length; i++) {
        if (!is_digit(text[i]) && !is_lower(text[i])) {
            return false;
        }
    }
    return true;
}

bool ss_is_inst(const char *text, size_t length)
{
    return length == 8 && all_hex(text, length);
}

bool ss_is_word(const char *text, size_t length)
{
    if (length == 0 || !is_lower(text[0])) {
        return false;
    }
    for (size_t i = 1; i < length; i++) {
        if (!is_lower(text[i]) && !is_digit(text[i]) && text[i] != '_') {
            return false;
        }
    }
    return true;
}

bool ss_is_firmware_version(const char *text, size_t length)
{
    if (length == 0 || length > 32 || (!is_digit(text[0]) && !is_letter(text[0]))) {
        return false;
    }
    for (size_t i = 1; i < length; i++) {
        const char c = text[i];
        if (!is_digit(c) && !is_letter(c) && c != '.' && c != '+' && c != '-') {
            return false;
        }
    }
    return true;
}

bool ss_is_uuid(const char *text, size_t length)
{
    if (length != 36) {
        return false;
    }
    for (size_t i = 0; i < length; i++) {
        const bool hyphen = i == 8 || i == 13 || i == 18 || i == 23;
        if (hyphen ? text[i] != '-' : !is_hex(text[i])) {
            return false;
        }
    }
    return true;
}

bool ss_is_sha256(const char *text, size_t length)
{
    return length == 64 && all_hex(text, length);
}

bool ss_is_signature(const char *text, size_t length)
{
    if (length < 88 || length > 96) {
        return false;
    }
    size_t padding = 0;
    while (padding < 2 && text[length - 1 - padding] == '=') {
        padding++;
    }
    for (size_t i = 0; i < length - padding; i++) {
        if (!is_digit(text[i]) && !is_letter(text[i]) && text[i] != '+' && text[i] != '/') {
            return false;
        }
    }
    return true;
}

bool ss_is_https_url(const char *text, size_t length)
{
    if (length < 12 || memcmp(text, "https://", 8) != 0) {
        return false;
    }
    for (size_t i = 8; i < length; i++) {
        if (text[i] < '!' || text[i] > '~') {
            return false;
        }
    }
    return true;
}

static int number_at(const char *text, size_t from, size_t digits)
{
    int value = 0;
    for (size_t i = from; i < from + digits; i++) {
        value = value * 10 + (text[i] - '0');
    }
    return value;
}

static int days_of_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && leap ? 1 : 0);
}

bool ss_is_time(const char *text, size_t length)
{
    static const char form[] = "dddd-dd-ddTdd:dd:dd.dddZ";
    if (length != sizeof form - 1) {
        return false;
    }
    for (size_t i = 0; i < length; i++) {
        if (form[i] == 'd' ? !is_digit(text[i]) : text[i] != form[i]) {
            return false;
        }
    }
    const int year = number_at(text, 0, 4);
    const int month = number_at(text, 5, 2);
    const int day = number_at(text, 8, 2);
    if (year < 1970 || year > 2999 || month < 1 || month > 12 || day < 1 || day > days_of_month(year, month)) {
        return false;
    }
    return number_at(text, 11, 2) < 24 && number_at(text, 14, 2) < 60 && number_at(text, 17, 2) < 60;
}
