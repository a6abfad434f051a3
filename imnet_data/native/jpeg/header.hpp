// The header of a JPEG, with every length checked.
// Source: ITU-T T.81 annex B; JFIF 1.02; Adobe Technical Note 5116, section 18 (APP14).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "jpeg/status.hpp"

namespace imnet {

constexpr int kMaxComponents = 4;
constexpr int kMaxBlocksInMcu = 10;  // T.81, B.2.3

struct HuffmanSpec {
  std::array<uint8_t, 17> counts{};  // codes of each length; [0] is not used
  std::array<uint8_t, 256> symbols{};
  int symbol_count = 0;  // 0: not defined
  size_t offset = 0;       // of the byte (class, id) in the file; 0: a default table
  size_t segment = 0;      // of the marker of the segment that it is in
};

struct JpegComponent {
  uint8_t id = 0, h = 1, v = 1, quant = 0;
};

struct JpegScan {
  int count = 0;                                    // components in this scan
  std::array<uint8_t, kMaxComponents> component{};  // their places in the frame
  std::array<uint8_t, kMaxComponents> dc{}, ac{};   // their Huffman tables
  size_t sos_offset = 0;                            // of its marker
  size_t data_offset = 0;                           // of the entropy-coded data
};

struct JpegHeader {
  int width = 0, height = 0, precision = 0;
  uint8_t sof = 0;  // marker: 0xC0 baseline, 0xC1 extended sequential, 0xC2 progressive ...
  int component_count = 0;
  std::array<JpegComponent, kMaxComponents> components{};
  int max_h = 1, max_v = 1;
  int restart_interval = 0;  // in MCUs; 0: none
  size_t sof_offset = 0;     // of its marker
  size_t dri_offset = 0;     // of the last one's marker; 0: none
  bool jfif = false;
  int adobe_transform = -1;  // -1: no Adobe segment
  std::array<std::array<uint16_t, 64>, 4> quant{};  // in zigzag order
  std::array<bool, 4> quant_defined{};
  std::array<HuffmanSpec, 4> dc{}, ac{};
  JpegScan scan;
  // The first thing in the segments that libjpeg or Pillow may read in another way or refuse: junk
  // between segments, an unusual marker or segment. Ok where there is none.
  JpegStatus irregular;

  // Reads all segments up to the first scan.
  JpegStatus read(const uint8_t* data, size_t nbytes);

  // Reads on from `offset` to the next scan; `found` is false where the image ends instead.
  JpegStatus read_next_scan(const uint8_t* data, size_t nbytes, size_t offset, bool& found);

  // Reads from `offset`, after the last scan, to the end of the image: `damaged` where the end is
  // missing, `unsupported` where more than application data comes before it.
  JpegStatus read_end(const uint8_t* data, size_t nbytes, size_t offset) const;

  bool rgb() const;        // three components that are R, G and B, not Y, Cb and Cr
  JpegStatus decodable() const;  // ok where JpegDecoder takes it

  // Whether its scans are sequential, Huffman coded and of 8 bits, whatever the components.
  bool readable() const { return (sof == 0xC0 || sof == 0xC1) && precision == 8; }

  // Of a component, in samples.
  int component_width(int i) const { return (width * components[i].h + max_h - 1) / max_h; }
  int component_height(int i) const { return (height * components[i].v + max_v - 1) / max_v; }

  int mcu_width() const { return 8 * (component_count == 1 ? 1 : max_h); }
  int mcu_height() const { return 8 * (component_count == 1 ? 1 : max_v); }
  int mcu_columns() const { return (width + mcu_width() - 1) / mcu_width(); }
  int mcu_rows() const { return (height + mcu_height() - 1) / mcu_height(); }

 private:
  JpegStatus read_segments(const uint8_t* data, size_t nbytes, size_t offset, bool& found);
  JpegStatus read_frame(const uint8_t* segment, size_t length, size_t offset);
  JpegStatus read_huffman(const uint8_t* segment, size_t length, size_t offset);
  JpegStatus read_quant(const uint8_t* segment, size_t length, size_t offset);
  JpegStatus read_scan(const uint8_t* segment, size_t length, size_t offset);
  void read_app(uint8_t marker, const uint8_t* segment, size_t length, size_t offset);
  void note(const char* text, size_t offset);
};

}  // namespace imnet
