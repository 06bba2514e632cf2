/* Truth: counts.zombie is the PID of a child that has ended and that the parent, which sleeps, never reaps.
 */
#include "target.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    target_begin(&argc, argv);
    pid_t pid = fork();
    siginfo_t info;
    if (pid < 0)
        target_die("fork");
    if (pid == 0)
        _exit(0);
    if (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT) < 0)
        target_die("waitid");
    truth_add(truth_count("zombie"), (uint64_t)pid);
    truth_write();
    target_ready();
    target_wait();
    target_end(0);
}
