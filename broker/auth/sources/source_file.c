/* Between a chain and login.c. */
#include "broker/auth/sources/source_file.h"

#include "broker/auth/files/passwd.h"
#include "broker/auth/sources/source_login.h"

static enum source_answer ask(struct source *s, const struct source_request *r,
                              struct source_wait *wait)
{
    struct source_file *f = (struct source_file *)(void *)s;
    if (!r->has_username || passwd_stamp(f->passwd, r->username) == 0)
        return SOURCE_NOT_MINE;
    struct login_request login = source_login_request(r);
    source_login_expect(wait);
    return source_login_answer(wait, login_check(f->logins, &login, &wait->login));
}

static bool is_there(const struct source *s)
{
    return ((const struct source_file *)(const void *)s)->passwd != NULL;
}

static bool still_admits(const struct source *s, struct mqtt_slice username, uint64_t stamp)
{
    const struct source_file *f = (const struct source_file *)(const void *)s;
    return stamp != 0 && passwd_stamp(f->passwd, username) == stamp;
}

void source_file_init(struct source_file *f)
{
    static const struct source_ops ops = {.ask = ask,
                                          .cancel = source_login_cancel,
                                          .is_there = is_there,
                                          .still_admits = still_admits};
    *f = (struct source_file){.source = {.kind = SOURCE_FILE, .ops = &ops}};
}
