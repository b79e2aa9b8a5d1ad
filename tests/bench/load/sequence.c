#include "tests/bench/load/sequence.h"

static enum sequence_verdict take_new(struct sequence *s, uint64_t number)
{
    uint64_t step = number - s->next + 1;
    s->missing += step - 1;
    s->seen = step < SEQUENCE_REMEMBERED ? s->seen << step | 1 : 1;
    s->next = number + 1;
    return SEQUENCE_NEW;
}

enum sequence_verdict sequence_take(struct sequence *s, uint64_t number)
{
    if (number >= s->next)
        return take_new(s, number);
    uint64_t back = s->next - 1 - number;
    bool remembered = back < SEQUENCE_REMEMBERED;
    if (remembered && (s->seen >> back & 1) != 0)
        return SEQUENCE_REPEAT;
    if (s->missing == 0)
        return SEQUENCE_REPEAT;
    if (remembered)
        s->seen |= (uint64_t)1 << back;
    s->missing--;
    return SEQUENCE_LATE;
}
