#include "resize/axis.hpp"

#include <algorithm>
#include <cmath>

namespace imnet {
namespace {

double triangle(double x) {
  x = std::fabs(x);
  return x < 1.0 ? 1.0 - x : 0.0;
}

// Keys' cubic convolution with a = -0.5, in the order of operations that Pillow has.
double cubic(double x) {
  constexpr double a = -0.5;
  x = std::fabs(x);
  if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
  if (x < 2.0) return (((x - 5) * x + 8) * x - 4) * a;
  return 0.0;
}

int32_t to_fixed(double weight) {
  return static_cast<int32_t>(weight * (1 << kWeightBits) + std::copysign(0.5, weight));
}

// Moves the weights that are not zero to the front; returns how many were before them.
int trim(int32_t* weights, int& count) {
  while (count > 1 && weights[count - 1] == 0) --count;
  int skipped = 0;
  while (skipped < count - 1 && weights[skipped] == 0) ++skipped;
  if (skipped > 0) std::copy(weights + skipped, weights + count, weights);
  count -= skipped;
  return skipped;
}

void split(const int32_t* weights, int taps, int32_t* halves) {
  constexpr uint32_t low_mask = (1u << kLowBits) - 1;
  for (int t = 0; t < taps; t += 2) {
    const auto a = static_cast<uint32_t>(weights[t]), b = static_cast<uint32_t>(weights[t + 1]);
    const auto high_a = static_cast<uint32_t>(weights[t] >> kLowBits);
    const auto high_b = static_cast<uint32_t>(weights[t + 1] >> kLowBits);
    halves[t] = static_cast<int32_t>((a & low_mask) | (b & low_mask) << 16);
    halves[t + 1] = static_cast<int32_t>((high_a & 0xFFFF) | high_b << 16);
  }
}

}  // namespace

void Axis::make(int input_size, float from, float to, int size, int window_from, int window_to,
                Filter filter, bool mirrored) {
  outputs = window_to - window_from;
  // the difference is rounded to float first, as in Pillow
  const double scale = static_cast<double>(to - from) / size;
  const double radius = filter == Filter::bicubic ? 2.0 : 1.0;
  const double support = radius * std::max(scale, 1.0);
  stride = static_cast<int>(std::ceil(support)) * 2 + 2;
  exact_.resize(stride);
  start.resize(outputs);
  count.resize(outputs);
  weights.resize(static_cast<size_t>(outputs) * stride);
  halves.resize(weights.size());
  if (filter == Filter::bicubic)
    weigh<cubic>(input_size, from, scale, support, window_from, mirrored);
  else
    weigh<triangle>(input_size, from, scale, support, window_from, mirrored);
  summarize();
}

template <double (*Weigh)(double)>
void Axis::weigh(int input_size, float from, double scale, double support, int window_from,
                 bool mirrored) {
  const double inverse = 1.0 / std::max(scale, 1.0);
  double* const exact = exact_.data();
  int32_t *fixed = weights.data(), *half = halves.data();
  for (int i = 0; i < outputs; ++i, fixed += stride, half += stride) {
    const int output = window_from + (mirrored ? outputs - 1 - i : i);
    const double center = from + (output + 0.5) * scale;
    const int low = std::max(static_cast<int>(center - support + 0.5), 0);
    int used = std::min(static_cast<int>(center + support + 0.5), input_size) - low;
    double sum = 0.0;
    for (int t = 0; t < used; ++t) {
      exact[t] = Weigh((t + low - center + 0.5) * inverse);
      sum += exact[t];
    }
    for (int t = 0; t < used; ++t) fixed[t] = to_fixed(sum != 0.0 ? exact[t] / sum : exact[t]);
    start[i] = low + trim(fixed, used);
    count[i] = used;
    std::fill(fixed + used, fixed + stride, 0);
    split(fixed, stride, half);
  }
}

void Axis::summarize() {
  taps = *std::max_element(count.begin(), count.end());
  first = *std::min_element(start.begin(), start.end());
  last_start = *std::max_element(start.begin(), start.end()) - first;
  last = 0;
  copies = true;
  for (int i = 0; i < outputs; ++i) {
    last = std::max(last, start[i] + count[i]);
    start[i] -= first;
    copies = copies && start[i] == i && count[i] == 1;  // a lone weight is one
  }
}

}  // namespace imnet
