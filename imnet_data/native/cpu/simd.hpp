// Which instruction set the native code uses; every variant gives the same bytes.
#pragma once

#include <string>
#include <vector>

namespace imnet {

enum class Simd { scalar, avx2, avx512, neon };

// The variant in use: the best that this machine runs, until set_simd says otherwise.
Simd simd() noexcept;
const char* simd_name(Simd variant) noexcept;
std::vector<std::string> simd_variants();

// For tests and measurements; throws std::invalid_argument where the machine does not run it.
void set_simd(const std::string& name);

}  // namespace imnet
