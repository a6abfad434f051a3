#include "hash/sha256.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#endif

namespace imnet {
namespace {

constexpr size_t kTurn = 4096;  // bytes after which others may have more left

#if defined(__x86_64__)

alignas(16) constexpr uint32_t kRounds[64] = {
    0x428A2F98, 0x71374491, 0xB5C0FBCF, 0xE9B5DBA5, 0x3956C25B, 0x59F111F1, 0x923F82A4, 0xAB1C5ED5,
    0xD807AA98, 0x12835B01, 0x243185BE, 0x550C7DC3, 0x72BE5D74, 0x80DEB1FE, 0x9BDC06A7, 0xC19BF174,
    0xE49B69C1, 0xEFBE4786, 0x0FC19DC6, 0x240CA1CC, 0x2DE92C6F, 0x4A7484AA, 0x5CB0A9DC, 0x76F988DA,
    0x983E5152, 0xA831C66D, 0xB00327C8, 0xBF597FC7, 0xC6E00BF3, 0xD5A79147, 0x06CA6351, 0x14292967,
    0x27B70A85, 0x2E1B2138, 0x4D2C6DFC, 0x53380D13, 0x650A7354, 0x766A0ABB, 0x81C2C92E, 0x92722C85,
    0xA2BFE8A1, 0xA81A664B, 0xC24B8B70, 0xC76C51A3, 0xD192E819, 0xD6990624, 0xF40E3585, 0x106AA070,
    0x19A4C116, 0x1E376C08, 0x2748774C, 0x34B0BCB5, 0x391C0CB3, 0x4ED8AA4A, 0x5B9CCA4F, 0x682E6FF3,
    0x748F82EE, 0x78A5636F, 0x84C87814, 0x8CC70208, 0x90BEFFFA, 0xA4506CEB, 0xBEF9A3F7, 0xC67178F2};

// The instructions want the state as the words A B E F and C D G H, the first one highest.
template <int kLanes>
__attribute__((target("sha,avx"))) void compress(uint32_t* const (&states)[kLanes],
                                                  const uint8_t* (&data)[kLanes], size_t blocks) {
  const __m128i swap = _mm_set_epi64x(0x0C0D0E0F08090A0B, 0x0405060700010203);
  __m128i abef[kLanes], cdgh[kLanes];
  for (int i = 0; i < kLanes; ++i) {
    const auto* state = reinterpret_cast<const __m128i*>(states[i]);
    const __m128i cdab = _mm_shuffle_epi32(_mm_loadu_si128(state), 0xB1);
    const __m128i efgh = _mm_shuffle_epi32(_mm_loadu_si128(state + 1), 0x1B);
    abef[i] = _mm_alignr_epi8(cdab, efgh, 8);
    cdgh[i] = _mm_blend_epi16(efgh, cdab, 0xF0);
  }
  for (; blocks != 0; --blocks) {
    __m128i words[kLanes][4], abef_before[kLanes], cdgh_before[kLanes];
    for (int i = 0; i < kLanes; ++i) {
      abef_before[i] = abef[i];
      cdgh_before[i] = cdgh[i];
#pragma GCC unroll 4
      for (int k = 0; k < 4; ++k)
        words[i][k] = _mm_shuffle_epi8(
            _mm_loadu_si128(reinterpret_cast<const __m128i*>(data[i]) + k), swap);
      data[i] += Sha256::kBlock;
    }
#pragma GCC unroll 16
    for (int round = 0; round < 16; ++round) {
      const __m128i constant =
          _mm_load_si128(reinterpret_cast<const __m128i*>(kRounds) + round);
#pragma GCC unroll 3
      for (int i = 0; i < kLanes; ++i) {
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
    for (int i = 0; i < kLanes; ++i) {
      abef[i] = _mm_add_epi32(abef[i], abef_before[i]);
      cdgh[i] = _mm_add_epi32(cdgh[i], cdgh_before[i]);
    }
  }
  for (int i = 0; i < kLanes; ++i) {
    auto* state = reinterpret_cast<__m128i*>(states[i]);
    const __m128i feba = _mm_shuffle_epi32(abef[i], 0x1B);
    const __m128i dchg = _mm_shuffle_epi32(cdgh[i], 0xB1);
    _mm_storeu_si128(state, _mm_blend_epi16(feba, dchg, 0xF0));
    _mm_storeu_si128(state + 1, _mm_alignr_epi8(dchg, feba, 8));
  }
}

#else

template <int kLanes>
void compress(uint32_t* const (&)[kLanes], const uint8_t* (&)[kLanes], size_t) {
  std::abort();  // see has_sha256_instructions
}

#endif

void compress_one(uint32_t* state, const uint8_t*& data, size_t blocks) {
  uint32_t* const states[] = {state};
  const uint8_t* from[] = {data};
  compress<1>(states, from, blocks);
  data = from[0];
}

}  // namespace

bool has_sha256_instructions() noexcept {
#if defined(__x86_64__)
  // __builtin_cpu_supports knows no "sha" in the older compilers that are still in use
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (b & bit_SHA) != 0 &&
         __builtin_cpu_supports("avx");
#else
  return false;
#endif
}

size_t Sha256::fill(const uint8_t* data, size_t nbytes) {
  const size_t begun = nbytes_ % kBlock;
  if (begun == 0) return 0;
  const size_t taken = std::min(nbytes, kBlock - begun);
  std::memcpy(block_.data() + begun, data, taken);
  nbytes_ += taken;
  if (begun + taken == kBlock) {
    const uint8_t* block = block_.data();
    compress_one(state_.data(), block, 1);
  }
  return taken;
}

void Sha256::keep(const uint8_t* data, size_t nbytes) {
  if (nbytes != 0) std::memcpy(block_.data(), data, nbytes);
  nbytes_ += nbytes;
}

void Sha256::update(const uint8_t* data, size_t nbytes) {
  const size_t taken = fill(data, nbytes);
  data += taken;
  nbytes -= taken;
  compress_one(state_.data(), data, nbytes / kBlock);
  nbytes_ += nbytes / kBlock * kBlock;
  keep(data, nbytes % kBlock);
}

template <int kLanes>
void Sha256::update_all(Sha256* const (&sums)[kLanes], const uint8_t* const (&data)[kLanes],
                        size_t nbytes) {
  uint32_t* states[kLanes];
  const uint8_t* from[kLanes];
  size_t most_taken = 0;
  for (int i = 0; i < kLanes; ++i) {
    const size_t taken = sums[i]->fill(data[i], nbytes);
    most_taken = std::max(most_taken, taken);
    states[i] = sums[i]->state_.data();
    from[i] = data[i] + taken;
  }
  const size_t blocks = (nbytes - most_taken) / kBlock;
  compress<kLanes>(states, from, blocks);
  for (int i = 0; i < kLanes; ++i) {
    sums[i]->nbytes_ += blocks * kBlock;
    sums[i]->update(from[i], data[i] + nbytes - from[i]);
  }
}

Sha256::Digest Sha256::digest() const {
  Sha256 ended = *this;
  std::array<uint8_t, kBlock + 8> padding{0x80};
  const size_t zeros = (2 * kBlock - 9 - nbytes_ % kBlock) % kBlock;  // up to the length
  for (int i = 0; i < 8; ++i) padding[1 + zeros + i] = uint8_t(nbytes_ * 8 >> (56 - 8 * i));
  ended.update(padding.data(), 1 + zeros + 8);
  Digest digest;
  for (size_t i = 0; i < digest.size(); ++i)
    digest[i] = uint8_t(ended.state_[i / 4] >> (24 - 8 * (i % 4)));
  return digest;
}

void Sha256Input::append(const uint8_t* data, size_t nbytes) {
  if (nbytes != 0) pieces_.push_back({data, nbytes});
  nbytes_ += nbytes;
}

void Sha256Input::skip(size_t nbytes) {
  Piece& piece = pieces_[first_];
  piece.data += nbytes;
  piece.nbytes -= nbytes;
  first_ += piece.nbytes == 0;
  nbytes_ -= nbytes;
}

template <int kLanes>
void Sha256Input::go_on(Sha256Input* inputs) {
  Sha256* sums[kLanes];
  const uint8_t* data[kLanes];
  size_t taken = kTurn;
  for (int i = 0; i < kLanes; ++i) {
    sums[i] = inputs[i].sum_;
    data[i] = inputs[i].first().data;
    taken = std::min(taken, inputs[i].first().nbytes);
  }
  Sha256::update_all<kLanes>(sums, data, taken);
  for (int i = 0; i < kLanes; ++i) inputs[i].skip(taken);
}

void Sha256Input::run(std::vector<Sha256Input>& inputs) {
  const auto has_more = [](const Sha256Input& a, const Sha256Input& b) {
    return a.nbytes_ > b.nbytes_;
  };
  for (;;) {
    const size_t sorted = std::min<size_t>(3, inputs.size());
    std::partial_sort(inputs.begin(), inputs.begin() + sorted, inputs.end(), has_more);
    if (sorted > 2 && inputs[2].nbytes_ != 0)
      go_on<3>(inputs.data());
    else if (sorted > 1 && inputs[1].nbytes_ != 0)
      go_on<2>(inputs.data());
    else
      break;
  }
  Sha256Input& last = inputs[0];
  while (last.nbytes_ != 0) {
    last.sum_->update(last.first().data, last.first().nbytes);
    last.skip(last.first().nbytes);
  }
}

}  // namespace imnet
