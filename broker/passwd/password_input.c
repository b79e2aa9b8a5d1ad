/* The terminal's modes, and signals as something that can be waited for. */
#include "broker/passwd/password_input.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

struct terminal {
    int fd;
    int signals;
    bool silent; /* modes and mask are to be put back */
    sigset_t mask;
    struct termios modes;
    int caught; /* 0: none */
};

static bool fail(const char *cause, char *err, size_t errlen)
{
    (void)snprintf(err, errlen, "%s", cause);
    return false;
}

/* One line from where it can be read; false at an end without one, or when it is too long. */
static bool take_line(int fd, char *out, bool (*ready)(void *arg), void *arg)
{
    size_t len = 0;
    for (;;) {
        char c;
        if (ready != NULL && !ready(arg))
            return false;
        ssize_t n = read(fd, &c, 1);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 || (n == 0 && len == 0))
            return false;
        if (n == 0 || c == '\n')
            break;
        if (len == PASSWORD_SIZE - 1)
            return false;
        out[len++] = c;
    }
    if (len > 0 && out[len - 1] == '\r')
        len--;
    out[len] = '\0';
    return memchr(out, 0, len) == NULL;
}

bool password_input_stdin(char out[PASSWORD_SIZE], char *err, size_t errlen)
{
    if (!take_line(STDIN_FILENO, out, NULL, NULL))
        return fail("expected a line with the password on stdin, of at most 65535 bytes", err,
                    errlen);
    return out[0] != '\0' || fail("the password is empty", err, errlen);
}

/* ---- the terminal ---------------------------------------------------------------------------- */

static bool wait_for_input(void *arg)
{
    struct terminal *t = arg;
    struct pollfd fds[] = {{.fd = t->fd, .events = POLLIN}, {.fd = t->signals, .events = POLLIN}};
    struct signalfd_siginfo info;
    while (poll(fds, 2, -1) < 0)
        if (errno != EINTR)
            return false;
    if ((fds[1].revents & POLLIN) != 0 &&
        read(t->signals, &info, sizeof(info)) == (ssize_t)sizeof(info))
        t->caught = (int)info.ssi_signo;
    return t->caught == 0;
}

static bool terminal_open(struct terminal *t)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGQUIT, SIGHUP, SIGTSTP};
    sigset_t set;
    *t = (struct terminal){.fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY), .signals = -1};
    if (t->fd < 0 || tcgetattr(t->fd, &t->modes) != 0)
        return false;
    sigemptyset(&set);
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
        sigaddset(&set, signals[i]);
    t->signals = signalfd(-1, &set, SFD_CLOEXEC);
    if (t->signals < 0 || sigprocmask(SIG_BLOCK, &set, &t->mask) != 0)
        return false;
    t->silent = true;
    struct termios silent = t->modes;
    silent.c_lflag &= ~(tcflag_t)ECHO;
    silent.c_lflag |= ECHONL;
    return tcsetattr(t->fd, TCSAFLUSH, &silent) == 0;
}

static void terminal_close(struct terminal *t)
{
    if (t->silent) {
        (void)tcsetattr(t->fd, TCSAFLUSH, &t->modes);
        sigprocmask(SIG_SETMASK, &t->mask, NULL);
    }
    if (t->signals >= 0)
        close(t->signals);
    if (t->fd >= 0)
        close(t->fd);
    if (t->caught != 0)
        raise(t->caught); /* usually the end */
}

static bool prompt(struct terminal *t, const char *text, char out[PASSWORD_SIZE])
{
    return write(t->fd, text, strlen(text)) == (ssize_t)strlen(text) &&
           take_line(t->fd, out, wait_for_input, t);
}

bool password_input_ask(bool twice, char out[PASSWORD_SIZE], char *err, size_t errlen)
{
    struct terminal t;
    char *again = calloc(1, PASSWORD_SIZE);
    if (again == NULL)
        return fail("out of memory", err, errlen);
    bool got = terminal_open(&t) && prompt(&t, "Password: ", out) &&
               (!twice || prompt(&t, "Reenter password: ", again));
    terminal_close(&t);
    bool same = got && (!twice || strcmp(out, again) == 0);
    explicit_bzero(again, PASSWORD_SIZE);
    free(again);
    if (t.caught != 0)
        return fail("interrupted", err, errlen);
    if (!got)
        return fail("there is no terminal to ask for the password; --stdin reads it from stdin",
                    err, errlen);
    if (!same)
        return fail("the passwords do not match", err, errlen);
    return out[0] != '\0' || fail("the password is empty", err, errlen);
}
