/* SPDX-License-Identifier: MIT */
/*
 * Marks on the declarations of the public functions.
 *
 * The library is built with hidden visibility, so a function is exported only
 * if it carries SOJOURN_API; the list of exported symbols is tested.
 * SOJOURN_MUST_CHECK is for every function whose result decides whether the
 * caller may go on: dropping it draws a warning.
 */
#ifndef SOJOURN_EXPORT_H
#define SOJOURN_EXPORT_H

#define SOJOURN_API        __attribute__((visibility("default")))
#define SOJOURN_MUST_CHECK __attribute__((warn_unused_result))

#endif /* SOJOURN_EXPORT_H */
