#include "simd.hpp"

#include <atomic>
#include <stdexcept>

namespace imnet {
namespace {

bool runs(Simd variant) noexcept {
#if defined(__x86_64__)
  if (variant == Simd::avx2) return __builtin_cpu_supports("avx2");
#endif
  return variant == Simd::scalar;
}

std::atomic<Simd>& current() noexcept {
  static std::atomic<Simd> variant{runs(Simd::avx2) ? Simd::avx2 : Simd::scalar};
  return variant;
}

}  // namespace

Simd simd() noexcept { return current().load(std::memory_order_relaxed); }

const char* simd_name(Simd variant) noexcept {
  return variant == Simd::avx2 ? "avx2" : "scalar";
}

std::vector<std::string> simd_variants() {
  std::vector<std::string> names;
  for (Simd variant : {Simd::scalar, Simd::avx2})
    if (runs(variant)) names.emplace_back(simd_name(variant));
  return names;
}

void set_simd(const std::string& name) {
  std::string known;
  for (Simd variant : {Simd::scalar, Simd::avx2}) {
    if (!runs(variant)) continue;
    if (name == simd_name(variant)) {
      current().store(variant, std::memory_order_relaxed);
      return;
    }
    known += known.empty() ? simd_name(variant) : std::string(", ") + simd_name(variant);
  }
  throw std::invalid_argument("simd is '" + name + "'; this machine runs: " + known);
}

}  // namespace imnet
