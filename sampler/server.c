/*
 * Records out; commands are taken by the loop in watch.c, which knows what they do.
 */
#include "sampler/server.h"

#include "n1/model.h"

#include <stdarg.h>
#include <stdio.h>

static void put_error(struct n1_control *record, const struct n1_error *err)
{
    if (!err)
        return;
    record->code = err->code;
    snprintf(record->text, sizeof record->text, "%s", err->what);
    snprintf(record->hint, sizeof record->hint, "%s", err->hint);
}

int n1_server_hello(int socket, int memfd)
{
    struct n1_control record = {.type = N1_CONTROL_HELLO, .value = N1_MODEL_VERSION};
    return n1_control_send(socket, &record, memfd);
}

int n1_server_ready(int socket)
{
    struct n1_control record = {.type = N1_CONTROL_READY};
    return n1_control_send(socket, &record, -1);
}

void n1_server_failed(int socket, const struct n1_error *err)
{
    struct n1_control record = {.type = N1_CONTROL_FAILED};
    put_error(&record, err);
    n1_control_send(socket, &record, -1);
}

void n1_server_done(int socket, uint32_t type, const struct n1_error *err)
{
    struct n1_control record = {.type = N1_CONTROL_DONE, .value = type};
    put_error(&record, err);
    n1_control_send(socket, &record, -1);
}

void n1_server_notice(int socket, const char *fmt, ...)
{
    struct n1_control record = {.type = N1_CONTROL_NOTICE};
    va_list args;
    va_start(args, fmt);
    vsnprintf(record.text, sizeof record.text, fmt, args);
    va_end(args);
    n1_control_send(socket, &record, -1);
}
