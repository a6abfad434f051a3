#include "packed/block_writer.hpp"

namespace imnet {

uint8_t* BlockWriter::write(int difference, uint8_t* out) const {
  const bool wide = wide_count_ > 0;
  const uint64_t masks = masks_ | uint64_t(wide);
  uint8_t* const groups = out++;
  if (difference > kWideDifference && difference <= kNarrowLimit) {
    *out++ = uint8_t(difference);
  } else {
    *out++ = uint8_t(kWideDifference);
    store_little_endian(out, uint16_t(difference));
    out += 2;
  }
  unsigned there = 0, count = 0;
  uint32_t widths = 0;
  unsigned width[8];
  for (int g = 0; g < 8; ++g) {
    const auto mask = uint8_t(masks >> 8 * g);
    if (mask == 0) continue;
    width[g] = used_[g] == 0 ? 1 : 32 - unsigned(__builtin_clz(used_[g]));
    there |= 1u << g;
    widths |= (width[g] - 1) << 3 * count++;
    *out++ = mask;
  }
  *groups = uint8_t(there);

  uint64_t bits = widths;
  unsigned used = 3 * count;
  const uint8_t* coded = coded_;
  for (uint64_t left = masks; left != 0; left &= left - 1) {
    const int position = __builtin_ctzll(left);
    bits |= uint64_t(position == 0 ? 0 : *coded++) << used;
    used += width[position >> 3];
    if (used < 32) continue;
    store_little_endian(out, uint32_t(bits));
    out += 4;
    bits >>= 32;
    used -= 32;
  }
  store_little_endian(out, uint32_t(bits));
  out += (used + 7) >> 3;

  if (wide) {
    *out++ = uint8_t(wide_count_);
    for (int i = 0; i < wide_count_; ++i, out += 3) {
      out[0] = wide_positions_[i];
      store_little_endian(out + 1, uint16_t(wide_values_[i]));
    }
  }
  return out;
}

}  // namespace imnet
