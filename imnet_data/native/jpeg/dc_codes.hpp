// DC Huffman tables that get more codes, and lose them again; differences as their bits.
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

// Adds codes for these symbols after the last one, so that those that are there stay; false where
// there is no room below the code of all ones, which no table may have.
bool add_codes(HuffmanSpec& spec, const std::vector<uint8_t>& symbols);

// Takes away the last `count` codes; false where they are not all of the longest length.
bool remove_codes(HuffmanSpec& spec, int count);

// Appends the header up to `end`, with these tables in the place of those that `header` found;
// false where one of them reaches beyond `end`.
bool append_header(const uint8_t* data, size_t end, const JpegHeader& header, const DcSpecs& tables,
                   std::vector<uint8_t>& out);

class DcEncoder {
 public:
  explicit DcEncoder(const HuffmanSpec& spec);

  // Bits of a difference; 0: the table has no code for it.
  int length(int value) const;
  // False, and nothing written, where the table has no code for it.
  bool put(int value, BitWriter& writer) const;

 private:
  std::array<uint16_t, 16> codes_{};
  std::array<uint8_t, 16> lengths_{};  // 0: no code
};

}  // namespace imnet
