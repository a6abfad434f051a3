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
  kApp2 = 0xE2,
  kApp13 = 0xED,
  kApp14 = 0xEE,
  kApp15 = 0xEF,
  kCom = 0xFE,
};

constexpr int kMaxSide = 65500;  // JPEG_MAX_DIMENSION of libjpeg

int read_u16(const uint8_t* bytes) { return bytes[0] << 8 | bytes[1]; }

bool is_frame(uint8_t marker) {
  return marker >= kSof0 && marker <= kSof15 && marker != kDht && marker != kJpg && marker != kDac;
}

bool stands_alone(uint8_t marker) {
  return marker == kTem || (marker >= kRst0 && marker <= kRst7);
}

bool is_application(uint8_t marker) {
  return (marker >= kApp0 && marker <= kApp15) || marker == kCom;
}

bool starts_with(const uint8_t* segment, size_t length, const char* text, size_t text_length) {
  return length >= text_length && std::memcmp(segment, text, text_length) == 0;
}

// Whether Pillow can read the image resources of Photoshop: it reads the length of a name without
// checking that there is one, while it notices the end anywhere else.
bool resources_end_well(const uint8_t* segment, size_t length) {
  size_t at = 14;
  while (at < length && length - at >= 4 && std::memcmp(segment + at, "8BIM", 4) == 0) {
    if (length - at < 6) return true;
    const int code = read_u16(segment + at + 4);
    at += 6;
    if (at >= length) return false;
    at += 1 + segment[at];
    at += at & 1;
    if (at > length || length - at < 4) return true;
    const size_t nbytes = size_t(read_u16(segment + at)) << 16 | read_u16(segment + at + 2);
    at += 4;
    if (code == 0x03ED && (nbytes < 14 || length - at < 14)) return true;
    at += nbytes;
    at += at & 1;
  }
  return true;
}

}  // namespace

JpegStatus JpegHeader::read(const uint8_t* data, size_t nbytes) {
  *this = JpegHeader();
  if (nbytes < 2 || data[0] != 0xFF || data[1] != kSoi)
    return damaged("not a JPEG: it does not start with FF D8", 0);
  // T.81 requires tables in the file; Motion JPEG omits the usual ones, which libjpeg-turbo allows
  for (int i = 0; i < 2; ++i) {
    dc[i] = default_dc_table(i);
    ac[i] = default_ac_table(i);
  }
  if (nbytes > 2 && data[2] != 0xFF) note("no marker after the start of image", 2);
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
  bool in_data = scan.data_offset != 0;  // what an earlier scan has left over
  for (;;) {
    // as libjpeg: what is no marker is passed over, and any number of FF may precede one
    const size_t expected = offset;
    while (offset < nbytes && data[offset] != 0xFF) ++offset;
    if (offset > expected && !in_data) note("bytes between segments", expected);
    while (offset < nbytes && data[offset] == 0xFF) ++offset;
    if (offset >= nbytes) return damaged("header ends early", nbytes);
    const uint8_t marker = data[offset];
    const size_t start = offset - 1;
    ++offset;
    if (marker == 0 || stands_alone(marker)) {
      if (!in_data) note("a marker between segments that belongs into image data", start);
      continue;
    }
    in_data = false;
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
    } else if (is_application(marker)) {
      read_app(marker, segment, inner, start);
    } else {
      note("a marker that other readers may refuse", start);
    }
    if (!status) return status;
    offset = at + inner;
  }
}

JpegStatus JpegHeader::read_end(const uint8_t* data, size_t nbytes, size_t offset) const {
  for (;;) {
    while (offset < nbytes && data[offset] != 0xFF) ++offset;
    while (offset < nbytes && data[offset] == 0xFF) ++offset;
    if (offset >= nbytes) return damaged("there is no end-of-image marker", nbytes);
    const uint8_t marker = data[offset++];
    if (marker == kEoi) return {};
    if (marker == 0 || stands_alone(marker)) continue;
    if (!is_application(marker)) return unsupported("a marker after the last scan", offset - 2);
    const size_t length = nbytes - offset < 2 ? 2 : read_u16(data + offset);
    if (length < 2) return unsupported("a segment's length is less than 2", offset);
    offset += std::min(length, nbytes - offset);
  }
}

JpegStatus JpegHeader::read_frame(const uint8_t* segment, size_t length, size_t offset) {
  if (length < 6) return damaged("frame header of wrong length", offset);
  precision = segment[0];
  height = read_u16(segment + 1);
  width = read_u16(segment + 3);
  component_count = segment[5];
  if (width == 0 || height == 0) return damaged("width or height is 0", offset + 1);
  if (width > kMaxSide || height > kMaxSide) note("a side of more than 65,500 pixels", offset + 1);
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
    // libjpeg-turbo searches from the i-th component on, and refuses one that it finds twice
    int theirs = i;
    while (theirs < component_count && components[theirs].id != entry[0]) ++theirs;
    if (theirs != which)
      note("a scan names its components in another order", offset + 1 + 2 * i);
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

// Segments that Pillow also reads, and refuses where they are shorter than it assumes.
void JpegHeader::read_app(uint8_t marker, const uint8_t* segment, size_t length, size_t offset) {
  const auto starts = [&](const char* text, size_t text_length) {
    return starts_with(segment, length, text, text_length);
  };
  if (marker == kApp0 && starts("JFIF", 4) && length < 7) note("a JFIF segment too short", offset);
  if (marker == kApp2 && starts("ICC_PROFILE", 12) && length < 14)
    note("a segment of a colour profile too short", offset);
  if (marker == kApp13 && starts("Photoshop 3.0", 14) && !resources_end_well(segment, length))
    note("a Photoshop segment cut short", offset);
  if (marker == kApp14 && starts("Adobe", 5) && length < 7)
    note("an Adobe segment too short", offset);
  if (marker == kApp0 && starts("JFIF", 5) && length >= 14) jfif = true;
  if (marker == kApp14 && starts("Adobe", 5) && length >= 12) adobe_transform = segment[11];
}

void JpegHeader::note(const char* text, size_t offset) {
  if (irregular) irregular = unsupported(text, offset);
}

bool JpegHeader::rgb() const {
  if (component_count != 3 || jfif) return false;
  if (adobe_transform >= 0) return adobe_transform == 0;
  return components[0].id == 'R' && components[1].id == 'G' && components[2].id == 'B';
}

JpegStatus JpegHeader::decodable() const {
  const auto no = [](const char* text) { return unsupported(text, 0); };
  if (sof == 0xC2) return no("progressive");
  if (sof >= 0xC9) return no("arithmetic coding");
  if (sof != 0xC0 && sof != 0xC1) return no("lossless or hierarchical");
  if (precision != 8) return no("not 8 bits per sample");
  if (component_count == 2) return no("two components");
  if (component_count == 4) return no(adobe_transform == 2 ? "YCCK" : "CMYK");
  for (int i = 0; i < component_count; ++i)
    if (max_h % components[i].h != 0 || max_v % components[i].v != 0)
      return no("a sampling factor does not divide the largest one");
  return {};
}

}  // namespace imnet
