// DC Huffman tables to which codes are added and removed again, and the encoding of differences.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "jpeg/bit_writer.hpp"
#include "jpeg/header.hpp"
#include "jpeg/huffman.hpp"

namespace imnet {

using DcSpecs = std::array<HuffmanSpec, 4>;

// Bits of the value of a difference: T.81, table F.1.
int difference_size(int value);

// Adds codes for these symbols after the last one, which leaves the others as they are; false where
// there is no room below the code of all ones, which no table may have.
bool add_codes(HuffmanSpec& spec, const std::vector<uint8_t>& symbols);

// Removes the last `count` codes; false where they are not all of the longest length.
bool remove_codes(HuffmanSpec& spec, int count);

// Appends the header up to `end`, with these tables instead of those that `header` found; false
// where one of them reaches beyond `end`.
bool append_header(const uint8_t* data, size_t end, const JpegHeader& header, const DcSpecs& tables,
                   std::vector<uint8_t>& out);

class DcEncoder {
 public:
  explicit DcEncoder(const HuffmanSpec& spec);

  // The number of bits of a difference; 0 where the table has no code for it.
  int length(int value) const;
  // Writes nothing and returns false where the table has no code for it.
  bool put(int value, BitWriter& writer) const;

 private:
  std::array<uint16_t, 16> codes_{};
  std::array<uint8_t, 16> lengths_{};  // 0: no code
};

}  // namespace imnet
