/* Records between the client and the symbol helper; see wire.h. */
#include "sampler/symbols/wire.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void put(struct n1_wire *wire, const void *bytes, size_t len)
{
    if (wire->bad || len > N1_WIRE_MAX - wire->len) {
        wire->bad = true;
        return;
    }
    memcpy(wire->data + wire->len, bytes, len);
    wire->len += len;
}

static void get(struct n1_wire *wire, void *bytes, size_t len)
{
    if (wire->bad || len > wire->len - wire->at) {
        wire->bad = true;
        memset(bytes, 0, len);
        return;
    }
    memcpy(bytes, wire->data + wire->at, len);
    wire->at += len;
}

void n1_wire_begin(struct n1_wire *wire, uint8_t *data, enum n1_wire_type type, uint32_t module)
{
    *wire = (struct n1_wire){.data = data};
    n1_wire_put_u32(wire, type);
    n1_wire_put_u32(wire, module);
}

void n1_wire_put_u32(struct n1_wire *wire, uint32_t value)
{
    put(wire, &value, sizeof(value));
}

void n1_wire_put_u64(struct n1_wire *wire, uint64_t value)
{
    put(wire, &value, sizeof(value));
}

void n1_wire_put_text(struct n1_wire *wire, const char *text, size_t len)
{
    uint16_t short_len = (uint16_t)len;
    if (len > UINT16_MAX)
        wire->bad = true;
    put(wire, &short_len, sizeof(short_len));
    put(wire, text, len);
}

bool n1_wire_open(struct n1_wire *wire, uint8_t *data, size_t len, uint32_t *ret_type, uint32_t *ret_module)
{
    *wire = (struct n1_wire){.data = data, .len = len};
    *ret_type = n1_wire_get_u32(wire);
    *ret_module = n1_wire_get_u32(wire);
    return !wire->bad;
}

uint32_t n1_wire_get_u32(struct n1_wire *wire)
{
    uint32_t value;
    get(wire, &value, sizeof(value));
    return value;
}

uint64_t n1_wire_get_u64(struct n1_wire *wire)
{
    uint64_t value;
    get(wire, &value, sizeof(value));
    return value;
}

const char *n1_wire_get_text(struct n1_wire *wire, size_t *ret_len)
{
    uint16_t len;
    get(wire, &len, sizeof(len));
    if (wire->bad || len > wire->len - wire->at) {
        wire->bad = true;
        *ret_len = 0;
        return "";
    }
    const char *text = (const char *)wire->data + wire->at;
    wire->at += len;
    *ret_len = len;
    return text;
}

union control {
    char bytes[CMSG_SPACE(sizeof(int))];
    struct cmsghdr align;
};

int n1_wire_send(int socket, const struct n1_wire *wire, int fd, int flags)
{
    union control control = {0};
    struct iovec part = {wire->data, wire->len};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    if (wire->bad)
        return -EMSGSIZE;
    if (fd >= 0) {
        message.msg_control = control.bytes;
        message.msg_controllen = sizeof(control.bytes);
        struct cmsghdr *rights = CMSG_FIRSTHDR(&message);
        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(rights), &fd, sizeof(fd));
    }
    ssize_t n;
    do
        n = sendmsg(socket, &message, flags | MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : 0;
}

ssize_t n1_wire_receive(int socket, uint8_t *data, int *ret_fd, int flags)
{
    union control control = {0};
    struct iovec part = {data, N1_WIRE_MAX};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    ssize_t n;
    if (ret_fd) {
        *ret_fd = -1;
        message.msg_control = control.bytes;
        message.msg_controllen = sizeof(control.bytes);
    }
    do
        n = recvmsg(socket, &message, flags | MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return -errno;
    struct cmsghdr *rights = ret_fd ? CMSG_FIRSTHDR(&message) : NULL;
    if (rights && rights->cmsg_level == SOL_SOCKET && rights->cmsg_type == SCM_RIGHTS &&
        rights->cmsg_len == CMSG_LEN(sizeof(int)))
        memcpy(ret_fd, CMSG_DATA(rights), sizeof(*ret_fd));
    if (message.msg_flags & MSG_TRUNC) {
        if (ret_fd && *ret_fd >= 0) {
            close(*ret_fd);
            *ret_fd = -1;
        }
        return -EMSGSIZE;
    }
    return n;
}
