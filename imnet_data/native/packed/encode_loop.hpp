// The loop over the blocks of an MCU that are encoded; included once for each instruction set, with
// IMNET_ENCODE_TARGET (attributes of every function), IMNET_ENCODE_NAME and IMNET_READ_CODED
// defined.

#include "packed/encode.hpp"
#include "packed/scalar_block.hpp"

#define IMNET_ENCODE_INLINE IMNET_ENCODE_TARGET __attribute__((always_inline)) static inline

namespace imnet {
namespace {

// The bits of a value in a scan, with their number in the low byte: T.81, F.1.2.1.
constexpr uint32_t value_bits(int value) {
  const unsigned magnitude = unsigned(value < 0 ? -value : value);
  const unsigned size = 31 - unsigned(__builtin_clz(2 * magnitude + 1));
  return (unsigned(value < 0 ? value - 1 : value) & ((1u << size) - 1)) << 8 | size;
}

constexpr std::array<uint32_t, 256> bits_of_coded() {
  std::array<uint32_t, 256> found{};
  for (unsigned coded = 0; coded < 256; ++coded) found[coded] = value_bits(decoded_value(coded));
  return found;
}

constexpr std::array<uint32_t, 256> kBitsOfCoded = bits_of_coded();

struct Encoded {  // a symbol and its value
  uint64_t bits;
  unsigned count;
};

IMNET_ENCODE_INLINE Encoded encoded(uint64_t entry, uint32_t value) {
  return {entry >> 8 | value >> 8, unsigned(entry & 255)};
}

struct Symbols {  // those of a block that are left
  uint64_t positions;  // a bit for each
  int before = 0;      // the position of the last one
  uint64_t seen = 0;   // all entries together
};

// The next symbol; runs of 16 zeros before it go into the sink, after `held`.
template <bool kWide>
IMNET_ENCODE_INLINE Encoded take_symbol(Symbols& symbols, const SymbolEncoder& encoder,
                                        const uint8_t* coded, const int16_t* wide, Encoded& held,
                                        BitSink& sink) {
  const int position = __builtin_ctzll(symbols.positions);
  symbols.positions &= symbols.positions - 1;
  int run = position - symbols.before - 1;
  symbols.before = position;
  if (__builtin_expect(run > 15, 0)) {
    const Encoded zeros = encoded(encoder[0xF0], 0);
    symbols.seen |= encoder[0xF0];
    sink.put(held.bits, held.count);
    for (; run > 15; run -= 16) sink.put(zeros.bits, zeros.count);
    held = {0, 0};
  }
  uint32_t value = kBitsOfCoded[coded[position]];
  if (kWide && wide[position] != 0) value = value_bits(wide[position]);
  const uint64_t entry = encoder[unsigned(run) << 4 | (value & 15)];
  symbols.seen |= entry;
  return encoded(entry, value);
}

IMNET_ENCODE_INLINE void put_both(BitSink& sink, Encoded first, Encoded second) {
  const unsigned count = first.count + second.count;
  if (__builtin_expect(count <= BitSink::kMost, 1)) {
    sink.put(first.bits << second.count | second.bits, count);
  } else {
    sink.put(first.bits, first.count);
    sink.put(second.bits, second.count);
  }
}

// Two symbols at a time: a put waits for the one before. Returns all entries together.
template <bool kWide>
IMNET_ENCODE_INLINE uint64_t encode_symbols(Encoded held, const SymbolEncoder& encoder,
                                            uint64_t positions, const uint8_t* coded,
                                            const int16_t* wide, BitSink& sink) {
  Symbols symbols{positions};
  const uint64_t end = positions >> 63 != 0 ? 0 : encoder[0];
  while (symbols.positions != 0) {
    const Encoded second = take_symbol<kWide>(symbols, encoder, coded, wide, held, sink);
    put_both(sink, held, second);
    held = {0, 0};
    if (symbols.positions == 0) break;
    held = take_symbol<kWide>(symbols, encoder, coded, wide, held, sink);
  }
  put_both(sink, held, encoded(end, 0));
  return symbols.seen | end;
}

IMNET_ENCODE_TARGET __attribute__((noinline)) const uint8_t* encode_wide(
    const uint8_t* next, Encoded difference, const SymbolEncoder& encoder, uint64_t positions,
    const uint8_t* coded, BitSink& sink) {
  int16_t wide[64] = {};
  bool has_bits = true;  // -32768 has none
  next = take_wide(next, [&](int position, int value) {
    wide[position] = int16_t(value);
    has_bits &= value != INT16_MIN;
  });
  if (next == nullptr || !has_bits) return nullptr;
  const uint64_t seen = encode_symbols<true>(difference, encoder, positions, coded, wide, sink);
  return (seen & SymbolEncoder::kMissing) == 0 ? next : nullptr;
}

IMNET_ENCODE_INLINE const uint8_t* encode_block(const uint8_t* next, const EncodePlan::Block& block,
                                                EncodeState& state, BitSink& sink) {
  PackedBlock fields;
  alignas(32) uint8_t coded[64];
  next = IMNET_READ_CODED(next, fields, coded);
  int &published = state.published[block.component], &packed = state.packed[block.component];
  packed = int(unsigned(packed) + unsigned(fields.difference));
  const int difference = int(unsigned(packed) - unsigned(published));
  published = packed;
  if (difference != int16_t(difference) || difference == INT16_MIN) return nullptr;
  const uint32_t value = value_bits(difference);
  const uint64_t entry = (*block.dc)[value & 15], positions = fields.masks & ~uint64_t(1);
  if ((entry & SymbolEncoder::kMissing) != 0) return nullptr;
  const Encoded first = encoded(entry, value);
  if (__builtin_expect(fields.wide(), 0))
    return encode_wide(next, first, *block.ac, positions, coded, sink);
  const uint64_t seen = encode_symbols<false>(first, *block.ac, positions, coded, nullptr, sink);
  return (seen & SymbolEncoder::kMissing) == 0 ? next : nullptr;
}

}  // namespace

IMNET_ENCODE_TARGET const uint8_t* IMNET_ENCODE_NAME(const EncodePlan& plan, const uint8_t* next,
                                                     EncodeState& state) {
  BitSink sink = state.sink;
  for (int i = 0; i < plan.block_count && next != nullptr; ++i)
    next = encode_block(next, plan.blocks[i], state, sink);
  state.sink = sink;
  return next;
}

}  // namespace imnet
