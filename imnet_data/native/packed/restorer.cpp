#include "packed/restorer.hpp"

#include <array>
#include <cstring>

#include "jpeg/append.hpp"
#include "packed/scalar_block.hpp"

namespace imnet {
namespace {

constexpr unsigned kRestartPad = 0xFF;

constexpr std::array<ValueBits, 256> bits_of_coded() {
  std::array<ValueBits, 256> found{};
  for (unsigned coded = 0; coded < 256; ++coded)
    found[coded] = value_bits_of(decoded_value(coded));
  return found;
}

constexpr std::array<ValueBits, 256> kBitsOfCoded = bits_of_coded();

}  // namespace

void PackedRestorer::plan(const JpegHeader& header) {
  block_count_ = 0;
  for (int id = 0; id < 4; ++id) {
    dc_[id].build(header.dc[id]);
    ac_[id].build(header.ac[id]);
  }
  const JpegScan& scan = header.scan;
  for (int i = 0; i < scan.count; ++i) {
    const JpegComponent& part = header.components[scan.component[i]];
    const int count = scan.count == 1 ? 1 : part.h * part.v;
    for (int k = 0; k < count; ++k)
      blocks_[block_count_++] = {&dc_[scan.dc[i]], &ac_[scan.ac[i]], scan.component[i]};
  }
}

// Returns where the next block begins; nullptr where it is damaged, or has no code.
const uint8_t* PackedRestorer::write_block(const uint8_t* next, const Block& block,
                                           ScanWriter& writer) {
  PackedBlock fields;
  alignas(32) uint8_t coded[64];
  next = values_(next, fields, coded);
  int16_t wide[64];
  if (__builtin_expect(fields.wide(), 0)) {
    std::memset(wide, 0, sizeof wide);
    next = take_wide(next, [&](int position, int value) { wide[position] = int16_t(value); });
    if (next == nullptr) return nullptr;
  }
  int &published = published_[block.component], &packed = packed_[block.component];
  packed = int(unsigned(packed) + unsigned(fields.difference));
  const ValueBits difference = value_bits_of(int(unsigned(packed) - unsigned(published)));
  if (difference.size > 15) return nullptr;
  bool sound = writer.put(*block.dc, 0, difference);
  published = packed;
  int before = 0;
  for (uint64_t left = fields.masks & ~uint64_t(1); left != 0; left &= left - 1) {
    const int position = __builtin_ctzll(left);
    int run = position - before - 1;
    before = position;
    for (; run > 15; run -= 16) sound &= writer.put(*block.ac, 15, ValueBits());
    ValueBits value = kBitsOfCoded[coded[position]];
    if (__builtin_expect(fields.wide(), 0) && wide[position] != 0) {
      if (wide[position] < -INT16_MAX) return nullptr;
      value = value_bits_of(wide[position]);
    }
    sound &= writer.put(*block.ac, run, value);
  }
  if (before != 63) sound &= writer.put(*block.ac, 0, ValueBits());
  return sound ? next : nullptr;
}

bool PackedRestorer::write_scan(const PackedFile& file, const JpegHeader& header,
                                std::vector<uint8_t>& out) {
  ScanWriter writer(out);
  values_ = kernels().values;
  const int columns = header.mcu_columns();
  const int64_t mcus = int64_t(columns) * header.mcu_rows();
  const uint8_t *next = nullptr, *stop = nullptr;
  uint32_t number = 0;
  int marker = 0;
  published_ = {};
  for (int64_t mcu = 0; mcu < mcus; ++mcu) {
    if (mcu % columns % file.interval == 0) {
      if (next != stop || !file.find_padded(number++, next, stop, tail_)) return false;
      packed_ = {};
    }
    if (header.restart_interval != 0 && mcu != 0 && mcu % header.restart_interval == 0) {
      writer.finish(kRestartPad);
      writer.mark(uint8_t(0xD0 + marker));
      marker = (marker + 1) & 7;
      published_ = {};
    }
    for (int i = 0; i < block_count_; ++i)
      if ((next = write_block(next, blocks_[i], writer)) == nullptr) return false;
    if (next > stop) return false;
    writer.make_room();
  }
  writer.finish(file.pad);
  return next == stop;
}

JpegStatus PackedRestorer::restore(const uint8_t* data, size_t nbytes, std::vector<uint8_t>& out) {
  PackedFile file;
  JpegHeader header;
  JpegStatus status = file.read(data, nbytes);
  if (status) status = read_any_header(data, nbytes, header);
  if (!status) return status;
  const size_t start = out.size();
  append(out, file.prefix, file.prefix + file.prefix_nbytes);
  plan(header);
  if (!write_scan(file, header, out)) status = damaged("the blocks of a packed JPEG are damaged", 0);
  append(out, file.suffix, file.suffix + file.suffix_nbytes);
  if (status && out.size() - start != file.published_nbytes)
    status = damaged("a packed JPEG does not have the length that it was published with", 24);
  if (!status) out.resize(start);
  return status;
}

}  // namespace imnet
