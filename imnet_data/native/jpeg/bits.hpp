// Symbols and blocks out of the bits of a scan; included in one file for each instruction set, with
// IMNET_SCAN_TARGET defined as the attributes of every function, and IMNET_SCAN_BMI2 where these
// have BMI and BMI2.

// As in skip_loop.hpp: GCC gathers what a reader has into vectors.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("no-tree-slp-vectorize")
#endif

#include "cpu/big_endian.hpp"
#include "jpeg/scan.hpp"

#define IMNET_SCAN_INLINE IMNET_SCAN_TARGET __attribute__((always_inline)) static inline

namespace imnet {
namespace {

// Leaves at least 56 valid bits.
IMNET_SCAN_INLINE void refill(BitReader& reader) {
  reader.bits |= load_big_endian(reader.next) >> (reader.count & 63);
  reader.next += 7 - ((reader.count >> 3) & 7);
  reader.count |= 56;
}

IMNET_SCAN_INLINE void skip_bits(BitReader& reader, uint64_t count) {
  reader.bits <<= count & 63;
  reader.count -= count;
}

#ifdef IMNET_SCAN_BMI2
#define IMNET_LOW_BITS(word, count) _bzhi_u64(word, count)
#define IMNET_BYTE(word, index) _bextr_u64(word, 8 * (index), 8)
#else
#define IMNET_LOW_BITS(word, count) ((word) & ((uint64_t(1) << (count)) - 1))
#define IMNET_BYTE(word, index) (uint64_t(uint8_t((word) >> 8 * (index))))
#endif

// The last `size` of the first `count` bits; `count` is not 0 unless `size` is.
IMNET_SCAN_INLINE int value_bits(const BitReader& reader, uint64_t count, uint64_t size) {
  return int(IMNET_LOW_BITS(reader.bits >> (-count & 63), size));
}

// What the slow paths return: by value, so that the fast paths can keep all in registers.
struct SlowSymbol {
  BitReader reader;
  int symbol = -1;  // -1: there is no such code
  int value = 0;
};

struct SlowCoefficient {
  BitReader reader;
  unsigned position = 0;  // 0: damaged
};

// As HuffmanCodes::find.
IMNET_SCAN_INLINE HuffmanCodes::Symbol find_symbol(const HuffmanCodes& codes, uint32_t window) {
#ifdef IMNET_SCAN_BMI2
  const __m256i limits = _mm256_load_si256(reinterpret_cast<const __m256i*>(codes.limits.data()));
  const __m256i each = _mm256_set1_epi16(short(window));
  const __m256i within = _mm256_cmpeq_epi16(_mm256_max_epu16(each, limits), each);
  const int bits = 1 + __builtin_popcount(unsigned(_mm256_movemask_epi8(within))) / 2;
  return bits > 16 ? HuffmanCodes::Symbol{17, 0}
                   : HuffmanCodes::Symbol{bits, codes.symbol(window, bits)};
#else
  return codes.find(window);
#endif
}

// One symbol and its value, whatever their length; `reader.bits` need not be right.
IMNET_SCAN_INLINE SlowSymbol any_symbol(const HuffmanCodes& codes, BitReader reader) {
  reader.bits = load_big_endian(reader.next - 8) << (-reader.count & 63);
  refill(reader);
  const HuffmanCodes::Symbol found = find_symbol(codes, uint32_t(reader.bits >> 48));
  SlowSymbol result;
  if (found.bits <= 16) {
    const int size = found.value & 15;
    result.symbol = found.value;
    result.value = extend(value_bits(reader, found.bits + size, size), size);
    skip_bits(reader, found.bits + size);
    refill(reader);
  }
  result.reader = reader;
  return result;
}

IMNET_SCAN_TARGET __attribute__((noinline)) SlowSymbol slow_symbol(const HuffmanCodes& codes,
                                                                   BitReader reader) {
  return any_symbol(codes, reader);
}

// `block` may be null: then the value is not kept.
IMNET_SCAN_TARGET __attribute__((noinline)) SlowCoefficient slow_coefficient(
    const HuffmanCodes& codes, BitReader reader, unsigned position, int16_t* block) {
  const SlowSymbol found = any_symbol(codes, reader);
  if (found.symbol < 0) return {reader, 0};
  if ((found.symbol & 15) == 0 && found.symbol != 0xF0)
    return {found.reader, position + kEndOfBlock};
  position += (found.symbol >> 4) + 1;
  if (position > 64) return {reader, 0};
  if (block != nullptr) block[kZigzagPlaces[position - 1]] = int16_t(found.value);
  return {found.reader, position};
}

// One lookup; `place` is that of the next coefficient, in kZigzagPlaces. False where it comes out
// behind the 64 of a block: it may have ended, see read_ac.
template <bool kKeep>
IMNET_SCAN_INLINE bool look_up(uint64_t entry, BitReader& reader, const uint8_t*& place,
                               int16_t* block) {
  const uint8_t* const before = place - 1;
  place += IMNET_BYTE(entry, 2);
  if (kKeep) {
    const int value = value_bits(reader, entry, IMNET_BYTE(entry, 1));
    block[place[-1]] = int16_t(value + int(int64_t(entry) >> 48));
    block[before[IMNET_BYTE(entry, 3)]] = int16_t(entry >> 32);
  }
  reader.bits <<= entry & 63;
  reader.count -= entry;
  return place < kZigzagPlaces.data() + 64;
}

IMNET_SCAN_INLINE bool decode_dc(const DcTable& table, BitReader& reader, int& prediction) {
  refill(reader);
  const uint32_t entry = table.entries[reader.bits >> (64 - kLookupBits)];
  int difference;
  if (__builtin_expect(entry == 0, 0)) {
    const SlowSymbol found = slow_symbol(table.codes, reader);
    reader = found.reader;
    if (found.symbol < 0) return false;
    difference = found.value;
  } else {
    difference = value_bits(reader, entry & 63, entry >> 8 & 255) + (int32_t(entry) >> 16);
    skip_bits(reader, entry & 63);
  }
  prediction = int(unsigned(prediction) + unsigned(difference));
  return true;
}

// Reads the AC coefficients of a block: into `block`, which was zero, or only over them. Returns 0
// where the data is damaged, 64 where the block is full, otherwise kEndOfBlock and the position at
// which it ends, or one more.
template <bool kKeep>
IMNET_SCAN_INLINE unsigned read_ac(const AcTable& table, BitReader& reader, int16_t* block) {
  const uint64_t* const entries = table.entries.data();
  const uint8_t* const places = kZigzagPlaces.data();
  const uint8_t* place = places + 1;
  for (;;) {
    uint64_t entry;
    do {
      refill(reader);
      entry = entries[reader.bits >> (64 - kLookupBits)];
      if (!look_up<kKeep>(entry, reader, place, block)) break;
      entry = entries[reader.bits >> (64 - kLookupBits)];
      if (!look_up<kKeep>(entry, reader, place, block)) break;
      entry = entries[reader.bits >> (64 - kLookupBits)];
    } while (look_up<kKeep>(entry, reader, place, block));
    // sound: just full, or an end of block that is within it
    unsigned position = unsigned(place - places);
    if (position == 64 || position - kEndOfBlock < 64) return position;
    // The entry was kUnknownSymbol, or its last symbols belong to the next block, and went to no
    // place: go back, and read one symbol.
    reader.count += entry;
    const SlowCoefficient found =
        slow_coefficient(table.codes, reader, position - unsigned(IMNET_BYTE(entry, 2)),
                         kKeep ? block : nullptr);
    reader = found.reader;
    position = found.position;
    if (position - 1 >= 63) return position;
    place = places + position;
  }
}

}  // namespace
}  // namespace imnet
