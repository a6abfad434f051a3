#include "kernels.hpp"

#include <atomic>
#include <stdexcept>

#include "cpu/features.hpp"

namespace imnet {
namespace {

struct Tables {
  Kernels all[3];
  int count = 0;

  Tables() noexcept {
    add({"scalar", scan_scalar, scan_lanes_scalar, idct_scalar, unpack_scalar, pack_scalar,
         encode_scalar, skip_scalar, next_marker_scalar, unstuff_scalar, stuff_scalar,
         &kUpsampleScalar, &kColorScalar, &kResizeScalar, normalize_scalar, kSha256Scalar,
         crc32c_scalar});
#if defined(__x86_64__)
    const Sha256Compress* const sha256 = has_sha() ? kSha256Sha : kSha256Scalar;
    const UnpackFunction unpack_2 = has_fast_pdep() ? unpack_avx2 : unpack_avx2_without_pdep;
    const PackFunction pack_2 = has_fast_pdep() ? pack_avx2 : pack_scalar;
    const EncodeFunction encode_2 = has_fast_pdep() ? encode_avx2 : encode_scalar;
    const UnpackFunction unpack_512 = has_avx512_vbmi() ? unpack_avx512 : unpack_2;
    if (has_avx2())
      add({"avx2", scan_avx2, scan_lanes_avx2, idct_avx2, unpack_2, pack_2, encode_2, skip_avx2,
           next_marker_avx2, unstuff_avx2, stuff_avx2, &kUpsampleAvx2, &kColorAvx2, &kResizeAvx2,
           normalize_avx2, sha256, crc32c_sse42});
    // a block of the IDCT fits AVX2, and the others have no vectors or few
    if (has_avx512())
      add({"avx512", scan_avx512, scan_lanes_avx512, idct_avx2, unpack_512, pack_2, encode_2,
           skip_avx2, next_marker_avx2, unstuff_avx2, stuff_avx2, &kUpsampleAvx512, &kColorAvx512,
           &kResizeAvx512, normalize_avx512, sha256, crc32c_sse42});
#elif defined(__aarch64__)
    add({"neon", scan_neon, scan_lanes_neon, idct_neon, unpack_neon, pack_scalar, encode_scalar,
         skip_scalar, next_marker_scalar, unstuff_scalar, stuff_scalar, &kUpsampleNeon, &kColorNeon,
         &kResizeNeon, normalize_neon, kSha256Scalar, has_crc() ? crc32c_arm : crc32c_scalar});
#endif
  }

  void add(const Kernels& table) noexcept { all[count++] = table; }
};

const Tables& tables() noexcept {
  static const Tables filled;
  return filled;
}

std::atomic<const Kernels*>& current() noexcept {
  static std::atomic<const Kernels*> table{runnable_kernels().back()};
  return table;
}

}  // namespace

const Kernels& kernels() noexcept { return *current().load(std::memory_order_acquire); }

std::vector<const Kernels*> runnable_kernels() {
  std::vector<const Kernels*> found;
  for (int i = 0; i < tables().count; ++i) found.push_back(&tables().all[i]);
  return found;
}

void set_simd(const std::string& name) {
  std::string known;
  for (const Kernels* table : runnable_kernels()) {
    if (name == table->name) {
      current().store(table, std::memory_order_release);
      return;
    }
    known += (known.empty() ? "" : ", ") + std::string(table->name);
  }
  throw std::invalid_argument("simd is '" + name + "'; this machine runs: " + known);
}

}  // namespace imnet
