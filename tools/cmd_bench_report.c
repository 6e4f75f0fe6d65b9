/* SPDX-License-Identifier: MIT */

/* What a run of `sojourn bench` has seen, for people and for programs. */

#include <inttypes.h>
#include <stdio.h>

#include "cmd_bench.h"
#include "lib_json.h"
#include "lib_text.h"

#define BAR_CHARS 40

static double bytes_per_session(const struct bench *b)
{
	return b->entries_live == 0
		       ? 0
		       : (double)b->segment_bytes / (double)b->entries_live;
}

static uint64_t operations(const struct soj_hist *reads,
			   const struct soj_hist *updates)
{
	return soj_hist_count(reads) + soj_hist_count(updates);
}

static double per_second(uint64_t count, uint64_t ns)
{
	return ns == 0 ? 0 : (double)count * 1e9 / (double)ns;
}

static double worker_rate(const struct bench *b, uint32_t i)
{
	const struct bench_worker *w = &b->workers[i];

	return per_second(operations(&w->reads, &w->updates), w->run_ns);
}

static const char *put_ns(char text[SOJ_TEXT_NUMBER_CHARS], double ns)
{
	if (ns < 1e4)
		snprintf(text, SOJ_TEXT_NUMBER_CHARS, "%.0f ns", ns);
	else if (ns < 1e7)
		snprintf(text, SOJ_TEXT_NUMBER_CHARS, "%.1f us", ns / 1e3);
	else
		snprintf(text, SOJ_TEXT_NUMBER_CHARS, "%.1f ms", ns / 1e6);
	return text;
}

static void put_quantiles(const char *name, const struct soj_hist *h)
{
	static const double quantiles[] = {0.5, 0.99, 0.999, 1};
	char text[SOJ_TEXT_NUMBER_CHARS];

	printf("%-8s %10" PRIu64 " %10s", name, soj_hist_count(h),
	       put_ns(text, soj_hist_mean(h)));
	for (size_t i = 0; i < sizeof(quantiles) / sizeof(quantiles[0]); i++)
		printf(" %10s", put_ns(text, (double)soj_hist_quantile(
						     h, quantiles[i])));
	putchar('\n');
}

/* A line for each power of two; the bar is the share of the largest. */
static void put_histogram(const char *name, const struct soj_hist *h)
{
	uint64_t counts[64] = {0}, largest = 1;
	struct soj_hist_iter it = {0};
	int first = 63, last = 0;
	char low[SOJ_TEXT_NUMBER_CHARS], high[SOJ_TEXT_NUMBER_CHARS];

	if (soj_hist_count(h) == 0)
		return;
	while (soj_hist_next(h, &it)) {
		const int log2 = it.low == 0 ? 0 : 63 - __builtin_clzll(it.low);

		counts[log2] += it.count;
		first = log2 < first ? log2 : first;
		last = log2;
		if (largest < counts[log2])
			largest = counts[log2];
	}
	printf("\n%s, time of a call\n", name);
	for (int i = first; i <= last; i++) {
		const int bar =
			(int)((double)counts[i] * BAR_CHARS / (double)largest +
			      0.5);

		printf("  %9s to %9s  %-*.*s %8.4f %%\n",
		       put_ns(low, i == 0 ? 0 : (double)(UINT64_C(1) << i)),
		       put_ns(high, 2 * (double)(UINT64_C(1) << i)), BAR_CHARS,
		       bar, "########################################",
		       100 * (double)counts[i] / (double)soj_hist_count(h));
	}
}

static void put_faults(const struct bench_faults *f)
{
	printf("\nlost %" PRIu64 ", torn %" PRIu64 ", foreign %" PRIu64
	       ", full %" PRIu64 ", busy %" PRIu64 ", evicted %" PRIu64
	       ", crashed workers %" PRIu64 ", errors %" PRIu64 "\n",
	       f->lost, f->torn, f->foreign, f->full, f->busy, f->evicted,
	       f->crashed, f->errors);
}

