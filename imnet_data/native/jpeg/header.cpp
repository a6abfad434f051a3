#include "jpeg/header.hpp"

#include <algorithm>
#include <cstring>

#include "jpeg/huffman.hpp"

namespace imnet {
namespace {

enum Marker : uint8_t {
  kTem = 0x01,
  kSof0 = 0xC0,
  kDht = 0xC4,
  kJpg = 0xC8,
  kDac = 0xCC,
  kSof15 = 0xCF,
  kRst0 = 0xD0,
  kRst7 = 0xD7,
  kSoi = 0xD8,
  kEoi = 0xD9,
  kSos = 0xDA,
  kDqt = 0xDB,
  kDri = 0xDD,
  kApp0 = 0xE0,
  kApp14 = 0xEE,
};

int read_u16(const uint8_t* bytes) { return bytes[0] << 8 | bytes[1]; }

bool is_frame(uint8_t marker) {
  return marker >= kSof0 && marker <= kSof15 && marker != kDht && marker != kJpg && marker != kDac;
}

bool stands_alone(uint8_t marker) {
  return marker == kTem || (marker >= kRst0 && marker <= kRst7);
}

}  // namespace

JpegStatus JpegHeader::read(const uint8_t* data, size_t nbytes) {
  *this = JpegHeader();
  if (nbytes < 2 || data[0] != 0xFF || data[1] != kSoi)
    return damaged("not a JPEG: it does not start with FF D8", 0);
  // T.81 wants tables in the file; Motion JPEG leaves out the usual ones, libjpeg-turbo allows it
  for (int i = 0; i < 2; ++i) {
    dc[i] = default_dc_table(i);
    ac[i] = default_ac_table(i);
  }
  bool found = false;
  JpegStatus status = read_segments(data, nbytes, 2, found);
  if (status && !found) status = damaged("no image in it: it ends before a scan", nbytes);
  return status;
}

JpegStatus JpegHeader::read_next_scan(const uint8_t* data, size_t nbytes, size_t offset,
                                      bool& found) {
  return read_segments(data, nbytes, offset, found);
}

JpegStatus JpegHeader::read_segments(const uint8_t* data, size_t nbytes, size_t offset,
                                     bool& found) {
  found = false;
  for (;;) {
    // as libjpeg: what is no marker is passed over, and any number of FF may precede one
    while (offset < nbytes && data[offset] != 0xFF) ++offset;
    while (offset < nbytes && data[offset] == 0xFF) ++offset;
    if (offset >= nbytes) return damaged("header ends early", nbytes);
    const uint8_t marker = data[offset];
    const size_t start = offset - 1;
    ++offset;
    if (marker == 0 || stands_alone(marker)) continue;
    if (marker == kSoi) return damaged("a second start of image", start);
    if (marker == kEoi) return {};
    if (nbytes - offset < 2) return damaged("header ends early", nbytes);
    const size_t length = read_u16(data + offset);
    if (length < 2) return damaged("a segment's length is less than 2", offset);
    if (nbytes - offset < length) return damaged("header ends early", nbytes);
    const uint8_t* segment = data + offset + 2;
    const size_t inner = length - 2, at = offset + 2;
    JpegStatus status;
    if (is_frame(marker)) {
      if (sof != 0) return damaged("a second frame header", start);
      sof = marker;
      sof_offset = start;
      status = read_frame(segment, inner, at);
    } else if (marker == kDht) {
      status = read_huffman(segment, inner, at);
    } else if (marker == kDqt) {
      status = read_quant(segment, inner, at);
    } else if (marker == kDri) {
      if (inner != 2) return damaged("restart interval segment of wrong length", offset);
      restart_interval = read_u16(segment);
      dri_offset = start;
    } else if (marker == kSos) {
      scan = JpegScan();
      scan.sos_offset = start;
      scan.data_offset = at + inner;
      found = true;
      return read_scan(segment, inner, at);
    } else {
      read_app(marker, segment, inner);
    }
    if (!status) return status;
    offset = at + inner;
  }
}

JpegStatus JpegHeader::read_frame(const uint8_t* segment, size_t length, size_t offset) {
  if (length < 6) return damaged("frame header of wrong length", offset);
  precision = segment[0];
  height = read_u16(segment + 1);
  width = read_u16(segment + 3);
  component_count = segment[5];
  if (width == 0 || height == 0) return damaged("width or height is 0", offset + 1);
  if (component_count < 1 || component_count > kMaxComponents)
    return damaged("number of components is not 1 to 4", offset + 5);
  if (length != 6 + 3 * size_t(component_count))
    return damaged("frame header of wrong length", offset);
  for (int i = 0; i < component_count; ++i) {
    const uint8_t* entry = segment + 6 + 3 * i;
    JpegComponent& part = components[i];
    part = {entry[0], uint8_t(entry[1] >> 4), uint8_t(entry[1] & 15), entry[2]};
    if (part.h < 1 || part.h > 4 || part.v < 1 || part.v > 4)
      return damaged("a sampling factor is not 1 to 4", offset + 7 + 3 * i);
    if (part.quant > 3) return damaged("a quantisation table is not 0 to 3", offset + 8 + 3 * i);
    max_h = std::max<int>(max_h, part.h);
    max_v = std::max<int>(max_v, part.v);
  }
  return {};
}

JpegStatus JpegHeader::read_huffman(const uint8_t* segment, size_t length, size_t offset) {
  size_t at = 0;
  while (at < length) {
    if (length - at < 17) return damaged("Huffman segment of wrong length", offset + at);
    const int kind = segment[at] >> 4, id = segment[at] & 15;
    if (kind > 1 || id > 3) return damaged("Huffman table is not 0 to 3", offset + at);
    HuffmanSpec& table = kind == 1 ? ac[id] : dc[id];
    table = HuffmanSpec();
    table.offset = offset + at;
    table.segment = offset - 4;
    for (int bits = 1; bits <= 16; ++bits) {
      table.counts[bits] = segment[at + bits];
      table.symbol_count += table.counts[bits];
    }
    if (table.symbol_count > 256 || size_t(table.symbol_count) > length - at - 17)
      return damaged("Huffman table has too many codes", offset + at);
    std::memcpy(table.symbols.data(), segment + at + 17, table.symbol_count);
    at += 17 + table.symbol_count;
  }
  return {};
}

JpegStatus JpegHeader::read_quant(const uint8_t* segment, size_t length, size_t offset) {
  size_t at = 0;
  while (at < length) {
    const int wide = segment[at] >> 4, id = segment[at] & 15;
    if (wide > 1 || id > 3) return damaged("quantisation table is not 0 to 3", offset + at);
    const size_t size = wide ? 128 : 64;
    if (length - at - 1 < size) return damaged("quantisation segment too short", offset + at);
    for (int i = 0; i < 64; ++i)
      quant[id][i] = wide ? read_u16(segment + at + 1 + 2 * i) : segment[at + 1 + i];
    quant_defined[id] = true;
    at += 1 + size;
  }
  return {};
}

JpegStatus JpegHeader::read_scan(const uint8_t* segment, size_t length, size_t offset) {
  if (sof == 0) return damaged("a scan before the frame header", offset);
  if (length < 1 || segment[0] < 1 || segment[0] > kMaxComponents ||
      length != 4 + 2 * size_t(segment[0]))
    return damaged("scan header of wrong length", offset);
  scan.count = segment[0];
  bool taken[kMaxComponents] = {};
  int blocks = 0;
  for (int i = 0; i < scan.count; ++i) {
    const uint8_t* entry = segment + 1 + 2 * i;
    int which = 0;
    while (which < component_count && (components[which].id != entry[0] || taken[which])) ++which;
    if (which == component_count)
      return damaged("a scan names a component that is not there", offset + 1 + 2 * i);
    taken[which] = true;
    scan.component[i] = which;
    scan.dc[i] = entry[1] >> 4;
    scan.ac[i] = entry[1] & 15;
    if (scan.dc[i] > 3 || scan.ac[i] > 3)
      return damaged("a scan names a Huffman table that cannot be", offset + 2 + 2 * i);
    blocks += components[which].h * components[which].v;
  }
  if (scan.count > 1 && blocks > kMaxBlocksInMcu)
    return damaged("more than 10 blocks in an MCU", offset);
  return {};
}

void JpegHeader::read_app(uint8_t marker, const uint8_t* segment, size_t length) {
  if (marker == kApp0 && length >= 14 && std::memcmp(segment, "JFIF", 5) == 0) jfif = true;
  if (marker == kApp14 && length >= 12 && std::memcmp(segment, "Adobe", 5) == 0)
    adobe_transform = segment[11];
}

bool JpegHeader::rgb() const {
  if (component_count != 3 || jfif) return false;
  if (adobe_transform >= 0) return adobe_transform == 0;
  return components[0].id == 'R' && components[1].id == 'G' && components[2].id == 'B';
}

JpegStatus JpegHeader::decodable() const {
  const auto no = [](const char* text) { return JpegStatus{JpegCode::unsupported, text, 0}; };
  if (sof == 0xC2) return no("progressive");
  if (sof >= 0xC9) return no("arithmetic coding");
  if (sof != 0xC0 && sof != 0xC1) return no("lossless or hierarchical");
  if (precision != 8) return no("not 8 bits a sample");
  if (component_count != 1 && component_count != 3) return no("two or four components");
  for (int i = 0; i < component_count; ++i)
    if (max_h % components[i].h != 0 || max_v % components[i].v != 0)
      return no("a sampling factor does not divide the largest one");
  return {};
}

}  // namespace imnet
