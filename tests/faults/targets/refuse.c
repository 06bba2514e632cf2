/* refuse CALL[=EACCES][,CALL...] COMMAND ARG...: runs a command under a seccomp filter that answers those
 * calls with EPERM, as the profile of a container does, or with EACCES, as a kernel's own setting does. */
#include <errno.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    if (argc < 3)
        return 2;
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    for (char *name = strtok(argv[1], ","); filter && name; name = strtok(NULL, ",")) {
        char *answer = strchr(name, '=');
        if (answer)
            *answer++ = '\0';
        uint32_t number = answer && !strcmp(answer, "EACCES") ? EACCES : EPERM;
        int call = seccomp_syscall_resolve_name(name);
        if (call == __NR_SCMP_ERROR || seccomp_rule_add(filter, SCMP_ACT_ERRNO(number), call, 0) < 0) {
            fprintf(stderr, "refuse: no system call %s\n", name);
            return 2;
        }
    }
    if (!filter || seccomp_load(filter) < 0) {
        fprintf(stderr, "refuse: the filter is refused\n");
        return 2;
    }
    seccomp_release(filter);
    execvp(argv[2], argv + 2);
    fprintf(stderr, "refuse: %s: %s\n", argv[2], strerror(errno));
    return 127;
}
