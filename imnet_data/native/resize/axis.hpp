// The weights of one pass of a resize.
#pragma once

#include <cstdint>
#include <vector>

namespace imnet {

enum class Filter { bilinear, bicubic };

constexpr int kWeightBits = 22;  // Pillow's PRECISION_BITS: 32 less 8 for a pixel and 2 of headroom
constexpr int kLowBits = 15;     // a weight is high * 2**15 + low: both halves fit in 16 bits

// Output i is the sum of weights[i * stride + t] * input[start[i] + t] for t < count[i].
struct Axis {
  int outputs = 0;
  int taps = 0;               // the most that any output has
  int stride = 0;             // even, at least taps
  int first = 0, last = 0;    // inputs that are read, half open; starts count from `first`
  int last_start = 0;         // greatest start: as zero weights are left out, not always the last
  bool copies = false;        // output i is input i
  std::vector<int> start, count;
  std::vector<int32_t> weights;  // zero from count[i] to stride
  std::vector<int32_t> halves;   // the same, for each pair of taps: both low halves, both high

  // Makes the weights of `size` outputs over the inputs [from, to), of which those in [window_from,
  // window_to) are kept, in reverse order when `mirrored`. Inputs outside of [0, input_size) do not
  // exist: the weights of the others are scaled up.
  void make(int input_size, float from, float to, int size, int window_from, int window_to,
            Filter filter, bool mirrored);

 private:
  template <double (*Weigh)(double)>
  void weigh(int input_size, float from, double scale, double support, int window_from,
             bool mirrored);
  void summarize();

  std::vector<double> exact_;
};

}  // namespace imnet
