/*
 * One record a packet: the kernel keeps the borders, so neither side can be made to wait for the rest of a
 * record.
 */
#include "n1/control.h"

#include "n1/sanitise.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

int n1_control_send(int socket, const struct n1_control *record, int fd)
{
    struct n1_control copy = *record;
    copy.magic = N1_CONTROL_MAGIC;
    struct iovec part = {.iov_base = &copy, .iov_len = sizeof copy};
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control = {0};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

    if (fd >= 0) {
        message.msg_control = control.bytes;
        message.msg_controllen = sizeof control.bytes;
        struct cmsghdr *head = CMSG_FIRSTHDR(&message);
        head->cmsg_level = SOL_SOCKET;
        head->cmsg_type = SCM_RIGHTS;
        head->cmsg_len = CMSG_LEN(sizeof fd);
        memcpy(CMSG_DATA(head), &fd, sizeof fd);
    }
    ssize_t sent;
    do
        sent = sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return sent < 0 ? -errno : 0;
}

/* A peer may send what we never asked for; whatever descriptors came are taken so that none leaks. */
static int take_fd(struct msghdr *message)
{
    int first = -1;
    for (struct cmsghdr *head = CMSG_FIRSTHDR(message); head; head = CMSG_NXTHDR(message, head)) {
        if (head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS)
            continue;
        size_t count = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(head) + i * sizeof fd, sizeof fd);
            if (first < 0)
                first = fd;
            else
                close(fd);
        }
    }
    return first;
}

static void clean(char *text, size_t bytes)
{
    char copy[256];
    text[bytes - 1] = '\0';
    n1_sanitise(copy, sizeof copy, text, strlen(text));
    memcpy(text, copy, sizeof copy <= bytes ? sizeof copy : bytes);
}

int n1_control_receive(int socket, struct n1_control *ret, int *ret_fd)
{
    struct n1_control record = {0};
    struct iovec part = {.iov_base = &record, .iov_len = sizeof record};
    union {
        char bytes[CMSG_SPACE(4 * sizeof(int))];
        struct cmsghdr align;
    } control;
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof control.bytes};

    ssize_t got;
    int resets = 0;
    do /* a peer that closed with something unread is told first, once, and what it had sent comes after it */
        got = recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    while (got < 0 && (errno == EINTR || (errno == ECONNRESET && resets++ == 0)));
    if (ret_fd)
        *ret_fd = -1;
    if (got < 0)
        return errno == ECONNRESET ? 0 : -errno;
    if (got == 0)
        return 0;
    int fd = take_fd(&message);
    if (got != (ssize_t)sizeof record || record.magic != N1_CONTROL_MAGIC || message.msg_flags & MSG_TRUNC) {
        if (fd >= 0)
            close(fd);
        return -EBADMSG;
    }
    clean(record.text, sizeof record.text);
    clean(record.hint, sizeof record.hint);
    *ret = record;
    if (ret_fd)
        *ret_fd = fd;
    else if (fd >= 0)
        close(fd);
    return 1;
}
