// SPDX-License-Identifier: BSD-3-Clause
#include "timeball-bench/search.h"

#include <math.h>

void search_init(struct search *search, const struct search_options *options)
{
	*search = (struct search){ .options = *options, .rate = options->min_rate };
}

static bool is_close(const struct search *search)
{
	return search->failed <= search->passed * (1 + search->options.resolution);
}

static void choose_next(struct search *search)
{
	const struct search_options *options = &search->options;

	search->clean = 0;
	if (search->failed == 0 && search->passed >= options->max_rate)
		search->over = true;
	else if (search->failed == 0)
		search->rate = fmin(search->passed * options->leap, options->max_rate);
	else if (search->passed == 0 || is_close(search))
		search->over = true; // even the lowest failed, or there is nothing left between
	else
		search->rate = sqrt(search->passed * search->failed);
}

void search_tell(struct search *search, bool passed)
{
	search->trials++;
	if (!passed) {
		search->failed = search->rate;
		choose_next(search);
	} else if (++search->clean == search->options.trials) {
		search->passed = search->rate;
		choose_next(search);
	}
}
