#if defined(__x86_64__)

#include <immintrin.h>

#include "cpu/features.hpp"
#include "hash/compress.hpp"

namespace imnet {
namespace {

// The instructions take the state as the words A B E F and C D G H, the first one highest.
template <int kStreams>
IMNET_SHA void compress(uint32_t* const* states, const uint8_t** data, size_t blocks) {
  const __m128i swap = _mm_set_epi64x(0x0C0D0E0F08090A0B, 0x0405060700010203);
  __m128i abef[kStreams], cdgh[kStreams];
  const uint8_t* from[kStreams];
  for (int i = 0; i < kStreams; ++i) {
    const auto* state = reinterpret_cast<const __m128i*>(states[i]);
    const __m128i cdab = _mm_shuffle_epi32(_mm_loadu_si128(state), 0xB1);
    const __m128i efgh = _mm_shuffle_epi32(_mm_loadu_si128(state + 1), 0x1B);
    abef[i] = _mm_alignr_epi8(cdab, efgh, 8);
    cdgh[i] = _mm_blend_epi16(efgh, cdab, 0xF0);
    from[i] = data[i];
  }
  for (; blocks != 0; --blocks) {
    __m128i words[kStreams][4], abef_before[kStreams], cdgh_before[kStreams];
    for (int i = 0; i < kStreams; ++i) {
      abef_before[i] = abef[i];
      cdgh_before[i] = cdgh[i];
#pragma GCC unroll 4
      for (int k = 0; k < 4; ++k)
        words[i][k] = _mm_shuffle_epi8(
            _mm_loadu_si128(reinterpret_cast<const __m128i*>(from[i]) + k), swap);
      from[i] += kShaBlock;
    }
#pragma GCC unroll 16
    for (int round = 0; round < 16; ++round) {
      const __m128i constant =
          _mm_load_si128(reinterpret_cast<const __m128i*>(kSha256Rounds) + round);
#pragma GCC unroll 3
      for (int i = 0; i < kStreams; ++i) {
        __m128i& word = words[i][round & 3];
        __m128i sum = _mm_add_epi32(word, constant);
        cdgh[i] = _mm_sha256rnds2_epu32(cdgh[i], abef[i], sum);
        sum = _mm_shuffle_epi32(sum, 0x0E);
        abef[i] = _mm_sha256rnds2_epu32(abef[i], cdgh[i], sum);
        if (round < 12) {
          const __m128i last = words[i][(round + 3) & 3];
          word = _mm_sha256msg1_epu32(word, words[i][(round + 1) & 3]);
          word = _mm_add_epi32(word, _mm_alignr_epi8(last, words[i][(round + 2) & 3], 4));
          word = _mm_sha256msg2_epu32(word, last);
        }
      }
    }
    for (int i = 0; i < kStreams; ++i) {
      abef[i] = _mm_add_epi32(abef[i], abef_before[i]);
      cdgh[i] = _mm_add_epi32(cdgh[i], cdgh_before[i]);
    }
  }
  for (int i = 0; i < kStreams; ++i) {
    auto* state = reinterpret_cast<__m128i*>(states[i]);
    const __m128i feba = _mm_shuffle_epi32(abef[i], 0x1B);
    const __m128i dchg = _mm_shuffle_epi32(cdgh[i], 0xB1);
    _mm_storeu_si128(state, _mm_blend_epi16(feba, dchg, 0xF0));
    _mm_storeu_si128(state + 1, _mm_alignr_epi8(dchg, feba, 8));
    data[i] = from[i];
  }
}

}  // namespace

const Sha256Compress kSha256Sha[kMaxShaStreams] = {compress<1>, compress<2>, compress<3>};

}  // namespace imnet

#endif
