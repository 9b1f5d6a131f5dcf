#include "ss_status.h"

const char *ss_status_text(enum ss_status status)
{
    switch (status) {
#define SS_STATUS_CASE(name, text) \
    case name:                     \
        return text;
        SS_STATUS_LIST(SS_STATUS_CASE)
#undef SS_STATUS_CASE
    }
    return "unknown status";
}