void bench_report_text(const struct bench *b)
{
	const struct bench_plan *plan = &b->plan;
	char size[SOJ_TEXT_NUMBER_CHARS];

	printf("segment   %s%s, %s, %" PRIu64 " of %" PRIu64
	       " sessions, helper %s\n",
	       plan->name != NULL ? plan->name : "anonymous",
	       b->temporary ? " (for this run)" : "",
	       soj_text_size(size, b->segment_bytes), b->entries_live,
	       b->entries_max, b->helper_alive ? "alive" : "none");
	printf("memory    %.1f bytes per session, all included\n",
	       bytes_per_session(b));
	printf("load      %" PRIu32 " workers%s, %" PRIu32
	       " sessions of %zu bytes, reads:updates %" PRIu32 ":%" PRIu32
	       ", zipf %g\n",
	       plan->workers, b->pinned ? ", pinned" : "", plan->entries,
	       plan->value_bytes, plan->reads, plan->updates, plan->theta);
	printf("preload   %.2f s, %.0f creates/s\n",
	       (double)b->preload_ns / 1e9,
	       per_second(plan->entries, b->preload_ns));
	printf("run       %.2f s, %.0f operations/s, each value checked\n",
	       (double)b->run_ns / 1e9,
	       per_second(operations(&b->reads, &b->updates), b->run_ns));
	fputs("          by worker:", stdout);
	for (uint32_t i = 0; i < plan->workers; i++)
		printf(" %.0f", worker_rate(b, i));
	printf("\n\n%-8s %10s %10s %10s %10s %10s %10s\n", "", "count", "mean",
	       "p50", "p99", "p99.9", "max");
	put_quantiles("reads", &b->reads);
	put_quantiles("updates", &b->updates);
	put_histogram("reads", &b->reads);
	put_histogram("updates", &b->updates);
	put_faults(&b->faults);
}

static void json_hist(struct soj_json *j, const char *key,
		      const struct soj_hist *h)
{
	struct soj_hist_iter it = {0};

	soj_json_object(j, key);
	soj_json_u64(j, "count", soj_hist_count(h));
	soj_json_double(j, "mean_ns", soj_hist_mean(h), 1);
	soj_json_u64(j, "p50_ns", soj_hist_quantile(h, 0.5));
	soj_json_u64(j, "p99_ns", soj_hist_quantile(h, 0.99));
	soj_json_u64(j, "p999_ns", soj_hist_quantile(h, 0.999));
	soj_json_u64(j, "max_ns", soj_hist_max(h));
	/* [at most so many ns, how often] */
	soj_json_array(j, "histogram");
	while (soj_hist_next(h, &it)) {
		soj_json_array(j, NULL);
		soj_json_u64(j, NULL, it.high);
		soj_json_u64(j, NULL, it.count);
		soj_json_close(j);
	}
	soj_json_close(j);
	soj_json_close(j);
}

static void json_segment(struct soj_json *j, const struct bench *b)
{
	soj_json_object(j, "segment");
	soj_json_string(j, "name", b->plan.name);
	soj_json_bool(j, "temporary", b->temporary);
	soj_json_u64(j, "bytes", b->segment_bytes);
	soj_json_u64(j, "entries_max", b->entries_max);
	soj_json_u64(j, "entries_live", b->entries_live);
	soj_json_bool(j, "helper_alive", b->helper_alive);
	soj_json_close(j);
}

static void json_faults(struct soj_json *j, const struct bench_faults *f)
{
	soj_json_u64(j, "lost", f->lost);
	soj_json_u64(j, "torn", f->torn);
	soj_json_u64(j, "foreign", f->foreign);
	soj_json_u64(j, "full", f->full);
	soj_json_u64(j, "busy", f->busy);
	soj_json_u64(j, "evicted", f->evicted);
	soj_json_u64(j, "crashed_workers", f->crashed);
	soj_json_u64(j, "errors", f->errors);
}

void bench_report_json(const struct bench *b)
{
	const struct bench_plan *plan = &b->plan;
	struct soj_json j;

	soj_json_init(&j, stdout);
	soj_json_object(&j, NULL);
	json_segment(&j, b);
	soj_json_double(&j, "bytes_per_session", bytes_per_session(b), 2);
	soj_json_u64(&j, "workers", plan->workers);
	soj_json_bool(&j, "pinned", b->pinned);
	soj_json_u64(&j, "entries", plan->entries);
	soj_json_u64(&j, "value_bytes", plan->value_bytes);
	soj_json_object(&j, "mix");
	soj_json_u64(&j, "reads", plan->reads);
	soj_json_u64(&j, "updates", plan->updates);
	soj_json_close(&j);
	soj_json_double(&j, "zipf", plan->theta, 6);
	soj_json_double(&j, "preload_seconds", (double)b->preload_ns / 1e9, 3);
	soj_json_double(&j, "run_seconds", (double)b->run_ns / 1e9, 3);
	soj_json_double(
		&j, "operations_per_second",
		per_second(operations(&b->reads, &b->updates), b->run_ns), 0);
	soj_json_array(&j, "worker_operations_per_second");
	for (uint32_t i = 0; i < plan->workers; i++)
		soj_json_double(&j, NULL, worker_rate(b, i), 0);
	soj_json_close(&j);
	json_hist(&j, "reads", &b->reads);
	json_hist(&j, "updates", &b->updates);
	json_faults(&j, &b->faults);
	soj_json_close(&j);
}
