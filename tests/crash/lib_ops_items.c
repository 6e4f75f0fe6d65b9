/* SPDX-License-Identifier: MIT */

/* Items: what the survivor does to them while a victim stands at one, and what
 * the victim may answer when it goes on. */

#include <errno.h>
#include <string.h>

#include "crash/lib_items.h"

/* ---- the survivor ---- */

static void put_all(struct world *w)
{
	const struct sojourn_item counted = item_of(COUNTED);

	for (unsigned i = 0; i < 3; i++)
		items_go_on(w);
	if (!w->things[COUNTED].lives)
		return;
	if (sojourn_count_add(w->s, &counted, 1, TTL_MS, NULL) != 0)
		failed("count: %s", sojourn_error_text());
	w->things[COUNTED].number++;
}

/* Others make what there is not, and get what is another's. */
static void put_for_another(struct world *w)
{
	for (unsigned i = OWNED; i <= ABSENT; i++) {
		uint64_t number = w->next_number++;

		if (item_put(w, i, "another", number, 0) != 0)
			failed("put: %s", sojourn_error_text());
		item_lives(w, i, number, "another");
	}
}

static void remove_all(struct world *w)
{
	for (unsigned i = 0; i < THINGS; i++) {
		const struct sojourn_item item = item_of(i);
		int rc = sojourn_remove(w->s, &item, 0);

		if (rc != w->things[i].lives)
			failed("remove of item %u: %d", i, rc);
		w->things[i].lives = false;
	}
}

static void make_again(struct world *w)
{
	const struct sojourn_item counted = item_of(COUNTED);

	for (unsigned i = NOBODYS; i <= OWNED; i++) {
		const char *subject = i == OWNED ? "owner" : NULL;
		uint64_t number = w->next_number++;

		if (item_put(w, i, subject, number, 0) != 0)
			failed("put: %s", sojourn_error_text());
		item_lives(w, i, number, subject);
	}
	if (sojourn_count_add(w->s, &counted, 3, 0, NULL) != 0)
		failed("count: %s", sojourn_error_text());
	item_lives(w, COUNTED, 3, NULL);
}

/* The victim's is one more while it is in the making. */
static void end_subjects(struct world *w, unsigned in_making)
{
	int rc = sojourn_session_delete_subject(w->s, "owner", NULL);
	int more = sojourn_session_delete_subject(w->s, "another", NULL);
	unsigned least = 0;

	for (unsigned i = 0; i < THINGS; i++)
		if (w->things[i].lives && w->things[i].subject) {
			w->things[i].lives = false;
			least++;
		}
	if (rc < 0 || more < 0 || (unsigned)(rc + more) < least ||
	    (unsigned)(rc + more) > least + in_making)
		failed("delete of owners: %d, %d instead of %u", rc, more,
		       least);
}

void act_items(struct world *w, const struct stopped *stop)
{
	switch (stop->act) {
	case UPDATE:
		put_all(w);
		break;
	case RENEW:
		put_for_another(w);
		break;
	case DELETE:
		remove_all(w);
		break;
	case DELETE_OLD:
		remove_all(w);
		make_again(w);
		break;
	case DELETE_SUBJECT:
		end_subjects(w, stop->pushed);
		break;
	default:
		break;
	}
}

/* For an instant, at least, there was none. */
static bool was_gone(const struct stopped *stop)
{
	return stop->act >= RENEW;
}

/* ---- the victim ---- */

static bool is_there(struct world *w, unsigned thing)
{
	const struct sojourn_item item = item_of(thing);

	return sojourn_has(w->s, &item);
}

/* It came too late for the item that it was to replace. */
static bool too_late(const struct world *w, const struct stopped *stop,
		     const struct report *r)
{
	if (stop->op->run != run_put_if_exists)
		return false;
	if (w->things[NOBODYS].lives && !was_gone(stop) &&
	    stop->things[NOBODYS].lives)
		return false;
	return r->rc == -ENOENT;
}

void resume_put(struct world *w, const struct stopped *stop,
		const struct report *r)
{
	victim_fn run = stop->op->run;
	unsigned thing = run == run_put_new ? ABSENT
			 : run == run_put_owned || run == run_put_for_another
				 ? OWNED
				 : NOBODYS;
	const struct thing *t = &w->things[thing];
	const char *subject = t->lives ? t->subject : NULL;

	if (run == run_put_new)
		subject = "owner";
	if (run == run_put_for_another)
		subject = "another";
	if (!stop->decided && too_late(w, stop, r))
		return;
	answer_is(r, run == run_put_if_exists && !stop->decided && !t->lives
			     ? -ENOENT
			     : 0);
	if (stop->decided || r->rc != 0)
		return;
	/* Ended with its subject while it was in the making. */
	if (stop->act == DELETE_SUBJECT && stop->pushed && !is_there(w, thing))
		return;
	item_lives(w, thing, OP_NUMBER, subject);
}

/* Only over that very version. */
void resume_put_if_version(struct world *w, const struct stopped *stop,
			   const struct report *r)
{
	bool as_it_was = stop->act == LEAVE;

	if (stop->decided || as_it_was)
		answer_is(r, 0);
	else if (r->rc != -ESTALE && (r->rc != -ENOENT || !was_gone(stop)))
		failed("put with another version: %d", r->rc);
	if (!stop->decided && r->rc == 0)
		item_lives(w, OWNED, OP_NUMBER, w->things[OWNED].subject);
}

void resume_add(struct world *w, const struct stopped *stop,
		const struct report *r)
{
	if (stop->decided || !w->things[ABSENT].lives)
		answer_is(r, 0);
	else
		answer_is(r, -EEXIST);
	if (!stop->decided && r->rc == 0)
		item_lives(w, ABSENT, OP_NUMBER, NULL);
}

/* Whole, or told that it may not be. */
void resume_view(struct world *w, const struct stopped *stop,
		 const struct report *r)
{
	const struct thing *t = &w->things[OWNED];

	if (r->rc == -ESTALE || (r->rc == -ENOENT && was_gone(stop)))
		return;
	answer_is(r, 0);
	if (r->rc == 0 && r->number != 2 &&
	    (!t->lives || r->number != t->number))
		failed("viewed number %u", (unsigned)r->number);
}

void resume_remove(struct world *w, const struct stopped *stop,
		   const struct report *r)
{
	struct thing *t = &w->things[OWNED];

	if (stop->decided) {
		answer_is(r, 1);
		return;
	}
	if (r->rc == 0 && was_gone(stop))
		return;
	answer_is(r, 1);
	if (!t->lives)
		failed("it removed what was not there");
	t->lives = false;
}

void resume_count(struct world *w, const struct stopped *stop,
		  const struct report *r)
{
	const struct thing *t = &w->things[COUNTED];

	answer_is(r, 0);
	if (!stop->decided)
		item_lives(w, COUNTED, (t->lives ? t->number : 0) + 4, NULL);
}

/* What was made anew may be where it had been already. */
void resume_clear(struct world *w, const struct stopped *stop,
		  const struct report *r)
{
	unsigned ended = stop->ended;

	for (unsigned i = 0; i < THINGS; i++) {
		if (!w->things[i].lives)
			continue;
		if (!is_there(w, i)) {
			w->things[i].lives = false;
			ended++;
		} else if (!was_gone(stop)) {
			failed("item %u is still there", i);
		}
	}
	answer_is(r, (int)ended);
}
