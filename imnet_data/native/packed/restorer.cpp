#include "packed/restorer.hpp"

#include "jpeg/append.hpp"
#include "packed/scan_writer.hpp"

namespace imnet {
namespace {

constexpr unsigned kRestartPad = 0xFF;

}  // namespace

void PackedRestorer::plan(const JpegHeader& header) {
  plan_.block_count = 0;
  for (int id = 0; id < 4; ++id) {
    dc_[id].build(header.dc[id]);
    ac_[id].build(header.ac[id]);
  }
  const JpegScan& scan = header.scan;
  for (int i = 0; i < scan.count; ++i) {
    const JpegComponent& part = header.components[scan.component[i]];
    const int count = scan.count == 1 ? 1 : part.h * part.v;
    for (int k = 0; k < count; ++k)
      plan_.blocks[plan_.block_count++] = {&dc_[scan.dc[i]], &ac_[scan.ac[i]], scan.component[i]};
  }
}

bool PackedRestorer::write_scan(const PackedFile& file, const JpegHeader& header,
                                std::vector<uint8_t>& out) {
  EncodeState state;
  ScanWriter writer(out, state.sink);
  const EncodeFunction encode = kernels().encode;
  const int columns = header.mcu_columns();
  const int64_t mcus = int64_t(columns) * header.mcu_rows();
  const uint8_t *next = nullptr, *stop = nullptr;
  uint32_t number = 0;
  int marker = 0;
  for (int64_t mcu = 0; mcu < mcus; ++mcu) {
    if (mcu % columns % file.interval == 0) {
      if (next != stop || !file.find_padded(number++, next, stop, tail_)) return false;
      state.packed = {};
    }
    if (header.restart_interval != 0 && mcu != 0 && mcu % header.restart_interval == 0) {
      writer.finish(kRestartPad);
      writer.mark(uint8_t(0xD0 + marker));
      marker = (marker + 1) & 7;
      state.published = {};
    }
    next = encode(plan_, next, state);
    if (next == nullptr || next > stop) return false;
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
