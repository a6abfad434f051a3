// What the code of each variant is compiled for, and whether the processor has it; only the table
// in kernels.cpp asks.
#pragma once

#if defined(__x86_64__)

#include <cpuid.h>

#define IMNET_AVX2 __attribute__((target("avx2,fma,f16c,bmi,bmi2,popcnt")))
#define IMNET_AVX512 \
  __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,fma,f16c,bmi,bmi2,popcnt")))
#define IMNET_AVX512_VBMI \
  __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi,fma,f16c,bmi,bmi2,popcnt")))
#define IMNET_SSE42 __attribute__((target("sse4.2")))
#define IMNET_SHA __attribute__((target("sha,avx")))

namespace imnet {

// Compilers that are still in use do not know the names "f16c" and "sha" in __builtin_cpu_supports.
inline bool has_f16c() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid(1, &a, &b, &c, &d) != 0 && (c & bit_F16C) != 0;
}

inline bool has_avx2() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c() &&
         __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
}

inline bool has_avx512() {
  return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
}

inline bool has_avx512_vbmi() { return has_avx512() && __builtin_cpu_supports("avx512vbmi"); }

// Before Zen 3, AMD's processors have PDEP in microcode: up to hundreds of cycles.
inline bool has_fast_pdep() {
  return has_avx2() && !__builtin_cpu_is("znver1") && !__builtin_cpu_is("znver2") &&
         !__builtin_cpu_is("bdver4");
}

inline bool has_sha() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (b & bit_SHA) != 0 &&
         __builtin_cpu_supports("avx");
}

}  // namespace imnet

#elif defined(__aarch64__)

#if defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

#if defined(__clang__)
#define IMNET_CRC __attribute__((target("crc")))
#else
#define IMNET_CRC __attribute__((target("+crc")))
#endif

namespace imnet {

inline bool has_crc() {
#if defined(__ARM_FEATURE_CRC32)
  return true;
#elif defined(__linux__)
  return (getauxval(AT_HWCAP) & HWCAP_CRC32) != 0;
#else
  return false;
#endif
}

}  // namespace imnet

#endif
