#include "cpu/simd.hpp"

#include <atomic>
#include <stdexcept>

namespace imnet {
namespace {

// of those that run, the last one is the best
constexpr Simd kVariants[] = {Simd::scalar, Simd::avx2, Simd::avx512, Simd::neon};

bool runs(Simd variant) noexcept {
#if defined(__x86_64__)
  if (variant == Simd::avx2) return __builtin_cpu_supports("avx2");
  if (variant == Simd::avx512)
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
#elif defined(__aarch64__)
  if (variant == Simd::neon) return true;
#endif
  return variant == Simd::scalar;
}

Simd best() noexcept {
  Simd found = Simd::scalar;
  for (Simd variant : kVariants)
    if (runs(variant)) found = variant;
  return found;
}

std::atomic<Simd>& current() noexcept {
  static std::atomic<Simd> variant{best()};
  return variant;
}

}  // namespace

Simd simd() noexcept { return current().load(std::memory_order_relaxed); }

const char* simd_name(Simd variant) noexcept {
  switch (variant) {
    case Simd::avx2: return "avx2";
    case Simd::avx512: return "avx512";
    case Simd::neon: return "neon";
    case Simd::scalar: break;
  }
  return "scalar";
}

std::vector<std::string> simd_variants() {
  std::vector<std::string> names;
  for (Simd variant : kVariants)
    if (runs(variant)) names.emplace_back(simd_name(variant));
  return names;
}

void set_simd(const std::string& name) {
  std::string known;
  for (Simd variant : kVariants) {
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
