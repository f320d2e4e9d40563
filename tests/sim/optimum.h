// SPDX-License-Identifier: BSD-3-Clause
// What no discipline can do better, or none that is linear, in worlds simple enough to compute it.
#pragma once

// The steady rms error, over time, of the Kalman filter that knows the world: samples every
// `interval_s` of deviation `noise_s`, a clock whose frequency walks by `wander` per sqrt(s), what is
// found corrected at once. For noise that is not normal the best of all linear filters.
double optimum_kalman_s(double interval_s, double noise_s, double wander);
// Its doubt of the frequency just after a sample.
double optimum_frequency(double interval_s, double noise_s, double wander);
// With exponential delays of mean `jitter_s` each way far less is possible. Found by experiment with
// filters that know the world, good to some 10 % where jitter dominates.
double optimum_exponential_s(double interval_s, double jitter_s, double wander);
