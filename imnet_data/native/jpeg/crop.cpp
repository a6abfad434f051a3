#include "jpeg/crop.hpp"

#include <cstring>

#include "jpeg/append.hpp"
#include "jpeg/scan.hpp"
#include "kernels.hpp"

namespace imnet {
namespace {

void append_marker(std::vector<uint8_t>& out, int marker) {
  out.push_back(0xFF);
  out.push_back(uint8_t(marker));
}

bool describes_color(int marker, const uint8_t* segment, size_t length) {
  if (marker == 0xE0) return length >= 7 && std::memcmp(segment + 4, "JFIF", 5) == 0;
  return marker == 0xEE && length >= 7 && std::memcmp(segment + 4, "Adobe", 5) == 0;
}

// All segments up to the scan's data; `header` was read from these bytes, so lengths are sound.
void append_header(const uint8_t* data, const JpegHeader& header, int width, int height,
                   std::vector<uint8_t>& out) {
  append_marker(out, 0xD8);
  size_t at = 2;
  while (at < header.scan.data_offset) {
    if (data[at] != 0xFF) {
      ++at;
      continue;
    }
    const int marker = data[at + 1];
    if (marker == 0xFF) {
      ++at;
      continue;
    }
    if (marker == 0x00 || marker == 0x01 || (marker & 0xF8) == 0xD0) {
      at += 2;
      continue;
    }
    const size_t length = data[at + 2] << 8 | data[at + 3];
    const bool application = (marker & 0xF0) == 0xE0 || marker == 0xFE;
    if (!application || describes_color(marker, data + at, length + 2)) {
      const size_t start = out.size();
      append(out, data + at, data + at + 2 + length);
      if (at == header.sof_offset) {
        out[start + 5] = uint8_t(height >> 8);
        out[start + 6] = uint8_t(height);
        out[start + 7] = uint8_t(width >> 8);
        out[start + 8] = uint8_t(width);
      }
    }
    at += 2 + length;
  }
}

}  // namespace

JpegStatus crop_jpeg(const uint8_t* data, size_t nbytes, const Box& box, std::vector<uint8_t>& out,
                     Box& inside) {
  JpegHeader header;
  JpegStatus status = header.read(data, nbytes);
  if (!status) return status;
  if (!box_within(box, header.width, header.height))
    return bad_box();
  const int mcu_width = header.mcu_width(), mcu_height = header.mcu_height();
  const int columns = header.mcu_columns(), rows = header.mcu_rows();
  const int interval = header.restart_interval;
  if (!header.decodable() || header.scan.count != header.component_count || interval == 0 ||
      columns % interval != 0) {
    append(out, data, data + nbytes);
    inside = box;
    return {};
  }
  const McuRegion region(header, box);
  const int per_row = columns / interval, step = interval * mcu_width;
  int first = region.left / interval;
  const int last = (region.right + interval - 1) / interval;
  const int end_x = last == per_row ? header.width : last * step;
  // libjpeg-turbo does not filter components with one or two samples per row
  while (first > 0 && end_x - first * step <= 2 * header.max_h) --first;
  const int end_y = region.lower == rows ? header.height : region.lower * mcu_height;
  const int left = first * step, upper = region.upper * mcu_height;

  append_header(data, header, end_x - left, end_y - upper, out);
  const uint8_t* const end = data + nbytes;
  const uint8_t* at = data + header.scan.data_offset;
  const MarkerFunction next_marker = kernels().next_marker;
  int due = 0, written = 0;
  for (int64_t i = 0; i < int64_t(region.lower) * per_row; ++i) {
    const uint8_t* const stop = next_marker(at, end);
    const int column = int(i % per_row);
    if (i / per_row >= region.upper && column >= first && column < last) {
      if (written > 0) append_marker(out, 0xD0 + ((written - 1) & 7));
      append(out, at, stop);
      ++written;
    }
    at = stop;
    if (i + 1 == int64_t(rows) * per_row) break;
    status = pass_restart(data, nbytes, due, at);
    if (!status) return status;
    due = (due + 1) & 7;
  }
  append_marker(out, 0xD9);
  inside = {box.left - left, box.upper - upper, box.right - left, box.lower - upper};
  return {};
}

}  // namespace imnet
