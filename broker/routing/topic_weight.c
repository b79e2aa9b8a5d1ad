/* Weights go from where a filter was added or taken up to the root, until one stays the same. */
#include "broker/routing/topic_weight.h"

#include "broker/base/account.h"
#include "broker/routing/topic_node.h"

/* A heavy node's place in the pairing heap of its parent's children: the heaviest is on top. */
struct topic_heavy {
    struct topic_node *node;
    struct topic_heavy *child, *next;
    struct topic_heavy
        *prev; /* the sibling before it; of the first the one above; of the top NULL */
};

/* ---- the heap -------------------------------------------------------------------------------- */

static struct topic_heavy *meld(struct topic_heavy *a, struct topic_heavy *b)
{
    if (a == NULL || b == NULL)
        return a != NULL ? a : b;
    struct topic_heavy *top = a->node->weight >= b->node->weight ? a : b;
    struct topic_heavy *below = top == a ? b : a;
    below->prev = top;
    below->next = top->child;
    if (below->next != NULL)
        below->next->prev = below;
    top->child = below;
    return top;
}

static void set_apart(struct topic_heavy *h)
{
    h->next = NULL;
    h->prev = NULL;
}

/* One heap of siblings: in pairs first, then the pairs, which is what keeps heaps flat. */
static struct topic_heavy *meld_all(struct topic_heavy *first)
{
    struct topic_heavy *pairs = NULL;
    struct topic_heavy *top = NULL;
    while (first != NULL) {
        struct topic_heavy *a = first;
        struct topic_heavy *b = a->next;
        first = b != NULL ? b->next : NULL;
        set_apart(a);
        if (b != NULL)
            set_apart(b);
        a = meld(a, b);
        a->next = pairs;
        pairs = a;
    }
    while (pairs != NULL) {
        struct topic_heavy *a = pairs;
        pairs = a->next;
        set_apart(a);
        top = meld(top, a);
    }
    return top;
}

static void heap_remove(struct topic_heavy **top, struct topic_heavy *h)
{
    struct topic_heavy *below = meld_all(h->child);
    h->child = NULL;
    if (*top == h) {
        *top = below;
        return;
    }
    if (h->prev->child == h)
        h->prev->child = h->next;
    else
        h->prev->next = h->next;
    if (h->next != NULL)
        h->next->prev = h->prev;
    set_apart(h);
    *top = meld(*top, below);
}

/* ---- weights --------------------------------------------------------------------------------- */

static uint32_t weight_of(const struct topic_node *n)
{
    uint32_t other = n->light;
    if (n->heaviest != NULL && n->heaviest->node->weight > other)
        other = n->heaviest->node->weight;
    return topic_node_steps(n) + other + (n->plus != NULL ? n->plus->weight : 0);
}

/* Up to which weight its children aren't told apart. Behind a '+' they are: a topic may fit many such
 * nodes, and what each of them is taken for too much would add up. */
static uint32_t light_most(const struct topic_node *parent)
{
    return parent->plus_in ? 1 : TOPIC_LIGHT;
}

static void count_as_light(struct topic_node *parent, const struct topic_node *n)
{
    if (n->weight > parent->light)
        parent->light = n->weight;
}

static void leave_heap(struct topic_node *parent, struct topic_node *n)
{
    if (n->heavy == NULL)
        return;
    heap_remove(&parent->heaviest, n->heavy);
    account_free(ACCOUNT_SESSIONS, n->heavy);
    n->heavy = NULL;
}

static void enter_heap(struct topic_node *parent, struct topic_node *n)
{
    n->heavy = account_zalloc(ACCOUNT_SESSIONS, sizeof(*n->heavy));
    if (n->heavy == NULL) {
        count_as_light(parent, n);
        return;
    }
    n->heavy->node = n;
    parent->heaviest = meld(parent->heaviest, n->heavy);
}

/* Its weight is another one now; those with wildcards are asked for it by their parent. */
static void set_weight(struct topic_node *n, uint32_t weight)
{
    struct topic_node *parent = n->parent;
    bool literal = parent != NULL && n != parent->plus && n != parent->hash;
    if (parent != NULL)
        leave_heap(parent, n); /* by its former weight */
    n->weight = weight;
    if (literal && weight > light_most(parent))
        enter_heap(parent, n);
    else if (literal)
        count_as_light(parent, n);
}

static void weigh_upwards(struct topic_node *n)
{
    for (; n != NULL; n = n->parent) {
        uint32_t weight = weight_of(n);
        if (weight == n->weight)
            return;
        set_weight(n, weight);
    }
}

void topic_weight_linked(struct topic_node *n)
{
    set_weight(n, weight_of(n));
    weigh_upwards(n->parent);
}

void topic_weight_unlinked(struct topic_node *parent, struct topic_node *n)
{
    leave_heap(parent, n);
    if (parent->children == 0)
        parent->light = 0;
    weigh_upwards(parent);
}
