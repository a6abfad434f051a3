#include "packed/decode.hpp"

#include <algorithm>

#include "kernels.hpp"

namespace imnet {
namespace {

constexpr const char* kBadBlocks = "the blocks of an interval are damaged";

}  // namespace

void PackedDecoder::plan_blocks(const JpegHeader& header) {
  plan_.block_count = 0;
  const bool alone = header.component_count == 1;
  for (int i = 0; i < header.component_count; ++i) {
    const JpegComponent& part = header.components[header.scan.component[i]];
    const int which = header.scan.component[i];
    for (int k = 0; k < 64; ++k)
      quant_[which][kZigzagPlaces[k]] = int16_t(header.quant[part.quant][k]);
    const int h = alone ? 1 : part.h, v = alone ? 1 : part.v;
    const Plane& plane = planes_.plane(which);
    for (int y = 0; y < v; ++y)
      for (int x = 0; x < h; ++x)
        plan_.blocks[plan_.block_count++] = {
            nullptr, nullptr, quant_[which],
            plane.samples - plane.left - plane.upper * plane.stride + 8 * (x + y * plane.stride),
            plane.stride, 8 * h, 8 * v * plane.stride, which};
  }
}

JpegStatus PackedDecoder::decode_interval(const PackedFile& file, int row, int number) {
  const uint32_t index = uint32_t(row) * per_row_ + number;
  const JpegStatus fault = damaged(kBadBlocks, kPackedHead + 4 * size_t(index));
  UnpackStream stream;
  if (!file.find_padded(index, stream.next, stream.end, tail_)) return fault;
  const int first = number * file.interval, stop = std::min(first + file.interval, columns_);
  ScanRun run;
  run.row = row;
  run.column = first;
  run.count = std::min(stop, region_.right) - first;
  run.wanted = true;
  if (!kernels().unpack(plan_, stream, run)) return fault;
  return first + run.count == stop && stream.next != stream.end ? fault : JpegStatus();
}

JpegStatus PackedDecoder::decode(const PackedFile& file, const JpegHeader& header, const Box& box,
                                 uint8_t* out, ptrdiff_t out_stride) {
  region_ = McuRegion(header, box);
  columns_ = header.mcu_columns();
  per_row_ = packed_intervals_per_row(columns_, file.interval);
  planes_.plan(header, box, region_);
  plan_blocks(header);
  plan_.first_column = region_.left;
  int written = box.upper;
  for (int row = region_.upper; row < region_.lower; ++row) {
    for (int i = region_.left / file.interval; i * file.interval < region_.right; ++i)
      if (const JpegStatus status = decode_interval(file, row, i); !status) return status;
    const int ready = planes_.rows_ready(row + 1);
    if (ready <= written) continue;
    planes_.write(written, ready, out + (written - box.upper) * out_stride, out_stride);
    written = ready;
  }
  return {};
}

JpegStatus PackedDecoder::check(const PackedFile& file, const JpegHeader& header) {
  const Box corner = {0, 0, 1, 1};
  planes_.plan(header, corner, McuRegion(header, corner));
  plan_blocks(header);
  columns_ = header.mcu_columns();
  per_row_ = packed_intervals_per_row(columns_, file.interval);
  region_ = McuRegion(header, {0, 0, header.width, header.height});
  plan_.first_column = columns_;
  for (int row = 0; row < header.mcu_rows(); ++row)
    for (int i = 0; i < per_row_; ++i)
      if (const JpegStatus status = decode_interval(file, row, i); !status) return status;
  return {};
}

}  // namespace imnet
