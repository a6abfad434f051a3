#include "packed/file.hpp"

#include <algorithm>
#include <cstring>

#include "cpu/little_endian.hpp"

namespace imnet {
namespace {

constexpr uint64_t kLeastBlockNbytes = 2;  // which groups there are, and the DC difference

}  // namespace

bool is_packed(const uint8_t* data, size_t nbytes) {
  return nbytes >= sizeof kPackedMagic && std::memcmp(data, kPackedMagic, sizeof kPackedMagic) == 0;
}

size_t packed_head_nbytes(const uint8_t* data, size_t nbytes) {
  PackedFile file;
  return file.read(data, nbytes) ? size_t(file.blocks - data) : 0;
}

JpegStatus PackedFile::read(const uint8_t* data, size_t nbytes) {
  if (!is_packed(data, nbytes)) return damaged("not a packed JPEG", 0);
  if (nbytes < kPackedHead) return damaged("the head of a packed JPEG ends early", nbytes);
  if (data[8] != kPackedVersion)
    return unsupported("a packed JPEG of another version; update imnet-data", 8);
  pad = data[9];
  interval = int(load_little_endian16(data + 10));
  prefix_nbytes = load_little_endian32(data + 12);
  suffix_nbytes = load_little_endian32(data + 16);
  interval_count = load_little_endian32(data + 20);
  published_nbytes = load_little_endian32(data + 24);
  const uint64_t table = 4 * (uint64_t(interval_count) + 1);
  const uint64_t around = kPackedHead + table + prefix_nbytes + suffix_nbytes;
  if (interval == 0 || interval_count == 0 || load_little_endian32(data + 28) != 0 || around > nbytes)
    return damaged("the head of a packed JPEG contradicts its length", 10);
  offsets = data + kPackedHead;
  prefix = offsets + table;
  blocks = prefix + prefix_nbytes;
  blocks_nbytes = nbytes - around;
  suffix = blocks + blocks_nbytes;
  end = data + nbytes;
  return {};
}

bool PackedFile::fits(const JpegHeader& header) const {
  const int64_t per_row = packed_intervals_per_row(header.mcu_columns(), interval);
  if (per_row * header.mcu_rows() != interval_count) return false;
  uint64_t blocks_per_mcu = 0;
  for (int i = 0; i < header.component_count; ++i)
    blocks_per_mcu +=
        header.component_count == 1 ? 1 : header.components[i].h * header.components[i].v;
  const uint64_t mcus = uint64_t(header.mcu_columns()) * uint64_t(header.mcu_rows());
  return kLeastBlockNbytes * blocks_per_mcu * mcus <= blocks_nbytes;
}

bool PackedFile::find(uint32_t number, const uint8_t*& begin, const uint8_t*& stop) const {
  if (number >= interval_count) return false;
  const uint8_t* const entry = offsets + 4 * size_t(number);
  const uint32_t first = load_little_endian32(entry), last = load_little_endian32(entry + 4);
  if (first > last || last > blocks_nbytes) return false;
  begin = blocks + first;
  stop = blocks + last;
  return true;
}

ByteRange PackedFile::range(const JpegHeader& header, const McuRegion& region) const {
  const int per_row = packed_intervals_per_row(header.mcu_columns(), interval);
  const uint8_t *first = end, *last = blocks;
  for (int row = region.upper; row < region.lower; ++row)
    for (int i = region.left / interval; i * interval < region.right; ++i) {
      const uint8_t *begin, *stop;
      if (!find(uint32_t(row) * uint32_t(per_row) + uint32_t(i), begin, stop)) continue;
      first = std::min(first, begin);
      last = std::max(last, stop);
    }
  const uint8_t* const data = offsets - kPackedHead;
  const size_t stop = size_t(last - data) + kPackedPadding;
  return {size_t(first - data), std::min(stop, size_t(end - data))};
}

bool PackedFile::find_padded(uint32_t number, const uint8_t*& begin, const uint8_t*& stop,
                             GrowingBuffer& tail) const {
  if (!find(number, begin, stop)) return false;
  if (size_t(end - stop) >= kPackedPadding) return true;
  const size_t nbytes = size_t(stop - begin);
  uint8_t* const copy = tail.reserve(nbytes + kPackedPadding);
  std::memcpy(copy, begin, nbytes);
  std::memset(copy + nbytes, 0, kPackedPadding);
  begin = copy;
  stop = copy + nbytes;
  return true;
}

JpegStatus read_any_header(const uint8_t* data, size_t nbytes, JpegHeader& header) {
  if (!is_packed(data, nbytes)) return header.read(data, nbytes);
  PackedFile file;
  const JpegStatus status = file.read(data, nbytes);
  if (!status) return status;
  const JpegStatus found = header.read(file.prefix, file.prefix_nbytes);
  if (!found) return {found.code, found.text, 0};
  if (header.scan.data_offset != file.prefix_nbytes || header.scan.count != header.component_count ||
      !file.fits(header))
    return damaged("the parts of a packed JPEG do not fit together", 0);
  return {};
}

}  // namespace imnet
