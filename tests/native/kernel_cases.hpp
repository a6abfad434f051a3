// Input for one call of a kernel, out of a seed; see kernels.cpp.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "kernels.hpp"

namespace imnet {

using Bytes = std::vector<uint8_t>;

constexpr size_t kGuard = 64;  // bytes behind what may be written
constexpr uint8_t kGuardByte = 0xA5;

class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed * 0x9E3779B97F4A7C15u) {}

  uint64_t word() {
    uint64_t x = state_ += 0x9E3779B97F4A7C15u;
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9u;
    x = (x ^ x >> 27) * 0x94D049BB133111EBu;
    return x ^ x >> 31;
  }
  int below(int limit) { return int((word() >> 33) % uint64_t(limit)); }
  int between(int low, int high) { return low + below(high - low + 1); }  // both included
  bool one_in(int count) { return below(count) == 0; }

  // Any bytes, or only some of them: extremes, both sides of the middle, one value alone.
  Bytes samples(size_t count) {
    static const std::vector<uint8_t> kinds[] = {
        {0, 255}, {0, 1, 127, 128, 129, 254, 255}, {0}, {255}, {128, 255}};
    const int kind = below(10);
    Bytes made(count);
    for (uint8_t& sample : made)
      sample = kind < 5 ? kinds[kind][below(int(kinds[kind].size()))] : uint8_t(word());
    return made;
  }

 private:
  uint64_t state_;
};

struct Case {
  // Calls the kernel of a table, any number of times; returns what every variant must write.
  std::function<const Bytes&(const Kernels&)> run;
  double work = 0;  // of one call, in the kernel's unit
};

struct Kernel {
  const char* name;
  const char* unit;
  Case (*make)(Random& random, bool large);  // large: of a usual size, to be timed
  const void* (*function)(const Kernels&);
};

// Bytes that a kernel may write, or not.
inline void forget(Bytes& bytes, size_t from, size_t to) {
  std::fill(bytes.begin() + ptrdiff_t(from), bytes.begin() + ptrdiff_t(to), uint8_t(0));
}

template <typename Number>
void append_number(Bytes& bytes, Number number) {
  for (size_t i = 0; i < sizeof number; ++i) bytes.push_back(uint8_t(uint64_t(number) >> 8 * i));
}

template <typename Function>
const void* address(Function* function) {
  return reinterpret_cast<const void*>(function);
}

std::vector<Kernel> scan_kernels();     // kernels_scan.cpp
std::vector<Kernel> entropy_kernels();  // kernels_entropy.cpp
std::vector<Kernel> pixel_kernels();    // kernels_pixels.cpp

}  // namespace imnet
