// The packed form of a JPEG: its quantised coefficients, coded so that no branch depends on them.
//
// A file has, in this order, all numbers little-endian: a head of kPackedHead bytes; for each
// interval of MCUs where its blocks begin, and at last where those of the last one end (four bytes
// each, from the first block on); the published file up to its scan; the blocks; the published file
// from the marker after its scan on. docs/packed.md specifies every field.
#pragma once

#include <cstddef>
#include <cstdint>

#include "jpeg/header.hpp"
#include "jpeg/planes.hpp"

namespace imnet {

constexpr uint8_t kPackedMagic[8] = {0x89, 'I', 'M', 'N', 'P', 'K', 0x0D, 0x0A};
constexpr uint8_t kPackedVersion = 1;
constexpr size_t kPackedHead = 32;

// Bytes after the blocks of an MCU that may be read: ten blocks of at most 269 bytes are less.
constexpr size_t kPackedPadding = 4096;

// A part of a file.
struct ByteRange {
  size_t begin, end;
};

// The parts of a packed file, all within it.
struct PackedFile {
  const uint8_t *prefix = nullptr, *offsets = nullptr, *blocks = nullptr, *suffix = nullptr;
  const uint8_t* end = nullptr;  // of the file
  size_t prefix_nbytes = 0, blocks_nbytes = 0, suffix_nbytes = 0;
  uint32_t interval_count = 0;
  uint32_t published_nbytes = 0;
  int interval = 0;  // in MCUs; the last one of a row may be shorter
  unsigned pad = 0;  // the bits that fill the last byte of the published scan

  // Reads the head; `damaged` where a part is not within the file.
  JpegStatus read(const uint8_t* data, size_t nbytes);
  // Whether its intervals are as many as the image's MCUs need, and its bytes enough for their
  // blocks: no memory for images whose data cannot be there.
  bool fits(const JpegHeader& header) const;
  // Where the blocks of an interval are; false where they are not within the file.
  bool find(uint32_t number, const uint8_t*& begin, const uint8_t*& stop) const;
  // What find_padded() may read of the intervals of a region, in one piece.
  ByteRange range(const JpegHeader& header, const McuRegion& region) const;
  // The same as find(), and kPackedPadding bytes after them can be read: where the file ends too early, they
  // are copied to `tail`.
  bool find_padded(uint32_t number, const uint8_t*& begin, const uint8_t*& stop,
                   GrowingBuffer& tail) const;
};

bool is_packed(const uint8_t* data, size_t nbytes);

// Where the blocks begin in a file of `nbytes` bytes, of which kPackedHead can be read; 0 where it is
// not packed, or its head is damaged. Headers are read without what follows.
size_t packed_head_nbytes(const uint8_t* data, size_t nbytes);

// The header of a JPEG, packed or not.
JpegStatus read_any_header(const uint8_t* data, size_t nbytes, JpegHeader& header);

inline int packed_intervals_per_row(int columns, int interval) {
  return (columns + interval - 1) / interval;
}

}  // namespace imnet
